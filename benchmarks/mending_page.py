"""How long it takes from Enter in the console's page to the new verdict in it.

    python -m benchmarks.mending_page [--rows 20000,200000] [--rounds 5]

A console of its own is given the lists of leads.py, with every fiftieth row wrong. Edits are sent
to it as htmx does, from a page of a hundred rows; the time is that of the whole answer. Where
Playwright and Chromium are installed, they are typed into the page, too, and the time is from the
key to the words in it. Beside it stands the most memory that the console has had, and that of
``vcc-import check`` of the same list. Exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode, urlsplit

from benchmarks.leads import MAPPING, write_csv
from benchmarks.measuring import run_process, table
from benchmarks.mending import FAULTS, TARGETS
from importer.console.drafts import Drafts

_PATIENCE = 600.0
_CELL = re.compile(
    r'name="row" value="(\d+)"><input type="hidden" name="column" value="(\d+)">'
    r'<input type="hidden" name="key" value="(\w+)">\s*<label class="unseen"'
)
_TIMED = """\
(id) => new Promise((resolve) => {
    const said = document.getElementById("fix-said");
    let begun = 0;
    new MutationObserver((_, observer) => {
        observer.disconnect();
        requestAnimationFrame(() => resolve((performance.now() - begun) / 1000));
    }).observe(said, {childList: true, characterData: true, subtree: true});
    const field = document.getElementById(id);
    field.value += " 1";
    field.focus();
    begun = performance.now();
    field.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true}));
})
"""
"""Types into a cell, and gives the seconds from Enter until the frame in which the words stand."""


def main() -> int:
    """Measure, print a table, and say by the exit code whether all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(map(str, TARGETS)))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    lines, missed = [], False
    for count in map(int, options.rows.split(",")):
        with TemporaryDirectory() as folder:
            found, peaks = _measure(Path(folder), count, options.rounds)
        target = TARGETS.get(count)
        for kind, seconds in found.items():
            middle = statistics.median(seconds)
            held = target is not None and kind != _FIRST
            missed |= held and middle > (target or 0.0)
            aim = f"{target:.1f} s" if held else ""
            line = (f"{count:,} rows: {kind}", f"{middle:.2f} s", f"{max(seconds):.2f} s", aim)
            lines.append(line)
        for name, peak in peaks.items():
            lines.append((f"{count:,} rows: memory of {name}", f"{peak:.0f} MiB", "", ""))
    print(table(("in the page", "median", "slowest", "target"), lines))
    return int(missed)


_FIRST = "the first page, with the first check"


@dataclass
class _Page:
    """A page of the step as a browser holds it, and the connection that it keeps."""

    url: str
    cookie: str
    address: str
    csrf: str = ""
    columns: str = ""
    marks: dict[str, str] = field(default_factory=dict)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=_PATIENCE)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> str:
        headers = {"Cookie": self.cookie, "Sec-Fetch-Site": "same-origin", "Origin": self.url}
        if form is not None:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "HX-Request": "true",
            }
        body = urlencode(form) if form is not None else None
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} for {path}: {text[:500]}")
        return text

    def load(self) -> None:
        """Load the page, as often as it says that the list is being checked."""
        end = time.monotonic() + _PATIENCE
        while "is being checked" in (text := self.ask("GET", self.address)):
            if time.monotonic() > end:
                raise RuntimeError("the list was not checked")
            time.sleep(0.02)
        self.csrf = _found(r'name="csrf" value="(\w+)"', text)
        self.columns = _found(r'data-columns="([\d,]+)"', text)
        self.wrong = _CELL.findall(text)
        self._note(text)

    def exchange(self, part: str, **form: str) -> str:
        """Send a form as htmx does, and take over what is another."""
        marks = ",".join(f"{name}={mark}" for name, mark in self.marks.items())
        sent = {"csrf": self.csrf, "columns": self.columns, "marks": marks, **form}
        text = self.ask("POST", f"{self.address}/{part}", sent)
        self._note(text)
        return text

    def _note(self, text: str) -> None:
        self.marks |= dict(re.findall(r'id="([^"]+)" data-mark="([^"]+)"', text))


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"the page has no {pattern}")
    return found[1]


