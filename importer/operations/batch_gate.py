"""Whether a file is held: its comparison with the job's last imports, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from importer import library
from importer.mapping.load import LoadedMapping
from importer.operations.batch_work import RELEASED, Work
from importer.operations.drift import FEWEST, LATEST, Profile, compare, profile_of
from importer.operations.runs_folders import ledgers_beside


@dataclass(frozen=True, slots=True)
class Drift:
    """In what a file of so many rows is far from the last ones, in lines.

    `differences` are for the log; `told` are fit for mailboxes, and quote nothing new of the file.
    """

    rows: int
    differences: tuple[str, ...]
    told: tuple[str, ...]


def drift_of(work: Work, path: Path, mapping: LoadedMapping, sha256: str) -> Drift | None:
    """In what a file is far from the last ones; None lets it pass. Raises what a check raises."""
    bounds, ledger = work.job.drift, work.round.ledger
    if bounds is None or ledger.noted(RELEASED, sha256) is not None:
        return None
    past = _profiles(work)
    if len(past) < FEWEST:
        return None
    checkup = library.check(path, mapping, reading=work.job.reading, stop=work.stop)
    profile = profile_of(checkup)
    differences = compare(profile, past, bounds)
    if not differences or _is_known(work, sha256):
        return None
    return Drift(profile.rows, differences, compare(profile, past, bounds, naming=False))


def _profiles(work: Work) -> list[Profile]:
    """What the job's last imports were like, newest first."""
    # Runs of before their jobs file was entered are of whichever job has their name.
    whose = {work.round.jobs.identity, None}
    runs = work.round.ledger.runs(label=work.job.name, limit=10 * LATEST)
    entries = [entry for entry in runs if entry.jobs_file in whose]
    found = (Profile.from_json(entry.profile) for entry in entries if entry.profile is not None)
    return [profile for profile in found if profile is not None][:LATEST]


def _is_known(work: Work, sha256: str) -> bool:
    """Whether the project has the content, or a run of it is unfinished: nothing new would come."""
    base_url, project = work.target.base_url, work.target.project
    with ledgers_beside(work.round.ledger) as ledgers:
        return any(
            (entry.sha256, entry.base_url, entry.project) == (sha256, base_url, project)
            and (entry.sent or entry.unfinished)
            for ledger in ledgers
            for entry in ledger.runs()
        )
