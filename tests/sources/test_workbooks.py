"""Workbooks: cells as text, row numbers, error cells, and files made to do harm."""

from __future__ import annotations

import datetime as dt
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from importer.errors import SourceError
from importer.model import EMPTY_FORMULA, ERROR_TEXTS, SourceInfo
from importer.settings import BATCH_ROWS, SourceOptions
from importer.sources import open_source, package, sheetxml, xlsx
from importer.sources.inputfile import InputFile
from tests.support.sheets import cells_of

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
HEADER = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>Name</t></is></c>'
    '<c r="B1" t="inlineStr"><is><t>Phone</t></is></c></row>'
)


def read(path: Path, **options: object) -> tuple[SourceInfo, dict[int, list[str]]]:
    rows: dict[int, list[str]] = {}
    with open_source(path, SourceOptions(**options)) as source:  # type: ignore[arg-type]
        for batch in source.batches():
            assert 0 < len(batch) <= BATCH_ROWS
            assert batch.problems == ()
            rows.update(zip(batch.rows.tolist(), cells_of(batch), strict=True))
    assert list(rows) == sorted(rows)
    return source.info, rows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leads.xlsx"


def write(path: Path, fill: Callable[[Any, Any], None], **options: object) -> Path:
    """A workbook by a real writer, with one sheet that `fill` fills."""
    with xlsxwriter.Workbook(str(path), options) as book:
        fill(book, book.add_worksheet("Leads"))
    return path


def write_raw(path: Path, content: str, **parts: str | bytes) -> Path:
    """A workbook whose one sheet is this XML; `parts` adds or replaces parts by a short name."""
    given = {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r" '
        f'Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" '
        f'Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": content,
    }
    names = {"strings": "xl/sharedStrings.xml", "book": "xl/workbook.xml"}
    given |= {names[name]: text for name, text in parts.items()}  # type: ignore[misc]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in given.items():
            archive.writestr(name, text)
    return path


def cells(body: str, before: str = "") -> str:
    return f'<worksheet xmlns="{MAIN}">{before}<sheetData>{HEADER}{body}</sheetData></worksheet>'


def test_cells_become_the_text_that_people_read_in_them(file: Path) -> None:
    def fill(book: Any, page: Any) -> None:
        date = book.add_format({"num_format": "yyyy-mm-dd"})
        clock = book.add_format({"num_format": "hh:mm:ss"})
        length = book.add_format({"num_format": "[h]:mm:ss"})
        percent = book.add_format({"num_format": "0%"})
        page.write_row(0, 0, ["Kind", "Cell"])
        values: list[tuple[object, Any]] = [
            ("06301234567", None),
            ("+36 30 123 4567", None),
            ("  x\u00a0\nNA ", None),
            (3630123456.0, None),
            (-7, None),
            (0.1, None),
            (1e22, None),
            (1.234e-05, None),
            (36301234567890123, None),
            (0.25, percent),
            (True, None),
            (False, None),
            (dt.date(2024, 2, 29), date),
            (dt.datetime.fromisoformat("2024-02-29 13:05:09"), date),
            (dt.datetime.fromisoformat("2024-02-29 23:59:59.600"), date),
            (dt.time(4, 5, 6), clock),
            (1.5, length),
            (1000 / 24, length),
        ]
        for row, (value, style) in enumerate(values, 1):
            page.write_string(row, 0, "x")
            page.write(row, 1, value, style)

    texts = [row[1] for row in read(write(file, fill))[1].values()]
    assert texts == [
        "06301234567",
        "+36 30 123 4567",
        "  x\u00a0\nNA ",
        "3630123456",
        "-7",
        "0.1",
        "10000000000000000000000",
        "0.00001234",
        "36301234567890120",
        "0.25",
        "TRUE",
        "FALSE",
        "2024-02-29",
        "2024-02-29 13:05:09",
        "2024-03-01 00:00:00",
        "04:05:06",
        "36:00:00",
        "1000:00:00",
    ]


@pytest.mark.parametrize("since_1904", [False, True])
def test_dates_are_right_in_both_calendars(file: Path, since_1904: bool) -> None:
    def fill(book: Any, page: Any) -> None:
        page.write(0, 0, "Day")
        style = book.add_format({"num_format": "dd.mm.yyyy"})
        page.write_datetime(1, 0, dt.date(2024, 12, 24), style)

    assert read(write(file, fill, date_1904=since_1904))[1] == {2: ["2024-12-24"]}


