"""A mapping bound to one sheet. It checks batches and puts records together.

:func:`bind_mapping` finds all that does not fit between mapping and sheet; after that no cell can
make it fail. :meth:`BoundMapping.with_facts` compiles those rules again whose columns, once the
whole file was seen, show how their cells are meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from importer.errors import MappingError
from importer.mapping.cells import Cells, Mask, distinct, not_blank
from importer.mapping.contacts import (
    BatchContacts,
    ContactsProgram,
    DoNotCallList,
    apply_do_not_call,
    bind_contacts,
    check_phone_field,
    with_dialled_texts,
)
from importer.mapping.conversion import NO_FINDING, Finding
from importer.mapping.facts import FactCounter, Facts, finding_of, phone_reading
from importer.mapping.load import LoadedMapping
from importer.mapping.program import (
    Column,
    Headers,
    MissingColumn,
    Program,
    bind,
    compiled,
    printable,
)
from importer.mapping.records import (
    Evaluated,
    KeyPart,
    RuledColumn,
    assemble,
    compile_keys,
    row_keys,
)
from importer.mapping.spec import CONTACT_NUMBERS, MappingSpec, Mistake, Type
from importer.mapping.text import as_cell
from importer.mapping.values import map_keys
from importer.model import (
    NOTE_COLUMNS,
    Batch,
    Checked,
    PhoneReading,
    Phones,
    Problem,
    Records,
    Severity,
)

if TYPE_CHECKING:
    import numpy.typing as npt


TypedPrograms = Mapping[str, tuple[Program, Type]]
"""By the name of what is filled, a rule's program and the type that the rule has in its place."""

