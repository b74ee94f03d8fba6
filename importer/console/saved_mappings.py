"""Mappings that were saved under a name: by the page, and those of the command beside them.

The page saves into a folder of the console's own; it finds those, too, that lie in the folder
``mappings`` where the console was started. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from importer import library
from importer.console.drafts import cleaned_name
from importer.errors import ImporterError, MappingError, OutputError, UsageError
from importer.files import make_private_folder, write_private
from importer.library import LoadedMapping

_PLACE = re.compile(r"(\d+):(\d+): (.*)", re.DOTALL)
_ENDINGS = (".yaml", ".yml")
_MOST = 200
"""Files that are looked at in a folder: the newest."""
_MOST_BYTES = 2**18
"""Of a file that is looked into. A mapping that a person wrote has some thousand."""
_MOST_KEPT_BYTES = 2**16
"""Of a mapping that is remembered, so that it need not be read again for the next list."""
_SECONDS = 5.0
"""For which files are looked into while somebody waits."""


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A file that may be a mapping, by its name; `is_ours` says that the page saved it.

    `id` stands for its path in pages.
    """

    path: Path
    is_ours: bool

    @property
    def id(self) -> str:
        """What stands for the path in addresses."""
        return _id(self.path)


@dataclass(frozen=True, slots=True)
class SavedMapping:
    """A mapping under its name; `id` stands for its path in pages.

    `is_ours` says that the page saved it; `saved_at` is in seconds since 1970.
    """

    id: str
    name: str
    path: Path
    mapping: LoadedMapping
    columns: int
    is_ours: bool
    saved_at: float

    @property
    def saved(self) -> datetime:
        """When it was saved."""
        return datetime.fromtimestamp(self.saved_at, UTC)

    @property
    def text(self) -> str:
        """Its text; the files that it names are found from anywhere."""
        return library.with_lists_of(self.mapping.text, self.path.parent)


@dataclass(frozen=True, slots=True)
class UnusableMapping:
    """Why a file that is taken for a saved mapping can be offered for no list."""

    file: MappingFile
    why: str


class SavedMappings:
    """Where mappings are saved: in the first of two folders; the other is only read."""

    def __init__(self, folder: Path, beside: Path) -> None:
        self.folder = folder
        self.beside = beside

    def fitting(self, headers: Sequence[str]) -> list[SavedMapping]:
        """Those whose columns a list with these headers has.

        Those that the page has saved are the first; of these, those that use most of its columns,
        the newest first.
        """
        found = []
        end = time.monotonic() + _SECONDS
        for file in self._newest_first():
            if (one := _fitting(file, headers)) is not None:
                found.append(one)
            if time.monotonic() > end:
                break
        return sorted(
            found, key=lambda one: (not one.is_ours, -one.columns, -one.saved_at, one.name)
        )

    def faults(self, seconds: float = _SECONDS) -> list[UnusableMapping]:
        """Those that are no mapping, and why; of what can be looked into in so many seconds."""
        found = []
        end = time.monotonic() + seconds
        for file in self._newest_first():
            if (why := _fault(file.path)) is not None:
                found.append(UnusableMapping(file, why))
            if time.monotonic() > end:
                break
        return sorted(found, key=lambda one: (not one.file.is_ours, one.file.path.name))

    def chosen(self, id_: str, headers: Sequence[str]) -> SavedMapping:
        """One that fits, by its id; raises UsageError where it does not any more."""
        one = _fitting(self.file(id_), headers)
        if one is None:
            raise _gone()
        return one

    def files(self) -> list[MappingFile]:
        """What is in the two folders, by the names, without a look into the files."""
        return sorted(self._newest_first(), key=lambda one: (not one.is_ours, one.path.name))

    def _newest_first(self) -> list[MappingFile]:
        found: list[tuple[int, MappingFile]] = []
        for folder in (self.folder, self.beside):
            times = sorted(_times(folder), reverse=True)[:_MOST]
            found += [(at, MappingFile(folder / name, folder == self.folder)) for at, name in times]
        return [file for _, file in sorted(found, key=lambda one: one[0], reverse=True)]

    def file(self, id_: str) -> MappingFile:
        """The file for which an id stands; raises UsageError where it is gone."""
        for one in self.files():
            if one.id == id_:
                return one
        raise _gone()

    def remove(self, id_: str) -> None:
        """Remove a mapping that the page has saved; raises UsageError and OutputError."""
        file = self.file(id_)
        if not file.is_ours:
            raise UsageError(
                f"{file.path.name} was not saved here",
                f"It lies in {file.path.parent}: remove it there.",
            )
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{file.path.name} cannot be removed: {error.strerror}",
                "Close the program that holds it open, then try again.",
            ) from None

    def save(self, name: str, text: str, *, replace: bool = False) -> Path:
        """Save a mapping under a name, which another one has only if it is replaced.

        Raises UsageError and OutputError.
        """
        # A name such as "A/B" is no path, of which only the end would be left.
        name = re.sub(r"[/\\]", "-", name.strip())
        if not name:
            raise UsageError("the mapping needs a name", "Such as that of the supplier.")
        if not name.endswith(_ENDINGS):
            name += _ENDINGS[0]
        make_private_folder(self.folder)
        path = self.folder / cleaned_name(name)
        if not path.stem.strip(".") or path.stem in _ENDINGS:
            raise UsageError("the mapping needs a name of letters", "Such as that of the supplier.")
        if path.exists() and not replace:
            raise UsageError(
                f"there is a saved mapping “{path.stem}” already",
                "Choose another name, or say that it is to be replaced.",
            )
        write_private(path, text)
        return path


