"""The report for programs, with the keys that the interface fixes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from importer.model import Checkup


def write_json(path: Path, checkups: Sequence[Checkup]) -> None:
    """Write an object for one file, an array of them for several."""
    content = [as_dict(checkup) for checkup in checkups]
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    with path.open("wb") as file:
        file.write(orjson.dumps(content if len(content) > 1 else content[0], option=options))


def as_dict(checkup: Checkup) -> dict[str, Any]:
    """The report on one file; `problems` is as long as the Survey's list."""
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
        "problems": survey.problems,
        "problem_counts": dict(survey.problem_counts),
        "unused_columns": checkup.unused_columns,
        "readiness": survey.readiness,
        "fill": survey.fill,
    }
