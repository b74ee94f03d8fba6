"""`vcc-import batch` as cron starts it: real processes, a real service, bad days."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
stamp: import_ref
"""
JOBS = """\
version: 1
defaults: {mapping: m.yaml, base_url: URL, settle: 0}
jobs:
  - {name: vienna, files: inbox/*.csv, done: done, failed: failed, held: held}
"""
# A limit on the size of files is what a full disk is to a writer, and needs no disk.
LIMITED = """
import resource, sys
sys.dont_write_bytecode = True  # the limit would cut the interpreter's own files, too
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from importer.cli.main import run_cli
sys.exit(run_cli(sys.argv[1:]))
"""
PROGRAM = (sys.executable, "-m", "importer")


def put(path: Path, count: int = 3, first: int = 0) -> Path:
    lines = [f"Név {i},0630{1_000_000 + i}" for i in range(first, first + count)]
    path.write_text("\n".join(["Name,Phone", *lines, ""]), "utf-8")
    return path


@pytest.fixture
def home(tmp_path: Path, sandbox: LiveSandbox) -> Path:
    """A folder with an inbox and a jobs file for it."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    write_jobs(tmp_path, sandbox.base_url)
    return tmp_path


def write_jobs(home: Path, url: str, more: str = "") -> None:
    (home / "jobs.yaml").write_text(JOBS.replace("URL", url) + more, "utf-8")


def environment() -> dict[str, str]:
    """As bare as cron's, but for what Windows needs to start anything, and for the state."""
    names = ("SYSTEMROOT", "VCC_STATE_DIR")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}


def start(home: Path, *words: str, program: tuple[str, ...] = PROGRAM) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*program, "batch", "jobs.yaml", *words],
        cwd=home,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []


