"""The result files: projections of the journal and the run's own copy of the source.

One pass merges rows and outcomes, both in row order, so memory does not grow with the file. Every
file is complete or absent, and none is renamed into place before all are complete.

CSV files are UTF-8 with commas, line feeds and no byte-order mark. Cells of the source are written
untouched, formulas and all: they are the customer's data, to be mended and run again. Texts of
ours and of the service get an apostrophe before a sign that a spreadsheet program would take for
a formula.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import orjson

from importer.errors import JournalError
from importer.files import WorkingFolder, json_safe, replacing
from importer.model import (
    EDITED_COLUMN,
    NOTE_COLUMNS,
    NUMBERID_COLUMN,
    NUMBERS_COLUMN,
    ORIGIN_COLUMN,
    Batch,
    Outcome,
    Status,
    Summary,
)
from importer.reports.csvlines import csv_line, harmless, open_csv, write_columns
from importer.reports.text_workbook import (
    GREY,
    RED,
    SHEET_COLUMNS,
    SHEET_ROWS,
    YELLOW,
    TextWorkbook,
    fitting_width,
)

RESULTS = "results.csv"
CREATED = "created.csv"
FAILURES = "failures.csv"
WORKBOOK = "failures.xlsx"
UNCERTAIN = "uncertain.csv"
SUMMARY = "summary.json"

RESULT_COLUMNS = ("row", "status", "numberid", "attempts", "http_status", "code", "message")
NUMBERID_JOINT = "|"
"""Between the numberids of a row for which the service gave several."""


def write_results(
    directory: Path,
    *,
    headers: Sequence[str],
    batches: Iterable[Batch],
    outcomes: Iterable[Outcome],
    summary: Summary,
    noting: Collection[str] = (),
) -> None:
    """Write all result files into a directory that exists, over those that are there.

    `outcomes` are in row order like the rows of `batches`; rows without one are pending. What is to
    be noted beside NOTE_COLUMNS is `noting`: NUMBERS_COLUMN, for sources that have numbers with a
    fraction, in the lists of failed and of uncertain rows; EDITED_COLUMN, for those that were
    mended by hand, in all lists of rows. Raises OutputError if the files cannot be written, and
    JournalError if an outcome's row is not in the source: nothing is replaced then.
    """
    with_numbers, with_edits = NUMBERS_COLUMN in noting, EDITED_COLUMN in noting
    kept = source_columns(headers)
    notes = (*NOTE_COLUMNS, ORIGIN_COLUMN, *((NUMBERS_COLUMN,) if with_numbers else ()))
    edited = (EDITED_COLUMN,) if with_edits else ()
    original = [headers[i] for i in kept]
    columns = [*original, *notes]
    with ExitStack() as files:
        results, created, failures, uncertain = (
            files.enter_context(open_csv(files.enter_context(replacing(directory / name))))
            for name in (RESULTS, CREATED, FAILURES, UNCERTAIN)
        )
        place = files.enter_context(replacing(directory / WORKBOOK))
        workbook = _Failures(place, original, (*notes, *edited))
        files.callback(workbook.discard)
        results.write(csv_line(RESULT_COLUMNS))
        created.write(csv_line([*original, NOTE_COLUMNS[0], NUMBERID_COLUMN, *edited]))
        failures.write(csv_line([*columns, *edited]))
        uncertain.write(csv_line([*columns, NUMBERID_COLUMN, *edited]))
        for batch, found in merge_outcomes(batches, outcomes):
            results.writelines(map(_result_line, found))
            edits = batch.edit_notes(headers) if with_edits else None
            _write_created(created, batch, found, kept, edits)
            numbers = batch.number_notes(headers) if with_numbers else None
            noted = _noted(batch, found, kept)
            origins = batch.origin_notes(headers, summary.run_id) if noted else []
            for at, outcome, cells in noted:
                said = [*_notes(outcome), origins[at]]
                line = [*cells, *map(harmless, said)]
                if numbers is not None:
                    said.append(numbers.get(at, ""))
                    line.append(numbers.get(at, ""))
                mended = [] if edits is None else [edits.get(at, "")]
                if outcome.status is Status.UNCERTAIN:
                    uncertain.write(csv_line([*line, "", *map(harmless, mended)]))
                else:
                    failures.write(csv_line([*line, *map(harmless, mended)]))
                    workbook.add([*cells, *said, *mended])
        workbook.save()
        place = files.enter_context(replacing(directory / SUMMARY))
        place.write_bytes(summary_json(summary))


def summary_json(summary: Summary) -> bytes:
    """What summary.json holds; `reason` and `hint` are there only if the run was stopped."""
    values: dict[str, Any] = {
        "run_id": summary.run_id,
        "status": summary.status,
        "rows": summary.rows,
        "counts": {status.value: summary.counts.get(status, 0) for status in Status},
        "started_at": summary.started_at,
        "elapsed_s": summary.elapsed_s,
        "rows_per_s": summary.rows_per_s,
        "attempts": summary.attempts,
        "source": dict(summary.source),
        "mapping": dict(summary.mapping),
        "target": dict(summary.target),
        "settings": dict(summary.settings),
        "versions": dict(summary.versions),
    }
    if summary.reason is not None:
        values["reason"] = summary.reason
    if summary.hint is not None:
        values["hint"] = summary.hint
    return orjson.dumps(
        json_safe(values), default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )


def source_columns(headers: Sequence[str]) -> list[int]:
    """The columns of a list without those that a list of failures of ours has besides."""
    ours = (*NOTE_COLUMNS, ORIGIN_COLUMN, NUMBERS_COLUMN, NUMBERID_COLUMN, EDITED_COLUMN)
    return [i for i, header in enumerate(headers) if header not in ours]


def merge_outcomes(
    batches: Iterable[Batch], outcomes: Iterable[Outcome]
) -> Iterator[tuple[Batch, list[Outcome]]]:
    """Each batch with the outcomes of all its rows, which are pending where none is given.

    Raises JournalError for an outcome whose row is in no batch.
    """
    coming = iter(outcomes)
    upcoming = next(coming, None)
    for batch in batches:
        found: list[Outcome] = []
        for row in batch.rows.tolist():
            if upcoming is not None and upcoming.row == row:
                found.append(upcoming)
                upcoming = next(coming, None)
            else:
                found.append(Outcome(row, Status.PENDING))
        yield batch, found
    if upcoming is not None:
        raise JournalError(
            f"the journal has row {upcoming.row}, which the source does not have",
            "This journal belongs to another source: restore the run directory as a whole.",
        )


def _write_created(
    file: TextIO,
    batch: Batch,
    found: Sequence[Outcome],
    kept: Sequence[int],
    edits: Mapping[int, str] | None,
) -> None:
    """Append the created rows, by the column: in most runs that is nearly every row.

    `edits` are what EDITED_COLUMN has, by place in the batch; None where there is no such column.
    """
    notes = [
        [harmless(edits.get(n, "")) for n, o in enumerate(found) if o.status is Status.CREATED]
        for edits in ([] if edits is None else [edits])
    ]
    numberids = [NUMBERID_JOINT.join(o.numberids) for o in found if o.status is Status.CREATED]
    if len(numberids) < len(found):
        mask = (o.status is Status.CREATED for o in found)
        batch = batch.where(np.fromiter(mask, np.bool_, len(found)))
    if numberids:
        write_columns(file, [*(batch.columns[i] for i in kept), batch.rows, numberids, *notes])


def write_created_workbook(
    path: Path,
    headers: Sequence[str],
    rows: Iterable[tuple[Batch, Sequence[Outcome]]],
    *,
    with_edits: bool,
) -> None:
    """Write what created.csv has as a workbook in which every cell is text.

    `rows` are the batches of the source with the outcomes of all their rows. Rows beyond those that
    a sheet holds are only counted, in its last row.
    """
    kept = source_columns(headers)
    edited = (EDITED_COLUMN,) if with_edits else ()
    columns = [*(headers[i] for i in kept), NOTE_COLUMNS[0], NUMBERID_COLUMN, *edited]
    book = TextWorkbook(path)
    try:
        sheet = book.add_sheet("created")
        for column, header in enumerate(columns[:SHEET_COLUMNS]):
            sheet.set_width(column, max(12, fitting_width([header])))
        heading = book.style(bold=True, bg_color=GREY, bottom=1)
        sheet.write_row(0, columns[:SHEET_COLUMNS], heading)
        sheet.sheet.freeze_panes(1, 0)
        written = more = 0
        for batch, outcomes in rows:
            edits = batch.edit_notes(headers) if with_edits else {}
            places = [n for n, o in enumerate(outcomes) if o.status is Status.CREATED]
            for place, cells in zip(places, batch.cells(places, kept), strict=True):
                if written >= SHEET_ROWS - 2:
                    more += 1
                    continue
                written += 1
                outcome = outcomes[place]
                notes = [str(outcome.row), NUMBERID_JOINT.join(outcome.numberids)]
                line = [*cells, *notes, *([edits.get(place, "")] if with_edits else [])]
                sheet.write_row(written, line[:SHEET_COLUMNS])
        if more:
            words = f"{more} more rows do not fit into a sheet: they are in {CREATED}"
            sheet.write(written + 1, 0, words)
        book.save()
    finally:
        book.discard()


def _noted(
    batch: Batch, found: Sequence[Outcome], kept: Sequence[int]
) -> list[tuple[int, Outcome, list[str]]]:
    """The outcomes that people look at, with their places and the rows' original cells."""
    noted = (Status.REJECTED, Status.INVALID, Status.UNCERTAIN)
    places = [i for i, outcome in enumerate(found) if outcome.status in noted]
    outcomes = [found[i] for i in places]
    return list(zip(places, outcomes, batch.cells(places, kept), strict=True)) if places else []


