"""One file in a round: compared with past imports, imported, judged, and put away.

The `message` of a judgement is for the log and may quote the file. `cause` and `remedy` go into
notifications: they are texts of ours, and quote nothing but paths.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final

from importer import library
from importer.errors import (
    ImporterError,
    JournalError,
    MappingError,
    NoProjectError,
    OutputError,
    PreflightError,
    RunInterruptedError,
    ServiceError,
    SourceError,
    UsageError,
    worst,
)
from importer.files import argument, command, make_private_folder, quoted
from importer.mapping.load import LoadedMapping
from importer.model import CanaryState, Status, Stop
from importer.operations.batch_report import Fate, FileOutcome, advice, full_text
from importer.operations.batch_round import (
    HELD,
    NOTE,
    RELEASED,
    SEEN,
    ActiveJob,
    InboxFile,
    JobFolder,
    MoveDetails,
)
from importer.operations.drift import FEWEST, LATEST, Profile, compare, profile_of
from importer.operations.guarded import AlreadyImported, TargetBusy, Unfinished, is_looked_back_at
from importer.operations.inbox import folder_of
from importer.operations.jobs import JobsFile
from importer.operations.ledger import (
    MUST_BE_SEEN,
    SIZE,
    FileEntry,
    Ledger,
    LedgerEntry,
    open_all_ledgers,
)
from importer.operations.moving import ReplacedError, move_away
from importer.operations.remote import StillArrivingError
from importer.operations.remote_origin import is_remote
from importer.operations.window import WINDOW_CLOSED
from importer.pipeline.apply import CANARY_STOP, CANARY_UNREAD, RunResult
from importer.pipeline.approve import BegunByEarlierVersion, PlanDiffers
from importer.pipeline.recover import how_to_settle, past_run, resume_command
from importer.pipeline.rundir import CANARY
from importer.pipeline.running import StopSwitch
from importer.settings import asked_for
from importer.sources import file_sha256

_TOO_MANY: Final = "too_many_failures"
_LOOKED_AT = {_TOO_MANY, CANARY_STOP}
"""The codes of stops after which somebody must look before the run goes on."""
_BY_PEOPLE = {"SIGINT": 130, "SIGTERM": 143}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NEXT_ROUND = "The next round goes on by itself."
_BLOCK = 1 << 20
_log = logging.getLogger(__name__)


class _Ends(Enum):
    """What a file's failure ends: work on its target's other files, or the whole round."""

    TARGET = 1
    ROUND = 2


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a file: its fate, its exit code, and the texts for people.

    `folder` is None where the file stays in its inbox, `ends` where the other files are not
    affected. The remaining fields are those of :class:`FileOutcome`.
    """

    fate: Fate
    exit_code: int
    message: str = ""
    cause: str = ""
    remedy: str = ""
    folder: JobFolder | None = None
    ends: _Ends | None = None
    rows: int | None = None
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HandledFile:
    """A file after its import, before it is put away; `sha256` is None for one never read."""

    judgement: Judgement
    sha256: str | None = None
    run_dir: Path | None = None
    counts: Mapping[Status, int] = field(default_factory=dict)


def import_file(active: ActiveJob, file: InboxFile, mapping: LoadedMapping) -> FileOutcome | None:
    """Import a file, put it away and return its outcome. Raises nothing: errors are outcomes.

    None for a file that stays in its inbox and whose outcome an earlier round has reported.
    """
    if active.stop.reason is not None:
        return outcome_of(file.shown, HandledFile(interrupted(active.stop)), None)
    if (why := active.round.obstacle(active.target)) is not None:
        return not_tried(file.shown, why)
    try:
        with active.inbox.taken(file) as path:
            done = _import_or_resume(active, file, path, mapping)
    except StillArrivingError as error:
        done = HandledFile(Judgement(Fate.WAITING, 0, full_text(error), "is still being written"))
    except SourceError as error:
        cause, remedy = "it could not be fetched", "The next round tries it again."
        done = HandledFile(Judgement(Fate.WAITING, 3, full_text(error), cause, remedy))
    except ImporterError as error:
        done = HandledFile(judge_error(error, active.stop))
    except Exception:  # noqa: BLE001 - a boundary
        done = _judge_bug()
    if done.judgement.fate is Fate.DUPLICATE and not _is_moved(active, done):
        noted = _read_seen(active, file)
        _write_seen(active, file, done)
        if noted is not None and noted[1] == done.sha256:
            return None
    try:
        return put_away(active, file, done)
    except Exception:  # noqa: BLE001 - a boundary
        return outcome_of(file.shown, replace(done, judgement=_judge_bug().judgement), None)


