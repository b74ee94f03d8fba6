"""What work tells on its way, from its thread to another: bounded, and never waiting.

Of all progress only the newest is kept, and of events the newest `MOST_EVENTS`. So whoever
listens slowly, or not at all, neither slows the work nor fills the memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator

from importer.model import Event, Progress

MOST_EVENTS = 256
"""Events that wait for a listener; older ones are dropped."""
LOOK_UP = 0.2
"""Seconds between looks at what else there is: on Windows a wait without end hears no Ctrl-C."""


class News:
    """Told by one thread; gone through, once, by another or by an event loop."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._progress: Progress | None = None
        self._over = False
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def put(self, news: Progress | Event) -> None:
        """Tell something; what nobody has heard yet may give way to it."""
        with self._changed:
            if isinstance(news, Progress):
                self._progress = news
            else:
                self._events.append(news)
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
        """The next news, with the lock held: events first, since progress is of now."""
        if self._events:
            return self._events.popleft()
        progress, self._progress = self._progress, None
        return progress

    def __iter__(self) -> Iterator[Progress | Event]:
        while True:
            with self._changed:
                while (news := self._take()) is None:
                    if self._over:
                        return
                    self._changed.wait(LOOK_UP)
            yield news

    async def __aiter__(self) -> AsyncIterator[Progress | Event]:
        while True:
            changed = asyncio.Event()
            with self._changed:
                news = self._take()
                if news is None:
                    if self._over:
                        return
                    self._waiters.append((asyncio.get_running_loop(), changed))
            if news is None:
                await changed.wait()
            else:
                yield news
