"""What pydantic finds wrong with YAML data, in words for its author, at its line and column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from importer.mapping.reader import KeyPath
from importer.mapping.rule import Mistake

Places = Mapping[KeyPath, tuple[int, int]]
"""Line and column of each part, 1-based."""

_FREE_KEYS = {"form"}
"""Objects whose keys are the author's own."""


def mistake_line(path: Path, places: Places, where: KeyPath, what: str) -> str:
    """One line of complaint about the part at `where`: file, line, column, keys, message."""
    known = where
    while known and known not in places:
        known = known[:-1]
    line, column = places.get(known, (1, 1))
    return f"{path}:{line}:{column}: {'.'.join(where) + ': ' if where else ''}{what}"


def in_order(mistakes: Iterable[str]) -> list[str]:
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
    """Say one of pydantic's errors in words."""
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
