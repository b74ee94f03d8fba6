"""The sandbox misbehaves to order: what the client sees of each fault, and what was stored."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from importer.errors import MappingError, SourceError
from importer.sandbox.faults import (
    KINDS,
    NO_FAULTS,
    Capacity,
    FaultKind,
    Faults,
    Latency,
    RateLimit,
    load_faults,
    parse_latency,
)
from importer.sandbox.misconduct import misconduct
from importer.sandbox.projects import load_projects
from importer.sandbox.store import StoreThread, open_store
from tests.support.live_sandbox import SAMPLE_PROJECT, LiveSandbox, live_sandbox

ROOT = SAMPLE_PROJECT.parents[1]
RECORDS = "/v2/projects/134/records"
ENVELOPE = b'{"errors":[],"response":[1]}'


class Wire:
    """One raw connection, and what came back on it."""

    def __init__(self, sandbox: LiveSandbox, patience: float = 30) -> None:
        url = urlsplit(sandbox.base_url)
        self.authorization = sandbox.authorization
        self.socket = socket.create_connection((url.hostname or "", url.port or 0), patience)
        self.received = b""

    def close(self) -> None:
        self.socket.close()

    def send(self, body: Any = None, *, method: str = "POST", path: str = RECORDS) -> None:
        raw = b"" if method == "GET" else json.dumps(body or {"form": {"name": "x"}}).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: s", f"Authorization: {self.authorization}"]
        head = "\r\n".join([*lines, f"Content-Length: {len(raw)}", "", ""]).encode()
        self.socket.sendall(head + raw)  # in one piece, or the kernel may hold back the second

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the reply; what follows stays in `received`."""
        while b"\r\n\r\n" not in self.received:
            more = self.socket.recv(65536)
            assert more, "the connection ended instead of a reply"
            self.received += more
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(first.split()[1]), headers

    def read_reply(self) -> tuple[int, dict[str, str], bytes]:
        """A reply that is whole."""
        status, headers = self.read_head()
        if headers.get("transfer-encoding") == "chunked":
            while not self.received.endswith(b"0\r\n\r\n"):
                self.received += self.socket.recv(65536)
            body = b""
            while size := int(self.received.partition(b"\r\n")[0], 16):
                start = self.received.index(b"\r\n") + 2
                body += self.received[start : start + size]
                self.received = self.received[start + size + 2 :]
            self.received = b""
        else:
            length = int(headers["content-length"])
            while len(self.received) < length:
                self.received += self.socket.recv(65536)
            body, self.received = self.received[:length], self.received[length:]
        return status, headers, body

    def read_end(self) -> str:
        """How the connection ends: "closed", "reset", or "open" when it does not in time."""
        try:
            while more := self.socket.recv(65536):
                self.received += more
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            return "open"
        return "closed"


def exchange(sandbox: LiveSandbox, **request: Any) -> tuple[int, dict[str, str], bytes]:
    with closing(Wire(sandbox)) as wire:
        wire.send(**request)
        return wire.read_reply()


def stored_and_logged(sandbox: LiveSandbox, kind: str, *, stored: bool) -> None:
    """One record came: whether it was stored, both by the records and by the log."""
    assert len(sandbox.records(134)) == stored
    (line,) = sandbox.requests()
    assert (line.ordinal, line.fault, line.numberid) == (1, kind, 1 if stored else None)


def one(kind: str, **more: Any) -> list[dict[str, Any]]:
    return [{"kind": kind, "at": 1, **more}]


STORED = [False, True]


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize(("kind", "end"), [("close", "closed"), ("reset", "reset")])
def test_close_and_reset_end_the_connection_without_a_byte(
    tmp_path: Path, kind: str, end: str, stored: bool
) -> None:
    rules = one(kind, stored=stored)
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        with closing(Wire(sandbox)) as wire:
            wire.send()
            assert (wire.read_end(), wire.received) == (end, b"")
        stored_and_logged(sandbox, kind, stored=stored)
        assert exchange(sandbox)[0] == 200


@pytest.mark.parametrize("stored", STORED)
def test_hang_never_answers_and_does_not_keep_the_sandbox_from_stopping(
    tmp_path: Path, stored: bool
) -> None:
    rules = one("hang", stored=stored)
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        wire = Wire(sandbox, patience=0.3)
        wire.send()
        assert (wire.read_end(), wire.received) == ("open", b"")
        stored_and_logged(sandbox, "hang", stored=stored)
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 5
    assert (wire.read_end(), wire.received) == ("closed", b"")
    wire.close()


