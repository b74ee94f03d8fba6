"""Generated sheets: each cell is read as stated, and however its row is spelt."""

from __future__ import annotations

import datetime as dt
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from importer.errors import SourceError
from importer.model import SourceInfo, column_letters
from importer.settings import BATCH_ROWS, SourceOptions
from importer.sources import open_source
from tests.sources.test_workbooks import MAIN, cells, write_raw
from tests.support.examples import examples
from tests.support.sheets import cells_of

Seen = tuple[SourceInfo, list[tuple[int, list[str]]]] | str

RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STYLES = (
    f'<styleSheet xmlns="{MAIN}"><numFmts count="3">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm"/>'
    '<numFmt numFmtId="165" formatCode="0.00&quot; d&quot;"/>'
    '<numFmt numFmtId="166" formatCode="[h]:mm:ss"/></numFmts><cellXfs count="9">'
    + "".join(f'<xf numFmtId="{n}"/>' for n in (0, 14, 164, 165, 166, 49, 21, 22, 10))
    + "</cellXfs></styleSheet>"
)


def read(path: Path, **options: object) -> Seen:
    """All that a file gives, or how it is refused."""
    rows: list[tuple[int, list[str]]] = []
    try:
        with open_source(path, SourceOptions(**options)) as source:  # type: ignore[arg-type]
            for batch in source.batches():
                # A damaged sheet may have a NUL in a cell.
                assert {problem.code for problem in batch.problems} <= {"nul_character"}
                rows += zip(batch.rows.tolist(), cells_of(batch), strict=True)
    except SourceError as error:
        return f"{error.message} {error.hint}"
    return source.info, rows


def read_both(path: Path, **options: object) -> tuple[Seen, Seen]:
    """The same file as it is, and with a comment before its rows, so that all are unusual ones."""
    seen = read(path, **options)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b"<sheetData>", b"<sheetData><!-- -->", 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return seen, read(path, **options)


def book(
    path: Path, sheet: str | bytes, strings: str | None = None, *, of_1904: bool = False
) -> Path:
    """A workbook with formats, whose one sheet is this XML."""
    write_raw(path, "")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = sheet.encode() if isinstance(sheet, str) else sheet
    parts["xl/styles.xml"] = STYLES.encode()
    if of_1904:
        whole = parts["xl/workbook.xml"]
        parts["xl/workbook.xml"] = whole.replace(b"<sheets>", b'<workbookPr date1904="1"/><sheets>')
    if strings is not None:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{strings}</sst>'.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leads.xlsx"


SAME = (
    *("Kovács Anna", "x", "", "  ", " a", "b ", "a\nb", "a_xb", ">", '"q"', "'", "06 30 123"),
    *("0012", "\u00a0", "日本", "🙂", "]]>", "+36", "_", "1.0", "TRUE", "#N/A", "a\tb", 't="s"'),
    *('t="e"', "='x'", "!", "?"),
)
TEXTS = {text: text for text in SAME}
TEXTS |= {"a &amp; b": "a & b", "&lt;": "<", "&#65;": "A", "a\r\nb": "a\nb"}
TEXTS |= {"_x000D_": "\r", "_x0041_": "A"}
"""Texts as XML has them, and what they mean."""
WRITTEN_OUT = (
    *("1", "0", "-5", "12.5", "0.1", "61", "45321", "45321.5", "0.25", "123456789012345"),
    *("1234567890123456", "60", "59.999999", "44197.0000001", "123456789.123456", "0.000001"),
    *("99999999999999.9",),
)
NUMBERS: dict[str, str | None] = {text: text for text in WRITTEN_OUT}
NUMBERS |= {"007": "7", "1.50": "1.5", "1e5": "100000", "3.6199974E10": "36199974000", "-0": "0"}
NUMBERS |= {"0.30000000000000004": "0.3", "1.0": "1", "0.0": "0", "00.5": "0.5", ".5": "0.5"}
NUMBERS |= {"12345678901234567": "12345678901234568", "5.": "5"}
NUMBERS |= {"1..2": None, " 5": None, "5 ": None, "abc": None}
"""Numbers as XML has them, and as they are read; None where that is left to the library."""
DATES, PLAIN = (1, 2, 7), (None, 0, 3, 5, 8, 9)
"""Styles of `STYLES` that make a number a date, and those that leave it one."""
DAMAGE = (
    *("<", ">", " ", "\n", "<v>", "</c>", '<c r="', "</row>", '"', "<!--", "\0", "\udcff", "/"),
    *("&#0;", "&nbsp;", "<row>", "<![CDATA[", "<c><v>1</v></c>", "<c  r='B2'>", "</c >", "<x:c>"),
)
Cell = tuple[str, str | None]
"""The XML of a cell, and its text, None where that is not stated."""


