"""The importer for programs: what its commands do, and what they take and give.

The commands and the console work by these functions, too. `check`, `run` and `resume` may be
called from anywhere: where an event loop is running, as in a notebook, they work in a thread of
their own and block the caller. Their twins that end in ``_async`` do not block it. :func:`start`
gives the work while it is under way.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

from importer.credentials import credentials, environment, target_for, whereabouts
from importer.errors import UsageError
from importer.files import WorkingFolder
from importer.mapping.bound import bind_mapping
from importer.mapping.changes import (
    Change,
    Remark,
    lines_of,
    remarks,
    with_changes,
    with_field_renamed,
    with_lists_of,
    with_new_values,
    without_new_value,
    without_remark,
)
from importer.mapping.load import LoadedMapping, mapping_in, mapping_of
from importer.mapping.load import load_mapping as load_mapping_file
from importer.mapping.program import Headers
from importer.mapping.semantics import needed_project
from importer.mapping.spec import STAMP_FIELD, PlacedRule, Rule, SkipWhen
from importer.mapping.values import key_in_map, translated
from importer.model import Checkup, Preview, Problem, Project, Severity, Status
from importer.operations import guarded
from importer.operations.guarded import (
    AlreadyImported,
    Guard,
    PastRunsAt,
    TargetBusy,
    Unfinished,
    recall,
)
from importer.operations.ledger import Ledger, LedgerEntry, newest_first, open_ledgers_from
from importer.pipeline import plan as first_half
from importer.pipeline import recover as recovery
from importer.pipeline.apply import Excepted, Job, RunResult
from importer.pipeline.approve import ANY_PLAN, Approval, BegunByEarlierVersion, PlanDiffers
from importer.pipeline.edits import Edit, EditLog, EditRefused, Op, Overlay
from importer.pipeline.examine import COPY, ExaminationOptions
from importer.pipeline.glimpse import Glimpse
from importer.pipeline.glimpse import glimpse as look_into
from importer.pipeline.glimpse import original_rows as original_rows_in
from importer.pipeline.origins import PastRuns, RunsIn
from importer.pipeline.plan import PlanResult
from importer.pipeline.planfile import PlanFile
from importer.pipeline.preflight import Refused, fetch_gate, fetch_project
from importer.pipeline.recheck import Recheck, Rechecked, Repeated
from importer.pipeline.reconcile import SETTLING_SECONDS, Reconciliation, Search
from importer.pipeline.reconcile import reconcile as search_for
from importer.pipeline.recover import PastRun
from importer.pipeline.result_rows import ResultRow, RowPage
from importer.pipeline.result_rows import created_workbook as write_created
from importer.pipeline.result_rows import pages_of_rows as pages_in
from importer.pipeline.run import (
    ArrowTable,
    Frame,
    base_url_for,
    checked_base_url,
)
from importer.pipeline.rundir import RunDirectory
from importer.pipeline.running import (
    Control,
    Listener,
    Running,
    StopSwitch,
    follow,
    in_a_thread,
    on_a_loop,
    run_until_stopped,
    start,
)
from importer.pipeline.summary import run_dir_command
from importer.pipeline.verify import SAMPLE, Verification
from importer.pipeline.verify import verify as read_sample_back
from importer.settings import Destination, Pace, RunSettings, SourceOptions, Target
from importer.survey.duplicates import Seen

__all__ = [
    "STAMP_FIELD",
    "AlreadyImported",
    "ApplyOptions",
    "Approval",
    "BegunByEarlierVersion",
    "Change",
    "CheckOptions",
    "Edit",
    "EditLog",
    "EditRefused",
    "File",
    "Frame",
    "Glimpse",
    "Guard",
    "Headers",
    "Incoming",
    "LedgerEntry",
    "Listener",
    "LoadedMapping",
    "Op",
    "Overlay",
    "PastRun",
    "PlacedRule",
    "PlanDiffers",
    "PlanFile",
    "PlanResult",
    "Recheck",
    "Rechecked",
    "Reconciliation",
    "Refused",
    "Remark",
    "Repeated",
    "ResultRow",
    "RowPage",
    "Rule",
    "RunOptions",
    "RunResult",
    "Running",
    "Search",
    "Seen",
    "SkipWhen",
    "StopSwitch",
    "TargetBusy",
    "Unfinished",
    "Verification",
    "apply",
    "apply_async",
    "base_url_for",
    "check",
    "check_async",
    "checked_base_url",
    "created_workbook",
    "find_run",
    "glimpse",
    "has_stamp",
    "history",
    "init",
    "key_in_map",
    "left_behind",
    "lines_of",
    "load_mapping",
    "mapping_in",
    "mark",
    "needed_project",
    "original_rows",
    "pages_of_rows",
    "past_run",
    "plan",
    "plan_async",
    "preview",
    "project",
    "read_plan",
    "recheck",
    "reconcile",
    "remarks",
    "report",
    "restore",
    "resume",
    "resume_async",
    "run",
    "run_async",
    "runs_of",
    "start",
    "target_for",
    "translated",
    "unmark",
    "used_columns",
    "verify",
    "with_changes",
    "with_field_renamed",
    "with_lists_of",
    "with_new_values",
    "without_new_value",
    "without_remark",
]

_log = logging.getLogger(__name__)

File = str | os.PathLike[str]
Incoming = File | Frame | ArrowTable | Iterable[Mapping[str, object]]
"""A list to import: the path of a file, or a frame."""
AnyMapping = File | LoadedMapping | Mapping[str, Any]
"""A mapping: the path of its file, loaded, or the keys that a file would have."""


class WatchOptions(TypedDict, total=False):
    """Who watches work, and who stops it.

    `listener` is told of progress, in the thread that works, at the pace of the work. `stop` is
    pulled to end early.
    """

    listener: Listener
    stop: StopSwitch


class CheckOptions(WatchOptions, total=False):
    """What may go along with a check.

    `seen` is shared by files that must not repeat each other's rows. `log`
    is a file for all problems; beside it stays a copy of the cells, and with both the checkup has
    `findings`. `edits` is a file of edits (:mod:`importer.pipeline.edits`), which are laid over the
    list: its cells are as mended, and rows that are left out are skipped. UsageError is raised
    where they are those of another list.
    """

    seen: Seen | None
    log: Path | None
    edits: File | None


class RunOptions(CheckOptions, total=False):
    """What may go along with a run; `guard` says how it minds the runs of the past."""

    guard: Guard


class ExceptedOptions(TypedDict, total=False):
    """Which rows are left out, since another run of the list has them.

    Those that the `excepted` runs have created, or may have; of those `mended` among them the rows
    that failed, too, which are imported as a list of their own.
    """

    excepted: Iterable[File]
    mended: Iterable[File]


class RestOptions(CheckOptions, ExceptedOptions, total=False):
    """What may go along with a check of what other runs of the list have not sent."""


class RecheckOptions(WatchOptions, ExceptedOptions, total=False):
    """What may go along with the opening of a list that is to be checked again and again."""


class PlanOptions(RunOptions, ExceptedOptions, total=False):
    """What may go along with a plan."""


class ApplyOptions(TypedDict, total=False):
    """What may go along when a plan is sent; see :class:`RunOptions`."""

    listener: Listener
    stop: StopSwitch
    guard: Guard


def load_mapping(given: File | Mapping[str, Any]) -> LoadedMapping:
    """Load a mapping file, or the keys that one would have, as a dict.

    Paths in a dict are relative to the working directory. Raises MappingError with all mistakes
    where it is unusable.
    """
    if isinstance(given, Mapping):
        return mapping_of(given, Path("mapping"))
    return load_mapping_file(Path(given))


def used_columns(mapping: LoadedMapping, headers: Sequence[str]) -> tuple[int, ...]:
    """The columns of a list with these headers that a mapping uses, by their places from 0.

    Raises MappingError, which names each one, where the list lacks columns.
    """
    return bind_mapping(mapping, headers).used


def pages_of_rows(
    run_dir: File, asked: Iterable[tuple[Collection[Status], int]], *, most: int
) -> list[RowPage]:
    """Rows of a run with their cells: a page for each of some states and row number to begin at.

    Pending is none of these states. A page has at most so many rows, in order, and is the last one
    where no row is so late. Raises JournalError and SourceError where its folder cannot be read.
    """
    return pages_in(RunDirectory(Path(run_dir)), asked, most)


def created_workbook(run_dir: File, path: File, *, stop: StopSwitch | None = None) -> None:
    """Write the created rows of a run, as created.csv has them, as a workbook whose cells are text.

    Some 15 seconds for 100,000 rows. Raises JournalError and SourceError where the folder of the
    run cannot be read, and RunInterruptedError where it is stopped.
    """
    write_created(RunDirectory(Path(run_dir)), Path(path), stop or StopSwitch())


def has_stamp(run_dir: File) -> bool:
    """Whether the records of a run can be looked for: its mapping gives each a stamp."""
    return recovery.has_stamp(Path(run_dir))


def past_run(run_dir: File) -> PastRun:
    """What a run's directory says of it: its settings, and how many of its rows are pending.

    Raises JournalError where it says nothing usable.
    """
    return recovery.past_run(Path(run_dir))


def read_plan(plan_dir: File) -> PlanFile:
    """What a plan's folder says of it: its id, what it holds, and what it would create.

    Raises UsageError where it holds no plan.
    """
    return PlanFile.read(RunDirectory(Path(plan_dir)).plan)


def glimpse(file: File, *, reading: SourceOptions | None = None, rows: int = 20) -> Glimpse:
    """Open a list and read so many of its first rows: before a mapping, to see how it is read.

    Raises SourceError as :func:`check` does.
    """

    def work(**_: object) -> Glimpse:
        return look_into(Path(file), reading or SourceOptions(), rows)

    return in_a_thread(work) if on_a_loop() else work()


def original_rows(path: File, *, reading: SourceOptions | None = None) -> Mapping[int, int]:
    """By its own row numbers, those that a list of failed rows has in its column ``_row``.

    They are of the list that the rows failed in; of another list there are none. `path` is a list,
    or the directory of a run, whose copy of it is read. Raises SourceError.
    """
    return original_rows_in(Path(path), reading or SourceOptions())


def project(target: Target) -> Project:
    """Ask the service for a project: its fields with their values, and its dispositions.

    Raises ServiceError where it cannot be had, and UsageError for a target that is unusable.
    """

    def work(**_: object) -> Project:
        return fetch_project(target, Pace())

    return in_a_thread(work) if on_a_loop() else work()


def preview(
    file: Incoming,
    mapping: AnyMapping,
    *,
    destination: Destination | None = None,
    reading: SourceOptions | None = None,
    settings: RunSettings | None = None,
    edits: File | None = None,
) -> Iterator[Preview]:
    """Give every row of a list as it would be sent, in order; raises as :func:`check` does.

    `edits` are laid over the list, as :class:`CheckOptions` says. Where the mapping has
    ``rows.within``, it is compared with past runs as :func:`check` does; that it could not be is
    logged.
    """
    loaded, seen = _loaded(mapping), Seen()
    for problem in _look_back(seen, loaded, destination, settings or RunSettings()):
        _log.warning("%s. %s", problem.message, problem.hint)
    past = _past_runs(loaded, destination, settings or RunSettings())
    return first_half.preview(
        _incoming(file),
        loaded,
        reading or SourceOptions(),
        seen=seen,
        past=past,
        edits=_edits(edits),
    )


def check(
    file: Incoming,
    mapping: AnyMapping,
    *,
    target: Target | None = None,
    destination: Destination | None = None,
    reading: SourceOptions | None = None,
    settings: RunSettings | None = None,
    **options: Unpack[RestOptions],
) -> Checkup:
    """Read, map and check a file or a frame as :func:`run` does, and send nothing.

    With a `target` the rows are compared with its project, and `settings` say whether it may get
    new values. Where the mapping has ``rows.within``, they are compared with what past runs have
    sent to the `target`, or to the `destination`, which by default is where the mapping and the
    environment say; where that is not known, the checkup says so. A check for a rehearsal, with
    `settings.sandbox`, does not look back, as a rehearsal does not.
    Bad rows are in the checkup; SourceError, MappingError or ServiceError is raised
    where there can be none.
    """
    incoming, loaded = _incoming(file), _loaded(mapping)
    if target is not None:
        destination = Destination(target.project, target.base_url)

    def work(
        *,
        stop: StopSwitch | None = None,
        listener: Listener = lambda _: None,
        seen: Seen | None = None,
        log: Path | None = None,
        edits: File | None = None,
        **others: Iterable[File],
    ) -> Checkup:
        how, seen = settings or RunSettings(), seen if seen is not None else Seen()
        gate = fetch_gate(loaded, target, how) if target is not None else None
        warnings = _look_back(seen, loaded, destination, how)
        with _copy_path(log) as copy:
            look = ExaminationOptions(
                copy, log, seen, stop=stop or StopSwitch(), listener=listener, gate=gate
            )
            look = replace(look, remarks=warnings, past=_past_runs(loaded, destination, how))
            how_read = reading or SourceOptions()
            return first_half.check(
                incoming,
                loaded,
                how_read,
                options=look,
                edits=_edits(edits),
                excepted=_excepted(**others),
            )

    if on_a_loop():
        return in_a_thread(work, **options)
    return work(**options)


def recheck(
    file: Incoming,
    mapping: AnyMapping,
    copy: Path,
    *,
    destination: Destination | None = None,
    reading: SourceOptions | None = None,
    settings: RunSettings | None = None,
    **options: Unpack[RecheckOptions],
) -> Recheck:
    """Open a list to be checked again and again, as :func:`check` does, while its cells are mended.

    A copy of its cells is written to `copy`, and stays. `listener` and `stop` are about the
    opening. It blocks; raises as :func:`check` does.
    """
    loaded, seen = _loaded(mapping), Seen()
    warnings = _look_back(seen, loaded, destination, settings or RunSettings())
    past = _past_runs(loaded, destination, settings or RunSettings())
    look = ExaminationOptions(
        copy,
        seen=seen,
        remarks=warnings,
        past=past,
        stop=options.get("stop") or StopSwitch(),
        listener=options.get("listener", lambda _: None),
    )
    excepted = _excepted(options.get("excepted", ()), options.get("mended", ()))
    return Recheck(_incoming(file), loaded, reading or SourceOptions(), look, excepted)


def run(
    file: Incoming,
    mapping: AnyMapping,
    *,
    target: Target | None = None,
    reading: SourceOptions | None = None,
    settings: RunSettings | None = None,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Import one file or frame: read, check, send, and write the results into a folder of its own.

    Without a `target` it goes to the mapping's project, as whom the environment names. Raises
    ImporterError where nothing was sent (Refused, a PreflightError, has the checkup; and
    AlreadyImported, Unfinished and TargetBusy are of its `guard`), and where the disk fails. Rows
    that fail, and a run that stops early, are results: their summary says so.
    """
    loaded = _loaded(mapping)
    job = Job(
        _incoming(file),
        loaded,
        target or target_for(loaded),
        reading or SourceOptions(),
        settings or RunSettings(),
        edits=_edits(options.pop("edits", None)),
    )

    def work(**given: Any) -> RunResult:
        about, control = _run_options(given)
        return guarded.run(job, control, **about)

    return run_until_stopped(work, **options)


