"""What the console is at work on: lists being planned, plans being sent, looks into the service.

Each is a task of the application, and outlasts the page that asked for it. Any number of pages may
watch one: they are told the latest state at once, then each change; a page that is slow misses what
lies between, and keeps nothing waiting. For each draft, and each past run that has none, there is
one piece of work at a time, and of those that have ended the last, with how it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from aiohttp import web

from importer import library
from importer.console.drafts import Draft, Drafts, digest_of
from importer.console.streams import STREAMS, Event
from importer.console.target import Whereabouts
from importer.errors import ImporterError, UsageError
from importer.library import (
    Approval,
    Guard,
    PlanResult,
    Reconciliation,
    RunResult,
    Search,
    StopSwitch,
    TargetBusy,
)
from importer.model import (
    CanaryBegins,
    CanaryEqual,
    Looked,
    PaceChanged,
    Probing,
    Progress,
    Resumed,
    Stage,
    Status,
    StrayAnswer,
    Waiting,
)
from importer.model import Event as RunEvent
from importer.settings import A_YEAR, Pace, RunSettings, Target

FIRST_ROWS = 5
"""Rows that are sent first and read back, unless all are to be sent at once."""
GENTLE = Pace(concurrency=2, rate=5.0)
"""A pace that no service feels."""
MOST_ENDED = 32
"""Pieces of work that have ended whose end is remembered: the disk has what lasts of them."""

_BETWEEN = 0.25
"""Seconds between two states that a page is told."""
_SPAN = 10.0
"""Seconds over which the rate is taken."""
_SHOWN = 2.0
"""Seconds for which trouble is shown at least, though it may be over."""
_STOPPED = "stopped in the console"
_log = logging.getLogger(__name__)


class BusyError(UsageError):
    """Something else is under way for the draft."""


class Feed:
    """The latest state of something, for any number of readers on the loop."""

    def __init__(self) -> None:
        self._state = "{}"
        self._number = 0
        self._over = False
        self._changed = asyncio.Event()

    def put(self, state: Mapping[str, object]) -> None:
        """Have a new state, as JSON has it."""
        self._state = json.dumps(state, ensure_ascii=False)
        self._tell()

    def end(self) -> None:
        """Say that there is no later state."""
        self._over = True
        self._tell()

    def _tell(self) -> None:
        self._number += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def events(self) -> AsyncIterator[Event]:
        """The state now, then later ones, the newest only; at last that it has ended."""
        seen = -1
        while True:
            if self._number != seen:
                seen = self._number
                yield Event("state", self._state)
                await asyncio.sleep(_BETWEEN)
            elif self._over:
                yield Event("ended", "")
                return
            else:
                await self._changed.wait()


class Work(ABC):
    """Something that is under way, or was: `error` says why it has come to nothing.

    `key` is the id of a draft; of a run that no draft has sent, its folder.
    """

    busy: ClassVar[str]
    """What is told to whoever begins something else meanwhile."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.feed = Feed()
        self.ended = asyncio.Event()
        self.error: ImporterError | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.ended.is_set()

    @abstractmethod
    def ask_to_stop(self) -> None:
        """Ask for an end, which comes in order."""


W = TypeVar("W", bound=Work)


class Planning(Work):
    """A list that is being planned, or was: `result`, or `error` where there can be no plan."""

    busy = "this list is being planned already"

    def __init__(self, draft: Draft, settings: RunSettings) -> None:
        super().__init__(draft.id)
        self.draft = draft
        self.settings = settings
        self.stop = StopSwitch()
        self.result: PlanResult | None = None
        self.made_of: Mapping[str, str] | None = None
        """Its ingredients, once they are known: what it says is true as long as they are these."""

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self.stop.reason is not None

    def ask_to_stop(self) -> None:
        """Ask for an end, of which nothing is kept."""
        self.stop.pull(_STOPPED)

    async def work(self, drafts: Drafts, target: Target, where: Whereabouts) -> None:
        """Plan, and keep in the draft where the plan is, and of what it was made."""
        draft = self.draft
        made_of = self.made_of = await asyncio.to_thread(ingredients, draft, where)
        self.result = await library.plan_async(
            draft.file,
            draft.mapping,
            target=target,
            reading=draft.reading,
            settings=self.settings,
            edits=draft.edits if made_of["edits"] else None,
            excepted=draft.excepted,
            mended=await asyncio.to_thread(drafts.mended_apart, draft),
            guard=Guard(again=draft.again),
            listener=self._listen,
            stop=self.stop,
        )
        path = self.result.directory.path
        before = (await asyncio.to_thread(drafts.open, draft.id)).plan_dir
        await asyncio.to_thread(drafts.change, draft.id, plan_dir=path, planned_from=made_of)
        if before is not None:
            await asyncio.to_thread(_discard, before)

    def _listen(self, item: Progress | RunEvent) -> None:
        if isinstance(item, Progress):
            self.feed.put({"stage": item.stage.value, "passed": item.passed, "total": item.total})


