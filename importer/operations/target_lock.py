"""One run at a time to one project, by a lock of the system that no crash leaves behind."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import OutputError, UsageError
from importer.files import make_private_folder
from importer.stopping import StopSwitch

if TYPE_CHECKING:
    from filelock import BaseFileLock

FOLDER = "locks"
_GLANCE = 0.5
"""Seconds between two looks whether one is to stop waiting."""


class TargetBusy(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """Another run of the same runs folder is sending to the same project."""


@contextlib.contextmanager
def target_lock(
    runs_dir: Path, base_url: str, project: int, *, wait: float, stop: StopSwitch
) -> Iterator[None]:
    """Hold a project for the block; wait so many seconds for it, then raise TargetBusy.

    The lock is of the process, not the file: what a crash leaves lying there holds nobody up.
    """
    with held(
        runs_dir / FOLDER / f"{_name(base_url, project)}.lock",
        TargetBusy(
            f"another run is sending to project {project} at {base_url}",
            "Two runs at once could not see each other's rows. Wait until it has ended.",
        ),
        wait=wait,
        stop=stop,
    ):
        yield


def _name(base_url: str, project: int) -> str:
    return f"{project}-{hashlib.sha256(base_url.encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def held(path: Path, busy: UsageError, *, wait: float, stop: StopSwitch) -> Iterator[None]:
    """Hold a lock file for the block; raise `busy` where another process has it for too long."""
    from filelock import FileLock

    make_private_folder(path.parent)
    lock = FileLock(path, mode=0o600)
    try:
        _acquire(lock, busy, wait, stop)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be locked: {error.strerror}", "Let the folder be written."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, busy: UsageError, wait: float, stop: StopSwitch) -> None:
    from filelock import Timeout

    left = wait
    while True:
        try:
            lock.acquire(timeout=min(left, _GLANCE))
        except Timeout:
            left -= _GLANCE
            if left <= 0 or stop.reason is not None:
                raise busy from None
        else:
            return
