"""Rows of a text file that are no whole rows: pieces of one, or several in one.

Spreadsheet programs leave blank cells off at a row's end, so a row with fewer cells than the header
shows nothing by itself. Four things show that it is broken:

- Neighbouring short rows add up to one full row, as a line break in a cell without quotes makes
  them, and what they hold does not fit the columns it stands in, while joined it does. Where it
  fits both ways, they are taken for broken if the other rows are full.
- Divided by another of the usual delimiters, the row is full.
- A cell in quotes, divided by the file's own delimiter, is a full row.
- Divided at its line breaks and without heed of quotes, the row is several full rows: a stray quote
  opened a cell that another one, rows below, has closed. So a row of any width may be.

What fits a column is told by the kinds of cells (long numbers, e-mail addresses, others) that the
first full rows have there.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from importer.sources.dialect import DELIMITERS
from importer.sources.header import is_blank
from importer.sources.source import ColumnChunk, RowChunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.sources.source import Chunk


_MOST_LEARNT = 500
"""Full rows that the kinds of cells are learnt from."""
_MOST_PIECES = 20
"""Pieces that a row is put together of at most."""
_MANY = 200
"""Short rows of a chunk that are compared with their neighbours, even if most rows are short."""
_PHONE_DIGITS = 7
"""Digits that a phone has at least."""
_DATE = re.compile(r"\s*[0-9]{1,4}([-./]) ?[0-9]{1,2}\1 ?[0-9]{1,4}(?![0-9])")
_RARE = 0.05
"""The share of a column's cells below which a kind does not belong there."""
_LINES = re.compile(r"\r\n|\r|\n")
_JOINED = "Join what belongs together and put it in quotes, or save the list as .xlsx."


