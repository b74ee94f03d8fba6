"""Text that can be divided into cells by array operations, many times faster than by records.

That is done only where it is certain to give what the careful reader gives: every quote opens or
closes a cell, or is doubled within one; lines end in LF or CR LF; all records that are not blank
have the same number of cells, none overlong; there is no NUL. Any other piece is left to that
reader, so a file that was made to deceive is only read more slowly.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from importer.sources.grid import LONGEST_CELL, MOST_COLUMNS
from importer.textbytes import Bytes

if TYPE_CHECKING:
    import numpy.typing as npt

_QUOTE, _LINE_END, _RETURN = b'"\n\r'
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Plain(NamedTuple):
    """The columns of the records in a piece's first `size` bytes; blank lines are blank rows."""

    columns: Any
    size: int


def plain_columns(piece: bytes, delimiter: str) -> Plain | None:
    """Divide a piece of UTF-8 that begins with a record and ends with a line.

    The table has large strings. None where it cannot be certain that this is right.
    """
    if not (delimiter == "\t" or (delimiter.isascii() and delimiter.isprintable())):
        return None
    # The library would drop a mark at the beginning of a piece, which is text if it is not the
    # file's beginning.
    if b"\0" in piece or piece.startswith(_BYTE_ORDER_MARK):
        return None
    if b"\r" in piece and not _returns_end_lines(piece):
        return None
    quoted = b'"' in piece
    size = _regular_size(piece, ord(delimiter)) if quoted else len(piece)
    width = _width(piece, delimiter) if size else 0
    if not 0 < width <= MOST_COLUMNS:
        return None
    names = [str(index) for index in range(width)]
    try:
        table = pa_csv.read_csv(
            pa.py_buffer(memoryview(piece)[:size]),
            pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=size + 1),
            pa_csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                newlines_in_values=quoted,
                ignore_empty_lines=False,
            ),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.large_string())),
        )
    except pa.ArrowInvalid:
        return None
    # Bytes, of which a text has as many as characters or more.
    chunks = (chunk for column in table.columns for chunk in column.chunks)
    if any(Bytes(chunk).longest > LONGEST_CELL for chunk in chunks):
        return None
    return Plain(table, size)


def _returns_end_lines(piece: bytes) -> bool:
    """Whether each CR stands before an LF."""
    data = np.frombuffer(piece, np.uint8)
    returns = np.flatnonzero(data == _RETURN)
    return bool(returns[-1] < len(data) - 1 and (data[returns + 1] == _LINE_END).all())


def _width(piece: bytes, delimiter: str) -> int:
    """The number of cells in the first record; 0 if it is blank or cannot be read."""
    line = piece[: piece.find(b"\n") + 1 or None].rstrip(b"\r\n")
    if b'"' not in line:
        return line.count(delimiter.encode()) + 1 if line else 0
    start = io.StringIO(piece[: 2 * LONGEST_CELL].decode(errors="replace"), newline="")
    try:
        return len(next(csv.reader(start, delimiter=delimiter)))
    except csv.Error:
        return 0


def _regular_size(piece: bytes, delimiter: int) -> int:
    """The bytes up to the end of the last record that ends in the piece; 0 where quotes are odd.

    Quotes that are regular open and close in turn, where a doubled one closes and opens again. So
    it is enough that each of even index is at a cell's beginning, or closely behind the one before
    it, and each of odd index at a cell's end, or closely before the one after it.
    """
    data = np.frombuffer(piece, np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    size = len(piece)
    if len(quotes) % 2:
        size = _last_end(piece, quotes)
        quotes = quotes[quotes < size]
    opening, closing = quotes[0::2], quotes[1::2]
    before = data[opening - 1]
    opens = (before == delimiter) | (before == _LINE_END) | (opening == 0)
    opens[1:] |= opening[1:] == closing[:-1] + 1
    after = data[np.minimum(closing + 1, len(data) - 1)]
    closes = (after == delimiter) | (after == _LINE_END) | (after == _RETURN)
    closes |= closing == len(data) - 1
    closes[:-1] |= opening[1:] == closing[:-1] + 1
    return size if opens.all() and closes.all() else 0


def _last_end(piece: bytes, quotes: npt.NDArray[np.intp]) -> int:
    """Where the last record ends that does so before a quote that is open at the piece's end."""
    places = quotes.tolist()
    for index in range(len(places) - 1, -1, -2):
        closed = places[index - 1] if index else -1
        if (end := piece.rfind(b"\n", closed + 1, places[index])) >= 0:
            return end + 1
    return 0
