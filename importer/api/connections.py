"""Requests over connections that are kept open, and how far each exchange got.

Connections, with their TLS, proxies and names, are aiohttp's, and so is the parser of what comes
back (`peer.py`). A request is written as it stands: its head is the same for every row, and
building it anew through a session's request and response takes twice the time of the exchange
itself. For the same reason idle connections are kept here and not in aiohttp's pool.

An exchange that failed is a value, not an exception, since what matters is whether the service
may have seen the request. Whatever goes wrong before a connection is handed out is NOT_SENT, for
no byte of the request has left: while a name is looked up, a connection is opened, a proxy's
tunnel is built (its answer may be cut short, or no HTTP) or TLS is agreed on within it. Everything
later is LOST.

Idle connections are closed after 4 seconds. Servers close theirs after 5 (Apache, Node.js) to
75 seconds (nginx) without notice, and a request written at that very moment is lost in a way
that cannot be told from one that arrived. Being first keeps those rows from being uncertain.

An answer belongs to the request before it. A connection on which something came while nothing was
asked (a late answer, a proxy's 408) is never used again: that would be read as the next answer.
HTTP/1.1 cannot tell an answer that comes late from the answer to the next request on the same
connection. But where a service, or a proxy before it, sends answers that nobody asked for, some of
them come while nothing is asked. That is told to whoever sends (`on_stray`), who may have each
connection used once from then on, and read to its end: then more than one answer shows.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from importer.api.masking import KeyMask
from importer.api.peer import Peer
from importer.api.reply import NO_MASK, clean, read_reply
from importer.model import Reply, Wire
from importer.settings import WIDEST, Pace

IDLE_SECONDS = 4.0
_DNS_SECONDS = 60

_TROUBLE = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, EOFError)


@dataclass(frozen=True, slots=True)
class Supervision:
    """What whoever sends has to say and to hear, beside the requests.

    `may_write` is asked right before a request is written; where it says no, the request is not
    sent. `on_stray` is called with the number of a connection (see Reply) on which something came
    that nobody had asked for. `mask` takes the key out of whatever comes from outside.
    """

    may_write: Callable[[], bool] = lambda: True
    on_stray: Callable[[int], None] = lambda connection: None
    mask: KeyMask = NO_MASK


class Connections:
    """A pool of connections to one service, made and used on one event loop.

    `headers` go with every request to the service, and never to a proxy. There may be as many
    exchanges at once as the pace allows, and one more: others would wait in vain, since idle
    connections are not aiohttp's to give.
    """

    def __init__(
        self,
        service: URL,
        headers: Mapping[str, str],
        pace: Pace,
        tls: ssl.SSLContext | bool,
        proxy: tuple[str | None, dict[str, str] | None],
        supervision: Supervision,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._service, self._tls, self._proxy = service, tls, proxy
        self._supervision = supervision
        self._mask = supervision.mask
        self._numbers = itertools.count(1)
        self._once = False
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
        self._idle = _Idle(self._loop)
        self._connector = aiohttp.TCPConnector(
            # One more, so that a probe never waits for a row that hangs.
            limit=(pace.concurrency or WIDEST) + 1,
            force_close=True,  # none comes back to its pool
            ttl_dns_cache=_DNS_SECONDS,
            ssl=tls,
        )

    def use_once(self) -> None:
        """From now on use each connection for one request, and read it to its end."""
        self._once = True

    async def close(self) -> None:
        """Close all connections."""
        self._limit.close()
        # It waits for the end of all connections that it has given out, and those here are.
        await self._connector.close()
        self._idle.close()

    async def exchange(
        self, method: str, url: URL, body: bytes, cap: int
    ) -> tuple[Reply, dict[str, Any] | None]:
        """Send a request, once, and give the reply with its envelope, if it has one.

        Of the reply's body no more than `cap` bytes are read. Network trouble of every kind is
        part of the Reply and never raised.
        """
        until = self._loop.time() + self._seconds
        # Asked before anything is awaited: a request says itself that it is the last.
        once = self._once
        peer = None if once else self._idle.take()
        if peer is None:
            try:
                peer = await self._connected(until)
            except _TROUBLE as error:
                return Reply(Wire.NOT_SENT, detail=self._told_connecting(error)), None
        try:
            self._limit.begin(peer, until)
            if not self._supervision.may_write():
                return Reply(Wire.NOT_SENT, detail="this sender's lease is over"), None
            status, headers, content = await peer.ask(
                self._written(method, url, body, once=once), cap
            )
            if once:
                await peer.farewell()
        except _TROUBLE as error:
            return Reply(Wire.LOST, peer.status, detail=_told(error, self._mask)), None
        finally:
            self._limit.end(peer)
            if once:
                peer.close()
            else:
                self._idle.keep(peer)
        reply, envelope = read_reply(status, headers, content, self._mask)
        return reply._replace(connection=peer.number, stray=peer.strayed), envelope

    def _told_connecting(self, error: BaseException) -> str:
        """An error of a connection that was not to be had; it may come from the proxy."""
        other = "the service" if self._proxy[0] is None else "the proxy"
        match error:
            case aiohttp.ClientHttpProxyError() | aiohttp.ClientConnectorError():
                return _told(error, self._mask)
            case aiohttp.ServerDisconnectedError() | ConnectionError() | EOFError():
                return f"{other} closed the connection before it was ready"
            case aiohttp.ClientResponseError() | HttpProcessingError():
                return f"{other}'s answer is not HTTP"
            case _:
                return _told(error, self._mask)

    def _written(self, method: str, url: URL, body: bytes, *, once: bool) -> bytes:
        """The request as it goes through the connection."""
        length = "" if method == "GET" else f"Content-Length: {len(body)}\r\n"
        last = "Connection: close\r\n" if once else ""
        head = f"{method} {url.raw_path_qs} HTTP/1.1\r\n{self._head}{length}{last}\r\n"
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

    async def _connected(self, until: float) -> Peer:
        """A new connection on which nothing has come yet."""
        for _ in range(self._connector.limit):
            # The connector writes into a request that goes through a proxy.
            request = self._place if self._proxy[0] is None else self._any_request()
            try:
                connection = await self._connector.connect(request, [], self._timeout)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError from error
            protocol = connection.protocol
            if protocol is not None and protocol.is_connected() and not protocol.should_close:
                return Peer(next(self._numbers), connection, self._loop, self._supervision.on_stray)
            connection.close()
            if self._loop.time() >= until:
                break
        raise aiohttp.ConnectionTimeoutError("the service speaks before it is asked")


class _Idle:
    """Connections that wait for their next request; the one used last is the first to be taken."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._peers: list[Peer] = []
        self._timer: asyncio.TimerHandle | None = None

    def take(self) -> Peer | None:
        """One that may be asked, if there is any."""
        oldest = self._loop.time() - IDLE_SECONDS
        while self._peers:
            peer = self._peers.pop()
            if peer.ready and peer.idle_since > oldest:
                return peer
            peer.close()
        return None

    def keep(self, peer: Peer) -> None:
        """Keep one whose answer has come, and close any other."""
        if peer.asked or not peer.ready:
            peer.close()
            return
        peer.idle_since = self._loop.time()
        self._peers.append(peer)
        if self._timer is None:
            self._timer = self._loop.call_later(IDLE_SECONDS, self._look)

    def close(self) -> None:
        """Close them all."""
        if self._timer is not None:
            self._timer.cancel()
        for peer in self._peers:
            peer.close()
        self._peers.clear()

    def _look(self) -> None:
        """Close those whose time is over, the first in the list."""
        self._timer = None
        oldest = self._loop.time() - IDLE_SECONDS
        kept = [peer for peer in self._peers if peer.ready and peer.idle_since > oldest]
        for peer in set(self._peers).difference(kept):
            peer.close()
        self._peers = kept
        if kept:
            self._timer = self._loop.call_at(kept[0].idle_since + IDLE_SECONDS, self._look)


class _TimeLimit:
    """One timer that cuts off whatever takes too long: one for each request costs more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ends: dict[Peer, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0

    def begin(self, peer: Peer, until: float) -> None:
        """Cut the peer off then, unless that is ended before."""
        self._ends[peer] = until
        if self._timer is None or until < self._next:
            self._wait(until)

    def end(self, peer: Peer) -> None:
        """Let a peer go."""
        self._ends.pop(peer, None)

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
        for peer in [late for late, until in self._ends.items() if until <= now]:
            del self._ends[peer]
            peer.cut_off()
        if self._ends:
            self._wait(min(self._ends.values()))


def _told(error: BaseException, mask: KeyMask) -> str:
    """An error of the network for people, without what it holds of the request.

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
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return "the reply is not HTTP"
        case OSError() if error.strerror:
            return clean(mask.text(error.strerror))
        case _:
            return type(error).__name__


def _is_no_tls(error: BaseException) -> bool:
    """Whether the other end answered a TLS hello with what is no TLS, as OpenSSL names it."""
    return isinstance(error, ssl.SSLError) and error.reason in {
        "WRONG_VERSION_NUMBER",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "HTTP_REQUEST",
        "UNKNOWN_PROTOCOL",
    }
