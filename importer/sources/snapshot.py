"""A run's own copy of the cells as text, in Parquet.

What was checked is what is sent, and a run can be resumed and reported, though the file was moved,
overwritten or came from standard input. Column ``row`` has the row numbers, ``c0``, ``c1`` … the
cells, ``problems`` what the source found wrong with a row, as JSON, null for nearly all, and
``fractions`` the numbers of the columns whose cells were numbers with a fraction; a row group is a
batch, so that neither writing nor reading takes more memory for more rows.
The headers and what the source was are JSON in the schema's metadata, under `METADATA`. Pages of
a durable copy have checksums, which are verified.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import Batch, Problem, Severity, SourceInfo
from importer.sources.inputfile import file_sha256
from importer.sources.parquetfile import UNREADABLE, ParquetReader, ParquetWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

METADATA = b"vcc_importer"
VERSION = 2
"""Of the layout; a snapshot of another version is refused."""

WHAT = "the run's own copy of the rows"
_PROBLEMS = "problems"
_FRACTIONS = "fractions"
"""Snapshots that were made before it do not have it."""
_NOTHING = pa.scalar("", pa.large_string())


class CellsDigest:
    """A SHA-256 over headers, row numbers and cells, which does not depend on batches."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = json.dumps(list(headers)).encode()
        self._width = len(headers)
        # For the rows and for each column: of the lengths of its cells, and of their bytes.
        self._hashes = [hashlib.sha256() for _ in range(1 + 2 * len(headers))]

    def add(self, batch: Batch) -> None:
        """Take a batch in; it has a column for every header."""
        rows, *hashes = self._hashes
        rows.update(batch.rows.astype("<i8").tobytes())
        cells = [batch.columns[label] for label in range(self._width)]
        for texts, lengths, content in zip(cells, hashes[::2], hashes[1::2], strict=True):
            lengths.update(pc.binary_length(texts).to_numpy().astype("<i8").tobytes())
            whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
            content.update(pc.binary_join(whole, _NOTHING)[0].as_buffer())

    def hexdigest(self) -> str:
        """The digest of what was added so far, in hexadecimal."""
        parts = b"".join(each.digest() for each in self._hashes)
        return hashlib.sha256(self._headers + parts).hexdigest()


