"""The outcomes of a run for programs: row by row, or as a pandas DataFrame.

Outcomes come from the journal and cells from the run's own copy, so it works for a past run as for
one that has just ended. Both are read lazily, a batch at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from importer.journal.journal import Journal
from importer.model import Batch, Outcome, Status
from importer.pipeline.edits import mended_batches
from importer.pipeline.examine import raise_if_stopped
from importer.pipeline.results import (
    NUMBERID_JOINT,
    RESULT_COLUMNS,
    merge_outcomes,
    source_columns,
    write_created_workbook,
)
from importer.pipeline.rundir import RunDirectory
from importer.pipeline.running import StopSwitch
from importer.sources.snapshot import Snapshot

if TYPE_CHECKING:
    import pandas as pd


class ResultRow(NamedTuple):
    """The outcome of one row of a list.

    `row` is its number in the list, `numberids` are those of its records, if it was created.
    `http_status`, `code`, `message` and `hint` are of the reply, or of the row's problem.
    `attempts` counts the attempted requests. `cells` are the row's own, as
    text, by their headers; of headers that stand twice the second is called ``Phone.1``, and a
    blank one of the third column ``Unnamed: 2``, as pandas has it.
    """

    row: int
    status: Status
    numberids: tuple[str, ...]
    attempts: int
    http_status: int | None
    code: str | None
    message: str | None
    hint: str | None
    cells: Mapping[str, str]


class RowPage(NamedTuple):
    """Rows of a run in order, and the row numbers at which the pages before and after begin."""

    rows: list[ResultRow]
    previous: int | None
    following: int | None


def result_rows(directory: RunDirectory) -> Iterator[ResultRow]:
    """Every row of a run, in order; raises JournalError and SourceError where it cannot be read."""
    for headers, batch, outcomes in _batches_with_outcomes(directory):
        yield from _rows(headers, batch, outcomes)


def pages_of_rows(
    directory: RunDirectory, asked: Iterable[tuple[Collection[Status], int]], most: int
) -> list[RowPage]:
    """A page for each of some states (pending is none of them) and row number to begin at.

    A page has at most so many rows, in order, and is the last one where no row is so late. No more
    of the run is read than the pages hold. Raises as :func:`result_rows` does.
    """
    with Journal.read(directory.journal) as journal, Snapshot.open(directory.snapshot) as snapshot:
        pages = [journal.page(*states, first=first, most=most) for states, first in asked]
        return [
            RowPage(_with_cells(directory, snapshot, outcomes), previous, following)
            for outcomes, previous, following in pages
        ]


def _with_cells(
    directory: RunDirectory, snapshot: Snapshot, outcomes: Sequence[Outcome]
) -> list[ResultRow]:
    found: list[ResultRow] = []
    wanted = np.array([outcome.row for outcome in outcomes], np.int64)
    for batch in mended_batches(directory, snapshot, only=snapshot.places_of(wanted.tolist())):
        part = batch.where(np.isin(batch.rows, wanted))
        found += _rows(snapshot.headers, part, outcomes[len(found) : len(found) + len(part)])
    return found


def _rows(headers: Sequence[str], batch: Batch, outcomes: Sequence[Outcome]) -> Iterator[ResultRow]:
    labels = source_columns(headers)
    names = unique_names([headers[label] for label in labels])
    cells = batch.cells(list(range(len(batch))), labels)
    for outcome, texts in zip(outcomes, cells, strict=True):
        yield ResultRow(
            outcome.row,
            outcome.status,
            outcome.numberids,
            outcome.attempts,
            outcome.http_status,
            outcome.code,
            outcome.message,
            outcome.hint,
            dict(zip(names, texts, strict=True)),
        )


def created_workbook(directory: RunDirectory, path: Path, stop: StopSwitch) -> None:
    """Write the created rows of a run as a workbook; RunInterruptedError where it is stopped."""
    with Snapshot.open(directory.snapshot) as snapshot:
        headers = snapshot.headers

    def rows() -> Iterator[tuple[Batch, list[Outcome]]]:
        for _, batch, outcomes in _batches_with_outcomes(directory):
            raise_if_stopped(stop)
            yield batch, outcomes

    write_created_workbook(path, headers, rows(), with_edits=directory.edits.exists())


def frame_of_rows(directory: RunDirectory) -> pd.DataFrame:
    """Every row of a run as a pandas DataFrame, in order; raises as :func:`result_rows` does.

    It has the columns of results.csv, then those of the list, as text; of a column of the list that
    is called like one of results.csv, the name gets ``.1``.
    """
    import pandas as pd

    frames = []
    for headers, batch, outcomes in _batches_with_outcomes(directory):
        labels = source_columns(headers)
        names = unique_names([headers[label] for label in labels], RESULT_COLUMNS)
        told: dict[str, object] = {
            "row": batch.rows,
            "status": [outcome.status.value for outcome in outcomes],
            "numberid": [NUMBERID_JOINT.join(one.numberids) or None for one in outcomes],
            "attempts": [outcome.attempts for outcome in outcomes],
            "http_status": pd.array([one.http_status for one in outcomes], dtype="Int64"),
            "code": [outcome.code for outcome in outcomes],
            "message": [outcome.message for outcome in outcomes],
        }
        for name, label in zip(names, labels, strict=True):
            told[name] = batch.columns[label].to_pandas()
        of_text = ("status", "numberid", "code", "message", *names)
        frames.append(pd.DataFrame(told).astype(dict.fromkeys(of_text, "string")))
    return pd.concat(frames, ignore_index=True)


def _batches_with_outcomes(
    directory: RunDirectory,
) -> Iterator[tuple[Sequence[str], Batch, list[Outcome]]]:
    """The headers, and each batch of the run's copy with the outcomes of all its rows."""
    with Journal.read(directory.journal) as journal, Snapshot.open(directory.snapshot) as snapshot:
        batches = mended_batches(directory, snapshot)
        for batch, outcomes in merge_outcomes(batches, journal.outcomes()):
            yield snapshot.headers, batch, outcomes


def unique_names(headers: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """A name for each column, none of them `taken` and no two alike, as pandas makes them."""
    used = {*taken}
    names = []
    for place, header in enumerate(headers):
        base = name = header or f"Unnamed: {place}"
        count = 0
        while name in used:
            count += 1
            name = f"{base}.{count}"
        used.add(name)
        names.append(name)
    return names
