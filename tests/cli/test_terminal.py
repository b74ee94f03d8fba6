"""What comes from outside neither steers a terminal nor turns its lines, wherever it is shown."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import in_this_process

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
EVIL = "A\x7f\x85\x9b31m\u061c\u200e\u202eB\u2066\u2028"
"""No C0 controls: files, and the reading of cells, have opinions of their own about those."""


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_this_process(folder, {}, *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.yaml").write_text(
        "version: 1\nproject: 134\nregion: HU\nform: {name: Name}\ncontacts: {1: {phone: Phone}}\n",
        "utf-8",
    )
    text = f"Name,Phone\n{EVIL}x,0630{EVIL}\n{EVIL}y,06301234567\n"
    (tmp_path / "leads.csv").write_text(text, "utf-8", newline="")
    return tmp_path


def test_preview_escapes_what_steers_a_terminal_and_keeps_the_values(folder: Path) -> None:
    done = call(folder, "preview", "leads.csv", "-m", "m.yaml")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert not STEERING.search(text)
    rows = [json.loads(line) for line in text.splitlines()]
    assert {row["status"] for row in rows} == {"ready", "invalid"}
    (ready,) = [row for row in rows if row["status"] == "ready"]
    assert "\u202e" in ready["body"]["form"]["name"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "leads.csv", "-m", "m.yaml"),
        ("check", "-v", "leads.csv", "-m", "m.yaml"),
        ("check", f"{EVIL}\x1b]0;x\x07.csv", "-m", "m.yaml"),
        ("check", "leads.csv", "-m", f"{EVIL}\x1b.yaml"),
        (f"chec{EVIL}\x1b[2J",),
        ("check", f"--{EVIL}\x1b[2J"),
        ("report", f"{EVIL}\x1b[2J"),
        ("run", "leads.csv", "-m", "m.yaml", "--engine", f"{EVIL}\x1b[2J"),
        ("init", "leads.csv"),
    ],
    ids=lambda arguments: ascii(arguments[0]),
)
def test_messages_and_tables_show_nothing_that_steers_a_terminal(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    done = call(folder, *arguments)
    said = done.stdout + done.stderr
    assert said
    assert not STEERING.search(said.replace("\r\n", "\n")), ascii(said)
    assert "Traceback" not in said


REQUESTS = (
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /v2/projects HTTP/1.1\r\nbad header\r\n\r\n",
    b"GET /v2/projects HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /v2/projects HTTP/1.1\r\nHost: a\x1b[31m\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 30,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)


def test_the_sandbox_says_one_line_about_each_request_that_is_not_http(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "importer", "sandbox", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(re.findall(r":(\d+)/", process.stdout.readline())[0])
        for request in REQUESTS:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(request)
                answer = connection.makefile("rb").readline()
            assert answer.split()[1] == b"400", request
        process.terminate()
        _, error = process.communicate(timeout=30)
    lines = error.splitlines()
    assert 0 < len(lines) <= len(REQUESTS)
    assert all(line.startswith("a request that is not HTTP: ") for line in lines), error
    assert not STEERING.search(error.replace("\n", ""))
