"""Records read back from the service and compared with what was sent: the first rows, or a sample.

:func:`choose` says which rows of a plan are worth sending first, :class:`RecordComparison` compares
one body with the record that the service gives back, and :func:`read_back` asks the service for
records, one after another. :class:`Canary` is the journal's note of the rows that are sent first,
and :class:`CanaryResult` how they compare. Nothing here sends a record.

The rules of comparison:

- A field is *equal*, *different*, or *unverified*: the service does not give it back, or in a form
  that is not understood. Unverified is never equal.
- Texts are compared exactly. A text that the record lacks, though it gives back others of its kind,
  is different.
- Values of simple and multiple fields are compared by the project's valueids: a name is looked up
  as Add record does, exactly; failing that, the digits of a valueid of the field are that value;
  failing that, a name that differs only in case, which is how the service keeps it then. Values of
  a multiple field are a set: their order, and values given twice, mean nothing.
- Contacts are compared by their numbers, part by part; the phone exactly as it was sent.
- Of a disposition, the record's events show as much as they show.
- What the record has beyond what was sent is not looked at: the service has defaults.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from importer.journal.journal import CANARY_KEY
from importer.model import (
    CanaryState,
    Field,
    FieldType,
    Outcome,
    Project,
    Request,
    Status,
)

if TYPE_CHECKING:
    from importer.api.client import Client

PATIENCE = 10.0
"""Seconds for which a record that is not found is asked for again."""
READS_PER_SECOND = 10.0
"""How many records are asked for in a second where a run has no rate of its own."""

_MOST_SHAPES = 4096
"""The most shapes of bodies that are candidates; beyond, only those with a new path."""
_RETRY_SECONDS = 1.0
"""Seconds between two requests for a record that was not found."""
_MOST_DIGITS = 18
"""Longer ids are none of the service's."""


# Which rows go first.


@dataclass(frozen=True, slots=True)
class Choice:
    """A row that is sent first, and what it covers that no row chosen before it does.

    `covers` has paths as ``form.city``, ``contacts.2.phone``, ``phone_field: phone2``, and texts as
    ``form.likes: several values``, ``first row``, ``longest form.note``; none for a row that was
    sampled to make up the number.
    """

    row: int
    covers: tuple[str, ...]


def choose(
    requests: Iterable[Request], count: int, multiple: Collection[str] | None = None
) -> tuple[Choice, ...]:
    """Choose `count` rows for what they cover, in one pass; fewer only where there are fewer.

    The rule: the first and the last row, if `count` is three or more; then, again and again, the
    row that has most of what no chosen row has yet, of: every form field, every part of every
    contact, several values in a multiple field, each `phone_field`, the parts of premium and
    disposition, most fields of all, first and last row; then the longest text of each field; then
    rows drawn by a hash of their number. Ties go to the row with more fields, then to the earlier
    one. The same rows give the same choice. They are given in the order of rows.

    `multiple` are the form's multiple fields; None takes any text with a ``|`` for several values.
    """
    candidates = _Candidates(count, None if multiple is None else frozenset(multiple))
    for row, body in requests:
        candidates.add(row, orjson.loads(body))
    return tuple(sorted(candidates.choose(), key=lambda choice: choice.row))


