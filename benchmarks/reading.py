"""Checking files, held against the time that others need only to read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import supplier
from benchmarks.contest import IMPORTER, PEERS, Work, environment, peers_python
from benchmarks.leads import MAPPING
from benchmarks.measuring import Ran, Result, in_turn, middle, ran, ratio, table
from benchmarks.setting import FAULTS, Findings, Setting

_ALL_WRONG = 30_000
"""Rows a second that a check must do where each row has a fault."""

Written = Callable[[int], Path]
"""Writes a list of so many rows, once, and gives its path."""


def check(setting: Setting) -> Findings:
    """``vcc-import check`` of CSV files, and pandas reading them as text."""
    many, fewer = (100_000, 20_000) if setting.quick else (1_000_000, 200_000)
    return _joined(
        _against_pandas(
            setting, f"check, {many:,} rows", many, partial(setting.csv, faults=FAULTS)
        ),
        _against_pandas(
            setting,
            f"check, {fewer:,} rows of a supplier",
            fewer,
            setting.supplier_csv,
            supplier.MAPPING,
        ),
        _all_wrong(setting, fewer),
    )


def _against_pandas(
    setting: Setting, what: str, rows: int, written: Written, mapping: Path = MAPPING
) -> Findings:
    file, single = written(rows), written(1)
    works: dict[str, Work] = {
        "vcc-import check": lambda: checked(setting, file, single, mapping),
        "pandas read_csv": lambda: _script(setting, "read_csv.py", file),
    }
    found = in_turn(setting.rounds, works)
    ours, theirs = found.values()
    beside = f"pandas read_csv: {rows / middle(theirs, lambda r: r.wall):,.0f}/s"
    speed = f"{rows / middle(ours, lambda r: r.wall):,.0f}/s"
    faster = ratio(theirs, ours, lambda r: r.wall)
    result = Result(what, speed, beside, faster, 0.35, 0.5)
    return Findings((result,), _times(what, rows, found))


def _all_wrong(setting: Setting, rows: int) -> Findings:
    """A list of which every row is wrong: what is told of it takes longer than what is right."""
    file, single = setting.csv(rows, 1), setting.csv(1)
    found = in_turn(setting.rounds, {"vcc-import check": lambda: checked(setting, file, single)})
    speed = rows / middle(found["vcc-import check"], lambda r: r.wall)
    what = f"check, {rows:,} rows, each wrong"
    beside = f"{_ALL_WRONG:,}/s"
    result = Result(what, f"{speed:,.0f}/s", beside, speed / _ALL_WRONG, 1)
    return Findings((result,), _times(what, rows, found))


def xlsx(setting: Setting) -> Findings:
    """``vcc-import check`` of workbooks by two writers, and calamine parsing them."""
    rows = 10_000 if setting.quick else 50_000
    return _joined(
        _against_calamine(setting, "xlsxwriter", rows, partial(setting.xlsx, faults=FAULTS)),
        _against_calamine(setting, "openpyxl", rows, setting.supplier_xlsx, supplier.MAPPING),
    )


def _against_calamine(
    setting: Setting, writer: str, rows: int, written: Written, mapping: Path = MAPPING
) -> Findings:
    file, single = written(rows), written(1)
    works: dict[str, Work] = {
        "vcc-import check": lambda: checked(setting, file, single, mapping),
        "calamine": lambda: _script(setting, "read_xlsx.py", file),
    }
    found = in_turn(setting.rounds, works)
    ours, theirs = found.values()
    what = f"XLSX check, {rows:,} rows by {writer}"
    beside = f"calamine: {middle(theirs, lambda r: r.wall):.2f} s"
    seconds = f"{middle(ours, lambda r: r.wall):.2f} s"
    longer = ratio(ours, theirs, lambda r: r.wall)
    result = Result(what, seconds, beside, longer, 2.2, 1.5, at_most=True)
    return Findings((result,), _times(what, rows, found))


def _joined(*findings: Findings) -> Findings:
    results = tuple(result for each in findings for result in each.results)
    return Findings(results, "\n".join(each.details for each in findings))


def checked(
    setting: Setting, file: Path, single: Path | None = None, mapping: Path = MAPPING
) -> Ran:
    """A check of a file, less what it takes for `single`, a file of one row."""
    found = _check(setting, file, mapping)
    if single is None:
        return found
    start = _check(setting, single, mapping)
    return replace(found, wall=found.wall - start.wall, cpu=found.cpu - start.cpu)


def _check(setting: Setting, file: Path, mapping: Path) -> Ran:
    # 1: rows need mending, as they are meant to.
    command = (*IMPORTER, "check", file, "-m", mapping)
    return ran(command, folder=setting.folder, env=environment(), codes=(0, 1))


def _script(setting: Setting, name: str, file: Path) -> Ran:
    found = ran((peers_python(), PEERS / name, file), folder=setting.folder, env=environment())
    return replace(found, wall=float(found.said.split()[0]))


def _times(what: str, rows: int, found: dict[str, list[Ran]]) -> str:
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
    return table((what, "seconds", "rows/s", "CPU µs/row", "peak MiB"), lines)
