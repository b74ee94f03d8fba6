"""Read a mapping from YAML and report every mistake in it at once, with line and column.

There are three steps, of which other YAML files of the project use the first two as well:
:class:`YamlReader` turns YAML into plain data and the positions of its parts,
:func:`shape_mistakes` puts pydantic's errors into words, and :func:`load_mapping` does all that for
a mapping and searches it for contradictions.

Text is composed into nodes, not objects, for two reasons: each node has its position, and a plain
scalar keeps the digits it was written with (``007``).
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from importer.errors import MappingError
from importer.files import read_bounded, similar_file
from importer.mapping.semantics import find_mistakes
from importer.mapping.spec import CONTACT_NUMBERS, CONTACT_PARTS, Disposition, MappingSpec, Mistake

KeyPath = tuple[str, ...]
"""The keys that lead to a part of the mapping; places in lists as their numbers."""
Positions = Mapping[KeyPath, tuple[int, int]]
"""Line and column of each part, 1-based."""
MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LoadedMapping:
    """A valid mapping, with the text it came from and the places of its parts."""

    spec: MappingSpec
    path: Path
    text: str
    sha256: str
    places: Positions = field(repr=False)

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
    return _loaded(path, raw, text)


def mapping_in(text: str, path: Path) -> LoadedMapping:
    """The mapping in a text that would stand at `path`; raise MappingError as for a file."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BYTES:
        raise MappingError(f"{path}: more than 1 MiB is too much for a mapping")
    return _loaded(path, raw, text)


def mapping_of(keys: Mapping[str, Any], path: Path) -> LoadedMapping:
    """The mapping that has these keys, as a mapping file has them.

    Its text is JSON, which is YAML. `path` is where its file would be: mistakes name it, and paths
    in the mapping are relative to its folder. Raises MappingError with all mistakes.
    """
    try:
        text = json.dumps(keys, ensure_ascii=False, indent=2) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise MappingError(
            f"{path}: a key or value is of a type that no mapping file has: {error}",
            hint="Write it as text, a number, a truth value, a list or a dict.",
        ) from None
    return _loaded(path, text.encode(), text)


def _loaded(path: Path, raw: bytes, text: str) -> LoadedMapping:
    reader = YamlReader(path)
    data = reader.read(text)
    places, mistakes = reader.places, reader.mistakes
    if not isinstance(data, dict):
        what = "a mapping file is a set of keys: version, form, contacts …"
        raise _unusable(path, mistakes or [f"{path}:1:1: {what}"])
    spec, found = _validate(data)
    mistakes += [mistake_line(path, places, where, what) for where, what in found]
    if mistakes or spec is None:
        raise _unusable(path, sorted_mistakes(mistakes))
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
    """Validate the shape of a mapping, then search it for contradictions; all mistakes of both."""
    try:
        spec = MappingSpec.model_validate(data)
    except ValidationError as error:
        shape = shape_mistakes(error, data, MappingSpec)
        return None, [*shape, *_contradictions_despite(data, [path for path, _ in shape])]
    return spec, list(find_mistakes(spec))


_STAND_IN = {"column": "any"}
_CONTACT = {part: {"column": "any {n}"} for part in CONTACT_PARTS}
_CONSTANTS = {"value", "default", "min", "max"}


