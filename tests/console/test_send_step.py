"""The send step: the first rows side by side, then the rest; stopped, cut off and gone on with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from importer import library
from importer.console.drafts import Drafts
from importer.console.instance import Link
from importer.model import Status
from importer.operations.guarded import target_lock
from importer.settings import Pace, RetryPolicy, RunSettings, Secret, Target
from tests.support.console_import import (
    KEY,
    MAPPING,
    draft_of,
    goes_to,
    list_of,
    order,
    planned,
    sent,
    settled,
    shown,
    stream,
)
from tests.support.live_console import SECONDS, Browser, LiveConsole, live_console
from tests.support.live_sandbox import LiveSandbox, live_sandbox

ROWS = 12
PROJECT = 134


@pytest.fixture(autouse=True)
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials of a customer are set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VCC_CUSTOMER", "acme")
    monkeypatch.setenv("VCC_API_KEY", KEY)


def ready(
    browser: Browser, drafts: Drafts, service: LiveSandbox, rows: int = ROWS, **form: str
) -> str:
    """The address of the send step of a draft that is planned for a service."""
    draft_id = draft_of(browser, drafts, list_of(rows))
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id, **form)
    assert "Go on to sending" in page.words
    return f"/drafts/{draft_id}/send"


def names(service: LiveSandbox) -> Counter[str]:
    """The names in the service, each with how many records have it."""
    return Counter(record["form"]["name"] for record in service.records(PROJECT))


def everybody(rows: int = ROWS) -> Counter[str]:
    return Counter(f"Person {n}" for n in range(rows))


def test_the_first_rows_are_shown_side_by_side_then_the_rest_is_sent(
    browser: Browser, drafts: Drafts
) -> None:
    with live_sandbox(customer="acme", api_key=KEY) as service:
        address = ready(browser, drafts, service)
        page = browser.get(address)
        assert "acme: the real call centre, project 134" in page.words
        assert "cannot be deleted" in page.words
        assert "Send the first 5" in page.words
        draft_id = address.split("/")[2]
        assert drafts.open(draft_id).run_dir is None
        page = sent(browser, address, "first")
        assert "in the service as they were sent" in page.words
        assert page.words.count(": as it was sent") == 5
        assert "name Person 0 Person 0 yes" in page.words
        assert sum(names(service).values()) == 5
        draft = drafts.open(draft_id)
        assert draft.run_dir == draft.plan_dir
        assert "Send the rest 7 rows" in page.words
        # The rest is begun, and cut off: the page is not that of the first rows any more.
        assert draft.run_dir is not None
        past = library.past_run(draft.run_dir)
        target = Target(service.base_url, PROJECT, "acme", Secret(KEY))
        settings = replace(past.settings_but({}), limit=2)
        library.apply(draft.run_dir, target=target, settings=settings)
        page = browser.get(address)
        assert "5 rows are not sent yet. It was stopped or cut off." in page.words
        assert "in the service as they were sent" not in page.words
        assert "Go on 5 rows" in page.words
        assert KEY not in browser.get(address.replace("/send", "/plan")).text
        page = sent(browser, address, "all")
        assert "All is sent" in page.words
        assert "To the result" in page.words
        assert names(service) == everybody()
        page = sent(browser, address, "all")
        assert "All is sent" in page.words, "again, nothing is sent"
        assert names(service) == everybody()


def test_first_rows_that_are_spoiled_keep_the_rest_back_until_a_person_says_so(
    browser: Browser, drafts: Drafts
) -> None:
    faults = [{"kind": "drop_field", "field": "note", "at": 2}]
    with live_sandbox(customer="acme", api_key=KEY, faults=faults) as service:
        address = ready(browser, drafts, service)
        page = sent(browser, address, "first")
        assert "1 of 5 is not as it was sent" in page.words
        assert "the rest is not sent" in page.words
        assert "– no" in page.words
        assert "vcc-import" not in page.words
        assert "Send the rest in spite of it" in page.words
        assert sum(names(service).values()) == 5
        with_another = browser.get(address)
        assert "Send the rest in spite of it" in with_another.words
        page = sent(browser, address, "all")
        assert "All is sent" in page.words
        assert names(service) == everybody()


def test_what_the_first_rows_have_shown_is_changed_and_the_rest_imported_anew(
    browser: Browser, drafts: Drafts
) -> None:
    faults = [{"kind": "drop_field", "field": "note", "at": 2}]
    with live_sandbox(customer="acme", api_key=KEY, faults=faults) as service:
        address = ready(browser, drafts, service)
        assert "nothing of this was sent" in browser.post(f"{address}/anew").words.lower()
        sent(browser, address, "first")
        answer = browser.post(f"{address}/anew")
        assert answer.status == 303
        draft_id = answer.headers["location"].split("/")[2]
        assert answer.headers["location"] == f"/drafts/{draft_id}/columns"
        new = drafts.open(draft_id)
        assert new.mapping.read_text("utf-8") == MAPPING
        # There is one import of the rest: pressed once more it is gone on with.
        assert browser.post(f"{address}/anew").headers["location"] == f"/drafts/{draft_id}/columns"
        page = browser.get(address)
        assert f'href="/drafts/{draft_id}/columns">Go on with the rest<' in page.text
        assert "in spite of it" not in page.words
        assert "an import of its own" in order(browser, address, "all").words
        assert "Go on with the rest" in browser.get(address.replace("/send", "/result")).words
        drafts.set_mapping(draft_id, MAPPING.replace("  note: Note\n", ""))
        page = planned(browser, draft_id)
        assert "To be created 7" in page.words
        page = sent(browser, f"/drafts/{draft_id}/send", "all")
        assert "All is sent" in page.words
        assert names(service) == everybody()


def test_a_run_is_stopped_and_gone_on_with(browser: Browser, drafts: Drafts) -> None:
    with live_sandbox(customer="acme", api_key=KEY, latency="150ms") as service:
        address = ready(browser, drafts, service, pace="own", at_once="1")
        assert order(browser, address, "all").status == 303
        assert "being sent already" in order(browser, address, "all").words
        shown(browser, address, lambda _: sum(names(service).values()) >= 2)
        assert drafts.open(address.split("/")[2]).run_dir is not None
        plan = address.replace("/send", "/plan")
        assert "being sent already" in browser.get(plan).words
        assert "being sent already" in browser.post(plan).words
        assert (
            "sent already"
            in browser.post(address.replace("/send", "/place"), {"place": "sandbox"}).words
        )
        assert browser.post(f"{address}/stop").status == 303
        page = settled(browser, address)
        left = ROWS - sum(names(service).values())
        assert 0 < left < ROWS - 1
        assert f"{left} rows are not sent yet" in page.words
        assert "May have arrived 0" in page.words
        page = sent(browser, address, "all")
        assert "All is sent" in page.words
        assert names(service) == everybody()


def test_first_rows_that_were_stopped_are_read_back_before_others_are_sent(
    browser: Browser, drafts: Drafts
) -> None:
    with live_sandbox(customer="acme", api_key=KEY, latency="200ms") as service:
        address = ready(browser, drafts, service, pace="own", at_once="1")
        order(browser, address, "first")
        shown(browser, address, lambda _: bool(names(service)))
        browser.post(f"{address}/stop")
        page = settled(browser, address)
        assert "Go on with the first rows" in page.words
        assert 0 < sum(names(service).values()) < 5
        page = sent(browser, address, "first")
        assert "in the service as they were sent" in page.words
        assert page.words.count(": as it was sent") == 5
        assert sum(names(service).values()) == 5, "the rest waits for a person"
        page = sent(browser, address, "all")
        assert "All is sent" in page.words
        assert names(service) == everybody()


def test_two_pages_watch_one_run_and_who_comes_later_is_told_at_once(
    console: LiveConsole, drafts: Drafts
) -> None:
    browser = console.browser()
    with live_sandbox(customer="acme", api_key=KEY, latency="100ms") as service:
        address = ready(browser, drafts, service, pace="own", at_once="1")
        order(browser, address, "all")
        with stream(browser, address, "1" * 16) as first:
            assert first.readline() == b"event: state\n"
        # A page that is gone stops nothing.
        with (
            stream(browser, address, "2" * 16) as second,
            stream(browser, address, "3" * 16) as third,
        ):
            for each in (second, third):
                told = each.read()
                assert told.startswith(b"event: state\ndata: {")
                assert b'"created": 12' in told
                assert told.endswith(b"event: ended\ndata: \n\n")
                assert KEY.encode() not in told
        assert names(service) == everybody()


def test_a_key_that_is_refused_in_the_middle_stops_and_nothing_is_lost(
    browser: Browser, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [{"kind": "unauthorized", "from": 4, "until": 5}]
    with live_sandbox(customer="acme", api_key=KEY, faults=faults) as service:
        address = ready(browser, drafts, service, pace="own", at_once="1")
        page = sent(browser, address, "all")
        assert "The service refuses: 401" in page.words
        assert "Check the customer and the key" in page.words
        assert "Go on 9 rows" in page.words
        monkeypatch.delenv("VCC_API_KEY")
        page = browser.get(address)
        assert "VCC_API_KEY=" in page.words
        answer = order(browser, address, "all")
        assert answer.status == 422
        assert "No API key for acme" in answer.words
        monkeypatch.setenv("VCC_API_KEY", "a-wrong-key")
        page = sent(browser, address, "all")
        assert "401" in page.words
        assert "a-wrong-key" not in page.text
        monkeypatch.setenv("VCC_API_KEY", KEY)
        page = sent(browser, address, "all")
        page = page if "All is sent" in page.words else sent(browser, address, "all")
        assert "All is sent" in page.words
        assert names(service) == everybody()


def test_a_service_that_refuses_in_masses_stops_the_run_and_what_may_have_arrived_comes_first(
    browser: Browser, drafts: Drafts, tmp_path: Path
) -> None:
    faults = [{"kind": "bad_gateway", "from": 3, "until": 30}]
    with live_sandbox(customer="acme", api_key=KEY, faults=faults) as service:
        draft_id = draft_of(browser, drafts, list_of(40), f"{MAPPING}stamp: import_ref\n")
        draft = drafts.open(draft_id)
        target = Target(service.base_url, PROJECT, "acme", Secret(KEY))
        # Begun with less patience than a page gives, and gone on with in the page as it was begun.
        settings = RunSettings(
            runs_dir=tmp_path / "runs",
            limit=1,
            pace=Pace(concurrency=1),
            retry=RetryPolicy(give_up_after=1.0),
        )
        run = library.run(draft.file, draft.mapping, target=target, settings=settings)
        folder = run.directory.path
        drafts.change(draft_id, plan_dir=folder, run_dir=folder)
        address = f"/drafts/{draft_id}/send"
        page = sent(browser, address, "all")
        counts = library.past_run(folder).counts
        assert counts[Status.UNCERTAIN] >= 5
        assert counts[Status.PENDING] > 0
        assert counts[Status.CREATED] == sum(names(service).values()) == 2
        reason = json.loads((folder / "summary.json").read_bytes())["reason"]
        assert reason.startswith("the service has answered nothing certain for")
        assert reason[1:] in page.words, "as the terminal says it"
        assert "Some of the last rows may have arrived" in page.words
        assert "vcc-import" not in page.words
        assert f"Go on {counts[Status.PENDING]} rows" in page.words
        (result,) = re.findall(r'href="([^"]+)">Look for them in the result<', page.text)
        page = browser.get(result)
        assert f"Rows that may have arrived ({counts[Status.UNCERTAIN]})" in page.words
        assert 'id="uncertain"' in page.text
        assert "Look for them in the call centre" in page.words
        assert f"It has not come to its end: {reason}" in page.words


def test_a_service_that_is_gone_is_told_before_anything_is_sent(
    browser: Browser, drafts: Drafts
) -> None:
    with live_sandbox(customer="acme", api_key=KEY) as service:
        address = ready(browser, drafts, service)
    page = sent(browser, address, "first")
    assert "127.0.0.1" in page.words
    assert "Try again" in page.words
    assert "Send the first 5" in page.words
    assert drafts.open(address.split("/")[2]).run_dir is None


def test_a_service_that_asks_to_wait_is_told_while_it_lasts(
    browser: Browser, drafts: Drafts
) -> None:
    faults = [{"kind": "throttled", "from": 3, "until": 12, "wait": "2s"}]
    with live_sandbox(customer="acme", api_key=KEY, faults=faults) as service:
        address = ready(browser, drafts, service, pace="own", at_once="1")
        order(browser, address, "all")
        page = shown(browser, address, lambda page: "asks to wait" in page.words)
        assert "Waiting" in page.words
        browser.post(f"{address}/stop")
        page = settled(browser, address)
        assert "rows are not sent yet" in page.words
        assert "May have arrived 0" in page.words


def test_an_import_waits_for_another_to_the_same_project(browser: Browser, drafts: Drafts) -> None:
    with live_sandbox(customer="acme", api_key=KEY) as service:
        address = ready(browser, drafts, service)
        held, free = threading.Event(), threading.Event()

        def hold() -> None:
            with target_lock(
                Path("others"), service.base_url, PROJECT, wait=0, stop=library.StopSwitch()
            ):
                held.set()
                free.wait(SECONDS)

        other = threading.Thread(target=hold)
        other.start()
        assert held.wait(SECONDS)
        order(browser, address, "all")
        with stream(browser, address, "1" * 16) as waiting:
            lines = iter(waiting.readline, b"")
            assert any(b'"phase": "waits"' in line for line in lines), browser.get(address).words
        assert not names(service)
        browser.post(f"{address}/stop")
        page = settled(browser, address)
        assert "stopped while it waited" in page.words
        order(browser, address, "all")
        free.set()
        page = settled(browser, address)
        other.join()
        assert "All is sent" in page.words
        assert names(service) == everybody()


def test_two_imports_of_the_console_to_one_project_come_one_after_the_other(
    browser: Browser, drafts: Drafts
) -> None:
    with live_sandbox(customer="acme", api_key=KEY, latency="100ms") as service:
        first = ready(browser, drafts, service, pace="own", at_once="1")
        others = list_of(3).replace("Person", "Other").replace("06 30 1", "06 20 1")
        draft_id = browser.draft_id("others.csv", others.encode())
        drafts.set_mapping(draft_id, MAPPING)
        goes_to(browser, draft_id, service)
        planned(browser, draft_id)
        second = f"/drafts/{draft_id}/send"
        order(browser, first, "all")
        shown(browser, first, lambda _: bool(names(service)))
        order(browser, second, "all")
        with stream(browser, second, "1" * 16) as waiting:
            lines = iter(waiting.readline, b"")
            assert any(b'"phase": "waits"' in one and b"leads.csv" in one for one in lines)
        for address in (first, second):
            assert "All is sent" in settled(browser, address).words
        assert names(service) == everybody() + Counter(f"Other {n}" for n in range(3))


def test_what_another_run_has_sent_since_is_sent_again_only_by_a_word(
    browser: Browser, drafts: Drafts, tmp_path: Path
) -> None:
    with live_sandbox(customer="acme", api_key=KEY) as service:
        address = ready(browser, drafts, service)
        draft = drafts.open(address.split("/")[2])
        target = Target(service.base_url, PROJECT, "acme", Secret(KEY))
        settings = RunSettings(runs_dir=tmp_path / "others")
        library.run(draft.file, draft.mapping, target=target, settings=settings)
        page = sent(browser, address, "all")
        assert "was sent to project 134 before" in page.words
        assert "Send it once more, all of it" in page.words
        assert "--again" not in page.words
        assert names(service) == everybody()
        page = sent(browser, address, "all", again="yes")
        assert "All is sent" in page.words
        assert set(names(service).values()) == {2}


def test_a_plan_that_was_made_anew_in_another_page_is_not_sent_unseen(
    browser: Browser, drafts: Drafts
) -> None:
    with live_sandbox(customer="acme", api_key=KEY) as service:
        address = ready(browser, drafts, service)
        draft_id = address.split("/")[2]
        answer = browser.post(address, {"plan_id": "0" * 32, "what": "all"})
        assert answer.status == 303
        page = settled(browser, address)
        assert "not as it was planned" in page.words
        assert "Back to the plan" in page.words
        drafts.set_mapping(draft_id, drafts.open(draft_id).mapping.read_text("utf-8") + "# x\n")
        answer = order(browser, address, "all")
        assert answer.status == 422
        assert "out of date: the columns were changed" in answer.words
        assert not names(service)


def test_the_end_of_the_console_stops_a_run_in_order(tmp_path: Path, drafts: Drafts) -> None:
    with live_sandbox(customer="acme", api_key=KEY, latency="150ms") as service:
        with live_console(runs_dir=tmp_path / "runs") as console:
            browser = console.browser()
            address = ready(browser, drafts, service, pace="own", at_once="2")
            order(browser, address, "all")
            shown(browser, address, lambda _: sum(names(service).values()) >= 2)
        run_dir = drafts.open(address.split("/")[2]).run_dir
        assert run_dir is not None
        counts = library.past_run(run_dir).counts
        assert counts[Status.CREATED] == sum(names(service).values())
        assert counts[Status.UNCERTAIN] == 0
        assert counts[Status.PENDING] > 0
        with live_console(runs_dir=tmp_path / "runs") as console:
            browser = console.browser()
            assert "are not sent yet" in browser.get(address).words
            assert "All is sent" in sent(browser, address, "all").words
        assert names(service) == everybody()


def test_a_rehearsal_in_the_sandbox_needs_no_account(
    browser: Browser, drafts: Drafts, monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    monkeypatch.delenv("VCC_CUSTOMER")
    monkeypatch.delenv("VCC_API_KEY")
    draft_id = draft_of(browser, drafts, list_of(3) + "Nobody,A note,12\n")
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    planned(browser, draft_id)
    address = f"/drafts/{draft_id}/send"
    page = browser.get(address)
    assert "The sandbox: a rehearsal" in page.words
    assert "Send them" in page.words
    page = sent(browser, address, "first")
    assert "All is sent" in page.words
    database = state_dir / "console" / "sandbox" / "sandbox.sqlite3"
    assert names(LiveSandbox("", database, "", "")) == everybody(3)
    home = browser.get("/")
    assert "sent to the sandbox, 3 created 1 row to be mended See its result" in home.words
    assert f'href="/drafts/{draft_id}/result">1 row to be mended<' in home.text
    run_dir = drafts.open(draft_id).run_dir
    assert run_dir is not None
    (run_dir / "journal.sqlite3").write_bytes(b"no journal")
    assert "sent to the sandbox Remove" in browser.get("/").words


def test_before_there_is_a_plan_it_comes_first(browser: Browser, drafts: Drafts) -> None:
    draft_id = draft_of(browser, drafts, list_of(3))
    address = f"/drafts/{draft_id}/send"
    assert "The plan comes first" in browser.get(address).words
    assert "no plan yet" in browser.post(address, {"what": "all"}).words
    drafts.change(draft_id, plan_dir=drafts.folder / "gone")
    assert browser.get(address).status in {200, 422}
    assert "To the plan" in browser.get(address).words
    assert browser.get(f"{address}/events?page={'1' * 16}").status == 404


SERVER = (
    "import asyncio, sys\n"
    "sys.dont_write_bytecode = True\n"
    "from pathlib import Path\n"
    "from importer.console.server import serve\n"
    "asyncio.run(serve(on_ready=lambda link: print(link.url, link.file, flush=True),"
    " until=asyncio.Event(), runs_dir=Path(sys.argv[1])))\n"
)


# A limit on the size of files is what a full disk is to a writer, and needs no disk.
FULL = (
    "import resource\n"
    "def full(size):\n"
    "    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))\n"
    "full(int(__import__('sys').argv[2]))\n"
)


@pytest.mark.skipif(os.name != "posix", reason="resource limits as POSIX has them")
def test_a_full_disk_is_told_and_gone_on_from(tmp_path: Path, drafts: Drafts) -> None:
    runs, rows = tmp_path / "runs", 2500
    with live_sandbox(customer="acme", api_key=KEY) as service:
        with live_console(runs_dir=runs) as console:
            address = ready(console.browser(), drafts, service, rows=rows)
        # The journal grows while it sends, beyond what it was when it was planned.
        command = [sys.executable, "-c", FULL + SERVER, str(runs), "250000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url, file = process.stdout.readline().split()
            browser = LiveConsole(Link(url, Path(file), new=True)).browser()
            page = sent(browser, address, "all")
            process.kill()
        assert "Go on" in page.words
        assert "room" in page.words, "what to do is said"
        assert "vcc-import" not in page.words
        assert 0 < sum(names(service).values()) < rows
        with live_console(runs_dir=runs) as console:
            page = sent(console.browser(), address, "all")
        assert max(names(service).values()) == 1
        run_dir = drafts.open(address.split("/")[2]).run_dir
        assert run_dir is not None
        counts = library.past_run(run_dir).counts
        assert counts[Status.PENDING] == 0
        assert counts[Status.CREATED] + counts[Status.UNCERTAIN] == rows


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_after_a_kill_in_the_middle_the_console_goes_on_and_no_row_is_sent_twice(
    tmp_path: Path, drafts: Drafts
) -> None:
    runs = tmp_path / "runs"
    with live_sandbox(customer="acme", api_key=KEY, latency="100ms") as service:
        with subprocess.Popen(
            [sys.executable, "-c", SERVER, str(runs)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            url, file = process.stdout.readline().split()
            browser = LiveConsole(Link(url, Path(file), new=True)).browser()
            address = ready(browser, drafts, service, rows=40, pace="own", at_once="2")
            order(browser, address, "all")
            shown(browser, address, lambda _: sum(names(service).values()) >= 6)
            process.send_signal(signal.SIGKILL)
        time.sleep(0.3)  # what was on its way arrives
        with live_console(runs_dir=runs) as console:
            browser = console.browser()
            page = browser.get(address)
            assert "What was sent is known" in page.words
            page = sent(browser, address, "all")
            found = names(service)
            assert max(found.values()) == 1
            run_dir = drafts.open(address.split("/")[2]).run_dir
            assert run_dir is not None
            counts = library.past_run(run_dir).counts
            assert counts[Status.PENDING] == 0
            assert counts[Status.UNCERTAIN] <= 8, "what was in flight"
            assert counts[Status.CREATED] + counts[Status.UNCERTAIN] == 40
            assert counts[Status.CREATED] <= len(found) <= 40
            assert KEY not in page.text
