"""The console's server: the routes, what is around them, and its life from first to last."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from importer.console import (
    columns_step,
    file_step,
    fix_step,
    home,
    plan_step,
    result_step,
    send_step,
    target,
)
from importer.console.connections import MOST, Connections
from importer.console.drafts import DRAFTS, Drafts
from importer.console.instance import Instance, Link, link_to_running
from importer.console.pages import PAGES, STATIC_FILES, Pages
from importer.console.plan_step import RUNS_DIR
from importer.console.saved_mappings import SAVED_MAPPINGS, SavedMappings
from importer.console.security import (
    ACCESS,
    HOST,
    LINK,
    LINK_ROUTE,
    OPEN,
    OPEN_ROUTE,
    STATIC,
    STATIC_ROUTE,
    Access,
    RefusedError,
    add_headers,
    gates,
    loopback,
)
from importer.console.streams import STREAMS, Streams
from importer.console.target import TARGETS, Targets
from importer.console.under_way import UNDER_WAY, UnderWay
from importer.console.work import OPEN_LISTS, OpenLists
from importer.errors import ImporterError, UsageError
from importer.operations.ledger import state_dir
from importer.settings import DEFAULT_RUNS_DIR

BODY_LIMIT = 2**20
"""Bytes of a form; files are streamed, with a limit of their own."""
_BACKLOG = 1024
"""Connections that wait to be accepted: where a crowd fills it, the operator waits a second."""
_SHUTDOWN_SECONDS = 3.0
_LINGER_SECONDS = 2.0
"""How long the rest of a refused body is read and thrown away, so that its sender sees why."""
_INSTANCE = web.AppKey("_INSTANCE", Instance)
_log = logging.getLogger(__name__)


def console_dir() -> Path:
    """Where a user's console keeps what lasts: drafts, and how to find the one that runs.

    Raises UsageError where the user has no place for state.
    """
    state = state_dir()
    if state is None:
        raise UsageError(
            "there is no place to keep drafts: this user has no home folder",
            "Name a folder for them in the variable VCC_STATE_DIR.",
        )
    return state / "console"


async def serve(
    *,
    host: str = HOST,
    port: int = 0,
    on_ready: Callable[[Link], None],
    until: asyncio.Event,
    runs_dir: Path = DEFAULT_RUNS_DIR,
    most_connections: int = MOST,
) -> None:
    """Serve until `until` is set; `on_ready` is given the link once it can be opened.

    `port` 0 is any free one. Where a console of this user runs already, its new link is given, and
    this returns at once. Plans and runs get their folders in `runs_dir`. Raises UsageError for a
    host that is not this machine's own, for a port that cannot be had, and for a console that does
    not answer; OutputError where the folder of state cannot be written.
    """
    address, folder = loopback(host), console_dir()
    instance = Instance.claim(folder)
    if instance is None:
        on_ready(await asyncio.to_thread(link_to_running, folder))
        return
    try:
        with _listening(address, port) as listener:
            connections = Connections(most_connections)
            app = build_app(
                Access(int(listener.getsockname()[1])), instance, folder, runs_dir, connections
            )
            await _serve(listener, app, connections, on_ready, until)
    finally:
        instance.end()


def _listening(address: str, port: int) -> socket.socket:
    try:
        return socket.create_server((address, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"the console cannot listen on port {port}: {reason}",
            "Leave the port out for any free one; ports below 1024 need privileges.",
        ) from None


async def _serve(
    listener: socket.socket,
    app: web.Application,
    connections: Connections,
    on_ready: Callable[[Link], None],
    until: asyncio.Event,
) -> None:
    await asyncio.to_thread(app[DRAFTS].remove_left_behind)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_http_log(),
        shutdown_timeout=_SHUTDOWN_SECONDS,
        lingering_time=_LINGER_SECONDS,
        auto_decompress=False,  # no browser packs what it sends; what is packed may be a bomb
    )
    await runner.setup()
    server = None
    try:
        assert runner.server is not None  # noqa: S101 (it is there once set up)
        loop = asyncio.get_running_loop()
        protocol = connections.limited(runner.server)
        server = await loop.create_server(protocol, sock=listener, backlog=_BACKLOG)
        instance, access = app[_INSTANCE], app[ACCESS]
        instance.announce(int(listener.getsockname()[1]))
        on_ready(instance.opening(access.link()))
        await until.wait()
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()


def build_app(
    access: Access, instance: Instance, folder: Path, runs_dir: Path, connections: Connections
) -> web.Application:
    """The console as an application; `folder` is where it keeps what lasts."""
    app = web.Application(
        middlewares=[_answering, gates(access, home.UPLOADS), _admitting(connections)],
        client_max_size=BODY_LIMIT,
    )
    app[ACCESS], app[_INSTANCE], app[RUNS_DIR] = access, instance, runs_dir.absolute()
    app[PAGES], app[STREAMS] = Pages(), Streams()
    drafts = app[DRAFTS] = Drafts(folder / "drafts")
    app[SAVED_MAPPINGS] = SavedMappings(folder / "mappings", Path.cwd() / "mappings")
    targets = app[TARGETS] = Targets(folder)
    app[UNDER_WAY] = UnderWay(drafts)
    app[OPEN_LISTS] = OpenLists(drafts, targets, app[RUNS_DIR])
    app.on_response_prepare.append(add_headers)
    # In this order: what is in flight may be on its way to the sandbox, and pages may watch.
    app.on_shutdown.extend([_end_work, _end_streams])
    app.on_cleanup.append(_end_sandbox)
    # HEAD would spend the token of a link without showing the page.
    app.router.add_get(OPEN, _open, name=OPEN_ROUTE, allow_head=False)
    app.router.add_post(LINK, _link, name=LINK_ROUTE)
    app.router.add_static(STATIC, STATIC_FILES, name=STATIC_ROUTE)
    app.add_routes([*home.ROUTES, *file_step.ROUTES, *target.ROUTES])
    app.add_routes([*fix_step.ROUTES, *plan_step.ROUTES, *send_step.ROUTES])
    app.add_routes([*columns_step.ROUTES, *result_step.ROUTES])
    return app


async def _end_work(app: web.Application) -> None:
    await app[OPEN_LISTS].end()
    await app[UNDER_WAY].end()


async def _end_streams(app: web.Application) -> None:
    app[STREAMS].end()


async def _end_sandbox(app: web.Application) -> None:
    await app[TARGETS].end()


def _admitting(connections: Connections) -> Middleware:
    @web.middleware
    async def admitting(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.app[ACCESS].session(request) is not None:
            connections.admit(request)
        return await handler(request)

    return admitting


_STATUS_WORDS = {
    404: ("there is no such page", "It may be of a draft that was removed: begin at the start."),
    405: ("this cannot be done here", None),
    413: ("this is too large", "Send less at once."),
}


@web.middleware
async def _answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what is raised into a page that says what to do; never a traceback."""
    try:
        return await handler(request)
    except RefusedError as error:
        answer = request.app[PAGES].refusal(request, error.status, error)
        answer.force_close()  # who is refused keeps no connection
        return answer
    except ImporterError as error:
        return request.app[PAGES].refusal(request, 422, error)
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        message, hint = _STATUS_WORDS.get(answer.status, (answer.reason, None))
        refused = ImporterError(message, hint)
        return request.app[PAGES].refusal(request, answer.status, refused)
    except ConnectionError:
        raise  # the browser is gone: there is nobody to answer
    except Exception:  # noqa: BLE001 (it is logged whole, and the person is told what to do)
        _log.exception("A request failed: %s %s", request.method, request.path)
        refused = ImporterError(
            "something went wrong in the console itself",
            "Nothing that was kept is lost. The terminal that it runs in says more; what you did"
            " can be tried again.",
        )
        return request.app[PAGES].refusal(request, 500, refused)


