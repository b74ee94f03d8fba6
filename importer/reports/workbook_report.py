"""The report as .xlsx: a copy of the sheet in which what is wrong is marked, to be mended there.

Row numbers, header row and name of the sheet are those of the source, so that the mended copy
imports with the same mapping. What stood above the header is not in it. The last sheet, Summary,
has the conclusion, the figures, and what the marks mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any

from importer.model import NUMBERS_COLUMN, Batch, Checkup, Problem, Severity
from importer.reports.content import (
    all_problems,
    columns,
    conclusion,
    describe,
    phones_read,
    place,
    problem_groups,
    readiness,
    remedies,
    supplier_hint,
    supplier_message,
    visible,
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

MOST_COMMENTS = 20_000
"""Spreadsheet programs become slow with many more."""

_FROZEN = 10
"""A header further down is not frozen: nothing of the screen would be left."""

_LONGEST_NOTE = 2000

_MOST_BEFORE = 50


def write_workbook(path: Path, checkup: Checkup) -> list[str]:
    """Write the copy and its summary; give what had to be left out, in words."""
    book = TextWorkbook(path)
    try:
        copy = _Copy(book, checkup)
        copy.write()
        _write_summary(book, checkup, copy.left_out())
        book.save()
    finally:
        book.discard()
    return copy.left_out()


class _Copy:
    """The sheet with its marks; `write` once, in one go over rows and problems."""

    def __init__(self, book: TextWorkbook, checkup: Checkup) -> None:
        info = checkup.info
        self._checkup = checkup
        self._places = _ColumnsByHeader(info.headers)
        # Here all cells are texts; what was a number with a fraction is noted beside them.
        self._notes = [NUMBERS_COLUMN] if any(b.fractions for b in self._batches()) else []
        self._notes.append(NOTES)
        wanted = [i for i, h in enumerate(info.headers) if h not in {NOTES, NUMBERS_COLUMN}]
        self._kept = wanted[: SHEET_COLUMNS - len(self._notes)]
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
        problems = _ProblemsByRow(all_problems(self._checkup))
        self._header(header, problems.up_to(header + 1))
        last = header
        for batch in self._batches():
            cells = [batch.columns[i].to_pylist() for i in self._kept]
            numbers = batch.number_notes(self._checkup.info.headers)
            for n, number in enumerate(batch.rows.tolist()):
                row = number - 1
                if row >= SHEET_ROWS:
                    self._rows_left_out += 1
                    continue
                self._row(row, [column[n] for column in cells], problems.up_to(number))
                if n in numbers:
                    self._sheet.write(row, len(self._kept), numbers[n])
                last = row
        sheet = self._sheet.sheet
        sheet.autofilter(header, 0, last, self._last)
        if header < _FROZEN:
            sheet.freeze_panes(header + 1, 0)

    def left_out(self) -> list[str]:
        """What is in the source or was found, and is not in the copy."""
        said = []
        if self._rows_left_out:
            said.append(
                f"{self._rows_left_out:,} rows are not in this copy: a sheet ends at row "
                f"{SHEET_ROWS:,}. Do not import it in place of the source."
            )
        if self._columns_left_out:
            said.append(f"{self._columns_left_out:,} columns are not in this copy.")
        if self._sheet.cut:
            said.append(f"{self._sheet.cut:,} cells were too long for a sheet and are cut.")
        if self._comments_left_out:
            said.append(
                f"{self._comments_left_out:,} marked cells have no comment, after the first "
                f"{MOST_COMMENTS:,}: column {NOTES} says what is wrong."
            )
        return said

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
        for column, found in self._marks(problems, row_wide=False).items():
            style = self._headings[_worst(found)]
            self._mark(row, column, (texts[column], style), found)

    def _row(self, row: int, texts: list[str], problems: Sequence[Problem]) -> None:
        self._sheet.write_row(row, texts)
        if problems:
            for column, found in self._marks(problems, row_wide=True).items():
                self._mark(row, column, (texts[column], self._styles[_worst(found)]), found)
            self._sheet.write(row, self._last, _note(problems, "; "))

    def _marks(self, problems: Sequence[Problem], *, row_wide: bool) -> dict[int, list[Problem]]:
        """The problems by the column of the copy in which they are shown."""
        shown = {source: column for column, source in enumerate(self._kept)}
        marks: dict[int, list[Problem]] = {}
        for problem in problems:
            found = [shown[i] for i in self._places.of(problem.column) if i in shown]
            if not found and row_wide and self._kept:
                found = [0]
            for column in found:
                marks.setdefault(column, []).append(problem)
        return marks

    def _mark(self, row: int, column: int, cell: tuple[str, Any], problems: list[Problem]) -> None:
        self._sheet.write(row, column, *cell)
        if self._comments >= MOST_COMMENTS:
            self._comments_left_out += 1
            return
        self._comments += 1
        note = _note(problems, "\n")
        height = min(40 + 18 * (len(note) // 38 + note.count("\n") + 1), 400)
        options = {"x_scale": 2.2, "height": height, "font_size": 9}
        self._sheet.sheet.write_comment(row, column, note, options)


class _ColumnsByHeader:
    """Which columns a problem means by the headers it names; a header may stand twice."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._columns: dict[str, list[int]] = {}
        for column, header in enumerate(headers):
            if header:
                self._columns.setdefault(header, []).append(column)

    def of(self, named: str | None) -> list[int]:
        """The columns of one header, or of several with commas between; a header may have some."""
        if not named:
            return []
        if named in self._columns:
            return self._columns[named]
        found: list[int] = []
        parts = named.split(", ")
        while parts:
            for length in range(len(parts), 0, -1):
                columns = self._columns.get(", ".join(parts[:length]))
                if columns is not None:
                    found += columns
                    break
            parts = parts[length:]
        return found


