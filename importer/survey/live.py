"""A whole file compared with the project that its rows would be sent to; ready rows only.

What does not fit is a problem of a whole column: an error where the service would refuse the
record or, worse, take it and spoil the project with a value that nobody meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from importer.model import Field, FieldType, Problem, Project
from importer.survey.live_dispositions import DispositionsCheck
from importer.survey.live_values import Filled, NewValue, ValuesCheck, quoted
from importer.survey.nearest import Nearest
from importer.survey.tally import Rows

Mask = npt.NDArray[np.bool_]
Texts = Mapping[str, Any]
"""Columns by name, each an Arrow array of large strings."""
_LISTED = 12


@dataclass(frozen=True, slots=True)
class Needs:
    """What a mapping needs of a project.

    `disposition` has the parts that are given, with the headers of their columns. With
    `allow_new_values`, values may be created though the mapping does not list them.
    """

    form: Sequence[Filled]
    stamp: str | None = None
    disposition: Mapping[str, str | None] | None = None
    allow_new_values: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """What a file needs and the project lacks; `new_values` stand among the problems, too."""

    problems: tuple[Problem, ...]
    new_values: tuple[NewValue, ...]


class Comparison:
    """Takes the rows of a file batch by batch; :meth:`finish` tells the difference."""

    def __init__(self, project: Project, needs: Needs) -> None:
        self._project, self._needs = project, needs
        self._fields = {field.name: field for field in project.fields}
        self._values = {
            filled.name: ValuesCheck(
                filled, self._fields[filled.name], allow=needs.allow_new_values
            )
            for filled in needs.form
            if filled.name in self._fields
        }
        self._dispositions = (
            DispositionsCheck(project, needs.disposition) if needs.disposition else None
        )

    def add_form(self, rows: Rows, ready: Mask, form: Texts) -> None:
        """Take in the form's columns of a batch; `ready` says which rows would be sent."""
        some, mask = rows[ready], pa.array(ready)
        for name, check in self._values.items():
            check.add(some, form[name].filter(mask))

    def add_dispositions(self, rows: Rows, which: Mask, parts: Texts) -> None:
        """Take in the disposition's columns; `which` rows would be sent and have one."""
        if self._dispositions is not None and which.any():
            mask = pa.array(which)
            some = {name: texts.filter(mask) for name, texts in parts.items()}
            self._dispositions.add(rows[which], some)

    def finish(self) -> Difference:
        """What does not fit: fields first, then values in the mapping's order, dispositions."""
        problems = [*self._unknown_fields(), *self._unfit_stamp()]
        created: list[NewValue] = []
        for check in self._values.values():
            new = check.new_values()
            problems += check.problems(new)
            created += new
        if self._dispositions is not None:
            problems += self._dispositions.problems()
        return Difference(tuple(problems), tuple(created))

    def _unknown_fields(self) -> Iterator[Problem]:
        names = [(filled.name, filled.target, filled.header) for filled in self._needs.form]
        if self._needs.stamp is not None:
            names.append((self._needs.stamp, "stamp", None))
        missing = [entry for entry in names if entry[0] not in self._fields]
        if not missing:
            return
        nearest = Nearest(text for field in self._project.fields for text in _called(field))
        for name, target, header in missing:
            message = f"the project has no field {quoted(name)}"
            hint = self._field_hint(name, nearest)
            yield Problem(None, header, target, "unknown_field", message, name, hint)

    def _field_hint(self, name: str, nearest: Nearest) -> str:
        near = nearest.find(name)
        for field in self._project.fields if near is not None else ():
            if near is not None and near.name == field.name:
                return f"did you mean {quoted(field.name)}?"
            if near is not None and near.name == field.label:
                return f"did you mean {quoted(field.name)}, labelled {quoted(field.label)}?"
        listed = [quoted(field.name) for field in self._project.fields]
        more = " …" if len(listed) > _LISTED else ""
        return f"it has {', '.join(listed[:_LISTED])}{more}" if listed else "it has no fields"

    def _unfit_stamp(self) -> Iterator[Problem]:
        """A stamp is another text in every row: each would become a value of its own."""
        name = self._needs.stamp
        field = self._fields.get(name) if name is not None else None
        if field is not None and field.type in {FieldType.SIMPLE, FieldType.MULTIPLE}:
            message = f"the stamp goes into {field.name}, which is a {field.type.value} field"
            hint = "every row would create a value: choose a text field, or remove stamp"
            yield Problem(None, None, "stamp", "stamp_not_text", message, field.name, hint)


def _called(field: Field) -> tuple[str, str]:
    return field.name, field.label
