"""Rows and phones that were there before: duplicates by ``rows.unique``, and repeated numbers.

The keys of ``rows.unique`` and the phones of all ready rows are remembered with the place where
each stood first (:class:`FirstPlaces`), over all files of a command (:class:`Seen`).

Keys are remembered in sorted runs (see :mod:`importer.survey.runs`), newest last, that are merged
as they grow alike and go to a file when they are many; so a batch is looked up by a few binary
searches, and a million keys take some megabytes. A text is remembered by its 128-bit digest: two
of a billion texts share one with a chance of about 1 in 10²⁰. A number is remembered as it is, and
so is a text that is nothing but one, as the keys of phones are: their digests would take longer
than all else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from importer.errors import OutputError
from importer.model import Checked, Phones, Problem, Severity
from importer.survey.runs import (
    Entries,
    FileRun,
    Filter,
    MemoryRun,
    Positions,
    Prints,
    Run,
    RunFile,
    differ,
    find_in,
    fingerprints,
    hashes,
    in_order,
)
from importer.textbytes import arrow_texts, held, whole_numbers

OnDuplicate = Literal["skip", "reject", "allow"]
Mask = npt.NDArray[np.bool_]
ByPosition = dict[int, list[Problem]]
"""Problems by their row's position in the batch."""

_HINT = "make sure that the number is right in both; rows.unique can leave such rows out"


class Repeats:
    """Finds what stood before in one file, or in those whose sightings `seen` has taken."""

    def __init__(
        self, source: str, on_duplicate: OnDuplicate, unique: Sequence[str], seen: Seen
    ) -> None:
        self.own = Sighting(source, FirstPlaces(), FirstPlaces())
        self._seen = seen
        self._target = ", ".join(unique)
        self._unique = frozenset(unique)
        self._rejects = on_duplicate == "reject"

    def rows(self, checked: Checked, ready: Mask) -> dict[int, Problem]:
        """The duplicates among the ready rows of a batch, by position."""
        if checked.keys is None:
            return {}
        keys = checked.keys
        with_key = np.flatnonzero(ready & held(keys))
        rows = checked.rows[with_key]
        places = place(rows)
        words = digests(keys.take(pa.array(with_key)))
        first = _first(words, places, self._seen.keys, self.own.keys)
        return {
            int(with_key[i]): self._duplicate(int(rows[i]), keys[with_key[i]].as_py(), told)
            for i, told in self._told(first, places)
        }

    def numbers(self, checked: Checked, ready: Mask, known: dict[int, Problem]) -> RepeatedPhones:
        """The ready rows' phones that stood before; those that made a `known` duplicate untold."""
        phones = checked.phones
        if phones is None:
            return RepeatedPhones(0, {})
        taken = np.flatnonzero(ready[phones.places] & phones.given)
        order = place(phones.places[taken], phones.contacts[taken])
        taken = taken[np.argsort(order, kind="stable")]
        told: ByPosition = {}
        later, before = _twice_in_row(phones, taken)
        for i, first_contact in zip(taken[later], phones.contacts[taken[before]], strict=True):
            problem = _twice(checked, phones, int(i), int(first_contact))
            told.setdefault(int(phones.places[i]), []).append(problem)
        once = np.delete(taken, later)
        rows = checked.rows[phones.places[once]]
        places = place(rows, phones.contacts[once])
        first = _first(numbers(phones.numbers[once]), places, self._seen.phones, self.own.phones)
        count = len(later)
        for i, where in self._told(first, places):
            count += 1
            problem = _repeated(checked, phones, int(once[i]), where)
            position = int(phones.places[once[i]])
            if position not in known or problem.target not in self._unique:
                told.setdefault(position, []).append(problem)
        return RepeatedPhones(count, told)

    def _told(self, first: Places, places: Places) -> list[tuple[int, str]]:
        """Which of the places are not the first ones, and where these are, for people."""
        return [(int(i), self._seen.told(int(first[i]))) for i in np.flatnonzero(first != places)]

    def _duplicate(self, row: int, key: str, where: str) -> Problem:
        shown = key.replace("\x1f", ", ")
        return Problem(
            row,
            None,
            self._target,
            "duplicate",
            f"same {self._target} ({shown}) as {where}",
            shown,
            "delete one of the two, or set rows.on_duplicate: allow",
            Severity.ERROR if self._rejects else Severity.WARNING,
        )


class RepeatedPhones:
    """How many phones of a batch stood before, and the problems that tell so, by position."""

    __slots__ = ("count", "problems")

    def __init__(self, count: int, problems: ByPosition) -> None:
        self.count = count
        self.problems = problems