_MOST_LOOKED_UP = 2**16
"""Texts in the memo of :meth:`BoundMapping.field_values`."""
_CONTACT_TYPES: Mapping[str, Type] = {"phone": "phone", "spread": "phone", "email": "email"}


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled ``skip_when``: the column and the texts, folded, that filter a row out."""

    column: int
    header: str
    texts: frozenset[str]


@dataclass(frozen=True, slots=True)
class BoundMapping:
    """A mapping bound to a sheet's headers; `used` are the columns it reads.

    Of :meth:`with_facts` come `remarks`, the problems of whole columns, `phones`, how phones are
    read, and `findings`, by target: two mappings with equal findings judge cells alike. `original`
    is the column of a list of failures with the row numbers of the list that its rows come from.
    """

    spec: MappingSpec
    headers: tuple[str, ...]
    used: tuple[int, ...]
    form: TypedPrograms
    contacts: ContactsProgram
    phone_field: Program | None
    premium: TypedPrograms
    disposition: TypedPrograms
    filters: tuple[Filter, ...]
    keys: tuple[KeyPart, ...]
    remarks: tuple[Problem, ...] = ()
    do_not_call: tuple[DoNotCallList, ...] = ()
    phones: tuple[PhoneReading, ...] = ()
    original: int | None = None
    findings: Mapping[str, Finding] = field(default_factory=dict)

    def with_do_not_call(self, lists: Sequence[DoNotCallList]) -> BoundMapping:
        """The mapping that leaves out the rows or contacts with numbers on these lists."""
        return replace(self, do_not_call=tuple(lists))

    def fact_counter(self, columns: Collection[int] | None = None) -> FactCounter:
        """A counter of what the columns show, to be given all batches.

        With `columns`, it counts only for rules that read any of them.
        """
        return FactCounter(self.programs_reading(columns), self.spec.region)

    def programs_reading(self, columns: Collection[int] | None) -> list[tuple[Program, Type]]:
        """The `programs` that read any of these columns, or all programs."""
        wanted = None if columns is None else set(columns)
        return [
            (program, type_)
            for program, type_ in self.programs
            if wanted is None or wanted.intersection(program.columns)
        ]

    def with_facts(self, facts: Facts) -> BoundMapping:
        """The mapping that judges cells by what their whole columns show, too.

        To be called on what :func:`bind_mapping` gave, not on a mapping that has facts.
        """
        if not facts.targets:
            return self
        recompiler = _Recompiler(self.spec, facts)
        types = {program.target: type_ for program, type_ in self.programs}
        contacts, phone_field = self.contacts, self.phone_field
        numbered = {
            n: {part: recompiler.program(p, types[p.target]) for part, p in parts.items()}
            for n, parts in contacts.numbered.items()
        }
        spread = contacts.spread
        if spread is not None:
            spread = recompiler.program(spread, types[spread.target])
        form, premium, disposition = map(recompiler.programs, self._typed_programs)
        if phone_field is not None:
            phone_field = recompiler.program(phone_field, types[phone_field.target])
        remarks, phones = tuple(recompiler.remarks), tuple(recompiler.phones)
        # The programs of numbers are compiled last: their columns have been reported on by now.
        keys = tuple(
            part
            if part.normal is None
            else replace(part, normal=recompiler.program(part.normal, "phone"))
            for part in self.keys
        )
        normal = {t: recompiler.program(p, "phone") for t, p in contacts.normal.items()}
        return replace(
            self,
            form=form,
            contacts=replace(contacts, numbered=numbered, spread=spread, normal=normal),
            phone_field=phone_field,
            premium=premium,
            disposition=disposition,
            keys=keys,
            remarks=remarks,
            phones=phones,
            findings=recompiler.findings,
        )

    @property
    def programs(self) -> Iterator[tuple[Program, Type]]:
        """Every rule's program, with the type that the rule has in its place."""
        for part in self._typed_programs:
            yield from part.values()
        for program in self.contacts.programs:
            last = program.target.rsplit(".", 1)[-1]
            yield program, program.rule.type or _CONTACT_TYPES.get(last, "text")
        if self.phone_field is not None:
            yield self.phone_field, self.phone_field.rule.type or "text"

    @property
    def _typed_programs(self) -> tuple[TypedPrograms, ...]:
        return self.form, self.premium, self.disposition

    def texts_known(self) -> dict[int, set[str]]:
        """The columns that are sent as text, each with the texts that its rules mention."""
        found: dict[int, set[str]] = {}
        for program, type_ in self.programs:
            if type_ == "text":
                rule = program.rule
                for label in program.columns:
                    found.setdefault(label, set()).update(rule.map or (), rule.choices or ())
        return found

    @property
    def takes_phones(self) -> bool:
        """Whether any rule gives a phone, be it a contact's or a field's of the form."""
        return any(type_ == "phone" for _, type_ in self.programs)

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """Headers that nothing reads; blank ones and those that begin with ``_`` do not count."""
        return tuple(
            header
            for i, header in enumerate(self.headers)
            if i not in self.used and header and not header.startswith("_")
        )

    def evaluate(self, batch: Batch) -> Evaluated:
        """Convert and check a batch."""
        cells = Cells(batch)
        form = _run(self.form, cells)
        called = apply_do_not_call(self.do_not_call, self.contacts.run(cells), cells)
        contacts = called.contacts
        premium, disposition = _run(self.premium, cells), _run(self.disposition, cells)
        chosen = self.phone_field.run(cells) if self.phone_field is not None else None
        has_disposition, incomplete = self._check_disposition(disposition, cells)
        columns = [ruled.column for part in (form, premium, disposition) for ruled in part.values()]
        if chosen is not None:
            columns.append(chosen)
        filtered = {**called.rows, **self._filter(cells)}
        problems = [problem for column in columns for problem in column.problems]
        problems += contacts.problems
        problems += incomplete
        if chosen is not None and self.phone_field is not None:
            problems += check_phone_field(chosen, self.phone_field.header, contacts, cells)
        problems += self._check_data(columns, contacts, cells)
        lonely = self._without_contact(contacts, problems, cells)
        if self.spec.rows.without_contact == "skip":
            filtered = {**lonely, **filtered}
        else:
            problems += lonely.values()
        read = {None, *(self.headers[label] for label in self.used)}
        found = (p for p in batch.problems if p.column in read)
        kept = [p for p in (*found, *problems) if p.row not in filtered]
        if self.original is not None:
            originals = _Originals(batch.rows, cells.texts(self.original))
            kept = [originals.cited(problem) for problem in kept]
            filtered = {row: originals.cited(problem) for row, problem in filtered.items()}
        keys = row_keys(self.keys, cells, {n: c.column for n, c in form.items()}, contacts)
        checked = Checked(batch.rows, filtered, tuple(kept), keys, contacts.phones)
        return Evaluated(
            cells, form, contacts, chosen, premium, disposition, has_disposition, checked
        )

    def records(self, evaluated: Evaluated, run_id: str) -> Records:
        """Put together the records of an evaluated batch; `run_id` goes into the stamp."""
        return assemble(evaluated, self.spec.stamp, run_id)

    def dialled(self, evaluated: Evaluated) -> Phones | None:
        """The numbers of all contacts that are sent; None where the mapping has no contacts.

        They include the digits of texts that are sent although they are no valid number.
        """
        contacts = evaluated.contacts
        if contacts.phones is None:
            return None
        return with_dialled_texts(contacts.phones, contacts, evaluated.cells)

    def field_values(self, name: str) -> Callable[[Batch], Counter[str]]:
        """A function that counts in how many rows of a batch each value of a field stands.

        A value is the text by which the rule looks into its ``map``: a cell, or a piece of it,
        after the rule's ``split`` and ``case``. Raises KeyError where there is no such field.
        """
        program, type_ = self.form[name]
        finding = self.findings.get(program.target, NO_FINDING)
        keys = map_keys(program.rule, type_, finding)
        values = lru_cache(_MOST_LOOKED_UP)(lambda text: tuple(keys(text)))

        def count(batch: Batch) -> Counter[str]:
            counted: Counter[str] = Counter()
            texts = program.sound_texts(Cells(batch))
            found = texts.value_counts()
            rows = found.field("counts").to_pylist()
            for text, number in zip(found.field("values").to_pylist(), rows, strict=True):
                for value in values(text):
                    counted[value] += number
            return counted

        return count

    def _filter(self, cells: Cells) -> dict[int, Problem]:
        filtered: dict[int, Problem] = {}
        for rule in self.filters:
            codes, texts = distinct(cells.texts(rule.column))
            wanted = np.array([text.casefold() in rule.texts for text in texts], dtype=bool)
            for i in np.flatnonzero(wanted[codes]):
                row, text = int(cells.batch.rows[i]), texts[codes[i]]
                filtered[row] = Problem(
                    row,
                    rule.header,
                    "rows.skip_when",
                    "filtered",
                    f'left out, since it is "{text}"',
                    text,
                    severity=Severity.WARNING,
                )
        return filtered

    def _check_data(
        self, columns: Sequence[Column], contacts: BatchContacts, cells: Cells
    ) -> Iterator[Problem]:
        """Find rows of which the mapping takes nothing: they would become empty records."""
        programs = (program for part in self._typed_programs for program, _ in part.values())
        if not any(program.columns for program in (*programs, *self.contacts.programs)):
            return
        data = contacts.data(cells)
        for column in columns:
            data = data | column.data
        for i in np.flatnonzero(~data):
            row = int(cells.batch.rows[i])
            message = "no cell that the mapping uses has anything in it"
            hint = "fill the row in, or delete it"
            yield Problem(row, None, None, "nothing_to_send", message, None, hint)

    def _without_contact(
        self, contacts: BatchContacts, problems: Sequence[Problem], cells: Cells
    ) -> dict[int, Problem]:
        """Find rows from which no contact comes: totals, footers and notes below a list.

        Rows that have an error about their contacts already, or about being blank, are passed over.
        """
        fate, phones = self.spec.rows.without_contact, tuple(self.contacts.phone_programs)
        if fate == "send" or not phones:
            return {}
        none = np.flatnonzero(~contacts.any(cells))
        if not len(none):
            return {}
        reported = {
            p.row
            for p in problems
            if p.severity is Severity.ERROR and (p.target or "contacts").startswith("contacts")
        }
        headers = dict.fromkeys(name for program in phones for name in program.names)
        skipped = fate == "skip"
        return {
            row: Problem(
                row,
                ", ".join(headers) or None,
                "contacts",
                "no_contact",
                "nobody can be called: the row has no phone",
                hint=None
                if skipped
                else "fill in a phone; or delete the row, if it is no lead but a total or a note",
                severity=Severity.WARNING if skipped else Severity.ERROR,
            )
            for row in cells.batch.rows[none].tolist()
            if row not in reported
        }

    def _check_disposition(
        self, parts: Mapping[str, RuledColumn], cells: Cells
    ) -> tuple[Mask, list[Problem]]:
        """The rows that have a disposition, and problems of those in which it is incomplete.

        A disposition that is taken from columns is absent from rows where all of them are blank.
        """
        if not parts:
            return cells.no_rows, []
        programs = [program for program, _ in self.disposition.values()]
        has = ~cells.no_rows
        if not all(program.constant for program in programs):
            has = cells.no_rows
            for ruled in parts.values():
                has = has | ruled.column.data
        problems = []
        for name in ("dispositionid", "userid"):
            program, _ = self.disposition[name]
            for i in np.flatnonzero(has & ~not_blank(parts[name].column.texts)):
                problems.append(
                    Problem(
                        int(cells.batch.rows[i]),
                        program.header,
                        f"disposition.{name}",
                        "disposition_incomplete",
                        f"the row has a disposition but no {name}",
                        hint="fill it in, or clear the disposition's other cells",
                    )
                )
        return has, problems


