"""Expressions that a stranger's text reaches take time in proportion to it."""

from __future__ import annotations

import time

import pytest

from importer.drafting import draft
from importer.mapping.patterns import mistake_in


@pytest.mark.parametrize("text", ["@" * 200_000, "a@" * 100_000, "a@" + "." * 200_000])
def test_a_header_is_searched_for_data_in_linear_time(text: str) -> None:
    """Twice over each sign would be hundreds of seconds."""
    began = time.process_time()
    draft._DATA.search(text)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("text", ["a@b.cc", "Jane <jane@x.example>", "+36 30 123 4567"])
def test_what_is_data_is_still_known(text: str) -> None:
    assert draft._DATA.search(text)
    assert mistake_in("(a+)+b") is None
