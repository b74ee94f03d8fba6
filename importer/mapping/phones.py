"""Phone numbers, by Google's metadata (phonenumbers), with nothing dropped and nothing guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

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
from importer.mapping.text import squeeze, trim, visible_only

_LETTERS = re.compile(r"[^\W\d_]")
_EXTENSION = re.compile(
    r"(?:;ext=|\bext(?:ension)?\b|\bmell[eé]k\b|\bkl\b|x|#)[\s.:]*(\d{1,7})\W*$", re.IGNORECASE
)
_SCHEMES = "tel callto sms smsto whatsapp wa viber signal telegram"
_WORDS = (
    "phone telephone telefon telefono teléfono telefoon telefone téléphone telefonszám "
    "telefonnummer telefonnr tel tél mobile mobil mobiel móvil movil mobilszám mobilnummer "
    "mobiltelefon mobtel mob cell cellular cellphone cellulare celular handy handynummer festnetz "
    "rufnummer portable fixe gsm kom komórka komórkowy vezetékes телефон тел моб τηλ κιν"
)
"""Words that stand before numbers which may be called: those of a fax are none."""
_LETTERS_BEFORE = "ptmchw"
"""Phone, telephone, mobile, cell, home, work. ``f:`` is a fax."""
_LABEL_PATTERN = (
    rf"\W*(?:(?:{'|'.join(_SCHEMES.split())})\s*:(?://)?"
    rf"|(?:{'|'.join(sorted(_WORDS.split(), key=len, reverse=True))})"
    r"(?:[.]?-?(?:nr|no|num|sz[aá]m)\b)?[.:\s]+"
    rf"|[{_LETTERS_BEFORE}]\s*[.:])\s*"
)
_LABEL = re.compile(_LABEL_PATTERN, re.IGNORECASE)
LABEL = f"(?i)^{_LABEL_PATTERN}"
"""A pattern of RE2: what may stand before a number, and says no more than that it is one."""
_MOST_DIGITS = 18
"""Fifteen of E.164 and what may stand before them to dial abroad."""
_INTERNATIONAL = re.compile(r"\W*[+＋]")
BARE = re.compile(r"[^\w+＋]*[1-9][^+＋]*")
"""A number with neither a plus nor a zero before it."""
_ZERO_IN_BRACKETS = re.compile(
    r"[\s(（\[{]*(?P<plus>[+＋]|00)?[\s(\[{]*(?P<country>[1-9](?:\s?[0-9]){0,2})"
    r"[\s)）\]}./-]*[(（\[/]\s*(?P<inside>[08][0-9\s]*)[)）\]/](?P<rest>.*)",
    re.DOTALL,
)
"""A country's code, and behind it, in brackets, what is dialled in that country only."""

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber


def phone_converter(
    region: str | None, format_: PhoneFormat, repair: bool = False, finding: Finding = NOTHING
) -> Converter:
    """A converter to the format; national numbers are taken to be at home in `region`.

    With `repair`, a number that a spreadsheet program turned into 36301234567.0 or 3.6301234567E+10
    is read, with a warning, as long as no digit was lost; so is one that lacks the plus or the zero
    that the `finding` says numbers of the column have, where that makes one number of it only.
    A number that begins with the region's own code and is valid with a plus and without one is read
    as the finding says.
    """
    from phonenumbers import PhoneNumberFormat, format_number

    formats = {
        "e164": PhoneNumberFormat.E164,
        "international": PhoneNumberFormat.INTERNATIONAL,
        "national": PhoneNumberFormat.NATIONAL,
    }

    def convert(text: str) -> Converted:
        fault = None
        undamaged = without_label(text)
        if (whole := whole_number(undamaged)) is not None:
            undamaged, fault = whole, number_damage(text, whole, repair)
            if not fault.warning:
                return Converted(text, fault)
        number = _read(undamaged, text, region, finding)
        if isinstance(number, Fault):
            if _is_damaged(undamaged):
                return Converted(text, _damage(undamaged))
            if number.code == _DOUBTFUL:
                return Converted(text, number)
            if (found := _with_prefix(undamaged, region, finding.prefixes)) is None:
                return Converted(text, number)
            undamaged, number = found
            if not repair:
                return Converted(text, _prefix_lost(text, undamaged))
            fault = repaired(text, undamaged)
        elif finding.dates_are_damage and is_real_date(undamaged):
            return Converted(text, phone_became_date(undamaged))
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


def without_label(text: str) -> str:
    """A phone's text without what has no width, and without a label such as ``tel:``."""
    text = trim(visible_only(text))
    label = _LABEL.match(text)
    return text[label.end() :] if label and label.end() < len(text) else text


class Readings(NamedTuple):
    """What a number without a plus or zero at its front can be; None where it is not valid so.

    `national` is the number within its region, `abroad` that with a plus before it.
    """

    national: PhoneNumber | None
    abroad: PhoneNumber | None

    @property
    def differ(self) -> bool:
        """Whether the text is one number with the plus, and another one without it."""
        return (
            self.national is not None
            and self.abroad is not None
            and _identity(self.national) != _identity(self.abroad)
        )


def bare_readings(text: str, region: str) -> Readings:
    """Both readings of a text that begins with neither a plus nor a zero."""
    if (number := _without_bracketed_zero(text, region)) is not None:
        return Readings(None, number)
    national, abroad = _parse(text, region), _parse(_with_plus(text), None)
    return Readings(
        None if isinstance(national, Fault) else national,
        None if isinstance(abroad, Fault) else abroad,
    )


