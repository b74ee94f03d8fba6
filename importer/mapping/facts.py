"""What the columns of a file show: counts of kinds of cells, and what follows from them.

A :class:`FactCounter` is given the whole file, batch by batch, before any cell is judged. Its
:class:`Facts` are small, and do not depend on how the file is divided into batches.

Then each column is judged by its counts alone: they give a :class:`Finding` for its cells, and
remarks for people. Where the counts show nothing, or contradict each other, there is no finding,
and a cell that can mean two things is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import Cells, Indices, not_blank, trimmed
from importer.mapping.conversion import NO_FINDING, BareMeaning, Finding
from importer.mapping.damage import whole_number
from importer.mapping.dates import (
    ShortYearReader,
    bounds_advice,
    period_of,
    short_years,
    today,
)
from importer.mapping.kinds import (
    CODES,
    DATES,
    FALLS,
    NUMBERS,
    OTHER,
    PHONES,
    KindFinder,
    code_numbers,
)
from importer.mapping.phones import (
    BARE,
    LABEL,
    bare_readings,
    country_name,
    in_full,
    international_prefix,
    without_label,
)
from importer.mapping.program import without_prefix
from importer.mapping.values import separators_of
from importer.model import PhoneReading, Problem, Severity

if TYPE_CHECKING:
    import numpy.typing as npt

    from importer.mapping.program import Program
    from importer.mapping.spec import Type
    from importer.model import Batch


_LONGEST_EXAMPLE = 80
_MOST_DISTINCT = 64
"""Distinct texts of a kind that are counted: more of them make no judgement surer."""
PREFIX, TEXTS = "prefix", "texts"
"""Not kinds of cells, but counted beside them: how many texts begin with the short word and colon
that the first text begins with, and how many texts there are. Both are missing where the first text
does not begin so."""
FRACTIONS = "fractions"
"""Not a kind of cell: how many of a workbook's column are numbers with a fraction, not texts."""
DIALLED = "dialled"
"""Not a kind of cell: how many phones begin with the region's international prefix, where that is
not 00: 011 in the United States, 010 in Japan."""
_PREFIXED = re.compile(r"[^\W\d_]\w{0,7}:(?=[^\s/\\])")
"""``z:9021``, and neither ``https://…`` nor ``C:\\list`` nor words with a colon behind them."""
_LABELLED = re.compile(r"[^\W\d_]\w{0,7}:(?=\s*[^\s/\\])")
"""As `_PREFIXED`, with a blank allowed behind the colon, for columns that are not of type text: in
these, ``No: 12`` is no value."""
_FAXES = frozenset({"f:", "fax:", "telefax:"})
"""Labels of numbers that must not be called."""
_SAMPLE = 128
"""Distinct phones that are read both ways, of those that begin with the region's code and of the
others: where one makes a column doubtful, there are more."""
_HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""For Fibonacci hashing: 2**64 / golden ratio, odd. The high bits of the product are the hash."""
_HASHED_DIGITS = 18
"""Digits of a phone that are hashed, its last ones: as many as fit into 64 bits."""
_BEGINS_WITH_A_LETTER = r"^[A-Za-z{-\x{10FFFF}]"
_TIME = "[T ].*$"
"""What follows a date in its cell: the same day at another time shows nothing new."""


class KindCount(NamedTuple):
    """How many cells of one kind a column has; the first of them, and its row.

    `distinct` counts the different texts, up to `_MOST_DISTINCT`: a day that stands in every row is
    no more evidence than one that stands once.
    """

    total: int
    example: str = ""
    row: int = 0
    distinct: int = 0


KindCounts = Mapping[str, KindCount]
"""By kind; a kind that does not occur is not in it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The counts of all columns, by target (``form.signed_on``).

    They are not `known` where cells come from a list that cannot be seen: what they show by
    themselves does not say then which of two things one of them means.
    """

    targets: Mapping[str, KindCounts] = field(default_factory=dict)
    known: bool = True

    def plus(self, more: Facts) -> Facts:
        """The counts of these cells and more of the same columns; the examples are of these."""
        targets = dict(self.targets)
        for target, counts in more.targets.items():
            both = dict(targets.get(target, {}))
            for kind, count in counts.items():
                ours = both.get(kind, KindCount(0, count.example, count.row))
                distinct = max(ours.distinct, count.distinct)
                both[kind] = ours._replace(total=ours.total + count.total, distinct=distinct)
            targets[target] = both
        return Facts(targets, self.known and more.known)


class FactCounter:
    """Gathers the facts of the columns whose rules can use them, in one pass over the file.

    It looks at the shapes of cells only, and keeps a count and one example of each kind.
    """

    def __init__(self, programs: Iterable[tuple[Program, Type]], region: str | None) -> None:
        self._columns = [
            _counted_column(program, type_, region)
            for program, type_ in programs
            if program.columns
        ]

    def add(self, batch: Batch) -> None:
        """Count the next batch of the file."""
        cells = Cells(batch)
        for column in self._columns:
            column.add(cells)

    def facts(self) -> Facts:
        """The facts of the batches so far."""
        return Facts({c.program.target: c.all_counts() for c in self._columns if c.counts})


def _kinds_for(program: Program, type_: Type) -> KindFinder | None:
    """What finds the kinds that say something about a rule's column; None where none do."""
    rule = program.rule
    if not program.columns:
        return None
    match type_:
        case "date" | "datetime":
            return DATES
        case "integer" | "decimal":
            return NUMBERS
        case "phone":
            return PHONES
        case "text" if program.target.startswith("form."):
            one = len(program.columns) == 1 and rule.template is None and not rule.multiple
            return CODES if one and rule.choices is None else None
    return None


