"""A plan is made on one day and applied on another, when what it rests on has changed."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from importer.pipeline.planfile import PlanFile
from tests.plans.conftest import Desk, write_do_not_call
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox

PROJECT = """\
projectid: 134
name: Spring
fields:
  - {name: name}
  - {name: company}
  - {name: city, type: simple, values: [Budapest, Wien]}
  - {name: import_ref}
dispositions: [{dispositionid: "1", name: callback, type: callback}]
users: [7, 12]
"""
MAPPING = """\
version: 1
project: 134
region: HU
timezone: Europe/Budapest
form:
  name: Name
  company: Company
  city: City
disposition:
  dispositionid: {value: "1"}
  userid: User
  next_calldate: {column: When, type: datetime}
contacts: {1: {phone: Phone}}
stamp: import_ref
"""
LIST = """\
Name,Company,City,User,When,Phone
Ann,ACME,Budapest,7,2099-01-01 10:00,06301234501
Bob,Best,Wien,12,2099-01-01 11:00,06301234502
Eve,East,Eger,7,2099-01-01 12:00,06301234503
"""


@contextmanager
def day(
    folder: Path,
    project: str,
    port: int = 0,
    *,
    db: Path | None = None,
    faults: Sequence[Mapping[str, Any]] = (),
) -> Iterator[LiveSandbox]:
    """The service on another day: the same address, its project as it is then.

    It has the records of its `db`; without one, none.
    """
    path = folder / "project.yaml"
    path.write_text(project, "utf-8")
    with live_sandbox(db, path, port=port, faults=faults, log_requests=True) as live:
        yield live


@pytest.fixture
def planned(cli: Cli, tmp_path: Path) -> Desk:
    """A plan of the list was made yesterday."""
    (tmp_path / "leads.csv").write_text(LIST, "utf-8")
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    with day(tmp_path, PROJECT) as live:
        desk = Desk(cli, tmp_path, live)
        plan = desk.plan("plan", "--allow-new-values")
    assert plan.ready == 3
    return desk


def port_of(desk: Desk) -> int:
    return urlsplit(desk.sandbox.base_url).port or 0


CHANGES = {
    'no field "name" any more': ("  - {name: name}\n", ""),
    '"company" was a text field': ("{name: company}", "{name: company, type: multiple}"),
    '"Wien", which the plan counts on, is no value of "city"': ("Wien", "Vienna"),
    'no field "import_ref" any more': ("  - {name: import_ref}\n", ""),
    'no disposition 1 ("callback") any more': ('"1"', '"2"'),
    'no user "7" any more': ("[7, 12]", "[8, 12]"),
    'the user "12" is inactive now': ("12]", "{userid: 12, status: inactive}]"),
}


@pytest.mark.parametrize("named", CHANGES)
def test_a_project_that_moved_is_refused(
    planned: Desk, told: Callable[[], str], named: str
) -> None:
    with day(planned.folder, PROJECT.replace(*CHANGES[named]), port_of(planned)) as live:
        told()
        assert planned.cli("apply", "plan") == 2
        assert named in told()
        assert live.request_count() == 0


def test_all_that_moved_is_named_at_once(planned: Desk, told: Callable[[], str]) -> None:
    project = PROJECT
    for change in CHANGES.values():
        project = project.replace(*change)
    with day(planned.folder, project, port_of(planned)) as live:
        told()
        assert planned.cli("apply", "plan") == 2
        said = told()
        assert [named for named in CHANGES if named not in said] == []
        assert live.request_count() == 0
    with day(planned.folder, PROJECT, port_of(planned)) as live:
        assert planned.cli("apply", "plan") == 0
        assert live.request_count() == 3


@pytest.mark.parametrize("count", [2, 3])
def test_a_project_that_moved_keeps_only_rows_that_are_still_to_be_sent_back(
    planned: Desk, told: Callable[[], str], count: int
) -> None:
    db, port = planned.folder / "records.sqlite3", port_of(planned)
    # The project and its users; the records, and the project again; then the first of the records.
    fault = {"kind": "forbidden", "to": "all", "from": 2 + count + 2}
    with day(planned.folder, PROJECT, port, db=db, faults=[fault]):
        assert planned.cli("apply", "plan", "--canary", count) == 3
        assert "could not be read back yet" in told()
    without = PROJECT.replace("[7, 12]", "[8, 12]")
    with day(planned.folder, without, port, db=db) as live:
        code = planned.cli("apply", "plan")
        assert live.request_count() == count
    if count < 3:
        assert code == 2
        assert 'no user "7" any more' in told()
    else:
        assert code == 0
        assert "3 records read back, as sent" in told()


class InThreeDays(datetime):
    """A clock that is three days ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> InThreeDays:
        return cls.fromtimestamp(time.time() + 3 * 86_400, tz)