class _Candidates:
    """The rows that may be chosen: the first of each shape, and what only one row is.

    The shape of a body is which parts it has. Rows of one shape cover the same, so one is enough.
    Memory is bounded by :data:`_MOST_SHAPES` and by the paths that a mapping can name.
    """

    def __init__(self, count: int, multiple: frozenset[str] | None) -> None:
        self._count, self._multiple = count, multiple
        self._rows: dict[int, frozenset[str]] = {}
        self._shapes: set[Hashable] = set()
        self._known: set[str] = set()
        self._most = 0
        self._lengths: dict[str, int] = {}
        self._longest: dict[str, tuple[int, _Shape]] = {}
        self._first: int | None = None
        self._last: tuple[int, _Shape] | None = None
        self._sample = RowSample(count, "canary")

    def add(self, row: int, body: Mapping[str, Any]) -> None:
        """Add the next row."""
        names, several, longer = [], [], []
        lengths, multiple = self._lengths, self._multiple
        for name, value in body["form"].items():
            if isinstance(value, str):
                if len(value) > lengths.get(name, 0):
                    longer.append(name)
                    lengths[name] = len(value)
                if not value or value.isspace():
                    continue
                if "|" in value and (multiple is None or name in multiple) and _pieces(value)[1:]:
                    several.append(name)
            names.append(name)
        shape = (
            tuple(names),
            tuple(several),
            tuple([(number, *contact) for number, contact in body.get("contacts", {}).items()]),
            body.get("phone_field"),
            tuple(body.get("premium", ())),
            tuple(body.get("disposition", ())),
        )
        if shape not in self._shapes:
            self._add_shape(row, shape)
        for name in longer:
            self._longest[name] = row, shape
        self._first = row if self._first is None else self._first
        self._last = row, shape
        self._sample.add(row)

    def _add_shape(self, row: int, shape: _Shape) -> None:
        paths = _paths(shape)
        full = len(self._shapes) >= _MOST_SHAPES
        if full and paths <= self._known and len(paths) <= self._most:
            return
        if not full:
            self._shapes.add(shape)
        self._rows[row] = paths
        self._known |= paths
        self._most = max(self._most, len(paths))

    def choose(self) -> Iterator[Choice]:
        """Yield the chosen rows, those that cover most first."""
        if self._first is None or self._last is None:
            return
        covers = {row: set(paths) for row, paths in self._rows.items()}
        last, shape = self._last
        covers.setdefault(last, set(_paths(shape)))
        size = {row: len(paths) for row, paths in covers.items()}
        covers[min(size, key=lambda row: (-size[row], row))].add("most fields")
        covers[self._first].add("first row")
        covers[last].add("last row")
        longest: dict[int, set[str]] = {}
        for name, (row, shape) in self._longest.items():
            longest.setdefault(row, set()).add(f"longest form.{name}")
            covers.setdefault(row, set(_paths(shape)))
        ends = sorted({self._first, last}) if self._count >= _BOTH_ENDS_FROM else []
        chosen: set[int] = set()
        left = set().union(*covers.values()), set().union(*longest.values())

        def worth(row: int) -> tuple[int, int, int, int]:
            seldom = len(longest.get(row, set()) & left[1])
            return len(covers[row] & left[0]), seldom, len(covers[row]), -row

        while len(chosen) < self._count and (ends or left[0] or left[1]):
            row = ends.pop(0) if ends else max(covers.keys() - chosen, key=worth)
            new = covers[row] & left[0] | longest.get(row, set()) & left[1]
            for one in left:
                one.difference_update(new)
            chosen.add(row)
            yield Choice(row, tuple(sorted(new)))
        sample = [row for row in self._sample.rows() if row not in chosen]
        yield from (Choice(row, ()) for row in sample[: self._count - len(chosen)])


_Shape = tuple[Any, ...]
_BOTH_ENDS_FROM = 3
"""With fewer rows than this, what the first and the last row are does not matter most."""


def _paths(shape: _Shape) -> frozenset[str]:
    """What a row of this shape covers, as :attr:`Choice.covers`."""
    form, several, contacts, phone_field, premium, disposition = shape
    return frozenset(
        (
            *(f"form.{name}" for name in form),
            *(f"form.{name}: several values" for name in several),
            *(f"contacts.{number}.{part}" for number, *parts in contacts for part in parts),
            *([] if phone_field is None else [f"phone_field: {phone_field}"]),
            *(f"premium.{part}" for part in premium),
            *(f"disposition.{part}" for part in disposition),
        )
    )


class RowSample:
    """A deterministic sample of rows: those with the smallest hashes of their number and `seed`.

    One pass, bounded memory.
    """

    def __init__(self, count: int, seed: str) -> None:
        self._count = count
        self._salt = blake2b(seed.encode(), digest_size=blake2b.SALT_SIZE).digest()
        self._worst = b""
        self._heap: list[tuple[int, int]] = []

    def add(self, row: int) -> None:
        """Take in a row, each once."""
        hashed = blake2b(b"%d" % row, digest_size=8, salt=self._salt).digest()
        if len(self._heap) < self._count or (self._heap and hashed < self._worst):
            # heapq keeps the smallest on top; the row to drop is that with the largest hash.
            entry = -int.from_bytes(hashed), row
            keep = heapq.heappush if len(self._heap) < self._count else heapq.heapreplace
            keep(self._heap, entry)
            self._worst = (-self._heap[0][0]).to_bytes(8)

    def rows(self) -> list[int]:
        """The rows of the sample, by ascending hash."""
        return [row for _, row in sorted(self._heap, reverse=True)]


# One record compared.


