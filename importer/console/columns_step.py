"""The columns step: a mapping as a form and as text, what it makes of the first rows, its mistakes.

The text is the mapping. A form is shown of it, and what is changed in the form is changed in the
text, there and nowhere else (:mod:`importer.mapping.changes`). Nothing is kept that does not load.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from aiohttp import web

from importer import library
from importer.console import field_values
from importer.console.downloads import disposition
from importer.console.drafts import (
    DRAFTS,
    Draft,
    Drafts,
    loaded_mapping,
    mapping_in,
    open_draft,
    refuse_sent,
)
from importer.console.pages import PAGES, form_of, is_part
from importer.console.records import parts_of
from importer.console.row_names import RowNames, names_in_draft
from importer.console.rule_form import (
    KINDS,
    TYPES,
    RuleForm,
    changes_of,
    column_named,
    found_in,
    named_alone,
    rule_form,
    title_of,
    told_alternative,
)
from importer.console.saved_mappings import (
    SAVED_MAPPINGS,
    SavedMapping,
    UnusableMapping,
    placed_words,
)
from importer.console.target import TARGETS, chosen_by
from importer.console.telling import Told, page_words
from importer.errors import ImporterError, MappingError, UsageError
from importer.library import STAMP_FIELD, Change, LoadedMapping, PlacedRule, SkipWhen
from importer.model import Disposition, Field, FieldType
from importer.reports.content import visible
from importer.settings import SourceOptions, Target

ROWS = 5
"""Records that are shown as they would be sent."""
MOST_RULES = 300
"""Rules that are shown as forms; a mapping with more is changed in its text."""
MOST_COLUMNS = 2000
"""Columns that can be chosen in a form."""
MOST_CHOICES = 10_000
"""Columns in all choices of a page together; where there would be more, they stand there once."""
MOST_TEXT = 200_000
"""Characters of a mapping that is shown as a form: to look at each part of a larger one is slow."""
MOST_KEPT_TEXT = 500_000
"""Characters of a mapping that is changed here: to load one of these takes some seconds."""
_LONGEST_HEADER = 60

DUPLICATES = {
    "skip": "the later one is left out",
    "reject": "the later one is told as wrong",
    "allow": "both are sent",
}
WITHOUT_CONTACT = {
    "reject": "it is told as wrong",
    "skip": "it is left out",
    "send": "it is sent without a contact",
}
IN_A_TEXT = re.compile(r": (a check refuses them until|translate them with map|add type: ).*")
"""Where the draft's words go on with what to do in a text; the form has buttons for that."""
_CONTACT_PARTS = {"name": "Name", "title": "Title", "email": "E-mail", "phone": "Phone"}
_ONLY_IN_TEXT = ("source", "phone_field", "timezone", "new_values")
_LONGEST_NAME = 200
_KEPT = Told("kept", tone="good")


@dataclass(frozen=True, slots=True)
class Shown:
    """A record as it would be sent, part by part, or why it would not be."""

    row: int
    parts: Sequence[tuple[str, str]]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContactForm:
    """A contact with its rules, and the parts that it does not have; `number` may be ``each``."""

    number: str
    rules: tuple[RuleForm, ...]
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A guess that the draft was not sure of; `path` is in JSON.

    `alternatives` are the ways to settle it, in words, where one must be chosen.
    """

    path: str
    texts: tuple[str, ...]
    alternatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectFields:
    """The fields of the project to which records go.

    `labels` are what agents call them, by their names; `free` are those that no rule fills;
    `call_backs` the dispositions that stand for a call-back; `stamp` the field that is there for
    the number of the import and of the row, blank where there is none.
    """

    labels: Mapping[str, str]
    free: tuple[Field, ...]
    call_backs: tuple[Disposition, ...]
    stamp: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows that are left out for what stands in a column.

    `at_blank` says that they are left out, too, where nothing stands there.
    """

    number: int
    column: int | None
    name: str
    texts: str
    at_blank: bool


