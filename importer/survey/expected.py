"""What a plan expects of its project, and what of it the project no longer meets.

The comparison of a file with its project (`live.py`) counts on things that the project has: fields
of a type, values that need not be created, dispositions, users. All of them are written into the
plan, as JSON. Before the first record is sent, they are looked for again: a value that is gone by
then would be created anew, and a field that is gone would have every record refused.

What is remembered is bounded by the project's own description, and of values to be created by what
the comparison remembers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from importer.model import Disposition, Field, FieldType, Project, User, Users
from importer.survey.wording import enumerated, one_line, quoted

CONTACT_NUMBERS = range(1, 10)
_MOST_DIGITS = 18
"""Longer texts are no valueids."""
_NAMED = 100
"""Values of a field that are gone, each of which is a refusal of its own; the rest is counted."""
_LISTED = 8
"""Values in one note."""
_PLAN_AGAIN = "make the plan again"


@dataclass(frozen=True, slots=True)
class ExpectedValue:
    """A value that will be created, in how many rows it stands, and the nearest that exists.

    `allowed` says that the mapping or the options allow it. `same` says that the nearest differs
    only in case, accents or white space.
    """

    text: str
    rows: int
    allowed: bool
    nearest: str | None = None
    same: bool = False


@dataclass(frozen=True, slots=True)
class ExpectedField:
    """A field that records fill, and what they need of its values.

    `by_name` are the values that rows name, `by_id` those that they give by valueid, as digits with
    the value's name. `ids_only` says that the mapping gives valueids as such; otherwise digits are
    a valueid only as long as no value has them for its name. `new` are the values that will be
    created; of too many, `more_new` says that others were not remembered.
    """

    name: str
    type: FieldType
    by_name: tuple[str, ...] = ()
    by_id: tuple[tuple[str, str], ...] = ()
    ids_only: bool = False
    new: tuple[ExpectedValue, ...] = ()
    more_new: bool = False


@dataclass(frozen=True, slots=True)
class ExpectedDisposition:
    """A disposition that rows give, and whether it is a call-back, which asks for a date."""

    dispositionid: str
    name: str
    callback: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """All that the ready rows of a plan expect of the project; everything in a stable order.

    `fields` are those of the mapping and of the stamp. `contacts` are the numbers of contacts that
    rows have; for those in `phone_fields` the project listed a field, and that is None where it
    listed no contact's, and so said nothing about contacts. `dispositions` are None where the
    project did not tell its own, and `users` (userids) where the service did not list them.
    """

    fields: tuple[ExpectedField, ...] = ()
    stamp: str | None = None
    contacts: tuple[int, ...] = ()
    phone_fields: tuple[int, ...] | None = None
    dispositions: tuple[ExpectedDisposition, ...] | None = None
    users: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values, for a plan's file; :meth:`from_json` reads it back."""
        data: dict[str, Any] = json.loads(_canonical(asdict(self)))
        return data

    @classmethod
    def from_json(cls, data: Any) -> Expected:
        """Read what :meth:`as_json` gave; raises ValueError for anything else."""
        try:
            read = cls(
                fields=tuple(map(_field_from_json, data["fields"])),
                stamp=data["stamp"],
                contacts=tuple(data["contacts"]),
                phone_fields=_optional(data["phone_fields"], int),
                dispositions=_optional(data["dispositions"], _disposition_from_json),
                users=_optional(data["users"], str),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"not what a plan expects of its project: {error}") from error
        if _canonical(read.as_json()) != _canonical(data):
            raise ValueError("not what a plan expects of its project: it has other parts, too")
        return read

    def digest(self) -> str:
        """SHA-256 of what records depend on, for the plan's id.

        Left out is what is only told to people: the nearest values, which change with values that
        no row names, and in how many rows a value stands.
        """
        data = self.as_json()
        for field in data["fields"]:
            field["new"] = [[value["text"], value["allowed"]] for value in field["new"]]
        return hashlib.sha256(_canonical(data)).hexdigest()