def plan(
    file: Incoming,
    mapping: AnyMapping,
    *,
    target: Target | None = None,
    reading: SourceOptions | None = None,
    settings: RunSettings | None = None,
    **options: Unpack[PlanOptions],
) -> PlanResult:
    """Do all of :func:`run` up to the first request, and keep it in a folder for :func:`apply`.

    Rows that the `excepted` runs of the same list have created, or may have, are left out. Edits
    that are laid over the list are a part of the plan. Raises as :func:`run` does where the plan
    could not be applied, and keeps nothing then.
    """
    loaded = _loaded(mapping)
    job = Job(
        _incoming(file),
        loaded,
        target or target_for(loaded),
        reading or SourceOptions(),
        settings or RunSettings(),
        _excepted(options.pop("excepted", ()), options.pop("mended", ())),
        _edits(options.pop("edits", None)),
    )

    def work(**given: Any) -> PlanResult:
        about, control = _run_options(given)
        return guarded.plan(job, control, **about)

    if on_a_loop():
        return in_a_thread(work, **options)
    return work(**options)


def apply(
    plan_dir: File,
    *,
    target: Target | None = None,
    settings: RunSettings | None = None,
    approval: Approval = ANY_PLAN,
    **options: Unpack[ApplyOptions],
) -> RunResult:
    """Send what a plan holds and was not sent yet, and nothing else; write the result files.

    Without a `target` it goes where it was planned for, as whom the environment names. Without
    `settings` it goes as it was planned, in pace, retries and engine, but for its limit; to change
    one, take those of :func:`past_run`: ``replace(past_run(plan_dir).settings, limit=5)``. The
    `approval` says which plan may be sent. Where nothing is pending, nothing is sent, and the
    result's `nothing_pending` says so. Raises UsageError, which names every difference, where the
    plan, its target, its project or what it rests on is not as it was planned, and JournalError
    where the journal cannot be trusted or the run is still alive.
    """
    path = Path(plan_dir)
    past = past_run(path)
    where = target or (_target_of(past) if past.needs_service else None)
    how = settings or past.settings

    def work(**given: Any) -> RunResult:
        about, control = _run_options(given)
        return guarded.apply(path, where, how, control, approval=approval, **about)

    return run_until_stopped(work, **options)


