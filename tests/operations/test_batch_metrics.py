"""The textfile says what Prometheus alerts on, and keeps what a round says nothing of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import importer
from importer.errors import OutputError
from importer.model import Status
from importer.operations.batch_report import Fate, FileOutcome, JobResult, Trouble, write_metrics

GOOD = FileOutcome("a.csv", Fate.IMPORTED, 0, {Status.CREATED: 40, Status.SKIPPED: 2})
POOR = FileOutcome("b.csv", Fate.IMPORTED, 1, {Status.CREATED: 9, Status.INVALID: 1})
BROKEN = FileOutcome("c.csv", Fate.FAILED, 2)
SLOW = FileOutcome("d.csv", Fate.WAITING, 0)


def job(name: str, *files: FileOutcome, at: float = 1000.0, trouble: str = "") -> JobResult:
    own = Trouble(2, trouble, trouble, "Mend it.") if trouble else None
    return JobResult(name, files, at, 12.5, own)


def values(path: Path) -> dict[str, float]:
    """Each sample as ``name{label values}``."""
    return {
        f"{sample.name.removeprefix('vcc_import_')}{{{','.join(labels)}}}": sample.value
        for family in text_string_to_metric_families(path.read_text("utf-8"))
        for sample in family.samples
        for labels in [[sample.labels.pop("job"), *sample.labels.values()]]
    }


def test_a_round_tells_rows_files_times_and_exit_code_of_each_job(tmp_path: Path) -> None:
    path = tmp_path / "vcc.prom"
    write_metrics(path, [job("vienna", GOOD, POOR, SLOW), job("graz", BROKEN)])
    found = values(path)
    assert found["rows{vienna,created}"] == 49
    assert found["rows{vienna,invalid}"] == 1
    assert found["rows{vienna,pending}"] == 0
    assert found["files{vienna,imported}"] == 2
    assert found["files_waiting{vienna}"] == 1
    assert found["exit_code{vienna}"] == 1
    assert found["exit_code{graz}"] == 2
    assert found["duration_seconds{vienna}"] == 12.5
    assert found["last_round_timestamp_seconds{graz}"] == 1012.5
    assert found["last_success_timestamp_seconds{vienna}"] == 1012.5
    assert "last_success_timestamp_seconds{graz}" not in found


def test_a_round_without_files_leaves_the_figures_of_the_last_one_that_had_some(
    tmp_path: Path,
) -> None:
    path = tmp_path / "vcc.prom"
    write_metrics(path, [job("vienna", GOOD)])
    write_metrics(path, [job("vienna", SLOW, at=5000.0)])
    found = values(path)
    assert found["rows{vienna,created}"] == 40
    assert found["last_success_timestamp_seconds{vienna}"] == 1012.5
    assert found["last_round_timestamp_seconds{vienna}"] == 5012.5
    assert found["files_waiting{vienna}"] == 1


def test_a_job_that_failed_keeps_the_time_of_its_last_success(tmp_path: Path) -> None:
    path = tmp_path / "vcc.prom"
    write_metrics(path, [job("vienna", GOOD)])
    write_metrics(path, [job("vienna", at=9000.0, trouble="the mapping is broken")])
    found = values(path)
    assert found["exit_code{vienna}"] == 2
    assert found["rows{vienna,created}"] == 0
    assert found["last_success_timestamp_seconds{vienna}"] == 1012.5


def test_jobs_that_a_round_left_out_stay_and_those_that_are_gone_go(tmp_path: Path) -> None:
    path = tmp_path / "vcc.prom"
    write_metrics(path, [job("vienna", GOOD), job("graz", GOOD), job("linz", GOOD)])
    write_metrics(path, [job("vienna", BROKEN)], known={"vienna", "graz"})
    found = values(path)
    assert found["rows{graz,created}"] == 40
    assert found["exit_code{vienna}"] == 2
    assert not [name for name in found if "linz" in name]


def test_a_spoilt_file_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "vcc.prom"
    path.write_bytes(b'vcc_import_rows{job="vienna" \xff\n')
    write_metrics(path, [job("graz", GOOD)])
    assert values(path)["rows{graz,created}"] == 40


def test_job_names_of_any_kind_survive_a_round(tmp_path: Path) -> None:
    path = tmp_path / "vcc.prom"
    name = 'Graz "Süd" \\ 2'
    write_metrics(path, [job(name, GOOD)])
    write_metrics(path, [job("vienna", GOOD)])
    assert values(path)[f"rows{{{name},created}}"] == 40


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_the_collector_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "vcc.prom"
    write_metrics(path, [job("vienna", GOOD)])
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["vcc.prom"]


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"vcc\.prom: cannot be written"):
        write_metrics(tmp_path / "none" / "vcc.prom", [job("vienna", GOOD)])


def test_without_the_extra_its_name_is_told(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from pathlib import Path\n"
        "from importer.errors import UsageError\n"
        "from importer.operations.batch_report import write_metrics\n"
        "try:\n    write_metrics(Path('x.prom'), [])\n"
        "except UsageError as error:\n    print(error.message, error.hint)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(importer.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "metrics need prometheus-client" in ran.stdout
    assert "vcc-importer[notify]" in ran.stdout
