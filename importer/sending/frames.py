"""The protocol between a coordinator and its senders in other processes: frames, and lease terms.

A frame is its length (4 bytes, big-endian, not counting themselves), its kind (1 byte) and its
content. Leases have row numbers and bodies in binary, all else is JSON. Both ends are of the same
version: a sender is started by the run that it serves, or its version is checked first.

A sender may begin requests of its leases only during a term, which is renewed regularly. For it may
be frozen (a stopped process, a suspended machine, a paused container) and wake up when its
coordinator is long gone and its rows were sent again. The end of the term is a time of the sender's
own clock, computed from the latest reading of it that the coordinator has: however late a renewal
arrives, the term ends at the same time. No uncertain row is released before the longest term is
over.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import Enum
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

import orjson

from importer.model import (
    Event,
    Outcome,
    PaceChanged,
    Probing,
    Request,
    Resumed,
    Status,
    Stop,
    StrayAnswer,
    Waiting,
)

_LENGTH = struct.Struct(">I")
_COUNT = struct.Struct(">I")
_SECONDS = struct.Struct(">d")
HEAD = _LENGTH.size
LONGEST = 2**30
"""Most bytes of a frame: a longer one is something else on the same pipe."""


class FrameKind(bytes, Enum):
    """The kind of a frame; the first five go to the sender, the others come from it."""

    SETUP = b"C"
    LEASE = b"L"
    RENEW = b"R"
    """Until when, by the sender's clock, it may begin requests (`LeaseTerm`)."""
    DISTRUST = b"D"
    """A row whose answer may be another row's; 0 for no row of this sender."""
    HALT = b"H"
    OUTCOMES = b"O"
    EVENT = b"E"
    WIDTH = b"W"
    """How many rows the sender can use at once from now on (`protocol.Engine.width`)."""
    STOPPED = b"S"
    """The verdict that stopped the sender; it reports rows granted later as pending."""
    END = b"V"
    """The last frame: all rows are reported."""
    FAILED = b"F"
    """The last frame of a sender that failed by a bug of ours: the exception's type."""


def make_frame(kind: FrameKind, content: bytes = b"") -> bytes:
    """A whole frame, with its length."""
    return _LENGTH.pack(len(content) + 1) + kind.value + content


def frame_length(head: bytes) -> int:
    """How many bytes follow the first `HEAD` bytes of a frame.

    Raises ValueError for bytes that begin no frame.
    """
    length: int = _LENGTH.unpack(head)[0]
    if not 1 <= length <= LONGEST:
        raise ValueError(f"a frame of {length} bytes")
    return length


def parse_frame(frame: bytes) -> tuple[FrameKind, bytes]:
    """A frame without its length: kind and content."""
    return FrameKind(frame[:1]), frame[1:]


def split_frames(content: bytes) -> Iterator[bytes]:
    """Split concatenated frames, without their lengths; raises ValueError where one is cut off."""
    place = 0
    while place < len(content):
        start = place + HEAD
        place = start + frame_length(content[place:start])
        if place > len(content):
            raise ValueError("a frame is cut off")
        yield content[start:place]


def lease_frame(requests: Sequence[Request]) -> bytes:
    """Rows to send."""
    if not requests:
        return make_frame(FrameKind.LEASE)
    rows, bodies = zip(*requests, strict=True)
    head = _COUNT.pack(len(rows)) + _lease_head(len(rows)).pack(*rows, *map(len, bodies))
    return make_frame(FrameKind.LEASE, b"".join((head, *bodies)))


def read_lease(content: bytes) -> tuple[Request, ...]:
    """The rows of a lease's frame."""
    if not content:
        return ()
    (count,) = _COUNT.unpack_from(content)
    head = _lease_head(count)
    numbers = head.unpack_from(content, _COUNT.size)
    ends = [*accumulate(numbers[count:], initial=_COUNT.size + head.size)]
    bodies = (content[start:end] for start, end in pairwise(ends))
    return tuple(map(Request, numbers[:count], bodies))


def renewal_frame(until: float) -> bytes:
    """A new end of a sender's term, in seconds of its own clock."""
    return make_frame(FrameKind.RENEW, _SECONDS.pack(until))


