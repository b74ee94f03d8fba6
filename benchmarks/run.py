"""Measure what docs/performance.md promises, and print it in Markdown, each target beside it.

    python benchmarks/run.py [--quick] [--only sending,check] [--rounds 3] [--data FOLDER]

Exits with 1 where a target is missed, unless `--quick`, whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.footprint import memory, start
from benchmarks.measuring import Result, machine, table
from benchmarks.reading import check, xlsx
from benchmarks.sending import latency, sending
from benchmarks.setting import Setting

BENCHMARKS = {
    "sending": sending,
    "latency": latency,
    "check": check,
    "xlsx": xlsx,
    "memory": memory,
    "start": start,
}
HEAD = ("what", "measured", "beside it", "ratio", "target", "")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rows, one round")
    parser.add_argument("--only", default=",".join(BENCHMARKS), help="which, with commas between")
    parser.add_argument("--rounds", type=int, help="rounds, of which the median counts")
    parser.add_argument("--data", type=Path, help="keep the files that are measured with here")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"--only: no {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    print(f"{machine()}\n")
    results: list[Result] = []
    details: list[str] = []
    with tempfile.TemporaryDirectory(prefix="vcc-bench-") as temporary:
        folder = (options.data or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        setting = Setting(folder, options.quick, options.rounds or (1 if options.quick else 3))
        for name in names:
            print(f"Measuring {name} …", file=sys.stderr, flush=True)
            findings = BENCHMARKS[name](setting)
            results += findings.results
            details.append(findings.details)
    print(table(HEAD, [result.cells() for result in results]))
    print("\n".join(details))
    return 0 if options.quick or all(result.met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
