"""A batch's cells as the rules see them: trimmed once, with masks of error cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.damage import ESCAPE_SIGNS, ESCAPES, GARBLED
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

Mask = npt.NDArray[np.bool_]
"""Which rows of a batch, or which texts of a column."""
Indices = npt.NDArray[np.int64]
"""Places of rows in a batch, or of texts in a column."""
EMPTY = pa.scalar("", pa.large_string())
"""The empty text, as Arrow has it."""
_ERRORS = pa.array(ERROR_TEXTS, pa.large_string())
_CHANGED_BY_NFC = r"[^\x{0}-\x{2FF}]"
"""Characters that Unicode NFC may change: from U+0300, the first combining mark, on."""
_SHOWN = 80
"""Characters of a formula that a message shows."""


def mask_of(booleans: Any) -> Mask:
    """An Arrow array of truth values as an array of numpy's that may be changed."""
    return np.array(booleans.to_numpy(zero_copy_only=False), dtype=bool)


def matches(texts: Any, pattern: str) -> Mask:
    """Which Arrow texts a pattern of RE2 is found in."""
    return mask_of(pc.match_substring_regex(texts, pattern))


def _have_byte_of(texts: Any, signs: bytes) -> bool:
    """Whether Arrow texts, or others of the array that they are a slice of, have an ASCII sign."""
    data = texts.buffers()[2]
    content = b"" if data is None else data.to_pybytes()
    return any(sign in content for sign in signs)


def not_blank(texts: Any) -> Mask:
    """Which Arrow texts are not blank."""
    return mask_of(pc.not_equal(texts, ""))


def distinct(texts: Any) -> tuple[npt.NDArray[np.int32], list[str]]:
    """The distinct texts of an Arrow array, in their order, and for each row which one it has."""
    encoded = texts.dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def arrow_texts(texts: Any) -> Any:
    """Texts as an Arrow array of large strings: as they are, if they are one."""
    return texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())


def trimmed(texts: Any) -> Any:
    """Arrow texts without white space at their ends."""
    return pc.utf8_trim(texts, BLANKS)


def as_shown(texts: Any) -> Any:
    """Arrow texts as a spreadsheet program shows them: ``="0123"`` is the text 0123."""
    notation = pc.or_(pc.starts_with(texts, "="), pc.starts_with(texts, "'"))
    if not pc.any(notation).as_py():
        return texts
    some = [as_spreadsheets_show(text) for text in texts.filter(notation).to_pylist()]
    return pc.replace_with_mask(texts, notation, pa.array(some, texts.type))


def _in_nfc(texts: Any) -> Any:
    """Arrow texts in Unicode NFC."""
    changed = np.flatnonzero(~mask_of(pc.string_is_ascii(texts)))
    if not len(changed):
        return texts
    changed = changed[matches(texts.take(pa.array(changed)), _CHANGED_BY_NFC)]
    if not len(changed):
        return texts
    some = np.zeros(len(texts), dtype=bool)
    some[changed] = True
    normal = pc.utf8_normalize(texts.take(pa.array(changed)), "NFC")
    return pc.replace_with_mask(texts, pa.array(some), normal)


def blanked(texts: Any, mask: Mask) -> Any:
    """Arrow texts, those of a mask made blank."""
    return pc.if_else(pa.array(mask), EMPTY, texts) if mask.any() else texts


def or_null(texts: Any) -> Any:
    """An Arrow array of texts, the blank ones null."""
    return pc.if_else(pc.not_equal(texts, ""), texts, pa.scalar(None, texts.type))


@dataclass(frozen=True)
class Cells:
    """The columns of one batch; each is trimmed and searched for errors the first time."""

    batch: Batch
    _raw: dict[int, Any] = field(default_factory=dict)
    _trimmed: dict[int, Any] = field(default_factory=dict)
    _errors: dict[int, Mask] = field(default_factory=dict)
    _garbled: dict[int, Mask] = field(default_factory=dict)
    _escaped: dict[int, Mask] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.batch)

    @cached_property
    def no_rows(self) -> Mask:
        """A mask in which no row is set."""
        return np.zeros(len(self), dtype=bool)

    def raw_texts(self, column: int) -> Any:
        """The cells as they stand in the sheet, in Unicode NFC: one spelling for one text."""
        if column not in self._raw:
            self._raw[column] = as_shown(_in_nfc(self.batch.columns[column]))
        return self._raw[column]

    def texts(self, column: int) -> Any:
        """The cells without white space at their ends, as an Arrow array."""
        if column not in self._trimmed:
            raw = self.raw_texts(column)
            texts = trimmed(raw)
            if not texts.equals(raw):
                # Behind white space may stand what a spreadsheet program writes before a text, and
                # in the text, again, white space.
                texts = trimmed(as_shown(texts))
            self._trimmed[column] = texts
        return self._trimmed[column]

    def errors(self, column: int) -> Mask:
        """Which cells hold a spreadsheet error such as ``#N/A``, or a formula as text."""
        if column not in self._errors:
            texts = self.texts(column)
            errors = mask_of(pc.is_in(texts, _ERRORS))
            for place in np.flatnonzero(mask_of(pc.starts_with(texts, "="))):
                errors[place] |= is_formula(texts[int(place)].as_py())
            self._errors[column] = errors
        return self._errors[column]

    def garbled(self, column: int) -> Mask:
        """Which cells may hold letters that an earlier program has spoilt."""
        if column not in self._garbled:
            texts = self.texts(column)
            mask = ~mask_of(pc.string_is_ascii(texts))
            if mask.any():
                mask[mask] = matches(texts.filter(pa.array(mask)), GARBLED)
            self._garbled[column] = mask
        return self._garbled[column]

    def escaped(self, column: int) -> Mask:
        """Which cells may hold text that a program wrote for another one, as M&uuml;ller."""
        if column not in self._escaped:
            texts = self.texts(column)
            # To look through the bytes of a whole column takes a tenth of the time.
            some = _have_byte_of(texts, ESCAPE_SIGNS)
            self._escaped[column] = matches(texts, ESCAPES) if some else self.no_rows
        return self._escaped[column]

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
