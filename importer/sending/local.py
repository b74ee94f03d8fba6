"""The local engine: requests in flight on one event loop, as many as the pace allows.

A row that is refused disturbs no other; a reply that refuses us stops them all. Which pace is
kept is up to `pace.py`, what trouble means for all rows is up to `trouble.py`, and where the rows
are is up to `dispatch.py`.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from importer.model import (
    Done,
    Event,
    Lease,
    Outcome,
    PaceChanged,
    Probing,
    Rejected,
    Reply,
    Resumed,
    Retry,
    Status,
    Stop,
    StrayAnswer,
    Uncertain,
    Verdict,
    Waiting,
    Wire,
)
from importer.sending.dispatch import Dispatcher, Row, doubted
from importer.sending.failures import Failures
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
_CERTAIN = frozenset({Status.CREATED, Status.REJECTED})
_SECONDS_OF_DOUBT = 1.0
"""How long an answer may turn out to be another row's, by what comes after it."""


class _Answered(NamedTuple):
    """An answer: when it came, on which connection, to which row; None is no outcome yet."""

    at: float
    connection: int
    row: Row
    outcome: Outcome | None


_LEASE_LOOK_SECONDS = 0.05
"""How often a sender whose lease is over looks whether it was renewed."""
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
    may_begin: Callable[[], bool] = lambda: True
    """Whether its lease lasts (`lease.LeaseTerm`); asked before each request, and once more by
    what `post` stands on, right before the request is written."""
    use_once: Callable[[], None] = lambda: None
    """Has each connection used for one request from then on."""
    pacer: Pacer = field(init=False)
    untold: list[Exception] = field(init=False, default_factory=list)
    """What `on_event` raised: a listener may fail, but not keep a row from its outcome."""
    crews: list[_Crew] = field(init=False, default_factory=list)
    """That of the `send` under way."""

    def __post_init__(self) -> None:
        pacer = Pacer(
            self.concurrency,
            self.rate,
            self.clock(),
            lambda width, rate: self.tell(PaceChanged(width, rate)),
        )
        object.__setattr__(self, "pacer", pacer)

    def tell(self, event: Event) -> None:
        """Tell the listener, and keep what it raises for the end of `send`."""
        try:
            self.on_event(event)
        except Exception as error:  # noqa: BLE001  raised again when every row is reported
            self.untold.append(error)

    @property
    def width(self) -> int:
        """How many rows it has use for at once, as of now."""
        return self.pacer.at_hand

    async def send(
        self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
    ) -> Stop | None:
        """Send all leased rows; see :class:`importer.sending.protocol.Engine`.

        Raises what `post`, `judge` or `on_event` raised, which is a bug, after every row was
        reported. Such a bug ends the run in order; what is in flight is awaited.
        """
        crew = _Crew(self, report)
        self.crews.append(crew)
        try:
            return await crew.work(leases, stop)
        finally:
            self.crews.remove(crew)

    def suspect(self, connection: int) -> None:
        """Something came on a connection that nobody had asked for: an answer too many."""
        for crew in self.crews:
            crew.suspect(connection, "the service sent an answer that nobody had asked for")

    def distrust(self, row: int) -> None:
        """A row's answer may be another's; see :class:`importer.sending.protocol.Engine`."""
        for crew in self.crews:
            crew.distrust(row)


