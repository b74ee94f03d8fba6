"""Memory that does not grow with the file, and a start that is not felt."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from benchmarks.contest import PYTHON, Contest, Work, environment
from benchmarks.measuring import Result, in_turn, middle, ran, ratio, table
from benchmarks.reading import checked
from benchmarks.service import fast_service
from benchmarks.setting import FAULTS, Findings, Setting

MOST_MIB = 350
_MOST_GROWTH = 1.6
"""Times the memory that a tenth of the rows takes."""
_STARTS = 40


def memory(setting: Setting) -> Findings:
    """The largest process of `check` and of `run`, of a large file and of one ten times so."""
    few, many = (10_000, 100_000) if setting.quick else (100_000, 1_000_000)
    # How threads meet decides on some MiB, so it is done several times; a run takes minutes.
    works: dict[str, Work] = {
        str(rows): partial(checked, setting, setting.csv(rows, FAULTS)) for rows in (few, many)
    }
    found = in_turn(setting.rounds, works)
    peaks = {"check": [middle(runs, lambda r: r.peak) for runs in found.values()]}
    with fast_service() as service:
        peaks["run"] = [
            Contest(service, setting.csv(n), n, setting.folder).run().peak for n in (few, many)
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
    return Findings(tuple(results), table(("peak MiB", f"{few:,} rows", f"{many:,} rows"), lines))


def start(setting: Setting) -> Findings:
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
        return lambda: ran(command, folder=setting.folder, env=env)

    works = {name: started(command) for name, command in commands.items()}
    for work in works.values():
        work()
    found = in_turn(10 if setting.quick else _STARTS, works)
    times = {name: middle(runs, lambda r: r.wall) * 1000 for name, runs in found.items()}
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
    return Findings(tuple(results), table(("start", "ms"), lines))
