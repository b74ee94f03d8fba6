"""Requests over connections that are kept open, and how far each exchange got.

Connections, with their TLS, proxies, names and pool, are aiohttp's, and so is the parser of what
comes back. A request is written as it stands: its head is the same for every row, and building it
anew through a session's request and response takes twice the time of the exchange itself.

An exchange that failed is a value, not an exception, since what matters is whether the service
may have seen the request. It is NOT_SENT only for errors that can arise solely before its first
byte: while a name is looked up, a connection is opened, a proxy's tunnel is built or TLS is
agreed on. Everything else is LOST.

Idle connections are closed after 4 seconds. Servers close theirs after 5 (Apache, Node.js) to
75 seconds (nginx) without notice, and a request written at that very moment is lost in a way
that cannot be told from one that arrived. Being first keeps those rows from being uncertain.

An answer belongs to the request before it. A connection on which something came while nothing was
asked (a late answer, a proxy's 408) is never used again: that would be read as the next answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from yarl import URL

from importer.api.reply import clean, read_reply
from importer.model import Reply, Wire
from importer.settings import WIDEST, Pace

IDLE_SECONDS = 4.0
_DNS_SECONDS = 60

# Nothing of the request was written when one of these is raised (see the module's docstring).
_BEFORE_SENDING = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ServerFingerprintMismatch,
)
_LOST = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, EOFError)


class Connections:
    """A pool of connections to one service, made and used on one event loop.

    `headers` go with every request to the service, and never to a proxy.
    """

    def __init__(
        self,
        service: URL,
        headers: Mapping[str, str],
        pace: Pace,
        tls: ssl.SSLContext | bool,
        proxy: tuple[str | None, dict[str, str] | None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._service, self._tls, self._proxy = service, tls, proxy
        self._place = self._any_request()
        lines = {"Host": self._place.headers["Host"], **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._timeout = aiohttp.ClientTimeout(
            total=pace.timeout,
            # Well before the total, so that a connection in vain is never called LOST.
            connect=min(pace.connect_timeout, pace.timeout / 2),
        )
        self._seconds = pace.timeout
        self._limit = _TimeLimit(self._loop)
        self._connector = aiohttp.TCPConnector(
            # One more, so that a probe never waits for a row that hangs.
            limit=(pace.concurrency or WIDEST) + 1,
            keepalive_timeout=IDLE_SECONDS,
            ttl_dns_cache=_DNS_SECONDS,
            ssl=tls,
        )

    async def close(self) -> None:
        """Close all connections."""
        self._limit.close()
        await self._connector.close()

    async def exchange(
        self, method: str, url: URL, body: bytes, cap: int
    ) -> tuple[Reply, dict[str, Any] | None]:
        """Send a request, once, and give the reply with its envelope, if it has one.

        Of the reply's body no more than `cap` bytes are read. Network trouble of every kind is
        part of the Reply and never raised.
        """
        until = self._loop.time() + self._seconds
        connection: Connection | None = None
        status: int | None = None
        try:
            connection = await self._connected(until)
            self._limit.begin(connection, until)
            message, payload = await _answer(connection, self._written(method, url, body))
            status = message.code
            content = await _content(payload, cap)
            if not self._limit.end(connection):
                raise TimeoutError
            if content is not None:
                connection.release()
        except _BEFORE_SENDING as error:
            return Reply(Wire.NOT_SENT, detail=_told(error)), None
        except _LOST as error:
            cut_off = connection is not None and not self._limit.end(connection)
            detail = _told(TimeoutError() if cut_off else error)
            return Reply(Wire.LOST, status, detail=detail), None
        finally:
            if connection is not None:
                self._limit.end(connection)
                connection.close()  # nothing, where it was released
        return read_reply(status, message.headers, content)

    def _written(self, method: str, url: URL, body: bytes) -> bytes:
        """The request as it goes through the connection."""
        length = "" if method == "GET" else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {url.raw_path_qs} HTTP/1.1\r\n{self._head}{length}\r\n"
        return head.encode("ascii") + body

    def _any_request(self) -> aiohttp.ClientRequest:
        """A request of aiohttp's, which tells its connector where to connect to, and how."""
        proxy, proxy_headers = self._proxy
        return aiohttp.ClientRequest(
            "GET",
            self._service,
            loop=self._loop,
            ssl=self._tls,
            proxy=None if proxy is None else URL(proxy),
            proxy_headers=proxy_headers and dict(proxy_headers),
        )

    async def _connected(self, until: float) -> Connection:
        """A connection on which nothing has come yet; aiohttp would take any from its pool."""
        for _ in range(self._connector.limit):
            # The connector writes into a request that goes through a proxy.
            request = self._place if self._proxy[0] is None else self._any_request()
            try:
                connection = await self._connector.connect(request, [], self._timeout)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError from error
            protocol = connection.protocol
            if protocol is not None and protocol.is_connected() and not protocol.should_close:
                return connection
            connection.close()
            if self._loop.time() >= until:
                break
        raise aiohttp.ConnectionTimeoutError("the service speaks before it is asked")


class _TimeLimit:
    """One timer that cuts off whatever takes too long: one for each request costs more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ends: dict[Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0

    def begin(self, connection: Connection, until: float) -> None:
        """Cut the connection off then, unless that is ended before."""
        self._ends[connection] = until
        if self._timer is None or until < self._next:
            self._wait(until)

    def end(self, connection: Connection) -> bool:
        """Let a connection go; False if it was cut off."""
        return self._ends.pop(connection, None) is not None

    def close(self) -> None:
        """Cut nothing off any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, until: float) -> None:
        self.close()
        self._next = until
        self._timer = self._loop.call_at(until, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for connection in [late for late, until in self._ends.items() if until <= now]:
            del self._ends[connection]
            if connection.transport is not None:
                connection.transport.abort()
        if self._ends:
            self._wait(min(self._ends.values()))


async def _answer(
    connection: Connection, request: bytes
) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """Write a request and wait for the head of its answer."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    transport.write(request)
    message, payload = await protocol.read()
    while 100 <= message.code < 200 and message.code != 101:
        message, payload = await protocol.read()
    return message, payload


async def _content(payload: aiohttp.StreamReader, cap: int) -> bytes | None:
    """The body, or None if it is longer than the cap; the connection is not used again then."""
    parts: list[bytes] = []
    size = 0
    while part := await payload.readany():
        size += len(part)
        if size > cap:
            return None
        parts.append(part)
        if payload.at_eof():
            break
    return b"".join(parts)


def _told(error: BaseException) -> str:
    """An error of the network for people, without what it holds of the request.

    Exceptions of aiohttp may carry the request's headers and with them the key, so their own
    text is used only where it comes from the operating system or the TLS library.
    """
    match error:
        case aiohttp.ClientHttpProxyError():
            return clean(f"the proxy answered HTTP {error.status}")
        case aiohttp.ClientConnectorCertificateError():
            return clean(f"its certificate is not trusted: {error.certificate_error}")
        case aiohttp.ClientConnectorError():
            words = error.os_error.strerror or str(error.os_error) or type(error.os_error).__name__
            return clean(f"{error.host}:{error.port}: {words}")
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ServerDisconnectedError():
            return "the service closed the connection"
        case aiohttp.ClientPayloadError():
            return "the reply was cut short"
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return "the reply is not HTTP"
        case OSError() if error.strerror:
            return clean(error.strerror)
        case _:
            return type(error).__name__
