"""The journal's file: its tables, how it is made, locked, opened, checked, and its errors."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from importer.errors import JournalError, OutputError

_VERSION = 1
_APPLICATION_ID = int.from_bytes(b"vccj")
OPEN_KEY = "_open"
"""The meta key that says that a run is writing, or ended without closing the journal."""

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

# One statement for all rows of a round, which is a transaction by itself: sqlite3 lets go of the
# interpreter's lock for each, and to get it back from a busy event loop takes up to 5 ms. It takes
# rows by what is the same of them (journal_rows.grouped); intents have status 0. A row that has an
# entry may only get an outcome for its intent: NULL breaks the table's rule, and all is refused.
RECORD = """
WITH alike AS MATERIALIZED (
    SELECT
        json_extract(value, '$[0]') AS status, json_extract(value, '$[1]') AS attempts,
        json_extract(value, '$[2]') AS http_status, json_extract(value, '$[3]') AS code,
        json_extract(value, '$[4]') AS message, json_extract(value, '$[5]') AS hint,
        json_extract(value, '$[6]') AS members
    FROM json_each(?)
)
INSERT INTO rows (row, status, attempts, http_status, numberids, code, message, hint)
SELECT
    CAST(member.key AS INTEGER), status, attempts, http_status, member.value, code, message, hint
FROM alike, json_each(members) AS member
WHERE true
ON CONFLICT (row) DO UPDATE SET
    status = CASE WHEN rows.status = 0 AND excluded.status > 0 THEN excluded.status END,
    attempts = excluded.attempts, http_status = excluded.http_status,
    numberids = excluded.numberids, code = excluded.code, message = excluded.message,
    hint = excluded.hint
"""
RELEASE = "DELETE FROM rows WHERE row = ? AND status IN (0, 5)"
WITHDRAW = """
DELETE FROM rows WHERE status = 0 AND row IN (SELECT value FROM json_each(?))
"""

AGAIN = "a row would be sent a second time, or get a second outcome"
BUG = "Nothing more was sent. Please report this, with the run directory."

_UNTRUSTED = "Nothing was sent. Restore the run directory as a whole, or look in the service first."
_WRITABLE = "Check that the run directory and the files in it can be read and written."


def wal_of(path: Path) -> Path:
    """The file beside a journal that holds what is not yet in the journal itself."""
    return path.with_name(f"{path.name}-wal")


def make(path: Path) -> None:
    """A new empty file that only its owner may read; SQLite's files beside it follow its mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError as error:
        hint = "Choose another --out, or resume that run."
        raise OutputError(f"{path} exists already", hint) from error
    except OSError as error:
        hint = "Choose another folder with --out."
        raise OutputError(f"cannot write {path}: {error.strerror}", hint) from error


def refuse_empty(path: Path) -> None:
    """Refuse a file without content, of which SQLite would remove the -wal as left over."""
    if path.is_file() and path.stat().st_size == 0:
        raise JournalError(f"{path} is not a journal: it is empty", _UNTRUSTED)


def connected(path: Path, mode: str, undo: contextlib.ExitStack) -> sqlite3.Connection:
    """A connection to a file that exists; `mode` is rw or ro, `undo` closes it again."""
    if not path.is_file():
        hint = "Name the folder of a run, which holds journal.sqlite3."
        raise JournalError(f"{path} does not exist", hint)
    with translated(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
        )
    undo.callback(connection.close)
    return connection


def locked(path: Path, undo: contextlib.ExitStack) -> sqlite3.Connection:
    """The right to write this journal, until it is closed or the process ends (rule 7).

    The lock file is never removed: another process may be about to lock the removed one.
    """
    place = path.with_name(f"{path.name}.lock")
    try:
        # Not opened if it is there: closing it would end a lock that this process has on it.
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise JournalError(f"cannot write {place}: {error.strerror}", _WRITABLE) from error
    lock = connected(place, "rw", undo)
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


def check(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse what is no journal of this version, is damaged, or has lost its -wal (rule 8).

    All through SQLite: opening and closing the file otherwise would end this process's locks on
    it, which is how POSIX has them.
    """
    complete = wal_of(path).exists()
    with translated(path):
        (made_by,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if made_by != _APPLICATION_ID:
            raise JournalError(f"{path} is not a journal, or is cut short", _UNTRUSTED)
        if version != _VERSION:
            raise JournalError(
                f"{path} is a journal of version {version}, this program knows {_VERSION}",
                "Use the version of vcc-importer that made it: summary.json names it.",
            )
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        marks = connection.execute("SELECT 1 FROM meta WHERE key = ?", (OPEN_KEY,)).fetchall()
    if found != "ok":
        raise JournalError(f"{path} is damaged or cut short: {found}", _UNTRUSTED)
    if marks and not complete:
        raise JournalError(f"{path} has lost its other half, {wal_of(path).name}", _UNTRUSTED)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite as a JournalError that says what to do."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise JournalError(f"{path}: {AGAIN}", BUG) from error
    except sqlite3.Error as error:
        # SQLite's own codes, without what they add about the place in its code.
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                raise JournalError(
                    f"{path} is damaged or cut short: {error}", _UNTRUSTED
                ) from error
            case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
                hint = "Make room on its disk, then resume the run."
                raise JournalError(f"cannot write {path}: {error}", hint) from error
            case _:
                raise JournalError(f"cannot use {path}: {error}", _WRITABLE) from error
