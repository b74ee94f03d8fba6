"""One run at a time to one project, by a lock of the system that no crash leaves behind."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import OutputError, UsageError
from importer.files import make_private_folder
from importer.operations.runs_folders import state_dir
from importer.pipeline.stopping import StopSwitch

if TYPE_CHECKING:
    from filelock import BaseFileLock

FOLDER = "locks"
_GLANCE = 0.5
"""Seconds between two looks whether one is to stop waiting."""


_log = logging.getLogger(__name__)


class TargetBusy(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """Another run, of this user or of the same runs folder, is sending to the same project."""


@contextlib.contextmanager
def target_lock(
    runs_dir: Path, base_url: str, project: int, *, wait: float, stop: StopSwitch
) -> Iterator[None]:
    """Hold a project for the block; wait so many seconds for it, then raise TargetBusy.

    It is held in the user's place for state, so that all runs of this user see it, and in the runs
    folder, which others may use, too. The lock is of the process, not the file: what a crash leaves
    lying there holds nobody up.
    """
    busy = TargetBusy(
        f"another run is sending to project {project} at {base_url}",
        "Two runs at once could not see each other's rows. Wait until it has ended.",
    )
    name, until = f"{_name(base_url, project)}.lock", time.monotonic() + wait
    with contextlib.ExitStack() as locks:
        # Always in this order, so that no two runs ever wait for each other.
        if (state := state_dir()) is not None:
            try:
                locks.enter_context(held(state / FOLDER / name, busy, wait=wait, stop=stop))
            except OutputError as error:
                _log.info("Runs from other folders do not see this one: %s", error)
        left = max(0.0, until - time.monotonic())
        locks.enter_context(held(runs_dir / FOLDER / name, busy, wait=left, stop=stop))
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
    except NotImplementedError:  # what filelock says of network drives without locks
        raise OutputError(
            f"{path} cannot be locked: its drive knows no locks", "Use a folder on another drive."
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
