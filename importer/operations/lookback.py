"""What past runs have sent, by the keys of ``rows.unique``, for ``rows.within``.

A run keeps the keys of its ready rows beside its journal; whether a row is in the service says the
journal, at the time of asking. A run whose directory was pruned is not looked back at. What is only
checked or shown is compared with the runs of the past as a run would be.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from importer.errors import JournalError, SourceError
from importer.files import replacing
from importer.journal.journal import Journal
from importer.mapping.spec import Rows
from importer.model import Status
from importer.operations.ledger import Entry, Ledger
from importer.operations.runs_folders import ledgers_beside, newest_first
from importer.pipeline.rundir import RunDirectory
from importer.survey.duplicates import FirstPlaces, Seen, Sighting, row_of

_WIDTH = 3
"""Words of an entry: two of the key, one of its place."""
_AT_ONCE = 1 << 16


def keep_keys(directory: RunDirectory, unique: Sequence[str], keys: FirstPlaces) -> None:
    """Write a run's keys, with what they are keys of; raises OutputError."""
    with replacing(directory.keys) as path, path.open("wb") as file:
        file.write(json.dumps({"unique": list(unique)}).encode() + b"\n")
        for entries in keys.blocks(_AT_ONCE):
            file.write(entries.astype("<u8").tobytes())


Place = tuple[str, int]
"""Where a run was sent: base URL and project."""


def recall(seen: Seen, rules: Rows, place: Place, runs_dir: Path) -> None:
    """Let `seen` know what a run in `runs_dir` would be compared with; nothing is made or written.

    Raises OutputError where the ledger of that folder cannot be read, SourceError where a run's
    journal cannot.
    """
    with contextlib.ExitStack() as opened:
        own = Ledger.look(runs_dir)
        if own is not None:
            opened.enter_context(own)
        ledgers = opened.enter_context(ledgers_beside(own))
        look_back(seen, ledgers, place, rules, datetime.now(UTC))


def look_back(
    seen: Seen, ledgers: Sequence[Ledger], place: Place, rules: Rows, now: datetime
) -> None:
    """Let `seen` know what runs to there have sent since ``rows.within``, the oldest first."""
    if rules.within is None:
        return
    unique, since = rules.unique or (), now - timedelta(days=rules.within)
    past = newest_first([entry for ledger in ledgers for entry in ledger.runs(since=since)])
    for entry in reversed(past):
        same_place = (entry.base_url, entry.project) == place
        if same_place and entry.run_id not in seen.past:
            keys = _sent_keys(RunDirectory(entry.run_dir), unique)
            if keys is not None:
                seen.past.add(entry.run_id)
                when = f"{entry.started_at.astimezone():%Y-%m-%d}"
                name = f"{Path(entry.file).name}, imported on {when}"
                seen.take(Sighting(name, keys, FirstPlaces()))


def is_looked_back_at(entry: Entry, unique: Sequence[str], since: datetime) -> bool:
    """Whether a run that looks back as far as that knows each row which a past one has sent."""
    directory = RunDirectory(entry.run_dir)
    if not unique or entry.started_at < since or not directory.keys.exists():
        return False
    with directory.keys.open("rb") as file:
        return bool(json.loads(file.readline()).get("unique") == list(unique))


def _sent_keys(directory: RunDirectory, unique: Sequence[str]) -> FirstPlaces | None:
    """The keys of the rows that are, or may be, in the service; None where none are of use."""
    if not directory.keys.exists():
        return None
    try:
        with Journal.read(directory.journal) as journal:
            sent = np.fromiter(journal.rows_in(Status.CREATED, Status.UNCERTAIN), dtype=np.int64)
    except JournalError as error:
        raise SourceError(
            f"{directory.path}: what this run sent is not known: {error.message}",
            "rows.within looks back at it: mend it, or remove its folder to leave it out.",
        ) from None
    keys = FirstPlaces()
    with directory.keys.open("rb") as file:
        if json.loads(file.readline()).get("unique") != list(unique):
            return None
        while block := file.read(_AT_ONCE * _WIDTH * 8):
            entries = np.frombuffer(block, dtype="<u8").reshape(-1, _WIDTH).astype(np.uint64)
            places = entries[:, -1].astype(np.int64)
            taken = np.isin(row_of(places), sent)
            keys.add((entries[taken, 0], entries[taken, 1]), places[taken])
    return keys if len(keys) else None
