"""A run's directory: its name, and the files in it."""

from __future__ import annotations

import contextlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from importer.errors import OutputError

RESULT_FILES = ("results.csv", "failures.csv", "failures.xlsx", "uncertain.csv", "summary.json")


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
    def do_not_call(self) -> Path:
        """The run's own copy of the numbers whose contacts it leaves out."""
        return self.path / "do_not_call.npy"

    @property
    def keys(self) -> Path:
        """What ``rows.unique`` compares, of the ready rows, where later runs look back at it."""
        return self.path / "keys.bin"

    @property
    def failures(self) -> Path:
        """The rows to mend and run again."""
        return self.path / "failures.csv"

    @property
    def uncertain(self) -> Path:
        """The rows to look for in the service."""
        return self.path / "uncertain.csv"

    def refuse_if_used(self) -> None:
        """Raise OutputError where a run has been here, or where a file of ours would go."""
        if self.journal.exists():
            raise OutputError(
                f"{self.path} holds a run already", "Choose another folder with --out."
            )
        own = (self.snapshot, self.mapping, self.do_not_call, self.keys)
        names = (*own, *(self.path / name for name in RESULT_FILES))
        if taken := [path.name for path in names if path.exists()]:
            raise OutputError(
                f"{self.path} has files that a run would overwrite: {', '.join(taken)}",
                "Choose another folder with --out.",
            )

    def remove_files(self) -> None:
        """Remove what a run that sent nothing has put into a folder that was there before."""
        beside = (f"{self.journal.name}{suffix}" for suffix in ("-wal", "-shm", ".lock", ".mark"))
        own = (self.journal, self.snapshot, self.mapping, self.do_not_call, self.keys)
        for path in (*own, *map(self.path.joinpath, beside)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Remove what a run has made, and the folder if nothing else is in it."""
        self.remove_files()
        for name in RESULT_FILES:
            (self.path / name).unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()


def new_run_id(source: str, now: datetime | None = None) -> str:
    """A name for a run: the file's stem, the time in UTC, and six random hex digits."""
    stem = re.sub(r"[^\w.-]+", "_", Path(source).stem).strip("._")[:60] or "run"
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"{stem}-{moment}-{secrets.token_hex(3)}"
