"""The step that checks and fixes: what it shows, what it mends, and how it keeps pages in step."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer import library
from importer.console.downloads import disposition
from importer.console.drafts import Draft, Drafts
from importer.console.fix_step import as_typed, key_of
from importer.console.target import Targets
from importer.console.work import OpenList, OpenLists
from importer.errors import SourceError
from importer.library import Overlay, Rechecked, StopSwitch
from importer.model import Checkup
from importer.settings import SourceOptions
from tests.support.examples import examples
from tests.support.live_console import SECONDS, Browser, LiveConsole, Page, live_console

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

    def __init__(
        self, browser: Browser, drafts: Drafts, text: str = LIST, mapping: str = MAPPING
    ) -> None:
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

    def checked(self) -> Checkup:
        """What a check from the beginning finds, with the edits that are on the disk."""
        draft = self.drafts.open(self.id)
        return library.check(
            draft.file,
            draft.mapping,
            reading=draft.reading,
            edits=draft.edits if draft.edits.exists() else None,
        )


@pytest.fixture
def fixing(browser: Browser, drafts: Drafts) -> Fixing:
    return Fixing(browser, drafts)


def rows_of(page: Page) -> list[int]:
    return [int(row) for row in re.findall(r'<tr id="row-(\d+)"', page.text)]


def figures(page: Page) -> tuple[int, ...]:
    """Ready, to be mended, left out, and all rows, as the page says."""
    found = re.findall(r"<dt>[^<]+</dt><dd>([\d,]+)</dd>", page.text)
    return tuple(int(figure.replace(",", "")) for figure in found)


def kinds_of(page: Page) -> dict[str, int]:
    part = re.search(r'<ul class="kinds">(.*?)</ul>', page.text, re.DOTALL)
    assert part is not None, page.words
    found = re.findall(
        r'href="[^"]*?/fix(?:\?kind=(\w+))?".*?figure">([\d,]+)<', part[1], re.DOTALL
    )
    return {key: int(number.replace(",", "")) for key, number in found}


def test_the_verdict_comes_first_then_the_rows_that_are_wrong(fixing: Fixing) -> None:
    page = fixing.page()
    assert page.status == 200
    assert "2 of 4 rows need mending" in page.words
    assert figures(page) == (2, 2, 0, 4)
    assert kinds_of(page) == {"": 2, "not_a_choice": 2, "bad_phone": 1}
    assert rows_of(page) == [3, 4]
    assert page.words.index("need mending") < page.words.index("Bob")
    assert "Ann" not in page.words
    assert 'did you mean "Pécs"?' in page.words
    assert "Note" not in re.findall(r'<th scope="col">([^<]+)', page.text), "nothing reads it"


def test_what_is_to_be_known_of_the_list_is_told_beside_rows_of_the_same_kind(
    browser: Browser, drafts: Drafts
) -> None:
    codes = [f"{123456789012345 + n}000" for n in range(30)]
    rows = "".join(f"{code},+3630123{n:04}\n" for n, code in enumerate(codes))
    text = f"Account,Phone\n{rows}7,3.63012E+10\n"
    mapping = "version: 1\nregion: HU\nform: {account: Account}\ncontacts: {1: {phone: Phone}}\n"
    fixing = Fixing(browser, drafts, text, mapping)
    assert "have cut their last digits off" in fixing.page().words.replace("has cut", "have cut")


def test_a_problem_of_several_columns_says_of_what_it_is(browser: Browser, drafts: Drafts) -> None:
    text = "First,Last,Phone\n,,+36 30 123 4567\nAnn,Orr,+36 30 123 4568\n"
    rules = "full name: {columns: [First, Last], required: true}"
    mapping = f"version: 1\nform: {{{rules}}}\ncontacts: {{1: {{phone: Phone}}}}\n"
    fixing = Fixing(browser, drafts, text, mapping)
    page = fixing.page()
    for column in (0, 1):  # it can be mended in each
        assert fixing.cell(page, 2, column)
    assert re.search(r"(First[^:]*|full name): A value is required", page.words), page.words


def test_rows_are_narrowed_down_to_a_kind_of_problem(fixing: Fixing) -> None:
    assert rows_of(fixing.page("?kind=bad_phone")) == [4]
    assert rows_of(fixing.page("?kind=nothing_such")) == []
    assert "There are no rows of this kind" in fixing.page("?kind=nothing_such").words


def test_a_cell_is_mended_without_scripts(fixing: Fixing) -> None:
    page = fixing.page()
    answer = fixing.post("cell", text="Pécs", **fixing.cell(page, 3, CITY))
    assert (answer.status, answer.headers["location"]) == (303, f"{fixing.address}#row-3")
    page = fixing.page()
    assert "1 of 4 rows needs mending" in page.words
    assert rows_of(page) == [4]
    assert fixing.drafts.open(fixing.id).file.read_text("utf-8") == LIST, "the file is as it came"


def test_with_scripts_only_what_is_another_is_exchanged(fixing: Fixing) -> None:
    page = fixing.page()
    answer = fixing.exchange(page, "cell", text="06301234569", **fixing.cell(page, 4, PHONE))
    assert answer.status == 200, answer.words
    assert rows_of(answer) == [4]
    assert "Row 4, Phone: “12” → “06301234569”. 2 of 4 rows need mending." in answer.words
    answer = fixing.exchange(page, "cell", text="Győr", **fixing.cell(page, 4, CITY))
    assert "1 of 4 rows needs mending" in answer.words
    assert 'id="fix-verdict"' in answer.text
    assert 'id="fix-pager"' not in answer.text
    again = fixing.exchange(fixing.page(), "look")
    assert "data-mark" not in again.text


def test_a_row_that_is_mended_stays_where_it_is_until_the_page_is_left(fixing: Fixing) -> None:
    page = fixing.page()
    answer = fixing.exchange(page, "cell", text="Pécs", **fixing.cell(page, 3, CITY))
    assert 3 in rows_of(answer)
    assert "ready" in answer.words
    assert "mended" in answer.words
    assert rows_of(fixing.page()) == [4]


def test_a_value_is_mended_wherever_it_stands(fixing: Fixing) -> None:
    page = fixing.page()
    assert "City: “Pecs”, 2 times →" in page.words
    answer = fixing.exchange(page, "cell", text="Pécs", all=2, **fixing.cell(page, 3, CITY))
    assert "City, wherever it stands: “Pecs” → “Pécs”" in answer.words
    assert figures(answer) == (3, 1, 0, 4)
    assert kinds_of(fixing.page()) == {"": 1, "bad_phone": 1}
    assert len(fixing.edits()) == 1


def test_as_many_cells_are_mended_as_were_shown_or_none(fixing: Fixing) -> None:
    page = fixing.page()
    answer = fixing.post("cell", text="Pécs", all=14, **fixing.cell(page, 3, CITY))
    assert answer.status == 422
    assert '2 cells hold "Pecs", and not 14' in answer.words
    assert fixing.edits() == []


def test_a_row_is_left_out_and_taken_back(fixing: Fixing) -> None:
    page = fixing.page()
    answer = fixing.exchange(page, "leave-out", row=4)
    assert figures(answer) == (2, 1, 1, 4)
    assert "left out by you" in answer.words
    assert rows_of(fixing.page()) == [3]
    page = fixing.page("?kind=left_out_by_hand")
    assert rows_of(page) == [4]
    assert 'name="text"' not in page.text.partition("<tbody>")[2].partition("</tbody>")[0]
    answer = fixing.exchange(page, "take-back", row=4)
    assert figures(answer) == (2, 2, 0, 4)
    assert fixing.post("take-back", row=4).status == 422
    assert fixing.post("leave-out", row=1).status == 422


def test_edits_are_undone_one_by_one_with_words_of_what_they_were(fixing: Fixing) -> None:
    page = fixing.page()
    fixing.exchange(page, "cell", text="Pécs", all=2, **fixing.cell(page, 3, CITY))
    fixing.exchange(page, "leave-out", row=5)
    page = fixing.page()
    assert "Row 5 left out" in page.words
    numbers = re.findall(r'name="edit" value="(\d+)"', page.text)
    assert numbers == ["2", "1"], "the last one first"
    answer = fixing.exchange(page, "undo", edit=1)
    assert "Undone: City, wherever it stands: “Pecs” → “Pécs”" in answer.words
    assert figures(answer) == (1, 2, 1, 4)
    answer = fixing.exchange(fixing.page(), "undo", edit=2)
    assert figures(answer) == (2, 2, 0, 4)
    assert fixing.post("undo", edit=2).status == 422
    assert 'name="edit"' not in fixing.page().text


def test_an_edit_on_which_another_rests_is_not_undone(fixing: Fixing) -> None:
    page = fixing.page()
    fixing.exchange(page, "cell", text="Pecs2", **fixing.cell(page, 3, CITY))
    page = fixing.page()
    fixing.exchange(page, "cell", text="Pécs", **fixing.cell(page, 3, CITY))
    answer = fixing.exchange(page, "undo", edit=1)
    assert answer.status == 422
    assert "“Row 3, City: “Pecs2” → “Pécs””, which was made later, rests on it" in answer.words


def test_two_tabs_lose_no_edit_and_see_each_others(fixing: Fixing) -> None:
    first, second = fixing.page(), fixing.page()
    fixing.exchange(first, "cell", text="Pécs", **fixing.cell(first, 3, CITY))
    answer = fixing.exchange(second, "cell", text="Győr", **fixing.cell(second, 3, CITY))
    assert answer.status == 422, "that cell is another by now"
    assert "the cell holds “Pécs” by now" in answer.words
    assert 3 in rows_of(answer), "and is shown as it is"
    answer = fixing.exchange(second, "cell", text="061", **fixing.cell(second, 4, PHONE))
    assert rows_of(answer) == [3, 4], "what the other tab did is seen at the next exchange"
    assert len(fixing.edits()) == 2


def test_edits_of_many_tabs_at_once_are_all_made(browser: Browser, drafts: Drafts) -> None:
    rows = [(f"A{n}", "Pecs", f"06 30 123 {4500 + n}") for n in range(24)]
    fixing = Fixing(browser, drafts, list_of(*rows))
    page = fixing.page()
    answers: list[Page] = []

    def mend(row: int) -> None:
        form = fixing.cell(page, row, CITY)
        answers.append(fixing.exchange(page, "cell", text="Pécs", **form))

    threads = [threading.Thread(target=mend, args=(row,)) for row in range(2, 26)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {200}
    assert len(fixing.edits()) == 24
    assert "Ready to import: 24 rows" in fixing.page().words


def test_pages_are_of_a_hundred_rows_and_hold_no_more(browser: Browser, drafts: Drafts) -> None:
    rows = [(f"A{n}", "Pecs" if n % 2 else "Pécs", f"06 30 1{n:06}") for n in range(500)]
    fixing = Fixing(browser, drafts, list_of(*rows))
    page = fixing.page()
    wrong = list(range(3, 502, 2))
    assert rows_of(page) == wrong[:100]
    following = re.search(r'from=(\d+)">Rows after', page.text)
    assert following is not None
    page = fixing.page(f"?from={following[1]}")
    assert rows_of(page) == wrong[100:200]
    assert "Rows before (100)" in page.words
    assert "Rows after (50)" in page.words
    previous = re.search(r'from=(\d+)">Rows before', page.text)
    assert previous is not None
    assert rows_of(fixing.page(f"?from={previous[1]}")) == wrong[:100]
    # A page that names more than one shows is given no more.
    marks = ",".join(f"row-{n}=x" for n in range(2, 502))
    form = {"marks": marks, "columns": "1,0,2", "csrf": fixing.csrf}
    answer = browser.post_part(f"{fixing.address}/look", form)
    assert len(rows_of(answer)) <= 300


def test_any_row_can_be_opened_with_all_its_cells(fixing: Fixing) -> None:
    page = fixing.page("?row=2")
    assert rows_of(page) == [2]
    assert fixing.post("cell", text="", **fixing.cell(page, 2, NAME)).status == 303
    assert "A value is required" in fixing.page("?row=2").words
    columns = re.search(r'data-columns="([\d,]+)"', page.text)
    assert columns is not None
    part = fixing.browser.get_part(f"{fixing.address}/row?open=5&kind=x&columns={columns[1]}")
    assert rows_of(part) == [5]
    assert part.text.count('name="text"') == 3
    assert "kind=x" in part.text, "its forms come back to the page that it is in"
    assert "The list has no row 99" in fixing.page("?row=99").words

    back = re.search(r'<a id="shut-5"[^>]*hx-get="([^"]+)"', part.text)
    assert back is not None
    shut = fixing.browser.get_part(f"{html.unescape(back[1])}&columns={columns[1]}")
    assert rows_of(shut) == [5]
    assert 'name="text"' not in shut.text


FATES = """\
version: 1
form: {name: Name}
contacts:
  1: {phone: {column: Phone, region: HU}}
  spread: {column: "Others, all", region: HU, split: [";"]}
