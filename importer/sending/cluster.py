"""Senders on the workers of a Dask cluster: one that exists, or one on this machine.

Dask runs a task again whose worker died, and even one that has finished where its result was lost;
a request must never be sent again. So no row is a task: Dask places one actor (an object that it
keeps on a worker, :class:`SenderActor`) on each worker, and leases and outcomes are frames that
the actor's methods take and give. An actor is bound to its worker.

Dask may call a method again whose answer was lost, and may make an actor anew whose worker is gone.
So each call names the session, a number that the actor drew when it was made, and the place in the
stream at which its frames stand. What was taken already is not taken again, and an actor that was
made anew knows nothing of the session, and refuses.

This end has a :class:`ClusterLink` for each worker. Whatever goes wrong with a call, nobody knows
what the sender made of it: the link is lost then, and nothing is tried again here.

The API key is the worker's own, from its environment: a task's arguments are kept by the scheduler
and shown on its pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pkgutil
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from multiprocessing import resource_tracker
from typing import Any, TypeVar

import importer
from importer.api.client import Client
from importer.api.exchange import ExchangeCallbacks
from importer.errors import ImporterError, ServiceError, UsageError
from importer.files import WorkingFolder
from importer.sending.frames import (
    FrameKind,
    LeaseTerm,
    boot_clock,
    make_frame,
    parse_frame,
    split_frames,
)
from importer.sending.loop import run_loop
from importer.sending.remote import Link
from importer.sending.sender import Sender, read_setup
from importer.settings import API_KEY_VARIABLE, CUSTOMER_VARIABLE, DEFAULT_WORKERS, Secret, Target

CONNECT_SECONDS = 10.0
"""Seconds to reach a scheduler, and for its workers to come."""
_PLACE_SECONDS = 30.0
"""Seconds in which a worker must start its actor: a busy one does not."""

_POLL_SECONDS = 5.0
"""Seconds that a call waits for frames before it gives none."""
_CALL_SECONDS = _POLL_SECONDS + 30.0
"""Seconds after which a call that is not answered is lost."""
_WATCH_SECONDS = 0.5
"""Seconds between two checks whether Dask has lost the actor."""
_CLOSE_SECONDS = 2.0
"""Seconds in which a link that is closed tries to halt its sender."""
ABANDONED_SECONDS = 30.0
"""Seconds without a call of its coordinator after which a sender begins no more requests."""
_LINGER = 0.005
"""Seconds the first frame waits for others to share its call, which costs a millisecond or more."""

_NO_ROUTES: dict[str, list[str]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""The configuration by which Dask's web servers have no pages: nobody looks at them here."""

Setups = Callable[[int], Sequence[bytes]]
"""The setups of so many senders, without the key."""

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def cluster_senders(
    target: Target, scheduler: str | None, workers: int | None, setups: Setups
) -> AsyncIterator[Sequence[Link]]:
    """Place a sender on each of `workers` workers, and give the ways to them.

    Without a scheduler a cluster is started on this machine, and ends with the block. `workers`
    left out are all workers of the cluster; where there are fewer setups, fewer. Raises
    ServiceError where the cluster cannot be reached or cannot send for this run; then nothing was
    sent.
    """
    if scheduler is None:
        workers = len(setups(workers or DEFAULT_WORKERS))
    with _quiet_logging():
        async with _client(target, scheduler, workers) as client:
            addresses = await _worker_addresses(client, workers)
            await _check_versions(client, addresses)
            parts = dict(zip(addresses, setups(len(addresses)), strict=False))
            links = await _place_actors(client, parts)
            try:
                yield links
            finally:
                await asyncio.gather(*(link.close() for link in links))


@contextlib.contextmanager
def _quiet_logging() -> Iterator[None]:
    """Silence Dask's logs, tracebacks of dying workers too, unless --verbose is given."""
    import distributed

    if logging.getLogger().isEnabledFor(logging.DEBUG):
        yield
        return
    names = (distributed.__name__, "distributed.client", "tornado.application")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextlib.asynccontextmanager
