"""The file of a journal: its tables, and how it is created, locked, opened and verified."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from importer.errors import CutJournalError, JournalError, NoJournalError, OutputError
from importer.files import argument, command, sync_folder

_VERSION = 1
_APPLICATION_ID = int.from_bytes(b"vccj")
_SQLITE, _HEAD_LENGTH = b"SQLite format 3\0", 100
"""The first bytes of an SQLite database, and the length of its header.

Bytes 16 and 17 of the header are the size of a page (https://sqlite.org/fileformat.html).
"""
OPEN_KEY = "_open"
"""The meta key that a journal has while it is open for writing, or was not closed in order."""
COMMITS_KEY = "_commits"
"""The meta key for the number of transactions so far; each writes its own number."""

SCHEMA = f"""
BEGIN;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    row INTEGER PRIMARY KEY,
    status INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    http_status INTEGER,
    numberids TEXT,
    code TEXT,
    message TEXT,
    hint TEXT
);
CREATE TABLE amendments (
    at TEXT NOT NULL,
    row INTEGER NOT NULL,
    became TEXT NOT NULL,
    numberids TEXT NOT NULL,
    evidence TEXT NOT NULL
);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
COMMIT;
"""

# A temporary view with a trigger, on each connection that writes: recording a round and counting
# the commit is one statement, and so one transaction. For each statement sqlite3 releases the
# interpreter's lock, and to get it back from a busy event loop takes up to 5 ms.
# Rows come grouped by their equal columns (journal._grouped_json); intents have status 0. A row
# that has an entry may only get an outcome for its intent: otherwise its status becomes NULL, which
# NOT NULL refuses, and the whole statement fails. LIMIT keeps SQLite from computing the inner
# SELECT again for each row.
WRITING = """
CREATE TEMP VIEW rounds AS SELECT NULL AS content, NULL AS number;
CREATE TEMP TRIGGER record INSTEAD OF INSERT ON rounds BEGIN
    INSERT INTO rows (row, status, attempts, http_status, numberids, code, message, hint)
    SELECT
        CAST(member.key AS INTEGER), status, attempts, http_status, member.value, code, message,
        hint
    FROM (
        SELECT
            json_extract(value, '$[0]') AS status, json_extract(value, '$[1]') AS attempts,
            json_extract(value, '$[2]') AS http_status, json_extract(value, '$[3]') AS code,
            json_extract(value, '$[4]') AS message, json_extract(value, '$[5]') AS hint,
            json_extract(value, '$[6]') AS members
        FROM json_each(NEW.content) LIMIT -1
    ) AS alike, json_each(members) AS member
    WHERE true
    ON CONFLICT (row) DO UPDATE SET
        status = CASE WHEN rows.status = 0 AND excluded.status > 0 THEN excluded.status END,
        attempts = excluded.attempts, http_status = excluded.http_status,
        numberids = excluded.numberids, code = excluded.code, message = excluded.message,
        hint = excluded.hint;
    UPDATE meta SET value = NEW.number WHERE key = '_commits';
END;
"""
RECORD = "INSERT INTO rounds VALUES (?, ?)"
RELEASE = "DELETE FROM rows WHERE row = ? AND status IN (0, 5)"
DOUBT = """
INSERT INTO rows (row, status, attempts, http_status, numberids, code, message, hint)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (row) DO UPDATE SET
    status = excluded.status, numberids = excluded.numberids, code = excluded.code,
    message = excluded.message, hint = excluded.hint
WHERE rows.status IN (1, 2)
"""
WITHDRAW = """
DELETE FROM rows WHERE status = 0 AND row IN (SELECT value FROM json_each(?))
"""

AGAIN = "a row would be sent a second time, or get a second outcome"
BUG = "Nothing more was sent. Please report this, with the run directory."

UNTRUSTED = "Nothing was sent. Restore the run directory as a whole, or look in the service first."
_WRITABLE = "Check that the run directory and the files in it can be read and written."


def _about(name: str, journal: Path) -> str:
    return command(name, argument(journal.parent))


def wal_path(path: Path) -> Path:
    """SQLite's write-ahead log beside a journal: commits that are not in its main file yet."""
    return path.with_name(f"{path.name}-wal")


def mark_path(path: Path) -> Path:
    """The file beside a journal with its high-water mark (:class:`Mark`)."""
    return path.with_name(f"{path.name}.mark")


class Mark(NamedTuple):
    """A journal's high-water mark.

    `commits` is how many were on the disk when the mark was written. `sha256` is that of the
    journal's file since it was closed in order, and blank while it is open.
    """

    commits: int
    sha256: str = ""


