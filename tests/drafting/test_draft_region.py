"""Where phones are at home is drafted only where the sheet shows it, never by chance."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import phonenumbers
import pytest

from importer.mapping.load import load_mapping
from tests.drafting.test_draft import draft_of, drafted, problems

ROWS = 40
DICE = random.Random(15)


def digits(count: int) -> str:
    return "".join(DICE.choices("0123456789", k=count))


def hungarian() -> str:
    return f"06 {DICE.choice(('20', '30', '70'))} {digits(3)} {digits(4)}"


def austrian() -> str:
    return f"0664{digits(7)}"


def of_region(region: str) -> str:
    """A mobile number as it is dialled at home, without blanks."""
    kind = phonenumbers.PhoneNumberType.MOBILE
    example = phonenumbers.example_number_for_type(region, kind)
    assert example is not None
    national = phonenumbers.national_significant_number(example)
    while True:
        changed = national[0] + digits(len(national) - 1)
        number = phonenumbers.parse(f"+{example.country_code}{changed}")
        if phonenumbers.number_type(number) == phonenumbers.number_type(example):
            style = phonenumbers.PhoneNumberFormat.NATIONAL
            return phonenumbers.normalize_digits_only(phonenumbers.format_number(number, style))


def spoiled(phones: list[str]) -> list[str]:
    """What every list has: a short number, a landline's extension, nothing, a word, one abroad."""
    return [*phones, phones[0][:8], "", "n/a", "+44 20 7946 0018", "12345"]


