"""When a request may begin: how many at once, and how many in a second.

Its rules:

1. *At once*: as many as were asked for, or as `width.py` finds out.
2. *In a second*: a token bucket that holds a twentieth of a second's worth. Each request takes
   the next of evenly spaced times; a time that was missed is made up for, but for no more than
   the bucket holds. So the rate is kept over seconds and no burst is longer than that. A rate
   that was learned is kept more evenly (a hundredth), since nobody knows what bursts are allowed.
3. *A 429 teaches a rate*, since a fast service is too fast even one request at a time. What was
   let through from one 429 to the end of the wait it asks for is what the service stands over
   such a while, so this rate, and 3 % less, is kept from then on. 429s of requests that were
   under way when the first one came say nothing new.
4. The lesson may be too low where the service allows only short bursts. So after the first one
   the rate doubles as often as it was kept for twice the burst that the first 429 ended (or for
   1.5 s), until a 429 says otherwise. From then on some more is tried now and then: 3 %, or half
   of what is between the rates that held and failed, on a logarithmic scale. Each trial in vain
   doubles the time until the next, from 10 s up to 5 minutes; each success makes the next
   larger, for a limit that was lifted.
5. A rate that was asked for is never exceeded, whatever was learned.

Nothing here reads a clock or sleeps: times are handed in, in seconds of any clock that only goes
forward.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from importer.sending.width import AutoWidth
from importer.settings import WIDEST

_BURST_SECONDS = 0.05
_LEARNED_BURST_SECONDS = 0.01
_EARLY_SECONDS = 0.001
"""Event loops tell no less apart, so a request may begin so much before its time."""

_BELOW = 0.97
_FEW = 5
"""Answers that are too few to learn a rate from: they are kept for the next lesson."""
_SLOWEST = 0.1
_DOUBLING_SECONDS = (0.3, 1.5)
_GENTLE = 1.03
_TRIAL_SECONDS = 3.0
_PATIENCE_SECONDS = (10.0, 300.0)

Changed = Callable[[int, float | None], None]
"""Takes the width and the rate that are kept from now on."""


class Pacer:
    """Says when the next request may begin; `concurrency` and `rate` as settings.Pace has them."""

    def __init__(
        self, concurrency: int | None, rate: float | None, now: float, changed: Changed
    ) -> None:
        self._fixed = concurrency
        self._auto = AutoWidth(now, WIDEST) if concurrency is None else None
        self._asked = rate
        self._learned = _LearnedRate(now)
        self._bucket = _Bucket(rate, now)
        self._changed = changed

    @property
    def width(self) -> int:
        """How many may be in flight at once."""
        return self._auto.width if self._auto is not None else self._fixed or 1

    @property
    def at_hand(self) -> int:
        """How many rows to have at hand, so that none is waited for."""
        return self._auto.at_hand if self._auto is not None else self.width

    @property
    def rate(self) -> float | None:
        """How many may begin in a second; None is any number."""
        return self._bucket.rate

    def wait(self, now: float) -> float:
        """Seconds until the rate lets the next request begin; 0 is now."""
        return self._bucket.wait(now)

    def begin(self, now: float) -> None:
        """A request begins, and takes its place in the rate."""
        self._bucket.take(now)

    def answered(self, now: float, began: float, in_flight: int) -> None:
        """The service answered for a row; `in_flight` counts this request, too."""
        if self._learned.answered(now):
            self._set_rate(now)
        if (auto := self._auto) is not None:
            before = auto.settled
            auto.answered(now, began, in_flight)
            if auto.settled != before:
                self._changed(auto.settled, self.rate)

    def throttled(self, now: float, began: float, wait: float) -> None:
        """The service said 429 and asks to wait."""
        if self._learned.throttled(now, began, wait):
            self._set_rate(now)
        self._bucket.hold(now + wait)

    def strained(self, now: float, began: float) -> None:
        """The service seems to have too much to do: 503, 504, no answer."""
        if (auto := self._auto) is not None:
            before = auto.settled
            auto.trouble(now, began)
            if auto.settled != before:
                self._changed(auto.settled, self.rate)

    def _set_rate(self, now: float) -> None:
        learned = self._learned.rate
        rate = learned if self._asked is None else min(learned, self._asked)
        if rate != self._bucket.rate:
            burst = _BURST_SECONDS if rate == self._asked else _LEARNED_BURST_SECONDS
            self._bucket.set(rate, burst, now)
            self._changed(self._auto.settled if self._auto else self.width, self.rate)


class _Bucket:
    """Rule 2: a token bucket, kept as the time at which the next request is due."""

    def __init__(self, rate: float | None, now: float) -> None:
        self.rate = rate
        self._burst = _BURST_SECONDS
        self._due = now

    def set(self, rate: float, burst: float, now: float) -> None:
        self.rate, self._burst = rate, burst
        # A time far ahead was meant for the old rate.
        self._due = min(self._due, now + 1 / rate)

    def hold(self, until: float) -> None:
        """Nothing begins before then, and that time is not made up for."""
        self._due = max(self._due, until)

    def wait(self, now: float) -> float:
        if self.rate is None:
            return 0.0
        wait = self._due - now
        return wait if wait > _EARLY_SECONDS else 0.0

    def take(self, now: float) -> None:
        if self.rate is not None:
            self._due = max(self._due, now - self._burst) + 1 / self.rate


class _LearnedRate:
    """Rules 3 and 4; `rate` is infinite until a 429 taught one."""

    def __init__(self, now: float) -> None:
        self.rate = math.inf
        self._sustained = 0.0
        self._growth = 2.0
        self._burst = 0
        self._patience = _PATIENCE_SECONDS[0]
        self._lesson_at = -math.inf
        self._open_since = now
        self._let_through = self._counted = 0
        self._trial_since = now
        self._trial_until = math.inf
        self._trial_answers = 0

    def answered(self, now: float) -> bool:
        """Count an answer; True if the rate changed."""
        self._let_through += 1
        self._trial_answers += 1
        if now < self._trial_until:
            return False
        return self._review(now)

    def throttled(self, now: float, began: float, wait: float) -> bool:
        """Learn from a 429; True if the rate changed."""
        if began < self._lesson_at:
            return False
        self._lesson_at = again = now + wait
        news, self._counted = self._let_through > self._counted, self._let_through
        if self._let_through < _FEW:
            # With nothing let through at all, waiting is what helps, and not another rate.
            if math.isinf(self.rate) or not news:
                return False
            self._set(self.rate / 2, again, _PATIENCE_SECONDS[0])
            return True
        burst, lesson = self._let_through, self._let_through / max(again - self._open_since, 1e-6)
        self._open_since, self._let_through, self._counted = again, 0, 0
        if math.isinf(self.rate):
            self._burst = burst
            self._set(lesson * _BELOW, again, _DOUBLING_SECONDS[1])
            return True
        failed = self.rate
        known = self._sustained if self._sustained < failed else 0.8 * failed
        rate = min(max(lesson, known), failed) * _BELOW
        seconds = _TRIAL_SECONDS
        if self._growth < 2.0:
            if now < self._trial_since + 2 * _TRIAL_SECONDS:
                self._patience = min(2 * self._patience, _PATIENCE_SECONDS[1])
            seconds = self._patience
        # A lesson that is no lower than what held is the limit itself; there is little to find.
        between = math.sqrt(failed / rate) if lesson < known else _GENTLE
        self._growth = min(max(_GENTLE, between), 1.99)
        self._set(rate, again, seconds)
        return True

    def _review(self, now: float) -> bool:
        """Raise the rate if it was used and held."""
        span = now - self._trial_since
        used = self._trial_answers / span
        if used < 0.8 * self.rate:
            self._begin_trial(now, span)
            return False
        self._sustained = self.rate
        rate = self.rate * self._growth
        seconds = _TRIAL_SECONDS
        if self._growth < 2.0:
            self._growth = min(1 + 2 * (self._growth - 1), 1.99)
        else:
            shortest, longest = _DOUBLING_SECONDS
            seconds = min(max(shortest, 2 * self._burst / rate), longest)
        self._set(rate, now, seconds)
        return True

    def _set(self, rate: float, since: float, seconds: float) -> None:
        self.rate = max(rate, _SLOWEST)
        self._begin_trial(since, seconds)

    def _begin_trial(self, since: float, seconds: float) -> None:
        self._trial_since = since
        self._trial_until = since + seconds
        self._trial_answers = 0
