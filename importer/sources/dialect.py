"""What divides the cells of a text file, and how they are quoted.

**The delimiter.** A first line ``sep=;`` decides, as it does in Excel. Otherwise each of
``, ; tab |`` is tried on the first records, quotes respected, and scored by

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

**Quotes.** The rules are those of RFC 4180: a cell that begins with a quote ends with one, and a
quote within it is doubled. Blanks between a cell's last quote and the delimiter are no part of it.
Programs break the rules in three ways that can be told from the text:

- A quote within a cell has a backslash before it, as exports of MySQL and PHP have.
- A blank stands between the delimiter and a cell's first quote: ``"Ann", "Vác"``.
- Each line is in quotes as a whole: the file was opened as one column, and saved.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from importer.errors import SourceError
from importer.settings import delimiter_name, delimiter_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLE = 2**18
"""Characters of the file that are looked at."""

DELIMITERS = (";", ",", "\t", "|")
"""The characters that are tried as delimiters."""
_MOST_RECORDS = 500
_LEAST = 0.3
"""The score from which on a character divides the file."""
_ABOVE, _BELOW = 0.05, 0.2
"""What a line of one cell counts above the table, and below it."""
_SURE = 3
"""Records of two cells that make a table, whatever stands above and below."""
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<mark>[^\r\n"])"?[ \t]*(?:[\r\n]|$)', re.IGNORECASE)


def separator_line(sample: str) -> str | None:
    """The character that a first line ``sep=…`` names, if there is such a line."""
    found = _SEPARATOR_LINE.match(sample)
    return found["mark"] if found else None


def find_delimiter(sample: str, option: str | None) -> str:
    """The delimiter of a text whose first `SAMPLE` characters are given; `option` beats all."""
    if option is not None:
        mark = delimiter_named(option)
        if len(mark) != 1 or mark in '"\r\n\0':
            raise SourceError(
                f"delimiter {option!r} cannot divide cells.",
                'Use one character in quotes, as in --delimiter ";", or the word tab.',
            )
        return mark
    if (mark_named := separator_line(sample)) is not None:
        return mark_named
    scores = {mark: _score(sample, mark) for mark in DELIMITERS}
    best = max(scores, key=scores.__getitem__)
    if scores[best] >= _LEAST:
        return best
    return next((mark for mark in (",", ";", "\t", "|") if mark not in sample), "\x1f")


def is_divided(sample: str) -> bool:
    """Whether one of the characters divides the text for certain."""
    return any(_score(sample, mark) >= _LEAST for mark in DELIMITERS)


def _score(sample: str, mark: str) -> float:
    """How well a character divides the text; the module's docstring has the formula."""
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
    others = "".join(other for other in DELIMITERS if other != mark)
    within = re.search(f"[{re.escape(others)}](?! )", row[0].rstrip(others))
    return len(row) > 1 or within is not None


def _is_header_of_another(above: list[str], table: list[list[str]], mark: str) -> bool:
    """Whether another mark divides the record above the table and the table, too.

    Then that record is most likely the header, and `mark` divides the values of one column.
    """
    others = [other for other in DELIMITERS if other != mark and other in "".join(above)]
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
            if len(rows) > _MOST_RECORDS:
                break
    except csv.Error:
        pass  # a quote that is never closed under this delimiter; what came before it counts
    if len(sample) >= SAMPLE and len(rows) > 1:
        rows.pop()  # the sample ends in the middle of it
    return rows


# ── quotes ───────────────────────────────────────────────────────────────────────────────────────

_LONGEST_RUN = 2**16
"""Backslashes in a row that are waited for at the end of a block."""
_ESCAPED_TEXT = re.compile(r'(\\+)"')
_ESCAPED = re.compile(rb'(\\+)"')
_WHOLE_LINE = re.compile(r'"(?:[^"]|"")*"')
_MOST_LINES = 500
"""Lines that have to be in quotes as a whole, so that all are taken to be."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What divides cells, and how they are quoted.

    With `blanks_before_quotes`, blanks at a cell's beginning do not count. With `backslashes`, a
    quote behind a backslash is a part of its cell.
    """

    delimiter: str
    blanks_before_quotes: bool = False
    backslashes: bool = False