@dataclass(frozen=True, slots=True)
class Order:
    """What of a plan is to be sent: its first rows, or all; `plan_id` is what was looked at.

    `again` sends what past runs have sent, too; `gentle` sends at a pace that no service feels.
    """

    plan_id: str
    first: bool
    again: bool = False
    gentle: bool = False


class Sending(Work):
    """A plan that is being sent, or was: `result`, or `error` where nothing could be sent.

    `name` is what the list is called. Of a run that was begun outside of the console, `of_draft` is
    false.
    """

    busy = "this list is being sent already"

    def __init__(
        self, key: str, name: str, plan_dir: Path, order: Order, *, of_draft: bool = True
    ) -> None:
        super().__init__(key)
        self.name = name
        self.plan_dir = plan_dir
        self._of_draft = of_draft
        self.order = order
        self.stopping = False
        """Whether it was asked to stop: what is in flight is being finished."""
        self._stop = StopSwitch()
        self.result: RunResult | None = None
        self.waits = False
        self.place: tuple[str, int] | None = None
        """Base URL and project that it sends to, once it is about to."""
        self.rivals: Callable[[Sending], list[str]] = lambda _: []
        """What else the console is sending there, by the lists' names."""
        self._progress: Progress | None = None
        self._trouble, self._trouble_until = "", 0.0
        self._note = ""
        self._reads_back = False
        self._samples: deque[tuple[float, int]] = deque()
        self._begun = False

    def ask_to_stop(self) -> None:
        """Ask for an end: nothing new is begun, what is in flight is finished and recorded."""
        self.stopping = True
        self._stop.pull(_STOPPED)
        self._tell()

    async def work(self, drafts: Drafts, target: Target | None) -> None:
        """Send; where another run is sending to the project, after that one."""
        guard = Guard(again=self.order.again)
        try:
            await self._apply(drafts, target, guard)
        except TargetBusy:
            if self.stopping:
                raise
            self.waits = True
            self._stop = StopSwitch()  # the one before was pulled when that attempt had failed
            if rivals := self.rivals(self):
                self._note = f"On its way there: {', '.join(rivals)}"
            self._tell()
            await self._apply(drafts, target, replace(guard, wait=A_YEAR))

    async def _apply(self, drafts: Drafts, target: Target | None, guard: Guard) -> None:
        past = await asyncio.to_thread(library.past_run, self.plan_dir)
        # Whatever engine it was begun with: the console itself sends.
        settings, self.place = past.settings_but({"engine": "local"}), (past.base_url, past.project)
        under_way = past.canary is not None and past.canary.under_way
        if self.order.first and not under_way:
            settings = replace(settings, canary=FIRST_ROWS, limit=FIRST_ROWS)
        if self.order.gentle:
            settings = replace(settings, pace=GENTLE)

        def begins(item: Progress | RunEvent) -> None:
            # In the thread of the run, before its first request may leave: a console that is killed
            # from here on knows that something was sent.
            if not self._begun and isinstance(item, Progress) and item.stage is Stage.SENDING:
                if self._of_draft:
                    drafts.change(self.key, run_dir=self.plan_dir)
                self._begun = True
            # Those that were begun before are read back and shown, before others are sent.
            if self.order.first and under_way and isinstance(item, CanaryEqual):
                self._stop.pull(_STOPPED)

        running = library.start(
            library.apply,
            self.plan_dir,
            target=target,
            settings=settings,
            approval=Approval(plan_id=self.order.plan_id),
            guard=guard,
            stop=self._stop,
            listener=begins,
        )
        async with running:
            async for item in running:
                self._listen(item)
            self.result = await running

    def _listen(self, item: Progress | RunEvent) -> None:
        now = time.monotonic()
        match item:
            case Progress():
                if self.waits:
                    self.waits, self._note = False, ""
                self._progress = item
                self._samples.append((now, item.done))
                while len(self._samples) > 2 and now - self._samples[0][0] > _SPAN:
                    self._samples.popleft()
                if now > self._trouble_until:
                    self._trouble = ""
            case Waiting(seconds, reason):
                self._trouble = f"Waiting {seconds:.0f} s: {reason}"
                self._trouble_until = now + max(seconds, _SHOWN)
            case Probing(reason):
                self._trouble = f"Paused: {reason}. Asking whether the service is there …"
                self._trouble_until = now + _SHOWN
            case Resumed():
                self._trouble, self._trouble_until = "", 0.0
            case StrayAnswer(reason):
                self._note = f"{reason}. Each connection is used once from now on, which is slower"
            case CanaryBegins() | CanaryEqual():
                self._reads_back = isinstance(item, CanaryBegins)
            case PaceChanged() | Looked():
                pass
        self._tell()

    def _tell(self) -> None:
        self.feed.put(self.state())

    def state(self) -> dict[str, Any]:
        """How it stands, as pages show it; rows a second and seconds left as far as they show."""
        progress = self._progress
        counts = progress.counts if progress is not None else {}
        pending = counts.get(Status.PENDING, 0)
        rate = self._rate()
        return {
            "phase": self._phase(),
            "total": progress.total if progress is not None else None,
            "done": progress.done if progress is not None else None,
            "counts": {status.value: counts.get(status, 0) for status in Status},
            "rate": rate,
            "left": pending / rate if rate and not self.order.first else None,
            "trouble": self._trouble,
            "note": self._note,
        }

    def _phase(self) -> str:
        if self.stopping:
            return "stopping"
        if self.waits:
            return "waits"
        if self._progress is None:
            return "begins"
        return "first" if self.order.first else "sending"

    def _rate(self) -> float | None:
        """Rows a second that have reached an end, of late."""
        if len(self._samples) < 2:
            return None
        (then, first), (now, last) = self._samples[0], self._samples[-1]
        return (last - first) / (now - then) if now - then >= 1.0 else None


