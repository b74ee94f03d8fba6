"""`vcc-import history`: what past runs did, and removing what they left."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from importer.console.drafts import Draft, Drafts
from importer.console.instance import Instance
from importer.journal.journal import Journal
from importer.operations.ledger import Ledger
from importer.pipeline.rundir import RunDirectory
from tests.cli.conftest import MAPPING
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox

RUNS = Path("runs")


def imported(cli: Cli, sandbox: LiveSandbox, name: str, rows: int = 2, *more: object) -> int:
    lines = ["Name,City,Phone", *(f"{name} {n},,+3620123400{n}" for n in range(rows)), ""]
    Path(name).write_text("\n".join(lines), "utf-8")
    Path("m.yaml").write_text(MAPPING, "utf-8")
    return cli("run", name, "-m", "m.yaml", "--base-url", sandbox.base_url, *more)


def runs(capsys: pytest.CaptureFixture[str], cli: Cli, *more: object) -> list[dict[str, object]]:
    capsys.readouterr()
    assert cli("history", "--json", *more) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    return found


def made_old(days: int) -> None:
    """Let all runs have begun so long ago."""
    with Ledger.open(RUNS) as ledger:
        for entry in ledger.runs():
            ledger.enter(replace(entry, started_at=datetime.now(UTC) - timedelta(days=days)))


def test_runs_are_listed_newest_first_with_totals_of_each_day(
    cli: Cli, sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(cli, sandbox, "a.csv", 2) == 0
    assert imported(cli, sandbox, "b.csv", 3) == 0
    assert [(Path(str(r["file"])).name, r["rows"]) for r in runs(capsys, cli)] == [
        ("b.csv", 3),
        ("a.csv", 2),
    ]
    assert cli("history") == 0
    listed, totals = capsys.readouterr().out.split("\n\n")
    assert [line.split()[3] for line in listed.splitlines()[1:]] == ["b.csv", "a.csv"]
    [total] = totals.splitlines()[1:]
    assert total.split()[1:] == ["-", "2", "5", "0", "0", "0", "0", "0"]


def test_json_has_what_a_run_read_and_where_it_sent(
    cli: Cli, sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(cli, sandbox, "a.csv")
    (run,) = runs(capsys, cli)
    assert (run["job"], run["project"], run["base_url"]) == (None, 134, sandbox.base_url)
    assert (run["status"], run["exit_code"]) == ("finished", 0)
    summary = json.loads((Path(str(run["run_dir"])) / "summary.json").read_text("utf-8"))
    assert run["sha256"] == summary["source"]["sha256"]
    assert run["mapping_sha256"] == summary["mapping"]["sha256"]
    assert run["counts"] == summary["counts"]


def test_one_run_is_shown_by_the_beginning_of_its_name(
    cli: Cli, sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(cli, sandbox, "a.csv")
    imported(cli, sandbox, "b.csv")
    capsys.readouterr()
    assert cli("history", "a-2") == 0
    told = capsys.readouterr().out
    assert "a.csv" in told
    assert "b.csv" not in told
    assert cli("history", "c-2") == 2


def test_where_no_run_was_made(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("history") == 2
    assert "--runs-dir" in capsys.readouterr().err
    assert runs(capsys, cli) == []
    assert cli("history", "--all") == 0
    assert not RUNS.exists()


def test_after_runs_that_were_refused_it_says_that_nothing_was_sent(
    cli: Cli, sandbox: LiveSandbox, mapping: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--base-url", sandbox.base_url)
    imported(cli, sandbox, "a.csv")
    Path("new.csv").write_text("Name,City,Phone\nAnn,Nowhere,+36201234001\n", "utf-8")
    assert cli("run", "new.csv", "-m", mapping, *where, "--runs-dir", "other") == 2
    capsys.readouterr()
    assert cli("history", "--runs-dir", "other") == 0
    assert "No run so far in other" in capsys.readouterr().out
    assert cli("history", "--job", "nobody") == 0
    assert "see --since, --job" in capsys.readouterr().out


def test_only_rehearsals_so_far_is_no_error(
    cli: Cli, mapping: Path, leads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("run", leads, "-m", mapping, "--sandbox") == 1
    capsys.readouterr()
    assert cli("history") == 0
    assert "Only rehearsals so far" in capsys.readouterr().out
    assert not (RUNS / "history.sqlite3").exists()


def test_all_shows_the_runs_of_other_folders_with_where_they_are(
    cli: Cli,
    sandbox: LiveSandbox,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert imported(cli, sandbox, f"{name}.csv") == 0
    assert [Path(str(r["file"])).name for r in runs(capsys, cli)] == ["two.csv"]
    assert [Path(str(r["file"])).name for r in runs(capsys, cli, "--all")] == ["two.csv", "one.csv"]
    assert cli("history", "--all") == 0
    assert str(tmp_path / "one" / "runs") in capsys.readouterr().out
    # One run is found wherever it was made.
    assert cli("history", "one-2") == 0
    assert "one.csv" in capsys.readouterr().out
    assert cli("history", "--all", "--prune", "90d") == 2


def test_a_run_that_was_killed_is_unfinished_and_one_at_work_is_running(
    cli: Cli, sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(cli, sandbox, "a.csv", 2, "--limit", 1)
    with Ledger.open(RUNS) as ledger:
        (entry,) = ledger.runs()
        # As it was entered when it began: nothing was entered of a run that is killed.
        begun = replace(
            entry, status="running", exit_code=None, counts={"pending": 2}, elapsed_s=0.0
        )
        ledger.enter(begun)
    (run,) = runs(capsys, cli)
    assert (run["status"], run["exit_code"]) == ("unfinished", None)
    assert (run["counts"]["created"], run["counts"]["pending"]) == (1, 1)  # type: ignore[index]
    assert cli("history") == 0
    _, line = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert "unfinished" in line
    assert line.split()[-3:-1] == ["-", "-"]
    with Journal.open(RunDirectory(entry.run_dir).journal):
        assert [r["status"] for r in runs(capsys, cli)] == ["running"]
    assert [r["status"] for r in runs(capsys, cli)] == ["unfinished"]


def test_older_runs_are_not_listed(
    cli: Cli, sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(cli, sandbox, "a.csv")
    made_old(40)
    assert runs(capsys, cli) == []
    assert len(runs(capsys, cli, "--since", "6w")) == 1


def test_pruning_removes_data_and_goes_on_refusing_the_content(
    cli: Cli, sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(cli, sandbox, "a.csv")
    assert cli("history", "--prune", "90d") == 0
    assert len(list(RUNS.glob("a-*"))) == 1
    made_old(91)
    capsys.readouterr()
    assert cli("history", "--prune", "90d") == 0
    assert "1 removed, 0 kept" in capsys.readouterr().out
    assert list(RUNS.glob("a-*")) == []
    assert len(runs(capsys, cli, "--since", "20w")) == 1
    assert imported(cli, sandbox, "a.csv") == 2


def test_pruning_keeps_what_can_be_resumed_and_what_is_not_the_run_s(
    cli: Cli, sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(cli, sandbox, "a.csv", 2, "--limit", 1)
    imported(cli, sandbox, "b.csv", 2, "--out", "mine")
    Path("mine/notes.txt").write_text("mine", "utf-8")
    made_old(91)
    capsys.readouterr()
    assert cli("history", "--prune", "90d") == 0
    told = capsys.readouterr().out
    assert "1 pending rows: vcc-import resume" in told
    assert len(list(RUNS.glob("a-*"))) == 1
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]


def test_old_rehearsals_are_removed(
    cli: Cli, mapping: Path, leads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("run", leads, "-m", mapping, "--sandbox") == 1
    for path in RUNS.iterdir():
        path.rename(path.with_name(path.name.replace(f"-{datetime.now(UTC):%Y}", "-2020", 1)))
    assert cli("history", "--prune", "90d") == 0
    assert "2 removed" in capsys.readouterr().out


def drafted(drafts: Drafts, name: str, days: int) -> Draft:
    """A draft of the console that was made, and last changed, so long ago."""
    with drafts.receive(name) as upload:
        upload.write(b"Name,Phone\nAnn,+36201234000\n")
        draft = upload.keep()
    return aged(drafts, draft, days)


def aged(drafts: Drafts, draft: Draft, days: int) -> Draft:
    moment = datetime.now(UTC) - timedelta(days=days)
    draft = drafts.change(draft.id, created_at=moment)
    for path in draft.folder.glob("*.*"):
        os.utime(path, (moment.timestamp(), moment.timestamp()))
    return draft


def test_pruning_removes_drafts_that_nobody_has_touched_for_as_long(
    cli: Cli, sandbox: LiveSandbox, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(cli, sandbox, "a.csv", 2, "--limit", 1)
    imported(cli, sandbox, "b.csv")
    with Ledger.open(RUNS) as ledger:
        run_of = {Path(entry.file).name: entry.run_dir for entry in ledger.runs()}
    drafts = Drafts(state_dir / "console" / "drafts")
    untouched, mapped = drafted(drafts, "untouched.csv", 91), drafted(drafts, "mapped.csv", 91)
    drafted(drafts, "young.csv", 89)
    drafts.set_mapping(mapped.id, MAPPING)
    for name in ("a.csv", "b.csv"):
        sent = drafted(drafts, name, 91)
        aged(drafts, drafts.change(sent.id, run_dir=run_of[name]), 91)
    gone = drafted(drafts, "gone.csv", 91)
    aged(drafts, drafts.change(gone.id, run_dir=RUNS / "gone"), 91)
    (drafts.folder / f".coming-{'0' * 32}").mkdir()
    assert cli("history", "--prune", "90d") == 0
    told = capsys.readouterr().out
    assert "removed  the draft of untouched.csv" in told
    assert "kept     the draft of a.csv: 1 pending rows" in told
    assert "drafts: 3 removed, 1 kept" in told
    assert {draft.name for draft in drafts.all()} == {"mapped.csv", "young.csv", "a.csv"}
    assert len(list(drafts.folder.iterdir())) == 3
    assert not untouched.folder.exists()


def test_drafts_are_not_pruned_while_a_console_may_have_them_open(
    cli: Cli, sandbox: LiveSandbox, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(cli, sandbox, "a.csv")
    drafts = Drafts(state_dir / "console" / "drafts")
    draft = drafted(drafts, "old.csv", 91)
    console = Instance.claim(state_dir / "console")
    assert console is not None
    assert cli("history", "--prune", "90d") == 0
    assert "stay while it runs" in capsys.readouterr().out
    assert draft.folder.exists()
    console.end()
    assert cli("history", "--prune", "90d") == 0
    assert not draft.folder.exists()


def test_an_age_that_is_none(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("history", "--prune", "soon") == 2
    assert "no age such as 90d" in capsys.readouterr().err
