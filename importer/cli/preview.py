"""``vcc-import preview``: the records that would be sent, a line each."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import click

from importer.cli.options import (
    FILE,
    mapping_option,
    need_mapping,
    reading_options,
    source_options,
)


@click.command(
    short_help="Show the records that would be sent, as JSON lines.",
    epilog="Example: vcc-import preview leads.xlsx -m leads.yaml --limit 3",
)
@click.argument("file", type=FILE)
@mapping_option
@reading_options
@click.option("--limit", type=click.IntRange(0), metavar="N", help="Show only the first N rows.")
def preview(file: Path, mapping_path: Path | None, limit: int | None, **reading: Any) -> int:
    """Print every row of FILE as one JSON object a line: row, status, body and problems.

    The body of a ready row is exactly what would be sent. Nothing is sent.
    """
    import dataclasses

    import orjson

    from importer import pipeline

    mapping = pipeline.load_mapping(need_mapping(mapping_path, (file,)))
    previews = pipeline.preview(file, mapping, source_options(**reading))
    output = sys.stdout.buffer
    for row in itertools.islice(previews, limit):
        line = {
            "row": row.row,
            "status": row.status,
            "body": orjson.Fragment(row.body) if row.body is not None else None,
            "problems": [dataclasses.asdict(problem) for problem in row.problems],
        }
        output.write(orjson.dumps(line) + b"\n")
    output.flush()
    return 0
