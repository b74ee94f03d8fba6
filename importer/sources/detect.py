"""What kind of file it is: decided by what the file holds, never by its name alone.

Binary files are told by their first bytes, ZIP archives and compound files by what is in them. A
text that is no list (a web page, SYLK, contact cards, a dump of a database …) is told by a shape
that the rules of its format demand, never by its first word alone: the first header of a good list
may be ``ID``, ``BEGIN``, ``{id}`` or ``<name>``. What nothing else explains is a list as text.

A kind that is not read is refused with what to do instead. To read one more, give it an opener in
:mod:`importer.sources.opening` and take its line out of `REFUSALS`.
"""

from __future__ import annotations

import codecs
import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.sources.compound import DAMAGE, ENCRYPTED, SIGNATURE, WORKBOOKS, streams
from importer.sources.package import Archive, workbook_part

if TYPE_CHECKING:
    from importer.sources.inputfile import InputFile


_HEAD = 2**16
"""Bytes of a file's beginning that are looked at."""


class FileKind(StrEnum):
    """What a file is, by its content; macros do not make a workbook another kind."""

    TEXT = "csv"
    XLSX = "xlsx"
    XLS = "xls"
    XLSB = "xlsb"
    ODS = "ods"
    PARQUET = "parquet"
    JSON_LINES = "jsonl"
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
    FileKind.ENCRYPTED: (
        "protected by a password",
        "Open it with the password, save it without one, and import that copy.",
    ),
    FileKind.NUMBERS: (
        "an Apple document (Numbers, Pages or Keynote)",
        "In Numbers, export it: File > Export To > Excel or CSV.",
    ),
    FileKind.OFFICE: ("an office document, not a spreadsheet", _EXPORT),
    FileKind.PREFIXED: (
        "a damaged workbook or archive: bytes stand before its beginning",
        "Get it from the supplier again: whatever made or sent it wrote something in front of it,"
        " as faulty downloads do.",
    ),
    FileKind.ARCHIVE: ("an archive of a kind that is not read", _UNPACK),
    FileKind.PDF: ("a PDF document", _EXPORT),
    FileKind.HTML: ("a web page (HTML), whatever its name says", _AS_XLSX),
    FileKind.XML: ("an XML document, not a spreadsheet", _AS_XLSX),
    FileKind.JSON: (
        "JSON, but not a list of one object a line",
        "Save it as JSON Lines (.jsonl: one object a line, in UTF-8), or export the list as .xlsx"
        " or CSV.",
    ),
    FileKind.RTF: ("an RTF document, not a spreadsheet", _EXPORT),
    FileKind.IMAGE: ("an image", _EXPORT),
    FileKind.SQLITE: ("a SQLite database, not a spreadsheet", _EXPORT),
    FileKind.ACCESS: (
        "an Access database, not a spreadsheet",
        "In Access, export the table to Excel.",
    ),
    FileKind.DBASE: ("a dBase table (.dbf)", _AS_XLSX),
    FileKind.SHORTCUT: (
        "a shortcut to a file or a page, not the file itself",
        "Open what it leads to, and save or download that as .xlsx.",
    ),
    FileKind.SPREADSHEET_XML: ("a workbook as XML, whatever its name says", _AS_XLSX),
    FileKind.SYLK: ("a SYLK file, whatever its name says", _AS_XLSX),
    FileKind.DIF: ("a DIF file (Data Interchange Format), whatever its name says", _AS_XLSX),
    FileKind.WEB_ARCHIVE: (
        "a web page with all its parts (MHTML), whatever its name says",
        _AS_XLSX,
    ),
    FileKind.EMAIL: (
        "an e-mail message, not a spreadsheet",
        "Open it in a mail program, and save the list that is attached to it.",
    ),
    FileKind.VCARD: (
        "a file of contact cards (vCard), not a spreadsheet",
        "Import it into an address book, and export that as CSV.",
    ),
    FileKind.CALENDAR: ("a calendar (iCalendar), not a spreadsheet", _EXPORT),
    FileKind.LDIF: ("an LDIF file of a directory, not a spreadsheet", _EXPORT),
    FileKind.SQL: (
        "a dump of a database (SQL), not a spreadsheet",
        "Export the table itself as .xlsx or CSV.",
    ),
}
"""What each kind that is recognised but not read is, in words, and what to do about it."""