class ComparisonState(StrEnum):
    """The result of comparing a field."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNVERIFIED = "unverified"
    """The service does not give it back, or in a form that is not understood."""


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """One part of a record as it was sent and as it was read back, in words for people.

    `path` is as ``form.city`` or ``contacts.2.phone``; ``record`` is the whole, where there is
    none. `read_back` is None where the service shows nothing.
    """

    path: str
    sent: str
    read_back: str | None
    state: ComparisonState


class RecordComparison:
    """Compares bodies with records of one project.

    The project must have been fetched after the bodies were sent: they may have made new values.
    `stamp` is the form field that is compared first.
    """

    def __init__(self, project: Project, stamp: str | None = None) -> None:
        self._fields = {field.name: field for field in project.fields}
        self._values = {
            field.name: _FieldValues(field)
            for field in project.fields
            if field.type in {FieldType.SIMPLE, FieldType.MULTIPLE}
        }
        self._stamp = stamp

    def compare(self, body: bytes, record: Mapping[str, Any]) -> tuple[FieldComparison, ...]:
        """Every part of a body against the record that Get record gives, in the body's order."""
        sent = orjson.loads(body)
        return (
            *self._form(sent.get("form", {}), record.get("data")),
            *_contacts(sent.get("contacts", {}), record.get("contacts")),
            *_parts({k: sent[k] for k in ("phone_field",) if k in sent}, record, ""),
            *_parts(sent.get("premium", {}), record.get("premium"), "premium."),
            *_disposition(sent.get("disposition", {}), record.get("events")),
        )

    def _form(self, form: Mapping[str, Any], data: Any) -> Iterator[FieldComparison]:
        for name in sorted(form, key=lambda name: name != self._stamp):  # stable: the rest as it is
            path, sent = f"form.{name}", form[name]
            if not isinstance(data, dict):
                yield FieldComparison(path, str(sent), None, ComparisonState.UNVERIFIED)
            elif (values := self._values.get(name)) is not None:
                yield values.compare(path, sent, data.get(name))
            else:
                yield _text(path, sent, data.get(name))


class _FieldValues:
    """The values of a simple or multiple field, by name and by valueid."""

    def __init__(self, field: Field) -> None:
        self._multiple = field.type is FieldType.MULTIPLE
        self._ids = {value.name: value.valueid for value in field.values if value.name}
        self._names = {v.valueid: v.name for v in field.values if v.valueid is not None}
        self._folded: dict[str, list[str]] = {}
        for name in self._ids:
            self._folded.setdefault(name.casefold(), []).append(name)

    def compare(self, path: str, sent: Any, read_back: Any) -> FieldComparison:
        """Compare what was sent with what `data` has of the field, None for nothing."""
        wanted = self._sent(sent)
        found = self._read(read_back)
        shown = "|".join(map(self._show, wanted)) or str(sent)
        if found is None:
            unknown = orjson.dumps(read_back).decode()
            return FieldComparison(path, shown, unknown, ComparisonState.UNVERIFIED)
        state = ComparisonState.EQUAL if set(wanted) == set(found) else ComparisonState.DIFFERENT
        return FieldComparison(path, shown, "|".join(map(self._show, found)) or None, state)

    def _sent(self, value: Any) -> list[int | str]:
        """The values that a body names: ids, and names that have none."""
        if not isinstance(value, str):
            return [value]
        pieces = _pieces(value) if self._multiple else [value] if value.strip() else []
        return list(dict.fromkeys(map(self._stored_as, pieces)))

    def _stored_as(self, text: str) -> int | str:
        """The value as which the service stores a text that was sent."""
        if text in self._ids:
            return self._value(text)
        if (valueid := _number(text)) is not None and valueid in self._names:
            return valueid
        alike = self._folded.get(text.casefold(), ())
        return self._value(alike[0]) if len(alike) == 1 else text

    def _read(self, value: Any) -> list[int | str] | None:
        """The values that a record names; None where it is not understood."""
        match value:
            case None | "":
                return []
            case list():
                listed = value
            case str() if self._multiple and value not in self._ids:
                listed = _pieces(value)
            case _:
                listed = [value]
        if not all(isinstance(one, int | str) and not isinstance(one, bool) for one in listed):
            return None
        return [one if isinstance(one, int) else self._known(one) for one in listed]

    def _known(self, text: str) -> int | str:
        """The valueid that a record's text is, or is the name of; else the text itself."""
        if (valueid := _number(text)) is not None and valueid in self._names:
            return valueid
        return self._value(text) if text in self._ids else text

    def _value(self, name: str) -> int | str:
        valueid = self._ids[name]
        return name if valueid is None else valueid

    def _show(self, value: int | str) -> str:
        return value if isinstance(value, str) else self._names.get(value) or f"valueid {value}"


