"""OpenDocument spreadsheets (.ods; ODF 1.3, part 3): one sheet of one, as text.

A repeated cell or row stands once in such a file with the number of its repetitions, so a few
bytes may mean 17 thousand million cells. Workbook libraries write them all out. Here the XML is
gone through twice, as a stream: once to see what there is, and once for the rows of the sheet that
is read, which are repeated only as far as they hold something. It may declare no entities.

Only what stands in a cell itself is its text: comments, drawings and charts are left out. Numbers,
dates and times are read as they are stored, not as they are shown, but for zeros at the front of
whole numbers; errors are only shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from importer.errors import SourceError
from importer.model import BAD_DATE, EMPTY_FORMULA, ERROR_TEXTS, column_letters
from importer.settings import BATCH_ROWS
from importer.sources.detect import FileKind
from importer.sources.grid import LONGEST_CELL, Hidden, Merge, Scan, check_bounds, too_long_cell
from importer.sources.package import MIB, PART_LIMIT, SHEET_LIMIT, Archive
from importer.sources.source import Reading, RowChunk
from importer.sources.workbook import cell_text, chosen_sheet, sheet_reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from importer.settings import SourceOptions
    from importer.sources.inputfile import InputFile

_PART_TEXT = 8 * MIB
"""Characters of the rows that are given together."""
_LONGEST_TOKEN = 16 * 2**20
"""Bytes of one tag; the parser holds it whole."""

# Names of tags and attributes as expat gives them: namespace, a space, and the local name.
_O = "urn:oasis:names:tc:opendocument:xmlns:"
_OFFICE, _TABLE, _TEXT, _STYLE = (
    f"{_O}{name}:1.0 " for name in ("office", "table", "text", "style")
)
_CELLS = {_TABLE + "table-cell", _TABLE + "covered-table-cell"}
_NOT_THE_CELL = {_OFFICE + "annotation", _TABLE + "shapes"}
_DRAWING = f"{_O}drawing:1.0 "
_ROW, _TABLE_TAG, _COLUMN = _TABLE + "table-row", _TABLE + "table", _TABLE + "table-column"
_PARAGRAPH, _SPACES = _TEXT + "p", _TEXT + "s"
_SIGNS = {_TEXT + "tab": "\t", _TEXT + "line-break": "\n"}
# Lengths of time and dates of XML Schema.
_TIME = re.compile(r"(-?)P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d+))?S)?")
_OTHER_YEAR = re.compile(r"-|\+?[0-9]{5,}-")
"""The year of a date before our calendar or after 9999 (xsd:date of XML Schema)."""
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:[.,]\d+)?)?")
_FIRST_DAY = "1899-12-31"
"""The day of the number 1; what is before it is 0 or a negative number in a date format."""
_DIVIDERS = re.compile("[ /()\xa0-]")
"""What may stand between the digits of a number that is a code or a phone."""
_MOST_REPEATED = 2**24
"""What more repetitions are taken for: it is beyond all limits of a sheet."""


def open_opendocument(file: InputFile, options: SourceOptions) -> Reading:
    """Open a sheet of a document: the one the options name, or the first visible one."""
    archive = Archive(file)
    try:
        _refuse_encrypted(archive)
        sheets, scans = _scan_sheets(archive)
        sheet = chosen_sheet(file, sheets, options.sheet)
        scan = scans[sheet.index]
        scan.linked = any(each.linked for each in scans)
        check_bounds(scan, file, whole=True)
        rows = _rows(archive, sheet.index, scan.columns)
        reading = sheet_reading(file, FileKind.ODS, (sheet, sheets), rows, scan, options)
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


def _scan_sheets(archive: Archive) -> tuple[list[OdsTable], list[Scan]]:
    """The sheets, and what is in each."""
    sheets: list[OdsTable] = []
    scans: list[Scan] = []
    for event in _tables(archive, SHEET_LIMIT):
        match event:
            case OdsTable():
                sheets.append(event)
                scans.append(Scan(hidden_columns=event.hidden_columns))
            case OdsRow():
                _add(scans[-1], event)
    return sheets, scans


def _add(scan: Scan, row: OdsRow) -> None:
    scan.linked |= row.linked
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
    for event in _tables(archive, SHEET_LIMIT):
        if isinstance(event, OdsTable):
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


@dataclass(frozen=True, slots=True)
class OdsTable:
    """A sheet begins; its hidden columns are filled in before its first row is given."""

    name: str
    hidden: bool
    index: int
    hidden_columns: Hidden = field(default_factory=Hidden)


@dataclass(frozen=True, slots=True)
class OdsRow:
    """A row of the sheet that began last, `number` from 0, and how often it is there.

    `cells` are those that are not blank: column, text, and how often each is there. `merges` are
    column, height and width. `linked` says that a formula names another file.
    """

    number: int
    repeated: int
    hidden: bool
    cells: list[tuple[int, str, int]]
    merges: list[tuple[int, int, int]]
    linked: bool


def _tables(archive: Archive, limit: int) -> Iterator[OdsTable | OdsRow]:
    """The sheets and their rows, in order; `limit` bounds the XML, in bytes.

    Raises SourceError for a document that is damaged, declares entities, or is over a limit.
    """
    reader = _Reader(archive)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.doctype
    fed = 0
    try:
        for piece in archive.unpack("content.xml", limit):
            parser.Parse(piece, False)
            fed += len(piece)
            if fed - parser.CurrentByteIndex > _LONGEST_TOKEN:
                raise too_long_cell(str(archive.file))
            yield from reader.taken()
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise archive.damaged(f"content.xml: {error}") from None
    yield from reader.taken()


class _Reader:
    """What the parser calls; it gathers tables and rows."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._events: list[OdsTable | OdsRow] = []
        self._hidden_styles: set[str] = set()
        self._style = ""
        self._tables = 0
        self._depth = 0  # within something that is not the cell itself
        self._table: OdsTable | None = None
        self._row = 0
        self._column = 0
        self._about_row: Mapping[str, str] = {}
        self._cells: list[tuple[int, str, int]] = []
        self._merges: list[tuple[int, int, int]] = []
        self._linked = False
        self._cell: dict[str, str] | None = None
        self._text: list[str] = []
        self._length = 0
        self._paragraphs = 0
        self._in_paragraph = 0

    def taken(self) -> list[OdsTable | OdsRow]:
        """What was gathered since this was last asked for."""
        events, self._events = self._events, []
        return events

    def doctype(self, *_: object) -> None:
        """Refuse what could declare entities: no spreadsheet program writes it."""
        raise self._archive.damaged("content.xml holds a document type declaration")

    def characters(self, text: str) -> None:
        if self._in_paragraph and not self._depth:
            self._add(text)

    def _add(self, text: str) -> None:
        self._text.append(text)
        self._length += len(text)
        if self._length > LONGEST_CELL:
            raise self._too_long()

    def start(self, tag: str, given: dict[str, str]) -> None:
        if self._depth or tag in _NOT_THE_CELL or tag.startswith(_DRAWING):
            self._depth += 1
        elif tag in _CELLS:
            self._cell, self._text, self._length, self._paragraphs = given, [], 0, 0
        elif tag == _PARAGRAPH and self._cell is not None:
            if self._paragraphs:
                self._add("\n")
            self._paragraphs += 1
            self._in_paragraph += 1
        elif tag == _SPACES and self._in_paragraph:
            self._add(" " * min(_count(given.get(_TEXT + "c")), LONGEST_CELL + 1))
        elif tag in _SIGNS and self._in_paragraph:
            self._add(_SIGNS[tag])
        elif tag == _ROW:
            self._about_row, self._column = given, 0
            self._cells, self._merges, self._linked = [], [], False
        elif tag == _COLUMN:
            self._hide_column(given)
        elif tag == _TABLE_TAG:
            self._begin_table(given)
        elif tag == _STYLE + "style":
            self._style = given.get(_STYLE + "name", "")
        elif tag == _STYLE + "table-properties" and given.get(_TABLE + "display") == "false":
            self._hidden_styles.add(self._style)

    def end(self, tag: str) -> None:
        if self._depth:
            self._depth -= 1
        elif tag in _CELLS:
            self._end_cell()
        elif tag == _PARAGRAPH and self._in_paragraph:
            self._in_paragraph -= 1
        elif tag == _ROW:
            given = self._about_row
            repeated = _count(given.get(_TABLE + "number-rows-repeated"))
            hidden = given.get(_TABLE + "visibility", "visible") != "visible"
            if self._cells or self._merges:
                self._events.append(
                    OdsRow(self._row, repeated, hidden, self._cells, self._merges, self._linked)
                )
            self._row += repeated

    def _too_long(self) -> SourceError:
        sheet = self._table.name if self._table is not None else ""
        cell = f"{column_letters(self._column)}{self._row + 1}"
        return too_long_cell(f"{self._archive.file}: sheet {sheet!r}", cell)

    def _begin_table(self, given: Mapping[str, str]) -> None:
        hidden = given.get(_TABLE + "style-name") in self._hidden_styles
        self._table = OdsTable(given.get(_TABLE + "name", ""), hidden, self._tables)
        self._events.append(self._table)
        self._tables += 1
        self._row = self._column = 0

    def _hide_column(self, given: Mapping[str, str]) -> None:
        repeated = _count(given.get(_TABLE + "number-columns-repeated"))
        if given.get(_TABLE + "visibility", "visible") != "visible" and self._table is not None:
            self._table.hidden_columns.add(self._column, self._column + repeated - 1)
        self._column += repeated

    def _end_cell(self) -> None:
        given, self._cell, self._in_paragraph = self._cell or {}, None, 0
        repeated = _count(given.get(_TABLE + "number-columns-repeated"))
        formula = given.get(_TABLE + "formula")
        if text := _value(given, "".join(self._text), formula is not None):
            if len(text) > LONGEST_CELL:
                raise self._too_long()
            self._cells.append((self._column, text, repeated))
        if formula is not None and "'file:" in formula:
            self._linked = True
        width = _count(given.get(_TABLE + "number-columns-spanned"))
        height = _count(given.get(_TABLE + "number-rows-spanned"))
        if width > 1 or height > 1:
            self._merges.append((self._column, height, width))
        self._column += repeated


