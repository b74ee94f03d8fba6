"""The columns step: a mapping is drafted, shown as text with what it makes, and changed."""

from __future__ import annotations

import html
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer import library
from importer.console import columns_step, field_values, saved_mappings
from importer.console.drafts import Drafts, Place, mapping_in
from importer.console.rule_form import changes_of
from importer.errors import ImporterError
from importer.library import Recheck
from tests.support.live_console import Browser, Page
from tests.support.live_sandbox import live_sandbox

LIST = "Name,City,Phone\n<b>Ann</b>,Budapest,+36 30 123 4567\nBob,Vác,+36 30 123 4568\n"


pytestmark = pytest.mark.usefixtures("nobody")


def test_a_mapping_is_drafted_and_its_records_are_shown(browser: Browser, state_dir: Path) -> None:
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    page = browser.get(f"/drafts/{draft_id}/columns")
    assert page.status == 200, page.words
    draft = Drafts(state_dir / "console" / "drafts").open(draft_id)
    assert "name: Name" in draft.mapping.read_text("utf-8")
    assert "contact 1: phone 36301234567" in page.words
    assert "<b>Ann" not in page.text
    assert f"/drafts/{draft_id}/fix" in page.text


def test_what_is_no_mapping_is_told_with_its_place_and_not_kept(
    browser: Browser, state_dir: Path
) -> None:
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    browser.get(f"/drafts/{draft_id}/columns")
    draft = Drafts(state_dir / "console" / "drafts").open(draft_id)
    before = draft.mapping.read_text("utf-8")
    wrong = "version: 1\nform:\n  name: {colum: Name}\n"
    page = browser.post(f"/drafts/{draft_id}/columns", {"text": wrong})
    assert page.status == 422
    assert "Line 3, column 10: form.name.colum: unknown key" in page.words
    assert "colum: Name" in page.words
    assert str(draft.folder) not in page.text
    assert draft.mapping.read_text("utf-8") == before
    good = "version: 1\nform:\n  called: Name  # as they say\ncontacts:\n  1: {phone: Phone}\n"
    part = browser.post_part(f"/drafts/{draft_id}/columns", {"text": good.replace("\n", "\r\n")})
    assert "called Bob" in part.words
    assert "<html" not in part.text
    assert draft.mapping.read_text("utf-8") == good
    missing = good.replace("called: Name", "called: Nam")
    page = browser.post_part(f"/drafts/{draft_id}/columns", {"text": missing})
    assert draft.mapping.read_text("utf-8") == missing, "it is a mapping, though not of this list"
    verdict = page.text.partition("<form")[0]
    assert "Nam" in verdict
    assert "notice bad" in verdict
    assert "Kept" not in verdict


def test_numbers_of_one_column_are_contacts_and_a_remark_names_its_column(
    browser: Browser, drafts: Drafts
) -> None:
    rows = "".join(
        f"P{n},+36 30 123 45{n:02}; +36 20 123 45{n:02},{'yes' if n % 2 else 'rather not'}\n"
        for n in range(10, 40)
    )
    draft_id = browser.draft_id("leads.csv", f"Name,Phones,Do not call\n{rows}".encode())
    page = browser.get(f"/drafts/{draft_id}/columns")
    assert "spread" in drafts.open(draft_id).mapping.read_text("utf-8")
    assert "nobody could be called" not in page.words
    contacts = page.words.partition("Whom to call")[2].partition("More of the record")[0]
    assert "Many numbers in a cell" in contacts
    told = '1 of 2 different values in "Do not call" are neither yes nor no. See it'
    assert told in page.words


def test_the_project_s_field_for_a_stamp_is_offered_and_filled_by_a_draft_for_it(
    browser: Browser, drafts: Drafts
) -> None:
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    browser.get(f"/drafts/{draft_id}/columns")
    drafts.change(draft_id, place=Place.SANDBOX)
    page = browser.get(f"/drafts/{draft_id}/columns")
    assert "The project has a field “import_ref” for the number of the import" in page.words
    browser.post(f"/drafts/{draft_id}/columns/change", {"what": "stamp", "stamp": "import_ref"})
    page = browser.get(f"/drafts/{draft_id}/columns")
    assert "The project has a field “import_ref”" not in page.words
    browser.post(f"/drafts/{draft_id}/columns/draft", {"place": "sandbox"})
    assert "\nstamp: import_ref\n" in drafts.open(draft_id).mapping.read_text("utf-8")


def test_for_an_import_that_is_being_sent_nothing_is_drafted(
    browser: Browser, state_dir: Path, tmp_path: Path
) -> None:
    drafts = Drafts(state_dir / "console" / "drafts")
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    drafts.change(draft_id, run_dir=tmp_path / "run")
    assert "being sent already" in browser.get(f"/drafts/{draft_id}/columns").words
    answer = browser.post(f"/drafts/{draft_id}/columns", {"text": "version: 1\n"})
    assert answer.status == 422
    assert not drafts.open(draft_id).mapping.exists()


MAPPING = """\
# Leads of the fair.
version: 1
region: HU   # at home
form:
  name: Name   # as they call themselves
  city:
    column: [Town, City]   # the first that is there
    case: title
  origin: {value: fair}
  full: {template: "{Name}, {City}", min_length: 2}
contacts:
  1: {phone: Phone}
rows:
  skip_when:
    - {column: City, in: [Nowhere]}
  do_not_call: {file: robinson.csv}
stamp: import_ref
"""


