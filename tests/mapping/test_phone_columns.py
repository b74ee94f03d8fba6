"""Phones that a spreadsheet program spoiled, and hints as precise as numbering plans allow."""

from __future__ import annotations

import random
import re

import phonenumbers
import pytest

from importer.mapping.conversion import Fault
from importer.mapping.phones import country_name
from importer.mapping.spec import Rule
from importer.mapping.values import ConversionContext, converter_for
from importer.model import PhoneReading, Severity
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
    convert = converter_for(rule, "phone", ConversionContext(region, None))
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


def test_a_national_number_that_may_be_a_foreign_one_is_held_back() -> None:
    cells = [*(["+43 664 1234567"] * 5), "436641234567"]
    [*_, (value, code)] = outcome(cells, region="DE")
    assert (value, code) == ("436641234567", "phone_prefix_doubtful")


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


BEGINS = "no number in HU begins like this: check the digits after +36"
FOREIGN = "; if it is of another country, write it with + and that country's code"


@pytest.mark.parametrize(
    ("text", "region", "hint"),
    [
        ("+36 30 123 45678 9", "HU", "11 digits, expected 9 after +36"),
        ("06 1 23", "HU", "3 digits, expected 8 after +36"),
        ("06 1 234 56", "HU", "6 digits, expected 8 after +36" + FOREIGN),
        ("0630123456", "HU", "8 digits, expected 9 after +36" + FOREIGN),
        ("0664 1234567", "HU", f"{BEGINS}{FOREIGN}"),
        ("0664 123", "AT", "6 digits, expected 7 to 13 after +43" + FOREIGN),
        ("212 555 01000", "US", "11 digits, expected 10 after +1" + FOREIGN),
        ("+48 601 234 56", None, "8 digits, expected 9 after +48"),
        ("+999 123456", None, 'no country\'s code begins "999"'),
        ("+800 1234", None, "4 digits, expected 8 after +800"),
        ("+36 00 123 4567", None, BEGINS),
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
            convert = converter_for(rule, "phone", ConversionContext(region, None))
            assert convert is not None
            value, fault = convert(e164)
            assert fault is None, (region, e164)
            again = phonenumbers.parse(f"+{value}" if format_ == "digits" else value, region)
            if format_ != "national":
                assert again == phonenumbers.parse(e164), (region, format_, value)


def test_both_numbers_that_a_doubtful_one_can_be_are_named() -> None:
    rows = [[cell] for cell in [*(["+43 664 1234567"] * 5), "436641234567"]]
    plan = informed("form: {x: {column: A, type: phone, region: DE}}", ["A"], rows)
    [problem] = plan.evaluate(batch_of(rows)).checked.problems
    assert problem.severity is Severity.ERROR
    assert problem.hint == "write it as +43 6641234567 or as +49 436641234567"


def column_of(
    cells: list[str], region: str
) -> tuple[list[tuple[str, str | None]], list[tuple[str, str]]]:
    """What becomes of each cell, and the remarks on the whole column."""
    rows = [[cell] for cell in cells]
    text = f"region: {region}\nform: {{x: A}}\ncontacts: {{1: {{phone: A}}}}"
    remarks = informed(text, ["A"], rows).remarks
    return outcome(cells, region=region), [(p.code, p.message) for p in remarks]


LOST_PLUS = ["4915123456700", "4917612345678", "49309018200", "4989123456", "49 221 9876543"]
LOST_ZERO = ["15123456700", "309018200", "8912345678", "2219876543", "7119876543", "403334455"]


@pytest.mark.parametrize("others", [[], LOST_PLUS, ["0151 23456701"], ["+49 151 23456701"]])
def test_a_number_that_begins_with_its_country_s_code_lost_its_plus(others: list[str]) -> None:
    for cell in ("4915123456700", "49309018200", "49(0)30 9018200", "(49) 151 23456700"):
        found, remarks = column_of([*others, cell], "DE")
        digits = re.sub(r"\D", "", cell.replace("(0)", ""))
        assert found[-1] == (digits, None)
        assert all(code == "phone_prefix_found" for code, _ in remarks)
    found, [(code, message)] = column_of([*others, "4915123456700"], "DE")
    assert code == "phone_prefix_found"
    assert "with the plus lost" in message


def test_one_number_among_many_that_lost_their_zero_is_held_back_or_national() -> None:
    """0492 1123456 is one near Emden; 49 2112 3456 one of Düsseldorf without its plus."""
    found, _ = column_of([*LOST_ZERO, "4921123456"], "DE")
    assert found[-1] == ("4921123456", "phone_prefix_doubtful")
    assert all(code is None for _, code in found[:-1])
    many = [f"30901{n:04}" for n in range(60)]
    found, [(code, message)] = column_of([*many, "4921123456"], "DE")
    assert found[-1] == ("494921123456", None)
    assert code == "phone_prefix_found"
    assert "as national numbers" in message


def test_both_forms_in_one_column_are_held_back_where_they_cannot_be_told_apart() -> None:
    found, remarks = column_of([*LOST_ZERO, *LOST_PLUS], "DE")
    codes = [code for _, code in found]
    assert codes[: len(LOST_ZERO)] == [None] * len(LOST_ZERO)
    assert codes[len(LOST_ZERO) :].count("phone_prefix_doubtful") == 3
    assert found[-2] == ("4989123456", None)  # 04989 is no area: it can only lack the plus
    assert remarks == []


def test_a_foreign_number_among_those_that_lost_their_plus_is_held_back() -> None:
    found, _ = column_of([*LOST_PLUS * 2, "436641234567"], "DE")
    assert found[-1] == ("436641234567", "phone_prefix_doubtful")


def test_a_few_national_numbers_do_not_make_a_column_of_lost_pluses_doubtful() -> None:
    many = [f"49151234567{n:02}" for n in range(40)]
    found, _ = column_of([*many, "309018200"], "DE")
    assert found == [(cell, None) for cell in many] + [("49309018200", None)]


def random_numbers(region: str, choose: random.Random, count: int) -> list[str]:
    """Valid numbers of a region, the digits of E.164: its examples with their last digits drawn."""
    country, found = phonenumbers.country_code_for_region(region), set[str]()
    types = phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE
    numbers = [phonenumbers.example_number_for_type(region, type_) for type_ in types]
    examples = [phonenumbers.national_significant_number(n) for n in numbers if n is not None]
    for _ in range(count):
        example = choose.choice(examples)
        kept = choose.randrange(1, len(example))
        tail = "".join(choose.choice("0123456789") for _ in example[kept:])
        drawn = phonenumbers.parse(f"+{country}{example[:kept]}{tail}", None)
        if phonenumbers.is_valid_number(drawn):
            e164 = phonenumbers.format_number(drawn, phonenumbers.PhoneNumberFormat.E164)
            found.add(e164.removeprefix("+"))
    return sorted(found)


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_digits_that_are_sent_are_read_as_the_same_numbers_again(region: str) -> None:
    numbers = random_numbers(region, random.Random(region), 40)
    found = outcome(numbers, region=region)
    assert found == [(number, None) for number in numbers]
    for number in numbers[:3]:
        assert outcome([number], region=region) == [(number, None)]


@pytest.mark.parametrize("region", [None, "HU", "DE", "IT", "US", "RU"])
@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("+44 (0)20 7946 0018", "442079460018"),
        ("+49(0)30901820", "4930901820"),
        ("(+49)(0)30 901820", "4930901820"),
        ("0049 (0) 30 / 901820", "4930901820"),
        ("+49 [0] 30 901820", "4930901820"),
        ("+39 (0)6 69812345", "390669812345"),
        ("+378 (0)549 882000", "3780549882000"),
        ("+36 (0)30 123 4567", "36301234567"),
        ("+36 (06) 30 123 4567", "36301234567"),
        ("+36 (0630) 123-4567", "36301234567"),
        ("0036 (0) 30 1234567", "36301234567"),
        ("+48 (0)50 123 45 67", "48501234567"),
        ("+34 (0)91 234 56 78", "34912345678"),
        ("+1 (0)212 555 0123", "12125550123"),
        ("+7 (8) 495 123-45-67", "74951234567"),
        ("+7 (812) 123-45-67", "78121234567"),
        ("+41 (0)44 668 18 00", "41446681800"),
    ],
)
def test_a_zero_in_brackets_is_not_dialled_from_abroad(
    cell: str, number: str, region: str | None
) -> None:
    assert outcome([cell], region=region) == [(number, None)]


