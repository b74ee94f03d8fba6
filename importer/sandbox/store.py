"""The sandbox's database: projects, records and, where asked for, a log of requests, in SQLite.

Rules:

- One connection owns the file while the sandbox runs; other programs may read it.
- SQLite never runs on the event loop. A :class:`Store` is used by one thread at a time, which
  :class:`StoreThread` keeps for the HTTP service. Only `projects` may be read from another; an
  id stands in it once it is committed, never before.
- What is new is worked out in memory first and written as one transaction: a name that two
  records bring is created once, and a transaction that fails leaves nothing, on disk or in memory.
- A project file that is merged in only adds and describes anew: fields and values that records
  may hold stay. Dispositions and users, which no record is tied to, are those of the file from
  then on.
- The log has a line for every Add record request that was received whole, committed in the same
  transaction as its record and before the answer leaves. Tests read there what a client that was
  killed never saw.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson
from aiohttp import web

from importer.errors import ImporterError, MappingError, SourceError
from importer.sandbox.body import Addition, KnownField, KnownProject
from importer.sandbox.projects import EXAMPLE, Field, Project, Value

_APPLICATION_ID = 0x76434342
"""Written into the file's header, so that no other program's database is taken for ours."""

_VERSION = 2
"""Of the tables below; a file of a later version is refused, never guessed at."""

_FROM_VERSION_1 = """
ALTER TABLE user ADD COLUMN username TEXT NOT NULL DEFAULT '';
ALTER TABLE user ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE user ADD COLUMN status TEXT NOT NULL DEFAULT 'active';
ALTER TABLE user ADD COLUMN is_agent INTEGER NOT NULL DEFAULT 1;
ALTER TABLE user ADD COLUMN group_name TEXT NOT NULL DEFAULT '';
ALTER TABLE user ADD COLUMN teams_name TEXT NOT NULL DEFAULT '';
UPDATE user SET username = userid, name = userid;
"""
"""What makes the tables of version 1, which knew a user by the userid only, those below."""

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
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    is_agent INTEGER NOT NULL,
    group_name TEXT NOT NULL,
    teams_name TEXT NOT NULL,
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

_LOG_TABLE = """
CREATE TABLE IF NOT EXISTS request (
    id INTEGER PRIMARY KEY,       -- in the order of commits, over all starts of the sandbox
    ordinal INTEGER NOT NULL,     -- in the order of arrival, from 1 at each start
    time TEXT NOT NULL,           -- when it had arrived whole; UTC
    projectid TEXT NOT NULL,      -- as the URL has it
    sha256 TEXT NOT NULL,         -- of the body
    stamp TEXT,                   -- the form field that tells records apart, where it is text
    numberid INTEGER,             -- of the record that was stored, if one was
    fault TEXT                    -- what was done to it on purpose, if anything
)
"""

_DATE = "%Y-%m-%d %H:%M:%S"

_LONGEST_ID = 18
"""Digits; longer ones are no id of ours, and would not fit SQLite's integers."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One line of the log, but for the numberid."""

    ordinal: int
    time: str
    projectid: str
    sha256: str
    stamp: str | None
    fault: str | None


BEING_ANSWERED: ContextVar[LoggedRequest | None] = ContextVar("BEING_ANSWERED", default=None)
"""The line of the request that the current task answers; None while no log is kept."""


def logged_request(
    ordinal: int, projectid: str, body: bytes, *, stamp_field: str, fault: str | None
) -> LoggedRequest:
    """The line for a request that has just arrived."""
    return LoggedRequest(
        ordinal,
        datetime.now(UTC).isoformat(timespec="microseconds"),
        projectid,
        hashlib.sha256(body).hexdigest(),
        _stamp(body, stamp_field),
        fault,
    )


def _stamp(body: bytes, field: str) -> str | None:
    try:
        found: Any = orjson.loads(body)["form"][field]
    except (ValueError, LookupError, TypeError):
        return None
    return found if isinstance(found, str) else None


