"""A round of the batch: every job is looked after once, and bad days lose and double nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.errors import UsageError
from importer.model import Status
from importer.operations.batch import run_batch
from importer.operations.batch_file import release
from importer.operations.batch_report import BatchResult, advice
from importer.operations.batch_round import RoundContext
from importer.operations.jobs import load_jobs
from importer.operations.ledger import FILE, Ledger
from importer.operations.moving import _new_intent, _write_intent
from importer.pipeline.running import StopSwitch
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
stamp: import_ref
"""
JOB = """\
  - name: NAME
    files: NAME/*.csv
    mapping: m.yaml
    base_url: URL
    done: done/NAME
    failed: failed/NAME
    held: held/NAME
    settle: 0
"""


@dataclass
class Night:
    """A folder with a jobs file, and rounds of it."""

    home: Path
    url: str

    def jobs(self, *names: str, more: str = "", top: str = "") -> None:
        """Write a jobs file with these jobs, all alike; `more` are keys of the last one."""
        text = "".join(JOB.replace("NAME", name).replace("URL", self.url) for name in names)
        (self.home / "jobs.yaml").write_text(f"version: 1\n{top}jobs:\n{text}{more}", "utf-8")
        for name in names:
            (self.home / name).mkdir(exist_ok=True)

    def put(self, name: str, count: int = 3, first: int = 0, text: str | None = None) -> Path:
        """Put a list of so many leads into an inbox."""
        path = self.home / name
        lines = [f"Név {i},0630{1_000_000 + i}" for i in range(first, first + count)]
        path.write_text(text or "\n".join(["Name,Phone", *lines, ""]), "utf-8")
        return path

    def round(self, **given: Any) -> BatchResult:
        """One round; what is given beside the jobs."""
        stop = given.pop("stop", StopSwitch())
        only = given.pop("only", None)
        return run_batch(RoundContext(load_jobs(self.home / "jobs.yaml"), stop, **given), only=only)

    def tree(self, folder: str) -> list[str]:
        """The files in a folder and below, but hidden ones."""
        root = self.home / folder
        return sorted(
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )


def files(result: BatchResult) -> list[tuple[str, str, int]]:
    """What became of the files of a round."""
    return [(f.file, f.fate.value, f.exit_code) for job in result.jobs for f in job.files]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")


@pytest.fixture(scope="module")
def service() -> Iterator[LiveSandbox]:
    with live_sandbox(log_requests=True) as live:
        yield live


@pytest.fixture
def night(tmp_path: Path, service: LiveSandbox) -> Night:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    return Night(tmp_path, service.base_url)


def test_a_project_that_is_not_there_waits_for_a_person(night: Night) -> None:
    night.jobs("a", more="    project: 999\n")
    night.put("a/leads.csv")
    result = night.round()
    assert (files(result), result.exit_code) == ([("a/leads.csv", "waiting", 2)], 2)
    (file,) = result.jobs[0].files
    assert "no such project" in file.cause
    assert "Check the project id" in file.remedy
    night.jobs("a")
    assert [fate for _, fate, _ in files(night.round())] == ["imported"]


def test_what_has_arrived_is_imported_and_put_away_with_its_results(night: Night) -> None:
    night.jobs("a")
    night.put("a/leads.csv")
    result = night.round()
    (job,) = result.jobs
    (file,) = job.files
    assert files(result) == [("a/leads.csv", "imported", 0)]
    assert result.exit_code == 0
    assert file.counts[Status.CREATED] == 3
    assert night.tree("a") == []
    assert "leads.csv" in night.tree("done/a")
    assert "leads.csv.results/results.csv" in night.tree("done/a")
    assert file.moved == str(night.home / "done/a/leads.csv")


def test_an_empty_inbox_is_nothing_to_do(night: Night) -> None:
    night.jobs("a")
    result = night.round()
    assert (files(result), result.exit_code, result.complaints) == ([], 0, ())
    assert not result.jobs[0].was_busy


def test_a_file_that_is_still_being_written_waits_unless_its_marker_says_it_is_whole(
    night: Night,
) -> None:
    night.jobs("a")
    jobs = night.home / "jobs.yaml"
    jobs.write_text(jobs.read_text("utf-8").replace("settle: 0", "settle: 5m"), "utf-8")
    night.put("a/half.csv", first=50)
    night.put("a/whole.csv", first=53)
    (night.home / "a" / "whole.csv.done").touch()
    result = night.round()
    assert sorted(files(result)) == [("a/half.csv", "waiting", 0), ("a/whole.csv", "imported", 0)]
    assert night.tree("a") == ["half.csv"]
    assert "whole.csv.done" in night.tree("done/a")
    long_ago = time.time() - 3600
    os.utime(night.home / "a" / "half.csv", (long_ago, long_ago))
    assert files(night.round()) == [("a/half.csv", "imported", 0)]


