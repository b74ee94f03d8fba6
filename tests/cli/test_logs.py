"""`--log-format json`: each line on standard error is an object that names its run."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from importer.api.client import Client
from importer.pipeline import rundir
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox

KEY = "k3y-that-must-not-be-seen"
JSON = ("--log-format", "json")
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Lines:
    """What was written on standard error since the last look; every line is an object."""

    def read() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
        assert all(isinstance(line, dict) for line in found)
        return found

    return read


def test_a_run_tells_its_stages_and_its_end_with_its_run_id(
    cli: Cli, mapping: Path, leads: Path, sandbox: LiveSandbox, lines: Lines
) -> None:
    url = ("--base-url", sandbox.base_url)
    code = cli("run", leads, "-m", mapping, "--out", "out", "--allow-new-values", *url, *JSON)
    found = lines()
    summary = json.loads(Path("out/summary.json").read_text("utf-8"))
    assert code == 1
    assert {line["run"] for line in found} == {summary["run_id"]}
    assert {line["job"] for line in found} == {None}
    stages = [line["message"].partition(": ")[2] for line in found]
    assert stages == ["reading", "checking", "sending", "finished"]
    end = found[-1]
    assert (end["level"], end["exit_code"], end["rows"]) == ("warning", 1, 5)
    assert end["counts"] == summary["counts"]
    assert end["results"] == "out"
    for line in found:
        assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)


def test_a_resumed_run_tells_that_it_is_the_same_run(
    cli: Cli, mapping: Path, leads: Path, sandbox: LiveSandbox, lines: Lines
) -> None:
    url = ("--base-url", sandbox.base_url, "--allow-new-values")
    cli("run", leads, "-m", mapping, "--out", "out", "--limit", 1, *url)
    lines()
    assert cli("resume", "out", *JSON) == 1
    found = lines()
    run_id = json.loads(Path("out/summary.json").read_text("utf-8"))["run_id"]
    assert [line["run"] for line in found] == [run_id] * len(found)
    assert found[-1]["counts"]["pending"] == 0


def test_errors_are_objects_with_what_to_do_next(
    cli: Cli, mapping: Path, lines: Lines, tmp_path: Path
) -> None:
    assert cli("run", "missing.csv", "-m", mapping, *JSON) == 2
    (line,) = lines()
    assert line["level"] == "error"
    assert "missing.csv" in line["message"]
    assert line["exit_code"] == 2
    (tmp_path / "bad.yaml").write_text("version: 1\nform: {name: [}\n", "utf-8")
    assert cli("run", "missing.csv", "-m", "bad.yaml", *JSON) == 2
    (line,) = lines()
    assert line["mistakes"][0].startswith("bad.yaml:2:")


def test_an_option_that_is_wrong_is_an_object_too(cli: Cli, mapping: Path, lines: Lines) -> None:
    assert cli("run", "leads.csv", "-m", mapping, *JSON, "--concurrency", "many") == 2
    (line,) = lines()
    assert "neither auto nor 1 to" in line["message"]


def test_a_bug_of_ours_is_one_object_with_its_traceback(
    cli: Cli,
    mapping: Path,
    leads: Path,
    sandbox: LiveSandbox,
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(self: Client, body: bytes) -> None:
        raise RuntimeError("a bug\nof ours")

    monkeypatch.setattr(Client, "add", broken)
    url = ("--base-url", sandbox.base_url, "--allow-new-values")
    assert cli("run", leads, "-m", mapping, *url, *JSON) == 3
    bug = lines()[-1]
    assert bug["message"].startswith("This is a bug")
    assert "a bug\nof ours" in bug["traceback"]


def test_the_key_stands_in_no_object_whatever_is_logged(
    cli: Cli,
    mapping: Path,
    leads: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VCC_API_KEY", KEY)
    more = ("-v", "--allow-new-values", *JSON)
    with live_sandbox(api_key=KEY, faults=[{"kind": "close", "at": 2}]) as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, "--out", "out", *url, *more) == 4
        cli("resume", "out", "-v", *JSON)
    with live_sandbox(api_key="another") as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, *url, *more) == 3
    told = capfd.readouterr()
    assert told.err
    for trace in (KEY, base64.b64encode(f"sandbox:{KEY}".encode()).decode()):
        assert trace not in told.err
        assert trace not in told.out


def test_a_line_break_or_an_odd_character_in_a_message_does_not_end_the_line(
    cli: Cli, mapping: Path, lines: Lines
) -> None:
    cli("run", "a\nb\x1b[2J\u2028é.csv", "-m", mapping, *JSON)
    (line,) = lines()
    assert "a\nb" in line["message"]


def test_text_comes_back_with_the_next_command(
    cli: Cli, mapping: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cli("run", "missing.csv", "-m", mapping, *JSON)
    capfd.readouterr()
    cli("run", "missing.csv", "-m", mapping)
    assert capfd.readouterr().err.startswith("Error: missing.csv")


def test_what_libraries_log_has_the_run_and_the_job_in_it(
    cli: Cli, mapping: Path, lines: Lines
) -> None:
    cli("run", "missing.csv", "-m", mapping, *JSON)
    lines()
    with rundir.log_about_job("vienna"):
        rundir.log_about_run("leads-1")
        logging.getLogger("some.library").warning("odd: %s", "thing")
    logging.getLogger("some.library").warning("later")
    during, after = lines()
    assert (during["run"], during["job"]) == ("leads-1", "vienna")
    assert (during["message"], during["logger"]) == ("odd: thing", "some.library")
    assert (after["run"], after["job"]) != ("leads-1", "vienna")
