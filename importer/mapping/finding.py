"""What a whole column says about its single cells, in the form that converters want it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about a column; by default nothing, and each cell stands for itself.

    `day_first` says how dates such as 03/04/2024 are meant. `swapped` says that day and month of
    the real dates were read the wrong way round. `decimal_mark` says what 1,234 or 1.234 means.
    `prefixes` are what phones may have lost: ``+``, ``0``. `international` says that nearly all
    phones are in international form, `dates_are_damage` that a phone which looks like a date is
    one. `width` is how many digits codes had before they lost the zeros at their front.
    """

    day_first: bool | None = None
    swapped: bool = False
    decimal_mark: str | None = None
    prefixes: tuple[str, ...] = ()
    international: bool = False
    dates_are_damage: bool = False
    width: int | None = None


NOTHING = Finding()
"""Nothing is known of the column."""
