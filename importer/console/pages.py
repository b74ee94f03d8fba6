"""Pages and parts of pages, from the templates beside this module.

Whatever a cell, a header or a file's name holds stays text: Jinja2 escapes every value, and the
filter ``visible`` names what cannot be seen in it. The page's policy allows no script and no style
but the console's own files.
"""

from __future__ import annotations

import json
import secrets
import unicodedata
from datetime import datetime
from http import HTTPStatus
from pathlib import Path, PurePath

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from importer.console.security import ACCESS, CSRF_FIELD, CSRF_HEADER
from importer.errors import ImporterError
from importer.reports.content import visible

STATIC_FILES = Path(__file__).parent / "static"

HTMX_CONFIG = {
    # Snapshots of pages would put personal data into the browser's storage.
    "historyCacheSize": 0,
    # A part that is exchanged works at once: who presses Enter before htmx has looked at its forms,
    # 20 ms later by default, leaves the page. With 0, htmx gives the focus back too late.
    "defaultSettleDelay": 1,
    "refreshOnHistoryMiss": True,
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "selfRequestsOnly": True,
    # What went wrong is said in the page, in a place of its own, which stays.
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {
            "code": "[45]..",
            "swap": True,
            "error": True,
            "target": "#notice",
            "swapOverride": "innerHTML",
        },
    ],
}


STEPS = (
    ("file", "File"),
    ("columns", "Columns"),
    ("fix", "Check and fix"),
    ("plan", "Plan"),
    ("send", "Send"),
    ("result", "Result"),
)
"""The steps of a draft: the last part of the address of each, and what it is called."""


class Pages:
    """The templates, and how one becomes a response."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("importer.console", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            visible=visible,
            visible_lines=_visible_lines,
            sentence=_sentence,
            bytes=_bytes,
            moment=_moment,
            basename=basename,
            folded=folded,
        )
        self._environment.globals.update(
            csrf_field=CSRF_FIELD,
            csrf_header=CSRF_HEADER,
            htmx_config=json.dumps(HTMX_CONFIG),
            all_steps=STEPS,
        )

    def render(
        self, request: web.Request, name: str, status: int = 200, **values: object
    ) -> web.Response:
        """A template as a response; every page has an id, by which it asks for events."""
        access = request.app[ACCESS]
        session = access.session(request)
        csrf = access.csrf(session) if session is not None else None
        text = self._environment.get_template(name).render(
            csrf=csrf, page_id=secrets.token_hex(8), **values
        )
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def refusal(self, request: web.Request, status: int, error: ImporterError) -> web.Response:
        """What went wrong as a page, or as the part of a page that htmx asked for."""
        part = request.headers.get("HX-Request") == "true"
        name = "notice.html.j2" if part else "refusal.html.j2"
        title = _TITLES.get(status, HTTPStatus(status).phrase)
        has_session = request.app[ACCESS].session(request) is not None
        return self.render(request, name, status, error=error, title=title, has_session=has_session)


_TITLES = {
    403: "This is closed to this page",
    404: "There is nothing here",
    422: "That did not work",
}

PAGES = web.AppKey("PAGES", Pages)


def is_part(request: web.Request) -> bool:
    """Whether htmx asks, for a part of the page, and not the browser, for all of it."""
    return request.headers.get("HX-Request") == "true"


async def form_of(request: web.Request) -> dict[str, str]:
    """The fields of a form that was posted; of a name that stands several times, the last one."""
    return {name: str(value) for name, value in (await request.post()).items()}


def _visible_lines(text: str, longest: int = 4000) -> str:
    """A text of several lines as it may be shown, line by line."""
    shown = "\n".join(visible(line, longest) for line in text[:longest].splitlines())
    return shown if len(text) <= longest else f"{shown} …"


def _sentence(text: str) -> str:
    """A message of the library as a sentence: these begin small, and end without a point."""
    if text.split(" ", 1)[0].isalpha():
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _bytes(number: int) -> str:
    if number < 1000:
        return f"{number} bytes"
    for unit in ("kB", "MB"):
        number_in_unit = number / {"kB": 1e3, "MB": 1e6}[unit]
        if number_in_unit < 1000:
            return f"{number_in_unit:,.1f} {unit}"
    return f"{number / 1e9:,.1f} GB"


def folded(text: str) -> str:
    """A name without what people do not hear: its case, accents, and marks between words."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if char.isalnum())


def _moment(moment: datetime) -> str:
    """A moment by this machine's clock."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def basename(path: str) -> str:
    """The name of a file, without the folders of whatever system."""
    return PurePath(path.replace("\\", "/")).name or path
