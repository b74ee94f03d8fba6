"""What a plan expects of its project is kept as JSON, and what has moved since is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.cells import arrow_texts
from importer.model import (
    Disposition,
    Field,
    FieldType,
    FieldValue,
    Project,
    User,
    Users,
)
from importer.survey.expected import (
    Expected,
    ExpectedDisposition,
    ExpectedField,
    ExpectedValue,
    compare_expected,
)
from importer.survey.live import MOST_TEXTS, FilledField, ProjectComparison, ProjectNeeds

TEXT, SIMPLE, MULTIPLE = FieldType.TEXT, FieldType.SIMPLE, FieldType.MULTIPLE


def values(*names: str, first: int = 1000) -> tuple[FieldValue, ...]:
    return tuple(FieldValue(name, first + i) for i, name in enumerate(names))


CITY = Field("city", "City", SIMPLE, values("Budapest", "Wien", "Graz"))
LIKES = Field("likes", "Likes", MULTIPLE, values("sports", "movies", first=2000))
PLAN = Field("plan", "Plan", SIMPLE, values("Gold", "Silver", first=3000))
TEXTS = (Field("name", "Name", TEXT), Field("ref", "Ref", TEXT))
PHONES = tuple(Field(f"phone{n}", "", TEXT) for n in (2, 4))
CALL_BACK = Disposition("1", "callback", "Call back", callback=True)
SOLD = Disposition("3", "sold", "Sold", callback=False)
PROJECT = Project(134, (CITY, LIKES, PLAN, *TEXTS, *PHONES), (CALL_BACK, SOLD))
ANNA, BELA = User("7", "anna", "Anna", active=True), User("12", "bela", "", active=True)
USERS = Users((ANNA, BELA))
FORM = (
    FilledField("name", "Name"),
    FilledField("city", "City", listed=frozenset({"Eger"})),
    FilledField("likes", "Likes", multiple=True),
    FilledField("plan", "Plan", valueid=True),
)


def expected_of(
    project: Project,
    users: Users | None,
    rows: Sequence[Sequence[str]],
    form: Sequence[FilledField] = FORM,
    contacts: Sequence[int] = (),
) -> Expected:
    """What a comparison expects; the rows have the form's texts, dispositionid and userid."""
    comparison = ProjectComparison(
        project, ProjectNeeds(form, "ref", {"dispositionid": "D", "userid": "U"}), users
    )
    numbers = np.arange(2, 2 + len(rows), dtype=np.int64)
    columns: list[Any] = [arrow_texts(list(column)) for column in zip(*rows, strict=True)]
    ready = np.ones(len(rows), dtype=bool)
    named = {filled.name: column for filled, column in zip(form, columns, strict=False)}
    comparison.add_form(numbers, ready, named)
    parts = {"dispositionid": columns[-2], "userid": columns[-1]}
    comparison.add_dispositions(numbers, ready, parts)
    for number in contacts:
        comparison.add_contact(number, numbers, None)
    return comparison.finish().expected


ROWS = (
    ("A", "Budapest", "sports|chess", "3000", "1", "7"),
    ("B", "Wien", "sports", "3000", "3", "7"),
    ("C", "Budapset", "", "", "3", "7"),
    ("D", "Eger", "", "", "3", "7"),
    ("E", "1002", "", "", "3", "7"),
)
EXPECTED = expected_of(PROJECT, USERS, ROWS, contacts=(1, 2, 3))


def changed(name: str, **parts: Any) -> Project:
    """The project with a field that is changed."""
    fields = (replace(f, **parts) if f.name == name else f for f in PROJECT.fields)
    return replace(PROJECT, fields=tuple(fields))


def without(name: str) -> Project:
    return replace(PROJECT, fields=tuple(f for f in PROJECT.fields if f.name != name))


def test_it_has_what_rows_count_on_and_create_and_nothing_else() -> None:
    expected = Expected(
        fields=(
            ExpectedField(
                "city",
                SIMPLE,
                by_name=("Budapest", "Wien"),
                by_id=(("1002", "Graz"),),
                new=(
                    ExpectedValue("Budapset", 1, allowed=False, nearest="Budapest"),
                    ExpectedValue("Eger", 1, allowed=True),
                ),
            ),
            ExpectedField(
                "likes",
                MULTIPLE,
                by_name=("sports",),
                new=(ExpectedValue("chess", 1, allowed=False),),
            ),
            ExpectedField("name", TEXT),
            ExpectedField("plan", SIMPLE, by_id=(("3000", "Gold"),), ids_only=True),
            ExpectedField("ref", TEXT),
        ),
        stamp="ref",
        contacts=(1, 2, 3),
        phone_fields=(2,),
        dispositions=(
            ExpectedDisposition("1", "callback", callback=True),
            ExpectedDisposition("3", "sold", callback=False),
        ),
        users=("7",),
    )
    assert expected == EXPECTED


