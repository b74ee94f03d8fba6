"""Typed cells as text: what a frame, a Parquet file or JSON lines hold, read as a list of texts.

One table for all of them, which docs/library.md shows:

- text stays what it is; bytes are text in UTF-8;
- what is missing (None, null, NaN, NaT, NA) is blank;
- whole numbers have all their digits and no ``.0``; a decimal has the digits that it has; a binary
  fraction has 15 significant ones, as in a workbook;
- truth values are ``TRUE`` and ``FALSE``;
- dates and times are ISO 8601 with a space between them, rounded to seconds; a moment at midnight
  is its date alone, as in a workbook; one with a zone is as its clocks show it, with the offset;
- a length of time is ``[h]:mm:ss``;
- infinity, a moment outside of the years 1 to 9999 and a length of time of some 270,000 years are
  ``#NUM!``, an error cell.

A float that is whole but so large that the numbers beside it are missing (2^53, or 2^24 where it
has 32 bits) may stand for another number than was meant, so its row is not sent.
"""

from __future__ import annotations

import datetime as dt
import math
import sys
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as kinds

from importer.model import Problem
from importer.sources.table import batch_of_columns, filled_rows, nul_problems
from importer.sources.workbook import cell_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from importer.model import Batch

    Mask = npt.NDArray[np.bool_]

TYPED_KINDS = frozenset({"frame", "parquet", "jsonl"})
"""What `SourceInfo.kind` is of sources whose columns have names and whose cells have types."""
FIRST_ROW = 2
"""The number of the first row, as if the names of the columns stood in row 1."""

_TEXT = pa.large_string()
_NO_NUMBER = "#NUM!"
_EXACT = {16: 2.0**11, 32: 2.0**24, 64: 2.0**53}
"""By the bits of a float, from where on it has not every whole number."""
_MOST_DIGITS = 400
"""Of a decimal, before or behind its mark: an exponent may ask for any number of them."""
_KNOWN_EXTENSIONS = {"arrow.uuid", "arrow.json", "arrow.bool8"}


