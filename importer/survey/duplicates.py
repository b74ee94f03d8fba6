"""Rows that repeat an earlier one by ``rows.unique``, and phones that stand twice.

The keys of ``rows.unique`` and the phones of all ready rows are kept, each with the location of its
first occurrence (:class:`FirstOccurrences`), over all files of a command (:class:`Seen`).

A key is 8 or 16 bytes: a number as it is, a text as its 128-bit digest by BLAKE2b. That is a
cryptographic hash: to choose two texts that share a digest takes some 2**64 trials, and two of a
billion texts share one by accident with a chance of about 1 in 10**20. So digests are compared as
if they were the texts. With its location a key takes 16 bytes of memory (phones) or 24 (keys of
``rows.unique``). The indexes of pandas and Arrow would be built anew, of all keys, for each batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import Checked, Phones, Problem, Severity

OnDuplicate = Literal["skip", "reject", "allow"]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
"""Positions of rows in a batch, or of phones among the phones of a batch."""
ByPosition = dict[int, list[Problem]]
"""Problems by their row's position in the batch."""

_HINT = "make sure that the number is right in both; rows.unique can leave such rows out"


class RepeatFinder:
    """Finds keys and phones that occurred before, in one file or in those that `seen` has.

    `own` are the keys and phones of the file at hand.
    """

    def __init__(
        self, source: str, on_duplicate: OnDuplicate, unique: Mapping[str, str], seen: Seen
    ) -> None:
        self.own = FileKeys(source, FirstOccurrences(), FirstOccurrences())
        self._seen = seen
        self._target = ", ".join(unique)
        self._names = ", ".join(dict.fromkeys(unique.values()))
        self._unique = frozenset(unique)
        self._rejects = on_duplicate == "reject"

    def duplicates(self, checked: Checked, ready: Mask) -> dict[int, Problem]:
        """The duplicates among the ready rows of a batch, by position."""
        if checked.keys is None:
            return {}
        keys = checked.keys
        has_key = pc.not_equal(keys, "").to_numpy(zero_copy_only=False)
        with_key = np.flatnonzero(ready & has_key)
        rows = checked.rows[with_key]
        locations = location(rows)
        words = digests(keys.take(pa.array(with_key)))
        first = _first(words, locations, self._seen.keys, self.own.keys)
        found = {}
        for i in np.flatnonzero(first != locations):
            position, where = int(with_key[i]), self._seen.describe(int(first[i]))
            found[position] = self._duplicate(int(rows[i]), keys[position].as_py(), where)
        return found

    def repeated_phones(
        self, checked: Checked, ready: Mask, duplicates: dict[int, Problem]
    ) -> RepeatedPhones:
        """The ready rows' phones that occurred before.

        A phone that is part of the key has no problem of its own in a row of `duplicates`.
        """
        phones = checked.phones
        if phones is None:
            return RepeatedPhones(0, {})
        taken = np.flatnonzero(ready[phones.places] & phones.given)
        order = location(phones.places[taken], phones.contacts[taken])
        taken = taken[np.argsort(order, kind="stable")]
        problems: ByPosition = {}
        later, before = _twice_in_row(phones, taken)
        for i, first_contact in zip(taken[later], phones.contacts[taken[before]], strict=True):
            problem = _twice(checked, phones, int(i), int(first_contact))
            problems.setdefault(int(phones.places[i]), []).append(problem)
        once = np.delete(taken, later)
        rows = checked.rows[phones.places[once]]
        locations = location(rows, phones.contacts[once])
        first = _first(
            number_keys(phones.numbers[once]), locations, self._seen.phones, self.own.phones
        )
        again = np.flatnonzero(first != locations)
        found = once[again]
        # As lists: of a list that was sold twice these are all phones, and numpy gives its numbers
        # one by one several times as slowly.
        columns = (
            phones.places[found].tolist(),
            rows[again].tolist(),
            phones.contacts[found].tolist(),
            phones.numbers[found].tolist(),
            first[again].tolist(),
        )
        for position, row, contact, number, at in zip(*columns, strict=True):
            target = f"contacts.{contact}.phone"
            if position not in duplicates or target not in self._unique:
                where = self._seen.describe(at)
                problem = _repeated(row, phones.headers.get(contact), target, number, where)
                problems.setdefault(position, []).append(problem)
        return RepeatedPhones(len(later) + len(again), problems)

    def _duplicate(self, row: int, key: str, where: str) -> Problem:
        shown = key.replace("\x1f", ", ")
        return Problem(
            row,
            None,
            self._target,
            "duplicate",
            f"same {self._names} ({shown}) as {where}",
            shown,
            "delete one of the two, or set rows.on_duplicate: allow",
            Severity.ERROR if self._rejects else Severity.WARNING,
        )


