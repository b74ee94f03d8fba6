"""A record in words: what its parts are called, and what stands in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_PARTS = {
    "phone_field": "called first",
    "contacts": "contacts",
    "contacts.spread": "the free contacts",
    "premium.price": "price",
    "premium.commission": "the agent's commission",
    "disposition": "disposition",
    "disposition.dispositionid": "disposition",
    "disposition.userid": "whose record it is",
    "disposition.next_calldate": "when to call back",
}
_PATH = re.compile(
    r"""(?<![\w./\\-])(?:contacts\.(?:[1-9]\.(?:phone|name|title|email)|spread)"""
    r"""|premium\.(?:price|commission)|disposition\.(?:dispositionid|userid|next_calldate)"""
    r"""|phone_field)\b|(?<![\w./\\-])form\.(?=\w)"""
)


def part_name(path: str) -> str:
    """A part of a record as people call it: the name of a field, or which contact's what."""
    if (known := _PARTS.get(path)) is not None:
        return known
    match path.split(".", 2):
        case ["form", *name]:
            return ".".join(name)
        case ["contacts", number, what]:
            return f"contact {number}: {what}"
        case _:
            return path.replace("_", " ")


def with_part_names(text: str) -> str:
    """A message of the library with parts of a record as people call them.

    What stands in quotes is of a list, or of a header, and stays as it is.
    """
    pieces = text.split('"')
    pieces[::2] = [_PATH.sub(lambda path: part_name(path[0]), piece) for piece in pieces[::2]]
    return '"'.join(pieces)


def parts_of(body: bytes | str) -> list[tuple[str, str]]:
    """The parts of a body of Add record, in its order: what each is called, and its text."""
    return [(part_name(path), text) for path, text in _texts("", json.loads(body))]


def _texts(path: str, part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in part.items():
        here = f"{path}{name}"
        if isinstance(value, Mapping):
            yield from _texts(f"{here}.", value)
        else:
            yield here, str(value)


_MOMENT = datetime(1999, 12, 31, 14, 30, tzinfo=UTC)
"""No part of it can be taken for another one."""


def dated(format_: str) -> str:
    """A way to write dates, by an example; raises ValueError where the system does not know it."""
    return _MOMENT.strftime(format_)
