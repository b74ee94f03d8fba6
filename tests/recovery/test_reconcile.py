"""Uncertain rows are released only where looking for them is known to work."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from importer.journal.journal import ENDED_KEY, Journal
from importer.model import Outcome, Status
from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox

LOST: Sequence[dict[str, Any]] = [{"kind": "close", "at": 3, "stored": True}]
AT_ONCE = ("--lookups", 10_000)
RELEASE = ("--release", "--settling", 0, *AT_ONCE)


def lose_one(cli: Cli, sandbox: LiveSandbox, folder: Path, limit: int = 5) -> Path:
    """A run of which one answer was lost, and some rows are pending."""
    leads = write_leads(folder / "leads.csv", 8)
    base_url = ("--base-url", sandbox.base_url)
    arguments = ("-m", folder / "m.yaml", "--out", "out", "--limit", limit, *base_url)
    assert cli("run", leads, *arguments, "--concurrency", 1) == 4
    return folder / "out"


def change(sandbox: LiveSandbox, statement: str, numberid: int | None = None) -> None:
    with closing(sqlite3.connect(sandbox.db)) as connection, connection:
        where = "" if numberid is None else " WHERE numberid = ?"
        connection.execute(statement + where, () if numberid is None else (numberid,))


def uncertain_rows(run: Path) -> list[int]:
    with Journal.read(run / "journal.sqlite3") as journal:
        return [o.row for o in journal.outcomes() if o.status is Status.UNCERTAIN]


@pytest.mark.parametrize(
    "statement",
    [
        # The field turns what it is given into something else, such as a value's id.
        "UPDATE record SET data = json_replace(data, '$.import_ref', 17)",
        "UPDATE record SET data = json_remove(data, '$.import_ref')",
        # The service answers 404 whatever is asked for.
        "DELETE FROM record",
    ],
)
def test_where_records_that_exist_are_not_found_none_is_released(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    with live_sandbox(faults=LOST) as sandbox:
        run = lose_one(cli, sandbox, tmp_path)
        change(sandbox, statement)
        assert cli("reconcile", run, *RELEASE) == 2
        assert "looking proves nothing" in capsys.readouterr().err
        assert len(uncertain_rows(run)) == 1


def test_where_no_record_is_known_to_exist_none_is_released(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox(faults=[{"kind": "close", "at": 1}]) as sandbox:
        run = lose_one(cli, sandbox, tmp_path, limit=1)
        assert cli("reconcile", run, "--from", 1, *RELEASE) == 2
        assert "vcc-import mark" in capsys.readouterr().err
        assert len(uncertain_rows(run)) == 1


def test_a_record_that_the_service_gave_an_id_for_and_an_error_is_looked_at_and_never_released(
    cli: Cli, mapping: Path, tmp_path: Path
) -> None:
    with live_sandbox(faults=LOST) as sandbox:
        run = lose_one(cli, sandbox, tmp_path)
        [row] = uncertain_rows(run)
        [numberid] = [
            r["numberid"]
            for r in sandbox.records(134)
            if r["form"]["import_ref"].endswith(f":{row}")
        ]
        with Journal.open(run / "journal.sqlite3") as journal:
            # What the journal holds after such an answer.
            journal.amend("test", released=[row])
            journal.record(intents=[row])
            partial = Outcome(row, Status.UNCERTAIN, (str(numberid),), 1, 200, "partial", "")
            journal.settle([partial])
        change(sandbox, "UPDATE record SET data = json_remove(data, '$.import_ref')", numberid)
        assert cli("reconcile", run, *RELEASE) == 4
        assert uncertain_rows(run) == [row]


def test_the_settling_time_of_a_run_that_was_killed_begins_with_its_last_sign_of_life(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not with the end of the sitting before, nor anew with each look."""
    with live_sandbox(faults=[{"kind": "close", "at": 3}]) as sandbox:
        run = lose_one(cli, sandbox, tmp_path)
        path = run / "journal.sqlite3"
        with Journal.open(path) as journal:
            # A sitting long ago that ended, and one that was killed: an intent without an end.
            journal.set_meta({ENDED_KEY: "1.0"})
            journal.record(intents=[9])
        assert cli("reconcile", run, "--release", *AT_ONCE) == 2
        assert "a late request may still arrive" in capsys.readouterr().err
        with Journal.read(path) as journal:
            noted = float(journal.meta()[ENDED_KEY])
        assert abs(noted - time.time()) < 60
        with Journal.open(path) as journal:
            journal.set_meta({ENDED_KEY: str(noted - 121)})
        os.utime(path)
        assert cli("reconcile", run, "--release", *AT_ONCE) == 0
        assert uncertain_rows(run) == []


def test_rows_that_were_leased_to_senders_elsewhere_wait_for_the_end_of_their_lease(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_sandbox(faults=[{"kind": "close", "at": 3}]) as sandbox:
        leads = write_leads(tmp_path / "leads.csv", 8)
        arguments = ("--out", "out", "--base-url", sandbox.base_url, "--concurrency", 2)
        elsewhere = ("--engine", "processes", "--limit", 5)
        assert cli("run", leads, "-m", mapping, *arguments, *elsewhere) == 4
        run = tmp_path / "out"
        assert cli("reconcile", run, *RELEASE) == 2
        assert "a late request may still arrive" in capsys.readouterr().err
        [row] = uncertain_rows(run)
        assert cli("mark", run, "--row", row, "--absent") == 2
        assert "may still send for" in capsys.readouterr().err
        assert uncertain_rows(run) == [row]
        with Journal.open(run / "journal.sqlite3") as journal:
            journal.set_meta({ENDED_KEY: str(time.time() - 31)})
        assert cli("reconcile", run, *RELEASE) == 0
