"""A first mapping for a file, drafted from its headers and its texts, for a person to finish.

The whole file is read once; its project is asked for its fields where a target is given. Unsure
guesses are marked so, with figures; nothing is guessed that a check would refuse. Texts of the
sheet are personal data: remarks count them by kind, and do not show them.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from importer.drafting.columns import (
    Guess,
    ReadColumn,
    Sample,
    SampledColumn,
    Sampler,
    column_remarks,
    fit,
    guess_list,
    guess_type,
    placeholder_remark,
)
from importer.drafting.contacts import DraftedContacts, Person, draft_contacts, phone_columns
from importer.drafting.headers import Meaning, Role, field_name, meaning_of
from importer.drafting.region import Home, guess_region
from importer.drafting.yaml import DraftLine, comment, quoted, rule_text
from importer.mapping.spec import STAMP_FIELD
from importer.mapping.writing import UNSURE, flow, scalar
from importer.model import Field, FieldType, Project, SourceInfo, column_letters
from importer.settings import Pace, SourceOptions, Target
from importer.sources import open_source
from importer.sources.frames import Frame, open_frame

_LISTED = 100
"""Columns without a field that are listed one by one."""

_FEW = 40
"""Texts of a do-not-call column that are listed in its filter."""

_NO = frozenset(
    {"non", "ne", "nu", "nee", "não", "faux", "falso", "nepravda", "fałsz", "fals"}
) | set("-–—☐✗✘")
_YES = frozenset("✓✔☑☒")
"""Marks of no and yes, beside those that a column of type boolean may have."""

_DATA = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]|^\s*\+?\(?\d([\s./()-]*\d){5,}\s*$")
"""An e-mail address, or digits as phones, dates and ids have them."""

_STAMPED = re.compile(r"stamp|import|ref(?:erence)?(?![a-z])", re.IGNORECASE)
"""Names of fields that may be there for a stamp."""

_NO_CONTACTS = (
    DraftLine(
        "1",
        "{phone: Phone}",
        (f"{UNSURE}no column was taken for phones, so nobody could be called: name it here",),
        active=False,
    ),
)

_CONVENTIONAL = frozenset(
    {Role.EMAIL, Role.CITY, Role.ZIP, Role.STREET, Role.ADDRESS, Role.COUNTRY, Role.COMPANY}
    | {Role.NOTE, Role.BIRTH, Role.URL}
)
"""Roles whose fields have a name of their own, whatever the header's language."""

_ALIKE = 0.85
"""The ratio, by difflib, from which on two names are alike."""

_VAGUE = {Role.ID, Role.DATE, Role.AMOUNT, Role.COUNT, None}
"""Meanings that many fields and columns share: two of them need not be the same thing."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The sample of a sheet, its description, and the options that it was read with (`given`)."""

    info: SourceInfo
    given: SourceOptions
    sample: Sample


def draft(given: Path | Frame, reading: SourceOptions, target: Target | None = None) -> str:
    """Draft a mapping for a file or a frame, as YAML text; with a target by its project's fields.

    All of it is read, batch by batch. Raises SourceError, and ServiceError where the project
    cannot be had.
    """
    project = None
    if target is not None:
        from importer.pipeline.preflight import fetch_project

        project = fetch_project(target, Pace())
    opened = open_frame(given, reading) if isinstance(given, Frame) else open_source(given, reading)
    with opened as source:
        sampler = Sampler(source.info.headers)
        for batch in source.batches():
            sampler.add(batch)
        return draft_mapping(Sheet(source.info, reading, sampler.finish()), project)


def draft_mapping(sheet: Sheet, project: Project | None = None) -> str:
    """Draft a mapping, as YAML text; with a project its own fields are used."""
    reads = [(c, meaning_of(c.header)) for c in sheet.sample.columns if c.fault is None]
    languages = Counter(language for _, meaning in reads for language in sorted(meaning.languages))
    language = next((found for found, _ in languages.most_common(1)), None)
    home = guess_region(reads, sheet.sample.examples)
    person = find_person(reads)
    phones = phone_columns(reads, home.likely)
    contacts = draft_contacts(sheet.sample, phones, reads, person, home.likely)
    rows, filters = _filters(reads)
    premium, priced = _premium(reads)
    calls = [read for read in reads if read[1].role is Role.CALL_BACK and _is_call_back(read)]
    used = contacts.used | filters | priced | {column.index for column, _ in calls}
    used |= {column.index for column in contacts.no_place}
    form = draft_form(reads, person, used, language, project)
    unmapped = [(c, c.fault) for c in sheet.sample.columns if c.fault is not None]
    unmapped += [(c, "a record has nine phones at most") for c in contacts.no_place]
    unmapped += [(c, "the project has no field like it") for c in form.left]
    form = _at_least_one(form, phones, person)
    text = "\n".join(
        [
            *_head(sheet, project, home),
            *_section("form", form.lines),
            *_section("contacts", contacts.lines or _NO_CONTACTS),
            *_section("premium", premium),
            *_call_backs(calls, project),
            *_stamp(project, form),
            *_section("rows", (*rows, *_unique(contacts, form))),
            *_unmapped(unmapped, sheet.sample),
            *_unfilled(form),
        ]
    )
    return text + "\n"