def test_the_same_content_under_two_names_is_sent_once(night: Night, service: LiveSandbox) -> None:
    night.jobs("a")
    night.put("a/one.csv", first=100)
    night.put("a/two.csv", first=100)
    before = service.request_count()
    result = night.round()
    assert [fate for _, fate, _ in files(result)] == ["imported", "duplicate"]
    assert result.exit_code == 0
    assert service.request_count() - before == 3
    assert night.tree("a") == []
    note = (night.home / "done/a/two.csv.note.txt").read_text("utf-8")
    assert str(night.home / "a" / "one.csv") in note
    assert "--again" not in note
    assert "A batch sends the same content once" in note


def test_a_broken_mapping_fails_its_own_job_and_the_others_go_on(night: Night) -> None:
    night.jobs("a", "b", "c")
    (night.home / "bad.yaml").write_text("version: 1\nform: {name: [}\n", "utf-8")
    jobs = night.home / "jobs.yaml"
    head, middle, tail = jobs.read_text("utf-8").partition("  - name: b\n")
    tail = tail.replace("mapping: m.yaml", "mapping: bad.yaml", 1)
    jobs.write_text(head + middle + tail, "utf-8")
    for name in "abc":
        night.put(f"{name}/leads.csv", first=ord(name) * 10)
    result = night.round()
    assert [job.exit_code for job in result.jobs] == [0, 2, 0]
    assert result.exit_code == 2
    trouble = result.jobs[1].trouble
    assert trouble is not None
    assert "bad.yaml" in trouble.message
    assert night.tree("b") == ["leads.csv"]
    assert night.tree("a") == night.tree("c") == []


def test_a_file_that_does_not_fit_goes_to_failed_with_the_reason_beside_it(night: Night) -> None:
    night.jobs("a")
    night.put("a/odd.csv", text="Nom,Telephone\nAnne,0630\n")
    result = night.round()
    assert files(result) == [("a/odd.csv", "failed", 2)]
    assert night.tree("failed/a") == ["odd.csv", "odd.csv.note.txt"]
    assert "Phone" in (night.home / "failed/a/odd.csv.note.txt").read_text("utf-8")
    assert "Phone" not in result.jobs[0].files[0].cause


def test_a_list_of_do_not_call_that_is_missing_is_no_fault_of_the_file(night: Night) -> None:
    night.jobs("a")
    rows = "rows: {do_not_call: {file: gone.csv, column: Phone, region: HU}}\n"
    (night.home / "m.yaml").write_text(MAPPING + rows, "utf-8")
    night.put("a/leads.csv")
    result = night.round()
    assert result.exit_code == 2
    assert result.jobs[0].trouble is not None
    assert night.tree("a") == ["leads.csv"]


def test_a_service_that_is_down_all_night_loses_nothing_and_is_asked_once_a_round(
    night: Night, tmp_path: Path
) -> None:
    with live_sandbox(db=tmp_path / "s.sqlite3", log_requests=True) as live:
        port = int(live.base_url.rpartition(":")[2].partition("/")[0])
        night.url = live.base_url
    night.jobs("a")
    for i in range(3):
        night.put(f"a/{i}.csv", first=3 * i)
    result = night.round()
    assert [fate for _, fate, _ in files(result)] == ["stopped", "waiting", "waiting"]
    assert result.exit_code == 3
    assert night.tree("a") == ["0.csv", "1.csv", "2.csv"]
    with live_sandbox(db=tmp_path / "s.sqlite3", port=port, log_requests=True) as live:
        result = night.round()
        assert [fate for _, fate, _ in files(result)] == ["imported"] * 3
        assert live.request_count() == 9
    assert night.tree("a") == []


