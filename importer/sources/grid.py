"""A sheet as rows and columns: its limits, its merged cells, and what is hidden of it.

A workbook library makes room for every cell between the outermost ones, and gives each cell a copy
of its text, so a file of some kilobytes can ask for all memory. :class:`Scan` is what a look
through a sheet finds before its cells are read; :func:`check_bounds` refuses one over a limit.

Rows and columns count from 0 here; texts for people count from 1, and name columns by letters.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from importer.errors import SourceError
from importer.model import column_letters

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from importer.sources.inputfile import InputFile


MOST_ROWS = 1_048_576
MOST_COLUMNS = 2_000
"""Columns in use; a sheet may have 16,384, but a list that needs as many is none."""
MOST_CELLS = 20_000_000
TEXT_LIMIT = 512 * 2**20
"""Bytes of text in all cells of a workbook's sheet: a text that stands in many cells counts in
each, since a file of some kilobytes can so ask for many gigabytes."""
LONGEST_CELL = 131_072
"""Characters; four times what a cell of a spreadsheet program can hold."""
LONGEST_TEXT = 16 * 2**20
"""Bytes of one text in a workbook's file, tags and all. Beyond it the file is refused at once;
below, the text is read, so that the cell can be named that is over `LONGEST_CELL`."""

AREA_FREE = 4_000_000
SPARSEST = 8
"""Beyond `AREA_FREE` cells, one in `SPARSEST` between the outermost ones must be there."""
MOST_MERGES = 1_000_000
_HEADER_MERGES = 10_000
_DEEPEST_HEADER = 1_000
"""No header is below; merges that begin there are of data."""

_COLUMN_BITS = 16
"""Of a special cell's place: the columns of a sheet are fewer than 2**16."""
_COLUMN_MASK = 2**_COLUMN_BITS - 1
_SPECIAL_AT_ONCE = 2**16
_STRETCHES = 12
_DIVIDE = "Divide the list into several files, or save the sheet as CSV."


