"""Which rows show something, found by array operations: nearly all do, by their first cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from importer.sources.header import is_blank

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_SHOWS = np.zeros(256, np.bool_)
"""Whether a text that begins with this byte, as UTF-8, shows something for certain."""
_SHOWS[0x21:0x7F] = True
_SHOWS[0xC3:0xE0] = True


def filled_rows(columns: Sequence[Any]) -> npt.NDArray[np.bool_]:
    """Which rows have a cell that shows something; `columns` are arrays of large strings."""
    filled = np.zeros(len(columns[0]), np.bool_)
    empty = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        starts, data = _texts(column)
        holds = starts[1:] > starts[:-1]
        empty &= ~holds
        filled[holds] |= _SHOWS[data[starts[:-1][holds]]]
        if filled.all():
            return filled
    for index in np.flatnonzero(~filled & ~empty):
        filled[index] = any(not is_blank(column[index].as_py()) for column in columns)
    return filled


def _texts(column: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Where each text begins, and the last one ends, in the bytes of all."""
    _, offsets, data = column.buffers()
    starts = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    return starts, np.frombuffer(data or b"", np.uint8)