def open_store(
    path: Path, projects: Sequence[Project] | None = None, *, log_requests: bool = False
) -> Store:
    """The store in `path`, with `projects` merged into it.

    Without projects it has those that the file has from before, and where there are none, the
    built-in example. `log_requests` makes room for a log of requests. Raises ImporterError when
    the file cannot be used, MappingError when the projects contradict it.
    """
    database = _open_database(path)
    try:
        if projects is None and not _known_projects(database.connection):
            projects = [EXAMPLE]
        if projects:
            _merge(database, projects)
        if log_requests:
            database.connection.execute(_LOG_TABLE)
        return Store(database)
    except sqlite3.Error as error:
        database.close()
        raise ImporterError(
            f"the sandbox database {path} cannot be used: {error}",
            hint="check the disk, or name another file with --db",
        ) from error
    except BaseException:
        database.close()
        raise


class Store:
    """The projects and records of one database file, held until :meth:`close`."""

    def __init__(self, database: _Database) -> None:
        self._database = database
        self._connection = database.connection
        self.projects: Mapping[int, KnownProject] = _known_projects(self._connection)
        self._next_valueid = _next_valueid(self._connection)
        (last,) = self._connection.execute("SELECT max(numberid) FROM record").fetchone()
        self._next_numberid = (last or 0) + 1

    def close(self) -> None:
        """Release the file; it is whole without its side files then."""
        self._database.close()

    def add(self, items: Sequence[tuple[Addition | None, LoggedRequest | None]]) -> list[int]:
        """Store records, each with its line of the log, if any, in one transaction.

        Gives the numberids in order, 0 for a line of the log that has no record. Raises
        sqlite3.Error when nothing was stored.
        """
        additions = [addition for addition, _ in items if addition is not None]
        new_values = _NewValues(self._next_valueid)
        utc = datetime.now(UTC)
        created = (utc.astimezone().strftime(_DATE), utc.strftime(_DATE))
        try:
            numberids = list(range(self._next_numberid, self._next_numberid + len(additions)))
            rows = [
                (
                    numberid,
                    addition.projectid,
                    *created,
                    *self._columns(addition, new_values, created),
                )
                for numberid, addition in zip(numberids, additions, strict=True)
            ]
            given = iter(numberids)
            results = [0 if addition is None else next(given) for addition, _ in items]
            log = [
                (line, numberid or None)
                for (_, line), numberid in zip(items, results, strict=True)
                if line is not None
            ]
            self._write(new_values.rows, rows, log)
        except BaseException:
            for field, name, _ in new_values.created:
                del field.names[name]
            raise
        for field, _, valueid in new_values.created:
            field.ids.add(valueid)
        self._next_valueid = new_values.next_valueid
        self._next_numberid += len(additions)
        return results

    def _write(
        self,
        values: Sequence[tuple[Any, ...]],
        records: Sequence[tuple[Any, ...]],
        log: Sequence[tuple[LoggedRequest, int | None]],
    ) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            if values:
                connection.executemany(
                    "INSERT INTO value (fieldid, valueid, name, label, export_value)"
                    " VALUES (?, ?, ?, ?, ?)",
                    values,
                )
            connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                records,
            )
            if log:
                connection.executemany(
                    "INSERT INTO request (ordinal, time, projectid, sha256, stamp, fault, numberid)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [
                        (e.ordinal, e.time, e.projectid, e.sha256, e.stamp, e.fault, numberid)
                        for e, numberid in log
                    ],
                )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back when the disk is full
                connection.execute("ROLLBACK")
            raise

    def _columns(
        self, addition: Addition, new_values: _NewValues, created: tuple[str, str]
    ) -> tuple[str | None, ...]:
        fields = self.projects[addition.projectid].fields
        data = {
            name: given
            for name, value in addition.form.items()
            if (given := new_values.resolve(fields[name], value)) not in (None, [])
        }
        events = []
        if addition.disposition is not None:
            events.append({**addition.disposition, "date": created[0]})
        return (
            _json(data),
            _json(addition.contacts),
            addition.phone_field,
            _json(addition.premium),
            _json(events),
        )

    def list_projects(self) -> list[dict[str, Any]]:
        """What ``GET /projects`` shows."""
        return [
            {**row, "container": bool(row["container"])}
            for row in self._rows(
                "SELECT projectid, name, status, folderid, container, folder FROM project"
                " ORDER BY projectid"
            )
        ]

    def describe(self, projectid: int) -> dict[str, Any]:
        """What ``GET /projects/[projectid]`` shows of a project that exists."""
        fields = list(
            self._rows(
                "SELECT fieldid, name, label, type, indexed, customised FROM field"
                " WHERE projectid = ? ORDER BY fieldid",
                projectid,
            )
        )
        for field in fields:
            field["values"] = list(
                self._rows(
                    "SELECT valueid, fieldid, name, label, export_value, description, price,"
                    " commission FROM value WHERE fieldid = ? ORDER BY valueid",
                    field["fieldid"],
                )
            )
        dispositions = self._rows(
            "SELECT dispositionid, name, label, assessment, type FROM disposition"
            " WHERE projectid = ? ORDER BY position",
            projectid,
        )
        return {"fields": fields, "dispositions": list(dispositions)}

    def list_users(self) -> list[dict[str, Any]] | None:
        """What ``GET /users`` shows, or None where a project declares no users.

        Such a project takes any user: a list that lacks them would be wrong.
        """
        if any(project.users is None for project in self.projects.values()):
            return None
        users: dict[str, dict[str, Any]] = {}
        for row in self._rows("SELECT * FROM user ORDER BY projectid, userid"):
            projectid = row.pop("projectid")
            row["is_agent"] = bool(row["is_agent"])
            users.setdefault(row["userid"], {**row, "projectIds": []})["projectIds"].append(
                projectid
            )
        return list(users.values())

    def record(self, projectid: int, numberid: int) -> dict[str, Any] | None:
        """What ``GET …/records/[numberid]`` shows, or None where the project has no such record.

        `data` has the fields that were given, simple ones as a valueid, multiple ones as a list.
        """
        for row in self._rows(
            "SELECT * FROM record WHERE numberid = ? AND projectid = ?", numberid, projectid
        ):
            for key in ("data", "contacts", "premium", "events"):
                row[key] = orjson.loads(row[key])
            return row
        return None

    def _rows(self, statement: str, *values: Any) -> Iterator[dict[str, Any]]:
        cursor = self._connection.execute(statement, values)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))


