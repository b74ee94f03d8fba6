"""What a report says, in words and figures, whatever it is written as."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, takewhile

from importer.model import (
    Checkup,
    ColumnFill,
    NewValue,
    PhoneReading,
    Problem,
    Severity,
    SourceInfo,
    Status,
    Survey,
)

EXAMPLES = 5
"""Problems shown of each kind."""

LONG = 200
"""Characters of one text that are shown; the file itself has the whole."""

LONG_HINT = 1000
"""Characters of a hint that are shown: a command in it is to be pasted as it stands."""


class Tone(StrEnum):
    """Whether the file can be imported (good) or not (bad), or has nothing to import (doubtful)."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The answer to "can I import this?", in a line, and how good it is."""

    tone: Tone
    headline: str


@dataclass(frozen=True, slots=True)
class ProblemGroup:
    """All problems with one code; `examples` has the first of them."""

    code: str
    count: int
    severity: Severity
    examples: tuple[Problem, ...]

    @property
    def title(self) -> str:
        """The code as words."""
        return self.code.replace("_", " ").capitalize()


def conclusion(checkup: Checkup) -> Conclusion:
    """Whether the file can be imported as it is."""
    survey = checkup.survey
    if checkup.refused:
        return Conclusion(Tone.BAD, "Not ready: the project would refuse it")
    whole = len(tuple(whole_file_errors(survey)))
    if whole:
        concern = "problem concerns" if whole == 1 else "problems concern"
        return Conclusion(Tone.BAD, f"Not ready: {whole} {concern} the file as a whole")
    if survey.invalid:
        words = "needs" if survey.invalid == 1 else "need"
        rows = count(survey.rows, "row")
        return Conclusion(Tone.BAD, f"{survey.invalid:,} of {rows} {words} mending")
    if not survey.ready:
        return Conclusion(Tone.DOUBTFUL, "Nothing to import: no row is ready")
    return Conclusion(Tone.GOOD, f"Ready to import: {_ready(survey)}")


def _ready(survey: Survey) -> str:
    if survey.ready == survey.rows:
        return count(survey.rows, "row")
    return f"{survey.ready:,} of {count(survey.rows, 'row')}"


def blocked(checkup: Checkup) -> bool:
    """Whether no row can be imported before something about the file as a whole is mended."""
    return bool(checkup.refused) or any(whole_file_errors(checkup.survey))


def row_counts(survey: Survey) -> str:
    """How many rows are ready, invalid and skipped, in words."""
    return (
        f"{count(survey.rows, 'row')}: {survey.ready:,} ready, {survey.invalid:,} invalid, "
        f"{survey.skipped:,} skipped"
    )


def whole_file_errors(survey: Survey) -> Iterator[Problem]:
    """Errors about no row of their own: nothing is imported before they are mended.

    All that the survey lists; of a code with very many, the first at least.
    """
    return (one for one in _of_the_file(survey) if one.severity is Severity.ERROR)


def whole_file_warnings(survey: Survey) -> Iterator[Problem]:
    """Warnings about the file as a whole: those that the survey lists, as of the errors."""
    return (one for one in _of_the_file(survey) if one.severity is Severity.WARNING)


def _of_the_file(survey: Survey) -> Iterator[Problem]:
    examples = chain.from_iterable(survey.examples.values())
    # The survey lists those of the file before those of rows.
    listed = takewhile(lambda problem: problem.row is None, survey.problems)
    for problem in dict.fromkeys(chain(listed, examples)):
        if problem.row is None:
            yield problem


def problem_groups(survey: Survey) -> list[ProblemGroup]:
    """All problems by their code: errors first, then the most frequent."""
    found = []
    for code, number in survey.problem_counts.items():
        examples = survey.examples.get(code, ())
        errors = any(problem.severity is Severity.ERROR for problem in examples)
        severity = Severity.ERROR if errors else Severity.WARNING
        found.append(ProblemGroup(code, number, severity, examples))
    return sorted(found, key=lambda group: (group.severity is Severity.WARNING, -group.count))


def all_problems(checkup: Checkup) -> Iterable[Problem]:
    """Every problem, streamed; without `findings`, those that the Survey lists."""
    findings = checkup.findings
    return checkup.survey.problems if findings is None else findings.problems()


_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|"}


def describe(info: SourceInfo) -> str:
    """How a file was read, in one line: what was found by looking can be checked at a glance."""
    parts = [f'sheet "{info.sheet}"'] if info.sheet is not None else []
    if info.encoding is not None:
        parts.append(info.encoding)
    if info.delimiter is not None:
        parts.append(f"delimiter {_DELIMITERS.get(info.delimiter, info.delimiter)!s}")
    parts.append(f"header in row {info.header_row}")
    parts.append(count(len(info.headers), "column"))
    return visible(", ".join(parts))


