"""How far the cells of a sheet reach, measured by array operations where its XML is plain.

Plain is XML as spreadsheet programs write it: every cell begins with ``<c r="A1"``, in that
spelling, and nothing else in it could be taken for a cell or a reference. What is not plain is
not measured here, so a file made to deceive only makes its reader slower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_EQUALS, _R, _T, _E, _QUOTE, _SPACE, _LESS, _GREATER, _SLASH, _C = b'=rte" <>/c'


class Extent(NamedTuple):
    """Rows and columns up to the last cell that holds something, and how many such cells."""

    rows: int
    columns: int
    cells: int
    has_errors: bool


def plain_extent(part: bytes) -> Extent | None:
    """Measure a piece whose every cell is ``<c r="A1"…``; None if it has anything else.

    One character is looked for before two: that is many times faster, and most have neither.
    """
    if (b"!" in part and b"<!" in part) or (b"'" in part and b"='" in part):
        return None
    data = np.frombuffer(part, np.uint8)
    at = np.flatnonzero(data == _EQUALS)
    at = at[(at > 3) & (at < len(data) - 3)]
    before, after = data[at - 1], data[at + 1]
    if (before <= _SPACE).any() or (after <= _SPACE).any():
        return None
    types = at[before == _T]
    has_errors = bool((data[types + 2] == _E).any())
    at = at[(before == _R) & (after == _QUOTE)]
    if (data[at - 2] != _SPACE).any():
        return None
    is_cell = (data[at - 3] == _C) & (data[at - 4] == _LESS)
    cells = at[is_cell] + 2
    rows = len(at) - len(cells)
    tags = int(np.count_nonzero((data[:-1] == _LESS) & (data[1:] == _C)))
    if tags != len(cells) or (rows and part.count(b'<row r="') != rows):
        return None
    if b"/>" in part:
        cells = cells[~_self_closed(data, cells)]
    if not len(cells):
        return Extent(0, 0, 0, has_errors)
    if (measured := _reach(data, cells)) is None:
        return None
    return Extent(*measured, len(cells), has_errors)


def _self_closed(data: npt.NDArray[np.uint8], cells: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Which of the cells whose references stand at these offsets are formats without content."""
    ends = np.flatnonzero(data == _GREATER)
    index = np.searchsorted(ends, cells)
    if len(ends) == 0 or index.max(initial=0) >= len(ends):
        return np.zeros(len(cells), np.bool_)
    # In quotes, neither a slash nor the sign behind it ends a tag.
    quotes = np.flatnonzero(data == _QUOTE)
    between = np.searchsorted(quotes, ends[index]) - np.searchsorted(quotes, cells)
    return np.asarray((data[ends[index] - 1] == _SLASH) & (between % 2 == 1))


def _reach(data: npt.NDArray[np.uint8], cells: npt.NDArray[np.intp]) -> tuple[int, int] | None:
    """The rows and columns that references at these offsets reach; None if one is malformed."""
    at = cells
    column = np.zeros(len(at), np.int64)
    row = np.zeros(len(at), np.int64)
    for low, high, base, value, longest in ((65, 90, 26, column, 3), (48, 57, 10, row, 7)):
        active = np.ones(len(at), np.bool_)
        for _ in range(longest):
            sign = data[np.minimum(at, len(data) - 1)]
            active &= (sign >= low) & (sign <= high)
            if not active.any():
                break
            digit = sign.astype(np.int64) - (low - 1 if base == 26 else low)
            np.copyto(value, value * base + digit, where=active)
            at = at + active
    closed = data[np.minimum(at, len(data) - 1)] == _QUOTE
    if not closed.all() or not column.all() or not row.all():
        return None
    return int(row.max()), int(column.max())
