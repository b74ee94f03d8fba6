"""The way to a sender on a Dask worker, and back: calls of its actor's methods.

Whatever goes wrong with a call, nobody knows what the sender made of it: the link is lost then, and
nothing is tried again here. What Dask itself tries again, the sender knows by its number.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from importer.sending.cluster_sender import POLL
from importer.sending.frames import Kind, framed, parted, split

_ANSWER = POLL + 30.0
"""Seconds after which a call that is not answered is lost."""
_LOOK = 0.5
_FAREWELL = 2.0

_log = logging.getLogger(__name__)


class ClusterLink:
    """A way to an actor; `future` is Dask's own word on whether it is there.

    `clock` is the sender's own, as its last answer told.
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
        """What the sender says, until it is lost."""
        had = 0
        while (answer := await self._call("collect", had)) is not None:
            before, content, self.clock = answer
            if before != had:
                self._lose(f"frames {had} to {before} are gone")
                return
            for frame in split(content):
                had += 1
                self._ended = parted(frame)[0] in (Kind.END, Kind.FAILED)
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
                await asyncio.wait_for(self._push(framed(Kind.HALT)), _FAREWELL)
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
            await asyncio.sleep(_LOOK)
        self._lose(f"Dask calls it {self._future.status}")

    async def _call(self, method: str, *arguments: object) -> Any:
        """Call a method of the actor; None, and the link is lost, for whatever else than an answer.

        Dask's call may wait for ever for an actor that is not coming back.
        """
        if self._lost.done():
            return None
        call = asyncio.ensure_future(self._begun(method, *arguments))
        try:
            await asyncio.wait(
                (call, self._lost), timeout=_ANSWER, return_when=asyncio.FIRST_COMPLETED
            )
            if not self._lost.done() and not call.done():
                self._lose("no answer")
            if not self._lost.done() and (error := call.exception()) is not None:
                self._lose(repr(error))
            return None if self._lost.done() else call.result()
        finally:
            call.cancel()

    async def _begun(self, method: str, *arguments: object) -> Any:
        return await getattr(self._actor, method)(self._session, *arguments)

    def _lose(self, why: str) -> None:
        if not self._lost.done():
            _log.info("%s: %s", self.name, why)
            self._lost.set_result(None)