def _twice_in_row(phones: Phones, taken: Places) -> tuple[Places, Places]:
    """Where, among the `taken`, a number stands that its row has already, and where it has it.

    `taken` are in the order of their rows and contacts, what is found in that of the numbers.
    """
    calls, at = phones.numbers[taken], phones.places[taken]
    before = np.full(len(taken), -1, dtype=np.int64)
    apart = 1
    # A row has few phones: each is held against the one before it, then against that before these.
    while (same_row := at[apart:] == at[:-apart]).any():
        found = np.flatnonzero(same_row & (calls[apart:] == calls[:-apart]))
        later = found[before[found + apart] < 0]
        before[later + apart] = later
        apart += 1
    later = np.flatnonzero(before >= 0)
    later = later[np.argsort(calls[later], kind="stable")]
    return later, before[later]


def _first(words: Words, places: Places, before: FirstPlaces, own: FirstPlaces) -> Places:
    """The first place of each key: in earlier files, else in this one, where it is seen now."""
    first = before.find(words)
    fresh = first < 0
    first[fresh] = own.add(tuple(word[fresh] for word in words), places[fresh])
    return first


def _twice(checked: Checked, phones: Phones, i: int, before: int) -> Problem:
    contact = int(phones.contacts[i])
    return Problem(
        int(checked.rows[phones.places[i]]),
        phones.headers.get(contact),
        f"contacts.{contact}.phone",
        "phone_twice_in_row",
        f"contact {contact} has the number of contact {before}"
        if contact != before
        else f"contact {contact} has a number twice",
        str(phones.numbers[i]),
        "the row is sent as it is: clear one of the two",
        Severity.WARNING,
    )


def _repeated(checked: Checked, phones: Phones, i: int, where: str) -> Problem:
    contact = int(phones.contacts[i])
    return Problem(
        int(checked.rows[phones.places[i]]),
        phones.headers.get(contact),
        f"contacts.{contact}.phone",
        "phone_repeated",
        f"the number {phones.numbers[i]} already stands in {where}",
        str(phones.numbers[i]),
        _HINT,
        Severity.WARNING,
    )


Words = tuple[npt.NDArray[np.uint64], ...]
"""Keys as columns of words, all of a length; equal keys are equal in every word."""
Places = npt.NDArray[np.int64]
"""Where keys stand: source, row and contact in one number each, as :func:`place` makes them."""

IN_MEMORY = 1 << 16
"""Keys that are in memory as a whole; when there are as many, they go to the file."""

_CONTACT_BITS, _ROW_BITS = 4, 36
_MOST_DIGITS = 18


def place(rows: Places, contacts: Places | int = 0) -> Places:
    """The places of rows, or of their contacts, in the source at hand."""
    return (rows << _CONTACT_BITS) | contacts


def row_and_contact(at: int) -> tuple[int, int]:
    """The row and contact of a place; contact 0 is the row as a whole."""
    return (at >> _CONTACT_BITS) & ((1 << _ROW_BITS) - 1), at & ((1 << _CONTACT_BITS) - 1)


def row_of(places: Places) -> Places:
    """The rows of places."""
    return (places >> _CONTACT_BITS) & ((1 << _ROW_BITS) - 1)


def digests(texts: Any) -> Words:
    """The words of texts: numbers, or 16-byte digests, the same in every process.

    The texts are a list or an Arrow array.
    """
    array = arrow_texts(texts)
    first = whole_numbers(array, 1, _MOST_DIGITS).copy()
    second = np.zeros(len(array), dtype=np.uint64)
    others = np.flatnonzero(first == 0)
    if len(others):
        found = array.take(pa.array(others)).to_pylist()
        joined = b"".join([blake2b(t.encode(), digest_size=16).digest() for t in found])
        pairs = np.frombuffer(joined, dtype="<u8").reshape(-1, 2)
        first[others], second[others] = pairs[:, 0], pairs[:, 1]
    return first, second


def numbers(values: npt.NDArray[np.int64]) -> Words:
    """The words of numbers."""
    return (values.astype(np.uint64),)