@dataclass(slots=True)
class _CountedColumn:
    """One program with the counts of its cells so far; `last` is the last code, as a number.

    `dialled` is a pattern of the digits of phones that begin with the international prefix of the
    region, where that is not 00, which is a kind of its own.
    """

    program: Program
    type_: Type
    kinds: KindFinder | None
    bare: _BarePhones | None = None
    dialled: str | None = None
    short_years: _ShortYears | None = None
    counts: dict[str, KindCount] = field(default_factory=dict)
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
            known = self.counts.get(kind)
            if known is None:
                first = int(found[0])
                example = texts[first].as_py()[:_LONGEST_EXAMPLE]
                known = KindCount(0, example, int(cells.batch.rows[places[first]]))
            distinct = self._count_distinct(kind, texts, found)
            self.counts[kind] = known._replace(total=known.total + len(found), distinct=distinct)
            if self.bare is not None and kind == "bare":
                self.bare.add(texts.take(pa.array(found)), cells.batch.rows[places[found]])
            if self.dialled is not None and kind in {"double_zero", "zero", "bare"}:
                self._count_dialled(texts.take(pa.array(found)))
        if self.short_years is not None:
            self.short_years.add(texts, cells.batch.rows[places])
        if self.kinds is CODES:
            self._compare(texts)
        if self.kinds is NUMBERS:
            self._count_fractions(cells.batch.fractions)

    def _count_prefix(self, texts: Any, rows: npt.NDArray[np.int64]) -> None:
        """Count the texts that begin with the first one's short prefix and its colon, as z:9021.

        `_prefix` is None until there is a text, and blank where the first one has no prefix.
        """
        if self._prefix is None:
            first = texts[0].as_py()[:_LONGEST_EXAMPLE]
            self._prefix = self._prefix_of(first)
            if self._prefix:
                self.counts[PREFIX] = KindCount(0, first, int(rows[0]))
        if self._prefix:
            known, all_ = self.counts[PREFIX], self.counts.get(TEXTS, KindCount(0))
            fits = pc.sum(pc.starts_with(texts, self._prefix)).as_py()
            self.counts[PREFIX] = known._replace(total=known.total + fits)
            self.counts[TEXTS] = all_._replace(total=all_.total + len(texts))

    def _prefix_of(self, text: str) -> str:
        """The prefix of a text; blank where it has none, or one that the rule names."""
        rule = self.program.rule
        if len(self.program.columns) != 1 or rule.template is not None:
            return ""
        match = (_PREFIXED if self.type_ == "text" else _LABELLED).match(text)
        prefix = match[0] if match is not None else ""
        known = (*(rule.map or ()), *(rule.choices or ()), *(rule.input or ()))
        if any(each.startswith(prefix) for each in known):
            return ""
        if self.program.pattern is not None and self.program.pattern.fits(text):
            return ""
        if self.type_ == "url" and "://" not in text:
            return ""
        return "" if self.type_ == "phone" and prefix.casefold() in _FAXES else prefix

    def _count_fractions(self, fractions: Mapping[int, npt.NDArray[np.bool_]]) -> None:
        labels = [label for label in self.program.columns if label in fractions]
        if found := sum(int(fractions[label].sum()) for label in labels):
            known = self.counts.get(FRACTIONS, KindCount(0))
            self.counts[FRACTIONS] = known._replace(total=known.total + found)

    def _count_dialled(self, texts: Any) -> None:
        digits = pc.replace_substring_regex(texts, "[^0-9]", "")
        if found := pc.sum(pc.match_substring_regex(digits, self.dialled)).as_py():
            known = self.counts.get(DIALLED, KindCount(0))
            self.counts[DIALLED] = known._replace(total=known.total + found)

    def all_counts(self) -> dict[str, KindCount]:
        counts = self.counts | (self.bare.counts() if self.bare is not None else {})
        return counts | (self.short_years.counts if self.short_years is not None else {})

    def _count_distinct(self, kind: str, texts: Any, found: Indices) -> int:
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

    def _texts(self, cells: Cells) -> tuple[Any, Indices]:
        """The texts that the rule's type is applied to, blank ones left out, and their places."""
        rule = self.program.rule
        plain = rule.template is None and not rule.multiple and rule.remove_prefix is None
        if len(self.program.columns) == 1 and plain:
            texts = cells.batch.columns[self.program.columns[0]]
        else:
            texts = self.program.fetch(cells)
        places = np.arange(len(texts), dtype=np.int64)
        if rule.multiple:
            pieces = pc.split_pattern_regex(texts, "|".join(map(re.escape, separators_of(rule))))
            texts = pc.list_flatten(pieces)
            places = pc.list_parent_indices(pieces).to_numpy(zero_copy_only=False)
            if rule.remove_prefix is not None:
                texts = without_prefix(trimmed(texts), rule)
        texts = trimmed(texts)
        if self.kinds is PHONES:
            texts = _unlabelled(texts)
        filled = not_blank(texts)
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
            known = self.counts.get(FALLS, KindCount(0))
            self.counts[FALLS] = known._replace(total=known.total + falls)


