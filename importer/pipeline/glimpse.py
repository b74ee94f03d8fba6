"""A first look into a list: what it is found to be, and its first rows, before any mapping."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from importer.model import SourceInfo
from importer.settings import SourceOptions
from importer.sources import open_source


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a list was found to be, and its first rows.

    Each row is its number and its cells as text, one for each header.
    """

    info: SourceInfo
    rows: tuple[tuple[int, tuple[str, ...]], ...]


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