class _Originals:
    """The rows of the original list that the rows of a list of failures come from."""

    def __init__(self, rows: npt.NDArray[np.int64], texts: Any) -> None:
        self._places = {row: place for place, row in enumerate(rows.tolist())}
        self._texts = texts

    def cited(self, problem: Problem) -> Problem:
        """The problem with the original row in its message, where the cell has one."""
        place = None if problem.row is None else self._places.get(problem.row)
        if place is None:
            return problem
        text = self._texts[place].as_py()
        if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_ROW_DIGITS):
            return problem
        message = f"{problem.message} (row {text} of the list it comes from)"
        return replace(problem, message=message)


_MOST_ROW_DIGITS = 12


def _run(programs: TypedPrograms, cells: Cells) -> dict[str, RuledColumn]:
    return {
        name: RuledColumn(program.run(cells), program.rule, type_)
        for name, (program, type_) in programs.items()
    }


def bind_mapping(mapping: LoadedMapping, headers: Sequence[str]) -> BoundMapping:
    """Bind a mapping to a sheet; raise MappingError with all that the sheet lacks."""
    spec, sheet = mapping.spec, Headers(tuple(headers))
    missing: list[Mistake] = []
    bound: dict[str, dict[str, tuple[Program, Type]]] = {}
    for placed in spec.placed_rules():
        if placed.path[0] == "contacts":
            continue
        part, name = placed.path[0], placed.path[-1]
        try:
            program = bind(placed, sheet, spec, ".".join(placed.path))
            bound.setdefault(part, {})[name] = (program, placed.type)
        except MissingColumn as error:
            missing += [(placed.path, message) for message in error.messages]
    contacts = bind_contacts(spec, sheet, missing)
    filters = _bind_filters(spec, sheet, missing)
    if missing:
        raise _unfit(mapping, sheet, missing)
    form = bound.get("form", {})
    keys, missing = compile_keys(spec, {n: p for n, (p, _) in form.items()}, contacts)
    if spec.phone_field is not None and (constant := spec.phone_field.value) is not None:
        missing += _check_constant_phone_field(constant, contacts)
    if missing:
        raise _unfit(mapping, sheet, missing)
    programs = [program for part in bound.values() for program, _ in part.values()]
    used = {c for program in (*programs, *contacts.programs) for c in program.columns}
    used |= {rule.column for rule in filters}
    original = headers.index(NOTE_COLUMNS[0]) if set(NOTE_COLUMNS) <= set(headers) else None
    if original is not None:
        used.add(original)
    return BoundMapping(
        spec=spec,
        headers=tuple(headers),
        used=tuple(sorted(used)),
        form=form,
        contacts=contacts,
        phone_field=bound.get("phone_field", {}).get("phone_field", (None, ""))[0],
        premium=bound.get("premium", {}),
        disposition=bound.get("disposition", {}),
        filters=tuple(filters),
        keys=tuple(keys),
        original=original,
    )


