"""What is wrong with a phone number, as precisely as the numbering plans tell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import NumberParseException, PhoneNumber

_PREFIX = 3
"""Digits after the country code that decide which lengths a number may have, nearly everywhere."""
_FILLINGS = "0123456789"


def national_digits(digits: str, region: str | None) -> str | None:
    """The digits after a region's trunk prefix; None where they do not begin with it."""
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region, None) if region else None
    prefix = metadata.national_prefix if metadata else None
    return digits.removeprefix(prefix) if prefix and digits.startswith(prefix) else None


def why_not_valid(number: PhoneNumber, typed: str | None = None) -> str:
    """Say why a number that could be read is not valid: its length first, then how it begins.

    `typed` are the national digits, where these are known better than the number shows.
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
        return f"{len(national)} {noun}, expected {_either(expected)} after +{country}"
    region = phonenumbers.region_code_for_country_code(country)
    where = f"after +{country}" if region == "001" else f"in {region}"
    return f"no number {where} begins like this: check the digits after +{country}"


def why_no_number(error: NumberParseException, digits: str, region: str | None) -> str:
    """Say why a text could not be read as a number at all; `digits` are those in it."""
    from phonenumbers import NumberParseException, country_code_for_region

    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and digits:
        return f'no country\'s code begins "{digits[:3]}"'
    expected = _possible_lengths(country_code_for_region(region)) if region else ()
    if expected:
        return f"a number in {region} has {_either(expected)} digits after its country code"
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
    """How many digits a number has that begins so, as trying shows; nothing where none does.

    Numbering plans come as patterns, which cannot be asked what they might match.
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


def _either(numbers: Sequence[int]) -> str:
    if len(numbers) > 3:
        return f"{numbers[0]} to {numbers[-1]}"
    return " or ".join(map(str, numbers))
