"""Frames: rows that a program has in memory, or makes one by one, in place of a file.

A frame is a pandas DataFrame, a table that gives itself as an Arrow stream (polars, pyarrow, DuckDB
and others: ``__arrow_c_stream__``), or an iterable of dicts. Its cells become text as
:mod:`importer.sources.typed` says. It is gone through once, into a private temporary file: so the
columns of dicts are known before the first row is read, what is hashed is what is read though the
frame changes meanwhile, and a generator of a million rows takes the memory of some thousand.

pandas is not imported here: who hands in a DataFrame has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from importer.errors import SourceError, UsageError
from importer.model import Batch, Problem, SourceInfo
from importer.settings import BATCH_ROWS, SourceOptions
from importer.sources.grid import MOST_COLUMNS, too_many_columns
from importer.sources.header import header_text
from importer.sources.inputfile import temporary_copy
from importer.sources.snapshot import CellsDigest
from importer.sources.source import Reading, Source, file_warning, part_within
from importer.sources.table import check_lengths
from importer.sources.typed import (
    FIRST_ROW,
    NoTextError,
    TextColumn,
    batch_of,
    blanks,
    texts_of_array,
    texts_of_cells,
)

KIND = "frame"
INDEX_IGNORED = "index_ignored"
_MOST_CELLS = 500_000
"""Of dicts that become columns together: of wide ones there are fewer rows."""


class ArrowTable(Protocol):
    """What gives itself as an Arrow stream, as tables of pandas, polars, pyarrow and DuckDB do."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The stream, in a capsule."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame with a name, by which messages, summaries and the history call it.

    `data` is a pandas DataFrame, anything with ``__arrow_c_stream__``, or an iterable of dicts.
    Without a `name`, it is called as its class is. Raises UsageError for anything else.
    """

    data: ArrowTable | Iterable[Mapping[str, object]] = field(repr=False)
    name: str = ""

    def __post_init__(self) -> None:
        what = type(self.data).__name__
        readable = _is_pandas(self.data) or hasattr(self.data, "__arrow_c_stream__")
        if not readable and (
            isinstance(self.data, str | bytes | Mapping) or not isinstance(self.data, Iterable)
        ):
            raise UsageError(
                f"something of type {what} is neither a path nor rows to import",
                "Give a path, a DataFrame, a table that gives itself as an Arrow stream, or an"
                " iterable of dicts, one for each row; of a lazy frame, what its collect() gives.",
            )
        if not isinstance(self.name, str):
            raise UsageError(
                f"the name of a frame is of type {type(self.name).__name__}",
                'Give text: Frame(rows, name="crm export").',
            )
        if not self.name:
            object.__setattr__(self, "name", what)


def _is_pandas(data: object) -> bool:
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def open_frame(
    frame: Frame, options: SourceOptions, checkpoint: Callable[[], None] = lambda: None
) -> Source:
    """Open a frame; use it as a context manager. All of it has been gone through when this returns.

    `checkpoint` is called every some thousand rows; what it raises ends the reading. Raises
    SourceError for a frame without rows or columns, whose columns have no names of their own, or a
    cell of which has no text; and where the frame itself raises: its exception is the cause.
    """
    with ExitStack() as undo:
        data: Any = frame.data
        columns = Columns(frame.name)
        problems: tuple[Problem, ...] = ()
        if _is_pandas(data):
            problems = tuple(_index_warnings(data))
            chunks = _of_pandas(data, columns)
        elif hasattr(data, "__arrow_c_stream__"):
            chunks = _of_arrow(data, columns)
        else:
            rows = _items_of(iter(data), "row", frame.name)
            chunks = columns_of_dicts(_dicts(rows, frame.name), columns)
        spool = undo.enter_context(spooled(chunks, columns, checkpoint))
        reading = spool_reading(spool, KIND, options, problems)
        return Source(reading, spool, undo.pop_all().close)


@dataclass(slots=True)
class Columns:
    """The columns of a frame, as they are found; `place` names the frame in messages."""

    place: str
    names: list[str] = field(default_factory=list)
    _known: dict[str, object] = field(default_factory=dict)

    def add(self, key: object) -> int:
        """Take in a column; its index. Raises SourceError for a name that is none of its own."""
        if not isinstance(key, str):
            what = type(key).__name__
            shown = f"{key!r}"[:100]
            raise SourceError(
                f"{self.place}: the name of column {len(self.names) + 1} is no text, but of type"
                f" {what}: {shown}.",
                "Rename the columns: a mapping names them by text.",
            )
        name = header_text(key)
        if name and name in self._known:
            first = self._known[name]
            alike = "" if first == key else f" (as {first!r} and {key!r}, which differ in blanks)"
            raise SourceError(
                f"{self.place}: there are two columns {name!r}{alike}.",
                "A mapping cannot tell them apart: rename or drop one.",
            )
        if len(self.names) == MOST_COLUMNS:
            raise too_many_columns(self.place, len(self.names) + 1)
        self._known[name] = key
        self.names.append(name)
        return len(self.names) - 1

    def texts(
        self, label: int, first: int, make: Callable[[Any], TextColumn], cells: Any
    ) -> TextColumn:
        """What `make` gives of a column's cells, the first of which is in row `first`.

        Raises SourceError, which names the cell, where one has no text.
        """
        column = repr(self.names[label])
        try:
            return make(cells)
        except NoTextError as error:
            raise SourceError(
                f"{self.place}: row {first + error.place:,}, column {column}: the cell"
                f" {error.what}.",
                "Make that column text, or leave it out.",
            ) from None
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise SourceError(
                f"{self.place}: column {column}: what stands from row {first:,} on cannot be read"
                f" ({first_line(error)}).",
                "Make that column text, or leave it out.",
            ) from error


def first_line(error: BaseException) -> str:
    """What an exception says, in a line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


