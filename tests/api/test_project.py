"""A project's description is read as far as it can be understood, and refused beyond that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.api.project import read_project, read_users
from importer.errors import ServiceError
from importer.model import Disposition, Field, FieldType, FieldValue, Project, User


def fields(*described: Any) -> tuple[Field, ...]:
    return read_project({"fields": list(described)}, 1).fields


def test_a_description_in_the_contract_s_form_is_read_whole() -> None:
    described = {
        "fields": [
            {"fieldid": 1, "name": "city", "label": "City", "type": "simple", "indexed": "no"}
            | {"values": [{"valueid": 7, "fieldid": 1, "name": "Wien", "label": "Vienna"}]},
            {"fieldid": 2, "name": "note", "label": "Note", "type": "text", "values": []},
        ],
        "dispositions": [
            {"dispositionid": "1", "name": "cb", "label": "Call back", "type": "callback"},
            {"dispositionid": "2", "name": "no", "label": "No", "type": "normal"},
        ],
    }
    assert read_project(described, 134) == Project(
        134,
        (
            Field("city", "City", FieldType.SIMPLE, (FieldValue("Wien", 7),)),
            Field("note", "Note", FieldType.TEXT),
        ),
        (Disposition("1", "cb", "Call back", True), Disposition("2", "no", "No", False)),
    )


@pytest.mark.parametrize(
    "values",
    [
        [{"valueid": "7", "name": "Wien"}],
        [{"valueid": 7, "name": "Wien"}, None, 3.5, {"name": None}],
        {"7": {"name": "Wien"}},
        {"7": "Wien"},
    ],
)
def test_values_are_found_whatever_their_ids_are_and_whatever_holds_them(values: Any) -> None:
    [city] = fields({"name": "city", "type": "simple", "values": values})
    assert city.values == (FieldValue("Wien", 7),)


def test_odd_parts_are_left_out_and_the_rest_is_kept() -> None:
    found = fields(
        None,
        {"label": "nameless"},
        {"name": 42, "type": "SIMPLE", "values": None},
        {"name": "when", "type": "date"},
        {"name": "when", "type": "text"},
        {"name": "many", "type": " Multiple ", "values": ["a", "a", "7", True]},
    )
    assert [(f.name, f.label, f.type) for f in found] == [
        ("42", "42", FieldType.SIMPLE),
        ("when", "when", FieldType.OTHER),
        ("many", "many", FieldType.MULTIPLE),
    ]
    assert found[2].values == (FieldValue("a"), FieldValue("7"))


def test_what_is_not_told_is_not_taken_for_nothing() -> None:
    assert read_project({"fields": [], "dispositions": []}, 1).dispositions == ()
    for odd in ({}, {"dispositions": None}, {"dispositions": "x"}):
        assert read_project({"fields": [], **odd}, 1).dispositions is None


def test_users_are_read_and_active_unless_said_to_be_inactive() -> None:
    described = [
        {"userid": 7, "username": "anna", "name": "Anna Kiss", "status": "active"},
        {"userid": "12", "username": "bela", "name": None, "status": " Inactive"},
        {"userid": "7", "username": "another"},
        {"username": "nobody"},
        3,
    ]
    assert read_users(described) == (
        User("7", "anna", "Anna Kiss", active=True),
        User("12", "bela", "", active=False),
        User("3", "", "", active=True),
    )
    assert read_users({"7": {"username": "anna"}}) == (User("7", "anna", "", active=True),)


@pytest.mark.parametrize("type_", ["callback", "Call-back", "CALL_BACK", "call back (own)"])
def test_a_call_back_is_one_however_it_is_spelt(type_: str) -> None:
    described = {"fields": [], "dispositions": [{"dispositionid": 1, "type": type_}]}
    assert read_project(described, 1).dispositions == (Disposition("1", "", "", True),)


@pytest.mark.parametrize("described", [{}, {"fields": None}, {"fields": "x"}, {"fields": [{}]}])
def test_a_description_without_usable_fields_is_refused_with_what_to_do(
    described: dict[str, Any],
) -> None:
    with pytest.raises(ServiceError) as caught:
        read_project(described, 1)
    assert "--no-preflight" in str(caught.value.hint)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "type", "values", "valueid", "label", "dispositionid", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(json)
def test_no_list_of_users_breaks_the_reading(described: Any) -> None:
    assert len({user.userid for user in read_users(described)}) == len(read_users(described))


@given(st.dictionaries(st.sampled_from(["fields", "dispositions"]), json))
def test_no_reply_is_odd_enough_to_break_it(described: dict[str, Any]) -> None:
    try:
        read_project(described, 1)
    except ServiceError:
        return
