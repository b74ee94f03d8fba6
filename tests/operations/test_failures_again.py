"""A list of failures that is mended and imported in several steps sends no row twice."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import importer
from importer.library import Overlay
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: {region}
form: {{name: Name}}
contacts: {{1: {{phone: Phone}}}}
{rows}
"""
LIST = """\
Name,Phone
Ann,06301234501
Bob,x
Cid,06301234503
Dan,y
Eve,z
"""
UNIQUE = "rows: {unique: [contacts.1.phone]}"


@pytest.fixture
def sandbox() -> Iterator[LiveSandbox]:
    with live_sandbox() as live:
        yield live


class Office:
    """Where somebody imports lists into one project, each into a folder of results."""

    def __init__(self, cli: Cli, live: LiveSandbox) -> None:
        self._cli, self._live = cli, live

    def write(self, name: str, text: str, *, region: str = "HU", rows: str = "") -> None:
        Path(name).write_text(text, "utf-8")
        Path("m.yaml").write_text(MAPPING.format(region=region, rows=rows), "utf-8")

    def run(self, name: str, out: str, *words: object) -> dict[str, int]:
        """Import a list; give how many rows came to what, without those of which there are none."""
        url = ("--base-url", self._live.base_url)
        self._cli("run", name, "-m", "m.yaml", "--out", f"runs/{out}", "-q", *url, *words)
        counts = json.loads(Path(f"runs/{out}/summary.json").read_bytes())["counts"]
        return {status: count for status, count in counts.items() if count}

    def command(self, *words: object) -> int:
        return self._cli(*words, "--base-url", self._live.base_url, "-q")

    def names(self) -> Counter[str]:
        """How often each lead is in the service."""
        return Counter(str(record["form"]["name"]) for record in self._live.records(134))


@pytest.fixture
def office(cli: Cli, sandbox: LiveSandbox) -> Office:
    return Office(cli, sandbox)


def mend(source: str | Path, target: str, **phones: str) -> None:
    """Type phones into the rows of a list of failures, by name."""
    with Path(source).open(encoding="utf-8", newline="") as file:
        [headers, *rows] = csv.reader(file)
    place = headers.index("Phone")
    for row in rows:
        row[place] = phones.get(row[0], row[place])
    with Path(target).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([headers, *rows])


def test_a_list_of_failures_mended_in_two_steps_sends_each_row_once(office: Office) -> None:
    office.write("leads.csv", LIST)
    assert office.run("leads.csv", "a") == {"created": 2, "invalid": 3}
    mend("runs/a/failures.csv", "f.csv", Bob="06301234502")
    assert office.run("f.csv", "b") == {"created": 1, "invalid": 2}
    mend("f.csv", "f.csv", Dan="06301234504")
    assert office.run("f.csv", "c") == {"created": 1, "skipped": 1, "invalid": 1}
    outcomes = Path("runs/c/results.csv").read_text("utf-8")
    assert "left out, since f-" in outcomes
    assert "has sent it" in outcomes
    # Of the latest list, what is left; then all from the first one, where nothing is.
    mend("runs/c/failures.csv", "g.csv", Eve="06301234505")
    assert office.run("g.csv", "d") == {"created": 1}
    mend("runs/a/failures.csv", "h.csv", Bob="06301234602", Dan="06301234604", Eve="06301234605")
    assert office.run("h.csv", "e") == {"skipped": 3}
    assert office.names() == {"Ann": 1, "Bob": 1, "Cid": 1, "Dan": 1, "Eve": 1}
    assert office.run("h.csv", "again", "--again") == {"created": 3}


def test_the_workbook_of_failures_knows_its_rows_too(office: Office) -> None:
    office.write("leads.csv", LIST)
    office.run("leads.csv", "a")
    book = openpyxl.load_workbook("runs/a/failures.xlsx")
    book["failures"]["B2"] = "06301234502"
    book.save("f.xlsx")
    assert office.run("f.xlsx", "b") == {"created": 1, "invalid": 2}
    book["failures"]["B3"] = "06301234504"
    book.save("f.xlsx")
    assert office.run("f.xlsx", "c") == {"created": 1, "skipped": 1, "invalid": 1}
    assert office.names() == {"Ann": 1, "Bob": 1, "Cid": 1, "Dan": 1}


def test_a_check_and_a_preview_say_what_the_import_would_leave_out(
    office: Office, sandbox: LiveSandbox
) -> None:
    office.write("leads.csv", LIST)
    office.run("leads.csv", "a")
    mend("runs/a/failures.csv", "f.csv", Bob="06301234502")
    office.run("f.csv", "b")
    mend("f.csv", "f.csv", Dan="06301234504")
    where: dict[str, Any] = {"destination": importer.Destination(134, sandbox.base_url)}
    survey = importer.check("f.csv", "m.yaml", **where).survey
    assert (survey.ready, survey.skipped, survey.invalid) == (1, 1, 1)
    states = [each.status for each in importer.preview("f.csv", "m.yaml", **where)]
    assert states == ["skipped", "ready", "invalid"]
    with importer.library.recheck("f.csv", "m.yaml", Path("copy.parquet"), **where) as recheck:
        survey = recheck.check(Overlay()).checkup.survey
        assert (survey.ready, survey.skipped, survey.invalid) == (1, 1, 1)


