"""The send step: the first rows side by side, then the rest: watched, stopped and gone on with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from importer import library
from importer.console.drafts import DRAFTS, Draft, open_draft
from importer.console.pages import PAGES, form_of, is_part
from importer.console.plan_step import changed_since, pace_words, teller_for
from importer.console.records import part_name
from importer.console.row_names import names_in_draft
from importer.console.target import TARGETS
from importer.console.telling import Action, Teller, Told
from importer.console.under_way import FIRST_ROWS, UNDER_WAY, Looking, Order, Sending, watch
from importer.errors import ImporterError, UsageError
from importer.library import PastRun, PlanFile
from importer.model import CanaryState, Status

MOST_SHOWN = 20
"""Records that are shown side by side."""
_CANARY = "canary.json"


@dataclass(frozen=True, slots=True)
class Compared:
    """A part of a record: as it was sent, and as it was read back; `state` says whether alike."""

    part: str
    sent: str
    read_back: str | None
    state: str


@dataclass(frozen=True, slots=True)
class FirstRow:
    """A row that was sent first: its record read back, or why there is none."""

    row: int
    numberid: str
    parts: tuple[Compared, ...]
    failed: str = ""

    @property
    def differs(self) -> bool:
        """Whether a person should look at it."""
        return bool(self.failed) or any(part.state == "different" for part in self.parts)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a plan stands by its own folder, whoever has sent of it."""

    plan: PlanFile
    past: PastRun
    first: tuple[FirstRow, ...]

    @property
    def canary(self) -> CanaryState | None:
        """How far the rows are that are sent first; None where there are none."""
        return self.past.canary.state if self.past.canary is not None else None

    @property
    def only_first(self) -> bool:
        """Whether nothing but the rows that are sent first was sent of it."""
        canary = self.past.canary
        counts = self.past.counts
        sent = counts[Status.CREATED] + counts[Status.REJECTED] + counts[Status.UNCERTAIN]
        return canary is not None and sent <= len(canary.chosen)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to send, or to read back."""
        return self.past.begun and not self.past.needs_service


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/send``."""
    return await _page(request, await open_draft(request))


async def _page(request: web.Request, draft: Draft, refusal: Told | None = None) -> web.Response:
    told = refusal
    sending = request.app[UNDER_WAY].last(Sending, draft.id)
    ended = None
    if sending is not None and sending.done:  # asked once: it may end while this is awaited
        ended, sending = sending, None
        draft = await open_draft(request)
    standing, lost = None, None
    if (folder := draft.run_dir or draft.plan_dir) is not None:
        try:
            standing = await asyncio.to_thread(_standing, folder)
        except ImporterError as error:
            lost = error
    if standing is not None and standing.past.begun and draft.run_dir is None and sending is None:
        # A command has sent it, or a console that was killed before it could say so.
        draft = await asyncio.to_thread(
            request.app[DRAFTS].change, draft.id, run_dir=draft.plan_dir
        )
    where = await request.app[TARGETS].whereabouts(draft)
    order = ended.order if ended is not None else None
    teller = await _teller(request, draft, order)
    if told is None and lost is not None:
        told = teller.told(lost)
    if told is None and ended is not None:
        if ended.error is not None:
            told = teller.told(ended.error)
        elif ended.result is not None and ended.result.stop is not None:
            told = teller.stopped(ended.result.stop)
    looking = request.app[UNDER_WAY].last(Looking, draft.id)
    is_looking = looking is not None and not looking.done
    if told is None and is_looking:
        told = Told(
            "rows of this import are being looked for in the service",
            "It can go on when that has ended.",
            (),
            (Action("To the result", f"/drafts/{draft.id}/result"),),
            "doubtful",
        )
    rehearsal = standing is not None and standing.past.sandbox is not None
    changed = await asyncio.to_thread(changed_since, draft, where) if standing else ()
    return request.app[PAGES].render(
        request,
        "send_part.html.j2" if is_part(request) else "send.html.j2",
        200 if refusal is None or is_part(request) else 422,
        part=is_part(request),
        draft=draft,
        standing=standing,
        counts={status.value: n for status, n in standing.past.counts.items()} if standing else {},
        begun=standing is not None and standing.past.begun,
        rehearsal=rehearsal,
        customer=where.account.customer,
        can_send=(rehearsal or where.account.customer is not None) and not is_looking,
        changed=changed,
        sending=sending,
        state=sending.state() if sending is not None else None,
        told=told,
        notes=ended.result.notes if ended is not None and ended.result is not None else (),
        stop=_stop_code(ended),
        pace=pace_words(standing.plan.settings) if standing is not None else "",
        first_rows=FIRST_ROWS,
        rest=await _rest(request, draft),
        row_name=await asyncio.to_thread(names_in_draft, request.app[DRAFTS], draft),
        working_folder=Path.cwd(),
    )