class FirstPlaces:
    """Where each key stood first: about a byte in memory for each, and 18 or 26 on the disk."""

    def __init__(self) -> None:
        self._old: list[FileRun] = []
        self._young: list[MemoryRun] = []
        self._filter = Filter()
        self._file: RunFile | None = None

    def __len__(self) -> int:
        return sum(map(len, self._old)) + self._in_memory()

    def _in_memory(self) -> int:
        return sum(map(len, self._young))

    def find(self, words: Words) -> Places:
        """The place of each key, or -1 for one that was not seen."""
        found = np.full(len(words[0]), -1, dtype=np.int64)
        if self._old or self._young:
            keys = np.column_stack(words)
            order, hashed = in_order(hashes(keys))
            found[order] = self._find(keys[order], fingerprints(hashed))
        return found

    def _find(self, keys: Entries, prints: Prints) -> Places:
        found = np.full(len(keys), -1, dtype=np.int64)
        maybe = np.flatnonzero(self._filter.may_have(prints))
        if len(maybe):
            some = found[maybe]
            for old in self._old:
                find_in(old, keys[maybe], prints[maybe], some)
            found[maybe] = some
        for young in self._young:
            find_in(young, keys, prints, found)
        return found

    def add(self, words: Words, places: Places) -> Places:
        """See keys, in order, at their places; give the first place of each, maybe its own."""
        if not len(places):
            return places
        firsts, run = self._looked_up(words, places)
        self._append(run)  # which takes room: what the look-up took is free by now
        return firsts

    def _looked_up(self, words: Words, places: Places) -> tuple[Places, MemoryRun]:
        """The first place of each key, and those keys that were not seen, with theirs."""
        order, keys, prints, new = _ordered(np.column_stack(words))
        distinct, prints = keys[new], prints[new]
        firsts = self._find(distinct, prints)
        unknown = firsts < 0
        firsts[unknown] = places[order[new]][unknown]
        entries = np.column_stack((distinct[unknown], firsts[unknown].astype(np.uint64)))
        result = np.empty_like(places)
        result[order] = firsts[np.cumsum(new) - 1]
        return result, MemoryRun(prints[unknown], entries)

    def take(self, other: FirstPlaces, source: int) -> None:
        """See all that another saw, as what stands in the source of that number."""
        mark = source << (_ROW_BITS + _CONTACT_BITS)
        # In the order in which they were seen: what stood first is found first.
        self._keep_young()
        for old in other._old:
            self._old.append(old.marked(mark))
            self._filter.add(old)
        for young in other._young:
            entries = young.all_entries.copy()
            entries[:, -1] |= np.uint64(mark)
            self._append(MemoryRun(young.prints, entries))

    def blocks(self, size: int) -> Iterator[Entries]:
        """All keys with their first places, an entry in each row, so many at a time."""
        runs: list[Run] = [*self._old, *self._young]
        for run in runs:
            for start in range(0, len(run), size):
                yield run.entries(np.arange(start, min(start + size, len(run))))

    def _append(self, run: MemoryRun) -> None:
        if not len(run):
            return
        young = self._young
        young.append(run)
        while len(young) > 1 and len(young[-2]) <= 2 * len(young[-1]):
            young[-2:] = [young[-2].merged(young[-1])]
        if self._in_memory() >= IN_MEMORY:
            self._keep_young()

    def _keep_young(self) -> None:
        """Move what is in memory to the file; raises OutputError where the disk has no room."""
        while len(self._young) > 1:
            self._young[-2:] = [self._young[-2].merged(self._young[-1])]
        try:
            for run in self._young:
                self._file = self._file or RunFile()
                self._old.append(self._file.keep(run))
                self._filter.add(self._old[-1])
        except OSError as error:
            raise OutputError(
                f"the keys of the rows cannot be kept in a temporary file: {error.strerror}",
                "Make room on the disk of temporary files (TMPDIR says where that is).",
            ) from None
        self._young.clear()


def _ordered(keys: Entries) -> tuple[Positions, Entries, Prints, npt.NDArray[np.bool_]]:
    """Keys in the order of their fingerprints, equal ones together and as they came.

    Also gives that order, the fingerprints, and which key is not the one before it.
    """
    order, hashed = in_order(hashes(keys))
    ordered = keys[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = differ(ordered[1:], ordered[:-1])
    if (new[1:] & (hashed[1:] == hashed[:-1])).any():
        # Different keys share a hash, so equal ones may be apart.
        again = np.lexsort((*ordered.T, hashed))
        order, ordered, hashed = order[again], ordered[again], hashed[again]
        new[1:] = differ(ordered[1:], ordered[:-1])
    return order, ordered, fingerprints(hashed), new


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one file adds to what was seen: the keys and the phones of its ready rows."""

    source: str
    keys: FirstPlaces
    phones: FirstPlaces


class Seen:
    """Keys and phones of the ready rows of sources that were imported, over all files of a command.

    `sources` are their names for people, as ``a.csv``; `past` are the ids of runs of the past that
    are among them.
    """

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.past: set[str] = set()
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
