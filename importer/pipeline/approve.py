"""Whether a plan may be sent: it is what was approved, and what it rests on has not changed.

All differences are named at once. Changes that do not affect the records are only notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from importer.errors import ImporterError, JournalError, ServiceError, UsageError
from importer.files import quoted
from importer.journal.journal import BEGUN_KEY, PLANNED_KEY, Journal
from importer.mapping.dates import has_year
from importer.mapping.load import LoadedMapping, load_mapping
from importer.pipeline.apply import Run
from importer.pipeline.do_not_call import load_lists
from importer.pipeline.edits import EDITS, read_edits
from importer.pipeline.origins import rows_sent
from importer.pipeline.planfile import PlanFile, content_id, intact_plan
from importer.pipeline.preflight import CALLDATE, compare_again
from importer.pipeline.ready import ReadyFile, RowNumbers
from importer.pipeline.rundir import RunDirectory
from importer.pipeline.summary import Description, describe_target, plan_command_without
from importer.settings import A_YEAR, Number, RunSettings, Target, checked
from importer.sources.snapshot import Snapshot
from importer.survey.expected import Expected

MAX_AGE = 7 * 86400.0
_NAMED = 10
"""Rows that are named for people."""


class PlanDiffers(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """A plan, or what it rests on, is not as it was approved."""


class BegunByEarlierVersion(UsageError):  # noqa: N818 - as above
    """A run kept no ready records, so that only the version that began it can send its rows."""

    def __init__(self, run_dir: Path, description: Description) -> None:
        super().__init__(
            f"{run_dir}: {description.run_id} was begun by an earlier version of vcc-importer,"
            " which kept no ready records: this version cannot send its rows",
            "Finish it with the version that began it (summary.json says which, under versions)."
            " Or plan the rows that were not sent: "
            f"{plan_command_without(description, [run_dir])}\n"
            "Its results can be reported, reconciled and marked with this version.",
        )


@dataclass(frozen=True, slots=True)
class Approval:
    """The conditions under which a plan may be sent.

    `plan_id` is the id of the plan that was looked at; None takes any. A plan of which nothing was
    sent yet may be `max_age` seconds old.
    """

    plan_id: str | None = None
    max_age: float = MAX_AGE

    def __post_init__(self) -> None:
        checked("max_age", self.max_age, Number(0, A_YEAR))


ANY_PLAN = Approval()
"""Takes any plan that is young enough."""


class PlanRegister(Protocol):
    """An account of the runs that send plans; where it raises, nothing is sent."""

    def compare(self, plan: PlanFile) -> Sequence[ImporterError]:
        """The reasons, in what other runs have sent, not to send the plan; none if it may be sent.

        Called only when all parts of the plan are unchanged.
        """

    def begins(self, run: Run, rows: int) -> None:
        """Note, durably, a run of so many rows that is about to send."""


def refuse_other_plan(
    where: RunDirectory, description: Description, meta: Mapping[str, str], approval: Approval
) -> None:
    """Refuse a folder with nothing left to send if its plan is not the approved one.

    Raises PlanDiffers; BegunByEarlierVersion where it has no plan.
    """
    if approval.plan_id is None:
        return
    if PLANNED_KEY not in meta:
        raise BegunByEarlierVersion(where.path, description)
    plan, differences = intact_plan(where, meta[PLANNED_KEY])
    if plan is not None:
        differences = list(_other_id(plan, approval))
    if differences:
        raise PlanDiffers(
            f"{quoted(where.path)} is not the plan that was approved: {differences[0]}",
            "Name the folder of the plan that was approved. Of this one nothing is left to send.",
        )


def approved(
    run: Run,
    target: Target,
    settings: RunSettings,
    approval: Approval,
    register: PlanRegister | None = None,
) -> tuple[PlanFile, tuple[str, ...]]:
    """The plan of a run that may be sent, and notes on it for people.

    The `register` may refuse it. Raises PlanDiffers, which names every difference;
    BegunByEarlierVersion; ServiceError where the project cannot be asked.
    """
    where, meta = run.directory, run.journal.meta()
    if PLANNED_KEY not in meta:
        raise BegunByEarlierVersion(where.path, run.description)
    plan, changed = intact_plan(where, meta[PLANNED_KEY])
    elsewhere = list(_other_target(run, target))
    if plan is None:
        raise _refused(run, plan, [*elsewhere, *changed])
    other = list(_other_id(plan, approval))
    differences = [*other, *_too_old(plan, approval, begun=BEGUN_KEY in meta), *elsewhere, *changed]
    if not changed and approval.plan_id is not None:
        changed = list(_forged(plan, run))
        differences += changed
    if changed:
        # The further checks need the parts unchanged.
        raise _refused(run, plan, differences, other=bool(other))
    sent = register.compare(plan) if register is not None else ()
    mapping, pending = load_mapping(where.mapping), PendingRows(where, run.journal)
    notes: list[str] = []
    differences += _excepted_since(plan, pending)
    differences += _listed_since(plan, mapping, pending, notes)
    # Where all rows are sent, and only the canary is to be read back, the project does not matter.
    pending_rows = plan.rows - sum(run.journal.counts().values())
    if plan.expected is not None and settings.preflight and pending_rows and not elsewhere:
        expected = Expected.from_json(plan.expected)
        try:
            found = compare_again(expected, target, settings.pace)
        except ServiceError as error:
            if not differences and not sent:
                raise
            differences.append(f"its project could not be asked: {error.message}")
        else:
            differences += found.refusals
            notes += found.notes
    if differences or len(sent) > 1:
        raise _refused(run, plan, differences, sent, other=bool(other))
    for refusal in sent:
        raise refusal
    notes += _past_callbacks(plan, mapping, pending)
    return plan, tuple(notes)


def _refused(
    run: Run,
    plan: PlanFile | None,
    differences: Sequence[str],
    sent: Sequence[ImporterError] = (),
    *,
    other: bool = False,
) -> PlanDiffers:
    """The refusal with all differences, and all reasons in what other runs have `sent`.

    `other` says that the first of the differences is the id of another plan.
    """
    where = run.directory.path
    lines = "\n".join(f"  {line}" for line in (*differences, *(one.message for one in sent)))
    hints = ["Name the folder of the plan that was approved."] if other else []
    hints += [one.hint for one in sent if one.hint]
    if len(differences) > other:
        excepted = [Path(one["run_dir"]) for one in plan.excepted] if plan is not None else []
        what = "the list again"
        if BEGUN_KEY in run.journal.meta():
            # Planned as it was, the list would be refused, or sent a second time.
            excepted, what = [*excepted, where], "the rows that were not sent"
        again = plan_command_without(run.description, excepted)
        if plan is not None and plan.again is not None:
            again += " --again"
        hint = f"Restore what differs. Or plan {what}: {again}"
        hints.append(f"As to what differs: {hint}" if hints else hint)
    told = "\n".join(dict.fromkeys("\n".join(hints).split("\n")))
    return PlanDiffers(f"{quoted(where)} is not sent, since it is not as approved:\n{lines}", told)


def _forged(plan: PlanFile, run: Run) -> Iterator[str]:
    """A message if the id of the folder's content is not the one in its plan.json.

    A forger may replace a part, its hash in plan.json and the hash of plan.json in the journal, and
    leave the old id.
    """
    where = run.directory
    mapping = load_mapping(where.mapping)
    with Snapshot.open(where.snapshot) as cells, ReadyFile(where.ready) as ready:
        digests = {
            "cells": cells.digest(),
            "ready": ready.digest(mapping.spec.stamp, plan.run_id),
            "mapping": mapping.sha256,
        }
        if where.edits.exists():
            digests[EDITS] = read_edits(where.edits, cells.headers).overlay.digest
    expected = Expected.from_json(plan.expected).digest() if plan.expected is not None else None
    # By the journal: it is what says where the records go.
    place, rehearsal = run.description.target, plan.settings.get("sandbox") is not None
    again = plan.again is not None
    found = content_id(digests, plan.do_not_call, expected, place, rehearsal=rehearsal, again=again)
    if found != plan.id:
        yield f"its id is {found}, and not {plan.id} as its plan.json says: it was forged"


def _other_target(run: Run, target: Target) -> Iterator[str]:
    now, rehearsal = describe_target(target), bool(run.description.settings.get("sandbox"))
    for name, then in run.description.target.items():
        if then != now[name] and not (name == "base_url" and rehearsal):
            yield f"it was planned for {name} {then}, not for {now[name]}"


def _other_id(plan: PlanFile, approval: Approval) -> Iterator[str]:
    if approval.plan_id is not None and approval.plan_id.strip().lower() != plan.id:
        yield f"its id is {plan.id}, and the plan that was approved is {approval.plan_id}"


def _too_old(plan: PlanFile, approval: Approval, *, begun: bool) -> Iterator[str]:
    age = datetime.now(UTC) - plan.made_at
    if not begun and age > timedelta(seconds=approval.max_age):
        days = timedelta(seconds=approval.max_age)
        yield (
            f"it was planned on {plan.made_at.astimezone():%Y-%m-%d %H:%M}, and may be "
            f"{_span(days)} old (--max-age)"
        )


def _span(length: timedelta) -> str:
    seconds = length.total_seconds()
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} seconds"


class PendingRows:
    """The rows of a plan that are still to be sent, read from its ready records at each call."""

    def __init__(self, where: RunDirectory, journal: Journal) -> None:
        self._where = where
        self._settled = np.fromiter(journal.settled_rows(), dtype=np.int64)

    def among(self, rows: RowNumbers) -> list[int]:
        """Those of `rows` that are still to be sent, in order."""
        left = np.setdiff1d(rows, self._settled)
        found: list[int] = []
        with ReadyFile(self._where.ready) as ready:
            for some in ready.row_numbers():
                found += np.intersect1d(some, left).tolist()
        return found

    def phones(self) -> Iterator[tuple[RowNumbers, RowNumbers]]:
        """Every number of their contacts with its row: batch by batch, rows and numbers."""
        with ReadyFile(self._where.ready) as ready:
            for rows, numbers in ready.phones():
                left = ~np.isin(rows, self._settled)
                yield rows[left], numbers[left]

    def bodies(self) -> Iterator[tuple[int, bytes]]:
        """Their row numbers and bodies, in order."""
        with ReadyFile(self._where.ready) as ready:
            yield from ready.requests(self._settled)


def _excepted_since(plan: PlanFile, pending: PendingRows) -> Iterator[str]:
    """A message for each excepted run that has sent pending rows since the plan."""
    for one in plan.excepted:
        directory = RunDirectory(Path(one["run_dir"]))
        try:
            sent = rows_sent(directory)
        except (JournalError, OSError) as error:
            yield f"{quoted(directory.path)}, whose rows it leaves out, cannot be read: {error}"
            continue
        if rows := pending.among(sent):
            yield f"{one['run_id']} has sent {rows_named(rows)} since it was planned"


def _listed_since(
    plan: PlanFile, mapping: LoadedMapping, pending: PendingRows, notes: list[str]
) -> Iterator[str]:
    """A message for each do-not-call list that has a number of a pending row since the plan.

    A list that cannot be read is added to `notes`.
    """
    if not plan.do_not_call:
        return
    beside = Path(str(plan.mapping["path"])).parent
    try:
        lists = load_lists(mapping, beside=beside)
    except ImporterError as error:
        why = "; ".join([error.message, *getattr(error, "mistakes", ())])
        notes.append(
            f"do-not-call lists were not compared again, since they cannot be read any more: {why}"
        )
        return
    for then, now, listed in zip(plan.do_not_call, lists.about, lists.listed, strict=True):
        if then["sha256"] == now["sha256"]:
            continue
        hit: set[int] = set()
        for rows, numbers in pending.phones():
            hit.update(rows[listed.has(numbers)].tolist())
        if hit:
            yield (
                f"{listed.name} was renewed since it was planned, and has a number of "
                f"{rows_named(sorted(hit))}"
            )


def _past_callbacks(plan: PlanFile, mapping: LoadedMapping, pending: PendingRows) -> Iterator[str]:
    """A note on pending rows whose call-back is past by now, and was not when it was planned.

    Of those that were past then, the check has told.
    """
    spec = mapping.spec
    placed = [rule for rule in spec.placed_rules() if rule.path == ("disposition", "next_calldate")]
    if not placed:
        return
    output = placed[0].rule.output
    form = output[0] if output else CALLDATE
    if not has_year(form):
        return
    zone = ZoneInfo(spec.timezone) if spec.timezone else None
    then, now = (
        moment.astimezone(zone).replace(tzinfo=None) for moment in (plan.made_at, datetime.now(UTC))
    )
    late = []
    for row, body in pending.bodies():
        date = orjson.loads(body).get("disposition", {}).get("next_calldate")
        try:
            if date and then <= datetime.strptime(date, form) < now:  # noqa: DTZ007 - the service's own time
                late.append(row)
        except ValueError:
            continue  # a text of another form is the service's to judge
    if late:
        yield f"the call-backs of {rows_named(late)} are in the past by now"


def rows_named(rows: Sequence[int]) -> str:
    """The number of rows and the first row numbers, as ``2 rows (3, 5)``."""
    named = ", ".join(map(str, rows[:_NAMED])) + (" …" if len(rows) > _NAMED else "")
    return f"row {named}" if len(rows) == 1 else f"{len(rows):,} rows ({named})"
