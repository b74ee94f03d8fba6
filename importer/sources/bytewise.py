"""Bytes looked at many places at once: what stands there, and whether it is a plain number or text.

Arrays of places are offsets into a piece of XML. A word is eight bytes, the first of them lowest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import numpy.typing as npt

    Places = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]
    Words = npt.NDArray[np.uint64]

_BEYOND = 64
"""Zeros after a piece, so that words can be read at its end."""
_SPACE, _ZERO, _DOT, _AND, _LINE, _X, _CR = b" 0.&_x\r"
_DIGITS = 15
"""Digits that any number keeps when a program takes it for a float, and gives back as they are."""


def _each(byte: int) -> np.uint64:
    """A word of one byte, eight times."""
    return np.uint64(int.from_bytes(bytes([byte]) * 8, "little"))


FIRST = np.array([256**count - 1 for count in range(9)], np.uint64)
"""Masks of the first so many bytes of a word."""
_ZEROS, _DOTS, _HIGH, _LOW, _ONES = _each(_ZERO), _each(_DOT), _each(0xF0), _each(0x7F), _each(1)
_TOP, _SIX, _DOT_TO_ZERO = _each(0x80), _each(6), np.uint64(_DOT ^ _ZERO)


class Piece:
    """A piece of XML as bytes, half words and words, at every offset; zeros follow its end."""

    def __init__(self, part: bytes) -> None:
        self.part = part
        self.size = len(part)
        self.bytes = np.frombuffer(part + bytes(_BEYOND), np.uint8)
        self.words: Words = np.ndarray((self.size + 56,), "<u8", self.bytes, strides=(1,))
        self.halves: npt.NDArray[np.uint32] = np.ndarray(
            (self.size + 60,), "<u4", self.bytes, strides=(1,)
        )

    def numbers(self, begin: Places, end: Places) -> Flags:
        """Whether the text there is a number as people write it, which no float changes.

        That is up to 15 digits, and a point if need be, without a zero that could be left out.
        """
        length = end - begin
        low, high = self._sixteen(begin, length)
        low_dots, high_dots = _equal_bytes(low, _DOTS), _equal_bytes(high, _DOTS)
        dots = _count(low_dots) + _count(high_dots)
        plain = _all_digits(low ^ low_dots * _DOT_TO_ZERO)
        plain &= _all_digits(high ^ high_dots * _DOT_TO_ZERO)
        plain &= (length > 0) & (length <= _DIGITS + dots) & (dots <= 1)
        first, second, last = self.bytes[begin], self.bytes[begin + 1], self.bytes[end - 1]
        plain &= (first != _DOT) & (last != _DOT) & ((last != _ZERO) | (dots == 0))
        plain &= (first != _ZERO) | (length == 1) | (second == _DOT)
        return plain

    def digits(self, begin: Places, end: Places) -> Flags:
        """Whether there are 1 to 9 digits and nothing else."""
        length = end - begin
        low, high = self._sixteen(begin, length)
        return _all_digits(low) & _all_digits(high) & (length > 0) & (length <= 9)

    def plain_texts(self, begin: Places, end: Places) -> Flags:
        """Whether the text there means what it says: no entity, no escape, no carriage return."""
        plain = np.ones(len(begin), np.bool_)
        part, data = self.part, self.bytes
        marks = [np.flatnonzero(data == sign) for sign in (_AND, _CR) if sign in part]
        if b"_" in part and b"_x" in part:  # one byte is found many times faster than two
            marks.append(np.flatnonzero((data[:-1] == _LINE) & (data[1:] == _X)))
        for at in marks:
            owner = np.searchsorted(begin, at, "right") - 1
            within = (owner >= 0) & (at < end[owner])
            plain[owner[within]] = False
        return plain

    def edged(self, begin: Places, end: Places) -> Flags:
        """Whether the text there begins or ends with white space."""
        first, last = self.bytes[begin], self.bytes[end - 1]
        return (end > begin) & ((first <= _SPACE) | (last <= _SPACE))

    def is_utf8(self) -> bool:
        """Whether all of it is."""
        try:
            self._between(np.array([0, self.size])).validate(full=True)
        except pa.ArrowInvalid:
            return False
        return True

    def texts(self, begin: Places, end: Places) -> Any:
        """The texts as an Arrow array of large strings, in order."""
        if not len(begin):
            return pa.array([], pa.large_string())
        # Every other one is what stands between two of them.
        offsets = np.stack((begin, end), axis=1).reshape(-1)
        return self._between(offsets).take(pa.array(np.arange(0, len(offsets), 2)))

    def _between(self, offsets: Places) -> Any:
        """What stands between each offset and the next one."""
        buffers = pa.py_buffer(offsets), pa.py_buffer(self.part)
        return pa.LargeStringArray.from_buffers(len(offsets) - 1, *buffers)

    def _sixteen(self, begin: Places, length: Places) -> tuple[Words, Words]:
        """The first 16 bytes of each text; a shorter one is filled with zeros of its digits."""
        first = FIRST[np.clip(length, 0, 8)]
        second = FIRST[np.clip(length - 8, 0, 8)]
        low = (self.words[begin] & first) | (_ZEROS & ~first)
        high = (self.words[begin + 8] & second) | (_ZEROS & ~second)
        return low, high


def sign(tag: bytes) -> np.uint32:
    """The beginning of a tag as a half word."""
    return np.uint32(int.from_bytes(tag.ljust(4, b"\0"), "little"))


def word(text: bytes) -> np.uint64:
    """At most eight bytes as a word."""
    return np.uint64(int.from_bytes(text, "little"))


def _all_digits(words: Words) -> Flags:
    digits: Flags = ((words & _HIGH) == _ZEROS) & (((words + _SIX) & _HIGH) == _ZEROS)
    return digits


def _equal_bytes(words: Words, wanted: np.uint64) -> Words:
    """A one in each byte that is as in `wanted`, else a zero."""
    other = words ^ wanted
    return (((((other & _LOW) + _LOW) | other) & _TOP) ^ _TOP) >> np.uint64(7)


def _count(ones: Words) -> Places:
    return ((ones * _ONES) >> np.uint64(56)).astype(np.int64)
