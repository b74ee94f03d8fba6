"""What commands print, and the exit codes with which they end.

Results for people go to standard output; complaints, progress and the log go to standard error.
With ``--log-format json`` every line on standard error is one JSON object: what libraries log,
what people would read there, and errors. Standard output stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from importer.errors import ImporterError, MistakesError, worst
from importer.files import json_safe
from importer.model import (
    CanaryBegins,
    CanaryEqual,
    Probing,
    Progress,
    Resumed,
    Severity,
    Stage,
    Status,
    StrayAnswer,
    Waiting,
)
from importer.pipeline.rundir import log_marks
from importer.pipeline.summary import rerun_command
from importer.reports.content import count

if TYPE_CHECKING:
    from importer.model import Checkup, Event
    from importer.pipeline.apply import RunResult

Command = TypeVar("Command", bound=Callable[..., Any])
Level = Literal["info", "warning", "error"]
Listener = Callable[["Progress | Event"], None]


# Text from outside, as a terminal may show it.
#
# Sheets, file names, services and proxies say what they like. Control characters (C0, DEL, C1)
# move the cursor, set the title, or type; direction marks let a text read other than it is; U+2028
# and U+2029 are line ends to some. Joiners and soft hyphens are parts of words, and stay.

_DIRECTIONS = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_STEERING = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_DIRECTIONS}]")
_STEERING_IN_JSON = re.compile(f"[\x7f-\x9f{_DIRECTIONS}]")


def terminal_safe(text: str) -> str:
    """The text with U+FFFD for each character that steers a terminal; tabs and line feeds stay."""
    return text if text.isascii() and text.isprintable() else _STEERING.sub("\ufffd", text)


def terminal_safe_json(line: bytes) -> bytes:
    """A line of JSON in UTF-8, of the same value, with escapes for what steers a terminal.

    All JSON escapes C0 controls; the other characters can only stand in its strings.
    """
    if line.isascii() and b"\x7f" not in line:
        return line
    return _STEERING_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()


# The log, and the options that say what goes into it.

_VERBOSE, _FORMAT = "importer.verbose", "importer.log_format"
_LOG = logging.getLogger("importer.cli")


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The record for people: libraries log what services say, so it is made harmless."""
        return terminal_safe(super().format(record))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The record with its time in UTC, and the run and job that it is about, null for none."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            **log_marks(),
            **getattr(record, "data", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # Characters beyond ASCII are escaped: any terminal, pipe and code page takes it.
        return json.dumps(json_safe(line), default=str)


class _JsonHandler(logging.StreamHandler):  # type: ignore[type-arg] # not generic at run time
    """Writes each record to standard error as one line; :func:`as_json` looks for it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(_JsonFormatter())


def _set_up(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Set up logging once for each of the two options, whichever is parsed first.

    The log holds warnings and worse, ours and those of libraries, and everything with ``-v``.
    """
    context.meta[_VERBOSE if parameter.name == "verbose" else _FORMAT] = value
    level = logging.DEBUG if context.meta.get(_VERBOSE) else logging.WARNING
    wants_json = context.meta.get(_FORMAT) == "json"
    logging.captureWarnings(wants_json)
    if wants_json:
        logging.basicConfig(level=level, handlers=[_JsonHandler()], force=True)
        _LOG.setLevel(min(level, logging.INFO))
        return
    logging.basicConfig(level=level, force=True)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_TextFormatter("%(levelname)s %(name)s: %(message)s"))
    _LOG.setLevel(logging.NOTSET)


verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_up,
    help="Log what happens, for a report of a fault.",
)
_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    metavar="text|json",
    expose_value=False,
    is_eager=True,
    callback=_set_up,
    help="How to write on standard error: for people, or one JSON object a line.",
)


def log_options(command: Command) -> Command:
    """Add the options that say what is logged, and how."""
    return verbose_option(_format_option(command))


def as_json() -> bool:
    """Whether standard error takes JSON objects only."""
    return any(isinstance(handler, _JsonHandler) for handler in logging.getLogger().handlers)


def log_json(level: Level, message: str, **data: Any) -> None:
    """Log a JSON object; `data` are more keys of it."""
    number = logging.getLevelNamesMapping()[level.upper()]
    _LOG.log(number, "%s", message, extra={"data": data})


