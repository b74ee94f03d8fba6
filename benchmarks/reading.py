"""Checking files, held against the time that others need only to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.contest import IMPORTER, PEERS, Work, environment, peers_python
from benchmarks.leads import MAPPING
from benchmarks.measuring import Ran, Result, in_turn, middle, ran, ratio, table
from benchmarks.setting import FAULTS, Findings, Setting


def check(setting: Setting) -> Findings:
    """``vcc-import check`` of a CSV file, and pandas reading it as text."""
    rows = 100_000 if setting.quick else 1_000_000
    file, single = setting.csv(rows, FAULTS), setting.csv(1)
    works: dict[str, Work] = {
        "vcc-import check": lambda: checked(setting, file, single),
        "pandas read_csv": lambda: _script(setting, "read_csv.py", file),
    }
    found = in_turn(setting.rounds, works)
    ours, theirs = found.values()
    beside = f"pandas read_csv: {rows / middle(theirs, lambda r: r.wall):,.0f}/s"
    speed = f"{rows / middle(ours, lambda r: r.wall):,.0f}/s"
    faster = ratio(theirs, ours, lambda r: r.wall)
    result = Result(f"check, {rows:,} rows", speed, beside, faster, 0.7, 1.0)
    return Findings((result,), _times("CSV", rows, found))


def xlsx(setting: Setting) -> Findings:
    """``vcc-import check`` of a workbook, and calamine parsing it."""
    rows = 10_000 if setting.quick else 50_000
    file, single = setting.xlsx(rows, FAULTS), setting.xlsx(1)
    works: dict[str, Work] = {
        "vcc-import check": lambda: checked(setting, file, single),
        "calamine": lambda: _script(setting, "read_xlsx.py", file),
    }
    found = in_turn(setting.rounds, works)
    ours, theirs = found.values()
    beside = f"calamine: {middle(theirs, lambda r: r.wall):.2f} s"
    seconds = f"{middle(ours, lambda r: r.wall):.2f} s"
    longer = ratio(ours, theirs, lambda r: r.wall)
    result = Result(f"XLSX check, {rows:,} rows", seconds, beside, longer, 2.0, 1.5, at_most=True)
    return Findings((result,), _times("XLSX", rows, found))


def checked(setting: Setting, file: Path, single: Path | None = None) -> Ran:
    """A check of a file, less what it takes for `single`, a file of one row."""
    found = _check(setting, file)
    if single is None:
        return found
    start = _check(setting, single)
    return replace(found, wall=found.wall - start.wall, cpu=found.cpu - start.cpu)


def _check(setting: Setting, file: Path) -> Ran:
    # 1: rows need mending, as they are meant to.
    command = (*IMPORTER, "check", file, "-m", MAPPING)
    return ran(command, folder=setting.folder, env=environment(), codes=(0, 1))


def _script(setting: Setting, name: str, file: Path) -> Ran:
    found = ran((peers_python(), PEERS / name, file), folder=setting.folder, env=environment())
    return replace(found, wall=float(found.said.split()[0]))


def _times(kind: str, rows: int, found: dict[str, list[Ran]]) -> str:
    lines: list[Sequence[str]] = []
    for name, runs in found.items():
        wall = middle(runs, lambda r: r.wall)
        lines.append(
            (
                name,
                f"{wall:.2f}",
                f"{rows / wall:,.0f}",
                f"{middle(runs, lambda r: r.cpu) / rows * 1e6:,.1f}",
                f"{middle(runs, lambda r: r.peak):,.0f}",
            )
        )
    return table((f"{kind}, {rows:,} rows", "seconds", "rows/s", "CPU µs/row", "peak MiB"), lines)
