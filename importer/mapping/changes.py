"""Changes to single parts of a mapping's text; all other text stays as it is, byte for byte.

A part is found by its position in the text, and only that text is replaced. The result is parsed
again: unless it gives exactly the mapping intended, the change is refused.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from importer.errors import MappingError, UsageError
from importer.mapping.load import KeyPath, YamlReader
from importer.mapping.spec import as_list
from importer.mapping.writing import UNSURE, flow, scalar


@dataclass(frozen=True, slots=True)
class Change:
    """A new value for the part at `path`: plain data, or None, which removes the part.

    `path` has keys, and indices of lists as digits; the index behind the last one appends. Missing
    parents are created. A rule that is a bare header becomes a rule with a ``column`` where
    something below it is set. With `commented`, a removed part of a block stays as a comment, so
    that the remarks beside it keep their meaning.
    """

    path: KeyPath
    value: Any
    commented: bool = False


def with_changes(text: str, changes: Iterable[Change]) -> str:
    """The text of a mapping with some changes; `text` must be a mapping that can be loaded.

    Raises UsageError for a part written in a way that cannot be changed alone, as with anchors.
    """
    for change in changes:
        text = _with_change(text, _in_normal_form(change))
    return text


def _in_normal_form(change: Change) -> Change:
    """The change in Unicode NFC, as texts of a mapping are read."""
    return Change(_in_nfc(change.path), _in_nfc(change.value), change.commented)


def _in_nfc(value: Any) -> Any:
    match value:
        case str():
            return unicodedata.normalize("NFC", value)
        case dict():
            return {_in_nfc(key): _in_nfc(item) for key, item in value.items()}
        case list():
            return list(map(_in_nfc, value))
        case tuple():
            return tuple(map(_in_nfc, value))
    return value


def lines_of(text: str, key: str) -> str:
    """The lines of a mapping's text that a key at its top takes, with the remarks behind them."""
    root = _compose(text)
    for start, node, _ in _entries(root, text):
        if isinstance(start, ScalarNode) and _name(start) == key:
            begin = text.rfind("\n", 0, _start(start)) + 1
            return text[begin : _line_end(text, _end(node, text))]
    return ""


def with_field_renamed(text: str, old: str, new: str) -> str:
    """The text of a mapping with a field of the form renamed, wherever it is named.

    Raises UsageError where the form has a field `new` already, or `old` cannot be renamed alone.
    """
    before, new = _data(text), _in_nfc(new)
    if new in before["form"]:
        raise UsageError(f"there is a field “{new}” already", "Change that one, or take it out.")
    wanted = copy.deepcopy(before)
    wanted["form"] = {new if name == old else name: rule for name, rule in before["form"].items()}
    try:
        key = next(
            start
            for start, _, name in _entries(_entry(_compose(text), "form", text)[1], text)
            if name == old and isinstance(start, ScalarNode)
        )
    except (StopIteration, _CannotError):
        raise UsageError(f"there is no field “{old}” any more", "See it as it is now.") from None
    begin = _start(key)
    end = begin + len(text[begin : int(key.end_mark.index)].rstrip())
    line = text.rfind("\n", 0, begin) + 1
    above, top = "", line
    while top > 0 and not text[line:begin].strip():
        first = text.rfind("\n", 0, top - 1) + 1
        if (content := _content(text[first:top])) is None:
            break
        comment = text[first:top]
        if content.startswith(f"{text[begin:end]}: "):  # an alternative rule of the field
            comment = comment.replace(text[begin:end], _key(new), 1)
        above, top = comment + above, first
    after = text[:top] + above + text[line:begin] + _key(new) + text[end:]
    if list(_data(after)["form"].items()) != list(wanted["form"].items()):
        raise UsageError(
            f"{old} is written in a way that can only be changed in the text",
            "Change it in the text of the mapping.",
        )
    unique = as_list((before.get("rows") or {}).get("unique") or [])
    changes = []
    if f"form.{old}" in unique:
        renamed = [f"form.{new}" if key == f"form.{old}" else key for key in unique]
        changes.append(Change(("rows", "unique"), renamed))
    if old in (listed := before.get("new_values") or {}):
        changes += [Change(("new_values", new), listed[old]), Change(("new_values", old), None)]
    return with_changes(after, changes)


def with_new_values(text: str, values: Mapping[str, Iterable[str]]) -> str:
    """The text of a mapping that lists these values, too, under ``new_values``, by field."""
    before = _listed(text)
    return with_changes(
        text,
        [
            Change(("new_values", name), list(dict.fromkeys([*before.get(name, ()), *more])))
            for name, more in values.items()
        ],
    )


