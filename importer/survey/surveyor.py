"""The Survey: what is known of the whole file before the first row leaves, decided once.

A row is filtered before it is checked, and checked before it is compared: a row that a filter
leaves out is not complained about, and an invalid row makes no other row a duplicate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from importer.model import Checked, ColumnFill, Outcome, Problem, Severity, Status, Survey
from importer.settings import PROBLEM_CAP
from importer.survey.readiness import ReadinessCounter
from importer.survey.repeats import OnDuplicate, Repeats
from importer.survey.seen import Seen, Sighting

EXAMPLES = 5
"""Problems of each code that are kept, however late in the file they come."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a row before anything is sent; a pending row is ready to be sent."""

    row: int
    status: Status
    problems: tuple[Problem, ...]

    def outcome(self) -> Outcome:
        """The row's outcome, where it will not be sent: what kept it back, told for people."""
        kept_back = [
            problem
            for problem in self.problems
            if self.status is Status.SKIPPED or problem.severity is Severity.ERROR
        ]
        # A cell that fills two targets is told once.
        told = list({(_told(problem), problem.hint): problem for problem in kept_back}.values())
        codes = dict.fromkeys(problem.code for problem in told)
        return Outcome(
            row=self.row,
            status=self.status,
            code="|".join(codes),
            message=_numbered([_told(problem) for problem in told]),
            hint=_numbered([problem.hint or "" for problem in told]) or None,
        )


def _told(problem: Problem) -> str:
    return f"{problem.column}: {problem.message}" if problem.column else problem.message


def _numbered(texts: Sequence[str]) -> str:
    """One text as it is, several with numbers, so that message and hint can be told together."""
    if len(texts) == 1:
        return texts[0]
    return " ".join(f"({number}) {text}" for number, text in enumerate(texts, 1) if text)


_FATE = {"skip": Status.SKIPPED, "reject": Status.INVALID, "allow": Status.PENDING}


class Surveyor:
    """Takes checked batches in source order; :meth:`finish` gives the Survey.

    `rows` counts those taken so far; `sighting` is what the file adds to what was seen.
    """

    def __init__(
        self,
        source: str,
        on_duplicate: OnDuplicate,
        *,
        unique: Sequence[str] = (),
        seen: Seen | None = None,
        cap: int | None = PROBLEM_CAP,
    ) -> None:
        self._fate = _FATE[on_duplicate]
        self._repeats = Repeats(source, on_duplicate, unique, seen if seen is not None else Seen())
        self._readiness = ReadinessCounter()
        self._cap = cap
        self._of_file: list[Problem] = []
        self._listed: list[Problem] = []
        self._examples: dict[str, list[Problem]] = {}
        self._codes: Counter[str] = Counter()
        self._severities: Counter[Severity] = Counter()
        self.rows = 0
        self._statuses: Counter[Status] = Counter()

    @property
    def sighting(self) -> Sighting:
        """The keys and phones of this file's ready rows."""
        return self._repeats.own

    def note(self, problems: Sequence[Problem]) -> None:
        """Take in problems of the file as a whole."""
        for problem in problems:
            self._list(problem, self._of_file)

    def add(self, checked: Checked) -> list[Decision]:
        """Take in a batch; give a decision for each row of which there is something to say."""
        decisions = self._decide(checked)
        self.rows += len(checked.rows)
        for decision in decisions:
            self._statuses[decision.status] += 1
            for problem in decision.problems:
                self._list(problem, self._listed)
        return decisions

    def _decide(self, checked: Checked) -> list[Decision]:
        said = _by_row(checked)
        invalid = [row for row, problems in said.items() if any(map(_is_error, problems))]
        filtered = _these(checked, checked.filtered)
        ready = ~filtered & ~_these(checked, invalid)
        duplicates = self._repeats.rows(checked, ready)
        if self._fate is not Status.PENDING:
            ready[list(duplicates)] = False
        repeated = self._repeats.numbers(checked, ready, duplicates)
        self._readiness.add(checked.phones, ready, filtered, repeated.count)
        statuses = dict.fromkeys(invalid, Status.INVALID)
        for position, duplicate in duplicates.items():
            row = int(checked.rows[position])
            said.setdefault(row, []).append(duplicate)
            statuses[row] = self._fate
        for position, problems in repeated.problems.items():
            said.setdefault(int(checked.rows[position]), []).extend(problems)
        decisions = [
            Decision(row, statuses.get(row, Status.PENDING), tuple(problems))
            for row, problems in said.items()
        ]
        decisions += (
            Decision(row, Status.SKIPPED, (why,)) for row, why in checked.filtered.items()
        )
        return sorted(decisions, key=lambda decision: decision.row)

    def finish(self, fill: tuple[ColumnFill, ...] = ()) -> Survey:
        """Freeze what was found; `fill` is part of it."""
        invalid, skipped = self._statuses[Status.INVALID], self._statuses[Status.SKIPPED]
        return Survey(
            rows=self.rows,
            ready=self.rows - invalid - skipped,
            invalid=invalid,
            skipped=skipped,
            problems=tuple([*self._of_file, *self._listed][: self._cap]),
            problem_counts=dict(self._codes.most_common()),
            examples={code: tuple(listed) for code, listed in self._examples.items()},
            errors=self._severities[Severity.ERROR],
            warnings=self._severities[Severity.WARNING],
            fill=fill,
            readiness=self._readiness.readiness(),
        )

    def _list(self, problem: Problem, listed: list[Problem]) -> None:
        self._codes[problem.code] += 1
        self._severities[problem.severity] += 1
        if self._cap is None or len(listed) < self._cap:
            listed.append(problem)
        examples = self._examples.setdefault(problem.code, [])
        if len(examples) < EXAMPLES:
            examples.append(problem)


def _these(checked: Checked, rows: Iterable[int]) -> npt.NDArray[np.bool_]:
    """Which rows of a batch, whose numbers ascend, are among the `rows`, all of which it has."""
    found = np.zeros(len(checked.rows), dtype=bool)
    found[np.searchsorted(checked.rows, list(rows))] = True
    return found


def _is_error(problem: Problem) -> bool:
    return problem.severity is Severity.ERROR


def _by_row(checked: Checked) -> dict[int, list[Problem]]:
    """The problems of each row that is not filtered."""
    by_row: dict[int, list[Problem]] = {}
    for problem in checked.problems:
        if problem.row is not None and problem.row not in checked.filtered:
            by_row.setdefault(problem.row, []).append(problem)
    return by_row
