"""The coordinator: it makes intents durable, then grants leases, and records what comes back.

Three things run side by side. A *reader* thread pulls encoded requests ahead of need. A *writer*
thread makes every call to the journal, so that waiting for the disk never holds up the loop. The
engine sends.

Credits keep the promise of the journal: a row takes one before its intent and gives it back when
its outcome is recorded, and there are 2 per request in flight. So whatever kills the process, at
most that many rows are uncertain. One half is in flight, the other is what the engine draws from
while the next group is written. Intents and outcomes of a group share one transaction and one
wait for the disk; groups form by themselves, of about half the concurrency. Where the engine
chooses its concurrency, credits and groups follow its `width`: when that falls, nothing is granted
until the rows under way are within twice of it again.
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
from importer.sending.protocol import End, Ending, Engine, Ledger, in_doubt

AHEAD = 4096
"""Requests kept ready: at thousands a second enough to bridge the preparation of a batch."""

_SLICE_ROWS = 256
_SLICE_SECONDS = 0.002
"""Seconds after which the reader hands rows over though they are few: most may be sent already."""

_LINGER = 0.01
"""Seconds an outcome waits at most for others to share its transaction."""

_TWICE = "numberid_twice"
"""The code of rows that were given a numberid that another row was given, too."""

_NEWEST = 65_536
"""Numberids in a set, before they are merged with those that came earlier."""

_LONGEST_NUMBER = 18
"""So many decimal digits fit into 63 bits."""

Watcher = Callable[[Sequence[Outcome]], None]


async def coordinate(
    work: Iterator[Request | Outcome],
    ledger: Ledger,
    engine: Engine,
    *,
    stop: asyncio.Event,
    on_outcomes: Watcher = lambda outcomes: None,
    numberids: Iterable[str] = (),
) -> Ending:
    """Send the requests of `work` through `engine`, and record each row exactly once.

    An Outcome in `work` is a row that is not to be sent; it is recorded as it is. `work` is drawn
    from in a thread. Setting `stop` ends the run in order: nothing new is sent, what is in flight
    is recorded. `on_outcomes` is called on the loop with final outcomes once they are recorded, and
    with those that take the place of one. `numberids` are those that the run has already.
    Raises what `work`, `ledger` or `engine` raised, after all that came back was recorded. When
    cancelled, it records what had come back by then, and what was not sent; the journal shows the
    rest as uncertain. So too when all tasks of the loop are cancelled, as when it is interrupted.
    """
    run = _Run(work, ledger, engine, on_outcomes, _NumberIds(numberids))
    with (
        ThreadPoolExecutor(1, "reader") as reading,
        ThreadPoolExecutor(1, "writer") as writing,
    ):
        verdict = await run.through(stop, reading, writing)
    if verdict is not None:
        return Ending(End.STOPPED, verdict)
    return Ending(End.FINISHED if run.complete else End.INTERRUPTED)


class _Run:
    """The state of one call of `coordinate`; touched on the event loop's thread only."""

    def __init__(
        self,
        work: Iterator[Request | Outcome],
        ledger: Ledger,
        engine: Engine,
        on_outcomes: Watcher,
        numberids: _NumberIds,
    ) -> None:
        self._work = work
        self._ledger = ledger
        self._on_outcomes = on_outcomes
        self._engine = engine
        self._numberids = numberids
        self._doubted: set[int] = set()
        self._under_way = 0
        self._ready: deque[Request] = deque()
        self._unsent: list[Outcome] = []
        self._reported: list[Outcome] = []
        self._exhausted = False
        self._returned = False
        self._over = False
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self._halt = asyncio.Event()
        self._granted = _LeaseQueue()
        self._linger: asyncio.TimerHandle | None = None

    @property
    def _credits(self) -> int:
        return 2 * self._engine.width - self._under_way

    @property
    def _group(self) -> int:
        return max(1, self._engine.width // 2)

    @property
    def complete(self) -> bool:
        """Whether all work was drawn and no row of it stays pending."""
        return self._exhausted and not self._ready and not self._returned

    async def through(
        self,
        stop: asyncio.Event,
        reading: ThreadPoolExecutor,
        writing: ThreadPoolExecutor,
    ) -> Stop | None:
        """Everything from the first intent to the last outcome."""
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
            self._reported += _withdrawn(self._granted.left())
            if writer.cancelled() or writer.exception() is None:
                await self._round(writing)
            else:
                # The disk may have room again: each answer recorded now is a row less uncertain.
                with contextlib.suppress(Exception):
                    await self._round(writing)
        for task in (writer, reader):
            task.result()
        return verdict

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._halt_now()

    def _halt_now(self) -> None:
        self._halt.set()
        self._due.set()
        self._room.set()
        self._granted.close()

    def _halt_if_failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._halt_now()

    def _report(self, outcomes: Sequence[Outcome]) -> None:
        self._reported += outcomes
        if len(self._reported) >= self._group:
            self._due.set()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(_LINGER, self._due.set)

    async def _read(self, reading: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while not self._halt.is_set() and not self._exhausted:
            if len(self._ready) + len(self._unsent) >= AHEAD:
                self._room.clear()
                self._due.set()
                await self._room.wait()
                continue
            drawn, self._exhausted = await loop.run_in_executor(reading, _draw, self._work)
            for item in drawn:
                if isinstance(item, Request):
                    self._ready.append(item)
                else:
                    self._unsent.append(item)
            hungry = self._credits >= self._group
            if hungry or self._exhausted or len(self._unsent) >= _SLICE_ROWS:
                self._due.set()

    async def _write(self, writing: ThreadPoolExecutor) -> None:
        while not self._over:
            await self._due.wait()
            self._due.clear()
            await self._round(writing)
            if self._exhausted and not self._ready:
                self._granted.close()
            if len(self._ready) + len(self._unsent) <= AHEAD // 2:
                self._room.set()

    async def _round(self, writing: ThreadPoolExecutor) -> None:
        """Record outcomes and, unless the run stops, write the next intents and grant a lease."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        reported, self._reported = self._reported, []
        unsent, self._unsent = self._unsent, []
        requests = self._next(self._credits + sum(o.was is None for o in reported))
        if not (reported or unsent or requests):
            return
        # Told by the engine, a row may be in doubt for its numberid already.
        doubted = [o for o in reported if o.was is not None and o.row not in self._doubted]
        returned = [o for o in reported if o.was is None]
        final = unsent + [o for o in returned if o.status is not Status.PENDING]
        withdrawn = [o.row for o in returned if o.status is Status.PENDING]
        twice, new_numberids = self._given_before(final)
        record = partial(
            self._record,
            outcomes=final,
            withdrawn=withdrawn,
            intents=[request.row for request in requests],
            doubted=doubted,
            twice=twice,
        )
        recording = writing.submit(_error_of, record)
        cut_off: asyncio.CancelledError | None = None
        try:
            await asyncio.shield(asyncio.wrap_future(recording))
        except asyncio.CancelledError as cancelled:
            cut_off = cancelled
        # When cut off this waits: the journal ends what it began, and whether it did must be known.
        error = recording.result()
        if error is not None:
            self._reported[:0] = reported
            self._unsent[:0] = unsent
            raise error
        self._numberids.add(new_numberids)
        self._doubted.update(o.row for o in doubted)
        self._doubted.update(o.row for o in final if o.code == _TWICE)
        self._under_way += len(requests) - len(returned)
        self._returned = self._returned or bool(withdrawn)
        if requests:
            self._granted.grant(Lease(requests))
        if final or doubted:
            self._on_outcomes(final + doubted)
        for row in twice:
            self._engine.distrust(row)
        if cut_off is not None:
            raise cut_off

    def _given_before(self, outcomes: list[Outcome]) -> tuple[dict[int, tuple[str, ...]], set[int]]:
        """Created rows with a numberid that another row has, each with its numberids.

        Their outcomes are made uncertain in `outcomes`. Also gives the keys of all numberids found.
        """
        twice: dict[int, tuple[str, ...]] = {}
        found: set[int] = set()
        for place, outcome in enumerate(outcomes):
            if outcome.status is not Status.CREATED:
                continue
            own = {_numberid_key(numberid) for numberid in outcome.numberids}
            if any(key in self._numberids for key in own) or not own.isdisjoint(found):
                twice[outcome.row] = outcome.numberids
                outcomes[place] = _given_twice(outcome)
            found |= own
        return twice, found

    def _record(
        self,
        *,
        outcomes: list[Outcome],
        withdrawn: Sequence[int],
        intents: Sequence[int],
        doubted: list[Outcome],
        twice: Mapping[int, tuple[str, ...]],
    ) -> None:
        """Record a round; called in the writer's thread.

        `twice` are rows given a numberid that another row has: that other row is in doubt, too. If
        it was recorded before, it is added to `doubted`; if it came in the same round, it is made
        uncertain in `outcomes`.
        """
        if twice:
            ids = {numberid for numberids in twice.values() for numberid in numberids}
            for place, o in enumerate(outcomes):
                if o.status is Status.CREATED and not ids.isdisjoint(o.numberids):
                    outcomes[place] = _given_twice(o)
            # The engine may doubt some of these rows in this very round: each is counted once.
            told = {o.row for o in doubted}
            holders = self._ledger.holders(sorted(ids))
            doubted += [_given_twice(o, was=o.status) for o in holders if o.row not in told]
            uncertain = {o.row for o in outcomes if o.code == _TWICE}
            doubted[:] = [o for o in doubted if o.row not in uncertain]
        if doubted:
            self._ledger.record(
                outcomes=outcomes, withdrawn=withdrawn, intents=intents, doubted=doubted
            )
        else:
            self._ledger.record(outcomes=outcomes, withdrawn=withdrawn, intents=intents)

    def _next(self, free: int) -> tuple[Request, ...]:
        """The rows of the next lease; none while the engine still has enough to draw from."""
        if free < self._group or self._halt.is_set():
            return ()
        return tuple(self._ready.popleft() for _ in range(min(free, len(self._ready))))


class _LeaseQueue:
    """Leases on their way to the engine: an async iterator that ends when it is closed."""

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

    def left(self) -> Iterator[Lease]:
        """The leases that no engine took."""
        while not self._queue.empty():
            lease = self._queue.get_nowait()
            if lease is not None:
                yield lease


def _draw(work: Iterator[Request | Outcome]) -> tuple[list[Request | Outcome], bool]:
    """Some items of work, and whether that was all; called in the reader's thread."""
    drawn: list[Request | Outcome] = []
    until = time.monotonic() + _SLICE_SECONDS
    for item in islice(work, _SLICE_ROWS):
        drawn.append(item)
        if time.monotonic() >= until:
            return drawn, False
    return drawn, len(drawn) < _SLICE_ROWS


class _NumberIds:
    """The keys of the numberids that rows have been given, for the question whether one is new.

    They are sorted, at 8 bytes each; only the newest are in a set, where one takes some hundred.
    """

    def __init__(self, numberids: Iterable[str]) -> None:
        self._sorted = array("q")
        self._newest: set[int] = set()
        for numberid in numberids:
            self._newest.add(_numberid_key(numberid))
            if len(self._newest) >= _NEWEST:
                self._merge()

    def __contains__(self, key: int) -> bool:
        if key in self._newest:
            return True
        place = bisect_left(self._sorted, key)
        return place < len(self._sorted) and self._sorted[place] == key

    def add(self, keys: set[int]) -> None:
        """Take keys in."""
        self._newest |= keys
        if len(self._newest) >= _NEWEST:
            self._merge()

    def _merge(self) -> None:
        newest = np.fromiter(self._newest, np.int64, len(self._newest))
        # Two sorted runs, which a stable sort merges: some milliseconds for a million keys.
        merged = np.concatenate([np.frombuffer(self._sorted, np.int64), np.sort(newest)])
        merged.sort(kind="stable")
        self._sorted = array("q", merged.tobytes())
        self._newest = set()


def _numberid_key(numberid: str) -> int:
    """A numberid in 64 bits: the integer that it is, or a hash where it is none or too large."""
    if numberid.isascii() and numberid.isdecimal() and len(numberid) <= _LONGEST_NUMBER:
        return int(numberid)
    return hash(numberid)


def _given_twice(outcome: Outcome, was: Status | None = None) -> Outcome:
    """The outcome of a created row whose numberid another row was given, too."""
    numberids = "|".join(outcome.numberids)
    message = f"the service gave the numberid {numberids} to two rows"
    return in_doubt(outcome, _TWICE, message, was)


def _error_of(work: Callable[[], None]) -> Exception | None:
    """Run `work` in the writer's thread; what it raised, or None."""
    try:
        work()
    except Exception as error:  # noqa: BLE001  raised again on the loop
        return error
    return None


def _withdrawn(leases: Iterator[Lease]) -> list[Outcome]:
    return [Outcome(r.row, Status.PENDING) for lease in leases for r in lease.requests]
