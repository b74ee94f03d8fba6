"""Memory that does not grow with the file, and a start that is not felt."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from benchmarks.contest import PYTHON, Contest, Work, environment
from benchmarks.measuring import Result, interleaved, median_of, ratio, run_process, table
from benchmarks.reading import checked
from benchmarks.service import fast_service
from benchmarks.workspace import FAULTS, Figures, Workspace

MOST_MIB = 350
_MOST_GROWTH = 1.6
"""Times the memory that a tenth of the rows takes."""
_STARTS = 40


def memory(workspace: Workspace) -> Figures:
    """The largest process of `check` and of `run`, of a large file and of one ten times so."""
    few, many = (10_000, 100_000) if workspace.quick else (100_000, 1_000_000)
    # How threads meet decides on some MiB, so it is done several times; a run takes minutes.
    works: dict[str, Work] = {
        str(rows): partial(checked, workspace, workspace.csv(rows, FAULTS)) for rows in (few, many)
    }
    found = interleaved(workspace.rounds, works)
    peaks = {"check": [median_of(runs, lambda r: r.peak) for runs in found.values()]}
    with fast_service() as service:
        peaks["run"] = [
            Contest(service, workspace.csv(n), n, workspace.folder).run().peak for n in (few, many)
        ]
    results, lines = [], []
    for name, (small, large) in peaks.items():
        figure, beside = f"{large:,.0f} MiB", f"{few:,} rows: {small:,.0f} MiB"
        grown = large / small
        results.append(
            Result(f"{name}, {many:,} rows", figure, beside, grown, _MOST_GROWTH, at_most=True)
        )
        bound = large / MOST_MIB
        limit = f"{MOST_MIB} MiB"
        results.append(Result(f"{name}, {many:,} rows", figure, limit, bound, 1.0, at_most=True))
        lines.append((name, f"{small:,.0f}", f"{large:,.0f}"))
    return Figures(tuple(results), table(("peak MiB", f"{few:,} rows", f"{many:,} rows"), lines))


def start(workspace: Workspace) -> Figures:
    """The time to say one's version, and what one can do."""
    script = Path(sys.executable).with_name("vcc-import")
    importer = (script,) if script.exists() else (PYTHON, "-m", "importer")
    commands: dict[str, tuple[object, ...]] = {
        "import click": (PYTHON, "-c", "import click"),
        "vcc-import --version": (*importer, "--version"),
        "vcc-import --help": (*importer, "--help"),
    }
    env = environment()

    def started(command: tuple[object, ...]) -> Work:
        return lambda: run_process(command, folder=workspace.folder, env=env)

    works = {name: started(command) for name, command in commands.items()}
    for work in works.values():
        work()
    found = interleaved(10 if workspace.quick else _STARTS, works)
    times = {name: median_of(runs, lambda r: r.wall) * 1000 for name, runs in found.items()}
    click, *ours = found
    beside = f"{click}: {times[click]:.0f} ms"
    results = [
        Result(
            name,
            f"{times[name]:.0f} ms",
            beside,
            ratio(found[name], found[click], lambda r: r.wall),
            1.5,
            at_most=True,
        )
        for name in ours
    ]
    lines = [(name, f"{milliseconds:.1f}") for name, milliseconds in times.items()]
    return Figures(tuple(results), table(("start", "ms"), lines))