def _import_or_resume(
    active: ActiveJob, file: InboxFile, path: Path, mapping: LoadedMapping
) -> HandledFile:
    """Compare a file with past imports, then run it, or resume its unfinished run."""
    sha256 = None
    try:
        sha256, begun = begun_by(active, path, mapping)
        if begun is not None:
            return HandledFile(_beginning_was_sent(begun), sha256)
        if (drift := _deviation_of(active, path, mapping, sha256)) is not None:
            return HandledFile(_held_back(drift.rows, drift.differences, drift.told), sha256)
        active.inbox.remember(file, sha256)
        with active.round.context.listeners.progress(path.name) as listener:
            result = library.run(
                path,
                mapping,
                target=active.target,
                reading=active.job.reading,
                settings=active.settings,
                guard=replace(active.guard, sha256=sha256),
                stop=active.stop,
                listener=listener,
            )
    except Unfinished as unfinished:
        if _is_own(active, unfinished.entry):
            return resume_run(active, unfinished.run_dir)
        return HandledFile(_begun_elsewhere(unfinished.entry), sha256)
    except (SourceError, MappingError) as error:
        if not active.inbox.is_unchanged(file):
            cause = "it has changed or gone, or another program has it open"
            return HandledFile(Judgement(Fate.WAITING, 0, _lines(cause, full_text(error)), cause))
        return HandledFile(judge_error(error, active.stop), sha256)
    except ImporterError as error:
        return HandledFile(judge_error(error, active.stop), sha256)
    return _judge_run(active, result)


def resume_run(active: ActiveJob, run_dir: Path) -> HandledFile:
    """Resume a past run under the job's settings; raises JournalError for an unreadable journal."""
    past = past_run(run_dir)
    sha256 = past.description.source["sha256"]
    run_id = past.description.run_id
    canary = past.canary.state if past.canary is not None else None
    if canary is CanaryState.STOPPED:
        # It may have been killed before the ledger had this note: then only the journal says it.
        active.round.ledger.note(MUST_BE_SEEN, run_id, active.job.name)
    if active.round.ledger.noted(MUST_BE_SEEN, run_id) is not None:
        if past.plan_sha256 is None:
            earlier = BegunByEarlierVersion(run_dir, past.description)
            return HandledFile(judge_error(earlier, active.stop), sha256, run_dir)
        told = canary in {CanaryState.STOPPED, CanaryState.PASSED}
        seen = _canary_must_be_seen(run_dir) if told else _must_be_seen(run_dir)
        return HandledFile(seen, sha256, run_dir)
    ca_file = active.target.ca_file or past.ca_file
    target = replace(active.target, base_url=past.base_url, project=past.project, ca_file=ca_file)
    # Settings of the jobs file beat those that the run began with.
    settings = replace(
        past.settings_but(asked_for(active.settings)), runs_dir=active.settings.runs_dir
    )
    with active.round.context.listeners.progress(
        Path(past.description.source["path"]).name
    ) as listener:
        try:
            result = library.resume(
                run_dir,
                target=target,
                settings=settings,
                guard=active.guard,
                stop=active.stop,
                listener=listener,
            )
        except ImporterError as error:
            if isinstance(error, BegunByEarlierVersion):
                # Noted, so that it is reported once: later rounds of this version cannot resume it.
                active.round.ledger.note(MUST_BE_SEEN, run_id, active.job.name)
            return HandledFile(judge_error(error, active.stop), sha256, run_dir)
    return _judge_run(active, result)


