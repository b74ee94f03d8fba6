"""A run's name, its directory with the files in it, and the lines of the log that are about it."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from importer.errors import OutputError

CANARY = "canary.json"
"""The comparison of the rows that were sent first and read back."""
VERIFIED = "verify.json"
"""The comparison of a sample of the created rows, read back."""
RESULT_FILES = (
    "results.csv",
    "created.csv",
    "failures.csv",
    "failures.xlsx",
    "uncertain.csv",
    "summary.json",
    CANARY,
    VERIFIED,
)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where a run keeps its journal, its copy of the source and its results."""

    path: Path

    @property
    def journal(self) -> Path:
        """The journal: intents and outcomes of all rows."""
        return self.path / "journal.sqlite3"

    @property
    def snapshot(self) -> Path:
        """The run's own copy of the cells."""
        return self.path / "source.parquet"

    @property
    def mapping(self) -> Path:
        """The run's own copy of the mapping."""
        return self.path / "mapping.yaml"

    @property
    def ready(self) -> Path:
        """The records that are sent, byte for byte."""
        return self.path / "ready.parquet"

    @property
    def plan(self) -> Path:
        """The description of the plan; written last of all its files."""
        return self.path / "plan.json"

    @property
    def keys(self) -> Path:
        """The keys of the ready rows (``rows.unique``), for later runs with ``rows.within``."""
        return self.path / "keys.bin"

    @property
    def edits(self) -> Path:
        """The log of edits: cells mended and rows left out by hand; only where there are any."""
        return self.path / "edits.jsonl"

    def refuse_if_used(self) -> None:
        """Raise OutputError where a run has been here, or anything else is."""
        if self.journal.exists():
            raise OutputError(
                f"{self.path} holds a run already, or a plan", "Choose another folder with --out."
            )
        _refuse_contents(self.path, _contents(self.path))

    def remove_files(self) -> None:
        """Remove the files of a run that sent nothing; the folder stays."""
        beside = (f"{self.journal.name}{suffix}" for suffix in ("-wal", "-shm", ".lock", ".mark"))
        own = (self.journal, self.snapshot, self.mapping, self.edits, self.ready, self.plan)
        for path in (*own, self.keys, *map(self.path.joinpath, beside)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def remove_half_written(self) -> None:
        """Remove temporary files of a killed process; the caller must have the journal's lock."""
        for pattern in (".*.tmp", ".*.part"):
            for path in self.path.glob(pattern):
                with contextlib.suppress(OSError):
                    path.unlink()

    def remove_all(self) -> None:
        """Remove the files of a run, and the folder if it is empty then."""
        self.remove_files()
        for name in RESULT_FILES:
            (self.path / name).unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()


def refuse_if_not_of_runs(path: Path) -> None:
    """Raise OutputError where a folder for several runs holds anything but run directories."""
    strange = [each for each in _contents(path) if not RunDirectory(each).journal.exists()]
    _refuse_contents(path, strange)


_LITTER = {".ds_store", "thumbs.db", "desktop.ini"}
"""Files that file managers put into any folder that they show."""
_MOST_NAMED = 5


def _contents(path: Path) -> list[Path]:
    try:
        found = [each for each in path.iterdir() if each.name.casefold() not in _LITTER]
    except (FileNotFoundError, NotADirectoryError):
        return []  # made, or refused, when it is needed
    except OSError as error:
        raise OutputError(
            f"{path} cannot be looked into: {error.strerror}", "Choose another folder with --out."
        ) from None
    return sorted(found)


def _refuse_contents(path: Path, found: Sequence[Path]) -> None:
    if found:
        names = ", ".join(each.name for each in found[:_MOST_NAMED])
        more = len(found) - _MOST_NAMED
        raise OutputError(
            f"{path} is not empty: it holds {names}{f' and {more:,} more' if more > 0 else ''}",
            "Choose another folder with --out: an empty one, or one that is not there yet.",
        )


RUN_ID = re.compile(r"[\w.-]{1,63}-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")
"""What the names of runs look like; :func:`new_run_id` makes them."""


def new_run_id(source: str, now: datetime | None = None) -> str:
    """A name for a run: the file's stem, the time in UTC, and six random hex digits."""
    stem = re.sub(r"[^\w.-]+", "_", Path(source).stem).strip("._")[:60] or "run"
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"{stem}-{moment}-{secrets.token_hex(3)}"


# The run and the job that a line of the log is about, as context variables: set where one begins,
# read where a line is written. Tasks and threads started for the work inherit them.

_RUN: ContextVar[str | None] = ContextVar("run", default=None)
_JOB: ContextVar[str | None] = ContextVar("job", default=None)


def log_about_run(run_id: str) -> None:
    """Mark the following lines of the log as about this run."""
    _RUN.set(run_id)


@contextlib.contextmanager
def log_about_job(job: str | None) -> Iterator[None]:
    """Mark the lines of the log within the block as about this job, and no run yet."""
    before = _JOB.set(job), _RUN.set(None)
    try:
        yield
    finally:
        _JOB.reset(before[0])
        _RUN.reset(before[1])


def log_marks() -> dict[str, str | None]:
    """The run and the job that the current line of the log is about."""
    return {"run": _RUN.get(), "job": _JOB.get()}
