"""The middleware that delays, limits and spoils requests as it was told, and keeps the log.

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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from importer.sandbox import request_log
from importer.sandbox.desk import DESK
from importer.sandbox.envelope import enveloped
from importer.sandbox.faults import NO_FAULTS, Capacity, Faults, Kind, RateLimit, Rule
from importer.sandbox.request_log import BEING_ANSWERED, Entry
from importer.sandbox.spoil import spoil, too_many

ADD_RECORD = "add_record"
"""Name of the route that the faults are for, unless they are for all."""

RATE_LIMIT = "rate_limit"
"""What the log calls the fault of a request that came too soon."""

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
        entry = None
        if add and log_stamp is not None:
            fault = rule.kind.value if rule else RATE_LIMIT if refused else None
            project = request.match_info["projectid"]
            entry = request_log.entry(ordinal, project, body, stamp_field=log_stamp, fault=fault)
        if delay := state.delay(now, served=not refused):
            await asyncio.sleep(delay)
        if refused and (limit := faults.rate_limit):
            await _note(request, entry)
            return too_many(request, limit.retry_after, limit.wait or refused)
        if rule is not None and not rule.stores:
            await _note(request, entry)
            return await spoil(request, rule, None, closing)
        BEING_ANSWERED.set(entry)
        answer = await enveloped(request, handler)
        if answer.status != 200:  # no record was stored, so its line was not written with it
            spared = entry is not None and rule is not None and rule.kind is Kind.PARTIAL
            await _note(request, replace(entry, fault=None) if entry and spared else entry)
        return answer if rule is None else await spoil(request, rule, answer, closing)

    return [misbehaving]


async def _note(request: web.Request, entry: Entry | None) -> None:
    if entry is not None:
        await request.app[DESK].note(entry)


class _State:
    """Everything that is counted, from the start of the sandbox on."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._clocks = [
            # The index keeps two rules from throwing the same dice.
            _Clock(rule, random.Random(f"{rule.seed}:{index}"))  # noqa: S311 (to be repeatable)
            for index, rule in enumerate(faults.faults)
        ]
        self._dice = random.Random(0)  # noqa: S311
        self._bucket = _Bucket(faults.rate_limit) if faults.rate_limit else None
        self._line = _Line(faults.capacity) if faults.capacity else None
        self._records = 0
        self._all = 0

    def decide(self, raw: bytes, now: float, *, add: bool) -> tuple[int, Rule | None]:
        """Count the request; its ordinal among Add records, and the rule that strikes it."""
        self._all += 1
        self._records += add
        struck = None
        body = _Body(raw)
        for clock in self._clocks:
            everybody = clock.rule.everybody
            if not add and not everybody:
                continue
            # Thrown for every request, so that the Nth has the Nth throw, whatever struck before.
            drawn = clock.dice.random() if clock.rule.probability is not None else 0.0
            ordinal = self._all if everybody else self._records
            if struck is None and clock.strikes(ordinal, now, drawn, body):
                struck = clock.rule
                clock.since = now if clock.since is None else clock.since
        return self._records, struck

    def refused(self, now: float, *, add: bool) -> float:
        """Seconds until the rate limit lets the request in; 0 where it does now."""
        bucket = self._bucket
        return bucket.take(now) if bucket and (add or bucket.limit.to == "all") else 0.0

    def delay(self, now: float, *, served: bool) -> float:
        """Seconds that the request waits before anything is done about it."""
        latency = self._faults.latency
        seconds = self._dice.uniform(*latency) if latency else 0.0
        if self._line and served:
            seconds += self._line.join(now + seconds) - now - seconds
        return seconds


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


@dataclass(slots=True)
class _Clock:
    """A rule, and what it remembers: its dice, and when it first struck."""

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


class _Bucket:
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


class _Line:
    """Those who wait for one of the service's places.

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