def _contacts(contacts: Mapping[str, Any], read_back: Any) -> Iterator[FieldComparison]:
    known = read_back if isinstance(read_back, dict) else None
    there = [contact for contact in (known or {}).values() if isinstance(contact, dict)]
    shown = {part for contact in there for part in contact}
    for number, contact in contacts.items():
        found = None if known is None else known.get(f"phone{number}") or {}
        if isinstance(found, str):
            found = {"phone": found}
        if isinstance(found, dict):
            # A part that other contacts of the record have is one that the service gives back;
            # and a contact that is not there has none of its parts.
            found = {**dict.fromkeys(shown if found else contact), **found}
        yield from _parts(contact, found, f"contacts.{number}.")


def _disposition(disposition: Mapping[str, Any], events: Any) -> Iterator[FieldComparison]:
    """Compare a disposition with the event that has it, if any has one."""
    listed = events if isinstance(events, list) else []
    shown = [one for one in listed if isinstance(one, dict) and one.get("dispositionid")]
    wanted = _plain_text(disposition.get("dispositionid"))
    same = [one for one in shown if _plain_text(one["dispositionid"]) == wanted]
    yield from _parts(disposition, next(iter(same or shown), None), "disposition.")


def _parts(parts: Mapping[str, Any], read_back: Any, prefix: str) -> Iterator[FieldComparison]:
    """Compare texts by name with an object that has them by the same names."""
    for name, sent in parts.items():
        if isinstance(read_back, dict) and name in read_back:
            yield _text(f"{prefix}{name}", sent, read_back[name])
        else:
            yield FieldComparison(f"{prefix}{name}", str(sent), None, ComparisonState.UNVERIFIED)


def _text(path: str, sent: Any, read_back: Any) -> FieldComparison:
    found = "" if read_back is None else _plain_text(read_back)
    if found is None:
        unknown = orjson.dumps(read_back).decode()
        return FieldComparison(path, str(sent), unknown, ComparisonState.UNVERIFIED)
    state = ComparisonState.EQUAL if found == str(sent) else ComparisonState.DIFFERENT
    return FieldComparison(path, str(sent), None if read_back is None else found, state)


def _plain_text(value: Any) -> str | None:
    """A text, or a number as text; None where it is neither."""
    if isinstance(value, str):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number else None


def _pieces(text: str) -> list[str]:
    """The values that a text of a multiple field names."""
    return [piece for one in text.split("|") if (piece := one.strip())]


def _number(text: str) -> int | None:
    good = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if good else None


# Asking the service.


@dataclass(frozen=True, slots=True)
class CreatedRecord:
    """A created row: the numberid that the service gave it, and the body that was sent."""

    row: int
    numberid: str
    body: bytes


def created_records(
    requests: Iterable[Request], outcomes: Iterable[Outcome]
) -> list[CreatedRecord]:
    """The records of created rows with their bodies, in the order of `requests`; one pass.

    A row for which the service gave several numberids is several records.
    """
    wanted = {outcome.row: outcome.numberids for outcome in outcomes}
    return [
        CreatedRecord(row, numberid, body)
        for row, body in requests
        if row in wanted
        for numberid in wanted[row]
    ]


@dataclass(frozen=True, slots=True)
class ReadBack:
    """A record that was read back, with the comparison of each part.

    Where the service has no such record, `fields` is one difference of the path ``record``.
    """

    row: int
    numberid: str
    fields: tuple[FieldComparison, ...]

    @property
    def differences(self) -> tuple[FieldComparison, ...]:
        """What is not as it was sent."""
        return tuple(field for field in self.fields if field.state is ComparisonState.DIFFERENT)

    def count(self, state: ComparisonState) -> int:
        """How many parts are in this state."""
        return sum(field.state is state for field in self.fields)


async def read_back(
    client: Client,
    created: Sequence[CreatedRecord],
    *,
    stamp: str | None = None,
    rate: float | None = None,
    patience: float = PATIENCE,
    listener: Callable[[ReadBack], None] = lambda _: None,
) -> tuple[ReadBack, ...]:
    """Ask for the project, then for every record, and compare; in the order of `created`.

    The `listener` is told of each record once it was compared. One request after the other, no more
    than `rate` begin in a second (None: :data:`READS_PER_SECOND`, which is the most). Records that
    the service does not know yet are asked for again, for `patience` seconds in all. Raises
    ServiceError where the service refuses, or trouble does not pass.
    """
    pace = _EvenPace(min(rate or READS_PER_SECOND, READS_PER_SECOND))
    await pace.next()
    comparison = RecordComparison(await client.project(patient=True), stamp)
    found: dict[int, ReadBack] = {}
    missing = dict(enumerate(created))
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while True:
        for place, one in list(missing.items()):
            fields = await _read_and_compare(client, one, comparison, pace)
            if fields is not None:
                found[place] = ReadBack(one.row, one.numberid, fields)
                listener(found[place])
                del missing[place]
        left = until - loop.time()
        if not missing or left <= 0:
            break
        await asyncio.sleep(min(_RETRY_SECONDS, left))
    for place, one in missing.items():
        lost = FieldComparison("record", one.numberid, None, ComparisonState.DIFFERENT)
        found[place] = ReadBack(one.row, one.numberid, (lost,))
        listener(found[place])
    return tuple(found[place] for place in range(len(created)))


