"""The Survey: what is known of the whole file before the first row leaves, decided once.

A row is filtered before it is checked, and checked before it is compared: a row that a filter
leaves out is not complained about, and an invalid row makes no other row a duplicate.

Beside what becomes of each row, the Survey says how full the columns are (:class:`FillCounter`)
and how many people the dialler will find (:class:`ReadinessCounter`), and what of the list the
mapping does not take (:class:`UncalledPhones`, :func:`without_header`) or takes for a text
(:class:`PlaceholderCounter`). Call-back dates that have
passed are warned of by :func:`past_callbacks`, before the rows are decided upon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import (
    BLANKS,
    PLACEHOLDERS,
    Batch,
    Checked,
    ColumnFill,
    Outcome,
    Phones,
    Problem,
    Readiness,
    Severity,
    Status,
    Survey,
    column_letters,
)
from importer.settings import PROBLEM_CAP
from importer.survey.duplicates import FileKeys, OnDuplicate, RepeatFinder, Seen

EXAMPLES = 5
"""The first problems of each code, which are kept whatever `cap` leaves out."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a row before anything is sent; a pending row is ready to be sent."""

    row: int
    status: Status
    problems: tuple[Problem, ...]

    @property
    def code(self) -> str:
        """The codes of what kept the row back, joined by ``|``; blank where nothing did."""
        return "|".join(dict.fromkeys(problem.code for problem in self._decisive()))

    def outcome(self) -> Outcome:
        """The outcome of a row that will not be sent: the problems that keep it back, in words."""
        # A cell that fills two targets is named once.
        texts = dict.fromkeys((_text(p), p.hint or "") for p in self._decisive())
        return Outcome(
            row=self.row,
            status=self.status,
            code=self.code,
            message=_numbered([message for message, _ in texts]),
            hint=_numbered([hint for _, hint in texts]) or None,
        )

    def _decisive(self) -> Iterator[Problem]:
        for problem in self.problems:
            if self.status is Status.SKIPPED or problem.severity is Severity.ERROR:
                yield problem


def is_ready(rows: npt.NDArray[np.int64], decisions: Iterable[Decision]) -> npt.NDArray[np.bool_]:
    """Which of a batch's `rows` are ready to be sent; rows without a decision are."""
    kept_back = [d.row for d in decisions if d.status is not Status.PENDING]
    return ~np.isin(rows, np.array(kept_back, dtype=np.int64))


def _text(problem: Problem) -> str:
    return f"{problem.column}: {problem.message}" if problem.column else problem.message


def _numbered(texts: Sequence[str]) -> str:
    """One text as it is, several with numbers, by which messages and hints can be matched."""
    if len(texts) == 1:
        return texts[0]
    return " ".join(f"({number}) {text}" for number, text in enumerate(texts, 1) if text)


_FATE = {"skip": Status.SKIPPED, "reject": Status.INVALID, "allow": Status.PENDING}


class Surveyor:
    """Takes checked batches in source order; :meth:`finish` gives the Survey.

    `unique` has the targets of ``rows.unique``, each with its name for people. `rows` counts the
    rows taken in so far.
    """

    def __init__(
        self,
        source: str,
        on_duplicate: OnDuplicate,
        *,
        unique: Mapping[str, str] | None = None,
        seen: Seen | None = None,
        cap: int | None = PROBLEM_CAP,
    ) -> None:
        self._fate = _FATE[on_duplicate]
        seen = seen if seen is not None else Seen()
        self._repeats = RepeatFinder(source, on_duplicate, unique or {}, seen)
        self._readiness = ReadinessCounter()
        self._cap = cap
        self._of_file: list[Problem] = []
        self._listed: list[Problem] = []
        self._examples: dict[str, list[Problem]] = {}
        self._codes: Counter[str] = Counter()
        self._severities: Counter[Severity] = Counter()
        self.rows = 0
        self._left_out: Counter[tuple[Status, str]] = Counter()

    @property
    def file_keys(self) -> FileKeys:
        """The keys and phones of this file's ready rows."""
        return self._repeats.own

    def note(self, problems: Sequence[Problem]) -> None:
        """Count problems of the file as a whole."""
        self._list(problems, self._of_file)

    def add(self, checked: Checked) -> list[Decision]:
        """Take in a batch; a decision is returned for each row that has any problem."""
        decisions = self._decide(checked)
        self.rows += len(checked.rows)
        self._left_out.update(
            (decision.status, decision.code)
            for decision in decisions
            if decision.status is not Status.PENDING
        )
        self._list([p for decision in decisions for p in decision.problems], self._listed)
        return decisions

    def _decide(self, checked: Checked) -> list[Decision]:
        by_row = _problems_by_row(checked)
        invalid = [row for row, problems in by_row.items() if any(map(_is_error, problems))]
        filtered = _mask_of(checked, checked.filtered)
        ready = ~filtered & ~_mask_of(checked, invalid)
        duplicates = self._repeats.duplicates(checked, ready)
        if self._fate is not Status.PENDING:
            ready[list(duplicates)] = False
        repeated = self._repeats.repeated_phones(checked, ready, duplicates)
        self._readiness.add(checked.phones, ready, filtered, repeated.count)
        statuses = dict.fromkeys(invalid, Status.INVALID)
        for position, duplicate in duplicates.items():
            row = int(checked.rows[position])
            by_row.setdefault(row, []).append(duplicate)
            statuses[row] = self._fate
        for position, problems in repeated.problems.items():
            by_row.setdefault(int(checked.rows[position]), []).extend(problems)
        decisions = [
            Decision(row, statuses.get(row, Status.PENDING), tuple(problems))
            for row, problems in by_row.items()
        ]
        decisions += (
            Decision(row, Status.SKIPPED, (why,)) for row, why in checked.filtered.items()
        )
        return sorted(decisions, key=lambda decision: decision.row)

    def finish(self, fill: tuple[ColumnFill, ...] = ()) -> Survey:
        """The Survey of all batches; `fill` is part of it."""
        statuses: Counter[Status] = Counter()
        for (status, _), rows in self._left_out.items():
            statuses[status] += rows
        invalid, skipped = statuses[Status.INVALID], statuses[Status.SKIPPED]
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
            left_out=dict(self._left_out.most_common()),
        )

    def _list(self, problems: Sequence[Problem], listed: list[Problem]) -> None:
        codes = Counter(problem.code for problem in problems)
        self._codes.update(codes)
        errors = sum(map(_is_error, problems))
        self._severities.update({Severity.ERROR: errors, Severity.WARNING: len(problems) - errors})
        listed += problems if self._cap is None else problems[: max(self._cap - len(listed), 0)]
        for code in codes:
            examples = self._examples.setdefault(code, [])
            if missing := EXAMPLES - len(examples):
                examples += islice((p for p in problems if p.code == code), missing)