async def _client(target: Target, scheduler: str | None, workers: int | None) -> AsyncIterator[Any]:
    """A client of the cluster."""
    from distributed import Client

    async with contextlib.AsyncExitStack() as stack:
        place: Any = scheduler
        if scheduler is None:
            place = await stack.enter_async_context(_local_cluster(target, workers or 1))
        try:
            client = Client(
                place,
                asynchronous=True,
                set_as_default=False,
                timeout=CONNECT_SECONDS,
                # Else as the user's configuration has it: workers may be out of reach.
                direct_to_workers=True if scheduler is None else None,
            )
            await stack.enter_async_context(client)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise ServiceError(
                f"the Dask scheduler {scheduler or 'on this machine'} cannot be reached: {error}",
                "Check the address and that it runs; tls:// needs certificates (docs/scaling.md).",
            ) from None
        yield client


@contextlib.asynccontextmanager
async def _local_cluster(target: Target, workers: int) -> AsyncIterator[Any]:
    """A cluster of separate processes on this machine.

    A scheduler obeys everybody who can reach it. On a machine of several users loopback is not
    enough: it speaks TLS, with certificates that are made for it alone.
    """
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    with WorkingFolder() as folder:
        async with contextlib.AsyncExitStack() as stack:
            try:
                with _sigint_blocked(), dask.config.set(_NO_ROUTES):
                    cluster = await stack.enter_async_context(
                        LocalCluster(
                            n_workers=workers,
                            threads_per_worker=1,
                            processes=True,
                            host="127.0.0.1",
                            dashboard_address=None,
                            # Even so there is a web server; its usual port may be another's.
                            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                            asynchronous=True,
                            security=Security.temporary(),
                            silence_logs=logging.CRITICAL,
                            # Options of the workers: the environment goes through a pipe.
                            env={
                                API_KEY_VARIABLE: target.api_key.reveal(),
                                CUSTOMER_VARIABLE: target.customer,
                            },
                            preload=[__name__],
                            local_directory=folder,
                            memory_limit=0,
                        )
                    )
            except (OSError, RuntimeError, ImportError) as error:
                raise ServiceError(
                    f"no Dask cluster can be started here: {error}",
                    "On one machine, --engine processes does the same without Dask.",
                ) from None
            yield cluster


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Block SIGINT in processes started within the block; this one gets it when the block ends."""
    if not hasattr(signal, "pthread_sigmask"):
        yield  # the workers' preload does it
        return
    # multiprocessing starts this helper with the first process, and it unblocks the signal then.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def _worker_addresses(client: Any, workers: int | None) -> list[str]:
    """The workers to use."""
    with contextlib.suppress(TimeoutError):
        await client.wait_for_workers(workers or 1, timeout=CONNECT_SECONDS)
    found = sorted(await client.nthreads())
    if len(found) < (workers or 1):
        raise ServiceError(
            f"the Dask cluster has {len(found)} workers, and {workers or 1} are needed",
            "Start workers with this importer installed, or ask for fewer with --workers.",
        )
    return found[:workers]


async def _check_versions(client: Any, addresses: Sequence[str]) -> None:
    """Raise ServiceError unless all workers have our version, as frames and verdicts need."""
    found = await client.run(
        pkgutil.resolve_name, "importer:__version__", workers=list(addresses), on_error="return"
    )
    ours = importer.__version__
    wrong = [
        f"{address} has {'none' if isinstance(theirs, Exception) else theirs}"
        for address, theirs in sorted(found.items())
        if theirs != ours
    ]
    if wrong:
        raise ServiceError(
            f"the workers need vcc-importer {ours}, as this machine has: {', '.join(wrong)}",
            f'Install it where the workers run: pip install "vcc-importer[cluster]=={ours}"',
        )


async def _place_actors(client: Any, setups: dict[str, bytes]) -> list[ClusterLink]:
    """Place an actor on each worker; raises ServiceError unless all of them can send."""
    futures = {
        address: client.submit(
            SenderActor,
            setup,
            actor=True,
            workers=[address],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        for address, setup in setups.items()
    }

    async def greet(address: str) -> tuple[Any, str, float]:
        with client.as_current():  # an actor speaks through the client that it finds
            actor = await futures[address]
        return actor, *await actor.hello()

    greetings = [asyncio.wait_for(greet(address), _PLACE_SECONDS) for address in setups]
    answers = await asyncio.gather(*greetings, return_exceptions=True)
    wrong: dict[str, BaseException] = {
        address: answer
        for address, answer in zip(setups, answers, strict=True)
        if isinstance(answer, BaseException)
    }
    if wrong:
        what = (f"worker {address}: {_error_text(error)}" for address, error in wrong.items())
        hints = (error.hint for error in wrong.values() if isinstance(error, ImporterError))
        raise ServiceError("; ".join(what), next(hints, "Look at the worker's log."))
    return [
        ClusterLink(f"the sender on {address}", answer[0], futures[address], *answer[1:])
        for address, answer in zip(setups, answers, strict=True)
        if not isinstance(answer, BaseException)
    ]


def _error_text(error: BaseException) -> str:
    match error:
        case ImporterError():
            return error.message
        case TimeoutError():
            return f"busy, or lost: it took no sender in within {_PLACE_SECONDS:.0f} s"
        case _:
            return f"it takes no sender in: {error!r}"


class ClusterLink:
    """A link to an actor; the status of `future` says whether Dask still has it.

    `clock` is the sender's own, as of its last answer.
    """

    def __init__(self, name: str, actor: Any, future: Any, session: str, clock: float) -> None:
        self.name = name
        self.clock = clock
        self._actor, self._future, self._session = actor, future, session
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = False
        self._pushed = 0
        self._tasks = [asyncio.create_task(self._push_all()), asyncio.create_task(self._watch())]

    def send(self, frame: bytes) -> None:
        """Send a frame; what waits is bounded by what the coordinator grants."""
        if not self._lost.done():
            self._outbox.put_nowait(frame)

    async def frames(self) -> AsyncIterator[bytes]:
        """The sender's frames, until it has ended or is lost."""
        received = 0
        while (answer := await self._call("collect", received)) is not None:
            before, content, self.clock = answer
            if before != received:
                self._lose(f"frames {received} to {before} are gone")
                return
            for frame in split_frames(content):
                received += 1
                self._ended = parse_frame(frame)[0] in (FrameKind.END, FrameKind.FAILED)
                yield frame
                if self._ended:
                    return

    async def close(self) -> None:
        """End the link; a sender that has not ended begins nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._ended and not self._lost.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._push(make_frame(FrameKind.HALT)), _CLOSE_SECONDS)
        self._lose("closed")

    async def _push_all(self) -> None:
        while not self._lost.done():
            frames = [await self._outbox.get()]
            while not self._outbox.empty():
                frames.append(self._outbox.get_nowait())
            await self._push(b"".join(frames))

    async def _push(self, frames: bytes) -> None:
        self._pushed += 1
        await self._call("push", self._pushed, frames)

    async def _watch(self) -> None:
        # Dask has no event for a future that is lost after it was done.
        while self._future.status == "finished":  # noqa: ASYNC110
            await asyncio.sleep(_WATCH_SECONDS)
        self._lose(f"Dask calls it {self._future.status}")

    async def _call(self, method: str, *arguments: object) -> Any:
        """Call a method of the actor; where no answer comes, the link is lost, and this gives None.

        Dask's own call may wait for ever for an actor that is not coming back.
        """
        if self._lost.done():
            return None
        call = asyncio.ensure_future(self._call_actor(method, *arguments))
        try:
            await asyncio.wait(
                (call, self._lost), timeout=_CALL_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not self._lost.done() and not call.done():
                self._lose("no answer")
            if not self._lost.done() and (error := call.exception()) is not None:
                self._lose(repr(error))
            return None if self._lost.done() else call.result()
        finally:
            call.cancel()

    async def _call_actor(self, method: str, *arguments: object) -> Any:
        return await getattr(self._actor, method)(self._session, *arguments)

    def _lose(self, why: str) -> None:
        if not self._lost.done():
            _log.info("%s: %s", self.name, why)
            self._lost.set_result(None)


class SessionError(Exception):
    """A call for another session than this actor's, or out of turn: the link is lost."""


