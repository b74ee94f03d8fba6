"""Exchanges over HTTP: a request, its answer, and how far an exchange that failed had got.

Connections with their TLS, proxies and time limits are aiohttp's, and so is HTTP itself. Two
questions are answered here, for each exchange:

*May the service have seen the request?* Whatever goes wrong before aiohttp's connector hands out a
connection is NOT_SENT, for no byte of the request has left: while a name is looked up, a connection
is opened, a proxy's tunnel is built (its answer may be cut short, or no HTTP) or TLS is agreed on
within it. Everything later is LOST. An exchange that failed is a value, not an exception. aiohttp
repeats GETs by itself, but never a POST.

*Is the answer the request's own?* HTTP/1.1 tells answers apart by their order only: a late answer
on a connection that is used again would be read as the answer to the next request. So no
connection is used on which bytes came that nobody asked for, new ones too. That does not help where
the late answer comes behind the next request. But where a service, or a proxy before it, sends
answers that nobody asked for, some of them come while nothing is asked: behind an answer, or on an
idle connection. Then `ExchangeCallbacks.on_stray` is called. The sender may doubt the latest
answers of that connection, and have each one used once from then on (`stop_reusing_connections`).

aiohttp has no documented way to see such bytes. So `_TrackedConnection` stands between each
transport and aiohttp's protocol (`asyncio.Transport.set_protocol`), and sees what comes on an idle
connection. Right behind an answer, the protocol's `should_close` is set where it holds another one
that nobody read; for the beginning of one see `has_unasked_bytes`. A callback of the connection
(`add_callback`) is called when an answer is whole, before the connection goes back to the pool.

Idle connections are closed after 4 seconds. Servers close theirs after 5 (Apache, Node.js) to
75 seconds (nginx) without notice, and a request written at that very moment is lost in a way
that cannot be told from one that arrived. Being first keeps those rows from being uncertain.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import math
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from importer.api.reply import KeyMask, clean, read_reply
from importer.api.request import is_loopback
from importer.errors import UsageError
from importer.model import Reply, Wire
from importer.settings import WIDEST, Pace, Target

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

IDLE_SECONDS = 4.0
_DNS_SECONDS = 60
_SECONDS_OF_DOUBT = 1.0
"""Within so many seconds of an answer, unasked bytes may answer the request before.

Later ones are rather a server's notice that the connection was idle for too long (HTTP 408).
"""
_MOST_CONNECTS = 3
"""Connections opened for one request, where the other end sends or closes before it is asked."""
_NETWORK_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, EOFError)


@dataclass(frozen=True, slots=True)
class ExchangeCallbacks:
    """Callbacks to the sender of requests.

    `may_write` is called right before a request is written; if it returns False, the request is not
    sent. `on_stray` is called with the number of a connection (`Reply.connection`) on which bytes
    came that nobody had asked for.
    """

    may_write: Callable[[], bool] = lambda: True
    on_stray: Callable[[int], None] = lambda connection: None


class Connections:
    """A pool of connections to one service, made and used on one event loop.

    `headers` go with every request to the service, and never to a proxy. `mask` takes the API key
    out of all texts from outside. There may be as many exchanges at once as the pace allows, and
    one more, so that a probe never waits for a row.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        pace: Pace,
        tls: ssl.SSLContext | bool,
        proxy: tuple[str | None, dict[str, str] | None],
        mask: KeyMask,
        callbacks: ExchangeCallbacks,
    ) -> None:
        self._headers, self._proxy = headers, proxy
        self._pace, self._tls, self._mask = pace, tls, mask
        self._callbacks = callbacks
        self._numbers = itertools.count(1)
        self._sessions = [self._session(once=False)]

    def stop_reusing_connections(self) -> None:
        """From now on use each connection for one request."""
        if len(self._sessions) == 1:
            # aiohttp sends this header by itself from 3.12 on only.
            self._headers = {**self._headers, "Connection": "close"}
            self._sessions.append(self._session(once=True))

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions:
            await session.close()

    async def exchange(
        self, method: str, url: URL, body: bytes, cap: int
    ) -> tuple[Reply, dict[str, Any] | None]:
        """Send a request, once; the reply, and its envelope or None.

        At most `cap` bytes of the reply's body are read. Network trouble of every kind is part of
        the Reply and never raised.
        """
        exchange = _Exchange(self._callbacks.may_write, has_body=bool(body))
        status: int | None = None
        whole = False
        _CURRENT.set(exchange)
        try:
            async with self._sessions[-1].request(
                method,
                url,
                data=_Body(body, exchange) if body else None,
                headers=None if self._proxy[0] is None else self._headers,
                allow_redirects=False,
                proxy=self._proxy[0],
                proxy_headers=self._proxy[1],
            ) as response:
                status = response.status
                content = await _read_body(response, cap)
                whole = True
        except _NETWORK_ERRORS as error:
            # Writing the rest of a long body may fail once the answer is there: no trouble.
            if not whole:
                return self._failed(exchange, status, error), None
        reply, envelope = read_reply(response.status, response.headers, content, self._mask)
        stray = content is not None and _keeps_alive(response) and exchange.has_extra_bytes()
        # A refusal may come before a long body was read. No other answer can be to half a request.
        stray |= exchange.unwritten or (exchange.early and response.status < 400)
        return reply._replace(connection=exchange.number, stray=stray), envelope

    def _session(self, *, once: bool) -> aiohttp.ClientSession:
        pace = self._pace
        return aiohttp.ClientSession(
            connector=_Connector(
                self._numbers, self._callbacks.on_stray, pace, self._tls, once=once
            ),
            # A session's headers go to a proxy, too, and are cheaper than a request's.
            headers=self._headers if self._proxy[0] is None else None,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=pace.timeout, connect=min(pace.connect_timeout, pace.timeout / 2)
            ),
            auto_decompress=False,
        )

    def _failed(self, exchange: _Exchange, status: int | None, error: BaseException) -> Reply:
        mask = self._mask
        if exchange.refused:
            return Reply(Wire.NOT_SENT, detail="this sender's lease is over")
        if exchange.connection is None:
            other = "the service" if self._proxy[0] is None else "the proxy"
            return Reply(Wire.NOT_SENT, detail=_connect_error_text(error, other, mask))
        return Reply(Wire.LOST, status, detail=_error_text(error, mask))


