"""Phones are told apart by their bytes as the patterns tell them apart."""

from __future__ import annotations

import re

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.kinds import OTHER, PHONES

DATE = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?: [0-9]{2}:[0-9]{2}:[0-9]{2})?"
)
START = re.compile(r"[^0-9A-Za-z+＋]*(?P<sign>[0-9A-Za-z+＋]0?)")

TEXTS = st.one_of(
    st.text(min_size=1),
    st.from_regex(r"[ (/*'＋ｋä.-]{0,12}[+＋0-9a]{0,4}[0-9 -]{0,9}", fullmatch=True),
    st.from_regex(r"[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]( 00:00:00)?", fullmatch=True),
).filter(bool)


def kind_of(text: str) -> str:
    """The kind of one text."""
    if DATE.fullmatch(text):
        return "date"
    start = START.match(text)
    match start["sign"] if start else "":
        case "+" | "+0" | "＋" | "＋0":
            return "plus"
        case "00":
            return "double_zero"
        case "0":
            return "zero"
        case sign if sign and sign[0] in "123456789":
            return "bare"
    return OTHER


@given(st.lists(TEXTS, min_size=1))
def test_phones_are_of_the_kinds_that_their_first_signs_show(texts: list[str]) -> None:
    column = pa.array(["x", *texts], pa.large_string())[1:]
    found = {int(place): kind for kind, places in PHONES(column) for place in places}
    assert [found[place] for place in range(len(texts))] == list(map(kind_of, texts))
