"""What a report says, in words and figures, whatever it is written as."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from importer.model import Checkup, ColumnFill, Problem, Severity, SourceInfo, Survey

EXAMPLES = 5
"""Problems shown of each kind."""
LONG = 200
"""Characters of one text that are shown; the file itself has the whole."""


class Tone(StrEnum):
    """How good the news is."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "can I import this?", and what goes with it."""

    tone: Tone
    headline: str
    details: str


@dataclass(frozen=True, slots=True)
class Kind:
    """All problems with one code; `examples` has the first of them."""

    code: str
    count: int
    severity: Severity
    examples: tuple[Problem, ...]

    @property
    def title(self) -> str:
        """The code as words."""
        return self.code.replace("_", " ").capitalize()


def verdict(checkup: Checkup) -> Verdict:
    """Whether the file can be imported as it is."""
    survey = checkup.survey
    details = fates(survey)
    if checkup.refused:
        return Verdict(Tone.BAD, "Not ready: the project would refuse it", f"{details}.")
    whole = tuple(whole_file_errors(survey))
    if whole:
        concern = "problem concerns" if len(whole) == 1 else "problems concern"
        return Verdict(
            Tone.BAD, f"Not ready: {len(whole)} {concern} the file as a whole", f"{details}."
        )
    if survey.invalid:
        words = "needs" if survey.invalid == 1 else "need"
        return Verdict(
            Tone.BAD,
            f"{survey.invalid:,} of {count(survey.rows, 'row')} {words} mending",
            f"{details}.",
        )
    if not survey.ready:
        return Verdict(Tone.DOUBTFUL, "Nothing to import: no row is ready", f"{details}.")
    return Verdict(Tone.GOOD, f"Ready to import: {_ready(survey)}", f"{details}.")


def blocked(checkup: Checkup) -> bool:
    """Whether no row can be imported before something about the file as a whole is mended."""
    return bool(checkup.refused) or any(whole_file_errors(checkup.survey))


def fates(survey: Survey) -> str:
    """The rows by what would become of them."""
    return (
        f"{count(survey.rows, 'row')}: {survey.ready:,} ready, {survey.invalid:,} invalid, "
        f"{survey.skipped:,} skipped"
    )


def whole_file_errors(survey: Survey) -> Iterator[Problem]:
    """Errors about no row of their own: nothing is imported before they are mended.

    Of a code with very many, only the first.
    """
    for problems in survey.examples.values():
        yield from (p for p in problems if p.row is None and p.severity is Severity.ERROR)


def kinds(survey: Survey) -> list[Kind]:
    """The kinds of problems, errors first, then the most frequent."""
    found = []
    for code, number in survey.problem_counts.items():
        examples = survey.examples.get(code, ())
        errors = any(problem.severity is Severity.ERROR for problem in examples)
        severity = Severity.ERROR if errors else Severity.WARNING
        found.append(Kind(code, number, severity, examples))
    return sorted(found, key=lambda kind: (kind.severity is Severity.WARNING, -kind.count))


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


def columns(checkup: Checkup) -> list[tuple[ColumnFill, str, bool]]:
    """How full each column is, with its name, and whether the mapping uses it."""
    unused = set(checkup.unused_columns)
    return [
        (fill, visible(fill.header) or f"(no header, column {number})", fill.header not in unused)
        for number, fill in enumerate(checkup.survey.fill, 1)
        if not fill.header.startswith("_") and (fill.header or fill.filled)
    ]


def place(problem: Problem) -> str:
    """Where a problem is: its row and its column."""
    row = "whole file" if problem.row is None else f"row {problem.row}"
    if problem.row is None and problem.column:
        row = "whole column"
    return f"{row}, {visible(problem.column)}" if problem.column else row


def remedies(kind: Kind) -> list[str]:
    """What to do about problems of a kind, each way once."""
    return list(dict.fromkeys(p.hint for p in kind.examples if p.hint))[:EXAMPLES]


def percent(part: int, whole: int) -> str:
    """A share in words; never rounded to none or to all where it is neither."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < part < whole:
        share = min(max(share, 0.1), 99.9)
    return f"{share:.1f} %" if share not in {0, 100} else f"{share:.0f} %"


def count(number: int, noun: str) -> str:
    """A number and its noun, which takes an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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


def _ready(survey: Survey) -> str:
    if survey.ready == survey.rows:
        return count(survey.rows, "row")
    return f"{survey.ready:,} of {count(survey.rows, 'row')}"


_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|"}
# Control characters, zero-width and direction marks, separators, what UTF-8 cannot say.
_UNSEEN = re.compile(
    "\r\n|[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_SIGNS = {"\n": "⏎", "\r": "⏎", "\r\n": "⏎", "\t": "⇥"}


def _named(match: re.Match[str]) -> str:
    sign = _SIGNS.get(match[0])
    return sign if sign is not None else f"⟨U+{ord(match[0][0]):04X}⟩"
