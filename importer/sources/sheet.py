"""What a sheet's XML says that the workbook library does not.

The library gives a blank both for an error cell and for a formula without a stored value, cannot
read a sheet with an error it does not know (``#SPILL!``), and makes room for every cell between
the outermost ones, so that two cells far apart would take all memory. So the sheet is looked
through first: the extent of its cells, its error cells, its formulas without a value.

It is no XML parser: cells are found by their tags, in pieces that end at a row's end. Sheets as
spreadsheet programs write them (each cell is ``<c r="A1"…``) are measured by array operations;
a piece with anything else in it (cells without ``r``, prefixes, comments, other quotes) is read tag
by tag, which is slower. Columns and rows count from 0 here, as in the library.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from importer.model import BAD_DATE, EMPTY_FORMULA
from importer.sources.aside import after_cells, before_cells, hidden_rows
from importer.sources.bounds import check_bounds
from importer.sources.celltext import NumberFormat
from importer.sources.extent import plain_extent
from importer.sources.grid import Scan
from importer.sources.wholetags import check_end, is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from importer.errors import SourceError
    from importer.sources.celltext import DateStyles
    from importer.sources.package import Package

LONGEST_ROW = 64 * 2**20
"""Bytes of XML."""

LONGEST_HEAD = 64 * 2**10
"""Bytes of XML before the first row that are kept."""

KNOWN_ERRORS = frozenset(b"#NULL! #DIV/0! #VALUE! #REF! #NAME? #NUM! #N/A".split())
"""Errors that the workbook library understands; others stop it."""

_FURTHEST_START = 8 * 2**20
"""Bytes of XML before the cells; honest ones are columns and their widths."""
_START = re.compile(rb"<(?P<prefix>[\w.-]+:)?sheetData(?:\s[^<>]*?)?(?P<end>/?)>")
_CELL = re.compile(
    rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|</(?:[^\s<>/:=\"']+:)?(?P<closed>c)\s*>"
    rb"|<(?:[^\s<>/:=\"']+:)?(?P<tag>row|c)(?P<attributes>\s[^<>]*?)?(?P<empty>/)?>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"(?<![\w:.-])([rst])\s*=\s*[\"']([^\"']*)[\"']")
_REFERENCE = re.compile(rb"([A-Za-z]{1,3})([0-9]{1,7})$")
_HAS_TEXT = re.compile(rb"""t\s*=\s*["'](?:inlineStr|str|d)["']""")
_FORMULA = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")
_VALUE = re.compile(rb"<(?:[\w.-]+:)?v(?:\s[^<>]*)?(?:/>|>([^<]*(?:<![^<]*)*)</(?:[\w.-]+:)?v\s*>)")
_LAST_ROW = re.compile(rb'<row r="([0-9]{1,7})"')
_ERROR_VALUE = re.compile(
    rb"(<(?:[\w.-]+:)?c\s(?>[^<>]*?\bt\s*=\s*[\"']e[\"'])[^<>]*(?<!/)>"
    rb"(?:(?!</?(?:[\w.-]+:)?c[\s/>]).)*?<(?:[\w.-]+:)?v(?:\s[^<>]*)?>)([^<]*)",
    re.DOTALL,
)
_UNDATED = re.compile(rb"<v>(?:-|0[.<]|60[.<]|[0-9]{7}|[0-9.]+[eE])")
"""In a plain piece: the beginnings of numbers that may be no day of a calendar."""
_STYLED = re.compile(
    rb"(?P<before>(?P<tag><(?:[\w.-]+:)?c\s[^<>]*\bs\s*=[^<>]*(?<!/)>)"
    rb"(?:(?!</?(?:[\w.-]+:)?c[\s/>]).)*?<(?:[\w.-]+:)?v(?:\s[^<>]*)?>)\s*(?P<value>[^<\s]+)",
    re.DOTALL,
)
_NO_VALUE = rb"\s*(?:<v(?:\s[^<>]*)?(?:/>|>\s*</v\s*>)\s*)?</c\s*>"
_SUSPECT = (
    re.compile(rb'<c [^<>]*?t="e"'),
    re.compile(rb"</f\s*>" + _NO_VALUE),
    re.compile(rb"<f(?:\s[^<>]*)?/>" + _NO_VALUE),
)
"""In a plain piece: error cells, and formulas followed by no value."""
_NO_INDEX = (
    rb"\s*(?:<(?:[\w.-]+:)?f(?:\s[^<>]*)?(?:/>|>[^<]*</(?:[\w.-]+:)?f\s*>)\s*)?"
    rb"<(?:[\w.-]+:)?v(?:\s[^<>]*)?>(?!\s*<|[0-9]+<)"
)
_NO_SHARED = re.compile(rb't="s"[^<>]*>' + _NO_INDEX), re.compile(_NO_INDEX)
"""A cell, and the inside of one, with a shared string that has no number: the library would give
the first of all strings, which is another person's."""


def scan_sheet(pieces: Iterable[bytes], package: Package) -> Scan:
    """Look through the sheet whose XML is given in pieces; all pieces are taken.

    Raises SourceError for a sheet over a limit, or one that is no sheet.
    """
    scan = Scan()
    special: list[tuple[int, int, str]] = []
    row = -1
    for part in whole_rows(pieces, package, scan):
        last_row = _LAST_ROW.search(part, max(part.rfind(b"<row "), 0))
        if last_row and b"</c" not in part and b":c" not in part:
            # No cell here has an end, so none holds anything: formats below the data, most likely.
            row = int(last_row[1]) - 1
            continue
        extent = plain_extent(part)
        if b"hidden=" in part:
            hidden_rows(part, row, scan.hidden_rows)
        if extent is None:
            if not is_whole(part):
                raise package.damaged("the sheet has tags that no program writes")
            found, row = _by_tags(part, row, package)
        else:
            found = Scan(extent.rows, extent.columns, extent.cells, shared=part.count(b't="s"'))
            _find_special(part, found, extent.has_errors, package.dates)
            if _NO_SHARED[0].search(part):
                raise _no_shared(package)
            if last_row:
                row = int(last_row[1]) - 1
        special += found.special
        scan.unknown_errors = scan.unknown_errors or found.unknown_errors
        scan.undated = scan.undated or found.undated
        take_in(part, found, scan)
        check_bounds(scan, package.file)
    scan.special = tuple(sorted(special))
    check_bounds(scan, package.file, whole=True)
    return scan


def take_in(part: bytes, found: Scan, scan: Scan) -> None:
    """Add what was found in a piece to what was found before it: extent, cells and text."""
    scan.rows = max(scan.rows, found.rows)
    scan.columns = max(scan.columns, found.columns)
    scan.cells += found.cells
    scan.shared += found.shared
    # Besides its text, a cell takes this much at least; numbers in it are not text.
    scan.text += max(len(part) - 32 * found.cells, 0) if _HAS_TEXT.search(part) else 0


def special_text(cell: bytes) -> str | None:
    """The text of an error cell, or of a formula without a stored value; None for other cells.

    The cell is given as it stands after its reference, in a plain sheet.
    """
    tag_end = cell.index(b">")
    attributes = dict(_ATTRIBUTE.findall(cell, 0, tag_end))
    return _special_text(attributes, cell[tag_end + 1 : -len(b"</c>")], Scan())


def with_known_error(cell: bytes) -> bytes:
    """The same cell, given as it stands after its reference, with an error the library knows."""
    return _ERROR_VALUE.sub(rb"\1#N/A", b"<c" + cell)[len(b"<c") :] if b'="e"' in cell else cell


def with_known_values(pieces: Iterable[bytes], package: Package) -> Iterator[bytes]:
    """The same cells as a sheet whose every error and date is one that the library knows."""
    yield b"<worksheet><sheetData>"
    for part in whole_rows(pieces, package, Scan()):
        known = _ERROR_VALUE.sub(rb"\1#N/A", part)
        yield _STYLED.sub(lambda cell: _dated(cell, package.dates), known)
    yield b"</sheetData></worksheet>"


def _dated(cell: re.Match[bytes], dates: DateStyles) -> bytes:
    """A cell with a number, made 1 where its format makes it a date that does not exist."""
    attributes = dict(_ATTRIBUTE.findall(cell["tag"]))
    if attributes.get(b"t", b"n") != b"n":
        return cell[0]
    bad = _undated(attributes.get(b"s", b"0"), cell["value"], Scan(), dates)
    return cell[0] if bad is None else cell["before"] + b"1"


def whole_rows(pieces: Iterable[bytes], package: Package, scan: Scan) -> Iterator[bytes]:
    """The inside of ``sheetData`` in pieces that end where a row does.

    What stands before and after it, columns and merged cells, goes into `scan`.
    """
    stream = iter(pieces)
    start, head = None, b""
    for piece in stream:
        head += piece
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise package.damaged("the sheet is not UTF-8")
        if (start := _START.search(head)) is not None or len(head) > _FURTHEST_START:
            break
    if start is None:
        raise package.damaged("the sheet is missing or is not one")
    # The library may begin elsewhere, and what is not seen here is read there without limits.
    if not is_whole(head[: start.end()]) or head.count(b"sheetData", 0, start.end()) != 1:
        raise package.damaged("what stands before the sheet's cells is not as programs write it")
    before_cells(head[: start.start()], scan)
    if start.end() <= LONGEST_HEAD:
        scan.head = head[: start.end()]
    row_end = b"</" + (start["prefix"] or b"") + b"row>"
    row_start = b"<" + (start["prefix"] or b"") + b"row "
    data_end = b"</" + (start["prefix"] or b"") + b"sheetData"
    rest = head[start.end() :]
    while not start["end"]:
        if (end := rest.find(data_end)) >= 0:
            check_end(rest[:end], package)
            yield rest[:end]
            rest = rest[end:]
            break
        # A row without cells may have no end of its own, and many may follow each other.
        cut = max(rest.rfind(row_end) + len(row_end), rest.rfind(row_start), 0)
        if cut >= len(row_end):
            check_end(rest[:cut], package)
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > LONGEST_ROW:
            raise package.damaged("it has a row without an end")
        piece = next(stream, b"")
        if not piece:
            raise package.damaged("the sheet is cut short")
        rest += piece
    after_cells(rest, stream, scan)


def _no_shared(package: Package) -> SourceError:
    return package.damaged("the sheet has a cell whose text is none of the workbook's")


def _find_special(part: bytes, scan: Scan, has_errors: bool, dates: DateStyles) -> None:
    special = []
    starts = set()
    has_formulas = b"f" in part and b"<f" in part
    for pattern in _SUSPECT[0 if has_errors else 1 : 3 if has_formulas else 1]:
        before = 0
        for match in pattern.finditer(part):
            starts.add(part.rfind(b"<c ", before, match.start() + 3))
            before = match.end()
    if dates.formats:
        starts.update(part.rfind(b"<c ", 0, match.start()) for match in _UNDATED.finditer(part))
    for start in starts - {-1}:
        tag_end = part.index(b">", start)
        if part[tag_end - 1] == ord("/"):
            continue  # a format without content
        following = part.find(b"<c ", tag_end) % (len(part) + 1)  # not found is at the end
        end = part.find(b"</c", tag_end, following)
        end = following if end < 0 else end
        attributes = dict(_ATTRIBUTE.findall(part, start, tag_end))
        place = _place(attributes[b"r"])
        text = _special_text(attributes, part[tag_end + 1 : end], scan, dates)
        if place is not None and text is not None:
            special.append((*place, text))
    scan.special = tuple(special)


def _special_text(
    attributes: dict[bytes, bytes], inside: bytes, scan: Scan, dates: DateStyles | None = None
) -> str | None:
    """The text of an error cell, a formula without a value, or a date that is none; else None.

    A formula whose result is the empty text has type ``str`` and an empty value.
    """
    value = _VALUE.search(inside)
    stored = (value[1] or b"").strip() if value else b""
    if attributes.get(b"t") == b"e":
        if stored not in KNOWN_ERRORS and stored:
            scan.unknown_errors = True
        return stored.decode("utf-8", "replace") or "#VALUE!"
    if stored and dates is not None and attributes.get(b"t", b"n") == b"n":
        return _undated(attributes.get(b"s", b"0"), stored, scan, dates)
    if stored or not _FORMULA.search(inside):
        return None
    return None if attributes.get(b"t") == b"str" and value else EMPTY_FORMULA


def _undated(style: bytes, stored: bytes, scan: Scan, dates: DateStyles) -> str | None:
    """What stands for a number that its format makes a date which does not exist."""
    try:
        if not dates.is_no_date(int(style), float(stored)):
            return None
    except ValueError:
        return None
    scan.undated |= dates.formats[int(style)] is NumberFormat.LENGTH
    return BAD_DATE


def _place(reference: bytes) -> tuple[int, int] | None:
    """``C5`` as (4, 2)."""
    found = _REFERENCE.match(reference)
    if found is None:
        return None
    column = 0
    for letter in found[1].upper():
        column = column * 26 + letter - 64
    return int(found[2]) - 1, column - 1


def _by_tags(part: bytes, row: int, package: Package) -> tuple[Scan, int]:
    """Look through a piece tag by tag; `row` is the last row before it, and then in it."""
    scan = Scan()
    special: list[tuple[int, int, str]] = []
    column = -1
    cell: _Cell | None = None
    for match in _CELL.finditer(part):
        if match["tag"] is None and match["closed"] is None:
            continue
        # A cell without an end ends where another begins, or each would be looked for to the end.
        if cell is not None:
            special += cell.special(part[cell.begin : match.start()], scan, package)
            cell = None
        if match["tag"] is None:
            continue
        pairs = _ATTRIBUTE.findall(match["attributes"] or b"")
        attributes = dict(pairs)
        if match["tag"] == b"row":
            number = attributes.get(b"r", b"")
            row, column = int(number) - 1 if number.isdigit() else row + 1, -1
            continue
        place = _place(attributes.get(b"r", b"")) or (row, column + 1)
        column = place[1]
        if match["empty"]:
            continue
        scan.rows = max(scan.rows, place[0] + 1)
        scan.columns = max(scan.columns, column + 1)
        scan.cells += 1
        scan.shared += (b"t", b"s") in pairs
        cell = _Cell(place, attributes, match.end())
    if cell is not None:
        special += cell.special(part[cell.begin :], scan, package)
    scan.special = tuple(special)
    return scan, row


class _Cell(NamedTuple):
    """A cell whose end is looked for: what is in it begins at `begin`."""

    place: tuple[int, int]
    attributes: dict[bytes, bytes]
    begin: int

    def special(
        self, inside: bytes, scan: Scan, package: Package
    ) -> Iterator[tuple[int, int, str]]:
        if self.attributes.get(b"t") == b"s" and _NO_SHARED[1].match(inside):
            raise _no_shared(package)
        if (text := _special_text(self.attributes, inside, scan, package.dates)) is not None:
            yield (*self.place, text)
