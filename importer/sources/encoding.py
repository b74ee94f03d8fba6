"""Which encoding a text file is in.

A byte-order mark decides; then, if the **whole** file is valid UTF-8, it is UTF-8. Otherwise it
is one of the code pages that spreadsheet programs of the region write, and the one is taken in
which the words with accents look most like words. Each such word is scored, in each code page,
under the language that explains it best: the sum of the logarithms of how frequent each
accented letter is among that language's accented letters (`_LETTERS`, in per mille). A letter
foreign to the language, a sign inside a word (``³``, ``¹``) or a capital after a small letter
costs a lot, and languages from outside the region cost a little. So byte F5 in ``Gy?r`` is Győr
rather than Gyõr, and F4 in ``c?té`` is côté. A byte that a code page lacks rules it out. On
equal scores, the texts being the same, the first code page is taken.

A file that is UTF-8 but for a few bytes is refused rather than read as a code page: that would
spoil every accent in it.
"""

from __future__ import annotations

import codecs
import math
import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from importer.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.sources.inputfile import InputFile

BLOCK = 2**20
"""Bytes read at once."""

_CODE_PAGES = ("cp1250", "cp1252", "iso8859-2")
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_NO_FILE_ENCODINGS = frozenset(
    {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"}
)
_WORD = re.compile(
    rb"(?<![A-Za-z\x80-\xff])[A-Za-z]{0,40}+[\x80-\xff][A-Za-z\x80-\xff]{0,40}+"
    rb"(?![A-Za-z\x80-\xff])"
)
"""A word with an accent. Longer runs of letters are none, and could cost minutes and gigabytes."""
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


def find_encoding(file: InputFile, option: str | None) -> str:
    """The codec name for the file; `option`, where given, beats what is found."""
    with file.path.open("rb") as stream:
        head = stream.read(4096)
    mark = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if option is not None:
        return _checked_option(option, mark)
    if mark is not None:
        return mark
    if (wide := _unmarked_utf16(head)) is not None:
        return wide
    if _is_utf8(file):
        return "utf-8"
    _refuse_broken_utf8(file)
    return _best_code_page(file)


def text_blocks(stream: BinaryIO, file: InputFile, encoding: str) -> Iterator[str]:
    """The decoded text in blocks of about `BLOCK` bytes, without the byte-order mark.

    `stream` is the file, open at its beginning. Raises SourceError, naming the line, at
    bytes that the encoding has no character for.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    start, first = 0, True
    while True:
        block = stream.read(BLOCK)
        kept = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeError as error:
            at = start - kept + getattr(error, "start", 0)
            raise _undecodable(file, encoding, at) from None
        start += len(block)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        if text:
            yield text
        if not block:
            return


def _demand(file: InputFile, encoding: str) -> None:
    """Raise SourceError where the file stops being in this encoding, if it does."""
    with file.path.open("rb") as stream:
        for _ in text_blocks(stream, file, encoding):
            pass


def _undecodable(file: InputFile, encoding: str, at: int) -> SourceError:
    """The error for bytes at offset `at`; the line is counted as a text editor counts it."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    line, previous, left = 1, "", at
    with file.path.open("rb") as stream:
        while left > 0 and (block := stream.read(min(BLOCK, left))):
            text = decoder.decode(block)
            left -= len(block)
            line += text.count("\n") + text.count("\r") - text.count("\r\n")
            line -= previous == "\r" and text.startswith("\n")
            previous = text[-1:]
        wrong = stream.read(1)
    return SourceError(
        f"{file}: line {line} has bytes that are not {encoding}"
        f" (0x{wrong.hex() or '--'}, at byte {at + 1:,}).",
        "Name the encoding the file was saved in, for example --encoding cp1250,"
        ' or save it anew as "CSV UTF-8".',
    )


def _checked_option(option: str, mark: str | None) -> str:
    try:
        found = codecs.lookup(option)
        known = bool(getattr(found, "_is_text_encoding", True)) and found.incrementaldecoder
    except (LookupError, ValueError):
        known = None
    if not known or found.name in _NO_FILE_ENCODINGS:
        raise SourceError(
            f"encoding {option!r} is not known.",
            "Use for example utf-8, utf-16, cp1250, cp1252 or iso8859-2,"
            " or leave it out: it is then found by looking.",
        )
    return "utf-8-sig" if found.name == "utf-8" and mark == "utf-8-sig" else found.name


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of mostly Latin text is then zero."""
    pairs = len(head) // 2
    if pairs == 0:
        return None
    low, high = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if high > 0.4 * pairs and low < 0.05 * pairs:
        return "utf-16-le"
    if low > 0.4 * pairs and high < 0.05 * pairs:
        return "utf-16-be"
    return None


def _blocks(file: InputFile) -> Iterator[bytes]:
    with file.path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block


def _is_utf8(file: InputFile) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        for block in _blocks(file):
            if not block.isascii() or decoder.getstate()[0]:
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_broken_utf8(file: InputFile) -> None:
    """Refuse a file nearly all of whose accents are UTF-8.

    In a code page, two or three accented letters that happen to form UTF-8 are very rare.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    good = bad = 0
    for block in _blocks(file):
        if not block.isascii() or decoder.getstate()[0]:
            text = decoder.decode(block)
            bad += text.count("\ufffd")
            good += len(text) - len(text.encode("ascii", "ignore")) - text.count("\ufffd")
    if good > 4 * bad:
        _demand(file, "utf-8")


def _best_code_page(file: InputFile) -> str:
    words: Counter[bytes] = Counter()
    seen: set[int] = set()
    for block in _blocks(file):
        seen.update(block)
        if len(words) < _MOST_WORDS:
            words.update(_WORD.findall(block))
    high = bytes(sorted(byte for byte in seen if byte >= 0x80))
    scores = {name: _score(words, name) for name in _CODE_PAGES if _has_all(name, high)}
    if not scores:
        _demand(file, "utf-8")
    return max(scores, key=scores.__getitem__)


def _has_all(code_page: str, high: bytes) -> bool:
    try:
        text = high.decode(code_page)
    except UnicodeDecodeError:
        return False
    return not any("\x80" <= char <= "\x9f" for char in text)


def _score(words: Counter[bytes], code_page: str) -> float:
    """The likelihood of the words in a code page; each counts once, however often it stands."""
    return sum(_word_score(word.decode(code_page)) for word in words)


def _word_score(word: str) -> float:
    fixed = 0.0
    letters = []
    for before, char in zip("." + word, word, strict=False):
        if char.isascii() or char in _PLAIN_SIGNS:
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
