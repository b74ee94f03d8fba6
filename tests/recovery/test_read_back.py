"""Records read back from a sandbox and compared with what was sent, and rows chosen to be sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from importer.api.client import Client
from importer.api.project import read_project
from importer.errors import ServiceError
from importer.model import Field, FieldType, FieldValue, Project, Request
from importer.pipeline.canary import (
    Choice,
    ComparisonState,
    CreatedRecord,
    FieldComparison,
    ReadBack,
    RecordComparison,
    RowSample,
    choose,
    read_back,
    read_back_json,
)
from importer.sandbox.projects import load_projects
from importer.settings import Pace, Secret, Target
from tests.support.examples import examples
from tests.support.live_sandbox import CREDENTIAL, SAMPLE_PROJECT, LiveSandbox, live_sandbox

PROJECT = 134
FIELDS = {field.name: field for field in load_projects(SAMPLE_PROJECT)[0].fields}
CUT = 6


def target(sandbox: LiveSandbox) -> Target:
    return Target(sandbox.base_url, PROJECT, CREDENTIAL, Secret(CREDENTIAL))


def read(
    sandbox: LiveSandbox, created: Sequence[CreatedRecord], **options: Any
) -> tuple[ReadBack, ...]:
    async def ask() -> tuple[ReadBack, ...]:
        async with Client(target(sandbox), Pace(concurrency=1)) as client:
            return await read_back(client, created, **options)

    return asyncio.run(ask())


def sent(sandbox: LiveSandbox, body: Mapping[str, Any], row: int = 2) -> CreatedRecord:
    answer = sandbox.add(PROJECT, body)
    assert answer.status == 200, answer.raw
    return CreatedRecord(row, str(answer.envelope["response"][0]), json.dumps(body).encode())


def compared(sandbox: LiveSandbox, body: Mapping[str, Any]) -> ReadBack:
    """A record sent, and compared with what the sandbox gives back of it."""
    created = sent(sandbox, body)
    description = sandbox.call("GET", f"/projects/{PROJECT}").envelope["response"]
    record = sandbox.call("GET", f"/projects/{PROJECT}/records/{created.numberid}")
    comparison = RecordComparison(read_project(description, PROJECT))
    return ReadBack(
        2, created.numberid, comparison.compare(created.body, record.envelope["response"])
    )


# Whatever is stored as it was sent is equal, and whatever is not is named.

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
some_texts = texts.filter(lambda text: bool(text.strip()))


def values(name: str) -> st.SearchStrategy[str]:
    known = [value.name for value in FIELDS[name].values]
    near = [known[0].upper(), f" {known[0]} ", "1001", "1", "007", "99999999999999999999"]
    return st.sampled_from([*known, *near]) | texts.filter(lambda text: "|" not in text)


FORM: dict[str, st.SearchStrategy[str | int]] = {
    "name": texts,
    "note": texts | st.text("ab|\n ", max_size=40),
    "company": texts,
    "city": values("city"),
    "plan": values("plan") | st.sampled_from([1001, 1002]),
    "likes": st.lists(values("likes"), max_size=4).map("|".join),
}
CONTACT = st.fixed_dictionaries(
    {"phone": some_texts}, optional={"name": texts, "title": texts, "email": texts}
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Bodies that the sandbox accepts."""
    body: dict[str, Any] = {"form": draw(st.fixed_dictionaries({}, optional=FORM))}
    if contacts := draw(st.dictionaries(st.sampled_from("121234569"), CONTACT, max_size=3)):
        body["contacts"] = contacts
        if draw(st.booleans()):
            body["phone_field"] = f"phone{draw(st.sampled_from(sorted(contacts)))}"
    premium = st.fixed_dictionaries({}, optional={"price": texts, "commission": texts})
    body["premium"] = draw(premium)
    if draw(st.booleans()):
        called = {"dispositionid": "1", "userid": "7", "next_calldate": "2026-12-01 09:00:00"}
        body["disposition"] = draw(
            st.sampled_from([called, {"dispositionid": 3, "userid": 12}, {**called, "userid": 3}])
        )
    return body


RULES: dict[str, dict[str, Any]] = {
    "drop_field": {},
    "swap_contacts": {"contacts": [1, 2]},
    "cut_texts": {"characters": CUT},
    "reorder_values": {},
}


