"""The desk between the event loop and SQLite: one thread, and group commit.

SQLite never runs on the event loop. Records that arrive while a transaction is being committed
share the next one, so that a commit costs the same for one as for hundreds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aiohttp import web

from importer.sandbox.body import Addition
from importer.sandbox.request_log import BEING_ANSWERED, Entry
from importer.sandbox.store import Store

T = TypeVar("T")


class Desk:
    """The one thread that SQLite runs in, and the queue of records before it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-store")
        self._waiting: list[tuple[Addition | None, Entry | None, asyncio.Future[int]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def ask(self, function: Callable[..., T], *arguments: object) -> T:
        """A read from the store, in its turn."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)

    async def add(self, addition: Addition) -> int:
        """Store a record, with all others that wait, and give its numberid once it is committed.

        Where a log is kept, the line of the request that the task answers goes with it.
        """
        return await self._commit(addition, BEING_ANSWERED.get())

    async def note(self, entry: Entry) -> None:
        """Log a request of which no record was stored."""
        await self._commit(None, entry)

    async def _commit(self, addition: Addition | None, entry: Entry | None) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((addition, entry, future))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        return await future

    async def _commit_all(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                numberids = await self.ask(self.store.add_logged, [one[:2] for one in group])
            except Exception as error:  # noqa: BLE001 (each request that waits raises it)
                for *_, future in group:
                    if not future.done():  # its request may have been given up meanwhile
                        future.set_exception(error)
            else:
                for (*_, future), numberid in zip(group, numberids, strict=True):
                    if not future.done():
                        future.set_result(numberid)

    async def close(self) -> None:
        """Wait for what is being committed and end the thread."""
        if self._committing is not None:
            await self._committing
        self._thread.shutdown()


DESK = web.AppKey("DESK", Desk)
