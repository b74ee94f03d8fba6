"""Damage that programs do to cells: how it is recognised, reported and, where possible, undone."""

from __future__ import annotations

import html
import quopri
import re
import urllib.parse
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

from importer.mapping.conversion import Converted, Fault

_FLOAT = re.compile(r"[0-9]+(?:[.,]0+|(?:[.,][0-9]+)?[eE]\+?[0-9]{1,2})")
_CUT = re.compile(r"[1-9][0-9]{14}0+")
"""More digits than a spreadsheet program keeps, with zeros from the sixteenth on."""
_SERIAL = re.compile(r"[1-6][0-9]{4}(?:\.[0-9]+)?")
"""A number between 1927 and 2091 in days; no date format has five digits in a row."""
_LIKELY_SERIAL = re.compile(r"[3-5][0-9]{4}")
"""A serial number between 1982 and 2064: a program that makes a date adds the present century."""
_REAL_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2}:[0-9]{2})?")
_AGAIN = "get the number from the supplier again, in a column formatted as text"


def repaired(text: str, as_what: str) -> Fault:
    """The warning that goes with a value that was mended."""
    return Fault("repaired", f'"{text}" is read as {as_what}', None, warning=True)


def whole_number(text: str) -> str | None:
    """The digits of a number as a spreadsheet program spoils it, None for any other text.

    Digits that scientific notation has cut off come back as zeros.
    """
    if _FLOAT.fullmatch(text) is None:
        return None
    if "e" not in text.lower():
        return re.split("[.,]", text)[0]
    return f"{Decimal(text.replace(',', '.')):.0f}"


def number_damage(text: str, whole: str, repair: bool) -> Fault:
    """The fault of a number that a program spoilt; a warning where it can be mended and may be.

    Scientific notation with fewer digits than the number has may have been rounded: nobody can
    tell what they were.
    """
    if len(re.sub("[^0-9]", "", re.split("[eE]", text)[0])) < len(whole) or is_cut(whole):
        return digits_lost(text)
    if repair:
        return repaired(text, whole)
    return Fault(
        "damaged_number",
        f'"{text}" was turned into a number by a spreadsheet program',
        f"set repair: true in the mapping to read it as {whole}, or mend the cell",
    )


def is_cut(text: str) -> bool:
    """Whether a number is one of which a spreadsheet program dropped all but fifteen digits."""
    return _CUT.fullmatch(text) is not None


def digits_lost(text: str) -> Fault:
    """The fault of a number whose last digits are gone."""
    return Fault(
        "digits_lost", f'"{text}" has lost its last digits in a spreadsheet program', _AGAIN
    )


def serial_moment(text: str) -> datetime | None:
    """The moment a serial number stands for, in the calendar that counts from 1900."""
    if _SERIAL.fullmatch(text) is None:
        return None
    return datetime(1899, 12, 30) + timedelta(seconds=round(float(text) * 86400))  # noqa: DTZ001


def serial_date(text: str, moment: datetime, repair: bool) -> Fault:
    """The fault of a date that became a number; a warning where it may be mended."""
    if repair:
        return repaired(text, f"{moment:%Y-%m-%d}")
    return Fault(
        "serial_date",
        f'"{text}" is a date that a spreadsheet program turned into a number',
        f"set repair: true in the mapping to read it as {moment:%Y-%m-%d}, or mend the cell",
    )


def is_real_date(text: str) -> bool:
    """Whether a text is what a real date cell arrives as, and a date in the calendar."""
    if _REAL_DATE.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_likely_serial(text: str) -> bool:
    """Whether a number is what a date of our days becomes in a cell formatted as a number."""
    return _LIKELY_SERIAL.fullmatch(text) is not None


def phone_became_date(text: str) -> Fault:
    """The fault of a phone that a spreadsheet program took for a date."""
    what = f"a date's number ({serial_moment(text):%Y-%m-%d})" if text.isdigit() else "a date"
    return Fault("phone_became_date", f'"{text}" is {what}, and no phone number', _AGAIN)


