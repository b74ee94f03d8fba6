"""The only HTTP client: it sends, and says how far each exchange got.

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
import io
import ssl
from typing import Any, NoReturn, Self

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from importer.api.network import basic_credentials, proxy_for, tls_context
from importer.api.project import read_project
from importer.api.reply import clean, read_reply
from importer.api.request import checked_base_url, project_url, records_url
from importer.api.verdict import judge
from importer.errors import ServiceError
from importer.model import Done, Project, Rejected, Reply, Retry, Stop, Uncertain, Wire
from importer.settings import WIDEST, Pace, RetryPolicy, Target

IDLE_SECONDS = 4.0
REPLY_CAP = 1024 * 1024
"""Bytes of a reply that are read; replies of Add record have some dozens."""
PROJECT_CAP = 64 * 1024 * 1024
"""Bytes of a project's description, which lists every value of every field."""

_LOOKING_AGAIN = (0.5, 1.0, 2.0, 4.0)
_LONGEST_LOOK = 30.0
_PASSING = frozenset({429, 500, 502, 503, 504})
_DNS_SECONDS = 60
_READ_AT_ONCE = 1024 * 1024
"""Bodies beyond this are streamed: aiohttp warns of larger ones that are written at once."""

# Nothing of the request was written when one of these is raised (see the module's docstring).
_BEFORE_SENDING = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ServerFingerprintMismatch,
)
_NO_RETRIES = RetryPolicy(retries=0)


class Client:
    """A connection pool to one project of the service; an async context manager.

    Used from one event loop. The API key is in its headers only, and in no repr or message.
    Raises UsageError for a target that cannot carry credentials or a CA file that is unusable.
    """

    def __init__(self, target: Target, pace: Pace) -> None:
        base_url = checked_base_url(target.base_url)
        self._projectid = target.project
        self._records = URL(records_url(base_url, target.project), encoded=True)
        self._project = URL(project_url(base_url, target.project), encoded=True)
        self._pace = pace
        self._headers = {
            "Authorization": basic_credentials(target),
            "Accept": "application/json, text/plain;q=0.9",
            # Replies are tiny, and what is not unpacked cannot be a bomb.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "vcc-importer",
        }
        self._proxy, self._proxy_headers = proxy_for(base_url)
        secure = self._records.scheme == "https"
        self._tls: ssl.SSLContext | bool = tls_context(target) if secure else True
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        pace = self._pace
        self._session = aiohttp.ClientSession(
            connector=_Connector(
                # One more, so that a probe never waits for a row that hangs.
                limit=(pace.concurrency or WIDEST) + 1,
                keepalive_timeout=IDLE_SECONDS,
                ttl_dns_cache=_DNS_SECONDS,
                ssl=self._tls,
            ),
            # No headers here: aiohttp would send them to the proxy, too, and the key with them.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=pace.timeout,
                # Well before the total, so that a connection in vain is never called LOST.
                connect=min(pace.connect_timeout, pace.timeout / 2),
            ),
            auto_decompress=False,
            # Not trust_env: it looks at the environment anew for each request, and sends
            # credentials from ~/.netrc.
            proxy=self._proxy,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def add(self, body: bytes) -> Reply:
        """Send one Add record request, once; `body` is its JSON.

        Network trouble of every kind is part of the Reply and never raised.
        """
        return (await self._exchange("POST", self._records, body))[0]

    async def probe(self) -> Reply:
        """Ask for the project, which changes nothing, to see how the service is.

        Network trouble of every kind is part of the Reply and never raised.
        """
        return (await self._exchange("GET", self._project, None, PROJECT_CAP))[0]

    async def project(self) -> Project:
        """The project as the service describes it.

        Raises ServiceError if the service refuses, cannot be reached or says something else.
        """
        reply, described = await self._look_up(self._project, PROJECT_CAP)
        if described is None:
            return _refused(reply, "project")
        return read_project(described, self._projectid)

    async def record(self, numberid: int) -> dict[str, Any] | None:
        """A record as the service describes it: `data`, `contacts` and so on; None for none.

        Trouble that may pass is tried again some times, since looking changes nothing. Raises
        ServiceError as :meth:`project` does.
        """
        url = URL(f"{self._records}/{numberid}", encoded=True)
        for wait in (*_LOOKING_AGAIN, None):
            reply, record = await self._look_up(url)
            if record is not None:
                return record
            if reply.http_status == 404 and reply.understood:
                return None
            passing = reply.wire is not Wire.ANSWERED or reply.http_status in _PASSING
            if wait is None or not passing:
                break
            await asyncio.sleep(min(max(wait, reply.retry_after or 0.0), _LONGEST_LOOK))
        return _refused(reply, "record")

    async def _look_up(self, url: URL, cap: int = REPLY_CAP) -> tuple[Reply, dict[str, Any] | None]:
        reply, envelope = await self._exchange("GET", url, None, cap)
        match envelope["response"] if envelope else None:
            case dict() as found if reply.http_status == 200 and not reply.errors:
                return reply, found
            case [dict() as found] if reply.http_status == 200 and not reply.errors:
                return reply, found
        return reply, None

    async def _exchange(
        self, method: str, url: URL, body: bytes | None, cap: int = REPLY_CAP
    ) -> tuple[Reply, dict[str, Any] | None]:
        if self._session is None:
            raise RuntimeError("the client is used outside of its `async with` block")
        data = io.BytesIO(body) if body is not None and len(body) > _READ_AT_ONCE else body
        status: int | None = None
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=self._headers,
                proxy_headers=self._proxy_headers,
                allow_redirects=False,
            ) as response:
                status = response.status
                return read_reply(status, response.headers, await _read(response, cap))
        except _BEFORE_SENDING as error:
            return Reply(Wire.NOT_SENT, detail=_told(error)), None
        except (aiohttp.ClientError, OSError, TimeoutError, EOFError) as error:
            return Reply(Wire.LOST, status, detail=_told(error)), None


class _Connector(aiohttp.TCPConnector):
    async def connect(self, *args: Any, **options: Any) -> Connection:
        """A connection on which nothing has come yet; aiohttp would take any from its pool."""
        for _ in range(self.limit):
            connection = await super().connect(*args, **options)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()
        raise aiohttp.ConnectionTimeoutError("the service speaks before it is asked")


def _refused(reply: Reply, what: str) -> NoReturn:
    """Raise ServiceError for a reply that did not describe what was asked for."""
    match judge(reply, 1, _NO_RETRIES, 0.0):
        case Stop(message=message, hint=hint):
            raise ServiceError(message, hint)
        case Retry(message=message, throttled=True):
            raise ServiceError(message, "Try again later.")
        case Retry(message=message):
            raise ServiceError(
                f"the service cannot be reached: {message}",
                "Check the network, any proxy, and the base URL, which the customer is part of.",
            )
        case Rejected(message=message, hint=hint):
            raise ServiceError(f"the service did not describe the {what}: {message}", hint)
        case Done() | Uncertain():
            words = reply.detail or f"HTTP {reply.http_status}"
            raise ServiceError(
                f"the service did not describe the {what}: {words}",
                "Check that the base URL is that of the API and ends in /v2.",
            )


async def _read(response: aiohttp.ClientResponse, cap: int) -> bytes | None:
    """The body, or None if it is longer than the cap; the connection is not used again then."""
    length = response.content_length
    if length is not None and length <= cap:
        return await response.read()
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > cap:
            response.close()
            return None
        parts.append(part)
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
        case aiohttp.ClientResponseError():
            return "the reply is not HTTP"
        case OSError() if error.strerror:
            return clean(error.strerror)
        case _:
            return type(error).__name__
