"""Bodies of the Add record call: what a JSON encoder makes of each record, joined by the column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from importer.api.request import encode
from importer.model import ContactTexts, Records

VECTOR = Path(__file__).parents[1] / "vectors" / "add_record.json"

Texts = Sequence[str | None]


def texts(values: Texts) -> pa.Array:
    return pa.array(values, pa.large_string())


def records(
    count: int,
    *,
    form: Mapping[str, Texts] | None = None,
    valueids: Sequence[str] = (),
    contacts: Mapping[str, tuple[Mapping[str, Texts], Sequence[bool]]] | None = None,
    phone_field: Texts | None = None,
    premium: Mapping[str, Texts] | None = None,
    disposition: tuple[Mapping[str, Texts], Sequence[bool]] | None = None,
) -> Records:
    called, has = disposition or ({}, [False] * count)
    return Records(
        rows=np.arange(2, 2 + count, dtype=np.int64),
        form={key: texts(column) for key, column in (form or {}).items()},
        valueids=frozenset(valueids),
        contacts={
            key: ContactTexts(
                {part: texts(column) for part, column in parts.items()}, np.array(on, dtype=bool)
            )
            for key, (parts, on) in (contacts or {}).items()
        },
        phone_field=texts(phone_field or [None] * count),
        premium={key: texts(column) for key, column in (premium or {}).items()},
        disposition={key: texts(column) for key, column in called.items()},
        disposed=np.array(has, dtype=bool),
    )


def test_a_record_with_everything_is_the_documents_example() -> None:
    [body] = encode(
        records(
            1,
            form={"name": ["Peter Green"], "city": ["Budapest"], "likes": ["sports|movies"]},
            contacts={
                "1": (
                    {
                        "title": ["Supervisor"],
                        "name": ["Peter Green"],
                        "phone": ["3619997400"],
                        "email": ["peter.green@email.com"],
                    },
                    [True],
                ),
                "4": ({"phone": ["3619996400"]}, [True]),
            },
            phone_field=["phone4"],
            premium={"price": ["100"], "commission": ["50"]},
            disposition=(
                {
                    "dispositionid": ["1"],
                    "userid": ["7"],
                    "next_calldate": ["2015-07-20 10:26:55"],
                },
                [True],
            ),
        )
    )
    assert json.loads(body) == json.loads(VECTOR.read_text("utf-8"))["request"]


def test_what_is_empty_is_left_out_but_form_is_always_there() -> None:
    assert encoded(records(2)) == [b'{"form":{}}'] * 2
    nobody = {"1": ({"phone": ["3612345678"]}, [False])}
    found = encoded(records(1, form={"a": [""]}, contacts=nobody, premium={"price": [None]}))
    assert found == [b'{"form":{"a":""}}']
    assert encoded(records(0, form={"a": []})) == []


def test_text_is_utf_8_and_value_ids_are_integers() -> None:
    form: dict[str, Texts] = {"name": ["Ő🙂", "b"], "city": ["12", None], "plan": ["007", "Gold"]}
    assert encoded(records(2, form=form, valueids=["city", "plan"])) == [
        '{"form":{"name":"Ő🙂","city":12,"plan":7}}'.encode(),
        b'{"form":{"name":"b","plan":"Gold"}}',
    ]


def encoded(made: Records) -> list[bytes]:
    return list(encode(made))


def body_of(made: Records, i: int) -> dict[str, Any]:
    """The body of one row, by the contract's own words."""

    def there(columns: Mapping[str, pa.Array]) -> dict[str, Any]:
        found = ((key, column[i].as_py()) for key, column in columns.items())
        return {key: text for key, text in found if text is not None}

    form = there(made.form)
    for key in made.valueids & form.keys():
        if form[key].isdecimal():
            form[key] = int(form[key])
    body: dict[str, Any] = {"form": form}
    contacts = {key: there(c.parts) for key, c in made.contacts.items() if c.exists[i]}
    if contacts:
        body["contacts"] = contacts
    if (field := made.phone_field[i].as_py()) is not None:
        body["phone_field"] = field
    if premium := there(made.premium):
        body["premium"] = premium
    if made.disposed[i]:
        body["disposition"] = there(made.disposition)
    return body


CELL = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEY = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@st.composite
def some_records(draw: st.DrawFn) -> Records:
    count = draw(st.integers(0, 5))
    column = st.lists(CELL, min_size=count, max_size=count)
    mask = st.lists(st.booleans(), min_size=count, max_size=count)
    columns = st.dictionaries(KEY, column, max_size=4)
    form = draw(columns)
    ids = st.lists(
        st.none() | st.integers(0, 2**63 - 1).map(str) | st.just("Gold"),
        min_size=count,
        max_size=count,
    )
    if draw(st.booleans()):
        form["id"] = draw(ids)
    numbers = st.sampled_from("123456789")
    contacts = draw(st.dictionaries(numbers, st.tuples(columns, mask), max_size=3))
    return records(
        count,
        form=form,
        valueids=["id"],
        contacts=contacts,
        phone_field=draw(column),
        premium=draw(columns),
        disposition=(draw(columns), draw(mask)),
    )


@given(some_records())
def test_bodies_are_to_the_byte_what_an_encoder_makes_of_each_record(made: Records) -> None:
    expected = [orjson.dumps(body_of(made, i)) for i in range(len(made.rows))]
    assert encoded(made) == expected


def test_a_part_of_a_longer_column_is_taken_for_what_it_is() -> None:
    """Arrow hands out columns that begin in the middle of another's memory."""
    whole = texts(['"', "a", 'b"c', None, "d\\"])
    made = replace(records(3), form={"x": whole[1:4]})
    assert encoded(made) == [b'{"form":{"x":"a"}}', rb'{"form":{"x":"b\"c"}}', b'{"form":{}}']


def test_what_is_null_is_left_out_whatever_bytes_are_beneath_it() -> None:
    """Arrow's own functions leave them there."""
    there = pa.array([True, False, True])
    some = pc.if_else(there, texts(['"1', '"2', '"3']), pa.scalar(None, pa.large_string()))
    made = replace(records(3), form={"x": some})
    assert encoded(made) == [rb'{"form":{"x":"\"1"}}', b'{"form":{}}', rb'{"form":{"x":"\"3"}}']


def test_many_rows_are_all_there_and_in_order() -> None:
    numbers = [str(n) for n in range(5000)]
    assert encoded(records(5000, form={"n": numbers})) == [
        b'{"form":{"n":"%d"}}' % n for n in range(5000)
    ]
