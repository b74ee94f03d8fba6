"""How a list is read: found by looking, chosen otherwise, and refused in the page's own words."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from openpyxl import Workbook

from importer.console.drafts import Draft, Drafts
from tests.support.live_console import Browser, Page

Ask = Callable[[str, Mapping[str, str]], Page]
LIST = "Név;Telefon\nÁrvíztűrő;0619997400\nBea;0619997401\n"


def draft_at(state_dir: Path, place: str) -> Draft:
    return Drafts(state_dir / "console" / "drafts").open(place.split("/")[2])


def workbook(sheets: Mapping[str, list[list[str]]]) -> bytes:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def table(page: Page) -> list[list[str]]:
    """The headers and first rows as a person sees them, with the numbers of the rows."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.text, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[re.sub(r"<[^>]*>", "", cell).strip() for cell in row] for row in cells]


def columns(page: Page) -> list[str]:
    return table(page)[0][1:]


@pytest.fixture(params=["page", "part"])
def ask(request: pytest.FixtureRequest, browser: Browser) -> Ask:
    """Send a form as a browser does, or as htmx does, and give what is shown then."""

    def send(place: str, form: Mapping[str, str]) -> Page:
        if request.param == "part":
            answer = browser.post_part(place, form)
            assert answer.status == 200, answer.words
            assert "<html" not in answer.text
            return answer
        answer = browser.post(place, form)
        if answer.status == 303:
            assert answer.headers["location"] == place
            return browser.get(place)
        assert answer.status == 422, answer.words
        assert "<html" in answer.text
        return answer

    return send


def test_what_was_found_is_shown_with_the_first_rows(browser: Browser) -> None:
    page = browser.get(browser.draft("leads.csv", LIST.encode("cp1250")))
    assert table(page)[0][1:] == ["Név", "Telefon"]
    assert [[row[0].split()[0], *row[1:]] for row in table(page)[1:]] == [
        ["2", "Árvíztűrő", "0619997400"],
        ["3", "Bea", "0619997401"],
    ]
    for words in ("text file, 48 bytes", "found: Windows 1250", "found: semicolon", "found: row 1"):
        assert words in page.words, words


def test_a_part_is_what_the_page_holds(browser: Browser) -> None:
    place = browser.draft("leads.csv", LIST.encode())
    part, page = browser.post_part(place), browser.get(place)
    assert part.text.lstrip().startswith("<form")
    assert part.text.count("<form") == 1
    assert table(part) == table(page)


@pytest.mark.parametrize(
    ("choice", "headers"),
    [
        ({"delimiter": ","}, ["Név;Telefon"]),
        ({"encoding": "cp1251"}, ["NГ©v", "Telefon"]),
        ({"header_row": "2"}, ["Árvíztűrő", "0619997400"]),
        ({"header_row": " 2 "}, ["Árvíztűrő", "0619997400"]),
        ({"delimiter": ";", "encoding": "utf-8", "header_row": "1"}, ["Név", "Telefon"]),
    ],
)
def test_a_choice_is_seen_at_once_and_kept(
    browser: Browser, ask: Ask, choice: dict[str, str], headers: list[str]
) -> None:
    place = browser.draft("leads.csv", LIST.encode())
    assert columns(ask(place, choice)) == headers
    assert columns(browser.get(place)) == headers
    assert columns(ask(place, {})) == ["Név", "Telefon"], "blank is found by looking again"


