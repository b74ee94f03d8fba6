"""Where the header row is, and what the headers are.

Above a header there may be titles, dates and blank lines, which are narrower than the table. So:
a row's width is the number of its cells that are not blank; the table's width is the upper
quartile of the widths of the first rows (a few overlong ones do not count). The header is the
first row with words in more than half as many cells as the table is wide. A word has letters, no
``@``, and no more digits than letters. If no row is like that, the first one at least 0.6 times
as wide as the table is taken, and a warning says so. A file with one column thus has its header in
its first row.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from importer.model import BLANKS, as_spreadsheets_show

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKED_AT = 64
"""Rows, blank ones apart, among which the header is looked for."""

_WIDE = 0.6
_WORDY = 0.5


def is_blank(cell: str) -> bool:
    """Whether a cell shows nothing."""
    return not cell or not cell.strip(BLANKS)


def header_text(cell: str) -> str:
    """A header as mappings name it: as spreadsheets show it, trimmed, in Unicode NFC."""
    text = as_spreadsheets_show(cell.strip(BLANKS)).strip(BLANKS)
    return unicodedata.normalize("NFC", text)


def find_header(rows: Sequence[Sequence[str]]) -> tuple[int, bool]:
    """The index of the header among the first rows, and whether it looks like one.

    At least one of `rows` must hold something.
    """
    widths = [sum(not is_blank(cell) for cell in row) for row in rows]
    filled = sorted(width for width in widths if width)
    table = filled[-(-3 * (len(filled) - 1) // 4)]
    for index, row in enumerate(rows):
        if sum(map(_is_word, row)) > _WORDY * table:
            return index, True
    return next(i for i, width in enumerate(widths) if width >= _WIDE * table), False


def _is_word(cell: str) -> bool:
    letters = sum(map(str.isalpha, cell))
    return letters > 0 and "@" not in cell and sum(map(str.isdigit, cell)) <= letters
