"""The report as .xlsx: a copy of the sheet in which what is wrong is marked, to be mended there.

Row numbers, header row and name of the sheet are those of the source, so that the mended copy
imports with the same mapping. What stood above the header is not in it. The last sheet, Summary,
has the conclusion, the figures, and what the marks mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from importer.model import EDITED_COLUMN, NUMBERS_COLUMN, Batch, Checkup, Problem, Severity
from importer.reports.content import all_problems
from importer.reports.marks import (
    COUNT,
    MOST_COMMENTS,
    SHARE,
    SUMMARY,
    ColumnsByHeader,
    ProblemsByRow,
    comment_height,
    complaint,
    summary_rows,
    summary_widths,
    worst_severity,
)
from importer.reports.text_workbook import (
    GREY,
    RED,
    SHEET_COLUMNS,
    SHEET_ROWS,
    YELLOW,
    TextWorkbook,
    fitting_width,
)

NOTES = "_problems"
"""The last column, which says of each row what is wrong with it; imports leave it out."""

_FROZEN = 10
"""A header further down is not frozen: nothing of the screen would be left."""

_MOST_BEFORE = 50


def write_workbook(path: Path, checkup: Checkup, remarks: Sequence[str] = ()) -> list[str]:
    """Write the copy and its summary; give the `remarks` and what had to be left out, in words."""
    book = TextWorkbook(path)
    try:
        copy = _Copy(book, checkup)
        copy.write()
        lines = [*remarks, *copy.omissions()]
        _write_summary(book, checkup, lines)
        book.save()
    finally:
        book.discard()
    return lines


class _Copy:
    """The sheet with its marks; `write` once, in one go over rows and problems."""

    def __init__(self, book: TextWorkbook, checkup: Checkup) -> None:
        info = checkup.info
        self._checkup = checkup
        self._places = ColumnsByHeader(info.headers)
        # Here all cells are texts; what was a number with a fraction is noted beside them.
        self._notes = [NUMBERS_COLUMN] if any(b.fractions for b in self._batches()) else []
        if any(batch.edited for batch in self._batches()):
            self._notes.append(EDITED_COLUMN)
        self._notes.append(NOTES)
        ours = {NOTES, NUMBERS_COLUMN, EDITED_COLUMN}
        wanted = [i for i, header in enumerate(info.headers) if header not in ours]
        self._kept = wanted[: SHEET_COLUMNS - len(self._notes)]
        self._shown = {source: column for column, source in enumerate(self._kept)}
        self._columns_left_out = len(wanted) - len(self._kept)
        self._rows_left_out = 0
        self._comments = 0
        self._comments_left_out = 0
        self._styles = {
            Severity.ERROR: book.style(bg_color=RED),
            Severity.WARNING: book.style(bg_color=YELLOW),
        }
        self._heading = book.style(bold=True, bg_color=GREY, bottom=1)
        self._headings = {
            Severity.ERROR: book.style(bold=True, bg_color=RED, bottom=1),
            Severity.WARNING: book.style(bold=True, bg_color=YELLOW, bottom=1),
        }
        self._aside = book.style(italic=True, font_color="#566072")
        for number in range(1, min(info.sheet_number or 1, _MOST_BEFORE + 1)):
            # A mapping may name the sheet by its number.
            book.add_sheet(f"not read {number}").sheet.hide()
        self._sheet = book.add_sheet(info.sheet or PurePath(info.path).stem)
        self._sheet.sheet.activate()
        self._sheet.sheet.set_first_sheet()

    def write(self) -> None:
        """Write header, rows and marks."""
        header = self._checkup.info.header_row - 1
        problems = ProblemsByRow(all_problems(self._checkup))
        self._header(header, problems.up_to(header + 1))
        last = header
        for batch in self._batches():
            cells = [batch.columns[i].to_pylist() for i in self._kept]
            headers = self._checkup.info.headers
            numbers, edits = batch.number_notes(headers), batch.edit_notes(headers)
            for n, number in enumerate(batch.rows.tolist()):
                row = number - 1
                if row >= SHEET_ROWS:
                    self._rows_left_out += 1
                    continue
                self._row(row, [column[n] for column in cells], problems.up_to(number))
                if n in numbers:
                    self._sheet.write(row, len(self._kept), numbers[n])
                if n in edits:
                    self._sheet.write(row, self._last - 1, edits[n])
                last = row
        sheet = self._sheet.sheet
        sheet.autofilter(header, 0, last, self._last)
        if header < _FROZEN:
            sheet.freeze_panes(header + 1, 0)

    def omissions(self) -> list[str]:
        """What is in the source or was found, and is not in the copy."""
        lines = []
        if self._rows_left_out:
            lines.append(
                f"{self._rows_left_out:,} rows are not in this copy: a sheet ends at row "
                f"{SHEET_ROWS:,}. Do not import it in place of the source."
            )
        if self._columns_left_out:
            lines.append(f"{self._columns_left_out:,} columns are not in this copy.")
        if self._sheet.cut:
            lines.append(f"{self._sheet.cut:,} cells were too long for a sheet and are cut.")
        if self._comments_left_out:
            lines.append(
                f"{self._comments_left_out:,} marked cells have no comment, after the first "
                f"{MOST_COMMENTS:,}: column {NOTES} says what is wrong."
            )
        return lines

    @property
    def _last(self) -> int:
        """The column of `NOTES`."""
        return len(self._kept) + len(self._notes) - 1

    def _batches(self) -> Iterator[Batch]:
        findings = self._checkup.findings
        return iter(()) if findings is None else findings.batches()

    def _header(self, row: int, problems: Sequence[Problem]) -> None:
        headers = self._checkup.info.headers
        texts = [headers[i] for i in self._kept]
        self._sheet.write_row(row, [*texts, *self._notes], self._heading)
        sample = next(self._batches(), None)
        for column, text in enumerate(texts):
            below = [] if sample is None else sample.columns[self._kept[column]][:200].to_pylist()
            self._sheet.set_width(column, max(8, fitting_width([text, *below])))
        self._sheet.set_width(self._last, 60, self._aside)
        for column, found in self._places.marks(problems, self._shown, row_wide=False).items():
            style = self._headings[worst_severity(found)]
            self._mark(row, column, (texts[column], style), found)

    def _row(self, row: int, texts: list[str], problems: Sequence[Problem]) -> None:
        self._sheet.write_row(row, texts)
        if problems:
            for column, found in self._places.marks(problems, self._shown, row_wide=True).items():
                self._mark(row, column, (texts[column], self._styles[worst_severity(found)]), found)
            self._sheet.write(row, self._last, complaint(problems, "; "))

    def _mark(self, row: int, column: int, cell: tuple[str, Any], problems: list[Problem]) -> None:
        self._sheet.write(row, column, *cell)
        if self._comments >= MOST_COMMENTS:
            self._comments_left_out += 1
            return
        self._comments += 1
        text = complaint(problems, "\n")
        options = {"x_scale": 2.2, "height": comment_height(text), "font_size": 9}
        self._sheet.sheet.write_comment(row, column, text, options)


# The summary.


_HOW = (
    "Red cells keep their row from being imported; yellow ones are worth a look. The comment of a "
    "cell says what is wrong and how to mend it, and so does the last column, _problems. Mend the "
    "cells in the first sheet, save, and send the file back: it can be imported as it is."
)


def _write_summary(book: TextWorkbook, checkup: Checkup, omissions: Sequence[str]) -> None:
    """Append the sheet Summary; `omissions` are lines about what the copy lacks."""
    sheet = book.add_sheet(SUMMARY)
    styles: dict[str, dict[str, object]] = {
        "title": {"bold": True, "font_size": 14},
        "line": {},
        "head": {"bold": True},
        "error": {"bg_color": RED, "text_wrap": True},
        "warning": {"bg_color": YELLOW, "text_wrap": True},
        "plain": {"text_wrap": True},
    }
    texts = {name: book.style(**style) for name, style in styles.items()}
    right = {"align": "right", "indent": 1}  # apart from the text in the next column
    counts = {n: book.style(**each, **right, num_format=COUNT) for n, each in styles.items()}
    shares = {n: book.style(**each, **right, num_format=SHARE) for n, each in styles.items()}
    over_figures = book.style(**styles["head"], **right)
    for column, width in enumerate(summary_widths(checkup)):
        sheet.set_width(column, width)
    for row, (name, cells) in enumerate(summary_rows(checkup, _HOW, omissions)):
        for column, cell in enumerate(cells):
            match cell:
                case str() if name == "head" and column == 1:
                    sheet.write(row, column, cell, over_figures)
                case str():
                    sheet.write(row, column, cell, texts[name])
                case int():
                    sheet.write_number(row, column, cell, counts[name])
                case float():
                    sheet.write_number(row, column, cell, shares[name])
