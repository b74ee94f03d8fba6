"""The line itself: file → snapshot and Survey → gate → leases → replies → journal → result files.

:func:`check` is the line stopped at the gate, :func:`preview` gives the records that would be
sent, :func:`run` is the whole of it. Of a run that ends before its first request nothing is kept.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from importer.api.client import Client
from importer.api.request import base_url_for, encode
from importer.errors import RunInterruptedError
from importer.files import make_private_folder, write_private
from importer.journal import Journal
from importer.line import Job, Line, Listener, Run, RunResult, run_loop, send_and_finish
from importer.mapping.load import LoadedMapping, load_mapping
from importer.mapping.needs import needed_project
from importer.mapping.plan import compile_plan
from importer.mapping.schema import mapping_schema
from importer.model import (
    Checkup,
    Preview,
    Progress,
    SourceInfo,
    Status,
)
from importer.rundir import RunDirectory, new_run_id
from importer.settings import PROBLEM_CAP, SourceOptions
from importer.sources import file_sha256, open_source
from importer.sources.snapshot import SnapshotWriter
from importer.sources.source import Source
from importer.stopping import StopSwitch
from importer.summary import (
    Clock,
    Description,
    describe_settings,
    describe_source,
    describe_target,
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
            journal.set_meta(
                {
                    "rows": str(survey.rows),
                    "snapshot_sha256": copy,
                    "started_at": clock.started_at.isoformat(),
                }
            )
    if seen is not None:
        seen.take(surveyor)
    with journal:
        result = send_and_finish(line, survey.rows, stop, listener)
    return replace(result, checkup=Checkup(source.info, survey, plan.unused_columns))


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
