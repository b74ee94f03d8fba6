"""The line itself: file → snapshot and Survey → gate → leases → replies → journal → result files.

:func:`check` is the line stopped at the gate, :func:`preview` gives the records that would be
sent, :func:`run` is the whole of it. Of a run that ends before its first request nothing is kept.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from importer.api.request import base_url_for, encode
from importer.errors import OutputError
from importer.files import WorkingFolder, make_private_folder, write_private
from importer.journal.journal import Journal
from importer.mapping.load import LoadedMapping, load_mapping
from importer.mapping.semantics import needed_project
from importer.mapping.spec import mapping_schema
from importer.model import Checkup, Preview, Status
from importer.pipeline.apply import Job, Line, Register, Run, RunResult, send_and_finish
from importer.pipeline.do_not_call import Lists, keep_numbers, load_lists
from importer.pipeline.examine import (
    COPY,
    Examination,
    Look,
    findings_of,
    fitted_plan,
    open_incoming,
)
from importer.pipeline.preflight import Gate, Refused, fetch_gate
from importer.pipeline.rundir import RunDirectory, log_about_run, new_run_id
from importer.pipeline.running import Listener, StopSwitch
from importer.pipeline.summary import (
    Clock,
    Description,
    describe_settings,
    describe_source,
    describe_target,
)
from importer.settings import SourceOptions
from importer.sources import file_sha256
from importer.sources.source import Source
from importer.survey.duplicates import Seen

__all__ = [
    "Gate",
    "Job",
    "LoadedMapping",
    "Look",
    "Refused",
    "RunResult",
    "Seen",
    "base_url_for",
    "check",
    "fetch_gate",
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
    with _working_folder() as folder, open_incoming(path, mapping, reading) as source:
        look = look or Look(folder / COPY)
        examination = Examination(source.info, mapping, replace(look, now=look.now or _now()))
        examination.read(source)
        deque(examination.survey(), maxlen=0)  # which keeps none of it
        checkup = examination.finish()
        if look.seen is not None and not checkup.refused:
            look.seen.take(examination.surveyor.sighting)
        return checkup


def preview(
    path: Path, mapping: LoadedMapping, reading: SourceOptions, *, seen: Seen | None = None
) -> Iterator[Preview]:
    """Give every row of a file as it would be sent, in order. Raises as :func:`check` does."""
    with _working_folder() as folder:
        with open_incoming(path, mapping, reading) as source:
            look = Look(folder / COPY, seen=seen, cap=0, now=_now())
            examination = Examination(source.info, mapping, look)
            examination.read(source)
        for evaluated, decisions in examination.mapped():
            decided = {decision.row: decision for decision in decisions}
            records = examination.plan.records(evaluated, "preview")
            for row, body in zip(records.rows.tolist(), encode(records), strict=True):
                decision = decided.get(row)
                problems = decision.problems if decision is not None else ()
                if decision is None or decision.status is Status.PENDING:
                    yield Preview(row, "ready", body, problems)
                else:
                    yield Preview(row, decision.status.value, None, problems)


def run(
    job: Job,
    *,
    seen: Seen | None = None,
    log: Path | None = None,
    stop: StopSwitch | None = None,
    listener: Listener = lambda _: None,
    register: Register | None = None,
) -> RunResult:
    """Import one file: read, check, send, and write the results.

    All problems found on the way go to the file `log`, where one is named. The `register` may
    refuse the run, and is told that it begins to send. Raises ImporterError
    where nothing was sent; a run that stops later is a result that says so. `listener` is called
    from the thread that runs this, at the pace of the replies.
    """
    stop = stop or StopSwitch()
    # The keys of all rows, some dozens of bytes each, go with that call, unless `seen` keeps them.
    line, checkup = _up_to_the_gate(job, seen, log, stop, listener, register)
    with line.run.journal:
        result = send_and_finish(line, checkup.survey.rows, stop, listener)
    return replace(result, checkup=checkup)


def _up_to_the_gate(
    job: Job,
    seen: Seen | None,
    log: Path | None,
    stop: StopSwitch,
    listener: Listener,
    register: Register | None,
) -> tuple[Line, Checkup]:
    """Check the file and make its run ready to send; its journal is open then."""
    from importer.api.client import Client

    clock = Clock()
    if job.settings.out is not None:
        # Looked at again when it is made; but nobody should wait for the reading to hear of it.
        RunDirectory(job.settings.out).refuse_if_used()
    with open_incoming(job.source, job.mapping, job.reading) as source:
        fitted_plan(job.mapping, source.info)  # refuses a sheet that does not fit
        Client(job.target, job.settings.pace)  # refuses a target it cannot use
        asks = job.settings.preflight
        gate = fetch_gate(job.mapping, job.target, job.settings) if asks else None
        lists = load_lists(job.mapping, stop)
        description = _describe(job, source, lists)
        log_about_run(description.run_id)
        noted = register.admit(description) if register is not None else {}
        with _prepared(job, description) as (directory, journal):
            look = Look(directory.snapshot, log, seen, stop=stop, listener=listener, lists=lists)
            look = replace(look, lasting=True, gate=gate, now=_now())
            examination = Examination(source.info, job.mapping, look)
            examination.read(source)
            for decisions in examination.survey():
                # What is refused is in the journal before the first request leaves.
                journal.settle([d.outcome() for d in decisions if d.status is not Status.PENDING])
            checkup = examination.finish()
            if checkup.refused:
                raise Refused(_kept(checkup, log, directory.snapshot))
            description = description.but(new_values=checkup.new_values)
            dropped = keep_numbers(lists, directory.do_not_call)
            journal.set_meta(
                {
                    **description.as_meta(),
                    **noted,
                    "rows": str(checkup.survey.rows),
                    "facts": examination.facts.as_json(),
                    "snapshot_sha256": file_sha256(directory.snapshot),
                    "do_not_call_sha256": dropped or "",
                    "started_at": clock.started_at.isoformat(),
                }
            )
            if register is not None:
                register.begins(
                    description, directory, checkup.survey.rows, examination.surveyor.sighting
                )
    if seen is not None and not seen.one_file:
        seen.take(examination.surveyor.sighting)
    return Line(job, examination.plan, Run(description, clock, directory, journal)), checkup


@contextlib.contextmanager
def _working_folder() -> Iterator[Path]:
    """A folder of the owner's alone for what lasts no longer than the command."""
    with WorkingFolder() as folder:
        try:
            yield Path(folder)
        except OutputError as error:
            # The hints of a run name its own folder.
            error.hint = "Make room on the disk of temporary files (TMPDIR says where that is)."
            raise


def _kept(checkup: Checkup, log: Path | None, copy: Path) -> Checkup:
    """The checkup of a run of which nothing else is kept; its copy lives on beside the log."""
    if log is None:
        return replace(checkup, findings=None)
    beside = log.with_suffix(".parquet")
    try:
        shutil.move(copy, beside)
    except OSError:
        # Why the file is refused matters more than a report of all its cells.
        return replace(checkup, findings=None)
    return replace(checkup, findings=findings_of(log, beside))


def _now() -> datetime:
    return datetime.now(UTC)


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


def _describe(job: Job, source: Source, lists: Lists) -> Description:
    about = describe_source(source.info, source.sha256, source.size)
    if lists.about:
        about["do_not_call"] = list(lists.about)
    return Description(
        run_id=new_run_id(source.info.path),
        source=about,
        mapping={"path": str(job.mapping.path.absolute()), "sha256": job.mapping.sha256},
        target=describe_target(job.target),
        settings=describe_settings(job.settings, job.target),
    )
