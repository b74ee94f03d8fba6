"""How full each column of a sheet is."""

from __future__ import annotations

from collections.abc import Sequence

from importer.model import Batch, ColumnFill


class FillCounter:
    """Counts, by column, the rows that have something in it."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = tuple(headers)
        self._filled = [0] * len(self._headers)

    def add(self, batch: Batch) -> None:
        """Count a batch, which has all columns of the sheet."""
        for label in range(len(self._headers)):
            self._filled[label] += int((batch.frame[label].str.strip() != "").sum())

    def columns(self) -> tuple[ColumnFill, ...]:
        """The counts so far, in the sheet's order."""
        return tuple(map(ColumnFill, self._headers, self._filled))
