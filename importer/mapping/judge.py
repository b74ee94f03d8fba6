"""What follows from the facts: a column's counts → a finding for its cells, and what to tell.

Every judgement is by counts of the whole column and gives the same for the same facts. Where they
say nothing, or contradict each other, the finding is that nothing is known, and a cell that can
mean two things stays refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.mapping.countries import country_name
from importer.mapping.facts import DIALLED, PREFIX, TEXTS, Tallies, Tally, kinds_for
from importer.mapping.finding import NOTHING, Bare, Finding
from importer.mapping.kinds import CODES, DATES, FALLS, NUMBERS, OTHER, PHONES, Kinds
from importer.mapping.phones import bare_readings, in_full, international_prefix
from importer.model import PhoneReading, Problem, Severity

if TYPE_CHECKING:
    from importer.mapping.program import Program
    from importer.mapping.rule import Type

_LOW_DAYS, _HIGH_DAYS = 0.395, 0.605
"""Of the days of a year, those up to the 12th of their month, and those after it."""
_SURE, _LIKELY = 1e-6, 1e-2
"""How probable a column may be by chance for it to count as damaged, or as a thing to look at."""
_FEWEST_DATES = 6
"""Distinct ones of each sort, before a column can count as damaged."""
_SHARE_OF_REAL = (0.05, 0.85)
"""Between these lies the share of the dates that a program with the other order understood."""
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

_NONE = Tally(0)


@dataclass(frozen=True, slots=True)
class _Column:
    """A rule's column with its tallies."""

    program: Program
    tallies: Tallies

    def __getitem__(self, kind: str) -> Tally:
        return self.tallies.get(kind, _NONE)

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


def judge(
    program: Program, type_: Type, region: str | None, tallies: Tallies
) -> tuple[Finding, tuple[Problem, ...]]:
    """What a column's tallies say about its cells, and the remarks to make about the column."""
    column = _Column(program, tallies)
    finding, remarks = _judged(column, kinds_for(program, type_), region)
    return finding, (*remarks, *_common_prefix(column))


def _judged(
    column: _Column, kinds: Kinds | None, region: str | None
) -> tuple[Finding, tuple[Problem, ...]]:
    if kinds is DATES:
        return _judge_dates(column)
    if kinds is NUMBERS:
        return _judge_numbers(column)
    if kinds is PHONES:
        return _judge_phones(column, region)
    if kinds is CODES:
        return _judge_codes(column)
    return NOTHING, ()


def _judge_dates(column: _Column) -> tuple[Finding, tuple[Problem, ...]]:
    swapped, remarks = _judge_swap(column)
    day_first = None
    if column.program.rule.input is None:
        days, months = column.count("day_first"), column.count("month_first")
        if bool(days) != bool(months):
            day_first = bool(days)
        if column.count("either"):
            remarks = (*remarks, _order_remark(column, day_first))
    return Finding(day_first=day_first, swapped=swapped), remarks


def _order_remark(column: _Column, day_first: bool | None) -> Problem:
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


def _judge_swap(column: _Column) -> tuple[bool, tuple[Problem, ...]]:
    """Tell whether a spreadsheet program read the dates in an order that they do not have.

    Such a program makes real dates of all texts whose day it can take for a month, and leaves the
    others as texts: so no text is left with two small numbers, and no real date has a great one.
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


def _judge_numbers(column: _Column) -> tuple[Finding, tuple[Problem, ...]]:
    either, comma, point = column["either"], column["comma"], column["point"]
    mark = None
    if bool(comma.total) != bool(point.total):
        mark = "," if comma.total else "."
    finding = Finding(decimal_mark=mark)
    if not either.total:
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


def _judge_phones(column: _Column, region: str | None) -> tuple[Finding, tuple[Problem, ...]]:
    abroad, home = column.count("plus", "double_zero"), column.count("zero")
    bare, dates = column.count("bare"), column.count("date")
    numbers = abroad + home + bare
    prefixes = {"+": abroad, "0": home if region else 0}
    if not abroad and not home and region and bare:
        # Where the whole column was turned into numbers, no prefix is left to show.
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
    program: Program, type_: Type, region: str | None, tallies: Tallies
) -> PhoneReading | None:
    """How the phones of a column are read; None where it is none, or has no digits in it."""
    column = _Column(program, tallies)
    if kinds_for(program, type_) is not PHONES:
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


def _lost_pluses(column: _Column) -> Bare:
    """What bare phones are that begin with the region's code and are valid with a plus and without.

    Of national numbers few begin with the code, by chance; of numbers whose plus was lost all do,
    and many of these make sense only so, or are mobile phones only so. So what decides is how many
    others there are that can only be national.
    """
    either = column.count("own_either", "own_mobile")
    surely_plus = column.count("own_plus", "own_mobile")
    own = column.count("own_plus") + either
    national = column.count("own_national", "other_national")
    strong = surely_plus >= _STRONG * own
    if national * (_FEW if strong else _VERY_FEW) <= own:
        return "plus"
    return "national" if not surely_plus and either <= _BY_CHANCE * national else "unclear"


def _prefix_remarks(column: _Column, region: str | None, lost: Bare) -> Iterator[Problem]:
    tallies = [t for kind in ("own_either", "own_mobile") if (t := column[kind]).total]
    if not tallies or region is None or lost == "unclear":
        return
    first = min(tallies, key=lambda tally: tally.row)
    readings = bare_readings(first.example, region)
    if readings.national is None or readings.abroad is None:
        return
    national, plus = in_full(readings.national), in_full(readings.abroad)
    taken, left = (plus, national) if lost == "plus" else (national, plus)
    what = "with the plus lost" if lost == "plus" else "as national numbers"
    yield column.remark(
        "phone_prefix_found",
        f"{_number(sum(t.total for t in tallies), 'number')} such as {_quoted(first)} can be read "
        f"in two ways: read {what}, as {taken}, since the column shows that",
        f"if {left} is meant, write it so",
    )


def _judge_codes(column: _Column) -> tuple[Finding, tuple[Problem, ...]]:
    return _judge_zeros(column) or (NOTHING, tuple(_cut_codes(column)))


def _common_prefix(column: _Column) -> Iterator[Problem]:
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


def _judge_zeros(column: _Column) -> tuple[Finding, tuple[Problem, ...]] | None:
    """Tell whether codes of one length lost the zeros at their front."""
    lengths = {int(kind): tally for kind, tally in column.tallies.items() if kind.isdigit()}
    codes = sum(tally.total for tally in lengths.values())
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
        (tally for length, tally in lengths.items() if length < width), key=lambda t: t.row
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


def _cut_codes(column: _Column) -> Iterator[Problem]:
    """Find columns of long codes that a spreadsheet program cut after fifteen digits."""
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


def _quoted(tally: Tally) -> str:
    return f'"{tally.example}" in row {tally.row}'
