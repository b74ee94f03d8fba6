"""The JSON Schema of the mapping, from the models that check it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from importer.mapping.spec import MappingSpec


def mapping_schema() -> dict[str, Any]:
    """The schema, draft 2020-12, as editors want it: no nulls, since a key is left out instead."""
    return schema_of(MappingSpec, "vcc-importer mapping")


def schema_of(model: type[BaseModel], title: str, *, nulls: bool = False) -> dict[str, Any]:
    """The schema of a YAML file's model; with `nulls`, where null says something."""
    schema = model.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_cleaned(schema, nulls),
        "title": title,
    }


def _cleaned(part: Any, nulls: bool) -> Any:
    if isinstance(part, list):
        return [_cleaned(item, nulls) for item in part]
    if not isinstance(part, dict):
        return part
    cleaned = {
        key: {name: _cleaned(schema, nulls) for name, schema in value.items()}
        if key in {"properties", "$defs"}
        else _cleaned(value, nulls)
        for key, value in part.items()
    }
    if cleaned.get("default", ...) is None or isinstance(cleaned.get("default"), dict | list):
        del cleaned["default"]
    if isinstance(cleaned.get("title"), str):  # a name made from the key, which says no more
        del cleaned["title"]
    options = cleaned.get("anyOf")
    if not nulls and isinstance(options, list) and {"type": "null"} in options:
        options = [option for option in options if option != {"type": "null"}]
        if len(options) == 1:
            del cleaned["anyOf"]
            cleaned = {**options[0], **cleaned}
        else:
            cleaned["anyOf"] = options
    return cleaned
