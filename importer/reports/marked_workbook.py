"""The report as .xlsx: the supplier's own workbook, in which what is wrong is marked.

openpyxl opens it and saves it, with its formats, widths, filters and other sheets, and keeps all
values but those that formulas gave: it writes a formula without one, and a sheet whose cells have
none cannot be imported. So formulas in columns that the mapping uses become their values.

Whether the rest came through is not left to belief: the file is read again, as a list that comes
back is, and compared with what was checked. Where it would be imported otherwise, or openpyxl
stumbles over a stranger's file, there is no such workbook: `NotMarkedError` says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from importer.errors import SourceError
from importer.files import WorkingFolder
from importer.model import (
    BLANKS,
    EMPTY_FORMULA,
    ERROR_TEXTS,
    Batch,
    Checkup,
    OriginalWorkbook,
    Problem,
    Severity,
    column_letters,
)
from importer.reports.content import all_problems, count, visible
from importer.reports.marks import (
    COUNT,
    LONGEST_COMMENT,
    MOST_COMMENTS,
    SHARE,
    SUMMARY,
    ColumnsByHeader,
    ProblemsByRow,
    SummaryCell,
    comment_height,
    complaint,
    summary_rows,
    summary_widths,
    worst_severity,
)
from importer.reports.text_workbook import RED, YELLOW

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.comments import Comment
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

_AUTHOR = "vcc-import"
"""Of the comments: by it a workbook that comes back is freed of the marks of the last time."""

_CODE_NAME = "VccImportSummary"
"""Of the summary, whatever its name: by it the one of the last time is found."""

_COMMENT_WIDTH = 300

_HOW = (
    "Red cells keep their row from being imported; yellow ones are worth a look. The comment of a "
    'cell says what is wrong and how to mend it. Mend the cells in the sheet "{}", save, and send '
    "the file back: it can be imported as it is."
)

_LARGEST_AREA = 600_000
"""Cells of the list's rows and columns, those that are not there too: to look at all of them,
openpyxl makes each."""

_LONGEST_REASON = 150
"""Characters of an error's text."""

_COMMON = 15
"""Significant digits that spreadsheet programs keep of a number."""


class NotMarkedError(Exception):
    """The workbook cannot be marked; the text says why, as part of a sentence."""


def write_marked(path: Path, checkup: Checkup, original: OriginalWorkbook) -> list[str]:
    """Write the workbook that was read, marked; give what it lacks, in words.

    Raises NotMarkedError, and OSError where the files cannot be written.
    """
    with WorkingFolder() as folder:
        bearable = Path(folder) / "workbook.xlsx"
        bearable.touch(0o600)
        try:
            lost = original.write(bearable)
        except SourceError as error:
            raise NotMarkedError(error.message.rstrip(".")) from None
        with warnings.catch_warnings(record=True):
            # What it warns of is left out, and told, already.
            warnings.simplefilter("always")
            with _stumbling():
                marked = _Marked(bearable, checkup, lost)
                marked.mark()
            with _stumbling(but=OSError):
                marked.save(path)
        _compare(path, checkup, original)
        return marked.omissions()


@contextmanager
def _stumbling(but: type[Exception] = NotMarkedError) -> Iterator[None]:
    """A block in which openpyxl works on a stranger's file: its errors may be of any kind.

    They become NotMarkedError, but for `but`, which is not about the file.
    """
    try:
        yield
    except (NotMarkedError, but):
        raise
    except Exception as error:  # noqa: BLE001 -- there is no list of what it may raise
        why = str(error).partition("\n")[0][:_LONGEST_REASON]
        raise NotMarkedError(
            f"openpyxl cannot keep it ({type(error).__name__}: {visible(why)})"
        ) from None


class _Rows(NamedTuple):
    """Rows that hold more than formulas that may stay, and cells whose formulas have no value.

    Numbers of rows and columns count from 1.
    """

    filled: set[int]
    empty: set[tuple[int, int]]


