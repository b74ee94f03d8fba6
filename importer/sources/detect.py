"""What kind of file it is: decided by what it holds, never by its name alone.

A kind that is not read is refused with what to do instead. To read one more, give it an opener in
:mod:`importer.sources.opening` and take its line out of `REFUSALS`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.files import IrregularFileError, refuse_irregular, similar_file
from importer.sources.compound import DAMAGE, ENCRYPTED, SIGNATURE, WORKBOOKS, streams
from importer.sources.package import workbook_part
from importer.sources.textforms import HEAD, TextForm, text_form
from importer.sources.zipped import Archive

if TYPE_CHECKING:
    from pathlib import Path

    from importer.sources.inputfile import InputFile


class Kind(StrEnum):
    """What a file is, by its content; macros do not make a workbook another kind."""

    TEXT = "csv"
    XLSX = "xlsx"
    XLS = "xls"
    XLSB = "xlsb"
    ODS = "ods"
    ENCRYPTED = "encrypted"
    NUMBERS = "numbers"
    OFFICE = "office"
    PREFIXED = "prefixed"
    GZIP = "gzip"
    ZIP = "zip"
    ARCHIVE = "archive"
    PDF = "pdf"
    HTML = "html"
    XML = "xml"
    JSON = "json"
    RTF = "rtf"
    IMAGE = "image"
    PARQUET = "parquet"
    SQLITE = "sqlite"
    ACCESS = "access"
    DBASE = "dbase"
    SHORTCUT = "shortcut"
    SPREADSHEET_XML = "spreadsheet xml"
    SYLK = "sylk"
    DIF = "dif"
    WEB_ARCHIVE = "mhtml"
    EMAIL = "eml"
    VCARD = "vcard"
    CALENDAR = "icalendar"
    LDIF = "ldif"
    SQL = "sql"


_AS_XLSX = "Open it in a spreadsheet program and save it as .xlsx or as CSV."
_UNPACK = "Unpack it and import the spreadsheet that is in it."
_EXPORT = "Export the list as .xlsx or CSV from the program it comes from."

REFUSALS = {
    Kind.ENCRYPTED: (
        "protected by a password",
        "Open it with the password, save it without one, and import that copy.",
    ),
    Kind.NUMBERS: (
        "an Apple document (Numbers, Pages or Keynote)",
        "In Numbers, export it: File > Export To > Excel or CSV.",
    ),
    Kind.OFFICE: ("an office document, not a spreadsheet", _EXPORT),
    Kind.PREFIXED: (
        "a damaged workbook or archive: bytes stand before its beginning",
        "Get it from the supplier again: whatever made or sent it wrote something in front of it,"
        " as faulty downloads do.",
    ),
    Kind.ARCHIVE: ("an archive of a kind that is not read", _UNPACK),
    Kind.PDF: ("a PDF document", _EXPORT),
    Kind.HTML: ("a web page (HTML), whatever its name says", _AS_XLSX),
    Kind.XML: ("an XML document, not a spreadsheet", _AS_XLSX),
    Kind.JSON: ("JSON, not a spreadsheet", _EXPORT),
    Kind.RTF: ("an RTF document, not a spreadsheet", _EXPORT),
    Kind.IMAGE: ("an image", _EXPORT),
    Kind.PARQUET: ("a Parquet file, not a spreadsheet", _EXPORT),
    Kind.SQLITE: ("a SQLite database, not a spreadsheet", _EXPORT),
    Kind.ACCESS: ("an Access database, not a spreadsheet", "In Access, export the table to Excel."),
    Kind.DBASE: ("a dBase table (.dbf)", _AS_XLSX),
    Kind.SHORTCUT: (
        "a shortcut to a file or a page, not the file itself",
        "Open what it leads to, and save or download that as .xlsx.",
    ),
    Kind.SPREADSHEET_XML: ("a workbook as XML, whatever its name says", _AS_XLSX),
    Kind.SYLK: ("a SYLK file, whatever its name says", _AS_XLSX),
    Kind.DIF: ("a DIF file (Data Interchange Format), whatever its name says", _AS_XLSX),
    Kind.WEB_ARCHIVE: ("a web page with all its parts (MHTML), whatever its name says", _AS_XLSX),
    Kind.EMAIL: (
        "an e-mail message, not a spreadsheet",
        "Open it in a mail program, and save the list that is attached to it.",
    ),
    Kind.VCARD: (
        "a file of contact cards (vCard), not a spreadsheet",
        "Import it into an address book, and export that as CSV.",
    ),
    Kind.CALENDAR: ("a calendar (iCalendar), not a spreadsheet", _EXPORT),
    Kind.LDIF: ("an LDIF file of a directory, not a spreadsheet", _EXPORT),
    Kind.SQL: (
        "a dump of a database (SQL), not a spreadsheet",
        "Export the table itself as .xlsx or CSV.",
    ),
}
"""What each kind that is recognised but not read is, in words, and what to do about it."""

_SIGNATURES = (
    (b"\x1f\x8b", Kind.GZIP),
    (b"%PDF-", Kind.PDF),
    (b"BZh", Kind.ARCHIVE),
    (b"\xfd7zXZ\x00", Kind.ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", Kind.ARCHIVE),
    (b"\x28\xb5\x2f\xfd", Kind.ARCHIVE),
    (b"Rar!\x1a\x07", Kind.ARCHIVE),
    (b"{\\rtf", Kind.RTF),
    (b"\x89PNG\r\n", Kind.IMAGE),
    (b"\xff\xd8\xff", Kind.IMAGE),
    (b"GIF8", Kind.IMAGE),
    (b"PAR1", Kind.PARQUET),
    (b"SQLite format 3\x00", Kind.SQLITE),
    (b"\x00\x01\x00\x00Standard Jet DB", Kind.ACCESS),
    (b"\x00\x01\x00\x00Standard ACE DB", Kind.ACCESS),
    (b"L\x00\x00\x00\x01\x14\x02\x00", Kind.SHORTCUT),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLD_EXCEL = (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08")
"""How workbooks before 1993 begin, which are not in an OLE file."""
_BOOK_NAMES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_TEXT_FORMS = {
    TextForm.HTML: Kind.HTML,
    TextForm.SPREADSHEET_XML: Kind.SPREADSHEET_XML,
    TextForm.XML: Kind.XML,
    TextForm.JSON: Kind.JSON,
    TextForm.SYLK: Kind.SYLK,
    TextForm.DIF: Kind.DIF,
    TextForm.WEB_ARCHIVE: Kind.WEB_ARCHIVE,
    TextForm.EMAIL: Kind.EMAIL,
    TextForm.VCARD: Kind.VCARD,
    TextForm.CALENDAR: Kind.CALENDAR,
    TextForm.LDIF: Kind.LDIF,
    TextForm.SQL: Kind.SQL,
    TextForm.SHORTCUT: Kind.SHORTCUT,
}
_LARGEST_ZIP = 4 * 2**30
_LOCAL_HEADER = re.compile(rb"PK\x03\x04[\x00-\x3f]\x00..[\x00\x08]\x00", re.DOTALL)
"""How an archive's first part begins: version, flags, stored or deflated."""


