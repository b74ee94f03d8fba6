"""What do-not-call lists do: leave out a row that has a listed number, or that contact only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from importer.mapping.cells import Cells, Mask, blanked
from importer.mapping.contacts import ContactsColumns
from importer.mapping.numbers import count_pieces, with_unread
from importer.mapping.program import Column
from importer.mapping.values import PIPE
from importer.model import Phones, Problem, Severity
from importer.textbytes import arrow_texts

Integers = npt.NDArray[np.int64]
Action = Literal["skip", "drop"]
CODE = "do_not_call"


@dataclass(frozen=True, slots=True)
class Listed:
    """A do-not-call list: its name for people, and its numbers, the digits of E.164, sorted."""

    name: str
    action: Action
    numbers: Integers = field(repr=False)

    def has(self, numbers: Integers) -> Mask:
        """Which numbers are on the list."""
        if not len(self.numbers):
            return np.zeros(len(numbers), dtype=bool)
        at = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        found: Mask = self.numbers[at] == numbers
        return found


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A batch's contacts without the listed ones, and why rows are left out, by row number."""

    contacts: ContactsColumns
    rows: dict[int, Problem]


def leave_out(lists: Sequence[Listed], contacts: ContactsColumns, cells: Cells) -> LeftOut:
    """Apply do-not-call lists to a batch; contacts left out are told by the contacts' problems."""
    phones = contacts.phones
    if phones is None or not lists:
        return LeftOut(contacts, {})
    phones = with_unread(phones, contacts, cells)
    rows: dict[int, Problem] = {}
    told: dict[tuple[int | None, str | None], Problem] = {}
    gone = np.zeros(len(phones.numbers), dtype=bool)
    for one in lists:
        hits = one.has(phones.numbers)
        problems = [_problem(one, phones, int(i), cells) for i in np.flatnonzero(hits)]
        if one.action == "skip":
            for problem in problems:
                rows.setdefault(int(problem.row or 0), problem)
        else:
            for problem in problems:
                told.setdefault((problem.row, problem.target), problem)
            gone |= hits
    if gone.any():
        warnings = list(told.values())
        contacts = _without(contacts, phones, gone, warnings, cells)
        left = contacts.phones.counts if contacts.phones is not None else phones.counts
        for problem in warnings:
            row = int(problem.row or 0)
            if not left[np.searchsorted(cells.batch.rows, row)]:
                alone = replace(problem, message=f"{problem.message}, and no other is left")
                rows.setdefault(row, alone)
    return LeftOut(contacts, rows)


def _problem(one: Listed, phones: Phones, i: int, cells: Cells) -> Problem:
    contact = int(phones.contacts[i])
    return Problem(
        int(cells.batch.rows[phones.places[i]]),
        phones.headers.get(contact),
        f"contacts.{contact}.phone",
        CODE,
        f"the number of contact {contact} is on the do-not-call list {one.name}"
        + (": the contact is left out" if one.action == "drop" else ""),
        str(phones.numbers[i]),
        severity=Severity.WARNING,
    )


def _unclear(phones: Phones, place: int, cells: Cells) -> Problem:
    return Problem(
        int(cells.batch.rows[place]),
        None,
        "contacts.spread",
        CODE,
        "a cell with a listed number has texts that are no numbers: all of it is left out",
        severity=Severity.WARNING,
    )


def _without(
    contacts: ContactsColumns,
    phones: Phones,
    gone: Mask,
    warnings: Sequence[Problem],
    cells: Cells,
) -> ContactsColumns:
    """The contacts without those whose numbers are `gone`; `phones` are all that may be listed."""
    numbered, spread = dict(contacts.numbered), contacts.spread
    valid = 0 if contacts.phones is None else len(contacts.phones.numbers)
    for n in numbered.keys() & set(phones.contacts[gone].tolist()):
        out = cells.nothing.copy()
        out[phones.places[gone & (phones.contacts == n)]] = True
        one = numbered[n]
        phone, rule = one.parts["phone"]
        silent = replace(phone, texts=blanked(phone.texts, out))
        parts = {**one.parts, "phone": (silent, rule)}
        numbered[n] = replace(one, parts=parts, exists=one.exists & ~out)
    if spread is not None:
        spread, gone, unclear = _without_pieces(spread, contacts.free, phones, gone, valid)
        phones = _moved_up(phones, gone, contacts.free)
        warnings = [*warnings, *(_unclear(phones, place, cells) for place in unclear)]
    left_out = {(p.row, (p.target or "").rpartition(".")[0]) for p in warnings}
    problems = tuple(
        p for p in contacts.problems if (p.row, (p.target or "").rpartition(".")[0]) not in left_out
    )
    counts = np.sum([one.exists for one in numbered.values()], axis=0, dtype=np.int64)
    counts = counts + np.zeros_like(phones.counts)
    if spread is not None:
        counts += np.minimum(count_pieces(spread.texts), len(contacts.free))
    kept = ~gone
    kept[valid:] = False
    remaining = Phones(
        phones.places[kept],
        phones.contacts[kept],
        phones.numbers[kept],
        phones.given[kept],
        counts,
        phones.refused,
        phones.headers,
    )
    return ContactsColumns(numbered, spread, contacts.free, (*problems, *warnings), remaining)


def _moved_up(phones: Phones, gone: Mask, free: tuple[int, ...]) -> Phones:
    """Phones of spread cells under the contacts that they have without those that are `gone`."""
    spread_out = np.isin(phones.contacts, free)
    contacts = phones.contacts.copy()
    for place in np.unique(phones.places[gone & spread_out]).tolist():
        left = np.flatnonzero(spread_out & ~gone & (phones.places == place))
        left = left[np.argsort(phones.contacts[left])]
        contacts[left] = free[: len(left)]
    return replace(phones, contacts=contacts)


def _without_pieces(
    spread: Column, free: tuple[int, ...], phones: Phones, gone: Mask, valid: int
) -> tuple[Column, Mask, list[int]]:
    """Spread cells without their listed numbers; those after them move up.

    Where texts that are no numbers are sent among them, it cannot be told which piece is listed:
    all of that cell is left out. These places come last. The first `valid` phones are numbers.
    """
    unclear: list[int] = []
    texts = spread.texts.to_pylist()
    spread_out = np.isin(phones.contacts, free)
    for place in np.unique(phones.places[gone & spread_out]).tolist():
        mine = spread_out & (phones.places == place)
        pieces = texts[place].split(PIPE)
        out = {free.index(int(n)) for n in phones.contacts[mine & gone]}
        if int(mine[:valid].sum()) != len(pieces):
            out, gone = set(range(len(pieces))), gone | mine
            unclear.append(place)
        texts[place] = PIPE.join(piece for i, piece in enumerate(pieces) if i not in out)
    return replace(spread, texts=arrow_texts(texts)), gone, unclear
