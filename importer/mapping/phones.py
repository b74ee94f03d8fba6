"""Phone numbers, by Google's metadata (phonenumbers), with nothing dropped and nothing guessed.

The converter gives a valid number, or a fault that says what is wrong with it, as precisely as the
numbering plans allow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from importer.mapping.conversion import NO_FINDING, Converted, Converter, Fault, Finding
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
from importer.mapping.spec import PhoneFormat
from importer.mapping.text import squeeze, trim, visible_only

if TYPE_CHECKING:
    from phonenumbers import NumberParseException, PhoneNumber


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
"""A pattern of RE2 for labels before a number, which say that it is a phone."""
_DIVIDER = re.compile(r"[/\\,;&|](?=[^0-9]*[0-9])")
"""What may stand between two numbers of a cell."""
_FEW_BEHIND = 3
"""Digits behind a divider that are no number of their own."""
_FEWEST_BEFORE = 9
"""Digits that a number has before its divider, at least, to be whole."""
_WHOLE = 4
"""Digits behind its area's code that a number has at least."""
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


def phone_converter(
    region: str | None, format_: PhoneFormat, repair: bool = False, finding: Finding = NO_FINDING
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
        number = _read_number(undamaged, text, region, finding)
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
    """The two readings of a number without a plus or zero at its front; None for an invalid one.

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


def possible_numbers(text: str, region: str | None) -> tuple[int, ...]:
    """The digits of E.164 of both readings of a text, with a plus that may be lost and without."""
    text = without_label(text)
    if region is None or BARE.fullmatch(text) is None:
        return ()
    found = (_identity(number) for number in bare_readings(text, region) if number is not None)
    return tuple(int(f"{country}{national}") for country, national in found)


def _read_number(
    text: str, shown: str, region: str | None, finding: Finding
) -> PhoneNumber | Fault:
    """A valid number, or a fault that says what is wrong; `shown` is the cell's whole text."""
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
    """A valid number, or a fault that says what is wrong with the text as it is `shown`."""
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
        hint = _why_no_number(error, digits, region)
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
        if _INTERNATIONAL.match(squeezed):
            hint = _why_not_valid(number)
        else:
            hint = _why_not_valid(number, _national_digits(digits, region))
            if len(digits) >= _COULD_BE_FOREIGN:
                hint += _FOREIGN
        return Fault("bad_phone", f'"{shown}" is not a phone number', hint)
    if _DIVIDER.search(bare) and _has_another_behind(bare, number):
        return Fault(
            "several_phones",
            f'"{shown}" is a number with a part of another one, or an extension, behind it',
            "delete what stands behind the first number, or write both in full",
        )
    return number


def _has_another_behind(text: str, number: PhoneNumber) -> bool:
    """Whether a text read as one number is a whole one, and a few more digits behind a divider.

    In ``030 1234576/77`` these are the end of another number, or an extension: both together are
    the number of nobody, or of a stranger. An area's code before a slash is no whole number.
    """
    import phonenumbers

    for divider in _DIVIDER.finditer(text):
        digits_behind = sum(map(str.isdigit, text[divider.end() :]))
        digits_before = sum(map(str.isdigit, text[: divider.start()]))
        if digits_before < _FEWEST_BEFORE or digits_behind > _FEW_BEHIND:
            continue
        try:
            before = phonenumbers.parse(
                squeeze(text[: divider.start()]),
                phonenumbers.region_code_for_country_code(number.country_code or 0),
            )
        except phonenumbers.NumberParseException:
            continue
        area = phonenumbers.length_of_geographical_area_code(before)
        length = len(phonenumbers.national_significant_number(before))
        if length - area >= _WHOLE and phonenumbers.is_valid_number(before):
            return True
    return False


def _is_damaged(text: str) -> bool:
    """Whether a spreadsheet program made a text, which is no number, of a number."""
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
    """The fault of a number that is another valid one with a plus: either may be meant."""
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


_FOREIGN = "; if it is of another country, write it with + and that country's code"
_COULD_BE_FOREIGN = 7
"""Digits; with fewer of them a text is rather a slip of the pen than a number of a neighbour's."""
_PREFIX = 3
"""Digits after the country code that decide which lengths a number may have, nearly everywhere."""
_FILLINGS = "0123456789"


def _national_digits(digits: str, region: str | None) -> str | None:
    """The digits after a region's trunk prefix; None where they do not begin with it."""
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region, None) if region else None
    prefix = metadata.national_prefix if metadata else None
    return digits.removeprefix(prefix) if prefix and digits.startswith(prefix) else None


