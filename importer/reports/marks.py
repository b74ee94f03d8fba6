"""What the workbooks of a report have in common: marks, their words, and the summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from importer.model import Checkup, Problem, Severity
from importer.reports.content import (
    columns,
    conclusion,
    describe,
    location,
    phones_read,
    problem_groups,
    readiness,
    remedies,
    supplier_hint,
    supplier_message,
    visible,
)

MOST_COMMENTS = 20_000
"""Spreadsheet programs become slow with many more."""

SUMMARY = "Summary"
"""The name of the last sheet."""

COUNT = "#,##0"

SHARE = "0.0 %"

LONGEST_COMMENT = 2000
"""Characters of a comment."""

_SUMMARY_WIDTHS = (34, 14, 60, 60)

_WIDEST_NAME = 80

_WIDEST_LIST = 500
"""Columns listed with their fill rate."""


class ColumnsByHeader:
    """Which columns a problem means by the headers it names; a header may stand twice."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._columns: dict[str, list[int]] = {}
        for column, header in enumerate(headers):
            if header:
                self._columns.setdefault(header, []).append(column)

    def of(self, named: str | None) -> list[int]:
        """The columns of one header, or of several with commas between; a header may have some."""
        if not named:
            return []
        if named in self._columns:
            return self._columns[named]
        found: list[int] = []
        parts = named.split(", ")
        while parts:
            for length in range(len(parts), 0, -1):
                columns = self._columns.get(", ".join(parts[:length]))
                if columns is not None:
                    found += columns
                    break
            parts = parts[length:]
        return found

    def marks(
        self, problems: Iterable[Problem], shown: Mapping[int, int], *, row_wide: bool
    ) -> dict[int, list[Problem]]:
        """The problems by the column in which they are marked.

        `shown` says where columns of the source stand. With `row_wide`, what concerns none of them
        is marked in the first.
        """
        marks: dict[int, list[Problem]] = {}
        for problem in problems:
            found = [shown[i] for i in self.of(problem.column) if i in shown]
            if not found and row_wide and shown:
                found = [0]
            for column in found:
                marks.setdefault(column, []).append(problem)
        return marks


class ProblemsByRow:
    """Problems in the order of their rows, handed out while the rows are gone through."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._groups = groupby(problems, key=lambda problem: problem.row or 0)
        self._next = self._take()

    def up_to(self, row: int) -> list[Problem]:
        """The problems that were not taken yet, up to and with this row's."""
        found: list[Problem] = []
        while self._next is not None and self._next[0] <= row:
            found += self._next[1]
            self._next = self._take()
        return found

    def _take(self) -> tuple[int, list[Problem]] | None:
        group = next(self._groups, None)
        return None if group is None else (group[0], list(group[1]))


def worst_severity(problems: Sequence[Problem]) -> Severity:
    """The severity by which a cell with these problems is marked."""
    errors = any(problem.severity is Severity.ERROR for problem in problems)
    return Severity.ERROR if errors else Severity.WARNING


def complaint(problems: Sequence[Problem], between: str) -> str:
    """What is wrong and how to mend it; a cell that fills two targets is told once."""
    told = dict.fromkeys(
        " → ".join(
            filter(None, (_placed(problem), visible(supplier_hint(problem)))),
        )
        for problem in problems
    )
    return between.join(told)[:LONGEST_COMMENT]


def _placed(problem: Problem) -> str:
    message = visible(supplier_message(problem))
    return f"{visible(problem.column)}: {message}" if problem.column else message


def comment_height(text: str) -> int:
    """The height of a comment in which this text can be read, in pixels."""
    return min(40 + 18 * (len(text) // 38 + text.count("\n") + 1), 400)


SummaryCell = str | int | float
"""A text, a number of things, or a share of all."""


def summary_widths(checkup: Checkup) -> list[int]:
    """The first column is as wide as the longest word of a header: none is broken in it."""
    names = (name for _, name, _ in columns(checkup)[:_WIDEST_LIST])
    longest = max((len(word) for name in names for word in name.split()), default=0)
    first, *others = _SUMMARY_WIDTHS
    return [min(max(first, longest + 2), _WIDEST_NAME), *others]


def summary_rows(
    checkup: Checkup, how: str, omissions: Sequence[str]
) -> Iterator[tuple[str, list[SummaryCell]]]:
    """The rows of the summary, each with the name of its style.

    `how` says how to mend the list; `omissions` are lines about what the workbook lacks.
    """
    info, survey = checkup.info, checkup.survey
    found = conclusion(checkup)
    yield "title", [found.headline]
    yield "line", [visible(info.path)]
    yield "line", [describe(info)]
    for line in checkup.refused:
        yield "head", [visible(line)]
    yield "line", []
    yield "line", [how]
    for text in omissions:
        yield "head", [text]
    yield "line", []
    yield "head", ["Rows", survey.rows]
    yield "plain", ["Ready", survey.ready]
    yield "plain", ["Invalid: to be mended", survey.invalid]
    yield "plain", ["Skipped by a rule", survey.skipped]
    for name, figure in readiness(survey):
        number, _, rest = figure.partition(" ")
        yield "line", [name, int(number.replace(",", "")), rest]
    if read := phones_read(checkup, for_supplier=True):
        yield "line", []
        yield "head", ["How phones were read"]
        for line in read:
            yield "line", [line]
    yield "line", []
    if survey.problem_counts:
        yield "head", ["Kind of problem", "Count", "Example", "What to do"]
    for group in problem_groups(survey):
        first = group.examples[0] if group.examples else None
        example = f"{location(first)}: {visible(supplier_message(first))}" if first else ""
        remedy = "; ".join(visible(way).rstrip(".") for way in remedies(group)[:2])
        style = "error" if group.severity is Severity.ERROR else "warning"
        yield style, [f"{group.title} ({group.code})", group.count, example, remedy]
    yield "line", []
    yield "head", ["Column", "Filled", "Used by the mapping"]
    for fill, name, used in columns(checkup)[:_WIDEST_LIST]:
        share = fill.filled / survey.rows if survey.rows else "–"
        yield "plain", [name, share, "yes" if used else "no"]
