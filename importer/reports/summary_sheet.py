"""The last sheet of the .xlsx report: the verdict, and what the marks mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from importer.model import Checkup, Severity
from importer.reports.verdict import (
    columns,
    describe,
    kinds,
    percent,
    place,
    readiness,
    remedies,
    verdict,
    visible,
)
from importer.textbook import RED, YELLOW, TextBook

_HOW = (
    "Red cells keep their row from being imported; yellow ones are worth a look. The comment of a "
    "cell says what is wrong and how to mend it, and so does the last column, _problems. Mend the "
    "cells in the first sheet, save, and send the file back: it can be imported as it is."
)
_WIDTHS = (34, 14, 60, 60)
_WIDEST_LIST = 500
"""Columns listed with their fill rate."""


def write_summary(book: TextBook, checkup: Checkup, left_out: Sequence[str]) -> None:
    """Append the sheet."""
    sheet = book.add_sheet("Summary")
    bold = book.style(bold=True)
    styles = {
        "title": book.style(bold=True, font_size=14),
        "head": bold,
        "error": book.style(bg_color=RED, text_wrap=True),
        "warning": book.style(bg_color=YELLOW, text_wrap=True),
        "": book.style(text_wrap=True),
    }
    for column, width in enumerate(_WIDTHS):
        sheet.set_width(column, width)
    for row, (name, texts) in enumerate(_rows(checkup, left_out)):
        sheet.write_row(row, texts, styles.get(name))


def _rows(checkup: Checkup, left_out: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The sheet's rows, each with the name of its style."""
    info, survey = checkup.info, checkup.survey
    found = verdict(checkup)
    yield "title", [found.headline]
    yield "plain", [visible(info.path)]
    yield "plain", [describe(info)]
    for line in checkup.refused:
        yield "head", [visible(line)]
    yield "plain", []
    yield "plain", [_HOW]
    for text in left_out:
        yield "head", [text]
    yield "plain", []
    yield "head", ["Rows", f"{survey.rows:,}"]
    yield "plain", ["Ready", f"{survey.ready:,}"]
    yield "plain", ["Invalid: to be mended", f"{survey.invalid:,}"]
    yield "plain", ["Skipped by a rule", f"{survey.skipped:,}"]
    for name, figure in readiness(survey):
        yield "plain", [name, figure]
    yield "plain", []
    if survey.problem_counts:
        yield "head", ["Kind of problem", "Count", "Example", "What to do"]
    for kind in kinds(survey):
        first = kind.examples[0] if kind.examples else None
        example = f"{place(first)}: {visible(first.message)}" if first else ""
        remedy = " ".join(map(visible, remedies(kind)[:2]))
        style = "error" if kind.severity is Severity.ERROR else "warning"
        yield style, [f"{kind.title} ({kind.code})", f"{kind.count:,}", example, remedy]
    yield "plain", []
    yield "head", ["Column", "Filled", "Used by the mapping"]
    for fill, name, used in columns(checkup)[:_WIDEST_LIST]:
        yield "plain", [name, percent(fill.filled, survey.rows), "yes" if used else "no"]