def either_number(text: str, region: str | None) -> tuple[int, ...]:
    """The digits of E.164 of what a text can be, with a plus that may be lost and without one."""
    text = without_label(text)
    if region is None or BARE.fullmatch(text) is None:
        return ()
    found = (_identity(number) for number in bare_readings(text, region) if number is not None)
    return tuple(int(f"{country}{national}") for country, national in found)


def _read(text: str, shown: str, region: str | None, finding: Finding) -> PhoneNumber | Fault:
    """Read a valid number, or say what is wrong with it; `shown` is the cell's whole text."""
    if (number := _without_bracketed_zero(text, region)) is not None:
        return number
    if region is None or BARE.fullmatch(text) is None:
        return _parse(text, region, shown)
    national, abroad = _parse(text, region, shown), _parse(_with_plus(text), None)
    if isinstance(abroad, Fault):
        return national
    own = abroad.country_code == _country_code(region)
    if isinstance(national, Fault):
        # It begins with the region's own code, and makes sense only with a plus before it.
        return abroad if own else national
    if _identity(national) == _identity(abroad):
        return national
    if own and finding.bare == "plus":
        return abroad
    if own and finding.bare == "unclear":
        return _doubtful(shown, national, abroad)
    if not own and finding.plus_expected:
        return _doubtful(shown, national, abroad)
    return national


def _with_plus(text: str) -> str:
    return "+" + trim(text).lstrip("(/ ")


def _identity(number: PhoneNumber) -> tuple[int | None, str]:
    import phonenumbers

    return number.country_code, phonenumbers.national_significant_number(number)


@lru_cache(maxsize=256)
def _country_code(region: str) -> int:
    from phonenumbers import country_code_for_region

    return country_code_for_region(region)


def _without_bracketed_zero(text: str, region: str | None) -> PhoneNumber | None:
    """The number in a text such as +36 (0)30 123 4567; None for any other, and if it is not valid.

    What stands in brackets behind a country's code is dialled within the country only: it is left
    out. Where a country has no such prefix, and its numbers begin with a zero (as Italy's do), the
    zero stays. Without a plus or 00 before it, only the region's own code counts as one.
    """
    import phonenumbers

    match = _ZERO_IN_BRACKETS.fullmatch(text)
    if match is None:
        return None
    country, inside = int(squeeze(match["country"])), squeeze(match["inside"])
    at_home = region is not None and country == _country_code(region)
    if country not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE or not (match["plus"] or at_home):
        return None
    kept = _parse(f"+{country}{inside}{match['rest']}", None)
    if not isinstance(kept, Fault) and kept.italian_leading_zero:
        return kept
    trunk = _trunk_prefix(country)
    if inside != trunk and not (inside.startswith(trunk) and trunk.startswith("0")):
        trunk = "0"
    if not inside.startswith(trunk):
        return None
    dropped = _parse(f"+{country}{inside.removeprefix(trunk)}{match['rest']}", None)
    return dropped if not isinstance(dropped, Fault) else None


def international_prefix(region: str) -> str:
    """A pattern of what is dialled in a region before a country's code, mostly 00."""
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region, None)
    return (metadata.international_prefix if metadata else None) or "00"


@lru_cache(maxsize=256)
def _trunk_prefix(country: int) -> str:
    """What is dialled before a national number within a country, such as 0, or 06 in Hungary."""
    from phonenumbers import PhoneMetadata, region_code_for_country_code

    metadata = PhoneMetadata.metadata_for_region(region_code_for_country_code(country), None)
    return (metadata.national_prefix if metadata else None) or "0"


def _parse(text: str, region: str | None, shown: str | None = None) -> PhoneNumber | Fault:
    """Read a valid number, or say what is wrong with it; faults name it as it is `shown`."""
    import phonenumbers

    shown = text if shown is None else shown
    squeezed = squeeze(text)
    if region is None and not _INTERNATIONAL.match(squeezed):
        return Fault(
            "phone_without_region",
            f'"{shown}" is not in international form, and no region is set',
            "add region: HU (or another) to the mapping, or write the number as +36…",
        )
    extension = _EXTENSION.search(text)
    bare = text[: extension.start()] if extension else text
    if _LETTERS.search(squeeze(bare)):
        return Fault("phone_letters", f'"{shown}" has letters in it', "write digits only")
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
            f'"{shown}" holds more than one number',
            "divide them with split, as in contacts.spread",
        )
    if number is None:
        return Fault("bad_phone", f'"{shown}" is not a phone number', hint)
    if not phonenumbers.is_valid_number(number):
        # The parser leaves the trunk prefix in a number that is not valid.
        typed = None if _INTERNATIONAL.match(squeezed) else national_digits(digits, region)
        return Fault("bad_phone", f'"{shown}" is not a phone number', why_not_valid(number, typed))
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
    if not prefixes or BARE.fullmatch(text) is None:
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


_DOUBTFUL = "phone_prefix_doubtful"


def _doubtful(text: str, national: PhoneNumber, abroad: PhoneNumber) -> Fault:
    """Say that a number is another one with a plus, and that nobody can tell which is meant."""
    at_home, with_plus = in_full(national), in_full(abroad)
    return Fault(
        _DOUBTFUL,
        f'"{text}" can be two numbers, {with_plus} with the plus lost or {at_home}: the column '
        "does not show which",
        f"write it as {with_plus} or as {at_home}",
    )


def in_full(number: PhoneNumber) -> str:
    """A number as people read it: its country's code, a blank, the national number."""
    country, national = _identity(number)
    return f"+{country} {national}"
