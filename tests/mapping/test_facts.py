"""Facts: what columns show, the same however the file is cut up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.bound import BoundMapping
from importer.mapping.facts import Facts
from tests.support.sheets import batch_of, bodies_of, informed, plan_of

HEADERS = ("A", "B", "C", "D")
MAPPING = """
region: HU
form:
  day: {column: A, type: date}
  sum: {column: B, type: decimal}
  code: D
contacts:
  1: {phone: C}
  spread: {columns: [B, C], split: [",", "; "]}
"""
PLAN = plan_of(MAPPING, HEADERS)

CELL = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.from_regex(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[.,][0-9]{1,4}", fullmatch=True),
    st.from_regex(r"[+0]{0,2}[0-9]{3,18}(; [0-9]{9})?", fullmatch=True),
    st.just("2024-05-07"),
)
ROWS = st.lists(st.tuples(CELL, CELL, CELL, CELL), min_size=1, max_size=25)


def facts_of(plan: BoundMapping, rows: Sequence[Sequence[str]], cuts: Sequence[int] = ()) -> Facts:
    watch = plan.fact_counter()
    places = sorted({0, *cuts, len(rows)})
    for first, last in pairwise(places):
        watch.add(batch_of(rows[first:last], first + 2))
    return watch.facts()


@given(ROWS, st.lists(st.integers(0, 25), max_size=5))
def test_facts_are_the_same_however_the_file_is_cut_into_batches(
    rows: list[tuple[str, ...]], cuts: list[int]
) -> None:
    cuts = [cut for cut in cuts if cut < len(rows)]
    assert facts_of(PLAN, rows, cuts) == facts_of(PLAN, rows)


@given(ROWS)
def test_a_plan_without_facts_is_the_plain_one(rows: list[tuple[str, ...]]) -> None:
    plan = PLAN.with_facts(Facts())
    assert plan == PLAN
    batch = batch_of(rows)
    assert plan.evaluate(batch).checked.problems == PLAN.evaluate(batch).checked.problems


@given(ROWS)
def test_no_column_makes_an_informed_plan_fail_or_lose_a_row(rows: list[tuple[str, ...]]) -> None:
    plan = PLAN.with_facts(facts_of(PLAN, rows))
    sent = bodies_of(plan, rows)
    assert len(sent) == len(rows)


def test_a_fact_has_its_count_its_first_example_and_that_one_s_row() -> None:
    rows = [["", "", "", ""], ["13/04/2024", "", "", ""], ["14/04/2024", "", "", ""]]
    tallies = facts_of(PLAN, rows).targets["form.day"]
    assert {kind: tuple(tally) for kind, tally in tallies.items()} == {
        "day_first": (2, "13/04/2024", 3, 2)
    }


def test_the_values_of_a_multiple_rule_are_looked_at_one_by_one() -> None:
    rows = [["", "", "+36301234567; 06301234567,301234567", ""]]
    tallies = facts_of(PLAN, rows).targets["contacts.spread"]
    assert {kind: tally.total for kind, tally in tallies.items()} == {
        "plus": 1,
        "zero": 1,
        "bare": 1,
    }


@pytest.mark.parametrize(
    "rule",
    [
        "{column: A, type: boolean}",
        "{column: A, choices: ['1011', '612']}",
        "{template: '{A}'}",
        "{column: A, type: email}",
    ],
)
def test_columns_whose_rules_need_no_facts_are_not_watched(rule: str) -> None:
    plan = plan_of("form: {x: " + rule + "}", ["A"])
    assert facts_of(plan, [["1,234"]]) == Facts()


def prefix_hints(cells: Sequence[str], options: str = "", where: str = "form.x") -> list[str]:
    """The hints on a prefix that cells have in common, in a rule with these options."""
    rule = "{column: A" + options + "}"
    parts = {"form.x": f"form: {{x: {rule}}}", "phone": f"contacts: {{1: {{phone: {rule}}}}}"}
    parts["name"] = f"contacts: {{1: {{phone: B, name: {rule}}}}}"
    parts["spread"] = f"contacts: {{spread: {rule}}}"
    text = f"region: HU\n{'' if where == 'form.x' else 'form: {b: B}'}\n{parts[where]}"
    plan = informed(text, ["A", "B"], [[cell, "06301234567"] for cell in cells])
    return [p.hint or "" for p in plan.remarks if p.code == "common_prefix"]


def test_a_prefix_that_nearly_all_cells_have_is_told_with_what_takes_it_off() -> None:
    [hint] = prefix_hints(["z:9021", "z:9022", "z:1011"])
    assert hint.endswith('remove_prefix: "z:"')
    assert prefix_hints(["z:9021", "z:9022"], ", remove_prefix: 'z:'") == []
    [hint] = prefix_hints(["z:a:9021", "z:a:9022"], ", remove_prefix: 'z:'")
    assert hint.endswith('remove_prefix: ["z:", "a:"]')
    assert prefix_hints(["https://a.hu", "https://b.hu"]) == []
    assert prefix_hints(["z:9021", "9022", "1011"]) == []
    assert prefix_hints(["Note: call back", "Note: call twice"]) == []


@pytest.mark.parametrize(
    ("cells", "options", "where"),
    [
        (["z:9021", "z:9022"], ", type: integer", "form.x"),
        (["No: 12", "No: 13"], ", type: integer", "form.x"),
        (["ag:12", "ag:13"], ", type: valueid", "form.x"),
        (["d:2024-05-17", "d:2024-05-18"], ", type: date", "form.x"),
        (["eur:12,50", "eur:1,25"], ", type: decimal, input: ','", "form.x"),
        (["b:yes", "b:no"], ", type: boolean", "form.x"),
        (["pl:Gold", "pl:Silver"], ", choices: [Gold, Silver]", "form.x"),
        (["pl:G", "pl:S"], ", map: {G: Gold, S: Silver}", "form.x"),
        (["pl:Gold", "pl:Silver"], ", pattern: '[A-Z][a-z]+'", "form.x"),
        (["u:https://a.hu", "u:https://b.hu"], ", type: url", "form.x"),
        (["e:ann@example.com", "e:bob@example.com"], ", type: email", "form.x"),
        (["i:a; i:b", "i:c"], ", multiple: true, split: [';']", "form.x"),
        (["x9:+36301234567", "x9:+36301234568"], "", "phone"),
        (["x9:+36301234567", "x9: 06301234568; x9: 06301234569"], ", split: [';']", "spread"),
        (["n:Ann", "n:Bob"], "", "name"),
    ],
)
def test_a_prefix_is_told_in_columns_of_every_type_and_taken_off_does_not_stand_in_the_way(
    cells: list[str], options: str, where: str
) -> None:
    mark = cells[0][: cells[0].index(":") + 1]
    [hint] = prefix_hints(cells, options, where)
    assert hint.endswith(f'remove_prefix: "{mark}"')
    assert prefix_hints(cells, f"{options}, remove_prefix: '{mark}'", where) == []


@pytest.mark.parametrize(
    ("cells", "options", "where"),
    [
        (["pl:G", "pl:S"], ", map: {'pl:G': Gold, 'pl:S': Silver}", "form.x"),
        (["pl:G", "pl:S"], ", choices: ['pl:G', 'pl:S']", "form.x"),
        (["pl:12", "pl:13"], ", pattern: 'pl:[0-9]+'", "form.x"),
        (["pl:12", "pl:13"], r", pattern: '\pL+:[0-9]+'", "form.x"),  # of RE2, not of Python
        (["mailto:a@b.hu", "mailto:c@d.hu"], ", type: url", "form.x"),
        (["p:+36301234567", "p:+36301234568"], "", "phone"),
        (["Tel: 06301234567", "Tel: 06301234568"], "", "phone"),
        (["Fax: 06301234567", "Fax: 06301234568"], "", "phone"),
        (["z:9021"], ", type: integer", "form.x"),
        (["10:30", "10:45"], "", "form.x"),
    ],
)
def test_a_prefix_that_is_meant_is_not_told(cells: list[str], options: str, where: str) -> None:
    assert prefix_hints(cells, options, where) == []


def test_whether_a_prefix_is_told_does_not_hang_on_where_batches_end() -> None:
    plan = plan_of("form: {x: A}", ["A"])
    for first in ("abc", "z:1"):
        rows = [[first], *([["z:9021"]] * 30)]
        assert facts_of(plan, rows, [1]) == facts_of(plan, rows) == facts_of(plan, rows, [1, 2, 9])