@dataclass(frozen=True, slots=True)
class RepeatedPhones:
    """How many phones of a batch occurred before, and the problems that say so."""

    count: int
    problems: ByPosition


def _twice_in_row(phones: Phones, taken: Indices) -> tuple[Indices, Indices]:
    """The phones whose number its row has already, and the earlier phone of each with that number.

    Both are positions in `taken`, which are the phones in question, sorted by row and contact; the
    result is sorted by number.
    """
    calls, at = phones.numbers[taken], phones.places[taken]
    before = np.full(len(taken), -1, dtype=np.int64)
    apart = 1
    # A row has few phones: each is compared with the one before it, then with the second before it.
    while (same_row := at[apart:] == at[:-apart]).any():
        found = np.flatnonzero(same_row & (calls[apart:] == calls[:-apart]))
        later = found[before[found + apart] < 0]
        before[later + apart] = later
        apart += 1
    later = np.flatnonzero(before >= 0)
    later = later[np.argsort(calls[later], kind="stable")]
    return later, before[later]


def _first(
    words: KeyColumns, locations: Locations, before: FirstOccurrences, own: FirstOccurrences
) -> Locations:
    """The first location of each key: in earlier files, else in this one, to which it is added."""
    first = before.find(words)
    fresh = first < 0
    first[fresh] = own.add(tuple(word[fresh] for word in words), locations[fresh])
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


def _repeated(row: int, header: str | None, target: str, number: int, where: str) -> Problem:
    return Problem(
        row,
        header,
        target,
        "phone_repeated",
        f"the number {number} already stands in {where}",
        str(number),
        _HINT,
        Severity.WARNING,
    )


KeyColumns = tuple[npt.NDArray[np.uint64], ...]
"""Keys as columns of words, all of a length; equal keys are equal in every word."""
Locations = npt.NDArray[np.int64]
"""Where keys stand: source, row and contact packed into one number, by :func:`location`."""

_CONTACT_BITS, _ROW_BITS = 4, 36


def location(rows: Locations, contacts: Locations | int = 0) -> Locations:
    """The locations of rows, or of their contacts, in the source at hand."""
    return (rows << _CONTACT_BITS) | contacts


def row_and_contact(at: int) -> tuple[int, int]:
    """The row and contact of a location; contact 0 is the row as a whole."""
    return (at >> _CONTACT_BITS) & ((1 << _ROW_BITS) - 1), at & ((1 << _CONTACT_BITS) - 1)


def row_of(locations: Locations) -> Locations:
    """The rows of locations."""
    return (locations >> _CONTACT_BITS) & ((1 << _ROW_BITS) - 1)


def digests(texts: pa.Array | Sequence[str]) -> KeyColumns:
    """The keys of texts, of which none is blank; the same in every process and version.

    A text that is a number of at most 18 digits, as the keys of phones are, stands for itself, with
    0 as the second word; any other by its digest. No digest can be mistaken for a number: to find
    a text whose digest ends in 8 bytes of 0 takes 2**64 trials.
    """
    array = pa.array(texts, pa.large_string())
    is_number = pc.match_substring_regex(array, "^[1-9][0-9]{0,17}$")
    first = pc.cast(pc.if_else(is_number, array, "0"), pa.uint64()).to_numpy().copy()
    second = np.zeros(len(array), dtype=np.uint64)
    others = np.flatnonzero(first == 0)
    if len(others):
        found = array.take(pa.array(others)).to_pylist()
        joined = b"".join([blake2b(t.encode(), digest_size=16).digest() for t in found])
        pairs = np.frombuffer(joined, dtype="<u8").reshape(-1, 2)
        first[others], second[others] = pairs[:, 0], pairs[:, 1]
    return first, second


def number_keys(values: npt.NDArray[np.int64]) -> KeyColumns:
    """The keys of numbers."""
    return (values.astype(np.uint64),)


@dataclass(frozen=True, slots=True)
class _Run:
    """Keys in the order of their first words, with their locations; keys may be equal.

    The first word is a number itself, or half a digest. Two texts that share half a digest can be
    found in 2**32 trials, but a hundred that all do take nearly 2**64: so a search by the first
    word, and from there on key by key, is short whatever keys somebody has chosen.
    """

    words: KeyColumns
    locations: Locations

    def __len__(self) -> int:
        return len(self.locations)

    def find(self, words: KeyColumns, found: Locations) -> None:
        """Set `found` to the locations of keys, which ascend by their first words, where it is -1.

        Of equal keys the first one in the run counts.
        """
        open_ = np.flatnonzero(found < 0)
        at = np.searchsorted(self.words[0], words[0][open_])
        while True:
            inside = at < len(self)
            open_, at = open_[inside], at[inside]
            alike = self.words[0][at] == words[0][open_]
            open_, at = open_[alike], at[alike]
            if not len(open_):
                return
            same = np.ones(len(open_), dtype=bool)
            for ours, theirs in zip(self.words[1:], words[1:], strict=True):
                same &= ours[at] == theirs[open_]
            found[open_[same]] = self.locations[at[same]]
            open_, at = open_[~same], at[~same] + 1

    def merged(self, later: _Run) -> _Run:
        """Both runs merged; of equal keys, this run's come first.

        One column is made after the other, since the longest merge decides how much memory all
        takes: to sort both runs anew takes half as much again.
        """
        at = np.searchsorted(self.words[0], later.words[0], side="right")
        columns = zip(self.words, later.words, strict=True)
        return _Run(
            tuple(np.insert(ours, at, theirs) for ours, theirs in columns),
            np.insert(self.locations, at, later.locations),
        )


