"""The first page: a list is taken whole or refused in words, whatever it and its name hold."""

from __future__ import annotations

import gzip
import html
import re
import socket
from pathlib import Path

import pytest

from importer.console.drafts import Drafts
from tests.support.live_console import SECONDS, Browser, LiveConsole, Page, multipart

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LIST = b"Name,Phone\nAnna,0619997400\nBea,0619997401\n"


def drafts_of(state_dir: Path) -> Drafts:
    return Drafts(state_dir / "console" / "drafts")


def left(state_dir: Path) -> list[str]:
    """What lies in the folder of drafts, be it a draft or not."""
    folder = drafts_of(state_dir).folder
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def nothing_hidden(page: Page) -> bool:
    """Whether every character of a page can be seen, and none turns the writing round."""
    return not _HIDDEN.search(page.text)


def test_a_list_becomes_a_draft_that_is_shown_and_removed(
    browser: Browser, state_dir: Path
) -> None:
    place = browser.draft("Ügyfelek.csv", LIST)
    (draft,) = drafts_of(state_dir).all()
    assert place == f"/drafts/{draft.id}/file"
    assert draft.file.read_bytes() == LIST
    home = browser.get("/")
    assert "Ügyfelek.csv" in home.words
    assert place in home.text
    answer = browser.post(f"/drafts/{draft.id}/remove")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert left(state_dir) == []
    assert "Ügyfelek.csv" not in browser.get("/").words
    assert browser.get(place).status == 404


def test_drafts_outlive_a_console(browser: Browser, state_dir: Path) -> None:
    place = browser.draft("leads.csv", LIST)
    assert "leads.csv" in browser.get("/").words
    assert browser.get(place).status == 200
    assert left(state_dir) == [place.split("/")[2]]


def test_an_empty_file_and_none_are_said(browser: Browser, state_dir: Path) -> None:
    empty = browser.upload("leads.csv", b"")
    assert (empty.status, left(state_dir)) == (422, [])
    assert "leads.csv is empty" in empty.words.lower()
    body, kind = multipart([("csrf", None, browser.csrf.encode()), ("file", "", b"")])
    none = browser.ask("POST", "/drafts", body, {"Content-Type": kind})
    assert (none.status, left(state_dir)) == (422, [])
    assert "no file was chosen" in none.words.lower()
    for page in (empty, none):
        assert "Import a list of leads" in page.words, "the page is there to try again"


def test_a_form_without_a_file_is_said(browser: Browser, state_dir: Path) -> None:
    for parts in ([], [("other", "leads.csv", LIST)], [("file", None, LIST)]):
        body, kind = multipart([("csrf", None, browser.csrf.encode()), *parts])
        answer = browser.ask("POST", "/drafts", body, {"Content-Type": kind})
        assert answer.status == 422, answer.words
    assert browser.post("/drafts", {"file": "leads.csv"}).status == 415
    assert left(state_dir) == []


