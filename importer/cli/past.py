"""Commands for a run of the past: ``resume``, ``report``, ``reconcile``, ``mark``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.live import progress_bar, stops_on_signals
from importer.cli.logs import as_json, log_options, put_result, verbose_option
from importer.cli.options import (
    FILE,
    SENDING,
    again_option,
    given_settings,
    quiet_option,
    repeated,
    resuming_options,
)
from importer.cli.outcome import describe_run, say
from importer.cli.target import past_target
from importer.errors import UsageError
from importer.model import Status
from importer.pipeline.commands import about_run
from importer.settings import SETTINGS

if TYPE_CHECKING:
    from importer.pipeline.reconcile import Findings

run_argument = click.argument(
    "run_dir", type=click.Path(path_type=Path, file_okay=False), metavar="RUN_DIR"
)


@click.command(
    short_help="Go on with a run that stopped or was cut off.",
    epilog="Example: vcc-import resume runs/leads-20261123T201753Z-e6e70a",
)
@run_argument
@resuming_options
@again_option
@log_options
@quiet_option
def resume(run_dir: Path, **options: Any) -> int:
    """Send the pending rows of a run, and no others.

    It works from the run's own copy of the file and of the mapping, whatever became of them
    since, and as the run began: with its pace, retries, limits of time and failures, engine,
    workers and certificates, unless they are given anew. Its --limit is not kept. Uncertain rows
    are left alone: see reconcile. The result files are written anew and cover the whole file. Exit
    codes are those of run.
    """
    from importer import library

    past = library.past_run(run_dir)
    stop = library.StopSwitch()
    settings = past.settings_but(given_settings(click.get_current_context()))
    # Where nothing is to be sent, no key is needed and no sandbox started.
    place = past_target(past, options) if past.pending else contextlib.nullcontext()
    with place as target, stops_on_signals(stop) as received:
        with progress_bar(run_dir.name, quiet=options["quiet"]) as listener:
            result = library.resume(
                run_dir,
                target=target,
                settings=settings,
                guard=library.Guard(again=options["again"]),
                stop=stop,
                listener=listener,
            )
        code = received() or result.summary.exit_code
        if as_json():
            put_result(result, code)
        if not options["quiet"]:
            kept = {name for name in SENDING if SETTINGS[name].kept}
            anew = repeated("resume", kept | {"customer", "api_key_file", "ca_file"})
            say(describe_run(result, anew))
        return code


@click.command(
    short_help="Write the result files of a run again.",
    epilog="Example: vcc-import report runs/leads-20261123T201753Z-e6e70a",
)
@run_argument
@verbose_option
@quiet_option
def report(run_dir: Path, quiet: bool) -> int:
    """Write the result files again from the run's journal and its copy of the file."""
    from importer.pipeline import recover as recovery

    result = recovery.report(run_dir)
    if not quiet:
        say(describe_run(result))
    return result.summary.exit_code


