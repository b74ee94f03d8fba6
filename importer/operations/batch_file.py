"""One file of a job: compared with the last ones, imported, and put away."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from importer import library
from importer.errors import ImporterError, MappingError, OutputError, SourceError
from importer.mapping.load import LoadedMapping
from importer.model import Status
from importer.operations.batch_fate import (
    TOO_MANY,
    Ends,
    Judgement,
    begun_elsewhere,
    grown,
    held,
    interrupted,
    is_disk_full,
    must_be_seen,
    of_error,
    of_result,
    released_by,
    said,
    sent_before,
)
from importer.operations.batch_gate import begun_by, drift_of
from importer.operations.batch_place import Arrived, Parcel
from importer.operations.batch_work import HELD, SEEN, Work
from importer.operations.drift import profile_of
from importer.operations.guarded import Unfinished
from importer.operations.ledger import MUST_BE_SEEN, SIZE, FileEntry, LedgerEntry
from importer.operations.moving import ReplacedError
from importer.operations.outcome import Fate, FileOutcome, worst
from importer.operations.remote import StillArrivingError
from importer.pipeline.apply import RunResult
from importer.pipeline.recover import past_run
from importer.settings import asked_for

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What was done with a file, before it is put away."""

    judgement: Judgement
    sha256: str | None = None
    run_dir: Path | None = None
    counts: Mapping[Status, int] = field(default_factory=dict)


def import_file(work: Work, file: Arrived, mapping: LoadedMapping) -> FileOutcome | None:
    """Import a file and put it away; whatever goes wrong is in what is given back.

    None for a file that stays, and was told of before.
    """
    if work.stop.reason is not None:
        return outcome_of(file.shown, Done(interrupted(work.stop)), None)
    if (why := work.round.obstacle(work.target)) is not None:
        return not_tried(file.shown, why)
    try:
        with work.place.taken(file) as path:
            done = _worked_on(work, file, path, mapping)
    except StillArrivingError as error:
        done = Done(Judgement(Fate.WAITING, 0, said(error), "is still being written"))
    except SourceError as error:
        cause, remedy = "it could not be fetched", "The next round tries it again."
        done = Done(Judgement(Fate.WAITING, 3, said(error), cause, remedy))
    except ImporterError as error:
        done = Done(of_error(error, work.stop))
    except Exception:  # noqa: BLE001 - a boundary
        done = _bug()
    if done.judgement.fate is Fate.DUPLICATE and not _aside(work, done):
        noted = _seen(work, file)
        _note_seen(work, file, done)
        if noted is not None and noted[1] == done.sha256:
            return None
    try:
        return put_away(work, file, done)
    except Exception:  # noqa: BLE001 - a boundary
        return outcome_of(file.shown, replace(done, judgement=_bug().judgement), None)


def _bug() -> Done:
    """What is told where a file shows a fault of ours, which must not keep the others back."""
    _log.exception("This is a bug in vcc-import: please report these lines.")
    return Done(Judgement(Fate.STOPPED, 3, "a bug in vcc-import: see the log", "a bug"))


def resume_run(work: Work, run_dir: Path) -> Done:
    """Go on with a run of the past; raises JournalError where nothing can be known of it."""
    past = past_run(run_dir)
    sha256 = past.description.source["sha256"]
    run_id = past.description.run_id
    if work.round.ledger.noted(MUST_BE_SEEN, run_id) is not None:
        return Done(must_be_seen(run_dir), sha256, run_dir)
    ca_file = work.target.ca_file or past.ca_file
    target = replace(work.target, base_url=past.base_url, project=past.project, ca_file=ca_file)
    # What the jobs file says holds; where it says nothing, the run goes on as it began.
    settings = replace(past.settings_but(asked_for(work.settings)), runs_dir=work.settings.runs_dir)
    with work.round.given.telling.progress(Path(past.description.source["path"]).name) as listener:
        try:
            result = library.resume(
                run_dir,
                target=target,
                settings=settings,
                guard=work.guard,
                stop=work.stop,
                listener=listener,
            )
        except ImporterError as error:
            return Done(of_error(error, work.stop), sha256, run_dir)
    return _done(work, result)


