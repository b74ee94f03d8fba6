"""Files on a real web server with TLS, on this machine."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from importer.errors import SourceError, UsageError
from importer.operations.remote import StillArrivingError, remote_place

LEADS = b"name,phone\nAnna,3612345678\n"
ANN = "Basic " + base64.b64encode(b"ann:pass-word").decode()
PAGE = """<a href="../">up</a> <a href="leads.csv">leads</a> <a href="/inbox/more.csv">more</a>
<a href="deep/">deep</a> <a href="https://elsewhere.example/inbox/theirs.csv">theirs</a>
<a href="notes.txt">notes</a>"""


@dataclass
class Shop:
    """A web server with one folder; `asked` are the credentials of each request."""

    certificate: Path
    url: str = ""
    asked: list[str | None] = field(default_factory=list)
    content: bytes = LEADS

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("Authorization"))
        match request.path:
            case "/inbox/":
                return web.Response(text=PAGE, content_type="text/html")
            case "/inbox/leads.csv" | "/inbox/more.csv":
                when = datetime(2026, 11, 1, tzinfo=UTC)
                response = web.Response(body=self.content)
                response.last_modified = when
                return response
            case "/away.csv":
                raise web.HTTPFound("https://elsewhere.example/away.csv")
            case "/locked.csv":
                if request.headers.get("Authorization") != ANN:
                    raise web.HTTPUnauthorized
                return web.Response(body=LEADS)
            case "/broken.csv":
                broken = web.StreamResponse(headers={"Content-Length": "1000"})
                await broken.prepare(request)
                if request.method == "GET":
                    await broken.write(b"half")
                    assert request.transport is not None
                    request.transport.abort()
                return broken
        raise web.HTTPNotFound


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    pem, key = certificate(tmp_path)
    shop, loop, ready = Shop(pem), asyncio.new_event_loop(), threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", shop.answer)
    runner = web.AppRunner(app, access_log=None)

    async def serve() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        host, port = runner.addresses[0][:2]
        shop.url = f"https://{host}:{port}"
        ready.set()

    def work() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(30)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    yield shop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_one_file_is_fetched_by_its_address(shop: Shop, tmp_path: Path) -> None:
    with remote_place(f"{shop.url}/inbox/leads.csv") as place:
        (file,) = place.list()
        assert (file.name, file.size) == ("leads.csv", len(LEADS))
        assert file.modified == datetime(2026, 11, 1, tzinfo=UTC).timestamp()
        path = place.fetch(file, tmp_path / "here")
        assert place.move(file, "../done") is None, "a web server is read only"
    assert path.read_bytes() == LEADS


def test_a_folder_s_page_gives_its_own_files_only(shop: Shop) -> None:
    with remote_place(f"{shop.url}/inbox/*.csv") as place:
        names = [file.name for file in place.list()]
    assert names == ["leads.csv", "more.csv"]


def test_a_file_that_changes_is_left_for_later(shop: Shop, tmp_path: Path) -> None:
    with remote_place(f"{shop.url}/inbox/leads.csv") as place:
        (file,) = place.list()
        shop.content = LEADS * 2
        with pytest.raises(StillArrivingError):
            place.fetch(file, tmp_path / "here")
    assert list((tmp_path / "here").glob("*")) == []


def test_a_file_that_breaks_off_leaves_nothing_here(shop: Shop, tmp_path: Path) -> None:
    with remote_place(f"{shop.url}/broken.csv") as place:
        (file,) = place.list()
        with pytest.raises(SourceError, match="broke off"):
            place.fetch(file, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_what_is_missing_is_told(shop: Shop) -> None:
    with (
        remote_place(f"{shop.url}/nothing/*.csv") as place,
        pytest.raises(SourceError, match=r"nothing/\*\.csv: there is no such folder"),
    ):
        place.list()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        remote_place(f"{shop.url}/inbox/*.csv") as place,
        pytest.raises(SourceError, match="certificate is not trusted"),
    ):
        place.list()
    assert shop.asked == []


def test_a_redirect_to_another_server_is_not_followed(shop: Shop, tmp_path: Path) -> None:
    with (
        remote_place(f"{shop.url}/away.csv") as place,
        pytest.raises(SourceError, match=r"sends us on to elsewhere\.example"),
    ):
        place.list()


def test_a_password_comes_from_the_environment_and_is_not_shown(shop: Shop, tmp_path: Path) -> None:
    address = shop.url.replace("https://", "https://ann:${PASSWORD}@") + "/locked.csv"
    with remote_place(address, variables={"PASSWORD": "pass-word"}) as place:
        (file,) = place.list()
        assert "pass-word" not in file.url
        assert place.fetch(file, tmp_path / "here").read_bytes() == LEADS
    with (
        remote_place(address, variables={"PASSWORD": "wrong-word"}) as place,
        pytest.raises(SourceError, match="does not let us in") as error,
    ):
        place.list()
    assert "wrong-word" not in f"{error.value}{error.value.hint}"


def test_plain_http_elsewhere_is_refused() -> None:
    with pytest.raises(UsageError, match="in the clear"):
        remote_place("http://files.example/leads.csv")
