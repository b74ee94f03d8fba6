"""What pages call a row: by its number, and where its list is one of failed rows, by the first one.

A list of failed rows has the number of each in the list that they failed in, in its column
``_row``. Where that is such a list itself, the number is that of the list before, and so on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from importer import library
from importer.console.drafts import Draft, Drafts
from importer.errors import ImporterError
from importer.model import NOTE_COLUMNS
from importer.settings import SourceOptions

ROW_COLUMN = NOTE_COLUMNS[0]


@dataclass(frozen=True, slots=True)
class RowNames:
    """The names of a list's rows; `originals` are their numbers in the first list, where known."""

    originals: Mapping[int, int] = field(default_factory=dict)

    def __call__(self, row: int) -> str:
        """A row, to stand behind the word."""
        original = self.originals.get(row)
        return str(row) if original is None else f"{row} ({original} in the whole list)"

    def several(self, rows: Iterable[int]) -> str:
        """Rows, to stand behind the word."""
        return ", ".join(map(self, rows))


def names_in_draft(
    drafts: Drafts, draft: Draft, headers: Sequence[str] = (ROW_COLUMN,)
) -> RowNames:
    """What the rows of a draft's list are called; blocks.

    `headers` are those of the list, where they are known. Of a list of failed rows that was not
    planned yet, the first time takes as long as to read it. Nothing but their numbers where it
    cannot be read.
    """
    if ROW_COLUMN not in headers:
        return RowNames()
    # What was planned has a copy of the list, which is opened at once.
    copy = draft.run_dir or draft.plan_dir
    found = _originals(copy) if copy is not None else _originals(draft.file, draft.reading)
    return _through(drafts, found, draft.mends)


def names_in_run(drafts: Drafts, run_dir: Path) -> RowNames:
    """What the rows of a run's list are called; blocks."""
    draft = next((one for one in drafts.all() if one.run_dir == run_dir), None)
    return _through(drafts, _originals(run_dir), draft.mends if draft is not None else None)


def _through(drafts: Drafts, originals: Mapping[int, int], mends: Path | None) -> RowNames:
    """The names where these are the rows of a run, whose list may be one of failed rows, too."""
    while mends is not None and originals and (before := _originals(mends)):
        originals = {row: before.get(number, number) for row, number in originals.items()}
        mends = next((one.mends for one in drafts.all() if one.run_dir == mends), None)
    return RowNames(originals)


def _originals(path: Path, reading: SourceOptions | None = None) -> Mapping[int, int]:
    with contextlib.suppress(ImporterError):
        return _read(path, reading)
    return {}


@lru_cache(maxsize=64)
def _read(path: Path, reading: SourceOptions | None) -> Mapping[int, int]:
    """The numbers in a draft's list, or in a run's copy: neither is ever changed."""
    return library.original_rows(path, reading=reading)