def _check_constant_phone_field(constant: str, contacts: ContactsProgram) -> list[Mistake]:
    number = int(constant[-1])
    has = number in contacts.numbered or (contacts.spread is not None and number in contacts.free)
    return [] if has else [(("phone_field",), f"the sheet has no phone for contact {number}")]


def _bind_filters(spec: MappingSpec, headers: Headers, missing: list[Mistake]) -> list[Filter]:
    filters: list[Filter] = []
    for i, rule in enumerate(spec.rows.skip_when):
        column = headers.find(rule.column)
        if column is None:
            missing.append((("rows", "skip_when", str(i), "column"), headers.complain(rule.column)))
            continue
        texts = frozenset(as_cell(text).casefold() for text in rule.in_)
        filters.append(Filter(column, headers.names[column], texts))
    return filters


def _unfit(mapping: LoadedMapping, sheet: Headers, missing: list[Mistake]) -> MappingError:
    hint = f"The sheet has: {sheet.listing()}. Name the columns as it does."
    named = _named_columns(mapping.spec)
    numbered = (name.replace("{n}", str(n)) for name in named for n in CONTACT_NUMBERS)
    if len(named) > 1 and not any(map(sheet.exists, numbered)):
        # A line for each column would hide the cause: it is another file, or another header row.
        listed = ", ".join(f'"{printable(name)}"' for name in named[:5])
        return MappingError(
            f"{mapping.path}: the mapping does not fit the sheet: none of the {len(named)} columns "
            f"that it names is there ({listed}{' …' if len(named) > 5 else ''})",
            hint=hint,
        )
    lines = tuple(dict.fromkeys(mapping.mistake(path, message) for path, message in missing))
    return MappingError(f"{mapping.path}: the mapping does not fit the sheet", lines, hint=hint)


