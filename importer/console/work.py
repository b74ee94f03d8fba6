"""The lists that are being mended: each open, with its edits, for as long as it is used.

To open a list takes as long as to check it; once it is open, an edit is checked in a fraction of
that. So it is kept open for some time after it was used last. It is closed, and opened anew when it
is asked for, where it is to be read in another way or has another mapping.

All pages of a draft share one open list, and with it one log of edits, which takes one edit at a
time. A check that is under way when an edit is made is overtaken: it ends, and whoever waits for it
gets what the next one finds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from importer import library
from importer.console.drafts import Draft, Drafts, Place, digest_of, loaded_mapping
from importer.console.target import Targets, Whereabouts
from importer.errors import RunInterruptedError, UsageError
from importer.files import WorkingFolder
from importer.library import EditLog, Overlay, Recheck, Rechecked, StopSwitch
from importer.model import Event, Progress, Status
from importer.settings import Destination, RunSettings, SourceOptions

MOST_OPEN = 3
"""Lists that are kept open at once."""
MOST_ROWS = 1_000_000
"""Rows of all lists that are kept open, unless a single one has more."""
IDLE_SECONDS = 900.0
"""How long a list stays open after it was used last."""

_COPY = "copy.parquet"


@dataclass(frozen=True, slots=True)
class Found:
    """What a check has found of a list with these edits; `rows` are those of each kind, ascending.

    The kinds are the codes of problems, and `TO_MEND`.
    """

    edits: Overlay
    rechecked: Rechecked
    _rows: dict[str, list[int]] = field(default_factory=dict)

    def rows(self, kind: str) -> list[int]:
        """The rows that have a problem of a kind, in their order."""
        if kind not in self._rows:
            self._rows[kind] = [
                row
                for row, decision in self.rechecked.decisions.items()
                if (
                    decision.status is Status.INVALID
                    if kind == TO_MEND
                    else any(problem.code == kind for problem in decision.problems)
                )
            ]
        return self._rows[kind]


TO_MEND = ""
"""All rows that are not sent unless they are mended."""


class OtherRunError(UsageError):
    """The runs whose rows are to be left out are of another list, or of one that was read so."""


class OpenList:
    """A list that is open; for the thread of the loop, but for `log` and what blocks of `recheck`.

    `log` takes the edits, each on the disk when its call returns.
    """

    def __init__(self, folder: WorkingFolder, recheck: Recheck, log: EditLog) -> None:
        self._folder = folder
        self.recheck = recheck
        self.log = log
        self._found: Found | None = None
        self._checking: tuple[Overlay, StopSwitch, asyncio.Task[Found]] | None = None
        self._closing = False

    @property
    def size(self) -> int:
        """How many rows it has, once that is known."""
        return self._found.rechecked.checkup.survey.rows if self._found is not None else 0

    @property
    def last_found(self) -> Found | None:
        """What the last check has found, maybe without the newest edits; None before the first."""
        return self._found

    async def found(self) -> Found:
        """What a check finds with all edits that are made by now; raises EditRefused.

        EditRefused says that the edits are those of another list. RunInterruptedError is raised
        where the list is closed.
        """
        while True:
            edits = self.log.overlay
            if self._found is not None and self._found.edits is edits:
                return self._found
            if self._checking is None or self._checking[0] is not edits:
                self._overtake()
                stop = StopSwitch()
                task = asyncio.create_task(self._check(edits, stop))
                self._checking = (edits, stop, task)
            task = self._checking[2]
            try:
                # Whoever waits may be gone before it ends; others wait for the same check.
                return await asyncio.shield(task)
            except RunInterruptedError:
                if self._closing:
                    raise

    def _overtake(self) -> None:
        if self._checking is not None:
            self._checking[1].pull("there is a newer edit")

    async def _check(self, edits: Overlay, stop: StopSwitch) -> Found:
        try:
            found = Found(edits, await asyncio.to_thread(self.recheck.check, edits, stop))
        finally:
            if self._checking is not None and self._checking[0] is edits:
                self._checking = None
        if self.log.overlay is edits:
            self._found = found
        return found

    async def close(self) -> None:
        """End what is under way, and remove the copy."""
        self._closing = True
        if self._checking is not None:
            self._overtake()
            await asyncio.wait([self._checking[2]])
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.recheck.close()
        self._folder.cleanup()


@dataclass(frozen=True, slots=True)
class _Kept:
    """By what it is known whether an open list is that of the draft as it is now."""

    reading: SourceOptions
    mapping: str
    sent_before: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Where the rows of a list would go: what was sent there before can be told of them."""

    destination: Destination
    settings: RunSettings


class _Entry:
    """A list that is open, or being opened."""

    def __init__(self, kept: _Kept, where: str) -> None:
        self.kept, self.where = kept, where
        self.stop = StopSwitch()
        self.passed = 0
        self.users = 0
        self.opening: asyncio.Task[OpenList] | None = None
        self.looks_back = False
        self.is_over = False
        self.timer: asyncio.TimerHandle | None = None

    @property
    def opened(self) -> OpenList | None:
        """The list, once it is open."""
        task = self.opening
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    def listen(self, told: Progress | Event) -> None:
        if isinstance(told, Progress):
            self.passed = told.passed