def test_a_run_that_the_service_cuts_off_is_gone_on_with_by_the_next_round(
    night: Night, tmp_path: Path
) -> None:
    faults = [{"kind": "forbidden", "at": 40}]
    with live_sandbox(faults=faults, log_requests=True) as live:
        night.url = live.base_url
        night.jobs("a")
        night.put("a/leads.csv", count=100)
        result = night.round()
        ((_, fate, code),) = files(result)
        assert (fate, code) == ("stopped", 3)
        assert night.tree("a") == ["leads.csv"]
        counts = result.jobs[0].files[0].counts
        assert 0 < counts[Status.PENDING] < 100
        again = night.round()
        assert files(again) == [("a/leads.csv", "imported", 0)]
        assert again.jobs[0].files[0].run_id == result.jobs[0].files[0].run_id
        assert max(Counter(r.stamp for r in live.requests() if not r.fault).values()) == 1
        assert len(live.records(134)) == 100
    assert night.tree("a") == []
    assert "leads.csv.results/results.csv" in night.tree("done/a")


def test_too_many_failures_put_the_file_before_somebody_and_are_not_gone_on_with(
    night: Night,
) -> None:
    faults = [{"kind": "server_error", "stored": False}]
    with live_sandbox(faults=faults, log_requests=True) as live:
        night.url = live.base_url
        night.jobs("a", more="    max_failures: 2\n")
        night.put("a/leads.csv", count=100)
        result = night.round()
        assert files(result) == [("a/leads.csv", "stopped", 3)]
        assert "leads.csv" in night.tree("failed/a")
        sent = live.request_count()
        assert files(night.round()) == []
        assert live.request_count() == sent


SPOILT = {"kind": "cut_texts", "field": "name", "characters": 3}


@pytest.mark.parametrize("known", ["by the ledger", "by the journal", "by a ledger made again"])
def test_a_canary_that_failed_puts_the_file_before_somebody_and_is_not_gone_on_with(
    night: Night, known: str
) -> None:
    with live_sandbox(faults=[SPOILT], log_requests=True) as live:
        night.url = live.base_url
        night.jobs("a", more="    canary: 2\n")
        night.put("a/leads.csv", count=20)
        result = night.round()
        assert files(result) == [("a/leads.csv", "stopped", 3)]
        (file,) = result.jobs[0].files
        assert "not in the service as they were sent" in file.cause
        assert "canary.json" in file.remedy
        assert "leads.csv" in night.tree("failed/a")
        assert live.request_count() == 2
        ledger = night.home / "runs" / FILE
        if known == "by the journal":
            # As if it had been killed before the ledger knew.
            with contextlib.closing(sqlite3.connect(ledger)) as connection, connection:
                assert connection.execute("DELETE FROM notes WHERE kind = 'must be seen'").rowcount
            assert [fate for _, fate, _ in files(night.round())] == ["stopped"]
        elif known == "by a ledger made again":
            for path in ledger.parent.glob(f"{FILE}*"):
                path.unlink()
        assert files(night.round()) == []
        assert live.request_count() == 2
        # The file once more: it is still for somebody to look at.
        night.put("a/leads.csv", count=20)
        assert [fate for _, fate, _ in files(night.round())] == ["stopped"]
        assert live.request_count() == 2
        # Somebody looks, and has the rest sent.
        remedy = file.remedy.partition("To send the rest in spite of it: ")[2]
        words = shlex.split(remedy)
        assert words[:2] == ["vcc-import", "apply"]
        assert importer.apply(words[2]).summary.counts[Status.CREATED] == 20
        assert live.request_count() == 20


def test_a_canary_that_is_well_lets_the_rest_follow_in_the_same_round(night: Night) -> None:
    with live_sandbox(log_requests=True) as live:
        night.url = live.base_url
        night.jobs("a", more="    canary: 2\n")
        night.put("a/leads.csv", count=20)
        assert files(night.round()) == [("a/leads.csv", "imported", 0)]
        assert live.request_count() == 20
    assert "leads.csv.results/canary.json" in night.tree("done/a")


@pytest.mark.parametrize("count", [20, 2])
def test_a_canary_that_could_not_be_read_back_is_read_back_by_the_next_round(
    night: Night, count: int
) -> None:
    # The project, two records, the project again, and then the first of the records.
    faults = [SPOILT, {"kind": "forbidden", "to": "all", "at": 5}]
    with live_sandbox(faults=faults, log_requests=True) as live:
        night.url = live.base_url
        night.jobs("a", more="    canary: 2\n")
        night.put("a/leads.csv", count=count)
        result = night.round()
        assert [fate for _, fate, _ in files(result)] == ["stopped"]
        assert "could not be read back yet" in result.jobs[0].files[0].cause
        assert night.tree("a") == ["leads.csv"]
        again = night.round()
        assert [fate for _, fate, _ in files(again)] == ["stopped"]
        assert "not in the service as they were sent" in again.jobs[0].files[0].cause
        assert live.request_count() == 2


