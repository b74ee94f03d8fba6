"""``vcc-import check``: the dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.gate import (
    allow_option,
    allows_new_values,
    compared_file_option,
    compared_with,
    is_online,
    online_option,
    project_option,
)
from importer.cli.live import progress_bar
from importer.cli.logs import verbose_option
from importer.cli.options import (
    all_problems_option,
    files_argument,
    mapping_option,
    need_mapping,
    quiet_option,
    reading_options,
    repeated,
    reports_option,
    runs_dir_option,
    service_options,
    source_options,
)
from importer.cli.outcome import each_file, say, tell, tell_missing
from importer.files import WorkingFolder
from importer.settings import PROBLEM_CAP, Destination, RunSettings, SourceOptions
from importer.shell import argument

if TYPE_CHECKING:
    from importer.reports.text_report import NextSteps


@click.command(
    short_help="Check files without sending anything (dry run).",
    epilog="Example: vcc-import check leads.xlsx -m leads.yaml --report report.html",
)
@files_argument
@mapping_option
@online_option
@allow_option
@project_option
@compared_file_option
@service_options
@runs_dir_option
@reading_options
@reports_option
@all_problems_option
@verbose_option
@quiet_option
def check(
    files: tuple[Path, ...],
    mapping_path: Path | None,
    reports: tuple[Path, ...],
    all_problems: bool,
    quiet: bool,
    **options: Any,
) -> int:
    """Read, map and check FILES as `run` does, and stop before anything is sent.

    With --online the rows that would be sent are compared with the project: its fields, their
    values, its dispositions. Where the mapping has rows.within, they are compared with what past
    runs have sent to the project, as run does; which runs say project and customer.

    Ends with 0 where every row would be sent or skipped, 1 where rows are invalid, 2 where a
    file or the mapping is unusable or the project lacks something, 3 where the service refuses.
    """
    mapping = need_mapping(mapping_path, files)
    names = ("sheet", "header_row", "encoding", "delimiter", "rows")
    reading = source_options(**{name: options[name] for name in names})
    telling = Telling(reports, None if all_problems else PROBLEM_CAP, quiet)
    return check_files(files, mapping, reading, telling, options)


@dataclass(frozen=True, slots=True)
class Telling:
    """How to tell what was found: the files of reports, and how many problems `.json` lists."""

    reports: tuple[Path, ...] = ()
    most: int | None = PROBLEM_CAP
    quiet: bool = False


def check_files(
    files: tuple[Path, ...],
    mapping_path: Path,
    options: SourceOptions,
    telling: Telling,
    named: Mapping[str, Any],
) -> int:
    """Check files one after the other, print and write the reports; give the exit code.

    The options `named` say where a run would go, and whether to compare with the project there.
    """
    from importer import library
    from importer.reports.text_report import as_text
    from importer.reports.writing import Reported, check_reports, write_reports

    reports, quiet = telling.reports, telling.quiet
    check_reports(reports, (*files, mapping_path))
    mapping = library.load_mapping(mapping_path)
    seen = library.Seen()
    destination = Destination(named["project"], named["base_url"], named["customer"])
    rehearsal = named.get("sandbox") or named["sandbox_project"] is not None
    checked: list[Reported] = []
    reported: set[Path] = set()
    with (
        WorkingFolder() as folder,
        compared_with(mapping, named if is_online(named) else None, Path(folder)) as target,
    ):
        settings = RunSettings(
            allow_new_values=is_online(named) and allows_new_values(named),
            runs_dir=named["runs_dir"],
            sandbox=Path(folder) if rehearsal else None,
        )

        def check_one(path: Path) -> int:
            with progress_bar(path.name, quiet=quiet) as listener:
                checkup = library.check(
                    path,
                    mapping,
                    target=target,
                    destination=destination,
                    reading=options,
                    settings=settings,
                    seen=seen,
                    log=Path(folder) / f"{len(checked)}.jsonl" if reports else None,
                    listener=listener,
                )
            steps = _next_steps(path, mapping_path)
            checked.append(Reported(checkup, steps))
            reported.add(path)
            if not quiet:
                say(as_text(checkup, steps))
            if checkup.refused:
                refused = library.Refused(checkup)
                if quiet:
                    tell(refused)
                elif refused.hint:
                    # What is lacking stands in the report above.
                    say(refused.hint, err=True)
                return refused.exit_code
            return 1 if checkup.survey.invalid else 0

        code = each_file(files, check_one)
        if checked:
            for line in write_reports(reports, checked, telling.most):
                if not quiet:
                    say(line)
        if reports:
            tell_missing(files, reported)
    return code


def _next_steps(path: Path, mapping: Path) -> NextSteps:
    """What stands behind ``vcc-import``, to import a file, or to check it again, as it was read."""
    from importer.reports.text_report import NextSteps as Steps

    named = (argument(path), "-m", argument(mapping))
    imported = [word for word in repeated("run") if word != "--online"]
    return Steps(("run", *named, *imported), ("check", *named, *repeated("check")))
