"""A calendar that is set by hours, during a run or after it, changes nothing."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest

from importer.api import reply
from importer.journal import journal
from importer.pipeline import summary
from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox

HOURS = [-30, -1, 5]


@contextlib.contextmanager
def calendar(monkeypatch: pytest.MonkeyPatch, hours: float, reads: int = 0) -> Iterator[None]:
    """Set the calendar by so many hours, once it was read so often."""
    real, seen = time.time, 0

    def shifted() -> float:
        nonlocal seen
        seen += 1
        return real() + (hours * 3600 if seen > reads else 0.0)

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Shifted:
            return cls.fromtimestamp(shifted(), tz)

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", shifted)
        for module in (reply, summary, journal):
            patch.setattr(module, "datetime", Shifted)
        yield


def elapsed(folder: Path) -> float:
    found = json.loads((folder / "out" / "summary.json").read_text("utf-8"))
    assert sum(found["counts"].values()) == found["rows"]
    return float(found["elapsed_s"])


@pytest.mark.parametrize("hours", HOURS)
def test_set_between_run_and_resume_and_during_both_it_loses_nothing(
    cli: Cli, mapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    faults: list[dict[str, Any]] = [
        {"kind": "unavailable", "at": [4, 15], "retry_after": "date", "wait": "1s"},
        {"kind": "throttled", "at": 9, "retry_after": "date", "wait": "1s"},
    ]
    began = time.monotonic()
    with live_sandbox(faults=faults, log_requests=True) as sandbox:
        leads = write_leads(tmp_path / "leads.csv", 20)
        url = ("--base-url", sandbox.base_url)
        with calendar(monkeypatch, hours, reads=1):
            assert cli("run", leads, "-m", mapping, "--out", "out", "--limit", 12, *url) == 0
        first = elapsed(tmp_path)
        with calendar(monkeypatch, -hours):
            assert cli("resume", "out") == 0
        second = elapsed(tmp_path)
        stored = Counter(record["form"]["import_ref"] for record in sandbox.records(134))
    assert 0 < first < second < time.monotonic() - began
    assert set(stored.values()) == {1}
    assert len(stored) == 20


@pytest.mark.parametrize("hours", HOURS)
def test_set_after_a_run_was_killed_its_lock_blocks_nobody(
    cli: Cli, mapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    with live_sandbox(faults=[{"kind": "close", "at": 3}]) as sandbox:
        leads = write_leads(tmp_path / "leads.csv", 5)
        url = ("--base-url", sandbox.base_url, "--concurrency", 1)
        assert cli("run", leads, "-m", mapping, "--out", "out", *url) == 4
        assert (tmp_path / "out" / "journal.sqlite3.lock").exists()
        with calendar(monkeypatch, hours):
            assert cli("resume", "out") == 4
            assert cli("report", "out") == 4
            assert cli("reconcile", "out", "--lookups", 10_000) == 4
            assert cli("mark", "out", "--row", 4, "--absent") == 0
            assert cli("resume", "out") == 0
        assert len(sandbox.records(134)) == 5
        assert elapsed(tmp_path) > 0
