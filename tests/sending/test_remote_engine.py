"""Senders in processes of their own: real processes, a real service, and what if one dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from importer.api.client import Client
from importer.journal.journal import Journal
from importer.model import (
    Event,
    Lease,
    Outcome,
    PaceChanged,
    Reply,
    Request,
    Status,
    Stop,
    StrayAnswer,
    Wire,
)
from importer.sending.coordinator import coordinate
from importer.sending.frames import (
    HEAD,
    FrameKind,
    LeaseTerm,
    boot_clock,
    event_frame,
    frame_length,
    lease_frame,
    make_frame,
    outcomes_frame,
    parse_frame,
    read_event,
    read_lease,
    read_outcomes,
    read_stopped,
    renewal_frame,
    stopped_frame,
)
from importer.sending.protocol import End, Ending
from importer.sending.remote import RemoteEngine, parts_of, sender_processes
from importer.sending.sender import Sender, read_setup, setup_of
from importer.settings import MaxFailures, Pace, RetryPolicy, Secret, Target
from tests.support.live_sandbox import LiveSandbox, live_sandbox

POLICY = RetryPolicy(base=0.01, cap=0.05, give_up_after=2.0)


BODY = b'{"form": {"name": "Lead %d"}}'


Watch = Callable[[Counter[Status], "asyncio.Event"], None]


def target_of(sandbox: LiveSandbox) -> Target:
    return Target(sandbox.base_url, 134, sandbox.customer, Secret(sandbox.api_key))


class Sending:
    """One run over sender processes; `pids` are theirs, and `watch` sees what was recorded."""

    def __init__(
        self,
        sandbox: LiveSandbox,
        folder: Path,
        pace: Pace,
        *,
        workers: int = 2,
        policy: RetryPolicy = POLICY,
        body: bytes = BODY,
    ) -> None:
        self.sandbox, self.folder, self.pace = sandbox, folder, pace
        self.workers, self.policy, self.body = workers, policy, body
        self.events: list[Event] = []
        self.outcomes: list[Outcome] = []
        self.counts: dict[Status, int] = {}

    def run(self, rows: int, watch: Watch = lambda _, __: None) -> Ending:
        with Journal.create(self.folder / "journal.sqlite3", {}) as journal:
            ending = asyncio.run(self._run(rows, journal, watch))
            self.counts = journal.counts()
        return ending

    async def _run(self, rows: int, journal: Journal, watch: Watch) -> Ending:
        setups = [
            setup_of(target_of(self.sandbox), part, self.policy)
            for part in parts_of(self.pace, self.workers)
        ]
        engine = RemoteEngine(
            lambda: sender_processes(setups),
            self.workers,
            self.pace,
            self.policy.max_failures,
            self.events.append,
        )
        requests = (Request(row, self.body % row) for row in range(2, rows + 2))
        stop, seen = asyncio.Event(), Counter[Status]()

        def take(outcomes: Sequence[Outcome]) -> None:
            self.outcomes += outcomes
            seen.update(outcome.status for outcome in outcomes)
            watch(seen, stop)

        return await coordinate(requests, journal, engine, stop=stop, on_outcomes=take)


def children(parent: int | None = None) -> list[int]:
    """The sender processes of this one, or of another."""
    found = subprocess.run(
        ["pgrep", "-P", str(parent or os.getpid()), "-f", "importer.sending.sender"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(pid) for pid in found.stdout.split()]


def test_a_width_that_is_tried_gets_the_rows_to_fill_it(tmp_path: Path) -> None:
    with live_sandbox(latency="50ms") as sandbox:
        sending = Sending(sandbox, tmp_path, Pace(), workers=1)
        assert sending.run(1500) == Ending(End.FINISHED)
    widths = [event.width for event in sending.events if isinstance(event, PaceChanged)]
    assert max(widths, default=0) >= 32


def test_every_row_is_sent_once_over_several_processes(tmp_path: Path) -> None:
    with live_sandbox(log_requests=True) as sandbox:
        sending = Sending(sandbox, tmp_path, Pace(9), workers=3)
        ending = sending.run(600)
        log = sandbox.requests()
    assert ending == Ending(End.FINISHED)
    assert sending.counts[Status.CREATED] == len(log) == 600
    assert len({request.sha256 for request in log}) == 600
    assert {o.numberids for o in sending.outcomes} == {(str(r.numberid),) for r in log}
    assert children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and pgrep")
def test_the_rows_of_a_killed_process_are_uncertain_and_the_others_go_on(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(seen: Counter[Status], _: asyncio.Event) -> None:
        if not killed and seen[Status.CREATED] >= 40:
            killed.append(children()[0])
            os.kill(killed[0], signal.SIGKILL)

    # Slow answers, each after another time: a sender has requests in flight at every instant,
    # however late the coordinator grants it the next rows.
    with live_sandbox(latency="150ms-350ms", log_requests=True) as sandbox:
        sending = Sending(sandbox, tmp_path, Pace(16))
        ending = sending.run(160, kill)
        log = sandbox.requests()
    counts = sending.counts
    assert ending == Ending(End.FINISHED)
    assert counts[Status.CREATED] + counts[Status.UNCERTAIN] == 160
    assert 0 < counts[Status.UNCERTAIN] <= 16, "at most twice what it had in flight"
    assert max(Counter(request.sha256 for request in log).values()) == 1
    lost = [o for o in sending.outcomes if o.status is Status.UNCERTAIN]
    assert {o.code for o in lost} == {"sender_lost"}
    assert f"sender process {killed[0]}" in str(lost[0].message)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and pgrep")
def test_with_all_processes_killed_the_run_stops_and_can_go_on_later(tmp_path: Path) -> None:
    def kill(seen: Counter[Status], _: asyncio.Event) -> None:
        if seen[Status.CREATED] >= 100:
            for pid in children():
                os.kill(pid, signal.SIGKILL)

    with live_sandbox(latency="10ms", log_requests=True) as sandbox:
        sending = Sending(sandbox, tmp_path, Pace(8))
        ending = sending.run(2000, kill)
        log = sandbox.requests()
    assert ending.end is End.STOPPED
    assert ending.stop is not None
    assert ending.stop.code == "senders_lost"
    assert sum(sending.counts.values()) < 2000, "the others are pending"
    assert sending.counts[Status.UNCERTAIN] <= 16
    assert max(Counter(request.sha256 for request in log).values()) == 1


def test_a_stop_lets_what_is_in_flight_finish(tmp_path: Path) -> None:
    def pull(seen: Counter[Status], stop: asyncio.Event) -> None:
        if seen[Status.CREATED] >= 100:
            stop.set()

    with live_sandbox(latency="20ms", log_requests=True) as sandbox:
        sending = Sending(sandbox, tmp_path, Pace(8))
        ending = sending.run(5000, pull)
        log = sandbox.requests()
    assert ending == Ending(End.INTERRUPTED)
    assert sending.counts[Status.UNCERTAIN] == 0
    assert 100 <= sending.counts[Status.CREATED] == len(log) < 5000


def test_a_refusal_stops_all_and_leaves_nothing_uncertain(tmp_path: Path) -> None:
    with live_sandbox(faults=[{"kind": "unauthorized", "from": 150}], log_requests=True) as sandbox:
        sending = Sending(sandbox, tmp_path, Pace(8))
        ending = sending.run(2000)
        log = [request for request in sandbox.requests() if request.numberid is not None]
    assert ending.end is End.STOPPED
    assert sending.counts[Status.UNCERTAIN] == 0
    assert sending.counts[Status.CREATED] == len(log) == 149


def test_failures_are_counted_over_all_processes(tmp_path: Path) -> None:
    policy = RetryPolicy(max_failures=MaxFailures(20))
    with live_sandbox() as sandbox:
        sending = Sending(sandbox, tmp_path, Pace(8), policy=policy, body=b'{"form": {"no": "%d"}}')
        ending = sending.run(2000)
    assert ending.stop is not None
    assert ending.stop.code == "too_many_failures"
    assert 20 < sending.counts[Status.REJECTED] <= 20 + 16


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_the_key_stands_in_no_command_line_and_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VCC_API_KEY", "vErY-sEcReT-7")
    seen_of_children: list[bytes] = []

    def look(_: Counter[Status], __: asyncio.Event) -> None:
        for pid in children() if not seen_of_children else ():
            for name in ("cmdline", "environ"):
                seen_of_children.append(Path(f"/proc/{pid}/{name}").read_bytes())

    with live_sandbox(api_key="vErY-sEcReT-7") as sandbox:
        Sending(sandbox, tmp_path, Pace(4)).run(50, look)
    assert len(seen_of_children) == 4
    assert b"importer.sending.sender" in seen_of_children[0]
    assert not any(b"vErY-sEcReT-7" in text for text in seen_of_children)


class ByHand:
    """A sender process that a test talks to by itself."""

    def __init__(self, sandbox: LiveSandbox) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "importer.sending.sender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.say(make_frame(FrameKind.SETUP, setup_of(target_of(sandbox), Pace(1), POLICY)))

    def say(self, *frames: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(frames))
        self.process.stdin.flush()

    def hear(self) -> tuple[FrameKind, bytes]:
        assert self.process.stdout is not None
        head = self.process.stdout.read(HEAD)
        return parse_frame(self.process.stdout.read(frame_length(head)))

    def outcomes(self) -> list[Outcome]:
        """All that it reports until it ends."""
        found: list[Outcome] = []
        while (said := self.hear())[0] is not FrameKind.END:
            found += read_outcomes(said[1]) if said[0] is FrameKind.OUTCOMES else []
        return found

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_a_sender_that_was_frozen_sends_nothing_of_a_lease_that_is_over() -> None:
    with live_sandbox(latency="20ms", log_requests=True) as sandbox:
        sender = ByHand(sandbox)
        until = boot_clock() + 3
        sender.say(renewal_frame(until))
        sender.say(lease_frame([Request(row, BODY % row) for row in range(2, 1002)]))
        while sandbox.request_count() == 0:
            assert sender.process.poll() is None
            if boot_clock() > until - 1:  # a slow machine starts a process for seconds
                until = boot_clock() + 3
                sender.say(renewal_frame(until))
            time.sleep(0.001)
        sender.process.send_signal(signal.SIGSTOP)
        os.waitpid(sender.process.pid, os.WUNTRACED)
        before = sandbox.request_count()
        # More than the term has left: what was frozen must find it over.
        time.sleep(max(0.0, until - boot_clock()))
        sender.process.send_signal(signal.SIGCONT)
        sender.say(make_frame(FrameKind.HALT))
        found = sender.outcomes()
        sender.close()
        # One that was being written when it was stopped is as good as sent.
        assert sandbox.request_count() <= before + 1
        assert sandbox.request_count() < 400
    states = Counter(outcome.status for outcome in found)
    assert states[Status.PENDING] >= 600
    assert sum(states.values()) == 1000


def test_a_sender_waits_for_its_lease_to_be_renewed_and_loses_nothing() -> None:
    with live_sandbox(log_requests=True) as sandbox:
        sender = ByHand(sandbox)
        sender.say(renewal_frame(boot_clock()), lease_frame([Request(2, BODY % 2)]))
        sender.say(renewal_frame(boot_clock() + 60), lease_frame(()))
        found = sender.outcomes()
        sender.close()
        assert [(o.status, o.attempts) for o in found] == [(Status.CREATED, 1)]
        assert sandbox.request_count() == 1


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_frozen_senders_end_with_their_parent(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text(
        "\n".join(["Name,Phone", *(f"N {n},0630{1_000_000 + n}" for n in range(2000)), ""])
    )
    mapping = "version: 1\nproject: 134\nregion: HU\nform: {name: Name}\n"
    (tmp_path / "m.yaml").write_text(mapping + "contacts: {1: {phone: Phone}}\n")
    with live_sandbox(latency="20ms", log_requests=True) as sandbox:
        command = [sys.executable, "-m", "importer", "run", "leads.csv", "-m", "m.yaml", "--quiet"]
        run = subprocess.Popen(
            [
                *(*command, "--base-url", sandbox.base_url, "--out", "out"),
                *("--engine", "processes", "--concurrency", "4"),
            ],
            cwd=tmp_path,
            env={**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"},
        )
        while sandbox.request_count() == 0:
            assert run.poll() is None
        senders = children(run.pid)
        assert senders
        for pid in senders:
            os.kill(pid, signal.SIGSTOP)
        run.kill()
        run.wait()
        before = sandbox.request_count()
        for pid in senders:
            # One that was frozen before it could ask for the signal must see for itself.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        while any(map(is_running, senders)):
            pass  # the kernel's business, at once
        # What was in flight when they were stopped is worked off; they held twice as many rows.
        assert sandbox.request_count() <= before + 4


def test_what_a_sender_needs_to_know_arrives(tmp_path: Path) -> None:
    target = Target("https://example.com/v2", 7, "c", Secret("k"), tmp_path / "ca.pem")
    pace = Pace(3, 5.0, timeout=9.0)
    policy = RetryPolicy(retry_on=frozenset({502}), max_failures=MaxFailures(2, percent=True))
    found = read_setup(setup_of(target, pace, policy))
    assert found[0].api_key.reveal() == "k"
    assert replace(found[0], api_key=target.api_key) == target
    assert found[1:] == (pace, replace(policy, max_failures=None))


@pytest.mark.parametrize(
    ("pace", "workers", "widths", "rates"),
    [
        (Pace(10), 3, [4, 3, 3], [None] * 3),
        (Pace(1), 2, [1], [None]),
        (Pace(None, 30.0), 2, [None, None], [15.0, 15.0]),
    ],
)
def test_a_pace_is_divided_among_workers(
    pace: Pace, workers: int, widths: list[int | None], rates: list[float | None]
) -> None:
    parts = parts_of(pace, workers)
    assert [part.concurrency for part in parts] == widths
    assert [part.rate for part in parts] == rates


def test_with_a_fixed_concurrency_the_width_that_is_told_is_that() -> None:
    @dataclass
    class Ending:
        """A link whose sender tells of a new rate, and ends when it is asked to."""

        name: str
        told: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

        @property
        def clock(self) -> float:
            return boot_clock()

        def send(self, frame: bytes) -> None:
            if parse_frame(frame[HEAD:])[0] is not FrameKind.RENEW:
                self.told.put_nowait(make_frame(FrameKind.END)[HEAD:])

        async def frames(self) -> AsyncIterator[bytes]:
            while True:
                yield await self.told.get()

    events: list[Event] = []

    async def main() -> None:
        links = [Ending("a"), Ending("b")]
        links[0].told.put_nowait(event_frame(PaceChanged(32, 10.0))[HEAD:])
        heard = asyncio.Event()

        def hear(event: Event) -> None:
            events.append(event)
            heard.set()

        async def leases() -> AsyncIterator[Lease]:
            await heard.wait()
            for lease in list[Lease]():
                yield lease

        engine = RemoteEngine(lambda: nullcontext(links), 2, Pace(64), on_event=hear)
        await engine.send(leases(), lambda outcomes: None, asyncio.Event())

    asyncio.run(main())
    assert events == [PaceChanged(64, 20.0)]


def test_an_answer_too_many_is_told_of_once_though_all_senders_hear_of_it() -> None:
    class Telling:
        """A sender that tells of an answer too many when it is told so, as senders do."""

        clock = 0.0

        def __init__(self, name: str) -> None:
            self.name = name
            self.told: asyncio.Queue[bytes] = asyncio.Queue()

        def send(self, frame: bytes) -> None:
            match parse_frame(frame[HEAD:]):
                case (FrameKind.DISTRUST, _):
                    self.told.put_nowait(event_frame(StrayAnswer("another's word"))[HEAD:])
                    self.told.put_nowait(make_frame(FrameKind.END)[HEAD:])

        async def frames(self) -> AsyncIterator[bytes]:
            while True:
                yield await self.told.get()

    events: list[Event] = []
    renewals: list[bool] = []

    async def main() -> None:
        links = [Telling("a"), Telling("b")]
        links[0].told.put_nowait(event_frame(StrayAnswer("seen"))[HEAD:])

        async def leases() -> AsyncIterator[Lease]:
            for lease in list[Lease]():
                yield lease

        engine = RemoteEngine(
            lambda: nullcontext(links),
            2,
            Pace(64),
            on_event=events.append,
            on_renewal=lambda: renewals.append(True),
        )
        await engine.send(leases(), lambda outcomes: None, asyncio.Event())

    asyncio.run(main())
    assert events == [StrayAnswer("seen")]
    assert renewals


def test_a_sender_that_meets_a_bug_tells_first_what_was_answered() -> None:
    frames: list[bytes] = []

    class Buggy:
        async def add(self, body: bytes) -> Reply:
            if body == b"boom":
                await asyncio.sleep(0)
                raise ZeroDivisionError
            return Reply(Wire.ANSWERED, 200, True, ("6",))

        async def probe(self) -> Reply:
            raise AssertionError("nothing is to be probed")

        def stop_reusing_connections(self) -> None:
            raise AssertionError("no answer is another's")

    async def main() -> None:
        term = LeaseTerm()
        term.renew(boot_clock() + 60)
        sender = Sender(cast(Client, Buggy()), Pace(32), RetryPolicy(), term, frames.append)
        bodies = [b"{}"] * 5 + [b"boom"]
        sender.take(lease_frame([Request(n, body) for n, body in enumerate(bodies, 2)])[HEAD:])
        await sender.work()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    told = {
        outcome.row: outcome.status
        for kind, content in (parse_frame(frame[HEAD:]) for frame in frames)
        if kind is FrameKind.OUTCOMES
        for outcome in read_outcomes(content)
    }
    assert told == {**dict.fromkeys(range(2, 7), Status.CREATED), 7: Status.UNCERTAIN}


def test_frames_come_out_as_they_went_in() -> None:
    lease = (Request(2, b"{}"), Request(2**40, b""), Request(3, "{ő}".encode()))
    outcomes = [
        Outcome(2, Status.CREATED, ("6", "7"), 1, 200),
        Outcome(3, Status.UNCERTAIN, (), 2, None, "lost", "half a pair: \ud800", "hint"),
    ]
    event, verdict = PaceChanged(4, None), Stop("unauthorized", "no", "look")

    def through(frame: bytes) -> tuple[FrameKind, bytes]:
        return parse_frame(frame[HEAD:])

    assert read_lease(through(lease_frame(lease))[1]) == lease
    assert read_event(through(event_frame(event))[1]) == event
    assert read_stopped(through(stopped_frame(verdict))[1]) == verdict
    found = read_outcomes(through(outcomes_frame(outcomes))[1])
    assert found[0] == outcomes[0]
    assert found[1].message == "half a pair: ?"
    assert through(make_frame(FrameKind.HALT)) == (FrameKind.HALT, b"")
