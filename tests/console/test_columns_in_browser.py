"""The columns in a real browser: what is chosen is kept at once, what was typed is not lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.console import columns_step
from tests.support.live_browser import chromium, open_tab
from tests.support.live_console import LiveConsole

if TYPE_CHECKING:
    from playwright.sync_api import Dialog

LIST = "Name,City,Phone\nAnn,Budapest,+36 30 123 4567\nBob,Vác,+36 30 123 4568\n"


def test_choices_are_kept_and_what_was_typed_stays(
    console: LiveConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VCC_CUSTOMER", raising=False)
    monkeypatch.delenv("VCC_API_KEY", raising=False)
    path = tmp_path / "leads.csv"
    path.write_text(LIST, "utf-8")
    with chromium() as browser, open_tab(browser, console) as tab:
        page = tab.page
        page.set_input_files("#file", path)
        page.wait_for_url("**/file")
        page.goto(page.url.replace("/file", "/columns"))
        rules = page.locator(".rule")
        asked: list[str] = []

        def leave(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.accept()

        page.on("dialog", leave)
        page.reload()
        page.locator("header a.name").click()
        page.wait_for_url(f"{console.origin}/")
        page.go_back()
        assert asked == [], "nothing was typed"
        page.remove_listener("dialog", leave)

        rules.nth(0).locator("summary").click()
        rules.nth(0).locator("[name=required]").check()
        tab.says("#verdict", "Kept")
        assert "name: {column: Name, required: true}" in page.input_value("#text")
        assert rules.nth(0).locator("details").get_attribute("open") is not None
        focused = page.evaluate("document.activeElement.name")
        assert focused == "required"

        rules.nth(0).locator("[name=default]").fill("typed")
        assert rules.nth(0).locator(".keep").is_visible()
        assert rules.nth(1).locator(".keep").is_hidden()
        for width in (400, 1280):
            page.set_viewport_size({"width": width, "height": 600})
            for option in rules.nth(0).locator("details [name]:not([type=hidden])").all():
                option.scroll_into_view_if_needed()
                box = rules.nth(0).locator(".keep button").bounding_box()
                assert box is not None
                assert 0 <= box["y"] <= 600 - box["height"], "it is in sight from every field"
        assert tab.faults() == []
        left: list[str] = []

        def stay(dialog: Dialog) -> None:
            left.append(dialog.type)
            dialog.dismiss()

        page.once("dialog", stay)
        page.locator(".records a.main").click()
        assert left == ["beforeunload"]
        assert page.url.endswith("/columns")
        rules.nth(1).locator("[name=type]").select_option("url")
        tab.says("#text", "type: url")
        assert rules.nth(0).locator("[name=default]").input_value() == "typed"

        page.locator("#whole > summary").click()
        page.locator("#text").fill("version: 1\nform: {who: Nam}\n")
        rules.nth(1).locator("[name=type]").select_option("")
        tab.says("#notice", "keep it first")
        assert "who: Nam" in page.input_value("#text")
        page.locator("#as-text button").click()
        tab.says("#verdict", "Nam")

        page.locator("#text").fill("version: 1\nform: {who: Name}\ncontacts: {1: {phone: Phone}}\n")
        page.locator("#as-text button").click()
        tab.says("#verdict", "Kept")
        tab.says(".records", "Ann")
        assert tab.faults() == []
        for width in (400, 1280, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            assert tab.too_wide() == 0, width

        page.locator("#save-name").fill("those of the fair")
        page.get_by_role("button", name="Save", exact=True).click()
        tab.says("#verdict", "Saved as")
        box = page.locator("#verdict").bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 900, "it is seen, though the button is at the end of a long page"
        page.locator("#save-name").fill("those of the fair")
        page.get_by_role("button", name="Save", exact=True).click()
        tab.says("#verdict", "already")
        assert page.input_value("#save-name") == "those of the fair"
        page.locator("#save-name").fill("")
        page.goto(page.url.replace("/columns", "/columns/values?field=who"))
        tab.says("#step", "what is sent for it")
        page.locator("[name=becomes_0]").fill("Anna")
        for width in (400, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            assert (tab.faults(), tab.too_wide()) == ([], 0), width
        page.get_by_role("button", name="Keep these").click()
        tab.says(".records", "Anna")
        page.goto(console.origin)
        tab.says(".saved", "those of the fair")
        assert tab.faults() == []
        assert tab.complaints == []


def test_of_a_large_form_the_columns_are_filled_in_where_one_chooses(
    console: LiveConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VCC_CUSTOMER", raising=False)
    monkeypatch.delenv("VCC_API_KEY", raising=False)
    monkeypatch.setattr(columns_step, "MOST_CHOICES", 0)
    path = tmp_path / "leads.csv"
    path.write_text(LIST, "utf-8")
    with chromium() as browser, open_tab(browser, console) as tab:
        page = tab.page
        page.set_input_files("#file", path)
        page.wait_for_url("**/file")
        page.goto(page.url.replace("/file", "/columns"))
        column = page.locator(".rule").nth(0).locator("[name=column]")
        assert column.locator("option").all_inner_texts() == ["Name"]
        column.focus()
        assert column.locator("option").all_inner_texts() == ["Name", "City", "Phone"]
        assert column.input_value() == "0"
        page.locator("#new-column").focus()
        page.locator("#new-column").select_option("2")
        column.select_option("1")
        tab.says("#verdict", "Kept")
        assert "name: City" in page.input_value("#text")
        assert page.locator("#new-column").input_value() == "2", "what was chosen stays"
        assert tab.complaints == []