def _unlabelled(texts: Any) -> Any:
    """Phones without a label such as ``tel:``; very few have one."""
    some = pc.match_substring_regex(texts, _BEGINS_WITH_A_LETTER)
    if not pc.any(some).as_py():
        return texts
    bare = pc.replace_substring_regex(texts.filter(some), LABEL, "")
    return pc.replace_with_mask(texts, some, bare)


def _counted_column(program: Program, type_: Type, region: str | None) -> _CountedColumn:
    region, kinds = program.rule.region or region, _kinds_for(program, type_)
    if kinds is DATES:
        rule = program.rule
        read = short_years(rule.input, period_of(rule.min, rule.max, rule.input))
        years = _ShortYears(read) if read is not None else None
        return _CountedColumn(program, type_, kinds, short_years=years)
    if kinds is not PHONES or region is None:
        return _CountedColumn(program, type_, kinds)
    prefix = international_prefix(region)
    dialled = None if prefix.startswith("00") else f"^(?:{prefix})[1-9]"
    return _CountedColumn(program, type_, kinds, _BarePhones(region), dialled)


class _ShortYears:
    """Dates of a column for which years of two digits are declared.

    ``past`` and ``long_past`` are dates whatever their years. Those whose year has two digits, and
    that may as well be a century earlier, are ``ahead`` if they lie in the future, ``far_ahead`` if
    no appointment is made so long before, ``recent`` if they are of the last 18 years: these are
    births of children, or of people of more than 100 years.
    """

    def __init__(self, read: ShortYearReader) -> None:
        self._read = read
        self._today = today()
        self.counts: dict[str, KindCount] = {}

    def add(self, texts: Any, rows: npt.NDArray[np.int64]) -> None:
        """Take in dates and the numbers of their rows."""
        encoded = texts.dictionary_encode()
        places = encoded.indices.to_numpy()
        totals = np.bincount(places)
        _, first = np.unique(places, return_index=True)
        for text, total, place in zip(
            encoded.dictionary.to_pylist(), totals.tolist(), first.tolist(), strict=True
        ):
            for kind in self._kinds(text):
                known = self.counts.get(kind) or KindCount(
                    0, text[:_LONGEST_EXAMPLE], int(rows[place])
                )
                self.counts[kind] = known._replace(total=known.total + total)

    def _kinds(self, text: str) -> Iterator[str]:
        found = self._read(text)
        if found is None:
            return
        years = self._today.year - found.day.year
        if found.day <= self._today:
            yield "past"
            if years >= _LONG_AGO:
                yield "long_past"
            if found.other is not None and years < _CHILD:
                yield "recent"
        elif found.other is not None:
            yield "ahead"
            if -years > _FURTHEST_AHEAD:
                yield "far_ahead"


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
                some = pa.array(mask)
                sample.add(texts.filter(some), digits.filter(some), rows[mask])

    def counts(self) -> dict[str, KindCount]:
        """How many phones there are of each kind, as far as the samples show.

        Nothing where no phone begins with the region's code: then none is doubtful.
        """
        if not self._own.total:
            return {}
        found = self._own.counts(lambda text: f"own_{self._kind(text, own=True)}")
        return found | self._other.counts(lambda text: f"other_{self._kind(text, own=False)}")

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
    """A bottom-k sample: of all phones the `_SAMPLE` whose digits have the smallest hashes.

    So it does not depend on the order of the phones, nor on their division into batches.
    """

    def __init__(self) -> None:
        self.total = 0
        self._kept: dict[int, tuple[str, int]] = {}

    def add(self, texts: Any, digits: Any, rows: npt.NDArray[np.int64]) -> None:
        """Take in phones, the digits in each of them, and their row numbers."""
        self.total += len(texts)
        last = pc.utf8_slice_codeunits(digits, -_HASHED_DIGITS)
        numbers = np.asarray(pc.cast(last, pa.uint64()).to_numpy(), np.uint64)
        hashes, first = np.unique(numbers * _HASH_MULTIPLIER >> np.uint64(1), return_index=True)
        hashes, first = hashes[:_SAMPLE], first[:_SAMPLE]
        chosen = texts.take(pa.array(first)).to_pylist()
        for key, text, row in zip(hashes.tolist(), chosen, rows[first].tolist(), strict=True):
            self._kept.setdefault(key, (text, row))
        self._kept = {key: self._kept[key] for key in sorted(self._kept)[:_SAMPLE]}

    def counts(self, kind: Callable[[str], str]) -> dict[str, KindCount]:
        """The counts of all phones by kind, estimated from the sample."""
        found: dict[str, KindCount] = {}
        for text, row in sorted(self._kept.values(), key=lambda kept: kept[1]):
            known = found.get(of := kind(text), KindCount(0, text[:_LONGEST_EXAMPLE], row))
            found[of] = known._replace(total=known.total + 1, distinct=known.distinct + 1)
        share = self.total / max(len(self._kept), 1)
        return {
            of: counted._replace(total=round(counted.total * share))
            for of, counted in found.items()
        }


