"""A list, its mapping with a do-not-call list, a project to send it to, and plans of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from importer.pipeline.planfile import PlanFile
from tests.support.command import Cli
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form:
  name: Name
  city: City
contacts: {1: {phone: Phone}}
stamp: import_ref
rows: {unique: [contacts.1.phone], within: 30d, do_not_call: {file: robinson.csv, action: skip}}
"""
ROWS = 12
"""Leads of a list, in rows 2 to 13."""


def write_list(path: Path, count: int = ROWS, *, first: int = 0, city: str = "Budapest") -> Path:
    """Write so many leads; `first` is the number of the first one."""
    lines = [f"Név {i},{city},0630{1_000_000 + i}" for i in range(first, first + count)]
    path.write_text("\n".join(["Name,City,Phone", *lines, ""]), "utf-8")
    return path


def write_do_not_call(folder: Path, *numbers: int) -> Path:
    """Write the do-not-call list, with the phones of leads by their numbers."""
    path = folder / "robinson.csv"
    listed = [f"0630{1_000_000 + i}" for i in numbers]
    path.write_text("\n".join(["Phone", "06309999999", *listed, ""]), "utf-8")
    return path


@pytest.fixture
def sandbox() -> Iterator[LiveSandbox]:
    """A service that keeps a log of what it received."""
    with live_sandbox(log_requests=True) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Desk:
    """Where somebody plans and applies: a folder with a list, a mapping and a do-not-call list."""

    cli: Cli
    folder: Path
    sandbox: LiveSandbox

    def plan(self, out: str = "plan", *words: object, leads: str = "leads.csv") -> PlanFile:
        """Plan the list for the sandbox."""
        url = ("--base-url", self.sandbox.base_url)
        assert self.cli("plan", leads, "-m", "m.yaml", "--out", out, "-q", *url, *words) == 0
        return PlanFile.read(self.folder / out / "plan.json")


@pytest.fixture
def desk(cli: Cli, tmp_path: Path, sandbox: LiveSandbox) -> Desk:
    """A desk with the list of `ROWS` leads."""
    write_list(tmp_path / "leads.csv")
    write_do_not_call(tmp_path)
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    return Desk(cli, tmp_path, sandbox)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was said on the terminal since it was asked last."""

    def said() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return said
