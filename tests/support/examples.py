"""How many examples a property test tries: few in `make test`, more in `make soak`."""

from __future__ import annotations

import os

_TIMES = int(os.environ.get("SOAK_EXAMPLES", "1"))


def examples(count: int) -> int:
    """So many examples, or as many times more as SOAK_EXAMPLES says."""
    return count * _TIMES
