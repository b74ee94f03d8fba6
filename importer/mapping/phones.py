"""Phone numbers, by Google's metadata (phonenumbers), with nothing dropped and nothing guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from importer.mapping.damage import (
    digits_lost,
    is_cut,
    is_likely_serial,
    is_real_date,
    number_damage,
    phone_became_date,
    repaired,
    whole_number,
)
from importer.mapping.faults import Converted, Converter, Fault
from importer.mapping.finding import NOTHING, Finding
from importer.mapping.phone_hints import national_digits, why_no_number, why_not_valid
from importer.mapping.rule import PhoneFormat
from importer.mapping.text import squeeze, trim

_LETTERS = re.compile(r"[^\W\d_]")
_EXTENSION = re.compile(
    r"(?:;ext=|\bext(?:ension)?\b|\bmell[eé]k\b|\bkl\b|x|#)[\s.:]*(\d{1,7})\W*$", re.IGNORECASE
)
_LABEL = re.compile(r"^\W*tel(?:efon)?[.:\s]+", re.IGNORECASE)
_MOST_DIGITS = 18
"""Fifteen of E.164 and what may stand before them to dial abroad."""
_INTERNATIONAL = re.compile(r"\W*[+＋]")
_BARE = re.compile(r"[^\w+]*[1-9][^+]*")
"""A number with neither a plus nor a zero before it."""

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber


def phone_converter(
    region: str | None, format_: PhoneFormat, repair: bool = False, finding: Finding = NOTHING
) -> Converter:
    """A converter to the format; national numbers are taken to be at home in `region`.

    With `repair`, a number that a spreadsheet program turned into 36301234567.0 or 3.6301234567E+10
    is read, with a warning, as long as no digit was lost; so is one that lacks the plus or the zero
    that the `finding` says numbers of the column have, where that makes one number of it only.
    """
    from phonenumbers import PhoneNumberFormat, format_number

    formats = {
        "e164": PhoneNumberFormat.E164,
        "international": PhoneNumberFormat.INTERNATIONAL,
        "national": PhoneNumberFormat.NATIONAL,
    }

    def convert(text: str) -> Converted:
        fault = None
        undamaged = text
        if (whole := whole_number(text)) is not None:
            undamaged, fault = whole, number_damage(text, whole, repair)
            if not fault.warning:
                return Converted(text, fault)
        number = _parse(undamaged, region)
        if isinstance(number, Fault):
            if _is_damaged(undamaged):
                return Converted(text, _damage(undamaged))
            if (found := _with_prefix(undamaged, region, finding.prefixes)) is None:
                return Converted(text, number)
            undamaged, number = found
            if not repair:
                return Converted(text, _prefix_lost(text, undamaged))
            fault = repaired(text, undamaged)
        elif finding.dates_are_damage and is_real_date(text):
            return Converted(text, phone_became_date(text))
        elif finding.international and fault is None:
            fault = _other_reading(text, number)
        if number.extension:
            fault = Fault(
                "phone_extension",
                f'the extension {number.extension} of "{text}" is left out',
                "the service takes numbers without extensions",
                warning=True,
            )
            number.extension = None
        if format_ == "raw":
            return Converted(trim(undamaged), fault)
        if format_ == "digits":
            e164 = format_number(number, PhoneNumberFormat.E164)
            return Converted(e164.removeprefix("+"), fault)
        return Converted(format_number(number, formats[format_]), fault)

    return convert


def _parse(text: str, region: str | None) -> PhoneNumber | Fault:
    """Read a valid number, or say what is wrong with it."""
    import phonenumbers

    squeezed = squeeze(text)
    if region is None and not _INTERNATIONAL.match(squeezed):
        return Fault(
            "phone_without_region",
            f'"{text}" is not in international form, and no region is set',
            "add region: HU (or another) to the mapping, or write the number as +36…",
        )
    extension = _EXTENSION.search(text)
    bare = _LABEL.sub("", text[: extension.start()] if extension else text)
    if _LETTERS.search(bare):
        return Fault("phone_letters", f'"{text}" has letters in it', "write digits only")
    parsed_text = squeeze(bare) + (f" ext. {extension[1]}" if extension else "")
    digits = phonenumbers.normalize_digits_only(bare)
    hint = ""
    try:
        number = phonenumbers.parse(parsed_text, region)
    except phonenumbers.NumberParseException as error:
        number = None
        hint = why_no_number(error, digits, region)
    national = phonenumbers.national_significant_number(number) if number else ""
    # The parser quietly drops what follows a first number; some regions rewrite the start
    # of a number, none the end.
    too_long = number is None and len(digits) > _MOST_DIGITS
    if too_long or (number is not None and not digits.endswith(national[-6:])):
        return Fault(
            "several_phones",
            f'"{text}" holds more than one number',
            "divide them with split, as in contacts.spread",
        )
    if number is None:
        return Fault("bad_phone", f'"{text}" is not a phone number', hint)
    if not phonenumbers.is_valid_number(number):
        # The parser leaves the trunk prefix in a number that is not valid.
        typed = None if _INTERNATIONAL.match(squeezed) else national_digits(digits, region)
        return Fault("bad_phone", f'"{text}" is not a phone number', why_not_valid(number, typed))
    return number


def _is_damaged(text: str) -> bool:
    """Whether a text that is no number shows what a spreadsheet program did to it."""
    return is_cut(text) or is_real_date(text) or is_likely_serial(text)


def _damage(text: str) -> Fault:
    return digits_lost(text) if is_cut(text) else phone_became_date(text)


def _with_prefix(
    text: str, region: str | None, prefixes: Sequence[str]
) -> tuple[str, PhoneNumber] | None:
    """Put back what a number may have lost; None unless just one prefix makes it valid."""
    if not prefixes or _BARE.fullmatch(text) is None:
        return None
    found: dict[str, tuple[str, PhoneNumber]] = {}
    for prefix in prefixes:
        longer = prefix + trim(text).lstrip("(/ ")
        number = _parse(longer, region)
        if not isinstance(number, Fault):
            found[f"+{number.country_code} {number.national_number}"] = longer, number
    return found.popitem()[1] if len(found) == 1 else None


def _prefix_lost(text: str, whole: str) -> Fault:
    return Fault(
        "phone_prefix_lost",
        f'"{text}" lacks the {whole[0]} at its front',
        f"set repair: true in the mapping to read it as {whole}, or mend the cell",
    )


def _other_reading(text: str, number: PhoneNumber) -> Fault | None:
    """Warn of a national number that would be another one with the plus that the others have."""
    found = _with_prefix(text, None, ("+",))
    if found is None:
        return None
    whole, other = found
    if (other.country_code, other.national_number) == (
        number.country_code,
        number.national_number,
    ):
        return None
    return Fault(
        "phone_prefix_doubtful",
        f'"{text}" is read as a number after +{number.country_code}, though nearly all others '
        f"of the column begin with a plus; {whole} is a number, too",
        "write it with its plus",
        warning=True,
    )
