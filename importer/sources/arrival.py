"""What cannot be read twice, or not as it is, goes to a private temporary file first.

It stands in a folder that only its owner may enter, under a name of ours, and is removed with it.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.sources.inputfile import InputFile
from importer.sources.zipped import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

STANDARD_INPUT = "standard input"
SPOOL_LIMIT = 4096 * MIB
"""Bytes that a temporary file takes: what is unpacked or piped in."""


def is_piped(path: Path) -> bool:
    """Whether the path is standard input, ``-``, or a pipe, as the shell makes for ``<(…)``."""
    try:
        return str(path) == "-" or path.is_fifo()
    except (OSError, ValueError):
        return False


@contextmanager
def spooled(path: Path, name: str) -> Iterator[InputFile]:
    """All that comes through a pipe, as a file; raises SourceError if that is nothing."""
    if str(path) != "-":
        with path.open("rb") as stream, kept(_pieces(stream), name, name) as file:
            yield _something(file)
        return
    if sys.stdin is None or sys.stdin.closed:
        raise SourceError(
            f"{name}: it is closed.", "Pipe a file into this command, or name one instead of -."
        )
    with kept(_pieces(sys.stdin.buffer), name, name) as file:
        yield _something(file)


@contextmanager
def kept(pieces: Iterable[bytes], name: str, content: str) -> Iterator[InputFile]:
    """A private temporary file of these bytes, called `name`; `content` is what they are."""
    with tempfile.TemporaryDirectory(prefix="vcc-import-", ignore_cleanup_errors=True) as folder:
        file = InputFile(Path(folder) / "content", name)
        size = 0
        descriptor = os.open(file.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            for piece in pieces:
                size += len(piece)
                if size > SPOOL_LIMIT:
                    raise SourceError(
                        f"{name}: {content} is larger than the limit of {SPOOL_LIMIT // MIB:,}"
                        " MiB for what is unpacked or piped in.",
                        "Save it as a file of its own, or divide it, and give that.",
                    )
                _write(target, piece, folder)
        yield file


_BINARY = getattr(os, "O_BINARY", 0)


def _write(target: BinaryIO, piece: bytes, folder: str) -> None:
    try:
        target.write(piece)
        target.flush()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise SourceError(
            f"{Path(folder).parent}: the disk is full.",
            "Make room, or name another folder for temporary files in the variable TMPDIR.",
        ) from None


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(MIB):
        yield piece


def _something(file: InputFile) -> InputFile:
    if file.path.stat().st_size == 0:
        raise SourceError(
            f"{file}: nothing came through it.",
            "Did the command before it fail? Or name a file instead of -.",
        )
    return file
