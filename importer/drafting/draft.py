"""A first mapping for a sheet, drafted from its headers and its texts, for a person to finish.

What is unsure is marked so, with figures; nothing is guessed that a check would refuse. Texts of
the sheet are personal data: remarks tell their kind and number, not the texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from importer.drafting.contacts import (
    Contacts,
    Read,
    draft_contacts,
    phone_columns,
)
from importer.drafting.form import Form, Person, draft_form, find_person, money
from importer.drafting.kinds import fit, guess_type
from importer.drafting.region import Home, guess_region
from importer.drafting.sample import Column, Sample
from importer.drafting.words import Role, meaning_of
from importer.drafting.yaml import UNSURE, Line, comment, flow, of_rule, scalar, shown
from importer.mapping.program import column_letter
from importer.model import FieldType, Project, SourceInfo
from importer.settings import SourceOptions

_LISTED = 100
"""Columns without a field that are listed one by one."""
_FEW = 40
_DATA = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]|^\s*\+?\(?\d([\s./()-]*\d){5,}\s*$")
"""An e-mail address, or digits as phones, dates and ids have them."""
_STAMPED = re.compile(r"stamp|import|ref(?:erence)?(?![a-z])", re.IGNORECASE)
"""Names of fields that may be there for a stamp."""
_SCHEMA = "# yaml-language-server: $schema=mapping.schema.json"


_NOBODY = (
    Line(
        "1",
        "{phone: Phone}",
        (f"{UNSURE}no column was taken for phones, so nobody could be called: name it here",),
        active=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What was read and how: `given` are the options that were asked for."""

    info: SourceInfo
    given: SourceOptions
    sample: Sample