def test_a_hanging_request_is_let_go_when_its_client_leaves(tmp_path: Path) -> None:
    with live_sandbox(tmp_path / "s", faults=one("hang")) as sandbox:
        with closing(Wire(sandbox, patience=0.1)) as wire:
            wire.send()
            assert wire.read_end() == "open"
        assert exchange(sandbox)[0] == 200


STATUSES = {
    "throttled": (429, "json", "error.too_many_requests"),
    "unavailable": (503, "json", "error.service_unavailable"),
    "server_error": (500, "json", "error.internal_server_error"),
    "bad_gateway": (502, "html", "502 Bad Gateway"),
    "gateway_timeout": (504, "html", "Gateway Timeout"),
    "unauthorized": (401, "json", "error.unauthorized"),
    "forbidden": (403, "json", "error.forbidden"),
    "not_found": (404, "json", "error.not_found"),
}


@pytest.mark.parametrize("body", [None, "json", "empty", "html"])
@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (kind, stored)
        for kind in STATUSES
        for stored in (STORED if KINDS[FaultKind(kind)].either else [None])
    ],
)
def test_error_statuses_come_in_every_form_with_the_record_stored_or_not(
    tmp_path: Path, kind: str, stored: bool | None, body: str | None
) -> None:
    status, usual, _ = STATUSES[kind]
    rule = {"stored": stored, "body": body}
    rules = one(kind, **{key: value for key, value in rule.items() if value is not None})
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        found, headers, raw = exchange(sandbox)
        stored_and_logged(sandbox, kind, stored=bool(stored))
    assert found == status
    match body or usual:
        case "json":
            (complaint,) = json.loads(raw)["errors"]
            assert complaint == {"errorcode": status, "errormessage": STATUSES[kind][2]} or usual
            assert headers["content-type"] == "text/plain; charset=utf-8"
        case "html":
            assert raw.startswith(b"<!DOCTYPE html>")
            assert headers["content-type"].startswith("text/html")
        case _:
            assert raw == b""
    assert ("retry-after" in headers) == (kind in {"throttled", "unavailable"})
    assert ("www-authenticate" in headers) == (kind == "unauthorized")


@pytest.mark.parametrize("kind", ["throttled", "unavailable"])
def test_retry_after_comes_in_seconds_as_a_date_or_not_at_all(tmp_path: Path, kind: str) -> None:
    rules: list[dict[str, Any]] = [
        {"kind": kind, "at": 1, "retry_after": "seconds", "wait": "6.5s"},
        {"kind": kind, "at": 2, "retry_after": "date", "wait": 60},
        {"kind": kind, "at": 3, "retry_after": "none"},
        {"kind": kind},
    ]
    with live_sandbox(tmp_path / "s", faults=rules) as sandbox:
        replies = [exchange(sandbox)[1] for _ in range(4)]
    assert [replies[0]["retry-after"], replies[3]["retry-after"]] == ["7", "1"]
    assert "retry-after" not in replies[2]
    text = replies[1]["retry-after"]
    away = parsedate_to_datetime(text.upper().replace("GMT", "+0000")).timestamp() - time.time()
    assert 50 < away <= 61


def test_a_redirect_says_where_to(tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = one("redirect")
    rules += [{"kind": "redirect", "status": 308, "location": "https://b.test/x"}]
    with live_sandbox(tmp_path / "s", faults=rules) as sandbox:
        replies = [exchange(sandbox) for _ in range(2)]
        assert sandbox.records(134) == []
    assert [(status, headers["location"]) for status, headers, _ in replies] == [
        (302, "/login"),
        (308, "https://b.test/x"),
    ]


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("html", rb"<!DOCTYPE html>.*"),
        ("empty", rb""),
        ("no_result", rb'\{"errors":\[\],"response":\[\]\}'),
    ],
)
def test_a_200_that_means_nothing(tmp_path: Path, kind: str, pattern: bytes, stored: bool) -> None:
    rules = one(kind, stored=stored)
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        status, _, raw = exchange(sandbox)
        assert status == 200
        assert re.fullmatch(pattern, raw, re.DOTALL)
        stored_and_logged(sandbox, kind, stored=stored)


