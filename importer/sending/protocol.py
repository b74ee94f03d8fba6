"""The contract between the coordinator, the journal and the engines that send.

A lease is granted once. For each row of it the engine reports exactly one outcome, in any order,
as soon as it is known. ``pending`` means that the row surely did not arrive and may be granted
again. Rows for which an engine reports nothing are uncertain: the journal holds their intent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from importer.model import MAY_EXIST, Lease, Outcome, Status, Stop
from importer.settings import MaxFailures

Report = Callable[[Sequence[Outcome]], None]
"""Takes outcomes on the event loop's own thread; it returns at once, since credits bound it."""


class Engine(Protocol):
    """Sends leased rows."""

    @property
    def width(self) -> int:
        """How many rows it can use at once, as of now: it is granted up to twice as many.

        Normally the number of requests that may be in flight. An engine that finds its own
        concurrency asks for more where the service answers at once (see `pace.AutoWidth`).
        """
        ...

    def distrust(self, row: int) -> None:
        """Doubt a row's answer, which may be another row's, and what else its connection brought.

        Rows reported as created or rejected that are now in doubt are reported once more, as
        uncertain, with the state that they had been reported in (`Outcome.was`). A row that this
        engine did not send (0, for instance) only makes it distrust connections from now on.
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


def in_doubt(outcome: Outcome, code: str, message: str, was: Status | None = None) -> Outcome:
    """The outcome of a row that may not have been created, or not with these numberids.

    Its numberids are kept, so that a person can look them up. `was` is the state in which the row
    was reported before, where this outcome takes that one's place.
    """
    return outcome._replace(
        status=Status.UNCERTAIN, code=code, message=message, hint=MAY_EXIST, was=was
    )


_FAILED = frozenset({Status.REJECTED, Status.UNCERTAIN})
_SENT = _FAILED | {Status.CREATED}


class FailureCount:
    """Counts failed rows, and says when there are too many.

    Then it is the mapping or the service that is wrong, and not the rows. `most` is the limit;
    None is no limit.
    """

    def __init__(self, most: MaxFailures | None) -> None:
        self._most = most
        self._failed = self._sent = 0

    def add(self, outcome: Outcome) -> Stop | None:
        """Count an outcome; gives the verdict that stops the run if that was one too many."""
        if outcome.status not in _SENT:
            return None
        self._sent += 1
        if outcome.status not in _FAILED:
            return None
        self._failed += 1
        if self._most is None or not self._most.exceeded(self._failed, self._sent):
            return None
        return Stop(
            "too_many_failures",
            f"{self._failed} of {self._sent} rows failed, and {self._most} may",
            "See failures.csv and uncertain.csv: is it the mapping? To go on all the same, "
            "resume the run with a higher --max-failures.",
        )
