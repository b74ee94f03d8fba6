"""What the coordinator, its journal and its engines ask of each other.

A lease is granted once. For each row of it the engine reports exactly one outcome, in any order,
as soon as it is known; ``pending`` means that the row surely did not arrive and goes back. Rows
for which an engine reports nothing are uncertain: the journal holds their intent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from importer.model import Lease, Outcome, Stop

Report = Callable[[Sequence[Outcome]], None]
"""Takes outcomes on the event loop's own thread; it returns at once, since credits bound it."""


class Engine(Protocol):
    """Sends leased rows."""

    @property
    def width(self) -> int:
        """How many rows it has use for at once, as of now: it is granted up to twice as many.

        That is how many requests may be in flight; where it finds that number by itself and the
        service is swift, it may be more.
        """
        ...

    def distrust(self, row: int) -> None:
        """Take a row's answer for another's: whatever came on its connection then is in doubt.

        Rows that were reported as created or rejected are reported once more, as uncertain, with
        what they were (`Outcome.was`).
        """
        ...

    async def send(
        self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
    ) -> Stop | None:
        """Send every row of every lease; give the verdict that stopped it, or None.

        Once `stop` is set, or a reply stops the run, no request begins: those in flight are
        awaited and reported, all other leased rows are reported as pending.
        """
        ...


class Ledger(Protocol):
    """The part of the journal that sending needs; called from one thread that is not the loop's."""

    def record(
        self,
        *,
        outcomes: Sequence[Outcome] = ...,
        withdrawn: Sequence[int] = ...,
        intents: Sequence[int] = ...,
        doubted: Sequence[Outcome] = ...,
    ) -> None:
        """Record all of it or, raising, nothing; when it returns, intents are on the disk.

        `doubted` take the place of outcomes that were recorded before.
        """
        ...

    def holders(self, numberids: Sequence[str]) -> Sequence[Outcome]:
        """The rows recorded as created with one of these numberids."""
        ...


class End(StrEnum):
    """Why sending ended, in the words of summary.json."""

    FINISHED = "finished"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Ending:
    """How sending ended; `stop` is the verdict that stopped it."""

    end: End
    stop: Stop | None = None
