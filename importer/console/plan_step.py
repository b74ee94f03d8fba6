"""The plan step: where the records go, what would be created, and what is still to be decided."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aiohttp import web

from importer import library
from importer.console.drafts import (
    DRAFTS,
    Draft,
    Place,
    loaded_mapping,
    mapping_in,
    open_draft,
    refuse_sent,
)
from importer.console.pages import PAGES, folded, form_of, is_part
from importer.console.records import with_part_names
from importer.console.row_names import RowNames, names_in_draft
from importer.console.sent_before import sent_before
from importer.console.target import TARGETS, Whereabouts
from importer.console.telling import (
    KINDS_LEFT_OUT,
    Action,
    Teller,
    Told,
    kind_words,
    page_words,
    why_held_back,
)
from importer.console.under_way import GENTLE, UNDER_WAY, Planning, ingredients, watch
from importer.errors import ImporterError, UsageError
from importer.library import Change, LoadedMapping, PlanFile, Refused, Rule
from importer.model import Checkup, NewValue, Problem, Severity, Status
from importer.reports.content import (
    EXAMPLES,
    problem_groups,
    visible,
    whole_file_errors,
    whole_file_warnings,
)
from importer.settings import Pace, RunSettings

MOST_VALUES = 60
"""New values that are decided at once; the next ones come after these."""
MOST_REFUSALS = 30
"""What else keeps a list back, each in a box of its own; of more, how many there are is said."""
MOST_CHOICES = 10_000
"""Existing values in all choices of a page; if there would be more, they are typed."""
MOST_EXISTING = 1000
"""Values of a field that are proposed to whoever types one."""

RUNS_DIR = web.AppKey("RUNS_DIR", Path)
"""The folder in which plans and runs get theirs."""

_CHANGED = {
    "mapping": "the columns were changed",
    "edits": "cells were mended, or rows left out",
    "reading": "the list is read in another way",
    "place": "the records go elsewhere",
    "excepted": "rows that may have arrived were settled in the import before this one",
}
_STEP_OF = {"form": "columns", "contacts": "columns", "stamp": "columns", "disposition": "columns"}


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what of its ingredients is another by now, in words."""

    plan: PlanFile
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """A kind of warning, of `number` rows or of the list as a whole; `examples` are in words."""

    title: str
    number: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of a new value: `what` is ``allow``, ``mean``, or blank for later.

    It means the value `meant`; `wrong` says why that cannot be.
    """

    what: str
    meant: str = ""
    wrong: str = ""


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/plan``."""
    return await _page(request, await open_draft(request))