def test_rows_and_columns_are_where_the_spreadsheet_program_shows_them(file: Path) -> None:
    """Neither leading nor inner blank rows and columns shift anything."""

    def fill(book: Any, page: Any) -> None:
        page.write(1, 2, "A list of leads")
        page.write_row(4, 2, ["Name", "", "Phone"])
        page.write_row(6, 2, ["Ann", "", "1"])
        page.write_row(9, 2, ["Bob", "note", "2"])

    info, rows = read(write(file, fill))
    assert (info.headers, info.header_row) == (("", "", "Name", "", "Phone"), 5)
    assert rows == {7: ["", "", "Ann", "", "1"], 10: ["", "", "Bob", "note", "2"]}


def test_row_numbers_and_error_cells_are_right_over_batches(file: Path) -> None:
    last = BATCH_ROWS * 2 + 10

    def fill(book: Any, page: Any) -> None:
        page.write_row(0, 0, ["Row", "Phone"])
        for number in range(2, last + 1):
            if number % 1000:
                page.write_number(number - 1, 0, number)
                page.write_formula(number - 1, 1, "=NA()", None, "#N/A" if number % 7 else 5)

    rows = read(write(file, fill))[1]
    assert list(rows) == [number for number in range(2, last + 1) if number % 1000]
    assert all(row == [str(number), "#N/A" if number % 7 else "5"] for number, row in rows.items())


def test_error_cells_and_formulas_without_a_value_are_told_from_blanks(file: Path) -> None:
    body = (
        '<row r="2"><c r="A2" t="e"><v>#N/A</v></c>'
        '<c r="B2" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
        '<row r="3"><c r="A3"><f>A1</f><v></v></c><c r="B3"><f>A1</f></c></row>'
        '<row r="4"><c r="A4"><f t="shared" si="0"/><v/></c>'
        '<c r="B4"><f t="shared" si="0"/></c></row>'
        '<row r="5"><c r="A5" t="str"><f>""</f><v></v></c><c r="B5"><f>1</f><v>0</v></c></row>'
        '<row r="6"><c r="A6" s="0"/><c r="B6"><v>7</v></c></row>'
        '<row r="8"><c r="B8"><f>B9</f><v/></c></row>'
    )
    rows = read(write_raw(file, cells(body)))[1]
    assert rows == {
        2: ["#N/A", "#DIV/0!"],
        3: [EMPTY_FORMULA, EMPTY_FORMULA],
        4: [EMPTY_FORMULA, EMPTY_FORMULA],
        5: ["", "0"],
        6: ["", "7"],
        8: ["", EMPTY_FORMULA],
    }
    assert {"#N/A", "#DIV/0!", EMPTY_FORMULA} <= ERROR_TEXTS


