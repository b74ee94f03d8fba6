"""What a reader of one kind of file gives, and the open source made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc

from importer.model import Problem, Severity
from importer.sources.grid import Merges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from importer.model import Batch, SourceInfo


@dataclass(frozen=True, slots=True)
class RowChunk:
    """Consecutive rows of a file, blank ones too; `first` is the row number of the first.

    `quotes` has the numbers of rows that hold a quote where RFC 4180 allows none, and for each
    whether it could be told all the same where its cells end.
    """

    first: int
    cells: list[list[Any]]
    quotes: Mapping[int, bool] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.cells)

    def between(self, start: int, stop: int) -> RowChunk:
        """The rows from index `start` up to `stop`."""
        low, high = self.first + start, self.first + stop
        quotes = {row: is_certain for row, is_certain in self.quotes.items() if low <= row < high}
        return RowChunk(low, self.cells[start:stop], quotes)

    def as_rows(self) -> RowChunk:
        """The chunk itself; chunks of either kind can be had as rows."""
        return self


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """Consecutive rows of a file, blank ones too, as columns: Arrow arrays of large strings.

    There is at least one; no cell holds NUL.
    """

    first: int
    arrays: list[Any]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def between(self, start: int, stop: int) -> ColumnChunk:
        """The rows from index `start` up to `stop`."""
        arrays = [pa.concat_arrays([array[start:stop]]) for array in self.arrays]
        return ColumnChunk(self.first + start, arrays)

    def as_rows(self) -> RowChunk:
        """The rows as lists of cells."""
        columns = (array.to_pylist() for array in self.arrays)
        return RowChunk(self.first, list(map(list, zip(*columns, strict=True))))


Chunk = RowChunk | ColumnChunk


def file_warning(
    code: str, message: str, hint: str | None = None, *, column: str | None = None
) -> Problem:
    """A warning about the file as a whole, or about one column of it."""
    return Problem(None, column, None, code, message, hint=hint, severity=Severity.WARNING)


def part_within(first: int, count: int, rows: tuple[int, int] | None) -> tuple[int, int]:
    """Which of `count` rows, from number `first` on, are in an inclusive range of row numbers.

    They are given as the indices of the first and behind the last; of none, the second is no
    greater. Without a range, all are.
    """
    low, high = rows or (first, first + count - 1)
    return max(low - first, 0), min(high - first + 1, count)


def longest_text(array: Any) -> int:
    """The bytes in UTF-8 of the longest text of an Arrow array; 0 where there is none."""
    return pc.max(pc.binary_length(array)).as_py() or 0


@dataclass(frozen=True, slots=True)
class Layout:
    """What a reader says about its rows.

    `place` names the file, and the sheet if there is one, for messages. `text` turns the cells of a
    row or column into text; None where they are text already. `open_ended` says that a row has as
    many cells as were written, so that its width means something; in a text file, `delimiter`
    divides them. `merges` are the sheet's merged cells.
    """

    place: str
    text: Callable[[Sequence[Any]], list[str]] | None = None
    open_ended: bool = True
    delimiter: str | None = None
    merges: Merges = field(default_factory=Merges)

    def texts(self, cells: Sequence[Any]) -> list[str]:
        """Cells of one row or column, as text."""
        return list(cells) if self.text is None else self.text(cells)


def _no_op() -> None:
    """Close a reader that holds no file open."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An opened file as its reader gives it: its description, its batches, and how to close it."""

    info: SourceInfo
    batches: Iterator[Batch]
    close: Callable[[], None] = _no_op


class Content(Protocol):
    """What was given to be read: its hash and its size."""

    def sha256(self) -> str:
        """Its SHA-256, in hexadecimal."""

    def size(self) -> int:
        """How many bytes it has."""


class Source:
    """An open source; a context manager that closes it.

    `info` says what it is. `batches` gives its rows, one time; what makes the whole file unreadable
    and is found only while reading (undecodable bytes, a quote never closed) is raised there as
    SourceError. `original` is the private copy of an Excel workbook (.xlsx, .xlsm) that was given
    as such; None for all else.
    """

    def __init__(
        self,
        reading: Reading,
        content: Content,
        close: Callable[[], None],
        original: Path | None = None,
    ) -> None:
        self.info = reading.info
        self.original = original
        self._batches = reading.batches
        self._content = content
        self._close = close

    def batches(self) -> Iterator[Batch]:
        """The rows below the header, in order."""
        return self._batches

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of what was given: of an archive itself, of what was piped in.

        Of a frame, which has no bytes of its own, it is that of its columns' names and its cells as
        text. Goes through all of it; asked for while the source is open.
        """
        return self._content.sha256()

    @property
    def size(self) -> int:
        """The number of bytes that were given; asked for while the source is open."""
        return self._content.size()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
