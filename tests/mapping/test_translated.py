"""A rule that sends one text instead of another: a `map` that cells really meet, or none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from importer.api.request import encode
from importer.library import load_mapping, translated
from importer.model import Severity
from tests.support.sheets import batch_of, plan_of

TEXT = st.text(" aAbß/", min_size=1, max_size=3)
CELLS = st.lists(st.text(' aAbß/|,"', max_size=6), min_size=1, max_size=6)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """Any of the options that come before the `map`, and one with codes already."""
    optional: dict[str, Any] = {
        "case": st.sampled_from(["upper", "lower", "title"]),
        "map": st.dictionaries(TEXT, TEXT.map(str.strip).filter(bool), max_size=3),
        "remove_prefix": st.just(["a"]),
        "default": st.just("A"),
        "repair": st.just(True),
    }
    rule = draw(st.fixed_dictionaries({"column": st.just("A")}, optional=optional))
    if draw(st.booleans()):
        rule |= {"multiple": True, "split": [","]}
        rule |= {"pipe": draw(st.sampled_from(["error", "split", "replace"]))}
    return rule


def sent_by(rule: Mapping[str, Any], cells: list[str]) -> list[list[str]]:
    """The values of each cell as they are sent; none of a cell that is wrong."""
    plan = plan_of("form: " + json.dumps({"x": rule, "row": "Row"}), ["A", "Row"])
    evaluated = plan.evaluate(batch_of([[cell, "row"] for cell in cells]))
    wrong = {one.row for one in evaluated.checked.problems if one.severity is Severity.ERROR}
    found = [json.loads(body)["form"].get("x", "") for body in encode(plan.records(evaluated, ""))]
    return [
        [] if row in wrong else text.split("|") if rule.get("multiple") else [text]
        for row, text in enumerate(found, 2)
    ]


def made(rule: Mapping[str, Any], sent: str, instead: str) -> dict[str, Any] | None:
    spec = load_mapping({"version": 1, "form": {"x": rule}}).spec
    new = translated(spec.form["x"], spec, sent, instead)
    if new is None:
        return None
    return {**rule, **new.model_dump(include={"map", "choices", "default"}, exclude_none=True)}


@given(rules(), CELLS, st.data())
def test_no_cell_says_the_old_value_and_all_others_stay(
    rule: dict[str, Any], cells: list[str], data: st.DataObject
) -> None:
    before = sent_by(rule, cells)
    values = sorted({value for row in before for value in row if value})
    assume(values)
    sent = data.draw(st.sampled_from(values))
    assume(sent.count("/") < 2)  # which of them were a pipe is known of one only
    new = made(rule, sent, "Meant")
    assert new is not None
    expected = [
        list(dict.fromkeys("Meant" if value == sent else value for value in row)) for row in before
    ]
    assert sent_by(new, cells) == expected


@pytest.mark.parametrize(
    ("rule", "sent", "instead", "keys"),
    [
        ({"column": "A"}, "G", "Gold", {"map": {"G": "Gold"}}),
        # Codes for the new value get the other one, and so does who says it in full.
        (
            {"column": "A", "map": {"1": "Gld", "2": "Silver"}},
            "Gld",
            "Gold",
            {"map": {"1": "Gold", "2": "Silver", "Gld": "Gold"}},
        ),
        ({"column": "A", "map": {"G": "Gld", "Gld": "X"}}, "X", "Gold", {"map": None}),
        ({"template": "{A} {B}"}, "a b", "Gold", {"map": {"a b": "Gold"}}),
        (
            {"column": "A", "choices": ["Gld"], "default": "Gld"},
            "Gld",
            "Gold",
            {"map": {"Gld": "Gold"}, "choices": ["Gld", "Gold"], "default": "Gold"},
        ),
        ({"column": "A", "type": "integer"}, "7", "5", {"map": {"7": "5"}}),
        # ß becomes SS, of which title case would make Ss.
        ({"column": "A", "case": "title"}, "SS", "Gold", {"map": {"SS": "Gold"}}),
    ],
)
def test_what_is_written(
    rule: dict[str, Any], sent: str, instead: str, keys: dict[str, Any]
) -> None:
    if keys["map"] is None:
        keys = {"map": {"G": "Gld", "Gld": instead, "X": instead}}
    new = made(rule, sent, instead)
    assert new is not None
    assert {key: new[key] for key in keys} == keys


@pytest.mark.parametrize(
    ("rule", "sent", "instead"),
    [
        ({"value": "Gld"}, "Gld", "Gold"),
        # What is translated already comes of cells that say it in another way: 07.
        ({"column": "A", "type": "integer", "map": {"7": "5"}}, "7", "5"),
        ({"column": "A", "type": "boolean"}, "yes", "Igen"),
        ({"column": "A", "max_length": 3}, "Gld", "Gold"),
    ],
)
def test_where_no_map_can_there_is_none(rule: dict[str, Any], sent: str, instead: str) -> None:
    assert made(rule, sent, instead) is None
