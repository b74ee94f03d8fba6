"""Commands for past runs: `resume`, `reconcile`, `mark`, `verify`, `report` and `history`."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from importer.cli.differences import canary_differences, differences
from importer.cli.options import (
    FILE,
    SENDING,
    again_option,
    credential_options,
    given_settings,
    quiet_option,
    repeated_options,
    resuming_options,
    runs_dir_option,
)
from importer.cli.output import (
    as_json,
    describe_run,
    log_options,
    log_result,
    progress_bar,
    say,
    table,
    verbose_option,
)
from importer.cli.signals import SIGNALS
from importer.cli.target import past_target
from importer.errors import ServiceError, UsageError
from importer.model import Status
from importer.pipeline.summary import run_dir_command
from importer.reports.content import count
from importer.settings import A_YEAR, SETTINGS

if TYPE_CHECKING:
    from importer.library import Approval
    from importer.operations.ledger import FileEntry, Ledger, LedgerEntry
    from importer.pipeline.reconcile import Reconciliation
    from importer.pipeline.verify import Verification

    _Listed = tuple[datetime, LedgerEntry | FileEntry, list[str]]
    """When it began or was seen, the entry, and its cells in a table."""


_MOST_SAMPLED = 10_000
"""Rows that are read back at most: the vendor asks not to synchronise by reading records."""

_ROWS_TOLD = 20
"""Rows of each kind that are told one by one."""

run_argument = click.argument(
    "run_dir", type=click.Path(path_type=Path, file_okay=False), metavar="RUN_DIR"
)


def _max_age(_: click.Context, __: click.Parameter, text: str) -> float:
    """Read a length of time, ``7d``, ``12h``, ``30m`` or ``90s``, as seconds."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip(), re.ASCII)
    if found is None:
        raise click.BadParameter(f"{text!r} is no length of time: write it as 7d, 12h or 30m")
    seconds = float(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
    if seconds > A_YEAR:
        raise click.BadParameter(f"{text!r} is more than a year: at most {A_YEAR // 86400:g}d")
    return seconds


def _plan_id(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Read the id of a plan; a blank one, of a variable that was never set, is no id."""
    if text is not None and not text.strip():
        raise click.BadParameter("it is blank. Give the id that the plan was approved by.")
    return text


@click.command(
    short_help="Send what a plan holds, and nothing else.",
    epilog="Example: vcc-import apply runs/leads-20261123T201753Z-e6e70a --plan-id ID",
)
@click.argument("plan_dir", type=click.Path(path_type=Path, file_okay=False), metavar="PLAN_DIR")
@click.option("--plan-id", callback=_plan_id, metavar="ID", help="Send it only if this is its id.")
@click.option(
    "--max-age",
    callback=_max_age,
    default="7d",
    show_default=True,
    metavar="AGE",
    help="Refuse a plan that is older, if nothing was sent of it yet.",
)
@resuming_options
@again_option
@log_options
@quiet_option
def apply(plan_dir: Path, plan_id: str | None, max_age: float, **options: Any) -> int:
    """Send the records of a plan that were not sent yet, byte for byte.

    Refused, with every difference named, where a part of the plan was changed, its id is another,
    it goes elsewhere, its project has changed in a way that matters, a do-not-call list has got a
    number that is still to be called, or the same rows were sent since.

    It goes on with a run that stopped or was cut off, too: with its pace, retries, limits of time
    and failures, engine, workers and certificates, unless they are given anew. Its --limit is not
    kept. Uncertain rows are left alone: see reconcile. The result files cover the whole file. Exit
    codes are those of run.
    """
    from importer.library import Approval

    return _apply("apply", plan_dir, Approval(plan_id, max_age), options)


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
    """Send the pending rows of a run, and no others: apply, under its old name."""
    from importer.library import Approval

    return _apply("resume", run_dir, Approval(), options)


def _apply(name: str, run_dir: Path, approval: Approval, options: Mapping[str, Any]) -> int:
    """Send what is pending in a folder, and tell what became of it; `name` is the command's."""
    from importer import library
    from importer.library import Approval

    past = library.past_run(run_dir)
    stop = library.StopSwitch()
    settings = past.settings_but(given_settings(click.get_current_context()))
    kept = {name for name in SENDING if SETTINGS[name].kept}
    anew = repeated_options(name, kept | {"customer", "api_key_file", "ca_file"})
    # Where the service is not asked, no key is needed and no sandbox started.
    place = past_target(past, options) if past.needs_service else contextlib.nullcontext()
    with place as target, SIGNALS.stoppable(stop.pull) as received:
        with progress_bar(run_dir.name, quiet=options["quiet"]) as listener:
            try:
                result = library.apply(
                    run_dir,
                    target=target,
                    settings=settings,
                    approval=approval,
                    guard=library.Guard(again=options["again"]),
                    stop=stop,
                    listener=listener,
                )
            except ServiceError as error:
                # The project could not be asked: nothing was sent in this sitting.
                given = [*anew, *repeated_options(name, {"plan_id", "again", "limit", "canary"})]
                if approval.max_age != Approval().max_age:
                    given += ["--max-age", f"{approval.max_age:.0f}s"]
                again = run_dir_command(name, run_dir, past.description.settings, *given)
                error.hint = "\n".join(filter(None, (error.hint, f"Then go on with: {again}")))
                raise
        code = received() or result.summary.exit_code
        if as_json():
            log_result(result, code)
        if not options["quiet"]:
            say(canary_differences(result) + describe_run(result, anew))
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
    from importer import library

    result = library.report(run_dir)
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
@credential_options
@verbose_option
@quiet_option
def reconcile(run_dir: Path, release: bool, **options: Any) -> int:
    """Look for the uncertain rows of a run in the service, by their stamps.

    A row that is found becomes created, with its numberid. One that is not found is reported as
    such; only with --release, and after the settling time, does it become pending again. Needs
    a mapping with a stamp. Ends with 4 where rows are still uncertain.
    """
    from importer import library

    search = library.Search(
        most=options["most"],
        rate=options["lookups"],
        first=options["first"],
        last=options["last"],
    )
    if lost := library.restore(run_dir):
        say(
            f"The journal had lost its end: {lost:,} rows that it has no word of are uncertain now."
        )
    past = library.past_run(run_dir)
    with past_target(past, options) as target:
        findings = library.reconcile(
            run_dir,
            target=target,
            search=search,
            release=release,
            settling=options["settling"],
        )
    if not options["quiet"]:
        _tell_reconciled(run_dir, findings, past.description.settings)
    return 4 if set(findings.not_found) - set(findings.released) else 0


def _tell_reconciled(run_dir: Path, findings: Reconciliation, settings: Mapping[str, Any]) -> None:
    from importer.pipeline.recover import resume_command

    if not findings.looked and not findings.not_found:
        say("No row of this run is uncertain.")
        return
    say(f"Looked at {findings.looked:,} records, numberids {findings.first} to {findings.last}.")
    released = set(findings.released)
    waiting = [row for row in findings.not_found if row not in released]
    _tell_rows(
        "found: created",
        [f"row {o.row}: created, numberid {o.numberids[0]}" for o in findings.found],
    )
    _tell_rows(
        "not found, if ids grow: pending now",
        [f"row {row}: not found, if ids grow (pending now)" for row in findings.released],
    )
    _tell_rows(
        "not found, if ids grow: still uncertain",
        [f"row {row}: not found, if ids grow (still uncertain)" for row in waiting],
    )
    if findings.not_found and not findings.released:
        if findings.doubt is not None:
            say(f"Not found means nothing here: {findings.doubt}")
        elif not findings.complete:
            say("Not the whole range was looked at: raise --most.")
        elif findings.settles_in:
            say(f"A late request may still arrive: look again in {findings.settles_in:.0f} s.")
        else:
            say(f"To send them: {run_dir_command('reconcile', run_dir, settings, '--release')}")
            say(f"and then: {resume_command(run_dir)}")
    if findings.released:
        say(f"To send pending rows: {resume_command(run_dir)}")


def _tell_rows(what: str, lines: Sequence[str]) -> None:
    """Say of some rows what they came to, of the first ones by number; result files have all."""
    for line in lines[:_ROWS_TOLD]:
        say(f"  {line}")
    if len(lines) > _ROWS_TOLD:
        say(f"  … and {len(lines) - _ROWS_TOLD:,} more: results.csv has all")
    if len(lines) > 1:
        say(f"  {len(lines):,} rows {what}")


@click.command(
    short_help="Read some created rows back and compare them with what was sent.",
    epilog="Example: vcc-import verify runs/leads-20261123T201753Z-e6e70a --sample 50",
)
@run_argument
@click.option(
    "--sample",
    type=click.IntRange(1, _MOST_SAMPLED),
    default=20,
    show_default=True,
    metavar="N",
    help="How many created rows are read back.",
)
@credential_options
@verbose_option
@quiet_option
def verify(run_dir: Path, sample: int, **options: Any) -> int:
    """Read a sample of a run's created rows back from the service and compare them field by field.

    The same run gives the same sample. No more is asked for in a second than the run sent, and 10
    records at most. All that was compared is written to verify.json in the run's folder. What the
    service does not give back is unverified, which is not the same as equal; what agents have
    changed since is different. Ends with 1 where anything is different.
    """
    from importer import library

    with past_target(library.past_run(run_dir), options) as target:
        verification = library.verify(run_dir, target=target, sample=sample)
    if not options["quiet"]:
        _tell_verified(verification)
    return verification.exit_code


def _tell_verified(verification: Verification) -> None:
    if verification.path is None:
        say("No row of this run is created: there is nothing to read back.")
        return
    say(
        f"A sample of {verification.created:,} created rows, as they were sent and as they are now."
    )
    say(differences(verification.records))
    say(f"All that was compared: {verification.path}")


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
def mark(run_dir: Path, rows: tuple[int, ...], quiet: bool, **options: Any) -> int:
    """Settle uncertain rows after a look into the service; the journal notes that it was you.

    All rows that are named are settled, or none: a row that is not uncertain, or a numberid that
    another row has, changes nothing.
    """
    from importer import library
    from importer.pipeline.recover import marks_in, resume_command

    ways = [name for name in ("created", "absent", "undo", "listed") if options[name]]
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
    found: dict[int, str | None] = dict.fromkeys(rows, options["created"])
    if way == "listed":
        found = marks_in(options["listed"])
    result = library.unmark(run_dir, rows) if way == "undo" else library.mark(run_dir, found)
    if not quiet:
        say(_describe_marks(way, found))
        if result.summary.counts[Status.PENDING]:
            say(f"To send pending rows: {resume_command(run_dir)}")
    return 0


def _describe_marks(way: str, found: Mapping[int, str | None]) -> str:
    """What was changed, a line for each state."""
    from importer.pipeline.recover import row_ranges

    def named(rows: Collection[int]) -> str:
        return f"{count(len(rows), 'row')}: {row_ranges(rows)}."

    if way == "undo":
        return f"Uncertain again: {named(found)}"
    created = [row for row, numberid in found.items() if numberid is not None]
    absent = [row for row, numberid in found.items() if numberid is None]
    lines = [f"Pending: {named(absent)}"] if absent else []
    if len(created) == 1:
        lines.insert(0, f"Row {created[0]} is created, numberid {found[created[0]]}.")
    elif created:
        lines.insert(0, f"Created: {named(created)}")
    return "\n".join(lines)


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
    help="Remove the directories of older runs, plans and drafts: they hold personal data.",
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
    content is still refused. It removes drafts of the console, too, that were not changed for as
    long, with their copies of the lists; only while no console runs, and not those of runs that are
    kept.
    """
    from importer.operations.ledger import Ledger, open_all_ledgers

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
            ledgers = opened.enter_context(open_all_ledgers(own))
        if run is not None:
            return _show_run(run, ledgers, as_json=as_json)
        if not ledgers and not as_json:
            return _tell_empty(runs_dir, everywhere=everywhere)
        began = datetime.now(UTC) - options["since"]
        runs = _current([run for each in ledgers for run in each.runs(label=job, since=began)])
        files = [file for each in ledgers for file in each.files(job=job, since=began)]
        # A run that is refused has made the ledger, and is not entered.
        if not as_json and not any(each.runs(limit=1) or each.files() for each in ledgers):
            return _tell_empty(runs_dir, everywhere=everywhere)
    listed: list[_Listed] = [
        *((run.started_at, run, _run_cells(run, everywhere=everywhere)) for run in runs),
        *((file.at, file, _file_cells(file)) for file in files),
    ]
    listed.sort(key=lambda line: line[0], reverse=True)
    if as_json:
        click.echo(json.dumps([entry.as_json() for _, entry, _ in listed], indent=2))
    elif listed:
        say(table(_HEADERS, [cells for *_, cells in listed]))
        if runs:
            say("\n" + table(_TOTALS_HEADERS, _totals(runs)))
    else:
        say("No run or file in the time that is shown, or none of that job: see --since, --job.")
    return 0


def _current(runs: list[LedgerEntry]) -> list[LedgerEntry]:
    """Each run once, newest first, and as its own journal has it now."""
    from importer.operations.ledger import Ledger, newest_first

    return [Ledger.current(run) for run in newest_first(runs)]


def _show_run(name: str, ledgers: Sequence[Ledger], *, as_json: bool) -> int:
    """Print everything about the runs of that name."""
    runs = _current([run for each in ledgers for run in each.named(Path(name).name)])
    if as_json:
        click.echo(json.dumps([run.as_json() for run in runs], indent=2))
    elif runs:
        say("\n\n".join(map(_details, runs)))
    else:
        raise UsageError(f"no ledger has a run {name}", "history --all lists all runs there are.")
    return 0


def _tell_empty(runs_dir: Path, *, everywhere: bool) -> int:
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
    before = datetime.now(UTC) - age
    pruned = prune_runs(runs_dir, before)
    for path in pruned.removed:
        say(f"removed  {path}")
    for path, reason in pruned.kept:
        say(f"kept     {path}: {reason}")
    say(f"{len(pruned.removed)} removed, {len(pruned.kept)} kept in spite of their age")
    _prune_drafts(before)
    return 0


def _prune_drafts(before: datetime) -> None:
    """Remove old drafts of the console, and tell which; nothing where there never was one."""
    from importer.console.drafts import Drafts
    from importer.console.instance import Instance
    from importer.console.server import console_dir
    from importer.operations.ledger import state_dir
    from importer.operations.pruning import reason_to_keep

    if state_dir() is None or not (folder := console_dir()).is_dir():
        return
    drafts = Drafts(folder / "drafts")
    console = Instance.claim(folder)
    if console is None:
        say("Drafts of the console stay while it runs: stop it, then prune again.")
        return
    try:
        pruned = drafts.prune(before, reason_to_keep)
    finally:
        console.end()
    for draft in pruned.removed:
        say(f"removed  the draft of {draft.name}")
    for draft, reason in pruned.kept:
        say(f"kept     the draft of {draft.name}: {reason}")
    if pruned.removed or pruned.kept:
        say(f"drafts: {len(pruned.removed)} removed, {len(pruned.kept)} kept in spite of their age")


def _details(run: LedgerEntry) -> str:
    """All about one run, a line each."""
    return "\n".join(
        f"{name:15} {json.dumps(value) if isinstance(value, dict) else value}"
        for name, value in run.as_json().items()
        if value is not None
    )


_HEADERS = ["began", "job", "file", "project", "state", *Status, "seconds", "exit", "run"]


def _run_cells(run: LedgerEntry, *, everywhere: bool) -> list[str]:
    over = run.exit_code is not None
    return [
        f"{run.started_at.astimezone():%Y-%m-%d %H:%M}",
        run.label or "-",
        PurePath(run.file).name,
        str(run.project),
        run.state,
        *(f"{run.count(status):,}" for status in Status),
        f"{run.elapsed_s:,.0f}" if over else "-",
        str(run.exit_code) if over else "-",
        str(run.run_dir) if everywhere else run.run_id,
    ]


def _file_cells(file: FileEntry) -> list[str]:
    return [
        f"{file.at.astimezone():%Y-%m-%d %H:%M}",
        file.job,
        PurePath(file.file).name,
        str(file.project),
        file.fate,
        *("-" for _ in Status),
        "-",
        str(file.exit_code),
        f"none: {file.cause}",
    ]


_TOTALS_HEADERS = ["day", "job", "runs", *Status]


def _totals(runs: Sequence[LedgerEntry]) -> list[list[str]]:
    """What each job did on each day, newest first: runs, and rows by their status."""
    totals: dict[tuple[str, str], list[int]] = {}
    for run in runs:
        key = (f"{run.started_at.astimezone():%Y-%m-%d}", run.label or "-")
        total = totals.setdefault(key, [0] * (len(Status) + 1))
        for at, number in enumerate((1, *(run.count(status) for status in Status))):
            total[at] += number
    return [[*key, *(f"{number:,}" for number in total)] for key, total in totals.items()]
