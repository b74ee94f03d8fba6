"""Old Excel workbooks (.xls), by xlrd: one sheet of one, as text.

The file is small by its format, 65,536 rows by 256 columns, and xlrd loads only the sheet that is
read, row by row as wide as each is. A formula's result always stands in such a file: one that was
never calculated has 0 or nothing there, and cannot be told from one that gave that.

A workbook's stream ([MS-XLS]) is made of substreams, one for the workbook as a whole and one for
each sheet, and each of records: a type, a length, that many bytes. xlrd stumbles over what an
import does not need (a name whose formula cannot be evaluated, drawings, conditional formats), so
all records but those of cells and formats are first given a type that nobody knows. Where xlrd
stumbles all the same, python-calamine reads the cells, and :func:`_scan_records` finds what
calamine does not tell: errors, merged and hidden cells.
"""

from __future__ import annotations

import datetime as dt
import io
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import python_calamine as calamine
import xlrd
from xlrd.biffh import XLRDError

from importer.errors import SourceError
from importer.model import BAD_DATE
from importer.settings import BATCH_ROWS
from importer.sources.compound import DAMAGE, ContainerError, as_container, damaged, workbook_stream
from importer.sources.detect import FileKind
from importer.sources.grid import TEXT_LIMIT, Merge, Scan, check_bounds, too_much_text
from importer.sources.package import MIB
from importer.sources.source import RowChunk, file_warning
from importer.sources.workbook import (
    Calendar,
    DateStyles,
    NumberFormat,
    calamine_rows,
    call_calamine,
    chosen_sheet,
    sheet_reading,
)
from importer.sources.xlsb import ERRORS, rk_number

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

# The types of records ([MS-XLS] 2.3), and the bits in them that are looked at.
_BOFS = frozenset((0x0009, 0x0209, 0x0409, 0x0809))  # of Excel 2, 3, 4, and of 5 and later
_EOF, _CONTINUE, _FILEPASS, _SST, _BOUNDSHEET = 0x0A, 0x3C, 0x2F, 0xFC, 0x85
_FORMAT, _XF, _DATEMODE = 0x41E, 0xE0, 0x22
_ROW, _COLINFO, _MERGES, _BOOLERR, _LABELSST = 0x208, 0x7D, 0xE5, 0x205, 0xFD
_NUMBER, _RK, _MULRK = 0x203, 0x27E, 0xBD
_FORMULAS = frozenset((0x06, 0x206, 0x406))
_TEXTS = frozenset((0x204, 0xD6))  # Label, RString
_KEPT = frozenset(
    (
        *(*_BOFS, _EOF, _CONTINUE, _FILEPASS, _SST, _BOUNDSHEET, _FORMAT, _XF, _DATEMODE),
        *(_ROW, _COLINFO, _MERGES, _BOOLERR, _LABELSST, _NUMBER, _RK, _MULRK),
        *(*_FORMULAS, *_TEXTS),
        *(0x42, 0x8C, 0x31, 0x231, 0x45, 0x1E, 0x43, 0x243, 0x443),  # code page, fonts, formats
        *(0x8E, 0x8F),  # sheets of Excel 4
        *(0x207, 0x07, 0x4BC, 0x221, 0x21, 0x236, 0x36, 0x37),  # what follows a formula
        *(0x03, 0x04, 0x05, 0x02, 0x08, 0x44),  # cells of Excel 2
    )
)
"""Records that an import needs."""
_UNKNOWN = 0x0FF0
"""A type that no program gives to a record: readers pass over such records."""
_WORKSHEET = 0
_SHEET_HIDDEN = 3  # hsState of BoundSheet8, byte 4: hidden or "very hidden"
_ROW_HIDDEN = 0x20  # fDyZero of Row, byte 12
_COLUMN_HIDDEN = 1  # fHidden of ColInfo, bytes 8 and 9
_WIDE_TEXT, _HAS_PHONETIC, _IS_RICH = 1, 4, 8  # of XLUnicodeRichExtendedString, its byte 2

_BLANK = (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK)
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
        book = _read_book(content, is_whole=is_whole)
    except DAMAGE as error:
        raise _unreadable(file, error) from None
    if book.is_encrypted and is_decrypted:
        raise damaged(file, "it is still encrypted once it was decrypted")
    if book.is_encrypted:
        from importer.sources.compound import OLD_SIZE_LIMIT, opened_without_password

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


