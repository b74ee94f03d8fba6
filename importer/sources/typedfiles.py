"""Files whose columns have names and whose cells have types: Parquet, and JSON lines.

Their cells become text as those of frames do (:mod:`importer.sources.typed`), and their rows are
numbered as if the names stood in row 1: line n of JSON lines is row n + 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from importer.errors import SourceError
from importer.model import Batch, SourceInfo
from importer.settings import BATCH_ROWS, SourceOptions
from importer.sources.frames import (
    Columns,
    columns_of_dicts,
    columns_of_record_batches,
    first_line,
    nothing_to_read,
    option_warnings,
    spool_reading,
    spooled,
)
from importer.sources.grid import TEXT_LIMIT, too_much_text
from importer.sources.parquetfile import UNREADABLE
from importer.sources.source import Reading, part_within
from importer.sources.table import check_lengths
from importer.sources.typed import FIRST_ROW, batch_of

if TYPE_CHECKING:
    from importer.sources.inputfile import InputFile

_LONGEST_LINE = 16 * 2**20
"""Bytes; a line is one row."""


def open_parquet(file: InputFile, options: SourceOptions) -> Reading:
    """Open a Parquet file that another program wrote. Raises SourceError."""
    with ExitStack() as undo:
        try:
            # Opened here: Arrow takes no name that is not UTF-8.
            content = undo.enter_context(file.path.open("rb"))
            table = pq.ParquetFile(content)
            schema = table.schema_arrow
            # A text that stands in many cells is kept once: so it can be looked at before it takes
            # the room of all of them.
            texts = [field.name for field in schema if pa.types.is_string(field.type)]
            content.seek(0)
            table = pq.ParquetFile(content, read_dictionary=texts)
        except UNREADABLE as error:
            raise _damaged(file, error) from None
        columns = Columns(str(file))
        for name in schema.names:
            columns.add(name)
        if not columns.names:
            raise SourceError(f"{file}: it has no columns.", "Was it written completely?")
        _check_groups(file, table.metadata)
        batches = _parquet_batches(file, table, columns, options)
        first = next(batches, None)
        if first is None:
            raise nothing_to_read(str(file), options.rows)
        info = SourceInfo(
            path=str(file),
            kind="parquet",
            headers=tuple(columns.names),
            header_row=FIRST_ROW - 1,
            problems=tuple(option_warnings(options)),
        )
        return Reading(info, chain((first,), batches), undo.pop_all().close)
    raise AssertionError(file)


def _check_groups(file: InputFile, metadata: Any) -> None:
    """Refuse a row group whose columns would take too much room: each is unpacked in one piece."""
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for column in range(row_group.num_columns):
            if row_group.column(column).total_uncompressed_size > TEXT_LIMIT:
                raise SourceError(
                    f"{file}: a row group holds more than {TEXT_LIMIT // 2**20} MiB in a column.",
                    "Write it anew with smaller row groups, of 100,000 rows at most.",
                )


def _parquet_batches(
    file: InputFile, table: Any, columns: Columns, options: SourceOptions
) -> Iterator[Batch]:
    first = FIRST_ROW
    for count, chunk in columns_of_record_batches(_record_batches(file, table), columns):
        if options.rows is not None and first > options.rows[1]:
            return
        start, stop = part_within(first, count, options.rows)
        if start < stop:
            texts = [chunk[label].between(start, stop) for label in range(len(columns.names))]
            check_lengths([each.array for each in texts], first + start, str(file))
            batch = batch_of(first + start, texts, columns.names)
            if batch is not None:
                yield batch
        first += count


def _record_batches(file: InputFile, table: Any) -> Iterator[Any]:
    try:
        for batch in table.iter_batches(BATCH_ROWS, use_threads=False):
            for array in batch.columns:
                if pa.types.is_dictionary(array.type):
                    lengths = pc.binary_length(array.dictionary).take(array.indices)
                    if (pc.sum(lengths).as_py() or 0) > TEXT_LIMIT:
                        raise too_much_text(file)
            yield batch
    except UNREADABLE as error:
        raise _damaged(file, error) from None


def _damaged(file: InputFile, error: Exception) -> SourceError:
    return SourceError(
        f"{file}: this Parquet file is damaged or cut short ({first_line(error)}).",
        "Copy or download it again, or write it anew.",
    )


def open_json_lines(
    file: InputFile, options: SourceOptions, checkpoint: Callable[[], None] = lambda: None
) -> Reading:
    """Open a text of which each line is a JSON object. Raises SourceError, which names the line."""
    columns = Columns(str(file))
    with ExitStack() as undo:
        spool = undo.enter_context(
            spooled(columns_of_dicts(_objects(file), columns), columns, checkpoint)
        )
        reading = spool_reading(spool, "jsonl", options)
        return Reading(reading.info, reading.batches, undo.pop_all().close)
    raise AssertionError(file)


def _objects(file: InputFile) -> Iterator[dict[str, object]]:
    """The object of each line; one without keys for a blank line, which keeps its number."""
    decoder = json.JSONDecoder(
        object_pairs_hook=_object, parse_float=Decimal, parse_constant=_refuse_constant
    )
    with file.path.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE), b""), 1):
            if len(line) == _LONGEST_LINE:
                raise _broken(file, number, f"is longer than {_LONGEST_LINE // 2**20} MiB")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                found = decoder.decode(text) if text else {}
            except UnicodeDecodeError:
                raise _broken(file, number, "is no text in UTF-8") from None
            except RecursionError:
                raise _broken(file, number, "is nested too deeply") from None
            except json.JSONDecodeError as error:
                what = f"is no JSON ({error.msg} at its character {error.pos + 1:,})"
                raise _broken(file, number, what) from None
            except (ValueError, ArithmeticError) as error:
                if "integer string conversion" in str(
                    error
                ):  # Python's, and advice for programmers
                    raise _broken(file, number, "has a number of thousands of digits") from None
                raise _broken(file, number, f"is no JSON ({first_line(error)})") from None
            if not isinstance(found, dict):
                raise _broken(file, number, "is JSON, but no object")
            yield found


def _broken(file: InputFile, number: int, what: str) -> SourceError:
    return SourceError(
        f"{file}: line {number:,} {what}.",
        "Each line is to be a JSON object, with a cell for each column; was the file cut short?",
    )


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {json.dumps(repeated[:100])} stands twice")
    return found


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is none of its words")
