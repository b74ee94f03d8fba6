"""What workbooks of every kind have in common: which sheet is read, and what is said of it."""

from __future__ import annotations

import difflib
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import python_calamine as calamine

from importer.errors import SourceError
from importer.model import Problem, Severity, SourceInfo
from importer.settings import BATCH_ROWS
from importer.sources.celltext import cell_texts
from importer.sources.source import Layout, Reading, RowChunk
from importer.sources.table import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from importer.settings import SourceOptions
    from importer.sources.detect import FileKind
    from importer.sources.grid import Hidden, Scan
    from importer.sources.inputfile import InputFile
    from importer.sources.source import Chunk


class NamedSheet(Protocol):
    """A sheet as far as choosing one goes."""

    @property
    def name(self) -> str:
        """Its name, as the tab shows it."""

    @property
    def hidden(self) -> bool:
        """Whether the program shows it."""


AnySheet = TypeVar("AnySheet", bound=NamedSheet)
Answer = TypeVar("Answer")

OTHER_SHEETS = "other_sheets"
HIDDEN_SHEETS = "hidden_sheets"


def chosen_sheet(file: InputFile, sheets: Sequence[AnySheet], wanted: str | int | None) -> AnySheet:
    """The sheet wanted, by name (exactly, then in any case) or number from 1.

    The first visible one where none is wanted. Raises SourceError where there is none such.
    """
    if not sheets:
        raise SourceError(
            f"{file}: this workbook is damaged or cut short (it has no sheet with cells).",
            "Open it in a spreadsheet program and save it anew, or save the sheet as CSV.",
        )
    if wanted is None:
        return next((sheet for sheet in sheets if not sheet.hidden), sheets[0])
    if isinstance(wanted, str):
        for fold in (_exact, _folded):
            for sheet in sheets:
                if fold(sheet.name) == fold(wanted):
                    return sheet
    number = str(wanted).strip()
    if number.isascii() and number.isdigit() and 1 <= int(number) <= len(sheets):
        return sheets[int(number) - 1]
    names = {_folded(sheet.name): sheet.name for sheet in sheets}
    near = difflib.get_close_matches(_folded(str(wanted)), names, n=1)
    listed = ", ".join(
        f"{index} {sheet.name!r}{' (hidden)' if sheet.hidden else ''}"
        for index, sheet in enumerate(sheets, 1)
    )
    raise SourceError(
        f"{file}: there is no sheet {wanted!r}; the sheets are {listed}.",
        f"Did you mean {names[near[0]]!r}?" if near else "Give a name or a number of these.",
    )


