"""Text files: one cell after the other, divided by a character, a record a row.

The row number is that of the record, as spreadsheet programs count: a cell in quotes may hold line
breaks and is still in one row, and blank lines count. A line ``sep=;`` is no row: spreadsheet
programs do not show it. Lines may end in LF, CR LF or CR. The file is read in blocks, so that
memory does not depend on its length, and a quote that is never closed cannot swallow it: a cell
has a greatest length.
"""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.model import Problem, Severity, SourceInfo
from importer.settings import BATCH_ROWS
from importer.sources.delimiter import SAMPLE, find_delimiter, separator_line
from importer.sources.detect import Kind
from importer.sources.encoding import find_encoding, text_blocks
from importer.sources.header import BLANKS
from importer.sources.source import Layout, Rows, Source, shown_path
from importer.sources.table import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from importer.settings import SourceOptions

LONGEST_CELL = 131_072
"""Characters; four times what a cell of a spreadsheet program can hold."""

LONGEST_LINE = 8 * 2**20
"""Characters without a line break; a row of 16,384 columns takes far fewer."""

_END = "\ue000\ue001\ue002"
"""Fed to the parser after the file: it comes back as a record of its own unless a quote is open."""


class _EndlessLine(Exception):  # noqa: N818 -- a signal to the caller, who knows the row
    """No line break within `LONGEST_LINE` characters."""


def open_delimited(path: Path, options: SourceOptions) -> Source:
    """Open a text file; encoding and delimiter are found by looking unless the options say."""
    encoding = find_encoding(path, options.encoding)
    file = path.open("rb")
    try:
        sample = _sample(text_blocks(file, path, encoding))
        _refuse_blank(path, encoding, sample)
        _refuse_binary(path, sample)
        delimiter = find_delimiter(sample, options.delimiter)
        file.seek(0)
        blocks = text_blocks(file, path, encoding)
        rows = _records(blocks, str(path), delimiter, separator_line(sample) is not None)
        table = read_table(rows, Layout(place=str(path)), options)
    except BaseException:
        file.close()
        raise
    info = SourceInfo(
        path=shown_path(path),
        kind=Kind.TEXT.value,
        headers=table.headers,
        header_row=table.header_row,
        encoding=encoding,
        delimiter=delimiter,
        problems=(*_ignored(options), *table.problems),
    )
    return Source(info, table.batches, file.close)


def _sample(blocks: Iterator[str]) -> str:
    parts: list[str] = []
    length = 0
    for text in blocks:
        parts.append(text)
        length += len(text)
        if length >= SAMPLE:
            break
    return "".join(parts)[:SAMPLE]


def _refuse_blank(path: Path, encoding: str, sample: str) -> None:
    if sample.strip(BLANKS):
        return
    with path.open("rb") as file:
        if all(not text.strip(BLANKS) for text in text_blocks(file, path, encoding)):
            raise SourceError(
                f"{path}: this file is empty.", "Was it saved or downloaded completely?"
            )


def _refuse_binary(path: Path, sample: str) -> None:
    odd = sum(sample.count(chr(code)) for code in (*range(9), *range(0x0E, 0x1A), *range(0x1B, 32)))
    if odd > 32 and odd > 0.02 * len(sample):
        raise SourceError(
            f"{path}: this is not a text file or a workbook.",
            "Give a CSV or .xlsx file. If it is text, name its encoding, such as"
            " --encoding utf-16.",
        )


def _ignored(options: SourceOptions) -> Iterator[Problem]:
    if options.sheet is not None:
        yield Problem(
            row=None,
            column=None,
            target=None,
            code="option_ignored",
            message=f"a text file has no sheets, so sheet {options.sheet!r} was ignored",
            severity=Severity.WARNING,
        )


def _records(blocks: Iterator[str], place: str, delimiter: str, sep_line: bool) -> Iterator[Rows]:
    """All records, blank ones too, in parts of `BATCH_ROWS`."""
    reader = csv.reader(chain.from_iterable(_lines(blocks)), delimiter=delimiter)
    first = 1
    while True:
        cells: list[list[str]] = []
        try:
            with _cell_limit():
                # What was parsed before an error stays in the list, and so tells the row.
                cells.extend(islice(reader, BATCH_ROWS))
        except (csv.Error, _EndlessLine, OSError) as error:
            raise _unreadable(place, first + len(cells), error) from None
        ended = len(cells) < BATCH_ROWS or (bool(cells[-1]) and cells[-1][-1].endswith(_END))
        if ended and cells and cells.pop() != [_END]:
            raise _unclosed(place, first + len(cells))
        if first == 1 and sep_line and cells:
            del cells[0]
        if cells:
            yield Rows(first, cells)
        if ended:
            return
        first += len(cells)


def _lines(blocks: Iterator[str]) -> Iterator[io.StringIO]:
    """The text in pieces that end at a line break and can be iterated by lines, then `_END`."""
    rest = ""
    for block in blocks:
        text = rest + block
        # A CR that is the last character may be the first half of a CR LF.
        cut = text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
        rest = text[cut:]
        if len(rest) > LONGEST_LINE:
            raise _EndlessLine
        if cut:
            yield io.StringIO(text[:cut], newline="")
    if rest:
        yield io.StringIO(rest, newline="")
        if not rest.endswith(("\r", "\n")):
            # Within a quote the break becomes part of the cell, and the cell is refused anyway.
            yield io.StringIO("\n", newline="")
    yield io.StringIO(_END, newline="")


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


def _unclosed(place: str, row: int) -> SourceError:
    return SourceError(
        f'{place}: a quote (") opens in row {row} and is never closed.',
        f"Close or remove the quote in row {row}: all that follows it would be one cell.",
    )