def resume(
    run_dir: File,
    *,
    target: Target | None = None,
    settings: RunSettings | None = None,
    **options: Unpack[ApplyOptions],
) -> RunResult:
    """Go on with a run that stopped or was cut off: :func:`apply` under its old name."""
    return apply(run_dir, target=target, settings=settings, **options)


def mark(run_dir: File, found: Mapping[int, str | int | None]) -> RunResult:
    """Settle uncertain rows by hand, after a look into the service: all of them, or none.

    `found` gives for each row its numberid, or None where the service surely does not have it: then
    it is pending. Raises UsageError for rows that are not uncertain, and for a numberid that is
    none or another row's.
    """
    return recovery.mark(Path(run_dir), found)


def unmark(run_dir: File, rows: Iterable[int]) -> RunResult:
    """Take back what :func:`mark` said of rows that were not sent since: all of them, or none."""
    return recovery.unmark(Path(run_dir), rows)


def restore(run_dir: File) -> int:
    """Make a run usable whose journal has lost its end; how many rows it has no word of.

    Those become uncertain, since their requests may have left. 0 where the journal is whole. Raises
    JournalError where it cannot be trusted at all.
    """
    return recovery.restore(Path(run_dir))


def left_behind(run_dir: File, later: Iterable[File]) -> tuple[int, ...]:
    """Rows of a run that are to be sent, and that all later runs of the same list have left out.

    They might have arrived when those were planned, and surely have not, as is known since. Raises
    JournalError.
    """
    return recovery.left_behind(Path(run_dir), map(Path, later))


