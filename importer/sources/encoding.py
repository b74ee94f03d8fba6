"""Which encoding a text file is in.

A byte-order mark decides; then UTF-16 without one; then, if the **whole** file is valid UTF-8, it
is UTF-8. Otherwise it is a code page, and :mod:`importer.sources.codepage` says which.

Refused are: what is no text at all; a file of which many words are UTF-8, but not all, since read
as a code page each of those would be spoilt; a file that no code page makes words of. A close call
between two code pages is a warning, which shows the words that they read differently.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from importer.errors import SourceError
from importer.sources.codepage import Words, choose_code_page, likely_if_named, shown_words
from importer.sources.detect import unmarked_utf16
from importer.sources.source import file_warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from importer.model import Problem
    from importer.sources.codepage import CodePageChoice, Rival
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
_HEAD = 2**16
_CONTROLS = bytes({*range(9), *range(0x0E, 0x1D), 0x7F} - {0x1A})
"""Bytes that no text has. Ctrl-Z (1A) ends old ones, and databases write 0B and 1D to 1F."""
_FEW_CONTROLS = 16
"""So many of them a short list may have, whose cells hold odd characters."""
_FEW_WORDS = 4
"""Up to so many different words with accents, a reading has to be much better than the next."""
_CLOSE, _CLOSE_FOR_FEW = 6.0, 15.0
"""Nats between two readings (`Rival.margin`) below which the choice is reported as unsure."""
_DOUBTFUL_PAIR = 6.8
"""Nats a pair of letters from which on a list may well be in another alphabet."""
_PARTLY_UTF8 = 0.2
"""The share of words that are UTF-8 from which on a file is no code page."""
_MOST_SHOWN = 5
_MOST_BAD = 1000


@dataclass(frozen=True, slots=True)
class Encoding:
    """The codec's name, and the warnings about how it was chosen."""

    name: str
    problems: tuple[Problem, ...] = ()


def find_encoding(file: InputFile, option: str | None) -> Encoding:
    """The encoding of the file; `option`, where given, beats what is found.

    Raises SourceError for an option that names no encoding, and for a file that cannot be read
    without one.
    """
    with file.path.open("rb") as stream:
        head = stream.read(_HEAD)
    mark = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if option is not None:
        return Encoding(_checked_option(option, mark))
    if mark is not None:
        return Encoding(mark)
    if (wide := unmarked_utf16(head[:4096])) is not None:
        return Encoding(wide)
    _refuse_binary(file, head)
    if _is_utf8(file):
        return Encoding("utf-8")
    words = _words(file)
    choice = choose_code_page(words)
    if choice.utf8_words >= max(1, _PARTLY_UTF8 * len(words)):
        raise _partly_utf8(file)
    others = likely_if_named(_sample(file)) if choice.pair_cost > _DOUBTFUL_PAIR else []
    if choice.code_page is None or others:
        raise _unknown(file, [*others, *choice.likely][:4], words)
    return Encoding(choice.code_page, tuple(_unsure(choice, len(words))))


def _is_utf8(file: InputFile) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        for block in _blocks(file):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _words(file: InputFile) -> dict[bytes, None]:
    """The words beyond ASCII of the file, as many as a judgement needs."""
    words = Words()
    for block in _blocks(file):
        words.add(block)
    return words.words


def _unsure(choice: CodePageChoice, words: int) -> Iterator[Problem]:
    """The warning of a close call, with the words that the two code pages read differently."""
    close = _CLOSE_FOR_FEW if words <= _FEW_WORDS else _CLOSE
    rivals = [rival for rival in choice.rivals if rival.margin < close]
    if not rivals:
        return
    taken, shown = choice.code_page, rivals[: _MOST_SHOWN - 2]
    others = "".join(f", or as {rival.code_page} {rival.words[0][1]!r}" for rival in shown[1:])
    yield file_warning(
        "encoding_unsure",
        f"the file was read as {taken}, but it may be {shown[0].code_page}:"
        f" {_readings(shown[0])}{others}",
        f"Look which words are right. If they were read rightly, settle it: --encoding {taken},"
        f" or `source: {{encoding: {taken}}}` in the mapping; if not,"
        f" {' or '.join(f'--encoding {rival.code_page}' for rival in shown)}.",
    )


def _readings(rival: Rival) -> str:
    """The words that two code pages read differently, as ``'Győr' or 'Gyõr'``."""
    shown = [f"{mine!r} or {other!r}" for mine, other in rival.words[: _MOST_SHOWN - 2]]
    more = len(rival.words) - len(shown)
    return "; ".join(shown) + (f"; and {more:,} more" if more else "")


