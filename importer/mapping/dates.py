"""Dates and times: declared formats, ISO 8601 always, and no guess where day and month are alike.

A real date cell arrives in ISO form, so it is understood whatever formats are declared.
Dotted dates are day first: no locale writes month.day.year.

A time zone is converted to the mapping's own, or its cell is refused. It is never dropped: a
call-back two hours off looks right on every screen. ``strptime`` cannot be left to read zones,
since ``%Z`` and a ``Z`` or ``UTC`` written into a format give a time without one, and ``%z``
takes no ``+02`` before Python 3.14. So the zone is read here, and ``strptime`` is given the
offset in the one form that every version reads.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from importer.mapping.conversion import NO_FINDING, Converted, Converter, Fault, Finding
from importer.mapping.damage import is_real_date, serial_date, serial_moment, swap_back

_OFFSET = r"[+\-−][0-9]{2}(?::?[0-9]{2})?"
"""With a hyphen or, as ISO 8601 has it, a true minus sign."""
_UTC = r"[Zz]|UTC|GMT|UT"
_ZONE = rf"(?:UTC|GMT)[+\-][0-9]{{1,2}}(?::?[0-9]{{2}})?|{_UTC}|{_OFFSET}|[A-Za-z]{{3,5}}"
"""An offset, a name of UTC, both (``GMT+2``), or a word that may be a zone's name."""
_TIME = (
    r"(?:(?:[Tt]| +T?)"
    r"(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]+)?)"
    rf"\s*(?P<zone>{_ZONE})?)?"
)
_SHORT_TIME = (
    r"(?P<time>[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?(?:[.,][0-9]+)?)"
    rf"\s*(?P<zone>{_ZONE})?"
)
"""Without its colons, or with the hour alone: that is a time only where a T says so."""


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)


_YEAR_FIRST = _pattern(
    r"(?P<y>[0-9]{4})(?P<mark>[-./])(?P<m>[0-9]{1,2})(?P=mark)(?P<d>[0-9]{1,2})\.?" + _TIME
)
_BASIC = _pattern(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?:[Tt ]" + _SHORT_TIME + ")?")
_EXTENDED = _pattern(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})[Tt]" + _SHORT_TIME)
_YEAR_LAST = _pattern(
    r"(?P<a>[0-9]{1,2})(?P<mark>[-./])(?P<b>[0-9]{1,2})(?P=mark)(?P<y>[0-9]{4})\.?" + _TIME
)
_SHORT_YEAR = _pattern(r"[0-9]{1,2}(?P<mark>[-./])[0-9]{1,2}(?P=mark)(?P<y>[0-9]{2})\.?" + _TIME)
_WEEK = _pattern(r"[0-9]{4}-?W[0-9]{2}(?:-?[1-7])?(?:[T ].*)?")
_ORDINAL = _pattern(r"[0-9]{4}-[0-9]{3}(?:[T ].*)?")
_WITHOUT_DAY = _pattern(r"[0-9]{4}(?:[-./][0-9]{1,2})?")
_WITHOUT_YEAR = _pattern(r"[0-9]{1,2}[-./] ?[0-9]{1,2}\.?")
_CLOCK = _pattern(r"([0-9]{1,2}):?([0-9]{2})?:?([0-9]{2})?(?:[.,]([0-9]+))?")

_FIRST_YEAR = 1000
"""Earlier years are slips of the hand, and are not written with four digits everywhere."""
_FURTHEST_ZONE = timedelta(hours=14)
_LONGEST = 100
"""No date is longer; each place in it that may be its zone is tried."""
_SPACED = re.compile(r"(?<=\d\.) (?=\d{1,2}\.|\d{4}\b)")
"""The blanks in 2024. 05. 17., but not that before a time."""
_YEAR = "check the year"
_DAY_MONTH = "%d/%m/%Y"
_ZONE_HINT = "write it as an offset from UTC, as +02:00"

_ZONE_NAMES = (
    "ACDT|ACST|ADT|AEDT|AEST|AKDT|AKST|AST|AWST|BRT|BST|CAT|CDT|CEST|CET|CST|EAT|EDT|EEST|EET|EST|"
    "HKT|HST|IDT|IST|JST|KST|MDT|MESZ|MEZ|MSD|MSK|MST|NDT|NST|NZDT|NZST|PDT|PKT|PST|SAST|SGT|TRT|"
    "WAT|WEST|WET|WIB"
)
"""Names that people write for zones, most of them of several: CST is in Chicago and in Shanghai."""