_SIGNATURES = (
    (b"\x1f\x8b", FileKind.GZIP),
    (b"%PDF-", FileKind.PDF),
    (b"BZh", FileKind.ARCHIVE),  # bzip2
    (b"\xfd7zXZ\x00", FileKind.ARCHIVE),  # xz
    (b"7z\xbc\xaf\x27\x1c", FileKind.ARCHIVE),
    (b"\x28\xb5\x2f\xfd", FileKind.ARCHIVE),  # Zstandard
    (b"Rar!\x1a\x07", FileKind.ARCHIVE),
    (b"{\\rtf", FileKind.RTF),
    (b"\x89PNG\r\n", FileKind.IMAGE),
    (b"\xff\xd8\xff", FileKind.IMAGE),
    (b"GIF8", FileKind.IMAGE),
    (b"PAR1", FileKind.PARQUET),
    (b"SQLite format 3\x00", FileKind.SQLITE),
    (b"\x00\x01\x00\x00Standard Jet DB", FileKind.ACCESS),
    (b"\x00\x01\x00\x00Standard ACE DB", FileKind.ACCESS),
    (b"L\x00\x00\x00\x01\x14\x02\x00", FileKind.SHORTCUT),  # [MS-SHLLINK]: .lnk
)
"""Beginnings by which files are recognised; blanks and a byte-order mark may precede them."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
"""How a ZIP archive begins: with its first part, or, where it has none, with its directory."""
_BOF = (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08")
"""The record that workbooks before 1993 begin with, which are in no compound file: Excel 2 to 5."""
_BOF_SIZES = (b"\x04\x00", b"\x06\x00", b"\x08\x00")
_BOOK_NAMES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_LARGEST_ZIP = 4 * 2**30
_LOCAL_HEADER = re.compile(rb"PK\x03\x04[\x00-\x3f]\x00..[\x00\x08]\x00", re.DOTALL)
"""How an archive's first part begins: version, flags, stored or deflated."""


