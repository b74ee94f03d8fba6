"""The HTTP client against real sockets that behave as badly as the network can."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from importer.api.client import REPLY_CAP, Client
from importer.errors import ServiceError, UsageError
from importer.model import Project, Reply, Wire
from importer.settings import Pace, Secret, Target

KEY = "s3cr3t-kéy"
CERTIFICATE = Path(__file__).with_name("localhost.pem")
BODY = b'{"form":{"name":"Peter"}}'
CREATED = b'{"errors": [], "response": [6]}'

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def request_of(reader: Reader) -> tuple[str, dict[str, str], bytes]:
    """The request line, headers in lower case, and body of the next request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
    return first, headers, await reader.readexactly(int(headers.get("content-length", 0)))


def reset(writer: Writer) -> None:
    """Close with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that behaves so; what it raises fails the test."""
    tasks: list[asyncio.Task[Any]] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await behaviour(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(reply: bytes) -> Behaviour:
    async def behave(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await request_of(reader)
                writer.write(reply)
                await writer.drain()

    return behave


def target(port: int, scheme: str = "http", **changes: Any) -> Target:
    base_url = f"{scheme}://127.0.0.1:{port}/v2"
    return replace(Target(base_url, 134, "acme", Secret(KEY)), **changes)


PACE = Pace(concurrency=4, timeout=30.0, connect_timeout=10.0)


def add_to(
    behaviour: Behaviour,
    *,
    pace: Pace = PACE,
    tls: ssl.SSLContext | None = None,
    body: bytes = BODY,
    **changes: Any,
) -> Reply:
    async def main() -> Reply:
        async with serving(behaviour, tls) as port:
            there = target(port, "https" if tls else "http", **changes)
            async with Client(there, pace) as client:
                return await client.add(body)

    return asyncio.run(main())


def connections_for(requests: int) -> int:
    """How many connections there were for requests one after the other, all of them answered."""
    connections = 0

    async def behave(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        await answering(http(CREATED))(reader, writer)

    async def main() -> None:
        async with serving(behave) as port, Client(target(port), PACE) as client:
            for _ in range(requests):
                assert (await client.add(BODY)).wire is Wire.ANSWERED

    asyncio.run(main())
    return connections


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class TestAnswers:
    def test_a_request_is_what_the_service_expects(self) -> None:
        seen: list[tuple[str, dict[str, str], bytes]] = []

        async def behave(reader: Reader, writer: Writer) -> None:
            seen.append(await request_of(reader))
            writer.write(http(CREATED, "200 OK", "Content-Type: text/plain; charset=utf-8"))
            await writer.drain()

        reply = add_to(behave)
        assert (reply.wire, reply.http_status, reply.numberids) == (Wire.ANSWERED, 200, ("6",))
        assert reply.understood
        [(first, headers, body)] = seen
        assert first == "POST /v2/projects/134/records HTTP/1.1"
        assert body == BODY
        kind, _, pair = headers["authorization"].partition(" ")
        assert (kind, base64.b64decode(pair).decode()) == ("Basic", f"acme:{KEY}")
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert headers["accept-encoding"] == "identity"

    def test_chunked_text_plain_is_read_whole(self) -> None:
        chunks = b"".join(
            b"%x\r\n%s\r\n" % (len(part), part) for part in (CREATED[:5], CREATED[5:], b"")
        )
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        assert add_to(answering(head + chunks)).numberids == ("6",)

    @pytest.mark.parametrize("status", [204, 400, 401, 404, 417, 429, 500, 502, 503])
    def test_every_status_is_an_answer(self, status: int) -> None:
        reply = add_to(answering(http(b"", f"{status} X", "Retry-After: 3")))
        assert (reply.wire, reply.http_status) == (Wire.ANSWERED, status)
        assert reply.retry_after == (3.0 if status in (429, 503) else None)

    def test_a_redirect_is_not_followed(self) -> None:
        requests = 0

        async def behave(reader: Reader, writer: Writer) -> None:
            nonlocal requests
            with contextlib.suppress(asyncio.IncompleteReadError):
                while True:
                    await request_of(reader)
                    requests += 1
                    writer.write(http(b"", "307 Temporary Redirect", "Location: /elsewhere"))

        assert add_to(behave).http_status == 307
        assert requests == 1

    @pytest.mark.parametrize("chunked", [False, True])
    def test_an_endless_reply_is_cut_off_but_its_status_counts(self, chunked: bool) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            await request_of(reader)
            how = "Transfer-Encoding: chunked" if chunked else "Content-Length: 99999999"
            writer.write(f"HTTP/1.1 401 Unauthorized\r\n{how}\r\n\r\n".encode())
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                    await writer.drain()

        reply = add_to(behave)
        assert (reply.wire, reply.http_status, reply.understood) == (Wire.ANSWERED, 401, False)
        assert "too long" in reply.detail

    def test_a_reply_just_under_the_cap_is_read(self) -> None:
        padded = CREATED + b" " * (REPLY_CAP - len(CREATED))
        assert add_to(answering(http(padded))).numberids == ("6",)

    def test_a_body_of_some_megabytes_is_sent_whole(self) -> None:
        sizes: list[int] = []

        async def behave(reader: Reader, writer: Writer) -> None:
            _, _, body = await request_of(reader)
            sizes.append(len(body))
            writer.write(http(CREATED))
            await writer.drain()

        assert add_to(behave, body=b"x" * 3_000_000).wire is Wire.ANSWERED
        assert sizes == [3_000_000]

    @pytest.mark.parametrize(
        ("status", "stray"), [("200 OK", True), ("413 Too Large", False), ("401 No", False)]
    )
    def test_an_answer_to_half_a_request_is_its_own_only_if_it_refuses(
        self, status: str, stray: bool
    ) -> None:
        """The service cannot have made a record of it: it is an answer to another one."""

        async def behave(reader: Reader, writer: Writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(http(CREATED, status))
            await writer.drain()
            await asyncio.sleep(0.2)  # so that the answer is not lost with the connection

        reply = add_to(behave, body=b"x" * 30_000_000)
        assert (reply.wire, reply.stray) == (Wire.ANSWERED, stray)

    def test_connections_are_used_again(self) -> None:
        assert connections_for(10) == 1


class TestNothingWasSent:
    def test_a_refused_connection(self) -> None:
        async def main() -> Reply:
            async with Client(target(free_port()), PACE) as client:
                return await client.add(BODY)

        reply = asyncio.run(main())
        assert (reply.wire, reply.http_status) == (Wire.NOT_SENT, None)
        assert "127.0.0.1" in reply.detail

    def test_a_name_that_does_not_exist(self) -> None:
        async def main() -> Reply:
            there = replace(target(1), base_url="https://nowhere.invalid/v2")
            async with Client(there, PACE) as client:
                return await client.add(BODY)

        reply = asyncio.run(main())
        assert reply.wire is Wire.NOT_SENT
        assert "nowhere.invalid" in reply.detail

    def test_a_connection_that_is_not_made_in_time(self) -> None:
        """A listener that accepts nothing: its backlog is filled, so no handshake ends."""

        async def main() -> Reply:
            with contextlib.ExitStack() as open_sockets:
                full = open_sockets.enter_context(socket.socket())
                full.bind(("127.0.0.1", 0))
                full.listen(0)
                for _ in range(8):
                    filler = open_sockets.enter_context(socket.socket())
                    filler.setblocking(False)
                    filler.connect_ex(full.getsockname())
                pace = replace(PACE, connect_timeout=0.2)
                async with Client(target(full.getsockname()[1]), pace) as client:
                    return await client.add(BODY)

        assert asyncio.run(main()).wire is Wire.NOT_SENT

    def test_a_tls_handshake_that_is_never_answered(self) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            await reader.read()

        async def main() -> Reply:
            async with serving(behave) as port:
                pace = replace(PACE, timeout=0.4)
                async with Client(target(port, "https"), pace) as client:
                    return await client.add(BODY)

        reply = asyncio.run(main())
        assert (reply.wire, reply.detail) == (Wire.NOT_SENT, "no connection in time")

    @pytest.mark.parametrize("rude", [False, True])
    def test_a_tls_handshake_that_is_cut_off(self, rude: bool) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            await reader.read(1)
            if rude:
                reset(writer)

        async def main() -> Reply:
            async with serving(behave) as port, Client(target(port, "https"), PACE) as client:
                return await client.add(BODY)

        assert asyncio.run(main()).wire is Wire.NOT_SENT

    def test_a_server_that_speaks_no_tls(self) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            await reader.read(1)
            writer.write(http(b"plain", "400 Bad Request"))
            await writer.drain()

        async def main() -> Reply:
            async with serving(behave) as port, Client(target(port, "https"), PACE) as client:
                return await client.add(BODY)

        assert asyncio.run(main()).wire is Wire.NOT_SENT

    def test_a_certificate_that_is_not_trusted_sees_no_request(self) -> None:
        seen: list[bytes] = []

        async def behave(reader: Reader, writer: Writer) -> None:
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                seen.append(await reader.read())

        reply = add_to(behave, tls=server_tls())
        assert reply.wire is Wire.NOT_SENT
        assert "certificate" in reply.detail
        assert b"".join(seen) == b""

    def test_a_proxy_that_refuses_the_tunnel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[tuple[str, dict[str, str], bytes]] = []

        async def behave(reader: Reader, writer: Writer) -> None:
            seen.append(await request_of(reader))
            writer.write(http(b"", "407 Proxy Authentication Required"))
            await writer.drain()

        async def main() -> Reply:
            async with serving(behave) as port:
                monkeypatch.setenv("HTTPS_PROXY", f"http://me:pa%20ss@127.0.0.1:{port}")
                monkeypatch.delenv("NO_PROXY", raising=False)
                monkeypatch.delenv("no_proxy", raising=False)
                monkeypatch.setenv("https_proxy", f"http://me:pa%20ss@127.0.0.1:{port}")
                there = replace(target(1), base_url="https://service.example/v2")
                async with Client(there, PACE) as client:
                    return await client.add(BODY)

        reply = asyncio.run(main())
        assert reply.wire is Wire.NOT_SENT
        assert "407" in reply.detail
        [(first, headers, _)] = seen
        assert first == "CONNECT service.example:443 HTTP/1.1"
        assert base64.b64decode(headers["proxy-authorization"].split()[1]) == b"me:pa ss"
        assert "authorization" not in headers

    @pytest.mark.parametrize(
        ("answer", "end"),
        [
            (b"", "close"),
            (b"", "reset"),
            (b"HTTP/1.1 2", "close"),
            (b"HTTP/1.1 200 Connection est", "reset"),
            (b"\x00\xff garbage \x1b[31m\r\n\r\n", "close"),
            (b"SSH-2.0-OpenSSH_9.6\r\n", "close"),
            (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "close"),
            (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\nsor", "close"),
            (b"", "hang"),
            (b"HTTP/1.1 200 Conn", "hang"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "close"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "reset"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "hang"),
            (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03\x00\x7a\x02\x00", "reset"),
            (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03\x00\x7a\x02\x00", "close"),
            (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n", "close"),
        ],
    )
    def test_a_proxy_that_fails_while_the_tunnel_is_built(
        self, monkeypatch: pytest.MonkeyPatch, answer: bytes, end: str
    ) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            await request_of(reader)
            writer.write(answer)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
                if b"200 OK" in answer and end != "hang":
                    await reader.read(1)  # the beginning of TLS
                if end == "hang":
                    await reader.read()
            if end == "reset":
                reset(writer)

        async def main() -> Reply:
            async with serving(behave) as port:
                for name in ("HTTPS_PROXY", "https_proxy"):
                    monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
                monkeypatch.delenv("NO_PROXY", raising=False)
                monkeypatch.delenv("no_proxy", raising=False)
                there = replace(target(1), base_url="https://service.example/v2")
                async with Client(there, replace(PACE, timeout=2.0)) as client:
                    return await client.add(BODY)

        reply = asyncio.run(main())
        assert reply.wire is Wire.NOT_SENT, reply
        assert reply.detail


class TestLost:
    @pytest.mark.parametrize("rude", [False, True])
    def test_closed_after_accepting_before_reading(self, rude: bool) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            if rude:
                reset(writer)

        assert add_to(behave).wire is Wire.LOST

    @pytest.mark.parametrize("rude", [False, True])
    def test_closed_after_reading_the_request(self, rude: bool) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            await request_of(reader)
            if rude:
                reset(writer)

        assert add_to(behave).wire is Wire.LOST

    @pytest.mark.parametrize(
        "part",
        [
            b"HTTP/1.1 2",
            b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n",
            http(CREATED)[:-1],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n" + CREATED + b"\r\n",
        ],
    )
    def test_closed_in_the_middle_of_the_reply(self, part: bytes) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            await request_of(reader)
            writer.write(part)
            await writer.drain()

        assert add_to(behave).wire is Wire.LOST

    @pytest.mark.parametrize(
        "garbage", [b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
    )
    def test_a_reply_that_is_not_http(self, garbage: bytes) -> None:
        reply = add_to(answering(garbage))
        assert reply.wire is Wire.LOST

    def test_chunks_that_are_none(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert add_to(answering(head + b"zz\r\nboo\r\n")).wire is Wire.LOST

    @pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{"])
    def test_no_whole_answer_in_time(self, start: bytes) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            await request_of(reader)
            writer.write(start)
            await reader.read()

        reply = add_to(behave, pace=replace(PACE, timeout=0.3))
        assert (reply.wire, reply.detail) == (Wire.LOST, "no answer in time")

    def test_a_tls_connection_cut_after_the_request(self) -> None:
        async def behave(reader: Reader, writer: Writer) -> None:
            await request_of(reader)
            writer.transport.abort()

        assert add_to(behave, tls=server_tls(), ca_file=CERTIFICATE).wire is Wire.LOST

    def test_a_lost_request_is_not_sent_again_by_the_library(self) -> None:
        requests = 0

        async def behave(reader: Reader, writer: Writer) -> None:
            nonlocal requests
            await request_of(reader)
            requests += 1
            if requests == 1:
                writer.write(http(CREATED))
                await writer.drain()
                await request_of(reader)
                requests += 1

        async def main() -> list[Wire]:
            async with serving(behave) as port, Client(target(port), PACE) as client:
                return [(await client.add(BODY)).wire for _ in range(2)]

        assert asyncio.run(main()) == [Wire.ANSWERED, Wire.LOST]
        assert requests == 2


class TestConnections:
    def test_an_answer_that_was_there_before_its_question_is_nobodys(self) -> None:
        """Read as the next row's answer, it would be a numberid that row never got."""
        connections = 0

        async def behave(reader: Reader, writer: Writer) -> None:
            nonlocal connections
            connections += 1
            if connections == 1:
                await request_of(reader)
                writer.write(http(CREATED))
                await unasked.wait()
                writer.write(http(b'{"errors": [], "response": [999]}'))
                written.set()
                await reader.read()
            else:
                await answering(http(CREATED))(reader, writer)

        async def main() -> tuple[Reply, Reply]:
            async with serving(behave) as port, Client(target(port), PACE) as client:
                first = await client.add(BODY)
                unasked.set()
                await written.wait()
                await asyncio.sleep(0.05)  # for the network to bring it: there is nothing to await
                return first, await client.add(BODY)

        unasked, written = asyncio.Event(), asyncio.Event()
        first, second = asyncio.run(main())
        assert first.numberids == second.numberids == ("6",)
        assert connections == 2

    def test_one_that_the_server_closed_while_idle_is_not_used(self) -> None:
        connections = 0

        async def main() -> None:
            closed = asyncio.Event()

            async def behave(reader: Reader, writer: Writer) -> None:
                nonlocal connections
                connections += 1
                await request_of(reader)
                writer.write(http(CREATED))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
                closed.set()

            async with serving(behave) as port, Client(target(port), PACE) as client:
                for _ in range(3):
                    closed.clear()
                    assert (await client.add(BODY)).wire is Wire.ANSWERED
                    await closed.wait()
                    # Until the end of the stream has come through the loop on our side, too.
                    await asyncio.sleep(0.05)

        asyncio.run(main())
        assert connections == 3

    def test_an_idle_one_is_closed_before_the_server_would(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importer.api.exchange.IDLE_SECONDS", 0.05)

        async def main() -> None:
            ended = asyncio.Event()

            async def behave(reader: Reader, writer: Writer) -> None:
                await request_of(reader)
                writer.write(http(CREATED))
                await writer.drain()
                assert await reader.read() == b""
                ended.set()

            async with serving(behave) as port, Client(target(port), PACE) as client:
                assert (await client.add(BODY)).wire is Wire.ANSWERED
                await asyncio.wait_for(ended.wait(), 10)

        asyncio.run(main())

    def test_one_that_was_idle_for_too_long_is_not_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether or not the timer has come to close it yet."""
        monkeypatch.setattr("importer.api.exchange.IDLE_SECONDS", 0.0)
        assert connections_for(3) == 3

    def test_a_server_that_speaks_before_it_is_asked_is_not_connected_to_without_end(self) -> None:
        connections = 0

        async def behave(reader: Reader, writer: Writer) -> None:
            nonlocal connections
            connections += 1
            writer.write(http(CREATED))
            await writer.drain()
            await reader.read()

        async def main() -> Reply:
            async with serving(behave) as port, Client(target(port), Pace()) as client:
                return await client.add(BODY)

        with pytest.MonkeyPatch.context() as patch:
            # The answer is there when the connection is handed out, however slow this machine is.
            connect = aiohttp.TCPConnector.connect

            async def later(*given: Any) -> Any:
                connection = await connect(*given)
                await asyncio.sleep(0.05)
                return connection

            patch.setattr(aiohttp.TCPConnector, "connect", later)
            assert asyncio.run(main()).wire is Wire.NOT_SENT
        assert connections == 3

    def test_of_two_answers_to_one_request_the_second_is_nobodys(self) -> None:
        connections = 0

        async def behave(reader: Reader, writer: Writer) -> None:
            nonlocal connections
            connections += 1
            await request_of(reader)
            writer.write(http(b'{"errors": [], "response": [%d]}' % connections) + http(CREATED))
            await writer.drain()
            await reader.read()

        async def main() -> list[Reply]:
            async with serving(behave) as port, Client(target(port), PACE) as client:
                return [await client.add(BODY) for _ in range(3)]

        assert [reply.numberids for reply in asyncio.run(main())] == [("1",), ("2",), ("3",)]

    def test_one_that_the_server_is_closing_is_not_used(self) -> None:
        """Its end came in the very turn of the loop in which another's answer did."""
        answered = asyncio.Semaphore(0)
        asked = asyncio.Event()
        writers: list[Writer] = []

        async def behave(reader: Reader, writer: Writer) -> None:
            await request_of(reader)
            writers.append(writer)
            if len(writers) == 1:
                asked.set()
                for _ in range(3):
                    await answered.acquire()
                writer.write(http(CREATED))
                for other in writers[1:4]:
                    other.get_extra_info("socket").shutdown(socket.SHUT_WR)
            else:
                writer.write(http(CREATED))
            await answering(http(CREATED))(reader, writer)

        async def main() -> None:
            async with serving(behave) as port, Client(target(port), PACE) as client:

                async def other() -> None:
                    await asked.wait()
                    assert (await client.add(BODY)).wire is Wire.ANSWERED
                    answered.release()

                others = [asyncio.create_task(other()) for _ in range(3)]
                assert (await client.add(BODY)).wire is Wire.ANSWERED
                # What is asked in this very turn is not asked of those that are closing.
                assert (await client.add(BODY)).wire is Wire.ANSWERED
                await asyncio.gather(*others)

        asyncio.run(main())

    def test_one_that_is_used_once_does_not_wait_for_the_server_to_close_it(self) -> None:
        """Servers may ignore `Connection: close`; then the client closes."""
        said: list[str] = []

        async def main() -> None:
            ended = asyncio.Semaphore(0)

            async def behave(reader: Reader, writer: Writer) -> None:
                _, headers, _ = await request_of(reader)
                said.append(headers["connection"])
                writer.write(http(CREATED))
                assert await reader.read() == b""
                ended.release()

            async with serving(behave) as port, Client(target(port), PACE) as client:
                client.stop_reusing_connections()
                for _ in range(3):
                    assert (await client.add(BODY)).numberids == ("6",)
                    await asyncio.wait_for(ended.acquire(), 10)

        asyncio.run(main())
        assert said == ["close"] * 3

    def test_a_ca_file_is_trusted_instead_of_the_systems(self) -> None:
        reply = add_to(answering(http(CREATED)), tls=server_tls(), ca_file=CERTIFICATE)
        assert reply.numberids == ("6",)

    @pytest.mark.parametrize("content", [None, "", "no certificate"])
    def test_a_ca_file_that_is_unusable_is_named(self, tmp_path: Path, content: str | None) -> None:
        ca_file = tmp_path / "ca.pem"
        if content is not None:
            ca_file.write_text(content)
        with pytest.raises(UsageError, match=r"ca\.pem"):
            Client(target(1, "https", ca_file=ca_file), PACE)

    def test_a_proxy_is_never_asked_for_this_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert add_to(answering(http(CREATED))).wire is Wire.ANSWERED

    def test_credentials_of_a_netrc_file_are_not_used(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login other password other\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        assert add_to(answering(http(CREATED))).wire is Wire.ANSWERED

    @pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "http://", "http://h:secret"])
    def test_a_proxy_that_is_unusable_is_a_mistake_of_the_user(
        self, monkeypatch: pytest.MonkeyPatch, proxy: str
    ) -> None:
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(UsageError) as caught:
            Client(replace(target(1), base_url="https://service.example/v2"), PACE)
        assert "secret" not in caught.value.message


class TestSecrets:
    def test_the_key_is_in_no_repr(self) -> None:
        client = Client(target(1), PACE)
        assert KEY not in repr(client)
        assert KEY not in repr(target(1))

    def test_a_customer_with_a_colon_cannot_be_sent(self) -> None:
        with pytest.raises(UsageError, match="colon"):
            Client(target(1, customer="a:b"), PACE)

    def test_plain_http_to_another_machine_is_refused(self) -> None:
        with pytest.raises(UsageError, match="http"):
            Client(replace(target(1), base_url="http://service.example/v2"), PACE)


class TestProject:
    def project(self, behaviour: Behaviour) -> Project:
        async def main() -> Project:
            async with serving(behaviour) as port, Client(target(port), PACE) as client:
                return await client.project()

        return asyncio.run(main())

    @pytest.mark.parametrize("body", [b'{"fields": []}', b'[{"fields": []}]'])
    def test_it_is_given_as_the_service_describes_it(self, body: bytes) -> None:
        seen: list[str] = []

        async def behave(reader: Reader, writer: Writer) -> None:
            first, _, _ = await request_of(reader)
            seen.append(first)
            writer.write(http(b'{"errors": [], "response": ' + body + b"}"))
            await writer.drain()

        assert self.project(behave) == Project(134, fields=())
        assert seen == ["GET /v2/projects/134 HTTP/1.1"]

    def test_thousands_of_values_are_read_whole_and_probed(self) -> None:
        values = [{"valueid": n, "name": f"Value {n} {'x' * 20}"} for n in range(50_000)]
        field = {"name": "city", "type": "simple", "values": values}
        reply = http(json.dumps({"errors": [], "response": {"fields": [field]}}).encode())
        assert len(reply) > 2 * REPLY_CAP
        [city] = self.project(answering(reply)).fields
        assert len(city.values) == 50_000
        assert TestProbe().probe(answering(reply)).understood

    @pytest.mark.parametrize(
        ("reply", "hint"),
        [
            (http(b"", "401 Unauthorized"), "VCC_API_KEY"),
            (http(b"", "403 Forbidden"), "IP address"),
            (
                http(
                    b'{"errors": [{"errorcode": 404, "errormessage": "error.project_not_found"}],'
                    b' "response": null}',
                    "404 Not Found",
                ),
                "project id",
            ),
            (http(b"", "302 Found", "Location: /login"), "base URL"),
            (http(b"<html>", "200 OK", "Content-Type: text/html"), "base URL"),
            (http(b'{"errors": [], "response": []}'), "base URL"),
            (http(b"", "500 Oops"), "base URL"),
            (http(b"", "429 Slow Down", "Retry-After: 9"), "later"),
        ],
    )
    def test_anything_else_says_what_to_check(self, reply: bytes, hint: str) -> None:
        with pytest.raises(ServiceError) as caught:
            self.project(answering(reply))
        assert hint in str(caught.value.hint)
        assert caught.value.exit_code == 3

    def test_a_service_that_is_not_there_is_named(self) -> None:
        async def main() -> None:
            async with Client(target(free_port()), PACE) as client:
                await client.project()

        with pytest.raises(ServiceError, match=r"cannot be reached: 127\.0\.0\.1"):
            asyncio.run(main())


class TestProbe:
    def probe(self, behaviour: Behaviour) -> Reply:
        async def main() -> Reply:
            async with serving(behaviour) as port, Client(target(port), PACE) as client:
                return await client.probe()

        return asyncio.run(main())

    def test_it_asks_for_the_project_and_adds_nothing(self) -> None:
        seen: list[str] = []

        async def behave(reader: Reader, writer: Writer) -> None:
            first, _, body = await request_of(reader)
            seen.append(first)
            assert body == b""
            writer.write(http(b'{"errors": [], "response": {"fields": []}}'))
            await writer.drain()

        reply = self.probe(behave)
        assert seen == ["GET /v2/projects/134 HTTP/1.1"]
        assert (reply.http_status, reply.understood, reply.errors) == (200, True, ())

    def test_trouble_is_a_reply_and_not_raised(self) -> None:
        assert self.probe(answering(http(b"<html>", "502 Bad Gateway"))).http_status == 502

        async def hang_up(reader: Reader, writer: Writer) -> None:
            await request_of(reader)
            reset(writer)

        assert self.probe(hang_up).wire is Wire.LOST

    def test_it_needs_no_connection_that_rows_hold(self) -> None:
        """All rows hang; the probe is answered all the same."""

        async def main() -> Reply:
            async def behave(reader: Reader, writer: Writer) -> None:
                first, _, _ = await request_of(reader)
                if first.startswith("POST"):
                    hanging.release()
                    await asyncio.Event().wait()
                writer.write(http(b'{"errors": [], "response": {}}'))
                await writer.drain()

            hanging = asyncio.Semaphore(0)
            async with serving(behave) as port, Client(target(port), PACE) as client:
                rows = [asyncio.create_task(client.add(BODY)) for _ in range(4)]
                for _ in rows:
                    await hanging.acquire()
                try:
                    return await client.probe()
                finally:
                    for row in rows:
                        row.cancel()
                    await asyncio.gather(*rows, return_exceptions=True)

        assert asyncio.run(main()).http_status == 200