def read_renewal(content: bytes) -> float:
    """The end of a term; raises struct.error for what is none."""
    until: float = _SECONDS.unpack(content)[0]
    return until


def distrust_frame(row: int) -> bytes:
    """Names a row whose answer may be another row's; 0 for no row of that sender."""
    return make_frame(FrameKind.DISTRUST, orjson.dumps(row))


def read_distrust(content: bytes) -> int:
    """The row that a frame of `distrust_frame` names."""
    row: int = orjson.loads(content)
    return row


@lru_cache(maxsize=1024)
def _lease_head(count: int) -> struct.Struct:
    """The layout of a lease's head: so many row numbers, then as many lengths of bodies."""
    return struct.Struct(f">{count}Q{count}I")


def outcomes_frame(outcomes: Sequence[Outcome]) -> bytes:
    """What became of some rows."""
    return make_frame(FrameKind.OUTCOMES, orjson.dumps([_as_list(outcome) for outcome in outcomes]))


def _as_list(o: Outcome) -> tuple[object, ...]:
    if o.code is None and o.message is None and o.hint is None and o.was is None:
        return (o.row, o.status, o.numberids, o.attempts, o.http_status)
    texts = (_text(o.code), _text(o.message), _text(o.hint))
    return (o.row, o.status, o.numberids, o.attempts, o.http_status, *texts, o.was)


def _text(text: str | None) -> str | None:
    """The text as JSON can have it: half a surrogate pair, as `?`."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def read_outcomes(content: bytes) -> list[Outcome]:
    """The outcomes of a frame."""
    return [_from_list(*values) for values in orjson.loads(content)]


def _from_list(row: int, status: str, numberids: list[str], *rest: Any) -> Outcome:
    outcome = Outcome(row, _STATUSES[status], tuple(numberids), *rest)
    return outcome if outcome.was is None else outcome._replace(was=_STATUSES[outcome.was])


_STATUSES: dict[str, Status] = {status.value: status for status in Status}
_EVENTS = {kind.__name__: kind for kind in (Waiting, Probing, Resumed, PaceChanged, StrayAnswer)}


def event_frame(event: Event) -> bytes:
    """An event of a sender, for the coordinator's listener."""
    return make_frame(FrameKind.EVENT, orjson.dumps([type(event).__name__, asdict(event)]))


def read_event(content: bytes) -> Event:
    """The event of a frame."""
    name, about = orjson.loads(content)
    event: Event = _EVENTS[name](**about)
    return event


def width_frame(width: int) -> bytes:
    """How many rows a sender can use at once."""
    return make_frame(FrameKind.WIDTH, orjson.dumps(width))


def read_width(content: bytes) -> int:
    """The width of a frame."""
    width: int = orjson.loads(content)
    return width


def stopped_frame(verdict: Stop) -> bytes:
    """The verdict that stopped a sender."""
    return make_frame(FrameKind.STOPPED, orjson.dumps(asdict(verdict)))


def read_stopped(content: bytes) -> Stop:
    """The verdict of a frame."""
    about: dict[str, Any] = orjson.loads(content)
    return Stop(**about)


LEASE_SECONDS = 30.0
"""How long a term is, counted from the reading of the sender's clock that it is based on."""
RENEW_SECONDS = 5.0
"""How often a term is renewed: a coordinator may be held up for the rest of it."""


def boot_clock() -> float:
    """Seconds of a clock that counts suspension of the machine, and cannot be set.

    It is the same for all processes of a machine.
    """
    # Linux has CLOCK_BOOTTIME; the monotonic clocks of other systems count suspension.
    if (clock := getattr(time, "CLOCK_BOOTTIME", None)) is not None:
        return time.clock_gettime(clock)
    if hasattr(time, "clock_gettime"):
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


class LeaseTerm:
    """The time until which a sender may begin requests; over until first renewed."""

    def __init__(self) -> None:
        self._until = -math.inf

    def renew(self, until: float) -> None:
        """Move its end to a moment of :func:`boot_clock`, but never back."""
        self._until = max(self._until, until)

    @property
    def lasts(self) -> bool:
        """Whether a request may begin now; to be read right before it is written."""
        return boot_clock() < self._until
