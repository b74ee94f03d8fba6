"""The half of the line before the gate: source → the run's own copy → Survey.

The source is read once, into the copy, while what its columns show as a whole is noted. Then the
copy is gone through with that knowledge: each row is mapped, checked and decided upon. What is
checked here is thus what is sent later, from the same copy, by the same plan.

Most of a batch's work is done by Arrow and numpy, which let other threads run meanwhile. So batches
are worked on side by side, and given in order (:func:`map_ahead`, :func:`fan_out`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Self, TypeVar

import numpy as np
import orjson

from importer.errors import MappingError, OutputError, RunInterruptedError, SourceError
from importer.mapping.bound import BoundMapping, bind_mapping
from importer.mapping.facts import Facts
from importer.mapping.load import LoadedMapping
from importer.mapping.records import Evaluated
from importer.model import (
    NOTE_COLUMNS,
    NUMBERID_COLUMN,
    Batch,
    Checked,
    Checkup,
    Findings,
    OriginalWorkbook,
    Problem,
    Progress,
    Severity,
    SourceInfo,
    Stage,
    Status,
)
from importer.pipeline.do_not_call import Lists, load_lists
from importer.pipeline.edits import LEFT_OUT, NO_EDITS, Overlay, refuse_unknown_rows
from importer.pipeline.origins import (
    PastRuns,
    RunsIn,
    SentBefore,
    cells_of_origins,
    origins_in,
    sent_by,
)
from importer.pipeline.preflight import ComparisonResult, Gate, Preflight, with_past_callbacks
from importer.pipeline.ready import EncodedRecords, ReadyRecords, RowNumbers, bodies_of
from importer.pipeline.running import Listener, StopSwitch
from importer.settings import PROBLEM_CAP, SourceOptions
from importer.sources import open_source
from importer.sources.delimited import ONE_COLUMN
from importer.sources.dialect import delimiter_between_names, delimiter_hint
from importer.sources.frames import INDEX_IGNORED, Frame, open_frame
from importer.sources.original import LARGEST_ORIGINAL, write_for_openpyxl
from importer.sources.snapshot import Snapshot, SnapshotWriter
from importer.sources.source import Source
from importer.sources.typed import TYPED_KINDS
from importer.sources.workbook import OTHER_SHEETS
from importer.survey.duplicates import FileKeys, FirstOccurrences, RepeatFinder, Seen
from importer.survey.surveyor import (
    Decision,
    FillCounter,
    PlaceholderCounter,
    Surveyor,
    UncalledPhones,
    is_ready,
    without_header,
)

COPY = "source.parquet"
SENT_BEFORE = "sent_before"
"""The code of rows that another run of the list has sent, or may have."""


@dataclass(frozen=True, slots=True)
class ExaminationOptions:
    """How to examine a file.

    `copy` is the path for the copy of its cells; a `durable` one stays when the command ends. `log`
    is the path of a file for all problems. `seen` is shared by the files of one command. `cap`
    bounds the problems that are listed. With a `gate` the ready rows are compared with a project.
    Call-backs before `now`, which has an offset, get a warning; None gives none. `lists` are the
    mapping's do-not-call lists, if they are loaded already. `remarks` are added to the problems of
    the file. Rows that were `sent_before` are left out. `edits` are applied to the copied cells.
    `past` is where the runs are found that the rows of a list of failures come from.
    """

    copy: Path
    log: Path | None = None
    seen: Seen | None = None
    cap: int | None = PROBLEM_CAP
    stop: StopSwitch = field(default_factory=StopSwitch)
    listener: Listener = lambda _: None
    gate: Gate | None = None
    now: datetime | None = None
    lists: Lists | None = None
    durable: bool = False
    remarks: tuple[Problem, ...] = ()
    sent_before: tuple[SentBefore, ...] = ()
    edits: Overlay = NO_EDITS
    past: PastRuns = field(default_factory=RunsIn)


def fitted_mapping(mapping: LoadedMapping, info: SourceInfo) -> BoundMapping:
    """Bind a mapping to a source; raises MappingError with all columns that the source lacks."""
    try:
        return bind_mapping(mapping, info.headers)
    except MappingError as error:
        # The first sheet of many a workbook is a cover, and the index of many a frame a column.
        others = [
            f"{p.message[0].upper()}{p.message[1:]}. {p.hint}"
            for p in info.problems
            if p.code in {OTHER_SHEETS, INDEX_IGNORED}
        ]
        about = (_joined(mapping, info), _header_row(mapping, info))
        error.hint = "\n".join(filter(None, (error.hint, *about, *others)))
        raise


def _header_row(mapping: LoadedMapping, info: SourceInfo) -> str | None:
    """A hint on the row of the headers, and what chose it; None for typed sources."""
    if info.kind in TYPED_KINDS:
        return None
    said = mapping.spec.source.header_row
    if said == info.header_row and (place := mapping.places.get(("source", "header_row"))):
        return f"Its header is row {said}: that comes from {mapping.path}:{place[0]}."
    return f"Its header is row {info.header_row}; --header-row takes another."


def _joined(mapping: LoadedMapping, info: SourceInfo) -> str | None:
    """A hint where headers hold several names: the cells are divided by another delimiter."""
    if info.kind in TYPED_KINDS:
        return None
    rules = mapping.spec.placed_rules()
    names = [name for placed in rules for name in placed.rule.named_columns()]
    joint = delimiter_between_names(info.headers, names)
    if joint is not None:
        return delimiter_hint(joint, is_text=info.sheet is None)
    return next((p.hint for p in info.problems if p.code == ONE_COLUMN), None)


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A checked batch, with its columns and its encoded records where they are needed."""

    checked: Checked
    evaluated: Evaluated | None = None
    encoded: EncodedRecords | None = None