def _judge_run(active: ActiveJob, result: RunResult) -> HandledFile:
    """The verdict on a run that ended; notes its profile, or that somebody must look at it."""
    run_id, ledger = result.summary.run_id, active.round.ledger
    if result.stop is not None and result.stop.code in _LOOKED_AT:
        ledger.note(MUST_BE_SEEN, run_id, active.job.name)
    elif result.checkup is not None:
        ledger.set_profile(run_id, profile_of(result.checkup).as_json())
    judgement, summary = _judge_result(result, active.stop), result.summary
    return HandledFile(judgement, summary.source["sha256"], result.directory.path, summary.counts)


def _is_own(active: ActiveJob, entry: LedgerEntry) -> bool:
    """Whether an unfinished run is this round's to resume: its jobs file's, or made by hand.

    Runs of other jobs files and of other runs folders are resumed there.
    """
    if entry.jobs_file is not None:
        return entry.jobs_file == active.round.jobs.identity
    return active.round.ledger.find(entry.run_id) is not None


def _judge_bug() -> HandledFile:
    """The outcome of a file that shows a fault in this program; the other files go on."""
    _log.exception("This is a bug in vcc-import: please report these lines.")
    return HandledFile(Judgement(Fate.STOPPED, 3, "a bug in vcc-import: see the log", "a bug"))


def was_imported_before(active: ActiveJob, file: InboxFile) -> bool:
    """Whether a file in the inbox has the identity of one that was imported and stayed."""
    noted = _read_seen(active, file)
    return noted is not None and file.identity is not None and noted[0] == file.identity


def not_tried(shown: str, why: str) -> FileOutcome:
    """The outcome of a file that was not tried, for a reason in the round."""
    text = f"not tried: {why}"
    return FileOutcome(shown, Fate.WAITING, 3, {}, text, why, "The next round tries it.")


def outcome_of(shown: str, done: HandledFile, moved: str | None) -> FileOutcome:
    """The outcome of a file: its verdict with the run's figures; `moved` is its new path."""
    judgement, folder = done.judgement, done.run_dir
    return FileOutcome(
        shown,
        judgement.fate,
        judgement.exit_code,
        done.counts,
        judgement.message,
        judgement.cause,
        judgement.remedy,
        moved,
        str(folder) if folder is not None else None,
        folder.name if folder is not None else None,
        judgement.rows,
        judgement.differences,
    )


# Putting a file away, and notes for later rounds.


def put_away(active: ActiveJob, file: InboxFile, done: HandledFile) -> FileOutcome:
    """Move a file to the folder of its verdict, or note that it stays; return its outcome."""
    judgement, moved = done.judgement, None
    _note_ends(active, judgement)
    _enter_unsent(active, file, done)
    if judgement.folder is not None:
        run_id = done.run_dir.name if done.run_dir is not None else "none"
        results = done.run_dir if judgement.fate in {Fate.IMPORTED, Fate.STOPPED} else None
        details = MoveDetails(run_id, done.sha256, results, partial(_note, active, judgement))
        try:
            moved = active.inbox.put(file, judgement.folder, details)
        except (ReplacedError, StillArrivingError) as error:
            judgement = _replaced(active, file, done, error)
        except ImporterError as error:
            judgement = replace(
                judgement,
                exit_code=worst([judgement.exit_code, 3]),
                message=_lines(judgement.message, full_text(error)),
                cause=_lines(judgement.cause, "it could not be put away", mark=", and "),
                remedy=judgement.remedy or "The log says why; the next round moves it.",
            )
            if is_disk_full(error):
                active.round.end("the disk is full")
        else:
            _note_where_it_is(active, file, done, moved)
            if moved is None and _has_grown(active, file, done):
                judgement = _grown(active, file, done)
        if judgement.fate is Fate.HELD:
            remedy = _released_by(active.round.jobs.path, moved or file.key)
            judgement = replace(judgement, remedy=remedy)
    return outcome_of(file.shown, replace(done, judgement=judgement), moved)


def _is_moved(active: ActiveJob, done: HandledFile) -> bool:
    """Whether the job names a folder for files with this verdict."""
    folder = done.judgement.folder
    return folder is not None and getattr(active.job, folder) is not None


