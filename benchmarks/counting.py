"""What a row costs, counted and not timed: calls, memory blocks, statements.

A busy machine changes nothing about these figures. Bounds are about twice what is needed: where
one is passed, something that was done once for a group, a column or a run is done for each row.

    python -m benchmarks.counting        # the figures as JSON, from a process of its own
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING

from benchmarks.contest import PYTHON, environment
from benchmarks.measuring import Result, run_process, table
from benchmarks.workspace import Figures, Workspace

if TYPE_CHECKING:
    from importer.mapping.bound import BoundMapping
    from importer.model import Batch

MAPPING = """\
version: 1
project: 134
region: HU
form:
  name: Name
  city: {column: City, choices: [Budapest, Pécs]}
  address: {template: "{Zip} {City}"}
  likes: {column: Likes, multiple: true, split: [";"]}
  signed_on: {column: Signed, type: date, input: ["%d.%m.%Y"], output: "%Y-%m-%d"}
contacts: {1: {name: Name, phone: Phone, email: Email}}
premium: {price: {column: Price, type: decimal}}
rows: {unique: [contacts.1.phone]}
"""
HEADERS = ("Name", "City", "Zip", "Likes", "Signed", "Phone", "Email", "Price")

BOUNDS = {
    "calls for a batch": 4500.0,
    "calls for a further row of a batch": 0.1,
    "calls for a record": 20.0,
    "memory blocks held for a mapped row": 2.0,
    "bytes for a row while it is mapped": 600.0,
    "statements to SQLite for a row sent": 0.1,
    "statements to SQLite for a row read back": 0.01,
}


def counting(workspace: Workspace) -> Figures:
    """What a row costs on its way through the mapping and the journal."""
    command = (PYTHON, "-m", "benchmarks.counting")
    figures = json.loads(run_process(command, folder=workspace.folder, env=environment()).output)
    results = tuple(
        Result(what, f"{figures[what]:,.3g}", f"{bound:g}", figures[what] / bound, 1, at_most=True)
        for what, bound in BOUNDS.items()
    )
    lines = [(what, f"{figures[what]:,.3g}") for what in BOUNDS]
    return Figures(results, table(("counted", "times"), lines))


def count() -> dict[str, float]:
    """Every figure of BOUNDS, from batches as large as those of a run."""
    with TemporaryDirectory() as folder:
        return {**_of_mapping(Path(folder)), **_of_journal(Path(folder))}


def lead(n: int) -> tuple[str, ...]:
    """A row whose phone, e-mail and name no other row has."""
    city, likes = ("Budapest", "Pécs")[n % 2], ("", "golf;chess")[n % 2]
    phone = f"06 30 {n // 10000 % 1000 + 200} {n % 10000:04}"
    unlike = (phone, f"lead{n}@example.com", f"{n % 90}.5")
    return (f"Lead {n}", city, str(1011 + n % 900), likes, "03.04.2024", *unlike)


def _of_mapping(folder: Path) -> dict[str, float]:
    import tracemalloc

    from importer.api.request import encode
    from importer.mapping.bound import bind_mapping
    from importer.mapping.load import load_mapping
    from importer.settings import BATCH_ROWS

    (folder / "m.yaml").write_text(MAPPING, "utf-8")
    plan: BoundMapping = bind_mapping(load_mapping(folder / "m.yaml"), HEADERS)
    evaluated = plan.evaluate(_batch(0))  # what is remembered from one batch to the next
    records = _calls(lambda: list(encode(plan.records(evaluated, "run"))))
    half, whole, fresh = (_batch(number, size) for number, size in ((1, 2), (2, 1), (3, 1)))
    small, large = _calls(lambda: plan.evaluate(half)), _calls(lambda: plan.evaluate(whole))
    before = sys.getallocatedblocks()
    evaluated = plan.evaluate(fresh)
    held = sys.getallocatedblocks() - before
    fresh = _batch(4)
    tracemalloc.start()
    plan.evaluate(fresh)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "calls for a batch": large.total(),
        "calls for a further row of a batch": (large - small).total() / (BATCH_ROWS // 2),
        "calls for a record": records.total() / BATCH_ROWS,
        "memory blocks held for a mapped row": held / len(evaluated.checked.rows),
        "bytes for a row while it is mapped": peak / BATCH_ROWS,
    }


def _batch(number: int, parts: int = 1) -> Batch:
    """So many rows that no batch of another number has: a batch's rows divided by `parts`."""
    import numpy as np
    import pyarrow as pa

    from importer.model import Batch
    from importer.settings import BATCH_ROWS

    first, rows = number * BATCH_ROWS, BATCH_ROWS // parts
    cells = zip(*map(lead, range(first, first + rows)), strict=True)
    columns = {at: pa.array(column, pa.large_string()) for at, column in enumerate(cells)}
    return Batch(np.arange(first + 2, first + 2 + rows, dtype=np.int64), columns)


def _calls(work: Callable[[], object]) -> Counter[str]:
    """How often functions are called, those of Python and those in C."""
    found: Counter[str] = Counter()

    def hear(frame: FrameType, event: str, _: object) -> None:
        if event in {"call", "c_call"}:
            found[f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}"] += 1

    sys.setprofile(hear)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def _of_journal(folder: Path) -> dict[str, float]:
    """The statements that SQLite runs while rows are sent to an engine that answers at once."""
    import asyncio
    import sqlite3
    from collections.abc import AsyncIterator

    from importer.journal.journal import Journal
    from importer.model import Lease, Outcome, Request, Status, Stop
    from importer.sending.coordinator import coordinate
    from importer.sending.protocol import Report

    class Answering:
        """An engine whose requests are answered a lease at a time."""

        width = 64

        def distrust(self, row: int) -> None:
            raise AssertionError(row)

        async def send(
            self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
        ) -> Stop | None:
            del stop
            async for lease in leases:
                rows = [request.row for request in lease.requests]
                report([Outcome(row, Status.CREATED, (str(row),), 1, 200) for row in rows])
            return None

    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.set_trace_callback(statements.append)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]
    rows = 6400
    requests = (Request(row, b"{}") for row in range(2, rows + 2))
    with Journal.create(folder / "journal.sqlite3", {}) as journal:
        asyncio.run(coordinate(requests, journal, Answering(), stop=asyncio.Event()))
        sent = len(statements)
        read = sum(1 for _ in journal.outcomes())
    return {
        "statements to SQLite for a row sent": sent / rows,
        "statements to SQLite for a row read back": (len(statements) - sent) / read,
    }


if __name__ == "__main__":
    json.dump(count(), sys.stdout)
