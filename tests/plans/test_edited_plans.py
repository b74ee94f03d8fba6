"""A list that was mended by hand is planned, sent and told as mended, and its edits are sealed."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

import importer
from importer.pipeline.edits import EditLog
from importer.pipeline.planfile import PlanFile
from importer.settings import SourceOptions
from importer.sources import open_source
from tests.plans.conftest import Desk
from tests.plans.test_changed_parts import change_byte

HEADERS = ("Name", "City", "Phone")
NAME, CITY, PHONE = range(3)
SPOILT = 3, 5
"""Rows of the list whose phones are none."""


@pytest.fixture
def log(desk: Desk) -> EditLog:
    """The edits of a list of which two rows have no phone."""
    leads = desk.folder / "leads.csv"
    lines = leads.read_text("utf-8").splitlines()
    for row in SPOILT:
        lines[row - 1] = f"Név {row},Budapest,none"
    leads.write_text("\n".join([*lines, ""]), "utf-8")
    with open_source(leads, SourceOptions()) as source:
        batches = list(source.batches())
    return EditLog(desk.folder / "edits.jsonl", HEADERS, lambda _: iter(batches))


def plan(desk: Desk, out: str, *, edited: bool = True) -> PlanFile:
    edits = desk.folder / "edits.jsonl" if edited else None
    settings = importer.RunSettings(out=desk.folder / out)
    return importer.plan(
        desk.folder / "leads.csv",
        desk.folder / "m.yaml",
        target=importer.Target(desk.sandbox.base_url, 134, "sandbox", importer.Secret("sandbox")),
        settings=settings,
        edits=edits,
    ).plan


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_was_mended_is_sent_and_result_files_show_it(desk: Desk, log: EditLog) -> None:
    before = (desk.folder / "leads.csv").read_bytes()
    log.set_cell(3, PHONE, "none", "+36301999999")
    log.set_cell(3, NAME, "Név 3", "=Ann")
    log.set_cell(5, PHONE, "none", "neither")
    log.leave_out(6)
    made = plan(desk, "plan")
    assert made.counts == {"ready": 10, "invalid": 1, "skipped": 1}
    assert {"status": "skipped", "code": "left_out_by_hand", "rows": 1} in made.left_out
    assert desk.cli("apply", "plan", "--plan-id", made.id) == 1
    sent = {record["form"]["name"] for record in desk.sandbox.records(134)}
    assert ("=Ann" in sent, "Név 3" in sent, len(sent)) == (True, False, 10)
    folder = desk.folder / "plan"
    (failure,) = table(folder / "failures.csv")
    assert (failure["Phone"], failure["_row"], failure["_edited"]) == ("neither", "5", "Phone")
    assert list(failure)[-1] == "_edited"
    created = {row["_row"]: row for row in table(folder / "created.csv")}
    assert (created["3"]["Name"], created["3"]["_edited"]) == ("=Ann", "Name, Phone")
    assert {row["_edited"] for number, row in created.items() if number != "3"} == {""}
    sheet = openpyxl.load_workbook(folder / "failures.xlsx").active
    assert sheet is not None
    assert [cell.value for cell in sheet[1]][-1] == "_edited"
    assert [cell.value for cell in sheet[2]][-1] == "Phone"
    rows = {row.row: row.cells["Phone"] for row in importer.report(folder).rows()}
    assert (rows[3], rows[5]) == ("+36301999999", "neither")
    assert (desk.folder / "leads.csv").read_bytes() == before


def test_failures_that_come_back_are_read_without_the_note(desk: Desk, log: EditLog) -> None:
    log.set_cell(5, PHONE, "none", "neither")
    plan(desk, "plan")
    assert desk.cli("apply", "plan") == 1
    again = importer.check(desk.folder / "plan" / "failures.csv", desk.folder / "m.yaml")
    assert (again.survey.rows, again.unused_columns) == (2, ())
    assert desk.cli("run", "plan/failures.csv", "-m", "m.yaml", "--out", "next", "--sandbox") == 1
    headers = (desk.folder / "next" / "failures.csv").read_text("utf-8").splitlines()[0]
    assert "_edited" not in headers


def test_the_edits_are_a_part_of_the_plan_and_of_its_id(desk: Desk, log: EditLog) -> None:
    plain = plan(desk, "plain", edited=False)
    log.set_cell(3, PHONE, "none", "neither")
    once = plan(desk, "once")
    log.leave_out(2)
    log.take_back(2)
    again = plan(desk, "again")
    assert "edits" not in plain.parts
    assert (once.id != plain.id, again.id) == (True, once.id)
    # Times and what was undone are not in the id, but in the file.
    assert once.parts["edits"].sha256 != again.parts["edits"].sha256
    assert once.parts["cells"].content == plain.parts["cells"].content
    log.undo()
    without = plan(desk, "without")
    assert (without.id, "edits" in without.parts) == (plain.id, False)
    assert not (desk.folder / "without" / "edits.jsonl").exists()


@pytest.mark.parametrize("change", ["a byte", "gone", "added", "forged"])
def test_edits_that_were_changed_are_refused_and_nothing_is_sent(
    desk: Desk, log: EditLog, told: Callable[[], str], change: str
) -> None:
    log.set_cell(5, PHONE, "none", "neither")
    approved = plan(desk, "plan", edited=change != "added")
    edits = desk.folder / "plan" / "edits.jsonl"
    match change:
        case "a byte":
            change_byte(edits, 0.9)
        case "gone":
            edits.unlink()
        case "added":
            shutil.copy(desk.folder / "edits.jsonl", edits)
        case "forged":
            log.undo()
            log.set_cell(5, PHONE, "none", "another")
            forged = plan(desk, "forged").parts["edits"]
            shutil.copy(desk.folder / "forged" / "edits.jsonl", edits)
            _seal_anew(desk.folder / "plan", forged.sha256)
    told()
    assert desk.cli("apply", "plan", "--plan-id", approved.id) == 2
    said = told()
    assert {
        "a byte": "edits.jsonl was changed since it was planned",
        "gone": "edits.jsonl is gone",
        "added": "edits.jsonl is no part of the plan",
        "forged": "it was forged",
    }[change] in said
    assert desk.sandbox.request_count() == 0


def _seal_anew(folder: Path, edits: str) -> None:
    """Write the hash of other edits into plan.json, and that of plan.json into the journal."""
    from importer.journal.journal import PLANNED_KEY, Journal
    from importer.sources import file_sha256

    about = json.loads((folder / "plan.json").read_bytes())
    about["parts"]["edits"]["sha256"] = edits
    (folder / "plan.json").write_text(json.dumps(about), "utf-8")
    with Journal.open(folder / "journal.sqlite3") as journal:
        journal.set_meta({PLANNED_KEY: file_sha256(folder / "plan.json")})


def test_the_reports_of_a_check_show_mended_cells_and_name_their_columns(
    desk: Desk, log: EditLog, tmp_path: Path
) -> None:
    from importer.reports.workbook_report import write_workbook

    log.set_cell(5, PHONE, "none", "neither")
    problems = tmp_path / "problems.jsonl"
    checkup = importer.check(
        desk.folder / "leads.csv", desk.folder / "m.yaml", edits=log_path(desk), log=problems
    )
    (first,) = (p for p in checkup.survey.problems if p.row == 5)
    assert first.value == "neither"
    write_workbook(tmp_path / "report.xlsx", checkup)
    sheet = openpyxl.load_workbook(tmp_path / "report.xlsx").worksheets[0]
    headers = [cell.value for cell in sheet[1]]
    cells = dict(zip(headers, [cell.value for cell in sheet[5]], strict=True))
    assert (cells["Phone"], cells["_edited"]) == ("neither", "Phone")


def log_path(desk: Desk) -> Path:
    return desk.folder / "edits.jsonl"
