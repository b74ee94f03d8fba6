"""What is read is a private copy, made in one go: of a file, of what is piped in or unpacked.

A file is looked at several times (what kind it is, its encoding, its rows, its hash), and whoever
replaces or rewrites it in between would have one content sent and another one's hash noted. So its
path is opened once, and all the rest is done with a copy of what that gave.

A copy stands in a folder that only its owner may enter, under a name of ours, and is removed with
it.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import OutputError, SourceError
from importer.files import WorkingFolder, is_shell_pipe
from importer.sources.inputfile import InputFile
from importer.sources.zipped import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO
    from typing import BinaryIO

STANDARD_INPUT = "standard input"
SPOOL_LIMIT = 4096 * MIB
"""Bytes that a temporary file takes: what is unpacked or piped in."""


def is_piped(path: Path) -> bool:
    """Whether the path is standard input, ``-``, or a pipe that the shell made for ``<(…)``."""
    return str(path) == "-" or is_shell_pipe(path)


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
    _refuse_device(sys.stdin.buffer, name)
    with kept(_pieces(sys.stdin.buffer), name, name) as file:
        yield _something(file)


def _refuse_device(stream: BinaryIO, name: str) -> None:
    """Refuse what never ends: /dev/zero and the like; a terminal ends, and /dev/null at once."""
    if os.name != "posix" or stream.isatty():
        return
    try:
        status = os.fstat(stream.fileno())
        null = os.path.samestat(status, Path(os.devnull).stat())
    except (OSError, ValueError):
        return  # a stream that is none of the system's
    device = stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode)
    if device and not null:
        raise SourceError(
            f"{name}: it comes from a device, not from a file.", "Pipe a file into this command."
        )


@contextmanager
def copied(path: Path, name: str) -> Iterator[InputFile]:
    """A file as it is now, whatever becomes of its path afterwards; one over 4 GiB is not copied.

    Raises SourceError where it is written to meanwhile, so that no copy is of half a change, and
    OSError where it cannot be read.
    """
    with path.open("rb", buffering=0) as stream:
        before = os.fstat(stream.fileno())
        if before.st_size > SPOOL_LIMIT:
            # A text of any size can be read, and there may be no room for a second one.
            yield InputFile(path, name)
            return
        with kept(_pieces(stream), name, name) as file:
            after, size = os.fstat(stream.fileno()), file.path.stat().st_size
            if (before.st_size, before.st_mtime_ns, size) != (
                after.st_size,
                after.st_mtime_ns,
                before.st_size,
            ):
                raise SourceError(
                    f"{name}: it was written to while it was being read.",
                    "Wait until it is whole, then give it again.",
                )
            stream.close()  # on Windows, an open file can be neither moved nor replaced
            yield file


@contextmanager
def kept(pieces: Iterable[bytes], name: str, content: str) -> Iterator[InputFile]:
    """A private temporary file of these bytes, called `name`; `content` is what they are."""
    with WorkingFolder() as folder:
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
        # Nothing is wrong with the file: whoever is to put it away must not take it for unreadable.
        full = error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG}
        reason = "the disk is full" if full else f"cannot be written: {error.strerror}"
        raise OutputError(
            f"{Path(folder).parent}: {reason}",
            "Make room, or name another folder for temporary files in the variable TMPDIR.",
        ) from None


def _pieces(stream: BinaryIO | FileIO) -> Iterator[bytes]:
    while piece := stream.read(MIB):
        yield piece


def _something(file: InputFile) -> InputFile:
    if file.path.stat().st_size == 0:
        raise SourceError(
            f"{file}: nothing came through it.",
            "Did the command before it fail? Or name a file instead of -.",
        )
    return file
