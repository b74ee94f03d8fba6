"""What kind a file is, and what is said of files that cannot be read."""

from __future__ import annotations

import hashlib
import io
import os
import time
import zipfile
from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.settings import SourceOptions
from importer.sources import file_sha256, open_source
from importer.sources.detect import REFUSALS, FileKind, detect, kind_of_text
from importer.sources.inputfile import InputFile
from tests.support.compound import compound_file

NOISE = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(200))
PLAIN = bytes(n if n < 128 else n - 128 for n in range(256))


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in members.items():
            opened.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return buffer.getvalue()


def refusal(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        open_source(path, SourceOptions())
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (
            compound_file({"EncryptionInfo": b"", "EncryptedPackage": NOISE}),
            FileKind.ENCRYPTED,
            "password",
        ),
        (compound_file({"WordDocument": NOISE, "1Table": b""}), FileKind.OFFICE, "office document"),
        (compound_file({"PowerPoint Document": NOISE}), FileKind.OFFICE, "office document"),
        (compound_file({"__properties_version1.0": NOISE}), FileKind.OFFICE, "office document"),
        (b"\r\n" + archive(xl__workbook_DOT_xml=b""), FileKind.PREFIXED, "stand before"),
        (b"\xef\xbb\xbf" + archive(a_DOT_csv=b"Name\n"), FileKind.PREFIXED, "stand before"),
        (b"<br />Warning" + archive(xl__workbook_DOT_xml=b""), FileKind.PREFIXED, "stand before"),
        (b"\n" + compound_file({"Workbook": NOISE}), FileKind.PREFIXED, "stand before"),
        (archive(word__document_DOT_xml=b""), FileKind.OFFICE, "office document"),
        (archive(Index__Document_DOT_iwa=b""), FileKind.NUMBERS, "Numbers"),
        (bytes(257) + b"ustar\x0000" + bytes(300), FileKind.ARCHIVE, "archive"),
        (b"%PDF-1.7\n", FileKind.PDF, "PDF"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><html>", FileKind.HTML, "HTML"),
        (b"<table><tr><td>Name</td></tr></table>", FileKind.HTML, "HTML"),
        (b'<?xml version="1.0"?><Workbook/>', FileKind.XML, "XML"),
        (b'[\n  {"name": "Ann"}]', FileKind.JSON, "JSON"),
        (b"7z\xbc\xaf\x27\x1c", FileKind.ARCHIVE, "archive"),
        (b"\x89PNG\r\n\x1a\n", FileKind.IMAGE, "image"),
        (b"SQLite format 3\x00", FileKind.SQLITE, "SQLite"),
        (b"{\\rtf1}", FileKind.RTF, "RTF"),
    ],
)
def test_a_kind_not_read_is_named_with_what_to_do(
    tmp_path: Path, content: bytes, kind: FileKind, said: str
) -> None:
    """Its name does not matter: it may well be called .csv."""
    path = tmp_path / "leads.csv"
    path.write_bytes(content)
    assert detect(InputFile.at(path)) is kind
    assert said in refusal(path).message


