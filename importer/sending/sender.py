"""A sender process: ``python -m importer.sending.sender`` sends the leases of a RemoteEngine.

Frames come on standard input and go on standard output (:mod:`importer.sending.frames`); the first
one says where to send and as whom. Two threads do the blocking reads and writes, alike on every
system. If standard input ends early, the coordinator is gone: no more requests begin, and those in
flight are finished, since cancelling them would only make more rows uncertain. A sender that was
frozen may not notice this in time. So it sends only during its lease's term (`frames.LeaseTerm`)
and only while it has its first parent, and Linux kills it with its parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import queue
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from io import RawIOBase
from typing import Any, BinaryIO

import orjson

from importer.api.client import Client
from importer.api.exchange import ExchangeCallbacks
from importer.api.verdict import judge
from importer.model import Event, Lease, Outcome, Status
from importer.sending.frames import (
    HEAD,
    FrameKind,
    LeaseTerm,
    event_frame,
    frame_length,
    make_frame,
    outcomes_frame,
    parse_frame,
    read_distrust,
    read_lease,
    read_renewal,
    stopped_frame,
    width_frame,
)
from importer.sending.local import LocalEngine
from importer.sending.loop import run_loop
from importer.settings import (
    Pace,
    RetryPolicy,
    Secret,
    Target,
    sent_settings,
    settings_of,
)

_ALLOCATIONS = 50_000
"""Allocations before the cyclic garbage collector runs, as in `importer.__main__`."""

Write = Callable[[bytes], None]
"""Queues a frame for the coordinator, without waiting."""


def setup_of(target: Target, pace: Pace, policy: RetryPolicy, *, keyless: bool = False) -> bytes:
    """Target, pace and retries of a sender, as the content of its first frame.

    It holds the API key unless `keyless`: then it must go through a pipe only.
    """
    about = {
        "target": {
            "base_url": target.base_url,
            "project": target.project,
            "customer": target.customer,
            "api_key": None if keyless else target.api_key.reveal(),
            "ca_file": None if target.ca_file is None else str(target.ca_file),
        },
        "settings": sent_settings(pace, policy),
    }
    return orjson.dumps(about)


def read_setup(content: bytes, key: Secret | None = None) -> tuple[Target, Pace, RetryPolicy]:
    """Read :func:`setup_of`; `key` is the API key for a setup that is keyless."""
    about: dict[str, dict[str, Any]] = orjson.loads(content)
    target, settings = about["target"], settings_of(about["settings"])
    secret = key or Secret(target["api_key"])
    return Target(**{**target, "api_key": secret}), settings.pace, settings.retry


_LINGER = 0.002
"""Seconds that an outcome waits for others, to go in one frame."""


class Sender:
    """Sends leased rows on the loop that it is made on, and reports their outcomes.

    No request begins once `term` is over. `write` takes frames for the coordinator and returns at
    once. All frames from the coordinator but the setup are passed to :meth:`take`.
    """

    def __init__(
        self, client: Client, pace: Pace, policy: RetryPolicy, term: LeaseTerm, write: Write
    ) -> None:
        self._write = write
        self._term = term
        self._leases: asyncio.Queue[Lease | None] = asyncio.Queue()
        self._stop = asyncio.Event()
        self._no_more_leases = asyncio.Event()
        self._reported: list[Outcome] = []
        self._linger: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._engine = LocalEngine(
            client.add,
            judge,
            policy,
            pace.concurrency,
            pace.rate,
            client.probe,
            self._send_event,
            may_begin=lambda: term.lasts,
            stop_reusing_connections=client.stop_reusing_connections,
        )
        self._sent_width = self._engine.width

    def take(self, frame: bytes | None) -> None:
        """Act on a frame of the coordinator; None says that no more will come."""
        kind, content = (FrameKind.HALT, b"") if frame is None else parse_frame(frame)
        match kind:
            case FrameKind.LEASE if content:
                self._leases.put_nowait(Lease(read_lease(content)))
            case FrameKind.LEASE:
                self._leases.put_nowait(None)
                self._no_more_leases.set()
            case FrameKind.RENEW:
                self._term.renew(read_renewal(content))
            case FrameKind.DISTRUST:
                self._engine.distrust(read_distrust(content))
            case FrameKind.HALT:
                self._stop.set()
                self._leases.put_nowait(None)
                self._no_more_leases.set()
            case _:
                raise ValueError(f"a sender is not sent {kind}")

    def suspect(self, connection: int) -> None:
        """Doubt the recent answers of a connection; see :meth:`LocalEngine.suspect`."""
        self._engine.suspect(connection)

    async def work(self) -> None:
        """Send until no more leases will come and all rows are reported."""
        try:
            verdict = await self._engine.send(self._take_leases(), self._report, self._stop)
        finally:
            # Whatever went wrong: each outcome reported now is a row less uncertain.
            self._flush()
        if verdict is not None:
            self._write(stopped_frame(verdict))
        await self._no_more_leases.wait()
        while not self._leases.empty():
            if (lease := self._leases.get_nowait()) is not None:
                self._write(
                    outcomes_frame([Outcome(r.row, Status.PENDING) for r in lease.requests])
                )
        self._write(make_frame(FrameKind.END))

    async def _take_leases(self) -> AsyncIterator[Lease]:
        while (lease := await self._leases.get()) is not None:
            yield lease

    def _report(self, outcomes: Sequence[Outcome]) -> None:
        self._reported += outcomes
        if len(self._reported) >= self._engine.width // 2:
            self._flush()
        elif self._linger is None:
            self._linger = self._loop.call_later(_LINGER, self._flush)

    def _flush(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if (width := self._engine.width) != self._sent_width:
            # A width that is tried can be measured only if there are rows enough to fill it.
            self._sent_width = width
            self._write(width_frame(width))
        if self._reported:
            self._write(outcomes_frame(self._reported))
            self._reported = []

    def _send_event(self, event: Event) -> None:
        self._write(event_frame(event))


def main() -> int:
    """Serve one coordinator, whose process id is the argument, where it is on this machine."""
    _end_with_parent()
    gc.set_threshold(_ALLOCATIONS)
    if len(sys.argv) > 1 and not _is_alive(int(sys.argv[1])):
        return 0
    # A service manager such as systemd signals all processes of a service. A sender ends when its
    # coordinator ends it, or is gone: else the answers to requests in flight would be lost.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Not buffered: a thread that waits in a buffer's lock keeps the program from ending.
    source = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
    sink = sys.stdout.buffer
    # Other output, as of print, must not get among the frames.
    sys.stdout = sys.stderr
    first = _read_frame(source)
    if first is None:
        return 0
    _, content = parse_frame(first)
    outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    writer = threading.Thread(target=_write_all, args=(sink, outbox))
    writer.start()
    try:
        run_loop(_serve(content, source, outbox.put))
    except Exception as error:
        outbox.put(make_frame(FrameKind.FAILED, f"failed: {type(error).__name__}".encode()))
        raise
    finally:
        outbox.put(None)
        writer.join()
    return 0


_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>: the signal that a process gets when its parent ends."""


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, be it frozen or not: Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # there the end of standard input tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class _ParentedTerm(LeaseTerm):
    """A term that is also over once the process's parent has changed: the first one is gone."""

    def __init__(self) -> None:
        super().__init__()
        self._parent = os.getppid()

    @property
    def lasts(self) -> bool:
        """Whether a request may begin now."""
        return super().lasts and os.getppid() == self._parent


