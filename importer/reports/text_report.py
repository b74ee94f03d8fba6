"""The report for the terminal and as .txt: the verdict first, then what to mend, in 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from importer.files import command
from importer.model import Checkup, Problem, Severity, Status, Survey
from importer.reports.content import (
    EXAMPLES,
    LONG_HINT,
    ProblemGroup,
    Tone,
    blocked,
    columns,
    conclusion,
    count,
    describe,
    left_out,
    location,
    new_value,
    percent,
    phones_read,
    problem_groups,
    readiness,
    visible,
)

WIDTH = 100
NEW_VALUES = 20
"""Values that would be created that are shown."""
REASONS = 8
"""Reasons that are shown why rows are left out."""
LOW_FILL = 0.5
LOW_COLUMNS = 10
"""Of the mapped columns that are less than half full, the emptiest are shown: so many."""
_BAR = 20


@dataclass(frozen=True, slots=True)
class NextSteps:
    """The arguments of the two commands that a report suggests.

    `proceed` goes on with the file: ``plan``, or, for a sandbox, ``run``. `check` checks it again.
    `redirection` stands behind both, for the shell. `is_rehearsal` says that it is a sandbox since
    nobody has named a project.
    """

    proceed: tuple[str, ...]
    check: tuple[str, ...]
    redirection: str = ""
    is_rehearsal: bool = False


def as_text(checkup: Checkup, steps: NextSteps | None = None, place: str | None = None) -> str:
    """The report, with the commands to go on with where `steps` are given.

    `place` says, for people, where the rows would be sent, and as whom.
    """
    return "\n".join(_lines(checkup, steps, place)) + "\n"


def _lines(checkup: Checkup, steps: NextSteps | None, place: str | None) -> Iterator[str]:
    info, survey = checkup.info, checkup.survey
    yield from _wrapped(f"{visible(info.path)}: {conclusion(checkup).headline}", "")
    yield from _wrapped(describe(info), "  ")
    yield from _rows(checkup, place)
    yield from _project(checkup, asks=steps is not None)
    yield from _readiness(survey)
    if read := phones_read(checkup):
        yield ""
        yield "  Phones"
        for line in read:
            yield from _wrapped(line, "    ")
    yield from _problems(survey)
    yield from _sparse_columns(checkup)
    if checkup.unused_columns:
        names = ", ".join(map(visible, checkup.unused_columns))
        yield ""
        yield from _wrapped(f"Columns that the mapping does not use: {names}", "  ")
    if steps is not None:
        yield ""
        yield from _next_commands(checkup, steps)


def _rows(checkup: Checkup, place: str | None) -> Iterator[str]:
    """How many rows would be sent, and where; how many would not, and why."""
    survey, where = checkup.survey, f" in {visible(place)}" if place else ""
    mended = " once that is mended" if blocked(checkup) else ""
    told = [("ready", survey.ready, f"to be created{where}{mended}" if survey.ready else "")]
    told += [
        (status.value, rows, left_out(survey, status, REASONS))
        for status, rows in ((Status.SKIPPED, survey.skipped), (Status.INVALID, survey.invalid))
        if rows
    ]
    for name, rows, why in (*told, ("rows", survey.rows, "")):
        yield from _wrapped(f"{name:<10} {rows:>9,}   {why}", "  ", hang=23)


def _project(checkup: Checkup, *, asks: bool) -> Iterator[str]:
    """What the project lacks, and what would be created there; that it was not asked.

    It `asks` with an option of its own, if that is given.
    """
    yield ""
    for line in checkup.refused:
        yield from _wrapped(visible(line), "  ", hang=2)
    allowed = [value for value in checkup.new_values or () if value.allowed]
    if checkup.new_values is None:
        how = " --online asks it." if asks else ""
        yield f"  The project was not asked whether it has these fields and values.{how}"
    elif allowed:
        values = count(len(allowed), "value")
        yield f"  {values} would be created in the project, for good, as is allowed:"
        for value in allowed[:NEW_VALUES]:
            yield from _wrapped(f"{visible(value.field)}: {new_value(value)}", "    ")
        if (more := len(allowed) - NEW_VALUES) > 0:
            yield f"    … and {more:,} more"
    elif not checkup.refused:
        yield "  The project was asked: it has all that these rows need."


def _readiness(survey: Survey) -> Iterator[str]:
    figures = readiness(survey)
    if not figures:
        return
    yield ""
    yield "  Dial readiness"
    for name, figure in figures:
        yield f"    {name:<34} {figure}"
    if survey.readiness.contacts:
        spread = ", ".join(
            f"{count(rows, 'row')} with {contacts}"
            for contacts, rows in sorted(survey.readiness.contacts.items())
            if rows
        )
        yield from _wrapped(f"{'Contacts in a row':<34} {spread}", "    ", hang=39)


def _problems(survey: Survey) -> Iterator[str]:
    if not survey.problem_counts:
        return
    yield ""
    yield f"  Problems: {count(survey.errors, 'error')}, {count(survey.warnings, 'warning')}"
    for group in problem_groups(survey):
        yield ""
        if group.code == "new_value":
            yield f"  {group.code} ({group.count:,}): named above"
            continue
        yield f"  {group.code} ({group.count:,})"
        yield from _examples(group)


def _examples(group: ProblemGroup) -> Iterator[str]:
    for problem in group.examples[:EXAMPLES]:
        yield from _wrapped(_complaint(problem), "    ", hang=2)
        if problem.hint:
            yield from _wrapped(f"→ {visible(problem.hint, LONG_HINT)}", "      ", hang=2)
    more = group.count - min(len(group.examples), EXAMPLES)
    if more > 0:
        yield f"    … and {more:,} more"


def _complaint(problem: Problem) -> str:
    warning = "warning: " if problem.severity is Severity.WARNING else ""
    return f"{location(problem)}: {warning}{visible(problem.message)}"


def _sparse_columns(checkup: Checkup) -> Iterator[str]:
    rows = checkup.survey.rows
    low = [
        (fill.filled, name)
        for fill, name, used in columns(checkup)
        if used and rows and fill.filled < LOW_FILL * rows
    ]
    if not low:
        return
    low.sort()
    yield ""
    yield "  Mapped columns that are less than half full"
    for filled, name in low[:LOW_COLUMNS]:
        bar = ("#" * round(_BAR * filled / rows)).ljust(_BAR, ".")
        *lines, last = textwrap.wrap(name, 40, break_on_hyphens=False) or [""]
        yield from (f"    {line}" for line in lines)
        yield f"    {last:<40} {bar} {percent(filled, rows):>7}"
    if len(low) > LOW_COLUMNS:
        yield f"    … and {len(low) - LOW_COLUMNS} more"


def _next_commands(checkup: Checkup, steps: NextSteps) -> Iterator[str]:
    # Commands stand on one line, however long: they are there to be copied.
    survey = checkup.survey
    proceed = f"  {command(*steps.proceed)}{steps.redirection}"
    verb, end = "plan", ", which sends nothing yet:"
    if steps.proceed[0] != "plan":
        why = ", since no project is named; --project ID names one" if steps.is_rehearsal else ""
        verb, end = "try", f" (in a sandbox{why}):"
    if conclusion(checkup).tone is Tone.GOOD:
        yield f"To {verb} the import{end}"
        yield proceed
        return
    copy = f"{PurePath(steps.check[1]).stem.lstrip('-') or 'report'}-check.xlsx"
    yield "To get a copy with the bad cells coloured, to be mended and checked again:"
    yield f"  {command(*steps.check, '--report', copy)}{steps.redirection}"
    if survey.invalid and survey.ready and not blocked(checkup):
        rows = "row" if survey.ready == 1 else f"{survey.ready:,} rows"
        yield f"To {verb} the import of the {rows} that can be sent{end}"
        yield proceed


def _wrapped(text: str, indent: str, hang: int = 2) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * (len(indent) + hang),
        break_on_hyphens=False,
    )
