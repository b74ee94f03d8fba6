"""When a request may begin: how many at once, and how many in a second.

Nothing here reads a clock or sleeps: times are arguments, in seconds of one monotonic clock.

**In a second** (`Pacer`, `_TokenBucket`, `_LearnedRate`):

1. The rate is a token bucket that holds a twentieth of a second's worth. Each request takes the
   next of evenly spaced times; a time that was missed is made up for, but for no more than the
   bucket holds. So the rate is kept over seconds and no burst is longer than that. A rate that was
   learned is kept more evenly (a hundredth), since nobody knows what bursts are allowed.
2. A 429 teaches a rate, since a fast service is too fast even one request at a time. What was let
   through from one 429 to the end of the wait it asks for is what the service stands over such a
   while, so this rate, less 3 %, is kept from then on. 429s of requests that were under way when
   the first one came say nothing new.
3. That may be too low where the service allows only short bursts. So after the first 429 the rate
   doubles as often as it was kept for twice the burst that the first 429 ended (or for 1.5 s),
   until a 429 says otherwise. From then on a little more is tried now and then: 3 %, or half of
   what is between the rates that held and failed, on a logarithmic scale. Each trial in vain
   doubles the time until the next, from 10 s up to 5 minutes; each success makes the next larger,
   for a limit that was lifted.
4. A rate that was asked for is never exceeded, whatever was learned.

**At once** (`AutoWidth`), where no concurrency was asked for: the width, that is the number of
requests in flight, is found by trying.

5. What a greater width brings is seen from the latency. While `w` are in flight all the time,
   `w / latency` are answered in a second (Little's law), whatever bunches they come in. So going
   from `w` to `v` brings the gain `(v / w) * (latency at w / latency at v)`.
6. A measurement takes the mean latency of requests that began since the width was set, without
   the first `w` of them, which met the service as it was before. It counts only if the width is
   what held sending back, and not the rows, the rate or a wait.
7. *Ramp*: from `START` the width doubles as long as that brings `RAMP_GAIN`, or answers come
   within `QUICK`: at such latencies no queue has formed, and our side takes less time for many at
   once. Then it is set to what the last gain shows to be of use, and a quarter more, so that the
   service never idles while an answer is on its way.
8. *Settled*: now and then a quarter more is tried, and kept if it brings at least half of what it
   could; each trial in vain doubles the time until the next. If the latency is over twice the
   best seen, and not within `QUICK`, less is tried, and kept if it costs nothing.
9. A service that answers at once is given few requests at a time, and yet many a second. So the
   rows to have at hand are the width, or what is answered in `MOMENT`, if that is more.
10. Trouble (503, 504, lost answers) takes 3 tenths off, once for all that was in flight then, and
    lets nothing be tried for some seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum

from importer.settings import WIDEST

START = 8
"""The width that is tried first."""
RAMP_GAIN = 1.5
QUICK = 0.005
"""Seconds of latency."""
MOMENT = 0.01
"""Seconds for which there are to be rows at hand."""
_COUNTING_SECONDS = 0.05
"""For how long answers are counted before the rows to have at hand are worked out anew."""
_HEADROOM = 1.25
_STEP = 1.25
"""What is tried is so many times the width."""
_LESS = 0.7
_SAMPLES = 24
"""Answers that a measurement needs at least."""
_FULL = 0.8
"""The part of answers at which the width must have been used up for them to count."""
_WINDOW_SECONDS = 0.25
"""How long a measurement takes at least, once the width is settled."""
_HOLD_SECONDS = (1.0, 30.0)
"""The shortest and the longest time between two trials."""
_TROUBLE_SECONDS = 5.0

_BURST_SECONDS = 0.05
"""What the token bucket holds, in seconds of the rate."""
_LEARNED_BURST_SECONDS = 0.01
_EARLY_SECONDS = 0.001
"""The resolution of event loops' timers: a request may begin so many seconds early."""
_BELOW = 0.97
_FEW = 5
"""Fewer answers than this are too few to learn a rate from: they count for the next 429."""
_SLOWEST = 0.1
"""Requests a second below which no rate is learned."""
_DOUBLING_SECONDS = (0.3, 1.5)
_GENTLE = 1.03
_TRIAL_SECONDS = 3.0
_PATIENCE_SECONDS = (10.0, 300.0)

Changed = Callable[[int, float | None], None]
"""A callback that takes the new width and rate."""


class Pacer:
    """Says when the next request may begin; `concurrency` and `rate` as settings.Pace has them."""

    def __init__(
        self, concurrency: int | None, rate: float | None, now: float, changed: Changed
    ) -> None:
        self._fixed = concurrency
        self._auto = AutoWidth(now, WIDEST) if concurrency is None else None
        self._asked = rate
        self._learned = _LearnedRate(now)
        self._bucket = _TokenBucket(rate, now)
        self._changed = changed

    @property
    def width(self) -> int:
        """How many may be in flight at once."""
        return self._auto.width if self._auto is not None else self._fixed or 1

    @property
    def at_hand(self) -> int:
        """How many rows to have ready, so that no request waits for one."""
        return self._auto.at_hand if self._auto is not None else self.width

    @property
    def rate(self) -> float | None:
        """How many may begin in a second; None is any number."""
        return self._bucket.rate

    def wait(self, now: float) -> float:
        """Seconds until the rate lets the next request begin; 0 is now."""
        return self._bucket.wait(now)

    def begin(self, now: float) -> None:
        """Count a request that begins against the rate."""
        self._bucket.take(now)

    def answered(self, now: float, began: float, in_flight: int) -> None:
        """The service answered for a row; `in_flight` includes this request."""
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


