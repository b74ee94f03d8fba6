"""The plan step: where the records go, what would be created, and what is still to be decided."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aiohttp import web

from importer import library
from importer.console.drafts import DRAFTS, Draft, Drafts, Place, open_draft, refuse_sent
from importer.console.pages import PAGES, form_of, is_part
from importer.console.target import TARGETS, Whereabouts
from importer.console.telling import Action, Teller, Told
from importer.console.under_way import GENTLE, UNDER_WAY, ingredients, watch
from importer.console.work import OPEN_LISTS, OpenList
from importer.errors import ImporterError, UsageError
from importer.library import LoadedMapping, PlanFile, Refused
from importer.model import Checkup, NewValue, Problem, Project, Severity, Status
from importer.reports.content import problem_groups, whole_file_errors, why_left_out
from importer.settings import Pace, RunSettings

MOST_VALUES = 60
"""New values that are decided at once; the next ones come after these."""
MOST_TEXTS = 200
"""Different texts of cells that are mended for one value: each is an edit of its own."""
MOST_EXISTING = 1000
"""Values of a field that are offered in place of a new one."""

RUNS_DIR = web.AppKey("RUNS_DIR", Path)
"""The folder in which plans and runs get theirs."""

_CHANGED = {
    "mapping": "the columns were changed",
    "edits": "cells were mended, or rows left out",
    "reading": "the list is read in another way",
    "place": "the records go elsewhere",
}
_STEP_OF = {"form": "columns", "contacts": "columns", "stamp": "columns", "disposition": "columns"}


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what of its ingredients is another by now, in words."""

    plan: PlanFile
    changed: tuple[str, ...]


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/plan``."""
    return await _page(request, await open_draft(request))


async def _page(request: web.Request, draft: Draft, refusal: Told | None = None) -> web.Response:
    told = refusal
    where = await request.app[TARGETS].whereabouts(draft)
    planning = request.app[UNDER_WAY].planning(draft.id)
    ended = None
    if planning is not None and planning.done:  # asked once: it may end while this is awaited
        ended, planning = planning, None
        draft = await open_draft(request)
    teller = await teller_for(request, draft, "plan", "Make the plan")
    checkup = None
    planned = await asyncio.to_thread(_planned, draft, where)
    outdated = planned.changed if planned is not None else ()
    if ended is not None and ended.result is None:
        # What was refused of other columns, or elsewhere, is not what would be refused now.
        since = await asyncio.to_thread(_changed, draft, where, ended.made_of)
        if since:
            ended = None
        outdated = since if planned is None or planned.changed else ()
    if ended is not None:
        if isinstance(ended.error, Refused):
            checkup = ended.error.checkup
        elif ended.error is not None and told is None:
            told = teller.told(ended.error)
        elif ended.result is not None:
            checkup = ended.result.checkup
    refused = checkup if ended is not None and ended.result is None else None
    existing: dict[str, list[str]] = {}
    undecided = _undecided(refused)
    if undecided:
        existing = await _existing(request, draft, {value.field for value in undecided})
    return request.app[PAGES].render(
        request,
        "plan_part.html.j2" if is_part(request) else "plan.html.j2",
        200 if refusal is None or is_part(request) else 422,
        part=is_part(request),
        draft=draft,
        where=where,
        sandbox=where.place is Place.SANDBOX,
        planning=planning,
        told=told,
        planned=planned,
        outdated=outdated,
        refusals=tuple(_refusals(refused, teller)) if refused is not None else (),
        lacking=_lacks_fields(refused),
        undecided=undecided[:MOST_VALUES],
        more_undecided=max(0, len(undecided) - MOST_VALUES),
        existing={name: values[:MOST_EXISTING] for name, values in existing.items()},
        remarks=_remarks(checkup),
        left_out=_left_out(planned.plan) if planned is not None else (),
        new_values=_new_values(planned.plan) if planned is not None else (),
        pace=pace_words(planned.plan.settings) if planned is not None else "",
        chosen=_chosen_pace(planned.plan.settings if planned is not None else {}),
        working_folder=Path.cwd(),
        is_blank=not draft.mapping.exists(),
    )


async def teller_for(
    request: web.Request,
    draft: Draft,
    step: str,
    retry: str,
    fields: Mapping[str, str] = MappingProxyType({}),
) -> Teller:
    """Who tells of errors in a step of a draft; the button `retry` posts `fields` to the step."""
    address = f"/drafts/{draft.id}/{step}"
    others = await asyncio.to_thread(request.app[DRAFTS].all)
    by_run = {str(one.run_dir): one for one in others if one.run_dir is not None}
    anyway = "Send it once more, all of it" if step == "send" else "Plan it once more, all of it"
    return Teller(
        draft,
        Action(retry, address, fields),
        Action(anyway, address, {**fields, "again": "yes"}, "danger"),
        by_run.get,
    )


def _planned(draft: Draft, where: Whereabouts) -> Planned | None:
    """The plan of a draft; None where there is none, or it is gone."""
    if draft.plan_dir is None:
        return None
    try:
        plan = library.read_plan(draft.plan_dir)
    except ImporterError:
        return None
    return Planned(plan, changed_since(draft, where))


def changed_since(draft: Draft, where: Whereabouts) -> tuple[str, ...]:
    """What has changed since the plan of a draft was made, in words; blocks.

    Nothing of a plan that is being sent: it is sent as it was planned.
    """
    return _changed(draft, where, draft.planned_from)


def _changed(
    draft: Draft, where: Whereabouts, made_of: Mapping[str, str] | None
) -> tuple[str, ...]:
    """Which ingredients of a planning are others now, in words; none where they are not known."""
    if made_of is None or draft.run_dir is not None or not draft.mapping.exists():
        return ()
    now = ingredients(draft, where)
    return tuple(words for name, words in _CHANGED.items() if now[name] != made_of.get(name))


# What keeps a list from being planned.


def _undecided(checkup: Checkup | None) -> list[NewValue]:
    new = checkup.new_values if checkup is not None else None
    return [value for value in new or () if not value.allowed]


def _refusals(checkup: Checkup, teller: Teller) -> Iterator[Told]:
    """What else but new values the project does not take, each with the step that mends it."""
    for problem in whole_file_errors(checkup.survey):
        if problem.code != "new_value":
            yield _told_of(problem, teller)


def _told_of(problem: Problem, teller: Teller) -> Told:
    part = (problem.target or "form").partition(".")[0]
    step = _STEP_OF.get(part, "fix")
    label = "To the columns" if step == "columns" else "Check and fix"
    actions = (Action(label, teller.step(step)),)
    return Told(teller.words(problem.message), teller.words(problem.hint), (), actions)


def _lacks_fields(checkup: Checkup | None) -> bool:
    """Whether the project lacks fields or dispositions, which a sandbox can be given."""
    if checkup is None:
        return False
    lacking = {"unknown_field", "unknown_disposition"}
    return any(problem.code in lacking for problem in whole_file_errors(checkup.survey))


async def _existing(request: web.Request, draft: Draft, names: set[str]) -> dict[str, list[str]]:
    """The values that fields of the project have, by field; none where it cannot be asked."""
    try:
        target = await request.app[TARGETS].target(draft)
        project: Project = await asyncio.to_thread(library.project, target)
    except ImporterError:
        return {}
    return {
        one.name: [value.name for value in one.values]
        for one in project.fields
        if one.name in names
    }


# What a plan says.


def _left_out(plan: PlanFile) -> tuple[tuple[str, str, int], ...]:
    """Why rows are left out: their status, the reason in words, and how many; most first."""
    found: Counter[tuple[str, str]] = Counter()
    for one in plan.left_out:
        status = Status(one["status"])
        found[status.value, why_left_out(one["code"].split("|"), status)] += one["rows"]
    return tuple((status, why, rows) for (status, why), rows in found.most_common())


def _new_values(plan: PlanFile) -> tuple[tuple[str, str, int], ...]:
    """Values that would be created: the field, the value, and in how many rows it stands."""
    fields = plan.expected["fields"] if plan.expected is not None else ()
    return tuple((one["name"], new["text"], new["rows"]) for one in fields for new in one["new"])


def _remarks(checkup: Checkup | None) -> tuple[tuple[str, int, str], ...]:
    """Warnings that keep nothing back: their kind, how many, and the first of them."""
    if checkup is None:
        return ()
    return tuple(
        (group.title, group.count, group.examples[0].message)
        for group in problem_groups(checkup.survey)
        if group.severity is Severity.WARNING
    )


def pace_words(settings: Mapping[str, Any]) -> str:
    """How hard a plan presses, in words."""
    rate, at_once = settings.get("rate"), settings.get("concurrency")
    if rate is None and at_once is None:
        return "as fast as the service serves well"
    words = [f"at most {rate:g} records a second"] if rate is not None else []
    words += [f"at most {at_once} at the same time"] if at_once is not None else []
    return ", ".join(words)


def _chosen_pace(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields of the pace show: that of the last plan."""
    rate, at_once = settings.get("rate"), settings.get("concurrency")
    kind = "own"
    if (rate, at_once) == (None, None):
        kind = "auto"
    elif (rate, at_once) == (GENTLE.rate, GENTLE.concurrency):
        kind = "gentle"
    return {"kind": kind, "rate": rate, "at_once": at_once}