def detect(file: InputFile) -> FileKind:
    """The kind of a readable file; whatever nothing else explains is text.

    Raises SourceError for bytes that are neither a workbook nor a text.
    """
    with file.path.open("rb") as stream:
        head = stream.read(_HEAD)
    if head.startswith(_ZIP):
        return _zip_kind(file)
    if head.startswith(SIGNATURE):
        return _compound_kind(file)
    if head[:2] in _BOF and head[2:4] in _BOF_SIZES:
        return FileKind.XLS
    if head[257:262] == b"ustar":  # the magic of tar archives stands behind a file's name
        return FileKind.ARCHIVE
    bare = head[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, kind in _SIGNATURES:
        if head.startswith(signature) or bare.startswith(signature):
            return kind
    if SIGNATURE in head or _LOCAL_HEADER.search(head):
        return FileKind.PREFIXED
    if _is_dbase(head):
        return FileKind.DBASE
    text_kind = kind_of_text(head)
    if text_kind in {None, FileKind.JSON} and _is_json_lines(file, head):
        return FileKind.JSON_LINES
    if text_kind is not None:
        is_link = text_kind is FileKind.JSON and file.name.lower().endswith((".gsheet", ".gdoc"))
        return FileKind.SHORTCUT if is_link else text_kind
    _refuse_binary(file, head)
    return FileKind.TEXT


def _zip_kind(file: InputFile) -> FileKind:
    with Archive(file, size_limit=_LARGEST_ZIP) as archive:
        names = archive.parts.keys()
        mimetype = b"".join(archive.unpack("mimetype", 2**20))
        if b"opendocument.spreadsheet" in mimetype:
            return FileKind.ODS
        if b"opendocument" in mimetype:
            return FileKind.OFFICE
        if (workbook := workbook_part(archive)) is not None:
            return FileKind.XLSB if workbook.lower().endswith(".bin") else FileKind.XLSX
        if any(name.startswith("index/") and name.endswith(".iwa") for name in names):
            return FileKind.NUMBERS
        if "index.zip" in names or any(name.endswith(".numbers/index.zip") for name in names):
            return FileKind.NUMBERS
        is_office = any(name.startswith(("word/", "ppt/")) for name in names)
        return FileKind.OFFICE if is_office else FileKind.ZIP


def _compound_kind(file: InputFile) -> FileKind:
    """A compound file by its directory; one that cannot be read is left to the workbook's reader.

    What lies deeper does not count: a workbook may have documents of other kinds embedded.
    """
    try:
        names = streams(file)
    except DAMAGE:
        return FileKind.XLS
    if names.issuperset(map(str.lower, ENCRYPTED)):
        return FileKind.ENCRYPTED
    if names.intersection(map(str.lower, WORKBOOKS)):
        return FileKind.XLS
    return FileKind.OFFICE


def _is_dbase(head: bytes) -> bool:
    """A table of dBase: its version, the day it was changed, and where its first record is."""
    if len(head) < 33 or head[0] not in (0x03, 0x30, 0x31, 0x83, 0x8B, 0xF5):
        return False
    begin = int.from_bytes(head[8:10], "little")
    return 1 <= head[2] <= 12 and 1 <= head[3] <= 31 and begin > 32 and not any(head[12:14])


_OBJECT_LINE = re.compile(rb'\{\s*(?:"(?:[^"\\]|\\.)*"\s*:.*)?\}', re.DOTALL)


def _is_json_lines(file: InputFile, head: bytes) -> bool:
    """Whether each line is a JSON object: the first ones are, or JSON is to be, by its name.

    One line alone is an object that may be anything.
    """
    lines = [
        line for line in map(bytes.strip, head.removeprefix(codecs.BOM_UTF8).split(b"\n")) if line
    ]
    if file.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        return bool(lines) and lines[0].startswith((b"{", b"["))
    first, *others = lines[:_LINES_COMPARED] or [b""]
    alike = all(line.startswith(b"{") for line in others)
    return _OBJECT_LINE.fullmatch(first) is not None and bool(others) and alike


def _refuse_binary(file: InputFile, head: bytes) -> None:
    """Raise SourceError for bytes that no text has.

    A file named as a workbook is taken for a damaged one by fewer of them.
    """
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
"""Control characters that a short list with odd cells may have, of less than four sorts."""
_NEVER_IN_TEXT = (*range(9), *range(0x0E, 0x1A), 0x1B, 0x7F)
"""Control characters, without tabs, line and page breaks, Ctrl-Z and the four separators."""


def unmarked_utf16(head: bytes) -> str | None:
    """The codec of a text in UTF-16 without a byte-order mark; None for any other text.

    In UTF-16 every other byte says of which block a character is: 0 Latin, 3 Greek, 4 Cyrillic,
    20 (hexadecimal) quotes and the euro sign.
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


# ── texts that are no lists ────────────────────────────────────────────────────────────────────

_LINES_COMPARED = 40
"""The first lines, by which formats of lines are recognised."""
_LONGEST_STRING = 1000
"""JSON that is cut within a string is wrong where the string begins."""


def kind_of_text(head: bytes) -> FileKind | None:
    """The kind of a text that begins with `head` and is no list; None for a list, or no text."""
    text = _decoded(head).lstrip("\ufeff\u200b \t\r\n\f\v\xa0")
    return next((kind for kind, is_of_kind in _TEXTS if is_of_kind(text)), None)


def _decoded(head: bytes) -> str:
    """The text, so far as its marks and signs of ASCII go; other letters may be wrong."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "ignore")
    if len(head) > 3 and head[1] == head[3] == 0 and head[0] and head[2]:
        return head.decode("utf-16-le", "ignore")
    if len(head) > 3 and head[0] == head[2] == 0 and head[1] and head[3]:
        return head.decode("utf-16-be", "ignore")
    return head.removeprefix(codecs.BOM_UTF8).decode("latin-1")


_SPREADSHEET_XML = (
    "urn:schemas-microsoft-com:office:spreadsheet",
    'progid="excel.sheet"',
    "application/vnd.oasis.opendocument.spreadsheet",
)
_ROOT = re.compile(r"<[A-Za-z_][\w.:-]*(\s+[\w.:-]+\s*=\s*(\"[^\"<]*\"|'[^'<]*'))*\s*>\s*<[\w/!]")


def _is_spreadsheet_xml(text: str) -> bool:
    is_xml = text[:5].lower() == "<?xml" or _ROOT.match(text) is not None
    lowered = text[:4096].lower()
    return is_xml and any(sign in lowered for sign in _SPREADSHEET_XML)


_COMMENTS = re.compile(r"(?:\s*<!--.*?-->)+\s*", re.DOTALL)
_PAGE = re.compile(
    r"<!doctype\s+html|<html[\s>]|<\?xml[^>]*\?>.{0,2000}?<html[\s>]", re.IGNORECASE | re.DOTALL
)
_TAG = re.compile(
    r"<\s*(head|body|table|meta|style|div|span|p|font|center|form|script|noscript|link|title|base"
    r"|h[1-6]|br|hr|thead|tbody|tr|td|th|caption|colgroup|ul|ol|dl|pre|b|i|strong|a|img|section"
    r"|article|main|header|nav|iframe)(\s[^<>]*|/)?>",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"<\s*(table|tr|td|th|html|body)[\s>]"
    r"|<\s*/\s*(html|head|body|table|div|style|script|title|form|center|ul|ol|p|h[1-6])\s*>",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"<\s*(meta|link|base|style|script|table)\b[^<>]*>\s*(<|\S+\s*\{|$)", re.IGNORECASE
)


def _is_html(text: str) -> bool:
    """A page, or a part of one, as programs write it that call a table of HTML a workbook."""
    if (comments := _COMMENTS.match(text)) is not None:
        text = text[comments.end() :]
    if _PAGE.match(text):
        return True
    first = _TAG.match(text)
    if first is None:
        return False
    return _BARE.match(text) is not None or _MARKUP.search(text, first.end()) is not None


def _is_xml(text: str) -> bool:
    return text[:5].lower() == "<?xml" or (_ROOT.match(text) is not None and "</" in text)


_JSON = re.compile(r'\{\s*"(?:[^"\\\n]|\\.)*"\s*:|\[\s*(?:\{\s*["}]|\[\s*["\[\]{\d-])')


def _is_json(text: str) -> bool:
    """Whether a text is an object, or a list of objects or lists, whole or cut."""
    if not _JSON.match(text):
        return False
    if text[0] == "{":
        return True
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text.rstrip()) - _LONGEST_STRING
    except RecursionError:
        return True
    return not text[end : end + 1].strip()


