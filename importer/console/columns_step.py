"""The columns step: a mapping as text, what it makes of the first rows, and its mistakes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from aiohttp import web

from importer import library
from importer.console.drafts import DRAFTS, Draft, Drafts, open_draft, refuse_sent
from importer.console.pages import PAGES, is_part
from importer.console.target import TARGETS
from importer.console.telling import Told, page_words
from importer.errors import ImporterError, MappingError
from importer.settings import Target

ROWS = 5
"""Records that are shown as they would be sent."""
LONGEST = 2**20
"""Characters of a mapping."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A record as it would be sent, or why it would not be."""

    row: int
    body: str
    problems: tuple[str, ...]


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/columns``: the mapping, which is drafted where there is none yet."""
    draft = await open_draft(request)
    told = None
    if not draft.mapping.exists():
        try:
            target = await _target(request, draft)
            await asyncio.to_thread(_begin, request.app[DRAFTS], draft, target)
        except ImporterError as error:
            told = _told(draft, error)
    return await _page(request, draft, told=told)


async def _target(request: web.Request, draft: Draft) -> Target | None:
    """Where the draft's records go, whose fields the mapping is drafted for; None if not known."""
    try:
        where = await request.app[TARGETS].whereabouts(draft)
        return await request.app[TARGETS].target(draft) if where.known else None
    except ImporterError:
        return None  # the plan tells of it


def _begin(drafts: Drafts, draft: Draft, target: Target | None) -> None:
    try:
        text = library.init(draft.file, reading=draft.reading, target=target)
    except ImporterError:
        if target is None:
            raise
        # The service cannot be asked now: the plan compares with the project.
        text = library.init(draft.file, reading=draft.reading)
    drafts.set_mapping(draft.id, text)


async def _page(
    request: web.Request, draft: Draft, text: str | None = None, told: Told | None = None
) -> web.Response:
    shown: tuple[Shown, ...] = ()
    if draft.mapping.exists():
        kept = await asyncio.to_thread(draft.mapping.read_text, "utf-8-sig")
        if text is None:
            text = kept
        try:
            shown = await asyncio.to_thread(_preview, draft)
        except ImporterError as error:
            told = told or _told(draft, error)
    part = is_part(request)
    return request.app[PAGES].render(
        request,
        "columns_part.html.j2" if part else "columns.html.j2",
        422 if told is not None and told.tone == "bad" and not part else 200,
        draft=draft,
        text=text or "",
        told=told,
        shown=shown,
        unsure=(text or "").count("# unsure"),
    )


def _preview(draft: Draft) -> tuple[Shown, ...]:
    found = library.preview(
        draft.file,
        draft.mapping,
        reading=draft.reading,
        edits=draft.edits if draft.edits.exists() else None,
    )
    return tuple(
        Shown(
            one.row,
            json.dumps(json.loads(one.body), ensure_ascii=False, indent=1) if one.body else "",
            tuple(page_words(problem.message) for problem in one.problems),
        )
        for one in list(found)[:ROWS]
    )


def _told(draft: Draft, error: ImporterError) -> Told:
    mistakes = error.mistakes if isinstance(error, MappingError) else ()

    def words(text: str | None) -> str:
        return page_words((text or "").replace(str(draft.mapping), "line"))

    return Told(words(error.message), words(error.hint), tuple(map(words, mistakes)))


async def _keep(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/columns``: another text, which is kept where it is a mapping."""
    draft = await open_draft(request)
    refuse_sent(draft)
    given = str((await request.post()).get("text", ""))
    text = given.replace("\r\n", "\n")[:LONGEST]
    try:
        await asyncio.to_thread(_keep_mapping, request.app[DRAFTS], draft, text)
    except ImporterError as error:
        return await _page(request, draft, text, _told(draft, error))
    if is_part(request):
        return await _page(request, draft, told=Told("kept", tone="good"))
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/columns")


def _keep_mapping(drafts: Drafts, draft: Draft, text: str) -> None:
    """Keep a mapping that loads; one that does not leaves the one before as it was."""
    before = draft.mapping.read_text("utf-8-sig") if draft.mapping.exists() else None
    drafts.set_mapping(draft.id, text)
    try:
        library.load_mapping(draft.mapping)
    except ImporterError:
        if before is not None:
            drafts.set_mapping(draft.id, before)
        else:
            draft.mapping.unlink(missing_ok=True)
        raise


ROUTES = [
    web.get("/drafts/{id}/columns", _show),
    web.post("/drafts/{id}/columns", _keep),
]