def swap_back(text: str, moment: datetime, repair: bool) -> tuple[datetime, Fault | None]:
    """Swap day and month of a date that a program read the wrong way round, or report that.

    A date whose day and month are equal, or whose day is above 12, cannot have been swapped.
    """
    if moment.day > 12 or moment.day == moment.month:
        return moment, None
    swapped = moment.replace(month=moment.day, day=moment.month)
    if repair:
        return swapped, repaired(text, f"{swapped:%Y-%m-%d}")
    return moment, Fault(
        "dates_swapped",
        f'"{text}" has day and month the wrong way round, as the whole column shows',
        f"set repair: true in the mapping to read it as {swapped:%Y-%m-%d}, or mend the cell",
    )


def fill_up(text: str, width: int) -> Converted:
    """Give a code its lost leading zeros back."""
    if len(text) >= width or not (text.isascii() and text.isdigit()):
        return Converted(text)
    filled = text.zfill(width)
    return Converted(filled, repaired(text, filled))


LOST_LETTER = "\ufffd"
"""What a program puts where it could not read a letter."""
_MISREAD_AS = ("cp1252", "cp1250", "cp1251", "mac-roman", "cp850", "cp852")
"""The code pages in which programs read UTF-8 by mistake, which makes mojibake of it."""
_QUOTES = frozenset("“”„‘’‚‹›«»–—…·\xa0")
"""Signs that prose has after a letter."""
_SIGNS_OF_PROSE = frozenset("\xa0°§©®«»ºª£·–—‘’‚“”„…•€™")
_PLAIN_LETTER = re.compile(
    "[\\u00c0-\\u017f\\u0218-\\u021b\\u0386-\\u03ce\\u0400-\\u045f\\u0490\\u0491]"
)


@cache
def _misread(code_page: str) -> tuple[dict[str, int], str]:
    """The byte of each character beyond ASCII, and a pattern for UTF-8 read in a code page.

    Bytes that the code page lacks are the control characters of ISO-8859-1, as browsers have it.
    """
    chars = [
        char if (char := bytes([byte]).decode(code_page, "replace")) != LOST_LETTER else chr(byte)
        for byte in range(256)
    ]

    def among(first: int, last: int) -> str:
        return "[" + "".join(map(re.escape, chars[first : last + 1])) + "]"

    following = among(0x80, 0xBF)
    pattern = f"(?:{among(0xC2, 0xD1)}{following}|{among(0xE2, 0xE2)}{following}{{2}})+"
    return {char: byte for byte, char in enumerate(chars) if byte > 0x7F}, pattern


GARBLED = "|".join([LOST_LETTER, *(_misread(code_page)[1] for code_page in _MISREAD_AS)])
"""A pattern (RE2) of texts that may be garbled; `garbled` looks closer."""


ESCAPE_SIGNS = rb"&%=\<?"
"""The signs, of which escaped text has one; few other texts have any."""
ESCAPES = r"[&%=\\<?]"
"""A pattern of these signs."""
_ADDRESS = re.compile(r"://|www\.|\?[\w.]+=")
_LOST = re.compile(r"[^\W\d_]\?[^\W\d_A-Z]")
_ENTITY = re.compile(
    r"&(?:#[0-9]{2,5}|#x[0-9a-f]{2,4}|amp|lt|gt|quot|apos|nbsp|szlig|euro"
    r"|[a-z]{1,2}(?:uml|acute|grave|circ|tilde|cedil|caron|slash|ring|lig));",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"</?(?:b|i|u|p|br|div|span|a|font|strong|em|li|ul|td|tr)(?:\s[^<>]*)?/?>", re.IGNORECASE
)
_PERCENT = re.compile(r"%(?:20|C[2-5]%[89AB][0-9A-F])", re.IGNORECASE)
_PRINTABLE = re.compile(r"=C[2-5]=[89AB][0-9A-F]")
_CODE_POINT = re.compile(r"\\u([0-9a-fA-F]{4})")