_LOW_DAYS, _HIGH_DAYS = 0.395, 0.605
"""Of the days of a year, those up to the 12th of their month, and those after it."""
_SURE, _LIKELY = 1e-6, 1e-2
"""Up to this probability of coming about by chance a column counts as damaged, or as suspect."""
_FEWEST_DATES = 6
"""Distinct dates up to the 12th, and distinct texts after it, for a column to count as damaged."""
_SHARE_OF_REAL = (0.05, 0.85)
"""The bounds of the share of real dates in a damaged column."""
_FEWEST_CODES, _ALIKE, _ALL = 10, 0.8, 0.95
"""Zeros are missed where at least ten codes, four fifths of all, are equally long: of codes that
may begin with any digit a tenth begins with 0, of Germany's or the USA's postal codes fewer."""
_SHORTEST_CODE = 4
"""Shorter numbers are ages, counts or sizes more often than codes."""
_RISING = 0.98
"""The share of codes greater than the one above from which they are running numbers."""
_FEWEST_CUT = 3
"""Of random numbers of sixteen digits, one in a thousand columns of three ends in 0 throughout."""
_INTERNATIONAL = 0.8
_STRONG, _FEW, _VERY_FEW = 0.2, 3, 10
"""Where at least a fifth of the phones with the region's code at their front make sense only with a
plus, a third as many national ones are strays; else a tenth."""
_BY_CHANCE = 0.05
"""Of a region's national numbers, fewer begin with its own code, all over the country."""

