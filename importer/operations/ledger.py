"""The ledger: every run of a runs folder, with what it read, where it sent, and how it ended.

A run is entered before its first request, so that an interrupted run is known; how it ended is
added afterwards. Each run's own journal stays the truth about its rows. A ledger that is missing or
empty beside run folders is rebuilt from them: it must not forget what was sent.

The guard against sending a list twice must not depend on the folder one stands in. So each runs
folder in which a run is entered is remembered in the platform's place for a user's state: a small
file for each, named by a hash of the folder's path. Two processes never write different content to
the same file, and a damaged file loses one folder, until a run is entered there again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from importer.errors import JournalError, OutputError
from importer.files import make_private_folder, write_private
from importer.journal.file import is_locked
from importer.journal.journal import BEGUN_KEY, CANARY_KEY, PLANNED_KEY, Journal
from importer.model import CanaryState, Status
from importer.pipeline.rundir import RunDirectory
from importer.settings import STATE_DIR_VARIABLE

FILE = "history.sqlite3"
ENTRY_KEY = "ledger"
"""The meta key of a run's journal for those fields of its entry that nothing else has."""
MUST_BE_SEEN = "must be seen"
"""The kind of the notes, by run id, of runs that no round resumes before somebody looks at them."""
SIZE = "size"
"""The kind of the notes, by SHA-256, of the size in bytes of a content."""
RUNNING = "running"
"""The status of a run whose end was not entered: it is at work, or was interrupted."""
UNFINISHED = "unfinished"
"""The state shown for an interrupted run."""
_VERSION = 2
_PATIENCE = 30.0
"""Seconds to wait for another command that writes."""
_SCHEMA = """
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY, label TEXT, file TEXT NOT NULL, sha256 TEXT NOT NULL, sheet TEXT,
  first_row INTEGER, last_row INTEGER, mapping_sha256 TEXT NOT NULL, base_url TEXT NOT NULL,
  project INTEGER NOT NULL, run_dir TEXT NOT NULL, status TEXT NOT NULL,
  exit_code INTEGER, counts TEXT NOT NULL, rows INTEGER NOT NULL, started_at TEXT NOT NULL,
  elapsed_s REAL NOT NULL, profile TEXT, jobs_file TEXT
) WITHOUT ROWID;
CREATE INDEX runs_by_content ON runs (sha256, project);
CREATE INDEX runs_by_start ON runs (started_at);
CREATE TABLE notes (kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key));
"""
_FILES = """
CREATE TABLE files (
  jobs_file TEXT, job TEXT, file TEXT, sha256 TEXT, fate TEXT, base_url TEXT NOT NULL,
  project INTEGER NOT NULL, exit_code INTEGER NOT NULL, cause TEXT NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY (jobs_file, job, file, sha256, fate)
) WITHOUT ROWID
"""
_TO_VERSION_2 = ("ALTER TABLE runs ADD COLUMN jobs_file TEXT", _FILES)
_NOTE = "INSERT OR REPLACE INTO notes VALUES (:kind, :key, :value)"
_PARTS = ("run_id", "source", "mapping", "target", "settings")
_SUMMARY = "summary.json"
_FOLDER = "runs-folders"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A run in the ledger.

    `label` is the name of its job, None for a run by hand; `jobs_file` the path of the job's file.
    `sha256` is the hash of the source's content; `sheet`, `first_row` and `last_row` say which part
    of it was taken, None for all. `counts` are numbers of rows by status. `exit_code` is None until
    the run has ended. `profile` is what later files are compared with for drift.
    """

    run_id: str
    label: str | None
    file: str
    sha256: str
    sheet: str | None
    first_row: int | None
    last_row: int | None
    mapping_sha256: str
    base_url: str
    project: int
    run_dir: Path
    status: str
    exit_code: int | None
    counts: dict[str, int]
    rows: int
    started_at: datetime
    elapsed_s: float
    profile: dict[str, Any] | None = None
    jobs_file: str | None = None

    def count(self, *states: Status) -> int:
        """The number of rows in these states."""
        return sum(self.counts.get(state.value, 0) for state in states)

    @property
    def sent(self) -> bool:
        """Whether any row was stored by the service, or may have been."""
        return self.count(Status.CREATED, Status.UNCERTAIN) > 0

    @property
    def unfinished(self) -> bool:
        """Whether rows are pending, which `resume` would send."""
        return self.count(Status.PENDING) > 0

    @property
    def state(self) -> str:
        """The status for people; a lock on the journal tells `running` from `unfinished`."""
        if self.status != RUNNING:
            return self.status
        return RUNNING if is_locked(RunDirectory(self.run_dir).journal) else UNFINISHED

    @property
    def unsettled(self) -> bool:
        """Whether the run's journal may have newer figures than the ledger."""
        return self.status == RUNNING or self.count(Status.PENDING, Status.UNCERTAIN) > 0

    def overlaps(self, other: LedgerEntry) -> bool:
        """Whether both runs take some of the same rows of the same content to the same project."""
        same = (
            (self.sha256, self.sheet, self.base_url, self.project)
            == (other.sha256, other.sheet, other.base_url, other.project)
        )  # fmt: skip
        first = max(self.first_row or 0, other.first_row or 0)
        ends = [end for end in (self.last_row, other.last_row) if end is not None]
        return same and (not ends or first <= min(ends))

    def own_facts(self) -> str:
        """The fields that cannot be read from the run's own files, as JSON for its journal."""
        names = ("label", "jobs_file", "file", "first_row", "last_row")
        return json.dumps({name: getattr(self, name) for name in names})

    def as_json(self) -> dict[str, Any]:
        """The entry as ``history --json`` has it."""
        line = {**asdict(self), "run_dir": str(self.run_dir), "job": self.label}
        line["status"] = self.state
        line["started_at"] = self.started_at.isoformat().replace("+00:00", "Z")
        for name in ("label", "profile"):
            del line[name]
        return line


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a batch that became no run: `fate` and `cause` say what became of it, and why.

    `sha256` is blank where its content could not be read. It is entered once, with the last time.
    """

    jobs_file: str
    job: str
    file: str
    sha256: str
    fate: str
    base_url: str
    project: int
    exit_code: int
    cause: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """The file as ``history --json`` has it, with the keys of a run."""
        line: dict[str, Any] = dict.fromkeys(LedgerEntry.__slots__)
        for name in ("label", "profile"):
            del line[name]
        at = self.at.isoformat().replace("+00:00", "Z")
        line |= asdict(self) | {"status": self.fate, "counts": {}, "rows": 0, "started_at": at}
        line["elapsed_s"] = 0.0
        for name in ("fate", "at"):
            del line[name]
        return line


class Ledger:
    """The ledger of one runs folder; a context manager, for one thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path, version: int = _VERSION) -> None:
        self._connection = connection
        self.path = path
        names = (
            LedgerEntry.__slots__
            if version > 1
            else (*LedgerEntry.__slots__[:-1], "NULL AS jobs_file")
        )
        self._names = ", ".join(names)
        self._has_files = version > 1

    @classmethod
    def open(cls, runs_dir: Path) -> Self:
        """Open a folder's ledger, made where there is none; raises OutputError.

        One that is missing or empty is made from the runs that are in the folder.
        """
        make_private_folder(runs_dir)
        path = runs_dir / FILE
        with _sqlite_errors(path):
            # The file is its owner's alone from its first byte on.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            try:
                _set_up(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path)

    @classmethod
    def look(cls, runs_dir: Path, *, again: bool = True) -> Self | None:
        """Open a folder's ledger read-only; None where there is none.

        With `again`, a lost ledger is made from the runs in the folder; pass False for a folder
        that may be no runs folder. Raises OutputError where it cannot be read.
        """
        path = runs_dir / FILE
        with _sqlite_errors(path):
            if not path.is_file() or path.stat().st_size == 0:
                # A ledger that is gone beside runs is rebuilt even for reading.
                return cls.open(runs_dir) if again and _has_unknown_runs(runs_dir) else None
            # Not "ro": a hot journal, left by a crash, could not be rolled back. SQLite opens files
            # without write permission for reading all the same.
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=_PATIENCE,
                isolation_level=None,
            )
            try:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                connection.execute("PRAGMA query_only = ON")
                if version == 0:  # made, and not yet filled
                    connection.close()
                    return None
                _refuse_later(version, path)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path, version)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def enter(self, entry: LedgerEntry) -> None:
        """Insert a run, or replace it by its present state; durable on return."""
        self._execute(*_insertion(entry))

    def runs(
        self,
        *,
        label: str | None = None,
        jobs_file: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[LedgerEntry]:
        """The runs, newest first: of one job, begun since then, at most `limit`.

        Jobs files may share a folder and names of jobs: `jobs_file` restricts to the runs of one.
        """
        return self._entries(
            "WHERE (:label IS NULL OR label = :label)"
            " AND (:jobs_file IS NULL OR jobs_file = :jobs_file) AND started_at >= :since"
            " ORDER BY started_at DESC, run_id DESC LIMIT :limit",
            label=label,
            jobs_file=jobs_file,
            since=since.isoformat() if since is not None else "",
            limit=-1 if limit is None else limit,
        )

    def enter_file(self, entry: FileEntry) -> None:
        """Enter a file that became no run, in place of one of the same content and fate."""
        values = {**asdict(entry), "at": entry.at.isoformat()}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        self._execute(f"INSERT OR REPLACE INTO files ({names}) VALUES ({marks})", values)  # noqa: S608

    def files(self, *, job: str | None = None, since: datetime | None = None) -> list[FileEntry]:
        """The files that became no run, newest first: of one job, and entered since then."""
        if not self._has_files:
            return []
        names = ", ".join(FileEntry.__slots__)
        rows = self._execute(
            f"SELECT {names} FROM files WHERE (:job IS NULL OR job = :job) AND at >= :since"  # noqa: S608
            " ORDER BY at DESC, file",
            {"job": job, "since": since.isoformat() if since is not None else ""},
        )
        return [_file_entry(row) for row in rows]

    def find(self, run_id: str) -> LedgerEntry | None:
        """The run with that id, or None."""
        return next(iter(self._entries("WHERE run_id = :run_id", run_id=run_id)), None)

    def named(self, beginning: str) -> list[LedgerEntry]:
        """The runs whose ids begin so, newest first."""
        return [entry for entry in self.runs() if entry.run_id.startswith(beginning)]

    def alike(self, entry: LedgerEntry) -> list[LedgerEntry]:
        """The other runs of the same rows of the same content at the same place, newest first."""
        same = self._entries(
            "WHERE sha256 = :sha256 AND project = :project ORDER BY started_at DESC, run_id DESC",
            sha256=entry.sha256,
            project=entry.project,
        )
        return [self.current(e) for e in same if e.run_id != entry.run_id and e.overlaps(entry)]

    def runs_of(self, sha256: str, base_url: str, project: int) -> list[LedgerEntry]:
        """The runs of that content at that place as they are now, newest first."""
        found = self._entries(
            "WHERE sha256 = :sha256 AND base_url = :base_url AND project = :project"
            " ORDER BY started_at DESC, run_id DESC",
            sha256=sha256,
            base_url=base_url,
            project=project,
        )
        return [self.current(entry) for entry in found]

    @staticmethod
    def current(entry: LedgerEntry) -> LedgerEntry:
        """The entry with the counts of the run's journal, where the run has not been settled."""
        if not entry.unsettled:
            return entry
        try:
            with Journal.read(RunDirectory(entry.run_dir).journal) as journal:
                counts = {state.value: count for state, count in journal.counts().items()}
        except (JournalError, OSError):
            return entry
        counts[Status.PENDING.value] = entry.rows - sum(
            count for state, count in counts.items() if state != Status.PENDING.value
        )
        return entry if counts == entry.counts else replace(entry, counts=counts)

    def set_profile(self, run_id: str, profile: Mapping[str, Any]) -> None:
        """Set the profile of a run, which later files are compared with."""
        self._execute(
            "UPDATE runs SET profile = :profile WHERE run_id = :run_id",
            {"profile": json.dumps(profile), "run_id": run_id},
        )

    def note(self, kind: str, key: str, value: str) -> None:
        """Set the value of a note; notes are small facts by kind and key."""
        self._execute(_NOTE, {"kind": kind, "key": key, "value": value})

    def noted(self, kind: str, key: str) -> str | None:
        """The value of a note, or None."""
        found = self._execute(
            "SELECT value FROM notes WHERE kind = :kind AND key = :key", {"kind": kind, "key": key}
        )
        return str(found[0][0]) if found else None

    def sizes(self) -> set[int]:
        """The sizes in bytes, each once, of all contents that runs have sent."""
        # Of thousands of runs: SQLite finds the different ones, and Python sees those only.
        found = self._execute(
            "SELECT DISTINCT CAST(value AS INTEGER) FROM notes WHERE kind = :kind", {"kind": SIZE}
        )
        return {size for (size,) in found}

    def _entries(self, where: str, **values: object) -> list[LedgerEntry]:
        return [
            _entry_of_row(row)
            for row in self._execute(f"SELECT {self._names} FROM runs {where}", values)  # noqa: S608
        ]

    def _execute(self, sql: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        with _sqlite_errors(self.path):
            given = {name: _to_sqlite(value) for name, value in values.items()}
            rows = self._connection.execute(sql, given).fetchall()
            return [tuple(map(_from_sqlite, row)) for row in rows]


# The runs folders that a user has used, wherever they are, and the ledgers in them.


def state_dir() -> Path | None:
    """Where this user's state is kept, absolute: ``VCC_STATE_DIR``, or the platform's place.

    None where there is no such place, as for a user without a home. The folder may not exist.
    """
    if named := os.environ.get(STATE_DIR_VARIABLE):
        return Path(named).absolute()
    import platformdirs

    try:
        place = platformdirs.user_state_path("vcc-import", appauthor=False)
    except RuntimeError:  # a user whom the system does not know, and who has no HOME
        return None
    # Older releases give "~" as it stands then: no folder to make here.
    return place if place.is_absolute() else None


def remember(runs_dir: Path) -> None:
    """Remember an existing runs folder. Failing that is logged, and no more."""
    state = state_dir()
    if state is None:
        _log.info("This user has no place for state: %s is not remembered.", runs_dir.absolute())
        return
    folder = os.path.realpath(runs_dir)
    path = state / _FOLDER / _note_name(folder)
    try:
        text = json.dumps({"folder": folder, "device": Path(folder).stat().st_dev})
        if not (path.is_file() and path.read_bytes() == text.encode()):
            make_private_folder(state)
            make_private_folder(path.parent)
            write_private(path, text)
    except (OutputError, OSError) as error:
        _log.info("%s is not remembered, so runs elsewhere do not see it: %s", folder, error)


def remembered() -> list[Path]:
    """The remembered folders that exist now, absolute, each once.

    One that is gone is forgotten, unless the whole drive is missing: it may be mounted again.
    """
    state = state_dir()
    found: dict[tuple[int, int], Path] = {}
    try:
        paths = sorted((state / _FOLDER).glob("*.json")) if state is not None else []
    except OSError as error:
        _log.info("%s cannot be read: %s", state, error)
        return []
    for path in paths:
        entry = _read_folder_note(path)
        if entry is None:
            continue
        folder, device = entry
        try:
            status = folder.stat()
        except FileNotFoundError:
            if _device_above(folder) == device:
                _forget(path, f"{folder} is gone")
            else:
                _log.info("%s is not there now: its drive may not be mounted.", folder)
        except OSError as error:
            _log.warning("%s cannot be looked at: what was sent from there is not known.", error)
        else:
            # Two paths may lead to one folder: bind mounts, or names that differ in case.
            found.setdefault((status.st_dev, status.st_ino), folder)
    return list(found.values())


@contextlib.contextmanager
def open_all_ledgers(own: Ledger | None) -> Iterator[list[Ledger]]:
    """Open the ledgers of all of the user's runs folders for reading; `own` comes first.

    One that cannot be read is logged and left out: it must not keep all imports back.
    """
    with contextlib.ExitStack() as opened:
        ledgers = [] if own is None else [own]
        for folder in remembered():
            if own is not None and _is_same_folder(folder, own.path.parent):
                continue
            try:
                ledger = Ledger.look(folder)
            except OutputError as error:
                _log.warning("%s. What was sent from there is not known.", error)
                continue
            if ledger is not None:
                ledgers.append(opened.enter_context(ledger))
        yield ledgers


@contextlib.contextmanager
def open_ledgers_from(runs_dir: Path) -> Iterator[list[Ledger]]:
    """As :func:`open_all_ledgers`; the ledger of this folder comes first, if it has one."""
    with contextlib.ExitStack() as opened:
        if (own := Ledger.look(runs_dir)) is not None:
            opened.enter_context(own)
        yield opened.enter_context(open_all_ledgers(own))


def newest_first(entries: list[LedgerEntry]) -> list[LedgerEntry]:
    """Runs of several ledgers as one list, newest first, each once."""
    each = {entry.run_id: entry for entry in reversed(entries)}
    return sorted(each.values(), key=lambda entry: (entry.started_at, entry.run_id), reverse=True)


def _note_name(folder: str) -> str:
    return f"{hashlib.sha256(os.fsencode(os.path.normcase(folder))).hexdigest()[:32]}.json"


def _read_folder_note(path: Path) -> tuple[Path, int] | None:
    """The folder and its device number in a file of ours; a damaged file is removed."""
    try:
        entry = json.loads(path.read_bytes())
        folder, device = entry["folder"], entry["device"]
        if _note_name(folder) == path.name and isinstance(device, int):
            return Path(folder), device
    except OSError as error:
        _log.info("%s cannot be read: %s", path, error)
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    _log.warning("%s was damaged: a runs folder is forgotten until it is used again.", path)
    _forget(path, "it is damaged")
    return None


def _forget(path: Path, why: str) -> None:
    _log.info("%s is forgotten: %s", path.name, why)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _device_above(folder: Path) -> int | None:
    """The device of the nearest folder above that exists."""
    for above in folder.parents:
        with contextlib.suppress(OSError):
            return above.stat().st_dev
    return None


def _is_same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


# What SQLite takes and gives.


def _to_sqlite(value: object) -> object:
    """A value as SQLite takes it: text that is no UTF-8 (a path may be) becomes its bytes."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogatepass")
    return value


def _from_sqlite(value: object) -> Any:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _insertion(entry: LedgerEntry) -> tuple[str, dict[str, Any]]:
    values = asdict(entry)
    values["run_dir"] = str(entry.run_dir)
    values["counts"] = json.dumps(entry.counts)
    values["profile"] = None if entry.profile is None else json.dumps(entry.profile)
    values["started_at"] = entry.started_at.isoformat()
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    return f"INSERT OR REPLACE INTO runs ({names}) VALUES ({marks})", values  # noqa: S608


def _entry_of_row(row: tuple[Any, ...]) -> LedgerEntry:
    values = dict(zip(LedgerEntry.__slots__, row, strict=True))
    values["run_dir"] = Path(values["run_dir"])
    values["counts"] = json.loads(values["counts"])
    values["profile"] = None if values["profile"] is None else json.loads(values["profile"])
    values["started_at"] = datetime.fromisoformat(values["started_at"])
    return LedgerEntry(**values)


def _file_entry(row: tuple[Any, ...]) -> FileEntry:
    values = dict(zip(FileEntry.__slots__, row, strict=True))
    values["at"] = datetime.fromisoformat(values["at"])
    return FileEntry(**values)


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    # A run that is entered must be there after a power cut: its rows may have been sent.
    connection.execute("PRAGMA synchronous = FULL")
    # Two commands may open a new ledger at once: the second waits, and finds it filled.
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in filter(str.strip, _SCHEMA.split(";")):
            connection.execute(statement)
        connection.execute(_FILES)
        _rebuild(connection, path)
    elif version == 1:
        for statement in _TO_VERSION_2:
            connection.execute(statement)
    if version < _VERSION:
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")
    _refuse_later(version, path)


def _refuse_later(version: int, path: Path) -> None:
    if version > _VERSION:
        raise OutputError(
            f"{path} was written by a later vcc-import", "Install that version, or a later one."
        )


@contextlib.contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the disk into OutputError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
        hint = (
            "Another command is writing it: try again."
            if busy
            else "Make room on the disk, or let the file be written. If it is damaged, put it"
            " aside: it is made again from the runs beside it."
        )
        raise OutputError(f"{path}, the ledger of past runs: {error}", hint) from None
    except OSError as error:
        raise OutputError(
            f"{path}, the ledger of past runs: {error.strerror}",
            "Let the folder be written, or name another with --runs-dir.",
        ) from None


# A ledger that is lost is made again from the runs beside it.


class _DamagedRunError(Exception):
    """What a run has sent cannot be known. Raised and caught within this module."""


def _rebuild(connection: sqlite3.Connection, path: Path) -> None:
    """Fill a new ledger from the run folders beside it; raises OutputError if one is damaged."""
    found, damaged = [], []
    for directory in _runs_in(path.parent):
        try:
            past = _entry_of_run(directory)
        except _DamagedRunError as error:
            damaged.append(f"  {directory.path}: {error}")
        else:
            if past is not None:
                found.append(past)
    if damaged:
        lines = "\n".join(damaged)
        raise OutputError(
            f"{path}, the ledger of past runs, is missing or empty, and cannot be made again from"
            f" the runs beside it: what these have sent is not known:\n{lines}",
            "Put the ledger or the folders of these runs back from a backup. Or move those folders"
            " elsewhere: then nothing keeps their lists from being sent a second time.",
        )
    for entry, size, must_be_seen in found:
        sql, values = _insertion(entry)
        connection.execute(sql, {name: _to_sqlite(value) for name, value in values.items()})
        if size is not None:
            connection.execute(_NOTE, {"kind": SIZE, "key": entry.sha256, "value": str(size)})
        if must_be_seen:
            note = {"kind": MUST_BE_SEEN, "key": entry.run_id, "value": entry.label or ""}
            connection.execute(_NOTE, note)
    if found:
        _log.warning(
            "%s, the ledger of past runs, was missing or empty: it was made again from the %d runs"
            " beside it. Runs that were removed, or lie elsewhere (--out), are not in it.",
            path,
            len(found),
        )


def _runs_in(runs_dir: Path) -> Iterator[RunDirectory]:
    """The run directories in a folder."""
    try:
        folders = sorted(path for path in runs_dir.iterdir() if path.is_dir())
    except FileNotFoundError:
        return
    for directory in map(RunDirectory, folders):
        parts = (directory.journal, directory.snapshot, directory.path / _SUMMARY)
        if any(part.exists() for part in parts):
            yield directory


def _has_unknown_runs(runs_dir: Path) -> bool:
    """Whether a folder without a ledger holds runs that belong in one."""
    for directory in _runs_in(runs_dir):
        try:
            if _entry_of_run(directory) is not None:
                return True
        except _DamagedRunError:
            return True
    return False


def _entry_of_run(directory: RunDirectory) -> tuple[LedgerEntry, int | None, bool] | None:
    """A run by its journal, else by its summary; None for one that sent to no service.

    With it, the size of its content in bytes where noted, and whether somebody must look at it
    before it goes on: too many of its rows failed, or its canary did.
    Raises _UnknownError.
    """
    told: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        read = json.loads((directory.path / _SUMMARY).read_bytes())
        told = read if isinstance(read, dict) else {}
    about, own, canary = told, dict[str, Any](), None
    try:
        with Journal.read(directory.journal, cut=True) as journal:
            meta, counts = journal.meta(), journal.counts()
        if "rows" not in meta and "run_id" in meta:
            return None  # it was cut off while the source was being read
        if PLANNED_KEY in meta and BEGUN_KEY not in meta:
            return None  # a plan of which nothing was sent
        about = {key: json.loads(meta[key]) for key in _PARTS}
        about |= {"rows": int(meta["rows"]), "started_at": meta["started_at"]}
        about["counts"] = {state.value: count for state, count in counts.items()}
        sent = sum(count for state, count in counts.items() if state is not Status.PENDING)
        about["counts"][Status.PENDING.value] = about["rows"] - sent
        own = json.loads(meta.get(ENTRY_KEY, "{}"))
        if CANARY_KEY in meta:
            canary = CanaryState(json.loads(meta[CANARY_KEY])["state"])
    except (JournalError, OSError, ValueError, KeyError, TypeError) as error:
        if not told and not directory.snapshot.exists():
            return None  # its copy of the cells is made before anything is sent
        about = told
        why = error.message if isinstance(error, JournalError) else "its journal is damaged"
    else:
        why = "what it notes of itself is damaged"
    try:
        if about["settings"].get("sandbox"):
            return None
        counts_now = {state.value: int(about["counts"].get(state.value, 0)) for state in Status}
        entry = LedgerEntry(
            run_id=about["run_id"],
            label=own.get("label"),
            file=own.get("file", about["source"]["path"]),
            sha256=about["source"]["sha256"],
            sheet=about["source"]["sheet"],
            first_row=own.get("first_row"),
            last_row=own.get("last_row"),
            mapping_sha256=about["mapping"]["sha256"],
            base_url=about["target"]["base_url"],
            project=about["target"]["project"],
            run_dir=directory.path.absolute(),
            status=told.get("status", RUNNING),
            exit_code=_exit_code(told["status"], counts_now) if "status" in told else None,
            counts=counts_now,
            rows=int(about["rows"]),
            started_at=datetime.fromisoformat(about["started_at"]),
            elapsed_s=float(told.get("elapsed_s", 0.0)),
            jobs_file=own.get("jobs_file"),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _DamagedRunError(why) from None
    # A summary has no code of why a run stopped; these are the words for too many failures.
    failed = " rows failed, and " in str(told.get("reason") or "")
    must_be_seen = entry.unfinished and (failed or canary is CanaryState.STOPPED)
    return entry, about["source"].get("size"), must_be_seen


def _exit_code(status: str, counts: Mapping[str, int]) -> int:
    """The exit code of a run with that status, as :attr:`importer.model.Summary.exit_code`."""
    if status == "stopped":
        return 3
    if counts[Status.UNCERTAIN.value]:
        return 4
    return 1 if counts[Status.REJECTED.value] or counts[Status.INVALID.value] else 0
