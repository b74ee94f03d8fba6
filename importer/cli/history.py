"""``vcc-import history``."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from importer.cli.options import runs_dir_option
from importer.cli.outcome import say
from importer.errors import UsageError
from importer.model import Status

if TYPE_CHECKING:
    from importer.operations.ledger import Entry

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
@runs_dir_option
def history(
    run: str | None,
    as_json: bool,
    job: str | None,
    since: timedelta,
    prune: timedelta | None,
    runs_dir: Path,
) -> int:
    """Show what was imported, newest first, with totals for each job and day.

    RUN is the id of a run, its beginning, or its folder: that run is shown with all that the
    ledger has of it. Rehearsals are not in it.

    --prune keeps runs with pending or uncertain rows, and the ledger's own lines, so that the same
    content is still refused.
    """
    from importer.operations.ledger import FILE as LEDGER
    from importer.operations.ledger import Ledger

    if not (runs_dir / LEDGER).exists() and prune is None:
        if as_json:
            click.echo("[]")
            return 0
        raise UsageError(
            f"{runs_dir} has no {LEDGER}: no run was made there",
            "Name the folder of the runs with --runs-dir; of a batch, its jobs file says which.",
        )
    if prune is not None:
        return _prune(runs_dir, prune)
    with Ledger.open(runs_dir) as ledger:
        if run is None:
            entries = ledger.runs(label=job, since=datetime.now(UTC) - since)
        else:
            entries = ledger.named(Path(run).name)
            if not entries:
                raise UsageError(
                    f"{runs_dir / LEDGER} has no run {run}", "Without RUN, history lists them."
                )
        entries = [ledger.current(entry) for entry in entries]
    if as_json:
        click.echo(json.dumps([entry.as_json() for entry in entries], indent=2))
    elif run is not None:
        say("\n\n".join(map(_told, entries)))
    else:
        say(_table(entries))
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


def _told(entry: Entry) -> str:
    """All about one run, a line each."""
    return "\n".join(
        f"{name:15} {json.dumps(value) if isinstance(value, dict) else value}"
        for name, value in entry.as_json().items()
        if value is not None
    )


def _table(entries: list[Entry]) -> str:
    if not entries:
        return "No run in that time."
    head = ["began", "job", "file", "project", *map(str, _STATES), "seconds", "exit", "run"]
    rows = [
        [
            f"{entry.started_at.astimezone():%Y-%m-%d %H:%M}",
            entry.label or "-",
            Path(entry.file).name,
            str(entry.project),
            *(f"{entry.count(state):,}" for state in _STATES),
            f"{entry.elapsed_s:,.0f}",
            "-" if entry.exit_code is None else str(entry.exit_code),
            entry.run_id,
        ]
        for entry in entries
    ]
    return f"{_aligned([head, *rows])}\n\n{_aligned(_totals(entries))}"


def _totals(entries: list[Entry]) -> list[list[str]]:
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
