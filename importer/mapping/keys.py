"""What makes two rows the same: the key texts of ``rows.unique``.

Phones are compared in one normal form whatever form is sent, e-mails without regard to case.
A row in which any part is blank has no key: it is never a duplicate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from importer.mapping.cells import JOINT, Cells
from importer.mapping.contacts import ContactsColumns, ContactsProgram
from importer.mapping.program import Column, Program, compiled
from importer.mapping.rule import Type
from importer.mapping.spec import MappingSpec


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One entry of ``rows.unique``; `normal` computes its normal form where that is not sent."""

    target: str
    type: Type
    normal: Program | None = None

    @property
    def path(self) -> list[str]:
        """The target's parts."""
        return self.target.split(".", 2) if self.target[0] == "c" else self.target.split(".", 1)

    def column(
        self, cells: Cells, form: Mapping[str, Column], contacts: ContactsColumns
    ) -> pd.Series[str]:
        """The key texts of a batch."""
        if self.normal is not None:
            numbers = _with_data(self.normal.run(cells))
            # A contact that was left out makes no two rows the same.
            return numbers.mask((self._sent(form, contacts) == "").to_numpy(dtype=bool), "")
        values = self._sent(form, contacts)
        return values.str.lower() if self.type == "email" else values

    def _sent(self, form: Mapping[str, Column], contacts: ContactsColumns) -> pd.Series[str]:
        match self.path:
            case ["form", name]:
                return _with_data(form[name])
            case [_, number, part] if int(number) in contacts.numbered:
                return _with_data(contacts.numbered[int(number)].parts[part][0])
            case [_, number, "phone"] if (phones := contacts.phone_texts(int(number))) is not None:
                return phones
        raise ValueError(self.target)


def _with_data(column: Column) -> pd.Series[str]:
    """The values that come from cells: a default is no data, and makes no two rows the same."""
    return column.values.mask(~column.data, "")


def row_keys(
    parts: Sequence[KeyPart], cells: Cells, form: Mapping[str, Column], contacts: ContactsColumns
) -> list[str] | None:
    """The key of each row of a batch, blank where it has none; None where nothing is unique."""
    if not parts:
        return None
    columns = [part.column(cells, form, contacts).tolist() for part in parts]
    if len(columns) == 1:
        return columns[0]
    return [JOINT.join(texts) if all(texts) else "" for texts in zip(*columns, strict=True)]


def compile_keys(
    spec: MappingSpec, form: Mapping[str, Program], contacts: ContactsProgram
) -> tuple[list[KeyPart], list[tuple[tuple[str, ...], str]]]:
    """Compile ``rows.unique``; the second list says which entries this sheet cannot fill."""
    parts: list[KeyPart] = []
    missing: list[tuple[tuple[str, ...], str]] = []
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
        parts.append(KeyPart(target, type_, _normal(program, type_, spec)))
    return parts, missing


def _program(target: str, form: Mapping[str, Program], contacts: ContactsProgram) -> Program | None:
    if target.startswith("form."):
        return form[target.removeprefix("form.")]
    _, number, part = target.split(".")
    return contacts.numbered.get(int(number), {}).get(part)


def _normal(program: Program, type_: Type, spec: MappingSpec) -> Program | None:
    rule = program.rule
    if type_ != "phone" or rule.format in {None, "digits", "e164"} or rule.multiple:
        return None
    plain = rule.model_copy(update={"format": "digits", "required": False})
    bare = Program(program.target, plain, program.columns, program.names)
    return compiled(bare, type_, spec)