def _unknown(file: InputFile, likely: list[str], words: Iterable[bytes]) -> SourceError:
    """The error for a file of which no code page makes words: what each likely one would read."""
    readings = "; ".join(
        f"--encoding {name} reads {', '.join(shown_words(words, name))}" for name in likely
    )
    return SourceError(
        f"{file}: the encoding of this file is not known: none of the code pages that are looked"
        " for makes words of its letters.",
        f'Save it anew as "CSV UTF-8" or .xlsx; or ask how it was saved, and name that: {readings}.'
        " Others are read, too, when they are named.",
    )


def _sample(file: InputFile) -> bytes:
    """Text from the line of the first byte beyond ASCII on."""
    for block in _blocks(file):
        if not block.isascii():
            first = re.search(rb"[\x80-\xff]", block)
            at = 0 if first is None else first.start()
            return block[block.rfind(b"\n", 0, at) + 1 :][:_HEAD]
    return b""


def _partly_utf8(file: InputFile) -> SourceError:
    """The error for a file that is UTF-8 but for some bytes, naming the lines they are in."""
    places: list[int] = []
    size = 0
    rest = b""
    for block in _blocks(file):
        data, start = rest + block, size - len(rest)
        size += len(block)
        bad, rest = _bad_bytes(data)
        places += (start + at for at in bad)
        if len(places) > _MOST_BAD:
            break
    else:
        if rest and not places:
            line = _line_of(file, "utf-8", size - len(rest))[0]
            return SourceError(
                f"{file}: the file ends in the middle of a character (line {line}): its end is"
                " missing.",
                "It was not copied or downloaded completely. Get it once more.",
            )
        places += [size - len(rest)] if rest else []
    lines = dict.fromkeys(_line_of(file, "utf-8", at) for at in places[: 4 * _MOST_SHOWN])
    shown = [f"line {line} (0x{wrong})" for line, wrong in lines][:_MOST_SHOWN]
    more = " and further ones" if len(places) > len(shown) else ""
    many = len(places) != 1
    count = f"over {_MOST_BAD:,}" if len(places) > _MOST_BAD else f"{len(places):,}"
    return SourceError(
        f"{file}: this is UTF-8, but for {count} byte{'s' if many else ''} that"
        f" {'are' if many else 'is'} not: {', '.join(shown)}{more}.",
        "Text in another encoding was put into it, or it was damaged. Export the list once more;"
        " or open it in a text editor as UTF-8, mend these lines, and save it. No --encoding helps:"
        " it would spoil the other lines.",
    )


def _bad_bytes(data: bytes) -> tuple[list[int], bytes]:
    """Where bytes are no UTF-8, and the beginning of a character that the data does not end."""
    bad: list[int] = []
    at = 0
    while len(bad) <= _MOST_BAD:
        try:
            data[at:].decode() if at else data.decode()
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":
                return bad, data[at + error.start :]
            bad.append(at + error.start)
            at += error.end
        else:
            break
    return bad, b""


def _refuse_binary(file: InputFile, head: bytes) -> None:
    """Raise SourceError for no text: random bytes have 9 % of `_CONTROLS`, programs many NULs."""
    odd = len(head) - len(head.translate(None, _CONTROLS))
    if odd < _FEW_CONTROLS or odd <= 0.04 * len(head):
        return
    nulls = head.count(0)
    what = f"{nulls:,} NUL bytes" if 2 * nulls > odd else f"{odd:,} control characters"
    raise SourceError(
        f"{file}: this is not text, and not a workbook: there are {what} among its first"
        f" {len(head):,} bytes.",
        "Give a CSV file or a workbook. If it is meant to be one, it was damaged on its way: get"
        " it once more, or export it again.",
    )


_DOS = (
    "cp850 (Western Europe), cp852 (Central Europe), cp437 (United States), cp866 (Cyrillic),"
    " cp857 (Turkish) or cp737 (Greek)"
)
_MANY = {
    "ansi": "cp1252 (Western Europe), cp1250 (Central Europe) or cp1251 (Cyrillic)",
    "msdos": _DOS,
    "dos": _DOS,
    "oem": _DOS,
    "mac": "mac-roman (Western Europe), mac-latin2 (Central Europe) or mac-cyrillic",
    "iso8859": "iso8859-1, iso8859-15 (Western Europe) or iso8859-2 (Central Europe)",
}
"""Names that stand for several encodings, without hyphens and blanks, and which these are."""
_ALIASES = {
    "unicode": "utf-16",
    "csvutf8": "utf-8",
    "macce": "mac-latin2",
    "maccentraleurroman": "mac-latin2",
    "macroman": "mac-roman",
    "maccyrillic": "mac-cyrillic",
    "maccroatian": "mac-croatian",
    "macromanian": "mac-romanian",
    "macgreek": "mac-greek",
    "macturkish": "mac-turkish",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
}
_NUMBERED = re.compile(r"(?:x|cs)?(?:windows|win|cp|codepage|msdos|dos|ms|ibm|oem)(\d{3,5})")
_ISO = re.compile(r"(?:iso)?8859(\d{1,2})")


