"""Text files: one cell after the other, divided by a character, a record a row.

The row number is that of the record, as spreadsheet programs count: a cell in quotes may hold line
breaks and is still in one row, and blank lines count. A line ``sep=;`` is no row: spreadsheet
programs do not show it. Lines may end in LF, CR LF or CR.

The text comes in pieces of whole lines, so that memory does not depend on its length. A regular
piece is divided as a whole by Arrow (:func:`divided_at_once`), any other record by record by the
csv module. A quote that is never closed cannot swallow the file, since a cell has a greatest
length; nor can a record of cells without number, since a record has one, too.
"""

from __future__ import annotations

import csv
import io
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from importer.errors import SourceError
from importer.model import BLANKS, SourceInfo
from importer.settings import BATCH_ROWS
from importer.sources.detect import FileKind
from importer.sources.dialect import (
    SAMPLE,
    Dialect,
    cells_as_meant,
    delimiter_hint,
    doubled_quotes,
    find_delimiter,
    find_dialect,
    is_divided,
    separator_line,
    text_within_quotes,
    unusual_delimiter,
)
from importer.sources.encoding import find_encoding, text_blocks, utf8_blocks
from importer.sources.grid import LONGEST_CELL, MOST_COLUMNS
from importer.sources.source import (
    Chunk,
    ColumnChunk,
    Layout,
    Reading,
    RowChunk,
    file_warning,
    longest_text,
)
from importer.sources.table import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from importer.model import Problem
    from importer.settings import SourceOptions
    from importer.sources.inputfile import InputFile
    from importer.sources.table import Table

ONE_COLUMN = "one_column"
LONGEST_LINE = 4 * 2**20
"""Characters of a record, or of a line; a row of 16,384 columns takes far fewer."""
MOST_CELLS_IN_ROW = 16_384
"""As many as a sheet has columns; some programs export all of them, most of them blank."""

_LINES_LOOKED_AT = 200
_CHUNK_BYTES = 8 * 2**20
"""Bytes of text after which a chunk ends, though it has fewer rows than `BATCH_ROWS`."""
_NO_DELIMITER = "\x1f"
"""Stands in no text: read with it, a line that is in quotes as a whole is one cell."""
_FIRST_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)")


def open_delimited(file: InputFile, options: SourceOptions) -> Reading:
    """Open a text file; encoding and delimiter are found by looking unless the options say."""
    found = find_encoding(file, options.encoding)
    encoding = found.name
    stream = file.path.open("rb")
    try:
        sample = _sample(text_blocks(stream, file, encoding))
        _refuse_blank(file, encoding, sample)
        _refuse_binary(file, encoding, sample)
        stream.seek(0)
        blocks = utf8_blocks(stream, file, encoding)
        inner = text_within_quotes(sample, is_whole=len(sample) < SAMPLE)
        if in_quotes := is_divided(inner):
            blocks, sample = without_line_quotes(blocks, file.name), inner
        delimiter = find_delimiter(sample, options.delimiter)
        sep_line = separator_line(sample) is not None
        rows = records(blocks, file.name, find_dialect(sample, delimiter), sep_line=sep_line)
        table = read_table(rows, Layout(place=file.name, delimiter=delimiter), options)
    except BaseException:
        stream.close()
        raise
    info = SourceInfo(
        path=file.name,
        kind=FileKind.TEXT.value,
        headers=table.headers,
        header_row=table.header_row,
        encoding=encoding,
        delimiter=delimiter,
        problems=(
            *_ignored(options),
            *found.problems,
            *([_quoted_lines()] if in_quotes else []),
            *_one_column(table, sample),
            *table.problems,
        ),
    )
    return Reading(info, table.batches, stream.close)


def _sample(blocks: Iterator[str]) -> str:
    chunks: list[str] = []
    length = 0
    for text in blocks:
        chunks.append(text)
        length += len(text)
        if length >= SAMPLE:
            break
    return "".join(chunks)[:SAMPLE]


def _refuse_blank(file: InputFile, encoding: str, sample: str) -> None:
    if sample.strip(BLANKS):
        return
    with file.path.open("rb") as stream:
        if all(not text.strip(BLANKS) for text in text_blocks(stream, file, encoding)):
            raise SourceError(
                f"{file}: this file is empty.", "Was it saved or downloaded completely?"
            )


