"""Server-sent events: one stream for each page, with the headers and gates of everything else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from importer.console.streams import MOST, Event
from tests.support.live_console import SECONDS, Browser, live_console
from tests.support.live_sandbox import LiveSandbox
from tests.support.past_import import (
    forgetful_service,
    imported,
    lose_stamps,
    make_search_long,
)

PAGE = "0123456789abcdef"
LIST = "Name,Phone\n" + "".join(f"Lead {n},+36 30 123 45{n}\n" for n in range(10, 15))


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveSandbox]:
    monkeypatch.chdir(tmp_path)
    with forgetful_service(monkeypatch) as live:
        yield live


@pytest.fixture
def events(tmp_path: Path, service: LiveSandbox) -> str:
    """The address of the events of a search for rows, which lasts."""
    run = imported(tmp_path, service, "leads.csv", LIST)
    lose_stamps(service)
    make_search_long(service)
    return f"/runs/{run.summary.run_id}/looking/events"


@contextmanager
def searching(tmp_path: Path, events: str) -> Iterator[Browser]:
    """A page of a console that has begun the search."""
    with live_console(runs_dir=tmp_path / "runs") as console:
        browser = console.browser()
        assert browser.post(events.replace("/looking/events", "/reconcile")).status == 303
        yield browser


def stream(browser: Browser, address: str, page: str = PAGE) -> socket.socket:
    """A stream of events that has begun: its headers and first event have come."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    connection = socket.create_connection(("127.0.0.1", browser.console.port), SECONDS)
    lines = [f"GET {address}?page={page} HTTP/1.1", f"Host: {browser.console.host}"]
    connection.sendall("\r\n".join([*lines, f"Cookie: {cookie}", "", ""]).encode())
    answer = b""
    while b"event: state" not in answer:
        piece = connection.recv(4096)
        assert piece, answer
        answer += piece
    assert b"text/event-stream" in answer
    assert b"Content-Security-Policy: default-src 'none'" in answer
    assert b"no-store" in answer
    return connection


def rest(connection: socket.socket) -> bytes:
    """What still comes until the stream ends."""
    with connection:
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
            if answer.endswith(b"0\r\n\r\n"):  # the last chunk
                break
        return answer


def test_a_page_has_one_stream(tmp_path: Path, events: str) -> None:
    with searching(tmp_path, events) as browser:
        first = stream(browser, events)
        other_page = stream(browser, events, "f" * 16)
        second = stream(browser, events)
        ended = rest(first)
        assert ended.endswith(b"0\r\n\r\n")
        assert b"event: ended" not in ended, "the search goes on"
        for each in (other_page, second):
            with each:
                answer = b""
                while b"event: state" not in answer:  # how far the search is, later on
                    piece = each.recv(4096)
                    assert piece, answer
                    answer += piece


def test_streams_are_limited_and_leave_room_for_pages(tmp_path: Path, events: str) -> None:
    with searching(tmp_path, events) as browser:
        held = [stream(browser, events, f"{number:016x}") for number in range(MOST)]
        assert browser.get(f"{events}?page={PAGE}").status == 503
        assert browser.get("/").status == 200
        for each in held:
            each.close()


def test_a_stream_belongs_to_a_page(tmp_path: Path, events: str) -> None:
    with searching(tmp_path, events) as browser:
        for query in ("", "?page=", "?page=" + "g" * 16, "?page=" + "0" * 100):
            assert browser.get(f"{events}{query}").status == 400


def test_the_end_of_the_console_ends_streams(tmp_path: Path, events: str) -> None:
    with searching(tmp_path, events) as browser:
        connection = stream(browser, events)
    assert rest(connection).endswith(b"0\r\n\r\n")


def test_no_text_makes_another_event() -> None:
    sent = Event("progress", "one\n\nevent: evil\rdata: x\u2028y").encoded().decode()
    assert [line for line in sent.splitlines() if line.startswith("event:")] == ["event: progress"]
    assert sent.endswith("\n\n")
    assert "\n\n" not in sent[:-2]
