"""How near `--concurrency auto` comes to the best fixed one, and what a rate limit teaches it.

Prints Markdown tables. Everything is real but the service, which is a process of its own: bare
HTTP over a loopback socket, so that it is not what is measured. It serves `capacity` requests at
once, each for 20 ms, and lets others queue; or it lets `rate` requests a second through, from a
bucket of `burst`, and answers 429 with `Retry-After: 1` to all others.

    python -m benchmarks.pace [--seconds 20] [--repeats 3] [--capacity 4,16,64,200] [--rates 300]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import multiprocessing
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer.api.client import Client
from importer.api.verdict import judge
from importer.journal.journal import Journal
from importer.model import Event, Outcome, PaceChanged, Reply, Request, Status
from importer.sending.coordinator import coordinate
from importer.sending.local import LocalEngine
from importer.sending.loop import run_loop
from importer.settings import WIDEST, Pace, RetryPolicy, Secret, Target

LATENCY = 0.02
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{"errors": [], "response": [6]}'
SLOW_DOWN = b"HTTP/1.1 429 Slow Down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
BODY = b'{"form":{"name":"Kovacs Janos","city":"Budapest"},"contacts":{"1":{"phone":"3619997400"}}}'


@dataclass(frozen=True, slots=True)
class Service:
    """What the service stands: requests at once, and in a second; None is any number."""

    capacity: int | None = None
    rate: float | None = None
    burst: float = 1.0
    latency: float = LATENCY


class Desk:
    """The service's state."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._free_at = [0.0] * (service.capacity or 0)
        self._next = 0
        self._tokens, self._then = service.burst, time.monotonic()

    def delay(self) -> float | None:
        """Seconds until a request that comes now is answered; None: it is turned away."""
        now, service = time.monotonic(), self._service
        if service.rate is not None:
            grown = self._tokens + (now - self._then) * service.rate
            self._tokens, self._then = min(service.burst, grown), now
            if self._tokens < 1:
                return None
            self._tokens -= 1
        if not self._free_at:
            return service.latency
        # All take equally long, so places are free again in the order they were taken.
        done = max(now, self._free_at[self._next]) + service.latency
        self._free_at[self._next] = done
        self._next = (self._next + 1) % len(self._free_at)
        return done - now


