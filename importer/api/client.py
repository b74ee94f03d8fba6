"""The only client of the service: it adds records, and reads projects, users and records.

`exchange.py` says how far each exchange got, and whether its answer is its own.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, NoReturn, Self

from yarl import URL

from importer.api.exchange import (
    Connections,
    ExchangeCallbacks,
    basic_credentials,
    proxy_for,
    tls_context,
)
from importer.api.project import read_project, read_users
from importer.api.reply import KeyMask
from importer.api.request import checked_base_url, project_url, records_url, users_url
from importer.api.verdict import judge
from importer.errors import NoProjectError, ServiceError
from importer.model import Done, Project, Rejected, Reply, Retry, Stop, Uncertain, Users, Wire
from importer.settings import Pace, RetryPolicy, Target

REPLY_CAP = 1024 * 1024
"""Bytes of a reply that are read; replies of Add record have some dozens."""
PROJECT_CAP = 64 * 1024 * 1024
"""Bytes of a project's description, which lists every value of every field; of users, too."""

_RETRY_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each further attempt of a GET."""
_LONGEST_WAIT = 30.0
"""Seconds to wait at most where the service asks for more (Retry-After)."""
_MAY_NOT_ASK = frozenset({401, 403, 404})
"""Answers to GET users by which a key that may add records is told that it may not ask."""
_NO_PROJECT = frozenset({404, 410})
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_NO_RETRIES = RetryPolicy(retries=0)


class Client:
    """A connection pool to one project of the service; an async context manager.

    Used from one event loop. The API key is in its headers only, and in no repr or message.
    Raises UsageError for a target that cannot carry credentials or a CA file that is unusable.
    """

    def __init__(
        self,
        target: Target,
        pace: Pace,
        callbacks: ExchangeCallbacks | None = None,
    ) -> None:
        base_url = checked_base_url(target.base_url)
        self._projectid = target.project
        self._records = URL(records_url(base_url, target.project), encoded=True)
        self._project = URL(project_url(base_url, target.project), encoded=True)
        self._users = URL(users_url(base_url), encoded=True)
        self._pace = pace
        self._mask = KeyMask(target.customer, target.api_key.reveal())
        self._callbacks = callbacks or ExchangeCallbacks()
        self._headers = {
            "Authorization": basic_credentials(target),
            "Accept": "application/json, text/plain;q=0.9",
            # Replies are tiny, and what is not unpacked cannot be a bomb.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "vcc-importer",
        }
        self._proxy = proxy_for(base_url)
        secure = self._records.scheme == "https"
        self._tls: ssl.SSLContext | bool = tls_context(target) if secure else True
        self._connections: Connections | None = None

    async def __aenter__(self) -> Self:
        self._connections = Connections(
            self._headers,
            self._pace,
            self._tls,
            self._proxy,
            self._mask,
            self._callbacks,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._connections is not None:
            await self._connections.close()
            self._connections = None

    def stop_reusing_connections(self) -> None:
        """From now on use each connection for one request."""
        self._connected.stop_reusing_connections()

    async def add(self, body: bytes) -> Reply:
        """Send one Add record request, once; `body` is its JSON.

        Network trouble of every kind is part of the Reply and never raised.
        """
        reply, _ = await self._connected.exchange("POST", self._records, body, REPLY_CAP)
        return reply

    async def probe(self) -> Reply:
        """Ask for the project, which changes nothing, to see whether the service answers.

        Network trouble of every kind is part of the Reply and never raised.
        """
        reply, _ = await self._connected.exchange("GET", self._project, b"", PROJECT_CAP)
        return reply

    async def project(self, *, patient: bool = False) -> Project:
        """The project as the service describes it.

        If `patient`, transient trouble is retried a few times. Raises ServiceError if the service
        refuses, cannot be reached, or answers anything else.
        """
        look = self._get_object_with_retries if patient else self._get_object
        reply, described = await look(self._project, PROJECT_CAP)
        if described is None:
            return _raise_for_reply(reply, "project")
        return read_project(described, self._projectid)

    async def users(self) -> Users:
        """The users as the service lists them, or why it does not.

        A key that may add records need not be allowed to list users: such a refusal is no error,
        nor is a list without users. Raises ServiceError as :meth:`project` does otherwise.
        """
        reply, response = await self._get(self._users, PROJECT_CAP)
        verdict = judge(reply, 1, _NO_RETRIES, 0.0)
        if reply.http_status in _MAY_NOT_ASK and isinstance(verdict, Stop):
            return Users(None, verdict.message)
        if reply.http_status != 200 or reply.errors or not reply.understood:
            return _raise_for_reply(reply, "users")
        users = read_users(response)
        return Users(users) if users else Users(None, "its list names nobody")

    async def record(self, numberid: int) -> dict[str, Any] | None:
        """A record as the service describes it (`data`, `contacts` …); None if it has none.

        Transient trouble is retried a few times, since a GET changes nothing. Raises ServiceError
        as :meth:`project` does.
        """
        url = URL(f"{self._records}/{numberid}", encoded=True)
        reply, record = await self._get_object_with_retries(url)
        if record is None and not (reply.http_status == 404 and reply.understood):
            return _raise_for_reply(reply, "record")
        return record

    async def _get_object_with_retries(
        self, url: URL, cap: int = REPLY_CAP
    ) -> tuple[Reply, dict[str, Any] | None]:
        for wait in _RETRY_WAITS:
            reply, found = await self._get_object(url, cap)
            passing = reply.wire is not Wire.ANSWERED or reply.http_status in _TRANSIENT
            if found is not None or not passing:
                return reply, found
            await asyncio.sleep(min(max(wait, reply.retry_after or 0.0), _LONGEST_WAIT))
        return await self._get_object(url, cap)

    async def _get_object(
        self, url: URL, cap: int = REPLY_CAP
    ) -> tuple[Reply, dict[str, Any] | None]:
        reply, response = await self._get(url, cap)
        match response:
            case dict() as found if reply.http_status == 200 and not reply.errors:
                return reply, found
            case [dict() as found] if reply.http_status == 200 and not reply.errors:
                return reply, found
        return reply, None

    async def _get(self, url: URL, cap: int) -> tuple[Reply, Any]:
        """GET once: the reply, and the `response` of its envelope, None without an envelope."""
        reply, envelope = await self._connected.exchange("GET", url, b"", cap)
        return reply, envelope["response"] if envelope else None

    @property
    def _connected(self) -> Connections:
        if self._connections is None:
            raise RuntimeError("the client is used outside of its `async with` block")
        return self._connections


def _raise_for_reply(reply: Reply, what: str) -> NoReturn:
    """Raise ServiceError for a reply that did not describe what was asked for."""
    match judge(reply, 1, _NO_RETRIES, 0.0):
        case Stop(message=message, hint=hint):
            is_unknown = reply.http_status in _NO_PROJECT
            raise (NoProjectError if is_unknown else ServiceError)(message, hint)
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