class OpenLists:
    """The lists of drafts that are open; for the thread of the loop."""

    def __init__(
        self,
        drafts: Drafts,
        targets: Targets,
        runs_dir: Path,
        *,
        most: int = MOST_OPEN,
        most_rows: int = MOST_ROWS,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._drafts = drafts
        self._targets = targets
        self._runs_dir = runs_dir
        self._most = most
        self._most_rows = most_rows
        self._idle = idle
        self._entries: dict[str, _Entry] = {}  # the one that was used last is the last
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False
        self.reporting = asyncio.Semaphore(1)
        """Held while a report is written: that is a check from the beginning, with its memory."""

    def __len__(self) -> int:
        return len(self._entries)

    def passed(self, draft: Draft) -> int:
        """How many rows were read of a list that is being opened."""
        entry = self._entries.get(draft.id)
        return entry.passed if entry is not None else 0

    @contextlib.asynccontextmanager
    async def using(self, draft: Draft) -> AsyncIterator[OpenList]:
        """The list of a draft, which is opened unless it is open; it stays so within the block.

        Raises SourceError and MappingError, and UsageError where the edits cannot be used.
        """
        entry = await self._entry(draft)
        entry.users += 1
        try:
            assert entry.opening is not None  # noqa: S101 (it began when the entry was made)
            try:
                opened = await asyncio.shield(entry.opening)
            except Exception:
                # Told once, to whoever asks next: then it is tried anew.
                if self._entries.get(draft.id) is entry:
                    del self._entries[draft.id]
                raise
            yield opened
        finally:
            entry.users -= 1
            self._released(draft.id, entry)

    async def _entry(self, draft: Draft) -> _Entry:
        kept = await asyncio.to_thread(
            lambda: _Kept(draft.reading, digest_of(draft.mapping), draft.sent_before())
        )
        entry = self._entries.get(draft.id)
        if entry is not None and entry.looks_back:
            where = await self._targets.whereabouts(draft)
            if entry.where != where.key:
                self._leave(draft.id, entry)
                entry = None
        if entry is not None and entry.kept != kept:
            self._leave(draft.id, entry)
            entry = None
        if entry is None:
            where = await self._targets.whereabouts(draft)
            # Another page may have asked meanwhile: each list is opened once.
            entry = self._entries.get(draft.id)
            if entry is None:
                entry = _Entry(kept, where.key)
                entry.opening = asyncio.create_task(self._open(draft, entry, where))
        if self._ended:
            entry.stop.pull("the console ends")
        self._entries.pop(draft.id, None)
        self._entries[draft.id] = entry
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None
        return entry

    async def _open(self, draft: Draft, entry: _Entry, where: Whereabouts) -> OpenList:
        opened = await asyncio.to_thread(self._opened, draft, entry, where)
        self._make_room(draft.id)
        return opened

    def _opened(self, draft: Draft, entry: _Entry, where: Whereabouts) -> OpenList:
        folder = WorkingFolder()
        try:
            mapping = loaded_mapping(draft)
            compared = self._compared(where)
            try:
                recheck = library.recheck(
                    draft.file,
                    mapping,
                    Path(folder.name) / _COPY,
                    destination=compared.destination,
                    reading=draft.reading,
                    settings=compared.settings,
                    stop=entry.stop,
                    listener=entry.listen,
                    excepted=draft.excepted,
                    mended=self._drafts.mended_apart(draft),
                )
            except UsageError as error:
                if draft.excepted:
                    raise OtherRunError(error.message, error.hint) from None
                raise
            entry.looks_back = recheck.looks_back
            log = EditLog(draft.edits, recheck.info.headers, recheck.batches)
        except BaseException:
            folder.cleanup()
            raise
        return OpenList(folder, recheck, log)

    async def compared(self, draft: Draft) -> Compared:
        """With what a check of a draft compares its rows."""
        return self._compared(await self._targets.whereabouts(draft))

    def _compared(self, where: Whereabouts) -> Compared:
        sandbox = self._targets.sandbox_dir if where.place is Place.SANDBOX else None
        return Compared(
            Destination(where.project, where.base_url, where.account.customer),
            RunSettings(runs_dir=self._runs_dir, sandbox=sandbox),
        )

    def _released(self, draft_id: str, entry: _Entry) -> None:
        if entry.users:
            return
        if entry.is_over or self._entries.get(draft_id) is not entry:
            self._begin(self._close(entry))
            return
        loop = asyncio.get_running_loop()
        entry.timer = loop.call_later(self._idle, self._leave, draft_id, entry)
        self._make_room(draft_id)

    def _make_room(self, besides: str) -> None:
        """Close lists that nobody uses at present, those first that were used longest ago."""
        for draft_id, entry in list(self._entries.items()):
            opened = [e.opened for e in self._entries.values() if e.opened is not None]
            enough = len(self._entries) <= self._most
            if enough and (len(opened) < 2 or sum(o.size for o in opened) <= self._most_rows):
                return
            if draft_id != besides and not entry.users and entry.opened is not None:
                self._leave(draft_id, entry)

    def leave(self, draft_id: str) -> None:
        """Close the list of a draft as soon as nobody uses it; what asks for it has it anew."""
        if (entry := self._entries.get(draft_id)) is not None:
            self._leave(draft_id, entry)

    def _leave(self, draft_id: str, entry: _Entry) -> None:
        if self._entries.get(draft_id) is entry:
            del self._entries[draft_id]
        entry.is_over = True
        if entry.timer is not None:
            entry.timer.cancel()
        if not entry.users:
            self._begin(self._close(entry))

    async def _close(self, entry: _Entry) -> None:
        if entry.opening is None:
            return
        entry.stop.pull("it is not wanted any more")
        await asyncio.wait([entry.opening])
        if (opened := entry.opened) is not None:
            await opened.close()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Close all lists: the console stops."""
        self._ended = True
        for draft_id, entry in list(self._entries.items()):
            entry.users = 0
            self._leave(draft_id, entry)
        while self._tasks:
            await asyncio.wait(self._tasks)


OPEN_LISTS = web.AppKey("OPEN_LISTS", OpenLists)
