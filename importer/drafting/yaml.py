"""Writing a draft's YAML: every text so that it is read back as the same, and remarks.

Rules stand on one line each, as a person would write them; texts are bare where that is safe.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

WIDTH = 100
UNSURE = "unsure: "
_BARE = re.compile(r"[^\W\d_](?:[\w .-]*\w)?")
_SPECIAL = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_SHORT = 60


def scalar(value: object) -> str:
    """A scalar; a text that could be read as something else stands in quotes."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str() if _BARE.fullmatch(value) and value.casefold() not in _SPECIAL:
            return value if value.isprintable() else quoted(value)
        case _:
            return quoted(str(value))


def quoted(text: str) -> str:
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


def shown(text: str) -> str:
    """A text for a remark: in quotes, on one line, not too long."""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f'"{plain if len(plain) <= _SHORT else plain[: _SHORT - 1] + "…"}"'


RuleOptions = Mapping[str, Any]
"""A rule of the mapping: its options."""


def of_rule(rule: RuleOptions) -> str:
    """A rule, as short as it can be: a bare header where that is all."""
    if set(rule) == {"column"} and isinstance(rule["column"], str):
        return scalar(rule["column"])
    return flow(rule)


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One key of a draft with what stands beside it; `remarks` say what a person should know.

    A line that is not `active` is written as a comment, for a person to take in. `instead` are
    other values of the key, of which a person has to choose; they stand above it as comments.
    """

    key: str
    value: str
    remarks: Sequence[str] = field(default=())
    active: bool = True
    instead: Sequence[str] = field(default=())

    def write(self, indent: int = 0) -> Iterator[str]:
        """The line as YAML, a short remark behind it, longer ones above."""
        space = " " * indent
        mark = "" if self.active else "# "
        line = f"{space}{mark}{self.key}:{' ' + self.value if self.value else ''}"
        if (
            not self.instead
            and len(self.remarks) == 1
            and len(line) + len(self.remarks[0]) + 4 <= WIDTH
        ):
            yield f"{line}  # {self.remarks[0]}"
            return
        for remark in self.remarks:
            yield from comment(remark, indent)
        for value in self.instead:
            yield f"{space}# {self.key}: {value}"
        yield line


def comment(text: str, indent: int = 0) -> Iterator[str]:
    """A remark on lines of its own."""
    space = " " * indent
    for line in wrap(text, WIDTH - indent - 2, break_long_words=True, break_on_hyphens=False):
        yield f"{space}# {line}"