_SYLK_RECORD = re.compile(r"(?:ID|B|C|F|O|P|W|N[ELNUV]|NN|E|X)(?:;.*)?")
_SYLK_CELL = re.compile(r"[CF];(?:.*;)?[XYK]\d*", re.IGNORECASE)


def _is_sylk(text: str) -> bool:
    """Records of SYLK, of which the first is ``ID``: ``C;Y1;X1;K"Name"`` is a cell."""
    first, *lines = _lines(text)
    if not re.fullmatch(r"ID(;.*)?", first) or not lines:
        return False
    records = all(map(_SYLK_RECORD.fullmatch, lines))
    return records and any(map(_SYLK_CELL.match, lines))


_DIF = re.compile(r'TABLE\s*\n\s*0\s*,\s*1\s*\n".*"\s*\n[A-Z]+\s*\n\s*-?\d+\s*,\s*\d+\s*(\n|$)')


def _is_dif(text: str) -> bool:
    return _DIF.match(text[:4096].replace("\r\n", "\n").replace("\r", "\n")) is not None


_MAIL_HEADER = re.compile(r"[!-9;-~]+:(\s.*|)")
_MAIL_ONLY = re.compile(
    r"(mime-version|message-id|received|return-path|delivered-to|content-type|dkim-signature"
    r"|content-transfer-encoding|x-document-type):(\s|$)",
    re.IGNORECASE,
)


def _mail_headers(text: str) -> list[str]:
    """The lines above the first blank one, if they are headers as e-mails have them."""
    block = re.split(r"\r?\n[ \t]*\r?\n|\r[ \t]*\r(?!\n)", text, maxsplit=1)[0].splitlines()
    if block and block[0].startswith("From "):
        del block[0]  # of a mailbox, where it stands before each message
    headers = [line for line in block if not line[:1].isspace()]
    sound = len(headers) > 1 and all(map(_MAIL_HEADER.fullmatch, headers))
    return headers if sound and any(map(_MAIL_ONLY.match, headers)) else []


