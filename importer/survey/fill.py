"""How full each column of a sheet is."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from importer.model import Batch, ColumnFill

_BLANKS = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace()) + (
    "\u200b\u200c\u200d\u2060\ufeff\u180e\u00ad"
)
"""What shows nothing: a cell of these alone is as good as empty."""


class FillCounter:
    """Counts, by column, the rows that have something to be seen in it."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = tuple(headers)
        self._filled = [0] * len(self._headers)

    def add(self, batch: Batch) -> None:
        """Count a batch, which has all columns of the sheet."""
        for label in range(len(self._headers)):
            texts = pa.array(batch.frame[label], from_pandas=True)
            shown = pc.not_equal(pc.utf8_trim(texts, _BLANKS), "")
            self._filled[label] += pc.sum(shown).as_py() or 0

    def columns(self) -> tuple[ColumnFill, ...]:
        """The counts so far, in the sheet's order."""
        return tuple(map(ColumnFill, self._headers, self._filled))
