"""The values of one field: which stand in the list, and which of the project's each one means.

What is chosen becomes the ``map`` of the field's rule, in the mapping's text.
"""

from __future__ import annotations

import asyncio
import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from importer import library
from importer.console.drafts import DRAFTS, Draft, open_draft, refuse_sent
from importer.console.pages import PAGES, form_of
from importer.console.rule_form import found_in
from importer.console.target import TARGETS
from importer.console.telling import page_words
from importer.console.work import OPEN_LISTS, OpenList
from importer.errors import ImporterError, RunInterruptedError, UsageError
from importer.library import Change, LoadedMapping, Rule
from importer.model import Field

PATIENCE = 1.0
"""Seconds for which a page waits until the list is open; then it says that it is being read."""
MOST_VALUES = 300
"""Values of a list that are shown, those first that stand most often."""
MOST_DIFFERENT = 50_000
"""Different values of a list that are counted."""
ALIKE = 0.85
"""How much two texts must be alike that one is proposed for the other, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class ListedValue:
    """A value in the list: in how many cells it stands, and what it becomes; "" for nothing else.

    `is_known` says that the project has it as it is, and `is_proposed` that what it becomes is not
    in the mapping yet.
    """

    text: str
    cells: int
    becomes: str
    is_known: bool
    is_proposed: bool


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/columns/values?field=…``."""
    return await _page(request, await open_draft(request), request.query.get("field", ""))


async def _page(
    request: web.Request, draft: Draft, name: str, error: ImporterError | None = None
) -> web.Response:
    known: Mapping[str, str] | None = None
    listed: tuple[ListedValue, ...] = ()
    waiting, more = False, 0
    try:
        rule = _rule(await asyncio.to_thread(library.load_mapping, draft.mapping), name)
        known = await _known(request, draft, name, rule)
        async with asyncio.timeout(PATIENCE), request.app[OPEN_LISTS].using(draft) as opened:
            counts = await asyncio.to_thread(_counted, opened, rule)
        listed, more = _listed(counts, rule, known), max(len(counts) - MOST_VALUES, 0)
    except (TimeoutError, RunInterruptedError):
        waiting = True
    except ImporterError as found:
        error = error or found
    return request.app[PAGES].render(
        request,
        "columns_values.html.j2",
        200 if error is None else 422,
        draft=draft,
        field=name,
        known=known,
        listed=listed,
        more=more,
        waiting=waiting,
        passed=request.app[OPEN_LISTS].passed(draft),
        error=error,
        words=page_words,
    )


def _rule(mapping: LoadedMapping, name: str) -> Rule:
    rule = mapping.spec.form.get(name)
    if rule is None or not (rule.column or rule.columns):
        raise UsageError(f"no column goes into a field “{name}” any more", "See the columns.")
    return rule


async def _known(
    request: web.Request, draft: Draft, name: str, rule: Rule
) -> dict[str, str] | None:
    """The values that the field may have, each with how it is called; None where any may be.

    Those of the project, if it can be asked and has any; else those that the mapping allows.
    """
    field = await field_of(request, draft, name)
    if field is not None and field.values:
        if rule.type == "valueid":
            return {str(one.valueid): one.name for one in field.values if one.valueid is not None}
        return {one.name: one.name for one in field.values}
    return {one: one for one in rule.choices} if rule.choices else None


async def field_of(request: web.Request, draft: Draft, name: str) -> Field | None:
    """A field of the project to which the draft's records go; None where it cannot be had."""
    project = await request.app[TARGETS].project(draft)
    if project is None:
        return None
    return next((one for one in project.fields if one.name == name), None)


def _counted(opened: OpenList, rule: Rule) -> Counter[str]:
    """In how many cells each value of a rule's columns stands, as the cells are mended."""
    headers, edits = opened.recheck.info.headers, opened.log.overlay
    names = rule.column or rule.columns or ()
    places = [place for one in names if (place := found_in(headers, one)) is not None]
    if rule.columns is None:
        places = places[:1]
    marks = sorted({*(rule.split or ()), "|"}, key=len, reverse=True)
    divides = re.compile("|".join(map(re.escape, marks))) if rule.multiple else None
    counts: Counter[str] = Counter()
    for column in places:
        for batch in map(edits.over, opened.recheck.batches([column])):
            for one in batch.columns[column].value_counts().to_pylist():
                text = one["values"] or ""
                for piece in divides.split(text) if divides else (text,):
                    if piece.strip():
                        counts[piece.strip()] += one["counts"]
            if len(counts) > MOST_DIFFERENT:
                raise UsageError(
                    f"the list has more than {MOST_DIFFERENT:,} different values there",
                    "That is no field with a list of values: look at its column again.",
                )
    return counts


def _listed(
    counts: Counter[str], rule: Rule, known: Mapping[str, str] | None
) -> tuple[ListedValue, ...]:
    return tuple(
        _value(text, cells, (rule.map or {}).get(text), known)
        for text, cells in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_VALUES]
    )


def _value(
    text: str, cells: int, mapped: str | None, known: Mapping[str, str] | None
) -> ListedValue:
    is_known = known is not None and text in known
    if mapped is not None or is_known or known is None:
        return ListedValue(text, cells, mapped or "", is_known, is_proposed=False)
    proposed = next(iter(_alike(text, known)), "")
    return ListedValue(text, cells, proposed, is_known, is_proposed=bool(proposed))


def _alike(text: str, known: Mapping[str, str]) -> Iterator[str]:
    """The values that a text may mean, the likeliest first."""
    folded = {name.casefold(): value for value, name in known.items()}
    close = difflib.get_close_matches(text.casefold(), folded, 3, ALIKE)
    yield from (folded[one] for one in close)


async def _keep(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/columns/values``: each value becomes what was chosen, in the mapping."""
    draft, form = await open_draft(request), await form_of(request)
    refuse_sent(draft)
    name = form.get("field", "")
    field = await field_of(request, draft, name) if form.get("only") else None

    def work(draft: Draft) -> str:
        mapping = library.load_mapping(draft.mapping)
        rule = _rule(mapping, name)
        before = dict(rule.map or {})
        changes = [Change(("form", name, "map"), _chosen(form, before) or None)]
        if field is not None and field.values:
            changes.append(Change(("form", name, "choices"), _allowed(field, rule)))
        made = library.with_changes(mapping.text, changes)
        library.mapping_in(made, draft.mapping)
        return made

    try:
        await asyncio.to_thread(request.app[DRAFTS].change_mapping, draft.id, work)
    except ImporterError as error:
        return await _page(request, draft, name, error)
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/columns")


def _chosen(form: Mapping[str, str], before: dict[str, str]) -> dict[str, str]:
    """What becomes of which text, by what was there before and what the form says."""
    found = before
    for number in range(MOST_VALUES):
        text = form.get(f"text_{number}")
        if text is None:
            break
        becomes = form.get(f"becomes_{number}", "").strip()
        if becomes and becomes != text:
            found[text] = becomes
        else:
            found.pop(text, None)
    return found


def _allowed(field: Field, rule: Rule) -> Sequence[str]:
    if rule.type == "valueid":
        return [str(one.valueid) for one in field.values if one.valueid is not None]
    return [one.name for one in field.values]


ROUTES = [
    web.get("/drafts/{id}/columns/values", _show),
    web.post("/drafts/{id}/columns/values", _keep),
]
