"""What the commands do for past runs, new mappings and jobs, as functions with typed results."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import importer
from importer.model import Status
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
stamp: import_ref
"""
LEADS = [
    {"Name": "Ann", "Phone": "+36201234567"},
    {"Name": "Bob", "Phone": "+36201234568"},
]
LOST = {"kind": "close", "at": 2, "stored": True}
"""The second record is stored, and nobody hears of it."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LiveSandbox]:
    with live_sandbox() as live:
        yield live


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")
    Path("leads.yaml").write_text(MAPPING, "utf-8")
    return tmp_path


def the_run(live: LiveSandbox, name: str = "leads") -> importer.RunResult:
    target = importer.target_for(importer.load_mapping("leads.yaml"), base_url=live.base_url)
    guard = importer.Guard(again=True, label="vienna")
    return importer.run(importer.Frame(LEADS, name), "leads.yaml", target=target, guard=guard)


def test_result_files_are_written_again(sandbox: LiveSandbox) -> None:
    result = the_run(sandbox)
    file = result.directory.path / "results.csv"
    content = file.read_bytes()
    file.unlink()
    again = importer.report(result.directory.path)
    assert file.read_bytes() == content
    assert again.summary.counts == result.summary.counts


def test_uncertain_rows_are_looked_for(sandbox: LiveSandbox) -> None:
    """Where none is uncertain there is nothing to look for; on a loop, too."""
    result = the_run(sandbox)
    found = importer.reconcile(result.directory.path)
    assert (found.found, found.not_found) == ((), ())

    async def within() -> importer.Reconciliation:
        return importer.reconcile(result.directory.path)

    assert asyncio.run(within()) == found


def test_an_uncertain_row_that_the_service_has_is_created() -> None:
    with live_sandbox(faults=[LOST]) as live:
        result = the_run(live)
        assert result.summary.counts[Status.UNCERTAIN] == 1
        found = importer.reconcile(result.directory.path, settling=0)
        assert len(found.found) == 1
        assert [row.status for row in result.rows()] == [Status.CREATED, Status.CREATED]


def test_past_runs_are_listed_newest_first(sandbox: LiveSandbox) -> None:
    assert importer.history() == []
    first, second = the_run(sandbox, "first"), the_run(sandbox, "second")
    runs = importer.history()
    assert [run.run_dir for run in runs] == [
        result.directory.path.absolute() for result in (second, first)
    ]
    assert [run.file for run in runs] == ["second", "first"]
    assert runs[0].counts["created"] == 2
    assert importer.history("runs", job="vienna") == runs
    assert importer.history(job="graz") == []
    assert importer.history(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert importer.history("elsewhere") == []
    assert runs[0] in importer.history("elsewhere", everywhere=True)


def test_a_mapping_is_drafted_for_a_frame_and_fits_it(sandbox: LiveSandbox) -> None:
    frame = pd.DataFrame(LEADS)
    text = importer.init(frame)
    assert 'Drafted from "DataFrame": 2 rows, 2 columns' in text
    Path("drafted.yaml").write_text(text, "utf-8")
    assert importer.check(frame, "drafted.yaml").survey.ready == 2
    Path("leads.csv").write_text(frame.to_csv(index=False), "utf-8")
    assert 'Drafted from "leads.csv"' in importer.init("leads.csv")


def test_the_jobs_of_a_file_are_worked_on(sandbox: LiveSandbox) -> None:
    Path("inbox").mkdir()
    Path("inbox/leads.csv").write_text(pd.DataFrame(LEADS).to_csv(index=False), "utf-8")
    Path("jobs.yaml").write_text(
        f"version: 1\njobs:\n  - {{name: vienna, files: inbox/*.csv, mapping: leads.yaml,"
        f" base_url: '{sandbox.base_url}', settle: 0s}}\n",
        "utf-8",
    )
    result = importer.batch("jobs.yaml")
    assert result.exit_code == 0, result
    (job,) = result.jobs
    (file,) = job.files
    assert (job.name, file.fate, file.counts[Status.CREATED]) == (
        "vienna",
        importer.Fate.IMPORTED,
        2,
    )
    with pytest.raises(importer.UsageError, match="there is no job 'graz'"):
        importer.batch("jobs.yaml", only="graz")


def test_a_mapping_may_be_a_dict(sandbox: LiveSandbox) -> None:
    """It is kept in the run's folder, as a file's is; mistakes are told all at once."""
    keys = {
        "version": 1,
        "project": 134,
        "region": "HU",
        "form": {"name": {"column": "Name", "case": "upper"}},
        "contacts": {1: {"phone": "Phone"}},
    }
    target = importer.target_for(importer.load_mapping(keys), base_url=sandbox.base_url)
    planned = importer.plan(LEADS, keys, target=target, guard=importer.Guard(again=True))
    keys["form"] = {}
    result = importer.apply(planned.directory.path, target=target, guard=importer.Guard(again=True))
    assert result.summary.counts[Status.CREATED] == 2
    again = importer.load_mapping(planned.directory.path / "mapping.yaml")
    assert next(preview.body for preview in importer.preview(LEADS, again)) == (
        b'{"form":{"name":"ANN"},"contacts":{"1":{"phone":"36201234567"}},"phone_field":"phone1"}'
    )
    with pytest.raises(importer.MappingError) as error:
        importer.load_mapping({"version": 1, "form": {"name": {"colum": "N"}, "city": {"vale": 1}}})
    assert len(error.value.mistakes) == 2
    with pytest.raises(importer.MappingError, match="of a type that no mapping file has"):
        importer.load_mapping({"version": 1, "form": {"name": object()}})