def put_away(work: Work, file: Arrived, done: Done) -> FileOutcome:
    """Move a file where its fate asks for, or remember that it stays."""
    judgement, moved = done.judgement, None
    _note_ends(work, judgement)
    _enter(work, file, done)
    if judgement.aside is not None:
        run_id = done.run_dir.name if done.run_dir is not None else "none"
        results = done.run_dir if judgement.fate in {Fate.IMPORTED, Fate.STOPPED} else None
        parcel = Parcel(run_id, done.sha256, results, partial(_note, work, judgement))
        try:
            moved = work.place.put(file, judgement.aside, parcel)
        except (ReplacedError, StillArrivingError) as error:
            judgement = _replaced(work, file, done, error)
        except ImporterError as error:
            judgement = replace(
                judgement,
                exit_code=worst([judgement.exit_code, 3]),
                message=_lines(judgement.message, said(error)),
                cause=_lines(judgement.cause, "it could not be put away", mark=", and "),
                remedy=judgement.remedy or "The log says why; the next round moves it.",
            )
            if is_disk_full(error):
                work.round.end("the disk is full")
        else:
            _note_place(work, file, done, moved)
            if moved is None and _has_grown(work, file, done):
                judgement = _grown(work, file, done)
        if judgement.fate is Fate.HELD:
            remedy = released_by(work.round.jobs.path, moved or file.key)
            judgement = replace(judgement, remedy=remedy)
    return outcome_of(file.shown, replace(done, judgement=judgement), moved)


def _replaced(work: Work, file: Arrived, done: Done, error: ImporterError) -> Judgement:
    """What it means that the file is another one by now, and was not put away."""
    if _has_grown(work, file, done):
        return _grown(work, file, done)
    judgement = done.judgement
    if judgement.fate is Fate.IMPORTED and isinstance(error, StillArrivingError):
        cause = "it has changed on its server since it was fetched"
        text = f"{said(error)}\nWhat was imported may be its beginning only."
        return grown(judgement, text, cause)
    return replace(judgement, message=_lines(judgement.message, said(error)))


def _has_grown(work: Work, file: Arrived, done: Done) -> bool:
    if done.judgement.fate is not Fate.IMPORTED or done.sha256 is None:
        return False
    size = work.round.ledger.noted(SIZE, done.sha256)
    return size is not None and work.place.has_grown(file, done.sha256, int(size))


def _grown(work: Work, file: Arrived, done: Done) -> Judgement:
    """What it means for an import that its file went on growing; people find it in the history."""
    cause = "it went on growing while it was imported: only its beginning was sent"
    text = (
        f"{cause}\nIts last row may have been cut. The file stays where it is; what has come since"
        " was not sent, and the next round holds it.\nA longer settle, or a .done marker beside"
        " files that are whole, keeps half a file from being taken."
    )
    judgement = grown(done.judgement, text, cause)
    _enter_file(work, file, done.sha256, replace(judgement, fate=Fate.WAITING))
    return judgement


def _note(work: Work, judgement: Judgement, place: str) -> str:
    """What is put beside a file: what the log says of it."""
    held = judgement.fate is Fate.HELD
    remedy = released_by(work.round.jobs.path, place) if held else ""
    return _lines(judgement.message, remedy)


def is_dealt_with(work: Work, file: Arrived) -> bool:
    """Whether a file that stays is the one that was imported before, without a look into it."""
    noted = _seen(work, file)
    return noted is not None and file.identity is not None and noted[0] == file.identity


def not_tried(shown: str, why: str) -> FileOutcome:
    """What is told of a file that something in the round keeps from being tried."""
    text = f"not tried: {why}"
    return FileOutcome(shown, Fate.WAITING, 3, {}, text, why, "The next round tries it.")


def outcome_of(shown: str, done: Done, moved: str | None) -> FileOutcome:
    """What is told of a file."""
    judgement, folder = done.judgement, done.run_dir
    return FileOutcome(
        shown,
        judgement.fate,
        judgement.exit_code,
        done.counts,
        judgement.message,
        judgement.cause,
        judgement.remedy,
        moved,
        str(folder) if folder is not None else None,
        folder.name if folder is not None else None,
        judgement.rows,
        judgement.differences,
    )


