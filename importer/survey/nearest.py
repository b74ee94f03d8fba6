"""The nearest of many known names to one that is not known: for hints, quickly.

A name that is the same but for case, accents or white space is found in a table. Otherwise an index
of trigrams gives the names that share rare ones, and a bounded number of these are compared letter
by letter: the cost of one search does not grow with the number of names.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

_MOST_SHARING = 1_000
"""Names that are looked at in one search because they share a trigram."""
_MOST_COMPARED = 12
_LONGEST = 100
"""Letters of a name that are compared."""
_LIKENESS = 0.75
"""Of SequenceMatcher's ratio: Wein and Wien have as much, country and account, 0.71, too little."""


@dataclass(frozen=True, slots=True)
class Near:
    """A known name; `same` says that only case, accents or white space differ."""

    name: str
    same: bool


class Nearest:
    """An index of known names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_fold: dict[str, str] = {}
        for name in names:
            self._by_fold.setdefault(fold(name), name)
        self._folds = list(self._by_fold)
        self._sharing: dict[str, list[int]] = {}
        for number, folded in enumerate(self._folds):
            for trigram in _trigrams(folded):
                self._sharing.setdefault(trigram, []).append(number)

    def same(self, name: str) -> Near | None:
        """The known name that differs only in what people overlook."""
        known = self._by_fold.get(fold(name))
        return None if known is None else Near(known, same=True)

    def find(self, name: str) -> Near | None:
        """The nearest known name, or None where nothing is near."""
        if (same := self.same(name)) is not None:
            return same
        folded = fold(name)
        shared: Counter[int] = Counter()
        looked = 0
        for numbers in sorted((self._sharing.get(g, []) for g in _trigrams(folded)), key=len):
            if looked and looked + len(numbers) > _MOST_SHARING:
                break
            looked += len(numbers)
            shared.update(numbers[:_MOST_SHARING])
        best, likeness = None, _LIKENESS
        matcher = SequenceMatcher(None, b=folded[:_LONGEST], autojunk=False)
        for number, _ in shared.most_common(_MOST_COMPARED):
            matcher.set_seq1(self._folds[number][:_LONGEST])
            if matcher.real_quick_ratio() >= likeness and (ratio := matcher.ratio()) >= likeness:
                best, likeness = number, ratio
        return None if best is None else Near(self._by_fold[self._folds[best]], same=False)


def fold(text: str) -> str:
    """Text without what people overlook: case, accents, and how much white space there is."""
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text)
        text = "".join(part for part in parts if not unicodedata.combining(part))
    return " ".join(text.casefold().split())


def _trigrams(folded: str) -> set[str]:
    """All trigrams, those at the ends with blanks; a word with transposed letters shares some."""
    padded = f"  {folded[:_LONGEST]} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}
