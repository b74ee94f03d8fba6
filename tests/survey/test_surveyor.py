"""The Survey decides each row once: filtered, checked, compared, in this order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.cells import arrow_texts
from importer.model import Checked, Problem, Severity, Status
from importer.survey.duplicates import OnDuplicate, Seen
from importer.survey.surveyor import Surveyor

UNIQUE = {"form.a": "Name"}


def checked(
    keys: list[str],
    *,
    first: int = 2,
    errors: tuple[int, ...] = (),
    filtered: tuple[int, ...] = (),
) -> Checked:
    return Checked(
        np.arange(first, first + len(keys), dtype=np.int64),
        {row: Problem(row, "F", "rows.skip_when", "filtered", "F is x") for row in filtered},
        tuple(Problem(row, "A", "form.a", "bad", "is bad") for row in errors),
        arrow_texts(keys),
    )


def statuses(surveyor: Surveyor, batch: Checked) -> dict[int, Status]:
    return {decision.row: decision.status for decision in surveyor.add(batch)}


def test_a_row_whose_key_was_seen_on_a_ready_row_is_a_duplicate() -> None:
    surveyor = Surveyor("a.csv", "skip", unique=UNIQUE)
    assert statuses(surveyor, checked(["k", "l", "k", ""])) == {4: Status.SKIPPED}
    assert statuses(surveyor, checked(["", "l"], first=6)) == {7: Status.SKIPPED}
    survey = surveyor.finish()
    assert (survey.rows, survey.ready, survey.skipped) == (6, 4, 2)


def test_an_invalid_row_and_a_filtered_row_hide_nobody() -> None:
    surveyor = Surveyor("a.csv", "skip", unique=UNIQUE)
    batch = checked(["k", "k", "k"], errors=(2,), filtered=(3,))
    assert statuses(surveyor, batch) == {2: Status.INVALID, 3: Status.SKIPPED}


def test_on_duplicate_rejects_or_allows_with_a_warning() -> None:
    fates: dict[OnDuplicate, Status] = {"reject": Status.INVALID, "allow": Status.PENDING}
    for on_duplicate, status in fates.items():
        surveyor = Surveyor("a.csv", on_duplicate, unique=UNIQUE)
        assert statuses(surveyor, checked(["k", "k"])) == {3: status}
        assert surveyor.finish().problem_counts == {"duplicate": 1}


def test_files_of_one_command_share_what_was_seen_and_say_where() -> None:
    seen = Seen()
    first = Surveyor("a.csv", "skip", unique=UNIQUE, seen=seen)
    first.add(checked(["k"]))
    given_up = Surveyor("b.csv", "skip", unique=UNIQUE, seen=seen)
    assert given_up.add(checked(["l"])) == []
    seen.take(first.file_keys)
    later = Surveyor("c.csv", "skip", unique=UNIQUE, seen=seen)
    assert later.add(checked(["l"])) == []
    [decision] = Surveyor("b.csv", "skip", unique=UNIQUE, seen=seen).add(checked(["k"]))
    assert decision.problems[0].message == "same Name (k) as row 2 of a.csv"


def test_an_outcome_tells_all_errors_of_a_row_but_no_warnings() -> None:
    batch = Checked(
        np.array([5]),
        {},
        (
            Problem(5, "A", "form.a", "bad", "is bad", "x", "mend it"),
            Problem(5, "B", "form.b", "odd", "is odd", severity=Severity.WARNING),
            Problem(5, "C", "form.c", "worse", "is worse", "y", "mend it"),
        ),
        None,
    )
    [decision] = Surveyor("a.csv", "skip").add(batch)
    outcome = decision.outcome()
    assert (outcome.row, outcome.status, outcome.attempts) == (5, Status.INVALID, 0)
    assert outcome.code == "bad|worse"
    assert outcome.message == "(1) A: is bad (2) C: is worse"
    assert outcome.hint == "(1) mend it (2) mend it"


def test_the_list_of_problems_is_capped_and_the_counts_are_not() -> None:
    surveyor = Surveyor("a.csv", "skip", cap=3)
    surveyor.add(checked([""] * 10, errors=tuple(range(2, 12))))
    survey = surveyor.finish()
    assert len(survey.problems) == 3
    assert survey.problem_counts == {"bad": 10}
    assert survey.errors == 10


@given(
    st.lists(st.tuples(st.sampled_from("abc "), st.booleans(), st.booleans()), max_size=40),
    st.sampled_from(["skip", "reject", "allow"]),
    st.integers(1, 7),
)
def test_counts_always_add_up_however_the_rows_are_divided_into_batches(
    rows: list[tuple[str, bool, bool]], on_duplicate: OnDuplicate, size: int
) -> None:
    def survey(step: int) -> tuple[dict[int, Status], tuple[int, int, int, int]]:
        surveyor = Surveyor("a.csv", on_duplicate, unique=UNIQUE)
        found: dict[int, Status] = {}
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            numbers = range(start + 2, start + 2 + len(part))
            batch = checked(
                [key.strip() for key, _, _ in part],
                first=start + 2,
                errors=tuple(n for n, (_, bad, _) in zip(numbers, part, strict=True) if bad),
                filtered=tuple(n for n, (_, _, out) in zip(numbers, part, strict=True) if out),
            )
            found |= statuses(surveyor, batch)
        done = surveyor.finish()
        return found, (done.rows, done.ready, done.invalid, done.skipped)

    found, (count, ready, invalid, skipped) = survey(size)
    assert count == len(rows) == ready + invalid + skipped
    assert (found, (count, ready, invalid, skipped)) == survey(len(rows) or 1)