async def _page(
    request: web.Request,
    draft: Draft,
    refusal: Told | None = None,
    decided: Mapping[NewValue, Decision] = MappingProxyType({}),
) -> web.Response:
    told = refusal
    where = await request.app[TARGETS].whereabouts(draft)
    planning = request.app[UNDER_WAY].last(Planning, draft.id)
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
    missing = _missing_fields(refused, teller) if refused is not None else None
    existing: dict[str, list[str]] = {}
    undecided = _undecided(refused)
    project = await request.app[TARGETS].project(draft) if missing is not None else None
    new_values = refused.new_values or () if refused is not None else ()
    if undecided:
        existing = await _existing(request, draft, {value.field for value in undecided})
        existing = {
            field: list(dict.fromkeys([*names, *(v.text for v in new_values if v.field == field)]))
            for field, names in existing.items()
        }
    names = RowNames()
    if checkup is not None:
        headers = checkup.info.headers
        names = await asyncio.to_thread(names_in_draft, request.app[DRAFTS], draft, headers)
    refusals = tuple(_refusals(refused, teller)) if refused is not None else ()
    shown = undecided[:MOST_VALUES]
    return await asyncio.to_thread(
        request.app[PAGES].render,
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
        refusals=refusals[:MOST_REFUSALS],
        more_refusals=max(0, len(refusals) - MOST_REFUSALS),
        missing=missing,
        project=project,
        lacking=_lacks_fields(refused),
        undecided=shown,
        decided=[decided.get(value) or _proposed(value, new_values) for value in shown],
        more_undecided=max(0, len(undecided) - MOST_VALUES),
        existing=existing,
        as_json=json.dumps,
        is_large=sum(len(existing.get(value.field, ())) for value in shown) > MOST_CHOICES,
        most_existing=MOST_EXISTING,
        remarks=_remarks(checkup, names),
        row_names=names,
        left_out=_left_out(planned.plan) if planned is not None else (),
        new_values=_new_values(planned.plan) if planned is not None else (),
        pace=pace_words(planned.plan.settings) if planned is not None else "",
        chosen=_chosen_pace(await _last_pace(request, draft)),
        sent_before=await _sent_before(request, draft, checkup, where),
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
    return tuple(words for name, words in _CHANGED.items() if now[name] != made_of.get(name, ""))


async def _sent_before(
    request: web.Request, draft: Draft, checkup: Checkup | None, where: Whereabouts
) -> Told | None:
    """That the list was rehearsed before; at the service, the planning tells it."""
    if where.place is not Place.SANDBOX:
        return None
    return await sent_before(request, draft, checkup.info.sheet if checkup is not None else None)


# What keeps a list from being planned.


def _undecided(checkup: Checkup | None) -> list[NewValue]:
    new = checkup.new_values if checkup is not None else None
    return [value for value in new or () if not value.allowed]


def _proposed(value: NewValue, among: Iterable[NewValue]) -> Decision:
    """What is chosen of a value at first: the same in another spelling is meant, others wait.

    Where no value that exists is near, one may be `among` the new ones: of spellings that differ
    in case, accents or white space, that of the most rows.
    """
    if value.nearest:
        return Decision("mean" if value.same else "", value.nearest)
    spellings = (one for one in among if one.field == value.field)
    alike = [one for one in spellings if folded(one.text) == folded(value.text)]
    best = max(alike, key=lambda one: one.count, default=value)
    return Decision("", best.text if best.text != value.text else "")


def _refusals(checkup: Checkup, teller: Teller) -> Iterator[Told]:
    """What else but new values and fields keeps the list back, each with the step to mend it in."""
    for problem in whole_file_errors(checkup.survey):
        if problem.code not in {"new_value", "unknown_field"}:
            yield _told_of(problem, teller)


def _missing_fields(checkup: Checkup, teller: Teller) -> Told | None:
    """All fields that the columns fill and the project lacks, with those it has that are near."""
    missing = [p for p in whole_file_errors(checkup.survey) if p.code == "unknown_field"]
    if not missing:
        return None
    number = checkup.survey.problem_counts["unknown_field"]
    lines = [_missing_field(problem) for problem in missing]
    if number > len(missing):
        lines.append(f"and {number - len(missing):,} more")
    return Told(
        f"the project has no field {lines[0]}"
        if number == 1
        else f"the project lacks {number:,} fields that the columns fill",
        "Choose a field of the project in the columns; or take the field out, if it need not be"
        " sent.",
        tuple(lines) if number > 1 else (),
        (Action("To the columns", teller.step("columns")),),
    )


def _missing_field(problem: Problem) -> str:
    """A field that the project lacks: its name, its column, and what may be meant."""
    column = f", from the column “{problem.column}”" if problem.column else ""
    hint = problem.hint if problem.hint and problem.hint.startswith("did you mean") else ""
    return f"“{problem.value}”{column}{f': {hint}' if hint else ''}"


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
    """The values that can be meant, by field: of the project, and those that were allowed.

    Of no field where the project cannot be asked.
    """
    project = await request.app[TARGETS].project(draft)
    if project is None:
        return {}
    try:
        mapping = await asyncio.to_thread(loaded_mapping, draft)
    except ImporterError:
        return {}
    allowed = mapping.spec.new_values
    return {
        one.name: [*(value.name for value in one.values), *allowed.get(one.name, ())]
        for one in project.fields
        if one.name in names
    }


# What a plan says.


def _left_out(plan: PlanFile) -> tuple[tuple[str, str, int], ...]:
    """Why rows are left out: their status, the reason in words, and how many; most first."""
    found: Counter[tuple[str, str]] = Counter()
    for one in plan.left_out:
        status = Status(one["status"])
        found[status.value, why_held_back(one["code"].split("|"), status)] += one["rows"]
    return tuple((status, why, rows) for (status, why), rows in found.most_common())


def _new_values(plan: PlanFile) -> tuple[tuple[str, str, int], ...]:
    """Values that would be created: the field, the value, and in how many rows it stands."""
    fields = plan.expected["fields"] if plan.expected is not None else ()
    return tuple((one["name"], new["text"], new["rows"]) for one in fields for new in one["new"])


def _remarks(checkup: Checkup | None, names: RowNames) -> tuple[Remark, ...]:
    """Warnings that keep nothing back: those of the list as a whole, then a remark for each kind.

    A kind may have both.
    """
    if checkup is None:
        return ()
    survey = checkup.survey
    warnings = tuple(whole_file_warnings(survey))
    whole = Counter(one.code for one in warnings)
    held_back: Counter[str] = Counter()
    for (status, codes), rows in survey.left_out.items():
        if status is Status.SKIPPED:
            held_back.update(dict.fromkeys(set(codes.split("|")) & KINDS_LEFT_OUT, rows))
    found = [Remark(kind_words(one.code), 1, (_remark_words(one, names),)) for one in warnings]
    for group in problem_groups(survey):
        examples = [one for one in group.examples if one.row is not None][:EXAMPLES]
        if group.severity is Severity.WARNING and examples:
            number = group.count - whole[group.code] - held_back[group.code]
            if number <= 0:
                continue
            found.append(
                Remark(
                    kind_words(group.code),
                    number,
                    tuple(_remark_words(one, names) for one in examples),
                )
            )
    return tuple(found)


def _remark_words(problem: Problem, names: RowNames) -> str:
    where = f"row {names(problem.row)}" if problem.row is not None else ""
    place = ", ".join(filter(None, (where, visible(problem.column, 80))))
    words = with_part_names(page_words(problem.message))
    return f"{place}: {words}" if place else words


def pace_words(settings: Mapping[str, Any]) -> str:
    """How hard a plan presses, in words."""
    rate, at_once = settings.get("rate"), settings.get("concurrency")
    if rate is None and at_once is None:
        return "as fast as the service serves well"
    words = [f"at most {rate:g} records a second"] if rate is not None else []
    words += [f"at most {at_once} at the same time"] if at_once is not None else []
    return ", ".join(words)


def _chosen_pace(pace: Pace) -> dict[str, Any]:
    """What the fields of the pace show."""
    kind = "gentle" if pace == GENTLE else "auto" if pace == Pace() else "own"
    return {"kind": kind, "rate": pace.rate, "at_once": pace.concurrency}


async def _pace(request: web.Request, draft: Draft, form: Mapping[str, str]) -> Pace:
    """The pace that a form asks for; of one that does not say, the last. Raises UsageError."""
    match form.get("pace"):
        case None:
            return await _last_pace(request, draft)
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
    """``POST /drafts/{id}/plan``: make the plan, at the pace of the form, or the last one.

    With `again`, what past imports have sent is planned once more; with `fit`, the sandbox is given
    before what the mapping needs and it lacks.
    """
    draft, form = await open_draft(request), await form_of(request)
    try:
        pace = await _pace(request, draft, form)
        if form.get("again") == "yes":
            draft = await asyncio.to_thread(request.app[DRAFTS].change, draft.id, again=True)
        if form.get("fit") == "yes":
            await _fit_sandbox(request, draft)
        await _begin(request, draft, pace)
    except ImporterError as error:
        return await _refused(request, draft, error)
    raise _back(draft)


async def _last_pace(request: web.Request, draft: Draft) -> Pace:
    """The pace that was chosen last: of the last planning, else of the plan that there is."""
    planning = request.app[UNDER_WAY].last(Planning, draft.id)
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


async def _refused(
    request: web.Request,
    draft: Draft,
    error: ImporterError,
    decided: Mapping[NewValue, Decision] = MappingProxyType({}),
) -> web.Response:
    teller = await teller_for(request, draft, "plan", "Make the plan")
    return await _page(request, draft, teller.told(error), decided)


def _back(draft: Draft) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/drafts/{draft.id}/plan")


async def _stop(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/plan/stop``: end the planning; nothing is kept of it."""
    draft = await open_draft(request)
    planning = request.app[UNDER_WAY].last(Planning, draft.id)
    if planning is not None:
        planning.ask_to_stop()
        await planning.ended.wait()
    raise _back(draft)


async def _decide(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/plan/values``: allow new values or mean others by them; plan again.

    At the pace of the form; with `fit`, as :func:`_plan` does.
    """
    draft, form = await open_draft(request), await form_of(request)
    planning = request.app[UNDER_WAY].last(Planning, draft.id)
    if planning is None or not isinstance(planning.error, Refused):
        raise _back(draft)  # it was decided in another page
    where = await request.app[TARGETS].whereabouts(draft)
    if since := await asyncio.to_thread(_changed, draft, where, planning.made_of):
        gone = Told(
            f"nothing of this was kept: since the list was planned last, {'; '.join(since)}",
            "Plan again, then decide.",
        )
        return await _page(request, draft, gone)
    decided = _decisions(form, _undecided(planning.error.checkup))
    meant = {value.field for value, one in decided.items() if one.what == "mean"}
    existing = await _existing(request, draft, meant) if meant else {}

    def work(draft: Draft) -> str:
        refuse_sent(draft)
        return _with_decisions(loaded_mapping(draft), decided, existing)

    try:
        pace = await _pace(request, draft, form)
        if any(one.what for one in decided.values()):
            await asyncio.to_thread(request.app[DRAFTS].change_mapping, draft.id, work)
        if form.get("fit") == "yes":
            await _fit_sandbox(request, draft)
        await _begin(request, draft, pace)
    except _NotKeptError as error:
        columns = (Action("To the columns", f"/drafts/{draft.id}/columns"),)
        told = Told(
            "nothing of this was kept yet",
            "Decide these in another way, then go on.",
            tuple(error.wrong.values()),
            columns if error.of_columns else (),
        )
        told_of = {
            value: replace(one, wrong=error.wrong.get(value, "")) for value, one in decided.items()
        }
        return await _page(request, draft, told, told_of)
    except ImporterError as error:
        return await _refused(request, draft, error, decided)
    raise _back(draft)


def _decisions(form: Mapping[str, str], undecided: Sequence[NewValue]) -> dict[NewValue, Decision]:
    """What a form says of the values that are to be decided; nothing of any others."""
    by_name = {(one.field, one.text): one for one in undecided}
    found: dict[NewValue, Decision] = {}
    for number in range(len(undecided)):
        if (text := form.get(f"text_{number}")) is None:
            break
        try:
            # In JSON, since a browser changes line breaks in a field's text.
            value = by_name.get((form.get(f"field_{number}", ""), str(json.loads(text))))
        except (ValueError, RecursionError):
            continue
        what = form.get(f"what_{number}", "")
        if value is not None and what in {"", "allow", "mean"}:
            found[value] = Decision(what, form.get(f"meant_{number}", ""))
    if form.get("others") == "allow":
        for value in undecided:
            if value not in found or not found[value].what:
                found[value] = Decision("allow")
    return found


class _NotKeptError(UsageError):
    """What was decided cannot be kept; `wrong` says of which values, and why."""

    def __init__(self, wrong: Mapping[NewValue, str], *, of_columns: bool) -> None:
        super().__init__("not all of it can be kept")
        self.wrong = wrong
        self.of_columns = of_columns
        """Whether the columns have to be changed for one of them."""


def _with_decisions(
    mapping: LoadedMapping,
    decided: Mapping[NewValue, Decision],
    existing: Mapping[str, Sequence[str]],
) -> str:
    """The text of a mapping that lists what is allowed, and translates what means another value.

    Raises _NotKeptError for all that cannot be kept, and as a mapping that is loaded.
    """
    allowed: dict[str, list[str]] = {}
    for value, one in decided.items():
        if one.what == "allow":
            allowed.setdefault(value.field, []).append(value.text)
    rules: dict[str, Rule] = {}
    wrong: dict[NewValue, str] = {}
    of_columns = False
    for value, one in decided.items():
        if one.what != "mean":
            continue
        known = {*existing.get(value.field, ()), *allowed.get(value.field, ())}
        meant = one.meant if one.meant in known else one.meant.strip()
        if not meant:
            wrong[value] = f"“{value.text}” means nothing yet: say what it means."
        elif existing.get(value.field) and meant not in known:
            wrong[value] = (
                f"The project has no value “{meant}” in {value.field}: choose one of those that"
                f" it has, or let “{value.text}” be made."
            )
        elif (rule := rules.get(value.field) or mapping.spec.form.get(value.field)) is None or (
            new := library.translated(rule, mapping.spec, value.text, meant)
        ) is None:
            wrong[value] = f"No cell says “{value.text}”: the columns make it. Change it there."
            of_columns = True
        else:
            rules[value.field] = new
    if wrong:
        raise _NotKeptError(wrong, of_columns=of_columns)
    changes = [
        Change(("form", name, option), getattr(rule, option))
        for name, rule in rules.items()
        for option in ("map", "choices", "default")
        if getattr(rule, option) != getattr(mapping.spec.form[name], option)
    ]
    text = library.with_changes(mapping.text, changes)
    if allowed:
        text = library.with_new_values(text, allowed)
    mapping_in(text, mapping.path)
    return text


async def _forbid(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/plan/forbid``: a value that was allowed is not any more."""
    draft, form = await open_draft(request), await form_of(request)

    def work(draft: Draft) -> str:
        refuse_sent(draft)
        text = loaded_mapping(draft).text
        return library.without_new_value(text, form.get("field", ""), form.get("text", ""))

    await asyncio.to_thread(request.app[DRAFTS].change_mapping, draft.id, work)
    raise _back(draft)


async def _fit_sandbox(request: web.Request, draft: Draft) -> None:
    mapping = await asyncio.to_thread(loaded_mapping, draft)
    await request.app[TARGETS].fit_sandbox(mapping)


async def _events(request: web.Request) -> web.StreamResponse:
    """``GET /drafts/{id}/plan/events?page=…``: how the planning goes."""
    return await watch(request, request.app[UNDER_WAY].last(Planning, request.match_info["id"]))


ROUTES = [
    web.get("/drafts/{id}/plan", _show),
    web.post("/drafts/{id}/plan", _plan),
    web.post("/drafts/{id}/plan/stop", _stop),
    web.post("/drafts/{id}/plan/values", _decide),
    web.post("/drafts/{id}/plan/forbid", _forbid),
    web.get("/drafts/{id}/plan/events", _events, allow_head=False),
]