@pytest.fixture(scope="module")
def honest() -> Iterator[LiveSandbox]:
    with live_sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module", params=RULES)
def spoiling(request: pytest.FixtureRequest) -> Iterator[tuple[str, LiveSandbox]]:
    with live_sandbox(faults=[{"kind": request.param, **RULES[request.param]}]) as sandbox:
        yield request.param, sandbox


def expected_differences(kind: str, body: Mapping[str, Any]) -> set[str]:
    """The paths of what a fault makes of a body."""
    form, contacts = body["form"], body.get("contacts", {})
    if kind == "drop_field":
        first = next(iter(form), None)
        text = "" if first is None else form[first]
        blank = isinstance(text, str) and not text.replace("|", "").strip()
        if first is None or text == "" or (blank and FIELDS[first].type != "text"):
            return set()
        return {f"form.{first}"}
    if kind == "swap_contacts":
        one, other = contacts.get("1"), contacts.get("2")
        if one is None or other is None:
            return set()
        pairs = [("1", one, other), ("2", other, one)]
        return {
            f"contacts.{number}.{part}"
            for number, mine, others in pairs
            for part, text in mine.items()
            if text != others.get(part, "")
        }
    if kind == "cut_texts":
        long = {
            f"form.{name}"
            for name, text in form.items()
            if FIELDS[name].type == "text" and len(text) > CUT
        }
        return long | {
            f"contacts.{number}.{part}"
            for number, contact in contacts.items()
            for part, text in contact.items()
            if part != "phone" and len(text) > CUT
        }
    return set()  # the order of values means nothing


@settings(max_examples=examples(75), deadline=None)
@given(bodies())
def test_what_is_stored_as_it_was_sent_is_equal(honest: LiveSandbox, body: dict[str, Any]) -> None:
    result = compared(honest, body)
    assert [one for one in result.fields if one.state is not ComparisonState.EQUAL] == []
    paths = {f"form.{name}" for name in body["form"]}
    paths |= {f"contacts.{n}.{part}" for n, c in body.get("contacts", {}).items() for part in c}
    paths |= {f"premium.{part}" for part in body["premium"]}
    paths |= {f"disposition.{part}" for part in body.get("disposition", {})}
    paths |= {"phone_field"} & set(body)
    assert {one.path for one in result.fields} == paths


CONTACTS = {
    "1": {"phone": "+3611", "name": "Anna Kiss"},
    "2": {"phone": "+3611", "title": "Director"},
}


@settings(max_examples=examples(40), deadline=None)
@given(body=bodies())
@example(body={"form": {"name": "Anna Kiss", "likes": "Go|music"}, "contacts": CONTACTS})
def test_what_is_stored_otherwise_is_named(
    spoiling: tuple[str, LiveSandbox], body: dict[str, Any]
) -> None:
    kind, sandbox = spoiling
    result = compared(sandbox, body)
    assert {one.path for one in result.differences} == expected_differences(kind, body)


# What the service shows otherwise than the sandbox does.

DESCRIBED = Project(
    PROJECT,
    (
        Field("name", "Name", FieldType.TEXT),
        Field("odd", "Odd", FieldType.OTHER),
        Field(
            "city",
            "City",
            FieldType.SIMPLE,
            (FieldValue("Budapest", 5), FieldValue("Pécs", 6), FieldValue("PÉCS", 7)),
        ),
        Field(
            "likes",
            "Likes",
            FieldType.MULTIPLE,
            (
                FieldValue("music", 8),
                FieldValue("12", 9),
                FieldValue("x", 12),
                FieldValue("idless"),
            ),
        ),
    ),
)


def form_state(name: str, value: object, data: object) -> tuple[str, str | None, str]:
    """What is shown as sent and as read back of a form field, and its state."""
    body = json.dumps({"form": {name: value}}).encode()
    (found,) = RecordComparison(DESCRIBED).compare(body, {"data": data})
    assert found.path == f"form.{name}"
    return found.sent, found.read_back, found.state.value


