"""Work on a plan or a past run: apply or resume it, report it, settle its uncertain rows.

All of it needs only the run's own directory: the journal, the copy of the cells and the copy of the
mapping. The source file is not needed any more, and may have changed.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from importer.errors import (
    CutJournalError,
    HalfMadeError,
    JournalError,
    MappingError,
    NoJournalError,
    UsageError,
)
from importer.journal.file import has_no_tables, is_locked, mark_path, wal_path
from importer.journal.journal import BEGUN_KEY, ENDED_KEY, LEASED_KEY, PLANNED_KEY, Journal
from importer.mapping.load import load_mapping
from importer.model import Outcome, Status
from importer.pipeline.apply import (
    Job,
    ReadyRun,
    Run,
    RunResult,
    beginning,
    counts_of,
    finish,
    send_and_finish,
)
from importer.pipeline.approve import Approval, PlanRegister, approved, refuse_other_plan
from importer.pipeline.canary import Canary
from importer.pipeline.examine import SENT_BEFORE
from importer.pipeline.rundir import RESULT_FILES, RunDirectory, log_about_run
from importer.pipeline.running import Control
from importer.pipeline.summary import (
    Clock,
    Description,
    mark_command,
    plan_command_without,
    run_dir_command,
)
from importer.sending.frames import LEASE_SECONDS
from importer.sending.protocol import End, Ending
from importer.settings import RunSettings, SourceOptions, Target, resumed_settings
from importer.sources import open_source
from importer.sources.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run, or a plan of which nothing was sent yet, as its directory describes it.

    `counts` has every state and adds up to the `rows`. `meta` is what else its journal notes.
    """

    directory: RunDirectory
    description: Description
    rows: int
    counts: Mapping[Status, int]
    meta: Mapping[str, str] = field(repr=False)

    @property
    def pending(self) -> int:
        """How many rows are still to be sent."""
        return self.counts[Status.PENDING]

    @property
    def begun(self) -> bool:
        """Whether anything of it may have been sent."""
        return BEGUN_KEY in self.meta

    @property
    def canary(self) -> Canary | None:
        """The rows that were, or are to be, sent first and read back; None where there are none."""
        return Canary.from_meta(self.meta)

    @property
    def needs_service(self) -> bool:
        """Whether there are rows to send, or a canary to read back."""
        return bool(self.pending) or (self.canary is not None and self.canary.under_way)

    @property
    def plan_sha256(self) -> str | None:
        """The SHA-256 of plan.json; None for a run of an earlier version without ready records."""
        return self.meta.get(PLANNED_KEY)

    @property
    def project(self) -> int:
        """The project that the run sends to."""
        return int(self.description.target["project"])

    @property
    def base_url(self) -> str:
        """Where the run sends to."""
        return str(self.description.target["base_url"])

    @property
    def sandbox(self) -> Path | None:
        """The folder of the sandbox that the run was sent to, where it was a rehearsal."""
        folder = self.description.settings.get("sandbox")
        return Path(folder) if folder else None

    @property
    def ca_file(self) -> Path | None:
        """The certificates that the run trusted, where it was given any."""
        path = self.description.settings.get("ca_file")
        return Path(path) if path else None

    @property
    def settings(self) -> RunSettings:
        """The settings that a resumed run keeps: those it began with, without its limit.

        Raises SettingError where they are invalid.
        """
        return self.settings_but({})

    def settings_but(self, given: Mapping[str, Any]) -> RunSettings:
        """The settings that a resumed run keeps, but for what is `given` anew, by name.

        Raises SettingError.
        """
        return resumed_settings(self.description.settings, given)


def past_run(path: Path) -> PastRun:
    """Read a run's directory; raises JournalError where its journal is unusable.

    That is a HalfMadeError where planning was interrupted before there was a plan.
    """
    directory = RunDirectory(path)
    try:
        with Journal.read(directory.journal) as journal:
            return _described(directory, journal)
    except HalfMadeError:
        _refuse_while_planned(directory)
        raise
    except JournalError as error:
        _refuse_half_made(directory, error)
        raise