def _replaced(
    active: ActiveJob, file: InboxFile, done: HandledFile, error: ImporterError
) -> Judgement:
    """The verdict where the file was replaced by another before it was moved."""
    if _has_grown(active, file, done):
        return _grown(active, file, done)
    judgement = done.judgement
    if judgement.fate is Fate.IMPORTED and isinstance(error, StillArrivingError):
        cause = "it has changed on its server since it was fetched"
        text = f"{full_text(error)}\nWhat was imported may be its beginning only."
        return _only_beginning_sent(judgement, text, cause)
    return replace(judgement, message=_lines(judgement.message, full_text(error)))


def _has_grown(active: ActiveJob, file: InboxFile, done: HandledFile) -> bool:
    if done.judgement.fate is not Fate.IMPORTED or done.sha256 is None:
        return False
    size = active.round.ledger.noted(SIZE, done.sha256)
    return size is not None and active.inbox.has_grown(file, done.sha256, int(size))


def _grown(active: ActiveJob, file: InboxFile, done: HandledFile) -> Judgement:
    """The verdict on an imported file that has grown meanwhile; enters it into the ledger."""
    cause = "it went on growing while it was imported: only its beginning was sent"
    text = (
        f"{cause}\nIts last row may have been cut. The file stays where it is; what has come since"
        " was not sent, and the next round holds it.\nA longer settle, or a .done marker beside"
        " files that are whole, keeps half a file from being taken."
    )
    judgement = _only_beginning_sent(done.judgement, text, cause)
    _enter_file(active, file, done.sha256, replace(judgement, fate=Fate.WAITING))
    return judgement


def _note(active: ActiveJob, judgement: Judgement, place: str) -> str:
    """The text of the note beside a file: the log's message, and how a held file is released."""
    held = judgement.fate is Fate.HELD
    remedy = _released_by(active.round.jobs.path, place) if held else ""
    return _lines(judgement.message, remedy)


def _note_ends(active: ActiveJob, judgement: Judgement) -> None:
    if judgement.ends is _Ends.TARGET:
        active.round.give_up(active.target, judgement.cause)
    elif judgement.ends is _Ends.ROUND:
        active.round.end(judgement.cause)


def _enter_unsent(active: ActiveJob, file: InboxFile, done: HandledFile) -> None:
    """Enter a file that became no run into the ledger, for the history."""
    judgement = done.judgement
    if done.run_dir is not None or judgement.fate in {Fate.WAITING, Fate.CLOSED}:
        return
    _enter_file(active, file, done.sha256, judgement)


def _enter_file(
    active: ActiveJob, file: InboxFile, sha256: str | None, judgement: Judgement
) -> None:
    entry = FileEntry(
        jobs_file=active.round.jobs.identity,
        job=active.job.name,
        file=file.key,
        sha256=sha256 or "",
        fate=judgement.fate.value,
        base_url=active.target.base_url,
        project=active.target.project,
        exit_code=judgement.exit_code,
        cause=judgement.cause,
        at=datetime.fromtimestamp(active.round.context.now(), UTC),
    )
    try:
        active.round.ledger.enter_file(entry)
    except OutputError as error:
        _log.warning("%s", error)


def _note_where_it_is(
    active: ActiveJob, file: InboxFile, done: HandledFile, moved: str | None
) -> None:
    ledger, fate = active.round.ledger, done.judgement.fate
    if fate is Fate.HELD and done.sha256 is not None:
        # Where to put it back, when somebody releases it.
        origin = {"job": active.job.name, "file": file.key}
        ledger.note(HELD, f"{active.round.jobs.identity}\n{done.sha256}", json.dumps(origin))
        ledger.note(HELD, file.key, done.sha256)
    if moved is None and fate in {Fate.IMPORTED, Fate.DUPLICATE}:
        _write_seen(active, file, done)


def _write_seen(active: ActiveJob, file: InboxFile, done: HandledFile) -> None:
    value = json.dumps([file.identity, done.sha256])
    active.round.ledger.note(SEEN, _key(active, file), value)


def _read_seen(active: ActiveJob, file: InboxFile) -> tuple[str | None, str] | None:
    """Identity and SHA-256 of the file of that name that was imported and stayed in its inbox."""
    noted = active.round.ledger.noted(SEEN, _key(active, file))
    if noted is None:
        return None
    identity, sha256 = json.loads(noted)
    return identity, sha256


