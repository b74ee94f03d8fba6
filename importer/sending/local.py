"""The local engine: requests in flight on one event loop, as many as the pace allows.

Whenever something changes (rows came, a reply came, a wait is over) it is asked anew whether
another request may begin, in one place. A row that is refused disturbs no other; a reply that
refuses us stops them all. Which pace is kept is up to `pace.py`, and what trouble means for all
rows is up to `trouble.py`.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field

from importer.model import (
    Done,
    Event,
    Lease,
    Outcome,
    PaceChanged,
    Probing,
    Rejected,
    Reply,
    Request,
    Resumed,
    Retry,
    Status,
    Stop,
    Uncertain,
    Verdict,
    Waiting,
    Wire,
)
from importer.sending.pace import Pacer
from importer.sending.protocol import Report
from importer.sending.trouble import Trouble
from importer.settings import RetryPolicy

Post = Callable[[bytes], Awaitable[Reply]]
"""Sends one body, once; trouble of the network is part of the Reply and never raised."""

Probe = Callable[[], Awaitable[Reply]]
"""Asks the service for something that changes nothing; trouble is part of the Reply."""

Judge = Callable[[Reply, int, RetryPolicy, float, int], Verdict]
"""Says what a reply means: (reply, attempt, policy, jitter, throttles) → verdict; pure."""

_STRAINED = frozenset({503, 504})
_TELL_SECONDS = 0.1
"""A wait that grows by less is not told anew."""


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Sends from the event loop it is called on.

    `concurrency` and `rate` are those of settings.Pace. `on_event` is called on the loop.
    Without a `probe`, a storm is only waited out. `clock` gives seconds that only go forward.
    """

    post: Post
    judge: Judge
    policy: RetryPolicy
    concurrency: int | None = None
    rate: float | None = None
    probe: Probe | None = None
    on_event: Callable[[Event], None] = lambda event: None
    clock: Callable[[], float] = time.monotonic
    pacer: Pacer = field(init=False)

    def __post_init__(self) -> None:
        pacer = Pacer(
            self.concurrency,
            self.rate,
            self.clock(),
            lambda width, rate: self.on_event(PaceChanged(width, rate)),
        )
        object.__setattr__(self, "pacer", pacer)

    @property
    def width(self) -> int:
        """How many requests may be in flight, as of now."""
        return self.pacer.width

    async def send(
        self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
    ) -> Stop | None:
        """Send all leased rows; see :class:`importer.sending.protocol.Engine`.

        Raises what `post` or `judge` raised, which is a bug, after every row was reported.
        """
        return await _Crew(self, report).work(leases, stop)


@dataclass(slots=True, eq=False)
class _Row:
    """A row on its way; `counted` tries are those that use up its retries."""

    request: Request
    attempts: int = 0
    counted: int = 0
    throttles: int = 0
    status: int | None = None

    def outcome(
        self,
        status: Status,
        numberids: tuple[str, ...] = (),
        code: str | None = None,
        message: str | None = None,
        hint: str | None = None,
    ) -> Outcome:
        return Outcome(
            self.request.row, status, numberids, self.attempts, self.status, code, message, hint
        )


