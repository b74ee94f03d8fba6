"""A held file let through: its content may pass the comparison, and it goes back to its inbox."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

from importer.errors import SourceError, UsageError
from importer.files import make_private_folder
from importer.operations.batch_place import NOTE
from importer.operations.batch_work import HELD, RELEASED
from importer.operations.inbox import fixed_part
from importer.operations.jobs import JobsFile
from importer.operations.ledger import Ledger
from importer.operations.moving import move_away
from importer.operations.remote_origin import is_remote
from importer.sources import file_sha256


def release(jobs: JobsFile, file: str) -> str | None:
    """Let a held file pass; give where it was put back to, or None where it has stayed.

    `file` is its path, or its address as the log names it. Raises UsageError for a file that no
    job holds, SourceError and OutputError.
    """
    make_private_folder(jobs.runs_dir)
    with Ledger.open(jobs.runs_dir) as ledger:
        if is_remote(file):
            sha256 = ledger.noted(HELD, file)
            if sha256 is None:
                raise _not_held(jobs, file)
            _pass(ledger, sha256)
            return None
        path = Path(file).absolute()
        if not path.is_file():
            raise SourceError(f"{file}: there is no such file", "Name a file of a held folder.")
        sha256 = file_sha256(path)
        home = _home(jobs, ledger, path, sha256)
        if home is None:
            raise _not_held(jobs, file)
        _pass(ledger, sha256)
        if home == path.parent:
            return None
        moved = move_away(path, home, results=None, run_id="released", sha256=sha256)
        with contextlib.suppress(OSError):
            path.with_name(path.name + NOTE).unlink(missing_ok=True)
        return str(moved)


def _pass(ledger: Ledger, sha256: str) -> None:
    ledger.note(RELEASED, sha256, datetime.now(UTC).isoformat())


def _home(jobs: JobsFile, ledger: Ledger, path: Path, sha256: str) -> Path | None:
    """The inbox that a held file came from: as the ledger has it, or as the jobs file does."""
    noted = ledger.noted(HELD, f"{jobs.identity}\n{sha256}")
    if noted is not None:
        return Path(json.loads(noted)["file"]).parent
    for job in jobs.jobs:
        if job.held == path.parent and not is_remote(job.files[0]):
            folder, rest = fixed_part(job.files[0])
            return folder if rest or folder.is_dir() else folder.parent
    return None


def _not_held(jobs: JobsFile, file: str) -> UsageError:
    folders = dict.fromkeys(str(job.held) for job in jobs.jobs if job.held is not None)
    where = f"Name a file in {', '.join(folders)}." if folders else "No job names a held folder."
    return UsageError(f"{file}: no job of {jobs.path} holds this file", where)
