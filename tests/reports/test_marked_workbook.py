"""The XLSX report of a workbook: the supplier's own, marked, with nothing lost but what is said."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment
from openpyxl.formatting.rule import Rule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.table import Table

import importer.sources.original
from importer.model import Checkup, Severity
from importer.reports.writing import write_xlsx
from tests.reports.conftest import Examine
from tests.support.command import Cli
from tests.support.examples import examples

SOFFICE = shutil.which("soffice")
ROOT = Path(__file__).parents[2]
RED, YELLOW = "FFF8CBC6", "FFFFF0B8"
NONE = "00000000"


def save(path: Path, fill: Callable[[Any, Any], None]) -> Path:
    """A workbook whose first sheet `fill` fills."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = "Leads"
    fill(book, book.active)
    book.save(path)
    return path


ROWS = (
    ("Name", "City", "Phone", "E-mail", "Extra"),
    ("Ann", "Budapest", 36301234567, "ann@example.com", 0.5),
    ("Béla", "Pécs", "+36 20 123 4567", "no address", 12.25),
    ("=Cili", "Győr", "not a phone", None, "=1+1"),
    (None, "Eger", "06301112233", None, dt.datetime(2024, 5, 31)),  # noqa: DTZ001
)


def plain(_: Any, sheet: Any) -> None:
    for row in ROWS:
        sheet.append(row)
    for row in sheet.iter_rows():
        for cell in row:
            if cell.data_type == "f":
                cell.data_type = "s"


def marks(sheet: Any) -> dict[str, str]:
    """The cells that are coloured as ours are, with their colours."""
    return {
        cell.coordinate: cell.fill.fgColor.rgb
        for row in sheet.iter_rows()
        for cell in row
        if cell.fill.fill_type == "solid" and cell.fill.fgColor.rgb in (RED, YELLOW)
    }


def comments(sheet: Any) -> dict[str, str]:
    return {c.coordinate: c.comment.text for row in sheet.iter_rows() for c in row if c.comment}


def marked(checkup: Checkup, path: Path) -> tuple[Any, list[str]]:
    said = write_xlsx(path, checkup)
    assert not [line for line in said if line.startswith("This is a copy of the text")], said
    return openpyxl.load_workbook(path, rich_text=True), said


def errors(checkup: Checkup) -> list[tuple[int | None, str]]:
    assert checkup.findings is not None
    problems = checkup.findings.problems()
    return [(p.row, p.code) for p in problems if p.severity is Severity.ERROR]