def test_what_nobody_counts_on_may_change() -> None:
    fields = (
        replace(CITY, label="Town", values=(*CITY.values, FieldValue("Linz", 1009))),
        replace(LIKES, values=values("sports", first=2000)),
        replace(PLAN, values=values("Gold", first=3000)),
        *TEXTS,
        *PHONES,
    )
    users = Users((ANNA, replace(BELA, active=False)))
    assert compare_expected(EXPECTED, replace(PROJECT, fields=fields), users) == ([], [])


@pytest.mark.parametrize(
    ("project", "told"),
    [
        (without("name"), 'no field "name" any more'),
        (without("ref"), 'no field "ref" any more'),
        (changed("name", type=SIMPLE), 'field "name" was a text field'),
        (changed("city", type=MULTIPLE), "is a multiple field now"),
        (changed("city", values=values("Budapest", "Vienna", "Graz")), '"Wien", which the plan'),
        (changed("city", values=values("Budapest", "Wien")), 'valueid 1002 ("Graz")'),
        (changed("city", values=(*CITY.values, FieldValue("1002", 1))), "is the name of a value"),
        (changed("likes", values=values("movies", first=2001)), '"sports", which the plan counts'),
        (changed("plan", values=values("Gold", first=3001)), 'the valueid 3000 ("Gold")'),
        (without("phone2"), "no field phone2 any more, so the service may not keep contact 2"),
        (replace(PROJECT, dispositions=(CALL_BACK,)), 'disposition 3 ("sold") any more'),
        (
            replace(PROJECT, dispositions=(CALL_BACK, replace(SOLD, callback=True))),
            'disposition 3 ("sold") was no call-back when the plan was made, and is one now',
        ),
        (
            replace(PROJECT, dispositions=(replace(CALL_BACK, callback=False), SOLD)),
            'disposition 1 ("callback") was a call-back when the plan was made, and is none now',
        ),
    ],
)
def test_what_is_gone_or_of_another_kind_is_refused_and_named(project: Project, told: str) -> None:
    [refusal], notes = compare_expected(EXPECTED, project, USERS)
    assert told in refusal
    assert "make the plan again" in refusal
    assert notes == []


@pytest.mark.parametrize(
    ("users", "told"),
    [
        (Users((BELA,)), 'no user "7" any more'),
        (Users((replace(ANNA, active=False), BELA)), 'the user "7" is inactive now'),
    ],
)
def test_a_user_who_is_gone_or_inactive_is_refused(users: Users, told: str) -> None:
    [refusal], notes = compare_expected(EXPECTED, PROJECT, users)
    assert told in refusal
    assert notes == []


def test_a_new_value_that_exists_by_now_is_told_and_gone_on_with() -> None:
    refusals, [note] = compare_expected(
        EXPECTED, changed("city", values=(*CITY.values, FieldValue("Eger", 5))), USERS
    )
    assert refusals == []
    assert note == '"Eger" was to be created in "city" and exists by now: it is used as it is'


def test_a_new_value_that_a_valueid_has_by_now_would_become_that_value() -> None:
    expected = expected_of(PROJECT, USERS, [("A", "1005", "", "", "3", "7")])
    project = changed("city", values=(*CITY.values, FieldValue("Linz", 1005)))
    [refusal], notes = compare_expected(expected, project, USERS)
    assert '"1005" was to be created in "city"' in refusal
    assert notes == []


def test_a_value_given_by_id_that_was_renamed_is_told() -> None:
    project = changed("plan", values=(FieldValue("Platinum", 3000), FieldValue("Silver", 3001)))
    refusals, [note] = compare_expected(EXPECTED, project, USERS)
    assert refusals == []
    assert '3000 from "Gold" to "Platinum"' in note


def test_what_cannot_be_compared_any_more_is_told() -> None:
    untold = replace(PROJECT, dispositions=None)
    refusals, notes = compare_expected(EXPECTED, untold, Users(None, "403 no"))
    assert refusals == []
    assert ["dispositions" in notes[0], "(403 no)" in notes[1]] == [True, True]
    assert len(notes) == 2
    never = expected_of(untold, None, ROWS)
    assert (never.dispositions, never.users) == (None, None)
    assert compare_expected(never, PROJECT, None) == ([], [])


def test_contacts_without_fields_are_told_once_a_project_lists_some() -> None:
    none = replace(PROJECT, fields=(CITY, LIKES, PLAN, *TEXTS))
    expected = expected_of(none, USERS, ROWS, contacts=(1, 2, 3))
    assert expected.phone_fields is None
    refusals, [note] = compare_expected(expected, PROJECT, USERS)
    assert refusals == []
    assert "none for contact 3" in note


