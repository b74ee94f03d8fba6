"""The phones of contacts as numbers, the digits of E.164, whatever form the rules send.

Where a rule sends that form, what it sends is read; the others are run once more, in that form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import Cells
from importer.mapping.program import Column, Program, compiled
from importer.mapping.values import PIPE
from importer.model import Phones, Severity
from importer.textbytes import Bytes, held, whole_numbers

if TYPE_CHECKING:
    from importer.mapping.contacts import ContactsColumns, ContactsProgram
    from importer.mapping.spec import MappingSpec

Integers = npt.NDArray[np.int64]

_PLUS = ord("+")
_DIGITS = 4, 15
"""The fewest and the most of a number in E.164."""
_LONG = "^[0-9]{7,15}$"
"""Digits that can be a number of any country: shorter ones are extensions, or no phone."""
_READ_ALL_THE_SAME = frozenset({"phone_extension", "repaired", "required"})
"""Problems of a phone's column that do not say of a text that it is no phone."""


def read_numbers(texts: Any) -> Integers:
    """Texts in the form of E.164, with or without its plus, as numbers; 0 for any other text."""
    bare = pc.ascii_ltrim(texts, "+") if (Bytes(texts).first == _PLUS).any() else texts
    return whole_numbers(bare, *_DIGITS).astype(np.int64)


def normal_programs(programs: Iterator[Program], spec: MappingSpec) -> dict[str, Program]:
    """By target, the programs that give numbers where the rules themselves do not."""
    found = ((program.target, normal_program(program, spec)) for program in programs)
    return {target: normal for target, normal in found if normal is not None}


def normal_program(program: Program, spec: MappingSpec) -> Program | None:
    """The program that gives the numbers of a phone's rule; None where the rule itself does.

    What a rule lets pass that is no phone is blank here, and so are defaults.
    """
    rule = program.rule
    sends_numbers = rule.type in {None, "phone"} and rule.format in {None, "digits", "e164"}
    if rule.value is not None or (sends_numbers and rule.on_error != "warn"):
        return None
    plain = rule.model_copy(
        update={
            "type": "phone",
            "format": "digits",
            "on_error": "blank",
            "required": False,
            "default": None,
            **dict.fromkeys(("choices", "pattern", "min", "max"), None),
            **dict.fromkeys(("min_length", "max_length", "output", "input"), None),
        }
    )
    bare = Program(program.target, plain, program.columns, program.names)
    return compiled(bare, "phone", spec)


def fixed_numbers(programs: Iterator[Program], spec: MappingSpec) -> dict[str, int]:
    """By target, the numbers of constants and defaults, which are sent as they are written."""
    from importer.mapping.phones import phone_converter

    fixed: dict[str, int] = {}
    for program in programs:
        text = program.rule.value or program.rule.default
        if text is not None:
            converted = phone_converter(program.rule.region or spec.region, "digits")(text)
            if converted.fault is None or converted.fault.warning:
                fixed[program.target] = int(converted.value)
    return fixed


def batch_phones(program: ContactsProgram, columns: ContactsColumns, cells: Cells) -> Phones:
    """Every valid number of a batch's contacts."""
    found = _Found(len(cells))
    for n, parts in program.numbered.items():
        phone, column = parts["phone"], columns.numbered[n].parts["phone"][0]
        exists = columns.numbered[n].exists
        found.counts += exists
        numbers, at, _ = _numbers(program, phone, column, cells)
        wrong = [p.row or 0 for p in column.problems if p.severity is Severity.ERROR]
        if wrong:
            numbers[np.isin(cells.batch.rows, wrong)[at]] = 0
        sound = np.zeros(len(cells), dtype=bool)
        sound[at[numbers > 0]] = True
        found.refused += column.data & ~sound
        sent = exists[at] & (numbers > 0)
        found.add(at[sent], n, numbers[sent], np.ones(int(sent.sum()), dtype=bool))
        if (number := program.fixed.get(phone.target)) is not None:
            at = np.flatnonzero(exists & ~column.data)
            found.add(at, n, np.full(len(at), number), np.zeros(len(at), dtype=bool))
        found.headers[n] = phone.header
    if program.spread is not None and columns.spread is not None:
        _spread(program, program.spread, columns.spread, cells, found)
    return found.phones()


