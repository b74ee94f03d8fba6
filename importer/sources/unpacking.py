"""gzip files and ZIP archives that hold one list: the list, in a private temporary file.

Nothing is written to a name that an archive gives, so none can lead out of a folder. What programs
put beside a list (``__MACOSX``, ``.DS_Store``) does not count; several lists are refused, since
which is meant cannot be known.
"""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.sources.detect import FileKind
from importer.sources.inputfile import SPOOL_LIMIT, InputFile, temporary_copy
from importer.sources.package import MIB, Archive, check_ratio
from importer.sources.source import file_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.model import Problem

_LISTS = (
    *(".csv", ".tsv", ".txt", ".tab", ".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"),
    *(".parquet", ".jsonl", ".ndjson"),
)
_BESIDE = ("thumbs.db", "desktop.ini", "icon\r")
"""Files that Windows and macOS put into folders, and so into archives, by themselves."""
_SHOWN = 10


@contextmanager
def unpacked(file: InputFile, kind: FileKind) -> Iterator[tuple[InputFile, list[Problem]]]:
    """The list that a gzip file or ZIP archive holds, and the warnings about the archive.

    Raises SourceError for damage, a bomb, and an archive that holds no list, or several.
    """
    if kind is FileKind.GZIP:
        with temporary_copy(_gunzipped(file), file.name, "what it unpacks to") as inner:
            yield inner, []
        return
    with Archive(file, size_limit=SPOOL_LIMIT) as archive:
        entries = [
            info.filename
            for info in archive.parts.values()
            if not info.filename.endswith("/") and not _is_beside(info.filename)
        ]
        part, others = _only_list(file, entries)
        name = f"{file}: {_printable(part)}"
        with temporary_copy(
            archive.unpack(part.replace("\\", "/"), SPOOL_LIMIT), name, "it"
        ) as inner:
            yield inner, [_not_read(part, others)] if others else []


def _gunzipped(file: InputFile) -> Iterator[bytes]:
    size = file.path.stat().st_size
    total = 0
    try:
        with gzip.open(file.path) as stream:
            while piece := stream.read(MIB):
                total += len(piece)
                check_ratio(file, "it", total, size)
                yield piece
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SourceError(
            f"{file}: this gzip file is damaged or cut short ({error}).",
            "Copy or download it again.",
        ) from None


def _is_beside(name: str) -> bool:
    path = name.replace("\\", "/").lower()
    last = path.rpartition("/")[2]
    return path.startswith("__macosx/") or last.startswith((".", "~$")) or last in _BESIDE


def _only_list(file: InputFile, entries: Sequence[str]) -> tuple[str, list[str]]:
    """The one list among the entries, and the other entries."""
    if not entries:
        raise SourceError(f"{file}: this archive holds no file.", "Was the right file given?")
    lists = [name for name in entries if name.lower().endswith(_LISTS)]
    found = entries if len(entries) == 1 else lists
    if len(found) == 1:
        return found[0], [name for name in entries if name != found[0]]
    named = _listed(found or entries)
    if found:
        raise SourceError(
            f"{file}: this archive holds {len(found)} lists: {named}.",
            "Unpack it and give the files that are meant; several can be given at once.",
        )
    raise SourceError(
        f"{file}: which file of this archive is the list? It holds {named}.",
        "Unpack it and give the file that is meant.",
    )


def _not_read(part: str, others: Sequence[str]) -> Problem:
    message = f"only {_printable(part)} was read; the archive also holds: {_listed(others)}"
    return file_warning("other_files", message)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(_printable, names[:_SHOWN])) + more


def _printable(name: str) -> str:
    shown = "".join(char if char.isprintable() else "\ufffd" for char in name)
    return shown if len(shown) <= 120 else f"{shown[:100]}…"