def _canonical(data: Any) -> bytes:
    """JSON that is the same for the same data, whatever machine and version write it."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def _field_from_json(data: Mapping[str, Any]) -> ExpectedField:
    parts = {
        "type": FieldType(data["type"]),
        "by_name": tuple(data["by_name"]),
        "by_id": tuple((digits, name) for digits, name in data["by_id"]),
        "new": tuple(ExpectedValue(**value) for value in data["new"]),
    }
    return ExpectedField(**{**data, **parts})


def _disposition_from_json(data: Mapping[str, Any]) -> ExpectedDisposition:
    return ExpectedDisposition(**data)


def _optional(data: Any, read: Any) -> tuple[Any, ...] | None:
    return None if data is None else tuple(map(read, data))


class Discrepancies(NamedTuple):
    """What has changed in a project since a plan was made, in sentences for people.

    With `refusals` the plan cannot be applied; each says what to do. `notes` do not keep it from
    being applied.
    """

    refusals: list[str]
    notes: list[str]


def compare_expected(expected: Expected, project: Project, users: Users | None) -> Discrepancies:
    """Compare what a plan expects with the project and the users as they are now.

    `users` are None where they were not asked for, which is enough for a plan that names none
    (`expected.users` blank or None).
    """
    fields = {field.name: field for field in project.fields}
    found = Discrepancies([], [])
    for field in expected.fields:
        _compare_field(field, fields.get(field.name), found)
    _compare_contacts(expected, fields, found)
    if expected.dispositions is not None:
        _compare_dispositions(expected.dispositions, project.dispositions, found)
    if expected.users:
        _compare_users(expected.users, users, found)
    return found


def _compare_field(expected: ExpectedField, field: Field | None, found: Discrepancies) -> None:
    name = expected.name
    if field is None:
        found.refusals.append(
            f"the project has no field {quoted(name)} any more: put it back, or take it out of "
            f"the mapping and {_PLAN_AGAIN}"
        )
        return
    if field.type is not expected.type:
        found.refusals.append(
            f"the field {quoted(name)} was a {expected.type.value} field when the plan was made, "
            f"and is a {field.type.value} field now: {_PLAN_AGAIN}, which checks the rows against "
            "it"
        )
        return
    gone = list(_gone_values(expected, field))
    found.refusals.extend(gone[:_NAMED])
    if len(gone) > _NAMED:
        found.refusals.append(
            f"… and {len(gone) - _NAMED:,} more values that the plan counts on are not in "
            f"{quoted(name)} as they were: {_PLAN_AGAIN}"
        )
    found.notes.extend(_renamed_values(expected, field))
    found.notes.extend(_existing_by_now(expected, field))


def _gone_values(expected: ExpectedField, field: Field) -> Iterator[str]:
    """A sentence for each value that records would no longer find, or find as another one."""
    where = quoted(expected.name)
    names = {value.name for value in field.values}
    ids: dict[int | None, str] = {
        value.valueid: value.name for value in field.values if value.valueid is not None
    }
    for text in expected.by_name:
        if text in names:
            continue
        change = f"{quoted(text)}, which the plan counts on, is no value of {where} any more"
        if (valueid := as_valueid(text)) in ids:
            known = quoted(ids[valueid])
            yield f"{change}, and would be taken for the valueid of {known}: {_PLAN_AGAIN}"
        else:
            yield (
                f"{change}, and would be created anew: put it back into the project, or mend the "
                f"mapping and {_PLAN_AGAIN}"
            )
    for digits, name in expected.by_id:
        if int(digits) not in ids:
            yield (
                f"the valueid {digits} ({quoted(name)}), which the plan counts on, is none of "
                f"{where} any more: put the value back, or mend the list and {_PLAN_AGAIN}"
            )
        elif not expected.ids_only and digits in names:
            yield (
                f"{digits} stood for the valueid of {quoted(name)} in {where}, and is the name "
                f"of a value now: {_PLAN_AGAIN}"
            )
    for value in expected.new:
        text = value.text
        if text not in names and (valueid := as_valueid(text)) in ids:
            yield (
                f"{quoted(text)} was to be created in {where}, and would be taken for the valueid "
                f"of {quoted(ids[valueid])} now: {_PLAN_AGAIN}"
            )


def phone_field(contact: int) -> str:
    """The name of the project's field that lets records have this contact."""
    return f"phone{contact}"


