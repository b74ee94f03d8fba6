"""Where files come from, and where they are put away: the same words for folders and servers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from importer import files
from importer.errors import OutputError
from importer.files import free_name, write_private
from importer.operations.batch_fate import Aside
from importer.operations.inbox import arrivals
from importer.operations.jobs import JobsFile, JobSpec
from importer.operations.ledger import LedgerEntry
from importer.operations.moving import move_away
from importer.operations.moving_steps import Identity, begins_with
from importer.operations.outcome import Fate, FileOutcome, Trouble
from importer.pipeline.stopping import StopSwitch

NOTE = ".note.txt"
_GLANCE = 0.2
"""Seconds between two looks whether one is to stop waiting."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that is whole.

    `shown` names it for people. `key` is where it lies, `identity` what changes when another takes
    its place; None where nobody can tell. `details` are the place's own.
    """

    shown: str
    key: str
    identity: str | None
    details: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a place gives; `troubles` are of those parts that cannot be looked at."""

    ready: tuple[Arrived, ...]
    waiting: tuple[FileOutcome, ...]
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes along with a file that is put away.

    `note` gives the text that is put beside it, by where it is then; blank for none.
    """

    run_id: str
    sha256: str | None = None
    results: Path | None = None
    note: Callable[[str], str] = lambda _: ""


class Place(Protocol):
    """Where the files of a job come from."""

    def look(self) -> Found:
        """What is there now. Raises ImporterError where nothing can be looked at."""

    def taken(self, file: Arrived) -> AbstractContextManager[Path]:
        """The file as one of this machine, for the block.

        Raises SourceError (StillArrivingError for a file that changes) and OutputError.
        """

    def put(self, file: Arrived, aside: Aside, parcel: Parcel) -> str | None:
        """Put a file away and say where it is now; None where it stays.

        Raises SourceError and OutputError; then it is where it was.
        """

    def remember(self, file: Arrived, sha256: str) -> None:
        """Note whose content is about to be sent, for a round that comes after a crash."""

    def of_past(self, entry: LedgerEntry) -> Arrived | None:
        """The file that a run of the past was of, if it is still there."""

    def is_unchanged(self, file: Arrived) -> bool:
        """Whether a file is what it was when it was found, and can be opened."""

    def has_grown(self, file: Arrived, sha256: str, size: int) -> bool:
        """Whether more stands now behind the content of so many bytes that was imported."""


class LocalPlace:
    """Folders of this machine."""

    def __init__(
        self, job: JobSpec, jobs: JobsFile, stop: StopSwitch, now: Callable[[], float]
    ) -> None:
        self._job = job
        self._jobs = jobs
        self._stop = stop
        self._now = now

    def look(self) -> Found:
        """Files that are whole, and those that are not; raises SourceError for a folder gone."""
        inbox = arrivals(
            self._job.files,
            self._job.settle,
            never=self._jobs.own,
            now=self._now,
            pause=self._pause,
        )
        ready = (self._arrived(path) for path in inbox.ready)
        waiting = (
            FileOutcome(
                self._shown(each.path), Fate.WAITING, 3 if each.amiss else 0, {}, each.why, each.why
            )
            for each in inbox.waiting
        )
        return Found(tuple(filter(None, ready)), tuple(waiting))

    @contextlib.contextmanager
    def taken(self, file: Arrived) -> Iterator[Path]:
        """The file itself."""
        yield Path(file.key)

    def put(self, file: Arrived, aside: Aside, parcel: Parcel) -> str | None:
        """Move the file into the job's folder for it, where it names one."""
        folder = getattr(self._job, aside)
        if not isinstance(folder, Path):
            return None
        moved = move_away(
            Path(file.key),
            folder,
            results=parcel.results,
            run_id=parcel.run_id,
            sha256=parcel.sha256,
        )
        if note := parcel.note(str(moved)):
            # The file is where it should be, and the log says the same.
            with contextlib.suppress(OutputError):
                write_private(free_name(folder, moved.name + NOTE), f"{note}\n")
        return str(moved)

    def remember(self, file: Arrived, sha256: str) -> None:
        """Nothing: the ledger has the paths of what was read."""

    def of_past(self, entry: LedgerEntry) -> Arrived | None:
        """The file at the path that the run read."""
        return self._arrived(Path(entry.file))

    def is_unchanged(self, file: Arrived) -> bool:
        """Whether it is the same file, and another program lets it be read."""
        try:
            with Path(file.key).open("rb"):
                return _identity(Path(file.key)) == file.identity
        except OSError:
            return False

    def has_grown(self, file: Arrived, sha256: str, size: int) -> bool:
        """Whether the file at that path begins so, and goes on."""
        return begins_with(Path(file.key), sha256, size)

    def _arrived(self, path: Path) -> Arrived | None:
        identity = _identity(path)
        return None if identity is None else Arrived(self._shown(path), str(path), identity)

    def _shown(self, path: Path) -> str:
        return shown(path, self._jobs.path.parent)

    def _pause(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0 and self._stop.reason is None:
            time.sleep(min(left, _GLANCE))


def shown(path: Path, home: Path) -> str:
    """A path for people: short where it lies below the jobs file."""
    return files.shown(path.relative_to(home) if path.is_relative_to(home) else path)


def _identity(path: Path) -> str | None:
    found = Identity.of(path)
    return None if found is None else ":".join(map(str, found))
