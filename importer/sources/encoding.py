"""Which encoding a text file is in.

A byte-order mark decides; then, if the **whole** file is valid UTF-8, it is UTF-8. Otherwise it
is a code page, and :mod:`importer.sources.codepage` says which.

A file that is UTF-8 but for a few bytes is refused rather than read as a code page: that would
spoil every accent in it.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, BinaryIO

from importer.errors import SourceError
from importer.sources.codepage import best_code_page
from importer.sources.utf8 import BYTE_ORDER_MARK, NotUtf8, whole_characters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.sources.inputfile import InputFile

BLOCK = 2**20
"""Bytes read at once."""

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
    found = best_code_page(_blocks(file))
    if found is None:
        _demand(file, "utf-8")
    return found or "utf-8"


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


def utf8_blocks(stream: BinaryIO, file: InputFile, encoding: str) -> Iterator[bytes]:
    """The same text, as UTF-8."""
    if encoding in {"utf-8", "utf-8-sig"}:
        return _as_it_is(stream, file, encoding)
    return map(str.encode, text_blocks(stream, file, encoding))


def _as_it_is(stream: BinaryIO, file: InputFile, encoding: str) -> Iterator[bytes]:
    blocks = whole_characters(_blocks_of(stream))
    try:
        first = next(blocks, b"")
        if encoding == "utf-8-sig":
            first = first.removeprefix(BYTE_ORDER_MARK)
        if first := first.removeprefix(BYTE_ORDER_MARK):
            yield first
        yield from blocks
    except NotUtf8 as error:
        raise _undecodable(file, encoding, error.at) from None


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
        yield from _blocks_of(stream)


def _blocks_of(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _is_utf8(file: InputFile) -> bool:
    try:
        for _ in whole_characters(_blocks(file)):
            pass
    except NotUtf8:
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
