"""The second half of the pipeline: ready records → leases → replies → journal → result files.

It maps nothing: the bytes of ``ready.parquet`` are sent. For a new run and a resumed one alike,
every ready row without an entry in the journal is sent. :func:`importer.pipeline.recover.apply`
opens and approves a plan for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from importer.api.verdict import judge
from importer.errors import JournalError, OutputError, ServiceError
from importer.files import write_private
from importer.journal.journal import BEGUN_KEY, ENDED_KEY, LEASED_KEY, Journal
from importer.mapping.load import LoadedMapping
from importer.model import (
    EDITED_COLUMN,
    NUMBERS_COLUMN,
    CanaryBegins,
    CanaryEqual,
    CanaryState,
    Checkup,
    Event,
    Outcome,
    Progress,
    Request,
    Stage,
    Status,
    Stop,
    Summary,
)
from importer.pipeline.canary import (
    Canary,
    CanaryResult,
    ComparisonState,
    CreatedRecord,
    ReadBack,
    choose,
    created_records,
    read_back,
)
from importer.pipeline.edits import mended_batches
from importer.pipeline.origins import PastRuns
from importer.pipeline.planfile import PlanFile
from importer.pipeline.ready import ReadyFile, RowNumbers
from importer.pipeline.result_rows import ResultRow, frame_of_rows, result_rows
from importer.pipeline.results import write_results
from importer.pipeline.rundir import CANARY, RunDirectory
from importer.pipeline.running import Control, Listener
from importer.pipeline.summary import (
    Clock,
    Description,
    plan_command_without,
    run_dir_command,
    summarise,
)
from importer.sending.coordinator import coordinate
from importer.sending.local import LocalEngine
from importer.sending.loop import run_loop
from importer.sending.protocol import End, Ending, Engine
from importer.sending.remote import Links, RemoteEngine, parts_of, sender_processes
from importer.settings import DEFAULT_WORKERS, RunSettings, SourceOptions, Target, json_value
from importer.sources.frames import Frame
from importer.sources.snapshot import Snapshot
from importer.survey.duplicates import FileKeys

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = 10
"""Failed rows that are named on the terminal; failures.csv has them all."""
CANARY_STOP = "canary"
"""The code of a stop after the canary, which differs or failed: a person must look at it."""
CANARY_UNREAD = "canary_unread"
"""The code of a stop since the canary could not be read back: a resumed run does that first."""


@dataclass(frozen=True, slots=True)
class Excepted:
    """Runs of a list whose rows are left out, by their directories: what these have sent, or may.

    Of those `mended` among them the rows that failed, too: they have a list of their own.
    """

    runs: tuple[Path, ...] = ()
    mended: tuple[Path, ...] = ()


NONE_EXCEPTED = Excepted()


@dataclass(frozen=True, slots=True)
class Job:
    """One list to import: source, mapping, target and settings.

    `source` is the path of a file, or a frame. `edits` is a file of edits of its cells.
    """

    source: Path | Frame
    mapping: LoadedMapping
    target: Target
    reading: SourceOptions = field(default_factory=SourceOptions)
    settings: RunSettings = field(default_factory=RunSettings)
    excepted: Excepted = Excepted()
    edits: Path | None = None

    @property
    def file(self) -> str:
        """What the history calls the list: the file's absolute path, or the frame's name."""
        return self.source.name if isinstance(self.source, Frame) else str(self.source.absolute())


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended and where its results are; `examples` are the first rows that failed.

    `checkup` is what the check found; None for a resumed run. `stop` is why the run stopped early.
    `nothing_pending` says that a resumed run had no row to send, so that nothing was sent. `notes`
    are changes since it was planned that do not matter. `canary` is the comparison of the rows that
    were sent first, where they were read back.
    """

    summary: Summary
    directory: RunDirectory
    examples: tuple[Outcome, ...]
    checkup: Checkup | None = None
    stop: Stop | None = None
    nothing_pending: bool = False
    notes: tuple[str, ...] = ()
    canary: CanaryResult | None = None

    @property
    def needs_reading(self) -> bool:
        """Whether the canary could not be read back; a resumed run does that first."""
        return self.stop is not None and self.stop.code == CANARY_UNREAD

    def rows(self) -> Iterator[ResultRow]:
        """The outcome of every row of the list, in order, read from the run's folder.

        Some thousand rows are in memory at a time. Raises JournalError and SourceError where the
        folder cannot be read.
        """
        return result_rows(self.directory)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with the outcome of every row, and its cells as text.

        Its columns are those of results.csv (row, status, numberid, attempts, http_status, code,
        message), then those of the list. Raises as :meth:`rows` does.
        """
        return frame_of_rows(self.directory)


@dataclass(frozen=True, slots=True)
class Run:
    """A new or a past run, with its directory and its open journal."""

    description: Description
    clock: Clock
    directory: RunDirectory
    journal: Journal


@dataclass(frozen=True, slots=True)
class ReadyRun:
    """A run that is ready to send: its journal is open, and it has a plan."""

    job: Job
    run: Run
    plan: PlanFile


def beginning(clock: Clock, settings: RunSettings) -> dict[str, str]:
    """The notes that a run's journal must have before its first request may leave.

    A requested canary is among them: if the run is killed and resumed, no other row is sent first.
    """
    canary = Canary(settings.canary).as_meta() if settings.canary is not None else {}
    return {BEGUN_KEY: clock.started_at.isoformat(), **canary}


@dataclass(frozen=True, slots=True)
class Admission:
    """A register's answer for a run that it lets begin.

    `noted` are notes for the run's own journal, by key. `again` are the past runs in spite of which
    it is sent, as in :class:`importer.pipeline.planfile.PlanFile`; None unless asked for.
    `past` finds the runs that rows of a list of failures come from; None where only the run's own
    folder is known.
    """

    noted: Mapping[str, str] = field(default_factory=dict)
    again: tuple[Mapping[str, Any], ...] | None = None
    past: PastRuns | None = None


class Register(Protocol):
    """An account of all runs, which may refuse a new one because of past ones.

    The pipeline knows no ledger: :mod:`importer.operations.guarded` implements this with one.
    """

    def admit(self, description: Description) -> Admission:
        """Admit a run before anything of it is written; raises ImporterError to refuse it."""

    def planned(self, directory: RunDirectory, file_keys: FileKeys) -> None:
        """Write the keys of its rows into the run's directory, for comparison by later runs."""

    def begins(self, run: Run, rows: int) -> None:
        """Note, durably, a run that is about to send; where this raises, nothing is sent."""