def with_unread(phones: Phones, contacts: ContactsColumns, cells: Cells) -> Phones:
    """Phones, and behind them the digits of what is sent though it is no valid number.

    A text that is sent with a warning may be dialled as it stands, whatever is wrong with it.
    """
    found = _Found(len(cells))
    for n, contact in contacts.numbered.items():
        phone = contact.parts["phone"][0]
        known = np.isin(np.arange(len(cells)), phones.places[phones.contacts == n])
        wrong = [p.row or 0 for p in phone.problems if p.severity is Severity.ERROR]
        at = np.flatnonzero(contact.exists & ~known & ~np.isin(cells.batch.rows, wrong))
        if len(at):
            found.add_given(at, np.full(len(at), n), phone.texts.take(pa.array(at)))
    if contacts.spread is not None:
        free = np.array(contacts.free, dtype=np.int64)
        read = np.bincount(phones.places[np.isin(phones.contacts, free)], minlength=len(cells))
        at = np.flatnonzero(np.minimum(count_pieces(contacts.spread.texts), len(free)) != read)
        if len(at):
            pieces = pc.split_pattern(contacts.spread.texts.take(pa.array(at)), PIPE)
            inner = pc.list_parent_indices(pieces).to_numpy(False)
            order = np.arange(len(inner)) - np.searchsorted(inner, inner)
            some = order < len(free)
            texts = pc.list_flatten(pieces).filter(pa.array(some))
            found.add_given(at[inner[some]], free[order[some]], texts)
    more = found.phones()
    return replace(
        phones,
        places=np.concatenate([phones.places, more.places]),
        contacts=np.concatenate([phones.contacts, more.contacts]),
        numbers=np.concatenate([phones.numbers, more.numbers]),
        given=np.concatenate([phones.given, more.given]),
    )


def _spread(
    program: ContactsProgram, spread: Program, column: Column, cells: Cells, found: _Found
) -> None:
    free = np.array(program.free, dtype=np.int64)
    found.counts += np.minimum(count_pieces(column.texts), len(free))
    for problem in column.problems:
        if problem.code not in _READ_ALL_THE_SAME:
            found.refused[np.searchsorted(cells.batch.rows, problem.row or 0)] += 1
    numbers, at, order = _numbers(program, spread, column, cells)
    sent = (numbers > 0) & (order < len(free))
    found.add(at[sent], free[order[sent]], numbers[sent], column.data[at[sent]])
    found.headers |= dict.fromkeys(program.free, spread.header)


def _numbers(
    program: ContactsProgram, phone: Program, column: Column, cells: Cells
) -> tuple[Integers, Integers, Integers]:
    """The numbers of a column, where in the batch they stand, and their order in their cells."""
    normal = program.normal.get(phone.target)
    texts = (column if normal is None else normal.run(cells)).texts
    at = np.arange(len(texts), dtype=np.int64)
    if not phone.rule.multiple:
        return read_numbers(texts), at, np.zeros_like(at)
    pieces = pc.split_pattern(texts, PIPE)
    at = pc.list_parent_indices(pieces).to_numpy(False).astype(np.int64)
    return read_numbers(pc.list_flatten(pieces)), at, np.arange(len(at)) - np.searchsorted(at, at)


class _Found:
    """Numbers gathered contact by contact."""

    def __init__(self, rows: int) -> None:
        self.counts = np.zeros(rows, dtype=np.int64)
        self.refused = np.zeros(rows, dtype=np.int64)
        self.headers: dict[int, str | None] = {}
        self._parts: list[tuple[Integers, Integers, Integers, npt.NDArray[np.bool_]]] = []

    def add(
        self,
        at: Integers,
        contact: int | Integers,
        numbers: Integers,
        given: npt.NDArray[np.bool_],
    ) -> None:
        contacts = np.broadcast_to(np.asarray(contact, dtype=np.int64), at.shape)
        self._parts.append((at, contacts, numbers, given))

    def add_given(self, at: Integers, contacts: Integers, texts: Any) -> None:
        """Add the digits of texts from cells, where they may be those of a whole number."""
        digits = pc.replace_substring_regex(texts, "^[^0-9]*(?:00)?|[^0-9]", "")
        numbers = read_numbers(pc.if_else(pc.match_substring_regex(digits, _LONG), digits, ""))
        some = numbers > 0
        self.add(at[some], contacts[some], numbers[some], np.ones(int(some.sum()), dtype=bool))

    def phones(self) -> Phones:
        empty = np.zeros(0, dtype=np.int64)
        parts = self._parts or [(empty, empty, empty, empty.astype(bool))]
        at, contacts, numbers, given = (
            np.concatenate([part[i] for part in parts]) for i in range(4)
        )
        headers: Mapping[int, str | None] = self.headers
        return Phones(at, contacts, numbers, given.astype(bool), self.counts, self.refused, headers)


def count_pieces(texts: Any) -> Integers:
    """How many phones each spread cell came to."""
    counts: Integers = (pc.count_substring(texts, PIPE).to_numpy(False) + 1) * held(texts)
    return counts.astype(np.int64)
