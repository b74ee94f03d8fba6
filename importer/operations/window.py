"""The hours in which a job may work, and a stop switch that is pulled when they are over.

A window is a span between two instants, computed for each night. So on the nights on which clocks
change it opens once and closes once, and lasts an hour more or less.
"""

from __future__ import annotations

import contextlib
import threading
import time as clocks
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from importer.pipeline.running import StopSwitch

WINDOW_CLOSED = "not_after"
"""The reason of a stop at the end of a job's hours."""

_LOOK_UP = 20.0
"""Seconds between two readings of the wall clock: it may be set, or the machine suspended."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the day by the local clock; None is midnight. Equal times, or none, mean always."""

    not_before: time | None = None
    not_after: time | None = None
    zone: tzinfo | None = None

    def closes(self, now: float) -> float | None:
        """When the open window closes, in seconds since 1970: inf for never, None if closed."""
        if self.not_before == self.not_after:
            return float("inf")
        for opens, closes in self._around(now):
            if opens <= now < closes:
                return closes
        return None

    def opens(self, now: float) -> float:
        """When the next window opens, in seconds since 1970; `now` where one is open."""
        if self.closes(now) is not None:
            return now
        return min(opens for opens, _ in self._around(now) if opens > now)

    def _around(self, now: float) -> Iterator[tuple[float, float]]:
        """The windows of the days around a moment."""
        today = datetime.fromtimestamp(now, self.zone).date()
        first, last = self.not_before or time(), self.not_after or time()
        for day in (today + timedelta(days) for days in range(-1, 3)):
            after = day if last > first else day + timedelta(1)
            yield self._instant(day, first), self._instant(after, last)

    def _instant(self, day: date, at: time) -> float:
        """The first moment at which clocks show the time; a skipped one counts as if it existed."""
        moment = datetime.combine(day, at)
        return (moment if self.zone is None else moment.replace(tzinfo=self.zone)).timestamp()


@contextlib.contextmanager
def stopped_at(closes: float, stop: StopSwitch) -> Iterator[StopSwitch]:
    """Give a switch that is pulled when `stop` is, and when the clock reaches `closes`.

    `closes` is in seconds since 1970. A thread of its own looks at the clock, at least every
    `_LOOK_UP` seconds.
    """
    with stop.child() as own:
        over = threading.Event()

        def watch() -> None:
            while (left := closes - clocks.time()) > 0:
                if over.wait(min(left, _LOOK_UP)):
                    return
            own.pull(WINDOW_CLOSED)

        if closes <= clocks.time():
            own.pull(WINDOW_CLOSED)
        thread = threading.Thread(target=watch, name="vcc-import-window")
        thread.start()
        try:
            yield own
        finally:
            over.set()
            thread.join()