def _exact(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _exact(name).strip().casefold()


def reading_of(
    file: InputFile,
    kind: FileKind,
    chosen: tuple[NamedSheet, Sequence[NamedSheet]],
    rows: Iterator[Chunk],
    found: tuple[Scan, bool],
    options: SourceOptions,
) -> Reading:
    """The rows of a sheet as a table; `chosen` is the sheet and all there are.

    `found` is what was seen in it, and whether there are links to other files.
    """
    sheet, sheets = chosen
    scan, linked = found
    place = f"{file}: sheet {sheet.name!r}"
    layout = Layout(place, text=cell_texts, open_ended=False, merges=scan.merges)
    remarks = tuple(_sheet_remarks(sheet, sheets, options))
    try:
        table = read_table(rows, layout, options)
    except SourceError as error:
        # The first sheet of many a workbook is a cover.
        others = [_sentence(remark) for remark in remarks if _of_sheets(remark)]
        error.hint = "\n".join(filter(None, (error.hint, *others)))
        raise
    problems = (
        *remarks,
        *_hidden_remarks(scan.hidden_rows, scan.hidden_columns, len(table.headers)),
        *_link_remarks(linked),
        *table.problems,
    )
    info = SourceInfo(
        path=file.name,
        kind=kind.value,
        headers=table.headers,
        header_row=table.header_row,
        sheet=sheet.name,
        problems=problems,
        sheet_number=sheets.index(sheet) + 1,
    )
    return Reading(info, table.batches)


def _sheet_remarks(
    sheet: NamedSheet, sheets: Sequence[NamedSheet], options: SourceOptions
) -> Iterator[Problem]:
    """What the user should know of the workbook: sheets not read, options without meaning."""
    others = [other for other in sheets if other is not sheet]
    name_it = "Name the sheet that is to be read: --sheet NAME."
    if hidden := [repr(other.name) for other in others if other.hidden]:
        yield remark(HIDDEN_SHEETS, f"hidden sheets were not read: {', '.join(hidden)}", name_it)
    visible = [repr(other.name) for other in others if not other.hidden]
    if visible and options.sheet is None:
        message = f"only sheet {sheet.name!r} was read; there are also: {', '.join(visible)}"
        yield remark(OTHER_SHEETS, message, name_it)
    for name in ("encoding", "delimiter"):
        if getattr(options, name) is not None:
            yield remark("option_ignored", f"a workbook has no {name}, so it was ignored")


def _sentence(remark: Problem) -> str:
    return f"{remark.message[0].upper()}{remark.message[1:]}. {remark.hint}"


def _of_sheets(problem: Problem) -> bool:
    return problem.code in {OTHER_SHEETS, HIDDEN_SHEETS}


def _hidden_remarks(rows: Hidden, columns: Hidden, width: int) -> Iterator[Problem]:
    if rows.count:
        yield remark(
            "hidden_rows",
            f"{rows.count:,} hidden {'row was' if rows.count == 1 else 'rows were'} read like any"
            f" other: {rows.rows()}",
            "A filter may hide them. Delete those that are not to be imported, or leave them out"
            " by rows.skip_when or --rows.",
        )
    within = columns.within(width)
    if within.count:
        yield remark(
            "hidden_columns",
            f"{within.count:,} hidden {'column was' if within.count == 1 else 'columns were'} read"
            f" like any other: {within.columns()}",
            "Only columns that the mapping names are sent; look whether these are meant to be.",
        )


def _link_remarks(linked: bool) -> Iterator[Problem]:
    if linked:
        yield remark(
            "external_links",
            "formulas take values from other files; the values as last stored were read",
            "Open the workbook, update its links and save it, if those files have changed.",
        )


def remark(code: str, message: str, hint: str | None = None) -> Problem:
    """A warning about the file as a whole."""
    return Problem(None, None, None, code, message, hint=hint, severity=Severity.WARNING)


def guarded(file: InputFile, load: Callable[[], Answer]) -> Answer:
    """What `load` gives; whatever the workbook library stumbles over becomes a SourceError."""
    try:
        return load()
    except calamine.PasswordError:
        raise SourceError(
            f"{file}: this workbook is protected by a password.",
            "Save it without a password and import that copy.",
        ) from None
    except (calamine.CalamineError, LookupError, OSError, ValueError) as error:
        raise _damaged(file, str(error)) from None
    except BaseException as error:
        # A panic in the Rust library derives from BaseException, and has no public name.
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged(file, "its contents contradict each other") from None


def _damaged(file: InputFile, why: str) -> SourceError:
    return SourceError(
        f"{file}: this workbook is damaged or cut short ({why}).",
        "Open it in a spreadsheet program and save it anew, or save the sheet as CSV.",
    )


def rows_of(sheet: calamine.CalamineSheet, scan: Scan, file: InputFile) -> Iterator[RowChunk]:
    """All rows from the sheet's first, each as wide as the sheet, in parts of `BATCH_ROWS`.

    calamine gives rows from the sheet's first, but columns only from the first that is used.
    """
    special = list(reversed(scan.special))
    left = sheet.start[1] if sheet.start else 0
    used = sheet.end[1] + 1 if sheet.end else 0
    width = max(used, max((column for _, column, _ in special), default=-1) + 1)
    height = sheet.end[0] + 1 if sheet.end else 0
    rows = sheet.iter_rows() if sheet.end else iter(())
    first = 0
    while cells := _padded(_taken(rows, first, file), left, width):
        stop = first + len(cells)
        while special and special[-1][0] < stop:
            row, column, text = special.pop()
            cells[row - first][column] = text
        yield RowChunk(first + 1, cells)
        first = stop
    if first != height:
        # Row numbers rest on this: a version that gives other rows must not go unnoticed.
        raise _damaged(file, f"the sheet has {height} rows, but {first} were read")
    while special:
        # Formulas without a value are no cells to calamine, so the last rows may be missing.
        row = special[-1][0]
        blank: list[Any] = [""] * width
        while special and special[-1][0] == row:
            _, column, text = special.pop()
            blank[column] = text
        yield RowChunk(row + 1, [blank])


def _taken(rows: Iterator[list[Any]], first: int, file: InputFile) -> list[list[Any]]:
    """The next rows; a number that no date or length of time can be is where this stops."""
    try:
        return list(islice(rows, BATCH_ROWS))
    except BaseException as error:
        # A panic in the Rust library derives from BaseException, and has no public name.
        if not isinstance(error, OverflowError) and type(error).__name__ != "PanicException":
            raise
    raise SourceError(
        f"{file}: a cell in rows {first + 1:,} to {first + BATCH_ROWS:,} is formatted as a"
        " date or time, but its number is out of all bounds.",
        "Format that column as text or as a number, and save it again.",
    )


def _padded(rows: list[list[Any]], left: int, width: int) -> list[list[Any]]:
    if not rows or len(rows[0]) == width:
        return rows
    before = [""] * left
    after = [""] * (width - left - len(rows[0]))
    return [before + row + after for row in rows]