def log_result(result: RunResult, exit_code: int) -> None:
    """Log how a run ended, as a JSON object."""
    summary = result.summary
    log_json(
        "info" if exit_code == 0 else "warning",
        f"{summary.source['path']}: {summary.status}",
        run=summary.run_id,
        status=summary.status,
        exit_code=exit_code,
        rows=summary.rows,
        counts={status.value: count for status, count in summary.counts.items()},
        elapsed_s=summary.elapsed_s,
        reason=summary.reason,
        results=str(result.directory.path),
    )


# Lines for people.


def say(text: str, *, err: bool = False) -> None:
    """Print for people: without what could steer their terminal, and whoever still listens.

    A reader that has gone, as `| head` does, changes nothing about the work.
    """
    if err and as_json():
        log_json("info", text.strip())
        return
    try:
        click.echo(terminal_safe(text), err=err)
    except BrokenPipeError:
        write_no_more(sys.stderr if err else sys.stdout)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, as wide as they must be; those of numbers stand on the right."""
    columns = list(zip(headers, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [all(re.fullmatch(r"[\d,]+|-", cell) for cell in column[1:]) for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in [headers, *rows]
    )


def write_no_more(stream: Any) -> None:
    """Let go to nowhere whatever is still written to a stream whose reader has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def tell(error: ImporterError) -> None:
    """Print an error for the user: what, where, and what to do next."""
    mistakes = list(error.mistakes) if isinstance(error, MistakesError) else []
    if as_json():
        more = {"mistakes": mistakes} if mistakes else {}
        log_json("error", error.message, hint=error.hint, exit_code=error.exit_code, **more)
        return
    say(f"Error: {error.message}", err=True)
    for mistake in mistakes:
        say(f"  {mistake}", err=True)
    if error.hint:
        say(error.hint, err=True)


def tell_missing(files: Sequence[Path], reported: Collection[Path]) -> None:
    """Say which files the reports do not tell of: that none is in them is no good news."""
    missing = [str(path) for path in files if path not in reported]
    if missing:
        say(f"Not in the report: {', '.join(missing)}", err=True)


def tell_bug() -> None:
    """Print where the exception came from that is being handled, and ask for a report."""
    if as_json():
        _LOG.exception("This is a bug in vcc-import: please report this line.")
        return
    import traceback

    say(traceback.format_exc().rstrip(), err=True)
    say("This is a bug in vcc-import: please report the lines above.", err=True)


# Exit codes.

_ENDS_ALL = {130, 143, 3}


def each_file(files: Sequence[Path], work: Callable[[Path], int]) -> int:
    """Work on files one after the other; give the worst exit code.

    What is wrong with one file is told and does not keep the others from being worked on; an
    interruption does, and what stopped a run would stop the next one too.
    """
    codes = []
    for path in files:
        try:
            codes.append(work(path))
        except ImporterError as error:
            tell(error)
            codes.append(error.exit_code)
        if codes[-1] in _ENDS_ALL:
            break
    return worst(codes)


# The progress of a run.


@contextlib.contextmanager
def progress_bar(name: str, *, quiet: bool) -> Iterator[Listener]:
    """A progress bar on standard error, and what a run has to tell while it sends.

    There is no bar where that is no terminal, and nothing at all with -q.
    """
    if quiet:
        yield lambda _: None
        return
    if as_json():
        yield _progress_log(name, _EventTeller())
        return
    tell_event, name = _EventTeller(), terminal_safe(name)
    if not sys.stderr.isatty():
        yield tell_event
        return
    from tqdm import tqdm

    # A terminal that does not tell its size has no columns and lines: tqdm would draw nothing.
    size = shutil.get_terminal_size()
    reading, stage = _DESCRIPTIONS[Stage.READING].format(name), Stage.READING
    with tqdm(desc=reading, unit=" rows", ncols=size.columns, nrows=size.lines) as bar:

        def show(event: Progress | Event) -> None:
            nonlocal stage
            if not isinstance(event, Progress):
                with bar.external_write_mode(sys.stderr):
                    tell_event(event)
                return
            if event.stage is not stage:
                stage = event.stage
                bar.set_description(_DESCRIPTIONS[stage].format(name), refresh=False)
                bar.reset(event.total)
            if stage is not Stage.SENDING:
                bar.update(event.passed - bar.n)
                return
            # An uncertain row is no failed one: it may exist.
            failed = (event.counts.get(s, 0) for s in (Status.INVALID, Status.REJECTED))
            counts = {"created": event.counts.get(Status.CREATED, 0), "failed": sum(failed)}
            if uncertain := event.counts.get(Status.UNCERTAIN, 0):
                counts["uncertain"] = uncertain
            bar.set_postfix(counts, refresh=False)
            bar.update(event.done - bar.n)

        yield show