@pytest.mark.parametrize(
    ("name", "value", "data", "shown"),
    [
        ("name", "Kiss", {"name": "Kiss"}, ("Kiss", "Kiss", "equal")),
        ("name", "Kiss", {"name": "kiss"}, ("Kiss", "kiss", "different")),
        ("name", "Kiss", {"name": "Kiss "}, ("Kiss", "Kiss ", "different")),
        ("name", "Kiss", {"name": None}, ("Kiss", None, "different")),
        ("name", "Kiss", {}, ("Kiss", None, "different")),
        ("name", "12", {"name": 12}, ("12", "12", "equal")),
        ("name", "", {}, ("", None, "equal")),
        ("name", "Kiss", {"name": ["Kiss"]}, ("Kiss", '["Kiss"]', "unverified")),
        ("name", "Kiss", None, ("Kiss", None, "unverified")),
        ("name", "Kiss", [], ("Kiss", None, "unverified")),
        ("odd", "Kiss", {"odd": "Kiss"}, ("Kiss", "Kiss", "equal")),
        ("odd", "Kiss", {"odd": {"a": 1}}, ("Kiss", '{"a":1}', "unverified")),
        ("city", "Budapest", {"city": 5}, ("Budapest", "Budapest", "equal")),
        ("city", "Budapest", {"city": "5"}, ("Budapest", "Budapest", "equal")),
        ("city", "Budapest", {"city": [5]}, ("Budapest", "Budapest", "equal")),
        ("city", "Budapest", {"city": "Budapest"}, ("Budapest", "Budapest", "equal")),
        ("city", "Budapest", {"city": 6}, ("Budapest", "Pécs", "different")),
        ("city", "Budapest", {"city": 99}, ("Budapest", "valueid 99", "different")),
        ("city", "Budapest", {}, ("Budapest", None, "different")),
        ("city", 5, {"city": 5}, ("Budapest", "Budapest", "equal")),
        ("city", 5, {"city": 6}, ("Budapest", "Pécs", "different")),
        ("city", "5", {"city": 5}, ("Budapest", "Budapest", "equal")),
        # As the service keeps it: it takes the only value that is the same but for case.
        ("city", "BUDAPEST", {"city": 5}, ("Budapest", "Budapest", "equal")),
        ("city", "PÉCS", {"city": 6}, ("PÉCS", "Pécs", "different")),
        ("city", "pécs", {"city": 6}, ("pécs", "Pécs", "different")),
        ("likes", "music|x", {"likes": [12, 8]}, ("music|x", "x|music", "equal")),
        ("likes", " music ||music", {"likes": [8]}, ("music", "music", "equal")),
        ("likes", "music|x", {"likes": [8]}, ("music|x", "music", "different")),
        ("likes", "music", {"likes": [8, 12]}, ("music", "music|x", "different")),
        ("likes", "music|x", {"likes": "8|12"}, ("music|x", "music|x", "equal")),
        ("likes", "12", {"likes": [9]}, ("12", "12", "equal")),
        ("likes", "12", {"likes": [12]}, ("12", "x", "different")),
        ("likes", "idless", {"likes": ["idless"]}, ("idless", "idless", "equal")),
        ("likes", "music", {"likes": {"8": True}}, ("music", '{"8":true}', "unverified")),
        ("likes", "", {"likes": []}, ("", None, "equal")),
    ],
)
def test_a_form_field_is_compared_by_what_its_type_means(
    name: str, value: object, data: object, shown: tuple[str, str | None, str]
) -> None:
    assert form_state(name, value, data) == shown


WHOLE: dict[str, Any] = {
    "form": {"name": "Kiss", "city": "Budapest", "likes": "music"},
    "contacts": {"1": {"phone": "+3611", "name": "A"}, "2": {"phone": "+3612"}},
    "phone_field": "phone2",
    "premium": {"price": "5", "commission": "1"},
    "disposition": {"dispositionid": "1", "userid": 7, "next_calldate": "2026-12-01 09:00:00"},
}


def states(record: Mapping[str, Any]) -> dict[str, str]:
    compared = RecordComparison(DESCRIBED).compare(json.dumps(WHOLE).encode(), record)
    return {one.path: one.state.value for one in compared}


def test_what_the_service_does_not_give_back_is_unverified_never_equal() -> None:
    assert set(states({}).values()) == {"unverified"}
    assert set(states({"events": [], "contacts": [], "premium": [], "data": 1}).values()) == {
        "unverified"
    }


