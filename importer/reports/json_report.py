"""The report for programs, with the keys that the interface fixes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from importer.model import Checkup
from importer.reports.csv_report import all_problems

_NO_PROBLEMS = b'"problems": []'
"""No text has this in it: JSON escapes its quotes."""


def write_json(path: Path, checkups: Sequence[Checkup], most: int | None) -> None:
    """Write an object for one file, an array of them for several, each with `most` problems."""
    several = len(checkups) > 1
    with path.open("wb") as file:
        file.write(b"[\n" if several else b"")
        for number, checkup in enumerate(checkups):
            file.write(b",\n" if number else b"")
            file.writelines(_object(checkup, most))
        file.write(b"\n]\n" if several else b"\n")


def _object(checkup: Checkup, most: int | None) -> Iterator[bytes]:
    """The report on one file in pieces: its problems may be more than memory should hold."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    before, after = orjson.dumps(_figures(checkup), option=options).split(_NO_PROBLEMS)
    yield before
    yield _NO_PROBLEMS[:-1]
    for number, problem in enumerate(islice(all_problems(checkup), most)):
        yield b",\n    " if number else b"\n    "
        yield orjson.dumps(problem)
    yield b"\n  ]"
    yield after


def _figures(checkup: Checkup) -> dict[str, Any]:
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
    }
