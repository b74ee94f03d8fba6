"""Which code page a text is in that is not UTF-8, by the likelihood of its words.

Bytes beyond ASCII are letters in every code page, only others. So each word that has such bytes is
read in each code page, and a bigram model of each language gives its price: the negative logarithm,
in nats, of how frequent its pairs of neighbouring letters are in that language (`letters.json`;
only pairs with a letter beyond ASCII, since the others are the same whatever the code page).
``Lefèvre`` is cheap in French, ``Lefčvre`` in no language, so byte E8 is è. Each different word
counts once.

A file is in few languages: the price of a file is that of its words in one language, or in several
where each further one saves more than `_NEXT_LANGUAGE`. Without that, each word finds some
language that has its letters, and a French list is explained as Croatian, Hungarian and Slovak.

Signs (quotes, dashes, currencies) have a price, too, and a higher one where prose does not have
them: ``‹`` between two letters, ``®`` before one, ``£`` inside a word. Capitals within a word are
odd: in ``éCOLE`` or ``иВАН`` the code page is wrong. A byte that a code page has no character for
is dearer than any sign.

The cheapest code page is taken if its words are words at all (`_DEAREST_PAIR`), else none. Where
another one would read some word otherwise and costs little more, the two are a close call.

What a library does not: measured by the lists of `tests/support/code_page_lists.py` in each code
page that people save them in, of 20 rows, charset-normalizer 3.5 reads 55 % rightly and chardet 7.7
63 %, the others wrongly and without a word (they were made for prose, and for what is on the web).
This module, by three seeds for each size, none of the lists' words being among those that the
prices were made of:

====  =====  ============  ===================  ===================  =======
rows  lists  read rightly  rightly, doubt told  wrongly, doubt told  refused
====  =====  ============  ===================  ===================  =======
   3  1,495        92.0 %                7.4 %                0.5 %        0
  20  1,428        91.0 %                8.4 %                0.6 %    0.1 %
 200  1,396        90.6 %                9.1 %                0.3 %        0
====  =====  ============  ===================  ===================  =======

None is read wrongly without a word. What is read wrongly, or refused, are lists of a few words with
letters beyond ASCII, most of them with one to three.
"""

from __future__ import annotations

import codecs
import json
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Costs = NDArray[np.float32]

CODE_PAGES = {
    "cp1252": 0.0,
    "cp1250": 0.0,
    "cp1251": 0.0,
    "cp1253": 0.0,
    "cp1254": 1.0,
    "cp1257": 2.5,
    "iso8859-2": 1.0,
    "iso8859-7": 1.0,
    "iso8859-15": 1.0,
    "cp850": 2.0,
    "cp852": 2.0,
    "mac-roman": 3.0,
    "mac-latin2": 3.5,
    "cp866": 2.0,
    "koi8-r": 2.0,
    "koi8-u": 2.5,
    "mac-cyrillic": 3.0,
    "mac-greek": 3.0,
    "mac-turkish": 5.0,
    "mac-croatian": 5.0,
    "mac-romanian": 5.0,
    "cp437": 2.5,
    "cp857": 2.5,
    "cp737": 3.0,
    "iso8859-5": 3.5,
}
"""The code pages that people have, and what each costs by itself: how rare it is, in nats.

Those of Windows; ISO 8859; of DOS, which Excel writes as "CSV (MS-DOS)"; of "CSV (Macintosh)".
ISO-8859-1, -9 and -13 have the letters of cp1252, cp1254 and cp1257 in the same places.
"""
_NEXT_LANGUAGE = 4.0
_NEXT_LANGUAGE_WORD = 1.5
"""What each further language costs, and each word that is in it."""
_RARE_LANGUAGES = frozenset({"ca", "et", "is", "lt", "lv", "mk"})
_RARE_LANGUAGE = 3.0
"""What a language with few speakers costs more, so that Kőszegi is not explained as Estonian."""
_MOST_LANGUAGES = 4
_MOST_LIKELY = 4
"""Code pages that a message names at most."""
_DEAREST_PAIR = 8.5
"""Nats for each pair of letters, on the average of all words: beyond it they are no words."""
_FEW_WORDS = 4
_DEAREST_PAIR_OF_MORE = 7.8
"""The limit for more than `_FEW_WORDS` words, whose average varies less by chance."""
_RIVAL = 15.0
"""Nats up to which another reading is a rival at all."""

