"""One job in a round: its hours, what was left, what has arrived, and each file."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from importer import library
from importer.credentials import credentials, environment, target_for
from importer.errors import ImporterError, OutputError, UsageError
from importer.operations.batch_fate import (
    advice,
    code_of_stop,
    interrupted,
    is_disk_full,
    of_error,
    said,
)
from importer.operations.batch_file import (
    Done,
    import_file,
    is_dealt_with,
    not_tried,
    outcome_of,
    put_away,
    resume_run,
)
from importer.operations.batch_place import Arrived, LocalPlace, Place, shown
from importer.operations.batch_remote import FOLDER, RemoteFolder
from importer.operations.batch_round import Round
from importer.operations.batch_work import Work
from importer.operations.guarded import LOCKS, hold_lock
from importer.operations.jobs import JobSpec
from importer.operations.ledger import MUST_BE_SEEN, RUNNING, LedgerEntry
from importer.operations.moving import finish_moves
from importer.operations.outcome import Fate, FileOutcome, JobResult, Trouble, worst
from importer.operations.remote_origin import is_remote
from importer.operations.window import stopped_at
from importer.pipeline.do_not_call import load_lists
from importer.pipeline.rundir import RunDirectory
from importer.pipeline.stopping import StopSwitch
from importer.settings import Target

LOOK_BACK = timedelta(days=60)
"""How long an unfinished run is gone on with."""

_log = logging.getLogger(__name__)


class _Left(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """A job that is left alone now, and why."""


def work_on(job: JobSpec, round_: Round) -> JobResult:
    """Do for a job what is to be done now; whatever goes wrong with it is in its result."""
    started, ticks = round_.given.now(), time.monotonic()
    outcomes: list[FileOutcome] = []
    troubles: list[Trouble] = []
    left = ""
    try:
        for found in _worked(job, round_):
            if isinstance(found, Trouble):
                troubles.append(found)
            else:
                outcomes.append(found)
                round_.given.telling.file(job.name, found)
    except _Left as why:
        left = why.message
    except ImporterError as error:
        troubles.append(_trouble(error))
        if is_disk_full(error):
            round_.end("the disk is full")
    except Exception:  # noqa: BLE001 - one job must not keep the others back
        _log.exception("This is a bug in vcc-import: please report these lines.")
        text = "a bug in vcc-import"
        troubles.append(Trouble(3, f"{text}: see the log", text, "Report what the log says."))
    elapsed = time.monotonic() - ticks
    return JobResult(job.name, tuple(outcomes), started, elapsed, _one(troubles), left)


def _worked(job: JobSpec, round_: Round) -> Iterator[FileOutcome | Trouble]:
    given = round_.given
    lock = given.jobs.runs_dir / LOCKS / f"job {given.jobs.mark_of(job)}.lock"
    busy = _Left("another round is at work on it")
    with hold_lock(lock, busy, wait=0.0, stop=given.stop):
        for folder in job.folders:
            try:
                for complaint in finish_moves(folder):
                    _log.warning("%s", complaint)
            except OutputError as error:
                yield _trouble(error)
        now = given.now()
        closes = job.hours.closes(now)
        if closes is None:
            opens = datetime.fromtimestamp(job.hours.opens(now)).strftime("%H:%M")  # noqa: DTZ006 - by the machine's clock
            raise _Left(f"outside its hours, which begin at {opens}")
        with _stopped(closes, round_) as stop:
            yield from _within_hours(job, round_, stop)


@contextlib.contextmanager
def _stopped(closes: float, round_: Round) -> Iterator[StopSwitch]:
    """A switch that is pulled with the round's, and when the job's time is over."""
    given = round_.given
    if closes == float("inf"):
        yield given.stop
        return
    with stopped_at(time.time() + closes - given.now(), given.stop) as stop:
        yield stop


def _within_hours(job: JobSpec, round_: Round, stop: StopSwitch) -> Iterator[FileOutcome | Trouble]:
    access = round_.given.access
    place = _place(job, round_, stop)
    left_alone: set[str] = set()
    for entry in _unfinished(job, round_):
        customer, key = credentials(job.customer, access.api_key_file, environment())
        target = Target(entry.base_url, entry.project, customer, key, access.ca_file)
        file = place.of_past(entry)
        outcome = _gone_on_with(Work(job, target, place, round_, stop), entry, file)
        if file is not None and outcome.fate not in {Fate.IMPORTED, Fate.DUPLICATE}:
            left_alone.add(file.key)
        yield outcome
        if code_of_stop(stop):
            return
    mapping = library.load_mapping(job.mapping)
    target = target_for(
        mapping,
        project=job.project,
        base_url=job.base_url,
        customer=job.customer,
        api_key_file=access.api_key_file,
        ca_file=access.ca_file,
    )
    work = Work(job, target, place, round_, stop)
    found = place.look()
    yield from found.troubles
    yield from found.waiting
    files = [f for f in found.ready if f.key not in left_alone and not is_dealt_with(work, f)]
    if files:
        # A list that cannot be used is the mapping's trouble, and no file's.
        load_lists(mapping, stop)
    for file in files:
        told = import_file(work, file, mapping)
        if told is not None:
            yield told
        if code_of_stop(stop):
            return


def _place(job: JobSpec, round_: Round, stop: StopSwitch) -> Place:
    given = round_.given
    if any(map(is_remote, job.files)):
        folder = given.jobs.runs_dir / FOLDER / given.jobs.mark_of(job)
        return RemoteFolder(job, given.jobs.identity, round_.ledger, folder, given.now)
    return LocalPlace(job, given.jobs, stop, given.now)


def _unfinished(job: JobSpec, round_: Round) -> Iterator[LedgerEntry]:
    """The job's runs that have rows to send, or whose results were never written; newest first."""
    ledger = round_.ledger
    since = datetime.fromtimestamp(round_.given.now(), UTC) - LOOK_BACK
    whose = round_.jobs.identity
    for entry in ledger.runs(label=job.name, jobs_file=whose, since=since):
        if not entry.unsettled or not RunDirectory(entry.run_dir).journal.exists():
            continue
        if entry.status != RUNNING and not ledger.current(entry).unfinished:
            continue
        if ledger.noted(MUST_BE_SEEN, entry.run_id) is not None:
            continue
        later = (o for o in ledger.alike(entry) if o.started_at > entry.started_at)
        if not any(other.sent or other.unfinished for other in later):
            yield entry


def _gone_on_with(work: Work, entry: LedgerEntry, file: Arrived | None) -> FileOutcome:
    """Go on with a run, and put its file away if it is still there."""
    name = file.shown if file is not None else shown(Path(entry.file), work.round.jobs.path.parent)
    run_dir = entry.run_dir
    if work.stop.reason is not None:
        return outcome_of(name, Done(interrupted(work.stop), None, run_dir), None)
    if (why := work.round.obstacle(work.target)) is not None:
        return not_tried(name, why)
    try:
        done = resume_run(work, run_dir)
    except ImporterError as error:
        done = Done(of_error(error, work.stop), None, run_dir)
    if file is None:
        return outcome_of(name, done, None)
    return put_away(work, file, done)


def _trouble(error: ImporterError) -> Trouble:
    # What the disk does not do today, it may do in the next round.
    code = 3 if isinstance(error, OutputError) else error.exit_code
    return Trouble(code, said(error), error.message, advice(error))


def _one(troubles: list[Trouble]) -> Trouble | None:
    if not troubles:
        return None
    code = worst(each.exit_code for each in troubles)
    first = next(each for each in troubles if each.exit_code == code)
    return replace(first, message="\n".join(each.message for each in troubles))
