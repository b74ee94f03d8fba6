"""``vcc-import plan``: an import up to its first request, kept to be looked at and applied."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.options import (
    FILE,
    again_option,
    all_problems_option,
    mapping_option,
    need_mapping,
    quiet_option,
    reading_options,
    repeated_options,
    reports_option,
    run_settings,
    runs_dir_option,
    sending_options,
    setting_option,
    source_options,
)
from importer.cli.output import (
    log_options,
    progress_bar,
    say,
)
from importer.cli.signals import SIGNALS
from importer.cli.target import (
    allow_option,
    allows_new_values,
    place_of,
    project_option,
    run_target,
)
from importer.files import WorkingFolder
from importer.pipeline.summary import run_dir_command
from importer.settings import PROBLEM_CAP

if TYPE_CHECKING:
    from importer.pipeline.plan import PlanResult


@click.command(
    short_help="Check a file and keep what would be sent, to be looked at.",
    epilog="Example: vcc-import plan leads.xlsx -m leads.yaml --project 134",
)
@click.argument("file", type=FILE)
@mapping_option
@project_option
@click.option("--sandbox", is_flag=True, help="Plan for a sandbox that is started for it.")
@setting_option("sandbox_project")
@sending_options
@reading_options
@setting_option("out")
@runs_dir_option
@setting_option("preflight")
@allow_option
@click.option(
    "--except",
    "excepted",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="RUN_DIR",
    help="Leave out the rows that this run of the same file has created, or may have.",
)
@reports_option
@all_problems_option
@again_option
@click.option("--json", "json_", is_flag=True, help="Print plan.json.")
@log_options
@quiet_option
def plan(file: Path, mapping_path: Path | None, **options: Any) -> int:
    """Do everything of run up to the first request, and keep it: nothing is sent.

    The folder of the plan holds a copy of the cells, each record as it will be sent, what is left
    out and why, and what the plan counts on in the project. Its id stands for all of it. Look at
    it, pass the id on, and send it with apply, which sends those bytes or refuses.

    The folder holds personal data. Ends with the codes of check.
    """
    from importer import library
    from importer.reports.text_report import as_text
    from importer.reports.writing import Reported, check_reports, write_reports

    reading = source_options(options)
    mapping_file = need_mapping(mapping_path, (file,))
    check_reports(options["reports"], (file, mapping_file))
    mapping = library.load_mapping(mapping_file)
    settings = dataclasses.replace(
        run_settings(options), allow_new_values=allows_new_values(options)
    )
    most = None if options["all_problems"] else PROBLEM_CAP
    stop = library.StopSwitch()
    # Nothing but plan.json stands on standard output then.
    quiet = options["quiet"] or options["json_"]
    with (
        WorkingFolder() as logs,
        SIGNALS.stoppable(stop.pull) as received,
        run_target(mapping, {**options, "quiet": quiet}) as (target, sandbox),
    ):
        place = place_of(target, rehearsal=sandbox is not None)
        with progress_bar(file.name, quiet=quiet) as listener:
            try:
                result = library.plan(
                    file,
                    mapping,
                    target=target,
                    reading=reading,
                    settings=dataclasses.replace(settings, sandbox=sandbox, out=options["out"]),
                    excepted=options["excepted"],
                    guard=library.Guard(again=options["again"]),
                    log=Path(logs) / "problems.jsonl" if options["reports"] else None,
                    stop=stop,
                    listener=listener,
                )
            except library.Refused as refused:
                write_reports(options["reports"], [Reported(refused.checkup, place=place)], most)
                raise
        said = write_reports(options["reports"], [Reported(result.checkup, place=place)], most)
        if options["json_"]:
            click.echo(result.plan.text, nl=False)
        elif not options["quiet"]:
            for line in (*_lines(result, as_text(result.checkup, place=place)), *said):
                say(line)
        return received() or (1 if result.plan.counts["invalid"] else 0)


def _lines(result: PlanResult, text: str) -> Iterator[str]:
    """What the plan would do, and how to send it; `text` is the report of its check."""
    from importer.pipeline.approve import MAX_AGE
    from importer.reports.content import count

    plan = result.plan
    days = timedelta(seconds=MAX_AGE).days
    # It is not kept in the plan.
    words = ("--plan-id", plan.id, "--canary", "5", *repeated_options("apply", {"limit"}))
    yield text
    for run in plan.again or ():
        if run["sent"]:
            yield (
                f"Sent before: {count(run['sent'], 'row')} of the same content, by {run['run_id']}."
                " Those of them that are ready are sent a second time, as --again asks for."
            )
    yield f"Plan: {result.directory.path}"
    yield f"Id: {plan.id}"
    yield (
        f"Nothing was sent. apply takes the plan for {days} days (--max-age); the folder holds "
        "personal data."
    )
    if not plan.ready:
        yield "No row of it would be sent."
        return
    yield "To send it, five records first, which are read back and compared:"
    yield f"  {run_dir_command('apply', result.directory.path, plan.settings, *words)}"
