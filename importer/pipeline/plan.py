"""The first half of the pipeline: file → snapshot and Survey → gate → ready records.

Nothing is sent. :func:`check` keeps nothing on the disk, :func:`preview` gives the records that
would be sent, and :func:`planned` keeps all in a folder, the plan, which the second half sends
(:mod:`importer.pipeline.apply`). A plan that could not be applied leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from importer.errors import JournalError, OutputError, UsageError
from importer.files import WorkingFolder, make_private_folder, write_private
from importer.journal.journal import PLANNED_KEY, Journal
from importer.mapping.load import LoadedMapping
from importer.model import Checkup, Preview, Status
from importer.pipeline.apply import (
    NONE_EXCEPTED,
    Admission,
    Excepted,
    Job,
    ReadyRun,
    Register,
    Run,
    beginning,
)
from importer.pipeline.do_not_call import Lists, load_lists
from importer.pipeline.edits import EDITS, Edits, Overlay, read_edits
from importer.pipeline.examine import (
    COPY,
    Examination,
    ExaminationOptions,
    findings_of,
    fitted_mapping,
    open_incoming,
)
from importer.pipeline.origins import PastRuns, RunsIn, SentBefore, rows_sent
from importer.pipeline.planfile import Part, PlanFile, content_id
from importer.pipeline.preflight import ComparisonResult, Refused, fetch_gate
from importer.pipeline.ready import ReadyWriter
from importer.pipeline.rundir import RunDirectory, log_about_run, new_run_id
from importer.pipeline.running import Control
from importer.pipeline.summary import (
    READING,
    Clock,
    Description,
    describe_reading,
    describe_settings,
    describe_source,
    describe_target,
    versions,
)
from importer.settings import SourceOptions
from importer.sources import file_sha256
from importer.sources.frames import Frame
from importer.sources.source import Source
from importer.survey.duplicates import Seen


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan in its folder, and what the check found."""

    plan: PlanFile
    directory: RunDirectory
    checkup: Checkup


def sent_before(excepted: Excepted, source: Source) -> tuple[SentBefore, ...]:
    """The rows of runs that are to be left out; raises UsageError, and JournalError."""
    found = []
    for run_dir in excepted.runs:
        failed = (Status.REJECTED, Status.INVALID) if run_dir in excepted.mended else ()
        run_id = _described_run(run_dir, source).run_id
        rows = rows_sent(RunDirectory(run_dir), *failed)
        found.append(SentBefore(run_id, run_dir.absolute(), rows))
    return tuple(found)


def check(
    given: Path | Frame,
    mapping: LoadedMapping,
    reading: SourceOptions,
    *,
    options: ExaminationOptions | None = None,
    edits: Path | None = None,
    excepted: Excepted = NONE_EXCEPTED,
) -> Checkup:
    """Read, map and check a file or a frame, with its `edits`, if any, and send nothing.

    Rows of the `excepted` runs are left out. `options` default to a working copy in a temporary
    folder. Raises SourceError and MappingError, and UsageError where the edits cannot be used, or a
    run is of another list.
    """
    stop = options.stop if options is not None else None
    with _working_folder() as folder, open_incoming(given, mapping, reading, stop) as source:
        options = _with_edits(
            options or ExaminationOptions(folder / COPY), _read_edits(edits, source)
        )
        options = replace(
            options, now=options.now or _now(), sent_before=sent_before(excepted, source)
        )
        examination = Examination(source.info, mapping, options)
        examination.read(source)
        deque(examination.survey(), maxlen=0)  # consumes the iterator
        checkup = examination.finish()
        if options.seen is not None and not checkup.refused:
            options.seen.take(examination.surveyor.file_keys)
        return checkup


def preview(
    given: Path | Frame,
    mapping: LoadedMapping,
    reading: SourceOptions,
    *,
    seen: Seen | None = None,
    past: PastRuns | None = None,
    edits: Path | None = None,
) -> Iterator[Preview]:
    """Give every row of a list as it would be sent, in order. Raises as :func:`check` does."""
    with _working_folder() as folder:
        with open_incoming(given, mapping, reading) as source:
            options = ExaminationOptions(
                folder / COPY, seen=seen, cap=0, now=_now(), past=past or RunsIn()
            )
            options = _with_edits(options, _read_edits(edits, source))
            examination = Examination(source.info, mapping, options)
            examination.read(source)
        for decisions, ready in examination.prepared("preview"):
            decided = {decision.row: decision for decision in decisions}
            bodies = dict(zip(ready.rows.tolist(), ready.bodies.to_pylist(), strict=True))
            for row in sorted({*decided, *bodies}):
                decision = decided.get(row)
                problems = decision.problems if decision is not None else ()
                if decision is None or decision.status is Status.PENDING:
                    yield Preview(row, "ready", bodies[row], problems)
                else:
                    yield Preview(row, decision.status.value, None, problems)