@pytest.mark.parametrize("stored", STORED)
def test_cut_short_promises_more_than_it_sends(tmp_path: Path, stored: bool) -> None:
    rules = one("cut_short", stored=stored)
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        with closing(Wire(sandbox)) as wire:
            wire.send()
            status, headers = wire.read_head()
            assert (status, wire.read_end()) == (200, "closed")
            assert headers["content-length"] == str(len(ENVELOPE))
            assert ENVELOPE.startswith(wire.received)
            assert 0 < len(wire.received) < len(ENVELOPE)
        stored_and_logged(sandbox, "cut_short", stored=stored)


def test_slow_answers_rightly_but_in_small_pieces(tmp_path: Path) -> None:
    rules = one("slow", bytes=7, interval="20ms")
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        with closing(Wire(sandbox)) as wire:
            started = time.monotonic()
            wire.send()
            status, _ = wire.read_head()
            while not wire.received.endswith(b"0\r\n\r\n"):
                wire.received += wire.socket.recv(65536)
            assert time.monotonic() - started >= 4 * 0.02
            assert wire.received == (
                b'7\r\n{"error\r\n7\r\ns":[],"\r\n7\r\nrespons\r\n7\r\ne":[1]}\r\n0\r\n\r\n'
            )
            wire.received = b""
            wire.send()  # and the connection is as good as before
            assert (status, wire.read_reply()[0]) == (200, 200)
        assert [line.fault for line in sandbox.requests()] == ["slow", None]
        assert [line.numberid for line in sandbox.requests()] == [1, 2]


def test_a_client_that_leaves_a_slow_answer_harms_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = one("slow", bytes=1, interval="10ms")
    with live_sandbox(tmp_path / "s", faults=rules) as sandbox:
        with closing(Wire(sandbox)) as wire:
            wire.send()
            wire.read_head()
        assert exchange(sandbox)[2] == ENVELOPE.replace(b"1", b"2")
    assert caplog.text == ""


def test_drop_idle_answers_as_if_the_connection_were_kept_and_closes_it(tmp_path: Path) -> None:
    with live_sandbox(tmp_path / "s", faults=one("drop_idle"), log_requests=True) as sandbox:
        with closing(Wire(sandbox)) as wire:
            wire.send()
            status, headers, raw = wire.read_reply()
            assert (status, raw) == (200, ENVELOPE)
            assert "connection" not in headers
            assert (wire.read_end(), wire.received) == ("closed", b"")
        stored_and_logged(sandbox, "drop_idle", stored=True)


@pytest.mark.parametrize("status", [200, 417])
def test_partial_gives_errors_and_a_numberid_together(tmp_path: Path, status: int) -> None:
    rules = one("partial", status=status)
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        found, _, raw = exchange(sandbox)
        assert found == status
        assert json.loads(raw)["response"] == [1]
        assert json.loads(raw)["errors"][0]["errormessage"] == "error.partly_stored"
        stored_and_logged(sandbox, "partial", stored=True)


def test_partial_of_a_body_that_is_refused_is_only_the_refusal(tmp_path: Path) -> None:
    with live_sandbox(tmp_path / "s", faults=one("partial"), log_requests=True) as sandbox:
        status, _, raw = exchange(sandbox, body={"form": {"nonsense": "x"}})
        assert (status, json.loads(raw)["response"]) == (417, [])
        assert sandbox.records(134) == []
        assert [(line.fault, line.numberid) for line in sandbox.requests()] == [(None, None)]


@pytest.mark.parametrize("answer", ["close", "reset", "bad_gateway"])
def test_down_strikes_every_request_from_one_to_another(tmp_path: Path, answer: str) -> None:
    rules = [{"kind": "down", "from": 2, "until": 4, "answer": answer}]

    def outcome(sandbox: LiveSandbox, **request: Any) -> object:
        with closing(Wire(sandbox)) as wire:
            wire.send(**request)
            if answer == "bad_gateway":
                return wire.read_reply()[0]
            end = wire.read_end() if len(seen) in {1, 2, 3} else wire.read_reply()[0]
            assert wire.received == b""
            return end

    get = {"method": "GET", "path": "/v2/projects"}
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        seen: list[object] = []
        for request in ({}, get, {}, get, {}):
            seen.append(outcome(sandbox, **request))
        assert [line.fault for line in sandbox.requests()] == [None, "down", None]
        assert len(sandbox.records(134)) == 2
    bad = {"close": "closed", "reset": "reset", "bad_gateway": 502}[answer]
    assert seen == [200, bad, bad, bad, 200]