class Period(NamedTuple):
    """Between which days, both included, the dates of a rule lie: its ``min`` and ``max``."""

    first: date | None = None
    last: date | None = None


ALWAYS = Period()


def period_of(min_: str | None, max_: str | None, input_: Sequence[str] | None) -> Period:
    """The period between two dates of a mapping; a text that is no date bounds nothing."""
    convert = date_converter(input_, "%Y-%m-%d", None)

    def day(text: str | None) -> date | None:
        if text is None:
            return None
        value, fault = convert(text)
        return None if fault is not None else date.fromisoformat(value)

    return Period(day(min_), day(max_))


def date_converter(
    input_: Sequence[str] | None,
    output: str,
    timezone: str | None,
    repair: bool = False,
    finding: Finding = NO_FINDING,
    period: Period = ALWAYS,
) -> Converter:
    """A converter from the declared formats, or from common ones where none is declared.

    With `repair`, a date that a spreadsheet program left as its serial number (45429 for
    2024-05-17) is read, with a warning, and so is one of whose day the program made the month,
    where the column was found to have such dates.

    Of the two centuries that a year of two digits may be of, the one whose date lies in the
    `period` is taken, if just one does and the period has a beginning.
    """
    home = ZoneInfo(timezone) if timezone else None
    formats = [(text, zoned_format(text)) for text in input_ or ()]
    read: Callable[[str], datetime | Fault] = (
        (lambda text: _read_common(text, finding.day_first, home))
        if input_ is None
        else lambda text: _read_declared(text, formats, home)
    )
    short = any(has_short_year(zoned) for _, zoned in formats)

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
            if home is None:
                message = f'"{text}" has an offset, and no time zone is set'
                hint = "add timezone: Europe/Budapest (or another) to the mapping"
                return Converted(text, Fault("offset_without_timezone", message, hint))
            try:
                moment = moment.astimezone(home)
            except (OverflowError, ValueError):
                return Converted(
                    text, Fault("bad_date", f'"{text}" is not a date in our time', _YEAR)
                )
        if short and _read_by_short_year(plain, formats, home):
            readings = _in_period(moment, period)
            moment, latest = readings[-1], finding.latest
            if len(readings) > 1 and latest is not None and moment.date() > latest:
                return Converted(text, _century_in_doubt(text, readings, latest))
        if moment.year < _FIRST_YEAR:
            return Converted(text, Fault("bad_date", f'"{text}" is not a date in our time', _YEAR))
        fault = None
        if finding.swapped and is_real_date(plain):
            moment, fault = swap_back(text, moment, repair)
            if fault is not None and not fault.warning:
                return Converted(text, fault)
        return Converted(moment.strftime(output), fault)

    return convert


class ShortYear(NamedTuple):
    """A date that was read by declared formats; `other` is its other reading, a century earlier.

    There is none where the year was written in full, or the period of the rule decides.
    """

    day: date
    other: date | None


def short_years(input_: Sequence[str] | None, period: Period) -> ShortYearReader | None:
    """A function that reads dates and says which of them are of a doubtful century.

    None where no format has a year of two digits. The function gives None for what is no date.
    """
    formats = [(text, zoned_format(text)) for text in input_ or ()]
    if not any(has_short_year(zoned) for _, zoned in formats):
        return None

    def read(text: str) -> ShortYear | None:
        plain = re.sub(r"\s+", " ", text)
        moment = _read_declared(plain, formats, None)
        if isinstance(moment, Fault):
            plain = _SPACED.sub("", plain)
            moment = _read_declared(plain, formats, None)
        if isinstance(moment, Fault):
            return None
        if not _read_by_short_year(plain, formats, None):
            return ShortYear(moment.date(), None)
        readings = _in_period(moment, period)
        return ShortYear(readings[-1].date(), readings[0].date() if len(readings) > 1 else None)

    return read


ShortYearReader = Callable[[str], ShortYear | None]