def _key(active: ActiveJob, file: InboxFile) -> str:
    # With the target: the same file may still be imported into another project.
    return f"{active.job.name}\n{active.target.base_url}\n{active.target.project}\n{file.key}"


def _lines(*texts: str, mark: str = "\n") -> str:
    return mark.join(filter(None, texts))


# What the end of a run, or an error, means for its file.


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk is among the causes of an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return True
        error = error.__cause__ or error.__context__
    return False


def code_of_stop(stop: StopSwitch) -> int:
    """128 and the number of the signal that stopped a round; 0 where none did."""
    return 0 if stop.reason in {None, WINDOW_CLOSED} else _BY_PEOPLE.get(str(stop.reason), 130)


def interrupted(stop: StopSwitch) -> Judgement:
    """The verdict on a file whose import was stopped by a signal, or by the job's hours."""
    if (code := code_of_stop(stop)) == 0:
        text = "its time was over; the next night goes on"
        return Judgement(Fate.CLOSED, 0, text, "the job's time was over")
    text = "stopped by a signal"
    return Judgement(Fate.STOPPED, code, text, text, _NEXT_ROUND)


def judge_error(error: ImporterError, stop: StopSwitch) -> Judgement:
    """The verdict on a file whose import raised an error."""
    text = full_text(error)
    match error:
        case AlreadyImported():
            cause = f"the project has its content already, by {error.entry.run_id}"
            return Judgement(Fate.DUPLICATE, 0, text, cause, folder=JobFolder.DONE)
        case TargetBusy():
            cause = "another import is under way at the same target"
            return Judgement(Fate.WAITING, 3, text, cause, _NEXT_ROUND)
        case RunInterruptedError():
            return interrupted(stop)
        case NoProjectError():
            # No later round goes on by itself: the jobs file or the mapping names another project.
            cause = "the service knows no such project"
            return Judgement(Fate.WAITING, 2, text, cause, advice(error), ends=_Ends.TARGET)
        case ServiceError():
            cause = "the service is out of reach, or refuses us"
            return Judgement(Fate.STOPPED, 3, text, cause, _NEXT_ROUND, ends=_Ends.TARGET)
        case OutputError() | JournalError():
            return _judge_disk_error(error, text)
        case SourceError():
            cause, remedy = (
                "the file cannot be read",
                "Ask for the file in a form that is readable.",
            )
            return Judgement(Fate.FAILED, 2, text, cause, remedy, JobFolder.FAILED)
        case PreflightError():
            cause = "the project lacks what the file needs"
            remedy = "Mend the mapping, the file or the project, and put the file into the inbox."
            rows = error.checkup.survey.rows if isinstance(error, library.Refused) else None
            return Judgement(Fate.FAILED, 2, text, cause, remedy, JobFolder.FAILED, rows=rows)
        case MappingError():
            cause = "the file does not fit the mapping"
            remedy = "Mend one of them, and put the file into the inbox again."
            return Judgement(Fate.FAILED, 2, text, cause, remedy, JobFolder.FAILED)
        case BegunByEarlierVersion():
            cause = "its run was begun by an earlier version, which has to finish it"
            return Judgement(Fate.STOPPED, 3, text, cause, advice(error), JobFolder.FAILED)
        case PlanDiffers():
            # The differences concern this run only, so the job's other files are still imported.
            cause = "what its run was checked against has changed since"
            return Judgement(Fate.STOPPED, 3, text, cause, advice(error))
        case UsageError():
            # The file is not at fault: it stays, and the job waits until somebody mends the cause.
            return Judgement(Fate.WAITING, 2, text, error.message, advice(error), ends=_Ends.TARGET)
        case _:
            cause = "it ended with an error that the log tells"
            return Judgement(Fate.STOPPED, max(error.exit_code, 2), text, cause)


def _judge_disk_error(error: ImporterError, text: str) -> Judgement:
    if is_disk_full(error):
        cause, remedy = "the disk is full", f"Make room on the disk. {_NEXT_ROUND}"
        return Judgement(Fate.STOPPED, 3, text, cause, remedy, ends=_Ends.ROUND)
    if isinstance(error, JournalError):
        cause = "the journal of its run cannot be used"
        return Judgement(Fate.STOPPED, 3, text, cause, "The log says what to do.")
    cause = "the runs folder, or the one for temporary files, cannot be written"
    return Judgement(Fate.STOPPED, 3, text, cause, "Mend the permissions.", ends=_Ends.ROUND)


