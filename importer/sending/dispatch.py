"""Rows on their way through one event loop: which wait, which are in flight, and when it is over.

Whenever something changes (rows came, a request ended, a wait is over) it is asked anew whether
another request may begin, in one place; no task waits for its turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from importer.model import Outcome, Request, Status
from importer.sending.protocol import Report


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


def doubted(outcome: Outcome, was: Status | None = None) -> Outcome:
    """The outcome of a row whose answer may be another's: uncertain, its numberids kept."""
    said = f": {outcome.status} {'|'.join(outcome.numberids)}".rstrip()
    return outcome._replace(
        status=Status.UNCERTAIN,
        code="stray_answer",
        message="the service sent answers nobody had asked for, and this row's may be another's"
        + ("" if outcome.status is Status.UNCERTAIN else said),
        hint="It may exist: look for it in the service before sending it again.",
        was=was,
    )


class Dispatcher:
    """Begins requests as soon as they may, and reports what becomes of each row once.

    `turn` gives the seconds until another request may begin beside so many in flight: 0 is now,
    and the request counts as begun; None is not before something changes. `exchange` sends a row
    once and gives its outcome, or None if it has put it back. `failed` takes what one of them
    raised, or what nobody expected to end a request: that is a bug, and it must not become a wait
    without end.
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
        return doubted(row.outcome(Status.UNCERTAIN))
    row.given_back = True
    return row.outcome(Status.PENDING)
