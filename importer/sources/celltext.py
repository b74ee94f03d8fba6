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
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_DIGITS = 15
_WHOLE = 1e15
"""From here on 15 digits are too few for the whole part."""
_HALF = dt.timedelta(milliseconds=500)
_LAST_SECOND = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 -- cells have no time zone


def cell_texts(cells: Sequence[Any]) -> list[str]:
    """The texts of cells, which may be of different types; text stays what it is."""
    if set(map(type, cells)) == {str}:
        return list(cells)
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
    if not math.isfinite(value):
        return repr(value)
    if value.is_integer():
        text = repr(value)
    elif abs(value) < _WHOLE:
        text = f"{value:.{_DIGITS}g}"
    else:
        text = str(round(value))
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
