"""The middleware that delays, limits and spoils requests as it was told, and keeps the log.

What is to be stored otherwise than it was sent, :func:`altered` changes on its way to the store.

Rules:

- A request is counted once it was received whole, and its fate is decided at that moment, so
  that the same order of requests meets the same faults.
- A rule comes before the rate limit; a request that either of them answers has waited as long
  as any other (`latency`), but only what is let through takes a place in the service.
- The log is committed before the client can see anything of the answer.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import cached_property
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler, Middleware

from importer.sandbox.body import Addition, KnownProject, error
from importer.sandbox.envelope import enveloped, reply, request_error
from importer.sandbox.faults import (
    KINDS,
    NO_FAULTS,
    Capacity,
    FaultKind,
    Faults,
    RateLimit,
    RetryAfter,
    Rule,
)
from importer.sandbox.store import BEING_ANSWERED, STORE_THREAD, LoggedRequest, logged_request

ADD_RECORD = "add_record"
"""Name of the route that the faults are for, unless they are for all."""

RATE_LIMIT = "rate_limit"
"""What the log calls the fault of a request that came too soon."""

_POLL_SECONDS = 0.25
"""How soon a hanging request notices that its client has left."""

_RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

_ALTERING: ContextVar[Rule | None] = ContextVar("_ALTERING", default=None)
"""The rule by which the record of the current task is stored otherwise than it was sent."""

Read = Callable[[web.Request], Awaitable[bytes]]


def misconduct(
    faults: Faults, *, read: Read, closing: asyncio.Event, log_stamp: str | None = None
) -> list[Middleware]:
    """The middleware, or none at all where nothing is to go wrong and nothing is logged.

    `read` gives the body of a request or refuses it. `closing` is set when the sandbox stops.
    `log_stamp` is the form field whose text stands in the log; None keeps no log.
    """
    if faults == NO_FAULTS and log_stamp is None:
        return []
    state = _State(faults)

    @web.middleware
    async def misbehaving(request: web.Request, handler: Handler) -> web.StreamResponse:
        add = request.match_info.route.name == ADD_RECORD
        try:
            body = await read(request) if add else b""
        except web.RequestPayloadError:  # cannot be unpacked: the handler says so
            return await handler(request)
        now = asyncio.get_running_loop().time()
        ordinal, rule = state.decide(body, now, add=add)
        refused = state.refused(now, add=add) if rule is None else 0.0
        line = None
        if add and log_stamp is not None:
            fault = rule.kind.value if rule else RATE_LIMIT if refused else None
            project = request.match_info["projectid"]
            line = logged_request(ordinal, project, body, stamp_field=log_stamp, fault=fault)
        if delay := state.delay(now, served=not refused):
            await asyncio.sleep(delay)
        if refused and (limit := faults.rate_limit):
            await _log(request, line)
            return too_many(request, limit.retry_after, limit.wait or refused)
        if rule is not None and not rule.stores:
            await _log(request, line)
            return await spoil(request, rule, None, closing)
        alters = rule is not None and KINDS[rule.kind].alters
        BEING_ANSWERED.set(line)
        _ALTERING.set(rule if alters else None)
        answer = await enveloped(request, handler)
        if answer.status != 200:  # no record was stored, so its line was not written with it
            spared = rule is not None and (alters or rule.kind is FaultKind.PARTIAL)
            await _log(request, replace(line, fault=None) if line and spared else line)
        if rule is None or alters:
            return answer
        return await spoil(request, rule, answer, closing)

    return [misbehaving]


async def _log(request: web.Request, line: LoggedRequest | None) -> None:
    if line is not None:
        await request.app[STORE_THREAD].log(line)


# Whether a request is struck, and when it is answered.


class _State:
    """Everything that is counted, from the start of the sandbox on."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._rules = [
            # The index keeps two rules from throwing the same dice.
            _RuleState(rule, random.Random(f"{rule.seed}:{index}"))  # noqa: S311 (to be repeatable)
            for index, rule in enumerate(faults.faults)
        ]
        self._dice = random.Random(0)  # noqa: S311
        self._bucket = _TokenBucket(faults.rate_limit) if faults.rate_limit else None
        self._queue = _Queue(faults.capacity) if faults.capacity else None
        self._records = 0
        self._all = 0

    def decide(self, raw: bytes, now: float, *, add: bool) -> tuple[int, Rule | None]:
        """Count the request; its ordinal among Add records, and the rule that strikes it."""
        self._all += 1
        self._records += add
        struck = None
        body = _Body(raw)
        for each in self._rules:
            everybody = each.rule.everybody
            if not add and not everybody:
                continue
            # Thrown for every request, so that the Nth has the Nth throw, whatever struck before.
            drawn = each.dice.random() if each.rule.probability is not None else 0.0
            ordinal = self._all if everybody else self._records
            if struck is None and each.strikes(ordinal, now, drawn, body):
                struck = each.rule
                each.since = now if each.since is None else each.since
        return self._records, struck

    def refused(self, now: float, *, add: bool) -> float:
        """Seconds until the rate limit lets the request in; 0 where it does now."""
        bucket = self._bucket
        return bucket.take(now) if bucket and (add or bucket.limit.to == "all") else 0.0

    def delay(self, now: float, *, served: bool) -> float:
        """Seconds that the request waits before anything is done about it."""
        latency = self._faults.latency
        seconds = self._dice.uniform(*latency) if latency else 0.0
        if self._queue and served:
            seconds += self._queue.join(now + seconds) - now - seconds
        return seconds


