"""The key is found in whatever a service says, in each form that programs write it in."""

from __future__ import annotations

import base64
import html
import json
import re
import time
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.api.reply import MASK, KeyMask, read_reply

KEY = "s3cr3t/kéy+%25\\x y&z"
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40)


def forms(key: str, before: bytes) -> list[str]:
    pair = before + key.encode() + b" and more"
    once = json.dumps(key)[1:-1]
    return [
        key,
        quote(key),
        quote(key, safe=""),
        quote_plus(key),
        re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(key, safe="")),
        "".join(f"%{byte:02X}" for byte in key.encode()),
        once,
        once.replace("/", "\\/"),
        json.dumps(key, ensure_ascii=False)[1:-1],
        html.escape(key),
        base64.b64encode(pair).decode(),
        base64.urlsafe_b64encode(pair).decode(),
        quote(base64.b64encode(pair).decode(), safe=""),
    ]


@given(KEYS, st.binary(max_size=5))
def test_no_form_of_a_key_is_left(key: str, before: bytes) -> None:
    mask = KeyMask("acme", key)
    for form in forms(key, before):
        masked = mask.text(f"wrong: <{form}> ({form})")
        assert MASK in masked
        assert form not in masked.replace(MASK, "")


@given(st.text(max_size=200))
def test_other_text_is_left_alone(text: str) -> None:
    assert KeyMask("acme", "k3y-of-nobody").text(text) == text


def test_the_authorization_header_is_masked_to_its_ends() -> None:
    for customer in ("a", "ab", "abc"):
        header = base64.b64encode(f"{customer}:{KEY}".encode()).decode()
        assert KeyMask(customer, KEY).text(f"Basic {header}.") == f"Basic {MASK}."


@pytest.mark.parametrize(
    ("key", "text", "masked"),
    [
        ("test", "latest test, tests", f"latest {MASK}, tests"),
        ("abc", "abc", "abc"),
        ("abc", "Basic YWNtZTphYmM=", f"Basic {MASK}"),
        ("", "Og == :", "Og == :"),
        ("acme", "acme is no customer", "acme is no customer"),
        ("longer-key", "alonger-keys", f"a{MASK}s"),
    ],
)
def test_a_short_key_does_not_mask_everything(key: str, text: str, masked: str) -> None:
    assert KeyMask("acme", key).text(text) == masked


def test_a_reply_is_masked_before_it_is_cut() -> None:
    mask = KeyMask("acme", KEY)
    for before in range(420, 520):
        words = "x" * before + " " + KEY
        error = {"errorcode": words, "errormessage": words, "property": words}
        reply, envelope = read_reply(
            400, {}, orjson.dumps({"errors": [error], "response": {KEY: [KEY]}}), mask
        )
        assert "s3c" not in repr(reply)
        assert "s3c" not in repr(envelope)
    assert "s3c" not in repr(read_reply(502, {"Content-Type": f"text/{KEY}"}, b"", mask)[0])


def test_numberids_are_read_whatever_the_key_is() -> None:
    mask = KeyMask("acme", "12345678")
    body = b'{"errors": [], "response": ["123456789"]}'
    assert read_reply(200, {}, body, mask)[0].numberids == ("123456789",)


def test_deep_and_long_replies_are_searched_in_bearable_time() -> None:
    mask = KeyMask("acme", "\\" * 30 + "%" * 30)
    body = b'{"errors": [], "response": ' + b"[" * 900 + b"]" * 900 + b"}"
    assert read_reply(200, {}, body, mask)[0].understood
    began = time.process_time()
    for text in ("\\" * 100_000, "%" * 100_000, "%25" * 100_000, "\\u005c" * 100_000):
        mask.text(text)
    assert time.process_time() - began < 30
