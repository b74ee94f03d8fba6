"""Senders on Dask workers: separate processes, a real service, and what if a worker dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.errors import ServiceError, UsageError
from importer.journal.journal import Journal
from importer.model import Outcome, Request, Status
from importer.sending import cluster as cluster_module
from importer.sending.cluster import SenderActor, SessionError, cluster_senders
from importer.sending.coordinator import coordinate
from importer.sending.frames import (
    FrameKind,
    lease_frame,
    parse_frame,
    read_outcomes,
    renewal_frame,
    split_frames,
)
from importer.sending.protocol import End, Ending
from importer.sending.remote import RemoteEngine, parts_of
from importer.sending.sender import setup_of
from importer.settings import Pace, RetryPolicy, Secret, Target
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

POLICY = RetryPolicy(base=0.01, cap=0.05, give_up_after=2.0)
BODY = b'{"form": {"name": "Lead %d"}}'
KEY = "kEy-Of-ThE-wOrKeRs"

Watch = Callable[[Counter[Status], "asyncio.Event"], None]


def target_of(sandbox: LiveSandbox, key: str = "the coordinator's key is of no use") -> Target:
    return Target(sandbox.base_url, 134, sandbox.customer, Secret(key))


def keyless(target: Target, pace: Pace) -> Callable[[int], list[bytes]]:
    def setups(count: int) -> list[bytes]:
        return [setup_of(target, part, POLICY, keyless=True) for part in parts_of(pace, count)]

    return setups


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of two workers that somebody else has started, with the key."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        local_directory=str(tmp_path_factory.mktemp("dask")),
        silence_logs=logging.CRITICAL,
        env={"VCC_API_KEY": KEY, "VCC_CUSTOMER": "sandbox"},
    ) as running:
        yield running


class Sending:
    """One run over a cluster; `watch` sees what was recorded."""

    def __init__(self, target: Target, scheduler: str | None, folder: Path, pace: Pace) -> None:
        self.target, self.scheduler, self.folder, self.pace = target, scheduler, folder, pace
        self.outcomes: list[Outcome] = []
        self.counts: dict[Status, int] = {}

    def run(self, rows: int, watch: Watch = lambda _, __: None) -> Ending:
        with Journal.create(self.folder / "journal.sqlite3", {}) as journal:
            ending = asyncio.run(self._run(rows, journal, watch))
            self.counts = journal.counts()
        return ending

    async def _run(self, rows: int, journal: Journal, watch: Watch) -> Ending:
        requests = (Request(row, BODY % row) for row in range(2, rows + 2))
        stop, seen = asyncio.Event(), Counter[Status]()

        def take(outcomes: Sequence[Outcome]) -> None:
            self.outcomes += outcomes
            seen.update(outcome.status for outcome in outcomes)
            watch(seen, stop)

        setups = keyless(self.target, self.pace)
        async with cluster_senders(self.target, self.scheduler, 2, setups) as links:
            engine = RemoteEngine(lambda: contextlib.nullcontext(links), len(links), self.pace)
            return await coordinate(requests, journal, engine, stop=stop, on_outcomes=take)


def test_every_row_is_sent_once_and_the_key_is_the_workers_own(
    cluster: Any, tmp_path: Path
) -> None:
    graph: list[bytes] = []

    def look(_: Counter[Status], __: asyncio.Event) -> None:
        graph.extend(pickle.dumps(task.run_spec) for task in cluster.scheduler.tasks.values())

    with live_sandbox(api_key=KEY, log_requests=True) as sandbox:
        target = target_of(sandbox)
        sending = Sending(target, cluster.scheduler_address, tmp_path, Pace(8))
        ending = sending.run(600, look)
        log = sandbox.requests()
    assert ending == Ending(End.FINISHED)
    assert sending.counts[Status.CREATED] == len(log) == 600
    assert len({request.sha256 for request in log}) == 600
    assert any(b"SenderActor" in spec and b"base_url" in spec for spec in graph)
    for key in (KEY, target.api_key.reveal()):
        assert not any(key.encode() in spec for spec in graph)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_the_rows_of_a_killed_worker_are_uncertain_and_the_others_go_on(
    cluster: Any, tmp_path: Path
) -> None:
    nanny = cluster.workers[0]
    address = nanny.worker_address
    killed: list[int] = []

    def kill(seen: Counter[Status], _: asyncio.Event) -> None:
        if not killed and seen[Status.CREATED] >= 200:
            killed.append(nanny.pid)
            os.kill(nanny.pid, signal.SIGKILL)

    with live_sandbox(api_key=KEY, latency="10ms", log_requests=True) as sandbox:
        sending = Sending(target_of(sandbox), cluster.scheduler_address, tmp_path, Pace(16))
        ending = sending.run(1000, kill)
        log = sandbox.requests()
    counts = sending.counts
    assert killed
    assert ending == Ending(End.FINISHED)
    assert counts[Status.CREATED] + counts[Status.UNCERTAIN] == 1000
    assert 0 < counts[Status.UNCERTAIN] <= 16, "at most twice what it had in flight"
    assert max(Counter(request.sha256 for request in log).values()) == 1
    lost = [o for o in sending.outcomes if o.status is Status.UNCERTAIN]
    assert {o.code for o in lost} == {"sender_lost"}
    assert address in str(lost[0].message)


def test_a_stop_lets_what_is_in_flight_finish(cluster: Any, tmp_path: Path) -> None:
    def pull(seen: Counter[Status], stop: asyncio.Event) -> None:
        if seen[Status.CREATED] >= 50:
            stop.set()

    with live_sandbox(api_key=KEY, latency="20ms", log_requests=True) as sandbox:
        sending = Sending(target_of(sandbox), cluster.scheduler_address, tmp_path, Pace(8))
        ending = sending.run(5000, pull)
        log = sandbox.requests()
    assert ending == Ending(End.INTERRUPTED)
    assert sending.counts[Status.UNCERTAIN] == 0
    assert 50 <= sending.counts[Status.CREATED] == len(log) < 5000


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_workers_started_here_are_deaf_to_ctrl_c_and_do_not_show_the_key(tmp_path: Path) -> None:
    others, pids = children(), list[int]()
    shown: list[bytes] = []
    masks: list[dict[str, bool]] = []

    def interrupt(seen: Counter[Status], _: asyncio.Event) -> None:
        if not pids and seen[Status.CREATED] >= 50:
            pids.extend(children() - others)
            for pid in pids:
                shown.extend(Path(f"/proc/{pid}/{n}").read_bytes() for n in ("cmdline", "environ"))
                masks.append(signal_masks(pid))
                os.kill(pid, signal.SIGINT)

    with live_sandbox(api_key="vErY-sEcReT-7", log_requests=True) as sandbox:
        target = target_of(sandbox, "vErY-sEcReT-7")
        sending = Sending(target, None, tmp_path, Pace(8))
        ending = sending.run(300, interrupt)
        log = sandbox.requests()
    assert len(pids) == 2
    assert masks == [{"SigBlk": True, "SigIgn": True}] * 2, "from the first instant, and for ever"
    assert ending == Ending(End.FINISHED)
    assert sending.counts[Status.CREATED] == len(log) == 300
    assert not any(b"vErY-sEcReT-7" in text for text in shown)
    assert not {pid for pid in pids if Path(f"/proc/{pid}").exists()}, "all have ended"


def children() -> set[int]:
    """The worker processes of this one."""
    text = " ".join(p.read_text() for p in Path("/proc/self/task").glob("*/children"))
    found = {int(pid) for pid in text.split()}
    return {pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def signal_masks(pid: int) -> dict[str, bool]:
    """Whether Ctrl-C is blocked in a process, and whether it is ignored."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = {
        name: int(mask, 16)
        for name, _, mask in (line.partition(":") for line in lines)
        if name in ("SigBlk", "SigIgn")
    }
    return {name: bool(mask >> (signal.SIGINT - 1) & 1) for name, mask in masks.items()}