def _mask_of(checked: Checked, rows: Iterable[int]) -> npt.NDArray[np.bool_]:
    """Which rows of a batch, whose numbers ascend, are among the `rows`, all of which it has."""
    found = np.zeros(len(checked.rows), dtype=bool)
    found[np.searchsorted(checked.rows, list(rows))] = True
    return found


def _is_error(problem: Problem) -> bool:
    return problem.severity is Severity.ERROR


def _problems_by_row(checked: Checked) -> dict[int, list[Problem]]:
    """The problems of each row that is not filtered."""
    by_row: dict[int, list[Problem]] = {}
    for problem in checked.problems:
        if problem.row is not None and problem.row not in checked.filtered:
            by_row.setdefault(problem.row, []).append(problem)
    return by_row


_SORTABLE = frozenset({"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"})
"""Formats whose texts are in the order of the moments that they mean."""


def past_callbacks(
    rows: npt.NDArray[np.int64],
    dates: Any,
    given: npt.NDArray[np.bool_],
    *,
    format_: str,
    now: datetime,
    header: str | None,
) -> Iterator[Problem]:
    """Warn of each row, among the `given`, whose date lies before `now`.

    `dates`, an Arrow array, are as they are sent, in `format_`; what is not in that form is passed
    over. `now` is in the dates' own time, without an offset.
    """
    current = now.strftime(format_)
    suspects = given & pc.not_equal(dates, "").to_numpy(zero_copy_only=False)
    if format_ in _SORTABLE:
        earlier = pc.less(dates, pa.scalar(current, dates.type))
        suspects &= earlier.to_numpy(zero_copy_only=False)
    for place in np.flatnonzero(suspects):
        text = dates[place].as_py()
        try:
            moment = datetime.strptime(text, format_)  # noqa: DTZ007 - the service's local time
        except ValueError:
            continue
        # As exact as the format is: a date without a time is over when its day is.
        if moment < datetime.strptime(current, format_):  # noqa: DTZ007
            yield Problem(
                int(rows[place]),
                header,
                "disposition.next_calldate",
                "callback_in_past",
                f'"{text}" is in the past',
                text,
                "correct the date, or expect the call at once",
                Severity.WARNING,
            )


class FillCounter:
    """Counts, by column, the rows that have something to be seen in it."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = tuple(headers)
        self._filled = [0] * len(self._headers)

    def add(self, batch: Batch) -> None:
        """Count a batch, which has all columns of the sheet."""
        for label in range(len(self._headers)):
            shown = pc.not_equal(pc.utf8_trim(batch.columns[label], BLANKS), "")
            self._filled[label] += pc.sum(shown).as_py() or 0  # of no rows the sum is null

    def columns(self) -> tuple[ColumnFill, ...]:
        """The counts so far, in the sheet's order."""
        return tuple(map(ColumnFill, self._headers, self._filled))


_PHONE = r"^\D{0,20}(?:\+|0)[0-9](?:[ ()./-]{0,3}[0-9]){7,14}(?:\D|$)"
"""A phone as lists have it, with its plus or zero, alone or with a few words around it."""
_PHONES_LIKELY = 0.2
"""The share of a column's filled cells that look like phones, for it to be a column of phones."""
_PHONES_LEAST = 3
"""Phones in a column, at least, for it to be one of phones."""


