"""What a round does with an unfinished run that it may not send."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.operations.batch_report import BatchResult
from tests.operations.test_batch import MAPPING as MAPPING_TEXT
from tests.operations.test_batch import Night, files
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox


@pytest.fixture
def service() -> Iterator[LiveSandbox]:
    """A service that refuses us at the 40th request."""
    with live_sandbox(faults=[{"kind": "forbidden", "at": 40}], log_requests=True) as live:
        yield live


@pytest.fixture
def night(cli: Cli, tmp_path: Path, service: LiveSandbox) -> Night:
    """A folder with a job of which a file was sent by half."""
    (tmp_path / "m.yaml").write_text(MAPPING_TEXT, "utf-8")
    night = Night(tmp_path, service.base_url)
    night.jobs("a")
    night.put("a/leads.csv", count=100)
    assert files(night.round()) == [("a/leads.csv", "stopped", 3)]
    return night


def run_folder(night: Night) -> Path:
    (found,) = (path.parent for path in (night.home / "runs").glob("*/journal.sqlite3"))
    return found


def as_of_an_earlier_version(run_dir: Path) -> None:
    """Take away what the versions before plans did not write."""
    with sqlite3.connect(run_dir / "journal.sqlite3") as journal:
        journal.execute("DELETE FROM meta WHERE key = 'plan_sha256'")
    journal.close()
    for name in ("ready.parquet", "plan.json", "journal.sqlite3.mark"):
        (run_dir / name).unlink()


def told(result: BatchResult) -> list[str]:
    return [f"{f.cause} {f.remedy} {f.message}" for job in result.jobs for f in job.files]


def test_a_run_of_an_earlier_version_is_put_before_somebody_once(
    night: Night, service: LiveSandbox
) -> None:
    run_dir = run_folder(night)
    as_of_an_earlier_version(run_dir)
    sent = len(service.records(134))
    night.put("a/more.csv", count=3, first=500)
    result = night.round()
    assert files(result) == [("a/leads.csv", "stopped", 3), ("a/more.csv", "imported", 0)]
    assert "Finish it with the version that began it" in told(result)[0]
    assert len(service.records(134)) == sent + 3
    assert "leads.csv" in night.tree("failed/a")
    assert (files(night.round()), night.round().exit_code) == ([], 0)

    # Somebody puts the file into the inbox again: it is neither sent twice nor lost.
    night.put("a/leads.csv", count=100)
    night.put("a/yet_more.csv", count=3, first=600)
    result = night.round()
    assert files(result) == [("a/leads.csv", "stopped", 3), ("a/yet_more.csv", "imported", 0)]
    assert "Finish it with the version that began it" in told(result)[0]
    assert len(service.records(134)) == sent + 6


def test_a_run_whose_plan_was_changed_does_not_keep_the_other_files_back(
    night: Night, service: LiveSandbox
) -> None:
    ready = run_folder(night) / "ready.parquet"
    whole = ready.read_bytes()
    ready.write_bytes(whole[:-1])
    night.put("a/more.csv", count=3, first=500)
    sent = len(service.records(134))
    result = night.round()
    assert files(result) == [("a/leads.csv", "stopped", 3), ("a/more.csv", "imported", 0)]
    assert "ready.parquet was changed since it was planned" in told(result)[0]
    assert len(service.records(134)) == sent + 3
    ready.write_bytes(whole)
    assert files(night.round()) == [("a/leads.csv", "imported", 0)]
    assert len(service.records(134)) == 103
