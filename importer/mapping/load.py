"""Read a mapping from YAML and report every mistake in it at once, with line and column."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from importer.errors import MappingError
from importer.files import read_bounded, similar_file
from importer.mapping.complaints import Places, in_order, mistake_line, shape_mistakes
from importer.mapping.reader import KeyPath, Reader
from importer.mapping.rule import Mistake
from importer.mapping.semantics import find_mistakes
from importer.mapping.spec import CONTACT_NUMBERS, Disposition, MappingSpec

MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LoadedMapping:
    """A valid mapping, with the text it came from and the places of its parts."""

    spec: MappingSpec
    path: Path
    text: str
    sha256: str
    places: Places = field(repr=False)

    def mistake(self, path: KeyPath, message: str) -> str:
        """One line of complaint about the part at `path`: file, line, column, path, message."""
        return mistake_line(self.path, self.places, path, message)


def load_mapping(path: Path) -> LoadedMapping:
    """Load a mapping file; raise MappingError with all mistakes where it is unusable."""
    try:
        raw = read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        raise MappingError(f"{path}: no such mapping file", hint=_similar_file(path)) from None
    except OSError as error:
        raise MappingError(
            f"{path}: the mapping cannot be read: {error.strerror}",
            hint="Check the path and its permissions.",
        ) from None
    if len(raw) > MAX_BYTES:
        raise MappingError(
            f"{path}: more than 1 MiB is too much for a mapping", hint="Check the path after -m."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if raw.startswith((b"PK", b"\xd0\xcf")):
            what, hint = "a spreadsheet, not a mapping", "After -m comes the YAML file."
        else:
            line = raw.count(b"\n", 0, error.start) + 1
            what, hint = f"not UTF-8 text (line {line})", "Save it as UTF-8 in your editor."
        raise MappingError(f"{path}: this is {what}", hint=hint) from None
    reader = Reader(path)
    data = reader.read(text)
    places, mistakes = reader.places, reader.mistakes
    if not isinstance(data, dict):
        what = "a mapping file is a set of keys: version, form, contacts …"
        raise _unusable(path, mistakes or [f"{path}:1:1: {what}"])
    spec, found = _validate(data)
    mistakes += [mistake_line(path, places, where, what) for where, what in found]
    if mistakes or spec is None:
        raise _unusable(path, in_order(mistakes))
    return LoadedMapping(spec, path, text, hashlib.sha256(raw).hexdigest(), places)


def _unusable(path: Path, mistakes: Iterable[str]) -> MappingError:
    lines = tuple(mistakes)
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return MappingError(
        f"{path}: the mapping has {count}",
        lines,
        hint="Mend the lines named; docs/mapping.md lists every key.",
    )


def _similar_file(path: Path) -> str:
    close = similar_file(path, {".yaml", ".yml"})
    return f"Did you mean {close}?" if close else "Check the path after -m."


def _validate(data: dict[str, Any]) -> tuple[MappingSpec | None, list[Mistake]]:
    """Validate the shape of a mapping, then its sense; give all mistakes of both kinds."""
    try:
        spec = MappingSpec.model_validate(data)
    except ValidationError as error:
        shape = shape_mistakes(error, data, MappingSpec)
        return None, [*shape, *_sense_of_the_rest(data, [path for path, _ in shape])]
    return spec, list(find_mistakes(spec))


_PARTS = ("phone", "name", "title", "email")
_STAND_IN = {"column": "any"}
_CONTACT = {part: {"column": "any {n}"} for part in _PARTS}
_CONSTANTS = {"value", "default", "min", "max"}


def _sense_of_the_rest(data: dict[str, Any], broken: list[KeyPath]) -> list[Mistake]:
    """Find the mistakes of sense in a mapping of which some parts are broken.

    So that an author hears of them now, not when the shape is mended. A broken rule is replaced by
    one that has no mistake, so that what refers to its field or contact (``rows``, ``phone_field``)
    can be judged; other broken parts are left out. What would only follow from that is not told.
    """
    rest = copy.deepcopy({**data, "version": 1})
    rest.setdefault("form", {"any": _STAND_IN})
    for path in sorted(broken, key=len):
        if path not in {(), ("version",)}:
            _replace(rest, path)
    try:
        found = find_mistakes(MappingSpec.model_validate(rest))
    except ValidationError:
        return []
    region_unknown = any(len(path) == 1 and path != ("version",) for path in broken)
    follows: list[KeyPath] = []
    if ("form",) in broken or "form" not in data:
        follows += [("form",), ("rows", "unique"), ("new_values",)]
    if any(path[:1] == ("rows",) for path in broken):
        follows.append(("rows", "within"))  # which needs `unique`, perhaps misspelt
    if ("contacts",) in broken:
        follows.append(("contacts",))
    return [
        (where, what)
        for where, what in found
        if not any(where[: len(path)] == path for path in follows)
        and not (region_unknown and where[-1] in _CONSTANTS)
    ]


def _replace(rest: dict[str, Any], path: KeyPath) -> None:
    """Put what is well formed in the place of a broken part, or leave the part out."""
    top = rest.get(path[0])
    match path:
        case ("form",):
            rest["form"] = {"any": _STAND_IN}
        case ("contacts",):
            rest["contacts"] = {"each": _CONTACT}
        case ("form" | "disposition", name, *_) if isinstance(top, dict):
            if path[0] == "form" or name in Disposition.model_fields:
                top[name] = _STAND_IN
            else:
                top.pop(name, None)
        case ("contacts", "spread", *_) if isinstance(top, dict):
            top["spread"] = {**_STAND_IN, "multiple": True}
        case ("contacts", name, *below) if isinstance(top, dict):
            contact = top.get(name)
            if name != "each" and name not in map(str, CONTACT_NUMBERS):
                top.pop(name, None)
            elif not isinstance(contact, dict):
                top[name] = _CONTACT
            elif below and below[0] not in _PARTS:
                contact.pop(below[0], None)
            else:
                contact[below[0] if below else "phone"] = _CONTACT["phone"]
        case (_, name, *_) if isinstance(top, dict) and path[0] != "phone_field":
            top.pop(name, None)
        case _:
            rest.pop(path[0], None)
