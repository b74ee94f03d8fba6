"""UTF-8 is checked as it is, and its faults are found where a decoder finds them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from importer.sources.utf8 import NotUtf8, whole_characters

PIECES = st.one_of(
    st.text(max_size=4).map(str.encode),
    st.sampled_from([b"\xc3", b"\xa9", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xff"]),
    st.sampled_from([b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\0", b"abc\n"]),
)


@given(st.lists(PIECES), st.integers(1, 7))
def test_blocks_of_any_length_give_the_same_text_or_the_same_fault(
    pieces: list[bytes], size: int
) -> None:
    text = b"".join(pieces)
    blocks = (text[start : start + size] for start in range(0, len(text), size))
    given_: list[bytes] = []
    try:
        given_.extend(whole_characters(blocks))
    except NotUtf8 as fault:
        found: int | None = fault.at
    else:
        found = None
    try:
        text.decode()
    except UnicodeDecodeError as error:
        assert found == error.start
    else:
        assert found is None
        assert b"".join(given_) == text
    for block in given_:
        assert block
        block.decode()