@dataclass(frozen=True, slots=True)
class MappingForm:
    """A mapping as a form, for a list with these `headers`.

    `offered` are the columns that can be chosen: the place of each, and its name as it is shown.
    A form that `is_large` has them once, and each choice is filled when somebody comes to it.
    """

    headers: tuple[str, ...]
    offered: Mapping[int, str]
    is_large: bool
    fields: tuple[RuleForm, ...]
    contacts: tuple[ContactForm, ...]
    spread: RuleForm | None
    free_contacts: tuple[str, ...]
    more_rules: tuple[RuleForm, ...]
    region: str
    unique: tuple[tuple[str, str, bool], ...]
    on_duplicate: str
    without_contact: str
    within: str
    filters: tuple[Filter, ...]
    unused: tuple[int, ...] | None
    first_unused: int | None
    only_text: tuple[str, ...]
    doubts: Mapping[str, Doubt]
    other_doubts: tuple[Doubt, ...]
    missing: Mapping[str, str]
    stamp: str


# What is shown.


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/columns``: the mapping, which is drafted where there is none yet.

    Where saved mappings fit the list, these are offered first.
    """
    draft = await open_draft(request)
    told = None
    if not draft.mapping.exists() and draft.run_dir is None:
        if fitting := await asyncio.to_thread(_fitting, request, draft):
            return await asyncio.to_thread(_offer, request, draft, fitting)
        told = await _drafted(request, draft, {"seen": _NONE})
        faults = await asyncio.to_thread(request.app[SAVED_MAPPINGS].faults)
        return await _page(request, draft, told=told, faults=faults)
    if "kept" in request.query:
        told = told or _KEPT
    return await _page(request, draft, told=told)


def _fitting(request: web.Request, draft: Draft) -> list[SavedMapping]:
    try:
        headers = _headers(draft)
    except ImporterError:
        return []  # what is wrong with the list is told where it is drafted
    return request.app[SAVED_MAPPINGS].fitting(headers)


def _headers(draft: Draft) -> tuple[str, ...]:
    return _headers_of(draft.file, draft.reading)


@lru_cache(maxsize=64)
def _headers_of(file: Path, reading: SourceOptions) -> tuple[str, ...]:
    """The headers of a list, which is never changed: to open a workbook takes seconds."""
    return library.glimpse(file, reading=reading, rows=0).info.headers


def _offer(request: web.Request, draft: Draft, fitting: Sequence[SavedMapping]) -> web.Response:
    return request.app[PAGES].render(
        request,
        "columns.html.j2",
        draft=draft,
        fitting=fitting,
        faults=request.app[SAVED_MAPPINGS].faults(),
        folders=_folders(request),
        seen=_NONE,
    )


def _folders(request: web.Request) -> tuple[str, str]:
    saved = request.app[SAVED_MAPPINGS]
    return str(saved.folder), str(saved.beside)


async def _drafted(request: web.Request, draft: Draft, form: Mapping[str, str]) -> Told | None:
    """Draft a mapping; gives why it could not be."""
    try:
        target = await _target(request, draft)
        await asyncio.to_thread(_begin, request.app[DRAFTS], draft, target, form)
    except ImporterError as error:
        return _told(draft, error)
    return None


async def _target(request: web.Request, draft: Draft) -> Target | None:
    """Where the draft's records go, whose fields the mapping is drafted for; None if not known."""
    try:
        where = await request.app[TARGETS].whereabouts(draft)
        return await request.app[TARGETS].target(draft) if where.known else None
    except ImporterError:
        return None  # the plan tells of it


def _begin(drafts: Drafts, draft: Draft, target: Target | None, form: Mapping[str, str]) -> None:
    try:
        text = library.init(draft.file, reading=draft.reading, target=target)
    except ImporterError:
        if target is None:
            raise
        # The service cannot be asked now: the plan compares with the project.
        text = library.init(draft.file, reading=draft.reading)

    def work(draft: Draft) -> str:
        refuse_sent(draft)
        _refuse_stale(draft, form)  # it takes a while: another page may have begun, too
        return text

    drafts.change_mapping(draft.id, work)