_DESCRIPTIONS = {
    Stage.READING: "{} (reading)",
    Stage.CHECKING: "{} (checking)",
    Stage.SENDING: "{}",
}


def _progress_log(name: str, tell_event: Callable[[Event], None]) -> Listener:
    """A listener that logs where a run stands, at each stage and each `_LOG_EVERY` seconds."""
    stage: Stage | None = None
    told = 0.0

    def listen(event: Progress | Event) -> None:
        nonlocal stage, told
        if not isinstance(event, Progress):
            tell_event(event)
        elif event.stage is not stage or time.monotonic() - told >= _LOG_EVERY:
            stage, told = event.stage, time.monotonic()
            sending = stage is Stage.SENDING
            counts = {status.value: event.counts.get(status, 0) for status in Status}
            log_json(
                "info",
                f"{name}: {stage.value}",
                rows=event.total,
                done=event.done if sending else event.passed,
                **({"counts": counts} if sending else {}),
            )

    return listen


_LOG_EVERY = 30.0


class _EventTeller:
    """Says what happens to the whole run; how fast it goes is told by the bar.

    Waits of less than `_WORTH_TELLING` are told once they add up to it. That sending goes on is
    told only where it was told that it had stopped.
    """

    def __init__(self) -> None:
        self._untold = 0.0
        self._told = False

    def __call__(self, event: Progress | Event) -> None:
        match event:
            case Waiting(seconds, reason):
                self._untold += seconds
                if self._untold >= _WORTH_TELLING:
                    say(f"Waiting {self._untold:.0f} s: {reason}", err=True)
                    self._untold, self._told = 0.0, True
            case Probing(reason):
                say(f"Paused: {reason}. Asking whether the service is there …", err=True)
                self._told = True
            case Resumed():
                if self._told:
                    say("Going on.", err=True)
                self._untold, self._told = 0.0, False
            case CanaryBegins(rows, pending):
                say(_canary_begins(rows, pending), err=True)
            case CanaryEqual(records, equal, unverified):
                say(_canary_equal(records, equal, unverified), err=True)
            case StrayAnswer(reason):
                say(
                    f"Warning: {reason}. Rows that such an answer may have been taken for are "
                    "uncertain. From now on each connection is used once, which is slower.",
                    err=True,
                )


def _canary_begins(rows: int, pending: int) -> str:
    """The line before the first request of a canary, or before it is read back."""
    if not pending:
        return f"Reading back {count(rows, 'row')}, sent before all others …"
    how = f"{pending:,} of {count(rows, 'row')}" if pending < rows else count(rows, "row")
    return (
        f"Sending {how} first, chosen for what they cover, and reading them back. Records cannot be"
        " deleted: they stay, whatever this shows."
    )


def _canary_equal(records: int, equal: int, unverified: int) -> str:
    """The line that says that a canary is as it was sent, and how much of it was compared."""
    seen = f"{count(records, 'record')} read back, as sent: {count(equal, 'part')} equal"
    more = ", which the service does not give back" if unverified else ""
    return f"{seen}, {unverified:,} unverified{more} (canary.json has each)."


_WORTH_TELLING = 1.0
"""Seconds; a shorter wait is told by the bar's standing still."""


# What became of a run.

_MEANINGS = {
    Status.CREATED: "the service has the record",
    Status.REJECTED: "the service said no",
    Status.INVALID: "failed a check, not sent",
    Status.SKIPPED: "left out, as the mapping says",
    Status.UNCERTAIN: "sent, answer lost: may exist",
    Status.PENDING: "not tried",
}
_FILES = {
    Status.CREATED: "created.csv",
    Status.REJECTED: "failures.csv",
    Status.INVALID: "failures.csv",
    Status.UNCERTAIN: "uncertain.csv",
}
_NOTES = 10
"""Notes about a plan that are shown."""
_NEED_A_LOOK = (Status.INVALID, Status.REJECTED, Status.UNCERTAIN)


