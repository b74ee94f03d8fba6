"""Every problem as a line of CSV, for spreadsheets and scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from importer.model import Checkup, Problem
from importer.reports.csvlines import csv_line, harmless, open_csv

COLUMNS = ("file", "row", "column", "target", "code", "severity", "message", "value", "hint")


def write_csv(path: Path, checkups: Sequence[Checkup]) -> None:
    """Write all problems, in the files' order; no text of it is a formula to a spreadsheet."""
    with open_csv(path) as file:
        file.write(csv_line(COLUMNS))
        for checkup in checkups:
            file.writelines(_lines(checkup.info.path, all_problems(checkup)))


def all_problems(checkup: Checkup) -> Iterable[Problem]:
    """Every problem, streamed; without `findings`, those that the Survey lists."""
    findings = checkup.findings
    return checkup.survey.problems if findings is None else findings.problems()


def _lines(source: str, problems: Iterable[Problem]) -> Iterator[str]:
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
