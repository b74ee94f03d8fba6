"""Opening a source: the choice of the reader for each kind of file."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.sources.detect import REFUSALS, FileKind, detect
from importer.sources.inputfile import (
    STANDARD_INPUT,
    InputFile,
    is_piped,
    piped_copy,
    private_copy,
    refuse_unreadable,
)
from importer.sources.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from importer.settings import SourceOptions
    from importer.sources.source import Reading

_PACKED = (FileKind.GZIP, FileKind.ZIP)


def open_source(
    path: Path, options: SourceOptions, checkpoint: Callable[[], None] = lambda: None
) -> Source:
    """Open a file of any kind that can be read; use it as a context manager.

    ``-`` is standard input. The header and the first data row have been read when this returns.
    The path is opened once, and what is read, unpacked and hashed is a private copy, which is kept
    until the source is closed: a file that is replaced meanwhile changes nothing. `checkpoint` is
    called every some thousand rows where a file must be read whole to be opened; what it raises
    ends that.
    Raises SourceError for a file that is missing, unreadable, empty, damaged, over a limit, or of
    a kind not read.
    """
    name = STANDARD_INPUT if is_piped(path) and str(path) == "-" else InputFile.at(path).name
    try:
        with ExitStack() as undo:
            if is_piped(path):
                file = undo.enter_context(piped_copy(path, name))
            else:
                refuse_unreadable(path)
                file = undo.enter_context(private_copy(path, name))
            reading = _reading_of(file, options, undo, checkpoint)
            undo.callback(reading.close)
            info = replace(reading.info, path=name)
            # Not one that was unpacked, decrypted or piped in.
            is_original = (
                info.kind == FileKind.XLSX.value
                and not is_piped(path)
                and detect(file) is FileKind.XLSX
            )
            return Source(
                replace(reading, info=info),
                file,
                undo.pop_all().close,
                file.path if is_original else None,
            )
    except OSError as error:
        raise SourceError(
            f"{name}: cannot be read ({error.strerror or error}).",
            "Is the drive or network it is on still there? Copy the file to this machine.",
        ) from None


def _reading_of(
    file: InputFile, options: SourceOptions, undo: ExitStack, checkpoint: Callable[[], None]
) -> Reading:
    """What a reader makes of the file, or of the list in it if it is packed."""
    file, kind = _decrypted(file, undo)
    if kind not in _PACKED:
        return _reading_by_kind(file, kind, options, checkpoint)
    from importer.sources.unpacking import unpacked

    inner, problems = undo.enter_context(unpacked(file, kind))
    inner, inner_kind = _decrypted(inner, undo)
    if inner_kind in (*_PACKED, FileKind.ARCHIVE):
        raise SourceError(
            f"{inner}: this is an archive within an archive, which is not read.",
            "Unpack it, and give the file that is in it.",
        )
    reading = _reading_by_kind(inner, inner_kind, options, checkpoint)
    info = replace(reading.info, problems=(*problems, *reading.info.problems))
    return replace(reading, info=info)


def _decrypted(file: InputFile, undo: ExitStack) -> tuple[InputFile, FileKind]:
    """The file and its kind; an encrypted workbook that opens without asking is decrypted first."""
    kind = detect(file)
    if kind is not FileKind.ENCRYPTED:
        return file, kind
    from importer.sources.compound import opened_without_password

    file = undo.enter_context(opened_without_password(file))
    return file, detect(file)


def _reading_by_kind(
    file: InputFile, kind: FileKind, options: SourceOptions, checkpoint: Callable[[], None]
) -> Reading:
    match kind:
        case FileKind.TEXT:
            from importer.sources.delimited import open_delimited

            return open_delimited(file, options)
        case FileKind.XLSX:
            from importer.sources.xlsx import open_excel

            return open_excel(file, options)
        case FileKind.XLSB:
            from importer.sources.xlsb import open_binary_excel

            return open_binary_excel(file, options)
        case FileKind.XLS:
            from importer.sources.xls import open_old_excel

            return open_old_excel(file, options)
        case FileKind.ODS:
            from importer.sources.ods import open_opendocument

            return open_opendocument(file, options)
        case FileKind.PARQUET:
            from importer.sources.typedfiles import open_parquet

            return open_parquet(file, options)
        case FileKind.JSON_LINES:
            from importer.sources.typedfiles import open_json_lines

            return open_json_lines(file, options, checkpoint)
    what, instead = REFUSALS[kind]
    raise SourceError(f"{file}: this is {what}.", instead)
