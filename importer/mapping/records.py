"""Records put together from columns, row by row: the only per-row work, for rows that are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from importer.mapping.cells import Cells, Mask
from importer.mapping.contacts import ContactsColumns
from importer.mapping.program import Column
from importer.mapping.rule import Rule, Type
from importer.mapping.values import PIPE
from importer.model import Checked, Record


@dataclass(frozen=True, slots=True)
class Cooked:
    """A column with the rule it came from, which says what a blank means."""

    column: Column
    rule: Rule
    type: Type

    def texts(self) -> list[str | None]:
        """The texts to send, None where the key is left out."""
        if self.rule.empty == "send":
            return list(self.column.values.tolist())
        return [text or None for text in self.column.values.tolist()]


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


def assemble(done: Evaluated, stamp: str | None, run_id: str) -> Iterator[Record]:
    """Give the records of all rows of a batch, in order; for invalid rows they mean nothing."""
    rows: list[int] = done.cells.batch.rows.tolist()
    forms = _dicts(done.form, len(rows))
    contacts = _contacts(done, len(rows))
    premiums = _dicts(done.premium, len(rows))
    dispositions = _dicts(done.disposition, len(rows))
    chosen = done.phone_field.values.tolist() if done.phone_field is not None else [""] * len(rows)
    for i, row in enumerate(rows):
        if stamp is not None:
            forms[i][stamp] = f"{run_id}:{row}"
        called = dict(sorted(contacts[i].items()))
        yield Record(
            row=row,
            form=forms[i],
            contacts=called,
            phone_field=chosen[i] or (f"phone{next(iter(called))}" if called else None),
            premium={key: str(value) for key, value in premiums[i].items()},
            disposition=(
                {key: str(value) for key, value in dispositions[i].items()}
                if done.has_disposition[i]
                else None
            ),
        )


def _dicts(columns: Mapping[str, Cooked], count: int) -> list[dict[str, str | int]]:
    dicts: list[dict[str, str | int]] = [{} for _ in range(count)]
    for name, cooked in columns.items():
        number = cooked.type == "valueid"
        for into, text in zip(dicts, cooked.texts(), strict=True):
            if text is not None:
                into[name] = int(text) if number and text.isdigit() else text
    return dicts


def _contacts(done: Evaluated, count: int) -> list[dict[str, dict[str, str]]]:
    contacts: list[dict[str, dict[str, str]]] = [{} for _ in range(count)]
    for n, columns in done.contacts.numbered.items():
        key = str(n)
        parts = [
            (part, Cooked(column, rule, "text").texts())
            for part, (column, rule) in columns.parts.items()
        ]
        for i, exists in enumerate(columns.exists.tolist()):
            if exists:
                contacts[i][key] = {
                    part: text for part, texts in parts if (text := texts[i]) is not None
                }
    spread = done.contacts.spread
    if spread is not None:
        keys = [str(n) for n in done.contacts.free]
        for into, text in zip(contacts, spread.values.tolist(), strict=True):
            if text:
                phones = zip(keys, text.split(PIPE), strict=False)
                into |= {key: {"phone": phone} for key, phone in phones}
    return contacts