SYLK = b'ID;PWXL;N;E\r\nP;PGeneral\r\nB;Y2;X2\r\nC;Y1;X1;K"Name"\r\nC;X2;K"Phone"\r\nE\r\n'
MHTML = (
    b"MIME-Version: 1.0\r\nX-Document-Type: Workbook\r\n"
    b'Content-Type: multipart/related; boundary="b"\r\n\r\n--b\r\n\r\n<html></html>\r\n'
)
MAIL = (
    b"Return-Path: <ann@example.com>\nReceived: from mx.example.com\n\tby mail; Mon\n"
    b"Subject: The list\nFrom: Ann <ann@example.com>\n\nHere it is.\n"
)
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nTEL:+36301234567\r\nEND:VCARD\r\n"
EVENTS = b"begin:vcalendar\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"
ENTRY = b"version: 1\n\n# Ann\ndn: cn=Ann,dc=example\nobjectClass: person\ncn: Ann\n"
DIF = b'TABLE\r\n0,1\r\n"EXCEL"\r\nVECTORS\r\n0,3\r\n""\r\nTUPLES\r\n0,2\r\n""\r\n'
SPREADSHEET = (
    b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n'
    b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"></Workbook>'
)
FLAT = (
    b'<?xml version="1.0"?>\n<office:document xmlns:office="o"'
    b' office:mimetype="application/vnd.oasis.opendocument.spreadsheet"/>'
)
DUMP = b"-- MySQL dump 10.13\n--\n-- Host: localhost\n\n/*!40101 SET NAMES utf8 */;\n"
INSERTS = b"-- leads\n\nINSERT INTO `leads` VALUES (1,'Ann');\n"
SQLITE_DUMP = b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE leads (name TEXT);\n"
DBASE = bytes([3, 24, 5, 17]) + bytes(4) + bytes([65, 0]) + bytes(60)


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"< div >\r\n\t<table><tr><td>Name</td></tr></table></div>", FileKind.HTML, "web page"),
        (b'<style>td{mso-number-format:"\\@"}</style><table><tr>', FileKind.HTML, "web page"),
        (
            b'<meta http-equiv="Content-Type" content="text/html">\n<table>',
            FileKind.HTML,
            "web page",
        ),
        (
            b"\xef\xbb\xbf\r\n\r\n<!-- made by x -->\n<table border=1><tr>",
            FileKind.HTML,
            "web page",
        ),
        (b"<font face=Arial><b>Leads</b></font><table><tr><td>", FileKind.HTML, "web page"),
        (b"<center><h1>List</h1></center>", FileKind.HTML, "web page"),
        ("<table><tr><td>Név</td></tr></table>".encode("utf-16"), FileKind.HTML, "web page"),
        ("<html><body>Név</body></html>".encode("utf-16-le"), FileKind.HTML, "web page"),
        (b'<?xml version="1.0"?><!DOCTYPE html><html xmlns="x"/>', FileKind.HTML, "web page"),
        (MHTML, FileKind.WEB_ARCHIVE, "MHTML"),
        (
            b"From: <Saved by Blink>\r\n" + MHTML.replace(b"X-Doc", b"X-No"),
            FileKind.WEB_ARCHIVE,
            "MH",
        ),
        (MAIL, FileKind.EMAIL, "e-mail"),
        (b"From ann@example.com Mon May  6\n" + MAIL, FileKind.EMAIL, "e-mail"),
        (SYLK, FileKind.SYLK, "SYLK"),
        (b"ID;PCALCOOO32\nC;X1;Y1;K1\nE\n", FileKind.SYLK, "SYLK"),
        (DIF, FileKind.DIF, "DIF"),
        (SPREADSHEET, FileKind.SPREADSHEET_XML, "workbook as XML"),
        (SPREADSHEET.rpartition(b"?>\n")[2], FileKind.SPREADSHEET_XML, "workbook as XML"),
        (FLAT, FileKind.SPREADSHEET_XML, "workbook as XML"),
        (b"<leads>\n <lead><name>Ann</name></lead>\n</leads>", FileKind.XML, "XML"),
        (CARD, FileKind.VCARD, "vCard"),
        (EVENTS, FileKind.CALENDAR, "iCalendar"),
        (ENTRY, FileKind.LDIF, "LDIF"),
        (b"dn:: Y249QW5u\nchangetype: add\n", FileKind.LDIF, "LDIF"),
        (b'{"leads": [{"name": "Ann"}]}\n', FileKind.JSON, "JSON"),
        (b'{"name": "Ann",\n"phone": 1}\n', FileKind.JSON, "JSON"),
        (b'[["Name", "Phone"], ["Ann", 1]]', FileKind.JSON, "JSON"),
        (b"[" + b'{"name": "Ann"},' * 9000, FileKind.JSON, "JSON"),
        (DUMP, FileKind.SQL, "SQL"),
        (INSERTS, FileKind.SQL, "SQL"),
        (SQLITE_DUMP, FileKind.SQL, "SQL"),
        (b"\x00\x01\x00\x00Standard ACE DB\x00", FileKind.ACCESS, "Access"),
        (DBASE, FileKind.DBASE, "dBase"),
        (b"[InternetShortcut]\r\nURL=https://example.com\r\n", FileKind.SHORTCUT, "shortcut"),
        (b"\r\n%PDF-1.4\n", FileKind.PDF, "PDF"),
    ],
)
@pytest.mark.parametrize("name", ["leads.csv", "leads.xls"])
def test_a_text_that_is_no_list_is_named_with_what_to_do(
    tmp_path: Path, content: bytes, kind: FileKind, said: str, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert detect(InputFile.at(path)) is kind
    assert said in refusal(path).message


@pytest.mark.parametrize(
    "text",
    [
        "ID;Name;City;Phone\n1;Ann;Vac;06301234567\n",
        "ID;Phone;Name\nC;06301234567;Ann\nE;06301234568;Bob\n",
        "ID;P;N\nB;06301234567;Ann\n",
        "{id},{name}\n1,Ann\n",
        "[id],[name]\n1,Ann\n",
        "[[1]],[[2]]\n1,Ann\n",
        '{"name","phone"}\n1,2\n',
        "<name>,<phone>\nAnn,06301234567\n",
        "<title>;<name>;<phone>\nDr;Ann;06301234567\n",
        "<b>Name</b>,<b>Phone</b>\nAnn,06301234567\n",
        "BEGIN,END\n1,2\n",
        "BEGIN:VCARD FILE,Phone\nAnn,1\n",
        "TABLE,0\n0,1\n",
        "From: 2024-01-01\nTo: 2024-02-01\nSubject: leads\n\nName,Phone\nAnn,1\n",
        "dn,cn\nAnn,1\n",
        "dn: 1;cn\n1;2\n",
        "Select,Name\nx,Ann\n",
        "Set of,Name\nx,Ann\n",
        "-- Leads --\nName,Phone\nAnn,1\n",
        "Insert into list,Name\nx,Ann\n",
        "MIME-Version,Name\n1,Ann\n",
        "%Share,Name\n1,Ann\n",
        "PK,Name\n1,Ann\n",
        "-----,-----\nName,Phone\nAnn,1\n",
    ],
)
def test_a_list_that_only_begins_like_another_kind_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "leads.xls"
    path.write_text(text, encoding="utf-8")
    with open_source(path, SourceOptions()) as source:
        assert source.info.kind == "csv"
        assert sum(len(batch) for batch in source.batches()) >= 1


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\n", b"\r\n\r\n", b"<br />\n<b>Notice</b>"])
@pytest.mark.parametrize("content", [archive(a=b"x" * 500)])
def test_bytes_before_a_workbook_are_named(tmp_path: Path, before: bytes, content: bytes) -> None:
    path = tmp_path / "leads.xlsx"
    path.write_bytes(before + content)
    error = refusal(path)
    assert "damaged" in error.message
    assert "before its beginning" in error.message
    assert "encoding" not in f"{error.message}{error.hint}"


@pytest.mark.parametrize("content", [NOISE, NOISE[:100], b"\x01" * 40, b"Ann\x00\x01\x02,\xff\xfd"])
@pytest.mark.parametrize("name", ["a.xlsx", "b.XLS", "c.ods", "d.xlsb"])
def test_noise_that_is_named_as_a_workbook_is_a_damaged_one(
    tmp_path: Path, content: bytes, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = refusal(path)
    assert "workbook is damaged" in error.message
    assert "encoding" not in f"{error.message}{error.hint}"


def test_a_file_of_zeros_was_not_copied_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(bytes(5000))
    assert "nothing but zeros" in refusal(path).message


@pytest.mark.parametrize(
    "content",
    [
        b"<" * 2**16,
        b"<div" + b" " * 2**16,
        b"<table>" + b"\n" * 2**16,
        b"#\n" * 2**15,
        b"-- \n" * 2**14,
        b"insert into " + b"x" * 2**16,
        b"[" * 2**16,
        b"[[" + b"1," * 2**15,
        b"<a" + b' b="c"' * 2**13,
        b"ID;P\n" + b"C;" * 2**15,
        b"MIME-Version: 1\n" * 2**12,
    ],
)
def test_no_text_takes_long_to_be_told(content: bytes) -> None:
    """Each is made to lead a pattern astray; a pattern that is would take minutes."""
    begun = time.perf_counter()
    kind_of_text(content)
    assert time.perf_counter() - begun < 5


def test_every_kind_is_read_or_refused() -> None:
    read = {
        FileKind.TEXT,
        FileKind.XLSX,
        FileKind.XLS,
        FileKind.XLSB,
        FileKind.ODS,
        FileKind.PARQUET,
        FileKind.JSON_LINES,
        FileKind.GZIP,
        FileKind.ZIP,
    }
    assert set(FileKind) == set(REFUSALS) | read
    assert not read & set(REFUSALS)


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04 and no more", b"PK\x05\x06", archive(a=b"x")[:60]],
    ids=["words", "only an end", "cut short"],
)
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "leads.xlsx"
    path.write_bytes(content)
    assert "damaged" in refusal(path).message


@pytest.mark.parametrize("content", [bytes(range(256)) * 40, NOISE, NOISE.translate(PLAIN)])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(b"\x01\x02" + content)
    refusal(path)


def test_text_named_as_a_workbook_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "leads.xlsx"
    path.write_text("Name,Phone\nAnn,1\n", encoding="utf-8")
    with open_source(path, SourceOptions()) as source:
        assert source.info.kind == "csv"


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "leads_vienna.csv").write_text("a\nb\n", encoding="utf-8")
    error = refusal(tmp_path / "leads_viena.csv")
    assert "no such file" in error.message
    assert "leads_vienna.csv" in str(error.hint)
    refusal(tmp_path / "none" / "leads.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "folder" in refusal(tmp_path).message


def test_a_name_that_no_file_can_have_is_refused() -> None:
    refusal(Path("a\0b"))


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="needs a file that this user may not read"
)
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("a\nb\n", encoding="utf-8")
    path.chmod(0)
    assert "may not be read" in refusal(path).message


def test_permission_denied_by_the_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another program's lock on Windows, or for users other than root."""
    path = tmp_path / "leads.csv"
    path.write_text("a\nb\n", encoding="utf-8")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "may not be read" in refusal(path).message


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"abc" * 700_000)
    assert file_sha256(path) == hashlib.sha256(b"abc" * 700_000).hexdigest()
    with pytest.raises(SourceError, match="cannot be read"):
        file_sha256(tmp_path / "none")
