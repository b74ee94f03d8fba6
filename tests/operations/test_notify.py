"""Word reaches a real receiver, and never carries or betrays what it should not."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.operations.notify import Notification, send_notification
from importer.settings import Secret

WORD = Notification(
    "vienna", "failure", "vienna: failed (exit code 2)", "leads.csv\nWhat to do: mend it."
)
PASSWORD = "p4ssw0rd-of-the-hook"


class Receiver:
    """A web hook: what it was told, and as whom."""

    def __init__(self, port: int, told: list[dict[str, Any]]) -> None:
        self.url = f"json://user:{PASSWORD}@127.0.0.1:{port}/hook/{PASSWORD}"
        self.told = told


@contextlib.contextmanager
def receiving(status: int = 200) -> Iterator[Receiver]:
    told: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.append({**body, "path": self.path, "as": self.headers["Authorization"]})
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Receiver(server.server_address[1], told)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_receiver_is_told_title_body_and_how_bad_it_is() -> None:
    with receiving() as receiver:
        assert send_notification([Secret(receiver.url)], WORD) == []
    (told,) = receiver.told
    assert (told["title"], told["message"]) == (WORD.title, WORD.body)
    assert told["type"] == "failure"


@pytest.mark.parametrize(
    ("event", "kind"), [("success", "success"), ("failure", "failure"), ("held", "warning")]
)
def test_the_event_decides_the_kind_of_notification(event: Any, kind: str) -> None:
    with receiving() as receiver:
        send_notification([Secret(receiver.url)], Notification("vienna", event, "title", "body"))
    assert [told["type"] for told in receiver.told] == [kind]


def test_a_receiver_that_cannot_be_reached_keeps_nobody_else_from_being_told() -> None:
    with receiving() as receiver:
        urls = [f"json://user:{PASSWORD}@127.0.0.1:9/x", f"nonsense{PASSWORD}", receiver.url]
        complaints = send_notification([Secret(url) for url in urls], WORD)
    assert len(receiver.told) == 1
    assert [line.partition(": ")[2][:22] for line in complaints] == [
        "notify.urls, number 1 ",
        "notify.urls, number 2 ",
    ]


def test_a_receiver_that_refuses_is_complained_of() -> None:
    with receiving(status=500) as receiver:
        (complaint,) = send_notification([Secret(receiver.url)], WORD)
    assert "number 1 (json://): was not reached, or refused" in complaint


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
def test_neither_complaints_nor_logs_show_what_stands_in_an_address(
    level: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(level)
    with receiving() as receiver, receiving(status=403) as refusing:
        urls = [
            receiver.url,
            refusing.url,
            f"json://user:{PASSWORD}@127.0.0.1:9/x",
            f"slack://{PASSWORD}/nothing",
            f"mailto://{PASSWORD}",
            f"{PASSWORD}://host",
            PASSWORD,
        ]
        complaints = send_notification([Secret(url) for url in urls], WORD)
    assert receiver.told[0]["path"].endswith(PASSWORD)
    captured = capfd.readouterr()
    for text in (*complaints[:-2], complaints[-1], caplog.text, captured.out, captured.err):
        assert PASSWORD not in text


def test_what_the_libraries_log_is_heard_again_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    send_notification([Secret("nonsense")], WORD)
    logging.getLogger("urllib3.connectionpool").warning("of somebody else")
    assert "of somebody else" in caplog.text


def test_without_the_extra_there_is_a_complaint_that_names_it(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['apprise'] = None\n"
        "from importer.operations.notify import Notification, send_notification\n"
        "from importer.settings import Secret\n"
        "notification = Notification('vienna', 'failure', 't', 'b')\n"
        "print(*send_notification([Secret('json://x')], notification))\n"
        "print(*send_notification([], notification))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(importer.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines() == [
        "vienna: nobody was told: notifications need Apprise. "
        'Install it: pip install "vcc-importer[notify]"',
        "",
    ]
