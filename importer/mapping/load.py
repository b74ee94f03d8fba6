"""Read a mapping from YAML and report every mistake in it at once, with line and column."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from importer.errors import MappingError
from importer.mapping.complaints import Places, in_order, mistake_line, shape_mistakes
from importer.mapping.reader import KeyPath, Reader
from importer.mapping.rule import Mistake
from importer.mapping.semantics import find_mistakes
from importer.mapping.spec import MappingSpec

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
        raw = path.read_bytes()
    except FileNotFoundError:
        raise MappingError(f"{path}: no such mapping file", hint=_similar_file(path)) from None
    except OSError as error:
        raise MappingError(
            f"{path}: the mapping cannot be read: {error.strerror}",
            hint="Check the path and its permissions.",
        ) from None
    if len(raw) > MAX_BYTES:
        raise MappingError(f"{path}: {len(raw):,} bytes is too much for a mapping (limit 1 MiB)")
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
    try:
        names = [p.name for p in path.parent.iterdir() if p.suffix in {".yaml", ".yml"}]
    except OSError:
        names = []
    close = difflib.get_close_matches(path.name, names, 1)
    return f"Did you mean {path.with_name(close[0])}?" if close else "Check the path after -m."


def _validate(data: dict[str, Any]) -> tuple[MappingSpec | None, list[Mistake]]:
    """Validate the shape of a mapping, then its sense; give all mistakes of both kinds."""
    try:
        spec = MappingSpec.model_validate(data)
    except ValidationError as error:
        shape = shape_mistakes(error, data, MappingSpec)
        return None, [*shape, *_sense_of_the_rest(data, [path for path, _ in shape])]
    return spec, list(find_mistakes(spec))


def _sense_of_the_rest(data: dict[str, Any], broken: list[KeyPath]) -> list[Mistake]:
    """Find the mistakes of sense in a mapping whose broken parts are cut out first.

    So that an author hears of them now, not when the shape is mended. What refers to fields and
    contacts (``rows``, ``phone_field``) is left for later where one of these was cut out.
    """
    rest = {**data, "version": 1}
    cut = {path[: 2 if path[0] in {"form", "contacts"} else 1] for path in broken if path}
    referring = (
        {("rows",), ("phone_field",), ("new_values",)}
        if any(len(path) > 1 for path in cut)
        else set()
    )
    for path in cut | referring:
        if len(path) == 1:
            if path[0] not in {"version", "form"}:
                rest.pop(path[0], None)
        elif isinstance(rest.get(path[0]), dict):
            rest[path[0]] = {k: v for k, v in rest[path[0]].items() if k != path[1]}
    try:
        return [m for m in find_mistakes(MappingSpec.model_validate(rest)) if m[0] != ("form",)]
    except ValidationError:
        return []
