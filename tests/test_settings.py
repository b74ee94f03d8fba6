"""Limits as the user writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import UsageError
from importer.settings import MaxFailures, parse_max_failures


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("50", MaxFailures(50)),
        ("0", MaxFailures(0)),
        ("2%", MaxFailures(2, percent=True)),
        (" 2.5 % ", MaxFailures(2.5, percent=True)),
        ("100%", MaxFailures(100, percent=True)),
    ],
)
def test_failures_are_a_number_or_a_percentage(text: str, meant: MaxFailures) -> None:
    assert parse_max_failures(text) == meant
    assert parse_max_failures(str(meant)) == meant


@pytest.mark.parametrize("text", ["", "-1", "2.5", "101%", "%", "two", "1e3", "5 rows", "\u0665"])
def test_anything_else_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_max_failures(text)
    assert "50 or 2%" in str(caught.value.hint)


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 100))
def test_a_percentage_says_nothing_of_a_few_answers(failed: int, more: int, percent: float) -> None:
    answered = failed + more
    exceeded = MaxFailures(percent, percent=True).exceeded(failed, answered)
    assert exceeded == (answered >= 100 and failed * 100 > percent * answered)


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_number_is_what_may_fail(failed: int, limit: int) -> None:
    assert MaxFailures(limit).exceeded(failed, failed) == (failed > limit)
