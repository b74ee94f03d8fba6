"""Texts that are no lists: web pages, SYLK, contact cards, dumps of databases and the like.

Each form is told by a shape that its own rules demand, never by its first word alone: the first
header of a good list may be ``ID``, ``BEGIN``, ``{id}`` or ``<name>``. What no form explains is a
list.
"""

from __future__ import annotations

import codecs
import json
import re
from enum import Enum

HEAD = 2**16
"""Bytes of a file's beginning that are looked at."""

_FEW = 40
"""Lines that a form of lines is told by."""
_LONGEST_STRING = 1000
"""JSON that is cut within a string is wrong where the string begins."""


class TextForm(Enum):
    """What a text is that is no list."""

    HTML = "html"
    SPREADSHEET_XML = "spreadsheet xml"
    XML = "xml"
    JSON = "json"
    SYLK = "sylk"
    DIF = "dif"
    WEB_ARCHIVE = "mhtml"
    EMAIL = "eml"
    VCARD = "vcard"
    CALENDAR = "icalendar"
    LDIF = "ldif"
    SQL = "sql"
    SHORTCUT = "shortcut"


def text_form(head: bytes) -> TextForm | None:
    """The form of a text that begins with `head`; None for a list, and for what is no text."""
    text = _decoded(head).lstrip("\ufeff\u200b \t\r\n\f\v\xa0")
    for form, is_of_form in _FORMS:
        if is_of_form(text):
            return form
    return None


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
    """An object, or a list of objects or lists, whole or as far as the text goes."""
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
    return [line for line in lines if line][:_FEW] or [""]


_FORMS = (
    (TextForm.SPREADSHEET_XML, _is_spreadsheet_xml),
    (TextForm.HTML, _is_html),
    (TextForm.XML, _is_xml),
    (TextForm.JSON, _is_json),
    (TextForm.SYLK, _is_sylk),
    (TextForm.DIF, _is_dif),
    (TextForm.VCARD, _is_vcard),
    (TextForm.CALENDAR, _is_calendar),
    (TextForm.LDIF, _is_ldif),
    (TextForm.WEB_ARCHIVE, _is_web_archive),
    (TextForm.EMAIL, _is_email),
    (TextForm.SQL, _is_sql),
    (TextForm.SHORTCUT, _is_shortcut),
)
"""In this order: a page may be XML, and a page that was archived begins like an e-mail."""