_UNKNOWN_PAIR = 16.0
"""Nats of a pair of letters that a language does not have. What else is odd costs more by:"""
_LOWER_BEFORE_UPPER = 8.0
_LOWER_AFTER_UPPERS = 5.0
_LETTER_AT_DIGIT = 8.0
_MISPLACED = 8.0
"""A sign where prose does not have it; `_SIGNS` says where that is."""
_LACKING = 20.0
"""A byte that the code page has no character for."""

_COVERED = 0.75
"""The share of a language's letters that a code page needs, so that people use it for that."""
_COMMA_BELOW = frozenset("șț")
"""Letters that Romanian has on newer systems, in place of those with a cedilla."""

_LONGEST_WORD = 60
"""Bytes; longer runs are cut, as no word is longer."""
_MOST_WORDS = 6_000
_WORDS_OF_BLOCK = 1_500
_RARE = 40
"""A byte that fewer words had so far is rare: words that have it are always looked at."""


@dataclass(frozen=True, slots=True)
class Rival:
    """Another code page, by how many nats it is dearer, and the words that it reads otherwise.

    `words` are pairs: as the code page that was taken reads them, and as this one does.
    """

    code_page: str
    margin: float
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CodePageChoice:
    """The code page of a file's words, and its rivals.

    `code_page` is the best one; None if none makes words of them. `likely` are the best ones that
    read the words differently, in order. `rivals` would read some word otherwise, and are dearer
    by `_RIVAL` nats at the most. `utf8_words` is how many words are valid UTF-8, and too dear to
    be words in `likely[0]`. `pair_cost` is the price of a pair of letters on the average.
    """

    code_page: str | None
    likely: tuple[str, ...]
    rivals: tuple[Rival, ...]
    utf8_words: int
    pair_cost: float


# ── words ────────────────────────────────────────────────────────────────────────────────────

_IN_WORD = np.zeros(256, np.bool_)
_IN_WORD[[*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B), *range(0x80, 0x100)]] = True


