"""A rule of the mapping as a form in words, and such a form as changes to the mapping.

A form has the options that it can show. What it cannot show of a rule stands beside it as YAML,
and is never touched: a change is made of what in a form is another than in the mapping.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

from importer.console.records import dated
from importer.errors import UsageError
from importer.library import Change, Headers, PlacedRule

KINDS = {
    "column": "a column",
    "first": "the first of several columns that is there",
    "columns": "several columns together",
    "template": "a text with columns in it",
    "value": "the same text for every row",
}
"""Where a value comes from."""
TYPES = {
    "text": "text",
    "integer": "whole number",
    "decimal": "number",
    "boolean": "yes or no",
    "date": "date",
    "datetime": "date and time",
    "phone": "phone number",
    "email": "e-mail address",
    "url": "web address",
    "valueid": "id of a value",
}
CASES = {"": "as it is", "upper": "ALL CAPITALS", "lower": "no capitals", "title": "Each Word So"}
FORMATS = {
    "": "digits only, as 3619997400",
    "e164": "+3619997400",
    "international": "+36 1 999 7400",
    "national": "as people dial it there",
    "raw": "as it stands in the cell",
}
ON_ERROR = {
    "reject": "the row is held back",
    "warn": "it is sent all the same, with a warning",
    "blank": "it is left out, with a warning",
}
PIPES = {
    "": "a | in a value is told as wrong",
    "split": "a | in a value divides it in two",
    "replace": "a | in a value becomes /",
}
_WORDS = {" ": "blank", "\n": "line-break", "\t": "tab"}
"""Marks that cannot be seen, as they are typed."""
_LONGEST = 20_000
_LINES = 500


@dataclass(frozen=True, slots=True)
class Option:
    """An option that a form shows: its name, what is read in front of it, and how it is typed.

    `shown` gives the text of a value, and `read` the value of a text: None for none. Both must
    agree, or the value is one that the form cannot show. `types` are those that it is for.
    """

    name: str
    label: str
    kind: str
    shown: Callable[[Any], str]
    read: Callable[[str], Any]
    hint: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    types: frozenset[str] = frozenset()


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _LINES:
        raise _too_much(f"{len(lines):,} lines, and at most {_LINES:,}")
    return lines


def _too_much(what: str) -> UsageError:
    return UsageError(
        f"what was typed has {what} can be kept here", "Write it into the text of the mapping."
    )


def _lines_or_none(text: str) -> list[str] | None:
    return _lines(text) or None


def _marks(text: str) -> list[str] | None:
    words = {word: mark for mark, word in _WORDS.items()}
    return [words.get(one, one) for one in text.split()] or None


def _pairs(text: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for line in _lines(text):
        old, mark, new = line.partition(" = ")
        if not mark:
            raise UsageError(
                f"“{line[:80]}” does not say what becomes which",
                "Write each on a line of its own, as in: G = Gold",
            )
        old = old.strip()
        if found.setdefault(old, new.strip()) != new.strip():
            raise UsageError(
                f"“{old[:80]}” is to become {found[old]} and {new.strip()}"[:300], "Take one out."
            )
    return found or None


def _text(text: str) -> str | None:
    return text.strip() or None


def _region(text: str) -> str | None:
    return text.strip().upper() or None


def _box(text: str) -> bool | None:
    return True if text else None


def _shown_box(value: Any) -> str:
    return "yes" if value else ""


_WITH_AN_ORDER = frozenset({"date", "datetime", "integer", "decimal"})
OPTIONS = (
    Option("required", "A row without it is held back", "box", _shown_box, _box),
    Option("default", "If it is blank, send", "text", str, _text),
    Option("multiple", "A cell may hold several values", "box", _shown_box, _box),
    Option(
        "split",
        "Values are taken apart at",
        "text",
        lambda marks: " ".join(_WORDS.get(mark, mark) for mark in marks),
        _marks,
        "Marks with a blank between them; the words blank, tab, line-break for these",
    ),
    Option("pipe", "The mark |", "choice", str, _text, choices=PIPES),
    Option(
        "map",
        "Which values become which",
        "lines",
        lambda pairs: "\n".join(f"{old} = {new}" for old, new in pairs.items()),
        _pairs,
        "One a line, as in: G = Gold. Others stay as they are",
    ),
    Option(
        "choices",
        "Only these values are right",
        "lines",
        "\n".join,
        _lines_or_none,
        "One a line; blank: any",
    ),
    Option("case", "Capitals", "choice", str, _text, choices=CASES, types=frozenset({"text"})),
    Option(
        "region",
        "Numbers without a country are of",
        "text",
        str,
        _region,
        "Two letters, as HU; blank: as the list as a whole",
        types=frozenset({"phone"}),
    ),
    Option("format", "Sent as", "choice", str, _text, choices=FORMATS, types=frozenset({"phone"})),
    Option(
        "input",
        "How they are written",
        "lines",
        "\n".join,
        _lines_or_none,
        "Dates, one way a line: %d.%m.%Y is 31.12.2025, %m/%d/%Y is 12/31/2025. Numbers: the"
        " decimal mark",
        types=_WITH_AN_ORDER,
    ),
    Option(
        "min",
        "Smallest or earliest",
        "text",
        str,
        _text,
        "A number, or a date as 1927-01-01: any other is wrong",
        types=_WITH_AN_ORDER,
    ),
    Option("max", "Largest or latest", "text", str, _text, types=_WITH_AN_ORDER),
    Option(
        "on_error",
        "If it is wrong",
        "choice",
        lambda value: "" if value == "reject" else str(value),
        _text,
        choices={"": ON_ERROR["reject"], "warn": ON_ERROR["warn"], "blank": ON_ERROR["blank"]},
    ),
    Option(
        "repair",
        "Mend what a spreadsheet program has spoilt",
        "box",
        _shown_box,
        _box,
        "Phones and dates that became numbers, and zeros that were lost",
        types=frozenset({"phone", "date", "datetime", "text"}),
    ),
)
_OF_A_CONSTANT = ("type", "multiple")
_OF_SEVERAL = ("split", "pipe")
"""Options of a rule whose cells may hold several values; without that they are mistakes."""
_OF_THE_SOURCE = ("column", "columns", "template", "value")
_PARTS = {"phone": "Phone", "name": "Name", "title": "Title", "email": "E-mail"}
_PLACES: dict[tuple[str, ...], str] = {
    ("premium", "price"): "Price: the call centre's commission",
    ("premium", "commission"): "The agent's commission",
    ("disposition", "dispositionid"): "Disposition it starts in",
    ("disposition", "userid"): "Whose record it is",
    ("disposition", "next_calldate"): "When to call back",
}


@dataclass(frozen=True, slots=True)
class ShownOption:
    """An option with its text as it is in the mapping."""

    option: Option
    text: str


@dataclass(frozen=True, slots=True)
class RuleForm:
    """A rule as it is shown.

    `columns` are the places in the list of the columns that it names, None for one that the list
    lacks. `has_lines` says that the `text` has several lines. `others` are the options that the
    form cannot show, by name.
    `is_field` says that it fills a field of the project, `title` being its name, and `can_match`
    that its values may be chosen from a list.
    """

    key: str
    path: str
    title: str
    kind: str
    columns: tuple[int | None, ...]
    names: tuple[str, ...]
    text: str
    has_lines: bool
    type: str
    place_type: str
    options: tuple[ShownOption, ...]
    others: Mapping[str, Any]
    is_field: bool
    can_match: bool

    @property
    def column(self) -> int | None:
        """The single column that is chosen, if the list has it."""
        return self.columns[0] if self.columns else None


def rule_form(placed: PlacedRule, headers: Sequence[str], *, is_list: bool = False) -> RuleForm:
    """A rule as a form, for a list with these headers.

    `is_list` says that its column is written as a list, be it of one.
    """
    kind, names, text = _source(placed, is_list=is_list)
    options = []
    others = {}
    for name in sorted(placed.rule.model_fields_set - {*_OF_THE_SOURCE, "type"}):
        if not any(one.name == name for one in OPTIONS) and _value(placed, name) is not None:
            others[name] = _value(placed, name)
    for option in OPTIONS:
        value = _value(placed, option.name)
        if not _can_be_shown(option, value):
            others[option.name] = value
        elif _is_for(option, placed, kind) or value is not None:
            options.append(ShownOption(option, option.shown(value) if value is not None else ""))
    return RuleForm(
        key=key_of(placed.path),
        path=json.dumps(placed.path),
        title=title_of(placed.path),
        kind=kind,
        columns=tuple(found_in(headers, name) for name in names),
        names=names,
        text=text,
        has_lines=_has_lines(text),
        type=placed.rule.type or "",
        place_type=TYPES[placed.default_type],
        options=tuple(options),
        others=others,
        is_field=placed.path[0] == "form",
        can_match=placed.path[0] == "form"
        and kind in {"column", "first", "columns"}
        and placed.type in {"text", "valueid"},
    )


def key_of(path: tuple[str, ...]) -> str:
    """By what a rule's form is known in its page."""
    return "r" + sha256(json.dumps(path).encode()).hexdigest()[:12]


