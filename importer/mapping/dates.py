"""Dates and times: declared formats, ISO always, and no guess where day and month are alike.

A real date cell arrives in ISO form, so it is understood whatever formats are declared.
Dotted dates are day first: no locale writes month.day.year.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from importer.mapping.damage import is_real_date, serial_date, serial_moment, swap_back
from importer.mapping.faults import Converted, Converter, Fault
from importer.mapping.finding import NOTHING, Finding

_TIME = r"(?:[T ]+(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(
    r"(?P<y>\d{4})(?P<mark>[-./])(?P<m>\d{1,2})(?P=mark)(?P<d>\d{1,2})\.?" + _TIME
)
_YEAR_LAST = re.compile(
    r"(?P<a>\d{1,2})(?P<mark>[-./])(?P<b>\d{1,2})(?P=mark)(?P<y>\d{4})\.?" + _TIME
)
_SHORT_YEAR = re.compile(r"\d{1,2}(?P<mark>[-./])\d{1,2}(?P=mark)\d{2}\.?" + _TIME)
_FIRST_YEAR = 1000
"""Earlier years are slips of the hand, and are not written with four digits everywhere."""
_SPACED = re.compile(r"(?<=\d\.) (?=\d{1,2}\.|\d{4}\b)")
"""The blanks in 2024. 05. 17., but not that before a time."""
_YEAR = "check the year"
_DECLARE = 'declare the format in the mapping, as input: ["%d/%m/%Y"]'


def date_converter(
    input_: Sequence[str] | None,
    output: str,
    timezone: str | None,
    repair: bool = False,
    finding: Finding = NOTHING,
) -> Converter:
    """A converter from the declared formats, or from common ones where none is declared.

    With `repair`, a date that a spreadsheet program left as its serial number (45429 for
    2024-05-17) is read, with a warning, and so is one of whose day the program made the month,
    where the column was found to have such dates.
    """
    zone = ZoneInfo(timezone) if timezone else None
    read: Callable[[str], datetime | Fault] = (
        (lambda text: _read_common(text, finding.day_first))
        if input_ is None
        else lambda text: _read_declared(text, input_)
    )

    def convert(text: str) -> Converted:
        plain = re.sub(r"\s+", " ", text)
        fault: Fault | None
        if (serial := serial_moment(plain)) is not None:
            fault = serial_date(text, serial, repair)
            return Converted(f"{serial:{output}}" if fault.warning else text, fault)
        moment = read(plain)
        if isinstance(moment, Fault) and (closed := _SPACED.sub("", plain)) != plain:
            moment = read(closed)
        if isinstance(moment, Fault):
            return Converted(text, moment)
        if moment.tzinfo is not None:
            if zone is None:
                message = f'"{text}" has an offset, and the mapping names no timezone'
                hint = "add timezone: Europe/Budapest (or another) to the mapping"
                return Converted(text, Fault("offset_without_timezone", message, hint))
            try:
                moment = moment.astimezone(zone)
            except (OverflowError, ValueError):
                return Converted(
                    text, Fault("bad_date", f'"{text}" is not a date in our time', _YEAR)
                )
        if moment.year < _FIRST_YEAR:
            return Converted(text, Fault("bad_date", f'"{text}" is not a date in our time', _YEAR))
        fault = None
        if finding.swapped and is_real_date(plain):
            moment, fault = swap_back(text, moment, repair)
            if fault is not None and not fault.warning:
                return Converted(text, fault)
        return Converted(moment.strftime(output), fault)

    return convert


def _read_declared(text: str, formats: Sequence[str]) -> datetime | Fault:
    iso = _YEAR_FIRST.fullmatch(text)
    if iso is not None and iso["mark"] == "-":
        return _moment(text, iso, iso["m"], iso["d"])
    found: set[datetime] = set()
    for format_ in formats:
        try:
            found.add(datetime.strptime(text, format_))  # noqa: DTZ007 - zone handled by caller
        except ValueError:
            continue
    if len(found) > 1:
        return Fault(
            "ambiguous_date",
            f'"{text}" can mean {" or ".join(sorted(f"{m:%Y-%m-%d}" for m in found))}',
            "declare only the format that the column has",
        )
    if not found:
        return Fault(
            "bad_date",
            f'"{text}" is not a date of the form {" or ".join(formats)}',
            "check the day and month",
        )
    return found.pop()


def _read_common(text: str, day_first: bool | None) -> datetime | Fault:
    if match := _YEAR_FIRST.fullmatch(text):
        return _moment(text, match, match["m"], match["d"])
    match = _YEAR_LAST.fullmatch(text)
    if match is None:
        return _not_understood(text)
    a, b = match["a"], match["b"]
    if match["mark"] == "." or int(a) > 12 or int(a) == int(b):
        return _moment(text, match, month=b, day=a)
    if int(b) > 12:
        return _moment(text, match, month=a, day=b)
    if day_first is not None:
        month, day = (b, a) if day_first else (a, b)
        return _moment(text, match, month, day)
    return Fault("ambiguous_date", f'day and month of "{text}" cannot be told apart', _DECLARE)


def _not_understood(text: str) -> Fault:
    """Refuse what has no year of four digits: 01.02.03 can be read in six ways."""
    short = _SHORT_YEAR.fullmatch(text)
    if short is None:
        return Fault("bad_date", f'"{text}" is not a date that is understood', _DECLARE)
    mark = short["mark"]
    return Fault(
        "two_digit_year",
        f'the year of "{text}" has two digits',
        f'declare the format in the mapping, as input: ["%d{mark}%m{mark}%y"]',
    )


def _moment(text: str, match: re.Match[str], month: str, day: str) -> datetime | Fault:
    time, zone = match["time"] or "00:00", (match["zone"] or "").replace("Z", "+00:00")
    hour, _, rest = time.replace(",", ".").partition(":")
    iso = f"{match['y']}-{int(month):02}-{int(day):02}T{int(hour):02}:{rest}{zone}"
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        return Fault("bad_date", f'"{text}" is not a date in the calendar', "check day and month")
