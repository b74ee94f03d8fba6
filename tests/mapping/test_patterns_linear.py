"""Expressions that a stranger's text reaches take time in proportion to it, in each thread."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from importer.drafting import draft
from importer.mapping.patterns import Pattern, mistake_in
from tests.support.sheets import batch_of, plan_of


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


def test_a_text_is_matched_while_another_thread_gathers_its_own() -> None:
    pattern = Pattern("[0-9]+")
    found: list[bool] = []

    def ask(text: str) -> None:
        assert pattern.fits(text)  # only gathered so far
        with ThreadPoolExecutor(1) as beside:
            found.append(beside.submit(pattern.fits, "a letter").result())
            beside.submit(pattern.match_ahead, pattern.fits, ["9"]).result()

    pattern.match_ahead(ask, ["1", "b"])
    assert found == [False, False]
    assert [pattern.fits(text) for text in ("1", "b")] == [True, False]


def test_batches_that_are_mapped_side_by_side_are_judged_as_one_after_the_other() -> None:
    mapping = 'form: {code: {column: Code, case: upper, pattern: "[A-Z]{2}[0-9]+"}}\n'
    batches = [
        batch_of([[f"ab{n}" if n % 2 else f"a{n}b"] for n in range(first, first + 6_000)], first)
        for first in range(2, 24_002, 6_000)
    ]
    plan = plan_of(mapping, ["Code"])
    with ThreadPoolExecutor(len(batches)) as beside:
        checked = [evaluated.checked for evaluated in beside.map(plan.evaluate, batches)]
    for batch, found in zip(batches, checked, strict=True):
        rows = [problem.row for problem in found.problems]
        assert rows == [row for row in batch.rows.tolist() if row % 2 == 0]
