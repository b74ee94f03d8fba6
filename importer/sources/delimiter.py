"""Which character divides the cells of a text file.

A first line ``sep=;`` decides, as it does in Excel. Otherwise each of ``, ; tab |`` is tried on
the first records, quotes respected, and scored by

    consistency² x log2(cells) x tight

where `cells` is the commonest number of cells in a record of two or more. Only the table counts:
the records from the first to the last of that width. `consistency` is the mean of the share of them
that have that many cells and the share that have two or more (a few ragged rows do not hide the
delimiter). Lines of one cell above and below, which are titles and footers, count for little there
(`_ABOVE`, `_BELOW`), unless another of the characters divides them or the table is too small to be
sure of. `tight` is the share of cells that do not begin with a blank: a comma inside text is
followed by one. Where every record has three cells or more, the same number, blanks count half.
Below `_LEAST` nothing divides the file: it has one column, and is read with a character that does
not stand in it.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter

from importer.errors import SourceError
from importer.sources.quoting import blanks_before_quotes

SAMPLE = 2**18
"""Characters of the file that are looked at."""

_CANDIDATES = (";", ",", "\t", "|")
_RECORDS = 500
_LEAST = 0.3
_ABOVE, _BELOW = 0.05, 0.2
"""What a line of one cell counts above the table, and below it."""
_SURE = 3
"""Records of two cells that make a table, whatever stands above and below."""
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<mark>[^\r\n"])"?[ \t]*(?:[\r\n]|$)', re.IGNORECASE)
_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def separator_line(sample: str) -> str | None:
    """The character that a first line ``sep=…`` names, if there is such a line."""
    found = _SEPARATOR_LINE.match(sample)
    return found["mark"] if found else None


def find_delimiter(sample: str, option: str | None) -> str:
    """The delimiter of a text whose first `SAMPLE` characters are given; `option` beats all."""
    if option is not None:
        mark = _NAMES.get(option.lower(), option)
        if len(mark) != 1 or mark in '"\r\n\0':
            raise SourceError(
                f"delimiter {option!r} cannot divide cells.",
                "Use one character, such as ; or , or |, or the word tab.",
            )
        return mark
    if (mark_named := separator_line(sample)) is not None:
        return mark_named
    scores = {mark: _score(sample, mark) for mark in _CANDIDATES}
    best = max(scores, key=scores.__getitem__)
    if scores[best] >= _LEAST:
        return best
    return next((mark for mark in (",", ";", "\t", "|") if mark not in sample), "\x1f")


def is_divided(sample: str) -> bool:
    """Whether one of the characters divides the text for certain."""
    return any(_score(sample, mark) >= _LEAST for mark in _CANDIDATES)


def _score(sample: str, mark: str) -> float:
    if mark not in sample:
        return 0.0
    rows = _records(sample, mark)
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return 0.0
    cells, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    places = [index for index, row in enumerate(rows) if len(row) == cells]
    first, last = places[0], places[-1]
    table = rows[first : last + 1]
    is_sure = count >= _SURE or cells > 2
    above = _outside(rows[:first], mark, _ABOVE if is_sure else 1)
    below = _outside(rows[last + 1 :], mark, _BELOW if is_sure else 1)
    if first and _is_header_of_another(rows[first - 1], table, mark):
        above += len(table) / 2
    weight = len(table) + above + below
    divided = sum(len(row) > 1 for row in table)
    consistency = (count + divided) / (2 * weight)
    later = [cell for row in table for cell in row[1:]]
    blank = sum(cell.startswith(" ") for cell in later) / len(later)
    uniform = len(widths) == 1 and cells > 2 and count == len(rows) > 1
    tight = 1 - blank / 2 if uniform else 1 - blank
    return float(consistency**2 * math.log2(cells) * tight)


def _outside(rows: list[list[str]], mark: str, weight: float) -> float:
    """What records above or below the table count."""
    return sum(1 if _divided_otherwise(row, mark) else weight for row in rows)


def _divided_otherwise(row: list[str], mark: str) -> bool:
    """Whether a record is no title: this character divides it, or another might."""
    others = "".join(other for other in _CANDIDATES if other != mark)
    within = re.search(f"[{re.escape(others)}](?! )", row[0].rstrip(others))
    return len(row) > 1 or within is not None


def _is_header_of_another(above: list[str], table: list[list[str]], mark: str) -> bool:
    """Whether another mark divides the record above the table and the table, too.

    Then that record is most likely the header, and `mark` divides the values of one column.
    """
    others = [other for other in _CANDIDATES if other != mark and other in "".join(above)]
    return any(all(any(other in cell for cell in row) for row in table) for other in others)


def _records(sample: str, mark: str) -> list[list[str]]:
    """The first records that hold something."""
    rows: list[list[str]] = []
    try:
        spaced = blanks_before_quotes(sample, mark)
        text = io.StringIO(sample, newline="")
        for row in csv.reader(text, delimiter=mark, skipinitialspace=spaced):
            if any(row):
                rows.append(row)
            if len(rows) > _RECORDS:
                break
    except csv.Error:
        pass  # a quote that is never closed under this delimiter; what came before it counts
    if len(sample) >= SAMPLE and len(rows) > 1:
        rows.pop()  # the sample ends in the middle of it
    return rows
