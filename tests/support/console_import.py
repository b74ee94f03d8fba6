"""A draft of the console that is ready to be planned and sent, as a browser takes it there."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from importer import library
from importer.console.drafts import Drafts
from tests.support.live_console import SECONDS, Browser, Page
from tests.support.live_sandbox import LiveSandbox

KEY = "a-key-that-no-page-may-show"
MAPPING = """\
version: 1
form:
  name: Name   # as they call themselves
  note: Note
contacts:
  1: {phone: {column: Phone, region: HU}}
"""


def list_of(rows: int) -> str:
    """A list of so many people, of whom no two have a name or a number in common."""
    people = (f"Person {n},Note {n},06 30 1{n:06}\n" for n in range(rows))
    return "Name,Note,Phone\n" + "".join(people)


def draft_of(browser: Browser, drafts: Drafts, text: str, mapping: str = MAPPING) -> str:
    """The id of a draft of a list, with a mapping."""
    draft_id = browser.draft_id("leads.csv", text.encode())
    drafts.set_mapping(draft_id, mapping)
    return draft_id


def goes_to(browser: Browser, draft_id: str, service: LiveSandbox, project: int = 134) -> None:
    """Choose a service for a draft."""
    form = {"place": "service", "project": str(project), "base_url": service.base_url}
    assert browser.post(f"/drafts/{draft_id}/place", form).status == 303


def settled(browser: Browser, address: str) -> Page:
    """A page once nothing is under way in it any more."""
    return shown(browser, address, lambda page: "data-events" not in page.text)


def shown(browser: Browser, address: str, wanted: Callable[[Page], bool]) -> Page:
    """A page once it is as it is wanted."""
    end = time.monotonic() + SECONDS
    while True:
        page = browser.get(address)
        assert KEY not in page.text
        if wanted(page):
            return page
        assert time.monotonic() < end, page.words
        time.sleep(0.05)


def planned(browser: Browser, draft_id: str, **form: str) -> Page:
    """The page of the plan once a planning has ended."""
    answer = browser.post(f"/drafts/{draft_id}/plan", form)
    assert answer.status == 303, answer.words
    return settled(browser, f"/drafts/{draft_id}/plan")


def order(browser: Browser, address: str, what: str, **more: str) -> Page:
    """The answer to a button of the send step."""
    drafts = Drafts(Path(os.environ["VCC_STATE_DIR"]) / "console" / "drafts")
    plan_dir = drafts.open(address.split("/")[2]).plan_dir
    assert plan_dir is not None
    plan = library.read_plan(plan_dir)
    return browser.post(address, {"plan_id": plan.id, "what": what, **more})


def sent(browser: Browser, address: str, what: str, **more: str) -> Page:
    """The send step once what was ordered has ended."""
    answer = order(browser, address, what, **more)
    assert answer.status == 303, answer.words
    return settled(browser, address)


@contextmanager
def stream(browser: Browser, address: str, page: str) -> Iterator[http.client.HTTPResponse]:
    """The events that a page is told, until it is gone."""
    connection = http.client.HTTPConnection("127.0.0.1", browser.console.port, timeout=SECONDS)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    connection.request("GET", f"{address}/events?page={page}", headers=headers)
    with closing(connection), connection.getresponse() as answer:
        assert answer.status == 200
        yield answer
