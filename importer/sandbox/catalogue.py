"""What the projects of a database know by heart, and how a project file is merged into it.

A merge only adds and describes anew: fields and values that records may hold stay. Dispositions
and users, which no record is tied to, are those of the file from then on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from importer.errors import MappingError
from importer.sandbox.database import Database
from importer.sandbox.project import Field, Project, Value


@dataclass(slots=True)
class KnownField:
    """A field and its values; `names` runs ahead of `ids` while values are being committed."""

    fieldid: int
    type: str
    names: dict[str, int] = field(default_factory=dict)
    ids: set[int] = field(default_factory=set)


@dataclass(slots=True)
class KnownProject:
    """A project as a body is checked against it.

    `dispositions` says for each dispositionid whether it is a call-back. No `users` means that
    any user will do.
    """

    projectid: int
    fields: dict[str, KnownField] = field(default_factory=dict)
    dispositions: dict[str, bool] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)


def load(connection: sqlite3.Connection) -> dict[int, KnownProject]:
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
    for projectid, userid in connection.execute("SELECT projectid, userid FROM user"):
        projects[projectid].users.add(userid)
    return projects


def next_valueid(connection: sqlite3.Connection) -> int:
    """The id that the next new value gets: they count up over the whole database."""
    (largest,) = connection.execute("SELECT max(valueid) FROM value").fetchone()
    return (largest or 0) + 1


def merge(database: Database, projects: Sequence[Project]) -> None:
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
        "INSERT INTO user VALUES (?, ?)", [(project.projectid, user) for user in project.users]
    )


def _merge_field(connection: sqlite3.Connection, projectid: int, wanted: Field) -> Iterator[str]:
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
    known = connection.execute(
        "SELECT valueid FROM value WHERE fieldid = ? AND name = ?", (fieldid, wanted.name)
    ).fetchone()
    if known and wanted.valueid not in (None, known[0]):
        yield (
            f'{where}: the value "{wanted.name}" has the id {known[0]} in the database'
            f" and {wanted.valueid} in the file"
        )
        return
    valueid = known[0] if known else wanted.valueid or next_valueid(connection)
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
