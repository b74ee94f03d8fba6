"""White space as spreadsheets have it: no-break spaces, zero-width characters, direction marks."""

from __future__ import annotations

import unicodedata

from importer.model import BLANKS, INVISIBLE

_DELETE = dict.fromkeys(map(ord, BLANKS))
_DELETE_INVISIBLE = dict.fromkeys(map(ord, INVISIBLE))


def trim(text: str) -> str:
    """The text without white space of any kind at its ends."""
    return text.strip(BLANKS)


def squeeze(text: str) -> str:
    """The text without white space of any kind anywhere."""
    return text.translate(_DELETE)


def visible_only(text: str) -> str:
    """The text without characters that have no width: white space that has one stays."""
    return text.translate(_DELETE_INVISIBLE)


def as_cell(text: str) -> str:
    """A text of the mapping as cells are compared with it: trimmed, in Unicode NFC."""
    return unicodedata.normalize("NFC", trim(text))


def title_case(text: str) -> str:
    """Each word's first letter raised and the others lowered; hyphens divide words."""
    lowered = text.lower()
    return "".join(
        letter.upper() if i == 0 or lowered[i - 1] in BLANKS + "-" else letter
        for i, letter in enumerate(lowered)
    )
