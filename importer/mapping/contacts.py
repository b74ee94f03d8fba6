"""Contacts: by number, for each number that a column has, and spread from one cell.

A numbered rule wins over ``each``, and both over ``spread``, which takes the numbers that no
other rule has, in order. A contact exists in a row where one of its own cells has data; it needs
a phone, or the row is invalid (or the contact dropped, where its phone says ``on_error: blank``).

The module also gives the phones of all contacts as numbers (the digits of E.164, whatever form the
rules send), which ``rows.unique``, the search for repeated phones and do-not-call lists compare;
checks the phone that a row says is called next; and applies do-not-call lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import Cells, Mask, arrow_texts, blanked, distinct, not_blank
from importer.mapping.phones import phone_converter
from importer.mapping.program import Column, Headers, MissingColumn, Program, bind, compiled
from importer.mapping.spec import (
    CONTACT_NUMBERS,
    CONTACT_PARTS,
    PHONE_FIELD,
    TEMPLATE_COLUMN,
    Contact,
    MappingSpec,
    Mistake,
    PlacedRule,
    Rule,
)
from importer.mapping.values import PIPE
from importer.model import Phones, Problem, Severity

Integers = npt.NDArray[np.int64]
"""Places in a batch, numbers of contacts, or phones as numbers of up to 15 digits."""
_PARTS = ("name", "title", "phone", "email")
"""The keys of a contact in the order in which records have them."""


@dataclass(frozen=True, slots=True)
class NumberedContact:
    """A numbered contact of a batch: its parts, the rows it exists in, and those with its data."""

    parts: Mapping[str, tuple[Column, Rule]]
    exists: Mask
    data: Mask


@dataclass(frozen=True, slots=True)
class BatchContacts:
    """All contacts of a batch; `spread` holds phones joined with ``|``, for the `free` numbers."""

    numbered: Mapping[int, NumberedContact]
    spread: Column | None
    free: tuple[int, ...]
    problems: tuple[Problem, ...]
    phones: Phones | None = None

    def has_phone(self, number: int, cells: Cells) -> Mask:
        """The rows in which contact `number` has a phone."""
        if number in self.numbered:
            return self.numbered[number].exists
        if self.spread is None or number not in self.free:
            return cells.no_rows
        return _count_pieces(self.spread.texts) > self.free.index(number)

    def any(self, cells: Cells) -> Mask:
        """The rows that have a contact."""
        found = cells.no_rows
        if self.spread is not None and self.free:
            found = not_blank(self.spread.texts)
        for contact in self.numbered.values():
            found = found | contact.exists
        return found

    def data(self, cells: Cells) -> Mask:
        """The rows in which any contact's cells have data."""
        found = cells.no_rows if self.spread is None else self.spread.data
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

    def run(self, cells: Cells) -> BatchContacts:
        """Compute all contacts for one batch."""
        problems: list[Problem] = []
        numbered = {
            n: _numbered_contact(n, parts, cells, problems) for n, parts in self.numbered.items()
        }
        spread = self.spread.run(cells) if self.spread is not None else None
        if spread is not None and self.spread is not None:
            problems += spread.problems
            problems += _overflow(spread, self.spread, len(self.free), cells)
        columns = BatchContacts(numbered, spread, self.free, tuple(problems))
        if not numbered and spread is None:
            return columns
        return replace(columns, phones=_batch_phones(self, columns, cells))

    @property
    def phone_programs(self) -> Iterator[Program]:
        """The programs of all phones."""
        yield from (parts["phone"] for parts in self.numbered.values())
        if self.spread is not None:
            yield self.spread