class SenderActor:
    """The sender of one run on one worker: an actor, whose methods the coordinator calls by Dask.

    It sends from a thread with a loop of its own, so that it and the worker's other tasks do not
    block each other.
    """

    def __init__(self, setup: bytes) -> None:
        self._session = secrets.token_hex(8)
        self._mailbox: Future[_Mailbox] = Future()
        # A daemon: a worker that is told to end is not held up.
        threading.Thread(
            target=self._run, args=(setup,), name="vcc-importer sender", daemon=True
        ).start()

    async def hello(self) -> tuple[str, float]:
        """The session, and this machine's clock.

        Raises UsageError where this worker cannot send for the run.
        """
        await asyncio.wrap_future(self._mailbox)
        return self._session, boot_clock()

    async def push(self, session: str, number: int, frames: bytes) -> bool:
        """Take frames; `number` counts these calls from 1, and a call is not taken twice."""
        return await self._in_mailbox(session, lambda mailbox: mailbox.push(number, frames))

    async def collect(self, session: str, received: int) -> tuple[int, bytes, float]:
        """The frames after the first `received`: the number before them, the frames, the clock.

        Waits for frames, at most `_POLL_SECONDS`. They are kept until a later call acknowledges
        them by its `received`.
        """
        return await self._in_mailbox(session, lambda mailbox: mailbox.collect(received))

    async def _in_mailbox(
        self, session: str, work: Callable[[_Mailbox], Coroutine[Any, Any, Answer]]
    ) -> Answer:
        if session != self._session:
            raise SessionError("this sender was made anew")
        mailbox = self._mailbox.result()
        if mailbox.closed:
            raise SessionError("this sender has ended")
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(work(mailbox), mailbox.loop)
        )

    def _run(self, setup: bytes) -> None:
        try:
            run_loop(self._serve(setup))
        except Exception as error:
            if self._mailbox.done():
                raise
            self._mailbox.set_exception(error)

    async def _serve(self, setup: bytes) -> None:
        target, pace, policy = read_setup(setup, _worker_key())
        _check_customer(target)
        mailbox = _Mailbox()
        term = LeaseTerm()

        def suspect(connection: int) -> None:
            sender.suspect(connection)

        async with Client(target, pace, ExchangeCallbacks(lambda: term.lasts, suspect)) as client:
            sender = Sender(client, pace, policy, term, mailbox.write)
            mailbox.sender = sender
            self._mailbox.set_result(mailbox)
            halt_if_abandoned = asyncio.create_task(mailbox.halt_if_abandoned())
            try:
                await sender.work()
            except Exception as error:  # noqa: BLE001  told to the coordinator
                _log.exception("a sender failed")
                mailbox.write(
                    make_frame(FrameKind.FAILED, f"failed: {type(error).__name__}".encode())
                )
            finally:
                halt_if_abandoned.cancel()
        await mailbox.linger()