def without_new_value(text: str, name: str, value: str) -> str:
    """The text of a mapping that does not list a value of a field under ``new_values`` any more."""
    listed = _listed(text).get(name, [])
    if value not in listed:
        return text
    left = [one for one in listed if one != value]
    return with_changes(text, [Change(("new_values", name), left or None)])


def _listed(text: str) -> dict[str, list[str]]:
    found = _data(text).get("new_values") or {}
    return {name: as_list(values) for name, values in found.items()}


def with_lists_of(text: str, folder: Path) -> str:
    """The text of a mapping from `folder` with the paths of its do-not-call lists made absolute."""
    lists = as_list((_data(text).get("rows") or {}).get("do_not_call") or [])
    absolute = [{**entry, "file": str(folder / entry["file"])} for entry in lists]
    if absolute == lists:
        return text
    return with_changes(text, [Change(("rows", "do_not_call"), absolute)])


@dataclass(frozen=True, slots=True)
class Remark:
    """The comments on a key in a mapping's text, above its line or behind it.

    `texts` are the sentences, without the mark ``unsure:``. `alternatives` are other values of the
    key, as plain data, each of which is a commented-out line. `begin` and `end` are the offsets of
    the comments in the text.
    """

    path: KeyPath
    texts: tuple[str, ...]
    alternatives: tuple[Any, ...]
    begin: int
    end: int


def remarks(text: str) -> list[Remark]:
    """The remarks that a draft left on its guesses, on keys in blocks; `text` must be a mapping."""
    return list(_remarks(text, _compose(text), ()))


def without_remark(text: str, remark: Remark) -> str:
    """The text without a remark; raises UsageError where more than comments would be removed."""
    after = text[: remark.begin] + text[remark.end :]
    if _data(after) != _data(text):
        raise UsageError("this remark cannot be taken out", "Take it out of the text by hand.")
    return after


def _remarks(text: str, node: MappingNode, path: KeyPath) -> Iterator[Remark]:
    for key, value in node.value:
        here = (*path, _name(key))
        start = _start(key)
        line = text.rfind("\n", 0, start) + 1
        if not text[line:start].strip():
            above = _above(text, line, text[start : int(key.end_mark.index)])
            if (found := _remark(text, above, here)) is not None:
                yield found
        if isinstance(value, MappingNode) and not value.flow_style:
            yield from _remarks(text, value, here)
            continue
        end = _end(value, text)
        behind = (end, _line_end(text, end), True)
        if (found := _remark(text, [behind], here)) is not None:
            yield found


_KEY = re.compile(r"[\w\"'-]+: \S")


def _is_key(content: str) -> bool:
    """Whether a comment is a commented-out key with its value, and not prose."""
    if ": " not in content:
        return False
    try:
        data = _data(content)
    except MappingError:
        return False
    rules = isinstance(data, dict) and any(isinstance(value, dict) for value in data.values())
    return rules or _KEY.match(content) is not None


def _above(text: str, line: int, key: str) -> list[tuple[int, int, bool]]:
    """The lines of comments above a line, from the top: begin, end, and whether it is prose."""
    found: list[tuple[int, int, bool]] = []
    while line > 0:
        begin = text.rfind("\n", 0, line - 1) + 1
        content = _content(text[begin:line])
        if content is None or _is_within(text[begin:line]):
            break
        is_own = content.startswith(f"{key}: ")
        if not is_own and not content.startswith(UNSURE) and _is_key(content):
            break
        found.append((begin, line, not is_own))
        line = begin
    return found[::-1]


def _content(line: str) -> str | None:
    """The text of a line that is a comment; None for any other line."""
    bare = line.strip()
    return bare.removeprefix("#").strip() if bare.startswith("#") else None


def _is_within(line: str) -> bool:
    """Whether a comment is an inner line of a part that was commented out: prose has no indent."""
    return line.lstrip().startswith(("#  ", "#\t"))


def _remark(text: str, lines: Iterable[tuple[int, int, bool]], path: KeyPath) -> Remark | None:
    prose: list[str] = []
    alternatives: list[Any] = []
    begin = end = -1
    for first, last, is_prose in lines:
        content = _content(text[first:last])
        if content is None or (begin < 0 and not content.startswith(UNSURE)):
            continue
        begin, end = (first if begin < 0 else begin), last
        if is_prose:
            prose.append(content)
        else:
            alternatives += _alternative(content)
    if begin < 0:
        return None
    sentences = " ".join(prose).split(UNSURE)
    texts = tuple(text for sentence in sentences if (text := sentence.strip()))
    return Remark(path, texts, tuple(alternatives), begin, end)