def _named_columns(spec: MappingSpec) -> list[str]:
    """The headers that a mapping names; those of ``contacts.each`` with ``{n}`` in them."""
    named = [name for placed in spec.placed_rules() for name in placed.rule.named_columns()]
    return list(dict.fromkeys([*named, *(rule.column for rule in spec.rows.skip_when)]))


@dataclass(frozen=True, slots=True)
class _Recompiler:
    """Compiles programs again by their columns' findings, and gathers these and the remarks."""

    spec: MappingSpec
    facts: Facts
    remarks: list[Problem] = field(default_factory=list)
    phones: list[PhoneReading] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)

    def program(self, program: Program, type_: Type) -> Program:
        counts = self.facts.targets.get(program.target)
        if not counts:
            return program
        region = program.rule.region or self.spec.region
        finding, remarks = finding_of(program, type_, region, counts, known=self.facts.known)
        self.remarks.extend(remarks)
        if (reading := phone_reading(program, type_, region, counts)) is not None:
            self.phones.append(reading)
        if finding == NO_FINDING:
            return program
        self.findings[program.target] = finding
        return compiled(program, type_, self.spec, finding)

    def programs(self, programs: TypedPrograms) -> TypedPrograms:
        return {
            name: (self.program(program, type_), type_)
            for name, (program, type_) in programs.items()
        }
