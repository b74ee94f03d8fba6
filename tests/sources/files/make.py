"""Make kinds.xlsx and calendar1904.xlsx, which LibreOffice turns into .xls and .ods."""

import datetime as dt

import xlsxwriter

CELLS = (
    ("text", "06301234567", None),
    ("number", 3630123456, None),
    ("fraction", 0.1, None),
    ("percent", 0.25, "0%"),
    ("date", dt.date(2024, 2, 29), "yyyy-mm-dd"),
    ("moment", dt.datetime.fromisoformat("2024-02-29 13:05:09"), "yyyy-mm-dd hh:mm:ss"),
    ("time", dt.time(4, 5, 6), "hh:mm:ss"),
    ("length", 1.5, "[h]:mm:ss"),
    ("accents", "Győző Žižek", None),
)

with xlsxwriter.Workbook("kinds.xlsx") as book:
    page = book.add_worksheet("Leads")
    page.write_row(0, 0, ["Kind", "Value"])
    for row, (kind, value, shape) in enumerate(CELLS, 1):
        style = book.add_format({"num_format": shape}) if shape else None
        page.write(row, 0, kind)
        if isinstance(value, str):
            page.write_string(row, 1, value)
        elif isinstance(value, dt.date | dt.time):
            page.write_datetime(row, 1, value, style)
        else:
            page.write_number(row, 1, value, style)
    row = len(CELLS) + 1
    page.write_column(row, 0, ["true", "missing", "divided", "formula", "hidden row"])
    page.write_boolean(row, 1, True)
    page.write_formula(row + 1, 1, "=NA()", None, "#N/A")
    page.write_formula(row + 2, 1, "=1/0", None, "#DIV/0!")
    page.write_formula(row + 3, 1, "=3*7", None, 21)
    page.write_string(row + 4, 1, "x")
    page.set_row(row + 4, None, None, {"hidden": True})
    page.write_column(row + 5, 0, ["rich", "lines"])
    page.write_rich_string(row + 5, 1, "a ", book.add_format({"bold": True}), "bold", " word")
    page.write_string(row + 6, 1, "one\ntwo")
    page.write_comment(1, 1, "a comment is no text")
    page.set_column(2, 2, None, None, {"hidden": True})
    page.write_column(0, 2, ["Note", "seen"])
    page.merge_range(0, 3, 0, 4, "Phones")
    page.write_row(1, 3, ["1", "2"])
    page = book.add_worksheet("Secret")
    page.write(0, 0, "x")
    page.hide()

with xlsxwriter.Workbook("calendar1904.xlsx", {"date_1904": True}) as book:
    page = book.add_worksheet("Days")
    page.write(0, 0, "Day")
    page.write_datetime(1, 0, dt.date(2024, 12, 24), book.add_format({"num_format": "yyyy-mm-dd"}))