def any_cell(
    reference: str, strings: list[str | None], *, of_1904: bool
) -> st.SearchStrategy[Cell]:
    """A cell of any kind, most often one that programs write for texts and numbers."""

    def made(form: str, style: int | None, text: str, number: str, string: int) -> Cell:
        head = f'r="{reference}"' + (f' s="{style}"' if style is not None else "")
        written = form.format(head, text=text, number=number, string=string)
        if (meant := FORMS[form]) is ANY_NUMBER:
            return written, number_text(number, style, of_1904=of_1904)
        if meant is ANY_STRING:
            return written, strings[string]
        return written, text_meant(form, text) if meant is ANY_TEXT else meant

    usual = [form for form in list(FORMS)[:6] if strings or "{string}" not in form]
    return st.builds(
        made,
        st.one_of(*[st.sampled_from(usual)] * 5, st.sampled_from(list(FORMS)[6:])),
        st.one_of(st.none(), st.none(), st.integers(0, 9)),
        st.sampled_from(list(TEXTS)),
        st.one_of(st.sampled_from(list(NUMBERS)[:6]), st.sampled_from(list(NUMBERS))),
        st.integers(0, max(len(strings) - 1, 0)),
    )


def text_meant(form: str, text: str) -> str:
    """The text of a cell: white space at its ends counts in values, or where that is said."""
    meant = TEXTS[text] if "<v>" in form or "preserve" in form else TEXTS[text].strip(" ")
    return meant + ("w" if "<r>" in form else "")


def number_text(number: str, style: int | None, *, of_1904: bool) -> str | None:
    """The text of a number in a cell of a style, as openpyxl reads it where it is a date."""
    if style in PLAIN:
        return NUMBERS[number]
    if style not in DATES or not number.isdigit() or not 61 <= int(number) < 10**6:
        return None
    day = from_excel(int(number), CALENDAR_MAC_1904 if of_1904 else CALENDAR_WINDOWS_1900)
    return day.date().isoformat() if isinstance(day, dt.datetime) else None


ANY_TEXT, ANY_NUMBER, ANY_STRING = "{text}", "{number}", "{string}"
FORMS: dict[str, str | None] = {
    '<c {} t="inlineStr"><is><t>{text}</t></is></c>': ANY_TEXT,
    '<c {} t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>': ANY_TEXT,
    "<c {}><v>{number}</v></c>": ANY_NUMBER,
    "<c {}/>": "",
    "": "",
    '<c {} t="s"><v>{string}</v></c>': ANY_STRING,
    '<c {} t="str"><v>{text}</v></c>': ANY_TEXT,
    "<c {}><f>A1>1</f><v>{number}</v></c>": ANY_NUMBER,
    "<c {}><f>A1</f></c>": "#FORMULA!",
    "<c {}><f>A1</f><v></v></c>": "#FORMULA!",
    "<c {}><f>A1</f><v> </v></c>": "#FORMULA!",
    '<c {} t="str"><f>A1</f><v></v></c>': "",
    '<c {}><f t="shared" si="0"/><v>{number}</v></c>': ANY_NUMBER,
    '<c {} t="e"><v>#N/A</v></c>': "#N/A",
    '<c {} t="e"><f>1/0</f><v>#SPILL!</v></c>': "#SPILL!",
    '<c {} t="e"/>': "",
    '<c {} t="b"><v>1</v></c>': "TRUE",
    '<c {} t="d"><v>2024-03-02</v></c>': None,
    '<c {} t="n"><v>3</v></c>': None,
    "<c {}></c>": "",
    '<c {} t="inlineStr"><is><t/></is></c>': "",
    '<c {} t="inlineStr" />': "",
    '<c {} t="n" />': "",
    '<c {} t="inlineStr"><is></is></c>': "",
    '<c {} t="inlineStr"><is><r><t>{text}</t></r><r><rPr><b/></rPr><t>w</t></r></is></c>': ANY_TEXT,
    '<c {} cm="1"><v>3</v></c>': None,
}
"""Cells of all kinds, and what they mean; the first six are most of those that programs write."""
STRINGS = (
    "<si><t>{}</t></si>",
    '<si><t xml:space="preserve">{}</t></si>',
    "<si><r><t>{}</t></r><r><t>w</t></r></si>",
    '<si><t>{}</t><phoneticPr fontId="1"/></si>',
)
"""Shared strings of all kinds."""


