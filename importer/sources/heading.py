"""The columns' names: of the header row that was found, of merged headers, of repeated ones.

A header merged over several rows stands in each of them: a header of two rows, where some cells
are merged downwards and others are divided below, is its lowest row, with the names above where
that is blank. A header merged over several columns names the first of them only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.model import Problem, Severity
from importer.sources.grid import column_letters
from importer.sources.header import LOOKED_AT, find_header, header_text, is_blank

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from importer.sources.grid import Merge
    from importer.sources.source import Layout

_DEEPEST = 4
"""Rows that a header may have; what is merged over more is no header."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Heading:
    """The row of the header, the columns' names, and what is wrong with them."""

    row: int
    names: tuple[str, ...]
    problems: tuple[Problem, ...]


def find_heading(
    filled: Sequence[tuple[int, list[str]]], layout: Layout, wanted: int | None
) -> Heading:
    """The heading, given the first rows that hold something; raises SourceError if there is none.

    `wanted` is the row that was named as the header's.
    """
    number, problems = _row(filled, layout, wanted)
    rows = dict(filled)
    merges = [
        merge
        for merge in layout.merges.of_headers()
        if merge.top < number <= merge.bottom + 1 and merge.bottom - merge.top < _DEEPEST
    ]
    lowest = max((merge.bottom + 1 for merge in merges), default=number)
    if wanted is None and lowest in rows:
        number = lowest
    header = _merged_downwards(number, rows, merges)
    below = [row for at, row in filled if at > number]
    names = _named_columns(header, below, layout)
    more = (*_merged_problems(number, names, merges), *_repeated_problems(names))
    return Heading(number, names, (*problems, *more))


def _row(
    filled: Sequence[tuple[int, list[str]]], layout: Layout, wanted: int | None
) -> tuple[int, tuple[Problem, ...]]:
    if wanted is not None:
        if any(number == wanted for number, _ in filled):
            return wanted, ()
        raise SourceError(
            f"{layout.place}: row {wanted} is to be the header row, but it is blank or beyond the"
            " last row.",
            "Leave it out, and the header row is found by looking.",
        )
    looked_at = filled[:LOOKED_AT]
    index, sure = find_header([row for _, row in looked_at])
    number = looked_at[index][0]
    if sure:
        return number, ()
    unsure = Problem(
        row=number,
        column=None,
        target=None,
        code="header_unsure",
        message=f"row {number} was taken for the header row, but it looks like data",
        hint="Put a row with the columns' names above the data, or name the row: --header-row N.",
        severity=Severity.WARNING,
    )
    return number, (unsure,)


def _merged_downwards(
    number: int, rows: Mapping[int, list[str]], merges: Sequence[Merge]
) -> list[str]:
    """The header row, its blanks filled from the rows above that its merged cells begin in."""
    header = list(rows[number])
    tops = [merge.top + 1 for merge in merges if merge.top < merge.bottom]
    for above in range(number - 1, min(tops, default=number) - 1, -1):
        for column, cell in enumerate(rows.get(above, ())):
            if column < len(header) and is_blank(header[column]):
                header[column] = cell
    return header


def _named_columns(
    header: Sequence[str], below: Sequence[Sequence[str]], layout: Layout
) -> tuple[str, ...]:
    """The headers; columns at the end that have neither a header nor data are dropped.

    In a text file, only the rows that have been looked at can tell: a later row with a cell there
    is reported as ragged.
    """
    headers = [header_text(cell) for cell in header]
    width = len(headers)
    if layout.open_ended:
        while width and not headers[width - 1]:
            if any(len(row) >= width and not is_blank(row[width - 1]) for row in below):
                break
            width -= 1
    return tuple(headers[:width])


def _merged_problems(
    number: int, names: Sequence[str], merges: Sequence[Merge]
) -> Iterator[Problem]:
    for merge in merges:
        last = min(merge.right, len(names) - 1)
        covers = merge.top < number <= merge.bottom + 1
        if not covers or last <= merge.left or not names[merge.left]:
            continue
        first, end = column_letters(merge.left), column_letters(last)
        yield _warning(
            "merged_header",
            names[merge.left],
            f'the header "{names[merge.left]}" is merged over columns {first} to {end}; it names'
            f" column {first} only",
            "Give each column a header of its own, if the others are to be imported.",
        )


def _repeated_problems(names: Sequence[str]) -> Iterator[Problem]:
    places = defaultdict(list)
    for column, name in enumerate(names):
        places[name].append(column_letters(column))
    for name, letters in places.items():
        if name and len(letters) > 1:
            shown = ", ".join(letters[:_SHOWN]) + (" …" if len(letters) > _SHOWN else "")
            yield _warning(
                "duplicate_header",
                name,
                f'the header "{name}" stands {len(letters)} times (columns {shown})',
                "A mapping cannot tell these columns apart: rename those it is to use.",
            )


def _warning(code: str, column: str, message: str, hint: str) -> Problem:
    return Problem(None, column, None, code, message, hint=hint, severity=Severity.WARNING)
