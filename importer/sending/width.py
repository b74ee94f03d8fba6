"""How many requests to have in flight, found by trying.

Its rules:

1. What more requests at once bring is seen from the latency. While `w` are in flight all the
   time, `w / latency` are answered in a second (Little's law), whatever bunches they come in. So
   going from `w` to `v` brings the gain `(v / w) * (latency at w / latency at v)`.
2. A measurement takes the mean latency of requests that began since the width was set, without
   the first `w` of them, which met the service as it was before. It counts only if the width is
   what held sending back, and not the rows, the rate or a wait.
3. *Ramp*: from `START` the width doubles as long as that brings `RAMP_GAIN`, or answers come
   within `QUICK`: what waits no longer than that presses nobody, and our side takes less time for
   many at once. Then it is set to what the last gain shows to be of use, and a quarter more, so
   that the service never idles while an answer is on its way.
4. *Settled*: now and then a quarter more is tried, and kept if it brings at least half of what it
   could; each trial in vain doubles the time until the next. If the latency is over twice the
   best seen, and not within `QUICK`, less is tried, and kept if it costs nothing.
5. A service that answers at once is given few requests at a time, and yet many a second. So what
   is to be had at hand is the width, or what is answered in `MOMENT`, if that is more.
6. Trouble (503, 504, lost answers) takes 3 tenths off, once for all that was in flight then, and
   lets nothing be tried for some seconds.
"""

from __future__ import annotations

import math
from enum import Enum

START = 8
RAMP_GAIN = 1.5
QUICK = 0.005
MOMENT = 0.01
"""Seconds."""
_COUNTING_SECONDS = 0.05
_HEADROOM = 1.25
_STEP = 1.25
_LESS = 0.7
_SAMPLES = 24
_FULL = 0.8
"""The part of answers at which the width must have been used up for them to count."""
_WINDOW_SECONDS = 0.25
_HOLD_SECONDS = (1.0, 30.0)
_TROUBLE_SECONDS = 5.0


class _Phase(Enum):
    RAMP = "ramp"
    SETTLED = "settled"
    MORE = "more"
    LESS = "less"


class AutoWidth:
    """The width of the moment; knows the clock only by what it is told, in seconds."""

    def __init__(self, now: float, widest: int) -> None:
        self._widest = widest
        self.width = min(START, widest)
        self.settled = self.width
        """The width without what is only being tried."""
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
        """How many rows to have at hand for it (rule 5)."""
        return max(self.width, min(self._in_a_moment, self._widest))

    def answered(self, now: float, began: float, in_flight: int) -> None:
        """Take note of an answer; `in_flight` counts its own request, too."""
        if began < self._cut_at:
            return
        self._in_flight += in_flight
        self._under_way += now - began
        if now >= self._counted_at + _COUNTING_SECONDS:
            # By rule 1, since there may have been no rows for much of that time.
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
            self._judge(now)

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

    def _judge(self, now: float) -> None:
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