def test_contacts_and_dispositions_are_compared_as_far_as_they_are_shown() -> None:
    shown = states(
        {
            "contacts": {"phone1": {"phone": "+3611"}, "phone2": "+3612"},
            "phone_field": None,
            "premium": {"price": "5"},
            "events": [{"type": "call"}, {"dispositionid": 1, "userid": "9"}],
        }
    )
    assert {path: state for path, state in shown.items() if not path.startswith("form.")} == {
        "contacts.1.phone": "equal",
        "contacts.1.name": "unverified",  # no contact shows a name
        "contacts.2.phone": "equal",
        "phone_field": "different",
        "premium.price": "equal",
        "premium.commission": "unverified",
        "disposition.dispositionid": "equal",
        "disposition.userid": "different",
        "disposition.next_calldate": "unverified",
    }
    shown = states(
        {
            "contacts": {"phone1": {"phone": "+36 11", "name": "B"}},
            "events": [{"dispositionid": "2", "userid": "7"}],
        }
    )
    assert shown["contacts.1.phone"] == shown["contacts.1.name"] == "different"
    assert shown["contacts.2.phone"] == shown["disposition.dispositionid"] == "different"


# Asking.


def test_the_stamp_is_compared_first(honest: LiveSandbox) -> None:
    body = {"form": {"name": "Kiss", "city": "Wien", "import_ref": "run:2"}}
    (found,) = read(honest, [sent(honest, body)], stamp="import_ref")
    assert [one.path for one in found.fields] == ["form.import_ref", "form.name", "form.city"]
    assert found.count(ComparisonState.EQUAL) == 3


def test_records_are_read_back_by_their_numberids_with_the_values_that_they_made() -> None:
    with live_sandbox(faults=[{"kind": "drop_field", "field": "city", "at": 2}]) as sandbox:
        created = [
            sent(sandbox, {"form": {"name": f"n{row}", "city": f"new {row}"}}, row)
            for row in (5, 7, 9)
        ]
        found = read(sandbox, [*reversed(created), CreatedRecord(11, "none", b"{}")], rate=1000)
    assert [(one.row, one.numberid) for one in found] == [
        (9, "3"),
        (7, "2"),
        (5, "1"),
        (11, "none"),
    ]
    assert [one.differences for one in found] == [
        (),
        (FieldComparison("form.city", "new 7", None, ComparisonState.DIFFERENT),),
        (),
        (),
    ]
    assert found[3].fields == (FieldComparison("record", "none", None, ComparisonState.UNVERIFIED),)
    story = read_back_json(found)
    assert (story["records"], story["records_with_differences"]) == (4, 1)
    assert story["fields"] == {"equal": 5, "different": 1, "unverified": 1}
    assert story["rows"][1]["fields"][1] == {
        "path": "form.city",
        "sent": "new 7",
        "read_back": None,
        "state": "different",
    }


def test_a_record_that_is_not_there_yet_is_asked_for_again() -> None:
    # Of all requests: the record added, the project, then the record, twice in vain.
    rules = [{"kind": "not_found", "to": "all", "from": 3, "until": 4}]
    with live_sandbox(faults=rules) as sandbox:
        (found,) = read(sandbox, [sent(sandbox, {"form": {"name": "Kiss"}})])
    assert found.count(ComparisonState.EQUAL) == 1


def test_a_record_that_never_turns_up_is_a_difference(honest: LiveSandbox) -> None:
    (found,) = read(honest, [CreatedRecord(2, "999999", b"{}")], patience=0.2)
    assert found.differences == (
        FieldComparison("record", "999999", None, ComparisonState.DIFFERENT),
    )


def test_a_service_that_refuses_is_told_and_trouble_that_passes_is_ridden_out() -> None:
    with live_sandbox(faults=[{"kind": "forbidden", "to": "all", "from": 3}]) as sandbox:
        created = sent(sandbox, {"form": {"name": "Kiss"}})
        with pytest.raises(ServiceError, match="refuses"):
            read(sandbox, [created])
    with live_sandbox(faults=[{"kind": "bad_gateway", "to": "all", "at": [2, 4]}]) as sandbox:
        (found,) = read(sandbox, [sent(sandbox, {"form": {"name": "Kiss"}})])
        assert found.count(ComparisonState.EQUAL) == 1


def test_no_more_is_asked_in_a_second_than_the_rate(honest: LiveSandbox) -> None:
    created = [sent(honest, {"form": {"name": "Kiss"}}, row) for row in range(2, 6)]
    begun = time.monotonic()
    read(honest, created, rate=10)
    assert time.monotonic() - begun >= 0.4  # the project and four records