class MarkFile:
    """The file of a journal's high-water mark, held open by the one process that writes.

    It is a single record of a fixed length, written in place: shorter than a sector of any disk,
    so that a power cut leaves the old one or the new one. A commit is on the disk before its mark
    is written. A mark that is behind its journal therefore says nothing; one that is ahead says
    that the journal has lost what it once had. So only opening and closing wait for the disk.
    """

    _HEAD = b"vcc-importer journal mark 1\n"
    _LENGTH = 128

    def __init__(self, path: Path) -> None:
        """Make the file if it is not there. Raises JournalError."""
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
            self._file = os.fdopen(descriptor, "rb+", buffering=0)
            sync_folder(path.parent)
        except OSError as error:
            raise JournalError(f"cannot write {path}: {error.strerror}", _WRITABLE) from error
        self._path = path

    def write(self, mark: Mark, *, durable: bool = False) -> None:
        """Overwrite the mark in the file. Raises JournalError."""
        body = f"{mark.commits:020d} {mark.sha256:-<64}"
        checked = f"{body} {zlib.crc32(body.encode()):08x}\n".encode()
        try:
            self._file.seek(0)
            self._file.write((self._HEAD + checked).ljust(self._LENGTH, b"\n"))
            if durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise JournalError(f"cannot write {self._path}: {error.strerror}", _WRITABLE) from error

    def touch(self) -> None:
        """Set the file's modification time to now; does nothing where that is not allowed."""
        with contextlib.suppress(OSError):
            os.utime(self._path)

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    @classmethod
    def read(cls, path: Path) -> Mark | None:
        """The mark in a file; None for no file, or an empty one. Raises JournalError for others.

        An empty one is left by a process that was killed between creating and writing it.
        """
        try:
            with path.open("rb") as file:
                content = file.read(cls._LENGTH)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise JournalError(f"cannot read {path}: {error.strerror}", _WRITABLE) from error
        if not content:
            return None
        found = re.fullmatch(
            cls._HEAD + rb"(([0-9]{20}) ([0-9a-f]{64}|-{64})) ([0-9a-f]{8})\n+", content
        )
        if found is None or zlib.crc32(found[1]) != int(found[4], 16):
            raise JournalError(f"{path} is damaged", UNTRUSTED)
        return Mark(int(found[2]), found[3].decode().strip("-"))


WHOLE_FILE = threading.Lock()
"""Held while this process reads a journal's file as a whole, or opens one for writing.

POSIX ends all locks that a process has on a file when it closes any handle of it. So no journal is
hashed while this process writes it.
"""