def _read_by_short_year(
    text: str, formats: Sequence[tuple[str, str]], home: ZoneInfo | None
) -> bool:
    """Whether a text that is a date is one by the formats with a year of two digits only."""
    if isinstance(_iso(text, home), datetime):
        return False
    moments = (
        moment
        for _, zoned in formats
        if not has_short_year(zoned)
        for moment in _by_format(text, zoned, home)
    )
    return not any(isinstance(moment, datetime) for moment in moments)


def _in_period(moment: datetime, period: Period) -> list[datetime]:
    """The readings of a date of two digits for its year that the period leaves, earliest first.

    strptime takes 69 to 99 as 1969 to 1999, and 00 to 68 as 2000 to 2068. A period without a
    beginning leaves both: a slip of a day past its end would become a date of a century ago.
    """
    try:
        earlier = moment.replace(year=moment.year - 100)
    except ValueError:  # 29 February 1900
        return [moment]
    both = [earlier, moment]
    if period.first is None:
        return both
    last = period.last or date.max
    return [one for one in both if period.first <= one.date() <= last] or [moment]


def _century_in_doubt(text: str, readings: Sequence[datetime], latest: date) -> Fault:
    first, second = (f"{one:%Y-%m-%d}" for one in readings)
    return Fault(
        "two_digit_year",
        f'the year of "{text}" has two digits: it can be {first} or {second}, in the future',
        f"write the year with four digits, or {bounds_advice(latest)}",
    )


def today() -> date:
    """The day after which a date lies in the future."""
    return datetime.now(UTC).date()


def _meaning(year: str) -> str:
    """What a declared format with %y makes of a year of two digits."""
    read = int(year) + (1900 if int(year) >= 69 else 2000)
    if read > today().year:
        return f"and by min and max whether {year} is {read - 100} or {read}"
    return f"which reads {year} as {read}"


def bounds_advice(latest: date) -> str:
    """How a mapping says of which century short years are; `latest` is the last past day."""
    return (
        "say in the mapping between which days all dates lie: "
        f'min: "{latest.year - 99}-01-01" and max: "{latest}" for dates of birth, '
        'min: "2000-01-01" for dates to come'
    )


def _read_common(text: str, day_first: bool | None, home: ZoneInfo | None) -> datetime | Fault:
    for year_first in (_YEAR_FIRST, _EXTENDED, _BASIC):
        if match := year_first.fullmatch(text):
            return _moment(text, match, match["m"], match["d"], home)
    match = _YEAR_LAST.fullmatch(text)
    if match is None:
        return _not_understood(text)
    a, b = match["a"], match["b"]
    if match["mark"] == "." or int(a) > 12 or int(a) == int(b):
        return _moment(text, match, b, a, home)
    if int(b) > 12:
        return _moment(text, match, a, b, home)
    if day_first is not None:
        month, day = (b, a) if day_first else (a, b)
        return _moment(text, match, month, day, home)
    message = f'day and month of "{text}" cannot be told apart'
    return Fault("ambiguous_date", message, _declare(text, _DAY_MONTH))


def _not_understood(text: str) -> Fault:
    """Refuse what has no year of four digits: 01.02.03 can be read in six ways."""
    if short := _SHORT_YEAR.fullmatch(text):
        mark = short["mark"]
        message = f'the year of "{text}" has two digits'
        end = "." if short["time"] is None and text.endswith(".") else ""
        hint = _declare(text, f"%d{mark}%m{mark}%Y{end}", f"%d{mark}%m{mark}%y{end}")
        return Fault("two_digit_year", message, f"write four, or {hint}, {_meaning(short['y'])}")
    what, hint = "is not a date that is understood", _declare(text, _DAY_MONTH)
    if _WEEK.fullmatch(text):
        what, hint = "is a week of a year, as ISO 8601 counts them", "write year, month and day"
    elif _ORDINAL.fullmatch(text):
        what, hint = "is a day of a year, counted from its first", "write year, month and day"
    elif _WITHOUT_DAY.fullmatch(text):
        what, hint = "has no day", "write year, month and day, as 2024-05-17"
    elif _WITHOUT_YEAR.fullmatch(text) or re.fullmatch(r"[0-9]{1,2}\.? [^\W\d_]+\.?", text):
        what, hint = "has no year", "write year, month and day, as 2024-05-17"
    elif re.fullmatch("[0-9]{14}", text):
        hint = _DECLARE.format("%Y%m%d%H%M%S")
    elif re.fullmatch("[0-9]{10}|[0-9]{13}", text):
        unit = "seconds" if len(text) == 10 else "thousandths of a second"
        what, hint = f"looks like {unit} counted from 1970", "write a date, as 2024-05-17 10:26:30"
    elif (form := _format_of(text)) is not None:
        hint = _DECLARE.format(form)
    elif re.match(r"[0-9]{0,4}[^\w:]*[^\W\d_]{2}", text):
        hint = "write the month as a number, as 2024-05-17 10:26:30"
    return Fault("bad_date", f'"{text}" {what}', hint)


