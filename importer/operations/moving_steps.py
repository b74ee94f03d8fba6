"""The steps of a move: each leaves the old state or the new one, and may be taken again."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple, Self

from importer.errors import OutputError, SourceError
from importer.files import make_private_folder, sync_folder
from importer.pipeline.rundir import RESULT_FILES

CLAIM = b"vcc-import: a file is being moved here\n"
"""What stands under a name until its file comes; half of it, too, where the power went."""

_TRIES = 4
_PAUSE = 0.25
_BLOCK = 1 << 20


class Identity(NamedTuple):
    """What tells a file from another that has taken its place."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """That of the file that is there now, if any."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # a marker beside the longest name
                return None
            raise
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


def is_claim(path: Path) -> bool:
    """Whether only a claim of ours stands there."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > len(CLAIM):
            return False
        return CLAIM.startswith(path.read_bytes())
    except OSError:
        return False


def has_arrived(target: Path, identity: Identity) -> bool:
    """Whether what stands there is the file itself, which may be as short as a claim."""
    found = Identity.of(target)
    return found is not None and found[:2] == identity[:2]


def remove_claim(path: Path) -> None:
    """Give a name back, if only a claim stands there."""
    if is_claim(path):
        path.unlink(missing_ok=True)


def bring(source: Path, target: Path, half: Path, identity: Identity) -> None:
    """Move a file onto the claim at `target`; `half` is where a copy may grow meanwhile.

    Raises OutputError; the claim is gone then, and the file is where it was.
    """
    try:
        half.unlink(missing_ok=True)
        _refuse_another(source, identity)
        try:
            _patiently_replaced(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copied(source, half)
            half.replace(target)
            sync_folder(target.parent)
            take_away(source, identity)
        else:
            sync_folder(target.parent)
            sync_folder(source.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
            remove_claim(target)
        raise _immovable(source, target.parent, error) from error


def take_away(source: Path, identity: Identity) -> None:
    """Remove the original of a file whose copy is on the disk; raises OutputError."""
    try:
        _refuse_another(source, identity)
        source.unlink()
        sync_folder(source.parent)
    except OSError as error:
        raise _immovable(source, source.parent, error) from error


def _refuse_another(source: Path, identity: Identity) -> None:
    if Identity.of(source) != identity:
        raise OSError(errno.EBUSY, "another file has taken its place just now")


def same_content(one: Path, other: Path) -> bool:
    """Whether two files hold the same."""
    try:
        if not other.is_file() or one.stat().st_size != other.stat().st_size:
            return False
        return _digest(one) == _digest(other)
    except OSError:
        return False


def begins_with(path: Path, sha256: str, size: int) -> bool:
    """Whether a file holds a content of so many bytes, and more behind it."""
    try:
        return path.stat().st_size > size and (size, sha256) in digests(path, {size})[1]
    except (OSError, SourceError):
        return False


def digests(path: Path, sizes: Collection[int]) -> tuple[str, set[tuple[int, str]]]:
    """The hash of a file, and those of its beginnings of so many bytes; it is read once."""
    digest, at = hashlib.sha256(), 0
    begins = set()
    try:
        with path.open("rb") as file:
            for size in sorted(sizes):
                while at < size and (block := file.read(min(_BLOCK, size - at))):
                    digest.update(block)
                    at += len(block)
                if at < size:
                    break
                begins.add((size, digest.hexdigest()))
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read ({error.strerror or error}).", "Check the name and the folder."
        ) from None
    return digest.hexdigest(), begins


def copy_results(run: Path, half: Path, beside: Path) -> None:
    """Copy a run's result files into a folder of the owner's alone, which is whole or absent.

    Raises OutputError. A run whose directory has gone has no results.
    """
    names = [name for name in RESULT_FILES if (run / name).is_file()]
    if not names:
        return
    try:
        make_private_folder(half)
        for name in names:
            _copied(run / name, half / name)
        sync_folder(half)
        half.rename(beside)
        sync_folder(beside.parent)
    except OSError as error:
        remove_tree(half)
        raise _immovable(run, beside.parent, error, "its results cannot be copied") from error


def remove_tree(folder: Path) -> None:
    """Remove a half-made folder of copies."""
    shutil.rmtree(folder, ignore_errors=True)


def _patiently_replaced(source: Path, target: Path) -> None:
    """Rename; on Windows a file that a scanner has open cannot be, for a moment."""
    for attempt in range(1, _TRIES + 1):
        try:
            source.replace(target)
        except PermissionError:
            if attempt == _TRIES or os.name != "nt":
                raise
            time.sleep(_PAUSE)
        else:
            return


def _copied(source: Path, target: Path) -> None:
    """Copy a file, its owner's alone, and read it back; raises OSError where they differ."""
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with source.open("rb") as content, os.fdopen(descriptor, "wb") as copy:
        before = os.fstat(content.fileno())
        while block := content.read(_BLOCK):
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
        after = source.stat()
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not unchanged or _digest(target) != digest.digest():
        raise OSError(errno.EIO, "the copy is not what was copied")


def _digest(path: Path) -> bytes:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _immovable(
    source: Path, folder: Path, error: OSError, what: str = "cannot be moved"
) -> OutputError:
    reason = error.strerror or type(error).__name__
    hint = "Close the program that has it open, or mend the permissions of both folders."
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        reason, hint = "the disk is full", "Make room on that disk."
    return OutputError(
        f"{source}: {what} to {folder}: {reason}", f"{hint} The next round moves it."
    )
