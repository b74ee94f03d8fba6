"""Reports on the disk, each whole or not at all: their kinds, and the short ones, CSV and JSON."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import orjson

from importer.errors import UsageError
from importer.files import replacing
from importer.model import Checkup, Problem
from importer.reports.content import all_problems
from importer.reports.csvlines import csv_line, harmless, open_csv
from importer.reports.text_report import NextSteps
from importer.settings import PROBLEM_CAP

SUFFIXES = (".txt", ".json", ".csv", ".html", ".xlsx")

_CSV_COLUMNS = ("file", "row", "column", "target", "code", "severity", "message", "value", "hint")

_NO_PROBLEMS = b'"problems": []'
"""Where the problems are put in; no text has these bytes in it, since JSON escapes quotes."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A file that was checked; `steps` are the commands that people are told to go on with.

    They are None where the file is imported by the same command. `place` says where its rows would
    be sent.
    """

    checkup: Checkup
    steps: NextSteps | None = None
    place: str | None = None


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


def write_reports(
    reports: Sequence[Path], found: Sequence[Reported], most: int | None = PROBLEM_CAP
) -> list[str]:
    """Write all reports, over those that are there, mode 0600; give a line about each.

    As JSON a report lists `most` problems of a file, all where that is None. One report tells of
    all files, but for .xlsx: each file has its own, with the file's name behind the report's.
    Raises OutputError.
    """
    lines: list[str] = []
    for report in reports:
        if report.suffix.lower() != ".xlsx":
            with replacing(report) as path:
                _write(path, found, most, report.suffix.lower())
            lines.append(f"Report: {report}")
            continue
        for workbook, one in zip(_workbook_paths(report, found), found, strict=True):
            with replacing(workbook) as path:
                omissions = write_xlsx(path, one.checkup)
            lines.append(f"Report: {workbook}")
            lines += [f"  {text}" for text in omissions]
    return lines


def write_xlsx(path: Path, checkup: Checkup) -> list[str]:
    """Write the workbook that was read with its faults marked, or a copy of its text.

    The copy is for lists of other kinds, and for workbooks that are too large or cannot be kept as
    they are. Give what is lacking, in words.
    """
    from importer.reports.workbook_report import write_workbook

    original = checkup.findings.original if checkup.findings is not None else None
    if original is None:
        return write_workbook(path, checkup)
    from importer.reports.marked_workbook import NotMarkedError, write_marked

    try:
        return write_marked(path, checkup, original)
    except NotMarkedError as error:
        remark = f"This is a copy of the text, not the workbook itself: {error}."
        return write_workbook(path, checkup, [remark])


def _workbook_paths(report: Path, found: Sequence[Reported]) -> list[Path]:
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


def _write(path: Path, found: Sequence[Reported], most: int | None, suffix: str) -> None:
    checkups = [one.checkup for one in found]
    match suffix:
        case ".txt":
            from importer.reports.text_report import as_text

            texts = [as_text(one.checkup, one.steps, one.place) for one in found]
            path.write_text("\n".join(texts), "utf-8", newline="")
        case ".json":
            _write_json(path, checkups, most)
        case ".csv":
            _write_csv(path, checkups)
        case ".html":
            from importer.reports.html_report import write_html

            write_html(path, checkups)


# CSV: every problem as a line, for spreadsheets and scripts.


def _write_csv(path: Path, checkups: Sequence[Checkup]) -> None:
    """Write all problems, in the files' order; no text of it is a formula to a spreadsheet."""
    with open_csv(path) as file:
        file.write(csv_line(_CSV_COLUMNS))
        for checkup in checkups:
            file.writelines(_csv_lines(checkup.info.path, all_problems(checkup)))


def _csv_lines(source: str, problems: Iterable[Problem]) -> Iterator[str]:
    for problem in problems:
        texts = (
            source,
            "" if problem.row is None else str(problem.row),
            problem.column or "",
            problem.target or "",
            problem.code,
            problem.severity.value,
            problem.message,
            problem.value or "",
            problem.hint or "",
        )
        yield csv_line(map(harmless, texts))


# JSON: for programs, with the keys that docs/reports.md lists.


def _write_json(path: Path, checkups: Sequence[Checkup], most: int | None) -> None:
    """Write an object for one file, an array of them for several, each with `most` problems."""
    several = len(checkups) > 1
    with path.open("wb") as file:
        file.write(b"[\n" if several else b"")
        for number, checkup in enumerate(checkups):
            file.write(b",\n" if number else b"")
            file.writelines(_json_object(checkup, most))
        file.write(b"\n]\n" if several else b"\n")


def _json_object(checkup: Checkup, most: int | None) -> Iterator[bytes]:
    """The report on one file in pieces: its problems may be more than memory should hold."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    before, after = orjson.dumps(_json_figures(checkup), option=options).split(_NO_PROBLEMS)
    yield before
    yield _NO_PROBLEMS[:-1]
    for number, problem in enumerate(islice(all_problems(checkup), most)):
        yield b",\n    " if number else b"\n    "
        yield orjson.dumps(problem)
    yield b"\n  ]"
    yield after


def _json_figures(checkup: Checkup) -> dict[str, Any]:
    """The report on one file, its problems apart."""
    info, survey = checkup.info, checkup.survey
    return {
        "file": info.path,
        "sheet": info.sheet,
        "encoding": info.encoding,
        "delimiter": info.delimiter,
        "header_row": info.header_row,
        "rows": survey.rows,
        "ready": survey.ready,
        "invalid": survey.invalid,
        "skipped": survey.skipped,
        "problems": [],
        "problem_counts": dict(survey.problem_counts),
        "unused_columns": checkup.unused_columns,
        "readiness": survey.readiness,
        "fill": survey.fill,
        "phones": checkup.phones,
        "left_out": [
            {"status": status, "code": code, "rows": rows}
            for (status, code), rows in survey.left_out.items()
        ],
        "new_values": checkup.new_values,
    }
