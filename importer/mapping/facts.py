"""What the columns of a file show: counts of kinds of cells, gathered batch by batch.

A :class:`Watch` sees the whole file once before anything is judged; its :class:`Facts` are small,
the same however the file is divided into batches, and can be kept with the run, so that a resumed
run judges as the first one did. What follows from them is said in ``judge.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import Cells, trimmed
from importer.mapping.damage import whole_number
from importer.mapping.kinds import (
    CODES,
    DATES,
    FALLS,
    NUMBERS,
    OTHER,
    PHONES,
    Kinds,
    Places,
    code_numbers,
)
from importer.mapping.phones import (
    BARE,
    LABEL,
    bare_readings,
    international_prefix,
    without_label,
)
from importer.mapping.program import without_prefix
from importer.mapping.values import marks_of
from importer.textbytes import Bytes, between, held

if TYPE_CHECKING:
    import numpy.typing as npt

    from importer.mapping.program import Program
    from importer.mapping.rule import Type
    from importer.model import Batch

_LONGEST_EXAMPLE = 80
_MOST_DISTINCT = 64
"""Distinct texts of a kind that are told apart: more of them make no judgement surer."""
PREFIX, TEXTS = "prefix", "texts"
"""No kinds of cells: how many texts begin as the first one does, with a short word and a colon, and
how many there are. Neither is counted where the first one does not begin so."""
DIALLED = "dialled"
"""Not a kind of cell: how many phones begin with what is dialled before a country's code, where
that is not 00: 011 in the United States, 010 in Japan."""
_PREFIXED = re.compile(r"[^\W\d_]\w{0,7}:(?=[^\s/\\])")
"""``z:9021``, and neither ``https://…`` nor ``C:\\list`` nor words with a colon behind them."""
_LABELLED = re.compile(r"[^\W\d_]\w{0,7}:(?=\s*[^\s/\\])")
"""The same with a blank behind the colon, too: for what is not any text, ``No: 12``."""
_FAXES = frozenset({"f:", "fax:", "telefax:"})
"""Before a phone, these say that it is none to be called."""
_SAMPLE = 128
"""Distinct phones that are read both ways, of those with the region's code at their front and of
the others: one that makes a column doubtful is rarely alone."""
_SCATTER = np.uint64(0x9E3779B97F4A7C15)
"""Knuth's multiplier: 2**64 by the golden ratio, odd."""
_TIME = "[T ].*$"
"""What follows a date in its cell: the same day at another time shows nothing new."""


class Tally(NamedTuple):
    """How many cells of one kind a column has; the first of them, and its row.

    `distinct` says how many of them differ, up to `_MOST_DISTINCT`: a day that stands in every
    row is no more evidence than one that stands once.
    """

    total: int
    example: str = ""
    row: int = 0
    distinct: int = 0


