"""The result step: what became of a run, its files, and what is settled afterwards."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import openpyxl
import pytest

from importer import library
from importer.console.downloads import disposition
from importer.console.drafts import Drafts, Place
from importer.console.home import left_to_do
from importer.journal.journal import Journal
from importer.model import Status
from importer.settings import RunSettings, Secret, SourceOptions, Target
from tests.support.console_import import KEY, order, planned, sent, settled, shown, stream
from tests.support.live_browser import chromium, open_tab
from tests.support.live_console import Browser, LiveConsole, Page, live_console
from tests.support.live_sandbox import LiveSandbox, live_sandbox
from tests.support.past_import import (
    MAPPING,
    forgetful_service,
    imported,
    lose_stamps,
    make_search_long,
    rows_in,
    uncertain_records,
)

WIDTHS = (400, 1280)
NAMES = [f"Lead {number}" for number in range(1, 9)]
WRONG = "<script>alert(1)</script>"
LIST = "Name,Phone\n" + "".join(
    f"{name},{'+36 30 123 45' + str(10 + place)}\n" for place, name in enumerate(NAMES)
)
LIST += f"{WRONG},36301234599.0\n"


@pytest.fixture
def console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: LiveSandbox
) -> Iterator[LiveConsole]:
    monkeypatch.chdir(tmp_path)
    with live_console(runs_dir=tmp_path / "runs") as live:
        yield live


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveSandbox]:
    with forgetful_service(monkeypatch) as live:
        yield live


@pytest.fixture
def run(tmp_path: Path, service: LiveSandbox) -> library.RunResult:
    """A run of nine rows: six were created, two may have been, one is wrong."""
    result = imported(tmp_path, service, "spring leads.csv", LIST)
    assert result.summary.counts[Status.UNCERTAIN] == 2
    assert result.summary.counts[Status.CREATED] == 6
    return result


def address_of(run: library.RunResult) -> str:
    return f"/runs/{run.summary.run_id}"


def counts(run: library.RunResult) -> dict[str, int]:
    past = library.past_run(run.directory.path)
    return {status.value: rows for status, rows in past.counts.items() if rows}


def test_a_past_import_is_shown_with_every_row_accounted_for(
    run: library.RunResult, browser: Browser
) -> None:
    home = browser.get("/")
    assert f'href="{address_of(run)}"' in home.text
    page = browser.get(address_of(run))
    assert page.status == 200
    for words in ("What became of 9 rows", "Created 6", "To be mended 1", "May have arrived 2"):
        assert words in page.words
    assert "choose “Mend what a spreadsheet program has spoilt” in the columns" in page.words
    assert "<script>alert" not in page.text
    assert KEY not in page.text


def test_its_files_are_downloaded_under_names_of_the_list(
    run: library.RunResult, browser: Browser, tmp_path: Path
) -> None:
    page = browser.get(address_of(run))
    files = re.findall(rf'href="({address_of(run)}/files/[\w.]+)"', page.text)
    assert {file.rpartition("/")[2] for file in files} >= {
        *(
            "results.csv",
            "created.csv",
            "created.xlsx",
            "failures.csv",
            "failures.xlsx",
            "uncertain.csv",
        ),
        *("summary.json", "mapping.yaml"),
    }
    for file in files:
        name = file.rpartition("/")[2]
        answer = browser.get(file)
        if name == "created.xlsx":  # which is made when it is asked for
            (tmp_path / name).write_bytes(answer.body)
            [sheet] = openpyxl.load_workbook(tmp_path / name).worksheets
            with (run.directory.path / "created.csv").open(encoding="utf-8", newline="") as text:
                assert [[cell or "" for cell in row] for row in sheet.values] == [*csv.reader(text)]
            continue
        # Excel knows letters of a CSV by the mark before them; the file itself has none.
        mark = b"\xef\xbb\xbf" if name.endswith(".csv") else b""
        assert answer.body == mark + (run.directory.path / name).read_bytes()
        assert f'filename="spring leads {name}"' in answer.headers["content-disposition"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    for other in ("journal.sqlite3", "source.parquet", "..%2Fmapping.yaml", "nothing.csv"):
        assert browser.get(f"{address_of(run)}/files/{other}").status == 404


def test_the_files_that_are_needed_come_first_and_are_read_back_as_they_are(
    run: library.RunResult, browser: Browser, tmp_path: Path
) -> None:
    page = browser.get(address_of(run)).text
    first, _, others = page.partition('<ul class="files">')[2].partition("<details>")
    shown = [re.findall(r"/files/([\w.]+)", part) for part in (first, others)]
    assert shown[0] == ["failures.xlsx", "created.xlsx", "uncertain.csv", "results.csv"]
    assert shown[1] == ["created.csv", "failures.csv", "summary.json", "mapping.yaml"]
    (tmp_path / "saved.csv").write_bytes(browser.get(f"{address_of(run)}/files/failures.csv").body)
    files = (tmp_path / "saved.csv", run.directory.path / "failures.csv")
    saved, kept = (library.check(file, tmp_path / "mapping.yaml") for file in files)
    assert saved.survey == kept.survey
    assert saved.info.headers == kept.info.headers


@pytest.mark.parametrize("name", ['a"b.csv', "Übersicht – март.csv", "a\r\nX: y.csv", "a;b\\.csv"])
def test_no_name_breaks_the_header_that_names_a_file(name: str) -> None:
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    plain, _, encoded = header.partition("; filename*=UTF-8''")
    assert re.fullmatch(r'attachment; filename="[^"\\%;]*"', plain)
    assert unquote(encoded) == name


def test_rows_that_failed_become_a_draft_to_mend_with_the_same_columns(
    run: library.RunResult, browser: Browser, state_dir: Path
) -> None:
    answer = browser.post(f"{address_of(run)}/mend")
    assert answer.status == 303, answer.words
    draft_id = answer.headers["location"].split("/")[2]
    assert answer.headers["location"] == f"/drafts/{draft_id}/fix"
    draft = Drafts(state_dir / "console" / "drafts").open(draft_id)
    assert draft.mapping.read_text("utf-8") == MAPPING
    # It goes where the run has gone: to a service that is not the customer's own.
    past = library.past_run(run.directory.path)
    assert (draft.place, draft.project, draft.base_url) == ("service", 134, past.base_url)
    rows = list(csv.DictReader(io.StringIO(draft.file.read_text("utf-8"))))
    assert [row["Name"] for row in rows] == [WRONG]
    checkup = library.check(draft.file, draft.mapping)
    assert checkup.survey.rows == 1


def test_rows_that_failed_are_mended_by_one_import_and_no_second_one(
    tmp_path: Path, service: LiveSandbox, browser: Browser, state_dir: Path
) -> None:
    run = imported(tmp_path, service, "leads.csv", f"Name,Phone\n{WRONG},36301234599.0\n")
    drafts = Drafts(state_dir / "console" / "drafts")
    address = address_of(run)
    with ThreadPoolExecutor(4) as threads:  # pressed twice, and in two pages
        answers = list(threads.map(lambda _: browser.post(f"{address}/mend"), range(4)))
    (draft,) = drafts.all()
    assert {answer.headers["location"] for answer in answers} == {f"/drafts/{draft.id}/fix"}
    page = browser.get(address)
    assert f'href="/drafts/{draft.id}/fix">Go on mending it<' in page.text
    assert "Mend it here" not in page.words
    assert "some rows need you" not in page.words
    row = browser.get(f"/drafts/{draft.id}/fix")
    key = re.search(
        r'name="column" value="1"><input type="hidden" name="key" value="(\w+)"', row.text
    )
    assert key is not None
    cell = {"row": "2", "column": "1", "key": key[1], "text": "+36301234599"}
    assert browser.post(f"/drafts/{draft.id}/fix/cell", cell).status == 303
    planned(browser, draft.id)
    sent(browser, f"/drafts/{draft.id}/send", "first")
    page = browser.get(address)
    assert "the row that failed has an import of its own: 1 created" in page.words
    assert "To be mended 0" in page.words
    assert figures(page) == {"In an import of their own": 1}
    assert f'href="/drafts/{draft.id}/result">See the result<' in page.text
    again = browser.post(f"{address}/mend")
    assert again.headers["location"] == f"/drafts/{draft.id}/result"
    assert len(service.records(134)) == 1
    assert "row to be mended" not in browser.get("/").words
    # A draft that was removed is begun again; the ledger knows what it has sent.
    drafts.remove(draft.id)
    second = browser.post(f"{address}/mend").headers["location"].split("/")[2]
    assert browser.post(f"/drafts/{second}/fix/cell", cell).status == 303
    assert "this list was sent to project 134 before" in planned(browser, second).words.lower()


def test_rows_that_failed_after_the_others_were_mended_are_told_apart_from_them(
    tmp_path: Path, service: LiveSandbox, browser: Browser, state_dir: Path
) -> None:
    rows = f"{WRONG},36301234599.0\nAnn,06 30 123 4510\n"
    run = imported(tmp_path, service, "leads.csv", f"Name,Phone\n{rows}")
    address, drafts = address_of(run), Drafts(state_dir / "console" / "drafts")
    draft_id = browser.post(f"{address}/mend").headers["location"].split("/")[2]
    drafts.change(draft_id, run_dir=run.directory.path)  # as if it was sent
    assert "row to be mended" not in browser.get("/").words
    with closing(sqlite3.connect(run.directory.journal)) as journal, journal:
        journal.execute("UPDATE rows SET status = (SELECT status FROM rows WHERE row = 2)")
    run.directory.journal.with_name("journal.sqlite3.mark").unlink()
    page = browser.get(address)
    assert "Other rows failed since" in page.words
    assert "some rows need you" in page.words
    assert figures(page) == {"To be mended": 1, "In an import of their own": 1}
    assert left_to_do({"invalid": 2}, mended=1) == ["1 row to be mended"]


def test_rows_to_be_mended_have_the_numbers_of_the_list_that_they_failed_in_too(
    tmp_path: Path, service: LiveSandbox, browser: Browser, drafts: Drafts
) -> None:
    rows = "Ann,06 30 123 4510\nBea,12\n\nDan,13\n"
    run = imported(tmp_path, service, "leads.csv", f"Name,Phone\n{rows}")
    draft_id = browser.post(f"{address_of(run)}/mend").headers["location"].split("/")[2]
    fix = f"/drafts/{draft_id}/fix"
    assert "2 (3 in the whole list)" in browser.get(fix).words
    assert "Row 3 (5 in the whole list)" in browser.get(f"{fix}?row=3").words
    assert "Row 2 (3 in the whole list)" in browser.get(f"/drafts/{draft_id}/columns").words
    key = re.search(
        r'name="column" value="1"><input type="hidden" name="key" value="(\w+)"',
        browser.get(fix).text,
    )
    assert key is not None
    cell = {"row": "2", "column": "1", "key": key[1], "text": "06 30 123 4512", "marks": ""}
    told = browser.post_part(f"{fix}/cell", cell)
    assert "Row 2 (3 in the whole list), Phone: “12” →" in told.words
    planned(browser, draft_id)
    page = sent(browser, f"/drafts/{draft_id}/send", "first")
    assert "Row 2 (3 in the whole list), record" in page.words
    page = browser.get(f"/drafts/{draft_id}/result")
    assert "Row 3 (5 in the whole list)" in page.words
    # Of those that fail once more, too, and of a list that somebody else has mended.
    again = browser.post(f"/drafts/{draft_id}/result/mend").headers["location"]
    assert "2 (5 in the whole list)" in browser.get(again).words
    other = browser.draft_id("mended.csv", (run.directory.path / "failures.csv").read_bytes())
    drafts.set_mapping(other, MAPPING)
    assert "3 (5 in the whole list)" in browser.get(f"/drafts/{other}/fix").words


def figures(page: Page) -> dict[str, int]:
    """What became of how many rows, as a page tells it, but for what became of none."""
    found = re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)</dd>", page.text)
    return {words: int(rows.replace(",", "")) for words, rows in found if rows != "0"}


def gone_on_with(
    browser: Browser, drafts: Drafts, service: LiveSandbox, run: library.RunResult
) -> str:
    """The id of the draft of a run's rest, once that was sent."""
    draft_id = browser.draft_id("spring leads.csv", LIST.encode())
    drafts.set_mapping(draft_id, MAPPING)
    folder = run.directory.path
    where = {"place": Place.SERVICE, "project": 134, "base_url": service.base_url}
    drafts.change(draft_id, plan_dir=folder, run_dir=folder, **where)
    answer = browser.post(f"/drafts/{draft_id}/send/anew")
    rest = answer.headers["location"].split("/")[2]
    planned(browser, rest)
    assert "All is sent" in sent(browser, f"/drafts/{rest}/send", "all").words
    return rest


