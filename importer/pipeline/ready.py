"""The ready records of a plan, in Parquet: what is sent, byte for byte.

Column ``row`` has the row numbers, in source order; ``body`` the JSON of each record as it is sent;
``phones`` the numbers of its contacts (the digits of E.164 as integers), for do-not-call lists that
are renewed before it is sent. A row group is a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from importer.api.request import encode
from importer.model import Phones, Records, Request
from importer.sources.parquetfile import ParquetReader, ParquetWriter

WHAT = "the ready records"
_ROW, _BODY, _PHONES = "row", "body", "phones"
_SCHEMA = pa.schema(
    [
        pa.field(_ROW, pa.int64(), nullable=False),
        pa.field(_BODY, pa.large_binary(), nullable=False),
        pa.field(_PHONES, pa.list_(pa.int64()), nullable=False),
    ]
)

RowNumbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReadyRecords:
    """Records of a batch that are ready to be sent.

    `rows` are their row numbers, int64, in order; `bodies`, an Arrow array of large binaries, has
    the JSON of each. `phones` has the numbers of all their contacts, int64, those of record i at
    ``ends[i - 1]:ends[i]``.
    """

    rows: RowNumbers
    bodies: Any
    phones: RowNumbers
    ends: RowNumbers

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class EncodedRecords:
    """All records of a batch, as in ReadyRecords; the records of invalid rows have no meaning."""

    rows: RowNumbers
    bodies: Any
    phones: Phones | None

    def ready(self, which: npt.NDArray[np.bool_]) -> ReadyRecords:
        """Those records that are ready: `which` is as long as the batch."""
        counts, numbers = np.zeros(len(self.rows), dtype=np.int64), np.empty(0, dtype=np.int64)
        if self.phones is not None:
            sent = which[self.phones.places]
            places = self.phones.places[sent]
            numbers = self.phones.numbers[sent][np.argsort(places, kind="stable")]
            counts = np.bincount(places, minlength=len(self.rows)).astype(np.int64)
        bodies = self.bodies if which.all() else self.bodies.filter(pa.array(which))
        return ReadyRecords(self.rows[which], bodies, numbers, np.cumsum(counts[which]))


_AT_ONCE = 128
"""Bodies that are Python objects at a time: each takes far more memory than its bytes."""


def bodies_of(records: Records) -> Any:
    """The JSON of each record, an Arrow array of large binaries."""
    encoded = encode(records)
    parts = [pa.array([], pa.large_binary())]
    while some := list(islice(encoded, _AT_ONCE)):
        parts.append(pa.array(some, pa.large_binary()))
    return pa.concat_arrays(parts)


class _RecordsDigest:
    """A SHA-256 over records, each as its row number, a space and its body without its stamp.

    `stamp` is the stamp's field, and `run_id` what stands in it before the row.
    """

    def __init__(self, stamp: str | None, run_id: str) -> None:
        self._hash = hashlib.sha256()
        self._stamp = orjson.dumps({stamp: f"{run_id}:"})[1:-2] if stamp is not None else b""

    def add(self, records: Iterable[tuple[int, bytes]]) -> None:
        for row, body in records:
            if self._stamp:
                body = body.replace(b'%b%d"' % (self._stamp, row), b"", 1)  # noqa: PLW2901
            self._hash.update(b"%d %b\n" % (row, body))

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class ReadyWriter:
    """Writes ``ready.parquet``, complete or absent; a context manager.

    `digest` is that of the records written so far, the stamps left out: it does not depend on
    batches, on the run's name, or on how Parquet lays its bytes out. `stamp` is the stamp's field
    and `run_id` what stands in it before the row. Raises OutputError.
    """

    def __init__(self, path: Path, stamp: str | None, run_id: str) -> None:
        self._file = ParquetWriter(path, _SCHEMA, WHAT)
        self._digest = _RecordsDigest(stamp, run_id)
        self.rows = 0

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def write(self, records: ReadyRecords) -> None:
        """Append records."""
        if not len(records):
            return
        offsets = np.concatenate([[0], records.ends]).astype(np.int32)
        phones = pa.ListArray.from_arrays(pa.array(offsets), pa.array(records.phones))
        self._file.write([pa.array(records.rows, pa.int64()), records.bodies, phones])
        for start in range(0, len(records), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            rows, bodies = records.rows[some].tolist(), records.bodies[some].to_pylist()
            self._digest.add(zip(rows, bodies, strict=True))
        self.rows += len(records)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._file.__exit__(kind, *rest)

    @property
    def digest(self) -> str:
        """The hexadecimal SHA-256 of the records, without their stamps."""
        return self._digest.hexdigest()


class ReadyFile:
    """``ready.parquet`` open for reading; a context manager.

    Raises SourceError where it is damaged or not there.
    """

    def __init__(self, path: Path) -> None:
        self._file = ParquetReader(path, WHAT)
        if self._file.schema.names != _SCHEMA.names:
            self._file.close()
            raise self._file.damaged(ValueError("its columns are others"))
        self.rows = self._file.rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def requests(self, settled: RowNumbers | None = None) -> Iterator[Request]:
        """The records in order, without the `settled` rows."""
        for table in self._file.groups([_ROW, _BODY]):
            rows = table.column(_ROW).to_numpy()
            bodies: Any = table.column(_BODY)
            if settled is not None and (known := np.isin(rows, settled, assume_unique=True)).any():
                rows, bodies = rows[~known], bodies.filter(pa.array(~known))
            yield from map(Request, rows.tolist(), bodies.to_pylist())

    def digest(self, stamp: str | None, run_id: str) -> str:
        """What :class:`ReadyWriter` gave as `digest` when the records were written."""
        digest = _RecordsDigest(stamp, run_id)
        digest.add(self.requests())
        return digest.hexdigest()

    def row_numbers(self) -> Iterator[RowNumbers]:
        """The row numbers of the records, batch by batch."""
        for table in self._file.groups([_ROW]):
            yield table.column(_ROW).to_numpy()

    def phones(self) -> Iterator[tuple[RowNumbers, RowNumbers]]:
        """Every number of a contact and the row it is of: batch by batch, rows and numbers."""
        for table in self._file.groups([_ROW, _PHONES]):
            lists = table.column(_PHONES).combine_chunks()
            parents = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
            yield table.column(_ROW).to_numpy()[parents], lists.flatten().to_numpy()