def title_of(path: tuple[str, ...]) -> str:
    """What a rule is called, by its place in the mapping."""
    match path:
        case ("form", name):
            return name
        case ("contacts", "spread"):
            return "Many numbers in a cell, for the contacts that are free"
        case ("contacts", _, part):
            return _PARTS[part]
    return _PLACES.get(path, ".".join(path))


def _value(placed: PlacedRule, name: str) -> Any:
    """An option as it is said in the mapping; None where it is as if nothing was said."""
    value = getattr(placed.rule, name)
    default = type(placed.rule).model_fields[name].default
    return None if value == default else value


def _can_be_shown(option: Option, value: Any) -> bool:
    if value is None:
        return True
    shown = option.shown(value)
    if option.kind == "choice":
        return shown in option.choices
    if len(shown) > _LONGEST or as_typed(shown, lines=option.kind == "lines") != shown:
        return False
    try:
        return bool(option.read(shown) == value)
    except UsageError:
        return False


def _has_lines(text: str) -> bool:
    return "\n" in text or "\r" in text


def as_typed(text: str, *, lines: bool) -> str:
    """What a browser makes of a text in a field, before anybody types."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if lines else text.replace("\n", "")


def _is_for(option: Option, placed: PlacedRule, kind: str) -> bool:
    if kind == "value":
        return option.name == "multiple"
    if option.name == "pipe":
        return placed.rule.multiple
    return not option.types or placed.type in option.types


def _source(placed: PlacedRule, *, is_list: bool) -> tuple[str, tuple[str, ...], str]:
    """Where a rule's value comes from: the kind, the columns by their names, and the text."""
    rule = placed.rule
    if rule.template is not None:
        return "template", tuple(rule.named_columns()), rule.template
    if rule.value is not None:
        return "value", (), rule.value
    if rule.columns is not None:
        return "columns", tuple(rule.columns), ""
    names = tuple(rule.column or ())
    return ("column" if len(names) == 1 and not is_list else "first"), names, ""