@pytest.mark.parametrize(
    "label",
    [
        *("p:", "p: ", "P:", "tel:", "tel://", "Tel.: ", "Tel ", "callto:", "whatsapp:", "sms:"),
        *("m: ", "Mobile: ", "phone:", "Handy: ", "Mobil: ", "Telefonszám: ", "Tel.-Nr.: "),
        *("tél : ", "\u200eTel: ", "Cell. ", "GSM: ", "Тел.: "),
    ],
)
def test_a_label_before_a_number_says_only_that_it_is_one(label: str) -> None:
    for number in ("+36 30 123 4567", "06301234567", "36301234567"):
        assert outcome([label + number]) == [("36301234567", None)]
    found, _ = column_of([label + cell for cell in LOST_PLUS], "DE")
    assert [value for value, _ in found] == [re.sub(r"\D", "", cell) for cell in LOST_PLUS]


@pytest.mark.parametrize("cell", ["Fax: +36 1 123 4567", "f: +36 1 123 4567", "x:+36301234567"])
def test_a_fax_and_what_nobody_knows_are_no_phones(cell: str) -> None:
    assert outcome([cell]) == [(cell, "phone_letters")]


def read_as(cells: list[str], region: str | None, options: str = "") -> PhoneReading:
    home = f"region: {region}\n" if region else ""
    text = f"{home}form: {{x: Telefon}}\ncontacts: {{1: {{phone: {{column: Telefon{options}}}}}}}"
    [reading] = informed(text, ["Telefon"], [[cell] for cell in cells]).phones
    return reading