def test_another_content_in_the_place_of_an_unfinished_one_stays_and_is_new(night: Night) -> None:
    faults = [{"kind": "forbidden", "at": 40}]
    with live_sandbox(faults=faults, log_requests=True) as live:
        night.url = live.base_url
        night.jobs("a")
        night.put("a/leads.csv", count=100)
        night.round()
        night.put("a/leads.csv", count=5, first=500)
        result = night.round()
        assert [(fate, code) for _, fate, code in files(result)] == [("imported", 0)] * 2
        assert len(live.records(134)) == 105
    assert night.tree("a") == []
    assert "500" in (night.home / "done/a/leads.csv").read_text("utf-8")


def test_a_job_outside_its_hours_begins_nothing(night: Night) -> None:
    night.jobs("a", more='    not_before: "20:00"\n    not_after: "06:30"\n')
    night.put("a/leads.csv", first=700)
    noon = datetime(2026, 3, 10, 12).timestamp()  # noqa: DTZ001 - by the machine's clock
    result = night.round(now=lambda: noon)
    assert (files(result), result.exit_code) == ([], 0)
    assert "20:00" in result.jobs[0].left
    assert night.tree("a") == ["leads.csv"]
    evening = datetime(2026, 3, 10, 20).timestamp()  # noqa: DTZ001
    assert [fate for _, fate, _ in files(night.round(now=lambda: evening))] == ["imported"]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a process as POSIX has it")