class _Mailbox:
    """Frames to and from the sender of a worker; touched on the sender's own loop only."""

    sender: Sender

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed = False
        self._last_push = 0
        self._acknowledged = 0
        self._outbox: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._last_call = time.monotonic()

    def write(self, frame: bytes) -> None:
        self._outbox.append(frame)
        self._filled.set()

    async def push(self, number: int, frames: bytes) -> bool:
        if number > self._last_push + 1:
            raise SessionError(f"call {number} came after {self._last_push}")
        if number == self._last_push + 1:
            self._last_push = number
            for frame in split_frames(frames):
                self.sender.take(frame)
        return True

    async def collect(self, received: int) -> tuple[int, bytes, float]:
        self._last_call = time.monotonic()
        while self._outbox and self._acknowledged < received:
            self._outbox.popleft()
            self._acknowledged += 1
        if not self._outbox:
            self._filled.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._filled.wait(), _POLL_SECONDS)
                await asyncio.sleep(_LINGER)
        self._last_call = time.monotonic()
        return self._acknowledged, b"".join(self._outbox), boot_clock()

    async def halt_if_abandoned(self) -> None:
        """Halt the sender once its coordinator makes no more calls."""
        await self._abandoned()
        self.sender.take(None)

    async def linger(self) -> None:
        """Keep the last frames until the coordinator makes no more calls."""
        await self._abandoned()
        self.closed = True

    async def _abandoned(self) -> None:
        while (left := self._last_call + ABANDONED_SECONDS - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)


def _worker_key() -> Secret:
    key = os.environ.get(API_KEY_VARIABLE)
    if not key:
        raise UsageError(
            f"{API_KEY_VARIABLE} is not set in its environment",
            "Set it where the worker is started; the key is never sent over the cluster.",
        )
    return Secret(key)


def _check_customer(target: Target) -> None:
    """A worker that names its customer has that customer's key."""
    customer = os.environ.get(CUSTOMER_VARIABLE, target.customer)
    if customer != target.customer:
        raise UsageError(
            f"its {CUSTOMER_VARIABLE} is {customer}, and the run is for {target.customer}",
            "Start the worker with the customer and the key of this run.",
        )


def dask_setup(worker: object) -> None:
    """Called by Dask in a worker that has this module as a preload: it does not hear Ctrl-C."""
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
