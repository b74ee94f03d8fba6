"""A job's hours: across midnight, on the nights when clocks change, and for a run under way."""

from __future__ import annotations

import threading
import time as clocks
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from importer.operations.window import WINDOW_CLOSED, Window, stopped_at
from importer.pipeline.running import StopSwitch

VIENNA = ZoneInfo("Europe/Vienna")
NIGHT = Window(time(20), time(6, 30), VIENNA)


def moment(text: str) -> float:
    """A moment as Vienna's clocks show it, or as UTC where it ends in Z."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=VIENNA)).timestamp()


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        ("2026-11-24 19:59:59", None),
        ("2026-11-24 20:00:00", "2026-11-25 06:30"),
        ("2026-11-25 00:00:00", "2026-11-25 06:30"),
        ("2026-11-25 06:29:59", "2026-11-25 06:30"),
        ("2026-11-25 06:30:00", None),
    ],
)
def test_a_night_is_open_from_its_evening_to_its_morning(now: str, closes: str | None) -> None:
    assert NIGHT.closes(moment(now)) == (moment(closes) if closes else None)


def test_a_day_opens_and_closes_on_the_same_date() -> None:
    day = Window(time(8), time(17), VIENNA)
    assert day.closes(moment("2026-11-24 07:59")) is None
    assert day.closes(moment("2026-11-24 08:00")) == moment("2026-11-24 17:00")
    assert day.opens(moment("2026-11-24 17:00")) == moment("2026-11-25 08:00")
    assert day.opens(moment("2026-11-24 09:00")) == moment("2026-11-24 09:00")


def test_one_bound_alone_goes_to_midnight() -> None:
    late, early = Window(time(20), None, VIENNA), Window(None, time(6), VIENNA)
    assert late.closes(moment("2026-11-24 23:00")) == moment("2026-11-25 00:00")
    assert late.closes(moment("2026-11-25 00:00")) is None
    assert early.closes(moment("2026-11-25 00:00")) == moment("2026-11-25 06:00")
    assert early.closes(moment("2026-11-25 06:00")) is None


@pytest.mark.parametrize("at", [None, time(6)])
def test_no_bounds_or_equal_ones_are_always_open(at: time | None) -> None:
    assert Window(at, at, VIENNA).closes(moment("2026-11-24 23:00")) == float("inf")


def test_the_hour_that_comes_twice_does_not_open_a_window_again() -> None:
    """On 25 October 2026 clocks go from 3 back to 2: 02:30 is at 00:30 and 01:30 in UTC."""
    until = Window(time(22), time(2, 30), VIENNA)
    assert until.closes(moment("2026-10-25T00:29:00Z")) == moment("2026-10-25T00:30:00Z")
    assert until.closes(moment("2026-10-25T00:40:00Z")) is None
    assert until.closes(moment("2026-10-25T01:15:00Z")) is None, "02:15 for the second time"
    assert until.opens(moment("2026-10-25T01:15:00Z")) == moment("2026-10-25T21:00:00Z")


def test_the_hour_that_does_not_come_neither_skips_nor_keeps_a_window() -> None:
    """On 29 March 2026 clocks go from 2 to 3: there is no 02:30."""
    until = Window(time(22), time(2, 30), VIENNA)
    closes = until.closes(moment("2026-03-29T00:59:00Z"))
    assert closes == moment("2026-03-29T01:30:00Z")
    opening = Window(time(2, 30), time(5), VIENNA)
    assert opening.opens(moment("2026-03-29T00:59:00Z")) == moment("2026-03-29T01:30:00Z")
    assert opening.closes(moment("2026-03-29T01:30:00Z")) == moment("2026-03-29T03:00:00Z")


def test_a_night_on_which_clocks_change_ends_when_the_clock_says_so() -> None:
    for evening, hours in [("2026-10-24 20:00", 11.5), ("2026-03-28 20:00", 9.5)]:
        now = moment(evening)
        closes = NIGHT.closes(now)
        assert closes is not None
        assert closes - now == hours * 3600


def test_the_machine_s_own_zone_is_used_where_none_is_given() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
    here = datetime.fromtimestamp(now).time()  # noqa: DTZ006 (the local clock is meant)
    assert Window(here, None).closes(now) is not None
    assert Window(here, None).closes(now - 1) is None


def pulled(switch: StopSwitch) -> threading.Event:
    """An event that is set when the switch is pulled, however long that takes."""
    import asyncio

    done = threading.Event()

    async def wait() -> None:
        with switch.watched() as event:
            await event.wait()
        done.set()

    threading.Thread(target=asyncio.run, args=(wait(),), daemon=True).start()
    return done


def test_a_run_is_asked_to_stop_when_its_time_is_over() -> None:
    with stopped_at(clocks.time() + 0.2, StopSwitch()) as stop:
        assert stop.reason is None
        assert pulled(stop).wait(10)
        assert stop.reason == WINDOW_CLOSED


def test_a_window_that_has_closed_already_stops_at_once() -> None:
    with stopped_at(clocks.time() - 1, StopSwitch()) as stop:
        assert stop.reason == WINDOW_CLOSED


def test_who_stops_the_batch_stops_the_run() -> None:
    batch = StopSwitch()
    with stopped_at(float("inf"), batch) as stop:
        waiting = pulled(stop)
        batch.pull("SIGTERM")
        assert waiting.wait(10)
        assert stop.reason == "SIGTERM"


def test_a_batch_that_was_stopped_before_stops_the_run() -> None:
    batch = StopSwitch()
    batch.pull("SIGINT")
    with stopped_at(float("inf"), batch) as stop:
        assert pulled(stop).wait(10)
        assert stop.reason == "SIGINT"


def test_nothing_is_left_behind_by_a_run_that_ends_in_time() -> None:
    before = set(threading.enumerate())
    with stopped_at(clocks.time() + 3600, StopSwitch()) as stop:
        assert stop.reason is None
    assert set(threading.enumerate()) <= before
