"""One or two signals at any instant: one line each, their exit code, a true journal, no child.

The figures of docs/reliability.md are of `make soak`, which sets SOAK_SIGNALS.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.journal.journal import Journal
from importer.model import Status
from tests.recovery.conftest import write_leads
from tests.support.live_sandbox import LiveSandbox, live_sandbox

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")

TRIALS = int(os.environ.get("SOAK_SIGNALS", "1"))
ENDS_WITHIN = 20.0
"""Seconds; an end at once has 8, and this machine may be busy."""
LINES = re.compile(
    r"Interrupted\.|Terminated\.|Stopping: requests in flight are finished first\."
    r"|Stopped at once\. What was in flight is uncertain until `reconcile`\.|Stopped at once\."
    r"|Error: interrupted while \w+: nothing was sent"
    r"|  The next round goes on by itself\.|  Results: .*|  The file is now .*"
    # An end at once has left rows uncertain in an earlier trial, and this round ends that run.
    r"|  Within days: .*"
    r"|Mapping: .*|Look at the \d+ lines? marked unsure.*|Then: .*"
)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until it is so, or the process has ended."""
    while process.poll() is None and not condition():
        time.sleep(0.001)  # the condition is awaited, not a time


def hears(process: subprocess.Popen[str]) -> bool:
    """Whether the program has begun to hear signals: before, Python itself answers them."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.parent.parent.is_dir():
        return True
    try:
        caught = int(re.findall(r"SigCgt:\s*(\w+)", status.read_text())[0], 16)
    except (OSError, IndexError):
        return True
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def processes(mark: str) -> dict[int, str]:
    """The living processes whose environment has the mark: their ids and command lines."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (place / "environ").read_bytes():
                line = (place / "cmdline").read_text("utf-8").replace("\0", " ")
                found[int(place.name)] = line
    return found


