"""Trouble with the service, as somebody at the command line sees it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox


def run(
    cli: Cli, sandbox: LiveSandbox, folder: Path, count: int, *options: object
) -> tuple[int, dict[str, Any]]:
    leads = write_leads(folder / "leads.csv", count)
    arguments = ("-m", folder / "m.yaml", "--out", "out", "--base-url", sandbox.base_url)
    code = cli("run", leads, *arguments, *options)
    return code, json.loads((folder / "out" / "summary.json").read_text("utf-8"))


def test_a_proxy_that_answers_502_to_everything_makes_few_rows_uncertain_and_ends_the_run(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox(faults=[{"kind": "bad_gateway", "from": 50, "to": "all"}]) as sandbox:
        options = ("--concurrency", 8, "--give-up-after", 1)
        code, summary = run(cli, sandbox, tmp_path, 2000, *options)
        assert code == 3
        assert summary["status"] == "stopped"
        assert 0 < summary["counts"]["uncertain"] <= 8 + 10
        assert summary["counts"]["pending"] > 1900
        assert summary["counts"]["created"] == len(sandbox.records(134))
    told = capsys.readouterr()
    assert "Paused" in told.err
    assert "vcc-import resume out" in told.out


@pytest.mark.parametrize("limit", ["3", "2%"])
def test_too_many_failures_stop_a_run_whose_mapping_is_wrong(
    cli: Cli, mapping: Path, tmp_path: Path, limit: str
) -> None:
    mapping.write_text(mapping.read_text("utf-8").replace("Name}", "Name, nonsense: Phone}"))
    with live_sandbox() as sandbox:
        options = ("--concurrency", 2, "--max-failures", limit, "--no-preflight")
        code, summary = run(cli, sandbox, tmp_path, 1000, *options)
    assert code == 3
    assert 3 < summary["counts"]["rejected"] < 200
    assert summary["counts"]["pending"] > 800


def test_a_throttled_run_waits_as_it_is_told_and_loses_nothing(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults: Sequence[dict[str, Any]] = [
        {"kind": "throttled", "at": [3, 4], "retry_after": "seconds", "wait": "1s"},
        {"kind": "unavailable", "at": 9, "retry_after": "date", "wait": "1s"},
    ]
    with live_sandbox(faults=faults, log_requests=True) as sandbox:
        code, summary = run(cli, sandbox, tmp_path, 30, "--retries", 0)
        assert code == 0
        assert summary["counts"]["created"] == len(sandbox.records(134)) == 30
    assert "s: the service asks to wait" in capsys.readouterr().err


def test_statuses_declared_safe_are_sent_again(cli: Cli, mapping: Path, tmp_path: Path) -> None:
    with live_sandbox(faults=[{"kind": "bad_gateway", "at": [2, 5]}]) as sandbox:
        code, summary = run(cli, sandbox, tmp_path, 20, "--retry-on", "502")
        assert code == 0
        assert summary["attempts"] == 22
        assert len(sandbox.records(134)) == 20


def test_a_key_that_is_withdrawn_in_the_middle_stops_the_run_and_the_rest_can_be_resumed(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = [{"kind": "unauthorized", "from": 11, "until": 60}]
    with live_sandbox(faults=faults, log_requests=True) as sandbox:
        code, summary = run(cli, sandbox, tmp_path, 40, "--concurrency", 2)
        assert code == 3
        assert summary["counts"]["created"] == 10
        assert summary["counts"]["pending"] == 30
        assert "VCC_API_KEY" in capsys.readouterr().out
        while cli("resume", "out", "--concurrency", 1) == 3:
            pass
        assert len(sandbox.records(134)) == 40


@pytest.mark.parametrize(
    "options",
    [
        ("--concurrency", "many"),
        ("--concurrency", "0"),
        ("--max-failures", "some"),
        ("--retry-on", "200"),
        ("--rate", "0"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    cli: Cli, mapping: Path, tmp_path: Path, options: tuple[str, str]
) -> None:
    leads = write_leads(tmp_path / "leads.csv", 3)
    arguments = ("-m", mapping, "--base-url", "http://127.0.0.1:9/v2")
    assert cli("run", leads, *arguments, *options) == 2
