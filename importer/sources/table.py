"""From rows as a file has them to headers and Batches, for every kind of file.

A reader gives chunks of consecutive rows, with the number of the first. Here the header is found,
blank rows are left out, rows of another width are reported, and cells become columns of text.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.errors import SourceError
from importer.model import BLANKS, Batch, Problem, Severity, column_letters
from importer.sources.brokenrows import BrokenRows, several_rows, whole_runs
from importer.sources.grid import LONGEST_CELL, MOST_COLUMNS, too_long_cell, too_many_columns
from importer.sources.header import LOOKED_AT, find_header, is_blank
from importer.sources.merged import MergedCells
from importer.sources.other_quotes import quotes_around, without_quotes
from importer.sources.repeated_header import with_repeated_headers
from importer.sources.source import (
    ColumnChunk,
    RowChunk,
    file_warning,
    longest_text,
    part_within,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.settings import SourceOptions
    from importer.sources.source import Chunk, Layout


_SHOWN = 200
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Table:
    """A header and the rows below it, not yet read but for the first."""

    headers: tuple[str, ...]
    header_row: int
    problems: tuple[Problem, ...]
    batches: Iterator[Batch]


def read_table(chunks: Iterator[Chunk], layout: Layout, options: SourceOptions) -> Table:
    """Find the header and the first data row, and give the rest as Batches.

    Raises SourceError where there is no header or no data row.
    """
    wanted = options.header_row
    if wanted is not None and wanted < 1:
        raise SourceError(f"header row {wanted} does not exist.", "Rows are counted from 1.")
    chunks = _split_first(chunks)
    head, has_data = _first_rows(chunks, wanted)
    filled = []
    for chunk in head:
        for number, row in enumerate(chunk.cells, chunk.first):
            texts = layout.texts(row)
            if (at := _overlong(texts)) is not None:
                raise too_long_cell(layout.place, f"{column_letters(at)}{number}")
            if not all(map(is_blank, texts)):
                filled.append((number, texts))
    if not filled and not (has_data and wanted):
        raise SourceError(f"{layout.place} is empty.", "Was the right file or sheet given?")
    header = find_header(filled, layout, wanted)
    header_row, headers = header.row, header.names
    if len(headers) > MOST_COLUMNS:
        raise too_many_columns(layout.place, len(headers))
    merged = MergedCells(layout, header_row, len(headers))
    mark = layout.delimiter
    broken = BrokenRows(len(headers), mark) if mark is not None else None
    reader = _BatchReader(headers, layout, header_row, options.rows, merged, broken)
    batches = reader.read(chain(head, chunks))
    quotes = quotes_around(headers) if mark is not None else None
    if quotes is not None:
        headers = tuple(map(quotes.within, headers))
        batches = without_quotes(batches, quotes)
    batches = with_repeated_headers(batches, headers)
    first = next(batches, None)
    if first is None:
        raise no_data(layout.place, header_row, options.rows)
    told = () if quotes is None else (quotes.warning(),)
    problems = (*told, *header.problems, *_merged_down(merged, headers))
    return Table(headers, header_row, problems, chain((first,), batches))


def _merged_down(merged: MergedCells, headers: Sequence[str]) -> Iterator[Problem]:
    """The warning about merged cells that are filled in."""
    if not (columns := merged.columns_down()):
        return
    names = [f'"{headers[n]}"' if headers[n] else column_letters(n) for n in columns[:_NAMED]]
    more = f" and {len(columns) - _NAMED:,} more" if len(columns) > _NAMED else ""
    yield file_warning(
        "merged_rows",
        f"cells are merged over several rows, in {', '.join(names)}{more}: each of these rows was"
        " given what the first holds",
        "Look whether the merged cells mean all of their rows; else unmerge them.",
        column=headers[columns[0]] if len(columns) == 1 else None,
    )


def _split_first(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The chunks, the first in two: the header is looked for row by row, which takes room."""
    for index, chunk in enumerate(chunks):
        if index == 0 and len(chunk) > 2 * LOOKED_AT:
            yield chunk.between(0, 2 * LOOKED_AT)
            yield chunk.between(2 * LOOKED_AT, len(chunk))
        else:
            yield chunk


def _overlong(texts: Sequence[str]) -> int | None:
    """The index of the first cell that is over the limit, if one is."""
    return next((at for at, text in enumerate(texts) if len(text) > LONGEST_CELL), None)


_BLANK = [""]
"""A blank line of a text."""


def _first_rows(chunks: Iterator[Chunk], header_row: int | None) -> tuple[list[RowChunk], bool]:
    """Rows enough to find the header in, and whether any row holds something.

    Blank stretches are dropped, and so is what is above a header row that was named.
    """
    head: list[RowChunk] = []
    filled, has_data = 0, False
    for given in chunks:
        if isinstance(given, ColumnChunk) and not any(map(longest_text, given.arrays)):
            continue  # seen at once: a file may be blank lines for the most part
        chunk = given.as_rows()
        full = sum(any(cell != "" for cell in row) for row in chunk.cells if row and row != _BLANK)
        has_data = has_data or full > 0
        if header_row is not None and chunk.first + len(chunk) <= header_row:
            continue
        if full:
            head.append(chunk)
            filled += full
        if filled > LOOKED_AT:
            break
    return head, has_data