@pytest.mark.parametrize("failed_are_mended", [False, True])
def test_a_row_that_the_rest_has_left_out_is_sent_once_by_a_button(
    tmp_path: Path,
    service: LiveSandbox,
    browser: Browser,
    drafts: Drafts,
    failed_are_mended: bool,
) -> None:
    run = imported(tmp_path, service, "spring leads.csv", LIST, limit=6)
    address = address_of(run)
    rest = gone_on_with(browser, drafts, service, run)
    page = browser.get(address)
    assert figures(page) == {"Created": 4, "May have arrived": 2, "In an import of their own": 3}
    mended = ""
    if failed_are_mended:
        answer = browser.post(f"/drafts/{rest}/result/mend")
        mended = answer.headers["location"].split("/")[2]
    first, second = (row.row for row in rows_in(run, Status.UNCERTAIN))
    lost = {f"{run.summary.run_id}:{row}" for row in (first, second)}
    with closing(sqlite3.connect(service.db)) as connection, connection:
        for record in service.records(134):
            if record["form"]["import_ref"] in lost:  # they have not arrived after all
                connection.execute("DELETE FROM record WHERE numberid = ?", (record["numberid"],))
    assert sum(names(service).values()) == 6
    browser.post(f"{address}/mark", {"row": str(first), "what": "absent"})
    assert "1 row not sent yet" in browser.get("/").words
    page = browser.get(address)
    assert "1 row is to be sent, and no import has it" in page.words
    assert figures(page)["Not sent yet"] == 1
    assert sum(figures(page).values()) == 9
    # It leads to another page: htmx would put that one's part into this.
    (form,) = re.findall(r'<form action="[^"]+/left-behind"[^>]*>', page.text)
    assert "hx-post" not in form
    answer = browser.post(f"{address}/left-behind")
    new = answer.headers["location"].split("/")[2]
    assert answer.headers["location"] == f"/drafts/{new}/plan"
    assert "1 row not sent yet" not in browser.get("/").words.partition("Imports so far")[2]
    assert "and no import has it" not in browser.get(address).words
    # The check says in the words of the plan what is left out, before there is one.
    page = browser.get(f"/drafts/{new}/fix")
    told = figures(page)
    assert (told["Ready to be sent"], told["Rows of the list"]) == (1, 9)
    assert "sent by an earlier import" in page.words
    report = browser.get(f"/drafts/{new}/fix/report.csv").text
    assert report.count("sent_before") == told["Left out"] == (8 if failed_are_mended else 7)
    drafts.change(new, reading=SourceOptions(header_row=2))
    assert "Read the file as it was read then" in browser.get(f"/drafts/{new}/fix").words
    drafts.change(new, reading=SourceOptions())
    assert "To be created 1 " in planned(browser, new).words
    # What is settled before it is sent goes with it, and what is taken back does not.
    browser.post(f"{address}/mark", {"row": str(second), "what": "absent"})
    assert figures(browser.get(f"/drafts/{new}/fix"))["Ready to be sent"] == 2
    assert "rows that may have arrived were settled" in browser.get(f"/drafts/{new}/plan").words
    page = planned(browser, new)
    assert "To be created 2 " in page.words
    assert ("Left out: to be mended 0" in page.words) is failed_are_mended
    browser.post(f"{address}/mark", {"row": str(second), "what": "undo"})
    assert "out of date" in order(browser, f"/drafts/{new}/send", "all").words
    planned(browser, new)
    assert "All is sent" in sent(browser, f"/drafts/{new}/send", "all").words
    assert sum(names(service).values()) == 7
    assert set(names(service).values()) == {1}
    assert browser.post(f"{address}/left-behind").headers["location"] == address
    # And once more, by yet another one.
    browser.post(f"{address}/mark", {"row": str(second), "what": "absent"})
    other = browser.post(f"{address}/left-behind").headers["location"].split("/")[2]
    assert other not in {rest, new, mended}
    planned(browser, other)
    sent(browser, f"/drafts/{other}/send", "all")
    assert names(service) == Counter(NAMES)
    assert figures(browser.get(address)) == {"Created": 4, "In an import of their own": 5}