class NoTextError(Exception):
    """A cell that has no text: its `place` in its column, and `what` is wrong with it."""

    def __init__(self, place: int, what: str) -> None:
        super().__init__(place, what)
        self.place, self.what = place, what


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of typed cells as text.

    `array` is one of large strings, blank where nothing stands. `fractions` are the cells that are
    numbers with a fraction; `inexact` those that are whole floats too large to be sure of; each is
    None where there are none.
    """

    array: Any
    fractions: Mask | None = None
    inexact: Mask | None = None

    def __len__(self) -> int:
        return len(self.array)

    def between(self, start: int, stop: int) -> TextColumn:
        """The cells from index `start` up to `stop`."""
        return TextColumn(
            self.array[start:stop],
            None if self.fractions is None else self.fractions[start:stop],
            None if self.inexact is None else self.inexact[start:stop],
        )


def blanks(count: int) -> TextColumn:
    """So many blank cells."""
    return TextColumn(pa.repeat(pa.scalar("", _TEXT), count))


def batch_of(first: int, columns: Sequence[TextColumn], headers: Sequence[str]) -> Batch | None:
    """Consecutive rows as a batch; `first` is the number of the first. None if all are blank."""
    problems: list[Problem] = []
    for header, column in zip(headers, columns, strict=True):
        problems += nul_problems(header, column.array, first)
        if column.inexact is not None:
            problems += _inexact_problems(header, column, first)
    arrays = [column.array for column in columns]
    keep = filled_rows(arrays)
    if not keep.any():
        return None
    fractions = {n: c.fractions for n, c in enumerate(columns) if c.fractions is not None}
    return batch_of_columns(first, arrays, keep, problems, fractions)


def _inexact_problems(header: str, column: TextColumn, first: int) -> list[Problem]:
    places = np.flatnonzero(column.inexact).tolist() if column.inexact is not None else []
    return [
        Problem(
            row=first + place,
            column=header or None,
            target=None,
            code="inexact_float",
            message=f"{column.array[place]} is a float that cannot hold its last digits for sure",
            value=str(column.array[place]),
            hint="Read that column as text or as whole numbers, not as floats.",
        )
        for place in places
    ]


def texts_of_array(array: Any) -> TextColumn:
    """The texts of an Arrow array. Raises NoTextError, and ArrowException for damaged contents."""
    kind = array.type
    if kinds.is_dictionary(kind):
        return _decoded(texts_of_array(array.dictionary), array.indices)
    if kinds.is_boolean(kind):
        return _without_nulls(
            pc.if_else(array, pa.scalar("TRUE", _TEXT), pa.scalar("FALSE", _TEXT))
        )
    if kinds.is_floating(kind):
        return _floats(array, kind.bit_width)
    if kinds.is_timestamp(kind):
        return _moments(array)
    if kinds.is_time(kind):
        return _cells(array.cast(pa.time64("us"), safe=False))
    if kinds.is_duration(kind):
        return _durations(array)
    if kinds.is_date(kind):
        return _dates(array.cast(pa.date32()))
    if any(is_plain(kind) for is_plain in _PLAIN):
        try:
            return _without_nulls(array.cast(_TEXT))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return _cells(array)  # which tells where bytes are no text
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name not in _KNOWN_EXTENSIONS:
        # Its cells would be given as they are stored, which may mean anything.
        return _refuse_unknown(array, f"is of type {kind.extension_name}")
    return _cells(array)


_PLAIN = (
    kinds.is_null,
    kinds.is_integer,
    kinds.is_string,
    kinds.is_large_string,
    kinds.is_string_view,
    kinds.is_binary,
    kinds.is_large_binary,
    kinds.is_binary_view,
    kinds.is_fixed_size_binary,
)
"""Types whose cells Arrow gives as we do."""


def _without_nulls(array: Any) -> TextColumn:
    return TextColumn(pc.fill_null(array, pa.scalar("", _TEXT)))


def _decoded(values: TextColumn, indices: Any) -> TextColumn:
    """The values by their indices; one that is null is blank."""
    places = pc.fill_null(indices, 0).to_numpy(zero_copy_only=False)
    there = pc.is_valid(indices).to_numpy(zero_copy_only=False)

    def of(mask: Mask | None) -> Mask | None:
        return _mask_or_none(mask[places] & there) if mask is not None else None

    if not len(values):
        return blanks(len(indices))
    return TextColumn(
        _without_nulls(values.array.take(indices)).array, of(values.fractions), of(values.inexact)
    )


def _mask_or_none(mask: Mask) -> Mask | None:
    return mask if mask.any() else None


def _refuse_unknown(array: Any, what: str) -> TextColumn:
    there = pc.is_valid(array).to_numpy(zero_copy_only=False)
    if there.any():
        raise NoTextError(int(there.argmax()), what)
    return blanks(len(array))


def _floats(array: Any, bits: int) -> TextColumn:
    values = array.to_numpy(zero_copy_only=False)
    missing = np.isnan(values) | pc.is_null(array).to_numpy(zero_copy_only=False)
    finite = np.isfinite(values)
    whole = finite & (values == np.trunc(values))
    inexact = whole & (np.abs(values) >= _EXACT[bits])
    plain = (whole & ~inexact) | missing
    wholes = np.where(plain & ~missing, values, 0).astype(np.int64)
    texts = _without_nulls(pa.array(wholes, mask=~plain | missing).cast(_TEXT)).array
    if not plain.all():
        others = np.flatnonzero(~plain)
        # Of fewer bits the shortest digits that mean the number, not those of its double.
        doubles = [float(str(value)) for value in values[others]]
        found = [cell_text(n) if np.isfinite(n) else _NO_NUMBER for n in doubles]
        texts = pc.replace_with_mask(texts, pa.array(~plain), pa.array(found, _TEXT))
    return TextColumn(texts, _mask_or_none(finite & ~whole), _mask_or_none(inexact))


_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_DAY, _LAST_DAY = (
    (dt.date(year, month, day) - dt.date(1970, 1, 1)).days
    for year, month, day in ((1, 1, 1), (9999, 12, 31))
)
"""Of the years 1 to 9999, in days since 1970."""
_LONGEST = 86_400 * 10**8
"""Seconds of a length of time: its microseconds are a number of 64 bits."""


def _ticks(array: Any) -> tuple[Any, Any]:
    """The whole numbers that Arrow keeps for dates and times, and which are missing (0 there)."""
    ticks = array.cast(pa.int32() if kinds.is_date(array.type) else pa.int64())
    return (
        pc.fill_null(ticks, 0).to_numpy(zero_copy_only=False).astype(np.int64),
        pc.is_null(array).to_numpy(zero_copy_only=False),
    )


def _with_faults(texts: Any, beyond: Mask) -> TextColumn:
    """The texts, those `beyond` the bounds made ``#NUM!``."""
    if beyond.any():
        texts = pc.if_else(pa.array(beyond), pa.scalar(_NO_NUMBER, _TEXT), texts)
    return _without_nulls(texts)


