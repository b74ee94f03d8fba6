"""The local engine: requests in flight on one event loop, as many as the pace allows.

A reply that refuses a row affects that row only; a reply that refuses us stops all. `pace` says
when a request may begin, and `trouble` what the service's trouble means for all rows.

`Dispatcher` holds the rows, waiting and in flight. Whenever something changes (rows came, a request
ended, a wait is over) one function checks whether another request may begin; no task waits for its
turn.

Stray answers (`LocalEngine.suspect`, `distrust`): where a connection brings an answer that nobody
asked for, or two rows get one numberid, the answers of that connection within the last second may
be those of other rows. So the answers of the last second are remembered with their connections, and
their rows are then reported as uncertain, even if they were reported as created or rejected before.
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
"""How long an answer is remembered: what comes behind it may show that it is another row's."""
_LEASE_CHECK_SECONDS = 0.05
"""How often a sender whose lease is over checks whether it was renewed."""
_ANNOUNCE_SECONDS = 0.1
"""A wait that grows by less is not announced again."""


@dataclass(slots=True, eq=False)
class Row:
    """A row while it is sent; `counted_tries` are the attempts that use up its retries."""

    request: Request
    attempts: int = 0
    counted_tries: int = 0
    throttles: int = 0
    status: int | None = None
    answer_doubted: bool = False
    """An earlier answer to it may have been another row's: it may exist already."""
    reported_pending: bool = False
    """It was reported as pending, after sending was halted."""

    def outcome(
        self,
        status: Status,
        numberids: tuple[str, ...] = (),
        code: str | None = None,
        message: str | None = None,
        hint: str | None = None,
    ) -> Outcome:
        """Its outcome, with the attempts so far and the last HTTP status."""
        return Outcome(
            self.request.row, status, numberids, self.attempts, self.status, code, message, hint
        )


