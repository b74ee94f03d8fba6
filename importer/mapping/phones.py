"""Phone numbers, by Google's metadata (phonenumbers), with nothing dropped and nothing guessed."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from importer.mapping.faults import Converted, Converter, Fault
from importer.mapping.rule import PhoneFormat
from importer.mapping.text import squeeze, trim

_LETTERS = re.compile(r"[^\W\d_]")
_EXTENSION = re.compile(
    r"(?:;ext=|\bext(?:ension)?\b|\bmell[eé]k\b|\bkl\b|x|#)[\s.:]*(\d{1,7})\W*$", re.IGNORECASE
)
_LABEL = re.compile(r"^\W*tel(?:efon)?[.:\s]+", re.IGNORECASE)
_MOST_DIGITS = 18
"""Fifteen of E.164 and what may stand before them to dial abroad."""
_FLOAT = re.compile(r"[0-9]+(?:[.,]0+|(?:[.,][0-9]+)?[eE]\+?[0-9]{1,2})")
_INTERNATIONAL = re.compile(r"\W*[+＋]")

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber


def phone_converter(region: str | None, format_: PhoneFormat, repair: bool = False) -> Converter:
    """A converter to the format; national numbers are taken to be at home in `region`.

    With `repair`, a number that a spreadsheet program turned into 36301234567.0 or 3.6301234567E+10
    is read, with a warning, as long as no digit was lost.
    """
    import phonenumbers
    from phonenumbers import PhoneNumberFormat

    formats = {
        "e164": PhoneNumberFormat.E164,
        "international": PhoneNumberFormat.INTERNATIONAL,
        "national": PhoneNumberFormat.NATIONAL,
    }

    def convert(text: str) -> Converted:
        fault = None
        undamaged = text
        if (whole := whole_number(text)) is not None:
            undamaged, fault = whole, damage(text, whole, repair)
            if not fault.warning:
                return Converted(text, fault)
        number = _parse(undamaged, region)
        if isinstance(number, Fault):
            return Converted(text, number)
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
            e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
            return Converted(e164.removeprefix("+"), fault)
        return Converted(phonenumbers.format_number(number, formats[format_]), fault)

    def _parse(text: str, region: str | None) -> PhoneNumber | Fault:
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
        try:
            number = phonenumbers.parse(parsed_text, region)
        except phonenumbers.NumberParseException:
            number = None
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
            return Fault("bad_phone", f'"{text}" is not a phone number', _lengths(region))
        if not phonenumbers.is_valid_number(number):
            return Fault("bad_phone", f'"{text}" is not a phone number', _why_not(number, national))
        return number

    return convert


def whole_number(text: str) -> str | None:
    """The digits of a number as a spreadsheet program spoils it, None for any other text.

    Digits that scientific notation has cut off come back as zeros.
    """
    if _FLOAT.fullmatch(text) is None:
        return None
    if "e" not in text.lower():
        return re.split("[.,]", text)[0]
    return f"{Decimal(text.replace(',', '.')):.0f}"


def damage(text: str, whole: str, repair: bool) -> Fault:
    """Say what became of a number: a warning where it can be mended and may be.

    Scientific notation with fewer digits than the number has may have been rounded: nobody can
    tell what they were.
    """
    if len(re.sub("[^0-9]", "", re.split("[eE]", text)[0])) < len(whole):
        return Fault(
            "digits_lost",
            f'"{text}" has lost its last digits in a spreadsheet program',
            "get the number from the supplier again, in a column formatted as text",
        )
    if repair:
        return Fault("repaired", f'"{text}" is read as {whole}', None, warning=True)
    return Fault(
        "damaged_number",
        f'"{text}" was turned into a number by a spreadsheet program',
        f"set repair: true in the mapping to read it as {whole}, or mend the cell",
    )


def _why_not(number: PhoneNumber, national: str) -> str:
    """Say what a number of that country looks like, as far as its length shows the mistake."""
    import phonenumbers

    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    if region in {"ZZ", "001"}:
        return f"+{number.country_code} is not a country's code"
    expected = _possible_lengths(region)
    if expected and len(national) not in expected:
        return f"{len(national)} digits, expected {_either(expected)} after +{number.country_code}"
    return f"no number in {region} begins like this: check the digits after +{number.country_code}"


def _lengths(region: str | None) -> str:
    expected = _possible_lengths(region) if region else ()
    return (
        f"a number in {region} has {_either(expected)} digits after its country code"
        if expected
        else "write it in international form, as +36301234567"
    )


def _possible_lengths(region: str) -> tuple[int, ...]:
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region, None)
    description = metadata.general_desc if metadata else None
    return tuple(description.possible_length) if description else ()


def _either(numbers: tuple[int, ...]) -> str:
    if len(numbers) > 3:
        return f"{numbers[0]} to {numbers[-1]}"
    return " or ".join(map(str, numbers))
