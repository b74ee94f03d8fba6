"""The values of one form field, compared with those that its field of the project has.

The comparison is the service's own: exact; text in a simple field as it is sent, the pieces of a
multiple one without white space at their ends; and text that is no value's name but the digits of
a valueid of the field is that value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from importer.model import Field, FieldType, Problem, Severity
from importer.survey.nearest import Near, Nearest
from importer.survey.tally import FIRST_ROWS, Count, Rows, Tally

PIPE = "|"
_MOST_DIGITS = 18
_SEARCHED = 1_000
"""New values of a field, those in most rows first, for which a like one is searched."""
_LISTED_BEYOND = 100
"""New values that are listed where there are too many to be meant."""
_LONGEST = 80
"""Characters of a value in a message."""
_ALLOW = "to create it: new_values in the mapping, or --allow-new-values"


@dataclass(frozen=True, slots=True)
class Filled:
    """A form field as the mapping fills it; `listed` are the new values that it allows."""

    name: str
    header: str | None
    multiple: bool = False
    valueid: bool = False
    listed: frozenset[str] = frozenset()

    @property
    def target(self) -> str:
        """The field's path, as problems name it."""
        return f"form.{self.name}"

    def problem(
        self,
        code: str,
        message: str,
        hint: str | None,
        severity: Severity = Severity.ERROR,
        value: str | None = None,
    ) -> Problem:
        """A problem of the whole column."""
        return Problem(None, self.header, self.target, code, message, value, hint, severity)


@dataclass(frozen=True, slots=True)
class NewValue:
    """A value that would be created, where it stands, and the nearest that exists."""

    filled: Filled
    text: str
    count: Count
    near: Near | None
    allowed: bool

    def __str__(self) -> str:
        arrow = f" → {quoted(self.near.name)}?" if self.near else ":"
        return f"{quoted(self.text)}{arrow} {in_rows(self.count)}"

    def problem(self) -> Problem:
        """The value as a problem: a warning where it may be created."""
        hints = []
        if self.near is not None and self.near.same:
            known = quoted(self.near.name)
            hints.append(f"{known} exists, and differs only in case, accents or white space;")
        elif self.near is not None:
            hints.append(f"did you mean {quoted(self.near.name)}?")
        if not self.allowed:
            hints.append(_ALLOW)
        return self.filled.problem(
            "new_value",
            f"{quoted(self.text)} would be created in {self.filled.name}: {in_rows(self.count)}",
            " ".join(hints).removesuffix(";") or None,
            Severity.WARNING if self.allowed else Severity.ERROR,
            self.text,
        )


