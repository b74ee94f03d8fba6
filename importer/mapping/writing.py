"""Writing YAML so that each text is read back as it was; without quotes where that is safe."""

from __future__ import annotations

import re
from collections.abc import Mapping

UNSURE = "unsure: "
"""What a draft's remark on a guess begins with; the rest of the remark says why."""

_BARE = re.compile(r"[^\W\d_](?:[\w .-]*\w)?")
_SPECIAL = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])


def scalar(value: object) -> str:
    """A scalar; a text that could be read as something else stands in quotes."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str() if _BARE.fullmatch(value) and value.casefold() not in _SPECIAL:
            return value if value.isprintable() else double_quoted(value)
        case _:
            return double_quoted(str(value))


def double_quoted(text: str) -> str:
    """A text in double quotes, with escapes for all that does not print."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    if char == "\n":
        return "\\n"
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def flow(value: object) -> str:
    """A value on one line."""
    match value:
        case Mapping():
            inside = (f"{scalar(key)}: {flow(item)}" for key, item in value.items())
            return "{" + ", ".join(inside) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(flow, value)) + "]"
        case _:
            return scalar(value)
