"""Server-sent events: one stream for each page, with the headers and gates of everything else."""

from __future__ import annotations

import socket

import pytest

from importer.console.streams import MOST, Event
from tests.support.live_console import SECONDS, Browser, LiveConsole, live_console

PAGE = "0123456789abcdef"


def stream(browser: Browser, page: str = PAGE) -> socket.socket:
    """A stream of events that has begun: its headers and first event have come."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    connection = socket.create_connection(("127.0.0.1", browser.console.port), SECONDS)
    lines = ["GET /events?page=" + page + " HTTP/1.1", f"Host: {browser.console.host}"]
    connection.sendall("\r\n".join([*lines, f"Cookie: {cookie}", "", ""]).encode())
    answer = b""
    while b"event: connected" not in answer:
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


def test_a_page_has_one_stream(console: LiveConsole) -> None:
    browser = console.browser()
    first = stream(browser)
    other_page = stream(browser, "f" * 16)
    second = stream(browser)
    assert rest(first).endswith(b"0\r\n\r\n")
    for each in (other_page, second):
        each.settimeout(0.1)
        with each, pytest.raises(TimeoutError):
            each.recv(1)


def test_streams_are_limited_and_leave_room_for_pages(console: LiveConsole) -> None:
    browser = console.browser()
    held = [stream(browser, f"{number:016x}") for number in range(MOST)]
    assert browser.get(f"/events?page={PAGE}").status == 503
    assert browser.get("/").status == 200
    for each in held:
        each.close()


@pytest.mark.parametrize("query", ["", "?page=", "?page=" + "g" * 16, "?page=" + "0" * 100])
def test_a_stream_belongs_to_a_page(console: LiveConsole, query: str) -> None:
    assert console.browser().get(f"/events{query}").status == 400


def test_the_end_of_the_console_ends_streams() -> None:
    with live_console() as console:
        connection = stream(console.browser())
    assert rest(connection).endswith(b"0\r\n\r\n")


def test_no_text_makes_another_event() -> None:
    sent = Event("progress", "one\n\nevent: evil\rdata: x\u2028y").encoded().decode()
    assert [line for line in sent.splitlines() if line.startswith("event:")] == ["event: progress"]
    assert sent.endswith("\n\n")
    assert "\n\n" not in sent[:-2]
