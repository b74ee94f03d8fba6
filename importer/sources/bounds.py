"""Whether a sheet is within the limits, before a library makes room for its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.sources.grid import (
    LONGEST_CELL,
    MOST_CELLS,
    MOST_COLUMNS,
    MOST_MERGES,
    MOST_ROWS,
    TEXT_LIMIT,
    Scan,
)

if TYPE_CHECKING:
    from importer.sources.inputfile import InputFile

AREA_FREE = 4_000_000
SPARSEST = 8
"""Beyond `AREA_FREE` cells, one in `SPARSEST` between the outermost ones must be there."""

_DIVIDE = "Divide the list into several files, or save the sheet as CSV."


def check_bounds(scan: Scan, file: InputFile, *, whole: bool = False) -> None:
    """Raise SourceError for a sheet over a limit; `whole` says that all of it has been seen."""
    if scan.columns > MOST_COLUMNS:
        raise too_many_columns(str(file), scan.columns)
    if scan.rows > MOST_ROWS:
        raise SourceError(
            f"{file}: this file is damaged (it has a row {scan.rows:,}, but a sheet ends at"
            f" {MOST_ROWS:,}).",
            "Open it in a spreadsheet program and save it anew, or save the sheet as CSV.",
        )
    if scan.cells > MOST_CELLS:
        raise SourceError(f"{file}: the sheet has more than {MOST_CELLS:,} cells.", _DIVIDE)
    if scan.text > TEXT_LIMIT:
        raise too_much_text(file)
    if scan.merges.too_many:
        raise SourceError(
            f"{file}: the sheet has more than {MOST_MERGES:,} merged cells.",
            "Unmerge the cells of the sheet and save it again, or save it as CSV.",
        )
    area = scan.rows * scan.columns
    if whole and area > AREA_FREE and area > SPARSEST * scan.cells:
        raise SourceError(
            f"{file}: the sheet has {scan.cells:,} cells scattered over {scan.rows:,} rows"
            f" and {scan.columns:,} columns.",
            "Delete what stands far from the list (Ctrl+End goes there), and save it again.",
        )


def too_many_columns(place: str, columns: int) -> SourceError:
    """The error for a list that is too wide."""
    return SourceError(
        f"{place}: there are {columns:,} columns; {MOST_COLUMNS:,} are read.",
        "Delete the columns that are not needed, formats too, and save it again.",
    )


def too_much_text(place: InputFile | str) -> SourceError:
    """The error for texts that are long, or short but in very many cells."""
    return SourceError(
        f"{place}: the cells hold more than {TEXT_LIMIT // 2**20} MiB of text in all.",
        f"{_DIVIDE} If the list is not that large, the file was made to do harm.",
    )


def too_long_cell(place: str, cell: str | None = None) -> SourceError:
    """The error for a cell beyond `LONGEST_CELL`, which no spreadsheet program can hold.

    `place` names the file, and the sheet where it is known; `cell` is a reference such as ``B7``.
    """
    return SourceError(
        f"{place}: {f'cell {cell}' if cell else 'a cell'} is longer than {LONGEST_CELL:,}"
        " characters.",
        "Shorten it or delete its column; a spreadsheet program holds 32,767 in a cell.",
    )
