"""Small words that people read while a command works."""

from __future__ import annotations

from pathlib import Path

import pytest

from importer.api.client import Client
from importer.cli.output import progress_bar
from importer.files import similar_file
from importer.model import Resumed, Waiting
from importer.sending.loop import run_loop
from importer.settings import Pace, Secret, Target
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox


@pytest.mark.parametrize(
    ("missing", "meant"),
    [
        ("nowhere.xlsx", None),
        ("lead.xlsx", "leads.xlsx"),
        ("Leads.csv", "leads.xlsx"),
        ("laeds.xlsx", "leads.xlsx"),
        ("x.xlsx", None),
        ("mapping.xlsx", None),
    ],
)
def test_only_a_file_that_is_likely_meant_is_offered(
    tmp_path: Path, missing: str, meant: str | None
) -> None:
    for name in ("r.xlsx", "leads.xlsx", "~$leads.xlsx", "notes.txt"):
        (tmp_path / name).touch()
    found = similar_file(tmp_path / missing)
    assert (found.name if found else None) == meant


def test_going_on_follows_a_wait_that_was_told(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("leads.csv", quiet=False) as tell:
        tell(Waiting(0.4, "busy"))
        tell(Resumed())
        assert capsys.readouterr().err == ""
        tell(Waiting(0.6, "busy"))
        tell(Waiting(0.6, "busy"))
        tell(Resumed())
    assert capsys.readouterr().err == "Waiting 1 s: busy\nGoing on.\n"


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_an_env_file_with_the_key_that_others_can_read_is_warned_of(
    cli: Cli,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    mode: int,
) -> None:
    monkeypatch.delenv("VCC_API_KEY")
    (tmp_path / ".env").write_text("VCC_API_KEY=sandbox\n", "utf-8")
    (tmp_path / ".env").chmod(mode)
    (tmp_path / "m.yaml").write_text("version: 1\nform: {name: Name}\n", "utf-8")
    (tmp_path / "leads.csv").write_text("Name\nAnn\n", "utf-8")
    with live_sandbox() as sandbox:
        where = ("--project", 134, "--base-url", sandbox.base_url)
        assert cli("run", "leads.csv", "-m", "m.yaml", *where) == 0
    told = capsys.readouterr().err
    assert ("others can read .env: run chmod 600 .env" in told) is (mode == 0o644)


def test_a_port_that_does_not_speak_tls_is_said_so() -> None:
    async def ask(base_url: str) -> str:
        target = Target(base_url.replace("http://", "https://"), 134, "sandbox", Secret("sandbox"))
        async with Client(target, Pace(1)) as client:
            return str((await client.probe()).detail)

    with live_sandbox() as sandbox:
        assert "does not speak TLS" in run_loop(ask(sandbox.base_url))