def _head(sheet: Sheet, project: Project | None, home: Home) -> Iterator[str]:
    """What was drafted from what, then version, project, region and source."""
    info = sheet.info
    name = quoted(info.path.replace("\\", "/").rsplit("/", 1)[-1])
    yield from comment(
        f"Drafted from {name}: {_count(sheet.sample.rows, 'row')}, "
        f"{_count(len(sheet.sample.headers), 'column')}. "
        "Look at the lines marked unsure, then check the file with this mapping. What a remark "
        "says was so in that file; the next one may differ. For an editor that checks this file as "
        "you type: vcc-import schema --help."
    )
    data = [column_letters(c.index) for c in sheet.sample.columns if _DATA.search(c.header)]
    if data:
        yield "#"
        yield from comment(
            f"{UNSURE}row {info.header_row} was taken for the column headers, but column {data[0]} "
            "of it looks like data. If the list has no headers, write a row of them above it, and "
            "draft again; otherwise a person is missing from the import."
        )
    yield ""
    yield "version: 1"
    if project is not None:
        yield f"project: {project.projectid}"
    else:
        yield "# project: 134  # the id of your project; --project on the command line beats it"
    if home.remark is not None:
        written = home.likely or "HU"
        yield from DraftLine(
            "region", written, (home.remark,), active=home.region is not None
        ).write()
    yield from _source(sheet)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _source(sheet: Sheet) -> Iterator[str]:
    """The ``source:`` section: what was detected in the sheet and may differ in the next file."""
    info, given = sheet.info, sheet.given
    lines = []
    several = any(problem.code == "other_sheets" for problem in info.problems)
    if info.sheet is not None and (several or given.sheet is not None):
        others = [p.message for p in info.problems if p.code == "other_sheets"]
        which = f"{UNSURE}{others[0]}" if others else "one of several sheets"
        lines.append(DraftLine("sheet", scalar(info.sheet), (which,)))
    if info.header_row != 1 or given.header_row is not None:
        lines.append(
            DraftLine("header_row", str(info.header_row), ("the row of the column headers",))
        )
    for key, value, option in (
        ("encoding", info.encoding, given.encoding),
        ("delimiter", info.delimiter, given.delimiter),
    ):
        if value is not None:
            remark: tuple[str, ...] = () if option else ("found by looking",)
            if key == "delimiter":
                remark += tuple(
                    f"{UNSURE}{p.hint}" for p in info.problems if p.code == "one_column"
                )
            lines.append(DraftLine(key, scalar(value), remark, active=option is not None))
    if any(line.active for line in lines):
        yield from _section("source", lines)
    elif lines:
        yield ""
        yield "# source:"
        for line in lines:
            yield from DraftLine(f"  {line.key}", line.value, line.remarks, active=False).write()


def _section(key: str, lines: Sequence[DraftLine]) -> Iterator[str]:
    """A key of the mapping with the lines below it; nothing where there are none."""
    if lines:
        yield ""
        yield f"{key}:" if any(line.active for line in lines) else f"# {key}:"
        for line in lines:
            yield from line.write(2)


