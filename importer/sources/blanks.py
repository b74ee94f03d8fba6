"""Which rows show something, found by array operations: nearly all do, by their first cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from importer.sources.header import is_blank
from importer.textbytes import Bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def filled_rows(columns: Sequence[Any]) -> npt.NDArray[np.bool_]:
    """Which rows have a cell that shows something; `columns` are arrays of large strings."""
    filled = np.zeros(len(columns[0]), np.bool_)
    empty = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        found = Bytes(column)
        empty &= found.lengths == 0
        filled |= found.shows
        if filled.all():
            return filled
    for index in np.flatnonzero(~filled & ~empty):
        filled[index] = any(not is_blank(column[index].as_py()) for column in columns)
    return filled
