"""Frames out: what became of each row, and what is wrong with a list, as DataFrames."""

from __future__ import annotations

import csv
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import importer
from importer.model import Outcome, Status
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
rows: {unique: [contacts.1.phone]}
"""
LEADS = [
    {"Name": "Ann", "Phone": 36201234567, "status": "new"},
    {"Name": "Bob", "Phone": 12},
    {"Name": "Cid", "Phone": 36201234567, "status": "old"},
    {},
    {"Name": "Dan", "Phone": 36201234569},
]


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


def the_run(live: LiveSandbox) -> importer.RunResult:
    target = importer.target_for(importer.load_mapping("leads.yaml"), base_url=live.base_url)
    return importer.run(
        LEADS,
        "leads.yaml",
        target=target,
        settings=importer.RunSettings(limit=1),
        guard=importer.Guard(again=True),
    )


def test_a_run_is_a_frame_with_a_row_for_each_row(sandbox: LiveSandbox) -> None:
    result = the_run(sandbox)
    frame = result.to_pandas()
    columns = ["row", "status", "numberid", "attempts", "http_status", "code", "message"]
    assert list(frame.columns) == [*columns, "Name", "Phone", "status.1"]
    assert frame["row"].tolist() == [2, 3, 4, 6]
    assert frame["status"].tolist() == ["created", "invalid", "skipped", "pending"]
    assert frame["status.1"].tolist() == ["new", "", "old", ""]
    assert frame["Phone"].tolist() == ["36201234567", "12", "36201234567", "36201234569"]
    assert frame["attempts"].tolist() == [1, 0, 0, 0]
    assert frame["http_status"].dtype == "Int64"
    assert frame["http_status"].tolist() == [200, pd.NA, pd.NA, pd.NA]
    assert frame["numberid"].notna().tolist() == [True, False, False, False]


def test_the_frame_and_the_rows_say_what_results_csv_says(sandbox: LiveSandbox) -> None:
    result = the_run(sandbox)
    with (result.directory.path / "results.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    frame = result.to_pandas()[header].astype("string").fillna("")
    assert frame.to_numpy().tolist() == lines
    rows = list(result.rows())
    assert [[str(row.row), row.status, "|".join(row.numberids)] for row in rows] == [
        line[:3] for line in lines
    ]
    assert [row.cells["Name"] for row in rows] == ["Ann", "Bob", "Cid", "Dan"]
    assert rows[1].hint


def test_what_failed_is_mended_and_imported_from_the_frame(sandbox: LiveSandbox) -> None:
    """The columns that a run has added are columns that nothing reads."""
    frame = the_run(sandbox).to_pandas()
    failed = frame[frame["status"] == "invalid"].assign(Phone="+36 20 123 4999")
    target = importer.target_for(importer.load_mapping("leads.yaml"), base_url=sandbox.base_url)
    result = importer.run(failed, "leads.yaml", target=target)
    assert result.summary.counts[Status.CREATED] == 1
    assert result.checkup is not None
    assert result.checkup.info.problems == ()


def test_a_run_of_the_past_has_rows_too(sandbox: LiveSandbox) -> None:
    """They are read from its folder when they are asked for: what was settled since is seen."""
    first = the_run(sandbox)
    target = importer.target_for(importer.load_mapping("leads.yaml"), base_url=sandbox.base_url)
    importer.resume(first.directory.path, target=target, guard=importer.Guard(again=True))
    assert [row.status for row in first.rows()][-1] is Status.CREATED


def test_columns_without_a_name_of_their_own_get_one(sandbox: LiveSandbox) -> None:
    Path("leads.csv").write_text("Name,Phone,,note,note,row\nAnn,+36201234567,a,b,c,d\n", "utf-8")
    target = importer.target_for(importer.load_mapping("leads.yaml"), base_url=sandbox.base_url)
    result = importer.run("leads.csv", "leads.yaml", target=target)
    (row,) = result.rows()
    assert dict(row.cells) == {
        "Name": "Ann",
        "Phone": "+36201234567",
        "Unnamed: 2": "a",
        "note": "b",
        "note.1": "c",
        "row": "d",
    }
    assert result.to_pandas().columns[-4:].tolist() == ["Unnamed: 2", "note", "note.1", "row.1"]


def test_problems_are_a_frame() -> None:
    frame = importer.check(LEADS, "leads.yaml").to_pandas()
    columns = ["row", "column", "target", "code", "message", "value", "hint", "severity"]
    assert list(frame.columns) == columns
    assert frame.dtypes.astype(str).tolist() == ["Int64", *["string"] * 7]
    found = frame[["row", "column", "code", "severity"]].iloc[0].tolist()
    assert found == [3, "Phone", "bad_phone", "error"]
    none = importer.check(LEADS[:1], "leads.yaml").to_pandas()
    assert (len(none), list(none.columns)) == (0, columns)


def test_all_problems_are_in_the_frame_where_there_is_a_log(tmp_path: Path) -> None:
    rows = [{"Name": "Ann", "Phone": n} for n in range(1200)]
    assert len(importer.check(rows, "leads.yaml").to_pandas()) == 1000
    checkup = importer.check(rows, "leads.yaml", log=tmp_path / "problems.log")
    assert len(checkup.to_pandas()) >= 1200


def test_rows_are_gone_through_in_flat_memory(tmp_path: Path) -> None:
    """Of a list of 60,000 rows, some thousand are in memory at a time."""
    from importer.journal.journal import Journal
    from importer.pipeline.result_rows import result_rows
    from importer.pipeline.rundir import RunDirectory
    from importer.sources.frames import Frame, open_frame
    from importer.sources.snapshot import SnapshotWriter

    count = 60_000
    directory = RunDirectory(tmp_path)
    frame = Frame({"Name": f"Ann {n}", "Phone": n} for n in range(count))
    with (
        open_frame(frame, importer.SourceOptions()) as source,
        SnapshotWriter(directory.snapshot, source.info.headers, source.info) as copy,
    ):
        for batch in source.batches():
            copy.write(batch)
    with Journal.create(directory.journal, {}) as journal:
        journal.settle([Outcome(n + 2, Status.SKIPPED) for n in range(count)])
    tracemalloc.start()
    try:
        assert sum(row.status is Status.SKIPPED for row in result_rows(directory)) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * 2**20


NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.md"


def test_the_notebook_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Its cells one after the other, against a sandbox of its own."""
    page = NOTEBOOK.read_text("utf-8")
    (mapping,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    Path("leads.yaml").write_text(mapping, "utf-8")
    cells = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.DOTALL)
    assert len(cells) == page.count("```python")
    names: dict[str, object] = {}
    with live_sandbox() as live:
        for code, output in cells:
            here = code.replace("http://127.0.0.1:8080/v2", live.base_url)
            exec(compile(here, str(NOTEBOOK), "exec"), names)  # noqa: S102
            printed = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
            assert printed == output
