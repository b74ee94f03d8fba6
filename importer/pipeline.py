"""The line itself: file → snapshot and Survey → gate → leases → replies → journal → result files.

:func:`check` is the line stopped at the gate, :func:`preview` gives the records that would be
sent, :func:`run` is the whole of it. Of a run that ends before its first request nothing is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shlex
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from importer.api.client import Client
from importer.api.request import base_url_for, encode
from importer.api.verdict import judge
from importer.errors import JournalError, OutputError, RunInterruptedError
from importer.files import make_private_folder, write_private
from importer.journal import Journal
from importer.mapping.load import LoadedMapping, load_mapping
from importer.mapping.needs import needed_project
from importer.mapping.plan import Plan, compile_plan
from importer.mapping.schema import mapping_schema
from importer.model import (
    Batch,
    Checkup,
    Event,
    Outcome,
    Preview,
    Progress,
    Request,
    SourceInfo,
    Status,
    Summary,
)
from importer.results import write_results
from importer.rundir import RunDirectory, new_run_id
from importer.sending.coordinator import coordinate
from importer.sending.local import LocalEngine
from importer.sending.protocol import Ending
from importer.settings import PROBLEM_CAP, RunSettings, SourceOptions, Target
from importer.sources import file_sha256, open_source
from importer.sources.snapshot import Snapshot, SnapshotWriter
from importer.sources.source import Source
from importer.stopping import StopSwitch
from importer.summary import (
    Clock,
    Description,
    describe_settings,
    describe_source,
    describe_target,
    summarise,
)
from importer.survey.surveyor import Seen, Surveyor

__all__ = [
    "Job",
    "LoadedMapping",
    "RunResult",
    "Seen",
    "base_url_for",
    "check",
    "load_mapping",
    "mapping_schema",
    "needed_project",
    "preview",
    "run",
]

Result = TypeVar("Result")
Listener = Callable[[Progress | Event], None]

EXAMPLES = 10
"""Failed rows that are named on the terminal; failures.csv has them all."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to import: what to read and how, what it means, where it goes."""

    source: Path
    mapping: LoadedMapping
    target: Target
    reading: SourceOptions = field(default_factory=SourceOptions)
    settings: RunSettings = field(default_factory=RunSettings)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended and where its results are; `examples` are the first rows that failed.

    `checkup` is what the check found, where the run was not one of the past.
    """

    summary: Summary
    directory: RunDirectory
    examples: tuple[Outcome, ...]
    checkup: Checkup | None = None


def check(
    path: Path,
    mapping: LoadedMapping,
    reading: SourceOptions,
    *,
    seen: Seen | None = None,
    cap: int | None = PROBLEM_CAP,
) -> Checkup:
    """Read, map and check a file, and send nothing.

    `seen` is shared by the files of one command; `cap` bounds the problems that are listed.
    Raises SourceError and MappingError.
    """
    with open_source(path, _reading(mapping, reading)) as source:
        plan = compile_plan(mapping, source.info.headers)
        surveyor = _surveyor(source.info, mapping, seen, cap)
        for batch in source.batches():
            surveyor.add(plan.evaluate(batch).checked)
        if seen is not None:
            seen.take(surveyor)
        return Checkup(source.info, surveyor.finish(), plan.unused_columns)


def preview(path: Path, mapping: LoadedMapping, reading: SourceOptions) -> Iterator[Preview]:
    """Give every row of a file as it would be sent, in order. Raises as :func:`check` does."""
    with open_source(path, _reading(mapping, reading)) as source:
        plan = compile_plan(mapping, source.info.headers)
        surveyor = _surveyor(source.info, mapping, None, 0)
        for batch in source.batches():
            evaluated = plan.evaluate(batch)
            decided = {decision.row: decision for decision in surveyor.add(evaluated.checked)}
            for record in plan.records(evaluated, "preview"):
                decision = decided.get(record.row)
                problems = decision.problems if decision is not None else ()
                if decision is None or decision.status is Status.PENDING:
                    yield Preview(record.row, "ready", encode(record), problems)
                else:
                    yield Preview(record.row, decision.status.value, None, problems)


def run(
    job: Job,
    *,
    seen: Seen | None = None,
    stop: StopSwitch | None = None,
    listener: Listener = lambda _: None,
) -> RunResult:
    """Import one file: read, check, send, and write the results.

    Raises ImporterError where nothing was sent; a run that stops later is a result that says so.
    `listener` is called from the thread that runs this, at the pace of the replies.
    """
    stop, clock = stop or StopSwitch(), Clock()
    with open_source(job.source, _reading(job.mapping, job.reading)) as source:
        plan = compile_plan(job.mapping, source.info.headers)
        client = Client(job.target, job.settings.pace)  # refuses a target it cannot use
        if job.settings.preflight:
            run_loop(_preflight(client))
        description = _describe(job, source.info)
        with _prepared(job, description) as (directory, journal):
            line = Line(job, plan, Run(description, clock, directory, journal))
            surveyor = _survey(line, source, seen, stop, listener)
            survey = surveyor.finish()
            copy = file_sha256(directory.snapshot)
            journal.set_meta({"rows": str(survey.rows), "snapshot_sha256": copy})
    if seen is not None:
        seen.take(surveyor)
    with journal:
        result = send_and_finish(line, survey.rows, stop, listener)
    return replace(result, checkup=Checkup(source.info, survey, plan.unused_columns))


@dataclass(frozen=True, slots=True)
class Run:
    """A run with a directory and an open journal, new or of the past."""

    description: Description
    clock: Clock
    directory: RunDirectory
    journal: Journal


@dataclass(frozen=True, slots=True)
class Line:
    """A run that can send."""

    job: Job
    plan: Plan
    run: Run


async def _preflight(client: Client) -> None:
    """Ask for the project: a wrong key or project id stops the run before it has begun."""
    async with client:
        await client.project()


@contextlib.contextmanager
def _prepared(job: Job, description: Description) -> Iterator[tuple[RunDirectory, Journal]]:
    """Make the run's directory and open its journal; where the block raises, nothing is left."""
    directory = RunDirectory(job.settings.out or job.settings.runs_dir / description.run_id)
    directory.refuse_if_used()
    with contextlib.ExitStack() as undo:
        if make_private_folder(directory.path):
            undo.callback(shutil.rmtree, directory.path, ignore_errors=True)
        else:
            undo.callback(directory.remove_files)
        write_private(directory.mapping, job.mapping.text)
        journal = Journal.create(directory.journal, description.as_meta())
        undo.callback(journal.close)
        yield directory, journal
        undo.pop_all()


