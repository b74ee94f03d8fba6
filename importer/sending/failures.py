"""When too many rows have failed: then it is the mapping or the service, and not the rows."""

from __future__ import annotations

from importer.model import Outcome, Status, Stop
from importer.settings import MaxFailures

_FAILED = frozenset({Status.REJECTED, Status.UNCERTAIN})
_ANSWERED = _FAILED | {Status.CREATED}


class Failures:
    """Counts what became of the rows that were sent."""

    def __init__(self, most: MaxFailures | None) -> None:
        self._most = most
        self._failed = self._answered = 0

    def count(self, outcome: Outcome) -> Stop | None:
        """Take note of an outcome; the verdict that stops the run, if that was one too many."""
        if outcome.status not in _ANSWERED:
            return None
        self._answered += 1
        if outcome.status not in _FAILED:
            return None
        self._failed += 1
        if self._most is None or not self._most.exceeded(self._failed, self._answered):
            return None
        return Stop(
            "too_many_failures",
            f"{self._failed} of {self._answered} rows failed, and {self._most} may",
            "See failures.csv and uncertain.csv: is it the mapping? To go on all the same, "
            "resume the run with a higher --max-failures.",
        )
