"""The local Add record service: HTTP in front of a :class:`~importer.sandbox.store.Store`.

Everything is answered in the service's envelope, ``{"errors": [...], "response": ...}``, sent
chunked as ``text/plain``, whatever went wrong.

It is stopped without cutting off a request: aiohttp's own shutdown drops what arrives after it
has begun, so a request whose body was still on its way would never be answered, and its sender
could not know whether the record exists. :class:`InFlight` waits for those first.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import errno
import hmac
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from importer.errors import ImporterError
from importer.sandbox import document
from importer.sandbox.body import ERRORCODE, KnownProject, check
from importer.sandbox.envelope import Refusal, enveloped, reply, request_error
from importer.sandbox.faults import NO_FAULTS, Faults
from importer.sandbox.misconduct import ADD_RECORD, altered, misconduct
from importer.sandbox.projects import Project
from importer.sandbox.store import STORE_THREAD, Store, StoreThread, open_store

BODY_LIMIT = 1024 * 1024
"""Bytes of a request body."""

SHUTDOWN_SECONDS = 10.0
"""How long requests in flight may take to finish when the sandbox is stopped."""

_ABORT_SECONDS = 1.0
"""How long those get that have not finished by then."""

_LINGER_SECONDS = 2.0
"""How long the rest of a refused body is read and thrown away, so that its sender sees why."""


async def serve(  # noqa: PLR0913 (each is an option of the command)
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    db: Path | None = None,
    projects: Sequence[Project] | None = None,
    customer: str,
    api_key: str,
    faults: Faults = NO_FAULTS,
    log_requests: bool = False,
    log_stamp: str = "import_ref",
    on_ready: Callable[[str], None] = lambda _url: None,
    until: asyncio.Event | Awaitable[object] | None = None,
) -> None:
    """Serve until `until` is set or done (None: until cancelled), then finish what is in flight.

    `port` 0 takes any free one; `on_ready` is given the base URL, ending in ``/v2``, once the
    service accepts connections. Without `db` the data lives in a temporary file that is removed
    at the end. Without `projects` it serves what the database has from before; an empty one gets
    a built-in example, project 1 with the fields `name`, `city` (simple) and `likes` (multiple).
    `log_requests` keeps a line for every Add record in the table ``request``, with
    the text of the form field `log_stamp`.
    Raises ImporterError when the port or the database cannot be had.
    """
    with ExitStack() as stack:
        if db is None:
            folder = tempfile.TemporaryDirectory(prefix="vcc-sandbox-")
            db = Path(stack.enter_context(folder)) / "sandbox.sqlite3"
        store = open_store(db, projects, log_requests=log_requests)
        stack.callback(store.close)
        app = build_app(
            store,
            customer=customer,
            api_key=api_key,
            faults=faults,
            log_stamp=log_stamp if log_requests else None,
        )
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_http_log(),
            shutdown_timeout=_ABORT_SECONDS,
            lingering_time=_LINGER_SECONDS,
        )
        await runner.setup()
        try:
            await _bind(runner, host, port)
            on_ready(_base_url(host, runner.addresses[0][1]))
            until = asyncio.Event() if until is None else until
            await (until.wait() if isinstance(until, asyncio.Event) else until)
        finally:
            for site in runner.sites:
                await site.stop()
            await app[IN_FLIGHT].drain(SHUTDOWN_SECONDS)
            await runner.cleanup()


async def _bind(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise ImporterError(
                f"port {port} on {host} is in use by another program",
                hint="name another with --port, or leave it out for any free one",
            ) from error
        raise ImporterError(
            f"the sandbox cannot listen on {host}, port {port}: {error}",
            hint="check the address and the port; ports below 1024 need privileges",
        ) from error


def _base_url(host: str, port: int) -> str:
    """Where a client on this machine finds the service, even when it listens on every address."""
    shown = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/v2"


_WORDS = 200
"""Characters that are shown of what is wrong with a request."""


def _http_log() -> logging.Logger:
    """Where aiohttp writes what goes wrong: one line for what was no HTTP."""
    log = logging.getLogger(f"{__name__}.http")
    log.addFilter(_as_a_line)  # adding it again changes nothing
    return log


def _as_a_line(record: logging.LogRecord) -> bool:
    """Take the traceback from a record about a malformed request, which has been answered 400."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        why = " ".join(str(error.message).split())[:_WORDS]
        shown = "".join(char if char.isprintable() else "\ufffd" for char in why)
        record.msg = "%s: %s"
        record.args = ("a request that is not HTTP", shown)
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


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


