"""What a service in trouble makes the engine do; hours of trouble pass in no time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.api.verdict import judge
from importer.model import (
    Event,
    Lease,
    Outcome,
    Probing,
    Reply,
    ReplyError,
    Request,
    Resumed,
    Status,
    Stop,
    Waiting,
    Wire,
)
from importer.sending.local import LocalEngine
from importer.sending.trouble import Trouble
from importer.settings import MaxFailures, RetryPolicy
from tests.support.virtual_time import clock, run_virtually

CREATED = Reply(Wire.ANSWERED, 200, True, ("6",))
REFUSED = Reply(Wire.ANSWERED, 417, True, (), (ReplyError("417", "error.unknown_field"),))
NOT_SENT = Reply(Wire.NOT_SENT, detail="127.0.0.1:9: Connection refused")
LOST = Reply(Wire.LOST, detail="no answer in time")
BAD_GATEWAY = Reply(Wire.ANSWERED, 502, detail="HTTP 502, text/html, 99 bytes")
THROTTLED = Reply(Wire.ANSWERED, 429, retry_after=2.0)
UNAUTHORIZED = Reply(Wire.ANSWERED, 401)
PROJECT = Reply(Wire.ANSWERED, 200, True)

Answer = Callable[[float, int], Reply]
"""What the service says (seconds since the start, row)."""


@dataclass
class World:
    """A service, and what happened to it and to the rows."""

    answer: Answer
    probe_answer: Callable[[float], Reply] = lambda seconds: PROJECT
    latency: float = 0.01
    posts: list[tuple[float, int]] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    began: float = 0.0
    in_flight: int = 0
    together: list[tuple[float, int]] = field(default_factory=list)

    def seconds(self) -> float:
        return clock() - self.began

    async def post(self, body: bytes) -> Reply:
        row = int(body)
        self.posts.append((self.seconds(), row))
        self.in_flight += 1
        self.together.append((self.seconds(), self.in_flight))
        await asyncio.sleep(self.latency)
        self.in_flight -= 1
        return self.answer(self.seconds(), row)

    async def probe(self) -> Reply:
        self.probes.append(self.seconds())
        await asyncio.sleep(self.latency)
        return self.probe_answer(self.seconds())

    def report(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            assert outcome.row not in self.outcomes
            self.outcomes[outcome.row] = outcome

    def send(
        self,
        rows: int,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008  frozen
        concurrency: int | None = 8,
        interrupt_at: float | None = None,
    ) -> Stop | None:
        async def leases() -> AsyncIterator[Lease]:
            yield Lease(tuple(Request(row, str(row).encode()) for row in range(rows)))

        async def main() -> Stop | None:
            self.began = clock()
            stop = asyncio.Event()
            if interrupt_at is not None:
                asyncio.get_running_loop().call_later(interrupt_at, stop.set)
            engine = LocalEngine(
                self.post,
                judge,
                policy,
                concurrency,
                probe=self.probe,
                on_event=self.events.append,
                clock=clock,
            )
            return await engine.send(leases(), self.report, stop)

        return run_virtually(main())

    def count(self, status: Status) -> int:
        return sum(o.status is status for o in self.outcomes.values())


class TestUnreachable:
    def test_it_is_ridden_out_and_then_all_goes_on_at_full_pace(self) -> None:
        world = World(lambda at, row: NOT_SENT if 1 < at < 200 else CREATED)
        assert world.send(3000, RetryPolicy(retries=0)) is None
        assert world.count(Status.CREATED) == 3000
        assert max(n for at, n in world.together if at >= 200) == 8
        assert isinstance(world.events[-1], Resumed)
        assert any(isinstance(e, Waiting) and "refused" in e.reason for e in world.events)

    def test_only_one_request_at_a_time_tries_and_tries_become_rare(self) -> None:
        world = World(lambda at, row: NOT_SENT if 1 < at < 200 else CREATED)
        world.send(3000)
        down = [(at, n) for at, n in world.together if 1.1 < at < 199]
        assert {n for _, n in down} == {1}
        assert len(down) < 60

    def test_after_give_up_after_the_run_stops_and_every_unsent_row_is_pending(self) -> None:
        world = World(lambda at, row: NOT_SENT if at > 1 else CREATED)
        stop = world.send(3000)
        assert stop is not None
        assert stop.code == "unreachable"
        assert "refused" in stop.message
        assert 300 < world.posts[-1][0] < 303
        assert world.count(Status.CREATED) + world.count(Status.PENDING) == 3000

    def test_one_that_comes_and_goes_never_stops_the_run(self) -> None:
        world = World(lambda at, row: NOT_SENT if at % 290 > 40 else CREATED, latency=0.5)
        assert world.send(2000) is None
        assert world.count(Status.CREATED) == 2000
        assert world.posts[-1][0] > 300

    def test_requests_of_before_that_are_lost_do_not_count_as_a_connection(self) -> None:
        trouble = Trouble(RetryPolicy())
        assert trouble.unreachable(10.0, 9.9, 1.0, "refused") is None
        trouble.reached(5.0, answered=False)
        alone = trouble.max_in_flight
        trouble.reached(5.0, answered=True)
        assert (alone, trouble.max_in_flight) == (1, None)
        assert trouble.unreachable(10.0, 9.9, 1.0, "refused") is None
        trouble.reached(11.0, answered=False)
        assert trouble.max_in_flight is None

    def test_an_interrupt_ends_the_wait(self) -> None:
        world = World(lambda at, row: NOT_SENT)
        assert world.send(10, interrupt_at=20.0) is None
        assert world.count(Status.PENDING) == 10
        assert world.posts[-1][0] <= 20


class TestStorm:
    @pytest.mark.parametrize("concurrency", [1, 2, 8, 64, None])
    @pytest.mark.parametrize("reply", [BAD_GATEWAY, LOST])
    def test_a_proxy_that_fails_everything_makes_a_stated_number_uncertain(
        self, reply: Reply, concurrency: int | None
    ) -> None:
        world = World(lambda at, row: reply if at > 0.1 else CREATED)
        stop = world.send(10_000, concurrency=concurrency)
        assert stop is not None
        assert stop.code == "storm"
        assert "pending" in stop.hint
        widest = max(n for _, n in world.together)
        assert 0 < world.count(Status.UNCERTAIN) <= widest + 9
        assert world.count(Status.UNCERTAIN) + world.count(Status.CREATED) < 10_000
        assert len(world.outcomes) == 10_000
        assert world.posts[-1][0] < 310

    def test_while_the_service_is_not_well_only_harmless_requests_are_sent(self) -> None:
        world = World(
            lambda at, row: BAD_GATEWAY if 1 < at < 150 else CREATED,
            lambda at: BAD_GATEWAY if at < 150 else PROJECT,
        )
        assert world.send(3000) is None
        assert [at for at, _ in world.posts if 1.1 < at < 150] == []
        assert 5 < len([at for at in world.probes if at < 150]) < 30
        assert world.count(Status.UNCERTAIN) <= 5 + 7
        assert world.count(Status.CREATED) == 3000 - world.count(Status.UNCERTAIN)
        assert sum(isinstance(e, Probing) for e in world.events) == len(world.probes)
        assert isinstance(world.events[-1], Resumed)

    def test_it_goes_on_with_one_row_then_more_then_all(self) -> None:
        world = World(lambda at, row: BAD_GATEWAY if 1 < at < 1.2 else CREATED)
        assert world.send(3000) is None
        most: dict[int, int] = {}
        for at, together in world.together:
            if at > world.probes[-1]:
                moment = round(at / world.latency)
                most[moment] = max(together, most.get(moment, 0))
        assert list(most.values())[:3] == [1, 2, 8]

    def test_another_uncertain_row_pauses_at_once(self) -> None:
        world = World(lambda at, row: BAD_GATEWAY if 1 < at < 30 else CREATED)
        assert world.send(3000) is None
        assert world.count(Status.UNCERTAIN) == 5 + 7 + 2
        assert len(world.probes) == 3

    def test_if_the_probe_is_never_answered_well_the_run_stops_in_time(self) -> None:
        world = World(lambda at, row: LOST if at > 1 else CREATED, lambda at: NOT_SENT)
        stop = world.send(3000)
        assert stop is not None
        assert stop.code == "storm"
        assert 300 < world.probes[-1] < 303
        assert world.count(Status.UNCERTAIN) == 5 + 7

    def test_a_probe_that_is_refused_stops_the_run(self) -> None:
        world = World(lambda at, row: LOST if at > 1 else CREATED, lambda at: UNAUTHORIZED)
        stop = world.send(3000)
        assert stop is not None
        assert stop.code == "http_401"

    def test_single_uncertain_rows_among_certain_ones_are_no_storm(self) -> None:
        world = World(lambda at, row: LOST if row % 5 else REFUSED)
        assert world.send(500, concurrency=1) is None
        assert world.probes == []
        assert world.count(Status.UNCERTAIN) == 400


class TestThrottled:
    def test_all_wait_and_are_told_how_long(self) -> None:
        world = World(lambda at, row: THROTTLED if 1 < at < 1.015 else CREATED)
        assert world.send(2000) is None
        waits = [e for e in world.events if isinstance(e, Waiting)]
        assert [round(e.seconds, 1) for e in waits] == [2.0]
        assert round(waits[0].total, 1) == 2.0
        assert [at for at, _ in world.posts if 1.02 < at < 3.0] == []
        assert sum(isinstance(e, Resumed) for e in world.events) == 1

    def test_with_nothing_let_through_for_give_up_after_the_run_stops(self) -> None:
        world = World(lambda at, row: THROTTLED if at > 1 else CREATED)
        stop = world.send(2000)
        assert stop is not None
        assert stop.code == "throttled"
        assert 300 < world.posts[-1][0] < 304
        waits = [e for e in world.events if isinstance(e, Waiting)]
        assert 295 < waits[-1].total <= 300


class TestMaxFailures:
    def test_one_more_than_a_number_stops_the_run(self) -> None:
        world = World(lambda at, row: CREATED if row % 2 else REFUSED)
        policy = RetryPolicy(max_failures=MaxFailures(50))
        stop = world.send(1000, policy, concurrency=1)
        assert stop is not None
        assert stop.code == "too_many_failures"
        assert "--max-failures" in stop.hint
        assert world.count(Status.REJECTED) == 51
        assert world.count(Status.CREATED) == 50
        assert world.count(Status.PENDING) == 1000 - 101

    @pytest.mark.parametrize(("percent", "rejected"), [(10, 100), (9.9, 10)])
    def test_a_percentage_is_of_answers_and_counts_from_100_on(
        self, percent: float, rejected: int
    ) -> None:
        """One row in ten is refused, the first ones among them."""
        world = World(lambda at, row: REFUSED if row % 10 == 9 else CREATED)
        policy = RetryPolicy(max_failures=MaxFailures(percent, percent=True))
        stop = world.send(1000, policy, concurrency=1)
        assert (stop is None) == (rejected == 100)
        assert world.count(Status.REJECTED) == rejected

    def test_uncertain_rows_count_too(self) -> None:
        world = World(lambda at, row: CREATED if row % 2 else LOST)
        stop = world.send(1000, RetryPolicy(max_failures=MaxFailures(0)), concurrency=1)
        assert stop is not None
        assert world.count(Status.UNCERTAIN) == 1


SAFE = {"not_sent": NOT_SENT, "throttled": THROTTLED}
REPLIES = {
    **SAFE,
    "created": CREATED,
    "refused": REFUSED,
    "lost": LOST,
    "bad_gateway": BAD_GATEWAY,
    "unauthorized": UNAUTHORIZED,
}
phases = st.lists(
    st.tuples(st.sampled_from(sorted(set(REPLIES) - {"unauthorized"})), st.integers(1, 30)),
    max_size=12,
)
ENDS = {
    "created": Status.CREATED,
    "refused": Status.REJECTED,
    "lost": Status.UNCERTAIN,
    "bad_gateway": Status.UNCERTAIN,
    "not_sent": Status.PENDING,
    "throttled": Status.PENDING,
    "unauthorized": Status.PENDING,
}


@given(
    phases=phases,
    last=st.sampled_from(sorted(REPLIES)),
    probe=st.sampled_from([PROJECT, PROJECT, NOT_SENT, BAD_GATEWAY, THROTTLED]),
    rows=st.integers(0, 120),
    concurrency=st.none() | st.integers(1, 12),
    interrupt_at=st.none() | st.floats(0, 400),
    declared=st.booleans(),
)
def test_for_any_phases_every_row_ends_once_and_none_is_sent_again_that_may_have_arrived(
    phases: list[tuple[str, int]],
    last: str,
    probe: Reply,
    rows: int,
    concurrency: int | None,
    interrupt_at: float | None,
    declared: bool,
) -> None:
    said: dict[int, list[str]] = {}
    script = iter([what for what, times in phases for _ in range(times)])

    def answer(at: float, row: int) -> Reply:
        what = next(script, last)
        said.setdefault(row, []).append(what)
        return REPLIES[what]

    world = World(answer, lambda at: probe)
    policy = RetryPolicy(retries=2, retry_on=frozenset({502} if declared else ()))
    stop = world.send(rows, policy, concurrency, interrupt_at)
    assert set(world.outcomes) == set(range(rows))
    safe = {"not_sent", "throttled"} | ({"bad_gateway"} if declared else set())
    for row, outcome in world.outcomes.items():
        history = said.get(row, [])
        assert outcome.attempts == len(history)
        assert set(history[:-1]) <= safe, history
        if not history:
            assert outcome.status is Status.PENDING
        elif declared and history[-1] == "bad_gateway":
            assert outcome.status in (Status.UNCERTAIN, Status.PENDING)
            assert history.count("bad_gateway") <= policy.retries + 1
        else:
            assert outcome.status is ENDS[history[-1]]
    if stop is None and interrupt_at is None:
        assert world.count(Status.PENDING) == 0


def test_a_row_that_is_declared_safe_waits_longer_each_time_and_holds_up_no_other() -> None:
    world = World(lambda at, row: BAD_GATEWAY if row == 0 and at < 4 else CREATED)
    policy = RetryPolicy(retries=1000, retry_on=frozenset({502}))
    assert world.send(1000, policy) is None
    assert world.count(Status.CREATED) == 1000
    mine = [at for at, row in world.posts if row == 0]
    assert 3 <= len(mine) < 30
    assert max(at for at, row in world.posts if row != 0) < 2
    assert world.probes == []


def test_waits_are_those_of_the_policy() -> None:
    world = World(lambda at, row: NOT_SENT)
    stop = world.send(5, replace(RetryPolicy(), give_up_after=10.0))
    assert stop is not None
    assert world.posts[-1][0] <= 10.2