class Merge(NamedTuple):
    """Cells merged into one; all four are inclusive."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(slots=True)
class Merges:
    """The merges of a sheet, in some bytes each; `too_many` says that not all were kept.

    `places` has four numbers for each, those of :class:`Merge`.
    """

    places: array[int] = field(default_factory=lambda: array("i"))
    too_many: bool = False

    def add(self, merge: Merge) -> None:
        """Keep a merge of cells that a sheet can have."""
        if len(self.places) == len(merge) * MOST_MERGES:
            self.too_many = True
        elif 0 <= merge.top <= merge.bottom < 2**24 and 0 <= merge.left <= merge.right < 2**24:
            self.places.extend(merge)

    def table(self) -> npt.NDArray[np.int64]:
        """All of them, a row each: top, left, bottom, right."""
        return np.array(self.places, np.int64).reshape(-1, 4)

    def of_headers(self) -> list[Merge]:
        """Those that could be of headers."""
        table = self.table()
        return [
            Merge(*places)
            for places in table[table[:, 0] <= _DEEPEST_HEADER][:_HEADER_MERGES].tolist()
        ]


@dataclass(slots=True)
class Hidden:
    """How many rows or columns are hidden, or struck out; only the first stretches are kept."""

    count: int = 0
    stretches: list[tuple[int, int]] = field(default_factory=list)

    def add(self, first: int, last: int) -> None:
        """Take in a stretch; stretches come in order."""
        self.count += last - first + 1
        if self.stretches and self.stretches[-1][1] == first - 1:
            self.stretches[-1] = (self.stretches[-1][0], last)
        elif len(self.stretches) <= _STRETCHES:
            self.stretches.append((first, last))

    def within(self, end: int) -> Hidden:
        """Those before `end`, as far as stretches were kept."""
        kept = [(first, min(last, end - 1)) for first, last in self.stretches if first < end]
        whole = sum(last - first + 1 for first, last in self.stretches)
        beyond = whole - sum(last - first + 1 for first, last in kept)
        return Hidden(self.count - beyond, kept)

    def rows(self) -> str:
        """The row numbers: ``3, 7-9``, and an ellipsis where there are more."""
        return self._named([(str(a + 1), str(b + 1)) for a, b in self.stretches])

    def columns(self) -> str:
        """The columns by their letters."""
        return self._named([(column_letters(a), column_letters(b)) for a, b in self.stretches])

    def _named(self, names: list[tuple[str, str]]) -> str:
        shown = [a if a == b else f"{a}-{b}" for a, b in names[:_STRETCHES]]
        return ", ".join(shown) + (" …" if len(names) > _STRETCHES else "")


class SpecialCells:
    """Texts of cells that the workbook library does not give so, in 12 bytes a cell.

    They are errors, formulas without a value, dates that are none, and numbers shown with leading
    zeros. A sheet of some megabytes may have millions of them; each different text is kept once.
    """

    def __init__(self) -> None:
        self._places = array("q")
        self._numbers = array("i")
        self._texts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpecialCells) and [*self.in_order()] == [*other.in_order()]

    __hash__ = None  # type: ignore[assignment]

    def add(self, row: int, column: int, text: str) -> None:
        """Keep the text of a cell."""
        self._places.append(row << _COLUMN_BITS | column)
        self._numbers.append(self._texts.setdefault(text, len(self._texts)))

    def width(self) -> int:
        """How many columns they reach over."""
        if not self._places:
            return 0
        return int((np.array(self._places, np.int64) & _COLUMN_MASK).max()) + 1

    def in_order(self) -> Iterator[tuple[int, int, str]]:
        """The row, column and text of each, sorted."""
        texts = list(self._texts)
        ranks = np.argsort(np.argsort(np.array(texts, object)))
        places, numbers = np.array(self._places, np.int64), np.array(self._numbers, np.int64)
        order = np.lexsort((ranks[numbers], places))
        for start in range(0, len(order), _SPECIAL_AT_ONCE):
            part = order[start : start + _SPECIAL_AT_ONCE]
            for place, number in zip(places[part].tolist(), numbers[part].tolist(), strict=True):
                yield place >> _COLUMN_BITS, place & _COLUMN_MASK, texts[number]


@dataclass(slots=True)
class Scan:
    """What was found in a sheet before its cells are read.

    `rows` and `columns` reach to the last cell that holds something. `text` is how many bytes of
    text the cells hold in all, where that is known. `shared` counts the cells that hold a shared
    string. `unknown_errors` says that there are error cells that the workbook library stumbles
    over, `undated` that there are lengths of time beyond all bounds, at which it may stop. `linked`
    says that formulas of the workbook take values from other files.
    """

    rows: int = 0
    columns: int = 0
    cells: int = 0
    special: SpecialCells = field(default_factory=SpecialCells)
    unknown_errors: bool = False
    undated: bool = False
    shared: int = 0
    text: int = 0
    hidden_rows: Hidden = field(default_factory=Hidden)
    struck_rows: Hidden = field(default_factory=Hidden)
    hidden_columns: Hidden = field(default_factory=Hidden)
    merges: Merges = field(default_factory=Merges)
    linked: bool = False


def check_bounds(scan: Scan, file: InputFile, *, whole: bool = False) -> None:
    """Raise SourceError for a sheet over a limit; `whole` says that all of it has been seen."""
    if scan.columns > MOST_COLUMNS:
        raise too_many_columns(str(file), scan.columns)
    if scan.rows > MOST_ROWS:
        raise SourceError(
            f"{file}: this file is damaged (it has a row {scan.rows:,}, but a sheet ends at"
            f" {MOST_ROWS:,}).",
            "Open it in a spreadsheet program and save it anew, or save the sheet as CSV.",
        )
    if scan.cells > MOST_CELLS:
        raise SourceError(f"{file}: the sheet has more than {MOST_CELLS:,} cells.", _DIVIDE)
    if scan.text > TEXT_LIMIT:
        raise too_much_text(file)
    if scan.merges.too_many:
        raise SourceError(
            f"{file}: the sheet has more than {MOST_MERGES:,} merged cells.",
            "Unmerge the cells of the sheet and save it again, or save it as CSV.",
        )
    area = scan.rows * scan.columns
    if whole and area > AREA_FREE and area > SPARSEST * scan.cells:
        raise SourceError(
            f"{file}: the sheet has {scan.cells:,} cells scattered over {scan.rows:,} rows"
            f" and {scan.columns:,} columns.",
            "Delete what stands far from the list (Ctrl+End goes there), and save it again.",
        )


def too_many_columns(place: str, columns: int) -> SourceError:
    """The error for a list that is too wide."""
    return SourceError(
        f"{place}: there are {columns:,} columns; {MOST_COLUMNS:,} are read.",
        "Delete the columns that are not needed, formats too, and save it again.",
    )


def too_much_text(place: InputFile | str) -> SourceError:
    """The error for texts that are long, or short but in very many cells."""
    return SourceError(
        f"{place}: the cells hold more than {TEXT_LIMIT // 2**20} MiB of text in all.",
        f"{_DIVIDE} If the list is not that large, the file was made to do harm.",
    )


def too_long_cell(place: str, cell: str | None = None) -> SourceError:
    """The error for a cell beyond `LONGEST_CELL`, which no spreadsheet program can hold.

    `place` names the file, and the sheet where it is known; `cell` is a reference such as ``B7``.
    """
    return SourceError(
        f"{place}: {f'cell {cell}' if cell else 'a cell'} is longer than {LONGEST_CELL:,}"
        " characters.",
        "Shorten it or delete its column; a spreadsheet program holds 32,767 in a cell.",
    )
