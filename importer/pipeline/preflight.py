"""The gate: a file's ready rows compared with the live project, and what keeps it from being sent.

Here mapping, sheet and project meet; the comparison itself is :mod:`importer.survey.live`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from importer.errors import PreflightError
from importer.mapping.bound import BoundMapping
from importer.mapping.dates import has_year
from importer.mapping.load import LoadedMapping
from importer.mapping.records import Evaluated
from importer.mapping.spec import MappingSpec
from importer.model import Checkup, NewValue, Problem, Project, Severity, Users
from importer.reports.content import new_value
from importer.sending.loop import run_loop
from importer.settings import Pace, RunSettings, Target
from importer.survey.expected import Discrepancies, Expected, compare_expected
from importer.survey.live import FilledField, ProjectComparison, ProjectNeeds
from importer.survey.surveyor import Decision, is_ready, past_callbacks

CALLDATE = "%Y-%m-%d %H:%M:%S"
"""How the service wants the time of a call-back."""
NAMED = 20
"""New values of each field that are named on the terminal; reports have them all."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What a file is compared with, and whether it may create values that are not listed.

    `users` are None where they were not asked for: where the mapping fills no disposition.
    """

    project: Project
    allow_new_values: bool = False
    users: Users | None = None


class Refused(PreflightError):  # noqa: N818 - it says what became of the file
    """A file that is not sent, with what the check found in it."""

    def __init__(self, checkup: Checkup) -> None:
        super().__init__(
            f"{checkup.info.path}: not sent, since the project lacks what it needs",
            checkup.refused,
            "Mend the mapping or the sheet: map translates values. New values may be created where "
            "the mapping lists them under new_values, or with --allow-new-values; run "
            "--no-preflight compares nothing.",
        )
        self.checkup = checkup


class Preflight:
    """The comparison of one file with one project, while the file is surveyed."""

    def __init__(self, gate: Gate, mapping: LoadedMapping, bound: BoundMapping) -> None:
        self._mapping = mapping
        self._phone_headers = {
            number: parts["phone"].header for number, parts in bound.contacts.numbered.items()
        }
        headers = {name: program.header for name, (program, _) in bound.disposition.items()}
        self._comparison = ProjectComparison(
            gate.project,
            ProjectNeeds(
                form=tuple(_filled(mapping.spec, bound, name) for name in bound.form),
                stamp=mapping.spec.stamp,
                disposition=headers or None,
                allow_new_values=gate.allow_new_values,
            ),
            gate.users,
        )

    def add(self, evaluated: Evaluated, decisions: Sequence[Decision]) -> None:
        """Take in a batch; `decisions` say which of its rows will not be sent."""
        rows = evaluated.checked.rows
        ready = is_ready(rows, decisions)
        form = {name: cooked.column.texts for name, cooked in evaluated.form.items()}
        self._comparison.add_form(rows, ready, form)
        parts = {name: cooked.column.texts for name, cooked in evaluated.disposition.items()}
        self._comparison.add_dispositions(rows, ready & evaluated.has_disposition, parts)
        contacts, cells = evaluated.contacts, evaluated.cells
        for number in (*contacts.numbered, *contacts.free):
            if self._comparison.wants_contact(number):
                which = ready & contacts.has_phone(number, cells)
                self._comparison.add_contact(number, rows[which], self._phone_headers.get(number))

    def finish(self) -> ComparisonResult:
        """What does not fit, and why the file is not sent, if it is not."""
        difference = self._comparison.finish()
        lines = _lines(self._mapping, difference.problems, difference.new_values)
        return ComparisonResult(
            difference.problems, tuple(lines), difference.new_values, difference.expected
        )


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The result of a comparison; `refused` are the reasons for people not to send the file.

    `new_values` are those that would be created, field by field, those in most rows first.
    `expected` is what the rows count on, to be compared again before they are sent
    (:func:`compare_again`).
    """

    problems: tuple[Problem, ...]
    refused: tuple[str, ...]
    new_values: tuple[NewValue, ...]
    expected: Expected


def fetch_project(target: Target, pace: Pace) -> Project:
    """Ask for the project; raises ServiceError, and UsageError for a target that is unusable."""
    return _fetch(target, pace, users=False)[0]


def fetch_gate(mapping: LoadedMapping, target: Target, settings: RunSettings) -> Gate:
    """Ask for what a file is compared with: a wrong key or project id stops all before it begins.

    Users are asked for only where the mapping names one. Raises as :func:`fetch_project` does.
    """
    asks = mapping.spec.disposition is not None
    project, users = _fetch(target, settings.pace, users=asks)
    return Gate(project, settings.allow_new_values, users)


def compare_again(expected: Expected, target: Target, pace: Pace) -> Discrepancies:
    """Ask for the project anew, and tell what has changed of what a plan expects.

    Users are asked for only where the plan names some. Raises as :func:`fetch_project` does.
    """
    return compare_expected(expected, *_fetch(target, pace, users=bool(expected.users)))


def _fetch(target: Target, pace: Pace, *, users: bool) -> tuple[Project, Users | None]:
    async def ask() -> tuple[Project, Users | None]:
        from importer.api.client import Client

        async with Client(target, pace) as client:
            return await client.project(), await client.users() if users else None

    return run_loop(ask())


def with_past_callbacks(evaluated: Evaluated, bound: BoundMapping, now: datetime) -> Evaluated:
    """A batch with a warning of each call-back before `now`, which has an offset.

    Dates without an offset are in the mapping's time zone, and in local time where it has none.
    Those written without a year are passed over.
    """
    dates = evaluated.disposition.get("next_calldate")
    if dates is None:
        return evaluated
    format_ = dates.rule.output[0] if dates.rule.output else CALLDATE
    if not has_year(format_):
        return evaluated
    zone, checked = bound.spec.timezone, evaluated.checked
    unfiltered = ~np.isin(checked.rows, np.array(list(checked.filtered), dtype=np.int64))
    late = past_callbacks(
        checked.rows,
        dates.column.texts,
        evaluated.has_disposition & unfiltered,
        format_=format_,
        now=now.astimezone(ZoneInfo(zone) if zone else None).replace(tzinfo=None),
        header=bound.disposition["next_calldate"][0].header,
    )
    return replace(evaluated, checked=replace(checked, problems=(*checked.problems, *late)))


def _filled(spec: MappingSpec, bound: BoundMapping, name: str) -> FilledField:
    program, type_ = bound.form[name]
    return FilledField(
        name,
        program.header,
        multiple=program.rule.multiple,
        valueid=type_ == "valueid",
        listed=frozenset(spec.new_values.get(name, ())),
    )


def _lines(
    mapping: LoadedMapping, problems: Sequence[Problem], new: Sequence[NewValue]
) -> Iterator[str]:
    """Everything that keeps the file back, with its place in the mapping."""
    for problem in problems:
        if problem.severity is Severity.ERROR and problem.code != "new_value":
            hint = f": {problem.hint}" if problem.hint else ""
            place = tuple((problem.target or "").split(".", 1))
            yield mapping.mistake(place, f"{problem.message}{hint}")
    forbidden: dict[str, list[NewValue]] = {}
    for value in new:
        if not value.allowed:
            forbidden.setdefault(value.field, []).append(value)
    for name, values in forbidden.items():
        count = "1 value" if len(values) == 1 else f"{len(values):,} values"
        yield mapping.mistake(("form", name), f"{count} would be created")
        yield from (f"  {new_value(value)}" for value in values[:NAMED])
        if len(values) > NAMED:
            yield f"  … and {len(values) - NAMED:,} more: a report (--report FILE) has them all"
