"""How a run is asked to stop, from a signal handler or another thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class StopSwitch:
    """Pulled at most once; the first reason stays. Safe in signal handlers and threads."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._watchers: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def pull(self, reason: str) -> None:
        """Ask for an end: nothing new is begun, what is under way is finished and recorded."""
        if self.reason is None:
            self.reason = reason
        for loop, event in list(self._watchers):
            with contextlib.suppress(RuntimeError):  # that loop is closed: it has ended already
                loop.call_soon_threadsafe(event.set)

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