def send_and_finish(ready_run: ReadyRun, rows: int, control: Control) -> RunResult:
    """Send what is pending and write the results of all rows.

    Raises JournalError or OutputError where the disk fails; both say how to go on.
    """
    try:
        ending, canary = _SendingSession(ready_run, rows, control).send()
        return replace(finish(ready_run.run, rows, ending), canary=canary)
    except (JournalError, OutputError) as error:
        # Rows were sent: the journal has them, and the result files can be written from it.
        error.exit_code = 3
        run = ready_run.run
        resume = run_dir_command("resume", run.directory.path, run.description.settings)
        go_on = f"Then go on with: {resume}"
        error.hint = f"{error.hint} {go_on}" if error.hint else go_on
        raise


class _SendingSession:
    """Sending of one run, from one start of the program to its end: the canary, then the rest.

    The canary, rows that are sent first and read back, is sent by this process and the local
    engine, whatever engine the settings name: it must be right before other processes send.
    """

    def __init__(self, ready_run: ReadyRun, rows: int, control: Control) -> None:
        self._job, self._run, self._plan = ready_run.job, ready_run.run, ready_run.plan
        self._rows, self._stop = rows, control.stop
        self._journal, self._ready = ready_run.run.journal, ready_run.run.directory.ready
        self._limit = ready_run.job.settings.limit
        self._counts = counts_of(self._journal, rows)
        self._listener = _until_it_fails(control.listener)

    def send(self) -> tuple[Ending, CanaryResult | None]:
        """Send every ready row without an entry in the journal, and report progress."""
        self._listener(Progress(Stage.SENDING, self._rows, dict(self._counts)))
        ending, result = self._send_canary()
        if ending is None:
            ending = self._send_rest()
        elapsed = self._run.clock.elapsed()
        self._journal.set_meta({ENDED_KEY: str(time.time()), "elapsed": str(elapsed)})
        return ending, result

    def _send_rest(self) -> Ending:
        if self._job.settings.engine != "local":
            self._journal.set_meta({LEASED_KEY: self._job.settings.engine})
        with ReadyFile(self._ready) as ready:
            requests = itertools.islice(ready.requests(self._settled()), self._limit)
            return self._send_requests(requests, self._job)

    def _settled(self) -> RowNumbers:
        return np.fromiter(self._journal.settled_rows(), dtype=np.int64)

    def _send_requests(self, requests: Iterator[Request], job: Job) -> Ending:
        """Send requests by the engine of the job's settings."""

        def tell(outcomes: Sequence[Outcome]) -> None:
            for outcome in outcomes:
                self._counts[outcome.status] += 1
                self._counts[outcome.was or Status.PENDING] -= 1
            self._listener(Progress(Stage.SENDING, self._rows, dict(self._counts)))

        known = (
            numberid
            for outcome in self._journal.outcomes(Status.CREATED)
            for numberid in outcome.numberids
        )

        async def through() -> Ending:
            try:
                return await sent()
            except ServiceError as error:
                return Ending(End.STOPPED, Stop("no_senders", error.message, error.hint or ""))

        async def sent() -> Ending:
            async with _engine(job, self._listener, self._journal.sign_of_life) as engine:
                with self._stop.watched() as stopping:
                    return await coordinate(
                        requests,
                        self._journal,
                        engine,
                        stop=stopping,
                        on_outcomes=tell,
                        numberids=known,
                    )

        return run_loop(through())

    # The canary.

    def _send_canary(self) -> tuple[Ending | None, CanaryResult | None]:
        """Send the rows of the canary that are pending, and read all of them back.

        Returns the ending if nothing more is to be sent, else None; and the result of the canary,
        None where there is no canary or it was not read back.
        """
        canary = self._canary_to_send()
        if canary is None or not canary.chosen:
            return None, None
        if self._stop.reason is not None:
            return Ending(End.INTERRUPTED), None
        rows = {choice.row for choice in canary.chosen}
        pending = len(rows) - len(self._journal.entries(rows))
        self._listener(CanaryBegins(len(rows), pending))
        most = pending if self._limit is None else min(pending, self._limit)
        if most:
            with ReadyFile(self._ready) as ready:
                chosen = (one for one in ready.requests(self._settled()) if one.row in rows)
                ending = self._send_requests(itertools.islice(chosen, most), _locally(self._job))
            if ending.end is not End.FINISHED:
                return ending, None
        if most < pending:
            return Ending(End.FINISHED), None  # the limit is reached
        if self._limit is not None:
            self._limit -= most
        return self._compare_canary(canary)

    def _canary_to_send(self) -> Canary | None:
        """The rows to send first: those of a canary that is not verified yet, or chosen now."""
        noted = Canary.from_meta(self._journal.meta())
        count = self._job.settings.canary
        if noted is not None and noted.state is CanaryState.OPEN:
            canary = noted
        elif count is not None:
            canary = Canary(count)
        else:
            if noted is not None and noted.state is CanaryState.STOPPED:
                self._journal.set_meta(replace(noted, state=CanaryState.PASSED).as_meta())
            return None
        if canary.chosen:
            return canary
        count = count or canary.count
        form = self._job.mapping.spec.form
        multiple = {name for name, rule in form.items() if rule.multiple}
        with ReadyFile(self._ready) as ready:
            asked = itertools.takewhile(
                lambda _: self._stop.reason is None, ready.requests(self._settled())
            )
            most = count if self._limit is None else min(count, self._limit)
            canary = Canary(count, chosen=choose(asked, most, multiple))
        if canary.chosen and self._stop.reason is None:
            # Durable before the first of them may leave: a resumed run reads them back first.
            self._journal.set_meta(canary.as_meta())
        return canary

    def _compare_canary(self, canary: Canary) -> tuple[Ending | None, CanaryResult | None]:
        """Read the canary back, and write the comparison to canary.json and the journal."""
        outcomes = sorted(self._journal.entries(choice.row for choice in canary.chosen).values())
        created = [one for one in outcomes if one.status is Status.CREATED]
        with ReadyFile(self._ready) as ready:
            sent = created_records(ready.requests(), created)
        run = self._run
        try:
            records = run_loop(self._read_records_back(sent)) if sent else ()
        except ServiceError as error:
            return Ending(End.STOPPED, self._stop_if_unread(error)), None
        if records is None:
            return Ending(End.INTERRUPTED), None
        failed = [one for one in outcomes if one.status is not Status.CREATED]
        result = CanaryResult(canary.chosen, tuple(failed), records)
        about = {"run_id": run.description.run_id, **run.description.target}
        text = json.dumps({**about, **result.as_json()}, ensure_ascii=False, indent=2)
        # The file comes before the journal's note that refers to it.
        write_private(run.directory.path / CANARY, f"{text}\n")
        faults = result.faults
        state = CanaryState.STOPPED if faults else CanaryState.EQUAL
        self._journal.set_meta(replace(canary, state=state).as_meta())
        if faults:
            return Ending(End.STOPPED, self._stop_if_different(result)), result
        equal, unverified = (
            result.count(ComparisonState.EQUAL),
            result.count(ComparisonState.UNVERIFIED),
        )
        self._listener(CanaryEqual(len(records), equal, unverified))
        return None, result

    async def _read_records_back(
        self, sent: Sequence[CreatedRecord]
    ) -> tuple[ReadBack, ...] | None:
        """Read records back; None if the run is stopped before all are read."""
        from importer.api.client import Client

        job = self._job
        pace = replace(job.settings.pace, concurrency=1)
        async with Client(job.target, pace) as client:
            stamp = job.mapping.spec.stamp
            reading = asyncio.ensure_future(read_back(client, sent, stamp=stamp, rate=pace.rate))
            with self._stop.watched() as stopping:
                halt = asyncio.ensure_future(stopping.wait())
                try:
                    await asyncio.wait({reading, halt}, return_when=asyncio.FIRST_COMPLETED)
                    return reading.result() if reading.done() else None
                finally:
                    for task in (reading, halt):
                        task.cancel()
                    await asyncio.gather(reading, halt, return_exceptions=True)

    def _stop_if_unread(self, error: ServiceError) -> Stop:
        """The stop where the service does not let the canary be read back."""
        lines = [error.hint] if error.hint else []
        lines.append("The first rows are read back before all else when you go on.")
        if self._counts[Status.PENDING]:
            lines += [
                "If the service never lets records be read, plan the list without the rows that"
                " are there, and apply that plan without --canary:",
                f"  {plan_command_without(self._description_now(), self._excepted())}",
            ]
        why = f"the first rows are sent, and could not be read back yet: {error.message}"
        return Stop(CANARY_UNREAD, why, "\n".join(lines))

    def _stop_if_different(self, result: CanaryResult) -> Stop:
        """The stop where the canary differs or failed, with the commands to go on."""
        run = self._run
        stay = sum(one.status is not Status.REJECTED for one in result.failed)
        stay += len({one.row for one in result.records})
        lines = [f"All that was compared: {run.directory.path / CANARY}"]
        if stay:
            lines.append(f"Records cannot be deleted: {stay:,} stay as they are.")
        if self._counts[Status.PENDING]:
            description = self._description_now()
            anyway = run_dir_command("apply", run.directory.path, description.settings)
            lines += [
                "If it is the mapping: mend it, and plan the list without the rows that are there:",
                f"  {plan_command_without(description, self._excepted())}",
                "If it is right as it is, send the rest in spite of it:",
                f"  {anyway}",
            ]
        what = "the rest is pending" if self._counts[Status.PENDING] else "no row is left to send"
        why = f"of the first rows {', '.join(result.faults)}; {what}"
        return Stop(CANARY_STOP, why, "\n".join(lines))

    def _description_now(self) -> Description:
        """The run's description with the current credentials, which may differ from the first."""
        target = self._job.target
        return self._run.description.with_settings(
            customer=target.customer, api_key_file=json_value(target.api_key_file)
        )

    def _excepted(self) -> list[Path]:
        """The runs that a plan of the unsent rows must leave out."""
        before = [Path(one["run_dir"]) for one in self._plan.excepted]
        return [*before, self._run.directory.path]