@click.command(
    short_help="Look for uncertain rows in the service.",
    epilog="Example: vcc-import reconcile runs/leads-20261123T201753Z-e6e70a --release",
)
@run_argument
@click.option(
    "--release", is_flag=True, help="Make rows that are not found pending: resume sends them."
)
@click.option(
    "--from", "first", type=click.IntRange(1), metavar="ID", help="First numberid to look at."
)
@click.option("--to", "last", type=click.IntRange(1), metavar="ID", help="Last one to look at.")
@click.option(
    "--most",
    type=click.IntRange(1),
    default=20_000,
    show_default=True,
    metavar="N",
    help="Look at no more records than this.",
)
@click.option(
    "--lookups",
    type=click.FloatRange(0.1),
    default=50.0,
    show_default=True,
    metavar="N",
    help="Records to look at in a second.",
)
@click.option(
    "--settling",
    type=click.FloatRange(0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Time after the run in which a late request may still arrive: nothing is released before.",
)
@click.option("--customer", metavar="NAME", help="Customer; else VCC_CUSTOMER.")
@click.option(
    "--api-key-file", type=FILE, metavar="FILE", help="File of the API key; else VCC_API_KEY."
)
@click.option("--ca-file", type=FILE, metavar="FILE", help="PEM file of certificates to trust.")
@verbose_option
@quiet_option
def reconcile(run_dir: Path, release: bool, **options: Any) -> int:
    """Look for the uncertain rows of a run in the service, by their stamps.

    A row that is found becomes created, with its numberid. One that is not found is reported as
    such; only with --release, and after the settling time, does it become pending again. Needs
    a mapping with a stamp. Ends with 4 where rows are still uncertain.
    """
    from importer.pipeline import recover as recovery
    from importer.pipeline.reconcile import Search, reconcile

    search = Search(
        most=options["most"],
        rate=options["lookups"],
        first=options["first"],
        last=options["last"],
    )
    if lost := recovery.restore(run_dir):
        say(
            f"The journal had lost its end: {lost:,} rows that it has no word of are uncertain now."
        )
    past = recovery.past_run(run_dir)
    with past_target(past, options) as target:
        findings = reconcile(run_dir, target, search, release=release, settling=options["settling"])
    if not options["quiet"]:
        _tell(run_dir, findings, past.description.settings)
    return 4 if set(findings.not_found) - set(findings.released) else 0


def _tell(run_dir: Path, findings: Findings, settings: Mapping[str, Any]) -> None:
    if not findings.looked and not findings.not_found:
        say("No row of this run is uncertain.")
        return
    say(f"Looked at {findings.looked:,} records, numberids {findings.first} to {findings.last}.")
    for outcome in findings.found:
        say(f"  row {outcome.row}: created, numberid {outcome.numberids[0]}")
    for row in findings.not_found:
        state = "pending, resume sends it" if row in findings.released else "still uncertain"
        say(f"  row {row}: not found, if ids grow ({state})")
    if findings.not_found and not findings.released:
        if findings.doubt is not None:
            say(f"Not found means nothing here: {findings.doubt}")
        elif not findings.complete:
            say("Not the whole range was looked at: raise --most.")
        elif findings.settles_in:
            say(f"A late request may still arrive: look again in {findings.settles_in:.0f} s.")
        else:
            say(f"To send them: {about_run('reconcile', run_dir, settings, '--release')}")
            say(f"and then: {about_run('resume', run_dir, settings)}")


def _rows(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Read row numbers and ranges of them: ``3418-3425,3430``."""
    rows: dict[int, None] = {}
    for part in (text or "").split(",") if text is not None else ():
        found = re.fullmatch(r"([1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?", part.strip(), re.ASCII)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            raise click.BadParameter(f"{text!r} is no list of rows: write it as 3418-3425,3430")
        if len(rows) + last - first >= _MOST_ROWS:
            raise click.BadParameter(f"{text!r} names over {_MOST_ROWS:,} rows")
        rows |= dict.fromkeys(range(first, last + 1))
    return tuple(rows)


_MOST_ROWS = 1_000_000


@click.command(
    short_help="Settle uncertain rows by hand.",
    epilog="Examples: vcc-import mark runs/leads-20261123T201753Z-e6e70a --row 17 --created 4711; "
    "vcc-import mark runs/leads-20261123T201753Z-e6e70a --row 3418-3425,3430 --absent",
)
@run_argument
@click.option(
    "--row",
    "rows",
    callback=_rows,
    metavar="N,N-N",
    help="The row; with --absent and --undo several, as 3418-3425,3430.",
)
@click.option("--created", metavar="ID", help="The service has it, with this numberid.")
@click.option("--absent", is_flag=True, help="The service does not have it: resume may send it.")
@click.option("--undo", is_flag=True, help="Take back what was marked, unless it was sent since.")
@click.option(
    "--from",
    "listed",
    type=FILE,
    metavar="FILE",
    help="Read it from the column _numberid of uncertain.csv: a numberid, absent, or blank.",
)
@verbose_option
@quiet_option
def mark(run_dir: Path, rows: tuple[int, ...], quiet: bool, **said: Any) -> int:
    """Settle uncertain rows after a look into the service; the journal notes that it was you.

    All rows that are named are settled, or none: a row that is not uncertain, or a numberid that
    another row has, changes nothing.
    """
    from importer.pipeline import recover as recovery

    ways = [name for name in ("created", "absent", "undo", "listed") if said[name]]
    if len(ways) != 1:
        raise UsageError(
            "say what is true of the rows: one of --created ID, --absent, --undo, --from FILE",
            "Look for them in the service first.",
        )
    (way,) = ways
    if (way == "listed") is bool(rows):
        raise UsageError(
            "--from names the rows itself: leave out --row" if rows else f"--{way}: name --row N"
        )
    if way == "created" and len(rows) > 1:
        raise UsageError(
            "--created is for one row: each has a record of its own",
            "Write the numberids into uncertain.csv, and give --from uncertain.csv.",
        )
    found: dict[int, str | None] = dict.fromkeys(rows, said["created"])
    if way == "listed":
        found = recovery.marks_in(said["listed"])
    result = recovery.unmark(run_dir, rows) if way == "undo" else recovery.mark(run_dir, found)
    if not quiet:
        say(_told(way, found))
        if result.summary.counts[Status.PENDING]:
            resume = about_run("resume", run_dir, result.summary.settings)
            say(f"To send pending rows: {resume}")
    return 0


def _told(way: str, found: Mapping[int, str | None]) -> str:
    """What was changed, a line for each state."""
    from importer.pipeline.recover import listed

    if way == "undo":
        return f"Uncertain again: {_count(found)}: {listed(found)}."
    created = [row for row, numberid in found.items() if numberid is not None]
    absent = [row for row, numberid in found.items() if numberid is None]
    lines = [f"Pending: {_count(absent)}: {listed(absent)}."] if absent else []
    if len(created) == 1:
        lines.insert(0, f"Row {created[0]} is created, numberid {found[created[0]]}.")
    elif created:
        lines.insert(0, f"Created: {_count(created)}: {listed(created)}.")
    return "\n".join(lines)


def _count(rows: Collection[int]) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
