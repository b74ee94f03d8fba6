"""samples/messy.xlsx: a supplier's list with every kind of fault, each in a row of its own.

``python -m tests.support.corpus_messy`` writes it again, with the table for samples/README.md on
standard output. `FAULTS` says, in the order of the rows, what is wrong and which codes tell it.
"""

from __future__ import annotations

import datetime as dt
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xlsxwriter

from tests.support.corpus_faults import COLUMNS, FAULTS, Cells, Fault, Formula

SAMPLE = Path(__file__).parents[2] / "samples" / "messy.xlsx"
HEADER_ROW = 5
FIRST_ROW = HEADER_ROW + 1
GAP = 12
"""Good rows above the first fault; then every second row has one."""
ABOUT_THE_FILE = {
    *("hidden_sheets", "other_sheets", "hidden_rows", "hidden_columns", "merged_header"),
    *("duplicate_header", "date_order_unknown", "dates_swapped", "decimal_mark_found"),
    *("decimal_mark_unknown", "zeros_lost", "do_not_call_unreadable", "digits_lost"),
}
"""Codes of whole columns, of the workbook, and of the do-not-call list."""

_NAMES = (
    "Kovács",
    "Szabó",
    "Tóth",
    "Nagy",
    "Horváth",
    "Varga",
    "Kiss",
    "Molnár",
    "Németh",
    "Farkas",
    "Balogh",
    "Papp",
)
_FIRST = (
    "Anna",
    "Béla",
    "Csilla",
    "Dénes",
    "Edit",
    "Ferenc",
    "Gizella",
    "Henrik",
    "Ilona",
    "János",
    "Katalin",
    "László",
)
_CITIES = ("Budapest", "Debrecen", "Szeged", "Miskolc", "Pécs", "Győr")
_LIKES = ("sports; music", "travel", "cooking, reading", "", "movies")


def fault_rows() -> Iterator[tuple[int, Fault]]:
    """Each fault with the row it stands in."""
    return ((FIRST_ROW + GAP + 2 * n, fault) for n, fault in enumerate(FAULTS))


def rows() -> Iterator[tuple[int, Cells]]:
    """All rows below the header, with their numbers."""
    faults = dict(fault_rows())
    chance = random.Random(7)
    for number in range(FIRST_ROW, max(faults) + 3):
        cells = _good(number, chance)
        if number in faults:
            cells |= faults[number].cells
        yield number, cells


def _good(number: int, chance: random.Random) -> Cells:
    n = number - FIRST_ROW
    first, last = _FIRST[n % 12], _NAMES[(n * 5 + n // 12) % 12]
    phone = f"06 30 000 {1000 + n:04}"
    signed = dt.date(2024, 1 + n % 9, 1 + n * 7 % 28)
    return {
        "ID": n + 1,
        "Customer no": chance.randrange(100_000, 999_999),
        "Name": f"{last} {first}" if n % 9 else f"\u00a0{last} {first} ",
        "Company": ("", "Alföld Kft.", "Duna Bt.")[n % 3],
        "City": _CITIES[n % 6],
        "Phone": phone if n % 11 else 36300001000 + n,
        "Mobile": f"+36 20 000 {1000 + n:04}" if n % 3 == 0 else "",
        "Other phones": f"06 70 000 {1000 + n:04}" if n % 8 == 0 else "",
        "E-mail": f"lead{n + 1}@example.com" if n % 4 else "",
        "Born": dt.date(1960 + n % 40, 1 + n % 12, 1 + n * 3 % 28),
        # The supplier writes the day first; a program that expects the month took what it could.
        "Signed up": dt.date(2024, signed.day, signed.month)
        if signed.day <= 12
        else f"{signed:%d/%m/%Y}",
        "Price": f"{chance.randrange(1, 40)} {chance.randrange(100, 999)},50" if n % 5 else 12900,
        "Commission": "" if n % 4 else chance.randrange(5, 90) * 10,
        "Units": chance.randrange(1, 9),
        "Account": 117630010000000000 + chance.randrange(10**6, 10**9) * 1000 if n % 6 == 0 else "",
        "Contract": f"AB-{chance.randrange(1000, 9999)}",
        "Plan id": 1001 + n % 2,
        "Language": ("hu", "de", "sk")[n % 3],
        "Interests": _LIKES[n % 5],
        "Newsletter": ("igen", "nem", True, "x")[n % 4],
        "Website": "https://example.com" if n % 7 == 0 else "",
        "Score": round(chance.random(), 2),
    }


def write(path: Path = SAMPLE) -> None:
    """Write the workbook."""
    with xlsxwriter.Workbook(str(path)) as book:
        book.set_properties({"created": dt.datetime(2024, 10, 17), "company": "Alföld Leads"})  # noqa: DTZ001
        page = book.add_worksheet("Leads")
        _title(book, page)
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for number, cells in rows():
            for column, name in enumerate(COLUMNS):
                if name and COLUMNS.index(name) == column:
                    _put(page, (number - 1, column), cells.get(name, ""), day)
        page.set_column(len(COLUMNS) - 1, len(COLUMNS) - 1, 8, None, {"hidden": True})
        page.set_row(FIRST_ROW + 2, None, None, {"hidden": True})
        grey = book.add_format({"bg_color": "#eeeeee"})
        for below in range(number + 2, number + 300):
            page.set_row(below, 15, grey)
            page.write_blank(below, 2, None, grey)
        book.add_worksheet("Archive 2023").hide()
        book.add_worksheet("Notes").write_string(0, 0, "Prices without VAT.")


def _title(book: Any, page: Any) -> None:
    bold = book.add_format({"bold": True})
    page.merge_range(0, 0, 0, 8, "Alföld Leads – October list", bold)
    page.write_string(1, 0, "Exported 17.10.2024; call before 20:00 only")
    page.write_string(2, 0, "Questions: sales@example.com")
    for column, name in enumerate(COLUMNS):
        page.write_string(HEADER_ROW - 1, column, name, bold)
    other = COLUMNS.index("Other phones")
    page.merge_range(HEADER_ROW - 1, other, HEADER_ROW - 1, other + 1, "Other phones", bold)
    page.set_column(1, len(COLUMNS) - 2, 14)


def _put(page: Any, place: tuple[int, int], cell: object, day: Any) -> None:
    match cell:
        case "":
            pass
        case Formula(text, value):
            page.write_formula(*place, text, None, value)
        case str():
            page.write_string(*place, cell)
        case dt.date():
            page.write_datetime(*place, cell, day)
        case _:
            page.write(*place, cell)


def table() -> Iterator[str]:
    """The faults as lines of a Markdown table."""
    for number, fault in fault_rows():
        shown = [
            f"{name}: `{str(getattr(cell, 'text', cell)).replace('|', chr(92) + '|')[:40].strip()}`"
            for name, cell in fault.cells.items()
            if cell != ""
        ]
        codes = ", ".join(f"`{code}`" for code in fault.codes) or "–"
        yield f"| {number} | {'; '.join(shown)} | {fault.why} | {codes} |"


if __name__ == "__main__":
    write()
    sys.stdout.write("\n".join(table()) + "\n")
