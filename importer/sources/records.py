"""The records of a text file, in parts, under limits that keep memory flat.

The file comes in blocks, so that memory does not depend on its length. A quote that is never
closed cannot swallow it, since a cell has a greatest length; nor can a record of cells without
number, since it has one too; and a part ends where its text is long, however few its records.
"""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.settings import BATCH_ROWS
from importer.sources.grid import LONGEST_CELL
from importer.sources.source import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE = 4 * 2**20
"""Characters of a record, or of a line; a row of 16,384 columns takes far fewer."""
MOST_CELLS_IN_ROW = 16_384
"""As many as a sheet has columns; some programs export all of them, most of them blank."""

_PART = 8 * 2**20
"""Characters after which a part of the file ends, though it has fewer rows than others."""
_STEP = 8
_END = "\ue000\ue001\ue002"
"""Fed to the parser after the file: it comes back as a record of its own unless a quote is open."""


class _EndlessLine(Exception):  # noqa: N818 -- a signal to the caller, who knows the row
    """No end of a record within `LONGEST_LINE` characters."""


@dataclass(slots=True)
class _Feed:
    """What has been fed to the parser; `cells` are the records it has made of it since."""

    cells: list[list[str]] = field(default_factory=list)
    fed: int = 0

    def lines(self, blocks: Iterator[str]) -> Iterator[io.StringIO]:
        """The text in pieces that end at a line break and can be iterated by lines, then `_END`."""
        rest = ""
        known, since = (self.cells, 0), 0
        for block in blocks:
            text = rest + block
            # A CR that is the last character may be the first half of a CR LF.
            cut = text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
            rest = text[cut:]
            if len(rest) > LONGEST_LINE:
                raise _EndlessLine
            if not cut:
                continue
            made = (self.cells, len(self.cells))
            if made[0] is known[0] and made[1] == known[1]:
                since += cut
                if since > 2 * LONGEST_LINE:
                    raise _EndlessLine
            else:
                known, since = made, 0
            self.fed += cut
            yield io.StringIO(text[:cut], newline="")
        if rest:
            yield io.StringIO(rest, newline="")
            if not rest.endswith(("\r", "\n")):
                # Within a quote the break becomes part of the cell, and the cell is refused anyway.
                yield io.StringIO("\n", newline="")
        yield io.StringIO(_END, newline="")


def records(blocks: Iterator[str], place: str, delimiter: str, sep_line: bool) -> Iterator[Rows]:
    """All records, blank ones too, in parts of at most `BATCH_ROWS`.

    With `sep_line`, the first line is no row. Raises SourceError, naming the row, where a record
    cannot be read or is over a limit; `place` names the file.
    """
    feed = _Feed()
    lines = chain.from_iterable(feed.lines(blocks))
    reader = csv.reader(lines, delimiter=delimiter)
    first = 1
    while True:
        cells: list[list[str]] = []
        feed.cells = cells
        ended = False
        try:
            with _cell_limit():
                # What was parsed before an error stays in the list, and so tells the row.
                ended = _fill(reader, feed)
        except (csv.Error, _EndlessLine, OSError) as error:
            raise _unreadable(place, first + len(cells), error) from None
        widest = max(map(len, cells), default=0)
        if widest > MOST_CELLS_IN_ROW:
            row = first + next(i for i, row in enumerate(cells) if len(row) == widest)
            raise _too_wide(place, row, widest)
        if ended and cells and cells.pop() != [_END]:
            raise _unclosed(place, first + len(cells))
        if first == 1 and sep_line and cells:
            del cells[0]
        if cells:
            yield Rows(first, cells)
        if ended:
            return
        first += len(cells)


def _fill(reader: Iterator[list[str]], feed: _Feed) -> bool:
    """Parse a part into `feed.cells`; say whether the file has ended."""
    cells, start = feed.cells, feed.fed
    while len(cells) < BATCH_ROWS and feed.fed - start < _PART:
        before = len(cells)
        cells.extend(islice(reader, _STEP))
        if len(cells) - before < _STEP:
            return True
        if len(cells[-1]) > MOST_CELLS_IN_ROW:
            break
    return bool(cells[-1]) and cells[-1][-1].endswith(_END)


@contextmanager
def _cell_limit() -> Iterator[None]:
    """Parse under our limit: the one of the csv module is global and may have been lifted."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _unreadable(place: str, row: int, error: Exception) -> SourceError:
    if isinstance(error, OSError):
        return SourceError(
            f"{place}: cannot be read beyond row {row - 1} ({error.strerror or error}).",
            "Is the drive or network it is on still there? Copy the file to this machine.",
        )
    if isinstance(error, _EndlessLine):
        return SourceError(
            f"{place}: row {row} is longer than {LONGEST_LINE:,} characters without a line break.",
            "This is not a list, or its line breaks were lost: export it again.",
        )
    if "field larger" in str(error):
        return SourceError(
            f"{place}: a cell of row {row} is longer than {LONGEST_CELL:,} characters.",
            f'Most likely a quote (") opens in row {row} and is never closed: close or remove it.',
        )
    return SourceError(
        f"{place}: row {row} cannot be read ({error}).",
        "Open the file in a spreadsheet program and save it anew, or save it as .xlsx.",
    )


def _too_wide(place: str, row: int, cells: int) -> SourceError:
    return SourceError(
        f"{place}: row {row} has {cells:,} cells; {MOST_CELLS_IN_ROW:,} are read at most.",
        "This is not a list, or another character divides its cells: name it by --delimiter.",
    )


def _unclosed(place: str, row: int) -> SourceError:
    return SourceError(
        f'{place}: a quote (") opens in row {row} and is never closed.',
        f"Close or remove the quote in row {row}: all that follows it would be one cell.",
    )
