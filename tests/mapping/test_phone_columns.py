"""Phones that a spreadsheet program spoiled, and hints as precise as numbering plans allow."""

from __future__ import annotations

import re

import phonenumbers
import pytest

from importer.mapping.convert import Place, converter_for
from importer.mapping.faults import Fault
from importer.mapping.rule import Rule
from importer.model import Severity
from tests.support.sheets import batch_of, informed

PLUS = ["+36 30 123 4567", "+36 30 123 4568", "+36 30 123 4569", "+36 30 123 4570"]
ZERO = ["06 30 123 4567", "06 30 123 4568"]


def outcome(
    cells: list[str], options: str = "", region: str | None = "HU"
) -> list[tuple[str, str | None]]:
    """For each cell the number that is sent and the code of what is wrong with it."""
    rows = [[cell] for cell in cells]
    home = f"region: {region}\n" if region else ""
    text = f"form: {{x: A}}\n{home}contacts: {{1: {{phone: {{column: A{options}}}}}}}"
    plan = informed(text, ["A"], rows)
    done = plan.evaluate(batch_of(rows))
    values = done.contacts.numbered[1].parts["phone"][0].texts.to_pylist()
    codes = {problem.row: problem.code for problem in done.checked.problems}
    return [(value, codes.get(row)) for row, value in enumerate(values, 2)]


def fault_of(text: str, region: str | None = "HU") -> Fault:
    rule = Rule.model_validate({"column": "A"})
    convert = converter_for(rule, "phone", Place(region, None))
    assert convert is not None
    fault = convert(text).fault
    assert fault is not None
    return fault


@pytest.mark.parametrize(
    ("cell", "others", "mended"),
    [
        ("436641234567", PLUS, "436641234567"),
        ("6301234567", ZERO, "36301234567"),
        ("6301234567", [], "36301234567"),
        ("436641234567", [], "436641234567"),
        ("436641234567.0", PLUS, "436641234567"),
    ],
)
def test_a_plus_or_zero_that_was_lost_is_put_back_where_allowed_and_only_one_can_be(
    cell: str, others: list[str], mended: str
) -> None:
    assert outcome([*others, cell], ", repair: true")[-1] == (mended, "repaired")
    expected = "damaged_number" if cell.endswith(".0") else "phone_prefix_lost"
    assert outcome([*others, cell])[-1] == (cell, expected)


def test_a_number_is_not_mended_with_what_the_column_s_others_do_not_have() -> None:
    assert outcome([*ZERO, "436641234567"], ", repair: true")[-1][1] == "bad_phone"
    assert outcome(["36301234567"], ", repair: true", None)[-1][1] == "phone_without_region"
    found = outcome([*PLUS, "36301234567"], ", repair: true", None)
    assert found[-1] == ("36301234567", "repaired")


def test_a_number_that_two_prefixes_would_make_valid_is_not_mended() -> None:
    """Of 498935880, +49 8935880 is a number of Munich and 0498935880 one near Padua."""
    cells = ["+39 06 1234 5678", "06 1234 5678", "498935880"]
    assert outcome(cells, ", repair: true", "IT")[-1] == ("498935880", "bad_phone")
    assert outcome(cells[1:], ", repair: true", "IT")[-1] == ("390498935880", "repaired")


@pytest.mark.parametrize("cell", ["301234567", "36301234567", "0036301234567", "(06-30)1234567"])
def test_what_is_valid_by_itself_stays_valid_whatever_the_column_shows(cell: str) -> None:
    for others in (PLUS, ZERO, []):
        for options in ("", ", repair: true"):
            assert outcome([*others, cell], options)[-1] == ("36301234567", None)


def test_a_national_number_that_may_be_a_foreign_one_is_sent_with_a_warning() -> None:
    cells = [*(["+43 664 1234567"] * 5), "436641234567"]
    [*_, (value, code)] = outcome(cells, region="DE")
    assert (value, code) == ("49436641234567", "phone_prefix_doubtful")


