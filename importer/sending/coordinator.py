"""The coordinator: it makes intents durable, then grants leases, and records what comes back.

Three things run side by side. A *reader* thread draws encoded requests ahead of need. A *writer*
thread makes every call to the journal, so that waiting for the disk never blocks the loop. The
engine sends.

Credits bound the rows under way: a row takes one before its intent and gives it back when its
outcome is recorded, and there are 2 per request in flight. So whatever kills the process, at most
that many rows are uncertain. One half is in flight; from the other half the engine takes rows while
the next group is written (group commit): intents and outcomes of a group share one transaction and
one wait for the disk. A group is about half the concurrency. Where the engine chooses its
concurrency, credits and groups follow its `width`: when that falls, nothing is granted until the
rows under way are within twice of it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Self

import numpy as np

from importer.model import Lease, Outcome, Request, Status, Stop
from importer.sending.protocol import End, Ending, Engine, SendingJournal, in_doubt

AHEAD = 4096
"""Requests to read ahead: enough, at thousands a second, while a batch is being prepared."""

_SLICE_ROWS = 256
_SLICE_SECONDS = 0.002
"""Seconds after which the reader hands over a slice that is not full."""

_LINGER = 0.01
"""Seconds an outcome waits at most for others to share its transaction."""

_REPEATED_NUMBERID = "numberid_twice"
"""The problem code of rows with a numberid that another row has, too."""

_NEWEST_CAP = 65_536
"""Keys in the set of the newest, before they are merged into the sorted array."""

_LONGEST_NUMBER = 18
"""So many decimal digits fit into 63 bits."""

Watcher = Callable[[Sequence[Outcome]], None]


async def coordinate(
    work: Iterator[Request | Outcome],
    journal: SendingJournal,
    engine: Engine,
    *,
    stop: asyncio.Event,
    on_outcomes: Watcher = lambda outcomes: None,
    numberids: Iterable[str] = (),
) -> Ending:
    """Send the requests of `work` through `engine`, and record each row exactly once.

    An Outcome in `work` is a row that is not to be sent; it is recorded as it is. `work` is
    iterated in a thread. Setting `stop` ends sending in order: no request begins, those in flight
    are awaited and recorded. `on_outcomes` is called on the loop with final outcomes once they are
    recorded, and with outcomes that replace one. `numberids` are those that rows of the run have
    already. Raises what `work`, `journal` or `engine` raised, after all reported outcomes were
    recorded. When cancelled, alone or with all tasks of the loop, it records what was reported by
    then and which rows were not sent; the journal shows the others as uncertain.
    """
    run = _Run(work, journal, engine, on_outcomes, _NumberIds(numberids))
    with (
        ThreadPoolExecutor(1, "reader") as reading,
        ThreadPoolExecutor(1, "writer") as writing,
    ):
        verdict = await run.send_all(stop, reading, writing)
    if verdict is not None:
        return Ending(End.STOPPED, verdict)
    return Ending(End.FINISHED if run.complete else End.INTERRUPTED)


class _Run:
    """The state of one call of `coordinate`; touched on the event loop's thread only."""

    def __init__(
        self,
        work: Iterator[Request | Outcome],
        journal: SendingJournal,
        engine: Engine,
        on_outcomes: Watcher,
        numberids: _NumberIds,
    ) -> None:
        self._work = work
        self._journal = journal
        self._on_outcomes = on_outcomes
        self._engine = engine
        self._numberids = numberids
        self._doubted: set[int] = set()
        self._under_way = 0
        self._ready: deque[Request] = deque()
        self._unsent: list[Outcome] = []
        self._reported: list[Outcome] = []
        self._exhausted = False
        self._has_withdrawn = False
        self._over = False
        self._round_due = asyncio.Event()
        self._has_room = asyncio.Event()
        self._halt = asyncio.Event()
        self._granted = _LeaseQueue()
        self._linger: asyncio.TimerHandle | None = None

    @property
    def _credits(self) -> int:
        return 2 * self._engine.width - self._under_way

    @property
    def _group_size(self) -> int:
        return max(1, self._engine.width // 2)

    @property
    def complete(self) -> bool:
        """Whether all work was drawn and no row of it stays pending."""
        return self._exhausted and not self._ready and not self._has_withdrawn

    async def send_all(
        self,
        stop: asyncio.Event,
        reading: ThreadPoolExecutor,
        writing: ThreadPoolExecutor,
    ) -> Stop | None:
        """Record and send all, from the first intent to the last outcome."""
        watcher = asyncio.create_task(self._watch(stop))
        reader = asyncio.create_task(self._read(reading))
        writer = asyncio.create_task(self._write(writing))
        for task in (reader, writer):
            task.add_done_callback(self._halt_if_failed)
        try:
            verdict = await self._engine.send(self._granted, self._report, self._halt)
        finally:
            self._over = True
            self._halt_now()
            watcher.cancel()
            await asyncio.gather(watcher, reader, writer, return_exceptions=True)
            self._reported += _as_pending(self._granted.untaken())
            if writer.cancelled() or writer.exception() is None:
                await self._record_round(writing)
            else:
                # The disk may have room again: each answer recorded now is a row less uncertain.
                with contextlib.suppress(Exception):
                    await self._record_round(writing)
        for task in (writer, reader):
            task.result()
        return verdict

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._halt_now()

    def _halt_now(self) -> None:
        self._halt.set()
        self._round_due.set()
        self._has_room.set()
        self._granted.close()

    def _halt_if_failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._halt_now()

    def _report(self, outcomes: Sequence[Outcome]) -> None:
        self._reported += outcomes
        if len(self._reported) >= self._group_size:
            self._round_due.set()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(_LINGER, self._round_due.set)

    async def _read(self, reading: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while not self._halt.is_set() and not self._exhausted:
            if len(self._ready) + len(self._unsent) >= AHEAD:
                self._has_room.clear()
                self._round_due.set()
                await self._has_room.wait()
                continue
            drawn, self._exhausted = await loop.run_in_executor(reading, _draw, self._work)
            for item in drawn:
                if isinstance(item, Request):
                    self._ready.append(item)
                else:
                    self._unsent.append(item)
            hungry = self._credits >= self._group_size
            if hungry or self._exhausted or len(self._unsent) >= _SLICE_ROWS:
                self._round_due.set()

    async def _write(self, writing: ThreadPoolExecutor) -> None:
        while not self._over:
            await self._round_due.wait()
            self._round_due.clear()
            await self._record_round(writing)
            if self._exhausted and not self._ready:
                self._granted.close()
            if len(self._ready) + len(self._unsent) <= AHEAD // 2:
                self._has_room.set()

    async def _record_round(self, writing: ThreadPoolExecutor) -> None:
        """Record outcomes and, unless the run stops, write the next intents and grant a lease."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        reported, self._reported = self._reported, []
        unsent, self._unsent = self._unsent, []
        requests = self._next_requests(self._credits + sum(o.was is None for o in reported))
        if not (reported or unsent or requests):
            return
        # A row that the engine doubts may be in doubt for its numberid already.
        doubted = [o for o in reported if o.was is not None and o.row not in self._doubted]
        returned = [o for o in reported if o.was is None]
        final = unsent + [o for o in returned if o.status is not Status.PENDING]
        withdrawn = [o.row for o in returned if o.status is Status.PENDING]
        repeated, new_numberids = self._find_repeated_numberids(final)
        record = partial(
            self._record,
            outcomes=final,
            withdrawn=withdrawn,
            intents=[request.row for request in requests],
            doubted=doubted,
            repeated=repeated,
        )
        recording = writing.submit(_exception_of, record)
        cut_off: asyncio.CancelledError | None = None
        try:
            await asyncio.shield(asyncio.wrap_future(recording))
        except asyncio.CancelledError as cancelled:
            cut_off = cancelled
        # When cancelled, this blocks until the transaction has ended: its result must be known.
        error = recording.result()
        if error is not None:
            self._reported[:0] = reported
            self._unsent[:0] = unsent
            raise error
        self._numberids.add(new_numberids)
        self._doubted.update(o.row for o in doubted)
        self._doubted.update(o.row for o in final if o.code == _REPEATED_NUMBERID)
        self._under_way += len(requests) - len(returned)
        self._has_withdrawn = self._has_withdrawn or bool(withdrawn)
        if requests:
            self._granted.grant(Lease(requests))
        if final or doubted:
            self._on_outcomes(final + doubted)
        for row in repeated:
            self._engine.distrust(row)
        if cut_off is not None:
            raise cut_off

    def _find_repeated_numberids(
        self, outcomes: list[Outcome]
    ) -> tuple[dict[int, tuple[str, ...]], set[int]]:
        """Make created rows of `outcomes` uncertain whose numberid another row has already.

        Returns these rows with their numberids, and the keys of all numberids in `outcomes`.
        """
        repeated: dict[int, tuple[str, ...]] = {}
        found: set[int] = set()
        for place, outcome in enumerate(outcomes):
            if outcome.status is not Status.CREATED:
                continue
            own = {_numberid_key(numberid) for numberid in outcome.numberids}
            if any(key in self._numberids for key in own) or not own.isdisjoint(found):
                repeated[outcome.row] = outcome.numberids
                outcomes[place] = _as_repeated_numberid(outcome)
            found |= own
        return repeated, found

    def _record(
        self,
        *,
        outcomes: list[Outcome],
        withdrawn: Sequence[int],
        intents: Sequence[int],
        doubted: list[Outcome],
        repeated: Mapping[int, tuple[str, ...]],
    ) -> None:
        """Record a round; called in the writer's thread.

        `repeated` are rows with a numberid that another row has: the other row is in doubt, too. If
        it was recorded before, it is added to `doubted`; if it came in the same round, it is made
        uncertain in `outcomes`.
        """
        if repeated:
            ids = {numberid for numberids in repeated.values() for numberid in numberids}
            for place, o in enumerate(outcomes):
                if o.status is Status.CREATED and not ids.isdisjoint(o.numberids):
                    outcomes[place] = _as_repeated_numberid(o)
            # The engine may doubt some of these rows in the same round: each is recorded once.
            already_doubted = {o.row for o in doubted}
            holders = self._journal.holders(sorted(ids))
            doubted += [
                _as_repeated_numberid(o, was=o.status)
                for o in holders
                if o.row not in already_doubted
            ]
            uncertain = {o.row for o in outcomes if o.code == _REPEATED_NUMBERID}
            doubted[:] = [o for o in doubted if o.row not in uncertain]
        if doubted:
            self._journal.record(
                outcomes=outcomes, withdrawn=withdrawn, intents=intents, doubted=doubted
            )
        else:
            self._journal.record(outcomes=outcomes, withdrawn=withdrawn, intents=intents)

    def _next_requests(self, free: int) -> tuple[Request, ...]:
        """The rows of the next lease; none while fewer than a group have room."""
        if free < self._group_size or self._halt.is_set():
            return ()
        return tuple(self._ready.popleft() for _ in range(min(free, len(self._ready))))


class _LeaseQueue:
    """A queue of leases for the engine: an async iterator that ends when it is closed."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Lease | None] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Lease:
        lease = await self._queue.get()
        if lease is None:
            self.close()
            raise StopAsyncIteration
        return lease

    def grant(self, lease: Lease) -> None:
        self._queue.put_nowait(lease)

    def close(self) -> None:
        self._queue.put_nowait(None)

    def untaken(self) -> Iterator[Lease]:
        """The leases that the engine did not take."""
        while not self._queue.empty():
            lease = self._queue.get_nowait()
            if lease is not None:
                yield lease


def _draw(work: Iterator[Request | Outcome]) -> tuple[list[Request | Outcome], bool]:
    """A slice of work, and whether it was the last; called in the reader's thread."""
    drawn: list[Request | Outcome] = []
    until = time.monotonic() + _SLICE_SECONDS
    for item in islice(work, _SLICE_ROWS):
        drawn.append(item)
        if time.monotonic() >= until:
            return drawn, False
    return drawn, len(drawn) < _SLICE_ROWS


class _NumberIds:
    """A set of the numberids that rows have, by 64-bit key: 8 bytes each.

    They are in a sorted array; only the newest are in a Python set, at some hundred bytes each.
    """

    def __init__(self, numberids: Iterable[str]) -> None:
        self._sorted = array("q")
        self._newest: set[int] = set()
        for numberid in numberids:
            self._newest.add(_numberid_key(numberid))
            if len(self._newest) >= _NEWEST_CAP:
                self._merge()

    def __contains__(self, key: int) -> bool:
        if key in self._newest:
            return True
        place = bisect_left(self._sorted, key)
        return place < len(self._sorted) and self._sorted[place] == key

    def add(self, keys: set[int]) -> None:
        """Add keys."""
        self._newest |= keys
        if len(self._newest) >= _NEWEST_CAP:
            self._merge()

    def _merge(self) -> None:
        newest = np.fromiter(self._newest, np.int64, len(self._newest))
        # Two sorted runs, which a stable sort merges: some milliseconds for a million keys.
        merged = np.concatenate([np.frombuffer(self._sorted, np.int64), np.sort(newest)])
        merged.sort(kind="stable")
        self._sorted = array("q", merged.tobytes())
        self._newest = set()


def _numberid_key(numberid: str) -> int:
    """The key of a numberid: its value, or a hash where it is no number of 63 bits."""
    if numberid.isascii() and numberid.isdecimal() and len(numberid) <= _LONGEST_NUMBER:
        return int(numberid)
    return hash(numberid)


def _as_repeated_numberid(outcome: Outcome, was: Status | None = None) -> Outcome:
    """The uncertain outcome of a created row whose numberid another row has, too."""
    numberids = "|".join(outcome.numberids)
    message = f"the service gave the numberid {numberids} to two rows"
    return in_doubt(outcome, _REPEATED_NUMBERID, message, was)


def _exception_of(work: Callable[[], None]) -> Exception | None:
    """Call `work`, in the writer's thread; the exception that it raised, or None."""
    try:
        work()
    except Exception as error:  # noqa: BLE001  raised again on the loop
        return error
    return None


def _as_pending(leases: Iterator[Lease]) -> list[Outcome]:
    return [Outcome(r.row, Status.PENDING) for lease in leases for r in lease.requests]
