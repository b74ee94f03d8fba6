"""A batch's cells as the rules see them: trimmed once, with error cells set apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.text import BLANKS
from importer.model import EMPTY_FORMULA, ERROR_TEXTS, Batch

Mask = npt.NDArray[np.bool_]
TEXT = pd.StringDtype("pyarrow", na_value=np.nan)


def text_series(texts: Any, index: pd.Index[Any]) -> pd.Series[str]:
    """A pyarrow array of large strings as a column, without a copy."""
    array = TEXT.__from_arrow__(texts)  # type: ignore[attr-defined] # pandas' extension interface
    return pd.Series(array, index=index)


def arrow_texts(texts: Any) -> Any:
    """A column, or other texts of pandas, as one Arrow array of large strings."""
    array = pa.array(texts, pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def or_null(texts: Any) -> Any:
    """An Arrow array of texts, the blank ones null."""
    return pc.if_else(pc.not_equal(texts, ""), texts, pa.scalar(None, texts.type))


JOINT = "\x1f"
"""Stands between the cells of several columns while they travel as one text."""


@dataclass(frozen=True)
class Cells:
    """The columns of one batch; each is trimmed and searched for errors the first time."""

    batch: Batch
    _raw: dict[int, pd.Series[str]] = field(default_factory=dict)
    _trimmed: dict[int, pd.Series[str]] = field(default_factory=dict)
    _errors: dict[int, Mask] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.batch)

    @cached_property
    def nothing(self) -> Mask:
        """A mask of no row."""
        return np.zeros(len(self), dtype=bool)

    def raw(self, column: int) -> pd.Series[str]:
        """The cells as they stand in the sheet, in Unicode NFC: one spelling for one text."""
        if column not in self._raw:
            series: pd.Series[str] = self.batch.frame[column]
            texts = pa.array(series, pa.large_string())
            if not pc.all(pc.string_is_ascii(texts)).as_py():
                series = text_series(pc.utf8_normalize(texts, "NFC"), series.index)
            self._raw[column] = series
        return self._raw[column]

    def trimmed(self, column: int) -> pd.Series[str]:
        """The cells without white space at their ends."""
        if column not in self._trimmed:
            self._trimmed[column] = self.raw(column).str.strip(BLANKS)
        return self._trimmed[column]

    def errors(self, column: int) -> Mask:
        """Which cells hold a spreadsheet error such as ``#N/A``."""
        if column not in self._errors:
            series = self.trimmed(column)
            suspects = series.str.startswith(("#", "Err:")).to_numpy(dtype=bool)
            self._errors[column] = (
                series.isin(ERROR_TEXTS).to_numpy() if suspects.any() else suspects
            )
        return self._errors[column]

    def constant(self, text: str) -> pd.Series[str]:
        """One text for every row."""
        return pd.Series([text] * len(self), dtype=TEXT, index=self.batch.frame.index)


def error_problem(text: str) -> tuple[str, str, str]:
    """Code, message and hint for a cell that holds a spreadsheet error."""
    if text == EMPTY_FORMULA:
        return (
            "empty_formula",
            "the cell's formula was never calculated",
            "open the file in a spreadsheet program and save it, or put in the value",
        )
    return (
        "error_cell",
        f"the cell holds the error {text}",
        "mend its formula, put in the value, or clear the cell",
    )