IN_FLIGHT = web.AppKey("IN_FLIGHT", InFlight)


def build_app(
    store: Store,
    *,
    customer: str,
    api_key: str,
    faults: Faults = NO_FAULTS,
    log_stamp: str | None = None,
) -> web.Application:
    """The service as an application; `store` stays the caller's to close, after the app.

    With `log_stamp`, a form field that tells records apart, the store must have been opened to
    log requests.
    """

    async def store_thread(app: web.Application) -> AsyncIterator[None]:
        app[STORE_THREAD] = StoreThread(store)
        yield
        await app[STORE_THREAD].close()

    in_flight = InFlight()
    # From the outside in. What delays, limits or spoils requests stands at the end: behind
    # `authenticate`, and around the handlers, so that it can act before and after a record is
    # stored.
    middlewares = [
        in_flight.middleware(),
        enveloped,
        authenticate(customer, api_key),
        *misconduct(faults, read=_read, closing=in_flight.closing, log_stamp=log_stamp),
    ]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_LIMIT + 1)
    app[IN_FLIGHT] = in_flight
    app.cleanup_ctx.append(store_thread)
    app.router.add_get("/v2/users", list_users, allow_head=False)
    app.router.add_get("/v2/projects", list_projects, allow_head=False)
    app.router.add_get("/v2/projects/{projectid}", describe_project, allow_head=False)
    app.router.add_post("/v2/projects/{projectid}/records", add_record, name=ADD_RECORD)
    app.router.add_get("/v2/projects/{projectid}/records/{numberid}", show_record, allow_head=False)
    return app


def authenticate(customer: str, api_key: str) -> Middleware:
    """Let nobody in but the customer with its key; compared in constant time."""
    credentials = f"{customer}:{api_key}".encode()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        if not hmac.compare_digest(given, credentials) or scheme.lower() != "basic":
            answer = reply(request, [], [request_error(401, "unauthorized")], 401)
            answer.headers["WWW-Authenticate"] = 'Basic realm="sandbox", charset="UTF-8"'
            return answer
        return await handler(request)

    return middleware


async def list_users(request: web.Request) -> web.Response:
    """``GET /users``; 404, as of a key that may not ask, where a project takes any user."""
    thread = request.app[STORE_THREAD]
    users = await thread.call(thread.store.list_users)
    if users is None:
        raise Refusal(404, [request_error(404, "users_not_found")])
    return reply(request, users)


async def list_projects(request: web.Request) -> web.Response:
    """``GET /projects``."""
    thread = request.app[STORE_THREAD]
    return reply(request, await thread.call(thread.store.list_projects))


async def describe_project(request: web.Request) -> web.Response:
    """``GET /projects/[projectid]``."""
    thread = request.app[STORE_THREAD]
    return reply(request, await thread.call(thread.store.describe, _project(request).projectid))


async def show_record(request: web.Request) -> web.Response:
    """``GET /projects/[projectid]/records/[numberid]``."""
    thread = request.app[STORE_THREAD]
    projectid, numberid = _project(request).projectid, _id(request, "numberid")
    record = None
    if numberid is not None:
        record = await thread.call(thread.store.record, projectid, numberid)
    if record is None:
        raise Refusal(404, [request_error(404, "record_not_found")])
    return reply(request, record)


async def add_record(request: web.Request) -> web.Response:
    """``POST /projects/[projectid]/records``."""
    project = _project(request)
    try:
        body = document.parse_json(await _read(request))
    except (ValueError, web.RequestPayloadError):
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, [request_error(400, "invalid_json")])
    checked = check(body, project)
    if isinstance(checked, list):
        raise Refusal(ERRORCODE, checked)
    return reply(request, [await request.app[STORE_THREAD].add(altered(checked, project))])


async def _read(request: web.Request) -> bytes:
    """The body; one that is too large is refused by its stated length, or where it goes over."""
    too_large = Refusal(413, [request_error(413, "body_too_large")])
    if (request.content_length or 0) > BODY_LIMIT:
        raise too_large
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
    if len(body) > BODY_LIMIT:
        raise too_large
    return body


def _project(request: web.Request) -> KnownProject:
    projectid = _id(request, "projectid")
    project = None if projectid is None else request.app[STORE_THREAD].store.projects.get(projectid)
    if project is None:
        raise Refusal(404, [request_error(404, "project_not_found")])
    return project


def _id(request: web.Request, name: str) -> int | None:
    text = request.match_info[name]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