def test_it_is_told_how_many_phones_have_a_country_s_code_and_where_the_others_are_read() -> None:
    cells = ["+36 30 123 4567", "0036 30 123 4568", "06 30 123 4569", "30 123 4560", "36301234561"]
    assert read_as([*cells, "", "none"], "HU") == PhoneReading(
        "contacts.1.phone", "Telefon", "HU", "Hungary", 36, 2, 2, 1, 0
    )
    assert read_as(["tel: +36 30 123 4567", "Tel: 06 30 1234567"], "HU").with_code == 1


def test_it_is_told_that_no_region_is_set() -> None:
    found = read_as(["+36 30 123 4567", "0036 30 123 4568", "06 30 123 4569"], None)
    assert (found.region, found.country, found.country_code) == (None, None, None)
    assert (found.with_code, found.without_code) == (1, 2)


def test_numbers_that_can_be_two_are_told_as_held_back() -> None:
    cells = [*LOST_ZERO, *LOST_PLUS]
    codes = [code for _, code in outcome(cells, region="DE")]
    found = read_as(cells, "DE")
    assert found.unclear == codes.count("phone_prefix_doubtful") == 3
    assert (found.with_code, found.plus_put_back) == (0, 2)
    assert found.without_code == len(LOST_ZERO)
    foreign = [*(["+43 664 1234567"] * 5), "436641234567", "4915123456700"]
    assert (read_as(foreign, "DE").unclear, read_as(foreign, "DE").plus_put_back) == (1, 1)


@pytest.mark.parametrize(
    ("region", "abroad", "home"),
    [
        ("US", ["011 44 20 7946 0018", "+44 20 7946 0018"], ["(212) 555-0123", "1 212 555 0123"]),
        ("JP", ["010 1 212 555 0123"], ["03-1234-5678"]),
        ("RU", ["8~10 44 20 7946 0018"], ["8 (495) 123-45-67"]),
        ("AU", ["0011 44 20 7946 0018"], ["02 9999 1234"]),
        ("SG", ["001 44 20 7946 0018", "002 44 20 7946 0018"], ["6123 4567"]),
    ],
)
def test_what_is_dialled_abroad_counts_as_a_code_as_the_region_dials_it(
    region: str, abroad: list[str], home: list[str]
) -> None:
    found = read_as([*abroad, *home], region)
    assert found.with_code == len(abroad)
    assert found.without_code + found.plus_put_back == len(home)


def test_the_numbers_of_many_in_a_cell_are_told_one_by_one() -> None:
    text = "region: AT\nform: {x: A}\ncontacts: {spread: {column: A, split: [';'], region: HU}}"
    plan = informed(text, ["A"], [["06 30 1234567; +43 1 5880411"], ["06 20 1234567;"]])
    [found] = plan.phones
    assert (found.target, found.region) == ("contacts.spread", "HU")
    assert (found.with_code, found.without_code) == (1, 2)


def test_countries_have_the_names_that_the_library_gives_them() -> None:
    from phonenumbers import geocoder

    for region in phonenumbers.SUPPORTED_REGIONS:
        number = phonenumbers.example_number(region)
        assert number is not None
        assert geocoder.country_name_for_number(number, "en") in {"", country_name(region)}
        assert country_name(region) != region
