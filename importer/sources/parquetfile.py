"""Parquet files of a run: complete or absent, readable by their owner only, with checksums.

A row group is a batch, so that neither writing nor reading takes more memory for more rows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from importer.errors import OutputError, SourceError
from importer.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)
"""What reading a damaged file raises, here and in Arrow."""


class ParquetWriter:
    """Writes a Parquet file; a context manager.

    Row groups go to a temporary file beside `path` (mode 0600), which is flushed to the disk and
    renamed when the block ends, and removed when it ends with an exception. `what` names the
    content for people. A file that is not `durable` serves one command and is removed with it: it
    is neither compressed nor flushed, and has no checksums. Raises OutputError where the file
    cannot be written.
    """

    def __init__(self, path: Path, schema: Any, what: str, *, durable: bool = True) -> None:
        self.path = path
        self.schema = schema
        self._what = what
        self._durable = durable
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")

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
                self.schema,
                compression="lz4" if self._durable else "none",
                use_dictionary=False,
                write_statistics=False,
                write_page_checksum=self._durable,
            )
        except OSError as error:
            self._discard()
            raise self._unwritable(error) from None
        return self

    def write(self, arrays: list[Any]) -> None:
        """Append a row group: an array for each column of the schema, all of the same length."""
        table = pa.Table.from_arrays(arrays, schema=self.schema)
        try:
            self._writer.write_table(table, row_group_size=max(len(table), 1))
        except OSError as error:
            raise self._unwritable(error) from None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._writer.close()
            self._file.flush()
            if self._durable:
                os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self.path)
            if self._durable:
                sync_folder(self.path.parent)
        except OSError as error:
            self._discard()
            raise self._unwritable(error) from None
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        """Remove the temporary file; errors are ignored, since another one is being raised."""
        if writer := getattr(self, "_writer", None):
            with contextlib.suppress(OSError, pa.ArrowException):
                writer.close()
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> OutputError:
        if error.errno in _DISK_FULL:
            return OutputError(
                f"{self.path}: the disk is full, so {self._what} was not written.",
                "Make room, or choose a folder on another disk: --out DIR.",
            )
        return OutputError(
            f"{self.path}: cannot be written ({error.strerror or error}).",
            "Choose a folder that you may write to: --out DIR.",
        )


class ParquetReader:
    """A file that :class:`ParquetWriter` wrote, open for reading; checksums are verified.

    `rows` is how many rows it has, `group_sizes` how many each row group has, `schema` its Arrow
    schema. Raises SourceError, which names the content as `what`, where the file is not there or is
    damaged.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self._what = path, what
        try:
            # Opened here: Arrow takes no name that is not UTF-8.
            with contextlib.ExitStack() as undo:
                content = undo.enter_context(path.open("rb"))
                self._file = pq.ParquetFile(content, page_checksum_verification=True)
                self.schema: Any = self._file.schema_arrow
                undo.pop_all()
        except FileNotFoundError:
            raise SourceError(
                f"{path}: {what} is not there.",
                "Was the run directory moved or cleaned? Run the import again.",
            ) from None
        except UNREADABLE as error:
            raise self.damaged(error) from None
        metadata = self._file.metadata
        self.rows: int = metadata.num_rows
        self.group_sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]

    def groups(self, names: list[str], only: Sequence[int] | None = None) -> Iterator[Any]:
        """Some columns of each row group, or of `only` some groups, as tables, in order."""
        for group in range(self._file.num_row_groups) if only is None else only:
            try:
                # Not worth threads of its own: a batch is small, others are worked on meanwhile.
                table = self._file.read_row_group(group, columns=names, use_threads=False)
            except UNREADABLE as error:
                raise self.damaged(error) from None
            yield table

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    def damaged(self, error: Exception) -> SourceError:
        """The error for a file that cannot be read."""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return SourceError(
            f"{self.path}: {self._what} is damaged ({reason}).",
            "Nothing can be sent from it. Rows not yet sent must be imported anew, without those"
            " that results.csv shows as created or uncertain.",
        )
