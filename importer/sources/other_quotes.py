"""Cells of text files in quotes that CSV does not know: 'Ann', “Ann”, „Ann“, «Ann», ‘Ann’, `Ann`.

Only where every header is in the same quotes are these taken for such, and taken off each cell that
is in them. A delimiter within such quotes divides its cell all the same: the row is then too wide,
which is an error of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pyarrow.compute as pc

from importer.model import BLANKS, Problem
from importer.sources.source import file_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.model import Batch

_FEWEST = 2


class Quotes(NamedTuple):
    """What opens a cell, and what closes it."""

    opening: str
    closing: str

    def within(self, text: str) -> str:
        """A text without these around it, as it is where they are not."""
        bare = text.strip(BLANKS)
        if len(bare) < 2 or not (bare.startswith(self.opening) and bare.endswith(self.closing)):
            return text
        return bare[1:-1].replace("''", "'").strip(BLANKS)

    def warning(self) -> Problem:
        """What is told of a list whose cells are in these."""
        return file_warning(
            "other_quotes",
            f"the cells are in {self.opening}…{self.closing}, and were read without these",
            'Compare a few rows with the list. Only "…" hold a cell together in CSV files.',
        )


_KINDS = tuple(map(Quotes, "'“„”«»‘‚`´", "'”“”»«’‘`´"))


def quotes_around(headers: Sequence[str]) -> Quotes | None:
    """The quotes that all headers are in; None where there are no such."""
    names = [*filter(None, headers)]
    for quotes in _KINDS:
        if len(names) >= _FEWEST and all(quotes.within(name) != name for name in names):
            return quotes
    return None


def without_quotes(batches: Iterator[Batch], quotes: Quotes) -> Iterator[Batch]:
    """The batches, with each cell that is in these quotes without them."""
    pattern = rf"(?s)^\s*{quotes.opening}(.*){quotes.closing}\s*$"
    for batch in batches:
        columns = dict(batch.columns)
        for label, array in columns.items():
            bare = pc.replace_substring_regex(array, pattern, r"\1")
            if quotes.opening == "'":
                doubled = pc.replace_substring(bare, "''", "'")
                bare = pc.if_else(pc.equal(bare, array), array, doubled)
            columns[label] = bare
        yield replace(batch, columns=columns)
