"""Workbooks whose parts are elsewhere, otherwise named or missing (ECMA-376, part 2)."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from importer.errors import SourceError
from importer.settings import SourceOptions
from importer.sources import open_source
from tests.support.xlsb import cell, row, write_xlsb

Parts = dict[str, bytes]
HEADERS = ("Name", "Signed", "Price")
ROWS = {2: ["Ann & Bob", "2024-05-17", "1.5"], 3: ["Győző", "2024-05-18", "#N/A"]}


def parts(*, since_1904: bool = False) -> Parts:
    """A workbook with shared strings, dates, an error, and a second sheet."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"date_1904": since_1904}) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        page = book.add_worksheet("Leads")
        book.add_worksheet("Other").write(0, 0, "not this one")
        for column, header in enumerate(HEADERS):
            page.write_string(0, column, header)
        page.write_string(1, 0, "Ann & Bob")
        page.write_datetime(1, 1, dt.datetime(2024, 5, 17, tzinfo=dt.UTC).replace(tzinfo=None), day)
        page.write_number(1, 2, 1.5)
        page.write_string(2, 0, "Győző")
        page.write_datetime(2, 1, dt.datetime(2024, 5, 18, tzinfo=dt.UTC).replace(tzinfo=None), day)
        page.write_formula(2, 2, "NA()", None, "#N/A")
    with zipfile.ZipFile(content) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(path: Path, content: Parts) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in content.items():
            archive.writestr(zipfile.ZipInfo(name), part)
    return path


def read(path: Path, sheet: str | None = None) -> tuple[tuple[str, ...], dict[int, list[str]]]:
    with open_source(path, SourceOptions(sheet=sheet)) as source:
        rows: dict[int, list[str]] = {}
        for batch in source.batches():
            columns = [batch.columns[n].to_pylist() for n in range(len(source.info.headers))]
            cells = map(list, zip(*columns, strict=True))
            rows |= dict(zip(batch.rows.tolist(), cells, strict=True))
        return source.info.headers, rows


def changed(content: Parts, *changes: tuple[str, str], only: str = "") -> Parts:
    """Texts replaced in the parts whose names hold `only`."""

    def new(part: bytes) -> bytes:
        for old, text in changes:
            part = part.replace(old.encode(), text.encode())
        return part

    return {name: new(part) if only in name else part for name, part in content.items()}


def renamed(content: Parts, *changes: tuple[str, str]) -> Parts:
    def new(name: str) -> str:
        for old, text in changes:
            name = name.replace(old, text)
        return name

    return {new(name): part for name, part in content.items()}


def at_the_root(content: Parts) -> Parts:
    return changed(renamed(content, ("xl/", "")), ("xl/", ""), only="_rels/.rels")


def of_another_name(content: Parts) -> Parts:
    found = renamed(content, ("workbook.xml", "book2.xml"))
    return changed(found, ("workbook.xml", "book2.xml"), only="_rels/.rels")


def deep_and_absolute(content: Parts) -> Parts:
    """All targets begin with a slash, as some programs write them."""
    found = changed(renamed(content, ("xl/", "a b/c/")), ("xl/", "/a%20b/c/"), only="_rels/.rels")
    return changed(found, ('Target="', 'Target="/a%20b/c/'), only="workbook.xml.rels")


def absolute_in_place(content: Parts) -> Parts:
    return changed(content, ('Target="', 'Target="/xl/'), only="workbook.xml.rels")


def with_dots(content: Parts) -> Parts:
    return changed(content, ('Target="', 'Target="../xl/./'), only="workbook.xml.rels")


def with_backslashes(content: Parts) -> Parts:
    found = {name.replace("/", "\\"): part for name, part in content.items()}
    return changed(found, ("worksheets/", "worksheets\\"), only="workbook.xml.rels")


def in_capitals(content: Parts) -> Parts:
    return {"[Content_Types].xml": content["[Content_Types].xml"]} | {
        name.upper(): part for name, part in content.items() if name != "[Content_Types].xml"
    }


def strict(content: Parts) -> Parts:
    """The namespaces of ISO 29500 strict."""
    office, purl = "http://schemas.openxmlformats.org", "http://purl.oclc.org/ooxml"
    return changed(
        content,
        (f"{office}/spreadsheetml/2006/main", f"{purl}/spreadsheetml/main"),
        (f"{office}/officeDocument/2006/relationships", f"{purl}/officeDocument/relationships"),
    )


def strings_elsewhere(content: Parts) -> Parts:
    found = renamed(content, ("sharedStrings.xml", "text/s.xml"), ("styles.xml", "look.xml"))
    return changed(
        found,
        ("sharedStrings.xml", "text/s.xml"),
        ("styles.xml", "look.xml"),
        only="workbook.xml.rels",
    )


def sheets_elsewhere(content: Parts) -> Parts:
    found = renamed(content, ("xl/worksheets/sheet1.xml", "data/one.dat"))
    return changed(found, ("worksheets/sheet1.xml", "../data/one.dat"), only="workbook.xml.rels")


