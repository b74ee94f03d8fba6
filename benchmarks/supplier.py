"""A supplier's list to measure with, unlike that of leads.py in all that may matter for speed.

    python -m benchmarks.supplier 100000 list.csv

German, in Windows-1252 with semicolons; first and family names apart; up to three phones in one
cell, each of which about three rows share, as households and switchboards do; addresses that
repeat; and every tenth row is wrong, in turn by phone, e-mail, date, post code, or cells that slid.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterator
from pathlib import Path

MAPPING = Path(__file__).with_name("supplier.yaml")
HEADERS = (
    *("Kundennr", "Anrede", "Vorname", "Nachname", "Firma", "Straße", "PLZ", "Ort"),
    *("Telefon", "E-Mail", "Geburtsdatum", "Interessen", "Status", "Umsatz", "Bemerkung"),
)
_FIRST = ("Jürgen", "Sabine", "Uwe", "Petra", "Björn", "Käthe", "Hans-Peter", "Monika", "Jörg")
_FAMILY = ("Müller", "Schäfer", "Weiß", "Groß", "Köhler", "Lange", "von der Heide", "Yılmaz")
_COMPANIES = ("", "", "Bäckerei Groß", 'Hotel "Zur Post"', "Meier & Söhne GmbH", "IT; Beratung")
_STREETS = ("Hauptstraße", "Am Bahnhof", "Goethestr.", "Karl-Marx-Allee", "Im Grünen Weg")
_PLACES = (("30", "Berlin"), ("89", "München"), ("221", "Köln"), ("711", "Stuttgart"))
_INTERESTS = ("Strom", "Gas", "Versicherung", "Reisen", "Garten")
_STATUS = ("neu", "alt", "gesperrt")
_NOTES = ("", "", "ruft zurück", "nur vormittags\nund nicht freitags", "Kündigung zum 31.12.")
_WRONG = {"Telefon": "0", "E-Mail": "keine@", "Geburtsdatum": "30.02.1970", "PLZ": "#NV"}

Row = tuple[str, ...]


def rows(count: int) -> Iterator[Row]:
    """So many rows of text; every tenth is wrong."""
    chance = random.Random(17)
    kinds = tuple(_WRONG)
    for number in range(count):
        row = _row(number, count, chance)
        if number % 10 == 9:
            turn = number // 10 % (len(kinds) + 1)
            if turn < len(kinds):
                place = HEADERS.index(kinds[turn])
                row = (*row[:place], _WRONG[kinds[turn]], *row[place + 1 :])
            else:
                row = (*row[:9], "", "", *row[9:13])
        yield row


def _row(number: int, count: int, chance: random.Random) -> Row:
    first, family = chance.choice(_FIRST), chance.choice(_FAMILY)
    household = chance.randrange(max(1, count // 3))
    area, town = _PLACES[household % len(_PLACES)]
    phones = [_landline(area, household, chance)]
    phones += [_mobile(household, chance) for _ in range(chance.randrange(3))]
    return (
        f"K-{number:07}",
        chance.choice(("Herr", "Frau", "")),
        first,
        family,
        chance.choice(_COMPANIES),
        f"{chance.choice(_STREETS)} {household % 150 + 1}",
        f"{10115 + household % 80000:05}",
        town,
        chance.choice((" / ", ", ")).join(phones),
        f"familie{household}@post-{household % 9}.de",
        f"{chance.randrange(1, 29):02}.{chance.randrange(1, 13):02}.{chance.randrange(1940, 2006)}",
        ", ".join(chance.sample(_INTERESTS, chance.randrange(4))),
        chance.choice(_STATUS),
        f"{chance.randrange(10_000)},{chance.randrange(100):02}",
        chance.choice(_NOTES),
    )


def _landline(area: str, household: int, chance: random.Random) -> str:
    digits = str(2_000_000 + household * 7 % 7_900_000)
    return chance.choice((f"0{area}/{digits}", f"+49 {area} {digits}", f"0049{area}{digits}"))


def _mobile(household: int, chance: random.Random) -> str:
    digits = str(2_000_000 + household * 13 % 7_900_000)
    return chance.choice((f"0171 {digits}", f"0171-{digits[:3]} {digits[3:]}", f"+49171{digits}"))


def write_csv(path: Path, count: int) -> Path:
    """Write a CSV file, unless it is there from an earlier time."""
    if not path.exists():
        draft = path.with_suffix(".part")
        with draft.open("w", newline="", encoding="cp1252", errors="replace") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(HEADERS)
            writer.writerows(rows(count))
        draft.rename(path)
    return path


def write_xlsx(path: Path, count: int) -> Path:
    """Write a workbook, by openpyxl, with dates as dates; unless it is there already."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    if not path.exists():
        draft = path.with_suffix(".part.xlsx")
        book = Workbook(write_only=True)
        sheet = book.create_sheet("Kunden")
        sheet.append(HEADERS)
        born, earned = HEADERS.index("Geburtsdatum"), HEADERS.index("Umsatz")
        for number, row in enumerate(rows(count)):
            cells: list[object] = list(row)
            if number % 10 != 9:
                cells[earned] = float(row[earned].replace(",", "."))
                day, month, year = map(int, row[born].split("."))
                cell = WriteOnlyCell(sheet, _serial(year, month, day))
                cell.number_format = "DD.MM.YYYY"
                cells[born] = cell
            sheet.append(cells)
        book.save(draft)
        draft.rename(path)
    return path


def _serial(year: int, month: int, day: int) -> int:
    """The number by which a workbook with the usual epoch holds a day."""
    from datetime import date

    return (date(year, month, day) - date(1899, 12, 30)).days


def main() -> None:
    """Write a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("path", type=Path, help="ends in .csv or .xlsx")
    options = parser.parse_args()
    write = write_xlsx if options.path.suffix == ".xlsx" else write_csv
    print(write(options.path, options.rows))


if __name__ == "__main__":
    main()
