"""How full a column is, as people see it."""

from __future__ import annotations

from importer.model import BLANKS, ColumnFill
from importer.survey.surveyor import FillCounter
from tests.support.sheets import batch_of


def test_cells_that_show_nothing_are_blank() -> None:
    cells = ["x", "", " ", "\u200b\ufeff", "\u00a0\t", "0", " y ", BLANKS]
    batch = batch_of([[cell, ""] for cell in cells])
    counter = FillCounter(["A", "B"])
    assert counter.columns() == (ColumnFill("A", 0), ColumnFill("B", 0))
    counter.add(batch)
    counter.add(batch)
    assert counter.columns() == (ColumnFill("A", 6), ColumnFill("B", 0))
