"""Workbooks of other kinds than .xlsx: .xls, .ods and .xlsb; and what sheets hide or merge."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from importer.errors import SourceError
from importer.model import EMPTY_FORMULA, Problem, Severity, SourceInfo
from importer.settings import SourceOptions
from importer.sources import open_source
from tests.support.sheets import cells_of
from tests.support.xlsb import cell, record, row, shared, write_xlsb

FILES = Path(__file__).parent / "files"
NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "table", "text", "style")
)


def read(path: Path, **options: object) -> tuple[SourceInfo, dict[int, list[str]]]:
    rows: dict[int, list[str]] = {}
    with open_source(path, SourceOptions(**options)) as source:  # type: ignore[arg-type]
        for batch in source.batches():
            assert batch.problems == ()
            rows.update(zip(batch.rows.tolist(), cells_of(batch), strict=True))
    return source.info, rows


def told(info: SourceInfo) -> dict[str, str]:
    """The messages of the file's problems, all warnings, by their code."""
    assert all(p.row is None and p.severity is Severity.WARNING for p in info.problems)
    return {problem.code: problem.message for problem in info.problems}


def write_ods(path: Path, tables: str, *, before: str = "", styles: str = "") -> Path:
    content = (
        f'<?xml version="1.0"?>{before}<office:document-content {NAMESPACES}>'
        f"<office:automatic-styles>{styles}</office:automatic-styles><office:body>"
        f"<office:spreadsheet>{tables}</office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
    return path


def table(body: str, *, name: str = "Leads", style: str = "") -> str:
    header = f"<table:table-row>{said('Name')}{said('Phone')}</table:table-row>"
    return (
        f'<table:table table:name="{name}" table:style-name="{style}">{header}{body}</table:table>'
    )


def said(text: str, attributes: str = "") -> str:
    return (
        f'<table:table-cell office:value-type="string" {attributes}><text:p>{text}</text:p>'
        "</table:table-cell>"
    )


@pytest.mark.parametrize("suffix", ["xls", "ods"])
def test_cells_of_a_workbook_that_libreoffice_wrote_are_read_as_text(suffix: str) -> None:
    info, rows = read(FILES / f"kinds.{suffix}")
    assert (info.kind, info.sheet, info.header_row) == (suffix, "Leads", 1)
    values = {row[0]: row[1] for row in rows.values()}
    # LibreOffice keeps TRUE in an .ods as the formula TRUE(), whose value it stores as 1.
    assert values.pop("true") == ("TRUE" if suffix == "xls" else "1")
    assert values == {
        "text": "06301234567",
        "number": "3630123456",
        "fraction": "0.1",
        "percent": "0.25",
        "date": "2024-02-29",
        "moment": "2024-02-29 13:05:09",
        "time": "04:05:06",
        "length": "36:00:00",
        "accents": "Győző Žižek",
        "missing": "#N/A",
        "divided": "#DIV/0!",
        "formula": "21",
        "hidden row": "x",
        "rich": "a bold word",
        "lines": "one\ntwo",
    }
    assert list(rows) == list(range(2, 18))


@pytest.mark.parametrize("suffix", ["xls", "ods"])
def test_what_is_hidden_or_merged_is_told(suffix: str) -> None:
    info, rows = read(FILES / f"kinds.{suffix}")
    assert info.headers == ("Kind", "Value", "Note", "Phones", "")
    assert rows[2][2:] == ["seen", "1", "2"]
    found = told(info)
    assert "'Secret'" in found.pop("hidden_sheets")
    assert found.pop("hidden_rows").endswith(": 15")
    assert found.pop("hidden_columns").endswith(": C")
    assert "columns D to E" in found.pop("merged_header")
    assert found == {}


@pytest.mark.parametrize("suffix", ["xls", "ods"])
def test_days_counted_from_1904_are_right(suffix: str) -> None:
    assert read(FILES / f"calendar1904.{suffix}")[1] == {2: ["2024-12-24"]}


@pytest.mark.parametrize("suffix", ["xls", "ods"])
def test_a_hidden_sheet_can_be_asked_for(suffix: str) -> None:
    with pytest.raises(SourceError, match="no data below the header"):
        read(FILES / f"kinds.{suffix}", sheet="Secret")
    with pytest.raises(SourceError, match=r"1 'Leads', 2 'Secret' \(hidden\)"):
        read(FILES / f"kinds.{suffix}", sheet="Nowhere")


@pytest.mark.parametrize("suffix", ["xls", "ods"])
def test_a_damaged_workbook_is_refused_wherever_it_is_cut_or_changed(
    tmp_path: Path, suffix: str
) -> None:
    """An error that says so, or rows; never another exception."""
    whole = (FILES / f"kinds.{suffix}").read_bytes()
    path = tmp_path / f"leads.{suffix}"
    for at in range(0, len(whole), 101):
        for content in (whole[:at], whole[:at] + b"\xff\x00\xff" + whole[at + 3 :]):
            path.write_bytes(content or b"x")
            try:
                read(path, sheet=1)
            except SourceError as error:
                assert error.hint


@pytest.mark.parametrize(("since_1904", "day"), [(False, "2024-02-28"), (True, "2028-02-29")])
def test_a_binary_workbook_is_read(tmp_path: Path, since_1904: bool, day: str) -> None:
    body = row(0) + cell(0, "Name") + cell(1, "Value")
    body += row(1) + shared(0, 0) + cell(1, 45350.0, style=1)
    body += row(2, hidden=True) + cell(0, "x") + cell(1, 0x2A)
    body += row(4) + cell(0, True) + cell(1, 3630123456.0)
    path = write_xlsb(
        tmp_path / "leads.xlsb",
        body,
        strings=["Ann"],
        before=record(60, struct.pack("<IIIIH", 1, 16000, 0, 0, 1)),
        after=record(176, struct.pack("<IIII", 0, 0, 0, 1)),
        since_1904=since_1904,
    )
    info, rows = read(path)
    assert (info.kind, info.sheet, info.headers) == ("xlsb", "Leads", ("Name", "Value"))
    assert rows == {2: ["Ann", day], 3: ["x", "#N/A"], 5: ["TRUE", "3630123456"]}
    found = told(info)
    assert set(found) == {"hidden_sheets", "hidden_rows", "hidden_columns", "merged_header"}
    assert found["hidden_rows"].endswith(": 3")
    assert found["hidden_columns"].endswith(": B")


@pytest.mark.parametrize(
    ("body", "strings", "message"),
    [
        (row(1_048_000) + cell(1000, "x"), (), "scattered"),
        (row(1) + cell(5000, "x"), (), "5,001 columns"),
        (b"".join(row(n) + shared(0, 0) for n in range(1, 6000)), ["x" * 60_000], "MiB of text"),
        (record(6, b"\0" * 11), (), "too short"),
        (b"\x06\xff\xff\xff\x7f", (), "longer than"),
        (row(1) + cell(0, "x") + row(2) + cell(0, "x" * 131_073), (), "cell A3 is longer than"),
        (row(1) + shared(1, 0), ["x" * 131_073], "'Leads': cell B2 is longer than 131,072 char"),
        (row(1) + cell(0, "x" * 9_000_000), (), "a cell is longer than"),
        (b"\x06\x7f", (), "cut short"),
    ],
)
def test_a_binary_workbook_over_a_limit_or_damaged_is_refused(
    tmp_path: Path, body: bytes, strings: list[str], message: str
) -> None:
    path = write_xlsb(tmp_path / "leads.xlsb", row(0) + cell(0, "Name") + body, strings=strings)
    with pytest.raises(SourceError, match=message):
        read(path)


def test_what_a_document_stores_is_read_and_what_it_merely_shows_is_not(tmp_path: Path) -> None:
    body = (
        '<table:table-row><table:table-cell office:value-type="float" office:value="3630123456">'
        "<text:p>3.63E+09</text:p></table:table-cell>"
        '<table:table-cell office:value-type="percentage" office:value="0.25"><text:p>25 %</text:p>'
        "</table:table-cell></table:table-row>"
        '<table:table-row><table:table-cell table:formula="of:=X"/>'
        '<table:table-cell table:formula="of:=1/0" office:value-type="float" office:value="0">'
        "<text:p>Err:502</text:p></table:table-cell></table:table-row>"
        '<table:table-row><table:table-cell office:value-type="string"><office:annotation>'
        "<text:p>a comment</text:p></office:annotation><text:p>a<text:s text:c='3'/>b"
        "<text:line-break/>c<text:span>d</text:span></text:p><text:p>e</text:p>"
        '</table:table-cell><table:table-cell office:value-type="time" '
        'office:time-value="PT26H05M06.7S"><text:p>26:05</text:p></table:table-cell>'
        '</table:table-row><table:table-row><table:table-cell office:value-type="string" '
        'office:string-value="" table:formula="of:=&quot;&quot;"/>'
        + said("y", "table:formula=\"of:='file:///x.ods'#$A.A1\"")
        + "</table:table-row>"
    )
    info, rows = read(write_ods(tmp_path / "leads.ods", table(body)))
    assert rows == {
        2: ["3630123456", "0.25"],
        3: [EMPTY_FORMULA, "Err:502"],
        4: ["a   b\ncd\ne", "26:05:07"],
        5: ["", "y"],
    }
    assert set(told(info)) == {"external_links"}


def test_repeated_rows_and_cells_are_as_many_as_they_say(tmp_path: Path) -> None:
    """But blank ones up to the end of the sheet cost nothing."""
    blank = '<table:table-row table:number-rows-repeated="{}"><table:table-cell/></table:table-row>'
    body = (
        '<table:table-row table:number-rows-repeated="3">'
        + said("x", 'table:number-columns-repeated="2"')
        + '<table:table-cell table:number-columns-repeated="16382"/></table:table-row>'
        + blank.format(1_000_000)
        + f"<table:table-row>{said('y')}</table:table-row>"
        + blank.format(48_000)
    )
    rows = read(write_ods(tmp_path / "leads.ods", table(body)))[1]
    assert rows == {2: ["x", "x"], 3: ["x", "x"], 4: ["x", "x"], 1_000_005: ["y", ""]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (said("x", 'table:number-columns-repeated="16384"'), "16,384 columns"),
        (said("x", 'table:number-columns-repeated="1000"'), "more than 20,000,000 cells"),
        (said("x" * 1000), "MiB of text"),
        (said("x") + said("x" * 200_000), "sheet 'Leads': cell B2 is longer than"),
        (said("<text:s text:c='999999999'/>"), "cell A2 is longer than 131,072 characters"),
    ],
)
def test_a_document_that_means_more_than_memory_holds_is_refused(
    tmp_path: Path, body: str, message: str
) -> None:
    rows = f'<table:table-row table:number-rows-repeated="1048000">{body}</table:table-row>'
    with pytest.raises(SourceError, match=message):
        read(write_ods(tmp_path / "leads.ods", table(rows)))