class Words:
    """The different words beyond ASCII of a file that is given block by block.

    Of each block some `_WORDS_OF_BLOCK` are looked at, evenly spread, until there are
    `_MOST_WORDS`; and, to the end of the file, those with bytes that were rare so far.
    """

    def __init__(self) -> None:
        self.words: dict[bytes, None] = {}
        self._seen = np.zeros(256, np.int64)

    def add(self, block: bytes) -> None:
        """Take words of a block; a word that two blocks share is cut in two."""
        if block.isascii():
            return
        data = np.frombuffer(block, np.uint8)
        high = np.flatnonzero(data >= 0x80)
        between = np.flatnonzero(~_IN_WORD[data])
        chosen = [high[:0]]
        if len(self.words) < _MOST_WORDS:
            chosen = [high[:: max(1, len(high) // _WORDS_OF_BLOCK)]]
        bytes_there = np.flatnonzero(np.bincount(data[high], minlength=256))
        for byte in bytes_there[self._seen[bytes_there] < _RARE].tolist():
            chosen.append(high[data[high] == byte][: 4 * _RARE])
        places = np.unique(np.searchsorted(between, np.concatenate(chosen)))
        bounds = np.concatenate(([-1], between, [len(block)]))
        starts, ends = bounds[places] + 1, bounds[places + 1]
        found = Counter(
            block[at : min(end, at + _LONGEST_WORD)]
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
            for at in range(start, min(end, start + 8 * _LONGEST_WORD), _LONGEST_WORD)
        )
        for word, times in found.items():
            if word.isascii() or len(self.words) >= 2 * _MOST_WORDS:
                continue
            self.words[word] = None
            self._seen[list(set(word))] += times


# ── symbols: letters in small, a digit, the end of a word, kinds of signs ──────────────────────

_END, _DIGIT, _NONE = 0, 1, 2
_SIGNS = {
    # kind: (signs, price, misplaced after a letter, before a letter, at a digit)
    "apostrophe": ("’ʼ´", 9.0, False, False, True),
    "opening": ("“„«‘‚‹", 9.0, True, False, False),
    "closing": ("”»›", 9.0, False, True, False),
    "dash": ("–—", 9.0, False, False, False),
    "currency": ("€£", 9.0, True, True, False),
    "mark": ("®™", 10.0, False, True, True),
    "copyright": ("©", 9.0, True, True, False),
    "degree": ("°", 9.0, False, False, False),
    "ordinal": ("ºª", 11.0, False, True, False),
    "raised": ("²³½¼", 12.0, False, True, False),
    "asking": ("¿¡", 12.0, True, False, True),
    "number": ("№", 9.0, True, True, False),
    "bullet": ("•·…§", 11.0, False, True, False),
    "space": ("\xa0", 10.0, False, False, False),
    "between": ("×±", 13.0, True, True, False),
    "rare": ("¢¥¤¹¾µ¶¦¬¨¯¸\xad†‡‰˝˘˙˛ˇ¨΄΅", 16.0, True, True, True),
}
_OTHER_SIGN = 22.0


@dataclass(frozen=True)
class _Tables:
    """The bigram models: a symbol for each character, and prices by [symbol, next symbol]."""

    symbols: dict[str, int]
    languages: dict[str, Costs]
    letters: dict[str, frozenset[str]]


def _small(char: str) -> str:
    lower = char.lower()
    return lower if len(lower) == 1 else char


@cache
def _tables() -> _Tables:
    """The prices of pairs: of letters from `letters.json`, of signs from `_SIGNS`.

    The file is made by `tests/support/letter_prices.py`; it says from what.

    In the file, a digit of base 36 is half a nat. For each letter beyond ASCII of a language: what
    each letter after it costs (``^``, the end of a word, then a to z, then the letters beyond
    ASCII), and, behind the blank, what the letters before it cost (``^`` and a to z). For Greek
    and Cyrillic, a to z are left out.
    """
    path = Path(__file__).with_name("letters.json")
    models = json.loads(path.read_text(encoding="utf-8"))["languages"]
    symbols = {"^": _END, "0": _DIGIT}
    symbols |= {letter: 3 + number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    for model in models.values():
        for letter in model["letters"]:
            symbols.setdefault(letter, len(symbols) + 1)
    first_sign = len(symbols) + 1
    for number, (signs, *_) in enumerate(_SIGNS.values()):
        symbols |= dict.fromkeys(signs, first_sign + number)
    size = first_sign + len(_SIGNS)
    common = np.full((size, size), _UNKNOWN_PAIR, np.float32)
    _price_signs(common, first_sign)
    languages = {}
    for language, model in models.items():
        costs = common.copy()
        latin = "a" <= max(model["letters"]) < "\u0370"
        before = "^abcdefghijklmnopqrstuvwxyz" if latin else "^"
        every = [symbols[char] for char in before + model["letters"]]
        for letter, row in model["rows"].items():
            after, preceding = row.split()
            number = symbols[letter]
            costs[number, every] = [int(digit, 36) / 2 for digit in after]
            costs[every[: len(before)], number] = [int(digit, 36) / 2 for digit in preceding]
        # A digit, or a sign, ends a word as a blank does.
        costs[:, _DIGIT] = np.minimum(costs[:, _DIGIT], costs[:, _END] + _LETTER_AT_DIGIT)
        costs[_DIGIT] = np.minimum(costs[_DIGIT], costs[_END] + _LETTER_AT_DIGIT)
        beyond = [symbols[letter] for letter in model["letters"]]
        for sign in range(first_sign, size):
            costs[beyond, sign] = common[beyond, sign] + costs[beyond, _END]
            costs[sign, beyond] = common[sign, beyond] + costs[_END, beyond]
        _price_signs_at_digits(costs, common, first_sign)
        languages[language] = costs
    letters = {language: frozenset(model["letters"]) for language, model in models.items()}
    return _Tables(symbols, languages, letters)


def _price_signs(costs: Costs, first: int) -> None:
    """Half of a sign's price in each of its two pairs, and what its neighbours add."""
    letters = slice(3, first)
    costs[first:, first:] = _UNKNOWN_PAIR
    costs[_NONE] = costs[:, _NONE] = _OTHER_SIGN / 2
    for number, (_, price, after_letter, before_letter, at_digit) in enumerate(_SIGNS.values()):
        sign = first + number
        costs[sign, :first] = costs[:first, sign] = price / 2
        costs[letters, sign] += _MISPLACED * after_letter
        costs[sign, letters] += _MISPLACED * before_letter
        costs[sign, _DIGIT] += _MISPLACED * at_digit
        costs[_DIGIT, sign] += _MISPLACED * at_digit


def _price_signs_at_digits(costs: Costs, common: Costs, first: int) -> None:
    costs[_DIGIT, first:] = common[_DIGIT, first:]
    costs[first:, _DIGIT] = common[first:, _DIGIT]
    costs[_DIGIT, _NONE] = costs[_NONE, _DIGIT] = _OTHER_SIGN / 2


@dataclass(frozen=True)
class _Page:
    """A code page: for each byte its symbol, 1 for a small letter or 2 for a capital, lacking."""

    symbols: NDArray[np.intp]
    case: NDArray[np.uint8]
    lacking: NDArray[np.bool_]
    languages: tuple[str, ...]


@cache
def _page(name: str) -> _Page:
    known = _tables().symbols
    symbols = np.zeros(256, np.intp)
    case = np.zeros(256, np.uint8)
    lacking = np.zeros(256, np.bool_)
    for byte in range(256):
        char = bytes([byte]).decode(name, "replace")
        if byte < 0x80:
            symbols[byte] = _DIGIT if char.isdigit() else known.get(char.lower(), _END)
        else:
            symbols[byte] = known.get(_small(char), _NONE)
            lacking[byte] = unicodedata.category(char) == "Cc" or char == "\ufffd"
        case[byte] = 1 if char.islower() else 2 if char.isupper() else 0
    page = {_small(bytes([byte]).decode(name, "replace")) for byte in range(0x80, 256)}
    languages = tuple(
        language
        for language, letters in _tables().letters.items()
        if len(letters & page) > _COVERED * len(letters - _COMMA_BELOW)
    )
    return _Page(symbols, case, lacking, languages)


# ── choosing ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Text:
    """Words as bytes, joined by blanks; `word` is the index of the word of each priced pair."""

    data: NDArray[np.uint8]
    pairs: NDArray[np.intp]
    word: NDArray[np.intp]
    count: int


def _text(words: list[bytes]) -> _Text:
    data = np.frombuffer(b"  " + b" ".join(words) + b" ", np.uint8)
    high = data >= 0x80
    pairs = np.flatnonzero(high[1:] | high[:-1]) + 1
    number = np.cumsum(data == 0x20) - 2
    # The pair (last letter, blank) belongs to the word before the blank.
    word = np.where(data[pairs] == 0x20, number[pairs] - 1, number[pairs])
    return _Text(data, pairs, word, len(words))


def _price(text: _Text, page: _Page) -> Costs:
    """For each word the price in a code page, the languages chosen for all of them together."""
    data, pairs = text.data, text.pairs
    before, here = data[pairs - 1], data[pairs]
    codes, places = np.unique(before.astype(np.intp) * 256 + here, return_inverse=True)
    first, second = page.symbols[codes // 256], page.symbols[codes % 256]
    tables = _tables().languages

    def total(costs: Costs) -> Costs:
        return np.bincount(text.word, costs, text.count).astype(np.float32)

    fixed = page.lacking[before] * (_LACKING / 2) + page.lacking[here] * (_LACKING / 2)
    case, earlier = page.case, page.case[data[pairs - 2]]
    upper_after_lower = (case[before] == 1) & (case[here] == 2)
    lower_after_uppers = (earlier == 2) & (case[before] == 2) & (case[here] == 1)
    fixed = fixed + upper_after_lower * _LOWER_BEFORE_UPPER
    fixed += lower_after_uppers * _LOWER_AFTER_UPPERS
    by_language = {
        language: total(tables[language][first, second][places]) for language in page.languages
    }
    own = {name: _RARE_LANGUAGE * (name in _RARE_LANGUAGES) for name in by_language}
    language = min(by_language, key=lambda name: float(by_language[name].sum()) + own[name])
    chosen, once = by_language[language], own[language]
    for _ in range(_MOST_LANGUAGES - 1):
        mixed = {
            name: np.minimum(chosen, costs + _NEXT_LANGUAGE_WORD)
            for name, costs in by_language.items()
        }
        language = min(mixed, key=lambda name: float(mixed[name].sum()) + own[name])
        saved = float(chosen.sum() - mixed[language].sum())
        if saved <= _NEXT_LANGUAGE + own[language]:
            break
        chosen, once = mixed[language], once + _NEXT_LANGUAGE + own[language]
    return chosen + total(fixed) + once / text.count


def choose_code_page(words: Iterable[bytes]) -> CodePageChoice:
    """The code page that makes the likeliest words of these; there is at least one."""
    listed = list(words)
    text = _text(listed)
    prices = {name: _price(text, _page(name)) for name in CODE_PAGES}
    totals = {name: float(prices[name].sum()) + own for name, own in CODE_PAGES.items()}
    order = sorted(totals, key=totals.__getitem__)
    best = order[0]
    rivals = tuple(_rivals(listed, totals, order))
    pairs = np.bincount(text.word, minlength=text.count)
    dear = np.flatnonzero(prices[best] > _DEAREST_PAIR * pairs)
    pair_cost = float(prices[best].sum()) / len(text.pairs)
    fits = pair_cost <= (_DEAREST_PAIR if len(listed) <= _FEW_WORDS else _DEAREST_PAIR_OF_MORE)
    return CodePageChoice(
        code_page=best if fits else None,
        likely=_distinct(listed, order)[:_MOST_LIKELY],
        rivals=rivals if fits else (),
        utf8_words=sum(_is_utf8(listed[index]) for index in dear.tolist()),
        pair_cost=pair_cost,
    )


def shown_words(words: Iterable[bytes], code_page: str) -> list[str]:
    """Some of the words in a code page, in quotes, for a message."""
    return [repr(word.decode(code_page, "replace")) for word in islice(words, 2)]


_NAMED_ONLY = {
    "cp1255": "HEBREW",
    "cp1256": "ARABIC",
    "cp874": "THAI",
    "cp932": "CJK|HIRAGANA|KATAKANA",
    "cp949": "HANGUL",
    "gb18030": "CJK",
    "big5": "CJK",
}
"""Encodings that are read only when they are named, and how Unicode names their letters."""


def likely_if_named(text: bytes) -> list[str]:
    """Those encodings of `_NAMED_ONLY` in which nearly all characters are letters of theirs.

    Letters that stand alone among ASCII are none: in cp932, an accent and the letter after it are
    one of them.
    """
    found = []
    for name, scripts in _NAMED_ONLY.items():
        try:
            chars = codecs.getincrementaldecoder(name)().decode(text)
        except UnicodeDecodeError:
            continue
        begins = tuple(scripts.split("|"))
        own = [unicodedata.name(char, "").startswith(begins) for char in chars]
        beyond = sum(not char.isascii() for char in chars)
        together = sum(a and b for a, b in pairwise(own))
        if sum(own) > 0.9 * beyond and together > 0.4 * beyond:
            found.append(name)
    return found[:2]


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _distinct(words: list[bytes], order: list[str]) -> tuple[str, ...]:
    """Those of the code pages, best first, that read the words as none before them does."""
    text = b" ".join(words)
    readings: dict[str, str] = {}
    for name in order:
        readings.setdefault(text.decode(name, "replace"), name)
    return tuple(readings.values())


def _rivals(words: list[bytes], totals: dict[str, float], order: list[str]) -> Iterator[Rival]:
    near = [name for name in order if totals[name] - totals[order[0]] <= _RIVAL]
    for name in _distinct(words, near)[1:]:
        pairs = [tuple(word.decode(page, "replace") for page in (near[0], name)) for word in words]
        differ = tuple((mine, other) for mine, other in pairs if mine != other)
        yield Rival(name, totals[name] - totals[near[0]], differ)
