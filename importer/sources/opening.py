"""Opening a source: the one place that knows which reader reads what."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.sources.detect import REFUSALS, Kind, detect, readable_file

if TYPE_CHECKING:
    from pathlib import Path

    from importer.settings import SourceOptions
    from importer.sources.source import Source


def open_source(path: Path, options: SourceOptions) -> Source:
    """Open a file of any kind that can be read; use it as a context manager.

    The header and the first data row have been read when this returns. Raises SourceError for a
    file that is missing, unreadable, empty, damaged, over a limit, or of a kind not read.
    """
    readable_file(path)
    try:
        return _opened(path, detect(path), options)
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read ({error.strerror or error}).",
            "Is the drive or network it is on still there? Copy the file to this machine.",
        ) from None


def _opened(path: Path, kind: Kind, options: SourceOptions) -> Source:
    if kind is Kind.TEXT:
        from importer.sources.delimited import open_delimited

        return open_delimited(path, options)
    if kind is Kind.XLSX:
        from importer.sources.excel import open_excel

        return open_excel(path, options)
    what, instead = REFUSALS[kind]
    raise SourceError(f"{path}: this is {what}.", instead)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; the file is read in pieces."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read ({error.strerror or error}).", "Check the name and the folder."
        ) from None
