"""The only client of the service: it adds records, and looks at what the service has.

How far an exchange got, and whether an answer is its own, is up to `exchange.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import Any, NoReturn, Self

from yarl import URL

from importer.api.exchange import (
    Connections,
    Supervision,
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

_LOOKING_AGAIN = (0.5, 1.0, 2.0, 4.0)
_LONGEST_LOOK = 30.0
_MAY_NOT_ASK = frozenset({401, 403, 404})
_NO_PROJECT = frozenset({404, 410})
"""Answers to GET users by which a key that may add records is told that it may not ask."""
_PASSING = frozenset({429, 500, 502, 503, 504})
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
        supervision: Supervision | None = None,
    ) -> None:
        base_url = checked_base_url(target.base_url)
        self._projectid = target.project
        self._records = URL(records_url(base_url, target.project), encoded=True)
        self._project = URL(project_url(base_url, target.project), encoded=True)
        self._users = URL(users_url(base_url), encoded=True)
        self._pace = pace
        mask = KeyMask(target.customer, target.api_key.reveal())
        self._supervision = replace(supervision or Supervision(), mask=mask)
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
            self._supervision,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._connections is not None:
            await self._connections.close()
            self._connections = None

    def use_once(self) -> None:
        """From now on use each connection for one request."""
        self._open.use_once()

    async def add(self, body: bytes) -> Reply:
        """Send one Add record request, once; `body` is its JSON.

        Network trouble of every kind is part of the Reply and never raised.
        """
        reply, _ = await self._open.exchange("POST", self._records, body, REPLY_CAP)
        return reply

    async def probe(self) -> Reply:
        """Ask for the project, which changes nothing, to see how the service is.

        Network trouble of every kind is part of the Reply and never raised.
        """
        reply, _ = await self._open.exchange("GET", self._project, b"", PROJECT_CAP)
        return reply

    async def project(self, *, patient: bool = False) -> Project:
        """The project as the service describes it.

        If `patient`, trouble that may pass is tried again some times. Raises ServiceError if the
        service refuses, cannot be reached or says something else.
        """
        look = self._look_patiently if patient else self._look_up
        reply, described = await look(self._project, PROJECT_CAP)
        if described is None:
            return _refused(reply, "project")
        return read_project(described, self._projectid)

    async def users(self) -> Users:
        """The users as the service lists them, or why it does not.

        A key that may add records need not be allowed to list users, so a refusal to do so is no
        error, nor is a list without users. Raises ServiceError as :meth:`project` does for all
        other trouble.
        """
        reply, response = await self._response_of(self._users, PROJECT_CAP)
        verdict = judge(reply, 1, _NO_RETRIES, 0.0)
        if reply.http_status in _MAY_NOT_ASK and isinstance(verdict, Stop):
            return Users(None, verdict.message)
        if reply.http_status != 200 or reply.errors or not reply.understood:
            return _refused(reply, "users")
        users = read_users(response)
        return Users(users) if users else Users(None, "its list names nobody")

    async def record(self, numberid: int) -> dict[str, Any] | None:
        """A record as the service describes it: `data`, `contacts` and so on; None for none.

        Trouble that may pass is tried again some times, since looking changes nothing. Raises
        ServiceError as :meth:`project` does.
        """
        url = URL(f"{self._records}/{numberid}", encoded=True)
        reply, record = await self._look_patiently(url)
        if record is None and not (reply.http_status == 404 and reply.understood):
            return _refused(reply, "record")
        return record

    async def _look_patiently(
        self, url: URL, cap: int = REPLY_CAP
    ) -> tuple[Reply, dict[str, Any] | None]:
        for wait in _LOOKING_AGAIN:
            reply, found = await self._look_up(url, cap)
            passing = reply.wire is not Wire.ANSWERED or reply.http_status in _PASSING
            if found is not None or not passing:
                return reply, found
            await asyncio.sleep(min(max(wait, reply.retry_after or 0.0), _LONGEST_LOOK))
        return await self._look_up(url, cap)

    async def _look_up(self, url: URL, cap: int = REPLY_CAP) -> tuple[Reply, dict[str, Any] | None]:
        reply, response = await self._response_of(url, cap)
        match response:
            case dict() as found if reply.http_status == 200 and not reply.errors:
                return reply, found
            case [dict() as found] if reply.http_status == 200 and not reply.errors:
                return reply, found
        return reply, None

    async def _response_of(self, url: URL, cap: int) -> tuple[Reply, Any]:
        """A reply, and the `response` of its envelope; None for a reply that has none."""
        reply, envelope = await self._open.exchange("GET", url, b"", cap)
        return reply, envelope["response"] if envelope else None

    @property
    def _open(self) -> Connections:
        if self._connections is None:
            raise RuntimeError("the client is used outside of its `async with` block")
        return self._connections


def _refused(reply: Reply, what: str) -> NoReturn:
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