def _why_not_valid(number: PhoneNumber, typed: str | None = None) -> str:
    """Why a number that could be read is not valid: its length first, then how it begins.

    `typed` are the national digits where phonenumbers may have left the trunk prefix in the number.
    """
    import phonenumbers

    national = typed or phonenumbers.national_significant_number(number)
    country = number.country_code or 0
    possible = _possible_lengths(country)
    if not possible:
        return f"+{country} is not a country's code"
    expected = _lengths_after(country, national[:_PREFIX]) or possible
    if len(national) not in expected:
        noun = "digit" if len(national) == 1 else "digits"
        return f"{len(national)} {noun}, expected {_one_of(expected)} after +{country}"
    region = phonenumbers.region_code_for_country_code(country)
    where = f"after +{country}" if region == "001" else f"in {region}"
    return f"no number {where} begins like this: check the digits after +{country}"


def _why_no_number(error: NumberParseException, digits: str, region: str | None) -> str:
    """Why a text could not be read as a number at all; `digits` are those in it."""
    from phonenumbers import NumberParseException, country_code_for_region

    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and digits:
        return f'no country\'s code begins "{digits[:3]}"'
    expected = _possible_lengths(country_code_for_region(region)) if region else ()
    if expected:
        return f"a number in {region} has {_one_of(expected)} digits after its country code"
    return "write it in international form, as +36301234567"


def _possible_lengths(country: int) -> tuple[int, ...]:
    """How many digits may follow a country's code; nothing where there is no such code."""
    from phonenumbers import PhoneMetadata, region_code_for_country_code

    region = region_code_for_country_code(country)
    if region == "001":
        metadata = PhoneMetadata.metadata_for_nongeo_region(country, None)
    else:
        metadata = PhoneMetadata.metadata_for_region(region, None)
    description = metadata.general_desc if metadata else None
    return tuple(n for n in description.possible_length if n > 0) if description else ()


@lru_cache(maxsize=4096)
def _lengths_after(country: int, prefix: str) -> tuple[int, ...]:
    """The possible lengths of numbers that begin so, found by trial; none if no number does.

    Numbering plans are patterns, of which the lengths that they match cannot be read off.
    """
    return tuple(
        length
        for length in _possible_lengths(country)
        if length >= len(prefix)
        and any(_is_valid(country, prefix.ljust(length, filling)) for filling in _FILLINGS)
    )


def _is_valid(country: int, national: str) -> bool:
    from phonenumbers import PhoneNumber, is_valid_number

    zeros = len(national) - len(national.lstrip("0"))
    return is_valid_number(
        PhoneNumber(
            country_code=country,
            national_number=int(national),
            italian_leading_zero=zeros > 0 or None,
            number_of_leading_zeros=zeros if zeros > 1 else None,
        )
    )


def _one_of(numbers: Sequence[int]) -> str:
    if len(numbers) > 3:
        return f"{numbers[0]} to {numbers[-1]}"
    return " or ".join(map(str, numbers))


