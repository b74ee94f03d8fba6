"""Old Excel workbooks (.xls), by xlrd: one sheet of one, as text.

The file is small by its format, 65,536 rows by 256 columns, and xlrd loads only the sheet that is
read, row by row as wide as each is. A formula's result always stands in such a file: one that was
never calculated has 0 or nothing there, and cannot be told from one that gave that.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import xlrd
from xlrd.biffh import XLRDError

from importer.errors import SourceError
from importer.settings import BATCH_ROWS
from importer.sources.bounds import check_bounds, too_much_text
from importer.sources.compound import DAMAGE, ContainerError, damaged, workbook_stream
from importer.sources.detect import Kind
from importer.sources.grid import TEXT_LIMIT, Merge, Scan
from importer.sources.source import Rows
from importer.sources.workbook import chosen_sheet, reading_of
from importer.sources.xlsb import ERRORS
from importer.sources.zipped import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.settings import SourceOptions
    from importer.sources.inputfile import InputFile
    from importer.sources.source import Reading

SIZE_LIMIT = 256 * MIB
"""Bytes of the file, which xlrd holds whole."""

Calendar = Literal[0, 1]
"""Whether days are counted from 1900 or from 1904."""

_PART_TEXT = 8 * MIB
_STUMBLES = (*DAMAGE, XLRDError, NotImplementedError)
"""What olefile and xlrd raise for damaged files."""
_MIDNIGHT = dt.datetime(2000, 1, 1)  # noqa: DTZ001 -- cells have no time zone
_LENGTH = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Sheet:
    name: str
    hidden: bool
    index: int


def open_old_excel(file: InputFile, options: SourceOptions) -> Reading:
    """Open a sheet of a workbook: the one the options name, or the first visible one."""
    if file.path.stat().st_size > SIZE_LIMIT:
        raise SourceError(
            f"{file}: the file is larger than the limit of {SIZE_LIMIT // MIB} MiB.",
            "Divide the list into several files, or save the sheet as CSV, which has no limit.",
        )
    try:
        book = xlrd.open_workbook(
            file_contents=workbook_stream(file),
            logfile=io.StringIO(),
            on_demand=True,
            formatting_info=True,
        )
    except _STUMBLES as error:
        raise _unreadable(file, error) from None
    try:
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
        lengths = _length_formats(book)
    except _STUMBLES as error:
        raise _unreadable(file, error) from None
    finally:
        book.release_resources()
    check_bounds(scan, file, whole=True)
    rows = _rows(page, 1 if book.datemode else 0, lengths, scan.columns, file)
    return reading_of(file, Kind.XLS, (sheet, sheets), rows, (scan, False), options)


def _unreadable(file: InputFile, error: Exception) -> SourceError:
    if "encrypted" in str(error):
        return SourceError(
            f"{file}: this workbook is protected by a password.",
            "Save it without a password and import that copy.",
        )
    why = str(error) if isinstance(error, ContainerError) else "its contents contradict each other"
    return damaged(file, why)


def _length_formats(book: xlrd.Book) -> frozenset[int]:
    """The cell formats, by their index, that show a length of time: ``[h]:mm``."""
    return frozenset(
        index
        for index, style in enumerate(book.xf_list)
        if (shape := book.format_map.get(style.format_key)) and _LENGTH.search(shape.format_str)
    )


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
        scan.merge(Merge(top, left, bottom - 1, right - 1))
    return scan


_BLANK = (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK)


def _rows(
    page: xlrd.sheet.Sheet,
    datemode: Calendar,
    lengths: frozenset[int],
    width: int,
    file: InputFile,
) -> Iterator[Rows]:
    total = part = first = 0
    cells: list[list[Any]] = []
    for row in range(page.nrows):
        values = [
            _value(cell, datemode, is_length=cell.xf_index in lengths) for cell in page.row(row)
        ][:width]
        size = sum(len(value) for value in values if type(value) is str)
        total, part = total + size, part + size
        if total > TEXT_LIMIT:
            raise too_much_text(file)
        cells.append(values + [""] * (width - len(values)))
        if len(cells) == BATCH_ROWS or part > _PART_TEXT:
            yield Rows(first + 1, cells)
            first, cells, part = row + 1, [], 0
    if cells:
        yield Rows(first + 1, cells)


def _value(cell: xlrd.sheet.Cell, datemode: Calendar, *, is_length: bool) -> object:
    """The value of a cell, of a type that has a text."""
    match cell.ctype:
        case xlrd.XL_CELL_TEXT:
            return str(cell.value)
        case xlrd.XL_CELL_NUMBER:
            return float(cell.value)
        case xlrd.XL_CELL_BOOLEAN:
            return bool(cell.value)
        case xlrd.XL_CELL_ERROR:
            return ERRORS.get(int(cell.value), "#VALUE!")
        case xlrd.XL_CELL_DATE:
            return _date(float(cell.value), datemode, is_length=is_length)
        case _:
            return ""


def _date(value: float, datemode: Calendar, *, is_length: bool) -> object:
    """A date, a time of day below 1, or a length of time; a number that is none stays one."""
    try:
        if is_length:
            return dt.timedelta(days=value)
        if 0 <= value < 1:
            return (_MIDNIGHT + dt.timedelta(days=value)).time()
        moment = xlrd.xldate.xldate_as_datetime(value, datemode)
    except (xlrd.xldate.XLDateError, OverflowError, ValueError):
        return value
    return moment.date() if moment.time() == dt.time() and value.is_integer() else moment