ALTERED: dict[str, Any] = {
    "form": {"name": "Árvíztűrő Tükörfúró", "city": "Székesfehérvár", "likes": "music|travel|Go"},
    "contacts": {
        "1": {"phone": "+36301234567", "name": "Anna Kiss", "email": "anna@example.org"},
        "3": {"phone": "+36207654321", "title": "Managing director"},
    },
    "phone_field": "phone3",
}


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ({"kind": "drop_field"}, {"name": None}),
        ({"kind": "drop_field", "field": "city"}, {"city": None}),
        ({"kind": "drop_field", "field": "note"}, {}),
        ({"kind": "swap_contacts"}, {}),
        ({"kind": "swap_contacts", "contacts": [1, 3]}, {"phone1": "phone3", "phone3": "phone1"}),
        (
            {"kind": "cut_texts", "characters": 5},
            {
                "name": "Árvíz",
                "phone1.name": "Anna ",
                "phone1.email": "anna@",
                "phone3.title": "Manag",
            },
        ),
        ({"kind": "cut_texts", "characters": 5, "field": "name"}, {"name": "Árvíz"}),
        ({"kind": "cut_texts"}, {}),
        ({"kind": "reorder_values"}, {"likes": ["Go", "travel", "music"]}),
    ],
)
def test_what_is_altered_is_answered_as_a_success_and_shown_by_get(
    tmp_path: Path, rule: dict[str, Any], changes: dict[str, Any]
) -> None:
    sent = ALTERED["contacts"]
    form = {**ALTERED["form"], "likes": ["music", "travel", "Go"]}
    contacts = {f"phone{number}": dict(contact) for number, contact in sent.items()}
    for where, what in changes.items():
        contact, dot, part = where.partition(".")
        if dot:
            contacts[contact][part] = what
        elif contact in contacts:
            contacts[contact] = sent[what.removeprefix("phone")]
        else:
            form[where] = what
    with live_sandbox(tmp_path / "s", faults=[{"at": 2, **rule}], log_requests=True) as sandbox:
        answers = [sandbox.add(134, ALTERED) for _ in range(3)]
        good, bad, after = sandbox.records(134)
        shown = sandbox.call("GET", "/projects/134/records/2").envelope["response"]
        lines = sandbox.requests()
    assert [(answer.status, answer.envelope["response"]) for answer in answers] == [
        (200, [1]),
        (200, [2]),
        (200, [3]),
    ]
    assert bad["form"] == {name: value for name, value in form.items() if value is not None}
    assert bad["contacts"] == contacts
    assert (shown["data"], shown["contacts"]) == (bad["data"], bad["contacts"])
    assert [line.fault for line in lines] == [None, rule["kind"], None]
    for whole in (good, after):
        assert whole["form"] == {**ALTERED["form"], "likes": ["music", "travel", "Go"]}
        assert whole["contacts"] == {f"phone{number}": one for number, one in sent.items()}
    assert bad["phone_field"] == "phone3"


def test_what_would_be_altered_and_is_refused_is_only_the_refusal(tmp_path: Path) -> None:
    rules = one("drop_field", field="nonsense")
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        answer = sandbox.add(134, {"form": {"nonsense": "x"}})
        assert (answer.status, answer.envelope["response"]) == (417, [])
        assert [(line.fault, line.numberid) for line in sandbox.requests()] == [(None, None)]


def test_every_kind_has_a_test_over_a_socket() -> None:
    """The kinds that the tests above send over the wire: a new one must be added to them."""
    text = Path(__file__).read_text("utf-8")
    assert {kind for kind in FaultKind if f'"{kind}"' not in text} == set()


# When a rule strikes.


def struck(tmp_path: Path, rules: Sequence[Mapping[str, Any]], bodies: Sequence[Any]) -> list[int]:
    """The ordinals, from 1, of the records that were not answered 200."""
    with live_sandbox(tmp_path / "s", faults=rules) as sandbox:
        return [n for n, body in enumerate(bodies, 1) if sandbox.add(134, body).status != 200]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"every": 3}, [3, 6]),
        ({"at": [5, 2]}, [2, 5]),
        ({"at": 8}, [8]),
        ({"from": 7}, [7, 8]),
        ({"until": 2}, [1, 2]),
        ({"from": 3, "until": 7, "every": 2}, [4, 6]),
        ({"match": {"form.name": "odd"}}, [1, 3, 5, 7]),
        ({"match": {"form.name": "odd", "contacts.1.phone": "3617"}}, [7]),
        ({"match": {"form.city": "odd"}}, []),
        ({"probability": 0}, []),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"from": 3, "for": 3600}, [3, 4, 5, 6, 7, 8]),
        ({"from": 3, "for": 0}, [3]),
    ],
)
def test_a_rule_strikes_when_all_it_says_is_true(
    tmp_path: Path, when: dict[str, Any], expected: list[int]
) -> None:
    bodies = [
        {
            "form": {"name": "odd" if n % 2 else "even"},
            "contacts": {"1": {"phone": f"361{n}"}},
        }
        for n in range(1, 9)
    ]
    assert struck(tmp_path, [{"kind": "server_error", **when}], bodies) == expected


