"""What became of the files of a round, job by job: what is told, measured and exited with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from importer.model import Status

WORST_FIRST = (130, 143, 3, 2, 4, 1, 0)


class Fate(StrEnum):
    """What a round did with a file."""

    IMPORTED = "imported"
    DUPLICATE = "duplicate"
    """The project has this content already: nothing was sent."""
    HELD = "held"
    """Far from what the job's last files were like: nothing was sent."""
    FAILED = "failed"
    """Unusable: nothing was sent."""
    STOPPED = "stopped"
    """The run stopped early; the next round goes on with it."""
    CLOSED = "closed"
    """The job's time was over; the next round in its time goes on."""
    WAITING = "waiting"
    """Not taken in this round: still being written, or something else is in the way."""


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file.

    `message` is for the person at the log, and may quote the file. `cause`, `differences` and
    `remedy`, what it was and what to do next, quote nothing but paths, and headers of past files.
    `moved` is where the file is now, if it was put elsewhere; `results` is the folder of its
    results, where it has one. `rows` are those of a file that was read and not sent.
    """

    file: str
    fate: Fate
    exit_code: int
    counts: Mapping[Status, int] = field(default_factory=dict)
    message: str = ""
    cause: str = ""
    remedy: str = ""
    moved: str | None = None
    results: str | None = None
    run_id: str | None = None
    rows: int | None = None
    differences: tuple[str, ...] = ()

    @property
    def was_not_sent(self) -> bool:
        """Whether it is known that no row of it was sent."""
        return self.results is None and self.fate in {Fate.HELD, Fate.FAILED, Fate.DUPLICATE}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What kept a job itself from being worked on; its texts are those of :class:`FileOutcome`."""

    exit_code: int
    message: str
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a round did for one job; `left` says why it did nothing at all, where it is so.

    Times are seconds since 1970.
    """

    name: str
    files: tuple[FileOutcome, ...]
    started_at: float
    elapsed_s: float
    trouble: Trouble | None = None
    left: str = ""

    @property
    def exit_code(self) -> int:
        """The worst of its files' and of its own."""
        own = self.trouble.exit_code if self.trouble is not None else 0
        return worst([own, *(file.exit_code for file in self.files)])

    @property
    def counts(self) -> dict[Status, int]:
        """The rows of all files of the round, by what became of them."""
        return {status: sum(file.counts.get(status, 0) for file in self.files) for status in Status}

    @property
    def was_busy(self) -> bool:
        """Whether there was anything to do, or anything in the way of it."""
        return bool(self.trouble) or any(
            file.fate is not Fate.WAITING or file.exit_code for file in self.files
        )


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a round did, and what is amiss with the round itself."""

    jobs: tuple[JobResult, ...]
    complaints: tuple[str, ...] = ()
    trouble_code: int = 0

    @property
    def exit_code(self) -> int:
        """The worst of all jobs'."""
        return worst([self.trouble_code, *(job.exit_code for job in self.jobs)])


def worst(codes: Iterable[int]) -> int:
    """The exit code that stands for several."""
    return min((0, *codes), key=WORST_FIRST.index)
