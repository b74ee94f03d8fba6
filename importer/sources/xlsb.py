"""Binary workbooks (.xlsb): one sheet of one, as text.

Parts are runs of records ([MS-XLSB] 2.1.4): a type and a length, each in seven bits a byte, then
that many bytes. python-calamine reads the cells; for it, error cells are blanks, and it makes room
for every cell between the outermost ones. So the sheet is looked through before, as one of XML is.
Formulas always have a stored value here.
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import TYPE_CHECKING

from importer.model import BAD_DATE
from importer.sources.detect import FileKind
from importer.sources.grid import LONGEST_TEXT, Merge, Scan, check_bounds, too_long_cell
from importer.sources.package import PART_LIMIT, SHEET_LIMIT
from importer.sources.workbook import (
    DateStyles,
    calamine_rows,
    call_calamine,
    chosen_sheet,
    sheet_reading,
)
from importer.sources.xlsx import (
    STRINGS_LIMIT,
    STRINGS_MOST,
    ExcelPackage,
    Sheet,
    load_cells,
    relations_xml,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from importer.settings import SourceOptions
    from importer.sources.inputfile import InputFile
    from importer.sources.source import Reading

# Types of records ([MS-XLSB] 2.3.2), with the names that they have there.
_BOOK, _BOOK_END, _PROPERTIES = 131, 132, 153  # BrtBeginBook, BrtEndBook, BrtWbProp
_SHEETS, _SHEETS_END, _SHEET = 143, 144, 156  # BrtBeginBundleShs, BrtEndBundleShs, BrtBundleSh
_FORMAT, _STYLE = 44, 47  # BrtFmt, BrtXF
_CELL_STYLES, _CELL_STYLES_END = 617, 618  # BrtBeginCellXFs, BrtEndCellXFs
_STRING, _COLUMNS, _MERGE, _ROW = 19, 60, 176, 0  # BrtSSTItem, ...ColInfo, ...MergeCell, ...RowHdr
_BLANK, _SHORT_NUMBER, _ERROR, _DOUBLE = 1, 2, 3, 5  # BrtCellBlank, ...Rk, ...Error, ...Real
_TEXT, _SHARED, _RICH_TEXT = 6, 7, 62  # BrtCellSt, BrtCellIsst, BrtCellRString
_FORMULA_TEXT, _FORMULA_NUMBER, _FORMULA_ERROR = 8, 9, 11  # BrtFmlaString, ...Num, ...Error
_NUMBERS = frozenset((_SHORT_NUMBER, _DOUBLE, _FORMULA_NUMBER))
_CELLS = frozenset((*range(1, 12), _RICH_TEXT))
"""They begin with the column (4 bytes) and the style (3 bytes, and one of flags); what they hold
begins at byte 8."""
_VALUE_AT = 8
_SHORTEST = {_ROW: 12, _COLUMNS: 18, _MERGE: 16, _ERROR: 9, _FORMULA_ERROR: 9, _SHARED: 12}
_SHORTEST |= {_SHORT_NUMBER: 12, _DOUBLE: 16, _FORMULA_NUMBER: 16}
_SHORTEST |= {_TEXT: 12, _FORMULA_TEXT: 12, _RICH_TEXT: 13}
"""Bytes that a record has at least, as far as they are looked at here."""
_ROW_HIDDEN = 0x10  # fDyZero in byte 11 of BrtRowHdr
_COLUMN_HIDDEN = 1  # fHidden in byte 16 of BrtColInfo
_SINCE_1904 = 1  # f1904 in byte 0 of BrtWbProp

ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
"""Error cells by their code, in .xls and .xlsb alike ([MS-XLS] 2.5.10)."""


def open_binary_excel(file: InputFile, options: SourceOptions) -> Reading:
    """Open a sheet of a workbook: the one the options name, or the first visible one."""
    with BinaryPackage(file) as package:
        sheets = package.sheets()
        sheet = chosen_sheet(file, sheets, options.sheet)
        package.check_shared()
        scan = _scan(package, sheet)
        cells = call_calamine(file, lambda: load_cells(package, sheets.index(sheet), sheet, scan))
        rows = calamine_rows(cells, scan, file)
        scan.linked = package.has_external_links()
    return sheet_reading(file, FileKind.XLSB, (sheet, sheets), rows, scan, options)


class BinaryPackage(ExcelPackage):
    """An open .xlsb file."""

    format = "bin"

    def _related_sheets(self) -> list[tuple[dict[str, str], str]]:
        found = []
        for kind, record in self.records(self.workbook, PART_LIMIT):
            if kind == _SHEET and len(record) >= 16:
                relation, at = _text(record, 8)
                name, _ = _text(record, at)
                state = "hidden" if record[0] else "visible"
                part = self.relationships.get(relation, ("", ""))[1]
                found.append(({"id": relation, "name": name, "state": state}, part))
        return found

    @cached_property
    def dates(self) -> DateStyles:
        """The styles of cells that make numbers dates."""
        written, numbers, in_cells = {}, [], False
        for kind, record in self.records(self.styles, PART_LIMIT):
            if kind in (_CELL_STYLES, _CELL_STYLES_END):
                in_cells = kind == _CELL_STYLES
            elif kind == _FORMAT and len(record) >= 6:
                written[int.from_bytes(record[:2], "little")] = _text(record, 2)[0]
            elif kind == _STYLE and in_cells and len(record) >= 4:
                numbers.append(int.from_bytes(record[2:4], "little"))
        return DateStyles.of(numbers, written, since_1904=self.is_since_1904())

    def is_since_1904(self) -> bool:
        """Whether days are counted from 1904."""
        book = self.records(self.workbook, PART_LIMIT)
        return any(
            kind == _PROPERTIES and record[:1] and record[0] & _SINCE_1904 for kind, record in book
        )

    def _parts_of_one_sheet(self, related: Mapping[str, str]) -> dict[str, bytes]:
        book = self.records(self.workbook, PART_LIMIT)
        properties = b"".join(_record(kind, data) for kind, data in book if kind == _PROPERTIES)
        sheet = struct.pack("<II", 0, 1) + _with_length("worksheet") + _with_length("Sheet1")
        sheets = _record(_SHEETS, b"") + _record(_SHEET, sheet) + _record(_SHEETS_END, b"")
        return {
            "[Content_Types].xml": b"<Types/>",
            "xl/workbook.bin": _record(_BOOK, b"") + properties + sheets + _record(_BOOK_END, b""),
            "xl/_rels/workbook.bin.rels": relations_xml(related),
        }

    def records(self, part: str, limit: int) -> Iterator[tuple[int, bytes]]:
        """The records of a part, by type."""
        data, at = b"", 0
        for piece in self.unpack(part, limit):
            data, at = data[at:] + piece, 0
            while (head := _head(data, at)) is not None:
                kind, start, length = head
                if length > LONGEST_TEXT:
                    raise too_long_cell(str(self.file))
                if start + length > len(data):
                    break
                if length < _SHORTEST.get(kind, 0):
                    raise self.damaged(f"{part} has a record that is too short")
                yield kind, data[start : start + length]
                at = start + length
        if at != len(data):
            raise self.damaged(f"{part} is cut short")


def _scan(package: BinaryPackage, sheet: Sheet) -> Scan:
    """Look through a sheet; raises SourceError for one that is over a limit."""
    strings = list(_string_lengths(package))
    dates = package.dates
    scan = Scan()
    row, is_hidden = -1, False
    for count, (kind, record) in enumerate(package.records(sheet.part, SHEET_LIMIT)):
        if kind == _ROW:
            row = int.from_bytes(record[:4], "little")
            is_hidden = bool(record[11] & _ROW_HIDDEN)
        elif kind in _CELLS and len(record) >= 4:
            if kind == _BLANK:
                continue
            column = int.from_bytes(record[:4], "little")
            scan.cells += 1
            scan.rows, scan.columns = max(scan.rows, row + 1), max(scan.columns, column + 1)
            if is_hidden:
                scan.hidden_rows.add(row, row)
                is_hidden = False
            if kind in _NUMBERS:
                style = int.from_bytes(record[4:7], "little")
                if style in dates.formats and dates.is_no_date(style, _number(kind, record)):
                    scan.special.add(row, column, BAD_DATE)
                elif (text := dates.with_zeros(style, _number(kind, record))) is not None:
                    scan.special.add(row, column, text)
            elif kind in (_ERROR, _FORMULA_ERROR):
                scan.special.add(row, column, ERRORS.get(record[_VALUE_AT], "#VALUE!"))
            elif kind == _SHARED:
                index = int.from_bytes(record[_VALUE_AT : _VALUE_AT + 4], "little")
                scan.text += strings[index] if index < len(strings) else 0
            elif kind in (_TEXT, _FORMULA_TEXT, _RICH_TEXT):
                scan.text += len(record)
        elif kind == _COLUMNS and record[16] & _COLUMN_HIDDEN:
            first, last = struct.unpack_from("<II", record)
            if first <= last < 2**14:
                scan.hidden_columns.add(first, last)
        elif kind == _MERGE:
            top, bottom, left, right = struct.unpack_from("<IIII", record)
            scan.merges.add(Merge(top, left, bottom, right))
        if count % 4096 == 0:
            check_bounds(scan, package.file)
    check_bounds(scan, package.file, whole=True)
    return scan


def _number(kind: int, record: bytes) -> float:
    if kind == _SHORT_NUMBER:
        return rk_number(record, _VALUE_AT)
    return float(struct.unpack_from("<d", record, _VALUE_AT)[0])


def rk_number(data: bytes, at: int) -> float:
    """An RkNumber ([MS-XLS] 2.5.217): a number in four bytes, in .xls and .xlsb alike.

    They are the upper 30 bits of a double, or a whole number; either may be stored times 100.
    """
    word = struct.unpack_from("<i", data, at)[0]
    if word & 2:  # fInt; else the upper bits of a double. fX100, the lowest bit: a hundredth
        number = float(word >> 2)
    else:
        number = struct.unpack("<d", struct.pack("<Q", (word & 0xFFFFFFFC) << 32))[0]
    return number / 100 if word & 1 else number


def _string_lengths(package: BinaryPackage) -> Iterable[int]:
    """The bytes of the shared strings, in order."""
    count = 0
    for kind, record in package.records(package.strings, STRINGS_LIMIT):
        if kind == _STRING:
            count += 1
            if count > STRINGS_MOST:
                raise package.over("there are more texts", STRINGS_MOST)
            yield len(record)


def _head(data: bytes, at: int) -> tuple[int, int, int] | None:
    """The type of the record at `at`, where its bytes begin, and how many they are.

    None where it is not there in full. The type has one or two bytes, the length one to four: of
    each the lower seven bits count, and the highest says that another follows ([MS-XLSB] 2.1.4).
    """
    end = len(data)
    if at + 2 > end:
        return None
    kind = data[at]
    at += 1
    if kind & 0x80:
        kind = (kind & 0x7F) | (data[at] & 0x7F) << 7
        at += 1
    length = shift = 0
    for _ in range(4):
        if at >= end:
            return None
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
        shift += 7
    return kind, at, length


def _text(record: bytes, at: int) -> tuple[str, int]:
    """The text at `at`, UTF-16 after its length, and where it ends."""
    length = int.from_bytes(record[at : at + 4], "little")
    end = at + 4 + 2 * length
    return record[at + 4 : end].decode("utf-16-le", "replace"), end


def _record(kind: int, content: bytes) -> bytes:
    """A record with its type and length."""
    head = bytes((kind,)) if kind < 0x80 else bytes((kind & 0x7F | 0x80, kind >> 7))
    length = len(content)
    while length > 0x7F:
        head += bytes((length & 0x7F | 0x80,))
        length >>= 7
    return head + bytes((length,)) + content


def _with_length(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")
