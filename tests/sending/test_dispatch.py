"""When requests begin, whichever event loop they run on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from importer.model import Outcome, Request, Status
from importer.sending.local import Dispatcher, Row

Loops = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> Loops:
    if request.param == "asyncio":
        return asyncio.new_event_loop
    module = pytest.importorskip("uvloop", reason="needs uvloop, which the extra fast brings")
    loops: Loops = module.new_event_loop
    return loops


@pytest.mark.parametrize("seconds", [0.0001, 0.0015])
def test_waits_that_a_loop_does_not_tell_from_none_are_kept_all_the_same(
    new_loop: Loops, seconds: float
) -> None:
    """Uvloop counts in milliseconds, and makes something else of a shorter wait."""
    reported: list[Outcome] = []
    failures: list[Exception] = []

    async def send() -> None:
        waits = iter([seconds, seconds / 2, seconds, 0.0, 0.0])

        async def exchange(row: Row) -> Outcome:
            return row.outcome(Status.CREATED)

        def report(outcomes: Sequence[Outcome]) -> None:
            reported.extend(outcomes)

        rows = Dispatcher(lambda _: next(waits), exchange, report, failures.append)
        rows.add((Request(2, b"{}"),))
        rows.add((Request(3, b"{}"),))
        rows.complete()
        await rows.done()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(send(), 20))
    assert not failures
    assert [outcome.row for outcome in reported] == [2, 3]
