"""Changes to a mapping's text: new values it allows, and where its lists lie.

All else stays, with its comments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_WIDEST = 1 << 20
"""Longer than any line: none is broken."""


def with_new_values(text: str, values: Mapping[str, Iterable[str]]) -> str:
    """The text of a mapping that lists these values, too, under ``new_values``, by field.

    The `text` must be that of a mapping that was loaded.
    """
    yaml, data = _read(text)
    listed = data.setdefault("new_values", {})
    for name, texts in values.items():
        known = listed.setdefault(name, [])
        known += [one for one in dict.fromkeys(texts) if one not in known]
    return _written(yaml, data)


def without_new_value(text: str, name: str, value: str) -> str:
    """The text of a mapping that does not list a value of a field under ``new_values`` any more."""
    yaml, data = _read(text)
    listed = data.get("new_values", {})
    if value in listed.get(name, ()):
        listed[name].remove(value)
        if not listed[name]:
            del listed[name]
        if not listed:
            del data["new_values"]
    return _written(yaml, data)


def with_lists_of(text: str, folder: Path) -> str:
    """The text of a mapping that was in `folder`, whose do-not-call lists are found from anywhere.

    Where it names none, or all by whole paths, the text is as it was.
    """
    yaml, data = _read(text)
    named: Any = (data.get("rows") or {}).get("do_not_call") or []
    lists = named if isinstance(named, list) else [named]
    before = [one["file"] for one in lists]
    for one in lists:
        one["file"] = str(folder / one["file"])
    return text if before == [one["file"] for one in lists] else _written(yaml, data)


def _read(text: str) -> tuple[YAML, dict[str, Any]]:
    yaml = YAML()  # the kind that keeps comments and the order of keys
    yaml.preserve_quotes = True
    yaml.width = _WIDEST
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml, yaml.load(text)


def _written(yaml: YAML, data: object) -> str:
    out = StringIO()
    yaml.dump(data, out)
    return out.getvalue()
