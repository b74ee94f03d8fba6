"""The commands that send nothing: ``check``, ``preview``, ``init`` and ``schema``."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.options import (
    FILE,
    all_problems_option,
    files_argument,
    mapping_option,
    need_mapping,
    quiet_option,
    reading_options,
    redirection,
    repeated_options,
    reports_option,
    runs_dir_option,
    service_options,
    source_options,
    where_options,
)
from importer.cli.output import (
    each_file,
    progress_bar,
    say,
    tell,
    tell_missing,
    terminal_safe_json,
    verbose_option,
    write_no_more,
)
from importer.cli.target import (
    allow_option,
    allows_new_values,
    compared_file_option,
    compared_with,
    draft_target,
    is_online,
    likely_place,
    online_option,
    place_of,
    project_option,
)
from importer.errors import OutputError
from importer.files import WorkingFolder, argument, command, write_private
from importer.settings import (
    PROBLEM_CAP,
    Destination,
    RunSettings,
    SourceOptions,
)

if TYPE_CHECKING:
    from importer.model import Preview
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
    report = CheckReport(reports, None if all_problems else PROBLEM_CAP, quiet)
    return check_files(files, mapping, source_options(options), report, options)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Where to tell what a check found.

    `files` are reports to write. `most` bounds the problems that a JSON report lists; None lists
    all. `quiet` prints errors only.
    """

    files: tuple[Path, ...] = ()
    most: int | None = PROBLEM_CAP
    quiet: bool = False


def check_files(
    files: tuple[Path, ...],
    mapping_path: Path,
    reading: SourceOptions,
    report: CheckReport,
    options: Mapping[str, Any],
) -> int:
    """Check files one after the other, print and write the reports; give the exit code.

    The command's `options` say where a run would go, and whether to compare with the project there.
    """
    from importer import library
    from importer.reports.text_report import as_text
    from importer.reports.writing import Reported, check_reports, write_reports

    reports, quiet = report.files, report.quiet
    check_reports(reports, (*files, mapping_path))
    mapping = library.load_mapping(mapping_path)
    seen = library.Seen()
    destination = Destination(options["project"], options["base_url"], options["customer"])
    rehearsal = options.get("sandbox") or options["sandbox_project"] is not None
    project = options["project"] or mapping.spec.project
    checked: list[Reported] = []
    reported: set[Path] = set()
    with (
        WorkingFolder() as folder,
        compared_with(mapping, options if is_online(options) else None, Path(folder)) as target,
    ):
        place = (
            place_of(target, rehearsal=bool(rehearsal))
            if target is not None
            else likely_place(mapping, destination)
        )
        settings = RunSettings(
            allow_new_values=is_online(options) and allows_new_values(options),
            runs_dir=options["runs_dir"],
            sandbox=Path(folder) if rehearsal else None,
        )

        def check_one(path: Path) -> int:
            with progress_bar(path.name, quiet=quiet) as listener:
                checkup = library.check(
                    path,
                    mapping,
                    target=target,
                    destination=destination,
                    reading=reading,
                    settings=settings,
                    seen=seen,
                    log=Path(folder) / f"{len(checked)}.jsonl" if reports else None,
                    listener=listener,
                )
            steps = _next_steps(
                path,
                mapping_path,
                rehearsal=bool(rehearsal),
                placeless=not (rehearsal or project),
            )
            checked.append(Reported(checkup, steps, place))
            reported.add(path)
            if not quiet:
                say(as_text(checkup, steps, place))
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
            for line in write_reports(reports, checked, report.most):
                if not quiet:
                    say(line)
        if reports:
            tell_missing(files, reported)
    return code


def _next_steps(path: Path, mapping: Path, *, rehearsal: bool, placeless: bool) -> NextSteps:
    """What stands behind ``vcc-import`` to go on with a file, or to check it again, as it was read.

    It goes on with a plan, which can be looked at. A `rehearsal` needs none; a `placeless` check,
    for which no project is named, can only be gone on with as one.
    """
    from importer.reports.text_report import NextSteps as Steps

    named = (argument(path), "-m", argument(mapping))
    name = "run" if rehearsal or placeless else "plan"
    imported = [word for word in repeated_options(name) if word != "--online"]
    if placeless:
        imported.append("--sandbox")
    return Steps(
        (name, *named, *imported),
        ("check", *named, *repeated_options("check")),
        redirection=redirection(path),
        is_rehearsal=placeless,
    )