_LONG_AGO, _CHILD, _FURTHEST_AHEAD = 40, 18, 10
"""Years. Dates of 40 years ago and of the last 18 in one column may be births; appointments and
ends of contracts are seldom more than ten years ahead."""

_NONE = KindCount(0)


@dataclass(frozen=True, slots=True)
class _JudgedColumn:
    """A rule's column with its counts."""

    program: Program
    counts: KindCounts

    def __getitem__(self, kind: str) -> KindCount:
        return self.counts.get(kind, _NONE)

    def count(self, *kinds: str) -> int:
        return sum(self[kind].total for kind in kinds)

    def distinct(self, *kinds: str) -> int:
        return sum(self[kind].distinct for kind in kinds)

    def remark(self, code: str, message: str, hint: str | None) -> Problem:
        return Problem(
            None,
            self.program.header,
            self.program.target,
            code,
            message,
            None,
            hint,
            Severity.WARNING,
        )


def finding_of(
    program: Program, type_: Type, region: str | None, counts: KindCounts, *, known: bool = True
) -> tuple[Finding, tuple[Problem, ...]]:
    """What a column's counts say about its cells, and the remarks to make about the column.

    Where they are not `known` (:class:`Facts`), nothing that can mean two things is decided.
    """
    column = _JudgedColumn(program, counts)
    finding, remarks = _finding_by_kinds(column, _kinds_for(program, type_), region)
    if not known:
        finding = replace(finding, day_first=None, decimal_mark=None, bare="unclear")
        remarks = ()
    return finding, (*remarks, *_common_prefix(column))


def _finding_by_kinds(
    column: _JudgedColumn, kinds: KindFinder | None, region: str | None
) -> tuple[Finding, tuple[Problem, ...]]:
    if kinds is DATES:
        return _judge_dates(column)
    if kinds is NUMBERS:
        return _judge_numbers(column)
    if kinds is PHONES:
        return _judge_phones(column, region)
    if kinds is CODES:
        return _judge_codes(column)
    return NO_FINDING, ()


def _judge_dates(column: _JudgedColumn) -> tuple[Finding, tuple[Problem, ...]]:
    swapped, remarks = _judge_swap(column)
    day_first = None
    if column.program.rule.input is None:
        days, months = column.count("day_first"), column.count("month_first")
        if bool(days) != bool(months):
            day_first = bool(days)
        if column.count("either"):
            remarks = (*remarks, _order_remark(column, day_first))
    latest = None
    if column.count("ahead") and not _is_for_the_future(column):
        if column.count("past", "far_ahead"):
            latest = today()
        else:
            remarks = (*remarks, _century_remark(column, "ahead"))
    if column.count("recent") and column.count("long_past"):
        remarks = (*remarks, _century_remark(column, "recent"))
    return Finding(day_first=day_first, swapped=swapped, latest=latest), remarks


def _is_for_the_future(column: _JudgedColumn) -> bool:
    return column.program.target == "disposition.next_calldate"


def _century_remark(column: _JudgedColumn, kind: str) -> Problem:
    """The remark on dates that are read in one century, and are seldom of the other."""
    counted, rule = column[kind], column.program.rule
    read = short_years(rule.input, period_of(rule.min, rule.max, rule.input))
    found = read(counted.example) if read is not None else None
    told = f"{found.day}, and not as {found.other}" if found is not None else "of this century"
    return column.remark(
        "century_assumed",
        f"{_number(counted.total, 'date')} such as {_quoted(counted)} "
        f"{'has a year' if counted.total == 1 else 'have years'} of two digits: read as {told}",
        f"if that is wrong, write years with four digits; or {bounds_advice(today())}",
    )