class _Crew:
    """One `send`; all of it happens on the loop's thread."""

    def __init__(self, engine: LocalEngine, report: Report) -> None:
        self._engine = engine
        self._report = report
        self._clock = engine.clock
        self._pacer = engine.pacer
        self._trouble = Trouble(engine.policy)
        self._loop = asyncio.get_running_loop()
        self._ready: deque[_Row] = deque()
        self._later: dict[_Row, asyncio.TimerHandle] = {}
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._prober: asyncio.Task[None] | None = None
        self._feeder: asyncio.Task[None] | None = None
        self._fed = False
        self._timer: asyncio.TimerHandle | None = None
        self._halted = False
        self._idle = asyncio.Event()
        self._verdict: Stop | None = None
        self._failure: Exception | None = None
        self._failed = self._answered = 0
        self._held, self._held_until = False, -math.inf

    async def work(self, leases: AsyncIterator[Lease], stop: asyncio.Event) -> Stop | None:
        self._feeder = asyncio.create_task(self._feed(leases))
        watcher = asyncio.create_task(self._watch(stop))
        try:
            await self._idle.wait()
        finally:
            # Rows whose request is cut off are reported by nobody, and so read as uncertain.
            self._halt()
            tasks = {self._feeder, watcher, *self._tasks}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
        if not self._feeder.cancelled():
            self._feeder.result()
        return self._verdict

    async def _feed(self, leases: AsyncIterator[Lease]) -> None:
        # The rows need no bound of their own: the coordinator's credits are one.
        try:
            async for lease in leases:
                for request in lease.requests:
                    self._put(_Row(request))
                self._pump()
        finally:
            self._fed = True
            self._pump()

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._halt()

    def _halt(self) -> None:
        """Begin nothing more, and give back all rows that are not in flight."""
        self._halted = True
        for handle in (self._timer, *self._later.values()):
            if handle is not None:
                handle.cancel()
        waiting = [*self._later, *self._ready]
        self._later.clear()
        self._ready.clear()
        if waiting:
            self._report([row.outcome(Status.PENDING) for row in waiting])
        for task in (self._feeder, self._prober):
            if task is not None:
                task.cancel()
        self._pump()

    def _put(self, row: _Row, *, first: bool = False) -> None:
        if self._halted:
            self._report((row.outcome(Status.PENDING),))
        elif first:
            self._ready.appendleft(row)
        else:
            self._ready.append(row)

    def _pump(self) -> None:
        """Begin what may begin now, and see to what is due later."""
        while (row := self._take()) is not None:
            self._start(self._serve(row))
        if self._trouble.probe_at is not None and self._prober is None and not self._halted:
            self._prober = self._start(self._probe())
        over = self._halted or (self._fed and not self._ready and not self._later)
        if over and not self._in_flight:
            self._idle.set()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _take(self) -> _Row | None:
        """The row whose request begins now, if one may; otherwise it is asked again in time."""
        if self._halted or not self._ready:
            return None
        room, width = self._trouble.at_once, self._pacer.width
        if self._in_flight >= (width if room is None else min(room, width)):
            return None
        now = self._clock()
        wait = max(self._trouble.gate - now, self._pacer.wait(now))
        if wait > 0:
            self._wake_in(wait)
            return None
        self._pacer.begin(now)
        self._in_flight += 1
        return self._ready.popleft()

    def _wake_in(self, seconds: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= self._loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._pump()

    async def _serve(self, row: _Row | None) -> None:
        """Send a row, and then others for as long as a request may begin."""
        while row is not None:
            began = self._clock()
            row.attempts += 1
            try:
                reply = await self._engine.post(row.request.body)
                outcome = self._settle(row, reply, began)
            except Exception as error:  # noqa: BLE001  raised again when every row is reported
                self._failure = self._failure or error
                message = f"sent, but the importer failed: {type(error).__name__}"
                hint = "It may exist: look for it in the service before sending it again."
                outcome = row.outcome(Status.UNCERTAIN, (), "internal_error", message, hint)
            self._in_flight -= 1
            if outcome is not None:
                self._report((outcome,))
            if self._failure is not None and not self._halted:
                self._halt()
            row = self._take()
            self._pump()

    def _settle(self, row: _Row, reply: Reply, began: float) -> Outcome | None:
        """Act on a reply; None if the row is not settled by it."""
        now, trouble, policy = self._clock(), self._trouble, self._engine.policy
        row.status = reply.http_status
        sent = reply.wire is not Wire.NOT_SENT
        attempt = row.counted + 1 if sent else trouble.reaching
        jitter = random.random()  # noqa: S311  spreads waits, keeps no secret
        verdict = self._engine.judge(reply, attempt, policy, jitter, row.throttles)
        if sent:
            trouble.reached()
        match verdict:
            case Done(numberids):
                self._certain(now, began)
                self._count(failed=False)
                return row.outcome(Status.CREATED, numberids)
            case Rejected(code, message, hint):
                self._certain(now, began)
                self._count(failed=True)
                return row.outcome(Status.REJECTED, (), code, message, hint)
            case Uncertain(code, message, numberids, hint):
                if reply.wire is Wire.LOST or reply.http_status in _STRAINED:
                    self._pacer.strained(now, began)
                self._hold(trouble.uncertain(now, began, message), message, trouble.probe_at)
                self._count(failed=True)
                return row.outcome(Status.UNCERTAIN, numberids, code, message, hint)
            case Stop():
                self._put(row)
                self._stop(verdict)
            case Retry(after=after, throttled=True, message=message):
                row.throttles += 1
                self._put(row, first=True)
                stop = trouble.throttled(now, after, message)
                if reply.http_status == 429:
                    self._pacer.throttled(now, began, max(0.0, trouble.gate - now))
                else:
                    self._pacer.strained(now, began)
                self._hold(stop, message, trouble.gate)
            case Retry(after=after, message=message) if not sent:
                self._put(row, first=True)
                self._hold(trouble.unreachable(now, began, after, message), message, trouble.gate)
            case Retry(after=after):
                row.counted += 1
                if self._halted:
                    self._put(row)
                else:
                    self._later[row] = self._loop.call_later(after, self._again, row)
        return None

    def _again(self, row: _Row) -> None:
        del self._later[row]
        self._put(row, first=True)
        self._pump()

    def _certain(self, now: float, began: float) -> None:
        trouble = self._trouble
        self._pacer.answered(now, began, self._in_flight)
        trouble.certain(began)
        if self._held:
            trouble.recovered(self._pacer.width)
            if trouble.at_once is None and trouble.gate <= now:
                self._held = False
                self._engine.on_event(Resumed())

    def _count(self, *, failed: bool) -> None:
        """Stop if too many rows have failed."""
        self._answered += 1
        self._failed += failed
        most = self._engine.policy.max_failures
        if failed and most is not None and most.exceeded(self._failed, self._answered):
            self._stop(
                Stop(
                    "too_many_failures",
                    f"{self._failed} of {self._answered} rows failed, and {most} may",
                    "See failures.csv and uncertain.csv: is it the mapping? To go on all the same, "
                    "resume the run with a higher --max-failures.",
                )
            )

    def _hold(self, stop: Stop | None, message: str, until: float | None) -> None:
        """Stop, or tell of a wait."""
        if stop is not None:
            self._stop(stop)
        elif until is not None and until > self._held_until + _TELL_SECONDS:
            self._held, self._held_until = True, until
            seconds = max(0.0, until - self._clock())
            total = self._trouble.throttled_seconds
            self._engine.on_event(Waiting(seconds, message, total))

    def _stop(self, verdict: Stop) -> None:
        if self._verdict is None:
            self._verdict = verdict
        self._halt()

    async def _probe(self) -> None:
        """Ask until the service is well; then rows go on one at a time."""
        trouble, engine = self._trouble, self._engine
        try:
            while (at := trouble.probe_at) is not None:
                await asyncio.sleep(max(0.0, at - self._clock()))
                if engine.probe is None:
                    trouble.probed(self._clock(), 0.0, well=True, message="")
                    break
                engine.on_event(Probing("nobody knows what became of the last rows"))
                reply = await engine.probe()
                jitter = random.random()  # noqa: S311  spreads waits, keeps no secret
                verdict = engine.judge(reply, 1, engine.policy, jitter, 0)
                if isinstance(verdict, Stop):
                    self._stop(verdict)
                    break
                well = reply.http_status == 200 and reply.understood and not reply.errors
                message = reply.detail or f"HTTP {reply.http_status}"
                stop = trouble.probed(self._clock(), jitter, well=well, message=message)
                self._hold(stop, message, trouble.probe_at)
        except Exception as error:  # noqa: BLE001  raised again when every row is reported
            self._failure = self._failure or error
            self._halt()
        finally:
            self._prober = None
            self._pump()
