"""How full a column is, as people see it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from importer.mapping.cells import TEXT
from importer.model import BLANKS, Batch, ColumnFill
from importer.survey.fill import FillCounter


def test_cells_that_show_nothing_are_blank() -> None:
    cells = ["x", "", " ", "\u200b\ufeff", "\u00a0\t", "0", " y ", BLANKS]
    batch = Batch(
        np.arange(2, 10), pd.DataFrame({0: pd.Series(cells, dtype=TEXT), 1: [""] * 8}, dtype=TEXT)
    )
    counter = FillCounter(["A", "B"])
    assert counter.columns() == (ColumnFill("A", 0), ColumnFill("B", 0))
    counter.add(batch)
    counter.add(batch)
    assert counter.columns() == (ColumnFill("A", 6), ColumnFill("B", 0))
