"""Measure what docs/performance.md promises, and print it in Markdown, each target beside it.

    python -m benchmarks.run [--quick] [--only sending,check] [--rounds 3] [--write FILE]

Exits with 1 where a target is missed, unless `--quick`, whose figures only show that all works.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.counting import counting
from benchmarks.footprint import memory, start
from benchmarks.measuring import Result, machine, table
from benchmarks.reading import check, xlsx
from benchmarks.sending import cluster, latency, limits, sending
from benchmarks.workspace import Workspace

BENCHMARKS = {
    "sending": sending,
    "latency": latency,
    "cluster": cluster,
    "limits": limits,
    "check": check,
    "xlsx": xlsx,
    "memory": memory,
    "start": start,
    "counting": counting,
}
ROUNDS = 3
BEGIN, END = "<!-- figures: written by benchmarks.run -->", "<!-- end of figures -->"
"""Between these lines of a page `--write` puts what was measured."""
_HEAD = ("what", "measured", "beside it", "ratio", "target", "reached")


def main() -> int:
    """Measure and print."""
    options = _options()
    setting_up = f"{machine()}\n\n{_how(options)}\n"
    results: list[Result] = []
    details: list[str] = []
    with tempfile.TemporaryDirectory(prefix="vcc-bench-") as temporary:
        folder = (options.data or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        workspace = Workspace(
            folder, options.quick, options.rounds or (1 if options.quick else ROUNDS)
        )
        for name in options.only:
            print(f"Measuring {name} …", file=sys.stderr, flush=True)
            measured = BENCHMARKS[name](workspace)
            results += measured.results
            details.append(measured.details)
    figures = [table(_HEAD, [result.cells() for result in results])] if results else []
    text = "\n".join([setting_up, *figures, *details])
    print(text)
    if options.write is not None:
        write(options.write, text)
    return 0 if options.quick or all(result.met for result in results) else 1


def write(page: Path, text: str) -> None:
    """Put figures between the markers of a page; raises ValueError where it has none."""
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} lacks the lines {BEGIN} and {END}")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few rows, one round: some minutes")
    parser.add_argument(
        "--only", type=_names, default=list(BENCHMARKS), help=f"some of {','.join(BENCHMARKS)}"
    )
    parser.add_argument("--rounds", type=int, help=f"the median counts [{ROUNDS}, or 1 if quick]")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="keep the measured files here")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the figures into a page")
    options = parser.parse_args()
    if options.write is not None and not options.write.is_file():
        parser.error(f"--write: {options.write} does not exist")
    return options


def _names(text: str) -> Sequence[str]:
    names = text.split(",")
    if unknown := sorted(set(names) - set(BENCHMARKS)):
        raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}: {', '.join(BENCHMARKS)}")
    return names


def _how(options: argparse.Namespace) -> str:
    return " ".join(_sentences(options))


def _sentences(options: argparse.Namespace) -> Iterator[str]:
    words = ["--quick"] * options.quick
    if options.only != list(BENCHMARKS):
        words += ["--only", ",".join(options.only)]
    if options.rounds:
        words += ["--rounds", str(options.rounds)]
    command = shlex.join(["python", "-m", "benchmarks.run", *words])
    yield f"`{command}`, {datetime.now(UTC):%Y-%m-%d}."
    if options.quick:
        yield (
            "**A quick run: few rows, so that figures may be far off. They show that everything is "
            "measured, and neither that a target is reached nor that it is missed.**"
        )


if __name__ == "__main__":
    sys.exit(main())
