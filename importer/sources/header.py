"""Where the header row is, and what the columns are called.

Above a header there may be titles, dates and blank lines, which are narrower than the table. So:
a row's width is the number of its cells that are not blank; the table's width is the upper
quartile of the widths of the first rows (a few overlong ones do not count). The header is the
first row with words in more than half as many cells as the table is wide. A word has letters, no
``@``, and no more digits than letters. If no row is like that, the first one at least 0.6 times
as wide as the table is taken, and a warning says so; so it does of one that holds a phone or an
e-mail address. Rows with labels and their values (``Date:``) are passed over, and so are titles of
groups of columns, where the row below has a word for each column and phones or e-mail addresses
stand below it. A file with one column thus has its header in
its first row.

A header merged over several rows stands in each of them: a header of two rows, where some cells
are merged downwards and others are divided below, is its lowest row, with the names above where
that is blank. A header merged over several columns names the first of them only.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.model import BLANKS, Problem, Severity, as_spreadsheets_show, column_letters
from importer.sources.source import file_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from importer.sources.grid import Merge
    from importer.sources.source import Layout

LOOKED_AT = 64
"""Rows that are not blank, among which the header is looked for."""

_WIDE = 0.6
_WORDY = 0.5
_DATA = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+|\+?\(?\d(?:[\s./()-]*\d){7,}")
"""An e-mail address, or digits as phones have them: no name of a column."""
_DEEPEST = 4
"""Rows that a header may have; what is merged over more is no header."""
_SHOWN = 5


def is_blank(cell: str) -> bool:
    """Whether a cell shows nothing."""
    return not cell or not cell.strip(BLANKS)


@dataclass(frozen=True, slots=True)
class Header:
    """The number of the header's row, the columns' names, and what is wrong with them."""

    row: int
    names: tuple[str, ...]
    problems: tuple[Problem, ...]


def find_header(
    filled: Sequence[tuple[int, list[str]]], layout: Layout, wanted: int | None
) -> Header:
    """The header; `filled` are the first rows that hold something, each with its number.

    `wanted` is the number of the row that the user named as the header. Raises SourceError where
    that is none of these.
    """
    number, problems = _header_row(filled, layout, wanted)
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
    return Header(number, names, (*problems, *more))


def _header_row(
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
    index, is_sure = _find_row([row for _, row in looked_at])
    number = looked_at[index][0]
    if is_sure and not any(_DATA.fullmatch(cell.strip(BLANKS)) for cell in looked_at[index][1]):
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


def _find_row(rows: Sequence[Sequence[str]]) -> tuple[int, bool]:
    """The index of the header among the first rows, and whether it has words enough.

    At least one of `rows` must hold something.
    """
    widths = [sum(not is_blank(cell) for cell in row) for row in rows]
    filled = sorted(width for width in widths if width)
    table = filled[-(-3 * (len(filled) - 1) // 4)]
    for index, row in enumerate(rows):
        if sum(map(_is_word, row)) > _WORDY * table and not _has_labels(row):
            return _below_titles(rows, index), True
    return next(i for i, width in enumerate(widths) if width >= _WIDE * table), False


def _has_labels(row: Sequence[str]) -> bool:
    """Whether a row has a label and its value beside it, as forms have them: Date: 29.11.2026."""
    return any(
        label.rstrip(BLANKS).endswith(":") and not is_blank(value) and not value.endswith(":")
        for label, value in pairwise(cell.rstrip(BLANKS) for cell in row)
    )


def _below_titles(rows: Sequence[Sequence[str]], index: int) -> int:
    """The header, where the row that looks like one has the titles of groups of columns.

    The row below it is the header if it has a word wherever that has one, and more besides, which
    data below a header never have: there is more than words in them.
    """
    if index + 2 >= len(rows):
        return index
    upper, lower, data = rows[index : index + 3]
    titles = {at for at, cell in enumerate(upper) if not is_blank(cell)}
    words = {at for at, cell in enumerate(lower) if _is_word(cell)}
    filled = {at for at, cell in enumerate(lower) if not is_blank(cell)}
    is_data = any(at < len(data) and _DATA.fullmatch(data[at].strip(BLANKS)) for at in words)
    return index + 1 if titles < words == filled and is_data else index


def _is_word(cell: str) -> bool:
    letters = sum(map(str.isalpha, cell))
    return letters > 0 and "@" not in cell and sum(map(str.isdigit, cell)) <= letters


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


def header_text(cell: str) -> str:
    """A header as mappings name it: as spreadsheets show it, trimmed, in Unicode NFC."""
    text = as_spreadsheets_show(cell.strip(BLANKS)).strip(BLANKS)
    return unicodedata.normalize("NFC", text)


def _merged_problems(
    number: int, names: Sequence[str], merges: Sequence[Merge]
) -> Iterator[Problem]:
    for merge in merges:
        last = min(merge.right, len(names) - 1)
        covers = merge.top < number <= merge.bottom + 1
        if not covers or last <= merge.left or not names[merge.left]:
            continue
        first, end = column_letters(merge.left), column_letters(last)
        yield file_warning(
            "merged_header",
            f'the header "{names[merge.left]}" is merged over columns {first} to {end}; it names'
            f" column {first} only",
            "Give each column a header of its own, if the others are to be imported.",
            column=names[merge.left],
        )


def _repeated_problems(names: Sequence[str]) -> Iterator[Problem]:
    places = defaultdict(list)
    for column, name in enumerate(names):
        places[name].append(column_letters(column))
    for name, letters in places.items():
        if name and len(letters) > 1:
            shown = ", ".join(letters[:_SHOWN]) + (" …" if len(letters) > _SHOWN else "")
            yield file_warning(
                "duplicate_header",
                f'the header "{name}" stands {len(letters)} times (columns {shown})',
                "A mapping cannot tell these columns apart: rename those it is to use.",
                column=name,
            )
