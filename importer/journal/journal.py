"""The journal: what was promised and what became of it.

Its rules:

1. A row without an entry is pending: nothing of it was ever sent.
2. An *intent* is on the disk (`synchronous=FULL`) before its request may leave. A row gets one
   intent, ever, unless it is withdrawn; a second one is refused by the primary key. This is the
   last guard against sending a row twice.
3. An *outcome* replaces its row's intent and is committed at once, without waiting for the disk:
   it survives the process, and a power cut can only turn it back into an intent. An outcome is
   final; only an answer that may be another row's is *doubted*, which makes its row uncertain.
4. An intent without an outcome reads as `uncertain`: the request may have left.
5. An intent is *withdrawn* only if its request surely did not arrive; the row is pending again.
6. A row that reads as uncertain may be *amended* later, by evidence: to created, or, where it
   surely does not exist, back to pending. Each amendment is kept.
7. One process at a time writes. The lock is the operating system's, on a file beside the
   journal, so it ends with its process, however that ends; the empty file means nothing.
8. Every transaction counts itself in the journal; how far the journal was is written to a file
   beside it, its *mark*, behind each commit that waited for the disk and before any request of it
   leaves. A journal that has fewer commits than its mark says was cut: SQLite reads a damaged
   ``-wal`` up to the damage and says nothing. It is refused rather than trusted, until every row
   that it has no word of is taken as uncertain (:meth:`Journal.restore`).
9. Closing writes the SHA-256 of the journal's file into its mark: a bit that changes afterwards is
   found when the journal is opened next.

What a disk that confirms writes it has not made does to these rules is outside of the promise.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import orjson

from importer.errors import CutJournalError, JournalError
from importer.journal.file import (
    AGAIN,
    BUG,
    COMMITS_KEY,
    DOUBT,
    OPEN_KEY,
    RECORD,
    RELEASE,
    SCHEMA,
    UNTRUSTED,
    WHOLE_FILE,
    WITHDRAW,
    WRITING,
    Mark,
    MarkFile,
    connect,
    create_file,
    journal_errors,
    lock_journal,
    mark_path,
    refuse_if_missing_or_empty,
    roll_back_hot_journal,
    sha256_of,
    verify_journal,
)
from importer.model import MAY_EXIST, Outcome, Status

T = TypeVar("T")

ENDED_KEY = "ended_at"
"""The meta key for when sending ended. The first intent after the journal was opened deletes it, so
that a run that is killed does not keep the time at which it ended before."""
BEGUN_KEY = "started_at"
"""The meta key for when a run began. It is durable before the first request may leave: a plan
without it was surely not sent."""
PLANNED_KEY = "plan_sha256"
"""The meta key for the SHA-256 of plan.json. A journal without it has no plan: planning was cut
off, or an earlier version made the run and kept no ready records."""
LEASED_KEY = "leased"
"""The meta key for the engine that leased rows to senders in other processes, where one did: such a
sender may outlive the run until its lease ends."""
CANARY_KEY = "canary"
"""The meta key for the canary, the rows that are sent first and read back: JSON of
importer.pipeline.canary with its `state` (:class:`importer.model.CanaryState`). It is durable
before the first of these rows may leave."""

_SET_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_FORMER_TABLE = """
CREATE TABLE IF NOT EXISTS former (
    row INTEGER PRIMARY KEY, status, attempts, http_status, numberids, code, message, hint
)
"""
"""The table of amended rows as they were before their amendment."""
_KEEP_FORMER = "INSERT OR REPLACE INTO former SELECT * FROM rows WHERE row = ?"
_RESTORE_FORMER = "INSERT INTO rows SELECT * FROM former WHERE row = ?"
_ADD_AMENDMENT = "INSERT INTO amendments VALUES (?, ?, ?, ?, ?)"

_PAGE = 4096
"""Rows read at a time, so that a reader holds neither memory nor a snapshot for long."""


class OutcomePage(NamedTuple):
    """Outcomes in row order, and the row numbers at which the pages before and after begin."""

    outcomes: list[Outcome]
    previous: int | None
    following: int | None


class Journal:
    """An open journal; a context manager, and safe to use from several threads.

    Made by :meth:`create`, :meth:`open` and :meth:`read`. Everything that goes wrong in it is a
    JournalError: once one was raised, nothing more may be sent.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, writing: _Writing | None = None
    ) -> None:
        self.path = path
        self._connection = connection
        self._writing = writing
        self._mutex = threading.Lock()
        self._durable: bool | None = None
        self._sending = False
        self._restored = 0

    @classmethod
    def create(cls, path: Path, meta: Mapping[str, str]) -> Self:
        """A new journal that holds `meta`, open for writing; the file must not exist.

        Raises OutputError if it cannot be made there: nothing was sent then.
        """
        create_file(path)
        return cls._opened(path, meta, new=True)

    @classmethod
    def open(cls, path: Path) -> Self:
        """A journal that exists, open for writing; a run that is still alive keeps others out.

        Raises CutJournalError where it has lost its end, and nothing else is wrong with it.
        """
        refuse_if_missing_or_empty(path)
        return cls._opened(path, {})

    @classmethod
    def read(cls, path: Path, *, cut: bool = False) -> Self:
        """A journal that exists, to be read only; works beside a run that is writing it.

        Raises CutJournalError where it has lost its end; with `cut`, what is left can be read.
        """
        refuse_if_missing_or_empty(path)
        roll_back_hot_journal(path)
        with contextlib.ExitStack() as undo:
            connection = connect(path, "ro", undo)
            with contextlib.suppress(*([CutJournalError] if cut else [])):
                verify_journal(path, connection)
            undo.pop_all()
        return cls(path, connection)

    @classmethod
    def restore(cls, path: Path, rows: Iterable[int]) -> int:
        """Make a journal that has lost its end usable: rows that it has no word of are uncertain.

        `rows` are all rows of the source. Gives how many became uncertain. What happened to the
        journal is kept as an amendment of each.
        """
        refuse_if_missing_or_empty(path)
        with cls._opened(path, {}, rows=rows) as journal:
            return journal._restored

    @classmethod
    def _opened(
        cls,
        path: Path,
        meta: Mapping[str, str],
        *,
        new: bool = False,
        rows: Iterable[int] | None = None,
    ) -> Self:
        """Open for writing; `rows` are those of :meth:`restore`, where the end is lost."""
        with contextlib.ExitStack() as undo:
            lock = lock_journal(path, undo)
            connection = connect(path, "rw", undo)
            commits = 0
            if not new:
                try:
                    commits = verify_journal(path, connection)
                    rows = None
                except CutJournalError:
                    if rows is None:
                        raise
                    # What is written now must not be taken for what was lost.
                    commits = (MarkFile.read(mark_path(path)) or Mark(0)).commits
            mark = MarkFile(mark_path(path))
            undo.callback(mark.close)
            # Before anything is written: a mark of a closed journal speaks of its bytes.
            with WHOLE_FILE:
                mark.write(Mark(commits), durable=True)
            with journal_errors(path):
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
                if new:
                    connection.executescript(SCHEMA)
                connection.executescript(WRITING)
            journal = cls(path, connection, _Writing(lock, mark, commits))
            journal._begin(meta, rows)
            undo.pop_all()
        return journal

    def _begin(self, meta: Mapping[str, str], rows: Iterable[int] | None) -> None:
        """Mark the journal as open, in its first transaction; in the main file on return."""
        with self._mutex, journal_errors(self.path), self._transaction(durable=True) as run:
            if rows is not None:
                self._restored = _add_missing_as_intents(run, rows)
            run.executemany(_SET_META, {COMMITS_KEY: "0", **meta, OPEN_KEY: "1"}.items())
        self._checkpoint()

    def _checkpoint(self) -> None:
        """Checkpoint the write-ahead log: a journal that loses its -wal keeps what it is about."""
        self._fetch_all("PRAGMA wal_checkpoint(TRUNCATE)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Checkpoint the write-ahead log and release the lock; idempotent, never raises.

        What was committed is safe already: a disk that is full now only leaves a ``-wal`` file.
        """
        with self._mutex:
            run, writing, self._writing = self._connection, self._writing, None
            if writing is None:
                run.close()
                return
            is_one_file = True
            try:
                run.execute("DELETE FROM meta WHERE key = ?", (OPEN_KEY,))
                # One file that can be copied and read from anywhere, without -wal and -shm.
                (mode,) = run.execute("PRAGMA journal_mode = DELETE").fetchone()
                is_one_file = mode == "delete"
            except sqlite3.Error:
                is_one_file = False
            run.close()
            with contextlib.suppress(JournalError):
                if is_one_file:
                    sha256 = sha256_of(self.path)
                    writing.mark.write(Mark(writing.commits, sha256), durable=True)
            writing.mark.close()
            writing.lock.close()

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record final outcomes, of intended rows and of rows that were never to be sent.

        Raises JournalError, and records none of them, if a row has an outcome already.
        """
        self.record(outcomes=outcomes)

    def record(
        self,
        *,
        outcomes: Sequence[Outcome] = (),
        withdrawn: Sequence[int] = (),
        intents: Sequence[int] = (),
        doubted: Sequence[Outcome] = (),
    ) -> None:
        """Record a round in one transaction: all of it, or nothing.

        `intents` are rows about to be sent: they are on the disk when it returns. `outcomes` are
        final, of intended rows and of rows that were never to be sent. `withdrawn` rows surely did
        not arrive and are pending again. `doubted` rows are uncertain from now on, whatever was
        recorded of them (rule 3). A row is in one of these. Waits for the disk if there are intents
        or doubted rows. Raises JournalError where what a row has already forbids it.
        """
        content, rows = _grouped_json(outcomes, intents)
        if rows != len(outcomes) + len(intents):
            raise JournalError(f"{self.path}: {AGAIN}", BUG)
        with self._mutex, journal_errors(self.path):
            if (intents and not self._sending) or withdrawn or doubted:
                with self._transaction(durable=bool(intents or doubted)) as run:
                    if intents and not self._sending:
                        run.execute("DELETE FROM meta WHERE key = ?", (ENDED_KEY,))
                    run.execute(RECORD, (content, self._next_commit))
                    done = run.execute(WITHDRAW, (_json_list(withdrawn),)).rowcount
                    if done != len(withdrawn):
                        raise JournalError(f"{self.path}: a row taken back was not under way", BUG)
                    for outcome in doubted:
                        run.execute(DOUBT, _columns_of(outcome))
                self._sending = self._sending or bool(intents)
                return
            self._set_synchronous(durable=bool(intents))
            self._connection.execute(RECORD, (content, self._next_commit))
            self._count_commit(durable=bool(intents))

    def amend(
        self, evidence: str, *, outcomes: Sequence[Outcome] = (), released: Sequence[int] = ()
    ) -> None:
        """Settle uncertain rows after the run; the decision is recorded with its evidence.

        `released` rows become pending, and a resumed run sends them. The earlier entries are kept
        for :meth:`take_back`. Durable on return. Raises JournalError, and changes nothing, if a row
        is not uncertain.
        """
        now = _now()
        notes = [(now, o.row, o.status.value, "|".join(o.numberids), evidence) for o in outcomes]
        notes += [(now, row, Status.PENDING.value, "", evidence) for row in released]
        content, _ = _grouped_json(outcomes, ())
        with self._mutex, journal_errors(self.path), self._transaction(durable=True) as run:
            run.execute(_FORMER_TABLE)
            for row in (*(outcome.row for outcome in outcomes), *released):
                run.execute(_KEEP_FORMER, (row,))
                if run.execute(RELEASE, (row,)).rowcount != 1:
                    raise JournalError(
                        f"{self.path}: row {row} is not uncertain",
                        "Only uncertain rows can be settled: see uncertain.csv.",
                    )
            run.execute(RECORD, (content, self._next_commit))
            run.executemany(_ADD_AMENDMENT, notes)

    def amended(self) -> dict[int, tuple[Status, str]]:
        """The last amendment of each row that has one: the state it was given, and the evidence."""
        sql = "SELECT row, became, evidence FROM amendments ORDER BY rowid"
        return {row: (Status(became), evidence) for row, became, evidence in self._fetch_all(sql)}

    def entries(self, rows: Iterable[int]) -> dict[int, Outcome]:
        """The outcomes of those of these rows that are not pending, by row number."""
        sql = "SELECT * FROM rows WHERE row IN (SELECT value FROM json_each(?))"
        found = (
            self._checked(_outcome_of, values)
            for values in self._fetch_all(sql, (_json_list(rows),))
        )
        return {outcome.row: outcome for outcome in found}

    def numberids(self) -> Iterator[tuple[int, str]]:
        """Every numberid of the run, with the row that has it."""
        for row, joined in self._pages("row, numberids", ()):
            for numberid in joined.split("|") if joined else ():
                yield row, numberid

    def take_back(self, rows: Iterable[int], evidence: str) -> None:
        """Undo :meth:`amend`: rows are uncertain as before, and the evidence is recorded.

        Durable on return. Raises JournalError, and changes nothing, if a row has become anything
        but created since.
        """
        now = _now()
        with self._mutex, journal_errors(self.path), self._transaction(durable=True) as run:
            run.execute(_FORMER_TABLE)
            for row in rows:
                run.execute("DELETE FROM rows WHERE row = ? AND status = 1", (row,))
                # Refused by the primary key where the row was sent since.
                if run.execute(_RESTORE_FORMER, (row,)).rowcount != 1:
                    # By a version that kept no former entries: an intent reads as uncertain.
                    run.execute("INSERT INTO rows (row, status) VALUES (?, 0)", (row,))
                run.execute("DELETE FROM former WHERE row = ?", (row,))
                run.execute(_ADD_AMENDMENT, (now, row, Status.UNCERTAIN.value, "", evidence))

    def counts(self) -> dict[Status, int]:
        """The number of rows in each state but pending, of which the journal has no entries."""
        counts: dict[Status, int] = dict.fromkeys(_CODES, 0)
        for code, n in self._fetch_all("SELECT status, count(*) FROM rows GROUP BY status"):
            counts[self._checked(_status_of, code)] += n
        return counts

    def attempts(self) -> int:
        """The number of attempted requests; an intent without an outcome counts as one."""
        sql = "SELECT coalesce(sum(CASE status WHEN 0 THEN 1 ELSE attempts END), 0) FROM rows"
        return int(self._fetch_all(sql)[0][0])

    def outcomes(self, *states: Status) -> Iterator[Outcome]:
        """The outcomes in row order: all of them, or those in these states."""
        return (self._checked(_outcome_of, row) for row in self._pages("*", states))

    def page(self, *states: Status, first: int, most: int) -> OutcomePage:
        """At most so many outcomes in these states, from the row number `first` on.

        Where no such row is left from `first` on, it is the last page.
        """
        among = self._among(states)
        # S608 as in _pages. Read are the page's rows, one more, and the numbers of those before.
        later = f"SELECT * FROM rows WHERE row >= ? {among} ORDER BY row LIMIT ?"  # noqa: S608
        former = f"SELECT row FROM rows WHERE row < ? {among} ORDER BY row DESC LIMIT ?"  # noqa: S608
        if not (found := self._fetch_all(later, (first, most + 1))):
            before = self._fetch_all(former, (first, most))
            first = before[-1][0] if before else first
            found = self._fetch_all(later, (first, most + 1))
        before = self._fetch_all(former, (first, most))
        return OutcomePage(
            [self._checked(_outcome_of, values) for values in found[:most]],
            before[-1][0] if before else None,
            found[most][0] if len(found) > most else None,
        )

    def _checked(self, read: Callable[[Any], T], values: object) -> T:
        """Stored values as `read` decodes them; raises JournalError for what no journal has."""
        try:
            return read(values)
        except (TypeError, ValueError) as error:
            raise JournalError(f"{self.path} is damaged: it says {error}", UNTRUSTED) from error

    def holders(self, numberids: Sequence[str]) -> list[Outcome]:
        """The rows that are created with one of these numberids; goes through all rows."""
        sought = set(numberids)
        return [o for o in self.outcomes(Status.CREATED) if not sought.isdisjoint(o.numberids)]

    def settled_rows(self) -> Iterator[int]:
        """The numbers of the rows that are not pending, ascending: not to be sent (again)."""
        return (row for (row,) in self._pages("row", ()))

    def rows_in(self, *states: Status) -> Iterator[int]:
        """The numbers of the rows in these states, ascending."""
        return (row for (row,) in self._pages("row", states))

    def _pages(self, columns: str, states: Collection[Status]) -> Iterator[tuple[Any, ...]]:
        """Rows of the table in these states, or in any, by row number."""
        # Nothing of this comes from outside: columns are named above, codes are numbers of ours.
        among = self._among(states)
        sql = f"SELECT {columns} FROM rows WHERE row > ? {among} ORDER BY row LIMIT ?"  # noqa: S608
        after = -1
        while page := self._fetch_all(sql, (after, _PAGE)):
            yield from page
            after = page[-1][0]

    @staticmethod
    def _among(states: Collection[Status]) -> str:
        codes = ",".join(str(code) for code, state in _STATUSES.items() if state in states)
        return f"AND status IN ({codes})" if states else ""

    def meta(self) -> dict[str, str]:
        """What the run noted about itself, by key."""
        sql = "SELECT key, value FROM meta WHERE key NOT IN (?, ?) ORDER BY key"
        return dict(self._fetch_all(sql, (OPEN_KEY, COMMITS_KEY)))

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Note values by key, in place of earlier ones; durable, and in the main file, on return.

        A journal that loses its -wal keeps them.
        """
        with self._mutex, journal_errors(self.path), self._transaction(durable=True) as run:
            run.executemany(_SET_META, values.items())
        self._checkpoint()

    def sign_of_life(self) -> None:
        """Update the mark's modification time, though nothing is to be recorded.

        To be called before the term of senders in other processes is renewed: after a kill, that
        time bounds how long they may send (:func:`importer.pipeline.recover.last_written`). Waits
        for nothing.
        """
        if (writing := self._writing) is not None:
            writing.mark.touch()

    def _set_synchronous(self, *, durable: bool) -> None:
        """Say whether the next commit waits for the disk."""
        if durable is not self._durable:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Run the block in one transaction, which also counts itself; roll back if it raises."""
        run = self._connection
        self._set_synchronous(durable=durable)
        run.execute("BEGIN IMMEDIATE")
        try:
            yield run
            run.execute(
                "UPDATE meta SET value = ? WHERE key = ?", (str(self._next_commit), COMMITS_KEY)
            )
            run.execute("COMMIT")
        except BaseException:
            # A full disk may have rolled back already.
            if run.in_transaction:
                run.execute("ROLLBACK")
            raise
        self._count_commit(durable=durable)

    @property
    def _next_commit(self) -> int:
        """The number of the next commit."""
        return 0 if self._writing is None else self._writing.commits + 1

    def _count_commit(self, *, durable: bool) -> None:
        """Count a commit; one that is on the disk moves the mark (rule 8)."""
        if self._writing is not None:
            self._writing.commits += 1
            if durable:
                self._writing.mark.write(Mark(self._writing.commits))

    def _fetch_all(self, sql: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        with self._mutex, journal_errors(self.path):
            return self._connection.execute(sql, tuple(values)).fetchall()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(slots=True)
class _Writing:
    """What only the process that writes a journal has: the lock, the mark, the commit count."""

    lock: sqlite3.Connection
    mark: MarkFile
    commits: int


def _add_missing_as_intents(run: sqlite3.Connection, rows: Iterable[int]) -> int:
    """Give an intent to each row without an entry; the number of these rows."""
    known = {row for (row,) in run.execute("SELECT row FROM rows")}
    missing = [int(row) for row in rows if int(row) not in known]
    run.executemany("INSERT INTO rows (row, status) VALUES (?, 0)", ((row,) for row in missing))
    now, why = _now(), "the journal had lost its end"
    notes = ((now, row, Status.UNCERTAIN.value, "", why) for row in missing)
    run.executemany(_ADD_AMENDMENT, notes)
    return len(missing)


# Outcomes as the journal's table has them, and back.

_INTENT = 0
_CODES = {
    Status.CREATED: 1,
    Status.REJECTED: 2,
    Status.INVALID: 3,
    Status.SKIPPED: 4,
    Status.UNCERTAIN: 5,
}
"""How the table writes each state; an intent is 0."""

_STATUSES = {code: status for status, code in _CODES.items()} | {_INTENT: Status.UNCERTAIN}


def _status_of(number: object) -> Status:
    """The state that the table writes as this number; raises ValueError for what is none."""
    status = _STATUSES.get(number) if isinstance(number, int) else None
    if status is None:
        raise ValueError(f"state {number!r}")
    return status


_UNANSWERED = (
    "unanswered",
    "sent, but the run ended before an answer was recorded",
    MAY_EXIST,
)


def _json_list(values: Iterable[object]) -> str:
    """Values as a JSON array; row numbers may still be the scalars of a Batch."""
    return orjson.dumps(list(values), option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _grouped_json(outcomes: Iterable[Outcome], intents: Iterable[int]) -> tuple[str, int]:
    """Outcomes and intents as the JSON that `file.RECORD` takes, and the number of their rows.

    Nearly all outcomes of a round differ in their row and numberids alone. So they are grouped by
    the other columns: a JSON list of ``[status, attempts, http_status, code, message, hint, {row:
    numberids}]``. A row that stands twice with the same outcome counts once.
    """
    groups: dict[_SharedColumns, dict[str, str | None]] = {}
    for o in outcomes:
        alike = _SharedColumns(
            _CODES[o.status], o.attempts, o.http_status, o.code, o.message, o.hint
        )
        groups.setdefault(alike, {})[str(o.row)] = "|".join(o.numberids) or None
    groups[_SharedColumns(_INTENT)] = dict.fromkeys(map(str, intents))
    rows = [
        (*alike[:3], *map(_sqlite_text, alike[3:]), members) for alike, members in groups.items()
    ]
    return orjson.dumps(rows).decode(), sum(map(len, groups.values()))


class _SharedColumns(NamedTuple):
    """The columns by which outcomes are grouped: all but row and numberids."""

    status: int
    attempts: int = 0
    http_status: int | None = None
    code: str | None = None
    message: str | None = None
    hint: str | None = None


def _sqlite_text(text: str | None) -> str | None:
    """Text as SQLite's JSON takes it: a NUL would end it, half a surrogate pair is no text."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _columns_of(o: Outcome) -> tuple[int | str | None, ...]:
    """An outcome as a row of the table, in the order of its columns."""
    texts = map(_sqlite_text, (o.code, o.message, o.hint))
    ids = "|".join(o.numberids) or None
    return (int(o.row), _CODES[o.status], o.attempts, o.http_status, ids, *texts)


def _outcome_of(values: tuple[Any, ...]) -> Outcome:
    """An outcome from the table's columns; an intent reads as uncertain.

    Raises TypeError or ValueError for values that no journal has, as damage may leave them.
    """
    row, status, attempts, http_status, numberids, code, message, hint = values
    for number in (attempts, 0 if http_status is None else http_status):
        if not isinstance(number, int):
            raise TypeError(f"{number!r} as a number")
    for text in (numberids, code, message, hint):
        if not isinstance(text, str | None):
            raise TypeError(f"{text!r} as a text")
    if status == _INTENT:
        return Outcome(row, Status.UNCERTAIN, (), 1, None, *_UNANSWERED)
    ids = tuple(numberids.split("|")) if numberids else ()
    return Outcome(row, _status_of(status), ids, attempts, http_status, code, message, hint)
