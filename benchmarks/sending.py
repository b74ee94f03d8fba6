"""Sending as fast as can be, and to a service that takes its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.contest import PYTHON, Contest, Work, environment
from benchmarks.measuring import (
    Result,
    Usage,
    interleaved,
    median_of,
    ratio,
    run_process,
    table,
)
from benchmarks.service import fast_service, slow_service
from benchmarks.workspace import Figures, Workspace

PROCESSES = ("--engine", "processes", "--workers", 2)
DASK = ("--engine", "dask", "--workers")
LATENCY = 0.05
IN_FLIGHT = 64

_LOCAL, _PROCESSES = "vcc-import run", "vcc-import run, 2 processes"
_BARE, _TWO = "bare aiohttp loop", "two bare loops"
_ONE_WORKER, _TWO_WORKERS = "Dask, 1 worker × 32", "Dask, 2 workers × 32"
_PANDAS, _CSV2HTTP, _DLT = "pandas script", "csv2http", "dlt destination"


def sending(workspace: Workspace) -> Figures:
    """Rows a second, each contestant from start to end, start-up left out.

    The slow ones send fewer rows: their speed does not depend on how many there are.
    """
    many, few = (20_000, 4_000) if workspace.quick else (100_000, 20_000)
    with fast_service() as service:
        large = Contest(service, workspace.csv(many), many, workspace.folder)
        small = Contest(service, workspace.csv(few), few, workspace.folder)
        single = Contest(service, workspace.csv(1), 1, workspace.folder)
        rows = {
            **dict.fromkeys((_BARE, _TWO, _LOCAL, _PROCESSES, _PANDAS), many),
            **dict.fromkeys((_CSV2HTTP, _DLT), few),
        }
        works: dict[str, Work] = {
            _BARE: large.bare,
            _LOCAL: lambda: _without_start(large.run(), single.run()),
            _PROCESSES: lambda: _without_start(large.run(*PROCESSES), single.run(*PROCESSES)),
            _TWO: large.two_bare,
            _PANDAS: lambda: _without_start(large.pandas(), single.pandas()),
            _CSV2HTTP: lambda: _without_start(small.csv2http(), single.csv2http()),
            _DLT: lambda: _without_start(small.dlt(), single.dlt()),
        }
        found = interleaved(workspace.rounds, works)
        return Figures(_compared(found, rows), _speeds(found, rows, service.name))


def _without_start(run: Usage, start: Usage) -> Usage:
    """A run less what the same program takes for a file of one row."""
    return replace(run, wall=run.wall - start.wall, cpu=run.cpu - start.cpu)


def _compared(found: Mapping[str, Sequence[Usage]], rows: Mapping[str, int]) -> tuple[Result, ...]:
    def against(us: str, them: str, target: float) -> Result:
        # Seconds a row, theirs by ours; where it is about sending alone, see the details.
        slower = ratio(found[them], found[us], lambda r: r.wall) * rows[us] / rows[them]
        return Result(us, _speed(us), f"{them}: {_speed(them)}", slower, target)

    def sending_alone(us: str, target: float) -> Result:
        # The loop plans nothing beforehand and writes no results, so these do not count in ours.
        slower = ratio(found[_BARE], found[us], lambda r: r.sending) * rows[us] / rows[_BARE]
        speeds = [rows[name] / median_of(found[name], lambda r: r.sending) for name in (us, _BARE)]
        beside = f"{_BARE}: {speeds[1]:,.0f}/s"
        return Result(f"{us}, first to last", f"{speeds[0]:,.0f}/s", beside, slower, target)

    def _speed(name: str) -> str:
        return f"{rows[name] / median_of(found[name], lambda r: r.wall):,.0f}/s"

    return (
        sending_alone(_LOCAL, 0.5),
        sending_alone(_PROCESSES, 0.8),
        against(_LOCAL, _PANDAS, 2.2),
        against(_LOCAL, _CSV2HTTP, 6),
        against(_LOCAL, _DLT, 6),
    )


def _speeds(found: Mapping[str, Sequence[Usage]], rows: Mapping[str, int], service: str) -> str:
    lines = []
    for name, runs in found.items():
        count = rows[name]
        lines.append(
            (
                name,
                f"{count:,}",
                f"{count / median_of(runs, lambda r: r.wall):,.0f}",
                f"{count / median_of(runs, lambda r: r.sending):,.0f}",
                f"{median_of(runs, lambda r: r.cpu) / count * 1e6:,.0f}",
                f"{median_of(runs, lambda r: r.peak):,.0f}",
            )
        )
    head = ("sending", "rows", "rows/s, all", "rows/s, first to last", "CPU µs/row", "peak MiB")
    return f"Service: {service}.\n\n{table(head, lines)}"


def latency(workspace: Workspace) -> Figures:
    """Rows a second where 64 requests in flight wait 50 ms each: the client may not be felt."""
    best = IN_FLIGHT / LATENCY
    rows = int(best * (5 if workspace.quick else 20))
    with slow_service(LATENCY, wakeful=True) as service:
        contest = Contest(service, workspace.csv(rows), rows, workspace.folder)
        works: dict[str, Work] = {
            _BARE: contest.bare,
            _LOCAL: lambda: contest.run("--concurrency", IN_FLIGHT),
        }
        found = interleaved(workspace.rounds, works)
    speeds = {name: rows / median_of(runs, lambda r: r.sending) for name, runs in found.items()}
    ours = speeds[_LOCAL]
    beside = f"64 / 0.05 s: {best:,.0f}/s"
    result = Result("50 ms service, 64 in flight", f"{ours:,.0f}/s", beside, ours / best, 0.98)
    lines = [(name, f"{speed:,.0f}", f"{speed / best:.3f}") for name, speed in speeds.items()]
    return Figures((result,), table(("50 ms service", "rows/s", "of 64 / 0.05 s"), lines))


def cluster(workspace: Workspace) -> Figures:
    """Rows a second over Dask workers with 32 in flight each, who wait 50 ms for each answer."""
    each = IN_FLIGHT // 2
    best = each / LATENCY
    few = int(best * (4 if workspace.quick else 10))
    with slow_service(LATENCY) as service:
        one = Contest(service, workspace.csv(few), few, workspace.folder)
        two = Contest(service, workspace.csv(2 * few), 2 * few, workspace.folder)
        works: dict[str, Work] = {
            _ONE_WORKER: lambda: one.run(*DASK, 1, "--concurrency", each),
            _TWO_WORKERS: lambda: two.run(*DASK, 2, "--concurrency", 2 * each),
        }
        found = interleaved(workspace.rounds, works)
    speeds = {
        _ONE_WORKER: few / median_of(found[_ONE_WORKER], lambda r: r.sending),
        _TWO_WORKERS: 2 * few / median_of(found[_TWO_WORKERS], lambda r: r.sending),
    }
    gain = 2 * ratio(found[_ONE_WORKER], found[_TWO_WORKERS], lambda r: r.sending)
    beside = f"{_ONE_WORKER}: {speeds[_ONE_WORKER]:,.0f}/s"
    result = Result(_TWO_WORKERS, f"{speeds[_TWO_WORKERS]:,.0f}/s", beside, gain, 1.8)
    lines = [
        (name, f"{speed:,.0f}", f"{speed / best / workers:.3f}")
        for workers, (name, speed) in enumerate(speeds.items(), 1)
    ]
    return Figures((result,), table(("50 ms service", "rows/s", "of the possible"), lines))


def limits(workspace: Workspace) -> Figures:
    """What the coordinator can do at most; a process of its own, for it grows large."""
    rows = 20_000 if workspace.quick else 100_000
    program = (PYTHON, "-m", "benchmarks.limits")
    command = (*program, workspace.csv(rows), rows, workspace.rounds, workspace.folder)
    return Figures((), run_process(command, folder=workspace.folder, env=environment()).output)
