"""The far end of one connection: it is asked one question at a time, and gives one answer.

aiohttp's connector opens the connection, through names, proxies and TLS, and aiohttp's parser reads
what comes back. The protocol between them is ours: aiohttp's own hands an answer on through two
queues and two tasks' turns, which take longer than all else of the exchange.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, HttpResponseParser, RawResponseMessage

_NO_BODY = frozenset({204, 304})
_SECONDS_OF_DOUBT = 1.0
"""Within so long of an answer, bytes that nobody asked for may belong to the question before."""
_TOO_LONG_IDLE = (b"HTTP/1.1 408", b"HTTP/1.0 408")


class Answer(NamedTuple):
    """A whole answer; `content` is None where it was longer than it may be."""

    status: int
    headers: Mapping[str, str]
    content: bytes | None


class Peer(BaseProtocol):
    """Takes over a connection on which nothing has come yet.

    `usable` says whether it may be asked again. The connector counts the connection until it ends.
    `strayed` says that bytes came on it that belong to no question; `on_stray` is told of those
    that come while nothing is asked, with the connection's number.
    """

    def __init__(
        self,
        number: int,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        on_stray: Callable[[int], None],
    ) -> None:
        super().__init__(loop)
        self.number = number
        self.strayed = False
        self._on_stray = on_stray
        self._answered_at = -math.inf
        self._read_in_part = False
        self._ended = loop.create_future()
        handler, transport = connection.protocol, connection.transport
        if handler is None or transport is None:
            raise aiohttp.ServerDisconnectedError
        self.usable = True
        self.idle_since = 0.0
        self._connection = connection
        self._handler = handler
        self.transport = transport
        self._cap = 0
        self._waiter: asyncio.Future[Answer] | None = None
        self._parser: HttpResponseParser | None = None
        self._message: RawResponseMessage | None = None
        self._payload: aiohttp.StreamReader | None = None
        transport.set_protocol(self)

    @property
    def ready(self) -> bool:
        """Whether it may be asked now; what a transport that is closing is given is thrown away."""
        transport = self.transport
        return self.usable and transport is not None and not transport.is_closing()

    @property
    def asked(self) -> bool:
        """Whether an answer is still to come."""
        return self._waiter is not None

    @property
    def status(self) -> int | None:
        """The status of the answer, as soon as its head was read."""
        return None if self._message is None else self._message.code

    def ask(self, request: bytes, cap: int) -> asyncio.Future[Answer]:
        """Write a request, as it stands, and give its answer to come.

        No more than `cap` bytes of an answer's body are kept. The future raises what kept the
        answer from coming: an OSError, a ClientError, a HttpProcessingError or a TimeoutError.
        """
        transport = self.transport
        if transport is None or not self.ready:
            raise aiohttp.ServerDisconnectedError
        self._cap = cap
        self._message = self._payload = None
        self._parser = HttpResponseParser(
            self,
            self._loop,
            # More than is ever kept, so that reading is never paused.
            cap,
            payload_exception=aiohttp.ClientPayloadError,
            read_until_eof=True,
            auto_decompress=False,
        )
        waiter = self._waiter = self._loop.create_future()
        transport.write(request)
        return waiter

    def cut_off(self) -> None:
        """Wait no longer for an answer."""
        self._fail(TimeoutError())
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Close the connection; idempotent."""
        self.usable = False
        self._connection.close()

    def data_received(self, data: bytes) -> None:
        """Read on in the answer; what comes without a question ends the connection."""
        parser = self._parser
        if parser is None:
            idle = self._loop.time() - self._answered_at
            too_long_idle = idle >= _SECONDS_OF_DOUBT and data.startswith(_TOO_LONG_IDLE)
            # The rest of an answer that was not read to its end, a line's end behind one that was,
            # as some old servers send it, and word of a connection that was idle for too long are
            # no answers too many.
            if not (self._read_in_part or not data.strip(b"\r\n") or too_long_idle):
                self._stray()
                self._on_stray(self.number)
            self.close()
            return
        try:
            messages, upgraded, _ = parser.feed_data(data)
        except Exception as error:  # noqa: BLE001  whatever a parser says of them, they are no answer
            self._fail(error if isinstance(error, HttpProcessingError) else HttpProcessingError())
            return
        for message, payload in messages:
            if self._message is not None:
                self._stray()  # one answer too many
                break
            if message.code != 101 and message.code < 200:
                continue  # it says that the answer is still to come
            self._message, self._payload = message, payload
        if self._message is not None and self._payload is not None:
            self._look(self._message, self._payload, ended=upgraded)

    def _look(
        self, message: RawResponseMessage, payload: aiohttp.StreamReader, *, ended: bool
    ) -> None:
        """See whether the answer is whole."""
        if (error := payload.exception()) is not None:
            self._fail(error)
        elif ended or message.code in _NO_BODY:
            self._give(Answer(message.code, message.headers, b""))
            self.usable = self.usable and not (ended or message.should_close)
        elif payload.total_bytes > self._cap:
            self.usable = False
            self._read_in_part = not payload.is_eof()
            self._give(Answer(message.code, message.headers, None))
        elif payload.is_eof():
            self.usable = self.usable and not message.should_close
            self._give(Answer(message.code, message.headers, payload.read_nowait()))

    def eof_received(self) -> None:
        """The other end says nothing more: what is written from now on may never be read."""
        self.usable = False

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection has ended: what has come is all, if that can be an answer."""
        self.usable = False
        self.transport = None
        if not self._ended.done():
            self._ended.set_result(None)
        # The connector waits for that when it is closed.
        self._handler.connection_lost(exc)
        try:
            if self._waiter is not None:
                self._end(exc)
        finally:
            # Nobody waits for what cannot come any more, whatever went wrong on the way.
            self._fail(aiohttp.ClientPayloadError())
            self._connection.close()

    def _end(self, exc: BaseException | None) -> None:
        if self._message is None or self._payload is None or self._parser is None:
            self._fail(exc if isinstance(exc, OSError) else aiohttp.ServerDisconnectedError())
            return
        try:
            self._parser.feed_eof()
        except HttpProcessingError:
            self._fail(aiohttp.ClientPayloadError())
            return
        self._look(self._message, self._payload, ended=False)

    def _give(self, answer: Answer) -> None:
        if self.usable and self._has_more():
            self._stray()
        self._answered_at = self._loop.time()
        waiter, self._waiter, self._parser = self._waiter, None, None
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _has_more(self) -> bool:
        """Whether a part of another answer came behind the one that is whole."""
        try:
            return self._parser is not None and self._parser.feed_eof() is not None
        except HttpProcessingError:
            return True

    def _stray(self) -> None:
        self.usable = False
        self.strayed = True
        if not self._ended.done():
            self._ended.set_result(None)

    async def farewell(self) -> None:
        """Wait for the end of a connection that is used once, and for what still comes on it.

        No longer than a second: a server may not close it though it was asked to.
        """
        await asyncio.wait((self._ended,), timeout=_SECONDS_OF_DOUBT)

    def _fail(self, error: BaseException) -> None:
        self.usable = False
        self._read_in_part = True
        waiter, self._waiter, self._parser = self._waiter, None, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    # The cap bounds what is kept of an answer, and whoever asks waits for all of it.

    def pause_reading(self) -> None:
        """Go on: nothing is kept that has to be waited for."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on."""