@contextlib.contextmanager
def planned(
    job: Job,
    control: Control,
    *,
    seen: Seen | None = None,
    register: Register | None = None,
    sends: bool = False,
) -> Iterator[tuple[ReadyRun, Checkup]]:
    """Check one file and keep a plan of it in a folder; its journal is open within the block.

    With `sends` the journal notes the run as begun, since the block will send it. The `register`
    may refuse the plan. Raises ImporterError where no plan can be made, and leaves nothing then.
    """
    ready_run, checkup = _make_plan(job, control, seen, register, sends=sends)
    with ready_run.run.journal:
        yield ready_run, checkup


def _make_plan(
    job: Job, control: Control, seen: Seen | None, register: Register | None, *, sends: bool
) -> tuple[ReadyRun, Checkup]:
    from importer.api.client import Client

    clock = Clock()
    if job.settings.out is not None:
        # Checked again when the folder is made; here, so that nobody waits for the reading first.
        RunDirectory(job.settings.out).refuse_if_used()
    with open_incoming(job.source, job.mapping, job.reading, control.stop) as source:
        fitted_mapping(job.mapping, source.info)  # refuses a sheet that does not fit
        Client(job.target, job.settings.pace)  # refuses a target it cannot use
        asks = job.settings.preflight
        gate = fetch_gate(job.mapping, job.target, job.settings) if asks else None
        lists = load_lists(job.mapping, control.stop)
        excepted = sent_before(job.excepted, source)
        for run_dir in job.excepted.runs:
            _refuse_elsewhere(run_dir, job, _described_run(run_dir, source))
        edits = _read_edits(job.edits, source)
        description = _describe(job, source, lists)
        log_about_run(description.run_id)
        admission = register.admit(description) if register is not None else Admission()
        with _new_run_folder(job, description) as (directory, journal):
            options = ExaminationOptions(
                directory.snapshot,
                control.log,
                seen,
                stop=control.stop,
                listener=control.listener,
                gate=gate,
                now=_now(),
                lists=lists,
                durable=True,
                sent_before=excepted,
                past=admission.past or RunsIn(job.settings.runs_dir),
            )
            options = _with_edits(options, edits)
            if edits is not None and edits.overlay:
                write_private(directory.edits, edits.content.decode())
            examination = Examination(source.info, job.mapping, options)
            examination.read(source)
            stamp = job.mapping.spec.stamp
            with ReadyWriter(directory.ready, stamp, description.run_id) as records:
                for decisions, ready in examination.prepared(description.run_id):
                    records.write(ready)
                    refused = [d.outcome() for d in decisions if d.status is not Status.PENDING]
                    # What is left out is in the journal before the first request leaves.
                    journal.settle(refused)
            checkup = examination.finish()
            if checkup.refused:
                raise Refused(
                    _kept_checkup(checkup, control.log, directory.snapshot, options.edits)
                )
            new = checkup.new_values
            description = description.with_settings(new_values=None if new is None else len(new))
            if register is not None:
                register.planned(directory, examination.surveyor.file_keys)
            digests = {"cells": examination.cells_digest, "ready": records.digest}
            if options.edits:
                digests[EDITS] = options.edits.digest
            content = _Content(
                digests,
                lists,
                examination.comparison,
                excepted,
                admission.again,
            )
            plan = _plan_file(job, description, directory, checkup, content)
            write_private(directory.plan, plan.text)
            journal.set_meta(
                {
                    **description.as_meta(),
                    **admission.noted,
                    "rows": str(checkup.survey.rows),
                    PLANNED_KEY: file_sha256(directory.plan),
                    **(beginning(clock, job.settings) if sends else {}),
                }
            )
    if seen is not None and not seen.one_file:
        seen.take(examination.surveyor.file_keys)
    return ReadyRun(job, Run(description, clock, directory, journal), plan), checkup


@dataclass(frozen=True, slots=True)
class _Content:
    """What a plan is made of: the digests of its files' contents by name, and what it rests on.

    `excepted` are past runs whose rows are left out, `again` those in spite of which it is sent.
    """

    digests: Mapping[str, str]
    lists: Lists
    compared: ComparisonResult | None
    excepted: tuple[SentBefore, ...]
    again: tuple[Mapping[str, Any], ...] | None


def _plan_file(
    job: Job,
    description: Description,
    directory: RunDirectory,
    checkup: Checkup,
    content: _Content,
) -> PlanFile:
    """What plan.json is to hold."""
    files = {"cells": directory.snapshot, "ready": directory.ready, "mapping": directory.mapping}
    if EDITS in content.digests:
        files[EDITS] = directory.edits
    if directory.keys.exists():
        files["keys"] = directory.keys
    parts = {
        name: Part(path.name, digest := file_sha256(path), content.digests.get(name, digest))
        for name, path in files.items()
    }
    survey, target = checkup.survey, description.target
    compared = content.compared
    return PlanFile(
        id=content_id(
            {**content.digests, "mapping": parts["mapping"].sha256},
            content.lists.about,
            compared.expected.digest() if compared is not None else None,
            target,
            rehearsal=job.settings.sandbox is not None,
            again=content.again is not None,
        ),
        run_id=description.run_id,
        created_at=_now().isoformat(timespec="seconds"),
        parts=parts,
        do_not_call=content.lists.about,
        source=description.source,
        mapping=description.mapping,
        target=target,
        settings=description.settings,
        rows=survey.rows,
        counts={"ready": survey.ready, "invalid": survey.invalid, "skipped": survey.skipped},
        left_out=[
            {"status": status.value, "code": code, "rows": rows}
            for (status, code), rows in survey.left_out.items()
        ],
        problem_counts=survey.problem_counts,
        phones=[asdict(reading) for reading in checkup.phones],
        expected=compared.expected.as_json() if compared is not None else None,
        excepted=[{"run_id": one.run_id, "run_dir": str(one.run_dir)} for one in content.excepted],
        again=content.again,
        versions=versions(),
    )


