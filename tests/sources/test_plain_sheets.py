"""Sheets read without the workbook library give exactly what the library gives for them."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.settings import BATCH_ROWS, SourceOptions
from importer.sources import excel, open_source, plainsheet, plainstrings
from importer.sources.bytewise import Piece
from importer.sources.celltext import cell_text
from importer.sources.grid import column_letters
from tests.sources.test_workbooks import MAIN, cells, write_raw
from tests.support.sheets import cells_of

Seen = tuple[object, list[tuple[int, list[str]]]] | str

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
                assert batch.problems == ()
                rows += zip(batch.rows.tolist(), cells_of(batch), strict=True)
    except SourceError as error:
        return f"{error.message} {error.hint}"
    return source.info, rows


def read_both(path: Path, **options: object) -> tuple[Seen, Seen, bool]:
    """The same file as it is and by the library; and whether the former did without it."""
    plain: list[bool] = []

    def watched(*arguments: Any) -> Any:
        found = plainsheet.read_plain(*arguments)
        plain.append(found is not None)
        return found

    seen = []
    for way in (watched, lambda *_: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(excel, "read_plain", way)
            patch.setattr(plainsheet, "BATCH_ROWS", 5)
            seen.append(read(path, **options))
    return seen[0], seen[1], plain == [True]


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


TEXTS = (
    *("Kovács Anna", "x", "", "  ", " a", "b ", "a\nb", "a &amp; b", "&lt;", "&#65;", "_x000D_"),
    *("_x0041_", "a_xb", "a\r\nb", ">", '"q"', "'", "06 30 123", "0012", "\u00a0", "日本", "🙂"),
    *("]]>", "+36", "_", "1.0", "TRUE", "#N/A", "a\tb", 't="s"', 't="e"', "='x'", "!", "?"),
)
NUMBERS = (
    *("1", "0", "-5", "007", "12.5", "1.50", "1e5", "3.6199974E10", "12345678901234567", "-0"),
    *("123456789012345", "1234567890123456", "0.1", "0.30000000000000004", "1.0", "0.0", "00.5"),
    *("45321", "45321.5", "0.25", "61", "60", "59.999999", "44197.0000001", "123456789.123456"),
    *("0.000001", "99999999999999.9", ".5", "5.", "1..2", " 5", "5 ", "abc", ""),
)
DAMAGE = (
    *("<", ">", " ", "\n", "<v>", "</c>", '<c r="', "</row>", '"', "<!--", "\0", "\udcff", "/"),
    *("&#0;", "&nbsp;", "<row>", "<![CDATA[", "<c><v>1</v></c>", "<c  r='B2'>", "</c >", "<x:c>"),
)


def any_cell(reference: str, strings: int) -> st.SearchStrategy[str]:
    """A cell, plain more often than not."""

    def written(form: str, style: int | None, text: str, number: str, string: int) -> str:
        head = f'r="{reference}"' + (f' s="{style}"' if style is not None else "")
        return form.format(head, text=text, number=number, string=string)

    plain = [
        '<c {} t="inlineStr"><is><t>{text}</t></is></c>',
        '<c {} t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>',
        "<c {}><v>{number}</v></c>",
        "<c {}/>",
        "",
        *['<c {} t="s"><v>{string}</v></c>'] * bool(strings),
    ]
    odd = [
        '<c {} t="str"><v>{text}</v></c>',
        '<c {} t="str"><f>A1&amp;B1</f><v>{text}</v></c>',
        "<c {}><f>A1>1</f><v>{number}</v></c>",
        "<c {}><f>A1</f></c>",
        "<c {}><f>A1</f><v></v></c>",
        "<c {}><f>A1</f><v> </v></c>",
        '<c {} t="str"><f>A1</f><v></v></c>',
        '<c {}><f t="shared" si="0"/><v>{number}</v></c>',
        '<c {} t="e"><v>#N/A</v></c>',
        '<c {} t="e"><f>1/0</f><v>#SPILL!</v></c>',
        '<c {} t="e"/>',
        '<c {} t="b"><v>1</v></c>',
        '<c {} t="d"><v>2024-03-02</v></c>',
        '<c {} t="n"><v>3</v></c>',
        "<c {}></c>",
        '<c {} t="inlineStr"><is><t/></is></c>',
        '<c {} t="inlineStr"><is></is></c>',
        '<c {} t="inlineStr"><is><r><t>{text}</t></r><r><rPr><b/></rPr><t>w</t></r></is></c>',
        '<c {} cm="1"><v>3</v></c>',
        "<c {}><v>3</v><extLst/></c>",
    ]
    return st.builds(
        written,
        st.one_of(*[st.sampled_from(plain)] * 5, st.sampled_from(odd)),
        st.one_of(st.none(), st.none(), st.integers(0, 9)),
        st.sampled_from(TEXTS),
        st.one_of(st.sampled_from(NUMBERS[:6]), st.sampled_from(NUMBERS)),
        st.integers(0, max(strings - 1, 0)),
    )


any_string = st.builds(
    str.format,
    st.sampled_from(
        [
            *["<si><t>{}</t></si>"] * 4,
            '<si><t xml:space="preserve">{}</t></si>',
            "<si><r><t>{}</t></r><r><t>zz</t></r></si>",
            "<si><t/></si>",
            '<si><t>{}</t><phoneticPr fontId="1"/></si>',
        ]
    ),
    st.sampled_from(TEXTS),
)


@st.composite
def sheets(draw: st.DrawFn) -> tuple[str, str | None, bool]:
    """A sheet's XML and the shared strings; and whether dates are counted from 1904."""
    strings = draw(st.lists(any_string, max_size=5))
    width, left = draw(st.integers(1, 4)), draw(st.sampled_from((0, 0, 0, 2, 30)))
    rows, row = [], draw(st.sampled_from((0, 0, 0, 3)))
    for _ in range(draw(st.integers(1, 12))):
        row += draw(st.sampled_from((1, 1, 1, 1, 2, 12)))
        names = [f"{column_letters(left + column)}{row}" for column in range(width)]
        held = "".join(draw(any_cell(name, len(strings))) for name in names)
        about = draw(st.sampled_from(("", "", ' spans="1:3"', ' hidden="1"')))
        rows.append(f'<row r="{row}"{about}>{held}</row>' if held else f'<row r="{row}"{about}/>')
    tail = draw(st.sampled_from(("", '<mergeCells><mergeCell ref="A1:B1"/></mergeCells>')))
    content = "".join(
        (
            f'<worksheet xmlns="{MAIN}"><cols><col min="1" max="1" hidden="1"/></cols>',
            f"<sheetData>{''.join(rows)}</sheetData>{tail}</worksheet>",
        )
    )
    return content, "".join(strings) if strings else None, draw(st.booleans())


