"""Planning and sending in a real browser: what changes by itself, the keyboard, what axe finds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from importer.console.drafts import Drafts
from tests.support.console_import import KEY, MAPPING
from tests.support.live_browser import Tab, chromium, open_tab
from tests.support.live_console import LiveConsole, live_console
from tests.support.live_sandbox import LiveSandbox, live_sandbox

ROWS = 40


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveSandbox]:
    """A service that spoils the second record, and takes its time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VCC_CUSTOMER", "acme")
    monkeypatch.setenv("VCC_API_KEY", KEY)
    faults = [{"kind": "drop_field", "field": "note", "at": 2}]
    with live_sandbox(customer="acme", api_key=KEY, faults=faults, latency="100ms") as live:
        yield live


@pytest.fixture
def console(tmp_path: Path, service: LiveSandbox) -> Iterator[LiveConsole]:
    with live_console(runs_dir=tmp_path / "runs") as live:
        yield live


def look(tab: Tab) -> None:
    """The page as it is now is without fault, and fits into any window."""
    assert tab.faults() == []
    for width in (400, 1280, 2560):
        tab.page.set_viewport_size({"width": width, "height": 900})
        assert tab.too_wide() <= 0, width
    tab.page.set_viewport_size({"width": 1280, "height": 900})


def test_a_list_is_planned_and_sent_and_the_pages_change_by_themselves(
    console: LiveConsole, service: LiveSandbox, state_dir: Path, tmp_path: Path
) -> None:
    people = "".join(f"Person {n},Note {n},Budapst,06 30 1{n:06}\n" for n in range(ROWS))
    with chromium() as browser, open_tab(browser, console, reduced_motion="reduce") as tab:
        page = tab.page
        leads = tmp_path / "leads.csv"
        leads.write_text("Name,Note,City,Phone\n" + people, "utf-8")
        page.set_input_files("#file", leads)
        page.wait_for_url("**/file")
        draft_id = page.url.split("/")[-2]
        drafts = Drafts(state_dir / "console" / "drafts")
        mapping = MAPPING.replace("  note: Note\n", "  note: Note\n  city: City\n")
        drafts.set_mapping(draft_id, f"project: 134\n{mapping}")
        page.goto(f"{console.origin}/drafts/{draft_id}/plan")
        page.get_by_text("Another project or address").click()
        page.get_by_label("Address of the service").fill(service.base_url)
        page.get_by_role("button", name="Keep").click()
        tab.says(".where", service.base_url)
        look(tab)
        page.get_by_label("records a second, at most").fill("60")
        button = page.get_by_role("button", name="Make the plan")
        button.focus()
        page.keyboard.press("Enter")
        tab.has("fieldset.card", 1)
        look(tab)
        assert page.evaluate("document.activeElement.id") == "step", "the keyboard goes on here"
        # What is chosen beside a choice chooses it.
        meant = page.locator("[name=meant_0]")
        assert meant.input_value() == "", "what is proposed is not chosen yet"
        meant.select_option("Budapest")
        assert page.locator("[name=what_0][value=mean]").is_checked()
        # Whatever button plans again, all that was chosen in the page goes with it.
        assert page.get_by_label("records a second, at most").input_value() == "60"
        page.get_by_label("records a second, at most").fill("50")
        page.get_by_role("button", name="Plan again", exact=True).click()
        tab.says("#step", "What would happen")
        tab.says("#step", "To be sent at most 50 records a second")
        look(tab)
        drafts.set_mapping(draft_id, f"{drafts.open(draft_id).mapping.read_text('utf-8')}# May\n")
        page.reload()
        page.get_by_label("records a second, at most").fill("40")
        page.get_by_role("button", name="Plan again", exact=True).first.click()
        tab.says("#step", "To be sent at most 40 records a second")
        tab.says("#said", f"{ROWS} records would be created")
        tab.has("nav.steps a", 5)  # the result is still to come
        page.get_by_role("link", name="Go on to sending").click()
        page.get_by_role("button", name="Send the first 5").click()
        tab.says("#step", "1 of 5 is not as it was sent")
        tab.has("nav.steps a", 6)
        tab.has("tr.different", 1)
        look(tab)
        page.set_viewport_size({"width": 400, "height": 900})
        hidden = page.evaluate(
            "[...document.querySelectorAll('details[open] .scroll')]"
            ".map(each => each.scrollWidth - each.clientWidth)"
        )
        assert not any(hidden), "whether they are alike is seen without scrolling"
        page.set_viewport_size({"width": 1280, "height": 900})
        page.get_by_role("button", name="Send the rest in spite of it").click()
        tab.has("#step[data-events]", 1)
        tab.says(".figures", "Refused by the service")
        assert page.locator(".figures .bad").count() == 0, "nothing was refused"
        other = page.context.new_page()  # a second tab watches the same run
        other.goto(page.url)
        for each in (page, other):
            each.wait_for_selector("text=All is sent")
        look(tab)
        kept = {**tab.stored(), "session": {}}  # htmx's own: the address of the page
        assert kept == {"local": {}, "session": {}, "databases": [], "caches": []}
        assert "Person" not in json.dumps(tab.stored())
        assert tab.complaints == []
    names = [record["form"]["name"] for record in service.records(134)]
    assert sorted(names) == sorted(f"Person {n}" for n in range(ROWS))


def test_a_page_that_watches_comes_back_once_the_link_of_the_next_console_was_opened(
    service: LiveSandbox, state_dir: Path, tmp_path: Path
) -> None:
    people = "".join(f"Person {n},Note {n},Pécs,06 30 1{n:06}\n" for n in range(400))
    leads = tmp_path / "leads.csv"
    leads.write_text("Name,Note,City,Phone\n" + people, "utf-8")
    with chromium() as browser, ExitStack() as first:
        console = first.enter_context(live_console(runs_dir=tmp_path / "runs"))
        with open_tab(browser, console) as tab:
            page = tab.page
            page.set_input_files("#file", leads)
            page.wait_for_url("**/file")
            draft_id = page.url.split("/")[-2]
            drafts = Drafts(state_dir / "console" / "drafts")
            drafts.set_mapping(draft_id, f"project: 134\n{MAPPING}")
            drafts.change(draft_id, base_url=service.base_url)
            page.goto(f"{console.origin}/drafts/{draft_id}/plan")
            page.get_by_label("records a second, at most").fill("5")
            page.get_by_role("button", name="Make the plan").click()
            page.get_by_role("link", name="Go on to sending").click()
            page.get_by_role("button", name="Send all at once").click()
            tab.has("#step[data-events]", 1)
            first.close()
            tab.says("body", "The console does not answer")
            with live_console(port=console.port, runs_dir=tmp_path / "runs") as second:
                other = page.context.new_page()
                other.goto(second.link.file.as_uri())
                other.wait_for_url(f"{second.origin}/")
                tab.says("#verdict", "rows are not sent yet")