def report(run_dir: File) -> RunResult:
    """Write the result files of a run again, from its journal and its copy of the cells.

    Raises UsageError for a plan of which nothing was sent, and JournalError.
    """
    return recovery.report(Path(run_dir))


def reconcile(
    run_dir: File,
    *,
    target: Target | None = None,
    search: Search | None = None,
    release: bool = False,
    settling: float = SETTLING_SECONDS,
    **options: Unpack[WatchOptions],
) -> Reconciliation:
    """Look for the uncertain rows of a run in the service, by their stamps.

    A row that is found becomes created. With `release`, those that are not found become pending,
    and :func:`resume` sends them; nothing is released before `settling` seconds have passed since
    the run, in which a late request may still arrive. Without a `target` it asks where the run was
    sent, as whom the environment names. Its `listener` is told of each some records that were
    looked at, as `Looked`; where it is stopped, what was found until then is kept, and nothing is
    released. Raises UsageError where the mapping has no stamp, or there is no place to look, and
    ServiceError where the service cannot be asked.
    """
    path = Path(run_dir)

    def work(
        *, stop: StopSwitch | None = None, listener: Listener = lambda _: None
    ) -> Reconciliation:
        recovery.restore(path)  # a journal that has lost its end is made usable first
        where = target or _target_of(past_run(path), "reconcile")
        control = Control(stop or StopSwitch(), listener)
        return search_for(
            path, where, search or Search(), release=release, settling=settling, control=control
        )

    return in_a_thread(work, **options) if on_a_loop() else work(**options)


