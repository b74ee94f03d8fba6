"""The event loop that everything runs on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the fastest event loop there is: uvloop's, where it is installed.

    Raises what :func:`interrupt` was given meanwhile, once the loop is closed, in the place of
    whatever the coroutine returned or raised.
    """
    thread, running = threading.get_ident(), _Running()
    outer = _RUNNING.get(thread)
    _RUNNING[thread] = running
    try:
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            return runner.run(running.follow(main))
    finally:
        main.close()  # it has not begun where the interruption came first
        if outer is None:
            del _RUNNING[thread]
        else:  # asyncio refuses a loop within a loop, and the outer one goes on
            _RUNNING[thread] = outer
        if running.error is not None:
            raise running.error from None


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes uvloop's event loop, where that is installed; None makes the standard one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def interrupt(error: BaseException) -> bool:
    """End the `run_loop` of this thread, which then raises `error`; False if there is none.

    For signal handlers, which may come between any two instructions of a loop: an exception that
    is raised there leaves the loop half closed. So its main task is cancelled.
    """
    running = _RUNNING.get(threading.get_ident())
    if running is None:
        return False
    running.interrupt(error)
    return True


class _Running:
    """A loop that runs in a thread, and the error that it is to raise at its end."""

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
        """Cancel the main task, if it still runs, as soon as the loop gets to it."""
        self.error = error
        if self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended already
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)


_RUNNING: dict[int, _Running] = {}
"""By thread."""
