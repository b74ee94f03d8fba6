"""Who may talk to the console: the pages that it served itself, to the person who opened its link.

It listens on 127.0.0.1, but that alone keeps nobody out: every page in the browser can send
requests there, every program and every user of this machine can connect. So a request goes through
four gates, in this order:

1. **Host**, exactly. A page whose own name was made to lead to 127.0.0.1 (DNS rebinding) has its
   own name there. This gate is on every route.
2. **Sec-Fetch-Site**. Another port of 127.0.0.1 is the same *site* to a browser, which sends it our
   SameSite=Strict cookie: only our own *origin* passes, and what the person types or opens.
3. **Session**. A link holds a token that is good once; opening it gives a cookie. Its name holds
   the port, since cookies of one host are shared by all ports.
4. **Origin and CSRF token**, of everything but GET and HEAD.

The gates are a middleware; :meth:`Access.session` names the session of what has passed.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from importer.errors import ImporterError, UsageError

HOST = "127.0.0.1"
TOKEN_SECONDS = 600.0
"""How long a link may wait to be opened."""
MOST_SESSIONS = 64
"""Browsers that have opened a link; the oldest is forgotten where there are more."""
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
OPEN, LINK, STATIC = "/open", "/link", "/static/"
"""What needs no session: where a link leads, where another process asks for one, the style."""
OPEN_ROUTE, LINK_ROUTE, STATIC_ROUTE = "open", "link", "static"
"""What their routes are called. The gates go by that, since a path can be spelled in many ways."""

HEADERS = {
    # `base-uri` is not covered by default-src.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every response."""

_READS = frozenset({"GET", "HEAD"})
_FORM = "application/x-www-form-urlencoded"


class RefusedError(ImporterError):
    """A request that is not answered; `status` is what HTTP calls the reason."""

    def __init__(self, status: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


def loopback(host: str) -> str:
    """The address to listen on; raises UsageError for any but this machine's own."""
    if host in {HOST, "localhost"}:
        return HOST
    try:
        what = "another loopback address" if ipaddress.ip_address(host).is_loopback else "no"
    except ValueError:
        what = "no"
    if what == "no":
        what = "an address that other machines can reach"
    raise UsageError(
        f"the console listens on {HOST} only, and {host} is {what}",
        "It shows personal data and sends records as you, over HTTP without encryption. To use it"
        f" from another machine, let SSH carry it: ssh -L 8765:{HOST}:8765 USER@HOST, with --port"
        " 8765 here.",
    )


class Access:
    """The tokens, sessions and names that one console goes by; for the thread of its loop."""

    def __init__(self, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        # A browser leaves the port of http out.
        self.host = HOST if port == 80 else f"{HOST}:{port}"
        self.origin = f"http://{self.host}"
        self.cookie = f"vcc_console_{port}"
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._token = b""
        self._until = 0.0
        self._sessions: dict[bytes, None] = {}

    def link(self) -> str:
        """A new link that opens the console once; the one before it is good no more."""
        token = secrets.token_urlsafe(32)
        self._token = _hashed(token)
        self._until = self._clock() + TOKEN_SECONDS
        return f"{self.origin}{OPEN}?token={token}"

    def enter(self, token: str) -> str | None:
        """A new session for a link's token, which is spent; None where it is not good."""
        good = bool(self._token) and hmac.compare_digest(_hashed(token), self._token)
        if not good or self._clock() > self._until:
            return None
        self._token = b""
        session = secrets.token_urlsafe(32)
        self._sessions[_hashed(session)] = None
        while len(self._sessions) > MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return session

    def session(self, request: web.Request) -> str | None:
        """The session that a request belongs to, by its cookie; None where there is none."""
        given = request.cookies.get(self.cookie, "")
        # A look-up by the hash: how long it takes says nothing of the secret.
        return given if _hashed(given) in self._sessions else None

    def csrf(self, session: str) -> str:
        """The token that the pages of a session send back with everything that changes."""
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def is_csrf(self, request: web.Request, given: str) -> bool:
        """Whether that is the CSRF token of the request's session."""
        session = self.session(request)
        return session is not None and hmac.compare_digest(
            _hashed(given), _hashed(self.csrf(session))
        )


ACCESS = web.AppKey("ACCESS", Access)


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def gates(access: Access, uploads: frozenset[str]) -> Middleware:
    """The middleware that lets requests in, or raises RefusedError.

    `uploads` are the names of routes that take multipart bodies. They are the only ones whose
    bodies are not read here, since files are streamed; their handlers must call
    :func:`check_csrf` with the first part, before they take another.
    """

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        _check_host(request, access)
        route = request.match_info.route.name
        opens = route == OPEN_ROUTE
        site = request.headers.get("Sec-Fetch-Site")
        # A link is opened from a file, or from a terminal: to a browser these are other sites.
        if site not in {None, "none", "same-origin"} and not opens:
            raise RefusedError(403, "another page asked for this, not the console")
        if route in {OPEN_ROUTE, LINK_ROUTE, STATIC_ROUTE}:
            return await handler(request)
        if access.session(request) is None:
            # The cookie of a console that has ended: the browser keeps it until it is closed.
            had = access.cookie in request.cookies
            raise RefusedError(
                403,
                "the console was started anew since this page was opened"
                if had
                else "this browser has not opened the console's link",
                "Open the link that it printed when it was started, if it opened no page by itself."
                " Where the link is spent, run vcc-import console once more: that gives a new one."
                if had
                else "Run vcc-import console again, or ask whoever started it: that gives a new"
                " link to the console that runs. A link is good for one browser, until that is"
                " closed.",
            )
        if request.method not in _READS:
            _check_origin(request, access)
            await _check_form(request, uploads)
        return await handler(request)

    return gate


def _check_host(request: web.Request, access: Access) -> None:
    # A target with a host of its own, as proxies get it, would leave two names to choose from.
    if request.headers.getall("Host", []) != [access.host] or not request.raw_path.startswith("/"):
        raise RefusedError(
            421, "this is not the console's address", f"It is {access.origin}, and no other name."
        )


def _check_origin(request: web.Request, access: Access) -> None:
    origin = request.headers.get("Origin", "null")
    # With the referrer policy "no-referrer", browsers send forms of our own pages as from "null"
    # (Fetch standard, "append a request Origin header"). So do sandboxed frames of others:
    # Sec-Fetch-Site, which no page can set, tells them apart.
    if origin == "null" and request.headers.get("Sec-Fetch-Site") == "same-origin":
        return
    if origin != access.origin:
        raise RefusedError(403, "another page sent this, not the console")


async def _check_form(request: web.Request, uploads: frozenset[str]) -> None:
    if (given := request.headers.get(CSRF_HEADER)) is not None:
        check_csrf(request, given)
    elif request.content_type == _FORM:
        check_csrf(request, str((await request.post()).get(CSRF_FIELD, "")))
    elif request.match_info.route.name not in uploads:
        raise _not_from_a_page()


def check_csrf(request: web.Request, given: str) -> None:
    """Raise RefusedError where that is not the CSRF token of the request's session."""
    if not request.app[ACCESS].is_csrf(request, given):
        raise _not_from_a_page()


def _not_from_a_page() -> RefusedError:
    return RefusedError(
        403,
        "this was not sent by a page of the console that runs now",
        "Load the page again, and repeat what you did.",
    )


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Put `HEADERS` on a response, whatever it is; a signal of the application."""
    response.headers.update(HEADERS)
    if "Server" in response.headers:
        del response.headers["Server"]  # nobody needs to know the versions