def _filters(reads: Sequence[ReadColumn]) -> tuple[list[DraftLine], frozenset[int]]:
    """Filters for do-not-call columns, and suggestions for columns that may be such."""
    entries: list[dict[str, object]] = []
    used: set[int] = set()
    remarks: list[str] = []
    suggestions: list[DraftLine] = []
    for column, meaning in reads:
        words = ["yes", "x", "1", "ja", "igen"]
        if meaning.role is Role.DO_NOT_CALL:
            marks = [t.casefold() for t in column.texts if _as_boolean(t) != "false"][:_FEW]
            entries.append({"column": column.header, "in": list(dict.fromkeys([*words, *marks]))})
            used.add(column.index)
            odd = sum(_as_boolean(text) is None for text in column.texts)
            remarks.append(f"{quoted(column.header)} reads as do not call: such rows are skipped")
            if odd:
                remarks.append(
                    f"{UNSURE}{odd:,} of {len(column.texts):,} different values in "
                    f"{quoted(column.header)} are neither yes nor no"
                    + ("; list all that mean yes" if odd > _FEW else "")
                )
        elif meaning.role in {Role.MAYBE_DO_NOT_CALL, Role.MAY_CALL}:
            if meaning.role is Role.MAY_CALL:
                words = ["no", "n", "0", "nein", "nem"]
            value = flow([{"column": column.header, "in": words}])
            remark = f"{UNSURE}if this column says who may not be called, skip these rows"
            suggestions.append(DraftLine("skip_when", value, (remark,), active=False))
    if entries:
        return [DraftLine("skip_when", flow(entries), tuple(remarks)), *suggestions], frozenset(
            used
        )
    return suggestions, frozenset(used)


def _as_boolean(text: str) -> str | None:
    """Whether a text means yes (``true``) or no (``false``); None where it means neither."""
    if text.casefold() in _NO:
        return "false"
    return "true" if text in _YES else fit([text], "boolean").values[0]


def _premium(reads: Sequence[ReadColumn]) -> tuple[list[DraftLine], frozenset[int]]:
    """Lines below ``premium:`` from columns of prices and commissions, and these columns."""
    lines: list[DraftLine] = []
    used: set[int] = set()
    for role, key, what in (
        (Role.PRICE, "price", "the call centre's commission"),
        (Role.COMMISSION, "commission", "the agent's commission"),
    ):
        for column, _ in (read for read in reads if read[1].role is role):
            guess = _money_type(column, role)
            if guess is not None and not any(line.key == key for line in lines):
                remarks = (*guess.remarks, f"{UNSURE}taken for {what} on the record")
                lines.append(DraftLine(key, rule_text(guess.rule(column)), remarks))
                used.add(column.index)
    return lines, frozenset(used)


def _is_call_back(read: ReadColumn) -> bool:
    return not read[0].texts or guess_type(*read, None).type in {"date", "datetime"}


def _money_type(column: SampledColumn, role: Role) -> Guess | None:
    """The type of a price or commission; None where it is not certain that texts are numbers."""
    if not column.texts:
        return None
    guess = guess_type(column, Meaning(role, None, None, frozenset()), None)
    return guess if guess.type == "decimal" else None


def _call_backs(calls: Sequence[ReadColumn], project: Project | None) -> Iterator[str]:
    """Call-backs as comments only: they need a disposition and a user, which no sheet names."""
    known = [d for d in (project.dispositions or () if project else ()) if d.callback]
    for column, meaning in calls:
        rule = {**guess_type(column, meaning, None).rule(column), "type": "datetime"}
        yield ""
        yield from comment(
            f"{quoted(column.header)} holds call-back times in {column.filled:,} rows. To have "
            "these called back, name the project's disposition for it and the user it is for:"
        )
        dispositionid = known[0].dispositionid if known else "1"
        for key, value in (
            ("disposition", ""),
            ("  dispositionid", flow({"value": dispositionid})),
            ("  userid", flow({"value": "7"})),
            ("  next_calldate", rule_text(rule)),
        ):
            yield from DraftLine(key, value, active=False).write()


def _stamp(project: Project | None, form: DraftedForm) -> Iterator[str]:
    """The stamp: in use where the project has the field for it, else as a comment."""
    free = [f.name for f in project.fields if f.type is FieldType.TEXT] if project else []
    free = [name for name in free if name in form.unfilled]
    liked = [name for name in free if _STAMPED.search(name)]
    is_there = STAMP_FIELD in free
    name = liked[0] if liked and not is_there else STAMP_FIELD
    yield ""
    lacks = "The project has no such field yet. " if project is not None and not liked else ""
    yield from comment(
        "A text field that gets the run and the row. With it, reconcile finds the records whose "
        f"answer was lost; without it, each has to be looked for by hand. {lacks}"
        f"{'' if is_there else 'Name it here:'}"
    )
    yield from DraftLine("stamp", scalar(name), active=is_there).write()