def test_a_document_that_declares_entities_is_refused(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "lol"}">' for n in range(10))
    body = f"<table:table-row>{said('&a9;')}</table:table-row>"
    path = write_ods(tmp_path / "leads.ods", table(body), before=f"<!DOCTYPE x [{levels}]>")
    with pytest.raises(SourceError, match="document type declaration"):
        read(path)


def test_hidden_sheets_of_a_document_are_told_and_not_read(tmp_path: Path) -> None:
    styles = (
        '<style:style style:name="ta1" style:family="table">'
        '<style:table-properties table:display="false"/></style:style>'
    )
    body = f"<table:table-row>{said('x')}</table:table-row>"
    tables = table(body, name="Old", style="ta1") + table(body)
    info, _ = read(write_ods(tmp_path / "leads.ods", tables, styles=styles))
    assert info.sheet == "Leads"
    assert told(info) == {"hidden_sheets": "hidden sheets were not read: 'Old'"}


def xlsx(path: Path, fill: Callable[[Any, Any], None]) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        fill(book, book.add_worksheet("Leads"))
    return path


def test_hidden_rows_and_columns_of_a_workbook_are_read_and_named(tmp_path: Path) -> None:
    def fill(_: Any, page: Any) -> None:
        page.write_row(0, 0, ["Name", "Phone", "Note"])
        for at in range(1, 100):
            page.write_row(at, 0, ["Ann", str(at), "x"])
        for at in (4, 5, 6, 9, 5000):
            page.set_row(at, None, None, {"hidden": True})
        page.set_column(1, 1, None, None, {"hidden": True})
        page.set_column(3, 16383, None, None, {"hidden": True})

    info, rows = read(xlsx(tmp_path / "leads.xlsx", fill))
    assert len(rows) == 99
    assert told(info) == {
        "hidden_rows": "4 hidden rows were read like any other: 5-7, 10",
        "hidden_columns": "1 hidden column was read like any other: B",
    }


