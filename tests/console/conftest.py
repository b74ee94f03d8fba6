"""A console of its own for each test, and a browser that has opened its link."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.live_console import Browser, LiveConsole, live_console


@pytest.fixture
def console() -> Iterator[LiveConsole]:
    with live_console() as live:
        yield live


@pytest.fixture
def browser(console: LiveConsole) -> Browser:
    return console.browser()
