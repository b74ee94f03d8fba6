"""YAML text as plain data that remembers where each part stands.

The YAML library stands only here. Text is composed into nodes, not objects, for two reasons:
each node knows its place, and a plain scalar keeps the digits it was written with (``007``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from importer.errors import MappingError

_YAML_HINTS = {
    "'\\t'": ": indent with spaces, not tabs",
    "values are not allowed here": ": put text that has a colon in it in quotes",
    "flow sequence": ": close the [ that was opened before",
    "flow mapping": ": close the { that was opened before",
}
"""What the YAML library's words mean for an author, by a sign of them."""

MAX_NODES = 100_000
"""Aliases multiply nodes; a mapping that grows past this is not one a person wrote."""
MAX_DEPTH = 20

KeyPath = tuple[str, ...]
"""The keys that lead to a part of the mapping; places in lists as their numbers."""


_STANDARD = "tag:yaml.org,2002:"
_TAGS = {"str", "int", "float", "bool", "null", "timestamp", "value", "merge", "seq", "map"}
"""Those of plain data, which most nodes have without being told."""
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Reader:
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
        if not str(node.value).isprintable() and _HALF.search(str(node.value)):
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
        """Complain of a tag that asks for what is not done here: ``!include``, ``!!python/…``."""
        tag = str(node.tag)
        if tag.removeprefix(_STANDARD) not in _TAGS:
            told = f"!!{tag.removeprefix(_STANDARD)}" if tag.startswith(_STANDARD) else tag
            self._complain(
                node, path, f"the tag {told:.60} is not known here: write the value itself"
            )

    def _complain(self, node: Node, path: KeyPath, what: str) -> None:
        mark = node.start_mark
        where = f"{self.path}:{mark.line + 1}:{mark.column + 1}: "
        self.mistakes.append(f"{where}{'.'.join(path) + ': ' if path else ''}{what}")


def _scalar(node: ScalarNode) -> Any:
    """Read a scalar; a plain one is a number only if the number is written back the same.

    So ``007``, ``+36``, ``1.50`` and ``1e5`` stay text, and ``yes`` is text as in YAML 1.2.
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
            if str(value := number(text)) == text:
                return value
        except ValueError:
            continue
    return text