def _pace(form: Mapping[str, str]) -> Pace:
    """The pace that a form asks for; raises UsageError."""
    match form.get("pace", "auto"):
        case "gentle":
            return GENTLE
        case "own":
            rate = _number(form.get("rate", ""), "records a second")
            at_once = _number(form.get("at_once", ""), "records at the same time")
            return Pace(concurrency=int(at_once) if at_once else None, rate=rate)
        case _:
            return Pace()


def _number(text: str, what: str) -> float | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text)):
        raise UsageError(f"{what}: this is no number from 1", "Leave it blank for no limit.")
    return float(text)


# What is done.


async def _plan(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/plan``: make the plan, with the pace that was chosen."""
    draft, form = await open_draft(request), await form_of(request)
    try:
        pace = _pace(form)
        if form.get("again") == "yes":
            draft = await asyncio.to_thread(request.app[DRAFTS].change, draft.id, again=True)
        await _begin(request, draft, pace if "pace" in form else await _last_pace(request, draft))
    except ImporterError as error:
        return await _refused(request, draft, error)
    raise _back(draft)


async def _last_pace(request: web.Request, draft: Draft) -> Pace:
    """The pace that was chosen last: of the last planning, else of the plan that there is."""
    planning = request.app[UNDER_WAY].planning(draft.id)
    if planning is not None:
        return planning.settings.pace
    try:
        plan = (
            await asyncio.to_thread(library.read_plan, draft.plan_dir) if draft.plan_dir else None
        )
    except ImporterError:
        return Pace()
    settings = plan.settings if plan is not None else {}
    return Pace(concurrency=settings.get("concurrency"), rate=settings.get("rate"))


async def _begin(request: web.Request, draft: Draft, pace: Pace) -> None:
    """Begin to plan; raises ImporterError where that cannot be begun."""
    refuse_sent(draft)
    if not draft.mapping.exists():
        raise UsageError("the columns come first", "Say what each column is.")
    targets = request.app[TARGETS]
    target = await targets.target(draft)
    where = await targets.whereabouts(draft)
    settings = RunSettings(
        pace=pace, runs_dir=request.app[RUNS_DIR], sandbox=targets.rehearsal(target)
    )
    request.app[UNDER_WAY].plan(draft, target, where, settings)


async def _refused(request: web.Request, draft: Draft, error: ImporterError) -> web.Response:
    teller = await teller_for(request, draft, "plan", "Make the plan")
    return await _page(request, draft, teller.told(error))


def _back(draft: Draft) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/drafts/{draft.id}/plan")


async def _stop(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/plan/stop``: end the planning; nothing is kept of it."""
    draft = await open_draft(request)
    planning = request.app[UNDER_WAY].planning(draft.id)
    if planning is not None:
        planning.ask_to_stop()
        await planning.ended.wait()
    raise _back(draft)


async def _decide(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/plan/values``: allow new values or mean others by them; plan again."""
    draft, form = await open_draft(request), await request.post()
    planning = request.app[UNDER_WAY].planning(draft.id)
    if planning is None or not isinstance(planning.error, Refused):
        raise _back(draft)  # it was decided in another page
    where = await request.app[TARGETS].whereabouts(draft)
    if since := await asyncio.to_thread(_changed, draft, where, planning.made_of):
        gone = Told(
            f"nothing of this was kept: since the list was planned last, {'; '.join(since)}",
            "Plan again, then decide.",
        )
        return await _page(request, draft, gone)
    undecided = {(one.field, one.text): one for one in _undecided(planning.error.checkup)}
    allowed: dict[str, list[str]] = {}
    meant: list[tuple[NewValue, str]] = []
    try:
        for number in range(len(undecided)):
            value = undecided.get(
                (str(form.get(f"field_{number}")), str(form.get(f"text_{number}")))
            )
            if value is None:
                continue
            if form.get(f"what_{number}") == "allow":
                allowed.setdefault(value.field, []).append(value.text)
            elif form.get(f"what_{number}") == "mean":
                meant.append((value, str(form.get(f"meant_{number}", "")).strip()))
        if form.get("all") == "allow":
            for value in undecided.values():
                allowed.setdefault(value.field, []).append(value.text)
        if meant:
            # Before the mapping is changed: with another one, the list would be opened anew.
            existing = await _existing(request, draft, {value.field for value, _ in meant})
            async with request.app[OPEN_LISTS].using(draft) as opened:
                mapping = await asyncio.to_thread(library.load_mapping, draft.mapping)
                await asyncio.to_thread(_mean, opened, mapping, meant, existing)
        if allowed:
            await asyncio.to_thread(_allow, request.app[DRAFTS], draft, allowed)
        await _begin(request, draft, planning.settings.pace)
    except ImporterError as error:
        return await _refused(request, draft, error)
    raise _back(draft)


def _mean(
    opened: OpenList,
    mapping: LoadedMapping,
    meant: Sequence[tuple[NewValue, str]],
    existing: Mapping[str, Sequence[str]],
) -> None:
    """Mend all cells that say a value, so that they say the one that is meant: edits, as by hand.

    Raises UsageError, and nothing is mended, where the project has no value that is meant, or no
    cell says so: then the mapping makes the value.
    """
    for value, instead in meant:
        if not instead:
            raise UsageError(f"“{value.text}” means nothing yet", "Type what it means.")
        if value.field in existing and instead not in existing[value.field]:
            raise UsageError(
                f"the project has no value “{instead}” in {value.field}",
                "Choose one of those that it has, or let the new one be made.",
            )
        found = list(_cells_that_say(opened, mapping, value, instead))
        if not found:
            raise UsageError(
                f"no cell says “{value.text}”: the columns' rules make it of other texts",
                "Change the rule of the field in the columns.",
            )
        if len(found) > MOST_TEXTS:
            raise UsageError(
                f"“{value.text}” stands in {len(found):,} different cells",
                "Translate it in the columns, or mend it in the list itself.",
            )
    for value, instead in meant:
        # Looked for again: a cell of several values may say two of them.
        for column, old, new in list(_cells_that_say(opened, mapping, value, instead)):
            opened.log.replace_all(column, old, new)


def _cells_that_say(
    opened: OpenList, mapping: LoadedMapping, value: NewValue, instead: str
) -> Iterator[tuple[int, str, str]]:
    """The texts of cells of which a value comes: column, text, and the text that says the other."""
    rule = mapping.spec.form[value.field]
    # A translated value is mended by the code that stands for the other one, if there is any.
    codes = {code for code, text in (rule.map or {}).items() if text == value.text}
    code = next((code for code, text in (rule.map or {}).items() if text == instead), instead)

    def says(text: str) -> bool:
        text = text.strip()
        same = text.casefold() == value.text.casefold() if rule.case else text == value.text
        return same or text in codes

    def mended(text: str) -> str:
        if not rule.multiple:
            return code if says(text) else text
        marks = sorted({*(rule.split or ()), "|"}, key=len, reverse=True)
        pieces = re.split(f"({'|'.join(map(re.escape, marks))})", text)
        told = [piece.replace(piece.strip(), code) if says(piece) else piece for piece in pieces]
        return "".join(told)

    names = {_folded(name) for name in (*_listed(rule.column), *_listed(rule.columns))}
    headers = opened.recheck.info.headers
    edits = opened.log.overlay
    for column in (n for n, header in enumerate(headers) if _folded(header) in names):
        texts: set[str] = set()
        for batch in opened.recheck.batches([column]):
            texts.update(edits.over(batch).columns[column].unique().to_pylist())
        yield from ((column, text, new) for text in sorted(texts) if (new := mended(text)) != text)


def _listed(names: str | Sequence[str] | None) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names or ()


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _allow(drafts: Drafts, draft: Draft, values: Mapping[str, list[str]]) -> None:
    text = draft.mapping.read_text("utf-8-sig")
    drafts.set_mapping(draft.id, library.with_new_values(text, values))


async def _forbid(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/plan/forbid``: a value that was allowed is not any more."""
    draft, form = await open_draft(request), await form_of(request)
    refuse_sent(draft)

    def forbid() -> None:
        text = draft.mapping.read_text("utf-8-sig")
        text = library.without_new_value(text, form.get("field", ""), form.get("text", ""))
        request.app[DRAFTS].set_mapping(draft.id, text)

    await asyncio.to_thread(forbid)
    raise _back(draft)


async def _fit(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/plan/fit``: give the sandbox what the mapping needs, and plan again."""
    draft = await open_draft(request)
    try:
        mapping = await asyncio.to_thread(library.load_mapping, draft.mapping)
        await request.app[TARGETS].fit_sandbox(mapping)
        await _begin(request, draft, await _last_pace(request, draft))
    except ImporterError as error:
        return await _refused(request, draft, error)
    raise _back(draft)


async def _events(request: web.Request) -> web.StreamResponse:
    """``GET /drafts/{id}/plan/events?page=…``: how the planning goes."""
    return await watch(request, request.app[UNDER_WAY].planning(request.match_info["id"]))


ROUTES = [
    web.get("/drafts/{id}/plan", _show),
    web.post("/drafts/{id}/plan", _plan),
    web.post("/drafts/{id}/plan/stop", _stop),
    web.post("/drafts/{id}/plan/values", _decide),
    web.post("/drafts/{id}/plan/forbid", _forbid),
    web.post("/drafts/{id}/plan/fit", _fit),
    web.get("/drafts/{id}/plan/events", _events, allow_head=False),
]