def test_a_formula_that_openpyxl_wrote_has_no_stored_value(file: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in (["Name", "Phone"], ["Ann", '="06"&1'], ["Bob", "#REF!"]):
        page.append(row)
    book.save(file)
    assert read(file)[1] == {2: ["Ann", EMPTY_FORMULA], 3: ["Bob", "#REF!"]}


@pytest.mark.parametrize("error", ["#SPILL!", "#CALC!", "#GETTING_DATA", "Err:502"])
def test_errors_that_the_workbook_library_cannot_read_are_error_cells_too(
    file: Path, error: str
) -> None:
    body = (
        f'<row r="2"><c r="A2" s="0" t="e"><f>X</f><v>{error}</v></c><c r="B2"><v>1</v></c></row>'
        '<row r="3"><c r="A3" t="s"><v>0</v></c><c r="B3" t="e"><v>#REF!</v></c></row>'
    )
    strings = f'<sst xmlns="{MAIN}"><si><t>Ann</t></si></sst>'
    rows = read(write_raw(file, cells(body), strings=strings))[1]
    assert rows == {2: [error, "1"], 3: ["Ann", "#REF!"]}


@pytest.mark.parametrize(
    "content",
    [
        cells(
            '<row><c><v>1</v></c><c t="e"><v>#REF!</v></c></row>'
            "<row/><row><c/><c><f>1</f></c></row>"
        ),
        cells(
            '<row r="2"><c r="A2"><v>1</v></c><c t="e" r="B2"><v>#REF!</v></c></row>'
            '<row r="4"><c r="B4"><f>1</f></c></row>'
        ),
        cells(
            "<row r='2'><c r='A2'><v>1</v></c><c r='B2' t='e'><v>#REF!</v></c></row>"
            "<row r='4'><c r='B4'><f>1</f></c></row>"
        ),
        cells(
            '<!-- <c r="XFD9" t="e"><v>#N/A</v></c> --><row r="2"><c r="A2"><v>1</v></c>'
            '<c\nr = "B2" t = "e"><v>#REF!</v></c></row><row r="4"><c r="B4"><f>1</f></c></row>'
        ),
        cells(
            '<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="e"><v>#REF!</v></c></row>'
            '<row r="4"><c r="B4"><f>1</f></c></row>'
        )
        .replace("<c ", "<x:c ")
        .replace("</c>", "</x:c>"),
        cells(
            '<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="e"><v>#REF!</v></c></row>'
            '<row r="4"><c r="B4"><f>1</f></c></row>'
        )
        .replace("</", "</x:")
        .replace("<", "<x:")
        .replace("<x:/x:", "</x:"),
        cells(
            '<row r="4"><c r="B4"><f>1</f></c></row>'
            '<row r="2"><c r="B2" t="e"><v>#REF!</v></c><c r="A2"><v>1</v></c></row>',
            before='<cols><col min="1" max="2"/></cols>',
        ),
    ],
    ids=["no references", "other order", "single quotes", "comment", "mixed", "prefix", "unsorted"],
)
def test_other_ways_to_write_a_sheet_mean_the_same(file: Path, content: str) -> None:
    rows = read(write_raw(file, content))[1]
    assert rows == {2: ["1", "#REF!"], 4: ["", EMPTY_FORMULA]}


def test_thousands_of_formatted_rows_below_the_data_are_nothing(file: Path) -> None:
    """Nor is a format in the very last cell of the sheet."""
    body = '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>2</v></c></row>'
    body += "".join(f'<row r="{n}"><c r="A{n}" s="0"/></row>' for n in range(3, 100_000))
    body += '<row r="1048576"><c r="XFD1048576" s="0"/></row>'
    assert read(write_raw(file, cells(body)))[1] == {2: ["1", "2"]}


@pytest.mark.parametrize("last", ["", '<row r="1048576" s="1"><c r="B1048576"><v>3</v></c></row>'])
def test_rows_with_a_format_and_no_cells_are_nothing_down_to_the_end_of_the_sheet(
    file: Path, last: str
) -> None:
    """None of them ends with a tag of its own, and all of them are larger than any row may be."""
    body = '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>2</v></c></row>'
    style = 's="1" customFormat="1" ht="15" customHeight="1" spans="1:16384"'
    body += "".join(f'<row r="{n}" {style}/>' for n in range(3, 1_000_000))
    rows = read(write_raw(file, cells(body + last)))[1]
    assert rows == {2: ["1", "2"]} | ({1_048_576: ["", "3"]} if last else {})


def _three_sheets(path: Path) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        for name in ("Old & <gone>", "Leads", "Más", "Chart"):
            if name == "Chart":
                chart = book.add_chart({"type": "line"})
                chart.add_series({"values": "=Leads!$A$2:$A$3"})
                book.add_chartsheet(name).set_chart(chart)
                continue
            page = book.add_worksheet(name)
            page.write_column(0, 0, ["Name", f"in {name}"])
            if name.startswith("Old"):
                page.hide()
            if name == "Leads":
                page.activate()
                page.set_first_sheet()
    return path


def test_the_first_visible_sheet_is_read_and_the_others_are_named(file: Path) -> None:
    info, rows = read(_three_sheets(file))
    assert (info.sheet, rows) == ("Leads", {2: ["in Leads"]})
    assert [(p.row, p.code) for p in info.problems] == [
        (None, "hidden_sheets"),
        (None, "other_sheets"),
    ]
    assert "Old & <gone>" in info.problems[0].message


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("Leads", "Leads"), (" leads", "Leads"), (3, "Más"), ("1", "Old & <gone>"), ("MÁS", "Más")],
)
def test_a_sheet_is_chosen_by_name_or_number(file: Path, wanted: str | int, name: str) -> None:
    info, rows = read(_three_sheets(file), sheet=wanted)
    assert (info.sheet, rows) == (name, {2: [f"in {name}"]})