@dataclass(slots=True)
class _RuleState:
    """A rule with its own random numbers, and when it first struck, in the loop's seconds."""

    rule: Rule
    dice: random.Random
    since: float | None = None

    def strikes(self, ordinal: int, now: float, drawn: float, body: _Body) -> bool:
        """Whether all that the rule says about "when" is true."""
        rule = self.rule
        return (
            (rule.every is None or ordinal % rule.every == 0)
            and (rule.at is None or ordinal in rule.at)
            and (rule.from_ is None or ordinal >= rule.from_)
            and (rule.until is None or ordinal <= rule.until)
            and (rule.for_ is None or self.since is None or now < self.since + rule.for_)
            and (rule.probability is None or drawn < rule.probability)
            and (rule.match is None or all(body.at(k) == v for k, v in rule.match.items()))
        )


class _Body:
    """A request's body, read as JSON only if a rule looks into it."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    @cached_property
    def _parsed(self) -> Any:
        try:
            return orjson.loads(self._raw)
        except ValueError:
            return None

    def at(self, path: str) -> str | None:
        """The text at a dotted path; a field's own name may have dots."""
        part, _, rest = path.partition(".")
        node = self._parsed.get(part) if isinstance(self._parsed, dict) else None
        if part == "contacts" and isinstance(node, dict):
            number, _, rest = rest.partition(".")
            node = node.get(number)
        found = node.get(rest) if isinstance(node, dict) else None
        return None if found is None else str(found)


