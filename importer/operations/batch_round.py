"""A round of the batch: what all its jobs share, and who is told of it while it lasts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from importer.operations.jobs import JobsFile
from importer.operations.ledger import Ledger
from importer.operations.outcome import FileOutcome, JobResult
from importer.pipeline.apply import Listener
from importer.pipeline.stopping import StopSwitch
from importer.settings import Target


@contextlib.contextmanager
def _unheard(_: str) -> Iterator[Listener]:
    yield lambda _: None


@dataclass(frozen=True, slots=True)
class Access:
    """Where the key is, and which certificates are trusted, where it is not as usual."""

    api_key_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told of a round: of each file and each job when it ends, and how a run goes.

    `progress` takes the name of a file and gives a listener for its run.
    """

    file: Callable[[str, FileOutcome], None] = lambda _, __: None
    job: Callable[[JobResult], None] = lambda _: None
    progress: Callable[[str], AbstractContextManager[Listener]] = _unheard


@dataclass(frozen=True, slots=True)
class Given:
    """What a round is given; `now` is the clock on the wall, in seconds since 1970."""

    jobs: JobsFile
    stop: StopSwitch
    access: Access = Access()
    telling: Telling = Telling()
    now: Callable[[], float] = time.time


class Round:
    """What one job finds out that matters to the next: a target out of reach, a full disk."""

    def __init__(self, given: Given, ledger: Ledger) -> None:
        self.given = given
        self.ledger = ledger
        self.ended_by: str | None = None
        self._out_of_reach: dict[tuple[str, int, str], str] = {}

    @property
    def jobs(self) -> JobsFile:
        """The jobs file."""
        return self.given.jobs

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
