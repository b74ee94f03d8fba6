"""Every setting of a run and its default, declared here once.

Nothing here reads the environment or a file: the command line does, and hands over values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from importer.errors import UsageError

CUSTOMER_VARIABLE = "VCC_CUSTOMER"
API_KEY_VARIABLE = "VCC_API_KEY"
RUNS_DIR_VARIABLE = "VCC_RUNS_DIR"
STATE_DIR_VARIABLE = "VCC_STATE_DIR"
"""Names the folder for what is remembered of a user, in place of the platform's."""
SANDBOX_CREDENTIAL = "sandbox"
"""User and key of the sandbox and its clients where the environment names none."""

BASE_URL = "https://{customer}.asp.virtual-call-center.eu/v2"
DEFAULT_RUNS_DIR = Path("runs")

BATCH_ROWS = 24576
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


WIDEST = 256
"""The most requests in flight that the run chooses by itself."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard to press: requests in flight over all workers, and seconds allowed to each.

    `concurrency` is None where the run is to find it by itself, up to `WIDEST`. `rate` is the
    most requests that begin in a second; None is any number.
    """

    concurrency: int | None = None
    rate: float | None = None
    timeout: float = 60.0
    connect_timeout: float = 10.0


PERCENT_FROM = 100
"""Rows with an answer from which on a percentage of failures means something."""


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """How many rows may fail before a run stops: a number, or a percentage of rows answered.

    Rejected and uncertain rows are failures; rows that were never sent are not. A percentage
    counts from `PERCENT_FROM` answers on.
    """

    limit: float
    percent: bool = False

    def exceeded(self, failed: int, answered: int) -> bool:
        """Whether so many failures among so many answers are too many."""
        if self.percent:
            return answered >= PERCENT_FROM and failed * 100 > self.limit * answered
        return failed > self.limit

    def __str__(self) -> str:
        return f"{self.limit:g}%" if self.percent else f"{self.limit:.0f}"


def parse_max_failures(text: str) -> MaxFailures:
    """Read ``50`` or ``2%``; raises UsageError for anything else."""
    match = re.fullmatch(
        r"(?:([0-9]{1,12})|([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%)", text.strip(), re.ASCII
    )
    if match is not None:
        if match[1] is not None:
            return MaxFailures(int(match[1]))
        if (percent := float(match[2])) <= 100:
            return MaxFailures(percent, percent=True)
    raise UsageError(
        f"max failures {text!r}: neither a number of rows nor a percentage",
        "Write it as 50 or 2%; 0 stops at the first row that fails.",
    )


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What is done about trouble: when a row is sent again, and when the run stops.

    `retries` are a row's attempts beyond the first that count: those that were throttled, or for
    which the service could not be reached, do not. Waits double from `base` up to `cap`, in
    seconds. `give_up_after` bounds, in seconds, how long a service may be unreachable, throttle
    everybody, or answer nothing certain, in a row with nothing better in between. `retry_on` are
    HTTP statuses of which the user knows that nothing was stored. `storm_after` uncertain
    answers in a row are a storm. `max_failures` stops a run whose mapping is wrong.
    """

    retries: int = 5
    base: float = 0.5
    cap: float = 30.0
    give_up_after: float = 300.0
    retry_on: frozenset[int] = frozenset()
    storm_after: int = 5
    max_failures: MaxFailures | None = None


EngineName = Literal["local", "processes", "dask"]
DEFAULT_WORKERS = 2
"""Senders on this machine where no number was given: beyond it, the coordinator limits."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything about a run but its source, mapping and target.

    `out` is the run directory itself; left out, one is made in `runs_dir`. `limit` sends so many
    rows and leaves the others pending. Without `preflight` nothing is compared with the project;
    without `allow_new_values` nothing is sent that would create values the mapping does not list.
    `sandbox` is the folder of the sandbox that stands in for the service, where the run is a
    rehearsal. `scheduler` is the address of a Dask cluster whose workers are to send; without it,
    the dask engine starts a cluster on this machine.
    """

    pace: Pace = field(default_factory=Pace)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    runs_dir: Path = DEFAULT_RUNS_DIR
    out: Path | None = None
    limit: int | None = None
    preflight: bool = True
    engine: EngineName = "local"
    workers: int | None = None
    scheduler: str | None = None
    allow_new_values: bool = False
    sandbox: Path | None = None
