"""The last sheet of the .xlsx report: the verdict, and what the marks mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from importer.model import Checkup, Severity
from importer.reports.textbook import RED, YELLOW, TextBook
from importer.reports.verdict import (
    columns,
    describe,
    kinds,
    phones_read,
    place,
    readiness,
    remedies,
    supplier_message,
    verdict,
    visible,
)

_HOW = (
    "Red cells keep their row from being imported; yellow ones are worth a look. The comment of a "
    "cell says what is wrong and how to mend it, and so does the last column, _problems. Mend the "
    "cells in the first sheet, save, and send the file back: it can be imported as it is."
)
_WIDTHS = (34, 14, 60, 60)
_WIDEST_NAME = 80
_WIDEST_LIST = 500
"""Columns listed with their fill rate."""


_COUNT = "#,##0"
_SHARE = "0.0 %"

_Cell = str | int | float
"""A text, a number of things, or a share of all."""


def write_summary(book: TextBook, checkup: Checkup, left_out: Sequence[str]) -> None:
    """Append the sheet."""
    sheet = book.add_sheet("Summary")
    styles: dict[str, dict[str, object]] = {
        "title": {"bold": True, "font_size": 14},
        "line": {},
        "head": {"bold": True},
        "error": {"bg_color": RED, "text_wrap": True},
        "warning": {"bg_color": YELLOW, "text_wrap": True},
        "plain": {"text_wrap": True},
    }
    texts = {name: book.style(**style) for name, style in styles.items()}
    right = {"align": "right", "indent": 1}  # apart from the text in the next column
    counts = {n: book.style(**each, **right, num_format=_COUNT) for n, each in styles.items()}
    shares = {n: book.style(**each, **right, num_format=_SHARE) for n, each in styles.items()}
    over_figures = book.style(**styles["head"], **right)
    for column, width in enumerate(_widths(checkup)):
        sheet.set_width(column, width)
    for row, (name, cells) in enumerate(_rows(checkup, left_out)):
        for column, cell in enumerate(cells):
            match cell:
                case str() if name == "head" and column == 1:
                    sheet.write(row, column, cell, over_figures)
                case str():
                    sheet.write(row, column, cell, texts[name])
                case int():
                    sheet.write_number(row, column, cell, counts[name])
                case float():
                    sheet.write_number(row, column, cell, shares[name])


def _widths(checkup: Checkup) -> list[int]:
    """The first column is as wide as the longest word of a header: none is broken in it."""
    names = (name for _, name, _ in columns(checkup)[:_WIDEST_LIST])
    longest = max((len(word) for name in names for word in name.split()), default=0)
    first, *others = _WIDTHS
    return [min(max(first, longest + 2), _WIDEST_NAME), *others]


def _rows(checkup: Checkup, left_out: Sequence[str]) -> Iterator[tuple[str, list[_Cell]]]:
    """The sheet's rows, each with the name of its style."""
    info, survey = checkup.info, checkup.survey
    found = verdict(checkup)
    yield "title", [found.headline]
    yield "line", [visible(info.path)]
    yield "line", [describe(info)]
    for line in checkup.refused:
        yield "head", [visible(line)]
    yield "line", []
    yield "line", [_HOW]
    for text in left_out:
        yield "head", [text]
    yield "line", []
    yield "head", ["Rows", survey.rows]
    yield "plain", ["Ready", survey.ready]
    yield "plain", ["Invalid: to be mended", survey.invalid]
    yield "plain", ["Skipped by a rule", survey.skipped]
    for name, figure in readiness(survey):
        number, _, rest = figure.partition(" ")
        yield "line", [name, int(number.replace(",", "")), rest]
    if read := phones_read(checkup, for_supplier=True):
        yield "line", []
        yield "head", ["How phones were read"]
        for line in read:
            yield "line", [line]
    yield "line", []
    if survey.problem_counts:
        yield "head", ["Kind of problem", "Count", "Example", "What to do"]
    for kind in kinds(survey):
        first = kind.examples[0] if kind.examples else None
        example = f"{place(first)}: {visible(supplier_message(first))}" if first else ""
        remedy = " ".join(map(visible, remedies(kind)[:2]))
        style = "error" if kind.severity is Severity.ERROR else "warning"
        yield style, [f"{kind.title} ({kind.code})", kind.count, example, remedy]
    yield "line", []
    yield "head", ["Column", "Filled", "Used by the mapping"]
    for fill, name, used in columns(checkup)[:_WIDEST_LIST]:
        share = fill.filled / survey.rows if survey.rows else "–"
        yield "plain", [name, share, "yes" if used else "no"]
