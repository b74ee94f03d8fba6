"""``vcc-import console``: how it begins, how a browser gets in, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.support.command import Cli
from tests.support.live_console import SECONDS, Browser, LiveConsole

LINK = re.compile(r"http://127\.0\.0\.1:\d+/open\?token=\S+")


@contextmanager
def begun(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A console in a process of its own, which is killed at the end if it still runs."""
    unwanted = {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}
    environment = {name: text for name, text in os.environ.items() if name not in unwanted}
    with subprocess.Popen(
        [sys.executable, "-m", "importer", "console", *arguments],
        cwd=folder,
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> str:
    """What a console says when it has begun."""
    assert process.stdout is not None
    lines = []
    while "Ctrl-C" not in (line := process.stdout.readline()):
        assert line, process.communicate()
        lines.append(line)
    return "".join([*lines, line])


def status(url: str) -> int:
    with build_opener(ProxyHandler({})).open(url, timeout=SECONDS) as answer:
        code: int = answer.status
        return code


def test_without_a_window_the_link_is_printed(tmp_path: Path, state_dir: Path) -> None:
    with begun(tmp_path) as process:
        words = told(process)
        (link,) = LINK.findall(words)
        assert str(state_dir / "console" / "open.html") in words
        assert "ten minutes" in words
        assert status(link) == 200


@pytest.mark.skipif(os.name != "posix", reason="the browser is a shell script")
def test_the_browser_is_given_a_file_and_never_the_token(tmp_path: Path, state_dir: Path) -> None:
    browser = tmp_path / "browser"
    # It is open until it is closed, as some browsers are.
    browser.write_text(
        '#!/bin/sh\necho "$@" > opened.part && mv opened.part opened\n'
        "until [ -e closed ]; do sleep 0.1; done\n"
    )
    browser.chmod(0o700)
    with begun(tmp_path, BROWSER=str(browser)) as process:
        words = told(process)
        assert "token" not in words
        assert "opens in your browser" in words
        opened = tmp_path / "opened"
        while not opened.exists():
            assert process.poll() is None
            time.sleep(0.001)  # the condition is awaited, not a time
        given = opened.read_text("utf-8").strip()
        assert given == (state_dir / "console" / "open.html").as_uri()
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0, "it does not wait for the browser"
        (tmp_path / "closed").touch()
        out, error = process.communicate(timeout=SECONDS)
    assert "token" not in out + error


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_signal_ends_it_in_order_and_drafts_stay(tmp_path: Path, state_dir: Path) -> None:
    drafts = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with begun(tmp_path, "--no-open") as process:
            browser = opened(LINK.findall(told(process))[0])
            drafts.append(browser.draft("leads.csv", b"Name\nAnna\n"))
            for place in drafts:
                assert browser.get(place).status == 200
            process.send_signal(number)
            _, error = process.communicate(timeout=SECONDS)
        assert (process.returncode, error) == (
            0,
            "\nThe console ends. What is being sent stops in order.\n",
        )
        assert not (state_dir / "console" / "open.html").exists()


def opened(link: str) -> Browser:
    """A browser that has opened the link of a console in another process."""
    from importer.console.instance import Link

    return LiveConsole(Link(link, Path(), new=True)).browser()


def test_a_second_console_gives_a_new_link_to_the_first_and_ends(tmp_path: Path) -> None:
    with begun(tmp_path, "--no-open") as first:
        before = LINK.findall(told(first))[0]
        with begun(tmp_path, "--no-open") as second:
            out, error = second.communicate(timeout=SECONDS)
        assert (second.returncode, error) == (0, "")
        assert "runs already" in out
        assert "Ctrl-C" not in out, "that would end nothing"
        (after,) = LINK.findall(out)
        assert urlsplit(after).netloc == urlsplit(before).netloc
        assert after != before
        assert status(after) == 200
        assert first.poll() is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com"])  # noqa: S104
def test_another_address_is_refused_with_the_reason(
    cli: Cli, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    assert cli("console", "--host", host) == 2
    error = capsys.readouterr().err
    assert "127.0.0.1 only" in error
    assert "personal data" in error
    assert "ssh -L" in error


def test_a_port_that_is_taken_is_said(tmp_path: Path, state_dir: Path) -> None:
    with begun(tmp_path, "--no-open") as first:
        port = str(urlsplit(LINK.findall(told(first))[0]).port)
        other = str(state_dir.with_name("other"))
        with begun(tmp_path, "--port", port, VCC_STATE_DIR=other) as second:
            _, error = second.communicate(timeout=SECONDS)
    assert second.returncode == 2
    assert f"cannot listen on port {port}" in error
    assert "Traceback" not in error
