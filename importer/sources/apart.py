"""Cells and shared strings that are not plain, read by the workbook library apart from their sheet.

They are put into a small workbook with the formats and properties of the whole one, so that the
library reads them as it would in their place: dates by their formats, texts by its own rules. In
each row a number stands before the cell; what comes back without it was not read as it should be.
"""

from __future__ import annotations

import io
import re
import zipfile
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import python_calamine as calamine

from importer.sources.celltext import cell_texts
from importer.sources.package import STRINGS
from importer.sources.sheet import special_text, with_known_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from importer.sources.package import Package, Sheet

Answer = TypeVar("Answer")

_FIXED_LIMIT = 2 * 2**20
"""Bytes of formats and properties, which each small workbook has."""
_MOST_BLANKS = 64
_FEW_STYLES = 64
_MOST_WAITING, _MOST_BYTES = 16_384, 16 * 2**20
"""Odd cells that are asked for together."""
_STRUCTURE = re.compile(rb"</?(?:[\w.-]+:)?(?:c|row|sheetData)(?=[\s/>])")
"""Tags of cells and of what they are in."""
_ODD_ERROR = re.compile(rb"<is[\s/>]|<v(?:\s[^<>]*)?>\s+</v")
"""In an error cell: what the library reads in another way, or refuses."""
_UNDATED = re.compile(rb"<v>(?:-|0[.<]|60[.<]|[0-9]{7}|[0-9.]+[eE])")
"""In a number's cell: what may be no day of a calendar."""
_TYPED = re.compile(rb" t=\"(?!n\")")
_STYLE = re.compile(rb" s=\"([0-9]{1,5})\"")
_SHEET_END = b"</sheetData></worksheet>"


class NotPlain(Exception):  # noqa: N818 -- a signal to the caller, who has another way
    """The workbook is to be read by the library as a whole."""


class Apart:
    """Asks the library; raises NotPlain for whatever it refuses or reads in an unexpected way.

    `head` is the sheet's XML up to its first row.
    """

    def __init__(self, package: Package, sheet: Sheet, head: bytes) -> None:
        self._part = sheet.part
        self._name = sheet.name
        self._head = head
        fixed = package.fixed_parts(_FIXED_LIMIT)
        if fixed is None:
            raise NotPlain
        self._fixed = fixed
        self._blanks: dict[bytes, bool] = {}
        self._numbers: list[bool] = []

    def is_number(self, style: int) -> bool:
        """Whether a number in a cell of this format is no date or length of time."""
        known = len(self._numbers)
        if style >= known:
            # Opening a workbook takes longer than reading its cells.
            styles = range(known, max(_FEW_STYLES, 2 * style))
            values = self._values([b' s="%d"><v>1.5</v></c>' % style for style in styles])
            self._numbers += [type(value) is float and value == 1.5 for value in values]
        return self._numbers[style]

    def texts(self, cells: Sequence[bytes]) -> list[str]:
        """The texts of cells, given as they stand after the reference."""
        return _readable(self._values(cells))

    def strings(self, strings: Sequence[bytes]) -> list[str]:
        """The texts of shared strings, given as their elements."""
        both = [part for number, text in enumerate(strings) for part in (text, _known(number))]
        table = b"<sst>" + b"".join(both) + b"</sst>"
        rows = self._read([_shared(number) for number in range(len(both))], table)
        texts = _readable(rows)
        if texts[1::2] != [str(number) for number in range(len(strings))]:
            raise NotPlain
        return texts[::2]

    def check_tail(self, tail: bytes) -> None:
        """See whether the library takes a sheet that ends like this."""
        _asked(lambda: self._open(_rows(()), None, tail))

    def is_none(self, cell: bytes) -> bool:
        """Whether the library does not count a blank cell among those of the sheet."""
        if cell not in self._blanks:
            if len(self._blanks) == _MOST_BLANKS:
                raise NotPlain
            sheet = _asked(lambda: self._open(_rows((cell,)), None))
            self._blanks[cell] = sheet.end == (1, 0)
        return self._blanks[cell]

    def _values(self, cells: Sequence[bytes]) -> list[Any]:
        return self._read(cells, None)

    def _read(self, cells: Sequence[bytes], strings: bytes | None) -> list[Any]:
        """The values of cells, which must be as many as were given."""
        rows = _asked(lambda: self._open(_rows(cells), strings).to_python())
        if [row[0] for row in rows] != list(range(len(cells) + 1)):
            raise NotPlain
        return [row[1] if len(row) > 1 else "" for row in rows[:-1]]

    def _open(
        self, rows: bytes, strings: bytes | None, tail: bytes = _SHEET_END
    ) -> calamine.CalamineSheet:
        with io.BytesIO() as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, content in self._fixed.items():
                    archive.writestr(name, content)
                if strings is not None:
                    archive.writestr(STRINGS, strings)
                archive.writestr(self._part, b"".join((self._head, rows, tail)))
            file.seek(0)
            return calamine.CalamineWorkbook.from_filelike(file).get_sheet_by_name(self._name)


