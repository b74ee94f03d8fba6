"""How long a sender elsewhere may begin requests of its leases: for a term, which is renewed.

A sender may be frozen (a stopped process, a suspended machine, a paused container) and wake up when
its coordinator is long gone and its rows were sent again. So it may begin requests only until a
moment that the coordinator keeps moving on while it is alive. The moment is one of the sender's own
clock, from a reading that the coordinator had of it: however long a renewal was under way, it ends
at the same moment. Nobody releases uncertain rows of a run before the longest term is over.
"""

from __future__ import annotations

import math
import time

LEASE_SECONDS = 30.0
"""How long a term is, from the reading of the sender's clock that it was granted upon."""
RENEW_SECONDS = 5.0
"""How often a term is renewed: a coordinator may be held up for the rest of it."""


def awake_or_asleep() -> float:
    """Seconds of a clock that goes on while the machine is suspended, and is never set.

    The same in all processes of a machine.
    """
    # Linux has a clock of its own for it; what others call monotonic counts suspension.
    if (clock := getattr(time, "CLOCK_BOOTTIME", None)) is not None:
        return time.clock_gettime(clock)
    if hasattr(time, "clock_gettime"):
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


class LeaseTerm:
    """Until when a sender may begin requests; over until it is renewed for the first time."""

    def __init__(self) -> None:
        self._until = -math.inf

    def renew(self, until: float) -> None:
        """Move its end to a moment of :func:`awake_or_asleep`, but never back."""
        self._until = max(self._until, until)

    @property
    def lasts(self) -> bool:
        """Whether a request may begin now; to be asked right before it is written."""
        return awake_or_asleep() < self._until