class _NewValues:
    """The values that one transaction creates, not yet visible outside it."""

    def __init__(self, next_valueid: int) -> None:
        self.next_valueid = next_valueid
        self.created: list[tuple[KnownField, str, int]] = []
        self._ids: set[tuple[int, int]] = set()

    @property
    def rows(self) -> list[tuple[int, int, str, str, str]]:
        return [(field.fieldid, valueid, name, name, name) for field, name, valueid in self.created]

    def resolve(self, field: KnownField, value: str | int) -> str | int | list[int] | None:
        """The stored form of a field's value; None or an empty list where blank text says none."""
        if field.type == "text":
            return value
        if field.type == "simple":
            if isinstance(value, int):
                return value
            return self._find_or_create(field, value) if value.strip() else None
        if isinstance(value, int):
            return [value]
        pieces = (piece.strip() for piece in value.split("|"))
        return list(dict.fromkeys(self._find_or_create(field, p) for p in pieces if p))

    def _find_or_create(self, field: KnownField, text: str) -> int:
        """By name first; failing that, digits that are an id of the field; failing that, new."""
        found = field.names.get(text)
        if found is not None:
            return found
        if len(text) <= _LONGEST_ID and text.isascii() and text.isdigit():
            valueid = int(text)
            if valueid in field.ids or (field.fieldid, valueid) in self._ids:
                return valueid
        valueid = field.names[text] = self.next_valueid
        self.created.append((field, text, valueid))
        self._ids.add((field.fieldid, valueid))
        self.next_valueid += 1
        return valueid


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