class OddCells:
    """Odd cells on their way to the library: alike ones are asked for once, and many together."""

    def __init__(self, apart: Apart) -> None:
        self.apart = apart
        self._waiting: dict[bytes, int] = {}
        self._answered: list[Any] = []
        self._asked = self._bytes = 0
        self.size = 0
        """Bytes of the different ones that were taken in."""

    @property
    def count(self) -> int:
        """How many different ones there were."""
        return self._asked + len(self._waiting)

    def add(self, cells: Sequence[bytes]) -> npt.NDArray[np.int64]:
        """Take in cells, given as they stand after the reference; the numbers of their texts."""
        waiting, count = self._waiting, self._asked
        known = len(waiting)
        numbers = np.fromiter(
            (waiting.setdefault(cell, count + len(waiting)) for cell in cells), np.int64, len(cells)
        )
        size = sum(map(len, islice(waiting, known, None)))
        self.size += size
        self._bytes += size
        if len(waiting) >= _MOST_WAITING or self._bytes > _MOST_BYTES:
            self._ask()
        return numbers

    def texts(self) -> Any:
        """The texts of all that were taken in, as an Arrow array; null for what is no cell."""
        self._ask()
        return pa.concat_arrays([*self._answered, pa.array([], pa.large_string())])

    def _may_be_no_date(self, cell: bytes) -> bool:
        """Whether a number in a date format needs a closer look."""
        end = cell.index(b">")
        if not _UNDATED.search(cell) or _TYPED.search(cell, 0, end):
            return False
        style = _STYLE.search(cell, 0, end)
        return style is not None and not self.apart.is_number(int(style[1]))

    def _ask(self) -> None:
        cells = list(self._waiting)
        if len(_STRUCTURE.findall(b"".join(cells))) != len(cells):
            raise NotPlain  # more than the end of each
        if any(b'="e"' in cell and _ODD_ERROR.search(cell) for cell in cells):
            raise NotPlain
        if any(map(self._may_be_no_date, cells)):
            raise NotPlain
        if any(b"<f" in cell and b"<is" in cell for cell in cells):
            raise NotPlain  # a formula with a text of its own, which may be blank
        known = [with_known_error(cell) for cell in cells]
        given = self.apart.texts(known)
        texts: list[str | None] = [*given]
        for index, text in enumerate(given):
            # To the library, error cells and formulas without a value are blank.
            if not text.strip() and (special := special_text(cells[index])) is not None:
                texts[index] = special
            elif not text and self.apart.is_none(known[index]):
                texts[index] = None
        self._answered.append(pa.array(texts, pa.large_string()))
        self._asked += len(cells)
        self._waiting.clear()
        self._bytes = 0


def _asked(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except BaseException as error:
        # A panic in the Rust library derives from BaseException, and has no public name.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise NotPlain from None


def _readable(values: Sequence[Any]) -> list[str]:
    """The texts of values; one with a NUL is to be reported, which is done elsewhere."""
    texts = cell_texts(values)
    if any("\0" in text for text in texts):
        raise NotPlain
    return texts


def _rows(cells: Sequence[bytes]) -> bytes:
    """A sheet's rows: a number and a cell in each, and a number at the end."""
    rows = [
        b'<row r="%d"><c r="A%d"><v>%d</v></c><c r="B%d"%b</row>' % (row, row, row - 1, row, cell)
        for row, cell in enumerate(cells, 1)
    ]
    end = len(rows)
    rows.append(b'<row r="%d"><c r="A%d"><v>%d</v></c></row>' % (end + 1, end + 1, end))
    return b"".join(rows)


def _known(number: int) -> bytes:
    return b"<si><t>%d</t></si>" % number


def _shared(number: int) -> bytes:
    return b' t="s"><v>%d</v></c>' % number
