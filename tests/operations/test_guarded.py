"""What past runs forbid, and what the ledger has of each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import importer
from importer.files import make_private_folder
from importer.model import Status
from importer.operations.guarded import target_lock
from importer.operations.ledger import RUNNING, Ledger
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
RUNS = Path("runs")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LiveSandbox]:
    with live_sandbox() as live:
        yield live


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MAPPING, "utf-8")
    write("leads.csv", 3)
    return tmp_path


def write(name: str, rows: int, phone: str = "+3620123400{}") -> None:
    lines = ["Name,Phone", *(f"Ann {n},{phone.format(n)}" for n in range(rows)), ""]
    Path(name).write_text("\n".join(lines), "utf-8")


def run(
    live: LiveSandbox, file: str = "leads.csv", *, limit: int | None = None, **guard: bool | str
) -> importer.RunResult:
    return importer.run(
        file,
        "m.yaml",
        target=target(live),
        settings=importer.RunSettings(limit=limit),
        guard=importer.Guard(**guard),  # type: ignore[arg-type] # each to its own
    )


def target(live: LiveSandbox) -> importer.Target:
    return importer.Target(live.base_url, 134, "sandbox", importer.Secret("sandbox"))


def test_a_run_is_in_the_ledger_with_what_it_read_and_how_it_ended(sandbox: LiveSandbox) -> None:
    result = run(sandbox, label="vienna")
    with Ledger.open(RUNS) as ledger:
        (entry,) = ledger.runs()
        assert ledger.runs(label="graz") == []
    assert entry.run_id == result.summary.run_id
    assert (entry.label, entry.file) == ("vienna", str(Path("leads.csv").absolute()))
    assert (entry.status, entry.exit_code, entry.rows) == ("finished", 0, 3)
    assert entry.counts["created"] == 3
    assert entry.run_dir == result.directory.path.absolute()
    assert (RUNS / "history.sqlite3").stat().st_mode & 0o777 == 0o600


def test_the_same_content_is_refused_whatever_its_name_until_again_is_said(
    sandbox: LiveSandbox,
) -> None:
    run(sandbox)
    Path("leads.csv").rename("other.csv")
    with pytest.raises(importer.AlreadyImported, match=r"leads\.csv: 3 rows were created") as error:
        run(sandbox, "other.csv")
    assert "--again" in str(error.value.hint)
    assert len(list(RUNS.glob("other-*"))) == 0
    assert run(sandbox, "other.csv", again=True).summary.counts[Status.CREATED] == 3


def test_a_plan_in_a_folder_of_its_own_is_entered_where_its_runs_are_and_guards_them(
    sandbox: LiveSandbox,
) -> None:
    def plan(out: str | None) -> Path:
        settings = importer.RunSettings(out=Path(out) if out else None)
        result = importer.plan("leads.csv", "m.yaml", target=target(sandbox), settings=settings)
        return result.directory.path

    def apply(folder: Path, limit: int | None = None) -> importer.RunResult:
        settings = replace(importer.past_run(folder).settings, limit=limit)
        return importer.apply(folder, target=target(sandbox), settings=settings)

    first, second = plan("plans/monday"), plan(None)
    before = len(sandbox.records(134))
    apply(first, limit=1)
    with Ledger.open(RUNS) as ledger:
        assert [entry.run_dir for entry in ledger.runs()] == [first.absolute()]
    assert not Path("plans/history.sqlite3").exists()
    with pytest.raises(importer.Unfinished):
        apply(second)
    assert len(sandbox.records(134)) == before + 1, "nobody is called twice"
    assert apply(first).summary.counts[Status.CREATED] == 3


def test_a_plan_whose_runs_folder_is_not_there_is_entered_beside_it_and_guards(
    sandbox: LiveSandbox,
) -> None:
    settings = importer.RunSettings(runs_dir=Path("elsewhere"))
    planned = importer.plan("leads.csv", "m.yaml", target=target(sandbox), settings=settings)
    moved = Path("here").absolute() / "plan"
    make_private_folder(moved.parent)
    planned.directory.path.rename(moved)
    shutil.rmtree("elsewhere")
    importer.apply(moved, target=target(sandbox))
    with Ledger.open(Path("here")) as ledger:
        assert [entry.status for entry in ledger.runs()] == ["finished"]
    with pytest.raises(importer.AlreadyImported):
        run(sandbox)


def test_other_rows_of_the_same_content_are_not_refused(sandbox: LiveSandbox) -> None:
    def part(first: int, last: int) -> importer.RunResult:
        return importer.run(
            "leads.csv",
            "m.yaml",
            target=target(sandbox),
            reading=importer.SourceOptions(rows=(first, last)),
        )

    part(2, 3)
    assert part(4, 4).summary.counts[Status.CREATED] == 1
    with pytest.raises(importer.AlreadyImported):
        part(3, 4)


def test_a_run_that_sent_nothing_guards_nothing(sandbox: LiveSandbox) -> None:
    write("leads.csv", 3, phone="12")
    assert run(sandbox).summary.counts[Status.INVALID] == 3
    assert run(sandbox).summary.counts[Status.INVALID] == 3


def test_an_unfinished_run_is_offered_for_resume(sandbox: LiveSandbox) -> None:
    first = run(sandbox, limit=1)
    with pytest.raises(importer.Unfinished, match="2 of its rows are still to be sent") as error:
        run(sandbox)
    assert error.value.run_dir == first.directory.path.absolute()
    importer.resume(error.value.run_dir, target=target(sandbox))
    with Ledger.open(RUNS) as ledger:
        (entry,) = ledger.runs()
    assert entry.counts["created"] == 3
    with pytest.raises(importer.AlreadyImported):
        run(sandbox)


def test_a_run_that_another_has_overtaken_is_not_resumed(sandbox: LiveSandbox) -> None:
    first = run(sandbox, limit=1)
    run(sandbox, again=True)
    with pytest.raises(importer.AlreadyImported, match="was sent to project 134 since"):
        importer.resume(first.directory.path, target=target(sandbox))


def test_a_run_that_was_cut_off_is_known_by_its_journal(sandbox: LiveSandbox) -> None:
    result = run(sandbox)
    with Ledger.open(RUNS) as ledger:
        (entry,) = ledger.runs()
        cut_off = replace(entry, status=RUNNING, exit_code=None, counts={"pending": 3})
        ledger.enter(cut_off)
        assert ledger.current(cut_off).counts["created"] == 3
    with pytest.raises(importer.AlreadyImported):
        run(sandbox)
    assert result.summary.exit_code == 0


def test_two_runs_at_one_project_do_not_send_at_once(sandbox: LiveSandbox) -> None:
    make_private_folder(RUNS)
    with (
        other_run_sending(RUNS, sandbox.base_url, 134),
        pytest.raises(importer.TargetBusy, match="another run is sending to project 134"),
    ):
        run(sandbox)
    assert len(list((RUNS / "locks").iterdir())) == 1
    assert run(sandbox).summary.exit_code == 0


def test_a_run_waits_for_its_turn(sandbox: LiveSandbox) -> None:
    stop = StopSwitch()
    running = importer.start(
        importer.run,
        "leads.csv",
        "m.yaml",
        target=target(sandbox),
        guard=importer.Guard(wait=60),
    )
    with target_lock(RUNS, sandbox.base_url, 134, wait=60, stop=stop):
        pass
    assert running.result().summary.exit_code == 0


def test_a_rehearsal_is_not_entered(sandbox: LiveSandbox) -> None:
    settings = importer.RunSettings(sandbox=Path("sandbox"))
    for _ in range(2):
        importer.run("leads.csv", "m.yaml", target=target(sandbox), settings=settings)
    assert not (RUNS / "history.sqlite3").exists()


def test_a_ledger_that_is_none_is_named_and_nothing_is_sent(sandbox: LiveSandbox) -> None:
    RUNS.mkdir()
    (RUNS / "history.sqlite3").write_bytes(b"these are the notes of somebody else" * 100)
    with pytest.raises(importer.OutputError, match="the ledger of past runs"):
        run(sandbox)
    assert not list(RUNS.glob("leads-*"))


def test_notes_are_kept(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.note("release", "abc", "1")
        ledger.note("release", "abc", "2")
        assert (ledger.noted("release", "abc"), ledger.noted("release", "x")) == ("2", None)