_DECLARE = 'declare the format in the mapping, as input: ["{}"]'
_TOKEN = _pattern(
    r"(?P<zone>(?<=[0-9] )[+\-][0-9]{2}:?[0-9]{2}$)|(?P<clock>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)"
    r"|(?P<year>[0-9]{4})|(?P<number>[0-9]{1,2})|(?P<word>[A-Za-z]+)|(?P<other>.)"
)
_LONGEST_DATE = 60


def _format_of(text: str) -> str | None:
    """The format of a date whose month has a name, or whose year stands first; else None.

    It is one that ``strptime`` reads the text by, so names are those that it knows.
    """
    names = {
        name.casefold(): directive
        for directive, known in (
            ("%b", calendar.month_abbr),
            ("%B", calendar.month_name),
            ("%a", calendar.day_abbr),
            ("%A", calendar.day_name),
        )
        for name in known
    }
    tokens = list(_TOKEN.finditer(text)) if len(text) <= _LONGEST_DATE else []
    words = [token["word"].casefold() for token in tokens if token["word"]]
    named = any(names.get(word) in ("%b", "%B") for word in words)
    half = any(word in ("am", "pm") for word in words)
    # Any other word may be a time zone, which a format that has it as its text would drop.
    known_words = {*names, "t", "z", "utc", "gmt", *(("am", "pm") if half else ())}
    if (
        not known_words.issuperset(words)
        or "%" in text
        or not (named or re.match("[0-9]{4}[^0-9]", text))
    ):
        return None
    numbers = iter(("%d", "%y") if named else ("%m", "%d"))
    form = ""
    for token in tokens:
        if clock := token["clock"]:
            form += ("%I" if half else "%H") + (":%M:%S" if clock.count(":") > 1 else ":%M")
        elif word := token["word"]:
            form += (
                "%p"
                if half and word.casefold() in ("am", "pm")
                else names.get(word.casefold(), word)
            )
        elif token["number"]:
            form += next(numbers, "")
        else:
            form += "%z" if token["zone"] else "%Y" if token["year"] else token["other"]
    if not has_year(form):
        return None
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 -- only whether it can be read is asked
    except (ValueError, re.error):
        return None
    return form


def _declare(text: str, *dates: str) -> str:
    """How to declare formats for a date like `text`, with days and months as in `dates`."""
    if first := re.match("[0-9]{4}([-./])[0-9]", text):
        dates = (f"%Y{first[1]}%m{first[1]}%d",)
    time = ""
    if clock := re.search(r"[0-9]:[0-9]{2}(:[0-9]{2})?", text):
        half = re.search(r"[ap]\.?m\b", text, re.IGNORECASE)
        time = f" {'%I' if half else '%H'}:%M{':%S' if clock[1] else ''}{' %p' if half else ''}"
        if not half and re.search("[A-Za-z]", text[clock.end() :]):
            time += " …"
    return _DECLARE.format('", "'.join(date + time for date in dates))


def _moment(
    text: str, match: re.Match[str], month: str, day: str, home: ZoneInfo | None
) -> datetime | Fault:
    clock = _CLOCK.fullmatch(match["time"] or "00:00")
    hour, minute, second, fraction = clock.groups() if clock else ("0", None, None, None)
    if fraction is not None and second is None:
        message = f'"{text}" has a fraction, but not of a second'
        return Fault("bad_date", message, "write hours, minutes and seconds, as 10:26:30")
    parts = [int(part or 0) for part in (match["y"], month, day, hour, minute, second)]
    if (fault := _wrong_part(text, parts)) is not None:
        return fault
    y, mo, d, h, mi, s = parts
    micro = int((fraction or "").ljust(6, "0")[:6])
    return _zoned(text, datetime(y, mo, d, h, mi, s, micro), match["zone"], home)  # noqa: DTZ001


