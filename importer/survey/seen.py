"""What was seen before: where each key stood first, in a few bytes a key, over many files.

Keys are remembered as sorted arrays ("runs"), newest last, that are merged as they grow alike; so a
batch is looked up by a few binary searches. A text is remembered by its 128-bit digest: two of a
billion texts share one with a chance of about 1 in 10²⁰. A number is remembered as it is, and so
is a text that is nothing but one, as the keys of phones are: their digests would take longer than
all else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Words = tuple[npt.NDArray[np.uint64], ...]
"""Keys as columns of words, all of a length; equal keys are equal in every word."""
Places = npt.NDArray[np.int64]
"""Where keys stand: source, row and contact in one number each, as :func:`place` makes them."""

MERGED_UP_TO = 1 << 20
"""Keys in the longest run: so merging never needs much room beside what is remembered."""

_CONTACT_BITS, _ROW_BITS = 4, 36
_NUMBER = "^[1-9][0-9]{0,17}$"


def place(rows: Places, contacts: Places | int = 0) -> Places:
    """The places of rows, or of their contacts, in the source at hand."""
    return (rows << _CONTACT_BITS) | contacts


def row_and_contact(at: int) -> tuple[int, int]:
    """The row and contact of a place; contact 0 is the row as a whole."""
    return (at >> _CONTACT_BITS) & ((1 << _ROW_BITS) - 1), at & ((1 << _CONTACT_BITS) - 1)


def digests(texts: Sequence[str]) -> Words:
    """The words of texts: numbers, or 16-byte digests, the same in every process."""
    array = pa.array(texts, pa.large_string())
    is_number = pc.match_substring_regex(array, _NUMBER)
    short = pc.cast(pc.if_else(is_number, array, "0"), pa.uint64()).to_numpy()
    first, second = np.array(short), np.zeros(len(array), dtype=np.uint64)
    others = array.filter(pc.invert(is_number)).to_pylist()
    if others:
        joined = b"".join([blake2b(t.encode(), digest_size=16).digest() for t in others])
        pairs = np.frombuffer(joined, dtype="<u8").reshape(-1, 2)
        at = first == 0
        first[at], second[at] = pairs[:, 0], pairs[:, 1]
    return first, second


def numbers(values: npt.NDArray[np.int64]) -> Words:
    """The words of numbers."""
    return (values.astype(np.uint64),)


@dataclass(frozen=True, slots=True)
class _Run:
    """Keys sorted by their first word, those alike in it in the order in which they came."""

    words: Words
    places: Places

    def find(self, wanted: Words, found: Places) -> None:
        """Put the places of the keys that stand here into `found`, where that is still -1."""
        first, rest = self.words[0], self.words[1:]
        at = np.searchsorted(first, wanted[0])
        open_ = np.flatnonzero((found < 0) & (at < len(first)))
        while len(open_):
            there = at[open_]
            near = first[there] == wanted[0][open_]
            same = near.copy()
            for mine, theirs in zip(rest, wanted[1:], strict=True):
                same &= mine[there] == theirs[open_]
            found[open_[same]] = self.places[there[same]]
            open_ = open_[near & ~same]
            at[open_] += 1
            open_ = open_[at[open_] < len(first)]

    def merged(self, later: _Run) -> _Run:
        """Both in one; of equal keys, this run's come first."""
        words = tuple(map(np.concatenate, zip(self.words, later.words, strict=True)))
        order = np.argsort(words[0], kind="stable")
        places = np.concatenate((self.places, later.places))
        return _Run(tuple(word[order] for word in words), places[order])


class FirstPlaces:
    """Where each key stood first: 24 bytes for each distinct text, 16 for each number."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(len(run.places) for run in self._runs)

    def find(self, words: Words) -> Places:
        """The place of each key, or -1 for one that was not seen."""
        found = np.full(len(words[0]), -1, dtype=np.int64)
        for run in self._runs:
            run.find(words, found)
        return found

    def add(self, words: Words, places: Places) -> Places:
        """See keys, in order, at their places; give the first place of each, maybe its own."""
        if not len(places):
            return places
        order = np.lexsort(words[::-1])
        ordered = tuple(word[order] for word in words)
        new = np.ones(len(places), dtype=bool)
        new[1:] = np.any([word[1:] != word[:-1] for word in ordered], axis=0)
        distinct = tuple(word[new] for word in ordered)
        firsts = self.find(distinct)
        unknown = firsts < 0
        firsts[unknown] = places[order[new]][unknown]
        self._append(_Run(tuple(word[unknown] for word in distinct), firsts[unknown]))
        result = np.empty_like(places)
        result[order] = firsts[np.cumsum(new) - 1]
        return result

    def take(self, other: FirstPlaces, source: int) -> None:
        """See all that another saw, as what stands in the source of that number."""
        mark = source << (_ROW_BITS + _CONTACT_BITS)
        for run in other._runs:
            self._append(_Run(run.words, run.places | mark))

    def _append(self, run: _Run) -> None:
        if not len(run.places):
            return
        self._runs.append(run)
        while len(self._runs) > 1:
            before, last = self._runs[-2:]
            together = len(before.places) + len(last.places)
            if len(before.places) > 2 * len(last.places) or together > MERGED_UP_TO:
                break
            self._runs[-2:] = [before.merged(last)]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one file adds to what was seen: the keys and the phones of its ready rows."""

    source: str
    keys: FirstPlaces
    phones: FirstPlaces


class Seen:
    """Keys and phones of the ready rows of sources that were imported, over all files of a command.

    `sources` are their names for people, as ``a.csv``.
    """

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.keys = FirstPlaces()
        self.phones = FirstPlaces()

    def take(self, sighting: Sighting) -> None:
        """Add what a file has: once it is sure that its rows will be sent."""
        self.sources.append(sighting.source)
        self.keys.take(sighting.keys, len(self.sources))
        self.phones.take(sighting.phones, len(self.sources))

    def told(self, at: int) -> str:
        """Say where a place is: ``row 5 of a.csv``, or ``row 5, contact 2`` of the file at hand."""
        row, contact = row_and_contact(at)
        source = at >> (_ROW_BITS + _CONTACT_BITS)
        where = f"row {row}" + (f", contact {contact}" if contact else "")
        return f"{where} of {self.sources[source - 1]}" if source else where
