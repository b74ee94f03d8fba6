r"""Keeps the API key out of what a service or a proxy says: found in its forms, and masked. Pure.

A service may repeat a request in an error message, its headers too. What comes from outside is
searched before it is cut to length, kept or shown: an end of a key would be left of a cut.

The forms are the key itself, also with characters written as in URLs (``%2F``), JSON (``\u002f``,
``\/``) or HTML (``&#47;``), and Base64 of any text that has the key in it, as the Authorization
header is. Keys of fewer than 8 characters may be parts of words, so they are masked where they
stand by themselves; those of fewer than 4, and one that is the customer's name, only in Base64
together with the customer.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

MASK = "[API key]"
_WORD = 4
_ANYWHERE = 8
_DEEPEST = 100
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=%")
_ESCAPES = "%\\&"
_HTML = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


class KeyMask:
    """Finds one customer's key. It shows in no repr."""

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
    """What Base64 makes of some bytes behind `before` others, as far as these do not matter."""
    text = base64.b64encode(bytes(before) + raw).decode()
    # The first characters hold bits of what is before; the last one may hold some of what follows.
    end = text.rstrip("=")
    return end[(0, 2, 3)[before] : len(end) - (end != text)]


def _pattern(forms: list[str], edge: str | None) -> re.Pattern[str] | None:
    """Any of the forms, each character as itself or escaped, by itself where there is an edge."""
    if not forms:
        return None
    # As it stands comes first, since an escape may be what the key itself has: of a key with %25.
    ways = [way for form in forms for way in (re.escape(form), "".join(map(_sign, form)))]
    either = "|".join(ways)
    return re.compile(either if edge is None else f"(?<!{edge})(?:{either})(?!{edge})")


def _sign(character: str) -> str:
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