class Looking(Work):
    """A look into the service for rows of a run, or what has come of it: `result`, or `error`.

    `look` is a function of the library that is told where, and stopped, by keywords; what it knows
    until it is stopped is its result.
    """

    def __init__(self, key: str, look: Callable[..., Any]) -> None:
        super().__init__(key)
        self.result: Any = None
        self._look = look
        self._stop = StopSwitch()
        self._looked = Looked(0, 0, 0, 0)
        self._ended_at = 0.0
        self._tell()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.reason is not None

    def ask_to_stop(self) -> None:
        """Ask for an end: what was found until then is kept."""
        self._stop.pull(_STOPPED)
        self._tell()

    async def work(self, target: Target | None) -> None:
        """Look, where the run was sent if no target is given."""
        running = library.start(self._look, target=target, stop=self._stop)
        async with running:
            async for item in running:
                if isinstance(item, Looked):
                    self._looked = item
                    self._tell()
            self.result = await running
        self._ended_at = time.monotonic()

    def state(self) -> dict[str, Any]:
        """How far it is, as pages show it; `total` is None until that is known."""
        return {
            "looking": "stopping" if self.stopping else "looking",
            "looked": self._looked.records,
            "total": self._looked.total or None,
            "found": self._looked.found,
        }

    def _tell(self) -> None:
        self.feed.put(self.state())


class Searching(Looking):
    """A look for `rows` uncertain rows; with `release`, those surely not there become pending."""

    busy = "its rows that may have arrived are being looked for already"

    def __init__(
        self, key: str, run_dir: Path, rows: int, *, first: int | None, release: bool
    ) -> None:
        search = Search(first=first)
        super().__init__(key, partial(library.reconcile, run_dir, search=search, release=release))
        self.rows = rows
        self.release = release

    @property
    def outcome(self) -> Reconciliation | None:
        """What came of it, with the settling time that is left now."""
        result: Reconciliation | None = self.result
        if result is None:
            return None
        passed = time.monotonic() - self._ended_at
        return replace(result, settles_in=max(0.0, result.settles_in - passed))


class ReadingBack(Looking):
    """A look at a sample of the created rows, which are compared with what was sent."""

    busy = "some of its rows are being read back already"

    def __init__(self, key: str, run_dir: Path) -> None:
        super().__init__(key, partial(library.verify, run_dir))


