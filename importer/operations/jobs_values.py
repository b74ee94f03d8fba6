"""The jobs file as the rest of unattended operation sees it: whole, checked, paths absolute."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, fields
from datetime import time
from pathlib import Path

from importer.operations.drift import DriftBounds
from importer.operations.window import Window
from importer.settings import (
    SETTINGS,
    EngineName,
    MaxFailures,
    Pace,
    RetryPolicy,
    RunSettings,
    Secret,
    SourceOptions,
    settings_of,
)

SETTLE = 30.0
"""Seconds that a file must be still, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class NotifyRule:
    """Who is told of a job's end; `on` are success, failure, held and always."""

    on: frozenset[str]
    urls: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job.

    `files` are absolute globs or absolute folders, or else addresses; never both. `done`,
    `failed` and `held` are paths for the one, and texts that the server understands for the
    other. Times are of the local clock, `settle`, `timeout` and `give_up_after` are seconds.
    """

    name: str
    files: tuple[str, ...]
    mapping: Path
    project: int | None = None
    base_url: str | None = None
    customer: str | None = None
    concurrency: int | None = None
    rate: float | None = None
    timeout: float = Pace().timeout
    retries: int = RetryPolicy().retries
    retry_on: frozenset[int] = frozenset()
    give_up_after: float = RetryPolicy().give_up_after
    max_failures: MaxFailures | None = None
    allow_new_values: bool = False
    not_before: time | None = None
    not_after: time | None = None
    settle: float = SETTLE
    done: Path | str | None = None
    failed: Path | str | None = None
    held: Path | str | None = None
    drift: DriftBounds | None = None
    notify: NotifyRule | None = None
    sheet: str | int | None = None
    header_row: int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    engine: EngineName = "local"
    workers: int | None = None
    scheduler: str | None = None

    @property
    def hours(self) -> Window:
        """When it may work."""
        return Window(self.not_before, self.not_after)

    @property
    def reading(self) -> SourceOptions:
        """How its files are read."""
        return SourceOptions(self.sheet, self.header_row, self.encoding, self.delimiter)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of this machine in which its files are put away."""
        found = (self.done, self.failed, self.held)
        return tuple(dict.fromkeys(folder for folder in found if isinstance(folder, Path)))

    def settings(self, runs_dir: Path) -> RunSettings:
        """How its files are sent."""
        said = {one.name: getattr(self, one.name) for one in fields(self) if one.name in SETTINGS}
        return settings_of({**said, "runs_dir": runs_dir})


@dataclass(frozen=True, slots=True)
class JobsFile:
    """A jobs file; `remarks` are for people: what is no mistake and yet wants mending."""

    path: Path
    runs_dir: Path
    jobs: tuple[JobSpec, ...]
    metrics: Path | None = None
    remarks: tuple[str, ...] = field(default=())

    @property
    def identity(self) -> str:
        """What tells it from other jobs files, which may have jobs of the same names."""
        return os.path.realpath(self.path)

    def mark_of(self, job: JobSpec) -> str:
        """A job's name as that of a file in the runs folder, which jobs files may share."""
        # Names of jobs are no longer than names of files may be, and told apart without capitals.
        digest = hashlib.sha256(os.fsencode(os.path.normcase(self.identity))).hexdigest()
        return f"{job.name.casefold()} {digest[:8]}"

    @property
    def own(self) -> tuple[Path, ...]:
        """Files and folders that are ours, and that no wildcard may take for an inbox's."""
        found = [self.path, self.runs_dir, *([self.metrics] if self.metrics else [])]
        for job in self.jobs:
            found += [job.mapping, *job.folders]
        return tuple(dict.fromkeys(found))