rows:
  unique: [form.name]
  skip_when: [{column: Call, in: [never]}]
"""
FATED = (
    'Name,Phone,"Others, all",Call\n'
    "Ann,+36 30 123 4560,,never\nBob,+36 30 123 4561,,never\nCid,+36 30 123 4562,,\n"
    "Dan,+36 30 123 4563,,\nEve,,,\n"
)


def test_what_is_no_error_is_not_offered_as_a_wrong_value(browser: Browser, drafts: Drafts) -> None:
    fixing = Fixing(browser, drafts, FATED, FATES)
    page = fixing.page("?kind=filtered")
    assert rows_of(page) == [2, 3]
    assert "Left out by a rule of the columns 2" in page.words
    assert "wrong value" not in page.words
    assert "in several rows" not in page.words
    assert "the mapping" not in page.words
    assert "contact 1: phone (Phone): " in page.words
    assert "contacts." not in page.words


def test_a_row_without_any_phone_is_given_one_in_place(browser: Browser, drafts: Drafts) -> None:
    fixing = Fixing(browser, drafts, FATED, FATES)
    page = fixing.page()
    assert rows_of(page) == [6]
    assert "leave the row out" in page.words
    fixing.cell(page, 6, 2)
    answer = fixing.exchange(page, "cell", text="06301234569", **fixing.cell(page, 6, 1))
    assert figures(answer) == (3, 0, 2, 5)


def test_an_edit_says_what_has_become_of_other_rows(browser: Browser, drafts: Drafts) -> None:
    fixing = Fixing(browser, drafts, FATED, FATES)
    page = fixing.page("?row=4")
    answer = fixing.exchange(page, "cell", text="Dan", **fixing.cell(page, 4, 0))
    assert "Row 5 is left out now: the same as a row before." in answer.words
    answer = fixing.exchange(fixing.page(), "undo", edit=1)
    assert "Row 5 is ready now." in answer.words
    page = fixing.page("?row=2")
    answer = fixing.exchange(page, "cell", text="", all=2, **fixing.cell(page, 2, 3))
    assert "2 rows are ready now." in answer.words


@pytest.mark.parametrize(
    "query",
    ["?row=x", "?from=-1", "?row=99999999999999999999", "?kind=%3Cscript%3E", "?from=%D9%A3"],
)
def test_addresses_of_nonsense_show_the_page(fixing: Fixing, query: str) -> None:
    page = fixing.page(query)
    assert page.status == 200
    assert "<script>" not in page.text.partition("</head>")[2]


@pytest.mark.parametrize(
    "form",
    [
        {"row": "x", "column": "1", "key": "", "text": "a"},
        {"row": "3", "column": "-1", "key": "", "text": "a"},
        {"row": "3", "column": "99", "key": "", "text": "a"},
        {"row": "99", "column": "1", "key": "", "text": "a"},
        {"row": "3", "column": "1", "key": "", "text": "a"},
        {"row": "3", "column": "1", "text": "a"},
        {"row": "3", "column": "1", "key": key_of("Pecs"), "text": "a\0b"},
        {"row": "3", "column": "1", "key": key_of("Pecs"), "text": "a" * 140_000},
        {},
    ],
)
def test_forms_of_nonsense_mend_nothing(fixing: Fixing, form: dict[str, str]) -> None:
    answer = fixing.post("cell", **form)
    assert answer.status == 422, answer.words
    assert fixing.edits() == []
    assert str(fixing.drafts.folder) not in answer.text


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "=cmd|'/c calc'!A0",
    "\x1b[31mred",
    '"><svg onload=alert(1)>',
    "{{ 7 * 7 }}",
    "</textarea><script>",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_stranger_wrote_is_text_in_cells_headers_and_values(
    browser: Browser, drafts: Drafts, text: str
) -> None:
    file = io.StringIO()
    rows = [["Name", text, "Phone"], ["Ann", text, "06301234567"], ["Bob", text, "06301234568"]]
    csv.writer(file).writerows(rows)
    quoted = "'" + text.replace("'", "''") + "'"
    if "\x1b" in text:
        quoted = '"\\x1b[31mred"'
    mapping = f"""\
