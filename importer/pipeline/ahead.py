"""Batches worked on in threads, side by side, and given in order: so a check uses two cores.

Most of a batch's work is done by Arrow and numpy, which let other threads run meanwhile.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 2
"""More would wait for the interpreter, and every batch under way takes memory."""


def in_order(items: Iterable[Item], work: Callable[[Item], Result]) -> Iterator[Result]:
    """Give ``work(item)`` of each item, in order; raises what it raised, at its place.

    Items are drawn in the caller's thread, ahead of what is given by one.
    """
    under_way: deque[Future[Result]] = deque()
    with _pool(THREADS) as pool:
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) >= THREADS:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def side_by_side(items: Iterable[Item], works: Iterable[Callable[[Item], None]]) -> Iterator[Item]:
    """Give each item once all of `works` are done with the one before it.

    Each work sees the items one after the other, in order, in a thread beside the caller's: with
    one thread for each they wait for the interpreter as long as they gain.
    """
    works = tuple(works)
    under_way: list[Future[None]] = []
    with _pool(1) as pool:
        for item in items:
            for future in under_way:
                future.result()
            under_way = [pool.submit(work, item) for work in works]
            yield item
        for future in under_way:
            future.result()


@contextlib.contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing more when the block is left by an exception."""
    pool = ThreadPoolExecutor(threads, "vcc-import")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
