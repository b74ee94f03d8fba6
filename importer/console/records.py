"""A record in words: what its parts are called, and what stands in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def part_name(path: str) -> str:
    """A part of a record as people call it: the name of a field, or which contact's what."""
    match path.split(".", 2):
        case ["form", *name]:
            return ".".join(name)
        case ["contacts", number, what]:
            return f"contact {number}: {what}"
        case _:
            return path.replace("_", " ")


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
