"""The local engine: requests in flight on one event loop, as many as the pace allows.

A row that is refused disturbs no other; a reply that refuses us stops them all. `pace` says when
a request may begin, and `trouble` what the service's trouble means for all rows.

`Dispatcher` has the rows: those that wait, and those in flight. Whenever something changes (rows
came, a request ended, a wait is over) one function asks whether another request may begin; no
task waits for its turn.

Answers that may be another row's (`LocalEngine.suspect`, `distrust`): where a connection brings
an answer that nobody asked for, or two rows get one numberid, the answers that the connection
brought within the last second are in doubt. So the answers of the last second are remembered with
their connections, and the rows among them are reported as uncertain, though they were reported as
created or rejected before.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from importer.model import (
    MAY_EXIST,
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
    StrayAnswer,
    Uncertain,
    Verdict,
    Waiting,
    Wire,
)
from importer.sending.pace import Pacer
from importer.sending.protocol import FailureCount, Report, in_doubt
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
"""How long after an answer it may turn out, by what comes behind it, to be another row's."""
_LEASE_LOOK_SECONDS = 0.05
"""How often a sender whose lease is over looks whether it was renewed."""
_TELL_SECONDS = 0.1
"""A wait that grows by less is not told anew."""


@dataclass(slots=True, eq=False)
class Row:
    """A row on its way; `counted` tries are those that use up its retries."""

    request: Request
    attempts: int = 0
    counted: int = 0
    throttles: int = 0
    status: int | None = None
    doubtful: bool = False
    """An answer that it had may have been another's, so that it may exist already."""
    given_back: bool = False
    """It was reported as pending, since nothing more begins."""

    def outcome(
        self,
        status: Status,
        numberids: tuple[str, ...] = (),
        code: str | None = None,
        message: str | None = None,
        hint: str | None = None,
    ) -> Outcome:
        """What became of it."""
        return Outcome(
            self.request.row, status, numberids, self.attempts, self.status, code, message, hint
        )


class _Answered(NamedTuple):
    """An answer: when it came, on which connection, to which row; None is no outcome yet."""

    at: float
    connection: int
    row: Row
    outcome: Outcome | None


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
    """Whether the lease still lasts (`frames.LeaseTerm`). Asked before each request, and by the
    HTTP client once more right before it writes the request."""
    stop_reusing_connections: Callable[[], None] = lambda: None
    """Has the HTTP client use each connection for one request only, from then on."""
    pacer: Pacer = field(init=False)
    listener_errors: list[Exception] = field(init=False, default_factory=list)
    """What `on_event` raised: a listener may fail, but not keep a row from its outcome."""
    under_way: list[_Sending] = field(init=False, default_factory=list)
    """The calls of `send` that have not returned."""

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
            self.listener_errors.append(error)

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
        sending = _Sending(self, report)
        self.under_way.append(sending)
        try:
            return await sending.work(leases, stop)
        finally:
            self.under_way.remove(sending)

    def suspect(self, connection: int) -> None:
        """Put the latest answers of a connection in doubt: an answer too many came on it."""
        for sending in self.under_way:
            sending.suspect(connection, "the service sent an answer that nobody had asked for")

    def distrust(self, row: int) -> None:
        """A row's answer may be another's; see :class:`importer.sending.protocol.Engine`."""
        for sending in self.under_way:
            sending.distrust(row)


