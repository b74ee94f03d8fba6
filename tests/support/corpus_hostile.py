"""Files made to do harm, too large to keep: built in a folder when a test asks for them."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_HEADER = "".join(
    f'<c r="{letter}1" t="inlineStr"><is><t>{name}</t></is></c>'
    for letter, name in zip("ABC", ("Name", "City", "Phone"), strict=True)
)
_MIB = 2**20


def workbook(path: Path, pieces: Iterator[bytes], book: str = "") -> Path:
    """A workbook whose one sheet has these pieces of XML behind its header row."""
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{book}<workbook xmlns="{MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        '<sheet name="Leads" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" '
        f'Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            part.write(f'<worksheet xmlns="{MAIN}"><sheetData><row r="1">{_HEADER}</row>'.encode())
            for piece in pieces:
                part.write(piece)
            part.write(b"</sheetData></worksheet>")
    return path


def workbook_bomb(folder: Path) -> Path:
    """A hundred MiB of rows without cells, which pack to a tenth of one."""
    return workbook(folder / "bomb.xlsx", iter([b"<row></row>" * (_MIB // 11)] * 100))


def entities(folder: Path) -> Path:
    """A workbook part that would grow to gigabytes when its entities are put in."""
    nested = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    book = f'<!DOCTYPE x [<!ENTITY e0 "boom">{nested}]>'
    return workbook(folder / "entities.xlsx", iter(()), book)


def entities_in_the_sheet(folder: Path) -> Path:
    """The same in the sheet itself, before its cells."""
    path = workbook(folder / "entities.xlsx", iter(()))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    declared = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + sheet
    row = b'<row r="2"><c r="A2" t="inlineStr"><is><t>&e;</t></is></c></row></sheetData>'
    parts["xl/worksheets/sheet1.xml"] = declared.replace(b"</sheetData>", row)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def cells_far_apart(folder: Path) -> Path:
    """Two cells, between which a billion would have room."""
    cell = '<row r="1000000"><c r="BBB1000000"><v>1</v></c></row>'
    return workbook(folder / "far.xlsx", iter([cell.encode()]))


def million_columns_of_text(folder: Path) -> Path:
    """A header of a million names."""
    path = folder / "wide.csv"
    path.write_bytes(b"Name,City,Phone," + b"x," * 10**6 + b"\nAnn,Vac,06301234567\n")
    return path


def million_columns_of_a_sheet(folder: Path) -> Path:
    """A row of a million cells, which have no references."""
    cell = b"<c><v>1</v></c>"
    return workbook(folder / "wide.xlsx", iter([b'<row r="2">' + cell * 10**6 + b"</row>"]))


def huge_cell(folder: Path) -> Path:
    """256 MiB without a line break; the file system keeps them as a hole, and a copy does not."""
    path = folder / "huge.csv"
    with path.open("wb") as file:
        file.write(b"Name,City,Phone\nAnn," + b"x" * (16 * _MIB))
        file.truncate(2**28)
    return path


def huge_cell_in_a_sheet(folder: Path) -> Path:
    """A text of 8 MiB in a cell."""
    text = b'<row r="2"><c r="A2" t="inlineStr"><is><t>' + b"ab" * (4 * _MIB)
    return workbook(folder / "huge.xlsx", iter([text, b"</t></is></c></row>"]))


def gzip_bomb(folder: Path) -> Path:
    """A gigabyte of the same line, in a megabyte."""
    path = folder / "bomb.csv.gz"
    packed = gzip.compress(b"Name,City,Phone\n" + b"a,b,06301234567\n" * (_MIB // 16 * 10))
    path.write_bytes(packed * 100)  # members one after the other are one file
    return path


def zip_bomb(folder: Path) -> Path:
    """A hundred MiB of the same line in an archive."""
    path = folder / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("list.csv", "w") as part,
    ):
        part.write(b"Name,City,Phone\n")
        for _ in range(100):
            part.write(b"a,b,06301234567\n" * (_MIB // 16))
    return path


def way_out(folder: Path) -> Path:
    """An archive whose one list wants to be written above the folder."""
    path = folder / "way_out.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../../../tmp/evil.csv", "Name,City,Phone\nAnn,Vác,06301234567\n")
    return path


def zip_in_zip(folder: Path) -> Path:
    """Archives in archives, as bombs are nested."""
    inner = folder / "inner.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("list.csv", "Name,City,Phone\nAnn,Vác,06301234567\n")
    for number in range(4):
        outer = folder / f"outer{number}.zip"
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(inner, "inner.zip")
        inner = outer
    return inner


MADE: dict[str, Callable[[Path], Path]] = {
    build.__name__: build
    for build in (
        workbook_bomb,
        entities,
        entities_in_the_sheet,
        cells_far_apart,
        million_columns_of_text,
        million_columns_of_a_sheet,
        huge_cell,
        huge_cell_in_a_sheet,
        gzip_bomb,
        zip_bomb,
        way_out,
        zip_in_zip,
    )
}