version: 1
form: {{name: Name, city: {{column: {quoted}, choices: [Pécs]}}}}
contacts: {{1: {{phone: {{column: Phone, region: HU}}}}}}
"""
    fixing = Fixing(browser, drafts, file.getvalue(), mapping)
    page = fixing.page()
    assert rows_of(page) == [2, 3], page.words
    body = page.text.partition("</head>")[2]
    for tag in ("<script", "<img", "<svg"):
        assert tag not in body
    assert "49" not in re.sub(r'[\w-]*="[^"]*"', "", body)
    answer = fixing.exchange(page, "cell", text=f"{text}{text}", **fixing.cell(page, 2, CITY))
    assert answer.status == 200
    for tag in ("<script", "<img", "<svg"):
        assert tag not in answer.text
    if "\x1b" not in text:
        assert text in page.words.replace("</textarea><script>", text)


def test_a_cell_of_several_lines_comes_back_as_it_was(browser: Browser, drafts: Drafts) -> None:
    text = 'Name,City,Phone\nAnn,"\nPé\ncs",06301234567\n'
    fixing = Fixing(browser, drafts, text)
    page = fixing.page()
    assert re.search(r"<textarea[^>]*>\n\nPé\ncs</textarea>", page.text)
    # Forms send line breaks as CR LF.
    answer = fixing.post("cell", text="\r\nPé\r\ncs", **fixing.cell(page, 2, CITY))
    assert answer.status == 303
    assert fixing.edits() == []
    fixing.post("cell", text="\r\nPé\r\ncs!", **fixing.cell(page, 2, CITY))
    assert '"new":"\\nPé\\ncs!"' in fixing.edits()[0]


@given(st.text(alphabet="a\r\n", max_size=6))
def test_a_text_that_a_form_sends_back_unchanged_is_no_edit(held: str) -> None:
    sent = re.sub(r"\r\n|\r|\n", "\r\n", held)
    assert as_typed(sent, held) == held


def test_a_text_that_is_long_is_edited_in_a_row_of_its_own(
    browser: Browser, drafts: Drafts
) -> None:
    fixing = Fixing(browser, drafts, list_of(("Ann", "x" * 5000, "06301234567")))
    page = fixing.page()
    assert rows_of(page) == [2]
    assert "x" * 1001 not in page.text
    assert "x" * 5000 in fixing.page("?row=2").text


def test_before_there_is_a_mapping_the_columns_come_first(browser: Browser) -> None:
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    page = browser.get(f"/drafts/{draft_id}/fix")
    assert "The columns come first" in page.words
    assert f"/drafts/{draft_id}/columns" in page.text


def test_a_mapping_that_does_not_fit_leads_to_the_columns(browser: Browser, drafts: Drafts) -> None:
    mapping = MAPPING.replace("column: Name", "column: Nom")
    page = Fixing(browser, drafts, mapping=mapping).page()
    assert page.status == 422
    assert "Nom" in page.words
    assert "To the columns" in page.words
    assert str(drafts.folder) not in page.text


def test_what_is_being_sent_is_not_mended(fixing: Fixing, tmp_path: Path) -> None:
    page = fixing.page()
    fixing.drafts.change(fixing.id, run_dir=tmp_path / "run")
    assert "This import is being sent already" in fixing.page().words
    assert 'name="text"' not in fixing.page().text
    forms: list[tuple[str, dict[str, object]]] = [
        ("cell", {"text": "Pécs", **fixing.cell(page, 3, CITY)}),
        ("leave-out", {"row": 3}),
        ("take-back", {"row": 3}),
        ("undo", {"edit": 1}),
        ("anew", {}),
    ]
    for part, form in forms:
        answer = fixing.post(part, **form)
        assert (answer.status, "being sent already" in answer.words) == (422, True)
    assert fixing.edits() == []


def test_a_log_that_was_cut_off_is_told_and_gone_on_with(
    fixing: Fixing, console: LiveConsole
) -> None:
    edits = fixing.drafts.open(fixing.id).edits
    whole = (
        '{"op":"set","row":3,"column":"City","index":1,"old":"Pecs","new":"Pécs",'
        '"at":"2026-01-01T00:00:00+00:00"}\n'
    )
    edits.write_text(whole + whole[:30], "utf-8")
    page = fixing.page()
    assert "was not written to its end" in page.words
    assert rows_of(page) == [4]
    fixing.post("leave-out", row=4)
    assert [line[:8] for line in fixing.edits()] == ['{"op":"s', '{"op":"l']


def test_edits_of_the_list_as_it_was_read_before_are_told_and_set_aside(fixing: Fixing) -> None:
    fixing.page()
    fixing.post("leave-out", row=5)
    fixing.drafts.change(fixing.id, reading=SourceOptions(rows=(2, 3)))
    page = fixing.page()
    assert "are not those of the list as it is read now" in page.words
    assert str(fixing.drafts.folder) not in page.text
    assert fixing.post("anew").status == 303
    assert "1 of 2 rows needs mending" in fixing.page().words
    assert list(fixing.drafts.open(fixing.id).folder.glob("edits.before.jsonl"))


def test_a_list_that_is_read_or_mapped_in_another_way_is_opened_anew(fixing: Fixing) -> None:
    assert figures(fixing.page()) == (2, 2, 0, 4)
    fixing.drafts.set_mapping(fixing.id, MAPPING.replace("[Pécs, Győr]", "[Pécs, Győr, Pecs]"))
    assert figures(fixing.page()) == (3, 1, 0, 4)
    fixing.drafts.change(fixing.id, reading=SourceOptions(rows=(2, 3)))
    assert figures(fixing.page()) == (2, 0, 0, 2)


def test_edits_outlast_the_console(fixing: Fixing, console: LiveConsole) -> None:
    page = fixing.page()
    fixing.post("cell", text="Pécs", **fixing.cell(page, 3, CITY))
    with pytest.MonkeyPatch.context():
        checkup = fixing.checked()
    assert checkup.survey.invalid == 1


@pytest.mark.parametrize("kind", ["csv", "xlsx", "html"])
def test_reports_are_those_of_check_with_the_cells_as_mended(fixing: Fixing, kind: str) -> None:
    page = fixing.page()
    fixing.post("cell", text="=1+1", **fixing.cell(page, 3, CITY))
    report = fixing.browser.get(f"{fixing.address}/report.{kind}")
    assert report.status == 200
    assert f'filename="leads-check.{kind}"' in report.headers["content-disposition"]
    assert report.headers["content-disposition"].startswith("attachment;")
    assert report.headers["x-content-type-options"] == "nosniff"
    content = report.body
    if kind == "xlsx":
        with zipfile.ZipFile(io.BytesIO(report.body)) as book:
            content = b"".join(map(book.read, book.namelist()))
    assert b"=1+1" in content
    assert report.body.startswith(b"\xef\xbb\xbf") == (kind == "csv"), "as Excel knows UTF-8"
    assert str(fixing.drafts.folder).encode() not in content
    if kind == "csv":
        rows = list(csv.reader(io.StringIO(report.body.decode("utf-8-sig"))))
        assert {row[0] for row in rows[1:]} == {"leads.csv"}
        assert [row[1] for row in rows[1:]] == ["3", "4", "4"]
        assert not any(cell.startswith("=") for row in rows for cell in row)
    assert fixing.browser.get(f"{fixing.address}/report.exe").status == 404


@pytest.mark.parametrize(
    "name", ["a.csv", 'q"uo\\te.csv', "Ügyfél 名.csv", "a\r\nX: y.csv", "%41;"]
)
def test_a_name_to_save_under_is_one_header(name: str) -> None:
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    plain = re.fullmatch(r"""attachment; filename="[^"\\]*"; filename\*=UTF-8''[\w%.~-]+""", header)
    assert plain is not None


