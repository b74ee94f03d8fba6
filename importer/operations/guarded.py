"""Runs, plans and applies with the guard against importing the same content twice.

Once its source is open and before anything is written, a run is compared with the ledgers of all
runs folders of its user. From then on it holds the lock of its project, which the operating system
releases after a crash. It is entered in the ledger of its own folder before its first request. A
past run without a created or uncertain row forbids nothing. Rehearsals are neither compared nor
entered.

A run keeps the keys of its ready rows (``rows.unique``) beside its journal. Later runs compare
theirs with them: with ``rows.within``, and those of the rows that failed in it. Which of these rows
are in the service is read from the journal at that time. A run whose directory was pruned is not
compared. Checks and previews are compared with past runs as a run would be.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from importer.errors import ImporterError, JournalError, OutputError, SourceError, UsageError
from importer.files import make_private_folder, quoted, replacing
from importer.journal.journal import BEGUN_KEY, Journal
from importer.mapping.load import load_mapping
from importer.mapping.spec import Rows
from importer.model import CanaryState, Status, Summary
from importer.operations.ledger import (
    ENTRY_KEY,
    RUNNING,
    SIZE,
    Ledger,
    LedgerEntry,
    newest_first,
    open_all_ledgers,
    open_ledgers_from,
    remember,
    state_dir,
)
from importer.pipeline import recover as recovery
from importer.pipeline.apply import Admission, Job, Run, RunResult
from importer.pipeline.approve import ANY_PLAN, Approval, PendingRows, rows_named
from importer.pipeline.origins import RunsIn, SentRun, origins_in, rows_sent, sent_by
from importer.pipeline.plan import PlanResult, planned
from importer.pipeline.planfile import PlanFile
from importer.pipeline.recover import PastRun, past_run, resume_command
from importer.pipeline.run import run as run_pipeline
from importer.pipeline.rundir import RunDirectory
from importer.pipeline.running import Control, StopSwitch
from importer.pipeline.summary import Description, plan_command_without
from importer.settings import A_YEAR, Number, RunSettings, Target, checked
from importer.survey.duplicates import FileKeys, FirstOccurrences, Seen, row_of

if TYPE_CHECKING:
    from filelock import BaseFileLock


LOCKS = "locks"
"""The folder of lock files, in a runs folder and in a user's place for state."""
_LOCK_CHECK_SECONDS = 0.5
"""Seconds between two checks of the stop switch while waiting for a lock."""
_WIDTH = 3
"""Words of an entry: two of the key, one of its place."""
_AT_ONCE = 1 << 16
_IN_SERVICE = (Status.CREATED, Status.UNCERTAIN)
"""The states of rows that are, or may be, in the service."""
_NAMED = 5
"""Runs that one message names."""
_log = logging.getLogger(__name__)


