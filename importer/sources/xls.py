"""Old Excel workbooks (.xls), by xlrd: one sheet of one, as text.

The file is small by its format, 65,536 rows by 256 columns, and xlrd loads only the sheet that is
read, row by row as wide as each is. A formula's result always stands in such a file: one that was
never calculated has 0 or nothing there, and cannot be told from one that gave that.
"""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import python_calamine as calamine
import xlrd
from xlrd.biffh import XLRDError

from importer.errors import SourceError
from importer.model import BAD_DATE
from importer.settings import BATCH_ROWS
from importer.sources.biff import Book, read_book, scan_records
from importer.sources.bounds import check_bounds, too_much_text
from importer.sources.celltext import Calendar, NumberFormat
from importer.sources.compound import DAMAGE, ContainerError, contained, damaged, workbook_stream
from importer.sources.detect import FileKind
from importer.sources.grid import TEXT_LIMIT, Merge, Scan
from importer.sources.source import RowChunk
from importer.sources.workbook import chosen_sheet, guarded, reading_of, remark, rows_of
from importer.sources.xlsb import ERRORS
from importer.sources.zipped import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.settings import SourceOptions
    from importer.sources.inputfile import InputFile
    from importer.sources.source import Reading

SIZE_LIMIT = 256 * MIB
"""Bytes of the file, which xlrd holds whole."""

_PART_TEXT = 8 * MIB
_STUMBLES = (*DAMAGE, XLRDError, NotImplementedError)
"""What olefile and xlrd raise for damaged files."""
_MIDNIGHT = dt.datetime(2000, 1, 1)  # noqa: DTZ001 -- cells have no time zone


@dataclass(frozen=True, slots=True)
class _Sheet:
    name: str
    hidden: bool
    index: int


def open_old_excel(
    file: InputFile, options: SourceOptions, *, is_decrypted: bool = False
) -> Reading:
    """Open a sheet of a workbook: the one the options name, or the first visible one."""
    if file.path.stat().st_size > SIZE_LIMIT:
        raise SourceError(
            f"{file}: the file is larger than the limit of {SIZE_LIMIT // MIB} MiB.",
            "Divide the list into several files, or save the sheet as CSV, which has no limit.",
        )
    try:
        content, is_whole = workbook_stream(file)
        book = read_book(content, is_whole=is_whole)
    except DAMAGE as error:
        raise _unreadable(file, error) from None
    if book.is_encrypted and is_decrypted:
        raise damaged(file, "it is still encrypted once it was decrypted")
    if book.is_encrypted:
        from importer.sources.encrypted import OLD_SIZE_LIMIT, opened_without_password

        with opened_without_password(file, OLD_SIZE_LIMIT) as copy:
            return open_old_excel(copy, options, is_decrypted=True)
    del content
    stumbled: Exception = ContainerError("a cell's text is none of the workbook's")
    if not book.lacks_strings:
        try:
            return _by_xlrd(file, book, options)
        except _STUMBLES as error:
            stumbled = error
    try:
        return _by_calamine(file, book, options)
    except (calamine.CalamineError, *_STUMBLES):
        raise _unreadable(file, stumbled) from None


def _by_xlrd(file: InputFile, content: Book, options: SourceOptions) -> Reading:
    with xlrd.open_workbook(
        file_contents=bytes(content.stream),
        logfile=io.StringIO(),
        on_demand=True,
        formatting_info=True,
    ) as book:
        sheets = [
            _Sheet(name, bool(state), index)
            for index, (name, state) in enumerate(
                # xlrd tells what is hidden of loaded sheets only, and loads no other here.
                zip(book.sheet_names(), vars(book)["_sheet_visibility"], strict=True)
            )
        ]
        sheet = chosen_sheet(file, sheets, options.sheet)
        page = book.sheet_by_index(sheet.index)
        scan = _scanned(page)
        formats = _formats(book)
        calendar = Calendar.SINCE_1904 if book.datemode else Calendar.SINCE_1900
    check_bounds(scan, file, whole=True)
    rows = _rows(page, (formats, calendar), scan.columns, file)
    return reading_of(file, FileKind.XLS, (sheet, sheets), rows, (scan, False), options)