def _is_web_archive(text: str) -> bool:
    headers = "\n".join(_mail_headers(text)).lower()
    if not headers:
        return False
    saved = ("x-document-type:", "snapshot-content-location:", "saved by ")
    return any(sign in headers for sign in saved) or (
        "multipart/related" in text[:4096].lower()
        and "message-id:" not in headers
        and "received:" not in headers
    )


def _is_email(text: str) -> bool:
    return bool(_mail_headers(text))


def _is_vcard(text: str) -> bool:
    return re.match(r"BEGIN:VCARD\s*[\r\n]", text, re.IGNORECASE) is not None


def _is_calendar(text: str) -> bool:
    return re.match(r"BEGIN:VCALENDAR\s*[\r\n]", text, re.IGNORECASE) is not None


_LDIF = re.compile(
    r"(?:#.*\n|[ \t]*\n|version: *\d+ *\n)*dn::? *\S.*\n(?: .*\n)*[A-Za-z][\w;.-]*::?( .*)?(\n|$)",
    re.IGNORECASE,
)


def _is_ldif(text: str) -> bool:
    return _LDIF.match(text[:16384].replace("\r\n", "\n").replace("\r", "\n")) is not None


_SQL_FIRST = re.compile(
    r"(?:INSERT\s+(?:IGNORE\s+)?INTO\s+\S+|CREATE\s+(?:TABLE|DATABASE|SCHEMA|TYPE|SEQUENCE)\s+\S+"
    r"|DROP\s+(?:TABLE|DATABASE)\s+\S+|SET\s+[@\w]+[\s=]|PRAGMA\s+\w+|BEGIN\s+TRANSACTION\s*;"
    r"|START\s+TRANSACTION\s*;|LOCK\s+TABLES\s|USE\s+\S+;|COPY\s+[^\s(]+\s*\(.*FROM\s+stdin"
    r"|SELECT\s+pg_catalog\.)",
    re.IGNORECASE,
)
_SQL_DATA = re.compile(
    r"^[ \t]*(?:INSERT\s+(?:IGNORE\s+)?INTO\s+[^\s(,;]+\s*(?:\(|VALUES\b|SELECT\b|SET\b)"
    r"|CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?[^\s(,;]+\s*\("
    r"|COPY\s+[^\s(]+\s*\(.*FROM\s+stdin)",
    re.IGNORECASE | re.MULTILINE,
)


def _is_sql(text: str) -> bool:
    statements = _without_sql_comments(text)
    if re.match(r"-- (MySQL|MariaDB|PostgreSQL database|phpMyAdmin SQL) dump", text, re.IGNORECASE):
        return True
    return _SQL_FIRST.match(statements) is not None and _SQL_DATA.search(statements) is not None


def _without_sql_comments(text: str) -> str:
    """The text from its first statement on; comments in front of it are taken off."""
    while True:
        text = text.lstrip()
        if text.startswith("--"):
            text = text.partition("\n")[2]
        elif text.startswith("/*"):
            text = text.partition("*/")[2].removeprefix(";")
        else:
            return text


def _is_shortcut(text: str) -> bool:
    return re.match(r"\[InternetShortcut\]\s*[\r\n]", text, re.IGNORECASE) is not None


def _lines(text: str) -> list[str]:
    """The first lines that hold something, at least one; the last of many may be cut short."""
    lines = [line.strip() for line in text[:16384].splitlines()]
    return [line for line in lines if line][:_LINES_COMPARED] or [""]


_TEXTS = (
    (FileKind.SPREADSHEET_XML, _is_spreadsheet_xml),
    (FileKind.HTML, _is_html),
    (FileKind.XML, _is_xml),
    (FileKind.JSON, _is_json),
    (FileKind.SYLK, _is_sylk),
    (FileKind.DIF, _is_dif),
    (FileKind.VCARD, _is_vcard),
    (FileKind.CALENDAR, _is_calendar),
    (FileKind.LDIF, _is_ldif),
    (FileKind.WEB_ARCHIVE, _is_web_archive),
    (FileKind.EMAIL, _is_email),
    (FileKind.SQL, _is_sql),
    (FileKind.SHORTCUT, _is_shortcut),
)
"""In this order: a page may be XML, and a page that was archived begins like an e-mail."""
