"""What workbooks of every kind have in common: the text of a cell, and which sheet is read.

Whole numbers are written out in full and without a needless ``.0``, so that a phone number that
Excel took for a number reads as it was typed, and with the zeros that a format such as ``00000``
shows at their front. Other numbers have 15 significant digits, which is all that spreadsheet
programs show: what lies beyond is how binary fractions miss decimal ones. Dates and times are ISO
8601 with a space between them, rounded to seconds; a length of time is ``[h]:mm:ss``.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import python_calamine as calamine

from importer.errors import SourceError
from importer.model import SourceInfo
from importer.settings import BATCH_ROWS
from importer.sources.source import Layout, Reading, RowChunk, file_warning
from importer.sources.table import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from importer.model import Problem
    from importer.settings import SourceOptions
    from importer.sources.detect import FileKind
    from importer.sources.grid import Hidden, Scan
    from importer.sources.inputfile import InputFile
    from importer.sources.source import Chunk

AnySheet = TypeVar("AnySheet", bound="NamedSheet")
Answer = TypeVar("Answer")

OTHER_SHEETS = "other_sheets"
HIDDEN_SHEETS = "hidden_sheets"

_DIGITS = 15
_WHOLE = 1e15
"""From here on 15 digits are too few for the whole part."""
_LONGEST_FORMAT = 1000
_HALF = dt.timedelta(milliseconds=500)
_LAST_SECOND = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 -- cells have no time zone
_LENGTH = re.compile(r"\[(?:h+|m+|s+)\]")
_ZEROS = re.compile(r'(?:"(0+)"|\\(0))?([0#]*)')
"""A format that shows whole numbers with zeros at their front, without what divides its digits."""
_DIVIDERS = re.compile(r'"[ /().-]*"|\\[ /().-]|[_*].|\[[^\]]*\]|[ /()-]')
"""What may stand between the zeros of a format: signs, fill characters, colours."""
_LITERAL = re.compile(r'"[^"]*"?|\\.|[_*].|\[[^\]]*\]?|am/pm|a/p|e[+-]')
"""What in a format is shown as it stands, fills, colours, or is no part of a date."""


class NamedSheet(Protocol):
    """What a sheet needs so that one can be chosen."""

    @property
    def name(self) -> str:
        """Its name, as the tab shows it."""

    @property
    def hidden(self) -> bool:
        """Whether the program shows it."""


def chosen_sheet(file: InputFile, sheets: Sequence[AnySheet], wanted: str | int | None) -> AnySheet:
    """The sheet wanted, by name (exactly, then in any case) or number from 1.

    The first visible one where none is wanted. Raises SourceError where there is none such.
    """
    if not sheets:
        raise SourceError(
            f"{file}: this workbook is damaged or cut short (it has no sheet with cells).",
            "Open it in a spreadsheet program and save it anew, or save the sheet as CSV.",
        )
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
        f"{file}: there is no sheet {wanted!r}; the sheets are {listed}.",
        f"Did you mean {names[near[0]]!r}?" if near else "Give a name or a number of these.",
    )


def _exact(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _exact(name).strip().casefold()


def sheet_reading(
    file: InputFile,
    kind: FileKind,
    chosen: tuple[NamedSheet, Sequence[NamedSheet]],
    rows: Iterator[Chunk],
    scan: Scan,
    options: SourceOptions,
) -> Reading:
    """The rows of a sheet as batches; `chosen` is the sheet, and all sheets of the workbook."""
    sheet, sheets = chosen
    place = f"{file}: sheet {sheet.name!r}"
    layout = Layout(place, text=cell_texts, open_ended=False, merges=scan.merges)
    warnings = tuple(_sheet_warnings(sheet, sheets, options))
    try:
        table = read_table(rows, layout, options)
    except SourceError as error:
        # The first sheet of many a workbook is a cover.
        others = [_sentence(warning) for warning in warnings if _of_sheets(warning)]
        error.hint = "\n".join(filter(None, (error.hint, *others)))
        raise
    problems = (
        *warnings,
        *_struck_warning(scan.struck_rows),
        *_hidden_warnings(scan.hidden_rows, scan.hidden_columns, len(table.headers)),
        *([_links()] if scan.linked else []),
        *table.problems,
    )
    info = SourceInfo(
        path=file.name,
        kind=kind.value,
        headers=table.headers,
        header_row=table.header_row,
        sheet=sheet.name,
        problems=problems,
        sheet_number=sheets.index(sheet) + 1,
        sheets=tuple(each.name for each in sheets),
    )
    return Reading(info, table.batches)


def _sheet_warnings(
    sheet: NamedSheet, sheets: Sequence[NamedSheet], options: SourceOptions
) -> Iterator[Problem]:
    """Warnings about the workbook: sheets not read, options that were ignored."""
    others = [other for other in sheets if other is not sheet]
    name_it = "Name the sheet that is to be read: --sheet NAME."
    if hidden := [repr(other.name) for other in others if other.hidden]:
        yield file_warning(
            HIDDEN_SHEETS, f"hidden sheets were not read: {', '.join(hidden)}", name_it
        )
    visible = [repr(other.name) for other in others if not other.hidden]
    if visible and options.sheet is None:
        message = f"only sheet {sheet.name!r} was read; there are also: {', '.join(visible)}"
        yield file_warning(OTHER_SHEETS, message, name_it)
    for name in ("encoding", "delimiter"):
        if getattr(options, name) is not None:
            yield file_warning("option_ignored", f"a workbook has no {name}, so it was ignored")


def _sentence(warning: Problem) -> str:
    return f"{warning.message[0].upper()}{warning.message[1:]}. {warning.hint}"


def _of_sheets(problem: Problem) -> bool:
    return problem.code in {OTHER_SHEETS, HIDDEN_SHEETS}


def _struck_warning(rows: Hidden) -> Iterator[Problem]:
    if rows.count:
        yield file_warning(
            "struck_rows",
            f"{rows.count:,} {'row has' if rows.count == 1 else 'rows have'} cells that are struck"
            f" out, and were read like any other: {rows.rows()}",
            "People strike out what no longer holds. Delete these rows, or leave them out by --rows"
            " or in the console.",
        )


def _hidden_warnings(rows: Hidden, columns: Hidden, width: int) -> Iterator[Problem]:
    if rows.count:
        yield file_warning(
            "hidden_rows",
            f"{rows.count:,} hidden {'row was' if rows.count == 1 else 'rows were'} read like any"
            f" other: {rows.rows()}",
            "A filter may hide them. Delete those that are not to be imported, or leave them out"
            " by rows.skip_when or --rows.",
        )
    within = columns.within(width)
    if within.count:
        yield file_warning(
            "hidden_columns",
            f"{within.count:,} hidden {'column was' if within.count == 1 else 'columns were'} read"
            f" like any other: {within.columns()}",
            "Only columns that the mapping names are sent; look whether these are meant to be.",
        )


def _links() -> Problem:
    return file_warning(
        "external_links",
        "formulas take values from other files; the values as last stored were read",
        "Open the workbook, update its links and save it, if those files have changed.",
    )


def call_calamine(file: InputFile, load: Callable[[], Answer]) -> Answer:
    """What `load` returns, which calls calamine; what calamine raises becomes a SourceError."""
    try:
        return load()
    except calamine.PasswordError:
        raise SourceError(
            f"{file}: this workbook is protected by a password.",
            "Save it without a password and import that copy.",
        ) from None
    except (calamine.CalamineError, LookupError, OSError, ValueError) as error:
        raise _damaged(file, str(error)) from None
    except BaseException as error:
        # A panic in the Rust library derives from BaseException, and has no public name.
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged(file, "its contents contradict each other") from None


def _damaged(file: InputFile, why: str) -> SourceError:
    return SourceError(
        f"{file}: this workbook is damaged or cut short ({why}).",
        "Open it in a spreadsheet program and save it anew, or save the sheet as CSV.",
    )


def calamine_rows(sheet: calamine.CalamineSheet, scan: Scan, file: InputFile) -> Iterator[RowChunk]:
    """All rows of a sheet, each as wide as the sheet, in chunks of `BATCH_ROWS`.

    calamine gives rows from the sheet's first, but columns only from the first that is used.
    """
    special = scan.special.in_order()
    ahead = next(special, None)
    left = sheet.start[1] if sheet.start else 0
    used = sheet.end[1] + 1 if sheet.end else 0
    width = max(used, scan.special.width())
    height = sheet.end[0] + 1 if sheet.end else 0
    rows = sheet.iter_rows() if sheet.end else iter(())
    first = 0
    while cells := _padded(_next_rows(rows, first, file), left, width):
        stop = first + len(cells)
        while ahead is not None and ahead[0] < stop:
            row, column, text = ahead
            cells[row - first][column] = text
            ahead = next(special, None)
        yield RowChunk(first + 1, cells)
        first = stop
    if first != height:
        # Row numbers rest on this: a version that gives other rows must not go unnoticed.
        raise _damaged(file, f"the sheet has {height} rows, but {first} were read")
    while ahead is not None:
        # Formulas without a value are no cells to calamine, so the last rows may be missing.
        row, blank = ahead[0], [""] * width
        while ahead is not None and ahead[0] == row:
            blank[ahead[1]] = ahead[2]
            ahead = next(special, None)
        yield RowChunk(row + 1, [blank])


def _next_rows(rows: Iterator[list[Any]], first: int, file: InputFile) -> list[list[Any]]:
    """The next rows; SourceError at a number that no date or length of time can be."""
    try:
        return list(islice(rows, BATCH_ROWS))
    except BaseException as error:
        # A panic in the Rust library derives from BaseException, and has no public name.
        if not isinstance(error, OverflowError) and type(error).__name__ != "PanicException":
            raise
    raise SourceError(
        f"{file}: a cell in rows {first + 1:,} to {first + BATCH_ROWS:,} is formatted as a"
        " date or time, but its number is out of all bounds.",
        "Format that column as text or as a number, and save it again.",
    )


def _padded(rows: list[list[Any]], left: int, width: int) -> list[list[Any]]:
    if not rows or len(rows[0]) == width:
        return rows
    before = [""] * left
    after = [""] * (width - left - len(rows[0]))
    return [before + row + after for row in rows]


class Calendar(Enum):
    """From which day a workbook counts, and on which number its calendar ends."""

    SINCE_1900 = 2_958_466
    SINCE_1904 = 2_957_004


class NumberFormat(Enum):
    """What the format of a cell makes of a number in it."""

    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    """A time of day, without its date."""
    LENGTH = "length"
    """A length of time, such as ``[h]:mm``."""

    @staticmethod
    def of(written: str | None, number: int = 0) -> NumberFormat:
        """The kind of a format, as it is written; by its number where a workbook need not write it.

        The numbers are those of ECMA-376, part 1, 18.8.30; 27 to 58 are of East Asian versions.
        """
        if written is None:
            return _BUILT_IN.get(number, NumberFormat.NUMBER)
        return _format_of(written)

    def holds(self, number: float, calendar: Calendar) -> bool:
        """Whether a cell of this format can show the number.

        Days of the calendar from 1900 begin with 1; its day 60 is a 29 February that never was.
        Spreadsheet programs show ``#####`` for what is no day, and ``1900-01-00`` for 0.
        """
        match self:
            case NumberFormat.DATE:
                first = 1 if calendar is Calendar.SINCE_1900 else 0
                fictive = calendar is Calendar.SINCE_1900 and 60 <= number < 61
                return first <= number < calendar.value and not fictive
            case NumberFormat.TIME:
                return 0 <= number < calendar.value
            case NumberFormat.LENGTH:
                return abs(number) < calendar.value
        return True


_BUILT_IN = {
    **dict.fromkeys((*range(14, 18), 22, *range(27, 32), 36, *range(50, 59)), NumberFormat.DATE),
    **dict.fromkeys((*range(18, 22), *range(32, 36), 45, 47), NumberFormat.TIME),
    46: NumberFormat.LENGTH,
}
"""The formats that a workbook names by a number only (ECMA-376, part 1, 18.8.30)."""


@dataclass(frozen=True, slots=True)
class DateStyles:
    """The styles of a workbook's cells that make numbers dates or times, and its calendar.

    `zeros` are the styles that show zeros at the front of whole numbers, such as ``00000`` of
    German post codes: the zeros that always stand there, and the least number of digits behind.
    `struck` are those of cells that are struck out, as far as their reader looks for them.
    """

    formats: Mapping[int, NumberFormat]
    calendar: Calendar
    zeros: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    struck: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls, numbers: Sequence[int], written: Mapping[int, str], *, since_1904: bool
    ) -> DateStyles:
        """Those of the styles, in order, whose formats' numbers are given, and formats' codes."""
        kinds = enumerate(NumberFormat.of(written.get(number), number) for number in numbers)
        formats = {style: kind for style, kind in kinds if kind is not NumberFormat.NUMBER}
        zeros = {
            s: front for s, n in enumerate(numbers) if (front := _zeros_of(written.get(n, "")))
        }
        return cls(formats, Calendar.SINCE_1904 if since_1904 else Calendar.SINCE_1900, zeros)

    def is_no_date(self, style: int, number: float) -> bool:
        """Whether a number in a cell of this style is to be a date, and cannot be one."""
        kind = self.formats.get(style)
        return kind is not None and not kind.holds(number, self.calendar)

    def with_zeros(self, style: int, number: float) -> str | None:
        """A number as its cell shows it, where that is with zeros at its front; else None."""
        front = self.zeros.get(style)
        if front is None or not 0 <= number < _WHOLE or number != int(number):
            return None
        text = front[0] + str(int(number)).zfill(front[1])
        return text if text.startswith("0") and text != "0" else None


@lru_cache(maxsize=1024)
def _zeros_of(written: str) -> tuple[str, int] | None:
    """What a format puts in front of a number, and its least digits; None where no zeros."""
    bare = _DIVIDERS.sub("", written[:_LONGEST_FORMAT].partition(";")[0])
    found = _ZEROS.fullmatch(bare)
    if found is None:
        return None
    always = found[1] or found[2] or ""
    least = len(found[3].lstrip("#"))
    return (always, least) if always or least > 1 else None


@lru_cache(maxsize=1024)
def _format_of(written: str) -> NumberFormat:
    first = written[:_LONGEST_FORMAT].lower().replace("general", "").replace("standard", "")
    bare = re.sub(r'"[^"]*"?|\\.', "", first)
    if _LENGTH.search(bare):
        return NumberFormat.LENGTH
    signs = set(_LITERAL.sub("", first).partition(";")[0])
    if signs & set("yd"):
        return NumberFormat.DATE
    if signs & set("hs"):
        return NumberFormat.TIME
    return NumberFormat.DATE if "m" in signs else NumberFormat.NUMBER


def cell_texts(cells: Sequence[Any]) -> list[str]:
    """The texts of cells, which may be of different types; text stays what it is."""
    kinds = set(map(type, cells))
    if kinds == {str}:
        return list(cells)
    if kinds == {float}:
        numbers = np.array(cells)
        if (np.abs(numbers) < _WHOLE).all() and (numbers == np.trunc(numbers)).all():
            return list(map(str, numbers.astype(np.int64).tolist()))
    if kinds <= {str, float}:
        return [cell if type(cell) is str else _number(cell) for cell in cells]
    return [cell if type(cell) is str else cell_text(cell) for cell in cells]


def cell_text(cell: object) -> str:
    """The text of one cell."""
    match cell:
        case bool():
            return "TRUE" if cell else "FALSE"
        case float():
            return _number(cell)
        case dt.datetime():
            if cell.microsecond >= 500_000 and cell < _LAST_SECOND:
                cell += _HALF
            return cell.isoformat(sep=" ", timespec="seconds")
        case dt.date():
            return cell.isoformat()
        case dt.time():
            return _time(cell)
        case dt.timedelta():
            return _duration(cell)
        case _:
            return str(cell)


def _number(value: float) -> str:
    """The number without an exponent: all digits of a whole one, at most 15 of any other."""
    text = repr(value).removesuffix(".0")
    if len(text) <= _DIGITS + len(".") and "e" not in text and text != "-0":
        return text  # nearly always
    if not math.isfinite(value):
        return text
    if not value.is_integer():
        text = f"{value:.{_DIGITS}g}" if abs(value) < _WHOLE else str(round(value))
    if "e" in text:
        text = format(Decimal(text), "f")
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def _time(value: dt.time) -> str:
    """A time of day; one that rounds up to midnight is the last second of its day."""
    if value.microsecond >= 500_000 and value.replace(microsecond=0) < dt.time(23, 59, 59):
        value = (dt.datetime.combine(dt.date.min, value) + _HALF).time()
    return value.isoformat(timespec="seconds")


def _duration(value: dt.timedelta) -> str:
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
