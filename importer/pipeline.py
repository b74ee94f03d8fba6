"""The line itself: file → snapshot and Survey → gate → leases → replies → journal → result files.

:func:`check` is the line stopped at the gate, :func:`preview` gives the records that would be
sent, :func:`run` is the whole of it. Of a run that ends before its first request nothing is kept.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from importer.api.client import Client
from importer.api.request import base_url_for, encode
from importer.examination import COPY, Examination, Look
from importer.files import make_private_folder, write_private
from importer.journal import Journal
from importer.line import Job, Line, Listener, Run, RunResult, run_loop, send_and_finish
from importer.mapping.load import LoadedMapping, load_mapping
from importer.mapping.needs import needed_project
from importer.mapping.plan import compile_plan
from importer.mapping.schema import mapping_schema
from importer.model import Checkup, Preview, SourceInfo, Status
from importer.rundir import RunDirectory, new_run_id
from importer.settings import SourceOptions
from importer.sources import file_sha256, open_source
from importer.stopping import StopSwitch
from importer.summary import (
    Clock,
    Description,
    describe_settings,
    describe_source,
    describe_target,
)
from importer.survey.surveyor import Seen

__all__ = [
    "Job",
    "LoadedMapping",
    "Look",
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
    look: Look | None = None,
) -> Checkup:
    """Read, map and check a file, and send nothing.

    Raises SourceError and MappingError. Without a `look`, the working copy is gone afterwards.
    """
    with _working_folder() as folder, open_source(path, _reading(mapping, reading)) as source:
        examination = Examination(source.info, mapping, look or Look(folder / COPY))
        examination.read(source)
        for _ in examination.survey():
            pass
        if examination.look.seen is not None:
            examination.look.seen.take(examination.surveyor)
        return examination.finish()


def preview(path: Path, mapping: LoadedMapping, reading: SourceOptions) -> Iterator[Preview]:
    """Give every row of a file as it would be sent, in order. Raises as :func:`check` does."""
    with _working_folder() as folder:
        with open_source(path, _reading(mapping, reading)) as source:
            examination = Examination(source.info, mapping, Look(folder / COPY, cap=0))
            examination.read(source)
        for evaluated, decisions in examination.survey():
            decided = {decision.row: decision for decision in decisions}
            for record in examination.plan.records(evaluated, "preview"):
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
    log: Path | None = None,
    stop: StopSwitch | None = None,
    listener: Listener = lambda _: None,
) -> RunResult:
    """Import one file: read, check, send, and write the results.

    All problems found on the way go to the file `log`, where one is named. Raises ImporterError
    where nothing was sent; a run that stops later is a result that says so. `listener` is called
    from the thread that runs this, at the pace of the replies.
    """
    stop, clock = stop or StopSwitch(), Clock()
    with open_source(job.source, _reading(job.mapping, job.reading)) as source:
        compile_plan(job.mapping, source.info.headers)  # refuses a sheet that does not fit
        client = Client(job.target, job.settings.pace)  # refuses a target it cannot use
        if job.settings.preflight:
            run_loop(_preflight(client))
        description = _describe(job, source.info)
        with _prepared(job, description) as (directory, journal):
            look = Look(directory.snapshot, log, seen, stop=stop, listener=listener)
            examination = Examination(source.info, job.mapping, look)
            examination.read(source)
            for _, decisions in examination.survey():
                # What is refused is in the journal before the first request leaves.
                journal.settle([d.outcome() for d in decisions if d.status is not Status.PENDING])
            checkup = examination.finish()
            journal.set_meta(
                {
                    "rows": str(checkup.survey.rows),
                    "facts": examination.facts.as_json(),
                    "snapshot_sha256": file_sha256(directory.snapshot),
                    "started_at": clock.started_at.isoformat(),
                }
            )
    if seen is not None:
        seen.take(examination.surveyor)
    line = Line(job, examination.plan, Run(description, clock, directory, journal))
    with journal:
        result = send_and_finish(line, checkup.survey.rows, stop, listener)
    return replace(result, checkup=checkup)


@contextlib.contextmanager
def _working_folder() -> Iterator[Path]:
    """A folder of the owner's alone for what lasts no longer than the command."""
    with tempfile.TemporaryDirectory(prefix="vcc-import-") as folder:
        yield Path(folder)


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


def _describe(job: Job, info: SourceInfo) -> Description:
    return Description(
        run_id=new_run_id(info.path),
        source=describe_source(info, file_sha256(job.source)),
        mapping={"path": str(job.mapping.path), "sha256": job.mapping.sha256},
        target=describe_target(job.target),
        settings=describe_settings(job.settings),
    )


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