class _RecentAnswer(NamedTuple):
    """An answer to a row: its time and connection; `outcome` is None where the row is retried."""

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
            lambda width, rate: self.emit(PaceChanged(width, rate)),
        )
        object.__setattr__(self, "pacer", pacer)

    def emit(self, event: Event) -> None:
        """Call the listener; an exception of it is raised at the end of `send`."""
        try:
            self.on_event(event)
        except Exception as error:  # noqa: BLE001  raised again when every row is reported
            self.listener_errors.append(error)

    @property
    def width(self) -> int:
        """How many rows it can use at once, now."""
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
        """Doubt the recent answers of a connection, on which an unasked answer came."""
        for sending in self.under_way:
            sending.suspect(connection, "the service sent an answer that nobody had asked for")

    def distrust(self, row: int) -> None:
        """Doubt the answer to a row; see :class:`importer.sending.protocol.Engine`."""
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
        self._rows = Dispatcher(self._seconds_to_next, self._exchange, report, self._fail)
        self._lease_reader: asyncio.Task[None] | None = None
        self._prober: asyncio.Task[None] | None = None
        self._verdict: Stop | None = None
        self._failure: Exception | None = None
        self._failures = FailureCount(engine.policy.max_failures)
        self._waiting, self._announced_until = False, -math.inf
        self._recent_answers: deque[_RecentAnswer] = deque()
        self._distrustful = False

    async def work(self, leases: AsyncIterator[Lease], stop: asyncio.Event) -> Stop | None:
        self._lease_reader = asyncio.create_task(self._feed(leases))
        watcher = asyncio.create_task(self._watch(stop))
        try:
            await self._rows.done()
        finally:
            for task in (self._lease_reader, watcher):
                task.cancel()
            await self._rows.close()
            await asyncio.gather(self._lease_reader, watcher, return_exceptions=True)
        for error in (self._failure, *self._engine.listener_errors):
            if error is not None:
                raise error
        if not self._lease_reader.cancelled():
            self._lease_reader.result()
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
        for task in (self._lease_reader, self._prober):
            if task is not None:
                task.cancel()
        self._rows.halt()

    def _seconds_to_next(self, in_flight: int) -> float | None:
        """Seconds until another request may begin; see :class:`Dispatcher`."""
        if not self._engine.may_begin():
            return _LEASE_CHECK_SECONDS
        trouble, pacer = self._trouble, self._pacer
        room, width = trouble.max_in_flight, pacer.width
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
        """Remember on which connection a row was answered; returns its outcome."""
        now = self._clock()
        while self._recent_answers and self._recent_answers[0].at < now - _SECONDS_OF_DOUBT:
            self._recent_answers.popleft()
        if row.answer_doubted and outcome is not None:
            outcome = _as_stray(outcome)
        self._recent_answers.append(_RecentAnswer(now, reply.connection, row, outcome))
        if reply.stray:
            self.suspect(reply.connection, "the service gave more than one answer to a request")
        return outcome

    def suspect(self, connection: int, why: str) -> None:
        """Doubt the answers of a connection within the last second; 0 is no known connection.

        From the first call on, each connection is used once, so that a further unasked answer shows
        at once.
        """
        if not self._distrustful:
            self._distrustful = True
            self._engine.stop_reusing_connections()
            self._engine.emit(StrayAnswer(why))
        since = self._clock() - _SECONDS_OF_DOUBT
        doubted: list[Outcome] = []
        for place, answered in enumerate(self._recent_answers):
            if connection and answered.connection == connection and answered.at >= since:
                doubted += self._doubt(answered)
                self._recent_answers[place] = answered._replace(connection=0)
        if doubted:
            self._report(doubted)
            # If these were the last waiting rows, no other event would end `send`.
            self._rows.pump()

    def distrust(self, row: int) -> None:
        """Suspect the connection on which a row was answered."""
        connections = [a.connection for a in self._recent_answers if a.row.request.row == row]
        number = connections[-1] if connections else 0
        self.suspect(number, "the service gave one numberid to two rows")

    def _doubt(self, answered: _RecentAnswer) -> Iterator[Outcome]:
        """The outcome to report of a row whose answer may be another row's, if there is one now."""
        row, outcome = answered.row, answered.outcome
        if outcome is None:
            # After that answer the row waits for a retry, is in flight again, or was reported as
            # pending. If the answer was another row's, this one may have arrived all the same.
            if self._rows.take_back(row):
                yield _as_stray(row.outcome(Status.UNCERTAIN))
            elif row.reported_pending:
                row.reported_pending, row.answer_doubted = False, True
                yield _as_stray(row.outcome(Status.UNCERTAIN), was=Status.PENDING)
            else:
                row.answer_doubted = True
        elif outcome.status in _CERTAIN:
            yield _as_stray(outcome, was=outcome.status)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._halt()

    def _settle(self, row: Row, reply: Reply, began: float) -> Outcome | None:
        """Act on a reply; the outcome of its row, or None where it is retried."""
        now, trouble, policy = self._clock(), self._trouble, self._engine.policy
        row.status = reply.http_status
        sent = reply.wire is not Wire.NOT_SENT
        attempt = row.counted_tries + 1 if sent else trouble.connect_attempt
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
                self._announce_or_stop(
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
                self._announce_or_stop(stop, message, trouble.gate)
            case Retry(after=after, message=message) if not sent:
                self._rows.put_back(row)
                self._announce_or_stop(
                    trouble.unreachable(now, began, after, message), message, trouble.gate
                )
            case Retry(after=after):
                row.counted_tries += 1
                self._rows.put_off(row, after)
        return None

    def _certain(self, now: float, began: float) -> None:
        trouble = self._trouble
        self._pacer.answered(now, began, self._rows.in_flight)
        trouble.certain(began)
        if self._waiting:
            trouble.recovered(self._pacer.width)
            if trouble.max_in_flight is None and trouble.gate <= now:
                self._waiting = False
                self._engine.emit(Resumed())

    def _announce_or_stop(self, stop: Stop | None, message: str, until: float | None) -> None:
        """Stop, or tell the listener until when all rows wait."""
        if stop is not None:
            self._stop(stop)
            return
        if self._trouble.probe_at is not None and self._prober is None and not self._rows.halted:
            self._prober = self._rows.start(self._probe())
        if self._rows.halted:
            return
        if until is not None and until > self._announced_until + _ANNOUNCE_SECONDS:
            self._waiting, self._announced_until = True, until
            seconds = max(0.0, until - self._clock())
            total = self._trouble.throttled_seconds
            self._engine.emit(Waiting(seconds, message, total))

    def _stop(self, verdict: Stop) -> None:
        if self._verdict is None:
            self._verdict = verdict
        self._halt()

    async def _probe(self) -> None:
        """Send the harmless GET until it is answered well; then one row at a time is sent."""
        trouble, engine = self._trouble, self._engine
        try:
            while (at := trouble.probe_at) is not None:
                await asyncio.sleep(max(0.0, at - self._clock()))
                if engine.probe is None:
                    trouble.probed(self._clock(), 0.0, well=True, message="")
                    break
                engine.emit(Probing("nobody knows what became of the last rows"))
                reply = await engine.probe()
                jitter = random.random()  # noqa: S311  spreads waits, keeps no secret
                verdict = engine.judge(reply, 1, engine.policy, jitter, 0)
                if isinstance(verdict, Stop):
                    self._stop(verdict)
                    break
                well = reply.http_status == 200 and reply.understood and not reply.errors
                message = reply.detail or f"HTTP {reply.http_status}"
                stop = trouble.probed(self._clock(), jitter, well=well, message=message)
                self._announce_or_stop(stop, message, trouble.probe_at)
        except Exception as error:  # noqa: BLE001  raised again when every row is reported
            self._fail(error)
        finally:
            self._prober = None
            self._rows.pump()


class Dispatcher:
    """The rows of one `send`: begins requests as soon as they may, reports each row once.

    `seconds_to_next` takes the number of requests in flight and returns the seconds until another
    may begin: 0 is now, and the request counts as begun; None is not before something changes.
    `exchange` sends a row once and returns its outcome, or None if it has put the row back.
    `failed` takes an exception of either, or of a request that was cancelled by nobody we know:
    that is a bug, and must end the run in order instead of making it wait for ever.
    """

    def __init__(
        self,
        seconds_to_next: Callable[[int], float | None],
        exchange: Callable[[Row], Awaitable[Outcome | None]],
        report: Report,
        failed: Callable[[Exception], None],
    ) -> None:
        self.in_flight = 0
        self.halted = False
        self._seconds_to_next = seconds_to_next
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
        """Queue new rows behind those that wait."""
        for request in requests:
            self._put(Row(request), first=False)
        self.pump()

    def complete(self) -> None:
        """No more rows will be added."""
        self._complete = True
        self.pump()

    def put_back(self, row: Row) -> None:
        """Queue a row that did not arrive before all others."""
        self._put(row, first=True)

    def put_off(self, row: Row, seconds: float) -> None:
        """Queue a row that did not arrive, before all others, after so many seconds."""
        if self.halted:
            self._put(row, first=True)
        else:
            self._later[row] = self._loop.call_later(seconds, self._again, row)

    def take_back(self, row: Row) -> bool:
        """Remove a waiting row; False if it does not wait: it is in flight or reported."""
        if (handle := self._later.pop(row, None)) is not None:
            handle.cancel()
            return True
        if row in self._ready:
            self._ready.remove(row)
            return True
        return False

    def halt(self) -> None:
        """Begin no more requests, and report all waiting rows as pending."""
        self.halted = True
        for handle in (self._timer, *self._later.values()):
            if handle is not None:
                handle.cancel()
        waiting = [*self._later, *self._ready]
        self._later.clear()
        self._ready.clear()
        if waiting:
            self._report([_as_pending(row) for row in waiting])
        self.pump()

    async def done(self) -> None:
        """Wait until every row is reported, or, once halted, every request has ended."""
        await self._idle.wait()

    async def close(self) -> None:
        """Cancel what is in flight: these rows are not reported, and read as uncertain."""
        self._closing = True
        self.halt()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def pump(self) -> None:
        """Begin all requests that may begin now, and notice the end."""
        while (row := self._next()) is not None:
            self.start(self._serve(row))
        over = self.halted or (self._complete and not self._ready and not self._later)
        if over and not self.in_flight:
            self._idle.set()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a task that `close` cancels."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _put(self, row: Row, *, first: bool) -> None:
        if self.halted:
            self._report((_as_pending(row),))
        elif first:
            self._ready.appendleft(row)
        else:
            self._ready.append(row)

    def _again(self, row: Row) -> None:
        del self._later[row]
        self._put(row, first=True)
        self.pump()

    async def _serve(self, row: Row | None) -> None:
        """Send a row, and then further rows for as long as a request may begin."""
        while row is not None:
            try:
                outcome = await self._exchange(row)
            except asyncio.CancelledError:
                # Only `close` should cancel; after any other, nobody must wait for this row.
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
        """The row whose request begins now, if one may; else the timer is set where that helps."""
        if self.halted or not self._ready:
            return None
        try:
            wait = self._seconds_to_next(self.in_flight)
        except Exception as error:  # noqa: BLE001  raised again when every row is reported
            self._failed(error)
            return None
        if wait is None:
            return None
        if wait > 0:
            self._wake_in(wait)
            return None
        self.in_flight += 1
        return self._ready.popleft()

    def _wake_in(self, seconds: float) -> None:
        # Not `TimerHandle.when()`: with uvloop it is wrong for short waits.
        at = self._loop.time() + seconds
        if self._timer is not None:
            if self._wakes_at <= at:
                return
            self._timer.cancel()
        self._timer, self._wakes_at = self._loop.call_later(seconds, self._on_timer), at

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()


def _as_pending(row: Row) -> Outcome:
    """The outcome of a waiting row when sending is halted: pending, or uncertain if in doubt."""
    if row.answer_doubted:
        return _as_stray(row.outcome(Status.UNCERTAIN))
    row.reported_pending = True
    return row.outcome(Status.PENDING)


def _as_stray(outcome: Outcome, was: Status | None = None) -> Outcome:
    """The uncertain outcome of a row whose answer may be another row's; numberids are kept."""
    message = "the service sent answers nobody had asked for, and this row's may be another's"
    if outcome.status is not Status.UNCERTAIN:
        message += f": {outcome.status} {'|'.join(outcome.numberids)}".rstrip()
    return in_doubt(outcome, "stray_answer", message, was)
