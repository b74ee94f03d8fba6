"""A first look into a list: what it is found to be, and its first rows, before any mapping."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from importer.model import NOTE_COLUMNS, SourceInfo
from importer.pipeline.rundir import RunDirectory
from importer.settings import SourceOptions
from importer.sources import open_source
from importer.sources.snapshot import Snapshot

_ROW = re.compile("[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a list was found to be, and its first rows.

    Each row is its number and its cells as text, one for each header.
    """

    info: SourceInfo
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def original_rows(path: Path, reading: SourceOptions) -> dict[int, int]:
    """By its own row numbers, those that a list of failed rows has in its column ``_row``.

    They are of the list that the rows failed in; of another list there are none. `path` is a list,
    or the directory of a run, whose copy of it is read. Raises SourceError.
    """
    with ExitStack() as opened:
        if path.is_dir():
            snapshot = opened.enter_context(Snapshot.open(RunDirectory(path).snapshot))
            headers, batches = snapshot.headers, snapshot.batches()
        else:
            source = opened.enter_context(open_source(path, reading))
            headers, batches = source.info.headers, source.batches()
        if NOTE_COLUMNS[0] not in headers:
            return {}
        label = headers.index(NOTE_COLUMNS[0])
        return {
            row: int(text)
            for batch in batches
            for row, text in zip(batch.rows.tolist(), batch.columns[label].to_pylist(), strict=True)
            if _ROW.fullmatch(text)
        }


def glimpse(path: Path, reading: SourceOptions, rows: int) -> Glimpse:
    """Open a list and read so many rows of it, as an import would; raises SourceError."""
    found: list[tuple[int, tuple[str, ...]]] = []
    with open_source(path, reading) as source:
        for batch in source.batches():
            columns = [
                batch.columns[label][: rows - len(found)].to_pylist()
                for label in range(len(source.info.headers))
            ]
            cells = zip(*columns, strict=True) if columns else iter(())
            found += zip(batch.rows.tolist(), islice(cells, rows), strict=False)
            if len(found) >= rows:
                break
        return Glimpse(source.info, tuple(found[:rows]))