def history(
    runs_dir: File | None = None,
    *,
    job: str | None = None,
    since: datetime | None = None,
    everywhere: bool = False,
) -> list[LedgerEntry]:
    """The runs that the ledger of a runs folder knows, newest first, each as it is now.

    By default it is the folder that :class:`RunSettings` has; `everywhere` are all that this user
    has used. Only those of a `job`, or begun `since` a moment with an offset, where these are
    given. Rehearsals are not entered. Raises OutputError where a ledger cannot be read.
    """
    with _ledgers(runs_dir, everywhere=everywhere) as ledgers:
        runs = [run for each in ledgers for run in each.runs(label=job, since=since)]
        return [Ledger.current(run) for run in newest_first(runs)]


def runs_of(sha256: str, base_url: str, project: int) -> list[LedgerEntry]:
    """The runs of a file with that SHA-256 at that place that any ledger of this user knows.

    The newest is the first. Raises OutputError where a ledger cannot be read.
    """
    with _ledgers(everywhere=True) as ledgers:
        return newest_first([r for one in ledgers for r in one.runs_of(sha256, base_url, project)])


def find_run(run_id: str) -> LedgerEntry | None:
    """The run with that id in any of the runs folders that this user has used, as it is now.

    None where no ledger has it. Raises OutputError where that of the usual folder cannot be read.
    """
    with _ledgers(everywhere=True) as ledgers:
        found = [run for each in ledgers if (run := each.find(run_id)) is not None]
        return Ledger.current(found[0]) if found else None


