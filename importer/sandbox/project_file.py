"""Project files: YAML (or JSON) that says which projects a sandbox has.

A file is one project, a list of projects, or ``projects:`` with such a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from importer.errors import MappingError
from importer.sandbox import document, strict_json
from importer.sandbox.document import Location, unknown_key
from importer.sandbox.project import Disposition, Field, Project, Value

_DISTINCT: Mapping[str, tuple[str, ...]] = {
    "projects": ("projectid",),
    "fields": ("name",),
    "values": ("name", "valueid"),
    "dispositions": ("dispositionid",),
    "users": ("userid",),
}
"""Keys that may not repeat within one list; a bare string stands for the first of them."""


def load_projects(path: Path) -> tuple[Project, ...]:
    """The projects of the file.

    Raises SourceError when it cannot be read, MappingError with every mistake found, each with
    its line and column, when it can be read but not used.
    """
    raw = document.read(path, "project file")
    try:
        data = marked = strict_json.loads(raw)
    except ValueError:
        data = marked = document.parse(raw, path)
    else:
        marked = None  # lines are only needed for mistakes, and YAML is slow at large JSON files
    entries, prefix = _entries(data)
    outer = 0 if data is entries or prefix else 1  # a single project has no list around it
    mistakes: list[tuple[Location, str]] = []
    projects: list[Project] = []
    if prefix:
        mistakes += [((key,), unknown_key(key, ["projects"])) for key in data if key != "projects"]
    if not entries:
        mistakes.append((prefix, "there is no project in it"))
    try:
        projects = TypeAdapter(list[Project]).validate_python(entries)
    except ValidationError as error:
        mistakes += [((*prefix, *e["loc"])[outer:], _explain(e)) for e in error.errors()]
    mistakes += [(where[outer:], what) for where, what in _repeats(entries, prefix, "projects")]
    if mistakes:
        if marked is None:
            marked = _marked_json(raw)
        raise document.unusable(
            path,
            marked,
            mistakes,
            kind="project file",
            hint="samples/project.yaml shows every key that a project file may have",
        )
    return tuple(projects)


def _marked_json(raw: bytes) -> Any:
    """A JSON file read once more as YAML, for its lines; None where YAML does not take it."""
    try:
        return document.parse(raw, Path())
    except MappingError:
        return None


def _entries(data: Any) -> tuple[list[Any], Location]:
    """The projects, not yet checked, and where in the file their list stands."""
    if isinstance(data, dict) and "projects" in data:
        listed = data["projects"]
        return (listed if isinstance(listed, list) else [listed]), ("projects",)
    if isinstance(data, list):
        return data, ()
    return ([] if data is None else [data]), ()


def _explain(error: Any) -> str:
    """Pydantic's complaint in the words of someone who writes the file."""
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return unknown_key(error["loc"][-1], _model(error["loc"]).model_fields)
        case "model_type" | "dict_type":
            return "expected keys and values here"
        case "tuple_type" | "list_type":
            return "expected a list here"
        case "value_error":
            return str(error["ctx"]["error"])
        case "literal_error":
            return f"expected {error['ctx']['expected']}"
        case _:
            return str(error["msg"])


def _model(where: Sequence[str | int]) -> type[BaseModel]:
    for key, model in (("values", Value), ("fields", Field), ("dispositions", Disposition)):
        if key in where:
            return model
    return Project


def _repeats(items: Any, where: Location, kind: str) -> Iterator[tuple[Location, str]]:
    """Every entry that repeats another's name or id, however deep; entries may be malformed."""
    if not isinstance(items, list):
        return
    keys = _DISTINCT[kind]
    seen: dict[tuple[str, str], int] = {}
    for index, item in enumerate(items):
        entry = item if isinstance(item, dict) else {keys[0]: item}
        for key in keys:
            value = entry.get(key)
            if isinstance(value, str | int):
                first = seen.setdefault((key, str(value)), index)
                if first != index:
                    yield (*where, index, key), f'"{value}" stands twice in this list'
        for inner in _DISTINCT:
            if inner in entry:
                yield from _repeats(entry[inner], (*where, index, inner), inner)
