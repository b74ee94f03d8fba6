"""The body of an Add record request, checked against its project: pure, and all errors at once.

Two codes go beyond the table of the contract, for bodies it does not speak of:
``error.invalid_value`` (a form value that is neither text nor an integer), and
``error.invalid_premium``. A key that no part of the contract knows is ``error.unknown_key``: a
rehearsal that swallowed a misspelt ``contacs`` would be no rehearsal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ERRORCODE = 417
"""The `errorcode` of a body that is JSON but not acceptable, and its HTTP status."""

_KEYS = frozenset({"form", "contacts", "phone_field", "premium", "disposition"})
_CONTACT_KEYS = frozenset({"phone", "name", "title", "email"})
_PREMIUM_KEYS = frozenset({"price", "commission"})
_DISPOSITION_KEYS = frozenset({"dispositionid", "userid", "next_calldate"})
_CONTACT_NUMBERS = frozenset("123456789")
_CALLDATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")

Error = dict[str, str | int]


@dataclass(slots=True)
class KnownField:
    """A field and its values; `names` runs ahead of `ids` while values are being committed."""

    fieldid: int
    type: str
    names: dict[str, int] = field(default_factory=dict)
    ids: set[int] = field(default_factory=set)


@dataclass(slots=True)
class KnownProject:
    """A project as a body is checked against it.

    `dispositions` says for each dispositionid whether it is a call-back. `users` are the active
    ones; None means that any user will do.
    """

    projectid: int
    fields: dict[str, KnownField] = field(default_factory=dict)
    dispositions: dict[str, bool] = field(default_factory=dict)
    users: set[str] | None = None


@dataclass(frozen=True, slots=True)
class Addition:
    """A record that may be stored as it is.

    `form` holds text, or integers that are valueids of their field; `contacts` is keyed
    "phone1" to "phone9".
    """

    projectid: int
    form: Mapping[str, str | int]
    contacts: Mapping[str, Mapping[str, str]]
    phone_field: str | None
    premium: Mapping[str, str]
    disposition: Mapping[str, str] | None


def error(message: str, where: str | None = None, index: int | None = None) -> Error:
    """One entry of `errors`; `index` is the number of the contact that it is about."""
    entry: Error = {"errorcode": ERRORCODE, "errormessage": f"error.{message}"}
    if where is not None:
        entry["property"] = where
    if index is not None:
        entry["index"] = index
    return entry


def check(body: Mapping[str, Any], project: KnownProject) -> Addition | list[Error]:
    """The record that the body asks for, or everything that is wrong with it."""
    errors = [error("unknown_key", key) for key in body if key not in _KEYS]
    errors += _form(body.get("form"), project)
    contacts = body.get("contacts", {})
    errors += _contacts(contacts)
    phone_field = body.get("phone_field")
    if "phone_field" in body and not _dialable(phone_field, contacts):
        errors.append(error("invalid_phone_field", "phone_field"))
    premium = body.get("premium", {})
    errors += _premium(premium)
    disposition = body.get("disposition")
    if "disposition" in body:
        errors += _disposition(disposition, project)
    if errors:
        return errors
    return Addition(
        projectid=project.projectid,
        form=body["form"],
        contacts={f"phone{number}": contacts[number] for number in sorted(contacts)},
        phone_field=phone_field,
        premium=premium,
        # Ids may come as integers, and are kept as the strings they otherwise come as.
        disposition=disposition and {key: str(value) for key, value in disposition.items()},
    )


def _form(form: Any, project: KnownProject) -> Iterator[Error]:
    if not isinstance(form, dict):
        yield error("form_required", "form")
        return
    for name, value in form.items():
        field = project.fields.get(name)
        if field is None:
            yield error("unknown_field", name)
        elif isinstance(value, str):
            pass
        elif isinstance(value, bool) or not isinstance(value, int):
            yield error("invalid_value", name)
        elif value not in field.ids:  # so in a text field, which has no values, any integer
            yield error("unknown_value", name)


def _contacts(contacts: Any) -> Iterator[Error]:
    if not isinstance(contacts, dict):
        yield error("invalid_contact", "contacts")
        return
    for number, contact in contacts.items():
        where = f"contacts.{number}"
        if number not in _CONTACT_NUMBERS:
            yield error("invalid_contact", where)
            continue
        index = int(number)
        if not isinstance(contact, dict):
            yield error("invalid_contact", where, index)
            continue
        if not _has_phone(contact):
            yield error("invalid_contact", f"{where}.phone", index)
        for key, value in contact.items():
            if key not in _CONTACT_KEYS or (key != "phone" and not isinstance(value, str)):
                yield error("invalid_contact", f"{where}.{key}", index)


def _has_phone(contact: Any) -> bool:
    phone = contact.get("phone") if isinstance(contact, dict) else None
    return isinstance(phone, str) and bool(phone.strip())


def _dialable(phone_field: Any, contacts: Any) -> bool:
    if not isinstance(phone_field, str) or not isinstance(contacts, dict):
        return False
    number = phone_field.removeprefix("phone")
    return (
        phone_field == f"phone{number}"
        and number in _CONTACT_NUMBERS
        and _has_phone(contacts.get(number))
    )


def _premium(premium: Any) -> Iterator[Error]:
    if not isinstance(premium, dict):
        yield error("invalid_premium", "premium")
        return
    for key, value in premium.items():
        if key not in _PREMIUM_KEYS or not isinstance(value, str):
            yield error("invalid_premium", f"premium.{key}")


def _disposition(disposition: Any, project: KnownProject) -> Iterator[Error]:
    if not isinstance(disposition, dict):
        yield error("invalid_disposition", "disposition")
        return
    for key in disposition:
        if key not in _DISPOSITION_KEYS:
            yield error("invalid_disposition", f"disposition.{key}")
    callback = project.dispositions.get(_id(disposition.get("dispositionid")))
    if callback is None:
        yield error("invalid_disposition", "disposition.dispositionid")
    userid = _id(disposition.get("userid"))
    if not userid.strip() or (project.users is not None and userid not in project.users):
        yield error("invalid_disposition", "disposition.userid")
    calldate = disposition.get("next_calldate", "")
    if not isinstance(calldate, str) or (callback and not _is_calldate(calldate)):
        yield error("invalid_disposition", "disposition.next_calldate")


def _id(value: Any) -> str:
    """An id as text: the contract calls it an integer and sends a string, so both will do."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _is_calldate(text: str) -> bool:
    if not _CALLDATE.fullmatch(text):
        return False
    try:
        datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 (the service's local time)
    except ValueError:
        return False
    return True
