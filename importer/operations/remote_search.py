"""Which files on a server a path with wildcards means."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from fnmatch import fnmatchcase

from importer.operations.remote_names import is_unfinished
from importer.operations.remote_origin import Entry, Origin

_WILD = frozenset("*?[")

Decoded = Callable[[str], str]
"""How a part of a path reads as a name."""


async def files_of(origin: Origin, path: str, decoded: Decoded) -> list[Entry]:
    """Every file that a path means; one that ends with a slash means all in that folder.

    Hidden and temporary names fit no wildcard. Raises FileNotFoundError where the folder before
    the first wildcard is missing, and IsADirectoryError where the path is a folder.
    """
    parts = f"{path}*".split("/") if path.endswith("/") else path.split("/")
    steady = next((n for n, part in enumerate(parts) if _WILD & set(part)), None)
    if steady is not None:
        folder = "/".join(parts[:steady]) or "/"
        return await _below(origin, await origin.entries(folder), parts[steady:], decoded)
    entry = await _looked(origin, path)
    if entry is not None and entry.folder:
        raise IsADirectoryError(path)
    return [] if entry is None else [entry]


async def _below(
    origin: Origin, entries: list[Entry], parts: list[str], decoded: Decoded
) -> list[Entry]:
    """The files that fit the parts of a path, of which the first has a wildcard."""
    pattern, rest = decoded(parts[0]), parts[1:]
    found: list[Entry] = []
    for entry in entries:
        name = decoded(entry.base)
        if is_unfinished(name) or not fnmatchcase(name, pattern) or entry.folder != bool(rest):
            continue
        if rest:
            found += await _in(origin, entry.path, rest, decoded)
            continue
        # Pages of links tell neither size nor time.
        told = entry.size is not None or entry.modified is not None
        if (seen := entry if told else await _looked(origin, entry.path)) is not None:
            found.append(seen)
    return found


async def _in(origin: Origin, folder: str, parts: list[str], decoded: Decoded) -> list[Entry]:
    steady = next((n for n, part in enumerate(parts) if _WILD & set(part)), None)
    if steady is None:
        entry = await _looked(origin, posixpath.join(folder, *parts))
        return [] if entry is None or entry.folder else [entry]
    try:
        entries = await origin.entries(posixpath.join(folder, *parts[:steady]))
    except FileNotFoundError:
        return []
    return await _below(origin, entries, parts[steady:], decoded)


async def _looked(origin: Origin, path: str) -> Entry | None:
    try:
        return await origin.look(path)
    except FileNotFoundError:
        return None