def _count(text: str | None) -> int:
    """A number of repetitions; 1 where there is none, or none that makes sense."""
    if text is None or len(text) > 9 or not (text.isascii() and text.isdigit()):
        return 1 if text is None or len(text) <= 9 else _MOST_REPEATED
    return min(max(int(text), 1), _MOST_REPEATED)


def _value(given: Mapping[str, str], shown: str, is_formula: bool) -> str:
    """The text of a cell, given its attributes and what it shows."""
    kind = given.get(_OFFICE + "value-type")
    if is_formula:
        if shown in ERROR_TEXTS:
            return shown
        if kind is None and not shown:
            return EMPTY_FORMULA
    match kind:
        case "float" | "percentage" | "currency":
            try:
                number = cell_text(float(given[_OFFICE + "value"]))
                return _with_zeros(shown, number) if kind == "float" else number
            except (KeyError, ValueError):
                return shown
        case "date":
            value = given.get(_OFFICE + "date-value", "")
            if _OTHER_YEAR.match(value):
                return BAD_DATE
            found = _DATE.fullmatch(value)
            if found is None:
                return shown
            day = " ".join(part for part in found.groups() if part)
            return day if day >= _FIRST_DAY else BAD_DATE
        case "time":
            return _time(given.get(_OFFICE + "time-value", "")) or shown
        case "boolean":
            return given.get(_OFFICE + "boolean-value", shown).upper()
        case "string":
            return given.get(_OFFICE + "string-value") or shown
        case _:
            return shown


def _with_zeros(shown: str, number: str) -> str:
    """A whole number with the zeros that its cell shows at its front, as of a post code."""
    digits = _DIVIDERS.sub("", shown)
    whole = digits.isascii() and digits.isdigit() and digits.startswith("0")
    return digits if whole and number.isdigit() and int(digits) == int(number) else number


def _time(value: str) -> str | None:
    """``PT26H05M06S`` as 26:05:06; times of day and lengths of time look alike in the file."""
    found = _TIME.fullmatch(value)
    if found is None or len(value) > 40:
        return None
    sign, days, hours, minutes, seconds, part = found.groups()
    total = (int(days or 0) * 24 + int(hours or 0)) * 3600 + int(minutes or 0) * 60
    total += int(seconds or 0) + ((part or "0") >= "5")
    return f"{sign}{total // 3600:02}:{total // 60 % 60:02}:{total % 60:02}"