def test_all_differences_are_told_and_very_many_counted() -> None:
    names = [f"Street {i}" for i in range(150)]
    project = Project(1, (Field("city", "City", SIMPLE, values(*names)), *TEXTS))
    rows = [(name, "1", "7") for name in names]
    expected = expected_of(project, None, rows, [FilledField("city", "City")])
    gone = Project(1, (Field("city", "City", SIMPLE),))
    refusals, _ = compare_expected(expected, gone, None)
    assert len(refusals) == 102
    assert refusals[0].startswith('"Street 0", which')
    assert "50 more values" in refusals[100]
    assert '"ref"' in refusals[101]


def test_of_more_new_values_than_are_remembered_that_is_said() -> None:
    rows = [(f"note {i}", "1", "7") for i in range(MOST_TEXTS + 1)]
    project = Project(1, (CITY, *TEXTS))
    expected = expected_of(project, None, rows, [FilledField("city", "City")])
    [city, _] = expected.fields
    assert (len(city.new), city.more_new) == (MOST_TEXTS, True)
    assert compare_expected(expected, project, None).notes == [
        'more values would be created in "city" than a plan remembers, so for the others nobody '
        "can say which exist by now: look at the mapping if that field holds free text"
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("fields"),
        lambda data: data.update(more=1),
        lambda data: data["fields"][0].update(type="number"),
        lambda data: data["fields"][0].update(by_id=[["1"]]),
        lambda data: data["fields"][0].pop("ids_only"),
        lambda data: data.update(users=7),
        lambda data: data.update(fields=None),
    ],
)
def test_other_json_is_no_expectation(spoil: Any) -> None:
    data = EXPECTED.as_json()
    spoil(data)
    with pytest.raises(ValueError, match="expects of its project"):
        Expected.from_json(data)


def test_the_digest_is_of_what_records_depend_on() -> None:
    more = changed("city", values=(*CITY.values, FieldValue("BUDAPSET", 1010)))
    other = expected_of(more, USERS, ROWS, contacts=(1, 2, 3))
    assert other != EXPECTED, "another value is nearest"
    assert other.digest() == EXPECTED.digest()
    for part in (
        {"stamp": None},
        {"contacts": (1,)},
        {"users": None},
        {"fields": EXPECTED.fields[1:]},
        {"dispositions": ()},
    ):
        assert replace(EXPECTED, **part).digest() != EXPECTED.digest()


NAMES = st.sampled_from(["a", "b", "A", "1", "01", "2", "3", "ő", "a b"])
VALUES = st.dictionaries(NAMES, st.integers(1, 4) | st.none(), max_size=5).map(
    lambda found: tuple(FieldValue(name, valueid) for name, valueid in found.items())
)
FIELDS = st.sampled_from(list(FieldType)).flatmap(
    lambda kind: st.builds(Field, st.just("f"), st.just("F"), st.just(kind), VALUES)
)
PROJECTS = st.builds(
    lambda field, dispositions, phones: Project(
        1,
        (field, *TEXTS, *(Field(f"phone{n}", "", TEXT) for n in phones)),
        dispositions,
    ),
    FIELDS,
    st.none() | st.just((CALL_BACK, SOLD)),
    st.sets(st.integers(1, 9), max_size=3),
)
CELLS = st.lists(NAMES | st.just(""), max_size=3).map("|".join)


@given(
    PROJECTS,
    st.none() | st.just(USERS) | st.just(Users(None, "no")),
    st.lists(
        st.tuples(CELLS, st.sampled_from(["1", "3", "9"]), st.sampled_from(["7", "12", "x"])),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
    st.booleans(),
    st.sets(st.integers(1, 9)),
)
def test_a_project_compared_with_itself_has_not_moved_nor_by_what_the_plan_creates(
    project: Project,
    users: Users | None,
    rows: list[tuple[str, str, str]],
    multiple: bool,
    valueid: bool,
    contacts: set[int],
) -> None:
    form = [FilledField("f", "F", multiple=multiple, valueid=valueid)]
    expected = expected_of(project, users, rows, form, sorted(contacts))
    refusals, notes = compare_expected(expected, project, users)
    assert refusals == []
    assert notes == []

    read = Expected.from_json(json.loads(json.dumps(expected.as_json())))
    assert read == expected
    assert read.digest() == expected.digest()

    field = project.fields[0]
    made = tuple(FieldValue(v.text, 100 + i) for i, v in enumerate(expected.fields[0].new))
    later = replace(field, values=(*field.values, *made))
    refusals, notes = compare_expected(
        read, replace(project, fields=(later, *project.fields[1:])), users
    )
    assert refusals == []
    assert len(notes) == (1 if made else 0)
