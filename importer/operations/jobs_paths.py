"""Paths and addresses of a jobs file: relative ones are at home beside the file."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from pathlib import Path

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_ESCAPED = re.compile(r"\[([*?[])\]")


def absolute_path(base: Path, text: str) -> Path:
    """The path that a jobs file in the folder `base` means."""
    return Path(os.path.normpath(base / text))


def absolute_pattern(base: Path, text: str) -> str:
    """The glob that a jobs file in the folder `base` means; in its name, signs are plain."""
    if Path(text).is_absolute():
        return os.path.normpath(text)
    return os.path.normpath(Path(glob.escape(str(base))) / text)


def fixed_part(pattern: str) -> tuple[Path, str]:
    """Divide an absolute glob into the folder above its first wildcard, and the rest.

    The rest of a pattern without wildcards is empty: it names a file or a folder.
    """
    parts = Path(pattern).parts
    plain: list[str] = []
    for number, part in enumerate(parts):
        if glob.has_magic(_ESCAPED.sub("", part)):
            return Path(*plain), str(Path(*parts[number:]))
        plain.append(_ESCAPED.sub(r"\1", part))
    return Path(*plain), ""


def filled(text: str, variables: Mapping[str, str]) -> str:
    """The text with the values of its variables; those without one are left as they stand."""
    return VARIABLE.sub(lambda match: variables.get(match[1]) or match[0], text)


def missing_variables(text: str, variables: Mapping[str, str]) -> list[str]:
    """The variables in a text that have no value."""
    return sorted({name for name in VARIABLE.findall(text) if not variables.get(name)})
