"""How long it takes from an edit to the new verdict on the whole list.

    python -m benchmarks.mending [--rows 20000,200000] [--rounds 5]

The lists are those of leads.py, with every fiftieth row wrong. Each round makes one edit of each
kind, written to ``edits.jsonl`` with its wait for the disk, and checks the list anew. Beside it
stands a check from the beginning, of the file with the same edits, in the same process. Exit code 1
where a target is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.leads import HEADERS, MAPPING, write_csv
from benchmarks.measuring import table
from importer.mapping.load import load_mapping
from importer.model import Severity
from importer.pipeline.edits import EditLog
from importer.pipeline.examine import ExaminationOptions
from importer.pipeline.plan import check
from importer.pipeline.recheck import Recheck
from importer.settings import SourceOptions

FAULTS = 50
TARGETS = {20_000: 0.5, 200_000: 3.0}
"""Seconds that the median of each kind may take, by rows."""


def main() -> int:
    """Measure, print a table, and say by the exit code whether all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(map(str, TARGETS)))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    lines, missed = [], False
    for count in map(int, options.rows.split(",")):
        with TemporaryDirectory() as folder:
            found, whole = _measure(Path(folder), count, options.rounds)
        for kind, seconds in found.items():
            middle, slowest = statistics.median(seconds), max(seconds)
            target = TARGETS.get(count)
            missed |= target is not None and middle > target
            lines.append(
                (
                    f"{count:,} rows: {kind}",
                    f"{middle:.2f} s",
                    f"{slowest:.2f} s",
                    f"{target:.1f} s" if target is not None else "",
                    f"{whole / middle:.1f} times as fast",
                )
            )
        lines.append((f"{count:,} rows: a check from the beginning", f"{whole:.2f} s", "", "", ""))
    print(table(("after an edit", "median", "slowest", "target", "beside a whole check"), lines))
    return int(missed)


def _measure(folder: Path, count: int, rounds: int) -> tuple[dict[str, list[float]], float]:
    leads = write_csv(folder / "leads.csv", count, FAULTS)
    mapping, path = load_mapping(MAPPING), folder / "edits.jsonl"
    found: dict[str, list[float]] = {}
    with Recheck(
        leads, mapping, SourceOptions(), ExaminationOptions(folder / "copy.parquet")
    ) as recheck:
        log = EditLog(path, HEADERS, recheck.batches)
        first = recheck.check(log.overlay)
        wrong = [
            problem
            for decision in first.decisions.values()
            for problem in decision.problems
            if problem.severity is Severity.ERROR and problem.column in HEADERS
        ]

        def mend(column: str) -> Callable[[], object]:
            problem = wrong.pop(next(n for n, p in enumerate(wrong) if p.column == column))
            place, row = HEADERS.index(column), problem.row or 0
            (batch,) = recheck.rows([row], log.overlay)
            old = batch.cells([0], [place])[0][0]
            return lambda: log.set_cell(row, place, old, f"{old} ")

        def exchange(column: str, text: str, turn: int) -> Callable[[], object]:
            old = text + " " * turn
            return partial(log.replace_all, HEADERS.index(column), old, f"{old} ")

        for turn in range(rounds):
            edits: dict[str, Callable[[], object]] = {
                "another text in a cell with a phone": mend("Phone"),
                "another text in one with an e-mail address": mend("Email"),
                "a note for another, which no rule reads": exchange("Note", "rang back", turn),
                "a city for another, in a sixth of all rows": exchange("City", "Pécs", turn),
                "a row is left out": partial(log.leave_out, 2 + turn),
                "the last edit is undone": log.undo,
            }
            for kind, make in edits.items():
                start = time.perf_counter()
                make()
                recheck.check(log.overlay)
                found.setdefault(kind, []).append(time.perf_counter() - start)
    whole = []
    for _ in range(min(rounds, 3)):
        start = time.perf_counter()
        check(leads, mapping, SourceOptions(), edits=path)
        whole.append(time.perf_counter() - start)
    return found, statistics.median(whole)


if __name__ == "__main__":
    sys.exit(main())
