"""``check``, ``preview``, ``schema`` and ``sandbox`` as a user meets them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import click
import openpyxl
import pytest

from importer.cli.main import COMMANDS
from importer.cli.main import cli as group
from tests.cli.conftest import ROOT
from tests.support.command import Cli

SAMPLES = json.loads((ROOT / "tests/samples/expected.json").read_text("utf-8"))


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_sample_and_its_mapping_give_what_the_samples_page_says(
    cli: Cli, capsys: pytest.CaptureFixture[str], sample: str
) -> None:
    expected = SAMPLES[sample]
    source, mapping = ROOT / sample, ROOT / expected["mapping"]
    assert cli("check", source, "-m", mapping, "--report", "r.json") == 1
    text = capsys.readouterr().out
    report = json.loads(Path("r.json").read_text("utf-8"))
    for key in ("sheet", "encoding", "delimiter", "header_row", "rows", "ready"):
        if key in expected:
            assert report[key] == expected[key]
    assert report["invalid"] == len(expected["invalid"])
    assert report["skipped"] == len(expected["skipped"])
    problems = {(p["row"], p["target"], p["code"]): p for p in report["problems"]}
    told = [*expected["invalid"], *expected["skipped"], *expected["warnings"]]
    assert set(problems) == {(e["row"], e["target"], e["code"]) for e in told}
    for e in expected["invalid"]:
        problem = problems[e["row"], e["target"], e["code"]]
        assert problem["severity"] == "error"
        assert problem["message"]
        assert f"row {e['row']}" in text

    assert cli("preview", source, "-m", mapping) == 0
    previews = {p["row"]: p for p in map(json.loads, capsys.readouterr().out.splitlines())}
    assert len(previews) == expected["rows"]
    for e in expected["bodies"]:
        assert previews[e["row"]]["body"] == e["body"]
    for e in [*expected["invalid"], *expected["skipped"]]:
        assert previews[e["row"]]["body"] is None
        assert previews[e["row"]]["problems"]


def test_check_sends_nothing_and_dry_run_is_the_same(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, leads: Path, tmp_path: Path
) -> None:
    assert cli("check", leads, "-m", mapping) == 1
    checked = capsys.readouterr().out
    assert cli("run", leads, "-m", mapping, "--dry-run") == 1
    assert capsys.readouterr().out == checked
    assert "Extra" in checked
    assert not (tmp_path / "runs").exists()


def test_check_of_a_clean_file_ends_with_zero(cli: Cli, mapping: Path, leads: Path) -> None:
    assert cli("check", leads, "-m", mapping, "--rows", "2-3", "-q") == 0


def test_a_report_of_an_unknown_kind_is_refused_before_the_work(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, leads: Path
) -> None:
    assert cli("check", leads, "-m", mapping, "--report", "r.doc") == 2
    assert ".txt, .json" in capsys.readouterr().err


def test_preview_shows_rows_one_by_one(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, leads: Path
) -> None:
    assert cli("preview", leads, "-m", mapping, "--limit", 4) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["row"], line["status"]) for line in lines] == [
        (2, "ready"),
        (3, "ready"),
        (4, "invalid"),
        (5, "skipped"),
    ]
    assert lines[0]["body"] == {
        "form": {"name": "Ann", "city": "Budapest"},
        "contacts": {"1": {"phone": "36301234567"}},
        "phone_field": "phone1",
    }
    [problem] = lines[2]["problems"]
    assert problem["code"] == "bad_phone"
    assert lines[3]["problems"][0]["code"] == "duplicate"


def test_schema_prints_json_schema(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["required"]) == {"version", "form"}
    assert "contacts" in schema["properties"]


@pytest.mark.parametrize("name", sorted((ROOT / "mappings").glob("*.yaml")), ids=lambda p: p.name)
def test_sample_mappings_point_an_editor_to_the_schema(name: Path) -> None:
    line = name.read_text("utf-8").splitlines()[0]
    prefix, _, target = line.partition("$schema=")
    assert prefix == "# yaml-language-server: "
    assert (name.parent / target).is_file()


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_is_there_and_light(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "importer", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage: vcc-import" in done.stdout
    heavy = {"numpy", "pyarrow", "aiohttp", "pydantic", "openpyxl", "ruamel.yaml", "asyncio"}
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert heavy & loaded == set()


def test_usage_mistakes_end_with_two(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["nonsense"], ["run"], ["run", "--nonsense"], ["run", "a", "--rows", "x"]):
        assert cli(*arguments) == 2
        assert "Traceback" not in capsys.readouterr().err
    assert isinstance(group, click.Group)


def start_sandbox(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("VCC_")}
    return subprocess.Popen(
        [sys.executable, "-m", "importer", "sandbox", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_the_sandbox_keeps_its_records_from_one_start_to_the_next(
    cli: Cli, mapping: Path, leads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VCC_CUSTOMER")
    monkeypatch.delenv("VCC_API_KEY")
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")
    project = str(ROOT / "samples" / "project.yaml")
    ids: list[str] = []
    for start in (1, 2):
        process = start_sandbox(tmp_path, "--db", "kept.sqlite3", "--project", project)
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        out = tmp_path / f"out{start}"
        assert cli("run", leads, "-m", mapping, "--base-url", url, "--out", out) == 1
        lines = (out / "results.csv").read_text("utf-8").splitlines()
        ids += [line.split(",")[2] for line in lines if ",created," in line]
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
        assert (process.returncode, error) == (0, "")
    assert len(set(ids)) == 6


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_check_that_is_terminated_leaves_no_copy_of_the_cells(
    mapping: Path, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "importer", "check", "-", "-m", str(mapping)],
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b"Name,City,Phone\n")
    process.stdin.flush()
    # Python, too, writes a file there, to see whether it can.
    while not list((tmp_path / "temporary").glob("vcc-import-*/content")):
        assert process.poll() is None
        time.sleep(0.001)  # the condition is awaited, not a time
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=20)
    assert (process.returncode, error) == (143, b"Terminated.\n")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_port_in_use_is_said_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start_sandbox(tmp_path, "--port", str(taken.getsockname()[1]))
        _, error = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "in use" in error
    assert "Traceback" not in error


def test_a_mapping_that_does_not_fit_the_first_sheet_is_told_of_the_others(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    book["Sheet"].append(["Supplier", "Date"])
    book["Sheet"].append(["Acme", "May"])
    book.create_sheet("Leads").append(["Name"])
    book.save(tmp_path / "cover.xlsx")
    for command in ("check", "run"):
        more = ["--sandbox"] if command == "run" else []
        assert cli(command, tmp_path / "cover.xlsx", "-m", mapping, *more) == 2
        told = capsys.readouterr().err
        assert 'The sheet has: "Supplier", "Date".' in told
        assert "there are also: 'Leads'. Name the sheet" in told
