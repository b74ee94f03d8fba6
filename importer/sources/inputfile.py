"""A file to read, and what messages call it: the two differ for what was unpacked or piped in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


def shown_path(path: Path) -> str:
    """A path as text that can be stored and shown, whatever bytes the file's name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class InputFile:
    """Where the bytes are, and the name that the user knows them by; as text, it is its name."""

    path: Path
    name: str

    @classmethod
    def at(cls, path: Path) -> Self:
        """The file that the user named."""
        return cls(path, shown_path(path))

    def __str__(self) -> str:
        return self.name
