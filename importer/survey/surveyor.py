"""The Survey: what is known of the whole file before the first row leaves, decided once.

A row is filtered before it is checked, and checked before it is compared: a row that a filter
leaves out is not complained about, and an invalid row makes no other row a duplicate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from importer.model import Checked, ColumnFill, Outcome, Problem, Severity, Status, Survey
from importer.settings import PROBLEM_CAP

OnDuplicate = Literal["skip", "reject", "allow"]

EXAMPLES = 5
"""Problems of each code that are kept, however late in the file they come."""


class Seen:
    """Keys of the ready rows of files that were imported, over all files of one command."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.first: dict[bytes, tuple[int, int]] = {}

    def take(self, surveyor: Surveyor) -> None:
        """Add the keys of a file: once it is sure that its rows will be sent."""
        number = len(self.files)
        self.files.append(surveyor.source)
        self.first.update((key, (number, row)) for key, row in surveyor.own_keys.items())


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

    `rows` counts those taken so far. `own_keys` are the keys of this file's ready rows, by 16-byte
    digest, however long the cells are.
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
        self._on_duplicate = on_duplicate
        self._target = ", ".join(unique)
        self.source = source
        self.own_keys: dict[bytes, int] = {}
        self._seen = seen if seen is not None else Seen()
        self._cap = cap
        self._listed: list[Problem] = []
        self._examples: dict[str, list[Problem]] = {}
        self._codes: Counter[str] = Counter()
        self._severities: Counter[Severity] = Counter()
        self.rows = 0
        self._statuses: Counter[Status] = Counter()

    def note(self, problems: Sequence[Problem]) -> None:
        """Take in problems of the file as a whole."""
        for problem in problems:
            self._list(problem)

    def add(self, checked: Checked) -> list[Decision]:
        """Take in a batch; give a decision for each row of which there is something to say."""
        decisions = self._decide(checked)
        self.rows += len(checked.rows)
        for decision in decisions:
            self._statuses[decision.status] += 1
            for problem in decision.problems:
                self._list(problem)
        return decisions

    def _decide(self, checked: Checked) -> list[Decision]:
        decisions: list[Decision] = []
        by_row: dict[int, list[Problem]] = {}
        for problem in checked.problems:
            if problem.row is not None:
                by_row.setdefault(problem.row, []).append(problem)
        rows: list[int] = checked.rows.tolist()
        keys = checked.keys if checked.keys is not None else [""] * len(rows)
        for row, key in zip(rows, keys, strict=True):
            if row in checked.filtered:
                decisions.append(Decision(row, Status.SKIPPED, (checked.filtered[row],)))
                continue
            problems = by_row.get(row, [])
            status = Status.PENDING
            if any(problem.severity is Severity.ERROR for problem in problems):
                status = Status.INVALID
            elif key and (duplicate := self._duplicate(row, key)) is not None:
                problems = [*problems, duplicate]
                status = _FATE[self._on_duplicate]
            if problems:
                decisions.append(Decision(row, status, tuple(problems)))
        return decisions

    def finish(self, fill: tuple[ColumnFill, ...] = ()) -> Survey:
        """Freeze what was found; `fill` is part of it."""
        invalid, skipped = self._statuses[Status.INVALID], self._statuses[Status.SKIPPED]
        return Survey(
            rows=self.rows,
            ready=self.rows - invalid - skipped,
            invalid=invalid,
            skipped=skipped,
            problems=tuple(self._listed),
            problem_counts=dict(self._codes.most_common()),
            examples={code: tuple(listed) for code, listed in self._examples.items()},
            errors=self._severities[Severity.ERROR],
            warnings=self._severities[Severity.WARNING],
            fill=fill,
        )

    def _duplicate(self, row: int, key: str) -> Problem | None:
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        before = self._seen.first.get(digest)
        if before is not None:
            where = f"row {before[1]} of {self._seen.files[before[0]]}"
        elif (first := self.own_keys.setdefault(digest, row)) != row:
            where = f"row {first}"
        else:
            return None
        shown = key.replace("\x1f", ", ")
        return Problem(
            row,
            None,
            self._target,
            "duplicate",
            f"same {self._target} ({shown}) as {where}",
            shown,
            "delete one of the two, or set rows.on_duplicate: allow",
            Severity.ERROR if self._on_duplicate == "reject" else Severity.WARNING,
        )

    def _list(self, problem: Problem) -> None:
        self._codes[problem.code] += 1
        self._severities[problem.severity] += 1
        if self._cap is None or len(self._listed) < self._cap:
            self._listed.append(problem)
        examples = self._examples.setdefault(problem.code, [])
        if len(examples) < EXAMPLES:
            examples.append(problem)
