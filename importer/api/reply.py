"""What came back, read as API.md has it: from status, headers and bytes to a Reply. Pure.

The envelope is ``{"errors": [...], "response": ...}`` whatever its Content-Type says. It comes
from another program, so every part of it is read defensively and made fit for a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from importer.api.masking import KeyMask
from importer.model import Reply, ReplyError, Wire

NO_MASK = KeyMask("", "")
_TEXT_CAP = 500
_ERRORS_CAP = 50
_NESTING_CAP = 4
_DIGITS_CAP = 20


def read_reply(
    status: int,
    headers: Mapping[str, str],
    body: bytes | None,
    mask: KeyMask = NO_MASK,
) -> tuple[Reply, dict[str, Any] | None]:
    """A whole answer as a Reply, and its envelope if it has one.

    `headers` are looked up in the case used here: pass a case-insensitive mapping. `body` is
    None for one that was too long to be read. Whatever text is given is masked. Never raises.
    """
    envelope = _envelope(body) if body else None
    # The wait is only asked for with these, and reading it costs every other reply time.
    retry_after = retry_after_of(headers) if status in (429, 503) else None
    if envelope is None:
        kind = headers.get("Content-Type", "no content type").partition(";")[0]
        size = "too long to read" if body is None else f"{len(body)} bytes"
        detail = clean(f"HTTP {status}, {mask.text(kind)}, {size}")
        return Reply(Wire.ANSWERED, status, retry_after=retry_after, detail=detail), None
    numberids = _all_numberids(envelope["response"])
    envelope = mask.data(envelope)
    reply = Reply(
        Wire.ANSWERED,
        status,
        understood=True,
        numberids=numberids,
        errors=tuple(map(_error, envelope["errors"][:_ERRORS_CAP])),
        retry_after=retry_after,
    )
    return reply, envelope


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` asks for, given as such or as an HTTP date.

    A date is measured from the reply's own `Date`, so that the clocks need not agree.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:_DIGITS_CAP])
    until = _http_date(text)
    if until is None:
        return None
    now = _http_date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def clean(text: str) -> str:
    """Text from elsewhere on one line, without control characters, of bearable length."""
    text = text[: 4 * _TEXT_CAP]
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _TEXT_CAP else text[: _TEXT_CAP - 1] + "…"


def _envelope(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(value, dict) and "response" in value and isinstance(value.get("errors"), list):
        return value
    return None


def _all_numberids(response: object) -> tuple[str, ...]:
    match response:
        case [int() as one] if one is not True and one > 0:
            return (str(one),)
        case _:
            return tuple(dict.fromkeys(_numberids(response, _NESTING_CAP)))


def _numberids(value: object, depth: int) -> Iterator[str]:
    """Numberids in a `response`: one, a list of them, or objects that have a `numberid`."""
    match value:
        case bool():
            return
        case int() if value > 0:
            yield str(value)
        case str() if value.isascii() and value.isdigit() and len(value) <= _DIGITS_CAP:
            if stripped := value.lstrip("0"):
                yield stripped
        case list() if depth:
            for item in value:
                yield from _numberids(item, depth - 1)
        case dict() if depth and "numberid" in value:
            yield from _numberids(value["numberid"], depth - 1)
        case dict() if depth:
            for item in value.values():
                if isinstance(item, dict | list):
                    yield from _named_numberids(item, depth - 1)
        case _:
            return


def _named_numberids(value: dict[str, Any] | list[Any], depth: int) -> Iterator[str]:
    """Numberids below an object whose own keys are not known: only those that are named so."""
    if isinstance(value, dict) and "numberid" in value:
        yield from _numberids(value["numberid"], depth)
    elif depth:
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict | list):
                yield from _named_numberids(item, depth - 1)


def _error(entry: object) -> ReplyError:
    if not isinstance(entry, dict):
        return ReplyError("", clean(_text(entry)) or "an error without words")
    code, message = _text(entry.get("errorcode")), _text(entry.get("errormessage"))
    property_, index = entry.get("property"), entry.get("index")
    return ReplyError(
        code=clean(code),
        message=clean(message or ("" if code else "an error without words")),
        property=None if property_ is None else clean(_text(property_)) or None,
        index=index if isinstance(index, int) and not isinstance(index, bool) else None,
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _http_date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