@contextlib.contextmanager
def _working_folder() -> Iterator[Path]:
    """A temporary folder that only its owner may read, removed after the block."""
    with WorkingFolder() as folder:
        try:
            yield Path(folder)
        except OutputError as error:
            # The hints of a run name its own folder.
            error.hint = "Make room on the disk of temporary files (TMPDIR says where that is)."
            raise


def _read_edits(path: Path | None, source: Source) -> Edits | None:
    return read_edits(path, source.info.headers) if path is not None else None


def _with_edits(options: ExaminationOptions, edits: Edits | None) -> ExaminationOptions:
    """The options with these edits, and with the remarks on their file."""
    if edits is None:
        return options
    return replace(options, edits=edits.overlay, remarks=(*options.remarks, *edits.remarks))


def _kept_checkup(checkup: Checkup, log: Path | None, copy: Path, edits: Overlay) -> Checkup:
    """The checkup of a refused plan; the copy of the cells is moved beside the log."""
    if log is None:
        return replace(checkup, findings=None)
    beside = log.with_suffix(".parquet")
    try:
        shutil.move(copy, beside)
    except OSError:
        # The reasons of the refusal matter more than a report of all cells.
        return replace(checkup, findings=None)
    return replace(checkup, findings=findings_of(log, beside, checkup.info, edits))


def _now() -> datetime:
    return datetime.now(UTC)


@contextlib.contextmanager
def _new_run_folder(job: Job, description: Description) -> Iterator[tuple[RunDirectory, Journal]]:
    """Make the run's directory and open its journal; where the block raises, nothing is left."""
    directory = RunDirectory(job.settings.out or job.settings.runs_dir / description.run_id)
    directory.refuse_if_used()
    with contextlib.ExitStack() as undo:
        if make_private_folder(directory.path):
            undo.callback(shutil.rmtree, directory.path, ignore_errors=True)
        else:
            undo.callback(directory.remove_files)
        write_private(directory.mapping, job.mapping.text)
        try:
            journal = Journal.create(directory.journal, description.as_meta())
            undo.callback(journal.close)
            yield directory, journal
        except JournalError as error:
            # The journal's own hint is to resume the run, of which nothing is left.
            error.hint = "Make room on its disk, or let it be written; then run the command again."
            raise
        undo.pop_all()


def _described_run(run_dir: Path, source: Source) -> Description:
    """What a run was about; raises UsageError unless it is one of this list, JournalError."""
    with Journal.read(RunDirectory(run_dir).journal) as journal:
        try:
            description = Description.from_meta(journal.meta())
        except (KeyError, ValueError, TypeError):
            raise UsageError(f"{run_dir} is not the folder of a run") from None
    then, now = description.source, describe_source(source.info, source.sha256, source.size)
    differing = [name for name in ("sha256", "sheet", "header_row") if then[name] != now[name]]
    if differing:
        raise UsageError(
            f"{run_dir} is a run of another list ({', '.join(differing)} differ): its rows are not"
            f" those of {source.info.path}",
            "--except takes a run of the same file, as it was then. Of another file, rows.within"
            " with rows.unique leaves out what was sent before.",
        )
    return description


def _refuse_elsewhere(run_dir: Path, job: Job, description: Description) -> None:
    """Raise UsageError where a run whose rows are left out went elsewhere."""
    went, goes = description.target, describe_target(job.target)
    rehearsed = description.settings.get("sandbox") is not None
    if rehearsed is not (job.settings.sandbox is not None) or (went != goes and not rehearsed):
        where = "a sandbox" if rehearsed else f"project {went['project']} at {went['base_url']}"
        raise UsageError(
            f"{run_dir} went to {where}: its rows are not where these are to go",
            "--except takes a run that went to the same project. Leave it out, or name that"
            " project.",
        )


def _describe(job: Job, source: Source, lists: Lists) -> Description:
    about = describe_source(source.info, source.sha256, source.size)
    if lists.about:
        about["do_not_call"] = list(lists.about)
    description = Description(
        run_id=new_run_id(source.info.path),
        source=about,
        mapping={"path": str(job.mapping.path.absolute()), "sha256": job.mapping.sha256},
        target=describe_target(job.target),
        settings=describe_settings(job.settings, job.target),
    )
    asked = describe_reading(job.reading)
    return description.with_settings(**{READING: asked}) if asked else description
