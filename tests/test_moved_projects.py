"""What a plan expects is compared with the service anew, before its first record is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from importer.errors import ServiceError
from importer.model import FieldType
from importer.pipeline.preflight import compare_again
from importer.settings import Pace, Secret, Target
from importer.survey.expected import (
    Discrepancies,
    Expected,
    ExpectedDisposition,
    ExpectedField,
    ExpectedValue,
)
from tests.support.live_sandbox import LiveSandbox, live_sandbox

PROJECT = """\
projectid: 134
name: Spring
fields: [{name: name}, {name: city, type: simple, values: [Budapest, Wien]}, {name: phone2}]
dispositions: [{dispositionid: "1", name: callback, type: callback}]
users: [7, {userid: 12, status: inactive}]
"""
NAMELESS = Expected(
    fields=(
        ExpectedField(
            "city",
            FieldType.SIMPLE,
            by_name=("Budapest", "Wien"),
            new=(ExpectedValue("Eger", 3, allowed=True),),
        ),
        ExpectedField("name", FieldType.TEXT),
    ),
    contacts=(1, 2),
    phone_fields=(2,),
    dispositions=(ExpectedDisposition("1", "callback", callback=True),),
)
EXPECTED = replace(NAMELESS, users=("7",))


@pytest.fixture
def again(tmp_path: Path) -> Callable[[str], Discrepancies]:
    """Compare with a sandbox that serves this project."""

    def compared(project: str) -> Discrepancies:
        path = tmp_path / "project.yaml"
        path.write_text(project, "utf-8")
        with live_sandbox(projects=path) as live:
            return compare_again(EXPECTED, target(live), Pace())

    return compared


def target(live: LiveSandbox) -> Target:
    return Target(live.base_url, 134, live.customer, Secret(live.api_key))


def test_a_project_that_has_all_of_it_has_not_moved(again: Callable[[str], Discrepancies]) -> None:
    assert again(PROJECT) == ([], [])


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("{name: name}, ", "", 'the project has no field "name" any more'),
        ("{name: name}", "{name: name, type: multiple}", "was a text field"),
        (", {name: phone2}", ", {name: phone3}", "no field phone2 any more"),
        ("Wien", "Vienna", '"Wien", which the plan counts on, is no value of "city"'),
        ('"1"', '"2"', 'no disposition 1 ("callback") any more'),
        ("type: callback", "type: normal", "was a call-back when the plan was made"),
        ("[7,", "[8,", 'the service has no user "7" any more'),
        ("[7, {userid: 12", "[8, {userid: 7", 'the user "7" is inactive now'),
    ],
)
def test_each_way_in_which_it_moved_is_named(
    again: Callable[[str], Discrepancies], old: str, new: str, refused: str
) -> None:
    [refusal], notes = again(PROJECT.replace(old, new))
    assert refused in refusal
    assert notes == []


def test_a_new_value_that_exists_by_now_is_a_note(again: Callable[[str], Discrepancies]) -> None:
    refusals, [note] = again(PROJECT.replace("Wien", "Wien, Eger"))
    assert (refusals, '"Eger" was to be created' in note) == ([], True)


def test_users_are_asked_for_only_where_the_plan_names_some(tmp_path: Path) -> None:
    path = tmp_path / "project.yaml"
    path.write_text(PROJECT, "utf-8")
    refused = [{"kind": "forbidden", "at": [3], "to": "all"}]
    with live_sandbox(projects=path, faults=refused) as live:
        assert compare_again(NAMELESS, target(live), Pace()) == ([], [])
        refusals, [note] = compare_again(EXPECTED, target(live), Pace())
        assert (refusals, "403" in note) == ([], True)
    failing = [{"kind": "server_error", "at": [2], "to": "all"}]
    with live_sandbox(projects=path, faults=failing) as live, pytest.raises(ServiceError):
        compare_again(EXPECTED, target(live), Pace())
