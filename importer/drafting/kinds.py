"""Of what type the texts of a column are, asked of the converters that a check uses.

Where the header tells the type, most of the texts have to fit; where it does not, nearly all of
them for types that nothing else looks like, and all of them for numbers and yes or no. What can
be read in two ways (day and month, decimal mark) is never guessed: it stays text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from importer.drafting.sample import Column
from importer.drafting.words import Meaning, Role
from importer.drafting.yaml import UNSURE
from importer.mapping.spec import Rule, Type
from importer.mapping.values import compile_value
from importer.model import Severity

LOOKED_AT = 300
"""Distinct texts of a column that are tried."""
_FIRST = 20
_RARELY = 10
"""Dates that can only be read in one order decide, where those of the other are a tenth."""
_TOLD = 0.8
_SILENT = 0.95

PERSONAL = frozenset(
    {
        *(Role.NAME, Role.FIRST_NAME, Role.LAST_NAME, Role.COMPANY, Role.STREET, Role.ADDRESS),
        *(Role.NOTE, Role.EMAIL, Role.PHONE, Role.MOBILE, Role.FAX, Role.BIRTH, Role.ID),
    }
)
"""Roles whose texts are about one person: a draft never shows them."""
_TEXT = (PERSONAL - {Role.EMAIL, Role.BIRTH}) | {Role.CITY, Role.ZIP, Role.COUNTRY, Role.TITLE}
_MONEY = (Role.AMOUNT, Role.PRICE, Role.COMMISSION)
_DATES = (Role.DATE, Role.BIRTH, Role.CALL_BACK)

_DAY_FORMATS = (
    *("%d.%m.%Y", "%d.%m.%Y.", "%Y.%m.%d.", "%Y.%m.%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y"),
    *("%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FORMATS = tuple(f"{day}{time}" for time in _TIMES for day in _DAY_FORMATS)
_ISO_ONLY = "%Y|%m|%d"
"""A format that nobody writes: with it, a converter reads ISO dates and nothing else."""
_DATE_LIKE = re.compile(r"(?=.*\d.*\d)[\w.\-/:, +]{6,32}")
_NUMBER_LIKE = re.compile(r"[+-]?[\d.,'’\s]+")
_OUTPUT = {"hu": ["igen", "nem"], "de": ["ja", "nein"]}


@dataclass(frozen=True, slots=True)
class Guess:
    """A type, the options it needs, and what a person should know; None is text."""

    type: Type | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    choices: tuple[Mapping[str, Any], ...] = ()
    """Options of which a person has to take one, that a check may read what means two things."""

    def rule(self, header: str) -> dict[str, Any]:
        """The rule for a column."""
        type_ = {"type": self.type} if self.type else {}
        return {"column": header, **type_, **self.options}


@dataclass(frozen=True, slots=True)
class Fit:
    """How many of some texts a converter took, and what it made of them, None of the others."""

    texts: tuple[str, ...]
    values: tuple[str | None, ...]

    @property
    def good(self) -> int:
        """The texts that were taken."""
        return sum(value is not None for value in self.values)

    @property
    def share(self) -> float:
        """Which part of the texts was taken; 0 where there are none."""
        return self.good / len(self.values) if self.values else 0.0

    def remark(self, what: str, cells: Mapping[str, int]) -> tuple[str, ...]:
        """How far the guess holds, where that is not wholly so; `cells` counts those of a text."""
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
    """Convert texts as a rule with these options does; gives up early on a type that is not it."""
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
    rule = Rule.model_validate({"column": "any", "type": type_, **options})
    run = compile_value(rule, type_, region, timezone)

    def convert(text: str) -> str | None:
        if run is None:
            return text
        value = run(text)
        bad = any(severity is Severity.ERROR for _, severity in value.faults)
        return None if bad or not value.text else value.text

    return convert


def guess_type(column: Column, meaning: Meaning, language: str | None) -> Guess:
    """Guess the type of a column that is neither a phone nor holds several values in a cell."""
    role, texts = meaning.role, column.texts
    if not texts or role in _TEXT:
        return Guess()
    if (found := _email(texts, role)) or (found := _url(texts, role)):
        return found
    if (found := _date(texts, role)) is not None:
        return found
    return _yes_or_no(column, language) or _number(column, role) or Guess()


def _enough(told: bool) -> float:
    return _TOLD if told else _SILENT


def _mostly(texts: Iterable[str], looks: Callable[[str], object]) -> bool:
    first = list(islice(texts, _FIRST))
    return sum(bool(looks(text)) for text in first) * 2 >= len(first) > 0


def _email(texts: Mapping[str, int], role: Role | None) -> Guess | None:
    told = role is Role.EMAIL
    if not _mostly(texts, lambda text: "@" in text):
        return None
    found = fit(texts, "email")
    if found.share < _enough(told):
        return None
    return Guess("email", {}, found.remark("e-mail addresses", texts))


def _url(texts: Mapping[str, int], role: Role | None) -> Guess | None:
    if not _mostly(texts, lambda text: "://" in text):
        return None
    found = fit(texts, "url")
    if found.share < _enough(role is Role.URL):
        return None
    return Guess("url", {}, found.remark("web addresses", texts))


def _date(texts: Mapping[str, int], role: Role | None) -> Guess | None:
    """Find the formats that together read the most; none is declared for ISO dates alone.

    Where day and month cannot be told apart, none is declared either: a check refuses such dates
    until a person has chosen one of the two.
    """
    if not _mostly(texts, _DATE_LIKE.fullmatch):
        return None
    tried = tuple(islice(texts, LOOKED_AT))
    left = set(tried) - _read(tried, _ISO_ONLY)
    reads = {format_: _read(tried, format_) & left for format_ in _FORMATS}
    formats: list[str] = []
    open_: list[tuple[str, str]] = []
    while left:
        best = max(reads, key=lambda format_: len(reads[format_] & left))
        if not (gained := reads[best] & left):
            break
        left -= gained
        twin = _twin(best)
        if twin in reads and len(reads[twin] - reads[best]) * _RARELY >= len(
            reads[best] - reads[twin]
        ):
            open_.append((best, twin))
            left -= reads[twin]
            continue
        formats.append(best)
        reads.pop(twin or "", None)
    if len(orders := {format_[:2] for format_ in formats if _twin(format_) in _FORMATS}) == 1:
        # With a time or without, a column has its dates in one order.
        [order] = orders
        formats += [format_ for pair in open_ for format_ in pair if format_[:2] == order]
        open_ = []
    one, other = (formats + [pair[n] for pair in open_] for n in (0, 1))
    found = fit(tried, "datetime", input=one or [_ISO_ONLY])
    also = fit(tried, "datetime", input=other or [_ISO_ONLY])
    better = max(found, also, key=lambda fitted: fitted.good)
    if not better.good or better.share < _enough(role in _DATES):
        return _with_offset(tried, role)
    type_: Type = (
        "datetime" if any(v and not v.endswith(" 00:00:00") for v in better.values) else "date"
    )
    remarks = () if open_ else found.remark("dates", texts)
    if any("%y" in format_ for format_ in one):
        remarks += (f"{UNSURE}years have two digits: 69 to 99 are read as 1969 to 1999",)
    if not open_:
        return Guess(type_, {"input": formats} if formats else {}, remarks)
    count = len({text for text in tried if any(text in reads[best] for best, _ in open_)})
    return Guess(type_, {}, (*remarks, _ambiguous(count)), ({"input": one}, {"input": other}))


def _with_offset(tried: Sequence[str], role: Role | None) -> Guess | None:
    """Times with an offset, which a mapping has to convert to a zone that no sheet tells."""
    convert = _converter("datetime", None, {"input": [_ISO_ONLY]}, timezone="UTC")
    good = sum(convert(text) is not None for text in tried)
    if good < _enough(role in _DATES) * len(tried):
        return None
    return Guess(
        remarks=(
            "times with an offset, kept as text: type: datetime here and timezone: Europe/Vienna "
            "(or another) above form convert them",
        )
    )


def _read(texts: Iterable[str], format_: str) -> set[str]:
    convert = _converter("datetime", None, {"input": [format_]})
    return {text for text in texts if convert(text) is not None}


def _twin(format_: str) -> str | None:
    """The format in which day and month have changed places, where one is written at all."""
    for one, other in (("%d/%m", "%m/%d"), ("%d-%m", "%m-%d")):
        if format_.startswith(one):
            return other + format_[len(one) :]
        if format_.startswith(other):
            return one + format_[len(other) :]
    return None


def _ambiguous(count: int) -> str:
    dates = "1 date has" if count == 1 else f"{count:,} dates have"
    return (
        f"{UNSURE}{dates} a day and a month that cannot be told apart: a check refuses them until"
        " you put the right one of these lines in place of the last:"
    )


def _yes_or_no(column: Column, language: str | None) -> Guess | None:
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


def _number(column: Column, role: Role | None) -> Guess | None:
    texts = column.texts
    if not _mostly(texts, _NUMBER_LIKE.fullmatch):
        return None
    told = role in _MONEY or role is Role.COUNT
    if any(re.fullmatch("0[0-9]+|[0-9]{9,}", text) for text in texts):
        return Guess(remarks=("digits that are no quantity are kept as text",))
    whole = fit(texts, "integer")
    if role not in _MONEY and whole.share == 1:
        if not told and len(texts) == sum(texts.values()) >= _FIRST:
            return Guess(remarks=("whole numbers, each another one: kept as text, as ids are",))
        why = () if told else (f"{UNSURE}all {len(texts):,} different values are whole numbers",)
        return Guess("integer", {}, why)
    point, comma, either = (fit(texts, "decimal", **mark) for mark in _MARKS)
    best = max(point, comma, key=lambda found: found.good)
    if best.share < (_TOLD if told else 1):
        return None
    if point.good == comma.good:
        if either.good < best.good:
            remark = (
                'a mark that is decimal or parts thousands: add type: decimal, input: "," or "."'
            )
            return Guess(remarks=(f"{UNSURE}{remark}",))
        return Guess("decimal", {}, best.remark("numbers", texts))
    remarks = best.remark("numbers", texts)
    if not told and not remarks:
        remarks = (f"{UNSURE}all {len(texts):,} different values are numbers",)
    return Guess("decimal", {"input": "." if best is point else ","}, remarks)


_MARKS: tuple[dict[str, Any], ...] = ({"input": "."}, {"input": ","}, {})
