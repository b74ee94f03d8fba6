"""The drift gate: a file is compared with the middle of the job's last ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import importer
from importer.operations.drift import (
    FEWEST,
    LATEST,
    DriftBounds,
    Profile,
    compare,
    profile_of,
)

BOUNDS = DriftBounds(fewer=0.5, more=1.0, fill=0.2, phones=0.1)
USUAL = Profile(1000, {"Name": 1.0, "Phone": 0.98, "Town": 0.5}, 0.97)


def of(rows: int = 1000, phones: float | None = 0.97, **fill: float) -> Profile:
    return Profile(rows, {**USUAL.fill, **fill}, phones)


def test_a_file_like_the_last_ones_passes() -> None:
    assert compare(of(1100, 0.95, Phone=0.9), [USUAL] * 3, BOUNDS) == ()


def test_fewer_than_three_past_files_say_nothing() -> None:
    odd = Profile(3, {"X": 0.0}, 0.0)
    assert compare(odd, [USUAL] * (FEWEST - 1), BOUNDS) == ()
    assert compare(odd, [USUAL] * FEWEST, BOUNDS) != ()


@pytest.mark.parametrize(
    ("profile", "line"),
    [
        (of(499), "rows: usually about 1,000, now 499"),
        (of(2001), "rows: usually about 1,000, now 2,001"),
        (of(Phone=0.41), '"Phone": filled in 98% of rows, now 41%'),
        (of(Town=0.9), '"Town": filled in 50% of rows, now 90%'),
        (of(phones=0.5), "phones: 97% of them valid, now 50%"),
        (of(phones=None), "phones: 97% of them valid, now there are none"),
        (of(Mail=1.0), 'headers: new: "Mail"'),
    ],
)
def test_what_is_out_of_bounds_is_told_in_one_line(profile: Profile, line: str) -> None:
    assert compare(profile, [USUAL] * 3, BOUNDS) == (line,)


@pytest.mark.parametrize(
    "profile", [of(500), of(2000), of(Town=0.7), of(Town=0.3), of(phones=0.87)]
)
def test_what_is_exactly_at_a_bound_passes(profile: Profile) -> None:
    assert compare(profile, [USUAL] * 3, BOUNDS) == ()


def test_a_renamed_header_is_missing_and_new_and_the_likeness_is_told() -> None:
    renamed = Profile(1000, {"Name": 1.0, "Phones": 0.98, "Town": 0.5}, 0.97)
    assert compare(renamed, [USUAL] * 3, BOUNDS) == (
        'headers: missing now: "Phone"',
        'headers: new: "Phones" ("Phones" for "Phone"?)',
    )


def test_a_header_that_some_past_file_had_is_not_new() -> None:
    past = [USUAL, USUAL, of(Mail=1.0)]
    assert compare(of(Mail=1.0), past, BOUNDS) == ()
    assert compare(USUAL, past, BOUNDS) == ()


def test_one_odd_past_file_moves_nothing() -> None:
    past = [USUAL, of(100_000, 0.0, Phone=0.0), USUAL]
    assert compare(USUAL, past, BOUNDS) == ()


def test_only_the_latest_files_count() -> None:
    past = [of(5000)] * LATEST + [of(10)] * 100
    assert compare(of(5000), past, BOUNDS) == ()


def test_a_bound_that_is_none_does_not_look() -> None:
    odd = Profile(1, {"X": 0.0}, 0.0)
    assert compare(odd, [USUAL] * 3, DriftBounds(None, None, None, None, headers=False)) == ()


def test_a_profile_survives_json_and_another_version_of_it_is_no_profile() -> None:
    data = json.loads(json.dumps(USUAL.as_json()))
    assert Profile.from_json(data) == USUAL
    assert Profile.from_json({**data, "version": 99}) is None


def test_headers_cannot_steer_a_terminal() -> None:
    hostile = Profile(1000, {**USUAL.fill, "\x1b[2Jx" + "y" * 500: 1.0}, 0.97)
    (line,) = compare(hostile, [USUAL] * 3, BOUNDS)
    assert "\x1b" not in line
    assert len(line) < 100


MAPPING = """
version: 1
project: 1
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
rows: {unique: [contacts.1.phone]}
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING, "utf-8")
    return path


def checked(mapping: Path, *lines: str) -> Profile:
    source = mapping.with_name("leads.csv")
    source.write_text("\n".join(["Name,Phone,Note,Note,", *lines]) + "\n", "utf-8")
    return profile_of(importer.check(source, mapping))


def test_a_profile_has_figures_and_headers_and_no_cell(mapping: Path) -> None:
    profile = checked(
        mapping, "Anna Kiss,06 1 999 7400,a,,x", "Bela Nagy,nonsense,,b,", "Cili,06 1 999 7401,,,"
    )
    assert profile == Profile(
        3, {"Name": 1.0, "Phone": 1.0, "Note": 0.3333, "Note (2)": 0.3333}, 0.6667
    )
    written = json.dumps(profile.as_json())
    assert not any(text in written for text in ("Anna", "999", "nonsense"))


def test_duplicates_do_not_look_like_bad_phones(mapping: Path) -> None:
    rows = ["A,06 1 999 7400,,,"] * 9 + ["B,nonsense,,,"]
    assert checked(mapping, *rows).phones == 0.9


def test_a_file_without_rows_or_phones_has_a_profile(mapping: Path) -> None:
    assert checked(mapping, "A,,,,").phones is None
