"""Which column fits which field of a live project, by name, label and meaning."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from importer.drafting.sample import Column
from importer.drafting.words import Meaning, Role, field_name, meaning_of
from importer.drafting.yaml import UNSURE, shown
from importer.model import Field, FieldType, Project

_ALIKE = 0.85
_VAGUE = {Role.ID, Role.DATE, Role.AMOUNT, Role.COUNT, None}
"""Meanings that many fields and columns share: two of them need not be the same thing."""


@dataclass(frozen=True, slots=True)
class Match:
    """A field for a column, and what a person should know of that."""

    field: Field
    remarks: tuple[str, ...] = ()


def match_fields(project: Project, columns: Sequence[tuple[Column, Meaning]]) -> dict[int, Match]:
    """The field of each column that has one, by the column's index; no field is taken twice.

    Equal names go before equal meanings, and those before names that are merely alike.
    """
    found: dict[int, Match] = {}
    left = {field.name: field for field in project.fields if field.name.strip()}

    def take(column: Column, field: Field, *remarks: str) -> None:
        found[column.index] = Match(left.pop(field.name), remarks)

    for column, _ in columns:
        name = field_name(column.header)
        for field in list(left.values()):
            if name and name in {field_name(field.name), field_name(field.label)}:
                take(column, field)
                break
    for column, meaning in columns:
        if column.index in found or meaning.role in _VAGUE:
            continue
        for field in list(left.values()):
            if _role(field) is meaning.role:
                take(column, field)
                break
    for column, _ in columns:
        if column.index not in found:
            names = {field_name(f.name): f for f in left.values()}
            names |= {field_name(f.label): f for f in left.values() if f.label}
            close = difflib.get_close_matches(field_name(column.header), names, 1, _ALIKE)
            if close and close[0]:
                take(column, names[close[0]], f"{UNSURE}the names are merely alike")
    return found


def _role(field: Field) -> Role | None:
    return meaning_of(field.name).role or meaning_of(field.label).role


def fit_field(
    column: Column, rule: Mapping[str, Any], field: Field
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A rule as the field wants it, and what to know: values that the project does not have."""
    fitted = dict(rule)
    if field.type is FieldType.MULTIPLE:
        fitted = {k: v for k, v in fitted.items() if k not in {"type", "input", "output"}}
        fitted["multiple"] = True
    elif fitted.pop("multiple", False):
        fitted.pop("split", None)
    if field.type in {FieldType.TEXT, FieldType.OTHER}:
        return fitted, ()
    marks = fitted.get("split", ())
    texts = set(column.texts)
    for mark in marks:
        texts = {piece.strip() for text in texts for piece in text.split(mark)} - {""}
    new = len(texts - {value.name for value in field.values})
    if not new:
        return fitted, ()
    some = f"{new:,} of {len(texts):,} different values are new to the field {shown(field.name)}"
    return fitted, (f"{UNSURE}{some}: translate them with map, or let them be created",)
