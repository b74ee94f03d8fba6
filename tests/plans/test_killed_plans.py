"""A plan that is killed while it is made is no plan; one that is killed while it is sent goes on.

`make soak` kills more often (SOAK_PLAN_ROWS, SOAK_PLAN_KILLS).
"""

from __future__ import annotations

import csv
import hashlib
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.errors import JournalError
from importer.journal.journal import PLANNED_KEY, Journal
from importer.model import Status
from importer.pipeline.ready import ReadyFile
from tests.plans.conftest import MAPPING, Desk, write_do_not_call, write_list
from tests.recovery.test_kill import CONCURRENCY, killed, start
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox

ROWS = int(os.environ.get("SOAK_PLAN_ROWS", "800"))
KILLS = int(os.environ.get("SOAK_PLAN_KILLS", "3"))
STEPS = {
    "the folder": "",
    "the journal": "journal.sqlite3",
    "the copy": "source.parquet",
    "a part of the records": ".ready.parquet.*.part",
    "the records": "ready.parquet",
    "the keys": "keys.bin",
}


def kill_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> bool:
    """Kill a process as soon as it has come so far; False where it ended before."""
    while not reached():
        if process.poll() is not None:
            return False
        time.sleep(0.0005)  # the condition is awaited, not a time
    process.kill()
    process.communicate()
    return True


def is_whole(out: Path) -> bool:
    """Whether the journal of a plan says that all of it was made."""
    try:
        with Journal.read(out / "journal.sqlite3") as journal:
            return PLANNED_KEY in journal.meta()
    except JournalError:
        return False


@pytest.mark.parametrize("step", STEPS)
def test_a_plan_that_is_killed_while_it_is_made_is_no_plan(
    desk: Desk, told: Callable[[], str], step: str
) -> None:
    write_list(desk.folder / "leads.csv", 3000)
    out = desk.folder / "out"
    url = ("--base-url", desk.sandbox.base_url)
    whole = True
    while whole:  # this process may see it too late: then it is tried once more
        shutil.rmtree(out, ignore_errors=True)
        process = start(desk.folder, "plan", "leads.csv", "-m", "m.yaml", "--out", "out", *url)
        reached = out.exists if not STEPS[step] else lambda: any(out.glob(STEPS[step]))
        whole = not kill_when(process, reached) or is_whole(out)
    for command in ("apply", "resume", "report"):
        told()
        code = desk.cli(command, "out")
        said = told()
        assert code == 2, said
        assert "Traceback" not in said
        assert "nothing was sent" in said.lower() or "holds no plan" in said, said
    assert desk.sandbox.request_count() == 0
    # It is in nobody's way.
    desk.plan("another")
    assert desk.cli("history") == 0


@pytest.mark.parametrize(("engine", "most"), [("local", KILLS), ("processes", max(2, KILLS // 5))])
def test_what_arrives_is_what_was_planned_however_often_apply_is_killed(
    cli: Cli, tmp_path: Path, engine: str, most: int
) -> None:
    write_list(tmp_path / "leads.csv", ROWS)
    write_do_not_call(tmp_path, 5, 6)
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    chance = random.Random(int(os.environ.get("SOAK_SEED", "1")))
    words = ("apply", "out", "--engine", engine)
    with live_sandbox(log_requests=True) as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert cli("plan", "leads.csv", "-m", "m.yaml", "--out", "out", "-q", *url) == 0
        with ReadyFile(tmp_path / "out" / "ready.parquet") as file:
            ready = {row: hashlib.sha256(body).hexdigest() for row, body in file.requests()}
        assert len(ready) == ROWS - 2
        kills, uncertain = 0, 0
        step = ROWS / most
        process = start(tmp_path, *words)
        while killed(process, sandbox, int(kills * step + 1 + chance.random() * step * 0.8)):
            process.communicate()
            kills += 1
            with Journal.read(tmp_path / "out" / "journal.sqlite3") as journal:
                now = journal.counts()[Status.UNCERTAIN]
            assert now - uncertain <= 2 * CONCURRENCY
            uncertain = now
            process = start(tmp_path, *words)
        _, error = process.communicate()
        assert error == b""
        assert process.returncode == (4 if uncertain else 0)
        assert kills >= most * 0.8
        requests = sandbox.requests()
    assert max(Counter(request.stamp for request in requests).values()) == 1, "sent twice"
    received = {int((request.stamp or "").rpartition(":")[2]): request for request in requests}
    assert {row: request.sha256 for row, request in received.items()} == {
        row: ready[row] for row in received
    }
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8", newline="") as lines:
        results = {int(line["row"]): line for line in csv.DictReader(lines)}
    assert set(results) == set(range(2, ROWS + 2))
    for row, result in results.items():
        match result["status"]:
            case "created":
                assert received[row].numberid == int(result["numberid"])
            case "uncertain":
                pass  # it may have been received, or not
            case status:
                assert (status, row in ready, row in received) == ("skipped", False, False)
