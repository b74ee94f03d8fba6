"""Whether a file is held: its comparison with past imports, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from importer import library
from importer.mapping.load import LoadedMapping
from importer.operations.batch_work import RELEASED, Work
from importer.operations.drift import FEWEST, LATEST, Profile, compare, profile_of
from importer.operations.guarded import is_looked_back_at
from importer.operations.ledger import SIZE, LedgerEntry, ledgers_beside
from importer.operations.moving_steps import digests


def begun_by(work: Work, path: Path, mapping: LoadedMapping) -> tuple[str, LedgerEntry | None]:
    """The hash of a file, and the newest run that has sent, or begun to send, its beginning.

    So it is with a file that has grown since it was imported, and with lists that hold all earlier
    ones: to import them would send those rows twice. None where there is no such run, where
    somebody has let the file pass, where all of it was sent, and where ``rows.within`` knows the
    rows.
    Raises SourceError where the file cannot be read.
    """
    rules = mapping.spec.rows
    since = datetime.fromtimestamp(work.round.given.now(), UTC) - timedelta(days=rules.within or 0)
    with ledgers_beside(work.round.ledger) as ledgers:
        # What is asked of all runs must be little: there may be thousands of them, and of files.
        sizes = [{sha: int(size) for sha, size in each.all_noted(SIZE).items()} for each in ledgers]
        sha256, begins = digests(path, {size for each in sizes for size in each.values()})
        entries = [
            entry
            for ledger, known in zip(ledgers, sizes, strict=True)
            for size, begin in begins
            if begin != sha256 and known.get(begin) == size
            for entry in ledger.runs_of(begin, work.target.base_url, work.target.project)
            if entry.sent or entry.unfinished
        ]
    if rules.within is not None:
        unique = rules.unique or ()
        entries = [each for each in entries if not is_looked_back_at(each, unique, since)]
    if not entries or work.round.ledger.noted(RELEASED, sha256) is not None:
        return sha256, None
    if _is_known(work, sha256):
        return sha256, None
    return sha256, max(entries, key=lambda entry: entry.started_at)


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
