"""The event loop that everything runs on."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

_ALLOCATIONS = 50_000
"""Objects that come to be before Python looks for rings of garbage; its own choice is 700."""


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the fastest event loop there is: uvloop's, where it is installed."""
    with _SELDOM:
        try:
            import uvloop
        except ImportError:
            return asyncio.run(main)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)


class _SeldomCollected:
    """Looks for rings of garbage less often while a loop runs.

    What a row leaves behind is freed at once, without being looked for. The program's own choice
    comes back with the end of the last of all loops, which may run in several threads. What was
    there before is not frozen: the rings among it would be kept, loop after loop.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._loops = 0
        self._before = gc.get_threshold()

    def __enter__(self) -> None:
        with self._mutex:
            self._loops += 1
            if self._loops == 1:
                self._before = gc.get_threshold()
                gc.set_threshold(_ALLOCATIONS, *self._before[1:])

    def __exit__(self, *exception: object) -> None:
        with self._mutex:
            self._loops -= 1
            if self._loops == 0:
                gc.set_threshold(*self._before)


_SELDOM = _SeldomCollected()