async def _open(request: web.Request) -> web.Response:
    """``GET /open?token=…``: a link is opened, and the browser gets the session's cookie."""
    access = request.app[ACCESS]
    session = access.enter(request.query.get("token", ""))
    if session is None:
        raise RefusedError(
            403,
            "this link was used already, or is too old",
            "Run vcc-import console again: it gives a new link to the console that runs.",
        )
    request.app[_INSTANCE].opened()
    # A page that leads on, not a redirect: the browser came from another site (a file), and sends
    # a SameSite=Strict cookie with no request of such a chain.
    answer = request.app[PAGES].render(request, "opened.html.j2")
    answer.set_cookie(access.cookie, session, path="/", httponly=True, samesite="Strict")
    return answer


async def _link(request: web.Request) -> web.Response:
    """``POST /link``: another process of this user asks for a new link."""
    instance = request.app[_INSTANCE]
    if not instance.is_secret(request.headers.get("Authorization", "")):
        raise RefusedError(403, "this is for vcc-import console only")
    link = instance.opening(request.app[ACCESS].link())
    return web.Response(text=link.url)


def _http_log() -> logging.Logger:
    """Where aiohttp writes what goes wrong: no traceback for what was no HTTP."""
    log = logging.getLogger(f"{__name__}.http")
    log.addFilter(_as_a_line)  # adding it again changes nothing
    return log


def _as_a_line(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.msg, record.args = "a request that is not HTTP", ()
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True