def test_a_header_of_two_rows_is_taken_together_where_cells_are_merged(tmp_path: Path) -> None:
    def fill(_: Any, page: Any) -> None:
        page.merge_range(0, 0, 0, 4, "Leads of October")
        page.merge_range(2, 0, 3, 0, "Name")
        page.merge_range(2, 1, 3, 1, "City")
        page.merge_range(2, 2, 2, 4, "Phones")
        page.write_row(3, 2, ["Home", "Work", "Mobile"])
        page.write_row(4, 0, ["Ann", "Pécs", "1", "2", "3"])

    info, rows = read(xlsx(tmp_path / "leads.xlsx", fill))
    assert (info.headers, info.header_row) == (("Name", "City", "Home", "Work", "Mobile"), 4)
    assert rows == {5: ["Ann", "Pécs", "1", "2", "3"]}
    assert info.problems == ()


def test_a_header_merged_over_columns_names_the_first(tmp_path: Path) -> None:
    def fill(_: Any, page: Any) -> None:
        page.write_row(0, 0, ["Name", "City"])
        page.merge_range(0, 2, 0, 3, "Phone")
        page.write_row(1, 0, ["Ann", "Pécs", "1", "2"])

    info, rows = read(xlsx(tmp_path / "leads.xlsx", fill))
    assert info.headers == ("Name", "City", "Phone", "")
    assert rows == {2: ["Ann", "Pécs", "1", "2"]}
    [problem] = info.problems
    assert (problem.code, problem.column) == ("merged_header", "Phone")


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_header_that_stands_twice_is_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"leads.{suffix}"
    if suffix == "csv":
        path.write_text("Phone,Name,,Phone,\n1,Ann,x,2,y\n", encoding="utf-8")
    else:

        def fill(_: Any, page: Any) -> None:
            page.write_row(0, 0, ["Phone", "Name", "", "Phone"])
            page.write_row(1, 0, "1a23")

        xlsx(path, fill)
    [problem] = read(path)[0].problems
    assert problem == Problem(
        None,
        "Phone",
        None,
        "duplicate_header",
        'the header "Phone" stands 2 times (columns A, D)',
        hint=problem.hint,
        severity=Severity.WARNING,
    )


