"""Uncertain rows settled by hand: all that are named or none, checked, kept, and taken back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import openpyxl
import pytest

import importer
from importer.journal.journal import Journal
from importer.model import Outcome
from importer.pipeline.recover import row_ranges
from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox

UNCERTAIN = [3, 5, 7, 8, 9]
"""Rows; the requests of a run with one at a time come in their order."""


@pytest.fixture
def run(cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run of 12 rows of which five are uncertain."""
    faults = [{"kind": "close", "at": [row - 1 for row in UNCERTAIN]}]
    with live_sandbox(faults=faults) as sandbox:
        leads = write_leads(tmp_path / "leads.csv", 12)
        url = ("--base-url", sandbox.base_url, "--concurrency", 1)
        assert cli("run", leads, "-m", mapping, "--out", "out", *url) == 4
    assert of(tmp_path / "out", "uncertain") == UNCERTAIN
    capsys.readouterr()
    return tmp_path / "out"


def results(run: Path) -> dict[int, dict[str, str]]:
    with (run / "results.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["row"]): row for row in csv.DictReader(file)}


def of(run: Path, status: str) -> list[int]:
    return [row for row, result in results(run).items() if result["status"] == status]


def entries(run: Path) -> list[Outcome]:
    with Journal.read(run / "journal.sqlite3") as journal:
        return list(journal.outcomes())


def created(run: Path) -> dict[int, str]:
    """The rows of created.csv and their numberids."""
    with (run / "created.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["_row"]): row["_numberid"] for row in csv.DictReader(file)}


def created_id(run: Path) -> str:
    return next(r["numberid"] for r in results(run).values() if r["status"] == "created")


def test_rows_are_settled_one_by_one_or_by_lists_and_ranges(
    cli: Cli, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(created(run)) == [2, 4, 6, 10, 11, 12, 13]
    assert cli("mark", run, "--row", 3, "--created", "4711") == 0
    assert "Row 3 is created, numberid 4711." in capsys.readouterr().out
    assert created(run)[3] == "4711"
    assert list(created(run)) == of(run, "created")
    assert cli("mark", run, "--row", "7-9, 5", "--absent") == 0
    told = capsys.readouterr().out
    assert "Pending: 4 rows: 5, 7-9." in told
    assert f"vcc-import resume {run}" in told
    assert results(run)[3]["numberid"] == "4711"
    assert of(run, "pending") == [5, 7, 8, 9]
    assert of(run, "uncertain") == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--row", "3-9", "--absent"), "rows 4, 6 are not uncertain"),
        (("--row", "3,99", "--absent"), "row 99 is not uncertain"),
        (("--row", 3, "--created", "abc"), "'abc' is no numberid"),
        (("--row", 3, "--created", "0"), "no numberid"),
        (("--row", 3, "--created", "12 13"), "no numberid"),
        (("--row", 3, "--created", "\u0663"), "no numberid"),
        (("--row", "3,5", "--created", "4711"), "--created is for one row"),
        (("--row", "3", "--created", "4711", "--absent"), "one of"),
        (("--row", 3), "one of"),
        (("--absent",), "name --row"),
        (("--row", "5-3", "--absent"), "no list of rows"),
        (("--row", "0", "--absent"), "no list of rows"),
        (("--row", "x", "--absent"), "no list of rows"),
        (("--row", "1-999999999", "--absent"), "names over"),
        (("--row", 3, "--from", "out/uncertain.csv"), "leave out --row"),
        (("--row", "3", "--undo"), "row 3 was not marked: nothing was changed"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(
    cli: Cli,
    run: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[object, ...],
    told: str,
) -> None:
    before = entries(run)
    assert cli("mark", run, *words) == 2
    error = capsys.readouterr().err
    assert told in error
    if "not uncertain" in told:
        assert "these are: 3, 5, 7-9." in error
    assert entries(run) == before


def test_an_id_that_another_row_has_is_refused(
    cli: Cli, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = created_id(run)
    assert cli("mark", run, "--row", 3, "--created", f"00{taken}") == 2
    assert f"row 2 has numberid {taken}" in capsys.readouterr().err
    assert cli("mark", run, "--row", 3, "--created", 4711) == 0
    assert cli("mark", run, "--row", 5, "--created", 4711) == 2
    with pytest.raises(importer.UsageError, match="numberid 12 is given to 5, 7"):
        importer.mark(run, {5: 12, 7: "12", 8: None})
    assert of(run, "uncertain") == [5, 7, 8, 9]


def test_a_mark_is_taken_back_as_if_it_had_never_been(cli: Cli, run: Path) -> None:
    before, noted = entries(run), results(run)
    assert cli("mark", run, "--row", 3, "--created", "4711") == 0
    assert cli("mark", run, "--row", "5-5,7-9", "--absent") == 0
    assert cli("mark", run, "--row", "3,4", "--undo") == 2
    assert cli("mark", run, "--row", "3,5,7-9", "--undo") == 0
    assert entries(run) == before
    assert results(run) == noted
    assert cli("mark", run, "--row", 3, "--undo") == 2
    assert cli("mark", run, "--row", 3, "--created", "4711") == 0


def test_a_row_that_was_sent_since_stays(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox(faults=[{"kind": "close", "at": [2, 4]}], log_requests=True) as sandbox:
        leads = write_leads(tmp_path / "leads.csv", 6)
        url = ("--base-url", sandbox.base_url, "--concurrency", 1)
        assert cli("run", leads, "-m", mapping, "--out", "out", *url) == 4
        assert cli("mark", "out", "--row", 3, "--absent") == 0
        assert cli("mark", "out", "--row", 5, "--created", 99) == 0
        assert cli("resume", "out") == 0
        assert cli("mark", "out", "--row", "3,5", "--undo") == 2
        told = capsys.readouterr().err
        assert "row 3 was sent since" in told
        assert "can be taken back: 5." in told
        assert cli("mark", "out", "--row", 5, "--undo") == 0
        assert of(Path("out"), "uncertain") == [5]
        requests = [request.stamp for request in sandbox.requests()]
    assert len(requests) == len(set(requests)) + 1


def fill(run: Path, said: dict[int, str], name: str = "uncertain.csv") -> Path:
    """Write into the column _numberid as a person would, with another program."""
    with (run / "uncertain.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns, rows = list(reader.fieldnames or ()), list(reader)
    assert columns[-1] == "_numberid"
    assert {row["_numberid"] for row in rows} == {""}
    lines = [{**row, "_numberid": said.get(int(row["_row"]), "")} for row in rows]
    path = run.parent / name
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        sheet.append(columns)
        for line in lines:
            values: list[str | int] = [line[column] for column in columns]
            sheet.append([int(v) if str(v).isdigit() else v for v in values])
        book.save(path)
        return path
    with path.open("w", encoding="cp1250", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter=";")
        writer.writeheader()
        writer.writerows(lines)
    return path


@pytest.mark.parametrize("name", ["uncertain.csv", "uncertain.xlsx"])
def test_a_list_that_was_filled_in_settles_its_rows(
    cli: Cli, run: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = fill(run, {3: "4711", 5: " Absent ", 8: "4712"}, name)
    assert cli("mark", run, "--from", path) == 0
    told = capsys.readouterr().out
    assert "Created: 2 rows: 3, 8." in told
    assert "Pending: 1 row: 5." in told
    assert of(run, "uncertain") == [7, 9]
    assert (results(run)[3]["numberid"], results(run)[8]["numberid"]) == ("4711", "4712")


def test_a_list_with_mistakes_changes_nothing_and_names_them_all(
    cli: Cli, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = entries(run)
    assert cli("mark", run, "--from", fill(run, {3: "abc", 5: "absent", 9: "no"})) == 2
    told = capsys.readouterr().err
    assert "row 3: 'abc' is neither" in told
    assert "row 9: 'no' is neither" in told
    assert cli("mark", run, "--from", run / "uncertain.csv") == 2
    assert "nothing stands in its column _numberid" in capsys.readouterr().err
    assert cli("mark", run, "--from", run / "results.csv") == 2
    assert "no column _row" in capsys.readouterr().err
    assert cli("mark", run, "--from", "nowhere.csv") == 2
    assert entries(run) == before


def test_the_journal_notes_that_it_was_done_by_hand(cli: Cli, run: Path) -> None:
    importer.mark(run, {3: 4711, 5: None})
    importer.unmark(run, [5])
    with Journal.read(run / "journal.sqlite3") as journal:
        amended = journal.amended()
    assert {row: str(became) for row, (became, _) in amended.items()} == {
        3: "created",
        5: "uncertain",
    }
    assert all("by hand" in evidence for _, evidence in amended.values())
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    assert summary["counts"]["uncertain"] == 4


def test_a_long_list_of_rows_says_how_many_it_leaves_out() -> None:
    assert row_ranges(range(2, 200, 2)).endswith("40 and 79 more")
    assert row_ranges([5, 3, 4, 9]) == "3-5, 9"
    assert row_ranges([]) == "none"