class ValuesCheck:
    """Takes the texts of one form field, of ready rows only, and tells what does not fit."""

    def __init__(self, filled: Filled, field: Field, *, allow: bool) -> None:
        self._filled, self._field, self._allow = filled, field, allow
        self._names = frozenset(value.name for value in field.values)
        self._ids = frozenset(v.valueid for v in field.values if v.valueid is not None)
        has_values = field.type in {FieldType.SIMPLE, FieldType.MULTIPLE}
        takes_many = field.type is FieldType.MULTIPLE
        self._mismatch = (
            not filled.valueid
            and field.type is not FieldType.OTHER
            and takes_many is not filled.multiple
        )
        divide = PIPE if takes_many or filled.multiple else None
        self._new: Tally | None = None
        if has_values and not filled.valueid:
            self._new = Tally(self._is_new, divide)
        self._unknown_ids: Tally | None = None
        if filled.valueid and field.type is not FieldType.OTHER:
            self._unknown_ids = Tally(lambda text: not self._has_id(text))
        self._piped = Count()
        self._piped_example = ""

    def add(self, rows: Rows, texts: Any) -> None:
        """Take in the texts of some ready rows, an Arrow array as long as there are numbers."""
        if self._new is not None:
            self._new.add(rows, texts)
        if self._unknown_ids is not None:
            self._unknown_ids.add(rows, texts)
        if self._mismatch:
            piped = np.flatnonzero(pc.match_substring(texts, PIPE).to_numpy(zero_copy_only=False))
            if len(piped):
                self._piped_example = self._piped_example or texts[piped[0]].as_py()
                self._piped.add(len(piped), tuple(rows[piped[:FIRST_ROWS]].tolist()))

    def new_values(self) -> list[NewValue]:
        """The values that would be created, those in most rows first."""
        if self._new is None or not self._new.counts:
            return []
        nearest = Nearest(value.name for value in self._field.values if value.name)
        return [
            NewValue(
                self._filled,
                text,
                count,
                nearest.find(text) if number < _SEARCHED else nearest.same(text),
                self._allow or text in self._filled.listed,
            )
            for number, (text, count) in enumerate(self._new.by_count())
        ]

    def problems(self, new: list[NewValue]) -> Iterator[Problem]:
        """All that does not fit; `new` is what :meth:`new_values` gave."""
        if self._mismatch:
            yield self._mismatched()
        if self._unknown_ids is not None:
            yield from self._without_value(self._unknown_ids)
        if self._new is not None and self._new.beyond:
            yield self._filled.problem(
                "many_new_values",
                f"more than {len(new):,} values would be created in {self._filled.name}",
                "this looks like free text: map it to a text field"
                + ("" if self._allow else "; to create them all, add --allow-new-values"),
                Severity.WARNING if self._allow else Severity.ERROR,
            )
            new = new[:_LISTED_BEYOND]
        yield from (value.problem() for value in new)

    def _is_new(self, text: str) -> bool:
        return text not in self._names and not self._has_id(text)

    def _has_id(self, text: str) -> bool:
        short = len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit()
        return short and int(text) in self._ids

    def _mismatched(self) -> Problem:
        name, some = self._filled.name, self._piped.count > 0
        where = f", as {quoted(self._piped_example)}: {in_rows(self._piped)}" if some else ""
        severity = Severity.ERROR if some else Severity.WARNING
        if self._filled.multiple:
            kind = self._field.type.value
            message = f"the mapping gives {name} several values, and it is a {kind} field"
            what = f"{message}{where or ' (no row has more than one)'}"
            hint = "take multiple: true out of its rule, or map it to a multiple field"
            return self._filled.problem("field_not_multiple", what, hint, severity)
        message = f"{name} is a multiple field, and the mapping gives it one value"
        what = f"{message}, which a | would divide{where}" if some else message
        hint = f"add multiple: true to its rule, and split if {name} has several values in a cell"
        return self._filled.problem("field_is_multiple", what, hint, severity)

    def _without_value(self, unknown: Tally) -> Iterator[Problem]:
        known = [f"{v.valueid} {quoted(v.name)}" for v in self._field.values if v.valueid]
        listed = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
        for text, count in unknown.by_count():
            yield self._filled.problem(
                "unknown_valueid",
                f"{self._filled.name} has no value with the id {text}: {in_rows(count)}",
                f"its valueids are {listed}" if listed else "the field has no values",
                value=text,
            )
        if unknown.beyond:
            yield self._filled.problem(
                "unknown_valueid",
                f"and more ids that {self._filled.name} does not have",
                "this column does not hold valueids",
            )


def quoted(text: str) -> str:
    """A text from elsewhere as it stands in a message: on one line, of bearable length."""
    line = " ".join(text.split()) if not text.isprintable() else text
    return f'"{line}"' if len(line) <= _LONGEST else f'"{line[:_LONGEST]}…"'


def in_rows(count: Count) -> str:
    """How many rows, and the first of them, as ``14 rows (2, 17, 33 …)``."""
    listed = ", ".join(map(str, count.rows)) + (" …" if count.count > len(count.rows) else "")
    return f"{count.count:,} {'row' if count.count == 1 else 'rows'} ({listed})"
