"""Every command that a message tells people to type does what it says when it is pasted."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.files import command, quoted
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox

MAPPING = """\
version: 1
region: HU
form: {name: Name, city: City}
contacts: {1: {phone: Phone}}
"""


def commands(text: str) -> list[list[str]]:
    """The words of each command that a text names, without the program's own name."""
    lines = (line for line in text.splitlines() if "vcc-import " in line)
    return [shlex.split(line[line.index("vcc-import ") :])[1:] for line in lines]


@pytest.fixture
def home(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose names need quotes, and an environment that knows another customer."""
    folder = tmp_path / "nightly & co"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VCC_CUSTOMER", "somebody-else")
    (folder / "my map.yaml").write_text(MAPPING, "utf-8")
    (folder / "my leads.csv").write_text(
        "Name;City;Phone\nAnn;Brandnew;06301234567\nBob;Brandnew;12\nCili;;06201234567\n", "utf-8"
    )
    (folder / "key.txt").write_text("sandbox\n", "utf-8")
    (folder / "key.txt").chmod(0o600)
    return folder


def mend(path: Path) -> None:
    """Correct the phone of the one row in a list of failures."""
    book = openpyxl.load_workbook(path)
    sheet = book.active
    assert sheet is not None
    column = [cell.value for cell in sheet[1]].index("Phone") + 1
    sheet.cell(2, column, "06301112222")
    book.save(path)


def test_what_run_and_resume_and_check_print_can_be_pasted(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VCC_API_KEY")
    with live_sandbox() as sandbox:
        where = ("--project", 134, "--base-url", sandbox.base_url, "--customer", "sandbox")
        key = ("--api-key-file", "key.txt")
        more = (*where, *key, "--allow-new-values", "--delimiter", ";")
        assert cli("check", "my leads.csv", "-m", "my map.yaml", "--online", *more) == 1
        again, planned = commands(capsys.readouterr().out)
        assert (again[0], planned[0]) == ("check", "plan")
        assert "--online" in again
        assert cli(*again) == 1
        assert Path("my leads-check.xlsx").exists()
        capsys.readouterr()

        given = ("--runs-dir", "old runs", "--rate", 50, "--max-failures", "90%", "--limit", 1)
        assert cli(*planned, *given) == 1
        (apply,) = commands(capsys.readouterr().out)
        assert len(sandbox.records(134)) == 0
        assert apply[0] == "apply"
        assert cli(*apply) == 1
        resume, run = commands(capsys.readouterr().out)
        assert len(sandbox.records(134)) == 1
        assert resume[0] == "resume"
        assert cli(*resume, "--rate", 40, "--limit", 1) == 1
        assert len(sandbox.records(134)) == 2
        assert run[0] == "run"
        assert run[run.index("--rate") + 1] == "50"
        assert run[run.index("--max-failures") + 1] == "90%"
        assert "--limit" not in run
        mend(Path(run[1]))
        assert cli(*run) == 0
        assert [record["form"]["name"] for record in sandbox.records(134)] == ["Ann", "Cili", "Bob"]
        assert len(list(Path("old runs").glob("failures-*"))) == 1

        # From another folder, long after: report tells the same, by paths that hold there.
        capsys.readouterr()
        monkeypatch.chdir("/")
        (folder,) = (home / "old runs").glob("my_leads-*")
        assert cli("report", folder) == 1
        (late,) = commands(capsys.readouterr().out)
        assert Path(late[late.index("--runs-dir") + 1]).absolute() == home / "old runs"
        assert Path(late[late.index("--api-key-file") + 1]).absolute() == home / "key.txt"
        assert Path(late[late.index("-m") + 1]).absolute() == home / "my map.yaml"


@pytest.mark.parametrize("read", ["my leads.csv", "-"])
def test_what_a_check_of_a_mapping_without_a_project_prints_can_be_pasted(
    cli: Cli,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    read: str,
) -> None:
    def run(*words: str) -> int:
        with Path("my leads.csv").open(encoding="utf-8") as given:
            monkeypatch.setattr("sys.stdin", given)
            return cli(*words)

    assert run("check", read, "-m", "my map.yaml") == 1
    told = capsys.readouterr().out
    assert "in a sandbox, since no project is named" in " ".join(told.split())
    again, tried = commands(told)
    if read == "-":
        assert run("init", "-", "-o", "drafted.yaml") == 0
        assert run("check", "-") == 2
        error = capsys.readouterr().err
        assert [words[-2:] for words in commands(error)] == [["<", "FILE"]] * 2
        assert [words[-2:] for words in (again, tried)] == [["<", "FILE"]] * 2
        again, tried = again[:-2], tried[:-2]
    assert run(*again) == 1
    assert run(*tried) == 1
    capsys.readouterr()
    assert run("check", read, "-m", "my map.yaml", "--project", "134") == 1
    _, imported = commands(capsys.readouterr().out)
    assert "--sandbox" not in imported
    assert imported[imported.index("--project") + 1] == "134"


def test_what_was_given_anew_to_resume_is_told_again(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox() as sandbox:
        where = ("--project", 134, "--base-url", sandbox.base_url, "--customer", "sandbox")
        words = ("run", "my leads.csv", "-m", "my map.yaml", "--allow-new-values", "--out", "o 1")
        assert cli(*words, *where, "--limit", 1) == 1
    capsys.readouterr()
    # Nobody is there any more.
    anew = ("--rate", 7, "--give-up-after", 0.1, "--customer", "sandbox")
    assert cli("resume", "o 1", *anew) == 3
    resume = commands(capsys.readouterr().err)[0]
    assert resume[:2] == ["resume", "o 1"]
    assert sorted(resume[2:]) == sorted(map(str, anew))


def test_a_rehearsal_is_followed_by_rehearsals(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("run", "my leads.csv", "-m", "my map.yaml", "--dry-run", "--sandbox") == 1
    _, imported = commands(capsys.readouterr().out)
    assert imported[-1] == "--sandbox"
    assert cli(*imported, "--limit", 1) == 1
    resume, mended = commands(capsys.readouterr().out)
    assert len(resume) == 2
    assert mended[-1] == "--sandbox"
    assert cli(*resume) == 1
    mend(Path(mended[1]))
    assert cli(*mended) == 0
    Path("p 1.yaml").write_text(
        json.dumps(
            {"projects": [{"projectid": 1, "name": "One", "fields": [], "dispositions": []}]}
        ),
        "utf-8",
    )
    capsys.readouterr()
    assert cli("check", "my leads.csv", "-m", "my map.yaml", "--sandbox-project", "p 1.yaml") == 2
    again = commands(capsys.readouterr().out)
    assert all("p 1.yaml" in words for words in again)


def test_reconcile_is_told_of_only_where_there_is_a_stamp(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for stamp in ("", "stamp: import_ref\n"):
        Path("my map.yaml").write_text(MAPPING + stamp, "utf-8")
        with live_sandbox(faults=[{"kind": "close", "at": 1}]) as sandbox:
            where = ("--project", 134, "--base-url", sandbox.base_url, "--customer", "sandbox")
            words = ("run", "my leads.csv", "-m", "my map.yaml", "--allow-new-values")
            assert cli(*words, *where, "--concurrency", 1) == 4
        told = [words[0] for words in commands(capsys.readouterr().out)]
        assert told == (["reconcile", "run"] if stamp else ["mark", "run"])


def test_a_mapping_that_is_missing_is_drafted_by_the_command_that_is_told(
    cli: Cli, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("run", "my leads.csv", "--sandbox", "--delimiter", ";") == 2
    (init,) = commands(capsys.readouterr().err)
    assert cli(*init) == 0
    (check,) = commands(capsys.readouterr().err)
    assert cli(*check) == 1


@given(
    st.lists(st.text(st.characters(min_codepoint=0x20, exclude_characters="\x7f", codec="utf-8")))
)
def test_a_shell_of_posix_takes_each_word_for_one(words: list[str]) -> None:
    if os.name == "posix":
        assert shlex.split(command(*words)) == ["vcc-import", *words]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("word", ["\x1f", "a\nb", "it's\t\\ 1", "\udce9.csv", "é\x7f"])
def test_a_word_of_characters_that_cannot_be_typed_is_one_too(word: str) -> None:
    shown = subprocess.run(
        ["bash", "-c", f"printf '%s' {quoted(word)}"], capture_output=True, check=True
    )
    assert shown.stdout == os.fsencode(word)


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        (r"C:\runs\leads-1", r"C:\runs\leads-1"),
        (r"C:\my runs\leads 1", r'"C:\my runs\leads 1"'),
        ("a&b.csv", '"a&b.csv"'),
        ("C:\\a b\\", '"C:\\a b\\\\"'),
        ("it's.csv", '"it\'s.csv"'),
        ('a\\"b', '"a\\\\\\"b"'),
        ("", '""'),
    ],
)
def test_on_windows_quotes_are_those_of_its_shells(
    monkeypatch: pytest.MonkeyPatch, word: str, typed: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        found = quoted(word)
    assert found == typed
