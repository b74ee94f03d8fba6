"""One job in a round: its hours, its unfinished runs, and the files that have arrived in its inbox.

Files come from folders of this machine, or from servers: those are fetched for the time of their
import, and moved on their server afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from importer import files, library
from importer.credentials import credentials, environment, target_for
from importer.errors import ImporterError, OutputError, UsageError, worst
from importer.files import free_name, make_private_folder, write_private
from importer.operations.batch_file import (
    HandledFile,
    begins_with,
    code_of_stop,
    import_file,
    interrupted,
    is_disk_full,
    judge_error,
    not_tried,
    outcome_of,
    put_away,
    resume_run,
    was_imported_before,
)
from importer.operations.batch_report import (
    Fate,
    FileOutcome,
    JobResult,
    Trouble,
    advice,
    full_text,
)
from importer.operations.batch_round import (
    NOTE,
    ActiveJob,
    InboxContents,
    InboxFile,
    JobFolder,
    JobInbox,
    MoveDetails,
    Round,
)
from importer.operations.guarded import LOCKS, hold_lock
from importer.operations.inbox import MARKER, find_arrivals
from importer.operations.jobs import JobsFile, JobSpec
from importer.operations.ledger import MUST_BE_SEEN, RUNNING, Ledger, LedgerEntry
from importer.operations.moving import Identity, finish_moves, move_away
from importer.operations.remote import RemoteFile, RemotePlace, remote_place
from importer.operations.remote_origin import is_remote
from importer.operations.window import stopped_at
from importer.pipeline.do_not_call import load_lists
from importer.pipeline.rundir import RunDirectory
from importer.pipeline.running import StopSwitch
from importer.settings import Target

LOOK_BACK = timedelta(days=60)
"""How long after its beginning an unfinished run is resumed."""
_INCOMING = "incoming"
_ORIGIN = "origin"
_WRITING = "is still being written"
_TIME_RESOLUTION = 2.0
"""Seconds to which the coarsest file systems keep times."""
_CHECK_SECONDS = 0.2
"""Seconds between two checks of the stop switch while waiting."""
_log = logging.getLogger(__name__)


class _LeftAlone(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """The job is not worked on in this round; the message says why."""


def look_after(job: JobSpec, round_: Round) -> JobResult:
    """Work on a job now; all its errors are in its result. Raises nothing."""
    started, ticks = round_.context.now(), time.monotonic()
    outcomes: list[FileOutcome] = []
    troubles: list[Trouble] = []
    left = ""
    try:
        for found in _outcomes(job, round_):
            if isinstance(found, Trouble):
                troubles.append(found)
            else:
                outcomes.append(found)
                round_.context.listeners.file(job.name, found)
    except _LeftAlone as why:
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
    return JobResult(job.name, tuple(outcomes), started, elapsed, _combined(troubles), left)


def _outcomes(job: JobSpec, round_: Round) -> Iterator[FileOutcome | Trouble]:
    """Yield the outcomes of a job's files. Raises _Left where it is not to be worked on now."""
    context = round_.context
    lock = context.jobs.runs_dir / LOCKS / f"job {context.jobs.mark_of(job)}.lock"
    busy = _LeftAlone("another round is at work on it")
    with hold_lock(lock, busy, wait=0.0, stop=context.stop):
        for folder in job.folders:
            try:
                for complaint in finish_moves(folder):
                    _log.warning("%s", complaint)
            except OutputError as error:
                yield _trouble(error)
        now = context.now()
        closes = job.hours.closes(now)
        if closes is None:
            opens = datetime.fromtimestamp(job.hours.opens(now)).strftime("%H:%M")  # noqa: DTZ006 - by the machine's clock
            raise _LeftAlone(f"outside its hours, which begin at {opens}")
        with _stopped_at_closing(closes, round_) as stop:
            yield from _within_hours(job, round_, stop)


