"""Headers that stand again within a list: of its printed pages, or of lists put together.

A row all of whose cells are names of columns, at least two, is no lead. Where they stand under
other columns than their own, the rows below it have another order, too: read by the first header,
a town would be a name. They are errors until a row has the headers in their own order again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import BLANKS, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.model import Batch

_FEWEST = 2


def with_repeated_headers(batches: Iterator[Batch], headers: Sequence[str]) -> Iterator[Batch]:
    """The batches, with an error for each row that repeats the headers, or lies below others."""
    names = [*filter(None, headers)]
    if len(names) < _FEWEST or len(set(names)) < len(names):
        yield from batches
        return
    known = pa.array(names, pa.large_string())
    moved_at = 0
    for batch in batches:
        found, moved_at = _problems(batch, headers, known, moved_at)
        yield replace(batch, problems=(*batch.problems, *found)) if found else batch


def _problems(
    batch: Batch, headers: Sequence[str], known: pa.Array, moved_at: int
) -> tuple[list[Problem], int]:
    """Errors of a batch, and the row from which on the columns have another order; 0 for none."""
    first = next(label for label, header in enumerate(headers) if header)
    is_name = pc.is_in(pc.utf8_trim(batch.columns[first], BLANKS), known)
    # A name of a column may be a value, too: the whole row decides.
    named: list[int] = np.flatnonzero(is_name).tolist()
    at_names = [place for place in named if _is_header(batch, place, headers)]
    found: list[Problem] = []
    begin = 0
    for place in [*at_names, len(batch)]:
        if moved_at:
            found += (_below(int(row), moved_at) for row in batch.rows[begin:place])
        begin = place + 1
        if place < len(batch):
            row = int(batch.rows[place])
            in_order = all(text in {"", headers[at]} for at, text in _texts(batch, place))
            found.append(_repeated(row, in_order=in_order))
            moved_at = 0 if in_order else row
    return found, moved_at


def _texts(batch: Batch, place: int) -> list[tuple[int, str]]:
    return [(at, array[place].as_py().strip(BLANKS)) for at, array in batch.columns.items()]


def _is_header(batch: Batch, place: int, headers: Sequence[str]) -> bool:
    filled = [text for _, text in _texts(batch, place) if text]
    return len(filled) >= _FEWEST and len(set(filled)) == len(filled) and set(filled) <= {*headers}


def _repeated(row: int, *, in_order: bool) -> Problem:
    if in_order:
        why, hint = "the row repeats the headers, and is no lead", "Delete the row."
    else:
        why = "the headers stand here again, in another order"
        hint = "Divide the list here, and import each part by itself."
    return Problem(row, None, None, "repeated_header", why, hint=hint)


def _below(row: int, header: int) -> Problem:
    return Problem(
        row,
        None,
        None,
        "repeated_header",
        f"the columns have another order here: that of row {header}",
        hint=f"Divide the list at row {header}, and import each part by itself.",
    )
