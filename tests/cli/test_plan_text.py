"""What `plan` and `apply` print for people: what would be sent where, and what has changed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """version: 1
project: 134
region: HU
form: {name: Name, city: City}
contacts: {1: {phone: Phone}}
rows: {unique: [contacts.1.phone]}
"""
LEADS = """Name,City,Phone
Ann,Graz,06301234567
Bob,Eger,06301234568
Cili,Eger,06301234568
Dora,Graz,12
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MAPPING, "utf-8")
    Path("l.csv").write_text(LEADS, "utf-8")
    return tmp_path


def to(sandbox: LiveSandbox) -> tuple[str, ...]:
    return ("--base-url", sandbox.base_url, "--customer", "sandbox")


def test_a_plan_says_what_it_would_do_and_its_command_does_it(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox() as sandbox:
        words = ("plan", "l.csv", "-m", "m.yaml", "--allow-new-values", "--out", "the plan")
        assert cli(*words, *to(sandbox)) == 1
        told = capsys.readouterr().out
        lines = told.splitlines()
        place = f"project 134 at {sandbox.base_url}, as sandbox"
        assert lines[0] == "l.csv: 1 of 4 rows needs mending"
        assert f"  ready              2   to be created in {place}" in lines
        assert "  skipped            1   the same as a row before" in lines
        assert "  invalid            1   bad phone" in lines
        assert '    city: "Eger": 1 row (3)' in lines
        assert told.count('"Eger"') == 1
        assert "Nothing was sent." in told
        assert "personal data" in told
        plan = json.loads(Path("the plan/plan.json").read_text("utf-8"))
        assert f"Id: {plan['id']}" in lines
        assert max(map(len, lines[:-1])) <= 100
        command = shlex.split(lines[-1])
        canary = ["--plan-id", plan["id"], "--canary", "5"]
        assert command[1:7] == ["apply", "the plan", *canary]
        assert sandbox.records(134) == []


def test_check_prints_the_summary_of_plan(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox() as sandbox:
        cli("plan", "l.csv", "-m", "m.yaml", "--allow-new-values", *to(sandbox))
        planned = capsys.readouterr().out
        cli("check", "l.csv", "-m", "m.yaml", "--allow-new-values", "--online", *to(sandbox))
        checked = capsys.readouterr().out
    assert planned[: planned.index("\nPlan: ")] == checked[: checked.index("\nTo get a copy ")]
    cli("check", "l.csv", "-m", "m.yaml", *to(sandbox))
    offline = capsys.readouterr().out
    assert "The project was not asked whether it has these fields and values. --online" in offline
    assert f"to be created in project 134 at {sandbox.base_url}, as sandbox" in offline


def test_what_plan_was_told_and_a_plan_does_not_keep_stands_in_its_command(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox() as sandbox:
        words = ("plan", "l.csv", "-m", "m.yaml", "--allow-new-values", "--again", "--limit", 1)
        assert cli(*words, *to(sandbox)) == 1
        command = capsys.readouterr().out.splitlines()[-1]
    assert "--limit 1" in command
    assert "--again" not in command, "the plan keeps that it is to be sent in spite of past runs"


def test_apply_tells_what_has_changed_and_does_not_matter(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox() as sandbox:
        words = ("plan", "l.csv", "-m", "m.yaml", "--allow-new-values", "--out", "p")
        assert cli(*words, *to(sandbox)) == 1
        sandbox.add(134, {"form": {"city": "Eger"}})
        capsys.readouterr()
        assert cli("apply", "p", "--customer", "sandbox") == 1
        told = capsys.readouterr().out
    before, changed, after = told.partition(
        "\nWhat has changed since it was planned, and kept nothing back:\n"
    )
    assert changed
    assert "  created            2 " in before, "what became of the rows comes first"
    assert after.startswith('  "Eger" ')
    assert "\nResults: p\n" in after


def test_a_project_that_cannot_be_asked_sends_nothing_and_the_command_is_told_again(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox() as sandbox:
        words = ("plan", "l.csv", "-m", "m.yaml", "--allow-new-values", "--out", "p")
        assert cli(*words, *to(sandbox)) == 1
    capsys.readouterr()
    plan = json.loads(Path("p/plan.json").read_text("utf-8"))
    given = ["--plan-id", plan["id"], "--limit", "1", "--max-age", "3600s"]
    where = ["--customer", "sandbox"]
    assert cli("apply", "p", *given, *where) == 3
    told = capsys.readouterr().err
    [again] = [line for line in told.splitlines() if "vcc-import " in line]
    typed = tuple(shlex.split(again.partition("vcc-import ")[2]))
    assert typed[:2] == ("apply", "p")
    assert sorted(typed[2:]) == sorted([*given, *where])