class Examination:
    """The examination of one file; raises MappingError where mapping and sheet do not fit.

    After :meth:`read`, `cells_digest` is the digest of a durable copy of the cells, `facts` and
    `fill` are what the columns show, and `bound` is the mapping that uses these facts. After all
    rows were surveyed, `comparison` is the result of the gate, None without one.
    `origin_facts` are the facts of the lists that the rows of a list of failures come from.
    """

    def __init__(
        self, info: SourceInfo, mapping: LoadedMapping, options: ExaminationOptions
    ) -> None:
        self.info = info
        self.options = options
        self.bound = fitted_mapping(mapping, info)
        self.cells_digest = ""
        lists = options.lists if options.lists is not None else load_lists(mapping, options.stop)
        self.bound = self.bound.with_do_not_call(lists.listed)
        self._list_remarks = lists.remarks
        self._on_duplicate = mapping.spec.rows.on_duplicate
        self._unique = {key.target: key.header or key.target for key in self.bound.keys}
        self._seen = options.seen if options.seen is not None else Seen()
        self.surveyor = self.new_surveyor()
        self.fill = FillCounter(info.headers)
        self._placeholders = PlaceholderCounter(info.headers, self.bound.texts_known())
        self._uncalled = None if self.bound.takes_phones else UncalledPhones(info.headers)
        self.facts = self.origin_facts = Facts()
        self._mapping = mapping
        self._rows = 0
        self.comparison: ComparisonResult | None = None
        self._sent_before = options.sent_before

    def new_surveyor(self) -> Surveyor:
        """A surveyor, which decides on all rows from the first one on."""
        return Surveyor(
            self.info.path,
            self._on_duplicate,
            unique=self._unique,
            seen=self._seen,
            cap=self.options.cap,
        )

    def remarks(self, bound: BoundMapping) -> tuple[Problem, ...]:
        """What is to be told of the list as a whole, by a mapping that knows its columns."""
        fill = self.fill.columns()
        not_taken = (
            without_header(fill),
            self._uncalled.warning(fill) if self._uncalled is not None else None,
        )
        return (
            *self.info.problems,
            *filter(None, not_taken),
            *self._placeholders.warnings(),
            *self._list_remarks,
            *bound.remarks,
            *self.options.remarks,
        )

    def read(self, source: Source) -> None:
        """Copy the source, once, and learn what its columns show as a whole."""
        fact_counter, options = self.bound.fact_counter(), self.options
        edits, named = options.edits, 0

        def learn(batch: Batch) -> None:
            """Take in what stands in the columns once they are mended, to judge them by it."""
            nonlocal named
            mended = edits.over(batch)
            fact_counter.add(edits.without_left_out(mended))
            self.fill.add(mended)
            self._placeholders.add(mended)
            if self._uncalled is not None:
                self._uncalled.add(mended)
            named += int(np.isin(edits.rows, batch.rows).sum()) if edits else 0

        copy = SnapshotWriter(options.copy, self.info.headers, self.info, durable=options.durable)
        with copy as snapshot:
            works = (snapshot.write, learn)
            batches = (batch.with_noted_numbers(self.info.headers) for batch in source.batches())
            for batch in fan_out(batches, works):
                raise_if_stopped(self.options.stop)
                self._rows += len(batch)
                options.listener(Progress(Stage.READING, None, passed=self._rows))
        if named < len(edits.rows):
            refuse_unknown_rows(edits, options.copy)
        self.cells_digest = snapshot.digest
        if self.bound.original is not None:
            self._look_for_origins()
        self.facts = self.origin_facts.plus(fact_counter.facts())
        self.bound = self.bound.with_facts(self.facts)
        if options.log is not None:
            _keep_original(source.original, _original_beside(options.log))

    def _look_for_origins(self) -> None:
        """Find what the rows of a list of failures come from, and what was sent of them since."""
        past = self.options.past
        origins = origins_in(self.options.copy)
        self.origin_facts = Facts(known=False)
        if (batches := cells_of_origins(origins, self.info.headers, past)) is not None:
            fact_counter = self.bound.fact_counter()
            for batch in batches:
                raise_if_stopped(self.options.stop)
                fact_counter.add(batch)
            self.origin_facts = fact_counter.facts()
        if origins is None:
            return
        runs = past.runs_since(origins.run_ids)
        self._sent_before += tuple(sent_by(runs, origins))
        # What these lists have sent beside makes rows of this one duplicates, whenever it was.
        unique = self._mapping.spec.rows.unique or ()
        for run in runs if unique else ():
            if run.run_id in self._seen.past:
                continue
            if (keys := past.sent_keys(run.run_dir, unique)) is not None:
                self._seen.past.add(run.run_id)
                self._seen.take(FileKeys(run.name, keys, FirstOccurrences()))

    def survey(self) -> Iterator[list[Decision]]:
        """Decide on the copy's rows; give the decisions of each batch.

        The Survey is whole once all of it was gone through.
        """
        for _, decisions in self._decided(lambda batch: self._mapped(self._evaluated(batch))):
            yield decisions

    def prepared(self, run_id: str) -> Iterator[tuple[list[Decision], ReadyRecords]]:
        """As :meth:`survey`, each batch with its ready records; `run_id` goes into their stamps."""

        def work(batch: Batch) -> _Mapped:
            evaluated = self._evaluated(batch)
            records = self.bound.records(evaluated, run_id)
            encoded = EncodedRecords(
                records.rows, bodies_of(records), self.bound.dialled(evaluated)
            )
            return self._mapped(evaluated, encoded)

        for mapped, decisions in self._decided(work):
            if mapped.encoded is not None:
                yield decisions, mapped.encoded.ready(is_ready(mapped.checked.rows, decisions))

    def _decided(
        self, work: Callable[[Batch], _Mapped]
    ) -> Iterator[tuple[_Mapped, list[Decision]]]:
        gate = self.options.gate
        preflight = Preflight(gate, self._mapping, self.bound) if gate is not None else None
        remarks = self.remarks(self.bound)
        self.surveyor.note(remarks)
        self.see_sent_before()
        with ProblemLog(self.options.log) as log, Snapshot.open(self.options.copy) as snapshot:
            log.add(remarks)

            def decide(mapped: _Mapped) -> tuple[_Mapped, list[Decision]]:
                raise_if_stopped(self.options.stop)
                decisions = self.surveyor.add(mapped.checked)
                for decision in decisions:
                    log.add(decision.problems)
                if preflight is not None and mapped.evaluated is not None:
                    preflight.add(mapped.evaluated, decisions)
                rows = self.surveyor.rows
                self.options.listener(Progress(Stage.CHECKING, self._rows, passed=rows))
                return mapped, decisions

            # No loop: its variables would keep a batch in memory while the next ones are mapped.
            mended = map(self.options.edits.over, snapshot.batches(self.bound.used))
            yield from map(decide, map_ahead(mended, work))
            if preflight is not None:
                self.comparison = preflight.finish()
                self.surveyor.note(self.comparison.problems)
                log.add(self.comparison.problems)

    def see_sent_before(self) -> None:
        """Let all rows that other runs have sent make others duplicates; once, before deciding."""
        for before in self._sent_before:
            self._see(before)

    def without_sent(self, checked: Checked) -> Checked:
        """A batch without the rows that other runs have sent, or may have."""
        for before in self._sent_before:
            message = f"left out, since {before.run_id} has sent it"
            why = Problem(None, None, None, SENT_BEFORE, message, severity=Severity.WARNING)
            checked = without_rows(checked, before.rows, why)
        return checked

    def _see(self, before: SentBefore) -> None:
        """Let rows that were sent make others duplicates, whichever stand first in the list.

        They are mapped once more for that: a row that was invalid when they were sent may be ready
        by now.
        """
        name = f"{self.info.path}, sent by {before.run_id}"
        finder = RepeatFinder(name, self._on_duplicate, self._unique, Seen())
        with Snapshot.open(self.options.copy) as snapshot:
            for batch in map(self.options.edits.over, snapshot.batches(self.bound.used)):
                raise_if_stopped(self.options.stop)
                sent = np.isin(batch.rows, before.rows)
                if sent.any():
                    checked = self.bound.evaluate(batch).checked
                    finder.duplicates(checked, sent)
                    finder.repeated_phones(checked, sent, {})
        self._seen.take(finder.own)

    def _evaluated(self, batch: Batch) -> Evaluated:
        evaluated = self.bound.evaluate(batch)
        if self.options.now is not None:
            evaluated = with_past_callbacks(evaluated, self.bound, self.options.now)
        checked = without_rows(evaluated.checked, self.options.edits.left_out, LEFT_OUT)
        return replace(evaluated, checked=self.without_sent(checked))

    def _mapped(self, evaluated: Evaluated, encoded: EncodedRecords | None = None) -> _Mapped:
        """The batch with its columns only if the gate needs them: they take the most memory."""
        columns = evaluated if self.options.gate is not None else None
        return _Mapped(evaluated.checked, columns, encoded)

    def finish(self) -> Checkup:
        """What was found, once all was gone through."""
        survey = self.surveyor.finish(self.fill.columns())
        findings = findings_of(self.options.log, self.options.copy, self.info, self.options.edits)
        checkup = Checkup(
            self.info, survey, self.bound.unused_columns, findings, phones=self.bound.phones
        )
        if (compared := self.comparison) is None:
            return checkup
        return replace(checkup, refused=compared.refused, new_values=compared.new_values)


