"""Who gets into the console, and who does not: each way in is tried over a real socket."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from importer.console import (
    columns_step,
    file_step,
    fix_step,
    home,
    plan_step,
    result_step,
    send_step,
    target,
)
from importer.console.instance import link_to_running
from importer.console.security import Access, loopback
from importer.console.server import serve
from importer.errors import UsageError
from tests.support.live_console import Browser, LiveConsole, contact, live_console, multipart

STEPS = (home, file_step, columns_step, fix_step, plan_step, send_step, result_step, target)
_PLACES = {"id": "0123456789abcdef0123456789abcdef"}


def _routes() -> list[tuple[str, str]]:
    """A request for every route of the console, and for some that there are not."""
    steps = [
        (route.method, re.sub(r"\{(\w+)[^}]*\}", lambda m: _PLACES.get(m[1], "0"), route.path))
        for step in STEPS
        for route in step.ROUTES
    ]
    watched = "?page=0123456789abcdef"
    return [
        ("GET", "/open?token=x"),
        ("POST", "/link"),
        ("GET", "/static/console.css"),
        ("GET", "/static/../server.py"),
        ("GET", "/nothing"),
        *((method, f"{path}{watched}" if "events" in path else path) for method, path in steps),
    ]


ROUTES = _routes()
FREE = {"/open", "/link", "/static/console.css", "/static/../server.py"}
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


def test_a_foreign_host_gets_nothing_on_any_route(console: LiveConsole, browser: Browser) -> None:
    assert len(ROUTES) > 40
    hosts = ["evil.example", f"evil.example:{console.port}", f"localhost:{console.port}"]
    hosts += ["127.0.0.1", f"127.0.0.1:{console.port}.evil.example", f"127.0.0.1.:{console.port}"]
    for method, path in ROUTES:
        for host in hosts:
            answer = browser.ask(method, path, headers={"Host": host})
            assert answer.status == 421, (method, path, host, answer.words)


def test_a_host_in_the_target_or_none_gets_nothing(console: LiveConsole) -> None:
    right = f"Host: {console.host}\r\n"
    target = f"GET http://evil.example/ HTTP/1.1\r\n{right}\r\n"
    none = "GET / HTTP/1.0\r\n\r\n"
    two = f"GET /static/console.css HTTP/1.1\r\n{right}Host: evil.example\r\n\r\n"
    for request in (target, none, two):
        assert re.match(rb"HTTP/1\.[01] (421|400)", console.raw(request.encode())), request


def test_without_a_session_there_is_nothing(console: LiveConsole) -> None:
    stranger = Browser(console)
    guesses = Browser(console, {f"vcc_console_{console.port}": "guessed"})
    for method, path in ROUTES:
        if path.partition("?")[0] in FREE:
            continue
        answer = stranger.ask(method, path)
        assert answer.status == 403, (method, path)
        assert "Run vcc-import console again" in answer.words
        assert guesses.ask(method, path).status == 403, (method, path)


def test_no_route_changes_anything_for_other_pages_or_without_the_token(browser: Browser) -> None:
    changing = [path for method, path in ROUTES if method == "POST" and path != "/link"]
    assert len(changing) > 20
    for path in changing:
        answer = browser.post(path, None, {"Origin": "http://evil.example"})
        assert answer.status == 403, path
        assert browser.post(path, {"csrf": "0" * 64}).status in {403, 415}, path


def test_a_link_opens_once(console: LiveConsole) -> None:
    url = urlsplit(console.link.url)
    path = f"{url.path}?{url.query}"
    first = Browser(console).get(path)
    assert first.status == 200
    cookie = first.headers["set-cookie"]
    assert cookie.startswith(f"vcc_console_{console.port}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()
    second = Browser(console).get(path)
    assert second.status == 403
    assert "used already" in second.words
    assert "set-cookie" not in second.headers


@pytest.mark.parametrize("query", ["", "?token=", "?token=%00", "?token=" + "x" * 43, "?tokn=1"])
def test_a_missing_or_wrong_token_opens_nothing_and_spends_nothing(
    console: LiveConsole, query: str
) -> None:
    assert Browser(console).get(f"/open{query}").status == 403
    assert console.browser().get("/").status == 200


def test_asking_for_the_head_of_a_link_does_not_spend_it(console: LiveConsole) -> None:
    url = urlsplit(console.link.url)
    assert Browser(console).ask("HEAD", f"{url.path}?{url.query}").status == 403
    assert console.browser().get("/").status == 200


def test_an_old_link_opens_nothing() -> None:
    now = [0.0]
    access = Access(1234, clock=lambda: now[0])

    def token() -> str:
        return access.link().partition("token=")[2]

    first = token()
    second = token()
    assert access.enter(first) is None, "a newer link was given"
    assert access.enter(second) is not None
    third = token()
    now[0] = 601.0
    assert access.enter(third) is None


def test_a_browser_of_the_console_before_is_told_that_there_is_a_new_link(
    console: LiveConsole,
) -> None:
    before = Browser(console, {f"vcc_console_{console.port}": "of-the-one-before"})
    page = before.get("/")
    assert page.status == 403
    assert "The console was started anew since this page was opened." in page.words
    assert "Open the link that it printed" in page.words
    assert "has not opened" not in page.words


def test_sessions_of_one_console_are_none_of_the_next(browser: Browser) -> None:
    known = dict(browser.cookies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VCC_STATE_DIR", os.environ["VCC_STATE_DIR"] + "-other")
        with live_console() as other:
            value = next(iter(known.values()))
            later = Browser(other, {f"vcc_console_{other.port}": value})
            assert later.get("/").status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_what_other_pages_ask_for_is_refused_though_the_cookie_comes(
    browser: Browser, site: str
) -> None:
    """Another port of 127.0.0.1 is the same site, to which browsers send our cookie."""
    for path in (
        "/",
        "/static/console.css",
        f"/drafts/{'0' * 32}/send/events?page=0123456789abcdef",
    ):
        assert browser.get(path, {"Sec-Fetch-Site": site}).status == 403
    assert browser.get("/", {"Sec-Fetch-Site": "none"}).status == 200
    assert browser.get("/", {"Sec-Fetch-Site": None}).status == 200


@pytest.mark.parametrize(
    ("origin", "site", "allowed"),
    [
        ("ours", "same-origin", True),
        ("ours", None, True),
        (None, "same-origin", True),
        ("null", "same-origin", True),  # a form of ours, by the policy "no-referrer"
        (None, None, False),
        (None, "none", False),
        ("null", None, False),
        ("null", "none", False),
        ("http://evil.example", None, False),
        ("http://evil.example", "same-origin", False),
        ("http://127.0.0.1", None, False),
        ("https ours", None, False),
    ],
)
def test_only_pages_of_ours_change_anything(
    browser: Browser, origin: str | None, site: str | None, *, allowed: bool
) -> None:
    ours = browser.console.origin
    given = {"ours": ours, "https ours": ours.replace("http:", "https:")}
    place = browser.draft("leads.csv", b"Name\nAnn\n")
    headers = {"Origin": given.get(origin or "", origin), "Sec-Fetch-Site": site}
    answer = browser.post(place, {"header_row": "1"}, headers)
    assert answer.status == (303 if allowed else 403), answer.words


@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
def test_a_form_without_its_token_changes_nothing(browser: Browser, csrf: str) -> None:
    place = browser.draft("leads.csv", b"Name\nAnn\n")
    remove = place.replace("/file", "/remove")
    for path in (place, remove):
        answer = browser.post(path, {"csrf": csrf})
        assert answer.status == 403
        assert "Load the page again" in answer.words
    assert browser.post(remove, {"csrf": csrf}, {"X-CSRF-Token": csrf or "x"}).status == 403
    assert browser.ask("POST", remove).status == 403
    assert browser.ask("DELETE", remove).status == 403
    assert browser.get(place).status == 200
    body, kind = multipart([("csrf", None, browser.csrf.encode())])
    assert browser.ask("POST", remove, body, {"Content-Type": kind}).status == 403


def test_the_token_of_one_session_is_not_that_of_another(console: LiveConsole) -> None:
    first = console.browser()
    second = console.browser(link_to_running(Path(os.environ["VCC_STATE_DIR"]) / "console"))
    assert first.get("/").status == second.get("/").status == 200
    place = first.draft("leads.csv", b"Name\nAnn\n")
    assert first.post(place, {"csrf": second.csrf}).status == 403
    assert first.post(place).status == 303


@pytest.mark.parametrize("csrf", ["wrong", ""])
def test_an_upload_without_its_token_is_not_taken(
    browser: Browser, state_dir: Path, csrf: str
) -> None:
    assert browser.upload("leads.csv", b"Name\nAnn\n", csrf or "x").status == 403
    body, kind = multipart([("file", "leads.csv", b"Name\nAnn\n"), ("csrf", None, b"x")])
    assert browser.ask("POST", "/drafts", body, {"Content-Type": kind}).status == 403
    assert not list((state_dir / "console").glob("drafts/*"))


def test_every_answer_has_the_headers(console: LiveConsole, browser: Browser) -> None:
    for asking in (browser, Browser(console)):
        for method, path in ROUTES:
            answer = asking.ask(method, path)
            policy = answer.headers["content-security-policy"]
            assert set(policy.split("; ")) >= POLICY, path
            assert answer.headers["cache-control"] == "no-store", path
            assert answer.headers["referrer-policy"] == "no-referrer", path
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert "server" not in answer.headers, path
            assert "access-control-allow-origin" not in answer.headers, path


@pytest.mark.parametrize(
    "path",
    [
        "/static/../security.py",
        "/static/%2e%2e/security.py",
        "/static/..%2fsecurity.py",
        "/static%2f../",
        "//static/",
        "/static//etc/passwd",
        "/static/",
        "/%6fpen/../",
    ],
)
def test_nothing_but_the_static_files_is_static(console: LiveConsole, path: str) -> None:
    answer = Browser(console).get(path)
    assert answer.status in {403, 404}
    assert b"import" not in answer.body.replace(b"vcc-import", b"").replace(b"importer", b"")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com", "127.0.0.2", ""])  # noqa: S104
def test_no_other_address_is_listened_on(host: str) -> None:
    with pytest.raises(UsageError, match=r"127\.0\.0\.1 only") as caught:
        asyncio.run(serve(host=host, on_ready=print, until=asyncio.Event()))
    assert "personal data" in str(caught.value.hint)
    assert "ssh -L" in str(caught.value.hint)
    assert loopback("localhost") == "127.0.0.1"


def test_a_port_in_use_is_said(console: LiveConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCC_STATE_DIR", os.environ["VCC_STATE_DIR"] + "-other")
    with pytest.raises(UsageError, match="cannot listen"), live_console(port=console.port):
        pass


def test_a_thousand_strangers_do_not_keep_the_operator_out(
    console: LiveConsole, browser: Browser
) -> None:
    crowd = [socket.create_connection(("127.0.0.1", console.port)) for _ in range(1000)]
    try:
        assert browser.get("/").status == 200
        assert browser.upload("leads.csv", b"Name\nAnn\n").status == 303
        kept = 0
        for each in crowd:
            each.setblocking(False)
            try:
                kept += each.recv(1) != b""
            except BlockingIOError:
                kept += 1
            except ConnectionError:
                pass
        assert kept <= 64
    finally:
        for each in crowd:
            each.close()


def test_sessions_beyond_the_limit_of_connections_are_told_so() -> None:
    with live_console(most_connections=3) as console:
        browser = console.browser()
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        request = (
            f"GET /static/console.css HTTP/1.1\r\nHost: {console.host}\r\nCookie: {cookie}\r\n"
        )
        held = []
        for _ in range(3):
            held.append(socket.create_connection(("127.0.0.1", console.port)))
            held[-1].sendall(f"{request}\r\n".encode())
            assert held[-1].recv(15) == b"HTTP/1.1 200 OK"
        assert console.raw(f"{request}\r\n".encode()).startswith(b"HTTP/1.1 503")
        held.pop().close()
        for each in held:
            each.close()


def test_headers_and_forms_have_an_end(browser: Browser) -> None:
    console = browser.console
    start = f"GET / HTTP/1.1\r\nHost: {console.host}\r\n"
    long = console.raw(f"{start}X: {'x' * 100_000}\r\n\r\n".encode())
    assert long.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    many = console.raw((start + "".join(f"X{n}: x\r\n" for n in range(5000)) + "\r\n").encode())
    assert b" 400 " in many[:20]
    for refused in (long, many):
        assert b"Traceback" not in refused
    place = browser.draft("leads.csv", b"Name\nAnn\n")
    answer = browser.post(place, {"encoding": "x" * 2_000_000})
    assert answer.status == 413
    assert "too large" in answer.words


def test_the_token_is_in_no_process_list_and_in_no_file_of_others(
    console: LiveConsole, state_dir: Path
) -> None:
    token = console.link.url.partition("token=")[2]
    assert token in console.link.file.read_text("utf-8")
    if os.name == "posix":
        for path in (state_dir / "console").iterdir():
            assert path.stat().st_mode & 0o077 == 0, path
        listed = subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
        assert token not in listed
    console.browser()
    assert not console.link.file.exists(), "a link that was opened is good for nothing"


def test_a_second_console_finds_the_first_and_spends_its_link(
    console: LiveConsole, state_dir: Path
) -> None:
    script = (
        "import asyncio\n"
        "from importer.console.server import serve\n"
        "asyncio.run(serve(on_ready=lambda link: print(link.new, link.url), "
        "until=asyncio.Event()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    new, url = done.stdout.split()
    assert new == "False"
    assert urlsplit(url).port == console.port
    before = urlsplit(console.link.url)
    assert Browser(console).get(f"{before.path}?{before.query}").status == 403
    after = urlsplit(url)
    assert Browser(console).get(f"{after.path}?{after.query}").status == 200
    assert contact(state_dir)["port"] == console.port


def test_only_who_can_read_the_folder_of_state_is_given_a_link(
    console: LiveConsole, state_dir: Path
) -> None:
    stranger = Browser(console)
    for authorization in (None, "Bearer ", "Bearer é", "Bearer " + "x" * 43):
        answer = stranger.ask("POST", "/link", headers={"Authorization": authorization})
        assert answer.status == 403
        assert "token=" not in answer.text
    page = {"Authorization": f"Bearer {contact(state_dir)['secret']}"}
    assert (
        stranger.ask("POST", "/link", headers={**page, "Sec-Fetch-Site": "same-site"}).status == 403
    )
    assert stranger.ask("GET", "/link", headers=page).status == 403


def test_a_console_that_was_killed_keeps_none_from_beginning(state_dir: Path) -> None:
    folder = state_dir / "console"
    script = (
        "import asyncio, os, signal\n"
        "from importer.console.server import serve\n"
        "asyncio.run(serve(on_ready=lambda _: os._exit(9), until=asyncio.Event()))"
    )
    subprocess.run([sys.executable, "-c", script], check=False, timeout=30)
    assert (folder / "contact.json").exists()
    with live_console() as console:
        assert console.link.new
        assert console.browser().get("/").status == 200
    assert not (folder / "contact.json").exists()
    assert not (folder / "open.html").exists()


def test_a_console_that_does_not_answer_is_said(state_dir: Path) -> None:
    with pytest.raises(UsageError, match="does not answer"):
        link_to_running(state_dir, patience=0.2)


def test_nothing_secret_is_logged(
    console: LiveConsole, caplog: pytest.LogCaptureFixture, state_dir: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    browser = console.browser()
    browser.draft("leads.csv", b"Name\nSecretperson\n")
    Browser(console).get("/open?token=wrongtoken")
    secrets = [console.link.url.partition("token=")[2], *browser.cookies.values(), browser.csrf]
    for secret in (*secrets, contact(state_dir)["secret"], "wrongtoken", "Secretperson"):
        assert secret not in caplog.text
