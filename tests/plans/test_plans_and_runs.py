"""A plan beside what else was sent: by other plans and runs, by its copies, by excepted runs."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from importer.operations.ledger import Ledger
from importer.pipeline.planfile import PlanFile
from tests.plans.conftest import MAPPING, ROWS, Desk, write_do_not_call, write_list
from tests.support.live_sandbox import live_sandbox


def phones(desk: Desk) -> Counter[str]:
    """How often the service has each number."""
    return Counter(record["contacts"]["phone1"]["phone"] for record in desk.sandbox.records(134))


def statuses(folder: Path) -> dict[int, tuple[str, str]]:
    """Each row's status and code."""
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["row"]): (row["status"], row["code"]) for row in csv.DictReader(file)}


def test_of_two_plans_of_one_list_the_second_is_refused(
    desk: Desk, told: Callable[[], str]
) -> None:
    first, second = desk.plan("one"), desk.plan("two")
    assert first.id == second.id
    assert desk.cli("apply", "one") == 0
    told()
    assert desk.cli("apply", "two") == 2
    said = told()
    assert f"{ROWS} rows were created" in said
    assert "--again" in said
    assert set(phones(desk).values()) == {1}
    assert desk.cli("apply", "one") == 0
    assert "Nothing was sent" in told() or set(phones(desk).values()) == {1}
    assert desk.cli("apply", "two", "--again") == 0
    assert set(phones(desk).values()) == {2}


