"""A check or a run under way: its progress, how it is stopped, and how it is awaited.

The pipeline runs on an event loop of its own, so it cannot be called where a loop is running. In a
thread it can be called from anywhere. That thread touches nothing of the caller but what is made
for it: the feed of progress, the future of the result, and a loop's `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import signal
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

from importer.errors import RunInterruptedError
from importer.model import Event, Progress
from importer.sending.loop import interrupt

Listener = Callable[[Progress | Event], None]
"""A callback for progress and events, in the thread that works; once for each group of replies."""
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class StopSwitch:
    """How a run is asked to stop, from a signal handler or another thread.

    It is pulled at most once: the first reason stays.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._watchers: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._children: list[StopSwitch] = []

    def pull(self, reason: str) -> None:
        """Ask for an end: nothing new is begun, what is under way is finished and recorded."""
        if self.reason is None:
            self.reason = reason
        for loop, event in list(self._watchers):
            with contextlib.suppress(RuntimeError):  # that loop is closed: it has ended already
                loop.call_soon_threadsafe(event.set)
        for child in list(self._children):
            child.pull(self.reason)

    @contextlib.contextmanager
    def child(self) -> Iterator[StopSwitch]:
        """Give a switch that is pulled with this one, and may be pulled without it."""
        child = StopSwitch()
        self._children.append(child)
        if self.reason is not None:
            child.pull(self.reason)
        try:
            yield child
        finally:
            self._children.remove(child)

    @contextlib.contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """Give an event of the running loop that is set when the switch is pulled."""
        watcher = (asyncio.get_running_loop(), asyncio.Event())
        self._watchers.append(watcher)
        if self.reason is not None:
            watcher[1].set()
        try:
            yield watcher[1]
        finally:
            self._watchers.remove(watcher)


@dataclass(frozen=True, slots=True)
class Control:
    """The stop switch, the listener and the log of problems of work under way.

    The `listener` is called from the thread that works. `log` is the path of a file for all
    problems; None keeps none.
    """

    stop: StopSwitch = field(default_factory=StopSwitch)
    listener: Listener = lambda _: None
    log: Path | None = None


async def ended_unless_stopped(work: Coroutine[Any, Any, None], stop: StopSwitch) -> bool:
    """Do work that only looks, and may end anywhere; whether it was stopped before its end."""
    with stop.watched() as stopping:
        working, waiting = asyncio.create_task(work), asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()  # raises what it raised
                return False
            return True
        finally:
            for task in (working, waiting):
                task.cancel()
            await asyncio.gather(working, waiting, return_exceptions=True)


MOST_EVENTS = 256
"""Events that wait for a reader; older ones are dropped."""
_WAIT_SECONDS = 0.2
"""Seconds that a thread waits at a time: on Windows a wait without a limit hears no Ctrl-C."""


