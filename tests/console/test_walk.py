"""The whole way in a real browser, with the console killed in the middle of sending."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from importer.console.instance import Link
from tests.support.console_import import KEY
from tests.support.live_browser import Tab, chromium, open_tab
from tests.support.live_console import SECONDS, LiveConsole
from tests.support.live_sandbox import LiveSandbox, live_sandbox

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"http://127\.0\.0\.1:\d+/open\?token=\S+")


@contextmanager
def command(folder: Path) -> Iterator[tuple[subprocess.Popen[str], LiveConsole]]:
    """The command as a person starts it, in a process of its own, which is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "importer", "console", "--no-open"],
        cwd=folder,
        env={**os.environ, "VCC_CUSTOMER": "acme", "VCC_API_KEY": KEY, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            words = ""
            while "Ctrl-C" not in words:
                line = process.stdout.readline()
                assert line, words
                words += line
            opening = Path(words.rpartition("leads there: ")[2].splitlines()[0])
            yield process, LiveConsole(Link(LINK.findall(words)[0], opening, new=True))
        finally:
            process.kill()


def look(tab: Tab) -> None:
    """The page as it is now is without fault."""
    assert tab.faults() == []
    assert tab.too_wide() <= 0
    assert KEY not in tab.page.content()


def go_on(tab: Tab, link: str, step: str) -> None:
    tab.page.get_by_role("link", name=link).click()
    tab.page.wait_for_url(f"**/{step}")


def plan(tab: Tab, service: LiveSandbox) -> None:
    """Make the plan, with every new value that the project would get."""
    page = tab.page
    page.get_by_text("Another project or address").click()
    page.get_by_label("Address of the service").fill(service.base_url)
    page.get_by_role("button", name="Keep").click()
    tab.says(".where", service.base_url)
    page.get_by_role("button", name="Make the plan").click()
    page.locator("button[name=others]").click()
    tab.says("#step", "What would happen")
    look(tab)


def mend(tab: Tab) -> int:
    """Mend three cells by the keyboard, and give how many rows are ready then."""
    page = tab.page
    ready = page.locator("#fix-verdict .figures .good dd")
    before = int(ready.inner_text())
    for column, text in (
        ("Phone", "06 30 777 0001"),
        ("Name", "Kovács Mária"),
        ("Born", "1980-03-04"),
    ):
        field = page.get_by_label(re.compile(rf"\b{column}\b")).and_(
            page.locator("table.fixing [aria-invalid=true]")
        )
        field.first.fill(text)
        field.first.press("Enter")
        before += 1
        tab.says("#fix-verdict .figures .good dd", str(before))
    return before


@pytest.fixture
def service() -> Iterator[LiveSandbox]:
    """A service that takes its time, so that the console can be killed while it sends."""
    with live_sandbox(customer="acme", api_key=KEY, latency="250ms", log_requests=True) as live:
        yield live


def test_a_list_goes_the_whole_way_though_the_console_is_killed(
    service: LiveSandbox, tmp_path: Path
) -> None:
    mapping = (ROOT / "mappings" / "messy.yaml").read_text("utf-8")
    mapping = mapping.replace("../samples/", f"{(ROOT / 'samples').as_posix()}/")
    mapping += "stamp: import_ref\n"  # by which records are found again
    with chromium() as browser:
        with command(tmp_path) as (process, console), open_tab(browser, console) as tab:
            page = tab.page
            page.set_input_files("#file", ROOT / "samples" / "messy.xlsx")
            page.wait_for_url("**/file")
            look(tab)
            place = page.url.rpartition("/")[0].removeprefix(console.origin)
            go_on(tab, "Go on to the columns", "columns")
            if not page.locator("#text").is_visible():
                page.locator("details:has(#text) > summary").click()
            page.fill("#text", mapping)
            page.get_by_role("button", name="Keep it").click()
            tab.has(".notice.bad", 0)
            look(tab)
            go_on(tab, "Go on: check and fix", "fix")
            ready = mend(tab)
            look(tab)
            go_on(tab, "Go on to the plan", "plan")
            plan(tab, service)
            go_on(tab, "Go on to sending", "send")
            page.get_by_role("button", name="Send the first 5").click()
            tab.says("#step", "The first rows are in the service as they were sent")
            look(tab)
            page.get_by_role("button", name="Send the rest").click()
            end = time.monotonic() + SECONDS
            while len(service.records(134)) < 12:
                assert time.monotonic() < end
                time.sleep(0.005)
            process.kill()
            process.wait(SECONDS)
            assert len(service.records(134)) < ready, "it was killed too late to show anything"
        with command(tmp_path) as (_, console), open_tab(browser, console) as tab:
            page = tab.page
            page.goto(f"{console.origin}{place}/send")
            tab.says("#verdict", "It was stopped or cut off")
            look(tab)
            page.get_by_role("button", name="Go on").click()
            tab.says("#step", "All was sent, but of")
            go_on(tab, "To the result", "result")
            tab.says("#step", "may have arrived")
            look(tab)
            page.get_by_role("button", name="Look for them in the call centre").click()
            tab.says("#verdict", "found")
            # Requests that had not left when it was killed: the service may take a late one for
            # two minutes still, so that the page lets nobody send them by itself. This one is ours.
            absent = page.get_by_role("button", name="It is surely not there")
            while left := absent.count():
                absent.first.click()
                tab.has("button[value=absent]", left - 1)
            if page.get_by_role("link", name="Go on with the sending").count():
                go_on(tab, "Go on with the sending", "send")
                page.get_by_role("button", name=re.compile("^(Go on|Send the rest)$")).click()
                tab.says("#step", "All is sent")
                go_on(tab, "To the result", "result")
            tab.says("#became + .figures .good dd", str(ready))
            look(tab)
            assert tab.complaints == []
    # Whatever was in flight when it was killed was looked for, and sent at most once.
    sent = Counter(request.sha256 for request in service.requests())
    assert max(sent.values()) == 1
    names = [record["form"]["contact_id"] for record in service.records(134)]
    assert len(names) == ready
    assert "Kovács Mária" in [record["form"]["name"] for record in service.records(134)]