def found_in(headers: Sequence[str], name: str) -> int | None:
    """The place of the one column that a name means; None where there is none, or two."""
    return _sheet(tuple(headers)).find(name)


@lru_cache(maxsize=64)
def _sheet(headers: tuple[str, ...]) -> Headers:
    return Headers(headers)


def told_alternative(value: object) -> str:
    """Another value of a rule as it is offered: ways to write a date by an example."""
    match value:
        case {"type": "date" | "datetime", "input": list(formats)}:
            with contextlib.suppress(ValueError, TypeError):
                return "as in " + " or ".join(dated(one) for one in formats)
        case {"type": "integer" | "decimal", "input": "," | [","]}:
            return "as in 1.234,50"
        case {"type": "integer" | "decimal", "input": "." | ["."]}:
            return "as in 1,234.50"
    return json.dumps(value, ensure_ascii=False)


# A form that was sent, as changes.


def changes_of(
    placed: PlacedRule, form: Mapping[str, str], headers: Sequence[str], *, is_list: bool = False
) -> Iterator[Change]:
    """The changes of which a rule becomes what its form says.

    What the form does not have stays as it is. Raises UsageError.
    """
    form = {name: text.replace("\r\n", "\n") for name, text in form.items()}
    kind, names, text = _source(placed, is_list=is_list)
    wanted = form.get("kind", kind)
    if wanted not in KINDS:
        raise UsageError("choose where the value comes from")
    made = list(_source_changes(placed, form, headers, (kind, names, text)))
    if wanted != kind:
        if made and kind in {"column", "first", "columns"}:
            given = made[0].value
            names = (given,) if isinstance(given, str) else tuple(given)
        made = [Change(placed.path, _of_another_kind(placed, wanted, names))]
    yield from made
    if "type" in form and form["type"] != (placed.rule.type or ""):
        yield from _type_changes(placed, form["type"])
    type_ = form.get("type", placed.rule.type) or placed.default_type
    asked = set(form.get("asked", "").split())
    for option in OPTIONS:
        before = _value(placed, option.name)
        if option.name not in asked or not _can_be_shown(option, before):
            continue
        if (option.types and type_ not in option.types) or not _is_kept_by(wanted, option.name):
            continue  # it went with what it was for
        if len(form.get(option.name, "")) > _LONGEST:
            raise _too_much(f"more than {_LONGEST:,} characters, which is the most that")
        value = option.read(form.get(option.name, ""))
        if value != before:
            yield Change((*placed.path, option.name), value)
            if option.name == "multiple" and value is None:
                for name in _OF_SEVERAL:
                    if getattr(placed.rule, name) is not None:
                        yield Change((*placed.path, name), None)


