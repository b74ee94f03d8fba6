"""Senders elsewhere: an engine that divides leases among them, and knows what each still owes.

A row goes to one sender, once. A sender that is lost, however that came, owes the outcomes of all
rows it was given and has not reported: they are uncertain, and the others go on. What a sender
does with its rows is what :mod:`importer.sending.local` does, on a loop of its own.

Concurrency and rate are totals: each sender gets its part of them. Where the concurrency is to be
found, each finds its own. Which failures are too many is counted here, over all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from importer.model import Event, Lease, Outcome, PaceChanged, Request, Status, Stop, StrayAnswer
from importer.sending.failures import Failures
from importer.sending.frames import (
    Kind,
    distrust_frame,
    framed,
    lease_frame,
    parted,
    read_event,
    read_outcomes,
    read_stopped,
    read_width,
    renewal_frame,
)
from importer.sending.lease import LEASE_SECONDS, RENEW_SECONDS
from importer.sending.protocol import Report
from importer.sending.width import START
from importer.settings import MaxFailures, Pace


class Link(Protocol):
    """A way to one sender and back; frames arrive whole and in order, or the link is lost."""

    @property
    def name(self) -> str:
        """The sender, for people."""
        ...

    @property
    def clock(self) -> float:
        """The sender's own clock (`lease.awake_or_asleep`), as it was last known, never ahead."""
        ...

    def send(self, frame: bytes) -> None:
        """Send a frame, without waiting; does nothing once the link is lost."""
        ...

    def frames(self) -> AsyncIterator[bytes]:
        """What comes back, without the frames' lengths; ends when the link is lost or closed."""
        ...


Links = Callable[[], contextlib.AbstractAsyncContextManager[Sequence[Link]]]
"""Starts the senders, each with its part of concurrency and rate, and ends them."""

_LOST_HINT = "It may exist: look for it in the service before sending it again."


@dataclass(frozen=True, slots=True)
class RemoteEngine:
    """Sends through senders elsewhere; see :class:`importer.sending.protocol.Engine`.

    `pace` is the total over `workers` senders.
    """

    links: Links
    workers: int
    pace: Pace
    max_failures: MaxFailures | None = None
    on_event: Callable[[Event], None] = lambda event: None
    on_renewal: Callable[[], None] = lambda: None
    """Called before the senders' term is renewed."""
    _widths: dict[str, int] = field(default_factory=dict, init=False)
    _senders: list[_Sender] = field(default_factory=list, init=False)

    @property
    def width(self) -> int:
        """How many rows the senders that are left have use for at once; see :class:`Engine`."""
        return max(1, sum(self._widths.values())) if self._widths else self.workers * START

    async def send(
        self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
    ) -> Stop | None:
        """Send all leased rows. Raises RuntimeError for a bug that a sender met, at the end."""
        async with self.links() as links:
            parts = parts_of(self.pace, len(links))
            senders = [
                _Sender(link, part.concurrency or START)
                for link, part in zip(links, parts, strict=True)
            ]
            self._senders[:] = senders
            self._widths.update((sender.link.name, sender.width) for sender in senders)
            crew = _Crew(self, senders, report)
            return await crew.work(leases, stop)

    def distrust(self, row: int) -> None:
        """A row's answer may be another's; see :class:`importer.sending.protocol.Engine`."""
        for sender in self._senders:
            if not sender.ended:
                sender.link.send(distrust_frame(row))

    def take_width(self, name: str, width: int) -> None:
        """A sender has use for so many rows at once; 0 is that it is gone."""
        if width:
            self._widths[name] = width
        else:
            self._widths.pop(name, None)


def parts_of(pace: Pace, workers: int) -> list[Pace]:
    """A pace divided among workers, of whom there are no more than may be in flight at once."""
    workers = min(workers, pace.concurrency or workers)
    rate = None if pace.rate is None else pace.rate / workers
    widths: list[int | None] = [None] * workers
    if pace.concurrency is not None:
        each, over = divmod(pace.concurrency, workers)
        widths = [each + (place < over) for place in range(workers)]
    return [replace(pace, concurrency=width, rate=rate) for width in widths]


@dataclass(slots=True, eq=False)
class _Sender:
    """One sender and the rows it owes outcomes for."""

    link: Link
    width: int
    owed: set[int] = field(default_factory=set)
    ended: bool = False


