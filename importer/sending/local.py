"""The local engine: a pool of workers on one event loop, each with one request in flight.

A worker keeps a row until it is settled. Rows wait singly after trouble of their own, and all
together when the service asks for it. A row that is refused disturbs no other; a reply that
refuses us stops them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from importer.model import (
    Done,
    Lease,
    Outcome,
    Rejected,
    Reply,
    Request,
    Retry,
    Status,
    Stop,
    Uncertain,
    Verdict,
)
from importer.sending.protocol import Report
from importer.settings import RetryPolicy

_log = logging.getLogger(__name__)

Post = Callable[[bytes], Awaitable[Reply]]
"""Sends one body, once; trouble of the network is part of the Reply and never raised."""


Judge = Callable[[Reply, int, RetryPolicy, float, int], Verdict]
"""Says what a reply means: (reply, attempt, policy, jitter, throttles) → verdict; pure."""


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Sends with `concurrency` requests in flight, from the event loop it is called on."""

    post: Post
    judge: Judge
    policy: RetryPolicy
    concurrency: int

    async def send(
        self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
    ) -> Stop | None:
        """Send all leased rows; see :class:`importer.sending.protocol.Engine`.

        Raises what `post` or `judge` raised, which is a bug, after every row was reported.
        """
        return await _Crew(self, report).work(leases, stop)


class _Crew:
    def __init__(self, engine: LocalEngine, report: Report) -> None:
        self._engine = engine
        self._report = report
        self._queue: asyncio.Queue[Request | None] = asyncio.Queue()
        self._halt = asyncio.Event()
        self._verdict: Stop | None = None
        self._failure: Exception | None = None
        self._now = asyncio.get_running_loop().time
        self._gate = 0.0
        self._throttled_since: float | None = None

    async def work(self, leases: AsyncIterator[Lease], stop: asyncio.Event) -> Stop | None:
        feeder = asyncio.create_task(self._feed(leases))
        watchers = [asyncio.create_task(self._watch(event, feeder)) for event in (stop, self._halt)]
        workers = [asyncio.create_task(self._worker()) for _ in range(self._engine.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in (feeder, *watchers):
                task.cancel()
            await asyncio.gather(feeder, *watchers, return_exceptions=True)
            self._give_back()
        if self._failure is not None:
            raise self._failure
        if not feeder.cancelled():
            feeder.result()
        return self._verdict

    async def _feed(self, leases: AsyncIterator[Lease]) -> None:
        # The queue needs no bound of its own: the coordinator's credits are one.
        try:
            async for lease in leases:
                for request in lease.requests:
                    self._queue.put_nowait(request)
        finally:
            self._queue.put_nowait(None)

    async def _watch(self, event: asyncio.Event, feeder: asyncio.Task[None]) -> None:
        await event.wait()
        self._halt.set()
        self._give_back()
        feeder.cancel()

    def _give_back(self) -> None:
        """Report all rows that wait for a worker as not sent."""
        while not self._queue.empty():
            request = self._queue.get_nowait()
            if request is not None:
                self._report([Outcome(request.row, Status.PENDING)])
        if self._halt.is_set():
            self._queue.put_nowait(None)

    async def _worker(self) -> None:
        while (request := await self._queue.get()) is not None:
            outcome = await self._settle(request)
            self._report((outcome,))
        # The end is for the next worker, too.
        self._queue.put_nowait(None)

    async def _settle(self, request: Request) -> Outcome:
        """Send a row until there is a verdict that is not Retry."""
        row, attempts, throttles, status = request.row, 0, 0, None
        in_flight = False
        try:
            while await self._may_send():
                attempts += 1
                in_flight = True
                reply = await self._engine.post(request.body)
                status = reply.http_status
                verdict = self._engine.judge(
                    reply,
                    attempts - throttles,
                    self._engine.policy,
                    random.random(),  # noqa: S311  spreads waits, keeps no secret
                    throttles,
                )
                match verdict:
                    case Done(numberids):
                        self._throttled_since = None
                        return Outcome(row, Status.CREATED, numberids, attempts, status)
                    case Rejected(code, message, hint):
                        self._throttled_since = None
                        return Outcome(
                            row, Status.REJECTED, (), attempts, status, code, message, hint
                        )
                    case Uncertain(code, message, numberids, hint):
                        return Outcome(
                            row, Status.UNCERTAIN, numberids, attempts, status, code, message, hint
                        )
                    case Stop():
                        self._stop(verdict)
                    case Retry(after=after, throttled=True, message=message):
                        in_flight = False
                        throttles += 1
                        self._hold(after, message)
                    case Retry(after=after):
                        in_flight = False
                        await self._pause(after)
        except asyncio.CancelledError:
            if not in_flight:
                self._report([Outcome(row, Status.PENDING)])
            raise
        except Exception as error:  # noqa: BLE001  raised again when every row is reported
            self._failure = self._failure or error
            self._halt.set()
            if in_flight:
                message = f"sent, but the importer failed: {type(error).__name__}"
                hint = "It may exist: look for it in the service before sending it again."
                return Outcome(
                    row, Status.UNCERTAIN, (), attempts, status, "internal_error", message, hint
                )
        return Outcome(row, Status.PENDING, attempts=attempts)

    async def _may_send(self) -> bool:
        """Whether another request may begin, as soon as the service lets us; False: no more."""
        while not self._halt.is_set() and (wait := self._gate - self._now()) > 0:
            await self._pause(wait)
        return not self._halt.is_set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._halt.wait()

    def _stop(self, verdict: Stop) -> None:
        self._verdict = self._verdict or verdict
        self._halt.set()

    def _hold(self, after: float, message: str) -> None:
        """Let all workers wait, or stop if the service has kept them waiting for too long."""
        limit, now = self._engine.policy.give_up_after, self._now()
        if self._throttled_since is None:
            self._throttled_since = now
        left = self._throttled_since + limit - now
        if left <= 0:
            self._stop(
                Stop(
                    "throttled",
                    f"the service has let nothing through for {limit:.0f} s: {message}",
                    "Resume the run later, with a lower --concurrency.",
                )
            )
            return
        gate = now + min(after, left)
        if gate - max(self._gate, now) >= 1.0:
            _log.warning("all requests wait %.1f s: %s", gate - now, message)
        self._gate = max(self._gate, gate)
