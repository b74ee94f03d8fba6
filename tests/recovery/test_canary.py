"""``--canary``: some rows are sent first and read back, and the rest only if they are as sent."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.journal.journal import LEASED_KEY, Journal
from importer.model import CanaryEqual, Event, Progress, Stage, Status
from importer.settings import Pace, RunSettings, Secret, Target
from tests.support.command import Cli
from tests.support.forwarder import forwarding
from tests.support.live_sandbox import CREDENTIAL, LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form:
  name: Name
  city: City
  likes: {column: Likes, multiple: true, split: [","]}
  address: Address
contacts: {1: {phone: Phone}, 2: {phone: Mobile}}
stamp: import_ref
"""
ROWS = 20


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING, "utf-8")
    return path


def leads(folder: Path, count: int = ROWS) -> Path:
    """A list of leads from row 2 on; every third has a second phone, every fourth several likes."""
    lines = ["Name,City,Likes,Address,Phone,Mobile"]
    for i in range(count):
        mobile = f"0620{1_000_000 + i}" if i % 3 == 0 else ""
        likes = '"sports,movies"' if i % 4 == 1 else "sports"
        address = f"Hosszú utca {i} a város szélén"
        lines.append(f"Név {i},Budapest,{likes},{address},0630{1_000_000 + i},{mobile}")
    path = folder / "leads.csv"
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def target(sandbox: LiveSandbox) -> Target:
    return Target(sandbox.base_url, 134, CREDENTIAL, Secret(CREDENTIAL))


def planned(cli: Cli, sandbox: LiveSandbox, folder: Path, count: int = ROWS) -> Path:
    """A plan of such a list, in the folder ``run``."""
    url = ("--base-url", sandbox.base_url)
    assert cli("plan", leads(folder, count), "-m", "m.yaml", "--out", "run", *url, "-q") == 0
    return folder / "run"


def canary_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "canary.json").read_text("utf-8")))


def sent_once(sandbox: LiveSandbox) -> int:
    """How many rows were sent; none twice."""
    stamps = Counter(request.stamp for request in sandbox.requests())
    assert set(stamps.values()) <= {1}, "a row was sent twice"
    return len(stamps)


def counts_of(run: Path) -> dict[str, int]:
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    return {state: count for state, count in summary["counts"].items() if count}


SPOILT = [
    ({"kind": "drop_field", "field": "city"}, "form.city", '"Budapest"', "nothing"),
    ({"kind": "swap_contacts"}, "contacts.2.phone", '"36201000000"', '"36301000000"'),
    ({"kind": "cut_texts", "characters": 20}, "form.address", "Hosszú utca 0", '"'),
]


@pytest.mark.parametrize(("fault", "path", "sent", "read"), SPOILT, ids=lambda one: str(one)[:20])
@pytest.mark.usefixtures("mapping")
def test_what_the_service_spoils_stops_the_run_after_the_first_rows(
    cli: Cli,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    fault: dict[str, Any],
    path: str,
    sent: str,
    read: str,
) -> None:
    with live_sandbox(faults=[fault], log_requests=True) as sandbox:
        run = planned(cli, sandbox, tmp_path)
        assert cli("apply", "run", "--canary", 4) == 3
        told = capsys.readouterr()
        assert sent_once(sandbox) == 4
        assert counts_of(run) == {"created": 4, "pending": ROWS - 4}
        found = canary_of(run)
        # It was shown: without --canary, the rest goes on.
        assert cli("apply", "run") == 0
        assert sent_once(sandbox) == ROWS
    assert "Records cannot be deleted" in told.err
    lines = [line for line in told.out.splitlines() if f" {path} " in line]
    assert lines, told.out
    assert any(sent in line and line.split(path)[1].count('"') >= 2 for line in lines)
    assert any(line.endswith(read) for line in lines)
    assert "not as they were sent" in told.out or "is not as it was sent" in told.out
    assert "To go on:" not in told.out
    assert "vcc-import apply run" in told.out
    assert found["equal"] is False
    assert len(found["chosen"]) == found["records"] == 4
    assert found["records_with_differences"] > 0
    assert counts_of(run) == {"created": ROWS}
    if os.name != "nt":
        assert (run / "canary.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fault", [None, {"kind": "reorder_values"}])
