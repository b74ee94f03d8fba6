"""Incremental checking: a list is checked again after each edit, far faster than the first time.

The copy of its cells and the mapping stay open, and the checked rows are remembered. After an edit
only rows whose cells changed are mapped again. The facts of a column are counted again if one of
its cells changed; if that changes how its cells are read, all rows are mapped again. What needs the
whole list (duplicates, counts, examples) is decided again each time.

The result is that of :func:`importer.pipeline.plan.check` with the same edits.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.bound import BoundMapping
from importer.mapping.facts import Facts
from importer.mapping.load import LoadedMapping
from importer.model import ORIGIN_COLUMN, Batch, Checked, Checkup, ColumnFill, Phones
from importer.pipeline.apply import NONE_EXCEPTED, Excepted
from importer.pipeline.edits import LEFT_OUT, NO_EDITS, Overlay, refuse_unknown_rows
from importer.pipeline.examine import (
    Examination,
    ExaminationOptions,
    map_ahead,
    open_incoming,
    raise_if_stopped,
    without_rows,
)
from importer.pipeline.plan import sent_before
from importer.pipeline.preflight import with_past_callbacks
from importer.pipeline.running import StopSwitch
from importer.settings import SourceOptions
from importer.sources.frames import Frame
from importer.sources.snapshot import Snapshot
from importer.survey.surveyor import Decision, FillCounter

MOST_REMEMBERED = 500_000
"""Problems. Batches beyond are mapped again each time: if every cell of a list is wrong, its
problems take far more memory than the list itself."""
_MANY = 0.3
"""If more than this share of a batch's rows changed, all its rows are mapped again: splicing the
new rows into the old ones would take as long."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rechecked:
    """The result of a check; `decisions` has every row with a problem or a state but ready.

    `changed` are the rows whose decision differs from the previous check, in order; None where that
    was not remembered: any row may differ.
    """

    checkup: Checkup
    decisions: Mapping[int, Decision]
    changed: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Repeated:
    """A text that stands in `rows` rows, the first of which is `row`."""

    text: str
    rows: int
    row: int


@dataclass(frozen=True, slots=True)
class _State:
    """The remembered state of a check with certain `edits`.

    `checked` has the batches before rows were left out by hand; None for a batch that is to be
    mapped again.
    """

    edits: Overlay
    facts: Facts
    bound: BoundMapping
    fill: tuple[ColumnFill, ...]
    checked: tuple[Checked | None, ...]
    decisions: Mapping[int, Decision] | None = None