class BrokenRows:
    """Finds broken rows, by the kinds of cells that full rows have.

    `width` is how many cells a full row has; `delimiter` divides them.
    """

    def __init__(self, width: int, delimiter: str) -> None:
        self._width = width
        self._delimiter = delimiter
        self._kinds: list[Counter[str]] = [Counter() for _ in range(width)]
        self._learnt = 0

    def learn(self, chunk: Chunk) -> None:
        """Learn from the next rows, as long as there is something to learn."""
        if self._learnt < _MOST_LEARNT:
            wide = not isinstance(chunk, ColumnChunk) or len(chunk.arrays) == self._width
            if wide:
                self._learn(chunk.between(0, min(len(chunk), _MOST_LEARNT)).as_rows().cells)

    def find(self, rows: RowChunk) -> dict[int, tuple[str, str]]:
        """By row number, what is wrong with a short row, and what to do about it."""
        places = [at for at, row in enumerate(rows.cells) if self._is_short(row)]
        found: dict[int, tuple[str, str]] = {}
        if not self._learnt:
            return found
        for at in places:
            if count := self.rows_within(rows.cells[at]):
                found[rows.first + at] = several_rows(count)
            elif (why := self._divided_otherwise(rows.cells[at])) is not None:
                found[rows.first + at] = why
        if len(places) <= max(_MANY, len(rows) // 2):
            for run in self._runs(rows.cells, places):
                self._put_together(rows, run, len(places), found)
        return found

    def rows_within(self, row: Sequence[str]) -> int:
        """How many full rows a row is if line breaks and delimiters count in quotes, too; else 0.

        Each has to fit its columns, and two of them to hold a long number or an e-mail address:
        an address of several lines with commas in them is no row.
        """
        if not self._learnt or not any("\n" in cell or "\r" in cell for cell in row):
            return 0
        lines = [line for line in _LINES.split(self._delimiter.join(row)) if not is_blank(line)]
        telling = 0
        for line in lines:
            if line.count(self._delimiter) != self._width - 1:
                return 0
            cells = line.split(self._delimiter)
            if not self._fit(cells):
                return 0
            telling += any(not is_blank(cell) and _kind(cell) != "other" for cell in cells)
        return len(lines) if telling > 1 else 0

    def _is_short(self, row: Sequence[str]) -> bool:
        return len(row) < self._width and not all(map(is_blank, row))

    def _learn(self, cells: Sequence[Sequence[str]]) -> None:
        for row in cells:
            if self._learnt >= _MOST_LEARNT:
                return
            if len(row) == self._width and not all(map(is_blank, row)):
                self._learnt += 1
                for kinds, cell in zip(self._kinds, row, strict=True):
                    if not is_blank(cell):
                        kinds[_kind(cell)] += 1

    def _fit(self, row: Sequence[str]) -> bool:
        """Whether each cell is of a kind that its column has; a column without any takes all."""
        return all(
            is_blank(cell) or not kinds or kinds[_kind(cell)] > _RARE * kinds.total()
            for kinds, cell in zip(self._kinds, row, strict=False)
        )

    def _divided_otherwise(self, row: Sequence[str]) -> tuple[str, str] | None:
        """Why a row is full if another character divides it, or if its quotes are taken off."""
        for mark in DELIMITERS:
            if mark == self._delimiter:
                continue
            cells = [piece for cell in row for piece in cell.split(mark)]
            spaced = any(piece.startswith(" ") for piece in cells[1:])
            if len(cells) != self._width or spaced or not self._fit(cells):
                continue
            # A name may have a comma in it: "Smith,John" with nothing behind it.
            tells = self._width > 2 or any(_kind(cell) != "other" for cell in cells)
            if not self._fit(row) or (len(row) == 1 and tells):
                return (
                    f"the row is divided by {_named(mark)}, where the others are divided by"
                    f" {_named(self._delimiter)}",
                    "Divide its cells as those of the other rows are.",
                )
        for cell in row:
            if self._delimiter in cell:
                # The cell may have lines of its own: the first record of it is looked at.
                lines = io.StringIO(cell, newline="")
                inner = next(csv.reader(lines, delimiter=self._delimiter), [])
                if len(inner) == self._width and self._fit(inner):
                    return "the row is in quotes as a whole", "Take the quotes around the row off."
        return None

    def _runs(self, cells: Sequence[Sequence[str]], places: Sequence[int]) -> Iterator[list[int]]:
        """The places of short rows that are neighbours but for blank ones."""
        run = list(places[:1])
        for before, at in pairwise(places):
            if not all(all(map(is_blank, row)) for row in cells[before + 1 : at]):
                yield run
                run = []
            run.append(at)
        if run:
            yield run

    def _put_together(
        self, rows: RowChunk, run: Sequence[int], short: int, found: dict[int, tuple[str, str]]
    ) -> None:
        """Note in `found` which rows of a run of short ones are pieces of one row.

        `short` is how many short rows the chunk has.
        """
        start = 0
        while start < len(run) - 1:
            pieces = self._pieces(rows, run[start : start + _MOST_PIECES], short)
            for at in run[start : start + pieces]:
                first, last = rows.first + run[start], rows.first + run[start + pieces - 1]
                found[rows.first + at] = (
                    f"rows {first} {'and' if last == first + 1 else 'to'} {last} look like one row"
                    f" that a line break has divided: together they have {self._width} cells",
                    f"A cell with a line break has to stand in quotes. {_JOINED}",
                )
            start += max(pieces, 1)

    def _pieces(self, rows: RowChunk, run: Sequence[int], short: int) -> int:
        """How many of the first rows of a run are one row; 0 where they are not."""
        joined: list[str] = []
        fits = True
        for count, at in enumerate(run, 1):
            row = rows.cells[at]
            fits = fits and self._fit(row)
            joined = [*joined[:-1], f"{joined[-1]}\n{row[0]}", *row[1:]] if joined else list(row)
            if len(joined) > self._width:
                return 0
            if len(joined) == self._width and count > 1:
                # What fits both ways may be rows whose last cells are blank: these come in numbers.
                alone = short == count and self._learnt > 1
                return count if self._fit(joined) and (alone or not fits) else 0
        return 0


def several_rows(count: int) -> tuple[str, str]:
    """What is wrong with a row that holds `count` rows, and what to do about it."""
    return (
        f'{count} rows of the file are in one: a quote (") opens a cell in the first of them, and'
        " another closes it in the last",
        "Take off the quote that opens the cell, and the one that closes it; or save the list as"
        " .xlsx.",
    )


def whole_runs(chunks: Iterator[Chunk], width: int) -> Iterator[Chunk]:
    """The rows in chunks that do not end between neighbouring short rows.

    Up to `_MOST_PIECES` rows wait for the next chunk.
    """
    waiting: RowChunk | None = None
    for chunk in chunks:
        if not isinstance(chunk, RowChunk):
            if waiting is not None:
                yield waiting
                waiting = None
            yield chunk
            continue
        if waiting is not None:
            count = _short_ones(chunk.cells[:_MOST_PIECES], width)
            lead = chunk.between(0, count)
            yield RowChunk(
                waiting.first, [*waiting.cells, *lead.cells], {**waiting.quotes, **lead.quotes}
            )
            waiting = None
            if count == len(chunk):
                continue
            chunk = chunk.between(count, len(chunk))  # noqa: PLW2901 -- what is left of it
        count = _short_ones(chunk.cells[: -_MOST_PIECES - 1 : -1], width)
        if count < len(chunk):
            yield chunk.between(0, len(chunk) - count)
        if count:
            waiting = chunk.between(len(chunk) - count, len(chunk))
    if waiting is not None:
        yield waiting


def _short_ones(cells: Sequence[Sequence[str]], width: int) -> int:
    """How many rows there are before the first full one."""
    return next((at for at, row in enumerate(cells) if len(row) >= width), len(cells))


def _kind(cell: str) -> str:
    """Whether a cell that is not blank holds an e-mail address, a long number, or anything else.

    These two stand in columns of their own. Words, short numbers and dates stand in any.
    """
    if "@" in cell and not any(map(str.isspace, cell.strip())):
        return "mail"
    digits = sum(map(str.isdigit, cell))
    if digits < _PHONE_DIGITS or digits <= sum(map(str.isalpha, cell)) or _DATE.match(cell):
        return "other"
    return "number"


def _named(mark: str) -> str:
    return "a tab" if mark == "\t" else f'"{mark}"'