TypedChunk = dict[int, TextColumn]
"""Consecutive rows by column; the columns that all of them lack are left out."""
TypedChunks = Iterator[tuple[int, TypedChunk]]
"""The rows of a frame, in order: of each piece how many there are, and their columns."""


def _items_of(items: Iterator[Any], what: str, place: str) -> Iterator[Any]:
    """The items of an iterator of the caller's; SourceError where it raises."""
    for number in range(FIRST_ROW, sys.maxsize):
        try:
            item = next(items)
        except StopIteration:
            return
        except Exception as error:
            # Whatever it is, the caller's own code raised it: it is the cause, and says the rest.
            at = f"at row {number:,}" if what == "row" else f"at piece {number - FIRST_ROW + 1:,}"
            raise SourceError(
                f"{place}: it raised {type(error).__name__} {at}: {first_line(error)}",
                "Nothing was sent.",
            ) from error
        yield item


def _dicts(rows: Iterator[object], place: str) -> Iterator[Mapping[Any, object]]:
    for number, row in enumerate(rows, FIRST_ROW):
        if not isinstance(row, Mapping):
            raise SourceError(
                f"{place}: row {number:,} is of type {type(row).__name__}, not a dict.",
                "Give a dict for each row, or a DataFrame; a file by its path.",
            )
        yield row


def columns_of_dicts(rows: Iterator[Mapping[Any, object]], columns: Columns) -> TypedChunks:
    """Rows as columns, which are those of all keys, in the order in which they are first seen."""
    labels: dict[Any, int] = {}
    first = FIRST_ROW
    cells: dict[int, list[object]] = {}
    count = 0

    def chunk() -> TypedChunk:
        return {
            label: columns.texts(label, first, texts_of_cells, column)
            for label, column in cells.items()
        }

    for row in rows:
        for key, cell in row.items():
            label = labels.get(key)
            if label is None:
                label = labels[key] = columns.add(key)
            column = cells.get(label)
            if column is None:
                column = cells[label] = []
            if len(column) < count:
                column.extend([None] * (count - len(column)))
            column.append(cell)
        count += 1
        if count == BATCH_ROWS or count * len(cells) >= _MOST_CELLS:
            _fill_up(cells, count)
            yield count, chunk()
            first, count, cells = first + count, 0, {}
    if count:
        _fill_up(cells, count)
        yield count, chunk()


def _fill_up(cells: Mapping[int, list[object]], count: int) -> None:
    for column in cells.values():
        column.extend([None] * (count - len(column)))


