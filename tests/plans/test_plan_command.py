"""The commands plan and apply: folders, rehearsals, plans of which nothing is sent, and pruning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from importer.journal.journal import Journal
from importer.operations.ledger import FILE, Ledger
from importer.pipeline.planfile import PlanFile
from tests.plans.conftest import ROWS, Desk, write_list


def test_of_two_that_apply_a_plan_at_once_one_sends_and_no_row_is_doubled(desk: Desk) -> None:
    write_list(desk.folder / "leads.csv", 400)
    desk.plan()
    environment = {**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
    command = [sys.executable, "-m", "importer", "apply", "plan", "--rate", "200", "-q"]
    both = [
        subprocess.Popen(command, cwd=desk.folder, env=environment, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    told = [process.communicate()[1].decode() for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes
    # Refused by the project's lock, or by the journal's, whichever it comes to first.
    refusals = {0: "", 2: "another run", 3: "in use"}
    assert all(refusals[code] in text for text, code in zip(told, codes, strict=True))
    requests = Counter(request.stamp for request in desk.sandbox.requests())
    assert (len(requests), set(requests.values())) == (400, {1})


def test_nothing_is_put_into_a_folder_that_holds_something(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan("taken")
    (desk.folder / "full").mkdir()
    (desk.folder / "full" / "letter.txt").write_text("Dear Ann", "utf-8")
    url = ("--base-url", desk.sandbox.base_url)
    before = sorted(desk.folder.rglob("*"))
    for out, why in {"taken": "holds a run already, or a plan", "full": "letter.txt"}.items():
        told()
        assert desk.cli("plan", "leads.csv", "-m", "m.yaml", "--out", out, *url) == 2
        assert why in told()
        assert sorted(desk.folder.rglob("*")) == before


def test_of_a_plan_that_could_not_be_applied_nothing_is_kept(
    desk: Desk, told: Callable[[], str]
) -> None:
    write_list(desk.folder / "leads.csv", city="Nowhere")
    (desk.folder / "empty").mkdir()
    url = ("--base-url", desk.sandbox.base_url)
    for out in ("new", "empty"):
        assert desk.cli("plan", "leads.csv", "-m", "m.yaml", "--out", out, *url) == 2
        assert '"Nowhere"' in told()
    assert not (desk.folder / "new").exists()
    assert list((desk.folder / "empty").iterdir()) == []
    assert desk.sandbox.request_count() == 0


@pytest.mark.parametrize("place", ["nowhere", "empty", "leads.csv"])
def test_what_is_no_plan_is_said_so(desk: Desk, told: Callable[[], str], place: str) -> None:
    (desk.folder / "empty").mkdir()
    for command in ("apply", "resume", "report"):
        told()
        assert desk.cli(command, place) == 2
        assert place in (said := told())
        assert "is a file" in said or "Name the folder of a plan or a run" in said
    assert list((desk.folder / "empty").iterdir()) == []


def test_a_journal_that_is_gone_is_not_taken_for_one_that_never_was(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan()
    (desk.folder / "plan" / "journal.sqlite3").unlink()
    for command in ("apply", "resume", "report"):
        told()
        assert desk.cli(command, "plan") == 3
        assert "journal.sqlite3 is gone" in told()


def test_a_folder_in_which_a_plan_is_being_made_is_not_called_left_over(
    desk: Desk, told: Callable[[], str]
) -> None:
    with Journal.create(desk.folder / "journal.sqlite3", {"run_id": '"r"'}) as journal:
        journal.set_meta(dict.fromkeys(("source", "mapping", "target", "settings"), "{}"))
        for command in ("apply", "resume", "report"):
            told()
            assert desk.cli(command, ".") == 3
            assert "Wait until that" in (said := told())
            assert "removed" not in said
    told()
    assert desk.cli("apply", ".") == 2
    assert "cut off before all of the list was read and planned" in told()


def test_a_plan_in_which_no_row_is_ready_sends_nothing_and_has_results(
    desk: Desk, told: Callable[[], str]
) -> None:
    (desk.folder / "leads.csv").write_text("Name,City,Phone\nAnn,Wien,12\n", "utf-8")
    words = ("--out", "plan", "--base-url", desk.sandbox.base_url)
    assert desk.cli("plan", "leads.csv", "-m", "m.yaml", *words) == 1
    said = told()
    assert PlanFile.read(desk.folder / "plan" / "plan.json").problem_counts == {"bad_phone": 1}
    assert "No row of it would be sent" in said
    assert "vcc-import apply" not in said
    for _ in range(2):
        assert desk.cli("apply", "plan") == 1
        assert "nothing was sent" in told().lower()
    assert (desk.folder / "plan" / "failures.csv").read_text("utf-8").count("Ann") == 1
    assert desk.sandbox.request_count() == 0


def test_the_id_is_compared_whatever_became_of_the_plan(
    desk: Desk, told: Callable[[], str]
) -> None:
    plan, other, wrong = desk.plan(), desk.plan("other"), ("--plan-id", "0" * 32)
    assert desk.cli("apply", "plan", "--limit", 3, *wrong) == 2
    assert desk.cli("apply", "plan", "--plan-id", plan.id) == 0
    told()
    assert desk.cli("apply", "plan", *wrong) == 2
    assert f"its id is {plan.id}" in (said := told())
    assert "nothing is left to send" in said
    assert desk.cli("apply", "plan", "--plan-id", plan.id) == 0
    # Where the list was sent since, it comes first, too.
    told()
    assert desk.cli("apply", "other", *wrong) == 2
    assert f"its id is {other.id}" in told()
    assert desk.cli("apply", "other", "--plan-id", other.id) == 2
    assert "was sent to project 134" in told()


def test_the_age_of_a_plan_binds_before_its_first_request_only(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan()
    told()
    assert desk.cli("apply", "plan", "--max-age", "0s") == 2
    assert "0 seconds old (--max-age)" in told()
    assert desk.cli("apply", "plan", "--max-age", "1h", "--limit", 1) == 0
    assert desk.cli("apply", "plan", "--max-age", "0s") == 0
    assert desk.sandbox.request_count() == ROWS
    for odd in ("7", "soon", "-1d", "400d"):
        assert desk.cli("apply", "plan", "--max-age", odd) == 2


def test_a_rehearsal_is_planned_and_applied_in_its_own_sandbox(
    desk: Desk, told: Callable[[], str]
) -> None:
    ids = []
    for out in ("one", "two"):
        assert desk.cli("plan", "leads.csv", "-m", "m.yaml", "--sandbox", "--out", out) == 0
        ids.append(PlanFile.read(desk.folder / out / "plan.json").id)
    assert ids[0] == ids[1]
    told()
    words = ("--sandbox", "--out", "three", "--json")
    assert desk.cli("plan", "leads.csv", "-m", "m.yaml", *words) == 0
    assert json.loads(told())["id"] == ids[0]
    assert desk.cli("apply", "one", "--plan-id", ids[0], "--limit", 2) == 0
    assert desk.cli("apply", "one", "--plan-id", ids[0]) == 0
    assert f"created           {ROWS}" in told()
    assert desk.cli("apply", "two") == 0
    assert desk.cli("history") == 0
    assert "Only rehearsals" in told()
    assert desk.sandbox.request_count() == 0


def test_a_plan_that_was_made_without_asking_is_sent_without_asking(
    desk: Desk, told: Callable[[], str]
) -> None:
    write_list(desk.folder / "leads.csv", city="Nowhere")
    plan = desk.plan("plan", "--no-preflight")
    assert plan.expected is None
    assert desk.cli("apply", "plan", "--plan-id", plan.id) == 0
    assert desk.sandbox.request_count() == ROWS


# What is kept of plans that were never applied.


def test_a_plan_is_no_run_until_it_is_applied(desk: Desk, told: Callable[[], str]) -> None:
    runs = desk.folder / "runs"
    desk.plan("runs/plan")
    told()
    assert desk.cli("history") == 0
    assert "No run so far" in told()
    # A lost ledger is made again from the folders of runs, of which it is none.
    for _ in range(2):
        (runs / FILE).unlink(missing_ok=True)
        with Ledger.open(runs) as ledger:
            assert ledger.runs() == []
    url = ("--base-url", desk.sandbox.base_url)
    assert desk.cli("run", "leads.csv", "-m", "m.yaml", "--limit", 5, *url) == 0
    (runs / FILE).unlink()
    with Ledger.open(runs) as ledger:
        (entry,) = ledger.runs()
    assert entry.counts["created"] == 5
    assert entry.run_dir != runs / "plan"
    # It begins, and the ledger is lost: now it is one.
    assert desk.cli("apply", "runs/plan", "--again", "--limit", 2) == 0
    (runs / FILE).unlink()
    with Ledger.open(runs) as ledger:
        assert {entry.run_dir.name for entry in ledger.runs()} > {"plan"}


def test_prune_removes_old_plans_that_were_never_applied_and_keeps_what_has_begun(
    desk: Desk, told: Callable[[], str]
) -> None:
    url = ("--base-url", desk.sandbox.base_url)
    plans = []
    for _ in range(4):
        assert desk.cli("plan", "leads.csv", "-m", "m.yaml", "--json", *url) == 0
        run_id = json.loads(told())["run_id"]
        old = desk.folder / "runs" / run_id.replace(run_id[-23:-15], "20200101")
        (desk.folder / "runs" / run_id).rename(old)
        plans.append(old)
    assert desk.cli("plan", "leads.csv", "-m", "m.yaml", *url) == 0
    desk.plan("runs/young")
    plan = desk.plan("runs/named")
    named = desk.folder / "runs" / "named"
    aged = replace(plan, created_at="2020-01-01T00:00:00+00:00").text
    (named / "plan.json").write_text(aged, "utf-8")
    (named / "letter.txt").write_text("Dear Ann", "utf-8")
    begun, killed, mere, finished = plans
    assert desk.cli("apply", begun, "--limit", 2) == 0
    assert desk.cli("apply", finished, "--again") == 0
    (killed / "plan.json").unlink()
    told()
    assert desk.cli("history", "--prune", "90d") == 0
    said = told()
    assert [path for path in plans if f"removed  {path}" in said] == [killed, mere]
    assert [path for path in plans if path.exists()] == [begun, finished]
    assert len(list((desk.folder / "runs").glob("leads-*"))) == 3
    assert (desk.folder / "runs" / "young").exists()
    # Of a folder with other files in it, only what is the plan's goes.
    assert [path.name for path in named.iterdir()] == ["letter.txt"]
