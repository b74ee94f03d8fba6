"""The shared strings of a workbook as an Arrow array, where their XML is plain.

Plain strings are ``<si><t>…</t></si>``; others (rich text, entities) are read by the workbook
library, apart. Whether the copies that cells have of them are bearable, :mod:`strings` says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from importer.sources.apart import NotPlain
from importer.sources.bytewise import Piece, sign
from importer.sources.package import STRINGS, STRINGS_LIMIT
from importer.sources.plaincells import T_END, Tags, text_between

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.sources.apart import Apart
    from importer.sources.package import Package

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^<>]*\?>\s*)?<sst(?:\s[^<>]*)?>\s*")
_ENCODING = re.compile(rb"encoding\s*=\s*[\"'](?!utf-?8[\"'])", re.IGNORECASE)
_LONGEST_HEAD = 4096
_ODD_FREE = 4_000
_ODDEST = 4
"""Beyond `_ODD_FREE` odd strings, with one in `_ODDEST`, the library is faster."""
_LONGEST_PIECE = 8 * 2**20
_SI, _SI_END, _END = sign(b"<si>"), sign(b"</si"), b"</si>"
_GREATER = ord(">")


def plain_strings(package: Package, apart: Apart) -> Any:
    """All shared strings, in order; raises NotPlain for XML that is not plain."""
    if not package.has(STRINGS):
        return pa.array([], pa.large_string())
    tally = _Tally()
    return pa.concat_arrays(
        [_texts(part, apart, tally) for part in _whole_strings(package)]
        or [pa.array([], pa.large_string())]
    )


def is_utf8(head: bytes) -> bool:
    """Whether XML that begins like this declares no other encoding."""
    return not _ENCODING.search(head)


def _whole_strings(package: Package) -> Iterator[bytes]:
    """The strings' XML in pieces that end where a string does."""
    rest, begun = b"", False
    for piece in package.unpack(STRINGS, STRINGS_LIMIT):
        rest += piece
        if not begun:
            head = _HEAD.match(rest[:_LONGEST_HEAD])
            if head is None or not is_utf8(head[0]):
                raise NotPlain
            rest, begun = rest[head.end() :], True
        cut = rest.rfind(_END) + len(_END)
        if cut >= len(_END):
            yield rest[:cut]
            rest = rest[cut:]
        if len(rest) > _LONGEST_PIECE:
            raise NotPlain
    if b"<si" in rest or b"</sst>" not in rest:
        raise NotPlain


@dataclass(slots=True)
class _Tally:
    """How many strings there were, and how many of them odd."""

    strings: int = 0
    odd: int = 0

    def add(self, strings: int, odd: int) -> None:
        self.strings += strings
        self.odd += odd
        if self.odd > _ODD_FREE and self.odd * _ODDEST > self.strings:
            raise NotPlain


def _texts(part: bytes, apart: Apart, tally: _Tally) -> Any:
    if b"\0" in part or b"<!" in part or b"<?" in part:
        raise NotPlain
    piece = Piece(part)
    if not piece.is_utf8():
        raise NotPlain
    tags = Tags(piece)
    index = np.flatnonzero(tags.signs == _SI)
    ends = np.flatnonzero(tags.signs == _SI_END)
    spans = np.diff(index, append=tags.count)
    if (
        len(index) == 0
        or index[0] != 0
        or not np.array_equal(ends, index + spans - 1)
        or (piece.bytes[tags.at[ends] + 4] != _GREATER).any()
    ):
        raise NotPlain
    begin, end, plain = text_between(piece, tags, index + 1)
    plain &= (spans == 4) & tags.follow(index, len("<si>"))
    plain &= (tags.signs[index + 2] == T_END) & tags.follow(index + 2, len("</t>"))
    plain &= piece.plain_texts(begin, end)
    odd = np.flatnonzero(~plain)
    tally.add(len(index), len(odd))
    bounds = zip(tags.at[index[odd]].tolist(), tags.at[ends[odd]].tolist(), strict=True)
    texts = piece.texts(begin[plain], end[plain])
    if not len(odd):
        return texts
    others = apart.strings([part[first : last + len(_END)] for first, last in bounds])
    order = np.empty(len(index), np.int64)
    order[plain] = np.arange(len(texts))
    order[odd] = len(texts) + np.arange(len(odd))
    both = pa.concat_arrays([texts, pa.array(others, pa.large_string())])
    return both.take(pa.array(order))
