"""Numbers whose format says how they are read, in workbooks of every kind but .xls.

Most are in date formats, and no day of the calendar.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from importer.settings import SourceOptions
from importer.sources import open_source
from tests.sources.test_other_workbooks import said, table, write_ods
from tests.sources.test_workbooks import MAIN, write_raw
from tests.support.xlsb import cell, row, write_xlsb

STYLES = ("General", "yyyy\\-mm\\-dd", "h:mm", "[h]:mm", "yyyy. mm. dd.;@", "0.00", "00000")
VALUES = [
    ("45429", 1, "2024-05-17"),
    ("45429.5", 4, "2024-05-17 12:00:00"),
    ("1", 1, "1900-01-01"),
    ("59", 4, "1900-02-28"),
    ("60", 1, "#DATE!"),  # the 29 February that never was
    ("60.5", 4, "#DATE!"),
    ("61", 1, "1900-03-01"),
    ("0", 1, "#DATE!"),
    ("0.5", 4, "#DATE!"),
    ("-5", 1, "#DATE!"),
    ("-1.5", 4, "#DATE!"),
    ("-700000", 1, "#DATE!"),
    ("2958465", 1, "9999-12-31"),
    ("2958466", 1, "#DATE!"),
    ("36301234567", 4, "#DATE!"),
    ("1E+300", 1, "#DATE!"),
    ("-1E-9", 1, "#DATE!"),
    ("0", 2, "00:00:00"),
    ("0.75", 2, "18:00:00"),
    ("-0.75", 2, "#DATE!"),
    ("1.5", 3, "36:00:00"),
    ("-0.5", 3, "-12:00:00"),
    ("1E+10", 3, "#DATE!"),
    ("-5", 0, "-5"),
    ("0", 5, "0"),
    ("36301234567", 5, "36301234567"),
    ("1067", 6, "01067"),  # zeros that the format shows
    ("99084", 6, "99084"),
    ("-1067", 6, "-1067"),
    ("10.5", 6, "10.5"),
]


def read(path: Path) -> dict[int, list[str]]:
    with open_source(path, SourceOptions()) as source:
        found: dict[int, list[str]] = {}
        for batch in source.batches():
            columns = [batch.columns[n].to_pylist() for n in range(len(source.info.headers))]
            texts = map(list, zip(*columns, strict=True))
            found |= dict(zip(batch.rows.tolist(), texts, strict=True))
        return found


def text(reference: str, value: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{value}</t></is></c>'


def workbook(path: Path, rows: str, *, since_1904: bool = False) -> Path:
    head = f'<row r="1">{text("A1", "Name")}{text("B1", "Day")}</row>'
    write_raw(path, f'<worksheet xmlns="{MAIN}"><sheetData>{head}{rows}</sheetData></worksheet>')
    formats = "".join(
        f'<numFmt numFmtId="{170 + n}" formatCode="{code}"/>' for n, code in enumerate(STYLES)
    )
    styles = "".join(f'<xf numFmtId="{170 + n if n else 0}"/>' for n in range(len(STYLES)))
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    if since_1904:
        book = parts["xl/workbook.xml"]
        parts["xl/workbook.xml"] = book.replace(b"<sheets>", b'<workbookPr date1904="1"/><sheets>')
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        archive.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{MAIN}"><numFmts count="6">{formats}</numFmts>'
            f'<cellStyleXfs count="1"><xf numFmtId="14"/></cellStyleXfs>'
            f"<cellXfs>{styles}</cellXfs></styleSheet>",
        )
    return path


@pytest.mark.parametrize(
    "shape",
    [
        '<row r="2">{name}<c r="B2" s="{style}"><v>{value}</v></c></row>',
        '<row r="2">{name}<c r="B2" s="{style}" t="n"><f>B1-1</f><v>{value}</v></c></row>',
        '<row>{name}<c s="{style}"><v>{value}</v></c></row>',
        "<row r='2'>{name}<c r='B2' s='{style}'><!-- x --><v>{value}</v></c></row>",
    ],
    ids=["plain", "formula", "no references", "comment"],
)
@pytest.mark.parametrize(("value", "style", "shown"), VALUES)
def test_a_number_of_xlsx_is_a_date_or_an_error(
    tmp_path: Path, value: str, style: int, shown: str, shape: str
) -> None:
    rows = shape.format(name=text("A2", "Ann"), value=value, style=style)
    assert read(workbook(tmp_path / "a.xlsx", rows)) == {2: ["Ann", shown]}


@pytest.mark.parametrize(("value", "style", "shown"), [v for v in VALUES if v[1] < 2])
def test_a_number_of_xlsb_is_a_date_or_an_error(
    tmp_path: Path, value: str, style: int, shown: str
) -> None:
    body = row(0) + cell(0, "Name") + cell(1, "Day")
    body += row(1) + cell(0, "Ann") + cell(1, float(value), style)
    assert read(write_xlsb(tmp_path / "a.xlsb", body)) == {2: ["Ann", shown]}


@pytest.mark.parametrize(("value", "shown"), [(1067.0, "01067"), (99084.0, "99084")])
def test_a_number_of_xlsb_has_the_zeros_that_its_format_shows(
    tmp_path: Path, value: float, shown: str
) -> None:
    body = row(0) + cell(0, "Name") + cell(1, "Zip")
    body += row(1) + cell(0, "Ann") + cell(1, value, 2)
    assert read(write_xlsb(tmp_path / "a.xlsb", body)) == {2: ["Ann", shown]}


@pytest.mark.parametrize(("value", "shown"), [("-1", "#DATE!"), ("1", "1904-01-02")])
def test_days_since_1904_may_be_fewer(tmp_path: Path, value: str, shown: str) -> None:
    rows = f'<row r="2">{text("A2", "Ann")}<c r="B2" s="1"><v>{value}</v></c></row>'
    path = workbook(tmp_path / "a.xlsx", rows, since_1904=True)
    assert read(path) == {2: ["Ann", shown]}


@pytest.mark.parametrize(
    ("day", "shown"),
    [
        ("2024-05-17", "2024-05-17"),
        ("1899-12-30", "#DATE!"),  # 0
        ("1899-12-25", "#DATE!"),  # -5
        ("1899-12-28T12:00:00", "#DATE!"),
        ("1900-01-02", "1900-01-02"),
        ("0017-05-24", "#DATE!"),
        ("-0017-05-24", "#DATE!"),
        ("12024-05-17", "#DATE!"),
    ],
)
def test_a_day_of_ods_before_its_calendar_is_an_error(tmp_path: Path, day: str, shown: str) -> None:
    """Programs that count days store a negative number so."""
    cells = f'<table:table-cell office:value-type="date" office:date-value="{day}"/>'
    path = write_ods(
        tmp_path / "a.ods", table(f"<table:table-row>{said('Ann')}{cells}</table:table-row>")
    )
    assert read(path) == {2: ["Ann", shown]}