Tallies = Mapping[str, Tally]
"""By kind; a kind that does not occur is not in it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the columns show, by target (``form.signed_on``); by default nothing is known."""

    targets: Mapping[str, Tallies] = field(default_factory=dict)

    def as_json(self) -> str:
        """The facts as a text; :meth:`from_json` gives them back."""
        return json.dumps(self.targets, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """The facts in a text that :meth:`as_json` made."""
        return cls(
            {
                target: {kind: Tally(*tally) for kind, tally in tallies.items()}
                for target, tallies in json.loads(text).items()
            }
        )


class Watch:
    """Gathers facts of the columns whose rules can do something with them.

    It looks at each cell's shape only, a batch at a time, and keeps counts and one example each.
    """

    def __init__(self, programs: Iterable[tuple[Program, Type]], region: str | None) -> None:
        self._watched = [
            _watched(program, type_, region) for program, type_ in programs if program.columns
        ]

    def add(self, batch: Batch) -> None:
        """Take in the next batch of the file."""
        cells = Cells(batch)
        for watched in self._watched:
            watched.add(cells)

    def facts(self) -> Facts:
        """What the batches so far show."""
        return Facts({w.program.target: w.all_tallies() for w in self._watched if w.tallies})


def kinds_for(program: Program, type_: Type) -> Kinds | None:
    """The kinds that tell something about a rule's column, or None where nothing would."""
    rule = program.rule
    if not program.columns:
        return None
    match type_:
        case "date" | "datetime":
            return DATES
        case "integer" | "decimal":
            return NUMBERS if rule.input is None else None
        case "phone":
            return PHONES
        case "text" if program.target.startswith("form."):
            one = len(program.columns) == 1 and rule.template is None and not rule.multiple
            return CODES if one and rule.choices is None else None
    return None


@dataclass(slots=True)
class _Watched:
    """One program, and what its cells have shown so far; `last` is the last code as a number.

    `dialled` is a pattern of the digits of phones that are dialled abroad, where that tells more
    than their kinds do.
    """

    program: Program
    type_: Type
    kinds: Kinds | None
    bare: _BarePhones | None = None
    dialled: str | None = None
    tallies: dict[str, Tally] = field(default_factory=dict)
    last: int | None = None
    _distinct: dict[str, set[str]] = field(default_factory=dict)
    _prefix: str | None = None

    def add(self, cells: Cells) -> None:
        if self.kinds is None and self._prefix == "":
            return
        texts, places = self._texts(cells)
        if not len(texts):
            return
        self._count_prefix(texts, cells.batch.rows[places])
        if self.kinds is None:
            return
        for kind, found in self.kinds(texts):
            known = self.tallies.get(kind)
            if known is None:
                first = int(found[0])
                example = texts[first].as_py()[:_LONGEST_EXAMPLE]
                known = Tally(0, example, int(cells.batch.rows[places[first]]))
            distinct = self._count_distinct(kind, texts, found)
            self.tallies[kind] = known._replace(total=known.total + len(found), distinct=distinct)
            if self.bare is not None and kind == "bare":
                self.bare.add(texts.take(pa.array(found)), cells.batch.rows[places[found]])
            if self.dialled is not None and kind in {"double_zero", "zero", "bare"}:
                self._count_dialled(texts.take(pa.array(found)))
        if self.kinds is CODES:
            self._compare(texts)

    def _count_prefix(self, texts: Any, rows: npt.NDArray[np.int64]) -> None:
        """Count the texts that begin with the first one's short prefix and its colon, as z:9021.

        `_prefix` is None until there is a text, and blank where the first one has no prefix.
        """
        if self._prefix is None:
            first = texts[0].as_py()[:_LONGEST_EXAMPLE]
            self._prefix = self._prefix_of(first)
            if self._prefix:
                self.tallies[PREFIX] = Tally(0, first, int(rows[0]))
        if self._prefix:
            known, all_ = self.tallies[PREFIX], self.tallies.get(TEXTS, Tally(0))
            fits = pc.sum(pc.starts_with(texts, self._prefix)).as_py()
            self.tallies[PREFIX] = known._replace(total=known.total + fits)
            self.tallies[TEXTS] = all_._replace(total=all_.total + len(texts))

    def _prefix_of(self, text: str) -> str:
        """The prefix of a text; blank where it has none, or one that the rule knows of."""
        rule = self.program.rule
        if len(self.program.columns) != 1 or rule.template is not None:
            return ""
        match = (_PREFIXED if self.type_ == "text" else _LABELLED).match(text)
        prefix = match[0] if match is not None else ""
        known = (*(rule.map or ()), *(rule.choices or ()), *(rule.input or ()))
        if any(each.startswith(prefix) for each in known):
            return ""
        if rule.pattern is not None and re.fullmatch(rule.pattern, text):
            return ""
        if self.type_ == "url" and "://" not in text:
            return ""
        return "" if self.type_ == "phone" and prefix.casefold() in _FAXES else prefix

    def _count_dialled(self, texts: Any) -> None:
        digits = pc.replace_substring_regex(texts, "[^0-9]", "")
        if found := pc.sum(pc.match_substring_regex(digits, self.dialled)).as_py():
            known = self.tallies.get(DIALLED, Tally(0))
            self.tallies[DIALLED] = known._replace(total=known.total + found)

    def all_tallies(self) -> dict[str, Tally]:
        return self.tallies | (self.bare.tallies() if self.bare is not None else {})

    def _count_distinct(self, kind: str, texts: Any, found: Places) -> int:
        distinct = self._distinct.setdefault(kind, set())
        if len(distinct) < _MOST_DISTINCT and kind != OTHER:
            some = texts.take(pa.array(found))
            if self.kinds is DATES:
                some = pc.replace_substring_regex(some, _TIME, "")
            for text in pc.unique(some).to_pylist():
                distinct.add(text[:_LONGEST_EXAMPLE])
                if len(distinct) == _MOST_DISTINCT:
                    break
        return len(distinct)

    def _texts(self, cells: Cells) -> tuple[Any, Places]:
        """The texts that the rule's type would see, without blanks, and their rows' places."""
        rule = self.program.rule
        plain = rule.template is None and not rule.multiple and rule.remove_prefix is None
        if len(self.program.columns) == 1 and plain:
            texts = cells.batch.columns[self.program.columns[0]]
        else:
            texts = self.program.fetch(cells)
        places = np.arange(len(texts), dtype=np.int64)
        if rule.multiple:
            pieces = pc.split_pattern_regex(texts, "|".join(map(re.escape, marks_of(rule))))
            texts = pc.list_flatten(pieces)
            places = pc.list_parent_indices(pieces).to_numpy(zero_copy_only=False)
            if rule.remove_prefix is not None:
                texts = without_prefix(trimmed(texts), rule)
        texts = trimmed(texts)
        if self.kinds is PHONES:
            texts = _unlabelled(texts)
        filled = held(texts)
        if filled.all():
            return texts, places
        return texts.filter(pa.array(filled)), places[filled]

    def _compare(self, texts: Any) -> None:
        """Count the codes that are no greater than the one before them."""
        numbers = code_numbers(texts)
        if not len(numbers):
            return
        falls = int(np.count_nonzero(numbers[1:] <= numbers[:-1]))
        if self.last is not None:
            falls += int(numbers[0]) <= self.last
        self.last = int(numbers[-1])
        if falls:
            known = self.tallies.get(FALLS, Tally(0))
            self.tallies[FALLS] = known._replace(total=known.total + falls)


def _unlabelled(texts: Any) -> Any:
    """Phones without a label such as ``tel:``; next to none have one."""
    first = Bytes(texts).first
    letters = (first >= ord("A")) & ~between(first, "[", "`")
    if not letters.any():
        return texts
    some = pa.array(letters)
    return pc.replace_with_mask(
        texts, some, pc.replace_substring_regex(texts.filter(some), LABEL, "")
    )


def _watched(program: Program, type_: Type, region: str | None) -> _Watched:
    region, kinds = program.rule.region or region, kinds_for(program, type_)
    if kinds is not PHONES or region is None:
        return _Watched(program, type_, kinds)
    prefix = international_prefix(region)
    dialled = None if prefix.startswith("00") else f"^(?:{prefix})[1-9]"
    return _Watched(program, type_, kinds, _BarePhones(region), dialled)


class _BarePhones:
    """Phones with neither a plus nor a zero at their front: a sample of them, read both ways.

    ``own_…`` are those that begin with the region's code. Of each sort, ``national`` are valid as
    national numbers only, ``plus`` with a plus before them only, ``either`` with it and without it;
    ``own_mobile`` are ``either``, too, and mobile phones with the plus only.
    """

    def __init__(self, region: str) -> None:
        from phonenumbers import country_code_for_region

        self._region = region
        self._code = str(country_code_for_region(region))
        self._own, self._other = _Sample(), _Sample()

    def add(self, texts: Any, rows: npt.NDArray[np.int64]) -> None:
        """Take in phones and the numbers of their rows."""
        digits = pc.replace_substring_regex(texts, "[^0-9]", "")
        own = pc.starts_with(digits, self._code).to_numpy(zero_copy_only=False)
        for sample, mask in ((self._own, own), (self._other, ~own)):
            if mask.any():
                sample.add(texts.filter(pa.array(mask)), rows[mask])

    def tallies(self) -> dict[str, Tally]:
        """How many phones there are of each kind, as far as the samples show.

        Nothing where no phone begins with the region's code: then none is doubtful.
        """
        if not self._own.total:
            return {}
        found = self._own.tallies(lambda text: f"own_{self._kind(text, own=True)}")
        return found | self._other.tallies(lambda text: f"other_{self._kind(text, own=False)}")

    def _kind(self, text: str, *, own: bool) -> str:
        from phonenumbers import PhoneNumberType, number_type

        undamaged = without_label(text)
        undamaged = whole_number(undamaged) or undamaged
        if BARE.fullmatch(undamaged) is None:
            return OTHER
        readings = bare_readings(undamaged, self._region)
        if readings.national is None:
            return OTHER if readings.abroad is None else "plus"
        if readings.abroad is None:
            return "national"
        if not readings.differ:
            return "plus" if own else "national"
        mobile = PhoneNumberType.MOBILE
        if own and number_type(readings.abroad) == mobile != number_type(readings.national):
            return "mobile"
        return "either"


class _Sample:
    """So many distinct texts, chosen by their own signs: the same in whatever order they come."""

    def __init__(self) -> None:
        self.total = 0
        self._kept: dict[int, tuple[str, int]] = {}

    def add(self, texts: Any, rows: npt.NDArray[np.int64]) -> None:
        """Take in texts, and their row numbers."""
        self.total += len(texts)
        found = Bytes(texts)
        last = np.zeros(len(texts), dtype=np.uint64)
        for place in range(1, 9):
            at = found.starts[1:] - place
            signs = found.data[np.maximum(at, 0)] * (at >= found.starts[:-1])
            last = last << np.uint64(8) | signs.astype(np.uint64)
        hashes, first = np.unique(last * _SCATTER >> np.uint64(1), return_index=True)
        hashes, first = hashes[:_SAMPLE], first[:_SAMPLE]
        chosen = texts.take(pa.array(first)).to_pylist()
        for key, text, row in zip(hashes.tolist(), chosen, rows[first].tolist(), strict=True):
            self._kept.setdefault(key, (text, row))
        self._kept = {key: self._kept[key] for key in sorted(self._kept)[:_SAMPLE]}

    def tallies(self, kind: Callable[[str], str]) -> dict[str, Tally]:
        """All texts by kind: those of the sample are told apart, and stand for the others."""
        found: dict[str, Tally] = {}
        for text, row in sorted(self._kept.values(), key=lambda kept: kept[1]):
            known = found.get(of := kind(text), Tally(0, text[:_LONGEST_EXAMPLE], row))
            found[of] = known._replace(total=known.total + 1, distinct=known.distinct + 1)
        share = self.total / max(len(self._kept), 1)
        return {of: tally._replace(total=round(tally.total * share)) for of, tally in found.items()}
