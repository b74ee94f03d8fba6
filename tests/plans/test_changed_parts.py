"""A plan of which a byte was changed is refused, whichever part it is, and nothing is sent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from importer.journal.journal import Journal
from importer.pipeline.planfile import PlanFile
from importer.pipeline.ready import ReadyFile, ReadyRecords, ReadyWriter
from importer.sources import file_sha256
from tests.plans.conftest import Desk
from tests.support.live_sandbox import live_sandbox

PARTS = ("plan.json", "ready.parquet", "source.parquet", "mapping.yaml", "keys.bin")


def change_byte(path: Path, at: float) -> None:
    """Change the byte at that part of a file, 0 to 1, into another letter or digit's."""
    content = bytearray(path.read_bytes())
    place = int(at * (len(content) - 1))
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_with_one_byte_changed_is_named_and_nothing_is_sent(
    desk: Desk, told: Callable[[], str], part: str
) -> None:
    desk.plan()
    for at in (0.0, 0.01, 0.2, 0.35, 0.5, 0.8, 0.98, 1.0):
        shutil.rmtree(desk.folder / "changed", ignore_errors=True)
        shutil.copytree(desk.folder / "plan", desk.folder / "changed")
        change_byte(desk.folder / "changed" / part, at)
        told()
        assert desk.cli("apply", "changed") == 2, (part, at)
        said = told()
        assert f"changed/{part} was changed since it was planned" in said, (part, at, said)
        assert desk.sandbox.request_count() == 0
    assert desk.cli("apply", "plan") == 0
    assert desk.sandbox.request_count() == 12


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_gone_or_cut_is_named_too(
    desk: Desk, told: Callable[[], str], part: str
) -> None:
    desk.plan()
    path = desk.folder / "plan" / part
    content = path.read_bytes()
    for cut in (content[:-1], content[: len(content) // 2], b""):
        path.write_bytes(cut)
        told()
        assert desk.cli("apply", "plan") == 2
        assert f"plan/{part} was changed since it was planned" in told()
    path.unlink()
    assert desk.cli("apply", "plan") == 2
    said = told()
    assert "since it is not as approved" in said
    assert f"plan/{part} is gone" in said or f"plan/{part} was changed" in said
    path.mkdir()
    assert desk.cli("apply", "plan") == 2
    assert f"plan/{part}" in told()
    assert desk.sandbox.request_count() == 0


def test_all_parts_that_were_changed_are_named_at_once(desk: Desk, told: Callable[[], str]) -> None:
    desk.plan()
    for part in PARTS[1:]:
        change_byte(desk.folder / "plan" / part, 0.5)
    told()
    assert desk.cli("apply", "plan") == 2
    said = told()
    assert [part for part in PARTS if f"plan/{part} was changed" in said] == [*PARTS[1:]]
    assert desk.sandbox.request_count() == 0


@pytest.mark.parametrize("at", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_a_journal_with_one_byte_changed_is_refused_as_damaged_journals_are(
    desk: Desk, told: Callable[[], str], at: float
) -> None:
    desk.plan()
    change_byte(desk.folder / "plan" / "journal.sqlite3", at)
    told()
    assert desk.cli("apply", "plan") == 3
    said = told()
    assert "journal.sqlite3" in said
    assert "Nothing was sent" in said
    assert desk.sandbox.request_count() == 0


def forge(folder: Path, plan: PlanFile, body: bytes) -> None:
    """Write another body into the first record, and the hashes of all that changed with it."""
    path = folder / "ready.parquet"
    with ReadyFile(path) as file:
        rows, bodies = zip(*file.requests(), strict=True)
    ends = np.zeros(len(rows), dtype=np.int64)
    records = ReadyRecords(
        np.array(rows), pa.array([body, *bodies[1:]], pa.large_binary()), ends[:0], ends
    )
    with ReadyWriter(path, "import_ref", plan.run_id) as writer:
        writer.write(records)
    part = replace(plan.parts["ready"], sha256=file_sha256(path), content=writer.digest)
    forged = replace(plan, parts={**plan.parts, "ready": part})
    (folder / "plan.json").write_text(forged.text, "utf-8")
    with Journal.open(folder / "journal.sqlite3") as journal:
        journal.set_meta({"plan_sha256": file_sha256(folder / "plan.json")})


def test_a_plan_that_was_forged_under_its_old_id_is_known_by_the_id_that_was_approved(
    desk: Desk, told: Callable[[], str]
) -> None:
    plan = desk.plan()
    assert desk.cli("apply", "plan", "--plan-id", plan.id, "--limit", 1) == 0
    forge(desk.folder / "plan", plan, b'{"form":{"name":"Mallory"}}')
    told()
    assert desk.cli("apply", "plan", "--plan-id", plan.id) == 2
    assert "it was forged" in told()
    assert desk.sandbox.request_count() == 1
    # Without the id there is nothing to know it by.
    assert desk.cli("apply", "plan") == 0


def test_that_it_is_sent_in_spite_of_past_runs_is_a_part_of_what_was_approved(
    desk: Desk, told: Callable[[], str]
) -> None:
    plan, folder = desk.plan(), desk.folder / "plan"
    forged = replace(plan, again=[{"run_id": "r", "run_dir": "r", "sent": 12}])
    (folder / "plan.json").write_text(forged.text, "utf-8")
    with Journal.open(folder / "journal.sqlite3") as journal:
        journal.set_meta({"plan_sha256": file_sha256(folder / "plan.json")})
    told()
    assert desk.cli("apply", "plan", "--plan-id", plan.id) == 2
    assert "it was forged" in told()
    assert desk.sandbox.request_count() == 0


def test_a_plan_whose_target_was_forged_is_known_by_the_id_that_was_approved(
    desk: Desk, told: Callable[[], str]
) -> None:
    plan = desk.plan()
    with live_sandbox(log_requests=True) as elsewhere:
        with Journal.open(desk.folder / "plan" / "journal.sqlite3") as journal:
            there = {**plan.target, "base_url": elsewhere.base_url}
            journal.set_meta({"target": json.dumps(there)})
        told()
        assert desk.cli("apply", "plan", "--plan-id", plan.id) == 2
        assert "it was forged" in told()
        assert elsewhere.request_count() == 0


def test_an_id_is_taken_in_capitals_and_with_blanks_around_it_and_no_other_is(
    desk: Desk, told: Callable[[], str]
) -> None:
    plan = desk.plan()
    for wrong in ("", " ", plan.id[:-1], plan.id + "0", "0" * 32):
        told()
        assert desk.cli("apply", "plan", "--plan-id", wrong) == 2
        assert plan.id in (said := told()) or "it is blank" in said
    assert desk.sandbox.request_count() == 0
    assert desk.cli("apply", "plan", "--plan-id", f" {plan.id.upper()} ") == 0
    assert desk.sandbox.request_count() == 12
