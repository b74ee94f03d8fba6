"""Contacts: by number, for each number that a column has, and spread from one cell.

A numbered rule wins over ``each``, and both over ``spread``, which takes the numbers that no
other rule has, in order. A contact exists in a row where one of its own cells has data; it needs
a phone, or the row is invalid (or the contact dropped, where its phone says ``on_error: blank``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from importer.mapping.cells import Cells, Mask
from importer.mapping.numbers import (
    batch_phones,
    count_pieces,
    fixed_numbers,
    normal_programs,
)
from importer.mapping.program import Column, Headers, MissingColumn, Program, bind
from importer.mapping.rule import TEMPLATE_COLUMN, Rule, Type
from importer.mapping.spec import CONTACT_NUMBERS, Contact, MappingSpec, PlacedRule
from importer.mapping.values import PIPE
from importer.model import Phones, Problem, Severity
from importer.textbytes import arrow_texts, held

_PARTS: dict[str, Type] = {"name": "text", "title": "text", "phone": "phone", "email": "email"}


@dataclass(frozen=True, slots=True)
class ContactColumns:
    """One numbered contact of a batch: its parts, and the rows in which it exists."""

    parts: Mapping[str, tuple[Column, Rule]]
    exists: Mask
    data: Mask


@dataclass(frozen=True, slots=True)
class ContactsColumns:
    """All contacts of a batch; `spread` holds phones joined with ``|``, for the `free` numbers."""

    numbered: Mapping[int, ContactColumns]
    spread: Column | None
    free: tuple[int, ...]
    problems: tuple[Problem, ...]
    phones: Phones | None = None

    def has_phone(self, number: int, cells: Cells) -> Mask:
        """The rows in which contact `number` has a phone."""
        if number in self.numbered:
            return self.numbered[number].exists
        if self.spread is None or number not in self.free:
            return cells.nothing
        return count_pieces(self.spread.texts) > self.free.index(number)

    def any(self, cells: Cells) -> Mask:
        """The rows that have a contact."""
        found = cells.nothing
        if self.spread is not None and self.free:
            found = held(self.spread.texts)
        for contact in self.numbered.values():
            found = found | contact.exists
        return found

    def data(self, cells: Cells) -> Mask:
        """The rows in which any contact's cells have data."""
        found = cells.nothing if self.spread is None else self.spread.data
        for contact in self.numbered.values():
            found = found | contact.data
        return found

    def phone_texts(self, number: int) -> Any:
        """The phones of contact `number`, an Arrow array; None where the sheet cannot give any."""
        if number in self.numbered:
            return self.numbered[number].parts["phone"][0].texts
        if self.spread is None or number not in self.free:
            return None
        place = self.free.index(number)
        spread = (text.split(PIPE) for text in self.spread.texts.to_pylist())
        return arrow_texts([p[place] if place < len(p) else "" for p in spread])


@dataclass(frozen=True, slots=True)
class ContactsProgram:
    """The compiled contacts of a mapping.

    `normal` are the programs that give numbers, by target, where phones are sent in another form;
    `fixed` are the numbers of constants and defaults.
    """

    numbered: Mapping[int, Mapping[str, Program]]
    spread: Program | None
    free: tuple[int, ...]
    normal: Mapping[str, Program] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)

    @property
    def programs(self) -> Iterator[Program]:
        """Every rule's program."""
        for parts in self.numbered.values():
            yield from parts.values()
        if self.spread is not None:
            yield self.spread

    def run(self, cells: Cells) -> ContactsColumns:
        """Compute all contacts for one batch."""
        problems: list[Problem] = []
        numbered = {n: _run_one(n, parts, cells, problems) for n, parts in self.numbered.items()}
        spread = self.spread.run(cells) if self.spread is not None else None
        if spread is not None and self.spread is not None:
            problems += spread.problems
            problems += _overflow(spread, self.spread, len(self.free), cells)
        columns = ContactsColumns(numbered, spread, self.free, tuple(problems))
        if not numbered and spread is None:
            return columns
        return replace(columns, phones=batch_phones(self, columns, cells))

    @property
    def phone_programs(self) -> Iterator[Program]:
        """The programs of all phones."""
        yield from (parts["phone"] for parts in self.numbered.values())
        if self.spread is not None:
            yield self.spread


