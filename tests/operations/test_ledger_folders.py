"""The guard does not depend on the folder one stands in: what a user's other folders know."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import importer
from importer.files import make_private_folder
from importer.model import Status
from importer.operations.guarded import target_lock
from importer.operations.ledger import Ledger, remember, remembered
from importer.pipeline.running import StopSwitch
from tests.support.live_sandbox import LiveSandbox, live_sandbox
from tests.support.other_run import other_run_sending

MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
"""
LIST = "Name,Phone\nAnn,+36201234001\nBob,+36201234002\nCyd,+36201234003\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LiveSandbox]:
    with live_sandbox() as live:
        yield live


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Path:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "leads.csv").write_text(LIST, "utf-8")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    return tmp_path


def target(live: LiveSandbox) -> importer.Target:
    return importer.Target(live.base_url, 134, "sandbox", importer.Secret("sandbox"))


def run(
    live: LiveSandbox, folder: Path, *, again: bool = False, **settings: object
) -> importer.RunResult:
    """Run the list as if one stood in that folder: its runs folder is the one in it."""
    own: dict[str, object] = {"runs_dir": folder / "runs", **settings}
    return importer.run(
        folder.parent / "leads.csv",
        folder.parent / "m.yaml",
        target=target(live),
        settings=importer.RunSettings(**own),  # type: ignore[arg-type] # each to its own
        guard=importer.Guard(again=again),
    )


def test_a_list_that_was_sent_from_another_folder_is_refused_and_named_absolutely(
    sandbox: LiveSandbox, home: Path
) -> None:
    first = run(sandbox, home / "a")
    with pytest.raises(importer.AlreadyImported, match="3 rows were created") as error:
        run(sandbox, home / "b")
    assert str(first.directory.path.absolute()) in str(error.value.hint)
    assert not list((home / "b" / "runs").glob("leads-*"))
    assert run(sandbox, home / "b", again=True).summary.counts[Status.CREATED] == 3