_NAMES = ("year", "month", "day", "hour", "minute", "second")
_MOST = (9999, 12, 31, 23, 59, 59)


def _wrong_part(text: str, parts: Sequence[int]) -> Fault | None:
    """Name the first part of a date, from the year to the second, that no calendar or clock has."""

    def fault(what: str, hint: str) -> Fault:
        return Fault("bad_date", f'"{text}" is not a date in the calendar: {what}', hint)

    year, month, day, hour = parts[:4]
    for name, part, most in zip(_NAMES, parts, _MOST, strict=True):
        least = 1 if name in {"year", "month", "day"} else 0
        if least <= part <= most:
            continue
        hint = f"check the {name}: it is a number from {least} to {most}"
        if name == "month" and day <= 12:
            hint = "check day and month: do they stand the other way round?"
        if name == "hour" and hour == 24:
            hint = "write midnight as 00:00 of the next day"
        return fault(f"there is no {name} {part}", hint)
    last = calendar.monthrange(year, month)[1]
    if day > last:
        named = f"{calendar.month_name[month]}{f' {year}' if month == 2 else ''}"
        return fault(f"{named} has no day {day}", f"check the day: its last is the {last}th")
    return None


def _zoned(
    text: str, moment: datetime, zone: str | None, home: ZoneInfo | None
) -> datetime | Fault:
    """The moment in its zone; without one where none is written, or it is that of `home`.

    A name such as CEST is understood where `home` has that name at that time, and nowhere else:
    CET in summer may mean either hour.
    """
    if zone is None:
        return moment
    if (fixed := _offset(zone)) is not None:
        offset = fixed.utcoffset(None)
        if offset is not None and abs(offset) > _FURTHEST_ZONE:
            message = f'"{text}" is not a date: no place has the offset {zone}'
            return Fault("bad_date", message, _ZONE_HINT)
        return moment.replace(tzinfo=fixed)
    if "/" in zone:
        return _in_place(text, moment, zone)
    name = zone.upper()
    if re.fullmatch(_ZONE_NAMES, name) is None:
        return Fault(
            "bad_date", f'"{text}" is not a date that is understood', _declare(text, _DAY_MONTH)
        )
    if home is not None:
        there = (moment.replace(tzinfo=home, fold=fold).tzname() for fold in (0, 1))
        if name in there:
            return moment
    message = f'"{text}" has the time zone {zone}, which is not converted'
    if home is not None:
        message += f": {home.key} does not call its time so then"
    return Fault("unknown_zone", message, _ZONE_HINT)


def _in_place(text: str, moment: datetime, place: str) -> datetime | Fault:
    """The moment in the zone of a place, as ``Europe/London``, if clocks there show it once."""
    try:
        zone = ZoneInfo(place)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return Fault("unknown_zone", f'"{text}" has an unknown time zone, {place}', _ZONE_HINT)
    there = moment.replace(tzinfo=zone)
    if there.utcoffset() != there.replace(fold=1).utcoffset():
        message = f'"{text}" is no single moment: clocks were changed in {place} then'
        return Fault("unknown_zone", message, _ZONE_HINT)
    return there


def _offset(zone: str) -> tzinfo | None:
    """The zone of an offset or of a name of UTC, or both together; None for another name."""
    digits = re.fullmatch(rf"(?:{_UTC})?([+\-−]?)([0-9]*):?([0-9]*)", zone, re.IGNORECASE)
    if digits is None:
        return None
    sign, first, second = digits.groups()
    if not first:
        return UTC
    hours, minutes = (first, second) if second or len(first) <= 2 else (first[:-2], first[-2:])
    if int(minutes or 0) > 59:
        return None
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    offset = min(offset, timedelta(hours=23))  # Python's own limit; ours is below it
    return timezone(offset if sign == "+" else -offset)


