"""Rows and phones that were there before: duplicates by ``rows.unique``, and repeated numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from importer.model import Checked, Phones, Problem, Severity
from importer.survey.seen import (
    FirstPlaces,
    Places,
    Seen,
    Sighting,
    Words,
    digests,
    numbers,
    place,
)
from importer.textbytes import held

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
