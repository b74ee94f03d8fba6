"""The plan step: where records go, what would be created, and what is decided before."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from importer import library
from importer.console.drafts import Draft, Drafts
from importer.console.target import Account, Whereabouts
from importer.console.under_way import BusyError, Feed, UnderWay
from importer.errors import RunInterruptedError
from importer.settings import RunSettings, Secret, SourceOptions, Target
from tests.support.console_import import KEY, draft_of, goes_to, planned, sent, settled, shown
from tests.support.live_console import SECONDS, Browser, Page
from tests.support.live_sandbox import SAMPLE_PROJECT, LiveSandbox, live_sandbox

MAPPING = """\
version: 1
form:
  name: Name   # as they call themselves
  city: City
contacts:
  1: {phone: {column: Phone, region: HU}}
"""
LIST = "Name,City,Phone\nAnn,Budapest,06 30 123 4567\nBob,Budaörs,06 30 123 4568\n"


pytestmark = pytest.mark.usefixtures("nobody")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveSandbox]:
    """A service of a real customer's, as far as the console can tell."""
    monkeypatch.setenv("VCC_CUSTOMER", "acme")
    monkeypatch.setenv("VCC_API_KEY", KEY)
    with live_sandbox(customer="acme", api_key=KEY) as live:
        yield live


def decisions(page: Page, what: str, meant: str = "") -> dict[str, str]:
    """The form of the new values, each decided so."""
    form = {
        name: html.unescape(value)
        for name, value in re.findall(r'name="((?:field|text)_\d+)" value="([^"]*)"', page.text)
    }
    number = len(form) // 2
    return form | {
        key: value
        for n in range(number)
        for key, value in ((f"what_{n}", what), (f"meant_{n}", meant))
    }


def test_before_there_is_a_mapping_the_columns_come_first(browser: Browser) -> None:
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    page = browser.get(f"/drafts/{draft_id}/plan")
    assert "The columns come first" in page.words
    assert f'href="/drafts/{draft_id}/columns"' in page.text
    assert "columns come first" in browser.post(f"/drafts/{draft_id}/plan").words


def test_without_an_account_the_sandbox_is_offered_and_not_taken(
    browser: Browser, drafts: Drafts, tmp_path: Path
) -> None:
    draft_id = draft_of(browser, drafts, LIST, MAPPING)
    page = browser.get(f"/drafts/{draft_id}/plan")
    assert "Not known yet" in page.words
    assert "a service on this computer for rehearsals" in page.words
    for words in ("Use the sandbox", "VCC_API_KEY=", "Windows", "macOS and Linux"):
        assert words in page.words
    answer = browser.post(f"/drafts/{draft_id}/plan")
    assert answer.status == 422
    assert "not chosen yet" in answer.words
    assert not (tmp_path / "runs").exists()


def test_a_sample_is_planned_in_the_sandbox(
    browser: Browser, drafts: Drafts, tmp_path: Path
) -> None:
    samples = SAMPLE_PROJECT.parent
    draft_id = browser.draft_id("leads.xlsx", (samples / "leads.xlsx").read_bytes())
    text = (samples.parent / "mappings" / "leads.yaml").read_text("utf-8")
    drafts.set_mapping(draft_id, text)
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    page = planned(browser, draft_id, pace="gentle")
    assert "The sandbox: a rehearsal" in page.words
    assert "To be created 216" in page.words
    assert "2: the same as a row before" in page.words
    assert "(by a rule)" not in page.words
    assert "at most 5 records a second" in page.words
    draft = drafts.open(draft_id)
    assert draft.plan_dir is not None
    assert draft.plan_dir.parent == tmp_path / "runs"
    plan = library.read_plan(draft.plan_dir)
    assert f"Number of this plan: {plan.id}" in page.words
    assert plan.settings["rate"] == 5.0
    assert plan.settings["sandbox"], "it is a rehearsal"
    assert "Go on to sending" in page.words
    planned(browser, draft_id, pace="own", rate="7", at_once="3")
    again = drafts.open(draft_id).plan_dir
    assert again is not None
    assert again != draft.plan_dir
    assert not draft.plan_dir.exists(), "a plan in whose place another came is removed"
    settings = library.read_plan(again).settings
    assert (settings["rate"], settings["concurrency"]) == (7.0, 3)


