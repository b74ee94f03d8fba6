"""The record's own fields: what each column of a sheet that is left becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from importer.drafting.contacts import Read
from importer.drafting.kinds import Guess, fit, guess_type
from importer.drafting.project import Match, fit_field, match_fields
from importer.drafting.sample import Column
from importer.drafting.values import guess_list, remarks_on
from importer.drafting.words import Meaning, Role, field_name
from importer.drafting.yaml import UNSURE, Line, of_rule, scalar
from importer.mapping.program import column_letter
from importer.model import Project

_CONVENTIONAL = frozenset(
    {Role.EMAIL, Role.CITY, Role.ZIP, Role.STREET, Role.ADDRESS, Role.COUNTRY, Role.COMPANY}
    | {Role.NOTE, Role.BIRTH, Role.URL}
)
"""Roles whose fields have a name of their own, whatever the header's language."""

Person = tuple[Mapping[str, Any], Sequence[Column]]
"""The rule that gives the record's name, and the columns it takes."""


@dataclass(frozen=True, slots=True)
class Form:
    """Lines below ``form:``, the names of its fields by role, and columns no field fits."""

    lines: tuple[Line, ...]
    names: Mapping[Role, str]
    left: tuple[Column, ...] = ()
    unfilled: tuple[str, ...] = ()


def find_person(reads: Sequence[Read]) -> Person | None:
    """What gives the record its name: a column, or first and last name as the sheet orders them.

    Beside a first name the column *Name* may hold the last name, as texts of one word show.
    """
    names = [read for read in reads if read[1].role is Role.NAME]
    whole = sorted(names, key=lambda read: read[1].number or 0)
    parts: dict[Role, Column] = {}
    for column, meaning in reads:
        if meaning.role in {Role.FIRST_NAME, Role.LAST_NAME} and meaning.number in {None, 1}:
            parts.setdefault(meaning.role, column)
    if whole and whole[0][1].number in {None, 1}:
        column = whole[0][0]
        single = sum(len(text.split()) == 1 for text in column.texts)
        if len(parts) != 1 or single * 2 <= len(column.texts):
            return {"column": column.header}, [column]
        parts[Role.NAME] = column
    columns = sorted(parts.values(), key=lambda column: column.index)
    if len(columns) == 2:
        return {"columns": [column.header for column in columns]}, columns
    return ({"column": columns[0].header}, columns) if columns else None


def draft_form(
    reads: Sequence[Read],
    person: Person | None,
    used: frozenset[int],
    language: str | None,
    project: Project | None,
) -> Form:
    """Give each column that is not `used` elsewhere a field, of the project's where it is known."""
    lines: list[Line] = []
    names: dict[Role, str] = {}
    taken: set[str] = set()
    matches: dict[int, Match] = {}
    rest = [read for read in reads if read[0].index not in used]
    if project is not None:
        candidates = [*(r for r in reads if person and r[0] is person[1][0]), *rest]
        matches = match_fields(project, list({r[0].index: r for r in candidates}.values()))
        named = [f for f in project.fields if f.name == "name"]
        if person is not None and named and len(person[1]) > 1:
            matches = {i: m for i, m in matches.items() if m.field.name != "name"}
            matches[person[1][0].index] = Match(named[0])
    if person is not None and (project is None or person[1][0].index in matches):
        match = matches.get(person[1][0].index)
        name = match.field.name if match else Role.NAME.value
        lines.append(Line(scalar(name), of_rule(person[0]), match.remarks if match else ()))
        taken.add(name)
        rest = [read for read in rest if read[0] not in person[1]]
    left: list[Column] = []
    for column, meaning in rest:
        guess = guess_list(column, meaning) or guess_type(column, meaning, language)
        rule, remarks, choices = guess.rule(column.header), guess.remarks, guess.choices
        if project is not None:
            match = matches.get(column.index)
            if match is None:
                left.append(column)
                continue
            rule, new = fit_field(column, rule, match.field)
            name, remarks = match.field.name, (*match.remarks, *remarks, *new)
        else:
            conventional = meaning.role in _CONVENTIONAL and meaning.number is None
            name = str(meaning.role) if conventional else field_name(column.header)
            name = _unique(name or f"column_{column_letter(column.index).lower()}", taken)
        if not guess.type and "multiple" not in rule:
            remarks = (*remarks, *_not_called(column, meaning.role), *remarks_on(column, meaning))
        taken.add(name)
        if meaning.role is not None:
            names.setdefault(meaning.role, name)
        instead = [of_rule({**rule, **chosen}) for chosen in choices if "type" in rule]
        lines.append(Line(scalar(name), of_rule(rule), remarks, instead=instead))
    unfilled = tuple(f.name for f in project.fields if f.name not in taken) if project else ()
    return Form(tuple(lines), names, tuple(left), unfilled)


def _unique(name: str, taken: set[str]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _not_called(column: Column, role: Role | None) -> tuple[str, ...]:
    """Say why a column that is headed as a phone is text."""
    if role not in {Role.PHONE, Role.MOBILE} or not column.texts:
        return ()
    found = fit(column.texts, "phone")
    return (
        f"{UNSURE}only {found.good:,} of {len(found.values):,} values are valid phones, so this is"
        " no contact; if it has phones, put it under contacts",
    )


def money(column: Column, role: Role) -> Guess | None:
    """The type of a price or commission; None where the texts are no numbers, or not surely so."""
    if not column.texts:
        return None
    guess = guess_type(column, Meaning(role, None, None, frozenset()), None)
    return guess if guess.type == "decimal" else None
