"""A proxy that fails everything at 2 a.m., over real sockets, with the journal behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from importer.api.client import Client
from importer.api.verdict import judge
from importer.journal.journal import Journal
from importer.model import Event, Outcome, Probing, Request, Status
from importer.sending.coordinator import coordinate
from importer.sending.local import LocalEngine
from importer.sending.protocol import End, Ending
from importer.settings import Pace, RetryPolicy, Secret, Target
from tests.support.live_sandbox import LiveSandbox, live_sandbox

ROWS = 400
CONCURRENCY = 8
POLICY = RetryPolicy(base=0.01, cap=0.05, give_up_after=1.0)


def requests() -> Iterator[Request]:
    return (Request(row, b'{"form": {"name": "Lead %d"}}' % row) for row in range(2, ROWS + 2))


def send(
    sandbox: LiveSandbox, journal: Journal, events: list[Event], outcomes: list[Outcome]
) -> Ending:
    target = Target(sandbox.base_url, 134, sandbox.customer, Secret(sandbox.api_key))

    async def main() -> Ending:
        async with Client(target, Pace(CONCURRENCY)) as client:
            engine = LocalEngine(
                client.add,
                judge,
                POLICY,
                CONCURRENCY,
                probe=client.probe,
                on_event=events.append,
            )
            return await coordinate(
                requests(), journal, engine, stop=asyncio.Event(), on_outcomes=outcomes.extend
            )

    return asyncio.run(main())


def test_few_rows_become_uncertain_and_the_rest_can_be_resumed(tmp_path: Path) -> None:
    events: list[Event] = []
    outcomes: list[Outcome] = []
    with (
        live_sandbox(faults=[{"kind": "bad_gateway", "from": 100}]) as sandbox,
        Journal.create(tmp_path / "journal.sqlite3", {}) as journal,
    ):
        ending = send(sandbox, journal, events, outcomes)
        counts = journal.counts()
        stored = len(sandbox.records(134))
    assert ending.end is End.STOPPED
    assert ending.stop is not None
    assert ending.stop.code == "storm"
    assert counts[Status.CREATED] == stored == 99
    certain = max(n for n, o in enumerate(outcomes) if o.status is Status.CREATED)
    assert 5 <= len(outcomes) - certain - 1 <= CONCURRENCY + 9
    assert len(outcomes) == sum(counts.values()) < 99 + 2 * CONCURRENCY + 9
    assert any(isinstance(event, Probing) for event in events)


def test_a_short_storm_is_got_over(tmp_path: Path) -> None:
    with (
        live_sandbox(faults=[{"kind": "bad_gateway", "from": 100, "until": 107}]) as sandbox,
        Journal.create(tmp_path / "journal.sqlite3", {}) as journal,
    ):
        ending = send(sandbox, journal, [], [])
        counts = journal.counts()
    assert ending == Ending(End.FINISHED)
    assert counts[Status.CREATED] + counts[Status.UNCERTAIN] == ROWS
    assert 5 <= counts[Status.UNCERTAIN] <= 9