class Recheck:
    """A list, opened once, with its mapping; a context manager, which closes the copy.

    Of `options` are used: `copy`, which is removed by whoever made its folder, `seen`, `remarks`,
    `past`, and `stop` and `listener` for the opening. Rows of the `excepted` runs are left out.
    What is found depends on past runs if it `looks_back`. Call-backs before the time of opening get
    a warning. The list is not compared with a project, which the plan does. Raises SourceError,
    MappingError, UsageError for a run of another list, and RunInterruptedError where the opening is
    stopped.

    Memory: some hundred bytes a row, most of them for its phones and key.
    """

    def __init__(
        self,
        given: Path | Frame,
        mapping: LoadedMapping,
        reading: SourceOptions,
        options: ExaminationOptions,
        excepted: Excepted = NONE_EXCEPTED,
    ) -> None:
        self._now = datetime.now(UTC)
        self._lock = threading.Lock()
        with open_incoming(given, mapping, reading) as source:
            before = sent_before(excepted, source)
            options = replace(options, now=self._now, sent_before=before)
            self._examination = Examination(source.info, mapping, options)
            self._bound_without_facts = self._examination.bound
            self._examination.read(source)
        self._examination.see_sent_before()
        self.info = source.info
        self.looks_back = (
            mapping.spec.rows.within is not None or ORIGIN_COLUMN in source.info.headers
        )
        self._snapshot = Snapshot.open(options.copy)
        # Two threads must not read from one open file at a time: a page may ask for rows meanwhile.
        self._reading = Snapshot.open(options.copy)
        self._reading_lock = threading.Lock()
        self._bounds = [
            (int(batch.rows[0]), int(batch.rows[-1])) if len(batch) else (0, -1)
            for batch in self._snapshot.batches(())
        ]
        self._state = _State(
            NO_EDITS,
            self._examination.facts,
            self._examination.bound,
            self._examination.fill.columns(),
            (None,) * len(self._bounds),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the copy, once nothing is under way any more."""
        with self._lock, self._reading_lock:
            self._snapshot.close()
            self._reading.close()

    def batches(self, columns: Sequence[int] | None = None) -> Iterator[Batch]:
        """The list without edits, with all columns or those named by index; thread-safe."""
        for place in range(len(self._bounds)):
            yield self._batch(place, columns)

    @property
    def used(self) -> tuple[int, ...]:
        """The columns that the mapping reads."""
        return self._bound_without_facts.used

    def rows(
        self,
        rows: Collection[int],
        edits: Overlay = NO_EDITS,
        columns: Sequence[int] | None = None,
    ) -> Iterator[Batch]:
        """Some rows with the edits, in the order of the list; thread-safe."""
        wanted = np.array(sorted(rows), np.int64)
        for place, (first, last) in enumerate(self._bounds):
            start, end = np.searchsorted(wanted, (first, last + 1))
            if start < end:
                batch = edits.over(self._batch(place, columns))
                yield batch.where(np.isin(batch.rows, wanted[start:end]))

    def count(
        self, column: int, texts: Collection[str], edits: Overlay = NO_EDITS
    ) -> dict[str, int]:
        """The number of cells of an edited column that hold each of `texts`; thread-safe."""
        wanted = list(dict.fromkeys(texts))
        listed, counts = pa.array(wanted, pa.large_string()), np.zeros(len(wanted), np.int64)
        for batch in map(edits.over, self.batches([column])):
            which = pc.index_in(batch.columns[column], value_set=listed).drop_null()
            counts += np.bincount(which.to_numpy(), minlength=len(wanted))
        return dict(zip(wanted, counts.tolist(), strict=True))

    def field_values(self, name: str, most: int, edits: Overlay = NO_EDITS) -> Counter[str] | None:
        """In how many rows, as mended, each value stands that goes into a field; for any thread.

        A value is what the field's rule looks up in its map. None for more than `most` different
        ones. Raises KeyError where the mapping has no such field.
        """
        count = self._state.bound.field_values(name)
        program, _ = self._state.bound.form[name]
        counted: Counter[str] = Counter()
        for batch in map(edits.over, self.batches(program.columns)):
            counted += count(edits.without_left_out(batch))
            if len(counted) > most:
                return None
        return counted

    def repeated(
        self, column: int, rows: Collection[int], most: int, edits: Overlay = NO_EDITS
    ) -> list[Repeated]:
        """The texts of a column that several of `rows` hold, most frequent first; thread-safe.

        At most `most` of them.
        """
        numbers, texts = [np.empty(0, np.int64)], [pa.array([], pa.large_string())]
        for batch in self.rows(rows, edits, [column]):
            numbers.append(batch.rows)
            texts.append(batch.columns[column])
        cells = pa.chunked_array(texts)
        counted = pc.value_counts(cells)
        counts = counted.field("counts").to_numpy()
        top = [n for n in np.argsort(-counts, kind="stable")[:most].tolist() if counts[n] > 1]
        values = counted.field("values").take(pa.array(top, pa.int64()))
        which = pc.fill_null(pc.index_in(cells, value_set=values), -1).to_numpy()
        every = np.concatenate(numbers)
        firsts = [int(every[np.argmax(which == n)]) for n in range(len(top))]
        return [
            Repeated(text, int(counts[n]), row)
            for text, n, row in zip(values.to_pylist(), top, firsts, strict=True)
        ]

    def _batch(self, place: int, columns: Sequence[int] | None) -> Batch:
        with self._reading_lock:
            (batch,) = self._reading.batches(columns, (place,))
        return batch

    def check(self, edits: Overlay, stop: StopSwitch | None = None) -> Rechecked:
        """Check the whole list with these edits.

        One check at a time: another thread waits. To check newer edits, pull the `stop` of the
        check before: it raises RunInterruptedError, and its results are dropped. Raises EditRefused
        where the edits are those of another list.
        """
        stop = stop if stop is not None else StopSwitch()
        with self._lock:
            raise_if_stopped(stop)
            if len(np.setdiff1d(edits.rows, self._state.edits.rows)):
                refuse_unknown_rows(edits, self._snapshot.path)
            learned, changed = self._with_edits(edits, stop)
            checked = self._mapped(learned, changed, stop)
            self._state, found = self._decided(learned, checked, stop)
            return found

    def _with_edits(self, edits: Overlay, stop: StopSwitch) -> tuple[_State, list[Mask | None]]:
        """The state with these edits, and a mask of the rows whose cells changed for each batch.

        The mask is None where no row of the batch changed.
        """
        before = self._state
        touched = edits.differing(before.edits)
        changed: list[Mask | None] = [None] * len(self._bounds)
        others = not np.array_equal(edits.left_out, before.edits.left_out)
        if not touched and not others:
            return replace(before, edits=edits), changed
        # Facts leave out rows that are left out, so those of all columns may have changed.
        concerned = None if others else touched
        programs = self._bound_without_facts.programs_reading(concerned)
        fact_counter = self._bound_without_facts.fact_counter(concerned)
        counters = {label: FillCounter([self.info.headers[label]]) for label in touched}
        columns = sorted({*touched, *(label for p, _ in programs for label in p.columns)})
        used = set(self._bound_without_facts.used)
        for place, batch in enumerate(self._snapshot.batches(columns)):
            raise_if_stopped(stop)
            was, is_now = before.edits.over(batch), edits.over(batch)
            fact_counter.add(edits.without_left_out(is_now))
            for label, counter in counters.items():
                counter.add(Batch(is_now.rows, {0: is_now.columns[label]}))
            differs = np.zeros(len(batch), np.bool_)
            for label in touched:
                if label in used:
                    texts = pc.not_equal(was.columns[label], is_now.columns[label])
                    differs |= texts.to_numpy(zero_copy_only=False)
            changed[place] = differs if differs.any() else None
        fill = list(before.fill)
        for label, counter in counters.items():
            fill[label] = counter.columns()[0]
        watched = {program.target for program, _ in programs}
        kept = {t: counts for t, counts in before.facts.targets.items() if t not in watched}
        learned = self._examination.origin_facts.plus(fact_counter.facts())
        news = {target: learned.targets[target] for target in watched & learned.targets.keys()}
        facts = replace(learned, targets={**kept, **news})
        bound, checked = self._bound_without_facts.with_facts(facts), before.checked
        if bound.findings == before.bound.findings:
            # The cells are read as before: the old programs have memos of what they have read.
            bound = replace(before.bound, remarks=bound.remarks, phones=bound.phones)
        else:
            checked = (None,) * len(checked)
        return _State(edits, facts, bound, tuple(fill), checked, before.decisions), changed

    def _mapped(
        self, state: _State, changed: Sequence[Mask | None], stop: StopSwitch
    ) -> tuple[Checked, ...]:
        """All checked batches, with the changed rows mapped again."""
        due = [
            place
            for place, (known, differs) in enumerate(zip(state.checked, changed, strict=True))
            if known is None or differs is not None
        ]

        def mended() -> Iterator[tuple[int, Batch]]:
            for place, batch in zip(
                due, self._snapshot.batches(state.bound.used, due), strict=True
            ):
                raise_if_stopped(stop)
                yield place, state.edits.over(batch)

        def work(item: tuple[int, Batch]) -> Checked:
            place, batch = item
            known, differs = state.checked[place], changed[place]
            if known is None or differs is None or differs.mean() > _MANY:
                return self._evaluated(state.bound, batch)
            some = set(batch.rows[differs].tolist())
            problems = tuple(p for p in batch.problems if p.row in some)
            part = replace(batch.where(differs), problems=problems)
            return _spliced(known, self._evaluated(state.bound, part))

        found = dict(zip(due, map_ahead(mended(), work), strict=True))
        every = (found.get(place, known) for place, known in enumerate(state.checked))
        return tuple(checked for checked in every if checked is not None)

    def _evaluated(self, bound: BoundMapping, batch: Batch) -> Checked:
        return with_past_callbacks(bound.evaluate(batch), bound, self._now).checked

    def _decided(
        self, state: _State, batches: Sequence[Checked], stop: StopSwitch
    ) -> tuple[_State, Rechecked]:
        """Decide on all rows; the state to remember, and the result."""
        surveyor = self._examination.new_surveyor()
        surveyor.note(self._examination.remarks(state.bound))
        decisions: dict[int, Decision] = {}
        remembered: list[Checked | None] = []
        problems = 0
        for checked in batches:
            raise_if_stopped(stop)
            problems += len(checked.problems) + len(checked.filtered)
            remembered.append(checked if problems <= MOST_REMEMBERED else None)
            left = without_rows(checked, state.edits.left_out, LEFT_OUT)
            left = self._examination.without_sent(left)
            decisions |= {decision.row: decision for decision in surveyor.add(left)}
        survey = surveyor.finish(state.fill)
        unused, phones = self._bound_without_facts.unused_columns, state.bound.phones
        checkup = Checkup(self.info, survey, unused, phones=phones)
        changed = None
        if (before := state.decisions) is not None:
            rows = sorted({*before, *decisions})
            changed = tuple(row for row in rows if before.get(row) != decisions.get(row))
        kept = decisions if len(decisions) <= MOST_REMEMBERED else None
        state = replace(state, checked=tuple(remembered), decisions=kept)
        return state, Rechecked(checkup, decisions, changed)


def _spliced(known: Checked, part: Checked) -> Checked:
    """A checked batch with some of its rows replaced by those of `part`."""
    mask = np.isin(known.rows, part.rows)
    rows = set(part.rows.tolist())
    filtered = {row: why for row, why in known.filtered.items() if row not in rows}
    keys = known.keys
    if keys is not None and part.keys is not None:
        keys = pc.replace_with_mask(keys, pa.array(mask), part.keys)
    phones = known.phones
    if phones is not None and part.phones is not None:
        phones = _spliced_phones(phones, part.phones, mask)
    return replace(
        known,
        filtered=filtered | dict(part.filtered),
        problems=(*(p for p in known.problems if p.row not in rows), *part.problems),
        keys=keys,
        phones=phones,
    )


def _spliced_phones(known: Phones, part: Phones, mask: Mask) -> Phones:
    """The phones of a batch, with those of the masked rows replaced by those of `part`."""
    kept, where = ~mask[known.places], np.flatnonzero(mask)
    counts, refused = known.counts.copy(), known.refused.copy()
    counts[mask], refused[mask] = part.counts, part.refused
    return Phones(
        np.concatenate([known.places[kept], where[part.places]]),
        np.concatenate([known.contacts[kept], part.contacts]),
        np.concatenate([known.numbers[kept], part.numbers]),
        np.concatenate([known.given[kept], part.given]),
        counts,
        refused,
        known.headers,
    )
