"""A sheet whose XML is plain, read without the workbook library, and beside the look for limits.

What the library would give for each cell is given here, a column of a batch at once. It holds the
sheet's cells as text and some bytes each until they have been given. Where anything in the sheet
is not as spreadsheet programs write it, the sheet is given up and read by the library as a whole.
Where nobody looks, between cells and in formulas, a stray ``&`` is not refused as the library does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.settings import BATCH_ROWS
from importer.sources.apart import Apart, NotPlain, OddCells
from importer.sources.aside import hidden_rows
from importer.sources.bounds import check_bounds
from importer.sources.cellheads import Heads
from importer.sources.grid import Scan
from importer.sources.plaincells import COLUMN_BITS, ODD, SHARED, TEXT, Cells, plain_cells
from importer.sources.plainstrings import is_utf8, plain_strings
from importer.sources.sheet import take_in, whole_rows
from importer.sources.source import ColumnChunk
from importer.sources.strings import check_strings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from importer.sources.package import Package, Sheet

_ODD_FREE = 10_000
_ODDEST = 4
"""Beyond `_ODD_FREE` different odd cells, with one in `_ODDEST`, the library is faster."""
_ODD_LIMIT = 64 * 2**20
"""Bytes of odd cells; they are copied several times on their way."""
_COLUMN = 2**COLUMN_BITS - 1


def read_plain(
    package: Package, sheet: Sheet, limit: int
) -> tuple[Scan, Iterator[ColumnChunk]] | None:
    """What was found in a sheet, and its rows; None where it is not plain.

    `limit` bounds its XML. Raises SourceError for a sheet over a limit.
    """
    scan = Scan()
    try:
        parts, odd = _gathered(package, sheet, limit, scan)
        check_strings(package, sheet, scan, limit)
        strings = plain_strings(package, odd.apart)
        others = odd.texts()
        most = max((int(part.shared.max(initial=-1)) for part in parts), default=-1)
        if most >= len(strings):
            return None
    except NotPlain:
        return None
    return scan, _Rows(parts, strings, others).given()


def _gathered(
    package: Package, sheet: Sheet, limit: int, scan: Scan
) -> tuple[deque[_Part], OddCells]:
    """All cells of the sheet; what was found on the way goes into `scan`."""
    pieces = whole_rows(package.unpack(sheet.part, limit), package, scan)
    first = next(pieces, None)
    if first is None or not scan.head or not is_utf8(scan.head):
        raise NotPlain
    odd = OddCells(Apart(package, sheet, scan.head))
    heads = Heads(odd.apart.is_number)
    parts: deque[_Part] = deque()
    for piece in chain((first,), pieces):
        if (cells := plain_cells(piece, heads)) is None:
            raise NotPlain
        if b"hidden=" in piece:
            hidden_rows(piece, -1, scan.hidden_rows)
        take_in(piece, _extent(cells), scan)
        check_bounds(scan, package.file)
        if parts and len(cells.places) and cells.places[0] <= parts[-1].places[-1]:
            raise NotPlain
        if (odd.count > _ODD_FREE and odd.count * _ODDEST > scan.cells) or odd.size > _ODD_LIMIT:
            raise NotPlain
        if len(cells.places):
            held = (cells.places, cells.holds, cells.texts, cells.shared, odd.add(cells.odd))
            parts.append(_Part(*held))
    check_bounds(scan, package.file, whole=True)
    if not scan.tail:
        raise NotPlain
    odd.apart.check_tail(scan.tail)
    return parts, odd


def _extent(cells: Cells) -> Scan:
    """How far the cells of a piece reach, and how many there are."""
    count = len(cells.places)
    if not count:
        return Scan()
    columns = int((cells.places & _COLUMN).max()) + 1
    rows = int(cells.places[-1] >> COLUMN_BITS) + 1
    return Scan(rows, columns, count, shared=len(cells.shared))


@dataclass(frozen=True, slots=True)
class _Part:
    """Consecutive cells, as :class:`Cells`; of odd ones, the numbers of their texts."""

    places: npt.NDArray[np.int64]
    holds: npt.NDArray[np.uint8]
    texts: Any
    shared: npt.NDArray[np.int64]
    odd: npt.NDArray[np.int64]

    def divided(self, at: int) -> tuple[_Part, _Part]:
        """The cells up to the index `at`, and those from it."""
        texts, shared, odd = (int((self.holds[:at] == kind).sum()) for kind in (TEXT, SHARED, ODD))
        before = (self.places[:at], self.holds[:at], self.texts[:texts])
        behind = (self.places[at:], self.holds[at:], self.texts[texts:])
        return (
            _Part(*before, self.shared[:shared], self.odd[:odd]),
            _Part(*behind, self.shared[shared:], self.odd[odd:]),
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    """The gathered cells as rows; a text that is null is that of no cell at all."""

    parts: deque[_Part]
    strings: Any
    odd: Any

    def given(self) -> Iterator[ColumnChunk]:
        """All rows from the sheet's first, each as wide as the sheet, but for blank stretches.

        They come `BATCH_ROWS` at a time, and are let go of.
        """
        if not (width := self._width()):
            return
        block = 0
        held: list[_Part] = []
        while self.parts:
            part = self.parts.popleft()
            number = int(part.places[0] >> COLUMN_BITS) // BATCH_ROWS
            if held and number != block:
                yield self._block(block * BATCH_ROWS, width, held)
                held = []
            block = number
            end = np.searchsorted(part.places, (number + 1) * BATCH_ROWS << COLUMN_BITS)
            if end < len(part.places):
                part, rest = part.divided(int(end))
                self.parts.appendleft(rest)
            held.append(part)
        if held:
            yield self._block(block * BATCH_ROWS, width, held)

    def _width(self) -> int:
        """How many columns there are up to the last cell that counts."""
        missing = self.odd.is_null().to_numpy(zero_copy_only=False)
        last = -1
        for part in self.parts:
            counts = np.ones(len(part.places), np.bool_)
            counts[part.holds == ODD] = ~missing[part.odd]
            last = max(last, int((part.places[counts] & _COLUMN).max(initial=-1)))
        return last + 1

    def _block(self, first: int, width: int, parts: Sequence[_Part]) -> ColumnChunk:
        """The rows that these cells are in, from row `first` on."""
        places = np.concatenate([part.places for part in parts])
        holds = np.concatenate([part.holds for part in parts])
        shared = pa.array(np.concatenate([part.shared for part in parts]))
        odd = pa.array(np.concatenate([part.odd for part in parts]))
        kinds = (
            [part.texts for part in parts],
            [self.strings.take(shared)],
            [pc.fill_null(self.odd.take(odd), "")],
        )
        texts = pa.concat_arrays([*chain(*kinds), pa.array([""], pa.large_string())])
        # Cells count within their kind; here they count within all texts, of which the last is "".
        number = np.empty(len(places), np.int32)
        begin = 0
        for kind, arrays in zip((TEXT, SHARED, ODD), kinds, strict=True):
            end = begin + sum(map(len, arrays))
            number[holds == kind] = np.arange(begin, end, dtype=np.int32)
            begin = end
        rows, columns = (places >> COLUMN_BITS) - first, places & _COLUMN
        grid = np.full((width, int(rows[-1]) + 1), begin, np.int32)
        within = columns < width
        grid[columns[within], rows[within]] = number[within]
        return ColumnChunk(first + 1, [texts.take(pa.array(column)) for column in grid])
