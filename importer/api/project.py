"""A project and the users as the service describes them, read from its replies. Pure.

API.md says what a description holds; where a reply is odd, as much is taken from it as can be
understood: ids as numbers or text, lists as objects keyed by id, a bare string for a thing that
has only a name. What is not understood is left out, and what is needed and cannot be understood
raises ServiceError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from importer.errors import ServiceError
from importer.model import Disposition, Field, FieldType, FieldValue, Project, User

_MOST_DIGITS = 18
"""Longer ids are none of the service's, and costly to read."""
_ODD = "the service's description of the project is not understood"
_REMEDY = (
    "Check that the base URL is that of the API and ends in /v2. To send without comparing, add "
    "--no-preflight: the service then refuses what it does not know, row by row."
)


def read_project(described: Mapping[str, Any], projectid: int) -> Project:
    """Read the `response` to GET project; raises ServiceError where it has no usable fields."""
    entries = list(_entries(described.get("fields"), "name"))
    if described.get("fields") is None or not isinstance(described["fields"], list | dict):
        raise ServiceError(f"{_ODD}: it lists no fields", _REMEDY)
    fields: dict[str, Field] = {}
    for entry in entries:
        if name := _text(entry.get("name")):
            fields.setdefault(name, _field(name, entry))
    if described["fields"] and not fields:
        raise ServiceError(f"{_ODD}: none of its fields has a name", _REMEDY)
    return Project(
        projectid,
        tuple(fields.values()),
        _dispositions(described.get("dispositions")),
    )


def _field(name: str, entry: Mapping[str, Any]) -> Field:
    kind = str(entry.get("type")).strip().lower()
    type_ = FieldType(kind) if kind in {*FieldType} else FieldType.OTHER
    values: dict[str, FieldValue] = {}
    for value in _entries(entry.get("values"), "valueid"):
        # Not every program gives a value both: it can be sent by either.
        valueid = _number(value.get("valueid"))
        text = _text(value.get("name"))
        if text or valueid is not None:
            values.setdefault(text or f"\0{valueid}", FieldValue(text, valueid))
    return Field(name, _text(entry.get("label")) or name, type_, tuple(values.values()))


def _dispositions(described: Any) -> tuple[Disposition, ...] | None:
    if not isinstance(described, list | dict):
        return None
    return tuple(
        Disposition(
            dispositionid,
            name := _text(entry.get("name")) or _text(entry.get("label")),
            _text(entry.get("label")) or name,
            _is_callback(entry.get("type")),
        )
        for entry in _entries(described, "dispositionid")
        if (dispositionid := _text(entry.get("dispositionid")))
    )


def _is_callback(type_: Any) -> bool:
    """Whether a disposition's type says call-back, however it is spelt: Callback, CALL_BACK."""
    return "callback" in re.sub("[^a-z]", "", str(type_).lower())


def read_users(described: Any) -> tuple[User, ...]:
    """Read the `response` to GET users; none where it has nobody who can be understood.

    Whoever is not said to be inactive is active. Of one who stands twice the first counts.
    """
    users: dict[str, User] = {}
    for entry in _entries(described, "userid"):
        if userid := _text(entry.get("userid")):
            active = str(entry.get("status")).strip().lower() != "inactive"
            username, name = _text(entry.get("username")), _text(entry.get("name"))
            users.setdefault(userid, User(userid, username, name, active))
    return tuple(users.values())


def _entries(described: Any, key: str) -> Iterator[Mapping[str, Any]]:
    """The entries of a list, or of an object that has them by `key`, as objects."""
    match described:
        case list():
            bare = "name" if key == "valueid" else key
            for entry in described:
                if isinstance(entry, dict):
                    yield entry
                elif text := _text(entry):
                    yield {bare: text}
        case dict():
            for name, entry in described.items():
                if isinstance(entry, dict):
                    yield {key: name, **entry}
                elif text := _text(entry):
                    yield {key: name, "name": text}


def _text(value: Any) -> str:
    """A name or an id as text; blank where it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    text = _text(value).strip()
    good = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if good else None