async def _page(
    request: web.Request,
    draft: Draft,
    text: str | None = None,
    told: Told | None = None,
    opened: str = "",
    faults: Sequence[UnusableMapping] = (),
) -> web.Response:
    """The step; `text` is one that is not kept, `opened` the rule that was changed last.

    `faults` are those of saved mappings, which might have been offered in place of a draft.
    """
    shown: tuple[Shown, ...] = ()
    form = trouble = None
    is_kept = text is None
    seen = _NONE
    if draft.mapping.exists():
        kept = await asyncio.to_thread(_text_of, draft)
        seen = _digest(kept)
        if text is None:
            text = kept
        try:
            form = await asyncio.to_thread(_mapping_form, draft)
            shown = await asyncio.to_thread(_preview, draft)
        except ImporterError as error:
            trouble = _told(draft, error)
            # That a mapping was kept must not hide that no record can be made by it.
            told = None if told == _KEPT else told
    part = is_part(request)
    fields = await _fields(request, draft, form)
    return await asyncio.to_thread(
        request.app[PAGES].render,
        request,
        "columns_part.html.j2" if part else "columns.html.j2",
        422 if told is not None and told.tone == "bad" and not part else 200,
        draft=draft,
        fitting=(),
        faults=faults,
        folders=_folders(request),
        text=text or "",
        is_kept=is_kept,
        seen=seen,
        told=told,
        trouble=trouble if told is None or told.tone != "bad" else None,
        shown=shown,
        row_name=await asyncio.to_thread(_row_names, request, draft) if shown else None,
        form=form,
        opened=opened,
        fields=fields,
        where=await request.app[TARGETS].whereabouts(draft),
        working_folder=Path.cwd(),
        contact_path=lambda number: json.dumps(("contacts", number)),
        kinds=KINDS,
        types=TYPES,
        duplicates=DUPLICATES,
        without_contact=WITHOUT_CONTACT,
        as_yaml=_as_yaml,
    )


_NONE = "none"


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _refuse_stale(draft: Draft, form: Mapping[str, str]) -> None:
    """Raise UsageError where a form is of other columns than there are now.

    A form says all that it shows: what another page has changed meanwhile would be undone by it,
    and a rule that is named by its number may be another one by now.
    """
    now = _digest(_text_of(draft)) if draft.mapping.exists() else _NONE
    if form.get("seen", now) != now:
        raise UsageError(
            "the columns were changed in another page meanwhile, so nothing was changed here",
            "They are shown as they are now: look at them, then choose again.",
        )


async def _fields(
    request: web.Request, draft: Draft, form: MappingForm | None
) -> ProjectFields | None:
    """What the project has; None where it is not known."""
    project = await request.app[TARGETS].project(draft)
    if project is None:
        return None
    named = {rule.title for rule in form.fields} if form is not None else set()
    free = {one.name for one in project.fields if one.type is FieldType.TEXT} - named
    return ProjectFields(
        labels={one.name: one.label or one.name for one in project.fields},
        free=tuple(one for one in project.fields if one.name not in named),
        call_backs=tuple(one for one in project.dispositions or () if one.callback),
        stamp=STAMP_FIELD if STAMP_FIELD in free else "",
    )


def _row_names(request: web.Request, draft: Draft) -> RowNames:
    return names_in_draft(request.app[DRAFTS], draft, _headers(draft))


def _text_of(draft: Draft) -> str:
    # What is no text is told where the mapping is loaded.
    return draft.mapping.read_bytes().decode("utf-8-sig", "replace")


def _as_yaml(options: Mapping[str, Any]) -> str:
    # JSON is YAML, and says what these options are as exactly.
    return ", ".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in options.items()
    )


