"""The half of the line before the gate: source → the run's own copy → Survey.

The source is read once, into the copy, while what its columns show as a whole is noted. Then the
copy is gone through with that knowledge: each row is mapped, checked and decided upon. What is
checked here is thus what is sent later, from the same copy, by the same plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from importer.errors import MappingError, RunInterruptedError
from importer.mapping.facts import Facts
from importer.mapping.load import LoadedMapping
from importer.mapping.plan import Plan, compile_plan
from importer.mapping.records import Evaluated
from importer.memory import tidy_after, tidy_in_passing
from importer.model import (
    Batch,
    Checked,
    Checkup,
    Findings,
    Problem,
    Progress,
    SourceInfo,
    Stage,
)
from importer.pipeline.ahead import in_order, side_by_side
from importer.pipeline.apply import Listener
from importer.pipeline.do_not_call import Lists, load_lists
from importer.pipeline.preflight import Found, Gate, Preflight, with_past_callbacks
from importer.pipeline.problem_log import ProblemLog, logged_problems
from importer.pipeline.stopping import StopSwitch
from importer.settings import PROBLEM_CAP
from importer.sources.delimited import ONE_COLUMN
from importer.sources.dialect import joint_of_names, way_out
from importer.sources.snapshot import Snapshot, SnapshotWriter
from importer.sources.source import Source
from importer.sources.workbook import OTHER_SHEETS
from importer.survey.duplicates import Seen
from importer.survey.surveyor import Decision, FillCounter, Surveyor

COPY = "source.parquet"
PROBLEMS = "problems.jsonl"


@dataclass(frozen=True, slots=True)
class Look:
    """How to examine a file.

    `copy` is where the copy of its cells goes; a `lasting` one stays there when the command ends.
    All problems are kept in `log`, if one is named.
    `seen` is shared by the files of one command. `lists` are the mapping's do-not-call lists, where
    they have been loaded already. `cap` bounds the problems that are listed.
    With a `gate` the ready rows are compared with a project. Call-backs before `now`, which has an
    offset, are warned of; None warns of none. `remarks` are told with what is found in the file.
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
    lasting: bool = False
    remarks: tuple[Problem, ...] = ()


def fitted_plan(mapping: LoadedMapping, info: SourceInfo) -> Plan:
    """Bind a mapping to a source; raise MappingError with all that the source lacks."""
    try:
        return compile_plan(mapping, info.headers)
    except MappingError as error:
        # The first sheet of many a workbook is a cover.
        others = [
            f"{p.message[0].upper()}{p.message[1:]}. {p.hint}"
            for p in info.problems
            if p.code == OTHER_SHEETS
        ]
        about = (_joined(mapping, info), _header_row(mapping, info))
        error.hint = "\n".join(filter(None, (error.hint, *about, *others)))
        raise


def _header_row(mapping: LoadedMapping, info: SourceInfo) -> str:
    """Which row the headers were taken from, and who said so."""
    said = mapping.spec.source.header_row
    if said == info.header_row and (place := mapping.places.get(("source", "header_row"))):
        return f"Its header is row {said}: that comes from {mapping.path}:{place[0]}."
    return f"Its header is row {info.header_row}; --header-row takes another."


def _joined(mapping: LoadedMapping, info: SourceInfo) -> str | None:
    """What to do where a header is several: the cells were divided by another character."""
    rules = mapping.spec.placed_rules()
    names = [name for placed in rules for name in placed.rule.named_columns()]
    joint = joint_of_names(info.headers, names)
    if joint is not None:
        return way_out(joint, is_text=info.sheet is None)
    return next((p.hint for p in info.problems if p.code == ONE_COLUMN), None)


