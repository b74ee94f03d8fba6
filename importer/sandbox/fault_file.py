"""Fault files: YAML that says how the sandbox misbehaves.

A file has `latency`, `capacity`, `rate_limit` and `faults`, a list of rules; or is such a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from importer.sandbox import document
from importer.sandbox.document import Location, unknown_key
from importer.sandbox.faults import (
    KINDS,
    NONSENSE,
    Capacity,
    Faults,
    Kind,
    RateLimit,
    Rule,
    nonsense,
)


def load_faults(path: Path) -> Faults:
    """The faults of the file.

    Raises SourceError when it cannot be read, MappingError with every mistake found, each with
    its line and column, when it can be read but not used.
    """
    marked = document.parse(document.read(path, "fault file"), path)
    listed = isinstance(marked, list)
    data = {"faults": marked} if listed else marked
    mistakes: list[tuple[Location, str]] = []
    faults = Faults()
    try:
        faults = Faults.model_validate({} if data is None else data)
    except ValidationError as error:
        mistakes = [(e["loc"], _explain(e)) for e in error.errors() if e["type"] != NONSENSE]
    mistakes += _nonsense(data)
    if mistakes:
        raise document.unusable(
            path,
            marked,
            [(where[1:] if listed else where, what) for where, what in mistakes],
            kind="fault file",
            hint="docs/sandbox.md lists what can be ordered; samples/faults.yaml shows how",
        )
    return faults


def _nonsense(data: Any) -> Iterator[tuple[Location, str]]:
    rules = data.get("faults") if isinstance(data, dict) else None
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict):
            yield from ((("faults", index, key), what) for key, what in nonsense(rule))


def _explain(error: Any) -> str:
    """Pydantic's complaint in the words of someone who writes the file."""
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return unknown_key(error["loc"][-1], _keys(_model(error["loc"])))
        case "model_type" | "dict_type":
            return "expected keys and values here"
        case "tuple_type" | "list_type":
            return "expected a list here"
        case "value_error":
            return str(error["ctx"]["error"])
        case "literal_error":
            return f"expected {error['ctx']['expected']}"
        case "enum":
            return _unknown_kind(error["input"])
        case "int_type" | "int_parsing" | "int_from_float":
            return "expected a whole number"
        case "float_type" | "float_parsing":
            return "expected a number"
        case "bool_type":
            return "expected true or false"
        case _:
            return str(error["msg"])


def _unknown_kind(given: object) -> str:
    by_status = [kind for kind, trait in KINDS.items() if trait.status and trait.status == given]
    near = by_status[:1] or get_close_matches(str(given), list(Kind), 1)
    known = f'did you mean "{near[0]}"?' if near else f"expected one of {', '.join(Kind)}"
    return f'unknown kind of fault "{given}": {known}'


def _model(where: Sequence[str | int]) -> type[BaseModel]:
    models: Mapping[str | int, type[BaseModel]] = {
        "faults": Rule,
        "capacity": Capacity,
        "rate_limit": RateLimit,
    }
    return models.get(where[0], Faults) if len(where) > 1 else Faults


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