@contextlib.contextmanager
def _stopped_at_closing(closes: float, round_: Round) -> Iterator[StopSwitch]:
    """Give a switch that is pulled with the round's, and when the job's hours end."""
    context = round_.context
    if closes == float("inf"):
        yield context.stop
        return
    with stopped_at(time.time() + closes - context.now(), context.stop) as stop:
        yield stop


def _within_hours(job: JobSpec, round_: Round, stop: StopSwitch) -> Iterator[FileOutcome | Trouble]:
    """Yield the outcomes of unfinished runs first, then those of new files."""
    access = round_.context.access
    inbox = _inbox_of(job, round_, stop)
    left_alone: set[str] = set()
    # Unfinished runs are resumed first, at the target where they began, whatever has become of the
    # mapping and of the project in the jobs file since.
    for entry in _unfinished(job, round_):
        customer, key = credentials(job.customer, access.api_key_file, environment())
        target = Target(entry.base_url, entry.project, customer, key, access.ca_file)
        file = inbox.of_past(entry)
        outcome = _resumed(ActiveJob(job, target, inbox, round_, stop), entry, file)
        if file is not None and outcome.fate not in {Fate.IMPORTED, Fate.DUPLICATE}:
            # Its run was tried in this round; as a new file it would be tried again.
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
    active = ActiveJob(job, target, inbox, round_, stop)
    found = inbox.look()
    yield from found.troubles
    yield from found.waiting
    files = [
        f for f in found.ready if f.key not in left_alone and not was_imported_before(active, f)
    ]
    if files:
        # An unusable do-not-call list is the mapping's fault, and fails the job before any file.
        load_lists(mapping, stop)
    for file in files:
        told = import_file(active, file, mapping)
        if told is not None:
            yield told
        if code_of_stop(stop):
            return


def _inbox_of(job: JobSpec, round_: Round, stop: StopSwitch) -> JobInbox:
    context = round_.context
    if any(map(is_remote, job.files)):
        folder = context.jobs.runs_dir / _INCOMING / context.jobs.mark_of(job)
        return ServerInbox(job, context.jobs.identity, round_.ledger, folder, context.now)
    return LocalInbox(job, context.jobs, stop, context.now)


def _unfinished(job: JobSpec, round_: Round) -> Iterator[LedgerEntry]:
    """The job's runs of the last `LOOK_BACK` with rows to send or results to write, newest first.

    Left out are runs that somebody must look at first, and those whose content a later run has
    sent or begun to send.
    """
    ledger = round_.ledger
    since = datetime.fromtimestamp(round_.context.now(), UTC) - LOOK_BACK
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


def _resumed(active: ActiveJob, entry: LedgerEntry, file: InboxFile | None) -> FileOutcome:
    """Resume a run, and put its file away if it is still there."""
    name = (
        file.shown
        if file is not None
        else _short_path(Path(entry.file), active.round.jobs.path.parent)
    )
    run_dir = entry.run_dir
    if active.stop.reason is not None:
        return outcome_of(name, HandledFile(interrupted(active.stop), None, run_dir), None)
    if (why := active.round.obstacle(active.target)) is not None:
        return not_tried(name, why)
    try:
        done = resume_run(active, run_dir)
    except ImporterError as error:
        done = HandledFile(judge_error(error, active.stop), None, run_dir)
    if file is None:
        return outcome_of(name, done, None)
    return put_away(active, file, done)


def _trouble(error: ImporterError) -> Trouble:
    # Code 3, resumable, since trouble with the disk may be over in the next round.
    code = 3 if isinstance(error, OutputError) else error.exit_code
    return Trouble(code, full_text(error), error.message, advice(error))


def _combined(troubles: list[Trouble]) -> Trouble | None:
    """The worst of the troubles, with the messages of all; None if there are none."""
    if not troubles:
        return None
    code = worst(each.exit_code for each in troubles)
    first = next(each for each in troubles if each.exit_code == code)
    return replace(first, message="\n".join(each.message for each in troubles))