class SnapshotWriter:
    """Writes a snapshot, as :class:`ParquetWriter` writes; a context manager.

    `info` is kept as it is but for its problems. `digest` is that of the headers, row numbers and
    cells written so far: it does not depend on batches, nor on how Parquet lays its bytes out; a
    copy that is not `durable` has none. Raises OutputError where the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        headers: Sequence[str],
        info: SourceInfo | None = None,
        *,
        durable: bool = True,
    ) -> None:
        self._width = len(headers)
        about = asdict(info) if info is not None else {}
        about.pop("problems", None)
        content = {"version": VERSION, "headers": list(headers), "source": about}
        fields = [pa.field("row", pa.int64(), nullable=False)]
        fields += [
            pa.field(f"c{n}", pa.large_string(), nullable=False) for n in range(len(headers))
        ]
        fields.append(pa.field(_PROBLEMS, pa.large_string()))
        fields.append(pa.field(_FRACTIONS, pa.list_(pa.int32())))
        schema = pa.schema(fields, {METADATA: json.dumps(content, ensure_ascii=False)})
        self._file = ParquetWriter(path, schema, WHAT, durable=durable)
        self._digest = CellsDigest(headers) if durable else None

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def write(self, batch: Batch) -> None:
        """Append a batch as a row group; it has a column for every header."""
        cells = [batch.columns[label] for label in range(self._width)]
        notes = (_problem_column(batch), _fraction_column(batch))
        self._file.write([pa.array(batch.rows, pa.int64()), *cells, *notes])
        if self._digest is not None:
            self._digest.add(batch)

    @property
    def digest(self) -> str:
        """What :class:`CellsDigest` gives of the cells written; blank for a copy not durable."""
        return self._digest.hexdigest() if self._digest is not None else ""

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._file.__exit__(kind, *rest)


class Snapshot:
    """A snapshot opened for reading; a context manager. Raises SourceError where it is damaged.

    `rows` is how many rows it has, `info` what the source was, if that was kept.
    """

    def __init__(self, path: Path, file: ParquetReader) -> None:
        content = json.loads(file.schema.metadata[METADATA])
        if content["version"] != VERSION:
            raise ValueError(f"it has layout {content['version']}, not {VERSION}")
        self.path = path
        self.headers: tuple[str, ...] = tuple(content["headers"])
        names = ["row", *(f"c{n}" for n in range(len(self.headers))), _PROBLEMS]
        if file.schema.names not in (names, [*names, _FRACTIONS]):
            raise ValueError("its columns are not those of its headers")
        self.rows = file.rows
        self.info: SourceInfo | None = None
        if source := content["source"]:
            sheets = tuple(source.get("sheets", ()))  # copies of earlier versions have none
            self.info = SourceInfo(**{**source, "headers": self.headers, "sheets": sheets})
        self._notes = file.schema.names[len(names) - 1 :]
        self._file = file

    @classmethod
    def open(cls, path: Path) -> Snapshot:
        """Open the snapshot at `path`."""
        file = ParquetReader(path, WHAT)
        try:
            return cls(path, file)
        except UNREADABLE as error:
            file.close()
            raise file.damaged(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def sha256(self) -> str:
        """The SHA-256 of the snapshot's bytes; reads the whole file."""
        return file_sha256(self.path)

    def digest(self) -> str:
        """What :class:`CellsDigest` gives of its cells; reads the whole file."""
        digest = CellsDigest(self.headers)
        for batch in self.batches():
            digest.add(batch)
        return digest.hexdigest()

    def batches(
        self, columns: Sequence[int] | None = None, only: Sequence[int] | None = None
    ) -> Iterator[Batch]:
        """The rows as they were written, batch by batch, with all columns or those named.

        Columns are named by their index, each once, and keep it as their label. With `only`, those
        batches are given alone, by their places, the first of which is 0.
        """
        labels = list(range(len(self.headers)) if columns is None else columns)
        names = ["row", *(f"c{label}" for label in labels), *self._notes]
        for table in self._file.groups(names, only):
            yield _batch(table, labels)

    def places_of(self, rows: Iterable[int]) -> list[int]:
        """The places of the batches that these rows lie in, ascending, to be read with `only`.

        Row numbers ascend: some batches' first ones are read, and no cell.
        """
        batches = [place for place, size in enumerate(self._file.group_sizes) if size]
        begins: dict[int, int] = {}

        def begin(place: int) -> int:
            if place not in begins:
                (table,) = self._file.groups(["row"], [place])
                begins[place] = table.column("row")[0].as_py()
            return begins[place]

        found = (bisect_right(batches, row, key=begin) - 1 for row in rows)
        return sorted({batches[max(0, at)] for at in found} if batches else ())

    def row_numbers(self) -> npt.NDArray[np.int64]:
        """The row numbers of all rows, in order: 8 bytes a row."""
        groups = [table.column("row").to_numpy() for table in self._file.groups(["row"])]
        return np.concatenate(groups) if groups else np.empty(0, np.int64)


def _batch(table: Any, labels: list[int]) -> Batch:
    columns = {label: table.column(f"c{label}").combine_chunks() for label in labels}
    problems = _problems_in(table.column(_PROBLEMS))
    fractions = _fractions_in(table.column(_FRACTIONS)) if _FRACTIONS in table.column_names else {}
    return Batch(table.column("row").to_numpy(), columns, problems, fractions)


def _fraction_column(batch: Batch) -> Any:
    """The columns whose cells are numbers with a fraction, row by row; null in a batch of none."""
    if not batch.fractions:
        return pa.nulls(len(batch), pa.list_(pa.int32()))
    labels = np.fromiter(batch.fractions, np.int32)
    which = np.stack(list(batch.fractions.values()), axis=1)
    ends = np.concatenate(([0], which.sum(axis=1).cumsum()))
    found = pa.array(labels[which.nonzero()[1]])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), found)


def _fractions_in(column: Any) -> dict[int, npt.NDArray[np.bool_]]:
    if column.null_count == len(column):
        return {}
    rows = column.combine_chunks()
    places = pc.list_parent_indices(rows).to_numpy()
    labels = rows.flatten().to_numpy()
    fractions = {}
    for label in np.unique(labels).tolist():
        which = fractions[label] = np.zeros(len(rows), np.bool_)
        which[places[labels == label]] = True
    return fractions


def _problem_column(batch: Batch) -> Any:
    """What the source found wrong with each row, as JSON; null where that is nothing."""
    if not batch.problems:
        return pa.nulls(len(batch), pa.large_string())
    by_row: dict[int | None, list[dict[str, Any]]] = {}
    for problem in batch.problems:
        by_row.setdefault(problem.row, []).append(asdict(problem))
    texts = {row: json.dumps(problems) for row, problems in by_row.items()}
    return pa.array([texts.get(row) for row in batch.rows.tolist()], pa.large_string())


def _problems_in(column: Any) -> tuple[Problem, ...]:
    if column.null_count == len(column):
        return ()
    found = (json.loads(text) for text in column.drop_null().to_pylist())
    return tuple(
        Problem(**{**about, "severity": Severity(about["severity"])})
        for problems in found
        for about in problems
    )
