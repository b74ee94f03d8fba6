"""Workbooks in which every cell is text, so that no spreadsheet program spoils a phone number.

They are written row by row: finished rows wait in a file, not in memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from importer.files import WorkingFolder

SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384
CELL_LENGTH = 32_767
"""The limits of a sheet in the xlsx format."""
NAME_LENGTH = 31

RED = "#F8CBC6"
YELLOW = "#FFF0B8"
GREY = "#E7E9ED"

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class TextWorkbook:
    """A workbook that is being written to `path`; it ends with `save` or `discard`.

    Raises OSError where its files cannot be written.
    """

    def __init__(self, path: Path) -> None:
        import xlsxwriter

        self._folder = WorkingFolder()
        self._book: Any = xlsxwriter.Workbook(
            str(path), {"constant_memory": True, "tmpdir": self._folder.name, "use_zip64": True}
        )
        self._names: set[str] = set()
        self._open = True

    def add_sheet(self, name: str) -> TextSheet:
        """Append a sheet, named `name` as nearly as the format allows."""
        name = self._free_name(sheet_name(name))
        self._names.add(name.casefold())
        return TextSheet(self._book.add_worksheet(name), name, self.style())

    def style(self, **properties: object) -> Any:
        """A style for text cells, with XlsxWriter's format properties."""
        return self._book.add_format({"num_format": "@", "valign": "top", **properties})

    def save(self) -> None:
        """Write the file itself."""
        import xlsxwriter.exceptions

        try:
            self._book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            raise error.args[0] from error
        self._open = False
        self._folder.cleanup()

    def discard(self) -> None:
        """Remove the rows that wait, unless the workbook was saved."""
        if self._open:
            import xlsxwriter.exceptions

            # Closing is the one public way to let go of the files with the rows.
            with suppress(OSError, xlsxwriter.exceptions.XlsxWriterException):
                self._book.close()
            self._open = False
            self._folder.cleanup()

    def _free_name(self, name: str) -> str:
        free, number = name, 2
        while free.casefold() in self._names:
            free, number = f"{name[: NAME_LENGTH - 5]} {number}", number + 1
        return free


class TextSheet:
    """A sheet of text cells; rows and columns count from 0, and rows come in order.

    `cut` counts the cells that were longer than the format allows.
    """

    def __init__(self, sheet: Any, name: str, plain: Any) -> None:
        self.sheet = sheet
        self.name = name
        self.cut = 0
        self._plain = plain

    def write(self, row: int, column: int, text: str, style: Any = None) -> None:
        """Write a cell; one without a `style` has that of its column, see :meth:`set_width`."""
        if text:
            self.cut += len(text) > CELL_LENGTH
            self.sheet.write_string(row, column, _cell(text), style)
        elif style is not None:
            self.sheet.write_blank(row, column, None, style)

    def write_number(self, row: int, column: int, number: float, style: Any) -> None:
        """Write a figure, to be reckoned with; its `style` says how it is shown."""
        self.sheet.write_number(row, column, number, style)

    def write_row(self, row: int, texts: Sequence[str], style: Any = None) -> None:
        """Write the cells of a row, from its first."""
        for column, text in enumerate(texts):
            self.write(row, column, text, style)

    def set_width(self, column: int, width: int, style: Any = None) -> None:
        """Give a column its width in characters; its blank cells are text, too."""
        # Someone may fill in the missing phone.
        self.sheet.set_column(column, column, width, style or self._plain)


def sheet_name(text: str) -> str:
    """The text as a sheet may be named: 31 characters at most, and without some signs."""
    name = _NOT_IN_NAMES.sub("_", text).strip()
    while len(name.encode("utf-16-le")) > 2 * NAME_LENGTH:
        name = name[:-1]
    # Excel keeps the name History for itself.
    name = name.strip("'").strip()
    return f"{name}_" if name.casefold() == "history" else name or "Sheet"


def fitting_width(texts: Sequence[str]) -> int:
    """A width in which these texts of a column can be read, as far as that is sensible."""
    return min(max((len(text) for text in texts), default=0) + 2, 48) if texts else 10


def _cell(text: str) -> str:
    """What XlsxWriter has to be given so that a reader of the workbook gets this text.

    It escapes control characters itself, but would take what stands between ``<r>`` and ``</r>``
    for the parts of a formatted text, and not escape it at all: so that is made one such part.
    """
    text = _SURROGATE.sub("\ufffd", text[:CELL_LENGTH])
    if text.startswith("<r>") and text.endswith("</r>"):
        return f'<r><t xml:space="preserve">{escape(text, quote=False)}</t></r>'
    return text
