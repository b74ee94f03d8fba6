"""Kinds of cells: what the shape of a single cell shows about its column.

The kinds of a whole batch are found at once, by patterns of RE2. These are rougher than the
converters, which decide about each value: a kind is evidence about the column only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import Indices, mask_of, matches

OTHER = "other"
"""The kind of cells that show nothing about their column."""
FALLS = "falls"
"""Not a kind of cell: how often a code is no greater than the one above it."""
MOST_DIGITS = 15
"""Digits of a number that a spreadsheet program keeps; it puts zeros in place of the others."""

_CUT = f"^[1-9][0-9]{{{MOST_DIGITS - 1}}}0+$"

KindFinder = Callable[[Any], Iterator[tuple[str, Indices]]]
"""From texts, a pyarrow array without blanks, to the places of the texts of each kind."""

_HIGH = "(?:1[3-9]|2[0-9]|3[01])"
_LOW = "(?:0?[1-9]|1[0-2])"
_LONG_YEAR, _SHORT_YEAR = "[0-9]{4}(?:[^0-9]|$)", "[0-9]{2}(?:[^0-9]|$)"


def _year_last(first: str, second: str, year: str, marks: str = "/-") -> str:
    """A pattern of dates whose year stands last, with the same mark twice."""
    return "|".join(f"^{first}[{mark}]{second}[{mark}]{year}" for mark in marks)


_SAME = "|".join(_year_last(f"0?{n}", f"0?{n}", _LONG_YEAR) for n in range(1, 13))
_DATES = (
    ("real_low", "^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-2])(?:[^0-9]|$)"),
    ("real_high", "^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[^0-9]|$)"),
    ("day_first", _year_last(_HIGH, _LOW, _LONG_YEAR)),
    ("month_first", _year_last(_LOW, _HIGH, _LONG_YEAR)),
    ("same", _SAME),
    ("either", _year_last(_LOW, _LOW, _LONG_YEAR)),
    ("dotted_high", _year_last(_HIGH, _LOW, "[0-9]", ".")),
    ("dotted_low", _year_last(_LOW, _LOW, "[0-9]", ".")),
    ("short_day_first", _year_last(_HIGH, _LOW, _SHORT_YEAR)),
    ("short_month_first", _year_last(_LOW, _HIGH, _SHORT_YEAR)),
    ("short_either", _year_last(_LOW, _LOW, _SHORT_YEAR)),
)

_GROUP = r"['’ \x{a0}\x{202f}\x{2009}"


def _decimal(mark: str, other: str) -> str:
    """A pattern of numbers in which `mark` can only be the decimal mark."""
    grouped = f"[0-9]{{1,3}}(?:{_GROUP}{other}][0-9]{{3}})+"
    many = f"[0-9]{{1,3}}(?:[{other}][0-9]{{3}}){{2,}}"
    return f"^[+-]?(?:(?:[0-9]+|{grouped})?[{mark}][0-9]*|{many})$"


_NUMBERS = (
    ("whole", "^[+-]?[0-9]+$"),
    ("either", "^[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}$"),
    ("comma", _decimal(",", ".")),
    ("point", _decimal(".", ",")),
)
_PHONES = (
    (
        "date",
        "^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?: [0-9]{2}:[0-9]{2}:[0-9]{2})?$",
    ),
    ("plus", "^[^0-9A-Za-z+]*[+＋]"),
    ("double_zero", "^[^0-9A-Za-z]*00"),
    ("zero", "^[^0-9A-Za-z]*0"),
    ("bare", "^[^0-9A-Za-z]*[1-9]"),
)
KindPatterns = Sequence[tuple[str, str]]
KindNumbers = npt.NDArray[np.int8]
"""For each text, the index of its kind among the patterns; their count, where it is of no kind."""


def _by_pattern(patterns: KindPatterns) -> KindFinder:
    """A function that finds kinds by patterns, of which the first that fits decides."""

    def kinds(texts: Any) -> Iterator[tuple[str, Indices]]:
        """The places of each kind, in the patterns' order."""
        # A day or a price stands in many rows: each distinct text is matched once.
        encoded = texts.dictionary_encode()
        numbers = _kind_numbers(encoded.dictionary, patterns)
        return _places(numbers[encoded.indices.to_numpy()], patterns)

    return kinds


def _kind_numbers(texts: Any, patterns: KindPatterns) -> KindNumbers:
    left, places = texts, np.arange(len(texts))
    numbers = np.full(len(left), len(patterns), dtype=np.int8)
    for number, (_, pattern) in enumerate(patterns):
        if not len(left):
            break
        fits = matches(left, pattern)
        if fits.any():
            numbers[places[fits]] = number
            places, left = places[~fits], left.filter(pa.array(~fits))
    return numbers


def _places(numbers: KindNumbers, patterns: KindPatterns) -> Iterator[tuple[str, Indices]]:
    for number in np.flatnonzero(np.bincount(numbers)).tolist():
        kind = patterns[number][0] if number < len(patterns) else OTHER
        yield kind, np.flatnonzero(numbers == number)


_FLOAT = "^[0-9]+[.]0$"
"""A code that a program took for a number with a fraction, as pandas does beside blank cells."""


def _codes(texts: Any) -> Iterator[tuple[str, Indices]]:
    """Codes of digits by their length; codes that begin with 0 or are too long are of own kinds."""
    sizes = pc.binary_length(texts).to_numpy()
    is_code = mask_of(pc.ascii_is_decimal(texts))
    is_zero = is_code & mask_of(pc.starts_with(texts, "0"))
    is_long = is_code & (sizes > MOST_DIGITS) & ~is_zero
    is_cut = is_long & matches(texts, _CUT)
    is_float = ~is_code & mask_of(pc.ends_with(texts, ".0"))
    if is_float.any():
        is_float[is_float] = matches(texts.filter(pa.array(is_float)), _FLOAT)
    for kind, mask in (
        (OTHER, ~(is_code | is_float)),
        ("float", is_float),
        ("zero", is_zero),
        ("cut", is_cut),
        ("long", is_long & ~is_cut),
    ):
        if mask.any():
            yield kind, np.flatnonzero(mask)
    lengths = np.where(is_code & ~is_zero & ~is_long, sizes, 0)
    for length in np.flatnonzero(np.bincount(lengths)).tolist():
        if length:
            yield str(length), np.flatnonzero(lengths == length)


DATES, NUMBERS, PHONES = map(_by_pattern, (_DATES, _NUMBERS, _PHONES))
CODES: KindFinder = _codes


def code_numbers(texts: Any) -> npt.NDArray[np.int64]:
    """The codes among texts as numbers, in order; those of too many digits are left out."""
    codes = pc.and_(pc.ascii_is_decimal(texts), pc.less_equal(pc.binary_length(texts), MOST_DIGITS))
    return np.asarray(pc.cast(texts.filter(codes), pa.int64()).to_numpy(), np.int64)
