"""What must hold whatever the cells hold."""

from __future__ import annotations

import json
from functools import cache
from unicodedata import normalize

from hypothesis import given
from hypothesis import strategies as st

from importer.api.request import encode
from importer.mapping.bound import BoundMapping
from importer.model import BLANKS, ERROR_TEXTS, Severity
from tests.support.sheets import batch_of, plan_of

CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
"""Any text that a cell can hold; half a surrogate pair is no text."""


@cache
def plan(text: str, headers: tuple[str, ...]) -> BoundMapping:
    return plan_of(text, headers)


def forms(text: str, headers: tuple[str, ...], rows: list[list[str]]) -> list[dict[str, str]]:
    compiled = plan(text, headers)
    evaluated = compiled.evaluate(batch_of(rows))
    return [json.loads(body)["form"] for body in encode(compiled.records(evaluated, "run"))]


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=20))
def test_any_text_survives_to_the_body_unchanged_but_for_its_ends(
    cells: list[tuple[str, str]],
) -> None:
    rows = [list(row) for row in cells]
    sent = forms("form: {a: A, b: {column: B, trim: false, empty: send}}", ("A", "B"), rows)
    for (a, b), form in zip(cells, sent, strict=True):
        if a.strip(BLANKS) not in ERROR_TEXTS and b.strip(BLANKS) not in ERROR_TEXTS:
            assert form.get("a", "") == normalize("NFC", a).strip(BLANKS)
            assert form["b"] == normalize("NFC", b)


@given(st.lists(CELL.filter(lambda t: not set(t) & set(',|"“”„[]')), max_size=8))
def test_joining_then_splitting_at_the_pipe_gives_the_values_back(values: list[str]) -> None:
    text = "form: {a: {column: A, multiple: true, split: ','}, b: B}"
    trimmed = [normalize("NFC", value).strip(BLANKS) for value in values]
    joined = ",".join(values)
    if joined.strip(BLANKS) in ERROR_TEXTS:
        return
    [form] = forms(text, ("A", "B"), [[joined, "b"]])
    # A separator inside a text is white space, and divides nothing.
    whole = (value.replace("\x1f", " ") for value in trimmed if value)
    expected = list(dict.fromkeys(whole))
    assert (form["a"].split("|") if "a" in form else []) == expected


FULL = """
region: HU
form:
  name: {column: A, case: title, max_length: 30}
  many: {columns: [A, B], multiple: true, split: [",", ";"], on_error: blank}
  day: {column: C, type: date, on_error: warn}
  sum: {column: B, type: decimal, repair: true}
contacts:
  1: {phone: {column: C, on_error: blank, repair: true}, name: A, email: B}
  spread: {column: B, on_error: blank}
rows: {unique: [contacts.1.phone, form.name], skip_when: {column: A, in: x}}
"""
LIKELY = st.one_of(
    CELL,
    st.from_regex(r"[+0-9 /().-]{3,20}", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}", fullmatch=True),
    st.from_regex(r"[0-9.,]{1,12}([eE]\+?[0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"[a-ző.]{1,8}@[a-z-]{1,8}\.(com|hu)", fullmatch=True),
    st.sampled_from(sorted(ERROR_TEXTS)),
)


@given(st.lists(st.lists(LIKELY, min_size=3, max_size=3), min_size=1, max_size=12))
def test_no_cell_makes_a_plan_fail_and_every_row_has_one_record(rows: list[list[str]]) -> None:
    compiled = plan(FULL, ("A", "B", "C"))
    evaluated = compiled.evaluate(batch_of(rows))
    records = compiled.records(evaluated, "run")
    assert records.rows.tolist() == list(range(2, 2 + len(rows)))
    bad = {p.row for p in evaluated.checked.problems if p.severity is Severity.ERROR}
    for row, encoded in zip(records.rows.tolist(), encode(records), strict=True):
        body = json.loads(encoded)
        if row not in bad | set(evaluated.checked.filtered):
            assert all("phone" in contact for contact in body.get("contacts", {}).values())
            assert not any("|" in piece for piece in body["form"].get("many", "").split("|"))