def _by_calamine(file: InputFile, content: Book, options: SourceOptions) -> Reading:
    """The same by python-calamine, which is less exact but stumbles over less."""
    with io.BytesIO(contained(bytes(content.stream))) as copy:
        book = guarded(file, lambda: calamine.CalamineWorkbook.from_filelike(copy))
        kind = calamine.SheetTypeEnum.WorkSheet
        shown = calamine.SheetVisibleEnum.Visible
        sheets = [
            _Sheet(about.name, about.visible != shown, index)
            for index, about in enumerate(
                about for about in book.sheets_metadata if about.typ == kind
            )
        ]
        sheet = chosen_sheet(file, sheets, options.sheet)
        if len(sheets) != len(content.sheets):
            raise ContainerError("its sheets contradict each other")
        scan = scan_records(content, content.sheets[sheet.index])
        check_bounds(scan, file, whole=True)
        cells = guarded(file, lambda: book.get_sheet_by_name(sheet.name))
    rows = rows_of(cells, scan, file)
    reading = reading_of(file, FileKind.XLS, (sheet, sheets), rows, (scan, False), options)
    simply = remark(
        "damaged_workbook",
        "parts of this workbook are not as they should be; its cells were read in a simpler way, in"
        " which what is not shown as a day or a time may be read as one",
        "Compare some rows, or open it in a spreadsheet program and save it anew as .xlsx.",
    )
    info = replace(reading.info, problems=(simply, *reading.info.problems))
    return replace(reading, info=info)


def _unreadable(file: InputFile, error: Exception) -> SourceError:
    why = str(error) if isinstance(error, ContainerError) else "its contents contradict each other"
    return damaged(file, why)


def _formats(book: xlrd.Book) -> list[NumberFormat]:
    """What each style of cells makes of a number."""
    found = []
    for style in book.xf_list:
        shape = book.format_map.get(style.format_key)
        found.append(NumberFormat.of(shape.format_str if shape else None, style.format_key))
    return found


def _scanned(page: xlrd.sheet.Sheet) -> Scan:
    scan = Scan()
    for row in range(page.nrows):
        types = page.row_types(row)
        filled = len(types) - types.count(xlrd.XL_CELL_EMPTY) - types.count(xlrd.XL_CELL_BLANK)
        if not filled:
            continue
        last = max(i for i, kind in enumerate(types) if kind not in _BLANK)
        scan.cells += filled
        scan.rows, scan.columns = row + 1, max(scan.columns, last + 1)
        info = page.rowinfo_map.get(row)
        if info is not None and info.hidden:
            scan.hidden_rows.add(row, row)
    for column, about in sorted(page.colinfo_map.items()):
        if about.hidden:
            scan.hidden_columns.add(column, column)
    for top, bottom, left, right in page.merged_cells:
        scan.merges.add(Merge(top, left, bottom - 1, right - 1))
    return scan


_BLANK = (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK)


def _rows(
    page: xlrd.sheet.Sheet,
    shown: tuple[list[NumberFormat], Calendar],
    width: int,
    file: InputFile,
) -> Iterator[RowChunk]:
    total = part = first = 0
    cells: list[list[Any]] = []
    for row in range(page.nrows):
        values = [_value(cell, *shown) for cell in page.row(row)][:width]
        size = sum(len(value) for value in values if type(value) is str)
        total, part = total + size, part + size
        if total > TEXT_LIMIT:
            raise too_much_text(file)
        cells.append(values + [""] * (width - len(values)))
        if len(cells) == BATCH_ROWS or part > _PART_TEXT:
            yield RowChunk(first + 1, cells)
            first, cells, part = row + 1, [], 0
    if cells:
        yield RowChunk(first + 1, cells)


def _value(cell: xlrd.sheet.Cell, formats: list[NumberFormat], calendar: Calendar) -> object:
    """The value of a cell, of a type that has a text."""
    match cell.ctype:
        case xlrd.XL_CELL_TEXT:
            return str(cell.value)
        case xlrd.XL_CELL_NUMBER | xlrd.XL_CELL_DATE:
            style = cell.xf_index
            is_known = style is not None and style < len(formats)
            shape = formats[style] if style is not None and is_known else NumberFormat.NUMBER
            return _number(float(cell.value), shape, calendar)
        case xlrd.XL_CELL_BOOLEAN:
            return bool(cell.value)
        case xlrd.XL_CELL_ERROR:
            return ERRORS.get(int(cell.value), "#VALUE!")
        case _:
            return ""


def _number(value: float, shape: NumberFormat, calendar: Calendar) -> object:
    """A number, or what its format makes of it: a date, a time of day below 1, a length of time."""
    if shape is NumberFormat.NUMBER:
        return value
    if not shape.holds(value, calendar):
        return BAD_DATE
    if shape is NumberFormat.LENGTH:
        return dt.timedelta(days=value)
    if shape is NumberFormat.TIME and value < 1:
        return (_MIDNIGHT + dt.timedelta(days=value)).time()
    try:
        moment = xlrd.xldate.xldate_as_datetime(value, 1 if calendar is Calendar.SINCE_1904 else 0)
    except OverflowError:  # less than half a millisecond before the last day's end
        return BAD_DATE
    return moment.date() if moment.time() == dt.time() and value.is_integer() else moment
