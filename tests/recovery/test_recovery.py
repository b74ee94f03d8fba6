"""Runs of the past: resumed, reported, reconciled, marked."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from importer.journal.journal import Journal
from importer.model import Outcome, Status
from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox


def statuses(run: Path) -> dict[int, str]:
    with (run / "results.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["row"]): row["status"] for row in csv.DictReader(file)}


def created(run: Path) -> dict[str, str]:
    """The names and the numberids of created.csv."""
    with (run / "created.csv").open(encoding="utf-8", newline="") as file:
        return {row["Name"]: row["_numberid"] for row in csv.DictReader(file)}


def counts(run: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((run / "summary.json").read_text("utf-8"))["counts"]
    return {status: count for status, count in found.items() if count}


def stamps(sandbox: LiveSandbox) -> Counter[str]:
    return Counter(record["form"]["import_ref"] for record in sandbox.records(134))


def test_a_limited_run_is_resumed_where_it_stopped_whatever_became_of_its_files(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads = write_leads(tmp_path / "leads.csv", 50)
    with live_sandbox() as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, "--out", "out", "--limit", 7, *url) == 0
        assert "vcc-import resume out" in capsys.readouterr().out
        assert counts(tmp_path / "out") == {"created": 7, "pending": 43}
        leads.write_text("Name,Phone\nSomebody else,06309999999\n", "utf-8")
        mapping.unlink()
        assert cli("resume", "out", "--limit", 3) == 0
        assert counts(tmp_path / "out") == {"created": 10, "pending": 40}
        assert len(created(tmp_path / "out")) == 10
        assert cli("resume", "out") == 0
        assert set(statuses(tmp_path / "out")) == set(range(2, 52))
        assert counts(tmp_path / "out") == {"created": 50}
        assert created(tmp_path / "out") == {
            record["form"]["name"]: str(record["numberid"]) for record in sandbox.records(134)
        }
        assert set(stamps(sandbox).values()) == {1}
        assert len(stamps(sandbox)) == 50
        assert cli("resume", "out") == 0
        assert len(sandbox.records(134)) == 50


@pytest.fixture
def stopped(cli: Cli, mapping: Path, tmp_path: Path) -> Path:
    """A run that was limited to 2 of 5 rows."""
    with live_sandbox() as sandbox:
        leads = write_leads(tmp_path / "leads.csv", 5)
        base_url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, "--out", "out", "--limit", 2, *base_url) == 0
    return tmp_path / "out"


@pytest.mark.parametrize("name", ["mapping.yaml", "source.parquet", "ready.parquet", "plan.json"])
def test_a_run_whose_own_copies_were_changed_is_not_resumed(
    cli: Cli, stopped: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = stopped / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert cli("resume", stopped) == 2
    error = capsys.readouterr().err
    assert name in error
    assert "was changed since it was planned" in error


def test_a_cell_that_was_changed_in_what_a_run_keeps_is_told(
    cli: Cli, stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stopped / "source.parquet"
    content = path.read_bytes()
    first = "Név 0".encode()
    assert content.count(first) == 1, "what was not there before stands as it is, compressed"
    path.write_bytes(content.replace(first, "Név 9".encode()))
    assert cli("report", stopped) == 2
    assert "is damaged" in capsys.readouterr().err


def test_a_folder_that_holds_no_run_is_said_so(
    cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("resume", "report", "reconcile"):
        for folder in (tmp_path, tmp_path / "nope"):
            assert cli(command, folder) == 2
            assert "does not exist" in capsys.readouterr().err


def test_a_run_that_is_still_alive_is_not_resumed(
    cli: Cli, stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(stopped / "journal.sqlite3"):
        assert cli("resume", stopped) == 3
    assert "still" in capsys.readouterr().err


def test_report_makes_the_files_again_from_the_journal(cli: Cli, stopped: Path) -> None:
    before = {p.name: p.read_bytes() for p in stopped.glob("*.csv")}
    assert len(created(stopped)) == 2
    for path in stopped.glob("*.csv"):
        path.unlink()
    assert cli("report", stopped) == 0
    assert {p.name: p.read_bytes() for p in stopped.glob("*.csv")} == before


LOST = [
    {"kind": "close", "at": 3, "stored": True},
    {"kind": "close", "at": 6},
    {"kind": "hang", "at": 9, "stored": True},
]


@pytest.fixture
def uncertain(cli: Cli, mapping: Path, tmp_path: Path) -> Any:
    """A run of which three answers were lost, two of them of records that exist."""
    with live_sandbox(faults=LOST, log_requests=True) as sandbox:
        leads = write_leads(tmp_path / "leads.csv", 12)
        arguments = ("--base-url", sandbox.base_url, "--concurrency", 1, "--timeout", 1)
        assert cli("run", leads, "-m", mapping, "--out", "out", *arguments) == 4
        yield sandbox


def test_reconcile_finds_what_exists_and_releases_the_rest_only_when_told_and_settled(
    cli: Cli, uncertain: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "out"
    assert counts(run) == {"created": 9, "uncertain": 3}
    lost = {row for row, status in statuses(run).items() if status == "uncertain"}
    assert cli("resume", run) == 4
    assert counts(run) == {"created": 9, "uncertain": 3}

    fast = ("--lookups", 10_000)
    assert cli("reconcile", run, *fast) == 4
    output = capsys.readouterr().out
    assert counts(run) == {"created": 11, "uncertain": 1}
    assert len(created(run)) == 11
    [missing] = [row for row, status in statuses(run).items() if status == "uncertain"]
    assert missing in lost
    assert f"row {missing}: not found, if ids grow" in output

    assert cli("reconcile", run, "--release", *fast) == 2
    assert "a late request may still arrive" in capsys.readouterr().err
    assert cli("reconcile", run, "--release", "--settling", 0, *fast) == 0
    assert counts(run) == {"created": 11, "pending": 1}
    assert cli("resume", run) == 0
    assert counts(run) == {"created": 12}
    assert set(stamps(uncertain).values()) == {1}
    assert len(stamps(uncertain)) == 12
    with (run / "results.csv").open(encoding="utf-8", newline="") as file:
        numberids = {row["numberid"] for row in csv.DictReader(file)}
    assert numberids == {str(record["numberid"]) for record in uncertain.records(134)}


def test_mark_settles_a_row_by_hand_and_no_other(
    cli: Cli, uncertain: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "out"
    rows = [row for row, status in statuses(run).items() if status == "uncertain"]
    assert cli("mark", run, "--row", rows[0], "--created", "4711") == 0
    assert cli("mark", run, "--row", rows[1], "--absent") == 0
    assert counts(run) == {"created": 10, "uncertain": 1, "pending": 1}
    for row in (rows[0], rows[1], 999):
        assert cli("mark", run, "--row", row, "--absent") == 2
        assert "is not uncertain" in capsys.readouterr().err
    assert cli("mark", run, "--row", rows[2]) == 2
    with Journal.read(run / "journal.sqlite3") as journal:
        outcome = next(o for o in journal.outcomes() if o.row == rows[0])
    assert outcome == Outcome(
        rows[0], Status.CREATED, ("4711",), 1, None, "marked", "settled by hand"
    )


def test_without_a_stamp_reconcile_says_what_to_do_instead(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping.write_text(mapping.read_text("utf-8").replace("stamp: import_ref\n", ""), "utf-8")
    with live_sandbox(faults=[{"kind": "close", "at": 1}]) as sandbox:
        leads = write_leads(tmp_path / "leads.csv", 3)
        base_url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, "--out", "out", *base_url) == 4
        assert cli("reconcile", "out") == 2
    assert "vcc-import mark" in capsys.readouterr().err


def test_a_resumed_run_began_when_it_began_and_counts_all_its_sittings(
    cli: Cli, mapping: Path, tmp_path: Path
) -> None:
    def summary() -> tuple[str, float]:
        found = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
        return found["started_at"], found["elapsed_s"]

    with live_sandbox() as sandbox:
        leads = write_leads(tmp_path / "leads.csv", 9)
        base_url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, "--out", "out", "--limit", 4, *base_url) == 0
        first = summary()
        assert cli("resume", "out") == 0
        second = summary()
        assert cli("report", "out") == 0
        third = summary()
    assert first[0] == second[0] == third[0]
    assert first[1] < second[1]
    assert abs(third[1] - second[1]) < 0.5
