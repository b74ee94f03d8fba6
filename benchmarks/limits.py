"""What the coordinator can do at most, however many send: rows prepared, and rows accounted for.

    python -m benchmarks.limits FILE ROWS ROUNDS FOLDER

There is no target. The figures say which limit comes next once sending is no longer one.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.leads import MAPPING
from benchmarks.measuring import table
from importer.api.request import encode
from importer.journal.journal import Journal
from importer.mapping.bound import BoundMapping
from importer.mapping.load import load_mapping
from importer.model import Lease, Outcome, Request, Status, Stop
from importer.pipeline.examine import Examination, ExaminationOptions, open_incoming
from importer.sending.coordinator import coordinate
from importer.sending.loop import run_loop
from importer.sending.protocol import Report
from importer.settings import SourceOptions
from importer.sources.snapshot import Snapshot

_WIDTHS = (16, 64, 256)


def main() -> None:
    """Measure the coordinator's two tasks, each by itself, and print rows a second."""
    file, rows, rounds, folder = Path(sys.argv[1]), *map(int, sys.argv[2:4]), Path(sys.argv[4])
    copy = folder / "limits.parquet"
    mapping = load_mapping(MAPPING)
    with open_incoming(file, mapping, SourceOptions()) as source:
        examination = Examination(source.info, mapping, ExaminationOptions(copy))
        examination.read(source)
    prepared: list[float] = []
    recorded: dict[int, list[float]] = {width: [] for width in _WIDTHS}
    for turn in range(rounds):
        prepared.append(_seconds_to_prepare(copy, examination.bound))
        for width, found in recorded.items():
            place = folder / f"limits-{turn}-{width}.sqlite3"
            found.append(_seconds_to_record(place, rows, width))
    lines = [("rows prepared: mapped, and their bodies encoded", _speed(rows, prepared))]
    lines += [
        (f"rows intended, granted and recorded, {width} at once", _speed(rows, found))
        for width, found in recorded.items()
    ]
    print(table(("the coordinator alone", "rows/s"), lines), end="")


def _speed(rows: int, seconds: list[float]) -> str:
    return f"{rows / statistics.median(seconds):,.0f}"


def _seconds_to_prepare(copy: Path, plan: BoundMapping) -> float:
    began = time.perf_counter()
    with Snapshot.open(copy) as snapshot:
        for batch in snapshot.batches(plan.used):
            for _ in encode(plan.records(plan.evaluate(batch), "run")):
                pass
    return time.perf_counter() - began


def _seconds_to_record(place: Path, rows: int, width: int) -> float:
    """Seconds of a run whose requests are answered at once; intents wait for the disk."""
    requests: Iterator[Request] = itertools.starmap(
        Request, zip(range(2, rows + 2), itertools.repeat(b"{}"), strict=False)
    )

    async def run(journal: Journal) -> None:
        await coordinate(requests, journal, _AnsweredAtOnce(width), stop=asyncio.Event())

    with Journal.create(place, {}) as journal:
        began = time.perf_counter()
        run_loop(run(journal))
        return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class _AnsweredAtOnce:
    """An engine that takes no time."""

    width: int

    def distrust(self, row: int) -> None:
        """Nothing: each row has a numberid of its own."""

    async def send(
        self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
    ) -> Stop | None:
        del stop
        async for lease in leases:
            report([Outcome(r.row, Status.CREATED, (str(r.row),), 1, 200) for r in lease.requests])
        return None


if __name__ == "__main__":
    main()
