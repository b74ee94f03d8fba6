"""What rules see of a batch's cells is what Python says of each text."""

from __future__ import annotations

import sys
from unicodedata import normalize

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.cells import Cells, not_blank
from importer.model import BLANKS, ERROR_TEXTS, Batch, as_spreadsheets_show

ENDS = st.one_of(
    st.sampled_from([*BLANKS, "", "é", "à", "ő", "\u0301", "ü", "中", "😀", "=", "'0", '="']),
    st.text(),
)
COLUMNS = st.lists(st.tuples(ENDS, st.text(), ENDS).map("".join))


def cells_of(texts: list[str]) -> Cells:
    """The texts as a slice of a longer array, as they may come."""
    column = pa.array(["ß ", *texts, " ß"], pa.large_string())[1 : len(texts) + 1]
    return Cells(Batch(np.arange(len(texts)), {0: column}))


def test_blanks_are_all_white_space_and_what_has_no_width() -> None:
    spaces = {letter for letter in map(chr, range(sys.maxunicode + 1)) if letter.isspace()}
    marks = {*map(chr, (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x2070)))}
    no_width = {*"\x1a\xad\u180e\u200b\u200c\u200d\ufeff", *map(chr, range(0x2060, 0x2065))}
    assert set(BLANKS) == spaces | marks | no_width | {*"\u2800\u3164\uffa0"}


@given(COLUMNS)
def test_cells_are_in_nfc_and_as_spreadsheets_show_them(texts: list[str]) -> None:
    shown = [as_spreadsheets_show(normalize("NFC", text)) for text in texts]
    assert cells_of(texts).raw_texts(0).to_pylist() == shown


@given(COLUMNS)
def test_cells_have_no_white_space_at_their_ends(texts: list[str]) -> None:
    cells = cells_of(texts)
    found = cells.texts(0).to_pylist()
    assert found == [text.strip(BLANKS) for text in found]
    assert not_blank(cells.texts(0)).tolist() == [bool(text) for text in found]
    plain = [text.strip(BLANKS) for text in cells.raw_texts(0).to_pylist()]
    assert [a for a, b in zip(found, plain, strict=True) if b[:1] not in {"=", "'"}] == [
        b for b in plain if b[:1] not in {"=", "'"}
    ]


@given(st.lists(st.one_of(st.sampled_from(sorted(ERROR_TEXTS)), st.text(max_size=8))))
def test_errors_are_found_among_other_texts(texts: list[str]) -> None:
    cells = cells_of(texts)
    found = zip(cells.texts(0).to_pylist(), cells.errors(0).tolist(), strict=True)
    assert all(error == (text in ERROR_TEXTS) for text, error in found if text[:1] != "=")
