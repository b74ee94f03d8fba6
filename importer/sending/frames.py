"""What a coordinator and its senders elsewhere say to each other: frames, each with its kind.

A frame is its length (4 bytes, without these), its kind (1 byte) and its content: for leases row
numbers and bodies as they are, for all else JSON. Both ends are of the same version: a sender is
started by the run that it serves, or asked for its version first.
"""

from __future__ import annotations

import struct
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
"""Bytes of a frame; more is no frame, but something else on the same pipe."""


class Kind(bytes, Enum):
    """What a frame is; the first five go to the sender, the others come from it."""

    SETUP = b"C"
    LEASE = b"L"
    RENEW = b"R"
    """Until when, by the sender's clock, it may begin requests (`lease.LeaseTerm`)."""
    DISTRUST = b"D"
    """A row whose answer may be another's; 0 for no row of this sender."""
    HALT = b"H"
    OUTCOMES = b"O"
    EVENT = b"E"
    WIDTH = b"W"
    """How many rows it has use for from now on, if only to try what more bring."""
    STOPPED = b"S"
    """The verdict that stopped the sender; what it still gets it gives back as pending."""
    END = b"V"
    """The last frame: all rows are reported."""
    FAILED = b"F"
    """The last frame of a sender that met a bug of ours: what Python calls it."""


def framed(kind: Kind, content: bytes = b"") -> bytes:
    """A frame, whole."""
    return _LENGTH.pack(len(content) + 1) + kind.value + content


def frame_length(head: bytes) -> int:
    """How many bytes follow the first `HEAD` of a frame; raises ValueError for no frame's."""
    length: int = _LENGTH.unpack(head)[0]
    if not 1 <= length <= LONGEST:
        raise ValueError(f"a frame of {length} bytes")
    return length


def parted(frame: bytes) -> tuple[Kind, bytes]:
    """A frame without its length: kind and content."""
    return Kind(frame[:1]), frame[1:]


def split(content: bytes) -> Iterator[bytes]:
    """The frames that stand one after the other, without their lengths; raises ValueError."""
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
        return framed(Kind.LEASE)
    rows, bodies = zip(*requests, strict=True)
    head = _COUNT.pack(len(rows)) + _lease_head(len(rows)).pack(*rows, *map(len, bodies))
    return framed(Kind.LEASE, b"".join((head, *bodies)))


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
    return framed(Kind.RENEW, _SECONDS.pack(until))


def read_renewal(content: bytes) -> float:
    """The end of a term; raises struct.error for what is none."""
    until: float = _SECONDS.unpack(content)[0]
    return until


def distrust_frame(row: int) -> bytes:
    """A row whose answer may be another's; 0 for no row of that sender."""
    return framed(Kind.DISTRUST, orjson.dumps(row))


def read_distrust(content: bytes) -> int:
    """The row of a frame."""
    row: int = orjson.loads(content)
    return row


@lru_cache(maxsize=1024)
def _lease_head(count: int) -> struct.Struct:
    """So many row numbers, then the length of each body."""
    return struct.Struct(f">{count}Q{count}I")


def outcomes_frame(outcomes: Sequence[Outcome]) -> bytes:
    """What became of some rows."""
    return framed(Kind.OUTCOMES, orjson.dumps([_packed(outcome) for outcome in outcomes]))


def _packed(o: Outcome) -> tuple[object, ...]:
    if o.code is None and o.message is None and o.hint is None and o.was is None:
        return (o.row, o.status, o.numberids, o.attempts, o.http_status)
    texts = (_text(o.code), _text(o.message), _text(o.hint))
    return (o.row, o.status, o.numberids, o.attempts, o.http_status, *texts, o.was)


def _text(text: str | None) -> str | None:
    """Half a surrogate pair is no text, and no JSON."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def read_outcomes(content: bytes) -> list[Outcome]:
    """The outcomes of a frame."""
    return [_unpacked(*values) for values in orjson.loads(content)]


def _unpacked(row: int, status: str, numberids: list[str], *rest: Any) -> Outcome:
    outcome = Outcome(row, _STATUSES[status], tuple(numberids), *rest)
    return outcome if outcome.was is None else outcome._replace(was=_STATUSES[outcome.was])


_STATUSES: dict[str, Status] = {status.value: status for status in Status}
_EVENTS = {kind.__name__: kind for kind in (Waiting, Probing, Resumed, PaceChanged, StrayAnswer)}


def event_frame(event: Event) -> bytes:
    """What a sender tells while it sends."""
    return framed(Kind.EVENT, orjson.dumps([type(event).__name__, asdict(event)]))


def read_event(content: bytes) -> Event:
    """The event of a frame."""
    name, about = orjson.loads(content)
    event: Event = _EVENTS[name](**about)
    return event


def width_frame(width: int) -> bytes:
    """How many rows a sender has use for at once."""
    return framed(Kind.WIDTH, orjson.dumps(width))


def read_width(content: bytes) -> int:
    """The width of a frame."""
    width: int = orjson.loads(content)
    return width


def stopped_frame(verdict: Stop) -> bytes:
    """The verdict that stopped a sender."""
    return framed(Kind.STOPPED, orjson.dumps(asdict(verdict)))


def read_stopped(content: bytes) -> Stop:
    """The verdict of a frame."""
    about: dict[str, Any] = orjson.loads(content)
    return Stop(**about)