def _notes(outcome: Outcome) -> list[str]:
    """The values of NOTE_COLUMNS."""
    return [
        str(outcome.row),
        outcome.status.value,
        outcome.code or "",
        outcome.message or "",
        outcome.hint or "",
    ]


def _result_line(outcome: Outcome) -> str:
    status = "" if outcome.http_status is None else outcome.http_status
    start = f"{outcome.row},{outcome.status.value},{NUMBERID_JOINT.join(outcome.numberids)}"
    start = f"{start},{outcome.attempts},{status}"
    if outcome.code is None and outcome.message is None:
        return f"{start},,\n"
    texts = [harmless(outcome.code or ""), harmless(outcome.message or "")]
    return f"{start},{csv_line(texts)}"


class _Failures:
    """failures.xlsx; where no row failed, its bytes with the heading alone come from a memo.

    Writing a workbook, even an empty one, takes longer than all else for a small file.
    """

    def __init__(self, path: Path, original: Sequence[str], notes: Sequence[str]) -> None:
        self._path = path
        self._columns = (tuple(original), tuple(notes))
        self._book: _Workbook | None = None

    def add(self, cells: Sequence[str]) -> None:
        """Append a row."""
        if self._book is None:
            self._book = _Workbook(self._path, *self._columns)
        self._book.add(cells)

    def save(self) -> None:
        """Write the file itself."""
        if self._book is None:
            self._path.write_bytes(_heading_only(*self._columns))
        else:
            self._book.save()

    def discard(self) -> None:
        """Leave nothing behind where it was not saved."""
        if self._book is not None:
            self._book.discard()


