"""The values of one field: which stand in the list, and which of the project's each one means.

What is chosen becomes the ``map`` of the field's rule, in the mapping's text.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from importer import library
from importer.console.drafts import (
    DRAFTS,
    Draft,
    loaded_mapping,
    mapping_in,
    open_draft,
    refuse_sent,
)
from importer.console.pages import PAGES, form_of
from importer.console.rule_form import as_typed, key_of
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
MOST_CHOICES = 10_000
"""Values of the project in all choices of a page; if there would be more, they are there once."""
LONGEST_ALIKE = 200
"""Characters of a value for which one that is like it is looked for."""
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

    @property
    def as_json(self) -> str:
        """The text in a way that no browser changes."""
        return json.dumps(self.text)

    @property
    def becomes_typed(self) -> str:
        """What it becomes as a browser sends it back."""
        return as_typed(self.becomes, lines=False)


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/columns/values?field=…``."""
    return await _page(request, await open_draft(request), request.query.get("field", ""))


async def _page(
    request: web.Request, draft: Draft, name: str, error: ImporterError | None = None
) -> web.Response:
    known: Mapping[str, str] | None = None
    listed: tuple[ListedValue, ...] = ()
    waiting, more, can_limit = False, 0, False
    try:
        rule = _rule(await asyncio.to_thread(loaded_mapping, draft), name)
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(PATIENCE):
                # What is opened meanwhile stays open. To count takes a moment only, and would begin
                # anew with each page that had not the patience for it.
                opened = await stack.enter_async_context(request.app[OPEN_LISTS].using(draft))
            # The project is not asked by pages that only wait.
            field = await field_of(request, draft, name)
            known, can_limit = _known(field, rule), bool(field is not None and field.values)
            listed, more = await asyncio.to_thread(_listed, opened, name, rule, known)
    except (TimeoutError, RunInterruptedError):
        waiting = True
    except ImporterError as found:
        error = error or found
    return await asyncio.to_thread(
        request.app[PAGES].render,
        request,
        "columns_values.html.j2",
        200 if error is None else 422,
        draft=draft,
        field=name,
        anchor=key_of(("form", name)),
        known=known,
        is_large=len(known or ()) * len(listed) > MOST_CHOICES,
        can_limit=can_limit,
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


def _known(field: Field | None, rule: Rule) -> dict[str, str] | None:
    """The values that the field may have, each with how it is called; None where any may be.

    Those of the project, if it can be asked and has any; else those that the mapping allows.
    """
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


def _listed(
    opened: OpenList, name: str, rule: Rule, known: Mapping[str, str] | None
) -> tuple[tuple[ListedValue, ...], int]:
    """The values of the list, as its cells are mended, and how many more there are."""
    try:
        counts = opened.recheck.field_values(name, MOST_DIFFERENT, opened.log.overlay)
    except KeyError:
        raise RunInterruptedError("the columns were changed meanwhile") from None
    if counts is None:
        raise UsageError(
            f"the list has more than {MOST_DIFFERENT:,} different values there",
            "That is no field with a list of values: look at its column again.",
        )
    mapped = {library.key_in_map(text, rule): becomes for text, becomes in (rule.map or {}).items()}
    folded = {called.casefold(): value for value, called in (known or {}).items()}
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_VALUES]
    listed = (_value(text, cells, mapped.get(text), known, folded) for text, cells in most)
    return tuple(listed), max(len(counts) - MOST_VALUES, 0)


def _value(
    text: str,
    cells: int,
    mapped: str | None,
    known: Mapping[str, str] | None,
    folded: Mapping[str, str],
) -> ListedValue:
    is_known = known is not None and text in known
    if mapped is not None or is_known or known is None:
        return ListedValue(text, cells, mapped or "", is_known, is_proposed=False)
    proposed = next(iter(_alike(text, folded)), "")
    return ListedValue(text, cells, proposed, is_known, is_proposed=bool(proposed))


def _alike(text: str, folded: Mapping[str, str]) -> Iterator[str]:
    """The values that a text may mean, the likeliest first; `folded` has them by their names."""
    if len(text) > LONGEST_ALIKE:
        return
    close = difflib.get_close_matches(text.casefold(), folded, 3, ALIKE)
    yield from (folded[one] for one in close)


async def _keep(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/columns/values``: each value becomes what was chosen, in the mapping."""
    draft, form = await open_draft(request), await form_of(request)
    refuse_sent(draft)
    name = form.get("field", "")
    field = await field_of(request, draft, name) if form.get("only") else None

    def work(draft: Draft) -> str:
        refuse_sent(draft)
        mapping = loaded_mapping(draft)
        rule = _rule(mapping, name)
        before = dict(rule.map or {})
        changes = [Change(("form", name, "map"), _chosen(form, before, rule) or None)]
        if form.get("only"):
            if field is None or not field.values:
                raise UsageError(
                    "it cannot be asked now which values the project has, so nothing was changed",
                    "Try again; or take the tick off.",
                )
            changes.append(Change(("form", name, "choices"), _allowed(field, rule)))
        made = library.with_changes(mapping.text, changes)
        mapping_in(made, draft.mapping)
        return made

    try:
        await asyncio.to_thread(request.app[DRAFTS].change_mapping, draft.id, work)
    except ImporterError as error:
        return await _page(request, draft, name, error)
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/columns?kept=yes#{key_of(('form', name))}")


def _chosen(form: Mapping[str, str], before: dict[str, str], rule: Rule) -> dict[str, str]:
    """What becomes of which text, by what was there before and what the form says.

    What somebody left as it was shown is not touched: another page may have changed it meanwhile.
    """
    found = before
    for number in range(MOST_VALUES):
        text, was = form.get(f"text_{number}"), form.get(f"was_{number}")
        if text is None:
            break
        try:
            # In JSON, since a browser changes line breaks in a field's text.
            text = str(json.loads(text))
        except (ValueError, RecursionError):
            raise UsageError("this page is an old one", "Load it again.") from None
        becomes = form.get(f"becomes_{number}", "")
        if becomes == was:
            continue
        for key in [key for key in found if library.key_in_map(key, rule) == text]:
            del found[key]
        if (becomes := becomes.strip()) and becomes != text:
            found[text] = becomes
    return found


def _allowed(field: Field, rule: Rule) -> Sequence[str]:
    if rule.type == "valueid":
        return [str(one.valueid) for one in field.values if one.valueid is not None]
    return [one.name for one in field.values]


ROUTES = [
    web.get("/drafts/{id}/columns/values", _show),
    web.post("/drafts/{id}/columns/values", _keep),
]