# phonenumbers has these names, too, but only together with the names of all places with an area
# code: half a second and 60 MiB of every start. A test holds that both agree.
_NAMES = """
AC Ascension Island; AD Andorra; AE United Arab Emirates; AF Afghanistan; AG Antigua and Barbuda;
AI Anguilla; AL Albania; AM Armenia; AO Angola; AR Argentina; AS American Samoa; AT Austria; AU
Australia; AW Aruba; AX Åland Islands; AZ Azerbaijan; BA Bosnia and Herzegovina; BB Barbados; BD
Bangladesh; BE Belgium; BF Burkina Faso; BG Bulgaria; BH Bahrain; BI Burundi; BJ Benin; BL Saint
Barthélemy; BM Bermuda; BN Brunei; BO Bolivia; BQ Bonaire, Sint Eustatius and Saba; BR Brazil; BS
Bahamas; BT Bhutan; BW Botswana; BY Belarus; BZ Belize; CA Canada; CC Cocos Islands; CD The
Democratic Republic Of Congo; CF Central African Republic; CG Congo; CH Switzerland; CI Côte
d'Ivoire; CK Cook Islands; CL Chile; CM Cameroon; CN China; CO Colombia; CR Costa Rica; CU Cuba;
CV Cape Verde; CW Curaçao; CX Christmas Island; CY Cyprus; CZ Czech Republic; DE Germany; DJ
Djibouti; DK Denmark; DM Dominica; DO Dominican Republic; DZ Algeria; EC Ecuador; EE Estonia; EG
Egypt; EH Western Sahara; ER Eritrea; ES Spain; ET Ethiopia; FI Finland; FJ Fiji; FK Falkland
Islands; FM Micronesia; FO Faroe Islands; FR France; GA Gabon; GB United Kingdom; GD Grenada; GE
Georgia; GF French Guiana; GG Guernsey; GH Ghana; GI Gibraltar; GL Greenland; GM Gambia; GN
Guinea; GP Guadeloupe; GQ Equatorial Guinea; GR Greece; GT Guatemala; GU Guam; GW Guinea-Bissau;
GY Guyana; HK Hong Kong; HN Honduras; HR Croatia; HT Haiti; HU Hungary; ID Indonesia; IE Ireland;
IL Israel; IM Isle Of Man; IN India; IO British Indian Ocean Territory; IQ Iraq; IR Iran; IS
Iceland; IT Italy; JE Jersey; JM Jamaica; JO Jordan; JP Japan; KE Kenya; KG Kyrgyzstan; KH
Cambodia; KI Kiribati; KM Comoros; KN Saint Kitts And Nevis; KP North Korea; KR South Korea; KW
Kuwait; KY Cayman Islands; KZ Kazakhstan; LA Laos; LB Lebanon; LC Saint Lucia; LI Liechtenstein;
LK Sri Lanka; LR Liberia; LS Lesotho; LT Lithuania; LU Luxembourg; LV Latvia; LY Libya; MA
Morocco; MC Monaco; MD Moldova; ME Montenegro; MF Saint Martin; MG Madagascar; MH Marshall
Islands; MK Macedonia; ML Mali; MM Myanmar; MN Mongolia; MO Macao; MP Northern Mariana Islands; MQ
Martinique; MR Mauritania; MS Montserrat; MT Malta; MU Mauritius; MV Maldives; MW Malawi; MX
Mexico; MY Malaysia; MZ Mozambique; NA Namibia; NC New Caledonia; NE Niger; NF Norfolk Island; NG
Nigeria; NI Nicaragua; NL Netherlands; NO Norway; NP Nepal; NR Nauru; NU Niue; NZ New Zealand; OM
Oman; PA Panama; PE Peru; PF French Polynesia; PG Papua New Guinea; PH Philippines; PK Pakistan;
PL Poland; PM Saint Pierre And Miquelon; PR Puerto Rico; PS Palestine; PT Portugal; PW Palau; PY
Paraguay; QA Qatar; RE Reunion; RO Romania; RS Serbia; RU Russia; RW Rwanda; SA Saudi Arabia; SB
Solomon Islands; SC Seychelles; SD Sudan; SE Sweden; SG Singapore; SH Saint Helena; SI Slovenia;
SJ Svalbard And Jan Mayen; SK Slovakia; SL Sierra Leone; SM San Marino; SN Senegal; SO Somalia; SR
Suriname; SS South Sudan; ST Sao Tome And Principe; SV El Salvador; SX Sint Maarten (Dutch part);
SY Syria; SZ Swaziland; TA Tristan da Cunha; TC Turks And Caicos Islands; TD Chad; TG Togo; TH
Thailand; TJ Tajikistan; TK Tokelau; TL Timor-Leste; TM Turkmenistan; TN Tunisia; TO Tonga; TR
Turkey; TT Trinidad and Tobago; TV Tuvalu; TW Taiwan; TZ Tanzania; UA Ukraine; UG Uganda; US
United States; UY Uruguay; UZ Uzbekistan; VA Vatican; VC Saint Vincent And The Grenadines; VE
Venezuela; VG British Virgin Islands; VI U.S. Virgin Islands; VN Vietnam; VU Vanuatu; WF Wallis
And Futuna; WS Samoa; XK Kosovo; YE Yemen; YT Mayotte; ZA South Africa; ZM Zambia; ZW Zimbabwe
"""
_BY_REGION: dict[str, str] = dict(
    name.split(" ", 1) for name in _NAMES.replace("\n", " ").strip().split("; ")
)


def country_name(region: str) -> str:
    """The name of a region such as HU; the code itself where it has no name."""
    return _BY_REGION.get(region, region)