def describe_run(result: RunResult, anew: Sequence[str] = ()) -> str:
    """The summary of a run for the terminal: what became of the rows, and what to do next.

    `anew` are options that a resumed run was given, to be given again.
    """
    return "\n".join(_lines(result, anew))


def _lines(result: RunResult, anew: Sequence[str]) -> Iterator[str]:
    from importer.pipeline.recover import how_to_settle, resume_command

    summary, directory = result.summary, result.directory
    # The address of a run's own sandbox is nobody's any more, and never that of a resumed run.
    rehearsal = summary.settings.get("sandbox")
    place = "of a sandbox" if rehearsal else f"at {summary.target['base_url']}"
    if result.nothing_pending:
        yield "Nothing was pending; nothing was sent."
    yield f"{summary.source['path']} → project {summary.target['project']} {place}"
    for status, rows in summary.counts.items():
        where = f" → {_FILES[status]}" if rows and status in _FILES else ""
        yield f"  {status:<10} {rows:>9,}   {_MEANINGS[status]}{where}"
    rate = f"   {summary.elapsed_s:.1f} s, {summary.rows_per_s:,.0f} rows/s"
    yield f"  {'rows':<10} {summary.rows:>9,}{'' if result.nothing_pending else rate}"
    if result.examples:
        failed = sum(summary.counts[status] for status in _NEED_A_LOOK)
        yield ""
        yield (
            "Rows that need a look:"
            if failed <= len(result.examples)
            else (f"The first {len(result.examples)} of {failed:,} rows that need a look:")
        )
        for outcome in result.examples:
            yield f"  row {outcome.row} {outcome.status}: {outcome.message}"
            if outcome.hint:
                yield f"    → {outcome.hint}"
    if result.checkup is not None:
        yield from _warnings(result.checkup)
    if result.notes:
        yield ""
        yield "What has changed since it was planned, and kept nothing back:"
        yield from (f"  {note}" for note in result.notes[:_NOTES])
        if (more := len(result.notes) - _NOTES) > 0:
            yield f"  … and {more:,} more"
    yield ""
    if summary.reason is not None:
        yield f"Stopped: {summary.reason}"
        if summary.hint:
            yield summary.hint
    yield f"Results: {directory.path}"
    # Where all rows are sent, a canary may still be to be read back.
    unread = summary.status == "interrupted" or result.needs_reading
    shown_differences = result.canary is not None and result.canary.faults
    if (summary.counts.get(Status.PENDING) or unread) and not shown_differences:
        yield f"To go on: {resume_command(directory.path, *anew)}"
    if summary.counts.get(Status.UNCERTAIN):
        yield f"To settle uncertain rows: {how_to_settle(directory.path, summary.settings)}"
    if summary.counts.get(Status.INVALID) or summary.counts.get(Status.REJECTED):
        mended = rerun_command(
            directory.path / "failures.xlsx",
            summary.mapping["path"],
            summary.target,
            summary.settings,
        )
        yield "To mend rows: correct their cells in failures.xlsx, save it, and run it alone:"
        yield f"  {mended}"


def _warnings(checkup: Checkup) -> Iterator[str]:
    """How phones without a country's code were read; the kinds of warnings, each with its first."""
    from importer.reports.content import (
        location,
        phones_read,
        problem_groups,
        visible,
    )

    told = tuple(r for r in checkup.phones if r.without_code or r.plus_put_back or r.unclear)
    if told:
        yield ""
        yield "Phones:"
        yield from (f"  {line}" for line in phones_read(replace(checkup, phones=told)))
    found = [
        group for group in problem_groups(checkup.survey) if group.severity is Severity.WARNING
    ]
    if not found:
        return
    yield ""
    yield f"{count(checkup.survey.warnings, 'warning')}:"
    for group in found:
        first = group.examples[0]
        others = f" (and {group.count - 1:,} more)" if group.count > 1 else ""
        yield f"  {group.code}: {location(first)}: {visible(first.message)}{others}"