def _dates(array: Any) -> TextColumn:
    days, missing = _ticks(array)
    # Arrow would give an error message as the text of a date beyond its bounds.
    beyond = (days < _FIRST_DAY) | (days > _LAST_DAY)
    dates = pa.array(days.astype(np.int32), mask=missing | beyond).cast(pa.date32())
    return _with_faults(dates.cast(_TEXT), beyond)


def _moments(array: Any) -> TextColumn:
    """Moments, rounded to seconds; those at midnight and without a zone are their dates."""
    per, zone = _PER_SECOND[array.type.unit], array.type.tz
    ticks, missing = _ticks(array)
    # Not by a cast to seconds: from coarser units Arrow's overflow, without a word.
    seconds = ticks // per + (2 * (ticks % per) >= per)
    # With a zone a clock may be a day ahead or behind.
    day = 86400 if zone is not None else 0
    beyond = (seconds < _FIRST_DAY * 86400 + day) | (seconds >= (_LAST_DAY + 1) * 86400 - day)
    moments = pa.array(seconds, mask=missing | beyond).cast(pa.timestamp("s", zone))
    if zone is not None:
        return _with_faults(_cells(moments).array, beyond)
    dates = moments.cast(pa.date32(), safe=False).cast(_TEXT)
    midnight = pa.array(seconds % 86400 == 0)
    return _with_faults(pc.if_else(midnight, dates, moments.cast(_TEXT)), beyond)


