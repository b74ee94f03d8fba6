"""A state machine of the service's trouble: when all rows wait, how many may be sent, when to stop.

Its rules; "certain" is an answer that says what became of a row, created or rejected:

1. *Throttled* (429, 503 with Retry-After): no request begins before the wait is over. Without a
   certain answer for `give_up_after` seconds, the run stops.
2. *Unreachable* (nothing could be sent): one request at a time is tried, after a back-off with full
   jitter, and all others wait. Any connection that is made ends this state. Without one for
   `give_up_after` seconds, the run stops.
3. *Storm*: `storm_after` uncertain answers in a row. Nothing is sent until the service answers a
   harmless GET, repeated with back-off; then one row is tried, alone. If that is uncertain, too,
   the next try waits longer: a 16th, an 8th, a quarter, half of `give_up_after`. After
   `SINGLE_TRIES` such rows, or without a certain answer for `give_up_after` seconds, the run stops.
4. *Recovery*: after a certain answer in a storm 2 rows may be in flight, and twice as many after
   each further one, up to full pace. An uncertain answer before then is a storm at once.

So without certain answers, at most `storm_after` rows, those in flight beside the last of them, and
`SINGLE_TRIES` more become uncertain: with the default 5, concurrency + 9.

Answers to requests that began before a trouble was noticed neither prolong nor end it; a connection
that proves the service reachable does. Times are arguments, in seconds of one monotonic clock.
"""

from __future__ import annotations

import math

from importer.model import Stop
from importer.settings import RetryPolicy

SINGLE_TRIES = 5

_LATER = "Resume the run when the service is well again: the rows that were not sent are pending."


class Trouble:
    """The state of trouble of one run."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._throttle_gate = -math.inf
        self._down_gate = -math.inf
        self.probe_at: float | None = None
        """When to send the harmless GET; None: no GET is due."""
        self.connect_attempt = 1
        """The number of the next attempt to connect, from 1, since the service was reached."""
        self.throttled_seconds = 0.0
        """How long the service has throttled us, over the whole run."""
        self._throttled_since: float | None = None
        self._down_since: float | None = None
        self._uncertain_in_a_row = 0
        self._storm_since: float | None = None
        self._paused_at = -math.inf
        self._single_tries = 0
        self._probes = 0
        self._recovering: int | None = None

    @property
    def gate(self) -> float:
        """No request begins before this time."""
        return max(self._throttle_gate, self._down_gate)

    @property
    def max_in_flight(self) -> int | None:
        """The most requests that may be in flight; None: as many as the pace allows."""
        if self._storm_since is not None:
            return 0 if self.probe_at is not None else 1
        return 1 if self._down_since is not None else self._recovering

    def throttled(self, now: float, after: float, message: str) -> Stop | None:
        """The service asks to wait `after` seconds."""
        limit = self._policy.give_up_after
        if self._throttled_since is None:
            self._throttled_since = now
        left = self._throttled_since + limit - now
        if left <= 0:
            return Stop(
                "throttled",
                f"the service has let nothing through for {limit:.0f} s: {message}",
                "Resume the run later, with a lower --rate or --concurrency.",
            )
        gate = max(self._throttle_gate, now + min(after, left))
        self.throttled_seconds += gate - max(self._throttle_gate, now)
        self._throttle_gate = gate
        return None

    def unreachable(self, now: float, began: float, after: float, message: str) -> Stop | None:
        """Nothing could be sent; the next try may begin after so many seconds."""
        limit = self._policy.give_up_after
        if self._down_since is None:
            self._down_since = now
        elif began <= self._down_since:
            return None
        left = self._down_since + limit - now
        if left <= 0:
            return Stop(
                "unreachable",
                f"the service could not be reached for {limit:.0f} s: {message}",
                f"Check the network, the base URL and any proxy. {_LATER}",
            )
        self.connect_attempt += 1
        self._down_gate = now + min(after, left)
        return None

    def reached(self, began: float, *, answered: bool) -> None:
        """A connection was made; one from before the trouble counts only if it `answered`."""
        if self._down_since is not None and (answered or began > self._down_since):
            self._down_since = None
            self._down_gate = -math.inf
            self.connect_attempt = 1

    def certain(self, began: float) -> None:
        """The service said what became of a row."""
        self._throttled_since = None
        self._uncertain_in_a_row = 0
        if began <= self._paused_at:
            return
        if self._storm_since is not None:
            self._storm_since, self._recovering = None, 1
        if self._recovering is not None:
            self._recovering *= 2

    def recovered(self, width: int) -> None:
        """End a recovery that has come to full pace."""
        if self._recovering is not None and self._recovering >= width:
            self._recovering = None

    def uncertain(self, now: float, began: float, message: str) -> Stop | None:
        """The answer to a row is uncertain."""
        self._uncertain_in_a_row += 1
        if began <= self._paused_at:
            return None
        if self._storm_since is None:
            if self._recovering is None and self._uncertain_in_a_row < self._policy.storm_after:
                return None
            self._storm_since, self._single_tries, wait = now, 0, self._policy.base
        else:
            self._single_tries += 1
            if self._single_tries >= SINGLE_TRIES:
                return self._storm_stop(now, message)
            wait = self._policy.give_up_after * 2.0 ** (self._single_tries - SINGLE_TRIES)
        self._recovering = None
        self._paused_at = now
        self._probes = 0
        return self._probe_after(now, wait, message)

    def probed(self, now: float, jitter: float, *, well: bool, message: str) -> Stop | None:
        """The harmless GET was answered well, or not."""
        if well:
            self.probe_at = None
            return None
        self._probes += 1
        # The exponent is bounded: a float overflows long after the cap was reached.
        longest = min(self._policy.cap, self._policy.base * 2.0 ** min(self._probes, 64))
        return self._probe_after(now, longest * (1 + jitter) / 2, message)

    def _probe_after(self, now: float, wait: float, message: str) -> Stop | None:
        left = self._stormy_since(now) + self._policy.give_up_after - now
        if left <= 0:
            return self._storm_stop(now, message)
        self.probe_at = now + min(wait, left)
        return None

    def _stormy_since(self, now: float) -> float:
        return now if self._storm_since is None else self._storm_since

    def _storm_stop(self, now: float, message: str) -> Stop:
        seconds = now - self._stormy_since(now)
        return Stop(
            "storm",
            f"the service has answered nothing certain for {seconds:.0f} s: {message}",
            f"{_LATER} Look for the uncertain ones in the service first: they may exist.",
        )
