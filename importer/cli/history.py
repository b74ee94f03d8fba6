"""``vcc-import history``."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Any

import click

from importer.cli.options import runs_dir_option
from importer.cli.outcome import say
from importer.errors import UsageError
from importer.model import Status
from importer.operations.ledger import Entry, FileEntry, Ledger
from importer.operations.runs_folders import ledgers_beside, newest_first

_STATES = tuple(Status)
_AGE = re.compile(r"([1-9]\d{0,4}) ?([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


def _age(_: click.Context, __: click.Parameter, text: str | None) -> timedelta | None:
    """How long ago, as a person says it."""
    if text is None:
        return None
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is no age such as 90d, 12h or 4w.")
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


@click.command(
    short_help="Show past runs, and remove the old ones' data.",
    epilog="Examples: vcc-import history --since 7d    vcc-import history --prune 90d",
)
@click.argument("run", required=False, metavar="[RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print an array of runs, newest first.")
@click.option("--job", metavar="NAME", help="Only runs of this job of a batch.")
@click.option(
    "--since",
    callback=_age,
    default="30d",
    show_default=True,
    metavar="AGE",
    help="How far to look back, as 12h, 7d or 4w.",
)
@click.option(
    "--prune",
    callback=_age,
    metavar="AGE",
    help="Remove the directories of runs that are older: they hold personal data.",
)
@click.option(
    "--all",
    "everywhere",
    is_flag=True,
    help="Show the runs of all folders that you have used, wherever they are.",
)
@runs_dir_option
def history(run: str | None, **options: Any) -> int:
    """Show what was imported, newest first, with totals for each job and day.

    RUN is the id of a run, its beginning, or its folder: that run is shown with all that the
    ledger has of it, wherever it was started. Files of a batch that became no run (held, failed,
    duplicate) stand in it, too. Rehearsals do not.

    --prune keeps runs with pending or uncertain rows, and the ledger's own lines, so that the same
    content is still refused.
    """
    runs_dir, job, everywhere = options["runs_dir"], options["job"], options["everywhere"]
    as_json = options["as_json"]
    if options["prune"] is not None:
        if everywhere:
            raise UsageError(
                "--prune looks after one folder", "Name it with --runs-dir, and leave out --all."
            )
        return _prune(runs_dir, options["prune"])
    with contextlib.ExitStack() as opened:
        own = Ledger.look(runs_dir)
        ledgers = [] if own is None else [opened.enter_context(own)]
        if everywhere or run is not None:
            ledgers = opened.enter_context(ledgers_beside(own))
        if run is not None:
            return _show(run, ledgers, as_json=as_json)
        if not ledgers and not as_json:
            return _none(runs_dir, everywhere=everywhere)
        began = datetime.now(UTC) - options["since"]
        found = _newest_first(
            [entry for each in ledgers for entry in each.runs(label=job, since=began)],
            [file for each in ledgers for file in each.files(job=job, since=began)],
        )
    if as_json:
        click.echo(json.dumps([entry.as_json() for entry in found], indent=2))
    else:
        say(_table(found, everywhere=everywhere))
    return 0


def _show(run: str, ledgers: Sequence[Ledger], *, as_json: bool) -> int:
    """All about the runs that are called so."""
    found = _newest_first([entry for each in ledgers for entry in each.named(Path(run).name)], [])
    if as_json:
        click.echo(json.dumps([entry.as_json() for entry in found], indent=2))
    elif found:
        say("\n\n".join(map(_told, found)))
    else:
        raise UsageError(f"no ledger has a run {run}", "history --all lists all runs there are.")
    return 0


def _newest_first(runs: Sequence[Entry], files: Sequence[FileEntry]) -> list[Entry | FileEntry]:
    """All in one list, each run once, and as its own journal has it now."""
    merged: list[Entry | FileEntry] = [Ledger.current(entry) for entry in newest_first(list(runs))]
    return sorted([*merged, *files], key=_when, reverse=True)


def _when(entry: Entry | FileEntry) -> datetime:
    return entry.at if isinstance(entry, FileEntry) else entry.started_at


def _none(runs_dir: Path, *, everywhere: bool) -> int:
    """Say why there is nothing to show: that nothing was sent yet is no mistake."""
    if everywhere:
        say("No run so far in any folder that you have used. Rehearsals are not entered.")
        return 0
    if not runs_dir.is_dir():
        raise UsageError(
            f"{runs_dir} is no folder: no run was made there",
            "Name the folder of the runs with --runs-dir; of a batch, its jobs file says which."
            " Those of all folders: vcc-import history --all",
        )
    only = any(path.name.startswith("sandbox-") for path in runs_dir.iterdir())
    what = "Only rehearsals so far" if only else "No run so far"
    say(f"{what} in {runs_dir}: nothing was sent to a service from there.")
    return 0


def _prune(runs_dir: Path, age: timedelta) -> int:
    from importer.operations.pruning import prune as prune_runs

    if not runs_dir.is_dir():
        raise UsageError(f"{runs_dir} is no folder", "Name the folder of the runs with --runs-dir.")
    pruned = prune_runs(runs_dir, datetime.now(UTC) - age)
    for path in pruned.removed:
        say(f"removed  {path}")
    for path, reason in pruned.kept:
        say(f"kept     {path}: {reason}")
    say(f"{len(pruned.removed)} removed, {len(pruned.kept)} kept in spite of their age")
    return 0


def _told(entry: Entry | FileEntry) -> str:
    """All about one run, a line each."""
    return "\n".join(
        f"{name:15} {json.dumps(value) if isinstance(value, dict) else value}"
        for name, value in entry.as_json().items()
        if value is not None
    )


def _table(entries: Sequence[Entry | FileEntry], *, everywhere: bool) -> str:
    if not entries:
        return "No run or file in the time that is shown, or none of that job: see --since, --job."
    states = [*map(str, _STATES)]
    head = ["began", "job", "file", "project", "state", *states, "seconds", "exit", "run"]
    rows = [_line(entry, everywhere=everywhere) for entry in entries]
    runs = [entry for entry in entries if not isinstance(entry, FileEntry)]
    totals = f"\n\n{_aligned(_totals(runs))}" if runs else ""
    return f"{_aligned([head, *rows])}{totals}"


def _line(entry: Entry | FileEntry, *, everywhere: bool) -> list[str]:
    if isinstance(entry, FileEntry):
        return [
            f"{entry.at.astimezone():%Y-%m-%d %H:%M}",
            entry.job,
            PurePath(entry.file).name,
            str(entry.project),
            entry.fate,
            *("-" for _ in _STATES),
            "-",
            str(entry.exit_code),
            f"none: {entry.cause}",
        ]
    over = entry.exit_code is not None
    return [
        f"{entry.started_at.astimezone():%Y-%m-%d %H:%M}",
        entry.label or "-",
        PurePath(entry.file).name,
        str(entry.project),
        entry.state,
        *(f"{entry.count(state):,}" for state in _STATES),
        f"{entry.elapsed_s:,.0f}" if over else "-",
        str(entry.exit_code) if over else "-",
        str(entry.run_dir) if everywhere else entry.run_id,
    ]


def _totals(entries: Sequence[Entry]) -> list[list[str]]:
    totals: dict[tuple[str, str], list[int]] = {}
    for entry in entries:
        key = (f"{entry.started_at.astimezone():%Y-%m-%d}", entry.label or "-")
        total = totals.setdefault(key, [0] * (len(_STATES) + 1))
        for at, number in enumerate((1, *(entry.count(state) for state in _STATES))):
            total[at] += number
    head = ["day", "job", "runs", *map(str, _STATES)]
    return [head, *([*key, *(f"{n:,}" for n in total)] for key, total in totals.items())]


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numeric = [
        all(re.fullmatch(r"[\d,]+|-", cell) for cell in column[1:])
        for column in zip(*rows, strict=True)
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    )
