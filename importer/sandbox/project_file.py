"""Project files: YAML (or JSON) that says which projects a sandbox has.

A file is one project, a list of projects, or ``projects:`` with such a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from importer.errors import MappingError, SourceError
from importer.sandbox import strict_json
from importer.sandbox.project import Disposition, Field, Project, Value

SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes; ten thousands of values fit, and a mistaken path to a data dump is not read for hours."""

Location = tuple[str | int, ...]

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
    raw = _read(path)
    try:
        data = marked = strict_json.loads(raw)
    except ValueError:
        data = marked = _yaml(raw, path)
    else:
        marked = None  # lines are only needed for mistakes, and YAML is slow at large JSON files
    entries, prefix = _entries(data)
    outer = 0 if data is entries or prefix else 1  # a single project has no list around it
    mistakes: list[tuple[Location, str]] = []
    projects: list[Project] = []
    if prefix:
        mistakes += [((key,), _unknown(key, ["projects"])) for key in data if key != "projects"]
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
        lines = sorted(
            (_place(marked, where), _path(where), what) for where, what in dict.fromkeys(mistakes)
        )
        raise MappingError(
            f"{path} is not a usable project file",
            [
                f"{path}:{line}:{column}: {f'{where}: ' if where else ''}{what}"
                for (line, column), where, what in lines
            ],
            hint="samples/project.yaml shows every key that a project file may have",
        )
    return tuple(projects)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise SourceError(
            f"the project file {path} cannot be read: {error.strerror}",
            hint="check the path and that you may read it",
        ) from error
    if len(raw) > SIZE_LIMIT:
        raise SourceError(
            f"the project file {path} is larger than {SIZE_LIMIT // 1024 // 1024} MB",
            hint="is it a project file? samples/project.yaml is one",
        )
    return raw.removeprefix(b"\xef\xbb\xbf")


def _yaml(raw: bytes, path: Path) -> Any:
    """The document with a place for every node, as ruamel's round-trip loader gives it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="rt").load(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = f"{path}:{line}:1: not UTF-8 text: save the file as UTF-8"
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        what = f"{place}: {(error.problem or error.context or 'not YAML').splitlines()[0]}"
    except YAMLError as error:
        what = f"{path}: {str(error).splitlines()[0]}"
    except RecursionError:
        what = f"{path}: nested too deeply"
    except ValueError as error:  # a date such as 2024-02-31, an impossible number
        what = f"{path}: {error}: put it in quotes if it is text"
    raise MappingError(f"{path} is not YAML", [what])


def _marked_json(raw: bytes) -> Any:
    """A JSON file read once more as YAML, for its lines; None where YAML does not take it."""
    try:
        return _yaml(raw, Path())
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
            return _unknown(error["loc"][-1], _model(error["loc"]).model_fields)
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


def _unknown(key: object, known: Iterable[str]) -> str:
    near = get_close_matches(str(key), known, 1)
    return f'unknown key "{key}"' + (f': did you mean "{near[0]}"?' if near else "")


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


def _place(marked: Any, where: Location) -> tuple[int, int]:
    """Line and column, from 1, of the deepest part of `where` that the file has."""
    node, line, column = marked, 0, 0
    for step in where:
        try:
            marks = node.lc
            line, column = marks.key(step) if isinstance(node, dict) else marks.item(step)
            node = node[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line + 1, column + 1


def _path(where: Location) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")
