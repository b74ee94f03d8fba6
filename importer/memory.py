"""Memory that was freed, given back to the system.

Arrow's allocator keeps it in pieces, more of them with each batch.
"""

from __future__ import annotations

import pyarrow as pa

_EACH = 4
"""Batches after which it is given back: for fewer it takes longer than it is worth."""


def tidy_in_passing(batches: int) -> None:
    """Give memory back now and then, while so many batches have passed."""
    if batches % _EACH == 0:
        _give_back()


def tidy_after(batches: int) -> None:
    """Give memory back once all of so many batches have passed."""
    if batches >= _EACH:
        _give_back()


def _give_back() -> None:
    pa.default_memory_pool().release_unused()
