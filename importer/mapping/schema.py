"""The JSON Schema of the mapping, from the models that check it."""

from __future__ import annotations

from typing import Any

from importer.mapping.spec import MappingSpec


def mapping_schema() -> dict[str, Any]:
    """The schema, draft 2020-12, as editors want it: no nulls, since a key is left out instead."""
    schema = MappingSpec.model_json_schema(by_alias=True)
    cleaned = _without_nulls(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **cleaned,
        "title": "vcc-importer mapping",
    }


def _without_nulls(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_nulls(item) for item in part]
    if not isinstance(part, dict):
        return part
    cleaned = {
        key: {name: _without_nulls(schema) for name, schema in value.items()}
        if key in {"properties", "$defs"}
        else _without_nulls(value)
        for key, value in part.items()
    }
    if cleaned.get("default", ...) is None or isinstance(cleaned.get("default"), dict | list):
        del cleaned["default"]
    if isinstance(cleaned.get("title"), str):  # a name made from the key, which says no more
        del cleaned["title"]
    options = cleaned.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        options = [option for option in options if option != {"type": "null"}]
        if len(options) == 1:
            del cleaned["anyOf"]
            cleaned = {**options[0], **cleaned}
        else:
            cleaned["anyOf"] = options
    return cleaned
