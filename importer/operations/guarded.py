"""A run with its guards: what was imported before is not imported again, and all is entered.

A run is compared with the ledgers of all runs folders of its user once its source is open and
before anything is made; and it is entered in that of its own folder before its first request. A run
of which no row is, or may be, in the service guards nothing. Rehearsals go their own way, and are
not entered.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from importer.errors import ImporterError, OutputError, SourceError, UsageError
from importer.model import Status, Summary
from importer.operations.ledger import ENTRY_KEY, RUNNING, SIZE, Entry, Ledger
from importer.operations.lookback import keep_keys, look_back
from importer.operations.runs_folders import ledgers_beside, newest_first, remember
from importer.operations.target_lock import TargetBusy, target_lock
from importer.pipeline import recover as recovery
from importer.pipeline import run as pipeline
from importer.pipeline.apply import Job, Listener, RunResult
from importer.pipeline.recover import past_run, resume_command
from importer.pipeline.rundir import RunDirectory
from importer.pipeline.stopping import StopSwitch
from importer.pipeline.summary import Description
from importer.settings import A_YEAR, Number, RunSettings, Target, checked
from importer.shell import quoted
from importer.survey.duplicates import Seen, Sighting

__all__ = ["AlreadyImported", "Guard", "TargetBusy", "Unfinished", "resume", "run"]

_log = logging.getLogger(__name__)


class AlreadyImported(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """Rows of the same content are in the same project already; `entry` is the run that sent."""

    def __init__(self, message: str, hint: str, entry: Entry) -> None:
        super().__init__(message, hint)
        self.entry = entry


class Unfinished(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """A run of the same content, `entry`, has rows to send; `run_dir` is what to resume."""

    def __init__(self, message: str, hint: str, entry: Entry) -> None:
        super().__init__(message, hint)
        self.entry = entry
        self.run_dir = entry.run_dir


@dataclass(frozen=True, slots=True)
class Guard:
    """How a run is guarded.

    `again` sends in spite of what the ledgers know; `label` is the job it is entered under, of the
    jobs file at the path `jobs_file`; `wait` are the seconds for which it lets another run to the
    same project come to its end. `sha256` is that of the content which was looked at before:
    another is refused, as one that changes.
    """

    again: bool = False
    label: str | None = None
    wait: float = 0.0
    jobs_file: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        checked("wait", self.wait, Number(0, A_YEAR))


class _Register:
    """Keeps account of one run: refuses it, or enters it when it begins; a context manager.

    The project is its own from its admission on. Before that, nothing is made.
    """

    def __init__(self, job: Job, guard: Guard, stop: StopSwitch, seen: Seen) -> None:
        self._job, self._guard, self._stop, self._seen = job, guard, stop, seen
        self._open = contextlib.ExitStack()
        self._ledger: Ledger | None = None
        self._begun: tuple[Ledger, Entry] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with self._open:
            if self._begun is not None and isinstance(error, ImporterError):
                ledger, entry = self._begun
                _enter(ledger, replace(ledger.current(entry), exit_code=error.exit_code))

    def admit(self, description: Description) -> Mapping[str, str]:
        """Refuse rows that were sent before, and a content that was not looked at.

        Gives what else only the ledger would have. Raises TargetBusy, AlreadyImported, Unfinished,
        or SourceError.
        """
        if self._guard.sha256 not in {None, description.source["sha256"]}:
            raise SourceError(
                f"{self._job.source}: another file has taken its place, or it was written to, since"
                " it was looked at: nothing was sent",
                "Give it once more when it is whole.",
            )
        runs_dir, target = self._job.settings.runs_dir, self._job.target
        self._open.enter_context(
            target_lock(
                runs_dir, target.base_url, target.project, wait=self._guard.wait, stop=self._stop
            )
        )
        self._ledger = self._open.enter_context(Ledger.open(runs_dir))
        remember(runs_dir)
        entry = self._described(description, RunDirectory(Path()))
        rules = self._job.mapping.spec.rows
        with ledgers_beside(self._ledger) as ledgers:
            if not self._guard.again:
                for past in _alike(ledgers, entry):
                    _refuse(past, entry)
            place = (target.base_url, target.project)
            look_back(self._seen, ledgers, place, rules, entry.started_at)
        return {ENTRY_KEY: entry.own_facts()}

    def begins(
        self, description: Description, directory: RunDirectory, rows: int, sighting: Sighting
    ) -> None:
        """Enter the run; from here on it may send."""
        rules = self._job.mapping.spec.rows
        if rules.within is not None:
            keep_keys(directory, rules.unique or (), sighting.keys)
        if self._ledger is not None:
            pending = {Status.PENDING.value: rows}
            entry = replace(self._described(description, directory), rows=rows, counts=pending)
            self._ledger.enter(entry)
            self._ledger.note(SIZE, entry.sha256, str(description.source["size"]))
            self._begun = self._ledger, entry

    def ends(self, summary: Summary) -> None:
        """Enter how the run ended."""
        if self._begun is not None:
            ledger, entry = self._begun
            _enter(ledger, _ended(entry, summary))

    def _described(self, description: Description, directory: RunDirectory) -> Entry:
        first, last = self._job.reading.rows or (None, None)
        return Entry(
            run_id=description.run_id,
            label=self._guard.label,
            file=str(self._job.source.absolute()),
            sha256=description.source["sha256"],
            sheet=description.source["sheet"],
            first_row=first,
            last_row=last,
            mapping_sha256=description.mapping["sha256"],
            base_url=description.target["base_url"],
            project=description.target["project"],
            run_dir=directory.path.absolute(),
            status=RUNNING,
            exit_code=None,
            counts={},
            rows=0,
            started_at=datetime.now(UTC),
            elapsed_s=0.0,
            jobs_file=self._guard.jobs_file,
        )


def _alike(ledgers: Sequence[Ledger], entry: Entry) -> list[Entry]:
    """The other runs of the same rows of the same content at the same place, newest first."""
    return newest_first([past for ledger in ledgers for past in ledger.alike(entry)])


def _refuse(past: Entry, entry: Entry) -> None:
    """Refuse what a past run has sent or begun to send."""
    when = past.started_at.astimezone().strftime("%Y-%m-%d %H:%M")
    what = f"{entry.file}: its content was sent to project {entry.project} on {when}"
    folder = quoted(past.run_dir)
    if past.unfinished and RunDirectory(past.run_dir).journal.exists():
        raise Unfinished(
            f"{what}, and {past.count(Status.PENDING)} of its rows are still to be sent",
            f"Go on with: {resume_command(past.run_dir)}\nTo send all of them again, the"
            f" {past.count(Status.CREATED)} that were created too: --again.",
            past,
        )
    if past.sent:
        name = "" if past.file == entry.file else f", as {past.file}"
        raise AlreadyImported(
            f"{what}{name}: {past.count(Status.CREATED)} rows were created",
            f"Its results: {folder}\nRows that failed are in its failures.xlsx: mend and import"
            " that. To send all of it a second time: --again.",
            past,
        )


def run(
    job: Job,
    *,
    guard: Guard = Guard(),
    seen: Seen | None = None,
    log: Path | None = None,
    stop: StopSwitch | None = None,
    listener: Listener = lambda _: None,
) -> RunResult:
    """Import one file as :func:`importer.pipeline.run` does, guarded and entered.

    Raises AlreadyImported, Unfinished and TargetBusy besides what that raises.
    """
    if job.settings.sandbox is not None:
        return pipeline.run(job, seen=seen, log=log, stop=stop, listener=listener)
    stop = stop or StopSwitch()
    seen = seen if seen is not None else Seen()
    with _Register(job, guard, stop, seen) as register:
        result = pipeline.run(
            job, seen=seen, log=log, stop=stop, listener=listener, register=register
        )
        register.ends(result.summary)
        return result


def resume(
    run_dir: Path,
    target: Target | None,
    settings: RunSettings,
    *,
    guard: Guard = Guard(),
    stop: StopSwitch | None = None,
    listener: Listener = lambda _: None,
) -> RunResult:
    """Go on with a run as :func:`importer.recovery.resume` does, guarded and entered.

    The target may be left out where no row is pending: then nothing is sent, whatever other runs
    have done. Raises AlreadyImported where another run has sent the same content since, and
    TargetBusy. The ledger is the one that knows the run: of the folder it lies in, that `settings`
    name, or that this user has used.
    """
    past, stop = past_run(run_dir), stop or StopSwitch()
    if past.sandbox is not None:
        return recovery.resume(run_dir, target, settings, stop=stop, listener=listener)
    run_id = past.description.run_id
    runs_dir = _home(run_id, run_dir.absolute().parent, settings.runs_dir)
    with (
        target_lock(runs_dir, past.base_url, past.project, wait=guard.wait, stop=stop),
        Ledger.open(runs_dir) as ledger,
    ):
        entry = ledger.find(run_id)
        if entry is not None:
            remember(runs_dir)
            if past.pending and not guard.again:
                with ledgers_beside(ledger) as ledgers:
                    _refuse_overtaken(entry, ledgers)
        result = recovery.resume(run_dir, target, settings, stop=stop, listener=listener)
        if entry is not None:
            _enter(ledger, replace(_ended(entry, result.summary), run_dir=run_dir.absolute()))
        return result


def _home(run_id: str, *folders: Path) -> Path:
    """The first of the folders, or of those that the user has used, whose ledger has the run.

    The first of all where none has it.
    """
    for folder in folders:
        if (ledger := Ledger.look(folder, again=False)) is not None:
            with ledger:
                if ledger.find(run_id) is not None:
                    return folder
    with ledgers_beside(None) as ledgers:
        return next((each.path.parent for each in ledgers if each.find(run_id)), folders[0])


def _refuse_overtaken(entry: Entry, ledgers: Sequence[Ledger]) -> None:
    """Refuse to send what a later run has sent."""
    for other in _alike(ledgers, entry):
        if other.started_at > entry.started_at and other.sent:
            raise AlreadyImported(
                f"{entry.run_dir}: the same content was sent to project {entry.project} since, by"
                f" {other.run_id}",
                f"Look at its results: {quoted(other.run_dir)}\nTo send what is pending"
                " here in spite of it: --again.",
                other,
            )


def _ended(entry: Entry, summary: Summary) -> Entry:
    return replace(
        entry,
        status=summary.status,
        exit_code=summary.exit_code,
        rows=summary.rows,
        counts={state.value: count for state, count in summary.counts.items()},
        elapsed_s=summary.elapsed_s,
    )


def _enter(ledger: Ledger, entry: Entry) -> None:
    """Enter how a run ended; its rows are accounted for in its journal, whatever comes of it."""
    try:
        ledger.enter(entry)
    except OutputError as error:
        _log.warning("%s. How this run ended is not entered; its own folder has it.", error)
