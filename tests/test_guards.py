"""What keeps the importer fast: what a start imports, and how many connections a run opens.

`benchmarks/counting.py` counts what a row costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import importer
from importer.api.client import Client
from importer.api.verdict import judge
from importer.journal.journal import Journal
from importer.model import Outcome, Request, Status
from importer.sending.coordinator import coordinate
from importer.sending.local import LocalEngine
from importer.sending.protocol import End, Ending
from importer.settings import Pace, RetryPolicy, Secret, Target

MAPPING = """\
version: 1
project: 134
region: HU
form:
  name: Name
  city: {column: City, choices: [Budapest, Pécs]}
  address: {template: "{Zip} {City}"}
  likes: {column: Likes, multiple: true, split: [";"]}
  signed_on: {column: Signed, type: date, input: ["%d.%m.%Y"], output: "%Y-%m-%d"}
contacts: {1: {name: Name, phone: Phone, email: Email}}
premium: {price: {column: Price, type: decimal}}
rows: {unique: [contacts.1.phone]}
"""
LEADS = """\
Name,City,Zip,Likes,Signed,Phone,Email,Price
Lead 0,Budapest,1011,,03.04.2024,06 30 200 0000,lead0@example.com,0.5
Lead 1,Pécs,1012,golf;chess,03.04.2024,06 30 200 0001,lead1@example.com,1.5
"""


# What a start imports.

HEAVY = {
    *("aiohttp", "distributed", "dotenv", "email_validator", "numpy", "orjson"),
    *("phonenumbers", "pyarrow", "pydantic", "python_calamine", "ruamel", "tqdm", "xlsxwriter"),
    *("asyncio", "dataclasses", "importlib.metadata", "logging", "sqlite3"),
}
"""Libraries of others, and those of Python that are slow to import."""


def imported(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command line imports, beyond those of Python's own start."""
    program = (
        "import sys; before = set(sys.modules)\n"
        "from importer.cli.main import run_cli\n"
        "code = run_cli(sys.argv[1:])\n"
        "print(code, *(set(sys.modules) - before))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(Path(importer.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
    )
    code, *modules = ran.stdout.decode().splitlines()[-1].split()
    assert code == "0", ran.stderr
    return set(modules)


@pytest.fixture(scope="module")
def of_click() -> set[str]:
    """What click itself imports to show the help of a group."""
    program = (
        "import sys, click; click.Group('x').main(['--help'], standalone_mode=False)\n"
        "print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(ran.stdout.decode().splitlines()[-1].split())


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_shortest_commands_import_click_and_next_to_nothing_else(
    tmp_path: Path, of_click: set[str], option: str
) -> None:
    own = {"importer", "importer.errors"}
    own |= {f"importer.cli{name}" for name in ("", ".main", ".signals")}
    assert imported(tmp_path, option) - of_click <= {*own, "signal"}


@pytest.mark.parametrize("command", ["run", "check", "preview", "init", "resume", "sandbox"])
def test_the_help_of_a_command_imports_no_library(tmp_path: Path, command: str) -> None:
    found = imported(tmp_path, command, "--help")
    assert found & HEAVY <= {"dataclasses", "logging"}


def test_a_check_of_a_text_file_imports_nothing_that_sends_or_writes_workbooks(
    tmp_path: Path,
) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "leads.csv").write_text(LEADS, "utf-8")
    found = imported(tmp_path, "check", "leads.csv", "-m", "m.yaml")
    unwanted = {"aiohttp", "distributed", "dotenv", "jinja2", "openpyxl", "tqdm", "uvloop"}
    unwanted |= {"importer.api.client", "importer.drafting", "importer.sandbox"}
    assert found & {*unwanted, "xlrd", "xlsxwriter"} == set()


# Connections.


class Desk:
    """A service that keeps its connections open, and counts them."""

    def __init__(self) -> None:
        self.connections = self.open = self.most = self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
                self.requests += 1
                body = b'{"errors": [], "response": [6]}'
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        self.open -= 1
        writer.close()


def test_requests_share_as_many_connections_as_may_be_in_flight(tmp_path: Path) -> None:
    rows, pace = 400, Pace(concurrency=8)

    async def main(desk: Desk) -> Ending:
        server = await asyncio.start_server(desk.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        target = Target(f"http://127.0.0.1:{port}/v2", 134, "sandbox", Secret("sandbox"))
        requests = (Request(row, b"{}") for row in range(2, rows + 2))
        async with server:
            with Journal.create(tmp_path / "journal.sqlite3", {}) as journal:
                async with Client(target, pace) as client:
                    engine = LocalEngine(client.add, judge, RetryPolicy(), pace.concurrency)
                    return await coordinate(requests, journal, engine, stop=asyncio.Event())

    desk = Desk()
    assert asyncio.run(main(desk)) == Ending(End.FINISHED)
    assert desk.requests == rows
    assert desk.most <= desk.connections <= 8


def test_a_run_opens_few_connections_to_its_journal(tmp_path: Path) -> None:
    with counted_connections() as found, Journal.create(tmp_path / "j.sqlite3", {}) as journal:
        for row in range(2, 52):
            journal.record(intents=[row])
            journal.settle([Outcome(row, Status.CREATED, ("6",), 1, 200)])
        list(journal.outcomes())
    assert len(found) == 2, "the journal and its lock"


@contextlib.contextmanager
def counted_connections() -> Iterator[list[str]]:
    """The files that SQLite opens, as the interpreter itself tells of them."""
    found: list[str] = []
    listening = True

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event == "sqlite3.connect":
            found.append(str(arguments[0]))

    sys.addaudithook(hear)
    try:
        yield found
    finally:
        listening = False
