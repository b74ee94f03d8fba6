"""Opening a file as its mapping says: a supplier's, or our own list of failures that comes back.

What a mapping says under ``source`` is about the supplier's files. A list of failures has another
sheet name, header row, encoding and delimiter, and is run again with the same mapping: read as the
supplier's, it would not fit, or its letters would be others.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from importer.errors import SourceError
from importer.mapping.load import LoadedMapping
from importer.model import NOTE_COLUMNS, Status
from importer.settings import SourceOptions
from importer.sources import open_source
from importer.sources.source import Source

_TRACES = (*NOTE_COLUMNS, *(status.value for status in Status))
"""What stands in a header of a list of failures, even one taken from the wrong row."""


def open_incoming(path: Path, mapping: LoadedMapping, given: SourceOptions) -> Source:
    """Open a file; what was `given` beats what the mapping says. Raises SourceError.

    A list of failures is read as if the mapping said nothing of the source.
    """
    reading = _reading(mapping, given)
    try:
        source = open_source(path, reading)
    except SourceError:
        if reading == given or not path.is_file() or (ours := _failures(path, given)) is None:
            raise
        return ours
    if reading != given and path.is_file() and _has_traces(source):
        ours = _failures(path, given)
        if ours is not None:
            with source:
                return ours
    return source


def _has_traces(source: Source) -> bool:
    # With another delimiter, all headers are one.
    return any(trace in header for header in source.info.headers for trace in _TRACES)


def _failures(path: Path, given: SourceOptions) -> Source | None:
    """The file, opened, if it is a list of failures."""
    with suppress(SourceError):
        source = open_source(path, given)
        if set(NOTE_COLUMNS) <= set(source.info.headers):
            return source
        with source:
            return None
    return None


def _reading(mapping: LoadedMapping, given: SourceOptions) -> SourceOptions:
    """How to read the source: what was given beats what the mapping says."""
    said = mapping.spec.source
    return replace(
        given,
        sheet=given.sheet if given.sheet is not None else said.sheet,
        header_row=given.header_row or (None if said.header_row == "auto" else said.header_row),
        encoding=given.encoding or said.encoding,
        delimiter=given.delimiter or said.delimiter,
    )