def _order_remark(column: _JudgedColumn, day_first: bool | None) -> Problem:
    either = column["either"]
    doubtful = f"{_number(either.total, 'date')} such as {_quoted(either)}"
    if day_first is not None:
        shown = column["day_first" if day_first else "month_first"]
        declared = "%d/%m/%Y" if day_first else "%m/%d/%Y"
        return column.remark(
            "date_order_found",
            f"{doubtful}: read with the {'day' if day_first else 'month'} first, as "
            f"{_number(shown.total, 'other')} such as {_quoted(shown)} can only be",
            f'if that is right, declare it in the mapping: input: ["{declared}"]',
        )
    if column.count("day_first"):
        why = f"{_quoted(column['day_first'])} has the day first, and "
        why += f"{_quoted(column['month_first'])} the month"
    else:
        why = "no other date of the column shows whether day or month comes first"
    return column.remark(
        "date_order_unknown",
        f"{doubtful} can mean two days: {why}",
        'declare the order in the mapping: input: ["%d/%m/%Y"] or input: ["%m/%d/%Y"]',
    )


def _judge_swap(column: _JudgedColumn) -> tuple[bool, tuple[Problem, ...]]:
    """Whether a spreadsheet program read the dates with day and month exchanged, and the remark.

    Such a program makes real dates of all texts whose day it can take for a month, and leaves the
    others as texts. So no text is left in which both numbers are 12 or less, and no real date has a
    day above 12.
    """
    day_first = ("day_first", "short_day_first", "dotted_high")
    month_first = ("month_first", "short_month_first")
    real, kinds = column["real_low"], (*day_first, *month_first)
    left, left_distinct = column.count(*kinds), column.distinct(*kinds)
    contrary = column.count("real_high", "either", "same", "dotted_low", "short_either")
    both = column.count(*day_first) and column.count(*month_first)
    if contrary or both or not real.total or not left:
        return False, ()
    # The day on which a whole list was signed says no more than one row of it.
    chance = _LOW_DAYS**real.distinct * _HIGH_DAYS**left_distinct
    share = real.total / (real.total + left)
    example = next(column[kind] for kind in kinds if column[kind].total)
    message = (
        f"all {_number(real.total, 'real date')} have a day up to 12, and all "
        f"{_number(left, 'text')} such as {_quoted(example)} one above 12: "
    )
    hint = "get the file again with all dates as yyyy-mm-dd"
    enough = min(real.distinct, left_distinct) >= _FEWEST_DATES
    if enough and chance < _SURE and _SHARE_OF_REAL[0] <= share <= _SHARE_OF_REAL[1]:
        message += "a spreadsheet program took the days for months"
        if not column.program.rule.repair:
            hint += ", or set repair: true in the mapping"
        return True, (column.remark("dates_swapped", message, hint),)
    if chance < _LIKELY:
        message += "a spreadsheet program may have taken days for months"
        hint = f"compare {_quoted(real)} with the supplier's own list"
        return False, (column.remark("dates_maybe_swapped", message, hint),)
    return False, ()


def _judge_numbers(column: _JudgedColumn) -> tuple[Finding, tuple[Problem, ...]]:
    either, comma, point = column["either"], column["comma"], column["point"]
    mark = None
    if bool(comma.total) != bool(point.total):
        mark = "," if comma.total else "."
    declared = column.program.rule.input
    finding = Finding(decimal_mark=mark if declared is None else None, point=_point(column))
    if not either.total or declared is not None or finding.point == "decimal":
        return finding, ()
    doubtful = f"{_number(either.total, 'number')} such as {_quoted(either)}"
    if mark is not None:
        shown = comma if mark == "," else point
        remark = column.remark(
            "decimal_mark_found",
            f'{doubtful}: "{mark}" is read as the decimal mark, as in '
            f"{_number(shown.total, 'other')} such as {_quoted(shown)}",
            f'if that is right, declare it in the mapping: input: "{mark}"',
        )
        return finding, (remark,)
    why = (
        f"{_quoted(comma)} and {_quoted(point)} have different decimal marks"
        if comma.total
        else "no other number of the column shows which mark is decimal"
    )
    hint = 'declare the decimal mark in the mapping: input: "," or input: "."'
    remark = column.remark("decimal_mark_unknown", f"{doubtful} can mean two numbers: {why}", hint)
    return finding, (remark,)


