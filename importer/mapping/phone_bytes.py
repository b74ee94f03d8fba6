"""Texts like phones as bytes: which are plain, and the digits that they dial."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from importer.textbytes import Bytes, between, matches

Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

_DOUBTFUL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}|[.][0-9]{0,2}$|[.]0+$|[0-9].*[(/] ?[08]"
"""Dates, numbers that a spreadsheet program has spoilt, and zeros in brackets behind a country's
code: they are looked at one by one."""
_FEWEST, _MOST = 5, 31
"""Signs of a plain text from its first digit on."""
_PLUS, _OPEN, _DOT, _DASH, _SPACE, _SLASH = b"+(.- /"
LONGEST_PREFIX = 8
"""Signs, so that a number's beginning is one integer."""
_HEAD_BITS = 8 * LONGEST_PREFIX
_DIGIT = np.uint64(0x0F)


def plain_phones(texts: Any) -> Mask:
    """Which texts are digits with common punctuation, and look like nothing but a phone.

    That is ``[(]?[+]?[0-9][0-9 ()/.-]{4,30}``, without what `_DOUBTFUL` finds.
    """
    found = Bytes(texts)
    data, ends, last = found.data, found.starts[1:], len(found.data) - 1
    odd = ~(between(data, "(", ")") | between(data, "-", "9") | (data == _SPACE))
    begins = found.starts[:-1] + (found.first == _OPEN)
    plus = (begins < ends) & (data[np.minimum(begins, last)] == _PLUS)
    odd[begins[plus]] = False
    begins += plus
    plain = between(data[np.minimum(begins, last)], "0", "9") & ~found.holding(odd)
    plain &= (ends - begins >= _FEWEST) & (ends - begins <= _MOST)
    doubtful = data[np.minimum(found.starts[:-1] + 4, last)] == _DASH
    doubtful |= found.holding((data == _DOT) | (data == _OPEN) | (data == _SLASH))
    if len(places := np.flatnonzero(doubtful & plain)):
        plain[places] = ~matches(texts.take(pa.array(places)), _DOUBTFUL)
    return plain


class Dialled:
    """The digits and pluses of plain texts, and `lengths`, how many there are of them.

    Of other texts in the same column nothing that is said here means anything.
    """

    def __init__(self, texts: Any) -> None:
        found = Bytes(texts)
        kept = between(found.data, "0", "9") | (found.data == _PLUS)
        # Integers of a byte each are the most memory here, so they are small, and few at once.
        counts = np.zeros(len(kept) + 1, dtype=np.int32)
        np.cumsum(kept, out=counts[1:])
        self._starts = counts[found.starts].astype(np.int64)
        self.lengths = self._starts[1:] - self._starts[:-1]
        # Zeros behind the last text, so that all have as many signs as are compared at once.
        size = int(counts[-1])
        del counts
        self._data = np.zeros(size + LONGEST_PREFIX, dtype=np.uint8)
        self._data[:size] = found.data.take(np.flatnonzero(kept))
        self._heads = np.ndarray(size + 1, ">u8", self._data.data, strides=(1,))

    @cached_property
    def _fronts(self) -> npt.NDArray[np.uint64]:
        """The first signs of each text, as one number."""
        return self._heads[self._starts[:-1]].astype(np.uint64)

    def begins(self, prefix: str, behind: Integers | Literal[0] = 0) -> Mask:
        """Which begin with a prefix of at most `LONGEST_PREFIX` signs, `behind` so many signs."""
        heads = self._fronts
        if not isinstance(behind, int):
            at = self._starts[:-1] + np.minimum(behind, self.lengths)
            heads = self._heads[at].astype(np.uint64)
        wanted = int.from_bytes(prefix.encode())
        alike = heads >> np.uint64(8 * (LONGEST_PREFIX - len(prefix))) == wanted
        return np.asarray(alike & (self.lengths - behind >= len(prefix)), dtype=bool)

    def beginnings(self, places: Integers, behind: Integers, count: int) -> Integers:
        """The first digits of numbers behind so many signs, as numbers of `count` digits.

        They mean nothing where there are fewer.
        """
        heads = self._heads[self._starts[:-1][places] + behind].astype(np.uint64)
        found = np.zeros(len(places), dtype=np.uint64)
        for shift in range(_HEAD_BITS - 8, _HEAD_BITS - 8 - 8 * count, -8):
            found = found * np.uint64(10) + ((heads >> np.uint64(shift)) & _DIGIT)
        return found.astype(np.int64)

    def texts(self, places: Integers, behind: Integers | int = 0) -> Any:
        """The texts at some places without their first signs, as an Arrow array."""
        first = self._starts[:-1][places] + behind
        lengths = self._starts[1:][places] - first
        ends = np.zeros(len(places) + 1, dtype=np.int64)
        np.cumsum(lengths, out=ends[1:])
        return _texts(ends, self._signs(first - ends[:-1], lengths))

    def _signs(self, shifts: Integers, lengths: Integers) -> npt.NDArray[np.uint8]:
        """So many signs after so many others, each as far from there as its text's shift says."""
        at = np.repeat(shifts, lengths)
        at += np.arange(len(at))
        return self._data.take(at)

    def with_country(self, country: str, places: Integers, behind: Integers) -> Any:
        """The numbers at some places behind a country's code, among blanks, as an Arrow array."""
        first = self._starts[:-1][places] + (behind - len(country))
        lengths = self._starts[1:][places] - first
        ends = np.zeros(len(self._starts), dtype=np.int64)
        ends[places + 1] = lengths
        np.cumsum(ends, out=ends)
        begins = ends[places]
        signs = self._signs(first - begins, lengths)
        for at, sign in enumerate(country.encode()):
            signs[begins + at] = sign
        return _texts(ends, signs)


def _texts(ends: Integers, signs: npt.NDArray[np.uint8]) -> Any:
    count = len(ends) - 1
    return pa.LargeStringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(signs))
