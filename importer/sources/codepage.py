"""Which of the code pages that spreadsheet programs of the region write a text is in.

The one is taken in which the words with accents look most like words. Each such word is scored, in
each code page, under the language that explains it best: the sum of the logarithms of how frequent
each accented letter is among that language's accented letters (`_LETTERS`, in per mille). A letter
foreign to the language, a sign inside a word (``³``, ``¹``) or a capital after a small letter costs
a lot, and languages from outside the region cost a little. So byte F5 in ``Gy?r`` is Győr rather
than Gyõr, and F4 in ``c?té`` is côté. Signs of prose cost nothing where prose has them: ``®``
before a letter is none (but Ž), nor is ``»`` between letters, nor where hardly any is opened by
``«`` (but ť). A byte that a code page lacks rules it out. On equal scores, the texts being the
same, the first code page is taken.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CODE_PAGES = ("cp1250", "cp1252", "iso8859-2")
_IN_WORD = np.zeros(256, np.bool_)
_IN_WORD[[*range(0x41, 0x5B), *range(0x61, 0x7B), *range(0x80, 0x100)]] = True
_ASCII = bytes(range(0x80))
_LONGEST_WORD = 80
"""Bytes. Longer runs of letters are no words, and could cost minutes and gigabytes."""
_MOST_WORDS = 20_000

_LETTERS = {
    "hu": "á 270 é 260 ö 90 ó 90 ő 80 í 60 ü 55 ú 50 ű 25",
    "de": "ü 400 ä 280 ö 200 ß 120",
    "cs": "í 200 á 190 é 100 ě 90 ř 80 č 80 š 75 ž 75 ý 70 ů 50 ú 20 ň 15 ó 10 ť 10 ď 10",
    "sk": "á 210 í 130 é 110 č 110 š 90 ž 90 ý 80 ú 80 ľ 50 ť 30 ô 20 ň 20 ó 10 ď 10 ä 10 ĺ 5 ŕ 5",
    "pl": "ł 250 ó 140 ą 130 ę 130 ż 110 ś 100 ć 60 ń 60 ź 20",
    "hr": "š 270 ć 270 č 260 ž 170 đ 80",
    "ro": "ă 400 ţ 200 ş 200 î 130 â 120",
    "fr": "é 600 è 140 à 110 ê 60 ç 40 ô 30 î 20 â 20 û 10 ë 10 ï 10 ù 10",
    "es": "ó 270 í 240 á 200 é 150 ñ 90 ú 60 ü 5",
    "it": "à 300 è 300 ò 150 ù 150 ì 80 é 70",
    "pt": "ã 250 ç 180 á 150 é 130 í 90 ó 80 õ 60 ê 50 ú 40 â 20 ô 20 à 20",
    "nordic": "ä 250 ö 200 å 200 ø 180 æ 110 é 40",
}
_REGION = frozenset({"hu", "de", "cs", "sk", "pl", "hr", "ro"})
_OUTSIDE_REGION = -0.3
_FOREIGN_LETTER = -8.0
_SIGN_IN_WORD = -6.0
_ODD_CAPITAL = -4.0
_PLAIN_SIGNS = frozenset("„“”‚‘’‹›«»–—…•€§°·®™\xa0\xad")
_QUOTES = frozenset("«»")
"""Those that are letters in another code page."""


def best_code_page(blocks: Iterable[bytes]) -> str | None:
    """The code page of a file that is given in blocks; None if it can be in none of them."""
    words: Counter[bytes] = Counter()
    seen: set[int] = set()
    for block in blocks:
        if block.isascii():
            continue
        seen.update(block.translate(None, _ASCII))
        if len(words) < _MOST_WORDS:
            words.update(_accented_words(block))
    high = bytes(sorted(seen))
    scores = {name: _score(words, name) for name in _CODE_PAGES if _has_all(name, high)}
    return max(scores, key=scores.__getitem__, default=None)


def _accented_words(block: bytes) -> Iterator[bytes]:
    """The words that have a byte beyond ASCII, each as often as it stands."""
    data = np.frombuffer(block, np.uint8)
    between = np.flatnonzero(~_IN_WORD[data])
    ends = np.unique(np.searchsorted(between, np.flatnonzero(data >= 0x80)))
    bounds = np.concatenate(([-1], between, [len(block)]))
    for start, end in zip((bounds[ends] + 1).tolist(), bounds[ends + 1].tolist(), strict=True):
        if end - start <= _LONGEST_WORD:
            yield block[start:end]


def _has_all(code_page: str, high: bytes) -> bool:
    try:
        text = high.decode(code_page)
    except UnicodeDecodeError:
        return False
    return not any("\x80" <= char <= "\x9f" for char in text)


def _score(words: Counter[bytes], code_page: str) -> float:
    """The likelihood of the words in a code page; each counts once, however often it stands."""
    texts = {word.decode(code_page): count for word, count in words.items()}
    opening, closing = (
        sum(text.count(sign) * count for text, count in texts.items()) for sign in "«»"
    )
    plain = _PLAIN_SIGNS
    if 2 * min(opening, closing) < max(opening, closing):
        plain -= _QUOTES
    return sum(_word_score(text, plain) for text in texts)


def _word_score(word: str, plain: frozenset[str]) -> float:
    fixed = 0.0
    letters = []
    for before, char, after in zip("." + word, word, word[1:] + ".", strict=False):
        if char.isascii() or (char in plain and not _is_misplaced(before, char, after)):
            continue
        if not char.isalpha() or char in "ªº":
            fixed += _SIGN_IN_WORD
            continue
        letters.append(char.lower())
        if char.isupper() and before.islower():
            fixed += _ODD_CAPITAL
    if not letters:
        return fixed
    return fixed + max(
        sum(table.get(letter, _FOREIGN_LETTER) for letter in letters) + prior
        for table, prior in _tables()
    )


def _is_misplaced(before: str, sign: str, after: str) -> bool:
    """Whether a plain sign stands where prose does not have it, given its neighbours."""
    if sign in "®™":
        return after.isalpha()
    return sign in _QUOTES and before.isalpha() and after.isalpha()


@cache
def _tables() -> tuple[tuple[dict[str, float], float], ...]:
    """For each language, the logarithms of its letters' frequencies, and what it costs itself."""
    tables = []
    for language, text in _LETTERS.items():
        parts = text.split()
        table = {
            letter: math.log(int(per_mille) / 1000)
            for letter, per_mille in zip(parts[::2], parts[1::2], strict=True)
        }
        tables.append((table, 0.0 if language in _REGION else _OUTSIDE_REGION))
    return tuple(tables)
