"""What a killed command leaves: working copies, half-written files, runs that never began."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from importer.operations.ledger import Ledger
from tests.support.command import in_this_process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and modes of files")

LIST = "Name,Phone\nAnn,06301234567\nBob,06301234568\n"
MAPPING = """version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
"""
LONG = 60.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "l.csv").write_text(LIST, "utf-8")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    places = {"TMPDIR": str(home / "tmp"), "VCC_STATE_DIR": str(home / "state")}
    return {**os.environ, **places}


def done(home: Path, *words: str) -> None:
    found = in_this_process(home, {"VCC_STATE_DIR": str(home / "state")}, *words)
    assert found.returncode == 0, found.stdout + found.stderr


def done_by_process(home: Path, *words: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "importer", *words],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


@contextmanager
def reading(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A command that reads from a pipe which does not end, and the folder of its working copy."""
    before = set((home / "tmp").iterdir())
    process = subprocess.Popen(
        [sys.executable, "-m", "importer", "check", "-", "-m", "m.yaml"],
        cwd=home,
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(LIST.encode() * 100_000)
        process.stdin.flush()
        yield process, _copied(home / "tmp", before)
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _copied(folder: Path, before: set[Path]) -> Path:
    ends = time.monotonic() + LONG
    while time.monotonic() < ends:
        for content in folder.glob("vcc-import-*/content"):
            if content.parent not in before and content.stat().st_size > 1_000_000:
                return content.parent
        time.sleep(0.02)
    raise AssertionError("nothing was copied")


def test_the_next_command_removes_what_a_killed_one_left_and_nothing_else(home: Path) -> None:
    with reading(home) as (killed, copy):
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert (copy / "content").stat().st_size > 1_000_000
    others = home / "others"
    others.mkdir()
    (others / ".in-use").touch()
    (others / "precious").touch()
    (home / "tmp" / "vcc-import-link").symlink_to(others)
    strange = home / "tmp" / "vcc-import-strange"
    strange.mkdir()
    (strange / "file").touch()
    within = copy / "link"
    within.symlink_to(others)
    with reading(home) as (alive, held):
        assert not copy.exists()
        done_by_process(home, "schema")
        assert (held / "content").exists()
        assert alive.poll() is None
    assert (others / "precious").exists()
    assert (strange / "file").exists()


def test_a_command_that_ends_in_order_leaves_nothing(home: Path) -> None:
    words = ("check", "l.csv", "-m", "m.yaml", "--report", "r.xlsx", "--report", "r.html")
    done_by_process(home, *words)
    assert list((home / "tmp").iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_all_folders_that_are_made_are_their_owners_alone(home: Path, umask: int) -> None:
    words = ("run", "l.csv", "-m", "m.yaml", "--sandbox", "--runs-dir", "a/b/runs")
    before = os.umask(umask)
    try:
        done(home, *words)
    finally:
        os.umask(before)
    folders = [home / "a", *(path for path in (home / "a").rglob("*") if path.is_dir())]
    assert len(folders) > 3
    for folder in folders:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_a_report_removes_what_was_left_half_written(home: Path) -> None:
    done(home, "run", "l.csv", "-m", "m.yaml", "--sandbox", "--out", "out")
    left = [home / "out" / name for name in (".results.csv.0a0b0c0d.tmp", ".source.parquet.1.part")]
    for path in left:
        path.write_text(LIST, "utf-8")
    done(home, "report", "out")
    assert not any(path.exists() for path in left)
    assert (home / "out" / "results.csv").exists()


def test_prune_removes_runs_that_never_began(home: Path) -> None:
    done(home, "run", "l.csv", "-m", "m.yaml", "--sandbox", "--runs-dir", "runs")
    runs = home / "runs"
    # A rehearsal is not entered, and a ledger that is missing would be made again from the runs.
    with Ledger.open(runs):
        pass
    never = [runs / f"leads-20200101T00000{n}Z-abcdef" for n in range(3)]
    lost = runs / "leads-20200101T000009Z-abcdef"
    for folder in (*never, lost):
        folder.mkdir()
        (folder / "mapping.yaml").write_text(MAPPING, "utf-8")
    (never[1] / ".source.parquet.0a0b.part").write_text(LIST, "utf-8")
    (never[2] / "journal.sqlite3").touch()
    # With the whole copy of its rows, a run whose journal is gone may have sent.
    (lost / "source.parquet").write_text(LIST, "utf-8")
    done(home, "history", "--runs-dir", "runs", "--prune", "30d")
    assert not any(folder.exists() for folder in never)
    assert lost.exists()
