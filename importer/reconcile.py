"""Look for uncertain rows in the service, by their stamps.

The service can only be asked for a record by its numberid, so records are looked at one by one:
those between the numberids that the run got and were not its own, some before, and those after
until many in a row are missing. A stamp is compared exactly, so a record that is found is proof.
One that is not found proves nothing by itself: it is *not found, if ids grow*, and only after a
settling time, since a request that timed out may be worked off late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from importer.api.client import Client
from importer.errors import UsageError
from importer.journal import Journal
from importer.line import run_loop
from importer.mapping.load import load_mapping
from importer.model import Outcome, Status
from importer.recovery import past_run, report, settled
from importer.rundir import RunDirectory
from importer.settings import Pace, Target

AT_ONCE = 8
SETTLING_SECONDS = 120.0
"""How long after the run a request that timed out may still be worked off: twice a long timeout."""


@dataclass(frozen=True, slots=True)
class Search:
    """Where to look for records, and how hard.

    From `margin` ids before the run's first to where `gap` ids in a row beyond its last do not
    exist; never at more than `most`, nor at more than `rate` a second. `first` and `last` are
    given by hand where the run knows no numberid, or another range is wanted.
    """

    margin: int = 200
    gap: int = 200
    most: int = 20_000
    rate: float = 50.0
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of a search; `complete` says that the whole range was looked at.

    `settles_in` is how many seconds are left of the settling time. `released` rows are pending.
    """

    found: tuple[Outcome, ...]
    not_found: tuple[int, ...]
    looked: int
    first: int
    last: int
    complete: bool
    settles_in: float
    released: tuple[int, ...] = ()


def reconcile(
    path: Path, target: Target, search: Search, *, release: bool, settling: float = SETTLING_SECONDS
) -> Findings:
    """Settle the uncertain rows that the service has; with `release`, let the others be sent.

    Raises UsageError where the mapping has no stamp, or the run gives no place to look, or rows
    are to be released that may yet turn up.
    """
    past = past_run(path)
    directory = RunDirectory(path)
    spec = load_mapping(directory.mapping).spec
    with Journal.open(directory.journal) as journal:
        outcomes = [o for o in journal.outcomes() if o.status is Status.UNCERTAIN or o.numberids]
        uncertain = [o.row for o in outcomes if o.status is Status.UNCERTAIN]
        ended = float(journal.meta().get("ended_at", directory.journal.stat().st_mtime))
        if not uncertain:
            return Findings((), (), 0, 0, 0, complete=True, settles_in=0.0)
        if spec.stamp is None:
            raise UsageError(
                f"{path}: the mapping of this run has no stamp to know its records by",
                "Look for the rows of uncertain.csv in the service by name or phone, then settle "
                f"each: vcc-import mark {path} --row N --created ID, or --absent. For the next "
                "run, add `stamp:` to the mapping.",
            )
        created = (o for o in outcomes if o.status is Status.CREATED)
        known = {int(n) for o in created for n in o.numberids if n.isdigit()}
        wanted = {f"{past.description.run_id}:{row}": row for row in uncertain}
        findings = run_loop(_search(target, search, spec.stamp, wanted, known))
        # A clock that was set back must not make it longer.
        left = min(settling, max(0.0, ended + settling - time.time()))
        findings = replace(findings, settles_in=left)
        if findings.found:
            journal.amend("found by its stamp", outcomes=findings.found)
        if release and findings.not_found:
            if left or not findings.complete:
                why = (
                    f"a late request may still arrive: wait {left:.0f} s"
                    if left
                    else f"only {findings.looked} records were looked at: raise --most"
                )
                raise UsageError(f"{len(findings.not_found)} rows are not released yet: {why}")
            evidence = f"not found among numberids {findings.first} to {findings.last}"
            journal.amend(evidence, released=findings.not_found)
            findings = replace(findings, released=findings.not_found)
    report(path)
    return findings


async def _search(
    target: Target, search: Search, stamp: str, wanted: dict[str, int], known: set[int]
) -> Findings:
    first, last = _range(search, known)
    left, found = dict(wanted), []
    seen = _Seen(first, 0, 0)
    async with Client(target, Pace(concurrency=AT_ONCE)) as client:
        async for numberid, record in _records(client, search, first, last, known, seen):
            data = record.get("data")
            row = left.pop(str(data.get(stamp)), None) if isinstance(data, dict) else None
            if row is not None:
                found.append(settled(row, str(numberid), "reconciled"))
            if not left:
                break
    complete = bool(left) and seen.complete
    return Findings(
        tuple(sorted(found, key=lambda outcome: outcome.row)),
        tuple(sorted(left.values())),
        seen.looked,
        first,
        seen.last,
        complete,
        0.0,
    )


@dataclass(slots=True)
class _Seen:
    last: int
    looked: int
    missing: int
    complete: bool = False


def _range(search: Search, known: set[int]) -> tuple[int, int]:
    """The first id to look at, and the last that the run is known to have reached."""
    if search.first is not None:
        return search.first, search.last or search.first
    if not known:
        raise UsageError(
            "no row of this run has a numberid, so there is no place to begin to look",
            "Find the numberid of a record that was added shortly before, and give --from ID.",
        )
    return max(1, min(known) - search.margin), search.last or max(known)


async def _records(
    client: Client, search: Search, first: int, last: int, known: set[int], seen: _Seen
) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """Give the records of the range that exist and are not the run's, some at a time, paced."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    ids = _ids(first, known)
    while seen.looked < search.most:
        group = [next(ids) for _ in range(min(AT_ONCE, search.most - seen.looked))]
        await asyncio.sleep(max(0.0, begun + seen.looked / search.rate - loop.time()))
        records = await asyncio.gather(*(client.record(numberid) for numberid in group))
        seen.looked += len(group)
        for numberid, record in zip(group, records, strict=True):
            seen.last = numberid
            seen.missing = seen.missing + 1 if record is None else 0
            if record is not None:
                yield numberid, record
            beyond = numberid > last and (search.last is not None or seen.missing >= search.gap)
            if beyond:
                seen.complete = True
                return


def _ids(first: int, known: set[int]) -> Iterator[int]:
    numberid = first
    while True:
        if numberid not in known:
            yield numberid
        numberid += 1
