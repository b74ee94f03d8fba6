"""``vcc-import run``: the whole import."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from importer.cli.check import CheckReport, check_files
from importer.cli.differences import canary_differences
from importer.cli.options import (
    again_option,
    all_problems_option,
    files_argument,
    is_given,
    mapping_option,
    need_mapping,
    quiet_option,
    reading_options,
    reports_option,
    run_settings,
    runs_dir_option,
    sending_options,
    setting_option,
    source_options,
)
from importer.cli.output import (
    as_json,
    describe_run,
    each_file,
    log_options,
    log_result,
    progress_bar,
    say,
    tell,
    tell_missing,
)
from importer.cli.signals import SIGNALS
from importer.cli.target import (
    allow_option,
    allows_new_values,
    online_option,
    project_option,
    run_target,
)
from importer.errors import OutputError
from importer.files import WorkingFolder
from importer.pipeline.rundir import RunDirectory, refuse_if_not_of_runs
from importer.settings import PROBLEM_CAP


@click.command(
    short_help="Import files: read, check, send, write results.",
    epilog="Examples: vcc-import run leads.xlsx -m leads.yaml --sandbox    (no account needed); "
    "vcc-import run leads.csv -m leads.yaml --project 134 --limit 5",
)
@files_argument
@mapping_option
@project_option
@click.option("--sandbox", is_flag=True, help="Send to a sandbox that is started for this run.")
@setting_option("sandbox_project")
@sending_options
@setting_option("canary")
@reading_options
@setting_option("out")
@runs_dir_option
@setting_option("preflight")
@allow_option
@click.option("--dry-run", is_flag=True, help="Stop before sending: the same as check.")
@online_option
@reports_option
@all_problems_option
@again_option
@log_options
@quiet_option
def run(files: tuple[Path, ...], mapping_path: Path | None, **options: Any) -> int:
    """Import FILES: read, map, check, send, and write a result for every row.

    Each file is a run of its own, with a folder of its own for the results: results.csv has a
    line for every row, failures.csv the rows to mend and import again.

    Before anything is sent, the rows are compared with the project: a field that it lacks, or a
    value that would be created, ends the run, unless such values are allowed.

    Ends with 0 where every row was created or skipped, 1 where rows were rejected or invalid, 2
    where nothing could be sent, 3 where the run stopped early, 4 where rows are uncertain, 130
    or 143 where it was interrupted.
    """
    reading = source_options(options)
    mapping_file = need_mapping(mapping_path, files)
    most = None if options["all_problems"] else PROBLEM_CAP
    if options["dry_run"]:
        report = CheckReport(options["reports"], most, options["quiet"])
        return check_files(files, mapping_file, reading, report, options)
    from importer import library
    from importer.reports.writing import Reported, check_reports, write_reports

    check_reports(options["reports"], (*files, mapping_file))
    mapping = library.load_mapping(mapping_file)
    settings = dataclasses.replace(
        run_settings(options), allow_new_values=allows_new_values(options)
    )
    if not any(map(is_given, files)):
        # No sandbox is started, and no folder made, for nothing.
        offline = {**options, "online": False, "sandbox_project": None}
        return check_files(files, mapping_file, reading, CheckReport(quiet=True), offline)
    folders = iter(_folders(options["out"], files))
    stop, seen = library.StopSwitch(), library.Seen(one_file=len(files) == 1)
    checked: list[Reported] = []
    reported: set[Path] = set()
    with (
        WorkingFolder() as logs,
        SIGNALS.stoppable(stop.pull) as received,
        run_target(mapping, options) as (target, sandbox),
    ):

        def run_one(path: Path) -> int:
            own = dataclasses.replace(settings, sandbox=sandbox, out=next(folders))
            with progress_bar(path.name, quiet=options["quiet"]) as listener:
                log = Path(logs) / f"{len(checked)}.jsonl" if options["reports"] else None
                try:
                    result = library.run(
                        path,
                        mapping,
                        target=target,
                        reading=reading,
                        settings=own,
                        seen=seen,
                        guard=library.Guard(again=options["again"]),
                        log=log,
                        stop=stop,
                        listener=listener,
                    )
                except library.Refused as refused:
                    checked.append(Reported(refused.checkup))
                    reported.add(path)
                    raise
            if result.checkup is not None:
                checked.append(Reported(result.checkup))
                reported.add(path)
            code = received() or result.summary.exit_code
            if as_json():
                log_result(result, code)
            if not options["quiet"]:
                say(canary_differences(result) + describe_run(result))
            return code

        code = each_file(files, run_one)
        if checked:
            # A run that was made keeps its exit code: its results are complete without a report.
            try:
                said = write_reports(options["reports"], checked, most)
            except OutputError as error:
                tell(error)
                said, code = [], code or 3
            for line in said:
                if not options["quiet"]:
                    say(line)
        if options["reports"]:
            tell_missing(files, reported)
        return received() or code


def _folders(out: Path | None, files: tuple[Path, ...]) -> list[Path | None]:
    """The run directories that --out asks for: itself, or a folder in it for each of several.

    Raises OutputError, before anything is begun, for a folder that holds anything else.
    """
    if out is None:
        return [None] * len(files)
    if len(files) == 1:
        RunDirectory(out).refuse_if_used()
        return [out]
    refuse_if_not_of_runs(out)
    stems = [path.stem for path in files]
    return [
        out / (stem if stems.count(stem) == 1 else f"{stem}-{number}")
        for number, stem in enumerate(stems, 1)
    ]
