"""The prices of letters: where they come from, and that the file is what they make."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support import letter_prices
from tests.support.letter_prices import (
    LETTERS,
    LICENCES,
    PACKAGES,
    TABLE,
    inputs,
    main,
    measured,
    rows,
    shares,
    sources,
    words,
)
from tests.support.letter_words import WORDS

PERMISSIVE = {"Apache-2.0", "BSD-3-Clause", "MIT", "Unicode-3.0"}


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return made


def test_the_table_is_made_of_these_words_and_no_others(table: dict[str, Any]) -> None:
    assert table["sources"] == sources()
    assert table["inputs"] == inputs(), "make it anew: python -m tests.support.letter_prices"


def test_every_source_is_permissive_and_its_notice_is_shipped() -> None:
    notices = LICENCES.read_text(encoding="utf-8")
    for name, package in PACKAGES.items():
        assert package.licence in PERMISSIVE
        assert f"{name} {package.version}: {package.taken} ({package.licence})" in notices
    for holder in ("Unicode, Inc.", "Django Software Foundation", "Daniele Faraglia"):
        assert re.search(rf"Copyright .*{holder}", notices)
    assert "Apache License" in notices
    project = Path(__file__).parents[2]
    licences = tomllib.loads((project / "pyproject.toml").read_text())["project"]["license-files"]
    assert LICENCES.relative_to(project).as_posix() in licences


def test_the_table_has_a_price_for_every_pair_that_it_is_read_for(table: dict[str, Any]) -> None:
    assert list(table["languages"]) == list(LETTERS) == list(WORDS)
    for language, model in table["languages"].items():
        letters = LETTERS[language]
        plain = 27 if letters < "\u0370" else 1
        assert model["letters"] == letters
        assert list(model["rows"]) == list(letters)
        for row in model["rows"].values():
            assert re.fullmatch(rf"[0-9a-z]{{{plain + len(letters)}}} [0-9a-z]{{{plain}}}", row)


def test_what_is_measured_with_was_not_learnt() -> None:
    assert {"győr", "lefèvre", "straße", "петров"} <= measured()
    assert words(["Lefèvre, STRASSE, Győr, Fűtés", "Győr"]) == {"strasse", "fűtés"}


def test_our_words_are_letters_of_their_language() -> None:
    for language, text in WORDS.items():
        beyond = {char for char in text.lower().replace("i\u0307", "i") if not char.isascii()}
        assert beyond <= set(LETTERS[language]), language


def test_prices_follow_from_how_frequent_pairs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the pairs are an end after ``é``: 1 or 2 half nats."""
    few: dict[str, Iterable[str]] = {"own": ["bé", "té {{field_é}} %(é)s"], "names": ["McÉ"]}
    monkeypatch.setattr(letter_prices, "texts", lambda language: few)
    assert shares("de") == {("b", "é"): 0.25, ("t", "é"): 0.25, ("é", "^"): 0.5}
    after, before = rows("de")["é"].split()
    assert after[0] == "1"
    assert before[2] == before[20] == "3"
    assert int(before[3], 36) > 20


def test_it_is_made_with_the_named_releases_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--packages"]) == 0
    assert capsys.readouterr().out.splitlines()[2] == f"faker=={PACKAGES['faker'].version}"
    before = TABLE.read_bytes()
    monkeypatch.setitem(
        letter_prices.PACKAGES, "babel", letter_prices.Package("0.1", "MIT", "", "words")
    )
    assert main([]) == 1
    assert "babel 0.1 is needed" in capsys.readouterr().err
    assert TABLE.read_bytes() == before