def test_bad_cells_are_coloured_and_say_what_to_do_in_the_suppliers_words(
    examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    found = examine(save(tmp_path / "leads.xlsx", plain), mapping)
    book, said = marked(found, tmp_path / "r.xlsx")
    assert said == []
    sheet = book["Leads"]
    assert marks(sheet) == {"D3": RED, "C4": RED, "A5": RED}
    said_of = comments(sheet)
    assert set(said_of) == {"D3", "C4", "A5"}
    assert said_of["D3"].startswith('E-mail: "no address" is not an e-mail address')
    assert "→ fill in the cell" in said_of["A5"]
    assert not any("mapping" in text for text in said_of.values())
    # Every cell is what it was, as it was: a number is a number, a text that looks like a formula
    # a text.
    for row, cells in zip(sheet.iter_rows(), ROWS, strict=True):
        assert [cell.value for cell in row] == list(cells)
    assert sheet["C2"].data_type == "n"
    assert sheet["A4"].data_type == sheet["E4"].data_type == "s"
    assert book.sheetnames == ["Leads", "Summary"]
    assert book["Summary"]["A1"].value == "3 of 4 rows need mending"
    texts = [cell.value for row in book["Summary"] for cell in row]
    assert any("Red cells" in str(text) for text in texts)
    assert any('sheet "Leads"' in str(text) for text in texts)


def furnished(book: Any, sheet: Any) -> None:
    """All that openpyxl can keep, around a list that begins in column B, row 4."""
    cover = book.create_sheet("Cover", 0)
    cover["A1"] = "Call before 20:00"
    cover.sheet_state = "hidden"
    book.create_sheet("Sums")["A1"] = "=COUNTA(Leads!B5:B8)"
    sheet["B1"] = "October"
    sheet["B1"].font = Font(bold=True, size=16, color="FF112233")
    sheet.merge_cells("B1:F1")
    for row, cells in enumerate(ROWS, 4):
        for column, value in enumerate(cells, 2):
            cell = sheet.cell(row, column, value)
            if cell.data_type == "f":
                cell.data_type = "s"
    for cell in sheet[4][1:]:
        cell.font = Font(bold=True)
        cell.border = Border(bottom=Side("thin"))
    sheet["D5"].number_format = "0"
    sheet["F6"].number_format = '#,##0.00 "Ft"'
    sheet["F8"].number_format = "yyyy. mm. dd."
    sheet["B6"].alignment = Alignment(wrap_text=True, horizontal="right")
    sheet["E6"].font = Font(italic=True, color="FF0000FF")
    sheet["C5"].value = CellRichText("Buda", TextBlock(InlineFont(b=True), "pest"))
    sheet["C6"].hyperlink = "https://example.com/p"
    sheet["D7"].comment = Comment("ask Anna", "Supplier")
    sheet["C8"].fill = PatternFill("solid", fgColor="FF00FF00")
    sheet.column_dimensions["B"].width = 33
    sheet.column_dimensions["F"].hidden = True
    sheet.row_dimensions[6].height = 40
    sheet.row_dimensions[7].hidden = True
    sheet.freeze_panes = "C5"
    sheet.auto_filter.ref = "B4:F8"
    sheet.auto_filter.add_filter_column(1, ["Budapest"])
    yellow = DifferentialStyle(fill=PatternFill(bgColor="FFFFFF00"))
    rule = Rule("cellIs", operator="greaterThan", formula=["10"], dxf=yellow)
    sheet.conditional_formatting.add("F5:F8", rule)
    choice = DataValidation("list", formula1='"Pécs,Győr"', sqref="C5:C8")
    sheet.add_data_validation(choice)
    sheet.protection.sheet = True
    sheet.print_title_rows = "4:4"
    sheet.page_setup.orientation = "landscape"
    book.defined_names["Everybody"] = DefinedName("Everybody", attr_text="Leads!$B$5:$F$8")
    sums = book["Sums"]
    sums["A3"], sums["B3"], sums["A4"], sums["B4"] = "x", "y", 1, 2
    sums.add_table(Table(displayName="T1", name="T1", ref="A3:B4"))


def furniture(book: Any) -> dict[str, Any]:
    """What a workbook looks like, but for the cells that are marked, and their comments."""
    seen: dict[str, Any] = {"names": {n: d.attr_text for n, d in book.defined_names.items()}}
    for sheet in book.worksheets:
        if sheet.title == "Summary":
            continue
        cells = {}
        for row in sheet.iter_rows():
            for cell in row:
                style = (cell.font, cell.border, cell.alignment, cell.number_format)
                link = cell.hyperlink.target if cell.hyperlink else None
                about = (repr(cell.value), cell.data_type, *map(repr, style), link)
                cells[cell.coordinate] = about
        seen[sheet.title] = {
            "cells": cells,
            "state": sheet.sheet_state,
            "columns": {k: (d.width, d.hidden) for k, d in sheet.column_dimensions.items()},
            "rows": {k: (d.height, d.hidden) for k, d in sheet.row_dimensions.items()},
            "panes": sheet.freeze_panes,
            "filter": repr(sheet.auto_filter),
            "merged": sorted(map(str, sheet.merged_cells.ranges)),
            "formats": [
                (str(area.sqref), [rule.operator for rule in area.rules])
                for area in sheet.conditional_formatting
            ],
            "choices": [(str(v.sqref), v.formula1) for v in sheet.data_validations.dataValidation],
            "protected": sheet.protection.sheet,
            "titles": sheet.print_title_rows,
            "page": sheet.page_setup.orientation,
            "tables": sheet.tables.items(),
        }
    return seen


def test_nothing_of_the_workbook_is_lost(examine: Examine, mapping: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "leads.xlsx", furnished)
    found = examine(path, mapping)
    book, said = marked(found, tmp_path / "r.xlsx")
    [hidden] = said  # the seventh row
    assert hidden.startswith("Marked cells in hidden rows or columns: 1. Show ")
    assert furniture(book) == furniture(openpyxl.load_workbook(path, rich_text=True))
    sheet = book["Leads"]
    # The list begins in the second column, and in row 4.
    assert marks(sheet) == {"E6": RED, "D7": RED, "B8": RED}
    assert comments(sheet)["D7"].endswith("\nask Anna")
    assert sheet["C8"].fill.fgColor.rgb == "FF00FF00"
    assert book.sheetnames == ["Cover", "Leads", "Sums", "Summary"]
    assert book.active.title == "Leads"
    assert [s.title for s in book.worksheets if s.sheet_view.tabSelected] == ["Leads"]
    again = examine(tmp_path / "r.xlsx", mapping)
    assert errors(again) == errors(found)
    assert (again.info.sheet, again.info.header_row) == ("Leads", 4)


def test_a_mended_cell_loses_its_mark_the_next_time(
    examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    marked(examine(save(tmp_path / "leads.xlsx", furnished), mapping), tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx", rich_text=True)
    book["Leads"]["D7"].value = "06 30 555 1234"
    book.save(tmp_path / "mended.xlsx")
    second, _ = marked(examine(tmp_path / "mended.xlsx", mapping), tmp_path / "second.xlsx")
    assert marks(second["Leads"]) == {"E6": RED, "B8": RED}
    found = comments(second["Leads"])
    assert found["D7"] == "ask Anna"
    assert found["E6"].count("is not an e-mail address") == 1
    assert second.sheetnames == ["Cover", "Leads", "Sums", "Summary"]


def test_a_fault_in_merged_cells_is_marked_where_it_can_be_seen(
    examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    def merged(_: Any, sheet: Any) -> None:
        plain(_, sheet)
        sheet.merge_cells("D3:D5")  # "no address", for three rows

    book, _ = marked(examine(save(tmp_path / "leads.xlsx", merged), mapping), tmp_path / "r.xlsx")
    found = {cell: colour for cell, colour in marks(book["Leads"]).items() if cell[0] == "D"}
    assert found == {"D1": YELLOW, "D3": RED}  # the header, since rows were filled in
    assert comments(book["Leads"])["D3"].count("is not an e-mail address") == 1


def test_formulas_of_used_columns_become_their_values(
    examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    path = tmp_path / "leads.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("Leads")
        days = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_formula("A1", '="List of "&B3', None, "List of Pécs")
        sheet.write_row("A2", ["Name", "City", "Phone", "Extra"])
        sheet.write_formula("E2", '="E-"&"mail"', None, "E-mail")
        sheet.write_row("A3", ["Ann", "Pécs"])
        sheet.write_formula("C3", "=36301234567+0", None, 36301234567)
        sheet.write_formula("D3", "=C3*2", None, 72602469134)
        sheet.write_formula("A4", '="=1"&"+1"', None, "=1+1")
        sheet.write_formula("B4", "=DATE(2024,5,31)", days, 45443)
        sheet.write_string("C4", "0630 111 2233")
        sheet.write_formula("C5", '=IF(A5="","","x")', None, "")
        sheet.write_formula("D5", '=IF(A5="","","x")', None, "")
        sheet.write_string("A6", "Ben")
        sheet.write_formula("B6", "=A1", None, "")  # nothing stored
        sheet.write_formula("C6", "=NA()", None, "#N/A")
        other = book.add_worksheet("Sums")
        other.write_formula("A1", "=SUM(Leads!C3:C4)", None, 5)
    # A blank result as Excel stores it; xlsxwriter would store no result at all.
    changed(
        path,
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(b'<c r="C5">', b'<c r="C5" t="str">').replace(
            b'<c r="D5">', b'<c r="D5" t="str">'
        ),
    )
    found = examine(path, mapping)
    assert [p[0] for p in errors(found)] == [6, 6, 6]
    result, said = marked(found, tmp_path / "r.xlsx")
    sheet = result["Leads"]
    assert said[0].startswith("8 formulas of the sheet became the values last stored")
    assert (sheet["C3"].value, sheet["A1"].value) == (36301234567, "List of Pécs")
    assert (sheet["A4"].value, sheet["A4"].data_type) == ("=1+1", "s")
    assert sheet["B4"].value == dt.datetime(2024, 5, 31)  # noqa: DTZ001
    assert sheet["B4"].number_format == "yyyy-mm-dd"
    assert sheet["D3"].value == "=C3*2", "of a column that is not used"
    assert result["Sums"]["A1"].value == "=SUM(Leads!C3:C4)"
    assert marks(sheet) == {"B6": RED, "C6": RED}
    assert sheet["B6"].value == "=A1"
    again = examine(tmp_path / "r.xlsx", mapping)
    assert again.survey.rows == found.survey.rows == 3
    assert errors(again) == errors(found)
    assert any("8 formulas" in str(c.value) for row in result["Summary"] for c in row)


def test_what_is_lost_is_said(examine: Examine, mapping: Path, tmp_path: Path) -> None:
    path = tmp_path / "leads.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("Leads")
        sheet.write_row(0, 0, ["Name", "City", "Phone", "E-mail"])
        sheet.write_row(1, 0, ["Ann", "Pécs", "no phone", ""])
        sheet.write_row(1, 6, [1, 2, 3])
        sheet.insert_textbox("K2", "Call them all")
        sheet.add_sparkline("J2", {"range": "Leads!G2:I2"})
        bars = book.add_chart({"type": "bar"})
        bars.add_series({"values": "=Leads!$G$2:$I$2"})
        book.add_worksheet("Bars").insert_chart("A1", bars)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macros")
        archive.writestr("xl/pivotTables/pivotTable1.xml", "<pivotTableDefinition/>")
        archive.writestr("xl/slicers/slicer1.xml", "<slicers/>")
        archive.writestr("xl/slicers/slicer2.xml", "<slicers/>")
    caches = b'<pivotCaches><pivotCache cacheId="1" r:id="rId99"/></pivotCaches></workbook>'
    changed(path, "xl/workbook.xml", lambda xml: xml.replace(b"</workbook>", caches))
    kind = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/pivotTable"
    table = b'<Relationship Id="rId98" Type="%b" Target="../pivotTables/pivotTable1.xml"/>' % kind
    changed(
        path,
        "xl/worksheets/_rels/sheet1.xml.rels",
        lambda xml: xml.replace(b"</Relationships>", table + b"</Relationships>"),
    )
    result, said = marked(examine(path, mapping), tmp_path / "r.xlsx")
    [line] = said
    assert line == (
        "Not in this copy of the workbook: 1 shape, 1 sparkline, 1 pivot table, 2 slicers, macros."
    )
    assert line in [cell.value for row in result["Summary"] for cell in row]
    with zipfile.ZipFile(tmp_path / "r.xlsx") as archive:
        assert [name for name in archive.namelist() if "charts/chart" in name]
        assert not [name for name in archive.namelist() if "vba" in name.lower()]


def test_what_openpyxl_drops_of_newer_workbooks_is_said(
    examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    """None of it is there when openpyxl has read and saved the workbook, and each is told."""
    path = save(tmp_path / "leads.xlsx", plain)
    sheet = "xl/worksheets/sheet1.xml"
    ranges = b"".join(b'<protectedRange name="r%d" sqref="A%d"/>' % (n, n) for n in (2, 3))
    pictures = b'<legacyDrawingHF r:id="rId8"/><picture r:id="rId9"/></worksheet>'
    office = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    changed(
        path, sheet, lambda xml: xml.replace(b"<worksheet ", b'<worksheet xmlns:r="%b" ' % office)
    )
    changed(
        path,
        sheet,
        lambda xml: (
            xml.replace(
                b"</sheetData>", b"</sheetData><protectedRanges>%b</protectedRanges>" % ranges
            )
            .replace(b"</worksheet>", pictures)
            .replace(
                b'</row><row r="3"',
                b'<c cm="1" r="G2"><f t="array" ref="G2:G3">F2</f><v>1</v></c></row><row r="3"',
            )
        ),
    )
    changed(
        path,
        "xl/workbook.xml",
        lambda xml: xml.replace(
            b"<workbookPr", b'<fileSharing readOnlyRecommended="1"/><workbookPr', 1
        ).replace(
            b"</workbook>",
            b"<customWorkbookViews><customWorkbookView name='mine' windowWidth='9' "
            b"windowHeight='9' activeSheetId='1' guid='{00000000-0000-0000-0000-000000000001}'"
            b"/></customWorkbookViews></workbook>",
        ),
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/connections.xml", "<connections><connection/></connections>")
        archive.writestr("xl/richData/rdrichvalue.xml", "<rvData><rv/><rv/></rvData>")
        archive.writestr("xl/diagrams/data1.xml", "<dataModel/>")
        archive.writestr("xl/model/item.data", b"data")
        archive.writestr("docMetadata/LabelInfo.xml", "<labelList/>")
    _, said = marked(examine(path, mapping), tmp_path / "r.xlsx")
    [line] = said
    assert line == (
        "Not in this copy of the workbook: 2 pictures, 2 ranges that may be edited in a protected "
        "sheet, 1 custom view, 1 recommendation to open it for reading only, 1 source of outside "
        "data, 2 linked values of cells (pictures, data types), 1 dynamic array formula, 1 data "
        "model, 1 diagram, 1 sensitivity label."
    )
    gone = rb"protectedRange|customWorkbookView|fileSharing|<picture|legacyDrawingHF|<rv|\bcm="
    with zipfile.ZipFile(tmp_path / "r.xlsx") as archive:
        for name in archive.namelist():
            assert not re.search(gone, archive.read(name)), name


PEOPLE = st.lists(
    st.tuples(
        st.sampled_from(["Ann", " Béla ", "=Cili", "<b>", "Éva\nmária", ""]),
        st.sampled_from(["Pécs", "", "#N/A", 7, 0.25]),
        st.sampled_from(["06 30 111 2233", 36301112233, "not a phone", "", "=A12", "+36 20 x"]),
        st.sampled_from(["a@example.com", "no address", "", "x" * 300]),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=examples(15),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(people=PEOPLE, down=st.integers(0, 3), right=st.integers(0, 2))
def test_once_its_marked_cells_are_mended_it_imports(
    examine: Examine,
    mapping: Path,
    tmp_path: Path,
    people: list[tuple[object, ...]],
    down: int,
    right: int,
) -> None:
    def fill(_: Any, sheet: Any) -> None:
        for row, cells in enumerate([ROWS[0], *people], down + 1):
            for column, value in enumerate(cells, right + 1):
                cell = sheet.cell(row, column, value or None)
                if cell.data_type in "fe":
                    cell.data_type = "s"

    text = mapping.read_text("utf-8").replace("rows: {unique: [contacts.1.phone]}", "")
    mapping.write_text(text, "utf-8")
    if not any(any(person) for person in people):
        return
    found = examine(save(tmp_path / "leads.xlsx", fill), mapping)
    report = tmp_path / "r.xlsx"
    book, _ = marked(found, report)
    sheet = book["Leads"]
    headers = {cell.column: cell.value for cell in sheet[down + 1] if cell.value}
    good = {"Name": "Ann", "City": "Pécs", "Phone": "06 30 111 2233", "E-mail": "a@example.com"}
    rows = {row for row, _ in errors(found)}
    red = {place for place, colour in marks(sheet).items() if colour == RED}
    assert {sheet[place].row for place in red} == rows
    for place in red:
        sheet[place].value = good[headers[sheet[place].column]]
    book.save(report)
    again = examine(report, mapping)
    assert errors(again) == []
    assert again.survey.rows == found.survey.rows
    assert again.survey.ready == again.survey.rows


def fallen_back(checkup: Checkup, path: Path) -> str:
    """Why a report is a copy of the text."""
    [said] = write_xlsx(path, checkup)
    book = openpyxl.load_workbook(path)
    assert "_problems" in [cell.value for cell in book.worksheets[0][1]]
    assert said in [cell.value for row in book["Summary"] for cell in row]
    assert said.startswith("This is a copy of the text, not the workbook itself: ")
    return said


def changed(path: Path, part: str, change: Callable[[bytes], bytes]) -> None:
    """Change a part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert change(parts[part]) != parts[part]
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_a_workbook_of_too_many_cells_gives_a_copy_of_its_text(
    examine: Examine, mapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examine(save(tmp_path / "leads.xlsx", plain), mapping)
    monkeypatch.setattr(importer.sources.original, "MOST_CELLS", 20)
    assert " cells, more than the 20 that are marked" in fallen_back(found, tmp_path / "r.xlsx")


OTHER = "xl/worksheets/sheet2.xml"
HOSTILE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a merge over a whole sheet": (
        OTHER,
        lambda xml: xml.replace(
            b"</sheetData>",
            b'</sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>',
        ),
    ),
    "a merge whose area is hidden from a look": (
        OTHER,
        lambda xml: xml.replace(
            b"</sheetData>",
            b'</sheetData><mergeCells><mergeCell ref="&#65;1:XFD1048576"/></mergeCells>',
        ),
    ),
    "a link over a whole sheet": (
        OTHER,
        lambda xml: xml.replace(
            b"</sheetData>",
            b'</sheetData><hyperlinks><hyperlink ref="A1:XFD1048576" location="A1"/></hyperlinks>',
        ),
    ),
    "entities": (
        "docProps/core.xml",
        lambda xml: b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + xml,
    ),
    "a part that is no XML": ("xl/theme/theme1.xml", lambda xml: xml + b"\0"),
    "styles that are not there": (OTHER, lambda xml: xml.replace(b'<c r="A1"', b'<c r="A1" s="9"')),
    "a workbook that does not say that it is one": (
        "[Content_Types].xml",
        lambda xml: xml.replace(b"sheet.main+xml", b"sheet.other+xml"),
    ),
    "a sheet of nonsense": (OTHER, lambda _: b"<worksheet><sheetData"),
    "a row of nonsense": (OTHER, lambda xml: xml.replace(b'<row r="1"', b'<row r="one"')),
    "very many formats": (
        OTHER,
        lambda xml: xml.replace(b"<sheetData>", b"<cols>" + b"<col/>" * 400_000 + b"</cols>", 1),
    ),
    "a long range for many formats": (
        OTHER,
        lambda xml: xml.replace(
            b"</sheetData>",
            b'</sheetData><conditionalFormatting sqref="'
            + b"A1 " * 60_000
            + b'">'
            + b'<cfRule type="expression" priority="1"><formula>1</formula></cfRule>' * 2_000
            + b"</conditionalFormatting>",
        ),
    ),
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_workbook_that_openpyxl_must_not_be_given_gives_a_copy_of_its_text(
    trick: str, examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    """What is wrong there is in a part that the import itself does not read."""

    def two(book: Any, sheet: Any) -> None:
        plain(book, sheet)
        book.create_sheet("Other")["A1"] = 1

    path = save(tmp_path / "leads.xlsx", two)
    changed(path, *HOSTILE[trick])
    found = examine(path, mapping)
    said = fallen_back(found, tmp_path / "r.xlsx")
    assert (
        trick not in {"very many formats", "a long range for many formats"} or "very many" in said
    )
    assert errors(examine(tmp_path / "r.xlsx", mapping)) == errors(found)


def test_a_list_that_would_be_read_otherwise_gives_a_copy_of_its_text(
    examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    """Day 60 of Excel's calendar is none; openpyxl would make it 28 February."""

    def dated(_: Any, sheet: Any) -> None:
        plain(_, sheet)
        sheet["B2"] = 60
        sheet["B2"].number_format = "yyyy-mm-dd"

    found = examine(save(tmp_path / "leads.xlsx", dated), mapping)
    assert "cell B2 would be read otherwise" in fallen_back(found, tmp_path / "r.xlsx")


def test_lists_that_are_no_workbook_as_it_was_given_have_a_copy_of_the_text(
    examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    path = save(tmp_path / "leads.xlsx", plain)
    packed = tmp_path / "leads.xlsx.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert write_xlsx(tmp_path / "r.xlsx", examine(packed, mapping)) == []
    sheet = openpyxl.load_workbook(tmp_path / "r.xlsx").worksheets[0]
    assert "_problems" in [cell.value for cell in sheet[1]]


def test_the_command_marks_the_file_that_it_read_whatever_becomes_of_it(
    cli: Cli, mapping: Path, tmp_path: Path
) -> None:
    path = save(tmp_path / "leads.xlsx", furnished)
    assert cli("check", "leads.xlsx", "-m", mapping.name, "--report", "r.xlsx") == 1
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    assert marks(book["Leads"]) == {"E6": RED, "D7": RED, "B8": RED}
    assert (tmp_path / "r.xlsx").stat().st_mode & 0o077 == 0
    assert path.exists()


def test_the_messy_sample_comes_back_with_its_faults(examine: Examine, tmp_path: Path) -> None:
    mapping = ROOT / "mappings/messy.yaml"
    found = examine(ROOT / "samples/messy.xlsx", mapping)
    book, said = marked(found, tmp_path / "messy.xlsx")
    assert [line.split(" of the")[0] for line in said] == ["1 formula"]
    rows = {book["Leads"][place].row for place, c in marks(book["Leads"]).items() if c == RED}
    assert rows == {row for row, _ in errors(found) if row is not None}
    again = examine(tmp_path / "messy.xlsx", mapping)
    assert errors(again) == errors(found)
    assert again.info.header_row == found.info.header_row


@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")
def test_libreoffice_opens_it_and_finds_the_same_cells(
    examine: Examine, mapping: Path, tmp_path: Path
) -> None:
    path = save(tmp_path / "leads.xlsx", furnished)
    marked(examine(path, mapping), tmp_path / "r.xlsx")
    tables = [
        _by_libreoffice(given, tmp_path / given.stem) for given in (path, tmp_path / "r.xlsx")
    ]
    assert tables[1] == tables[0]
    assert tables[0]["Leads"][4][1:3] == ["Ann", "Budapest"]
    assert tables[0]["Sums"][0] == ["3", ""]


def _by_libreoffice(path: Path, folder: Path) -> dict[str, list[list[str]]]:
    """What LibreOffice shows in the sheets of a workbook, but for the summary."""
    to = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    home = f"-env:UserInstallation={(folder / 'home').as_uri()}"
    words = [
        str(SOFFICE),
        home,
        "--headless",
        "--convert-to",
        to,
        "--outdir",
        str(folder),
        str(path),
    ]
    subprocess.run(words, capture_output=True, timeout=180, check=True)
    found = {}
    for name in ("Cover", "Leads", "Sums"):
        with (folder / f"{path.stem}-{name}.csv").open(encoding="utf-8", newline="") as file:
            found[name] = list(csv.reader(file))
    return found
