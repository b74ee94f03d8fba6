"""The records of a text file, in parts, under limits that keep memory flat.

The file comes in pieces, so that memory does not depend on its length. A piece that is plain is
divided as a whole (:mod:`importer.sources.plain`), any other record by record. A quote that is
never closed cannot swallow the file, since a cell has a greatest length; nor can a record of cells
without number, since it has one too; and a part ends where its text is long, however few its
records.
"""

from __future__ import annotations

import csv
import io
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from importer.errors import SourceError
from importer.settings import BATCH_ROWS
from importer.sources.feed import LONGEST_LINE, EndlessLine, Feed
from importer.sources.grid import LONGEST_CELL
from importer.sources.plain import plain_columns
from importer.sources.quoting import Dialect, cells_as_meant, doubled_quotes
from importer.sources.source import Columns, Part, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CELLS_IN_ROW = 16_384
"""As many as a sheet has columns; some programs export all of them, most of them blank."""

_PART = 8 * 2**20
"""Bytes after which a part of the file ends, though it has fewer rows than others."""
_JOINT = "\x1f"
"""Divides no file whose lines are in quotes as a whole: such a line is one cell."""
_FIRST_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)")


def records(
    blocks: Iterator[bytes], place: str, dialect: Dialect, *, sep_line: bool
) -> Iterator[Part]:
    """All records, blank ones too, in parts of at most `BATCH_ROWS`; `blocks` are UTF-8.

    With `sep_line`, the first line is no row. Raises SourceError, naming the row, where a record
    cannot be read or is over a limit; `place` names the file.
    """
    if dialect.backslashes:
        blocks = doubled_quotes(blocks)
    return _Records(Feed(blocks), place, dialect).parts(sep_line)


def unwrapped(blocks: Iterator[bytes], place: str) -> Iterator[bytes]:
    """The text of a file each of whose lines is in quotes as a whole, without these; UTF-8."""
    for part in records(blocks, place, Dialect(_JOINT), sep_line=False):
        rows = part.as_rows().cells
        yield "".join(_JOINT.join(row) + "\n" for row in rows).encode()


class _Records:
    """Gathers records until they make a part; `_first` is the row number of the next part."""

    def __init__(self, feed: Feed, place: str, dialect: Dialect) -> None:
        self._feed = feed
        self._place = place
        self._dialect = dialect
        self._delimiter = dialect.delimiter
        self._quotes: dict[int, bool] = {}
        self._first = 1
        self._cells: list[list[str]] = []  # either these wait to be given, or the tables
        self._tables: list[Any] = []
        self._size = 0

    def parts(self, sep_line: bool) -> Iterator[Part]:
        if sep_line:
            piece = self._piece()
            line = _FIRST_LINE.match(piece)
            self._feed.put_back(piece[line.end() if line else 0 :])
        while piece := self._piece():
            plain = plain_columns(piece, self._delimiter)
            if plain is None:
                yield from self._given_tables(least=1)
                yield from self._carefully(piece)
                continue
            if self._cells:
                yield self._given_cells()
            if self._tables and self._tables[0].num_columns != plain.columns.num_columns:
                yield from self._given_tables(least=1)
            self._feed.put_back(piece[plain.size :])
            self._tables.append(plain.columns)
            self._size += plain.size
            yield from self._given_tables(least=BATCH_ROWS if self._size < _PART else 1)
        yield from self._given_tables(least=1)
        if self._cells:
            yield self._given_cells()

    def _piece(self) -> bytes:
        with self._told():
            return self._feed.piece()

    def _given_tables(self, least: int) -> Iterator[Columns]:
        """What the tables hold, in parts, as long as that is `least` rows."""
        if sum(map(len, self._tables)) < least:
            return
        rest = pa.concat_tables(self._tables)
        while len(rest) >= least:
            # Copied where they are but a piece of something, so that no more is kept than needed.
            arrays = [pa.concat_arrays(column.chunks) for column in rest[:BATCH_ROWS].columns]
            yield Columns(self._first, arrays)
            self._first += len(arrays[0])
            rest = rest[BATCH_ROWS:]
        self._tables, self._size = ([rest], rest.nbytes) if len(rest) else ([], 0)

    def _given_cells(self) -> Rows:
        rows = Rows(self._first, self._cells, self._quotes)
        self._first += len(rows)
        self._cells, self._size, self._quotes = [], 0, {}
        return rows

    def _carefully(self, piece: bytes) -> Iterator[Rows]:
        """Divide a piece record by record, and what more of the text its last record takes."""
        lines = _Lines(self._feed, piece)
        reader = csv.reader(
            iter(lines),
            delimiter=self._delimiter,
            skipinitialspace=self._dialect.blanks_before_quotes,
            strict=True,
        )
        ended = False
        while not ended:
            with self._told(), _cell_limit():
                ended = self._parse(reader, lines)
            if not ended or len(self._cells) >= BATCH_ROWS or self._size > _PART:
                yield self._given_cells()
        self._feed.put_back(lines.left())

    def _parse(self, reader: Iterator[list[str]], lines: _Lines) -> bool:
        """Parse until a part is full, or, which is then told, where the piece ends."""
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
            if lines.ran_out:
                break
            if lines.are_enough():
                self._size += lines.taken - before
                return True
            if len(cells) >= BATCH_ROWS or self._size + lines.taken - before > _PART:
                return False
        raise _unclosed(self._place, self._first + len(cells) - 1)

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
        record: list[str] = next(csv.reader(lines.of_record, delimiter=self._delimiter), [])
        self._quotes[row] = False
        return record

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the row in which something goes wrong."""
        try:
            yield
        except (csv.Error, EndlessLine, OSError) as error:
            waiting = len(self._cells) + sum(map(len, self._tables))
            raise _unreadable(self._place, self._first + waiting, error) from None


class _Lines:
    """The lines of a piece, and beyond it for as long as a record asks for more.

    `taken` is how many characters of them the parser has taken; `ran_out` says that it asked for
    more than the file has, which it does only within a quote. `of_record` are the lines taken since
    it was last cleared.
    """

    def __init__(self, feed: Feed, piece: bytes) -> None:
        self._feed = feed
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
            self._piece = self._feed.piece()
            fed += len(self._piece)
            if fed > 2 * LONGEST_LINE:
                raise EndlessLine
        self.ran_out = True

    def are_enough(self) -> bool:
        """Whether the lines of the piece have been taken; to be asked at the end of a record."""
        return self._is_beyond or self.taken == self._end

    def left(self) -> bytes:
        """What has not been taken of the text that was begun."""
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
    if isinstance(error, EndlessLine):
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
