"""From an evaluated batch to the records that are sent, and to the key of each row.

A key is the text that ``rows.unique`` says makes two rows the same. Phones are compared as numbers
whatever form is sent, e-mails without regard to case. A row in which any part is blank has no key:
it is never a duplicate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import Cells, Mask, arrow_texts, blanked, not_blank, or_null
from importer.mapping.contacts import BatchContacts, ContactsProgram, normal_program
from importer.mapping.program import Column, Program
from importer.mapping.spec import MappingSpec, Mistake, Rule, Type
from importer.mapping.values import JOINT
from importer.model import Checked, ContactTexts, Phones, Records


@dataclass(frozen=True, slots=True)
class RuledColumn:
    """A column with the rule it came from, which says what a blank means."""

    column: Column
    rule: Rule
    type: Type

    def texts(self) -> pa.Array:
        """The texts to send, null where the key is left out."""
        texts = self.column.texts
        return texts if self.rule.empty == "send" else or_null(texts)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A batch after its mapping: the computed columns, and the problems of its rows."""

    cells: Cells
    form: Mapping[str, RuledColumn]
    contacts: BatchContacts
    phone_field: Column | None
    premium: Mapping[str, RuledColumn]
    disposition: Mapping[str, RuledColumn]
    has_disposition: Mask
    checked: Checked


def assemble(done: Evaluated, stamp: str | None, run_id: str) -> Records:
    """The records of all rows of a batch, in order; those of invalid rows must not be sent."""
    rows = done.cells.batch.rows
    form = {name: ruled.texts() for name, ruled in done.form.items()}
    if stamp is not None:
        form[stamp] = pa.array([f"{run_id}:{row}" for row in rows.tolist()], pa.large_string())
    contacts = dict(sorted(_contacts(done.contacts)))
    return Records(
        rows=rows,
        form=form,
        valueids=frozenset(name for name, ruled in done.form.items() if ruled.type == "valueid"),
        contacts=contacts,
        phone_field=_phone_field(done.phone_field, contacts, len(rows)),
        premium={name: ruled.texts() for name, ruled in done.premium.items()},
        disposition={name: ruled.texts() for name, ruled in done.disposition.items()},
        disposed=done.has_disposition,
    )


def _contacts(contacts: BatchContacts) -> Iterator[tuple[str, ContactTexts]]:
    for n, columns in contacts.numbered.items():
        parts = {
            part: RuledColumn(column, rule, "text").texts()
            for part, (column, rule) in columns.parts.items()
        }
        yield str(n), ContactTexts(parts, columns.exists)
    for n in contacts.free:
        phones = contacts.phone_texts(n)
        if phones is not None:
            yield str(n), ContactTexts({"phone": phones}, not_blank(phones))


def _phone_field(chosen: Column | None, contacts: dict[str, ContactTexts], count: int) -> pa.Array:
    """The value of the rule, or else the lowest contact that exists."""
    field = pa.nulls(count, pa.large_string())
    for key in reversed(contacts):
        name = pa.scalar(f"phone{key}", pa.large_string())
        field = pc.if_else(pa.array(contacts[key].exists), name, field)
    return field if chosen is None else pc.coalesce(or_null(chosen.texts), field)


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One entry of ``rows.unique``.

    Where a phone is sent in another form than its number, `normal` computes the number of a form
    field, and `by_number` says that it is taken from the contacts. `header` is None where no column
    fills the target.
    """

    target: str
    type: Type
    header: str | None
    normal: Program | None = None
    by_number: bool = False

    @property
    def path(self) -> list[str]:
        """The target's parts."""
        return self.target.split(".", 2) if self.target[0] == "c" else self.target.split(".", 1)

    def column(self, cells: Cells, form: Mapping[str, Column], contacts: BatchContacts) -> Any:
        """The key texts of a batch, an Arrow array."""
        texts = self._sent(form, contacts)
        if self.normal is not None:
            numbers = self.normal.run(cells).texts
            # A text that is no number is compared as it is sent; without a text there is no key.
            return pc.if_else(pa.array(not_blank(texts) & not_blank(numbers)), numbers, texts)
        if self.by_number and contacts.phones is not None:
            return _numbers(texts, contacts.phones, int(self.path[1]))
        return pc.utf8_lower(texts) if self.type == "email" else texts

    def _sent(self, form: Mapping[str, Column], contacts: BatchContacts) -> Any:
        match self.path:
            case ["form", name]:
                return _with_data(form[name])
            case [_, number, part] if int(number) in contacts.numbered:
                return _with_data(contacts.numbered[int(number)].parts[part][0])
            case [_, number, "phone"] if (phones := contacts.phone_texts(int(number))) is not None:
                return phones
        raise ValueError(self.target)


def _with_data(column: Column) -> Any:
    """The values that come from cells: two rows with the same default are no duplicates."""
    return blanked(column.texts, ~column.data)


def _numbers(texts: Any, phones: Phones, contact: int) -> Any:
    """A contact's phones, those from cells that are valid as numbers."""
    numbers = texts.to_numpy(zero_copy_only=False).copy()
    mine = phones.given & (phones.contacts == contact)
    numbers[phones.places[mine]] = phones.numbers[mine].astype(str)
    return arrow_texts(numbers)


def row_keys(
    parts: Sequence[KeyPart], cells: Cells, form: Mapping[str, Column], contacts: BatchContacts
) -> Any | None:
    """The key of each row of a batch, blank where it has none; None where nothing is unique."""
    if not parts:
        return None
    columns = [part.column(cells, form, contacts) for part in parts]
    keys = columns[0]
    for column in columns[1:]:
        joined = pc.binary_join_element_wise(keys, column, pa.scalar(JOINT, pa.large_string()))
        keys = blanked(joined, ~(not_blank(keys) & not_blank(column)))
    return keys


def compile_keys(
    spec: MappingSpec, form: Mapping[str, Program], contacts: ContactsProgram
) -> tuple[list[KeyPart], list[Mistake]]:
    """Compile ``rows.unique``; the second list has the entries that this sheet cannot fill."""
    parts: list[KeyPart] = []
    missing: list[Mistake] = []
    types = {".".join(placed.path): placed.type for placed in spec.placed_rules()}
    for i, target in enumerate(spec.rows.unique or ()):
        program = _program(target, form, contacts)
        if program is None:
            number = target.split(".")[1]
            if contacts.spread is None or int(number) not in contacts.free:
                message = f"the sheet has no column that fills {target}"
                missing.append((("rows", "unique", str(i)), message))
            program = contacts.spread
        if program is None:
            continue
        each = ".".join(["contacts", "each", target.split(".")[-1]])
        type_ = types.get(program.target) or types.get(each) or "text"
        # Of a spread cell it is known which contact has which number only if all are numbers.
        told_apart = program is not contacts.spread or program.rule.on_error != "warn"
        if program.target in contacts.normal and told_apart:
            parts.append(KeyPart(target, type_, program.header, by_number=True))
        else:
            normal = (
                normal_program(program, spec)
                if type_ == "phone" and not program.rule.multiple
                else None
            )
            parts.append(KeyPart(target, type_, program.header, normal))
    return parts, missing


def _program(target: str, form: Mapping[str, Program], contacts: ContactsProgram) -> Program | None:
    if target.startswith("form."):
        return form[target.removeprefix("form.")]
    _, number, part = target.split(".")
    return contacts.numbered.get(int(number), {}).get(part)
