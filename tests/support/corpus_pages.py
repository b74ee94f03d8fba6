"""What stands on the sheets of the corpus's workbooks; each takes a book and a page of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

from tests.support.corpus_texts import PEOPLE

HEADER = ("Name", "City", "Phone")


def rows(page: Any, content: Iterable[Iterable[object]], first: int = 0, left: int = 0) -> None:
    """Write rows of cells by xlsxwriter, texts as texts."""
    for number, row in enumerate(content, first):
        for column, cell in enumerate(row, left):
            if isinstance(cell, str):
                page.write_string(number, column, cell)
            else:
                page.write(number, column, cell)


def people(_: Any, page: Any) -> None:
    """Three people."""
    rows(page, [HEADER, *PEOPLE])


def appended(_: Any, page: Any) -> None:
    """Three people, by openpyxl."""
    for row in (HEADER, *PEOPLE):
        page.append(row)


def typed(book: Any, page: Any) -> None:
    """What a workbook has and a text file has not: numbers, dates, an error, a formula."""
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    rows(page, [("Name", "Phone", "Signed", "Price", "City")])
    rows(page, [("Ann", 36301234567), ("Bob", "06301234568"), ("Cid", "06301234569")], 1)
    for row, month in enumerate((1, 2, 3), 1):
        page.write_datetime(row, 2, dt.date(2024, month, 29), day)
        page.write_number(row, 3, 12.5 * row)
    page.write_formula(1, 3, "=5*2.5", None, 12.5)
    page.write_string(1, 4, "Vác")
    page.write_formula(2, 4, "=NA()", None, "#N/A")
    page.write_string(3, 4, "Győr")


def title(book: Any, page: Any) -> None:
    """A merged title, a remark and a blank line above the header."""
    page.merge_range("A1:C1", "Leads of October", book.add_format({"bold": True}))
    page.write_string("B2", "as of 17 May 2024")
    rows(page, [HEADER, *PEOPLE], 3)


def merged_header(_: Any, page: Any) -> None:
    """A header of two rows."""
    rows(page, [("Name", "City", "", "", ""), ("", "", "Home", "Mobile", "Work")])
    for area, text in (("A1:A2", "Name"), ("B1:B2", "City"), ("C1:E1", "Phones")):
        page.merge_range(area, text)
    rows(page, [("Ann", "Vác", "06301234567", "06201234567", "")], 2)


def merged_over_two(_: Any, page: Any) -> None:
    """A header over two columns."""
    rows(page, [("Name", "", "City", "Phone"), ("Ann", "Fay", "Vác", "06301234567")])
    page.merge_range("A1:B1", "Name")


def twice(_: Any, page: Any) -> None:
    """A header that stands twice, once with a blank behind it."""
    rows(page, [("Name", "Phone", "City", "Phone "), ("Ann", "06301234567", "Vác", "")])


def hidden_sheets(book: Any, page: Any) -> None:
    """A hidden sheet first, and one that programs do not even offer to show."""
    rows(page, [("Name", "City", "Phone"), ("Old", "Vác", "06309999999")])
    page.hide()
    current = book.add_worksheet("Current")
    rows(current, [HEADER, *PEOPLE])
    current.activate()
    current.set_first_sheet()
    rows(book.add_worksheet("Notes"), [("x",)])
    book.get_worksheet_by_name("Notes").very_hidden()


def two_sheets(book: Any, page: Any) -> None:
    """A sheet for people before the list."""
    rows(page, [("Read me",), ("Nothing here",)])
    rows(book.add_worksheet("Új ügyfelek"), [HEADER, *PEOPLE])


def hidden_parts(_: Any, page: Any) -> None:
    """A hidden row with data, a hidden column, and a hidden blank row."""
    rows(page, [("Name", "City", "Phone", "Score"), *((*person, 1.5) for person in PEOPLE)])
    page.set_row(2, None, None, {"hidden": True})
    page.set_column("D:D", 8, None, {"hidden": True})
    page.set_row(20, None, None, {"hidden": True})


def formats_below(book: Any, page: Any) -> None:
    """Coloured rows below the data."""
    rows(page, [HEADER, *PEOPLE])
    grey = book.add_format({"bg_color": "#eeeeee"})
    for row in range(4, 1500):
        for column in range(3):
            page.write_blank(row, column, None, grey)
        page.set_row(row, 18, grey)


def formulas(_: Any, page: Any) -> None:
    """Formulas as openpyxl writes them, without values."""
    page.append(HEADER)
    page.append(["Ann", '="Vá"&"c"', "06301234567"])
    page.append(["Bob", "Vác", "=A3"])
    page.append(["Cid", "Győr", "06301234569"])


def stored_formulas(_: Any, page: Any) -> None:
    """Formulas with values, one of them blank."""
    rows(page, [HEADER, ("Ann",), ("Bob",), ("Cid",)])
    for row, (city, phone) in enumerate([("Vác", "06301234567"), ("", 36301234568), ("Pécs", 0)]):
        page.write_formula(row + 1, 1, f'=IF(1,"{city}","")', None, city)
        page.write_formula(row + 1, 2, f"=1*{phone}", None, phone)


def errors(_: Any, page: Any) -> None:
    """Error cells of every kind."""
    errors = ["#N/A", "#DIV/0!", "#REF!", "#NAME?", "#VALUE!", "#NUM!", "#NULL!", "#SPILL!"]
    rows(page, [HEADER])
    for row, error in enumerate(errors, 1):
        rows(page, [(f"Person {row}", "", f"0630123456{row}")], row)
        page.write_formula(row, 1, "=1/0", None, error)


def rich(_: Any, page: Any) -> None:
    """Texts in several fonts, with a line break."""
    page.append(HEADER)
    bold = InlineFont(b=True)
    page.append(["Ann", CellRichText("Vá", TextBlock(bold, "c")), "06301234567"])
    page.append(["Bob ", "Pécs\nBaranya", CellRichText(TextBlock(bold, "0630"), " 123 4568")])


def dates(book: Any, page: Any) -> None:
    """Dates, moments, times, lengths of time and shares."""
    styles = {
        name: book.add_format({"num_format": name})
        for name in ("d.m.yyyy", "hh:mm", "[h]:mm", "0.0%", "yyyy\\.mm\\.dd\\. hh:mm")
    }
    rows(page, [("Phone", "Day", "Moment", "Time", "Length", "Share")])
    for row, day in enumerate((dt.date(2024, 2, 29), dt.date(1985, 12, 1)), 1):
        page.write_string(row, 0, f"0630123456{row}")
        page.write_datetime(row, 1, day, styles["d.m.yyyy"])
        moment = dt.datetime.combine(day, dt.time(13, 5))
        page.write_datetime(row, 2, moment, styles["yyyy\\.mm\\.dd\\. hh:mm"])
        page.write_datetime(row, 3, dt.time(4, 5), styles["hh:mm"])
        page.write_number(row, 4, 1.5, styles["[h]:mm"])
        page.write_number(row, 5, 0.125, styles["0.0%"])


def numbers_and_texts(_: Any, page: Any) -> None:
    """Numbers as texts, and texts as numbers."""
    rows(
        page,
        [
            ("Name", "Phone", "Id", "Price"),
            ("Ann", 36301234567, "007", "12,5"),
            ("Bob", "+36301234568", 8, 12.5),
            ("Cid", " 06301234569\u00a0", 9.0, "1 234,5"),
            (True, 36301234570, "'010", 1e3),
        ],
    )


def offset(_: Any, page: Any) -> None:
    """A list that begins in C5."""
    rows(page, [HEADER, *PEOPLE], first=4, left=2)


def invisible(_: Any, page: Any) -> None:
    """White space of many kinds."""
    rows(
        page,
        [
            ("\u00a0Name", "City\u200b", "Phone\n"),
            ("\ufeffAnn\u00a0", "\u200b", "06\u00a0301234567"),
        ],
    )


def no_cells(_: Any, page: Any) -> None:
    """A header only."""
    rows(page, [HEADER])


def serials(_: Any, page: Any) -> None:
    """Dates that lost their format."""
    rows(
        page,
        [("Name", "Phone", "Signed"), ("Ann", 36301234567, 45429), ("Bob", 36301234568, 45430)],
    )


def noise(_: Any, page: Any) -> None:
    """Numbers that missed their decimals in the binary system, by openpyxl."""
    page.append(["Name", "Phone", "Price", "Units", "Share"])
    page.append(["Ann", "06301234567", 1.1 * 3, 3.0000000000000004, 0.29 * 1.1])
    page.append(["Bob", 36301234568, 0.57 + 0.01, 4, 0.1 + 0.2])
    page.append(["Cid", 36301234569, 126.99999999999999, 5, 0.7 * 0.1])
    for row in range(2, 5):
        page.cell(row, 3).number_format = '#,##0.00" Ft"'
        page.cell(row, 5).number_format = "0%"


def phones_as_numbers(_: Any, page: Any) -> None:
    """Phones in cells of numbers."""
    rows(
        page,
        [
            ("Name", "Phone"),
            ("Ann", 301234567),
            ("Bob", 36301234568),
            ("Cid", 3.63e10),
            ("Dan", 201234570),
            ("Eve", 0.5),
        ],
    )


def phones_as_times(book: Any, page: Any) -> None:
    """A phone in a column that shows hours and minutes."""
    rows(page, [HEADER, ("Ann", "Vác", "")])
    page.write_number(1, 2, 36301234567, book.add_format({"num_format": "[h]:mm"}))


def zeros_in_front(book: Any, page: Any) -> None:
    """Numbers whose formats show zeros at their front, as post codes and phones have them."""
    page.write_row(0, 0, ["Name", "Zip", "Phone", "Code"])
    formats = [book.add_format({"num_format": code}) for code in ("00000", '"0"0', "0##\\ ####")]
    people = [("Ann", 1067, 301234567, 12), ("Bob", 99084, 301234568, 1234567), ("Cid", 0, 0, 0.5)]
    for row, (name, *numbers) in enumerate(people, 1):
        page.write_string(row, 0, name)
        for column, (number, how) in enumerate(zip(numbers, formats, strict=True), 1):
            page.write_number(row, column, number, how)


def struck_out(book: Any, page: Any) -> None:
    """Three people; the second is struck out, and so are blank cells below the list."""
    struck = book.add_format({"font_strikeout": True})
    people = [("Name", "Phone"), ("Ann", "+36301234567"), ("Bob", "+36301234568")]
    for row, cells in enumerate([*people, ("Cid", "+36301234569")]):
        page.write_row(row, 0, cells, struck if row == 2 else None)
    page.write_blank(4, 0, None, struck)
