"""When the next round is due: as soon as a file arrives, when one is still, and once a minute.

Shares of other machines tell nothing of their files, servers neither, and hours begin without a
word: that is what the regular look is for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.operations.inbox import MARKER, fixed_part, is_unfinished
from importer.operations.jobs import JobsFile
from importer.operations.outcome import BatchResult, Fate
from importer.operations.remote_origin import is_remote
from importer.pipeline.stopping import StopSwitch

if TYPE_CHECKING:
    from watchfiles import Change

EXTRA = 'pip install "vcc-importer[watch]"'
REGULARLY = 60.0
"""Seconds between two looks, where nothing happens."""

_GLANCE_MS = 500
_DEBOUNCE_MS = 400


class _Pulled:
    """A switch in the form that watchfiles asks for."""

    def __init__(self, stop: StopSwitch) -> None:
        self._stop = stop

    def is_set(self) -> bool:
        return self._stop.reason is not None


def keep_watch(jobs: JobsFile, work: Callable[[], BatchResult], stop: StopSwitch) -> None:
    """Do a round now, and whenever one is due, until the switch is pulled.

    Raises UsageError where folders cannot be watched, and whatever `work` raises.
    """
    pulled = _Pulled(stop)
    while not pulled.is_set():
        folders, due = _folders(jobs), time.monotonic()
        for found in _changes(folders, _Relevant(jobs.own), pulled):
            if pulled.is_set():
                return
            if found or time.monotonic() >= due:
                due = time.monotonic() + _pause(jobs, work())
                if _folders(jobs) != folders:
                    break  # one has come, or gone: it is to be watched, or not any more


def _changes(
    folders: Sequence[Path], relevant: _Relevant, pulled: _Pulled
) -> Iterator[set[tuple[Change, str]]]:
    """What has changed, and nothing at short intervals.

    What happens while nobody asks is kept until somebody does, so that nothing is missed.
    """
    try:
        from watchfiles import watch
    except ImportError as error:
        raise UsageError(
            "--watch needs watchfiles, which is not installed", f"Install it: {EXTRA}"
        ) from error
    try:
        yield from watch(
            *folders,
            watch_filter=relevant,
            stop_event=pulled,
            debounce=_DEBOUNCE_MS,
            rust_timeout=_GLANCE_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
    except OSError as error:
        raise UsageError(
            f"the inboxes cannot be watched: {error}",
            "Raise the system's limit of watched files, or start a round every few minutes.",
        ) from error


class _Relevant:
    """Takes what happens to files that may be somebody's; our own are none."""

    def __init__(self, ours: Collection[Path]) -> None:
        self._ours = ours

    def __call__(self, _: Change, path: str) -> bool:
        name = os.path.basename(path)  # noqa: PTH119 - it is called for each event
        if is_unfinished(name.removesuffix(MARKER)):
            return False
        return not any(Path(path).is_relative_to(own) for own in self._ours)


def _pause(jobs: JobsFile, result: BatchResult) -> float:
    """Seconds until the next regular look: until files are still, where some wait for that."""
    settle = {job.name: job.settle for job in jobs.jobs}
    waiting = (
        settle[job.name]
        for job in result.jobs
        for file in job.files
        if file.fate is Fate.WAITING and file.exit_code == 0
    )
    return max(1.0, min((REGULARLY, *waiting)))


def _folders(jobs: JobsFile) -> tuple[Path, ...]:
    """The folders of this machine that files come from, as far as they are there."""
    found = []
    for job in jobs.jobs:
        for pattern in job.files:
            if not is_remote(pattern):
                folder, rest = fixed_part(pattern)
                found.append(folder if rest or folder.is_dir() else folder.parent)
    return tuple(sorted({folder for folder in found if folder.is_dir()}))
