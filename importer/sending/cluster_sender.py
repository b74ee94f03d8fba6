"""A sender on a worker of a Dask cluster: an actor, that is an object that Dask keeps there.

It sends from a thread with a loop of its own, so that what else the worker does holds up neither.
Frames come and go by its methods. Dask may call a method again whose answer was lost, and may make
an actor anew whose worker is gone, so that each call says for whom it is: the session, a number
that the object drew when it was made, and where in the stream its frames stand. What was had
already is not done again, and an object that was made anew is never taken for the one before it.

The API key is the worker's own, from its environment: a task's arguments are kept by the scheduler
and shown on its pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from importer.api.client import Client
from importer.api.connections import Supervision
from importer.errors import UsageError
from importer.sending.frames import Kind, framed, split
from importer.sending.lease import LeaseTerm, awake_or_asleep
from importer.sending.loop import run_loop
from importer.sending.sender import Sender, read_setup
from importer.settings import API_KEY_VARIABLE, CUSTOMER_VARIABLE, Secret, Target

Answer = TypeVar("Answer")

POLL = 5.0
"""Seconds that a call waits for frames before it gives none."""
PATIENCE = 30.0
"""Seconds without a call after which the coordinator is gone: nothing more begins."""

_LINGER = 0.005
"""Seconds the first frame waits for others to share its call, which costs a millisecond or more."""

_log = logging.getLogger(__name__)


class SessionError(Exception):
    """A call for another sender than this one, or one that is out of turn: the link is lost."""


class PlacedSender:
    """One run's sender on one worker; its methods are called through the actor."""

    def __init__(self, setup: bytes) -> None:
        self._session = secrets.token_hex(8)
        self._desk: Future[_Desk] = Future()
        # A daemon: a worker that is told to end is not held up.
        threading.Thread(
            target=self._run, args=(setup,), name="vcc-importer sender", daemon=True
        ).start()

    async def hello(self) -> tuple[str, float]:
        """The session, and this machine's clock.

        Raises UsageError where this worker cannot send for the run.
        """
        await asyncio.wrap_future(self._desk)
        return self._session, awake_or_asleep()

    async def push(self, session: str, number: int, frames: bytes) -> bool:
        """Take frames; `number` counts these calls from 1, and what was had is not taken again."""
        return await self._at_desk(session, lambda desk: desk.push(number, frames))

    async def collect(self, session: str, had: int) -> tuple[int, bytes, float]:
        """What there is after the first `had` frames: how many came before it, it, and the clock.

        Waits for some, but no longer than `POLL`. Frames are kept until a later call had them.
        """
        return await self._at_desk(session, lambda desk: desk.collect(had))

    async def _at_desk(
        self, session: str, work: Callable[[_Desk], Coroutine[Any, Any, Answer]]
    ) -> Answer:
        if session != self._session:
            raise SessionError("this sender was made anew")
        desk = self._desk.result()
        if desk.closed:
            raise SessionError("this sender has ended")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(desk), desk.loop))

    def _run(self, setup: bytes) -> None:
        try:
            run_loop(self._serve(setup))
        except Exception as error:
            if self._desk.done():
                raise
            self._desk.set_exception(error)

    async def _serve(self, setup: bytes) -> None:
        target, pace, policy = read_setup(setup, _own_key())
        _check_customer(target)
        desk = _Desk()
        term = LeaseTerm()

        def suspect(connection: int) -> None:
            sender.suspect(connection)

        async with Client(target, pace, Supervision(lambda: term.lasts, suspect)) as client:
            sender = Sender(client, pace, policy, term, desk.write)
            desk.sender = sender
            self._desk.set_result(desk)
            guard = asyncio.create_task(desk.guard())
            try:
                await sender.work()
            except Exception as error:  # noqa: BLE001  told to the coordinator
                _log.exception("a sender failed")
                desk.write(framed(Kind.FAILED, f"failed: {type(error).__name__}".encode()))
            finally:
                guard.cancel()
        await desk.linger()


class _Desk:
    """What came and what is to go; touched on the sender's own loop only."""

    sender: Sender

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed = False
        self._taken = 0
        self._gone = 0
        self._outbox: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._called = time.monotonic()

    def write(self, frame: bytes) -> None:
        self._outbox.append(frame)
        self._filled.set()

    async def push(self, number: int, frames: bytes) -> bool:
        if number > self._taken + 1:
            raise SessionError(f"call {number} came after {self._taken}")
        if number == self._taken + 1:
            self._taken = number
            for frame in split(frames):
                self.sender.take(frame)
        return True

    async def collect(self, had: int) -> tuple[int, bytes, float]:
        self._called = time.monotonic()
        while self._outbox and self._gone < had:
            self._outbox.popleft()
            self._gone += 1
        if not self._outbox:
            self._filled.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._filled.wait(), POLL)
                await asyncio.sleep(_LINGER)
        self._called = time.monotonic()
        return self._gone, b"".join(self._outbox), awake_or_asleep()

    async def guard(self) -> None:
        """Begin nothing more once nobody asks what became of it."""
        await self._abandoned()
        self.sender.take(None)

    async def linger(self) -> None:
        """Keep the last frames for as long as somebody may ask for them."""
        await self._abandoned()
        self.closed = True

    async def _abandoned(self) -> None:
        while (left := self._called + PATIENCE - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)


def _own_key() -> Secret:
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