def _point(column: _JudgedColumn) -> Literal["decimal", "unclear"] | None:
    """What a point means where cells of a workbook are numbers: 6.579 is not 6,579 there.

    How many cells are numbers with a fraction is known, not which. Where as many texts have a
    point, these are the numbers.
    """
    fractions = column.count(FRACTIONS)
    if not fractions or column.program.rule.input == ["."]:
        return None
    return "decimal" if fractions == column.count("point", "either") else "unclear"


def _judge_phones(column: _JudgedColumn, region: str | None) -> tuple[Finding, tuple[Problem, ...]]:
    abroad, home = column.count("plus", "double_zero"), column.count("zero")
    bare, dates = column.count("bare"), column.count("date")
    numbers = abroad + home + bare
    prefixes = {"+": abroad, "0": home if region else 0}
    if not abroad and not home and region and bare:
        # The whole column was turned into numbers: no cell shows a prefix any more.
        prefixes = {"+": bare, "0": bare}
    lost = _lost_pluses(column)
    own = column.count("own_plus", "own_either", "own_mobile") if lost == "plus" else 0
    finding = Finding(
        prefixes=tuple(prefix for prefix, count in prefixes.items() if count),
        bare=lost,
        plus_expected=abroad + own >= _INTERNATIONAL * numbers > 0,
        dates_are_damage=0 < dates <= numbers,
    )
    return finding, tuple(_prefix_remarks(column, region, lost))


def phone_reading(
    program: Program, type_: Type, region: str | None, counts: KindCounts
) -> PhoneReading | None:
    """How the phones of a column are read; None for other columns, and for one without digits."""
    column = _JudgedColumn(program, counts)
    if _kinds_for(program, type_) is not PHONES:
        return None
    abroad, home = column.count("plus"), column.count("zero", "bare")
    if not abroad + home + column.count("double_zero"):
        return None
    if region is None:
        home += column.count("double_zero")
        return PhoneReading(program.target, program.header, None, None, None, abroad, home)
    from phonenumbers import country_code_for_region

    if international_prefix(region).startswith("00"):
        abroad += column.count("double_zero")
    else:
        home += column.count("double_zero") - column[DIALLED].total
        abroad += column[DIALLED].total
    finding, _ = _judge_phones(column, region)
    either = column.count("own_either", "own_mobile")
    put_back = column.count("own_plus") + (either if finding.bare == "plus" else 0)
    unclear = either if finding.bare == "unclear" else 0
    if finding.plus_expected:
        unclear += column.count("other_either")
    return PhoneReading(
        program.target,
        program.header,
        region,
        country_name(region),
        country_code_for_region(region),
        abroad,
        max(home - put_back - unclear, 0),
        put_back,
        unclear,
    )


def _lost_pluses(column: _JudgedColumn) -> BareMeaning:
    """What bare phones are that begin with the region's code and are valid with a plus and without.

    Few national numbers begin with the code, by chance. All numbers that lost their plus do, and
    many of these are valid, or mobile phones, only with a plus. So the number of phones that can
    only be national decides.
    """
    either = column.count("own_either", "own_mobile")
    surely_plus = column.count("own_plus", "own_mobile")
    own = column.count("own_plus") + either
    national = column.count("own_national", "other_national")
    strong = surely_plus >= _STRONG * own
    if national * (_FEW if strong else _VERY_FEW) <= own:
        return "plus"
    return "national" if not surely_plus and either <= _BY_CHANCE * national else "unclear"


def _prefix_remarks(
    column: _JudgedColumn, region: str | None, lost: BareMeaning
) -> Iterator[Problem]:
    counts = [t for kind in ("own_either", "own_mobile") if (t := column[kind]).total]
    if not counts or region is None or lost == "unclear":
        return
    first = min(counts, key=lambda counted: counted.row)
    readings = bare_readings(first.example, region)
    if readings.national is None or readings.abroad is None:
        return
    national, plus = in_full(readings.national), in_full(readings.abroad)
    taken, left = (plus, national) if lost == "plus" else (national, plus)
    what = "with the plus lost" if lost == "plus" else "as national numbers"
    yield column.remark(
        "phone_prefix_found",
        f"{_number(sum(t.total for t in counts), 'number')} such as {_quoted(first)} can be read "
        f"in two ways: read {what}, as {taken}, since the column shows that",
        f"if {left} is meant, write it so",
    )