def region_of(tmp_path: Path, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    return draft_of(tmp_path, headers, *rows).region


def test_one_short_number_moves_no_list_abroad(tmp_path: Path) -> None:
    rows = [["Nagy Pál", "Fót", f"06 20 {digits(3)} {digits(4)}"] for _ in range(80)]
    headers = ["Név", "Város", "Telefon"]
    assert region_of(tmp_path, headers, rows) == "HU"
    for dirt in ("06 30 12 34", "0630123", "06 30 123 45678", "+43 664 1234567"):
        assert region_of(tmp_path, headers, [*rows, ["X", "Y", dirt]]) == "HU"
    text = drafted(headers, [*rows, ["X", "Y", "06 30 12 34"]])
    region = text[text.index("version:") : text.index("region: HU")]
    assert "unsure" not in region


@pytest.mark.parametrize(
    ("headers", "cells"),
    [
        (["Name", "Ort", "Telefon"], ["Wien", "Graz", "Bad Ischl"]),
        (["Name", "PLZ", "Telefon"], ["1010", "8010", "5020"]),
        (["Name", "E-Mail", "Telefon"], ["a@x.at", "b@gmail.com", "c@y.co.at"]),
        (["Name", "Land", "Telefon"], ["Österreich", "AT"]),
        (["Name", "City", "Phone"], ["1100 Wien", "Salzburg, Stadt"]),
        (["Name", "Other", "Phone"], ["+43 1 5324567", ""]),
    ],
    ids=["towns", "post codes", "addresses of the web", "countries", "English headers", "text"],
)
def test_austrian_phones_are_not_german(
    tmp_path: Path, headers: list[str], cells: list[str]
) -> None:
    rows = [["A B", cells[n % len(cells)], austrian()] for n in range(ROWS)]
    expected = None if headers[1] == "Other" else "AT"
    assert region_of(tmp_path, headers, rows) == expected


def test_phones_with_a_country_code_tell_of_those_without(tmp_path: Path) -> None:
    rows = [["A", austrian()] for _ in range(ROWS)]
    rows += [["A", f"+43 664 {digits(7)}"] for _ in range(10)]
    assert region_of(tmp_path, ["Name", "Telefon"], rows) == "AT"


HEADERS = {
    "HU": ["Név", "Település", "Telefonszám"],
    "DE": ["Name", "Ort", "Telefon"],
    "FR": ["Nom", "Ville", "Téléphone"],
    "IT": ["Nome", "Città", "Cellulare"],
    "ES": ["Nombre", "Ciudad", "Teléfono"],
    "PL": ["Imię i nazwisko", "Miasto", "Telefon"],
    "CZ": ["Jméno", "Město", "Telefon"],
    "SK": ["Meno", "Mesto", "Mobil"],
    "RO": ["Nume", "Oraș", "Telefon"],
    "NL": ["Naam", "Woonplaats", "Telefoon"],
    "HR": ["Ime i prezime", "Grad", "Mobitel"],
    "PT": ["Nome", "Cidade", "Telemóvel"],
}


@pytest.mark.parametrize("region", HEADERS)
def test_the_language_of_the_headers_tells_which_of_several_countries(
    tmp_path: Path, region: str
) -> None:
    phones = spoiled([of_region(region) for _ in range(ROWS)])
    assert region_of(tmp_path, HEADERS[region], [["A", "x", phone] for phone in phones]) == region


TOWNS = {
    "HU": "Győr, Vác, Budapest XI.",
    "AT": "Linz, Wels, Krems",
    "CH": "Zürich, Bern, Chur",
    "DE": "Köln, Essen, Bremen",
    "FR": "Lyon, Nantes, Metz",
    "IT": "Roma, Torino, Bari",
    "ES": "Madrid, Sevilla, Vigo",
    "PL": "Kraków, Łódź, Gdańsk",
    "CZ": "Brno, Plzeň, Praha 4",
    "SK": "Košice, Nitra, Žilina",
    "RO": "Cluj-Napoca, Iași, Arad",
    "GB": "Leeds, York, Bath",
    "US": "Denver, Boston, Tampa",
    "IE": "Cork, Galway, Sligo",
    "SE": "Umeå, Lund, Malmö",
}


@pytest.mark.parametrize("region", TOWNS)
def test_towns_tell_where_the_headers_are_english(tmp_path: Path, region: str) -> None:
    towns = TOWNS[region].split(", ")
    phones = spoiled([of_region(region) for _ in range(ROWS)])
    rows = [["A", towns[n % len(towns)], phone] for n, phone in enumerate(phones)]
    assert region_of(tmp_path, ["Name", "City", "Phone"], rows) == region


@pytest.mark.parametrize(
    ("phone", "likely"),
    [
        (austrian, ["AT", "DE"]),
        (lambda: f"0681 {digits(7)}", ["AT", "DE"]),
        (lambda: f"06{DICE.choice(('20', '30', '70'))}{digits(7)}", ["HU", "DE"]),
        (lambda: f"079{digits(7)}", ["CH", "FR"]),
    ],
    ids=["Austria or Germany", "Saarbrücken", "Hungary", "Switzerland"],
)
def test_what_cannot_be_told_is_left_open_and_holds_the_rows_back(
    tmp_path: Path, phone: Callable[[], str], likely: list[str]
) -> None:
    headers, rows = ["Name", "Phone"], [["A B", phone()] for _ in range(ROWS)]
    text = drafted(headers, rows)
    told = " ".join(text.replace("#", "").split())
    assert f"unsure: {len({row[1] for row in rows})} phones have no country code" in told
    said = told[told.index("may be at home in") : told.index(": neither headers")]
    assert all(region in said for region in likely)
    assert "\n# region: " in text
    found = problems(headers, rows, tmp_path / "m.yaml")
    assert {(p.code, p.target) for p in found} == {("phone_without_region", "contacts.1.phone")}
    (tmp_path / "m.yaml").write_text(text.replace("\n# region: ", "\nregion: "), "utf-8")
    assert (load_mapping(tmp_path / "m.yaml").spec.region or "none") in said


def test_how_numbers_are_divided_tells_their_country(tmp_path: Path) -> None:
    rows = [["A", hungarian()] for _ in range(ROWS)]
    assert region_of(tmp_path, ["Name", "Phone"], rows) == "HU"
    rows = [["A", f"0664 {digits(3)} {digits(4)}"] for _ in range(ROWS)]
    assert region_of(tmp_path, ["Name", "Phone"], rows) == "AT"


def test_numbers_that_lost_their_plus_are_of_the_country_whose_code_they_begin_with(
    tmp_path: Path,
) -> None:
    for region, begin in (("DE", "4915"), ("HU", "3620"), ("AT", "43664")):
        rows = [["A", "C", f"{begin}{DICE.choice('127')}{digits(6)}"] for _ in range(ROWS)]
        if region == "DE":
            rows = [[*row[:2], row[2] + digits(2)] for row in rows]
        assert region_of(tmp_path, ["Name", "City", "Phone"], rows) == region


def test_a_list_in_international_form_needs_no_region(tmp_path: Path) -> None:
    rows = [["A", f"+36 30 {digits(3)} {digits(4)}"] for _ in range(ROWS)]
    rows += [["A", f"0036 30 {digits(3)} {digits(4)}"] for _ in range(2)]
    text = drafted(["Name", "Phone"], [*rows, ["B", "12345"]])
    assert "region" not in text
    assert region_of(tmp_path, ["Name", "Phone"], [*rows, ["B", hungarian()]]) == "HU"


def test_a_blank_behind_what_is_dialled_first_makes_no_list_italian(tmp_path: Path) -> None:
    assert region_of(tmp_path, ["Name", "Phone"], [["A", "06 301234567"]]) is None
    rows = [["A", f"06 30{digits(7)}"] for _ in range(ROWS)]
    assert region_of(tmp_path, ["Name", "Phone"], rows) != "IT"


@pytest.mark.parametrize(
    ("region", "headers", "towns", "phone"),
    [
        ("AT", ["Name", "Ort", "Telefon"], ["Wien", "Linz", "Graz"], "0664 / {7}"),
        ("AT", ["Name", "Ort", "Telefon"], ["Wien", "Linz", "Graz"], "+43 664 / 20 {5}"),
        ("HU", ["Név", "Város", "Telefon"], ["Budapest", "Pécs"], "06 30 / {3} {4}"),
        ("DE", ["Name", "Ort", "Telefon"], ["Berlin", "Hamburg"], "030 / 2{6}"),
        ("AT", ["Name", "Ort", "Telefon"], ["Wien", "Graz"], "0664 5{6} / 0676 5{6}"),
    ],
)
def test_a_slash_within_a_phone_divides_it_from_nothing(
    tmp_path: Path, region: str, headers: Sequence[str], towns: Sequence[str], phone: str
) -> None:
    def written() -> str:
        return re.sub(r"\{(\d)\}", lambda match: digits(int(match[1])), phone)

    home = austrian if region == "AT" else hungarian if region == "HU" else berlin
    rows = [["Nagy Pál", towns[n % len(towns)], written()] for n in range(ROWS)]
    rows += [["Kiss Éva", towns[0], home()] for _ in range(ROWS // 4)]
    assert region_of(tmp_path, headers, rows) == region


def berlin() -> str:
    return f"030 2{digits(6)}"


@pytest.mark.parametrize("every", [20, 8, 5])
def test_damaged_phones_do_not_hide_the_country_that_all_else_names(
    tmp_path: Path, every: int
) -> None:
    """Where numbers may have any length, as in Austria, phones that lost a digit are valid."""
    towns = ("Berlin", "Hamburg", "München")
    phones = [f"0171 2{digits(6)}" for _ in range(200)]
    phones = [phone[:-1] if n % every == 0 else phone for n, phone in enumerate(phones)]
    rows = [[phone, towns[n % 3], "DE", "10115"] for n, phone in enumerate(phones)]
    assert region_of(tmp_path, ["Telefon", "Ort", "Land", "PLZ"], rows) == "DE"
