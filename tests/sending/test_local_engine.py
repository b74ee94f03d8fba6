"""The local engine by itself: waiting, throttling, stopping, bugs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from importer.api.verdict import judge
from importer.model import Event, Lease, Outcome, Reply, Request, Status, Stop, Wire
from importer.sending.local import LocalEngine
from importer.settings import RetryPolicy
from tests.support.virtual_time import clock, run_virtually

CREATED = Reply(Wire.ANSWERED, 200, True, ("6",))
THROTTLED = Reply(Wire.ANSWERED, 429, retry_after=0.05)
NOT_SENT = Reply(Wire.NOT_SENT)


async def leases_of(*sizes: int) -> AsyncIterator[Lease]:
    row = 2
    for size in sizes:
        yield Lease(tuple(Request(r, str(r).encode()) for r in range(row, row + size)))
        row += size


@dataclass
class Seen:
    """What a service saw and what an engine reported."""

    posts: list[tuple[float, int]] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def report(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            assert outcome.row not in self.outcomes
            self.outcomes[outcome.row] = outcome

    def statuses(self) -> dict[int, Status]:
        return {row: o.status for row, o in sorted(self.outcomes.items())}


def send(
    answer: Callable[[int, int], Reply],
    *sizes: int,
    concurrency: int = 2,
    policy: RetryPolicy = RetryPolicy(retries=2, base=1e-6, cap=1e-5),  # noqa: B008  frozen
) -> tuple[Seen, Stop | None]:
    seen = Seen()

    async def post(body: bytes) -> Reply:
        seen.posts.append((asyncio.get_running_loop().time(), int(body)))
        nth = len(seen.posts)
        await asyncio.sleep(0)
        return answer(int(body), nth)

    async def main() -> Stop | None:
        engine = LocalEngine(post, judge, policy, concurrency, clock=clock)
        return await engine.send(leases_of(*sizes), seen.report, asyncio.Event())

    return seen, run_virtually(main())


def test_all_rows_of_all_leases_are_reported() -> None:
    seen, stop = send(lambda row, nth: CREATED, 3, 0, 5)
    assert stop is None
    assert seen.statuses() == dict.fromkeys(range(2, 10), Status.CREATED)


def test_what_did_not_arrive_is_tried_again_and_attempts_are_counted() -> None:
    seen, _ = send(lambda row, nth: CREATED if nth > 2 else NOT_SENT, 1)
    assert seen.outcomes[2] == Outcome(2, Status.CREATED, ("6",), 3, 200)


def test_all_wait_when_the_service_throttles_one() -> None:
    seen, _ = send(lambda row, nth: THROTTLED if nth == 1 else CREATED, 6, concurrency=2)
    # The second was in flight already; the third and all others waited.
    assert [row for _, row in seen.posts[:2]] == [2, 3]
    assert all(at - seen.posts[0][0] >= 0.049 for at, _ in seen.posts[2:])
    assert set(seen.statuses().values()) == {Status.CREATED}


def test_throttles_count_as_attempts_made_but_not_against_the_retries() -> None:
    policy = RetryPolicy(retries=0, base=1e-6, cap=1e-5)
    reply = Reply(Wire.ANSWERED, 429)
    seen, stop = send(lambda row, nth: CREATED if nth > 20 else reply, 1, policy=policy)
    assert stop is None
    assert seen.outcomes[2].attempts == 21


def test_a_service_that_lets_nothing_through_for_too_long_stops_the_run() -> None:
    policy = RetryPolicy(retries=0, base=0.01, cap=0.01, give_up_after=0.1)
    seen, stop = send(lambda row, nth: Reply(Wire.ANSWERED, 429), 4, policy=policy)
    assert stop is not None
    assert stop.code == "throttled"
    assert set(seen.statuses().values()) == {Status.PENDING}
    assert seen.posts[-1][0] - seen.posts[0][0] <= 0.2


def test_stopping_ends_a_wait_at_once() -> None:
    seen = Seen()

    async def main() -> None:
        stop = asyncio.Event()

        async def post(body: bytes) -> Reply:
            stop.set()
            return Reply(Wire.ANSWERED, 429, retry_after=3600.0)

        engine = LocalEngine(post, judge, RetryPolicy(give_up_after=7200.0), 2)
        async with asyncio.timeout(60):
            assert await engine.send(leases_of(5), seen.report, stop) is None

    asyncio.run(main())
    assert seen.statuses() == dict.fromkeys(range(2, 7), Status.PENDING)


def test_once_refused_it_takes_no_more_leases_while_others_are_in_flight() -> None:
    seen = Seen()
    taken = 0

    async def endless() -> AsyncIterator[Lease]:
        nonlocal taken
        for row in range(2, 10_000):
            taken += 1
            yield Lease((Request(row, str(row).encode()),))
            await asyncio.sleep(0)

    async def post(body: bytes) -> Reply:
        for _ in range(10 if body == b"2" else 100):
            await asyncio.sleep(0)
        return Reply(Wire.ANSWERED, 401) if body == b"2" else CREATED

    async def main() -> None:
        engine = LocalEngine(post, judge, RetryPolicy(), 3)
        stop = await engine.send(endless(), seen.report, asyncio.Event())
        assert stop is not None

    asyncio.run(main())
    assert taken < 50
    assert seen.outcomes[3].status is Status.CREATED
    assert len(seen.outcomes) == taken


@pytest.mark.parametrize("broken", ["post", "judge"])
def test_a_bug_loses_no_row_and_is_raised_at_the_end(broken: str) -> None:
    seen = Seen()

    async def post(body: bytes) -> Reply:
        if broken == "post":
            raise ZeroDivisionError
        return CREATED

    def failing(*_: object) -> Stop:
        raise ZeroDivisionError

    async def main() -> None:
        engine = LocalEngine(post, judge if broken == "post" else failing, RetryPolicy(), 1)
        await engine.send(leases_of(3, 3), seen.report, asyncio.Event())

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    statuses = seen.statuses()
    assert statuses.pop(2) is Status.UNCERTAIN
    assert set(statuses.values()) == {Status.PENDING}
    assert "ZeroDivisionError" in str(seen.outcomes[2].message)


def test_leases_that_fail_are_raised_after_their_rows_are_reported() -> None:
    seen = Seen()

    async def failing() -> AsyncIterator[Lease]:
        async for lease in leases_of(3):
            yield lease
        raise ZeroDivisionError

    async def post(body: bytes) -> Reply:
        return CREATED

    async def main() -> None:
        engine = LocalEngine(post, judge, RetryPolicy(), 2)
        await engine.send(failing(), seen.report, asyncio.Event())

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert seen.statuses() == dict.fromkeys(range(2, 5), Status.CREATED)


def test_cancelled_in_a_wait_it_gives_back_what_surely_did_not_arrive() -> None:
    seen = Seen()

    async def main() -> None:
        throttled = asyncio.Event()

        async def post(body: bytes) -> Reply:
            throttled.set()
            return Reply(Wire.ANSWERED, 429, retry_after=3600.0)

        engine = LocalEngine(post, judge, RetryPolicy(give_up_after=7200.0), 2)
        task = asyncio.create_task(engine.send(leases_of(5), seen.report, asyncio.Event()))
        await throttled.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen.statuses() == dict.fromkeys(range(2, 7), Status.PENDING)


@pytest.mark.parametrize("concurrency", [2, None])
def test_a_listener_that_fails_costs_no_row_its_outcome_and_is_raised_at_the_end(
    concurrency: int | None,
) -> None:
    """As when its terminal has gone, or the disk of its log is full."""
    reported: list[Outcome] = []

    async def post(body: bytes) -> Reply:
        await asyncio.sleep(0.01)
        return THROTTLED if body == b"4" else CREATED

    def failing(event: Event) -> None:
        raise OSError("No space left on device")

    async def main() -> None:
        engine = LocalEngine(post, judge, RetryPolicy(), concurrency, on_event=failing, clock=clock)
        await engine.send(leases_of(40), reported.extend, asyncio.Event())

    with pytest.raises(OSError, match="No space"):
        run_virtually(main())
    assert sorted(outcome.row for outcome in reported) == list(range(2, 42))
    statuses = {outcome.row: outcome.status for outcome in reported}
    assert statuses[2] is statuses[3] is Status.CREATED
    assert statuses[4] is Status.PENDING
    assert Status.UNCERTAIN not in statuses.values()


def test_a_request_that_is_cut_off_by_somebody_else_is_not_waited_for_for_good() -> None:
    seen = Seen()

    async def post(body: bytes) -> Reply:
        await asyncio.sleep(0.01)
        if body == b"3":
            raise asyncio.CancelledError
        return CREATED

    async def main() -> None:
        engine = LocalEngine(post, judge, RetryPolicy(), 2, clock=clock)
        await engine.send(leases_of(9), seen.report, asyncio.Event())

    with pytest.raises(RuntimeError, match="cut off"):
        run_virtually(main())
    statuses = seen.statuses()
    assert 3 not in statuses, "nobody knows what became of it: the journal has its intent"
    assert statuses == {
        **dict.fromkeys((2, 4), Status.CREATED),
        **dict.fromkeys(range(5, 11), Status.PENDING),
    }


def test_a_pace_that_fails_ends_the_run_and_does_not_leave_it_waiting() -> None:
    seen, times = Seen(), iter([1.0] * 12)

    async def post(body: bytes) -> Reply:
        await asyncio.sleep(0.01)
        return CREATED

    async def main() -> None:
        engine = LocalEngine(post, judge, RetryPolicy(), 1, clock=lambda: 1000 / next(times))
        await engine.send(leases_of(50), seen.report, asyncio.Event())

    with pytest.raises((StopIteration, RuntimeError)):
        run_virtually(main())
    assert set(seen.statuses()) == set(range(2, 52))
