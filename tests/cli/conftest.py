"""Fixtures of the command line's tests: a sandbox, and an environment that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live_sandbox import LiveSandbox, live_sandbox

ROOT = Path(__file__).parents[2]
MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name, city: City}
contacts: {1: {phone: Phone}}
rows: {unique: [contacts.1.phone]}
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LiveSandbox]:
    """A sandbox with the project of the samples, for all tests of a module."""
    with live_sandbox() as live:
        yield live


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """A small mapping for the samples' project."""
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING, "utf-8")
    return path


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    """Five rows: three good ones, a duplicate, and one with a phone that is none."""
    path = tmp_path / "leads.csv"
    path.write_text(
        "Name,City,Phone,Extra\n"
        "Ann,Budapest,06301234567,a\n"
        "Béla,Pécs,+36 20 123 4567,b\n"
        "Cili,Győr,12,c\n"
        "Ann again,Budapest,+36301234567,d\n"
        "Dóri,,0670/123-4567,e\n",
        "utf-8",
    )
    return path