def readable_file(path: Path) -> int:
    """The size of `path` in bytes, which is a file that can be opened and holds something."""
    try:
        if path.is_dir():
            raise SourceError(
                f"{path}: this is a folder, not a file.", "Name the file in it that is to be read."
            )
        refuse_irregular(path)
        with path.open("rb") as file:
            size = file.seek(0, 2)
    except IrregularFileError as error:
        what, _, remedy = str(error.strerror).partition(": ")
        raise SourceError(
            f"{path}: {what}.",
            f"{remedy.capitalize()}; or pipe it into this command, with - in place of a file.",
        ) from None
    except FileNotFoundError:
        raise SourceError(f"{path}: there is no such file.", _nearby(path)) from None
    except PermissionError:
        raise SourceError(
            f"{path}: this file may not be read by you.",
            "Change its permissions, or close the program that holds it open.",
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path}: cannot be read ({error}).", "Check the name and the drive it is on."
        ) from None
    if size == 0:
        raise SourceError(f"{path}: this file is empty.", "Was it saved or downloaded completely?")
    return size


def _nearby(path: Path) -> str:
    """Where to look for a file that is not there, naming the nearest of its folder."""
    if not path.absolute().parent.is_dir():
        return f"The folder {path.parent} does not exist either, or may not be read."
    near = similar_file(path)
    return f"Did you mean {near}?" if near else "Check the name and the folder."


