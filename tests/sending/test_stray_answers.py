"""A service, or a proxy before it, that sends answers nobody asked for.

HTTP/1.1 cannot tell a late answer from the answer to the next request. No row may end as created
with another's numberid, nor as rejected though it is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from importer.api.client import Client
from importer.api.exchange import ExchangeCallbacks
from importer.api.verdict import judge
from importer.journal.journal import Journal
from importer.model import Event, Lease, Outcome, Reply, Request, Status, StrayAnswer, Wire
from importer.sending.coordinator import coordinate
from importer.sending.local import LocalEngine
from importer.sending.protocol import Ending
from importer.settings import Pace, RetryPolicy, Secret, Target

POLICY = RetryPolicy(base=0.01, cap=0.05, give_up_after=2.0)
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
REFUSED = {"errors": [{"errorcode": 417, "errormessage": "error.form_required"}], "response": None}


def http(content: object) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def created(numberid: int) -> bytes:
    return http({"errors": [], "response": [numberid]})


class Service:
    """Stores rows, and answers as a test has it: `behave` writes the answers to a request.

    It is given the row's numberid, how many requests came before it, and where to write.
    """

    def __init__(self, behave: Callable[[int, int, Writer], Awaitable[None]]) -> None:
        self.stored: dict[str, int] = {}
        self.connections = 0
        self.closing = 0
        self._behave = behave

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Target]:
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: Reader, writer: Writer) -> None:
            tasks.add(asyncio.ensure_future(self._serve(reader, writer)))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            port = server.sockets[0].getsockname()[1]
            yield Target(f"http://127.0.0.1:{port}/v2", 134, "acme", Secret("k"))
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        with contextlib.closing(writer), contextlib.suppress(EOFError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                nth = len(self.stored)
                numberid = self.stored[body.decode()] = 1000 + nth
                await self._behave(numberid, nth, writer)
                await writer.drain()
                if b"connection: close" in head.lower():
                    self.closing += 1
                    break


class Result:
    """What became of each row, and what was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.counts: dict[Status, int] = dict.fromkeys(Status, 0)
        self.outcomes: dict[int, Outcome] = {}

    def take(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.counts[outcome.status] += 1
            if outcome.was is not None:
                self.counts[outcome.was] -= 1


def send(service: Service, folder: Path, rows: int = 40, concurrency: int = 2) -> Result:
    result = Result()

    async def main() -> Ending:
        async with service.open() as target:

            def suspect(connection: int) -> None:
                engine.suspect(connection)

            supervision = ExchangeCallbacks(on_stray=suspect)
            async with Client(target, Pace(concurrency), supervision) as client:
                engine = LocalEngine(
                    client.add,
                    judge,
                    POLICY,
                    concurrency,
                    on_event=result.events.append,
                    stop_reusing_connections=client.stop_reusing_connections,
                )
                requests = (Request(row, f"{row}".encode()) for row in range(2, rows + 2))
                return await coordinate(
                    requests, journal, engine, stop=asyncio.Event(), on_outcomes=result.take
                )

    with Journal.create(folder / "journal.sqlite3", {}) as journal:
        asyncio.run(main())
        result.outcomes = {o.row: o for o in journal.outcomes()}
        counts = {status: n for status, n in result.counts.items() if n}
        assert counts == {status: n for status, n in journal.counts().items() if n}
    for row, outcome in result.outcomes.items():
        if outcome.status is Status.CREATED:
            assert outcome.numberids == (str(service.stored[str(row)]),)
        assert outcome.status is not Status.REJECTED, "every row was stored"
    return result


def warned(result: Result) -> int:
    return sum(isinstance(event, StrayAnswer) for event in result.events)


@pytest.mark.parametrize("delay", [0.0, 0.0002, 0.001, 0.005, 0.02])
@pytest.mark.parametrize(
    "extra",
    [created, lambda _: http(REFUSED), lambda _: created(5)],
    ids=["the same again", "a refusal", "a record of another day"],
)
def test_an_answer_too_many_gives_no_row_what_is_anothers(
    tmp_path: Path, delay: float, extra: Callable[[int], bytes]
) -> None:
    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        writer.write(created(numberid))
        if nth == 10:
            await writer.drain()
            await asyncio.sleep(delay)
            writer.write(extra(numberid))

    service = Service(behave)
    result = send(service, tmp_path)
    assert len(result.outcomes) == 40
    assert warned(result) <= 1


def test_after_a_sign_of_it_each_connection_is_used_once(tmp_path: Path) -> None:
    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        writer.write(created(numberid) + (created(numberid) if nth == 10 else b""))

    service = Service(behave)
    result = send(service, tmp_path, concurrency=1)
    assert warned(result) == 1
    states = [result.outcomes[row].status for row in sorted(result.outcomes)]
    # Those that the same connection had answered in the second before are in doubt, too.
    assert states == [Status.UNCERTAIN] * 11 + [Status.CREATED] * 29
    assert service.closing == 29
    doubted = result.outcomes[5]
    assert doubted.code == "stray_answer"
    assert doubted.numberids == (str(service.stored["5"]),)


def test_half_an_answer_too_many_is_one(tmp_path: Path) -> None:
    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        writer.write(created(numberid) + (created(7)[:25] if nth == 10 else b""))

    service = Service(behave)
    result = send(service, tmp_path, concurrency=1)
    assert warned(result) == 1
    assert result.outcomes[12].status is Status.UNCERTAIN


def test_a_blank_line_behind_an_answer_is_none(tmp_path: Path) -> None:
    """Old servers send one behind a body (RFC 9112, 2.2)."""

    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        writer.write(created(numberid) + b"\r\n")

    result = send(Service(behave), tmp_path, concurrency=1)
    assert {o.status for o in result.outcomes.values()} == {Status.CREATED}
    assert warned(result) == 0


def test_a_blank_line_that_comes_apart_is_none_either(tmp_path: Path) -> None:
    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        writer.write(created(numberid))
        asyncio.get_running_loop().call_later(0.001, writer.write, b"\r\n")

    result = send(Service(behave), tmp_path, concurrency=1)
    assert {o.status for o in result.outcomes.values()} == {Status.CREATED}
    assert warned(result) == 0


def test_the_rest_of_an_answer_that_is_too_long_is_no_other_answer(tmp_path: Path) -> None:
    """What is no answer of the service's, such as a page, is read no further than a bound."""

    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        if nth == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8000000)
        else:
            writer.write(created(numberid) + (b"H" if nth == 0 else b""))

    # The first has connections used once, and read for a while behind what is taken in.
    result = send(Service(behave), tmp_path, rows=3, concurrency=1)
    assert result.outcomes[3].code == "not_understood"
    assert result.outcomes[4].status is Status.CREATED