def escaped(text: str) -> Fault | None:
    """The warning about a text that a program wrote for another one: M&uuml;ller, M%C3%BCller."""
    if _ADDRESS.search(text) or text.startswith(("[", "{")):  # JSON has escapes of its own
        return None
    if _ENTITY.search(text) or _TAG.search(text):
        meant, what = html.unescape(_TAG.sub(" ", text)), "a web page"
    elif _PERCENT.search(text):
        meant, what = urllib.parse.unquote(text), "a web address"
    elif _PRINTABLE.search(text):
        meant, what = quopri.decodestring(text.encode()).decode("utf-8", "replace"), "an e-mail"
    elif _CODE_POINT.search(text):
        meant, what = _CODE_POINT.sub(lambda code: chr(int(code[1], 16)), text), "a program"
    else:
        return _letter_lost() if _LOST.search(text) else None
    return Fault(
        "escaped_text",
        f'this seems to be "{" ".join(meant.split())}", as it is written for {what}',
        "get the list again as plain text, or write the words anew",
        warning=True,
    )


def _letter_lost() -> Fault:
    return Fault(
        "lost_letter",
        "a letter was lost when an earlier program read the list in a wrong encoding",
        "get the list again, exported as UTF-8 or .xlsx, or write the word anew",
        warning=True,
    )


def garbled(text: str) -> Fault | None:
    """The warning about a text whose letters an earlier program has spoilt."""
    if LOST_LETTER in text:
        return _letter_lost()
    meant = encoded_twice(text)
    if meant is None:
        return None
    return Fault(
        "encoded_twice",
        f'this is "{meant}": an earlier program read UTF-8 in a wrong encoding, and saved it so',
        "get the list again, exported as UTF-8 or .xlsx, or write the word anew",
        warning=True,
    )


def encoded_twice(text: str) -> str | None:
    """What mojibake was before UTF-8 was read in a code page (``GyÅ‘r``); None for other texts.

    A single letter that may be there by chance (``Ä“`` at the end of a quotation) is no mojibake.
    """
    for code_page in _MISREAD_AS:
        byte_of, pattern = _misread(code_page)
        sure = False

        def meant(found: re.Match[str], byte_of: dict[str, int] = byte_of) -> str:
            nonlocal sure
            try:
                letters = bytes(byte_of[char] for char in found[0]).decode()
            except UnicodeDecodeError:
                return found[0]
            if not all(_is_meant(letter) for letter in letters):
                return found[0]
            before, after = text[: found.start()][-1:], text[found.end() :][:1]
            sure |= _is_odd(before, found[0], after, len(letters))
            return letters

        mended = re.sub(pattern, meant, text)
        if sure:
            return mended
    return None


def _is_meant(letter: str) -> bool:
    """Whether people write the character: a letter of Latin, Greek or Cyrillic, a sign of prose."""
    return letter in _SIGNS_OF_PROSE or (
        letter.isalpha() and _PLAIN_LETTER.match(letter) is not None
    )


def _is_odd(before: str, found: str, after: str, letters: int) -> bool:
    """Whether `found`, between the characters `before` and `after`, cannot be meant so."""
    if letters > 2 or len(found) > 2 * letters:
        return True
    lead, last = found[0], found[-1]
    if "\u0400" <= lead <= "\u04ff":
        return (before + after).isascii() and (before + after).isalpha()
    if lead in _QUOTES or lead in "Œœ":  # Wien–Österreich, »öffentlich«
        return False
    if not lead.isalpha() or (lead.isupper() and before.islower()):
        return True
    if last in _QUOTES:
        return after.isalpha() and lead in "ÃĂ"
    if last.isupper() and after.islower():
        return True
    return not last.isalpha() or last in "µªº"