class _Sending:
    """The state of one call of `LocalEngine.send`; touched on the loop's thread only."""

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
        self._failures = FailureCount(engine.policy.max_failures)
        self._waiting, self._told_until = False, -math.inf
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
        for error in (self._failure, *self._engine.listener_errors):
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
            return row.outcome(Status.UNCERTAIN, (), "internal_error", message, MAY_EXIST)
        if outcome is not None and (stop := self._failures.add(outcome)) is not None:
            self._stop(stop)
        if self._engine.listener_errors:
            self._fail(self._engine.listener_errors[0])
        return outcome

    def _remember(self, row: Row, reply: Reply, outcome: Outcome | None) -> Outcome | None:
        """Remember for a second which row was answered on which connection; gives its outcome."""
        now = self._clock()
        while self._answered and self._answered[0].at < now - _SECONDS_OF_DOUBT:
            self._answered.popleft()
        if row.doubtful and outcome is not None:
            outcome = _maybe_anothers(outcome)
        self._answered.append(_Answered(now, reply.connection, row, outcome))
        if reply.stray:
            self.suspect(reply.connection, "the service gave more than one answer to a request")
        return outcome

    def suspect(self, connection: int, why: str) -> None:
        """Put the answers in doubt that a connection brought within the last second.

        The first time, connections are used once each from then on, so that an answer too many
        shows at once. `connection` 0 is none that is known.
        """
        if not self._distrustful:
            self._distrustful = True
            self._engine.stop_reusing_connections()
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
        """Suspect the connection that a row's answer came on."""
        found = [a.connection for a in self._answered if a.row.request.row == row]
        self.suspect(found[-1] if found else 0, "the service gave one numberid to two rows")

    def _doubt(self, answered: _Answered) -> Iterator[Outcome]:
        """The outcome to report of a row whose answer may be another's, if there is one now."""
        row, outcome = answered.row, answered.outcome
        if outcome is None:
            # By that answer it waits for another try, is being sent again, or was given back as
            # pending. If the answer was another's, the row may have arrived all the same.
            if self._rows.take_back(row):
                yield _maybe_anothers(row.outcome(Status.UNCERTAIN))
            elif row.given_back:
                row.given_back, row.doubtful = False, True
                yield _maybe_anothers(row.outcome(Status.UNCERTAIN), was=Status.PENDING)
            else:
                row.doubtful = True
        elif outcome.status in _CERTAIN:
            yield _maybe_anothers(outcome, was=outcome.status)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._halt()

    def _settle(self, row: Row, reply: Reply, began: float) -> Outcome | None:
        """Act on a reply; the outcome of its row, or None where it is to be sent again."""
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
                self._hold_or_stop(
                    trouble.uncertain(now, began, message), message, trouble.probe_at
                )
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
                self._hold_or_stop(stop, message, trouble.gate)
            case Retry(after=after, message=message) if not sent:
                self._rows.put_back(row)
                self._hold_or_stop(
                    trouble.unreachable(now, began, after, message), message, trouble.gate
                )
            case Retry(after=after):
                row.counted += 1
                self._rows.put_off(row, after)
        return None

    def _certain(self, now: float, began: float) -> None:
        trouble = self._trouble
        self._pacer.answered(now, began, self._rows.in_flight)
        trouble.certain(began)
        if self._waiting:
            trouble.recovered(self._pacer.width)
            if trouble.at_once is None and trouble.gate <= now:
                self._waiting = False
                self._engine.tell(Resumed())

    def _hold_or_stop(self, stop: Stop | None, message: str, until: float | None) -> None:
        """Stop, or tell the listener how long everybody waits."""
        if stop is not None:
            self._stop(stop)
            return
        if self._trouble.probe_at is not None and self._prober is None and not self._rows.halted:
            self._prober = self._rows.start(self._probe())
        if self._rows.halted:
            return
        if until is not None and until > self._told_until + _TELL_SECONDS:
            self._waiting, self._told_until = True, until
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
                self._hold_or_stop(stop, message, trouble.probe_at)
        except Exception as error:  # noqa: BLE001  raised again when every row is reported
            self._fail(error)
        finally:
            self._prober = None
            self._rows.pump()


