"""What keeps the importer fast, counted and not timed, so that a busy machine changes nothing.

Bounds are about twice what is needed today. Where one is passed, something that was done once for
a group, a column or a run is done for each row.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow.compute as pc
import pytest

import importer
from importer.api.bodies import encode
from importer.api.client import Client
from importer.api.verdict import judge
from importer.journal.journal import Journal
from importer.mapping.load import load_mapping
from importer.mapping.plan import Plan, compile_plan
from importer.mapping.records import Evaluated
from importer.model import (
    Batch,
    Event,
    Field,
    FieldType,
    Lease,
    Outcome,
    Progress,
    Project,
    Request,
    Stage,
    Status,
    Stop,
)
from importer.pipeline.examine import Look
from importer.pipeline.preflight import Gate
from importer.pipeline.run import check
from importer.sending.coordinator import coordinate
from importer.sending.local import LocalEngine
from importer.sending.protocol import End, Ending, Report
from importer.settings import BATCH_ROWS, Pace, RetryPolicy, Secret, SourceOptions, Target
from importer.sources import delimited
from tests.support.sheets import batch_of

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
FIELDS = tuple(
    Field(name, name, FieldType.TEXT) for name in ("name", "city", "address", "likes", "signed_on")
)
HEADERS = ("Name", "City", "Zip", "Likes", "Signed", "Phone", "Email", "Price")


def lead(n: int) -> tuple[str, ...]:
    """A row whose phone, e-mail and name no other row has."""
    city, likes = ("Budapest", "Pécs")[n % 2], ("", "golf;chess")[n % 2]
    phone = f"06 30 {n // 10000 % 1000 + 200} {n % 10000:04}"
    unlike = (phone, f"lead{n}@example.com", f"{n % 90}.5")
    return (f"Lead {n}", city, str(1011 + n % 900), likes, "03.04.2024", *unlike)


def write_leads(path: Path, count: int) -> Path:
    lines = [",".join(row) for row in (HEADERS, *map(lead, range(count)))]
    path.write_text("\n".join(lines), "utf-8")
    return path


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
    write_leads(tmp_path / "leads.csv", 5)
    found = imported(tmp_path, "check", "leads.csv", "-m", "m.yaml")
    unwanted = {"aiohttp", "distributed", "dotenv", "jinja2", "openpyxl", "tqdm", "uvloop"}
    unwanted |= {"importer.api.client", "importer.drafting", "importer.sandbox"}
    assert found & {*unwanted, "xlrd", "xlsxwriter"} == set()


# What a row costs on its way through the mapping.


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("mapping") / "m.yaml"
    path.write_text(MAPPING, "utf-8")
    return compile_plan(load_mapping(path), HEADERS)


def batch(first: int, rows: int = BATCH_ROWS) -> Batch:
    """So many rows that no other batch has."""
    return batch_of([lead(n) for n in range(first, first + rows)], first + 2)


def calls(work: Callable[[], object]) -> Counter[str]:
    """How often functions are called, those of Python and those in C."""
    found: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_call"):
            found[f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}"] += 1

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def test_a_batch_is_mapped_by_columns_and_not_by_rows(plan: Plan) -> None:
    """A batch costs calls, and further rows cost none, plain as their cells are."""
    plan.evaluate(batch(0))  # what is remembered from one batch to the next
    half, whole = batch(BATCH_ROWS, BATCH_ROWS // 2), batch(2 * BATCH_ROWS)
    small, large = calls(lambda: plan.evaluate(half)), calls(lambda: plan.evaluate(whole))
    more = large - small
    assert more.total() / (BATCH_ROWS // 2) < 0.1, more.most_common(5)


def test_a_batch_is_mapped_in_few_calls(plan: Plan) -> None:
    """Threads hand the interpreter on at nearly each of them, so they cost more than they take."""
    plan.evaluate(batch(0))
    fresh = batch(BATCH_ROWS)
    assert calls(lambda: plan.evaluate(fresh)).total() < 4500


def test_patterns_see_only_what_bytes_leave_open(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each distinct phone and address is matched a few times; of other columns no cell is."""
    seen: list[int] = []
    match = pc.match_substring_regex

    def counted(texts: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(len(texts))
        return match(texts, *arguments, **options)

    monkeypatch.setattr(pc, "match_substring_regex", counted)
    plan.evaluate(batch(0))
    assert sum(seen) <= 3 * BATCH_ROWS


def test_a_record_costs_few_calls(plan: Plan) -> None:
    evaluated = plan.evaluate(batch(0))
    found = calls(lambda: list(encode(plan.records(evaluated, "run"))))
    assert found.total() / BATCH_ROWS < 20, found.most_common(5)


def test_a_mapped_batch_holds_little_for_a_row(plan: Plan) -> None:
    plan.evaluate(batch(0))
    fresh = batch(BATCH_ROWS)
    before = sys.getallocatedblocks()
    evaluated = plan.evaluate(fresh)
    held = sys.getallocatedblocks() - before
    assert len(evaluated.checked.rows) == BATCH_ROWS
    assert held / BATCH_ROWS < 2


def test_mapping_a_batch_takes_little_memory_on_the_way(plan: Plan) -> None:
    plan.evaluate(batch(0))
    fresh = batch(BATCH_ROWS)
    tracemalloc.start()
    try:
        plan.evaluate(fresh)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / BATCH_ROWS < 600


def test_batches_leave_nothing_behind_that_grows_with_the_file(plan: Plan) -> None:
    def blocks_after(batches: int) -> int:
        for number in range(batches):
            plan.evaluate(batch(number * 2048, 2048))
        return sys.getallocatedblocks()

    few = blocks_after(8)
    assert (blocks_after(24) - few) / (16 * 2048) < 0.1


@pytest.mark.parametrize(
    "gate", [None, Gate(Project(134, FIELDS))], ids=["check", "with a project"]
)
def test_no_batch_is_kept_while_the_next_ones_are_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate | None
) -> None:
    monkeypatch.setattr(delimited, "BATCH_ROWS", 100)
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    leads = write_leads(tmp_path / "leads.csv", 900)
    alive: list[int] = []

    def count(news: Progress | Event) -> None:
        if isinstance(news, Progress) and news.stage is Stage.CHECKING:
            gc.collect()
            alive.append(sum(isinstance(thing, Evaluated) for thing in gc.get_objects()))

    look = Look(tmp_path / "copy.parquet", listener=count, gate=gate)
    check(leads, load_mapping(tmp_path / "m.yaml"), SourceOptions(), look=look)
    assert len(alive) >= 9
    # Of those under way, one may be done.
    assert max(alive) <= 1


# What a row costs on its way to the service and back.


class Answering:
    """An engine whose requests are answered at once, a lease at a time."""

    width = 64

    def distrust(self, row: int) -> None:
        raise AssertionError("no answer is another's")

    async def send(
        self, leases: AsyncIterator[Lease], report: Report, stop: asyncio.Event
    ) -> Stop | None:
        del stop
        async for lease in leases:
            report([Outcome(r.row, Status.CREATED, (str(r.row),), 1, 200) for r in lease.requests])
        return None


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that SQLite runs, over all connections."""
    found: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.set_trace_callback(found.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return found


def test_the_journal_takes_few_statements_for_a_row(tmp_path: Path, statements: list[str]) -> None:
    rows = 6400
    requests = (Request(row, b"{}") for row in range(2, rows + 2))
    with Journal.create(tmp_path / "journal.sqlite3", {}) as journal:
        ending = asyncio.run(coordinate(requests, journal, Answering(), stop=asyncio.Event()))
        begun = len(statements)
        assert sum(1 for _ in journal.outcomes()) == rows
        read = len(statements) - begun
    assert ending == Ending(End.FINISHED)
    assert 0 < begun / rows < 0.1
    assert 0 < read / rows < 0.01


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
            journal.intend([row])
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