def test_chance_is_repeatable_and_each_seed_and_rule_has_its_own(tmp_path: Path) -> None:
    bodies: list[Any] = [{"form": {}}] * 60

    def by_chance(folder: str, *rules: dict[str, Any]) -> list[int]:
        (tmp_path / folder).mkdir()
        return struck(
            tmp_path / folder,
            [{"kind": "empty_", **r} | {"kind": r["kind"]} for r in rules],
            bodies,
        )

    half = {"kind": "server_error", "probability": 0.5, "seed": 7}
    first = by_chance("a", half)
    assert 15 < len(first) < 45
    assert by_chance("b", half) == first
    assert by_chance("c", {**half, "seed": 8}) != first
    # A rule's dice do not depend on what an earlier rule did; the two throw differently.
    both = by_chance("d", half, {**half, "kind": "bad_gateway"})
    assert len(first) < len(both) < 60


def test_the_first_rule_that_strikes_counts(tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = [
        {"kind": "server_error", "every": 2},
        {"kind": "bad_gateway"},
    ]
    with live_sandbox(tmp_path / "s", faults=rules) as sandbox:
        assert [sandbox.add(134, {}).status for _ in range(4)] == [502, 500, 502, 500]


def test_faults_are_for_add_record_unless_they_are_for_all(tmp_path: Path) -> None:
    with live_sandbox(tmp_path / "s", faults=one("server_error")) as sandbox:
        assert sandbox.call("GET", "/projects").status == 200
        assert sandbox.add(134, {}).status == 500  # the first: GET does not count
    rules = [{"kind": "forbidden", "to": "all", "from": 2}]
    with live_sandbox(tmp_path / "s", faults=rules) as sandbox:
        assert sandbox.call("GET", "/projects").status == 200
        assert sandbox.call("GET", "/projects/134").status == 403


def test_a_request_that_breaks_off_is_not_counted(tmp_path: Path) -> None:
    rules = [{"kind": "server_error", "at": 1}]
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        with closing(Wire(sandbox)) as wire:
            wire.socket.sendall(
                f"POST {RECORDS} HTTP/1.1\r\nHost: s\r\nAuthorization: {wire.authorization}\r\n"
                'Content-Length: 100\r\n\r\n{"form'.encode()
            )
        answer = sandbox.call("POST", "/projects/134/records", b"x" * 2**20 + b"xx")
        assert answer.status == 413
        headers = {"Content-Encoding": "gzip"}
        assert sandbox.call("POST", "/projects/134/records", b"no gzip", headers).status == 400
        assert sandbox.add(134, {"form": {}}).status == 500
        assert [line.ordinal for line in sandbox.requests()] == [1]


# Latency, capacity, rate limit.


def timed(sandbox: LiveSandbox, count: int) -> list[float]:
    """Seconds until each answer of requests that were all sent at once, sorted."""
    wires = [Wire(sandbox) for _ in range(count)]
    started = time.monotonic()
    for wire in wires:
        wire.send()
    took = []
    for wire in wires:
        assert wire.read_reply()[0] == 200
        took.append(time.monotonic() - started)
        wire.close()
    return sorted(took)


def test_latency_lets_every_request_wait(tmp_path: Path) -> None:
    with live_sandbox(tmp_path / "s", latency="60ms") as sandbox:
        for request in ({}, {"method": "GET", "path": "/v2/projects"}):
            started = time.monotonic()
            assert exchange(sandbox, **request)[0] == 200
            assert 0.06 <= time.monotonic() - started < 0.5


def test_latency_of_many_requests_passes_at_the_same_time(tmp_path: Path) -> None:
    with live_sandbox(tmp_path / "s", latency="100ms-200ms") as sandbox:
        took = timed(sandbox, 20)
    assert took[0] >= 0.1
    assert took[-1] < 1.0


def test_a_capacity_lets_requests_beyond_it_wait_in_line(tmp_path: Path) -> None:
    faults = Faults(capacity=Capacity(at_once=4, each=0.05))
    with live_sandbox(tmp_path / "s", faults=faults) as sandbox:
        took = timed(sandbox, 16)
    assert took[0] >= 0.05
    assert 4 * 0.05 <= took[-1] < 4 * 0.05 + 0.4
    # Four at a time: no more than that can have been answered before each round is over.
    for served in range(4, 16, 4):
        assert took[served] >= 0.05 * (served // 4 + 1) - 0.001


def test_beyond_the_rate_limit_there_is_a_429_and_the_log_names_it(tmp_path: Path) -> None:
    with live_sandbox(tmp_path / "s", rate_limit=0.5, log_requests=True) as sandbox:
        assert exchange(sandbox)[0] == 200
        status, headers, raw = exchange(sandbox)
        assert (status, headers["retry-after"]) == (429, "2")
        assert json.loads(raw)["errors"][0]["errormessage"] == "error.too_many_requests"
        assert sandbox.call("GET", "/projects").status == 200
        assert [(line.fault, line.numberid) for line in sandbox.requests()] == [
            (None, 1),
            ("rate_limit", None),
        ]


@pytest.mark.parametrize(("form", "expected"), [("none", None), ("date", "gmt"), ("seconds", "9")])
def test_the_rate_limits_retry_after_takes_both_forms(
    tmp_path: Path, form: str, expected: str | None
) -> None:
    limit = RateLimit.model_validate(
        {"rate": 0.01, "burst": 3, "retry_after": form, "wait": 9, "to": "all"}
    )
    with live_sandbox(tmp_path / "s", faults=Faults(rate_limit=limit)) as sandbox:
        answers = [sandbox.call("GET", "/projects") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    found = answers[-1].headers.get("retry-after")
    assert found is None if expected is None else (found or "").lower().endswith(expected)


def test_the_rate_limit_lets_through_as_many_as_it_says(tmp_path: Path) -> None:
    # On a busy machine a request may come late: a bucket of ten makes up for a tenth of a second.
    burst = 10
    faults = Faults(rate_limit=RateLimit(rate=100, burst=burst))
    with live_sandbox(tmp_path / "s", faults=faults) as sandbox, closing(Wire(sandbox)) as wire:
        started = time.monotonic()
        let_in = 0
        while time.monotonic() - started < 0.6:
            wire.send()
            let_in += wire.read_reply()[0] == 200
        in_time = 100 * (time.monotonic() - started)
    assert 0.7 * in_time <= let_in <= in_time + burst


def test_with_nothing_ordered_nothing_stands_in_the_way() -> None:
    async def read(_: Any) -> bytes:
        return b""

    assert misconduct(NO_FAULTS, read=read, closing=asyncio.Event()) == []


# The log.


def test_the_log_has_a_line_for_every_record_that_arrived_whole(tmp_path: Path) -> None:
    rules = [{"kind": "close", "at": 2, "stored": True}, {"kind": "close", "at": 4}]
    bodies = [{"form": {"import_ref": f"r:{n}"}} for n in range(1, 5)]
    bodies.insert(2, {"form": {"nonsense": "x", "import_ref": "r:bad"}})
    with live_sandbox(tmp_path / "s", faults=rules, log_requests=True) as sandbox:
        for body in bodies:
            with closing(Wire(sandbox)) as wire:
                wire.send(body)
                wire.socket.shutdown(socket.SHUT_WR) if body == bodies[1] else None
                wire.read_end() if body in (bodies[1], bodies[3]) else wire.read_reply()
        lines = sandbox.requests()
    assert [line.ordinal for line in lines] == [1, 2, 3, 4, 5]
    assert [line.stamp for line in lines] == ["r:1", "r:2", "r:bad", "r:3", "r:4"]
    assert [line.numberid for line in lines] == [1, 2, None, None, 3]
    assert [line.fault for line in lines] == [None, "close", None, "close", None]
    assert [line.sha256 for line in lines] == [
        hashlib.sha256(json.dumps(body).encode()).hexdigest() for body in bodies
    ]
    assert {line.projectid for line in lines} == {"134"}
    assert [line.time for line in lines] == sorted(line.time for line in lines)


def test_the_log_goes_on_over_restarts_and_without_it_there_is_none(tmp_path: Path) -> None:
    for _ in range(2):
        with live_sandbox(tmp_path / "s", log_requests=True) as sandbox:
            sandbox.add(134, {"form": {}})
    with live_sandbox(tmp_path / "s") as sandbox:
        sandbox.add(134, {"form": {}})
        lines = sandbox.requests()
    assert [(line.ordinal, line.numberid) for line in lines] == [(1, 1), (1, 2)]


@pytest.mark.parametrize("broken", ["record", "request"])
def test_a_record_and_its_line_are_written_both_or_neither(tmp_path: Path, broken: str) -> None:
    from importer.sandbox.body import Addition
    from importer.sandbox.store import logged_request

    store = open_store(tmp_path / "s", log_requests=True)
    line = logged_request(1, "1", b"{}", stamp_field="x", fault=None)

    async def add() -> int:
        thread = StoreThread(store)
        try:
            return (await asyncio.gather(thread._commit(addition, line), thread.log(line)))[0]
        finally:
            await thread.close()

    addition = Addition(1, {"name": "x"}, {}, None, {}, None)
    connection = store._connection
    with closing(connection):
        connection.execute(
            f"CREATE TRIGGER full BEFORE INSERT ON {broken} BEGIN SELECT raise(ABORT, 'full'); END"
        )
        with pytest.raises(Exception, match="full"):
            asyncio.run(add())
        for table in ("record", "request"):
            found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            assert found == (0,)
        connection.execute("DROP TRIGGER full")
        assert asyncio.run(add()) == 1
        found = connection.execute("SELECT numberid FROM request ORDER BY id").fetchall()
        assert found == [(1,), (None,)]
    store.close()


# What one writes.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20ms", (0.02, 0.02)),
        (0.05, (0.05, 0.05)),
        ("0.05", (0.05, 0.05)),
        ("2s", (2, 2)),
        ("20ms-80ms", (0.02, 0.08)),
        ("20-80ms", (0.02, 0.08)),
        ("80ms-2s", (0.08, 2)),
        ("0.1-0.2", (0.1, 0.2)),
        (0, (0, 0)),
    ],
)
def test_a_latency_is_written_in_seconds_or_milliseconds(
    text: object, expected: tuple[float, float]
) -> None:
    assert parse_latency(text) == pytest.approx(Latency(*expected))


@pytest.mark.parametrize(
    "text", ["", "20 minutes", "80ms-20ms", "-5ms", "nan", "inf", True, "2d", "90000s", "1-", "٣ms"]
)
def test_what_is_no_latency_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"duration|range"):
        parse_latency(text)