def _checked_option(option: str, mark: str | None) -> str:
    """The codec's name of an encoding that a user named; browsers' and Microsoft's names, too."""
    plain = re.sub(r"[-_ .()/]", "", option.lower())
    name = option
    if found_number := _NUMBERED.fullmatch(plain):
        name = f"cp{found_number[1]}"
    elif found_part := _ISO.fullmatch(plain):
        name = f"iso8859-{found_part[1]}"
    else:
        name = _ALIASES.get(plain.removeprefix("x"), _ALIASES.get(plain, option))
    try:
        "".encode(name)  # of codecs that are none of text, such as hex, a LookupError
        codecs.getincrementaldecoder(name)
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        codec = ""  # ValueError: a name with NUL in it, or the codec that refuses everything
    if plain in _MANY:
        raise SourceError(
            f"encoding {option!r} can be several.",
            f"Name one of them: {_MANY[plain]}. Or leave it out: it is then found by looking.",
        )
    if not codec or codec in _NO_FILE_ENCODINGS:
        raise SourceError(
            f"encoding {option!r} is not known.",
            "Use for example utf-8, utf-16, cp1250, cp1252 or iso8859-2,"
            " or leave it out: it is then found by looking.",
        )
    return "utf-8-sig" if codec == "utf-8" and mark == "utf-8-sig" else codec


# ── reading ────────────────────────────────────────────────────────────────────────────────────


def text_blocks(stream: BinaryIO, file: InputFile, encoding: str) -> Iterator[str]:
    """The decoded text in blocks of about `BLOCK` bytes, without the byte-order mark.

    `stream` is the file, open at its beginning. Raises SourceError, naming the line, at
    bytes that the encoding has no character for.
    """
    # The decoder of utf-8-sig counts from behind the mark where it says which byte is wrong.
    is_marked = encoding == "utf-8-sig"
    decoder = codecs.getincrementaldecoder("utf-8" if is_marked else encoding)("strict")
    marks = 2 if is_marked else 1  # some programs write it twice
    start = 0
    while True:
        block = stream.read(BLOCK)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeError as error:
            at = start - pending + getattr(error, "start", 0)
            raise _undecodable(file, encoding, at) from None
        start += len(block)
        while text and marks:
            marks = marks - 1 if text[0] == "\ufeff" else 0
            text = text.removeprefix("\ufeff")
        if text:
            yield text
        if not block:
            return


def utf8_blocks(stream: BinaryIO, file: InputFile, encoding: str) -> Iterator[bytes]:
    """The text of :func:`text_blocks` as UTF-8."""
    return map(str.encode, text_blocks(stream, file, encoding))


def _undecodable(file: InputFile, encoding: str, at: int) -> SourceError:
    """The error for bytes at offset `at` that the encoding has no character for."""
    line, wrong = _line_of(file, encoding, at)
    hint = 'Save the file anew as "CSV UTF-8" or .xlsx.'
    if not encoding.startswith(("utf-16", "utf-32")):
        words = _words(file)
        choice = choose_code_page(words)
        if choice.utf8_words >= max(1, _PARTLY_UTF8 * len(words)):
            hint = "The rest of the file is UTF-8: mend this line in a text editor, or " + (
                "export the list once more."
            )
        elif choice.code_page not in {None, encoding}:
            some = ", ".join(shown_words(words, choice.code_page or encoding))
            hint = f"It looks like --encoding {choice.code_page}, which reads {some}."
    return SourceError(
        f"{file}: line {line} has bytes that are not {encoding} (0x{wrong}, at byte {at + 1:,}).",
        hint,
    )


def _line_of(file: InputFile, encoding: str, at: int) -> tuple[int, str]:
    """The line of offset `at`, as a text editor counts it, and the byte there, in hexadecimal."""
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
    return line, wrong.hex() or "--"


def _blocks(file: InputFile) -> Iterator[bytes]:
    with file.path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block