def test_on_the_night_when_two_o_clock_comes_twice_the_hours_end_once(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Budapest")
    time.tzset()
    try:
        night.jobs("a", more='    not_before: "20:00"\n    not_after: "02:30"\n')
        night.put("a/leads.csv", first=800)
        first = datetime(2026, 10, 25, 2, 45).timestamp()  # noqa: DTZ001
        for moment in (first, first + 1800, first + 3600):  # 2:45, then 2:15 and 2:45 again
            result = night.round(now=lambda moment=moment: moment)
            assert (files(result), result.jobs[0].left != "") == ([], True)
        result = night.round(now=lambda: first - 1800)
        assert [fate for _, fate, _ in files(result)] == ["imported"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_run_whose_time_is_over_stops_and_the_next_night_ends_it(night: Night) -> None:
    with live_sandbox(latency="20ms", log_requests=True) as live:
        night.url = live.base_url
        night.jobs(
            "a", more='    concurrency: 1\n    not_before: "20:00"\n    not_after: "06:30"\n'
        )
        night.put("a/leads.csv", count=60)
        night.put("a/more.csv", count=5, first=60)
        closing = datetime(2026, 3, 11, 6, 30).timestamp()  # noqa: DTZ001
        start = time.time()
        result = night.round(now=lambda: closing - 0.8 + time.time() - start)
        assert [(fate, code) for _, fate, code in files(result)] == [("closed", 0)] * 2
        assert result.exit_code == 0
        assert night.tree("a") == ["leads.csv", "more.csv"]
        evening = closing + 14 * 3600
        result = night.round(now=lambda: evening + time.time() - start)
        assert [fate for _, fate, _ in files(result)] == ["imported", "imported"]
        assert set(Counter(r.stamp for r in live.requests()).values()) == {1}
        assert live.request_count() == 65


def test_a_file_far_from_the_last_ones_is_held_until_it_is_released(night: Night) -> None:
    night.jobs("a", more="    drift: true\n")
    for i in range(3):
        night.put(f"a/{i}.csv", count=10, first=1000 + 10 * i)
        assert night.round().exit_code == 0
    night.put("a/odd.csv", count=2, first=1100)
    result = night.round()
    assert files(result) == [("a/odd.csv", "held", 1)]
    assert "rows: usually about 10, now 2" in result.jobs[0].files[0].message
    assert night.tree("held/a") == ["odd.csv", "odd.csv.note.txt"]
    told = result.jobs[0].files[0].remedy
    held = str(night.home / "held" / "a" / "odd.csv")
    command = shlex.join(["vcc-import", "batch", str(night.home / "jobs.yaml"), "--release", held])
    assert told == f"To import it all the same: {command}"
    assert command in Path(f"{held}.note.txt").read_text("utf-8")
    assert files(night.round()) == []
    jobs = load_jobs(night.home / "jobs.yaml")
    back = release(jobs, str(night.home / "held/a/odd.csv"))
    assert back == str(night.home / "a" / "odd.csv")
    assert night.tree("held/a") == []
    assert files(night.round()) == [("a/odd.csv", "imported", 0)]


def test_only_what_is_held_can_be_released(night: Night) -> None:
    night.jobs("a")
    stray = night.put("stray.csv")
    with pytest.raises(UsageError, match="no job"):
        release(load_jobs(night.home / "jobs.yaml"), str(stray))


def test_a_duplicate_that_drifts_is_a_duplicate(night: Night) -> None:
    night.jobs("a", more="    drift: true\n")
    for i in range(4):
        count = 2 if i == 0 else 10
        night.put(f"a/{i}.csv", count=count, first=1200 + 10 * i)
        night.round()
    night.put("a/again.csv", count=2, first=1200)
    assert files(night.round()) == [("a/again.csv", "duplicate", 0)]


def test_where_files_stay_the_ledger_keeps_them_from_being_imported_or_told_of_again(
    night: Night, service: LiveSandbox
) -> None:
    night.jobs("a")
    jobs = night.home / "jobs.yaml"
    jobs.write_text(jobs.read_text("utf-8").replace("    done: done/a\n", ""), "utf-8")
    night.put("a/leads.csv", first=1300)
    assert files(night.round()) == [("a/leads.csv", "imported", 0)]
    assert files(night.round()) == []
    (night.home / "a" / "leads.csv").touch()
    assert files(night.round()) == []
    night.put("a/leads.csv", first=1303)
    assert files(night.round()) == [("a/leads.csv", "imported", 0)]
    assert night.tree("a") == ["leads.csv"]


def test_a_move_that_a_crash_cut_short_is_completed_by_the_next_round(night: Night) -> None:
    night.jobs("a")
    leads = night.put("a/leads.csv", first=1400)
    done = night.home / "done" / "a"
    done.mkdir(parents=True)
    _write_intent(done, _new_intent(leads, done, None, "leads-1"))
    result = night.round()
    assert files(result) == []
    assert (night.tree("a"), night.tree("done/a")) == ([], ["leads.csv"])


def test_a_folder_that_is_gone_is_an_error_of_its_job(night: Night) -> None:
    night.jobs("a", "b")
    (night.home / "a").rmdir()
    night.put("b/leads.csv", first=1500)
    result = night.round()
    assert [job.exit_code for job in result.jobs] == [2, 0]
    assert result.jobs[0].trouble is not None
    assert str(night.home / "a") in result.jobs[0].trouble.message


def test_one_job_can_be_asked_for_and_a_wrong_name_is_told_with_the_right_ones(
    night: Night,
) -> None:
    night.jobs("vienna", "linz")
    assert [job.name for job in night.round(only="linz").jobs] == ["linz"]
    with pytest.raises(UsageError) as caught:
        night.round(only="viena")
    assert "vienna" in (caught.value.hint or "")
    assert "linz" in (caught.value.hint or "")


def test_a_round_that_is_stopped_before_it_begins_does_nothing(night: Night) -> None:
    night.jobs("a")
    night.put("a/leads.csv", first=1600)
    stop = StopSwitch()
    stop.pull("SIGTERM")
    result = night.round(stop=stop)
    assert (files(result), result.exit_code) == ([], 143)


def test_the_figures_of_a_round_are_kept_and_a_job_left_alone_keeps_its_own(night: Night) -> None:
    night.jobs("a", top="metrics: m.prom\n")
    night.put("a/leads.csv", first=1700)
    night.round()
    text = (night.home / "m.prom").read_text("utf-8")
    assert 'vcc_import_rows{job="a",status="created"} 3.0' in text
    assert 'vcc_import_files{fate="imported",job="a"} 1.0' in text


def test_metrics_that_cannot_be_written_are_a_warning_and_change_no_exit_code(
    night: Night,
) -> None:
    night.jobs("a", top="metrics: nowhere/m.prom\n")
    night.put("a/leads.csv", first=1740)
    result = night.round()
    assert (files(result), result.exit_code) == ([("a/leads.csv", "imported", 0)], 0)
    (complaint,) = result.complaints
    assert "nowhere" in complaint
    assert "no metrics were written" in complaint


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("Name it: --encoding NAME.", "Name it: encoding: NAME."),
        ("Name the row: --header-row N.", "Name the row: header_row: N."),
        ("another character divides its cells: name it by --delimiter.",) * 2,
        ("List them, or add --allow-new-values; --no-preflight compares nothing.",
         "List them, or add allow_new_values: true."),
        ("Set VCC_API_KEY or give --api-key-file; to try without an account, add --sandbox.",
         "Set VCC_API_KEY or give --api-key-file."),
        ("Make room, or choose a folder on another disk: --out DIR.",
         "Make room, or choose a folder on another disk: runs_dir: DIR."),
        ("Leave them out by rows.skip_when or --rows.", "Leave them out by rows.skip_when."),
        ("Go on with: vcc-import resume x --rate 5\nTo send all again: --again.",
         "Go on with: vcc-import resume x --rate 5"),
        ("To send without comparing, add --no-preflight: row by row.", ""),
    ],
)  # fmt: skip
def test_advice_is_such_as_the_user_of_a_jobs_file_can_take(hint: str, said: str) -> None:
    expected = said.replace("--delimiter", "delimiter")
    assert advice(UsageError("what is wrong", hint)) == expected


