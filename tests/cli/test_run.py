"""``vcc-import run``, end to end, against the real sandbox over a real socket."""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from importer.pipeline.rundir import RESULT_FILES, VERIFIED
from tests.cli.conftest import ROOT
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text("utf-8"))
    return found


def to(sandbox: LiveSandbox) -> tuple[str, str]:
    return "--base-url", sandbox.base_url


def test_every_row_gets_its_result_in_source_order(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
) -> None:
    before = len(sandbox.records(134))
    out = tmp_path / "out"
    assert cli("run", leads, "-m", mapping, "--out", out, *to(sandbox)) == 1

    results = rows_of(out / "results.csv")
    assert [row["row"] for row in results] == ["2", "3", "4", "5", "6"]
    assert [row["status"] for row in results] == [
        "created",
        "created",
        "invalid",
        "skipped",
        "created",
    ]
    assert results[2]["code"] == "bad_phone"
    assert results[3]["message"] == "same Phone (36301234567) as row 2"

    stored = {str(record["numberid"]): record for record in sandbox.records(134)[before:]}
    created = {row["numberid"]: row["row"] for row in results if row["status"] == "created"}
    assert set(stored) == set(created)
    with_cells = rows_of(out / "created.csv")
    assert [list(row) for row in with_cells] == [
        ["Name", "City", "Phone", "Extra", "_row", "_numberid"]
    ] * 3
    assert {row["_numberid"]: row["_row"] for row in with_cells} == created
    assert [row["Name"] for row in with_cells] == ["Ann", "Béla", "Dóri"]
    names = {created[numberid]: record["form"]["name"] for numberid, record in stored.items()}
    assert names == {"2": "Ann", "3": "Béla", "6": "Dóri"}

    summary = summary_of(out)
    assert summary["counts"] == {
        "created": 3,
        "rejected": 0,
        "invalid": 1,
        "skipped": 1,
        "uncertain": 0,
        "pending": 0,
    }
    assert sum(summary["counts"].values()) == summary["rows"] == 5
    assert summary["status"] == "finished"
    assert summary["target"] == {"base_url": sandbox.base_url, "project": 134}


