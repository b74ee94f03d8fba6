"""Every setting of a run and its default, declared here once.

Nothing here reads the environment or a file: the command line does, and hands over values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

CUSTOMER_VARIABLE = "VCC_CUSTOMER"
API_KEY_VARIABLE = "VCC_API_KEY"
RUNS_DIR_VARIABLE = "VCC_RUNS_DIR"
SANDBOX_CREDENTIAL = "sandbox"
"""User and key of the sandbox and its clients where the environment names none."""

BASE_URL = "https://{customer}.asp.virtual-call-center.eu/v2"
DEFAULT_RUNS_DIR = Path("runs")

BATCH_ROWS = 8192
"""Rows that flow together: large enough for column operations, small enough to stay flat."""

PROBLEM_CAP = 1000
"""Problems listed in a report; the counts are never capped."""


class Secret:
    """Text that shows in no repr, log, pickle or traceback; :meth:`reveal` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself: for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not pickled: read it where it is used")


@dataclass(frozen=True, slots=True)
class Target:
    """Where records go, and as whom.

    `base_url` has no slash at its end and includes ``/v2``. `ca_file` is a PEM bundle to trust
    instead of the system's.
    """

    base_url: str
    project: int
    customer: str
    api_key: Secret
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How to read the source; None is found by looking.

    `sheet` is a name or a 1-based number. `header_row` is a 1-based row number. `rows` is an
    inclusive range of row numbers to take.
    """

    sheet: str | int | None = None
    header_row: int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    rows: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard to press: requests in flight over all workers, and seconds allowed to each."""

    concurrency: int = 16
    timeout: float = 60.0
    connect_timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a request that did not arrive is sent again.

    `retries` are attempts beyond the first; waits double from `base` up to `cap`, in seconds.
    `give_up_after` bounds, in seconds, how long a service that throttles may keep everybody
    waiting, in one wait or in a row with no other answer between. `retry_on` are HTTP statuses
    of which the user knows that nothing was stored.
    """

    retries: int = 5
    base: float = 0.5
    cap: float = 30.0
    give_up_after: float = 300.0
    retry_on: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything about a run but its source, mapping and target.

    `out` is the run directory itself; left out, one is made in `runs_dir`. `limit` sends so many
    rows and leaves the others pending.
    """

    pace: Pace = field(default_factory=Pace)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    runs_dir: Path = DEFAULT_RUNS_DIR
    out: Path | None = None
    limit: int | None = None
    preflight: bool = True