class _ProblemsByRow:
    """Problems in the order of their rows, handed out while the rows are gone through."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._groups = groupby(problems, key=lambda problem: problem.row or 0)
        self._next = self._take()

    def up_to(self, row: int) -> list[Problem]:
        """The problems that were not taken yet, up to and with this row's."""
        found: list[Problem] = []
        while self._next is not None and self._next[0] <= row:
            found += self._next[1]
            self._next = self._take()
        return found

    def _take(self) -> tuple[int, list[Problem]] | None:
        group = next(self._groups, None)
        return None if group is None else (group[0], list(group[1]))


def _worst(problems: Sequence[Problem]) -> Severity:
    errors = any(problem.severity is Severity.ERROR for problem in problems)
    return Severity.ERROR if errors else Severity.WARNING


def _note(problems: Sequence[Problem], between: str) -> str:
    """What is wrong and how to mend it; a cell that fills two targets is told once."""
    told = dict.fromkeys(
        " → ".join(
            filter(None, (_placed(problem), visible(supplier_hint(problem)))),
        )
        for problem in problems
    )
    return between.join(told)[:_LONGEST_NOTE]


def _placed(problem: Problem) -> str:
    message = visible(supplier_message(problem))
    return f"{visible(problem.column)}: {message}" if problem.column else message


# The summary.


_HOW = (
    "Red cells keep their row from being imported; yellow ones are worth a look. The comment of a "
    "cell says what is wrong and how to mend it, and so does the last column, _problems. Mend the "
    "cells in the first sheet, save, and send the file back: it can be imported as it is."
)

_SUMMARY_WIDTHS = (34, 14, 60, 60)

_WIDEST_NAME = 80

_WIDEST_LIST = 500
"""Columns listed with their fill rate."""

_COUNT = "#,##0"

_SHARE = "0.0 %"

_SummaryCell = str | int | float
"""A text, a number of things, or a share of all."""


def _write_summary(book: TextWorkbook, checkup: Checkup, left_out: Sequence[str]) -> None:
    """Append the sheet Summary; `left_out` are lines about what the copy lacks."""
    sheet = book.add_sheet("Summary")
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
    counts = {n: book.style(**each, **right, num_format=_COUNT) for n, each in styles.items()}
    shares = {n: book.style(**each, **right, num_format=_SHARE) for n, each in styles.items()}
    over_figures = book.style(**styles["head"], **right)
    for column, width in enumerate(_summary_widths(checkup)):
        sheet.set_width(column, width)
    for row, (name, cells) in enumerate(_summary_rows(checkup, left_out)):
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


def _summary_widths(checkup: Checkup) -> list[int]:
    """The first column is as wide as the longest word of a header: none is broken in it."""
    names = (name for _, name, _ in columns(checkup)[:_WIDEST_LIST])
    longest = max((len(word) for name in names for word in name.split()), default=0)
    first, *others = _SUMMARY_WIDTHS
    return [min(max(first, longest + 2), _WIDEST_NAME), *others]


def _summary_rows(
    checkup: Checkup, left_out: Sequence[str]
) -> Iterator[tuple[str, list[_SummaryCell]]]:
    """The sheet's rows, each with the name of its style."""
    info, survey = checkup.info, checkup.survey
    found = conclusion(checkup)
    yield "title", [found.headline]
    yield "line", [visible(info.path)]
    yield "line", [describe(info)]
    for line in checkup.refused:
        yield "head", [visible(line)]
    yield "line", []
    yield "line", [_HOW]
    for text in left_out:
        yield "head", [text]
    yield "line", []
    yield "head", ["Rows", survey.rows]
    yield "plain", ["Ready", survey.ready]
    yield "plain", ["Invalid: to be mended", survey.invalid]
    yield "plain", ["Skipped by a rule", survey.skipped]
    for name, figure in readiness(survey):
        number, _, rest = figure.partition(" ")
        yield "line", [name, int(number.replace(",", "")), rest]
    if read := phones_read(checkup, for_supplier=True):
        yield "line", []
        yield "head", ["How phones were read"]
        for line in read:
            yield "line", [line]
    yield "line", []
    if survey.problem_counts:
        yield "head", ["Kind of problem", "Count", "Example", "What to do"]
    for group in problem_groups(survey):
        first = group.examples[0] if group.examples else None
        example = f"{place(first)}: {visible(supplier_message(first))}" if first else ""
        remedy = " ".join(map(visible, remedies(group)[:2]))
        style = "error" if group.severity is Severity.ERROR else "warning"
        yield style, [f"{group.title} ({group.code})", group.count, example, remedy]
    yield "line", []
    yield "head", ["Column", "Filled", "Used by the mapping"]
    for fill, name, used in columns(checkup)[:_WIDEST_LIST]:
        share = fill.filled / survey.rows if survey.rows else "–"
        yield "plain", [name, share, "yes" if used else "no"]