async def _rest(request: web.Request, draft: Draft) -> Draft | None:
    """The import of what this one has not sent; None where there is none."""
    if draft.run_dir is None:
        return None
    return (await asyncio.to_thread(request.app[DRAFTS].continued, draft.run_dir)).rest


def _stop_code(ended: Sending | None) -> str:
    if ended is None or ended.result is None or ended.result.stop is None:
        return ""
    return ended.result.stop.code


def _standing(folder: Path) -> Standing:
    """How the plan in a folder stands; raises UsageError and JournalError."""
    return Standing(library.read_plan(folder), library.past_run(folder), _first_rows(folder))


def _first_rows(folder: Path) -> tuple[FirstRow, ...]:
    """The rows that were sent first, from what is written down of them; none where nothing is."""
    try:
        about = json.loads((folder / _CANARY).read_bytes())
        failed = [
            FirstRow(one["row"], "", (), f"{one['status']}: {one['message'] or one['code']}")
            for one in about["failed"]
        ]
        read = [
            FirstRow(one["row"], one["numberid"], tuple(map(_compared, one["fields"])))
            for one in about["rows"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return tuple(sorted([*failed, *read], key=lambda one: one.row)[:MOST_SHOWN])


def _compared(part: Mapping[str, Any]) -> Compared:
    return Compared(part_name(part["path"]), part["sent"], part["read_back"], part["state"])


async def _send(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/send``: send the first rows, or all that are left; go on."""
    draft = await open_draft(request)
    form = await form_of(request)
    order = Order(
        plan_id=form.get("plan_id", ""),
        first=form.get("what") == "first",
        again=form.get("again") == "yes",  # a plan that was made so keeps it
        gentle=form.get("pace") == "gentle",
    )
    teller = await _teller(request, draft, order)
    try:
        await _begin(request, draft, order)
    except ImporterError as error:
        return await _page(request, draft, teller.told(error))
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/send")


async def _teller(request: web.Request, draft: Draft, order: Order | None) -> Teller:
    """Who tells of errors here, with a button that orders the same again."""
    fields: dict[str, str] = {}
    if order is not None:
        fields = {"plan_id": order.plan_id, "what": "first" if order.first else "all"}
        fields |= {"pace": "gentle"} if order.gentle else {}
    return await teller_for(request, draft, "send", "Try again", fields)


async def _begin(request: web.Request, draft: Draft, order: Order) -> None:
    folder = draft.run_dir or draft.plan_dir
    if folder is None:
        raise UsageError("there is no plan yet", "Make it first.")
    if await _rest(request, draft) is not None:
        raise UsageError(
            "what was not sent of it has an import of its own",
            "Go on with that one: both would send the same rows.",
        )
    targets, past = request.app[TARGETS], await asyncio.to_thread(library.past_run, folder)
    where = await targets.whereabouts(draft)
    if not past.begun and (changed := await asyncio.to_thread(changed_since, draft, where)):
        raise UsageError(
            f"the plan is out of date: {'; '.join(changed)}", "Make it again: nothing was sent."
        )
    target = None
    if past.sandbox is not None:
        target = await targets.sandbox()
    elif where.account.customer is None:
        raise where.account.error or UsageError(
            "the credentials of your account are not set any more",
            "Set them as before, then go on: nothing is lost.",
        )
    request.app[UNDER_WAY].send(Sending(draft.id, draft.name, folder, order), target)


async def _anew(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/send/anew``: a draft of what the import has not sent, one at most."""
    draft = await open_draft(request)
    if draft.run_dir is None:
        raise UsageError("nothing of this was sent yet", "Change it as it is.")
    try:
        new = await asyncio.to_thread(request.app[DRAFTS].begin_anew, draft, draft.run_dir)
    except ImporterError as error:
        return await _page(request, draft, (await _teller(request, draft, None)).told(error))
    raise web.HTTPSeeOther(f"/drafts/{new.id}/{'columns' if new.run_dir is None else 'result'}")


async def _stop(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/send/stop``: stop; what is in flight is finished and recorded."""
    draft = await open_draft(request)
    sending = request.app[UNDER_WAY].last(Sending, draft.id)
    if sending is not None:
        sending.ask_to_stop()
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/send")


async def _events(request: web.Request) -> web.StreamResponse:
    """``GET /drafts/{id}/send/events?page=…``: how the sending goes."""
    return await watch(request, request.app[UNDER_WAY].last(Sending, request.match_info["id"]))


ROUTES = [
    web.get("/drafts/{id}/send", _show),
    web.post("/drafts/{id}/send", _send),
    web.post("/drafts/{id}/send/anew", _anew),
    web.post("/drafts/{id}/send/stop", _stop),
    web.get("/drafts/{id}/send/events", _events, allow_head=False),
]
