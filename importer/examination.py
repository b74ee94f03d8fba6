"""The half of the line before the gate: source → the run's own copy → Survey.

The source is read once, into the copy, while what its columns show as a whole is noted. Then the
copy is gone through with that knowledge: each row is mapped, checked and decided upon. What is
checked here is thus what is sent later, from the same copy, by the same plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from importer.errors import RunInterruptedError
from importer.line import Listener
from importer.mapping.facts import Facts, Watch
from importer.mapping.load import LoadedMapping
from importer.mapping.plan import Plan, compile_plan
from importer.mapping.records import Evaluated
from importer.model import Batch, Checkup, Findings, Progress, SourceInfo, Stage
from importer.problem_log import ProblemLog, logged_problems
from importer.settings import PROBLEM_CAP
from importer.sources.snapshot import Snapshot, SnapshotWriter
from importer.sources.source import Source
from importer.stopping import StopSwitch
from importer.survey.fill import FillCounter
from importer.survey.surveyor import Decision, Seen, Surveyor

COPY = "source.parquet"
PROBLEMS = "problems.jsonl"


@dataclass(frozen=True, slots=True)
class Look:
    """How to examine a file.

    `copy` is where the copy of its cells goes; all problems are kept in `log`, if one is named.
    `seen` is shared by the files of one command. `cap` bounds the problems that are listed.
    """

    copy: Path
    log: Path | None = None
    seen: Seen | None = None
    cap: int | None = PROBLEM_CAP
    stop: StopSwitch = field(default_factory=StopSwitch)
    listener: Listener = lambda _: None


class Examination:
    """A file on its way to the gate; raises MappingError where mapping and sheet do not fit."""

    def __init__(self, info: SourceInfo, mapping: LoadedMapping, look: Look) -> None:
        self.info = info
        self.look = look
        self.plan: Plan = compile_plan(mapping, info.headers)
        self.facts = Facts()
        rules = mapping.spec.rows
        self.surveyor = Surveyor(
            info.path,
            rules.on_duplicate,
            unique=rules.unique or (),
            seen=look.seen,
            cap=look.cap,
        )
        self._fill = FillCounter(info.headers)

    def read(self, source: Source) -> None:
        """Copy the source, once, and learn what its columns show as a whole."""
        watch, rows = Watch(self.plan), 0
        with SnapshotWriter(self.look.copy, self.info.headers, self.info) as snapshot:
            for batch in source.batches():
                self._go_on()
                snapshot.write(batch)
                watch.add(batch)
                self._fill.add(batch)
                rows += len(batch)
                self.look.listener(Progress(Stage.READING, None, passed=rows))
        self.facts = watch.facts()
        self.plan = self.plan.with_facts(self.facts)

    def survey(self) -> Iterator[tuple[Evaluated, list[Decision]]]:
        """Give the copy's batches, each mapped and decided upon; to be gone through whole."""
        self.surveyor.note(self.info.problems)
        self.surveyor.note(self.plan.remarks)
        with (
            ProblemLog(self.look.log) as log,
            Snapshot.open(self.look.copy) as snapshot,
        ):
            log.add((*self.info.problems, *self.plan.remarks))
            for batch in snapshot.batches(self.plan.used):
                self._go_on()
                evaluated = self.plan.evaluate(batch)
                decisions = self.surveyor.add(evaluated.checked)
                for decision in decisions:
                    log.add(decision.problems)
                yield evaluated, decisions
                passed = Progress(Stage.CHECKING, snapshot.rows, passed=self.surveyor.rows)
                self.look.listener(passed)

    def finish(self) -> Checkup:
        """What was found, once all was gone through."""
        survey = self.surveyor.finish(self._fill.columns())
        return Checkup(self.info, survey, self.plan.unused_columns, self._findings())

    def _findings(self) -> Findings | None:
        log, copy = self.look.log, self.look.copy
        if log is None:
            return None

        def batches() -> Iterator[Batch]:
            with Snapshot.open(copy) as snapshot:
                yield from snapshot.batches()

        return Findings(batches, lambda: logged_problems(log))

    def _go_on(self) -> None:
        if self.look.stop.reason is not None:
            raise RunInterruptedError("interrupted while reading: nothing was sent")
