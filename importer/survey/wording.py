"""Texts from elsewhere as they stand in messages: on one line, cut where they are long."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

_LONGEST = 80
"""Characters of a text in a message."""


def one_line(text: str) -> str:
    """A text without quotes, as ids are shown: on one line, cut where it is long."""
    line = " ".join(text.split()) if not text.isprintable() else text
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def quoted(text: str) -> str:
    """A text in quotes."""
    return f'"{one_line(text)}"'


def enumerated(texts: Iterable[str], most: int) -> str:
    """The first `most` of some texts, which are taken as they are; blank where there is none."""
    first = list(islice(texts, most + 1))
    return ", ".join(first[:most]) + (" …" if len(first) > most else "")