@pytest.mark.parametrize("wanted", ["Laeds", 4, "9", "Chart"])
def test_an_unknown_sheet_is_refused_with_those_there_are(file: Path, wanted: str | int) -> None:
    with pytest.raises(SourceError, match=r"1 'Old & <gone>' \(hidden\), 2 'Leads'") as caught:
        read(_three_sheets(file), sheet=wanted)
    assert caught.value.hint
    if wanted == "Laeds":
        assert "'Leads'" in caught.value.hint


def test_a_cover_sheet_that_comes_first_is_refused_with_the_sheets_there_are(file: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Cover"  # type: ignore[union-attr]
    book["Cover"]["B2"] = "Leads of May"
    book.create_sheet("Data").append(["Name"])
    book.save(file)
    with pytest.raises(SourceError, match="no data below") as caught:
        read(file)
    assert "Only sheet 'Cover' was read; there are also: 'Data'" in str(caught.value.hint)


def test_options_of_text_files_are_ignored_with_a_warning(file: Path) -> None:
    write_raw(file, cells('<row r="2"><c r="A2"><v>1</v></c></row>'))
    info, _ = read(file, encoding="utf-8", delimiter=";")
    assert [p.code for p in info.problems] == ["option_ignored", "option_ignored"]


def test_an_empty_sheet_and_one_with_a_header_only_are_refused(file: Path) -> None:
    empty = f'<worksheet xmlns="{MAIN}"><sheetData/></worksheet>'
    with pytest.raises(SourceError, match="sheet 'S' is empty"):
        read(write_raw(file, empty))
    with pytest.raises(SourceError, match="no data below the header"):
        read(write_raw(file, cells("")))
    with pytest.raises(SourceError, match="row 9 is to be the header row"):
        read(write_raw(file, cells("")), header_row=9)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "16,384 columns"),
        ('<row r="1048576"><c r="ALL1048576"><v>1</v></c></row>', "scattered"),
        ('<row r="9"><c r="A9" r="ALL1048576"><v>1</v></c></row>', "scattered"),
        ('<row r="9"><c s="1"  r = "ALL1048576"><v>1</v></c></row>', "scattered"),
        ('<row r="9"><c r="A9" r = "ALL1048576"><v>1</v></c></row>', "scattered"),
        ('<row r="9"><c r="A1048577"><v>1</v></c></row>', "ends at 1,048,576"),
        (f"<row>{'<c><v>1</v></c>' * 2001}</row>", "2,001 columns"),
    ],
)
def test_cells_far_apart_are_refused_before_room_is_made_for_all_between(
    file: Path, body: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        read(write_raw(file, cells('<row r="2"><c r="A2"><v>1</v></c></row>' + body)))


def test_a_bomb_is_refused_by_what_it_unpacks_to(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = cells("<row/>" * 11_500_000)
    with pytest.raises(SourceError, match="files made to do harm"):
        read(write_raw(file, bomb))
    monkeypatch.setattr("importer.sources.xlsx.SHEET_LIMIT", package.MIB)
    with pytest.raises(SourceError, match="limit of 1 MiB"):
        read(write_raw(file, cells("<row/>" * 200_000)))


def test_an_archive_that_lies_about_a_size_is_refused(file: Path) -> None:
    """Some readers stop at the size the directory claims, others go on to the end."""
    write_raw(file, cells('<row r="2"><c r="A2"><v>1</v></c></row>'))
    content = bytearray(file.read_bytes())
    at = content.rfind(b"xl/worksheets/sheet1.xml") - 46
    assert content[at : at + 4] == b"PK\x01\x02"
    content[at + 24 : at + 28] = struct.pack("<I", 10)
    file.write_bytes(content)
    with pytest.raises(SourceError, match="another size"):
        read(file)


def test_a_part_that_is_there_twice_is_refused(file: Path) -> None:
    write_raw(file, cells('<row r="2"><c r="A2"><v>1</v></c></row>'))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("xl/worksheets/SHEET1.xml", cells(""))
    with pytest.raises(SourceError, match="twice"):
        read(file)


def test_declarations_of_entities_are_refused(file: Path) -> None:
    book = f'<!DOCTYPE x [<!ENTITY a "b">]><workbook xmlns="{MAIN}"><sheets/></workbook>'
    with pytest.raises(SourceError, match="document type declaration"):
        read(write_raw(file, cells(""), book=book))


def test_a_damaged_workbook_is_refused_wherever_it_is_cut_or_changed(file: Path) -> None:
    """Each byte position may be hit: an error that says so, or rows; never another exception."""

    def fill(book: Any, page: Any) -> None:
        page.write_row(0, 0, ["Name", "Phone"])
        for row in range(1, 40):
            page.write_row(row, 0, [f"Name {row}", row])

    whole = write(file, fill).read_bytes()
    for at in range(0, len(whole), 97):
        for content in (whole[:at], whole[:at] + b"\xff\x00\xff" + whole[at + 3 :]):
            file.write_bytes(content)
            try:
                read(file, sheet=1)
            except SourceError as error:
                assert error.hint


def test_a_sheet_cut_short_is_refused(file: Path) -> None:
    with pytest.raises(SourceError, match="cut short"):
        read(write_raw(file, cells('<row r="2"><c r="A2"><v>1</v></c></row>')[:-30]))


def test_a_shared_string_that_is_not_there_is_damage(file: Path) -> None:
    with pytest.raises(SourceError, match="damaged"):
        read(write_raw(file, cells('<row r="2"><c r="A2" t="s"><v>7</v></c></row>')))


def test_a_plain_sheet_is_measured_as_one_read_tag_by_tag(file: Path) -> None:
    """The fast way and the thorough one agree on every figure."""
    body = "".join(
        f'<row r="{n}"><c r="A{n}"><v>1</v></c><c r="AB{n}" s="3"/>'
        f'<c r="Z{n}"{" t=" + chr(34) + "e" + chr(34) if n % 3 else ""}><f>A1</f>'
        f"{'<v>#N/A</v>' if n % 3 else '<v></v>'}</c></row>"
        for n in range(2, 400)
    )
    write_raw(file, cells(body))
    with xlsx.ExcelPackage(InputFile.at(file)) as opened:
        plain = sheetxml.scan_sheet([cells(body).encode()], opened, opened.dates)
        by_tags = sheetxml.scan_sheet([cells("<!-- -->" + body).encode()], opened, opened.dates)
        pieces = [cells(body).encode()[n : n + 50] for n in range(0, len(cells(body)), 50)]
        in_pieces = sheetxml.scan_sheet(pieces, opened, opened.dates)
    # How much text there is at most is measured more or less closely.
    assert replace(plain, text=0) == replace(by_tags, text=0) == replace(in_pieces, text=0)
    assert (plain.rows, plain.columns, plain.cells) == (399, 26, 2 + 2 * 398)
    assert len(plain.special) == 398


def test_what_is_kept_of_an_error_cell_is_some_bytes(file: Path) -> None:
    """A file of a few megabytes may have millions of them."""
    count = 20_000
    body = "".join(
        f'<row r="{n}"><c r="A{n}" t="e"><v>#N/A</v></c></row>' for n in range(2, count + 2)
    )
    write_raw(file, cells(""))
    with xlsx.ExcelPackage(InputFile.at(file)) as opened:
        dates = opened.dates
        sheetxml.scan_sheet([cells(body).encode()], opened, dates)  # what is compiled once
        tracemalloc.start()
        scan = sheetxml.scan_sheet([cells(body).encode()], opened, dates)
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert list(scan.special.in_order())[-1] == (count, 0, "#N/A")
    assert kept < 30 * count


def test_a_cell_of_the_greatest_length_is_read_and_a_longer_one_is_named(file: Path) -> None:
    """In the header, in the first rows and far below them."""
    for size, row in ((131_072, 1), (131_073, 1), (131_073, 2), (131_073, 20_000)):
        text = "é" * size

        def fill(row: int, text: str) -> str:
            rows = "".join(f'<row r="{n}"><c r="A{n}"><v>1</v></c></row>' for n in range(2, row))
            long = f'<c r="C{row}" t="inlineStr"><is><t>{text}</t></is></c>'
            return rows + (f'<row r="{row}">{long}</row>' if row > 1 else "")

        content = cells(fill(row, text) or '<row r="2"><c r="A2"><v>1</v></c></row>')
        if row == 1:
            content = content.replace("<t>Phone</t>", f"<t>{text}</t>")
        write_raw(file, content)
        if size == 131_072:
            assert read(file)[0].headers[1] == text
            continue
        cell = f"{'B' if row == 1 else 'C'}{row}"
        with pytest.raises(SourceError, match=f"sheet 'S': cell {cell} is longer than 131,072 "):
            read(file)
