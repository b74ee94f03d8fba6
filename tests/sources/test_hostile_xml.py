"""XML made so that whoever reads it takes all time, or sees other cells than the library does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.sources.test_generated_sheets import book, read, read_both
from tests.sources.test_workbooks import MAIN, cells, write_raw

SOON = 10
"""Seconds; each of these files took minutes, and takes less than one."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leads.xlsx"


def test_a_megabyte_of_white_space_before_the_shared_strings_takes_no_time(file: Path) -> None:
    row = '<row r="2"><c r="A2"><v>1</v></c></row>'
    strings = " " * 2**20 + f'<x:sst xmlns:x="{MAIN}"><si><t>Ann</t></si></x:sst>'
    begun = time.monotonic()
    assert read(write_raw(file, cells(row), strings=strings))[1] == [(2, ["1", ""])]
    assert time.monotonic() - begun < SOON


FAR = '<row r="2"><c r="A2"><v>1</v></c></row><row r="1000000">{}</row>'
FAR_CELL = '<c r="XFD1000000"><v>1</v></c>'


@pytest.mark.parametrize(
    "content",
    [
        cells(FAR.format(FAR_CELL)).replace("<sheetData>", '<sheetData x="1">'),
        cells(FAR.format(FAR_CELL)).replace("<sheetData>", '<sheetData x="/>">'),
        cells(FAR.format(FAR_CELL)).replace("<sheetData>", '<sheetData x="<">'),
        cells(FAR.format(FAR_CELL), before="<!-- <sheetData/> -->"),
        cells(FAR.format(FAR_CELL), before=f"<!-- {cells('')} -->"),
        cells(FAR.format(FAR_CELL), before="<![CDATA[ <sheetData/> ]]>"),
        cells(FAR.format(FAR_CELL), before="<?x <sheetData/> ?>"),
        cells(FAR.format(FAR_CELL), before="<x y='<sheetData/>'/>"),
        cells(FAR.format(FAR_CELL), before='<x y=<!-- " -->><sheetData/>" >'),
        cells(FAR.format(FAR_CELL)).replace("sheetData>", "é:sheetData>"),
        cells(f"<!-- </sheetData> -->{FAR.format(FAR_CELL)}"),
        cells(FAR.format('<c r="XFD1000000" a="/>"><v>1</v></c>')),
        cells(FAR.format('<c a=">" r="XFD1000000"><v>1</v></c>')),
        cells(FAR.format('<c a="<" r="XFD1000000"><v>1</v></c>')),
        cells(FAR.format('<é:c r="XFD1000000"><v>1</v></é:c>')),
        cells(FAR.format(f'<x a="<!--"/>{FAR_CELL}<x a="-->"/>')),
        cells(FAR.format(f"<?x <!-- ?>{FAR_CELL}<?x --> ?>")),
    ],
)
def test_no_cell_is_hidden_from_the_limits(file: Path, content: str) -> None:
    """The library finds it, and would make room for all cells before it."""
    found = read(write_raw(file, content))
    assert isinstance(found, str)
    assert "columns; 2,000 are read" in found or "damaged" in found


@pytest.mark.parametrize(
    "before",
    [
        "<!-- made by <us> -->",
        '<sheetPr codeName="it\'s"/><!-- a --><!-- b -->',
        '<?mso-application progid="x"?>',
        '<cols>\n<col min="1" max="2" width="9"\n/></cols>',
    ],
)
def test_what_programs_write_before_the_cells_is_no_harm(file: Path, before: str) -> None:
    content = cells('<row r="2"><c r="A2"><v>1</v></c></row>', before)
    for start in ("<sheetData>", "<sheetData >", '<sheetData x="1">'):
        ours, theirs = read_both(write_raw(file, content.replace("<sheetData>", start)))
        assert ours == theirs
        assert ours[1] == [(2, ["1", ""])]


def test_a_part_without_cells_is_refused(file: Path) -> None:
    assert "missing or is not one" in read(write_raw(file, f'<worksheet xmlns="{MAIN}"/>'))


@pytest.mark.parametrize(
    "body",
    [
        '<row r="2" hidden="1">' * 40_000,
        "<row r='2' hidden='1'>" * 40_000,
        '<row r="2" hidden="1" ' * 40_000,
        f'<row r="2"><c r="A2" t="e">{"<v>" * 200_000}</c></row>',
        f"<row r='2'><c r='A2' t='e'>{'<v ' * 200_000}</c></row>",
        f'<row r="2">{"".join(f"<c r={chr(34)}A2{chr(34)} t={chr(34)}e{chr(34)}>" * 40_000)}</row>',
        f"<row r='2'>{'<c t=' + chr(39) + 'e' + chr(39) + '>'}{'<c>' * 200_000}</row>",
        f'<row r="2"><c r="A2"><f>{"</f></c>" * 100_000}</row>',
        f'<row r="2"><c r="A2"><f></f>{" " * 900_000}x</c></row>',
        f'<row r="2"><c r="A2">{"<f " * 300_000}</c></row>',
        f"<!-- -->{'<c ' * 300_000}",
        "<!--" * 200_000,
        f"<row r='2'><c r='A2' {'t=' + chr(39) + 'e' + chr(39) + ' '}{'t= ' * 200_000}</row>",
    ],
    ids=range(13),
)
def test_no_tag_without_an_end_is_looked_for_again_and_again(file: Path, body: str) -> None:
    begun = time.monotonic()
    read(write_raw(file, cells(body + '<row r="3"><c r="A3"><v>1</v></c></row>')))
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="A2"><f>B1</f ><v/></c>',
        '<c r="A2"><f>B1</f><v xml:space="preserve"></v></c>',
        '<c r="A2"><f t="shared" si="0"/><v xml:space="preserve"> </v ></c>',
    ],
)
def test_a_formula_without_a_value_is_told_however_it_is_spelt(file: Path, cell: str) -> None:
    row = f'<row r="2">{cell}<c r="B2"><v>1</v></c></row>'
    ours, theirs = read_both(write_raw(file, cells(row)))
    assert ours == theirs
    assert ours[1] == [(2, ["#FORMULA!", "1"])]


@pytest.mark.parametrize("inside", ["<is><t>x</t></is>", "<v> </v>", "<v>\n</v>"])
def test_an_odd_error_cell_is_left_to_the_library(file: Path, inside: str) -> None:
    row = f'<row r="2"><c r="A2" t="e">{inside}</c><c r="B2"><v>1</v></c></row>'
    ours, theirs = read_both(write_raw(file, cells(row)))
    assert ours == theirs


@pytest.mark.parametrize("inside", ["<is/>", "<is><t/></is>", "<is><t>x</t></is>"])
def test_a_formula_with_a_text_of_its_own_is_left_to_the_library(file: Path, inside: str) -> None:
    row = f'<row r="2"><c r="A2"><f>B1</f>{inside}</c><c r="B2"><v>1</v></c></row>'
    ours, theirs = read_both(write_raw(file, cells(row)))
    assert ours == theirs


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("number", [" 1", "1 ", "1.0", "-1", "x"])
def test_a_shared_string_without_a_number_is_not_the_first_one(
    file: Path, number: str, quote: str
) -> None:
    for formula in ("", "<f>B1</f>", '<f t="shared" si="0"/>'):
        cell = f'<c r="A2" t="s">{formula}<v>{number}</v></c>'.replace('"', quote)
        content = cells(f'<row r="2">{cell}</row>')
        for found in read_both(book(file, content, "<si><t>Ann</t></si><si><t>Bob</t></si>")):
            assert "none of the workbook's" in found
