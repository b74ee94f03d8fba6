"""Files that are replaced, or go on growing, while they are read and sent."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import importer
from importer.model import Status
from importer.operations.batch_file import release
from importer.operations.jobs import load_jobs
from importer.operations.ledger import Ledger
from tests.operations.test_batch import MAPPING, Night, files
from tests.support.forwarder import forwarding
from tests.support.live_sandbox import LiveSandbox, live_sandbox


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LiveSandbox]:
    with live_sandbox(log_requests=True) as live:
        yield live


def leads(first: int, count: int) -> bytes:
    lines = [f"Név {i},0630{1_000_000 + i}" for i in range(first, first + count)]
    return "\n".join(["Name,Phone", *lines, ""]).encode()


def packed(kind: str, content: bytes, path: Path) -> None:
    """Put content in place of what is at a path, in one step, as a supplier's program does."""
    new = path.with_name("new.tmp")
    match kind:
        case "gzip":
            new.write_bytes(gzip.compress(content, mtime=0))
        case "zip":
            with zipfile.ZipFile(new, "w") as archive:
                archive.writestr(zipfile.ZipInfo("leads.csv"), content)  # without the time
        case _:
            new.write_bytes(content)
    new.replace(path)


def at(method: str, number: int, do: Callable[[], object]) -> Callable[[str, int], None]:
    """What does something before the request of that number and method goes on."""

    def told(each: str, count: int) -> None:
        if (each, count) == (method, number):
            do()

    return told


def names(service: LiveSandbox) -> list[str]:
    """The names of all who will be called, sorted."""
    return sorted(str(record["form"]["name"]) for record in service.records(134))


def expected(count: int) -> list[str]:
    return sorted(f"Név {i}" for i in range(count))


@pytest.mark.parametrize("kind", ["plain", "gzip", "zip"])
def test_what_is_hashed_is_what_was_sent_though_the_file_was_replaced_meanwhile(
    tmp_path: Path, service: LiveSandbox, kind: str
) -> None:
    path = tmp_path / "leads.csv"
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    packed(kind, leads(0, 50), path)
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    replace = at("GET", 1, lambda: packed(kind, leads(50, 30), path))
    with forwarding(service.base_url, replace) as url:
        target = importer.Target(url, 134, "sandbox", importer.Secret("sandbox"))
        settings = importer.RunSettings(runs_dir=tmp_path / "runs")

        def run() -> importer.RunResult:
            return importer.run(path, tmp_path / "m.yaml", target=target, settings=settings)

        first, second = run(), run()
        assert first.summary.source["sha256"] == old
        assert second.summary.counts[Status.CREATED] == 30
        packed(kind, leads(0, 50), path)
        with pytest.raises(importer.AlreadyImported):
            run()
    assert names(service) == expected(80)


def test_a_file_that_was_rewritten_while_it_was_read_is_read_as_it_was(
    tmp_path: Path, service: LiveSandbox
) -> None:
    """In place, on the same inode: no descriptor alone protects from that."""
    path = tmp_path / "leads.csv"
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    path.write_bytes(leads(0, 50))
    with forwarding(service.base_url, at("GET", 1, lambda: path.write_bytes(leads(50, 30)))) as url:
        target = importer.Target(url, 134, "sandbox", importer.Secret("sandbox"))
        settings = importer.RunSettings(runs_dir=tmp_path / "runs")
        result = importer.run(path, tmp_path / "m.yaml", target=target, settings=settings)
    assert result.summary.source["sha256"] == hashlib.sha256(leads(0, 50)).hexdigest()
    assert names(service) == expected(50)


@pytest.fixture
def night(tmp_path: Path, service: LiveSandbox) -> Night:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    return Night(tmp_path, service.base_url)


