"""That a list was sent before, told as soon as it is known what it is and where it goes."""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache

from aiohttp import web

from importer import library
from importer.console.drafts import DRAFTS, Draft, Drafts, Place, digest_of
from importer.console.target import TARGETS, Whereabouts
from importer.console.telling import DAY, Action, Teller, Told
from importer.errors import ImporterError
from importer.library import AlreadyImported, LedgerEntry, Unfinished

_digest_of = lru_cache(maxsize=64)(digest_of)
"""The digest of a draft's list, which is never changed."""


async def sent_before(request: web.Request, draft: Draft, sheet: str | None) -> Told | None:
    """What another import has sent of the very same list, to where this one goes.

    In the words of the plan, which is refused for it at the service. What a draft leaves out by
    itself, since it is the rest of that import, is not told.
    """
    where = await request.app[TARGETS].whereabouts(draft)
    if draft.run_dir is not None or draft.again or not where.known:
        return None
    drafts = request.app[DRAFTS]
    if where.place is Place.SANDBOX:
        return await asyncio.to_thread(_rehearsed, drafts, draft)
    return await asyncio.to_thread(_imported, drafts, draft, where, sheet)


def _rehearsed(drafts: Drafts, draft: Draft) -> Told | None:
    """The latest rehearsal of the list; no ledger is kept of these, so nothing is refused."""
    for other in drafts.all():
        if (
            other.run_dir is not None
            and other.place is Place.SANDBOX
            and other.run_dir not in draft.excepted
            and other.size == draft.size
            and _digest_of(other.file) == _digest_of(draft.file)
        ):
            return Told(
                "this very list was sent to the sandbox before, all or part of it: the import of"
                f" {other.created_at.astimezone():{DAY}}",
                "Sent once more, its records are there twice. In the real call centre, the console"
                " would refuse to send it again.",
                (),
                (Action("See its result", f"/drafts/{other.id}/result"),),
                "doubtful",
            )
    return None


def _imported(drafts: Drafts, draft: Draft, where: Whereabouts, sheet: str | None) -> Told | None:
    """The newest import of the list by the ledgers, if it has sent, or begun to send, rows."""
    found: list[LedgerEntry] = []
    with contextlib.suppress(ImporterError):  # a ledger that cannot be read is told on planning
        found = library.runs_of(_digest_of(draft.file), where.base_url or "", where.project or 0)
    for entry in found:
        if entry.run_dir in draft.excepted or entry.sheet != sheet:
            continue
        kind = Unfinished if entry.unfinished else AlreadyImported if entry.sent else None
        if kind is None:
            continue
        by_run = {str(one.run_dir): one for one in drafts.all() if one.run_dir is not None}
        nothing = Action("", "")
        told = Teller(draft, nothing, nothing, by_run.get).told(kind("", "", entry))
        links = tuple(action for action in told.actions if action is not nothing)
        return Told(told.message, told.hint, told.lines, links, "doubtful")
    return None