# A list that stays open.


OTHER = "00000000000000000000000000000000"


@pytest.fixture
def draft(drafts: Drafts) -> Draft:
    return made(drafts)


def made(drafts: Drafts, text: str = LIST) -> Draft:
    with drafts.receive("leads.csv") as upload:
        upload.write(text.encode())
        draft = upload.keep()
    return drafts.set_mapping(draft.id, MAPPING)


def lists_in(folder: Path, **bounds: float) -> OpenLists:
    drafts = Drafts(folder / "drafts")
    return OpenLists(drafts, Targets(folder), folder / "runs", **bounds)  # type: ignore[arg-type]


def test_a_newer_edit_overtakes_a_check_that_is_under_way(draft: Draft, tmp_path: Path) -> None:
    async def work() -> None:
        lists = lists_in(tmp_path)
        async with lists.using(draft) as opened:
            await opened.found()
            begun, go_on = threading.Event(), threading.Event()
            checks: list[Overlay] = []
            check = opened.recheck.check

            def slow(edits: Overlay, stop: StopSwitch | None = None) -> Rechecked:
                checks.append(edits)
                if len(checks) == 1:
                    begun.set()
                    assert go_on.wait(SECONDS)
                return check(edits, stop)

            opened.recheck.check = slow  # type: ignore[method-assign]
            opened.log.leave_out(3)
            first = asyncio.create_task(opened.found())
            assert await asyncio.to_thread(begun.wait, SECONDS)
            opened.log.leave_out(4)
            second = asyncio.create_task(opened.found())
            await asyncio.sleep(0)
            go_on.set()
            found = await asyncio.gather(first, second)
            assert found[0] is found[1], "whoever waits for the older one gets the newer"
            assert found[0].edits.left_out.tolist() == [3, 4]
            assert found[0].rechecked.checkup.survey.skipped == 2
        await lists.end()

    asyncio.run(work())