def _measure(
    folder: Path, count: int, rounds: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    leads = write_csv(folder / "leads.csv", count, FAULTS)
    found: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    with _console(folder) as (link, process):
        url = f"http://{urlsplit(link).netloc}"
        page = _Page(url, _session(link), _draft(folder, leads))
        start = time.perf_counter()
        page.load()
        found[_FIRST] = [time.perf_counter() - start]

        def timed(kind: str, part: str, **form: str) -> None:
            start = time.perf_counter()
            page.exchange(part, **form)
            found.setdefault(kind, []).append(time.perf_counter() - start)

        for _ in range(rounds):
            row, column, key = page.wrong.pop(0)
            timed("a cell", "cell", row=row, column=column, key=key, text=f"mended {row}")
            timed("a row is left out", "leave-out", row=row)
            timed("a row is taken back", "take-back", row=row)
            edit = _found(r'name="edit" value="(\d+)"', page.ask("GET", page.address))
            timed("the last edit is undone", "undo", edit=edit)
        typed = _typed(url, page, rounds)
        if typed:
            found["a cell, in Chromium, from Enter to the words"] = typed
        if (peak := _peak(process.pid)) is not None:
            peaks["the console"] = peak
    command = [sys.executable, "-m", "importer", "check", leads, "-m", MAPPING]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    peaks["vcc-import check"] = run_process(
        command, folder=folder, env=environment, codes=(0, 1)
    ).peak
    return found, peaks


@contextmanager
def _console(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A console of its own in a folder: its link, and its process."""
    command = [sys.executable, "-m", "importer", "console", "--no-open"]
    environment = {
        **os.environ,
        "VCC_STATE_DIR": str(folder / "state"),
        "PYTHONPATH": str(Path.cwd()),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment,
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if link := re.search(r"http://\S+/open\?token=[\w-]+", line):
                yield link[0], process
                break
        else:
            raise RuntimeError(f"the console did not begin: {said}")
    finally:
        process.terminate()
        process.communicate()


def _session(link: str) -> str:
    """Open the link; give the cookie of the session."""
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("GET", f"{parts.path}?{parts.query}")
    cookie = connection.getresponse().headers["Set-Cookie"].partition(";")[0]
    connection.close()
    return cookie


def _draft(folder: Path, leads: Path) -> str:
    """A draft of the list, which is put where uploads come to; the address of its step."""
    drafts = Drafts(folder / "state" / "console" / "drafts")
    with drafts.receive(leads.name) as upload:
        with leads.open("rb") as file:
            while piece := file.read(2**20):
                upload.write(piece)
        draft = upload.keep()
    drafts.set_mapping(draft.id, MAPPING.read_text("utf-8"))
    return f"/drafts/{draft.id}/fix"


def _typed(url: str, page: _Page, rounds: int) -> list[float]:
    """Type into cells of the page in Chromium; nothing where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    if path is None:
        return []
    # Chromium's own sandbox does not work for root, as whom containers run.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=arguments)
        context = browser.new_context()
        context.set_default_timeout(_PATIENCE * 1000)
        name, _, value = page.cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": url}])
        shown = context.new_page()
        shown.goto(f"{url}{page.address}")
        shown.locator("table.fixing").wait_for()
        fields = shown.locator("table.fixing [aria-invalid=true]")
        ids = fields.evaluate_all("(all) => all.map((one) => one.id)")[:rounds]
        seconds = [float(shown.evaluate(_TIMED, one)) for one in ids]
        browser.close()
    return seconds


def _peak(pid: int) -> float | None:
    """The most memory that a process has had, in MiB; None where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found is not None else None


if __name__ == "__main__":
    sys.exit(main())