def no_data(place: str, header_row: int, row_range: tuple[int, int] | None) -> SourceError:
    """The error for a list that has no row below its header, or none in `row_range`."""
    if row_range is not None:
        return SourceError(
            f"{place}: there is no data in rows {row_range[0]} to {row_range[1]}.",
            f"The header is row {header_row}; take rows below it.",
        )
    return SourceError(
        f"{place}: there is no data below the header (row {header_row}).",
        "Was the list filtered or cut when it was saved? If another row is the header, name it:"
        " --header-row N.",
    )


@dataclass(frozen=True, slots=True)
class _BatchReader:
    """How rows become Batches, once headers are known; `row_range` bounds those wanted."""

    headers: tuple[str, ...]
    layout: Layout
    header_row: int
    row_range: tuple[int, int] | None
    merged: MergedCells
    broken: BrokenRows | None

    def read(self, chunks: Iterator[Chunk]) -> Iterator[Batch]:
        low, high = self.row_range or (1, sys.maxsize)
        row_range = max(low, self.header_row + 1), high
        if self.broken is not None:
            chunks = whole_runs(chunks, len(self.headers))
        for chunk in chunks:
            if chunk.first > high:
                return
            self.merged.see(chunk)
            start, stop = part_within(chunk.first, len(chunk), row_range)
            if start >= stop:
                continue
            wanted = chunk if stop - start == len(chunk) else chunk.between(start, stop)
            if self.broken is not None:
                self.broken.learn(wanted)
            if (batch := self._batch(wanted)) is not None:
                yield batch

    def _batch(self, chunk: Chunk) -> Batch | None:
        """The rows as columns; None if all are blank."""
        problems: list[Problem] = []
        fractions: dict[int, npt.NDArray[np.bool_]] = {}
        arrays = self._columns(chunk)
        if arrays is None:
            arrays = self._from_rows(chunk.as_rows(), problems, fractions)
        problems += self._rows_in_one(chunk.first, arrays, {problem.row for problem in problems})
        keep = filled_rows(arrays)
        for problem in problems:
            keep[(problem.row or chunk.first) - chunk.first] = True
        if not keep.any():
            return None
        arrays = self.merged.filled(chunk.first, arrays, keep)
        check_lengths(arrays, chunk.first, self.layout.place)
        return batch_of_columns(chunk.first, arrays, keep, problems, fractions)

    def _rows_in_one(
        self, first: int, arrays: Sequence[Any], reported: Container[int | None]
    ) -> Iterator[Problem]:
        """Rows of a text file that hold others: a stray quote began a cell, another ended it."""
        if self.broken is None:
            return
        mark = self.layout.delimiter or ""
        # Each row but the first brings its own delimiters with it.
        breaks = np.zeros(len(arrays[0]), dtype=bool)
        marks = np.zeros(len(arrays[0]), dtype=np.int64)
        for array in arrays:
            lines = pc.or_(pc.match_substring(array, "\n"), pc.match_substring(array, "\r"))
            if pc.any(lines).as_py():
                breaks |= lines.to_numpy(zero_copy_only=False)
                marks += pc.count_substring(array, mark).to_numpy(zero_copy_only=False)
        places = np.flatnonzero(breaks & (marks >= len(arrays) - 1) & (marks > 0))
        if not len(places):
            return
        columns = [array.take(pa.array(places)).to_pylist() for array in arrays]
        for at, *row in zip(places.tolist(), *columns, strict=True):
            if first + at not in reported and (count := self.broken.rows_within(row)):
                why, hint = several_rows(count)
                yield Problem(first + at, None, None, "stray_quote", why, hint=hint)

    def _columns(self, chunk: Chunk) -> list[Any] | None:
        """The columns of a chunk that has columns, at least as many as there are headers.

        None for other chunks, and where a column beyond the headers is not blank.
        """
        if not isinstance(chunk, ColumnChunk) or len(chunk.arrays) < len(self.headers):
            return None
        beyond = chunk.arrays[len(self.headers) :]
        if any(map(longest_text, beyond)):
            return None
        return chunk.arrays[: len(self.headers)]

    def _from_rows(
        self, rows: RowChunk, problems: list[Problem], fractions: dict[int, npt.NDArray[np.bool_]]
    ) -> list[Any]:
        width = len(self.headers)
        cells = rows.cells
        for number, is_certain in rows.quotes.items():
            row = cells[number - rows.first]
            problems.append(_stray_quote(number, is_read=is_certain and len(row) == width))
        if set(map(len, cells)) != {width}:
            broken = self.broken.find(rows) if self.broken is not None else {}
            problems += (
                Problem(number, None, None, "short_row", why, hint=hint)
                for number, (why, hint) in broken.items()
            )
            cells = [
                row if len(row) == width else self._fitted(number, row, problems, broken)
                for number, row in enumerate(cells, rows.first)
            ]
        arrays = []
        for label, values in enumerate(zip(*cells, strict=True)):
            try:
                # Most columns are nothing but texts, as Arrow finds on its way.
                array = pa.array(values, pa.large_string())
            except pa.ArrowTypeError:
                if (which := _fractions(values)) is not None:
                    fractions[label] = which
                array = pa.array(self.layout.texts(values), pa.large_string())
            arrays.append(array)
            problems += nul_problems(self.headers[label], array, rows.first)
        return arrays

    def _fitted(
        self, number: int, row: list[Any], problems: list[Problem], reported: Container[int]
    ) -> list[Any]:
        """A row of another width than the header, made as wide; what is lost is reported.

        Short rows that are `reported` already are not reported again.
        """
        width = len(self.headers)
        if len(row) < width:
            is_open = self.layout.open_ended and number not in reported
            if is_open and any(not is_blank(cell) for cell in row):
                problems.append(_short_row(number, len(row), width))
            return [*row, *[""] * (width - len(row))]
        beyond = row[width:]
        # Some programs end each row with thousands of blank cells.
        if beyond.count("") < len(beyond) and not all(map(is_blank, self.layout.texts(beyond))):
            problems.append(_ragged_row(number, self.layout.texts(row), width))
        return row[:width]


