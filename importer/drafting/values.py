"""Columns whose cells hold several values, and columns that hold one of a few."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from importer.drafting.kinds import LOOKED_AT, PERSONAL, Fit, Guess, fit
from importer.drafting.sample import Column
from importer.drafting.words import Meaning, Role, words_of
from importer.drafting.yaml import UNSURE, flow, shown

_MARKS = (";", ",", "|", "\n", " / ", "/")
_NO_LIST = PERSONAL | {Role.CITY, Role.ZIP, Role.COUNTRY, Role.TITLE}
_LONGEST_PIECE = 40
_MOST_PIECES = 60
_FEW = 12
_SHORT = 30
_STRAY = 0.05
_SHORTEST_WORD = 3
"""Letters: shorter ones around a slash are a unit or an abbreviation, as km/h and n/a."""
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_POINTS = re.compile(r"\s*[+-]?\d+\.\d+\s*,\s*[+-]?\d+\.\d+\s*")
_MONTH = (
    r"(?:jan|feb|mar|maj|mai|may|apr|jun|jul|aug|sep|sze|okt|oct|nov|dec|dez|fev|avr|mrz)[a-z]*"
)
_DAY_AND_MONTH = re.compile(rf"\b{_MONTH} \d{{1,2}}\b|\b\d{{1,2}} {_MONTH}\b")


def guess_list(column: Column, meaning: Meaning) -> Guess | None:
    """The marks that divide the values in a column's cells; None where each holds one value.

    A mark divides values where the pieces come again in other cells, far fewer than there are
    different cells, and in no fixed order: what stands first in one cell stands behind in others.
    Where the header tells of a list, that is not asked. What is one thing though it has a mark in
    it (a date, a number, a unit, a path) is never divided.
    """
    if meaning.role in _NO_LIST or not column.texts:
        return None
    told = meaning.role is Role.INTERESTS
    marks = [mark for mark in _MARKS if _divides(mark, column.texts, told=told)]
    if not marks:
        return None
    marked = sum(any(mark in text for mark in marks) for text in column.texts)
    pieces = _pieces(column.texts, marks)
    if not told and (
        marked * 4 < len(column.texts)
        or len(pieces) > min(_MOST_PIECES, len(column.texts) // 2)
        or max(map(len, pieces)) > _LONGEST_PIECE
        or _in_fixed_order(column.texts, marks)
    ):
        return None
    options: dict[str, Any] = {"multiple": True, "split": marks}
    figures = f"{marked:,} of {len(column.texts):,} different cells hold several values"
    why = f"{figures}; {len(pieces):,} values in all"
    return Guess(None, options, (why if told else f"{UNSURE}{why}",))


def _divides(mark: str, texts: Iterable[str], *, told: bool) -> bool:
    having = [text for text in texts if mark in text]
    if mark == "|" and len(having) * 20 < len(list(texts)):
        return False  # a stray one, which a check shall find
    if mark == "/" and not told:
        return False  # units, dates, "and/or", parts of a firm: rarely a list
    if sum(_one_thing(mark, text) for text in having) > _STRAY * len(having):
        return False
    pieces = _pieces(having, [mark])
    again = sum(count > 1 for count in pieces.values())
    return bool(having) and (told or again * 2 > len(pieces)) and len(pieces) > 1


def _one_thing(mark: str, text: str) -> bool:
    """Whether a text that holds a mark is one value with a sign in it.

    A comma between digits is a number's; dates have commas and slashes; slashes stand between
    digits, in units, abbreviations, addresses of the web and paths.
    """
    if mark == ",":
        return bool(_COMMA_IN_NUMBER.search(text) or _POINTS.fullmatch(text) or _has_day(text))
    if "/" in mark:
        pieces = text.split(mark.strip())
        shortest = min(len(piece.strip()) for piece in pieces)
        return shortest < _SHORTEST_WORD or any(map(_without_letters, pieces)) or "://" in text
    return False


def _without_letters(piece: str) -> bool:
    return not any(map(str.isalpha, piece))


def _has_day(text: str) -> bool:
    """Whether a text is a date in words, as "May 5, 2024" or "Friday, 5 May"."""
    return bool(_DAY_AND_MONTH.search(" ".join(words_of(text))))


def _in_fixed_order(texts: Iterable[str], marks: Sequence[str]) -> bool:
    """Whether what stands first in cells stands nowhere else, as in "Smith, John"."""
    pattern = re.compile("|".join(map(re.escape, marks)))
    first: set[str] = set()
    later: set[str] = set()
    for text in texts:
        pieces = [piece for part in pattern.split(text) if (piece := part.strip())]
        first.update(pieces[:1])
        later.update(pieces[1:])
    return len(first & later) * 4 < min(len(first), len(later))


def _pieces(texts: Iterable[str], marks: Sequence[str]) -> Counter[str]:
    pattern = re.compile("|".join(map(re.escape, marks)))
    return Counter(p for text in texts for part in pattern.split(text) if (p := part.strip()))


def remarks_on(column: Column, meaning: Meaning) -> tuple[str, ...]:
    """What is worth knowing of a text column: one value throughout, a few, or none at all.

    Texts are shown only of columns that are about nobody, and only those that come again.
    """
    if not column.filled:
        return ("blank in every row",)
    personal = meaning.role in PERSONAL or any(map(_private, column.texts))
    if column.constant:
        [text] = column.texts
        return ("the same in every row" + ("" if personal else f": {shown(text)}"),)
    if meaning.role is Role.CITY and (ways := _ways(column.texts)):
        places = "1 place is" if ways == 1 else f"{ways:,} places are"
        return (f"{places} written in several ways: case: title makes them one",)
    often = [text for text, count in Counter(column.texts).most_common(_FEW) if count > 1]
    few = len(column.texts) <= _FEW and len(column.texts) * 4 <= sum(column.texts.values())
    if personal or not few or not often or meaning.role in {Role.CITY, Role.ZIP}:
        return ()
    rest = len(column.texts) - len(often)
    more = f" and {rest} more, each once" if rest else ""
    return (f"values: {flow([*often])}{more}; choices would allow no others",)


def _private(text: str) -> bool:
    return "@" in text or len(text) > _SHORT or sum(map(str.isdigit, text)) > 4


def _ways(texts: Iterable[str]) -> int:
    """How many texts differ from another in nothing but their case."""
    folded = Counter(text.casefold() for text in texts)
    return sum(count > 1 for count in folded.values())


def phone_marks(texts: Sequence[str], region: str | None) -> tuple[list[str], Fit]:
    """The marks that divide the phones in cells, none where each holds one; and what then fits."""
    tried = texts[:LOOKED_AT]
    marks: list[str] = []
    best = fit(tried, "phone", region)
    if len(best.values) < len(tried):
        # It gave up early: so many cells do not hold one phone.
        best = Fit(tuple(tried), best.values + (None,) * (len(tried) - len(best.values)))
    while True:
        better = None
        for mark in (mark for mark in _MARKS if any(mark in text for text in tried)):
            if mark in marks:
                continue
            found = fit(tried, "phone", region, multiple=True, split=[*marks, mark])
            if found.good > (better[1] if better else best).good:
                better = (mark, found)
        if better is None:
            return marks, best
        marks.append(better[0])
        best = better[1]
