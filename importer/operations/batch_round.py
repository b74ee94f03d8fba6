"""A round of the batch: what all its jobs share, where a job's files come from, and a job at work.

A job's files lie in folders of this machine or on servers; :class:`JobInbox` is what both can do.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from importer.operations.batch_report import FileOutcome, JobResult, Trouble
from importer.operations.guarded import Guard
from importer.operations.jobs import JobsFile, JobSpec
from importer.operations.ledger import Ledger, LedgerEntry
from importer.pipeline.running import Listener, StopSwitch
from importer.settings import RunSettings, Target

NOTE = ".note.txt"
RELEASED = "release"
"""Contents that may pass the comparison with the last files."""
HELD = "held"
"""Where held contents came from, and which content is held at a place."""
SEEN = "seen"
"""Files that stay, and were dealt with."""
TARGET_SECONDS = 60.0
"""How long a file waits for another import at its target."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the key is, and which certificates are trusted, where it is not as usual."""

    api_key_file: Path | None = None
    ca_file: Path | None = None


@contextlib.contextmanager
def _unheard(_: str) -> Iterator[Listener]:
    yield lambda _: None


@dataclass(frozen=True, slots=True)
class RoundListeners:
    """Who is told of a round: of each file and each job when it ends, and how a run goes.

    `progress` takes the name of a file and gives a listener for its run.
    """

    file: Callable[[str, FileOutcome], None] = lambda _, __: None
    job: Callable[[JobResult], None] = lambda _: None
    progress: Callable[[str], AbstractContextManager[Listener]] = _unheard


@dataclass(frozen=True, slots=True)
class RoundContext:
    """What a round is given; `now` is the clock on the wall, in seconds since 1970."""

    jobs: JobsFile
    stop: StopSwitch
    access: Access = Access()
    listeners: RoundListeners = RoundListeners()
    now: Callable[[], float] = time.time


class Round:
    """What one job finds out that matters to the next: a target out of reach, a full disk."""

    def __init__(self, context: RoundContext, ledger: Ledger) -> None:
        self.context = context
        self.ledger = ledger
        self.ended_by: str | None = None
        self._out_of_reach: dict[tuple[str, int, str], str] = {}

    @property
    def jobs(self) -> JobsFile:
        """The jobs file."""
        return self.context.jobs

    def end(self, why: str) -> None:
        """Begin nothing more in this round."""
        self.ended_by = self.ended_by or why

    def give_up(self, target: Target, why: str) -> None:
        """Try no more files at a target in this round."""
        self._out_of_reach.setdefault(_key(target), why)

    def obstacle(self, target: Target) -> str | None:
        """Why a file for this target need not be tried."""
        return self.ended_by or self._out_of_reach.get(_key(target))


def _key(target: Target) -> tuple[str, int, str]:
    return target.base_url, target.project, target.customer


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file that is whole.

    `shown` names it for people. `key` is where it lies, `identity` what changes when another takes
    its place; None where nobody can tell. `details` are the place's own.
    """

    shown: str
    key: str
    identity: str | None
    details: str = ""


@dataclass(frozen=True, slots=True)
class InboxContents:
    """What a look at a place gives; `troubles` are of those parts that cannot be looked at."""

    ready: tuple[InboxFile, ...]
    waiting: tuple[FileOutcome, ...]
    troubles: tuple[Trouble, ...] = ()


class JobFolder(StrEnum):
    """Where a file is put away: the keys of a job."""

    DONE = "done"
    FAILED = "failed"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class MoveDetails:
    """What goes along with a file that is put away.

    `note` gives the text that is put beside it, by where it is then; blank for none.
    """

    run_id: str
    sha256: str | None = None
    results: Path | None = None
    note: Callable[[str], str] = lambda _: ""


class JobInbox(Protocol):
    """Where the files of a job come from."""

    def look(self) -> InboxContents:
        """What is there now. Raises ImporterError where nothing can be looked at."""

    def taken(self, file: InboxFile) -> AbstractContextManager[Path]:
        """The file as one of this machine, for the block.

        Raises SourceError (StillArrivingError for a file that changes) and OutputError.
        """

    def put(self, file: InboxFile, key: JobFolder, details: MoveDetails) -> str | None:
        """Put a file away and say where it is now; None where it stays.

        Raises SourceError and OutputError; then it is where it was.
        """

    def remember(self, file: InboxFile, sha256: str) -> None:
        """Note whose content is about to be sent, for a round that comes after a crash."""

    def of_past(self, entry: LedgerEntry) -> InboxFile | None:
        """The file that a run of the past was of, if it is still there."""

    def is_unchanged(self, file: InboxFile) -> bool:
        """Whether a file is what it was when it was found, and can be opened."""

    def has_grown(self, file: InboxFile, sha256: str, size: int) -> bool:
        """Whether more stands now behind the content of so many bytes that was imported."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job at work; `stop` is pulled when the round is to end, and when the job's time is over."""

    job: JobSpec
    target: Target
    inbox: JobInbox
    round: Round
    stop: StopSwitch

    @property
    def settings(self) -> RunSettings:
        """How its files are sent."""
        return self.job.settings(self.round.jobs.runs_dir)

    @property
    def guard(self) -> Guard:
        """How its runs are guarded."""
        return Guard(label=self.job.name, wait=TARGET_SECONDS, jobs_file=self.round.jobs.identity)
