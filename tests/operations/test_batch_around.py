"""What a round of the batch has to do with others: servers, receivers of word, other imports."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from importer import library
from importer.library import Guard
from importer.mapping.load import LoadedMapping
from importer.model import Status
from importer.operations import batch_round
from importer.operations.batch import run_batch
from importer.operations.batch_file import begun_by, release
from importer.operations.batch_report import BatchResult
from importer.operations.batch_round import ActiveJob, RoundContext
from importer.operations.guarded import target_lock
from importer.operations.jobs import load_jobs
from importer.operations.ledger import LedgerEntry
from importer.pipeline.running import StopSwitch
from importer.settings import RunSettings, Secret, Target
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
stamp: import_ref
"""


def leads(count: int = 3, first: int = 0) -> str:
    lines = [f"Név {i},0630{1_000_000 + i}" for i in range(first, first + count)]
    return "\n".join(["Name,Phone", *lines, ""])


def write_jobs(home: Path, url: str, job: str, top: str = "") -> None:
    (home / "m.yaml").write_text(MAPPING, "utf-8")
    (home / "inbox").mkdir(exist_ok=True)
    defaults = f"defaults: {{mapping: m.yaml, base_url: '{url}', settle: 0}}\n"
    text = f"version: 1\n{top}{defaults}jobs:\n  - {{name: a, {job}}}\n"
    (home / "jobs.yaml").write_text(text, "utf-8")


def round_of(home: Path, **given: Any) -> BatchResult:
    return run_batch(RoundContext(load_jobs(home / "jobs.yaml"), StopSwitch(), **given))


def fates(result: BatchResult) -> list[tuple[str, str, int]]:
    return [(f.file, f.fate.value, f.exit_code) for job in result.jobs for f in job.files]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")


@pytest.fixture(scope="module")
def service() -> Iterator[LiveSandbox]:
    with live_sandbox(log_requests=True) as live:
        yield live


LOCAL = "files: inbox/*.csv, done: done, failed: failed"