class _Exchange:
    """How far an exchange has got; set by the connector and by the body as it is written."""

    def __init__(self, may_write: Callable[[], bool], *, has_body: bool) -> None:
        self._may_write = may_write
        self.connection: _TrackedConnection | None = None
        """The connection that the connector handed out; None before."""
        self.refused = False
        """The request was not written, since `may_write` said no."""
        self.extra = False
        """Bytes came behind the answer before the connection was released to the pool."""
        self.unwritten = has_body
        """The request has a body, and nothing of it was written yet."""
        self.early = False
        """The answer was whole before all of the request was written."""

    @property
    def number(self) -> int:
        """The number of the connection; 0 for none."""
        return 0 if self.connection is None else self.connection.number

    def check(self) -> None:
        """Raise ClientError if the request may not be written."""
        if not self._may_write():
            self.refused = True
            raise aiohttp.ClientError("nothing may be written any more")

    def has_extra_bytes(self) -> bool:
        """Whether bytes came behind the answer, which is whole."""
        connection = self.connection
        if connection is not None and connection.idle and connection.exchange is self:
            # It is in the pool: these bytes came after it was released.
            self.extra = connection.has_unasked_bytes()
        return self.extra


class _Body(aiohttp.Payload):
    """The body of a request; calls `may_write` once more right before it is written.

    Before Python 3.12 aiohttp writes a body in a task of its own, some time after the connection
    was handed out. It keeps the head back for the body, so that nothing has left by then.
    """

    def __init__(self, body: bytes, exchange: _Exchange) -> None:
        super().__init__(body)
        self._body, self._exchange = body, exchange

    @property
    def size(self) -> int:
        """Bytes, for the Content-Length."""
        return len(self._body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text."""
        return self._body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all of it. Raises ClientError, before anything is written, if it may not be."""
        exchange = self._exchange
        exchange.check()
        exchange.unwritten = False
        await writer.write(self._body)


class _TrackedConnection(asyncio.Protocol):
    """A protocol between a transport and aiohttp's protocol, to which it passes all calls.

    Only here can bytes be seen that come on an idle connection, even where the other end closes the
    connection right behind them.
    """

    def __init__(
        self,
        number: int,
        transport: asyncio.Transport,
        protocol: ResponseHandler,
        on_unasked: Callable[[_TrackedConnection], None],
    ) -> None:
        self.number = number
        self.exchange: _Exchange | None = None
        """The last exchange that it was handed out for."""
        self.answered_at = -math.inf
        """When its last answer was whole, in the loop's time."""
        self.idle = False
        """It was released to the pool, and is there unless the other end has closed it."""
        self.reported = False
        """`on_stray` was called for it."""
        self._transport, self._protocol, self._on_unasked = transport, protocol, on_unasked
        self._unasked = self._lost = False
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether it is open and no unasked bytes came."""
        return not (self._unasked or self._transport.is_closing() or self._protocol.should_close)

    @property
    def is_writing(self) -> bool:
        """Whether some written bytes are still in the transport's buffer."""
        return self._transport.get_write_buffer_size() > 0

    @property
    def has_unread_answer(self) -> bool:
        """Whether a further answer, or something else, came behind the one that is whole."""
        # The protocol of a lost connection says should_close in any case.
        return not self._lost and self._protocol.should_close

    def has_unasked_bytes(self) -> bool:
        """Whether bytes came behind its last answer, be it the beginning of another answer.

        The parser buffers such a beginning, and has no way to ask for it. So it is fed blank lines:
        between two answers a parser skips them (RFC 9112, 2.2); within one they end the head or are
        an error, and either sets `should_close`. Of aiohttp's two parsers, the one in Python
        recognises a blank line there only by its line feed.
        """
        if not self._unasked and not self._lost:
            if not self._protocol.should_close:
                self._protocol.data_received(b"\n\n")
            self._unasked = self._protocol.should_close
        return self._unasked

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; on an idle connection, all but blank lines are unasked."""
        # TLS may still deliver bytes after we have closed the connection ourselves.
        if self.idle and not self._transport.is_closing() and data.strip(b"\r\n"):
            self._unasked = True
            self._on_unasked(self)
        self._protocol.data_received(data)

    def eof_received(self) -> None:
        """Pass it on; returns None, so that the transport closes itself."""
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._lost = True
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()


class _Connector(aiohttp.TCPConnector):
    """A connector that hands out no connection on which unasked bytes came."""

    def __init__(
        self,
        numbers: Iterator[int],
        on_stray: Callable[[int], None],
        pace: Pace,
        tls: ssl.SSLContext | bool,
        *,
        once: bool,
    ) -> None:
        super().__init__(
            limit=(pace.concurrency or WIDEST) + 1,
            force_close=once,
            keepalive_timeout=None if once else IDLE_SECONDS,
            ttl_dns_cache=_DNS_SECONDS,
            ssl=tls,
        )
        self._numbers, self._on_stray, self._once = numbers, on_stray, once
        self._clock = asyncio.get_running_loop()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's own name
    ) -> Connection:
        """A connection for the exchange of this task (`_CURRENT`), which is set in the exchange.

        Raises ClientError where the exchange may not write.
        """
        exchange = _CURRENT.get()
        made = 0
        while made < _MOST_CONNECTS:
            connection = await super().connect(req, traces, timeout)
            transport, protocol = connection.transport, connection.protocol
            if transport is None or protocol is None:
                connection.close()  # lost in the very moment in which it was made
                made += 1
                continue
            tracked = transport.get_protocol()
            if not isinstance(tracked, _TrackedConnection):
                made += 1
                tracked = _TrackedConnection(
                    next(self._numbers), transport, protocol, self._on_unasked
                )
            elif tracked.has_unasked_bytes():
                self._on_unasked(tracked)
            if not tracked.usable:
                connection.close()
                continue
            try:
                exchange.check()
            except aiohttp.ClientError:
                connection.close()
                raise
            exchange.connection, tracked.exchange, tracked.idle = tracked, exchange, False
            connection.add_callback(partial(self._on_release, tracked))
            return connection
        raise aiohttp.ConnectionTimeoutError("the service speaks before it is asked")

    def _on_release(self, tracked: _TrackedConnection) -> None:
        """Called by aiohttp when an answer is whole or an exchange failed, before it is pooled."""
        tracked.answered_at = self._clock.time()
        more = tracked.has_unread_answer
        if tracked.exchange is not None:
            tracked.exchange.extra = more
            tracked.exchange.early = tracked.is_writing
        if not more:
            tracked.idle = not self._once

    def _on_unasked(self, tracked: _TrackedConnection) -> None:
        """Unasked bytes came on a connection: call `on_stray`, once, if they came soon enough."""
        if tracked.exchange is not None:
            tracked.exchange.extra = True
        lately = self._clock.time() - tracked.answered_at < _SECONDS_OF_DOUBT
        if lately and not tracked.reported:
            tracked.reported = True
            self._on_stray(tracked.number)


_CURRENT: ContextVar[_Exchange] = ContextVar("exchange")


async def _read_body(response: aiohttp.ClientResponse, cap: int) -> bytes | None:
    """The whole body of an answer; longer than `cap` bytes: None, and the connection is closed."""
    stream, parts, size = response.content, [], 0
    while not stream.at_eof():
        part = await stream.readany()
        size += len(part)
        if size > cap:
            response.close()
            return None
        parts.append(part)
    return b"".join(parts)


def _keeps_alive(response: aiohttp.ClientResponse) -> bool:
    """Whether the answer's own headers keep the connection open (RFC 9112, 9.3)."""
    said = response.headers.get("Connection", "").lower()
    if response.version == aiohttp.HttpVersion10:
        return "keep-alive" in said
    return "close" not in said and response.status != 101


def _connect_error_text(error: BaseException, other: str, mask: KeyMask) -> str:
    """An error before a connection was ready, for people; `other` is whom we were connecting to."""
    match error:
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientConnectorError():
            return _error_text(error, mask)
        case TimeoutError():
            return "no connection in time"
        case aiohttp.ServerDisconnectedError() | ConnectionError() | EOFError():
            return f"{other} closed the connection before it was ready"
        case aiohttp.ClientResponseError():
            return f"{other}'s answer is not HTTP"
        case _:
            return _error_text(error, mask)


def _error_text(error: BaseException, mask: KeyMask) -> str:
    """A network error for people, without what it holds of the request.

    Exceptions of aiohttp may carry the request's headers and with them the key, so their own
    text is used only where it comes from the operating system or the TLS library.
    """
    match error:
        case aiohttp.ClientHttpProxyError():
            return clean(mask.text(f"the proxy answered HTTP {error.status}"))
        case aiohttp.ClientConnectorCertificateError():
            return clean(mask.text(f"its certificate is not trusted: {error.certificate_error}"))
        case aiohttp.ClientConnectorSSLError() if _is_no_tls(error.os_error):
            return clean(
                mask.text(
                    f"{error.host}:{error.port} does not speak TLS: is it http://, or another port?"
                )
            )
        case aiohttp.ClientConnectorError():
            words = error.os_error.strerror or str(error.os_error) or type(error.os_error).__name__
            return clean(mask.text(f"{error.host}:{error.port}: {words}"))
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ServerDisconnectedError():
            return "the service closed the connection"
        case aiohttp.ClientPayloadError():
            return "the reply was cut short"
        case aiohttp.ClientResponseError():
            return "the reply is not HTTP"
        case OSError() if error.strerror:
            return clean(mask.text(error.strerror))
        case _:
            return type(error).__name__


def _is_no_tls(error: BaseException) -> bool:
    """Whether the other end answered a TLS hello with something else, by OpenSSL's reason."""
    return isinstance(error, ssl.SSLError) and error.reason in {
        "WRONG_VERSION_NUMBER",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "HTTP_REQUEST",
        "UNKNOWN_PROTOCOL",
    }


def basic_credentials(target: Target) -> str:
    """The value of the Authorization header; raises UsageError for a customer it cannot hold."""
    if ":" in target.customer:
        raise UsageError(
            "the customer holds a colon, which Basic authentication cannot send",
            "Check VCC_CUSTOMER.",
        )
    pair = f"{target.customer}:{target.api_key.reveal()}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def proxy_for(base_url: str) -> tuple[str | None, dict[str, str] | None]:
    """The environment's proxy for the service, and the headers it wants; loopback has none."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None, None
    proxies = getproxies()
    text = proxies.get(parts.scheme) or proxies.get("all")
    if not text:
        return None, None
    hint = "Mend HTTPS_PROXY, as http://proxy.example:3128, or set NO_PROXY for the service's host."
    try:
        proxy = urlsplit(text if "://" in text else f"http://{text}")
        port = proxy.port
    except ValueError as error:
        raise UsageError("the proxy in the environment cannot be read", hint) from error
    if proxy.scheme not in ("http", "https") or not proxy.hostname:
        raise UsageError("the proxy in the environment is not an HTTP proxy", hint)
    name = f"[{proxy.hostname}]" if ":" in proxy.hostname else proxy.hostname
    place = name if port is None else f"{name}:{port}"
    headers = None
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        headers = {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return urlunsplit((proxy.scheme, place, "", "", "")), headers


def tls_context(target: Target) -> ssl.SSLContext:
    """Verified TLS, by the target's own CA file if it has one; raises UsageError for a bad one."""
    try:
        return ssl.create_default_context(cafile=target.ca_file)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the CA file {target.ca_file} cannot be used: {error}",
            "It is a PEM file with one or more certificates (-----BEGIN CERTIFICATE-----).",
        ) from error
