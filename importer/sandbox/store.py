"""Records and values in SQLite: what Add record does to them, and what can be read back.

Rules:

- A :class:`Store` is used by one thread at a time. Only `projects`, the catalogue, may be read
  from another; an id stands in it once it is committed, never before.
- What is new is worked out in memory first and written as one transaction: a name that two
  records bring is created once, and a transaction that fails leaves nothing, on disk or in mind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from importer.errors import ImporterError
from importer.sandbox import catalogue, request_log
from importer.sandbox.body import Addition
from importer.sandbox.catalogue import KnownField, KnownProject
from importer.sandbox.database import Database, open_database
from importer.sandbox.project import EXAMPLE, Project
from importer.sandbox.request_log import Entry

_DATE = "%Y-%m-%d %H:%M:%S"
_LONGEST_ID = 18
"""Digits; longer ones are no id of ours, and would not fit SQLite's integers."""


class Store:
    """The projects and records of one database file, held until :meth:`close`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connection
        self.projects: Mapping[int, KnownProject] = catalogue.load(self._connection)
        self._next_valueid = catalogue.next_valueid(self._connection)
        (last,) = self._connection.execute("SELECT max(numberid) FROM record").fetchone()
        self._next_numberid = (last or 0) + 1

    def close(self) -> None:
        """Release the file; it is whole without its side files then."""
        self._database.close()

    def add(self, additions: Sequence[Addition]) -> list[int]:
        """Store the records in one transaction and give their numberids, in order.

        Raises sqlite3.Error when nothing was stored.
        """
        return self.add_logged([(addition, None) for addition in additions])

    def add_logged(self, items: Sequence[tuple[Addition | None, Entry | None]]) -> list[int]:
        """Store records, each with its line of the log, if any, in one transaction.

        Gives the numberids in order, 0 for a line of the log that has no record. Raises
        sqlite3.Error when nothing was stored.
        """
        additions = [addition for addition, _ in items if addition is not None]
        group = _Group(self._next_valueid)
        utc = datetime.now(UTC)
        created = (utc.astimezone().strftime(_DATE), utc.strftime(_DATE))
        try:
            numberids = list(range(self._next_numberid, self._next_numberid + len(additions)))
            rows = [
                (numberid, addition.projectid, *created, *self._columns(addition, group, created))
                for numberid, addition in zip(numberids, additions, strict=True)
            ]
            given = iter(numberids)
            results = [0 if addition is None else next(given) for addition, _ in items]
            log = [
                (entry, numberid or None)
                for (_, entry), numberid in zip(items, results, strict=True)
                if entry is not None
            ]
            self._write(group.rows, rows, log)
        except BaseException:
            for field, name, _ in group.created:
                del field.names[name]
            raise
        for field, _, valueid in group.created:
            field.ids.add(valueid)
        self._next_valueid = group.next_valueid
        self._next_numberid += len(additions)
        return results

    def _write(
        self,
        values: Sequence[tuple[Any, ...]],
        records: Sequence[tuple[Any, ...]],
        log: Sequence[tuple[Entry, int | None]],
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
                request_log.write(connection, log)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back when the disk is full
                connection.execute("ROLLBACK")
            raise

    def _columns(
        self, addition: Addition, group: _Group, created: tuple[str, str]
    ) -> tuple[str | None, ...]:
        fields = self.projects[addition.projectid].fields
        data = {
            name: given
            for name, value in addition.form.items()
            if (given := group.resolve(fields[name], value)) not in (None, [])
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


class _Group:
    """The values that one transaction creates, not yet known to anyone else."""

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


def open_store(
    path: Path, projects: Sequence[Project] | None = None, *, log_requests: bool = False
) -> Store:
    """The store in `path`, with `projects` merged into it.

    Without projects it has those that the file has from before, and where there are none, the
    built-in example. `log_requests` makes room for a log of requests. Raises ImporterError when
    the file cannot be used, MappingError when the projects contradict it.
    """
    database = open_database(path)
    try:
        if projects is None and not catalogue.load(database.connection):
            projects = [EXAMPLE]
        if projects:
            catalogue.merge(database, projects)
        if log_requests:
            request_log.prepare(database.connection)
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


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
