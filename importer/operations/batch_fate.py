"""What the end of a run, or an error, means for its file: fate, exit code, and where it goes.

`message` is for the log and may quote the file. `cause` and `remedy` go to mailboxes: they are
texts of ours, and quote nothing but paths.
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Final

from importer.errors import (
    ImporterError,
    JournalError,
    MappingError,
    OutputError,
    PreflightError,
    RunInterruptedError,
    ServiceError,
    SourceError,
    UsageError,
)
from importer.line import RunResult
from importer.model import Stop
from importer.operations.guarded import AlreadyImported, TargetBusy
from importer.operations.ledger import Entry
from importer.operations.outcome import Fate
from importer.operations.window import WINDOW_CLOSED
from importer.stopping import StopSwitch

TOO_MANY: Final = "too_many_failures"
"""The code of a stop after which somebody must look before the run goes on."""

_BY_PEOPLE = {"SIGINT": 130, "SIGTERM": 143}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NEXT_ROUND = "The next round goes on by itself."


class Aside(StrEnum):
    """Where a file is put away: the keys of a job."""

    DONE = "done"
    FAILED = "failed"
    HELD = "held"


class Ends(Enum):
    """What is not gone on with, besides the file."""

    TARGET = 1
    ROUND = 2


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a file; `aside` is None where it stays, `ends` where the others go on."""

    fate: Fate
    exit_code: int
    message: str = ""
    cause: str = ""
    remedy: str = ""
    aside: Aside | None = None
    ends: Ends | None = None


def said(error: ImporterError) -> str:
    """All that an error says, for the log: lines of text."""
    mistakes = (f"  {mistake}" for mistake in getattr(error, "mistakes", ()))
    return "\n".join(filter(None, (error.message, *mistakes, error.hint)))


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error comes from a disk that takes no more."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return True
        error = error.__cause__ or error.__context__
    return False


def code_of_stop(stop: StopSwitch) -> int:
    """The exit code of a round that somebody stopped; 0 where only a job's time was over."""
    return 0 if stop.reason in {None, WINDOW_CLOSED} else _BY_PEOPLE.get(str(stop.reason), 130)


def of_result(result: RunResult, stop: StopSwitch) -> Judgement:
    """What a run that sent, or tried to, means for its file."""
    summary, folder = result.summary, shlex.quote(str(result.directory.path))
    if summary.status == "interrupted":
        return interrupted(stop)
    if summary.status == "stopped":
        return _of_stop(
            result.stop, "\n".join(filter(None, (summary.reason, summary.hint))), folder
        )
    cause = remedy = ""
    if summary.exit_code == 4:
        cause = "rows are uncertain: they may exist"
        remedy = f"Within days: vcc-import reconcile {folder}"
    elif summary.exit_code:
        cause = "rows failed"
        remedy = "Mend them in failures.xlsx, save it, and import it with the same mapping."
    return Judgement(Fate.IMPORTED, summary.exit_code, "", cause, remedy, Aside.DONE)


def interrupted(stop: StopSwitch) -> Judgement:
    """What it means for a file that work on it was stopped."""
    if (code := code_of_stop(stop)) == 0:
        text = "its time was over; the next night goes on"
        return Judgement(Fate.CLOSED, 0, text, "the job's time was over")
    text = "stopped by a signal"
    return Judgement(Fate.STOPPED, code, text, text, _NEXT_ROUND)


def must_be_seen(folder: str) -> Judgement:
    """What it means for a file that so many of its rows failed; `folder` is quoted for a shell."""
    return Judgement(
        Fate.STOPPED,
        3,
        f"too many of its rows failed\nLook at failures.csv in {folder}: is it the mapping? To go "
        f"on all the same: vcc-import resume {folder}",
        "too many of its rows failed",
        f"Look at its failures.xlsx first. To go on all the same: vcc-import resume {folder}",
        Aside.FAILED,
    )