def test_lists_are_closed_when_they_are_idle_too_many_or_at_the_end(
    drafts: Drafts, tmp_path: Path
) -> None:
    async def work() -> None:
        many = [made(drafts) for _ in range(4)]
        lists = lists_in(tmp_path, most=2)
        opened: list[OpenList] = []
        for draft in many:
            async with lists.using(draft) as one:
                opened.append(one)
                await one.found()
        assert len(lists) == 2
        async with lists.using(many[3]) as one:
            assert one is opened[3], "the last ones stay"
        async with lists.using(many[0]) as one:
            assert one is not opened[0]
        await lists.end()
        assert len(lists) == 0
        lists = lists_in(tmp_path, most_rows=5)
        for draft in many[:2]:
            async with lists.using(draft) as one:
                await one.found()
        assert len(lists) == 1
        await lists.end()
        lists = lists_in(tmp_path, idle=0.0)
        async with lists.using(many[0]) as one:
            await one.found()
        await asyncio.sleep(0.01)
        assert len(lists) == 0
        await lists.end()

    asyncio.run(work())
    assert list(tmp_path.glob("**/copy.parquet")) == []


def test_a_list_in_use_is_not_closed_though_its_mapping_is_another(
    drafts: Drafts, draft: Draft, tmp_path: Path
) -> None:
    async def work() -> None:
        lists = lists_in(tmp_path)
        async with lists.using(draft) as one:
            drafts.set_mapping(draft.id, MAPPING + "\n")
            async with lists.using(draft) as two:
                assert one is not two
            one.log.leave_out(3)
            assert (await one.found()).edits.left_out.tolist() == [3]
        await lists.end()

    asyncio.run(work())


