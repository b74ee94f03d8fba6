"""Names of files are bytes on POSIX: those that are no UTF-8 are shown escaped, and kept whole."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import in_this_process
from tests.support.live_sandbox import LiveSandbox, live_sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs names of any bytes")

LATIN = os.fsdecode(b"M\xfcller")
"""A name as servers of the nineties have it."""
MAPPING = """version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
"""
JOBS = """version: 1
runs_dir: batch-runs
jobs:
  - name: one
    files: in
    mapping: m.yaml
    base_url: URL
    done: done
    failed: failed
    settle: 0
"""


@pytest.fixture(scope="module")
def service() -> Iterator[LiveSandbox]:
    with live_sandbox() as live:
        yield live


@pytest.fixture
def home(tmp_path: Path, service: LiveSandbox) -> Path:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "jobs.yaml").write_text(JOBS.replace("URL", service.base_url), "utf-8")
    (tmp_path / "in").mkdir()
    return tmp_path


_numbers = iter(range(1_000_000, 2_000_000))


def leads(count: int = 2) -> str:
    """A list that no other test has sent."""
    lines = [f"Ann,0630{next(_numbers)}" for _ in range(count)]
    return "\n".join(["Name,Phone", *lines, ""])


def typed(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, whose words the system hands over as bytes."""
    found = subprocess.run(
        [sys.executable, "-m", "importer", *words],
        cwd=home,
        env={**os.environ, **environment(home), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return harmless(found)


def done(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return harmless(in_this_process(home, environment(home), *words))


def environment(home: Path) -> dict[str, str]:
    own = {"VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
    return {**own, "VCC_STATE_DIR": str(home / "state")}


def harmless(found: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert "Traceback" not in found.stderr
    assert "bug" not in found.stderr
    return found


def test_a_list_mapping_and_folder_of_such_names_are_sent(home: Path, service: LiveSandbox) -> None:
    (home / f"{LATIN}.csv").write_text(leads(), "utf-8")
    (home / "m.yaml").rename(home / f"{LATIN}.yaml")
    words = ("run", f"{LATIN}.csv", "-m", f"{LATIN}.yaml", "--base-url", service.base_url)
    found = typed(home, *words, "--out", f"{LATIN}.out")
    assert found.returncode == 0, found.stderr
    assert "M\\xfcller.csv" in found.stdout
    folder = home / f"{LATIN}.out"
    summary = json.loads((folder / "summary.json").read_bytes())
    assert summary["source"]["path"] == "M\\xfcller.csv"
    assert summary["counts"]["created"] == 2
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    assert done(home, "report", f"{LATIN}.out").returncode == 0
    assert done(home, "resume", f"{LATIN}.out").returncode == 0
    history = done(home, "history", "--all")
    assert "M\\xfcller.csv" in history.stdout
    again = done(home, *words, "--log-format", "json")
    told = [json.loads(line) for line in again.stderr.splitlines()]
    assert "M\\xfcller.csv: its content was sent" in told[-1]["message"]


@pytest.mark.parametrize("ending", ["json", "csv", "html", "xlsx", "txt"])
def test_a_report_is_written_under_and_about_such_a_name(home: Path, ending: str) -> None:
    (home / f"{LATIN}.csv").write_text(leads(), "utf-8")
    report = f"{LATIN}-report.{ending}"
    found = done(home, "check", f"{LATIN}.csv", "-m", "m.yaml", "--report", report)
    assert found.returncode == 0, found.stderr
    assert (home / report).stat().st_size > 0


def test_a_printed_command_can_be_pasted(home: Path) -> None:
    name = f"{LATIN} 'x'.csv"
    (home / name).write_text(leads(), "utf-8")
    found = done(home, "check", name, "-m", "m.yaml")
    [line] = [line for line in found.stdout.splitlines() if "vcc-import plan" in line]
    words = line.strip().removeprefix("vcc-import plan ").removesuffix(" -m m.yaml")
    pasted = subprocess.run(
        ["bash", "-c", f"printf %s {words}"], capture_output=True, check=True, timeout=60
    )
    assert pasted.stdout == os.fsencode(name)


def test_a_do_not_call_list_of_such_a_name_is_named_escaped(home: Path) -> None:
    """A mapping is UTF-8, so it cannot name one; its own folder may have such a name."""
    folder = home / LATIN
    folder.mkdir()
    (folder / "m.yaml").write_text(MAPPING + "rows: {do_not_call: {file: dnc.csv}}\n", "utf-8")
    (home / "l.csv").write_text(leads(), "utf-8")
    found = done(home, "check", "l.csv", "-m", f"{LATIN}/m.yaml")
    assert found.returncode == 2, found.stderr
    assert "M\\xfcller/dnc.csv" in found.stderr
    (folder / "dnc.csv").write_text("Phone\n06301999999\n", "utf-8")
    assert done(home, "check", "l.csv", "-m", f"{LATIN}/m.yaml").returncode == 0


def test_a_batch_imports_and_puts_away_such_names_beside_the_others(home: Path) -> None:
    names = [f"{LATIN}.csv", "good.csv", "x" * 251 + ".csv"]
    for name in names:
        (home / "in" / name).write_text(leads(), "utf-8")
    found = done(home, "batch", "jobs.yaml")
    assert found.returncode == 0, found.stderr
    assert "3 imported" in found.stdout + found.stderr
    assert list((home / "in").iterdir()) == []
    put_away = {path.name for path in (home / "done").iterdir() if path.is_file()}
    assert put_away >= set(names)
    results = [path for path in (home / "done").iterdir() if path.name.endswith(".results")]
    assert len(results) == 3
    for folder in results:
        assert (folder / "results.csv").is_file()
    assert "M\\xfcller.csv" in done(home, "history", "--runs-dir", "batch-runs").stdout


def test_a_batch_puts_a_note_beside_such_names(home: Path) -> None:
    """Duplicates of the same names, and of the longest one there can be."""
    long = "x" * 251 + ".csv"
    text = {name: leads() for name in (f"{LATIN}.csv", long)}
    for _ in range(3):
        for name, content in text.items():
            (home / "in" / name).write_text(content, "utf-8")
        found = done(home, "batch", "jobs.yaml")
        assert found.returncode == 0, found.stderr
        assert list((home / "in").iterdir()) == []
    latin = [path for path in (home / "done").iterdir() if path.name.startswith(LATIN)]
    assert len([path for path in latin if path.suffix == ".csv"]) == 3