def _alternative(line: str) -> list[Any]:
    try:
        return list(_data(line).values())
    except MappingError:
        return []


def _with_change(text: str, change: Change) -> str:
    before = _data(text)
    wanted = copy.deepcopy(before)
    path = _apply_to_data(wanted, change)
    if wanted == before:
        return text
    try:
        value = change.value if change.value is None else _value_at(wanted, path)
        after = _apply_to_text(text, Change(path, value, change.commented))
        if _data(after) == wanted:
            return after
    except (MappingError, _CannotError):
        pass
    raise UsageError(
        f"{'.'.join(change.path)} is written in a way that can only be changed in the text",
        "Change it in the text of the mapping.",
    )


def _data(text: str) -> Any:
    reader = YamlReader(Path("mapping"))
    data = reader.read(text)
    if reader.mistakes:
        raise MappingError("the mapping has mistakes", tuple(reader.mistakes))
    return data


class _CannotError(Exception):
    """The part is written in a way that cannot be changed alone, or it is not there."""


# Changes to the data.


def _apply_to_data(data: Any, change: Change) -> KeyPath:
    """Make the change in the data; the path of the outermost part that differs is returned."""
    path, value = change.path, change.value
    here = data
    for depth, key in enumerate(path[:-1]):
        below = _get(here, key)
        if isinstance(below, dict | list):
            here = below
            continue
        if value is None:
            return path
        made = _nested(path[depth + 1 :], value)
        if isinstance(below, str | int | float) and not isinstance(below, bool):
            made = {"column": below, **made}
        _put(here, key, made)
        return path[: depth + 1]
    if value is not None:
        _put(here, path[-1], value)
        return path
    return _remove_from_data(data, path)


def _nested(path: KeyPath, value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    made: dict[str, Any] = value
    return made


def _remove_from_data(data: Any, path: KeyPath) -> KeyPath:
    """Remove a part, with those of its parents that become empty, but for ``form``."""
    here = data
    parents = [here]
    for key in path[:-1]:
        here = _get(here, key)
        parents.append(here)
    while len(path) > 1 and len(parents[-1]) == 1 and path[:-1] != ("form",):
        if _get(parents[-1], path[-1]) is None:
            break
        path, _ = path[:-1], parents.pop()
    here, key = parents[-1], path[-1]
    if isinstance(here, dict):
        here.pop(key, None)
    elif isinstance(here, list) and int(key) < len(here):
        del here[int(key)]
    return path


def _get(here: Any, key: str) -> Any:
    if isinstance(here, list):
        return here[int(key)] if key.isdigit() and int(key) < len(here) else None
    return here.get(key)


def _put(here: Any, key: str, value: Any) -> None:
    if isinstance(here, list):
        here[int(key) : int(key) + 1] = [value]
    else:
        here[key] = value


def _value_at(data: Any, path: KeyPath) -> Any:
    for key in path:
        data = _get(data, key)
    return data


# Changes to the text.


def _compose(text: str) -> MappingNode:
    node = YAML(typ="safe", pure=True).compose(text)
    if not isinstance(node, MappingNode):
        raise _CannotError
    return node


def _start(node: Node) -> int:
    return int(node.start_mark.index)


def _end(node: Node, text: str) -> int:
    """Behind the last character of a node; the library's own mark is behind what follows it."""
    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last, text)
    start, end = _start(node), int(node.end_mark.index)
    return start + len(text[start:end].rstrip())


def _line_end(text: str, at: int) -> int:
    """Where the line of a place ends, before its line break."""
    found = _BREAK.search(text, at)
    return found.start() if found is not None else len(text)


_BREAK = re.compile(r"[\r\n]")


Entry = tuple[Node | int, Node, str]
"""The begin of an entry (the node of its key, or the offset of its ``-`` or item), its value, and
the key or index by which it is found."""


def _entries(node: Node, text: str) -> list[Entry]:
    if isinstance(node, MappingNode):
        return [(key, value, _name(key)) for key, value in node.value]
    if isinstance(node, SequenceNode):
        places = _item_starts(node, text)
        return [
            (at, item, str(n)) for n, (at, item) in enumerate(zip(places, node.value, strict=True))
        ]
    raise _CannotError


def _name(key: Node) -> str:
    """A key as the data have it."""
    return unicodedata.normalize("NFC", str(key.value))


