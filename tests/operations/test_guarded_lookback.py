"""`rows.within`: leads of past runs in today's file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import importer
from importer.cli.main import run_cli
from importer.journal.journal import Journal
from importer.model import Status
from importer.operations.ledger import Ledger
from importer.pipeline import recover as recovery
from importer.survey.duplicates import FirstOccurrences, digests, location
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form: {{name: Name}}
contacts: {{1: {{phone: Phone}}}}
rows: {{unique: [{unique}], within: {within}}}
"""
RUNS = Path("runs")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LiveSandbox]:
    with live_sandbox() as live:
        yield live


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(
    live: LiveSandbox,
    name: str,
    phones: list[str],
    *,
    within: str = "90d",
    unique: str = "contacts.1.phone",
    limit: int | None = None,
) -> importer.RunResult:
    write(name, phones, within=within, unique=unique)
    settings = importer.RunSettings(limit=limit)
    return importer.run(name, "m.yaml", target=target(live), settings=settings)


def write(
    name: str, phones: list[str], *, within: str = "90d", unique: str = "contacts.1.phone"
) -> None:
    lines = ["Name,Phone", *(f"{name} {phone},{phone}" for phone in phones), ""]
    Path(name).write_text("\n".join(lines), "utf-8")
    Path("m.yaml").write_text(MAPPING.format(within=within, unique=unique), "utf-8")


def target(live: LiveSandbox) -> importer.Target:
    return importer.Target(live.base_url, 134, "sandbox", importer.Secret("sandbox"))


def phone(n: int) -> str:
    return f"+3620{1230000 + n}"


def created(result: importer.RunResult) -> int:
    return result.summary.counts[Status.CREATED]


def test_yesterday_s_leads_in_today_s_file_are_skipped_and_say_where_they_were(
    sandbox: LiveSandbox,
) -> None:
    run(sandbox, "monday.csv", [phone(1), phone(2)])
    result = run(sandbox, "tuesday.csv", [phone(2), phone(3)])
    assert created(result) == 1
    assert result.checkup is not None
    (problem,) = result.checkup.survey.problems
    assert f"row 3 of monday.csv, imported on {datetime.now():%Y-%m-%d}" in problem.message  # noqa: DTZ005


def test_check_and_preview_skip_what_run_will_skip_and_make_nothing(
    sandbox: LiveSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VCC_API_KEY", raising=False)
    run(sandbox, "monday.csv", [phone(1), phone(2)])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    write("tuesday.csv", [phone(2), phone(3)])
    where = importer.Destination(base_url=sandbox.base_url)
    shown = list(importer.preview("tuesday.csv", "m.yaml", destination=where))
    survey = importer.check("tuesday.csv", "m.yaml", destination=where).survey
    assert sorted(path.name for path in elsewhere.iterdir()) == ["m.yaml", "tuesday.csv"]
    assert [(row.row, row.status) for row in shown] == [(2, "skipped"), (3, "ready")]
    assert survey.ready == 1
    (problem,) = survey.problems
    assert "row 3 of monday.csv, imported on " in problem.message
    assert shown[0].problems == (problem,)
    assert importer.check("tuesday.csv", "m.yaml", target=target(sandbox)).survey.ready == 1
    other = replace(where, project=135)
    assert importer.check("tuesday.csv", "m.yaml", destination=other).survey.ready == 2
    rehearsal = importer.RunSettings(sandbox=tmp_path)
    assert all(
        row.status == "ready"
        for row in importer.preview("tuesday.csv", "m.yaml", destination=where, settings=rehearsal)
    )


def test_the_commands_look_back_without_a_key_in_the_folder_that_is_named(
    sandbox: LiveSandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(sandbox, "monday.csv", [phone(1), phone(2)])
    # As on another machine that shares the folder: this user has never used it.
    monkeypatch.setenv("VCC_STATE_DIR", str(Path("state").absolute()))
    write("tuesday.csv", [phone(2), phone(3)])
    words = ["tuesday.csv", "-m", "m.yaml", "--base-url", sandbox.base_url]
    for runs_dir, ready in (("runs", [False, True]), ("other", [True, True])):
        assert run_cli(["preview", *words, "--runs-dir", runs_dir]) == 0
        shown = map(json.loads, capsys.readouterr().out.splitlines())
        assert [line["status"] == "ready" for line in shown] == ready
        assert run_cli(["check", *words, "--runs-dir", runs_dir, "--report", "r.json"]) == 0
        assert json.loads(Path("r.json").read_text("utf-8"))["ready"] == sum(ready)
        assert f"--runs-dir {runs_dir}" in capsys.readouterr().out
    assert run_cli(["run", *words[:3], "--sandbox", "--dry-run"]) == 0
    assert "duplicate" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mapped", "words", "missing"),
    [
        ("project: 134", (), "VCC_CUSTOMER"),
        ("project: 134", ("--customer", "two words"), "mycompany"),
        ("", ("--customer", "mycompany"), "--project"),
    ],
)
def test_what_could_not_be_compared_with_past_runs_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mapped: str,
    words: tuple[str, ...],
    missing: str,
) -> None:
    monkeypatch.delenv("VCC_CUSTOMER", raising=False)
    write("tuesday.csv", [phone(2)])
    path = Path("m.yaml")
    path.write_text(path.read_text("utf-8").replace("project: 134", mapped), "utf-8")
    assert run_cli(["check", "tuesday.csv", "-m", "m.yaml", *words]) == 0
    said = capsys.readouterr().out
    assert "not compared with what past runs have sent" in said
    assert missing in said
    assert run_cli(["preview", "tuesday.csv", "-m", "m.yaml", *words]) == 0
    said = capsys.readouterr().err
    assert "not compared with what past runs have sent" in said
    assert missing in said
    given = (*words, "--project", "134", "--base-url", "https://mycompany.example/v2")
    assert run_cli(["check", "tuesday.csv", "-m", "m.yaml", *given]) == 0
    assert "not compared" not in capsys.readouterr().out


