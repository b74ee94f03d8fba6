"""Mappings that were saved under a name: by the page, and those of the command beside them.

The page saves into a folder of the console's own; it finds those, too, that lie in the folder
``mappings`` where the console was started. Everything here blocks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from importer import library
from importer.console.drafts import cleaned_name
from importer.errors import ImporterError, OutputError, UsageError
from importer.files import make_private_folder, write_private
from importer.library import LoadedMapping

_ENDINGS = (".yaml", ".yml")
_MOST = 200
"""Files that are looked at in a folder."""


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
    """A mapping under its name; `id` stands for its path in pages."""

    id: str
    name: str
    path: Path
    mapping: LoadedMapping
    columns: int

    @property
    def text(self) -> str:
        """Its text; the files that it names are found from anywhere."""
        return library.with_lists_of(self.mapping.text, self.path.parent)


class SavedMappings:
    """Where mappings are saved: in the first of two folders; the other is only read."""

    def __init__(self, folder: Path, beside: Path) -> None:
        self.folder = folder
        self.beside = beside

    def fitting(self, headers: Sequence[str]) -> list[SavedMapping]:
        """Those whose columns a list with these headers has, that use most of them first."""
        found = [one for file in self.files() if (one := _fitting(file.path, headers)) is not None]
        return sorted(found, key=lambda one: (-one.columns, one.name))

    def files(self) -> Iterator[MappingFile]:
        """All that is in the two folders, by the names, without a look into the files."""
        for folder in (self.folder, self.beside):
            try:
                names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
            except OSError:
                continue
            paths = [folder / name for name in names if name.endswith(_ENDINGS)]
            yield from (MappingFile(path, folder == self.folder) for path in paths[:_MOST])

    def file(self, id_: str) -> MappingFile:
        """The file for which an id stands; raises UsageError where it is gone."""
        for one in self.files():
            if one.id == id_:
                return one
        raise UsageError("this mapping is not there any more", "Choose another one.")

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
        if path.exists() and not replace:
            raise UsageError(
                f"there is a saved mapping “{path.stem}” already",
                "Choose another name, or say that it is to be replaced.",
            )
        write_private(path, text)
        return path


def _id(path: Path) -> str:
    return sha256(os.fsencode(path)).hexdigest()[:16]


def _fitting(path: Path, headers: Sequence[str]) -> SavedMapping | None:
    try:
        mapping = library.load_mapping(path)
        used = library.used_columns(mapping, headers)
    except ImporterError:
        return None  # it is of another list, or no mapping
    if not used:
        return None
    return SavedMapping(_id(path), path.stem, path, mapping, len(used))


SAVED_MAPPINGS = web.AppKey("SAVED_MAPPINGS", SavedMappings)