def _unique(contacts: DraftedContacts, form: DraftedForm) -> list[DraftLine]:
    target = contacts.key
    if target is None and Role.EMAIL in form.names:
        target = f"form.{form.names[Role.EMAIL]}"
    if target is None:
        return []
    remark = "what makes two rows the same: the later one is skipped"
    return [DraftLine("unique", flow([target]), (remark,)), DraftLine("on_duplicate", "skip")]


def _at_least_one(
    form: DraftedForm, phones: Sequence[ReadColumn], person: Person | None
) -> DraftedForm:
    """The form with at least one field, as a record needs: the name, the phone or a constant."""
    if form.lines:
        return form
    remark = f"{UNSURE}a record needs a field of its own, and no column is left for one"
    if person is not None:
        line = DraftLine("name", rule_text(person[0]), (remark,))
    elif phones:
        line = DraftLine("phone", rule_text({"column": phones[0][0].header}), (remark,))
    else:
        line = DraftLine("imported", flow({"value": "yes"}), (remark,))
    return replace(form, lines=(line,))


def _unmapped(columns: Sequence[tuple[SampledColumn, str | None]], sample: Sample) -> Iterator[str]:
    unlooked = len(sample.headers) - len(sample.columns)
    if not columns and not unlooked:
        return
    yield ""
    yield "# Columns that are not mapped:"
    for column, why in columns[:_LISTED]:
        yield f"#   {column_letters(column.index)} {quoted(column.header)}: {why}"
    if rest := len(columns) - _LISTED + unlooked if len(columns) > _LISTED else unlooked:
        yield f"#   and {rest:,} more"


def _unfilled(form: DraftedForm) -> Iterator[str]:
    if form.unfilled:
        yield ""
        names = ", ".join(map(quoted, form.unfilled[:_LISTED]))
        yield from comment(f"Fields of the project that no column fills: {names}")


# The record's own fields: what each column that is left becomes.


@dataclass(frozen=True, slots=True)
class DraftedForm:
    """Lines below ``form:``, the names of its fields by role, and columns that no field fits.

    `unfilled` are fields of the project that no column fills.
    """

    lines: tuple[DraftLine, ...]
    names: Mapping[Role, str]
    left: tuple[SampledColumn, ...] = ()
    unfilled: tuple[str, ...] = ()


def find_person(reads: Sequence[ReadColumn]) -> Person | None:
    """The rule for the record's name: a column, or first and last name in the sheet's order.

    Beside a first name the column *Name* may hold the last name: then its texts are single words.
    """
    names = [read for read in reads if read[1].role is Role.NAME]
    whole = sorted(names, key=lambda read: read[1].number or 0)
    parts: dict[Role, SampledColumn] = {}
    for column, meaning in reads:
        if meaning.role in {Role.FIRST_NAME, Role.LAST_NAME} and meaning.number in {None, 1}:
            parts.setdefault(meaning.role, column)
    if whole and whole[0][1].number in {None, 1}:
        column = whole[0][0]
        single = sum(len(text.split()) == 1 for text in column.texts)
        if len(parts) != 1 or single * 2 <= len(column.texts):
            return column.rule(), [column]
        parts[Role.NAME] = column
    columns = sorted(parts.values(), key=lambda column: column.index)
    if len(columns) == 2:
        return {"columns": [column.header for column in columns]}, columns
    return (columns[0].rule(), columns) if columns else None