def test_why_a_list_cannot_be_opened_is_told_and_it_is_tried_anew(
    drafts: Drafts, draft: Draft, tmp_path: Path
) -> None:
    async def work() -> None:
        lists = lists_in(tmp_path)
        wrong = drafts.change(draft.id, reading=SourceOptions(header_row=99))
        for _ in range(2):
            with pytest.raises(SourceError):
                async with lists.using(wrong):
                    pass
        right = drafts.change(draft.id, reading=SourceOptions())
        async with lists.using(right) as opened:
            assert (await opened.found()).rechecked.checkup.survey.rows == 4
        await lists.end()

    asyncio.run(work())


def test_many_who_ask_at_once_have_one_list(draft: Draft, tmp_path: Path) -> None:
    async def work() -> None:
        lists = lists_in(tmp_path)

        async def use() -> OpenList:
            async with lists.using(draft) as opened:
                await opened.found()
                return opened

        found = await asyncio.gather(*(use() for _ in range(8)))
        assert len(set(map(id, found))) == 1
        await lists.end()

    asyncio.run(work())


# Whatever is done, the page says what a check says.


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Drafts]]:
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VCC_STATE_DIR", str(state))
        for name in ("VCC_CUSTOMER", "VCC_API_KEY"):
            patch.delenv(name, raising=False)
        with live_console(runs_dir=state / "runs") as live:
            yield live.browser(), Drafts(state / "console" / "drafts")


