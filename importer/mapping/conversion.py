"""The types of converters, which turn a text into a value or a fault.

A converter is built with a :class:`Finding`: what the whole column shows about its single cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple


class Fault(NamedTuple):
    """What is wrong with one value; a value with a `warning` is sent whatever ``on_error`` says."""

    code: str
    message: str
    hint: str | None = None
    warning: bool = False


class Converted(NamedTuple):
    """A converted value; with a fault that is no warning, the text that was given."""

    value: str
    fault: Fault | None = None


Converter = Callable[[str], Converted]
"""A pure function of a text that is not blank."""
BareMeaning = Literal["plus", "national", "unclear"]
"""What a phone is that begins with its region's own code, without a plus: an international number
whose plus was lost, a national number, or either, as the column does not show which."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a whole column shows about its cells; by default nothing.

    `day_first` says how dates such as 03/04/2024 are meant. `swapped` says that day and month of
    the real dates were read the wrong way round. `decimal_mark` says what 1,234 or 1.234 means.
    `point` says what a point in a number means where cells of a workbook are numbers, whatever mark
    is declared: it is decimal, or unclear, since texts have points, too. `latest` is the day after
    which no date with a year of two digits is read: its century is in doubt.
    `prefixes` are what phones may have lost: ``+``, ``0``. `bare` says what a phone is that begins
    with its region's own code and is a valid number both with a plus before it and without one;
    `plus_expected`, that nearly all phones have a country's code, be its plus written or lost.
    `dates_are_damage` says that a phone which looks like a date is one. `width` is how many digits
    codes had before they lost their leading zeros.
    """

    day_first: bool | None = None
    swapped: bool = False
    decimal_mark: str | None = None
    point: Literal["decimal", "unclear"] | None = None
    prefixes: tuple[str, ...] = ()
    bare: BareMeaning = "plus"
    plus_expected: bool = False
    dates_are_damage: bool = False
    width: int | None = None
    latest: date | None = None


NO_FINDING = Finding()
