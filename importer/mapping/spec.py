"""The mapping format, declared once: validation, JSON Schema and reference page come from here.

First one rule, which says where a value comes from and what is done to it, then the mapping that
has such rules in its places, then the JSON Schema of both. What no single option of a rule shows
(two sources, ``split`` without ``multiple``) is checked by :meth:`Rule.check`; what depends on the
rule's place, by :meth:`Rule.check_type`; what depends on other parts, in ``semantics.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from importer.mapping.dates import has_year, zoned_format
from importer.mapping.patterns import mistake_in
from importer.mapping.text import as_cell

Mistake = tuple[tuple[str, ...], str]
"""The path of a mistake, below the object at hand; what is wrong there, and how to mend it."""


def _as_text(value: Any) -> Any:
    """The text of a scalar that YAML has read from text without quotes, such as 1 or true."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def as_list(value: Any) -> Any:
    """A list as it is, any other value as a list of one."""
    return value if isinstance(value, list) else [value]


_SCALAR = {"type": ["string", "number", "boolean"]}
Text = Annotated[str, BeforeValidator(_as_text), WithJsonSchema(_SCALAR)]
Texts = Annotated[
    list[Text],
    BeforeValidator(as_list),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]}),
]
Type = Literal[
    "text", "integer", "decimal", "boolean", "date", "datetime", "phone", "email", "url", "valueid"
]
Region = Annotated[str, Field(pattern="^[A-Z]{2}$")]
"""A country's code in capital letters, ISO 3166-1 alpha-2."""
PhoneFormat = Literal["digits", "e164", "international", "national", "raw"]
CONTACT_PARTS: dict[str, Type] = {
    "phone": "phone",
    "name": "text",
    "title": "text",
    "email": "email",
}
"""The keys of a contact, each with the type that its rule has by default."""
PHONE_FIELD = re.compile("phone([1-9])")
"""A value of ``phone_field``, with the number of its contact."""

_SOURCES = ("column", "columns", "template", "value")
_ONLY_FOR: dict[str, tuple[Type, ...]] = {
    "min": ("integer", "decimal", "date", "datetime"),
    "max": ("integer", "decimal", "date", "datetime"),
    "input": ("integer", "decimal", "date", "datetime"),
    "output": ("date", "datetime", "boolean"),
    "region": ("phone",),
    "format": ("phone",),
}
STAMP_FIELD = "import_ref"
"""The name that the field for a stamp has in the documentation: it is there for nothing else."""

TEMPLATE_COLUMN = re.compile(r"\{([^{}]+)\}")
"""A column header in a template."""
_NEEDS_MULTIPLE = {"split", "pipe"}
_OF_A_CONSTANT = {"type", "empty", "multiple"}


