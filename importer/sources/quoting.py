"""How the cells of a text file are quoted, and what is meant where that breaks the rules.

The rules are those of RFC 4180: a cell that begins with a quote ends with one, and a quote within
it is doubled. Programs break them in three ways that can be told from the text:

- A quote within a cell has a backslash before it, as exports of MySQL and PHP have.
- A blank stands between the delimiter and a cell's first quote: ``"Ann", "Vác"``.
- Each line is in quotes as a whole: the file was opened as one column, and saved.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_RUN = 2**16
"""Backslashes in a row that are waited for at the end of a block."""
_ESCAPED_TEXT = re.compile(r'(\\+)"')
_ESCAPED = re.compile(rb'(\\+)"')
_WHOLE_LINE = re.compile(r'"(?:[^"]|"")*"')
_MOST_LINES = 500


@dataclass(frozen=True, slots=True)
class Dialect:
    """What divides cells, and how they are quoted.

    With `blanks_before_quotes`, blanks at a cell's beginning do not count. With `backslashes`, a
    quote behind a backslash is a part of its cell.
    """

    delimiter: str
    blanks_before_quotes: bool = False
    backslashes: bool = False


def find_dialect(sample: str, delimiter: str) -> Dialect:
    """How the cells are quoted of a text whose beginning is given."""
    spaced = blanks_before_quotes(sample, delimiter)
    dialect = Dialect(delimiter, spaced)
    if '\\"' in sample:
        doubled = _ESCAPED_TEXT.sub(lambda found: _doubled(len(found[1])), sample)
        if _irregular(doubled, dialect) < _irregular(sample, dialect):
            return Dialect(delimiter, spaced, backslashes=True)
    return dialect


def _irregular(text: str, dialect: Dialect) -> int:
    """How many records have a quote where none may be."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.delimiter,
        skipinitialspace=dialect.blanks_before_quotes,
        strict=True,
    )
    count = 0
    while True:
        try:
            next(reader)
        except StopIteration:
            return count
        except csv.Error:
            count += 1


def blanks_before_quotes(sample: str, delimiter: str) -> bool:
    """Whether cells in quotes have a blank before them, as in ``"Ann", "Vác"``."""
    mark = re.escape(delimiter)
    cell = mark + r' +"[^"\r\n]*"(?:' + mark + r"| *[\r\n]| *$)"
    return delimiter != " " and re.search(cell, sample) is not None


def doubled_quotes(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """A text with quotes behind backslashes, as one with doubled quotes; both are UTF-8.

    A backslash that is itself behind one stands for itself where a quote follows.
    """
    rest = b""
    for block in blocks:
        text = rest + block
        end = len(text.rstrip(b"\\"))
        text, rest = (text[:end], text[end:]) if len(text) - end < _LONGEST_RUN else (text, b"")
        if b'\\"' in text:
            text = _ESCAPED.sub(lambda found: _doubled(len(found[1])).encode(), text)
        if text:
            yield text
    if rest:
        yield rest


def _doubled(backslashes: int) -> str:
    quote = '""' if backslashes % 2 else '"'
    return "\\" * (backslashes // 2) + quote


class Meant(NamedTuple):
    """The cells of a record, and whether a quote within one of them is not doubled."""

    cells: list[str]
    stray: bool


def cells_as_meant(line: str, dialect: Dialect) -> Meant | None:
    """The cells of a record in one line where a quote stands that the rules of CSV do not allow.

    A cell in quotes ends at the first quote that is followed by the delimiter or the line's end,
    blanks apart, unless it is doubled. None where a cell does not end.
    """
    mark = re.escape(dialect.delimiter)
    blanks = "[ \\t]*" if dialect.delimiter not in " \t" else ""
    closing = re.compile(f'("+){blanks}(?:{mark}|$)')
    cells: list[str] = []
    stray, at = False, 0
    while True:
        start = at
        if dialect.blanks_before_quotes:
            start += len(line) - at - len(line[at:].lstrip(" "))
        if line[start : start + 1] != '"':
            end = line.find(dialect.delimiter, at)
            cells.append(line[start:] if end < 0 else line[start:end])
            if end < 0:
                return Meant(cells, stray)
            at = end + 1
            continue
        found = next(
            (run for run in closing.finditer(line, start + 1) if len(run[1]) % 2 == 1), None
        )
        if found is None:
            return None
        inner = line[start + 1 : found.end(1) - 1]
        stray = stray or any(len(run) % 2 for run in re.findall('"+', inner))
        cells.append(inner.replace('""', '"'))
        at = found.end()
        if not line[found.end(1) : at].endswith(dialect.delimiter):
            return Meant(cells, stray)


def text_within_quotes(sample: str, *, is_whole: bool) -> str:
    """The text of lines that are in quotes as a whole, without these; empty if one is not.

    `is_whole` says that `sample` is all of the text; else its last line may be cut.
    """
    lines = sample.splitlines()
    if not is_whole and len(lines) > 1:
        lines.pop()
    lines = [line.strip() for line in lines[:_MOST_LINES] if line.strip()]
    if len(lines) < 2 or not all(map(_WHOLE_LINE.fullmatch, lines)):
        return ""
    return "\n".join(line[1:-1] for line in lines).replace('""', '"')
