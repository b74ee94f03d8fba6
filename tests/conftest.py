"""What tests of several packages use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from importer.cli.main import run_cli
from tests.support.command import Cli
from tests.support.examples import examples

settings.register_profile(
    "ours",
    max_examples=examples(50),
    # How long an example takes says more of what else the machine does.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # A change is judged by the same examples each time; whoever works on it tries new ones.
    derandomize="CI" in os.environ,
)
settings.load_profile("ours")


@pytest.fixture(autouse=True)
def state_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is remembered of a user apart for each test, for its child processes, too."""
    path = tmp_path_factory.mktemp("state") / "vcc"
    monkeypatch.setenv("VCC_STATE_DIR", str(path))
    return path


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command line in an empty folder, with the sandbox's credentials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VCC_RUNS_DIR", raising=False)
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")
    return lambda *arguments: run_cli([str(argument) for argument in arguments])
