"""The sandbox as a server: the envelope, who gets in, what is read, how it starts and stops."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from importer.errors import ImporterError
from importer.sandbox.app import serve
from tests.support.live_sandbox import LiveSandbox, live_sandbox

RECORDS = "/projects/134/records"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[LiveSandbox]:
    with live_sandbox(tmp_path / "s.sqlite3") as running:
        yield running


def connect(sandbox: LiveSandbox) -> socket.socket:
    url = urlsplit(sandbox.base_url)
    return socket.create_connection((url.hostname or "", url.port or 0), timeout=30)


def head(sandbox: LiveSandbox, length: int, *more: str, version: str = "1.1") -> bytes:
    lines = [
        f"POST /v2{RECORDS} HTTP/{version}",
        "Host: sandbox",
        f"Authorization: {sandbox.authorization}",
        f"Content-Length: {length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_replies_are_chunked_text_plain_as_the_services_are(sandbox: LiveSandbox) -> None:
    for answer in (
        sandbox.add(134, {"form": {}}),
        sandbox.add(134, {}),
        sandbox.call("GET", "/projects"),
        sandbox.call("GET", "/nowhere"),
    ):
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in answer.headers
        assert set(answer.envelope) == {"errors", "response"}


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"sandbox:wrong").decode(),
        "Basic " + base64.b64encode(b"wrong:sandbox").decode(),
        "Basic " + base64.b64encode(b"sandbox").decode(),
        "Bearer " + base64.b64encode(b"sandbox:sandbox").decode(),
        "Basic é",
    ],
)
@pytest.mark.parametrize("path", ["/projects", RECORDS, "/nowhere"])
def test_nobody_gets_in_without_the_right_credentials(
    sandbox: LiveSandbox, authorization: str, path: str
) -> None:
    method = "POST" if path == RECORDS else "GET"
    answer = sandbox.call(method, path, {"form": {}}, {"Authorization": authorization})
    assert (answer.status, answer.complaints) == (401, [("error.unauthorized", None, None)])
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert sandbox.records(134) == []


def test_credentials_may_hold_any_characters(tmp_path: Path) -> None:
    with live_sandbox(tmp_path / "s.sqlite3", customer="ügyfél", api_key="a:b:ő") as sandbox:
        assert sandbox.call("GET", "/projects").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/projects/135/records", 404, "project_not_found"),
        ("POST", "/projects/abc/records", 404, "project_not_found"),
        ("POST", f"/projects/{'9' * 50}/records", 404, "project_not_found"),
        ("GET", "/projects/135", 404, "project_not_found"),
        ("GET", "/projects/135/records/1", 404, "project_not_found"),
        ("GET", f"{RECORDS}/1", 404, "record_not_found"),
        ("GET", f"{RECORDS}/x", 404, "record_not_found"),
        ("GET", f"{RECORDS}/-1", 404, "record_not_found"),
        ("GET", f"{RECORDS}/{'9' * 19}", 404, "record_not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", RECORDS, 405, "method_not_allowed"),
        ("DELETE", "/projects/134", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_said_in_the_envelope(
    sandbox: LiveSandbox, method: str, path: str, status: int, message: str
) -> None:
    answer = sandbox.call(method, path, b"{}" if method == "POST" else None)
    assert (answer.status, answer.complaints) == (status, [(f"error.{message}", None, None)])
    assert answer.envelope["errors"][0]["errorcode"] == status
    if status == 405:
        assert answer.headers["allow"] == ("POST" if path == RECORDS else "GET")


def test_a_record_is_only_found_in_its_own_project(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("projects:\n- {projectid: 1, name: A}\n- {projectid: 2, name: B}\n")
    with live_sandbox(tmp_path / "s.sqlite3", file) as sandbox:
        assert sandbox.add(1, {"form": {}}).envelope["response"] == [1]
        assert sandbox.call("GET", "/projects/1/records/1").status == 200
        assert sandbox.call("GET", "/projects/2/records/1").status == 404
        listed = sandbox.call("GET", "/projects").envelope["response"]
        keys = {"projectid", "name", "status", "folderid", "container", "folder"}
        assert [set(project) for project in listed] == [keys, keys]
        assert [project["projectid"] for project in listed] == [1, 2]


def test_a_project_shows_its_fields_values_and_dispositions(sandbox: LiveSandbox) -> None:
    sandbox.add(134, {"form": {"city": "Budaörs"}})
    shown = sandbox.call("GET", "/projects/134").envelope["response"]
    fields = {field["name"]: field for field in shown["fields"]}
    assert {field["type"] for field in fields.values()} == {"text", "simple", "multiple"}
    assert fields["import_ref"]["indexed"] == "yes"
    assert fields["note"]["values"] == []
    gold = fields["plan"]["values"][0]
    assert gold == {
        "valueid": 1001,
        "fieldid": fields["plan"]["fieldid"],
        "name": "Gold",
        "label": "Gold plan",
        "export_value": "G",
        "description": "Calls and data without limit",
        "price": "9900",
        "commission": "500",
    }
    assert "Budaörs" in [value["name"] for value in fields["city"]["values"]]
    assert shown["dispositions"][0] == {
        "dispositionid": "1",
        "name": "callback",
        "label": "Call back",
        "assessment": "neutral",
        "type": "callback",
    }


def test_a_body_too_large_by_its_stated_length_is_refused_before_it_is_sent(
    sandbox: LiveSandbox,
) -> None:
    with connect(sandbox) as connection:
        connection.sendall(head(sandbox, 10**12))
        reply = connection.recv(65536)
    assert reply.startswith(b"HTTP/1.1 413")
    assert b"error.body_too_large" in reply


def test_an_endless_chunked_body_is_refused_where_it_goes_over_the_limit(
    sandbox: LiveSandbox,
) -> None:
    start = head(sandbox, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with connect(sandbox) as connection:
        connection.sendall(start + piece * 17)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_compressed_bomb_is_refused_and_broken_compression_is_no_json(
    sandbox: LiveSandbox,
) -> None:
    import gzip

    headers = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b" " * 50_000_000)
    assert sandbox.call("POST", RECORDS, bomb, headers).status == 413
    assert sandbox.call("POST", RECORDS, gzip.compress(b'{"form": {}}'), headers).status == 200
    answer = sandbox.call("POST", RECORDS, b"no gzip", headers)
    assert (answer.status, answer.complaints) == (400, [("error.invalid_json", None, None)])


def test_requests_may_be_pipelined_on_one_connection(sandbox: LiveSandbox) -> None:
    raw = b'{"form": {}}'
    with connect(sandbox) as connection:
        last = head(sandbox, len(raw), "Connection: close") + raw
        connection.sendall((head(sandbox, len(raw)) + raw) * 4 + last)
        replies = read_all(connection)
    assert replies.count(b"HTTP/1.1 200") == 5
    assert [replies.find(b"[%d]" % n) for n in range(1, 6)] == sorted(
        replies.find(b"[%d]" % n) for n in range(1, 6)
    )


def test_a_client_of_http_1_0_is_answered_without_chunks(sandbox: LiveSandbox) -> None:
    raw = b'{"form": {}}'
    with connect(sandbox) as connection:
        connection.sendall(head(sandbox, len(raw), version="1.0") + raw)
        reply = read_all(connection)
    assert reply.partition(b"\r\n\r\n")[2] == b'{"errors":[],"response":[1]}'


def test_a_connection_cut_in_the_middle_of_a_body_stores_nothing_and_harms_nobody(
    sandbox: LiveSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(sandbox) as connection:
        connection.sendall(head(sandbox, 100) + b'{"form": {"name": "Peter')
    assert sandbox.add(134, {"form": {"name": "Secret Person"}}).envelope["response"] == [1]
    assert [record["form"]["name"] for record in sandbox.records(134)] == ["Secret Person"]
    assert "Peter" not in caplog.text
    assert "Secret" not in caplog.text


def test_stopping_finishes_the_requests_in_flight(tmp_path: Path) -> None:
    raw = b'{"form": {"name": "last"}}'

    async def main() -> bytes:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        serving = asyncio.create_task(
            serve(
                db=tmp_path / "s.sqlite3",
                customer="sandbox",
                api_key="sandbox",
                on_ready=ready.set_result,
                until=stop,
            )
        )
        url = urlsplit(await ready)
        sandbox = LiveSandbox(url.geturl(), tmp_path / "s.sqlite3", "sandbox", "sandbox")
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        start = head(sandbox, len(raw), "Expect: 100-continue")
        writer.write(start.replace(b"/134/", b"/1/"))
        await reader.readuntil(b"100 Continue\r\n\r\n")  # so the request is in flight
        stop.set()
        with pytest.raises(OSError):
            for _ in range(1000):
                _, other = await asyncio.open_connection(url.hostname, url.port)
                other.close()
        assert not serving.done()
        writer.write(raw)
        reply = await reader.read()
        writer.close()
        await serving
        return reply

    assert asyncio.run(main()).startswith(b"HTTP/1.1 200")
    with sqlite3.connect(tmp_path / "s.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM record").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize("kind", ["awaitable", "cancelled"])
def test_it_serves_until_an_awaitable_is_done_or_it_is_cancelled(kind: str) -> None:
    async def main() -> str:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(
            serve(
                customer="c",
                api_key="k",
                on_ready=ready.set_result,
                until=done if kind == "awaitable" else None,
            )
        )
        base_url = await ready
        if kind == "awaitable":
            done.set_result(None)
            await serving
        else:
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
        return base_url

    assert asyncio.run(main()).startswith("http://127.0.0.1:")


def test_a_port_in_use_is_a_clear_error_with_exit_code_2(
    sandbox: LiveSandbox, tmp_path: Path
) -> None:
    port = urlsplit(sandbox.base_url).port or 0
    with pytest.raises(ImporterError, match=f"port {port} on 127.0.0.1 is in use") as caught:
        asyncio.run(serve(port=port, db=tmp_path / "t.sqlite3", customer="c", api_key="k"))
    assert caught.value.exit_code == 2
    assert caught.value.hint


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("203.0.113.1", 0)])
def test_an_address_that_cannot_be_had_is_a_clear_error(host: str, port: int) -> None:
    with pytest.raises(ImporterError, match="cannot listen"):
        asyncio.run(serve(host=host, port=port, customer="c", api_key="k"))


def test_without_a_database_the_data_is_gone_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen: list[int] = []

    async def main() -> None:
        stop = asyncio.Event()

        def on_ready(_url: str) -> None:
            seen.append(len(list(tmp_path.iterdir())))
            stop.set()

        await serve(customer="c", api_key="k", on_ready=on_ready, until=stop)

    asyncio.run(main())
    assert seen == [1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_the_database_and_its_side_files_are_private(sandbox: LiveSandbox) -> None:
    sandbox.add(134, {"form": {"name": "x"}})
    files = list(sandbox.db.parent.glob("s.sqlite3*"))
    assert {file.name for file in files} >= {"s.sqlite3", "s.sqlite3-wal"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_failing_database_is_answered_in_the_envelope_and_leaves_nothing(
    sandbox: LiveSandbox,
) -> None:
    """A trigger stands in for a full disk: it makes the same statement fail in the same place."""
    with sqlite3.connect(sandbox.db) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON record WHEN new.data LIKE '%boom%'"
            " BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
        )
    connection.close()
    answer = sandbox.add(134, {"form": {"name": "boom", "city": "Newtown"}})
    assert (answer.status, answer.complaints) == (500, [("error.storage_failed", None, None)])
    assert "Newtown" not in sandbox.values(134, "city")
    assert sandbox.add(134, {"form": {"city": "Newtown"}}).envelope["response"] == [1]
    assert sandbox.records(134)[0]["form"] == {"city": "Newtown"}


def test_json_of_the_reply_is_the_documents(sandbox: LiveSandbox) -> None:
    assert json.loads(sandbox.add(134, {"form": {}}).raw) == {"errors": [], "response": [1]}
