"""What people and programs write for the sandbox, read strictly: JSON bodies, YAML (or JSON) files.

A mistake in a file has its line and column. JSON that one reader takes and another refuses is
refused.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import orjson

from importer.errors import MappingError, SourceError

SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes; ten thousands of values fit, and a mistaken path to a data dump is not read for hours."""

_STANDARD = "tag:yaml.org,2002:"

_TAGS = {"str", "int", "float", "bool", "null", "timestamp", "merge", "seq", "map"}

Location = tuple[str | int, ...]
"""Where something stands in a document: keys, and positions from 0."""


def read_file(path: Path, kind: str) -> bytes:
    """The file, without a byte-order mark; raises SourceError. `kind` is what it should be."""
    hint = f"is it a {kind}? samples/ has one"
    try:
        _refuse_irregular(path)
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise SourceError(
            f"the {kind} {path} cannot be read: {error.strerror}",
            hint="check the path and that you may read it",
        ) from error
    if len(raw) > SIZE_LIMIT:
        size = f"{SIZE_LIMIT // 1024 // 1024} MB"
        raise SourceError(f"the {kind} {path} is larger than {size}", hint=hint)
    return raw.removeprefix(b"\xef\xbb\xbf")


def _refuse_irregular(path: Path) -> None:
    """Raise OSError for a named pipe, which would be waited for, or a device, which never ends."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")


def parse_json(raw: bytes) -> Any:
    """The value that `raw` holds; raises ValueError for anything that is not plain JSON.

    Refused besides bad syntax: text that is not UTF-8, a byte-order mark, lone surrogates, NaN
    and infinities, nesting beyond some hundred levels, and an object that names a key twice.
    """
    # Two readers, because neither is strict alone: orjson refuses all of the above but repeated
    # keys; the standard one shows repeated keys and keeps large integers exact.
    orjson.loads(raw)
    try:
        return json.loads(raw, object_pairs_hook=_no_repeats)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a key twice")
    return found


def parse_yaml(raw: bytes, path: Path) -> Any:
    """The document with a place for every node, as ruamel's round-trip loader gives it.

    Raises MappingError for what is not YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        text = raw.decode("utf-8")
        if "!" in text and (tags := _unknown_tags(text, path)):
            raise MappingError(f"{path} has tags that are not known here", tags)
        return YAML(typ="rt").load(text)
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


def _unknown_tags(text: str, path: Path) -> list[str]:
    """A complaint about each tag that is none of plain data: ``!include``, ``!!python/…``."""
    from ruamel.yaml import YAML

    tags = []
    for event in YAML(typ="safe", pure=True).parse(text):
        tag = str(getattr(event, "tag", None) or "!")
        name = tag.removeprefix(_STANDARD)
        if tag != "!" and (name == tag or name not in _TAGS):
            place = f"{path}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"
            told = tag if name == tag else f"!!{name}"
            tags.append(f"{place}: the tag {told:.60} is not known here: write the value itself")
    return tags


def unusable(
    path: Path, marked: Any, mistakes: Iterable[tuple[Location, str]], *, kind: str, hint: str
) -> MappingError:
    """The error that tells all the mistakes, in the order of the file; `marked` is from parse."""
    lines = sorted(
        (_place(marked, where), _dotted(where), what) for where, what in dict.fromkeys(mistakes)
    )
    return MappingError(
        f"{path} is not a usable {kind}",
        [
            f"{path}:{line}:{column}: {f'{where}: ' if where else ''}{what}"
            for (line, column), where, what in lines
        ],
        hint=hint,
    )


def explain(error: Any, known: Iterable[str]) -> str:
    """Pydantic's complaint in the words of someone who writes the file.

    `error` is one of ``ValidationError.errors()``; `known` are the keys of the part it is about.
    """
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return unknown_key(error["loc"][-1], known)
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


def unknown_key(key: object, known: Iterable[str]) -> str:
    """The complaint about a key that nobody knows, with the nearest that somebody does."""
    near = get_close_matches(str(key), known, 1)
    return f'unknown key "{key}"' + (f': did you mean "{near[0]}"?' if near else "")


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


def _dotted(where: Location) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")
