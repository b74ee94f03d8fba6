"""A run's own copy of the cells as text, in Parquet.

What was checked is what is sent, and a run can be resumed and reported, though the file was moved,
overwritten or came from standard input. Column ``row`` has the row numbers, ``c0``, ``c1`` … the
cells, ``problems`` what the source found wrong with a row, as JSON, null for nearly all, and
``fractions`` the numbers of the columns whose cells were numbers with a fraction; a row group is a
batch, so that neither writing nor reading takes more memory for more rows.
The headers and what the source was are JSON in the schema's metadata, under `METADATA`. Pages of
a copy that lasts have checksums, which are verified.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from importer.errors import OutputError, SourceError
from importer.files import sync_folder
from importer.model import Batch, Problem, Severity, SourceInfo
from importer.sources.inputfile import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

METADATA = b"vcc_importer"
VERSION = 2
"""Of the layout; a snapshot of another version is refused."""

_DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_PROBLEMS = "problems"
_FRACTIONS = "fractions"
"""Snapshots that were made before it do not have it."""
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)


class SnapshotWriter:
    """Writes a snapshot; the file is complete or absent.

    Used as a context manager: rows go to a temporary file beside `path` (mode 0600), which is
    flushed to the disk and renamed when the block ends, and removed when it ends with an
    exception. `info` is kept as it is but for its problems. A copy that is not `lasting`, which
    serves one command and goes with it, is neither compressed nor flushed. Raises OutputError where
    the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        headers: Sequence[str],
        info: SourceInfo | None = None,
        *,
        lasting: bool = True,
    ) -> None:
        self.path = path
        self._lasting = lasting
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
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
        self._schema = pa.schema(fields, {METADATA: json.dumps(content, ensure_ascii=False)})

    def __enter__(self) -> Self:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self._temporary, flags, 0o600)
        except OSError as error:
            raise self._unwritable(error) from None
        self._file = os.fdopen(descriptor, "wb")
        try:
            # Statistics and dictionaries would cost more than they save: each row is written once
            # and read a few times, whole.
            self._writer = pq.ParquetWriter(
                self._file,
                self._schema,
                compression="lz4" if self._lasting else "none",
                use_dictionary=False,
                write_statistics=False,
                write_page_checksum=self._lasting,
            )
        except OSError as error:
            self._discard()
            raise self._unwritable(error) from None
        return self

    def write(self, batch: Batch) -> None:
        """Append a batch as a row group; it has a column for every header."""
        cells = (batch.columns[label] for label in range(self._width))
        notes = (_problem_column(batch), _fraction_column(batch))
        arrays = [pa.array(batch.rows, pa.int64()), *cells, *notes]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        try:
            self._writer.write_table(table, row_group_size=max(len(batch), 1))
        except OSError as error:
            raise self._unwritable(error) from None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._writer.close()
            self._file.flush()
            if self._lasting:
                os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self.path)
            if self._lasting:
                sync_folder(self.path.parent)
        except OSError as error:
            self._discard()
            raise self._unwritable(error) from None
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        """Leave nothing behind; what fails here has been told already."""
        if writer := getattr(self, "_writer", None):
            with contextlib.suppress(OSError, pa.ArrowException):
                writer.close()
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> OutputError:
        if error.errno in _DISK_FULL:
            return OutputError(
                f"{self.path}: the disk is full, so the run's copy of the rows was not written.",
                "Make room, or choose a folder on another disk: --out DIR.",
            )
        return OutputError(
            f"{self.path}: cannot be written ({error.strerror or error}).",
            "Choose a folder that you may write to: --out DIR.",
        )


class Snapshot:
    """A snapshot opened for reading; a context manager. Raises SourceError where it is damaged.

    `rows` is how many rows it has, `info` what the source was, if that was kept.
    """

    def __init__(self, path: Path, file: pq.ParquetFile) -> None:
        content = json.loads(file.schema_arrow.metadata[METADATA])
        if content["version"] != VERSION:
            raise ValueError(f"it has layout {content['version']}, not {VERSION}")
        self.path = path
        self.headers: tuple[str, ...] = tuple(content["headers"])
        names = ["row", *(f"c{n}" for n in range(len(self.headers))), _PROBLEMS]
        if file.schema_arrow.names not in (names, [*names, _FRACTIONS]):
            raise ValueError("its columns are not those of its headers")
        self.rows: int = file.metadata.num_rows
        self.info: SourceInfo | None = None
        if source := content["source"]:
            self.info = SourceInfo(**{**source, "headers": self.headers})
        self._notes = file.schema_arrow.names[len(names) - 1 :]
        self._file = file

    @classmethod
    def open(cls, path: Path) -> Snapshot:
        """Open the snapshot at `path`."""
        try:
            # Opened here: Arrow takes no name that is not UTF-8.
            with contextlib.ExitStack() as undo:
                content = undo.enter_context(path.open("rb"))
                file = pq.ParquetFile(content, page_checksum_verification=True)
                undo.pop_all()
        except FileNotFoundError:
            raise SourceError(
                f"{path}: the run's own copy of the rows is not there.",
                "Was the run directory moved or cleaned? Run the import again.",
            ) from None
        except _UNREADABLE as error:
            raise _damaged(path, error) from None
        try:
            return cls(path, file)
        except _UNREADABLE as error:
            file.close(force=True)
            raise _damaged(path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    def sha256(self) -> str:
        """The SHA-256 of the snapshot's bytes; reads the whole file."""
        return file_sha256(self.path)

    def batches(self, columns: Sequence[int] | None = None) -> Iterator[Batch]:
        """The rows as they were written, batch by batch, with all columns or those named.

        Columns are named by their index, each once, and keep it as their label.
        """
        labels = list(range(len(self.headers)) if columns is None else columns)
        names = ["row", *(f"c{label}" for label in labels), *self._notes]
        for group in range(self._file.num_row_groups):
            yield _batch(self._read(group, names), labels)

    def row_numbers(self) -> npt.NDArray[np.int64]:
        """The row numbers of all rows, in order: 8 bytes a row."""
        groups = [
            self._read(group, ["row"]).column("row").to_numpy()
            for group in range(self._file.num_row_groups)
        ]
        return np.concatenate(groups) if groups else np.empty(0, np.int64)

    def _read(self, group: int, names: list[str]) -> Any:
        try:
            # Not worth threads of its own: a batch is small, and others are worked on meanwhile.
            return self._file.read_row_group(group, columns=names, use_threads=False)
        except _UNREADABLE as error:
            raise _damaged(self.path, error) from None


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


def _damaged(path: Path, error: Exception) -> SourceError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SourceError(
        f"{path}: the run's own copy of the rows is damaged ({reason}).",
        "Nothing can be sent from it. Rows not yet sent must be imported anew, without those that"
        " results.csv shows as created or uncertain.",
    )