@dataclass(frozen=True)
class Sheet:
    """A sheet's XML, the shared strings, whether dates count from 1904; and stated texts."""

    content: str
    strings: str | None
    of_1904: bool
    stated: dict[tuple[int, int], str | None]

    def texts(self, row: int) -> list[str]:
        """The stated texts of a row."""
        return [text for (at, _), text in self.stated.items() if at == row and text]

    def write(self, path: Path) -> Path:
        return book(path, self.content, self.strings, of_1904=self.of_1904)


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    given = st.tuples(st.sampled_from(STRINGS), st.sampled_from(list(TEXTS)))
    strings = draw(st.lists(given, max_size=5))
    meant: list[str | None] = [text_meant(form, text) for form, text in strings]
    of_1904 = draw(st.booleans())
    width, left = draw(st.integers(1, 4)), draw(st.sampled_from((0, 0, 0, 2, 30)))
    rows, row = [], draw(st.sampled_from((0, 0, 0, 3)))
    stated: dict[tuple[int, int], str | None] = {}
    for _ in range(draw(st.integers(1, 12))):
        row += draw(st.sampled_from((1, 1, 1, 1, 2, 12)))
        held = ""
        for column in range(left, left + width):
            cell = any_cell(f"{column_letters(column)}{row}", meant, of_1904=of_1904)
            written, stated[row, column] = draw(cell)
            held += written
        about = draw(st.sampled_from(("", "", ' spans="1:3"', ' hidden="1"')))
        rows.append(f'<row r="{row}"{about}>{held}</row>' if held else f'<row r="{row}"{about}/>')
    tail = draw(st.sampled_from(("", '<mergeCells><mergeCell ref="A1:B1"/></mergeCells>')))
    content = "".join(
        (
            f'<worksheet xmlns="{MAIN}"><cols><col min="1" max="1" hidden="1"/></cols>',
            f"<sheetData>{''.join(rows)}</sheetData>{tail}</worksheet>",
        )
    )
    table = "".join(form.format(text) for form, text in strings)
    return Sheet(content, table or None, of_1904, stated)


OPTIONS: tuple[dict[str, Any], ...] = ({}, {}, {"header_row": 2}, {"rows": (3, 9)})
FEW = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FEW
@given(sheets())
def test_whatever_a_sheet_holds_is_read_as_stated(tmp_path: Path, sheet: Sheet) -> None:
    seen = read(sheet.write(tmp_path / "s.xlsx"))
    if isinstance(seen, str):
        assert "there is no data below" in seen or "is empty" in seen
        return
    for row, texts in seen[1]:
        stated = [sheet.stated.get((row, column), "") for column in range(len(texts))]
        assert texts == [
            text if meant is None else meant for text, meant in zip(texts, stated, strict=True)
        ]
    given = {row for row, _ in seen[1]}
    header_row = seen[0].header_row
    assert header_row is not None
    held = {row for (row, _), text in sheet.stated.items() if row > header_row and text}
    assert {row for row in held - given if any(map(str.strip, sheet.texts(row)))} == set()


HIDDEN_ROW_OF_A_FORMULA = Sheet(
    f'<worksheet xmlns="{MAIN}"><sheetData>'
    '<row r="1"><c r="A1" t="inlineStr"><is><t>Name</t></is></c>'
    '<c r="B1" t="inlineStr"><is><t>Phone</t></is></c></row>'
    '<row r="2" hidden="1"><c r="B2"><f>A1</f></c></row></sheetData></worksheet>',
    strings=None,
    of_1904=False,
    stated={},
)
"""A hidden row in which nothing stands but a formula without a value."""