def _survey(
    line: Line, source: Source, seen: Seen | None, stop: StopSwitch, listener: Listener
) -> Surveyor:
    """Read the source once: into the run's own copy, and into the Survey.

    What is refused here is in the journal before the first request leaves.
    """
    surveyor = _surveyor(source.info, line.job.mapping, seen, PROBLEM_CAP)
    with SnapshotWriter(line.run.directory.snapshot, source.info.headers, source.info) as snapshot:
        for batch in source.batches():
            if stop.reason is not None:
                raise RunInterruptedError("interrupted while reading: nothing was sent")
            snapshot.write(batch)
            decisions = surveyor.add(line.plan.evaluate(batch).checked)
            line.run.journal.settle(
                [d.outcome() for d in decisions if d.status is not Status.PENDING]
            )
            listener(Progress(None, read=surveyor.rows))
    return surveyor


def send_and_finish(line: Line, rows: int, stop: StopSwitch, listener: Listener) -> RunResult:
    """Send what is pending and write the results of all rows.

    Raises JournalError or OutputError where the disk fails; both say how to go on.
    """
    try:
        return finish(line.run, rows, send(line, rows, stop, listener))
    except (JournalError, OutputError) as error:
        # Rows were sent: the journal has them, and the files can be made again from it.
        error.exit_code = 3
        go_on = f"Then go on with: vcc-import resume {shlex.quote(str(line.run.directory.path))}"
        error.hint = f"{error.hint} {go_on}" if error.hint else go_on
        raise


