"""Excel workbooks (.xlsx, .xlsm): one sheet of one, as text.

python-calamine reads the cells; :mod:`importer.sources.sheet` has looked through the sheet before
and says where error cells and formulas without a value are, and that it is bearable. calamine
gives rows from the sheet's first, but columns only from the first that is used.
"""

from __future__ import annotations

import difflib
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, Any

import python_calamine as calamine

from importer.errors import SourceError
from importer.model import Problem, Severity, SourceInfo
from importer.settings import BATCH_ROWS
from importer.sources.celltext import cell_texts
from importer.sources.detect import Kind
from importer.sources.package import SHEET_LIMIT, Package, Sheet
from importer.sources.sheet import Scan, scan_sheet, with_known_errors
from importer.sources.source import Layout, Rows, Source, shown_path
from importer.sources.table import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from importer.settings import SourceOptions


def open_excel(path: Path, options: SourceOptions) -> Source:
    """Open a sheet of a workbook: the one the options name, or the first visible one."""
    with Package(path) as package:
        sheets = package.sheets()
        if not sheets:
            raise package.damaged("it has no sheet with cells")
        sheet = _chosen(path, sheets, options.sheet)
        package.check_shared()
        scan = scan_sheet(package.unpack(sheet.part, SHEET_LIMIT), package)
        cells = _load(package, sheets.index(sheet), sheet, scan)
    place = f"{path}: sheet {sheet.name!r}"
    table = read_table(
        _rows(cells, scan, package), Layout(place, text=cell_texts, open_ended=False), options
    )
    info = SourceInfo(
        path=shown_path(path),
        kind=Kind.XLSX.value,
        headers=table.headers,
        header_row=table.header_row,
        sheet=sheet.name,
        problems=(*_remarks(sheet, sheets, options), *table.problems),
    )
    return Source(info, table.batches, lambda: None)


def _chosen(path: Path, sheets: list[Sheet], wanted: str | int | None) -> Sheet:
    """The sheet wanted, by name (exactly, then in any case) or number from 1."""
    if wanted is None:
        return next((sheet for sheet in sheets if not sheet.hidden), sheets[0])
    if isinstance(wanted, str):
        for fold in (_exact, _folded):
            for sheet in sheets:
                if fold(sheet.name) == fold(wanted):
                    return sheet
    number = str(wanted).strip()
    if number.isascii() and number.isdigit() and 1 <= int(number) <= len(sheets):
        return sheets[int(number) - 1]
    names = {_folded(sheet.name): sheet.name for sheet in sheets}
    near = difflib.get_close_matches(_folded(str(wanted)), names, n=1)
    listed = ", ".join(
        f"{index} {sheet.name!r}{' (hidden)' if sheet.hidden else ''}"
        for index, sheet in enumerate(sheets, 1)
    )
    raise SourceError(
        f"{path}: there is no sheet {wanted!r}; the sheets are {listed}.",
        f"Did you mean {names[near[0]]!r}?" if near else "Give a name or a number of these.",
    )


def _exact(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _exact(name).strip().casefold()


def _load(package: Package, index: int, sheet: Sheet, scan: Scan) -> calamine.CalamineSheet:
    """The sheet's cells, by calamine; whatever it stumbles over becomes a SourceError."""
    try:
        if scan.unknown_errors:
            with package.with_sheet(sheet.part, with_known_errors) as copy:
                return _named(calamine.CalamineWorkbook.from_filelike(copy), index, sheet)
        return _named(calamine.CalamineWorkbook.from_path(str(package.path)), index, sheet)
    except calamine.PasswordError:
        raise SourceError(
            f"{package.path}: this workbook is protected by a password.",
            "Save it without a password and import that copy.",
        ) from None
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise package.damaged(str(error)) from None
    except BaseException as error:
        # A panic in the Rust library derives from BaseException, and has no public name.
        if type(error).__name__ != "PanicException":
            raise
        raise package.damaged("its contents contradict each other") from None


def _named(workbook: calamine.CalamineWorkbook, index: int, sheet: Sheet) -> calamine.CalamineSheet:
    """The sheet by name; by place among the sheets of cells where the name was read otherwise."""
    if sheet.name in workbook.sheet_names:
        return workbook.get_sheet_by_name(sheet.name)
    kind = calamine.SheetTypeEnum.WorkSheet
    names = [given.name for given in workbook.sheets_metadata if given.typ == kind]
    return workbook.get_sheet_by_name(names[index])


def _remarks(sheet: Sheet, sheets: list[Sheet], options: SourceOptions) -> Iterator[Problem]:
    """What the user should know of the workbook: sheets not read, options without meaning."""
    others = [other for other in sheets if other is not sheet]
    if hidden := [repr(other.name) for other in others if other.hidden]:
        yield _remark("hidden_sheets", f"hidden sheets were not read: {', '.join(hidden)}")
    visible = [repr(other.name) for other in others if not other.hidden]
    if visible and options.sheet is None:
        message = f"only sheet {sheet.name!r} was read; there are also: {', '.join(visible)}"
        yield _remark("other_sheets", message)
    for name in ("encoding", "delimiter"):
        if getattr(options, name) is not None:
            yield _remark("option_ignored", f"a workbook has no {name}, so it was ignored")


def _remark(code: str, message: str) -> Problem:
    hint = "Name the sheet that is to be read: --sheet NAME." if "sheets" in code else None
    return Problem(None, None, None, code, message, hint=hint, severity=Severity.WARNING)


def _rows(sheet: calamine.CalamineSheet, scan: Scan, package: Package) -> Iterator[Rows]:
    """All rows from the sheet's first, each as wide as the sheet, in parts of `BATCH_ROWS`."""
    special = list(reversed(scan.special))
    left = sheet.start[1] if sheet.start else 0
    used = sheet.end[1] + 1 if sheet.end else 0
    width = max(used, max((column for _, column, _ in special), default=-1) + 1)
    height = sheet.end[0] + 1 if sheet.end else 0
    rows = sheet.iter_rows() if sheet.end else iter(())
    first = 0
    while cells := _padded(list(islice(rows, BATCH_ROWS)), left, width):
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


def _padded(rows: list[list[Any]], left: int, width: int) -> list[list[Any]]:
    if not rows or len(rows[0]) == width:
        return rows
    before = [""] * left
    after = [""] * (width - left - len(rows[0]))
    return [before + row + after for row in rows]