def draft_mapping(sheet: Sheet, project: Project | None = None) -> str:
    """Draft a mapping, as YAML text; with a project its own fields are used."""
    reads = [(c, meaning_of(c.header)) for c in sheet.sample.columns if c.fault is None]
    languages = Counter(language for _, meaning in reads for language in sorted(meaning.languages))
    language = next((found for found, _ in languages.most_common(1)), None)
    home = guess_region(reads)
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
    form = _at_least_one(form, contacts, phones, person)
    text = "\n".join(
        [
            *_head(sheet, project, home),
            *_section("form", form.lines),
            *_section("contacts", contacts.lines or _NOBODY),
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
    info = sheet.info
    name = shown(info.path.replace("\\", "/").rsplit("/", 1)[-1])
    yield _SCHEMA
    yield "#"
    yield from comment(
        f"Drafted from {name}: {_count(sheet.sample.rows, 'row')}, "
        f"{_count(len(sheet.sample.headers), 'column')}. "
        "Look at the lines marked unsure, then check the file with this mapping. What a remark "
        "says was so in that file; the next one may differ."
    )
    data = [column_letter(c.index) for c in sheet.sample.columns if _DATA.search(c.header)]
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
        yield from Line("region", written, (home.remark,), active=home.region is not None).write()
    yield from _source(sheet)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _source(sheet: Sheet) -> Iterator[str]:
    """How the sheet was read, where that had to be found out and the next file may differ."""
    info, given = sheet.info, sheet.given
    lines = []
    several = any(problem.code == "other_sheets" for problem in info.problems)
    if info.sheet is not None and (several or given.sheet is not None):
        lines.append(Line("sheet", scalar(info.sheet), ("one of several sheets",)))
    if info.header_row != 1 or given.header_row is not None:
        lines.append(Line("header_row", str(info.header_row), ("the row of the column headers",)))
    for key, value, said in (
        ("encoding", info.encoding, given.encoding),
        ("delimiter", info.delimiter, given.delimiter),
    ):
        if value is not None:
            remark: tuple[str, ...] = () if said else ("found by looking",)
            if key == "delimiter":
                remark += tuple(
                    f"{UNSURE}{p.hint}" for p in info.problems if p.code == "one_column"
                )
            lines.append(Line(key, scalar(value), remark, active=said is not None))
    if any(line.active for line in lines):
        yield from _section("source", lines)
    elif lines:
        yield ""
        yield "# source:"
        for line in lines:
            yield from Line(f"  {line.key}", line.value, line.remarks, active=False).write()


def _section(key: str, lines: Sequence[Line]) -> Iterator[str]:
    """A key of the mapping with what stands below it; nothing where that is nothing."""
    if lines:
        yield ""
        yield f"{key}:" if any(line.active for line in lines) else f"# {key}:"
        for line in lines:
            yield from line.write(2)


def _filters(reads: Sequence[Read]) -> tuple[list[Line], frozenset[int]]:
    """Leave out whom nobody may call, where a header says so; only suggest it where it may."""
    entries: list[dict[str, object]] = []
    used: set[int] = set()
    remarks: list[str] = []
    suggestions: list[Line] = []
    for column, meaning in reads:
        words = ["yes", "x", "1", "ja", "igen"]
        if meaning.role is Role.DO_NOT_CALL:
            marks = [t.casefold() for t in column.texts if _says(t) != "false"][:_FEW]
            entries.append({"column": column.header, "in": list(dict.fromkeys([*words, *marks]))})
            used.add(column.index)
            odd = sum(_says(text) is None for text in column.texts)
            remarks.append(f"{shown(column.header)} reads as do not call: such rows are skipped")
            if odd:
                remarks.append(
                    f"{UNSURE}{odd:,} of {len(column.texts):,} different values in it are neither "
                    "yes nor no" + ("; list all that mean yes" if odd > _FEW else "")
                )
        elif meaning.role in {Role.MAYBE_DO_NOT_CALL, Role.MAY_CALL}:
            if meaning.role is Role.MAY_CALL:
                words = ["no", "n", "0", "nein", "nem"]
            value = flow([{"column": column.header, "in": words}])
            remark = f"{UNSURE}if this column says who may not be called, skip these rows"
            suggestions.append(Line("skip_when", value, (remark,), active=False))
    if entries:
        return [Line("skip_when", flow(entries), tuple(remarks)), *suggestions], frozenset(used)
    return suggestions, frozenset(used)


def _says(text: str) -> str | None:
    return fit([text], "boolean").values[0]


def _premium(reads: Sequence[Read]) -> tuple[list[Line], frozenset[int]]:
    lines: list[Line] = []
    used: set[int] = set()
    for role, key, what in (
        (Role.PRICE, "price", "the call centre's commission"),
        (Role.COMMISSION, "commission", "the agent's commission"),
    ):
        for column, _ in (read for read in reads if read[1].role is role):
            guess = money(column, role)
            if guess is not None and not any(line.key == key for line in lines):
                remarks = (*guess.remarks, f"{UNSURE}taken for {what} on the record")
                lines.append(Line(key, of_rule(guess.rule(column.header)), remarks))
                used.add(column.index)
    return lines, frozenset(used)


def _is_call_back(read: Read) -> bool:
    return not read[0].texts or guess_type(*read, None).type in {"date", "datetime"}


def _call_backs(calls: Sequence[Read], project: Project | None) -> Iterator[str]:
    """Call-backs are only mentioned: they need a disposition and a user that no sheet tells."""
    known = [d for d in (project.dispositions or () if project else ()) if d.callback]
    for column, meaning in calls:
        rule = {**guess_type(column, meaning, None).rule(column.header), "type": "datetime"}
        yield ""
        yield from comment(
            f"{shown(column.header)} holds call-back times in {column.filled:,} rows. To have these"
            " called back, name the project's disposition for it and the user it is for:"
        )
        dispositionid = known[0].dispositionid if known else "1"
        for key, value in (
            ("disposition", ""),
            ("  dispositionid", flow({"value": dispositionid})),
            ("  userid", flow({"value": "7"})),
            ("  next_calldate", of_rule(rule)),
        ):
            yield from Line(key, value, active=False).write()


def _stamp(project: Project | None, form: Form) -> Iterator[str]:
    """The stamp is only suggested: the project needs a text field of its own for it."""
    free = [f.name for f in project.fields if f.type is FieldType.TEXT] if project else []
    free = [name for name in free if name in form.unfilled]
    liked = [name for name in free if _STAMPED.search(name)]
    name = liked[0] if liked else "import_ref"
    yield ""
    lacks = "The project has no such field yet. " if project is not None and not liked else ""
    yield from comment(
        "A text field that gets the run and the row. With it, reconcile finds the records whose "
        f"answer was lost; without it, each has to be looked for by hand. {lacks}"
        "Name it here:"
    )
    yield from Line("stamp", scalar(name), active=False).write()


def _unique(contacts: Contacts, form: Form) -> list[Line]:
    target = contacts.key
    if target is None and Role.EMAIL in form.names:
        target = f"form.{form.names[Role.EMAIL]}"
    if target is None:
        return []
    remark = "what makes two rows the same: the later one is skipped"
    return [Line("unique", flow([target]), (remark,)), Line("on_duplicate", "skip")]


def _at_least_one(
    form: Form, contacts: Contacts, phones: Sequence[Read], person: Person | None
) -> Form:
    """A record needs a field, though it be its phone's or a constant."""
    if form.lines:
        return form
    remark = f"{UNSURE}a record needs a field of its own, and no column is left for one"
    if person is not None:
        line = Line("name", of_rule(person[0]), (remark,))
    elif phones:
        line = Line("phone", of_rule({"column": phones[0][0].header}), (remark,))
    else:
        line = Line("imported", flow({"value": "yes"}), (remark,))
    return Form((line,), form.names, form.left, form.unfilled)


def _unmapped(columns: Sequence[tuple[Column, str | None]], sample: Sample) -> Iterator[str]:
    unlooked = len(sample.headers) - len(sample.columns)
    if not columns and not unlooked:
        return
    yield ""
    yield "# Columns that are not mapped:"
    for column, why in columns[:_LISTED]:
        yield f"#   {column_letter(column.index)} {shown(column.header)}: {why}"
    if rest := len(columns) - _LISTED + unlooked if len(columns) > _LISTED else unlooked:
        yield f"#   and {rest:,} more"


def _unfilled(form: Form) -> Iterator[str]:
    if form.unfilled:
        yield ""
        names = ", ".join(map(shown, form.unfilled[:_LISTED]))
        yield from comment(f"Fields of the project that no column fills: {names}")