@pytest.mark.parametrize("form", [{"rate": "x"}, {"rate": "0"}, {"at_once": "-1"}])
def test_a_pace_that_is_none_is_said(
    browser: Browser, drafts: Drafts, form: dict[str, str]
) -> None:
    draft_id = draft_of(browser, drafts, LIST, MAPPING)
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    answer = browser.post(f"/drafts/{draft_id}/plan", {"pace": "own", **form})
    assert answer.status == 422
    assert "no number from 1" in answer.words


def test_each_new_value_is_decided_and_the_mapping_keeps_its_comments(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    draft_id = draft_of(browser, drafts, LIST, MAPPING)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    assert "acme: the real call centre, project 134" in page.words
    assert "city: “Budaörs”" in page.words
    assert "In 1 row: 3" in page.words
    assert "Go on to sending" not in page.words
    assert drafts.open(draft_id).plan_dir is None
    values = f"/drafts/{draft_id}/plan/values"
    assert browser.post(values, decisions(page, "")).status == 303
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "city: “Budaörs”" in page.words, "nothing was decided"
    assert browser.post(values, decisions(page, "allow")).status == 303
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "Newly made in the project city: “Budaörs”, 1 row" in page.words
    assert "To be created 2" in page.words
    draft = drafts.open(draft_id)
    text = draft.mapping.read_text("utf-8")
    assert "# as they call themselves" in text
    assert library.load_mapping(draft.mapping).spec.new_values == {"city": ["Budaörs"]}
    forbidden = {"field": "city", "text": "Budaörs"}
    assert browser.post(f"/drafts/{draft_id}/plan/forbid", forbidden).status == 303
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "Since the list was planned last, the columns were changed" in page.words
    assert draft.mapping.read_text("utf-8") == MAPPING


def test_a_new_value_in_another_spelling_may_mean_a_new_one_and_left_out_rows_are_no_remark(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    mapping = f"{MAPPING}rows:\n  skip_when: [{{column: Name, in: [Out]}}]\n"
    rows = "Ann,Köln,06 30 123 4567\nBob,Köln,06 30 123 4568\nCid,KÖLN,06 30 123 4569\n"
    rows += "Out,Pécs,06 30 123 4570\n"
    draft_id = draft_of(browser, drafts, "Name,City,Phone\n" + rows, mapping)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    assert page.words.count("Choose … perhaps Köln") == 1
    values = f"/drafts/{draft_id}/plan/values"
    decided = {**decisions(page, "allow"), "what_1": "mean", "meant_1": "Köln"}
    assert browser.post(values, decided).status == 303
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "To be created 3" in page.words
    assert "Newly made in the project city: “Köln”, 3 rows" in page.words
    assert "1: left out by a rule of the columns" in page.words
    remarks = page.words.partition("Remarks that keep nothing back")[2]
    assert "Left out by a rule" not in remarks


@pytest.mark.parametrize(
    ("rule", "cell", "translated"),
    [
        ("City", " Budapst", {"Budapst": "Budapest"}),
        ("{column: [Town, city]}", "Budapst", {"Budapst": "Budapest"}),
        ("{column: City, case: title}", "bUDAPST", {"Budapst": "Budapest"}),
        (
            "{column: City, map: {B: Budapst, P: Budapest}}",
            "B",
            {"B": "Budapest", "P": "Budapest", "Budapst": "Budapest"},
        ),
        ('{template: "{City}"}', "Budapst", {"Budapst": "Budapest"}),
        (
            "{column: City, choices: [Budapst]}",
            "Budapst",
            {"Budapst": "Budapest"},
        ),
    ],
)
def test_a_new_value_that_means_another_is_translated_for_the_next_list_too(
    browser: Browser,
    drafts: Drafts,
    service: LiveSandbox,
    rule: str,
    cell: str,
    translated: dict[str, str],
) -> None:
    mapping = MAPPING.replace("city: City", f"city: {rule}")
    rows = f"Ann,{cell},06 30 123 4567\nBob,{cell},06 30 123 4568\n"
    draft_id = draft_of(browser, drafts, "Name,City,Phone\n" + rows, mapping)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    assert "city: “Budapst”" in page.words
    assert "Choose … perhaps Budapest" in page.words, "proposed, and not chosen yet"
    assert '<option value="Budapest">' in page.text
    values = f"/drafts/{draft_id}/plan/values"
    assert browser.post(values, decisions(page, "mean", "Budapest")).status == 303
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "To be created 2" in page.words
    assert "Newly made" not in page.words
    draft = drafts.open(draft_id)
    assert not draft.edits.exists(), "cells stay as they are"
    loaded = library.load_mapping(draft.mapping)
    assert loaded.spec.form["city"].map == translated
    assert "# as they call themselves" in loaded.text
    again = draft_of(browser, drafts, "Name,City,Phone\n" + rows, loaded.text)
    goes_to(browser, again, service)
    page = planned(browser, again, again="yes")
    assert "“Budapst”" not in page.words, "it is not asked again"


def test_one_of_several_values_in_a_cell_is_translated_and_the_others_stay(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    mapping = MAPPING.replace("city: City", 'likes: {column: City, multiple: true, split: [","]}')
    rows = 'Ann,"sprts, music, sprrts",06 30 123 4567\nBob,sprts,06 30 123 4568\n'
    draft_id = draft_of(browser, drafts, "Name,City,Phone\n" + rows, mapping)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    browser.post(f"/drafts/{draft_id}/plan/values", decisions(page, "mean", "sports"))
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "To be created 2" in page.words
    draft = drafts.open(draft_id)
    sent = [
        json.loads(one.body or b"{}")["form"] for one in library.preview(draft.file, draft.mapping)
    ]
    assert [form["likes"] for form in sent] == ["sports|music", "sports"]


def test_several_decisions_are_kept_together_or_none_and_stay_chosen(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    cities = ("Budaörs", "Budapst", "Szegd", "Budapset")
    rows = "".join(f"Ann {n},{city},06 30 123 456{n}\n" for n, city in enumerate(cities))
    draft_id = draft_of(browser, drafts, "Name,City,Phone\n" + rows, MAPPING)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    chosen = {
        "Budaörs": ("allow", ""),
        "Budapst": ("mean", "Budapesht"),
        "Szegd": ("mean", ""),
        "Budapset": ("mean", "Budapest"),
    }
    form = decisions(page, "")
    for name, text in list(form.items()):
        if name.startswith("text_"):
            number = name.removeprefix("text_")
            form[f"what_{number}"], form[f"meant_{number}"] = chosen[json.loads(text)]
    values = f"/drafts/{draft_id}/plan/values"
    answer = browser.post(values, form)
    assert answer.status == 422
    assert "The project has no value “Budapesht” in city" in answer.words
    assert "“Szegd” means nothing yet" in answer.words, "all is told at once"
    assert "Make the plan" not in answer.words
    assert drafts.open(draft_id).mapping.read_text("utf-8") == MAPPING
    assert '<option value="Budapesht" selected>' in answer.text, "what was chosen stays"
    assert answer.text.count('value="mean" checked') == 3
    assert answer.text.count('value="allow" checked') == 1
    form = {name: {"Budapesht": "Budapest"}.get(value, value) for name, value in form.items()}
    form = {name: value or "Budapest" for name, value in form.items()}
    assert browser.post(values, form).status == 303
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "To be created 4" in page.words
    spec = library.load_mapping(drafts.open(draft_id).mapping).spec
    assert spec.new_values == {"city": ["Budaörs"]}
    assert spec.form["city"].map == dict.fromkeys(("Budapst", "Szegd", "Budapset"), "Budapest")


def test_of_very_many_values_one_is_typed_and_what_was_typed_stays(
    browser: Browser, drafts: Drafts, service: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.console.plan_step.MOST_CHOICES", 1)
    draft_id = draft_of(browser, drafts, LIST.replace("Budaörs", "Budapst"), MAPPING)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    assert '<input name="meant_0" list="values-of-0" value=""' in page.text
    assert 'placeholder="perhaps Budapest"' in page.text
    assert '<datalist id="values-of-0">' in page.text
    values = f"/drafts/{draft_id}/plan/values"
    answer = browser.post(values, decisions(page, "mean", "Budapesht"))
    assert '<input name="meant_0" list="values-of-0" value="Budapesht"' in answer.text
    assert browser.post(values, decisions(page, "mean", " Budapest ")).status == 303
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "To be created 2" in page.words


def test_the_others_are_made_and_what_means_another_value_is_not(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    rows = "Ann,BUDAPEST,06 30 123 4567\nBob,Budaörs,06 30 123 4568\nCid,Pécel,06 30 123 4569\n"
    draft_id = draft_of(browser, drafts, "Name,City,Phone\n" + rows, MAPPING)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    form = decisions(page, "")
    [(name, _)] = [item for item in form.items() if item[1] == '"BUDAPEST"']
    number = name.removeprefix("text_")
    form |= {f"what_{number}": "mean", f"meant_{number}": "Budapest", "others": "allow"}
    assert browser.post(f"/drafts/{draft_id}/plan/values", form).status == 303
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "To be created 3" in page.words
    spec = library.load_mapping(drafts.open(draft_id).mapping).spec
    assert sorted(spec.new_values["city"]) == ["Budaörs", "Pécel"]
    assert spec.form["city"].map == {"BUDAPEST": "Budapest"}


def test_a_value_that_no_cell_says_is_changed_in_the_columns(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    mapping = MAPPING.replace("city: City", "city: {value: Budapst}")
    draft_id = draft_of(browser, drafts, LIST, mapping)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    answer = browser.post(f"/drafts/{draft_id}/plan/values", decisions(page, "mean", "Budapest"))
    assert answer.status == 422
    assert "No cell says “Budapst”: the columns make it" in answer.words
    assert "To the columns" in answer.words


def test_values_that_are_decided_are_kept_where_the_sandbox_is_given_a_field(
    browser: Browser, drafts: Drafts
) -> None:
    mapping = MAPPING.replace("  city:", "  shoe_size: Name\n  city:")
    draft_id = draft_of(browser, drafts, LIST, mapping)
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    page = planned(browser, draft_id)
    assert 'form="new-values" name="fit"' in page.text
    form = {**decisions(page, "allow"), "fit": "yes"}
    assert browser.post(f"/drafts/{draft_id}/plan/values", form).status == 303
    assert "To be created 2" in settled(browser, f"/drafts/{draft_id}/plan").words


def test_remarks_of_a_plan_show_as_many_rows_as_a_report(browser: Browser, drafts: Drafts) -> None:
    people = "".join(f"Person {n},06 30 123 4{n:03} ext {n}\n" for n in range(1, 8))
    mapping = MAPPING.replace("  city: City\n", "")
    draft_id = draft_of(browser, drafts, f"Name,Phone\n{people}", mapping)
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    page = planned(browser, draft_id)
    told = page.words.partition("Extension is not sent, 7 ")[2]
    for row in range(2, 7):
        assert f"row {row}, Phone: " in told
    assert "and 2 more" in told


def test_what_other_pages_post_as_values_is_not_written(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    draft_id = draft_of(browser, drafts, LIST, MAPPING)
    goes_to(browser, draft_id, service)
    planned(browser, draft_id)
    form = {"field_0": "city", "text_0": '"Nowhere"', "what_0": "allow"}
    browser.post(f"/drafts/{draft_id}/plan/values", form)
    settled(browser, f"/drafts/{draft_id}/plan")
    assert "Nowhere" not in drafts.open(draft_id).mapping.read_text("utf-8")


def test_fields_that_lack_are_told_with_the_step_that_mends_them(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    draft_id = draft_of(browser, drafts, LIST, mapping=MAPPING.replace("  city:", "  shoe_size:"))
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    assert "The project has no field “shoe_size”, from the column “City”" in page.words
    assert f'href="/drafts/{draft_id}/columns"' in page.text
    assert "Add it to the sandbox" not in page.words, "a real project is not ours to change"
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    page = planned(browser, draft_id)
    assert "Add it to the sandbox" in page.words
    assert browser.post(f"/drafts/{draft_id}/plan", {"fit": "yes"}).status == 303
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert "To be created 2" in page.words


def test_all_fields_that_lack_are_told_at_once(browser: Browser, drafts: Drafts) -> None:
    lacking = ("country", "cityy", *(f"shoe_size_{n}" for n in range(6)))
    mapping = MAPPING.replace("  city: City\n", "".join(f"  {name}: City\n" for name in lacking))
    draft_id = draft_of(browser, drafts, LIST, mapping)
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    page = planned(browser, draft_id)
    assert "The project lacks 8 fields that the columns fill" in page.words
    for name in lacking:
        assert f"“{name}”, from the column “City”" in page.words
    assert '“cityy”, from the column “City”: did you mean "city"?' in page.words
    assert "account" not in page.words.partition("The fields that the project has")[0]
    assert page.text.count("To the columns") == 1
    fields = json.loads(
        resources.files("importer.console").joinpath("sandbox_project.json").read_bytes()
    )["fields"]
    assert f"The fields that the project has ({len(fields)})" in page.words
    assert all(field["name"] in page.words for field in fields)


def test_a_plan_is_out_of_date_once_something_it_is_made_of_is_another(
    browser: Browser, drafts: Drafts
) -> None:
    mapping = MAPPING.replace("  city: City\n", "  note: City\n")
    draft_id = draft_of(browser, drafts, LIST, mapping=mapping)
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    assert "Go on to sending" in planned(browser, draft_id).words
    draft = drafts.open(draft_id)
    changes: dict[str, Callable[[], object]] = {
        "the columns were changed": lambda: drafts.set_mapping(draft_id, mapping + "# x\n"),
        "cells were mended": lambda: draft.edits.write_text("{}\n", "utf-8"),
        "read in another way": lambda: drafts.change(draft_id, reading=SourceOptions(header_row=1)),
    }
    for words, change in changes.items():
        change()
        page = browser.get(f"/drafts/{draft_id}/plan")
        assert "Since the list was planned last, " in page.words
        assert words in page.words
        assert page.text.index("Plan again</button>") < page.text.index("Where the records go")
        assert "Go on to sending" not in page.words
    draft.edits.unlink()
    assert "Go on to sending" in planned(browser, draft_id).words


def test_what_was_refused_is_not_said_of_other_columns_edits_or_places(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    mapping = MAPPING.replace("  name:", "  shoe_size:")
    draft_id = draft_of(browser, drafts, LIST, mapping)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    assert "shoe_size" in page.words
    assert "“Budaörs”" in page.words
    decided = decisions(page, "allow")
    drafts.set_mapping(draft_id, MAPPING)
    page = browser.get(f"/drafts/{draft_id}/plan")
    assert "shoe_size" not in page.words
    assert "“Budaörs”" not in page.words
    assert "Since the list was planned last, the columns were changed" in page.words
    assert page.text.index('class="main">Plan again') < page.text.index("Where the records go")
    answer = browser.post(f"/drafts/{draft_id}/plan/values", decided)
    assert answer.status == 422, "what is decided must be seen to be lost"
    assert "the columns were changed" in answer.words
    assert drafts.open(draft_id).mapping.read_text("utf-8") == MAPPING
    drafts.set_mapping(draft_id, mapping)
    assert "shoe_size" in browser.get(f"/drafts/{draft_id}/plan").words, "as it was"
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    page = browser.get(f"/drafts/{draft_id}/plan")
    assert "shoe_size" not in page.words
    assert "Since the list was planned last, the records go elsewhere" in page.words


def test_a_mistake_of_the_columns_is_not_told_once_they_are_mended(
    browser: Browser, drafts: Drafts
) -> None:
    mapping = MAPPING.replace("  city: City\n", "")
    draft_id = draft_of(browser, drafts, LIST, mapping=mapping.replace("Name ", "Nome "))
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    assert "Nome" in planned(browser, draft_id, pace="gentle").words
    drafts.set_mapping(draft_id, mapping)
    page = browser.get(f"/drafts/{draft_id}/plan")
    assert "Nome" not in page.words
    assert "the columns were changed" in page.words
    page = planned(browser, draft_id)  # as the button at the top does
    assert "at most 5 records a second" in page.words, "at the pace that was chosen"


def test_a_key_that_is_refused_and_a_service_that_is_down_are_told(
    browser: Browser, drafts: Drafts, service: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft_id = draft_of(browser, drafts, LIST, MAPPING)
    goes_to(browser, draft_id, service)
    monkeypatch.setenv("VCC_API_KEY", "another-key")
    page = planned(browser, draft_id)
    assert "401" in page.words
    assert "another-key" not in page.text
    assert "Make the plan" in page.words
    goes_to(browser, draft_id, replace(service, base_url="http://127.0.0.1:9/v2"))
    page = planned(browser, draft_id)
    assert "127.0.0.1:9" in page.words
    goes_to(browser, draft_id, service, project=999)
    monkeypatch.setenv("VCC_API_KEY", KEY)
    page = planned(browser, draft_id)
    assert "Check the project's number" in page.words


def test_a_list_that_was_sent_before_is_planned_again_only_by_a_word(
    browser: Browser, drafts: Drafts, service: LiveSandbox, tmp_path: Path
) -> None:
    mapping = MAPPING.replace("  city: City\n", "")
    draft_id = draft_of(browser, drafts, LIST, mapping=mapping)
    goes_to(browser, draft_id, service)
    target = Target(service.base_url, 134, "acme", Secret(KEY))
    draft = drafts.open(draft_id)
    settings = RunSettings(runs_dir=tmp_path / "others")
    library.run(draft.file, draft.mapping, target=target, settings=settings)
    page = planned(browser, draft_id)
    assert "was sent to project 134 before" in page.words
    assert "2 records were created" in page.words
    assert "--again" not in page.words
    assert str(draft.folder) not in page.text
    page = planned(browser, draft_id, again="yes")
    assert "Go on to sending" in page.words
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    assert not drafts.open(draft_id).again, "elsewhere it was not sent yet"


def settled_check(browser: Browser, address: str) -> Page:
    """A page once the list is checked."""
    return shown(browser, address, lambda page: "The list is being checked" not in page.words)


def test_a_list_that_was_sent_before_is_told_before_it_is_planned(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    said = "This list was sent to project 134 before"
    mapping = MAPPING.replace("  city: City\n", "")
    first, second = (draft_of(browser, drafts, LIST, mapping) for _ in range(2))
    for draft_id in (first, second):
        goes_to(browser, draft_id, service)
        planned(browser, draft_id)
    sent(browser, f"/drafts/{first}/send", "all")
    for step in ("file", "fix"):
        page = settled_check(browser, f"/drafts/{second}/{step}")
        assert (page.status, said in page.words) == (200, True)
        assert f'href="/drafts/{first}/result"' in page.text
        assert said not in settled_check(browser, f"/drafts/{first}/{step}").words
    run_dir = drafts.open(first).run_dir
    assert run_dir is not None
    drafts.change(second, excepted=(run_dir,))
    assert said not in settled_check(browser, f"/drafts/{second}/fix").words


def test_a_list_that_was_sent_to_the_sandbox_before_says_so(
    browser: Browser, drafts: Drafts
) -> None:
    said = "This very list was sent to the sandbox before"
    mapping = MAPPING.replace("  city: City\n", "")
    first, second, other = (
        draft_of(browser, drafts, text, mapping)
        for text in (LIST, LIST, LIST.replace("Ann", "Eve"))
    )
    for draft_id in (first, second, other):
        browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    assert said not in planned(browser, first).words
    assert said not in planned(browser, second).words, "it is planned, and not sent"
    sent(browser, f"/drafts/{first}/send", "all")
    page = browser.get(f"/drafts/{second}/plan")
    assert said in page.words
    assert f'href="/drafts/{first}/result"' in page.text
    for step in ("file", "fix"):  # as soon as it is known what the list is, and where it goes
        page = settled_check(browser, f"/drafts/{second}/{step}")
        assert (page.status, said in page.words) == (200, True)
        assert f'href="/drafts/{first}/result"' in page.text
        assert said not in settled_check(browser, f"/drafts/{other}/{step}").words
    page = browser.get(f"/drafts/{second}/plan")
    assert "Go on to sending" in page.words, "a rehearsal can be held twice"
    assert said not in browser.get(f"/drafts/{first}/plan").words
    assert said not in browser.get(f"/drafts/{other}/plan").words
    run_dir = drafts.open(first).run_dir
    assert run_dir is not None
    drafts.change(second, excepted=(run_dir,))
    assert said not in browser.get(f"/drafts/{second}/plan").words, "nothing is sent twice"


def test_a_broken_mapping_is_told_line_by_line(browser: Browser, drafts: Drafts) -> None:
    draft_id = draft_of(browser, drafts, LIST, mapping="version: 1\nfrom: {}\n")
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    page = planned(browser, draft_id)
    assert "the mapping:2:1" in page.words
    assert str(drafts.folder) not in page.text


def test_what_stands_in_a_list_stays_text(
    browser: Browser, drafts: Drafts, service: LiveSandbox
) -> None:
    evil = "<script>alert(1)</script>"
    draft_id = draft_of(browser, drafts, LIST.replace("Budaörs", evil), MAPPING)
    goes_to(browser, draft_id, service)
    page = planned(browser, draft_id)
    assert evil not in page.text
    assert evil in page.words or "alert(1)" in page.words
    browser.post(f"/drafts/{draft_id}/plan/values", decisions(page, "allow"))
    page = settled(browser, f"/drafts/{draft_id}/plan")
    assert evil not in page.text
    assert "To be created 2" in page.words


def under_way_draft(tmp_path: Path) -> tuple[Drafts, Draft]:
    drafts = Drafts(tmp_path / "drafts")
    with drafts.receive("leads.csv") as upload:
        upload.write(LIST.encode())
        draft = upload.keep()
    return drafts, drafts.set_mapping(draft.id, MAPPING)


def test_planning_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    drafts, draft = under_way_draft(tmp_path)
    settings = RunSettings(runs_dir=tmp_path / "runs")

    async def work(base_url: str) -> None:
        under_way = UnderWay(drafts)
        target = Target(base_url, 134, "sandbox", Secret("sandbox"))
        where = Whereabouts(None, Account())
        planning = under_way.plan(draft, target, where, settings)
        with pytest.raises(BusyError, match="being planned"):
            under_way.plan(draft, target, where, settings)
        planning.ask_to_stop()
        await planning.ended.wait()
        assert isinstance(planning.error, RunInterruptedError)
        assert planning.result is None
        planning = under_way.plan(draft, target, where, settings)
        await under_way.end()
        assert planning.done
        with pytest.raises(BusyError, match="ending"):
            under_way.plan(draft, target, where, settings)

    with live_sandbox() as service:
        asyncio.run(work(service.base_url))
    assert not list((tmp_path / "runs").glob("leads-*"))
    assert drafts.open(draft.id).plan_dir is None


def test_who_watches_is_told_the_latest_at_once_and_the_end() -> None:
    async def work() -> None:
        feed = Feed()
        for number in range(1000):
            feed.put({"done": number})
        early, late = feed.events(), feed.events()
        assert json.loads((await anext(early)).data) == {"done": 999}
        feed.put({"done": 1000})
        feed.put({"done": 1001})
        assert json.loads((await anext(early)).data) == {"done": 1001}, "none between is kept"
        feed.end()
        for reader in (early, late):
            told = [event async for event in reader]
            assert [event.name for event in told][-1] == "ended"
            assert json.loads(told[0].data) == {"done": 1001}

    asyncio.run(asyncio.wait_for(work(), SECONDS))


def test_how_the_planning_goes_is_told_to_a_page(browser: Browser, drafts: Drafts) -> None:
    draft_id = draft_of(browser, drafts, LIST, mapping=MAPPING.replace("  city: City\n", ""))
    browser.post(f"/drafts/{draft_id}/place", {"place": "sandbox"})
    events = f"/drafts/{draft_id}/plan/events?page=0123456789abcdef"
    assert browser.get(events).status == 404
    planned(browser, draft_id)
    told = browser.get(events)  # it has ended: so does the stream
    assert told.status == 200
    assert "event: ended" in told.text
