"""The result files: projections of the journal and the run's own copy of the source.

One pass merges rows and outcomes, both by row number, so memory is flat however long the file.
Every file is complete or absent, and none takes its name before all are complete.

CSV files are UTF-8 with commas, line feeds and no byte-order mark. Cells of the source are written
untouched, formulas and all: they are the customer's data, to be mended and run again. Texts of
ours and of the service get an apostrophe before a sign that a spreadsheet program would take for
a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import orjson

from importer.errors import JournalError
from importer.files import replacing
from importer.model import Batch, Outcome, Status, Summary

if TYPE_CHECKING:
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

RESULTS = "results.csv"
FAILURES = "failures.csv"
WORKBOOK = "failures.xlsx"
UNCERTAIN = "uncertain.csv"
SUMMARY = "summary.json"

RESULT_COLUMNS = ("row", "status", "numberid", "attempts", "http_status", "code", "message")
NOTE_COLUMNS = ("_row", "_status", "_code", "_message", "_hint")

SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384
CELL_LENGTH = 32_767
"""The limits of a sheet in the xlsx format."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NEEDS_QUOTES = re.compile('[",\r\n]')
# What XML 1.0 cannot hold; openpyxl refuses the first of these.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def write_results(
    directory: Path,
    *,
    headers: Sequence[str],
    batches: Iterable[Batch],
    outcomes: Iterable[Outcome],
    summary: Summary | None = None,
) -> None:
    """Write all result files into a directory that exists, over those that are there.

    `outcomes` are in row order like the rows of `batches`; rows without one are pending. Without
    a `summary`, summary.json stays as it is. Raises OutputError if they cannot be written, and
    JournalError if an outcome's row is not in the source: nothing is replaced then.
    """
    kept = [i for i, header in enumerate(headers) if header not in NOTE_COLUMNS]
    columns = [*(headers[i] for i in kept), *NOTE_COLUMNS]
    with ExitStack() as files:
        results, failures, uncertain = (
            files.enter_context(_text(files.enter_context(replacing(directory / name))))
            for name in (RESULTS, FAILURES, UNCERTAIN)
        )
        workbook = _Workbook(files.enter_context(replacing(directory / WORKBOOK)), columns)
        files.callback(workbook.discard)
        results.write(_line(RESULT_COLUMNS))
        failures.write(_line(columns))
        uncertain.write(_line(columns))
        for batch, found in _merged(batches, outcomes):
            results.writelines(map(_result_line, found))
            for outcome, cells in _noted(batch, found, kept):
                notes = _notes(outcome)
                line = _line([*cells, *map(_harmless, notes)])
                if outcome.status is Status.UNCERTAIN:
                    uncertain.write(line)
                else:
                    failures.write(line)
                    workbook.add([*cells, *notes])
        workbook.save()
        if summary is not None:
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
    return orjson.dumps(values, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _merged(
    batches: Iterable[Batch], outcomes: Iterable[Outcome]
) -> Iterator[tuple[Batch, list[Outcome]]]:
    """Each batch with the outcomes of all its rows."""
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


def _noted(
    batch: Batch, found: Sequence[Outcome], kept: Sequence[int]
) -> Iterator[tuple[Outcome, list[str]]]:
    """The outcomes that go into a file of their own, with the row's original cells."""
    noted = (Status.REJECTED, Status.INVALID, Status.UNCERTAIN)
    places = [i for i, outcome in enumerate(found) if outcome.status in noted]
    if not places:
        return
    columns = [batch.frame.iloc[places, i].tolist() for i in kept]
    for n, place in enumerate(places):
        yield found[place], [column[n] for column in columns]


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
    start = f"{outcome.row},{outcome.status.value},{'|'.join(outcome.numberids)}"
    start = f"{start},{outcome.attempts},{status}"
    if outcome.code is None and outcome.message is None:
        return f"{start},,\n"
    texts = [_harmless(outcome.code or ""), _harmless(outcome.message or "")]
    return f"{start},{_line(texts)}"


def _line(cells: Iterable[str]) -> str:
    # Not the csv module: before Python 3.13 it leaves a lone carriage return without quotes.
    return (
        ",".join([_quoted(cell) if _NEEDS_QUOTES.search(cell) else cell for cell in cells]) + "\n"
    )


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _text(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", errors="backslashreplace", newline="")


class _Workbook:
    """failures.xlsx, row by row; every cell is text, so no program spoils a phone number."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        import openpyxl

        self._path = path
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet: WriteOnlyWorksheet = self._book.create_sheet("failures")
        self._sheet.freeze_panes = "A2"
        # A sheet cannot hold more: the source's last columns give way to the notes.
        self._left_out = max(0, len(columns) - SHEET_COLUMNS)
        self._rows = 0
        self._unwritten = 0
        self.add(columns)

    def add(self, cells: Sequence[str]) -> None:
        """Append a row, while there is room for it and for a last one that says what is missing."""
        if self._rows >= SHEET_ROWS - 1:
            self._unwritten += 1
            return
        self._rows += 1
        if self._left_out:
            notes = len(NOTE_COLUMNS)
            cells = [*cells[: SHEET_COLUMNS - notes], *cells[-notes:]]
        self._sheet.append([self._cell(text) for text in cells])

    def save(self) -> None:
        """Write the file itself."""
        if self._unwritten:
            words = f"{self._unwritten} more rows do not fit into a sheet: they are in {FAILURES}"
            self._sheet.append([self._cell(words)])
        self._book.save(self._path)

    def discard(self) -> None:
        """Remove what openpyxl keeps in a file of its own until the workbook is saved."""
        if not self._sheet.closed:
            # Saving is the one public way to be rid of it, and of its half-written rows.
            with suppress(OSError):
                self._book.save(BytesIO())

    def _cell(self, text: str) -> Any:
        from openpyxl.cell import WriteOnlyCell

        # Blank cells are text, too: someone may fill in the missing phone.
        cell = WriteOnlyCell(self._sheet)
        cell.number_format = "@"
        if text:
            cell.value = _NOT_IN_XML.sub("\ufffd", text)[:CELL_LENGTH]
            # Set after the value, from which openpyxl takes formulas and error texts.
            cell.data_type = "s"
        return cell