@pytest.mark.parametrize("command", ["run", "apply"])
def test_what_comes_back_as_it_was_sent_is_told_and_the_rest_follows(
    cli: Cli,
    capsys: pytest.CaptureFixture[str],
    mapping: Path,
    tmp_path: Path,
    command: str,
    fault: dict[str, Any] | None,
) -> None:
    with live_sandbox(faults=[fault] if fault else (), log_requests=True) as sandbox:
        if command == "apply":
            run = planned(cli, sandbox, tmp_path)
            assert cli("apply", "run", "--canary", 4) == 0
        else:
            run, words = tmp_path / "run", ("--base-url", sandbox.base_url, "--out", "run")
            assert cli("run", leads(tmp_path), "-m", mapping, "--canary", 4, *words) == 0
        assert sent_once(sandbox) == ROWS
        first = {f"{canary_of(run)['run_id']}:{one['row']}" for one in canary_of(run)["chosen"]}
        assert {one.stamp for one in sandbox.requests()[:4]} == first
    told = capsys.readouterr()
    assert "4 records read back, as sent" in told.err
    found = canary_of(run)
    assert found["equal"] is True
    assert found["fields"]["different"] == 0
    assert f"{found['fields']['equal']:,} parts equal, 0 unverified (canary.json" in told.err
    assert "ead back" not in told.out, "it was told when it was seen"
    covered = {path for one in found["chosen"] for path in one["covers"]}
    assert {"form.likes: several values", "contacts.2.phone", "first row", "last row"} <= covered


def test_a_row_that_is_rejected_stops_it_and_the_others_are_read_back(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, tmp_path: Path
) -> None:
    # Only one row has the field that the project lacks, and it is chosen, since no other covers it.
    wrong = MAPPING.replace("  address: Address\n", "  address: Address\n  nonsense: Extra\n")
    mapping.write_text(wrong, "utf-8")
    path = leads(tmp_path)
    lines = path.read_text("utf-8").splitlines()
    lines = [f"{lines[0]},Extra", *(f"{line}," for line in lines[1:])]
    lines[11] += "x"
    path.write_text("\n".join([*lines, ""]), "utf-8")
    with live_sandbox(log_requests=True) as sandbox:
        words = ("--base-url", sandbox.base_url, "--out", "run", "--no-preflight")
        assert cli("run", path, "-m", mapping, "--canary", 5, *words) == 3
        told = capsys.readouterr().out
        assert sent_once(sandbox) == 5
    run = tmp_path / "run"
    assert counts_of(run) == {"created": 4, "rejected": 1, "pending": ROWS - 5}
    assert "1 of 5 is rejected" in told
    assert "Read back 4 records: 4 as sent" in told
    [failed] = canary_of(run)["failed"]
    assert (failed["row"], failed["status"]) == (12, "rejected")


def test_a_row_that_is_uncertain_stops_it(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, tmp_path: Path
) -> None:
    fault = {"kind": "close", "stored": True, "at": 2}
    with live_sandbox(faults=[fault], log_requests=True) as sandbox:
        words = ("--base-url", sandbox.base_url, "--out", "run", "--concurrency", 1)
        assert cli("run", leads(tmp_path), "-m", mapping, "--canary", 3, *words) == 3
        assert sent_once(sandbox) == 3
    assert "1 of 3 is uncertain" in capsys.readouterr().out
    assert counts_of(tmp_path / "run") == {"created": 2, "uncertain": 1, "pending": ROWS - 3}