def draft_form(
    reads: Sequence[ReadColumn],
    person: Person | None,
    used: frozenset[int],
    language: str | None,
    project: Project | None,
) -> DraftedForm:
    """Give each column that is not `used` elsewhere a field, of the project's where it is known."""
    lines: list[DraftLine] = []
    names: dict[Role, str] = {}
    taken: set[str] = set()
    matches: dict[int, FieldMatch] = {}
    rest = [read for read in reads if read[0].index not in used]
    if project is not None:
        candidates = [*(r for r in reads if person and r[0] is person[1][0]), *rest]
        matches = match_fields(project, list({r[0].index: r for r in candidates}.values()))
        named = [f for f in project.fields if f.name == "name"]
        if person is not None and named and len(person[1]) > 1:
            matches = {i: m for i, m in matches.items() if m.field.name != "name"}
            matches[person[1][0].index] = FieldMatch(named[0])
    if person is not None and (project is None or person[1][0].index in matches):
        match = matches.get(person[1][0].index)
        name = match.field.name if match else Role.NAME.value
        lines.append(DraftLine(scalar(name), rule_text(person[0]), match.remarks if match else ()))
        taken.add(name)
        rest = [read for read in rest if read[0] not in person[1]]
    left: list[SampledColumn] = []
    for column, meaning in rest:
        guess = guess_list(column, meaning) or guess_type(column, meaning, language)
        rule, remarks, role = guess.rule(column), guess.remarks, meaning.role
        remarks += placeholder_remark(column)
        if project is not None:
            match = matches.get(column.index)
            if match is None:
                left.append(column)
                continue
            rule, new = fit_field(column, rule, match.field)
            name, remarks = match.field.name, (*match.remarks, *remarks, *new)
        else:
            no_email = role is Role.EMAIL and column.texts and guess.type != "email"
            role = None if no_email else role
            conventional = role in _CONVENTIONAL and meaning.number is None
            name = str(role) if conventional else field_name(column.header)
            name = _free_name(name or f"column_{column_letters(column.index).lower()}", taken)
        if not guess.type and "multiple" not in rule:
            remarks = (
                *remarks,
                *_not_called(column, meaning.role),
                *column_remarks(column, meaning),
            )
        taken.add(name)
        if role is not None:
            names.setdefault(role, name)
        alternatives = [
            rule_text({**rule, **options}) for options in guess.alternatives if "type" in rule
        ]
        lines.append(DraftLine(scalar(name), rule_text(rule), remarks, alternatives=alternatives))
    unfilled = tuple(f.name for f in project.fields if f.name not in taken) if project else ()
    return DraftedForm(tuple(lines), names, tuple(left), unfilled)


def _free_name(name: str, taken: set[str]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _not_called(column: SampledColumn, role: Role | None) -> tuple[str, ...]:
    """The remark on a column that is headed as a phone and drafted as text."""
    if role not in {Role.PHONE, Role.MOBILE} or not column.texts:
        return ()
    found = fit(column.texts, "phone")
    return (
        f"{UNSURE}only {found.good:,} of {len(found.values):,} values are valid phones, so this is"
        " no contact; if it has phones, put it under contacts",
    )


# Which column fits which field of a live project, by name, label and meaning.


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """A field for a column, with remarks on the match."""

    field: Field
    remarks: tuple[str, ...] = ()


def match_fields(
    project: Project, columns: Sequence[tuple[SampledColumn, Meaning]]
) -> dict[int, FieldMatch]:
    """The field of each column that has one, by the column's index; no field is taken twice.

    Equal names go before equal meanings, and those before names that are merely alike.
    """
    found: dict[int, FieldMatch] = {}
    left = {field.name: field for field in project.fields if field.name.strip()}

    def take(column: SampledColumn, field: Field, *remarks: str) -> None:
        found[column.index] = FieldMatch(left.pop(field.name), remarks)

    for column, _ in columns:
        name = field_name(column.header)
        for field in list(left.values()):
            if name and name in {field_name(field.name), field_name(field.label)}:
                take(column, field)
                break
    for column, meaning in columns:
        if column.index in found or meaning.role in _VAGUE:
            continue
        for field in list(left.values()):
            if _role(field) is meaning.role:
                take(column, field)
                break
    for column, _ in columns:
        if column.index not in found:
            names = {field_name(f.name): f for f in left.values()}
            names |= {field_name(f.label): f for f in left.values() if f.label}
            close = difflib.get_close_matches(field_name(column.header), names, 1, _ALIKE)
            if close and close[0]:
                take(column, names[close[0]], f"{UNSURE}the names are merely alike")
    return found


def _role(field: Field) -> Role | None:
    return meaning_of(field.name).role or meaning_of(field.label).role


def fit_field(
    column: SampledColumn, rule: Mapping[str, Any], field: Field
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The rule adapted to the field's type, and a remark on values that the project lacks."""
    fitted = dict(rule)
    if field.type is FieldType.MULTIPLE:
        fitted = {k: v for k, v in fitted.items() if k not in {"type", "input", "output"}}
        fitted["multiple"] = True
    elif fitted.pop("multiple", False):
        fitted.pop("split", None)
    if field.type in {FieldType.TEXT, FieldType.OTHER}:
        return fitted, ()
    marks = fitted.get("split", ())
    texts = set(column.texts)
    for mark in marks:
        texts = {piece.strip() for text in texts for piece in text.split(mark)} - {""}
    new = len(texts - {value.name for value in field.values})
    if not new:
        return fitted, ()
    some = f"{new:,} of {len(texts):,} different values are new to the field {quoted(field.name)}"
    return fitted, (f"{UNSURE}{some}: translate them with map, or let them be created",)
