"""The columns step: a mapping is drafted, shown as text with what it makes, and changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.console.drafts import Drafts
from tests.support.live_console import Browser

LIST = "Name,City,Phone\n<b>Ann</b>,Budapest,+36 30 123 4567\nBob,Vác,+36 30 123 4568\n"


pytestmark = pytest.mark.usefixtures("nobody")


def test_a_mapping_is_drafted_and_its_records_are_shown(browser: Browser, state_dir: Path) -> None:
    draft_id = browser.draft_id("leads.csv", LIST.encode())
    page = browser.get(f"/drafts/{draft_id}/columns")
    assert page.status == 200, page.words
    draft = Drafts(state_dir / "console" / "drafts").open(draft_id)
    assert "name: Name" in draft.mapping.read_text("utf-8")
    assert '"phone": "3630' in page.words
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
    assert "line:3:" in page.words
    assert "colum: Name" in page.words
    assert str(state_dir) not in page.text
    assert draft.mapping.read_text("utf-8") == before
    good = "version: 1\nform:\n  called: Name  # as they say\ncontacts:\n  1: {phone: Phone}\n"
    part = browser.post_part(f"/drafts/{draft_id}/columns", {"text": good.replace("\n", "\r\n")})
    assert '"called": "Bob"' in part.words
    assert "<html" not in part.text
    assert draft.mapping.read_text("utf-8") == good
    missing = good.replace("called: Name", "called: Nam")
    page = browser.post_part(f"/drafts/{draft_id}/columns", {"text": missing})
    assert "Nam" in page.words
