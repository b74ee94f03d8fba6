"""How many connections the console has at once.

Everybody on this machine can connect, and every page in the browser can: without a limit they take
all descriptors of the process. With a mere limit they take all connections, and keep the operator
out. So a connection counts as a stranger's until a request of a session has come over it, and where
there are too many, the stranger who came first gives way to the one who comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from aiohttp import web

MOST = 64
"""Browsers keep six connections to a host, for all of their pages together."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
)


class Connections:
    """The open connections of a server, at most so many."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._strangers: dict[asyncio.BaseTransport, None] = {}
        self._admitted: set[asyncio.BaseTransport] = set()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._admitted)

    def admit(self, request: web.Request) -> None:
        """The request is one of a session: its connection gives way to no other."""
        transport = request.transport
        if transport in self._strangers:
            del self._strangers[transport]
            self._admitted.add(transport)

    def limited(self, inner: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """What makes the protocol of a connection that counts here, around that of a server."""
        return lambda: _Counted(self, inner)

    def enter(self, transport: asyncio.Transport) -> bool:
        """Count a new connection; False where there is no room, and nobody to give way."""
        if len(self) >= self._most:
            if not self._strangers:
                return False
            oldest = cast(asyncio.Transport, next(iter(self._strangers)))
            del self._strangers[oldest]  # now: that it is lost is told later
            oldest.abort()
        self._strangers[transport] = None
        return True

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """A connection is lost."""
        self._strangers.pop(transport, None)
        self._admitted.discard(transport)


class _Counted(asyncio.Protocol):
    """The protocol of a server's connection, and before it whether there is room for one."""

    def __init__(self, connections: Connections, inner: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._make = inner
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        stream = cast(asyncio.Transport, transport)
        if not self._connections.enter(stream):
            stream.write(_FULL)
            stream.close()
            return
        self._inner = self._make()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._connections.leave(self._transport)
        if self._inner is not None:
            self._inner.connection_lost(exc)
