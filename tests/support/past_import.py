"""An import of which two rows may have arrived, and a service where looking for them lasts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from importer import library
from importer.model import Status
from importer.settings import Pace, RunSettings, Secret, Target
from tests.support.console_import import KEY
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
form:
  name: Name   # as they call themselves
contacts:
  1: {phone: {column: Phone, region: HU}}
stamp: import_ref
"""


@contextmanager
def forgetful_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveSandbox]:
    """The service of a customer whose credentials are set, which loses two of its answers."""
    monkeypatch.setenv("VCC_CUSTOMER", "acme")
    monkeypatch.setenv("VCC_API_KEY", KEY)
    faults = [{"kind": "close", "at": [3, 5], "stored": True}]
    with live_sandbox(customer="acme", api_key=KEY, faults=faults, log_requests=True) as live:
        yield live


def imported(
    folder: Path, service: LiveSandbox, name: str, text: str, limit: int | None = None
) -> library.RunResult:
    """A run of a list with the columns Name and Phone, one row after the other."""
    (folder / name).write_text(text, "utf-8")
    (folder / "mapping.yaml").write_text(MAPPING, "utf-8")
    return library.run(
        folder / name,
        folder / "mapping.yaml",
        target=Target(service.base_url, 134, "acme", Secret(KEY)),
        settings=RunSettings(
            runs_dir=folder / "runs",
            pace=Pace(concurrency=1),
            limit=limit,
            allow_new_values=True,
        ),
    )


def rows_in(run: library.RunResult, state: Status) -> list[library.ResultRow]:
    """The rows of a run in a state."""
    (page,) = library.pages_of_rows(run.directory.path, [([state], 0)], most=100)
    return page.rows


def uncertain_records(run: library.RunResult, service: LiveSandbox) -> list[int]:
    """The ids of the records of which the run has no answer."""
    found = rows_in(run, Status.CREATED)
    known = {int(numberid) for row in found for numberid in row.numberids}
    return [one["numberid"] for one in service.records(134) if one["numberid"] not in known]


def lose_stamps(service: LiveSandbox, *numberids: int) -> None:
    """Make records, or all, unknown to those who look for them by their stamps."""
    chosen = numberids or tuple(record["numberid"] for record in service.records(134))
    with closing(sqlite3.connect(service.db)) as connection, connection:
        connection.executemany(
            "UPDATE record SET data = json_remove(data, '$.import_ref') WHERE numberid = ?",
            ((numberid,) for numberid in chosen),
        )


def make_search_long(service: LiveSandbox) -> None:
    """Put so many records after the run's, never far from each other, that a search lasts long."""
    last = max(record["numberid"] for record in service.records(134))
    with closing(sqlite3.connect(service.db)) as connection, connection:
        connection.execute("CREATE TEMP TABLE one AS SELECT * FROM record LIMIT 1")
        for step in range(1, 12):
            connection.execute("UPDATE one SET numberid = ?", (last + 190 * step,))
            connection.execute("INSERT INTO record SELECT * FROM one")
