"""``vcc-import preview``: the records that would be sent, a line each."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.gate import project_option
from importer.cli.logs import verbose_option
from importer.cli.options import (
    FILE,
    READING,
    mapping_option,
    need_mapping,
    reading_options,
    runs_dir_option,
    source_options,
    where_options,
)
from importer.cli.terminal import shown_json
from importer.settings import Destination, RunSettings

if TYPE_CHECKING:
    from importer.model import Preview


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
        reading=source_options(**{name: options[name] for name in READING}),
        settings=RunSettings(runs_dir=options["runs_dir"]),
    )
    with contextlib.suppress(BrokenPipeError):
        _print(itertools.islice(previews, limit))
        return 0
    # The reader has what it wanted, as `| head` does.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _print(previews: Iterable[Preview]) -> None:
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
        output.write(shown_json(orjson.dumps(line)) + b"\n")
    output.flush()