def test_an_upload_that_is_cut_off_leaves_nothing(
    console: LiveConsole, browser: Browser, state_dir: Path
) -> None:
    body, kind = multipart(
        [("csrf", None, browser.csrf.encode()), ("file", "leads.csv", LIST * 90_000)]
    )
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    head = (
        f"POST /drafts HTTP/1.1\r\nHost: {console.host}\r\nOrigin: {console.origin}\r\n"
        f"Cookie: {cookie}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", console.port), SECONDS) as connection:
        connection.sendall(head + body[: len(body) // 2])
        # Wait until it is being received, so that it is cut off in the midst of it.
        while not left(state_dir):
            browser.get("/static/console.css")
        assert drafts_of(state_dir).all() == []
    while left(state_dir):
        browser.get("/static/console.css")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_form_that_ends_too_early_is_no_list(
    browser: Browser, state_dir: Path, share: float
) -> None:
    """What a proxy or a program may send: a body of the right length, but with no last boundary."""
    body, kind = multipart([("csrf", None, browser.csrf.encode()), ("file", "a.csv", LIST * 99)])
    answer = browser.ask("POST", "/drafts", body[: int(len(body) * share)], {"Content-Type": kind})
    assert answer.status == 422, answer.words
    assert "did not arrive whole" in answer.words
    assert left(state_dir) == []


def test_what_comes_after_the_file_is_refused(browser: Browser, state_dir: Path) -> None:
    csrf = ("csrf", None, browser.csrf.encode())
    body, kind = multipart([csrf, ("file", "a.csv", LIST), ("file", "b.csv", LIST)])
    assert browser.ask("POST", "/drafts", body, {"Content-Type": kind}).status == 422
    assert left(state_dir) == []


def test_a_packed_bomb_is_refused_in_words(browser: Browser, tmp_path: Path) -> None:
    bomb = gzip.compress(b"Name,Phone\n" + b"\0" * 2**28)
    place = browser.draft("leads.csv.gz", bomb)
    page = browser.get(place)
    assert page.status == 200
    assert "How it is read" in page.words
    assert "The first rows" not in page.words
    assert str(tmp_path) not in page.text
    assert "Traceback" not in page.text


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_what_is_packed_on_its_way_is_not_unpacked(
    browser: Browser, state_dir: Path, encoding: str
) -> None:
    body, kind = multipart([("csrf", None, browser.csrf.encode()), ("file", "a.csv", LIST)])
    answer = browser.ask(
        "POST",
        "/drafts",
        gzip.compress(body),
        {"Content-Type": kind, "Content-Encoding": encoding},
    )
    assert answer.status in {403, 415, 422}, answer.words
    assert left(state_dir) == []


HOSTILE = [
    "<script>alert(1)</script>.csv",
    "<img src=x onerror=alert(1)>.csv",
    "\"><svg onload='alert(1)'>.csv",
    "{{ 777 * 777 }}{% raw %}.csv",
    "=cmd|' /C calc'!A1.csv",
    "\u202egnp.csv",
    "../../../../etc/passwd",
    "..\\..\\windows\\system32\\drivers\\etc\\hosts",
    "javascript:alert(1).csv",
    "a" * 4000 + ".csv",
    "con.csv",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_as_text_and_leaves_the_folder_nowhere(
    browser: Browser, state_dir: Path, name: str
) -> None:
    place = browser.draft(name, LIST)
    (draft,) = drafts_of(state_dir).all()
    assert draft.file.resolve().parent == (draft.folder / "file").resolve()
    assert [path.name for path in draft.file.parent.iterdir()] == [draft.name]
    for page in (browser.get("/"), browser.get(place), browser.get_part(place)):
        assert page.status == 200
        assert nothing_hidden(page)
        assert not re.search(r"<(script>|img|svg)", page.text)
        assert "603729" not in page.words  # no moment or size holds it
        assert "javascript:" not in page.text


@pytest.mark.parametrize("name", ["\x1b[31mred\x07.csv", "a\0.csv", "\x7f", "a" * 100_000])
def test_a_name_that_no_header_can_hold_is_said(
    browser: Browser, state_dir: Path, name: str
) -> None:
    answer = browser.upload(name, LIST)
    assert answer.status == 422
    assert "name cannot be sent as it is" in answer.words
    assert nothing_hidden(answer)
    assert left(state_dir) == []


def test_a_hostile_list_is_shown_as_text(browser: Browser) -> None:
    cells = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "=1+1", "\x1b[31mred"]
    cells += ["\u202egnp", "{{ 7 * 7 }}", "&lt;b&gt;", "'\" onfocus='alert(1)' autofocus='"]
    row = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    place = browser.draft("leads.csv", f"{row}\n{row}\n{row}\n".encode())
    for page in (browser.get(place), browser.get_part(place)):
        assert page.status == 200
        assert nothing_hidden(page)
        assert "<script>" not in page.text
        assert "<img" not in page.text
        assert not re.search(r"<[^>]* (onfocus|autofocus|onerror)", page.text)
        for cell in ("<script>alert(1)</script>", "=1+1", "{{ 7 * 7 }}", "&lt;b&gt;"):
            assert cell in html.unescape(page.text)


def test_an_address_of_no_draft_is_said(browser: Browser) -> None:
    for draft_id in ("0" * 32, "x", "..%2f..", "%00"):
        page = browser.get(f"/drafts/{draft_id}/file")
        assert page.status == 404
        assert "begin at the start" in page.words
        assert browser.post(f"/drafts/{draft_id}/file").status == 404
        assert browser.post(f"/drafts/{draft_id}/remove").status in {404, 422}
