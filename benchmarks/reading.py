"""Checking files, held against the time that others need only to read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import supplier
from benchmarks.contest import IMPORTER, PEERS, Work, environment, peers_python
from benchmarks.leads import MAPPING
from benchmarks.measuring import (
    Result,
    Usage,
    interleaved,
    median_of,
    ratio,
    run_process,
    table,
)
from benchmarks.workspace import FAULTS, Figures, Workspace

_ALL_WRONG = 30_000
"""Rows a second that a check must do where each row has a fault."""

Written = Callable[[int], Path]
"""Writes a list of so many rows, once, and gives its path."""


def check(workspace: Workspace) -> Figures:
    """``vcc-import check`` of CSV files, and pandas reading them as text."""
    many, fewer = (100_000, 20_000) if workspace.quick else (1_000_000, 200_000)
    return _joined(
        _against_pandas(
            workspace, f"check, {many:,} rows", many, partial(workspace.csv, faults=FAULTS)
        ),
        _against_pandas(
            workspace,
            f"check, {fewer:,} rows of a supplier",
            fewer,
            workspace.supplier_csv,
            supplier.MAPPING,
        ),
        _all_wrong(workspace, fewer),
    )


def _against_pandas(
    workspace: Workspace, what: str, rows: int, written: Written, mapping: Path = MAPPING
) -> Figures:
    file, single = written(rows), written(1)
    works: dict[str, Work] = {
        "vcc-import check": lambda: checked(workspace, file, single, mapping),
        "pandas read_csv": lambda: _script(workspace, "read_csv.py", file),
    }
    found = interleaved(workspace.rounds, works)
    ours, theirs = found.values()
    beside = f"pandas read_csv: {rows / median_of(theirs, lambda r: r.wall):,.0f}/s"
    speed = f"{rows / median_of(ours, lambda r: r.wall):,.0f}/s"
    faster = ratio(theirs, ours, lambda r: r.wall)
    result = Result(what, speed, beside, faster, 0.35, 0.5)
    return Figures((result,), _times(what, rows, found))


def _all_wrong(workspace: Workspace, rows: int) -> Figures:
    """A list of which every row is wrong: what is told of it takes longer than what is right."""
    file, single = workspace.csv(rows, 1), workspace.csv(1)
    found = interleaved(
        workspace.rounds, {"vcc-import check": lambda: checked(workspace, file, single)}
    )
    speed = rows / median_of(found["vcc-import check"], lambda r: r.wall)
    what = f"check, {rows:,} rows, each wrong"
    beside = f"{_ALL_WRONG:,}/s"
    result = Result(what, f"{speed:,.0f}/s", beside, speed / _ALL_WRONG, 1)
    return Figures((result,), _times(what, rows, found))


def xlsx(workspace: Workspace) -> Figures:
    """``vcc-import check`` of workbooks by two writers, and calamine parsing them."""
    rows = 10_000 if workspace.quick else 50_000
    return _joined(
        _against_calamine(workspace, "xlsxwriter", rows, partial(workspace.xlsx, faults=FAULTS)),
        _against_calamine(workspace, "openpyxl", rows, workspace.supplier_xlsx, supplier.MAPPING),
    )


def _against_calamine(
    workspace: Workspace, writer: str, rows: int, written: Written, mapping: Path = MAPPING
) -> Figures:
    file, single = written(rows), written(1)
    works: dict[str, Work] = {
        "vcc-import check": lambda: checked(workspace, file, single, mapping),
        "calamine": lambda: _script(workspace, "read_xlsx.py", file),
    }
    found = interleaved(workspace.rounds, works)
    ours, theirs = found.values()
    what = f"XLSX check, {rows:,} rows by {writer}"
    beside = f"calamine: {median_of(theirs, lambda r: r.wall):.2f} s"
    seconds = f"{median_of(ours, lambda r: r.wall):.2f} s"
    longer = ratio(ours, theirs, lambda r: r.wall)
    result = Result(what, seconds, beside, longer, 2.2, 1.5, at_most=True)
    return Figures((result,), _times(what, rows, found))


def _joined(*measured: Figures) -> Figures:
    results = tuple(result for each in measured for result in each.results)
    return Figures(results, "\n".join(each.details for each in measured))


def checked(
    workspace: Workspace, file: Path, single: Path | None = None, mapping: Path = MAPPING
) -> Usage:
    """A check of a file, less what it takes for `single`, a file of one row."""
    found = _check(workspace, file, mapping)
    if single is None:
        return found
    start = _check(workspace, single, mapping)
    return replace(found, wall=found.wall - start.wall, cpu=found.cpu - start.cpu)


def _check(workspace: Workspace, file: Path, mapping: Path) -> Usage:
    # 1: rows need mending, as they are meant to.
    command = (*IMPORTER, "check", file, "-m", mapping)
    return run_process(command, folder=workspace.folder, env=environment(), codes=(0, 1))


def _script(workspace: Workspace, name: str, file: Path) -> Usage:
    found = run_process(
        (peers_python(), PEERS / name, file), folder=workspace.folder, env=environment()
    )
    return replace(found, wall=float(found.output.split()[0]))


def _times(what: str, rows: int, found: dict[str, list[Usage]]) -> str:
    lines: list[Sequence[str]] = []
    for name, runs in found.items():
        wall = median_of(runs, lambda r: r.wall)
        lines.append(
            (
                name,
                f"{wall:.2f}",
                f"{rows / wall:,.0f}",
                f"{median_of(runs, lambda r: r.cpu) / rows * 1e6:,.1f}",
                f"{median_of(runs, lambda r: r.peak):,.0f}",
            )
        )
    return table((what, "seconds", "rows/s", "CPU µs/row", "peak MiB"), lines)
