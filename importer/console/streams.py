"""Server-sent events: what changes while a page is open, told to it as it happens.

A page has one stream. Where it opens another (it was loaded again, or lost its connection without
the server's notice), the one before is ended: a stream holds a connection for as long as it lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from importer.console.security import ACCESS, RefusedError

MOST = 32
"""Streams at once: half of the connections, so that pages can be loaded all the same."""
HEARTBEAT_SECONDS = 15.0
"""A page that is gone is noticed when something is sent to it."""
PAGE = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: its name, by which the page listens, and its data as text."""

    name: str
    data: str

    def encoded(self) -> bytes:
        """The event as it is sent; a text of several lines stays one event."""
        lines = "".join(f"data: {line}\n" for line in self.data.splitlines() or [""])
        return f"event: {self.name}\n{lines}\n".encode()


class Streams:
    """The streams of events that are open, one for each page."""

    def __init__(self, most: int = MOST, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._most = most
        self._heartbeat = heartbeat
        self._open: dict[tuple[str, str], asyncio.Event] = {}
        self._closing = False

    def __len__(self) -> int:
        return len(self._open)

    async def send(self, request: web.Request, events: AsyncIterator[Event]) -> web.StreamResponse:
        """Answer a request of a page, named by ``?page=``, with events until either ends.

        Raises RefusedError where the page has no name, or there are too many.
        """
        page = request.query.get("page", "")
        if PAGE.fullmatch(page) is None:
            raise RefusedError(400, "a stream of events belongs to a page")
        key = (request.app[ACCESS].session(request) or "", page)
        if (before := self._open.pop(key, None)) is not None:
            before.set()
        if len(self._open) >= self._most or self._closing:
            raise RefusedError(503, "too many pages are open", "Close those you do not need.")
        ended = self._open[key] = asyncio.Event()
        try:
            return await self._send(request, events, ended)
        finally:
            if self._open.get(key) is ended:
                del self._open[key]

    async def _send(
        self, request: web.Request, events: AsyncIterator[Event], ended: asyncio.Event
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        over = asyncio.create_task(ended.wait())
        coming = asyncio.create_task(_next(events))
        try:
            # A page that is gone is found out by writing: there is nobody to tell.
            with contextlib.suppress(ConnectionError):
                while not ended.is_set():
                    done, _ = await asyncio.wait(
                        {over, coming},
                        timeout=self._heartbeat,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    if coming in done:
                        if (event := coming.result()) is None:
                            break
                        await response.write(event.encoded())
                        coming = asyncio.create_task(_next(events))
                    elif not done:
                        await response.write(b":\n\n")
        finally:
            over.cancel()
            coming.cancel()
        return response

    def end(self) -> None:
        """End all streams: the console stops."""
        self._closing = True
        for ended in self._open.values():
            ended.set()


STREAMS = web.AppKey("STREAMS", Streams)


async def _next(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)