def _send_one(tmp_path: Path, answer: bytes, policy: RetryPolicy) -> list[Outcome]:
    """Send a row that is answered so, and right behind it with an answer too many."""

    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        writer.write(answer)
        asyncio.get_running_loop().call_later(0.002, writer.write, created(numberid))

    async def main() -> None:
        async with Service(behave).open() as target:

            def suspect(connection: int) -> None:
                engine.suspect(connection)

            async with Client(target, Pace(1), ExchangeCallbacks(on_stray=suspect)) as client:
                engine = LocalEngine(
                    client.add,
                    judge,
                    policy,
                    1,
                    stop_reusing_connections=client.stop_reusing_connections,
                )
                rows = iter([Request(2, b"2")])
                sending = coordinate(rows, journal, engine, stop=asyncio.Event())
                await asyncio.wait_for(sending, 20)

    with Journal.create(tmp_path / "journal.sqlite3", {}) as journal:
        asyncio.run(main())
        return list(journal.outcomes())


def test_the_last_row_that_waited_for_another_try_ends_the_run_when_it_is_in_doubt(
    tmp_path: Path,
) -> None:
    answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    policy = RetryPolicy(retries=1, base=60.0, cap=60.0, retry_on=frozenset({500}))
    [outcome] = _send_one(tmp_path, answer, policy)
    assert (outcome.status, outcome.code) == (Status.UNCERTAIN, "stray_answer")


def test_one_numberid_for_two_rows_is_none_of_theirs(tmp_path: Path) -> None:
    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        writer.write(created(1003 if nth == 30 else numberid))

    service = Service(behave)
    result = send(service, tmp_path, concurrency=1)
    assert warned(result) == 1
    for row in (5, 32):
        outcome = result.outcomes[row]
        assert (outcome.status, outcome.numberids) == (Status.UNCERTAIN, ("1003",))


def test_numberids_of_an_earlier_sitting_count(tmp_path: Path) -> None:
    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        writer.write(created(numberid))

    async def main(service: Service, journal: Journal) -> None:
        async with service.open() as target, Client(target, Pace(1)) as client:
            engine = LocalEngine(client.add, judge, POLICY, 1)
            requests = iter([Request(3, b"3")])
            earlier = ("1000",)
            await coordinate(requests, journal, engine, stop=asyncio.Event(), numberids=earlier)

    with Journal.create(tmp_path / "journal.sqlite3", {}) as journal:
        journal.settle([Outcome(2, Status.CREATED, ("1000",), 1, 200)])
        asyncio.run(main(Service(behave), journal))
        assert [o.status for o in journal.outcomes()] == [Status.UNCERTAIN] * 2


def test_a_server_that_answers_when_it_is_connected_to_creates_no_row(tmp_path: Path) -> None:
    class Hasty(Service):
        async def _serve(self, reader: Reader, writer: Writer) -> None:
            # Behind the request, as the network may have it, and before its own answer.
            asyncio.get_running_loop().call_later(0.002, writer.write, created(77))
            await super()._serve(reader, writer)

    async def behave(numberid: int, nth: int, writer: Writer) -> None:
        await asyncio.sleep(0.01)
        writer.write(created(numberid))

    result = send(Hasty(behave), tmp_path)
    assert Status.CREATED not in {o.status for o in result.outcomes.values()}


