"""A file to read, and what messages call it: the two differ for what was unpacked or piped in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from importer.files import shown

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class InputFile:
    """Where the bytes are, and the name that the user knows them by; as text, it is its name."""

    path: Path
    name: str

    @classmethod
    def at(cls, path: Path) -> Self:
        """The file that the user named."""
        return cls(path, shown(path))

    def __str__(self) -> str:
        return self.name
