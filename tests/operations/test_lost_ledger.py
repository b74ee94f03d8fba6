"""A ledger that is gone or empty forgets nothing: it is made again from the runs beside it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import importer
from importer.errors import OutputError
from importer.operations.ledger import FILE, SIZE, Ledger
from importer.pipeline.rundir import RunDirectory
from tests.operations.test_batch import MAPPING, Night, files
from tests.support.live_sandbox import LiveSandbox, live_sandbox


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")


@pytest.fixture
def service() -> Iterator[LiveSandbox]:
    with live_sandbox(log_requests=True) as live:
        yield live


@pytest.fixture
def night(tmp_path: Path, service: LiveSandbox) -> Night:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    night = Night(tmp_path, service.base_url)
    night.jobs("a")
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text(jobs.read_text("utf-8").replace("    done: done/a\n", ""), "utf-8")
    return night


def lose(night: Night, how: str) -> Path:
    ledger = night.home / "runs" / FILE
    match how:
        case "gone":
            ledger.unlink()
        case "empty":
            os.truncate(ledger, 0)
    return ledger


def run(night: Night, file: Path, **settings: object) -> importer.RunResult:
    return importer.run(
        file,
        night.home / "m.yaml",
        target=importer.Target(night.url, 134, "sandbox", importer.Secret("sandbox")),
        settings=importer.RunSettings(runs_dir=night.home / "runs", **settings),  # type: ignore[arg-type] # each to its own
    )


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_batch_whose_ledger_is_lost_sends_nothing_again(
    night: Night, service: LiveSandbox, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    night.put("a/leads.csv")
    night.put("a/other.csv", first=3)
    assert [fate for _, fate, _ in files(night.round())] == ["imported", "imported"]
    with Ledger.open(night.home / "runs") as ledger:
        before = ledger.runs()
        sizes = [ledger.noted(SIZE, each.sha256) for each in before]
    lose(night, how)
    with caplog.at_level(logging.WARNING):
        result = night.round()
    assert "was missing or empty: it was made again from the 2 runs beside it" in caplog.text
    assert {fate for _, fate, _ in files(result)} == {"duplicate"}
    assert len(service.records(134)) == 6
    with Ledger.open(night.home / "runs") as ledger:
        after = ledger.runs()
        assert [ledger.noted(SIZE, each.sha256) for each in after] == sizes
    about = [
        [
            (e.run_id, e.label, e.jobs_file, e.file, e.sha256, e.sheet, e.counts, e.rows)
            for e in entries
        ]
        for entries in (before, after)
    ]
    assert about[0] == about[1]
    for then, now in zip(before, after, strict=True):
        assert (now.status, now.exit_code, now.run_dir) == (then.status, 0, then.run_dir)
        assert (now.base_url, now.project) == (then.base_url, then.project)


def test_a_run_by_hand_is_refused_and_what_was_begun_is_gone_on_with(
    night: Night, service: LiveSandbox
) -> None:
    leads = night.put("leads.csv", 5)
    run(night, leads, limit=2)
    lose(night, "gone")
    with pytest.raises(importer.Unfinished, match="3 of its rows are still to be sent") as caught:
        run(night, leads)
    lose(night, "empty")
    importer.resume(caught.value.run_dir, target=_target(night))
    lose(night, "empty")
    with pytest.raises(importer.AlreadyImported):
        run(night, leads)
    assert len(service.records(134)) == 5


def _target(night: Night) -> importer.Target:
    return importer.Target(night.url, 134, "sandbox", importer.Secret("sandbox"))


def test_parts_of_a_file_stay_apart(night: Night, service: LiveSandbox) -> None:
    leads = night.put("leads.csv", 5)
    for rows in ((2, 3), (4, 6)):
        importer.run(
            leads,
            night.home / "m.yaml",
            target=_target(night),
            reading=importer.SourceOptions(rows=rows),
            settings=importer.RunSettings(runs_dir=night.home / "runs"),
        )
        lose(night, "gone")
    assert len(service.records(134)) == 5


def test_rehearsals_are_not_entered_and_an_empty_folder_says_nothing(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    assert Ledger.look(night.home / "runs") is None
    with Ledger.open(night.home / "runs") as ledger:
        assert ledger.runs() == []
    assert "made again" not in caplog.text


def test_a_damaged_run_is_known_by_its_summary(night: Night, service: LiveSandbox) -> None:
    leads = night.put("leads.csv", 5)
    directory = run(night, leads).directory
    os.truncate(directory.journal, 0)
    lose(night, "gone")
    with pytest.raises(importer.AlreadyImported):
        run(night, leads)
    assert len(service.records(134)) == 5


def test_a_run_of_which_nothing_can_be_known_holds_everything_back(
    night: Night, service: LiveSandbox
) -> None:
    leads = night.put("leads.csv", 5)
    directory = run(night, leads).directory
    night.put("a/other.csv", first=10)
    os.truncate(directory.journal, 0)
    (directory.path / "summary.json").unlink()
    lose(night, "empty")
    for again in range(2):
        with pytest.raises(OutputError, match="cannot be made again") as caught:
            night.round()
        assert str(directory.path) in caught.value.message, again
        assert "Put the ledger or the folders of these runs back" in str(caught.value.hint)
    assert len(service.records(134)) == 5
    shutil.move(directory.path, night.home / "aside")
    assert files(night.round()) == [("a/other.csv", "imported", 0)]


def test_a_run_that_never_came_as_far_as_sending_is_passed_over(night: Night) -> None:
    half = RunDirectory(night.home / "runs" / "half")
    half.path.mkdir(parents=True)
    half.journal.touch()
    with Ledger.open(night.home / "runs") as ledger:
        assert ledger.runs() == []


def test_what_somebody_must_see_first_is_not_gone_on_with(night: Night) -> None:
    faults = [{"kind": "server_error", "stored": False}]
    with live_sandbox(faults=faults, log_requests=True) as live:
        night.url = live.base_url
        night.jobs("a", more="    max_failures: 2\n")
        night.put("a/leads.csv", count=100)
        assert files(night.round()) == [("a/leads.csv", "stopped", 3)]
        sent = live.request_count()
        lose(night, "gone")
        assert files(night.round()) == []
        assert live.request_count() == sent


def test_history_and_other_folders_see_a_ledger_that_is_lost(
    night: Night, service: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = night.put("leads.csv", 5)
    run(night, leads)
    lose(night, "gone")
    with pytest.raises(importer.AlreadyImported):
        importer.run(
            leads,
            night.home / "m.yaml",
            target=_target(night),
            settings=importer.RunSettings(runs_dir=night.home / "elsewhere"),
        )
    lose(night, "empty")
    looked = Ledger.look(night.home / "runs")
    assert looked is not None
    with looked:
        assert [entry.count(importer.Status.CREATED) for entry in looked.runs()] == [5]