def find_dialect(sample: str, delimiter: str) -> Dialect:
    """How the cells of a text are quoted that the delimiter divides; `sample` is its beginning."""
    spaced = blanks_before_quotes(sample, delimiter)
    dialect = Dialect(delimiter, spaced)
    if '\\"' in sample:
        doubled = _ESCAPED_TEXT.sub(lambda found: _doubled(len(found[1])), sample)
        if _irregular(doubled, dialect) < _irregular(sample, dialect):
            return Dialect(delimiter, spaced, backslashes=True)
    return dialect


def _irregular(text: str, dialect: Dialect) -> int:
    """How many records have a quote where RFC 4180 allows none."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.delimiter,
        skipinitialspace=dialect.blanks_before_quotes,
        strict=True,
    )
    count = 0
    while True:
        try:
            next(reader)
        except StopIteration:
            return count
        except csv.Error:
            count += 1


def blanks_before_quotes(sample: str, delimiter: str) -> bool:
    """Whether cells in quotes have a blank before them, as in ``"Ann", "Vác"``."""
    mark = re.escape(delimiter)
    cell = mark + r' +"[^"\r\n]*"(?:' + mark + r"| *[\r\n]| *$)"
    return delimiter != " " and re.search(cell, sample) is not None


def doubled_quotes(blocks: Iterator[bytes]) -> Iterator[bytes]:
    r"""A text with quotes behind backslashes, as one with doubled quotes; both are UTF-8.

    Before a quote, two backslashes stand for one: ``\\"`` is a backslash, and the cell's end.
    """
    rest = b""
    for block in blocks:
        text = rest + block
        end = len(text.rstrip(b"\\"))
        text, rest = (text[:end], text[end:]) if len(text) - end < _LONGEST_RUN else (text, b"")
        if b'\\"' in text:
            text = _ESCAPED.sub(lambda found: _doubled(len(found[1])).encode(), text)
        if text:
            yield text
    if rest:
        yield rest


def _doubled(backslashes: int) -> str:
    quote = '""' if backslashes % 2 else '"'
    return "\\" * (backslashes // 2) + quote


class MeantCells(NamedTuple):
    """The cells of a record, and whether a quote within one of them is not doubled."""

    cells: list[str]
    stray: bool


def cells_as_meant(line: str, dialect: Dialect) -> MeantCells | None:
    """The cells of a record in one line where a quote stands that the rules of CSV do not allow.

    A cell in quotes ends at the first quote that is followed by the delimiter or the line's end,
    blanks apart, unless it is doubled. None where a cell does not end.
    """
    mark = re.escape(dialect.delimiter)
    blanks = "[ \\t]*" if dialect.delimiter not in " \t" else ""
    closing = re.compile(f'("+){blanks}(?:{mark}|$)')
    cells: list[str] = []
    stray, at = False, 0
    while True:
        start = at
        if dialect.blanks_before_quotes:
            start += len(line) - at - len(line[at:].lstrip(" "))
        if line[start : start + 1] != '"':
            end = line.find(dialect.delimiter, at)
            cells.append(line[start:] if end < 0 else line[start:end])
            if end < 0:
                return MeantCells(cells, stray)
            at = end + 1
            continue
        found = next(
            (run for run in closing.finditer(line, start + 1) if len(run[1]) % 2 == 1), None
        )
        if found is None:
            return None
        inner = line[start + 1 : found.end(1) - 1]
        stray = stray or any(len(run) % 2 for run in re.findall('"+', inner))
        cells.append(inner.replace('""', '"'))
        at = found.end()
        if not line[found.end(1) : at].endswith(dialect.delimiter):
            return MeantCells(cells, stray)


def text_within_quotes(sample: str, *, is_whole: bool) -> str:
    """The text of lines that are in quotes as a whole, without these; empty if one is not.

    `is_whole` says that `sample` is all of the text; else its last line may be cut.
    """
    lines = sample.splitlines()
    if not is_whole and len(lines) > 1:
        lines.pop()
    lines = [line.strip() for line in lines[:_MOST_LINES] if line.strip()]
    if len(lines) < 2 or not all(map(_WHOLE_LINE.fullmatch, lines)):
        return ""
    return "\n".join(line[1:-1] for line in lines).replace('""', '"')


# ── lists that seem to have one column ───────────────────────────────────────────────────────────

_NO_MARK = frozenset("'’\"()[]{}<>_-–.&/+%€$?")
"""Characters that stand in headers and cells of every list, and so show nothing by themselves."""
_OTHER_MARKS = frozenset(";,\t|~^¦§¬\x1f\x1e\x1d\x1c\x01")
"""Characters that divide cells wherever they stand between names of columns."""


def unusual_delimiter(header: str, lines: Sequence[str]) -> str | None:
    """What divides the cells of a list that seems to have one column, if something may.

    It stands between the parts of the header, and as often in nearly all `lines` of data.
    """
    runs = set(re.findall(r"[^\w\s]+|[\x1c-\x1f\x01]+|(?<=\S)(?:\t| {2,})(?=\S)", header))
    delimiters = {_bare(run) for run in runs}
    if len(delimiters) != 1:
        return None
    delimiter = " " if (only := delimiters.pop()) == "" else only
    parts = re.split(r" {2,}", header) if delimiter == " " else header.split(delimiter)
    if set(delimiter) <= _NO_MARK or not all(part.strip() for part in parts):
        return None
    divided = re.compile(r" {2,}" if delimiter == " " else re.escape(delimiter))
    # A line that is one cell in quotes is one cell, whatever it holds.
    bare = (re.sub(r'^"[^"]*"$', "", line.strip()) for line in lines if line.strip())
    counts = [len(divided.findall(line)) for line in bare]
    alike = sum(count == len(parts) - 1 for count in counts)
    return delimiter if counts and alike >= 0.9 * len(counts) else None


def delimiter_between_names(headers: Sequence[str], names: Sequence[str]) -> str | None:
    """What stands between the `names` of columns in one of the headers that holds several of them.

    None where no header does, or where different things stand between them.
    """
    wanted = sorted({name.strip().lower() for name in names} - {""}, key=len, reverse=True)
    if not wanted:
        return None
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, wanted)) + r")(?![^\W_])")
    for header in headers:
        lowered = header[:_LONGEST_HEADER].lower()
        found = list(pattern.finditer(lowered.replace("_", " ")))
        if len({match[0] for match in found}) < 2:
            continue
        before = (re.search(r"[\W_]+$", lowered[: match.start()]) for match in found)
        after = (re.match(r"[\W_]+", lowered[match.end() :]) for match in found)
        delimiters = {_bare(run[0]) for run in (*before, *after) if run is not None}
        delimiters.discard('"')
        if len(delimiters) != 1:
            continue
        delimiter = delimiters.pop() or " "
        if len(headers) == 1 or set(delimiter) <= _OTHER_MARKS:
            return delimiter
    return None


_LONGEST_HEADER = 10_000
"""Characters of a header in which names are looked for."""


def _bare(run: str) -> str:
    """What stands between two cells, without blanks around it, if there is anything else."""
    return run if run == "\t" else run.strip(' "')


def delimiter_hint(delimiter: str, *, is_text: bool) -> str:
    """What to do where `delimiter` divides cells that were taken for one."""
    if not is_text:
        return (
            f'Cells of a row stand in one, divided by "{delimiter}". Divide them in the spreadsheet'
            " program (in Excel: Data > Text to Columns), and save the list."
        )
    if delimiter == " ":
        return (
            "Only one column was found; if blanks divide the cells, open the list in a spreadsheet"
            " program as text of fixed width, and save it as .xlsx."
        )
    if len(delimiter) > 1:
        return (
            f'Only one column was found; if "{delimiter}" divides the cells: that is more than one'
            " character. Replace it by a tab in a text editor, and import that copy."
        )
    name = delimiter_name(delimiter)
    quoted = f"'{name}'" if name in "$`!\\" else f'"{name}"'
    return f"Only one column was found; if {name} divides the cells: --delimiter {quoted}"
