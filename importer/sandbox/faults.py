"""What the sandbox does wrong when it is told to: kinds of faults, and the file that orders them.

A fault file is YAML with `latency`, `capacity`, `rate_limit` and `faults`, a list of rules; or it
is such a list. :mod:`importer.sandbox.misconduct` carries out what is ordered here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pydantic
import pydantic_core
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from importer.sandbox import document
from importer.sandbox.document import Location

LONGEST = 86_400.0
"""Seconds; a longer wait is a slip of the unit."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ms|s)?")


class FaultKind(StrEnum):
    """Everything that can be ordered to go wrong with a request; :data:`KINDS` says what it is."""

    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    SERVER_ERROR = "server_error"
    BAD_GATEWAY = "bad_gateway"
    GATEWAY_TIMEOUT = "gateway_timeout"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    REDIRECT = "redirect"
    HTML = "html"
    EMPTY = "empty"
    CUT_SHORT = "cut_short"
    SLOW = "slow"
    DROP_IDLE = "drop_idle"
    PARTIAL = "partial"
    NO_RESULT = "no_result"
    DOWN = "down"
    DROP_FIELD = "drop_field"
    SWAP_CONTACTS = "swap_contacts"
    CUT_TEXTS = "cut_texts"
    REORDER_VALUES = "reorder_values"


@dataclass(frozen=True, slots=True)
class Trait:
    """The properties of a kind of fault that no rule changes.

    `stored` is whether the record is stored where a rule does not say; `either` that a rule may
    say. `alters` says that the answer is that of a success and the record is stored otherwise than
    it was sent. `takes` are the keys of a rule that only some kinds have. `status` is the HTTP
    status it answers with, 0 where that depends.
    """

    means: str
    stored: bool = False
    either: bool = False
    alters: bool = False
    takes: frozenset[str] = frozenset()
    status: int = 0


_RETRY = frozenset({"retry_after", "wait"})

_BODY = frozenset({"body"})

KINDS: Mapping[FaultKind, Trait] = {
    FaultKind.CLOSE: Trait("The connection is closed without an answer.", either=True),
    FaultKind.RESET: Trait("The connection is reset (TCP RST) without an answer.", either=True),
    FaultKind.HANG: Trait("There is never an answer; the connection stays open.", either=True),
    FaultKind.THROTTLED: Trait(
        "429, with or without `Retry-After`.", takes=_RETRY | _BODY, status=429
    ),
    FaultKind.UNAVAILABLE: Trait(
        "503, with or without `Retry-After`.", either=True, takes=_RETRY | _BODY, status=503
    ),
    FaultKind.SERVER_ERROR: Trait("500.", either=True, takes=_BODY, status=500),
    FaultKind.BAD_GATEWAY: Trait("502, as a proxy says it.", either=True, takes=_BODY, status=502),
    FaultKind.GATEWAY_TIMEOUT: Trait(
        "504, as a proxy says it.", either=True, takes=_BODY, status=504
    ),
    FaultKind.UNAUTHORIZED: Trait("401, though the key is right.", takes=_BODY, status=401),
    FaultKind.FORBIDDEN: Trait("403, as for an unregistered IP address.", takes=_BODY, status=403),
    FaultKind.NOT_FOUND: Trait("404, as if the project were gone.", takes=_BODY, status=404),
    FaultKind.REDIRECT: Trait(
        "A redirect to `location`.", takes=frozenset({"location", "status"}), status=302
    ),
    FaultKind.HTML: Trait("200 with an HTML page instead of JSON.", either=True, status=200),
    FaultKind.EMPTY: Trait("200 with an empty body.", either=True, status=200),
    FaultKind.CUT_SHORT: Trait(
        "Half of the answer, though `Content-Length` promises all, then the end of the connection.",
        stored=True,
        either=True,
        status=200,
    ),
    FaultKind.SLOW: Trait(
        "The right answer, in pieces of `bytes` bytes, one each `interval`.",
        stored=True,
        takes=frozenset({"bytes", "interval"}),
    ),
    FaultKind.DROP_IDLE: Trait(
        "The right answer, then the kept connection is closed without notice.", stored=True
    ),
    FaultKind.PARTIAL: Trait(
        "Errors and a numberid together.", stored=True, takes=frozenset({"status"}), status=200
    ),
    FaultKind.NO_RESULT: Trait(
        "200 with neither errors nor a numberid.", stored=True, either=True, status=200
    ),
    FaultKind.DOWN: Trait(
        "An outage: `answer` is `close`, `reset` or `bad_gateway`, to GET as well.",
        takes=frozenset({"answer"}),
    ),
    FaultKind.DROP_FIELD: Trait(
        "A success, but `field` is not stored (left out: the first field of the record).",
        stored=True,
        alters=True,
        takes=frozenset({"field"}),
    ),
    FaultKind.SWAP_CONTACTS: Trait(
        "A success, but two contacts are stored in each other's place, where the record has both.",
        stored=True,
        alters=True,
        takes=frozenset({"contacts"}),
    ),
    FaultKind.CUT_TEXTS: Trait(
        "A success, but texts are stored cut to `characters` characters: those of text fields, "
        "and contacts' names, titles and e-mail addresses; with `field`, of that field alone.",
        stored=True,
        alters=True,
        takes=frozenset({"field", "characters"}),
    ),
    FaultKind.REORDER_VALUES: Trait(
        "A success, but the values of multiple fields are stored in reverse order.",
        stored=True,
        alters=True,
    ),
}
"""What each kind is; docs/sandbox.md has the same table, and a test holds it to this one."""

