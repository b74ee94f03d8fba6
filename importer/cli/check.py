"""``vcc-import check``: the dry run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from importer.cli.live import progress_bar
from importer.cli.options import (
    all_problems_option,
    files_argument,
    mapping_option,
    need_mapping,
    quiet_option,
    reading_options,
    reports_option,
    source_options,
    verbose_option,
)
from importer.cli.outcome import each_file, say
from importer.model import Checkup
from importer.settings import PROBLEM_CAP, SourceOptions


@click.command(
    short_help="Check files without sending anything (dry run).",
    epilog="Example: vcc-import check leads.xlsx -m leads.yaml --report problems.json",
)
@files_argument
@mapping_option
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
    **reading: Any,
) -> int:
    """Read, map and check FILES as `run` does, and stop before anything is sent.

    Ends with 0 where every row would be sent or skipped, 1 where rows are invalid, 2 where a
    file or the mapping is unusable.
    """
    mapping = need_mapping(mapping_path, files)
    options = source_options(**reading)
    cap = None if all_problems else PROBLEM_CAP
    return check_files(files, mapping, options, reports, cap=cap, quiet=quiet)


def check_files(
    files: tuple[Path, ...],
    mapping_path: Path,
    options: SourceOptions,
    reports: tuple[Path, ...],
    *,
    cap: int | None,
    quiet: bool,
) -> int:
    """Check files one after the other, print and write the reports; give the exit code."""
    from importer import pipeline
    from importer.reports.checkup import as_text, check_suffix, write_report

    for report in reports:
        check_suffix(report)
    mapping = pipeline.load_mapping(mapping_path)
    seen = pipeline.Seen()
    checkups: list[Checkup] = []
    with tempfile.TemporaryDirectory(prefix="vcc-import-") as folder:

        def check_one(path: Path) -> int:
            copy, log = (Path(folder) / f"{len(checkups)}{suffix}" for suffix in _WORKING_FILES)
            with progress_bar(path.name, quiet=quiet) as listener:
                look = pipeline.Look(copy, log, seen, cap, listener=listener)
                checkup = pipeline.check(path, mapping, options, look=look)
            checkups.append(checkup)
            if not quiet:
                say(as_text(checkup))
            return 1 if checkup.survey.invalid else 0

        code = each_file(files, check_one)
        if checkups:
            for report in reports:
                write_report(report, checkups)
                if not quiet:
                    say(f"Report: {report}")
    return code


_WORKING_FILES = (".parquet", ".jsonl")
