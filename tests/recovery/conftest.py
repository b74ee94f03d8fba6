"""A list to import, a mapping with a stamp, and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
stamp: import_ref
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """A mapping with a stamp."""
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING, "utf-8")
    return path


def write_leads(path: Path, count: int) -> Path:
    """Write a list of so many leads, from row 2 on."""
    lines = [f"Név {i},0630{1_000_000 + i}" for i in range(count)]
    path.write_text("\n".join(["Name,Phone", *lines, ""]), "utf-8")
    return path