class FirstOccurrences:
    """An index from each key to the location where it occurred first; all keys of one kind.

    It is a log-structured merge tree in memory: sorted runs, oldest first, each more than twice as
    long as the next one, with which a shorter one is merged. So a batch is looked up by a few
    binary searches, and a key is copied some log2(n) times in all.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def find(self, words: KeyColumns) -> Locations:
        """The location of each key, or -1 for one that is not in the index."""
        order = np.argsort(words[0])  # keys that ascend are found several times as fast
        found = np.empty(len(order), dtype=np.int64)
        found[order] = self._find(tuple(word[order] for word in words))
        return found

    def _find(self, ascending: KeyColumns) -> Locations:
        found = np.full(len(ascending[0]), -1, dtype=np.int64)
        for run in self._runs:
            run.find(ascending, found)
        return found

    def add(self, words: KeyColumns, locations: Locations) -> Locations:
        """Add keys, in order, at their locations; the first location of each is returned."""
        if not len(locations):
            return locations
        order = np.lexsort(words[::-1])  # stable, and by the first word first
        ordered = tuple(word[order] for word in words)
        new = np.zeros(len(order), dtype=bool)
        new[0] = True
        for word in ordered:
            new[1:] |= word[1:] != word[:-1]
        distinct = tuple(word[new] for word in ordered)
        firsts = self._find(distinct)
        unknown = firsts < 0
        firsts[unknown] = locations[order[new]][unknown]
        self._append(_Run(tuple(word[unknown] for word in distinct), firsts[unknown]))
        result = np.empty_like(locations)
        result[order] = firsts[np.cumsum(new) - 1]
        return result

    def take(self, other: FirstOccurrences, source: int) -> None:
        """Add the keys of another index, as those of the source of that number."""
        mark = source << (_ROW_BITS + _CONTACT_BITS)
        for run in other._runs:
            self._append(_Run(run.words, run.locations | mark))

    def blocks(self, size: int) -> Iterator[npt.NDArray[np.uint64]]:
        """All keys, `size` at a time: an array with a key's words and its location in each row."""
        for run in self._runs:
            for start in range(0, len(run), size):
                part = slice(start, start + size)
                words = (word[part] for word in run.words)
                yield np.column_stack((*words, run.locations[part].astype(np.uint64)))

    def _append(self, run: _Run) -> None:
        if not len(run):
            return
        runs = self._runs
        runs.append(run)
        while len(runs) > 1 and len(runs[-2]) <= 2 * len(runs[-1]):
            runs[-2:] = [runs[-2].merged(runs[-1])]


@dataclass(frozen=True, slots=True)
class FileKeys:
    """The keys of ``rows.unique`` and the phones of one file's ready rows; `source` is its name."""

    source: str
    keys: FirstOccurrences
    phones: FirstOccurrences


class Seen:
    """The keys and phones of all files of a command that were imported, and of past runs.

    `sources` are their names for people, as ``a.csv``; `past` are the ids of the past runs among
    them. With `one_file` no file follows the one at hand, so that its keys need not be kept while
    it is sent: some 50 MiB at a million rows.
    """

    def __init__(self, *, one_file: bool = False) -> None:
        self.one_file = one_file
        self.sources: list[str] = []
        self.past: set[str] = set()
        self.keys = FirstOccurrences()
        self.phones = FirstOccurrences()

    def take(self, file_keys: FileKeys) -> None:
        """Add the keys of a file, once it is certain that its rows will be sent."""
        self.sources.append(file_keys.source)
        self.keys.take(file_keys.keys, len(self.sources))
        self.phones.take(file_keys.phones, len(self.sources))

    def describe(self, at: int) -> str:
        """A location in words: ``row 5 of a.csv``; ``row 5, contact 2`` in the file at hand."""
        row, contact = row_and_contact(at)
        source = at >> (_ROW_BITS + _CONTACT_BITS)
        where = f"row {row}" + (f", contact {contact}" if contact else "")
        return f"{where} of {self.sources[source - 1]}" if source else where