def _judge_result(result: RunResult, stop: StopSwitch) -> Judgement:
    """The verdict on a file whose run has ended, finished or not."""
    summary, folder = result.summary, result.directory.path
    if summary.status == "interrupted":
        return interrupted(stop)
    if summary.status == "stopped":
        return _judge_stop(
            result.stop, "\n".join(filter(None, (summary.reason, summary.hint))), folder
        )
    cause = remedy = ""
    if summary.exit_code == 4:
        uncertain = summary.counts.get(Status.UNCERTAIN, 0)
        cause = f"{uncertain:,} of {_rows(summary.rows)} uncertain: they may exist"
        remedy = f"Within days: {how_to_settle(folder, summary.settings)}"
    elif summary.exit_code:
        failed = sum(summary.counts.get(each, 0) for each in (Status.INVALID, Status.REJECTED))
        cause = f"{failed:,} of {_rows(summary.rows)} failed"
        remedy = "Mend them in failures.xlsx, save it, and import it with the same mapping."
    return Judgement(Fate.IMPORTED, summary.exit_code, "", cause, remedy, JobFolder.DONE)


def _judge_stop(stop: Stop | None, text: str, folder: Path) -> Judgement:
    code = stop.code if stop is not None else ""
    if code == _TOO_MANY:
        return _must_be_seen(folder)
    if code == CANARY_STOP:
        return _canary_must_be_seen(folder, text)
    cause = {
        "unreachable": "the service is out of reach",
        "throttled": "the service lets nothing through",
        "storm": "the service answers nothing certain",
        "http_401": "the service refuses the customer or the key",
        "http_403": "the service refuses the customer or the key",
        "http_404": "the service does not know the project, or the address is wrong",
        "no_senders": "the senders cannot be reached",
        CANARY_UNREAD: "its first rows could not be read back yet",
    }.get(code, "the service refuses us")
    return Judgement(Fate.STOPPED, 3, text, cause, _NEXT_ROUND, ends=_Ends.TARGET)


def _must_be_seen(folder: Path) -> Judgement:
    """The verdict on a run with too many failures: somebody must look before it is resumed."""
    resume = resume_command(folder)
    return Judgement(
        Fate.STOPPED,
        3,
        f"too many of its rows failed\nLook at failures.csv in {quoted(folder)}: is it the "
        f"mapping? To go on all the same: {resume}",
        "too many of its rows failed",
        f"Look at its failures.xlsx first. To go on all the same: {resume}",
        JobFolder.FAILED,
    )


def _canary_must_be_seen(folder: Path, text: str = "") -> Judgement:
    """The verdict on a run whose canary failed; `text` is what the run itself said of it."""
    cause = "its first rows are not in the service as they were sent, or failed"
    anyway = f"To send the rest in spite of it: {resume_command(folder, name='apply')}"
    look = f"Look at {CANARY} in {quoted(folder)}: is it the mapping? {anyway}"
    return Judgement(
        Fate.STOPPED,
        3,
        _lines(cause, text or look),
        cause,
        f"Look at its {CANARY} first. {anyway}",
        JobFolder.FAILED,
    )


def _held_back(rows: int, differences: Sequence[str], told: Sequence[str]) -> Judgement:
    """The verdict on a file that is too unlike the job's last ones."""
    lines = "\n".join(f"  {line}" for line in differences)
    cause = "far from what the last files of this job were like"
    return Judgement(
        Fate.HELD,
        1,
        f"{cause}\n{lines}",
        cause,
        folder=JobFolder.HELD,
        rows=rows,
        differences=tuple(told),
    )