def _fractions(cells: Sequence[Any]) -> npt.NDArray[np.bool_] | None:
    """Which cells are numbers with a fraction; None where none is."""
    found = (type(cell) is float and not cell.is_integer() for cell in cells)
    which = np.fromiter(found, np.bool_, len(cells))
    return which if which.any() else None


def batch_of_columns(
    first: int,
    arrays: Sequence[Any],
    keep: npt.NDArray[np.bool_],
    problems: Iterable[Problem],
    fractions: Mapping[int, npt.NDArray[np.bool_]],
) -> Batch:
    """Consecutive rows, the first of number `first`, as a batch of those that a mask keeps."""
    numbers = np.arange(first, first + len(keep), dtype=np.int64)
    if not keep.all():
        numbers, mask = numbers[keep], pa.array(keep)
        arrays = [array.filter(mask) for array in arrays]
        fractions = {label: which[keep] for label, which in fractions.items()}
    ordered = sorted(problems, key=lambda problem: problem.row or 0)
    return Batch(numbers, dict(enumerate(arrays)), tuple(ordered), fractions)


def filled_rows(columns: Sequence[Any]) -> npt.NDArray[np.bool_]:
    """Which rows have a cell that shows something; `columns` are arrays of large strings."""
    filled = np.zeros(len(columns[0]), np.bool_)
    for column in columns:
        shows = pc.not_equal(pc.utf8_trim(column, BLANKS), "")
        filled |= shows.to_numpy(zero_copy_only=False)
        if filled.all():
            break  # nearly always by the first column
    return filled


def check_lengths(arrays: Sequence[Any], first: int, place: str) -> None:
    """Raise SourceError where a cell is over the limit; `first` is the number of the first row."""
    for column, array in enumerate(arrays):
        if longest_text(array) > LONGEST_CELL:
            row = _overlong(array.to_pylist())
            if row is not None:
                raise too_long_cell(place, f"{column_letters(column)}{first + row}")


def nul_problems(header: str, array: Any, first: int) -> Iterator[Problem]:
    """The cells of a column that hold NUL; `first` is the number of its first row."""
    with_nul = pc.match_substring(array, "\0").to_numpy(zero_copy_only=False)
    for index in np.flatnonzero(with_nul).tolist():
        yield Problem(
            row=first + index,
            column=header or None,
            target=None,
            code="nul_character",
            message="the cell holds a NUL character, which no text has",
            value=str(array[index])[:_SHOWN],
            hint="The file was damaged, or written by a faulty program: type it again.",
        )


def _stray_quote(number: int, *, is_read: bool) -> Problem:
    result = "; it was taken as a part of the cell" if is_read else ", so the cells are not certain"
    message = f'a quote (") within a cell in quotes is not doubled{result}'
    hint = 'Write such a quote twice (""), or save the list as .xlsx.'
    severity = Severity.WARNING if is_read else Severity.ERROR
    return Problem(number, None, None, "stray_quote", message, None, hint, severity)


def _short_row(number: int, cells: int, width: int) -> Problem:
    message = f"the row has {cells} of {width} cells; the missing ones were taken as blank"
    hint = (
        "Some programs leave out blank cells at the end of a row. If these were not blank,"
        " check for a line break inside a cell that has no quotes."
    )
    return Problem(number, None, None, "short_row", message, None, hint, Severity.WARNING)


def _ragged_row(number: int, row: Sequence[str], width: int) -> Problem:
    message = f"the row has {len(row)} cells, but there are only {width} columns"
    hint = (
        "A cell holds the delimiter without being in quotes, so the cells after it have moved."
        " Put that cell in quotes, or save the list as .xlsx."
    )
    value = " | ".join(row[width:])[:_SHOWN]
    return Problem(number, None, None, "ragged_row", message, value, hint)
