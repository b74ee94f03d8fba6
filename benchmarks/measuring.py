"""What every benchmark does alike: run a program and account for it, in turn with others."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run of a program took, from its start to its end.

    `wall` and `cpu` are seconds, `peak` is MiB resident at most in any one of its processes.
    `sending` is the time from the first request to the last as the service saw it, `output` what
    the program printed.
    """

    wall: float
    cpu: float
    peak: float
    output: str
    sending: float = 0.0


def run_process(
    command: Sequence[object],
    *,
    folder: Path,
    env: Mapping[str, str] | None = None,
    codes: Sequence[int] = (0,),
) -> Usage:
    """Run a program in a folder; raises RuntimeError where it ends otherwise than in `codes`.

    The system counts memory of a program from that of its parent up, so nothing large may ever be
    imported into the harness itself.
    """
    words = [str(word) for word in command]
    printed, errors = folder / "printed.txt", folder / "errors.txt"
    with printed.open("wb") as out, errors.open("wb") as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            words, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=folder, env=env
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        words_of_it = errors.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(words)}: ended with {process.returncode}\n{words_of_it}")
    unit = 1 if platform.system() == "Darwin" else 1024
    peak = usage.ru_maxrss * unit / 2**20
    return Usage(wall, usage.ru_utime + usage.ru_stime, peak, printed.read_text(errors="replace"))


def interleaved(rounds: int, works: Mapping[str, Callable[[], Usage]]) -> dict[str, list[Usage]]:
    """Run each of them so many times, one after the other and then anew.

    A machine's speed drifts over minutes, so all rounds have one run of each; who comes first
    changes with every round.
    """
    found: dict[str, list[Usage]] = {name: [] for name in works}
    names = list(works)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(works[name]())
    return found


def ratio(
    ours: Sequence[Usage], theirs: Sequence[Usage], figure: Callable[[Usage], float]
) -> float:
    """The median over the rounds of our figure divided by theirs in the same round."""
    return statistics.median(figure(a) / figure(b) for a, b in zip(ours, theirs, strict=True))


def median_of(runs: Sequence[Usage], figure: Callable[[Usage], float]) -> float:
    """The median of a figure."""
    return statistics.median(map(figure, runs))


@dataclass(frozen=True, slots=True)
class Result:
    """A figure and what it is held against; `ratio` is to be at least `target`, or at most."""

    what: str
    figure: str
    beside: str
    ratio: float
    target: float
    goal: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    def cells(self) -> tuple[str, ...]:
        """The result as a row of the table."""
        sign = "≤" if self.at_most else "≥"
        goal = f" (goal {self.goal:g})" if self.goal is not None else ""
        target = f"{sign} {self.target:g}{goal}"
        verdict = "yes" if self.met else "**no**"
        return self.what, self.figure, self.beside, f"{self.ratio:.2f}", target, verdict


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def machine() -> str:
    """The machine in a line."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    memory = ""
    if hasattr(os, "sysconf"):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        memory = f", {total:.0f} GiB"
    load = f", load {os.getloadavg()[0]:.2f} before the start" if hasattr(os, "getloadavg") else ""
    python = f"Python {platform.python_version()}"
    return f"{cpu}, {os.cpu_count()} cores{memory}; {platform.platform()}; {python}{load}"