def _mapping_form(draft: Draft) -> MappingForm | None:
    """The mapping as a form; None where it has too many rules for one. Raises as loading does."""
    mapping = loaded_mapping(draft)
    headers = _headers(draft)
    rules = list(mapping.spec.placed_rules())
    if len(rules) > MOST_RULES or len(mapping.text) > MOST_TEXT:
        return None
    forms = [
        (one.path, rule_form(one, headers, is_list=_is_list(one, mapping)))
        for one in rules
        if one.path != ("phone_field",)
    ]
    numbered = _contacts(forms)
    try:
        used = set(library.used_columns(mapping, headers))
        unused = tuple(n for n in range(len(headers)) if n not in used)
    except MappingError:
        unused = None  # it is told what the list lacks
    spec = mapping.spec
    doubts: dict[str, Doubt] = {}
    for doubt in map(_doubt, library.remarks(mapping.text)):
        doubts.setdefault(doubt.path, doubt)  # of two, the first is settled first
    beside = {form.path for _, form in forms}
    beside |= {json.dumps(("contacts", one.number)) for one in numbered} | {json.dumps(("region",))}
    taken = {contact.number for contact in numbered}
    offered = {
        n: visible(header, _LONGEST_HEADER)
        for n, header in enumerate(headers[:MOST_COLUMNS])
        if header and not header.startswith("_")
    }
    return MappingForm(
        headers=headers,
        offered=offered,
        is_large=len(offered) * (len(forms) + len(spec.rows.skip_when)) > MOST_CHOICES,
        fields=tuple(form for path, form in forms if path[0] == "form"),
        contacts=numbered,
        spread=next((form for path, form in forms if path == ("contacts", "spread")), None),
        free_contacts=tuple(str(n) for n in range(1, 10) if str(n) not in taken),
        more_rules=tuple(form for path, form in forms if path[0] not in {"form", "contacts"}),
        region=spec.region or "",
        unique=tuple(_unique(rules, spec.rows.unique or ())),
        on_duplicate=spec.rows.on_duplicate,
        without_contact=spec.rows.without_contact,
        within=str(spec.rows.within or ""),
        filters=tuple(
            Filter(
                n,
                found_in(headers, one.column),
                one.column,
                _texts_of(one),
                at_blank=_is_at_blank(one),
            )
            for n, one in enumerate(spec.rows.skip_when)
        ),
        unused=unused,
        first_unused=next((n for n in unused or () if n in offered), None),
        only_text=tuple(_only_in_text(mapping)),
        doubts=doubts,
        other_doubts=tuple(one for path, one in doubts.items() if path not in beside),
        missing=_missing(mapping),
        stamp=spec.stamp or "",
    )


def _doubt(remark: library.Remark) -> Doubt:
    texts = tuple(IN_A_TEXT.sub("", text) for text in remark.texts)
    ways = tuple(map(told_alternative, remark.alternatives))
    return Doubt(json.dumps(remark.path), texts, ways)


def _missing(mapping: LoadedMapping) -> dict[str, str]:
    """What a record may have besides, and this mapping has not: the name, and its words."""
    premium = mapping.spec.premium
    return {
        name: title_of(("premium", name))
        for name in ("price", "commission")
        if getattr(premium, name) is None
    } | ({"disposition": "a call-back"} if mapping.spec.disposition is None else {})


def _contacts(forms: Sequence[tuple[tuple[str, ...], RuleForm]]) -> tuple[ContactForm, ...]:
    found: dict[str, dict[str, RuleForm]] = {}
    for path, form in forms:
        if path[0] == "contacts" and path[1] != "spread":
            found.setdefault(path[1], {})[path[2]] = form
    return tuple(
        ContactForm(
            number,
            tuple(rules.values()),
            {part: words for part, words in _CONTACT_PARTS.items() if part not in rules},
        )
        for number, rules in found.items()
    )