def detect(file: InputFile) -> Kind:
    """The kind of a readable file; whatever nothing else explains is text.

    Raises SourceError for bytes that are neither a workbook nor a text.
    """
    with file.path.open("rb") as stream:
        head = stream.read(HEAD)
    if head.startswith(_ZIP):
        return _zip_kind(file)
    if head.startswith(SIGNATURE):
        return _compound_kind(file)
    if head[:2] in _OLD_EXCEL and head[2:4] in (b"\x04\x00", b"\x06\x00", b"\x08\x00"):
        return Kind.XLS
    if head[257:262] == b"ustar":
        return Kind.ARCHIVE
    bare = head[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, kind in _SIGNATURES:
        if head.startswith(signature) or bare.startswith(signature):
            return kind
    if SIGNATURE in head or _LOCAL_HEADER.search(head):
        return Kind.PREFIXED
    if _is_dbase(head):
        return Kind.DBASE
    if (form := text_form(head)) is not None:
        link = form is TextForm.JSON and file.name.lower().endswith((".gsheet", ".gdoc"))
        return Kind.SHORTCUT if link else _TEXT_FORMS[form]
    _refuse_binary(file, head)
    return Kind.TEXT


def _is_dbase(head: bytes) -> bool:
    """A table of dBase: its version, the day it was changed, and where its first record is."""
    if len(head) < 33 or head[0] not in (0x03, 0x30, 0x31, 0x83, 0x8B, 0xF5):
        return False
    begin = int.from_bytes(head[8:10], "little")
    return 1 <= head[2] <= 12 and 1 <= head[3] <= 31 and begin > 32 and not any(head[12:14])


def _refuse_binary(file: InputFile, head: bytes) -> None:
    """Refuse bytes that no text has; one named as a workbook with few of them is damaged, too."""
    if _is_wide(head):
        return
    if not head.strip(b"\x00"):
        raise SourceError(
            f"{file}: this file holds nothing but zeros: it was not copied to its end.",
            "Copy or download it again.",
        )
    counts = [count for code in _NEVER_IN_TEXT if (count := head.count(code))]
    named_book = file.name.lower().endswith(_BOOK_NAMES)
    found = sum(counts)
    if found <= 0.02 * len(head) or ((len(counts) < 4 or found < _FEW) and not named_book):
        return
    if named_book:
        raise SourceError(
            f"{file}: this workbook is damaged: what is in it is neither a workbook nor a text.",
            "Copy or download it again, or get it from the supplier again.",
        )
    raise SourceError(
        f"{file}: this is not text, and not a workbook.",
        "Give a CSV file or a workbook. If it should be one, copy or download it again.",
    )


_FEW = 16
"""Bytes that no text has, of which a short list with odd cells may yet have so many."""
_NEVER_IN_TEXT = (*range(9), *range(0x0E, 0x1A), 0x1B, 0x7F)
"""Control characters; tabs, line and page breaks, Ctrl-Z and the four separators apart."""


def unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte is that of a block of letters.

    It is 0 in Latin, 3 in Greek, 4 in Cyrillic; 20 is that of quotes and the euro.
    """
    pairs = len(head) // 2
    if pairs == 0:
        return None
    for name, upper, lower in (
        ("utf-16-le", head[1 : 2 * pairs : 2], head[0 : 2 * pairs : 2]),
        ("utf-16-be", head[0 : 2 * pairs : 2], head[1 : 2 * pairs : 2]),
    ):
        latin, other = upper.count(0), sum(map(upper.count, (1, 2, 3, 4, 5, 0x20)))
        if sum(map(lower.count, range(6))) >= 0.05 * pairs:
            continue
        if latin > 0.4 * pairs or (latin > 0.05 * pairs and latin + other > 0.97 * pairs):
            return name
    return None


def _is_wide(head: bytes) -> bool:
    """Whether it is text of two or four bytes a character, most of which are then zero."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        return True
    if unmarked_utf16(head) is not None:
        return True
    pairs = len(head) // 2 or 1
    low, high = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    return max(low, high) > 0.4 * pairs and min(low, high) < 0.05 * pairs


def _zip_kind(file: InputFile) -> Kind:
    with Archive(file, size_limit=_LARGEST_ZIP) as archive:
        names = archive.parts.keys()
        mimetype = b"".join(archive.unpack("mimetype", 2**20))
        if b"opendocument.spreadsheet" in mimetype:
            return Kind.ODS
        if b"opendocument" in mimetype:
            return Kind.OFFICE
        if (workbook := workbook_part(archive)) is not None:
            return Kind.XLSB if workbook.lower().endswith(".bin") else Kind.XLSX
        if any(name.startswith("index/") and name.endswith(".iwa") for name in names):
            return Kind.NUMBERS
        if "index.zip" in names or any(name.endswith(".numbers/index.zip") for name in names):
            return Kind.NUMBERS
        return (
            Kind.OFFICE if any(name.startswith(("word/", "ppt/")) for name in names) else Kind.ZIP
        )


def _compound_kind(file: InputFile) -> Kind:
    """A compound file by its directory; one that cannot be read is left to the workbook's reader.

    What lies deeper does not count: a workbook may have documents of other kinds embedded.
    """
    try:
        names = streams(file)
    except DAMAGE:
        return Kind.XLS
    if names.issuperset(map(str.lower, ENCRYPTED)):
        return Kind.ENCRYPTED
    if names.intersection(map(str.lower, WORKBOOKS)):
        return Kind.XLS
    return Kind.OFFICE