def columns_of_record_batches(batches: Iterator[Any], columns: Columns) -> TypedChunks:
    """Record batches of Arrow, in pieces of `BATCH_ROWS`; the columns are those of `columns`."""
    first = FIRST_ROW
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(start, BATCH_ROWS)
            texts = (
                columns.texts(label, first, texts_of_array, array)
                for label, array in enumerate(part.columns)
            )
            yield part.num_rows, dict(enumerate(texts))
            first += part.num_rows


def _of_arrow(data: Any, columns: Columns) -> TypedChunks:
    try:
        reader = pa.RecordBatchReader.from_stream(data)
    except Exception as error:
        # The stream is another library's: what it raises where it cannot be had is not known.
        if "non-struct" in str(error):
            raise SourceError(
                f"{columns.place}: it is no table of columns ({first_line(error)}).",
                "Give a table, not one column of it.",
            ) from error
        raise SourceError(
            f"{columns.place}: it cannot be had as an Arrow stream ({type(error).__name__}:"
            f" {first_line(error)}).",
            "If it has columns of an unusual type, make them text.",
        ) from error
    for name in reader.schema.names:
        columns.add(name)
    if not columns.names:
        return
    yield from columns_of_record_batches(_items_of(iter(reader), "piece", columns.place), columns)


def _of_pandas(data: Any, columns: Columns) -> TypedChunks:
    if data.columns.nlevels > 1:
        raise SourceError(
            f"{columns.place}: its columns have names of {data.columns.nlevels} levels"
            " (a MultiIndex).",
            'Join them: frame.columns = [" ".join(map(str, names)) for names in frame.columns].',
        )
    for name in data.columns:
        columns.add(name)
    if not columns.names:
        if len(data):
            raise SourceError(
                f"{columns.place}: its rows have no columns.",
                "Its index is not read: frame.reset_index() makes it a column.",
            )
        return
    series = [data.iloc[:, label] for label in range(len(columns.names))]
    for start in range(0, len(data), BATCH_ROWS):
        parts = [each.iloc[start : start + BATCH_ROWS] for each in series]
        texts = (
            columns.texts(label, start + FIRST_ROW, _texts_of_series, part)
            for label, part in enumerate(parts)
        )
        yield len(parts[0]), dict(enumerate(texts))


def _texts_of_series(part: Any) -> TextColumn:
    """The texts of a pandas Series: by Arrow where it has the type, else cell by cell."""
    if part.dtype != object:
        try:
            array = pa.array(part, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError):
            return texts_of_cells(list(part))
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        # Periods and the like are kept as numbers that mean something else.
        if not isinstance(array.type, pa.BaseExtensionType):
            return texts_of_array(array)
    return texts_of_cells(list(part))


def _index_warnings(data: Any) -> Iterator[Problem]:
    names = [repr(name) for name in data.index.names if name is not None]
    if names or data.index.nlevels > 1 or data.index.dtype.kind not in "iu":
        yield file_warning(
            INDEX_IGNORED,
            f"the index of the DataFrame ({', '.join(names) or 'without a name'}) was not read",
            "If it is to be imported, make it a column: frame.reset_index().",
        )


class Spool:
    """A frame as text, in a temporary file: what is read, and what is hashed."""

    def __init__(self, path: Path, columns: Columns, sizes: Sequence[int], text: int) -> None:
        self.place = columns.place
        self.headers = tuple(columns.names)
        self._path, self._sizes, self._text = path, sizes, text

    def batches(self, row_range: tuple[int, int] | None = None) -> Iterator[Batch]:
        """The rows, or those whose numbers are in an inclusive range."""
        first, place = FIRST_ROW, 0
        for size in self._sizes:
            if row_range is not None and first > row_range[1]:
                return
            rows = self._piece(place, size)
            start, stop = part_within(first, rows.num_rows, row_range)
            if start < stop:
                batch = batch_of(first + start, self._columns(rows, start, stop), self.headers)
                if batch is not None:
                    yield batch
            first, place = first + rows.num_rows, place + size

    def _piece(self, place: int, size: int) -> Any:
        # Opened each time: a file that is open cannot be removed on Windows, and who goes through
        # the rows may stop half-way.
        with self._path.open("rb") as file:
            file.seek(place)
            with pa.ipc.open_stream(file.read(size)) as stream:
                return stream.read_next_batch()

    def _columns(self, rows: Any, start: int, stop: int) -> list[TextColumn]:
        arrays = dict(zip(rows.schema.names, rows.columns, strict=True))
        columns = []
        for label in range(len(self.headers)):
            if f"c{label}" not in arrays:
                columns.append(blanks(stop - start))
                continue
            masks = (arrays.get(f"{kind}{label}") for kind in "fi")
            of = [m.to_numpy(zero_copy_only=False) if m is not None else None for m in masks]
            columns.append(TextColumn(arrays[f"c{label}"], *of).between(start, stop))
        return columns

    def sha256(self) -> str:
        """The SHA-256 of the columns' names, the rows' numbers and the cells, as text."""
        digest = CellsDigest(self.headers)
        for batch in self.batches():
            digest.add(batch)
        return digest.hexdigest()

    def size(self) -> int:
        """The bytes of all cells as text."""
        return self._text