class _Crew:
    """One `send`; all of it happens on the loop's thread."""

    def __init__(self, engine: RemoteEngine, senders: list[_Sender], report: Report) -> None:
        self._engine = engine
        self._senders = senders
        self._report = report
        self._failures = Failures(engine.max_failures)
        self._verdict: Stop | None = None
        self._failure: str | None = None
        self._halt = asyncio.Event()
        self._complete = False
        self._distrustful = False

    async def work(self, leases: AsyncIterator[Lease], stop: asyncio.Event) -> Stop | None:
        self._renew()
        listeners = [asyncio.create_task(self._listen(sender)) for sender in self._senders]
        others = [
            asyncio.create_task(work)
            for work in (
                self._feed(leases),
                self._relay(stop),
                self._end_all(),
                self._keep_renewing(),
            )
        ]
        try:
            await asyncio.gather(*listeners)
        finally:
            for task in (*listeners, *others):
                task.cancel()
            await asyncio.gather(*listeners, *others, return_exceptions=True)
        if self._failure is not None:
            raise RuntimeError(self._failure)
        return self._verdict

    def _renew(self) -> None:
        self._engine.on_renewal()
        for sender in self._senders:
            if not sender.ended:
                sender.link.send(renewal_frame(sender.link.clock + LEASE_SECONDS))

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            self._renew()

    async def _relay(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._halt.set()

    async def _end_all(self) -> None:
        await self._halt.wait()
        for sender in self._senders:
            sender.link.send(framed(Kind.HALT))

    async def _feed(self, leases: AsyncIterator[Lease]) -> None:
        try:
            async for lease in leases:
                self._divide(lease.requests)
            self._complete = True
        finally:
            # An empty lease is the last: a sender ends when its rows are reported.
            for sender in self._senders:
                sender.link.send(lease_frame(()))

    def _divide(self, requests: Sequence[Request]) -> None:
        """Give each sender what it has room for, in the measure of that room."""
        senders = [sender for sender in self._senders if not sender.ended]
        if self._halt.is_set() or not senders:
            self._report([Outcome(request.row, Status.PENDING) for request in requests])
            return
        widths = self._engine._widths
        room = [max(0, 2 * widths.get(s.link.name, 1) - len(s.owed)) for s in senders]
        if sum(room) < len(requests):
            # Widths have fallen since these were granted.
            room = [widths.get(s.link.name, 1) for s in senders]
        total, start, given = sum(room), 0, 0
        for sender, free in zip(senders, room, strict=True):
            given += free
            end = len(requests) * given // total
            if part := requests[start:end]:
                sender.owed.update(request.row for request in part)
                sender.link.send(lease_frame(part))
            start = end

    async def _listen(self, sender: _Sender) -> None:
        """Take in what a sender says, until it has ended or is lost."""
        why: str | None = "ended without a word"
        try:
            async for frame in sender.link.frames():
                if self._hear(sender, *parted(frame)):
                    asked = self._complete or self._halt.is_set()
                    why = None if asked else "ended before it was asked to"
                    break
        except (ValueError, KeyError, TypeError) as error:
            self._fail(f"{sender.link.name} sent nonsense: {error}")
        self._over(sender, why)

    def _hear(self, sender: _Sender, kind: Kind, content: bytes) -> bool:
        """Act on a frame; True if it was the last."""
        match kind:
            case Kind.OUTCOMES:
                self._take(sender, read_outcomes(content))
            case Kind.EVENT:
                self._tell(sender, read_event(content))
            case Kind.WIDTH:
                self._engine.take_width(sender.link.name, read_width(content))
            case Kind.STOPPED:
                self._stop(read_stopped(content))
            case Kind.FAILED:
                self._fail(f"{sender.link.name} {content.decode('utf-8', 'replace')}")
            case Kind.END:
                return True
            case _:
                raise ValueError(f"a sender does not send {kind}")
        return False

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why
        self._halt.set()

    def _take(self, sender: _Sender, outcomes: list[Outcome]) -> None:
        owed = [o for o in outcomes if o.was is not None or o.row in sender.owed]
        sender.owed.difference_update(outcome.row for outcome in owed)
        self._report(owed)
        for outcome in owed:
            self._stop(self._failures.count(outcome))

    def _tell(self, sender: _Sender, event: Event) -> None:
        if isinstance(event, PaceChanged):
            sender.width = event.width
            width = sum(other.width for other in self._senders if not other.ended)
            rate = None if event.rate is None else event.rate * len(self._senders)
            event = PaceChanged(width, rate)
        if isinstance(event, StrayAnswer):
            # They all ask the same service; what this makes the others tell is no news.
            if self._distrustful:
                return
            self._distrustful = True
            self._engine.distrust(0)
        self._engine.on_event(event)

    def _over(self, sender: _Sender, why: str | None) -> None:
        """A sender is gone, in order or not: what it owes may have arrived."""
        sender.ended = True
        self._engine.take_width(sender.link.name, 0)
        owed, sender.owed = sorted(sender.owed), set()
        if owed:
            message = f"given to {sender.link.name}, which {why or 'did not report it'}"
            lost = [
                Outcome(row, Status.UNCERTAIN, (), 1, None, "sender_lost", message, _LOST_HINT)
                for row in owed
            ]
            self._report(lost)
            for outcome in lost:
                self._stop(self._failures.count(outcome))
        left = [other for other in self._senders if not other.ended]
        if why is not None and not left and not self._complete:
            self._stop(
                Stop(
                    "senders_lost",
                    "all senders have ended",
                    "Is there memory enough? The rows that were not sent are pending: resume.",
                )
            )

    def _stop(self, verdict: Stop | None) -> None:
        if verdict is not None:
            self._verdict = self._verdict or verdict
            self._halt.set()