@pytest.fixture
def process(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Where a test puts the process that it starts, to be ended in any case."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


def cut_off(
    sandbox: LiveSandbox,
    process: list[subprocess.Popen[bytes]],
    when: tuple[str, int],
    how: int,
    *words: str,
) -> int:
    """Start an import through a forwarder, and signal it when it has sent so many records.

    `when` is "POST", with the last of them, or "GET", when it asks for something after that; and
    how many.
    """
    sent, done = 0, False

    def told(method: str, count: int) -> None:
        nonlocal sent, done
        if method == "POST":
            sent = count
        if (method, sent) == when and not done:
            done = True
            process[0].send_signal(how)

    with forwarding(sandbox.base_url, told) as url:
        command = [sys.executable, "-m", "importer", *words, "--base-url", url]
        variables = {**os.environ, "VCC_CUSTOMER": CREDENTIAL, "VCC_API_KEY": CREDENTIAL}
        process.append(
            subprocess.Popen(
                command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        return process[0].wait()


@contextmanager
def elsewhere(run: Path, sandbox: LiveSandbox) -> Iterator[None]:
    """Let a run whose forwarder is gone go on through another one."""
    with forwarding(sandbox.base_url, lambda *_: None) as url:
        with Journal.open(run / "journal.sqlite3") as journal:
            journal.set_meta({"target": json.dumps({"base_url": url, "project": 134})})
        yield


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize("count", [ROWS, 3])
def test_a_canary_that_was_killed_before_it_was_read_back_is_read_back_first(
    cli: Cli,
    mapping: Path,
    tmp_path: Path,
    process: list[subprocess.Popen[bytes]],
    count: int,
) -> None:
    first = min(count, 4)
    fault = {"kind": "drop_field", "field": "city"}
    with live_sandbox(faults=[fault], log_requests=True) as sandbox:
        words = ("run", str(leads(tmp_path, count)), "-m", str(mapping), "--out", "run")
        when = ("GET", first)
        code = cut_off(sandbox, process, when, signal.SIGKILL, *words, "--canary", "4")
        assert code == -signal.SIGKILL
        assert sent_once(sandbox) == first
        run = tmp_path / "run"
        assert not (run / "canary.json").exists()
        with elsewhere(run, sandbox):
            # Nobody has seen it: it is not passed, though --canary is not given.
            assert cli("apply", "run") == 3
            assert sent_once(sandbox) == first
            found = canary_of(run)
            assert (found["equal"], found["records"]) == (False, first)
            assert cli("apply", "run") == 0
        assert sent_once(sandbox) == count


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_a_canary_that_was_killed_while_it_was_sent_is_sent_and_read_back_first(
    cli: Cli,
    capsys: pytest.CaptureFixture[str],
    mapping: Path,
    tmp_path: Path,
    process: list[subprocess.Popen[bytes]],
) -> None:
    with live_sandbox(log_requests=True) as sandbox:
        words = ("run", str(leads(tmp_path)), "-m", str(mapping), "--out", "run")
        how = ("--canary", "4", "--concurrency", "1")
        code = cut_off(sandbox, process, ("POST", 2), signal.SIGKILL, *words, *how)
        assert code == -signal.SIGKILL
        assert sent_once(sandbox) == 2
        run = tmp_path / "run"
        with elsewhere(run, sandbox):
            # The answer to one is lost: that one is uncertain, and no other than these four went.
            assert cli("apply", "run") == 3
            assert "uncertain; the rest is pending" in capsys.readouterr().out
            chosen = {one["row"] for one in canary_of(run)["chosen"]}
            stamps = {str(one.stamp) for one in sandbox.requests()}
            assert {int(stamp.rpartition(":")[2]) for stamp in stamps} <= chosen
            assert cli("apply", "run") == 4
        assert sent_once(sandbox) >= ROWS - 1


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_ctrl_c_while_the_canary_is_read_back_ends_the_run_in_order(
    cli: Cli, mapping: Path, tmp_path: Path, process: list[subprocess.Popen[bytes]]
) -> None:
    with live_sandbox(log_requests=True) as sandbox:
        words = ("run", str(leads(tmp_path)), "-m", str(mapping), "--out", "run")
        how = ("--canary", "4", "--rate", "5")
        assert cut_off(sandbox, process, ("GET", 4), signal.SIGINT, *words, *how) == 130
        assert sent_once(sandbox) == 4
    assert counts_of(tmp_path / "run") == {"created": 4, "pending": ROWS - 4}
    # It was not waited for: at this rate it takes a second.
    assert not (tmp_path / "run" / "canary.json").exists()


def test_a_canary_that_was_asked_for_and_not_begun_comes_first_when_the_run_goes_on(
    mapping: Path, tmp_path: Path
) -> None:
    stop, told = importer.StopSwitch(), list[Event]()

    def stop_before_sending(item: Progress | Event) -> None:
        if isinstance(item, Progress) and item.stage is Stage.SENDING:
            stop.pull("a test")

    with live_sandbox(log_requests=True) as sandbox:
        importer.run(
            leads(tmp_path),
            mapping,
            target=target(sandbox),
            settings=RunSettings(out=tmp_path / "run", canary=4),
            stop=stop,
            listener=stop_before_sending,
        )
        assert sent_once(sandbox) == 0
        result = importer.apply(
            tmp_path / "run",
            target=target(sandbox),
            listener=lambda item: None if isinstance(item, Progress) else told.append(item),
        )
        assert sent_once(sandbox) == ROWS
    assert result.canary is not None
    assert (len(result.canary.records), result.canary.faults) == (4, ())
    assert any(isinstance(event, CanaryEqual) and event.records == 4 for event in told)


def test_trouble_in_reading_back_leaves_the_canary_to_be_read_back_first(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, tmp_path: Path
) -> None:
    # The project, three records, the project again, and then the first of the records.
    fault = {"kind": "forbidden", "to": "all", "at": 6}
    with live_sandbox(faults=[fault], log_requests=True) as sandbox:
        words = ("--base-url", sandbox.base_url, "--out", "run")
        assert cli("run", leads(tmp_path), "-m", mapping, "--canary", 3, *words) == 3
        assert sent_once(sandbox) == 3
        assert "could not be read back yet" in capsys.readouterr().out
        assert not (tmp_path / "run" / "canary.json").exists()
        assert cli("resume", "run") == 0
        assert "Reading back 3 rows" in capsys.readouterr().err
        assert sent_once(sandbox) == ROWS
    assert canary_of(tmp_path / "run")["equal"] is True


def test_where_records_may_never_be_read_the_rest_is_planned_without_those_that_are_there(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, tmp_path: Path
) -> None:
    # All that is planned and sent, and the project once more; then no record can be read.
    fault = {"kind": "forbidden", "to": "all", "at": 6}
    with live_sandbox(faults=[fault], log_requests=True) as sandbox:
        words = ("--base-url", sandbox.base_url, "--out", "run")
        assert cli("run", leads(tmp_path), "-m", mapping, "--canary", 3, *words) == 3
        told = capsys.readouterr().out
        [typed] = [line for line in told.splitlines() if line.startswith("  vcc-import plan")]
        assert cli(*shlex.split(typed)[1:], "--out", "rest") == 0
        assert cli("apply", "rest") == 0
        phones = Counter(one["contacts"]["phone1"]["phone"] for one in sandbox.records(134))
    assert len(phones) == ROWS
    assert set(phones.values()) == {1}


def test_the_rest_goes_through_the_engine_that_was_asked_for(mapping: Path, tmp_path: Path) -> None:
    with live_sandbox(log_requests=True) as sandbox:
        settings = RunSettings(
            Pace(concurrency=4), out=tmp_path / "run", canary=4, engine="processes", workers=2
        )
        result = importer.run(leads(tmp_path), mapping, target=target(sandbox), settings=settings)
        assert sent_once(sandbox) == ROWS
    assert result.summary.exit_code == 0
    with Journal.read(tmp_path / "run" / "journal.sqlite3") as journal:
        assert journal.meta()[LEASED_KEY] == "processes"


def test_no_other_process_sends_before_the_canary_is_well(mapping: Path, tmp_path: Path) -> None:
    fault = {"kind": "drop_field", "field": "city"}
    with live_sandbox(faults=[fault], log_requests=True) as sandbox:
        nobody = "tcp://127.0.0.1:1"
        settings = RunSettings(out=tmp_path / "run", canary=4, engine="dask", scheduler=nobody)
        result = importer.run(leads(tmp_path), mapping, target=target(sandbox), settings=settings)
        assert sent_once(sandbox) == 4
    assert result.stop is not None
    assert result.stop.code == "canary"


def test_more_rows_than_there_are_are_all_of_them(
    cli: Cli, capsys: pytest.CaptureFixture[str], mapping: Path, tmp_path: Path
) -> None:
    with live_sandbox(log_requests=True) as sandbox:
        words = ("--base-url", sandbox.base_url, "--out", "run")
        assert cli("run", leads(tmp_path, 3), "-m", mapping, "--canary", 50, *words) == 0
        assert sent_once(sandbox) == 3
    assert "3 records read back, as sent" in capsys.readouterr().err


@pytest.mark.usefixtures("mapping")
def test_a_limit_counts_the_rows_of_the_canary_too(cli: Cli, tmp_path: Path) -> None:
    with live_sandbox(log_requests=True) as sandbox:
        run = planned(cli, sandbox, tmp_path)
        assert cli("apply", "run", "--canary", 5, "--limit", 2) == 0
        assert sent_once(sandbox) == 2
        assert len(canary_of(run)["chosen"]) == 2
        before = {one.stamp for one in sandbox.requests()}
        assert cli("apply", "run", "--canary", 3, "--limit", 7) == 0
        assert sent_once(sandbox) == 9
        # A new canary is of rows that were not sent before.
        run_id = canary_of(run)["run_id"]
        chosen = {f"{run_id}:{one['row']}" for one in canary_of(run)["chosen"]}
        assert len(chosen) == 3
        assert chosen.isdisjoint(before)
        assert cli("apply", "run") == 0
        assert sent_once(sandbox) == ROWS


@pytest.mark.usefixtures("mapping")
def test_after_a_difference_the_list_is_planned_again_without_the_rows_that_are_there(
    cli: Cli, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fault = {"kind": "cut_texts", "characters": 10, "field": "address"}
    with live_sandbox(faults=[fault], log_requests=True) as sandbox:
        url = ("--base-url", sandbox.base_url)
        words = ("--rows", "2-15", "--out", "run", *url, "-q")
        assert cli("plan", leads(tmp_path), "-m", "m.yaml", *words) == 0
        assert cli("apply", "run", "--canary", 4) == 3
        told = capsys.readouterr().out
        [typed] = [line for line in told.splitlines() if line.strip().startswith("vcc-import plan")]
        mended = (
            (tmp_path / "m.yaml").read_text("utf-8").replace("address: Address", "company: Address")
        )
        (tmp_path / "m.yaml").write_text(mended, "utf-8")
        assert cli(*shlex.split(typed)[1:]) == 0
        told = capsys.readouterr().out
        [typed] = [
            line for line in told.splitlines() if line.strip().startswith("vcc-import apply")
        ]
        assert cli(*shlex.split(typed)[1:]) == 0
        phones = Counter(one["contacts"]["phone1"]["phone"] for one in sandbox.records(134))
    assert len(phones) == 14
    assert set(phones.values()) == {1}


def test_the_result_of_the_library_has_what_was_compared(mapping: Path, tmp_path: Path) -> None:
    fault = {"kind": "drop_field", "field": "city"}
    with live_sandbox(faults=[fault]) as sandbox:
        settings = RunSettings(out=tmp_path / "run", canary=2)
        result = importer.run(leads(tmp_path), mapping, target=target(sandbox), settings=settings)
    assert (result.summary.status, result.summary.exit_code) == ("stopped", 3)
    assert result.summary.counts[Status.CREATED] == 2
    assert result.canary is not None
    assert [one.path for record in result.canary.records for one in record.differences] == [
        "form.city",
        "form.city",
    ]
    assert result.canary.faults == ("2 of 2 are not as they were sent",)
