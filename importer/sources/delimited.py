"""Text files: one cell after the other, divided by a character, a record a row.

The row number is that of the record, as spreadsheet programs count: a cell in quotes may hold line
breaks and is still in one row, and blank lines count. A line ``sep=;`` is no row: spreadsheet
programs do not show it. Lines may end in LF, CR LF or CR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.model import BLANKS, Problem, Severity, SourceInfo
from importer.sources.delimiter import (
    SAMPLE,
    find_delimiter,
    is_divided,
    separator_line,
    unusual_joint,
    way_out,
)
from importer.sources.detect import Kind
from importer.sources.encoding import find_encoding, text_blocks, utf8_blocks
from importer.sources.quoting import find_dialect, text_within_quotes
from importer.sources.records import records, unwrapped
from importer.sources.source import Layout, Reading
from importer.sources.table import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.settings import SourceOptions
    from importer.sources.inputfile import InputFile
    from importer.sources.table import Table


ONE_COLUMN = "one_column"
_LINES_LOOKED_AT = 200


def open_delimited(file: InputFile, options: SourceOptions) -> Reading:
    """Open a text file; encoding and delimiter are found by looking unless the options say."""
    found = find_encoding(file, options.encoding)
    encoding = found.name
    stream = file.path.open("rb")
    try:
        sample = _sample(text_blocks(stream, file, encoding))
        _refuse_blank(file, encoding, sample)
        _refuse_binary(file, encoding, sample)
        stream.seek(0)
        blocks = utf8_blocks(stream, file, encoding)
        inner = text_within_quotes(sample, is_whole=len(sample) < SAMPLE)
        if in_quotes := is_divided(inner):
            blocks, sample = unwrapped(blocks, file.name), inner
        delimiter = find_delimiter(sample, options.delimiter)
        sep_line = separator_line(sample) is not None
        rows = records(blocks, file.name, find_dialect(sample, delimiter), sep_line=sep_line)
        table = read_table(rows, Layout(place=file.name, delimiter=delimiter), options)
    except BaseException:
        stream.close()
        raise
    info = SourceInfo(
        path=file.name,
        kind=Kind.TEXT.value,
        headers=table.headers,
        header_row=table.header_row,
        encoding=encoding,
        delimiter=delimiter,
        problems=(
            *_ignored(options),
            *found.problems,
            *_quoted_lines(in_quotes),
            *_one_column(table, sample),
            *table.problems,
        ),
    )
    return Reading(info, table.batches, stream.close)


def _sample(blocks: Iterator[str]) -> str:
    parts: list[str] = []
    length = 0
    for text in blocks:
        parts.append(text)
        length += len(text)
        if length >= SAMPLE:
            break
    return "".join(parts)[:SAMPLE]


def _refuse_blank(file: InputFile, encoding: str, sample: str) -> None:
    if sample.strip(BLANKS):
        return
    with file.path.open("rb") as stream:
        if all(not text.strip(BLANKS) for text in text_blocks(stream, file, encoding)):
            raise SourceError(
                f"{file}: this file is empty.", "Was it saved or downloaded completely?"
            )


def _refuse_binary(file: InputFile, encoding: str, sample: str) -> None:
    odd = sum(sample.count(chr(code)) for code in (*range(9), *range(0x0E, 0x1A), 0x1B))
    if odd > 32 and odd > 0.02 * len(sample):
        raise SourceError(
            f"{file}: this is not text, and not a workbook.",
            f"Give a CSV file or a workbook. Read as {encoding}, it is no text.",
        )


def _quoted_lines(found: bool) -> Iterator[Problem]:
    if found:
        yield Problem(
            row=None,
            column=None,
            target=None,
            code="quoted_lines",
            message="every line was in quotes as a whole; it was read without them",
            hint="The list was opened as one column and saved. Compare a few rows with it.",
            severity=Severity.WARNING,
        )


def _one_column(table: Table, sample: str) -> Iterator[Problem]:
    """What to say of a list of one column whose cells look as if they were several."""
    if len(table.headers) != 1:
        return
    lines = sample.splitlines()
    lines = lines[table.header_row :][:_LINES_LOOKED_AT] if len(sample) < SAMPLE else lines[1:-1]
    joint = unusual_joint(table.headers[0], lines)
    if joint is not None:
        yield Problem(
            row=None,
            column=table.headers[0],
            target=None,
            code=ONE_COLUMN,
            message="there is one column, and it looks as if its cells were several",
            hint=f"{way_out(joint, is_text=True)}",
            severity=Severity.WARNING,
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
