"""The pace, against a service simulated in virtual time: what it finds and learns."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.api.verdict import judge
from importer.model import Event, Lease, Outcome, PaceChanged, Reply, Request, Status, Wire
from importer.sending.local import LocalEngine
from importer.sending.pace import Pacer
from importer.settings import WIDEST, RetryPolicy
from tests.support.virtual_time import clock, run_virtually

CREATED = Reply(Wire.ANSWERED, 200, True, ("6",))
THROTTLED = Reply(Wire.ANSWERED, 429, retry_after=1.0)


@dataclass
class Simulated:
    """A service with so many places, each taken for `latency`, and with a rate limit."""

    places: int = 10_000
    latency: float = 0.02
    limit: float | None = None
    burst: float = 30.0
    spread: float = 0.0
    lifted_after: float = math.inf
    begun: list[float] = field(default_factory=list)
    created: int = 0
    throttled: int = 0
    events: list[Event] = field(default_factory=list)
    _tokens: float = 0.0
    _then: float = 0.0

    async def post(self, body: bytes) -> Reply:
        now = clock()
        self.begun.append(now)
        if self.limit is not None and self.created < self.lifted_after:
            self._tokens = min(self.burst, self._tokens + (now - self._then) * self.limit)
            self._then = now
            if self._tokens < 1:
                self.throttled += 1
                await asyncio.sleep(0.001)
                return THROTTLED
            self._tokens -= 1
        async with self._free:
            await asyncio.sleep(self.latency * random.uniform(1 - self.spread, 1 + self.spread))
        self.created += 1
        self._answered.set()
        return CREATED

    def send(
        self, seconds: float, concurrency: int | None = None, rate: float | None = None
    ) -> int:
        """Send for so many seconds; gives the width it ended with."""

        def report(outcomes: Sequence[Outcome]) -> None:
            assert all(o.status in (Status.CREATED, Status.PENDING) for o in outcomes)

        async def main() -> int:
            self._answered = asyncio.Event()
            self._free = asyncio.Semaphore(self.places)
            self._tokens, self._then = self.burst, clock()
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(seconds, stop.set)
            engine = LocalEngine(
                self.post,
                judge,
                RetryPolicy(),
                concurrency,
                rate,
                on_event=self.events.append,
                clock=clock,
            )

            async def leases() -> AsyncIterator[Lease]:
                for first in itertools.count(0, 64):
                    while first - self.created > 2 * engine.width + 64:
                        self._answered.clear()
                        await self._answered.wait()
                    yield Lease(tuple(Request(first + n, b"") for n in range(64)))

            assert await engine.send(leases(), report, stop) is None
            return engine.width

        random.seed(7)
        return run_virtually(main())


class TestWidth:
    @pytest.mark.parametrize("places", [1, 4, 16, 64, 200])
    def test_auto_comes_to_within_5_percent_of_what_the_service_can_do(self, places: int) -> None:
        service = Simulated(places)
        service.send(20)
        assert service.created >= 0.95 * 20 * places / service.latency

    @pytest.mark.parametrize("places", [4, 64])
    def test_it_does_not_press_far_beyond_what_is_of_use(self, places: int) -> None:
        assert places <= Simulated(places).send(60) <= 2 * places + 4

    @pytest.mark.parametrize("spread", [0.3, 0.9])
    def test_a_latency_that_varies_does_not_mislead_it(self, spread: float) -> None:
        service = Simulated(40, spread=spread)
        service.send(30)
        assert service.created >= 0.93 * 30 * 40 / service.latency

    def test_a_slow_service_is_found_out_too(self) -> None:
        service = Simulated(32, latency=1.0)
        service.send(240)
        assert service.created >= 0.85 * 240 * 32

    def test_it_tells_of_changes_that_are_kept_and_of_no_others(self) -> None:
        service = Simulated(16)
        width = service.send(20)
        told = [e for e in service.events if isinstance(e, PaceChanged)]
        assert 1 <= len(told) < 15
        assert abs(told[-1].width - width) <= width // 3

    def test_a_fixed_one_stays(self) -> None:
        service = Simulated(4)
        assert service.send(5, concurrency=12) == 12
        assert service.events == []

    def test_it_never_goes_beyond_the_widest(self) -> None:
        assert Simulated(10_000).send(5) == WIDEST

    def test_a_service_that_answers_at_once_gets_what_it_answers_within_5_ms(self) -> None:
        service = Simulated(2, latency=0.0002)  # 10,000 a second: 50 of them in 5 ms
        service.send(5)
        told = [e.width for e in service.events if isinstance(e, PaceChanged)]
        assert 32 <= told[-1] <= 100

    @pytest.mark.parametrize(
        ("latency", "expected"), [(0.001, 80), (0.0001, WIDEST), (0.004, 20), (1.0, 8)]
    )
    def test_rows_are_at_hand_for_what_is_answered_in_10_ms_or_for_the_width(
        self, latency: float, expected: int
    ) -> None:
        pacer = Pacer(None, None, 0.0, lambda width, rate: None)
        for n in range(30):
            # Seven others are under way, and now and then there was nothing to send.
            pacer.answered(n / 100 + latency, n / 100, 8)
            assert pacer.at_hand >= pacer.width
        assert pacer.at_hand == max(expected, pacer.width)
        pacer.strained(10.0, 9.0)
        assert pacer.at_hand == pacer.width

    def test_answers_from_before_a_trouble_say_nothing_of_what_is_at_hand_after_it(self) -> None:
        pacer = Pacer(None, None, 0.0, lambda width, rate: None)
        for n in range(400):
            pacer.answered((n + 1) / 10_000, n / 10_000, 8)
        pacer.strained(0.041, 0.0405)
        pacer.answered(0.1, 0.0409, 8)
        assert pacer.at_hand == pacer.width

    def test_of_a_fixed_one_as_many_rows_are_at_hand(self) -> None:
        pacer = Pacer(12, None, 0.0, lambda width, rate: None)
        for n in range(100):
            pacer.answered(n / 100 + 0.0001, n / 100, 8)
        assert pacer.at_hand == pacer.width == 12

    def test_trouble_narrows_it_once_for_all_that_was_in_flight(self) -> None:
        told: list[int] = []
        pacer = Pacer(None, None, 0.0, lambda width, rate: told.append(width))
        before = pacer.width
        for _ in range(before):
            pacer.strained(1.0, 0.5)
        assert pacer.width == int(before * 0.7)
        pacer.strained(2.0, 1.5)
        assert told == [int(before * 0.7), int(int(before * 0.7) * 0.7)]


class TestRate:
    @pytest.mark.parametrize("rate", [0.5, 10, 300, 2000])
    @pytest.mark.parametrize("latency", [0.0, 0.02])
    def test_a_rate_that_is_asked_for_is_kept_to_2_percent_and_evenly(
        self, rate: float, latency: float
    ) -> None:
        service = Simulated(latency=latency)
        service.send(10, concurrency=64, rate=rate)
        assert abs(len(service.begun) - 10 * rate) <= max(1, 0.02 * 10 * rate)
        tenth = max(1, int(rate / 10))
        for earlier, later in zip(service.begun, service.begun[tenth:], strict=False):
            assert later - earlier >= tenth / rate - 0.0011

    @pytest.mark.parametrize("latency", [0.001, 0.02])
    @pytest.mark.parametrize("burst", [10, 30, 300, 3000])
    def test_a_limit_is_learned_with_at_most_2_percent_turned_away(
        self, burst: float, latency: float
    ) -> None:
        service = Simulated(latency=latency, limit=300.0, burst=burst)
        service.send(20)
        assert service.throttled <= 0.02 * len(service.begun)
        assert service.created <= 300 * 20 + burst + 1

    @pytest.mark.parametrize(("burst", "part"), [(10, 0.85), (300, 0.95)])
    def test_in_time_nearly_all_of_a_limit_is_used(self, burst: float, part: float) -> None:
        service = Simulated(limit=300.0, burst=burst)
        service.send(300)
        assert service.created >= part * 300 * 300
        assert service.throttled <= 0.005 * len(service.begun)

    def test_a_limit_that_was_lifted_is_forgotten(self) -> None:
        service = Simulated(places=10, limit=50.0)
        service.lifted_after = 500
        service.send(100)
        assert service.created >= 500 + 60 * 250
        told = [e.rate for e in service.events if isinstance(e, PaceChanged)]
        assert (told[-1] or 0.0) > 400

    def test_429s_of_requests_under_way_teach_nothing_new(self) -> None:
        pacer = Pacer(16, None, 0.0, lambda width, rate: None)
        for _ in range(100):
            pacer.answered(1.0, 0.9, 16)
        pacer.throttled(1.0, 0.9, 1.0)
        learned = pacer.rate
        assert learned == pytest.approx(0.97 * 100 / 2)
        for _ in range(16):
            pacer.answered(1.01, 0.9, 16)
            pacer.throttled(1.01, 0.95, 1.0)
        assert pacer.rate == learned

    @given(
        st.none() | st.floats(1, 5000),
        st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["answered", "throttled"]))),
    )
    def test_a_rate_that_was_asked_for_is_never_exceeded_whatever_is_learned(
        self, asked: float | None, events: list[tuple[float, str]]
    ) -> None:
        pacer, now = Pacer(4, asked, 0.0, lambda width, rate: None), 0.0
        for after, what in events:
            began, now = now, now + after
            if what == "answered":
                pacer.answered(now, began, 1)
            else:
                pacer.throttled(now, began, 1.0)
            assert pacer.rate is None or pacer.rate > 0
            assert asked is None or (pacer.rate is not None and pacer.rate <= asked)
