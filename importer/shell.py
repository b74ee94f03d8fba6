"""A command of ours as it is typed: one line, quoted for this system's shell.

Every command that a message tells people to type is put together here, so that it can be pasted as
it stands.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "vcc-import"
STANDARD_INPUT = Path("-")

_SAFE_ON_WINDOWS = re.compile(r"[\w.,:\\/+@=~-]+")


_NO_TEXT = re.compile(r"[\ud800-\udfff\x00-\x1f\x7f]")
_ESCAPED = re.compile(r"[\ud800-\udfff\x00-\x1f\x7f'\\]")


def _in_octal(found: re.Match[str]) -> str:
    """A byte of a name as ``$'…'`` of POSIX takes it, which bash, zsh and ksh know."""
    if found[0] in "'\\":
        return f"\\{found[0]}"
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(found[0]))


def quoted(word: str | os.PathLike[str]) -> str:
    """A word as the shell takes it for one: of POSIX, or cmd and PowerShell on Windows."""
    text = os.fspath(word)
    if os.name == "posix" and _NO_TEXT.search(text):
        return f"$'{_ESCAPED.sub(_in_octal, text)}'"
    if os.name != "nt":
        return shlex.quote(text)
    if _SAFE_ON_WINDOWS.fullmatch(text):
        return text
    # As programs on Windows read their command line: a backslash counts only before a quote.
    return '"' + re.sub(r'(\\*)("|$)', lambda m: 2 * m[1] + ('\\"' if m[2] else ""), text) + '"'


def command(*words: str | os.PathLike[str]) -> str:
    """A command of ours on one line, however long, since it is there to be copied."""
    return " ".join([PROGRAM, *map(quoted, words)])


def argument(path: Path) -> str:
    """A path as a word of a command line, which is not taken for an option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") and path != STANDARD_INPUT else text


def nearby(path: str | Path) -> str:
    """A path as an argument, short where it lies below the working directory."""
    try:
        return argument(Path(path).relative_to(Path.cwd()))
    except (OSError, ValueError):
        return argument(Path(path))


def value_word(value: object) -> str:
    """An option's value as it is typed."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Sequence | frozenset) and not isinstance(value, str):
        return ",".join(map(value_word, sorted(value)))
    return str(value)