def test_standing_in_another_folder_with_the_relative_default(
    sandbox: LiveSandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stand_and_run(name: str) -> importer.RunResult:
        monkeypatch.chdir(home / name)
        return importer.run("../leads.csv", "../m.yaml", target=target(sandbox))

    assert stand_and_run("a").summary.exit_code == 0
    with pytest.raises(importer.AlreadyImported) as error:
        stand_and_run("b")
    assert str((home / "a" / "runs").resolve()) in str(error.value.hint)
    assert set(remembered()) == {(home / name / "runs").resolve() for name in ("a", "b")}


def test_an_unfinished_run_elsewhere_is_offered_and_can_be_resumed_from_anywhere(
    sandbox: LiveSandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(sandbox, home / "a", limit=1, out=home / "out")
    monkeypatch.chdir(home / "b")
    with pytest.raises(importer.Unfinished) as error:
        run(sandbox, home / "b")
    assert error.value.run_dir == first.directory.path
    importer.resume(error.value.run_dir, target=target(sandbox))
    with Ledger.open(home / "a" / "runs") as ledger:
        (entry,) = ledger.runs()
    assert (entry.status, entry.counts["created"]) == ("finished", 3)


def test_what_a_run_elsewhere_has_sent_since_keeps_a_run_from_being_resumed(
    sandbox: LiveSandbox, home: Path
) -> None:
    first = run(sandbox, home / "a", limit=1)
    run(sandbox, home / "b", again=True)
    with pytest.raises(importer.AlreadyImported, match="was sent to project 134 since") as error:
        importer.resume(first.directory.path, target=target(sandbox))
    assert str(home / "b") in str(error.value.hint)


def test_rows_within_looks_into_all_folders(sandbox: LiveSandbox, home: Path) -> None:
    rule = "rows: {unique: [contacts.1.phone], within: 90d}\n"
    (home / "m.yaml").write_text(MAPPING + rule, "utf-8")
    run(sandbox, home / "a")
    (home / "leads.csv").write_text(LIST + "Dan,+36201234004\n", "utf-8")
    counts = run(sandbox, home / "b").summary.counts
    assert (counts[Status.CREATED], counts[Status.SKIPPED]) == (1, 3)


def test_rehearsals_are_not_remembered(sandbox: LiveSandbox, home: Path) -> None:
    run(sandbox, home / "a", sandbox=home / "sandbox")
    assert remembered() == []
    assert run(sandbox, home / "b").summary.exit_code == 0


def test_a_folder_that_is_gone_is_forgotten(
    sandbox: LiveSandbox, home: Path, state_dir: Path
) -> None:
    run(sandbox, home / "a")
    shutil.rmtree(home / "a")
    assert remembered() == []
    assert [*state_dir.rglob("*.json")] == []
    assert run(sandbox, home / "b").summary.exit_code == 0


def test_a_folder_whose_drive_is_away_is_kept(home: Path, state_dir: Path) -> None:
    (home / "a" / "runs").mkdir()
    remember(home / "a" / "runs")
    (entry,) = state_dir.rglob("*.json")
    told = json.loads(entry.read_text("utf-8"))
    entry.write_text(json.dumps({**told, "device": told["device"] + 1}), "utf-8")
    shutil.move(home / "a" / "runs", home / "away")
    assert remembered() == []
    shutil.move(home / "away", home / "a" / "runs")
    assert remembered() == [(home / "a" / "runs").resolve()]


def test_a_folder_is_remembered_once_however_it_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "a" / "runs").mkdir()
    (home / "link").symlink_to(home / "a", target_is_directory=True)
    monkeypatch.chdir(home / "b")
    for path in (home / "a" / "runs", Path("../a/runs"), home / "link" / "runs"):
        remember(path)
    assert remembered() == [(home / "a" / "runs").resolve()]


def test_a_symlinked_folder_is_the_same_folder(sandbox: LiveSandbox, home: Path) -> None:
    run(sandbox, home / "a")
    (home / "link").symlink_to(home / "a", target_is_directory=True)
    # Its own ledger, by another path, is not asked twice: a busy file would wait for itself.
    with pytest.raises(importer.AlreadyImported):
        run(sandbox, home / "link")
    assert len(remembered()) == 1


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1, 2]", b'{"folder": 3, "device": 1}', b"\xff\xfe", b"[" * 9999]
)
def test_a_damaged_file_costs_one_folder_until_it_is_used_again(
    home: Path, state_dir: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b"):
        (home / name / "runs").mkdir()
        remember(home / name / "runs")
    damaged = min(state_dir.rglob("*.json"))
    lost = Path(json.loads(damaged.read_text("utf-8"))["folder"])
    damaged.write_bytes(damage)
    assert len(remembered()) == 1
    assert "was damaged" in caplog.text
    remember(lost)
    assert lost in remembered()
    assert len(remembered()) == 2


def test_a_place_that_cannot_be_written_is_passed_over_and_told_with_v(
    sandbox: LiveSandbox,
    home: Path,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # A file where the folder should be: no right, not even root's, makes a folder there.
    state_dir.write_text("in the way", "utf-8")
    with caplog.at_level(logging.DEBUG):
        assert run(sandbox, home / "a").summary.exit_code == 0
    told = [r for r in caplog.records if r.name.startswith("importer.operations")]
    assert {record.levelno for record in told} == {logging.INFO}
    assert "is not remembered" in caplog.text
    with pytest.raises(importer.AlreadyImported):
        run(sandbox, home / "a")


@pytest.mark.skipif(os.name != "posix", reason="homes as POSIX has them")
def test_a_user_without_a_home_has_no_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VCC_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(home)
    (home / "a" / "runs").mkdir()
    remember(home / "a" / "runs")
    assert remembered() == []
    assert not (home / "~").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes as POSIX has them")
def test_what_is_remembered_is_its_owner_s_alone(home: Path, state_dir: Path) -> None:
    (home / "a" / "runs").mkdir()
    remember(home / "a" / "runs")
    assert {path.stat().st_mode & 0o77 for path in (state_dir, *state_dir.rglob("*"))} == {0}


def test_many_at_once_lose_none(home: Path) -> None:
    folders = [home / f"f{n}" for n in range(40)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(remember, [*folders, *folders]))
    assert sorted(remembered()) == sorted(folder.resolve() for folder in folders)


def test_a_ledger_elsewhere_that_cannot_be_read_is_told_and_keeps_nobody_back(
    sandbox: LiveSandbox, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = home / "a" / "runs"
    folder.mkdir()
    remember(folder)
    (folder / "history.sqlite3").write_bytes(b"these are the notes of somebody else" * 100)
    assert run(sandbox, home / "b").summary.exit_code == 0
    assert "What was sent from there is not known" in caplog.text
    assert (folder / "history.sqlite3").read_bytes().startswith(b"these are the notes")


def test_a_ledger_of_the_first_version_is_read_where_it_is_and_brought_up_to_date_at_home(
    sandbox: LiveSandbox, home: Path
) -> None:
    run(sandbox, home / "a")
    path = home / "a" / "runs" / "history.sqlite3"
    with closing(sqlite3.connect(path)) as old:
        old.execute("ALTER TABLE runs DROP COLUMN jobs_file")
        old.execute("DROP TABLE files")
        old.execute("PRAGMA user_version = 1")
        old.commit()
    with pytest.raises(importer.AlreadyImported):
        run(sandbox, home / "b")
    with pytest.raises(importer.AlreadyImported):
        run(sandbox, home / "a")
    with Ledger.open(path.parent) as ledger:
        assert [entry.jobs_file for entry in ledger.runs()] == [None]
        assert ledger.files() == []


def test_two_runs_of_different_folders_never_send_to_one_project_at_once(
    sandbox: LiveSandbox, home: Path
) -> None:
    make_private_folder(home / "a" / "runs")
    with (
        other_run_sending(home / "a" / "runs", sandbox.base_url, 134),
        pytest.raises(importer.TargetBusy, match="another run is sending to project 134"),
    ):
        run(sandbox, home / "b")
    assert run(sandbox, home / "b").summary.exit_code == 0


def test_the_lock_holds_in_a_shared_runs_folder_where_there_is_no_place_for_state(
    home: Path, state_dir: Path
) -> None:
    state_dir.write_text("in the way", "utf-8")
    runs, stop = home / "runs", StopSwitch()
    with (
        target_lock(runs, "https://x/v2", 1, wait=0, stop=stop),
        pytest.raises(importer.TargetBusy),
        target_lock(runs, "https://x/v2", 1, wait=0, stop=stop),
    ):
        pass


def test_two_commands_at_once_from_two_folders_send_a_list_once(home: Path) -> None:
    with live_sandbox(latency="20ms", log_requests=True) as live:
        environment = {**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
        words = [sys.executable, "-m", "importer", "run", "../leads.csv", "-m", "../m.yaml"]
        started = [
            subprocess.Popen(
                [*words, "--base-url", live.base_url],
                cwd=home / name,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in ("a", "b")
        ]
        told = [process.communicate() for process in started]
        assert sorted(process.returncode for process in started) == [0, 2], told
        assert live.request_count() == 3


def test_a_place_for_state_on_a_drive_without_locks_is_passed_over(
    sandbox: LiveSandbox, home: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire = FileLock.acquire

    def without(self: FileLock, *words: Any, **named: Any) -> Any:
        if Path(self.lock_file).is_relative_to(state_dir):
            raise NotImplementedError("FileSystem does not appear to support flock")
        return acquire(self, *words, **named)

    monkeypatch.setattr(FileLock, "acquire", without)
    assert run(sandbox, home / "a").summary.exit_code == 0
    with pytest.raises(importer.AlreadyImported):
        run(sandbox, home / "b")