class Connection(asyncio.Protocol):
    """Just enough of HTTP: requests with a Content-Length, one after the other."""

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        self._desk, self._loop = desk, loop
        self._transport: Any = None
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        delay = self._desk.delay()
        if delay is None:
            self._transport.write(SLOW_DOWN)
        elif delay < 0.001:
            self._answer()
        else:
            self._loop.call_later(delay, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(OK)


def serve(service: Service, ports: Any) -> None:
    """Serve until killed; tell the port first."""

    async def main() -> None:
        loop, desk = asyncio.get_running_loop(), Desk(service)
        server = await loop.create_server(lambda: Connection(desk, loop), "127.0.0.1", 0)
        ports.put(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    run_loop(main())


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: rows created and 429s seen in so many seconds, and the pace it ended with."""

    created: int
    throttled: int
    seconds: float
    width: int
    learned: float | None

    @property
    def speed(self) -> float:
        """Rows created a second."""
        return self.created / self.seconds

    @property
    def turned_away(self) -> float:
        """The part of requests that were answered with 429."""
        return self.throttled / max(1, self.created + self.throttled)


def requests() -> Iterator[Request]:
    """Rows without end."""
    return (Request(row, BODY) for row in itertools.count(2))


def measure(service: Service, pace: Pace, seconds: float) -> Measured:
    """Send for so many seconds through everything that a real run sends through."""
    context = multiprocessing.get_context("spawn")
    ports = context.Queue()
    process = context.Process(target=serve, args=(service, ports), daemon=True)
    process.start()
    try:
        url = f"http://127.0.0.1:{ports.get()}/v2"
        with tempfile.TemporaryDirectory() as folder:
            target = Target(url, 134, "sandbox", Secret("sandbox"))
            return run_loop(_measure(target, pace, seconds, Path(folder)))
    finally:
        process.terminate()
        process.join()


async def _measure(target: Target, pace: Pace, seconds: float, folder: Path) -> Measured:
    counts = {"created": 0, "throttled": 0}
    stop = asyncio.Event()

    def seen(outcomes: Sequence[Outcome]) -> None:
        counts["created"] += sum(o.status is Status.CREATED for o in outcomes)

    def tell(event: Event) -> None:
        if isinstance(event, PaceChanged) and VERBOSE:
            print(f"    {time.monotonic() - began:6.2f} s: {event}")

    with Journal.create(folder / "journal.sqlite3", {}) as journal:
        async with Client(target, pace) as client:

            async def post(body: bytes) -> Reply:
                reply = await client.add(body)
                counts["throttled"] += reply.http_status == 429
                return reply

            engine = LocalEngine(
                post, judge, RetryPolicy(), pace.concurrency, pace.rate, on_event=tell
            )
            began = time.monotonic()
            asyncio.get_running_loop().call_later(seconds, stop.set)
            await coordinate(requests(), journal, engine, stop=stop, on_outcomes=seen)
            elapsed = time.monotonic() - began
    return Measured(
        counts["created"], counts["throttled"], elapsed, engine.pacer.width, engine.pacer.rate
    )


VERBOSE = False


def say(*cells: object) -> None:
    """A row of a Markdown table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def widths(capacities: Sequence[int], seconds: float, repeats: int) -> None:
    """The table of capacities: the median of some rounds, each of which measures all widths."""
    say("at once", *(f"fixed {name}" for name in ("K", "1.25 K", "2 K", "4 K")), "auto", "of best")
    say(*["---:"] * 7)
    for capacity in capacities:
        service = Service(capacity=capacity)
        fixed = [min(WIDEST, math.ceil(capacity * part)) for part in (1, 1.25, 2, 4)]
        speeds: dict[int | None, list[float]] = {width: [] for width in (*fixed, None)}
        width = 0
        for turn in range(repeats):
            # Whoever comes first meets another machine than whoever comes last.
            order = list(speeds.items())
            for concurrency, found in order[turn % len(order) :] + order[: turn % len(order)]:
                measured = measure(service, Pace(concurrency=concurrency), seconds)
                found.append(measured.speed)
                if concurrency is None:
                    width = measured.width
        median = {concurrency: statistics.median(found) for concurrency, found in speeds.items()}
        auto = median.pop(None)
        share = f"{auto / max(median.values()):.1%}"
        say(capacity, *(f"{median[w]:.0f}" for w in fixed), f"{auto:.0f} ({width})", share)


def limits(rates: Sequence[float], seconds: float) -> None:
    """The table of rate limits."""
    say("limit", "bucket", "latency", "rows/s", "of limit", "429s", "learned")
    say(*["---:"] * 7)
    for rate in rates:
        for burst in (10.0, rate / 10, rate):
            for latency in (0.0, LATENCY):
                service = Service(rate=rate, burst=burst, latency=latency)
                auto = measure(service, Pace(), seconds)
                learned = "" if auto.learned is None else f"{auto.learned:.0f}"
                of_limit = auto.created / (rate * auto.seconds + burst)
                share = f"{auto.turned_away:.2%}"
                say(
                    *(f"{rate:.0f}/s", f"{burst:.0f}", f"{latency * 1000:.0f} ms"),
                    *(f"{auto.speed:.0f}", f"{of_limit:.0%}", share, learned),
                )


def asked(rates: Sequence[float]) -> None:
    """The table of `--rate`, over 10 s."""
    say("--rate", "rows/s over 10 s", "off by")
    say(*["---:"] * 3)
    for rate in rates:
        speed = measure(Service(latency=0.005), Pace(rate=rate), 10.0).speed
        say(f"{rate:.0f}", f"{speed:.1f}", f"{speed / rate - 1:+.2%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeats", type=int, default=1, help="rounds, of which the median counts")
    parser.add_argument("--capacity", default="4,16,64,200")
    parser.add_argument("--rates", default="300")
    parser.add_argument("--asked", default="10,50,300,1500")
    parser.add_argument("-v", action="store_true", help="tell of each change of pace")
    options = parser.parse_args()
    global VERBOSE  # noqa: PLW0603
    VERBOSE = options.v
    print(f"{platform.platform()}, Python {platform.python_version()}\n")
    if options.capacity:
        capacities = [int(part) for part in options.capacity.split(",")]
        widths(capacities, options.seconds, options.repeats)
        print()
    if options.rates:
        limits([float(part) for part in options.rates.split(",")], options.seconds)
        print()
    if options.asked:
        asked([float(part) for part in options.asked.split(",")])


if __name__ == "__main__":
    main()