def test_files_of_a_server_are_imported_and_put_away_over_there(
    tmp_path: Path, service: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("asyncssh", reason="the extra `remote` is not installed")
    from tests.support.sftp_server import sftp_server

    with sftp_server(tmp_path) as place:
        for name, value in place.variables.items():
            monkeypatch.setenv(name, value)
        inbox = place.root / "inbox"
        inbox.mkdir()
        (inbox / "leads.csv").write_text(leads(), "utf-8")
        (inbox / "leads.csv.done").touch()
        (inbox / "odd.csv").write_text("Nom,Tel\nAnne,1\n", "utf-8")
        write_jobs(
            tmp_path,
            service.base_url,
            f"files: '{place.url}/inbox/*', done: ../done, failed: ../failed",
        )
        result = round_of(tmp_path)
        assert sorted(fates(result)) == [
            (f"{place.url}/inbox/leads.csv", "imported", 0),
            (f"{place.url}/inbox/odd.csv", "failed", 2),
        ]
        assert list(inbox.iterdir()) == []
        assert {p.name for p in (place.root / "done").iterdir()} == {"leads.csv", "leads.csv.done"}
        assert [p.name for p in (place.root / "failed").iterdir()] == ["odd.csv"]
        assert not (tmp_path / "runs" / "incoming" / "a").exists()


def test_a_run_of_a_servers_file_that_was_cut_off_ends_with_the_file_put_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("asyncssh", reason="the extra `remote` is not installed")
    from tests.support.sftp_server import sftp_server

    faults = [{"kind": "forbidden", "at": 20}]
    with sftp_server(tmp_path) as place, live_sandbox(faults=faults, log_requests=True) as live:
        for name, value in place.variables.items():
            monkeypatch.setenv(name, value)
        (place.root / "inbox").mkdir()
        (place.root / "inbox" / "leads.csv").write_text(leads(60), "utf-8")
        write_jobs(tmp_path, live.base_url, f"files: '{place.url}/inbox/*.csv', done: ../done")
        name = f"{place.url}/inbox/leads.csv"
        assert fates(round_of(tmp_path)) == [(name, "stopped", 3)]
        assert (place.root / "inbox" / "leads.csv").exists()
        assert fates(round_of(tmp_path)) == [(name, "imported", 0)]
        assert (place.root / "done" / "leads.csv").exists()
        assert len(live.records(134)) == 60


def test_a_server_that_is_out_of_reach_is_told_and_the_next_round_may_find_it(
    tmp_path: Path, service: LiveSandbox
) -> None:
    pytest.importorskip("asyncssh", reason="the extra `remote` is not installed")
    write_jobs(tmp_path, service.base_url, "files: 'sftp://u@127.0.0.1:1/inbox/*.csv'")
    result = round_of(tmp_path)
    assert result.exit_code == 3
    assert result.jobs[0].trouble is not None


def test_a_file_of_a_web_server_is_imported_once_and_told_of_once(
    tmp_path: Path, service: LiveSandbox
) -> None:
    pytest.importorskip("asyncssh", reason="the extra `remote` is not installed")
    with serving(leads(first=300)) as (url, asked):
        write_jobs(tmp_path, service.base_url, f"files: '{url}/leads.csv'")
        assert fates(round_of(tmp_path)) == [(f"{url}/leads.csv", "imported", 0)]
        assert asked
        assert fates(round_of(tmp_path)) == []


def test_word_is_sent_by_its_rule_and_the_same_trouble_once_in_a_day(
    tmp_path: Path, service: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("apprise", reason="the extra `notify` is not installed")
    with receiving() as (url, told):
        monkeypatch.setenv("HOOK", url)
        notify = "files: inbox/*.csv, done: done, notify: {on: always, urls: '${HOOK}'}"
        write_jobs(tmp_path, service.base_url, notify)
        (tmp_path / "inbox" / "leads.csv").write_text(leads(first=400), "utf-8")
        assert round_of(tmp_path).complaints == ()
        assert told.pop()["type"] == "success"
        round_of(tmp_path)
        assert told == []
        (tmp_path / "inbox" / "odd.csv").write_text("Nom,Tel\nAnne,1\n", "utf-8")
        round_of(tmp_path)
        bad = told.pop()
        assert bad["type"] == "failure"
        assert "odd.csv: failed: the file does not fit the mapping" in bad["message"]
        assert "Nom" not in bad["message"]
        round_of(tmp_path)
        assert told == []
        day = 24 * 3600
        round_of(tmp_path, now=lambda: time.time() + day)
        assert told.pop()["type"] == "failure"


def test_word_says_how_many_rows_of_which_file_what_differs_and_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: LiveSandbox
) -> None:
    pytest.importorskip("apprise", reason="the extra `notify` is not installed")
    with receiving() as (url, told):
        monkeypatch.setenv("HOOK", url)
        job = (
            "files: inbox/*.csv, done: done, failed: failed, held: held, drift: true,"
            " notify: {on: [failure, held], urls: '${HOOK}'}"
        )
        write_jobs(tmp_path, service.base_url, job)
        inbox = tmp_path / "inbox"
        for n in range(3):
            (inbox / f"{n}.csv").write_text(leads(count=10, first=600 + 10 * n), "utf-8")
            assert round_of(tmp_path).exit_code == 0
        text = leads(count=2, first=700).replace("Phone", "Phone,Anna Secret")
        (inbox / "odd one.csv").write_text(text, "utf-8")
        bad = leads(count=9, first=720) + "Bob,12\n"
        (inbox / "part.csv").write_text(bad.replace("Phone", "Phone"), "utf-8")
        (inbox / "torn.csv").write_bytes(b"PK\x03\x04 no workbook")
        assert round_of(tmp_path).exit_code == 2
        message = told.pop()["message"]
    assert "odd one.csv: held" in message
    assert "Rows: 2, and nothing was sent of them." in message
    assert "Differs in rows: usually about 10, now 2" in message
    assert "Differs in headers: 1 new" in message
    held = str(tmp_path / "held" / "odd one.csv")
    command = ["vcc-import", "batch", str(tmp_path / "jobs.yaml"), "--release", held]
    assert shlex.join(command) in message
    assert "part.csv: imported: 1 of 10 rows failed" in message
    assert "Rows: 9 created, 1 invalid." in message
    # What was sent is not said to be unsent, and what was not is said to be.
    assert message.count("othing was sent") == 2
    assert "Nothing was sent of it." in message.partition("torn.csv")[2].partition("What to do")[0]
    assert "Secret" not in message


def test_that_nobody_could_be_told_is_a_complaint_and_changes_nothing(
    tmp_path: Path, service: LiveSandbox
) -> None:
    pytest.importorskip("apprise", reason="the extra `notify` is not installed")
    notify = "files: inbox/*.csv, notify: {on: success, urls: 'json://127.0.0.1:1/x'}"
    write_jobs(tmp_path, service.base_url, notify)
    (tmp_path / "inbox" / "leads.csv").write_text(leads(first=500), "utf-8")
    result = round_of(tmp_path)
    assert result.exit_code == 0
    (complaint,) = result.complaints
    assert "notify.urls, number 1" in complaint


def test_a_target_that_another_import_is_busy_with_leaves_the_file_for_the_next_round(
    tmp_path: Path, service: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_round, "TARGET_SECONDS", 0.0)
    write_jobs(tmp_path, service.base_url, LOCAL)
    (tmp_path / "inbox" / "leads.csv").write_text(leads(first=600), "utf-8")
    runs = tmp_path / "runs"
    with target_lock(runs, service.base_url, 134, wait=0.0, stop=StopSwitch()):
        assert [each[1:] for each in fates(round_of(tmp_path))] == [("waiting", 3)]
    assert [each[1:] for each in fates(round_of(tmp_path))] == [("imported", 0)]


def test_a_journal_that_is_damaged_keeps_its_own_file_back_and_no_other(tmp_path: Path) -> None:
    with live_sandbox(faults=[{"kind": "forbidden", "at": 20}], log_requests=True) as live:
        write_jobs(tmp_path, live.base_url, LOCAL)
        (tmp_path / "inbox" / "leads.csv").write_text(leads(60), "utf-8")
        (first,) = round_of(tmp_path).jobs[0].files
        journal = Path(first.results or "") / "journal.sqlite3"
        journal.write_bytes(b"not a journal")
        (tmp_path / "inbox" / "other.csv").write_text(leads(3, 700), "utf-8")
        result = round_of(tmp_path)
        assert sorted(each[1:] for each in fates(result)) == [("imported", 0), ("stopped", 3)]
        assert live.request_count() <= 60 + 3


def test_a_run_whose_content_somebody_has_sent_since_is_left_alone(tmp_path: Path) -> None:
    with live_sandbox(faults=[{"kind": "forbidden", "at": 20}], log_requests=True) as live:
        write_jobs(tmp_path, live.base_url, LOCAL)
        path = tmp_path / "inbox" / "leads.csv"
        path.write_text(leads(60), "utf-8")
        assert round_of(tmp_path).exit_code == 3
        target = Target(live.base_url, 134, "sandbox", Secret("sandbox"))
        settings = RunSettings(runs_dir=tmp_path / "runs")
        guard = Guard(again=True)
        library.run(path, tmp_path / "m.yaml", target=target, settings=settings, guard=guard)
        sent = live.request_count()
        assert [each[1:] for each in fates(round_of(tmp_path))] == [("duplicate", 0)]
        assert fates(round_of(tmp_path)) == []
        assert live.request_count() == sent


def test_a_link_in_an_inbox_is_not_followed(tmp_path: Path, service: LiveSandbox) -> None:
    write_jobs(tmp_path, service.base_url, LOCAL)
    (tmp_path / "secret.csv").write_text(leads(3, 800), "utf-8")
    (tmp_path / "inbox" / "link.csv").symlink_to(tmp_path / "secret.csv")
    assert [each[1:] for each in fates(round_of(tmp_path))] == [("waiting", 3)]


def test_a_key_that_is_missing_is_trouble_of_the_job_and_leaves_its_files(
    tmp_path: Path, service: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VCC_API_KEY")
    monkeypatch.chdir(tmp_path)
    write_jobs(tmp_path, service.base_url, LOCAL)
    (tmp_path / "inbox" / "leads.csv").write_text(leads(3, 900), "utf-8")
    result = round_of(tmp_path)
    assert (fates(result), result.exit_code) == ([], 2)
    assert "VCC_API_KEY" in (result.jobs[0].trouble or pytest.fail("no trouble")).message


def test_a_bug_that_a_file_shows_keeps_no_other_back(
    tmp_path: Path, service: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(
        active: ActiveJob, path: Path, mapping: LoadedMapping
    ) -> tuple[str, LedgerEntry | None]:
        if path.name == "bad.csv":
            raise ZeroDivisionError
        return begun_by(active, path, mapping)

    monkeypatch.setattr("importer.operations.batch_file.begun_by", broken)
    write_jobs(tmp_path, service.base_url, LOCAL)
    (tmp_path / "inbox" / "bad.csv").write_text(leads(3, 1000), "utf-8")
    (tmp_path / "inbox" / "good.csv").write_text(leads(3, 1003), "utf-8")
    result = round_of(tmp_path)
    assert sorted(each[1:] for each in fates(result)) == [("imported", 0), ("stopped", 3)]


def test_a_held_file_that_stays_is_let_through_where_it_is(
    tmp_path: Path, service: LiveSandbox
) -> None:
    write_jobs(tmp_path, service.base_url, "files: inbox/*.csv, done: done, drift: true")
    for i in range(3):
        (tmp_path / "inbox" / f"{i}.csv").write_text(leads(10, 1100 + 10 * i), "utf-8")
    round_of(tmp_path)
    odd = tmp_path / "inbox" / "odd.csv"
    odd.write_text(leads(2, 1200), "utf-8")
    assert [each[1:] for each in fates(round_of(tmp_path))] == [("held", 1)]
    assert release(load_jobs(tmp_path / "jobs.yaml"), str(odd)) is None
    result = round_of(tmp_path)
    assert [each[1:] for each in fates(result)] == [("imported", 0)]
    assert result.jobs[0].counts[Status.CREATED] == 2


class _Server:
    """A server in a thread of its own, for the block."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], seen: list[Any]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._seen = seen

    def __enter__(self) -> tuple[str, list[Any]]:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}", self._seen

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def serving(text: str) -> _Server:
    """A web server that tells neither size nor time of what it has."""
    seen: list[Any] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return _Server(Page, seen)


def receiving() -> _HookServer:
    """A web hook, and what it was told."""
    told: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return _HookServer(Hook, told)


class _HookServer(_Server):
    def __enter__(self) -> tuple[str, list[Any]]:
        url, told = super().__enter__()
        return url.replace("http://", "json://"), told