class _TokenBucket:
    """A token bucket; full at the start."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self._tokens = float(limit.at_once)
        self._then = -math.inf

    def take(self, now: float) -> float:
        """Take a token and give 0, or give the seconds until there is one."""
        grown = self._tokens + (now - self._then) * self.limit.rate
        self._tokens, self._then = min(self.limit.at_once, grown), now
        if self._tokens < 1:
            return (1 - self._tokens) / self.limit.rate
        self._tokens -= 1
        return 0.0


class _Queue:
    """The requests that wait for one of the service's places.

    When each is done is reckoned, not waited for in turn, so that timers that ring late do not
    add up: a full service serves exactly ``at_once / each`` requests a second.
    """

    def __init__(self, capacity: Capacity) -> None:
        self._each = capacity.each
        self._free_at = [-math.inf] * capacity.at_once

    def join(self, now: float) -> float:
        """The time at which the request is done, first come, first served."""
        done = max(now, self._free_at[0]) + self._each
        heapq.heapreplace(self._free_at, done)
        return done


# What is stored instead of what was sent.


def altered(addition: Addition, project: KnownProject) -> Addition:
    """The record as it is to be stored: as it was sent, unless a rule that alters it struck.

    The fields that a rule leaves alone, and those that the record does not have, stay as they are.
    """
    rule = _ALTERING.get()
    if rule is None:
        return addition
    match rule.kind:
        case FaultKind.DROP_FIELD:
            return _without_field(addition, rule)
        case FaultKind.SWAP_CONTACTS:
            return _with_contacts_swapped(addition, rule)
        case FaultKind.CUT_TEXTS:
            return _with_texts_cut(addition, rule, project)
        case FaultKind.REORDER_VALUES:
            return _with_values_reversed(addition, project)
        case _:
            return addition


def _without_field(addition: Addition, rule: Rule) -> Addition:
    dropped = next(iter(addition.form), None) if rule.field is None else rule.field
    form = {name: value for name, value in addition.form.items() if name != dropped}
    return replace(addition, form=form)


def _with_contacts_swapped(addition: Addition, rule: Rule) -> Addition:
    one, other = (f"phone{number}" for number in rule.contacts)
    contacts = dict(addition.contacts)
    if one in contacts and other in contacts:
        contacts[one], contacts[other] = contacts[other], contacts[one]
    return replace(addition, contacts=contacts)


def _with_texts_cut(addition: Addition, rule: Rule, project: KnownProject) -> Addition:
    # A value's name is left whole: a cut one would be another value, which is another mistake.
    form = {
        name: value[: rule.characters]
        if isinstance(value, str)
        and project.fields[name].type == "text"
        and rule.field in (None, name)
        else value
        for name, value in addition.form.items()
    }
    contacts = {
        number: {
            part: text if part == "phone" else text[: rule.characters]
            for part, text in contact.items()
        }
        for number, contact in addition.contacts.items()
    }
    return replace(addition, form=form, contacts=addition.contacts if rule.field else contacts)


def _with_values_reversed(addition: Addition, project: KnownProject) -> Addition:
    form = {
        name: "|".join(reversed(value.split("|")))
        if isinstance(value, str) and project.fields[name].type == "multiple"
        else value
        for name, value in addition.form.items()
    }
    return replace(addition, form=form)


# How each fault looks on the wire.


async def spoil(
    request: web.Request, rule: Rule, answer: web.StreamResponse | None, closing: asyncio.Event
) -> web.StreamResponse:
    """What the client gets instead of `answer`, which is None where no record was to be stored.

    Where the connection is ended, the value given is not sent any more. `closing` ends what hangs.
    """
    match rule.kind:
        case FaultKind.CLOSE | FaultKind.RESET:
            return _end(request, reset=rule.kind is FaultKind.RESET)
        case FaultKind.DOWN if rule.answer != "bad_gateway":
            return _end(request, reset=rule.answer == "reset")
        case FaultKind.HANG:
            return await _hang(request, closing)
        case FaultKind.CUT_SHORT:
            return _cut_short(request, answer)
        case FaultKind.SLOW if answer is not None:
            return await _trickle(request, answer, rule)
        case FaultKind.DROP_IDLE if answer is not None:
            return await _then_closed(request, answer)
        case FaultKind.PARTIAL if answer is not None:
            return _partial(request, answer, rule.status or KINDS[rule.kind].status)
        case FaultKind.NO_RESULT:
            return reply(request, [])
        case FaultKind.HTML:
            return _page("Please log in", 200)
        case FaultKind.EMPTY:
            return web.Response()
        case FaultKind.REDIRECT:
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
    proxied = rule.kind in (FaultKind.BAD_GATEWAY, FaultKind.GATEWAY_TIMEOUT, FaultKind.DOWN)
    body = rule.body or ("html" if proxied else "json")
    status = KINDS[rule.kind].status or KINDS[FaultKind.BAD_GATEWAY].status
    if rule.kind in (FaultKind.THROTTLED, FaultKind.UNAVAILABLE):
        return too_many(request, rule.retry_after, rule.wait, body, status)
    answer = _failed(request, status, body)
    if rule.kind is FaultKind.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Basic realm="sandbox", charset="UTF-8"'
    return answer


def _failed(request: web.Request, status: int, body: str) -> web.Response:
    if body == "json":
        return reply(request, [], [request_error(status, HTTPStatus(status).name.lower())], status)
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