_FEWEST_FLOATS = 3
"""Fewer numbers that end in .0 show nothing."""


def _judge_codes(column: _JudgedColumn) -> tuple[Finding, tuple[Problem, ...]]:
    remarks = (*_floats(column), *_cut_codes(column))
    return _judge_zeros(column) or (NO_FINDING, remarks)


def _floats(column: _JudgedColumn) -> Iterator[Problem]:
    found = column["float"]
    others = sum(t.total for kind, t in column.counts.items() if kind.isdigit())
    others += column.count(OTHER, "zero", "cut", "long")
    if found.total < _FEWEST_FLOATS or found.total < _ALL * (found.total + others):
        return
    whole = found.example.removesuffix(".0")
    yield column.remark(
        "damaged_number",
        f"{found.total:,} codes end in .0, such as {_quoted(found)}: a program took them for"
        " numbers; they are sent so",
        f"get the list again with that column as text, or write {whole}",
    )


def _common_prefix(column: _JudgedColumn) -> Iterator[Problem]:
    prefix, cells = column[PREFIX], column[TEXTS].total
    if prefix.total < 2 or prefix.total < _ALL * cells:
        return
    mark, rule = prefix.example[: prefix.example.index(":") + 1], column.program.rule
    marks = ", ".join(f'"{each}"' for each in (*(rule.remove_prefix or ()), mark))
    noun = "values" if rule.multiple else "cells"
    yield column.remark(
        "common_prefix",
        f'{prefix.total:,} of {cells:,} {noun} begin with "{mark}", such as {_quoted(prefix)}',
        "if that is no part of the value, take it off in the mapping: remove_prefix: "
        + (f"[{marks}]" if rule.remove_prefix else marks),
    )


def _judge_zeros(column: _JudgedColumn) -> tuple[Finding, tuple[Problem, ...]] | None:
    """The finding and remark for codes of one length that lost leading zeros; None for others."""
    lengths = {int(kind): counted for kind, counted in column.counts.items() if kind.isdigit()}
    codes = sum(counted.total for counted in lengths.values())
    if not codes or column.count("zero", "cut", "long"):
        return None
    width = max(lengths, key=lambda length: lengths[length].total)
    shorter = codes - lengths[width].total
    if (
        width < _SHORTEST_CODE
        or width < max(lengths)
        or not shorter
        or lengths[width].distinct < _FEWEST_CODES
        or lengths[width].total < _ALIKE * codes
        or codes < _ALL * (codes + column.count(OTHER))
        or column.count(FALLS) <= (1 - _RISING) * codes
    ):
        return None
    example = min(
        (counted for length, counted in lengths.items() if length < width), key=lambda t: t.row
    )
    message = f"{shorter} of {codes} codes have fewer than {width} digits, such as "
    message += f"{_quoted(example)}: "
    filled = example.example.zfill(width)
    if column.program.rule.repair:
        message += "they are filled up with zeros at the front"
        hint = None
    else:
        message += "zeros at the front may be lost"
        hint = f"if so, set repair: true in the mapping to fill them up, as {filled}"
    return Finding(width=width), (column.remark("zeros_lost", message, hint),)


def _cut_codes(column: _JudgedColumn) -> Iterator[Problem]:
    """The remark on a column of long codes that a spreadsheet program cut after fifteen digits."""
    cut = column["cut"]
    if cut.distinct >= _FEWEST_CUT and not column.count("long"):
        yield column.remark(
            "digits_lost",
            f"all {cut.total} codes of more than 15 digits end in zeros, such as {_quoted(cut)}: "
            "a spreadsheet program has cut their last digits off",
            "get the file again, with that column formatted as text",
        )


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _quoted(counted: KindCount) -> str:
    return f'"{counted.example}" in row {counted.row}'
