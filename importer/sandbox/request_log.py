"""The sandbox's own word on what arrived, for tests that must not take the client's.

A line for every Add record request that was received whole, committed in the same transaction
as its record and before the answer leaves: what a client that is killed never saw stands here.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

_TABLE = """
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


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log, but for the numberid."""

    ordinal: int
    time: str
    projectid: str
    sha256: str
    stamp: str | None
    fault: str | None


BEING_ANSWERED: ContextVar[Entry | None] = ContextVar("BEING_ANSWERED", default=None)
"""The line of the request that the current task answers; None while no log is kept."""


def entry(
    ordinal: int, projectid: str, body: bytes, *, stamp_field: str, fault: str | None
) -> Entry:
    """The line for a request that has just arrived."""
    return Entry(
        ordinal,
        datetime.now(UTC).isoformat(timespec="microseconds"),
        projectid,
        hashlib.sha256(body).hexdigest(),
        _stamp(body, stamp_field),
        fault,
    )


def prepare(connection: sqlite3.Connection) -> None:
    """Make the table where there is none yet."""
    connection.execute(_TABLE)


def write(connection: sqlite3.Connection, lines: Iterable[tuple[Entry, int | None]]) -> None:
    """Append the lines, each with its numberid, within the caller's transaction."""
    connection.executemany(
        "INSERT INTO request (ordinal, time, projectid, sha256, stamp, fault, numberid)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (e.ordinal, e.time, e.projectid, e.sha256, e.stamp, e.fault, numberid)
            for e, numberid in lines
        ],
    )


def _stamp(body: bytes, field: str) -> str | None:
    try:
        found: Any = orjson.loads(body)["form"][field]
    except (ValueError, LookupError, TypeError):
        return None
    return found if isinstance(found, str) else None
