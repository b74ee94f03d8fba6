"""Samples of a sheet's columns, and guesses of their types and of lists in their cells.

How full columns are, and which are filled where others are blank, is counted over the whole
sheet; texts are taken from the first batch and from some rows of each that follows.

A type is guessed where the converter that a check uses accepts the texts. Where the header names
the type, most of the texts have to fit. Where it does not, nearly all must for types that nothing
else looks like, and all for numbers and yes or no. Texts that can be read in two ways (day and
month, decimal mark) are never guessed, and stay text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from importer.drafting.headers import Meaning, Role, words_of
from importer.drafting.yaml import quoted
from importer.mapping.cells import Cells, not_blank
from importer.mapping.dates import today
from importer.mapping.program import Headers
from importer.mapping.spec import Rule, Type
from importer.mapping.values import compile_value
from importer.mapping.writing import UNSURE, flow
from importer.model import PLACEHOLDERS, Batch, Severity

MOST_COLUMNS = 1000
"""Columns that are looked at: nobody reads a mapping of more."""

_MOST_TEXTS = 1000
"""Distinct texts of a column in the sample."""

_ROWS_OF_A_BATCH = 64
"""Rows of each batch but the first whose texts are sampled."""

_PAIRED = 256
"""The first columns, of which each two are compared by the rows in which they are filled."""

_EXAMPLES = 1000
"""Rows that are kept as they stand."""

_LONGEST_HEADER = 300

_MOST_HEADERS = 100_000
"""Characters of headers in all: a mapping file has a size limit, and headers stand in it twice."""

LOOKED_AT = 300
"""Distinct texts of a column that are tried."""

PERSONAL = frozenset(
    {
        *(Role.NAME, Role.FIRST_NAME, Role.LAST_NAME, Role.COMPANY, Role.STREET, Role.ADDRESS),
        *(Role.NOTE, Role.EMAIL, Role.PHONE, Role.MOBILE, Role.FAX, Role.BIRTH, Role.ID),
    }
)
"""Roles whose texts are about one person: a draft never shows them."""


@dataclass(frozen=True, slots=True)
class SampledColumn:
    """One column: of `rows` rows `filled` hold something, `errors` of these a spreadsheet error.

    `texts` counts the distinct texts of the sample, without errors, blanks, and `placeholders`,
    which programs write for a blank. `fault` says why a mapping cannot name the column.
    """

    index: int
    header: str
    rows: int
    filled: int
    errors: int
    texts: Mapping[str, int]
    fault: str | None = None
    placeholders: tuple[str, ...] = ()

    @property
    def constant(self) -> bool:
        """Whether every row holds the same text."""
        odd = self.errors or self.placeholders
        return len(self.texts) == 1 and self.filled == self.rows > 1 and not odd

    def rule(self) -> dict[str, Any]:
        """The rule for the column, in which placeholders are blank."""
        blank = {"map": dict.fromkeys(self.placeholders, "")} if self.placeholders else {}
        return {"column": self.header, **blank}

    def without(self, placeholders: Collection[str]) -> SampledColumn:
        """The column with more placeholders, as only columns of its kind have them."""
        found = tuple(text for text in self.texts if text in placeholders)
        texts = {text: count for text, count in self.texts.items() if text not in found}
        return replace(self, texts=texts, placeholders=(*self.placeholders, *found))


ReadColumn = tuple[SampledColumn, Meaning]
"""A column that a mapping can name, and what its header means."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sampled sheet; `columns` are the first thousand, `headers` are all.

    `pairs[i, j]` counts the rows in which column i is filled and column j blank. `examples` has the
    cells of some rows, as they stand, in the first columns.
    """

    columns: tuple[SampledColumn, ...]
    headers: tuple[str, ...]
    rows: int
    pairs: npt.NDArray[np.int64] = field(repr=False)
    examples: Sequence[Sequence[str]] = field(repr=False)

    def filled_without(self, column: SampledColumn, other: SampledColumn) -> int:
        """Rows of the sheet in which `column` is filled and `other` blank; 0 where not counted."""
        if max(column.index, other.index) >= len(self.pairs):
            return 0
        return int(self.pairs[column.index, other.index])


class Sampler:
    """Makes a :class:`Sample` of a sheet's batches, added one after the other."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = tuple(headers)
        looked = range(min(len(self._headers), MOST_COLUMNS))
        self._texts: list[Counter[str]] = [Counter() for _ in looked]
        self._filled = np.zeros(len(looked), np.int64)
        self._errors = np.zeros(len(looked), np.int64)
        paired = min(len(looked), _PAIRED)
        self._pairs = np.zeros((paired, paired), np.int64)
        self._rows = 0
        self._examples: list[list[str]] = []

    def add(self, batch: Batch) -> None:
        """Count what each column of a batch holds, and take some of its texts into the sample."""
        cells, count = Cells(batch), len(batch)
        step = 1 if self._rows == 0 else max(count // _ROWS_OF_A_BATCH, 1)
        filled = np.zeros((count, len(self._texts)), dtype=bool)
        for i, texts in enumerate(self._texts):
            column, errors = cells.texts(i), cells.errors(i)
            filled[:, i] = not_blank(column)
            self._errors[i] += int(errors.sum())
            taken = column.take(pa.array(np.flatnonzero(~errors)[::step]))
            for text, times in Counter(taken.to_pylist()).items():
                if text and (text in texts or len(texts) < _MOST_TEXTS):
                    texts[text] += times
        some = [*range(count)][::step][: _EXAMPLES - len(self._examples)]
        self._examples += batch.cells(some, range(len(self._pairs)))
        self._filled += filled.sum(axis=0)
        paired = filled[:, : len(self._pairs)].astype(np.float32)
        self._pairs += (paired.T @ (1 - paired)).astype(np.int64)
        self._rows += count

    def finish(self) -> Sample:
        """The sample of all batches that were added."""
        names, faults = Headers(self._headers), self._faults()
        columns = tuple(
            SampledColumn(
                i,
                names.names[i],
                self._rows,
                int(self._filled[i]),
                int(self._errors[i]),
                texts,
                faults[i],
            ).without(PLACEHOLDERS)
            for i, texts in enumerate(self._texts)
        )
        return Sample(columns, self._headers, self._rows, self._pairs, self._examples)

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


_DIALLED_BEFORE = re.compile(r"\(?(?:\+|00)?[0-9]{1,5}\)?[-/]?")
"""A cell that is nothing but an area's or a country's code."""
_BEGUN = re.compile(r"[\s(]*(?:\+|0)")
"""How a phone begins that needs no code before it."""


def dialled_before(phone: SampledColumn, columns: Sequence[ReadColumn]) -> list[SampledColumn]:
    """The columns of area and country codes that belong before a column's phones, in order.

    These stand to the left, hold nothing but codes, and most of the phones need them: without its
    code such a phone is a valid number of somebody else.
    """
    begun = sum(count for text, count in phone.texts.items() if _BEGUN.match(text))
    if begun * 2 >= sum(phone.texts.values()) or set("{}") & set(phone.header):
        return []
    found: dict[Role | None, SampledColumn] = {}
    for column, meaning in columns:
        if meaning.role not in {Role.AREA_CODE, Role.COUNTRY} or set("{}") & set(column.header):
            continue
        if column.texts and column.index < phone.index and is_codes(column):
            found[meaning.role] = column
    return sorted(found.values(), key=lambda column: column.index)


def is_codes(column: SampledColumn) -> bool:
    """Whether a column holds nothing but codes that are dialled before a phone."""
    return all(_DIALLED_BEFORE.fullmatch(text.strip()) for text in column.texts)


# Types of columns.


_FIRST = 20
"""Texts that are tried first, before a type that fits few of them is given up."""

_RARELY = 10
"""Dates that can only be read in one order decide it if the others are a tenth of them at most."""

_SHARE_IF_NAMED = 0.8
_SHARE_IF_NOT = 0.95
"""The share of texts that must fit a type, where the header names the type and where not."""

_TEXT = (PERSONAL - {Role.EMAIL, Role.BIRTH}) | {Role.CITY, Role.ZIP, Role.COUNTRY, Role.TITLE}

_MONEY = (Role.AMOUNT, Role.PRICE, Role.COMMISSION)

_DATES = (Role.DATE, Role.BIRTH, Role.CALL_BACK)

_DAY_FORMATS = (
    *("%d.%m.%Y", "%d.%m.%Y.", "%Y.%m.%d.", "%Y.%m.%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y"),
    *("%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y"),
    *("%y.%m.%d", "%y.%m.%d."),
    *("%d. %b %Y", "%d. %B %Y"),
)

_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")

_FORMATS = tuple(f"{day}{time}" for time in _TIMES for day in _DAY_FORMATS)

_ISO_ONLY = "%Y|%m|%d"
"""A format that nobody writes: with it, a converter reads ISO dates and nothing else."""

_DATE_LIKE = re.compile(r"(?=.*\d.*\d)[\w.\-/:, +]{6,32}")

_SERIAL = re.compile(r"[1-6][0-9]{4}(?:[.,][0-9]+)?")
"""A date as the number that a spreadsheet program stores."""

_NUMBER_LIKE = re.compile(r"[+-]?[\d.,'’\s]+")

_OUTPUT = {"hu": ["igen", "nem"], "de": ["ja", "nein"]}

_DECIMAL_MARKS: tuple[dict[str, Any], ...] = ({"input": "."}, {"input": ","}, {})


@dataclass(frozen=True, slots=True)
class Guess:
    """The type that a column seems to have (None: text), its options, and remarks for a person."""

    type: Type | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    alternatives: tuple[Mapping[str, Any], ...] = ()
    """Options of which a person has to choose: each reads ambiguous texts in its own way."""

    def rule(self, column: SampledColumn) -> dict[str, Any]:
        """The rule for a column."""
        type_ = {"type": self.type} if self.type else {}
        return {**column.rule(), **type_, **self.options}


def placeholder_remark(column: SampledColumn) -> tuple[str, ...]:
    """A remark on what is read as blank in a column, where anything is."""
    if not column.placeholders:
        return ()
    return (f"{UNSURE}{' and '.join(map(quoted, column.placeholders))}: taken for a blank cell",)


@dataclass(frozen=True, slots=True)
class Fit:
    """Some texts, and the value of a converter for each, None where it refused the text."""

    texts: tuple[str, ...]
    values: tuple[str | None, ...]

    @property
    def good(self) -> int:
        """How many texts were accepted."""
        return sum(value is not None for value in self.values)

    @property
    def share(self) -> float:
        """The share of texts that were accepted; 0 where there are none."""
        return self.good / len(self.values) if self.values else 0.0

    def remark(self, what: str, cells: Mapping[str, int]) -> tuple[str, ...]:
        """A remark that counts the texts refused, and their `cells`; none where there are none."""
        if self.good == len(self.values):
            return ()
        # A few texts may be very many cells: "none" where there is no phone.
        others = sum(
            cells[text] for text, value in zip(self.texts, self.values, strict=True) if not value
        )
        different = f"{self.good:,} of {len(self.values):,} different values are {what}"
        looked = f"{others:,} of {sum(cells.values()):,} cells looked at"
        return (f"{UNSURE}{different}; the others stand in {looked}",)


def fit(texts: Iterable[str], type_: Type, region: str | None = None, **options: Any) -> Fit:
    """Convert texts as a rule with these options does, until it is clear that few will fit."""
    convert = _converter(type_, region, options)
    tried: list[str] = []
    values: list[str | None] = []
    for text in islice(texts, LOOKED_AT):
        tried.append(text)
        values.append(convert(text))
        if len(values) == _FIRST and values.count(None) > _FIRST // 2:
            break
    return Fit(tuple(tried), tuple(values))


def _converter(
    type_: Type, region: str | None, options: Mapping[str, Any], timezone: str | None = None
) -> Callable[[str], str | None]:
    """A function from a text to the value that a rule with these options sends; None on errors."""
    rule = Rule.model_validate({"column": "any", "type": type_, **options})
    run = compile_value(rule, type_, region, timezone)

    def convert(text: str) -> str | None:
        if run is None:
            return text
        value = run(text)
        bad = any(severity is Severity.ERROR for _, severity in value.faults)
        return None if bad or not value.text else value.text

    return convert


def guess_type(column: SampledColumn, meaning: Meaning, language: str | None) -> Guess:
    """Guess the type of a column that is neither a phone nor holds several values in a cell."""
    role, texts = meaning.role, column.texts
    if not texts or role in _TEXT:
        return Guess()
    if (found := _email(texts, role)) or (found := _url(texts, role)):
        return found
    if (found := _date(texts, role, language)) is not None:
        return found
    return _yes_or_no(column, language) or _number(column, role) or Guess()


def _share_needed(named: bool) -> float:
    return _SHARE_IF_NAMED if named else _SHARE_IF_NOT


def _half_look_like(texts: Iterable[str], looks: Callable[[str], object]) -> bool:
    first = list(islice(texts, _FIRST))
    return sum(bool(looks(text)) for text in first) * 2 >= len(first) > 0


def _email(texts: Mapping[str, int], role: Role | None) -> Guess | None:
    named = role is Role.EMAIL
    if not _half_look_like(texts, lambda text: "@" in text):
        return None
    found = fit(texts, "email")
    if found.share < _share_needed(named):
        return None
    return Guess("email", {}, found.remark("e-mail addresses", texts))


def _url(texts: Mapping[str, int], role: Role | None) -> Guess | None:
    if not _half_look_like(texts, lambda text: "://" in text):
        return None
    found = fit(texts, "url")
    if found.share < _share_needed(role is Role.URL):
        return None
    return Guess("url", {}, found.remark("web addresses", texts))


def _date(texts: Mapping[str, int], role: Role | None, language: str | None) -> Guess | None:
    """Choose greedily the formats that together read the most; none is needed for ISO dates.

    Where day and month cannot be told apart, none is declared: a check refuses such dates until a
    person has chosen one of the two alternatives. So it is with a day and a year of two digits in
    Hungarian lists, which write the year first. Under the header of a date, serial numbers of a
    spreadsheet program count as dates: a check reports them.
    """
    if role in _DATES and any(map(_SERIAL.fullmatch, texts)):
        texts = {text: count for text, count in texts.items() if not _SERIAL.fullmatch(text)}
        if not texts:
            return Guess("date", {}, (f"{UNSURE}numbers that a spreadsheet stores for dates",))
    if not _half_look_like(texts, _DATE_LIKE.fullmatch):
        return None
    tried = tuple(islice(texts, LOOKED_AT))
    left = set(tried) - _texts_read_by(tried, _ISO_ONLY)
    reads = {format_: _texts_read_by(tried, format_) & left for format_ in _FORMATS}
    formats: list[str] = []
    open_: list[tuple[str, str]] = []
    while left:
        best = max(reads, key=lambda format_: len(reads[format_] & left))
        if not (gained := reads[best] & left):
            break
        left -= gained
        twin = _in_other_order(best, language)
        if twin in reads and len(reads[twin] - reads[best]) * _RARELY >= len(
            reads[best] - reads[twin]
        ):
            open_.append((best, twin))
            left -= reads[twin]
            continue
        formats.append(best)
        reads.pop(twin or "", None)
    orders = {f[:2] for f in formats if _in_other_order(f, language) in _FORMATS}
    if len(orders) == 1:
        # With a time or without, a column has its dates in one order.
        [order] = orders
        formats += [format_ for pair in open_ for format_ in pair if format_[:2] == order]
        open_ = []
    one, other = (formats + [pair[n] for pair in open_] for n in (0, 1))
    found = fit(tried, "datetime", input=one or [_ISO_ONLY])
    also = fit(tried, "datetime", input=other or [_ISO_ONLY])
    better = max(found, also, key=lambda fitted: fitted.good)
    if not better.good or better.share < _share_needed(role in _DATES):
        return _with_offset(tried, role) or _text_for_dates(better, role)
    type_: Type = (
        "datetime" if any(v and not v.endswith(" 00:00:00") for v in better.values) else "date"
    )
    remarks = () if open_ else found.remark("dates", texts)
    bounds: dict[str, str] = {}
    if any("%y" in format_ for format_ in one):
        told = "69 to 99 are read as 1969 to 1999"
        if role is Role.BIRTH:
            now = today()
            bounds = {"min": f"{now.year - 99}-01-01", "max": str(now)}
            told = "they are read so that the date lies between min and max"
        remarks += (f"{UNSURE}years have two digits: {told}",)
    if not open_:
        return Guess(type_, {"input": formats, **bounds} if formats else {}, remarks)
    count = len({text for text in tried if any(text in reads[best] for best, _ in open_)})
    return Guess(
        type_,
        {},
        (*remarks, _ambiguous(count)),
        tuple({"input": each, **bounds} for each in (one, other)),
    )


def _with_offset(tried: Sequence[str], role: Role | None) -> Guess | None:
    """A guess for times with an offset: a mapping must name the zone that they are converted to."""
    convert = _converter("datetime", None, {"input": [_ISO_ONLY]}, timezone="UTC")
    good = sum(convert(text) is not None for text in tried)
    if good < _share_needed(role in _DATES) * len(tried):
        return None
    return Guess(
        remarks=(
            "times with an offset, kept as text: type: datetime here and timezone: Europe/Vienna "
            "(or another) above form convert them",
        )
    )


def _text_for_dates(found: Fit, role: Role | None) -> Guess | None:
    """Text for a column that is headed as dates, with a remark that too few of it are dates."""
    if role not in _DATES:
        return None
    figures = f"only {found.good:,} of {len(found.values):,} different values are dates"
    return Guess(remarks=(f"{UNSURE}{figures}, so it is kept as text",))


def _texts_read_by(texts: Iterable[str], format_: str) -> set[str]:
    convert = _converter("datetime", None, {"input": [format_]})
    return {text for text in texts if convert(text) is not None}


def _in_other_order(format_: str, language: str | None) -> str | None:
    """The format with day and month, in Hungarian with day and a year of two digits, exchanged.

    None for one that people write in one order only.
    """
    pairs = (("%d/%m", "%m/%d"), ("%d-%m", "%m-%d"))
    for one, other in (*pairs, ("%d.%m.%y", "%y.%m.%d")) if language == "hu" else pairs:
        if format_.startswith(one):
            return other + format_[len(one) :]
        if format_.startswith(other):
            return one + format_[len(other) :]
    return None


def _ambiguous(count: int) -> str:
    dates = "1 date has" if count == 1 else f"{count:,} dates have"
    return (
        f"{UNSURE}{dates} a day and a month that cannot be told apart: a check refuses them"
        " until you put the right one of these lines in place of the last:"
    )


def _yes_or_no(column: SampledColumn, language: str | None) -> Guess | None:
    found = fit(column.texts, "boolean")
    if found.share < 1 or len(column.texts) > 12:
        return None
    if all(text.isdigit() for text in column.texts):
        if set(column.texts) <= {"0", "1"} and len(column.texts) == 2:
            return Guess(remarks=(f"{UNSURE}only 0 and 1; if they mean no and yes: type: boolean",))
        return None
    count = len(column.texts)
    values = "its only value reads" if count == 1 else f"all {count} different values read"
    remark = f"{UNSURE}{values} as yes or no; output is sent"
    return Guess("boolean", {"output": _OUTPUT.get(language or "", ["yes", "no"])}, (remark,))


def _number(column: SampledColumn, role: Role | None) -> Guess | None:
    """A whole number or a decimal one; text, with a remark, for digits that are no quantity.

    Ids, post codes and phones are digits, too: numbers with a leading zero, with nine digits or
    more, or all different stay text. So do numbers whose mark may be decimal or part thousands.
    """
    texts = column.texts
    if not _half_look_like(texts, _NUMBER_LIKE.fullmatch):
        return None
    named = role in _MONEY or role is Role.COUNT
    if any(re.fullmatch("0[0-9]+|[0-9]{9,}", text) for text in texts):
        return Guess(remarks=("digits that are no quantity are kept as text",))
    whole = fit(texts, "integer")
    if role not in _MONEY and whole.share == 1:
        if not named and len(texts) == sum(texts.values()) >= _FIRST:
            return Guess(remarks=("whole numbers, each another one: kept as text, as ids are",))
        why = () if named else (f"{UNSURE}all {len(texts):,} different values are whole numbers",)
        return Guess("integer", {}, why)
    point, comma, either = (fit(texts, "decimal", **mark) for mark in _DECIMAL_MARKS)
    best = max(point, comma, key=lambda found: found.good)
    if best.share < (_SHARE_IF_NAMED if named else 1):
        return None
    if point.good == comma.good:
        if either.good < best.good:
            remark = (
                'a mark that is decimal or parts thousands: add type: decimal, input: "," or "."'
            )
            return Guess(remarks=(f"{UNSURE}{remark}",))
        return Guess("decimal", {}, best.remark("numbers", texts))
    remarks = best.remark("numbers", texts)
    if not named and not remarks:
        remarks = (f"{UNSURE}all {len(texts):,} different values are numbers",)
    return Guess("decimal", {"input": "." if best is point else ","}, remarks)


# Cells that hold several values, and columns that hold one of a few.


_SEPARATORS = (";", ",", "|", "\n", " / ", "/")

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


def guess_list(column: SampledColumn, meaning: Meaning) -> Guess | None:
    """The marks that divide the values in a column's cells; None where each holds one value.

    A mark divides values where the pieces recur in other cells, are far fewer than the different
    cells, and have no fixed order: the first piece of one cell stands later in others. None of that
    is required where the header names a list. A value that holds a mark itself (a date, a number, a
    unit, a path) is never divided.
    """
    if meaning.role in _NO_LIST or not column.texts:
        return None
    named = meaning.role is Role.INTERESTS
    marks = [mark for mark in _SEPARATORS if _divides(mark, column.texts, named=named)]
    if not marks:
        return None
    marked = sum(any(mark in text for mark in marks) for text in column.texts)
    pieces = _pieces(column.texts, marks)
    if not named and (
        marked * 4 < len(column.texts)
        or len(pieces) > min(_MOST_PIECES, len(column.texts) // 2)
        or max(map(len, pieces)) > _LONGEST_PIECE
        or _in_fixed_order(column.texts, marks)
    ):
        return None
    options: dict[str, Any] = {"multiple": True, "split": marks}
    figures = f"{marked:,} of {len(column.texts):,} different cells hold several values"
    why = f"{figures}; {len(pieces):,} values in all"
    return Guess(None, options, (why if named else f"{UNSURE}{why}",))


def _divides(mark: str, texts: Iterable[str], *, named: bool) -> bool:
    having = [text for text in texts if mark in text]
    if mark == "|" and len(having) * 20 < len(list(texts)):
        return False  # a stray one, which a check is to report
    if mark == "/" and not named:
        return False  # units, dates, "and/or", parts of a firm: rarely a list
    if sum(_is_one_value(mark, text) for text in having) > _STRAY * len(having):
        return False
    pieces = _pieces(having, [mark])
    again = sum(count > 1 for count in pieces.values())
    return bool(having) and (named or again * 2 > len(pieces)) and len(pieces) > 1


def _is_one_value(mark: str, text: str) -> bool:
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
    """Whether first pieces are hardly ever later ones, as in "Smith, John"."""
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


def column_remarks(column: SampledColumn, meaning: Meaning) -> tuple[str, ...]:
    """Remarks on a text column: whether it has no value, one, or a few.

    Texts are shown only of columns without personal data, and only those that recur.
    """
    if not column.filled:
        return ("blank in every row",)
    personal = meaning.role in PERSONAL or any(map(_looks_personal, column.texts))
    if column.constant:
        [text] = column.texts
        return ("the same in every row" + ("" if personal else f": {quoted(text)}"),)
    if meaning.role is Role.CITY and (ways := _spellings(column.texts)):
        places = "1 place is" if ways == 1 else f"{ways:,} places are"
        return (f"{places} written in several ways: case: title makes them one",)
    often = [text for text, count in Counter(column.texts).most_common(_FEW) if count > 1]
    few = len(column.texts) <= _FEW and len(column.texts) * 4 <= sum(column.texts.values())
    if personal or not few or not often or meaning.role in {Role.CITY, Role.ZIP}:
        return ()
    rest = len(column.texts) - len(often)
    more = f" and {rest} more, each once" if rest else ""
    return (f"values: {flow([*often])}{more}; choices would allow no others",)


def _looks_personal(text: str) -> bool:
    return "@" in text or len(text) > _SHORT or sum(map(str.isdigit, text)) > 4


def _spellings(texts: Iterable[str]) -> int:
    """How many texts differ from another in nothing but their case."""
    folded = Counter(text.casefold() for text in texts)
    return sum(count > 1 for count in folded.values())


def phone_marks(texts: Sequence[str], region: str | None) -> tuple[list[str], Fit]:
    """The marks that divide the phones in cells, none where each holds one; the fit with them."""
    tried = texts[:LOOKED_AT]
    marks: list[str] = []
    best = fit(tried, "phone", region)
    if len(best.values) < len(tried):
        # fit() stopped early, since many cells do not hold one phone: the others count as refused.
        best = Fit(tuple(tried), best.values + (None,) * (len(tried) - len(best.values)))
    while True:
        better = None
        for mark in (mark for mark in _SEPARATORS if any(mark in text for text in tried)):
            if mark in marks:
                continue
            found = fit(tried, "phone", region, multiple=True, split=[*marks, mark])
            if found.good > (better[1] if better else best).good:
                better = (mark, found)
        if better is None:
            return marks, best
        marks.append(better[0])
        best = better[1]