class ProgressFeed:
    """A bounded queue of progress and events, from the thread that works to one reader.

    One thread puts items in and never waits; another thread, or an event loop, iterates over it
    once. Only the newest progress and the newest `MOST_EVENTS` events are kept: a slow reader, or
    none, neither slows the work nor fills the memory.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._progress: Progress | None = None
        self._over = False
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def put(self, item: Progress | Event) -> None:
        """Put an item in; older ones that were not read may be dropped."""
        with self._changed:
            if isinstance(item, Progress):
                self._progress = item
            else:
                self._events.append(item)
            self._wake()

    def end(self) -> None:
        """Say that nothing more is coming."""
        with self._changed:
            self._over = True
            self._wake()

    def _wake(self) -> None:
        self._changed.notify_all()
        for loop, event in self._waiters:
            with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits there
                loop.call_soon_threadsafe(event.set)
        self._waiters.clear()

    def _take(self) -> Progress | Event | None:
        """The next item, events first; None if there is none. The lock must be held."""
        if self._events:
            return self._events.popleft()
        progress, self._progress = self._progress, None
        return progress

    def __iter__(self) -> Iterator[Progress | Event]:
        while True:
            with self._changed:
                while (item := self._take()) is None:
                    if self._over:
                        return
                    self._changed.wait(_WAIT_SECONDS)
            yield item

    async def __aiter__(self) -> AsyncIterator[Progress | Event]:
        while True:
            changed = asyncio.Event()
            with self._changed:
                item = self._take()
                if item is None:
                    if self._over:
                        return
                    self._waiters.append((asyncio.get_running_loop(), changed))
            if item is None:
                await changed.wait()
            else:
                yield item


Work = Callable[[StopSwitch, Listener], Result]


class Running(Generic[Result]):
    """A check or a run that is under way in a thread of its own.

    Iterate over it, with ``for`` or ``async for``, for its progress; call :meth:`result`, or
    ``await`` it, for its result. Use it in ``with`` or ``async with``: an exception in the block
    stops the work, and the block is left only when the work has ended.
    """

    def __init__(self, work: Work[Result], stop: StopSwitch) -> None:
        self._stop = stop
        self._feed = ProgressFeed()
        self._future: Future[Result] = Future()
        self._future.set_running_or_notify_cancel()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._work, work), name="vcc-import", daemon=True
        )
        # Where a program ends without waiting, this stops the work. Outcomes cannot be recorded any
        # more then (thread pools are gone): rows in flight stay uncertain, as after a crash.
        atexit.register(self._end)
        self._thread.start()

    def _work(self, work: Work[Result]) -> None:
        try:
            result = work(self._stop, self._feed.put)
        except BaseException as error:  # noqa: BLE001 (raised again where the result is asked for)
            self._future.set_exception(error)
        else:
            self._future.set_result(result)
        finally:
            self._feed.end()
            atexit.unregister(self._end)

    @property
    def done(self) -> bool:
        """Whether the work has ended, well or not."""
        return self._future.done()

    def stop(self, reason: str = "stopped by the caller") -> None:
        """Ask for an end, from any thread, and return at once.

        What is in flight is awaited and recorded; the result has the outcome.
        """
        self._stop.pull(reason)

    def result(self) -> Result:
        """Wait for the end and return the result; raises what the work raised."""
        self._wait()
        return self._future.result()

    def _wait(self) -> None:
        while not self._future.done():
            with contextlib.suppress(TimeoutError):
                self._future.exception(_WAIT_SECONDS)

    def __iter__(self) -> Iterator[Progress | Event]:
        return iter(self._feed)

    def __aiter__(self) -> AsyncIterator[Progress | Event]:
        return self._feed.__aiter__()

    def __await__(self) -> Generator[None, None, Result]:
        return self._awaited().__await__()

    async def _awaited(self) -> Result:
        ended = asyncio.wrap_future(self._future)
        try:
            await asyncio.wait([ended])
        except asyncio.CancelledError:
            await self._end_async(ended)
            raise
        return ended.result()

    def _end(self) -> None:
        self.stop()
        while self._thread.is_alive():
            self._thread.join(_WAIT_SECONDS)

    async def _end_async(self, ended: asyncio.Future[Result]) -> None:
        """Stop, and wait for the end, however often the waiting task is cancelled meanwhile.

        The wait is bounded: no request lasts longer than its time limit.
        """
        self.stop("cancelled")
        while not ended.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([ended])
        ended.exception()  # asked for: asyncio complains of errors that nobody has seen

    def __enter__(self) -> Running[Result]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._wait()
        finally:
            # Nothing is left to stop, unless the block or the wait was left by an exception.
            self._end()

    async def __aenter__(self) -> Running[Result]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            await self._end_async(asyncio.wrap_future(self._future))
            return
        with contextlib.suppress(Exception):  # it is raised where the result is asked for
            await self


def start(
    work: Callable[Parameters, Result], *args: Parameters.args, **options: Parameters.kwargs
) -> Running[Result]:
    """Begin `check`, `run` or `resume`, called with these arguments, in a thread of its own.

    Returns the work under way, for its progress and its result.
    """
    given: dict[str, Any] = dict(options)
    stop: StopSwitch = given.pop("stop", None) or StopSwitch()
    also: Listener | None = given.pop("listener", None)

    def begin(stop: StopSwitch, tell: Listener) -> Result:
        def listener(item: Progress | Event) -> None:
            tell(item)
            if also is not None:
                also(item)

        call: Callable[..., Result] = work
        return call(*args, **given, stop=stop, listener=listener)

    return Running(begin, stop)


async def follow(running: Running[Result], listener: Listener | None) -> Result:
    """Wait for work under way and return its result; `listener` is called on the running loop."""
    async with running:
        if listener is not None:
            async for item in running:
                listener(item)
        return await running


def run_until_stopped(work: Callable[..., Result], **options: Any) -> Result:
    """Call work that sends, and return its result; a first Ctrl-C stops it in order."""
    if on_a_loop():
        return in_a_thread(work, **options)
    stop = options.pop("stop", None) or StopSwitch()
    with _stopped_by_ctrl_c(stop):
        return work(**options, stop=stop)


def in_a_thread(work: Callable[..., Result], **options: Any) -> Result:
    """Call work in a thread of its own, and return its result."""
    with start(work, **options) as running:
        return running.result()


def on_a_loop() -> bool:
    """Whether an event loop runs in this thread: then the pipeline cannot be called here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextlib.contextmanager
def _stopped_by_ctrl_c(stop: StopSwitch) -> Iterator[None]:
    """Pull the switch at the first Ctrl-C, and raise KeyboardInterrupt after the block.

    The second Ctrl-C raises it at once; within a loop, as soon as that is closed. Where the program
    has a SIGINT handler of its own, nothing is done.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    received = False

    def handle(_: int, __: FrameType | None) -> None:
        nonlocal received
        if received:
            if interrupt(KeyboardInterrupt()):
                return
            raise KeyboardInterrupt
        received = True
        stop.pull("SIGINT")

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    except RunInterruptedError:
        if not received:
            raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if received:
        raise KeyboardInterrupt