def held(differences: Sequence[str], jobs: Path) -> Judgement:
    """What it means for a file to be far from the last ones of its job."""
    lines = "\n".join(f"  {line}" for line in differences)
    return Judgement(
        Fate.HELD,
        1,
        f"far from what the last files of this job were like\n{lines}",
        "far from what the last files of this job were like",
        "The log says in what it differs. To import it all the same: vcc-import batch "
        f"{shlex.quote(str(jobs))} --release FILE",
        Aside.HELD,
    )


def begun_elsewhere(entry: Entry) -> Judgement:
    """What it means for a file that a run which is not this round's has begun to send it."""
    whose = f"the job {entry.label} of {entry.jobs_file}" if entry.jobs_file else "somebody"
    cause = f"{whose} has begun to send its content, and has not finished"
    remedy = f"Go on with that run: vcc-import resume {shlex.quote(str(entry.run_dir))}"
    return Judgement(Fate.WAITING, 3, f"{cause}\n{remedy}", cause, remedy)


def _of_stop(stop: Stop | None, text: str, folder: str) -> Judgement:
    code = stop.code if stop is not None else ""
    if code == TOO_MANY:
        return must_be_seen(folder)
    cause = {
        "unreachable": "the service is out of reach",
        "throttled": "the service lets nothing through",
        "storm": "the service answers nothing certain",
        "http_401": "the service refuses the customer or the key",
        "http_403": "the service refuses the customer or the key",
        "http_404": "the service does not know the project, or the address is wrong",
        "no_senders": "the senders cannot be reached",
    }.get(code, "the service refuses us")
    return Judgement(Fate.STOPPED, 3, text, cause, _NEXT_ROUND, ends=Ends.TARGET)


def of_error(error: ImporterError, stop: StopSwitch) -> Judgement:
    """What an error means for the file that was worked on."""
    text = said(error)
    match error:
        case AlreadyImported():
            cause = f"the project has its content already, by {error.entry.run_id}"
            return Judgement(Fate.DUPLICATE, 0, text, cause, aside=Aside.DONE)
        case TargetBusy():
            cause = "another import is under way at the same target"
            return Judgement(Fate.WAITING, 3, text, cause, _NEXT_ROUND)
        case RunInterruptedError():
            return interrupted(stop)
        case ServiceError():
            cause = "the service is out of reach, or refuses us"
            return Judgement(Fate.STOPPED, 3, text, cause, _NEXT_ROUND, ends=Ends.TARGET)
        case OutputError() | JournalError():
            return _of_disk(error, text)
        case SourceError():
            cause, remedy = (
                "the file cannot be read",
                "Ask for the file in a form that is readable.",
            )
            return Judgement(Fate.FAILED, 2, text, cause, remedy, Aside.FAILED)
        case PreflightError():
            cause = "the project lacks what the file needs"
            remedy = "Mend the mapping, the file or the project, and put the file into the inbox."
            return Judgement(Fate.FAILED, 2, text, cause, remedy, Aside.FAILED)
        case MappingError():
            cause = "the file does not fit the mapping"
            remedy = "Mend one of them, and put the file into the inbox again."
            return Judgement(Fate.FAILED, 2, text, cause, remedy, Aside.FAILED)
        case UsageError():
            # Nothing of the file's: it stays, and the job waits for somebody.
            hint = error.hint or ""
            return Judgement(Fate.WAITING, 2, text, error.message, hint, ends=Ends.TARGET)
        case _:
            cause = "it ended with an error that the log tells"
            return Judgement(Fate.STOPPED, max(error.exit_code, 2), text, cause)


def _of_disk(error: ImporterError, text: str) -> Judgement:
    if is_disk_full(error):
        cause, remedy = "the disk is full", f"Make room on the disk. {_NEXT_ROUND}"
        return Judgement(Fate.STOPPED, 3, text, cause, remedy, ends=Ends.ROUND)
    if isinstance(error, JournalError):
        cause = "the journal of its run cannot be used"
        return Judgement(Fate.STOPPED, 3, text, cause, "The log says what to do.")
    cause = "the runs folder, or the one for temporary files, cannot be written"
    return Judgement(Fate.STOPPED, 3, text, cause, "Mend the permissions.", ends=Ends.ROUND)
