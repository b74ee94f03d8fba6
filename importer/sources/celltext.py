"""The text of a cell that a workbook holds as a number, date, time or truth value.

Whole numbers are written out in full and without a needless ``.0``, so that a phone number that
Excel took for a number reads as it was typed; other numbers to 15 significant digits, which is all
that spreadsheet programs show: what lies beyond is how binary fractions miss decimal ones. Dates
and times are ISO 8601 with a space between them, rounded to seconds; a length of time is
``[h]:mm:ss``.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DIGITS = 15
_WHOLE = 1e15
"""From here on 15 digits are too few for the whole part."""
_LONGEST_FORMAT = 1000
_HALF = dt.timedelta(milliseconds=500)
_LAST_SECOND = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 -- cells have no time zone


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


@dataclass(frozen=True, slots=True)
class DateStyles:
    """The styles of a workbook's cells that make numbers dates or times, and its calendar."""

    formats: Mapping[int, NumberFormat]
    calendar: Calendar

    @classmethod
    def of(
        cls, numbers: Sequence[int], written: Mapping[int, str], *, since_1904: bool
    ) -> DateStyles:
        """Those of the styles, in order, whose formats' numbers are given, and formats' codes."""
        kinds = enumerate(NumberFormat.of(written.get(number), number) for number in numbers)
        formats = {style: kind for style, kind in kinds if kind is not NumberFormat.NUMBER}
        return cls(formats, Calendar.SINCE_1904 if since_1904 else Calendar.SINCE_1900)

    def is_no_date(self, style: int, number: float) -> bool:
        """Whether a number in a cell of this style is to be a date, and cannot be one."""
        kind = self.formats.get(style)
        return kind is not None and not kind.holds(number, self.calendar)


_BUILT_IN = {
    **dict.fromkeys((*range(14, 18), 22, *range(27, 32), 36, *range(50, 59)), NumberFormat.DATE),
    **dict.fromkeys((*range(18, 22), *range(32, 36), 45, 47), NumberFormat.TIME),
    46: NumberFormat.LENGTH,
}
_LENGTH = re.compile(r"\[(?:h+|m+|s+)\]")
_LITERAL = re.compile(r'"[^"]*"?|\\.|[_*].|\[[^\]]*\]?|am/pm|a/p|e[+-]')
"""What in a format is shown as it stands, fills, colours, or is no part of a date."""


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