def _worked_on(work: Work, file: Arrived, path: Path, mapping: LoadedMapping) -> Done:
    sha256 = None
    try:
        sha256, begun = begun_by(work, path, mapping)
        if begun is not None:
            return Done(sent_before(begun), sha256)
        if (drift := drift_of(work, path, mapping, sha256)) is not None:
            return Done(held(drift.rows, drift.differences, drift.told), sha256)
        work.place.remember(file, sha256)
        with work.round.given.telling.progress(path.name) as listener:
            result = library.run(
                path,
                mapping,
                target=work.target,
                reading=work.job.reading,
                settings=work.settings,
                guard=replace(work.guard, sha256=sha256),
                stop=work.stop,
                listener=listener,
            )
    except Unfinished as unfinished:
        if _is_own(work, unfinished.entry):
            return resume_run(work, unfinished.run_dir)
        return Done(begun_elsewhere(unfinished.entry), sha256)
    except (SourceError, MappingError) as error:
        if not work.place.is_unchanged(file):
            cause = "it has changed or gone, or another program has it open"
            return Done(Judgement(Fate.WAITING, 0, _lines(cause, said(error)), cause))
        return Done(of_error(error, work.stop), sha256)
    except ImporterError as error:
        return Done(of_error(error, work.stop), sha256)
    return _done(work, result)


def _is_own(work: Work, entry: LedgerEntry) -> bool:
    """Whether a run is for this round to go on with: of its jobs file, or made by hand beside it.

    Runs of other jobs files, and of other folders, are looked after there.
    """
    if entry.jobs_file is not None:
        return entry.jobs_file == work.round.jobs.identity
    return work.round.ledger.find(entry.run_id) is not None


def _done(work: Work, result: RunResult) -> Done:
    """What a run has come to; what later rounds must know of it is noted."""
    run_id, ledger = result.summary.run_id, work.round.ledger
    if result.stop is not None and result.stop.code == TOO_MANY:
        ledger.note(MUST_BE_SEEN, run_id, work.job.name)
    elif result.checkup is not None:
        ledger.set_profile(run_id, profile_of(result.checkup).as_json())
    judgement, summary = of_result(result, work.stop), result.summary
    return Done(judgement, summary.source["sha256"], result.directory.path, summary.counts)


def _note_ends(work: Work, judgement: Judgement) -> None:
    if judgement.ends is Ends.TARGET:
        work.round.give_up(work.target, judgement.cause)
    elif judgement.ends is Ends.ROUND:
        work.round.end(judgement.cause)


def _enter(work: Work, file: Arrived, done: Done) -> None:
    """Enter a file that became no run into the ledger: people look there for what happened."""
    judgement = done.judgement
    if done.run_dir is not None or judgement.fate in {Fate.WAITING, Fate.CLOSED}:
        return
    _enter_file(work, file, done.sha256, judgement)


def _enter_file(work: Work, file: Arrived, sha256: str | None, judgement: Judgement) -> None:
    entry = FileEntry(
        jobs_file=work.round.jobs.identity,
        job=work.job.name,
        file=file.key,
        sha256=sha256 or "",
        fate=judgement.fate.value,
        base_url=work.target.base_url,
        project=work.target.project,
        exit_code=judgement.exit_code,
        cause=judgement.cause,
        at=datetime.fromtimestamp(work.round.given.now(), UTC),
    )
    try:
        work.round.ledger.enter_file(entry)
    except OutputError as error:
        _log.warning("%s", error)


def _note_place(work: Work, file: Arrived, done: Done, moved: str | None) -> None:
    ledger, fate = work.round.ledger, done.judgement.fate
    if fate is Fate.HELD and done.sha256 is not None:
        # Where to put it back, when somebody releases it.
        origin = {"job": work.job.name, "file": file.key}
        ledger.note(HELD, f"{work.round.jobs.identity}\n{done.sha256}", json.dumps(origin))
        ledger.note(HELD, file.key, done.sha256)
    if moved is None and fate in {Fate.IMPORTED, Fate.DUPLICATE}:
        _note_seen(work, file, done)


def _note_seen(work: Work, file: Arrived, done: Done) -> None:
    value = json.dumps([file.identity, done.sha256])
    work.round.ledger.note(SEEN, _key(work, file), value)


def _seen(work: Work, file: Arrived) -> tuple[str | None, str] | None:
    """Identity and content of the file of that name that was dealt with, and has stayed."""
    noted = work.round.ledger.noted(SEEN, _key(work, file))
    if noted is None:
        return None
    identity, sha256 = json.loads(noted)
    return identity, sha256


def _key(work: Work, file: Arrived) -> str:
    # Another project has not had it.
    return f"{work.job.name}\n{work.target.base_url}\n{work.target.project}\n{file.key}"


def _aside(work: Work, done: Done) -> bool:
    """Whether the job names a folder for the file."""
    aside = done.judgement.aside
    return aside is not None and getattr(work.job, aside) is not None


def _lines(*texts: str, mark: str = "\n") -> str:
    return mark.join(filter(None, texts))