OPTIONS: tuple[dict[str, Any], ...] = ({}, {}, {"header_row": 2}, {"rows": (3, 9)})
FEW = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FEW
@given(sheets(), st.sampled_from(OPTIONS))
def test_whatever_a_sheet_holds_is_read_as_by_the_library(
    tmp_path: Path, sheet: tuple[str, str | None, bool], options: dict[str, Any]
) -> None:
    content, strings, of_1904 = sheet
    path = book(tmp_path / "s.xlsx", content, strings, of_1904=of_1904)
    ours, theirs, _ = read_both(path, **options)
    assert ours == theirs


@FEW
@given(sheets(), st.floats(0, 1), st.integers(0, 4), st.sampled_from(DAMAGE))
def test_a_damaged_sheet_is_read_or_refused_as_by_the_library(
    tmp_path: Path, sheet: tuple[str, str | None, bool], where: float, length: int, damage: str
) -> None:
    content, strings, of_1904 = sheet
    at = int(len(content) * where)
    spoilt = (content[:at] + damage + content[at + length :]).encode(errors="surrogateescape")
    ours, theirs, _ = read_both(book(tmp_path / "s.xlsx", spoilt, strings, of_1904=of_1904))
    assert ours == theirs


@given(st.text("0123456789.", max_size=18) | st.text("-0123456789.eE +x", max_size=18))
def test_a_plain_number_is_one_that_no_float_changes(text: str) -> None:
    piece = Piece(f"<v>{text}</v>".encode())
    begin = np.array([3])
    end = begin + len(text)
    if piece.numbers(begin, end).all():
        assert cell_text(float(text)) == text
    elif text.isdigit() and len(text) <= 15:
        assert str(int(text)) != text
    assert piece.digits(begin, end).all() == (text.isdigit() and len(text) <= 9)


@given(st.integers(0, 10**15 - 1), st.integers(0, 14))
def test_numbers_as_people_write_them_are_plain(number: int, places: int) -> None:
    digits = str(number).rjust(places + 1, "0")
    text = f"{digits[: len(digits) - places]}.{digits[len(digits) - places :]}"
    text = text.rstrip("0").rstrip(".") if places else digits
    piece = Piece(text.encode())
    assert piece.numbers(np.array([0]), np.array([len(text)])).all()


def plainly(path: Path, **options: object) -> list[tuple[int, list[str]]]:
    """The rows of a sheet that is read without the library, which agrees."""
    ours, theirs, plain = read_both(path, **options)
    assert plain
    assert ours == theirs
    assert not isinstance(ours, str)
    return ours[1]


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
def test_what_a_real_program_writes_is_plain(file: Path, in_place: bool) -> None:
    with xlsxwriter.Workbook(str(file), {"constant_memory": in_place}) as book:
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        fill(book.add_worksheet("Leads"), moment, book.add_format({"num_format": "0%"}))
        book.add_worksheet("Other")
    rows = plainly(file)
    first = ["Kovács & Fia 1", "36201234001", "2024-03-02 09:30:00", "0.125", "#N/A", "1", "TRUE"]
    assert rows[0] == (2, first)
    assert [number for number, _ in rows] == list(range(2, 41))