def test_only_rows_that_were_or_may_have_been_created_count(sandbox: LiveSandbox) -> None:
    first = run(sandbox, "monday.csv", [phone(n) for n in range(4)], limit=2)
    assert created(run(sandbox, "tuesday.csv", [phone(1), phone(2)])) == 1
    with pytest.raises(importer.AlreadyImported, match=r"since it was planned: row 4"):
        importer.resume(first.directory.path, target=target(sandbox))
    again = importer.Guard(again=True)
    importer.resume(first.directory.path, target=target(sandbox), guard=again)
    assert created(run(sandbox, "wednesday.csv", [phone(3), phone(4)])) == 1


def test_a_row_that_was_marked_absent_is_new_again(sandbox: LiveSandbox) -> None:
    result = run(sandbox, "monday.csv", [phone(1), phone(2)])
    with Journal.open(result.directory.journal) as journal:
        # As if its answer had been lost.
        journal._connection.execute("UPDATE rows SET status = 5 WHERE row = 3")
    assert created(run(sandbox, "tuesday.csv", [phone(2)])) == 0
    recovery.mark(result.directory.path, {3: None})
    assert created(run(sandbox, "wednesday.csv", [phone(2), phone(9)])) == 2


def test_runs_of_longer_ago_are_forgotten(sandbox: LiveSandbox) -> None:
    run(sandbox, "monday.csv", [phone(1)])
    with Ledger.open(RUNS) as ledger:
        for entry in ledger.runs():
            ledger.enter(replace(entry, started_at=datetime.now(UTC) - timedelta(days=8)))
    assert created(run(sandbox, "late.csv", [phone(1)], within="7 days")) == 1


def test_keys_of_another_kind_are_not_compared(sandbox: LiveSandbox) -> None:
    run(sandbox, "monday.csv", [phone(1)])
    assert created(run(sandbox, "tuesday.csv", [phone(1)], unique="form.name")) == 1


def test_files_of_one_command_look_back_too(sandbox: LiveSandbox) -> None:
    run(sandbox, "monday.csv", [phone(1)])
    seen = importer.Seen()
    for name, phones, count in (("a.csv", [1, 2], 1), ("b.csv", [1, 2, 3], 1)):
        lines = ["Name,Phone", *(f"{name} {n},{phone(n)}" for n in phones), ""]
        Path(name).write_text("\n".join(lines), "utf-8")
        result = importer.run(name, "m.yaml", target=target(sandbox), seen=seen)
        assert created(result) == count


def test_all_keys_are_given_block_by_block_whether_in_memory_or_in_the_file() -> None:
    keys, texts = FirstOccurrences(), [str(n) for n in range(1, 200_001)]
    for start in range(0, len(texts), 30_000):
        part = texts[start : start + 30_000]
        keys.add(digests(part), location(np.arange(start, start + len(part))))
    blocks = list(keys.blocks(7_000))
    assert max(map(len, blocks)) <= 7_000
    entries = np.concatenate(blocks)
    assert sorted(entries[:, 0].tolist()) == list(range(1, 200_001))
    assert ((entries[:, 2] >> np.uint64(4)) + np.uint64(1) == entries[:, 0]).all()