class UnderWay:
    """All that is under way in a console, and how the last of it has ended, by draft."""

    def __init__(self, drafts: Drafts) -> None:
        self._drafts = drafts
        self._works: dict[str, Work] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    def last(self, kind: type[W], key: str) -> W | None:
        """The work of a kind for a draft or a run, under way or ended; None if another was last."""
        work = self._works.get(key)
        return work if isinstance(work, kind) else None

    def forget(self, key: str) -> None:
        """Forget how the last work for a draft, or a run, has ended, if it has."""
        if (work := self._works.get(key)) is not None and work.done:
            del self._works[key]

    def plan(
        self, draft: Draft, target: Target, where: Whereabouts, settings: RunSettings
    ) -> Planning:
        """Begin to plan a draft; raises BusyError where it is being planned or sent."""
        self._refuse_busy(draft.id)
        planning = Planning(draft, settings)
        self._begin(planning, planning.work(self._drafts, target, where))
        return planning

    def send(self, sending: Sending, target: Target | None) -> None:
        """Begin to send a plan, to its target where None is given; raises as :meth:`plan` does."""
        self._refuse_busy(sending.key)
        sending.rivals = self._rivals
        self._begin(sending, sending.work(self._drafts, target))

    def look(self, looking: Looking, target: Target | None) -> None:
        """Begin a look, where the run was sent if no target is given; raises as :meth:`plan`."""
        self._refuse_busy(looking.key)
        self._begin(looking, looking.work(target))

    async def end(self) -> None:
        """Stop everything in order: what is in flight is finished and recorded."""
        self._closing = True
        for work in self._works.values():
            if not work.done:
                work.ask_to_stop()
        if self._tasks:
            await asyncio.gather(*self._tasks.values())

    def _rivals(self, sending: Sending) -> list[str]:
        """The lists that are on their way to the place of one that waits."""
        others = [one for one in self._works.values() if isinstance(one, Sending)]
        return [
            one.name
            for one in others
            if one is not sending and not (one.done or one.waits) and one.place == sending.place
        ]

    def _refuse_busy(self, key: str) -> None:
        if self._closing:
            raise BusyError("the console is ending", "Start it again, then go on.")
        if (work := self._works.get(key)) is not None and not work.done:
            raise BusyError(work.busy, "Load the page again.")

    def _begin(self, work: Work, doing: Coroutine[Any, Any, None]) -> None:
        key = work.key
        self._works.pop(key, None)  # so that the last to begin stands last
        self._works[key] = work
        ended = [name for name, one in self._works.items() if one.done]
        for name in ended[: max(0, len(ended) - MOST_ENDED)]:
            del self._works[name]

        async def through() -> None:
            try:
                await doing
            except ImporterError as error:
                work.error = error
            except Exception:  # noqa: BLE001 (it is logged whole, and the person is told)
                _log.exception("Work for a draft failed")
                work.error = ImporterError(
                    "something went wrong in the console itself",
                    "The terminal that it runs in says more; what you did can be tried again.",
                )
            finally:
                work.ended.set()
                del self._tasks[key]
                work.feed.end()

        self._tasks[key] = asyncio.create_task(through())


UNDER_WAY = web.AppKey("UNDER_WAY", UnderWay)


async def watch(request: web.Request, work: Work | None) -> web.StreamResponse:
    """Answer a page that watches work with how it goes, until it ends; 404 where there is none."""
    if work is None:
        raise web.HTTPNotFound
    return await request.app[STREAMS].send(request, work.feed.events())


def _discard(plan_dir: Path) -> None:
    """Remove a plan in whose place another has come, if nothing was sent of it."""
    with contextlib.suppress(ImporterError):
        if not library.past_run(plan_dir).begun:
            shutil.rmtree(plan_dir, ignore_errors=True)


def ingredients(draft: Draft, where: Whereabouts) -> dict[str, str]:
    """What a plan is made of, by name, so that it shows when one of them is another; blocks."""
    has_edits = draft.edits.exists() and draft.edits.stat().st_size > 0
    reading = json.dumps(asdict(draft.reading), sort_keys=True)
    return {
        "mapping": digest_of(draft.mapping),
        "edits": digest_of(draft.edits) if has_edits else "",
        "reading": reading,
        "place": where.key,
        "excepted": draft.sent_before(),
    }
