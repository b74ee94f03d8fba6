"""How each fault looks on the wire."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import sys
import time
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import HttpVersion11, web

from importer.sandbox.body import error
from importer.sandbox.envelope import entry, reply
from importer.sandbox.faults import KINDS, Kind, RetryAfter, Rule

_POLL_SECONDS = 0.25
"""How soon a hanging request notices that its client has left."""

_RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


async def spoil(
    request: web.Request, rule: Rule, answer: web.StreamResponse | None, closing: asyncio.Event
) -> web.StreamResponse:
    """What the client gets instead of `answer`, which is None where no record was to be stored.

    Where the connection is ended, the value given is not sent any more. `closing` ends what hangs.
    """
    match rule.kind:
        case Kind.CLOSE | Kind.RESET:
            return _end(request, reset=rule.kind is Kind.RESET)
        case Kind.DOWN if rule.answer != "bad_gateway":
            return _end(request, reset=rule.answer == "reset")
        case Kind.HANG:
            return await _hang(request, closing)
        case Kind.CUT_SHORT:
            return _cut_short(request, answer)
        case Kind.SLOW if answer is not None:
            return await _trickle(request, answer, rule)
        case Kind.DROP_IDLE if answer is not None:
            return await _then_closed(request, answer)
        case Kind.PARTIAL if answer is not None:
            return _partial(request, answer, rule.status or KINDS[rule.kind].status)
        case Kind.NO_RESULT:
            return reply(request, [])
        case Kind.HTML:
            return _page("Please log in", 200)
        case Kind.EMPTY:
            return web.Response()
        case Kind.REDIRECT:
            status = rule.status or KINDS[rule.kind].status
            return web.Response(status=status, headers={"Location": rule.location})
        case _:
            return _status(request, rule)


def too_many(
    request: web.Request, form: RetryAfter, wait: float, body: str = "json", status: int = 429
) -> web.Response:
    """A refusal for now, naming in Retry-After, in the given form, when to come again."""
    answer = _failed(request, status, body)
    if form == "seconds":
        answer.headers["Retry-After"] = str(math.ceil(wait))
    elif form == "date":
        answer.headers["Retry-After"] = formatdate(math.ceil(time.time() + wait), usegmt=True)
    return answer


def _status(request: web.Request, rule: Rule) -> web.Response:
    # A proxy's own errors are pages; the service's are in its envelope.
    proxied = rule.kind in (Kind.BAD_GATEWAY, Kind.GATEWAY_TIMEOUT, Kind.DOWN)
    body = rule.body or ("html" if proxied else "json")
    status = KINDS[rule.kind].status or KINDS[Kind.BAD_GATEWAY].status
    if rule.kind in (Kind.THROTTLED, Kind.UNAVAILABLE):
        return too_many(request, rule.retry_after, rule.wait, body, status)
    answer = _failed(request, status, body)
    if rule.kind is Kind.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Basic realm="sandbox", charset="UTF-8"'
    return answer


def _failed(request: web.Request, status: int, body: str) -> web.Response:
    if body == "json":
        return reply(request, [], [entry(status, HTTPStatus(status).name.lower())], status)
    return (
        _page(HTTPStatus(status).phrase, status) if body == "html" else web.Response(status=status)
    )


def _page(title: str, status: int) -> web.Response:
    head = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>"
    text = f"{head}<body><h1>{title}</h1></body></html>\n"
    return web.Response(status=status, text=text, content_type="text/html")


def _end(request: web.Request, *, reset: bool = False, after: bytes = b"") -> web.Response:
    """End the connection, after some last bytes; aiohttp finds it closed and sends nothing."""
    transport = request.transport
    if transport is not None:
        if reset:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        else:
            transport.write(after)
            transport.close()
    return web.Response()


async def _hang(request: web.Request, closing: asyncio.Event) -> web.Response:
    while request.transport is not None and not closing.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), _POLL_SECONDS)
    return _end(request)


def _cut_short(request: web.Request, answer: web.StreamResponse | None) -> web.Response:
    whole = _bytes(answer or reply(request, [0]))
    status = HTTPStatus(answer.status if answer else 200)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(whole)}\r\n\r\n"
    )
    return _end(request, after=head.encode() + whole[: len(whole) // 2])


async def _trickle(
    request: web.Request, answer: web.StreamResponse, rule: Rule
) -> web.StreamResponse:
    slow = web.StreamResponse(
        status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]}
    )
    if request.version >= HttpVersion11:
        slow.enable_chunked_encoding()
    whole = _bytes(answer)
    with suppress(ConnectionError):  # the client's patience may end before the answer does
        await slow.prepare(request)
        for start in range(0, len(whole), rule.bytes):
            await asyncio.sleep(rule.interval)
            await slow.write(whole[start : start + rule.bytes])
        await slow.write_eof()
    return slow


async def _then_closed(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    with suppress(ConnectionError):
        await answer.prepare(request)
        await answer.write_eof()
    if request.transport is not None:
        request.transport.close()
    return answer


def _partial(request: web.Request, answer: web.StreamResponse, status: int) -> web.StreamResponse:
    found: Any = orjson.loads(_bytes(answer))
    if not found["response"]:  # the body was refused: nothing was stored, not even in part
        return answer
    return reply(request, found["response"], [error("partly_stored", "contacts", 1)], status)


def _bytes(answer: web.StreamResponse) -> bytes:
    body = answer.body if isinstance(answer, web.Response) else None
    return body if isinstance(body, bytes) else b""