async def _serve(setup: bytes, source: RawIOBase, write: Write) -> None:
    target, pace, policy = read_setup(setup)
    loop = asyncio.get_running_loop()
    term = _ParentedTerm()

    def suspect(connection: int) -> None:
        sender.suspect(connection)

    async with Client(target, pace, ExchangeCallbacks(lambda: term.lasts, suspect)) as client:
        sender = Sender(client, pace, policy, term, write)

        def listen() -> None:
            frame: bytes | None = b""
            while frame is not None:
                frame = _read_frame(source)
                with contextlib.suppress(RuntimeError):  # all is done, and the loop closed
                    loop.call_soon_threadsafe(sender.take, frame)

        # A daemon: nothing can wake it from its read when all is done.
        threading.Thread(target=listen, daemon=True).start()
        await sender.work()


def _read_frame(source: RawIOBase) -> bytes | None:
    """The next frame; None where the other end is gone."""
    head = _read_exactly(source, HEAD)
    return None if head is None else _read_exactly(source, frame_length(head))


def _read_exactly(source: RawIOBase, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size and (part := source.read(size)):
        parts.append(part)
        size -= len(part)
    return None if size else b"".join(parts)


def _write_all(sink: BinaryIO, outbox: queue.SimpleQueue[bytes | None]) -> None:
    while (frame := outbox.get()) is not None:
        try:
            sink.write(frame)
            if outbox.empty():
                sink.flush()
        except OSError:
            return  # the coordinator is gone; its journal has the rows as uncertain


if __name__ == "__main__":
    sys.exit(main())