class StoreThread:
    """The one thread that SQLite runs in, and the records that wait for their transaction.

    Records that arrive while a transaction is being committed share the next one (group commit),
    so that a commit costs about as much for one record as for hundreds.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-store")
        self._waiting: list[tuple[Addition | None, LoggedRequest | None, asyncio.Future[int]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def call(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Call a function of the store in the thread, when its turn comes."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)

    async def add(self, addition: Addition) -> int:
        """Store a record, with all others that wait, and give its numberid once it is committed.

        Where a log is kept, the line of the request that the task answers goes with it.
        """
        return await self._commit(addition, BEING_ANSWERED.get())

    async def log(self, line: LoggedRequest) -> None:
        """Log a request of which no record was stored."""
        await self._commit(None, line)

    async def _commit(self, addition: Addition | None, line: LoggedRequest | None) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((addition, line, future))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        return await future

    async def _commit_all(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                numberids = await self.call(self.store.add, [one[:2] for one in group])
            except Exception as error:  # noqa: BLE001 (each request that waits raises it)
                for *_, future in group:
                    if not future.done():  # its request may have been given up meanwhile
                        future.set_exception(error)
            else:
                for (*_, future), numberid in zip(group, numberids, strict=True):
                    if not future.done():
                        future.set_result(numberid)

    async def close(self) -> None:
        """Wait for what is being committed and end the thread."""
        if self._committing is not None:
            await self._committing
        self._thread.shutdown()


STORE_THREAD = web.AppKey("STORE_THREAD", StoreThread)
"""Where the application keeps its thread."""


# The file.


@dataclass(frozen=True, slots=True)
class _Database:
    """An open database file, held by this process alone until :meth:`close`."""

    path: Path
    connection: sqlite3.Connection
    lock: sqlite3.Connection

    def close(self) -> None:
        """Fold the write-ahead log into the file and let others have it."""
        self.connection.close()
        self.lock.close()


def _open_database(path: Path) -> _Database:
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
    return _Database(path, connection, lock)


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
    if application_id != _APPLICATION_ID:
        raise SourceError(
            f"{path} is a database, but not a sandbox's: nothing was changed in it",
            hint="name another file with --db; a new one is made where there is none",
        )
    if not 1 <= version <= _VERSION:
        raise SourceError(
            f"{path} is a sandbox database of version {version}; this program knows {_VERSION}",
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
            f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_VERSION}; COMMIT;"
        )
    elif connection.execute("PRAGMA user_version").fetchone() == (1,):
        connection.executescript(
            f"BEGIN; {_FROM_VERSION_1} PRAGMA user_version = {_VERSION}; COMMIT;"
        )


# Its projects.


def _known_projects(connection: sqlite3.Connection) -> dict[int, KnownProject]:
    """The projects of the database by projectid."""
    projects = {
        projectid: KnownProject(projectid)
        for (projectid,) in connection.execute("SELECT projectid FROM project ORDER BY projectid")
    }
    fields: dict[int, KnownField] = {}
    for projectid, fieldid, name, kind in connection.execute(
        "SELECT projectid, fieldid, name, type FROM field"
    ):
        fields[fieldid] = projects[projectid].fields[name] = KnownField(fieldid, kind)
    for fieldid, valueid, name in connection.execute("SELECT fieldid, valueid, name FROM value"):
        fields[fieldid].names[name] = valueid
        fields[fieldid].ids.add(valueid)
    for projectid, dispositionid, callback in connection.execute(
        "SELECT projectid, dispositionid, callback FROM disposition"
    ):
        projects[projectid].dispositions[dispositionid] = bool(callback)
    for projectid, userid, status in connection.execute(
        "SELECT projectid, userid, status FROM user"
    ):
        project = projects[projectid]
        project.users = project.users or set()
        if status == "active":
            project.users.add(userid)
    return projects


def _next_valueid(connection: sqlite3.Connection) -> int:
    """The id that the next new value gets: they count up over the whole database."""
    (largest,) = connection.execute("SELECT max(valueid) FROM value").fetchone()
    return (largest or 0) + 1


def _merge(database: _Database, projects: Sequence[Project]) -> None:
    """Bring the projects of a file into the database, all or nothing.

    Raises MappingError, naming every contradiction, when the file wants something else than
    what stored records rest on: another type of field, another id for a value.
    """
    connection = database.connection
    connection.execute("BEGIN IMMEDIATE")
    try:
        contradictions = [line for one in projects for line in _merge_project(connection, one)]
        if not contradictions:
            connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if contradictions:
        raise MappingError(
            f"the project file contradicts the database {database.path}",
            contradictions,
            hint="mend the project file, or name another database with --db",
        )


def _merge_project(connection: sqlite3.Connection, project: Project) -> Iterator[str]:
    """Write one project within the caller's transaction; gives each contradiction, in words."""
    connection.execute(
        "INSERT INTO project VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " name = excluded.name, status = excluded.status, folderid = excluded.folderid,"
        " container = excluded.container, folder = excluded.folder",
        (
            project.projectid,
            project.name,
            project.status,
            project.folderid,
            project.container,
            project.folder,
        ),
    )
    for one in project.fields:
        yield from _merge_field(connection, project.projectid, one)
    connection.execute("DELETE FROM disposition WHERE projectid = ?", (project.projectid,))
    connection.executemany(
        "INSERT INTO disposition VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                project.projectid,
                position,
                one.dispositionid,
                one.name,
                one.label or one.name,
                one.assessment,
                one.type,
                one.is_callback,
            )
            for position, one in enumerate(project.dispositions)
        ],
    )
    connection.execute("DELETE FROM user WHERE projectid = ?", (project.projectid,))
    connection.executemany(
        "INSERT INTO user (projectid, userid, username, name, status, is_agent, group_name,"
        " teams_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                project.projectid,
                one.userid,
                one.username or one.userid,
                one.name or one.username or one.userid,
                one.status,
                one.is_agent,
                one.group_name,
                one.teams_name,
            )
            for one in project.users
        ],
    )


