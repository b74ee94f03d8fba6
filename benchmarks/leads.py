"""Lead files to measure with: 15 columns, as many rows as wanted, the same each time.

    python -m benchmarks.leads 100000 leads.csv [--faults 200]

No two rows share a phone, and no address stands twice, so that nothing is gained from having seen
a text before. `faults` makes every so-manieth row wrong, in turn by phone, e-mail, city and date.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

MAPPING = Path(__file__).with_name("leads.yaml")
HEADERS = (
    *("Id", "Full name", "City", "Zip", "Street", "Likes", "Plan", "Signed"),
    *("Phone", "Mobile", "Email", "Price", "Commission", "Source", "Note"),
)
_FAMILIES = ("Kovács", "Nagy", "Szabó", "Tóth", "Horváth", "Varga", "Kiss", "Molnár", "Farkas")
_GIVEN = ("Anna", "János", "Éva", "Péter", "Zsófia", "László", "Katalin", "Gábor", "Judit")
_CITIES = ("Budapest", "Győr", "Pécs", "Szeged", "Debrecen", "Miskolc")
_STREETS = ("Fő utca", "Kossuth Lajos utca", "Petőfi tér", "Rákóczi út", "Széchenyi sétány")
_LIKES = ("golf", "chess", "tennis", "wine", "sailing", "theatre")
_NOTES = ("", "", "", "rang back", "prefers mornings")
_SPREAD = 1_234_577
"""Coprime to the span of the numbers below, so that none comes twice before all have."""
_BUDAPEST = range(2_000_000, 5_000_000)
_MOBILE = range(2_000_000, 10_000_000)
_FIRST_DAY = date(2021, 1, 1)

Row = tuple[str, ...]


def rows(count: int, faults: int = 0) -> Iterator[Row]:
    """So many rows of text; at most 3,000,000 have phones of their own."""
    chance = random.Random(5)
    for number in range(count):
        row = _row(number, chance)
        if faults and number % faults == faults - 1:
            row = _spoilt(row, number // faults)
        yield row


def _row(number: int, chance: random.Random) -> Row:
    family, given = chance.choice(_FAMILIES), chance.choice(_GIVEN)
    signed = _FIRST_DAY + timedelta(days=chance.randrange(1200))
    return (
        str(number + 1),
        f"{family} {given}",
        chance.choice(_CITIES),
        str(chance.randrange(1011, 9986)),
        f"{chance.choice(_STREETS)} {chance.randrange(1, 200)}.",
        ";".join(chance.sample(_LIKES, chance.randrange(4))),
        chance.choice("GS"),
        f"{signed:%d.%m.%Y}",
        _phone(number, chance),
        _mobile(number, chance),
        f"{_plain(given)}.{_plain(family)}{number}@example{chance.randrange(50)}.hu",
        str(chance.randrange(1000, 99_000)),
        f"{chance.randrange(1, 30)}.{chance.randrange(10)}",
        "web",
        chance.choice(_NOTES),
    )


def _phone(number: int, chance: random.Random) -> str:
    digits = str(_BUDAPEST[number * _SPREAD % len(_BUDAPEST)])
    match chance.randrange(4):
        case 0:
            return f"+36 1 {digits[:3]} {digits[3:]}"
        case 1:
            return f"06-1/{digits[:3]}-{digits[3:]}"
        case 2:
            return f"(06 1) {digits}"
        case _:
            return f"361{digits}"


def _mobile(number: int, chance: random.Random) -> str:
    digits = str(_MOBILE[number * _SPREAD % len(_MOBILE)])
    match chance.randrange(4):
        case 0:
            return ""
        case 1:
            return f"06 30 {digits[:3]} {digits[3:]}"
        case 2:
            return f"+3630{digits}"
        case _:
            return f"06-30-{digits[:3]}-{digits[3:]}"


def _plain(name: str) -> str:
    return name.lower().translate(str.maketrans("áéíóöőúüű", "aeiooouuu"))


def _spoilt(row: Row, turn: int) -> Row:
    wrong = {"Phone": "12 34", "Email": "nobody.example.hu", "City": "Bécs", "Signed": "31.02.2024"}
    header = tuple(wrong)[turn % len(wrong)]
    place = HEADERS.index(header)
    return (*row[:place], wrong[header], *row[place + 1 :])


def write_csv(path: Path, count: int, faults: int = 0) -> Path:
    """Write a CSV file, unless it is there from an earlier time."""
    if not path.exists():
        draft = path.with_suffix(".part")
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(HEADERS)
            writer.writerows(rows(count, faults))
        draft.rename(path)
    return path


def write_xlsx(path: Path, count: int, faults: int = 0) -> Path:
    """Write a workbook whose numbers are numbers, unless it is there from an earlier time."""
    import xlsxwriter

    if not path.exists():
        draft = path.with_suffix(".part.xlsx")
        with xlsxwriter.Workbook(str(draft), {"constant_memory": True}) as book:
            sheet = book.add_worksheet("Leads")
            sheet.write_row(0, 0, HEADERS)
            numeric = {HEADERS.index(header) for header in ("Id", "Zip", "Price", "Commission")}
            for place, row in enumerate(islice(rows(count, faults), count), 1):
                for column, text in enumerate(row):
                    if column in numeric:
                        sheet.write_number(place, column, float(text))
                    else:
                        sheet.write_string(place, column, text)
        draft.rename(path)
    return path


def main() -> None:
    """Write a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("path", type=Path, help="ends in .csv or .xlsx")
    parser.add_argument("--faults", type=int, default=0)
    options = parser.parse_args()
    write = write_xlsx if options.path.suffix == ".xlsx" else write_csv
    print(write(options.path, options.rows, options.faults))


if __name__ == "__main__":
    main()
