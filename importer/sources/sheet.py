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
from typing import TYPE_CHECKING

from importer.model import EMPTY_FORMULA
from importer.sources.aside import after_cells, before_cells, hidden_rows
from importer.sources.bounds import check_bounds
from importer.sources.extent import plain_extent
from importer.sources.grid import Scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from importer.sources.package import Package

LONGEST_ROW = 64 * 2**20
"""Bytes of XML."""

LONGEST_HEAD = 64 * 2**10
"""Bytes of XML before the first row that are kept."""

KNOWN_ERRORS = frozenset(b"#NULL! #DIV/0! #VALUE! #REF! #NAME? #NUM! #N/A".split())
"""Errors that the workbook library understands; others stop it."""

_START = re.compile(rb"<(?P<prefix>[\w.-]+:)?sheetData\s*(?P<end>/?)>")
_CELL = re.compile(
    rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>"
    rb"|<(?:[\w.-]+:)?(?P<tag>row|c)(?P<attributes>\s[^>]*?)?(?P<empty>/)?>",
    re.DOTALL,
)
_CELL_END = re.compile(rb"</(?:[\w.-]+:)?c\s*>")
_ATTRIBUTE = re.compile(rb"(?<![\w:.-])([rt])\s*=\s*[\"']([^\"']*)[\"']")
_REFERENCE = re.compile(rb"([A-Za-z]{1,3})([0-9]{1,7})$")
_HAS_TEXT = re.compile(rb"""t\s*=\s*["'](?:inlineStr|str|d)["']""")
_FORMULA = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")
_VALUE = re.compile(rb"<(?:[\w.-]+:)?v(?:\s[^>]*)?(?:/>|>(.*?)</(?:[\w.-]+:)?v\s*>)", re.DOTALL)
_LAST_ROW = re.compile(rb'<row r="([0-9]{1,7})"')
_ERROR_VALUE = re.compile(
    rb"(<(?:[\w.-]+:)?c\s[^>]*?\bt\s*=\s*[\"']e[\"'][^>]*(?<!/)>"
    rb"(?:(?!</(?:[\w.-]+:)?c\s*>).)*?<(?:[\w.-]+:)?v(?:\s[^>]*)?>)([^<]*)",
    re.DOTALL,
)
_SUSPECT = (
    re.compile(rb'<c [^>]*?t="e"'),
    re.compile(rb"</f>\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>"),
    re.compile(rb"<f(?:\s[^>]*)?/>\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>"),
)
"""In a plain piece: error cells, and formulas followed by no value."""


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
            found, row = _by_tags(part, row)
        else:
            found = Scan(extent.rows, extent.columns, extent.cells, shared=part.count(b't="s"'))
            _find_special(part, found, extent.has_errors)
            if last_row:
                row = int(last_row[1]) - 1
        special += found.special
        scan.unknown_errors = scan.unknown_errors or found.unknown_errors
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


def with_known_errors(pieces: Iterable[bytes], package: Package) -> Iterator[bytes]:
    """The same cells as a sheet whose every error is one that the workbook library knows."""
    yield b"<worksheet><sheetData>"
    for part in whole_rows(pieces, package, Scan()):
        yield _ERROR_VALUE.sub(rb"\1#N/A", part)
    yield b"</sheetData></worksheet>"


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
        if (start := _START.search(head)) is not None or len(head) > LONGEST_ROW:
            break
    if start is None:
        if b"worksheet" not in head:
            raise package.damaged("the sheet is missing or is not one")
        return
    before_cells(head[: start.start()], scan)
    if start.end() <= LONGEST_HEAD:
        scan.head = head[: start.end()]
    row_end = b"</" + (start["prefix"] or b"") + b"row>"
    row_start = b"<" + (start["prefix"] or b"") + b"row "
    data_end = b"</" + (start["prefix"] or b"") + b"sheetData"
    rest = head[start.end() :]
    while not start["end"]:
        if (end := rest.find(data_end)) >= 0:
            yield rest[:end]
            rest = rest[end:]
            break
        # A row without cells may have no end of its own, and many may follow each other.
        cut = max(rest.rfind(row_end) + len(row_end), rest.rfind(row_start), 0)
        if cut >= len(row_end):
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > LONGEST_ROW:
            raise package.damaged("it has a row without an end")
        piece = next(stream, b"")
        if not piece:
            raise package.damaged("the sheet is cut short")
        rest += piece
    after_cells(rest, stream, scan)


def _find_special(part: bytes, scan: Scan, has_errors: bool) -> None:
    special = []
    starts = set()
    has_formulas = b"f" in part and b"<f" in part
    for pattern in _SUSPECT[0 if has_errors else 1 : 3 if has_formulas else 1]:
        for match in pattern.finditer(part):
            starts.add(part.rfind(b"<c ", 0, match.start() + 3))
    for start in starts:
        tag_end = part.index(b">", start)
        if part[tag_end - 1] == ord("/"):
            continue  # a format without content
        end = part.find(b"</c>", tag_end)
        attributes = dict(_ATTRIBUTE.findall(part, start, tag_end))
        place = _place(attributes[b"r"])
        text = _special_text(attributes, part[tag_end + 1 : end], scan)
        if place is not None and text is not None:
            special.append((*place, text))
    scan.special = tuple(special)


def _special_text(attributes: dict[bytes, bytes], inside: bytes, scan: Scan) -> str | None:
    """The text of an error cell, or of a formula without a stored value; None for other cells.

    A formula whose result is the empty text has type ``str`` and an empty value.
    """
    value = _VALUE.search(inside)
    stored = (value[1] or b"").strip() if value else b""
    if attributes.get(b"t") == b"e":
        if stored not in KNOWN_ERRORS and stored:
            scan.unknown_errors = True
        return stored.decode("utf-8", "replace") or "#VALUE!"
    if stored or not _FORMULA.search(inside):
        return None
    return None if attributes.get(b"t") == b"str" and value else EMPTY_FORMULA


def _place(reference: bytes) -> tuple[int, int] | None:
    """``C5`` as (4, 2)."""
    found = _REFERENCE.match(reference)
    if found is None:
        return None
    column = 0
    for letter in found[1].upper():
        column = column * 26 + letter - 64
    return int(found[2]) - 1, column - 1


def _by_tags(part: bytes, row: int) -> tuple[Scan, int]:
    """Look through a piece tag by tag; `row` is the last row before it, and then in it."""
    scan = Scan()
    special = []
    column = -1
    for match in _CELL.finditer(part):
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
        end = _CELL_END.search(part, match.end())
        inside = part[match.end() : end.start() if end else len(part)]
        if (text := _special_text(attributes, inside, scan)) is not None:
            special.append((*place, text))
    scan.special = tuple(special)
    return scan, row