def raise_if_stopped(stop: StopSwitch) -> None:
    """Raise RunInterruptedError if the switch was pulled."""
    if stop.reason is not None:
        raise RunInterruptedError("interrupted while reading: nothing was sent")


def without_rows(checked: Checked, rows: RowNumbers, why: Problem) -> Checked:
    """A batch with those of `rows` that it has filtered out, each with the problem `why`."""
    found = checked.rows[np.isin(checked.rows, rows)].tolist() if len(rows) else []
    if not found:
        return checked
    told = {row: replace(why, row=row) for row in found}
    problems = tuple(p for p in checked.problems if p.row not in told)
    return replace(checked, filtered={**checked.filtered, **told}, problems=problems)


def _original_beside(log: Path) -> Path:
    """The path beside a log for a copy of the workbook that was read, for reports."""
    return log.with_suffix(".original")


def _keep_original(workbook: Path | None, place: Path) -> None:
    """Copy the workbook that was read, if any, unless it is too large to be marked for a report."""
    place.unlink(missing_ok=True)  # of a file before that could not be read to its end
    if workbook is None or workbook.stat().st_size > LARGEST_ORIGINAL:
        return
    try:
        shutil.copyfile(workbook, place)
        place.chmod(0o600)
    except OSError:
        # The findings matter more than a report in the supplier's own formats.
        place.unlink(missing_ok=True)


