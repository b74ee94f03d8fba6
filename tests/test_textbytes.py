"""What bytes tell of a column is what its texts say themselves."""

from __future__ import annotations

import sys
from unicodedata import normalize

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from importer.model import BLANKS
from importer.textbytes import Bytes, whole_numbers

ENDS = st.one_of(
    st.sampled_from([*BLANKS, "", "é", "à", "ő", "\u0301", "ü", "中", "😀"]), st.text()
)
COLUMNS = st.lists(st.tuples(ENDS, st.text(), ENDS).map("".join))


def column(texts: list[str]) -> object:
    """The texts as a slice of a longer array, as they may come."""
    return pa.array(["ß ", *texts, " ß"], pa.large_string())[1 : len(texts) + 1]


def test_blanks_are_all_white_space_and_what_has_no_width() -> None:
    spaces = {letter for letter in map(chr, range(sys.maxunicode + 1)) if letter.isspace()}
    marks = {*map(chr, (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x2070)))}
    no_width = {*"\x1a\xad\u180e\u200b\u200c\u200d\ufeff", *map(chr, range(0x2060, 0x2065))}
    assert set(BLANKS) == spaces | marks | no_width | {*"\u2800\u3164\uffa0"}


@given(COLUMNS)
def test_lengths_and_first_bytes_are_those_of_the_texts(texts: list[str]) -> None:
    found = Bytes(column(texts))
    encoded = [text.encode() for text in texts]
    assert found.lengths.tolist() == list(map(len, encoded))
    assert found.longest == max(map(len, encoded), default=0)
    assert found.first.tolist() == [text[0] if text else 0 for text in encoded]


@given(COLUMNS)
def test_what_is_said_for_certain_is_so(texts: list[str]) -> None:
    found = Bytes(column(texts))
    if found.is_trimmed:
        assert texts == [text.strip(BLANKS) for text in texts]
    if found.is_nfc:
        assert texts == [normalize("NFC", text) for text in texts]
    for text, shows in zip(texts, found.shows, strict=True):
        assert not shows or text.strip(BLANKS)


def test_common_texts_are_told_without_a_closer_look() -> None:
    found = Bytes(column(["Kovács Éva", "", "Fő út", "Győr", "José", "Öttömös", "ß", "42", "à"]))
    assert found.is_trimmed
    assert found.is_nfc
    assert found.shows.tolist() == [True, False, *[True] * 7]


@given(st.lists(st.one_of(st.from_regex("[0-9]{1,20}", fullmatch=True), st.text())))
def test_whole_numbers_are_those_of_digits_that_do_not_begin_with_0(texts: list[str]) -> None:
    numbers = whole_numbers(column(texts), 2, 18).tolist()
    for text, number in zip(texts, numbers, strict=True):
        whole = text.isascii() and text.isdecimal() and 2 <= len(text) <= 18 and text[0] != "0"
        assert number == (int(text) if whole else 0)
