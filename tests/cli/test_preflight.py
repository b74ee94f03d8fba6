"""Comparing with the live project: `check --online`, and the gate that every run has to pass."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ROOT
from tests.cli.test_run import rows_of, summary_of, to
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MESSY = """\
version: 1
project: 134
region: HU
form:
  name: Name
  city: City
  likes: Likes
  adress: {value: here}
contacts: {1: {phone: Phone}}
disposition: {dispositionid: Disp, userid: {value: "7"}, next_calldate: Call}
"""
CITIES = """\
version: 1
project: 134
region: HU
form: {name: Name, city: City}
contacts: {1: {phone: Phone}}
"""


@pytest.fixture
def fresh() -> Iterator[LiveSandbox]:
    """A sandbox of the test's own: its values are counted."""
    with live_sandbox() as live:
        yield live


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file into the working folder."""

    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return written


Write = Callable[[str, str], Path]


def cities(*names: str) -> str:
    lines = (f"A{i},{name},0630123{1000 + i}" for i, name in enumerate(names))
    return "Name,City,Phone\n" + "\n".join(lines) + "\n"


def report_of(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    return found


def test_a_refused_run_names_everything_sends_nothing_and_keeps_nothing(
    cli: Cli, fresh: LiveSandbox, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = write("messy.yaml", MESSY)
    rows = [f"A{i},Budapset,sports,0630123{1000 + i},," for i in range(14)]
    rows += ["B,Wien,sports|moovies,06301239999,Call-back,", "C,Nix,,12,9,"]
    leads = write("l.csv", "Name,City,Likes,Phone,Disp,Call\n" + "\n".join(rows) + "\n")
    arguments = ("run", leads, "-m", mapping, "--runs-dir", "here", *to(fresh))
    assert cli(*arguments, "--report", "r.json", "--report", "r.xlsx", "--report", "r.html") == 2

    told = capsys.readouterr().err
    assert 'messy.yaml:8:3: form.adress: the project has no field "adress"' in told
    assert 'did you mean "address"?' in told
    assert "messy.yaml:6:3: form.city: 1 value would be created" in told
    assert '"Budapset" → "Budapest"? 14 rows (2, 3, 4 …)' in told
    assert re.search(r"messy.yaml:7:3: form.likes: likes is a multiple field.* 1 row \(16\)", told)
    assert '"moovies" → "movies"? 1 row (16)' in told
    assert 'no disposition "Call-back": 1 row (16): "callback" is 1' in told
    assert "--allow-new-values" in told
    assert "Nix" not in told, "of a row that is not ready"

    assert fresh.records(134) == []
    assert "Budapset" not in fresh.values(134, "city")
    assert not list(Path("here").glob("*-*")), "a run that sent nothing leaves nothing"
    report = report_of("r.json")
    assert report["problem_counts"]["new_value"] == 2
    assert report["problems"][0]["row"] is None
    assert Path("r.xlsx").stat().st_size > 1000
    assert "Budapset" in Path("r.html").read_text("utf-8")


def test_new_values_are_created_where_they_are_allowed_and_the_journal_says_so(
    cli: Cli, fresh: LiveSandbox, write: Write
) -> None:
    mapping, leads = write("c.yaml", CITIES), write("l.csv", cities("Graz", "Eger", "Eger"))
    arguments = ("run", leads, "-m", mapping, *to(fresh))
    assert cli(*arguments) == 2
    assert cli(*arguments, "--allow-new-values", "--out", "out", "--report", "r.json") == 0
    assert "Eger" in fresh.values(134, "city")
    settings = summary_of(Path("out"))["settings"]
    assert (settings["allow_new_values"], settings["new_values"]) == (True, 1)
    [problem] = report_of("r.json")["problems"]
    assert (problem["code"], problem["severity"], problem["value"]) == (
        "new_value",
        "warning",
        "Eger",
    )
    assert cli("report", "out") == 0
    assert summary_of(Path("out"))["settings"]["new_values"] == 1
    assert cli(*arguments, "--again") == 0, "the values exist now"


def test_the_mapping_may_list_them_and_each_that_it_does_not_list_is_refused(
    cli: Cli, fresh: LiveSandbox, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = write("c.yaml", CITIES + "new_values: {city: [Eger, Vác]}\n")
    assert cli("run", write("a.csv", cities("Eger", "Vac")), "-m", mapping, *to(fresh)) == 2
    told = capsys.readouterr().err
    assert '"Vac"' in told
    assert '"Eger"' not in told
    assert cli("run", write("b.csv", cities("Eger", "Vác")), "-m", mapping, *to(fresh)) == 0


def test_twenty_values_of_a_field_are_named_on_the_terminal_and_all_in_the_report(
    cli: Cli, fresh: LiveSandbox, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = write("c.yaml", CITIES)
    leads = write("l.csv", cities(*(f"Nowhere {i:02}" for i in range(37))))
    assert cli("run", leads, "-m", mapping, *to(fresh), "--report", "r.json") == 2
    told = capsys.readouterr().err
    assert told.count('"Nowhere') == 20
    assert "and 17 more" in told
    assert report_of("r.json")["problem_counts"] == {"new_value": 37}
    assert len(report_of("r.json")["problems"]) == 37


def test_check_online_ends_as_the_gate_would_and_sends_nothing(
    cli: Cli, fresh: LiveSandbox, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping, leads = write("c.yaml", CITIES), write("l.csv", cities("Graz", "Budapset"))
    assert cli("check", leads, "-m", mapping) == 0
    assert cli("check", leads, "-m", mapping, "--online", *to(fresh)) == 2
    told = capsys.readouterr()
    assert '"Budapset" → "Budapest"? 1 row (3)' in told.out
    assert cli("check", leads, "-m", mapping, "--online", "--quiet", *to(fresh)) == 2
    assert '"Budapset" → "Budapest"? 1 row (3)' in capsys.readouterr().err
    allowing = ("--online", "--allow-new-values", *to(fresh))
    assert cli("check", leads, "-m", mapping, *allowing) == 0
    assert cli("run", leads, "-m", mapping, "--dry-run", "--online", *to(fresh)) == 2
    assert fresh.records(134) == []
    assert not Path("runs").exists()


def test_check_compares_with_a_project_file_without_an_account(
    cli: Cli, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VCC_API_KEY")
    mapping, leads = write("c.yaml", CITIES), write("l.csv", cities("Budapset"))
    file = ROOT / "samples" / "project.yaml"
    before = sorted(path.name for path in tmp_path.iterdir())
    assert cli("check", leads, "-m", mapping, "--sandbox-project", file) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_wrong_key_or_project_stops_a_check_before_the_file_is_read(
    cli: Cli, fresh: LiveSandbox, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping, leads = write("c.yaml", CITIES), write("l.csv", cities("Graz"))
    online = ("check", leads, "-m", mapping, "--online", *to(fresh))
    assert cli(*online, "--project", 999) == 3
    assert "project" in capsys.readouterr().err


def test_without_preflight_nothing_is_compared(cli: Cli, fresh: LiveSandbox, write: Write) -> None:
    mapping, leads = write("c.yaml", CITIES), write("l.csv", cities("Budapset"))
    assert cli("run", leads, "-m", mapping, "--no-preflight", "--out", "out", *to(fresh)) == 0
    assert "Budapset" in fresh.values(134, "city")
    assert summary_of(Path("out"))["settings"]["new_values"] is None


def test_a_rehearsal_may_create_values_unless_it_has_a_project_file(cli: Cli, write: Write) -> None:
    mapping = write("c.yaml", CITIES.replace("city: City", "city: {column: City, map: {a: b}}"))
    leads = write("l.csv", cities("Budapset"))
    assert cli("run", leads, "-m", mapping, "--sandbox") == 0
    file = ROOT / "samples" / "project.yaml"
    assert cli("run", leads, "-m", mapping, "--sandbox", "--sandbox-project", file) == 2


def test_a_file_that_a_check_would_refuse_makes_no_row_of_another_a_duplicate(
    cli: Cli, fresh: LiveSandbox, write: Write
) -> None:
    mapping = write("c.yaml", CITIES + "rows: {unique: contacts.1.phone}\n")
    refused, good = write("a.csv", cities("Budapset")), write("b.csv", cities("Graz"))
    online = ("check", refused, good, "-m", mapping, "--online", *to(fresh))
    assert cli(*online, "--report", "r.csv") == 2
    assert "duplicate" not in Path("r.csv").read_text("utf-8")
    assert "new_value" in Path("r.csv").read_text("utf-8")


def test_a_refused_file_keeps_no_other_from_being_sent_nor_hides_its_rows(
    cli: Cli, fresh: LiveSandbox, write: Write
) -> None:
    mapping = write("c.yaml", CITIES + "rows: {unique: [contacts.1.phone]}\n")
    bad, good = write("bad.csv", cities("Budapset")), write("good.csv", cities("Budapest"))
    assert cli("run", bad, good, "-m", mapping, "--out", "all", *to(fresh)) == 2
    assert [row["status"] for row in rows_of(Path("all/good/results.csv"))] == ["created"]
    assert not Path("all/bad").exists()


def test_a_resumed_run_creates_what_was_allowed_when_it_began(
    cli: Cli, fresh: LiveSandbox, write: Write
) -> None:
    mapping, leads = write("c.yaml", CITIES), write("l.csv", cities("Eger", "Vác"))
    allowing = ("--allow-new-values", "--limit", 1, "--out", "out")
    assert cli("run", leads, "-m", mapping, *allowing, *to(fresh)) == 0
    assert cli("resume", "out") == 0
    assert summary_of(Path("out"))["counts"]["created"] == 2
    assert summary_of(Path("out"))["settings"]["new_values"] == 2


def test_call_backs_in_the_past_are_warned_of_online_or_not(cli: Cli, write: Write) -> None:
    mapping = write(
        "d.yaml",
        "version: 1\nproject: 134\nregion: HU\ntimezone: Europe/Budapest\nform: {name: Name}\n"
        "contacts: {1: {phone: Phone}}\n"
        'disposition: {dispositionid: {value: "1"}, userid: {value: "7"}, next_calldate: Call}\n'
        "rows: {skip_when: {column: Name, in: [out]}}\n",
    )
    leads = write(
        "l.csv",
        "Name,Phone,Call\nA,06301231000,2020-01-01 10:00\nB,06301231001,2999-01-01 10:00\n"
        "C,06301231002,\nout,06301231003,2020-01-01 10:00\nD,06301231004,2020-02-31\n",
    )
    assert cli("check", leads, "-m", mapping, "--report", "r.json") == 1
    late = [p for p in report_of("r.json")["problems"] if p["code"] == "callback_in_past"]
    assert [(p["row"], p["column"], p["severity"]) for p in late] == [(2, "Call", "warning")]


def test_call_backs_that_are_sent_without_a_year_are_not_judged(cli: Cli, write: Write) -> None:
    mapping = write(
        "d.yaml",
        "version: 1\nproject: 134\nregion: HU\nform: {name: Name}\n"
        "contacts: {1: {phone: Phone}}\n"
        'disposition: {dispositionid: {value: "1"}, userid: {value: "7"},\n'
        '  next_calldate: {column: Call, output: "%d.%m. %H:%M"}}\n',
    )
    leads = write("l.csv", "Name,Phone,Call\nA,06301231000,2020-01-01 10:00\n")
    assert cli("check", leads, "-m", mapping) == 0


STAFF = """\
projectid: 134
name: Staffed
fields: [{name: name}, {name: phone2}, {name: phone3}]
dispositions: [{dispositionid: "2", name: no}]
users:
  - {userid: 7, username: anna.kiss, name: Anna Kiss}
  - {userid: 12, username: bela, name: Béla Nagy, status: inactive}
