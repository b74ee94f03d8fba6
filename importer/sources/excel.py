"""Excel workbooks (.xlsx, .xlsm, .xlsb): one sheet of one, as text.

python-calamine reads the cells. Before that, the sheet is looked through, which says where error
cells and formulas without a value are, what is hidden, and that it is bearable:
:mod:`importer.sources.sheetxml` does that for XML, :mod:`importer.sources.xlsb` for binary sheets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import python_calamine as calamine

from importer.sources.detect import FileKind
from importer.sources.package import SHEET_LIMIT, Package, Sheet
from importer.sources.sheetxml import scan_sheet, with_known_values
from importer.sources.strings import check_strings
from importer.sources.workbook import chosen_sheet, guarded, reading_of, rows_of
from importer.sources.xlsb import BinaryPackage, scan_binary

if TYPE_CHECKING:
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
        scan = scan_sheet(package.unpack(sheet.part, SHEET_LIMIT), package)
        check_strings(package, sheet, scan, SHEET_LIMIT)
        cells = guarded(file, lambda: _load(package, sheets.index(sheet), sheet, scan))
        rows = rows_of(cells, scan, file)
        found = scan, package.has_external_links()
    return reading_of(file, FileKind.XLSX, (sheet, sheets), rows, found, options)


def open_binary_excel(file: InputFile, options: SourceOptions) -> Reading:
    """Open a sheet of a binary workbook, in the same way."""
    with BinaryPackage(file) as package:
        sheets = package.sheets()
        sheet = chosen_sheet(file, sheets, options.sheet)
        package.check_shared()
        scan = scan_binary(package, sheet, SHEET_LIMIT)
        cells = guarded(file, lambda: _load(package, sheets.index(sheet), sheet, scan))
        rows = rows_of(cells, scan, file)
        found = scan, package.has_external_links()
    return reading_of(file, FileKind.XLSB, (sheet, sheets), rows, found, options)


def _load(package: Package, index: int, sheet: Sheet, scan: Scan) -> calamine.CalamineSheet:
    """The sheet's cells, by calamine: out of a copy where it does not read the workbook itself."""
    has_unknown = scan.unknown_errors or scan.undated
    if package.is_usual and not has_unknown:
        try:
            return _named(calamine.CalamineWorkbook.from_path(str(package.file.path)), index, sheet)
        except calamine.CalamineError:
            pass  # over a part, maybe, that has nothing to do with this sheet
    change = with_known_values if has_unknown else None
    with package.with_sheet(sheet.part, change) as copy:
        return _named(calamine.CalamineWorkbook.from_filelike(copy), 0, sheet)


def _named(workbook: calamine.CalamineWorkbook, index: int, sheet: Sheet) -> calamine.CalamineSheet:
    """The sheet by name; by place among the sheets of cells where the name was read otherwise."""
    if sheet.name in workbook.sheet_names:
        return workbook.get_sheet_by_name(sheet.name)
    kind = calamine.SheetTypeEnum.WorkSheet
    names = [given.name for given in workbook.sheets_metadata if given.typ == kind]
    return workbook.get_sheet_by_name(names[index])
