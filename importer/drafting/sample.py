"""What a draft looks at: of every column how full it is, and a bounded sample of its texts.

How full columns are, and which are filled where others are blank, is counted over the whole
sheet; texts are taken from the first batch and from some rows of each that follows.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from importer.mapping.cells import Cells
from importer.mapping.program import Headers
from importer.model import Batch
from importer.textbytes import held

MOST_COLUMNS = 1000
"""Columns that are looked at: a mapping of more is none that a person reads."""
_MOST_TEXTS = 1000
_ROWS_OF_A_BATCH = 64
_PAIRED = 256
_LONGEST_HEADER = 300
_MOST_HEADERS = 100_000
"""Characters of headers in all: a mapping file has a size limit, and headers stand in it twice."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: of `rows` rows `filled` hold something, `errors` of these a spreadsheet error.

    `texts` counts the distinct texts of the sample, errors and blanks apart. `fault`
    says why a mapping cannot name the column.
    """

    index: int
    header: str
    rows: int
    filled: int
    errors: int
    texts: Mapping[str, int]
    fault: str | None = None

    @property
    def constant(self) -> bool:
        """Whether every row holds the same."""
        return len(self.texts) == 1 and self.filled == self.rows > 1 and not self.errors


@dataclass(frozen=True, slots=True)
class Sample:
    """A sheet as a draft sees it; `columns` are the first thousand, `headers` are all."""

    columns: tuple[Column, ...]
    headers: tuple[str, ...]
    rows: int
    pairs: npt.NDArray[np.int64] = field(repr=False)

    def filled_without(self, column: Column, other: Column) -> int:
        """Rows of the sheet in which `column` is filled and `other` blank; 0 where not counted."""
        if max(column.index, other.index) >= len(self.pairs):
            return 0
        return int(self.pairs[column.index, other.index])


class Sampler:
    """Takes a sheet's batches, one after the other."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = tuple(headers)
        looked = range(min(len(self._headers), MOST_COLUMNS))
        self._texts: list[Counter[str]] = [Counter() for _ in looked]
        self._filled = np.zeros(len(looked), np.int64)
        self._errors = np.zeros(len(looked), np.int64)
        paired = min(len(looked), _PAIRED)
        self._pairs = np.zeros((paired, paired), np.int64)
        self._rows = 0

    def add(self, batch: Batch) -> None:
        """Count a batch, and look at its texts."""
        cells, count = Cells(batch), len(batch)
        step = 1 if self._rows == 0 else max(count // _ROWS_OF_A_BATCH, 1)
        filled = np.zeros((count, len(self._texts)), dtype=bool)
        for i, texts in enumerate(self._texts):
            column, errors = cells.texts(i), cells.errors(i)
            filled[:, i] = held(column)
            self._errors[i] += int(errors.sum())
            taken = column.take(pa.array(np.flatnonzero(~errors)[::step]))
            for text, times in Counter(taken.to_pylist()).items():
                if text and (text in texts or len(texts) < _MOST_TEXTS):
                    texts[text] += times
        self._filled += filled.sum(axis=0)
        paired = filled[:, : len(self._pairs)].astype(np.float32)
        self._pairs += (paired.T @ (1 - paired)).astype(np.int64)
        self._rows += count

    def finish(self) -> Sample:
        """What was seen."""
        names, faults = Headers(self._headers), self._faults()
        columns = tuple(
            Column(
                i,
                names.names[i],
                self._rows,
                int(self._filled[i]),
                int(self._errors[i]),
                texts,
                faults[i],
            )
            for i, texts in enumerate(self._texts)
        )
        return Sample(columns, self._headers, self._rows, self._pairs)

    def _faults(self) -> list[str | None]:
        """Why each column cannot be named in a mapping, None where it can."""
        names, length = Headers(self._headers), 0
        faults: list[str | None] = []
        for i in range(len(self._texts)):
            header = self._headers[i]
            fault = None
            if not header:
                fault = "it has no header"
            elif self._headers.count(header) > 1:
                fault = "its header stands twice: rename one"
            elif header.startswith("_"):
                fault = "a header that begins with _ is ignored"
            elif len(header) > _LONGEST_HEADER or length + len(header) > _MOST_HEADERS:
                fault = f"its header has {len(header):,} characters: shorten it"
            elif names.find(unicodedata.normalize("NFC", header)) != i:
                fault = "its header has characters that a mapping cannot name: write it anew"
            faults.append(fault)
            length += 0 if fault else len(header)
        return faults
