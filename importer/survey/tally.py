"""Distinct texts counted, with the rows in which they first stand, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from importer.textbytes import distinct

Rows = npt.NDArray[np.int64]

FIRST_ROWS = 3
"""Rows that are named for each text."""
MOST_TEXTS = 10_000
MOST_CHARACTERS = 4_000_000
"""What is remembered of one column: texts, and characters in all of them together."""


@dataclass(slots=True)
class Count:
    """In how many rows a text stands, and the first of them."""

    count: int = 0
    rows: tuple[int, ...] = ()

    def add(self, count: int, rows: tuple[int, ...]) -> None:
        """Count more rows, none of them in an earlier batch than those before."""
        self.count += count
        if len(self.rows) < FIRST_ROWS or rows[0] < self.rows[-1]:
            self.rows = tuple(sorted({*self.rows, *rows})[:FIRST_ROWS])


class Tally:
    """Counts the texts of one column that are wanted; `beyond` says that there were too many."""

    def __init__(self, wanted: Callable[[str], bool], divide: str | None = None) -> None:
        self._wanted = wanted
        self._divide = divide
        self._characters = 0
        self.counts: dict[str, Count] = {}
        self.beyond = False

    def add(self, rows: Rows, texts: Any) -> None:
        """Count the texts of some rows, an Arrow array as long as these; blank ones are none."""
        found = Distinct(rows, texts)
        for number, text in enumerate(found.texts):
            for piece in self._pieces(text):
                if self._wanted(piece) and self._has_room(piece):
                    count = int(found.counts[number])
                    self.counts.setdefault(piece, Count()).add(count, found.first(number))

    def by_count(self) -> list[tuple[str, Count]]:
        """The texts, those in most rows first."""
        return sorted(self.counts.items(), key=lambda item: (-item[1].count, item[1].rows))

    def _pieces(self, text: str) -> list[str]:
        if self._divide is None or self._divide not in text:
            text = text.strip() if self._divide is not None else text
            return [text] if text.strip() else []
        pieces = (piece.strip() for piece in text.split(self._divide))
        return list(dict.fromkeys(piece for piece in pieces if piece))

    def _has_room(self, text: str) -> bool:
        if text in self.counts:
            return True
        if len(self.counts) >= MOST_TEXTS or self._characters + len(text) > MOST_CHARACTERS:
            self.beyond = True
            return False
        self._characters += len(text)
        return True


class Distinct:
    """The distinct texts of some rows; `counts` says in how many rows each stands."""

    def __init__(self, rows: Rows, texts: Any) -> None:
        self._rows = rows
        self._codes, self.texts = distinct(texts)
        self.counts = np.bincount(self._codes, minlength=len(self.texts))
        self._ends = np.cumsum(self.counts)

    def first(self, number: int) -> tuple[int, ...]:
        """The first rows of the text with this number."""
        start = self._ends[number] - self.counts[number]
        places = self._order[start : min(self._ends[number], start + FIRST_ROWS)]
        return tuple(self._rows[places].tolist())

    @cached_property
    def _order(self) -> npt.NDArray[np.intp]:
        """The rows' places, grouped by text; sorted only where a text is asked about."""
        return np.argsort(self._codes, kind="stable")
