"""The sandbox's database file: made, recognised, locked, or refused with a clear word.

One connection owns the file while the sandbox runs; other programs may read it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from importer.errors import ImporterError, SourceError

APPLICATION_ID = 0x76434342
"""Written into the file's header, so that no other program's database is taken for ours."""

VERSION = 1
"""Of the tables below; a file of another version is refused, never guessed at."""

_SCHEMA = """
CREATE TABLE project (
    projectid INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    folderid INTEGER,
    container INTEGER NOT NULL,
    folder TEXT NOT NULL
);
CREATE TABLE field (
    fieldid INTEGER PRIMARY KEY,
    projectid INTEGER NOT NULL REFERENCES project,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    type TEXT NOT NULL,
    indexed TEXT NOT NULL,
    customised TEXT NOT NULL,
    UNIQUE (projectid, name)
);
CREATE TABLE value (
    fieldid INTEGER NOT NULL REFERENCES field,
    valueid INTEGER NOT NULL,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    export_value TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    price TEXT NOT NULL DEFAULT '',
    commission TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (fieldid, valueid),
    UNIQUE (fieldid, name)
) WITHOUT ROWID;
CREATE INDEX value_valueid ON value (valueid);
CREATE TABLE disposition (
    projectid INTEGER NOT NULL REFERENCES project,
    position INTEGER NOT NULL,
    dispositionid TEXT NOT NULL,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    assessment TEXT NOT NULL,
    type TEXT NOT NULL,
    callback INTEGER NOT NULL,
    PRIMARY KEY (projectid, dispositionid)
) WITHOUT ROWID;
CREATE TABLE user (
    projectid INTEGER NOT NULL REFERENCES project,
    userid TEXT NOT NULL,
    PRIMARY KEY (projectid, userid)
) WITHOUT ROWID;
-- data: {field: text | valueid | [valueid, ...]}; contacts: {"phone1": {...}}; events: [{...}]
CREATE TABLE record (
    numberid INTEGER PRIMARY KEY,
    projectid INTEGER NOT NULL REFERENCES project,
    create_date TEXT NOT NULL,
    create_date_utc TEXT NOT NULL,
    data TEXT NOT NULL,
    contacts TEXT NOT NULL,
    phone_field TEXT,
    premium TEXT NOT NULL,
    events TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database file, held by this process alone until :meth:`close`."""

    path: Path
    connection: sqlite3.Connection
    lock: sqlite3.Connection

    def close(self) -> None:
        """Fold the write-ahead log into the file and let others have it."""
        self.connection.close()
        self.lock.close()


def open_database(path: Path) -> Database:
    """Open the file, or make it with mode 0600 where there is none.

    The connection is in autocommit mode and may be used from any one thread at a time. Raises
    SourceError for a file that is not a sandbox database or is of another version, and
    ImporterError when another sandbox holds it or it cannot be opened.
    """
    try:
        with ExitStack() as stack:
            # The file is private before SQLite puts a byte into it; side files inherit the mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            stack.callback(connection.close)
            _is_fresh(connection, path)  # before a stranger's file gets a lock beside it
            lock = _hold(path)
            stack.callback(lock.close)
            path.chmod(0o600)
            _prepare(connection, fresh=_is_fresh(connection, path))
            stack.pop_all()
    except sqlite3.Error as error:
        raise SourceError(
            f"the sandbox database {path} cannot be opened: {error}",
            hint="name another file with --db; a new one is made where there is none",
        ) from error
    except OSError as error:
        raise ImporterError(
            f"the sandbox database {path} cannot be opened: {error.strerror}",
            hint="check that the folder exists and that you may write to it",
        ) from error
    return Database(path, connection, lock)


def _hold(path: Path) -> sqlite3.Connection:
    """A lock that dies with the process, on every platform.

    It stands on a file of its own, because SQLite's exclusive mode on the database itself would
    keep readers out too. The empty file stays behind: to remove it would be a race.
    """
    beside = path.with_name(path.name + "-lock")
    os.close(os.open(beside, os.O_RDWR | os.O_CREAT, 0o600))
    lock = sqlite3.connect(beside, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        raise ImporterError(
            f"the sandbox database {path} is in use by another sandbox",
            hint="stop that one, or name another file with --db",
        ) from error
    return lock


def _is_fresh(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is still empty; SourceError when it holds anything but our tables."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables and not application_id:
        return True
    if application_id != APPLICATION_ID:
        raise SourceError(
            f"{path} is a database, but not a sandbox's: nothing was changed in it",
            hint="name another file with --db; a new one is made where there is none",
        )
    if version != VERSION:
        raise SourceError(
            f"{path} is a sandbox database of version {version}; this program knows {VERSION}",
            hint="use the program that made it, or name another file with --db",
        )
    return False


def _prepare(connection: sqlite3.Connection, *, fresh: bool) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # A rehearsal may lose its last moments to a power cut, never to a crash of the program.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    if fresh:
        connection.executescript(
            f"BEGIN; {_SCHEMA}"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        )
