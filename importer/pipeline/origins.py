"""Lists of failures that come back: which rows they come from, and what became of these since.

A row of failures.csv and uncertain.csv has in `ORIGIN_COLUMN` the run and the row that it first
came from, as ``RUN_ID:ROW``: it keeps that from one list of failures to the next. So a list of
failures that is mended in two steps, and imported after each, sends no row twice: rows that any of
these runs has sent, or may have, are left out.

A list of failures has only cells that were wrong, so its columns show nothing of what is usual in
them: a phone that was doubtful among a thousand others would be sure among doubtful ones. So its
cells are judged by the columns of the lists that its rows come from, and by no column where one of
these is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.errors import JournalError, SourceError
from importer.journal.journal import Journal
from importer.model import ORIGIN_COLUMN, Batch, Status
from importer.pipeline.edits import mended_batches
from importer.pipeline.ready import RowNumbers
from importer.pipeline.rundir import RUN_ID, RunDirectory
from importer.sources.snapshot import Snapshot
from importer.survey.duplicates import FirstOccurrences

MOST_RUNS = 1000
"""Runs that the rows of one list may come from."""


@dataclass(frozen=True, slots=True)
class SentBefore:
    """The `rows` of a list that a run has sent, or may have: int64, ascending."""

    run_id: str
    run_dir: Path
    rows: RowNumbers


@dataclass(frozen=True, slots=True)
class SentRun:
    """A run that has sent something, or tried to; `name` is what people know it by."""

    run_id: str
    run_dir: Path
    name: str


class PastRuns(Protocol):
    """Where runs of the past are found.

    The pipeline knows no ledger: :mod:`importer.operations.guarded` implements this with one.
    """

    def find(self, run_id: str) -> Path | None:
        """The directory of a run; None where it is not known, or gone."""

    def runs_since(self, run_ids: Sequence[str]) -> Sequence[SentRun]:
        """The runs that were sent to the same place since the first of these, and these."""

    def sent_keys(self, run_dir: Path, unique: Sequence[str]) -> FirstOccurrences | None:
        """The keys (``rows.unique``) of what a run has sent; None where it has none of these."""


class RunsIn:
    """Past runs of one runs folder, as a rehearsal has them: none that it must not send again."""

    def __init__(self, runs_dir: Path | None = None) -> None:
        self._runs_dir = runs_dir

    def find(self, run_id: str) -> Path | None:
        """The directory of that name in the folder, where it holds a run's copy of its cells."""
        if self._runs_dir is None or RUN_ID.fullmatch(run_id) is None:
            return None
        directory = RunDirectory(self._runs_dir / run_id)
        return directory.path if directory.snapshot.exists() else None

    def runs_since(self, run_ids: Sequence[str]) -> Sequence[SentRun]:
        """None."""
        return ()

    def sent_keys(self, run_dir: Path, unique: Sequence[str]) -> FirstOccurrences | None:
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class Origins:
    """What the rows of a list come from: their numbers, and ``RUN_ID:ROW`` of each or blank.

    `rows` is int64, `texts` an Arrow array of large strings, `run_ids` the runs in their order.
    """

    rows: RowNumbers
    texts: Any
    run_ids: tuple[str, ...]


def origins_in(copy: Path) -> Origins | None:
    """The origins of the rows of a list, by the copy of its cells; None for other lists.

    Raises SourceError where they are of more runs than any list of ours.
    """
    rows, texts = [np.empty(0, np.int64)], [pa.array([], pa.large_string())]
    with Snapshot.open(copy) as snapshot:
        if ORIGIN_COLUMN not in snapshot.headers:
            return None
        label = snapshot.headers.index(ORIGIN_COLUMN)
        for batch in snapshot.batches([label]):
            rows.append(batch.rows)
            texts.append(pc.utf8_ltrim(batch.columns[label], characters="'"))
    joined = pa.chunked_array(texts).combine_chunks()
    runs = pc.unique(pc.replace_substring_regex(joined, ":[0-9]{1,12}$", ""))
    if len(runs) > MOST_RUNS:
        raise SourceError(
            f"the column {ORIGIN_COLUMN} names more than {MOST_RUNS:,} imports",
            f"It says which import each row failed in. Delete the column {ORIGIN_COLUMN} where it"
            " is not one that an import has written, or divide the list.",
        )
    run_ids = tuple(run for run in runs.to_pylist() if RUN_ID.fullmatch(run))
    return Origins(np.concatenate(rows), joined, run_ids)