@FEW
@given(sheets(), st.sampled_from(OPTIONS))
@example(HIDDEN_ROW_OF_A_FORMULA, {})
def test_a_sheet_is_read_in_one_way_however_it_is_spelt(
    tmp_path: Path, sheet: Sheet, options: dict[str, Any]
) -> None:
    usual, by_tags = read_both(sheet.write(tmp_path / "s.xlsx"), **options)
    assert usual == by_tags


@FEW
@given(sheets(), st.floats(0, 1), st.integers(0, 4), st.sampled_from(DAMAGE))
def test_a_damaged_sheet_is_read_or_refused_in_one_way(
    tmp_path: Path, sheet: Sheet, where: float, length: int, damage: str
) -> None:
    at = int(len(sheet.content) * where)
    spoilt = sheet.content[:at] + damage + sheet.content[at + length :]
    path = book(
        tmp_path / "s.xlsx",
        spoilt.encode(errors="surrogateescape"),
        sheet.strings,
        of_1904=sheet.of_1904,
    )
    usual, by_tags = read_both(path)
    assert usual == by_tags


def test_a_cell_whose_row_has_a_damaged_tag_is_not_hidden_with_the_row_above(
    tmp_path: Path,
) -> None:
    rows = (
        '<row r="1"><c r="A1" t="str"><v>Name</v></c></row>'
        '<row r="2" hidden="1"><c r="A2"></c></row>'
        '<r&#0;ow r="3"><c r="A3" t="str"><v>Anna</v></c></row>'
    )
    content = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    usual, by_tags = read_both(book(tmp_path / "s.xlsx", content.encode(), None, of_1904=False))
    assert usual == by_tags
    assert not isinstance(usual, str)
    assert usual[0].problems == ()


def both_ways(path: Path, **options: object) -> list[tuple[int, list[str]]]:
    """The rows of a sheet, whose spelling makes no difference."""
    usual, by_tags = read_both(path, **options)
    assert usual == by_tags
    assert not isinstance(usual, str)
    return usual[1]


def fill(sheet: Any, moment: Any, percent: Any) -> None:
    """Cells of many kinds, as people write them."""
    sheet.write_row(0, 0, ("Name", "Phone", "Since", "Share", "Error", "Sum", "Note"))
    for row in range(1, 40):
        sheet.write_string(row, 0, f"Kovács & Fia {row}")
        sheet.write_number(row, 1, 36201234000 + row)
        sheet.write_datetime(
            row, 2, dt.datetime.fromisoformat(f"2024-03-{row % 28 + 1:02} 09:30"), moment
        )
        sheet.write_number(row, 3, row / 8, percent)
        sheet.write_formula(row, 4, "=NA()", value="#N/A")
        sheet.write_formula(row, 5, f"=B{row + 1}+1", value=row)
        if row % 3:
            sheet.write_boolean(row, 6, row % 2)


@pytest.mark.parametrize("in_place", [False, True], ids=["shared strings", "inline strings"])
def test_what_a_real_program_writes_is_read(file: Path, in_place: bool) -> None:
    with xlsxwriter.Workbook(str(file), {"constant_memory": in_place}) as book:
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        fill(book.add_worksheet("Leads"), moment, book.add_format({"num_format": "0%"}))
        book.add_worksheet("Other")
    rows = both_ways(file)
    first = ["Kovács & Fia 1", "36201234001", "2024-03-02 09:30:00", "0.125", "#N/A", "1", "TRUE"]
    assert rows[0] == (2, first)
    assert [number for number, _ in rows] == list(range(2, 41))


