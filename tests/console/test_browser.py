"""The first pages in a real browser: its policy, its storage, its keyboard, and what axe finds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.live_browser import Tab, open_tab
from tests.support.live_console import LiveConsole

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LIST = "Név;Telefon\nTitkos Ügyfél;0619997400\nBea;0619997401\nCili;0619997402\n"
WIDTHS = (400, 1280, 2560)


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    path = tmp_path / "leads.csv"
    path.write_text(LIST, "utf-8")
    return path


def upload(tab: Tab, path: Path) -> None:
    tab.page.set_input_files("#file", path)
    tab.page.wait_for_url("**/file")


def headers(tab: Tab) -> list[str]:
    return tab.page.locator("table.cells thead th").all_inner_texts()[1:]


def test_the_link_is_spent_and_the_session_is_not_the_scripts(
    tab: Tab, console: LiveConsole, real_browser: Browser
) -> None:
    assert tab.page.evaluate("document.cookie") == ""
    (cookie,) = tab.page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert not console.link.file.exists()
    assert "token" not in tab.page.url
    assert tab.page.evaluate("history.length") <= 3
    stranger = real_browser.new_page()
    answer = stranger.goto(console.link.url)
    assert answer is not None
    assert answer.status == 403
    stranger.close()


def test_a_list_that_is_chosen_is_uploaded_and_shown(tab: Tab, leads: Path) -> None:
    upload(tab, leads)
    assert headers(tab) == ["Név", "Telefon"]
    assert tab.page.title() == "leads.csv: file · Lead importer"


def test_a_list_that_is_dropped_is_uploaded(tab: Tab) -> None:
    drop(tab, "Ügyfelek.csv")
    tab.page.wait_for_url("**/file")
    assert tab.page.locator("h1").inner_text() == "Ügyfelek.csv"
    assert headers(tab) == ["Név", "Telefon"]


def test_two_lists_that_are_dropped_are_refused_in_words(tab: Tab) -> None:
    drop(tab, "a.csv", "b.csv")
    tab.page.wait_for_selector("#notice .bad")
    assert tab.page.locator("#notice").inner_text() == "Drop one list at a time."
    assert tab.faults() == []


def drop(tab: Tab, *names: str) -> None:
    """Drop files onto the page, beside the zone."""
    carried = tab.page.evaluate_handle(
        """([names, text]) => {
            const carried = new DataTransfer();
            for (const name of names) carried.items.add(new File([text], name));
            return carried;
        }""",
        [names, LIST],
    )
    for event in ("dragover", "drop"):
        tab.page.dispatch_event("h1", event, {"dataTransfer": carried})


def test_a_choice_changes_the_part_and_keeps_the_focus(tab: Tab, leads: Path) -> None:
    upload(tab, leads)
    tab.page.evaluate("window.stays = true")
    tab.page.select_option("#delimiter", ",")
    tab.has("thead th", 2)
    assert headers(tab) == ["Név;Telefon"]
    assert tab.page.evaluate("window.stays"), "htmx exchanges a part, the page stays"
    tab.page.focus("#delimiter")
    tab.page.select_option("#delimiter", ";")
    tab.has("thead th", 3)
    assert tab.page.evaluate("document.activeElement.id") == "delimiter"
    tab.says("#said", "2 columns")


def test_the_header_row_is_chosen_by_the_keyboard_alone(tab: Tab, leads: Path) -> None:
    upload(tab, leads)
    for _ in range(20):
        tab.page.keyboard.press("Tab")
        if tab.page.locator("tbody button:focus").count():
            break
    tab.page.keyboard.press("Enter")
    tab.holds("#header_row", "2")
    assert headers(tab) == ["Titkos Ügyfél", "0619997400"]
    assert tab.page.evaluate("document.activeElement !== document.body"), "the focus is lost"
    tab.page.fill("#header_row", "")
    tab.page.keyboard.press("Enter")
    tab.says("thead", "Név")
    assert headers(tab) == ["Név", "Telefon"]


def test_what_cannot_be_is_said_in_the_page_and_read_out(tab: Tab, leads: Path) -> None:
    upload(tab, leads)
    tab.page.fill("#header_row", "99")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#found .notice.bad")
    tab.says("#said", "row 99")
    assert headers(tab) == ["Név", "Telefon"]
    assert tab.page.evaluate("document.activeElement.id") == "header_row"
    assert tab.faults() == []


def test_back_reload_and_a_second_tab_do_no_harm(
    tab: Tab, leads: Path, console: LiveConsole
) -> None:
    upload(tab, leads)
    place = tab.page.url
    tab.page.select_option("#delimiter", ",")
    tab.has("thead th", 2)
    tab.page.reload()
    assert headers(tab) == ["Név;Telefon"]
    tab.page.go_back()
    tab.page.wait_for_url(f"{console.origin}/")
    assert tab.page.locator(".drop.busy").count() == 0
    assert tab.page.locator("ul.drafts a").count() == 1
    tab.page.go_forward()
    assert headers(tab) == ["Név;Telefon"]
    second = tab.page.context.new_page()
    second.goto(place)
    second.select_option("#delimiter", "")
    second.locator("thead th").nth(2).wait_for()
    second.goto(console.origin)
    second.locator("ul.drafts summary").click()
    second.locator("button.danger").click()
    second.locator("ul.drafts").wait_for(state="detached")
    tab.page.select_option("#encoding", "cp1250")
    tab.page.wait_for_selector("#notice .notice.bad")
    assert "begin at the start" in tab.page.locator("#notice").inner_text()
    tab.complaints[:] = [each for each in tab.complaints if "404" not in each]


def test_nothing_of_a_list_is_kept_in_the_browsers_storage(tab: Tab, leads: Path) -> None:
    upload(tab, leads)
    tab.page.select_option("#delimiter", ",")
    tab.has("thead th", 2)
    tab.page.goto("/".join(tab.page.url.split("/")[:3]))
    # htmx keeps where the tab was: the id of a draft, nothing of what is in it.
    path = tab.stored()["session"].pop("htmx-current-path-for-history", "/")
    assert re.fullmatch(r"/(drafts/[0-9a-f]{32}/file)?", path)
    kept = {**tab.stored(), "session": {}}
    assert kept == {"local": {}, "session": {}, "databases": [], "caches": []}
    assert "Titkos" not in json.dumps(tab.stored())
    assert "leads" not in json.dumps(tab.stored())


def test_nothing_is_asked_of_another_host(tab: Tab, leads: Path, console: LiveConsole) -> None:
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.page.reload()
    upload(tab, leads)
    assert asked
    assert {url for url in asked if not url.startswith((console.origin, "data:"))} == set()


def test_a_script_in_a_cell_or_name_does_not_run(tab: Tab, tmp_path: Path) -> None:
    evil = "<img src=x onerror=document.title='evil'><script>document.title='evil'</script>"
    path = tmp_path / "<img src=x onerror=alert(1)>.csv"
    path.write_text(f"Phone;{evil}\n0619997400;{evil}\n0619997401;{evil}\n", "utf-8")
    tab.page.on("dialog", lambda dialog: tab.complaints.append(dialog.message))
    upload(tab, path)
    assert headers(tab)[1] == evil
    tab.page.select_option("#encoding", "cp1252")
    tab.holds("#encoding", "cp1252")
    assert "evil" not in tab.page.title().replace(path.name, "")
    assert tab.page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_have_no_fault_of_access(
    real_browser: Browser, console: LiveConsole, tmp_path: Path, width: int
) -> None:
    path = tmp_path / f"{'a very long name ' * 9}.csv"
    wide = ";".join(f"{'wide' * 20} {number}" for number in range(30))
    path.write_text(f"Our list of May\n\nNév;Telefon;{wide}\n" + f"A;1;{wide}\n" * 30, "utf-8")
    with open_tab(real_browser, console, viewport={"width": width, "height": 900}) as tab:
        assert (tab.faults(), tab.too_wide()) == ([], 0)
        upload(tab, path)
        assert (tab.faults(), tab.too_wide()) == ([], 0)
        button = tab.page.locator("tbody button").first.bounding_box()
        assert button is not None
        assert button["x"] + button["width"] <= width, "it is seen without scrolling"
        tab.page.goto(console.origin)
        assert (tab.faults(), tab.too_wide()) == ([], 0)
        tab.page.goto(f"{console.origin}/drafts/{'0' * 32}/file")
        assert (tab.faults(), tab.too_wide()) == ([], 0)
        complaints = [each for each in tab.complaints if "404" not in each]
        assert complaints == []


def test_without_scripts_everything_works_by_forms(
    real_browser: Browser, console: LiveConsole, leads: Path
) -> None:
    with open_tab(real_browser, console, java_script_enabled=False) as tab:
        tab.page.set_input_files("#file", leads)
        tab.page.click("text=Upload")
        tab.page.wait_for_url("**/file")
        tab.page.select_option("#delimiter", ",")
        tab.page.click("text=Read it so")
        assert headers(tab) == ["Név;Telefon"]
        tab.page.select_option("#delimiter", "")
        tab.page.click("text=Read it so")
        tab.page.locator("tbody button").first.click()
        assert headers(tab) == ["Titkos Ügyfél", "0619997400"]
        assert tab.complaints == []