class LocalInbox:
    """Folders of this machine as a job's inbox."""

    def __init__(
        self, job: JobSpec, jobs: JobsFile, stop: StopSwitch, now: Callable[[], float]
    ) -> None:
        self._job = job
        self._jobs = jobs
        self._stop = stop
        self._now = now

    def look(self) -> InboxContents:
        """List the files; raises SourceError where a folder is missing."""
        inbox = find_arrivals(
            self._job.files,
            self._job.settle,
            never=self._jobs.own,
            now=self._now,
            pause=self._pause,
        )
        ready = (self._arrived(path) for path in inbox.ready)
        waiting = (
            FileOutcome(
                self._shown(each.path), Fate.WAITING, 3 if each.amiss else 0, {}, each.why, each.why
            )
            for each in inbox.waiting
        )
        return InboxContents(tuple(filter(None, ready)), tuple(waiting))

    @contextlib.contextmanager
    def taken(self, file: InboxFile) -> Iterator[Path]:
        """Give the file's own path."""
        yield Path(file.key)

    def put(self, file: InboxFile, key: JobFolder, details: MoveDetails) -> str | None:
        """Move the file into the job's folder for it, where it names one, with a note beside it."""
        folder = getattr(self._job, key)
        if not isinstance(folder, Path):
            return None
        moved = move_away(
            Path(file.key),
            folder,
            results=details.results,
            run_id=details.run_id,
            sha256=details.sha256,
        )
        if note := details.note(str(moved)):
            # A missing note does not matter: the file was moved, and the log has the message.
            with contextlib.suppress(OutputError):
                write_private(free_name(folder, moved.name + NOTE), f"{note}\n")
        return str(moved)

    def remember(self, file: InboxFile, sha256: str) -> None:
        """Do nothing: the ledger has the paths of the files that were read."""

    def of_past(self, entry: LedgerEntry) -> InboxFile | None:
        """The file that is now at the path which the run read."""
        return self._arrived(Path(entry.file))

    def is_unchanged(self, file: InboxFile) -> bool:
        """Whether it is still the same file, and no other program locks it."""
        try:
            with Path(file.key).open("rb"):
                return _identity(Path(file.key)) == file.identity
        except OSError:
            return False

    def has_grown(self, file: InboxFile, sha256: str, size: int) -> bool:
        """Whether the file at that path begins with the content and is longer."""
        return begins_with(Path(file.key), sha256, size)

    def _arrived(self, path: Path) -> InboxFile | None:
        identity = _identity(path)
        return None if identity is None else InboxFile(self._shown(path), str(path), identity)

    def _shown(self, path: Path) -> str:
        return _short_path(path, self._jobs.path.parent)

    def _pause(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0 and self._stop.reason is None:
            time.sleep(min(left, _CHECK_SECONDS))


def _short_path(path: Path, home: Path) -> str:
    """A path for people, relative to the jobs file's folder where it lies below it."""
    return files.escape_surrogates(path.relative_to(home) if path.is_relative_to(home) else path)


def _identity(path: Path) -> str | None:
    found = Identity.of(path)
    return None if found is None else ":".join(map(str, found))


class ServerInbox:
    """The files that the addresses of a job name.

    `folder` is for fetched files; it is emptied before and after. Each operation opens a connection
    of its own: an import takes longer than servers keep idle ones.
    """

    def __init__(
        self,
        job: JobSpec,
        jobs_file: str,
        ledger: Ledger,
        folder: Path,
        now: Callable[[], float],
    ) -> None:
        self._job = job
        self._jobs_file = jobs_file
        self._ledger = ledger
        self._folder = folder
        self._now = now

    def look(self) -> InboxContents:
        """List the files of all servers; one that is out of reach does not keep the others back."""
        ready: dict[str, InboxFile] = {}
        waiting: dict[str, FileOutcome] = {}
        troubles: list[Trouble] = []
        for pattern in self._job.files:
            try:
                with remote_place(pattern) as place:
                    files = place.list()
            except ImporterError as error:
                # Code 3, resumable, since trouble with a server may be over in the next round.
                code = error.exit_code if isinstance(error, UsageError) else 3
                troubles.append(Trouble(code, full_text(error), error.message, advice(error)))
                continue
            markers = {file.path: file for file in files if file.name.endswith(MARKER)}
            for file in files:
                if file.path in markers or file.url in ready or file.url in waiting:
                    continue
                marker = markers.get(file.path + MARKER)
                if self._is_still(file, marker):
                    ready[file.url] = _arrived(pattern, file, marker)
                else:
                    waiting[file.url] = FileOutcome(
                        file.url, Fate.WAITING, 0, {}, _WRITING, _WRITING
                    )
        return InboxContents(tuple(ready.values()), tuple(waiting.values()), tuple(troubles))

    def _is_still(self, file: RemoteFile, marker: RemoteFile | None) -> bool:
        if marker is not None and (
            None in (file.modified, marker.modified)
            or (marker.modified or 0.0) >= (file.modified or 0.0) - _TIME_RESOLUTION
        ):
            return True
        quiet = file.quiet_for(self._now())
        return quiet is None or quiet >= self._job.settle

    @contextlib.contextmanager
    def taken(self, file: InboxFile) -> Iterator[Path]:
        """Fetch the file and give the copy, which is removed after the block."""
        pattern, remote, _ = self._details(file.details)
        shutil.rmtree(self._folder, ignore_errors=True)
        make_private_folder(self._folder)
        try:
            with remote_place(pattern) as place:
                path = place.fetch(remote, self._folder)
            yield path
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def remember(self, file: InboxFile, sha256: str) -> None:
        """Note which file a content came from, so that a later round can put it away."""
        self._ledger.note(_ORIGIN, self._key(sha256), file.details)

    def put(self, file: InboxFile, key: JobFolder, details: MoveDetails) -> str | None:
        """Move the file on its server, where the protocol can; results and note stay here."""
        folder = getattr(self._job, key)
        if folder is None or key is JobFolder.HELD:
            return None
        pattern, remote, marker = self._details(file.details)
        with remote_place(pattern) as place:
            moved = place.move(remote, str(folder))
            if moved is not None and marker is not None:
                _move_marker(place, marker, str(folder))
        return moved

    def of_past(self, entry: LedgerEntry) -> InboxFile | None:
        """The file that a past run's content came from, as it was listed then."""
        noted = self._ledger.noted(_ORIGIN, self._key(entry.sha256))
        if noted is None or json.loads(noted)["address"] not in map(_digest, self._job.files):
            return None
        return _arrived(*self._details(noted))

    def is_unchanged(self, file: InboxFile) -> bool:
        """True: the fetched copy is whole, whatever has happened to the file since."""
        return True

    def has_grown(self, file: InboxFile, sha256: str, size: int) -> bool:
        """False: to find out, the file would have to be fetched again."""
        return False

    def _details(self, text: str) -> tuple[str, RemoteFile, RemoteFile | None]:
        values = json.loads(text)
        marker = values["marker"]
        return (
            next(each for each in self._job.files if _digest(each) == values["address"]),
            RemoteFile(**values["file"]),
            None if marker is None else RemoteFile(**marker),
        )

    def _key(self, sha256: str) -> str:
        return f"{self._jobs_file}\n{self._job.name}\n{sha256}"


def _move_marker(place: RemotePlace, marker: RemoteFile, folder: str) -> None:
    # A marker that stays does no harm: it is older than any later file.
    with contextlib.suppress(ImporterError):
        place.move(marker, folder)


def _arrived(pattern: str, file: RemoteFile, marker: RemoteFile | None) -> InboxFile:
    told = None not in (file.size, file.modified)
    details = json.dumps(
        {
            "address": _digest(pattern),
            "file": asdict(file),
            "marker": None if marker is None else asdict(marker),
        }
    )
    return InboxFile(file.url, file.url, f"{file.size}:{file.modified}" if told else None, details)


def _digest(address: str) -> str:
    # Hashed, since the query of an address may hold a token.
    return hashlib.sha256(address.encode()).hexdigest()
