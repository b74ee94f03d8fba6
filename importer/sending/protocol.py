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
"""Takes outcomes, on the event loop's thread, and returns at once: credits bound their number."""


class Engine(Protocol):
    """Sends leased rows."""

    @property
    def width(self) -> int:
        """How many rows it can use at once, now; it is granted up to twice as many.

        Normally the number of requests that may be in flight. An engine that finds its own
        concurrency asks for more where latency is very low (see `pace.AutoWidth`, rule 9).
        """
        ...

    def distrust(self, row: int) -> None:
        """Doubt the answer to a row, and the other answers of its connection.

        Rows in doubt that were reported as created or rejected are reported once more, as
        uncertain, with their former state (`Outcome.was`). Connections are used once each from then
        on; for a row that this engine did not send (0, for instance) nothing else happens.
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


class SendingJournal(Protocol):
    """The part of the journal that sending needs; called from one thread, never the loop's."""

    def record(
        self,
        *,
        outcomes: Sequence[Outcome] = ...,
        withdrawn: Sequence[int] = ...,
        intents: Sequence[int] = ...,
        doubted: Sequence[Outcome] = ...,
    ) -> None:
        """Record all of it or, raising, nothing; intents are durable on return.

        `doubted` replace outcomes that were recorded before.
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
    """The uncertain outcome of a row that may not have been created, or not with these numberids.

    Its numberids are kept, so that a person can look them up. `was` is the state in which the row
    was reported before, if it was.
    """
    return outcome._replace(
        status=Status.UNCERTAIN, code=code, message=message, hint=MAY_EXIST, was=was
    )


_FAILED = frozenset({Status.REJECTED, Status.UNCERTAIN})
_SENT = _FAILED | {Status.CREATED}


class FailureCount:
    """Counts rejected and uncertain rows, and stops the run above the limit `most`; None is none.

    With so many the mapping or the service is wrong, and not the rows.
    """

    def __init__(self, most: MaxFailures | None) -> None:
        self._most = most
        self._failed = self._sent = 0

    def add(self, outcome: Outcome) -> Stop | None:
        """Count an outcome; the verdict that stops the run, if there are too many failures."""
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