def test_a_sheet_is_chosen_by_its_number_whatever_its_name(browser: Browser, ask: Ask) -> None:
    names = ["Leads", "2", "<b>Lap<b>", "=1+1"]
    content = workbook({name: [["Name", f"on {name}"], ["Anna", "x"]] for name in names})
    place = browser.draft("leads.xlsx", content)
    assert columns(browser.get(place)) == ["Name", "on Leads"]
    for number, name in enumerate(names, 1):
        page = ask(place, {"sheet_number": str(number)})
        assert [html.unescape(header) for header in columns(page)] == ["Name", f"on {name}"]
        assert re.findall(r'<option value="(\d*)" selected>', page.text) == [str(number)]
        assert "<b>" not in page.text
    assert columns(ask(place, {"sheet_number": ""})) == ["Name", "on Leads"]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"header_row": "0"}, "the header row is given by its number"),
        ({"header_row": "-1"}, "the header row is given by its number"),
        ({"header_row": "1.5"}, "the header row is given by its number"),
        ({"header_row": "\u0662"}, "the header row is given by its number"),
        ({"header_row": "9" * 30}, "the header row is given by its number"),
        ({"header_row": "99"}, "99"),
        ({"sheet_number": "x"}, "the sheet is given by its number"),
        ({"header_row": "3"}, "no data below the header"),
        ({"encoding": "cp1252"}, "line 2 has bytes that are not cp1252"),
        ({"delimiter": "ab"}, "more than one character"),
        ({"delimiter": '"'}, "delimiter"),
        ({"encoding": "klingon"}, "klingon"),
        ({"encoding": "utf-16"}, "utf-16"),
        ({"encoding": "<script>"}, "<script>"),
        ({"encoding": "../../x"}, "../../x"),
        ({"encoding": "base64"}, "base64"),
        ({"encoding": "\0"}, "encoding"),
    ],
)
def test_what_cannot_be_is_said_beside_the_choice_and_not_kept(
    browser: Browser, state_dir: Path, ask: Ask, choice: dict[str, str], said: str
) -> None:
    place = browser.draft("leads.csv", LIST.encode())
    before = draft_at(state_dir, place)
    page = ask(place, choice)
    assert said.lower() in page.words.lower()
    assert columns(page) == ["Név", "Telefon"], "the list is shown as it was read before"
    assert draft_at(state_dir, place) == before
    assert not re.search(r"--[a-z]", page.words), "no options of a command"
    assert str(state_dir) not in page.text
    assert "<script>" not in page.text.replace('<script src="', "")


TOLD = {
    "no header.csv": (b"0619997400\n0619997401\n", "at “Header row”"),
    "one column.csv": (b"Name~Phone\nAnna~0619997400\nBea~0619997401\n", "at “Delimiter”"),
    "two sheets.xlsx": (
        workbook({"A": [["Name", "Phone"], ["Anna", "1"]], "B": [["Name", "Phone"], ["Bea", "2"]]}),
        "Choose another at “Sheet”",
    ),
    "two readings.csv": (
        b"Name;City;Phone\r\nAnna Kiss;Gy\xf5r;06301234567\r\n",
        "“Windows 1250: Central",
    ),
    "mixed.csv": (
        ("Név\n" + "Őry\n" * 50).encode() + "Őry\n".encode("cp1250"),
        "No encoding helps",
    ),
    "empty.xlsx": (workbook({"Leads": []}), "is empty"),
    "damaged.xlsx": (workbook({"Leads": [["Name"], ["Anna"]]})[:-100], "damaged or cut short"),
    "image.csv": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "this is an image"),
    "twice.csv": (b"Name,Name,Phone\nAnna,Anna,0619997400\n", "stands 2 times"),
}


@pytest.mark.parametrize("name", TOLD)
def test_messages_speak_of_the_page_not_of_the_command(
    browser: Browser, state_dir: Path, name: str
) -> None:
    content, words = TOLD[name]
    page = browser.get(browser.draft(name, content))
    assert page.status == 200
    assert words in page.words
    assert not re.search(r"(^|[^\w-])--[a-z]|vcc-import|source:", page.words), page.words
    assert str(state_dir) not in page.text


def test_wide_and_long_lists_are_shown_in_part(browser: Browser) -> None:
    header = ",".join(f"column {number}" for number in range(2000))
    rows = "".join(f"{'x' * 500},{number}\n" for number in range(1000))
    page = browser.get(browser.draft("wide.csv", f"{header}\n{rows}".encode()))
    assert "2000 columns, 60 of them shown" in page.words
    assert len(columns(page)) == 60
    assert len(table(page)) == 13
    assert len(page.body) < 200_000


def test_a_choice_that_was_made_meanwhile_in_another_tab_is_what_counts(browser: Browser) -> None:
    place = browser.draft("leads.csv", LIST.encode())
    browser.post(place, {"header_row": "2"})
    assert columns(browser.get(place)) == ["Árvíztűrő", "0619997400"]
    browser.post_part(place, {"delimiter": ","})
    assert columns(browser.get(place)) == ["Név;Telefon"]


def test_a_draft_that_was_removed_in_another_tab_is_said(browser: Browser) -> None:
    place = browser.draft("leads.csv", LIST.encode())
    browser.post(place.replace("/file", "/remove"))
    for answer in (browser.get(place), browser.post(place), browser.post_part(place)):
        assert answer.status == 404
        assert "begin at the start" in answer.words
