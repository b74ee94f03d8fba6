"""A resumed run goes on as it began: its settings, but for its limit and what is given anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import importer
from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox

RATE = 40.0
OPTIONS = (
    *("--concurrency", 3, "--rate", RATE, "--timeout", 9, "--retries", 2),
    *("--max-failures", "4%", "--give-up-after", 77, "--retry-on", "502,503"),
    *("--engine", "processes", "--workers", 2),
)
BEGAN = importer.RunSettings(
    pace=importer.Pace(concurrency=3, rate=RATE, timeout=9.0),
    retry=importer.RetryPolicy(
        retries=2,
        max_failures=importer.MaxFailures(4, percent=True),
        give_up_after=77.0,
        retry_on=frozenset({502, 503}),
    ),
    engine="processes",
    workers=2,
)


def kept(run: Path) -> importer.RunSettings:
    return replace(importer.past_run(run).settings, runs_dir=BEGAN.runs_dir)


def test_every_setting_is_kept_but_the_limit(cli: Cli, mapping: Path, tmp_path: Path) -> None:
    leads = write_leads(tmp_path / "leads.csv", 42)
    with live_sandbox(log_requests=True) as sandbox:
        url = ("--base-url", sandbox.base_url)
        words = ("run", leads, "-m", mapping, "--out", "out", "--limit", 2)
        assert cli(*words, *OPTIONS, *url) == 0
        assert kept(Path("out")) == BEGAN
        began = time.monotonic()
        assert cli("resume", "out") == 0
        assert time.monotonic() - began > 0.9, "40 rows at 40 a second, less a burst"
        assert len(sandbox.records(134)) == 42


def test_what_is_given_anew_holds_for_that_sitting_only(
    cli: Cli, mapping: Path, tmp_path: Path
) -> None:
    leads = write_leads(tmp_path / "leads.csv", 10)
    with live_sandbox() as sandbox:
        url = ("--base-url", sandbox.base_url)
        words = ("run", leads, "-m", mapping, "--out", "out", "--limit", 2, *OPTIONS, *url)
        assert cli(*words) == 0
        # With the two workers of before, the local engine would refuse to begin.
        assert cli("resume", "out", "--engine", "local", "--limit", 1, "--concurrency", "auto") == 0
        assert kept(Path("out")) == BEGAN
        assert importer.past_run("out").pending == 7
        assert cli("resume", "out") == 0
        assert len(sandbox.records(134)) == 10


def test_a_limit_of_failures_is_kept_by_command_and_library(
    cli: Cli, mapping: Path, tmp_path: Path
) -> None:
    leads = write_leads(tmp_path / "leads.csv", 20)
    faults = [{"kind": "close", "at": [3, 4, 5, 6]}]
    with live_sandbox(faults=faults) as sandbox:
        url = ("--base-url", sandbox.base_url)
        one = ("--concurrency", 1, "--max-failures", 0)
        assert cli("run", leads, "-m", mapping, "--out", "out", "--limit", 2, *one, *url) == 0
        assert cli("resume", "out") == 3
        assert importer.resume("out").summary.exit_code == 3
        assert importer.past_run("out").pending > 10
        assert cli("resume", "out", "--max-failures", "100%") == 4


def test_they_are_known_after_the_process_was_killed(mapping: Path, tmp_path: Path) -> None:
    leads = write_leads(tmp_path / "leads.csv", 500)
    with live_sandbox(log_requests=True) as sandbox:
        words = ["run", leads, "-m", mapping, "--out", "out", "--base-url", sandbox.base_url]
        process = subprocess.Popen(
            [sys.executable, "-m", "importer", *map(str, (*words, *OPTIONS))],
            cwd=tmp_path,
            env={**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"},
            stdout=subprocess.DEVNULL,
        )
        while sandbox.request_count() < 3:
            assert process.poll() is None
            time.sleep(0.001)  # the condition is awaited, not a time
        process.kill()
        process.wait()
    assert kept(tmp_path / "out") == BEGAN
    assert not (tmp_path / "out" / "summary.json").exists()


def test_another_base_url_is_refused_and_not_ignored(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads = write_leads(tmp_path / "leads.csv", 5)
    with live_sandbox() as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, "--out", "out", "--limit", 2, *url) == 0
        assert cli("resume", "out", "--base-url", "http://127.0.0.1:1/v2") == 2
        assert "not for http://127.0.0.1:1/v2" in capsys.readouterr().err


def test_where_nothing_is_pending_it_says_so_and_sends_nothing(
    cli: Cli,
    mapping: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leads = write_leads(tmp_path / "leads.csv", 5)
    with live_sandbox(faults=[{"kind": "close", "at": 3}]) as sandbox:
        url = ("--base-url", sandbox.base_url, "--concurrency", 1)
        assert cli("run", leads, "-m", mapping, "--out", "out", *url) == 4
    before = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    capsys.readouterr()
    monkeypatch.delenv("VCC_API_KEY")
    assert cli("resume", "out") == 4
    told = capsys.readouterr().out
    assert told.startswith("Nothing was pending; nothing was sent.\n")
    assert "rows/s" not in told
    after = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    assert after["counts"] == before["counts"]
    assert after["elapsed_s"] <= before["elapsed_s"]
    assert importer.resume("out").nothing_pending


def test_a_finished_rehearsal_starts_no_sandbox(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads = write_leads(tmp_path / "leads.csv", 3)
    assert cli("run", leads, "-m", mapping, "--out", "out", "--sandbox") == 0
    capsys.readouterr()
    assert cli("resume", "out") == 0
    assert "Sandbox" not in capsys.readouterr().out