def _run_one(
    n: int, programs: Mapping[str, Program], cells: Cells, problems: list[Problem]
) -> ContactColumns:
    columns = {part: program.run(cells) for part, program in programs.items()}
    data = cells.nothing
    for column in columns.values():
        data = data | column.data
    phone = columns["phone"]
    without = data & ~held(phone.texts)
    rows: list[int] = cells.batch.rows[without].tolist()
    dropped = programs["phone"].rule.on_error == "blank"
    told = {p.row for p in phone.problems if p.severity is Severity.ERROR}
    found = [_without_phone(r, n, programs["phone"].header, dropped) for r in rows if r not in told]
    # Of a contact that is left out, only its phone matters.
    gone = {p.row for p in found if dropped}
    problems += (
        p
        for column in columns.values()
        for p in column.problems
        if column is phone or p.row not in gone
    )
    problems += found
    parts = {part: (columns[part], programs[part].rule) for part in columns}
    return ContactColumns(parts, data & ~without, data)


def _without_phone(row: int, n: int, header: str | None, dropped: bool) -> Problem:
    if dropped:
        return Problem(
            row,
            header,
            f"contacts.{n}.phone",
            "contact_dropped",
            f"contact {n} has no valid phone and is left out",
            severity=Severity.WARNING,
        )
    return Problem(
        row,
        header,
        f"contacts.{n}.phone",
        "contact_without_phone",
        f"contact {n} has data but no phone",
        hint="fill in the phone, or set on_error: blank on it to leave such contacts out",
    )


def _overflow(spread: Column, program: Program, free: int, cells: Cells) -> Iterator[Problem]:
    counts = count_pieces(spread.texts)
    for i in np.flatnonzero(counts > free):
        yield Problem(
            int(cells.batch.rows[i]),
            program.header,
            "contacts.spread",
            "too_many_phones",
            f"{counts[i]} phones for {free} free contacts",
            spread.texts[i].as_py().replace(PIPE, ", "),
            "a record has nine contacts: take the last numbers out",
        )


def bind_contacts(
    spec: MappingSpec, headers: Headers, missing: list[tuple[tuple[str, ...], str]]
) -> ContactsProgram:
    """Bind the contacts to a sheet; what the sheet lacks is added to `missing`, with its path."""
    numbered: dict[int, dict[str, Program]] = {}
    given = spec.contacts.numbered()
    for n in CONTACT_NUMBERS:
        if n in given:
            path: tuple[str, ...] = ("contacts", str(n))
            contact, optional = given[n], False
        elif spec.contacts.each is not None:
            path = ("contacts", "each")
            contact, optional = _numbered(spec.contacts.each, n), True
            if not _exists(contact.phone, headers):
                continue
        else:
            continue
        numbered[n] = {}
        for part, type_ in _PARTS.items():
            rule = getattr(contact, part)
            if rule is None or (optional and not _exists(rule, headers)):
                continue
            placed = PlacedRule((*path, part), rule, type_)
            try:
                numbered[n][part] = bind(placed, headers, spec, f"contacts.{n}.{part}")
            except MissingColumn as error:
                missing += [(placed.path, message) for message in error.messages]
    if spec.contacts.each is not None and not set(numbered) - set(given):
        first, last = (
            " or ".join(
                f'"{name}"' for name in _numbered(spec.contacts.each, n).phone.named_columns()
            )
            for n in (1, 9)
        )
        missing.append((("contacts", "each"), f"the sheet has no column from {first} to {last}"))
    spread = None
    if spec.contacts.spread is not None:
        placed = PlacedRule(("contacts", "spread"), spec.contacts.spread, "phone")
        try:
            spread = bind(placed, headers, spec, "contacts.spread")
        except MissingColumn as error:
            missing += [(placed.path, message) for message in error.messages]
    free = tuple(n for n in CONTACT_NUMBERS if n not in numbered)
    program = ContactsProgram(numbered, spread, free)
    if missing:
        return program
    return replace(
        program,
        normal=normal_programs(program.phone_programs, spec),
        fixed=fixed_numbers(program.phone_programs, spec),
    )


def _numbered(contact: Contact, n: int) -> Contact:
    """The contact that ``each`` describes, with its number put in for ``{n}``."""
    rules = {part: getattr(contact, part) for part in _PARTS}
    return contact.model_copy(
        update={part: _with_number(rule, n) for part, rule in rules.items() if rule is not None}
    )


def _with_number(rule: Rule, n: int) -> Rule:
    def put(texts: Sequence[str] | None) -> list[str] | None:
        return None if texts is None else [text.replace("{n}", str(n)) for text in texts]

    template, value = (
        text.replace("{n}", str(n)) if text is not None else None
        for text in (rule.template, rule.value)
    )
    if template is not None and not TEMPLATE_COLUMN.search(template):
        template, value = None, template
    update = {"column": put(rule.column), "columns": put(rule.columns)}
    return rule.model_copy(update={**update, "template": template, "value": value})


def _exists(rule: Rule, headers: Headers) -> bool:
    """Whether the sheet has what the rule names: one of `column`, all of the others."""
    if rule.column is not None:
        return any(headers.exists(name) for name in rule.column)
    return all(headers.exists(name) for name in rule.named_columns())