class Strict(BaseModel):
    """A mapping object: unknown keys are mistakes, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class Rule(Strict):
    """Where a value comes from (one of column, columns, template, value) and what is done to it."""

    column: Texts | None = Field(
        None, description="A column header, or several of which the first that exists is taken."
    )
    columns: Texts | None = Field(None, description="Several columns that together give the value.")
    template: Text | None = Field(
        None, description="Text with column headers in braces: `{Zip} {City}`."
    )
    value: Text | None = Field(None, description="A constant, the same for every row.")
    remove_prefix: Texts | None = Field(
        None,
        description='Texts taken off a cell\'s front before anything else, as `["p:", "z:"]` of '
        "Meta's lead exports; of several that fit, the longest. With `multiple`, off each value, "
        "too.",
    )
    required: bool = Field(False, description="A row without this value is invalid.")
    default: Text | None = Field(
        None, description="Taken, as it stands, where the cells are blank."
    )
    trim: bool = Field(True, description="Take white space of every kind off both ends.")
    empty: Literal["omit", "send"] = Field(
        "omit", description="Whether a blank value is left out or sent as empty text."
    )
    type: Type | None = Field(
        None, description="What the text must be; the field's place decides where left out."
    )
    multiple: bool = Field(False, description="Several values, joined with `|` for the service.")
    split: Texts | None = Field(None, description="With `multiple`: what divides values in a cell.")
    join: Annotated[str, BeforeValidator(_as_text)] | None = Field(
        None, description="With `columns` that are not `multiple`: what stands between the cells."
    )
    pipe: Literal["error", "split", "replace"] | None = Field(
        None,
        description="With `multiple`: what a `|` inside one value means (default `error`; "
        "`split` divides there, `replace` puts `/` in its place).",
    )
    case: Literal["upper", "lower", "title"] | None = Field(None, description="Change the case.")
    map: dict[Text, Text] | None = Field(
        None, description="What to send instead of a cell's text; other texts stay as they are."
    )
    choices: Texts | None = Field(None, description="The only values allowed, after `map`.")
    pattern: str | None = Field(
        None, description="A regular expression of RE2 that the whole value must match."
    )
    min: Text | None = Field(None, description="The smallest number or earliest date allowed.")
    max: Text | None = Field(None, description="The largest number or latest date allowed.")
    min_length: int | None = Field(None, ge=0, description="The fewest characters allowed.")
    max_length: int | None = Field(None, ge=1, description="The most characters allowed.")
    input: Texts | None = Field(
        None,
        description="Dates: the formats cells may have, as strptime writes them (ISO dates are "
        "always understood). Numbers: the decimal mark, `.` or `,`.",
    )
    output: Texts | None = Field(
        None,
        description="Dates: the strftime format to send. Booleans: the two texts for true and "
        "false.",
    )
    region: Region | None = Field(
        None,
        description="Where national phone numbers are at home, as two capital letters.",
    )
    format: PhoneFormat | None = Field(
        None, description="How a phone is sent: `digits` (default) is `3619997400`."
    )
    on_error: Literal["reject", "warn", "blank"] = Field(
        "reject",
        description="What a value that fails a check does: make the row invalid, be sent with a "
        "warning, or be left out with a warning.",
    )
    repair: bool = Field(
        False,
        description="Mend what a spreadsheet program damaged, where that can be known: phones that "
        "became numbers or lost their `+` or `0`, dates that became numbers or were turned day for "
        "month, zeros lost at the front of text. Other types have nothing that can be mended.",
    )

    def check(self) -> list[Mistake]:
        """All contradictions within this rule that do not depend on its place in the mapping."""
        given = {name for name in type(self).model_fields if getattr(self, name) is not None}
        named = self.model_fields_set
        mistakes: list[Mistake] = []
        sources = [name for name in _SOURCES if name in given]
        if len(sources) != 1:
            what = f"{' and '.join(sources)} exclude each other" if sources else "no source"
            mistakes.append(((), f"{what}: give exactly one of column, columns, template, value"))
        if self.value is not None and (extra := sorted(named - {*_SOURCES, *_OF_A_CONSTANT})):
            mistakes.append(
                ((extra[0],), f"{', '.join(extra)} does nothing to a constant: remove it")
            )
        if not self.multiple:
            mistakes += [
                ((name,), f"{name} works only with multiple: true")
                for name in sorted(_NEEDS_MULTIPLE & given)
            ]
        if self.join is not None and (self.columns is None or self.multiple):
            mistakes.append((("join",), "join works only with columns that are not multiple"))
        if self.required and self.default is not None:
            mistakes.append((("required",), "a rule with a default is never blank: drop one"))
        if self.split is not None and "" in self.split:
            mistakes.append((("split",), "an empty text divides nothing"))
        if self.remove_prefix is not None and "" in self.remove_prefix:
            mistakes.append((("remove_prefix",), "an empty text takes nothing off"))
        if self.on_error == "warn" and self.multiple and self.pipe is None:
            mistakes.append(
                (("on_error",), "with warn, say what a | in a value means: pipe: split or replace")
            )
        mistakes += self._check_numbers()
        if self.pattern is not None and (wrong := mistake_in(self.pattern)) is not None:
            mistakes.append((("pattern",), wrong))
        choices = {*self.choices, *map(as_cell, self.choices)} if self.choices else set[str]()
        if choices and self.map and (odd := sorted(set(self.map.values()) - choices)):
            mistakes.append((("map",), f"gives {', '.join(odd)}, not among the choices"))
        if choices and self.default is not None and self.default not in choices:
            mistakes.append((("default",), f"{self.default!r} is not among the choices"))
        if self.template is not None and not self.named_columns():
            mistakes.append((("template",), "no {column} in it: for a constant use value"))
        return mistakes

    def _check_numbers(self) -> list[Mistake]:
        mistakes: list[Mistake] = []
        if self.min_length is not None and (self.max_length or self.min_length) < self.min_length:
            mistakes.append((("max_length",), "is less than min_length"))
        if self.type == "valueid":
            if self.multiple:
                mistakes.append((("multiple",), "a valueid is one value: send text instead"))
            if self.on_error == "warn":
                mistakes.append((("on_error",), "only a number can be sent as a valueid"))
            mistakes += [
                ((name,), f"{text!r} is not a valueid, which is a number")
                for name, text in (("value", self.value), ("default", self.default))
                if text is not None and not re.fullmatch(r"[0-9]+", text)
            ]
        return mistakes

    def named_columns(self) -> list[str]:
        """The headers that the rule names, in order."""
        if self.template is not None:
            return TEMPLATE_COLUMN.findall(self.template)
        return [*(self.column or ()), *(self.columns or ())]

    def check_type(self, type_: Type) -> list[Mistake]:
        """Contradictions between options and the type that the rule has in its place."""
        mistakes: list[Mistake] = [
            ((name,), f"{name} does nothing to a {type_}: it is for {', '.join(types)}")
            for name, types in _ONLY_FOR.items()
            if getattr(self, name) is not None and type_ not in types and self.value is None
        ]
        if type_ in {"integer", "decimal"} and self.input and not {*self.input} <= {".", ","}:
            mistakes.append((("input",), 'of a number is its decimal mark: "." or ","'))
        if type_ in {"date", "datetime"}:
            formats = [("input", text) for text in self.input or ()]
            formats += [("output", text) for text in self.output or ()]
            mistakes += [
                ((name,), f'"{text}" is not a date format: write it as %d.%m.%Y')
                for name, text in formats
                if not _is_date_format(text)
            ]
            mistakes += [
                (("input",), f'"{text}" has no year, so no date can be read by it: add %Y')
                for text in self.input or ()
                if _is_date_format(text) and not has_year(text)
            ]
            mistakes += [
                (("input",), f'"{text}" names the time zone twice: leave one of them out')
                for text in self.input or ()
                if zoned_format(text).count("%z") > 1
            ]
        if self.output is not None and type_ in {"date", "datetime"} and len(self.output) != 1:
            mistakes.append((("output",), "is one format"))
        if self.output is not None and type_ == "boolean" and len(self.output) != 2:
            mistakes.append((("output",), "of a boolean is two texts: for true and for false"))
        return mistakes


def _is_date_format(text: str) -> bool:
    """Whether what the format writes can be read with it, and holds something of a date."""
    # strptime of Python 3.13 warns of a day of the month without a year, and 3.15 may refuse it.
    yearless = "%d" in text and not has_year(text)
    tried = f"{text} %Y" if yearless else text
    try:
        datetime.strptime(_A_MOMENT.strftime(tried), tried).replace(tzinfo=UTC)
    except (ValueError, re.error):
        return False
    return "%" in text and _A_MOMENT.strftime(text) != text


_A_MOMENT = datetime(2024, 5, 17, 10, 26, 55, tzinfo=UTC)


def _as_rule(value: Any) -> Any:
    return {"column": value} if isinstance(value, str | int | float) else value


def _as_spread(value: Any) -> Any:
    rule = _as_rule(value)
    return {"split": _SPREAD, "multiple": True, **rule} if isinstance(rule, dict) else rule


_SPREAD = [";", ",", "|", "\n"]
"""What divides the phones in a cell where the mapping does not say."""

AnyRule = Annotated[
    Rule,
    BeforeValidator(_as_rule, json_schema_input_type=Text | Rule),
]
"""A rule, or a bare string that names a column."""

SpreadRule = Annotated[Rule, BeforeValidator(_as_spread, json_schema_input_type=Text | Rule)]
"""A rule whose cells hold many values."""
CONTACT_NUMBERS = range(1, 10)


class Source(Strict):
    """How to read the sheet; what is left out is found by looking."""

    sheet: str | int | None = Field(None, description="A sheet's name, or its 1-based number.")
    header_row: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="The row number of the column headers."
    )
    encoding: str | None = Field(None, description="A text file's encoding, as `cp1250`.")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="What stands between a text file's cells."
    )


class Contact(Strict):
    """One numbered contact; without a phone it does not exist."""

    phone: AnyRule = Field(description="Of type phone unless the rule says otherwise.")
    name: AnyRule | None = Field(None, description="The contact's name.")
    title: AnyRule | None = Field(None, description="The contact's title, as Supervisor.")
    email: AnyRule | None = Field(None, description="Of type email unless the rule says otherwise.")


class Contacts(Strict):
    """The contacts of a record: by number, each number a column has, and spread from one cell."""

    each: Contact | None = Field(
        None, description="For every n from 1 to 9 whose phone column exists; write `{n}`."
    )
    spread: SpreadRule | None = Field(
        None,
        description="Many numbers in a cell, which fill the free contacts in order; divided by "
        "`split`, or else by semicolons, commas, `|` and line breaks.",
    )
    c1: Contact | None = Field(None, alias="1", description="Contact 1.")
    c2: Contact | None = Field(None, alias="2", description="Contact 2.")
    c3: Contact | None = Field(None, alias="3", description="Contact 3.")
    c4: Contact | None = Field(None, alias="4", description="Contact 4.")
    c5: Contact | None = Field(None, alias="5", description="Contact 5.")
    c6: Contact | None = Field(None, alias="6", description="Contact 6.")
    c7: Contact | None = Field(None, alias="7", description="Contact 7.")
    c8: Contact | None = Field(None, alias="8", description="Contact 8.")
    c9: Contact | None = Field(None, alias="9", description="Contact 9.")

    def numbered(self) -> dict[int, Contact]:
        """The contacts given by number."""
        found = {n: getattr(self, f"c{n}") for n in CONTACT_NUMBERS}
        return {n: contact for n, contact in found.items() if contact is not None}


class Premium(Strict):
    """What the record is worth."""

    price: AnyRule | None = Field(None, description="The call centre's commission.")
    commission: AnyRule | None = Field(None, description="The agent's commission.")


class Disposition(Strict):
    """The state a record starts in."""

    dispositionid: AnyRule = Field(description="Which disposition.")
    userid: AnyRule = Field(description="Whose record it is.")
    next_calldate: AnyRule | None = Field(
        None, description="When to call back; of type datetime unless the rule says otherwise."
    )


class SkipWhen(Strict):
    """A filter: rows whose cell is one of these texts are skipped, in whatever case."""

    column: Text = Field(description="The column to look at.")
    in_: Texts = Field(alias="in", description="The texts that filter a row out.")


class DoNotCall(Strict):
    """A list of numbers that must not be called, in a file of any kind that can be read."""

    file: Text = Field(description="The list's file, relative to the mapping.")
    column: Text | None = Field(
        None, description="The column of the numbers; a list of one column needs none."
    )
    region: Region | None = Field(
        None,
        description="Where the list's national numbers are at home; the mapping's own region where "
        "left out.",
    )
    action: Literal["skip", "drop"] = Field(
        "skip", description="Leave out the row that has a listed number, or that contact only."
    )


_DAYS = re.compile(r"([1-9]\d{0,3}) ?(?:d|days?)")


def _days(value: Any) -> int:
    match = _DAYS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is no number of days: write it as 90d")
    return int(match[1])


Days = Annotated[
    int, BeforeValidator(_days), WithJsonSchema({"type": "string", "pattern": _DAYS.pattern})
]


class Rows(Strict):
    """Which rows are sent."""

    skip_when: Annotated[list[SkipWhen], BeforeValidator(as_list)] = Field(
        default=[], description="Filters; a row that meets one of them is skipped."
    )
    unique: Texts | None = Field(
        None, description="What makes two rows the same, as `contacts.1.phone` or `form.email`."
    )
    on_duplicate: Literal["skip", "reject", "allow"] = Field(
        "skip", description="What becomes of a row that was seen before."
    )
    within: Days | None = Field(
        None,
        description="How far back rows are compared with what was imported, as `90d`; else with "
        "the files of the same command only.",
    )
    do_not_call: Annotated[list[DoNotCall], BeforeValidator(as_list)] = Field(
        default=[], description="Lists of numbers that must not be called."
    )
    without_contact: Literal["reject", "skip", "send"] = Field(
        "reject",
        description="What becomes of a row from which no contact comes, where contacts are mapped: "
        "nobody could be called.",
    )


def _as_phone_field(value: Any) -> Any:
    return {"value": value} if isinstance(value, str) else value


class MappingSpec(Strict):
    """Which column becomes which field of the record."""

    version: Literal[1] = Field(description="The version of this format.")
    project: int | None = Field(
        None, ge=1, le=2**53, description="The project; --project beats it."
    )
    region: Region | None = Field(None, description="Where national phone numbers are at home.")
    source: Source = Field(default=Source(), description="How to read the sheet.")
    form: dict[Text, AnyRule] = Field(description="The record's own fields.")
    contacts: Contacts = Field(default=Contacts(), description="Whom to call.")
    phone_field: (
        Annotated[
            Rule,
            BeforeValidator(
                _as_phone_field,
                json_schema_input_type=Annotated[str, Field(pattern=r"^phone[1-9]$")] | Rule,
            ),
        ]
        | None
    ) = Field(
        None,
        description="Which number is called next: `phone1` to `phone9`, or a rule; the lowest "
        "contact that has a phone where left out.",
    )
    premium: Premium = Field(default=Premium(), description="What the record is worth.")
    disposition: Disposition | None = Field(None, description="The state it starts in.")
    stamp: Text | None = Field(
        None, description="A text field that gets the run id and the row, to find the record by."
    )
    timezone: str | None = Field(
        None, description="Where call-back times that have an offset are converted to."
    )
    rows: Rows = Field(default=Rows(), description="Which rows are sent.")
    new_values: dict[Text, Texts] = Field(
        default={},
        description="By field, values that may be created without --allow-new-values.",
    )

    def placed_rules(self) -> Iterator[PlacedRule]:
        """Every rule with its path in the mapping and the type that its place gives it."""
        for field, rule in self.form.items():
            yield PlacedRule(("form", field), rule, "text")
        for n, contact in self.contacts.numbered().items():
            yield from _contact_rules(("contacts", str(n)), contact)
        if self.contacts.each is not None:
            yield from _contact_rules(("contacts", "each"), self.contacts.each)
        if self.contacts.spread is not None:
            yield PlacedRule(("contacts", "spread"), self.contacts.spread, "phone")
        if self.phone_field is not None:
            yield PlacedRule(("phone_field",), self.phone_field, "text")
        for name in ("price", "commission"):
            if (rule := getattr(self.premium, name)) is not None:
                yield PlacedRule(("premium", name), rule, "text")
        if self.disposition is not None:
            yield PlacedRule(("disposition", "dispositionid"), self.disposition.dispositionid)
            yield PlacedRule(("disposition", "userid"), self.disposition.userid)
            if (when := self.disposition.next_calldate) is not None:
                yield PlacedRule(("disposition", "next_calldate"), when, "datetime")


@dataclass(frozen=True, slots=True)
class PlacedRule:
    """A rule where it stands; `path` are the keys that lead to it."""

    path: tuple[str, ...]
    rule: Rule
    default_type: Type = "text"

    @property
    def type(self) -> Type:
        """The rule's own type, or the one its place gives."""
        return self.rule.type or self.default_type