def _contradictions_despite(data: dict[str, Any], broken: list[KeyPath]) -> list[Mistake]:
    """Find the contradictions in a mapping of which some parts are malformed.

    So an author sees all mistakes at once. A malformed rule is replaced by a valid one, so that the
    parts that refer to its field or contact (``rows``, ``phone_field``) can be checked; other
    malformed parts are left out. Mistakes that would only follow from that are not reported.
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
    """Replace a malformed part by a valid one, or remove it."""
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
            elif below and below[0] not in CONTACT_PARTS:
                contact.pop(below[0], None)
            else:
                contact[below[0] if below else "phone"] = _CONTACT["phone"]
        case (_, name, *_) if isinstance(top, dict) and path[0] != "phone_field":
            top.pop(name, None)
        case _:
            rest.pop(path[0], None)


_YAML_HINTS = {
    "'\\t'": ": indent with spaces, not tabs",
    "values are not allowed here": ": put text that has a colon in it in quotes",
    "flow sequence": ": close the [ that was opened before",
    "flow mapping": ": close the { that was opened before",
}
"""Hints for an author, by words in the message of the YAML library."""
MAX_NODES = 100_000
"""Aliases multiply nodes; a mapping that grows past this is not one a person wrote."""
MAX_DEPTH = 20
_STANDARD = "tag:yaml.org,2002:"
_TAGS = {"str", "int", "float", "bool", "null", "timestamp", "value", "merge", "seq", "map"}
"""Tags of plain data; the library gives them to nodes that have none of their own."""
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class YamlReader:
    """Turns YAML nodes into plain data; `places` and `mistakes` fill as it reads.

    Places are line and column, 1-based, of an object's key or of a list's item.
    """

    path: Path
    places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    nodes: int = 0
    merges: int = 0

    def read(self, text: str) -> Any:
        """Give the data; None, and a mistake, where the text is not YAML at all."""
        try:
            node = YAML(typ="safe", pure=True).compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            what = " ".join(filter(None, (error.context, error.problem)))
            hint = next((h for sign, h in _YAML_HINTS.items() if sign in what), "")
            self.mistakes.append(f"{self.path}:{line}:{column}: not YAML: {what}{hint}")
            return None
        except (YAMLError, ValueError, RecursionError) as error:
            self.mistakes.append(f"{self.path}:1:1: not YAML: {str(error).splitlines()[0]}")
            return None
        return self._data(node, ()) if node is not None else None

    def _data(self, node: Node, path: KeyPath) -> Any:
        self._count(len(path))
        mark = node.start_mark
        self.places.setdefault(path, (mark.line + 1, mark.column + 1))
        self._check_tag(node, path)
        if isinstance(node, MappingNode):
            return dict(self._items(node, path))
        if isinstance(node, SequenceNode):
            return [self._data(item, (*path, str(i))) for i, item in enumerate(node.value)]
        if not isinstance(node, ScalarNode):
            return None
        if not str(node.value).isprintable() and _HALF_A_PAIR.search(str(node.value)):
            self._complain(node, path, "half a surrogate pair is no text")
        return _scalar(node)

    def _items(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._complain(key_node, path, "a key must be plain text")
                continue
            self._check_tag(key_node, path)
            key = unicodedata.normalize("NFC", str(key_node.value))
            if key_node.tag is not None and str(key_node.tag).endswith(":merge"):
                yield from self._merged(value_node, path, node)
                continue
            if key in seen:
                self._complain(key_node, (*path, key), f'key "{key}" stands twice')
                continue
            seen.add(key)
            mark = key_node.start_mark
            self.places[*path, key] = (mark.line + 1, mark.column + 1)
            yield key, self._data(value_node, (*path, key))

    def _merged(self, node: Node, path: KeyPath, into: MappingNode) -> Iterator[tuple[str, Any]]:
        """Give what ``<<: *anchor`` brings in; the object's own keys win, then earlier anchors'."""
        taken = {str(k.value) for k, _ in into.value if isinstance(k, ScalarNode)}
        for part in node.value if isinstance(node, SequenceNode) else [node]:
            if isinstance(part, MappingNode):
                self._count(self.merges)
                self.merges += 1
                brought = [item for item in self._items(part, path) if item[0] not in taken]
                self.merges -= 1
                taken |= {key for key, _ in brought}
                yield from brought

    def _count(self, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise MappingError(f"{self.path}: too large or too deep for a mapping")

    def _check_tag(self, node: Node, path: KeyPath) -> None:
        """Complain of a tag that asks for more than plain data: ``!include``, ``!!python/…``."""
        tag = str(node.tag)
        if tag.removeprefix(_STANDARD) not in _TAGS:
            name = f"!!{tag.removeprefix(_STANDARD)}" if tag.startswith(_STANDARD) else tag
            self._complain(
                node, path, f"the tag {name:.60} is not known here: write the value itself"
            )

    def _complain(self, node: Node, path: KeyPath, what: str) -> None:
        mark = node.start_mark
        where = f"{self.path}:{mark.line + 1}:{mark.column + 1}: "
        self.mistakes.append(f"{where}{'.'.join(path) + ': ' if path else ''}{what}")


def _scalar(node: ScalarNode) -> Any:
    """Read a scalar; a plain one is a number only if the number is written back the same.

    So ``007``, ``+36``, ``1.50`` and ``1e5`` stay text, and ``yes`` is text as in YAML 1.2. So is
    ``nan``, which as a number would be equal to nothing, not to itself.
    """
    text = unicodedata.normalize("NFC", str(node.value))
    if node.style is not None:
        return text
    if text in {"", "~", "null"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    for number in (int, float):
        try:
            if str(value := number(text)) == text and math.isfinite(value):
                return value
        except ValueError:
            continue
    return text


_FREE_KEYS = {"form"}
"""Objects whose keys are the author's own."""