def test_rows_to_be_mended_keep_the_do_not_call_list_that_lay_beside_their_mapping(
    tmp_path: Path, service: LiveSandbox, browser: Browser, state_dir: Path
) -> None:
    (tmp_path / "leads.csv").write_text(f"Name,Phone\nAnn,+36301234510\n{WRONG},12\n", "utf-8")
    (tmp_path / "robinson.csv").write_text("Phone\n+36301234567\n", "utf-8")
    rows = "rows:\n  do_not_call: {file: robinson.csv, region: HU}   # since May\n"
    (tmp_path / "mapping.yaml").write_text(MAPPING + rows, "utf-8")
    run = library.run(
        tmp_path / "leads.csv",
        tmp_path / "mapping.yaml",
        target=Target(service.base_url, 134, "acme", Secret(KEY)),
        settings=RunSettings(runs_dir=tmp_path / "runs", allow_new_values=True),
    )
    answer = browser.post(f"{address_of(run)}/mend")
    assert answer.status == 303, answer.words
    draft_id = answer.headers["location"].split("/")[2]
    draft = Drafts(state_dir / "console" / "drafts").open(draft_id)
    assert "# since May" in draft.mapping.read_text("utf-8")
    draft.file.write_text("Name,Phone\nBea,+36301234567\n", "utf-8")
    survey = library.check(draft.file, draft.mapping).survey
    assert (survey.rows, survey.skipped) == (1, 1)