def _unique(rules: Iterable[PlacedRule], now: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """By what rows may be told to be the same: the name, its words, and whether it is so now."""
    known = set()
    for placed in rules:
        match placed.path:
            case ("form", name):
                key, words = f"form.{name}", name
            case ("contacts", number, part) if number.isdigit() and part in {"phone", "email"}:
                key = f"contacts.{number}.{part}"
                words = f"contact {number}'s {_CONTACT_PARTS[part].lower()}"
            case _:
                continue
        known.add(key)
        yield key, words, key in now
    for key in now:
        if key not in known:
            yield key, key, True


def _only_in_text(mapping: LoadedMapping) -> Iterator[str]:
    """The lines of what the form cannot show."""
    for key in _ONLY_IN_TEXT:
        if lines := library.lines_of(mapping.text, key):
            yield lines
    if mapping.spec.rows.do_not_call:
        yield from (
            f"do_not_call: {json.dumps(one.model_dump(exclude_none=True), ensure_ascii=False)}"
            for one in mapping.spec.rows.do_not_call
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
            parts_of(one.body) if one.body else (),
            tuple(page_words(problem.message) for problem in one.problems),
        )
        for one in islice(found, ROWS)
    )


def _told(draft: Draft, error: ImporterError) -> Told:
    mistakes = error.mistakes if isinstance(error, MappingError) else ()

    def words(text: str | None) -> str:
        text = placed_words(text or "", draft.mapping)
        return page_words(text.replace(f"{draft.folder}{os.sep}", ""))

    return Told(words(error.message), words(error.hint), tuple(map(words, mistakes)))


# What is done.