def mistake_line(path: Path, places: Positions, where: KeyPath, what: str) -> str:
    """One line of complaint about the part at `where`: file, line, column, keys, message."""
    known = where
    while known and known not in places:
        known = known[:-1]
    line, column = places.get(known, (1, 1))
    return f"{path}:{line}:{column}: {'.'.join(where) + ': ' if where else ''}{what}"


def sorted_mistakes(mistakes: Iterable[str]) -> list[str]:
    """Lines of complaint without repeats, as they stand in the file."""
    return sorted(dict.fromkeys(mistakes), key=_place)


def _place(mistake: str) -> tuple[int, int]:
    match = re.search(r":(\d+):(\d+): ", mistake)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def shape_mistakes(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Mistake]:
    """All mistakes of shape that were found in `data`, which is no `model`."""
    details = error.errors(include_url=False)
    return [mistake for detail in details for mistake in _explain(detail, data, model)]


def _explain(detail: Any, data: Any, top: type[BaseModel]) -> Iterator[Mistake]:
    """One of pydantic's errors in words."""
    where = tuple(str(part) for part in _real_path(detail["loc"], data))
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            key = where[-1]
            if where[:-1] == ("contacts",) and key.isdigit():
                yield where, f"no contact {key}: contacts are numbered 1 to 9"
                return
            keys = _keys_at(where[:-1], top)
            close = difflib.get_close_matches(key, keys, 1, 0.6)
            hint = f': did you mean "{close[0]}"?' if close else ""
            if not close and keys:
                hint = f": the keys here are {', '.join(keys)}"
            yield where, f'unknown key "{key}"{hint}'
        case "missing":
            yield where[:-1], f'"{where[-1]}" is missing'
        case "literal_error":
            close = difflib.get_close_matches(str(detail["input"]), context["expected"].split("'"))
            hint = f': did you mean "{close[0]}"?' if close else ""
            yield where, f"{detail['input']!r} is not one of {context['expected']}{hint}"
        case "string_pattern_mismatch" if "A-Z" in context["pattern"]:
            yield where, f"{detail['input']!r} is not a region such as HU or DE"
        case "int_parsing" | "int_type":
            yield where, f"{detail['input']!r:.60} is not a whole number"
        case "bool_parsing" | "bool_type":
            yield where, f"{detail['input']!r:.60} is neither true nor false"
        case "too_short":
            yield where, f"is empty: at least {context['min_length']} must stand here"
        case "model_type" | "model_attributes_type" | "dict_type":
            yield where, "must be a set of keys"
        case _:
            message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
            yield where, f"{message[0].lower()}{message[1:]} (found {detail['input']!r:.60})"


def _real_path(loc: tuple[int | str, ...], data: Any) -> Iterator[str]:
    """Drop from pydantic's location what is not a key in the file, as the tags of a union."""
    for i, part in enumerate(loc):
        inside = (isinstance(data, dict) and str(part) in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if inside:
            data = data[int(part)] if isinstance(data, list) else data[str(part)]
            yield str(part)
        elif i == len(loc) - 1 and isinstance(data, dict) and isinstance(part, str):
            yield part


def _keys_at(path: KeyPath, top: type[BaseModel]) -> list[str]:
    """Give the keys that the format allows in the object at `path`."""
    model: type[BaseModel] | None = top
    parts = list(path)
    while parts and model is not None:
        part = parts.pop(0)
        info = next(
            (f for name, f in model.model_fields.items() if (f.alias or name) == part), None
        )
        if info is None:
            return []
        if parts and (part in _FREE_KEYS or parts[0].isdigit()) and part != "contacts":
            parts.pop(0)
        model = _model_in(info.annotation)
    return [f.alias or name for name, f in model.model_fields.items()] if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (model := _model_in(part)) is not None:
            return model
    return None
