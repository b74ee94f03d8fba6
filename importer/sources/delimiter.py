"""Which character divides the cells of a text file.

A first line ``sep=;`` decides, as it does in Excel. Otherwise each of ``, ; tab |`` is tried on
the first records, quotes respected, and scored by

    consistency² x log2(cells) x tight

where `cells` is the commonest number of cells in a record, `consistency` the mean of the share of
records that have that many and the share that have two or more (a few ragged rows do not hide the
delimiter), and `tight` the share of cells that do not begin with a blank: a comma inside text is
followed by one. Below `_LEAST` nothing divides the file: it has one column, and is read with a
character that does not stand in it.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter

from importer.errors import SourceError

SAMPLE = 2**18
"""Characters of the file that are looked at."""

_CANDIDATES = (";", ",", "\t", "|")
_RECORDS = 500
_LEAST = 0.3
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


def _score(sample: str, mark: str) -> float:
    if mark not in sample:
        return 0.0
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=mark):
            if any(row):
                rows.append(row)
            if len(rows) > _RECORDS:
                break
    except csv.Error:
        pass  # a quote that is never closed under this delimiter; what came before it counts
    if len(sample) >= SAMPLE and len(rows) > 1:
        rows.pop()  # the sample ends in the middle of it
    widths = Counter(map(len, rows))
    if not widths:
        return 0.0
    cells, records = max(widths.items(), key=lambda item: (item[1], item[0]))
    if cells < 2:
        return 0.0
    later = [cell for row in rows for cell in row[1:]]
    tight = 1 - sum(cell.startswith(" ") for cell in later) / len(later)
    divided = sum(len(row) > 1 for row in rows)
    consistency = (records + divided) / (2 * len(rows))
    return float(consistency**2 * math.log2(cells) * tight)
