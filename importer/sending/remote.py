"""Senders in other processes: an engine that divides leases among them, and local processes.

A row is granted to one sender, once. If a sender is lost, for whatever reason, the rows that it was
granted and has not reported are uncertain, and the other senders go on. A sender sends its rows by
:mod:`importer.sending.local`, on a loop of its own.

Concurrency and rate are totals: each sender gets its part of them. Without a given concurrency,
each sender finds its own. Failures are counted here, over all senders.

Sender processes (:func:`sender_processes`) are programs of ours at the other end of two pipes. They
are started as programs, not forked, so that they behave alike on every system and in every caller's
program. They ignore Ctrl-C, which reaches all processes of a terminal: the coordinator has them
finish what is in flight. When the coordinator ends, in whatever way, the kernel kills them on
Linux; elsewhere their standard input ends, and they begin no more requests. Their settings, the API
key too, go through the pipe: the key is in no command line and no environment of theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from importer.model import (
    MAY_EXIST,
    Event,
    Lease,
    Outcome,
    PaceChanged,
    Request,
    Status,
    Stop,
    StrayAnswer,
)
from importer.sending.frames import (
    HEAD,
    LEASE_SECONDS,
    RENEW_SECONDS,
    FrameKind,
    boot_clock,
    distrust_frame,
    frame_length,
    lease_frame,
    make_frame,
    parse_frame,
    read_event,
    read_outcomes,
    read_stopped,
    read_width,
    renewal_frame,
)
from importer.sending.pace import START
from importer.sending.protocol import FailureCount, Report
from importer.settings import API_KEY_VARIABLE, MaxFailures, Pace


class Link(Protocol):
    """A connection to one sender; frames arrive whole and in order, or the link is lost."""

    @property
    def name(self) -> str:
        """The sender, for people."""
        ...

    @property
    def clock(self) -> float:
        """The latest known reading of the sender's `frames.boot_clock`: never ahead of it."""
        ...

    def send(self, frame: bytes) -> None:
        """Send a frame, without waiting; does nothing once the link is lost."""
        ...

    def frames(self) -> AsyncIterator[bytes]:
        """The sender's frames, without their lengths; ends when the link is lost or closed."""
        ...


Links = Callable[[], contextlib.AbstractAsyncContextManager[Sequence[Link]]]
"""Starts the senders, each with its part of concurrency and rate, and ends them."""


@dataclass(frozen=True, slots=True)
class RemoteEngine:
    """Sends through other processes; see :class:`importer.sending.protocol.Engine`.

    `pace` is the total over `workers` senders.
    """

    links: Links
    workers: int
    pace: Pace
    max_failures: MaxFailures | None = None
    on_event: Callable[[Event], None] = lambda event: None
    on_renewal: Callable[[], None] = lambda: None
    """Called before the senders' term is renewed."""
    _senders: list[_Sender] = field(default_factory=list, init=False)

    @property
    def width(self) -> int:
        """How many rows the remaining senders can use at once; see :class:`Engine`."""
        widths = [sender.width for sender in self._senders if not sender.ended]
        return max(1, sum(widths)) if widths else self.workers * START

    async def send(
        self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
    ) -> Stop | None:
        """Send all leased rows. Raises RuntimeError for a bug that a sender met, at the end."""
        async with self.links() as links:
            parts = parts_of(self.pace, len(links))
            senders = [
                _Sender(link, part.concurrency or START, part.concurrency or START)
                for link, part in zip(links, parts, strict=True)
            ]
            self._senders[:] = senders
            return await _Sending(self, senders, report).work(leases, stop)

    def distrust(self, row: int) -> None:
        """Doubt the answer to a row; see :class:`importer.sending.protocol.Engine`."""
        for sender in self._senders:
            if not sender.ended:
                sender.link.send(distrust_frame(row))


def parts_of(pace: Pace, workers: int) -> list[Pace]:
    """A pace divided among workers; no more workers than requests may be in flight."""
    workers = min(workers, pace.concurrency or workers)
    rate = None if pace.rate is None else pace.rate / workers
    widths: list[int | None] = [None] * workers
    if pace.concurrency is not None:
        each, over = divmod(pace.concurrency, workers)
        widths = [each + (place < over) for place in range(workers)]
    return [replace(pace, concurrency=width, rate=rate) for width in widths]


@dataclass(slots=True, eq=False)
class _Sender:
    """One sender and the rows it owes outcomes for.

    `concurrency` is how many requests it has in flight at most, and `width` how many rows it can
    use at once, which may be more (`protocol.Engine.width`).
    """

    link: Link
    concurrency: int
    width: int
    owed: set[int] = field(default_factory=set)
    ended: bool = False


