"""An answer read: from status, headers and bytes to a Reply, with the API key masked. Pure.

The envelope is ``{"errors": [...], "response": ...}`` whatever its Content-Type says. It comes
from another program, so every part of it is read defensively and made fit for a terminal.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from importer.model import Reply, ReplyError, Wire

MASK = "[API key]"
_WORD = 4
"""Characters from which on a key is masked where it stands by itself."""
_ANYWHERE = 8
"""Characters from which on a key is masked within words, too."""
_DEEPEST = 100
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=%")
_ESCAPES = "%\\&"
_HTML = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


class KeyMask:
    r"""Takes the API key out of what a service or a proxy says. It shows in no repr.

    A service may repeat a request in an error message, its headers too. What comes from outside is
    searched before it is cut to length, kept or shown: a cut would leave one end of a key.

    Found are the key itself, also with characters written as in URLs (``%2F``), JSON (``\u002f``,
    ``\/``) or HTML (``&#47;``), and Base64 of any text that has the key in it, as the
    Authorization header is. Keys of fewer than 8 characters may be parts of words, so they are
    masked where they stand by themselves; those of fewer than 4, and one that is the customer's
    name, only in Base64 together with the customer.
    """

    __slots__ = ("_encoded", "_plain", "_signs")

    def __init__(self, customer: str, key: str) -> None:
        raw = key.encode("utf-8", "surrogatepass")
        pair = customer.encode("utf-8", "surrogatepass") + b":" + raw
        plain: list[str] = []
        encoded = [base64.b64encode(pair).decode().rstrip("=")] if key else []
        if len(key) >= _WORD and key != customer:
            plain = [key]
            encoded += [core for before in range(3) if (core := _core(raw, before))]
        edge = r"[^\W_]" if len(key) < _ANYWHERE else None
        self._plain = _pattern(plain, edge)
        self._encoded = _pattern(encoded, None)
        # One of these is in every text that has the key in it without escapes.
        filled = [text.replace(" ", "+") for text in plain]
        urlsafe = [text.replace("+", "-").replace("/", "_") for text in encoded]
        signs = (*plain, *filled, *encoded, *urlsafe, *_ESCAPES)
        self._signs = re.compile("|".join(map(re.escape, signs)))

    def text(self, text: str) -> str:
        """The text with the key masked in it."""
        if self._signs.search(text) is None:
            return text
        if self._encoded is not None:
            text = _masked_runs(text, self._encoded)
        return text if self._plain is None else self._plain.sub(MASK, text)

    def data(self, value: Any, depth: int = _DEEPEST) -> Any:
        """JSON data with the key masked in all its texts, keys of objects too.

        What is nested deeper than anybody reads is left out.
        """
        if not depth:
            return None
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.data(item, depth - 1) for item in value]
            case dict():
                return {self.text(key): self.data(item, depth - 1) for key, item in value.items()}
        return value


def _core(raw: bytes, before: int) -> str:
    """The part of the Base64 of these bytes that no `before` bytes in front of them change."""
    text = base64.b64encode(bytes(before) + raw).decode()
    # The first characters hold bits of what is before; the last one may hold some of what follows.
    end = text.rstrip("=")
    return end[(0, 2, 3)[before] : len(end) - (end != text)]


def _pattern(forms: list[str], edge: str | None) -> re.Pattern[str] | None:
    """Any of the forms, each character as itself or escaped, by itself where there is an edge."""
    if not forms:
        return None
    # As it stands comes first, since an escape may be what the key itself has: of a key with %25.
    ways = [way for form in forms for way in (re.escape(form), "".join(map(_character, form)))]
    either = "|".join(ways)
    return re.compile(either if edge is None else f"(?<!{edge})(?:{either})(?!{edge})")


def _character(character: str) -> str:
    """A pattern of a character and its escapes; atomic, so that searching takes linear time."""
    number = ord(character)
    url = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    units = json.dumps(character)[1:-1]
    ways = [f"(?i:{url})", rf"(?i:&\#(?:0*{number}|x0*{number:x});)"]
    if units.startswith("\\"):
        ways.append(f"(?i:{re.escape(units)})")
    if number < 1 << 16:
        ways.append(rf"\\(?i:u{number:04x})")
    if character == "/":
        ways.append(r"\\/")
    if character in _HTML:
        ways.append(f"&{_HTML[character]};")
    if character == " ":
        ways.append(r"\+")
    if character in "+/":  # of Base64 there is a form for URLs
        ways.append("-" if character == "+" else "_")
    # Longer ones come first: a % that begins an escape is no % that stands for itself.
    return f"(?>{'|'.join((*ways, re.escape(character)))})"


def _masked_runs(text: str, core: re.Pattern[str]) -> str:
    """Mask all of each run of Base64 that has the key in it: its ends hold parts of the key."""
    pieces: list[str] = []
    at = 0
    while (found := core.search(text, at)) is not None:
        begin, end = found.span()
        while begin > at and text[begin - 1] in _BASE64:
            begin -= 1
        while end < len(text) and text[end] in _BASE64:
            end += 1
        pieces += (text[at:begin], MASK)
        at = end
    return "".join((*pieces, text[at:]))


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
