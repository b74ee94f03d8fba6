"""What one reply costs: `python -m pytest benchmarks/micro`."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from importer.api.reply import read_reply
from importer.api.verdict import judge
from importer.journal.journal import Journal
from importer.model import Outcome, Status
from importer.settings import RetryPolicy

HEADERS = {"Content-Type": "text/plain"}
REPLIES = {
    "created": (200, b'{"errors": [], "response": [6]}'),
    "rejected": (400, b'{"errors": [{"code": "bad_value", "message": "no"}], "response": null}'),
    "throttled": (429, b""),
    "gibberish": (502, b"<html>Bad gateway</html>"),
}


@pytest.mark.parametrize("kind", REPLIES)
def test_a_reply_read_and_judged(benchmark: BenchmarkFixture, kind: str) -> None:
    status, body = REPLIES[kind]
    policy = RetryPolicy()

    def judged() -> object:
        reply, _ = read_reply(status, HEADERS, body)
        return judge(reply, 1, policy, 0.5, 0)

    assert benchmark(judged) is not None


def test_a_group_of_rows_intended_and_settled(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    with Journal.create(tmp_path / "journal.sqlite3", {}) as journal:
        first = iter(range(2, 10**9, 64))

        def group() -> None:
            rows = range(at := next(first), at + 64)
            journal.record(intents=rows)
            journal.record(outcomes=[Outcome(row, Status.CREATED, ("6",), 1, 200) for row in rows])

        benchmark(group)