@contextlib.contextmanager
def _ledgers(runs_dir: File | None = None, *, everywhere: bool) -> Iterator[list[Ledger]]:
    """The ledger of a runs folder, if there is one; `everywhere`, those of all that were used."""
    folder = Path(runs_dir) if runs_dir is not None else RunSettings().runs_dir
    if everywhere:
        with open_ledgers_from(folder) as ledgers:
            yield ledgers
    elif (own := Ledger.look(folder)) is None:
        yield []
    else:
        with own:
            yield [own]


def init(
    file: Incoming, *, reading: SourceOptions | None = None, target: Target | None = None
) -> str:
    """Draft a commented mapping for a file or a frame, as YAML text, to be looked at and saved.

    With a `target` by the fields of its project. What is a guess is marked "unsure". Raises
    SourceError, and ServiceError where the project cannot be had.
    """
    from importer.drafting.draft import draft  # not at the top: no other function needs its words

    def work(**_: object) -> str:
        return draft(_incoming(file), reading or SourceOptions(), target)

    return in_a_thread(work) if on_a_loop() else work()


def verify(
    run_dir: File,
    *,
    target: Target | None = None,
    sample: int = SAMPLE,
    **options: Unpack[WatchOptions],
) -> Verification:
    """Read a sample of a run's created rows back and compare them with what was sent.

    Writes ``verify.json`` into the run's folder. Without a `target` it asks where the run was sent,
    as whom the environment names. Its `listener` is told of each record that was compared, as
    `Looked`; where it is stopped, those until then are the result. Raises UsageError for a run that
    kept no ready records, and ServiceError where the service cannot be asked.
    """
    path = Path(run_dir)
    where = target or _target_of(past_run(path), "verify")

    def work(
        *, stop: StopSwitch | None = None, listener: Listener = lambda _: None
    ) -> Verification:
        control = Control(stop or StopSwitch(), listener)
        return read_sample_back(path, where, sample, control=control)

    return in_a_thread(work, **options) if on_a_loop() else work(**options)


async def check_async(
    file: Incoming,
    mapping: AnyMapping,
    *,
    target: Target | None = None,
    destination: Destination | None = None,
    reading: SourceOptions | None = None,
    settings: RunSettings | None = None,
    **options: Unpack[RestOptions],
) -> Checkup:
    """As :func:`check`, without blocking the running event loop; cancelling it ends the check.

    Its listener is called on that loop, with the newest progress only.
    """
    listener = options.pop("listener", None)
    running = start(
        check,
        file,
        mapping,
        target=target,
        destination=destination,
        reading=reading,
        settings=settings,
        **options,
    )
    return await follow(running, listener)


async def run_async(
    file: Incoming,
    mapping: AnyMapping,
    *,
    target: Target | None = None,
    reading: SourceOptions | None = None,
    settings: RunSettings | None = None,
    **options: Unpack[RunOptions],
) -> RunResult:
    """As :func:`run`, without blocking the running event loop.

    Cancelling it stops the run: CancelledError comes once what was in flight is recorded. Its
    listener is called on that loop, with the newest progress only.
    """
    listener = options.pop("listener", None)
    running = start(
        run, file, mapping, target=target, reading=reading, settings=settings, **options
    )
    return await follow(running, listener)