_DIRECTIVE = re.compile(r"%.|[^%]+|%", re.DOTALL)
_CLOCK_DIRECTIVES = frozenset({"%H", "%I", "%M", "%S", "%f", "%p", "%X", "%c", "%T", "%R"})
_PLACE = (
    "(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)"
    "(?:/[A-Za-z_-]+){1,2}"
)
_LITERAL_ZONE = re.compile(
    rf"(?<![A-Za-z])(?:{_PLACE}|(?:{_UTC})(?:{_OFFSET}|[+\-][0-9])?|{_ZONE_NAMES})"
    rf"(?![A-Za-z])|{_OFFSET}(?![0-9])"
)


def has_short_year(format_: str) -> bool:
    """Whether the year has two digits in a format; in that of %x it has."""
    return not {"%y", "%x"}.isdisjoint(_DIRECTIVE.findall(format_))


def has_year(format_: str) -> bool:
    """Whether a date can be read by the format: without a year strptime takes 1900.

    %x and %c have one unless a day stands beside them, and that reads no date either.
    """
    named = {*_DIRECTIVE.findall(format_)}
    return bool(named & {"%Y", "%y", "%G"}) or ("%d" not in named and bool(named & {"%c", "%x"}))


def zoned_format(text: str) -> str:
    """A strptime format with its zone, however that is written, as ``%z``.

    ``%Z``, and what stands for a zone after a time (``Z``, ``UTC``, ``+0000``, ``CET``), are read
    by strptime but not heeded. ``GMT%z`` is one zone. Where ``%z`` stands, a name after it, such
    as ``(CEST)``, says nothing more.
    """
    parts: list[str] = _DIRECTIVE.findall(text)
    given = any(part in {"%z", "%Z"} for part in parts)
    timed = False
    for i, part in enumerate(parts):
        if part == "%Z":
            parts[i] = "%z"
        elif part.startswith("%"):
            timed = timed or part in _CLOCK_DIRECTIVES
        elif timed and not given:
            parts[i] = _LITERAL_ZONE.sub("%z", part)
        elif given and parts[i + 1 : i + 2] in (["%z"], ["%Z"]):
            parts[i] = re.sub("(?:UTC|GMT)$", "", part)
    return "".join(parts)


_ZONE_IN_TEXT = re.compile(rf"(?<![A-Za-z])(?:{_PLACE}|{_ZONE})(?![A-Za-z0-9])", re.IGNORECASE)


def _read_declared(
    text: str, formats: Sequence[tuple[str, str]], home: ZoneInfo | None
) -> datetime | Fault:
    """Read a text by formats, each as it was declared and as :func:`zoned_format` gives it."""
    if len(text) > _LONGEST:
        return Fault("bad_date", f'"{text:.40}…" is not a date', "clear the cell, or mend it")
    found: set[datetime] = set()
    faults: list[Fault] = []
    for _, zoned in formats:
        for moment in _by_format(text, zoned, home):
            if isinstance(moment, Fault):
                faults.append(moment)
            else:
                found.add(moment)
    iso = _iso(text, home)
    if isinstance(iso, datetime) and (not found or text[4:5] == "-"):
        days = {moment.date() for moment in found}
        if not days or days == {iso.date()}:
            return iso
        found.add(iso)
    if len({moment.replace(tzinfo=None) for moment in found}) > 1:
        shown = sorted({f"{m:%Y-%m-%d}" for m in found})
        if len(shown) == 1:
            shown = sorted({f"{m:%Y-%m-%d %H:%M:%S}" for m in found})
        return Fault(
            "ambiguous_date",
            f'"{text}" can mean {" or ".join(shown)}',
            "declare only the format that the column has",
        )
    if found:
        return found.pop()
    faults += [iso] if isinstance(iso, Fault) else []
    return faults[0] if faults else _not_of_the_form(text, formats)


def _iso(text: str, home: ZoneInfo | None) -> datetime | Fault | None:
    """Read a date of ISO 8601; None for any other text."""
    match = _YEAR_FIRST.fullmatch(text)
    if match is None or match["mark"] != "-":
        match = _EXTENDED.fullmatch(text) or _BASIC.fullmatch(text)
    return None if match is None else _moment(text, match, match["m"], match["d"], home)


