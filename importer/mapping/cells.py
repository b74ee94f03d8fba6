"""A batch's cells as the rules see them: trimmed once, with error cells set apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.damage import GARBLED
from importer.model import (
    BAD_DATE,
    BLANKS,
    EMPTY_FORMULA,
    ERROR_TEXTS,
    MERGED_AWAY,
    Batch,
    as_spreadsheets_show,
    is_formula,
)
from importer.textbytes import Bytes

Mask = npt.NDArray[np.bool_]
BLANK = pa.scalar("", pa.large_string())
_HASH, _E, _ERR = ord("#"), ord("E"), len("Err:501")
_EQUALS, _APOSTROPHE = ord("="), ord("'")
_SHOWN = 80


def trimmed(texts: Any) -> Any:
    """Arrow texts without white space at their ends: the same array where there is none."""
    return texts if Bytes(texts).is_trimmed else pc.utf8_trim(texts, BLANKS)


def as_shown(texts: Any) -> Any:
    """Arrow texts as a spreadsheet program shows them: ``="0123"`` is the text 0123."""
    first = Bytes(texts).first
    places = np.flatnonzero((first == _EQUALS) | (first == _APOSTROPHE))
    if not len(places):
        return texts
    mask = np.zeros(len(texts), dtype=bool)
    mask[places] = True
    some = [as_spreadsheets_show(text) for text in texts.take(pa.array(places)).to_pylist()]
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(some, texts.type))


def blanked(texts: Any, mask: Mask) -> Any:
    """Arrow texts, those of a mask made blank."""
    return pc.if_else(pa.array(mask), BLANK, texts) if mask.any() else texts


def or_null(texts: Any) -> Any:
    """An Arrow array of texts, the blank ones null."""
    return pc.if_else(pc.not_equal(texts, ""), texts, pa.scalar(None, texts.type))


@dataclass(frozen=True)
class Cells:
    """The columns of one batch; each is trimmed and searched for errors the first time."""

    batch: Batch
    _raw: dict[int, Any] = field(default_factory=dict)
    _trimmed: dict[int, tuple[Any, Bytes]] = field(default_factory=dict)
    _errors: dict[int, Mask] = field(default_factory=dict)
    _garbled: dict[int, Mask] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.batch)

    @cached_property
    def nothing(self) -> Mask:
        """A mask of no row."""
        return np.zeros(len(self), dtype=bool)

    def raw_texts(self, column: int) -> Any:
        """The cells as they stand in the sheet, in Unicode NFC: one spelling for one text."""
        if column not in self._raw:
            texts = self.batch.columns[column]
            if not Bytes(texts).is_nfc:
                texts = pc.utf8_normalize(texts, "NFC")
            self._raw[column] = as_shown(texts)
        return self._raw[column]

    def texts(self, column: int) -> Any:
        """The cells without white space at their ends, as an Arrow array."""
        return self._with_bytes(column)[0]

    def _with_bytes(self, column: int) -> tuple[Any, Bytes]:
        if column not in self._trimmed:
            texts = self.raw_texts(column)
            found = Bytes(texts)
            if not found.is_trimmed:
                texts = as_shown(pc.utf8_trim(texts, BLANKS))
                found = Bytes(texts)
                if not found.is_trimmed:
                    texts = pc.utf8_trim(texts, BLANKS)
                    found = Bytes(texts)
            self._trimmed[column] = texts, found
        return self._trimmed[column]

    def errors(self, column: int) -> Mask:
        """Which cells hold a spreadsheet error such as ``#N/A``, or a formula as text."""
        if column not in self._errors:
            texts, found = self._with_bytes(column)
            suspects = found.first == _HASH
            suspects |= (found.first == _E) & (found.lengths == _ERR)
            if suspects.any():
                places = np.flatnonzero(suspects)
                some = texts.take(pa.array(places))
                known = pc.is_in(some, pa.array(ERROR_TEXTS, pa.large_string()))
                suspects[places] = known.to_numpy(zero_copy_only=False)
            for place in np.flatnonzero(found.first == _EQUALS):
                suspects[place] = is_formula(texts[int(place)].as_py())
            self._errors[column] = suspects
        return self._errors[column]

    def garbled(self, column: int) -> Mask:
        """Which cells may hold letters that an earlier program has spoilt."""
        if column not in self._garbled:
            texts, found = self._with_bytes(column)
            mask = self.nothing
            if int(found.data.max()) > 0x7F:
                matched = pc.match_substring_regex(texts, GARBLED)
                mask = matched.to_numpy(zero_copy_only=False)
            self._garbled[column] = mask
        return self._garbled[column]

    def constant(self, text: str) -> Any:
        """One text for every row, as an Arrow array."""
        return pa.repeat(pa.scalar(text, pa.large_string()), len(self))


def error_problem(text: str) -> tuple[str, str, str]:
    """Code, message and hint for a cell that holds a spreadsheet error."""
    if text == EMPTY_FORMULA:
        return (
            "empty_formula",
            "the cell's formula was never calculated",
            "open the file in a spreadsheet program and save it, or put in the value",
        )
    if text.startswith("="):
        return (
            "empty_formula",
            f"the cell holds a formula, not what it gives: {text[:_SHOWN]}",
            "open the list in a spreadsheet program and save it, or put in the value",
        )
    if text == BAD_DATE:
        return (
            "no_date",
            "the cell is formatted as a date or time, but its number is none",
            "the spreadsheet shows ##### or 1900-01-00 there: put in the date, clear the cell, or"
            " format the column as numbers if it holds numbers",
        )
    if text == MERGED_AWAY:
        return (
            "merged_cell",
            "the cell is merged with others, so that what it holds cannot be told",
            "unmerge the cells in the spreadsheet program, and fill in each of them",
        )
    return (
        "error_cell",
        f"the cell holds the error {text}",
        "mend its formula, put in the value, or clear the cell",
    )