async def _keep(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/columns``: another text, which is kept where it is a mapping."""
    draft = await open_draft(request)
    refuse_sent(draft)
    form = await form_of(request)
    text = form.get("text", "").replace("\r\n", "\n")
    return await _changed(request, draft, form, lambda _: text, text=text)


async def _changed(
    request: web.Request,
    draft: Draft,
    form: Mapping[str, str],
    work: Callable[[Draft], str],
    *,
    text: str | None = None,
    opened: str = "",
) -> web.Response:
    """Change the mapping's text, and show the step again; nothing is kept that does not load."""

    def checked(draft: Draft) -> str:
        refuse_sent(draft)
        _refuse_stale(draft, form)
        made = work(draft)
        if len(made) > MOST_KEPT_TEXT:
            raise UsageError(
                f"the columns have {len(made):,} characters as text, and at most"
                f" {MOST_KEPT_TEXT:,} are kept here",
                "Values that become others take most of it: keep those that occur. Or import"
                " with the command, which takes twice as much.",
            )
        mapping_in(made, draft.mapping)
        return made

    try:
        await asyncio.to_thread(request.app[DRAFTS].change_mapping, draft.id, checked)
    except ImporterError as error:
        return await _page(request, draft, text, _told(draft, error), opened)
    if is_part(request):
        return await _page(request, draft, told=_KEPT, opened=opened)
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/columns" + (f"#{opened}" if opened else ""))


async def _change(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/columns/change``: what a form says becomes so in the text."""
    draft, form = await open_draft(request), await form_of(request)
    refuse_sent(draft)
    unique = [str(value) for value in (await request.post()).getall("unique", [])]
    project = await request.app[TARGETS].project(draft)
    multiple = None
    if project is not None:
        multiple = {one.name for one in project.fields if one.type is FieldType.MULTIPLE}
    guessed: Mapping[str, Mapping[str, Any]] = {}
    if form.get("what") == "add_field":
        try:
            # Before the change, which keeps all others waiting: the whole list is looked at.
            guessed = await asyncio.to_thread(_guessed, draft.file, draft.reading)
        except ImporterError as error:
            return await _page(request, draft, told=_told(draft, error))

    def work(draft: Draft) -> str:
        mapping = loaded_mapping(draft)
        if form.get("what") == "settle":
            return _settled(form, mapping.text)
        if form.get("what") == "rename":
            placed, name = _placed(form, mapping), _new_field(form, mapping)
            if placed.path[0] != "form":
                raise UsageError("only a field has a name that can be another", "Load it again.")
            return library.with_field_renamed(mapping.text, placed.path[-1], name)
        changes = _changes(form, unique, mapping, _headers(draft), multiple, guessed)
        text = mapping.text
        for change in changes:
            if change.commented:
                # What is not in use is no guess to look at.
                text = _without_remarks(text, change.path)
        return library.with_changes(text, changes)

    return await _changed(request, draft, form, work, opened=_key_of(form))


def _without_remarks(text: str, path: Sequence[str]) -> str:
    """The text without the remarks on guesses within a part."""
    while found := [one for one in library.remarks(text) if one.path[: len(path)] == tuple(path)]:
        text = library.without_remark(text, found[-1])
    return text


def _settled(form: Mapping[str, str], text: str) -> str:
    """The text without a remark that a guess is unsure, and with the way that was chosen of it."""
    for remark in library.remarks(text):
        if json.dumps(remark.path) != form.get("path"):
            continue
        without, ways = library.without_remark(text, remark), remark.alternatives
        if not ways:
            return without
        chosen = form.get("way", "")
        if chosen not in map(str, range(len(ways))):
            raise UsageError("choose one of the ways in which it may be read")
        return library.with_changes(without, [Change(remark.path, ways[int(chosen)])])
    raise UsageError("this guess was settled already", "See it as it is now.")


@lru_cache(maxsize=16)
def _guessed(file: Path, reading: SourceOptions) -> Mapping[str, Mapping[str, Any]]:
    """What kind of value each column of a list holds, by its header, as a draft guesses it."""
    drafted = mapping_in(library.init(file, reading=reading), file)
    return {
        placed.rule.column[0]: placed.rule.model_dump(
            include={"type", "input", "multiple", "split"}, exclude_defaults=True
        )
        for placed in drafted.spec.placed_rules()
        if placed.path[0] == "form" and placed.rule.column and len(placed.rule.column) == 1
    }


def _key_of(form: Mapping[str, str]) -> str:
    key = form.get("key", "")
    return key if re.fullmatch(r"r[0-9a-f]{12}", key) else ""


def _changes(
    form: Mapping[str, str],
    unique: Sequence[str],
    mapping: LoadedMapping,
    headers: Sequence[str],
    multiple: Collection[str] | None,
    guessed: Mapping[str, Mapping[str, Any]],
) -> list[Change]:
    """What a form changes in the mapping; raises UsageError.

    `multiple` are the fields of the project that hold several values, None where it is not known;
    `guessed` is what a draft says of each column, for a field that is added.
    """
    match form.get("what"):
        case "rule":
            return _rule_changes(form, mapping, headers)
        case "drop":
            placed = _placed(form, mapping)
            if placed.path[0] == "form" and len(mapping.spec.form) == 1:
                raise UsageError(
                    "a record needs a field of its own", "Add another one, then take this one out."
                )
            return [Change(placed.path, None, commented=True)]
        case "add_field":
            name, column = _new_field(form, mapping), _column(form, headers)
            rule = {"column": column, **guessed.get(column, {})}
            if multiple is not None:
                if name in multiple:
                    rule["multiple"] = True
                else:
                    rule = {key: rule[key] for key in rule if key not in {"multiple", "split"}}
            return [Change(("form", name), rule if len(rule) > 1 else column)]
        case "add_contact":
            number = form.get("number", "")
            if number not in map(str, range(1, 10)) or int(number) in _numbers(mapping):
                raise UsageError("choose a contact that is free")
            return [Change(("contacts", number), {"phone": _column(form, headers)})]
        case "add_part":
            number, part = form.get("number", ""), form.get("part", "")
            contacts = {str(n) for n in _numbers(mapping)} | {"each"}
            if number not in contacts or part not in _CONTACT_PARTS:
                raise UsageError("choose a part of a contact that is there")
            return [Change(("contacts", number, part), _column(form, headers))]
        case "drop_contact":
            number = form.get("number", "")
            return [Change(("contacts", number), None, commented=True)]
        case "region":
            return [Change(("region",), form.get("region", "").strip().upper() or None)]
        case "rows":
            return _row_changes(form, unique, mapping)
        case "filter":
            return list(_filter_changes(form, mapping, headers))
        case "add_more":
            return list(_more_changes(form, mapping, headers))
        case "stamp":
            return [Change(("stamp",), form.get("stamp", "").strip()[:_LONGEST_NAME] or None)]
    raise UsageError("this page is an old one", "Load it again.")


def _rule_changes(
    form: Mapping[str, str], mapping: LoadedMapping, headers: Sequence[str]
) -> list[Change]:
    placed = _placed(form, mapping)
    return list(changes_of(placed, form, headers, is_list=_is_list(placed, mapping)))


def _is_list(placed: PlacedRule, mapping: LoadedMapping) -> bool:
    """Whether a rule's column is written as a list, be it of one."""
    return (*placed.path, "column", "0") in mapping.places


def _placed(form: Mapping[str, str], mapping: LoadedMapping) -> PlacedRule:
    try:
        path = tuple(json.loads(form.get("path", "")))
    except (ValueError, TypeError, RecursionError):
        path = ()
    for placed in mapping.spec.placed_rules():
        if placed.path == path and path != ("phone_field",):
            return placed
    raise UsageError(
        "this is not in the columns any more", "It was changed in another page: see it as it is."
    )


def _numbers(mapping: LoadedMapping) -> set[int]:
    return set(mapping.spec.contacts.numbered())


def _column(form: Mapping[str, str], headers: Sequence[str]) -> str:
    return named_alone(headers, column_named(form.get("column", ""), headers))


def _new_field(form: Mapping[str, str], mapping: LoadedMapping) -> str:
    name = unicodedata.normalize("NFC", form.get("name", "")).strip()[:_LONGEST_NAME]
    if not name:
        raise UsageError("the field needs a name", "Its name in the project, as agents' forms say.")
    if name in mapping.spec.form:
        raise UsageError(f"there is a field “{name}” already", "Change that one, or take it out.")
    return name


def _more_changes(
    form: Mapping[str, str], mapping: LoadedMapping, headers: Sequence[str]
) -> Iterator[Change]:
    """What a record gets besides its fields and contacts."""
    name = form.get("name", "")
    if name not in _missing(mapping):
        raise UsageError("choose what the record is to get", "What it has already is above.")
    if name != "disposition":
        yield Change(("premium", name), {"column": _column(form, headers), "type": "decimal"})
        return
    ids = {one: form.get(one, "").strip() for one in ("dispositionid", "userid")}
    if not all(re.fullmatch(r"[0-9]{1,18}", text) for text in ids.values()):
        raise UsageError(
            "a call-back needs the numbers of a disposition and of a user",
            "Both stand in the project: those of a call-back, and of the agent who is to call.",
        )
    value: dict[str, Any] = {one: {"value": text} for one, text in ids.items()}
    value["next_calldate"] = {"column": _column(form, headers), "type": "datetime"}
    yield Change(("disposition",), value)


def _row_changes(
    form: Mapping[str, str], unique: Sequence[str], mapping: LoadedMapping
) -> list[Change]:
    rows, changes = mapping.spec.rows, []
    # In the order that is there, so that only what was chosen anew is another.
    before = rows.unique or []
    chosen = [*(key for key in before if key in unique), *(k for k in unique if k not in before)]
    if chosen != before:
        changes.append(Change(("rows", "unique"), chosen or None))
    for name, words in (("on_duplicate", DUPLICATES), ("without_contact", WITHOUT_CONTACT)):
        value = form.get(name, getattr(rows, name))
        if value not in words:
            raise UsageError("choose what becomes of such rows")
        if value != getattr(rows, name):
            changes.append(Change(("rows", name), value))
    within = form.get("within", str(rows.within or "")).strip()
    if within != str(rows.within or ""):
        if within and not re.fullmatch(r"[1-9][0-9]{0,3}", within):
            raise UsageError("how far back is said in days", "As 90; blank: not at all.")
        changes.append(Change(("rows", "within"), f"{within}d" if within else None))
    return changes


def _filter_changes(
    form: Mapping[str, str], mapping: LoadedMapping, headers: Sequence[str]
) -> Iterator[Change]:
    filters = mapping.spec.rows.skip_when
    number = form.get("number", "")
    at = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else -1
    if not 0 <= at <= len(filters):
        raise UsageError("this rule is not there any more", "Load the page again.")
    before = filters[at] if at < len(filters) else None
    texts = [line.strip() for line in form.get("texts", "").splitlines() if line.strip()]
    if form.get("at_blank"):
        texts.append("")
    # One that stands there alone need not be in a list.
    whole = ("rows", "skip_when")
    path = (*whole, number) if not filters or (*whole, "0") in mapping.places else whole
    if form.get("drop") or (not texts and before is not None):
        yield Change(path, None)
        return
    if not texts:
        raise UsageError("say at which texts a row is left out", "One a line, as: yes")
    if before is None:
        value = {"column": _column(form, headers), "in": texts}
        if filters and path == whole:
            alone = filters[0].model_dump(by_alias=True)
            yield Change(whole, [alone, value])
        else:
            yield Change(path, value) if filters else Change(whole, [value])
        return
    chosen = form.get("column", "")
    if chosen and column_named(chosen, headers) != found_in(headers, before.column):
        yield Change((*path, "column"), _column(form, headers))
    shown = _texts_of(before)
    given = form.get("texts", "").replace("\r\n", "\n")
    if given != shown or bool(form.get("at_blank")) != _is_at_blank(before):
        if any("\n" in text.strip() for text in before.in_):
            raise UsageError(
                "one of these texts has a line break in it",
                "Change them in the text of the mapping.",
            )
        yield Change((*path, "in"), texts)


def _texts_of(one: SkipWhen) -> str:
    return "\n".join(text for text in one.in_ if text.strip())


def _is_at_blank(one: SkipWhen) -> bool:
    return not all(text.strip() for text in one.in_)


async def _take(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/columns/begin``: with a saved mapping, or with one that is drafted."""
    draft, form = await open_draft(request), await form_of(request)
    refuse_sent(draft)
    chosen = form.get("saved", "")
    if not chosen:
        told = await _drafted(request, draft, form)
        if told is not None:
            return await _page(request, draft, told=told)
        raise web.HTTPSeeOther(f"/drafts/{draft.id}/columns")

    def work(draft: Draft) -> str:
        return request.app[SAVED_MAPPINGS].chosen(chosen, _headers(draft)).text

    return await _changed(request, draft, form, work)


async def _draft_for(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/columns/draft``: into another project, with columns for its fields."""
    draft, form = await open_draft(request), await form_of(request)
    refuse_sent(draft)
    draft = await asyncio.to_thread(request.app[DRAFTS].change, draft.id, **chosen_by(form))
    told = await _drafted(request, draft, form)
    if told is not None:
        return await _page(request, draft, told=told)
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/columns")


async def _save(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/columns/save``: keep the mapping under a name, for other lists."""
    draft, form = await open_draft(request), await form_of(request)
    name, replace = form.get("name", "")[:_LONGEST_NAME], form.get("replace") == "yes"

    def work() -> str:
        if not draft.mapping.exists():
            raise UsageError("there is nothing to save yet", "See the columns first.")
        return request.app[SAVED_MAPPINGS].save(name, _text_of(draft), replace=replace).stem

    try:
        stem = await asyncio.to_thread(work)
    except ImporterError as error:
        return await _page(request, draft, told=_told(draft, error))
    hint = "It is offered for every list that has its columns."
    return await _page(request, draft, told=Told(f"saved as “{stem}”", hint, tone="good"))


async def _download(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/columns/mapping.yaml``."""
    draft = await open_draft(request)
    if not draft.mapping.exists():
        raise web.HTTPNotFound
    return web.Response(
        body=await asyncio.to_thread(draft.mapping.read_bytes),
        content_type="application/yaml",
        headers={"Content-Disposition": disposition("mapping.yaml")},
    )


ROUTES = [
    *field_values.ROUTES,
    web.get("/drafts/{id}/columns", _show),
    web.post("/drafts/{id}/columns", _keep),
    web.post("/drafts/{id}/columns/begin", _take),
    web.post("/drafts/{id}/columns/change", _change),
    web.post("/drafts/{id}/columns/draft", _draft_for),
    web.post("/drafts/{id}/columns/save", _save),
    web.get("/drafts/{id}/columns/mapping.yaml", _download),
]
