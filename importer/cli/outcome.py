"""How commands end: one exit code for several files, and the words for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from importer.cli.logs import as_json, put
from importer.cli.terminal import shown
from importer.errors import ImporterError
from importer.model import Severity, Status
from importer.pipeline.commands import about_run, run_like

if TYPE_CHECKING:
    from importer.model import Checkup
    from importer.pipeline.run import RunResult

FAILURES = "failures.xlsx"
WORST_FIRST = (130, 143, 3, 2, 4, 1, 0)


_ENDS_ALL = {130, 143, 3}


def each_file(files: Sequence[Path], work: Callable[[Path], int]) -> int:
    """Work on files one after the other; give the worst exit code.

    What is wrong with one file is told and does not keep the others from being worked on; an
    interruption does, and what stopped a run would stop the next one too.
    """
    codes = [0]
    for path in files:
        try:
            codes.append(work(path))
        except ImporterError as error:
            tell(error)
            codes.append(error.exit_code)
        if codes[-1] in _ENDS_ALL:
            break
    return min(codes, key=WORST_FIRST.index)


def say(text: str, *, err: bool = False) -> None:
    """Print for people: without what could steer their terminal, and whoever still listens.

    A reader that has gone, as `| head` does, changes nothing about the work.
    """
    if err and as_json():
        put("info", text.strip())
        return
    try:
        click.echo(shown(text), err=err)
    except BrokenPipeError:
        stream = sys.stderr if err else sys.stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def tell_missing(files: Sequence[Path], reported: Collection[Path]) -> None:
    """Say which files the reports do not tell of: that none is in them is no good news."""
    missing = [str(path) for path in files if path not in reported]
    if missing:
        say(f"Not in the report: {', '.join(missing)}", err=True)


def tell(error: ImporterError) -> None:
    """Print an error for the user: what, where, and what to do next."""
    if as_json():
        mistakes = list(getattr(error, "mistakes", ()))
        more = {"mistakes": mistakes} if mistakes else {}
        put("error", error.message, hint=error.hint, exit_code=error.exit_code, **more)
        return
    say(f"Error: {error.message}", err=True)
    for mistake in getattr(error, "mistakes", ()):
        say(f"  {mistake}", err=True)
    if error.hint:
        say(error.hint, err=True)


_MEANINGS = {
    Status.CREATED: "the service has the record",
    Status.REJECTED: "the service said no",
    Status.INVALID: "failed a check, not sent",
    Status.SKIPPED: "left out, as the mapping says",
    Status.UNCERTAIN: "sent, answer lost: may exist",
    Status.PENDING: "not tried",
}
_FILES = {
    Status.REJECTED: "failures.csv",
    Status.INVALID: "failures.csv",
    Status.UNCERTAIN: "uncertain.csv",
}


FAILED = (Status.INVALID, Status.REJECTED, Status.UNCERTAIN)


def describe_run(result: RunResult, anew: Sequence[str] = ()) -> str:
    """The summary of a run for the terminal: what became of the rows, and what to do next.

    `anew` are options that a resumed run was given, to be given again.
    """
    return "\n".join(_lines(result, anew))


def _lines(result: RunResult, anew: Sequence[str]) -> Iterator[str]:
    summary, directory = result.summary, result.directory
    project, base_url = summary.target["project"], summary.target["base_url"]
    if result.nothing_pending:
        yield "Nothing was pending; nothing was sent."
    yield f"{summary.source['path']} → project {project} at {base_url}"
    for status, count in summary.counts.items():
        where = f" → {_FILES[status]}" if count and status in _FILES else ""
        yield f"  {status:<10} {count:>9,}   {_MEANINGS[status]}{where}"
    rate = f"   {summary.elapsed_s:.1f} s, {summary.rows_per_s:,.0f} rows/s"
    yield f"  {'rows':<10} {summary.rows:>9,}{'' if result.nothing_pending else rate}"
    if result.examples:
        failed = sum(summary.counts[status] for status in FAILED)
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
    yield ""
    if summary.reason is not None:
        yield f"Stopped: {summary.reason}"
        if summary.hint:
            yield summary.hint
    yield f"Results: {directory.path}"
    if summary.counts.get(Status.PENDING):
        resume = about_run("resume", directory.path, summary.settings, *anew)
        yield f"To go on: {resume}"
    if summary.counts.get(Status.UNCERTAIN):
        from importer.pipeline.recover import how_to_settle

        yield f"To settle uncertain rows: {how_to_settle(directory.path, summary.settings)}"
    if summary.counts.get(Status.INVALID) or summary.counts.get(Status.REJECTED):
        mended = run_like(
            directory.path / FAILURES, summary.mapping["path"], summary.target, summary.settings
        )
        yield "To mend rows: correct their cells in failures.xlsx, save it, and run it alone:"
        yield f"  {mended}"


def _warnings(checkup: Checkup) -> Iterator[str]:
    """How phones without a country's code were read; the kinds of warnings, each with its first."""
    from importer.reports.content import (
        count,
        phones_read,
        place,
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
        yield f"  {group.code}: {place(first)}: {visible(first.message)}{others}"
