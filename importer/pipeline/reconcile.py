"""Search the service for uncertain rows, by their stamps.

A record can only be read by its numberid, so they are read one by one: the gaps between the
numberids of the run's own records, some ids before them, and those after them until many in a row
do not exist. Stamps are compared exactly, so a match is proof.

No match is evidence only if ids grow, and after a settling time: a request that timed out may be
processed late, and a sender in another process may send until its lease ends. Nor is it evidence
where reading does not work: a service may answer 404 to every GET, or give the stamp's field back
in another form. So records that surely exist are read first, and unless one of them has its stamp
as it was sent, no row is released. A row for which the service gave a numberid together with an
error is never released: it may exist without its stamp.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.errors import UsageError
from importer.journal.journal import LEASED_KEY, Journal
from importer.mapping.load import load_mapping
from importer.model import Looked, Outcome, Status
from importer.pipeline.recover import (
    PastRun,
    created_outcome,
    ended_at,
    last_written,
    past_run,
    report,
    restore,
)
from importer.pipeline.rundir import RunDirectory
from importer.pipeline.running import Control, ended_unless_stopped
from importer.pipeline.summary import mark_command
from importer.sending.frames import LEASE_SECONDS
from importer.sending.loop import run_loop
from importer.settings import Pace, Target

if TYPE_CHECKING:
    from importer.api.client import Client

AT_ONCE = 8
SETTLING_SECONDS = 120.0
"""How long after the run a request that timed out may still be processed: twice a long timeout."""

_CONTROLS = 5
"""Records that surely exist, read to test whether reading and stamps work."""


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
class Reconciliation:
    """The result of a search; `complete` says that the whole range was read.

    If it was `stopped` early, what was found until then is recorded. `settles_in` is the seconds
    left of the settling time. `released` rows are pending again. `doubt` is why *not found* is no
    evidence, if so.
    """

    found: tuple[Outcome, ...]
    not_found: tuple[int, ...]
    looked: int
    first: int
    last: int
    complete: bool
    settles_in: float
    released: tuple[int, ...] = ()
    doubt: str | None = None
    stopped: bool = False


def reconcile(
    path: Path,
    target: Target,
    search: Search,
    *,
    release: bool,
    settling: float = SETTLING_SECONDS,
    control: Control | None = None,
) -> Reconciliation:
    """Settle the uncertain rows that the service has; with `release`, let the others be sent.

    The listener of `control` is told how far it is, as :class:`Looked`. Where it is stopped, what
    was found is kept, and nothing is released. Raises UsageError where the mapping has no stamp, or
    the run gives no place to look, or rows are to be released that may yet turn up.
    """
    directory = RunDirectory(path)
    written = last_written(directory.journal)
    restore(path)
    past = past_run(path)
    spec = load_mapping(directory.mapping).spec
    with Journal.open(directory.journal) as journal:
        outcomes = [o for o in journal.outcomes() if o.status is Status.UNCERTAIN or o.numberids]
        uncertain = [o.row for o in outcomes if o.status is Status.UNCERTAIN]
        if not uncertain:
            return Reconciliation((), (), 0, 0, 0, complete=True, settles_in=0.0)
        if spec.stamp is None:
            raise UsageError(
                f"{path}: the mapping of this run has no stamp to know its records by",
                "Look for the rows of uncertain.csv in the service by name or phone; write the "
                "numberid, or absent, into its column _numberid, then: "
                f"{mark_command(path)}\nFor the next run, add `stamp:` to the mapping.",
            )
        ended = ended_at(journal, written)
        searched = _SearchedRows.of(outcomes, past, spec.stamp)
        result = run_loop(_search(target, search, searched, control or Control()))
        if LEASED_KEY in journal.meta():
            settling = max(settling, LEASE_SECONDS)
        # A clock that was set back must not make it longer.
        left = min(settling, max(0.0, ended + settling - time.time()))
        result = replace(result, settles_in=left)
        if result.found:
            journal.amend("found by its stamp", outcomes=result.found)
        in_part = {o.row for o in outcomes if o.status is Status.UNCERTAIN and o.numberids}
        absent = tuple(row for row in result.not_found if row not in in_part)
        release = release and bool(absent) and not result.stopped
        refusal = _refusal(result) if release else None
        if release and refusal is None:
            evidence = f"not found among numberids {result.first} to {result.last}"
            journal.amend(evidence, released=absent)
            result = replace(result, released=absent)
    report(path)
    if refusal is not None:
        rows = "1 row stays" if len(absent) == 1 else f"{len(absent):,} rows stay"
        raise UsageError(f"{rows} uncertain, and cannot be sent again: {refusal}")
    return result


def _refusal(result: Reconciliation) -> str | None:
    """Why rows that were not found may not be sent again, if so."""
    if result.doubt is not None:
        return result.doubt
    if result.settles_in:
        return f"a late request may still arrive: wait {result.settles_in:.0f} s"
    if not result.complete:
        return f"only {result.looked} records were looked at: raise --most"
    return None


@dataclass(frozen=True, slots=True)
class _SearchedRows:
    """The rows to search for: `wanted` rows by their stamps, and what is known already.

    `known` are the run's own records by numberid, with their stamps where these are sure.
    `hints` are numberids that came with errors. `by_hand` is the command for rows that cannot be
    looked for.
    """

    stamp: str
    wanted: dict[str, int]
    known: dict[int, str | None]
    hints: tuple[int, ...]
    by_hand: str

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], past: PastRun, stamp: str) -> _SearchedRows:
        wanted: dict[str, int] = {}
        known: dict[int, str | None] = {}
        hints: list[int] = []
        for outcome in outcomes:
            ids = [int(n) for n in outcome.numberids if n.isdigit()]
            name = f"{past.description.run_id}:{outcome.row}"
            if outcome.status is Status.UNCERTAIN:
                wanted[name] = outcome.row
                hints += ids
            else:
                known |= dict.fromkeys(ids, None if outcome.code == "marked" else name)
        return cls(stamp, wanted, known, tuple(hints), mark_command(past.directory.path))

    def stamp_of(self, record: dict[str, Any] | None) -> str | None:
        """The stamp of a record as the service gives it back."""
        data = record.get("data") if record is not None else None
        return str(data.get(self.stamp)) if isinstance(data, dict) else None


async def _search(
    target: Target, search: Search, searched: _SearchedRows, control: Control
) -> Reconciliation:
    state = _SearchState(*_range(search, set(searched.known)), dict(searched.wanted))
    known = sum(state.first <= numberid <= state.reached for numberid in searched.known)
    beyond = 0 if search.last is not None else search.gap

    def tell() -> None:
        within = state.reached - state.first + 1 - known + beyond
        total = min(search.most, max(within, state.looked + beyond - state.missing))
        control.listener(Looked(state.looked, total, len(state.found), len(searched.wanted)))

    async def look() -> None:
        # A check, which reaches this module through the library, starts without the HTTP library.
        from importer.api.client import Client

        tell()
        async with Client(target, Pace(concurrency=AT_ONCE)) as client:
            state.doubt = await _doubt(client, searched)
            async for numberid, record in _records(client, search, searched, state, tell):
                row = state.left.pop(searched.stamp_of(record) or "", None)
                if row is not None:
                    state.found.append(created_outcome(row, str(numberid), "reconciled"))
                if not state.left:
                    break

    stopped = await ended_unless_stopped(look(), control.stop)
    return Reconciliation(
        tuple(sorted(state.found, key=lambda outcome: outcome.row)),
        tuple(sorted(state.left.values())),
        state.looked,
        state.first,
        state.last,
        bool(state.left) and state.complete,
        0.0,
        doubt=None if state.found else state.doubt,
        stopped=stopped,
    )


async def _doubt(client: Client, searched: _SearchedRows) -> str | None:
    """Why *not found* is no evidence; None if the stamp of a known record was read as sent."""
    sure = [(numberid, stamp) for numberid, stamp in searched.known.items() if stamp is not None]
    by_hand = f"look for them in the service, then: {searched.by_hand}"
    if not sure:
        return f"no record of this run is known to exist, so looking cannot be tried: {by_hand}"
    for numberid, stamp in sure[:: max(1, len(sure) // _CONTROLS)]:
        if searched.stamp_of(await client.record(numberid)) == stamp:
            return None
    return (
        f"looking proves nothing: record {numberid}, which the service gave for a row of this "
        f"run, is not given back with {stamp!r} in {searched.stamp!r}: {by_hand}"
    )


@dataclass(slots=True)
class _SearchState:
    """How far a search is: from the id `first` on, `last` was looked at last.

    `reached` is the last id that the run is known to have reached, `left` are rows by their stamps,
    and `missing` is how many ids in a row, up to `last`, do not exist.
    """

    first: int
    reached: int
    left: dict[str, int]
    found: list[Outcome] = field(default_factory=list)
    doubt: str | None = None
    last: int = 0
    looked: int = 0
    missing: int = 0
    complete: bool = False

    def __post_init__(self) -> None:
        self.last = self.first


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
    client: Client,
    search: Search,
    searched: _SearchedRows,
    state: _SearchState,
    tell: Callable[[], None],
) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """Give the records of the range that exist and are not the run's, some at a time, paced.

    Those that came with errors are given first, wherever they are. It is told each time that some
    more were looked at.
    """
    loop = asyncio.get_running_loop()
    for numberid in searched.hints:
        if (record := await client.record(numberid)) is not None:
            yield numberid, record
    begun = loop.time()
    ids = _ids(state.first, set(searched.known))
    while state.looked < search.most:
        group = [next(ids) for _ in range(min(AT_ONCE, search.most - state.looked))]
        await asyncio.sleep(max(0.0, begun + state.looked / search.rate - loop.time()))
        records = await asyncio.gather(*(client.record(numberid) for numberid in group))
        state.looked += len(group)
        for numberid, record in zip(group, records, strict=True):
            state.last = numberid
            state.missing = state.missing + 1 if record is None else 0
            if record is not None:
                yield numberid, record
            enough = search.last is not None or state.missing >= search.gap
            if numberid > state.reached and enough:
                state.complete = True
                return
        tell()


def _ids(first: int, known: set[int]) -> Iterator[int]:
    numberid = first
    while True:
        if numberid not in known:
            yield numberid
        numberid += 1
