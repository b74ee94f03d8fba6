"""What converters take and give: a text becomes a value, or a fault says what is wrong with it.

Beside its text a converter knows a :class:`Finding`, which is what the whole column says about its
single cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple


class Fault(NamedTuple):
    """What is wrong with one value; a `warning` is sent all the same, whatever the rule says."""

    code: str
    message: str
    hint: str | None = None
    warning: bool = False


class Converted(NamedTuple):
    """A converted value; where there is a fault that is no warning, the value as it came."""

    value: str
    fault: Fault | None = None


Converter = Callable[[str], Converted]
"""A pure function of a text that is not blank."""
Bare = Literal["plus", "national", "unclear"]
"""The plus was lost; it is a national number; or the column does not show which."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about a column; by default nothing, and each cell stands for itself.

    `day_first` says how dates such as 03/04/2024 are meant. `swapped` says that day and month of
    the real dates were read the wrong way round. `decimal_mark` says what 1,234 or 1.234 means.
    `point` says what a point in a number means where cells of a workbook are numbers, whatever mark
    is declared: it is decimal, or unclear, since texts have points, too.
    `prefixes` are what phones may have lost: ``+``, ``0``. `bare` says what a phone is that begins
    with its region's own code and is a valid number both with a plus before it and without one;
    `plus_expected`, that nearly all phones have a country's code, be its plus written or lost.
    `dates_are_damage` says that a phone which looks like a date is one. `width` is how many digits
    codes had before they lost the zeros at their front.
    """

    day_first: bool | None = None
    swapped: bool = False
    decimal_mark: str | None = None
    point: Literal["decimal", "unclear"] | None = None
    prefixes: tuple[str, ...] = ()
    bare: Bare = "plus"
    plus_expected: bool = False
    dates_are_damage: bool = False
    width: int | None = None


NOTHING = Finding()
"""Nothing is known of the column."""