def test_a_proxy_that_closes_what_was_idle_for_long_is_no_sign(tmp_path: Path) -> None:
    said: list[int] = []

    async def main() -> None:
        async def behave(numberid: int, nth: int, writer: Writer) -> None:
            writer.write(created(numberid))
            await writer.drain()
            await asyncio.sleep(1.1)  # the time is what it is about
            writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            told.set()

        told = asyncio.Event()
        async with Service(behave).open() as target:
            supervision = ExchangeCallbacks(on_stray=said.append)
            async with Client(target, Pace(1), supervision) as client:
                assert (await client.add(b"2")).numberids == ("1000",)
                await told.wait()
                await asyncio.sleep(0.05)  # for the network to bring it: there is nothing to await
                assert (await client.add(b"3")).numberids == ("1001",)

    asyncio.run(main())
    assert said == []


@pytest.mark.parametrize("unasked", [created(5), created(5)[:25], b"H"])
def test_an_answer_too_many_is_a_sign_though_the_connection_is_closed_behind_it(
    unasked: bytes,
) -> None:
    said: list[int] = []

    async def main() -> None:
        async def behave(numberid: int, nth: int, writer: Writer) -> None:
            writer.write(created(numberid))
            if nth == 1:
                await writer.drain()
                await asyncio.sleep(0.02)
                writer.write(unasked)
                writer.close()

        async with Service(behave).open() as target:
            supervision = ExchangeCallbacks(on_stray=said.append)
            async with Client(target, Pace(1), supervision) as client:
                first, second = await client.add(b"2"), await client.add(b"3")
                assert (first.numberids, second.numberids) == (("1000",), ("1001",))
                await asyncio.sleep(0.1)  # for the network to bring it: there is nothing to await
                assert said == [second.connection]
                assert (await client.add(b"4")).numberids == ("1002",)

    asyncio.run(main())


@pytest.mark.parametrize("rude", [False, True])
def test_a_connection_that_is_closed_is_no_sign(rude: bool) -> None:
    said: list[int] = []

    async def main() -> None:
        async def behave(numberid: int, nth: int, writer: Writer) -> None:
            writer.write(created(numberid) + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.write(b"\r\n")
            if rude:
                writer.transport.abort()
            writer.close()

        async with Service(behave).open() as target:
            supervision = ExchangeCallbacks(on_stray=said.append)
            async with Client(target, Pace(1), supervision) as client:
                assert not (await client.add(b"2")).stray
                await asyncio.sleep(0.1)  # for the network to bring it: there is nothing to await

    asyncio.run(main())
    assert said == []


def test_a_row_given_back_after_a_doubtful_answer_is_not_sent_again() -> None:
    """The refusal that stops a run may be the answer to another row."""
    told: list[Outcome] = []

    async def post(body: bytes) -> Reply:
        if body == b"2":
            return Reply(Wire.ANSWERED, 401, True, connection=7)
        await waited.wait()
        engine.suspect(7)
        return Reply(Wire.ANSWERED, 200, True, ("1",), connection=8)

    async def leases() -> AsyncIterator[Lease]:
        yield Lease((Request(3, b"3"), Request(2, b"2")))

    def report(outcomes: Sequence[Outcome]) -> None:
        told.extend(outcomes)
        waited.set()

    async def main() -> None:
        await engine.send(leases(), report, asyncio.Event())

    waited = asyncio.Event()
    engine = LocalEngine(post, judge, POLICY, 2)
    asyncio.run(main())
    assert [(o.row, o.status, o.was) for o in told] == [
        (2, Status.PENDING, None),
        (2, Status.UNCERTAIN, Status.PENDING),
        (3, Status.CREATED, None),
    ]


def test_a_row_in_doubt_that_is_not_sent_any_more_is_not_pending() -> None:
    """Its first answer had it sent again, and may have been another's: it may exist."""
    told: list[Outcome] = []
    posts = 0

    async def post(body: bytes) -> Reply:
        nonlocal posts
        posts += 1
        if posts == 1:
            return Reply(Wire.ANSWERED, 500, True, connection=7)
        engine.suspect(7)
        stop.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return Reply(Wire.NOT_SENT, detail="gone")

    async def leases() -> AsyncIterator[Lease]:
        yield Lease((Request(2, b"2"),))

    async def main() -> None:
        await engine.send(leases(), told.extend, stop)

    stop = asyncio.Event()
    policy = RetryPolicy(base=0.001, retry_on=frozenset({500}))
    engine = LocalEngine(post, judge, policy, 1)
    asyncio.run(main())
    assert [(o.row, o.status, o.was) for o in told] == [(2, Status.UNCERTAIN, None)]