def _locally(job: Job) -> Job:
    """The job with the local engine."""
    settings = replace(job.settings, engine="local", workers=None, scheduler=None)
    return replace(job, settings=settings)


def _until_it_fails(listener: Listener) -> Listener:
    """A listener that is called no more after an OSError: the terminal is gone, the disk full."""
    failed = False

    def tell(item: Progress | Event) -> None:
        nonlocal failed
        if not failed:
            try:
                listener(item)
            except OSError:
                failed = True

    return tell


@contextlib.asynccontextmanager
async def _engine(
    job: Job, listener: Listener, on_renewal: Callable[[], None]
) -> AsyncIterator[Engine]:
    """The engine of the settings."""
    # Imported here: a check, which sends nothing, starts faster without the HTTP library.
    from importer.api.client import Client
    from importer.api.exchange import ExchangeCallbacks
    from importer.sending.sender import setup_of

    pace, policy, target = job.settings.pace, job.settings.retry, job.target
    workers = job.settings.workers
    match job.settings.engine:
        case "local":

            def suspect(connection: int) -> None:
                engine.suspect(connection)

            async with Client(target, pace, ExchangeCallbacks(on_stray=suspect)) as client:
                engine = LocalEngine(
                    client.add,
                    judge,
                    policy,
                    pace.concurrency,
                    pace.rate,
                    client.probe,
                    listener,
                    stop_reusing_connections=client.stop_reusing_connections,
                )
                yield engine
        case "processes":
            count = workers or DEFAULT_WORKERS
            setups = [setup_of(target, part, policy) for part in parts_of(pace, count)]
            links: Links = partial(sender_processes, setups)
            yield RemoteEngine(links, count, pace, policy.max_failures, listener, on_renewal)
        case "dask":
            from importer.sending.cluster import cluster_senders

            def keyless(count: int) -> list[bytes]:
                parts = parts_of(pace, count)
                return [setup_of(target, part, policy, keyless=True) for part in parts]

            # Before the first row is granted, since the cluster may be out of reach.
            async with cluster_senders(target, job.settings.scheduler, workers, keyless) as placed:
                yield RemoteEngine(
                    lambda: contextlib.nullcontext(placed),
                    len(placed),
                    pace,
                    policy.max_failures,
                    listener,
                    on_renewal,
                )