def place(scheduler: str | None, workers: int | None = None) -> list[str]:
    """Place senders and take them away again; their names."""
    target = Target("https://example.com/v2", 134, "sandbox", Secret("k"))

    async def main() -> list[str]:
        setups = keyless(target, Pace(4))
        async with cluster_senders(target, scheduler, workers, setups) as links:
            return [link.name for link in links]

    return asyncio.run(main())


def test_a_worker_of_another_version_is_refused_by_name(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = importer.__version__
    monkeypatch.setattr(importer, "__version__", "99.1")
    with pytest.raises(ServiceError, match=rf"need vcc-importer 99\.1.* has {theirs}") as raised:
        place(cluster.scheduler_address)
    assert raised.value.hint is not None
    assert "vcc-importer[cluster]==99.1" in raised.value.hint


def test_too_few_workers_are_an_error(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ServiceError, match="has 2 workers, and 3 are needed"):
        place(cluster.scheduler_address, 3)


def test_a_worker_of_another_customer_is_refused(cluster: Any) -> None:
    target = Target("https://example.com/v2", 134, "somebody-else", Secret("k"))

    async def main() -> None:
        setups = keyless(target, Pace(4))
        async with cluster_senders(target, cluster.scheduler_address, None, setups):
            pass

    with pytest.raises(ServiceError, match="VCC_CUSTOMER is sandbox") as raised:
        asyncio.run(main())
    assert cluster.workers[0].worker_address.split("//")[0] in str(raised.value)


def test_a_scheduler_out_of_reach_stops_the_run_and_leaves_all_pending(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    Path("leads.csv").write_text("name\nKovács János\nNagy Éva\n", "utf-8")
    Path("leads.yaml").write_text("version: 1\nform:\n  name: {column: name}\n", "utf-8")
    address = "tcp://127.0.0.1:1"
    options = ("--sandbox", "--engine", "dask", "--scheduler", address)
    assert cli("run", "leads.csv", "-m", "leads.yaml", *options) == 3
    said = "".join(capsys.readouterr())
    assert f"the Dask scheduler {address} cannot be reached" in said
    assert "Traceback" not in said
    assert "pending" in said


def test_a_run_over_workers_of_its_own_says_what_any_run_says(
    cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("leads.csv").write_text("name\nKovács János\nNagy Éva\n", "utf-8")
    Path("leads.yaml").write_text("version: 1\nform:\n  name: {column: name}\n", "utf-8")
    arguments = ("-m", "leads.yaml", "--sandbox", "--engine", "dask", "--out", "out")
    assert cli("run", "leads.csv", *arguments, "--workers", "1", "--limit", "1") == 0
    assert cli("resume", "out", "--engine", "dask", "--workers", "1") == 0
    said = "".join(capfd.readouterr())
    assert "distributed" not in said
    assert "created            2" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scheduler", "tcp://h:1"), "is for Dask"),
        (("--engine", "dask", "--scheduler", "h:1"), "write it as tcp://host:8786"),
    ],
)
def test_a_scheduler_is_an_address_and_for_dask(
    cli: Cli, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    Path("leads.csv").write_text("name\nKovács János\n", "utf-8")
    Path("leads.yaml").write_text("version: 1\nform:\n  name: {column: name}\n", "utf-8")
    assert cli("run", "leads.csv", "-m", "leads.yaml", "--sandbox", *options) == 2
    assert said in capsys.readouterr().err


# What Dask may do to an actor, done to one without Dask.


def lease(*rows: int) -> bytes:
    return lease_frame([Request(row, BODY % row) for row in rows])


def term(clock: float) -> bytes:
    """A term long enough for a test."""
    return renewal_frame(clock + 60)


async def settled(sender: SenderActor, session: str, rows: int) -> list[Outcome]:
    """The outcomes of so many rows."""
    had, found = 0, list[Outcome]()
    while len(found) < rows:
        before, content, _ = await sender.collect(session, had)
        assert before == had
        for frame in split_frames(content):
            had += 1
            kind, about = parse_frame(frame)
            found += read_outcomes(about) if kind is FrameKind.OUTCOMES else []
    return found


@pytest.fixture
def own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCC_API_KEY", KEY)
    monkeypatch.delenv("VCC_CUSTOMER", raising=False)


@pytest.mark.usefixtures("own_key")
def test_what_is_pushed_again_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "ABANDONED_SECONDS", 0.5)

    async def main(setup: bytes) -> list[Outcome]:
        sender = SenderActor(setup)
        session, clock = await sender.hello()
        for _ in range(3):
            await sender.push(session, 1, term(clock) + lease(2, 3))
        await sender.push(session, 2, lease(4))
        await sender.push(session, 1, term(clock) + lease(2, 3))
        found = await settled(sender, session, 3)
        with pytest.raises(SessionError, match="call 4 came after 2"):
            await sender.push(session, 4, lease(5))
        with pytest.raises(SessionError, match="made anew"):
            await sender.push("the session of another", 3, lease(5))
        with pytest.raises(SessionError, match="made anew"):
            await sender.collect("the session of another", 0)
        await sender.push(session, 3, lease())
        return found

    with live_sandbox(api_key=KEY, log_requests=True) as sandbox:
        setup = setup_of(target_of(sandbox), Pace(2), POLICY, keyless=True)
        found = asyncio.run(main(setup))
        log = sandbox.requests()
    assert sorted(o.row for o in found) == [2, 3, 4]
    assert len(log) == 3


@pytest.mark.usefixtures("own_key")
def test_frames_are_kept_until_they_are_known_to_have_arrived() -> None:
    async def main(setup: bytes) -> None:
        sender = SenderActor(setup)
        session, clock = await sender.hello()
        await sender.push(session, 1, term(clock) + lease(2))
        first = await sender.collect(session, 0)
        assert first[0] == 0
        assert (await sender.collect(session, 0))[1].startswith(first[1]), "the answer was lost"
        had = len(list(split_frames((await sender.collect(session, 0))[1])))
        await sender.push(session, 2, lease())
        before, content, _ = await sender.collect(session, had)
        assert before == had
        assert [parse_frame(frame)[0] for frame in split_frames(content)] == [FrameKind.END]

    with live_sandbox(api_key=KEY) as sandbox:
        asyncio.run(main(setup_of(target_of(sandbox), Pace(1), POLICY, keyless=True)))


@pytest.mark.usefixtures("own_key")
def test_a_sender_that_nobody_asks_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "ABANDONED_SECONDS", 0.3)

    async def main(setup: bytes) -> None:
        sender = SenderActor(setup)
        session, clock = await sender.hello()
        await sender.push(session, 1, term(clock) + lease(*range(2, 102)))
        async with asyncio.timeout(20):
            with pytest.raises(SessionError, match="has ended"):
                while True:
                    await sender.push(session, 1, b"")

    with live_sandbox(api_key=KEY, latency="50ms", log_requests=True) as sandbox:
        asyncio.run(main(setup_of(target_of(sandbox), Pace(1), POLICY, keyless=True)))
        log = sandbox.requests()
    assert 1 <= len(log) < 20