def _is_flow(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and bool(node.flow_style)


_BETWEEN = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")


def _item_starts(node: SequenceNode, text: str) -> Iterator[int]:
    """Where each item of a list begins: with its ``-``, if it has one."""
    at = _start(node)
    for item in node.value:
        if node.flow_style:
            yield _start(item)
            continue
        found = _BETWEEN.match(text, at)
        at = found.end() if found is not None else at
        if not text.startswith("-", at):
            raise _CannotError
        yield at
        at = _end(item, text)


def _begin(entry: Entry) -> int:
    return entry[0] if isinstance(entry[0], int) else _start(entry[0])


def _apply_to_text(text: str, change: Change) -> str:
    here: Node = _compose(text)
    *way, last = change.path
    for key in way:
        here = _entry(here, key, text)[1]
    entry = next((one for one in _entries(here, text) if one[2] == last), None)
    if change.value is None:
        if entry is None:
            raise _CannotError
        if change.commented and isinstance(here, MappingNode) and not here.flow_style:
            return _as_comment(text, entry)
        return _remove(text, here, entry)
    if entry is None:
        return _insert(text, here, last, change.value, top=not way)
    node = entry[1]
    start, end = _start(node), _end(node, text)
    if not isinstance(entry[0], int) and not _is_flow(here):
        colon = text.find(":", int(entry[0].end_mark.index), start)
        line_end = _line_end(text, colon)
        if 0 <= colon < line_end < start and not isinstance(node, ScalarNode):
            # It begins on a line of its own, where a value on one line may stand too far left.
            value = f" {flow(change.value)}"
            return text[: colon + 1] + value + text[colon + 1 : line_end] + text[end:]
    # Of a key without a value the node is where the colon ends.
    space = "" if end > start else " "
    return text[:start] + space + flow(change.value) + text[end:]


def _entry(node: Node, key: str, text: str) -> Entry:
    for one in _entries(node, text):
        if one[2] == key:
            return one
    raise _CannotError


def _insert(text: str, into: Node, key: str, value: Any, *, top: bool) -> str:
    entries = _entries(into, text)
    of_list = isinstance(into, SequenceNode)
    if _is_flow(into):
        item = flow(value) if of_list else f"{_key(key)}: {flow(value)}"
        if not entries:
            at = _start(into) + 1
            return text[:at] + item + text[at:]
        at = _end(entries[-1][1], text)
        return f"{text[:at]}, {item}{text[at:]}"
    if not entries:
        raise _CannotError
    first = _begin(entries[0])
    indent = " " * (first - (text.rfind("\n", 0, first) + 1))
    line_break = "\r\n" if "\r\n" in text else "\n"
    if of_list:
        item = f"{indent}- {flow(value)}"
    elif top and isinstance(value, Mapping):
        inside = [f"{indent}  {_key(name)}: {flow(one)}" for name, one in value.items()]
        item = line_break.join([f"{indent}{_key(key)}:", *inside])
    else:
        item = f"{indent}{_key(key)}: {flow(value)}"
    at = _line_end(text, _end(entries[-1][1], text))
    return text[:at] + line_break + item + text[at:]


def _key(key: str) -> str:
    return key if key.isascii() and key.isdigit() else scalar(key)


def _remove(text: str, parent: Node, entry: Entry) -> str:
    entries = _entries(parent, text)
    place = next(n for n, one in enumerate(entries) if one[2] == entry[2])
    begin, end = _begin(entry), _end(entry[1], text)
    if _is_flow(parent):
        if place + 1 < len(entries):
            return text[:begin] + text[_begin(entries[place + 1]) :]
        if place:
            begin = _end(entries[place - 1][1], text)
        return text[:begin] + text[end:]
    if len(entries) == 1:  # only of the fields: what else is empty goes with its key
        return text[:begin] + "{}" + text[end:]
    line = text.rfind("\n", 0, begin) + 1
    if text[line:begin].strip():  # behind a dash: what comes next takes its place
        if place + 1 == len(entries):
            raise _CannotError
        return text[:begin] + text[_begin(entries[place + 1]) :]
    end = _line_end(text, end)
    end += 2 if text.startswith("\r\n", end) else 1
    return text[:line] + text[end:]


def _as_comment(text: str, entry: Entry) -> str:
    begin = _begin(entry)
    line = text.rfind("\n", 0, begin) + 1
    indent = text[line:begin]
    if indent.strip():
        raise _CannotError
    end = _line_end(text, _end(entry[1], text))
    lines = text[line:end].splitlines(keepends=True)
    comment = "".join(f"{indent}# {each.removeprefix(indent)}" for each in lines)
    return text[:line] + comment + text[end:]