class Examination:
    """A file on its way to the gate; raises MappingError where mapping and sheet do not fit."""

    def __init__(self, info: SourceInfo, mapping: LoadedMapping, look: Look) -> None:
        self.info = info
        self.look = look
        self.plan = fitted_plan(mapping, info)
        self.facts = Facts()
        lists = look.lists if look.lists is not None else load_lists(mapping, look.stop)
        self.plan = self.plan.with_do_not_call(lists.listed)
        self._list_remarks = lists.remarks
        rules = mapping.spec.rows
        self.surveyor = Surveyor(
            info.path,
            rules.on_duplicate,
            unique=rules.unique or (),
            seen=look.seen,
            cap=look.cap,
        )
        self._fill = FillCounter(info.headers)
        self._mapping = mapping
        self._found: Found | None = None

    def read(self, source: Source) -> None:
        """Copy the source, once, and learn what its columns show as a whole."""
        watch, rows, look = self.plan.watch(), 0, self.look
        copy = SnapshotWriter(look.copy, self.info.headers, self.info, lasting=look.lasting)
        with copy as snapshot:
            works = (snapshot.write, watch.add, self._fill.add)
            for batch in side_by_side(source.batches(), works):
                self._go_on()
                rows += len(batch)
                look.listener(Progress(Stage.READING, None, passed=rows))
        self.facts = watch.facts()
        self.plan = self.plan.with_facts(self.facts)

    def survey(self) -> Iterator[list[Decision]]:
        """Give what is decided of each batch of the copy's rows; to be gone through whole."""
        for _, decisions in self._decided(whole=False):
            yield decisions
            del decisions  # as `_decided` does

    def mapped(self) -> Iterator[tuple[Evaluated, list[Decision]]]:
        """Give each batch mapped, too, in place of :meth:`survey`."""
        for evaluated, decisions in self._decided(whole=True):
            if evaluated is not None:
                yield evaluated, decisions
            del evaluated, decisions

    def _decided(self, *, whole: bool) -> Iterator[tuple[Evaluated | None, list[Decision]]]:
        """Map and decide; a batch's columns are let go of before that, if nobody needs the whole.

        They are given only where that was asked for: whoever takes them keeps them too long.
        """
        gate = self.look.gate
        preflight = Preflight(gate, self._mapping, self.plan) if gate is not None else None
        remarks = (
            *self.info.problems,
            *self._list_remarks,
            *self.plan.remarks,
            *self.look.remarks,
        )
        self.surveyor.note(remarks)
        with (
            ProblemLog(self.look.log) as log,
            Snapshot.open(self.look.copy) as snapshot,
        ):
            log.add(remarks)
            work = partial(self._evaluate, keep=whole or gate is not None)
            mapped = in_order(snapshot.batches(self.plan.used), work)
            passed = 0
            for checked, evaluated in mapped:
                self._go_on()
                passed += 1  # noqa: SIM113 - `enumerate` keeps what it gave last
                tidy_in_passing(passed)
                decisions = self.surveyor.add(checked)
                for decision in decisions:
                    log.add(decision.problems)
                if preflight is not None and evaluated is not None:
                    preflight.add(evaluated, decisions)
                yield evaluated if whole else None, decisions
                # A batch that is kept while others are under way is memory for nothing.
                del checked, evaluated, decisions
                rows = self.surveyor.rows
                self.look.listener(Progress(Stage.CHECKING, snapshot.rows, passed=rows))
            tidy_after(snapshot.groups)
            if preflight is not None:
                self._found = preflight.finish()
                self.surveyor.note(self._found.problems)
                log.add(self._found.problems)

    def _evaluate(self, batch: Batch, *, keep: bool) -> tuple[Checked, Evaluated | None]:
        evaluated = self.plan.evaluate(batch)
        if self.look.now is not None:
            evaluated = with_past_callbacks(evaluated, self.plan, self.look.now)
        return evaluated.checked, evaluated if keep else None

    def finish(self) -> Checkup:
        """What was found, once all was gone through."""
        survey = self.surveyor.finish(self._fill.columns())
        findings = findings_of(self.look.log, self.look.copy)
        checkup = Checkup(
            self.info, survey, self.plan.unused_columns, findings, phones=self.plan.phones
        )
        if self._found is None:
            return checkup
        found = self._found
        return replace(checkup, refused=found.refused, new_values=found.new_values)

    def _go_on(self) -> None:
        if self.look.stop.reason is not None:
            raise RunInterruptedError("interrupted while reading: nothing was sent")


def findings_of(log: Path | None, copy: Path) -> Findings | None:
    """All cells and problems, for as long as the log and the copy last; None without a log."""
    if log is None:
        return None

    def batches() -> Iterator[Batch]:
        with Snapshot.open(copy) as snapshot:
            yield from snapshot.batches()

    return Findings(batches, lambda: logged_problems(log))
