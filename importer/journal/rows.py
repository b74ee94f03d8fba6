"""Outcomes as the journal's table has them, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from importer.model import Outcome, Status

_INTENT = 0
CODES = {
    Status.CREATED: 1,
    Status.REJECTED: 2,
    Status.INVALID: 3,
    Status.SKIPPED: 4,
    Status.UNCERTAIN: 5,
}
"""How the table writes each state; an intent is 0."""

STATUSES = {code: status for status, code in CODES.items()} | {_INTENT: Status.UNCERTAIN}


def status_of(number: object) -> Status:
    """The state that the table writes as this number; raises ValueError for what is none."""
    status = STATUSES.get(number) if isinstance(number, int) else None
    if status is None:
        raise ValueError(f"state {number!r}")
    return status


_UNANSWERED = (
    "unanswered",
    "sent, but the run ended before an answer was recorded",
    "It may exist: look for it in the service before sending it again.",
)


def json_list(values: Iterable[object]) -> str:
    """Values as a JSON array; row numbers may still be the scalars of a Batch."""
    return orjson.dumps(list(values), option=orjson.OPT_SERIALIZE_NUMPY).decode()


def grouped(outcomes: Iterable[Outcome], intents: Iterable[int]) -> tuple[str, int]:
    """Rows by what is the same of them, as journal_file.RECORD takes them, and how many they are.

    Nearly all outcomes of a round differ in their row and numberids alone. A row that was given
    twice with the same outcome counts once.
    """
    groups: dict[_Alike, dict[str, str | None]] = {}
    for o in outcomes:
        alike = _Alike(CODES[o.status], o.attempts, o.http_status, o.code, o.message, o.hint)
        groups.setdefault(alike, {})[str(o.row)] = "|".join(o.numberids) or None
    groups[_Alike(_INTENT)] = dict.fromkeys(map(str, intents))
    rows = [(*alike[:3], *map(_storable, alike[3:]), members) for alike, members in groups.items()]
    return orjson.dumps(rows).decode(), sum(map(len, groups.values()))


class _Alike(NamedTuple):
    """All of a row but its number and numberids."""

    status: int
    attempts: int = 0
    http_status: int | None = None
    code: str | None = None
    message: str | None = None
    hint: str | None = None


def _storable(text: str | None) -> str | None:
    """Text as SQLite's JSON takes it: a NUL would end it, half a surrogate pair is no text."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def stored(o: Outcome) -> tuple[int | str | None, ...]:
    """An outcome as the table's columns have it."""
    texts = map(_storable, (o.code, o.message, o.hint))
    ids = "|".join(o.numberids) or None
    return (int(o.row), CODES[o.status], o.attempts, o.http_status, ids, *texts)


def unpacked(values: tuple[Any, ...]) -> Outcome:
    """An outcome from the table's columns; an intent reads as uncertain.

    Raises TypeError or ValueError for values that no journal has, as damage may leave them.
    """
    row, status, attempts, http_status, numberids, code, message, hint = values
    for number in (attempts, 0 if http_status is None else http_status):
        if not isinstance(number, int):
            raise TypeError(f"{number!r} as a number")
    for text in (numberids, code, message, hint):
        if not isinstance(text, str | None):
            raise TypeError(f"{text!r} as a text")
    if status == _INTENT:
        return Outcome(row, Status.UNCERTAIN, (), 1, None, *_UNANSWERED)
    ids = tuple(numberids.split("|")) if numberids else ()
    return Outcome(row, status_of(status), ids, attempts, http_status, code, message, hint)
