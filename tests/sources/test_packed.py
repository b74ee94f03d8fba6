"""Lists that are packed, or come through a pipe; and what is refused of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.settings import SourceOptions
from importer.sources import inputfile, open_source, package
from tests.sources.test_other_workbooks import FILES
from tests.support.sheets import cells_of

LIST = "Név;Telefon\nŐry;06301\n".encode("cp1250")
ROWS = [["Őry", "06301"]]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, which is empty when a test ends."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def read(path: Path) -> list[list[str]]:
    rows = []
    with open_source(path, SourceOptions()) as source:
        for batch in source.batches():
            rows += cells_of(batch)
    return rows


def refused(path: Path, temporary: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(path)
    assert caught.value.hint
    assert list(temporary.iterdir()) == []
    return caught.value


def archive(path: Path, *parts: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in parts:
            opened.writestr(name, content)
    return path


def test_a_gzip_file_is_read_as_what_it_holds(tmp_path: Path, temporary: Path) -> None:
    """In several members too, as when such files are put together."""
    path = tmp_path / "leads.csv"  # its name does not matter
    path.write_bytes(gzip.compress(LIST[:10]) + gzip.compress(LIST[10:]))
    with open_source(path, SourceOptions()) as source:
        assert (source.info.path, source.info.encoding) == (str(path), "cp1250")
        assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        folders = list(temporary.iterdir())
        assert len(folders) == 2  # of the file as it is, and of what it unpacks to
        for folder in folders:
            [file] = (path for path in folder.iterdir() if path.name != ".in-use")
            if os.name == "posix":
                assert stat.S_IMODE(file.stat().st_mode) == 0o600
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(temporary.iterdir()) == []
    assert read(path) == ROWS


def test_the_one_list_of_an_archive_is_read(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "leads.zip",
        ("October/", b""),
        ("October/leads.csv", LIST),
        ("__MACOSX/October/._leads.csv", b"x"),
        ("October/.DS_Store", b"x"),
        ("October/terms.pdf", b"%PDF-"),
    )
    assert read(path) == ROWS
    with open_source(path, SourceOptions()) as source:
        assert source.info.path == str(path)
        problem = source.info.problems[0]
    assert problem.code == "other_files"
    assert "leads.csv was read" in problem.message
    assert "terms.pdf" in problem.message


@pytest.mark.parametrize("suffix", ["xls", "ods"])
@pytest.mark.parametrize("pack", ["gzip", "zip"])
def test_a_packed_workbook_is_read(tmp_path: Path, suffix: str, pack: str) -> None:
    content = (FILES / f"calendar1904.{suffix}").read_bytes()
    path = tmp_path / "packed"
    if pack == "gzip":
        path.write_bytes(gzip.compress(content))
    else:
        archive(path, (f"leads.{suffix}", content))
    assert read(path) == [["2024-12-24"]]


def test_several_lists_in_an_archive_are_refused_by_name(tmp_path: Path, temporary: Path) -> None:
    path = archive(tmp_path / "x.zip", ("a.csv", LIST), ("b.xlsx", b"x"), ("c.pdf", b"x"))
    message = refused(path, temporary).message
    assert "2 lists: a.csv, b.xlsx" in message
    path = archive(tmp_path / "y.zip", *((f"{n}.csv", LIST) for n in range(30)))
    assert "9.csv and 20 more" in refused(path, temporary).message
    path = archive(tmp_path / "z.zip", ("a.pdf", b"x"), ("b.doc", b"x"))
    assert "which file" in refused(path, temporary).message
    assert "holds no file" in refused(archive(tmp_path / "e.zip", ("a/", b"")), temporary).message


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        info = tarfile.TarInfo("leads.csv")
        info.size = len(LIST)
        opened.addfile(info, io.BytesIO(LIST))
    return buffer.getvalue()


@pytest.mark.parametrize("inner", ["gzip", "zip", "tar"])
@pytest.mark.parametrize("outer", ["gzip", "zip"])
def test_an_archive_within_an_archive_is_refused(
    tmp_path: Path, temporary: Path, inner: str, outer: str
) -> None:
    content = {
        "gzip": gzip.compress(LIST),
        "zip": archive(tmp_path / "inner.zip", ("a.csv", LIST)).read_bytes(),
        "tar": _tar(),
    }[inner]
    path = tmp_path / "outer"
    if outer == "gzip":
        path.write_bytes(gzip.compress(content))
    else:
        archive(path, ("leads.csv", content))
    assert "archive within an archive" in refused(path, temporary).message


@pytest.mark.parametrize(
    "name", ["../../../leads.csv", "/etc/leads.csv", "C:\\leads.csv", "..\\leads.csv", "a\nb.csv"]
)
def test_a_path_in_an_archive_leads_nowhere(tmp_path: Path, temporary: Path, name: str) -> None:
    path = archive(tmp_path / "leads.zip", (name, LIST))
    before = sorted(tmp_path.rglob("*"))
    assert read(path) == ROWS
    assert sorted(tmp_path.rglob("*")) == before
    path = archive(tmp_path / "leads.zip", (name, b"Name\n"))
    assert "\n" not in refused(path, temporary).message


@pytest.mark.parametrize("pack", ["gzip", "zip"])
def test_a_bomb_is_refused_while_it_unpacks(tmp_path: Path, temporary: Path, pack: str) -> None:
    content = b"Name\n" + b"x\n" * 45_000_000
    path = tmp_path / "bomb"
    if pack == "gzip":
        path.write_bytes(gzip.compress(content, 6))
    else:
        archive(path, ("leads.csv", content))
    assert "do harm" in refused(path, temporary).message


@pytest.mark.parametrize("pack", ["gzip", "zip"])
def test_what_unpacks_to_more_than_the_limit_is_refused(
    tmp_path: Path, temporary: Path, pack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputfile, "SPOOL_LIMIT", package.MIB)
    path = tmp_path / "large"
    content = b"Name\n" + b"x\n" * package.MIB
    if pack == "gzip":
        path.write_bytes(gzip.compress(content))
    else:
        archive(path, ("leads.csv", content))
    assert "limit of 1 MiB" in refused(path, temporary).message


@pytest.mark.parametrize("pack", ["gzip", "zip"])
def test_a_damaged_archive_is_refused_wherever_it_is_cut_or_changed(
    tmp_path: Path, pack: str
) -> None:
    path = tmp_path / "leads"
    if pack == "gzip":
        whole = gzip.compress(LIST * 20)
    else:
        whole = archive(path, ("leads.csv", LIST * 20)).read_bytes()
    for at in range(1, len(whole)):
        for content in (whole[:at], whole[:at] + b"\xff\x00\xff" + whole[at + 3 :]):
            path.write_bytes(content)
            try:
                read(path)
            except SourceError as error:
                assert error.hint


def test_an_archive_with_a_password_is_refused(tmp_path: Path, temporary: Path) -> None:
    path = archive(tmp_path / "leads.zip", ("leads.csv", LIST))
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    content[at + 8 : at + 10] = struct.pack("<H", 1)
    path.write_bytes(content)
    assert "password" in refused(path, temporary).message


def test_an_archive_with_an_endless_directory_is_refused(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "DIRECTORY_LIMIT", 100_000)
    path = archive(tmp_path / "leads.zip", *((f"{n}.pdf", b"") for n in range(3000)))
    assert "directory is larger" in refused(path, temporary).message


@pytest.mark.skipif(os.name != "posix", reason="needs /dev/fd")
def test_a_pipe_of_the_shell_is_read_as_a_file() -> None:
    """As the shell's <(…) gives one."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        stream.write(LIST)
    try:
        assert read(Path(f"/dev/fd/{reading}")) == ROWS
    finally:
        os.close(reading)


@pytest.mark.parametrize("content", [LIST, gzip.compress(LIST)], ids=["plain", "gzip"])
def test_standard_input_is_read_like_a_file(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with open_source(Path("-"), SourceOptions()) as source:
        assert source.info.path == "standard input"
        assert source.sha256 == hashlib.sha256(content).hexdigest()
        [batch] = source.batches()
    assert cells_of(batch) == ROWS
    assert list(temporary.iterdir()) == []


def test_standard_input_that_is_empty_or_closed_is_refused(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert "nothing came" in refused(Path("-"), temporary).message
    sys.stdin.close()
    assert "closed" in refused(Path("-"), temporary).message
    monkeypatch.setattr(sys, "stdin", None)
    assert "closed" in refused(Path("-"), temporary).message