class UncalledPhones:
    """Counts, by column, the cells that look like phones, for a mapping that takes none."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = tuple(headers)
        self._phones = [0] * len(self._headers)

    def add(self, batch: Batch) -> None:
        """Count a batch, which has all columns of the sheet."""
        for label in range(len(self._headers)):
            alike = pc.match_substring_regex(batch.columns[label], _PHONE)
            self._phones[label] += pc.sum(alike).as_py() or 0

    def warning(self, fill: Sequence[ColumnFill]) -> Problem | None:
        """A warning, where a column is one of phones; `fill` says how full each is."""
        phones, label = max(((n, -at) for at, n in enumerate(self._phones)), default=(0, 0))
        column = fill[-label] if fill else None
        if column is None or phones < max(_PHONES_LEAST, _PHONES_LIKELY * column.filled):
            return None
        where = f'"{column.header}"' if column.header else f"column {column_letters(-label)}"
        return Problem(
            None,
            column.header or None,
            None,
            "no_phone_mapped",
            f"nobody can be called: the mapping takes no phones, and {phones:,} of "
            f"{column.filled:,} cells in {where} look like phones",
            hint="Look whether the right row was taken for the header, and name the column of the "
            "phones in the mapping: contacts: {1: {phone: …}}",
            severity=Severity.WARNING,
        )


class PlaceholderCounter:
    """Counts, by column, the texts that programs write for a blank (``NULL``).

    `columns` are those that are sent as text, each with the texts that its rules know.
    """

    def __init__(self, headers: Sequence[str], columns: Mapping[int, Collection[str]]) -> None:
        self._headers = tuple(headers)
        self._watched = {
            label: pa.array(sorted(PLACEHOLDERS.difference(known)), pa.large_string())
            for label, known in columns.items()
        }
        self._found: dict[int, Counter[str]] = {label: Counter() for label in columns}

    def add(self, batch: Batch) -> None:
        """Count a batch, which has all columns of the sheet."""
        for label, texts in self._watched.items():
            column = pc.utf8_trim(batch.columns[label], BLANKS)
            found = column.filter(pc.is_in(column, texts))
            self._found[label].update(found.to_pylist())

    def warnings(self) -> Iterator[Problem]:
        """A warning for each column that has any."""
        for label, found in self._found.items():
            if not found:
                continue
            texts = [text for text, _ in found.most_common(EXAMPLES)]
            shown = ", ".join(f'"{text}"' for text in texts)
            number = f"{found.total():,} {'cell holds' if found.total() == 1 else 'cells hold'}"
            blank = ", ".join(f'"{text}": ""' for text in texts)
            yield Problem(
                None,
                self._headers[label],
                None,
                "placeholder",
                f"{number} {shown}, which programs write for a blank; sent as text",
                hint=f"If that means a blank cell, say so in the mapping: map: {{{blank}}}",
                severity=Severity.WARNING,
            )


def without_header(fill: Sequence[ColumnFill]) -> Problem | None:
    """A warning about cells in columns that have no header, which no mapping can name."""
    columns = {column_letters(n): c.filled for n, c in enumerate(fill) if not c.header and c.filled}
    if not columns:
        return None
    names = ", ".join([*columns][:EXAMPLES]) + (" …" if len(columns) > EXAMPLES else "")
    cells = sum(columns.values())
    return Problem(
        None,
        None,
        None,
        "no_header",
        f"{cells:,} {'cell was' if cells == 1 else 'cells were'} not read, since the column has no"
        f" header (column {names})"
        if len(columns) == 1
        else f"{cells:,} cells were not read, since their columns have no header (columns {names})",
        hint="Write a header above them, if they are to be imported.",
        severity=Severity.WARNING,
    )


_MOST_CONTACTS = 9


class ReadinessCounter:
    """Counts the contacts and numbers of rows, a batch at a time."""

    def __init__(self) -> None:
        self._callable = self._phones = self._repeated = self._invalid = 0
        self._contacts = np.zeros(_MOST_CONTACTS + 1, dtype=np.int64)

    def add(
        self,
        phones: Phones | None,
        ready: npt.NDArray[np.bool_],
        filtered: npt.NDArray[np.bool_],
        repeated: int,
    ) -> None:
        """Count a batch; `repeated` of the numbers of its ready rows stood before."""
        if phones is None:
            self._contacts[0] += int(ready.sum())
            return
        kept = phones.places[ready[phones.places]]
        self._phones += len(kept)
        self._callable += int(np.count_nonzero(np.bincount(kept)))
        self._repeated += repeated
        self._invalid += int(phones.refused[~filtered].sum())
        counts = np.minimum(phones.counts[ready], _MOST_CONTACTS)
        self._contacts += np.bincount(counts, minlength=_MOST_CONTACTS + 1)

    def readiness(self) -> Readiness:
        """The counts so far."""
        contacts = {n: int(rows) for n, rows in enumerate(self._contacts) if rows}
        return Readiness(self._callable, contacts, self._phones, self._repeated, self._invalid)