def _numbered_contact(
    n: int, programs: Mapping[str, Program], cells: Cells, problems: list[Problem]
) -> NumberedContact:
    columns = {part: program.run(cells) for part, program in programs.items()}
    data = cells.no_rows
    for column in columns.values():
        data = data | column.data
    phone = columns["phone"]
    without = data & ~not_blank(phone.texts)
    rows: list[int] = cells.batch.rows[without].tolist()
    dropped = programs["phone"].rule.on_error == "blank"
    invalid = {p.row for p in phone.problems if p.severity is Severity.ERROR}
    header = programs["phone"].header
    found = [_without_phone(row, n, header, dropped) for row in rows if row not in invalid]
    # Of a contact that is left out, only the problems of its phone are reported.
    gone = {p.row for p in found if dropped}
    problems += (
        p
        for column in columns.values()
        for p in column.problems
        if column is phone or p.row not in gone
    )
    problems += found
    parts = {part: (columns[part], programs[part].rule) for part in columns}
    return NumberedContact(parts, data & ~without, data)


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
    counts = _count_pieces(spread.texts)
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


def bind_contacts(spec: MappingSpec, headers: Headers, missing: list[Mistake]) -> ContactsProgram:
    """Bind the contacts to a sheet; columns that the sheet lacks are added to `missing`."""
    numbered: dict[int, dict[str, Program]] = {}
    by_number = spec.contacts.numbered()
    for n in CONTACT_NUMBERS:
        if n in by_number:
            path: tuple[str, ...] = ("contacts", str(n))
            contact, optional = by_number[n], False
        elif spec.contacts.each is not None:
            path = ("contacts", "each")
            contact, optional = _contact_with_number(spec.contacts.each, n), True
            if not _exists(contact.phone, headers):
                continue
        else:
            continue
        numbered[n] = {}
        for part in _PARTS:
            rule = getattr(contact, part)
            if rule is None or (optional and not _exists(rule, headers)):
                continue
            placed = PlacedRule((*path, part), rule, CONTACT_PARTS[part])
            try:
                numbered[n][part] = bind(placed, headers, spec, f"contacts.{n}.{part}")
            except MissingColumn as error:
                missing += [(placed.path, message) for message in error.messages]
    if spec.contacts.each is not None and not set(numbered) - set(by_number):
        first, last = (
            " or ".join(
                f'"{name}"'
                for name in _contact_with_number(spec.contacts.each, n).phone.named_columns()
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
        normal=_normal_programs(program.phone_programs, spec),
        fixed=_fixed_numbers(program.phone_programs, spec),
    )


def _contact_with_number(contact: Contact, n: int) -> Contact:
    """The contact that ``each`` describes, with `n` in the place of ``{n}``."""
    rules = {part: getattr(contact, part) for part in _PARTS}
    return contact.model_copy(
        update={
            part: _rule_with_number(rule, n) for part, rule in rules.items() if rule is not None
        }
    )


def _rule_with_number(rule: Rule, n: int) -> Rule:
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


_E164 = "^[1-9][0-9]{3,14}$"
_LONG = "^[0-9]{7,15}$"
"""Digits that can be a number of any country: shorter ones are extensions, or no phone."""
_HARMLESS_CODES = frozenset({"phone_extension", "repaired", "required"})
"""Codes of problems that a phone's column may have although its text is a phone."""


def _read_numbers(texts: Any) -> Integers:
    """Texts in the form of E.164, with or without its plus, as numbers; 0 for any other text."""
    digits = pc.ascii_ltrim(texts, "+")
    numbers = pc.if_else(pc.match_substring_regex(digits, _E164), digits, "0")
    return np.array(pc.cast(numbers, pa.int64()).to_numpy(), np.int64)


def _normal_programs(programs: Iterator[Program], spec: MappingSpec) -> dict[str, Program]:
    """By target, the programs that give numbers where the rules themselves do not."""
    found = ((program.target, normal_program(program, spec)) for program in programs)
    return {target: normal for target, normal in found if normal is not None}


def normal_program(program: Program, spec: MappingSpec) -> Program | None:
    """The program that gives a phone's rule as numbers; None where the rule's own values are such.

    Its values are blank for texts that are no phone although the rule lets them pass, and for
    defaults.
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


def _fixed_numbers(programs: Iterator[Program], spec: MappingSpec) -> dict[str, int]:
    """By target, the numbers of constants and defaults, which are sent as they are written."""
    fixed: dict[str, int] = {}
    for program in programs:
        text = program.rule.value or program.rule.default
        if text is not None:
            converted = phone_converter(program.rule.region or spec.region, "digits")(text)
            if converted.fault is None or converted.fault.warning:
                fixed[program.target] = int(converted.value)
    return fixed


def _batch_phones(program: ContactsProgram, columns: BatchContacts, cells: Cells) -> Phones:
    """Every valid number of a batch's contacts."""
    collector = _PhoneCollector(len(cells))
    for n, parts in program.numbered.items():
        phone, column = parts["phone"], columns.numbered[n].parts["phone"][0]
        exists = columns.numbered[n].exists
        collector.counts += exists
        numbers, at, _ = _phone_numbers(program, phone, column, cells)
        wrong = [p.row or 0 for p in column.problems if p.severity is Severity.ERROR]
        if wrong:
            numbers[np.isin(cells.batch.rows, wrong)[at]] = 0
        sound = np.zeros(len(cells), dtype=bool)
        sound[at[numbers > 0]] = True
        collector.refused += column.data & ~sound
        sent = exists[at] & (numbers > 0)
        collector.add(at[sent], n, numbers[sent], np.ones(int(sent.sum()), dtype=bool))
        if (number := program.fixed.get(phone.target)) is not None:
            at = np.flatnonzero(exists & ~column.data)
            collector.add(at, n, np.full(len(at), number), np.zeros(len(at), dtype=bool))
        collector.headers[n] = phone.header
    if program.spread is not None and columns.spread is not None:
        _collect_spread(program, program.spread, columns.spread, cells, collector)
    return collector.phones()


def with_dialled_texts(phones: Phones, contacts: BatchContacts, cells: Cells) -> Phones:
    """The phones, followed by the digits of texts that are sent although no valid number.

    A text that is sent with a warning may be dialled as it stands.
    """
    collector = _PhoneCollector(len(cells))
    for n, contact in contacts.numbered.items():
        phone = contact.parts["phone"][0]
        known = np.isin(np.arange(len(cells)), phones.places[phones.contacts == n])
        wrong = [p.row or 0 for p in phone.problems if p.severity is Severity.ERROR]
        at = np.flatnonzero(contact.exists & ~known & ~np.isin(cells.batch.rows, wrong))
        if len(at):
            collector.add_given(at, np.full(len(at), n), phone.texts.take(pa.array(at)))
    if contacts.spread is not None:
        free = np.array(contacts.free, dtype=np.int64)
        read = np.bincount(phones.places[np.isin(phones.contacts, free)], minlength=len(cells))
        at = np.flatnonzero(np.minimum(_count_pieces(contacts.spread.texts), len(free)) != read)
        if len(at):
            pieces = pc.split_pattern(contacts.spread.texts.take(pa.array(at)), PIPE)
            inner = pc.list_parent_indices(pieces).to_numpy(False)
            order = np.arange(len(inner)) - np.searchsorted(inner, inner)
            some = order < len(free)
            texts = pc.list_flatten(pieces).filter(pa.array(some))
            collector.add_given(at[inner[some]], free[order[some]], texts)
    more = collector.phones()
    return replace(
        phones,
        places=np.concatenate([phones.places, more.places]),
        contacts=np.concatenate([phones.contacts, more.contacts]),
        numbers=np.concatenate([phones.numbers, more.numbers]),
        given=np.concatenate([phones.given, more.given]),
    )


def _collect_spread(
    program: ContactsProgram,
    spread: Program,
    column: Column,
    cells: Cells,
    collector: _PhoneCollector,
) -> None:
    free = np.array(program.free, dtype=np.int64)
    collector.counts += np.minimum(_count_pieces(column.texts), len(free))
    for problem in column.problems:
        if problem.code not in _HARMLESS_CODES:
            collector.refused[np.searchsorted(cells.batch.rows, problem.row or 0)] += 1
    numbers, at, order = _phone_numbers(program, spread, column, cells)
    sent = (numbers > 0) & (order < len(free))
    collector.add(at[sent], free[order[sent]], numbers[sent], column.data[at[sent]])
    collector.headers |= dict.fromkeys(program.free, spread.header)


def _phone_numbers(
    program: ContactsProgram, phone: Program, column: Column, cells: Cells
) -> tuple[Integers, Integers, Integers]:
    """The numbers of a column, the rows' positions in the batch, and the order within the cell."""
    normal = program.normal.get(phone.target)
    texts = (column if normal is None else normal.run(cells)).texts
    at = np.arange(len(texts), dtype=np.int64)
    if not phone.rule.multiple:
        return _read_numbers(texts), at, np.zeros_like(at)
    pieces = pc.split_pattern(texts, PIPE)
    at = pc.list_parent_indices(pieces).to_numpy(False).astype(np.int64)
    return _read_numbers(pc.list_flatten(pieces)), at, np.arange(len(at)) - np.searchsorted(at, at)


class _PhoneCollector:
    """Collects the phones of a batch, contact by contact."""

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
        """Add the digits of texts from cells, if they are as many as a phone's in any country."""
        digits = pc.replace_substring_regex(texts, "^[^0-9]*(?:00)?|[^0-9]", "")
        numbers = _read_numbers(pc.if_else(pc.match_substring_regex(digits, _LONG), digits, ""))
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


def _count_pieces(texts: Any) -> Integers:
    """How many phones each spread cell came to."""
    counts: Integers = (pc.count_substring(texts, PIPE).to_numpy(False) + 1) * not_blank(texts)
    return counts.astype(np.int64)


def check_phone_field(
    chosen: Column, header: str | None, contacts: BatchContacts, cells: Cells
) -> Iterator[Problem]:
    """Find rows that choose a contact without a phone: the service refuses them."""
    listed = {(p.row, p.target) for p in contacts.problems if p.code == _LISTED}
    codes, texts = distinct(chosen.texts)
    for code, text in enumerate(texts):
        if not text:
            continue
        match = PHONE_FIELD.fullmatch(text)
        has = contacts.has_phone(int(match[1]), cells) if match else cells.no_rows
        for i in np.flatnonzero((codes == code) & ~has):
            row = int(cells.batch.rows[i])
            message = f'"{text}" is not one of phone1 to phone9'
            hint = "fill in that phone, or choose another phone_field"
            if match:
                message = f"contact {match[1]} has no phone to call"
                if (row, f"contacts.{match[1]}.phone") in listed:
                    message += ": its number is on a do-not-call list"
                    hint = "choose another phone_field"
            yield Problem(
                row,
                header,
                "phone_field",
                "phone_field_without_phone" if match else "bad_phone_field",
                message,
                text,
                hint,
            )


Action = Literal["skip", "drop"]
_LISTED = "do_not_call"


@dataclass(frozen=True, slots=True)
class DoNotCallList:
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
class AfterDoNotCall:
    """A batch's contacts without the listed ones, and by row number why rows are left out."""

    contacts: BatchContacts
    rows: dict[int, Problem]


def apply_do_not_call(
    lists: Sequence[DoNotCallList], contacts: BatchContacts, cells: Cells
) -> AfterDoNotCall:
    """Apply do-not-call lists to a batch; a contact that is left out becomes a problem of it."""
    phones = contacts.phones
    if phones is None or not lists:
        return AfterDoNotCall(contacts, {})
    phones = with_dialled_texts(phones, contacts, cells)
    rows: dict[int, Problem] = {}
    dropped: dict[tuple[int | None, str | None], Problem] = {}
    gone = np.zeros(len(phones.numbers), dtype=bool)
    for one in lists:
        hits = one.has(phones.numbers)
        problems = [_listed_problem(one, phones, int(i), cells) for i in np.flatnonzero(hits)]
        if one.action == "skip":
            for problem in problems:
                rows.setdefault(int(problem.row or 0), problem)
        else:
            for problem in problems:
                dropped.setdefault((problem.row, problem.target), problem)
            gone |= hits
    if gone.any():
        warnings = list(dropped.values())
        contacts = _without_listed(contacts, phones, gone, warnings, cells)
        left = contacts.phones.counts if contacts.phones is not None else phones.counts
        for problem in warnings:
            row = int(problem.row or 0)
            if not left[np.searchsorted(cells.batch.rows, row)]:
                alone = replace(problem, message=f"{problem.message}, and no other is left")
                rows.setdefault(row, alone)
    return AfterDoNotCall(contacts, rows)


def _listed_problem(one: DoNotCallList, phones: Phones, i: int, cells: Cells) -> Problem:
    contact = int(phones.contacts[i])
    return Problem(
        int(cells.batch.rows[phones.places[i]]),
        phones.headers.get(contact),
        f"contacts.{contact}.phone",
        _LISTED,
        f"the number of contact {contact} is on the do-not-call list {one.name}"
        + (": the contact is left out" if one.action == "drop" else ""),
        str(phones.numbers[i]),
        severity=Severity.WARNING,
    )


def _unclear_cell(place: int, cells: Cells) -> Problem:
    return Problem(
        int(cells.batch.rows[place]),
        None,
        "contacts.spread",
        _LISTED,
        "a cell with a listed number has texts that are no numbers: all of it is left out",
        severity=Severity.WARNING,
    )


def _without_listed(
    contacts: BatchContacts,
    phones: Phones,
    gone: Mask,
    warnings: Sequence[Problem],
    cells: Cells,
) -> BatchContacts:
    """The contacts without those whose numbers are `gone`, a mask of `phones`."""
    numbered, spread = dict(contacts.numbered), contacts.spread
    valid = 0 if contacts.phones is None else len(contacts.phones.numbers)
    for n in numbered.keys() & set(phones.contacts[gone].tolist()):
        out = cells.no_rows.copy()
        out[phones.places[gone & (phones.contacts == n)]] = True
        one = numbered[n]
        phone, rule = one.parts["phone"]
        silent = replace(phone, texts=blanked(phone.texts, out))
        parts = {**one.parts, "phone": (silent, rule)}
        numbered[n] = replace(one, parts=parts, exists=one.exists & ~out)
    if spread is not None:
        spread, gone, unclear = _without_pieces(spread, contacts.free, phones, gone, valid)
        phones = _renumbered(phones, gone, contacts.free)
        warnings = [*warnings, *(_unclear_cell(place, cells) for place in unclear)]
    left_out = {(p.row, (p.target or "").rpartition(".")[0]) for p in warnings}
    problems = tuple(
        p for p in contacts.problems if (p.row, (p.target or "").rpartition(".")[0]) not in left_out
    )
    counts = np.sum([one.exists for one in numbered.values()], axis=0, dtype=np.int64)
    counts = counts + np.zeros_like(phones.counts)
    if spread is not None:
        counts += np.minimum(_count_pieces(spread.texts), len(contacts.free))
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
    return BatchContacts(numbered, spread, contacts.free, (*problems, *warnings), remaining)


def _renumbered(phones: Phones, gone: Mask, free: tuple[int, ...]) -> Phones:
    """The phones; those of spread cells get the contact numbers that `gone` ones leave free."""
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
    """Spread cells without their listed numbers, the mask of phones left out, and unclear rows.

    In a cell from which texts are sent that are no numbers, it is not known which piece is listed:
    all of it is left out, and its position is among the last result. The first `valid` phones are
    valid numbers.
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