def started(arguments: list[str], folder: Path, mark: str) -> subprocess.Popen[str]:
    """Start a command whose environment, and that of its helpers, has the mark."""
    name, value = mark.split("=")
    return subprocess.Popen(
        [sys.executable, "-m", "importer", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "VCC_CUSTOMER": "sandbox",
            "VCC_API_KEY": "sandbox",
            name: value,
            "VCC_STATE_DIR": str(folder / "state"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def trial(
    arguments: list[str],
    folder: Path,
    chance: random.Random,
    span: float,
    ready: Callable[[], bool],
) -> tuple[int, str]:
    """Start a command, send it one or two signals, and give its exit code and standard error.

    The first comes within `span` seconds of `ready`, the second within a third of a second of it,
    to the process alone or, as a terminal does it, to all of its group.
    """
    mark = f"SIGNALS_TRIAL={folder.name}-{chance.random()}"
    process = started(arguments, folder, mark)
    try:
        wait_for(lambda: hears(process), process)
        wait_for(ready, process)
        numbers = chance.choices(list(CODES), k=chance.choice((1, 2, 2)))
        time.sleep(chance.random() * span)
        # Dask starts its workers' processes itself, some of them beyond our reach.
        everybody = chance.random() < 0.5 and "dask" not in arguments
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                if everybody:
                    os.killpg(process.pid, number)
                elif process.poll() is None:
                    process.send_signal(number)
            time.sleep(chance.random() ** 3 * 0.3)
        began = time.monotonic()
        output, error = process.communicate(timeout=60)
        lasted = time.monotonic() - began
    finally:
        process.kill()
        process.communicate()
    said = f"{arguments} {numbers} everybody={everybody}: {process.returncode}\n{output}\n{error}"
    assert lasted < ENDS_WITHIN, said
    lines = [line for line in error.splitlines() if line.strip()]
    strange = [line for line in lines if not LINES.fullmatch(line)]
    assert not strange, said
    assert process.returncode in {*(CODES[number] for number in numbers), 0, 1, 4}, said
    if process.returncode not in CODES.values():
        # It had ended, but for Python, before the first came.
        assert not any(line.startswith(("Interr", "Termin", "Stopp")) for line in lines), said
    until = time.monotonic() + 5
    while (left := processes(mark)) and time.monotonic() < until:
        time.sleep(0.01)  # the condition is awaited, not a time
    assert not left, (left, said)
    return process.returncode, error


def check_journals(runs: list[Path], sandbox: LiveSandbox, since: int) -> Counter[str]:
    """The journals say of each row what the service, asked from request `since` on, says."""
    requests = sandbox.requests()[since:]
    asked = Counter(request.stamp for request in requests)
    assert set(asked.values()) <= {1}, "a row was sent twice"
    stored = {request.stamp: str(request.numberid) for request in requests if request.numberid}
    counts: Counter[str] = Counter()
    for run in runs:
        if not (run / "journal.sqlite3").exists():
            continue
        with Journal.read(run / "journal.sqlite3") as journal:
            run_id = json.loads(journal.meta()["run_id"])
            outcomes = list(journal.outcomes(*Status))
        for outcome in outcomes:
            counts[outcome.status.value] += 1
            stamp = f"{run_id}:{outcome.row}"
            if outcome.status is Status.CREATED:
                assert (stored.pop(stamp),) == outcome.numberids
            elif outcome.status is Status.UNCERTAIN:
                stored.pop(stamp, None)
    assert stored == {}, "the service has rows that no journal has, or calls pending"
    return counts


@pytest.fixture(scope="module")
def service() -> Iterator[LiveSandbox]:
    with live_sandbox(log_requests=True, latency="2ms-20ms") as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("engine", "rows", "trials"),
    [("local", 3000, TRIALS), ("processes", 3000, TRIALS), ("dask", 2000, max(1, TRIALS // 4))],
)
def test_a_run_and_its_resumptions_end_in_order_wherever_signals_fall(
    mapping: Path, tmp_path: Path, service: LiveSandbox, engine: str, rows: int, trials: int
) -> None:
    leads = write_leads(tmp_path / "leads.csv", rows)
    chance = random.Random(f"{os.environ.get('SOAK_SEED', '1')} {engine}")
    how = ["--engine", engine, "--concurrency", "8"]
    how += [] if engine == "local" else ["--workers", "2"]
    how += ["--quiet"] if engine != "local" else []
    for number in range(trials):
        run = tmp_path / f"out{number}"
        since = len(service.requests())
        at = chance.choice((0, 0, 1, 200))
        ready = lambda since=since, at=at: service.request_count() >= since + at  # noqa: E731
        first = ["run", str(leads), "-m", str(mapping), "--base-url", service.base_url]
        trial([*first, "--out", run.name, "--again", *how], tmp_path, chance, 2.0, ready)
        counts = check_journals([run], service, since)
        if counts and counts.total() < rows:
            trial(["resume", run.name, *how], tmp_path, chance, 2.0, lambda: True)
            check_journals([run], service, since)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_stop_that_reaches_the_senders_too_loses_no_answer(mapping: Path, tmp_path: Path) -> None:
    """As systemd stops a service: each of its processes gets the signal."""
    write_leads(tmp_path / "leads.csv", 3000)
    mark = f"SIGNALS_TRIAL={tmp_path.name}"
    with live_sandbox(log_requests=True, latency="100ms-200ms") as sandbox:
        words = ["run", "leads.csv", "-m", mapping.name, "--base-url", sandbox.base_url]
        words += ["--out", "out", "--engine", "processes", "--workers", "2", "--concurrency", "16"]
        process = started(words, tmp_path, mark)
        wait_for(lambda: sandbox.request_count() > 50, process)
        told = processes(mark)
        assert len(told) == 3
        for pid in told:
            os.kill(pid, signal.SIGTERM)
        output, error = process.communicate(timeout=60)
        assert process.returncode == 143, error
        counts = check_journals([tmp_path / "out"], sandbox, 0)
    assert counts["uncertain"] == 0, output
    assert 50 < counts["created"] < 3000


@pytest.mark.parametrize(
    ("arguments", "span"),
    [
        (["check", "leads.csv", "-m", "m.yaml"], 1.5),
        (["check", "leads.csv", "-m", "m.yaml", "--report", "r.html"], 1.5),
        (["preview", "leads.csv", "-m", "m.yaml"], 1.0),
        (["init", "leads.csv"], 1.0),
        (["sandbox", "--port", "0"], 1.0),
        (["run", "leads.csv", "-m", "m.yaml", "--sandbox", "--again"], 3.0),
        (["batch", "jobs.yaml"], 2.5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_command_ends_in_order_wherever_signals_fall(
    mapping: Path, tmp_path: Path, service: LiveSandbox, arguments: list[str], span: float
) -> None:
    assert mapping.name == "m.yaml"
    write_leads(tmp_path / "leads.csv", 20_000)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "jobs.yaml").write_text(
        "version: 1\njobs:\n  - name: one\n    files: inbox/*.csv\n    mapping: m.yaml\n"
        f"    base_url: {service.base_url}\n    settle: 0s\n",
        "utf-8",
    )
    chance = random.Random(f"{os.environ.get('SOAK_SEED', '1')} {arguments}")
    since = len(service.requests())
    for number in range(TRIALS):
        if arguments[0] == "batch":
            # No list is the beginning of another: such are held back.
            path = write_leads(tmp_path / "inbox" / f"{number}.csv", 1000)
            path.write_text(path.read_text("utf-8").replace("Név", f"Név {number} "), "utf-8")
        trial(arguments, tmp_path, chance, span, lambda: True)
    if arguments[0] == "batch":
        # The next round ends what is left, unless it was uncertain already.
        process = started(arguments, tmp_path, "SIGNALS_TRIAL=last")
        output, error = process.communicate(timeout=600)
        assert process.returncode in {0, 4}, (output, error)
        counts = check_journals(list((tmp_path / "runs").glob("*-*")), service, since)
        assert counts.total() == counts["created"] + counts["uncertain"] == TRIALS * 1000
