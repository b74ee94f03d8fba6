"""The mapping format, declared once: validation, JSON Schema and reference page come from here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from importer.mapping.rule import AnyRule, Rule, SpreadRule, Strict, Text, Texts, Type, as_list

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
    region: str | None = Field(
        None,
        pattern="^[A-Z]{2}$",
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


_PHONE_FIELD = r"^phone[1-9]$"


def _as_phone_field(value: Any) -> Any:
    return {"value": value} if isinstance(value, str) else value


class MappingSpec(Strict):
    """Which column becomes which field of the record."""

    version: Literal[1] = Field(description="The version of this format.")
    project: int | None = Field(
        None, ge=1, le=2**53, description="The project; --project beats it."
    )
    region: str | None = Field(
        None, pattern="^[A-Z]{2}$", description="Where national phone numbers are at home."
    )
    source: Source = Field(default=Source(), description="How to read the sheet.")
    form: dict[Text, AnyRule] = Field(description="The record's own fields.")
    contacts: Contacts = Field(default=Contacts(), description="Whom to call.")
    phone_field: (
        Annotated[
            Rule,
            BeforeValidator(
                _as_phone_field,
                json_schema_input_type=Annotated[str, Field(pattern=_PHONE_FIELD)] | Rule,
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
    types: dict[str, Type] = {"phone": "phone", "name": "text", "title": "text", "email": "email"}
    for name, type_ in types.items():
        if (rule := getattr(contact, name)) is not None:
            yield PlacedRule((*path, name), rule, type_)