@pytest.mark.usefixtures("own_key")
def test_a_sender_whose_coordinator_had_no_word_of_it_for_long_sends_nothing() -> None:
    """As one does that was frozen, with what it was pushed meanwhile, and woke up."""

    async def main(setup: bytes, count: Callable[[], int]) -> list[Outcome]:
        sender = SenderActor(setup)
        session, clock = await sender.hello()
        await sender.push(session, 1, renewal_frame(clock) + lease(2, 3))
        _, _, later = await sender.collect(session, 0)
        assert later > clock
        assert count() == 0
        await sender.push(session, 2, term(later))
        return await settled(sender, session, 2)

    with live_sandbox(api_key=KEY, log_requests=True) as sandbox:
        setup = setup_of(target_of(sandbox), Pace(2), POLICY, keyless=True)
        found = asyncio.run(main(setup, sandbox.request_count))
        assert {o.status for o in found} == {Status.CREATED}
        assert [o.attempts for o in found] == [1, 1]
        assert sandbox.request_count() == 2


def test_a_worker_without_a_key_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VCC_API_KEY", raising=False)
    target = Target("https://example.com/v2", 7, "c", Secret("k"))
    setup = setup_of(target, Pace(1), POLICY, keyless=True)
    assert b'"k"' not in setup
    with pytest.raises(UsageError, match="VCC_API_KEY is not set in its environment"):
        asyncio.run(SenderActor(setup).hello())
