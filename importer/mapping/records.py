"""Records put together from the columns of a batch, for rows that are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import Cells, Mask, or_null
from importer.mapping.contacts import ContactsColumns
from importer.mapping.program import Column
from importer.mapping.rule import Rule, Type
from importer.model import Checked, ContactTexts, Records


@dataclass(frozen=True, slots=True)
class Cooked:
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
    """A batch after the plan: its columns, computed, and what was found wrong with its rows."""

    cells: Cells
    form: Mapping[str, Cooked]
    contacts: ContactsColumns
    phone_field: Column | None
    premium: Mapping[str, Cooked]
    disposition: Mapping[str, Cooked]
    has_disposition: Mask
    checked: Checked


def assemble(done: Evaluated, stamp: str | None, run_id: str) -> Records:
    """The records of all rows of a batch, in order; for invalid rows they mean nothing."""
    rows = done.cells.batch.rows
    form = {name: cooked.texts() for name, cooked in done.form.items()}
    if stamp is not None:
        form[stamp] = pa.array([f"{run_id}:{row}" for row in rows.tolist()], pa.large_string())
    contacts = dict(sorted(_contacts(done.contacts)))
    return Records(
        rows=rows,
        form=form,
        valueids=frozenset(name for name, cooked in done.form.items() if cooked.type == "valueid"),
        contacts=contacts,
        phone_field=_phone_field(done.phone_field, contacts, len(rows)),
        premium={name: cooked.texts() for name, cooked in done.premium.items()},
        disposition={name: cooked.texts() for name, cooked in done.disposition.items()},
        disposed=done.has_disposition,
    )


def _contacts(contacts: ContactsColumns) -> Iterator[tuple[str, ContactTexts]]:
    for n, columns in contacts.numbered.items():
        parts = {
            part: Cooked(column, rule, "text").texts()
            for part, (column, rule) in columns.parts.items()
        }
        yield str(n), ContactTexts(parts, columns.exists)
    for n in contacts.free:
        phones = contacts.phone_texts(n)
        if phones is not None:
            there = pc.not_equal(phones, "").to_numpy(zero_copy_only=False)
            yield str(n), ContactTexts({"phone": phones}, there)


def _phone_field(chosen: Column | None, contacts: dict[str, ContactTexts], count: int) -> pa.Array:
    """What the rule says, or else the lowest contact that there is."""
    field = pa.nulls(count, pa.large_string())
    for key in reversed(contacts):
        name = pa.scalar(f"phone{key}", pa.large_string())
        field = pc.if_else(pa.array(contacts[key].exists), name, field)
    return field if chosen is None else pc.coalesce(or_null(chosen.texts), field)
