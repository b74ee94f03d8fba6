"""The second half of the line: ready records → leases → replies → journal → result files.

It maps nothing: what is sent are the bytes of ``ready.parquet``. A new run and one that goes on
are the same here: what the journal does not know is sent.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from importer.api.verdict import judge
from importer.errors import JournalError, OutputError, ServiceError
from importer.journal.journal import LEASED_KEY, Journal
from importer.mapping.load import LoadedMapping
from importer.model import (
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
from importer.pipeline.planfile import PlanFile
from importer.pipeline.ready import ReadyFile
from importer.pipeline.results import write_results
from importer.pipeline.rundir import RunDirectory
from importer.pipeline.running import Control, Listener
from importer.pipeline.summary import Clock, Description, about_run, summarise
from importer.sending.coordinator import coordinate
from importer.sending.local import LocalEngine
from importer.sending.loop import run_loop
from importer.sending.protocol import End, Ending, Engine
from importer.sending.remote import Links, RemoteEngine, parts_of, sender_processes
from importer.settings import DEFAULT_WORKERS, RunSettings, SourceOptions, Target
from importer.sources.snapshot import Snapshot
from importer.survey.duplicates import Sighting

EXAMPLES = 10
"""Failed rows that are named on the terminal; failures.csv has them all."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to import: what to read and how, what it means, where it goes.

    `excepted` are the directories of runs of the same file whose rows are left out.
    """

    source: Path
    mapping: LoadedMapping
    target: Target
    reading: SourceOptions = field(default_factory=SourceOptions)
    settings: RunSettings = field(default_factory=RunSettings)
    excepted: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended and where its results are; `examples` are the first rows that failed.

    `checkup` is what the check found, where the run was not one of the past. `stop` is why nothing
    more was sent, where the run stopped early. `nothing_pending` says that the run was resumed
    though it had no row to send: nothing was sent. `notes` are what has changed since it was
    planned, and does not matter.
    """

    summary: Summary
    directory: RunDirectory
    examples: tuple[Outcome, ...]
    checkup: Checkup | None = None
    stop: Stop | None = None
    nothing_pending: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A run with a directory and an open journal, new or of the past."""

    description: Description
    clock: Clock
    directory: RunDirectory
    journal: Journal


@dataclass(frozen=True, slots=True)
class Line:
    """A run that can send: its journal is open, and its ready records lie in its directory."""

    job: Job
    run: Run
    plan: PlanFile


class Register(Protocol):
    """Keeps account of runs."""

    def admit(self, description: Description) -> Mapping[str, str]:
        """Look at a run of which nothing is made yet; raises ImporterError to refuse it.

        Gives what the run's own journal is to note of it, by key.
        """

    def planned(self, directory: RunDirectory, sighting: Sighting) -> None:
        """Keep in the run's directory what later runs compare their rows with."""

    def begins(self, run: Run, rows: int) -> None:
        """Note, durably, a run that is about to send; where this raises, nothing is sent."""


def send_and_finish(line: Line, rows: int, control: Control) -> RunResult:
    """Send what is pending and write the results of all rows.

    Raises JournalError or OutputError where the disk fails; both say how to go on.
    """
    try:
        return finish(line.run, rows, send(line, rows, control))
    except (JournalError, OutputError) as error:
        # Rows were sent: the journal has them, and the files can be made again from it.
        error.exit_code = 3
        run = line.run
        resume = about_run("resume", run.directory.path, run.description.settings)
        go_on = f"Then go on with: {resume}"
        error.hint = f"{error.hint} {go_on}" if error.hint else go_on
        raise


def send(line: Line, rows: int, control: Control) -> Ending:
    """Send what the journal does not know, and tell the listener of it."""
    counts = _counts(line.run.journal, rows)
    listener, stop = _until_it_fails(control.listener), control.stop
    listener(Progress(Stage.SENDING, rows, dict(counts)))

    def tell(outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            counts[outcome.status] += 1
            counts[outcome.was or Status.PENDING] -= 1
        listener(Progress(Stage.SENDING, rows, dict(counts)))

    known = (
        numberid
        for outcome in line.run.journal.outcomes(Status.CREATED)
        for numberid in outcome.numberids
    )

    async def through(requests: Iterator[Request]) -> Ending:
        try:
            return await sent(requests)
        except ServiceError as error:
            return Ending(End.STOPPED, Stop("no_senders", error.message, error.hint or ""))

    async def sent(requests: Iterator[Request]) -> Ending:
        async with _engine(line.job, listener, line.run.journal.sign_of_life) as engine:
            with stop.watched() as stopping:
                return await coordinate(
                    requests,
                    line.run.journal,
                    engine,
                    stop=stopping,
                    on_outcomes=tell,
                    numberids=known,
                )

    if line.job.settings.engine != "local":
        line.run.journal.set_meta({LEASED_KEY: line.job.settings.engine})
    settled = np.fromiter(line.run.journal.settled_rows(), dtype=np.int64)
    with ReadyFile(line.run.directory.ready) as ready:
        requests = itertools.islice(ready.requests(settled), line.job.settings.limit)
        ending = run_loop(through(requests))
    elapsed = line.run.clock.elapsed()
    line.run.journal.set_meta({"ended_at": str(time.time()), "elapsed": str(elapsed)})
    return ending


def _until_it_fails(listener: Listener) -> Listener:
    """A listener that is asked no more once it failed: a terminal that is gone, a full disk."""
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
    """The engine that the settings ask for."""
    # A check, which sends nothing, starts faster without the HTTP library.
    from importer.api.client import Client
    from importer.api.exchange import Supervision
    from importer.sending.sender import setup_of

    pace, policy, target = job.settings.pace, job.settings.retry, job.target
    workers = job.settings.workers
    match job.settings.engine:
        case "local":

            def suspect(connection: int) -> None:
                engine.suspect(connection)

            async with Client(target, pace, Supervision(on_stray=suspect)) as client:
                engine = LocalEngine(
                    client.add,
                    judge,
                    policy,
                    pace.concurrency,
                    pace.rate,
                    client.probe,
                    listener,
                    use_once=client.use_once,
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

            # Before the first row is granted: a cluster may be out of reach.
            async with cluster_senders(target, job.settings.scheduler, workers, keyless) as placed:
                yield RemoteEngine(
                    lambda: contextlib.nullcontext(placed),
                    len(placed),
                    pace,
                    policy.max_failures,
                    listener,
                    on_renewal,
                )


def _counts(journal: Journal, rows: int) -> dict[Status, int]:
    """Every state with its rows; those that the journal does not know are pending."""
    counts = {**journal.counts(), Status.PENDING: 0}
    counts[Status.PENDING] = rows - sum(counts.values())
    return counts


def finish(run: Run, rows: int, ending: Ending) -> RunResult:
    """Write the result files from the journal and the run's own copy."""
    summary = summarise(
        run.description,
        run.clock,
        _counts(run.journal, rows),
        attempts=run.journal.attempts(),
        status=ending.end,
        stop=ending.stop,
    )
    with Snapshot.open(run.directory.snapshot) as snapshot:
        write_results(
            run.directory.path,
            headers=snapshot.headers,
            batches=snapshot.batches(),
            outcomes=run.journal.outcomes(),
            summary=summary,
            with_numbers=any(batch.fractions for batch in snapshot.batches(())),
        )
    failed = run.journal.outcomes(Status.INVALID, Status.REJECTED, Status.UNCERTAIN)
    examples = tuple(itertools.islice(failed, EXAMPLES))
    return RunResult(summary, run.directory, examples, stop=ending.stop)