class _Sending:
    """The state of one call of `RemoteEngine.send`; touched on the loop's thread only."""

    def __init__(self, engine: RemoteEngine, senders: list[_Sender], report: Report) -> None:
        self._engine = engine
        self._senders = senders
        self._report = report
        self._failures = FailureCount(engine.max_failures)
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
                self._watch(stop),
                self._send_halt(),
                self._renew_regularly(),
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

    async def _renew_regularly(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            self._renew()

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._halt.set()

    async def _send_halt(self) -> None:
        await self._halt.wait()
        for sender in self._senders:
            sender.link.send(make_frame(FrameKind.HALT))

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
        """Divide the rows among the senders, in proportion to what each can still take."""
        senders = [sender for sender in self._senders if not sender.ended]
        if self._halt.is_set() or not senders:
            self._report([Outcome(request.row, Status.PENDING) for request in requests])
            return
        room = [max(0, 2 * sender.width - len(sender.owed)) for sender in senders]
        if sum(room) < len(requests):
            # Widths have fallen since these were granted.
            room = [sender.width for sender in senders]
        total, start, given = sum(room), 0, 0
        for sender, free in zip(senders, room, strict=True):
            given += free
            end = len(requests) * given // total
            if part := requests[start:end]:
                sender.owed.update(request.row for request in part)
                sender.link.send(lease_frame(part))
            start = end

    async def _listen(self, sender: _Sender) -> None:
        """Handle a sender's frames until it has ended or is lost."""
        why: str | None = "ended without a word"
        try:
            async for frame in sender.link.frames():
                if self._handle(sender, *parse_frame(frame)):
                    asked = self._complete or self._halt.is_set()
                    why = None if asked else "ended before it was asked to"
                    break
        except (ValueError, KeyError, TypeError) as error:
            self._fail(f"{sender.link.name} sent nonsense: {error}")
        self._sender_gone(sender, why)

    def _handle(self, sender: _Sender, kind: FrameKind, content: bytes) -> bool:
        """Act on a frame; True if it was the last."""
        match kind:
            case FrameKind.OUTCOMES:
                self._receive_outcomes(sender, read_outcomes(content))
            case FrameKind.EVENT:
                self._forward(sender, read_event(content))
            case FrameKind.WIDTH:
                sender.width = max(1, read_width(content))
            case FrameKind.STOPPED:
                self._stop(read_stopped(content))
            case FrameKind.FAILED:
                self._fail(f"{sender.link.name} {content.decode('utf-8', 'replace')}")
            case FrameKind.END:
                return True
            case _:
                raise ValueError(f"a sender does not send {kind}")
        return False

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why
        self._halt.set()

    def _receive_outcomes(self, sender: _Sender, outcomes: list[Outcome]) -> None:
        owed = [o for o in outcomes if o.was is not None or o.row in sender.owed]
        sender.owed.difference_update(outcome.row for outcome in owed)
        self._report(owed)
        for outcome in owed:
            self._stop(self._failures.add(outcome))

    def _forward(self, sender: _Sender, event: Event) -> None:
        if isinstance(event, PaceChanged):
            sender.concurrency = event.width
            total = sum(other.concurrency for other in self._senders if not other.ended)
            rate = None if event.rate is None else event.rate * len(self._senders)
            event = PaceChanged(total, rate)
        if isinstance(event, StrayAnswer):
            # The senders ask the same service: one event is forwarded, and all are told.
            if self._distrustful:
                return
            self._distrustful = True
            self._engine.distrust(0)
        self._engine.on_event(event)

    def _sender_gone(self, sender: _Sender, why: str | None) -> None:
        """A sender has ended, in order (`why` is None) or not: rows that it owes are uncertain."""
        sender.ended = True
        owed, sender.owed = sorted(sender.owed), set()
        if owed:
            message = f"given to {sender.link.name}, which {why or 'did not report it'}"
            lost = [
                Outcome(row, Status.UNCERTAIN, (), 1, None, "sender_lost", message, MAY_EXIST)
                for row in owed
            ]
            self._report(lost)
            for outcome in lost:
                self._stop(self._failures.add(outcome))
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


_COMMAND = (sys.executable, "-m", "importer.sending.sender")
_END_SECONDS = 5.0
"""Seconds in which a sender must end by itself once its pipe is closed."""


@dataclass(frozen=True, slots=True)
class ProcessLink:
    """The pipes to a sender process and back."""

    name: str
    process: asyncio.subprocess.Process

    @property
    def clock(self) -> float:
        """The clock of this machine, on which both ends are."""
        return boot_clock()

    def send(self, frame: bytes) -> None:
        """Send a frame; the pipe's buffer is bounded by what the coordinator grants."""
        pipe = self.process.stdin
        if pipe is not None and not pipe.is_closing():
            pipe.write(frame)

    async def frames(self) -> AsyncIterator[bytes]:
        """The process's frames, until it ends."""
        pipe = self.process.stdout
        if pipe is None:
            raise RuntimeError("a sender process without a pipe")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await pipe.readexactly(HEAD)
                yield await pipe.readexactly(frame_length(head))


@contextlib.asynccontextmanager
async def sender_processes(setups: Sequence[bytes]) -> AsyncIterator[Sequence[Link]]:
    """Start a sender for each setup, and end them all when the block ends."""
    links: list[ProcessLink] = []
    try:
        for setup in setups:
            process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                str(os.getpid()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={k: v for k, v in os.environ.items() if k != API_KEY_VARIABLE},
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                start_new_session=sys.platform != "win32",
            )
            links.append(ProcessLink(f"sender process {process.pid}", process))
            links[-1].send(make_frame(FrameKind.SETUP, setup))
        yield links
    finally:
        await asyncio.gather(*(_end_process(link.process) for link in links))


async def _end_process(process: asyncio.subprocess.Process) -> None:
    """End a process by closing its standard input; kill it if that does not help."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _END_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
