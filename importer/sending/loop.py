"""Running an event loop to its end, and interrupting it from a signal handler."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on a new event loop: uvloop's where it is installed, which is faster.

    If :func:`interrupt` was called meanwhile, its error is raised once the loop is closed, whatever
    the coroutine returned or raised.
    """
    thread, running = threading.get_ident(), _LoopRun()
    outer = _LOOP_RUNS.get(thread)
    _LOOP_RUNS[thread] = running
    try:
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            return runner.run(running.follow(main))
    finally:
        main.close()  # it has not begun where the interruption came first
        if outer is None:
            del _LOOP_RUNS[thread]
        else:  # asyncio refuses a loop within a loop, and the outer one goes on
            _LOOP_RUNS[thread] = outer
        if running.error is not None:
            raise running.error from None


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The factory of uvloop's event loop; None, for the standard one, where it is not installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def interrupt(error: BaseException) -> bool:
    """End the `run_loop` of this thread, which then raises `error`; False if there is none.

    For signal handlers: an exception raised by one, between any two instructions of a loop, would
    leave the loop half closed. So its main task is cancelled instead.
    """
    running = _LOOP_RUNS.get(threading.get_ident())
    if running is None:
        return False
    running.interrupt(error)
    return True


class _LoopRun:
    """One call of `run_loop`: its main task, and the error to raise at its end."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._task: asyncio.Task[Any] | None = None

    async def follow(self, main: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine as the main task."""
        self._task = asyncio.current_task()
        if self.error is not None:
            raise asyncio.CancelledError
        try:
            return await main
        finally:
            self._task = None

    def interrupt(self, error: BaseException) -> None:
        """Set the error, and cancel the main task if it still runs."""
        self.error = error
        if self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended already
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)


_LOOP_RUNS: dict[int, _LoopRun] = {}
"""By thread."""