def _refuse_binary(file: InputFile, encoding: str, sample: str) -> None:
    odd = sum(sample.count(chr(code)) for code in (*range(9), *range(0x0E, 0x1A), 0x1B))
    if odd > 32 and odd > 0.02 * len(sample):
        raise SourceError(
            f"{file}: this is not text, and not a workbook.",
            f"Give a CSV file or a workbook. Read as {encoding}, it is no text.",
        )


def _quoted_lines() -> Problem:
    return file_warning(
        "quoted_lines",
        "every line was in quotes as a whole; it was read without them",
        "The list was opened as one column and saved. Compare a few rows with it.",
    )


def _one_column(table: Table, sample: str) -> Iterator[Problem]:
    """What to say of a list of one column whose cells look as if they were several."""
    if len(table.headers) != 1:
        return
    lines = sample.splitlines()
    lines = lines[table.header_row :][:_LINES_LOOKED_AT] if len(sample) < SAMPLE else lines[1:-1]
    delimiter = unusual_delimiter(table.headers[0], lines)
    if delimiter is not None:
        yield file_warning(
            ONE_COLUMN,
            "there is one column, and it looks as if its cells were several",
            delimiter_hint(delimiter, is_text=True),
            column=table.headers[0],
        )


def _ignored(options: SourceOptions) -> Iterator[Problem]:
    if options.sheet is not None:
        yield file_warning(
            "option_ignored",
            f"a text file has no sheets, so sheet {options.sheet!r} was ignored",
        )


# ── records ──────────────────────────────────────────────────────────────────────────────────────


def records(
    blocks: Iterator[bytes], place: str, dialect: Dialect, *, sep_line: bool
) -> Iterator[Chunk]:
    """All records, blank ones too, in chunks of at most `BATCH_ROWS`; `blocks` are UTF-8.

    With `sep_line`, the first line is no row. Raises SourceError, naming the row, where a record
    cannot be read or is over a limit; `place` names the file.
    """
    if dialect.backslashes:
        blocks = doubled_quotes(blocks)
    return _Records(_Pieces(blocks), place, dialect).chunks(sep_line)


def without_line_quotes(blocks: Iterator[bytes], place: str) -> Iterator[bytes]:
    """The text of a file each of whose lines is in quotes as a whole, without these; UTF-8."""
    for chunk in records(blocks, place, Dialect(_NO_DELIMITER), sep_line=False):
        rows = chunk.as_rows().cells
        yield "".join(_NO_DELIMITER.join(row) + "\n" for row in rows).encode()