def contents_last(content: Parts) -> Parts:
    first = content.pop("[Content_Types].xml")
    return {**content, "[Content_Types].xml": first}


def without_contents(content: Parts) -> Parts:
    del content["[Content_Types].xml"]
    return content


def without_root_relations(content: Parts) -> Parts:
    del content["_rels/.rels"]
    return content


def with_prefixes(content: Parts) -> Parts:
    """Each tag of the workbook has a prefix."""
    found = dict(content)
    book = found["xl/workbook.xml"].replace(b"<", b"<x:").replace(b"<x:/", b"</x:")
    found["xl/workbook.xml"] = book.replace(b"<x:?", b"<?").replace(b"xmlns=", b"xmlns:x=")
    return found


def with_a_module(content: Parts) -> Parts:
    """A sheet without a relationship stands before the others, as old macro modules do."""
    other = '<sheet name="Module1" sheetId="9" r:id=""/>'
    return changed(content, ("<sheets>", f"<sheets>{other}"), only="xl/workbook.xml")


def with_a_lost_sheet(content: Parts) -> Parts:
    """A sheet whose relationship is not there."""
    other = '<sheet name="Lost" sheetId="9" r:id="rId99"/>'
    return changed(content, ("<sheets>", f"<sheets>{other}"), only="xl/workbook.xml")


def with_a_chart_sheet(content: Parts) -> Parts:
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    other = f'<Relationship Id="rId99" Type="{office}/chartsheet" Target="chartsheets/sheet1.xml"/>'
    found = changed(with_a_lost_sheet(content), ("</Relationships>", f"{other}</Relationships>"))
    return {**found, "xl/chartsheets/sheet1.xml": b"<chartsheet/>"}


def with_a_name_that_means_nothing(content: Parts) -> Parts:
    names = '<definedNames><definedName name="N">GET.WORKSPACE(</definedName></definedNames>'
    return changed(content, ("</sheets>", f"</sheets>{names}"), only="xl/workbook.xml")


KINDS = [
    at_the_root,
    of_another_name,
    deep_and_absolute,
    absolute_in_place,
    with_dots,
    with_backslashes,
    in_capitals,
    strict,
    strings_elsewhere,
    sheets_elsewhere,
    contents_last,
    without_contents,
    without_root_relations,
    with_prefixes,
    with_a_module,
    with_a_lost_sheet,
    with_a_chart_sheet,
    with_a_name_that_means_nothing,
]


@pytest.mark.parametrize("change", KINDS, ids=lambda change: change.__name__)
def test_a_workbook_is_read_wherever_its_parts_are(
    tmp_path: Path, change: Callable[[Parts], Parts]
) -> None:
    path = packed(tmp_path / "a.xlsx", change(parts()))
    assert read(path) == (HEADERS, ROWS)
    with pytest.raises(SourceError, match="no data below the header"):
        read(path, "Other")


@pytest.mark.parametrize("change", [at_the_root, with_a_module])
def test_days_since_1904_are_right_wherever_the_workbook_is(
    tmp_path: Path, change: Callable[[Parts], Parts]
) -> None:
    path = packed(tmp_path / "a.xlsx", change(parts(since_1904=True)))
    assert read(path) == (HEADERS, ROWS)


def test_a_workbook_without_formats_is_read(tmp_path: Path) -> None:
    content = parts()
    del content["xl/styles.xml"]
    rows = read(packed(tmp_path / "a.xlsx", content))[1]
    assert [cells[0] for cells in rows.values()] == ["Ann & Bob", "Győző"]


def test_a_text_that_is_none_of_the_workbooks_is_not_read_as_another(tmp_path: Path) -> None:
    """The table of shared strings is missing."""
    content = parts()
    del content["xl/sharedStrings.xml"]
    with pytest.raises(SourceError, match="damaged"):
        read(packed(tmp_path / "a.xlsx", content))


def test_a_text_document_elsewhere_is_no_workbook(tmp_path: Path) -> None:
    content = changed(parts(), ("xl/workbook.xml", "doc.xml"), only="_rels/.rels")
    content = renamed(content, ("xl/", "word/")) | {"doc.xml": b"<w:document/>"}
    with pytest.raises(SourceError, match="office document"):
        read(packed(tmp_path / "a.xlsx", content))


def test_a_binary_workbook_is_read_wherever_it_is(tmp_path: Path) -> None:
    body = row(0) + cell(0, "Name") + cell(1, "Signed")
    body += row(1) + cell(0, "Ann") + cell(1, 45429.0, 1)
    with zipfile.ZipFile(write_xlsb(tmp_path / "a.xlsb", body)) as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()}
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    relation = f'<Relationship Id="a" Type="{office}" Target="book/b.bin"/>'
    content["_rels/.rels"] = f"<Relationships>{relation}</Relationships>".encode()
    content = renamed(content, ("xl/", "book/"), ("workbook.bin", "b.bin"))
    path = packed(tmp_path / "b.xlsb", content)
    assert read(path) == (("Name", "Signed"), {2: ["Ann", "2024-05-17"]})