def findings_of(log: Path | None, copy: Path, info: SourceInfo, edits: Overlay) -> Findings | None:
    """All cells and problems, read from the log and the copy; None without a log."""
    if log is None:
        return None

    def batches() -> Iterator[Batch]:
        with Snapshot.open(copy) as snapshot:
            yield from map(edits.over, snapshot.batches())

    def reread(path: Path) -> tuple[SourceInfo, Iterator[Batch]]:
        source = open_source(path, SourceOptions(sheet=info.sheet, header_row=info.header_row))
        return source.info, _to_the_end(source)

    kept, original = _original_beside(log), None
    if kept.exists() and not edits:  # which has the cells as they came
        original = OriginalWorkbook(lambda target: write_for_openpyxl(kept, target), reread)
    return Findings(batches, lambda: logged_problems(log), original)


def _to_the_end(source: Source) -> Iterator[Batch]:
    with source:
        yield from source.batches()


# Opening a file: a supplier's, or our own list of failures that comes back. What a mapping says
# under ``source`` is about the supplier's files. A list of failures has another sheet name, header
# row, encoding and delimiter, and is run again with the same mapping: read as the supplier's, it
# would not fit, or its letters would be others.

_TRACES = (*NOTE_COLUMNS, *(status.value for status in Status))
"""Texts in the headers of a list of failures, even where the wrong row is taken for headers."""


