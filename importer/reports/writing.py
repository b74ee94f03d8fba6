"""Reports on the disk: which kinds there are, and each whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from importer.errors import UsageError
from importer.files import replacing
from importer.model import Checkup
from importer.reports.text_report import NextSteps
from importer.settings import PROBLEM_CAP

SUFFIXES = (".txt", ".json", ".csv", ".html", ".xlsx")


@dataclass(frozen=True, slots=True)
class Reported:
    """A file that was checked; `steps` are the commands that people are told to go on with.

    They are None where the file is imported by the same command.
    """

    checkup: Checkup
    steps: NextSteps | None = None


def check_reports(reports: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise UsageError, before any work, for reports that could not be written at its end.

    Those are of a kind that there is not, named twice, in a folder that is not there or may not
    be written, or one of the `inputs`: the report would take its place.
    """
    taken = {_real(path) for path in inputs}
    mistakes: list[str] = []
    hints: dict[str, None] = {}
    for report in reports:
        wrong = _mistake(report, taken)
        if wrong is not None:
            mistakes.append(f"--report {report}: {wrong[0]}")
            hints[wrong[1]] = None
        taken.add(_real(report))
    if mistakes:
        raise UsageError("\n".join(mistakes), " ".join(hints))


def write_reports(
    reports: Sequence[Path], found: Sequence[Reported], most: int | None = PROBLEM_CAP
) -> list[str]:
    """Write all reports, over those that are there, mode 0600; give a line about each.

    As JSON a report lists `most` problems of a file, all where that is None. One report tells of
    all files, but for .xlsx: each file has its own, with the file's name behind the report's.
    Raises OutputError.
    """
    said: list[str] = []
    for report in reports:
        if report.suffix.lower() != ".xlsx":
            with replacing(report) as path:
                _write(path, found, most, report.suffix.lower())
            said.append(f"Report: {report}")
            continue
        from importer.reports.workbook_report import write_workbook

        for place, one in zip(_places(report, found), found, strict=True):
            with replacing(place) as path:
                left_out = write_workbook(path, one.checkup)
            said.append(f"Report: {place}")
            said += [f"  {text}" for text in left_out]
    return said


def _write(path: Path, found: Sequence[Reported], most: int | None, suffix: str) -> None:
    checkups = [one.checkup for one in found]
    match suffix:
        case ".txt":
            from importer.reports.text_report import as_text

            texts = [as_text(one.checkup, one.steps) for one in found]
            path.write_text("\n".join(texts), "utf-8", newline="")
        case ".json":
            from importer.reports.json_report import write_json

            write_json(path, checkups, most)
        case ".csv":
            from importer.reports.csv_report import write_csv

            write_csv(path, checkups)
        case ".html":
            from importer.reports.html_report import write_html

            write_html(path, checkups)


def _places(report: Path, found: Sequence[Reported]) -> list[Path]:
    """Where the workbook about each file goes."""
    if len(found) == 1:
        return [report]
    stems = [PurePath(one.checkup.info.path).stem for one in found]
    return [
        report.with_stem(
            f"{report.stem}-{stem}" if stems.count(stem) == 1 else f"{report.stem}-{stem}-{number}"
        )
        for number, stem in enumerate(stems, 1)
    ]


def _mistake(report: Path, taken: set[str]) -> tuple[str, str] | None:
    """What is wrong with the name of a report, and what to do about it."""
    if report.suffix.lower() not in SUFFIXES:
        kind = report.suffix or "a file without suffix"
        return f"no report is written as {kind}", f"Use one of {', '.join(SUFFIXES)}."
    if _real(report) in taken:
        return (
            "this file is named twice, or is read by the same command",
            "Give each report a name of its own.",
        )
    if report.is_dir():
        return "this is a folder", "Name a file in it."
    if not report.parent.is_dir():
        return "its folder does not exist", "Make the folder first, or choose another."
    if not os.access(report.parent, os.W_OK):
        return (
            "its folder may not be written by you",
            "Choose another folder, or mend the permissions of this one.",
        )
    return None


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))