def _by_format(text: str, zoned: str, home: ZoneInfo | None) -> Iterator[datetime | Fault]:
    """Read a text by one format; its zone is whatever makes it fit."""
    if "%f" in zoned:
        # strptime reads six digits of a fraction; .NET writes seven, Java nine.
        text = re.sub(r"(?<=[.,][0-9]{6})[0-9]+", "", text)
    if "%z" not in zoned:
        if (moment := _strptime(text, zoned)) is not None:
            yield moment
        return
    for zone in _ZONE_IN_TEXT.finditer(text):
        moment = _strptime(f"{text[: zone.start()]}+0000{text[zone.end() :]}", zoned)
        if moment is not None:
            yield _zoned(text, moment.replace(tzinfo=None), zone[0], home)


def _strptime(text: str, format_: str) -> datetime | None:
    try:
        return datetime.strptime(text, format_)  # noqa: DTZ007 - its caller knows of the zone
    except ValueError:
        return None


def _not_of_the_form(text: str, formats: Sequence[tuple[str, str]]) -> Fault:
    for _, zoned in formats:
        if (fault := _part_that_does_not_fit(text, zoned)) is not None:
            return fault
    for declared, _ in formats:
        for zone in _ZONE_IN_TEXT.finditer(text):
            without = text[: zone.start()].rstrip() + text[zone.end() :]
            if zone.start() and _strptime(without, declared) is not None:
                message = f'"{text}" has the time zone {zone[0]}, and {declared} has none'
                blank = " " if text[zone.start() - 1] == " " else ""
                hint = f'declare it in the mapping: input: ["{declared}{blank}%z"]'
                return Fault("bad_date", message, hint)
    listed = " or ".join(declared for declared, _ in formats)
    if (own := _undeclared_format(text)) is not None:
        told = '", "'.join((*(declared for declared, _ in formats), own))
        return Fault(
            "bad_date",
            f'"{text}" is not a date of the form {listed}, and where forms are declared, '
            "no other is read",
            f'declare all forms in the mapping: input: ["{told}"]',
        )
    return Fault(
        "bad_date",
        f'"{text}" is not a date of the form {listed}',
        "write it in that form, or declare its own form in the mapping as well",
    )


def _undeclared_format(text: str) -> str | None:
    """The format of a date that would be read for certain where none is declared."""
    if isinstance(_read_common(text, None, None), Fault):
        return None
    if first := re.match(r"[0-9]{4}([-./])", text):
        form = f"%Y{first[1]}%m{first[1]}%d"
    elif last := _YEAR_LAST.fullmatch(text):
        mark = last["mark"]
        day_first = mark == "." or int(last["a"]) > 12
        form = f"%d{mark}%m{mark}%Y" if day_first else f"%m{mark}%d{mark}%Y"
    else:
        return None
    clock = re.search(r"[0-9]:[0-9]{2}(:[0-9]{2})?$", text)
    form += "." if text.endswith(".") else ""
    form += f" %H:%M{':%S' if clock[1] else ''}" if clock is not None else ""
    return form if _strptime(text, form) is not None else None


_NUMBERS = {"%Y": "[0-9]{4}", **dict.fromkeys(["%m", "%d", "%H", "%I", "%M", "%S"], "[0-9]{1,2}")}
_PLACES = {"%Y": 0, "%m": 1, "%d": 2, "%H": 3, "%I": 3, "%M": 4, "%S": 5}
_OTHERS = {"%y": "[0-9]{2}", "%f": "[0-9]+", "%z": rf"(?:{_ZONE})", "%%": "%"}


def _part_that_does_not_fit(text: str, zoned: str) -> Fault | None:
    """Name the part for which a text fails a format that it otherwise has."""
    places: list[int] = []
    pattern = ""
    for part in _DIRECTIVE.findall(zoned):
        if part in _NUMBERS:
            pattern += f"({_NUMBERS[part]})"
            places.append(_PLACES[part])
        elif part.startswith("%"):
            pattern += _OTHERS.get(part, r"[^\W\d_]+\.?")
        else:
            pattern += r"\s+".join(map(re.escape, re.split(r"\s+", part)))
    match = re.fullmatch(pattern, text, re.IGNORECASE)
    if match is None:
        return None
    parts = [2000, 1, 1, 0, 0, 0]
    for place, group in zip(places, match.groups(), strict=True):
        parts[place] = int(group)
    return _wrong_part(text, parts)