@lru_cache(maxsize=4)
def _heading_only(original: tuple[str, ...], notes: tuple[str, ...]) -> bytes:
    with WorkingFolder() as folder:
        path = Path(folder) / WORKBOOK
        book = _Workbook(path, original, notes)
        try:
            book.save()
        finally:
            book.discard()
        return path.read_bytes()


class _Workbook:
    """A workbook of failed rows, row by row."""

    def __init__(self, path: Path, original: Sequence[str], notes: Sequence[str]) -> None:
        self._book = TextWorkbook(path)
        self._sheet = self._book.add_sheet("failures")
        # A sheet cannot hold more: the source's last columns give way to the notes.
        columns = [*original, *notes]
        self._notes = len(notes)
        self._kept = min(len(columns), SHEET_COLUMNS) - self._notes
        self._colours = {
            Status.INVALID.value: self._book.style(bg_color=RED),
            Status.REJECTED.value: self._book.style(bg_color=YELLOW),
        }
        self._rows = 0
        self._unwritten = 0
        heading = self._book.style(bold=True, bg_color=GREY, bottom=1)
        for column, header in enumerate(self._fitted(columns)):
            width = _NOTE_WIDTHS.get(header) or max(12, fitting_width([header]))
            self._sheet.set_width(column, width)
        self._sheet.write_row(0, self._fitted(columns), heading)
        self._sheet.sheet.freeze_panes(1, 0)

    def add(self, cells: Sequence[str]) -> None:
        """Append a row, while there is room for it and for a last one that says what is missing."""
        if self._rows >= SHEET_ROWS - 2:
            self._unwritten += 1
            return
        self._rows += 1
        cells = self._fitted(cells)
        self._sheet.write_row(self._rows, cells)
        status = self._kept + NOTE_COLUMNS.index("_status")
        self._sheet.write(self._rows, status, cells[status], self._colours.get(cells[status]))

    def save(self) -> None:
        """Write the file itself."""
        if self._unwritten:
            words = f"{self._unwritten} more rows do not fit into a sheet: they are in {FAILURES}"
            self._sheet.write(self._rows + 1, 0, words)
        self._sheet.sheet.autofilter(0, 0, self._rows, self._kept + self._notes - 1)
        self._book.save()

    def discard(self) -> None:
        """Leave nothing behind where it was not saved."""
        self._book.discard()

    def _fitted(self, cells: Sequence[str]) -> list[str]:
        return [*cells[: self._kept], *cells[-self._notes :]]


_NOTE_WIDTHS = {"_row": 8, "_status": 11, "_code": 20, "_message": 60, "_hint": 60, "_origin": 9}