class _Records:
    """Gathers records until they make a chunk.

    Those that wait are either `_tables`, of pieces divided as a whole, or `_cells`, with what
    `_quotes` says of their quotes. `_size` is how many bytes or characters they take, `_first` the
    row number of the first of them.
    """

    def __init__(self, pieces: _Pieces, place: str, dialect: Dialect) -> None:
        self._pieces = pieces
        self._place = place
        self._dialect = dialect
        self._delimiter = dialect.delimiter
        self._quotes: dict[int, bool] = {}
        self._first = 1
        self._cells: list[list[str]] = []
        self._tables: list[Any] = []
        self._size = 0

    def chunks(self, sep_line: bool) -> Iterator[Chunk]:
        if sep_line:
            piece = self._piece()
            line = _FIRST_LINE.match(piece)
            self._pieces.put_back(piece[line.end() if line else 0 :])
        while piece := self._piece():
            divided = divided_at_once(piece, self._delimiter)
            if divided is None:
                yield from self._table_chunks(least=1)
                yield from self._by_records(piece)
                continue
            if self._cells:
                yield self._cell_chunk()
            if self._tables and self._tables[0].num_columns != divided.table.num_columns:
                yield from self._table_chunks(least=1)
            self._pieces.put_back(piece[divided.size :])
            self._tables.append(divided.table)
            self._size += divided.size
            yield from self._table_chunks(least=BATCH_ROWS if self._size < _CHUNK_BYTES else 1)
        yield from self._table_chunks(least=1)
        if self._cells:
            yield self._cell_chunk()

    def _piece(self) -> bytes:
        with self._naming_the_row():
            return self._pieces.next()

    def _table_chunks(self, least: int) -> Iterator[ColumnChunk]:
        """The rows of the tables, in chunks, as long as there are `least` rows."""
        if sum(map(len, self._tables)) < least:
            return
        rest = pa.concat_tables(self._tables)
        while len(rest) >= least:
            # Copied where they are a part of a longer array, which would else be kept with them.
            arrays = [pa.concat_arrays(column.chunks) for column in rest[:BATCH_ROWS].columns]
            yield ColumnChunk(self._first, arrays)
            self._first += len(arrays[0])
            rest = rest[BATCH_ROWS:]
        self._tables, self._size = ([rest], rest.nbytes) if len(rest) else ([], 0)

    def _cell_chunk(self) -> RowChunk:
        rows = RowChunk(self._first, self._cells, self._quotes)
        self._first += len(rows)
        self._cells, self._size, self._quotes = [], 0, {}
        return rows

    def _by_records(self, piece: bytes) -> Iterator[RowChunk]:
        """Divide a piece record by record, and what its last record takes of the text behind it."""
        lines = _Lines(self._pieces, piece)
        reader = csv.reader(
            iter(lines),
            delimiter=self._delimiter,
            skipinitialspace=self._dialect.blanks_before_quotes,
            strict=True,
        )
        ended = False
        while not ended:
            with self._naming_the_row(), _cell_limit():
                ended = self._parse(reader, lines)
            if not ended or len(self._cells) >= BATCH_ROWS or self._size > _CHUNK_BYTES:
                yield self._cell_chunk()
        self._pieces.put_back(lines.untaken())

    def _parse(self, reader: Iterator[list[str]], lines: _Lines) -> bool:
        """Parse until a chunk is full or the piece has ended; say whether it has ended."""
        cells, before = self._cells, lines.taken
        while True:
            lines.of_record.clear()
            try:
                record = next(reader)
            except csv.Error:
                record = self._with_stray_quotes(lines)
            cells.append(record)
            if len(record) > MOST_CELLS_IN_ROW:
                raise _too_wide(self._place, self._first + len(cells) - 1, len(record))
            if lines.ran_out:  # within a quote, or it would not have asked for more
                raise _unclosed(self._place, self._first + len(cells) - 1)
            if lines.at_end():
                self._size += lines.taken - before
                return True
            if len(cells) >= BATCH_ROWS or self._size + lines.taken - before > _CHUNK_BYTES:
                return False

    def _with_stray_quotes(self, lines: _Lines) -> list[str]:
        """The cells of the record just taken, in which a quote stands where none may.

        Raises csv.Error where something else is wrong with it.
        """
        row = self._first + len(self._cells)
        if len(lines.of_record) == 1:
            found = cells_as_meant(lines.of_record[0].rstrip("\r\n"), self._dialect)
            if found is not None:
                if found.stray:
                    self._quotes[row] = True
                return found.cells
        # A record of several lines: the lenient parser gives some cells, which are not certain.
        record: list[str] = next(csv.reader(lines.of_record, delimiter=self._delimiter), [])
        self._quotes[row] = False
        return record

    @contextmanager
    def _naming_the_row(self) -> Iterator[None]:
        """Turn errors of reading and parsing into a SourceError that names the row."""
        try:
            yield
        except (csv.Error, _EndlessLine, OSError) as error:
            waiting = len(self._cells) + sum(map(len, self._tables))
            raise _unreadable(self._place, self._first + waiting, error) from None


class _Lines:
    """The lines of a piece, and beyond it for as long as a record asks for more.

    `taken` is how many characters of them the parser has taken; `ran_out` says that it asked for
    more than the file has, which it does only within a quote. `of_record` are the lines taken since
    it was last cleared.
    """

    def __init__(self, pieces: _Pieces, piece: bytes) -> None:
        self._pieces = pieces
        self._piece = piece
        self._text = ""
        self._end = 0
        self._is_beyond = False
        self.taken = 0
        self.ran_out = False
        self.of_record: list[str] = []

    def __iter__(self) -> Iterator[str]:
        fed = 0
        while self._piece:
            self._text = self._piece.decode()
            self._end += len(self._text)
            for line in io.StringIO(self._text, newline=""):
                self.taken += len(line)
                self.of_record.append(line)
                yield line
            self._is_beyond = True
            self._piece = self._pieces.next()
            fed += len(self._piece)
            if fed > 2 * LONGEST_LINE:
                raise _EndlessLine
        self.ran_out = True

    def at_end(self) -> bool:
        """Whether the lines of the piece have been taken; to be asked at the end of a record."""
        return self._is_beyond or self.taken == self._end

    def untaken(self) -> bytes:
        """The end of the current text that the parser has not taken."""
        return self._text[len(self._text) - (self._end - self.taken) :].encode()


