"""Excel workbooks (.xlsx, .xlsm, .xlsb): one sheet of one, as text.

A sheet whose XML is plain is read by :mod:`importer.sources.plainsheet`, any other by
python-calamine. Before that, such a sheet is looked through, which says where error cells and
formulas without a value are, what is hidden, and that it is bearable:
:mod:`importer.sources.sheet` does that for XML, :mod:`importer.sources.xlsb` for binary sheets.
calamine gives rows from the sheet's first, but columns only from the first that is used.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import python_calamine as calamine

from importer.errors import SourceError
from importer.settings import BATCH_ROWS
from importer.sources.detect import Kind
from importer.sources.package import SHEET_LIMIT, Package, Sheet
from importer.sources.plainsheet import read_plain
from importer.sources.sheet import scan_sheet, with_known_errors
from importer.sources.source import Rows
from importer.sources.strings import check_strings
from importer.sources.workbook import chosen_sheet, guarded, reading_of
from importer.sources.xlsb import BinaryPackage, scan_binary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.settings import SourceOptions
    from importer.sources.grid import Scan
    from importer.sources.inputfile import InputFile
    from importer.sources.source import Reading


def open_excel(file: InputFile, options: SourceOptions) -> Reading:
    """Open a sheet of a workbook: the one the options name, or the first visible one."""
    with Package(file) as package:
        sheets = package.sheets()
        sheet = chosen_sheet(file, sheets, options.sheet)
        package.check_shared()
        scan, rows = read_plain(package, sheet, SHEET_LIMIT) or _read_any(package, sheets, sheet)
        found = scan, package.has_external_links()
    return reading_of(file, Kind.XLSX, (sheet, sheets), rows, found, options)


def _read_any(
    package: Package, sheets: Sequence[Sheet], sheet: Sheet
) -> tuple[Scan, Iterator[Rows]]:
    """What is found in a sheet, and its rows, by the workbook library."""
    scan = scan_sheet(package.unpack(sheet.part, SHEET_LIMIT), package)
    check_strings(package, sheet, scan, SHEET_LIMIT)
    cells = guarded(package.file, lambda: _load(package, sheets.index(sheet), sheet, scan))
    return scan, _rows(cells, scan, package)


def open_binary_excel(file: InputFile, options: SourceOptions) -> Reading:
    """Open a sheet of a binary workbook, in the same way."""
    with BinaryPackage(file) as package:
        sheets = package.sheets()
        sheet = chosen_sheet(file, sheets, options.sheet)
        package.check_shared()
        scan = scan_binary(package, sheet, SHEET_LIMIT)
        cells = guarded(file, lambda: _load(package, sheets.index(sheet), sheet, scan))
        rows = _rows(cells, scan, package)
        found = scan, package.has_external_links()
    return reading_of(file, Kind.XLSB, (sheet, sheets), rows, found, options)


def _load(package: Package, index: int, sheet: Sheet, scan: Scan) -> calamine.CalamineSheet:
    """The sheet's cells, by calamine."""
    if scan.unknown_errors:
        with package.with_sheet(sheet.part, with_known_errors) as copy:
            return _named(calamine.CalamineWorkbook.from_filelike(copy), index, sheet)
    return _named(calamine.CalamineWorkbook.from_path(str(package.file.path)), index, sheet)


def _named(workbook: calamine.CalamineWorkbook, index: int, sheet: Sheet) -> calamine.CalamineSheet:
    """The sheet by name; by place among the sheets of cells where the name was read otherwise."""
    if sheet.name in workbook.sheet_names:
        return workbook.get_sheet_by_name(sheet.name)
    kind = calamine.SheetTypeEnum.WorkSheet
    names = [given.name for given in workbook.sheets_metadata if given.typ == kind]
    return workbook.get_sheet_by_name(names[index])


def _rows(sheet: calamine.CalamineSheet, scan: Scan, package: Package) -> Iterator[Rows]:
    """All rows from the sheet's first, each as wide as the sheet, in parts of `BATCH_ROWS`."""
    special = list(reversed(scan.special))
    left = sheet.start[1] if sheet.start else 0
    used = sheet.end[1] + 1 if sheet.end else 0
    width = max(used, max((column for _, column, _ in special), default=-1) + 1)
    height = sheet.end[0] + 1 if sheet.end else 0
    rows = sheet.iter_rows() if sheet.end else iter(())
    first = 0
    while cells := _padded(_taken(rows, first, package), left, width):
        stop = first + len(cells)
        while special and special[-1][0] < stop:
            row, column, text = special.pop()
            cells[row - first][column] = text
        yield Rows(first + 1, cells)
        first = stop
    if first != height:
        # Row numbers rest on this: a version that gives other rows must not go unnoticed.
        raise package.damaged(f"the sheet has {height} rows, but {first} were read")
    while special:
        # Formulas without a value are no cells to calamine, so the last rows may be missing.
        row = special[-1][0]
        blank: list[Any] = [""] * width
        while special and special[-1][0] == row:
            _, column, text = special.pop()
            blank[column] = text
        yield Rows(row + 1, [blank])


def _taken(rows: Iterator[list[Any]], first: int, package: Package) -> list[list[Any]]:
    """The next rows; a number that no date or length of time can be is where this stops."""
    try:
        return list(islice(rows, BATCH_ROWS))
    except BaseException as error:
        # A panic in the Rust library derives from BaseException, and has no public name.
        if not isinstance(error, OverflowError) and type(error).__name__ != "PanicException":
            raise
    raise SourceError(
        f"{package.file}: a cell in rows {first + 1:,} to {first + BATCH_ROWS:,} is formatted as a"
        " date or time, but its number is out of all bounds.",
        "Format that column as text or as a number, and save it again.",
    )


def _padded(rows: list[list[Any]], left: int, width: int) -> list[list[Any]]:
    if not rows or len(rows[0]) == width:
        return rows
    before = [""] * left
    after = [""] * (width - left - len(rows[0]))
    return [before + row + after for row in rows]