class _TokenBucket:
    """Rules 1 and 4: a token bucket, kept as the time at which the next request is due."""

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
    """Rules 2 and 3; `rate` is infinite until a 429 taught one."""

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
        more_let_through = self._let_through > self._counted
        self._counted = self._let_through
        if self._let_through < _FEW:
            # With nothing let through at all, waiting is what helps, and not another rate.
            if math.isinf(self.rate) or not more_let_through:
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


class _Phase(Enum):
    RAMP = "ramp"
    SETTLED = "settled"
    MORE = "more"
    LESS = "less"


class AutoWidth:
    """The number of requests in flight, found by trial (rules 5 to 10)."""

    def __init__(self, now: float, widest: int) -> None:
        self._widest = widest
        self.width = min(START, widest)
        self.settled = self.width
        """The width that was found; `width` may differ while another one is tried."""
        self._phase = _Phase.RAMP
        self._base = 0.0
        self._floor = math.inf
        self._hold = _HOLD_SECONDS[0]
        self._next_trial = 0.0
        self._cut_at = -math.inf
        self._in_a_moment = 0
        self._count_anew(now)
        self._measure(now)

    @property
    def at_hand(self) -> int:
        """How many rows to have ready (rule 9)."""
        return max(self.width, min(self._in_a_moment, self._widest))

    def answered(self, now: float, began: float, in_flight: int) -> None:
        """Count an answer; `in_flight` includes its own request."""
        if began < self._cut_at:
            return
        self._in_flight += in_flight
        self._under_way += now - began
        if now >= self._counted_at + _COUNTING_SECONDS:
            # By rule 5, since there may have been no rows for much of that time.
            self._in_a_moment = round(MOMENT * self._in_flight / max(self._under_way, 1e-9))
            self._count_anew(now)
        if began < self._since:
            return
        self._seen += 1
        if self._seen <= self._skip:
            return
        self._count += 1
        self._latency += now - began
        self._full += in_flight >= self.width
        if self._count >= self._wanted and now >= self._until:
            self._measured(now)

    def trouble(self, now: float, began: float) -> None:
        """Back off, unless the request began before the last time."""
        if began < self._cut_at:
            return
        self._cut_at = now
        self._count_anew(now)
        self._in_a_moment = 0
        self._settle(now, max(1, int(self.settled * _LESS)))
        self._next_trial = now + _TROUBLE_SECONDS

    def _count_anew(self, now: float) -> None:
        self._counted_at = now
        self._in_flight, self._under_way = 0, 0.0

    def _measure(self, now: float) -> None:
        self._since = now
        self._seen = self._count = self._full = 0
        self._latency = 0.0
        self._skip = self.width
        ramping = self._phase is _Phase.RAMP
        self._wanted = max((2 if ramping else 4) * self.width, _SAMPLES)
        self._until = now + (0.0 if ramping else _WINDOW_SECONDS)

    def _measured(self, now: float) -> None:
        if self._full >= _FULL * self._count:
            self._decide(now, max(self._latency / self._count, 1e-9))
        elif self._phase in (_Phase.MORE, _Phase.LESS):
            self._settle(now, self.settled)
        self._measure(now)

    def _decide(self, now: float, latency: float) -> None:
        gain = (self.width / self.settled) * (self._base / latency)
        match self._phase:
            case _Phase.RAMP if self.width == self.settled:  # the first of all
                self._base = latency
                self._try(self.width * 2)
            case _Phase.RAMP if gain >= RAMP_GAIN or latency < QUICK:
                self.settled, self._base = self.width, latency
                self._try(self.width * 2)
            case _Phase.RAMP:
                useful = math.ceil(self.settled * max(gain, 1.0) * _HEADROOM) + 1
                self._floor = self._base
                self._settle(now, min(useful, self.width))
            case _Phase.MORE:
                if gain >= 1 + (self.width / self.settled - 1) / 2:
                    self._base, self._hold = latency, _HOLD_SECONDS[0]
                    self._settle(now, self.width)
                    self._next_trial = now
                else:
                    self._hold = min(2 * self._hold, _HOLD_SECONDS[1])
                    self._settle(now, self.settled)
            case _Phase.LESS:
                if gain < 0.97:
                    self._floor = self._base  # it is the service's own latency, not a queue's
                    self._settle(now, self.settled)
                else:
                    self._settle(now, self.width)
            case _Phase.SETTLED:
                self._base = latency
                self._floor = min(self._floor, latency)
                if now < self._next_trial:
                    return
                if latency > max(2 * self._floor, QUICK) and self.width > 1:
                    self.width = max(1, int(self.width * _LESS))
                    self._phase = _Phase.LESS
                elif self.width < self._widest:
                    self.width = min(math.ceil(self.width * _STEP), self._widest)
                    self._phase = _Phase.MORE

    def _try(self, width: int) -> None:
        self.width = min(width, self._widest)
        if self.width == self.settled:
            self._phase = _Phase.SETTLED
            self._floor = self._base

    def _settle(self, now: float, width: int) -> None:
        self.width = self.settled = width
        self._phase = _Phase.SETTLED
        self._next_trial = now + self._hold
        self._measure(now)
