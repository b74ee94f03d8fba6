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
    """The files that hold the API key and the trusted certificates; None for the usual ones."""

    api_key_file: Path | None = None
    ca_file: Path | None = None


@contextlib.contextmanager
def _unheard(_: str) -> Iterator[Listener]:
    yield lambda _: None


@dataclass(frozen=True, slots=True)
class RoundListeners:
    """Callbacks: `file` and `job` after each file and job, `progress` during a run.

    `progress` takes the name of a file and gives the listener for its run.
    """

    file: Callable[[str, FileOutcome], None] = lambda _, __: None
    job: Callable[[JobResult], None] = lambda _: None
    progress: Callable[[str], AbstractContextManager[Listener]] = _unheard


@dataclass(frozen=True, slots=True)
class RoundContext:
    """What a round works with; `now` is the wall clock, in seconds since 1970."""

    jobs: JobsFile
    stop: StopSwitch
    access: Access = Access()
    listeners: RoundListeners = RoundListeners()
    now: Callable[[], float] = time.time


class Round:
    """A round under way: what one job finds out that matters to the next ones.

    That is a target out of reach, which is tried no more, and a full disk, which ends the round.
    """

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
        """Start no more files and jobs in this round; the first reason is kept."""
        self.ended_by = self.ended_by or why

    def give_up(self, target: Target, why: str) -> None:
        """Try no more files at a target (base URL, project and customer) in this round."""
        self._out_of_reach.setdefault(_key(target), why)

    def obstacle(self, target: Target) -> str | None:
        """The reason not to try a file for this target, if there is one."""
        return self.ended_by or self._out_of_reach.get(_key(target))


def _key(target: Target) -> tuple[str, int, str]:
    return target.base_url, target.project, target.customer


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file that has arrived whole.

    `shown` names it for people. `key` is its path or address. `identity` changes when another file
    takes its place; None where the server does not tell. `details` belong to the inbox: for a
    server, JSON of what it listed.
    """

    shown: str
    key: str
    identity: str | None
    details: str = ""


@dataclass(frozen=True, slots=True)
class InboxContents:
    """The files found in an inbox; `troubles` tell of the addresses that could not be looked at."""

    ready: tuple[InboxFile, ...]
    waiting: tuple[FileOutcome, ...]
    troubles: tuple[Trouble, ...] = ()


class JobFolder(StrEnum):
    """The keys of a job that name where its files are put away."""

    DONE = "done"
    FAILED = "failed"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class MoveDetails:
    """What goes along with a file that is put away.

    `results` is the run's directory, whose result files are copied beside the file. `note` takes
    the file's new path and gives the text of the note beside it; blank for none.
    """

    run_id: str
    sha256: str | None = None
    results: Path | None = None
    note: Callable[[str], str] = lambda _: ""


class JobInbox(Protocol):
    """Where the files of a job come from: folders of this machine, or servers."""

    def look(self) -> InboxContents:
        """List what is there now; raises ImporterError where nothing can be looked at."""

    def taken(self, file: InboxFile) -> AbstractContextManager[Path]:
        """Give a path on this machine for the file, valid within the block.

        Raises SourceError (StillArrivingError for a file that changes) and OutputError.
        """

    def put(self, file: InboxFile, key: JobFolder, details: MoveDetails) -> str | None:
        """Put a file away and return its new path or address; None where it stays.

        Raises SourceError and OutputError; then the file is where it was.
        """

    def remember(self, file: InboxFile, sha256: str) -> None:
        """Note which file a content came from, before it is sent, for a round after a crash."""

    def of_past(self, entry: LedgerEntry) -> InboxFile | None:
        """The file that a past run was made from, if it is still there."""

    def is_unchanged(self, file: InboxFile) -> bool:
        """Whether a file is what it was when it was listed, and can be opened."""

    def has_grown(self, file: InboxFile, sha256: str, size: int) -> bool:
        """Whether the file is the imported content of `size` bytes and more after it."""


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A job being worked on; `stop` is pulled when the round ends, or the job's hours do."""

    job: JobSpec
    target: Target
    inbox: JobInbox
    round: Round
    stop: StopSwitch

    @property
    def settings(self) -> RunSettings:
        """The settings of its runs."""
        return self.job.settings(self.round.jobs.runs_dir)

    @property
    def guard(self) -> Guard:
        """The guard of its runs."""
        return Guard(label=self.job.name, wait=TARGET_SECONDS, jobs_file=self.round.jobs.identity)