class Dispatcher:
    """The rows of one `send`: begins requests as soon as they may, reports each row once.

    `turn` is asked whether another request may begin beside so many in flight. It gives seconds to
    wait; 0 is now, and the request counts as begun; None is not before something changes.
    `exchange` sends a row once and gives its outcome, or None if it has put the row back. `failed`
    takes what one of these raised, and what else ended a request though nobody expected it: that is
    a bug, and must end the run in order instead of making it wait for good.
    """

    def __init__(
        self,
        turn: Callable[[int], float | None],
        exchange: Callable[[Row], Awaitable[Outcome | None]],
        report: Report,
        failed: Callable[[Exception], None],
    ) -> None:
        self.in_flight = 0
        self.halted = False
        self._turn = turn
        self._exchange = exchange
        self._report = report
        self._failed = failed
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Row] = deque()
        self._later: dict[Row, asyncio.TimerHandle] = {}
        self._complete = False
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()

    def add(self, requests: tuple[Request, ...]) -> None:
        """Take new rows, to be sent after those that wait."""
        for request in requests:
            self._put(Row(request), first=False)
        self.pump()

    def complete(self) -> None:
        """No more rows will be added."""
        self._complete = True
        self.pump()

    def put_back(self, row: Row) -> None:
        """Let a row that did not arrive be the next to be sent."""
        self._put(row, first=True)

    def put_off(self, row: Row, seconds: float) -> None:
        """Let a row that did not arrive be sent again after so long."""
        if self.halted:
            self._put(row, first=True)
        else:
            self._later[row] = self._loop.call_later(seconds, self._again, row)

    def take_back(self, row: Row) -> bool:
        """Take a row out that waits; False if it does not, since it is in flight or reported."""
        if (handle := self._later.pop(row, None)) is not None:
            handle.cancel()
            return True
        if row in self._ready:
            self._ready.remove(row)
            return True
        return False

    def halt(self) -> None:
        """Begin nothing more, and report all rows that are not in flight as pending."""
        self.halted = True
        for handle in (self._timer, *self._later.values()):
            if handle is not None:
                handle.cancel()
        waiting = [*self._later, *self._ready]
        self._later.clear()
        self._ready.clear()
        if waiting:
            self._report([_given_back(row) for row in waiting])
        self.pump()

    async def done(self) -> None:
        """Wait until every row is reported, or, once halted, every request has ended."""
        await self._idle.wait()

    async def close(self) -> None:
        """Cut off what is in flight: nobody reports those rows, so they read as uncertain."""
        self._closing = True
        self.halt()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def pump(self) -> None:
        """Begin what may begin now, and see to what is due later."""
        while (row := self._next()) is not None:
            self.start(self._serve(row))
        over = self.halted or (self._complete and not self._ready and not self._later)
        if over and not self.in_flight:
            self._idle.set()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run something that `close` cuts off."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _put(self, row: Row, *, first: bool) -> None:
        if self.halted:
            self._report((_given_back(row),))
        elif first:
            self._ready.appendleft(row)
        else:
            self._ready.append(row)

    def _again(self, row: Row) -> None:
        del self._later[row]
        self._put(row, first=True)
        self.pump()

    async def _serve(self, row: Row | None) -> None:
        """Send a row, and then others for as long as a request may begin."""
        while row is not None:
            try:
                outcome = await self._exchange(row)
            except asyncio.CancelledError:
                # Nobody but `close` should, yet then this row must not be waited for for good.
                if not self._closing:
                    self._failed(RuntimeError("a request was cut off"))
                raise
            finally:
                self.in_flight -= 1
                if self.halted:
                    self.pump()
            if outcome is not None:
                self._report((outcome,))
            row = self._next()
            self.pump()

    def _next(self) -> Row | None:
        """As `_take`, but what goes wrong ends the run in order."""
        try:
            return self._take()
        except Exception as error:  # noqa: BLE001  raised again when every row is reported
            self._failed(error)
            return None

    def _take(self) -> Row | None:
        """The row whose request begins now, if one may; otherwise it is asked again in time."""
        if self.halted or not self._ready:
            return None
        wait = self._turn(self.in_flight)
        if wait is None:
            return None
        if wait > 0:
            self._wake_in(wait)
            return None
        self.in_flight += 1
        return self._ready.popleft()

    def _wake_in(self, seconds: float) -> None:
        # Asked of the timer itself, uvloop's does not know: a short wait becomes none there.
        at = self._loop.time() + seconds
        if self._timer is not None:
            if self._wakes_at <= at:
                return
            self._timer.cancel()
        self._timer, self._wakes_at = self._loop.call_later(seconds, self._woken), at

    def _woken(self) -> None:
        self._timer = None
        self.pump()


def _given_back(row: Row) -> Outcome:
    """The outcome of a row of which nothing more is sent in this run."""
    if row.doubtful:
        return _maybe_anothers(row.outcome(Status.UNCERTAIN))
    row.given_back = True
    return row.outcome(Status.PENDING)


def _maybe_anothers(outcome: Outcome, was: Status | None = None) -> Outcome:
    """The outcome of a row whose answer may be another row's: uncertain, its numberids kept."""
    message = "the service sent answers nobody had asked for, and this row's may be another's"
    if outcome.status is not Status.UNCERTAIN:
        message += f": {outcome.status} {'|'.join(outcome.numberids)}".rstrip()
    return in_doubt(outcome, "stray_answer", message, was)