"""
ASSIGNED = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {each: {phone: "Phone {n}"}}
disposition: {dispositionid: {value: "2"}, userid: Agent}
"""


def assigned(*agents: str) -> str:
    lines = (f"A{i},0630123{1000 + i},{agent}" for i, agent in enumerate(agents))
    return "Name,Phone 1,Agent\n" + "\n".join(lines) + "\n"


def test_a_user_whom_the_service_lacks_or_who_is_inactive_keeps_the_file_back(
    cli: Cli, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = write("m.yaml", ASSIGNED)
    leads = write("l.csv", assigned("7", "Anna Kis", "7", "12", ""))
    with live_sandbox(projects=write("p.yaml", STAFF)) as live:
        assert cli("run", leads, "-m", mapping, "--report", "r.json", *to(live)) == 2
        told = capsys.readouterr().err
        assert 'm.yaml:6:44: disposition.userid: the service has no user "Anna Kis"' in told
        assert 'did you mean 7 "anna.kiss" (Anna Kiss)?' in told
        assert 'the user 12 "bela" (Béla Nagy) is inactive: 1 row (5)' in told
        assert live.records(134) == []
        assert report_of("r.json")["problem_counts"]["unknown_user"] == 1

        good = write("good.csv", assigned("7", ""))
        assert cli("check", good, "-m", mapping, "--online", *to(live)) == 0
        assert cli("run", good, "-m", mapping, *to(live)) == 0
        assert len(live.records(134)) == 2


@pytest.mark.parametrize(
    ("kind", "status"), [("unauthorized", 401), ("forbidden", 403), ("not_found", 404)]
)
def test_where_the_key_may_not_ask_for_users_that_is_said_and_the_list_is_sent(
    cli: Cli, write: Write, kind: str, status: int
) -> None:
    mapping, leads = write("m.yaml", ASSIGNED), write("l.csv", assigned("7", "7"))
    faults = [{"kind": kind, "at": [2], "to": "all"}]  # the first request asks for the project
    with live_sandbox(projects=write("p.yaml", STAFF), faults=faults) as live:
        arguments = ("run", leads, "-m", mapping, "--report", "r.json", "--out", "out", *to(live))
        assert cli(*arguments) == 0
        [problem] = report_of("r.json")["problems"]
        assert (problem["code"], problem["severity"]) == ("users_not_checked", "warning")
        assert (problem["row"], problem["target"]) == (None, "disposition.userid")
        assert str(status) in problem["message"]
        assert len(live.records(134)) == 2


def test_a_service_that_fails_when_asked_for_users_stops_a_run_that_names_one_only(
    cli: Cli, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    leads = write("l.csv", assigned("7"))
    plain = write("plain.yaml", ASSIGNED[: ASSIGNED.index("disposition")])
    faults = [{"kind": "server_error", "at": [2], "to": "all"}]
    with live_sandbox(projects=write("p.yaml", STAFF), faults=faults) as live:
        online = ("check", leads, "--online", *to(live))
        assert cli(*online, "-m", plain) == 0
        assert cli(*online, "-m", write("m.yaml", ASSIGNED)) == 3, "it asks for the project again"
        assert "project" in capsys.readouterr().err
        assert cli(*online, "-m", write("m.yaml", ASSIGNED)) == 0
    with live_sandbox(projects=write("p.yaml", STAFF), faults=faults) as live:
        assert cli(*online[:3], *to(live), "-m", write("m.yaml", ASSIGNED)) == 3
        assert "the service did not describe the users: " in capsys.readouterr().err


def test_a_rehearsal_without_a_list_of_users_takes_any(cli: Cli, write: Write) -> None:
    mapping = write("m.yaml", ASSIGNED)
    leads = write("l.csv", assigned("anybody"))
    assert cli("run", leads, "-m", mapping, "--sandbox", "--report", "r.json") == 0
    assert report_of("r.json")["problem_counts"] == {"users_not_checked": 1}


def test_a_contact_whose_phone_field_the_project_lacks_is_warned_of(cli: Cli, write: Write) -> None:
    mapping = write("m.yaml", ASSIGNED[: ASSIGNED.index("disposition")])
    leads = write(
        "l.csv",
        "Name,Phone 1,Phone 2,Phone 4,Phone 5\n"
        "A,06301231000,06301231001,06301231002,\n"
        "B,06301231003,,06301231004,\n"
        "C,12,,06301231005,06301231006\n",
    )
    with live_sandbox(projects=write("p.yaml", STAFF)) as live:
        assert cli("check", leads, "-m", mapping, "--online", "--report", "r.json", *to(live)) == 1
        found = [p for p in report_of("r.json")["problems"] if p["row"] is None]
        assert [(p["code"], p["column"], p["severity"]) for p in found] == [
            ("contact_without_field", "Phone 4", "warning")
        ]
        assert "2 rows (2, 3)" in found[0]["message"], "row 4 is not ready"
