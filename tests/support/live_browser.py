"""A real browser, Chromium, on the pages of a real console: for tests that look as people do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.live_console import LiveConsole

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 20
SCHEMES = ("light", "dark")
_COMPLAINTS = ("Refused to", "Content Security Policy", "Content-Security-Policy")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine, without a window; skips where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    # Chromium's own sandbox does not work for root, as whom containers run.
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if root else []
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A page of a console, and what the browser complained of while it was open."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("requestfailed", self._failed)

    def _hear(self, message: Any) -> None:
        if message.type == "error" or any(words in message.text for words in _COMPLAINTS):
            self.complaints.append(message.text)

    def _failed(self, request: Any) -> None:
        # What the page itself gave up, as it does when it is left, is no fault.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.url}: {request.failure}")

    def has(self, selector: str, count: int) -> None:
        """Wait until so many elements are there."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_have_count(count, timeout=SECONDS * 1000)

    def holds(self, selector: str, value: str) -> None:
        """Wait until a field has that value."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_have_value(value, timeout=SECONDS * 1000)

    def says(self, selector: str, words: str) -> None:
        """Wait until words stand in an element."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_contain_text(words, timeout=SECONDS * 1000)

    def focuses(self, selector: str) -> None:
        """Wait until an element has the focus: what is exchanged gets it back a moment later."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_be_focused(timeout=SECONDS * 1000)

    def faults(self) -> list[str]:
        """What axe finds wrong with the page, in light and in dark colours."""
        from axe_playwright_python.sync_playwright import Axe

        found = []
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            # In the midst of a transition colours are neither those of before nor of after.
            self.page.evaluate(
                "Promise.allSettled(document.getAnimations().map(each => each.finished))"
            )
            for violation in Axe().run(self.page).response["violations"]:
                places = [node["target"] for node in violation["nodes"][:3]]
                found.append(f"{scheme}: {violation['id']}: {violation['help']}: {places}")
        self.page.emulate_media(color_scheme="light")
        # axe leaves empty attributes behind, which htmx would copy against the page's policy.
        self.page.evaluate(
            "for (const each of document.querySelectorAll('[style=\"\"]'))"
            " each.removeAttribute('style')"
        )
        return found

    def too_wide(self) -> int:
        """By how many pixels the page is wider than the window: then it scrolls sideways."""
        wide: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide

    def stored(self) -> dict[str, Any]:
        """All that the page keeps in the browser's storage."""
        kept: dict[str, Any] = self.page.evaluate(
            """async () => ({
                local: {...localStorage},
                session: {...sessionStorage},
                databases: (await indexedDB.databases()).map(each => each.name),
                caches: await caches.keys(),
            })"""
        )
        return kept


@contextmanager
def open_tab(browser: Browser, console: LiveConsole, **options: Any) -> Iterator[Tab]:
    """A tab that has opened the console's link as a person does, by the file that leads there."""
    context = browser.new_context(color_scheme="light", **options)
    context.set_default_timeout(SECONDS * 1000)
    try:
        tab = Tab(context.new_page())
        tab.page.goto(console.link.file.as_uri())
        tab.page.wait_for_url(f"{console.origin}/")
        yield tab
    finally:
        context.close()
