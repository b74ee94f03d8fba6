"""White space as spreadsheets have it: no-break spaces, zero-width characters, byte-order marks."""

from __future__ import annotations

from importer.model import BLANKS

_DELETE = dict.fromkeys(map(ord, BLANKS))


def trim(text: str) -> str:
    """The text without white space of any kind at its ends."""
    return text.strip(BLANKS)


def squeeze(text: str) -> str:
    """The text without white space of any kind anywhere."""
    return text.translate(_DELETE)


def title_case(text: str) -> str:
    """Each word's first letter raised and the others lowered; hyphens divide words."""
    lowered = text.lower()
    return "".join(
        letter.upper() if i == 0 or lowered[i - 1] in BLANKS + "-" else letter
        for i, letter in enumerate(lowered)
    )