class _Crew:
    """One `send`; all of it happens on the loop's thread."""

    def __init__(self, engine: LocalEngine, report: Report) -> None:
        self._engine = engine
        self._clock = engine.clock
        self._pacer = engine.pacer
        self._trouble = Trouble(engine.policy)
        self._report = report
        self._rows = Dispatcher(self._turn, self._exchange, report, self._fail)
        self._feeder: asyncio.Task[None] | None = None
        self._prober: asyncio.Task[None] | None = None
        self._verdict: Stop | None = None
        self._failure: Exception | None = None
        self._failures = Failures(engine.policy.max_failures)
        self._held, self._held_until = False, -math.inf
        self._answered: deque[_Answered] = deque()
        self._distrustful = False

    async def work(self, leases: AsyncIterator[Lease], stop: asyncio.Event) -> Stop | None:
        self._feeder = asyncio.create_task(self._feed(leases))
        watcher = asyncio.create_task(self._watch(stop))
        try:
            await self._rows.done()
        finally:
            for task in (self._feeder, watcher):
                task.cancel()
            await self._rows.close()
            await asyncio.gather(self._feeder, watcher, return_exceptions=True)
        for error in (self._failure, *self._engine.untold):
            if error is not None:
                raise error
        if not self._feeder.cancelled():
            self._feeder.result()
        return self._verdict

    async def _feed(self, leases: AsyncIterator[Lease]) -> None:
        # The rows need no bound of their own: the coordinator's credits are one.
        try:
            async for lease in leases:
                self._rows.add(lease.requests)
        finally:
            self._rows.complete()

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._halt()

    def _halt(self) -> None:
        for task in (self._feeder, self._prober):
            if task is not None:
                task.cancel()
        self._rows.halt()

    def _turn(self, in_flight: int) -> float | None:
        """When another request may begin; see :class:`Dispatcher`."""
        if not self._engine.may_begin():
            return _LEASE_LOOK_SECONDS
        trouble, pacer = self._trouble, self._pacer
        room, width = trouble.at_once, pacer.width
        if in_flight >= (width if room is None else min(room, width)):
            return None
        now = self._clock()
        wait = max(trouble.gate - now, pacer.wait(now))
        if wait > 0:
            return wait
        pacer.begin(now)
        return 0.0

    async def _exchange(self, row: Row) -> Outcome | None:
        """Send a row once."""
        began = self._clock()
        row.attempts += 1
        try:
            reply = await self._engine.post(row.request.body)
            if reply.wire is Wire.NOT_SENT and not self._engine.may_begin():
                row.attempts -= 1
                self._rows.put_back(row)
                return None
            outcome = self._settle(row, reply, began)
            if reply.wire is Wire.ANSWERED:
                outcome = self._remember(row, reply, outcome)
        except Exception as error:  # noqa: BLE001  raised again when every row is reported
            self._fail(error)
            message = f"sent, but the importer failed: {type(error).__name__}"
            hint = "It may exist: look for it in the service before sending it again."
            return row.outcome(Status.UNCERTAIN, (), "internal_error", message, hint)
        if outcome is not None and (stop := self._failures.count(outcome)) is not None:
            self._stop(stop)
        if self._engine.untold:
            self._fail(self._engine.untold[0])
        return outcome

    def _remember(self, row: Row, reply: Reply, outcome: Outcome | None) -> Outcome | None:
        """Keep for a second what was answered on which connection; the outcome, if there is one."""
        now = self._clock()
        while self._answered and self._answered[0].at < now - _SECONDS_OF_DOUBT:
            self._answered.popleft()
        if row.doubtful and outcome is not None:
            outcome = doubted(outcome)
        self._answered.append(_Answered(now, reply.connection, row, outcome))
        if reply.stray:
            self.suspect(reply.connection, "the service gave more than one answer to a request")
        return outcome

    def suspect(self, connection: int, why: str) -> None:
        """Have no row rely on what came on a connection within its last second."""
        if not self._distrustful:
            self._distrustful = True
            self._engine.use_once()
            self._engine.tell(StrayAnswer(why))
        since = self._clock() - _SECONDS_OF_DOUBT
        found: list[Outcome] = []
        for place, answered in enumerate(self._answered):
            if connection and answered.connection == connection and answered.at >= since:
                found += self._doubt(answered)
                self._answered[place] = answered._replace(connection=0)
        if found:
            self._report(found)
            # Where the last that waited were taken back, nothing else may come to end it.
            self._rows.pump()

    def distrust(self, row: int) -> None:
        """Have no row rely on the connection that a row's answer came on."""
        found = [a.connection for a in self._answered if a.row.request.row == row]
        self.suspect(found[-1] if found else 0, "the service gave one numberid to two rows")

    def _doubt(self, answered: _Answered) -> Iterator[Outcome]:
        """The outcome of a row whose answer may be another's; it is reported already, or never."""
        row, outcome = answered.row, answered.outcome
        if outcome is None:
            # Its answer had it sent again, or given back: it may have arrived all the same.
            if self._rows.take_back(row):
                yield doubted(row.outcome(Status.UNCERTAIN))
            elif row.given_back:
                row.given_back, row.doubtful = False, True
                yield doubted(row.outcome(Status.UNCERTAIN), was=Status.PENDING)
            else:
                row.doubtful = True
        elif outcome.status in _CERTAIN:
            yield doubted(outcome, was=outcome.status)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._halt()

    def _settle(self, row: Row, reply: Reply, began: float) -> Outcome | None:
        """Act on a reply; None if the row is not settled by it."""
        now, trouble, policy = self._clock(), self._trouble, self._engine.policy
        row.status = reply.http_status
        sent = reply.wire is not Wire.NOT_SENT
        attempt = row.counted + 1 if sent else trouble.reaching
        jitter = random.random()  # noqa: S311  spreads waits, keeps no secret
        verdict = self._engine.judge(reply, attempt, policy, jitter, row.throttles)
        if sent:
            trouble.reached(began, answered=reply.wire is Wire.ANSWERED)
        match verdict:
            case Done(numberids):
                self._certain(now, began)
                return row.outcome(Status.CREATED, numberids)
            case Rejected(code, message, hint):
                self._certain(now, began)
                return row.outcome(Status.REJECTED, (), code, message, hint)
            case Uncertain(code, message, numberids, hint):
                if reply.wire is Wire.LOST or reply.http_status in _STRAINED:
                    self._pacer.strained(now, began)
                self._hold(trouble.uncertain(now, began, message), message, trouble.probe_at)
                return row.outcome(Status.UNCERTAIN, numberids, code, message, hint)
            case Stop():
                self._rows.put_back(row)
                self._stop(verdict)
            case Retry(after=after, throttled=True, message=message):
                row.throttles += 1
                self._rows.put_back(row)
                stop = trouble.throttled(now, after, message)
                if reply.http_status == 429:
                    self._pacer.throttled(now, began, max(0.0, trouble.gate - now))
                else:
                    self._pacer.strained(now, began)
                self._hold(stop, message, trouble.gate)
            case Retry(after=after, message=message) if not sent:
                self._rows.put_back(row)
                self._hold(trouble.unreachable(now, began, after, message), message, trouble.gate)
            case Retry(after=after):
                row.counted += 1
                self._rows.put_off(row, after)
        return None

    def _certain(self, now: float, began: float) -> None:
        trouble = self._trouble
        self._pacer.answered(now, began, self._rows.in_flight)
        trouble.certain(began)
        if self._held:
            trouble.recovered(self._pacer.width)
            if trouble.at_once is None and trouble.gate <= now:
                self._held = False
                self._engine.tell(Resumed())

    def _hold(self, stop: Stop | None, message: str, until: float | None) -> None:
        """Stop, or tell of a wait."""
        if stop is not None:
            self._stop(stop)
            return
        if self._trouble.probe_at is not None and self._prober is None and not self._rows.halted:
            self._prober = self._rows.start(self._probe())
        if self._rows.halted:
            return
        if until is not None and until > self._held_until + _TELL_SECONDS:
            self._held, self._held_until = True, until
            seconds = max(0.0, until - self._clock())
            total = self._trouble.throttled_seconds
            self._engine.tell(Waiting(seconds, message, total))

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
                engine.tell(Probing("nobody knows what became of the last rows"))
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
            self._fail(error)
        finally:
            self._prober = None
            self._rows.pump()
