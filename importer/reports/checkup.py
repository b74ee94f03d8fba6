"""The Survey of one file for people (text) and for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from importer.errors import UsageError
from importer.files import write_private
from importer.model import Checkup, Problem, Severity, SourceInfo

EXAMPLES = 5
"""Rows shown of each kind of problem; a report in JSON lists them all."""


def as_json(checkup: Checkup) -> str:
    """The report for programs, as the interface fixes it; ends with a line break."""
    info, survey = checkup.info, checkup.survey
    report = {
        "file": info.path,
        "sheet": info.sheet,
        "encoding": info.encoding,
        "delimiter": info.delimiter,
        "header_row": info.header_row,
        "rows": survey.rows,
        "ready": survey.ready,
        "invalid": survey.invalid,
        "skipped": survey.skipped,
        "problems": [asdict(problem) for problem in survey.problems],
        "problem_counts": dict(survey.problem_counts),
        "unused_columns": list(checkup.unused_columns),
    }
    return json.dumps(report, ensure_ascii=False, indent=2) + "\n"


def as_text(checkup: Checkup) -> str:
    """The report for people: the verdict first, then each kind of problem with some rows."""
    return "\n".join(_lines(checkup)) + "\n"


def _lines(checkup: Checkup) -> Iterator[str]:
    info, survey = checkup.info, checkup.survey
    yield f"{info.path}: {describe(info)}"
    yield (
        f"  {_count(survey.rows, 'row')}: {survey.ready} ready, {survey.invalid} invalid, "
        f"{survey.skipped} skipped"
    )
    if survey.problem_counts:
        errors, warnings = _count(survey.errors, "error"), _count(survey.warnings, "warning")
        yield ""
        yield f"  {errors}, {warnings}"
    kinds: dict[str, list[Problem]] = {code: [] for code in survey.problem_counts}
    for problem in survey.problems:
        kinds[problem.code].append(problem)
    for code, listed in sorted(kinds.items(), key=_errors_first):
        total = survey.problem_counts[code]
        yield ""
        yield f"  {code} ({total})"
        for problem in listed[:EXAMPLES]:
            yield from _problem_lines(problem)
        if total > min(len(listed), EXAMPLES):
            yield f"    … and {total - min(len(listed), EXAMPLES)} more"
    if checkup.unused_columns:
        yield ""
        yield f"  Columns that the mapping does not use: {', '.join(checkup.unused_columns)}"


def describe(info: SourceInfo) -> str:
    """How a file was read, in one line: what was found by looking can be checked at a glance."""
    parts = [f'sheet "{info.sheet}"'] if info.sheet is not None else []
    if info.encoding is not None:
        parts.append(info.encoding)
    if info.delimiter is not None:
        parts.append(f"delimiter {_DELIMITERS.get(info.delimiter, info.delimiter)!s}")
    parts.append(f"header in row {info.header_row}")
    parts.append(_count(len(info.headers), "column"))
    return ", ".join(parts)


def _errors_first(kind: tuple[str, list[Problem]]) -> bool:
    return all(problem.severity is Severity.WARNING for problem in kind[1])


_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|"}


def _problem_lines(problem: Problem) -> Iterator[str]:
    place = "whole file" if problem.row is None else f"row {problem.row}"
    column = f", {problem.column}" if problem.column else ""
    warning = "warning: " if problem.severity is Severity.WARNING else ""
    yield f"    {place}{column}: {warning}{problem.message}"
    if problem.hint:
        yield f"      → {problem.hint}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


WRITERS = {".txt": as_text, ".json": as_json}


def check_suffix(path: Path) -> None:
    """Raise UsageError for a report file of a kind that is not written."""
    if path.suffix.lower() not in WRITERS:
        raise UsageError(
            f"--report {path}: no report is written as {path.suffix or 'a file without suffix'}",
            f"Use one of {', '.join(WRITERS)}.",
        )


def write_report(path: Path, checkups: Sequence[Checkup]) -> None:
    """Write a report of one file, or of several; whole or not at all, and for the owner only."""
    write = WRITERS[path.suffix.lower()]
    if len(checkups) > 1 and write is as_json:
        text = "[\n" + ",\n".join(as_json(c).rstrip() for c in checkups) + "\n]\n"
    else:
        text = "\n".join(write(checkup) for checkup in checkups)
    write_private(path, text)