def test_a_new_value_that_exists_by_now_and_call_backs_that_are_past_by_now_are_told(
    cli: Cli, tmp_path: Path, told: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tomorrow = f"{datetime.now() + timedelta(days=1):%Y-%m-%d}"  # noqa: DTZ005 (as in the list)
    dates = LIST.replace("2099-01-01 10", "2001-01-01 10").replace(
        "2099-01-01 11", f"{tomorrow} 11"
    )
    (tmp_path / "leads.csv").write_text(dates, "utf-8")
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    with day(tmp_path, PROJECT) as live:
        desk = Desk(cli, tmp_path, live)
        desk.plan("plan", "--allow-new-values")
    with day(tmp_path, PROJECT.replace("Wien", "Wien, Eger"), port_of(desk)) as live:
        told()
        monkeypatch.setattr("importer.pipeline.approve.datetime", InThreeDays)
        assert cli("apply", "plan") == 0
        said = told()
        assert '"Eger" was to be created' in said
        # That of row 2 was past when it was planned: the check has told of it.
        assert "the call-backs of row 3 are in the past by now" in said
        assert live.request_count() == 3


# Lists of numbers that must not be called.


def test_a_do_not_call_list_that_has_a_pending_row_s_number_by_now_names_the_rows(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan()
    write_do_not_call(desk.folder, 1, 4, 77)
    told()
    assert desk.cli("apply", "plan") == 2
    said = told()
    assert "robinson.csv was renewed since it was planned" in said
    assert "2 rows (3, 6)" in said
    assert desk.sandbox.request_count() == 0
    planned = said.partition("Or plan the list again: ")[2].splitlines()[0]
    assert desk.cli(*shlex.split(planned)[1:], "--out", "anew") == 0
    assert PlanFile.read(desk.folder / "anew" / "plan.json").ready == 10
    # Of rows that were sent before it was renewed nothing is said.
    write_do_not_call(desk.folder)
    assert desk.cli("apply", "plan", "--limit", 3) == 0
    write_do_not_call(desk.folder, 1, 4, 77)
    told()
    assert desk.cli("apply", "plan") == 2
    said = told()
    assert "row 6" in said
    assert "row 3" not in said
    assert desk.sandbox.request_count() == 3


def test_a_run_that_may_not_go_on_says_how_to_send_what_is_left_and_no_row_twice(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan("my plan")
    assert desk.cli("apply", "my plan", "--limit", 3) == 0
    write_do_not_call(desk.folder, 1, 4)
    told()
    assert desk.cli("resume", "my plan") == 2
    again = told().partition("Or plan the rows that were not sent: ")[2].splitlines()[0]
    assert desk.cli(*shlex.split(again)[1:], "--out", "rest") == 0
    assert desk.cli("apply", "rest") == 0
    requests = Counter(
        record["contacts"]["phone1"]["phone"] for record in desk.sandbox.records(134)
    )
    assert len(requests) == 12 - 1
    assert set(requests.values()) == {1}
    assert desk.cli("resume", "my plan") == 2


def test_what_differs_is_named_where_the_project_cannot_be_asked(
    planned: Desk, told: Callable[[], str]
) -> None:
    told()
    # The service is not there on this day.
    assert planned.cli("apply", "plan", "--max-age", "0s") == 2
    said = told()
    assert "may be 0 seconds old (--max-age)" in said
    assert "its project could not be asked: " in said
    assert planned.cli("apply", "plan") == 3


def test_of_another_service_the_project_is_not_compared(
    planned: Desk, told: Callable[[], str]
) -> None:
    told()
    words = ("--base-url", "http://127.0.0.1:9/v2", "--max-age", "0s")
    assert planned.cli("apply", "plan", *words) == 2
    said = told()
    assert "not for http://127.0.0.1:9/v2" in said
    assert "--max-age" in said
    assert "could not be asked" not in said


def test_a_do_not_call_list_that_was_renewed_and_hits_no_row_keeps_nothing_back(
    desk: Desk, told: Callable[[], str]
) -> None:
    desk.plan()
    write_do_not_call(desk.folder, 77)
    told()
    assert desk.cli("apply", "plan") == 0
    assert "robinson" not in told()


def test_that_a_do_not_call_list_is_gone_is_told(desk: Desk, told: Callable[[], str]) -> None:
    desk.plan()
    (desk.folder / "robinson.csv").unlink()
    told()
    assert desk.cli("apply", "plan") == 0
    assert "do-not-call lists were not compared again" in (said := told())
    assert "robinson.csv" in said


def test_what_is_named_of_different_kinds_stands_in_one_message(
    desk: Desk, told: Callable[[], str]
) -> None:
    plan = desk.plan()
    told()
    assert desk.cli("apply", "plan", "--plan-id", "0" * 32, "--max-age", "0s") == 2
    said = told()
    assert f"its id is {plan.id}" in said
    assert "--max-age" in said
    assert desk.sandbox.request_count() == 0