def test_what_another_program_writes_is_plain(file: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Name", "Since", "Sum", "Yes"])
    for row in range(2, 30):
        sheet.append([f"Lead {row}", dt.date(2024, 1, row), row / 4, True])
    sheet.append(["=A1", None, "=1+1"])
    book.save(file)
    rows = plainly(file)
    assert rows[0] == (2, ["Lead 2", "2024-01-02", "0.5", "TRUE"])
    assert rows[-1] == (30, ["#FORMULA!", "", "#FORMULA!", ""])


def test_formulas_without_values_are_told_apart_however_many_they_are(file: Path) -> None:
    rows = range(2, 500)
    body = '<row r="{0}"><c r="A{0}"><f>B{0}</f></c><c r="B{0}"><f>A{0}</f><v> </v></c></row>'
    write_raw(file, cells("".join(map(body.format, rows))))
    assert plainly(file) == [(row, ["#FORMULA!", "#FORMULA!"]) for row in rows]


def test_rows_far_apart_keep_their_numbers(file: Path) -> None:
    far = (2, BATCH_ROWS, BATCH_ROWS + 1, 5 * BATCH_ROWS + 7, 6 * BATCH_ROWS)
    body = "".join(f'<row r="{row}"><c r="B{row}"><v>{row}</v></c></row>' for row in far)
    write_raw(file, cells(body))
    assert plainly(file) == [(row, ["", str(row)]) for row in far]
    assert read(file) == read_both(file)[1]


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
def test_what_no_program_writes_is_left_to_the_library(file: Path, row: str) -> None:
    ours, theirs, plain = read_both(write_raw(file, cells(row)))
    assert not plain
    assert ours == theirs


def test_a_sheet_of_odd_cells_is_left_to_the_library(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking for each apart would take longer."""
    rows = range(2, 30_000)
    odd = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><r><t>{0}</t></r></is></c></row>'
    write_raw(file, cells("".join(map(odd.format, rows))))
    monkeypatch.setattr(plainsheet, "_ODD_FREE", 1000)
    ours, theirs, plain = read_both(file)
    assert not plain
    assert ours == theirs


def test_blank_cells_at_the_end_are_columns_where_the_library_counts_them(file: Path) -> None:
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
        assert plainly(book(file, content, "<si><t></t></si>"))


def test_an_error_cell_without_content_is_none_and_spoils_no_other(file: Path) -> None:
    """Neither here nor where an error that the library does not know has the sheet rewritten."""
    row = '<row r="2"><c r="A2" t="e"/><c r="B2"><v>5</v></c></row>'
    more = '<row r="3"><c r="A3" t="e"><v>#SPILL!</v></c></row>'
    for body, rows in (
        (row, [(2, ["", "5"])]),
        (row + more, [(2, ["", "5"]), (3, ["#SPILL!", ""])]),
    ):
        assert plainly(write_raw(file, cells(body))) == rows


def test_shared_strings_that_are_mostly_odd_are_left_to_the_library(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking for each apart takes longer; a few of them do not matter, however long the list."""
    monkeypatch.setattr(plainstrings, "_ODD_FREE", 100)
    for every, plainly_read in ((2, False), (5, True)):
        rows = range(2, 600)
        body = '<row r="{0}"><c r="A{0}" t="s"><v>{1}</v></c></row>'
        strings = [f"<si><t>A {'&amp;' if n % every == 0 else '+'} {n}</t></si>" for n in rows]
        content = cells("".join(body.format(row, row - 2) for row in rows))
        ours, theirs, plain = read_both(book(file, content, "".join(strings)))
        assert plain == plainly_read
        assert ours == theirs


def test_a_sheet_of_many_different_heads_is_left_to_the_library(file: Path) -> None:
    """Every cell would be compared with all of them."""
    rows = range(2, 302)
    body = '<row r="{0}"><c r="A{0}" s="{1}"><v>{0}</v></c></row>'
    for styles, plainly_read in ((40, True), (100, False)):
        content = cells("".join(body.format(row, row % styles) for row in rows))
        ours, theirs, plain = read_both(book(file, content))
        assert plain == plainly_read
        assert ours == theirs


def test_dates_that_are_often_the_same_are_held_once(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The XML is longer than one piece, since what is held is looked at between two."""
    monkeypatch.setattr(plainsheet, "_ODD_LIMIT", 2000)
    body = '<row r="{0}"><c r="A{0}" s="1"><v>{1}</v></c></row>' + " " * 3000
    content = "".join(body.format(row, 45_000 + row % 7) for row in range(2, 1000))
    plainly(book(file, cells(content)))
