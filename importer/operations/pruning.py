"""Removing old run directories, which hold personal data, unless they are still needed.

The ledger keeps its entries, so that the same content is refused even after its run is gone.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from importer.errors import JournalError, OutputError, UsageError
from importer.journal.journal import BEGUN_KEY, PLANNED_KEY, Journal
from importer.model import Status
from importer.operations.ledger import Ledger
from importer.pipeline.planfile import PlanFile
from importer.pipeline.recover import (
    how_to_settle,
    never_began,
    noted_settings,
    resume_command,
)
from importer.pipeline.rundir import RunDirectory

_RUN_ID = re.compile(r"-(\d{8}T\d{6}Z)-[0-9a-f]{6}$")
_SANDBOX = "sandbox-"


@dataclass(frozen=True, slots=True)
class Pruned:
    """The run directories that were removed, and the old ones that were kept, with the reason."""

    removed: tuple[Path, ...]
    kept: tuple[tuple[Path, str], ...]


def prune(runs_dir: Path, before: datetime) -> Pruned:
    """Remove the directories of runs that began before that time; raises OutputError.

    Kept are runs with pending rows (they can be resumed), runs with uncertain rows (they can be
    reconciled), and runs at work. In a folder that holds other files, too, only the run's go.
    """
    removed, kept = [], []
    for path in dict.fromkeys(_old_run_dirs(runs_dir, before)):
        if reason := reason_to_keep(path):
            kept.append((path, reason))
        else:
            _remove(path)
            removed.append(path)
    return Pruned(tuple(removed), tuple(kept))


def _old_run_dirs(runs_dir: Path, before: datetime) -> Iterator[Path]:
    """The directories of old runs: those the ledger knows, rehearsals with their sandboxes, plans.

    A plan that was never applied is in no ledger: it is found here by its name, or its plan.json.
    """
    known = set()
    with Ledger.open(runs_dir) as ledger:
        for entry in ledger.runs():
            known.add(entry.run_dir.resolve())
            if entry.started_at < before and entry.run_dir.exists():
                yield entry.run_dir
    for path in sorted(runs_dir.absolute().iterdir()):
        # A run that the ledger knows began when it was applied, not when it was planned.
        if path.is_dir() and not path.is_symlink() and path.resolve() not in known:
            began = _begin_time(path)
            if began is not None and began < before:
                yield path


def _begin_time(path: Path) -> datetime | None:
    """When a folder's run or plan began; None where it has neither its name nor its plan.json."""
    if (found := _RUN_ID.search(path.name)) is not None:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    try:
        return PlanFile.read(RunDirectory(path).plan).made_at
    except (UsageError, ValueError, TypeError):
        return None


def reason_to_keep(path: Path) -> str | None:
    """The reason to keep a run's directory; None if it may be removed, or is gone."""
    if not path.exists():
        return None
    if path.name.startswith(_SANDBOX) or never_began(RunDirectory(path)):
        return None
    try:
        # Opened as for writing: a run that is at work has it.
        with Journal.open(RunDirectory(path).journal) as journal:
            counts, meta = journal.counts(), journal.meta()
    except JournalError as error:
        return error.message
    except OSError as error:
        return f"its journal cannot be read: {error.strerror}"
    settings = noted_settings(meta)
    mere_plan = PLANNED_KEY in meta and BEGUN_KEY not in meta
    if mere_plan or settings.get("sandbox"):
        return None
    if counts.get(Status.UNCERTAIN):
        return f"{counts[Status.UNCERTAIN]} uncertain rows: {how_to_settle(path, settings)}"
    pending = int(meta.get("rows", 0)) - sum(
        count for status, count in counts.items() if status is not Status.PENDING
    )
    return f"{pending} pending rows: {resume_command(path)}" if pending > 0 else None


def _remove(path: Path) -> None:
    try:
        if _RUN_ID.search(path.name):
            shutil.rmtree(path)
        else:
            RunDirectory(path).remove_all()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be removed: {error.strerror}", "Let the folder be written."
        ) from None
