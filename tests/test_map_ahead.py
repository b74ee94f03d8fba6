"""Batches are worked on side by side and come out in order, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from importer.pipeline.examine import THREADS, fan_out, map_ahead


def test_results_come_in_order_however_long_each_takes() -> None:
    second_done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            # The first ends after the second, which is so shown to run beside it.
            assert second_done.wait(10)
        if number == 1:
            second_done.set()
        return number * 10

    assert list(map_ahead(range(9), work)) == [number * 10 for number in range(9)]


def test_no_more_is_drawn_ahead_than_there_are_threads() -> None:
    drawn: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    for result in map_ahead(numbers(), lambda number: number):
        assert len(drawn) <= result + THREADS


def test_what_a_work_raises_comes_at_its_place() -> None:
    given: list[int] = []
    with pytest.raises(ZeroDivisionError):
        given.extend(map_ahead([2, 1, 0, 3], lambda number: 6 // number))
    assert given == [3, 6]


def test_each_work_sees_all_items_in_order_before_the_end() -> None:
    first: list[int] = []
    second: list[int] = []
    assert list(fan_out(range(50), (first.append, second.append))) == list(range(50))
    assert first == second == list(range(50))


def test_what_one_of_several_works_raises_ends_them_all() -> None:
    seen: list[int] = []

    def fail(number: int) -> None:
        if number == 2:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        for _ in fan_out(range(50), (seen.append, fail)):
            pass
    assert seen == [0, 1, 2]


def test_an_iteration_that_is_left_begins_nothing_more() -> None:
    begun: list[int] = []
    results = map_ahead(range(1000), begun.append)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= THREADS + 1
