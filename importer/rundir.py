"""A run's directory: its name, and the files in it."""

from __future__ import annotations

import contextlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from importer.errors import OutputError


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where a run keeps its journal, its copy of the source and its results."""

    path: Path

    @property
    def journal(self) -> Path:
        """The truth about every row."""
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
    def failures(self) -> Path:
        """The rows to mend and run again."""
        return self.path / "failures.csv"

    @property
    def uncertain(self) -> Path:
        """The rows to look for in the service."""
        return self.path / "uncertain.csv"

    def refuse_if_used(self) -> None:
        """Raise OutputError where a run has been here: its journal is the truth about its rows."""
        if self.journal.exists():
            raise OutputError(
                f"{self.path} holds a run already", "Choose another folder with --out."
            )

    def remove_files(self) -> None:
        """Remove what a run that sent nothing has put into a folder that was there before."""
        for file in (self.journal, self.snapshot, self.mapping):
            for path in (
                file,
                *file.parent.glob(f"{file.name}-*"),
                *file.parent.glob(f"{file.name}.*"),
            ):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def new_run_id(source: str, now: datetime | None = None) -> str:
    """A name for a run: the file's stem, the time in UTC, and six random hex digits."""
    stem = re.sub(r"[^\w.-]+", "_", Path(source).stem).strip("._")[:60] or "run"
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"{stem}-{moment}-{secrets.token_hex(3)}"