def test_forty_small_files_are_imported_in_one_round(night: Night, service: LiveSandbox) -> None:
    night.jobs("a")
    for i in range(40):
        night.put(f"a/{i:03}.csv", count=1, first=10_000 + i)
    before = service.request_count()
    result = night.round()
    assert Counter(fate for _, fate, _ in files(result)) == {"imported": 40}
    assert service.request_count() - before == 40
    assert night.tree("a") == []
    with Ledger.open(night.home / "runs") as ledger:
        assert len(ledger.runs(label="a")) == 40


def test_a_file_takes_little_longer_where_thousands_were_imported_before(night: Night) -> None:
    night.jobs("a")

    def seconds(first: int) -> float:
        """Processor time of twenty more files: neither the disk nor other programs count."""
        for i in range(first, first + 20):
            night.put(f"a/{i}.csv", count=1, first=20_000 + i)
        begun = time.process_time()
        assert Counter(fate for _, fate, _ in files(night.round())) == {"imported": 20}
        return time.process_time() - begun

    seconds(0)
    few = seconds(20)
    with contextlib.closing(sqlite3.connect(night.home / "runs" / FILE)) as ledger, ledger:
        names = [name for _, name, *_ in ledger.execute("PRAGMA table_info(runs)")]
        new = {"run_id": "'past-' || n", "sha256": "printf('%08d', n) || substr(sha256, 9)"}
        columns = ", ".join(new.get(name, name) for name in names)
        ledger.execute(
            f"INSERT INTO runs SELECT {columns} FROM (SELECT * FROM runs LIMIT 1),"  # noqa: S608
            " (SELECT value AS n FROM json_each(?))",
            [json.dumps(list(range(4000)))],
        )
        ledger.execute(
            "INSERT OR IGNORE INTO notes SELECT 'size', sha256, 100 + length(file) + rank"
            " FROM (SELECT *, row_number() OVER () AS rank FROM runs)"
        )
    for i in range(4000):
        (night.home / "done" / "a" / f"past-{i}.csv").touch()
    assert seconds(40) < 2 * few


def test_jobs_of_the_same_name_in_two_jobs_files_do_not_touch_each_others_runs(
    night: Night,
) -> None:
    faults = [{"kind": "forbidden", "at": 40}]
    with live_sandbox(faults=faults, log_requests=True) as live:
        night.url = live.base_url
        night.jobs("vienna")
        other = Night(night.home / "other", live.base_url)
        other.home.mkdir()
        (other.home / "m.yaml").write_text(MAPPING, "utf-8")
        other.jobs("vienna", top="runs_dir: ../runs\n")
        night.put("vienna/leads.csv", count=100)
        assert files(night.round()) == [("vienna/leads.csv", "stopped", 3)]
        assert files(other.round()) == []
        # The same content, in its own inbox: it is the other's to go on with.
        other.put("vienna/same.csv", count=100)
        ((name, fate, code),) = files(result := other.round())
        assert (name, fate, code) == ("vienna/same.csv", "waiting", 3)
        (file,) = result.jobs[0].files
        assert str(night.home / "jobs.yaml") in file.message
        assert "vcc-import resume " in file.remedy
        assert other.tree("vienna") == ["same.csv"]
        assert files(night.round()) == [("vienna/leads.csv", "imported", 0)]
        assert files(other.round()) == [("vienna/same.csv", "duplicate", 0)]
        assert max(Counter(r.stamp for r in live.requests() if not r.fault).values()) == 1
        assert len(live.records(134)) == 100