TEXTS = st.sampled_from(["Pécs", "Pecs", "", "06301234567", "06301234568", "12", "Ann"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("cell"), st.integers(2, 5), st.integers(0, 2), TEXTS, st.booleans()),
        st.tuples(st.just("leave-out"), st.integers(2, 5)),
        st.tuples(st.just("take-back"), st.integers(2, 5)),
        st.tuples(st.just("undo"), st.integers(1, 8)),
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=examples(12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_any_edits_give_the_verdict_of_a_check_with_them(
    steady: tuple[Browser, Drafts], steps: list[tuple[object, ...]]
) -> None:
    browser, drafts = steady
    fixing = Fixing(browser, drafts)
    shown = fixing.page()
    for step in steps:
        match step:
            case ("cell", int(row), int(column), str(text), bool(everywhere)):
                page = fixing.page(f"?row={row}")
                if f'id="cell-{row}-{column}"' not in page.text:
                    continue
                form = fixing.cell(page, row, column) | ({"all": "yes"} if everywhere else {})
                answer = fixing.exchange(shown, "cell", text=text, **form)
            case ("undo", int(number)):
                answer = fixing.exchange(shown, "undo", edit=number)
            case (str(part), int(row)):
                answer = fixing.exchange(shown, part, row=row)
        assert answer.status in {200, 422}
    page, survey = fixing.page(), fixing.checked().survey
    assert figures(page) == (survey.ready, survey.invalid, survey.skipped, survey.rows)
    assert sum(kinds_of(page).values()) == sum(survey.problem_counts.values()) + survey.invalid


def test_a_kind_says_how_many_of_it_are_to_be_mended_and_blank_is_no_value_for_all_rows(
    browser: Browser, drafts: Drafts
) -> None:
    mapping = """\
version: 1
form: {name: {column: Name, required: true}}
contacts:
  1: {phone: {column: Phone, region: HU}}
  2: {phone: {column: Mobile, region: HU, on_error: blank}}
"""
    rows = "Name,Phone,Mobile\nAnn,12,\nBob,06 30 123 4567,13\n,06 30 123 4568,\n,06 30 123 4569,\n"
    draft_id = browser.draft_id("leads.csv", rows.encode())
    drafts.set_mapping(draft_id, mapping)
    page = browser.get(f"/drafts/{draft_id}/fix")
    assert "Not a phone number 2 , 1 to be mended" in page.words
    assert "Blank, and must not be 2" in page.words
    assert "Mend all" not in page.words
    assert "In all" not in page.words