def readiness(survey: Survey) -> list[tuple[str, str]]:
    """Whether the dialler will find whom to call, as names and figures; empty if not known."""
    found = survey.readiness
    if not (found.callable or found.phones or found.invalid):
        return []
    figures = [
        ("Rows that can be called", f"{found.callable:,} of {survey.ready:,} ready rows"),
        ("Valid phone numbers", f"{found.phones:,}"),
        ("Invalid phone numbers", f"{found.invalid:,}"),
        ("Repeated phone numbers", f"{found.repeated:,}"),
    ]
    if survey.ready:
        name, figure = figures[0]
        figures[0] = (name, f"{figure} ({percent(found.callable, survey.ready)})")
    return figures


def phones_read(checkup: Checkup, *, for_supplier: bool = False) -> list[str]:
    """How the phones of each target were read, a line for each; of each column for its supplier."""
    found = (
        f"{_phones_of(reading, for_supplier=for_supplier)}: {_reading(reading)}"
        for reading in checkup.phones
    )
    return list(dict.fromkeys(found))


def _phones_of(reading: PhoneReading, *, for_supplier: bool) -> str:
    column = visible(reading.column)
    if for_supplier and column:
        return column
    return f"{reading.target} ({column})" if column else reading.target


def _reading(reading: PhoneReading) -> str:
    """How many phones were read in which way; ways in which none was are left out."""
    home = f"read as +{reading.country_code}, {reading.country}"
    parts = (
        (reading.with_code, "with a country code"),
        (
            reading.without_code,
            f"{home}, where no country code stands"
            if reading.region is not None
            else "without a country code, and no region is set that would say which it is",
        ),
        (
            reading.plus_put_back,
            f"{home}, with the plus put back that was lost before {reading.country_code}",
        ),
        (reading.unclear, "held back where it is not clear whether a plus was lost"),
    )
    first, *others = ((number, words) for number, words in parts if number)
    told = [f"{count(first[0], 'number')} {first[1]}"]
    return "; ".join(told + [f"{number:,} {words}" for number, words in others])


_WHY_SKIPPED = {
    "filtered": "filtered out by the mapping",
    "duplicate": "the same as a row before",
    "do_not_call": "on a do-not-call list",
    "sent_before": "sent by an earlier run",
    "no_contact": "without a phone",
}
"""Why rows are skipped, by code."""


def why_left_out(codes: Sequence[str], status: Status) -> str:
    """Why a row is left out, in words; of a skipped row only why it was skipped."""
    known = [_WHY_SKIPPED[code] for code in codes if code in _WHY_SKIPPED]
    if status is Status.SKIPPED and known:
        return known[0]
    return " and ".join(code.replace("_", " ") for code in codes)


def left_out(
    survey: Survey,
    status: Status,
    most: int,
    why: Callable[[Sequence[str], Status], str] = why_left_out,
) -> str:
    """Why rows of this status are left out, in words: the `most` frequent reasons."""
    reasons: Counter[str] = Counter()
    for (kept_as, codes), rows in survey.left_out.items():
        if kept_as is status:
            reasons[why(codes.split("|"), status)] += rows
    told = [f"{rows:,} {reason}" for reason, rows in reasons.most_common(most)]
    if len(reasons) == 1:
        return next(iter(reasons))
    if others := reasons.total() - sum(rows for _, rows in reasons.most_common(most)):
        told.append(f"{others:,} for other reasons")
    return ", ".join(told)


def new_value(value: NewValue) -> str:
    """A value that would be created, the nearest that exists, and where it stands."""
    near = f' → "{visible(value.nearest, _LONG_VALUE)}"?' if value.nearest else ":"
    listed = ", ".join(map(str, value.rows)) + (" …" if value.count > len(value.rows) else "")
    return f'"{visible(value.text, _LONG_VALUE)}"{near} {count(value.count, "row")} ({listed})'


_LONG_VALUE = 80
"""Characters of a value that are shown."""


def columns(checkup: Checkup) -> list[tuple[ColumnFill, str, bool]]:
    """How full each column is, with its name, and whether the mapping uses it."""
    unused = set(checkup.unused_columns)
    return [
        (fill, visible(fill.header) or f"(no header, column {number})", fill.header not in unused)
        for number, fill in enumerate(checkup.survey.fill, 1)
        if not fill.header.startswith("_") and (fill.header or fill.filled)
    ]


def location(problem: Problem) -> str:
    """Where a problem is: its row and its column."""
    row = "whole file" if problem.row is None else f"row {problem.row}"
    if problem.row is None and problem.column:
        row = "whole column"
    return f"{row}, {visible(problem.column)}" if problem.column else row


# What the supplier is told.


_MAPPING_WORDS = re.compile(
    r"\bmapping\b|(?<![\w-])--[a-z]"
    r"|\b(?:rows|contacts|form|source|premium|disposition)\.[a-z_0-9]+"
    r"|\b(?:on_error|phone_field|skip_when|new_values|min_length|max_length|remove_prefix"
    r"|without_contact|on_duplicate|do_not_call|header_row)\b"
    r"|\b(?:case|choices|default|delimiter|empty|encoding|format|input|join|map|max|min|multiple"
    r"|output|pattern|pipe|region|repair|required|sheet|source|split|template|timezone|trim|type"
    r"|unique|within): ?[^\s]"
    r"|\bwith (?:map|split)\b"
)
"""Words of hints that only the author of the mapping can act upon."""