def _contact_rules(path: tuple[str, ...], contact: Contact) -> Iterator[PlacedRule]:
    for name, type_ in CONTACT_PARTS.items():
        if (rule := getattr(contact, name)) is not None:
            yield PlacedRule((*path, name), rule, type_)


def mapping_schema() -> dict[str, Any]:
    """The schema, draft 2020-12, as editors want it: no nulls, since a key is left out instead."""
    return schema_of(MappingSpec, "vcc-importer mapping")


def schema_of(model: type[BaseModel], title: str, *, nulls: bool = False) -> dict[str, Any]:
    """The schema of a YAML file's model; with `nulls`, where null says something."""
    schema = model.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_cleaned(schema, nulls),
        "title": title,
    }


def _cleaned(part: Any, nulls: bool) -> Any:
    if isinstance(part, list):
        return [_cleaned(item, nulls) for item in part]
    if not isinstance(part, dict):
        return part
    cleaned = {
        key: {name: _cleaned(schema, nulls) for name, schema in value.items()}
        if key in {"properties", "$defs"}
        else _cleaned(value, nulls)
        for key, value in part.items()
    }
    if cleaned.get("default", ...) is None or isinstance(cleaned.get("default"), dict | list):
        del cleaned["default"]
    if isinstance(cleaned.get("title"), str):  # a name made from the key, which says no more
        del cleaned["title"]
    options = cleaned.get("anyOf")
    if not nulls and isinstance(options, list) and {"type": "null"} in options:
        options = [option for option in options if option != {"type": "null"}]
        if len(options) == 1:
            del cleaned["anyOf"]
            cleaned = {**options[0], **cleaned}
        else:
            cleaned["anyOf"] = options
    return cleaned