# Rows chosen.


def request(row: int, /, **form: Any) -> Request:
    more = form.pop("more", {})
    return Request(row, json.dumps({"form": form, **more}).encode())


def rows(choices: Sequence[Choice]) -> list[int]:
    return [choice.row for choice in choices]


def test_rows_are_chosen_for_what_they_cover() -> None:
    plain = [request(row, name="x") for row in range(2, 1002)]
    plain[100] = request(102, name="x", note="y")
    plain[200] = request(202, name="x", likes="a|b")
    plain[300] = request(302, name="x", more={"contacts": {"3": {"phone": "1"}}})
    plain[400] = request(402, name="x", more={"phone_field": "phone1"})
    plain[500] = request(502, name="x", more={"disposition": {"dispositionid": "1"}})
    plain[600] = request(602, name="a long name")
    plain[700] = request(702, name="x", likes="a| ", note=" ")  # one value, and a blank
    assert rows(choose(plain, 8)) == [2, 102, 202, 302, 402, 502, 602, 1001]
    # A row that covers two things saves one.
    plain[800] = request(802, name="x", note="y", likes="a|b")
    assert rows(choose(plain, 6)) == [2, 302, 402, 502, 802, 1001]
    chosen = choose(plain, 9)
    assert rows(chosen) == [2, 102, 202, 302, 402, 502, 602, 802, 1001]
    covered = {cover for choice in chosen for cover in choice.covers}
    assert covered >= {"form.likes: several values", "contacts.3.phone", "phone_field: phone1"}
    assert covered >= {"first row", "last row", "most fields", "longest form.name"}
    assert choose(iter(plain), 9) == chosen


def test_a_stray_pipe_counts_only_in_a_multiple_field() -> None:
    bodies = [request(row, name="x", likes="x") for row in range(2, 12)]
    bodies[4] = request(6, name="a|b", likes="x")
    bodies[7] = request(9, name="x", likes="a|b")
    assert 9 in rows(choose(bodies, 3, {"likes"}))
    covers = [cover for choice in choose(bodies, 10, {"likes"}) for cover in choice.covers]
    assert "form.name: several values" not in covers


record_bodies = st.lists(
    st.fixed_dictionaries(
        {"form": st.dictionaries(st.sampled_from("abcd"), st.text("x| ", max_size=3), max_size=4)},
        optional={
            "contacts": st.dictionaries(
                st.sampled_from("123"), st.just({"phone": "1"}), min_size=1, max_size=2
            ),
            "phone_field": st.sampled_from(["phone1", "phone2"]),
        },
    ),
    max_size=40,
)


@given(record_bodies, st.integers(0, 12))
def test_a_choice_has_as_many_rows_as_it_can_and_each_covers_something_first(
    bodies: list[dict[str, Any]], count: int
) -> None:
    requests = [Request(3 * n + 2, json.dumps(body).encode()) for n, body in enumerate(bodies)]
    chosen = choose(requests, count)
    assert len(chosen) == len(set(rows(chosen))) == min(count, len(requests))
    assert rows(chosen) == sorted(rows(chosen))
    if count >= 3 and requests:
        assert {requests[0].row, requests[-1].row} <= set(rows(chosen))
    covers = [cover for choice in chosen for cover in choice.covers]
    assert len(covers) == len(set(covers))
    if count >= 12:  # more than there are things to cover but for several values and lengths
        there = {f"form.{k}" for b in bodies for k, text in b["form"].items() if text.strip()}
        there |= {f"contacts.{k}.phone" for b in bodies for k in b.get("contacts", {})}
        assert there <= set(covers)


def test_a_draw_is_stable_and_each_seed_has_its_own() -> None:
    def draw(seed: str, numbers: Sequence[int]) -> list[int]:
        drawn = RowSample(20, seed)
        for row in numbers:
            drawn.add(row)
        return drawn.rows()

    some = draw("a", range(2, 5002))
    assert len(set(some)) == 20
    assert draw("a", range(5001, 1, -1)) == some
    assert draw("b", range(2, 5002)) != some
    assert len({row // 1000 for row in some}) >= 4  # from everywhere
    assert sorted(draw("a", range(2, 7))) == [2, 3, 4, 5, 6]