def read_back(browser: Browser, run: library.RunResult) -> Page:
    """The page once the reading back that it has begun is over."""
    answer = browser.post(f"{address_of(run)}/verify")
    assert answer.status == 303, answer.words
    return settled(browser, answer.headers["location"])


def test_some_created_rows_are_read_back_and_compared(
    run: library.RunResult, browser: Browser, service: LiveSandbox
) -> None:
    page = read_back(browser, run)
    assert "6 rows of 6 created were read back" in page.words
    record = next(one for one in service.records(134) if one["form"]["name"] == NAMES[0])
    with closing(sqlite3.connect(service.db)) as connection, connection:
        connection.execute(
            "UPDATE record SET data = json_set(data, '$.name', ?) WHERE numberid = ?",
            ("<b>Spoiled</b>", record["numberid"]),
        )
    page = read_back(browser, run)
    assert "1 value is not as it was sent" in page.words
    assert f"row 2, record {record['numberid']}, name: sent" in page.words
    assert "sent “Lead 1”, now “<b>Spoiled</b>”" in page.words
    assert "<b>" not in page.text
    assert f"{address_of(run)}/files/verify.json" in browser.get(address_of(run)).text


def test_reading_back_goes_on_without_its_page_and_keeps_what_was_compared_until_it_is_stopped(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VCC_CUSTOMER", "acme")
    monkeypatch.setenv("VCC_API_KEY", KEY)
    with live_sandbox(customer="acme", api_key=KEY) as service:
        people = "".join(f"Lead {n},+36 30 123 45{n}\n" for n in range(10, 40))
        run = imported(tmp_path, service, "many.csv", f"Name,Phone\n{people}")
        address = address_of(run)
        assert browser.post(f"{address}/verify").headers["location"] == address
        with stream(browser, f"{address}/looking", "1" * 16) as watching:
            lines = iter(watching.readline, b"")
            assert any(re.search(rb'"looked": [2-9], "total": 20', line) for line in lines)
        page = browser.get(address)
        assert "Some of the created rows are being read back" in page.words
        assert "Rows found" not in page.words
        assert "being read back already" in browser.post(f"{address}/verify").words
        assert browser.post(f"{address}/looking/stop").status == 303
        page = settled(browser, address)
        told = re.search(r"It was stopped: (\d+) rows of 30 created were read back", page.words)
        assert told is not None, page.words
        assert 2 <= int(told[1]) < 20
        kept = json.loads((run.directory.path / "verify.json").read_text("utf-8"))
        assert (kept["records"], kept["stopped"]) == (int(told[1]), True)
        monkeypatch.setenv("VCC_API_KEY", "a-wrong-key")
        page = read_back(browser, run)
        assert "401" in page.words
        assert "Read some back again" in page.words


def look(browser: Browser, run: library.RunResult, **form: str) -> Page:
    """The page once the search for uncertain rows that it has begun is over."""
    answer = browser.post(f"{address_of(run)}/reconcile", form)
    assert answer.status == 303, answer.words
    return settled(browser, answer.headers["location"])


def test_uncertain_rows_are_found_in_the_service(
    run: library.RunResult, browser: Browser, service: LiveSandbox, state_dir: Path
) -> None:
    draft_id = browser.draft_id("again.csv", b"Name\nA\n")
    Drafts(state_dir / "console" / "drafts").change(
        draft_id, plan_dir=run.directory.path, run_dir=run.directory.path
    )
    page = browser.get(f"/drafts/{draft_id}/send")
    assert "All was sent, but of 2 rows it is not known whether they arrived." in page.words
    page = browser.get(address_of(run))
    assert "Rows that may have arrived (2)" in page.words
    page = look(browser, run)
    assert "found, and created: 2 rows" in page.words
    assert uncertain_records(run, service) == []
    for row in rows_in(run, Status.CREATED):
        if row.code == "reconciled":
            assert f"row {row.row}: created, as record {row.numberids[0]}" in page.words
    assert counts(run) == {"created": 8, "invalid": 1}
    assert "Created 8" in page.words
    assert len(service.records(134)) == 8


def test_rows_are_not_sent_again_where_looking_for_them_proves_nothing(
    run: library.RunResult, browser: Browser, service: LiveSandbox
) -> None:
    lose_stamps(service)
    answer = look(browser, run)
    assert "not found: 2 rows" in answer.words
    assert "Not found means nothing here" in answer.words
    release = look(browser, run, release="yes")
    assert "2 rows stay uncertain, and cannot be sent again" in release.words
    assert "Look for them again" in release.words
    for page in (answer, release):
        assert "vcc-import" not in page.words
    assert counts(run) == {"created": 6, "uncertain": 2, "invalid": 1}


def test_a_search_for_rows_goes_on_without_its_page_and_is_stopped_in_order(
    run: library.RunResult, browser: Browser, service: LiveSandbox
) -> None:
    there, gone = uncertain_records(run, service)
    lose_stamps(service, gone)
    make_search_long(service)
    address = address_of(run)
    answer = browser.post(f"{address}/reconcile")
    assert (answer.status, answer.headers["location"]) == (303, address)
    with stream(browser, f"{address}/looking", "1" * 16) as first:
        lines = iter(first.readline, b"")
        assert any(b'"found": 1' in line and b'"total": ' in line for line in lines)
    # That page is gone; others see that it goes on, and it is not begun twice.
    page = browser.get(address)
    assert "Asking the service about 2 rows" in page.words
    assert f'data-events="{address}/looking/events"' in page.text
    assert 'name="numberid"' not in page.text, "what is being looked for is not marked meanwhile"
    second = browser.post(f"{address}/reconcile")
    assert second.status == 422
    assert "are being looked for already" in second.words
    with stream(browser, f"{address}/looking", "2" * 16) as watching:
        assert browser.post_part(f"{address}/looking/stop").status == 303
        assert watching.read().endswith(b"event: ended\ndata: \n\n")
    page = browser.get(address)
    assert "It was stopped: " in page.words
    assert "found, and created: 1 row" in page.words
    assert f"as record {there}" in page.words
    assert "not found so far: 1 row (" in page.words
    assert "Look for them again" in page.words
    assert counts(run) == {"created": 7, "uncertain": 1, "invalid": 1}
    # What was told is not so any more once somebody has looked.
    (left,) = rows_in(run, Status.UNCERTAIN)
    browser.post(f"{address}/mark", {"row": str(left.row), "numberid": str(gone)})
    assert "not found" not in browser.get(address).words
    assert browser.get(f"{address}/looking/events?page={'3' * 16}").status == 404


def test_while_rows_of_a_draft_are_looked_for_nothing_of_it_is_sent(
    tmp_path: Path, service: LiveSandbox, browser: Browser, state_dir: Path
) -> None:
    run = imported(tmp_path, service, "spring leads.csv", LIST, limit=6)
    lose_stamps(service)
    make_search_long(service)
    draft_id = browser.draft_id("new.csv", LIST.encode())
    drafts = Drafts(state_dir / "console" / "drafts")
    drafts.set_mapping(draft_id, MAPPING)
    drafts.change(draft_id, plan_dir=run.directory.path, run_dir=run.directory.path)
    result, send = f"/drafts/{draft_id}/result", f"/drafts/{draft_id}/send"
    assert browser.post(f"{result}/reconcile").headers["location"] == result
    (run.directory.path / "summary.json").unlink()  # as after a kill: it is written at the end
    for address in (result, address_of(run)):  # one search, whichever way one comes
        assert "Asking the service about 2 rows" in browser.get(address).words
    page = browser.get(send)
    assert "rows of this import are being looked for" in page.words.lower()
    assert f'<a class="button" href="{result}">To the result</a>' in page.text
    assert re.search(r"<button[^>]* disabled>(Go on|Send the rest)", page.text)
    assert "are being looked for already" in browser.post(send, {"what": "all"}).words
    before = sum(names(service).values())
    browser.post(f"{result}/looking/stop")
    settled(browser, result)
    assert "It was stopped" in browser.get(address_of(run)).words
    assert sum(names(service).values()) == before


def test_the_end_of_the_console_stops_a_search_in_order(
    run: library.RunResult, service: LiveSandbox, tmp_path: Path
) -> None:
    _, gone = uncertain_records(run, service)
    lose_stamps(service, gone)
    make_search_long(service)
    with live_console(runs_dir=tmp_path / "runs") as console:
        browser = console.browser()
        browser.post(f"{address_of(run)}/reconcile")
        with stream(browser, f"{address_of(run)}/looking", "1" * 16) as watching:
            assert any(b'"found": 1' in line for line in iter(watching.readline, b""))
    assert counts(run) == {"created": 7, "uncertain": 1, "invalid": 1}
    (row,) = rows_in(run, Status.UNCERTAIN)
    library.mark(run.directory.path, {row.row: gone})  # nobody writes its journal any more


def test_a_service_that_is_gone_while_rows_are_looked_for_is_told_with_a_button(
    run: library.RunResult, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VCC_API_KEY", "a-wrong-key")
    page = look(browser, run)
    assert "401" in page.words
    assert "a-wrong-key" not in page.text
    assert counts(run)["uncertain"] == 2
    monkeypatch.delenv("VCC_API_KEY")
    monkeypatch.delenv("VCC_CUSTOMER")
    page = browser.post(f"{address_of(run)}/reconcile")
    assert "credentials of your account are not set any more" in page.words
    assert page.status == 422
    monkeypatch.setenv("VCC_CUSTOMER", "acme")
    monkeypatch.setenv("VCC_API_KEY", KEY)
    again = re.search(
        r'<form action="([^"]+)"[^>]*>(?:(?!</form>).)*Look for them again', page.text, re.DOTALL
    )
    assert again is not None
    browser.post(again[1])
    assert "found, and created: 2 rows" in settled(browser, address_of(run)).words


def test_what_somebody_has_found_out_is_kept_and_can_be_taken_back(
    run: library.RunResult, browser: Browser, service: LiveSandbox
) -> None:
    with (run.directory.path / "uncertain.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    stamps = {record["form"]["import_ref"]: record["numberid"] for record in service.records(134)}
    first, second = (int(row["_row"]) for row in rows)
    there = str(stamps[f"{run.summary.run_id}:{first}"])
    mark = f"{address_of(run)}/mark"
    wrong = browser.post(mark, {"row": str(first), "what": "created", "numberid": "12a"})
    assert wrong.status == 422
    assert "is a number" in wrong.words
    answer = browser.post(mark, {"row": str(first), "what": "created", "numberid": there})
    assert f"Row {first} was created, as record {there}" in answer.words
    taken = browser.post(mark, {"row": str(second), "what": "created", "numberid": there})
    assert taken.status == 422
    assert counts(run) == {"created": 7, "uncertain": 1, "invalid": 1}
    browser.post(mark, {"row": str(second), "what": "absent"})
    assert counts(run) == {"created": 7, "pending": 1, "invalid": 1}
    back = browser.post_part(mark, {"row": str(second), "what": "undo"})
    assert "may have arrived, as before" in back.words
    assert "<html" not in back.text
    assert counts(run) == {"created": 7, "uncertain": 1, "invalid": 1}


def many_rows(tmp_path: Path, service: LiveSandbox) -> library.RunResult:
    """A run that was killed: rows 3 to 61 may have arrived, rows 62 to 181 are to be mended."""
    good = "".join(f"Good {n},+36 30 123 4{n:03}\n" for n in range(2, 62))
    bad = "".join(f"Bad {n},12\n" for n in range(62, 182))
    run = imported(tmp_path, service, "many.csv", f"Name,Phone\n{good}{bad}", limit=1)
    (sent,) = rows_in(run, Status.CREATED)
    assert sent.row == 2
    with Journal.open(run.directory.journal) as journal:
        journal.record(intents=range(3, 62))  # as they stand where the console was killed meanwhile
    return run


def rows_shown(page: Page) -> list[list[int]]:
    """The rows of each table of a page."""
    tables = re.findall(r"<tbody>.*?</tbody>", page.text, re.DOTALL)
    return [[int(row) for row in re.findall(r"<th[^>]*>Row (\d+)<", one)] for one in tables]


def pager(page: Page, of: str) -> dict[str, str]:
    """The links between the pages of rows of a kind, by what they say."""
    nav = re.search(
        rf'<nav class="pager" aria-label="Pages of {of}">(.*?)</nav>', page.text, re.DOTALL
    )
    links = re.findall(r'href="([^"#]+)#\w+">([^<]+)<', nav[1] if nav else "")
    return {words: html.unescape(address) for address, words in links}


def test_rows_are_paged_and_marking_one_stays_on_its_page(
    tmp_path: Path, service: LiveSandbox, browser: Browser
) -> None:
    run = many_rows(tmp_path, service)
    page = browser.get(address_of(run))
    assert rows_shown(page) == [[*range(3, 53)], [*range(62, 112)]]
    for expected in (range(112, 162), range(162, 182)):
        page = browser.get(pager(page, "rows to be mended")["Rows after"])
        assert rows_shown(page) == [[*range(3, 53)], [*expected]]
    assert pager(page, "rows to be mended").keys() == {"Rows before"}
    page = browser.get(pager(page, "rows that may have arrived")["Rows after"])
    assert rows_shown(page) == [[*range(53, 62)], [*range(162, 182)]]
    for row in range(53, 62):
        (mark,) = {
            html.unescape(one) for one in re.findall(r'action="([^"]+/mark[^"]*)"', page.text)
        }
        page = browser.post_part(mark, {"row": str(row), "what": "absent"})
        assert f"Row {row} is surely not there" in page.words
        left = [*range(row + 1, 62)]
        # The last row of a page leads to the page before.
        assert rows_shown(page) == [left or [*range(3, 53)], [*range(162, 182)]]
    assert pager(page, "rows that may have arrived") == {}
    back = pager(page, "rows to be mended")["Rows before"]
    assert rows_shown(browser.get(back)) == [[*range(3, 53)], [*range(112, 162)]]
    for odd in ("?failed=x", "?failed=-1", "?uncertain=99999999999999999999"):
        assert browser.get(f"{address_of(run)}{odd}").status == 200


def names(service: LiveSandbox) -> Counter[str]:
    """The names in the service, each with how many records have it."""
    return Counter(record["form"]["name"] for record in service.records(134))


def go_on(browser: Browser, page: Page, address: str) -> Page:
    """The answer to the button that goes on with the sending."""
    (plan_id,) = re.findall(r'name="plan_id" value="(\w+)"', page.text)
    return browser.post(f"{address}/send", {"plan_id": plan_id})


def test_a_run_that_was_begun_outside_the_console_is_gone_on_with_by_a_button(
    tmp_path: Path, service: LiveSandbox, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = imported(tmp_path, service, "spring leads.csv", LIST, limit=2)
    address = address_of(run)
    page = browser.get(address)
    assert "Go on with the sending 6 rows" in page.words
    assert "vcc-import" not in page.words
    monkeypatch.setenv("VCC_CUSTOMER", "other")
    assert "it was sent as acme" in go_on(browser, page, address).words.lower()
    monkeypatch.setenv("VCC_CUSTOMER", "acme")
    assert browser.post(f"{address}/send", {"plan_id": "0" * 32}).status == 303
    told = settled(browser, address)
    assert "is not sent, since it is not as approved" in told.words
    assert "vcc-import" not in told.words
    assert sum(names(service).values()) == 2
    answer = go_on(browser, page, address)
    assert (answer.status, answer.headers["location"]) == (303, address)
    with stream(browser, f"{address}/send", "1" * 16) as watching:
        assert watching.read().endswith(b"event: ended\ndata: \n\n")
    page = settled(browser, address)
    assert counts(run) == {"created": 6, "uncertain": 2, "invalid": 1}
    assert names(service) == Counter(NAMES)
    assert 'name="plan_id"' not in page.text
    assert library.history(everywhere=True)[0].count(Status.CREATED) == 6


def test_a_run_whose_rest_has_an_import_of_its_own_is_not_gone_on_with_though_its_draft_is_gone(
    tmp_path: Path, service: LiveSandbox, browser: Browser, state_dir: Path
) -> None:
    run = imported(tmp_path, service, "spring leads.csv", LIST, limit=2)
    page = browser.get(address_of(run))
    drafts = Drafts(state_dir / "console" / "drafts")
    draft_id = browser.draft_id("spring leads.csv", LIST.encode())
    drafts.set_mapping(draft_id, MAPPING)
    drafts.change(draft_id, plan_dir=run.directory.path, run_dir=run.directory.path)
    assert browser.post(f"/drafts/{draft_id}/send/anew").status == 303
    drafts.remove(draft_id)
    answer = go_on(browser, page, address_of(run))  # by a page that was loaded before
    assert answer.status == 422
    assert "What was not sent of it has an import of its own" in answer.words
    assert "Go on with the rest" in answer.words
    assert sum(names(service).values()) == 2


def test_such_a_run_is_stopped_in_the_page_and_no_row_is_sent_twice(
    tmp_path: Path, browser: Browser
) -> None:
    rows = "".join(f"Lead {n},+36 30 123 45{n}\n" for n in range(10, 40))
    with live_sandbox(customer="acme", api_key=KEY, latency="100ms") as service:
        run = imported(tmp_path, service, "slow.csv", f"Name,Phone\n{rows}", limit=1)
        address = address_of(run)
        go_on(browser, browser.get(address), address)
        page = shown(browser, address, lambda _: sum(names(service).values()) > 2)
        assert "Still to be sent" in page.words
        assert f'action="{address}/send/stop"' in page.text
        assert "being sent already" in browser.post(f"{address}/send").words
        assert "being sent already" in browser.post(f"{address}/reconcile").words
        browser.post(f"{address}/send/stop")
        page = settled(browser, address)
        left = counts(run)["pending"]
        assert 0 < left < 28
        assert f"Go on with the sending {left} rows" in page.words
        assert sum(names(service).values()) == 30 - left
        assert max(names(service).values()) == 1


def test_a_run_of_an_earlier_version_is_shown_and_settled_and_its_rest_is_not_sent(
    tmp_path: Path, service: LiveSandbox, browser: Browser
) -> None:
    run = imported(tmp_path, service, "old.csv", LIST, limit=4)
    folder, address = run.directory.path, address_of(run)
    with closing(sqlite3.connect(folder / "journal.sqlite3")) as journal, journal:
        journal.execute("DELETE FROM meta WHERE key = 'plan_sha256'")
    for name in ("ready.parquet", "plan.json", "journal.sqlite3.mark"):
        (folder / name).unlink()
    page = browser.get(address)
    assert page.status == 200
    assert "Created 3" in page.words
    assert "An earlier version of the program began it" in page.words
    assert "Go on with the sending" not in page.words
    for part in ("send", "verify"):
        told = browser.post(f"{address}/{part}")
        told = told if told.status != 303 else settled(browser, address)
        assert "earlier version" in told.words
        assert "vcc-import " not in told.words
    assert "found, and created: 1 row" in look(browser, run).words
    assert sum(names(service).values()) == 4
    # And a journal that this version cannot read at all.
    with closing(sqlite3.connect(folder / "journal.sqlite3")) as journal, journal:
        journal.execute("PRAGMA user_version = 9")
    (folder / "journal.sqlite3.mark").unlink()
    page = browser.get(address)
    assert page.status == 422
    assert "The record of what was sent is a journal of version 9" in page.words
    assert "Use the version of vcc-importer that made it" in page.words
    assert str(folder) not in page.text


def test_a_journal_that_has_lost_its_end_is_made_usable_by_a_button(
    run: library.RunResult, browser: Browser
) -> None:
    path = run.directory.journal
    content = path.read_bytes()
    with Journal.open(path) as journal:
        journal.set_meta({"note": "later"})
    path.write_bytes(content)  # as a disk that has lost what was written last
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM rows WHERE row = 2")
    page = browser.get(address_of(run))
    assert page.status == 422
    assert "has lost its end" in page.words
    button = "Take them so, and look for them in the call centre"
    assert button in page.words
    (action,) = re.findall(
        rf'<form action="([^"]+)"(?:(?!</form>).)*{button}', page.text, re.DOTALL
    )
    assert browser.post(action).status == 303
    page = settled(browser, address_of(run))
    assert "found, and created: 3 rows" in page.words
    assert "row 2: created" in page.words
    assert counts(run) == {"created": 8, "invalid": 1}


def test_a_run_that_is_no_more_is_told_of(run: library.RunResult, browser: Browser) -> None:
    assert browser.get("/runs/no-such-run").status == 404
    assert browser.get("/runs/..%2F..%2Fetc").status == 404
    run.directory.path.rename(run.directory.path.with_name("elsewhere"))
    page = browser.get(address_of(run))
    assert page.status == 422
    assert "vcc-import" not in page.words
    assert "folder of this import was moved or removed" in page.words
    assert "Look again" in page.words


def test_before_anything_was_sent_the_result_says_what_comes_first(browser: Browser) -> None:
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    page = browser.get(f"/drafts/{draft_id}/result")
    assert "Nothing has been sent yet" in page.words
    assert browser.post(f"/drafts/{draft_id}/result/mend").status == 303


def test_home_leads_to_where_a_draft_is_gone_on_with(
    run: library.RunResult, browser: Browser, state_dir: Path
) -> None:
    drafts = Drafts(state_dir / "console" / "drafts")
    draft_id = browser.draft_id("new.csv", LIST.encode())
    assert f'href="/drafts/{draft_id}/file"' in browser.get("/").text
    drafts.set_mapping(draft_id, MAPPING)
    assert f'href="/drafts/{draft_id}/fix"' in browser.get("/").text
    drafts.change(draft_id, plan_dir=run.directory.path, run_dir=run.directory.path)
    home = browser.get("/")
    assert f'href="/drafts/{draft_id}/result"' in home.text
    assert "new.csv" not in home.words  # the ledger tells of it, as of every import
    assert "2 rows may have arrived" in home.words


def test_a_real_browser_finds_nothing_wrong_with_the_result(
    run: library.RunResult, console: LiveConsole, service: LiveSandbox
) -> None:
    lose_stamps(service, uncertain_records(run, service)[1])
    make_search_long(service)
    with chromium() as browser, open_tab(browser, console, reduced_motion="reduce") as tab:
        for width in WIDTHS:
            tab.page.set_viewport_size({"width": width, "height": 900})
            for address in ("/", address_of(run)):
                tab.page.goto(f"{console.origin}{address}")
                assert tab.too_wide() <= 0, f"{address} at {width}"
                assert tab.faults() == [], f"{address} at {width}"
        tab.page.get_by_role("button", name="Read some back").press("Enter")
        tab.says("#verdict", "6 rows of 6 created were read back")
        tab.page.get_by_role("button", name="Look for them").press("Enter")
        tab.says("[data-show=found]", "1")
        assert tab.faults() == []
        tab.page.get_by_role("button", name="Stop").press("Enter")
        tab.says("#verdict", "found, and created: 1 row")
        tab.has("button[value=absent]", 1)
        assert tab.faults() == []
        assert tab.page.evaluate("document.activeElement !== document.body")
        assert tab.complaints == []