def _beginning_was_sent(entry: LedgerEntry) -> Judgement:
    """The verdict on a file whose beginning was sent by an earlier run."""
    cause = f"its beginning was sent before, by {entry.run_id}"
    return Judgement(
        Fate.HELD,
        1,
        f"{cause}: the first {_rows(entry.rows)}, {entry.count(Status.CREATED):,} created\n"
        "Either it was imported before it was whole and has grown since, or it holds all of an"
        " earlier list. Nothing was sent now.\nFor what is new in it alone, put a file with the"
        " header and only the rows behind those into the inbox. (rows.unique and rows.within in the"
        " mapping would know such rows.)\nTo let it pass sends the first rows a second time.",
        cause,
        folder=JobFolder.HELD,
    )


def _only_beginning_sent(judgement: Judgement, message: str, cause: str) -> Judgement:
    """The verdict on an imported file that may be only the beginning of its list."""
    return replace(
        judgement,
        exit_code=worst([judgement.exit_code, 1]),
        message="\n".join(filter(None, (judgement.message, message))),
        cause=", and ".join(filter(None, (judgement.cause, cause))),
        remedy=judgement.remedy
        or "Ask the supplier for the whole list. The next round holds what has come since.",
    )


def _released_by(jobs: Path, file: str) -> str:
    """The command that releases a held file at that path or address."""
    return f"To import it all the same: {command('batch', argument(jobs), '--release', file)}"


def _begun_elsewhere(entry: LedgerEntry) -> Judgement:
    """The verdict on a file that a run of another jobs file, or of a person, has begun to send."""
    whose = f"the job {entry.label} of {entry.jobs_file}" if entry.jobs_file else "somebody"
    cause = f"{whose} has begun to send its content, and has not finished"
    remedy = f"Go on with that run: {resume_command(entry.run_dir)}"
    return Judgement(Fate.WAITING, 3, f"{cause}\n{remedy}", cause, remedy)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


# The comparison with past imports, before anything is sent: whether a file is held.


@dataclass(frozen=True, slots=True)
class _Deviation:
    """How a file differs from the job's last ones, a line for each difference.

    `differences` are for the log; `told` are for notifications, and quote no new headers.
    """

    rows: int
    differences: tuple[str, ...]
    told: tuple[str, ...]


def begun_by(
    active: ActiveJob, path: Path, mapping: LoadedMapping
) -> tuple[str, LedgerEntry | None]:
    """The SHA-256 of a file, and the newest run that has sent, or begun to send, its beginning.

    That finds files that have grown since their import, and lists that begin with an earlier one:
    sending them would send those rows twice. The run is None if there is none, if somebody has
    released the file, if the whole content was sent (the guard reports that), or if
    ``rows.within`` recognises the rows. Raises SourceError where the file cannot be read.
    """
    rules = mapping.spec.rows
    since = datetime.fromtimestamp(active.round.context.now(), UTC) - timedelta(
        days=rules.within or 0
    )
    with open_all_ledgers(active.round.ledger) as ledgers:
        # Cheap queries first: there may be thousands of runs and of files.
        sha256, begins = _digests(path, {size for each in ledgers for size in each.sizes()})
        entries = [
            entry
            for size, begin in begins
            if begin != sha256
            for ledger in ledgers
            if ledger.noted(SIZE, begin) == str(size)
            for entry in ledger.runs_of(begin, active.target.base_url, active.target.project)
            if entry.sent or entry.unfinished
        ]
    if rules.within is not None:
        unique = rules.unique or ()
        entries = [each for each in entries if not is_looked_back_at(each, unique, since)]
    if not entries or active.round.ledger.noted(RELEASED, sha256) is not None:
        return sha256, None
    if _is_known(active, sha256):
        return sha256, None
    return sha256, max(entries, key=lambda entry: entry.started_at)


def _deviation_of(
    active: ActiveJob, path: Path, mapping: LoadedMapping, sha256: str
) -> _Deviation | None:
    """Check a file and compare it with the job's last ones; None lets it pass.

    Raises what :func:`importer.library.check` raises.
    """
    bounds, ledger = active.job.drift, active.round.ledger
    if bounds is None or ledger.noted(RELEASED, sha256) is not None:
        return None
    past = _profiles(active)
    if len(past) < FEWEST:
        return None
    checkup = library.check(path, mapping, reading=active.job.reading, stop=active.stop)
    profile = profile_of(checkup)
    differences = compare(profile, past, bounds)
    if not differences or _is_known(active, sha256):
        return None
    return _Deviation(profile.rows, differences, compare(profile, past, bounds, naming=False))