@click.command(
    short_help="Show the records that would be sent, as JSON lines.",
    epilog="Example: vcc-import preview leads.xlsx -m leads.yaml --limit 3",
)
@click.argument("file", type=FILE)
@mapping_option
@project_option
@where_options
@reading_options
@runs_dir_option
@verbose_option
@click.option("--limit", type=click.IntRange(0), metavar="N", help="Show only the first N rows.")
def preview(file: Path, mapping_path: Path | None, limit: int | None, **options: Any) -> int:
    """Print every row of FILE as one JSON object a line: row, status, body and problems.

    The body of a ready row is what would be sent; characters that steer a terminal are escaped,
    as JSON may have them. Nothing is sent. Where the mapping has
    rows.within, leads that past runs have sent to the project are skipped, as run does; which runs
    say project and customer.
    """
    from importer import library

    mapping = library.load_mapping(need_mapping(mapping_path, (file,)))
    previews = library.preview(
        file,
        mapping,
        destination=Destination(options["project"], options["base_url"], options["customer"]),
        reading=source_options(options),
        settings=RunSettings(runs_dir=options["runs_dir"]),
    )
    try:
        _print_lines(itertools.islice(previews, limit))
    except BrokenPipeError:  # the reader has what it wanted, as `| head` does
        write_no_more(sys.stdout)
    return 0


def _print_lines(previews: Iterable[Preview]) -> None:
    import dataclasses

    import orjson

    output = sys.stdout.buffer
    for row in previews:
        line = {
            "row": row.row,
            "status": row.status,
            "body": orjson.Fragment(row.body) if row.body is not None else None,
            "problems": [dataclasses.asdict(problem) for problem in row.problems],
        }
        output.write(terminal_safe_json(orjson.dumps(line)) + b"\n")
    output.flush()


@click.command(
    short_help="Draft a mapping from a file's headers and data.",
    epilog="Examples: vcc-import init leads.xlsx -o leads.yaml; "
    "vcc-import init leads.xlsx -o leads.yaml --online --project 134",
)
@click.argument("file", type=FILE)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="MAPPING",
    help="Write the mapping to this file; else it is printed.",
)
@click.option("--force", is_flag=True, help="Replace the mapping file if it is there.")
@click.option(
    "--online", is_flag=True, help="Ask the service for the project, and use its own fields."
)
@click.option("--project", type=click.IntRange(1), metavar="ID", help="Project id, for --online.")
@service_options
@reading_options
@verbose_option
def init(file: Path, output: Path | None, force: bool, online: bool, **options: Any) -> int:
    """Draft a commented mapping for FILE: fields, types, contacts, and what makes rows the same.

    Headers are understood in English, German and Hungarian. What is a guess is marked "unsure",
    with figures. Nothing is sent.
    """
    reading = source_options(options)
    if output is not None and not force and output.exists():
        raise OutputError(
            f"{output}: there is a file of that name", "Choose another name, or add --force."
        )
    target = draft_target(options) if online else None
    from importer.drafting.draft import draft

    text = draft(file, reading, target)
    if output is None:
        # In a file it is UTF-8, whatever the terminal's code page; the mapping is read so.
        click.echo(text if sys.stdout.isatty() else text.encode(), nl=False)
    else:
        write_private(output, text)
        say(f"Mapping: {output}", err=True)
    unsure = text.count("unsure: ")
    if unsure:
        lines = "line" if unsure == 1 else "lines"
        say(f"Look at the {unsure} {lines} marked unsure, and mend what is wrong.", err=True)
    written = argument(output) if output is not None else "MAPPING"
    check = command("check", argument(file), "-m", written, *repeated_options("check"))
    say(f"Then: {check}{redirection(file)}", err=True)
    return 0


@click.command(
    short_help="Print the JSON Schema of the mapping, for editors.",
    epilog="Example: vcc-import schema > mapping.schema.json",
)
@click.option("--jobs", is_flag=True, help="Print the schema of the jobs file (batch) instead.")
def schema(jobs: bool) -> None:
    """Print the JSON Schema of the mapping format.

    An editor that is told of it completes keys and underlines mistakes. In VS Code with the YAML
    extension, the mapping's first line is enough:

    # yaml-language-server: $schema=mapping.schema.json
    """
    if jobs:
        from importer.operations.jobs_spec import jobs_schema

        found = jobs_schema()
    else:
        from importer.pipeline.run import mapping_schema

        found = mapping_schema()
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))