def test_what_was_sent_since_a_plan_of_failures_was_made_is_not_sent_by_it(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.write("leads.csv", LIST)
    office.run("leads.csv", "a")
    mend("runs/a/failures.csv", "f.csv", Bob="06301234502", Dan="06301234504")
    assert office.command("plan", "f.csv", "-m", "m.yaml", "--out", "plan") == 1
    mend("runs/a/failures.csv", "g.csv", Dan="06301234504")
    assert office.run("g.csv", "b") == {"created": 1, "invalid": 2}
    capsys.readouterr()
    assert office.command("apply", "plan") == 2
    told = capsys.readouterr().err
    assert "row 3 of this list of failures, sent to project 134 since it was planned" in told
    assert office.names()["Dan"] == 1
    assert office.command("plan", "f.csv", "-m", "m.yaml", "--out", "new") == 1
    assert office.command("apply", "new") == 1
    assert office.names() == {"Ann": 1, "Bob": 1, "Cid": 1, "Dan": 1}


def test_a_run_of_failures_that_was_cut_off_goes_on_where_nobody_else_has(office: Office) -> None:
    office.write("leads.csv", LIST)
    office.run("leads.csv", "a")
    mend("runs/a/failures.csv", "f.csv", Bob="06301234502", Dan="06301234504", Eve="06301234505")
    assert office.run("f.csv", "b", "--limit", "1") == {"created": 1, "pending": 2}
    mend("runs/a/failures.csv", "g.csv", Bob="06301234502", Dan="06301234504")
    assert office.run("g.csv", "c") == {"created": 1, "skipped": 1, "invalid": 1}
    assert office.command("resume", "runs/b") == 2  # Dan is there by now
    assert office.names() == {"Ann": 1, "Bob": 1, "Cid": 1, "Dan": 1}
    mend("runs/a/failures.csv", "h.csv", Bob="06301234502", Dan="06301234504", Eve="06301234505")
    Path("h.csv").write_text(Path("h.csv").read_text("utf-8") + "\n", "utf-8")
    office.run("h.csv", "d")
    assert max(office.names().values()) == 1


def test_what_the_list_has_sent_makes_a_mended_row_a_duplicate(office: Office) -> None:
    office.write("leads.csv", "Name,Phone\nAnn,06301234501\nBob,x\n", rows=UNIQUE)
    assert office.run("leads.csv", "a") == {"created": 1, "invalid": 1}
    mend("runs/a/failures.csv", "f.csv", Bob="0630 1234501")
    assert office.run("f.csv", "b") == {"skipped": 1}
    outcomes = Path("runs/b/results.csv").read_text("utf-8")
    assert "as row 2 of leads.csv, imported on" in outcomes
    assert office.names() == {"Ann": 1}


def test_rows_that_may_have_arrived_are_not_sent_from_their_list(cli: Cli) -> None:
    with live_sandbox(faults=[{"kind": "close", "at": 2, "stored": True}]) as live:
        office = Office(cli, live)
        office.write("leads.csv", "Name,Phone\nAnn,06301234501\nBob,06301234502\n")
        assert office.run("leads.csv", "a", "--concurrency", "1") == {"created": 1, "uncertain": 1}
        assert office.run("runs/a/uncertain.csv", "b") == {"skipped": 1}
        assert office.names() == {"Ann": 1, "Bob": 1}


def test_doubtful_phones_stay_doubtful_among_themselves(office: Office) -> None:
    sure = [f"0176 1234 56{n:02}" for n in range(30)]
    national = [f"89 1234 56{n:02}" for n in range(10)]
    doubtful = [f"49151200000{n:02}" for n in range(6)]
    lines = [f"N{n},{phone}" for n, phone in enumerate([*sure, *national, *doubtful])]
    office.write("leads.csv", "\n".join(["Name,Phone", *lines, ""]), region="DE")
    first = office.run("leads.csv", "a")
    assert first == {"created": 40, "invalid": 6}
    assert office.run("runs/a/failures.csv", "b") == {"invalid": 6}
    # Where the list is gone there is nothing to judge a column by.
    mend("runs/a/failures.csv", "f.csv", N40="+4915120000000")
    Path("runs/a/source.parquet").unlink()
    assert office.run("f.csv", "c") == {"created": 1, "invalid": 5}
