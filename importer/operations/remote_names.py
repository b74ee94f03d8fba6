"""Names that other people's servers give to files, made fit for a folder of ours."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

LONGEST = 150
"""Bytes of a local name: what is put around it on the way must fit into 255."""

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:\..*)?", re.IGNORECASE
)
_UNFINISHED = (
    ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp",
)  # fmt: skip
"""What upload programs add to a name until the file is whole."""


def safe_name(name: str) -> str:
    """A name without a path that every system takes as a plain file: never hidden or a device.

    The ending stays as it is, since it says what kind of file it is. Two names may become one.
    """
    name = unicodedata.normalize("NFC", name)
    name = "".join(letter if letter.isprintable() else "_" for letter in name)
    name = _FORBIDDEN.sub("_", name).strip().rstrip(". ")
    if name.startswith((".", "-", "~")):
        name = f"_{name[1:]}"
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    return _shortened(name) or "file"


def is_unfinished(name: str) -> bool:
    """Whether a name is hidden or a temporary one: a file that somebody is still writing."""
    return name.startswith((".", "~$")) or name.lower().endswith(_UNFINISHED)


def free_name(folder: Path, name: str) -> Path:
    """A path in the folder that nothing has yet: the name, or with a number before its ending."""
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = numbered(name, 1)
    path = folder / name
    number = 2
    while path.exists() or path.is_symlink():
        path = folder / numbered(name, number)
        number += 1
    return path


_LONGEST_NAME = 255
"""Bytes of a name on the usual file systems."""
_LONGEST_ENDING = 16


def numbered(name: str, number: int) -> str:
    """``leads-2.csv`` for ``leads.csv`` and 2."""
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or len(os.fsencode(ending)) > _LONGEST_ENDING:
        stem, tail = name, f"-{number}"
    else:
        tail = f"-{number}.{ending}"
    room = _LONGEST_NAME - len(os.fsencode(tail))
    return os.fsdecode(os.fsencode(stem)[:room]) + tail


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or len(ending.encode()) > 16:
        stem, ending = name, ""
    tail = f".{ending}" if ending else ""
    room = LONGEST - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + tail
