"""What the end of a run, or an error, means for its file: fate, exit code, and where it goes.

`message` is for the log and may quote the file. `cause` and `remedy` go to mailboxes: they are
texts of ours, and quote nothing but paths.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from pathlib import Path
from typing import Final

from importer import library
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
from importer.model import Status, Stop
from importer.operations.guarded import AlreadyImported, TargetBusy
from importer.operations.ledger import LedgerEntry
from importer.operations.outcome import Fate, worst
from importer.operations.window import WINDOW_CLOSED
from importer.pipeline.apply import RunResult
from importer.pipeline.recover import how_to_settle, resume_command
from importer.pipeline.stopping import StopSwitch
from importer.shell import argument, command, quoted

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
    """What becomes of a file; `aside` is None where it stays, `ends` where the others go on.

    `rows` and `differences` are those of :class:`FileOutcome`.
    """

    fate: Fate
    exit_code: int
    message: str = ""
    cause: str = ""
    remedy: str = ""
    aside: Aside | None = None
    ends: Ends | None = None
    rows: int | None = None
    differences: tuple[str, ...] = ()


def said(error: ImporterError) -> str:
    """All that an error says, for the log: lines of text, with advice that a batch can take."""
    mistakes = (f"  {_in_keys(mistake)}" for mistake in getattr(error, "mistakes", ()))
    return "\n".join(filter(None, (_in_keys(error.message), *mistakes, advice(error))))


def advice(error: ImporterError) -> str:
    """What an error says that is to be done, as the user of a jobs file can do it.

    The library's hints speak of options of the command line: of most there is a key in the jobs
    file. What else batch has no option for is left out. Whole commands can be typed all the same.
    """
    match error:
        case AlreadyImported():
            results = quoted(error.entry.run_dir)
            return (
                f"Its results: {results}\nRows that failed are in its failures.xlsx: mend them,"
                " save it, and put it into the inbox. A batch sends the same content once."
            )
        case _:
            lines = (
                line if "vcc-import " in line else _possible(line)
                for line in (error.hint or "").split("\n")
            )
            return "\n".join(filter(None, lines))


_KEYS = {
    name.replace("_", "-"): name
    for name in (
        "project",
        "base_url",
        "customer",
        "concurrency",
        "rate",
        "timeout",
        "retries",
        "retry_on",
        "give_up_after",
        "max_failures",
        "engine",
        "workers",
        "scheduler",
        "sheet",
        "header_row",
        "encoding",
        "delimiter",
        "runs_dir",
    )
}
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)(?: (?=[\w;,\t]))?")
_OF_BATCH = {"api-key-file", "ca-file", "job", "release", "watch"}


def _in_keys(text: str) -> str:
    """A text that names keys of the jobs file in place of the options that mean the same."""

    def key(match: re.Match[str]) -> str:
        option = match[1]
        if option == "allow-new-values":
            return f"allow_new_values: true{match[0][2 + len(option) :]}"
        if option == "out":
            option = "runs-dir"
        if option not in _KEYS:
            return match[0]
        return f"{_KEYS[option]}: " if match[0].endswith(" ") else _KEYS[option]

    return _OPTION.sub(key, text)


def _possible(line: str) -> str:
    """A line of advice without what needs an option that there is none for."""
    kept = []
    for sentence in re.split(r"(?<=[.;]) ", _in_keys(line)):
        if _is_possible(sentence):
            kept.append(sentence)
        elif ways := [way for way in re.split(r",? or ", sentence) if _is_possible(way)]:
            kept.append(f"{' or '.join(ways).rstrip('.')}.")
    text = " ".join(kept)
    return f"{text[:-1]}." if text.endswith(";") else text


def _is_possible(way: str) -> bool:
    return all(option in _OF_BATCH for option in _OPTION.findall(way))


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
    summary, folder = result.summary, result.directory.path
    if summary.status == "interrupted":
        return interrupted(stop)
    if summary.status == "stopped":
        return _of_stop(
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
    return Judgement(Fate.IMPORTED, summary.exit_code, "", cause, remedy, Aside.DONE)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def interrupted(stop: StopSwitch) -> Judgement:
    """What it means for a file that work on it was stopped."""
    if (code := code_of_stop(stop)) == 0:
        text = "its time was over; the next night goes on"
        return Judgement(Fate.CLOSED, 0, text, "the job's time was over")
    text = "stopped by a signal"
    return Judgement(Fate.STOPPED, code, text, text, _NEXT_ROUND)


def must_be_seen(folder: Path) -> Judgement:
    """What it means for a file that so many of its rows failed."""
    resume = resume_command(folder)
    return Judgement(
        Fate.STOPPED,
        3,
        f"too many of its rows failed\nLook at failures.csv in {quoted(folder)}: is it the "
        f"mapping? To go on all the same: {resume}",
        "too many of its rows failed",
        f"Look at its failures.xlsx first. To go on all the same: {resume}",
        Aside.FAILED,
    )


def held(rows: int, differences: Sequence[str], told: Sequence[str]) -> Judgement:
    """What it means for a file to be far from the last ones of its job."""
    lines = "\n".join(f"  {line}" for line in differences)
    cause = "far from what the last files of this job were like"
    return Judgement(
        Fate.HELD,
        1,
        f"{cause}\n{lines}",
        cause,
        aside=Aside.HELD,
        rows=rows,
        differences=tuple(told),
    )


def sent_before(entry: LedgerEntry) -> Judgement:
    """What it means for a file that a run has sent its beginning."""
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
        aside=Aside.HELD,
    )


def grown(judgement: Judgement, message: str, cause: str) -> Judgement:
    """What it means for a file that was imported not to be the end of it."""
    return replace(
        judgement,
        exit_code=worst([judgement.exit_code, 1]),
        message="\n".join(filter(None, (judgement.message, message))),
        cause=", and ".join(filter(None, (judgement.cause, cause))),
        remedy=judgement.remedy
        or "Ask the supplier for the whole list. The next round holds what has come since.",
    )


def released_by(jobs: Path, file: str) -> str:
    """How a held file that is there now is let through."""
    return f"To import it all the same: {command('batch', argument(jobs), '--release', file)}"


def begun_elsewhere(entry: LedgerEntry) -> Judgement:
    """What it means for a file that a run which is not this round's has begun to send it."""
    whose = f"the job {entry.label} of {entry.jobs_file}" if entry.jobs_file else "somebody"
    cause = f"{whose} has begun to send its content, and has not finished"
    remedy = f"Go on with that run: {resume_command(entry.run_dir)}"
    return Judgement(Fate.WAITING, 3, f"{cause}\n{remedy}", cause, remedy)


def _of_stop(stop: Stop | None, text: str, folder: Path) -> Judgement:
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
            rows = error.checkup.survey.rows if isinstance(error, library.Refused) else None
            return Judgement(Fate.FAILED, 2, text, cause, remedy, Aside.FAILED, rows=rows)
        case MappingError():
            cause = "the file does not fit the mapping"
            remedy = "Mend one of them, and put the file into the inbox again."
            return Judgement(Fate.FAILED, 2, text, cause, remedy, Aside.FAILED)
        case UsageError():
            # Nothing of the file's: it stays, and the job waits for somebody.
            return Judgement(Fate.WAITING, 2, text, error.message, advice(error), ends=Ends.TARGET)
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