def test_links_to_other_files_are_told_and_never_followed(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "leads.xlsx", lambda _, page: page.write_column(0, 0, ["Name", "Ann"]))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    link = (
        b'<Relationship Id="rIdX" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        b'relationships/externalLink" Target="externalLinks/externalLink1.xml"/></Relationships>'
    )
    name = "xl/_rels/workbook.xml.rels"
    parts[name] = parts[name].replace(b"</Relationships>", link)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    info, rows = read(path)
    assert (set(told(info)), rows) == ({"external_links"}, {2: ["Ann"]})


def test_rich_text_and_numbers_stored_as_text_are_the_text_that_is_seen(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["Name", "Phone"])
    page.append(["Ann\u00a0Kis\u200b", "0036301234567"])
    page["B2"].number_format = "0"
    page["B2"].data_type = "s"
    book.save(tmp_path / "leads.xlsx")
    assert read(tmp_path / "leads.xlsx")[1] == {2: ["Ann\u00a0Kis\u200b", "0036301234567"]}


def test_a_number_of_xlsb_is_what_a_spreadsheet_shows_of_it(tmp_path: Path) -> None:
    """At most 15 significant digits, and all of a whole number."""
    numbers = (3.3000000000000003, 3.0000000000000004, 126.99999999999999, 36301234567.0)
    body = row(0) + b"".join(cell(n, name) for n, name in enumerate("abcd"))
    body += row(1) + b"".join(cell(n, number) for n, number in enumerate(numbers))
    assert read(write_xlsb(tmp_path / "a.xlsb", body))[1] == {2: ["3.3", "3", "127", "36301234567"]}
