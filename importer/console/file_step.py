"""The file step: what a list was found to be, its first rows, and how else it may be read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from aiohttp import web

from importer import library
from importer.console.drafts import DRAFTS, Draft, open_draft
from importer.console.pages import PAGES, form_of, is_part
from importer.console.sent_before import sent_before
from importer.errors import ImporterError, SourceError, UsageError
from importer.library import Glimpse
from importer.settings import SourceOptions, delimiter_name, delimiter_named

ROWS = 12
"""First rows that are shown."""
COLUMNS = 60
"""Columns of them that are shown: a sheet may have thousands."""
REMARKS = 3
"""Remarks that are shown above the first rows; the others can be unfolded."""

ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp1250": "Windows 1250: Central European",
    "cp1252": "Windows 1252: Western European",
    "cp1251": "Windows 1251: Cyrillic",
    "cp1253": "Windows 1253: Greek",
    "cp1254": "Windows 1254: Turkish",
    "cp1257": "Windows 1257: Baltic",
    "iso8859-2": "ISO 8859-2: Central European",
    "iso8859-15": "ISO 8859-15: Western European",
    "cp852": "DOS 852: Central European",
    "mac-roman": "Mac Roman",
}
DELIMITERS = {",": "comma ,", ";": "semicolon ;", "\t": "tab", "|": "bar |"}
KINDS = {
    "csv": "text file",
    "xlsx": "Excel workbook (.xlsx)",
    "xls": "old Excel workbook (.xls)",
    "xlsb": "binary Excel workbook (.xlsb)",
    "ods": "OpenDocument spreadsheet (.ods)",
    "parquet": "Parquet file",
    "jsonl": "JSON lines",
}

_LONGEST_CHOICE = 200
_WORDS = tuple(
    (re.compile(option), words)
    for option, words in (
        (r", or `source: [^`]*` in the mapping", ""),
        (r"\bNo --encoding\b", "No encoding"),
        (r" in quotes, as in --delimiter [^,]+, or the word tab", ""),
        (r"name it by --delimiter\b", "choose it at “Delimiter”"),
        (r"--delimiter (\"[^\"]*\"|'[^']*')", "choose it at “Delimiter”"),
        (r"name (it|the row): --header-row N\b", "give its number at “Header row”"),
        (r"leave them out by rows\.skip_when or --rows\b", "leave them out at “Check and fix”"),
        (r"\bName the sheet that is to be read: --sheet NAME\b", "Choose another at “Sheet”"),
        (r"\bthat the mapping names\b", "that are given a field"),
        (r"\bA mapping cannot tell\b", "The next step cannot tell"),
    )
)
"""How hints of the command are said where there are fields instead of options."""
_CODE_PAGE = re.compile(r"--encoding ([\w-]+)")
_OPTION = re.compile(r"--(sheet|header-row|encoding|delimiter)\b")


@dataclass(frozen=True, slots=True)
class Reading:
    """A draft's list as it is read: choices, a glimpse of it, and why the choices cannot be."""

    draft: Draft
    choices: SourceOptions
    glimpse: Glimpse | None
    error: ImporterError | None = None

    def said(self, text: str | None) -> str:
        """A message of the library in the page's words: no paths, and fields instead of options."""
        text = (text or "").replace(str(self.draft.file), self.draft.name)
        for option, words in _WORDS:
            text = option.sub(words, text)
        text = _CODE_PAGE.sub(lambda found: f"“{ENCODINGS.get(found[1], found[1])}”", text)
        return _OPTION.sub(lambda found: f"“{found[1].replace('-', ' ').capitalize()}”", text)


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/file``."""
    draft = await open_draft(request)
    return await _page(request, await asyncio.to_thread(read, draft, draft.reading))


async def _choose(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/file``: other choices, which are kept where the list can be read so."""
    draft = await open_draft(request)
    form = await form_of(request)
    try:
        choices = chosen(form, draft.reading)
    except UsageError as error:
        return await _as_before(request, draft, draft.reading, error)
    reading = await asyncio.to_thread(read, draft, choices)
    if reading.error is not None:
        return await _as_before(request, draft, choices, reading.error)
    await asyncio.to_thread(request.app[DRAFTS].change, draft.id, reading=choices)
    if is_part(request):
        return await _page(request, reading)
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/file")


async def _as_before(
    request: web.Request, draft: Draft, choices: SourceOptions, error: ImporterError
) -> web.Response:
    """The page with choices that cannot be, why so, and the list as it was read before them."""
    before = await asyncio.to_thread(read, draft, draft.reading)
    return await _page(request, replace(before, choices=choices, error=error), 422)


def read(draft: Draft, choices: SourceOptions) -> Reading:
    """Look into the list of a draft; blocks for as long as it takes to open it."""
    try:
        return Reading(draft, choices, library.glimpse(draft.file, reading=choices, rows=ROWS))
    except SourceError as error:
        return Reading(draft, choices, None, error)


def chosen(form: Mapping[str, str], before: SourceOptions) -> SourceOptions:
    """The choices of a form; what is blank is found by looking. Raises UsageError.

    A sheet is chosen by its number where the sheets are known, else by what is typed.
    """
    form = {name: value[:_LONGEST_CHOICE] for name, value in form.items()}
    delimiter = form.get("delimiter", "")
    mark = delimiter_named(delimiter) if delimiter else None
    if mark is not None and len(mark) != 1:
        raise UsageError(f"the delimiter {delimiter} is more than one character")
    sheet: str | int | None = form.get("sheet", "").strip() or None
    if number := form.get("sheet_number", ""):
        sheet = _whole(number, "the sheet")
    return replace(
        before,
        sheet=sheet,
        header_row=_whole(row, "the header row") if (row := form.get("header_row", "")) else None,
        encoding=form.get("encoding", "").strip() or None,
        delimiter=mark,
    )


def _whole(text: str, what: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise UsageError(
            f"{what} is given by its number, from 1", "Leave it blank to have it found."
        )
    return int(text)


async def _page(request: web.Request, reading: Reading, status: int = 200) -> web.Response:
    part, glimpse = is_part(request), reading.glimpse
    told = None
    if glimpse is not None:
        told = await sent_before(request, reading.draft, glimpse.info.sheet)
    return request.app[PAGES].render(
        request,
        "found.html.j2" if part else "file.html.j2",
        # htmx puts what is wrong into a place of its own; here it belongs beside the choices.
        200 if part else status,
        sent_before=told,
        reading=reading,
        draft=reading.draft,
        choices=reading.choices,
        info=reading.glimpse.info if reading.glimpse is not None else None,
        rows=reading.glimpse.rows if reading.glimpse is not None else (),
        most_columns=COLUMNS,
        most_remarks=REMARKS,
        encodings=ENCODINGS,
        delimiters=DELIMITERS,
        delimiter_name=delimiter_name,
        kinds=KINDS,
    )


ROUTES = [
    web.get("/drafts/{id}/file", _show, name="file"),
    web.post("/drafts/{id}/file", _choose),
]