@pytest.mark.parametrize("tag", ["!include", "!!python/object:os.system"])
def test_a_tag_in_a_fault_or_project_file_is_a_mistake(tmp_path: Path, tag: str) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(f"faults:\n  - kind: {tag} close\n", "utf-8")
    for load in (load_faults, load_projects):
        with pytest.raises(MappingError) as caught:
            load(path)
        [line] = caught.value.mistakes
        assert line.startswith(f"{path}:2:11: the tag {tag} is not known here")


def test_every_mistake_in_a_fault_file_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(
        "latency: 2 minutes\n"
        "rate_limit: {rate: 0, retry_after: days}\n"
        "capacity: {at_once: 4}\n"
        "speed: 9\n"
        "faults:\n"
        "  - kind: resett\n"
        "  - kind: 502\n"
        "  - {kind: throttled, stored: true, bytes: 4}\n"
        "  - {kind: close, evry: 3, at: [0], stored: maybe}\n"
        "  - {every: 2}\n"
        "  - {kind: partial, to: all, seed: 3, from: 9, until: 3, status: 500}\n"
        "  - {kind: hang, match: {name: x}, probability: 2}\n"
        "  - {kind: drop_field, to: all, stored: true, characters: 3}\n"
        "  - {kind: swap_contacts, contacts: [2, 2]}\n"
        "  - {kind: swap_contacts, contacts: [1, 10]}\n"
        "  - {kind: cut_texts, characters: 0}\n"
        "  - close\n",
        encoding="utf-8",
    )
    with pytest.raises(MappingError) as caught:
        load_faults(path)
    told = [mistake.removeprefix(f"{path}:") for mistake in caught.value.mistakes]
    starts = [
        "1:1: latency: expected a duration",
        "2:14: rate_limit.rate: ",
        "2:23: rate_limit.retry_after: expected 'seconds', 'date' or 'none'",
        "3:1: capacity.each: is missing",
        '4:1: speed: unknown key "speed"',
        '6:5: faults[0].kind: unknown kind of fault "resett": did you mean "reset"?',
        '7:5: faults[1].kind: unknown kind of fault "502": did you mean "bad_gateway"?',
        '8:23: faults[2].stored: with "throttled" the record is never stored',
        '8:37: faults[2].bytes: "throttled" has no such key; it is for slow',
        '9:19: faults[3].evry: unknown key "evry": did you mean "every"?',
        "9:",
        "9:",
        "10:5: faults[4].kind: is missing",
        '11:21: faults[5].to: "partial" is an answer to Add record',
        "11:30: faults[5].seed: is for a probability",
        "11:48: faults[5].until: comes before from: 9",
        "11:58: faults[5].status: expected one of 200, 417",
        '12:18: faults[6].match: "name" is no part of a record',
        "12:36: faults[6].probability: ",
        '13:24: faults[7].to: "drop_field" is an answer to Add record',
        '13:33: faults[7].stored: with "drop_field" the record is always stored',
        '13:47: faults[7].characters: "drop_field" has no such key; it is for cut_texts',
        "14:27: faults[8].contacts: expected two different contacts",
        "15:41: faults[9].contacts[1]: ",
        "16:23: faults[10].characters: ",
        "17:5: faults[11]: expected keys and values here",
    ]
    assert len(told) == len(starts), "\n".join(told)
    for line, start in zip(told, starts, strict=True):
        assert line.startswith(start), line
    assert "docs/sandbox.md" in (caught.value.hint or "")