def send(line: Line, rows: int, stop: StopSwitch, listener: Listener) -> Ending:
    """Send what the journal does not know, and tell the listener of it."""
    pace, retry = line.job.settings.pace, line.job.settings.retry
    counts = _counts(line.run.journal, rows)
    listener(Progress(rows, dict(counts)))

    def tell(outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            counts[outcome.status] += 1
        counts[Status.PENDING] -= len(outcomes)
        listener(Progress(rows, dict(counts)))

    async def through(requests: Iterator[Request]) -> Ending:
        async with Client(line.job.target, pace) as client:
            engine = LocalEngine(
                client.add, judge, retry, pace.concurrency, pace.rate, client.probe, listener
            )
            with stop.watched() as stopping:
                return await coordinate(
                    requests,
                    line.run.journal,
                    engine,
                    stop=stopping,
                    on_outcomes=tell,
                )

    with Snapshot.open(line.run.directory.snapshot) as snapshot:
        ending = run_loop(
            through(itertools.islice(_requests(line, snapshot), line.job.settings.limit))
        )
    line.run.journal.set_meta({"ended_at": str(time.time())})
    return ending


def _counts(journal: Journal, rows: int) -> dict[Status, int]:
    """Every state with its rows; those that the journal does not know are pending."""
    counts = {**journal.counts(), Status.PENDING: 0}
    counts[Status.PENDING] = rows - sum(counts.values())
    return counts


def _requests(line: Line, snapshot: Snapshot) -> Iterator[Request]:
    """Encode every row that the journal does not know, in source order."""
    settled = np.fromiter(line.run.journal.settled_rows(), dtype=np.int64)
    for batch in snapshot.batches(line.plan.used):
        pending = ~np.isin(batch.rows, settled, assume_unique=True)
        frame = batch.frame[pending].reset_index(drop=True)
        evaluated = line.plan.evaluate(Batch(batch.rows[pending], frame))
        for record in line.plan.records(evaluated, line.run.description.run_id):
            yield Request(record.row, encode(record))


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
        )
    failed = (o for o in run.journal.outcomes() if o.status in _FAILED)
    return RunResult(summary, run.directory, tuple(itertools.islice(failed, EXAMPLES)))


_FAILED = frozenset({Status.INVALID, Status.REJECTED, Status.UNCERTAIN})


def _describe(job: Job, info: SourceInfo) -> Description:
    return Description(
        run_id=new_run_id(info.path),
        source=describe_source(info, file_sha256(job.source)),
        mapping={"path": str(job.mapping.path), "sha256": job.mapping.sha256},
        target=describe_target(job.target),
        settings=describe_settings(job.settings),
    )


def _surveyor(
    info: SourceInfo, mapping: LoadedMapping, seen: Seen | None, cap: int | None
) -> Surveyor:
    rules = mapping.spec.rows
    surveyor = Surveyor(
        info.path, rules.on_duplicate, unique=rules.unique or (), seen=seen, cap=cap
    )
    surveyor.note(info.problems)
    return surveyor


def _reading(mapping: LoadedMapping, given: SourceOptions) -> SourceOptions:
    """How to read the source: what was given beats what the mapping says."""
    said = mapping.spec.source
    return replace(
        given,
        sheet=given.sheet if given.sheet is not None else said.sheet,
        header_row=given.header_row or (None if said.header_row == "auto" else said.header_row),
        encoding=given.encoding or said.encoding,
        delimiter=given.delimiter or said.delimiter,
    )


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the fastest event loop there is: uvloop's, where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
