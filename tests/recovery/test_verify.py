"""``verify``: a sample of a run's created rows, read back and compared with what was sent."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

import importer
from importer.errors import UsageError
from importer.model import Status
from importer.settings import Pace, RunSettings, Secret, Target
from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import CREDENTIAL, LiveSandbox, live_sandbox

PROJECT = 134
COLUMNS = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
"""


def target(sandbox: LiveSandbox) -> Target:
    return Target(sandbox.base_url, PROJECT, CREDENTIAL, Secret(CREDENTIAL))


def imported(
    sandbox: LiveSandbox, mapping: Path, folder: Path, count: int, pace: Pace | None = None
) -> Path:
    """A run of so many leads, from row 2 on; its folder."""
    folder.mkdir(exist_ok=True)
    leads = write_leads(folder / "leads.csv", count)
    settings = RunSettings(out=folder / "run", pace=pace or Pace(concurrency=4))
    result = importer.run(leads, mapping, target=target(sandbox), settings=settings)
    assert result.summary.counts[Status.CREATED] == count
    return folder / "run"


def test_a_run_that_was_stored_as_it_was_sent_ends_with_zero(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, tmp_path: Path
) -> None:
    with live_sandbox() as sandbox:
        run = imported(sandbox, mapping, tmp_path, 30)
        assert cli("verify", run) == 0
        told = capsys.readouterr().out
        found = json.loads((run / "verify.json").read_text("utf-8"))
        before = [row["row"] for row in found["rows"]]
        assert cli("verify", run, "-q") == 0
        assert capsys.readouterr().out == ""
    again = json.loads((run / "verify.json").read_text("utf-8"))
    assert "Read back 20 records: 20 as sent, 0 with differences." in told
    assert "80 are equal, 0 different, 0 unverified" in told
    assert (found["created"], found["records"], found["project"]) == (30, 20, PROJECT)
    assert found["fields"] == {"equal": 80, "different": 0, "unverified": 0}
    assert before == sorted(set(before))
    assert set(before) <= set(range(2, 32))
    assert [row["row"] for row in again["rows"]] == before  # the same run, the same sample
    assert [field["path"] for field in found["rows"][0]["fields"]] == [
        "form.import_ref",
        "form.name",
        "contacts.1.phone",
        "phone_field",
    ]
    if os.name != "nt":
        assert (run / "verify.json").stat().st_mode & 0o777 == 0o600


def test_what_is_not_as_it_was_sent_is_shown_side_by_side(
    cli: Cli, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text(COLUMNS, "utf-8")
    leads = tmp_path / "leads.csv"
    names = ["Ann", "Árvíztűrő Tükörfúrógép", "Béla", "A name with a very long tail and more of it"]
    leads.write_text(
        "Name,Phone\n" + "".join(f"{name},063012345{n:02}\n" for n, name in enumerate(names)),
        "utf-8",
    )
    with live_sandbox(faults=[{"kind": "cut_texts", "characters": 20}]) as sandbox:
        settings = RunSettings(out=tmp_path / "run", pace=Pace(concurrency=1))
        importer.run(leads, mapping, target=target(sandbox), settings=settings)
        assert cli("verify", tmp_path / "run") == 1
    told = capsys.readouterr().out
    assert "4 records: 2 as sent, 2 with differences" in told
    [first, second] = [line for line in told.splitlines() if "form.name" in line]
    assert '"Árvíztűrő Tükörfúrógép"' in first
    assert first.endswith('"Árvíztűrő Tükörfúróg"')
    assert first.split()[:3] == ["3", "2", "form.name"]
    assert "…" in second
    assert "tail" in second
    found = json.loads((tmp_path / "run" / "verify.json").read_text("utf-8"))
    assert found["records_with_differences"] == 2


def test_the_library_gives_the_same_and_asks_no_faster_than_the_run_sent(
    mapping: Path, tmp_path: Path
) -> None:
    with live_sandbox(faults=[{"kind": "drop_field", "field": "name", "at": 2}]) as sandbox:
        pace = Pace(concurrency=1, rate=8)
        run = imported(sandbox, mapping, tmp_path, 5, pace)
        begun = time.monotonic()
        found = importer.verify(run, target=target(sandbox), sample=5)
        took = time.monotonic() - begun

        async def in_a_notebook() -> importer.Verification:
            return importer.verify(run, target=target(sandbox), sample=1)

        assert len(asyncio.run(in_a_notebook()).records) == 1
    assert isinstance(found, importer.Verification)
    assert took >= 5 / 8  # six requests, the project among them
    assert (found.created, len(found.records), found.exit_code) == (5, 5, 1)
    assert [(one.path, one.sent, one.read_back) for one in found.differences] == [
        ("form.name", "Név 1", None)
    ]
    assert [record.row for record in found.records if record.differences] == [3]


def test_a_run_whose_records_are_not_known_or_that_created_none_says_so(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, tmp_path: Path
) -> None:
    with live_sandbox() as sandbox:
        run = imported(sandbox, mapping, tmp_path, 1)
        elsewhere = Target(sandbox.base_url, PROJECT + 1, CREDENTIAL, Secret(CREDENTIAL))
        with pytest.raises(UsageError, match="went to project 134"):
            importer.verify(run, target=elsewhere)
        with (run / "ready.parquet").open("ab") as ready:
            ready.write(b" ")
        assert cli("verify", run) == 2
        assert "ready.parquet was changed since it was planned" in capsys.readouterr().err
        with closing(sqlite3.connect(run / "journal.sqlite3")) as journal, journal:
            journal.execute("DELETE FROM meta WHERE key = 'plan_sha256'")
        (run / "journal.sqlite3.mark").unlink()
        assert cli("verify", run) == 2
        assert "earlier version" in capsys.readouterr().err
    with live_sandbox(faults=[{"kind": "server_error"}]) as sandbox:
        leads = write_leads(tmp_path / "l.csv", 1)
        settings = RunSettings(out=tmp_path / "none", pace=Pace(concurrency=1))
        importer.run(leads, mapping, target=target(sandbox), settings=settings)
        assert cli("verify", tmp_path / "none") == 0
    assert "nothing to read back" in capsys.readouterr().out
    assert not (tmp_path / "none" / "verify.json").exists()


def test_a_rehearsal_is_verified_in_its_own_sandbox(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, tmp_path: Path
) -> None:
    leads = write_leads(tmp_path / "leads.csv", 3)
    assert cli("run", leads, "-m", mapping, "--sandbox", "--out", "run", "-q") == 0
    assert cli("verify", "run", "--sample", 2) == 0
    told = capsys.readouterr().out
    assert "A sample of 3 created rows" in told
    assert "Read back 2 records: 2 as sent" in told