def test_a_fault_file_may_be_a_bare_list_or_empty(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("- {kind: close, at: 3}\n- {kind: hang, from: 4}\n", encoding="utf-8")
    assert [rule.kind for rule in load_faults(path).faults] == ["close", "hang"]
    path.write_text("- {kind: close, att: 3}\n", encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        load_faults(path)
    assert caught.value.mistakes == (
        f'{path}:1:17: [0].att: unknown key "att": did you mean "at"?',
    )
    path.write_text("# nothing\n", encoding="utf-8")
    assert load_faults(path) == NO_FAULTS
    path.write_text("just text\n", encoding="utf-8")
    with pytest.raises(MappingError):
        load_faults(path)
    with pytest.raises(SourceError, match="cannot be read"):
        load_faults(tmp_path / "none.yaml")


def test_the_sample_can_be_used() -> None:
    faults = load_faults(ROOT / "samples" / "faults.yaml")
    assert faults.latency is not None
    assert faults.faults


def test_the_documentation_lists_every_kind_as_the_code_has_it() -> None:
    page = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| `\w+` \| (no|yes|as told)", line)]
    expected = []
    for kind, trait in KINDS.items():
        usual = "yes" if trait.stored else "no"
        stored = f"as told; else {usual}" if trait.either else usual
        takes = ", ".join(f"`{key}`" for key in sorted(trait.takes)) or "–"
        expected.append(f"| `{kind}` | {stored} | {takes} | {trait.means} |")
    assert rows == expected, "\n".join(expected)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends the process at once there")
def test_the_command_takes_all_of_it(tmp_path: Path) -> None:
    file, db = tmp_path / "f.yaml", tmp_path / "s"
    file.write_text("latency: 1s\nfaults: [{kind: forbidden, at: 2}]\n", encoding="utf-8")
    command = [sys.executable, "-m", "importer", "sandbox", "--db", str(db), "--log-requests"]
    options = ["--latency", "1ms", "--rate-limit", "30", "--faults", str(file)]
    environment = {**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = line.removeprefix("Sandbox ready at ").strip()
            sandbox = LiveSandbox(url, db, "sandbox", "sandbox")
            started = time.monotonic()
            assert [sandbox.add(1, {"form": {}}).status for _ in range(2)] == [200, 403]
            assert time.monotonic() - started < 1
            assert [one.fault for one in sandbox.requests()] == [None, "forbidden"]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("--latency", "fast"), ("--rate-limit", "0"), ("--faults", "missing.yaml")],
)
def test_the_command_refuses_what_it_cannot_use(tmp_path: Path, option: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "importer", "sandbox", option, value],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert value in done.stderr
    assert "Traceback" not in done.stderr