class Columns:
    """The columns step of a draft, as a browser uses it."""

    def __init__(self, browser: Browser, state_dir: Path, mapping: str = MAPPING) -> None:
        self.browser = browser
        drafts = Drafts(state_dir / "console" / "drafts")
        self.id = browser.draft_id("leads.csv", LIST.encode())
        self.draft = drafts.set_mapping(self.id, mapping)
        (self.draft.folder / "robinson.csv").write_text("Phone\n+36301234599\n", "utf-8")
        self.address = f"/drafts/{self.id}/columns"
        self.drafts = drafts

    @property
    def text(self) -> str:
        return self.draft.mapping.read_bytes().decode()

    def show(self) -> Page:
        page = self.browser.get(self.address)
        assert page.status == 200, page.words
        return page

    def change(self, what: str, **form: str) -> Page:
        """Send one of the forms, as htmx does."""
        return self.browser.post_part(f"{self.address}/change", {"what": what, **form})

    def rule(self, *path: str, **form: str) -> Page:
        """Send the form of a rule with all that its page shows, but for what is changed."""
        return self.change(**{**rule_form_of(self.show(), path), **form})


def rule_form_of(page: Page, path: tuple[str, ...]) -> dict[str, str]:
    """What the form of a rule holds as it is shown."""
    forms = re.findall(r"<form\b.*?</form>", page.text, re.DOTALL)
    named = f'name="path" value="{html.escape(json.dumps(path)).replace("&quot;", "&#34;")}"'
    text = next(one for one in forms if named in one and 'value="rule"' in one)
    found = {}
    for name, body in re.findall(r'<select [^>]*name="(\w+)">(.*?)</select>', text, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', body)
        first = re.search(r'<option value="([^"]*)"', body)
        found[name] = html.unescape((chosen or first or [""])[1])
    for tag in re.findall(r"<input [^>]*>", text):
        values = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if values.get("type") != "checkbox" or tag.rstrip("> ").endswith("checked"):
            # A browser takes line breaks out of what stands on one line.
            found[values["name"]] = html.unescape(values.get("value", "")).replace("\n", "")
    for name, body in re.findall(
        r'<textarea [^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>', text, re.DOTALL
    ):
        found[name] = html.unescape(body)
    return found


@pytest.fixture
def columns(browser: Browser, state_dir: Path) -> Columns:
    return Columns(browser, state_dir)


RULES = (
    ("form", "name"),
    ("form", "city"),
    ("form", "origin"),
    ("form", "full"),
    ("contacts", "1", "phone"),
)


def test_a_form_that_is_sent_as_it_is_shown_changes_nothing(columns: Columns) -> None:
    for path in RULES:
        columns.rule(*path)
        assert columns.text == MAPPING, path


FORMS: tuple[tuple[tuple[str, ...], dict[str, str], str, str], ...] = (
    (("form", "name"), {"column": "1"}, "name: Name ", "name: City "),
    (
        ("form", "name"),
        {"required": "yes"},
        "name: Name ",
        "name: {column: Name, required: true} ",
    ),
    (
        ("form", "name"),
        {"default": "<b>"},
        "name: Name ",
        'name: {column: Name, default: "<b>"} ',
    ),
    (("form", "name"), {"type": "url"}, "name: Name ", "name: {column: Name, type: url} "),
    (
        ("form", "name"),
        {"map": "G = Gold\r\n\r\n S = Silver "},
        "name: Name ",
        "name: {column: Name, map: {G: Gold, S: Silver}} ",
    ),
    (
        ("form", "name"),
        {"multiple": "yes", "split": "; , line-break"},
        "name: Name ",
        'name: {column: Name, multiple: true, split: [";", ",", "\\n"]} ',
    ),
    (("form", "name"), {"kind": "value"}, "name: Name ", "name: {value: name} "),
    (("form", "name"), {"kind": "template"}, "name: Name ", 'name: {template: "{Name}"} '),
    (("form", "city"), {"case": "upper"}, "case: title", "case: upper"),
    (("form", "city"), {"case": ""}, "    case: title\n", ""),
    (
        ("form", "city"),
        {"names": "City\nTown\nPlace"},
        "column: [Town, City]",
        "column: [City, Town, Place]",
    ),
    (("form", "city"), {"required": "yes"}, "title\n", "title\n    required: true\n"),
    (("form", "origin"), {"text": "yes"}, "{value: fair}", '{value: "yes"}'),
    (
        ("form", "full"),
        {"text": "{City}"},
        'template: "{Name}, {City}"',
        'template: "{City}"',
    ),
    (
        ("contacts", "1", "phone"),
        {"region": "de"},
        "{phone: Phone}",
        "{phone: {column: Phone, region: DE}}",
    ),
)
"""A form of a rule, and the text that stands in place of another in the mapping then."""


def test_a_form_changes_its_rule_and_no_other_byte(columns: Columns) -> None:
    for path, form, old, new in FORMS:
        columns.drafts.set_mapping(columns.id, MAPPING)
        part = columns.rule(*path, **form)
        assert part.status == 200
        assert columns.text == MAPPING.replace(old, new, 1), (form, part.words)
        assert "<html" not in part.text
        columns.rule(*path)
        assert columns.text == MAPPING.replace(old, new, 1), form


def test_bounds_of_dates_are_typed_as_they_are(columns: Columns) -> None:
    columns.rule("form", "city", type="date")
    columns.rule("form", "city", input="%d.%m.%Y\n%d.%m.%y", min="1927-01-01")
    assert 'min: "1927-01-01"' in columns.text
    assert rule_form_of(columns.show(), ("form", "city"))["min"] == "1927-01-01"


def test_what_was_ticked_is_unticked(columns: Columns) -> None:
    columns.rule("form", "city", required="yes", multiple="yes", split=",")
    form = rule_form_of(columns.show(), ("form", "city"))
    columns.change(**{n: v for n, v in form.items() if n not in {"required", "multiple"}})
    assert columns.text == MAPPING


def test_fields_and_contacts_are_added_and_taken_out(columns: Columns) -> None:
    columns.change("add_field", name="yes: no", column="1")
    columns.change("add_contact", number="4", column="2")
    columns.change("add_part", number="4", part="name", column="0")
    text = columns.text
    assert '\n  "yes: no": City\n' in text
    assert "\n  4: {phone: Phone, name: Name}\n" in text
    columns.change("drop", path='["form", "name"]')
    assert columns.text == text.replace("  name: Name ", "  # name: Name ")
    columns.change("drop", path='["contacts", "4", "name"]')
    columns.change("drop_contact", number="4")
    assert "\n  # 4: {phone: Phone}\n" in columns.text
    assert columns.change("add_field", name="city", column="0").words.count("already") == 1
    columns.change("add_field", name="ne\u0301v", column="0")
    assert columns.change("add_field", name="ne\u0301v", column="1").words.count("already") == 1
    assert "n\u00e9v: Name\n" in columns.text


def test_which_rows_are_sent_is_said_in_words(columns: Columns) -> None:
    posted = [("what", "rows"), ("unique", "form.name"), ("unique", "contacts.1.phone")]
    posted += [("on_duplicate", "reject"), ("within", "90"), ("without_contact", "reject")]
    columns.browser.ask(
        "POST",
        f"{columns.address}/change",
        urlencode([*posted, ("csrf", columns.browser.csrf)]).encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    more = '  unique: [form.name, contacts.1.phone]\n  on_duplicate: reject\n  within: "90d"\n'
    with_rows = MAPPING.replace("stamp:", f"{more}stamp:")
    assert columns.text == with_rows
    columns.change("filter", number="0", column="", texts="Nowhere\r\nGone")
    assert columns.text == with_rows.replace("in: [Nowhere]", "in: [Nowhere, Gone]")
    columns.change("filter", number="1", column="0", texts="yes")
    assert '\n    - {column: Name, in: ["yes"]}\n' in columns.text
    columns.change("filter", number="1", column="0", texts="yes", drop="yes")
    columns.change("filter", number="0", column="1", texts="x", drop="yes")
    assert "skip_when" not in columns.text
    assert "do_not_call: {file: robinson.csv}" in columns.text
    columns.change("region", region="at")
    assert "\nregion: AT   # at home\n" in columns.text


def test_what_the_form_cannot_show_is_shown_as_text_and_stays(columns: Columns) -> None:
    page = columns.show()
    for words in ("stamp: import_ref", '"file": "robinson.csv"', "min_length: 2"):
        assert words in page.words, words
    columns.rule("form", "full", default="nobody")
    assert 'template: "{Name}, {City}", min_length: 2, default: nobody' in columns.text


def test_nothing_that_does_not_load_is_kept(columns: Columns) -> None:
    for path, form in (
        (("form", "city"), {"default": "x", "required": "yes"}),
        (("contacts", "1", "phone"), {"region": "Hungary"}),
        (("form", "name"), {"type": "date", "input": "%Q"}),
        (("form", "name"), {"map": "G: Gold"}),
        (("form", "name"), {"column": "77"}),
        (("form", "gone"), {"path": '["form", "gone"]'}),
    ):
        posted = {"path": json.dumps(path), "asked": " ".join(form), **form}
        page = columns.change("rule", **posted)
        assert "notice bad" in page.text or 'class="notice' in page.text, page.words
        whole = columns.browser.post(f"{columns.address}/change", {"what": "rule", **posted})
        assert whole.status in {303, 422}
    assert columns.rule("form", "name", type="date").status == 200
    assert columns.change("rule", path="]", column="1").status == 200
    assert columns.text == MAPPING.replace("name: Name ", "name: {column: Name, type: date} ")


def test_a_guess_is_settled_where_it_is_told(columns: Columns) -> None:
    columns.drafts.set_mapping(columns.id, DOUBTFUL)
    page = columns.show()
    assert "Unsure: years have two digits And: 1 date has a day and a month that" in page.words
    assert "Read it as in 31.12.99 or 12/31/99" in page.words
    assert "these lines" not in page.words.partition("All of it as text")[0]
    columns.change("settle", path='["form", "born"]', way="7")
    assert columns.text == DOUBTFUL
    columns.change("settle", path='["form", "born"]', way="1")
    born = 'born: {column: City, type: date, input: ["%d.%m.%y", "%m/%d/%y"]}'
    assert columns.text == DOUBTFUL.replace(BORN, f"  {born}\n")
    page = columns.change("settle", path='["form", "mail"]')
    assert "mail: {column: Name, type: email}\n" in columns.text
    assert "That is right" not in page.words
    page = columns.change("settle", path='["form", "mail"]')
    assert "settled already" in page.words


BORN = """\
  # unsure: years have two digits
  # unsure: 1 date has a day and a month that cannot be told apart: a check refuses them until you
  # put the right one of these lines in place of the last:
  # born: {column: City, type: date, input: ["%d.%m.%y", "%d/%m/%y"]}
  # born: {column: City, type: date, input: ["%d.%m.%y", "%m/%d/%y"]}
  born: {column: City, type: date}
"""
DOUBTFUL = f"""\
version: 1
form:
{BORN}  # a remark that is sure
  mail: {{column: Name, type: email}}  # unsure: 1 of 2 different values is an address
contacts:
  1: {{phone: Phone}}
"""


def test_price_call_backs_and_the_field_for_the_number_are_added(columns: Columns) -> None:
    columns.change("add_more", name="price", column="1")
    assert "premium:\n  price: {column: City, type: decimal}\n" in columns.text
    page = columns.change("add_more", name="disposition", dispositionid="1", column="1")
    assert "numbers of a disposition and of a user" in page.words
    page = columns.change("add_more", name="price", column="1")
    assert "Choose what the record is to get" in page.words
    columns.change("add_more", name="disposition", dispositionid="1", userid="7", column="1")
    assert "next_calldate: {column: City, type: datetime}" in columns.text
    assert "Have them called back" not in columns.show().words
    columns.change("stamp", stamp="")
    assert "stamp" not in columns.text
    columns.change("stamp", stamp="import_no")
    assert columns.text.endswith("stamp: import_no\n")


PEOPLE = """\
Name,Plan,Phone
Ann,Gold,+36 30 123 4567
Bob,"silver, Gold",+36 30 123 4568
Cid,<b>Tin</b>,+36 30 123 4569
"""
PLANS = """\
version: 1
region: HU
form:
  plan: {column: Plan, multiple: true, split: [","]}  # what they have
contacts:
  1: {phone: Phone}
"""


def test_values_of_the_list_are_matched_to_those_of_the_project(
    browser: Browser, drafts: Drafts
) -> None:
    draft_id = browser.draft_id("people.csv", PEOPLE.encode())
    draft = drafts.set_mapping(draft_id, PLANS)
    drafts.change(draft_id, place=Place.SANDBOX)
    assert "/columns/values?field=plan" in browser.get(f"/drafts/{draft_id}/columns").text
    address = f"/drafts/{draft_id}/columns/values"
    page = browser.get(f"{address}?field=plan")
    while "is being read" in page.words:  # each answer waits for a second
        page = browser.get(f"{address}?field=plan")
    assert "<b>Tin" not in page.text
    assert re.search(r"Gold\s+2\s", page.words)
    assert "as it is: the project has it" in page.words
    assert "proposed, since they are alike" in page.words
    form = dict(re.findall(r'name="(text_\d)" value="([^"]*)"', page.text))
    by_text = {
        json.loads(html.unescape(text)): name.removeprefix("text_") for name, text in form.items()
    }
    assert set(by_text) == {"Gold", "silver", "<b>Tin</b>"}
    sent = {"field": "plan", **{name: html.unescape(text) for name, text in form.items()}}
    sent |= {f"becomes_{by_text['silver']}": "Silver", f"becomes_{by_text['<b>Tin</b>']}": "Gold"}
    assert browser.post(address, sent).status == 303
    rule = library.load_mapping(draft.mapping).spec.form["plan"]
    assert rule.map == {"silver": "Silver", "<b>Tin</b>": "Gold"}
    assert "  # what they have\n" in draft.mapping.read_text("utf-8")
    sent[f"becomes_{by_text['<b>Tin</b>']}"] = ""
    assert browser.post(address, {**sent, "only": "yes"}).status == 303
    rule = library.load_mapping(draft.mapping).spec.form["plan"]
    assert rule.map == {"silver": "Silver"}
    assert rule.choices is not None
    assert "Gold" in rule.choices
    gone = browser.get(f"{address}?field=nothing")
    assert gone.status == 422
    assert "No column goes into a field “nothing” any more" in gone.words


ODD_VALUES = """\
Kind,Kind 2,Phone
"[""z:gold"", ""Tin|x""]",SILVER,+36301234567
"""
ODD_RULE = """\
version: 1
form:
  kind:
    columns: [Kind, Kind 2]
    multiple: true
    split: [","]
    remove_prefix: "z:"
    case: upper
    map: {" SILVER ": "S  V", GONE: gone}
contacts:
  1: {phone: Phone}
"""


class Values:
    """The page of a field's values, as a browser uses it."""

    def __init__(self, browser: Browser, draft_id: str, name: str) -> None:
        self.browser, self.name = browser, name
        self.address = f"/drafts/{draft_id}/columns/values"

    def show(self) -> Page:
        page = self.browser.get(f"{self.address}?field={self.name}")
        while "is being read" in page.words:
            page = self.browser.get(f"{self.address}?field={self.name}")
        return page

    def form(self) -> dict[str, str]:
        """What the form holds as it is shown, on one line each."""
        text = self.show().text
        tags = re.findall(r'<input [^>]*name="(\w+)"[^>]*?value="([^"]*)"', text)
        return {name: html.unescape(value).replace("\n", "") for name, value in tags}

    def keep(self, form: dict[str, str], **becomes: str) -> Page:
        """Send it with what some values become."""
        numbers = {json.loads(v): n[5:] for n, v in form.items() if n.startswith("text_")}
        chosen = {f"becomes_{numbers[text]}": to for text, to in becomes.items()}
        return self.browser.post(self.address, {**form, **chosen})


def test_values_are_those_that_the_rule_looks_up(browser: Browser, drafts: Drafts) -> None:
    draft_id = browser.draft_id("odd.csv", ODD_VALUES.encode())
    draft = drafts.set_mapping(draft_id, ODD_RULE)
    values = Values(browser, draft_id, "kind")
    form = values.form()
    texts = {json.loads(text) for name, text in form.items() if name.startswith("text_")}
    assert texts == {"GOLD", "TIN|X", "SILVER"}
    assert values.keep(form).status == 303
    assert draft.mapping.read_text("utf-8") == ODD_RULE
    values.keep(values.form(), SILVER="Ag", **{"TIN|X": "Tin"})
    rule = library.load_mapping(draft.mapping).spec.form["kind"]
    assert rule.map == {"GONE": "gone", "SILVER": "Ag", "TIN|X": "Tin"}
    (record,) = library.preview(draft.file, draft.mapping)
    assert record.body is not None
    sent = json.loads(record.body)["form"]["kind"]
    assert sent == "GOLD|Tin|Ag"


def test_what_another_page_has_chosen_for_a_value_stays(browser: Browser, drafts: Drafts) -> None:
    cells = 'Note,Phone\n"two\nlines",+36301234567\nx,+36301234568\n'
    draft_id = browser.draft_id("notes.csv", cells.encode())
    text = 'version: 1\nform:\n  note: {column: Note, map: {x: "a\\nb"}}\n'
    draft = drafts.set_mapping(draft_id, text)
    values = Values(browser, draft_id, "note")
    stale = values.form()
    values.keep(values.form(), x="y")
    values.keep(stale, **{"two\nlines": "two"})
    rule = library.load_mapping(draft.mapping).spec.form["note"]
    assert rule.map == {"x": "y", "two\nlines": "two"}
    for odd in ("two", "[" * 50_000):
        assert "is an old one" in browser.post(values.address, {**stale, "text_0": odd}).words
    refused = browser.post(values.address, {**values.form(), "only": "yes"})
    assert "cannot be asked now which values" in refused.words
    assert library.load_mapping(draft.mapping).spec.form["note"] == rule


def test_a_list_whose_values_take_long_to_count_is_shown(
    browser: Browser, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_values, "PATIENCE", 0.2)
    count = Recheck.field_values

    def slowly(*given: Any) -> Any:
        time.sleep(0.5)
        return count(*given)

    monkeypatch.setattr(Recheck, "field_values", slowly)
    draft_id = browser.draft_id("people.csv", PEOPLE.encode())
    drafts.set_mapping(draft_id, PLANS)
    values = Values(browser, draft_id, "plan")
    pages = [values.browser.get(f"{values.address}?field=plan") for _ in range(5)]
    assert "silver" in pages[-1].words


FIELDS = """\
version: 1
region: HU
form:
  interests: {column: Plan, multiple: true, split: [","]}  # what they like
  name: {columns: [Name, Plan]}
contacts:
  1: {phone: Phone}
rows: {unique: [form.interests]}
"""


def test_a_field_that_the_project_lacks_becomes_one_that_it_has(
    browser: Browser, drafts: Drafts
) -> None:
    draft_id = browser.draft_id("people.csv", PEOPLE.encode())
    address = f"/drafts/{draft_id}/columns"
    draft = drafts.set_mapping(draft_id, FIELDS)
    assert "The project has no field" not in browser.get(address).words
    drafts.change(draft_id, place=Place.SANDBOX)
    page = browser.get(address)
    assert "The project lacks 1 of these fields: interests" in page.words
    assert "The project has no field “interests”" in page.words
    offered = re.search(r'<select id="r\w+-name" name="name">(.*?)</select>', page.text, re.DOTALL)
    assert offered is not None
    assert 'value="likes"' in offered[1]
    assert 'value="name"' not in offered[1], "it is filled already"
    posted = {"what": "rename", "path": '["form", "interests"]', "name": "name"}
    assert "already" in browser.post_part(f"{address}/change", posted).words
    browser.post_part(f"{address}/change", {**posted, "name": "likes"})
    expected = FIELDS.replace("interests: {", "likes: {").replace("form.interests", "form.likes")
    assert draft.mapping.read_text("utf-8") == expected
    several = {"what": "add_field", "name": "interests", "column": "1"}
    browser.post_part(f"{address}/change", several)
    text = draft.mapping.read_text("utf-8")
    assert "\n  interests: Plan\n" in text, "the project has no such field of several values"
    drafts.set_mapping(draft_id, FIELDS)
    browser.post_part(f"{address}/change", {**several, "name": "likes"})
    assert "\n  likes: {column: Plan, multiple: true}\n" in draft.mapping.read_text("utf-8")


def test_a_field_that_is_added_is_of_the_kind_that_its_column_holds(
    browser: Browser, drafts: Drafts
) -> None:
    days = "".join(f"N{n},{13 + n}.02.2026,+3630123456{n}\n" for n in range(9))
    draft_id = browser.draft_id("days.csv", f"Name,Signed,Phone\n{days}".encode())
    draft = drafts.set_mapping(draft_id, "version: 1\nform: {name: Name}\n")
    posted = {"what": "add_field", "name": "since", "column": "1"}
    browser.post_part(f"/drafts/{draft_id}/columns/change", posted)
    assert library.load_mapping(draft.mapping).spec.form["since"].type == "date"
    browser.post_part(
        f"/drafts/{draft_id}/columns/change", {**posted, "name": "who", "column": "0"}
    )
    assert ", who: Name}" in draft.mapping.read_text("utf-8")


def test_without_an_account_the_columns_are_guessed_for_the_sandbox(
    browser: Browser, drafts: Drafts
) -> None:
    people = PEOPLE.replace("Plan", "Interests")
    draft_id = browser.draft_id("people.csv", people.encode())
    address = f"/drafts/{draft_id}/columns"
    assert "not known yet into which project" in browser.get(address).words
    assert browser.post(f"{address}/draft", {"place": "sandbox"}).status == 303
    draft = drafts.open(draft_id)
    assert draft.place is Place.SANDBOX
    assert "not known yet" not in browser.get(address).words
    assert "The project has no field" not in browser.get(address).words
    assert "likes: " in draft.mapping.read_text("utf-8")


def test_with_credentials_the_project_of_the_service_is_chosen_in_the_columns(
    browser: Browser, drafts: Drafts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with live_sandbox(tmp_path / "service.db") as service:
        monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
        monkeypatch.setenv("VCC_API_KEY", "sandbox")
        draft_id = browser.draft_id("people.csv", PEOPLE.encode())
        address = f"/drafts/{draft_id}/columns"
        drafts.change(draft_id, base_url=service.base_url)
        page = browser.get(address)
        assert "The credentials of sandbox are set: give the number of the project" in page.words
        assert "Without an account" not in page.words
        chosen = {"place": "service", "project": "99"}
        assert browser.post(f"{address}/draft", chosen).status == 303
        page = browser.get(address)
        assert f"The fields of project 99 are not known: {service.base_url} did not" in page.words
        assert 'value="99"' in page.text
        chosen = {"place": "service", "project": "134", "step": "columns"}
        answer = browser.post(f"/drafts/{draft_id}/place", chosen)
        assert answer.headers["location"] == address
        page = browser.get(address)
        assert "not known" not in page.words
        assert "Agents see it as" in page.words or "The project has no field" in page.words


def test_a_column_that_was_mistyped_is_told_and_not_kept(browser: Browser, drafts: Drafts) -> None:
    draft_id = browser.draft_id("people.csv", PEOPLE.encode())
    address = f"/drafts/{draft_id}/columns"
    draft = drafts.set_mapping(draft_id, FIELDS)
    form = rule_form_of(browser.get(address), ("form", "name"))
    form |= {"what": "rule", "names": "Name\r\nPlann"}
    page = browser.post_part(f"{address}/change", form)
    assert "The list has no column “Plann”. Did you mean “Plan”?" in page.words
    assert "data-refused" in page.text
    assert draft.mapping.read_text("utf-8") == FIELDS


def test_saved_mappings_stand_on_the_first_page(
    columns: Columns, browser: Browser, tmp_path: Path
) -> None:
    browser.post_part(f"{columns.address}/save", {"name": "Supplier <i>A</i>"})
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "fair.yaml").write_text("version: 1\nform: {name: Name}\n", "utf-8")
    page = browser.get("/")
    assert "<i>A" not in page.text
    ours, beside = re.findall(r'href="(/mappings/\w+)"', page.text)
    answer = browser.get(ours)
    assert answer.text == columns.text
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert "Supplier _i_A_-i_.yaml" in answer.headers["content-disposition"]
    refused = browser.post(f"{beside}/remove", {})
    assert "was not saved here" in refused.words
    assert browser.post(f"{ours}/remove", {}).status == 303
    assert re.findall(r'href="(/mappings/\w+)"', browser.get("/").text) == [beside]
    assert "is not there any more" in browser.get(ours).words


def test_a_saved_mapping_with_a_mistake_says_so_where_it_is_not_offered(
    browser: Browser, state_dir: Path
) -> None:
    folder = state_dir / "console" / "mappings"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fair.yaml").write_text("version: 1\nform: {name: Name}\nextra: 1\n", "utf-8")
    why = "Line 3, column 1: extra: unknown key"
    assert f"It is offered for no list: {why}" in browser.get("/").words
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    page = browser.get(f"/drafts/{draft_id}/columns")
    assert f"A saved mapping cannot be offered, for a mistake in the text: fair.yaml: {why}" in (
        page.words
    )
    (folder / "good.yaml").write_text("version: 1\nform: {name: Name}\n", "utf-8")
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    page = browser.get(f"/drafts/{draft_id}/columns")
    assert "Take “good”" in page.words
    assert f"fair.yaml: {why}" in page.words


def test_odd_files_beside_saved_mappings_hide_none(
    columns: Columns, browser: Browser, tmp_path: Path
) -> None:
    beside = tmp_path / "mappings"
    beside.mkdir()
    for n in range(saved_mappings._MOST + 5):
        path = beside / f"a{n}.yaml"
        path.write_text("version: 1\nform: {name: Nobody}\n", "utf-8")
        os.utime(path, (1, 1))
    (beside / "deep.yaml").write_text("[" * 3000, "utf-8")
    (beside / "large.yaml").write_bytes(b"#" * (2**20 + 1))
    (beside / "zoo.yaml").write_text("version: 1\nform: {name: Name}\n", "utf-8")
    if sys.platform != "win32":
        (beside / "loop.yaml").symlink_to("loop.yaml")
    page = browser.get(f"/drafts/{browser.draft_id('next.csv', LIST.encode())}/columns")
    assert "Take “zoo”" in page.words
    home = browser.get("/").text
    (large,) = re.findall(r'href="(/mappings/\w+)"[^>]*>large', home)
    assert "too large for a mapping" in browser.get(large).words


def test_what_cannot_be_saved_is_told(columns: Columns, browser: Browser) -> None:
    for name in ("", "..", "\u200b", ".yaml"):
        assert "needs a name" in browser.post_part(f"{columns.address}/save", {"name": name}).words
    other = browser.draft_id("next.csv", LIST.encode())
    page = browser.post(f"/drafts/{other}/columns/save", {"name": "x"})
    assert page.status == 422
    assert "nothing to save yet" in page.words


def test_a_saved_mapping_that_fits_is_offered_first(
    columns: Columns, browser: Browser, tmp_path: Path, state_dir: Path
) -> None:
    name = "<img src=x onerror=alert(1)>"
    page = browser.post_part(f"{columns.address}/save", {"name": name})
    assert "Saved as" in page.words
    assert "<img" not in page.text
    beside = tmp_path / "mappings"
    beside.mkdir()
    (beside / "other.yaml").write_text("version: 1\nform: {name: Nobody}\n", "utf-8")
    (beside / "fair.yaml").write_text("version: 1\nform: {name: Name}\n", "utf-8")
    (beside / "broken.yaml").write_text("form: [", "utf-8")
    other = browser.draft_id("next.csv", LIST.encode())
    page = browser.get(f"/drafts/{other}/columns")
    taken = re.findall(r'name="saved" value="(\w+)"', page.text)
    assert len(taken) == 2, page.words
    assert page.words.index("_img src=x onerror=alert(1)_") < page.words.index("“fair”")
    assert "<img" not in page.text
    draft = columns.drafts.open(other)
    assert not draft.mapping.exists()
    assert browser.post(f"/drafts/{other}/columns/begin", {"saved": taken[0]}).status == 303
    kept = draft.mapping.read_text("utf-8")
    assert "name: Name   # as they call themselves" in kept
    assert browser.post(f"/drafts/{other}/columns/begin", {"saved": ""}).status == 303
    assert draft.mapping.read_text("utf-8").startswith("# Drafted from")
    again = browser.post_part(f"{columns.address}/save", {"name": name})
    assert "already" in again.words
    replaced = browser.post_part(f"{columns.address}/save", {"name": name, "replace": "yes"})
    assert "Saved as" in replaced.words


def test_the_mapping_is_downloaded_under_its_name(columns: Columns, browser: Browser) -> None:
    page = browser.get(f"{columns.address}/mapping.yaml")
    assert page.body.decode() == MAPPING
    assert page.headers["content-type"].startswith("application/yaml")
    assert 'filename="mapping.yaml"' in page.headers["content-disposition"]
    assert page.headers["x-content-type-options"] == "nosniff"


def test_an_import_that_is_being_sent_is_not_changed(columns: Columns, tmp_path: Path) -> None:
    columns.drafts.change(columns.id, run_dir=tmp_path)
    page = columns.show()
    assert "This import is being sent already" in page.words
    assert 'name="what"' not in page.text
    for address, form in (
        ("/change", {"what": "region", "region": "DE"}),
        ("/begin", {"saved": ""}),
        ("", {"text": "version: 1\nform: {a: Name}\n"}),
    ):
        assert columns.browser.post(columns.address + address, form).status == 422
    assert columns.text == MAPPING


def test_texts_of_strangers_stay_texts(browser: Browser, state_dir: Path) -> None:
    hostile = '"<script>alert(1)</script>",\'"><img onerror=x>,City,Phone\n<i>a,b,c,+36301234567\n'
    draft_id = browser.draft_id("leads.csv", hostile.encode())
    page = browser.get(f"/drafts/{draft_id}/columns")
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    assert "<i>" not in page.text


ODD_LIST = "Name,_id,City,a{b},Phone,Phone\nAnn,7,Budapest,x,+36301234567,\n"
MANY = "\n".join(f"      k{n}: v{n}" for n in range(501))
LONG = f"version: 1\nform:\n  many:\n    column: Name\n    map:\n{MANY}\n"
ODD = f"""\
version: 1
form:
  id: _id
  far: {{column: Nowhere, required: true}}
  one: {{column: [City]}}
  said: {{value: "two\\nlines"}}
  both: {{template: "{{Name}}\\n{{City}}"}}
  else: {{column: City, default: "a\\nb"}}
  list: {{column: City, multiple: true, pipe: error, split: [" - "]}}
  digits: {{column: City, type: phone, format: digits}}
  long: {{column: Name, default: {"x" * 30_000}}}
  lines: {{columns: [Name, "a\\nb"]}}
"""


def test_a_form_of_an_odd_rule_that_is_sent_as_it_is_shown_changes_nothing(
    browser: Browser, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft_id = browser.draft_id("odd.csv", ODD_LIST.encode())
    draft = drafts.set_mapping(draft_id, ODD)
    address = f"/drafts/{draft_id}/columns"
    every = [one.path for one in library.load_mapping(draft.mapping).spec.placed_rules()]
    for text, most, paths in (
        (ODD, columns_step.MOST_CHOICES, every),
        (ODD, 0, [("form", "id"), ("form", "far")]),
        (LONG, 0, [("form", "many")]),
    ):
        monkeypatch.setattr(columns_step, "MOST_CHOICES", most)
        drafts.set_mapping(draft_id, text)
        page = browser.get(address)
        for path in paths:
            browser.post_part(f"{address}/change", rule_form_of(page, path))
            assert draft.mapping.read_text("utf-8") == text, path


def test_what_cannot_be_kept_as_it_was_typed_is_refused(columns: Columns) -> None:
    for form, words in (
        ({"map": "a = b\na = c"}, "“a” is to become b and c"),
        ({"map": "\n".join(f"{n} = x" for n in range(501))}, "501 lines"),
        ({"default": "x" * 20_001}, "more than 20,000 characters"),
    ):
        assert words in columns.rule("form", "name", **form).words
        assert columns.text == MAPPING
    columns.rule("form", "name", type="date", kind="first", required="yes", case="upper")
    first = "{column: [Name], type: date, required: true}"
    assert columns.text == MAPPING.replace("name: Name ", f"name: {first} ")
    page = columns.rule("form", "name", names="Name\nCity")
    assert "column: [Name, City]" in columns.text, page.words


def test_a_column_whose_name_no_text_can_hold_is_refused(browser: Browser, drafts: Drafts) -> None:
    draft_id = browser.draft_id("odd.csv", ODD_LIST.encode())
    text = "version: 1\nform:\n  a: a{b}\n  c: City\n"
    draft = drafts.set_mapping(draft_id, text)
    address = f"/drafts/{draft_id}/columns"
    form = rule_form_of(browser.get(address), ("form", "a"))
    page = browser.post_part(f"{address}/change", {**form, "kind": "template"})
    assert "has braces in its name" in page.words
    form = rule_form_of(browser.get(address), ("form", "c"))
    page = browser.post_part(f"{address}/change", {**form, "column": "5"})
    assert "is the name of several columns" in page.words
    assert draft.mapping.read_text("utf-8") == text


def test_what_another_page_has_changed_is_not_undone(columns: Columns) -> None:
    page = columns.show()
    stale = rule_form_of(page, ("form", "name"))
    seen = stale["seen"]
    columns.change("filter", number="0", column="", texts="Elsewhere")
    now = columns.text
    for form in (
        {**stale, "default": "nobody"},
        {"what": "filter", "number": "0", "seen": seen, "drop": "yes"},
        {"what": "region", "region": "AT", "seen": seen},
    ):
        part = columns.change(**form)
        assert "changed in another page" in part.words
        assert "Elsewhere" in part.words
        assert columns.text == now
    typed = MAPPING.replace("region: HU", "region: DE")
    part = columns.browser.post_part(columns.address, {"text": typed, "seen": seen})
    assert "region: DE" in part.words, "what was typed is not lost"
    assert columns.text == now
    (again,) = set(re.findall(r'name="seen" value="(\w+)"', part.text))
    columns.browser.post_part(columns.address, {"text": typed, "seen": again})
    assert columns.text == typed
    taken = columns.browser.post(f"{columns.address}/begin", {"saved": "", "seen": "none"})
    assert taken.status == 422
    assert columns.text == typed


def test_a_filter_is_changed_as_it_is_written(columns: Columns) -> None:
    alone = MAPPING.replace("\n    - {column: City, in: [Nowhere]}", ' {column: city, in: ["", x]}')
    columns.drafts.set_mapping(columns.id, alone)
    columns.change("filter", number="0", column="1", texts="x", at_blank="yes")
    assert columns.text == alone
    columns.change("filter", number="0", column="0", texts="y", at_blank="yes")
    changed = '{column: Name, in: ["y", ""]}'
    assert columns.text == alone.replace('{column: city, in: ["", x]}', changed)
    columns.change("filter", number="1", column="1", texts="z")
    assert "{column: City, in: [z]}]" in columns.text
    columns.change("filter", number="1", drop="yes")
    columns.change("filter", number="0", drop="yes")
    assert "skip_when" not in columns.text
    columns.drafts.set_mapping(columns.id, alone)
    columns.change("filter", number="0", drop="yes")
    assert "skip_when" not in columns.text


def test_a_rule_that_is_taken_out_is_no_guess_any_more(columns: Columns) -> None:
    text = "version: 1\nform:\n  # unsure: why\n  Full name: Name\n  b: City  # unsure: what\n"
    columns.drafts.set_mapping(columns.id, text)
    columns.change("drop", path='["form", "Full name"]')
    columns.change("settle", path='["form", "b"]')
    assert columns.text == "version: 1\nform:\n  # Full name: Name\n  b: City\n"
    assert "needs a field of its own" in columns.change("drop", path='["form", "b"]').words
    assert columns.text.endswith("  b: City\n")


CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "column": st.sampled_from(["", "0", "1", "2", "9", "x"]),
        "kind": st.sampled_from(["column", "first", "columns", "template", "value", "odd"]),
        "names": st.text(max_size=10),
        "text": st.text(max_size=10),
        "type": st.sampled_from(["", "text", "date", "phone", "integer", "odd"]),
        "required": st.sampled_from(["", "yes"]),
        "default": st.text(max_size=5),
        "multiple": st.sampled_from(["", "yes"]),
        "split": st.sampled_from(["", ",", ", ;", "blank tab"]),
        "map": st.sampled_from(["", "a = b", "a=b", "a = b = c", " = x"]),
        "choices": st.text(max_size=8),
        "case": st.sampled_from(["", "upper", "odd"]),
        "region": st.sampled_from(["", "hu", "XXX"]),
        "input": st.sampled_from(["", "%d.%m.%Y", "%Q", ","]),
        "on_error": st.sampled_from(["", "warn", "blank", "odd"]),
        "repair": st.sampled_from(["", "yes"]),
    },
)


@given(st.lists(st.tuples(st.sampled_from(RULES), CHOICES), min_size=1, max_size=6))
def test_after_a_round_of_forms_the_text_loads_and_other_rules_are_as_they_were(
    made: list[tuple[tuple[str, ...], dict[str, str]]],
) -> None:
    text, path = MAPPING, Path("mapping.yaml")
    touched = set()
    for where, form in made:
        mapping = library.mapping_in(text, path)
        placed = next(one for one in mapping.spec.placed_rules() if one.path == where)
        asked = " ".join(form)
        try:
            changes = list(changes_of(placed, {**form, "asked": asked}, ["Name", "City", "Phone"]))
            after = library.with_changes(text, changes)
            library.mapping_in(after, path)
        except ImporterError:
            continue
        text = after
        touched.add(where)
    before = {one.path: one for one in library.mapping_in(MAPPING, path).spec.placed_rules()}
    found = {one.path: one for one in library.mapping_in(text, path).spec.placed_rules()}
    assert found.keys() == before.keys()
    assert {where: found[where] for where in found.keys() - touched} == {
        where: before[where] for where in before.keys() - touched
    }
    for comment in ("# Leads of the fair.", "# at home"):
        assert comment in text


def test_a_text_is_loaded_once_for_a_change_and_one_that_is_too_large_is_refused(
    browser: Browser, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft_id = browser.draft_id("leads.csv", b"Name,Phone\nAnn,06 30 123 4567\n")
    pairs = ", ".join(f"v{n}: value {n}" for n in range(500))
    rule = f"{{column: Name, map: {{{pairs}}}}}"
    text = f"version: 1\nform:\n  name: {rule}\ncontacts:\n  1: {{phone: Phone}}\n"
    drafts.set_mapping(draft_id, text)
    address = f"/drafts/{draft_id}/columns"
    seen = re.search(r'name="seen" value="(\w+)"', browser.get(address).text)
    assert seen is not None
    mapping_in.cache_clear()
    change = {"what": "region", "region": "hu", "seen": seen[1]}
    assert "Kept" in browser.post_part(f"{address}/change", change).words
    browser.get(address)
    assert mapping_in.cache_info().misses == 2, "as it was, and as it is"
    monkeypatch.setattr("importer.console.columns_step.MOST_KEPT_TEXT", 5000)
    answer = browser.post(address, {"text": text})
    assert answer.status == 422
    assert "at most 5,000 are kept here" in answer.words
    assert "region: HU" in drafts.open(draft_id).mapping.read_text("utf-8")