class TargetBusy(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """Another run, of this user or of the same runs folder, is sending to the same project."""


class AlreadyImported(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """The same content was sent to the same project before, by the run `entry`."""

    def __init__(self, message: str, hint: str, entry: LedgerEntry) -> None:
        super().__init__(message, hint)
        self.entry = entry


class Unfinished(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """A run of the same content, `entry`, has pending rows; `run_dir` is what to resume."""

    def __init__(self, message: str, hint: str, entry: LedgerEntry) -> None:
        super().__init__(message, hint)
        self.entry = entry
        self.run_dir = entry.run_dir


@dataclass(frozen=True, slots=True)
class Guard:
    """The options of the guard.

    `again` sends in spite of past runs. `label` is the job's name in the ledger, `jobs_file` the
    path of its jobs file. `wait` is how many seconds to wait for another run to the same project.
    `sha256` is the hash of the content that the caller has checked: any other is refused.
    """

    again: bool = False
    label: str | None = None
    wait: float = 0.0
    jobs_file: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        checked("wait", self.wait, Number(0, A_YEAR))


def run(
    job: Job,
    control: Control,
    *,
    guard: Guard = Guard(),
    seen: Seen | None = None,
) -> RunResult:
    """Import a file as :func:`importer.pipeline.run.run` does, compared with past runs and entered.

    Raises AlreadyImported, Unfinished and TargetBusy besides.
    """
    if job.settings.sandbox is not None:
        return run_pipeline(job, control, seen=seen)
    seen = seen if seen is not None else Seen(one_file=True)
    with _Register(job, guard, control.stop, seen) as register:
        result = run_pipeline(job, control, seen=seen, register=register)
        register.ends(result.summary)
        return result


def plan(
    job: Job,
    control: Control,
    *,
    guard: Guard = Guard(),
    seen: Seen | None = None,
) -> PlanResult:
    """Keep a plan of a file, compared with past runs; nothing is sent, and nothing is entered.

    Raises ImporterError where the plan could not be applied: nothing is left of it then.
    """
    seen = seen if seen is not None else Seen(one_file=True)
    with contextlib.ExitStack() as open_:
        register = None
        if job.settings.sandbox is None:
            register = open_.enter_context(_Register(job, guard, control.stop, seen, sends=False))
        with planned(job, control, seen=seen, register=register) as (ready_run, checkup):
            return PlanResult(ready_run.plan, ready_run.run.directory, checkup)


def apply(
    run_dir: Path,
    target: Target | None,
    settings: RunSettings,
    control: Control,
    *,
    guard: Guard = Guard(),
    approval: Approval = ANY_PLAN,
) -> RunResult:
    """Send what a plan holds, as :func:`importer.pipeline.recover.apply`, compared and entered.

    The target may be left out where no row is pending: then nothing is sent, whatever other runs
    have done. Raises AlreadyImported where another run has sent the same content, or, with
    ``rows.within``, the same leads; Unfinished where one has begun to; TargetBusy. The ledger is
    the first that knows the run: of the folder it lies in, the one that `settings` name, then those
    that this user has used.
    """
    past = past_run(run_dir)
    if past.sandbox is not None:
        return recovery.apply(run_dir, target, settings, control, approval=approval)
    runs_dir = _runs_dir_of(past.description.run_id, run_dir.absolute().parent, settings.runs_dir)
    with (
        target_lock(runs_dir, past.base_url, past.project, wait=guard.wait, stop=control.stop),
        Ledger.open(runs_dir) as ledger,
    ):
        past = past_run(run_dir)  # another may have sent from it before this one got the lock
        # Runs from other folders must see what is sent from here.
        remember(runs_dir)
        if past.pending:
            with open_all_ledgers(ledger) as ledgers:
                _refuse_copy(past, run_dir, ledgers)
        register = _PlanRegister(ledger, past, run_dir, again=guard.again)
        result = recovery.apply(
            run_dir, target, settings, control, approval=approval, register=register
        )
        register.ends(result.summary)
        return result


class _PlanRegister:
    """The register of a plan that is applied: compares it with past runs, and enters its run."""

    def __init__(self, ledger: Ledger, past: PastRun, run_dir: Path, *, again: bool) -> None:
        self._ledger, self._past, self._run_dir, self._again = ledger, past, run_dir, again
        known = ledger.find(past.description.run_id)
        self._entry = known if known is not None else _own_entry(past, run_dir)
        self._entered = known is not None

    def compare(self, plan: PlanFile) -> list[ImporterError]:
        """The reasons in other runs not to send the plan, or that they cannot be read."""
        found: list[ImporterError] = []
        if self._again or not self._past.pending:
            return found
        with open_all_ledgers(self._ledger) as ledgers:
            try:
                found += _sent_by_others(plan, self._past, self._run_dir, self._entry, ledgers)
            except SourceError as error:
                found.append(error)
        return found

    def begins(self, run: Run, rows: int) -> None:
        """Enter the run as running, durably, unless it is entered: its first request follows."""
        if not self._entered:
            began = replace(self._entry, started_at=run.clock.started_at)
            self._entry = _enter_begun(self._ledger, began, rows, run.description)
            self._entered = True

    def ends(self, summary: Summary) -> None:
        """Enter how the run ended, and where it lies now, if it was moved.

        The entry's directory is replaced only if it is gone: else it would point to a copy, and
        later runs could not compare their rows once that is removed.
        """
        if self._entered:
            ended = _ended(self._entry, summary)
            if not RunDirectory(ended.run_dir).journal.exists():
                ended = replace(ended, run_dir=self._run_dir.absolute())
            _enter_or_warn(self._ledger, ended)


class _Register:
    """The register of one run: refuses it, or enters it when it begins; a context manager.

    From :meth:`admit` on the project is locked, if it `sends`. Nothing is made on the disk before
    that.
    """

    def __init__(
        self, job: Job, guard: Guard, stop: StopSwitch, seen: Seen, *, sends: bool = True
    ) -> None:
        self._job, self._guard, self._stop, self._seen = job, guard, stop, seen
        self._sends = sends
        self._open = contextlib.ExitStack()
        self._ledger: Ledger | None = None
        self._begun: tuple[Ledger, LedgerEntry] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with self._open:
            if self._begun is not None and isinstance(error, ImporterError):
                ledger, entry = self._begun
                _enter_or_warn(ledger, replace(ledger.current(entry), exit_code=error.exit_code))

    def admit(self, description: Description) -> Admission:
        """Lock the project, then refuse content that was sent before, or that was not looked at.

        The note for the run's journal serves to rebuild a lost ledger. Raises TargetBusy,
        AlreadyImported, Unfinished, or SourceError.
        """
        if self._guard.sha256 not in {None, description.source["sha256"]}:
            raise SourceError(
                f"{description.source['path']}: another file has taken its place, or it was written"
                " to, since it was looked at: nothing was sent",
                "Give it once more when it is whole.",
            )
        runs_dir, target = self._job.settings.runs_dir, self._job.target
        if self._sends:
            # The lock comes before the comparison, which must see all that another run sends.
            wait, place = self._guard.wait, (target.base_url, target.project)
            self._open.enter_context(target_lock(runs_dir, *place, wait=wait, stop=self._stop))
        self._ledger = self._open.enter_context(Ledger.open(runs_dir))
        remember(runs_dir)
        entry = self._described(description, RunDirectory(Path()))
        rules = self._job.mapping.spec.rows
        with open_all_ledgers(self._ledger) as ledgers:
            excepted = {past_run(path).description.run_id for path in self._job.excepted.runs}
            alike = [
                past for past in _runs_of_same_rows(ledgers, entry) if past.run_id not in excepted
            ]
            if not self._guard.again:
                for past in alike:
                    if (refusal := _refusal(past, entry)) is not None:
                        raise refusal
            place = (target.base_url, target.project)
            look_back(self._seen, ledgers, place, rules, entry.started_at)
        again = tuple(_as_plan_note(past) for past in alike if past.sent or past.unfinished)
        return Admission(
            {ENTRY_KEY: entry.own_facts()},
            again if self._guard.again else None,
            PastRunsAt(runs_dir, None if self._guard.again else place),
        )

    def planned(self, directory: RunDirectory, file_keys: FileKeys) -> None:
        """Keep the keys of the run's rows, where later runs look back at them."""
        if (unique := self._job.mapping.spec.rows.unique) is not None:
            keep_keys(directory, unique, file_keys.keys)

    def begins(self, run: Run, rows: int) -> None:
        """Enter the run as running, durably: its first request follows."""
        if self._ledger is not None:
            entry = self._described(run.description, run.directory)
            self._begun = self._ledger, _enter_begun(self._ledger, entry, rows, run.description)

    def ends(self, summary: Summary) -> None:
        """Enter how the run ended."""
        if self._begun is not None:
            ledger, entry = self._begun
            _enter_or_warn(ledger, _ended(entry, summary))

    def _described(self, description: Description, directory: RunDirectory) -> LedgerEntry:
        first, last = self._job.reading.rows or (None, None)
        own = {
            "label": self._guard.label,
            "file": self._job.file,
            "first_row": first,
            "last_row": last,
            "jobs_file": self._guard.jobs_file,
        }
        return _entry(description, directory.path, own)


def _entry(description: Description, run_dir: Path, own: Mapping[str, Any]) -> LedgerEntry:
    """A run as it begins; `own` is what only its journal has besides (ENTRY_KEY)."""
    return LedgerEntry(
        run_id=description.run_id,
        label=own.get("label"),
        file=own.get("file", description.source["path"]),
        sha256=description.source["sha256"],
        sheet=description.source["sheet"],
        first_row=own.get("first_row"),
        last_row=own.get("last_row"),
        mapping_sha256=description.mapping["sha256"],
        base_url=description.target["base_url"],
        project=description.target["project"],
        run_dir=run_dir.absolute(),
        status=RUNNING,
        exit_code=None,
        counts={},
        rows=0,
        started_at=datetime.now(UTC),
        elapsed_s=0.0,
        jobs_file=own.get("jobs_file"),
    )


def _own_entry(past: PastRun, run_dir: Path) -> LedgerEntry:
    """The entry of a plan that no ledger knows, or of a run that was begun on another machine."""
    entry = _entry(past.description, run_dir, json.loads(past.meta.get(ENTRY_KEY, "{}")))
    if not past.begun:
        return entry
    return replace(entry, started_at=datetime.fromisoformat(past.meta[BEGUN_KEY]))


def _enter_begun(
    ledger: Ledger, entry: LedgerEntry, rows: int, description: Description
) -> LedgerEntry:
    """Enter a run of so many rows as running, durably."""
    entry = replace(entry, rows=rows, counts={Status.PENDING.value: rows})
    ledger.enter(entry)
    ledger.note(SIZE, entry.sha256, str(description.source["size"]))
    return entry


def _as_plan_note(past: LedgerEntry) -> dict[str, Any]:
    """A run that had sent the same content, as a plan that is sent in spite of it has it."""
    sent = past.count(*_IN_SERVICE)
    return {"run_id": past.run_id, "run_dir": str(past.run_dir), "sent": sent}


def _runs_of_same_rows(ledgers: Sequence[Ledger], entry: LedgerEntry) -> list[LedgerEntry]:
    """The other runs of the same rows of the same content at the same place, newest first."""
    return newest_first([past for ledger in ledgers for past in ledger.alike(entry)])


def _refusal(past: LedgerEntry, entry: LedgerEntry) -> AlreadyImported | Unfinished | None:
    """Why the content of a past run is not sent again; None if that has sent nothing of it."""
    when = past.started_at.astimezone().strftime("%Y-%m-%d %H:%M")
    what = f"{entry.file}: its content was sent to project {entry.project} on {when}"
    folder = quoted(past.run_dir)
    run = _past_run_or_none(past.run_dir)
    canary = run.canary if run is not None else None
    if past.unfinished and RunDirectory(past.run_dir).journal.exists():
        again = f"To send all of them again, the {past.count(Status.CREATED)} that were created too"
        way = f"Go on with: {resume_command(past.run_dir)}"
        if run is not None and canary is not None and canary.state is CanaryState.STOPPED:
            # Whoever has mended the mapping would send the rest as it was before.
            without = plan_command_without(run.description, [past.run_dir])
            way = (
                "Its first rows are not in the service as they were sent, or failed. To leave out"
                f" those that are there: {without}\nTo send its rest as it was planned: "
                f"{resume_command(past.run_dir, name='apply')}"
            )
        return Unfinished(
            f"{what}, and {past.count(Status.PENDING)} of its rows are still to be sent",
            f"{way}\n{again}: --again.",
            past,
        )
    if canary is not None and canary.under_way:
        return Unfinished(
            f"{what}, and its first rows are still to be read back",
            f"Go on with: {resume_command(past.run_dir)}",
            past,
        )
    if past.sent:
        name = "" if past.file == entry.file else f", as {past.file}"
        return AlreadyImported(
            f"{what}{name}: {past.count(Status.CREATED)} rows were created",
            f"Its results: {folder}\nRows that failed are in its failures.xlsx: mend and import"
            " that. To send all of it a second time: --again.",
            past,
        )
    return None


def _past_run_or_none(run_dir: Path) -> PastRun | None:
    """A past run by its own journal; None where that cannot be read."""
    try:
        return past_run(run_dir)
    except (JournalError, OSError):  # the ledger has the last word then
        return None


def _runs_dir_of(run_id: str, *folders: Path) -> Path:
    """The first of `folders`, then of the remembered ones, whose ledger knows the run.

    If none knows it, the last of `folders` that exists: a plan is entered in the ledger of its runs
    folder, but on another machine in that of the folder it lies in.
    """
    for folder in folders:
        if (ledger := Ledger.look(folder, again=False)) is not None:
            with ledger:
                if ledger.find(run_id) is not None:
                    return folder
    with open_all_ledgers(None) as ledgers:
        known = (each.path.parent for each in ledgers if each.find(run_id))
        there = next((folder for folder in reversed(folders) if folder.is_dir()), folders[0])
        return next(known, there)


def _refuse_copy(past: PastRun, run_dir: Path, ledgers: Sequence[Ledger]) -> None:
    """Refuse to send from a folder whose journal lacks rows that its run has sent.

    It is a copy of a folder that has begun to send, or was restored from one. A folder that was
    moved has its journal with it, and may send.
    """
    run_id = past.description.run_id
    for known in (entry for ledger in ledgers if (entry := ledger.find(run_id)) is not None):
        there = RunDirectory(known.run_dir)
        moved = there.path.resolve() != run_dir.resolve()
        if moved and there.journal.exists():
            raise UsageError(
                f"{run_dir} is a copy of {there.path}, which has begun to send",
                f"Go on with: {resume_command(there.path)}\nThis copy can be removed.",
            )
        if _is_behind(past, known):
            is_gone = ", and is not there any more" if moved else ""
            sent = f"at least {known.count(Status.CREATED)}" if known.sent else "some"
            raise UsageError(
                f"{run_dir} is an earlier state of {run_id}: it does not know all rows that were"
                f" sent from {there.path}{is_gone} ({sent})",
                "Put the folder back as it was last: it knows which rows were sent.",
            )


def _is_behind(past: PastRun, known: LedgerEntry) -> bool:
    """Whether a folder's journal is older than what a ledger has of its run."""
    if not past.begun:
        return known.status == RUNNING or known.sent
    with Journal.read(past.directory.journal) as journal:
        # A mark that was taken back made a created row uncertain again.
        most = journal.counts()[Status.CREATED] + len(journal.amended())
    return known.count(Status.CREATED) > most


def _sent_by_others(
    plan: PlanFile,
    past: PastRun,
    run_dir: Path,
    entry: LedgerEntry,
    ledgers: Sequence[Ledger],
) -> Iterator[AlreadyImported | Unfinished]:
    """Refusals because other runs have sent, or begun to send, content or leads of a plan.

    One for the newest run of the same content, then one for the same leads. For a run that has
    begun, only runs since its beginning count.
    """
    apart = {past.description.run_id, *(one["run_id"] for one in plan.excepted)}
    # Of those in spite of which it was planned, what they have sent by then was known.
    known = {one["run_id"]: one["sent"] for one in plan.again or ()}
    others = [
        other
        for other in _runs_of_same_rows(ledgers, entry)
        if other.run_id not in apart and other.count(*_IN_SERVICE) > known.get(other.run_id, -1)
    ]
    refusals: Iterator[AlreadyImported | Unfinished]
    if past.begun:
        refusals = (
            AlreadyImported(
                f"{entry.run_dir}: the same content was sent to project {entry.project} since, by"
                f" {other.run_id}",
                f"Look at its results: {quoted(other.run_dir)}\nTo send what is pending"
                " here in spite of it: --again.",
                other,
            )
            for other in others
            if other.started_at > entry.started_at and other.sent
        )
    else:
        refusals = (found for other in others if (found := _refusal(other, entry)) is not None)
    if (refusal := next(refusals, None)) is not None:
        yield refusal
        apart.update(other.run_id for other in others)
    directory = RunDirectory(run_dir)
    leads = _leads_sent_since(plan, past, directory, apart, ledgers)
    if leads is not None:
        yield leads
    if (rows := _failures_sent_since(plan, past, directory, apart, ledgers)) is not None:
        yield rows


def _failures_sent_since(
    plan: PlanFile,
    past: PastRun,
    directory: RunDirectory,
    apart: Collection[str],
    ledgers: Sequence[Ledger],
) -> AlreadyImported | None:
    """That pending rows, of a list of failures, are ones which other runs have sent by now.

    Runs with an id of `apart` are none of these, nor are those in spite of which it was planned.
    """
    origins = origins_in(directory.snapshot)
    if origins is None:
        return None
    runs = PastRunsAt(ledgers[0].path.parent, (past.base_url, past.project))
    for before in sent_by(runs.runs_since(origins.run_ids), origins):
        entry = next((e for ledger in ledgers if (e := ledger.find(before.run_id))), None)
        known = plan.again is not None and entry is not None and entry.started_at < plan.made_at
        if entry is None or known or before.run_id in apart:
            continue
        rows = _pending_among(directory, before.rows)
        if rows:
            return AlreadyImported(
                f"{directory.path}: {rows_named(rows)} of this list of failures, sent to project"
                f" {past.project} since it was planned: by {before.run_id}",
                f"Look at its results: {quoted(before.run_dir)}\nPlan again: such rows are left out"
                " then. To send them in spite of it: --again.",
                entry,
            )
    return None


def _pending_among(directory: RunDirectory, rows: npt.NDArray[np.int64]) -> list[int]:
    """Those of some rows that a run has still to send."""
    with Journal.read(directory.journal) as journal:
        return PendingRows(directory, journal).among(rows)


def _leads_sent_since(
    plan: PlanFile,
    past: PastRun,
    directory: RunDirectory,
    apart: Collection[str],
    ledgers: Sequence[Ledger],
) -> AlreadyImported | None:
    """The refusal if other runs have sent keys (``rows.within``) of pending rows since the plan.

    Such a run may have begun before the plan, which left out what it had sent by then. Runs with an
    id of `apart` are ignored.
    """
    rules = load_mapping(directory.mapping).spec.rows
    unique = rules.unique or ()
    if rules.within is None or (own := _stored_keys(directory, unique)) is None:
        return None
    place = (past.base_url, past.project)
    since = plan.made_at
    if rules.on_duplicate != "allow":  # else the plan holds what was sent by then, too
        since -= timedelta(days=rules.within)
    runs = newest_first([e for ledger in ledgers for e in ledger.runs(since=since)])
    found: list[tuple[LedgerEntry, str]] = []
    for other in runs:
        if (other.base_url, other.project) != place or other.run_id in apart:
            continue
        theirs = _sent_keys(RunDirectory(other.run_dir), unique)
        if theirs is None:
            continue
        shared = [
            row_of(block[:, -1].astype(np.int64))[theirs.find((block[:, 0], block[:, 1])) >= 0]
            for block in own.blocks(_AT_ONCE)
        ]
        rows = _pending_among(directory, np.concatenate(shared))
        if rows:
            found.append((other, rows_named(rows)))
    if not found:
        return None
    by_run = "; ".join(f"{rows} by {other.run_id}" for other, rows in found[:_NAMED])
    more = f"; and of {len(found) - _NAMED:,} runs more" if len(found) > _NAMED else ""
    results = ", ".join(quoted(other.run_dir) for other, _ in found[:_NAMED])
    return AlreadyImported(
        f"{directory.path}: leads of it were sent to project {past.project} since it was planned:"
        f" {by_run}{more}",
        f"Look at its results: {results}\nPlan again: such rows are left out then. To send them in"
        " spite of it: --again.",
        found[0][0],
    )


def _ended(entry: LedgerEntry, summary: Summary) -> LedgerEntry:
    return replace(
        entry,
        status=summary.status,
        exit_code=summary.exit_code,
        rows=summary.rows,
        counts={state.value: count for state, count in summary.counts.items()},
        elapsed_s=summary.elapsed_s,
    )


def _enter_or_warn(ledger: Ledger, entry: LedgerEntry) -> None:
    """Enter how a run ended; failing that is logged only, since the run's journal has its rows."""
    try:
        ledger.enter(entry)
    except OutputError as error:
        _log.warning("%s. How this run ended is not entered; its own folder has it.", error)


# One run at a time to one project.


@contextlib.contextmanager
def target_lock(
    runs_dir: Path, base_url: str, project: int, *, wait: float, stop: StopSwitch
) -> Iterator[None]:
    """Hold the lock of a project for the block; raises TargetBusy after `wait` seconds, or a stop.

    There are two lock files: in the user's place for state, which all runs of this user see, and in
    the runs folder, which other users may share. Each is locked by the system for this process, so
    that a file left behind by a crash blocks nobody.
    """
    busy = TargetBusy(
        f"another run is sending to project {project} at {base_url}",
        "Two runs at once could not see each other's rows. Wait until it has ended.",
    )
    name, until = f"{_lock_name(base_url, project)}.lock", time.monotonic() + wait
    with contextlib.ExitStack() as locks:
        # Always in this order, so that no two runs ever wait for each other.
        if (state := state_dir()) is not None:
            try:
                locks.enter_context(hold_lock(state / LOCKS / name, busy, wait=wait, stop=stop))
            except OutputError as error:
                _log.info("Runs from other folders do not see this one: %s", error)
        left = max(0.0, until - time.monotonic())
        locks.enter_context(hold_lock(runs_dir / LOCKS / name, busy, wait=left, stop=stop))
        yield


@contextlib.contextmanager
def hold_lock(path: Path, busy: UsageError, *, wait: float, stop: StopSwitch) -> Iterator[None]:
    """Hold a lock file for the block; raises OutputError, or `busy` after `wait` s or a stop."""
    from filelock import FileLock

    make_private_folder(path.parent)
    lock = FileLock(path, mode=0o600)
    try:
        _acquire(lock, busy, wait, stop)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be locked: {error.strerror}", "Let the folder be written."
        ) from None
    except NotImplementedError:  # what filelock says of network drives without locks
        raise OutputError(
            f"{path} cannot be locked: its drive knows no locks", "Use a folder on another drive."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, busy: UsageError, wait: float, stop: StopSwitch) -> None:
    from filelock import Timeout

    left = wait
    while True:
        try:
            lock.acquire(timeout=min(left, _LOCK_CHECK_SECONDS))
        except Timeout:
            left -= _LOCK_CHECK_SECONDS
            if left <= 0 or stop.reason is not None:
                raise busy from None
        else:
            return


def _lock_name(base_url: str, project: int) -> str:
    return f"{project}-{hashlib.sha256(base_url.encode()).hexdigest()[:16]}"


# What past runs have sent, by their keys.

ProjectAddress = tuple[str, int]
"""Where a run was sent: base URL and project."""


def keep_keys(directory: RunDirectory, unique: Sequence[str], keys: FirstOccurrences) -> None:
    """Write the keys of a run's rows into its directory; raises OutputError.

    The first line is JSON with the columns of the keys; then 24 bytes for each key: two words of
    its hash and one of its place, little-endian.
    """
    with replacing(directory.keys) as path, path.open("wb") as file:
        file.write(json.dumps({"unique": list(unique)}).encode() + b"\n")
        for entries in keys.blocks(_AT_ONCE):
            file.write(entries.astype("<u8").tobytes())


def recall(seen: Seen, rules: Rows, place: ProjectAddress, runs_dir: Path) -> None:
    """Add the keys that past runs have sent to `seen`, as a run in `runs_dir` would.

    Nothing is written, except that a lost ledger is rebuilt. Raises OutputError where the ledger of
    that folder cannot be read, SourceError where a run's journal cannot.
    """
    with open_ledgers_from(runs_dir) as ledgers:
        look_back(seen, ledgers, place, rules, datetime.now(UTC))


def look_back(
    seen: Seen, ledgers: Sequence[Ledger], place: ProjectAddress, rules: Rows, now: datetime
) -> None:
    """Add the keys that runs to `place` sent within ``rows.within`` to `seen`, oldest first."""
    if rules.within is None:
        return
    unique, since = rules.unique or (), now - timedelta(days=rules.within)
    past = newest_first([entry for ledger in ledgers for entry in ledger.runs(since=since)])
    for entry in reversed(past):
        same_place = (entry.base_url, entry.project) == place
        if same_place and entry.run_id not in seen.past:
            keys = _sent_keys(RunDirectory(entry.run_dir), unique)
            if keys is not None:
                seen.past.add(entry.run_id)
                seen.take(FileKeys(_named(entry), keys, FirstOccurrences()))


def is_looked_back_at(entry: LedgerEntry, unique: Sequence[str], since: datetime) -> bool:
    """Whether ``rows.within`` knows every row of a past run, by its age and its keys' columns."""
    directory = RunDirectory(entry.run_dir)
    if not unique or entry.started_at < since or not directory.keys.exists():
        return False
    with directory.keys.open("rb") as file:
        return bool(json.loads(file.readline()).get("unique") == list(unique))


class PastRunsAt(RunsIn):
    """The runs that a user's ledgers know, first of all those of one runs folder.

    `place` is where the list goes: None for one that is sent in spite of what was sent before, or
    nowhere yet; then no run has sent any of it. Each ledger is opened when it is asked, and not
    kept open. Raises OutputError where the ledger of that folder cannot be read, and what
    :func:`_sent_keys` raises.
    """

    def __init__(self, runs_dir: Path, place: ProjectAddress | None) -> None:
        super().__init__(runs_dir)
        self._folder, self._place = runs_dir, place

    def find(self, run_id: str) -> Path | None:
        """The directory of a run; None where it is not known, or gone."""
        if (found := super().find(run_id)) is not None:
            return found
        with open_ledgers_from(self._folder) as ledgers:
            entries = (ledger.find(run_id) for ledger in ledgers)
            known = (RunDirectory(entry.run_dir) for entry in entries if entry is not None)
            return next((each.path for each in known if each.snapshot.exists()), None)

    def runs_since(self, run_ids: Sequence[str]) -> Sequence[SentRun]:
        """The runs to the same place since the first of these, oldest first, and these."""
        if self._place is None or not run_ids:
            return ()
        with open_ledgers_from(self._folder) as ledgers:
            named = [entry for each in ledgers for run in run_ids if (entry := each.find(run))]
            since = min((entry.started_at for entry in named), default=None)
            runs = newest_first([entry for each in ledgers for entry in each.runs(since=since)])
            return [
                SentRun(entry.run_id, entry.run_dir, _named(entry))
                for entry in reversed(runs)
                if (entry.base_url, entry.project) == self._place
                and RunDirectory(entry.run_dir).journal.exists()
            ]

    def sent_keys(self, run_dir: Path, unique: Sequence[str]) -> FirstOccurrences | None:
        """The keys of what a run has sent; None where it has none of these."""
        return _sent_keys(RunDirectory(run_dir), unique)


def _named(entry: LedgerEntry) -> str:
    """What people know an import by."""
    return f"{Path(entry.file).name}, imported on {entry.started_at.astimezone():%Y-%m-%d}"


def _sent_keys(directory: RunDirectory, unique: Sequence[str]) -> FirstOccurrences | None:
    """The keys of a run's created and uncertain rows; None where it has none of these columns."""
    if not directory.keys.exists():
        return None
    try:
        sent = rows_sent(directory)
    except JournalError as error:
        raise SourceError(
            f"{directory.path}: what this run sent is not known: {error.message}",
            "rows.within looks back at it: mend it, or remove its folder to leave it out.",
        ) from None
    return _stored_keys(directory, unique, sent)


def _stored_keys(
    directory: RunDirectory, unique: Sequence[str], rows: npt.NDArray[np.int64] | None = None
) -> FirstOccurrences | None:
    """The keys that a run has kept, of some rows or all; None where these columns have none."""
    keys = FirstOccurrences()
    if not directory.keys.exists():
        return None
    with directory.keys.open("rb") as file:
        if json.loads(file.readline()).get("unique") != list(unique):
            return None
        while block := file.read(_AT_ONCE * _WIDTH * 8):
            entries = np.frombuffer(block, dtype="<u8").reshape(-1, _WIDTH).astype(np.uint64)
            places = entries[:, -1].astype(np.int64)
            taken = np.isin(row_of(places), rows) if rows is not None else slice(None)
            keys.add((entries[taken, 0], entries[taken, 1]), places[taken])
    return keys if len(keys) else None
