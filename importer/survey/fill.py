"""How full each column of a sheet is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import BLANKS, Batch, ColumnFill
from importer.textbytes import Bytes


class FillCounter:
    """Counts, by column, the rows that have something to be seen in it."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = tuple(headers)
        self._filled = [0] * len(self._headers)

    def add(self, batch: Batch) -> None:
        """Count a batch, which has all columns of the sheet."""
        for label in range(len(self._headers)):
            self._filled[label] += _count_filled(batch.columns[label])

    def columns(self) -> tuple[ColumnFill, ...]:
        """The counts so far, in the sheet's order."""
        return tuple(map(ColumnFill, self._headers, self._filled))


def _count_filled(texts: Any) -> int:
    found = Bytes(texts)
    filled = int(np.count_nonzero(found.shows))
    held = int(np.count_nonzero(found.lengths))
    if filled == held:
        return filled
    unsure = texts.filter(pa.array((found.lengths > 0) & ~found.shows))
    shown = pc.not_equal(pc.utf8_trim(unsure, BLANKS), "")
    return filled + int(pc.sum(shown).as_py())
