"""Work on its way in a thread of its own: its news as they come, its result at the end.

The line runs on an event loop of its own, so it cannot be called where one is running already. A
thread is where it can be called from anywhere. Nothing of the caller's is touched from there but
what is made for it: the news, the future of the result, and a loop's `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import signal
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future
from types import FrameType, TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

from importer.errors import RunInterruptedError
from importer.model import Event, Progress
from importer.pipeline.apply import Listener
from importer.pipeline.news import LOOK_UP, News
from importer.pipeline.stopping import StopSwitch
from importer.sending.loop import interrupt

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Work = Callable[[StopSwitch, Listener], Result]


class Running(Generic[Result]):
    """A check or a run that is under way.

    Go through it, with ``for`` or ``async for``, for its news; ask :meth:`result`, or ``await``
    it, for how it ended. Use it in ``with`` or ``async with``: a block that is left by an
    exception stops the work, and no block is left before the work has ended.
    """

    def __init__(self, work: Work[Result], stop: StopSwitch) -> None:
        self._stop = stop
        self._news = News()
        self._future: Future[Result] = Future()
        self._future.set_running_or_notify_cancel()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._work, work), name="vcc-import", daemon=True
        )
        # A program that ends without waiting ends in order, though as after a crash: the thread
        # pools that record outcomes are gone by then, so what is in flight stays uncertain.
        atexit.register(self._end)
        self._thread.start()

    def _work(self, work: Work[Result]) -> None:
        try:
            result = work(self._stop, self._news.put)
        except BaseException as error:  # noqa: BLE001 (raised again where the result is asked for)
            self._future.set_exception(error)
        else:
            self._future.set_result(result)
        finally:
            self._news.end()
            atexit.unregister(self._end)

    @property
    def done(self) -> bool:
        """Whether the work has ended, well or not."""
        return self._future.done()

    def stop(self, reason: str = "stopped by the caller") -> None:
        """Ask for an end, from any thread: what is in flight is awaited and recorded.

        Nothing is waited for here; the result says what became of the rows.
        """
        self._stop.pull(reason)

    def result(self) -> Result:
        """Wait for the end and give the result; raises what the work raised."""
        self._wait()
        return self._future.result()

    def _wait(self) -> None:
        while not self._future.done():
            with contextlib.suppress(TimeoutError):
                self._future.exception(LOOK_UP)

    def __iter__(self) -> Iterator[Progress | Event]:
        return iter(self._news)

    def __aiter__(self) -> AsyncIterator[Progress | Event]:
        return self._news.__aiter__()

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
            self._thread.join(LOOK_UP)

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

    Gives the work under way: to be gone through for its news, and asked for its result.
    """
    given: dict[str, Any] = dict(options)
    stop: StopSwitch = given.pop("stop", None) or StopSwitch()
    also: Listener | None = given.pop("listener", None)

    def begin(stop: StopSwitch, tell: Listener) -> Result:
        def listener(news: Progress | Event) -> None:
            tell(news)
            if also is not None:
                also(news)

        call: Callable[..., Result] = work
        return call(*args, **given, stop=stop, listener=listener)

    return Running(begin, stop)


async def heard(running: Running[Result], listener: Listener | None) -> Result:
    """The result of work that is under way, its news told on the running loop."""
    async with running:
        if listener is not None:
            async for news in running:
                listener(news)
        return await running


def sent(work: Callable[..., Result], **options: Any) -> Result:
    """Do work that sends: a first Ctrl-C lets it finish what is in flight."""
    if on_a_loop():
        return in_a_thread(work, **options)
    stop = options.pop("stop", None) or StopSwitch()
    with _stopped_by_ctrl_c(stop):
        return work(**options, stop=stop)


def in_a_thread(work: Callable[..., Result], **options: Any) -> Result:
    """Do work in a thread of its own, and wait for it."""
    with start(work, **options) as running:
        return running.result()


def on_a_loop() -> bool:
    """Whether an event loop is running in this thread: the line cannot be called here, then."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextlib.contextmanager
def _stopped_by_ctrl_c(stop: StopSwitch) -> Iterator[None]:
    """Pull the switch at the first Ctrl-C and raise KeyboardInterrupt at the end.

    At the second it is raised at once, but not within a loop, which is ended first. A handler of
    the program's own is left in charge.
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
