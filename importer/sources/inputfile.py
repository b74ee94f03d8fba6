"""The file to read: a private copy of what the user named or piped in, made in one go.

A file is looked at several times (its kind, its encoding, its rows, its hash). If somebody replaced
or rewrote it in between, one content would be sent and the hash of another one noted. So its path
is opened once, and all the rest is done with a copy of what that gave.

A copy stands in a folder that only its owner may enter, under a name of ours, and is removed with
the folder; what is unpacked or decrypted stands in such a folder, too.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from importer.errors import OutputError, SourceError
from importer.files import (
    IrregularFileError,
    WorkingFolder,
    escape_surrogates,
    is_shell_pipe,
    refuse_irregular,
    similar_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO
    from typing import BinaryIO

STANDARD_INPUT = "standard input"
_MIB = 2**20
SPOOL_LIMIT = 4096 * _MIB
"""The most bytes that a temporary file takes: a copy, or what is unpacked or piped in."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """The path of the bytes, and the name that messages call them by.

    The two differ for what was unpacked or piped in. As text, it is its name.
    """

    path: Path
    name: str

    @classmethod
    def at(cls, path: Path) -> Self:
        """The file that the user named."""
        return cls(path, escape_surrogates(path))

    def sha256(self) -> str:
        """The SHA-256 of its bytes, in hexadecimal."""
        return file_sha256(self.path)

    def size(self) -> int:
        """The number of its bytes."""
        return self.path.stat().st_size

    def __str__(self) -> str:
        return self.name


def is_piped(path: Path) -> bool:
    """Whether the path is standard input, ``-``, or a pipe that the shell made for ``<(…)``."""
    return str(path) == "-" or is_shell_pipe(path)


def refuse_unreadable(path: Path) -> None:
    """Raise SourceError where `path` is no file that can be opened and holds something."""
    try:
        if path.is_dir():
            raise SourceError(
                f"{path}: this is a folder, not a file.", "Name the file in it that is to be read."
            )
        refuse_irregular(path)
        with path.open("rb") as file:
            size = file.seek(0, 2)
    except IrregularFileError as error:
        what, _, remedy = str(error.strerror).partition(": ")
        raise SourceError(
            f"{path}: {what}.",
            f"{remedy.capitalize()}; or pipe it into this command, with - in place of a file.",
        ) from None
    except FileNotFoundError:
        raise SourceError(f"{path}: there is no such file.", _nearby(path)) from None
    except PermissionError:
        raise SourceError(
            f"{path}: this file may not be read by you.",
            "Change its permissions, or close the program that holds it open.",
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path}: cannot be read ({error}).", "Check the name and the drive it is on."
        ) from None
    if size == 0:
        raise SourceError(f"{path}: this file is empty.", "Was it saved or downloaded completely?")


def _nearby(path: Path) -> str:
    """Where to look for a file that is not there, naming the nearest of its folder."""
    if not path.absolute().parent.is_dir():
        return f"The folder {path.parent} does not exist either, or may not be read."
    near = similar_file(path)
    return f"Did you mean {near}?" if near else "Check the name and the folder."


@contextmanager
def private_copy(path: Path, name: str) -> Iterator[InputFile]:
    """A copy of a file as it is now, whatever becomes of its path afterwards.

    A file over `SPOOL_LIMIT` is read where it is. Raises SourceError where it is written to
    meanwhile, so that no copy is of half a change, and OSError where it cannot be read.
    """
    with path.open("rb", buffering=0) as stream:
        before = os.fstat(stream.fileno())
        if before.st_size > SPOOL_LIMIT:
            # A text of any size can be read, and there may be no room for a second one.
            yield InputFile(path, name)
            return
        with temporary_copy(_pieces(stream), name, name) as file:
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
def piped_copy(path: Path, name: str) -> Iterator[InputFile]:
    """A copy of all that comes through a pipe; raises SourceError if that is nothing."""
    if str(path) != "-":
        with path.open("rb") as stream, temporary_copy(_pieces(stream), name, name) as file:
            yield _refuse_nothing(file)
        return
    if sys.stdin is None or sys.stdin.closed:
        raise SourceError(
            f"{name}: it is closed.", "Pipe a file into this command, or name one instead of -."
        )
    _refuse_device(sys.stdin.buffer, name)
    with temporary_copy(_pieces(sys.stdin.buffer), name, name) as file:
        yield _refuse_nothing(file)


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


def _refuse_nothing(file: InputFile) -> InputFile:
    if file.path.stat().st_size == 0:
        raise SourceError(
            f"{file}: nothing came through it.",
            "Did the command before it fail? Or name a file instead of -.",
        )
    return file


@contextmanager
def temporary_copy(pieces: Iterable[bytes], name: str, content: str) -> Iterator[InputFile]:
    """A private temporary file of these bytes; messages call it `name`, and its bytes `content`.

    Raises SourceError for more bytes than `SPOOL_LIMIT`, and OutputError where they cannot be
    written.
    """
    with WorkingFolder() as folder:
        file = InputFile(Path(folder) / "content", name)
        size = 0
        descriptor = os.open(file.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o600)
        # Without a buffer, which would fail once more as it is closed, with an error of its own.
        with os.fdopen(descriptor, "wb", buffering=0) as target:
            for piece in pieces:
                size += len(piece)
                if size > SPOOL_LIMIT:
                    raise SourceError(
                        f"{name}: {content} is larger than the limit of {SPOOL_LIMIT // _MIB:,}"
                        " MiB for what is unpacked or piped in.",
                        "Save it as a file of its own, or divide it, and give that.",
                    )
                _write(target, piece, folder)
        yield file


_BINARY = getattr(os, "O_BINARY", 0)


def _write(target: FileIO, piece: bytes, folder: str) -> None:
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[target.write(rest) :]
    except OSError as error:
        # No SourceError: nothing is wrong with the file, and batch must not put it away.
        full = error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG}
        reason = "the disk is full" if full else f"cannot be written: {error.strerror}"
        raise OutputError(
            f"{Path(folder).parent}: {reason}",
            "Make room, or name another folder for temporary files in the variable TMPDIR.",
        ) from None


def _pieces(stream: BinaryIO | FileIO) -> Iterator[bytes]:
    while piece := stream.read(_MIB):
        yield piece


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; the file is read in pieces."""
    try:
        refuse_irregular(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read ({error.strerror or error}).", "Check the name and the folder."
        ) from None