def grow(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


BEFORE, WHILE_SENDING = ("GET", 1), ("POST", 3)


WHILE_ASKED, WHILE_SENDING = ("GET", 1), ("POST", 3)


@pytest.mark.parametrize("when", [WHILE_ASKED, WHILE_SENDING])
def test_a_new_file_of_the_name_waits_for_the_next_round(
    night: Night, service: LiveSandbox, when: tuple[str, int]
) -> None:
    path = night.home / "a" / "leads.csv"
    with forwarding(
        service.base_url, at(*when, lambda: packed("", leads(50, 30), path))
    ) as night.url:
        night.jobs("a")
        path.write_bytes(leads(0, 50))
        first = night.round()
        assert files(first) == [("a/leads.csv", "imported", 0)]
        assert "taken as a new file" in first.jobs[0].files[0].message
        assert (night.tree("a"), night.tree("done/a")) == (["leads.csv"], [])
        assert files(night.round()) == [("a/leads.csv", "imported", 0)]
        path.write_bytes(leads(0, 50))
        assert files(night.round()) == [("a/leads.csv", "duplicate", 0)]
    assert names(service) == expected(80)


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("when", [WHILE_ASKED, WHILE_SENDING])
def test_a_file_that_goes_on_growing_is_told_of_and_held(
    night: Night, service: LiveSandbox, when: tuple[str, int], stays: bool
) -> None:
    path = night.home / "a" / "leads.csv"
    more = leads(50, 30).partition(b"\n")[2]
    with forwarding(service.base_url, at(*when, lambda: grow(path, more))) as night.url:
        night.jobs("a")
        if stays:
            jobs = night.home / "jobs.yaml"
            text = jobs.read_text("utf-8")
            jobs.write_text(text.replace("    done: done/a\n", ""), "utf-8")
        path.write_bytes(leads(0, 50))
        first = night.round()
        assert files(first) == [("a/leads.csv", "imported", 1)]
        assert "it went on growing" in first.jobs[0].files[0].cause
        assert night.tree("a") == ["leads.csv"]
        second = night.round()
        assert files(second) == [("a/leads.csv", "held", 1)]
        told = second.jobs[0].files[0]
        assert "the first 50 rows, 50 created" in told.message
        assert "--release" in told.remedy
        assert night.tree("held/a") == ["leads.csv", "leads.csv.note.txt"]
        assert names(service) == expected(50)
        with Ledger.open(night.home / "runs") as ledger:
            assert [entry.fate for entry in ledger.files()] == ["held", "waiting"]
        release(load_jobs(night.home / "jobs.yaml"), str(night.home / "held/a/leads.csv"))
        assert files(night.round()) == [("a/leads.csv", "imported", 0)]
    assert names(service) == sorted(expected(50) + expected(80))


def test_a_list_that_holds_all_earlier_ones_is_held_under_any_name(
    night: Night, service: LiveSandbox
) -> None:
    night.jobs("a")
    (night.home / "a/monday.csv").write_bytes(leads(0, 5))
    assert files(night.round()) == [("a/monday.csv", "imported", 0)]
    (night.home / "a/tuesday.csv").write_bytes(leads(0, 9))
    (night.home / "a/unlike.csv").write_bytes(leads(5, 4))
    assert sorted(files(night.round())) == [
        ("a/tuesday.csv", "held", 1),
        ("a/unlike.csv", "imported", 0),
    ]
    assert names(service) == expected(9)


def test_what_rows_within_knows_is_not_held_and_only_new_rows_are_taken(
    night: Night, service: LiveSandbox
) -> None:
    night.jobs("a")
    (night.home / "m.yaml").write_text(
        f"{MAPPING}rows: {{unique: [contacts.1.phone], within: 30d}}\n", "utf-8"
    )
    for count in (5, 9):
        (night.home / "a/leads.csv").write_bytes(leads(0, count))
        assert night.round().jobs[0].files[0].fate == "imported"
    assert names(service) == expected(9)


def test_a_file_that_is_replaced_after_its_comparison_is_not_sent(
    night: Night, service: LiveSandbox
) -> None:
    """What drift let pass is what is sent: the new one is compared in the next round."""
    path = night.home / "leads.csv"
    path.write_bytes(leads(0, 50))
    target = importer.Target(service.base_url, 134, "sandbox", importer.Secret("sandbox"))
    with pytest.raises(importer.SourceError, match="another file has taken its place"):
        importer.run(
            path,
            night.home / "m.yaml",
            target=target,
            settings=importer.RunSettings(runs_dir=night.home / "runs"),
            guard=importer.Guard(sha256=hashlib.sha256(leads(0, 51)).hexdigest()),
        )
    assert names(service) == []