def as_valueid(text: str) -> int | None:
    """The valueid that a text is taken for where it is no value's name; None for any other text."""
    short = len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit()
    return int(text) if short else None


def _renamed_values(expected: ExpectedField, field: Field) -> Iterator[str]:
    names = {value.valueid: value.name for value in field.values}
    renamed = [
        f"{digits} from {quoted(name)} to {quoted(now)}"
        for digits, name in expected.by_id
        if (now := names.get(int(digits), name)) != name
    ]
    if renamed:
        yield (
            f"values of {quoted(expected.name)} that the plan gives by valueid were renamed: "
            f"{enumerated(renamed, _LISTED)}: look whether they are still meant"
        )


def _existing_by_now(expected: ExpectedField, field: Field) -> Iterator[str]:
    names = {value.name for value in field.values}
    there = [quoted(value.text) for value in expected.new if value.text in names]
    where = quoted(expected.name)
    if len(there) == 1:
        yield f"{there[0]} was to be created in {where} and exists by now: it is used as it is"
    elif there:
        yield (
            f"{len(there):,} values were to be created in {where} and exist by now: "
            f"{enumerated(there, _LISTED)}: they are used as they are"
        )
    if expected.more_new:
        yield (
            f"more values would be created in {where} than a plan remembers, so for the others "
            "nobody can say which exist by now: look at the mapping if that field holds free text"
        )


def _compare_contacts(
    expected: Expected, fields: Mapping[str, Field], found: Discrepancies
) -> None:
    lists_any = any(phone_field(number) in fields for number in CONTACT_NUMBERS)
    for number in expected.contacts:
        name = phone_field(number)
        if number == 1 or name in fields:
            continue
        if expected.phone_fields is not None and number in expected.phone_fields:
            found.refusals.append(
                f"the project has no field {name} any more, so the service may not keep contact "
                f"{number}: put it back, or {_PLAN_AGAIN} to see which rows have that contact"
            )
        elif lists_any and expected.phone_fields is None:
            found.notes.append(
                f"the project has fields for contacts by now, and none for contact {number}: the "
                f"service may not keep it unless {name} is added"
            )


def _compare_dispositions(
    expected: tuple[ExpectedDisposition, ...],
    dispositions: tuple[Disposition, ...] | None,
    found: Discrepancies,
) -> None:
    if dispositions is None:
        if expected:
            found.notes.append(
                "the service does not tell the project's dispositions any more: whether those of "
                "the plan exist was not compared"
            )
        return
    known = {one.dispositionid: one for one in dispositions}
    for one in expected:
        words = f"disposition {one_line(one.dispositionid)} ({quoted(one.name)})"
        now = known.get(one.dispositionid)
        if now is None:
            found.refusals.append(
                f"the project has no {words} any more: put it back, or give those rows another "
                f"one and {_PLAN_AGAIN}"
            )
        elif now.callback is not one.callback:
            was, is_ = ("a call-back", "none") if one.callback else ("no call-back", "one")
            found.refusals.append(
                f"{words} was {was} when the plan was made, and is {is_} now: {_PLAN_AGAIN}, "
                "which checks the dates of its rows"
            )


def _compare_users(expected: tuple[str, ...], users: Users | None, found: Discrepancies) -> None:
    if users is None or users.listed is None:
        why = f" ({users.refused})" if users is not None and users.refused else ""
        found.notes.append(
            f"the service does not list its users now{why}: whether those of the plan are still "
            "active was not compared"
        )
        return
    known: dict[str, User] = {user.userid: user for user in users.listed}
    for userid in expected:
        now = known.get(userid)
        if now is None:
            found.refusals.append(
                f"the service has no user {quoted(userid)} any more: give the rows of this user to "
                f"another one, and {_PLAN_AGAIN}"
            )
        elif not now.active:
            found.refusals.append(
                f"the user {quoted(userid)} is inactive now: activate the user in the service, or "
                f"give the rows to another one and {_PLAN_AGAIN}"
            )
