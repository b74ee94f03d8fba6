"""A resumed run leaves out the same contacts, whatever became of the do-not-call list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}, 2: {phone: Mobile}}
rows: {do_not_call: {file: lists/robinson.csv, action: ACTION}}
"""


def prepare(folder: Path, action: str) -> tuple[Path, Path]:
    """Write 12 leads with two phones each, of which the list has every third's first."""
    mapping, leads = folder / "m.yaml", folder / "leads.csv"
    mapping.write_text(MAPPING.replace("ACTION", action), "utf-8")
    lines = [f"Név {i},0630{1_000_000 + i},0620{2_000_000 + i}" for i in range(12)]
    leads.write_text("\n".join(["Name,Phone,Mobile", *lines, ""]), "utf-8")
    (folder / "lists").mkdir()
    listed = [f"+36 30 {1_000_000 + i}" for i in range(0, 12, 3)]
    (folder / "lists" / "robinson.csv").write_text("\n".join(["Number", *listed, ""]), "utf-8")
    return mapping, leads


def summary(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "summary.json").read_text("utf-8"))
    return found


def test_a_resumed_run_leaves_out_the_same_contacts_though_the_list_is_gone(
    cli: Cli, tmp_path: Path
) -> None:
    mapping, leads = prepare(tmp_path, "drop")
    with live_sandbox() as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, "--out", "out", "--limit", 2, *url) == 0
        (tmp_path / "lists" / "robinson.csv").unlink()
        assert cli("resume", "out") == 0
        records = sandbox.records(134)
    assert len(records) == 12
    called = {phone for record in records for phone in phones(record)}
    assert {f"3620{2_000_000 + i}" for i in range(12)} <= called
    assert {p for p in called if p.startswith("3630")} == {
        f"3630{1_000_000 + i}" for i in range(12) if i % 3
    }
    source = summary(tmp_path / "out")["source"]
    assert isinstance(source, dict)
    [about] = source["do_not_call"]
    assert (about["numbers"], about["action"], len(about["sha256"])) == (4, "drop", 64)


def phones(record: dict[str, object]) -> list[str]:
    contacts = record["contacts"]
    assert isinstance(contacts, dict)
    return [contact["phone"] for contact in contacts.values()]


def test_skipped_rows_are_told_in_the_results_and_an_unusable_list_sends_nothing(
    cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping, leads = prepare(tmp_path, "skip")
    with live_sandbox() as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, "--out", "out", *url) == 0
        assert len(sandbox.records(134)) == 8
        results = (tmp_path / "out" / "results.csv").read_text("utf-8")
        assert results.count(",skipped,") == 4
        assert results.count("do_not_call") == 4
        (tmp_path / "lists" / "robinson.csv").write_text("Number\n", "utf-8")
        assert cli("run", leads, "-m", mapping, "--out", "again", *url) == 2
        assert "robinson.csv" in capsys.readouterr().err
        assert not (tmp_path / "again").exists()
        assert cli("check", leads, "-m", mapping) == 2
        assert len(sandbox.records(134)) == 8


def test_files_of_one_command_share_the_phones_that_were_seen(
    cli: Cli, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (write_leads(tmp_path / f"{name}.csv", 2) for name in "ab")
    assert cli("check", first, second, "-m", mapping, "--report", "r.csv") == 0
    assert "already stands in row 3, contact 1 of" in (tmp_path / "r.csv").read_text("utf-8")