def create_file(path: Path) -> None:
    """A new empty file that only its owner may read; SQLite's files beside it follow its mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError as error:
        hint = "Choose another --out, or resume that run."
        raise OutputError(f"{path} exists already", hint) from error
    except OSError as error:
        hint = "Choose another folder with --out."
        raise OutputError(f"cannot write {path}: {error.strerror}", hint) from error


def refuse_if_missing_or_empty(path: Path) -> None:
    """Raise NoJournalError where there never was a journal, JournalError where it is gone or empty.

    SQLite would take the -wal beside an empty file for a leftover, and remove it.
    """
    if not path.is_file() and mark_path(path).exists():
        raise JournalError(f"{path} is gone, which said what was sent", UNTRUSTED)
    if not path.is_file():
        hint = "Name the folder of a plan or a run, as `Plan:` or `Results:` named it."
        there = path.parent.exists()
        where = ": its folder holds no plan and no run" if there else ", nor does its folder"
        raise NoJournalError(f"{path} does not exist{where}", hint)
    if path.stat().st_size == 0:
        raise JournalError(f"{path} is not a journal: it is empty", UNTRUSTED)


def connect(path: Path, mode: str, undo: contextlib.ExitStack) -> sqlite3.Connection:
    """A connection to a file that exists, closed by `undo`; `mode` is rw or ro."""
    with journal_errors(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
        )
    undo.callback(connection.close)
    return connection


def roll_back_hot_journal(path: Path) -> None:
    """Let SQLite roll a hot rollback journal back, which a read-only connection cannot.

    There is one where a process was killed while it changed the journal mode, to WAL when opening
    or back when closing. Raises JournalError.
    """
    if path.with_name(f"{path.name}-journal").exists():
        with contextlib.ExitStack() as undo, journal_errors(path):
            connect(path, "rw", undo).execute("SELECT count(*) FROM sqlite_master").fetchone()


def lock_journal(path: Path, undo: contextlib.ExitStack) -> sqlite3.Connection:
    """Lock a journal for writing (rule 7): held until the connection closes or the process ends.

    The lock file is never removed: another process may be about to lock the removed one. Raises
    JournalError where another process has the lock.
    """
    place = path.with_name(f"{path.name}.lock")
    try:
        # Not opened if it is there: closing it would end a lock that this process has on it.
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise JournalError(f"cannot write {place}: {error.strerror}", _WRITABLE) from error
    lock = connect(place, "rw", undo)
    try:
        lock.execute("PRAGMA busy_timeout = 0")
        lock.execute("PRAGMA journal_mode = MEMORY").fetchone()
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise JournalError(f"cannot lock {place}: {error}", _WRITABLE) from error
        raise JournalError(
            f"{path} is in use: a run is writing it now", "Wait until that run has ended."
        ) from error
    return lock


def has_no_tables(path: Path) -> bool:
    """Whether a journal's file has no table, since its process was killed while creating it.

    A database of one page has no room for any: each table begins on a page of its own. A ``-wal``
    with content counts as tables.
    """
    wal = wal_path(path)
    if wal.exists() and wal.stat().st_size:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_LENGTH)
        size = path.stat().st_size
    except FileNotFoundError:
        return True
    page = int.from_bytes(head[16:18])
    return not size or (head.startswith(_SQLITE) and size <= page)


def is_locked(path: Path) -> bool:
    """Whether a run is writing this journal now: whether any process has its lock."""
    try:
        with contextlib.ExitStack() as undo:
            lock = connect(path.with_name(f"{path.name}.lock"), "ro", undo)
            lock.execute("PRAGMA busy_timeout = 0")
            lock.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except JournalError:
        return False  # there is no such file
    except sqlite3.DatabaseError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False


def verify_journal(path: Path, connection: sqlite3.Connection) -> int:
    """Verify that a journal is whole; the number of its commits.

    Raises CutJournalError where it has fewer commits than its mark says, and JournalError where it
    is no journal of this version, or damaged.
    """
    # The mark is read first: a run at work writes its commits before the mark of them.
    mark = MarkFile.read(mark_path(path))
    has_wal = wal_path(path).exists()
    with journal_errors(path):
        (made_by,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if made_by != _APPLICATION_ID:
            raise JournalError(f"{path} is not a journal, or is cut short", UNTRUSTED)
        if version != _VERSION:
            raise JournalError(
                f"{path} is a journal of version {version}, this program knows {_VERSION}",
                "Use the version of vcc-importer that made it: summary.json names it.",
            )
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        sql = "SELECT key, value FROM meta WHERE key IN (?, ?)"
        marks = dict(connection.execute(sql, (OPEN_KEY, COMMITS_KEY)).fetchall())
    if found != "ok":
        raise JournalError(f"{path} is damaged or cut short: {found}", UNTRUSTED)
    commits = marks.get(COMMITS_KEY, "0")
    if not (isinstance(commits, str) and commits.isascii() and commits.isdecimal()):
        raise JournalError(f"{path} is damaged: it counts {commits!r} commits", UNTRUSTED)
    if mark is not None and mark.commits > int(commits):
        wal = wal_path(path).name
        lost = mark.commits - int(commits)
        raise CutJournalError(
            f"{path} has lost its end ({lost:,} of {mark.commits:,} commits), since {wal} is "
            f"{'damaged' if has_wal else 'gone'}: rows that were sent would read as never sent",
            f"Nothing was sent. Restore {path.parent} as a whole, or settle its rows: "
            f"`{_about('reconcile', path)}` or `{_about('mark', path)} …` takes every row that it "
            "has no word of as uncertain.",
        )
    if mark is None and OPEN_KEY in marks and (COMMITS_KEY in marks or not has_wal):
        # Closed, it is whole without its mark, as when it was copied somewhere alone.
        beside = mark_path(path) if COMMITS_KEY in marks else wal_path(path)
        # A run may have opened it between the two looks, and made its mark then.
        if MarkFile.read(mark_path(path)) is None:
            raise JournalError(f"{path} has lost the file beside it, {beside.name}", UNTRUSTED)
    if mark is not None and mark.sha256 and not _is_unchanged(path):
        raise JournalError(f"{path} was changed or damaged since its run closed it", UNTRUSTED)
    return int(commits)


def _is_unchanged(path: Path) -> bool:
    """Whether a journal's file has the hash of its mark; True, too, if it was opened since."""
    with WHOLE_FILE:
        for _ in range(2):
            mark = MarkFile.read(mark_path(path))
            if mark is None or not mark.sha256 or sha256_of(path) == mark.sha256:
                return True
            # Another process may have begun to write between the two looks: then the mark says so.
    return False


def sha256_of(path: Path) -> str:
    """The SHA-256 of a journal's file, which this process must not be writing."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise JournalError(f"cannot read {path}: {error.strerror}", _WRITABLE) from error


@contextlib.contextmanager
def journal_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into a JournalError that says what to do."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise JournalError(f"{path}: {AGAIN}", BUG) from error
    except sqlite3.Error as error:
        # SQLite's own codes, without what they add about the place in its code.
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                raise JournalError(f"{path} is damaged or cut short: {error}", UNTRUSTED) from error
            case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
                hint = "Make room on its disk, then resume the run."
                raise JournalError(f"cannot write {path}: {error}", hint) from error
            case _:
                raise JournalError(f"cannot use {path}: {error}", _WRITABLE) from error
