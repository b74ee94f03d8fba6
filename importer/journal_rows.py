"""Outcomes as the journal's table has them, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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

_UNANSWERED = (
    "unanswered",
    "sent, but the run ended before an answer was recorded",
    "It may exist: look for it in the service before sending it again.",
)


def json_list(values: Iterable[object]) -> str:
    """Values as a JSON array; row numbers may still be the scalars of a Batch."""
    return orjson.dumps(list(values), option=orjson.OPT_SERIALIZE_NUMPY).decode()


def packed(outcome: Outcome) -> tuple[object, ...]:
    """An outcome as the table's columns."""
    return (
        outcome.row,
        CODES[outcome.status],
        outcome.attempts,
        outcome.http_status,
        "|".join(outcome.numberids) or None,
        *map(_storable, (outcome.code, outcome.message, outcome.hint)),
    )


def _storable(text: str | None) -> str | None:
    """Text as SQLite's JSON takes it: a NUL would end it, half a surrogate pair is no text."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def unpacked(values: tuple[Any, ...]) -> Outcome:
    """An outcome from the table's columns; an intent reads as uncertain."""
    row, status, attempts, http_status, numberids, code, message, hint = values
    if status == _INTENT:
        return Outcome(row, Status.UNCERTAIN, (), 1, None, *_UNANSWERED)
    ids = tuple(numberids.split("|")) if numberids else ()
    return Outcome(row, STATUSES[status], ids, attempts, http_status, code, message, hint)
