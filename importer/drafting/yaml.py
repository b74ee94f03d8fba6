"""Writing a draft's YAML, with remarks: rules stand on one line each, as a person would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from importer.mapping.writing import flow, scalar

WIDTH = 100
_SHORT = 60


def quoted(text: str) -> str:
    """A text for a remark: in quotes, on one line, cut where it is long."""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f'"{plain if len(plain) <= _SHORT else plain[: _SHORT - 1] + "…"}"'


def rule_text(rule: Mapping[str, Any]) -> str:
    """A rule of the mapping as YAML, on one line; a bare header where it names only that."""
    if set(rule) == {"column"} and isinstance(rule["column"], str):
        return scalar(rule["column"])
    return flow(rule)


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One key of a draft, with its value and remarks for a person.

    A line that is not `active` is written as a comment, for a person to uncomment. `alternatives`
    are other values of the key, of which a person has to choose; they stand above it as comments.
    """

    key: str
    value: str
    remarks: Sequence[str] = field(default=())
    active: bool = True
    alternatives: Sequence[str] = field(default=())

    def write(self, indent: int = 0) -> Iterator[str]:
        """The line as YAML, a short remark behind it, longer ones above."""
        space = " " * indent
        mark = "" if self.active else "# "
        line = f"{space}{mark}{self.key}:{' ' + self.value if self.value else ''}"
        if (
            not self.alternatives
            and len(self.remarks) == 1
            and len(line) + len(self.remarks[0]) + 4 <= WIDTH
        ):
            yield f"{line}  # {self.remarks[0]}"
            return
        for remark in self.remarks:
            yield from comment(remark, indent)
        for value in self.alternatives:
            yield f"{space}# {self.key}: {value}"
        yield line


def comment(text: str, indent: int = 0) -> Iterator[str]:
    """A remark on lines of its own."""
    space = " " * indent
    for line in wrap(text, WIDTH - indent - 2, break_long_words=True, break_on_hyphens=False):
        yield f"{space}# {line}"