def _profiles(active: ActiveJob) -> list[Profile]:
    """The profiles of the job's last imports, newest first, at most `LATEST`."""
    # Runs of older versions have no jobs file in the ledger: the job's name decides.
    whose = {active.round.jobs.identity, None}
    runs = active.round.ledger.runs(label=active.job.name, limit=10 * LATEST)
    entries = [entry for entry in runs if entry.jobs_file in whose]
    found = (Profile.from_json(entry.profile) for entry in entries if entry.profile is not None)
    return [profile for profile in found if profile is not None][:LATEST]


def _is_known(active: ActiveJob, sha256: str) -> bool:
    """Whether a run has sent the content, or has begun to: then the guard reports it."""
    base_url, project = active.target.base_url, active.target.project
    with open_all_ledgers(active.round.ledger) as ledgers:
        return any(
            entry.sent or entry.unfinished
            for ledger in ledgers
            for entry in ledger.runs_of(sha256, base_url, project)
        )


def begins_with(path: Path, sha256: str, size: int) -> bool:
    """Whether a file holds the content of that hash and `size` in bytes, and more after it."""
    try:
        return path.stat().st_size > size and (size, sha256) in _digests(path, {size})[1]
    except (OSError, SourceError):
        return False


def _digests(path: Path, sizes: Collection[int]) -> tuple[str, set[tuple[int, str]]]:
    """The SHA-256 of a file, and those of its beginnings of `sizes` bytes; it is read once."""
    digest, at = hashlib.sha256(), 0
    begins = set()
    try:
        with path.open("rb") as file:
            for size in sorted(sizes):
                while at < size and (block := file.read(min(_BLOCK, size - at))):
                    digest.update(block)
                    at += len(block)
                if at < size:
                    break
                begins.add((size, digest.hexdigest()))
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read ({error.strerror or error}).", "Check the name and the folder."
        ) from None
    return digest.hexdigest(), begins


# Releasing a held file: its content passes the comparison, and it is moved back to its inbox.


def release(jobs: JobsFile, file: str) -> str | None:
    """Release a held file; returns the path it was moved back to, None where it has not moved.

    `file` is its path, or its address as the log names it. Raises UsageError for a file that no
    job holds, SourceError and OutputError.
    """
    make_private_folder(jobs.runs_dir)
    with Ledger.open(jobs.runs_dir) as ledger:
        if is_remote(file):
            sha256 = ledger.noted(HELD, file)
            if sha256 is None:
                raise _not_held(jobs, file)
            _let_pass(ledger, sha256)
            return None
        path = Path(file).absolute()
        if not path.is_file():
            raise SourceError(f"{file}: there is no such file", "Name a file of a held folder.")
        sha256 = file_sha256(path)
        home = _inbox_of_held(jobs, ledger, path, sha256)
        if home is None:
            raise _not_held(jobs, file)
        _let_pass(ledger, sha256)
        if home == path.parent:
            return None
        moved = move_away(path, home, results=None, run_id="released", sha256=sha256)
        with contextlib.suppress(OSError):
            path.with_name(path.name + NOTE).unlink(missing_ok=True)
        return str(moved)


def _let_pass(ledger: Ledger, sha256: str) -> None:
    ledger.note(RELEASED, sha256, datetime.now(UTC).isoformat())


def _inbox_of_held(jobs: JobsFile, ledger: Ledger, path: Path, sha256: str) -> Path | None:
    """The inbox that a held file came from: by the ledger, else by the jobs file."""
    noted = ledger.noted(HELD, f"{jobs.identity}\n{sha256}")
    if noted is not None:
        return Path(json.loads(noted)["file"]).parent
    for job in jobs.jobs:
        if job.held == path.parent and not is_remote(job.files[0]):
            return folder_of(job.files[0])
    return None


def _not_held(jobs: JobsFile, file: str) -> UsageError:
    folders = dict.fromkeys(str(job.held) for job in jobs.jobs if job.held is not None)
    where = f"Name a file in {', '.join(folders)}." if folders else "No job names a held folder."
    return UsageError(f"{file}: no job of {jobs.path} holds this file", where)