class _Marked:
    """The workbook, opened; :meth:`mark` once, then :meth:`save`."""

    def __init__(self, path: Path, checkup: Checkup, lost: Sequence[str]) -> None:
        import openpyxl

        info = checkup.info
        self._path = path
        self._checkup = checkup
        self._lost = lost
        with path.open("rb") as file:
            self._book: Workbook = openpyxl.load_workbook(file, rich_text=True)
        self._book.template = False
        self._sheet = self._sheet_read(self._book)
        area = self._sheet.max_row * len(info.headers)
        if area > _LARGEST_AREA:
            raise NotMarkedError(f"its cells are scattered over {self._sheet.max_row:,} rows")
        self._places = ColumnsByHeader(info.headers)
        self._shown = {column: column for column in range(len(info.headers))}
        self._anchors = {
            (row, column): (area.min_row, area.min_col)
            for area in self._sheet.merged_cells.ranges
            for row, column in area.cells
        }
        self._red: set[str] = set()
        self._comments = 0
        self._comments_left_out = 0
        self._values = 0
        self._hidden_columns = {
            column
            for columns in self._sheet.column_dimensions.values()
            if columns.hidden and columns.min and columns.max
            for column in range(columns.min, min(columns.max, len(info.headers)) + 1)
        }
        self._hidden: set[str] = set()

    def _sheet_read(self, book: Workbook) -> Worksheet:
        """The sheet that was read, by its number among the sheets of cells."""
        number = self._checkup.info.sheet_number or 1
        sheet = book.worksheets[number - 1]
        if sheet.title != self._checkup.info.sheet:
            raise NotMarkedError("its sheets are in another order to openpyxl")
        return sheet

    def mark(self) -> None:
        """Take off the marks of the last time, put on those of this, and append the summary."""
        self._clean()
        self._put_values()
        header = self._checkup.info.header_row
        problems = ProblemsByRow(all_problems(self._checkup))
        self._mark_row(header, problems.up_to(header), row_wide=False)
        findings = self._checkup.findings
        for batch in findings.batches() if findings is not None else ():
            for row in batch.rows.tolist():
                if found := problems.up_to(row):
                    self._mark_row(row, found, row_wide=True)
        self._show()
        self._write_summary()

    def save(self, path: Path) -> None:
        """Write the file."""
        self._book.save(path)

    def omissions(self) -> list[str]:
        """What the workbook lacks of the supplier's, in words."""
        lines = []
        if self._lost:
            lines.append(f"Not in this copy of the workbook: {', '.join(self._lost)}.")
        if self._values:
            formulas = count(self._values, "formula")
            lines.append(
                f"{formulas} of the sheet became the {'value' if self._values == 1 else 'values'} "
                "last stored, since a formula without one cannot be imported."
            )
        if self._comments_left_out:
            lines.append(
                f"{self._comments_left_out:,} marked cells have no comment, after the first "
                f"{MOST_COMMENTS:,}."
            )
        if self._hidden:
            lines.append(
                f"Marked cells in hidden rows or columns: {len(self._hidden):,}. Show these rows "
                "and columns to mend them."
            )
        return lines

    def _clean(self) -> None:
        """Take off what marked the workbook the last time it was checked."""
        from openpyxl.comments import Comment
        from openpyxl.styles import PatternFill

        for sheet in self._book.worksheets:
            if sheet.sheet_properties.codeName == _CODE_NAME and sheet is not self._sheet:
                self._book.remove(sheet)
        colours = {f"FF{colour[1:]}" for colour in (RED, YELLOW)}
        for _, cell in self._cells():
            ours, theirs = _divided(cell.comment) if cell.comment is not None else ("", "")
            if not ours:
                continue
            cell.comment = Comment(theirs, "") if theirs else None
            if cell.fill.fill_type == "solid" and cell.fill.fgColor.rgb in colours:
                cell.fill = PatternFill()

    def _cells(self) -> Iterator[tuple[tuple[int, int], Cell]]:
        """The cells of the list's columns, with their rows and columns, from 1."""
        from openpyxl.cell.cell import Cell

        rows = self._sheet.iter_rows(
            min_row=1, max_row=self._sheet.max_row, max_col=len(self._shown)
        )
        for number, row in enumerate(rows, 1):
            for column, cell in enumerate(row, 1):
                if isinstance(cell, Cell):  # not one that a merge hides
                    yield (number, column), cell

    def _put_values(self) -> None:
        """Let formulas become their values: those of used columns, and above and beside the rows.

        Whether a row is blank, and which row is the header, must not depend on formulas either.
        """
        formulas = [(place, cell) for place, cell in self._cells() if cell.data_type == "f"]
        if not formulas:
            return
        info, unused = self._checkup.info, set(self._checkup.unused_columns)
        kept = {
            column
            for column, header in enumerate(info.headers, 1)
            if header in unused or not header
        }
        rows = self._look_through(kept)
        wanted = [
            (place, cell)
            for place, cell in formulas
            if not (place[1] in kept and place[0] in rows.filled)
        ]
        if not wanted:
            return
        import openpyxl

        with self._path.open("rb") as file:
            stored = self._sheet_read(openpyxl.load_workbook(file, data_only=True))
        for place, cell in wanted:
            there = stored.cell(*place)
            if there.value is None and (place in rows.empty or place[0] <= info.header_row):
                continue  # nothing was stored, and so it is a fault that is marked
            self._values += 1
            cell.value = there.value
            cell.data_type = there.data_type  # a text such as =1+1 is no formula

    def _look_through(self, kept: set[int]) -> _Rows:
        """Look through the rows as they were read; `kept` are columns whose formulas may stay."""
        import numpy as np
        import pyarrow.compute as pc

        findings = self._checkup.findings
        found = _Rows(set(), set())
        for batch in findings.batches() if findings is not None else ():
            filled = np.zeros(len(batch), np.bool_)
            for column, texts in batch.columns.items():
                if column + 1 not in kept:
                    filled |= pc.not_equal(texts, "").to_numpy(zero_copy_only=False)
                empty = pc.equal(texts, EMPTY_FORMULA).to_numpy(zero_copy_only=False)
                found.empty.update((row, column + 1) for row in batch.rows[empty].tolist())
            found.filled.update(batch.rows[filled].tolist())
        return found

    def _mark_row(self, row: int, problems: Sequence[Problem], *, row_wide: bool) -> None:
        marks = self._places.marks(problems, self._shown, row_wide=row_wide)
        by_cell: dict[tuple[int, int], list[Problem]] = {}
        for column, found in marks.items():
            # Only the first cell of a merge is there to be seen.
            place = self._anchors.get((row, column + 1), (row, column + 1))
            by_cell.setdefault(place, []).extend(found)
        for place, found in by_cell.items():
            cell = self._sheet.cell(*place)
            if self._is_hidden(*place):
                self._hidden.add(cell.coordinate)
            self._mark(cell, found)

    def _mark(self, cell: Cell | MergedCell, problems: Sequence[Problem]) -> None:
        from openpyxl.comments import Comment
        from openpyxl.styles import PatternFill

        text = complaint(problems, "\n")
        ours, theirs = "", ""
        if cell.comment is not None:
            ours, theirs = _divided(cell.comment)
        is_red = worst_severity(problems) is Severity.ERROR or (
            bool(ours) and cell.coordinate in self._red
        )
        if is_red:
            self._red.add(cell.coordinate)
        cell.fill = PatternFill("solid", fgColor=f"FF{(RED if is_red else YELLOW)[1:]}")
        if not ours and self._comments >= MOST_COMMENTS:
            self._comments_left_out += 1
            return
        self._comments += not ours
        # A cell that is merged with others holds the faults of several rows, which are often one.
        lines = "\n".join(dict.fromkeys((*ours.splitlines(), *text.splitlines())))[:LONGEST_COMMENT]
        text = f"{lines}{_BETWEEN}{theirs}" if theirs else lines
        cell.comment = Comment(text, _AUTHOR, height=comment_height(text), width=_COMMENT_WIDTH)

    def _is_hidden(self, row: int, column: int) -> bool:
        rows = self._sheet.row_dimensions
        # Asked for, a row that has no entry would get one.
        return column in self._hidden_columns or (row in rows and rows[row].hidden)

    def _show(self) -> None:
        """Let the workbook open with the sheet that is to be mended, and no other beside it."""
        if self._sheet.sheet_state != "visible":
            return
        self._book.active = self._book.index(self._sheet)
        for sheet in self._book.worksheets:
            # Sheets that are selected together are all written to at once.
            sheet.sheet_view.tabSelected = sheet is self._sheet

    def _write_summary(self) -> None:
        sheet = self._book.create_sheet(SUMMARY)
        sheet.sheet_properties.codeName = _CODE_NAME
        widths = summary_widths(self._checkup)
        for column, width in enumerate(widths):
            sheet.column_dimensions[column_letters(column)].width = width
        how = _HOW.format(visible(self._sheet.title))
        rows = summary_rows(self._checkup, how, self.omissions())
        for row, (style, cells) in enumerate(rows, 1):
            lines = 1
            for column, content in enumerate(cells):
                cell = sheet.cell(row, column + 1)
                _write_summary_cell(cell, content, style)
                if cell.alignment.wrap_text:
                    lines = max(lines, -(-len(str(content)) // (widths[column] - 6)))
            if lines > 1 or style == "title":
                sheet.row_dimensions[row].height = 21 if style == "title" else 15 * lines


def _write_summary_cell(cell: Cell | MergedCell, content: SummaryCell, style: str) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill

    is_text = isinstance(content, str)
    cell.value = content
    if is_text:
        cell.data_type = "s"  # whatever it begins with
        cell.number_format = "@"
    else:
        cell.number_format = SHARE if isinstance(content, float) else COUNT
    right = not is_text or (style == "head" and cell.column == 2)
    cell.alignment = Alignment(
        horizontal="right" if right else None,
        indent=1 if right else 0,  # apart from the text in the next column
        vertical="top",
        wrap_text=is_text and style in {"error", "warning", "plain"},
    )
    if style in {"error", "warning"}:
        cell.fill = PatternFill("solid", fgColor=f"FF{(RED if style == 'error' else YELLOW)[1:]}")
    if style in {"title", "head"}:
        size = 14 if style == "title" else cell.font.sz
        cell.font = Font(name=cell.font.name, sz=size, b=True)


def _divided(comment: Comment) -> tuple[str, str]:
    """What of a comment is ours, and what somebody wrote before."""
    if comment.author != _AUTHOR:
        return "", comment.text
    ours, _, theirs = comment.text.partition(_BETWEEN)
    return ours, theirs


_BETWEEN = "\n\n— — —\n"
"""Between what is wrong with a cell and the comment that it had."""


# Whether the workbook is imported as the list that was checked.


def _compare(path: Path, checkup: Checkup, original: OriginalWorkbook) -> None:
    """Raise NotMarkedError where the rows would be read otherwise than those that were checked."""
    findings, headers = checkup.findings, checkup.info.headers
    if findings is None:
        return
    try:
        info, again = original.reread(path)
        if info.headers != headers:
            raise NotMarkedError("its headers would be read otherwise once it was saved")
        unused = set(checkup.unused_columns)
        kept = {n for n, header in enumerate(headers) if header in unused or not header}
        before = _rows(findings.batches())
        first = next(before, None)
        if first is None:
            return
        after = (row for row in _rows(again) if row[0] >= first[0])
        for row, cells in chain((first,), before):
            number, others = next(after, (0, []))
            if number != row:
                raise NotMarkedError(f"row {row} would be read otherwise once it was saved")
            for column, (was, now) in enumerate(zip(cells, others, strict=True)):
                if was != now and not _is_alike(was, now, is_kept=column in kept):
                    place = f"{column_letters(column)}{row}"
                    raise NotMarkedError(f"cell {place} would be read otherwise once it was saved")
    except SourceError as error:
        raise NotMarkedError(f"it could not be read again ({error.message})") from None


def _rows(batches: Iterator[Batch]) -> Iterator[tuple[int, list[str]]]:
    for batch in batches:
        columns = [batch.columns[label].to_pylist() for label in sorted(batch.columns)]
        yield from zip(batch.rows.tolist(), map(list, zip(*columns, strict=True)), strict=True)


def _is_alike(was: str, now: str, *, is_kept: bool) -> bool:
    """Whether a cell that is read otherwise is as blank or as wrong as it was, or was not used.

    A formula that is kept has no value until a spreadsheet program stores one. What was a date that
    does not exist is an error of another name; of numbers, openpyxl writes 16 digits; of texts that
    are nothing but spaces, none.
    """
    if is_kept and now == EMPTY_FORMULA:
        return True
    if not was.strip(BLANKS):
        return not now.strip(BLANKS)
    if was in ERROR_TEXTS:
        return now in ERROR_TEXTS
    if len(was) <= _COMMON or len(was) != len(now):
        return False
    try:
        first, second = float(was), float(now)
    except ValueError:
        return False
    return f"{first:.{_COMMON}g}" == f"{second:.{_COMMON}g}"
