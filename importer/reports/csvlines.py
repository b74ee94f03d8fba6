"""Lines of CSV as all our files have them: commas, line feeds, quotes where they are needed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NEEDS_QUOTES = re.compile('[",\r\n]')


def csv_line(cells: Iterable[str]) -> str:
    """The cells as one line, with its line feed."""
    # Not the csv module: before Python 3.13 it leaves a lone carriage return without quotes.
    return (
        ",".join([_quoted(cell) if _NEEDS_QUOTES.search(cell) else cell for cell in cells]) + "\n"
    )


def harmless(text: str) -> str:
    """The text with an apostrophe before a sign that a spreadsheet program takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def open_csv(path: Path) -> TextIO:
    """Open a file to write lines to: UTF-8 without a byte-order mark, whatever a cell holds."""
    return path.open("w", encoding="utf-8", errors="backslashreplace", newline="")


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'