async def _read_and_compare(
    client: Client, created: CreatedRecord, comparison: RecordComparison, pace: _EvenPace
) -> tuple[FieldComparison, ...] | None:
    """A record compared; None where the service has none."""
    numberid = _number(created.numberid)
    if numberid is None:  # nothing to ask for
        return (FieldComparison("record", created.numberid, None, ComparisonState.UNVERIFIED),)
    await pace.next()
    record = await client.record(numberid)
    return None if record is None else comparison.compare(created.body, record)


class _EvenPace:
    """Spaces requests evenly, at most `rate` in a second."""

    def __init__(self, rate: float) -> None:
        self._between, self._next = 1 / rate, 0.0

    async def next(self) -> None:
        """Wait until the next request may begin."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._next - loop.time()))
        self._next = max(self._next, loop.time()) + self._between


def read_back_json(read: Sequence[ReadBack]) -> dict[str, Any]:
    """Records that were read back, for JSON: counts, then every record with every part."""
    states = {state.value: sum(one.count(state) for one in read) for state in ComparisonState}
    return {
        "records": len(read),
        "records_with_differences": sum(bool(one.differences) for one in read),
        "fields": states,
        "rows": [
            {
                "row": one.row,
                "numberid": one.numberid,
                "fields": [
                    {
                        "path": field.path,
                        "sent": field.sent,
                        "read_back": field.read_back,
                        "state": field.state.value,
                    }
                    for field in one.fields
                ],
            }
            for one in read
        ],
    }


# The rows that are sent first, and what came of them.


@dataclass(frozen=True, slots=True)
class Canary:
    """The rows of a run that are sent first and read back, as noted in its journal.

    `count` is how many were asked for; `chosen` is empty until the first of them may be sent.
    """

    count: int
    state: CanaryState = CanaryState.OPEN
    chosen: tuple[Choice, ...] = ()

    @classmethod
    def from_meta(cls, meta: Mapping[str, str]) -> Canary | None:
        """Read a journal's `meta`; None where no canary was asked for."""
        if CANARY_KEY not in meta:
            return None
        noted = orjson.loads(meta[CANARY_KEY])
        chosen = tuple(Choice(one["row"], tuple(one["covers"])) for one in noted["chosen"])
        return cls(noted["count"], CanaryState(noted["state"]), chosen)

    def as_meta(self) -> dict[str, str]:
        """The canary as meta of a journal."""
        return {CANARY_KEY: orjson.dumps(self).decode()}

    @property
    def under_way(self) -> bool:
        """Whether rows of it may have been sent, and were not read back yet."""
        return self.state is CanaryState.OPEN and bool(self.chosen)


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """The result of a canary.

    `failed` are its rejected and uncertain rows; `records` are its created rows, read back.
    """

    chosen: tuple[Choice, ...]
    failed: tuple[Outcome, ...]
    records: tuple[ReadBack, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the rest is not sent, for people; empty if all records are as they were sent."""
        different = sum(bool(one.differences) for one in self.records)
        # A record of which nothing can be compared may hold anything.
        unread = sum(
            not one.differences and not one.count(ComparisonState.EQUAL) for one in self.records
        )
        found = [
            (different, "is not as it was sent", "are not as they were sent"),
            (unread, "gives nothing back to compare", "give nothing back to compare"),
        ]
        for status in (Status.REJECTED, Status.UNCERTAIN):
            failed = sum(one.status is status for one in self.failed)
            found.append((failed, f"is {status}", f"are {status}"))
        of = len(self.chosen)
        return tuple(f"{n:,} of {of:,} {is_ if n == 1 else are}" for n, is_, are in found if n)

    def count(self, state: ComparisonState) -> int:
        """How many parts of all records are in this state."""
        return sum(one.count(state) for one in self.records)

    def as_json(self) -> dict[str, Any]:
        """What was chosen and why, what failed, and all that was compared."""
        return {
            "equal": not self.faults,
            "chosen": [{"row": one.row, "covers": list(one.covers)} for one in self.chosen],
            "failed": [
                {"row": one.row, "status": one.status, "code": one.code, "message": one.message}
                for one in self.failed
            ],
            **read_back_json(self.records),
        }