def test_a_round_tells_each_file_in_a_line_and_then_the_totals(
    cli: Cli, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(home / "inbox" / "leads.csv")
    assert cli("batch", "jobs.yaml") == 0
    assert capfd.readouterr().out.splitlines() == [
        f"vienna  {Path('inbox') / 'leads.csv'}: imported: 3 created",
        "1 job, 1 file: 1 imported. Exit code 0.",
    ]
    assert cli("batch", "jobs.yaml") == 0
    assert capfd.readouterr().out == "1 job, 0 files. Exit code 0.\n"


def test_quiet_says_nothing_of_what_went_well_and_errors_only_of_the_rest(
    cli: Cli, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(home / "inbox" / "leads.csv", first=10)
    assert cli("batch", "jobs.yaml", "-q") == 0
    assert capfd.readouterr() == ("", "")
    (home / "inbox" / "odd.csv").write_text("Nom,Tel\nAnne,1\n", "utf-8")
    assert cli("batch", "jobs.yaml", "-q") == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "odd.csv: failed" in err
    assert str(home / "failed" / "odd.csv") in err


def test_json_lines_have_the_job_the_file_and_its_figures(
    cli: Cli, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(home / "inbox" / "leads.csv", first=20)
    assert cli("batch", "jobs.yaml", "--log-format", "json", "-q") == 0
    found = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert {line["job"] for line in found} == {"vienna"}
    end = found[-1]
    assert (end["fate"], end["exit_code"], end["counts"]["created"]) == ("imported", 0, 3)
    assert Path(end["results"]).name == end["run"]


def test_all_mistakes_of_a_jobs_file_are_told_at_once(
    cli: Cli, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_jobs(home, "https://x", "  - {name: vienna, fils: x}\n  - {name: b/c, files: x}\n")
    assert cli("batch", "jobs.yaml") == 2
    err = capfd.readouterr().err
    assert "jobs.yaml:5:" in err
    assert "jobs.yaml:6:" in err


def test_a_job_that_is_not_there_is_told_with_those_that_are(
    cli: Cli, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli("batch", "jobs.yaml", "--job", "wien") == 2
    assert "vienna" in capfd.readouterr().err


def test_a_held_file_is_let_through_by_its_path(
    cli: Cli, home: Path, sandbox: LiveSandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    write_jobs(home, sandbox.base_url)
    text = (home / "jobs.yaml").read_text("utf-8").replace("held: held", "held: held, drift: true")
    (home / "jobs.yaml").write_text(text, "utf-8")
    for i in range(3):
        put(home / "inbox" / f"{i}.csv", 10, 100 + 10 * i)
    assert cli("batch", "jobs.yaml") == 0
    put(home / "inbox" / "odd.csv", 2, 200)
    assert cli("batch", "jobs.yaml") == 1
    assert "usually about 10, now 2" in capfd.readouterr().err
    assert cli("batch", "jobs.yaml", "--release", "held/odd.csv") == 0
    assert cli("batch", "jobs.yaml") == 0
    assert "odd.csv" in names(home / "done")


def test_history_has_the_files_that_became_no_run(
    cli: Cli, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(home / "inbox" / "odd.csv").write_text("Nom,Telephone\nAnne,0630\n", "utf-8")
    assert cli("batch", "jobs.yaml") == 2
    capfd.readouterr()
    assert cli("history") == 0
    out = capfd.readouterr().out
    assert "odd.csv" in out
    assert "failed" in out
    assert "none: the file does not fit the mapping" in out
    assert cli("history", "--json") == 0
    (found,) = json.loads(capfd.readouterr().out)
    assert (found["status"], found["exit_code"], found["run_id"]) == ("failed", 2, None)


def test_two_rounds_at_once_send_every_row_once(home: Path) -> None:
    with live_sandbox(latency="5ms", log_requests=True) as live:
        write_jobs(home, live.base_url)
        for i in range(8):
            put(home / "inbox" / f"{i}.csv", 20, 20 * i)
        both = [start(home), start(home)]
        told = [process.communicate() for process in both]
        assert [process.returncode for process in both] == [0, 0], told
        assert live.request_count() == 160
        assert len(live.records(134)) == 160
    assert names(home / "inbox") == []
    assert any("another round" in out for out, _ in told)


def test_a_round_that_is_killed_while_it_sends_is_ended_by_the_next(home: Path) -> None:
    with live_sandbox(latency="10ms", log_requests=True) as live:
        write_jobs(home, live.base_url)
        put(home / "inbox" / "leads.csv", 600)
        first = start(home, "-q")
        while live.request_count() < 20:
            assert first.poll() is None, first.communicate()
            time.sleep(0.005)  # the condition is awaited, not a time
        first.kill()
        first.communicate()
        assert names(home / "inbox") == ["leads.csv"]
        second = start(home)
        out, err = second.communicate()
        assert second.returncode in {0, 4}, err
        assert "leads.csv: imported" in out
        assert set(Counter(r.stamp for r in live.requests()).values()) == {1}
    assert names(home / "inbox") == []
    (summary,) = (home / "done").glob("leads.csv.results/summary.json")
    counts = json.loads(summary.read_text("utf-8"))["counts"]
    assert counts["created"] + counts["uncertain"] == 600


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_round_that_is_terminated_finishes_what_is_in_flight_and_the_next_goes_on(
    home: Path,
) -> None:
    with live_sandbox(latency="10ms", log_requests=True) as live:
        write_jobs(home, live.base_url)
        put(home / "inbox" / "leads.csv", 600)
        first = start(home, "-q")
        while live.request_count() < 20:
            assert first.poll() is None, first.communicate()
            time.sleep(0.005)  # the condition is awaited, not a time
        first.send_signal(signal.SIGTERM)
        _, err = first.communicate()
        assert first.returncode == 143, err
        assert names(home / "inbox") == ["leads.csv"]
        second = start(home)
        assert (second.communicate()[1], second.returncode) == ("", 0)
        assert len(live.records(134)) == 600
    assert names(home / "inbox") == []


@pytest.mark.skipif(os.name != "posix", reason="resource limits as POSIX has them")
@pytest.mark.parametrize(
    ("rows", "limit", "full", "sends"),
    [
        pytest.param(1500, 30_000, "in the variable TMPDIR", False, id="the copy of the list"),
        pytest.param(1200, 30_000, "journal.sqlite3", False, id="the journal of a plan"),
        pytest.param(1200, 60_000, "journal.sqlite3", True, id="the journal while rows are sent"),
    ],
)
def test_a_full_disk_is_told_and_loses_nothing(
    home: Path, rows: int, limit: int, full: str, sends: bool
) -> None:
    with live_sandbox(log_requests=True) as live:
        write_jobs(home, live.base_url, "  - {name: later, files: later/*.csv}\n")
        (home / "later").mkdir()
        put(home / "inbox" / "leads.csv", rows)
        put(home / "inbox" / "more.csv", 100, 3000)
        put(home / "later" / "leads.csv", 3, 9000)
        first = start(home, program=(sys.executable, "-c", LIMITED, str(limit)))
        out, err = first.communicate()
        assert first.returncode == 3, (out, err)
        assert full in err
        assert (live.request_count() > 0) is sends
        assert "Traceback" not in err
        assert names(home / "inbox") == ["leads.csv", "more.csv"]
        assert names(home / "done") == []
        roomy = start(home)
        out, err = roomy.communicate()
        assert roomy.returncode in {0, 4}, (out, err)
        assert set(Counter(r.stamp for r in live.requests()).values()) == {1}
        assert rows + 103 - 64 <= live.request_count() <= rows + 103
    assert names(home / "inbox") == []


def test_five_files_from_an_empty_environment_and_the_second_round_does_what_is_left(
    home: Path, sandbox: LiveSandbox
) -> None:
    write_jobs(home, sandbox.base_url)
    jobs = home / "jobs.yaml"
    text = jobs.read_text("utf-8").replace("settle: 0", "settle: 10m")
    jobs.write_text(text.replace("held: held", "held: held, drift: true"), "utf-8")

    def arrive(name: str, count: int, first: int) -> Path:
        path, then = put(home / "inbox" / name, count, first), time.time() - 3600
        os.utime(path, (then, then))
        return path

    for i in range(3):
        arrive(f"past{i}.csv", 10, 5000 + 10 * i)
    assert start(home).communicate()[1] == ""
    arrive("good.csv", 10, 5100)
    shutil.copy2(home / "inbox" / "good.csv", home / "inbox" / "good_again.csv")
    arrive("little.csv", 2, 5200)
    half = put(home / "inbox" / "half.csv", 10, 5300)
    broken = arrive("broken.csv", 1, 0)
    broken.write_bytes(b"PK\x03\x04 no workbook")
    os.utime(broken, (0, 0))
    first = start(home)
    out, err = first.communicate()
    assert first.returncode == 2, err
    lines = [line.partition(": ")[2] for line in sorted(out.splitlines()[:-1])]
    assert [line.partition(": ")[0].split(" (")[0] for line in lines] == [
        "failed", "imported", "duplicate", "waiting", "held",
    ]  # fmt: skip
    assert names(home / "inbox") == ["half.csv"]
    os.utime(half, (0, 0))
    second = start(home)
    out, err = second.communicate()
    assert (second.returncode, err) == (0, "")
    assert out.splitlines() == [
        f"vienna  {Path('inbox') / 'half.csv'}: imported: 10 created",
        "1 job, 1 file: 1 imported. Exit code 0.",
    ]
    assert names(home / "inbox") == []


def test_watch_takes_files_as_they_come_and_ends_in_order(home: Path) -> None:
    with live_sandbox(log_requests=True) as live:
        write_jobs(home, live.base_url)
        put(home / "inbox" / "early.csv")
        watching = start(home, "--watch")
        out = watching.stdout
        assert out is not None
        assert "early.csv: imported" in out.readline()
        assert "1 job, 1 file" in out.readline()
        put(home / "late.csv", first=10).rename(home / "inbox" / "late.csv")
        assert "late.csv: imported" in out.readline()
        assert "1 job, 1 file" in out.readline()
        watching.send_signal(signal.SIGTERM if os.name == "posix" else signal.SIGABRT)
        rest, err = watching.communicate(timeout=20)
    assert (watching.returncode, rest) == (0, ""), err


def test_nothing_of_a_file_or_of_the_key_is_in_what_is_told(
    cli: Cli, home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / "inbox" / "leads.csv", first=300)
    (home / "inbox" / "bad.csv").write_text("Name,Phone\nAnna Secret,12\n", "utf-8")
    assert cli("batch", "jobs.yaml") == 1
    told = "".join(capfd.readouterr())
    assert "Secret" not in told
    assert "Név" not in told
