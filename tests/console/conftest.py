"""A console of its own for each test, and a browser that has opened its link."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.console.drafts import Drafts
from tests.support.live_browser import Tab, chromium, open_tab
from tests.support.live_console import Browser, LiveConsole, live_console

if TYPE_CHECKING:
    from playwright.sync_api import Browser as RealBrowser


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials are set, and there is no .env file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VCC_CUSTOMER", raising=False)
    monkeypatch.delenv("VCC_API_KEY", raising=False)


@pytest.fixture
def drafts(state_dir: Path) -> Drafts:
    """The drafts of the console."""
    return Drafts(state_dir / "console" / "drafts")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[LiveConsole]:
    with live_console(runs_dir=tmp_path / "runs") as live:
        yield live


@pytest.fixture
def browser(console: LiveConsole) -> Browser:
    return console.browser()


@pytest.fixture(scope="module")
def real_browser() -> Iterator[RealBrowser]:
    """Chromium, one for the tests of a module."""
    with chromium() as started:
        yield started


@pytest.fixture
def tab(real_browser: RealBrowser, console: LiveConsole) -> Iterator[Tab]:
    """A tab of the console, of which the browser has nothing to complain at the end."""
    with open_tab(real_browser, console) as opened:
        yield opened
        assert opened.complaints == []
