"""What the XML of a sheet says that the workbook library does not.

python-calamine gives a blank both for an error cell and for a formula without a stored value, does
not read a sheet with an error it does not know (``#SPILL!``), and makes room for every cell
between the outermost ones, so that two cells far apart would take all memory. So the XML of a sheet
(ECMA-376, part 1, 18.3.1) is looked through once before, as a stream: for the extent of its cells,
error cells, formulas without a value, dates that are none, numbers shown with zeros at their front,
and what is hidden or merged.

Nearly every row is spelt in the one way that spreadsheet programs have, which a regular expression
describes (:func:`_usual_row`): it tells how far the row reaches, and whether there is anything
special in it, which other expressions then find. All other rows are read tag by tag, which takes
many times as long: a parser (expat) would, too, and for every row. Neither is an XML parser: a
sheet is refused whose comments, quotes or prefixes could make the library see cells that are not
seen here, since these would be read without limits.

Rows and columns count from 0 here, as in the library.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from importer.model import BAD_DATE, EMPTY_FORMULA, column_letters
from importer.sources.grid import Merge, Scan, check_bounds
from importer.sources.workbook import NumberFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from importer.sources.package import Archive
    from importer.sources.workbook import DateStyles

LONGEST_ROW = 64 * 2**20
"""Bytes of XML."""
_FURTHEST_START = 8 * 2**20
"""Bytes of XML before the cells; honest ones are columns and their widths."""
_LONGEST_TAG = 4096
_BYTES_OF_CELL = 32
"""Of XML, at least, that a cell takes besides its text."""
_WIDEST = 26 * 27
"""Columns, A to ZZ, that the expression for usual rows distinguishes."""

KNOWN_ERRORS = frozenset(b"#NULL! #DIV/0! #VALUE! #REF! #NAME? #NUM! #N/A".split())
"""Errors that the workbook library understands; at others it stops."""

# Tags, in any spelling: with a prefix, either quotes, and spaces wherever XML allows them.
_START = re.compile(rb"<(?P<prefix>[\w.-]+:)?sheetData(?:\s[^<>]*?)?(?P<end>/?)>")
_ROW_NUMBER = re.compile(rb'<row r="([0-9]{1,7})"')
_CELL = re.compile(
    rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|</(?:[^\s<>/:=\"']+:)?(?P<closed>c|row)\s*>"
    rb"|<(?:[^\s<>/:=\"']+:)?(?P<tag>row|c)(?P<attributes>\s[^<>]*?)?(?P<empty>/)?>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"(?<![\w:.-])([rst])\s*=\s*[\"']([^\"']*)[\"']")
_REFERENCE = re.compile(rb"([A-Za-z]{1,3})([0-9]{1,7})$")
_FORMULA = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")
_VALUE = re.compile(rb"<(?:[\w.-]+:)?v(?:\s[^<>]*)?(?:/>|>([^<]*(?:<![^<]*)*)</(?:[\w.-]+:)?v\s*>)")
_HAS_VALUE = re.compile(rb"<(?:[\w.-]+:)?(?:v|is)[\s>]")
_HAS_TEXT = re.compile(rb"""t\s*=\s*["'](?:inlineStr|str|d)["']""")
_NO_INDEX = re.compile(
    rb"\s*(?:<(?:[\w.-]+:)?f(?:\s[^<>]*)?(?:/>|>[^<]*</(?:[\w.-]+:)?f\s*>)\s*)?"
    rb"<(?:[\w.-]+:)?v(?:\s[^<>]*)?>(?!\s*<|[0-9]+<)"
)
"""The inside of a cell with a shared string that has no number: the library would give the first of
all strings, which is another person's."""
_HIDDEN = re.compile(rb"(?<![\w:.-])hidden\s*=\s*[\"'](?:1|true|on)[\"']")
_COLUMN = re.compile(rb"<(?:[\w.-]+:)?col(?P<attributes>\s[^<>]*)>")
_COLUMN_SPAN = re.compile(rb"(?<![\w:.-])(min|max)\s*=\s*[\"']([0-9]{1,7})[\"']")
_MERGE = re.compile(
    rb"<(?:[\w.-]+:)?mergeCell\s[^<>]*?ref\s*=\s*[\"']"
    rb"([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})[\"']"
)
_ERROR_VALUE = re.compile(
    rb"(<(?:[\w.-]+:)?c\s(?>[^<>]*?\bt\s*=\s*[\"']e[\"'])[^<>]*(?<!/)>"
    rb"(?:(?!</?(?:[\w.-]+:)?c[\s/>]).)*?<(?:[\w.-]+:)?v(?:\s[^<>]*)?>)([^<]*)",
    re.DOTALL,
)
_STYLED = re.compile(
    rb"(?P<before>(?P<tag><(?:[\w.-]+:)?c\s[^<>]*\bs\s*=[^<>]*(?<!/)>)"
    rb"(?:(?!</?(?:[\w.-]+:)?c[\s/>]).)*?<(?:[\w.-]+:)?v(?:\s[^<>]*)?>)\s*(?P<value>[^<\s]+)",
    re.DOTALL,
)

# Rows and cells as spreadsheet programs spell them. Quantifiers are possessive, so that the time a
# match takes grows with its row and no more.
_STYLE = rb'(?: s="[0-9]{1,5}")?+'
_DYNAMIC = rb'(?: cm="[0-9]++")?+'
"""Given to formulas of Excel 365 whose result may be several cells."""
_USUAL_FORMULA = rb'<f(?: [\w:]+="[^"<>]*+")*+(?:/>|>[^<]*+</f>)'
_NO_VALUE = rb'(?: t="n")?+%b>%b(?:<v></v>|<v/>)?+</c>' % (_DYNAMIC, _USUAL_FORMULA)
_USUAL_ROW = (
    # Its number, and whether it is hidden: groups 1 and 2.
    rb'<row r="([1-9][0-9]{0,6})"(?: (?:hidden="(?:1|true|on)"()|(?!r=)[\w:.-]+="[^"<>]*+"))*+'
    # Cells in known columns, with the row's own number: a text of the cell's own, the number of a
    # shared one, the text that a formula gave, a number or truth value, an error (group 3), or a
    # formula without a value (group 4). Values begin with no blank: a blank one is none.
    rb'(?:/>|>(?:<c r="(?:%%(columns)b\1"%(style)b(?:'
    rb' t="inlineStr"><is><t(?:>| xml:space="preserve">)[^<]*+</t></is></c>'
    rb'| t="s"><v>[0-9]++</v></c>'
    rb'| t="str"%(dynamic)b>(?:%(formula)b)?+<v(?:>| xml:space="preserve">)[^<]*+</v></c>'
    rb'|(?: t="(?:[bn]|(e))")?+%(dynamic)b>(?:%(formula)b)?+<v>[^<\s][^<]*+</v></c>'
    rb"|%(empty)b()"
    rb")()"  # group 5: some cell holds something
    # Formats without a value, in any column; openpyxl writes blank texts so.
    rb'|[A-Z]{1,3}\1"%(style)b(?: t="(?:n|inlineStr)")?+ ?+/>)'
    rb")*+</row>)\s*+"
) % {b"style": _STYLE, b"dynamic": _DYNAMIC, b"formula": _USUAL_FORMULA, b"empty": _NO_VALUE}
_USUAL_ERROR = re.compile(
    rb'<c r="([A-Z]{1,3}[0-9]{1,7})"%b t="e"%b>(?:%b)?+<v>([^<]++)'
    % (_STYLE, _DYNAMIC, _USUAL_FORMULA)
)
_USUAL_EMPTY_FORMULA = re.compile(rb'<c r="([A-Z]{1,3}[0-9]{1,7})"%b%b' % (_STYLE, _NO_VALUE))
_MAY_BE_NO_DATE = re.compile(
    rb'<c r="([A-Z]{1,3}[0-9]{1,7})" s="([0-9]++)"(?: t="n")?+%b>(?:%b)?+'
    rb"<v>(?!(?!60[.<])[1-9][0-9]{0,5}(?:\.[0-9]++)?<)([^<]++)" % (_DYNAMIC, _USUAL_FORMULA)
)
"""In usual rows: numbers with a format that could be no day of a calendar, if the format is one of
dates: below 1, over 999,999, day 60, which is a 29 February that never was, or with an exponent."""


def _filled_cells_styled(styles: Iterable[int]) -> re.Pattern[bytes]:
    """In usual rows: cells of one of these styles that hold something, with their row's number."""
    return re.compile(
        rb'<c r="[A-Z]{1,3}([0-9]{1,7})" s="(?:%b)"[^<>]*+(?<!/)>'
        % b"|".join(b"%d" % style for style in styles)
    )


def _numbers_styled(styles: Iterable[int]) -> re.Pattern[bytes]:
    """In usual rows: numbers of one of these styles, with their place and style."""
    return re.compile(
        rb'<c r="([A-Z]{1,3}[0-9]{1,7})" s="(%b)"(?: t="n")?+%b>(?:%b)?+<v>([^<]++)'
        % (b"|".join(b"%d" % style for style in styles), _DYNAMIC, _USUAL_FORMULA)
    )


# Whether XML that is looked through with expressions can hide anything from them.
_TAG = re.compile(rb"<\?[^<>]*\?>|<[^!?<>\"'][^<>\"']*(?:(?:\"[^\"<>]*\"|'[^'<>]*')[^<>\"']*)*>")
_HIDING = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"))
_HIDING_START = re.compile(rb"<!--|<!\[CDATA\[")


def scan_sheet(pieces: Iterable[bytes], archive: Archive, dates: DateStyles) -> Scan:
    """Look through the sheet whose XML is given in pieces; all pieces are taken.

    Raises SourceError for a sheet over a limit, or one that is no sheet.
    """
    look = _Look(archive, dates)
    for part in _whole_rows(pieces, archive, look.scan):
        look.see(part)
        check_bounds(look.scan, archive.file)
    check_bounds(look.scan, archive.file, whole=True)
    return look.scan


class _Look:
    """A look through the rows of a sheet; `scan` is what was found so far."""

    def __init__(self, archive: Archive, dates: DateStyles) -> None:
        self.scan = Scan()
        self._archive = archive
        self._dates = dates
        self._with_zeros = _numbers_styled(dates.zeros) if dates.zeros else None
        self._struck = _filled_cells_styled(dates.struck) if dates.struck else None
        self._last_struck = -1
        self._row = -1
        """The last row, from which those that have no number of their own are counted."""

    def see(self, part: bytes) -> None:
        """Take in whole rows."""
        before = self.scan.cells
        if b"</c" not in part and b":c" not in part:
            # No cell here has an end, so none holds anything: formats below the data, most likely,
            # of which a sheet may have a million rows.
            last = _ROW_NUMBER.search(part, max(part.rfind(b"<row "), 0))
            self._row = int(last[1]) - 1 if last else self._row + part.count(b"<row")
            return
        at = 0
        if b"!" in part and b"<!" in part:  # a comment, in which may be a row
            self._by_tags(part)
            at = len(part)
        while at < len(part):
            at = self._usual_rows(part, at)
            if at < len(part):
                end = part.find(b"</row>", at)
                end = len(part) if end < 0 else end + len(b"</row>")
                self._by_tags(part[at:end])
                at = end
        if _HAS_TEXT.search(part):
            self.scan.text += max(len(part) - _BYTES_OF_CELL * (self.scan.cells - before), 0)

    def _usual_rows(self, part: bytes, begin: int) -> int:
        """Take in the usual rows that begin there; where they end."""
        scan = self.scan
        match_row = _usual_row(scan.columns).match
        at, last, has_errors, has_empty = begin, -1, False, False
        while (row := match_row(part, at)) is not None:
            at = row.end()
            self._row = int(row[1]) - 1
            if row.end(5) >= 0:
                last = max(last, self._row)
                has_errors |= row.end(3) >= 0
                has_empty |= row.end(4) >= 0
                if row.end(2) >= 0:
                    scan.hidden_rows.add(self._row, self._row)
        if last >= 0:
            scan.rows = max(scan.rows, last + 1)
            scan.cells += part.count(b"</c>", begin, at)
            scan.shared += part.count(b' t="s"', begin, at)
            if has_errors:
                for cell in _USUAL_ERROR.finditer(part, begin, at):
                    self._note(cell[1], _error_text(cell[2].strip(), scan))
            if has_empty:
                for cell in _USUAL_EMPTY_FORMULA.finditer(part, begin, at):
                    self._note(cell[1], EMPTY_FORMULA)
            if self._dates.formats:
                for cell in _MAY_BE_NO_DATE.finditer(part, begin, at):
                    self._note(cell[1], _bad_date(cell[2], cell[3], scan, self._dates))
            if self._struck is not None:
                for cell in self._struck.finditer(part, begin, at):
                    self._strike(int(cell[1]) - 1)
            if self._with_zeros is not None:
                for cell in self._with_zeros.finditer(part, begin, at):
                    self._note(cell[1], _with_zeros(cell[2], cell[3], self._dates))
        return at

    def _strike(self, row: int) -> None:
        """Note a row in which a cell that holds something is struck out."""
        if row > self._last_struck:
            self.scan.struck_rows.add(row, row)
            self._last_struck = row

    def _note(self, reference: bytes, text: str | None) -> None:
        """Note what stands for a cell, if anything does."""
        if text is not None and (place := _place(reference)) is not None:
            self.scan.special.add(*place, text)

    def _by_tags(self, part: bytes) -> None:
        """Take in whole rows of any spelling."""
        if not _is_whole(part):
            raise self._archive.damaged("the sheet has tags that no program writes")
        scan, row, column, hidden = self.scan, self._row, -1, False
        cell: _Cell | None = None
        for match in _CELL.finditer(part):
            if match["tag"] is None and match["closed"] is None:
                continue
            # A cell without an end ends where another begins or its row ends: else each would be
            # looked for to the end of the part.
            if cell is not None:
                hidden = self._end_cell(cell, part[cell.begin : match.start()], hidden)
                cell = None
            if match["closed"] == b"row":
                # What follows outside of a row, whose tag may be damaged, is not hidden with it.
                column, hidden = -1, False
            if match["tag"] is None:
                continue
            pairs = _ATTRIBUTE.findall(match["attributes"] or b"")
            attributes = dict(pairs)
            if match["tag"] == b"row":
                number = attributes.get(b"r", b"")
                row, column = int(number) - 1 if number.isdigit() else row + 1, -1
                hidden = (
                    not match["empty"] and _HIDDEN.search(match["attributes"] or b"") is not None
                )
                continue
            place = _place(attributes.get(b"r", b"")) or (row, column + 1)
            column = place[1]
            if match["empty"]:
                continue
            scan.rows = max(scan.rows, place[0] + 1)
            scan.columns = max(scan.columns, column + 1)
            scan.cells += 1
            scan.shared += (b"t", b"s") in pairs
            cell = _Cell(place, attributes, match.end(), row)
        if cell is not None:
            self._end_cell(cell, part[cell.begin :], hidden)
        self._row = row

    def _end_cell(self, cell: _Cell, inside: bytes, hidden: bool) -> bool:
        """Take in what a cell holds; whether its row is hidden and nothing was found in it yet."""
        if cell.attributes.get(b"t") == b"s" and _NO_INDEX.match(inside):
            raise self._archive.damaged("the sheet has a cell whose text is none of the workbook's")
        text = _special_text(cell.attributes, inside, self.scan, self._dates)
        if text is not None:
            self.scan.special.add(*cell.place, text)
        style = cell.attributes.get(b"s", b"0")
        if self._struck is not None and style.isdigit() and int(style) in self._dates.struck:
            self._strike(cell.row)
        if hidden and (text is not None or _HAS_VALUE.search(inside)):
            self.scan.hidden_rows.add(cell.row, cell.row)
            return False
        return hidden


class _Cell(NamedTuple):
    """A cell whose end is looked for: what is in it begins at `begin`; `row` is the row's own."""

    place: tuple[int, int]
    attributes: dict[bytes, bytes]
    begin: int
    row: int


@lru_cache(maxsize=_WIDEST)
def _usual_row(columns: int) -> re.Pattern[bytes]:
    """Rows spelt as usual, whose values are in the first so many columns.

    Since a value in any later column makes its row an unusual one, which is read tag by tag and
    counted, usual rows never are wider than what was seen before them.
    """
    letters = column_letters(min(columns, _WIDEST) - 1).encode() if columns else b""
    match len(letters):
        case 0:
            known = rb"(?!)"
        case 1:
            known = rb"[A-%b]" % letters
        case _:
            first, second = letters[:1], letters[1:]
            known = rb"(?:[A-Z]|(?!%b[^A-%b])[A-%b][A-Z])" % (first, second, first)
    return re.compile(_USUAL_ROW % {b"columns": known})


def _special_text(
    attributes: dict[bytes, bytes], inside: bytes, scan: Scan, dates: DateStyles
) -> str | None:
    """The text of an error cell, a formula without a value, or a date that is none; else None.

    A formula whose result is the empty text has type ``str`` and an empty value.
    """
    value = _VALUE.search(inside)
    stored = (value[1] or b"").strip() if value else b""
    if attributes.get(b"t") == b"e":
        return _error_text(stored, scan)
    if stored and attributes.get(b"t", b"n") == b"n":
        style = attributes.get(b"s", b"0")
        return _bad_date(style, stored, scan, dates) or _with_zeros(style, stored, dates)
    if stored or not _FORMULA.search(inside):
        return None
    return None if attributes.get(b"t") == b"str" and value else EMPTY_FORMULA


def _error_text(stored: bytes, scan: Scan) -> str:
    """The text of an error cell; `scan` records whether the library knows it."""
    if stored not in KNOWN_ERRORS and stored:
        scan.unknown_errors = True
    return stored.decode("utf-8", "replace") or "#VALUE!"


def _bad_date(style: bytes, stored: bytes, scan: Scan, dates: DateStyles) -> str | None:
    """What stands for a number that its format makes a date which does not exist."""
    try:
        if not dates.is_no_date(int(style), float(stored)):
            return None
    except ValueError:
        return None
    scan.undated |= dates.formats[int(style)] is NumberFormat.LENGTH
    return BAD_DATE


def _with_zeros(style: bytes, stored: bytes, dates: DateStyles) -> str | None:
    """A number as its format shows it, where that has zeros at its front."""
    try:
        return dates.with_zeros(int(style), float(stored))
    except (ValueError, OverflowError):
        return None


def _place(reference: bytes) -> tuple[int, int] | None:
    """``C5`` as (4, 2)."""
    found = _REFERENCE.match(reference)
    return None if found is None else (int(found[2]) - 1, _column(found[1].upper()))


def _column(letters: bytes) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + letter - 64
    return column - 1


def _whole_rows(pieces: Iterable[bytes], archive: Archive, scan: Scan) -> Iterator[bytes]:
    """The inside of ``sheetData`` in pieces that end where a row does.

    What stands before and after it, columns and merged cells, goes into `scan`.
    """
    stream = iter(pieces)
    start, head = None, b""
    for piece in stream:
        head += piece
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise archive.damaged("the sheet is not UTF-8")
        if (start := _START.search(head)) is not None or len(head) > _FURTHEST_START:
            break
    if start is None:
        raise archive.damaged("the sheet is missing or is not one")
    # The library may begin elsewhere, and what is not seen here is read there without limits.
    if not _is_whole(head[: start.end()]) or head.count(b"sheetData", 0, start.end()) != 1:
        raise archive.damaged("what stands before the sheet's cells is not as programs write it")
    _hidden_columns(head[: start.start()], scan)
    row_end = b"</" + (start["prefix"] or b"") + b"row>"
    row_start = b"<" + (start["prefix"] or b"") + b"row "
    data_end = b"</" + (start["prefix"] or b"") + b"sheetData"
    rest = head[start.end() :]
    while not start["end"]:
        if (end := rest.find(data_end)) >= 0:
            _check_end(rest[:end], archive)
            yield rest[:end]
            rest = rest[end:]
            break
        # A row without cells may have no end of its own, and many may follow each other.
        cut = max(rest.rfind(row_end) + len(row_end), rest.rfind(row_start), 0)
        if cut >= len(row_end):
            _check_end(rest[:cut], archive)
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > LONGEST_ROW:
            raise archive.damaged("it has a row without an end")
        piece = next(stream, b"")
        if not piece:
            raise archive.damaged("the sheet is cut short")
        rest += piece
    rest = _merges(rest, scan)
    for piece in stream:
        rest = _merges(rest + piece, scan)


def _hidden_columns(head: bytes, scan: Scan) -> None:
    """Take in the hidden columns; how far the cells reach is known later."""
    for tag in _COLUMN.finditer(head):
        span = dict(_COLUMN_SPAN.findall(tag["attributes"]))
        if _HIDDEN.search(tag["attributes"]) and span.keys() == {b"min", b"max"}:
            first, last = int(span[b"min"]) - 1, int(span[b"max"]) - 1
            if 0 <= first <= last:
                scan.hidden_columns.add(first, last)


def _merges(part: bytes, scan: Scan) -> bytes:
    """Take in the merges of a piece; what is left is the beginning of a tag."""
    end = part.rfind(b">") + 1
    if b"mergeCell" in part:
        for left, top, right, bottom in _MERGE.findall(part, 0, end):
            scan.merges.add(Merge(int(top) - 1, _column(left), int(bottom) - 1, _column(right)))
    return part[max(end, len(part) - _LONGEST_TAG) :]


def _is_whole(part: bytes) -> bool:
    """Whether XML is made of whole tags and comments, with neither within the other.

    The library knows comments and quotes, and would read what an expression took for a part of one.
    """
    outside = []
    at = 0
    while (start := _HIDING_START.search(part, at)) is not None:
        outside.append(part[at : start.start()])
        ending = b"-->" if start[0] == b"<!--" else b"]]>"
        if (end := part.find(ending, start.end())) < 0:
            return False
        at = end + len(ending)
    outside.append(part[at:])
    return not any(b"<" in _TAG.sub(b"", piece) for piece in outside)


def _check_end(part: bytes, archive: Archive) -> None:
    """Raise SourceError for a piece that ends in a comment, where no row and no sheet ends."""
    if b"!" in part and b"<!" in part:  # one byte is found many times faster than two
        for start, end in _HIDING:
            if part.rfind(start) > part.rfind(end):
                raise archive.damaged("the sheet has the end of a row in a comment")


def with_known_values(
    pieces: Iterable[bytes], archive: Archive, dates: DateStyles
) -> Iterator[bytes]:
    """The cells as a sheet in which unknown errors and dates are replaced by known ones."""
    yield b"<worksheet><sheetData>"
    for part in _whole_rows(pieces, archive, Scan()):
        known = _ERROR_VALUE.sub(rb"\1#N/A", part)
        yield _STYLED.sub(lambda cell: _dated(cell, dates), known)
    yield b"</sheetData></worksheet>"


def _dated(cell: re.Match[bytes], dates: DateStyles) -> bytes:
    """A cell with a number, made 1 where its format makes it a date that does not exist."""
    attributes = dict(_ATTRIBUTE.findall(cell["tag"]))
    if attributes.get(b"t", b"n") != b"n":
        return cell[0]
    bad = _bad_date(attributes.get(b"s", b"0"), cell["value"], Scan(), dates)
    return cell[0] if bad is None else cell["before"] + b"1"
