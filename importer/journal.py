"""The journal: what was promised and what became of it.

Its rules:

1. A row without an entry is pending: nothing of it was ever sent.
2. An *intent* is on the disk (`synchronous=FULL`) before its request may leave. A row gets one
   intent, ever, unless it is withdrawn; a second one is refused by the primary key. This is the
   last guard against sending a row twice.
3. An *outcome* replaces its row's intent and is committed at once, without waiting for the disk:
   it survives the process, and a power cut can only turn it back into an intent. An outcome is
   final and never overwritten.
4. An intent without an outcome reads as `uncertain`: the request may have left.
5. An intent is *withdrawn* only if its request surely did not arrive; the row is pending again.
6. A row that reads as uncertain may be *amended* later, by evidence: to created, or, where it
   surely does not exist, back to pending. Each amendment is kept.
7. One process at a time writes. The lock is the operating system's, on a file beside the
   journal, so it ends with its process, however that ends; the empty file means nothing.
8. While a run is on, part of the journal is in its ``-wal`` file. A journal that was not closed
   and lacks that file has lost intents, so it is refused rather than trusted.

What a disk that confirms writes it has not made does to these rules is outside of the promise.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from importer.errors import JournalError
from importer.journal_file import (
    AGAIN,
    BUG,
    OPEN_KEY,
    RECORD,
    RELEASE,
    SCHEMA,
    WITHDRAW,
    check,
    connected,
    locked,
    make,
    refuse_empty,
    translated,
    wal_of,
)
from importer.journal_rows import CODES, STATUSES, grouped, json_list, unpacked
from importer.model import Outcome, Status

ENDED_KEY = "ended_at"
"""The meta key for when sending ended. The first intent of a sitting takes it away, so that a
sitting that was killed has none, rather than that of the sitting before."""

_PAGE = 4096
"""Rows read at a time, so that a reader holds neither memory nor a snapshot for long."""


class Journal:
    """An open journal; a context manager, and safe to use from several threads.

    Made by :meth:`create`, :meth:`open` and :meth:`read`. Everything that goes wrong in it is a
    JournalError: once one was raised, nothing more may be sent.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: sqlite3.Connection | None
    ) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._mutex = threading.Lock()
        self._durable: bool | None = None
        self._sending = False

    @classmethod
    def create(cls, path: Path, meta: Mapping[str, str]) -> Self:
        """A new journal that holds `meta`, open for writing; the file must not exist.

        Raises OutputError if it cannot be made there: nothing was sent then.
        """
        make(path)
        return cls._writing(path, meta, new=True)

    @classmethod
    def open(cls, path: Path) -> Self:
        """A journal that exists, open for writing; a run that is still alive keeps others out."""
        refuse_empty(path)
        return cls._writing(path, {}, new=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """A journal that exists, to be read only; works beside a run that is writing it."""
        refuse_empty(path)
        with contextlib.ExitStack() as undo:
            connection = connected(path, "ro", undo)
            check(path, connection)
            undo.pop_all()
        return cls(path, connection, None)

    @classmethod
    def _writing(cls, path: Path, meta: Mapping[str, str], *, new: bool) -> Self:
        with contextlib.ExitStack() as undo:
            lock = locked(path, undo)
            connection = connected(path, "rw", undo)
            with translated(path):
                if not new:
                    check(path, connection)
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
                if new:
                    connection.executescript(SCHEMA)
            journal = cls(path, connection, lock)
            journal.set_meta({**meta, OPEN_KEY: "1"})
            # Rule 8 needs the mark in the main file.
            journal._all("PRAGMA wal_checkpoint(TRUNCATE)")
            undo.pop_all()
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Fold everything into the main file and let go of the lock; idempotent, never raises.

        What was committed is safe already: a disk that is full now only leaves a ``-wal`` file.
        """
        with self._mutex:
            run, lock, self._lock = self._connection, self._lock, None
            marked = False
            if lock is not None:
                try:
                    run.execute("DELETE FROM meta WHERE key = ?", (OPEN_KEY,))
                    # One file that can be copied and read from anywhere, without -wal and -shm.
                    run.execute("PRAGMA journal_mode = DELETE").fetchone()
                except sqlite3.Error:
                    marked = True
            run.close()
            if marked and not wal_of(self.path).exists():
                # Everything is in the main file, the mark too: keep rule 8 from refusing it.
                with contextlib.suppress(OSError):
                    wal_of(self.path).touch(0o600)
            if lock is not None:
                lock.close()

    def intend(self, rows: Sequence[int]) -> None:
        """Make it durable that these rows are about to be sent; returns when it is on the disk.

        Raises JournalError, and intends none of them, if one has an intent or an outcome.
        """
        self.record(intents=rows)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record final outcomes, of intended rows and of rows that were never to be sent.

        Raises JournalError, and records none of them, if a row has an outcome already.
        """
        self.record(outcomes=outcomes)

    def withdraw(self, rows: Sequence[int]) -> None:
        """Take back the intents of rows of which surely nothing arrived: they are pending again.

        Raises JournalError, and takes none back, if a row has no intent or has an outcome.
        """
        self.record(withdrawn=rows)

    def record(
        self,
        *,
        outcomes: Sequence[Outcome] = (),
        withdrawn: Sequence[int] = (),
        intents: Sequence[int] = (),
    ) -> None:
        """Settle, intend and withdraw in one transaction: all of it is recorded, or nothing.

        Waits for the disk only if there are intents. A row stands in one of the three.
        """
        content, rows = grouped(outcomes, intents)
        if rows != len(outcomes) + len(intents):
            raise JournalError(f"{self.path}: {AGAIN}", BUG)
        with self._mutex, translated(self.path):
            self._synchronous(durable=bool(intents))
            run = self._connection
            if intents and not self._sending:
                run.execute("DELETE FROM meta WHERE key = ?", (ENDED_KEY,))
                self._sending = True
            if not withdrawn:
                run.execute(RECORD, (content,))
                return
            with self._transaction():
                run.execute(RECORD, (content,))
                done = run.execute(WITHDRAW, (json_list(withdrawn),)).rowcount
                if done != len(withdrawn):
                    raise JournalError(f"{self.path}: a row taken back was not under way", BUG)

    def amend(
        self, evidence: str, *, outcomes: Sequence[Outcome] = (), released: Sequence[int] = ()
    ) -> None:
        """Settle rows that were uncertain, after the run: a decision, kept with its evidence.

        `released` rows become pending, to be sent by a resumed run. On the disk when it returns.
        Raises JournalError, and changes nothing, if a row is not uncertain.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        notes = [(now, o.row, o.status.value, "|".join(o.numberids), evidence) for o in outcomes]
        notes += [(now, row, Status.PENDING.value, "", evidence) for row in released]
        content, _ = grouped(outcomes, ())
        with self._mutex, translated(self.path):
            self._synchronous(durable=True)
            with self._transaction():
                for row in (*(outcome.row for outcome in outcomes), *released):
                    if self._connection.execute(RELEASE, (row,)).rowcount != 1:
                        raise JournalError(
                            f"{self.path}: row {row} is not uncertain",
                            "Only uncertain rows can be settled: see uncertain.csv.",
                        )
                self._connection.execute(RECORD, (content,))
                self._connection.executemany("INSERT INTO amendments VALUES (?, ?, ?, ?, ?)", notes)

    def counts(self) -> dict[Status, int]:
        """How many rows are in each state but pending, which the journal cannot know."""
        counts: dict[Status, int] = dict.fromkeys(CODES, 0)
        for code, n in self._all("SELECT status, count(*) FROM rows GROUP BY status"):
            counts[STATUSES[code]] += n
        return counts

    def attempts(self) -> int:
        """Requests that left or tried to; one for each row whose outcome is not known."""
        sql = "SELECT coalesce(sum(CASE status WHEN 0 THEN 1 ELSE attempts END), 0) FROM rows"
        return int(self._all(sql)[0][0])

    def outcomes(self, *states: Status) -> Iterator[Outcome]:
        """What became of each row that is not pending, or of those in these states, by row."""
        return map(unpacked, self._pages("*", states))

    def settled_rows(self) -> Iterator[int]:
        """The numbers of the rows that are not pending, ascending: not to be sent (again)."""
        return (row for (row,) in self._pages("row", ()))

    def rows_in(self, *states: Status) -> Iterator[int]:
        """The numbers of the rows in these states, ascending."""
        return (row for (row,) in self._pages("row", states))

    def _pages(self, columns: str, states: Collection[Status]) -> Iterator[tuple[Any, ...]]:
        """Rows of the table in these states, or in any, by row number."""
        codes = ",".join(str(code) for code, state in STATUSES.items() if state in states)
        among = f"AND status IN ({codes}) " if states else ""
        # Nothing of this comes from outside: columns are named above, codes are numbers of ours.
        sql = f"SELECT {columns} FROM rows WHERE row > ? {among}ORDER BY row LIMIT ?"  # noqa: S608
        after = -1
        while page := self._all(sql, (after, _PAGE)):
            yield from page
            after = page[-1][0]

    def meta(self) -> dict[str, str]:
        """What the run noted about itself when it began and since."""
        sql = "SELECT key, value FROM meta WHERE key <> ? ORDER BY key"
        return dict(self._all(sql, (OPEN_KEY,)))

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Note these, over what was noted under the same keys; on the disk when it returns."""
        sql = (
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        with self._mutex, translated(self.path):
            self._synchronous(durable=True)
            with self._transaction():
                self._connection.executemany(sql, values.items())

    def _synchronous(self, *, durable: bool) -> None:
        """Whether what is committed next waits for the disk."""
        if durable is not self._durable:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        run = self._connection
        run.execute("BEGIN IMMEDIATE")
        try:
            yield
            run.execute("COMMIT")
        except BaseException:
            # A full disk may have rolled back already.
            if run.in_transaction:
                run.execute("ROLLBACK")
            raise

    def _all(self, sql: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        with self._mutex, translated(self.path):
            return self._connection.execute(sql, tuple(values)).fetchall()