@contextmanager
def _cell_limit() -> Iterator[None]:
    """Parse under our limit: the one of the csv module is global and may have been lifted."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _unreadable(place: str, row: int, error: Exception) -> SourceError:
    if isinstance(error, OSError):
        return SourceError(
            f"{place}: cannot be read beyond row {row - 1} ({error.strerror or error}).",
            "Is the drive or network it is on still there? Copy the file to this machine.",
        )
    if isinstance(error, _EndlessLine):
        return SourceError(
            f"{place}: row {row} is longer than {LONGEST_LINE:,} characters without a line break.",
            "This is not a list, or its line breaks were lost: export it again.",
        )
    if "field larger" in str(error):
        return SourceError(
            f"{place}: a cell of row {row} is longer than {LONGEST_CELL:,} characters.",
            f'Most likely a quote (") opens in row {row} and is never closed: close or remove it.',
        )
    return SourceError(
        f"{place}: row {row} cannot be read ({error}).",
        "Open the file in a spreadsheet program and save it anew, or save it as .xlsx.",
    )


def _too_wide(place: str, row: int, cells: int) -> SourceError:
    return SourceError(
        f"{place}: row {row} has {cells:,} cells; {MOST_CELLS_IN_ROW:,} are read at most.",
        "This is not a list, or another character divides its cells: name it by --delimiter.",
    )


def _unclosed(place: str, row: int) -> SourceError:
    return SourceError(
        f'{place}: a quote (") opens in row {row} and is never closed.',
        f"Close or remove the quote in row {row}: all that follows it would be one cell.",
    )


class _EndlessLine(Exception):  # noqa: N818 -- a signal to the caller, who knows the row
    """No end of a record within `LONGEST_LINE` characters."""


class _Pieces:
    """The text of a file as UTF-8, in pieces of whole lines; what was not used can be put back."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def next(self) -> bytes:
        """The next lines, or the file's last one without an end; empty at the end of the file.

        Raises _EndlessLine, and whatever reading the file raises.
        """
        while block := next(self._blocks, b""):
            text = self._rest + block
            # A CR that is the last character may be the first half of a CR LF.
            cut = text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1
            self._rest = text[cut:]
            if len(self._rest) > LONGEST_LINE and _characters(self._rest) > LONGEST_LINE:
                raise _EndlessLine
            if cut:
                return text[:cut]
        text, self._rest = self._rest, b""
        return text

    def put_back(self, text: bytes) -> None:
        """Let the end of the last piece, which begins with a line, be given again."""
        self._rest = text + self._rest


def _characters(text: bytes) -> int:
    return len(text.decode(errors="ignore"))


# ── a piece at once ──────────────────────────────────────────────────────────────────────────────

_QUOTE, _LINE_END, _RETURN = b'"\n\r'
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Divided(NamedTuple):
    """The records in a piece's first `size` bytes, as a table; blank lines are blank rows."""

    table: Any
    size: int


def divided_at_once(piece: bytes, delimiter: str) -> Divided | None:
    """A piece of UTF-8, which begins with a record and ends with a line, as columns of text.

    This saves one second of three of a check of 100,000 rows. It is done only where it is certain
    to give what the csv module gives: every quote opens or closes a cell, or is doubled within one;
    lines end in LF or CR LF; all records that are not blank have the same number of cells, none
    overlong; there is no NUL. None for any other piece.
    """
    if not (delimiter == "\t" or (delimiter.isascii() and delimiter.isprintable())):
        return None
    # Arrow would drop a byte-order mark at the beginning of a piece; within a file it is text.
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
    # The limit is in characters, of which a text has as many as bytes at most.
    if any(longest_text(column) > LONGEST_CELL for column in table.columns):
        return None
    return Divided(table, size)


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
    """The bytes up to the end of the last record that ends in the piece.

    0 where quotes are not regular. Regular quotes open and close in turn, where a doubled one
    closes and opens again. So it is enough that each of even index stands at a cell's beginning, or
    directly behind the one before it, and each of odd index at a cell's end, or directly before the
    one after it.
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
    """Where the last record ends before the quote that is still open at the end of the piece."""
    places = quotes.tolist()
    for index in range(len(places) - 1, -1, -2):
        closed = places[index - 1] if index else -1
        if (end := piece.rfind(b"\n", closed + 1, places[index])) >= 0:
            return end + 1
    return 0