def test_a_round_goes_on_with_what_somebody_began_by_hand_in_its_folder(night: Night) -> None:
    night.jobs("a")
    path = night.put("a/leads.csv", first=1700)
    first = importer.run(
        path,
        night.home / "m.yaml",
        target=importer.Target(night.url, 134, "sandbox", importer.Secret("sandbox")),
        settings=importer.RunSettings(runs_dir=night.home / "runs", limit=1),
    )
    result = night.round()
    assert files(result) == [("a/leads.csv", "imported", 0)]
    assert result.jobs[0].files[0].run_id == first.summary.run_id


def test_what_was_sent_from_another_folder_is_a_duplicate_here(night: Night) -> None:
    night.jobs("a", more="    drift: true\n")
    path = night.put("a/leads.csv", first=1710)
    importer.run(
        path,
        night.home / "m.yaml",
        target=importer.Target(night.url, 134, "sandbox", importer.Secret("sandbox")),
        settings=importer.RunSettings(runs_dir=night.home / "by hand"),
    )
    assert files(night.round()) == [("a/leads.csv", "duplicate", 0)]


def test_files_that_became_no_run_stand_in_the_ledger_once(night: Night) -> None:
    night.jobs("a", more="    drift: true\n")
    jobs = night.home / "jobs.yaml"
    jobs.write_text(jobs.read_text("utf-8").replace("    failed: failed/a\n", ""), "utf-8")
    for i in range(3):
        night.put(f"a/{i}.csv", count=10, first=1800 + 10 * i)
    night.round()
    night.put("a/again.csv", count=10, first=1800)
    night.put("a/little.csv", count=1, first=1900)
    night.put("a/odd.csv", text="Nom,Telephone\nAnne,0630\n")
    night.round()
    night.round()  # odd.csv has stayed, and is met again
    with Ledger.open(night.home / "runs") as ledger:
        found = {(Path(e.file).name, e.fate, e.exit_code, e.job) for e in ledger.files()}
        assert len(ledger.files()) == len(found)
        assert len(ledger.files(job="b")) == 0
    assert found == {
        ("again.csv", "duplicate", 0, "a"),
        ("little.csv", "held", 1, "a"),
        ("odd.csv", "failed", 2, "a"),
    }


def test_a_run_that_was_begun_by_hand_is_gone_on_with_as_it_began_unless_the_jobs_file_says_more(
    night: Night, service: LiveSandbox
) -> None:
    night.jobs("a")
    path = night.put("a/leads.csv", 30, first=700)
    mapping = importer.load_mapping(night.home / "m.yaml")
    settings = importer.RunSettings(
        pace=importer.Pace(rate=50.0), runs_dir=night.home / "runs", limit=10
    )
    target = importer.target_for(mapping, base_url=night.url)
    importer.run(path, mapping, target=target, settings=settings)
    before = len(service.requests())
    began = time.monotonic()
    (done,) = files(night.round())
    assert done == ("a/leads.csv", "imported", 0)
    assert len(service.requests()) - before == 20
    assert time.monotonic() - began > 0.3, "20 rows at 50 a second, less a burst"


def test_what_is_usual_is_asked_of_the_job_s_own_jobs_file_and_of_runs_before_it_was_entered(
    night: Night,
) -> None:
    night.jobs("a", more="    drift: true\n")
    for i in range(3):
        night.put(f"a/{i}.csv", count=10, first=2000 + 10 * i)
    night.round()
    other = Night(night.home / "other", night.url)
    other.home.mkdir()
    (other.home / "m.yaml").write_text(MAPPING, "utf-8")
    other.jobs("a", top="runs_dir: ../runs\n", more="    drift: true\n")
    other.put("a/small.csv", count=1, first=2100)
    assert files(other.round()) == [("a/small.csv", "imported", 0)]
    with Ledger.open(night.home / "runs") as ledger:
        for entry in ledger.runs():
            ledger.enter(replace(entry, jobs_file=None))
    other.put("a/little.csv", count=1, first=2110)
    assert files(other.round()) == [("a/little.csv", "held", 1)]