def sent_by(runs: Iterable[SentRun], origins: Origins) -> Iterator[SentBefore]:
    """The rows of a list of failures that these runs have sent, or may have.

    Raises SourceError where the journal of such a run cannot be read.
    """
    for run in runs:
        try:
            sent = _sent_origins(run, run.run_id in origins.run_ids)
        except JournalError as error:
            raise SourceError(
                f"{run.run_dir}: what this run sent is not known: {error.message}",
                f"Rows of this list may be among it. Mend it; or, where you know that they are not,"
                f" delete the column {ORIGIN_COLUMN} from the list.",
            ) from None
        if sent is not None:
            found = pc.is_in(origins.texts, value_set=sent).to_numpy(zero_copy_only=False)
            if found.any():
                yield SentBefore(run.run_id, run.run_dir, origins.rows[found])


def _sent_origins(run: SentRun, is_origin: bool) -> Any | None:
    """The origins of what a run has sent, or may have; None where it has nothing to do with them.

    A run that `is_origin` of some rows is so by its own row numbers, too.
    """
    directory = RunDirectory(run.run_dir)
    if not directory.snapshot.exists():
        return None
    origins = origins_in(directory.snapshot)
    if origins is None and not is_origin:
        return None
    sent = rows_sent(directory)
    numbers = pc.cast(pa.array(sent, pa.int64()), pa.large_string())
    begin, empty = (pa.scalar(text, pa.large_string()) for text in (f"{run.run_id}:", ""))
    own = pc.binary_join_element_wise(begin, numbers, empty)
    if origins is None:
        return own
    theirs = origins.texts.filter(pa.array(np.isin(origins.rows, sent)))
    return pa.concat_arrays([own, theirs.filter(pc.not_equal(theirs, ""))])


def rows_sent(directory: RunDirectory, *more: Status) -> RowNumbers:
    """The rows of a run that are, or may be, in the service, and those in `more` states.

    Raises JournalError.
    """
    states = (Status.CREATED, Status.UNCERTAIN, *more)
    with Journal.read(directory.journal) as journal:
        return np.fromiter(journal.rows_in(*states), dtype=np.int64)


def cells_of_origins(
    origins: Origins | None, headers: Sequence[str], past: PastRuns
) -> Iterator[Batch] | None:
    """The lists that rows come from, whole, in the columns of `headers`; None where one is gone.

    What a list has no column for is blank. Raises JournalError where a run's edits are gone.
    """
    if origins is None or not origins.run_ids:
        return None
    found = [past.find(run_id) for run_id in origins.run_ids]
    directories = [RunDirectory(path) for path in found if path is not None]
    if len(directories) < len(found) or not all(d.snapshot.exists() for d in directories):
        return None
    return (batch for each in directories for batch in _batches(each, headers))


def _batches(directory: RunDirectory, headers: Sequence[str]) -> Iterator[Batch]:
    with Snapshot.open(directory.snapshot) as snapshot:
        theirs = {header: label for label, header in enumerate(snapshot.headers)}
        for batch in mended_batches(directory, snapshot):
            yield _in_columns(batch, [theirs.get(header) for header in headers])


def _in_columns(batch: Batch, labels: Sequence[int | None]) -> Batch:
    """A batch whose n-th column is the one of the n-th label; a blank one for None."""
    blank: Any = pa.array([""] * len(batch), pa.large_string())
    fractions: dict[int, npt.NDArray[np.bool_]] = {
        at: batch.fractions[label]
        for at, label in enumerate(labels)
        if label is not None and label in batch.fractions
    }
    columns = {
        at: blank if label is None else batch.columns[label] for at, label in enumerate(labels)
    }
    return Batch(batch.rows, columns, fractions=fractions)