def _durations(array: Any) -> TextColumn:
    per = _PER_SECOND[array.type.unit]
    ticks, missing = _ticks(array)
    beyond = np.abs(ticks // per) > _LONGEST
    within = pc.if_else(pa.array(missing | beyond), pa.scalar(None, array.type), array)
    return _with_faults(_cells(within.cast(pa.duration("us"), safe=False)).array, beyond)


def _cells(array: Any) -> TextColumn:
    return texts_of_cells(array.to_pylist())


def texts_of_cells(cells: Sequence[object]) -> TextColumn:
    """The texts of cells of any type, one by one. Raises NoTextError."""
    try:
        # Most columns are nothing but texts, as Arrow finds on its way.
        return _without_nulls(pa.array(cells, _TEXT, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    texts: list[str] = []
    fractions, inexact = np.zeros(len(cells), np.bool_), np.zeros(len(cells), np.bool_)
    missing = _missing_values()
    for place, cell in enumerate(cells):
        if type(cell) is str:
            texts.append(cell)
        elif cell is None or any(cell is one for one in missing):
            texts.append("")
        elif isinstance(cell, np.generic) and not isinstance(cell, str | float | bytes):
            one = _numpy(place, cell)
            texts.append(one.array[0].as_py())
            fractions[place], inexact[place] = one.fractions is not None, one.inexact is not None
        else:
            texts.append(_text(place, cell))
            if isinstance(cell, float):
                whole = cell.is_integer()
                fractions[place] = math.isfinite(cell) and not whole
                inexact[place] = whole and abs(cell) >= _EXACT[64]
            elif isinstance(cell, Decimal):
                fractions[place] = cell.is_finite() and cell != cell.to_integral_value()
    return TextColumn(_array(texts), _mask_or_none(fractions), _mask_or_none(inexact))


def _missing_values() -> tuple[object, ...]:
    """What stands for a missing value in pandas, where a program uses it."""
    pandas: Any = sys.modules.get("pandas")
    return (pandas.NA, pandas.NaT) if pandas is not None else ()


def _numpy(place: int, cell: np.generic) -> TextColumn:
    if isinstance(cell, np.datetime64):
        if np.isnat(cell):
            return blanks(1)
        # Arrow has no minutes and no hours, and finer units hold fewer years.
        year = int(cell.astype("datetime64[Y]").astype(np.int64)) + 1970
        if not dt.MINYEAR <= year <= dt.MAXYEAR:
            return TextColumn(pa.array([_NO_NUMBER], _TEXT))
        cell = cell.astype("datetime64[us]")
    try:
        return texts_of_array(pa.array([cell]))
    except (pa.ArrowException, NoTextError):
        raise NoTextError(place, f"is of type numpy.{type(cell).__name__}") from None


def _array(texts: list[str]) -> Any:
    try:
        return pa.array(texts, _TEXT)
    except UnicodeEncodeError:
        for place, text in enumerate(texts):
            if any("\ud800" <= char <= "\udfff" for char in text):
                raise NoTextError(place, "holds half of a character (a lone surrogate)") from None
        raise


def _text(place: int, cell: object) -> str:
    """The text of one cell that is there."""
    match cell:
        case str():
            return str.__str__(cell)  # what an enumeration's member is, not what it is called
        case bool():
            return "TRUE" if cell else "FALSE"
        case int():
            return _whole(place, cell)
        case float():
            if math.isnan(cell):
                return ""
            return cell_text(float(cell)) if math.isfinite(cell) else _NO_NUMBER
        case Decimal():
            return _decimal(place, cell)
        case dt.datetime():
            return _moment(cell)
        case dt.date():
            return cell.isoformat()
        case dt.time() | dt.timedelta():
            return cell_text(cell)
        case bytes() | bytearray() | memoryview():
            try:
                return bytes(cell).decode()
            except UnicodeDecodeError:
                raise NoTextError(place, "holds bytes that are no text in UTF-8") from None
        case uuid.UUID():
            return str(cell)
    raise NoTextError(place, f"is of type {type(cell).__name__}")


def _whole(place: int, cell: int) -> str:
    try:
        return str(int(cell))
    except ValueError:  # Python writes no number that is longer than some thousand digits
        raise NoTextError(place, "is a number of thousands of digits") from None


def _decimal(place: int, cell: Decimal) -> str:
    if cell.is_nan():
        return ""
    if cell.is_infinite():
        return _NO_NUMBER
    exponent = cell.as_tuple().exponent
    if cell and isinstance(exponent, int) and not -_MOST_DIGITS < exponent <= _MOST_DIGITS:
        raise NoTextError(place, "is a number of hundreds of digits")
    whole = cell == cell.to_integral_value()
    return _whole(place, int(cell)) if whole else format(cell, "f")


def _moment(cell: dt.datetime) -> str:
    if not dt.MINYEAR <= cell.year <= dt.MAXYEAR:  # as pandas may have it
        return _NO_NUMBER
    clock = cell.replace(tzinfo=None)
    text = cell_text(clock)
    if cell.tzinfo is not None and cell.utcoffset() is not None:
        return text + cell.isoformat(timespec="seconds")[len("2026-01-31T12:00:00") :]
    return text.removesuffix(" 00:00:00")