def _by_xlrd(file: InputFile, content: _Book, options: SourceOptions) -> Reading:
    with xlrd.open_workbook(
        file_contents=bytes(content.stream),
        logfile=io.StringIO(),
        on_demand=True,
        formatting_info=True,
    ) as book:
        # xlrd tells what is hidden of loaded sheets only, and loads no other here.
        sheets = [
            _Sheet(name, index in content.hidden, index)
            for index, name in enumerate(book.sheet_names())
        ]
        sheet = chosen_sheet(file, sheets, options.sheet)
        page = book.sheet_by_index(sheet.index)
        scan = _scan_page(page)
        dates = _dates(book)
    check_bounds(scan, file, whole=True)
    rows = _rows(page, dates, scan.columns, file)
    return sheet_reading(file, FileKind.XLS, (sheet, sheets), rows, scan, options)


def _by_calamine(file: InputFile, content: _Book, options: SourceOptions) -> Reading:
    """The reading by python-calamine, which is less exact than xlrd and accepts more."""
    with io.BytesIO(as_container(bytes(content.stream))) as copy:
        book = call_calamine(file, lambda: calamine.CalamineWorkbook.from_filelike(copy))
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
        scan = _scan_records(content, content.sheets[sheet.index])
        check_bounds(scan, file, whole=True)
        cells = call_calamine(file, lambda: book.get_sheet_by_name(sheet.name))
    rows = calamine_rows(cells, scan, file)
    reading = sheet_reading(file, FileKind.XLS, (sheet, sheets), rows, scan, options)
    simply = file_warning(
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


def _dates(book: xlrd.Book) -> DateStyles:
    """What each style of cells makes of a number."""
    written = {key: shape.format_str or "" for key, shape in book.format_map.items()}
    numbers = [style.format_key for style in book.xf_list]
    return DateStyles.of(numbers, written, since_1904=bool(book.datemode))


def _scan_page(page: xlrd.sheet.Sheet) -> Scan:
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


def _rows(
    page: xlrd.sheet.Sheet, dates: DateStyles, width: int, file: InputFile
) -> Iterator[RowChunk]:
    total = part = first = 0
    cells: list[list[Any]] = []
    for row in range(page.nrows):
        values = [_value(cell, dates) for cell in page.row(row)][:width]
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


def _value(cell: xlrd.sheet.Cell, dates: DateStyles) -> object:
    """The value of a cell, of a type that has a text."""
    match cell.ctype:
        case xlrd.XL_CELL_TEXT:
            return str(cell.value)
        case xlrd.XL_CELL_NUMBER | xlrd.XL_CELL_DATE:
            value = float(cell.value)
            style = cell.xf_index if cell.xf_index is not None else -1
            shape = dates.formats.get(style, NumberFormat.NUMBER)
            return dates.with_zeros(style, value) or _number(value, shape, dates.calendar)
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


class _Record(NamedTuple):
    """A record's type, where it begins, and where its bytes begin and end."""

    kind: int
    at: int
    begin: int
    end: int


@dataclass(slots=True)
class _Book:
    """What the workbook's own substream says, and the stream with needless records masked.

    `sheets` are the places of the sheets of cells in the stream, in order; `hidden` are the indices
    of those that are hidden. `formats` are the codes of number formats by their numbers, `styles`
    the formats' numbers of cells by their style. `strings` counts the shared strings, `longest` is
    the longest, in bytes. `lacks_strings` says that a cell has one that is not there: xlrd may take
    the last for the one before the first.
    """

    stream: bytearray
    sheets: list[int] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    is_encrypted: bool = False
    since_1904: bool = False
    strings: int = 0
    longest: int = 0
    lacks_strings: bool = False
    formats: dict[int, str] = field(default_factory=dict)
    styles: list[int] = field(default_factory=list)
    _dates: DateStyles | None = None

    def dates(self) -> DateStyles:
        """The styles of cells that make numbers dates."""
        if self._dates is None:
            self._dates = DateStyles.of(self.styles, self.formats, since_1904=self.since_1904)
        return self._dates

    @property
    def is_excel_5(self) -> bool:
        """Whether Excel 5 or a later one wrote it, which have the sheets one after the other."""
        return self.stream[:2] == b"\x09\x08"

    @property
    def is_unicode(self) -> bool:
        """Whether Excel 97 or a later one could have written it."""
        return self.stream[4:6] == b"\0\6"


def _read_book(content: bytes, *, is_whole: bool) -> _Book:
    """Look through a workbook's stream, and mend what can be mended.

    A count of shared strings that is too high is made the true one. A sheet without an end is given
    one where the stream `is_whole`, as long as its container says: nothing was cut off. Raises
    struct.error for records that are cut short.
    """
    book = _Book(bytearray(content))
    strings: list[tuple[int, int]] = []
    last = 0
    for record in _records(book.stream, 0):
        if record.kind == _BOUNDSHEET and book.is_excel_5 and record.end - record.begin >= 6:
            place, state, kind = struct.unpack_from("<IBB", book.stream, record.begin)
            if kind == _WORKSHEET:
                if state & _SHEET_HIDDEN:
                    book.hidden.add(len(book.sheets))
                book.sheets.append(place)
        elif record.kind == _FILEPASS:
            book.is_encrypted = True
            return book
        elif record.kind == _SST or (record.kind == _CONTINUE and last == _SST):
            strings.append((record.begin, record.end))
            last = _SST
            continue
        elif record.kind == _DATEMODE:
            book.since_1904 = book.stream[record.begin : record.begin + 1] == b"\1"
        elif record.kind == _FORMAT:
            _learn_format(book, record)
        elif record.kind == _XF and record.end - record.begin >= 4:
            book.styles.append(struct.unpack_from("<H", book.stream, record.begin + 2)[0])
        last = record.kind
    if strings:
        _mend_strings(book, strings)
    if not book.is_excel_5:
        return book  # before Excel 5, sheets stand one within the other
    for place in {0, *book.sheets}:
        if int.from_bytes(book.stream[place : place + 2], "little") in _BOFS:
            _mask(book, place, is_whole=is_whole)
    return book


def _records(stream: bytearray, at: int) -> Iterator[_Record]:
    """The records of the substream that begins there, to its end or the stream's."""
    depth = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        record = _Record(kind, at, at + 4, at + 4 + length)
        yield record
        at = record.end
        depth += (kind in _BOFS) - (kind == _EOF)
        if depth <= 0:
            return


def _mask(book: _Book, place: int, *, is_whole: bool) -> None:
    """Give each record that is not needed the type `_UNKNOWN`, and so charts within the sheet."""
    stream = book.stream
    depth, record = 0, None
    for record in _records(stream, place):
        depth += record.kind in _BOFS
        if record.kind not in _KEPT or depth > 1:
            struct.pack_into("<H", stream, record.at, _UNKNOWN)
        elif record.kind == _LABELSST:
            book.lacks_strings |= _string_of(stream, record) >= book.strings
        depth -= record.kind == _EOF
    if record is not None and depth == 1 and is_whole and record.end == len(stream):
        stream += struct.pack("<HH", _EOF, 0)


def _string_of(stream: bytearray, record: _Record) -> int:
    """The number of the shared string that a cell holds."""
    if record.end - record.begin < 10 or record.end > len(stream):
        return 2**32
    return int.from_bytes(stream[record.begin + 6 : record.begin + 10], "little")


def _learn_format(book: _Book, record: _Record) -> None:
    """Take in a number format: its number, and its text after its length."""
    data = bytes(book.stream[record.begin : record.end])
    if len(data) < 5:
        return
    if not book.is_unicode:
        number, length = struct.unpack_from("<HB", data)
        book.formats[number] = data[3 : 3 + length].decode("latin-1")
        return
    number, length, wide = struct.unpack_from("<HHB", data)
    text = data[5 : 5 + length * (2 if wide & 1 else 1)]
    book.formats[number] = text.decode("utf-16-le" if wide & 1 else "latin-1", "replace")


def _mend_strings(book: _Book, parts: list[tuple[int, int]]) -> None:
    """Count the shared strings; the table may claim more than it has."""
    begin, end = parts[0]
    if end - begin < 8:
        return
    claimed = struct.unpack_from("<I", book.stream, begin + 4)[0]
    table = _Strings(book.stream, [(begin + 8, end), *parts[1:]])
    count = 0
    while count < claimed and (length := table.skip()) is not None:
        book.longest = max(book.longest, length)
        count += 1
    book.strings = count
    struct.pack_into("<I", book.stream, begin + 4, count)


class _Strings:
    """The shared strings, over the records that hold them ([MS-XLS] 2.5.293).

    A string may go on in the next record, which then begins with a new flag of its width.
    """

    def __init__(self, stream: bytearray, parts: list[tuple[int, int]]) -> None:
        self._stream = stream
        self._parts = parts
        self._part = 0
        self._at = parts[0][0]

    def skip(self) -> int | None:
        """Go past one string; its bytes, or None where it is not there in full."""
        if (head := self._take(3)) is None:
            return None
        length, flags = struct.unpack("<HB", head)
        runs, phonetic = 0, 0
        if flags & _IS_RICH:
            if (field := self._take(2)) is None:
                return None
            runs = struct.unpack("<H", field)[0]
        if flags & _HAS_PHONETIC:
            if (field := self._take(4)) is None:
                return None
            phonetic = struct.unpack("<I", field)[0]
        size, left = 0, length
        while left:
            width = 2 if flags & _WIDE_TEXT else 1
            if (room := (self._parts[self._part][1] - self._at) // width) == 0:
                if not self._next():
                    return None
                flags = self._stream[self._at] if self._at < self._parts[self._part][1] else 0
                self._at += 1
                continue
            taken = min(room, left)
            self._at += taken * width
            size, left = size + taken * width, left - taken
        return size if self._pass(4 * runs + phonetic) else None

    def _next(self) -> bool:
        if self._part + 1 == len(self._parts):
            return False
        self._part += 1
        self._at = self._parts[self._part][0]
        return True

    def _take(self, count: int) -> bytes | None:
        """The next bytes, which never are divided between records."""
        while self._at >= self._parts[self._part][1]:
            if not self._next():
                return None
        if self._at + count > self._parts[self._part][1]:
            return None
        self._at += count
        return bytes(self._stream[self._at - count : self._at])

    def _pass(self, count: int) -> bool:
        """Go past so many bytes, over as many records as they take."""
        while count > (room := self._parts[self._part][1] - self._at):
            count -= max(room, 0)
            if not self._next():
                return False
        self._at += count
        return True


def _scan_records(book: _Book, place: int) -> Scan:
    """What calamine does not tell about the sheet at this place of the stream."""
    scan = Scan()
    hidden: set[int] = set()
    stream = book.stream
    for record in _records(stream, place):
        size = record.end - record.begin
        if record.kind == _ROW and size >= 14:
            if stream[record.begin + 12] & _ROW_HIDDEN:
                hidden.add(struct.unpack_from("<H", stream, record.begin)[0])
        elif record.kind == _COLINFO and size >= 10:
            first, last, _, _, flags = struct.unpack_from("<HHHHH", stream, record.begin)
            if flags & _COLUMN_HIDDEN and first <= last:
                scan.hidden_columns.add(first, last)
        elif record.kind == _MERGES and size >= 2:
            count = min(struct.unpack_from("<H", stream, record.begin)[0], (size - 2) // 8)
            for n in range(count):
                top, bottom, left, right = struct.unpack_from(
                    "<HHHH", stream, record.begin + 2 + 8 * n
                )
                scan.merges.add(Merge(top, left, bottom, right))
        else:
            for row, column, text in _cells(book, record):
                scan.cells += 1
                scan.rows, scan.columns = max(scan.rows, row + 1), max(scan.columns, column + 1)
                scan.shared += record.kind == _LABELSST
                if row in hidden:
                    hidden.discard(row)
                    scan.hidden_rows.add(row, row)
                if text is not None:
                    scan.special.add(row, column, text)
    scan.text = scan.shared * book.longest
    return scan


def _cells(book: _Book, record: _Record) -> Iterator[tuple[int, int, str | None]]:
    """The cells that a record holds: row, column, and the text where it is a special one."""
    data = bytes(book.stream[record.begin : record.end])
    kind = record.kind
    if len(data) < 6:
        return
    row, column, style = struct.unpack_from("<HHH", data)
    if kind == _BOOLERR and len(data) >= 8:
        yield row, column, ERRORS.get(data[6], "#VALUE!") if data[7] else None
    elif kind in _FORMULAS and len(data) >= 14:
        if data[12:14] != b"\xff\xff":
            number = struct.unpack_from("<d", data, 6)[0]
            yield row, column, _special_number(book, style, number)
        else:
            yield row, column, ERRORS.get(data[8], "#VALUE!") if data[6] == 2 else None
    elif kind == _NUMBER and len(data) >= 14:
        yield row, column, _special_number(book, style, struct.unpack_from("<d", data, 6)[0])
    elif kind == _RK and len(data) >= 10:
        yield row, column, _special_number(book, style, rk_number(data, 6))
    elif kind == _MULRK:
        for n in range((len(data) - 6) // 6):
            style = struct.unpack_from("<H", data, 4 + 6 * n)[0]
            yield row, column + n, _special_number(book, style, rk_number(data, 6 + 6 * n))
    elif kind == _LABELSST:
        is_there = _string_of(book.stream, record) < book.strings
        yield row, column, None if is_there else "#VALUE!"
    elif kind in _TEXTS:
        yield row, column, None


def _special_number(book: _Book, style: int, number: float) -> str | None:
    """What stands for a number that its format makes no day, or shows with zeros at its front."""
    dates = book.dates()
    return BAD_DATE if dates.is_no_date(style, number) else dates.with_zeros(style, number)
