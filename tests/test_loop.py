"""What an event loop changes about the process it runs in."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from importer.sending.loop import run_loop


async def thresholds() -> tuple[int, int, int]:
    return gc.get_threshold()


async def fail() -> None:
    raise RuntimeError("of its own")


def test_garbage_is_looked_for_seldom_while_a_loop_runs_and_as_before_after_it() -> None:
    before = gc.get_threshold()
    assert run_loop(thresholds())[0] > before[0]
    assert gc.get_threshold() == before


def test_a_loop_that_fails_gives_the_choice_back() -> None:
    before = gc.get_threshold()
    with pytest.raises(RuntimeError, match="of its own"):
        run_loop(fail())
    assert gc.get_threshold() == before


def test_the_last_of_several_loops_gives_the_choice_back() -> None:
    before = gc.get_threshold()
    long_began, short_ended = threading.Event(), threading.Event()

    async def long() -> tuple[int, int, int]:
        long_began.set()
        await asyncio.to_thread(short_ended.wait, 30)
        return gc.get_threshold()

    after_short: list[tuple[int, int, int]] = []
    thread = threading.Thread(target=lambda: after_short.append(run_loop(long())))
    thread.start()
    assert long_began.wait(30)
    run_loop(thresholds())
    short_ended.set()
    thread.join()
    assert after_short[0][0] > before[0]
    assert gc.get_threshold() == before


def test_no_loop_keeps_the_garbage_that_was_there_before_it() -> None:
    class Ring:
        me: Ring

    ring = Ring()
    ring.me = ring
    gone = weakref.ref(ring)
    del ring

    async def collect() -> None:
        gc.collect()

    run_loop(collect())
    assert gone() is None