@contextmanager
def spooled(
    chunks: TypedChunks, columns: Columns, checkpoint: Callable[[], None] = lambda: None
) -> Iterator[Spool]:
    """Write what a frame gives into a private temporary file, which is there for the block.

    Raises SourceError where it gives no column, or no row, or a cell or all are over a limit.
    """
    sizes: list[int] = []
    text = 0

    def pieces() -> Iterator[bytes]:
        nonlocal text
        first = FIRST_ROW
        for count, chunk in chunks:
            checkpoint()
            arrays = [chunk[label].array if label in chunk else None for label in range(width())]
            check_lengths(
                [array if array is not None else blanks(0).array for array in arrays],
                first,
                columns.place,
            )
            piece, size = _serialised(count, chunk)
            sizes.append(len(piece))
            text += size
            first += count
            yield piece

    def width() -> int:
        return len(columns.names)

    with temporary_copy(pieces(), columns.place, "its text") as file:
        if not sizes:
            raise SourceError(
                f"{columns.place}: it has no rows{'' if columns.names else ' and no columns'}.",
                "Was it filtered to nothing? A generator gives its rows only once.",
            )
        if not columns.names:
            raise SourceError(f"{columns.place}: its rows have no columns.", "Was it filled?")
        yield Spool(file.path, columns, sizes, text)


def _serialised(count: int, chunk: TypedChunk) -> tuple[Any, int]:
    """A piece of a frame as an Arrow stream of its own, and how many bytes of text it holds."""
    arrays: dict[str, Any] = {}
    size = 0
    for label, texts in chunk.items():
        arrays[f"c{label}"] = texts.array
        size += pc.sum(pc.binary_length(texts.array)).as_py() or 0
        if texts.fractions is not None:
            arrays[f"f{label}"] = pa.array(texts.fractions)
        if texts.inexact is not None:
            arrays[f"i{label}"] = pa.array(texts.inexact)
    if not arrays:
        arrays["rows"] = pa.nulls(count)
    sink = pa.BufferOutputStream()
    rows = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_batch(rows)
    return sink.getvalue(), size


def spool_reading(
    spool: Spool, kind: str, options: SourceOptions, problems: Sequence[Problem] = ()
) -> Reading:
    """What a spooled frame turned out to be; raises SourceError where no row holds anything."""
    batches = spool.batches(options.rows)
    first = next(batches, None)
    if first is None:
        raise nothing_to_read(spool.place, options.rows)
    info = SourceInfo(
        path=spool.place,
        kind=kind,
        headers=spool.headers,
        header_row=FIRST_ROW - 1,
        problems=(*problems, *option_warnings(options)),
    )
    return Reading(info, chain((first,), batches))


def nothing_to_read(place: str, row_range: tuple[int, int] | None) -> SourceError:
    """The error where no row holds anything, or none in `row_range`."""
    if row_range is not None:
        return SourceError(
            f"{place}: there is no data in rows {row_range[0]} to {row_range[1]}.",
            f"The first row is {FIRST_ROW}, as if the names of the columns stood in row 1.",
        )
    return SourceError(f"{place}: none of its rows holds anything.", "Was it filtered or emptied?")


def option_warnings(options: SourceOptions) -> Iterator[Problem]:
    """Warnings about options that have no meaning where columns have names and cells have types."""
    for name in ("sheet", "header_row", "encoding", "delimiter"):
        if getattr(options, name) is not None:
            words = name.replace("_", " ")
            yield file_warning("option_ignored", f"there is no {words} here, so it was ignored")
