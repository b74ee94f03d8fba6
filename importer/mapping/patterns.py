r"""A mapping's regular expressions: matched by RE2, in time that is linear in the text.

A backtracking matcher, Python's among them, can take longer than anybody lives over a name of forty
letters: ``([A-Za-z]+ ?)+`` does. RE2, which Arrow brings, never goes back. For that it has no
look-around, no back references and no possessive repeats, and its classes ``\w \d \s \b`` are
those of ASCII. How much work a character may cost is bounded here, when the mapping is loaded.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

LONGEST = 2_000
"""Characters of a pattern."""
LARGEST = 100_000
"""The most that a pattern's length and its counted repeats may come to, multiplied: RE2 writes
``a{1000}`` out, and looks at each copy for each character of a text."""

_UNKNOWN = re.compile("Invalid regular expression: ")
_COUNT = re.compile(r"\{([0-9]{1,9})?(?:,([0-9]{1,9})?)?\}")
_HINTS = (
    (("(?=", "(?!", "(?<=", "(?<!"), "it has no look-around: write what the whole text may be"),
    ((r"\k", r"\g"), "it has no back references: write the part out again"),
    (("(?>",), "it has no atomic groups, and needs none: write (?:"),
    (("(?(",), "it has no conditions: write the forms with | between them"),
    (("(?#",), "it has no comments: write them behind # of YAML"),
    ((r"\Z",), "the whole text must match anyway: leave it out"),
    ((r"\u", r"\U", r"\N", r"\L", r"\e"), r"write the character itself, or \x{20AC} for U+20AC"),
    (("repetition size",), "repeat at most 1000 times, also of what is repeated itself"),
    (("too large", "nests too deeply", "nesting depth"), "make it shorter"),
    (("(?",), r"of (?…) it knows (?:…), (?P<name>…) and the flags i, m, s, U"),
)
_ESCAPED_DIGIT = re.compile(r"escape sequence: \\[1-9]")
_REPEATED = re.compile(r"repetition operator: \S*[+*?}]\+")
_ASCII_CLASS = re.compile(r"\\[wWdDsSbB]")


def mistake_in(pattern: str) -> str | None:
    """Why a pattern is unusable, in words for its author; None for a good one."""
    # Imported late, here and below: jobs files are loaded every few minutes, and need no Arrow.
    import pyarrow as pa

    from importer.mapping.cells import matches

    if len(pattern) > LONGEST:
        return f"has {len(pattern):,} characters, more than {LONGEST:,}: make it shorter"
    counts = sum(max(int(n or 0) for n in found.groups()) for found in _COUNT.finditer(pattern))
    for tried in (pattern, whole_pattern(pattern)):
        # First as it stands: a parenthesis too many would close the one around it.
        try:
            matches(pa.array([""]), tried)
        except UnicodeEncodeError:
            return "not a regular expression: half a surrogate pair is no text"
        except pa.ArrowInvalid as error:
            words = _UNKNOWN.sub("", str(error)).splitlines()[0]
            return f"not a regular expression of RE2: {words}{_hint(words, pattern)}"
    if len(pattern) * counts > LARGEST:
        return (
            f"not a regular expression of RE2 that is quick to match: its repeats come to "
            f"{counts:,} times: make it shorter, or repeat less and give max_length"
        )
    return None


def _hint(words: str, pattern: str) -> str:
    # Of (?P=name) RE2 names the first three characters only.
    if _ESCAPED_DIGIT.search(words) or (words.endswith("(?P") and "(?P=" in pattern):
        return ": it has no back references: write the part out again"
    if _REPEATED.search(words):
        return ": it has no possessive repeats, and needs none: leave the last + out"
    return next((f": {hint}" for signs, hint in _HINTS if any(s in words for s in signs)), "")


def form_hint(pattern: str, text: str) -> str:
    """The hint for a text that does not match."""
    if not text.isascii() and (found := _ASCII_CLASS.search(pattern)):
        return (
            f"write it in that form; or change pattern in the mapping, where {found[0]} knows the "
            r"letters, digits and blanks of ASCII only: [\pL\pM\pN_] is a letter or digit of any "
            "language"
        )
    return "write it in that form; or change pattern in the mapping"


def _matching(texts: list[str], pattern: str) -> Any:
    """Which texts a pattern matches some part of: an array of truth values."""
    import pyarrow as pa

    from importer.mapping.cells import matches

    return matches(pa.array(texts, pa.large_string()), pattern)


class _Ahead(threading.local):
    """The texts that :meth:`Pattern.match_ahead` gathers, and the matches that it has found.

    Each thread has its own: two batches are mapped at a time, by the same programs.
    """

    def __init__(self) -> None:
        self.asked: dict[str, None] | None = None
        self.known: dict[str, bool] = {}


class Pattern:
    """A pattern that a whole text must match; several threads may use it.

    To compile one takes RE2 much longer than to match a text, and Arrow compiles it for each call:
    :meth:`match_ahead` matches all texts of a batch in one call.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._pattern = whole_pattern(text)
        self._ahead = _Ahead()

    def fits(self, text: str) -> bool:
        """Whether the whole text matches."""
        if self._ahead.asked is not None:
            self._ahead.asked[text] = None
            return True
        known = self._ahead.known.get(text)
        return bool(_matching([text], self._pattern)[0]) if known is None else known

    def match_ahead(self, ask: Callable[[str], Any], about: Iterable[str]) -> None:
        """Match in one call all texts that `ask` will pass to :meth:`fits`; forget earlier ones.

        To learn which texts these are, `ask` is called for each of `about`, and told that each text
        matches; what it returns is dropped.
        """
        asked = self._ahead.asked = dict[str, None]()
        try:
            for text in about:
                ask(text)
        finally:
            self._ahead.asked = None
        found = _matching(list(asked), self._pattern).tolist()
        self._ahead.known = dict(zip(asked, found, strict=True))


def whole_pattern(pattern: str) -> str:
    """The pattern of RE2 that a text matches where a whole text matches the given one."""
    return rf"\A(?:{pattern})\z"