def _merge_field(connection: sqlite3.Connection, projectid: int, wanted: Field) -> Iterator[str]:
    """Write a field and its values; one of another type than before is a contradiction."""
    where = f"project {projectid}, field {wanted.name}"
    found = connection.execute(
        "SELECT fieldid, type FROM field WHERE projectid = ? AND name = ?",
        (projectid, wanted.name),
    ).fetchone()
    if found and found[1] != wanted.type:
        yield f"{where}: is {found[1]} in the database and {wanted.type} in the file"
        return
    described = (wanted.label or wanted.name, wanted.indexed, wanted.customised)
    if found:
        fieldid = found[0]
        connection.execute(
            "UPDATE field SET label = ?, indexed = ?, customised = ? WHERE fieldid = ?",
            (*described, fieldid),
        )
    else:
        fieldid = connection.execute(
            "INSERT INTO field (projectid, name, label, type, indexed, customised)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (projectid, wanted.name, described[0], wanted.type, *described[1:]),
        ).lastrowid
    # Values that state their id come first, so that no given id takes theirs.
    for value in sorted(wanted.values, key=lambda value: value.valueid is None):
        yield from _merge_value(connection, fieldid, value, where)


def _merge_value(
    connection: sqlite3.Connection, fieldid: int, wanted: Value, where: str
) -> Iterator[str]:
    """Write a value; another id for its name, or another name for its id, is a contradiction."""
    known = connection.execute(
        "SELECT valueid FROM value WHERE fieldid = ? AND name = ?", (fieldid, wanted.name)
    ).fetchone()
    if known and wanted.valueid not in (None, known[0]):
        yield (
            f'{where}: the value "{wanted.name}" has the id {known[0]} in the database'
            f" and {wanted.valueid} in the file"
        )
        return
    valueid = known[0] if known else wanted.valueid or _next_valueid(connection)
    taken = connection.execute(
        "SELECT name FROM value WHERE fieldid = ? AND valueid = ?", (fieldid, valueid)
    ).fetchone()
    if taken and taken[0] != wanted.name:
        yield f'{where}: the id {valueid} of "{wanted.name}" belongs to "{taken[0]}" already'
        return
    connection.execute(
        "INSERT INTO value VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (fieldid, valueid)"
        " DO UPDATE SET label = excluded.label, export_value = excluded.export_value,"
        " description = excluded.description, price = excluded.price,"
        " commission = excluded.commission",
        (
            fieldid,
            valueid,
            wanted.name,
            wanted.label or wanted.name,
            wanted.export_value or wanted.name,
            wanted.description,
            wanted.price,
            wanted.commission,
        ),
    )