def test_what_another_program_writes_is_read(file: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Name", "Since", "Sum", "Yes"])
    for row in range(2, 30):
        sheet.append([f"Lead {row}", dt.date(2024, 1, row), row / 4, True])
    sheet.append(["=A1", None, "=1+1"])
    book.save(file)
    rows = both_ways(file)
    assert rows[0] == (2, ["Lead 2", "2024-01-02", "0.5", "TRUE"])
    assert rows[-1] == (30, ["#FORMULA!", "", "#FORMULA!", ""])


def test_formulas_without_values_are_told_apart_however_many_they_are(file: Path) -> None:
    rows = range(2, 500)
    body = '<row r="{0}"><c r="A{0}"><f>B{0}</f></c><c r="B{0}"><f>A{0}</f><v> </v></c></row>'
    write_raw(file, cells("".join(map(body.format, rows))))
    assert both_ways(file) == [(row, ["#FORMULA!", "#FORMULA!"]) for row in rows]


def test_rows_far_apart_keep_their_numbers(file: Path) -> None:
    far = (2, BATCH_ROWS, BATCH_ROWS + 1, 5 * BATCH_ROWS + 7, 6 * BATCH_ROWS)
    body = "".join(f'<row r="{row}"><c r="B{row}"><v>{row}</v></c></row>' for row in far)
    write_raw(file, cells(body))
    assert both_ways(file) == [(row, ["", str(row)]) for row in far]


def test_cells_are_found_wherever_the_xml_is_divided(file: Path) -> None:
    """The XML comes in pieces of a megabyte; a row or a text may be on both sides of a cut."""
    rows = 40_000
    body = "".join(
        f'<row r="{row}"><c r="A{row}" t="inlineStr"><is><t>Kovács &amp; {row}</t></is></c>'
        f'<c r="B{row}"><v>{row}</v></c></row>'
        for row in range(2, rows)
    )
    write_raw(file, cells(body))
    expected = [(row, [f"Kovács & {row}", str(row)]) for row in range(2, rows)]
    seen = read(file)
    assert not isinstance(seen, str)
    assert seen[1] == expected


@pytest.mark.parametrize(
    "row",
    [
        '<row r="2"><c r="A2" t="inlineStr"><is><t>x</t></is></c><c r="A2"><v>1</v></c></row>',
        '<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>',
        '<row r="2"><c r="A3"><v>1</v></c></row>',
        '<row r="2"><c><v>1</v></c></row>',
        "<row><c><v>1</v></c></row>",
        "<row r='2'><c r='A2'><v>1</v></c></row>",
        '<row r="2"><!-- <c r="A2"> --><c r="A2"><v>1</v></c></row>',
        '<row r="2"><c r="A2"><v><![CDATA[1]]></v></c></row>',
        '<row r="2"><x:c r="A2"><v>1</v></x:c></row>',
        '<row r="2"><c s="0" r="A2"><v>1</v></c></row>',
        '<row r="2"><c r="a2"><v>1</v></c></row>',
        '<row r="2"><c r="A2"> <v>1</v></c><c  r="B2"><v>1</v></c></row>',
    ],
)
def test_what_no_program_writes_is_read_in_one_way(file: Path, row: str) -> None:
    usual, by_tags = read_both(write_raw(file, cells(row)))
    assert usual == by_tags


def test_blank_cells_at_the_end_are_columns_in_one_way(file: Path) -> None:
    for cell in (
        '<c r="D2" t="inlineStr"><is><t></t></is></c>',
        '<c r="D2" t="inlineStr"><is><t> </t></is></c>',
        '<c r="D2" t="str"><v></v></c>',
        '<c r="D2" t="s"><v>0</v></c>',
        '<c r="D2"><v></v></c>',
        '<c r="D2"></c>',
        '<c r="D2" s="1"/>',
    ):
        content = cells(f'<row r="2"><c r="A2"><v>1</v></c>{cell}</row>')
        assert both_ways(book(file, content, "<si><t></t></si>"))


def test_an_error_cell_without_content_is_none_and_spoils_no_other(file: Path) -> None:
    """Neither here nor where an error that the library does not know has the sheet rewritten."""
    row = '<row r="2"><c r="A2" t="e"/><c r="B2"><v>5</v></c></row>'
    more = '<row r="3"><c r="A3" t="e"><v>#SPILL!</v></c></row>'
    for body, rows in (
        (row, [(2, ["", "5"])]),
        (row + more, [(2, ["", "5"]), (3, ["#SPILL!", ""])]),
    ):
        assert both_ways(write_raw(file, cells(body))) == rows
