"""Sending, by the importer, by the yardstick and by what people would use instead."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.leads import MAPPING
from benchmarks.measuring import ROOT, Usage, run_process
from benchmarks.service import Service, Watcher

PEERS = Path(__file__).with_name("peers")
BARE = PEERS / "bare_loop.py"
PEERS_ENV = Path(__file__).with_name(".venv-peers")
PINNED = Path(__file__).with_name("peers.txt")
PYTHON = sys.executable
IMPORTER = (PYTHON, "-m", "importer")
CREDENTIALS = {"VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}

Work = Callable[[], Usage]


def environment() -> dict[str, str]:
    """The environment of everything that is measured."""
    quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    # In the folder of what is measured: past measurements must not be in the way.
    state = {"VCC_STATE_DIR": "state"}
    return {**os.environ, **CREDENTIALS, **quiet, **state, "PYTHONPATH": str(ROOT)}


def peers_python() -> Path:
    """The Python of the peers' own virtual environment, which is made where it is missing."""
    python = PEERS_ENV / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp = PEERS_ENV / "made-of.txt"
    if not stamp.exists() or stamp.read_text() != PINNED.read_text():
        print(f"Installing the peers into {PEERS_ENV} …", file=sys.stderr, flush=True)
        shutil.rmtree(PEERS_ENV, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", PEERS_ENV], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        made = subprocess.run(
            [*pip, "-r", str(PINNED)], check=False, capture_output=True, text=True
        )
        if made.returncode:
            raise RuntimeError(f"the peers cannot be installed:\n{made.stderr[-2000:]}")
        stamp.write_text(PINNED.read_text())
    return python


@dataclass(frozen=True, slots=True)
class Contest:
    """Who sends the rows of a leads file to a service; each method does so once.

    Raises RuntimeError where the service got another number of requests.
    """

    service: Service
    file: Path
    rows: int
    folder: Path
    env: Mapping[str, str] = field(default_factory=environment)

    def bare(self, in_flight: int = 64) -> Usage:
        """The yardstick: `wall` is that of its loop alone, without reading the file."""
        found = self._watched((PYTHON, BARE, self.service.records_url, self.file, in_flight))
        return replace(found, wall=float(found.output))

    def two_bare(self) -> Usage:
        """Two yardsticks at once, that send half of the rows each; both must be done."""
        found = self._watched((PYTHON, BARE, self.service.records_url, self.file, 32, 2))
        return replace(found, wall=float(found.output))

    def run(self, *options: object) -> Usage:
        """``vcc-import run``, from the program's start to its end, results written."""
        out = self.folder / "run"
        shutil.rmtree(out, ignore_errors=True)
        found = self._watched(
            (
                *(*IMPORTER, "run", self.file, "-m", MAPPING, "--out", out, "--again", "--quiet"),
                *("--base-url", self.service.base_url, "--no-preflight", *options),
            )
        )
        summary = json.loads((out / "summary.json").read_text())
        if summary["counts"]["created"] != self.rows:
            raise RuntimeError(f"not all were created: {summary['counts']}")
        shutil.rmtree(out)
        return found

    def pandas(self) -> Usage:
        """A script of pandas and aiohttp."""
        results = self.folder / "results.csv"
        script = PEERS / "pandas_script.py"
        return self._watched((peers_python(), script, self.service.records_url, self.file, results))

    def csv2http(self) -> Usage:
        """csv2http, its log off, as a row's reply takes 100 bytes there."""
        url = self.service.records_url
        program = (peers_python(), "-m", "csv2http.core", self.file, url)
        return self._watched((*program, "-c", 64, "-n", "-a", "sandbox:sandbox"))

    def dlt(self) -> Usage:
        """A pipeline of dlt with a destination of one's own."""
        folder = self.folder / "dlt"
        shutil.rmtree(folder, ignore_errors=True)
        script = PEERS / "dlt_script.py"
        return self._watched((peers_python(), script, self.service.records_url, self.file, folder))

    def _watched(self, command: tuple[object, ...]) -> Usage:
        with Watcher(self.service) as watcher:
            found = run_process(command, folder=self.folder, env=self.env)
        if watcher.requests != self.rows:
            raise RuntimeError(f"{command}: {watcher.requests} requests for {self.rows} rows")
        return replace(found, sending=watcher.seconds)