_ALTERNATIVES = re.compile(r"[,;]? or (?=\w+ )|; |\. (?=[A-Z])|(?<=\?) ")

_READ_AS = re.compile(r"\bto read it as (.+?), or\b")

_ISO = "write it as year-month-day: 2024-05-31"

_ALL_ISO = "write all dates of this column as year-month-day: 2024-05-31"

_PLAIN = "so that they can mean one thing only: 1234, or 1.2340"

_AS_TEXT = "write it out in full, in a column formatted as text"

_SUPPLIER_HINTS = {
    "ambiguous_date": _ISO,
    "ambiguous_number": "write it so that it can mean one number only: 1234, or 1.2340",
    "century_assumed": f"if that is wrong, {_ALL_ISO}",
    "common_prefix": "if that is no part of the value, take it off",
    "damaged_number": _AS_TEXT,
    "date_order_found": f"if that is wrong, {_ALL_ISO}",
    "date_order_unknown": _ALL_ISO,
    "dates_maybe_swapped": _ALL_ISO,
    "dates_swapped": _ISO,
    "decimal_mark_found": f"if that is wrong, write all numbers of this column {_PLAIN}",
    "decimal_mark_unknown": f"write all numbers of this column {_PLAIN}",
    "duplicate_header": "give each of these columns a name of its own",
    "encoding_unsure": "if these words are wrong, save the list anew as CSV UTF-8, or as .xlsx",
    "hidden_columns": "look whether these are meant to be imported; if not, delete them",
    "hidden_rows": "a filter may hide them: delete those that are not meant to be imported",
    "hidden_sheets": "look whether the right sheet was read; if not, delete the others",
    "no_contact": "fill in a phone, or delete the row",
    "not_boolean": "write yes or no",
    "offset_without_timezone": "write the local time, without an offset",
    "phone_prefix_lost": "write the number with + and its country code",
    "phone_without_region": "write the number with + and its country code",
    "pipe_in_value": "take it out",
    "serial_date": _ISO,
    "several_phones": "leave one number in each cell",
    "two_digit_year": _ISO,
    "zeros_lost": "write the zeros at the front, too, in a column formatted as text",
}
"""For whoever made the list, by code: what to mend in it."""


def remedies(group: ProblemGroup) -> list[str]:
    """What the supplier is to do about the problems of a group, each way once."""
    found = (supplier_hint(problem) for problem in group.examples)
    return list(dict.fromkeys(hint for hint in found if hint))[:EXAMPLES]


def supplier_hint(problem: Problem) -> str | None:
    """What is to be mended in the list itself, for reports that go to whoever made it.

    A hint that speaks of the mapping or of an option is for the operator, who has the text and the
    JSON. `_SUPPLIER_HINTS` replaces it by the code; of other hints the alternatives that do not
    speak of these are left.
    """
    hint = problem.hint
    if hint is None or not _MAPPING_WORDS.search(hint):
        return hint
    if problem.code in _SUPPLIER_HINTS:
        meant = _READ_AS.search(hint)
        told = _SUPPLIER_HINTS[problem.code]
        return f"if {meant[1]} is meant, write that; else {told}" if meant is not None else told
    ways = [way for way in _ALTERNATIVES.split(hint) if way and not _MAPPING_WORDS.search(way)]
    return ", or ".join(way.rstrip(" .;") for way in ways) or None


def supplier_message(problem: Problem) -> str:
    """What is wrong, by the name of the column where the message has that of the field."""
    message = problem.message
    if not (problem.target and problem.column):
        return message
    if message.startswith(f"{problem.target} "):
        return f"it{message.removeprefix(problem.target)}"
    return message.replace(problem.target, f'"{problem.column}"')


# Figures and texts as all reports have them.


def percent(part: int, whole: int) -> str:
    """A share in words; never rounded to none or to all where it is neither."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < part < whole:
        share = min(max(share, 0.1), 99.9)
    return f"{share:.1f} %" if share not in {0, 100} else f"{share:.0f} %"


def count(number: int, noun: str) -> str:
    """A number with its noun, which has an s in the plural: "1,200 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


# Control characters, zero-width and direction marks, separators, what UTF-8 cannot say.
_UNSEEN = re.compile(
    "\r\n|[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)

_SIGNS = {"\n": "⏎", "\r": "⏎", "\r\n": "⏎", "\t": "⇥"}


def visible(text: str | None, longest: int = LONG) -> str:
    """A stranger's text as it may be shown: on one line, not too long, and nothing hidden.

    Characters that cannot be seen, or that turn around what stands beside them, are named.
    """
    if not text:
        return ""
    shown = text[:longest]
    if len(text) > longest:
        shown += f"… ({len(text):,} characters)"
    return _UNSEEN.sub(_named, shown)


def _named(match: re.Match[str]) -> str:
    sign = _SIGNS.get(match[0])
    return sign if sign is not None else f"⟨U+{ord(match[0][0]):04X}⟩"