def _of_another_kind(placed: PlacedRule, kind: str, names: Sequence[str]) -> dict[str, Any]:
    """A rule of another kind, with what of its options is for that one, too."""
    first = next(iter(names), None)
    if kind != "value" and first is None:
        # Of a constant nothing tells which column is meant: the first choice is the person's.
        raise UsageError(
            "there is no column yet to take it from",
            "Take this out, and add it again with its column; or change it in the text.",
        )
    match kind:
        case "value":
            kept = [name for name in _OF_A_CONSTANT if name in placed.rule.model_fields_set]
            source: dict[str, Any] = {"value": title_of(placed.path)}
        case "template":
            if first is not None and {"{", "}"} & set(first.replace("{n}", "")):
                raise UsageError(
                    f"“{first[:80]}” has braces in its name, which no text with columns can have",
                    "Give it another name in the list, then upload it again.",
                )
            kept, source = _options_of(placed), {"template": f"{{{first}}}"}
        case "columns":
            kept, source = _options_of(placed), {"columns": list(names)}
        case "first":
            kept, source = _options_of(placed), {"column": list(names)}
        case _:
            kept, source = _options_of(placed), {"column": first}
    kept = [name for name in kept if name != "join"]
    return {**source, **{name: getattr(placed.rule, name) for name in kept}}


def _is_kept_by(kind: str, name: str) -> bool:
    return kind != "value" or name in _OF_A_CONSTANT


def _options_of(placed: PlacedRule) -> list[str]:
    named = placed.rule.model_fields_set - {*_OF_THE_SOURCE}
    order = [name for name in type(placed.rule).model_fields if name in named]
    return [name for name in order if getattr(placed.rule, name) is not None]


def _source_changes(
    placed: PlacedRule,
    form: Mapping[str, str],
    headers: Sequence[str],
    now: tuple[str, tuple[str, ...], str],
) -> Iterator[Change]:
    kind, names, text = now
    match kind:
        case "column":
            chosen = form.get("column", "")
            place = column_named(chosen, headers) if chosen else None
            if place is not None and place != found_in(headers, names[0]):
                bare = placed.rule.model_fields_set == {"column"}
                name = named_alone(headers, place)
                yield Change(placed.path if bare else (*placed.path, "column"), name)
        case "first" | "columns":
            shown = "\n".join(names)
            if _has_changed(form.get("names"), shown, lines=True):
                given = _lines(form["names"])
                if shown.count("\n") != len(names) - 1:
                    raise UsageError(
                        "a column's name has a line break in it",
                        "Change the names in the text of the mapping.",
                    )
                if not given:
                    raise UsageError("name at least one column", "One a line.")
                if kind == "columns":
                    _refuse_unknown(given, names, headers)
                option = "column" if kind == "first" else "columns"
                one = given[0] if option == "column" and len(given) == 1 else given
                yield Change((*placed.path, option), one)
        case "template" | "value":
            if _has_changed(form.get("text"), text, lines=_has_lines(text)):
                if len(form["text"]) > _LONGEST:
                    raise _too_much(f"more than {_LONGEST:,} characters, which is the most that")
                yield Change((*placed.path, kind), form["text"])


def _has_changed(given: str | None, shown: str, *, lines: bool) -> bool:
    """Whether somebody has typed; what a browser itself makes of a text is no change."""
    return given is not None and given != as_typed(shown, lines=lines)


def _refuse_unknown(given: Sequence[str], before: Sequence[str], headers: Sequence[str]) -> None:
    """Raise UsageError for a column that was typed and that the list lacks."""
    for name in given:
        if name not in before and found_in(headers, name) is None:
            near = difflib.get_close_matches(name, [one for one in headers if one], 1)
            raise UsageError(
                f"the list has no column “{name}”",
                f"Did you mean “{near[0]}”?" if near else "Its columns are in the other choices.",
            )


def _type_changes(placed: PlacedRule, type_: str) -> Iterator[Change]:
    """Another type, without the options that are not for it."""
    if type_ and type_ not in TYPES:
        raise UsageError("choose what it must be")
    new = type_ or placed.default_type
    for option in OPTIONS:
        named = option.name in placed.rule.model_fields_set
        if named and option.types and new not in option.types and option.name != "repair":
            yield Change((*placed.path, option.name), None)
    yield Change((*placed.path, "type"), type_ or None)


def named_alone(headers: Sequence[str], place: int) -> str:
    """The name by which a mapping finds a column; raises UsageError where it has none."""
    name = headers[place]
    if not name or headers.count(name) > 1:
        raise UsageError(
            f"“{name[:80]}” is the name of several columns" if name else "the column has no name",
            "Give it a name of its own in the list, then upload it again.",
        )
    return name


def column_named(text: str, headers: Sequence[str]) -> int:
    """The column of a choice, which gives its place; raises UsageError where there is none."""
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) >= len(headers):
        raise UsageError("choose a column of the list")
    return int(text)