_ADD_RECORD_ONLY = frozenset({FaultKind.PARTIAL, FaultKind.NO_RESULT}).union(
    kind for kind, trait in KINDS.items() if trait.alters
)

_OWN_KEYS = frozenset().union(*(trait.takes for trait in KINDS.values()))

_STATUSES = {
    FaultKind.REDIRECT: (301, 302, 303, 307, 308),
    FaultKind.PARTIAL: (200, 417),
}


def seconds(value: object) -> float:
    """A duration: a number of seconds, or text as ``20ms`` or ``1.5s``; raises ValueError."""
    found = None if isinstance(value, bool) else _DURATION.fullmatch(str(value).strip())
    if found is None:
        raise ValueError("expected a duration: 0.05, 50ms or 2s")
    length = float(found[1]) * (0.001 if found[2] == "ms" else 1.0)
    if length > LONGEST:
        raise ValueError("a duration of more than a day: is the unit right?")
    return length


class Latency(NamedTuple):
    """How long, in seconds, every request waits before it is answered: anything between two."""

    low: float
    high: float


def parse_latency(value: object) -> Latency:
    """A duration, or a range as ``20ms-80ms`` or ``20-80ms``; raises ValueError."""
    if isinstance(value, Latency):
        return value
    first, dash, last = str(value).partition("-")
    if not dash:
        return Latency(seconds(value), seconds(value))
    if last.strip().endswith("ms") and first.strip()[-1:].isdigit():
        first += "ms"
    try:
        low, high = seconds(first), seconds(last)
    except ValueError:
        raise ValueError("expected a duration or a range: 20ms, 0.05 or 20ms-80ms") from None
    if low > high:
        raise ValueError("the range starts above its end")
    return Latency(low, high)


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


Seconds = Annotated[float, BeforeValidator(seconds)]

Ordinal = Annotated[int, Field(strict=True, ge=1)]

Boolean = Annotated[bool, Field(strict=True)]

To = Literal["records", "all"]

RetryAfter = Literal["seconds", "date", "none"]

ContactNumber = Annotated[int, Field(strict=True, ge=1, le=9)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Capacity(_Part):
    """A service that serves so many requests at once, each in a fixed time; others wait in line."""

    at_once: Ordinal
    each: Seconds


class RateLimit(_Part):
    """At most `rate` requests a second, `burst` of them at once; 429 beyond that.

    `burst` is a tenth of a second's worth where it is left out. `wait` is what Retry-After names;
    left out, the time until there is room. It is rounded up to whole seconds, as HTTP wants it.
    """

    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    burst: Ordinal | None = None
    retry_after: RetryAfter = "seconds"
    wait: Seconds | None = None
    to: To = "records"

    @property
    def at_once(self) -> int:
        """The burst, stated or not."""
        return self.burst or max(1, round(self.rate / 10))


class Rule(_Part):
    """One fault, and when it strikes: whenever everything that is said about "when" is true.

    Requests are counted from 1, from the sandbox's start, among those that the rule is `to`:
    whole Add record requests, or all requests. `for` ends the rule so long after it first
    struck. `match` names parts of the body, as ``form.name``, and the text they must have.
    """

    kind: FaultKind
    to: To | None = None
    every: Ordinal | None = None
    at: Annotated[tuple[Ordinal, ...], BeforeValidator(_listed)] | None = None
    from_: Ordinal | None = Field(None, alias="from")
    until: Ordinal | None = None
    for_: Seconds | None = Field(None, alias="for")
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(strict=True)] = 0
    match: dict[str, Annotated[str, BeforeValidator(str)]] | None = None
    stored: Boolean | None = None
    retry_after: RetryAfter = "seconds"
    wait: Seconds = 1.0
    body: Literal["json", "empty", "html"] | None = None
    status: int | None = None
    location: str = "/login"
    bytes: Ordinal = 8
    interval: Seconds = 0.05
    answer: Literal["close", "reset", "bad_gateway"] = "close"
    field: str | None = None
    contacts: tuple[ContactNumber, ContactNumber] = (1, 2)
    characters: Ordinal = 20

    @pydantic.model_validator(mode="after")
    def _makes_sense(self) -> Rule:
        given = self.model_dump(include=self.model_fields_set, by_alias=True)
        if mistakes := [f"{key}: {what}" for key, what in nonsense(given)]:
            raise pydantic_core.PydanticCustomError(NONSENSE, "{all}", {"all": "; ".join(mistakes)})
        return self

    @property
    def stores(self) -> bool:
        """Whether the record is stored."""
        return KINDS[self.kind].stored if self.stored is None else self.stored

    @property
    def everybody(self) -> bool:
        """Whether it strikes GET requests, too."""
        return self.to == "all" or (self.to is None and self.kind is FaultKind.DOWN)


