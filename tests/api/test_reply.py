"""How the bytes of an answer are read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.api.reply import clean, read_reply, retry_after_of
from importer.model import Reply, ReplyError


def read(body: bytes | None, status: int = 200, **headers: str) -> Reply:
    return read_reply(status, {k.replace("_", "-"): v for k, v in headers.items()}, body)[0]


def envelope(response: Any, errors: Any = ()) -> bytes:
    return orjson.dumps({"errors": list(errors), "response": response})


@pytest.mark.parametrize(
    ("response", "ids"),
    [
        ([6], ("6",)),
        ([6, 7], ("6", "7")),
        ([6, 6], ("6",)),
        (["6"], ("6",)),
        (6, ("6",)),
        ("6", ("6",)),
        ({"numberid": 6}, ("6",)),
        ({"numberid": [6, "7"]}, ("6", "7")),
        ([{"numberid": 6}, {"numberid": 7}], ("6", "7")),
        ({"record": {"numberid": 6, "projectid": 134}}, ("6",)),
        ({"records": [{"numberid": 6}]}, ("6",)),
        ([], ()),
        (None, ()),
        (True, ()),
        ([True], ()),
        (0, ()),
        (-6, ()),
        (6.0, ()),
        ("", ()),
        ("six", ()),
        ("６", ()),
        ({"projectid": 134}, ()),
        ({"record": {"projectid": 134, "values": [1, 2]}}, ()),
        ([[[[[[6]]]]]], ()),
    ],
)
def test_numberids_are_found_where_the_service_may_put_them(
    response: Any, ids: tuple[str, ...]
) -> None:
    reply = read(envelope(response))
    assert reply.understood
    assert reply.numberids == ids


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"<html>",
        b"[]",
        b"6",
        b'{"response": [6]}',
        b'{"errors": []}',
        b'{"errors": null, "response": [6]}',
        b'{"errors": {}, "response": [6]}',
        b'{"errors": [], "response": [6]',
        b'{"errors": [], "response": [6]} extra',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_anything_but_the_whole_envelope_is_not_understood(body: bytes | None) -> None:
    reply = read(body, Content_Type="text/html; charset=utf-8")
    assert not reply.understood
    assert reply.numberids == ()
    assert reply.detail.startswith("HTTP 200, text/html, ")


def test_errors_are_read_with_whatever_they_have() -> None:
    errors = [
        {"errorcode": 417, "errormessage": "error.x", "property": "name", "index": 1},
        {"errorcode": "417", "errormessage": "error.y"},
        {"errormessage": "line\nbreak\x1b[31m"},
        {"errorcode": 1},
        {},
        "words",
        None,
        {"errorcode": [1], "errormessage": {"a": 1}, "property": 3, "index": True},
    ]
    assert read(envelope(None, errors), 417).errors == (
        ReplyError("417", "error.x", "name", 1),
        ReplyError("417", "error.y"),
        ReplyError("", "line break [31m"),
        ReplyError("1", ""),
        ReplyError("", "an error without words"),
        ReplyError("", "words"),
        ReplyError("", "an error without words"),
        ReplyError("[1]", '{"a":1}', "3"),
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wednesday, 21-Oct-15 07:28:30 GMT", 30.0),
        ("Wed Oct 21 07:28:30 2015", 30.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Wed, 99 Oct 2015 07:28:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_services_own_clock(
    text: str, seconds: float | None
) -> None:
    headers = {"Retry-After": text, "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert retry_after_of(headers) == seconds


def test_a_date_far_in_the_past_or_future_is_measured_from_now_without_a_date_header() -> None:
    assert retry_after_of({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}) == 0.0
    far = retry_after_of({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"})
    assert far is not None
    assert far > 1e9


def test_retry_after_counts_for_429_and_503_only() -> None:
    assert read(b"", 429, **{"Retry-After": "7"}).retry_after == 7.0
    assert read(b"", 503, **{"Retry-After": "7"}).retry_after == 7.0
    assert read(b"", 500, **{"Retry-After": "7"}).retry_after is None


def test_text_from_elsewhere_is_one_bearable_line() -> None:
    assert clean("a\r\n\tb\x00\u202ec") == "a b c"
    assert len(clean("x" * 10_000)) == 500


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.integers(100, 599), st.binary() | json_values.map(orjson.dumps))
def test_no_bytes_whatever_make_it_fail(status: int, body: bytes) -> None:
    read(body, status)


@given(json_values, st.lists(json_values, max_size=3))
def test_no_envelope_whatever_makes_it_fail(response: Any, errors: list[Any]) -> None:
    reply = read(envelope(response, errors))
    assert reply.understood
    assert len(reply.errors) == len(errors)
    assert all(i.isascii() and i.isdigit() and int(i) > 0 for i in reply.numberids)