@pytest.mark.parametrize("cell", ["2024-05-17", "2024-05-17 00:00:00", "45429"])
def test_a_phone_that_became_a_date_is_never_mended(cell: str) -> None:
    assert outcome([*PLUS, cell], ", repair: true")[-1] == (cell, "phone_became_date")


def test_a_number_that_only_looks_like_a_date_is_one_where_all_are_written_so() -> None:
    cells = ["2024-05-17", "2031-11-12", "+49 30 901820"]
    assert outcome(cells, region="DE")[0] == ("4920240517", None)
    cells = ["2024-05-17", "+49 30 901821", "+49 30 901820"]
    assert outcome(cells, region="DE")[0] == ("2024-05-17", "phone_became_date")


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("3.63E+10", "digits_lost"),
        ("3630123456712300", "digits_lost"),
        ("3.63012345671234E+20", "digits_lost"),
        ("3.6301234567E+10", "repaired"),
        ("3,6301234567E+10", "repaired"),
        ("36301234567.0", "repaired"),
    ],
)
def test_numbers_are_mended_as_long_as_they_have_all_their_digits(cell: str, code: str) -> None:
    value, found = outcome([*PLUS, cell], ", repair: true")[-1]
    assert found == code
    assert value == ("36301234567" if code == "repaired" else cell)


@pytest.mark.parametrize(
    ("text", "region", "hint"),
    [
        ("+36 30 123 45678 9", "HU", "11 digits, expected 9 after +36"),
        ("06 1 234 56", "HU", "6 digits, expected 8 after +36"),
        ("0630123456", "HU", "8 digits, expected 9 after +36"),
        ("0664 123", "AT", "6 digits, expected 7 to 13 after +43"),
        ("212 555 01000", "US", "11 digits, expected 10 after +1"),
        ("+48 601 234 56", None, "8 digits, expected 9 after +48"),
        ("+999 123456", None, 'no country\'s code begins "999"'),
        ("+800 1234", None, "4 digits, expected 8 after +800"),
        ("+36 00 123 4567", None, "no number in HU begins like this: check the digits after +36"),
    ],
)
def test_a_hint_says_how_many_digits_a_number_that_begins_so_has(
    text: str, region: str | None, hint: str
) -> None:
    assert fault_of(text, region).hint == hint


def test_hints_are_right_for_the_example_numbers_of_every_region() -> None:
    """With a digit too many or too few, the hint never denies the length that is right."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number(region)
        if number is None:
            continue
        country = number.country_code
        national = phonenumbers.national_significant_number(number)
        for changed in (national + "00000", national[:-1], national[:-2]):
            text = f"+{country}{changed}"
            if phonenumbers.is_valid_number(phonenumbers.parse(text)):
                continue
            hint = fault_of(text, None).hint or ""
            if match := re.search("expected (.+) after", hint):
                lengths = [int(length) for length in re.findall("[0-9]+", match[1])]
                assert lengths[0] <= len(national) <= lengths[-1], (region, text, hint)


def test_every_format_gives_a_number_of_every_region_back() -> None:
    """Whatever form is sent, it is read as the same number again."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number(region)
        if number is None or not phonenumbers.is_valid_number(number):
            continue
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for format_ in ("digits", "e164", "international", "national"):
            rule = Rule.model_validate({"column": "A", "format": format_})
            convert = converter_for(rule, "phone", Place(region, None))
            assert convert is not None
            value, fault = convert(e164)
            assert fault is None, (region, e164)
            again = phonenumbers.parse(f"+{value}" if format_ == "digits" else value, region)
            if format_ != "national":
                assert again == phonenumbers.parse(e164), (region, format_, value)


def test_a_doubtful_number_is_no_error() -> None:
    rows = [[cell] for cell in [*(["+43 664 1234567"] * 5), "436641234567"]]
    plan = informed("form: {x: {column: A, type: phone, region: DE}}", ["A"], rows)
    [problem] = plan.evaluate(batch_of(rows)).checked.problems
    assert problem.severity is Severity.WARNING
    assert "+436641234567" in problem.message