def _id(path: Path) -> str:
    return sha256(os.fsencode(path)).hexdigest()[:16]


def _gone() -> UsageError:
    return UsageError("this mapping is not there any more", "Choose another one.")


def _times(folder: Path) -> Iterator[tuple[int, str]]:
    """When each file of a folder that may be a mapping was written, and its name."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):  # such as a link that leads to itself
                if entry.name.endswith(_ENDINGS) and entry.is_file():
                    yield entry.stat().st_mtime_ns, entry.name


def _fitting(file: MappingFile, headers: Sequence[str]) -> SavedMapping | None:
    path = file.path
    try:
        about, mapping = _look(path)
        if isinstance(mapping, ImporterError):
            return None
        if not (used := library.used_columns(mapping, headers)):
            return None
    except (ImporterError, OSError):
        return None  # it is of another list, or gone
    return SavedMapping(file.id, path.stem, path, mapping, len(used), file.is_ours, about.st_mtime)


def _fault(path: Path) -> str | None:
    try:
        _, mapping = _look(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if not isinstance(mapping, ImporterError):
        return None
    mistakes = mapping.mistakes if isinstance(mapping, MappingError) else ()
    return placed_words((mistakes or (mapping.message,))[0], path)


def placed_words(text: str, path: Path) -> str:
    """A mistake in a mapping, with its place in words and without the file's path."""
    place = _PLACE.fullmatch(text.removeprefix(f"{path}:"))
    if place is not None:
        text = f"Line {place[1]}, column {place[2]}: {place[3]}"
    return text.replace(str(path), "the text")


def _look(path: Path) -> tuple[os.stat_result, LoadedMapping | ImporterError]:
    """What a file holds: a mapping, or why it is none. Raises OSError."""
    about = path.stat()
    if about.st_size > _MOST_BYTES:
        return about, UsageError(f"{about.st_size:,} bytes are too many for a mapping")
    is_kept = about.st_size <= _MOST_KEPT_BYTES
    look = _remembered if is_kept else _looked_into
    return about, look(path, about.st_mtime_ns, about.st_size)


def _looked_into(path: Path, written_at: int, size: int) -> LoadedMapping | ImporterError:
    """The mapping in a file, as it was written then, or why it is none."""
    del written_at, size
    try:
        return library.load_mapping(path)
    except ImporterError as error:
        return error


_remembered = lru_cache(2 * _MOST)(_looked_into)


SAVED_MAPPINGS = web.AppKey("SAVED_MAPPINGS", SavedMappings)
