"""A real process that is killed at any instant, and resumed, loses no row and doubles none.

`make soak` kills more often (SOAK_ROWS, SOAK_KILLS). The figures of docs/reliability.md are of it.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from importer.journal.journal import Journal
from importer.model import Status
from tests.recovery.conftest import write_leads
from tests.support.live_sandbox import LiveSandbox, live_sandbox

ROWS = int(os.environ.get("SOAK_ROWS", "2000"))
KILLS = int(os.environ.get("SOAK_KILLS", "4"))
CONCURRENCY = 8


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
    command = [sys.executable, "-m", "importer", *arguments]
    return subprocess.Popen(
        [*command, "--concurrency", str(CONCURRENCY), "--quiet"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def killed(process: subprocess.Popen[bytes], sandbox: LiveSandbox, target: int) -> bool:
    """Kill the process when the service has so many requests; False where it ended before."""
    while sandbox.request_count() < target:
        if process.poll() is not None:
            return False
        time.sleep(0.001)  # the condition is awaited, not a time
    process.kill()
    process.wait()
    return True


@pytest.mark.parametrize(("engine", "most"), [("local", KILLS), ("processes", max(2, KILLS // 5))])
def test_no_row_is_lost_and_none_doubled_however_often_the_process_is_killed(
    mapping: Path, tmp_path: Path, engine: str, most: int
) -> None:
    leads = write_leads(tmp_path / "leads.csv", ROWS)
    run = tmp_path / "out"
    chance = random.Random(int(os.environ.get("SOAK_SEED", "1")))
    with live_sandbox(log_requests=True) as sandbox:
        url = ("--base-url", sandbox.base_url)
        how = ("--engine", engine)
        process = start(tmp_path, "run", str(leads), "-m", str(mapping), "--out", "out", *url, *how)
        kills, uncertain = 0, 0
        step = ROWS / most
        while killed(process, sandbox, int(kills * step + 1 + chance.random() * step * 0.8)):
            process.communicate()
            kills += 1
            with Journal.read(run / "journal.sqlite3") as journal:
                now = journal.counts()[Status.UNCERTAIN]
            assert now - uncertain <= 2 * CONCURRENCY
            uncertain = now
            process = start(tmp_path, "resume", "out", *how)
        _, error = process.communicate()
        assert error == b""
        assert process.returncode == (4 if uncertain else 0)
        assert kills >= most * 0.8

        requests = Counter(request.stamp for request in sandbox.requests())
        stored = {r.stamp: r.numberid for r in sandbox.requests() if r.numberid is not None}
    assert set(requests.values()) == {1}, "a row was sent twice"
    with (run / "results.csv").open(encoding="utf-8", newline="") as file:
        results = {int(row["row"]): row for row in csv.DictReader(file)}
    assert set(results) == set(range(2, ROWS + 2))
    run_id = json.loads((run / "summary.json").read_text("utf-8"))["run_id"]
    for row, result in results.items():
        if result["status"] == "created":
            assert stored.pop(f"{run_id}:{row}") == int(result["numberid"])
        else:
            assert result["status"] == "uncertain"
            stored.pop(f"{run_id}:{row}", None)
    assert stored == {}


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_lets_what_is_in_flight_finish_and_says_how_to_go_on(
    mapping: Path, tmp_path: Path, signal: str, code: int
) -> None:
    import signal as signals

    leads = write_leads(tmp_path / "leads.csv", 2000)
    with live_sandbox(log_requests=True, latency="5ms") as sandbox:
        environment = {**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
        command = [sys.executable, "-m", "importer", "run", str(leads), "-m", str(mapping)]
        process = subprocess.Popen(
            [*command, "--out", "out", "--base-url", sandbox.base_url, "--concurrency", "8"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while sandbox.request_count() < 50:
            assert process.poll() is None
            time.sleep(0.001)  # the condition is awaited, not a time
        process.send_signal(getattr(signals, signal))
        output, _ = process.communicate()
        assert process.returncode == code
        assert "vcc-import resume out" in output
        summary = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
        assert summary["status"] == "interrupted"
        assert summary["counts"]["uncertain"] == 0
        assert summary["counts"]["created"] == len(sandbox.records(134)) < 2000
