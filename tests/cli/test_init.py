"""``vcc-import init``: a mapping that a check accepts, from the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from importer.mapping.load import load_mapping
from importer.model import Severity
from importer.pipeline.plan import check
from importer.settings import SourceOptions
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("leads.csv", 14), ("leads.xlsx", 14), ("hu_semicolon_cp1250.csv", 10)],
)
def test_the_samples_drafts_pass_a_check_but_for_rows_that_are_wrong(
    cli: Cli, tmp_path: Path, name: str, wrong: int
) -> None:
    assert cli("init", SAMPLES / name, "-o", "m.yaml") == 0
    mapping = load_mapping(tmp_path / "m.yaml")
    survey = check(SAMPLES / name, mapping, SourceOptions()).survey
    assert survey.invalid <= wrong
    assert survey.ready > 0.9 * survey.rows
    about = {p.target for p in survey.problems if p.severity is Severity.ERROR}
    assert None not in about, "no row is wrong as a whole"


def test_a_draft_is_printed_or_written_and_what_comes_next_is_told(
    cli: Cli, leads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("init", leads) == 0
    printed = capsys.readouterr()
    assert "version: 1" in printed.out
    assert f"vcc-import check {leads} -m MAPPING" in printed.err
    assert cli("init", leads, "-o", "my.yaml") == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert f"vcc-import check {leads} -m my.yaml" in told.err
    assert "unsure" in told.err
    assert (tmp_path / "my.yaml").read_text("utf-8") == printed.out
    assert (tmp_path / "my.yaml").stat().st_mode & 0o077 == 0


def test_a_mapping_that_is_there_is_replaced_only_by_force(
    cli: Cli, leads: Path, mapping: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = mapping.read_text("utf-8")
    assert cli("init", leads, "-o", mapping) == 2
    assert "--force" in capsys.readouterr().err
    assert mapping.read_text("utf-8") == before
    assert cli("init", leads, "-o", mapping, "--force") == 0
    assert mapping.read_text("utf-8") != before


def test_online_the_project_s_own_fields_are_used(
    cli: Cli, sandbox: LiveSandbox, tmp_path: Path
) -> None:
    words = ("--online", "--project", "134", "--base-url", sandbox.base_url)
    assert cli("init", SAMPLES / "leads.csv", "-o", "m.yaml", *words) == 0
    spec = load_mapping(tmp_path / "m.yaml").spec
    assert spec.project == 134
    assert {"name", "city", "likes", "plan", "note", "company"} <= set(spec.form)
    assert spec.form["likes"].column == ["Interests"]
    assert spec.form["likes"].multiple
    assert cli("check", SAMPLES / "leads.csv", "-m", "m.yaml", "-q") == 1


def test_online_without_a_project_says_what_to_give(
    cli: Cli, leads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("init", leads, "--online") == 2
    assert "--project ID" in capsys.readouterr().err


def test_a_file_that_is_none_gives_no_mapping(cli: Cli, tmp_path: Path) -> None:
    assert cli("init", "gone.csv", "-o", "m.yaml") == 2
    assert not (tmp_path / "m.yaml").exists()


def test_a_run_without_a_mapping_tells_of_init(
    cli: Cli, leads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("check", leads) == 2
    assert "vcc-import init" in capsys.readouterr().err


def test_what_is_to_be_typed_next_works_for_a_file_whose_name_begins_like_an_option(
    cli: Cli, tmp_path: Path, leads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "-x.csv").write_bytes(leads.read_bytes())
    assert cli("init", "-o", "m.yaml", "--", "-x.csv") == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert cli(*line.removeprefix("Then: vcc-import ").split()) == 1
    told = [line.split() for line in capsys.readouterr().out.splitlines() if "vcc-import" in line]
    for command in told:
        assert command[2] == "./-x.csv"


def test_a_draft_sent_to_a_file_is_utf_8_whatever_the_code_page(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("Név,Őrző,Phone\nA,b,+36301234567\n", "utf-8")
    command = [sys.executable, "-m", "importer", "init", str(tmp_path / "l.csv")]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert "orzo: Őrző" in done.stdout.decode("utf-8")
