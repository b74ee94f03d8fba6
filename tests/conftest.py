"""What tests of several packages use."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.cli.main import run_cli
from tests.support.command import Cli


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command line in an empty folder, with the sandbox's credentials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VCC_RUNS_DIR", raising=False)
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")
    return lambda *arguments: run_cli([str(argument) for argument in arguments])
