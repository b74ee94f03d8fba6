"""The records of an old Excel workbook ([MS-XLS]), before a library reads them.

A workbook's stream is made of substreams, one for the workbook as a whole and one for each sheet,
and each of records: a type, a length, that many bytes. xlrd stumbles over what an import does not
need (a name whose formula cannot be evaluated, drawings, conditional formats), so all records but
those of cells and formats are made ones that nobody knows. Where xlrd stumbles all the same,
python-calamine reads the cells, and :func:`scan_records` tells what calamine does not.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from importer.model import BAD_DATE
from importer.sources.celltext import DateStyles
from importer.sources.grid import Merge, Scan
from importer.sources.xlsb import ERRORS, short_number

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOFS = frozenset((0x0009, 0x0209, 0x0409, 0x0809))
_EOF, _CONTINUE, _FILEPASS, _SST, _BOUNDSHEET = 0x0A, 0x3C, 0x2F, 0xFC, 0x85
_FORMAT, _XF, _DATEMODE = 0x41E, 0xE0, 0x22
_ROW, _COLINFO, _MERGES, _BOOLERR, _LABELSST = 0x208, 0x7D, 0xE5, 0x205, 0xFD
_NUMBER, _RK, _MULRK = 0x203, 0x27E, 0xBD
_FORMULAS = frozenset((0x06, 0x206, 0x406))
_TEXTS = frozenset((0x204, 0xD6))
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
"""What an import needs to know."""
_UNKNOWN = 0x0FF0
_WORKSHEET = 0


class Record(NamedTuple):
    """A record's type, where it begins, and where its bytes begin and end."""

    kind: int
    at: int
    begin: int
    end: int


@dataclass(slots=True)
class Book:
    """What the workbook's own substream says, and the stream with the rest made unknown.

    `sheets` are the places of the sheets of cells in the stream, in order. `formats` are the codes
    of number formats by their numbers, `styles` the formats' numbers of cells by their style.
    `strings` counts the shared strings, `longest` is the longest, in bytes. `lacks_strings` says
    that a cell has one that is not there: xlrd may take the last for the one before the first.
    """

    stream: bytearray
    sheets: list[int] = field(default_factory=list)
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
    def is_unicode(self) -> bool:
        """Whether Excel 97 or a later one could have written it."""
        return self.stream[4:6] == b"\0\6"


def read_book(content: bytes, *, is_whole: bool) -> Book:
    """Look through a workbook's stream, and mend what can be mended.

    A count of shared strings that is too high is made the true one. A sheet without an end is given
    one where the stream `is_whole`, as long as its container says: nothing was cut off. Raises
    struct.error for records that are cut short.
    """
    book = Book(bytearray(content))
    strings: list[tuple[int, int]] = []
    last = 0
    for record in _records(book.stream, 0):
        if record.kind == _BOUNDSHEET and record.end - record.begin >= 6:
            place, kind = struct.unpack_from("<IxB", book.stream, record.begin)
            if kind == _WORKSHEET:
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
    if book.stream[:2] != b"\x09\x08":
        return book  # before Excel 5, sheets stand one within the other
    for place in {0, *book.sheets}:
        if int.from_bytes(book.stream[place : place + 2], "little") in _BOFS:
            _mask(book, place, is_whole=is_whole)
    return book


def _records(stream: bytearray, at: int) -> Iterator[Record]:
    """The records of the substream that begins there, to its end or the stream's."""
    depth = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        record = Record(kind, at, at + 4, at + 4 + length)
        yield record
        at = record.end
        depth += (kind in _BOFS) - (kind == _EOF)
        if depth <= 0:
            return


def _mask(book: Book, place: int, *, is_whole: bool) -> None:
    """Make unknown what is not needed, charts within the sheet too."""
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


def _string_of(stream: bytearray, record: Record) -> int:
    """The number of the shared string that a cell holds."""
    if record.end - record.begin < 10 or record.end > len(stream):
        return 2**32
    return int.from_bytes(stream[record.begin + 6 : record.begin + 10], "little")


def _learn_format(book: Book, record: Record) -> None:
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


def _mend_strings(book: Book, parts: list[tuple[int, int]]) -> None:
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
        rich, more = 0, 0
        if flags & 8:
            if (field := self._take(2)) is None:
                return None
            rich = struct.unpack("<H", field)[0]
        if flags & 4:
            if (field := self._take(4)) is None:
                return None
            more = struct.unpack("<I", field)[0]
        size, left = 0, length
        while left:
            width = 2 if flags & 1 else 1
            if (room := (self._parts[self._part][1] - self._at) // width) == 0:
                if not self._next():
                    return None
                flags = self._stream[self._at] if self._at < self._parts[self._part][1] else 0
                self._at += 1
                continue
            taken = min(room, left)
            self._at += taken * width
            size, left = size + taken * width, left - taken
        return size if self._pass(4 * rich + more) else None

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


def scan_records(book: Book, place: int) -> Scan:
    """What is in the sheet at this place of the stream, as far as calamine does not tell."""
    scan = Scan()
    special: list[tuple[int, int, str]] = []
    hidden: set[int] = set()
    stream = book.stream
    for record in _records(stream, place):
        size = record.end - record.begin
        if record.kind == _ROW and size >= 14:
            if stream[record.begin + 12] & 0x20:
                hidden.add(struct.unpack_from("<H", stream, record.begin)[0])
        elif record.kind == _COLINFO and size >= 10:
            first, last, _, _, flags = struct.unpack_from("<HHHHH", stream, record.begin)
            if flags & 1 and first <= last:
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
                    special.append((row, column, text))
    scan.text = scan.shared * book.longest
    scan.special = tuple(sorted(special))
    return scan


def _cells(book: Book, record: Record) -> Iterator[tuple[int, int, str | None]]:
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
            yield row, column, _unless_date(book, style, number)
        else:
            yield row, column, ERRORS.get(data[8], "#VALUE!") if data[6] == 2 else None
    elif kind == _NUMBER and len(data) >= 14:
        yield row, column, _unless_date(book, style, struct.unpack_from("<d", data, 6)[0])
    elif kind == _RK and len(data) >= 10:
        yield row, column, _unless_date(book, style, short_number(data, 6))
    elif kind == _MULRK:
        for n in range((len(data) - 6) // 6):
            style = struct.unpack_from("<H", data, 4 + 6 * n)[0]
            yield row, column + n, _unless_date(book, style, short_number(data, 6 + 6 * n))
    elif kind == _LABELSST:
        is_there = _string_of(book.stream, record) < book.strings
        yield row, column, None if is_there else "#VALUE!"
    elif kind in _TEXTS:
        yield row, column, None


def _unless_date(book: Book, style: int, number: float) -> str | None:
    """What stands for a number that its format makes a date which does not exist."""
    return BAD_DATE if book.dates().is_no_date(style, number) else None