def open_incoming(
    given: Path | Frame,
    mapping: LoadedMapping,
    reading: SourceOptions,
    stop: StopSwitch | None = None,
) -> Source:
    """Open a file or a frame; `reading` beats the mapping's ``source``. Raises SourceError.

    For a list of failures the mapping's ``source`` is ignored, and for a frame. A list of created
    rows is refused: it lies beside that of failures, and its rows are in the service already.
    Raises RunInterruptedError if `stop` is pulled while a list is scanned to be opened.
    """
    stopping = stop if stop is not None else StopSwitch()

    def going_on() -> None:
        raise_if_stopped(stopping)

    if isinstance(given, Frame):
        source = open_frame(given, reading, going_on)
    else:
        source = _opened(given, mapping, reading, going_on)
    headers = set(source.info.headers)
    if headers >= {NOTE_COLUMNS[0], NUMBERID_COLUMN} and not headers >= set(NOTE_COLUMNS):
        with source:
            raise SourceError(
                f"{source.info.path}: these are the created rows of a run: the service has them",
                "Rows that failed are in failures.xlsx beside it. To send all of these a second "
                f"time, remove the column {NUMBERID_COLUMN} from a copy.",
            )
    return source


def _opened(
    path: Path, mapping: LoadedMapping, given: SourceOptions, going_on: Callable[[], None]
) -> Source:
    reading = _reading(mapping, given)
    try:
        source = open_source(path, reading, going_on)
    except SourceError:
        if reading == given or not path.is_file() or (ours := _failures(path, given)) is None:
            raise
        return ours
    if reading != given and path.is_file() and _has_traces(source):
        ours = _failures(path, given)
        if ours is not None:
            with source:
                return ours
    return source


