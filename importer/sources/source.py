"""What a reader of one kind of file gives, and the open source made of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from importer.model import Batch, SourceInfo


def shown_path(path: Path) -> str:
    """A path as text that can be stored and shown, whatever bytes the file's name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of a file, blank ones too; `first` is the row number of the first."""

    first: int
    cells: list[list[Any]]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a reader tells of its rows.

    `place` names the file, and the sheet if there is one, for messages. `text` gives a column of
    cells as text; None where cells are text already. `open_ended` says that a row holds as many
    cells as were written, so that its width means something.
    """

    place: str
    text: Callable[[Sequence[Any]], list[str]] | None = None
    open_ended: bool = True

    def texts(self, cells: Sequence[Any]) -> list[str]:
        """Cells of one row or column, as text."""
        return list(cells) if self.text is None else self.text(cells)


class Source:
    """An open source: what it is, and its rows, once.

    A context manager that closes the file. `batches` can be gone through one time; what a reader
    finds wrong with the whole file only while reading (undecodable bytes, a quote never closed)
    is raised there as SourceError.
    """

    def __init__(self, info: SourceInfo, batches: Iterator[Batch], close: Callable[[], None]):
        self.info = info
        self._batches = batches
        self._close = close

    def batches(self) -> Iterator[Batch]:
        """The rows below the header, in order."""
        return self._batches

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
