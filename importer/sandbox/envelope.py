"""The envelope, ``{"errors": [...], "response": ...}``, that everything is answered in."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

from importer.sandbox.body import Error

_log = logging.getLogger(__name__)


class Refusal(Exception):  # noqa: N818 (it refuses a request; nothing failed)
    """A request is answered with an error."""

    def __init__(self, status: int, errors: list[Error]) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors


def reply(
    request: web.Request, response: Any, errors: Sequence[Error] = (), status: int = 200
) -> web.Response:
    """The envelope, as the service sends it: chunked, and as text."""
    answer = web.Response(
        status=status,
        body=orjson.dumps({"errors": errors, "response": response}),
        content_type="text/plain",
        charset="utf-8",
    )
    if request.version >= HttpVersion11:
        answer.enable_chunked_encoding()
    return answer


def request_error(status: int, message: str) -> Error:
    """One entry of `errors` that is about the request and not about its body."""
    return {"errorcode": status, "errormessage": f"error.{message}"}


@web.middleware
async def enveloped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put whatever is refused, or goes wrong, into the envelope."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return reply(request, [], refusal.errors, refusal.status)
    except web.HTTPMethodNotAllowed as error:
        answer = reply(request, [], [request_error(405, "method_not_allowed")], 405)
        answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return answer
    except web.HTTPNotFound:
        return reply(request, [], [request_error(404, "not_found")], 404)
    except (sqlite3.Error, OSError) as error:
        # A connection that the client gave up is no failure of the store, and is aiohttp's.
        if isinstance(error, ConnectionError):
            raise
        _log.error("the sandbox's database failed: %s", error)
        return reply(request, [], [request_error(500, "storage_failed")], 500)
