"""What stands between a cell's reference and its value, and how the value is thus to be read.

A sheet has few different ones (types and formats), so each is looked at once, and then found
again by comparing words.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from importer.sources.bytewise import FIRST, word

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from importer.sources.bytewise import Piece, Places

_MOST_HEADS = 64
"""Each is compared with all cells; with more of them the library is faster."""
_LONGEST = 64
_GREATER = ord(">")
_HEAD = re.compile(rb'(?: [\w:]+="[^"<>&]*")* ?/?>')
_STYLE = re.compile(rb"[0-9]{1,5}")
_ATTRIBUTE = re.compile(rb' ([\w:]+)="([^"]*)"')


class Form(IntEnum):
    """How a cell's value is to be read."""

    EMPTY = 0
    """It has none: a format only."""
    NUMBER = 1
    INLINE = 2
    """A text of its own."""
    RESULT = 3
    """A text that a formula gave."""
    SHARED = 4
    """A number among the shared strings."""
    ODD = 5
    """In another way: a date, a truth value, an error."""


class Heads:
    """The heads of a sheet's cells, as they are met.

    `is_number` says whether a number in a cell of such a format is read as one, not as a date.
    """

    def __init__(self, is_number: Callable[[int], bool]) -> None:
        self._is_number = is_number
        self._known: list[tuple[bytes, Form]] = []
        self._rows: set[bytes] = set()

    def forms(self, piece: Piece, begin: Places, end: Places) -> npt.NDArray[np.uint8] | None:
        """The forms of cells with heads there; None where one is malformed, or they are many."""
        forms = np.zeros(len(begin), np.uint8)
        left = np.arange(len(begin))
        for head, form in self._known:
            left = _found(piece, (begin, end), head, form, (forms, left))
        while len(left):
            head = piece.part[begin[left[0]] : end[left[0]]]
            learned = self._form(head)
            if learned is None or len(self._known) == _MOST_HEADS:
                return None
            self._known.append((head, learned))
            left = _found(piece, (begin, end), head, learned, (forms, left))
        return forms

    def have_rows(self, piece: Piece, begin: Places, end: Places) -> bool:
        """Whether the tags of rows, from the number's end, are well formed."""
        plain = (end - begin == 1) & (piece.bytes[begin] == _GREATER)
        rest = zip(begin[~plain].tolist(), end[~plain].tolist(), strict=True)
        heads = {piece.part[first:last] for first, last in rest} - self._rows
        if not all(map(_is_head, heads)):
            return False
        if len(self._rows) < _MOST_HEADS:
            self._rows |= heads
        return True

    def _form(self, head: bytes) -> Form | None:
        if len(head) > _LONGEST or not _is_head(head):
            return None
        if head.endswith(b"/>"):
            return Form.EMPTY
        given = dict(_ATTRIBUTE.findall(head))
        style = given.get(b"s")
        if style is not None and not _STYLE.fullmatch(style):
            return None
        match given.get(b"t", b"n"):
            case b"n":
                plain = style is None or self._is_number(int(style))
                return Form.NUMBER if plain else Form.ODD
            case b"inlineStr":
                return Form.INLINE
            case b"str":
                return Form.RESULT
            case b"s":
                return Form.SHARED
        return Form.ODD


def _is_head(head: bytes) -> bool:
    """Whether these are attributes, each once, and the end of a tag that began with ``r``."""
    names = [name for name, _ in _ATTRIBUTE.findall(head)]
    return _HEAD.fullmatch(head) is not None and len({*names, b"r"}) == len(names) + 1


def _found(
    piece: Piece,
    ends: tuple[Places, Places],
    head: bytes,
    form: Form,
    looked_at: tuple[npt.NDArray[np.uint8], Places],
) -> Places:
    """Note the form of the cells that have this head; those that have another are given."""
    forms, left = looked_at
    begin, length = ends[0][left], (ends[1] - ends[0])[left]
    same = length == len(head)
    if len(head) <= 8:
        same &= (piece.words[begin] & FIRST[len(head)]) == word(head)
    else:
        for at in (*range(0, len(head) - 8, 8), len(head) - 8):
            same &= piece.words[begin + at] == word(head[at : at + 8])
    forms[left[same]] = form
    others: Places = left[~same]
    return others
