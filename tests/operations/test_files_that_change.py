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
from tests.operations.test_batch import MAPPING
from tests.support.between import between
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
    with between(service.base_url, replace) as url:
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
    with between(service.base_url, at("GET", 1, lambda: path.write_bytes(leads(50, 30)))) as url:
        target = importer.Target(url, 134, "sandbox", importer.Secret("sandbox"))
        settings = importer.RunSettings(runs_dir=tmp_path / "runs")
        result = importer.run(path, tmp_path / "m.yaml", target=target, settings=settings)
    assert result.summary.source["sha256"] == hashlib.sha256(leads(0, 50)).hexdigest()
    assert names(service) == expected(50)
