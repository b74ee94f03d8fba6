"""OpenDocument spreadsheets (.ods): one sheet of one, as text.

A repeated cell or row stands once in such a file with the number of its repetitions, so a few
bytes may mean 17 thousand million cells. Workbook libraries write them all out. Here the XML is
gone through twice, as a stream: once to see what there is, and once for the rows of the sheet that
is read, which are repeated only as far as they hold something. It may declare no entities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.settings import BATCH_ROWS
from importer.sources.bounds import check_bounds
from importer.sources.detect import FileKind
from importer.sources.grid import Merge, Scan
from importer.sources.odsxml import Row, Table, tables
from importer.sources.package import PART_LIMIT, SHEET_LIMIT
from importer.sources.source import Reading, RowChunk
from importer.sources.workbook import chosen_sheet, reading_of
from importer.sources.zipped import MIB, Archive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.settings import SourceOptions
    from importer.sources.inputfile import InputFile

_PART_TEXT = 8 * MIB


def open_opendocument(file: InputFile, options: SourceOptions) -> Reading:
    """Open a sheet of a document: the one the options name, or the first visible one."""
    archive = Archive(file)
    try:
        _refuse_encrypted(archive)
        sheets, scans, linked = _looked_through(archive)
        sheet = chosen_sheet(file, sheets, options.sheet)
        scan = scans[sheet.index]
        check_bounds(scan, file, whole=True)
        rows = _rows(archive, sheet.index, scan.columns)
        reading = reading_of(file, FileKind.ODS, (sheet, sheets), rows, (scan, linked), options)
    except BaseException:
        archive.close()
        raise
    return Reading(reading.info, reading.batches, archive.close)


def _refuse_encrypted(archive: Archive) -> None:
    manifest = b"".join(archive.unpack("META-INF/manifest.xml", PART_LIMIT))
    if b"encryption-data" in manifest:
        raise SourceError(
            f"{archive.file}: this document is protected by a password.",
            "Save it without a password and import that copy.",
        )


def _looked_through(archive: Archive) -> tuple[list[Table], list[Scan], bool]:
    """The sheets, what is in each, and whether any formula takes values from another file."""
    sheets: list[Table] = []
    scans: list[Scan] = []
    linked = False
    for event in tables(archive, SHEET_LIMIT):
        match event:
            case Table():
                sheets.append(event)
                scans.append(Scan())
                scans[-1].hidden_columns = event.hidden_columns
            case Row():
                _add(scans[-1], event)
                linked = linked or event.linked
    return sheets, scans, linked


def _add(scan: Scan, row: Row) -> None:
    if not row.cells:
        return
    filled = sum(repeated for _, text, repeated in row.cells if text)
    column, _, repeated = row.cells[-1]
    scan.rows = row.number + row.repeated
    scan.columns = max(scan.columns, column + repeated)
    scan.cells += filled * row.repeated
    scan.text += row.repeated * sum(len(text) * repeated for _, text, repeated in row.cells)
    if row.hidden:
        scan.hidden_rows.add(row.number, row.number + row.repeated - 1)
    for left, height, width in row.merges:
        scan.merges.add(Merge(row.number, left, row.number + height - 1, left + width - 1))


def _rows(archive: Archive, index: int, width: int) -> Iterator[RowChunk]:
    """The rows that hold something, and few of those between that do not."""
    first, cells, text = 0, list[list[str]](), 0
    at = -1
    for event in tables(archive, SHEET_LIMIT):
        if isinstance(event, Table):
            at += 1
            if at > index:
                break
            continue
        if at != index or not event.cells:
            continue
        values = [""] * width
        for column, value, repeated in event.cells:
            values[column : column + repeated] = [value] * repeated
        size = sum(map(len, values))
        for number in range(event.number, event.number + event.repeated):
            if cells and (
                number != first + len(cells) or len(cells) == BATCH_ROWS or text > _PART_TEXT
            ):
                yield RowChunk(first + 1, cells)
                cells, text = [], 0
            if not cells:
                first = number
            cells.append(values)
            text += size
    if cells:
        yield RowChunk(first + 1, cells)