def test_the_created_rows_of_a_run_are_not_sent_again_by_mistake(
    cli: Cli,
    sandbox: LiveSandbox,
    mapping: Path,
    leads: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli("run", leads, "-m", mapping, "--out", "out", *to(sandbox)) == 1
    before = len(sandbox.records(134))
    for command in ("run", "check"):
        assert cli(command, "out/created.csv", "-m", mapping, *to(sandbox)) == 2
        assert "the service has them" in capsys.readouterr().err
    assert len(sandbox.records(134)) == before
    text = Path("out/created.csv").read_text("utf-8").replace("_numberid", "_id")
    Path("copy.csv").write_text(text, "utf-8")
    assert cli("check", "copy.csv", "-m", mapping) == 0


def test_what_is_wrong_with_a_row_is_told_by_the_headers_of_its_list(
    cli: Cli, sandbox: LiveSandbox, mapping: Path
) -> None:
    text = mapping.read_text("utf-8").replace("name: Name", "name: {column: Name, required: true}")
    mapping.write_text(text, "utf-8")
    rows = ["Name,City,Phone", "Ann,,06301234567", ",,06301234568", "Bea,,06301234567"]
    Path("list.csv").write_text("\n".join(rows), "utf-8")
    words = ("list.csv", "-m", mapping, *to(sandbox), "--report", "r.html")
    assert cli("run", *words, "--out", "out") == 1
    [failure] = rows_of(Path("out/failures.csv"))
    assert failure["_message"] == "Name: a value is required, and the cell is blank"
    report = Path("r.html").read_text("utf-8")
    assert "same Phone (36301234567) as row 2" in report
    assert "same contacts.1.phone" not in report


def test_failures_keep_their_cells_and_can_be_mended_and_run_again(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
) -> None:
    assert cli("run", leads, "-m", mapping, "--out", "first", *to(sandbox)) == 1
    [failure] = rows_of(tmp_path / "first" / "failures.csv")
    assert list(failure) == [
        *("Name", "City", "Phone", "Extra"),
        *("_row", "_status", "_code", "_message", "_hint", "_origin"),
    ]
    assert (failure["Name"], failure["Phone"], failure["_row"]) == ("Cili", "12", "4")
    sheet = openpyxl.load_workbook(tmp_path / "first" / "failures.xlsx").active
    assert sheet is not None
    assert [cell.value for cell in sheet[2]][:4] == ["Cili", "Győr", "12", "c"]

    mended = tmp_path / "first" / "failures.csv"
    mended.write_text(mended.read_text("utf-8").replace(",12,", ",06 30 765 4321,"), "utf-8")
    assert cli("run", mended, "-m", mapping, "--out", "second", *to(sandbox)) == 0
    assert summary_of(tmp_path / "second")["counts"]["created"] == 1


@pytest.mark.parametrize("kind", ["failures.csv", "failures.xlsx"])
@pytest.mark.parametrize(
    "source",
    ["encoding: cp1250", 'delimiter: ";"', "header_row: 3", "{sheet: Leads, header_row: 3}"],
)
def test_failures_fit_the_same_mapping_whatever_it_says_of_the_supplier_s_files(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, tmp_path: Path, source: str, kind: str
) -> None:
    above = "List;;\nof today;;\n" if "header_row" in source else ""
    rows = "".join(f"Győző {n};Pécs;{n}\n" for n in range(1, 7))
    (tmp_path / "leads.csv").write_text(f"{above}Name;City;Phone\n{rows}", "cp1250")
    text = mapping.read_text("utf-8")
    said = source if source.startswith("{") else f"{{{source}}}"
    mapping.write_text(f"{text}source: {said}\n", "utf-8")
    assert cli("run", "leads.csv", "-m", mapping, "--out", "first", *to(sandbox)) == 1
    failures = tmp_path / "first" / kind
    if kind == "failures.xlsx":
        book = openpyxl.load_workbook(failures)
        assert book.active is not None
        for n, (cell,) in enumerate(book.active["C2:C7"]):
            cell.value = f"06 30 765 432{n}"
        book.save(failures)
    else:
        lines = failures.read_text("utf-8").splitlines()
        mended = [re.sub(r",([1-6]),", r",06 30 765 433\1,", line, count=1) for line in lines]
        failures.write_text("\n".join(mended), "utf-8")
    assert cli("check", failures, "-m", mapping, "--report", "r.json") == 0
    assert cli("preview", failures, "-m", mapping) == 0
    assert cli("run", failures, "-m", mapping, "--out", "second", *to(sandbox)) == 0
    assert summary_of(tmp_path / "second")["counts"]["created"] == 6
    told = json.loads((tmp_path / "r.json").read_bytes())
    assert (told["header_row"], told["encoding"] in {"utf-8", None}) == (1, True)


def test_a_run_ends_with_its_warnings_and_the_way_to_mend_what_failed(
    cli: Cli,
    sandbox: LiveSandbox,
    mapping: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = mapping.read_text("utf-8")
    rule = "city: {column: City, choices: [Budapest], on_error: warn}"
    mapping.write_text(text.replace("city: City", rule), "utf-8")
    rows = "".join(f"P{n},Budapest,x{n}\n" for n in range(3))
    (tmp_path / "leads.csv").write_text(f"Name,City,Phone\n{rows}A,Pest,0630123456\n", "utf-8")
    assert cli("run", "leads.csv", "-m", mapping, "--out", "first", *to(sandbox)) == 1
    said = capsys.readouterr().out
    assert "1 warning:\n  not_a_choice: row 5, City: " in said
    hints = [line for line in said.splitlines() if line.startswith("    → ")]
    rows_told = [line for line in said.splitlines() if line.startswith("  row ")]
    assert len(hints) == len(rows_told) == 4, "each row has its hint below it"
    [command] = [line for line in said.splitlines() if "failures.xlsx -m" in line]
    words = command.split()[1:]
    assert words[:2] == ["run", "first/failures.xlsx"]
    assert cli("check", *words[1:]) == 1


def test_result_files_are_their_owner_s_alone(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
) -> None:
    cli("run", leads, "-m", mapping, "--out", "out", "--canary", 1, *to(sandbox))
    if os.name == "posix":
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "out").iterdir()}
        assert set(modes.values()) == {0o600}
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found >= set(RESULT_FILES) - {VERIFIED}


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_document_s_example_comes_out_key_for_key_and_the_service_takes_it(
    cli: Cli, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    vector = json.loads((ROOT / "tests/vectors/add_record.json").read_text("utf-8"))
    source, mapping = ROOT / f"tests/vectors/vector.{kind}", ROOT / "mappings/vector.yaml"
    assert cli("preview", source, "-m", mapping) == 0
    [line] = capsys.readouterr().out.splitlines()
    preview = json.loads(line)
    # The example's call-back is long past, which a check tells, too.
    assert [problem["code"] for problem in preview.pop("problems")] == ["callback_in_past"]
    assert preview == {"row": 2, "status": "ready", "body": vector["request"]}

    with live_sandbox() as fresh:
        for _ in range(5):
            fresh.add(134, {"form": {"name": "somebody before"}})
        assert cli("run", source, "-m", mapping, "--out", "out", *to(fresh)) == 0
        assert [row["numberid"] for row in rows_of(Path("out/results.csv"))] == ["6"]
        [*_, record] = fresh.records(134)
        assert record["form"]["likes"] == ["sports", "movies"]
        assert record["contacts"]["phone4"]["phone"] == "3619996400"


def test_a_refused_row_disturbs_no_other(
    cli: Cli, sandbox: LiveSandbox, tmp_path: Path, leads: Path
) -> None:
    mapping = tmp_path / "wild.yaml"
    mapping.write_text(
        "version: 1\nproject: 134\nregion: HU\n"
        "form: {name: Name, plan: {column: Extra, type: valueid, on_error: blank}}\n"
        "contacts: {1: {phone: Phone}}\n",
        "utf-8",
    )
    text = leads.read_text("utf-8").replace(",b\n", ",999999\n")
    leads.write_text(text, "utf-8")
    arguments = ("run", leads, "-m", mapping, "--out", "out", *to(sandbox))
    assert cli(*arguments, "--no-preflight") == 1
    results = rows_of(tmp_path / "out" / "results.csv")
    assert [row["status"] for row in results] == [
        "created",
        "rejected",
        "invalid",
        "created",
        "created",
    ]
    assert "error.unknown_value" in results[1]["message"]
    assert results[1]["http_status"] == "417"
    rejected = rows_of(tmp_path / "out" / "failures.csv")[0]
    assert (rejected["_status"], rejected["Extra"]) == ("rejected", "999999")
    assert rejected["_hint"]


def test_sandbox_needs_neither_account_nor_project_file(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, leads: Path, tmp_path: Path
) -> None:
    assert cli("run", leads, "-m", mapping, "--sandbox") == 1
    output = capsys.readouterr().out
    found = re.search(r"records in (\S+)", output)
    assert found is not None
    assert (tmp_path / found[1]).is_file()
    assert re.search(r"created +3 ", output)
    assert 'row 4 invalid: Phone: "12" is not a phone number' in output
    [run] = [path for path in (tmp_path / "runs").iterdir() if path.name.startswith("leads-")]
    assert f"Results: {run.relative_to(tmp_path)}" in output


def test_limit_leaves_the_other_rows_pending_and_rows_takes_a_range(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
) -> None:
    assert cli("run", leads, "-m", mapping, "--limit", 1, "--out", "one", *to(sandbox)) == 1
    counts = summary_of(tmp_path / "one")["counts"]
    assert (counts["created"], counts["pending"], counts["invalid"]) == (1, 2, 1)
    arguments = ("run", leads, "-m", mapping, "--rows", "3-3", "--out", "two", *to(sandbox))
    assert cli(*arguments) == 2, "row 3 is another run's to send"
    assert cli(*arguments, "--again") == 0
    assert [row["row"] for row in rows_of(tmp_path / "two" / "results.csv")] == ["3"]


def test_several_files_are_several_runs_that_share_one_idea_of_duplicates(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("Name,City,Phone\nAnn,,06301234567\nEdit,,06309999999\n", "utf-8")
    missing = tmp_path / "missing.csv"
    code = cli("run", leads, missing, other, "-m", mapping, "--out", "all", *to(sandbox))
    assert code == 2
    assert summary_of(tmp_path / "all" / "leads")["counts"]["created"] == 3
    results = rows_of(tmp_path / "all" / "other" / "results.csv")
    assert [row["status"] for row in results] == ["skipped", "created"]
    assert "row 2 of" in results[0]["message"]


def test_a_file_without_a_ready_row_finishes_without_a_request(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("Name,City,Phone\nAnn,,12\n", "utf-8")
    before = len(sandbox.records(134))
    assert cli("run", bad, "-m", mapping, "--out", "out", *to(sandbox)) == 1
    assert summary_of(tmp_path / "out")["attempts"] == 0
    assert len(sandbox.records(134)) == before


class TestBadInput:
    """Each gives one clear message, with nothing sent and nothing left behind."""

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "empty"),
            (b"Name,City,Phone\n", "no data"),
            (b"Nme,City,Phone\nAnn,,06301234567\n", 'no column "Name": nearest: "Nme"'),
            (b"Name,City,Phone,Phone\na,b,06301234567,c\n", '"Phone" stands twice'),
            (b"%PDF-1.7 whatever", "PDF"),
        ],
    )
    def test_an_unusable_file(
        self,
        cli: Cli,
        sandbox: LiveSandbox,
        capsys: pytest.CaptureFixture[str],
        mapping: Path,
        tmp_path: Path,
        content: bytes,
        words: str,
    ) -> None:
        path = tmp_path / "bad.csv"
        path.write_bytes(content)
        self.refused(cli, capsys, 2, words, path, "-m", mapping, *to(sandbox))
        assert cli("check", path, "-m", mapping) == 2

    def refused(
        self,
        cli: Cli,
        capsys: pytest.CaptureFixture[str],
        code: int,
        words: str,
        *arguments: object,
    ) -> None:
        assert cli("run", *arguments, "--runs-dir", "here") == code
        error = capsys.readouterr().err
        assert words in error
        assert "Traceback" not in error
        assert not [p for p in Path("here").glob("*-*") if not p.name.startswith("sandbox")]

    def test_a_missing_file_and_a_missing_mapping(
        self, cli: Cli, sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str], mapping: Path
    ) -> None:
        self.refused(cli, capsys, 2, "none.csv", "none.csv", "-m", mapping, *to(sandbox))
        self.refused(cli, capsys, 2, "no such mapping", "none.csv", "-m", "n.yaml", *to(sandbox))
        self.refused(cli, capsys, 2, "a mapping is needed", "none.csv", *to(sandbox))

    def test_wrong_credentials_and_an_unknown_project_are_the_service_s_refusal(
        self,
        cli: Cli,
        sandbox: LiveSandbox,
        capsys: pytest.CaptureFixture[str],
        mapping: Path,
        leads: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        arguments = (leads, "-m", mapping, *to(sandbox))
        self.refused(cli, capsys, 3, "project", *arguments, "--project", 999)
        monkeypatch.setenv("VCC_API_KEY", "not-the-key-4711")
        assert cli("run", *arguments, "--runs-dir", "here") == 3
        told = capsys.readouterr()
        assert "VCC_API_KEY" in told.err
        assert "not-the-key-4711" not in told.err + told.out

    def test_wrong_credentials_found_while_sending_leave_the_rows_pending(
        self, cli: Cli, sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
    ) -> None:
        arguments = ("run", leads, "-m", mapping, "--no-preflight", "--out", "out", *to(sandbox))
        assert cli(*arguments, "--project", 999) == 3
        summary = summary_of(tmp_path / "out")
        assert summary["status"] == "stopped"
        assert summary["counts"]["pending"] == 3
        assert summary["counts"]["created"] == 0

    def test_a_service_that_is_not_there(
        self, cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, leads: Path
    ) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/v2"
            arguments = (leads, "-m", mapping, "--base-url", url)
            self.refused(cli, capsys, 3, "cannot be reached", *arguments)

    def test_credentials_are_asked_for_and_never_sent_in_the_clear(
        self,
        cli: Cli,
        capsys: pytest.CaptureFixture[str],
        mapping: Path,
        leads: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        clear = (leads, "-m", mapping, "--base-url", "http://example.com/v2")
        self.refused(cli, capsys, 2, "in the clear", *clear)
        monkeypatch.delenv("VCC_API_KEY")
        self.refused(cli, capsys, 2, "VCC_API_KEY", leads, "-m", mapping)
        monkeypatch.delenv("VCC_CUSTOMER")
        self.refused(cli, capsys, 2, "VCC_CUSTOMER", leads, "-m", mapping)

    def test_an_output_folder_that_cannot_be_written_or_holds_a_run(
        self,
        cli: Cli,
        sandbox: LiveSandbox,
        capsys: pytest.CaptureFixture[str],
        mapping: Path,
        leads: Path,
        tmp_path: Path,
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        arguments = (leads, "-m", mapping, *to(sandbox))
        before = len(sandbox.records(134))
        self.refused(cli, capsys, 2, "cannot be written", *arguments, "--out", "file/out")
        assert len(sandbox.records(134)) == before
        assert cli("run", *arguments, "--out", "out") == 1
        self.refused(cli, capsys, 2, "holds a run already", *arguments, "--again", "--out", "out")
        assert len(sandbox.records(134)) == before + 3

    def test_a_folder_that_was_there_before_stays_with_what_a_file_manager_left_in_it(
        self, cli: Cli, sandbox: LiveSandbox, mapping: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / ".DS_Store").write_text("mine")
        (tmp_path / "bad.csv").write_bytes(b'Name,City,Phone\nAnn,x,06301234567\n"never closed')
        assert cli("run", "bad.csv", "-m", mapping, "--out", "out", *to(sandbox)) == 2
        assert [path.name for path in (tmp_path / "out").iterdir()] == [".DS_Store"]

    def test_a_folder_that_holds_anything_else_is_refused_before_anything_is_begun(
        self,
        cli: Cli,
        sandbox: LiveSandbox,
        capsys: pytest.CaptureFixture[str],
        mapping: Path,
        leads: Path,
        tmp_path: Path,
    ) -> None:
        (tmp_path / "out").mkdir()
        for n in range(7):
            (tmp_path / "out" / f"{n}.txt").write_text("mine")
        arguments = (leads, "-m", mapping, "--out", "out")
        told = "is not empty: it holds 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more"
        self.refused(cli, capsys, 2, told, *arguments, *to(sandbox))
        self.refused(cli, capsys, 2, told, *arguments, "--sandbox")
        assert len(list((tmp_path / "out").iterdir())) == 7
        assert not (tmp_path / "runs").exists()

    def test_a_folder_for_several_files_may_hold_runs_and_nothing_else(
        self,
        cli: Cli,
        sandbox: LiveSandbox,
        capsys: pytest.CaptureFixture[str],
        mapping: Path,
        tmp_path: Path,
    ) -> None:
        for n, name in enumerate(("a", "b", "c", "d")):
            (tmp_path / f"{name}.csv").write_text(f"Name,City,Phone\nX,,+362012342{n}0\n", "utf-8")
        rest = ("-m", mapping, "--out", "all", *to(sandbox))
        assert cli("run", "a.csv", "b.csv", *rest) == 0
        assert cli("run", "c.csv", "d.csv", *rest) == 0
        (tmp_path / "all" / "mine.txt").write_text("mine")
        self.refused(cli, capsys, 2, "it holds mine.txt", "a.csv", "b.csv", *rest, "--again")


def test_a_file_that_was_never_sent_hides_no_row_of_the_next(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text(leads.read_text("utf-8") + '"never closed', "utf-8")
    assert cli("run", broken, leads, "-m", mapping, "--out", "all", *to(sandbox)) == 2
    assert summary_of(tmp_path / "all" / "leads")["counts"]["created"] == 3


def test_the_same_file_twice_has_two_folders(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
) -> None:
    arguments = ("run", leads, leads, "-m", mapping, "--out", "all", "--again", *to(sandbox))
    assert cli(*arguments) == 1
    assert summary_of(tmp_path / "all" / "leads-1")["counts"]["created"] == 3
    assert summary_of(tmp_path / "all" / "leads-2")["counts"]["skipped"] == 4


def test_a_run_never_touches_files_of_the_user_in_the_folder_it_is_given(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mapping.yaml"
    mine.write_text(mapping.read_text("utf-8"), "utf-8")
    arguments = ("run", leads, "-m", mine, *to(sandbox))
    assert cli(*arguments, "--out", ".") == 2
    assert mine.read_text("utf-8") == mapping.read_text("utf-8")
    assert not (tmp_path / "journal.sqlite3").exists()


def test_run_writes_the_report_of_its_check_too(
    cli: Cli,
    sandbox: LiveSandbox,
    mapping: Path,
    leads: Path,
    tmp_path: Path,
) -> None:
    arguments = ("run", leads, "-m", mapping, "--out", "out", "--report", "r.json", *to(sandbox))
    assert cli(*arguments) == 1
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["invalid"] == 1


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_neither_a_closed_pipe_nor_a_small_code_page_changes_what_is_sent(
    sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path, encoding: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "importer", "run", str(leads), "-m", str(mapping)]
    environment = {"VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
    done = subprocess.run(
        [*command, "--out", "out", *to(sandbox)],
        cwd=tmp_path,
        env={**os.environ, **environment, "PYTHONIOENCODING": encoding},
        stdout=writing if encoding == "utf-8" else subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
    assert summary_of(tmp_path / "out")["counts"]["created"] == 3


def test_a_sandbox_takes_the_credentials_that_the_run_was_given(
    cli: Cli, mapping: Path, leads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VCC_API_KEY")
    (tmp_path / "key").write_text("other")
    (tmp_path / "key").chmod(0o600)
    given = ("--customer", "acme", "--api-key-file", "key")
    assert cli("run", leads, "-m", mapping, "--sandbox", "--out", "out", *given) == 1


def test_the_api_key_of_a_file_is_used_and_others_are_warned_of(
    cli: Cli,
    sandbox: LiveSandbox,
    capsys: pytest.CaptureFixture[str],
    mapping: Path,
    leads: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("VCC_API_KEY")
    key = tmp_path / "key"
    key.write_text("sandbox\n")
    key.chmod(0o644)
    arguments = ("run", leads, "-m", mapping, "--out", "out", *to(sandbox))
    assert cli(*arguments, "--api-key-file", key) == 1
    if os.name == "posix":
        assert "chmod 600" in capsys.readouterr().err


def test_a_dotenv_file_is_read_and_the_environment_beats_it(
    cli: Cli,
    sandbox: LiveSandbox,
    mapping: Path,
    leads: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("VCC_API_KEY")
    (tmp_path / ".env").write_text("VCC_API_KEY=sandbox\nVCC_CUSTOMER=wrong\n")
    assert cli("run", leads, "-m", mapping, "--out", "out", *to(sandbox)) == 1


def test_a_run_as_a_program_of_its_own_says_nothing_on_standard_error_when_all_is_well(
    sandbox: LiveSandbox, mapping: Path, leads: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "importer", "run", str(leads), "-m", str(mapping)]
    done = subprocess.run(
        [*command, "--rows", "2-3", "--quiet", "--out", "out", *to(sandbox)],
        cwd=tmp_path,
        env={**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
