"""A remote file's bytes onto the disk, within limits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path

from importer.errors import OutputError, SourceError
from importer.operations.remote_origin import Origin
from importer.sources.inputfile import SPOOL_LIMIT

SPARE = 64 << 20
"""Bytes of a disk that a fetched file leaves free."""

_MIB = 1 << 20


async def copied(origin: Origin, path: str, target: Path, silence: float, shown: str) -> int:
    """Write a file's bytes, a block at a time; give their number.

    Raises TimeoutError where nothing comes for `silence` seconds, SourceError for a file over
    the limit, and OutputError where the disk fails.
    """
    size = 0
    # Nothing is kept back in a buffer, so that a full disk is noticed where it is written to.
    with target.open("r+b", buffering=0) as out:
        async with contextlib.aclosing(origin.blocks(path)) as blocks:
            while True:
                async with asyncio.timeout(silence):
                    block = await anext(blocks, None)
                if block is None:
                    return size
                size += len(block)
                if size > SPOOL_LIMIT:
                    raise _too_large(shown)
                _write(out.fileno(), block, shown, target.parent)


def check_room(size: int | None, folder: Path, shown: str) -> None:
    """Raise SourceError for a size over the limit, and OutputError for one over what is free."""
    if size is None:
        return
    if size > SPOOL_LIMIT:
        raise _too_large(shown)
    room = max(0, shutil.disk_usage(folder).free - SPARE)
    if size > room:
        raise OutputError(
            f"{shown}: has {size / _MIB:,.1f} MiB, and the disk of {folder} has room for "
            f"{room / _MIB:,.1f} MiB",
            "Make room on that disk; the file is fetched again then.",
        )


def _write(descriptor: int, block: bytes, shown: str, folder: Path) -> None:
    """Write all of a block; a disk's trouble must not be taken for the network's."""
    view = memoryview(block)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(
            f"{shown}: cannot be kept in {folder}: {reason}",
            "Make room on that disk, or mend the folder's permissions; the file is fetched again "
            "then.",
        ) from error


def _too_large(shown: str) -> SourceError:
    return SourceError(
        f"{shown}: is larger than the limit of {SPOOL_LIMIT // _MIB:,} MiB",
        "Divide it into several files.",
    )
