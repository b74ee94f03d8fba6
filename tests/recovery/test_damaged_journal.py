"""A write-ahead log that was damaged after a kill doubles no row, and its run can be saved."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recovery.conftest import write_leads
from tests.recovery.test_kill import killed, start
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox

ROWS = 500


def cut_to_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_one_bit_changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 8]) + content[middle + 1 :]


def with_another_header(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def emptied(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    "damage",
    [cut_to_half, with_one_bit_changed, with_another_header, emptied],
)
def test_a_damaged_wal_doubles_no_row_and_reconcile_saves_the_run(
    cli: Cli,
    mapping: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[bytes], bytes],
) -> None:
    leads = write_leads(tmp_path / "leads.csv", ROWS)
    run = tmp_path / "out"
    with live_sandbox(log_requests=True) as sandbox:
        url = ("--base-url", sandbox.base_url)
        process = start(tmp_path, "run", str(leads), "-m", str(mapping), "--out", "out", *url)
        assert killed(process, sandbox, 200)
        process.communicate()
        sent = sandbox.settled_count()
        wal = run / "journal.sqlite3-wal"
        wal.write_bytes(damage(wal.read_bytes()))

        assert cli("resume", run) == 3
        error = capsys.readouterr().err
        assert "has lost its end" in error
        assert "Nothing was sent" in error
        assert "vcc-import reconcile" in error
        assert sandbox.request_count() == sent

        at_once = ("--settling", 0, "--lookups", 10_000)
        # The numberids that the run got may be gone with the end of its journal.
        found = cli("reconcile", run, "--release", "--from", 1, *at_once)
        assert found == 0, capsys.readouterr().err
        assert "are uncertain now" in capsys.readouterr().out
        assert cli("resume", run) == 0
        requests = Counter(request.stamp for request in sandbox.requests())
        assert len(sandbox.records(134)) == ROWS
    assert set(requests.values()) == {1}, "a row was sent twice"
    with (run / "results.csv").open(encoding="utf-8", newline="") as file:
        results = [row["status"] for row in csv.DictReader(file)]
    assert Counter(results) == {"created": ROWS}


@pytest.mark.parametrize("lost", [100, 8192, 40_000])
def test_a_wal_that_lost_a_few_pages_doubles_no_row(
    cli: Cli, mapping: Path, tmp_path: Path, lost: int
) -> None:
    """Where these held outcomes alone, the rows are uncertain; where intents, it is refused."""
    leads = write_leads(tmp_path / "leads.csv", ROWS)
    run = tmp_path / "out"
    with live_sandbox(log_requests=True) as sandbox:
        url = ("--base-url", sandbox.base_url)
        process = start(tmp_path, "run", str(leads), "-m", str(mapping), "--out", "out", *url)
        assert killed(process, sandbox, 200)
        process.communicate()
        wal = run / "journal.sqlite3-wal"
        wal.write_bytes(wal.read_bytes()[:-lost])
        if cli("resume", run) == 3:
            assert cli("mark", run, "--row", ROWS + 1, "--created", 9999) == 0
            assert cli("resume", run) == 4
        requests = Counter(request.stamp for request in sandbox.requests())
    assert set(requests.values()) == {1}, "a row was sent twice"


def test_mark_settles_rows_of_a_journal_that_was_cut(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads = write_leads(tmp_path / "leads.csv", ROWS)
    run = tmp_path / "out"
    with live_sandbox(log_requests=True) as sandbox:
        url = ("--base-url", sandbox.base_url)
        process = start(tmp_path, "run", str(leads), "-m", str(mapping), "--out", "out", *url)
        assert killed(process, sandbox, 200)
        process.communicate()
        (run / "journal.sqlite3-wal").unlink()
        assert cli("mark", run, "--row", ROWS + 1, "--created", 9999) == 0
        assert cli("resume", run) == 4
        assert sandbox.request_count() < ROWS
    with (run / "results.csv").open(encoding="utf-8", newline="") as file:
        results = Counter(row["status"] for row in csv.DictReader(file))
    assert set(results) == {"created", "uncertain"}