def test_a_plan_of_a_list_that_another_has_begun_says_how_to_go_on_with_that_one(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan("one")
    desk.plan("two")
    assert desk.cli("apply", "one", "--limit", 5) == 0
    told()
    assert desk.cli("apply", "two") == 2
    assert "vcc-import resume" in (said := told())
    assert "one" in said
    assert set(phones(desk).values()) == {1}


def test_leads_that_another_list_has_sent_since_are_named(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan("plan")
    write_list(desk.folder / "other.csv", 4, first=9)
    url = ("--base-url", desk.sandbox.base_url)
    assert desk.cli("run", "other.csv", "-m", "m.yaml", "--out", "other", *url) == 0
    told()
    assert desk.cli("apply", "plan") == 2
    said = told()
    assert "3 rows (11, 12, 13)" in said
    assert "were sent to project 134" in said
    assert set(phones(desk).values()) == {1}
    # A plan that was made after that leaves them out.
    desk.plan("later")
    assert desk.cli("apply", "later") == 0
    assert set(phones(desk).values()) == {1}
    assert len(phones(desk)) == 13


def test_leads_that_a_run_has_sent_since_which_had_begun_before_are_named(
    desk: Desk, told: Callable[[], str]
) -> None:
    write_list(desk.folder / "other.csv", 4, first=9)
    url = ("--base-url", desk.sandbox.base_url)
    words = ("-m", "m.yaml", "--out", "other", *url)
    assert desk.cli("run", "other.csv", *words, "--limit", 1) == 0
    with Ledger.open(desk.folder / "runs") as ledger:
        (entry,) = ledger.runs()
        ledger.enter(replace(entry, started_at=entry.started_at - timedelta(hours=1)))
    plan = desk.plan("plan")
    assert plan.ready == ROWS - 1
    assert desk.cli("resume", "other") == 0
    told()
    assert desk.cli("apply", "plan") == 2
    assert "2 rows (12, 13)" in told()
    assert set(phones(desk).values()) == {1}


def test_what_was_planned_to_be_sent_again_is_sent_unless_more_was_sent_since(
    desk: Desk, told: Callable[[], str]
) -> None:
    # Without rows.within, by which leads that were sent are left out, whatever is asked for.
    (desk.folder / "m.yaml").write_text(MAPPING.replace("within: 30d, ", ""), "utf-8")
    assert (plain := desk.plan("one")).again is None
    assert desk.cli("apply", "one", "--limit", 5) == 0
    told()
    words = ("leads.csv", "-m", "m.yaml", "--again", "--base-url", desk.sandbox.base_url)
    assert desk.cli("plan", *words, "--out", "twice") == 0
    said = told()
    assert f"Sent before: 5 rows of the same content, by {plain.run_id}" in said
    assert "--again" not in said.partition("To send it")[2]
    twice = PlanFile.read(desk.folder / "twice" / "plan.json")
    assert [(one["run_id"], one["sent"]) for one in twice.again or ()] == [(plain.run_id, 5)]
    assert twice.id != plain.id
    # Whoever approves a plan by its id approves of that, too.
    assert desk.cli("apply", "twice", "--plan-id", twice.id) == 0
    assert Counter(phones(desk).values()) == {2: 5, 1: ROWS - 5}

    # What was sent since was not known when it was asked for.
    third = desk.plan("third", "--again")
    assert sorted(one["sent"] for one in third.again or ()) == [5, ROWS]
    assert third.id == twice.id
    assert desk.cli("resume", "one", "--again") == 0
    told()
    assert desk.cli("apply", "third") == 2
    assert f"{ROWS} rows were created" in told()
    assert desk.cli("apply", "third", "--again") == 0


def test_what_others_have_sent_is_named_with_all_else_that_keeps_a_plan_back(
    desk: Desk, told: Callable[[], str]
) -> None:
    plan = desk.plan("plan")
    desk.plan("one")
    assert desk.cli("apply", "one", "--limit", 2) == 0
    url = ("--base-url", desk.sandbox.base_url)
    for number, first in enumerate((8, 10)):
        write_list(desk.folder / f"other{number}.csv", 2, first=first)
        words = ("-m", "m.yaml", "--out", f"other{number}", *url)
        assert desk.cli("run", f"other{number}.csv", *words) == 0
    write_do_not_call(desk.folder, 4)
    before = desk.sandbox.request_count()
    told()
    assert desk.cli("apply", "plan", "--max-age", "0s", "--plan-id", "0" * 32) == 2
    said = told()
    for part in (
        "leads.csv: its content was sent to project 134",
        "2 rows (10, 11) by other0-",
        "2 rows (12, 13) by other1-",
        "robinson.csv was renewed since it was planned, and has a number of row 6",
        f"its id is {plan.id}, and the plan that was approved is 000",
        "--max-age",
    ):
        assert said.count(part) == 1, part
    assert f"Go on with: vcc-import resume {desk.folder / 'one'}" in said
    assert "Name the folder of the plan that was approved." in said
    assert "As to what differs: Restore what differs. Or plan the list again: vcc-import" in said
    # What --again overrides is not named then, and keeps nothing back.
    assert desk.cli("apply", "plan", "--again") == 2
    assert "its content was sent" not in (said := told())
    assert "by other0-" not in said
    write_do_not_call(desk.folder)
    assert desk.sandbox.request_count() == before
    assert desk.cli("apply", "plan", "--again") == 0
    assert desk.sandbox.request_count() == before + ROWS


# Copies of the folder of a plan.


def test_a_copy_of_a_plan_that_has_not_begun_may_be_sent_and_then_its_original_not(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan("plan")
    shutil.copytree(desk.folder / "plan", desk.folder / "elsewhere" / "a copy")
    assert desk.cli("apply", "elsewhere/a copy", "--limit", 5) == 0
    told()
    assert desk.cli("apply", "plan") == 2
    said = told()
    assert "is a copy of" in said
    assert "elsewhere/a copy" in said
    assert desk.cli("resume", desk.folder / "elsewhere" / "a copy") == 0
    assert desk.cli("apply", "plan") == 2
    assert set(phones(desk).values()) == {1}
    assert len(phones(desk)) == ROWS


def test_of_two_copies_on_another_machine_one_is_sent(
    desk: Desk,
    told: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk.plan("plan", "--runs-dir", "gone")
    machine = tmp_path_factory.mktemp("machine")
    for folder in ("one", "two"):
        shutil.copytree(desk.folder / "plan", machine / folder / "plan")
    for folder in ("plan", "gone"):
        shutil.rmtree(desk.folder / folder)
    monkeypatch.setenv("VCC_STATE_DIR", str(machine / "state"))
    assert desk.cli("apply", machine / "one" / "plan", "--limit", 5) == 0
    told()
    assert desk.cli("apply", machine / "two" / "plan") == 2
    assert "is a copy of" in told()
    # A run that had begun on the first machine is in the ledger of the second, too.
    begun = machine / "begun" / "plan"
    shutil.move(machine / "one" / "plan", begun)
    monkeypatch.setenv("VCC_STATE_DIR", str(machine / "third"))
    shutil.rmtree(machine / "one")
    shutil.copytree(begun, machine / "copy" / "plan")
    assert desk.cli("resume", begun, "--limit", 2) == 0
    told()
    assert desk.cli("resume", machine / "copy" / "plan") == 2
    assert "is a copy of" in told()
    assert (len(phones(desk)), set(phones(desk).values())) == (7, {1})


def test_a_copy_of_which_nothing_is_left_to_send_takes_nobody_s_place(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan("plan")
    assert desk.cli("apply", "plan") == 0
    shutil.copytree(desk.folder / "plan", desk.folder / "copy")
    assert desk.cli("apply", "copy") == 0
    shutil.rmtree(desk.folder / "copy")
    # Later runs look back at the leads of the one that is there.
    write_list(desk.folder / "other.csv", 4, first=9)
    assert desk.plan("later", leads="other.csv").ready == 1


def test_a_plan_may_be_moved_before_it_began_and_after(desk: Desk, told: Callable[[], str]) -> None:
    desk.plan("plan")
    shutil.move(desk.folder / "plan", desk.folder / "moved")
    assert desk.cli("apply", "moved", "--limit", 5) == 0
    shutil.move(desk.folder / "moved", desk.folder / "again")
    assert desk.cli("apply", "again", "--limit", 5) == 0
    shutil.move(desk.folder / "again", desk.folder / "at last")
    assert desk.cli("apply", "at last") == 0
    assert set(phones(desk).values()) == {1}
    assert len(phones(desk)) == ROWS


@pytest.mark.parametrize("limit", [5, ROWS])
def test_a_copy_from_before_it_began_is_refused_where_the_original_is_gone(
    desk: Desk, told: Callable[[], str], limit: int
) -> None:
    desk.plan("plan")
    shutil.copytree(desk.folder / "plan", desk.folder / "copy")
    assert desk.cli("apply", "plan", "--limit", limit) == 0
    shutil.rmtree(desk.folder / "plan")
    told()
    assert desk.cli("apply", "copy") == 2
    assert "is not there any more" in told()
    assert len(phones(desk)) == limit


def test_a_copy_from_before_rows_were_sent_is_refused_where_the_original_is_gone(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan("plan")
    assert desk.cli("apply", "plan", "--limit", 3) == 0
    shutil.copytree(desk.folder / "plan", desk.folder / "copy")
    assert desk.cli("apply", "plan", "--limit", 3) == 0
    shutil.rmtree(desk.folder / "plan")
    told()
    assert desk.cli("apply", "copy") == 2
    assert "is not there any more" in told()
    assert len(phones(desk)) == 6
    assert set(phones(desk).values()) == {1}


# Runs whose rows are left out.


def run_of_five(desk: Desk, out: str = "first", *words: object) -> None:
    url = ("--base-url", desk.sandbox.base_url)
    how = ("-m", "m.yaml", "--out", out, "--limit", 5)
    assert desk.cli("run", "leads.csv", *how, *url, *words) == 0


def test_rows_that_a_run_may_have_sent_are_left_out_too(
    desk: Desk,
) -> None:
    lost = [{"kind": "close", "at": [2, 4], "to": "all", "stored": True}]
    with live_sandbox(faults=lost, log_requests=True) as live:
        elsewhere = Desk(desk.cli, desk.folder, live)
        words = ("--base-url", live.base_url, "--concurrency", 1, "--out", "first")
        assert desk.cli("run", "leads.csv", "-m", "m.yaml", *words) == 4
        assert Counter(s for s, _ in statuses(desk.folder / "first").values())["uncertain"] > 0
        plan = elsewhere.plan("plan", "--except", "first")
        assert (plan.ready, plan.counts["skipped"]) == (0, ROWS)


def test_rows_that_a_run_has_sent_are_left_out_and_the_others_sent(
    desk: Desk, told: Callable[[], str]
) -> None:
    run_of_five(desk)
    plan = desk.plan("plan", "--except", "first")
    assert plan.left_out == [{"status": "skipped", "code": "sent_before", "rows": 5}]
    assert desk.cli("apply", "plan") == 0
    assert statuses(desk.folder / "plan") == {
        **dict.fromkeys(range(2, 7), ("skipped", "sent_before")),
        **dict.fromkeys(range(7, 14), ("created", "")),
    }
    assert set(phones(desk).values()) == {1}
    assert len(phones(desk)) == ROWS
    # What that run had left is sent by now.
    told()
    assert desk.cli("resume", "first") == 2
    assert "since, by" in told()
    assert len(phones(desk)) == ROWS


def test_a_plan_is_refused_where_the_run_it_leaves_out_has_sent_more_since(
    desk: Desk, told: Callable[[], str]
) -> None:
    run_of_five(desk)
    desk.plan("plan", "--except", "first")
    assert desk.cli("resume", "first", "--limit", 2) == 0
    told()
    assert desk.cli("apply", "plan") == 2
    assert "2 rows (7, 8)" in told()
    assert set(phones(desk).values()) == {1}
    shutil.rmtree(desk.folder / "first")
    assert desk.cli("apply", "plan") == 2
    assert "cannot be read" in told()


def test_a_run_of_another_list_or_of_another_place_cannot_be_left_out(
    desk: Desk, told: Callable[[], str]
) -> None:
    run_of_five(desk)
    write_list(desk.folder / "other.csv", 20)
    url = ("--base-url", desk.sandbox.base_url)
    told()
    assert desk.cli("plan", "other.csv", "-m", "m.yaml", *url, "--except", "first") == 2
    assert "is a run of another list" in told()
    words = ("--base-url", "http://127.0.0.1:9/v2", "--no-preflight", "--out", "p")
    assert desk.cli("plan", "leads.csv", "-m", "m.yaml", *words, "--except", "first") == 2
    assert "went to" in told()
    for nothing in ("nowhere", "."):
        assert desk.cli("plan", "leads.csv", "-m", "m.yaml", *url, "--except", nothing) == 2
        assert nothing in told()
    assert not (desk.folder / "runs").exists() or not list((desk.folder / "runs").glob("*-*"))


def test_a_row_left_out_still_makes_later_rows_duplicates(desk: Desk) -> None:
    (desk.folder / "m.yaml").write_text(MAPPING.replace("within: 30d, ", ""), "utf-8")
    leads = desk.folder / "leads.csv"
    lines = leads.read_text("utf-8").splitlines()
    leads.write_text("\n".join([*lines, lines[1], lines[9], ""]), "utf-8")
    run_of_five(desk)
    assert statuses(desk.folder / "first")[14][1] == "duplicate"
    desk.plan("plan", "--except", "first")
    assert desk.cli("apply", "plan") == 0
    assert statuses(desk.folder / "plan")[14] == ("skipped", "duplicate")
    assert set(phones(desk).values()) == {1}
