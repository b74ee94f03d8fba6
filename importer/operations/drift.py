"""Drift: whether a file differs from the job's last ones in headers, rows, fill or valid phones.

Rules:
- A profile holds figures and headers only: no cell, so no personal data.
- A file is compared with the median of the last files, so that one odd file has no effect.
- A figure that fewer than `FEWEST` of the last files have is not compared.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

from importer.model import Checkup, Survey

FEWEST = 3
"""The fewest past files to compare with."""
LATEST = 10
"""The most past files to compare with."""

_VERSION = 1
_DUPLICATE = "duplicate"
_MOST_NAMED = 10
"""Headers named in one line; of the others, only how many they are."""
_LONGEST_HEADER = 60


@dataclass(frozen=True, slots=True)
class DriftBounds:
    """How much a file may differ from the last ones; None does not compare.

    `fewer` and `more` are shares of the usual number of rows: 0.5 allows half less, or half more.
    `fill` and `phones` are differences of shares: 0.2 is 20 percentage points. `headers` is whether
    missing and new headers are drift; their order never is.
    """

    fewer: float | None = 0.5
    more: float | None = 1.0
    fill: float | None = 0.2
    phones: float | None = 0.1
    headers: bool = True


@dataclass(frozen=True, slots=True)
class Profile:
    """What a file is compared by.

    `fill` maps each header that is not blank to the share of rows with a value; a header that
    stands twice gets a number. `phones` is the share of valid phones, None where there are none.
    """

    rows: int
    fill: Mapping[str, float]
    phones: float | None

    def as_json(self) -> dict[str, Any]:
        """Plain data, for the ledger."""
        return {
            "version": _VERSION,
            "rows": self.rows,
            "fill": dict(self.fill),
            "phones": self.phones,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self | None:
        """The profile that :meth:`as_json` gave; None where it is of another version."""
        if data.get("version") != _VERSION:
            return None
        return cls(data["rows"], dict(data["fill"]), data["phones"])


def profile_of(checkup: Checkup) -> Profile:
    """The profile of a file that was checked."""
    survey = checkup.survey
    seen: Counter[str] = Counter()
    fill: dict[str, float] = {}
    for column in survey.fill:
        if column.header:
            seen[column.header] += 1
            number = seen[column.header]
            name = column.header if number == 1 else f"{column.header} ({number})"
            fill[name] = round(column.filled / survey.rows, 4) if survey.rows else 0.0
    return Profile(survey.rows, fill, _valid_phones(survey))


def compare(
    profile: Profile, past: Sequence[Profile], bounds: DriftBounds, *, naming: bool = True
) -> tuple[str, ...]:
    """How a file is out of bounds, a line for each difference; none lets it pass.

    `past` are the job's last imports, newest first; fewer than `FEWEST` are not compared. Without
    `naming`, lines have no header but those of past files: a new "header" may be a person's data.
    """
    past = past[:LATEST]
    if len(past) < FEWEST:
        return ()
    return (
        *_rows(profile, past, bounds),
        *(_headers(profile, past, naming=naming) if bounds.headers else ()),
        *(_fill(profile, past, bounds.fill) if bounds.fill is not None else ()),
        *(_phones(profile, past, bounds.phones) if bounds.phones is not None else ()),
    )


def _valid_phones(survey: Survey) -> float | None:
    """The share of valid phones among all values given for one; None where there are none.

    Valid numbers are counted in ready rows only, refused texts in duplicates, too. So the numbers
    of duplicates are estimated from the other rows: else a file that repeats most of yesterday's
    would look like one of bad phones.
    """
    refused, valid = survey.readiness.invalid, float(survey.readiness.phones)
    if survey.ready:
        left_out = survey.skipped + survey.invalid
        duplicates = min(survey.problem_counts.get(_DUPLICATE, 0), left_out)
        valid *= (survey.ready + duplicates) / survey.ready
    return round(valid / (valid + refused), 4) if valid + refused else None


def _rows(profile: Profile, past: Sequence[Profile], bounds: DriftBounds) -> Iterator[str]:
    usual = median(each.rows for each in past)
    less = bounds.fewer is not None and profile.rows < usual * (1 - bounds.fewer)
    if less or (bounds.more is not None and profile.rows > usual * (1 + bounds.more)):
        yield f"rows: usually about {usual:,.0f}, now {profile.rows:,}"


def _headers(profile: Profile, past: Sequence[Profile], *, naming: bool) -> Iterator[str]:
    """Headers that most past files had and this one lacks, and those that none of them had."""
    counts = Counter(header for each in past for header in each.fill)
    missing = [h for h, n in counts.items() if n * 2 > len(past) and h not in profile.fill]
    new = [header for header in profile.fill if header not in counts]
    if missing:
        yield f"headers: missing now: {_named(missing)}"
    if new and not naming:
        yield f"headers: {len(new):,} new"
    elif new:
        like = [(h, close[0]) for h in new if (close := difflib.get_close_matches(h, missing, 1))]
        hint = f" ({_short(like[0][0])} for {_short(like[0][1])}?)" if like else ""
        yield f"headers: new: {_named(new)}{hint}"


def _fill(profile: Profile, past: Sequence[Profile], bound: float) -> Iterator[str]:
    for header, now in profile.fill.items():
        rates = [each.fill[header] for each in past if header in each.fill]
        if len(rates) >= FEWEST and _apart(usual := median(rates), now, bound):
            yield f"{_short(header)}: filled in {usual:.0%} of rows, now {now:.0%}"


def _phones(profile: Profile, past: Sequence[Profile], bound: float) -> Iterator[str]:
    rates = [each.phones for each in past if each.phones is not None]
    if len(rates) < FEWEST:
        return
    usual = median(rates)
    if profile.phones is None:
        yield f"phones: {usual:.0%} of them valid, now there are none"
    elif _apart(usual, profile.phones, bound):
        yield f"phones: {usual:.0%} of them valid, now {profile.phones:.0%}"


def _apart(usual: float, now: float, bound: float) -> bool:
    # What is exactly at the bound passes, however floats are rounded.
    return abs(usual - now) > bound + 1e-9


def _named(headers: Sequence[str]) -> str:
    names = ", ".join(map(_short, headers[:_MOST_NAMED]))
    more = len(headers) - _MOST_NAMED
    return f"{names} and {more} more" if more > 0 else names


def _short(header: str) -> str:
    """A header fit for one line of a terminal: its text comes from outside."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in header)
    if len(shown) > _LONGEST_HEADER:
        shown = f"{shown[:_LONGEST_HEADER]}…"
    return f'"{shown}"'
