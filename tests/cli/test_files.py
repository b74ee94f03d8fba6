"""The files that a command names: globs, standard input, and several of them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import Cli

LIST = "Name,Phone\nAnn,06301234567\nBob,06301234568\n"
MAPPING = """version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
"""


@pytest.fixture(autouse=True)
def mapping(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")


def piped(folder: Path, *words: str, text: str = LIST) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "importer", *words],
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
    )


def test_a_glob_that_the_shell_left_alone_is_expanded_in_order(
    cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = tmp_path / "inbox"
    (inbox / "folder.csv").mkdir(parents=True)
    for name in ("b.csv", "a.csv", "~$a.csv", "c.txt"):
        (inbox / name).write_text(LIST.replace("Ann", name), "utf-8")
    assert cli("check", "inbox/*.csv", "-m", "m.yaml") == 0
    output = capsys.readouterr().out
    assert 0 <= output.index("a.csv") < output.index("b.csv")
    assert "~$" not in output
    assert "c.txt" not in output


def test_a_glob_that_finds_nothing_is_an_error(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("check", "inbox/*.csv", "-m", "m.yaml") == 2
    assert "inbox/*.csv: no file is named like this" in capsys.readouterr().err.replace("\\", "/")


def test_a_file_whose_name_looks_like_a_glob_is_that_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "leads [2].csv").write_text(LIST, "utf-8")
    assert cli("check", "leads [2].csv", "-m", "m.yaml") == 0


def test_standard_input_is_checked_and_previewed(tmp_path: Path) -> None:
    done = piped(tmp_path, "check", "-", "-m", "m.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "standard input" in done.stdout
    done = piped(tmp_path, "preview", "-", "-m", "m.yaml")
    assert [json.loads(line)["row"] for line in done.stdout.splitlines()] == [2, 3]


def test_standard_input_that_brings_nothing_or_is_named_twice_is_refused(tmp_path: Path) -> None:
    done = piped(tmp_path, "check", "-", "-m", "m.yaml", text="")
    assert done.returncode == 2
    assert "standard input: nothing came through it" in done.stderr
    done = piped(tmp_path, "check", "-", "-", "-m", "m.yaml")
    assert done.returncode == 2
    assert "can be read once" in done.stderr


def test_a_run_from_standard_input_can_be_resumed(cli: Cli, tmp_path: Path) -> None:
    """It needs the sandbox's folder again, and nothing of what was piped in."""
    words = ("run", "-", "-m", "m.yaml", "--sandbox", "--limit", "1", "--out", "out")
    done = piped(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    assert summary["source"]["path"] == "standard input"
    assert summary["run_id"].startswith("standard_input-")
    assert summary["counts"]["pending"] == 1
    assert cli("resume", "out") == 0
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["created", "created"]
