"""Text from outside as a terminal may show it: nothing in it steers the terminal.

Sheets, file names, services and proxies say what they like. Control characters (C0, DEL, C1) move
the cursor, set the title, or type; direction marks let a text read other than it is; U+2028 and
U+2029 are line ends to some. Joiners and soft hyphens are parts of words, and stay.
"""

from __future__ import annotations

import re

_DIRECTIONS = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_STEERING = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_DIRECTIONS}]")
_STEERING_IN_JSON = re.compile(f"[\x7f-\x9f{_DIRECTIONS}]")


def shown(text: str) -> str:
    """The text with U+FFFD for each character that steers a terminal; tabs and line feeds stay."""
    return text if text.isascii() and text.isprintable() else _STEERING.sub("\ufffd", text)


def shown_json(line: bytes) -> bytes:
    """A line of JSON in UTF-8, of the same value, with escapes for what steers a terminal.

    C0 controls are escaped in all JSON; the others stand in its strings only.
    """
    if line.isascii() and b"\x7f" not in line:
        return line
    return _STEERING_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()
