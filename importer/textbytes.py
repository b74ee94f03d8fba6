"""A column of texts as the bytes that it is: what a few array operations tell of all its cells.

Most cells need no trimming, no normalizing and no search for errors, and two or three of their
bytes show that. What is told here is certain; where it is not, Arrow's own functions look closer.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import BLANKS

Mask = npt.NDArray[np.bool_]

_UNCHANGED_BY_NFC = 0xCC
"""The first byte of U+0300, the first character that is not the same in Unicode NFC whatever is
before it."""
_LETTER_LEADS = (np.uint8(0xC3), np.uint8(0xD7))
"""Of characters of two bytes the first bytes of most, none of which is blank."""


def _table(*values: int) -> Mask:
    table = np.zeros(256, np.bool_)
    table[list(values)] = True
    return table


_MAY_BEGIN_BLANK = _table(*(blank.encode()[0] for blank in BLANKS))
_MAY_END_BLANK = _table(*(blank.encode()[-1] for blank in BLANKS))


def between(data: npt.NDArray[np.uint8], low: str, high: str) -> Mask:
    """Which bytes are from one sign of ASCII to another: faster by far than to look them up."""
    found: Mask = (data - np.uint8(ord(low))) <= np.uint8(ord(high) - ord(low))
    return found


def matches(texts: Any, pattern: str) -> Mask:
    """Which texts a pattern of RE2 is found in."""
    found = pc.match_substring_regex(texts, pattern)
    return np.array(found.to_numpy(zero_copy_only=False), dtype=bool)


def arrow_texts(texts: Any) -> Any:
    """Texts as an Arrow array of large strings: as they are, if they are one."""
    return texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())


def distinct(texts: Any) -> tuple[npt.NDArray[np.int32], list[str]]:
    """The distinct texts of an Arrow array, in their order, and for each row which one it has."""
    encoded = texts.dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def whole_numbers(texts: Any, fewest: int, most: int) -> npt.NDArray[np.uint64]:
    """Texts that are numbers of so many digits (19 at most), of which the first is no 0.

    0 for any other text.
    """
    found = Bytes(texts)
    sound = (found.lengths >= fewest) & (found.lengths <= most) & (found.first != ord("0"))
    sound &= pc.ascii_is_decimal(texts).to_numpy(zero_copy_only=False)
    if not sound.all():
        texts = pc.if_else(pa.array(sound), texts, pa.scalar("0", texts.type))
    return np.asarray(pc.cast(texts, pa.uint64()).to_numpy(), np.uint64)


def held(texts: Any) -> Mask:
    """Which Arrow texts are not blank."""
    return Bytes(texts).lengths > 0


class Bytes:
    """The UTF-8 of an Arrow array of large strings without nulls, each thing told when asked for.

    `starts` says where each text begins in `data`, and where the last one ends. Where there is
    nothing, `data` is a zero.
    """

    def __init__(self, texts: Any) -> None:
        _, offsets, data = texts.buffers()
        first = texts.offset
        self.starts = np.zeros(1, np.int64)
        self.data = np.zeros(1, np.uint8)
        if len(texts):
            starts = np.frombuffer(offsets, np.int64)[first : first + len(texts) + 1]
            self.starts = starts - starts[0]
            if starts[-1] > starts[0]:
                self.data = np.frombuffer(data, np.uint8)[starts[0] : starts[-1]]

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The bytes of each text."""
        return self.starts[1:] - self.starts[:-1]

    @cached_property
    def first(self) -> npt.NDArray[np.uint8]:
        """The first byte of each text, 0 for one without any."""
        at = np.minimum(self.starts[:-1], len(self.data) - 1)
        return self.data[at] * (self.lengths > 0)

    def holding(self, places: Mask) -> Mask:
        """Which texts have one of some places in `data`."""
        found = np.zeros(len(self.lengths), dtype=bool)
        if not self.starts[-1]:
            return found
        found[np.searchsorted(self.starts, np.flatnonzero(places), side="right") - 1] = True
        return found

    @cached_property
    def last(self) -> npt.NDArray[np.uint8]:
        """The last byte of each text, 0 for one without any."""
        at = np.maximum(self.starts[1:], 1) - 1
        last: npt.NDArray[np.uint8] = self.data[at] * (self.lengths > 0)
        return last

    @property
    def longest(self) -> int:
        """The bytes of the longest text."""
        return int(self.lengths.max(initial=0))

    @property
    def shows(self) -> Mask:
        """Which texts show something for certain; of others that hold something it is open."""
        lead, most = _LETTER_LEADS
        return between(self.first, "!", "~") | ((self.first - lead) <= most - lead)

    @property
    def is_nfc(self) -> bool:
        """Whether all of it is in Unicode NFC for certain."""
        return int(self.data.max()) < _UNCHANGED_BY_NFC

    @property
    def is_trimmed(self) -> bool:
        """Whether no text has a blank at its ends for certain."""
        blank = self.lengths == 0
        # To look bytes up takes longer than to compare them, and most need not be.
        if not (self.shows | blank).all() and (_MAY_BEGIN_BLANK[self.first] & ~blank).any():
            return False
        ends = self.starts[1:][~(between(self.last, "!", "~") | blank)]
        suspects = ends[_MAY_END_BLANK[self.data[ends - 1]]]
        before = self.data[suspects - 2]
        letters = (before >= _LETTER_LEADS[0]) & (before <= _LETTER_LEADS[1])
        # A byte of ASCII is the whole of its character, whatever stands before it.
        return bool((letters & (self.data[suspects - 1] >= 0x80)).all())
