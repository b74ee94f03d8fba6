"""The step that checks and fixes: what it shows, what it mends, and how it keeps pages in step."""

from __future__ import annotations

import re
import time

import pytest

from importer import library
from importer.console.drafts import Drafts
from tests.support.live_console import SECONDS, Browser, Page

MAPPING = """\
version: 1
form:
  name: {column: Name, required: true}
  city: {column: City, choices: [Pécs, Győr]}
contacts:
  1: {phone: {column: Phone, region: HU}}
"""
HEADERS = ("Name", "City", "Phone", "Note")
NAME, CITY, PHONE, NOTE = range(4)


pytestmark = pytest.mark.usefixtures("nobody")


def list_of(*rows: tuple[str, str, str]) -> str:
    return "Name,City,Phone,Note\n" + "".join(f"{','.join(row)},x\n" for row in rows)


LIST = list_of(
    ("Ann", "Pécs", "06 30 123 4567"),
    ("Bob", "Pecs", "06 30 123 4568"),
    ("Cid", "Pecs", "12"),
    ("Dot", "Győr", "06 30 123 4570"),
)


class Fixing:
    """The step of one draft, as a browser with or without scripts sees it."""

    def __init__(self, browser: Browser, drafts: Drafts, text: str = LIST, mapping: str = MAPPING):
        self.browser = browser
        self.id = browser.draft_id("leads.csv", text.encode())
        drafts.set_mapping(self.id, mapping)
        self.drafts = drafts
        self.csrf = browser.csrf
        self.address = f"/drafts/{self.id}/fix"

    def page(self, query: str = "") -> Page:
        end = time.monotonic() + SECONDS
        while True:
            page = self.browser.get(f"{self.address}{query}")
            if "is being checked" not in page.words:
                return page
            assert time.monotonic() < end

    def post(self, part: str, **form: object) -> Page:
        given = {name: str(value) for name, value in form.items()}
        return self.browser.post(f"{self.address}/{part}", {"csrf": self.csrf, **given})

    def exchange(self, before: Page, part: str, **form: object) -> Page:
        """What htmx gets, from a page that shows what `before` does."""
        marks = re.findall(r'id="([^"]+)" data-mark="([^"]+)"', before.text)
        found = re.search(r'data-columns="([\d,]+)"', before.text)
        given = {name: str(value) for name, value in form.items()}
        given |= {"marks": ",".join(f"{name}={mark}" for name, mark in marks)}
        given |= {"columns": found[1] if found else "", "csrf": self.csrf}
        return self.browser.post_part(f"{self.address}/{part}", given)

    def cell(self, page: Page, row: int, column: int) -> dict[str, object]:
        """The fields that name a cell, as the page has them."""
        found = re.search(
            rf'name="row" value="{row}"><input type="hidden" name="column" value="{column}">'
            r'<input type="hidden" name="key" value="(\w+)">',
            page.text,
        )
        assert found is not None, page.words
        return {"row": row, "column": column, "key": found[1]}

    def edits(self) -> list[str]:
        path = self.drafts.open(self.id).edits
        return path.read_text("utf-8").splitlines() if path.exists() else []

    def checked(self) -> library.Rechecked:
        draft = self.drafts.open(self.id)
        return library.check(  # type: ignore[return-value]
            draft.file, draft.mapping, edits=draft.edits if draft.edits.exists() else None
        )


@pytest.fixture
def fixing(browser: Browser, drafts: Drafts) -> Fixing:
    return Fixing(browser, drafts)


def rows_of(page: Page) -> list[int]:
    return [int(row) for row in re.findall(r'<tr id="row-(\d+)"', page.text)]


def test_the_verdict_comes_first_then_the_rows_that_are_wrong(fixing: Fixing) -> None:
    page = fixing.page()
    assert page.status == 200
    assert "2 of 4 rows need mending" in page.words
    assert rows_of(page) == [3, 4]
    assert page.words.index("need mending") < page.words.index("Bob")
    assert "Ann" not in page.words


def test_a_cell_is_mended_without_scripts(fixing: Fixing) -> None:
    page = fixing.page()
    answer = fixing.post("cell", text="Pécs", **fixing.cell(page, 3, CITY))
    assert (answer.status, answer.headers["location"]) == (303, f"{fixing.address}#row-3")
    page = fixing.page()
    assert "1 of 4 rows needs mending" in page.words
    assert rows_of(page) == [4]


def test_with_scripts_only_what_is_another_is_exchanged(fixing: Fixing) -> None:
    page = fixing.page()
    answer = fixing.exchange(page, "cell", text="06301234569", **fixing.cell(page, 4, PHONE))
    assert answer.status == 200, answer.words
    assert rows_of(answer) == [4]
    assert "2 of 4 rows need mending" in answer.words
    answer = fixing.exchange(page, "cell", text="Győr", **fixing.cell(page, 4, CITY))
    assert "1 of 4 rows needs mending" in answer.words
