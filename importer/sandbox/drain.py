"""Stopping without cutting anyone off in the middle of a sentence.

aiohttp's own shutdown drops what arrives after it has begun, so a request whose body was still
on its way would never be answered, and its sender could not know whether the record exists.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


class InFlight:
    """The requests that are being answered; `closing` is set once they are to come to an end."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.closing = asyncio.Event()

    def middleware(self) -> Middleware:
        """The outermost one: it counts requests in and out."""

        @web.middleware
        async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._count += 1
            self._idle.clear()
            try:
                answer = await handler(request)
            finally:
                self._count -= 1
                if not self._count:
                    self._idle.set()
            if self.closing.is_set():
                answer.force_close()  # or a busy client on a kept connection would never let go
            return answer

        return counted

    async def drain(self, seconds: float) -> None:
        """Wait until nothing is in flight, but no longer than so many seconds."""
        self.closing.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
