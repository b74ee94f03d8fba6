"""Cells below the header that are merged: what those stand for that a spreadsheet does not show.

A workbook keeps a text in the first cell of a merge only; the others are blank. Cells merged
downwards in one column mean the same for each of their rows, and are filled in. A merge over
several columns is a title, a subtotal, or one value for two columns: what its other cells would
hold cannot be told, so they become `MERGED_AWAY`, which makes a row invalid where their column is
used.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.errors import SourceError
from importer.model import BLANKS, MERGED_AWAY
from importer.sources.grid import TEXT_LIMIT, too_much_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from importer.sources.source import Chunk, Layout

_MOST_MERGED_COLUMNS = 4_000_000
"""Columns of all merges together."""


class _Stretch(NamedTuple):
    """The rows of a merge in one column, with its text; None where that is not known."""

    column: int
    top: int
    bottom: int
    text: str | None


class MergedCells:
    """The merges that reach below a header; raises SourceError for some that overlap.

    All chunks of the sheet are given to :meth:`see`, in order, and the columns of each then to
    :meth:`filled`. At any time as many merges are held as begin in one chunk or go on in the next,
    at most one for each of their columns. Rows are numbered from 1.
    """

    def __init__(self, layout: Layout, header_row: int, width: int) -> None:
        self._layout = layout
        self._header_row = header_row
        self._width = width
        table = layout.merges.table()
        table = table[(table[:, 2] >= header_row) & (table[:, 1] < width)]
        table = table[(table[:, 2] > table[:, 0]) | (table[:, 3] > table[:, 1])]
        if len(table):
            table = np.unique(table, axis=0)  # by rows, then columns
            self._check_overlaps(table)
        self._table: npt.NDArray[np.int64] = table
        self._begun = 0
        self._active: list[_Stretch] = []
        self._filled_bytes = 0

    def __len__(self) -> int:
        return len(self._table)

    def columns_down(self) -> list[int]:
        """The columns in which cells are merged downwards, and so filled in."""
        table = self._table
        down = (table[:, 1] == table[:, 3]) & (table[:, 0] >= self._header_row)
        return sorted(set(table[down, 1].tolist()))

    def _check_overlaps(self, table: npt.NDArray[np.int64]) -> None:
        left, right = table[:, 1], np.minimum(table[:, 3], self._width - 1)
        widths = right - left + 1
        if int(widths.sum()) > _MOST_MERGED_COLUMNS:
            raise SourceError(
                f"{self._layout.place}: cells are merged in more than {_MOST_MERGED_COLUMNS:,}"
                " places.",
                "Unmerge the cells of the sheet and save it again, or save it as CSV.",
            )
        column = np.repeat(left - np.cumsum(widths) + widths, widths) + np.arange(widths.sum())
        top, bottom = np.repeat(table[:, 0], widths), np.repeat(table[:, 2], widths)
        order = np.lexsort((top, column))
        column, top, bottom = column[order], top[order], bottom[order]
        if ((column[1:] == column[:-1]) & (top[1:] <= bottom[:-1])).any():
            raise SourceError(
                f"{self._layout.place}: this workbook is damaged (merged cells overlap).",
                "Open it in a spreadsheet program, unmerge its cells, and save it anew.",
            )

    def see(self, chunk: Chunk) -> None:
        """Take in the merges that begin in a chunk, and let go of those that have ended."""
        self._active = [stretch for stretch in self._active if stretch.bottom >= chunk.first]
        end = chunk.first + len(chunk) - 1  # from 0, the row behind the chunk
        begin, stop = self._begun, int(np.searchsorted(self._table[:, 0], end))
        self._begun = stop
        if begin == stop:
            return
        rows = chunk.as_rows().cells
        for top, left, bottom, right in self._table[begin:stop].tolist():
            if top + 1 < chunk.first:
                continue  # in a blank stretch, which readers leave out
            row = rows[top + 1 - chunk.first]
            text = self._layout.texts(row[left : left + 1])[0] if left < len(row) else ""
            if text.strip(BLANKS):
                self._active += self._stretches(text, (top + 1, left, bottom + 1, right))

    def _stretches(self, text: str, merge: tuple[int, int, int, int]) -> Iterator[_Stretch]:
        top, left, bottom, right = merge
        if left == right:
            # What begins in the header is a header, whose name means nothing in the rows below.
            yield _Stretch(left, top + 1, bottom, text if top > self._header_row else None)
            return
        for column in range(left, min(right + 1, self._width)):
            yield _Stretch(column, top + (column == left), bottom, None)

    def filled(self, first: int, arrays: Sequence[Any], rows: npt.NDArray[np.bool_]) -> list[Any]:
        """Columns of text whose first row is `first`, with what merges make of them.

        `rows` is a mask of the rows that are filled: those that show something without it.
        """
        if not self._active or not len(rows):
            return list(arrays)
        stretches = defaultdict(list)
        for stretch in self._active:
            if stretch.bottom >= first and stretch.top < first + len(rows):
                stretches[stretch.column].append(stretch)
        found = list(arrays)
        for column, inside in stretches.items():
            found[column] = self._with_texts(found[column], first, inside, rows)
        return found

    def _with_texts(
        self, array: Any, first: int, stretches: Sequence[_Stretch], rows: npt.NDArray[np.bool_]
    ) -> Any:
        """A column in which the rows of each stretch have its text.

        A cell that holds another text itself, which no spreadsheet shows, cannot be told. Raises
        SourceError where a long text is merged over so many rows that it would take all memory.
        """
        length = len(array)
        number = np.full(length, -1, np.int64)
        for at, stretch in enumerate(stretches):
            number[max(stretch.top - first, 0) : stretch.bottom - first + 1] = at
        number[~rows] = -1
        places = np.flatnonzero(number >= 0)
        number = number[places]
        sizes = np.array([len(stretch.text or "") for stretch in stretches])
        self._filled_bytes += int(sizes[number].sum())
        if self._filled_bytes > TEXT_LIMIT:
            raise too_much_text(self._layout.place)
        texts = pa.array([stretch.text for stretch in stretches], pa.large_string())
        meant = texts.take(pa.array(number))
        own = array.take(pa.array(places))
        fits = pc.or_(pc.equal(pc.utf8_trim(own, BLANKS), ""), pc.equal(own, meant))
        given = pc.fill_null(pc.if_else(fits, meant, None), MERGED_AWAY)
        order = np.arange(length)
        order[places] = length + np.arange(len(places))
        return pa.concat_arrays([array, given]).take(pa.array(order))
