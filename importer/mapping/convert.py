"""Converters: from a cell's text to the text that is sent, or to what is wrong with it.

A converter is a pure function of one text that is not blank, so its results can be remembered
for texts that come again. :data:`CONVERTERS` has a builder for each type but ``text``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import urlsplit

from importer.mapping.dates import date_converter
from importer.mapping.faults import Converted, Converter, Fault
from importer.mapping.finding import NOTHING, Finding
from importer.mapping.phones import phone_converter
from importer.mapping.rule import Rule, Type
from importer.mapping.text import squeeze

TRUE_WORDS = frozenset(
    {
        "true",
        "yes",
        "y",
        "1",
        "x",
        "on",
        "igen",
        "i",
        "ja",
        "j",
        "wahr",
        "igaz",
        "ano",
        "áno",
        "tak",
    }
)
FALSE_WORDS = frozenset({"false", "no", "n", "0", "off", "nem", "nein", "falsch", "hamis", "nie"})

_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<digits>[0-9][0-9.,'’ ]*|[.,][0-9]+)")
_AMBIGUOUS = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")


_MAILTO = re.compile("^mailto:(?://)?", re.IGNORECASE)
_WHOLE = "write it without decimals; or set type: decimal in the mapping"
_DIGITS = "write digits and one decimal mark only, without a unit"
_VALUEID = "write the id of the value; or leave type: valueid out to send its name"


class Place(NamedTuple):
    """What a converter needs to know of the mapping around its rule, and of the rule's column."""

    region: str | None
    timezone: str | None
    finding: Finding = NOTHING


def converter_for(rule: Rule, type_: Type, place: Place) -> Converter | None:
    """The converter of a rule, or None where its type takes any text."""
    build = CONVERTERS.get(type_)
    return build(rule, place._replace(region=rule.region or place.region)) if build else None


def _phone(rule: Rule, place: Place) -> Converter:
    return phone_converter(place.region, rule.format or "digits", rule.repair, place.finding)


def _date(rule: Rule, place: Place, output: str = "%Y-%m-%d") -> Converter:
    output = rule.output[0] if rule.output else output
    return date_converter(rule.input, output, place.timezone, rule.repair, place.finding)


def _datetime(rule: Rule, place: Place) -> Converter:
    return _date(rule, place, "%Y-%m-%d %H:%M:%S")


def _integer(rule: Rule, place: Place) -> Converter:
    mark = rule.input[0] if rule.input and len(rule.input) == 1 else None

    def convert(text: str) -> Converted:
        number = _parse_number(text, mark, place.finding.decimal_mark)
        if isinstance(number, Fault):
            return Converted(text, number)
        if number != number.to_integral_value():
            return Converted(text, Fault("not_integer", f'"{text}" is not a whole number', _WHOLE))
        return Converted(f"{number:.0f}")

    return convert


def _decimal(rule: Rule, place: Place) -> Converter:
    mark = rule.input[0] if rule.input and len(rule.input) == 1 else None

    def convert(text: str) -> Converted:
        number = _parse_number(text, mark, place.finding.decimal_mark)
        return Converted(text, number) if isinstance(number, Fault) else Converted(f"{number:f}")

    return convert


def _parse_number(text: str, mark: str | None, found: str | None) -> Decimal | Fault:
    """Read a number with `mark` as its decimal mark, which is None where none is declared.

    Then 1,234 is read with the mark that the column was `found` to have, or refused. Groups of
    three may be divided by the other mark, blanks or apostrophes.
    """
    match = _NUMBER.fullmatch(re.sub(r"\s", " ", text))
    if match is None:
        return Fault("not_number", f'"{text}" is not a number', _DIGITS)
    digits = match["digits"]
    if mark is None:
        if not _AMBIGUOUS.fullmatch(digits):
            last = max(digits.rfind("."), digits.rfind(","))
            mark = digits[last] if last >= 0 and digits.count(digits[last]) == 1 else "none"
        elif found is not None:
            mark = found
        else:
            return Fault(
                "ambiguous_number",
                f'"{text}" can mean two numbers',
                'say which mark is decimal: input: "," or input: "."',
            )
    whole, _, fraction = digits.partition(mark)
    groups = re.split(r"[.,'’ ]", whole)
    grouped = len(groups) == 1 or (
        1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    )
    if not grouped or not re.fullmatch("[0-9]*", fraction):
        return Fault("not_number", f'"{text}" is not a number', _DIGITS)
    number = Decimal(f"{match['sign']}{''.join(groups) or '0'}{'.' + fraction if fraction else ''}")
    return number or abs(number)  # there is no -0


def _boolean(rule: Rule, _: Place) -> Converter:
    yes, no = rule.output or ("true", "false")

    def convert(text: str) -> Converted:
        word = text.casefold()
        if word in TRUE_WORDS:
            return Converted(yes)
        if word in FALSE_WORDS:
            return Converted(no)
        hint = "write yes or no, or translate it with map"
        return Converted(text, Fault("not_boolean", f'"{text}" is neither yes nor no', hint))

    return convert


def _email(_: Rule, __: Place) -> Converter:
    from email_validator import EmailNotValidError, validate_email

    def convert(text: str) -> Converted:
        squeezed = _MAILTO.sub("", squeeze(text))
        try:
            found = validate_email(squeezed, check_deliverability=False)
        except EmailNotValidError as error:
            message = f'"{text}" is not an e-mail address'
            return Converted(text, Fault("bad_email", message, str(error).rstrip(".")))
        return Converted(found.normalized)

    return convert


def _url(_: Rule, __: Place) -> Converter:
    def convert(text: str) -> Converted:
        try:
            parts = urlsplit(text)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname)
            good = good and not re.search(r"\s", text)
        except ValueError:
            good = False
        if good:
            return Converted(text)
        hint = "write it whole, as https://example.com/page"
        return Converted(text, Fault("bad_url", f'"{text}" is not a web address', hint))

    return convert


def _valueid(_: Rule, __: Place) -> Converter:
    def convert(text: str) -> Converted:
        if re.fullmatch(r"[0-9]{1,18}", text):
            return Converted(str(int(text)))
        return Converted(
            text, Fault("bad_valueid", f'"{text}" is not a valueid, which is a number', _VALUEID)
        )

    return convert


CONVERTERS: dict[Type, Callable[[Rule, Place], Converter]] = {
    "integer": _integer,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "phone": _phone,
    "email": _email,
    "url": _url,
    "valueid": _valueid,
}
