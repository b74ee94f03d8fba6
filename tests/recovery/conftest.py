"""A list to import, a mapping with a stamp, and the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from importer.cli.main import run_cli

MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
stamp: import_ref
"""
Cli = Callable[..., int]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command line in an empty folder, with the sandbox's credentials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")
    return lambda *arguments: run_cli([str(argument) for argument in arguments])


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