def _has_traces(source: Source) -> bool:
    # With another delimiter, all headers are one.
    return any(trace in header for header in source.info.headers for trace in _TRACES)


def _failures(path: Path, given: SourceOptions) -> Source | None:
    """The file, opened, if it is a list of failures."""
    with contextlib.suppress(SourceError):
        source = open_source(path, given)
        if set(NOTE_COLUMNS) <= set(source.info.headers):
            return source
        with source:
            return None
    return None


def _reading(mapping: LoadedMapping, given: SourceOptions) -> SourceOptions:
    """How to read the source: the given options, and the mapping's for those left out."""
    said = mapping.spec.source
    return replace(
        given,
        sheet=given.sheet if given.sheet is not None else said.sheet,
        header_row=given.header_row or (None if said.header_row == "auto" else said.header_row),
        encoding=given.encoding or said.encoding,
        delimiter=given.delimiter or said.delimiter,
    )


class ProblemLog:
    """A file of all problems of one check: there may be too many for memory.

    They go to `path` (mode 0600), or nowhere where that is None: one JSON object a line, in the
    order in which they were found. Some of a whole column are known only when all rows were seen.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
            try:
                self._file = os.fdopen(os.open(self._path, flags, 0o600), "wb")
            except OSError as error:
                raise _log_unwritable(self._path, error) from error
        return self

    def add(self, problems: Iterable[Problem]) -> None:
        """Append problems; raises OutputError where the disk fails."""
        if self._file is None or self._path is None:
            return
        try:
            self._file.writelines(
                orjson.dumps(problem, default=str, option=orjson.OPT_APPEND_NEWLINE)
                for problem in problems
            )
        except OSError as error:
            raise _log_unwritable(self._path, error) from error

    def __exit__(self, *_: object) -> None:
        if self._file is not None and self._path is not None:
            try:
                self._file.close()
            except OSError as error:
                raise _log_unwritable(self._path, error) from error


def logged_problems(path: Path) -> Iterator[Problem]:
    """Read the problems back, one by one: those of whole columns first, then by row."""
    with path.open("rb") as file:
        for of_file in (True, False):
            file.seek(0)
            for line in file:
                if line.startswith(_OF_FILE) is of_file:
                    about = orjson.loads(line)
                    yield Problem(**{**about, "severity": Severity(about["severity"])})


_OF_FILE = b'{"row":null,'


def _log_unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: the list of problems cannot be written ({error.strerror or error})",
        "Make room on the disk of temporary files (TMPDIR says where that is).",
    )


Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 2
"""More would wait for the interpreter, and every batch under way takes memory."""


def map_ahead(items: Iterable[Item], work: Callable[[Item], Result]) -> Iterator[Result]:
    """Yield ``work(item)`` of each item, in order, computed in threads; raises what it raised.

    Items are drawn in the caller's thread, one ahead of the results.
    """
    under_way: deque[Future[Result]] = deque()
    with _pool(THREADS) as pool:
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) >= THREADS:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def fan_out(items: Iterable[Item], works: Iterable[Callable[[Item], None]]) -> Iterator[Item]:
    """Yield each item once all of `works` are done with the one before it.

    Each work gets the items in order. All of them share one thread beside the caller's: with one
    thread each, waiting for the interpreter's lock costs as much as is gained.
    """
    works = tuple(works)
    under_way: list[Future[None]] = []
    with _pool(1) as pool:
        for item in items:
            for future in under_way:
                future.result()
            under_way = [pool.submit(work, item) for work in works]
            yield item
        for future in under_way:
            future.result()


@contextlib.contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool whose queued work is cancelled when the block is left."""
    pool = ThreadPoolExecutor(threads, "vcc-import")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