def noted_settings(meta: Mapping[str, str]) -> dict[str, Any]:
    """The settings in a journal's `meta`; empty where it is not that of a run."""
    try:
        found = json.loads(meta["settings"])
    except (KeyError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def resume_command(run_dir: Path, *more: str, name: str = "resume") -> str:
    """The command that sends the pending rows of a past run; `name` is ``resume`` or ``apply``.

    For a run of an earlier version without ready records, which `resume` refuses, it is the plan of
    the list without its rows. `more` are options to repeat.
    """
    try:
        with Journal.read(RunDirectory(run_dir).journal) as journal:
            meta = journal.meta()
        if "rows" in meta and PLANNED_KEY not in meta:
            return plan_command_without(Description.from_meta(meta), [run_dir])
    except (JournalError, OSError, KeyError, ValueError, TypeError):
        meta = {}
    return run_dir_command(name, run_dir, noted_settings(meta), *more)


def has_stamp(run_dir: Path) -> bool:
    """Whether the records of a run can be known by a stamp, as its own mapping says."""
    try:
        return load_mapping(RunDirectory(run_dir).mapping).spec.stamp is not None
    except MappingError:
        return False


def how_to_settle(run_dir: Path, settings: Mapping[str, Any]) -> str:
    """The command for the uncertain rows of a run, or, without a stamp, what to do by hand."""
    if has_stamp(run_dir):
        return run_dir_command("reconcile", run_dir, settings)
    return (
        "look for them in the service by name or phone, since they have no stamp; write the "
        "numberid, or absent, into the column _numberid of uncertain.csv, then: "
        f"{mark_command(run_dir)}"
    )


def never_began(directory: RunDirectory) -> bool:
    """Whether a run was killed here before it wrote any intent, so that nothing can be resumed.

    The journal is created before the copy of the rows is whole, and that before the first request.
    """
    made = (directory.snapshot, directory.ready, directory.plan)
    later = (*made, *map(directory.path.joinpath, RESULT_FILES))
    return has_no_tables(directory.journal) and not any(path.exists() for path in later)


def _refuse_half_made(directory: RunDirectory, error: JournalError) -> None:
    """Raise HalfMadeError if `error` comes from a journal that was never completely created.

    Raises JournalError if it is being created now. Otherwise returns; the caller raises `error`.
    """
    if isinstance(error, NoJournalError) or not never_began(directory):
        return
    _refuse_while_planned(directory)
    raise _half_made(directory) from error


def _refuse_while_planned(directory: RunDirectory) -> None:
    """Raise JournalError where a plan is being made in the directory now, by another process."""
    if is_locked(directory.journal):
        raise JournalError(
            f"{directory.path}: the list is still being read and planned",
            "Wait until that command has ended.",
        )


def _half_made(directory: RunDirectory) -> HalfMadeError:
    return HalfMadeError(
        f"{directory.path}: it was cut off before all of the list was read and planned: nothing was"
        " sent from it, and nothing can be",
        "Run the command again from the start, with another --out. This folder can be removed.",
    )


def _described(directory: RunDirectory, journal: Journal) -> PastRun:
    meta = journal.meta()
    if not meta:
        raise _half_made(directory)
    try:
        description = Description.from_meta(meta)
    except (KeyError, ValueError, TypeError):
        raise JournalError(
            f"{directory.journal}: not the journal of a run",
            "Name the folder of a run, as `Results:` named it.",
        ) from None
    if "rows" not in meta:
        raise _half_made(directory)
    return PastRun(
        directory,
        description,
        int(meta["rows"]),
        counts_of(journal, int(meta["rows"])),
        meta,
    )


def left_behind(path: Path, later: Iterable[Path]) -> tuple[int, ...]:
    """Rows of a run that are to be sent, and that all later runs of the list have left out.

    They might have arrived when those were planned, and surely have not, as is known since. Raises
    JournalError.
    """
    with Journal.read(RunDirectory(path).journal) as journal:
        amended = journal.amended().items()
        released = {row for row, (became, _) in amended if became is Status.PENDING}
        released -= journal.entries(released).keys()
    for other in later:
        with Journal.read(RunDirectory(other).journal) as journal:
            found = journal.entries(released).values()
        released &= {one.row for one in found if SENT_BEFORE in (one.code or "").split("|")}
    return tuple(sorted(released))


def restore(path: Path) -> int:
    """Make a run usable whose journal has lost its end; the number of rows without an entry.

    Those become uncertain, since their requests may have left. 0 where the journal is whole.
    """
    directory = RunDirectory(path)
    try:
        Journal.read(directory.journal).close()
    except CutJournalError:
        with Snapshot.open(directory.snapshot) as snapshot:
            return Journal.restore(directory.journal, snapshot.row_numbers())
    except JournalError as error:
        _refuse_half_made(directory, error)
        raise
    return 0


def apply(
    path: Path,
    target: Target | None,
    settings: RunSettings,
    control: Control,
    *,
    approval: Approval,
    register: PlanRegister | None = None,
) -> RunResult:
    """Send the pending rows of a plan, and no others; write the result files, for all rows.

    Where none is pending, and no canary is to be read back, nothing is sent, and the result says
    so; the target may be left out then. The `register` may refuse the plan. Raises UsageError,
    naming every difference, where the plan is not the one that was approved
    (:mod:`importer.pipeline.approve`); JournalError where the journal cannot be trusted, or the run
    is still alive; ServiceError where the project cannot be asked.
    """
    directory = RunDirectory(path)
    with Journal.open(directory.journal) as journal:
        directory.remove_half_written()
        past = _described(directory, journal)
        log_about_run(past.description.run_id)
        if not past.needs_service:
            refuse_other_plan(directory, past.description, past.meta, approval)
            if not past.begun:  # a plan that leaves out every row
                past = replace(past, meta={**past.meta, **_begun_now(journal)})
            return replace(_finished(past, journal), nothing_pending=True)
        if target is None:
            raise UsageError(f"{path} has rows to send or to read back: name its target")
        clock = Clock.of_the_past(past.meta, at_work=True) if past.begun else Clock()
        run = Run(past.description, clock, directory, journal)
        plan, notes = approved(run, target, settings, approval, register)
        # After that: a mapping that was changed is named with all else that was.
        mapping = load_mapping(directory.mapping)
        job = Job(Path(past.description.source["path"]), mapping, target, settings=settings)
        # In this order: a plan that has begun by the ledger, and not by its own journal, is taken
        # for an earlier state of a run, and refused.
        if not past.begun:
            journal.set_meta(beginning(clock, settings))
        if register is not None:
            register.begins(run, past.rows)
        result = send_and_finish(ReadyRun(job, run, plan), past.rows, control)
        return replace(result, notes=notes)


def _begun_now(journal: Journal) -> dict[str, str]:
    begun = {BEGUN_KEY: Clock().started_at.isoformat()}
    journal.set_meta(begun)
    return begun


def report(path: Path) -> RunResult:
    """Write the result files of a run again, from its journal and its copy of the source."""
    directory = RunDirectory(path)
    try:
        opened = Journal.open(directory.journal)
    except JournalError as error:
        _refuse_half_made(directory, error)
        raise
    with opened as journal:
        directory.remove_half_written()
        return _finished(_described(directory, journal), journal)


def _finished(past: PastRun, journal: Journal) -> RunResult:
    """Write the result files of a run that is not at work; raises UsageError for a mere plan."""
    if not past.begun:
        apply_it = run_dir_command("apply", past.directory.path, past.description.settings)
        raise UsageError(
            f"{past.directory.path} is a plan of which nothing was sent yet: it has no results",
            f"To send it: {apply_it}",
        )
    clock = Clock.of_the_past(past.meta, at_work=False)
    run = Run(past.description, clock, past.directory, journal)
    return finish(run, past.rows, Ending(End.INTERRUPTED if past.pending else End.FINISHED))


def mark(path: Path, found: Mapping[int, str | int | None]) -> RunResult:
    """Settle uncertain rows by hand: each created with its numberid, or, where None, surely absent.

    An absent row becomes pending, and a resumed run sends it. All rows are settled, or none:
    UsageError is raised, and names them, where rows are not uncertain, or a numberid is none or is
    another row's.
    """
    marks = {row: _numberid(row, given) for row, given in found.items()}
    written = last_written(RunDirectory(path).journal)
    restore(path)
    with Journal.open(RunDirectory(path).journal) as journal:
        uncertain = set(journal.rows_in(Status.UNCERTAIN))
        if odd := sorted(set(marks) - uncertain):
            raise UsageError(
                f"{_are(odd, 'is not uncertain', 'are not uncertain')}: nothing was changed",
                f"Only uncertain rows are marked; of this run these are: {row_ranges(uncertain)}.",
            )
        _refuse_taken(marks, journal)
        if None in marks.values():
            _refuse_leased(journal, ended_at(journal, written))
        journal.amend(
            MARKED,
            outcomes=[
                created_outcome(row, given, "marked") for row, given in marks.items() if given
            ],
            released=[row for row, given in marks.items() if given is None],
        )
    return report(path)


def last_written(journal: Path) -> float:
    """When a run last wrote to its journal or mark, as Unix time; call it before opening these."""
    files = (journal, wal_path(journal), mark_path(journal))
    times = [p.stat().st_mtime for p in files if p.exists()]
    return max(times, default=0.0)


def ended_at(journal: Journal, written: float) -> float:
    """When sending ended, as Unix time; for a killed run, `written` (:func:`last_written`)."""
    if ENDED_KEY not in journal.meta():
        # Noted, since opening the journal has changed the times of its files.
        journal.set_meta({ENDED_KEY: str(written)})
    return float(journal.meta()[ENDED_KEY])


def _refuse_leased(journal: Journal, ended: float) -> None:
    """Refuse to mark rows absent while a lost sender's lease may still let it send them."""
    left = min(LEASE_SECONDS, ended + LEASE_SECONDS - time.time())
    if LEASED_KEY in journal.meta() and left > 0:
        raise UsageError(
            f"senders of this run may still send for {math.ceil(left)} s: nothing was changed",
            "Look for the rows in the service once more then, and mark them.",
        )


def unmark(path: Path, rows: Iterable[int]) -> RunResult:
    """Undo :func:`mark` for rows: they are uncertain again, as before.

    All of them, or none: UsageError is raised, and names them, where rows were not marked, or were
    marked absent and sent since.
    """
    rows = sorted(set(rows))
    restore(path)
    with Journal.open(RunDirectory(path).journal) as journal:
        last, now = journal.amended(), journal.entries(rows)
        marked = {row for row, (_, evidence) in last.items() if evidence.startswith("marked")}
        never = [row for row in rows if row not in marked]
        sent = [
            row for row in rows if row in marked and last[row][0] is Status.PENDING and row in now
        ]
        said = [_are(never, "was not marked", "were not marked")] if never else []
        said += [_are(sent, "was sent since", "were sent since")] if sent else []
        if said:
            open_ = [row for row in marked if last[row][0] is Status.CREATED]
            open_ += set(marked) - set(open_) - set(journal.entries(marked))
            raise UsageError(
                f"{'; '.join(said)}: nothing was changed",
                f"Rows of this run whose marks can be taken back: {row_ranges(open_)}.",
            )
        journal.take_back(rows, "mark taken back by hand")
    return report(path)


def marks_in(file: Path) -> dict[int, str | None]:
    """The column _numberid of a list of uncertain rows as filled in by people, by row.

    Blank cells are left out. Raises UsageError, with every mistake, for cells that are neither
    digits nor ``absent``, and for a file without the columns; SourceError where it cannot be read.
    """
    found: dict[int, str | None] = {}
    mistakes: list[str] = []
    with open_source(file, SourceOptions()) as source:
        headers = source.info.headers
        if missing := [name for name in _MARK_COLUMNS if headers.count(name) != 1]:
            raise UsageError(
                f"{file}: has no column {' and no column '.join(missing)}",
                "Name the uncertain.csv of the run, with what you found in its column _numberid.",
            )
        columns = [headers.index(name) for name in _MARK_COLUMNS]
        for batch in source.batches():
            for cells in batch.cells(list(range(len(batch))), columns):
                row, said = (cell.strip() for cell in cells)
                if not said:
                    continue
                if not _ROW.fullmatch(row):
                    mistakes.append(f"{said!r} stands beside {row!r} in _row, which is no row")
                elif int(row) in found:
                    mistakes.append(f"row {row} stands in it twice")
                elif said.casefold() == "absent":
                    found[int(row)] = None
                elif _DIGITS.fullmatch(said):
                    found[int(row)] = said
                else:
                    mistakes.append(f"row {row}: {said!r} is neither a numberid nor absent")
    if mistakes:
        shown = mistakes[:_SHOWN]
        if len(mistakes) > len(shown):
            shown.append(f"and {len(mistakes) - len(shown):,} more")
        raise UsageError("\n  ".join([f"{file}: nothing was changed", *shown]))
    if not found:
        raise UsageError(
            f"{file}: nothing stands in its column _numberid",
            "Write the numberid of each row that the service has, absent where it has none.",
        )
    return found


MARKED = "marked by hand"
_MARK_COLUMNS = ("_row", "_numberid")
_ROW = re.compile("[1-9][0-9]{0,9}", re.ASCII)
_DIGITS = re.compile("[0-9]{1,18}", re.ASCII)
_SHOWN = 20
"""Rows, or ranges of rows, that a message names before it only counts."""


def _numberid(row: int, given: str | int | None) -> str | None:
    """A numberid as the service writes it; None for absent."""
    if given is None:
        return None
    text = str(given).strip()
    if isinstance(given, bool) or not _DIGITS.fullmatch(text) or int(text) == 0:
        raise UsageError(
            f"row {row}: {given!r} is no numberid", "A numberid is digits, as the service shows it."
        )
    return str(int(text))


def _refuse_taken(marks: Mapping[int, str | None], journal: Journal) -> None:
    """Refuse numberids that another row of the run has, in the journal or among the marks."""
    rows_of: dict[str, list[int]] = {}
    for row, numberid in marks.items():
        if numberid is not None:
            rows_of.setdefault(numberid, []).append(row)
    said = [
        f"numberid {numberid} is given to {row_ranges(rows)}"
        for numberid, rows in rows_of.items()
        if len(rows) > 1
    ]
    for row, numberid in journal.numberids():
        others = [other for other in rows_of.get(numberid, ()) if other != row]
        said += [f"row {other}: row {row} has numberid {numberid}" for other in others]
    if said:
        more = f"; and {len(said) - _SHOWN:,} more" if len(said) > _SHOWN else ""
        raise UsageError(
            f"{'; '.join(said[:_SHOWN])}{more}: nothing was changed",
            "Each row has a record of its own: look again.",
        )


def _are(rows: Sequence[int], is_: str, are: str) -> str:
    return f"row {rows[0]} {is_}" if len(rows) == 1 else f"rows {row_ranges(rows)} {are}"


def row_ranges(rows: Iterable[int]) -> str:
    """Row numbers for people, as ranges: ``3, 5-9``; of very many it says how many there are."""
    parts: list[list[int]] = []
    for row in sorted(rows):
        if parts and row == parts[-1][1] + 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in parts[:_SHOWN]]
    if more := sum(b - a + 1 for a, b in parts[_SHOWN:]):
        return f"{', '.join(shown)} and {more:,} more"
    return ", ".join(shown) or "none"


def created_outcome(row: int, numberid: str, code: str) -> Outcome:
    """The outcome of a row that was uncertain and is now known to exist."""
    message = {"marked": "settled by hand", "reconciled": "found in the service by its stamp"}
    return Outcome(row, Status.CREATED, (numberid,), 1, None, code, message[code])