NONSENSE = "nonsense"
"""The type of pydantic's error for what :func:`nonsense` finds."""


def nonsense(rule: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """The keys of a rule, as written, that its kind does not have or that contradict others."""
    try:
        kind = FaultKind(rule.get("kind", ""))
    except (ValueError, TypeError):
        return
    trait = KINDS[kind]
    for key in rule:
        if key in _OWN_KEYS and key not in trait.takes:
            able = ", ".join(one for one in FaultKind if key in KINDS[one].takes)
            yield key, f'"{kind}" has no such key; it is for {able}'
    if "stored" in rule and not trait.either:
        always = "always" if trait.stored else "never"
        yield "stored", f'with "{kind}" the record is {always} stored'
    if rule.get("to") == "all" and kind in _ADD_RECORD_ONLY:
        yield "to", f'"{kind}" is an answer to Add record: it cannot strike all'
    start, end = rule.get("from"), rule.get("until")
    if isinstance(start, int) and isinstance(end, int) and end < start:
        yield "until", f"comes before from: {start}"
    if "seed" in rule and "probability" not in rule:
        yield "seed", "is for a probability, and there is none"
    if kind in _STATUSES and "status" in rule and rule["status"] not in _STATUSES[kind]:
        yield "status", f"expected one of {', '.join(map(str, _STATUSES[kind]))}"
    pair = rule.get("contacts")
    if isinstance(pair, list | tuple) and len(pair) == 2 and pair[0] == pair[1]:
        yield "contacts", "expected two different contacts, as [1, 2]"
    match = rule.get("match")
    for key in match if isinstance(match, Mapping) else ():
        if not str(key).startswith(("form.", "contacts.", "premium.", "disposition.")):
            yield "match", f'"{key}" is no part of a record: write it as form.name'


class Faults(_Part):
    """All that the sandbox is told to do wrong; of the rules, the first that strikes counts."""

    latency: Annotated[Latency, BeforeValidator(parse_latency)] | None = None
    capacity: Capacity | None = None
    rate_limit: RateLimit | None = None
    faults: tuple[Rule, ...] = ()

    def overridden(self, latency: Latency | None, rate_limit: float | None) -> Faults:
        """These faults, with another latency or rate where one is given."""
        limit = self.rate_limit
        if rate_limit is not None:
            limit = RateLimit.model_validate(
                {**(limit.model_dump() if limit else {}), "rate": rate_limit}
            )
        return self.model_copy(
            update={"latency": latency or self.latency, "rate_limit": limit},
        )


NO_FAULTS = Faults()


# Reading a fault file.


def load_faults(path: Path) -> Faults:
    """The faults of the file.

    Raises SourceError when it cannot be read, MappingError with every mistake found, each with
    its line and column, when it can be read but not used.
    """
    marked = document.parse_yaml(document.read_file(path, "fault file"), path)
    listed = isinstance(marked, list)
    data = {"faults": marked} if listed else marked
    mistakes: list[tuple[Location, str]] = []
    faults = Faults()
    try:
        faults = Faults.model_validate({} if data is None else data)
    except ValidationError as error:
        mistakes = [(e["loc"], _explain(e)) for e in error.errors() if e["type"] != NONSENSE]
    mistakes += _nonsense(data)
    if mistakes:
        raise document.unusable(
            path,
            marked,
            [(where[1:] if listed else where, what) for where, what in mistakes],
            kind="fault file",
            hint="docs/sandbox.md lists what can be ordered; samples/faults.yaml shows how",
        )
    return faults


def _nonsense(data: Any) -> Iterator[tuple[Location, str]]:
    rules = data.get("faults") if isinstance(data, dict) else None
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict):
            yield from ((("faults", index, key), what) for key, what in nonsense(rule))


def _explain(error: Any) -> str:
    """A complaint in the words of someone who writes the file."""
    match error["type"]:
        case "enum":
            return _unknown_kind(error["input"])
        case "int_type" | "int_parsing" | "int_from_float":
            return "expected a whole number"
        case "float_type" | "float_parsing":
            return "expected a number"
        case "bool_type":
            return "expected true or false"
        case _:
            return document.explain(error, _keys(_model(error["loc"])))


def _unknown_kind(given: object) -> str:
    by_status = [kind for kind, trait in KINDS.items() if trait.status and trait.status == given]
    near = by_status[:1] or get_close_matches(str(given), list(FaultKind), 1)
    known = f'did you mean "{near[0]}"?' if near else f"expected one of {', '.join(FaultKind)}"
    return f'unknown kind of fault "{given}": {known}'


def _model(where: Sequence[str | int]) -> type[BaseModel]:
    models: Mapping[str | int, type[BaseModel]] = {
        "faults": Rule,
        "capacity": Capacity,
        "rate_limit": RateLimit,
    }
    return models.get(where[0], Faults) if len(where) > 1 else Faults


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
