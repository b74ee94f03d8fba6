"""What the coordinator promises whatever the engine, the journal and the network do."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.api.verdict import judge
from importer.errors import JournalError, SourceError
from importer.journal.journal import Journal
from importer.model import (
    Lease,
    Outcome,
    Reply,
    ReplyError,
    Request,
    Status,
    Stop,
    Wire,
)
from importer.sending.coordinator import AHEAD, coordinate
from importer.sending.local import LocalEngine
from importer.sending.protocol import End, Ending, Engine, Report, SendingJournal
from importer.settings import RetryPolicy

FAST = RetryPolicy(retries=2, base=1e-6, cap=1e-5, give_up_after=0.02)

CREATED = Reply(Wire.ANSWERED, 200, True, ("6",))
REFUSED = Reply(Wire.ANSWERED, 417, True, (), (ReplyError("417", "error.unknown_field"),))
UNAUTHORIZED = Reply(Wire.ANSWERED, 401)


def requests(count: int) -> Iterator[Request]:
    return (Request(row, str(row).encode()) for row in range(2, count + 2))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.create(tmp_path / "journal.sqlite3", {}) as journal:
        yield journal


def created(row: int) -> Reply:
    """The answer to a row that was created: its numberid is its own."""
    return CREATED._replace(numberids=(str(row),))


class Service:
    """A service in memory that answers as a test says, and remembers what it was sent."""

    def __init__(self, answer: Callable[[int, int], Reply] = lambda row, nth: CREATED) -> None:
        self.posts: Counter[int] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0
        self._answer = answer

    async def post(self, body: bytes) -> Reply:
        row = int(body)
        self.posts[row] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            reply = self._answer(row, self.posts[row])
            return created(row) if reply is CREATED else reply
        finally:
            self.in_flight -= 1

    def engine(self, concurrency: int = 4) -> LocalEngine:
        return LocalEngine(self.post, judge, FAST, concurrency)


def run(
    work: Iterator[Request | Outcome],
    ledger: SendingJournal,
    engine: Engine,
    on_outcomes: Callable[[Sequence[Outcome]], None] = lambda outcomes: None,
) -> Ending:
    async def main() -> Ending:
        return await coordinate(
            work,
            ledger,
            engine,
            stop=asyncio.Event(),
            on_outcomes=on_outcomes,
        )

    return asyncio.run(main())


class Watching:
    """A ledger that counts rows under way, and may fail."""

    def __init__(self, inner: Journal, fail_at: int | None = None, times: int = 1) -> None:
        self.inner = inner
        self.under_way = 0
        self.most_under_way = 0
        self.calls = 0
        self._failing = range(fail_at, fail_at + times) if fail_at is not None else range(0)

    def record(
        self,
        *,
        outcomes: Sequence[Outcome] = (),
        withdrawn: Sequence[int] = (),
        intents: Sequence[int] = (),
        doubted: Sequence[Outcome] = (),
    ) -> None:
        self.calls += 1
        if self.calls in self._failing:
            raise JournalError("cannot write journal.sqlite3: database or disk is full")
        self.inner.record(outcomes=outcomes, withdrawn=withdrawn, intents=intents, doubted=doubted)
        self.under_way += len(intents) - len(withdrawn)
        self.under_way -= sum(o.attempts > 0 for o in outcomes)
        self.most_under_way = max(self.most_under_way, self.under_way)

    def holders(self, numberids: Sequence[str]) -> Sequence[Outcome]:
        return self.inner.holders(numberids)


@pytest.mark.parametrize("concurrency", [1, 2, 3, 16, 64])
@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_every_row_is_sent_once_and_recorded(
    journal: Journal, count: int, concurrency: int
) -> None:
    service = Service()
    seen: list[Outcome] = []
    ending = run(requests(count), journal, service.engine(concurrency), seen.extend)
    assert ending == Ending(End.FINISHED)
    assert service.posts == dict.fromkeys(range(2, count + 2), 1)
    assert journal.counts()[Status.CREATED] == count
    assert sorted(seen, key=lambda o: o.row) == list(journal.outcomes())
    assert service.most_in_flight <= concurrency


@pytest.mark.parametrize("earlier", [0, 65_500, 200_000])
def test_a_numberid_that_a_run_has_already_is_known_however_many_it_has(
    journal: Journal, earlier: int
) -> None:
    """All but the newest are kept sorted, some are merged while the run sends."""
    known = [str(10**6 + 3 * number) for number in range(earlier)]
    again = {2: known[0], 500: known[-1], 900: known[earlier // 2]} if known else {}
    service = Service(lambda row, nth: CREATED._replace(numberids=(again.get(row, str(row)),)))

    async def main() -> Ending:
        engine, stop = service.engine(64), asyncio.Event()
        return await coordinate(requests(1000), journal, engine, stop=stop, numberids=known)

    assert asyncio.run(main()) == Ending(End.FINISHED)
    doubted = {o.row for o in journal.outcomes() if o.code == "numberid_twice"}
    assert doubted == set(again)


@pytest.mark.parametrize("concurrency", [1, 2, 5, 16])
def test_never_are_more_rows_under_way_than_twice_the_concurrency(
    journal: Journal, concurrency: int
) -> None:
    ledger = Watching(journal)
    run(requests(500), ledger, Service().engine(concurrency))
    assert ledger.under_way == 0
    assert ledger.most_under_way <= 2 * concurrency


def test_what_is_granted_follows_the_width_that_the_engine_finds(journal: Journal) -> None:
    async def later(body: bytes) -> Reply:
        await asyncio.sleep(0.001)
        return await service.post(body)

    service = Service()
    engine = LocalEngine(later, judge, FAST)
    first = engine.width
    told: list[int] = []

    async def main() -> Ending:
        return await coordinate(
            requests(4000),
            ledger,
            engine,
            stop=asyncio.Event(),
            on_outcomes=lambda _: told.append(engine.width),
        )

    ledger = Watching(journal)
    assert asyncio.run(main()) == Ending(End.FINISHED)
    assert first < max(told)
    assert ledger.most_under_way <= 2 * max(told)
    assert service.posts == dict.fromkeys(range(2, 4002), 1)


def test_journal_transactions_are_shared_by_rows(journal: Journal) -> None:
    """About one for every half of the concurrency, however fast the answers come."""
    ledger = Watching(journal)
    run(requests(2000), ledger, Service().engine(64))
    assert ledger.calls <= 2000 / 32 * 1.5


def test_a_row_leaves_only_after_its_intent_is_in_the_journal(journal: Journal) -> None:
    reader = Journal.read(journal.path)

    def answer(row: int, nth: int) -> Reply:
        assert row in set(reader.settled_rows())
        return CREATED

    with reader:
        assert run(requests(100), journal, Service(answer).engine()).end is End.FINISHED
    assert journal.counts()[Status.CREATED] == 100


def test_rows_that_are_not_to_be_sent_are_recorded_as_they_are(journal: Journal) -> None:
    def work() -> Iterator[Request | Outcome]:
        for row in range(2, 1002):
            if row % 3:
                yield Outcome(row, Status.INVALID, code="required", message="no name")
            else:
                yield Request(row, str(row).encode())

    assert run(work(), journal, Service().engine()).end is End.FINISHED
    counts = journal.counts()
    assert (counts[Status.CREATED], counts[Status.INVALID]) == (333, 667)


def test_a_file_of_rows_that_are_not_to_be_sent_passes_through(journal: Journal) -> None:
    count = 3 * AHEAD
    work = (Outcome(row, Status.SKIPPED) for row in range(2, count + 2))
    assert run(work, journal, Service().engine()) == Ending(End.FINISHED)
    assert journal.counts()[Status.SKIPPED] == count


def test_work_is_drawn_only_a_bounded_way_ahead(journal: Journal) -> None:
    drawn = 0
    furthest = 0

    def work() -> Iterator[Request]:
        nonlocal drawn
        for request in requests(4 * AHEAD):
            drawn += 1
            yield request

    def answer(row: int, nth: int) -> Reply:
        nonlocal furthest
        furthest = max(furthest, drawn - len(service.posts))
        return CREATED

    service = Service(answer)
    run(work(), journal, service.engine(64))
    assert furthest <= AHEAD + 256 + 128


def test_a_refused_row_disturbs_no_other(journal: Journal) -> None:
    service = Service(lambda row, nth: REFUSED if row == 7 else CREATED)
    assert run(requests(50), journal, service.engine()).end is End.FINISHED
    [refused] = [o for o in journal.outcomes() if o.status is not Status.CREATED]
    assert (refused.row, refused.status, refused.http_status) == (7, Status.REJECTED, 417)
    assert refused.code == "error.unknown_field"


def test_when_the_service_refuses_us_the_rest_stays_pending(journal: Journal) -> None:
    service = Service(lambda row, nth: UNAUTHORIZED if row >= 40 else CREATED)
    ending = run(requests(10 * AHEAD), journal, service.engine())
    assert ending.end is End.STOPPED
    assert ending.stop is not None
    assert ending.stop.code == "http_401"
    counts = journal.counts()
    assert counts[Status.CREATED] == 38
    assert sum(counts.values()) == 38
    assert sum(service.posts.values()) <= 38 + 4


def test_an_unreachable_service_stops_the_run_and_no_row_is_lost(journal: Journal) -> None:
    ending = run(requests(50), journal, Service(lambda *_: Reply(Wire.NOT_SENT)).engine())
    assert ending.stop is not None
    assert ending.stop.code == "unreachable"
    assert list(journal.settled_rows()) == []


def test_stopping_lets_requests_in_flight_end_and_begins_none(journal: Journal) -> None:
    async def main() -> Ending:
        stop, begun, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def post(body: bytes) -> Reply:
            posts.append(int(body))
            if len(posts) == 4:
                begun.set()
            await go.wait()
            return created(int(body))

        async def interrupt() -> None:
            await begun.wait()
            stop.set()
            for _ in range(10):
                await asyncio.sleep(0)
            go.set()

        posts: list[int] = []
        interrupting = asyncio.create_task(interrupt())
        engine = LocalEngine(post, judge, FAST, 4)
        ending = await coordinate(requests(100), journal, engine, stop=stop)
        await interrupting
        assert posts == [2, 3, 4, 5]
        return ending

    assert asyncio.run(main()) == Ending(End.INTERRUPTED)
    assert [(o.row, o.status) for o in journal.outcomes()] == [
        (row, Status.CREATED) for row in (2, 3, 4, 5)
    ]


def test_stopped_before_it_began_it_sends_nothing(journal: Journal) -> None:
    async def main() -> Ending:
        stop = asyncio.Event()
        stop.set()
        return await coordinate(requests(100), journal, Service().engine(), stop=stop)

    assert asyncio.run(main()).end is End.INTERRUPTED
    assert list(journal.settled_rows()) == []


def test_stopped_after_the_last_row_it_has_finished(journal: Journal) -> None:
    async def main() -> Ending:
        stop = asyncio.Event()
        count = 0

        def seen(outcomes: Sequence[Outcome]) -> None:
            nonlocal count
            count += len(outcomes)
            if count == 10:
                stop.set()

        return await coordinate(
            requests(10), journal, Service().engine(), stop=stop, on_outcomes=seen
        )

    assert asyncio.run(main()) == Ending(End.FINISHED)


def test_cancelled_it_keeps_what_came_back_and_the_rest_reads_as_uncertain(
    journal: Journal,
) -> None:
    async def main() -> None:
        hanging = asyncio.Event()

        async def post(body: bytes) -> Reply:
            if int(body) < 4:
                return created(int(body))
            if int(body) == 7:
                hanging.set()
            await asyncio.Event().wait()
            raise AssertionError

        engine = LocalEngine(post, judge, FAST, 4)
        task = asyncio.create_task(coordinate(requests(100), journal, engine, stop=asyncio.Event()))
        await hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert {o.row: o.status for o in journal.outcomes()} == {
        **dict.fromkeys((2, 3), Status.CREATED),
        **dict.fromkeys((4, 5, 6, 7), Status.UNCERTAIN),
    }


def test_when_all_tasks_are_cancelled_only_what_is_in_flight_is_uncertain(
    journal: Journal,
) -> None:
    """As a second Ctrl-C does it: also while a transaction is being written."""

    class Slow(Watching):
        def record(self, **what: Any) -> None:
            if any(outcome.row == 4 for outcome in what["outcomes"]):
                begun.set()
                go_on.wait()
            super().record(**what)

    begun, go_on = threading.Event(), threading.Event()
    posts: list[int] = []

    async def main() -> None:
        async def post(body: bytes) -> Reply:
            posts.append(int(body))
            if int(body) > 4:
                await asyncio.Event().wait()
            return created(int(body))

        engine = LocalEngine(post, judge, FAST, 1)
        task = asyncio.create_task(coordinate(requests(9), ledger, engine, stop=asyncio.Event()))
        await asyncio.to_thread(begun.wait)
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            other.cancel()
        # The loop itself waits for the journal then, so somebody else has to let it go on.
        threading.Timer(0.05, go_on.set).start()
        with pytest.raises(asyncio.CancelledError):
            await task

    ledger = Slow(journal)
    asyncio.run(main())
    assert {o.row: o.status for o in journal.outcomes()} == {
        **dict.fromkeys((2, 3, 4), Status.CREATED),
        **dict.fromkeys(posts[3:], Status.UNCERTAIN),
    }


def test_work_that_fails_is_raised_after_what_was_sent_is_recorded(journal: Journal) -> None:
    def work() -> Iterator[Request]:
        yield from requests(10)
        raise SourceError("source.parquet cannot be read")

    service = Service()
    with pytest.raises(SourceError):
        run(work(), journal, service.engine())
    assert journal.counts()[Status.CREATED] == sum(service.posts.values())
    assert journal.counts()[Status.UNCERTAIN] == 0


@pytest.mark.parametrize("fail_at", [1, 2, 5, 20])
def test_a_full_disk_stops_sending_and_answers_are_kept_if_there_is_room_again(
    journal: Journal, fail_at: int
) -> None:
    service = Service()
    with pytest.raises(JournalError, match="full"):
        run(requests(1000), Watching(journal, fail_at), service.engine())
    assert journal.counts()[Status.CREATED] == sum(service.posts.values()) < 1000
    assert sum(journal.counts().values()) == sum(service.posts.values())


def test_if_the_disk_stays_full_what_was_sent_is_uncertain_and_nothing_else(
    journal: Journal,
) -> None:
    service = Service()
    with pytest.raises(JournalError, match="full"):
        run(requests(1000), Watching(journal, 5, times=1000), service.engine())
    counts = journal.counts()
    assert counts[Status.UNCERTAIN] <= 2 * 4
    assert set(service.posts) <= set(journal.settled_rows())
    assert set(service.posts.values()) == {1}


def test_a_row_that_has_an_entry_already_is_not_sent(journal: Journal) -> None:
    journal.settle([Outcome(5, Status.CREATED, ("1",), 1, 200)])
    service = Service()
    with pytest.raises(JournalError):
        run(requests(1000), journal, service.engine())
    assert 5 not in service.posts


def test_rows_an_engine_says_nothing_about_read_as_uncertain(journal: Journal) -> None:
    class Forgetful:
        width = 4

        def distrust(self, row: int) -> None:
            raise AssertionError("no answer is another's")

        async def send(
            self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
        ) -> Stop | None:
            async for lease in leases:
                first, *_ = lease.requests
                report([Outcome(first.row, Status.CREATED, ("6",), 1, 200)])
                return None
            return None

    assert run(requests(8), journal, Forgetful()).end is not End.STOPPED
    assert journal.counts()[Status.CREATED] == 1
    assert journal.counts()[Status.UNCERTAIN] == 7


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_row_that_is_in_doubt_for_two_reasons_at_once_is_counted_once(
    journal: Journal, rounds: int
) -> None:
    """The engine doubts both of two rows in the round that shows their numberid to be one."""
    counts: Counter[Status] = Counter()
    recorded = asyncio.Event()

    class Doubting:
        width = 2

        def distrust(self, row: int) -> None:
            pass

        async def send(
            self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
        ) -> Stop | None:
            rows = [r.row async for lease in leases for r in lease.requests]
            answers = [Outcome(row, Status.CREATED, ("7",), 1, 200) for row in rows]
            doubts = [
                o._replace(status=Status.UNCERTAIN, code="stray_answer", was=o.status)
                for o in answers
            ]
            report(answers[:1])
            if rounds == 2:
                await recorded.wait()
            report([*answers[1:], *doubts])
            return None

    def listen(outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            counts[outcome.status] += 1
            if outcome.was is not None:
                counts[outcome.was] -= 1
        recorded.set()

    run(requests(2), journal, Doubting(), listen)
    assert [o.status for o in journal.outcomes()] == [Status.UNCERTAIN] * 2
    assert +counts == {Status.UNCERTAIN: 2}


def test_what_an_engine_raises_comes_through_and_its_reports_are_kept(journal: Journal) -> None:
    class Broken:
        width = 4

        def distrust(self, row: int) -> None:
            raise AssertionError("no answer is another's")

        async def send(
            self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
        ) -> Stop | None:
            async for lease in leases:
                report([Outcome(lease.requests[0].row, Status.CREATED, ("6",), 1, 200)])
                raise ZeroDivisionError
            return None

    with pytest.raises(ZeroDivisionError):
        run(requests(8), journal, Broken())
    assert journal.counts()[Status.CREATED] == 1


class BugError(Exception):
    """What no part should raise."""


SAFE_TO_REPEAT = ("not_sent", "throttled")
FAULTS: dict[str, Any] = {
    "created": CREATED,
    "refused": REFUSED,
    "not_sent": Reply(Wire.NOT_SENT),
    "throttled": Reply(Wire.ANSWERED, 429),
    "lost": Reply(Wire.LOST),
    "oops": Reply(Wire.ANSWERED, 500),
    "partial": Reply(Wire.ANSWERED, 200, True, ("6",), (ReplyError("417", "error.x"),)),
    "stop": UNAUTHORIZED,
    "bug": BugError(),
}
usual = st.sampled_from(["created", "refused", "not_sent", "throttled", "lost", "oops", "partial"])
rare = st.sampled_from([*FAULTS, "interrupt", "cancel"])


@given(
    script=st.lists(usual, max_size=60),
    extra=st.lists(st.tuples(st.integers(0, 80), rare), max_size=2),
    count=st.integers(0, 40),
    concurrency=st.integers(1, 6),
)
def test_for_any_mix_of_faults_every_row_is_in_one_state_and_none_is_sent_twice(
    tmp_path_factory: pytest.TempPathFactory,
    script: list[str],
    extra: list[tuple[int, str]],
    count: int,
    concurrency: int,
) -> None:
    events = iter(script)
    special = dict(extra)
    served: dict[int, list[str]] = {}
    nth = -1

    async def main(journal: Journal) -> Ending:
        stop = asyncio.Event()

        async def post(body: bytes) -> Reply:
            nonlocal nth
            nth += 1
            row = int(body)
            history = served.setdefault(row, [])
            what = special.get(nth) or next(events, "created")
            history.append("lost")  # what it is if nobody hears of it
            await asyncio.sleep(0)
            if what == "interrupt":
                stop.set()
                what = "created"
            if what == "cancel":
                task.cancel()
                await asyncio.Event().wait()
            history[-1] = what
            reply = FAULTS[what]
            if isinstance(reply, BugError):
                raise reply
            assert isinstance(reply, Reply)
            return created(row) if reply is CREATED else reply

        engine = LocalEngine(post, judge, FAST, concurrency)
        task = asyncio.create_task(coordinate(requests(count), journal, engine, stop=stop))
        return await task

    path = tmp_path_factory.mktemp("run") / "journal.sqlite3"
    with Journal.create(path, {}) as journal:
        ending: Ending | None = None
        try:
            ending = asyncio.run(main(journal))
        except (BugError, asyncio.CancelledError):
            assert {"bug", "cancel"} & set(special.values())
        found = {o.row: o for o in journal.outcomes()}
        assert len(found) == sum(journal.counts().values())

    assert set(found) <= set(range(2, count + 2))
    if ending is not None and ending.end is End.FINISHED:
        assert set(found) == set(range(2, count + 2))
    for row, history in served.items():
        *earlier, last = history
        assert all(what in SAFE_TO_REPEAT for what in earlier)
        status = found[row].status if row in found else Status.PENDING
        # After a cancellation an answer may not have come through, but is never made up.
        alternatives = {
            "created": {Status.CREATED},
            "refused": {Status.REJECTED},
            "not_sent": {Status.PENDING},
            "throttled": {Status.PENDING},
            "stop": {Status.PENDING},
        }.get(last, {Status.UNCERTAIN})
        if "cancel" in special.values():
            alternatives = alternatives | {Status.UNCERTAIN}
        assert status in alternatives, (row, history)
    for row, outcome in found.items():
        if row not in served:
            assert "cancel" in special.values(), (row, outcome)