def counts_of(journal: Journal, rows: int) -> dict[Status, int]:
    """The number of rows in each state; those without an entry in the journal are pending."""
    counts = {**journal.counts(), Status.PENDING: 0}
    counts[Status.PENDING] = rows - sum(counts.values())
    return counts


def finish(run: Run, rows: int, ending: Ending) -> RunResult:
    """Write the result files from the journal and the run's own copy."""
    summary = summarise(
        run.description,
        run.clock,
        counts_of(run.journal, rows),
        attempts=run.journal.attempts(),
        status=ending.end,
        stop=ending.stop,
    )
    with Snapshot.open(run.directory.snapshot) as snapshot:
        noting = [EDITED_COLUMN] if run.directory.edits.exists() else []
        if any(batch.fractions for batch in snapshot.batches(())):
            noting.append(NUMBERS_COLUMN)
        write_results(
            run.directory.path,
            headers=snapshot.headers,
            batches=mended_batches(run.directory, snapshot),
            outcomes=run.journal.outcomes(),
            summary=summary,
            noting=noting,
        )
    failed = run.journal.outcomes(Status.INVALID, Status.REJECTED, Status.UNCERTAIN)
    examples = tuple(itertools.islice(failed, EXAMPLES))
    return RunResult(summary, run.directory, examples, stop=ending.stop)
