"""A file's ready rows compared with a project: what lacks is told with counts and the nearest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
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
    Problem,
    Project,
    Severity,
    User,
    Users,
)
from importer.reports.content import new_value
from importer.survey.live import (
    MOST_CHARACTERS,
    MOST_TEXTS,
    FilledField,
    ProjectComparison,
    ProjectDifference,
    ProjectNeeds,
    ValueTally,
)
from importer.survey.nearest import Near, Nearest
from importer.survey.surveyor import past_callbacks


def texts(*values: str) -> Any:
    return arrow_texts(values)


def numbers(count: int, first: int = 2) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(first, first + count, dtype=np.int64)


def field(name: str, type_: FieldType, *names: str) -> Field:
    values = tuple(FieldValue(value, 1000 + i) for i, value in enumerate(names))
    return Field(name, name.title(), type_, values)


CITY = field("city", FieldType.SIMPLE, "Budapest", "Wien")
LIKES = field("likes", FieldType.MULTIPLE, "sports", "movies")
NOTE = field("note", FieldType.TEXT)
DISPOSITIONS = (
    Disposition("1", "callback", "Call back", True),
    Disposition("2", "not_interested", "Not interested", False),
)
PROJECT = Project(134, (CITY, LIKES, NOTE), DISPOSITIONS)


def difference(
    filled: FilledField, *values: str, allow: bool = False, ready: Sequence[bool] | None = None
) -> ProjectDifference:
    comparison = ProjectComparison(PROJECT, ProjectNeeds([filled], allow_new_values=allow))
    which = np.array(ready if ready is not None else [True] * len(values))
    comparison.add_form(numbers(len(values)), which, {filled.name: texts(*values)})
    return comparison.finish()


def codes(found: ProjectDifference) -> list[tuple[str, Severity]]:
    return [(problem.code, problem.severity) for problem in found.problems]


class TestFields:
    def test_every_field_that_lacks_is_named_with_the_nearest_by_name_or_label(self) -> None:
        project = Project(1, (CITY, Field("postal_code", "ZIP", FieldType.TEXT)))
        form = [FilledField("Citty", "Town"), FilledField("zip", "Z"), FilledField("note", None)]
        found = ProjectComparison(project, ProjectNeeds(form, stamp="import_ref")).finish()
        assert [(p.target, p.column, p.hint) for p in found.problems] == [
            ("form.Citty", "Town", 'did you mean "city"?'),
            ("form.zip", "Z", 'did you mean "postal_code", labelled "ZIP"?'),
            ("form.note", None, 'it has "city", "postal_code"'),
            ("stamp", None, 'it has "city", "postal_code"'),
        ]
        assert {p.code for p in found.problems} == {"unknown_field"}

    def test_a_stamp_that_would_create_a_value_in_every_row_is_refused(self) -> None:
        [problem] = ProjectComparison(PROJECT, ProjectNeeds([], stamp="city")).finish().problems
        assert (problem.code, problem.severity) == ("stamp_not_text", Severity.ERROR)
        assert ProjectComparison(PROJECT, ProjectNeeds([], stamp="note")).finish().problems == ()

    def test_a_multiple_field_mapped_single_is_an_error_where_a_pipe_would_divide(self) -> None:
        single = FilledField("likes", "Likes")
        assert codes(difference(single, "sports", "movies")) == [
            ("field_is_multiple", Severity.WARNING)
        ]
        found = difference(single, "movies", "sports|movies")
        assert codes(found) == [("field_is_multiple", Severity.ERROR)]
        assert '"sports|movies": 1 row (3)' in found.problems[0].message

    @pytest.mark.parametrize("name", ["city", "note"])
    def test_several_values_for_a_field_that_takes_one(self, name: str) -> None:
        many = FilledField(name, "C", multiple=True)
        assert codes(difference(many, "Wien", "")) == [("field_not_multiple", Severity.WARNING)]
        assert codes(difference(many, "Wien|Budapest")) == [("field_not_multiple", Severity.ERROR)]

    def test_a_field_of_an_unheard_of_type_is_left_to_the_service(self) -> None:
        odd = Project(1, (Field("x", "X", FieldType.OTHER),))
        comparison = ProjectComparison(odd, ProjectNeeds([FilledField("x", None, multiple=True)]))
        comparison.add_form(numbers(1), np.array([True]), {"x": texts("a|b")})
        assert comparison.finish().problems == ()


class TestValues:
    def test_each_new_value_has_its_count_first_rows_and_the_nearest(self) -> None:
        found = difference(
            FilledField("city", "City"), *["Budapset"] * 14, "Wien", "Atlantis", "wien"
        )
        assert [new_value(value) for value in found.new_values] == [
            '"Budapset" → "Budapest"? 14 rows (2, 3, 4 …)',
            '"Atlantis": 1 row (17)',
            '"wien" → "Wien"? 1 row (18)',
        ]
        assert {(p.row, p.code, p.column) for p in found.problems} == {(None, "new_value", "City")}
        assert [p.value for p in found.problems] == ["Budapset", "Atlantis", "wien"]
        assert found.problems[2].hint is not None
        assert "only in case, accents" in found.problems[2].hint

    def test_only_ready_rows_count_and_blanks_create_nothing(self) -> None:
        city = FilledField("city", "City")
        found = difference(city, "Nix", "", "  ", "Wien", ready=[False, True, True, True])
        assert (found.problems, found.new_values) == ((), ())

    def test_digits_are_a_name_first_then_a_valueid_and_new_otherwise(self) -> None:
        found = difference(FilledField("city", "City"), "1000", "01001", "7", "Wien")
        assert [value.text for value in found.new_values] == ["7"]

    def test_text_in_a_simple_field_is_compared_as_it_is_sent(self) -> None:
        found = difference(FilledField("city", "City"), "Wien ")
        assert [new_value(v) for v in found.new_values] == ['"Wien " → "Wien"? 1 row (2)']

    def test_pieces_of_a_multiple_field_are_counted_once_a_row_and_trimmed(self) -> None:
        likes = FilledField("likes", "Likes", multiple=True)
        found = difference(likes, "a|sports", " a | a ||b", "movies", "b|a")
        assert [(v.text, v.count, v.rows) for v in found.new_values] == [
            ("a", 3, (2, 3, 5)),
            ("b", 2, (3, 5)),
        ]

    def test_what_the_mapping_lists_or_the_user_allows_is_a_warning(self) -> None:
        listing = FilledField("city", "City", listed=frozenset({"Graz"}))
        assert codes(difference(listing, "Graz", "Linz")) == [
            ("new_value", Severity.WARNING),
            ("new_value", Severity.ERROR),
        ]
        allowed = difference(listing, "Graz", "Linz", allow=True)
        assert {severity for _, severity in codes(allowed)} == {Severity.WARNING}

    def test_valueids_that_the_field_lacks_are_named(self) -> None:
        found = difference(FilledField("city", "City", valueid=True), "1001", "999", "999")
        assert codes(found) == [("unknown_valueid", Severity.ERROR)]
        assert "999: 2 rows (3, 4)" in found.problems[0].message
        assert found.problems[0].hint == 'its valueids are 1000 "Budapest", 1001 "Wien"'
        assert codes(difference(FilledField("note", "N", valueid=True), "1")) == [
            ("unknown_valueid", Severity.ERROR)
        ]

    def test_free_text_in_a_simple_field_is_recognised_and_bounded(self) -> None:
        values = [f"note number {i}" for i in range(MOST_TEXTS + 5)]
        found = difference(FilledField("city", "City"), *values)
        assert found.problems[0].code == "many_new_values"
        assert "more than 10,000 values" in found.problems[0].message
        assert "free text" in str(found.problems[0].hint)
        assert len(found.new_values) == MOST_TEXTS
        assert len(found.problems) == 101


class TestContacts:
    def problems(self, *fields: str) -> list[Problem]:
        project = Project(1, tuple(field(name, FieldType.TEXT) for name in fields))
        comparison = ProjectComparison(project, ProjectNeeds([]))
        for number in filter(comparison.wants_contact, range(1, 10)):
            rows = numbers(0 if number == 9 else 2)
            comparison.add_contact(number, rows, f"Phone {number}")
        return list(comparison.finish().problems)

    def test_a_project_that_lists_phone_fields_lacks_those_it_does_not_list(self) -> None:
        found = self.problems("name", "phone2", "phone3", "phone5", "phone6", "phone7")
        assert [(p.code, p.target, p.column, p.severity) for p in found] == [
            ("contact_without_field", "contacts.4.phone", "Phone 4", Severity.WARNING),
            ("contact_without_field", "contacts.8.phone", "Phone 8", Severity.WARNING),
        ]
        assert "phone2, phone3, phone5, phone6, phone7 and no phone4" in found[0].message
        assert "2 rows (2, 3)" in found[0].message

    def test_one_that_lists_none_says_nothing(self) -> None:
        assert self.problems("name", "phone", "phone10") == []
        assert len(self.problems("phone1")) == 7


class TestDispositions:
    def problems(
        self,
        *rows: tuple[str, str, str],
        project: Project = PROJECT,
        users: Users | None = None,
    ) -> list[Problem]:
        needs = ProjectNeeds(
            [], disposition={"dispositionid": "D", "userid": "U", "next_calldate": "N"}
        )
        comparison = ProjectComparison(project, needs, users)
        columns = list(zip(*rows, strict=True))
        parts = {
            name: texts(*column)
            for name, column in zip(needs.disposition or (), columns, strict=True)
        }
        comparison.add_dispositions(numbers(len(rows)), np.ones(len(rows), dtype=bool), parts)
        return list(comparison.finish().problems)

    def test_unknown_ids_a_call_back_without_date_and_a_date_for_nothing(self) -> None:
        found = self.problems(
            ("1", "7", "2030-01-01 10:00:00"),
            ("Call-back", "7", ""),
            ("9", "7", ""),
            ("1", "7", ""),
            ("2", "7", "2030-01-01 10:00:00"),
            ("2", "7", ""),
        )
        assert [(p.code, p.value, p.severity, p.column) for p in found] == [
            ("unknown_disposition", "Call-back", Severity.ERROR, "D"),
            ("unknown_disposition", "9", Severity.ERROR, "D"),
            ("callback_without_date", "1", Severity.ERROR, "N"),
            ("date_without_callback", "2", Severity.WARNING, "N"),
        ]
        assert "is 1: write that id" in str(found[0].hint)
        assert "(5)" in found[2].message

    def test_a_mapping_without_a_date_column_is_told_for_call_backs(self) -> None:
        comparison = ProjectComparison(
            PROJECT, ProjectNeeds([], disposition={"dispositionid": "D"})
        )
        parts = {"dispositionid": texts("1", "2"), "userid": texts("7", "7")}
        comparison.add_dispositions(numbers(2), np.array([True, True]), parts)
        assert [p.code for p in comparison.finish().problems] == ["callback_without_date"]

    def test_a_user_that_lacks_is_told_with_the_nearest_by_id_username_or_name(self) -> None:
        users = Users(
            (
                User("7", "anna.kiss", "Anna Kiss", active=True),
                User("31", "bela", "Béla Nagy", active=True),
                User("12", "cili", "Cecília Tóth", active=False),
                User("44", "anna2", "Anna Kiss", active=True),
            )
        )
        rows = [("2", user, "") for user in ("7", "31", "anna.kis", "Bela Nagy", "ANNA KISS", "x")]
        found = self.problems(*rows, ("2", "12", ""), users=users)
        assert [(p.code, p.value, p.severity, p.column) for p in found] == [
            ("unknown_user", "anna.kis", Severity.ERROR, "U"),
            ("unknown_user", "Bela Nagy", Severity.ERROR, "U"),
            ("unknown_user", "ANNA KISS", Severity.ERROR, "U"),
            ("unknown_user", "x", Severity.ERROR, "U"),
            ("inactive_user", "12", Severity.ERROR, "U"),
        ]
        hints = [str(p.hint) for p in found]
        assert 'did you mean 7 "anna.kiss" (Anna Kiss)?' in hints[0]
        assert 'did you mean 31 "bela" (Béla Nagy)?' in hints[1]
        assert '7 "anna.kiss" (Anna Kiss), 44 "anna2" (Anna Kiss)?' in hints[2]
        assert "write the userid of an active user: it has 7" in hints[3]
        assert "cili" not in hints[3], "who is inactive is no way out"
        assert '12 "cili" (Cecília Tóth) is inactive: 1 row (8)' in found[4].message

    def test_users_that_may_not_be_asked_for_are_said_to_be_unchecked(self) -> None:
        rows = (("2", "7", ""), ("2", "8", ""))
        [problem] = self.problems(*rows, users=Users(None, "403 no"))
        assert (problem.code, problem.severity) == ("users_not_checked", Severity.WARNING)
        assert "(403 no): 2 rows (2, 3)" in problem.message
        assert self.problems(*rows) == []

    def test_dispositions_that_are_not_told_are_not_complained_about(self) -> None:
        assert self.problems(("99", "7", ""), project=Project(1, ())) == []


class TestNearest:
    @pytest.mark.parametrize(
        ("text", "near"),
        [
            ("Budapset", Near("Budapest", same=False)),
            ("Wein", Near("Wien", same=False)),
            ("gyor", Near("Győr", same=True)),
            ("BUDAPEST", Near("Budapest", same=True)),
            ("Nowhere", None),
            ("", None),
        ],
    )
    def test_it_finds_slips_and_nothing_else(self, text: str, near: Near | None) -> None:
        assert Nearest(["Budapest", "Wien", "Győr", "Graz"]).find(text) == near

    def test_the_cost_of_a_search_does_not_grow_with_the_number_of_names(self) -> None:
        began = time.monotonic()
        nearest = Nearest(f"Street of the value {i}" for i in range(50_000))
        for i in range(1_000):
            nearest.find(f"Stret of the value {i * 37}")
        assert time.monotonic() - began < 30


class TestTally:
    @given(
        st.lists(st.sampled_from(["a", "b", "a|b", " a |c", "", "|"]), max_size=30),
        st.integers(1, 9),
    )
    def test_it_counts_as_a_row_by_row_count_does_however_the_rows_are_divided(
        self, cells: list[str], size: int
    ) -> None:
        tally = ValueTally(lambda text: text != "c", "|")
        for start in range(0, len(cells), size):
            part = cells[start : start + size]
            tally.add(numbers(len(part), start + 2), texts(*part))
        expected: dict[str, list[int]] = {}
        for row, cell in enumerate(cells, 2):
            for piece in {piece.strip() for piece in cell.split("|")} - {"", "c"}:
                expected.setdefault(piece, []).append(row)
        assert {text: (c.count, c.rows) for text, c in tally.counts.items()} == {
            text: (len(rows), tuple(rows[:3])) for text, rows in expected.items()
        }

    def test_long_texts_are_bounded_by_their_length_together(self) -> None:
        tally = ValueTally(lambda _: True)
        long = "x" * (MOST_CHARACTERS // 4)
        tally.add(numbers(9), texts(*(f"{long}{i}" for i in range(9))))
        assert len(tally.counts) == 3
        assert tally.beyond


@pytest.mark.parametrize(
    ("format_", "past", "future"),
    [
        ("%Y-%m-%d %H:%M:%S", "2026-05-17 09:59:59", "2026-05-17 10:00:00"),
        ("%Y-%m-%d", "2026-05-16", "2026-05-17"),
        ("%d.%m.%Y %H:%M", "30.04.2026 10:00", "01.06.2026 10:00"),
    ],
)
def test_call_backs_before_now_are_warned_of_row_by_row(
    format_: str, past: str, future: str
) -> None:
    given = np.array([True, True, False, True, True])
    [problem] = past_callbacks(
        numbers(5),
        texts(past, future, past, "", "12/never"),
        given,
        format_=format_,
        now=datetime(2026, 5, 17, 10, 0, 0),  # noqa: DTZ001 (the service's local time)
        header="Call back",
    )
    assert (problem.row, problem.column, problem.code) == (2, "Call back", "callback_in_past")
    assert (problem.severity, problem.value) == (Severity.WARNING, past)
