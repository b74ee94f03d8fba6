"""The API key stands in no output, file, process list or traceback."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import pytest

from importer.api.client import Client
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox

KEY = "k3y-that-must-not-be-seen"
TRACES = [KEY, base64.b64encode(f"sandbox:{KEY}".encode()).decode()]


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Iterator[Cli]:
    monkeypatch.setenv("VCC_API_KEY", KEY)
    yield cli


def assert_clean(*texts: str) -> None:
    for text in texts:
        for trace in TRACES:
            assert trace not in text


def assert_no_file_has_it(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "journal.sqlite3.lock":
            for trace in TRACES:
                assert trace.encode() not in path.read_bytes(), path


def test_no_command_shows_the_key_whatever_fails(
    keyed: Cli,
    capfd: pytest.CaptureFixture[str],
    mapping: Path,
    leads: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = [{"kind": "close", "at": 2}, {"kind": "html", "at": 3}]
    with live_sandbox(api_key=KEY, faults=faults) as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert keyed("run", leads, "-m", mapping, "--out", "out", "-v", *url) == 4
        for command in ("resume", "report", "reconcile"):
            keyed(command, "out", "-v")
        keyed("mark", "out", "--row", 2, "--absent", "-v")
        assert keyed("check", leads, "-m", mapping, "-v") == 1
        assert keyed("preview", leads, "-m", mapping, "-v") == 0
    unreachable = ("--base-url", "http://127.0.0.1:9/v2", "--give-up-after", 1, "-v")
    assert keyed("run", leads, "-m", mapping, "--out", "out2", *unreachable) == 3
    with live_sandbox(api_key="another") as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert keyed("run", leads, "-m", mapping, "--out", "out3", "-v", *url) == 3

    async def broken(self: Client, body: bytes) -> None:
        raise RuntimeError("a bug of ours")

    with live_sandbox(api_key=KEY) as sandbox:
        monkeypatch.setattr(Client, "add", broken)
        url = ("--base-url", sandbox.base_url)
        assert keyed("run", leads, "-m", mapping, "--out", "out4", "-v", *url) == 3
    told = capfd.readouterr()
    assert "a bug of ours" in told.err
    assert_clean(told.out, told.err)
    assert_no_file_has_it(tmp_path)


class Repeating(BaseHTTPRequestHandler):
    """A service whose every answer repeats the request's credentials, in all ways there are."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        header = self.headers["Authorization"]
        escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
        told = [KEY, header, quote(header), "".join(f"%{ord(c):02X}" for c in KEY), escaped]
        errors = [
            {"errorcode": "invalid", "errormessage": f"{'x' * n} {text}", "property": f"f {text}"}
            for text in told
            for n in (0, 485, 495)
        ]
        status = {"run": 400, "redirect": 307, "html": 502, "project": 403}[self.path.split("/")[1]]
        body = json.dumps({"errors": errors, "response": told}).encode()
        if status in {307, 502}:
            body = f"<p>{told}</p>".encode()
        self.send_response(status, f"No {KEY}")
        self.send_header("Content-Type", f"text/{KEY}; x={header}")
        self.send_header("Location", f"/elsewhere?{KEY}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815  (the names that the library looks for)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("key", [KEY, "k3y/with+slashes/and==", "k3y" * 200])
def test_a_key_given_for_its_file_is_not_repeated(
    cli: Cli, capfd: pytest.CaptureFixture[str], mapping: Path, leads: Path, key: str
) -> None:
    given = (leads, "-m", mapping, "--customer", "acme", "--api-key-file")
    for command in (
        ("run", *given, key, "-v"),
        ("run", *given, key, "--log-format", "json"),
        ("check", *given, key, "--online"),
    ):
        assert cli(*command) == 2
        told = capfd.readouterr()
        assert "--api-key-file" in told.err
        assert "k3y" not in told.out + told.err
    missing = leads.parent / "no-such-key"
    assert cli("run", *given, missing) == 2
    assert str(missing) in capfd.readouterr().err


@pytest.mark.parametrize(("raised", "told"), [("KeyringLocked", True), ("NoKeyringError", False)])
def test_a_keyring_that_is_locked_is_told_and_one_that_is_not_there_is_none(
    cli: Cli,
    capfd: pytest.CaptureFixture[str],
    mapping: Path,
    leads: Path,
    monkeypatch: pytest.MonkeyPatch,
    raised: str,
    told: bool,
) -> None:
    errors, keyring = ModuleType("keyring.errors"), ModuleType("keyring")
    error = type("KeyringError", (Exception,), {})
    kinds = {name: type(name, (error,), {}) for name in ("KeyringLocked", "NoKeyringError")}
    vars(errors).update(kinds, KeyringError=error)

    def get_password(service: str, name: str) -> None:
        raise kinds[raised](f"{service} of {name}: not now")

    vars(keyring)["get_password"] = get_password
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    monkeypatch.delenv("VCC_API_KEY")
    assert cli("run", leads, "-m", mapping, "--base-url", "http://127.0.0.1:9/v2") == 2
    error_text = capfd.readouterr().err
    assert "no API key for sandbox" in error_text
    assert ("keyring cannot be asked for the key: vcc-importer" in error_text) is told


def test_what_a_service_repeats_of_the_key_is_neither_shown_nor_kept(
    keyed: Cli, capfd: pytest.CaptureFixture[str], mapping: Path, leads: Path, tmp_path: Path
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Repeating)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        for place in ("run", "redirect", "html"):
            url = f"http://127.0.0.1:{server.server_port}/{place}/v2"
            more = ("--no-preflight", "--retries", 0, "--give-up-after", 1, "-v", "--base-url", url)
            for words in ("text", "json"):
                out = tmp_path / f"{place}-{words}"
                command = ("run", leads, "-m", mapping, "--out", out, "--again")
                assert keyed(*command, "--log-format", words, *more) != 0
                assert (out / "results.csv").exists()
                keyed("report", out, "-v")
        url = f"http://127.0.0.1:{server.server_port}/project/v2"
        assert keyed("check", leads, "-m", mapping, "--online", "-v", "--base-url", url) != 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    told = capfd.readouterr()
    assert "[API key]" in told.out + told.err
    assert "[API key]" in (tmp_path / "run-text" / "failures.csv").read_text("utf-8")
    for text in (told.out, told.err):
        assert "k3y" not in text
    assert_clean(told.out, told.err)
    assert_no_file_has_it(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads Linux's process list")
def test_no_process_carries_the_key_on_its_command_line(
    mapping: Path, leads: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "importer", "run", str(leads), "-m", str(mapping)]
    process = subprocess.Popen(
        [*command, "--sandbox", "--out", "out", "-v"],
        cwd=tmp_path,
        env={**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seen = 0
    while process.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes()
            except OSError:
                continue
            seen += b"--with-parent" in line
            assert KEY.encode() not in line
        time.sleep(0.01)  # or the command would have half of a processor only
    output, _ = process.communicate()
    assert process.returncode == 1
    assert seen, "the sandbox's process was never looked at"
    assert_clean(output)
    assert_no_file_has_it(tmp_path)