async def plan_async(
    file: Incoming,
    mapping: AnyMapping,
    *,
    target: Target | None = None,
    reading: SourceOptions | None = None,
    settings: RunSettings | None = None,
    **options: Unpack[PlanOptions],
) -> PlanResult:
    """As :func:`plan`, without blocking the running event loop; cancelling it ends the planning.

    Its listener is called on that loop, with the newest progress only.
    """
    listener = options.pop("listener", None)
    running = start(
        plan,
        file,
        mapping,
        target=target,
        reading=reading,
        settings=settings,
        **options,
    )
    return await follow(running, listener)


async def apply_async(
    plan_dir: File,
    *,
    target: Target | None = None,
    settings: RunSettings | None = None,
    approval: Approval = ANY_PLAN,
    **options: Unpack[ApplyOptions],
) -> RunResult:
    """As :func:`apply`, without blocking the running event loop; see :func:`run_async`."""
    listener = options.pop("listener", None)
    running = start(apply, plan_dir, target=target, settings=settings, approval=approval, **options)
    return await follow(running, listener)


async def resume_async(
    run_dir: File,
    *,
    target: Target | None = None,
    settings: RunSettings | None = None,
    **options: Unpack[ApplyOptions],
) -> RunResult:
    """As :func:`resume`, without blocking the running event loop; see :func:`run_async`."""
    return await apply_async(run_dir, target=target, settings=settings, **options)


@contextlib.contextmanager
def _copy_path(log: Path | None) -> Iterator[Path]:
    """Where a check's copy of the cells goes: beside its log, or it is gone afterwards."""
    if log is not None:
        yield log.with_suffix(".parquet")
        return
    with WorkingFolder() as folder:
        yield Path(folder) / COPY


def _past_runs(
    mapping: LoadedMapping, destination: Destination | None, settings: RunSettings
) -> PastRuns:
    """Where the imports are found that the rows of a list of failures come from."""
    if settings.sandbox is not None:
        return RunsIn(settings.runs_dir)
    try:
        place = whereabouts(mapping, destination or Destination())
    except UsageError:
        return PastRunsAt(settings.runs_dir, None)
    return PastRunsAt(settings.runs_dir, place)


def _look_back(
    seen: Seen, mapping: LoadedMapping, destination: Destination | None, settings: RunSettings
) -> tuple[Problem, ...]:
    """Let `seen` know what past runs have sent, where `rows.within` asks; or say why it cannot."""
    rules = mapping.spec.rows
    if rules.within is None or settings.sandbox is not None:
        return ()
    try:
        place = whereabouts(mapping, destination or Destination())
    except UsageError as error:
        message = f"not compared with what past runs have sent, as the import is: {error.message}"
        return (
            Problem(
                row=None,
                column=None,
                target=None,
                code="past_not_compared",
                message=message,
                hint=error.hint,
                severity=Severity.WARNING,
            ),
        )
    recall(seen, rules, place, settings.runs_dir)
    return ()


def _run_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], Control]:
    """Divide the options of a run into its own and those that stop and watch it."""
    watch = {name: options[name] for name in ("stop", "listener", "log") if name in options}
    return {name: options[name] for name in options if name not in watch}, Control(**watch)


def _excepted(excepted: Iterable[File] = (), mended: Iterable[File] = ()) -> Excepted:
    return Excepted(tuple(map(Path, excepted)), tuple(map(Path, mended)))


def _incoming(file: Incoming) -> Path | Frame:
    """The file's path, or the frame; raises UsageError for what is neither."""
    if isinstance(file, str | os.PathLike):
        return Path(file)
    return file if isinstance(file, Frame) else Frame(file)


def _edits(path: File | None) -> Path | None:
    return None if path is None else Path(path)


def _loaded(mapping: AnyMapping) -> LoadedMapping:
    return mapping if isinstance(mapping, LoadedMapping) else load_mapping(mapping)


def _target_of(past: PastRun, command: str = "resume") -> Target:
    if past.sandbox is not None:
        raise UsageError(
            f"{past.directory.path} was a rehearsal: the sandbox it was sent to must run again",
            f"Use {run_dir_command(command, past.directory.path, past.description.settings)},"
            " or name a target.",
        )
    customer, key = credentials(None, None, environment())
    return Target(past.base_url, past.project, customer, key, past.ca_file)
