"""Files on a real SFTP server: found, fetched, moved, and what goes wrong there."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

pytest.importorskip("asyncssh", reason="the extra `remote` is not installed")

import asyncssh

from importer.errors import SourceError, UsageError
from importer.operations.remote import StillArrivingError, remote_place
from importer.operations.remote_origin import RemoteTimes
from tests.support.sftp_server import PASSWORD, Files, SftpPlace, sftp_server

LEADS = b"name,phone\nAnna,3612345678\n"
TIMES = RemoteTimes(connect=10, answer=10, silence=10, fetch=30)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[SftpPlace]:
    with sftp_server(tmp_path) as place:
        (place.root / "inbox").mkdir()
        (place.root / "inbox" / "leads.csv").write_bytes(LEADS)
        yield place


def test_files_that_fit_a_pattern_are_listed_with_size_and_time(there: SftpPlace) -> None:
    inbox = there.root / "inbox"
    (inbox / "other.xlsx").write_bytes(b"x")
    (inbox / ".hidden.csv").write_bytes(b"x")
    (inbox / "more.csv.part").write_bytes(b"x")
    (inbox / "folder.csv").mkdir()
    os.utime(inbox / "leads.csv", (1_700_000_000, 1_700_000_000))
    with remote_place(f"{there.url}/inbox/*.csv*", variables=there.variables) as place:
        (file,) = place.list()
    assert (file.name, file.size, file.modified) == ("leads.csv", len(LEADS), 1_700_000_000)
    assert file.url == f"{there.url}/inbox/leads.csv"
    assert file.quiet_for(1_700_000_030.0) == 30


def test_wildcards_stand_for_folders_too(there: SftpPlace) -> None:
    for day in ("monday", "tuesday"):
        (there.root / "days" / day / "out").mkdir(parents=True)
        (there.root / "days" / day / "out" / "a.csv").write_bytes(LEADS)
    (there.root / "days" / "wednesday").mkdir()
    with remote_place(f"{there.url}/days/*/out/?.csv", variables=there.variables) as place:
        assert [file.path for file in place.list()] == [
            "/days/monday/out/a.csv",
            "/days/tuesday/out/a.csv",
        ]


def test_a_missing_file_is_no_file_and_a_missing_folder_is_an_error(there: SftpPlace) -> None:
    with remote_place(f"{there.url}/inbox/none.csv", variables=there.variables) as place:
        assert place.list() == []
    with (
        remote_place(f"{there.url}/nowhere/*.csv", variables=there.variables) as place,
        pytest.raises(SourceError, match="no such folder"),
    ):
        place.list()
    with (
        remote_place(f"{there.url}/inbox", variables=there.variables) as place,
        pytest.raises(UsageError, match="is a folder"),
    ):
        place.list()


def test_a_fetched_file_is_whole_and_private(there: SftpPlace, tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    (there.root / "inbox" / "leads.csv").write_bytes(content)
    with remote_place(f"{there.url}/inbox/*.csv", variables=there.variables) as place:
        (file,) = place.list()
        here = place.fetch(file, tmp_path / "here")
        again = place.fetch(file, tmp_path / "here")
    assert here.read_bytes() == again.read_bytes() == content
    assert (here.name, again.name) == ("leads.csv", "leads-2.csv")
    if os.name == "posix":
        assert stat.S_IMODE(here.stat().st_mode) == 0o600
        assert stat.S_IMODE(here.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in here.parent.iterdir()) == ["leads-2.csv", "leads.csv"]


def test_a_file_that_grows_after_it_was_listed_is_left(there: SftpPlace, tmp_path: Path) -> None:
    with remote_place(f"{there.url}/inbox/*.csv", variables=there.variables) as place:
        (file,) = place.list()
        with (there.root / "inbox" / "leads.csv").open("ab") as out:
            out.write(b"Bela,")
        with pytest.raises(StillArrivingError, match="still being written"):
            place.fetch(file, tmp_path / "here")
    assert not (tmp_path / "here").exists()


class GrowsWhileRead(Files):
    """Somebody adds a row while the file is read."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        path = self.root / "inbox" / "leads.csv"
        if path.stat().st_size == len(LEADS):
            with path.open("ab") as out:
                out.write(b"Bela,3687654321\n")
        return bytes(super().read(file_obj, offset, size))  # type: ignore[arg-type]


def test_a_file_that_grows_while_it_is_fetched_is_left(tmp_path: Path) -> None:
    with sftp_server(tmp_path, GrowsWhileRead) as there:
        (there.root / "inbox").mkdir()
        (there.root / "inbox" / "leads.csv").write_bytes(LEADS)
        with remote_place(f"{there.url}/inbox/*.csv", variables=there.variables) as place:
            (file,) = place.list()
            with pytest.raises(StillArrivingError):
                place.fetch(file, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_fetched_file_is_moved_and_overwrites_nothing(there: SftpPlace, tmp_path: Path) -> None:
    (there.root / "inbox" / "done").mkdir()
    (there.root / "inbox" / "done" / "leads.csv").write_bytes(b"yesterday")
    with remote_place(f"{there.url}/inbox/*.csv", variables=there.variables) as place:
        (file,) = place.list()
        place.fetch(file, tmp_path / "here")
        assert place.move(file, "done") == f"{there.url}/inbox/done/leads-2.csv"
        assert place.list() == []
    assert (there.root / "inbox" / "done" / "leads.csv").read_bytes() == b"yesterday"
    assert (there.root / "inbox" / "done" / "leads-2.csv").read_bytes() == LEADS


@pytest.mark.parametrize(
    ("folder", "end"),
    [
        ("/old/2026", "/old/2026/leads.csv"),
        ("../old/", "/old/leads.csv"),
        ("sftp://127.0.0.1:{port}/old", "/old/leads.csv"),
    ],
)
def test_a_folder_to_move_to_is_made(there: SftpPlace, folder: str, end: str) -> None:
    with remote_place(f"{there.url}/inbox/*.csv", variables=there.variables) as place:
        (file,) = place.list()
        assert place.move(file, folder.format(port=there.port)) == there.url + end
    assert (there.root / end[1:]).read_bytes() == LEADS


def test_nothing_is_moved_to_another_server(there: SftpPlace) -> None:
    with remote_place(f"{there.url}/inbox/*.csv", variables=there.variables) as place:
        (file,) = place.list()
        with pytest.raises(UsageError, match="another server"):
            place.move(file, "sftp://127.0.0.2/done")


def test_a_newer_file_of_the_same_name_is_not_moved_away(there: SftpPlace, tmp_path: Path) -> None:
    """The supplier delivers again during the import: those leads were not imported yet."""
    with remote_place(f"{there.url}/inbox/*.csv", variables=there.variables) as place:
        (file,) = place.list()
        place.fetch(file, tmp_path / "here")
        (there.root / "inbox" / "leads.csv").write_bytes(LEADS + LEADS)
        with pytest.raises(StillArrivingError):
            place.move(file, "done")
    assert (there.root / "inbox" / "leads.csv").read_bytes() == LEADS + LEADS


def test_a_password_comes_from_a_variable(there: SftpPlace) -> None:
    there.config.write_text(f"UserKnownHostsFile {there.known_hosts}\nIdentitiesOnly yes\n")
    url = there.url.replace("@", ":${SFTP_PASSWORD}@")
    with remote_place(f"{url}/inbox/*.csv", variables=there.variables) as place:
        (file,) = place.list()
    assert PASSWORD not in repr(file)


def test_a_wrong_password_is_told_without_it(there: SftpPlace) -> None:
    there.config.write_text(f"UserKnownHostsFile {there.known_hosts}\nIdentitiesOnly yes\n")
    variables = {**there.variables, "SFTP_PASSWORD": "wrong-secret"}
    url = there.url.replace("@", ":${SFTP_PASSWORD}@")
    with pytest.raises(SourceError, match="does not let us in") as caught:
        remote_place(f"{url}/inbox/*.csv", variables=variables).__enter__()
    assert "wrong-secret" not in f"{caught.value}{caught.value.hint}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("known", ["", "[127.0.0.1]:{port} {other}\n"])
def test_a_host_key_that_is_not_the_known_one_ends_it(there: SftpPlace, known: str) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    there.known_hosts.write_text(known.format(port=there.port, other=other))
    with pytest.raises(SourceError, match="host key") as caught:
        remote_place(f"{there.url}/inbox/*.csv", variables=there.variables).__enter__()
    assert "known_hosts" in str(caught.value.hint)


def test_no_known_hosts_at_all_is_not_trust(
    there: SftpPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.config.write_text(f"IdentityFile {tmp_path / 'id_ed25519'}\n")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "nobody"))
    with pytest.raises(SourceError, match="host key"):
        remote_place(f"{there.url}/inbox/*.csv", variables=there.variables).__enter__()


def test_a_configuration_that_trusts_everybody_is_refused(there: SftpPlace) -> None:
    there.config.write_text("UserKnownHostsFile none\n")
    with pytest.raises(UsageError, match="host keys off"):
        remote_place(f"{there.url}/inbox/*.csv", variables=there.variables).__enter__()


class Hostile(Files):
    """Lists names that are paths, devices, or commands to a terminal."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        for name in (b"../../etc/passwd.csv", b"/etc/shadow.csv"):
            yield asyncssh.SFTPName(name, attrs=asyncssh.SFTPAttrs(size=1))
        async for entry in super().scandir(path):
            yield entry


def test_names_of_a_hostile_server_stay_in_the_folder(tmp_path: Path) -> None:
    tricks = {
        "..\\..\\up.csv": "_._.._up.csv",
        "con.csv": "_con.csv",
        "red\x1b[31m\n.csv": "red_[31m_.csv",
        "-rf.csv": "_rf.csv",
        "a:b|c.csv": "a_b_c.csv",
        "x" * 240 + ".csv": "x" * 146 + ".csv",
    }
    with sftp_server(tmp_path, Hostile) as there:
        (there.root / "inbox").mkdir()
        for name in tricks:
            (there.root / "inbox" / name).write_bytes(LEADS)
        (there.root / "inbox" / os.fsdecode(b"latin-\xe1.csv")).write_bytes(LEADS)
        (there.root / "inbox" / "..up.csv").write_bytes(LEADS)  # hidden: left out
        with remote_place(f"{there.url}/inbox/*.csv", variables=there.variables) as place:
            files = place.list()
            fetched = {place.fetch(file, tmp_path / "here") for file in files}
    expected = {name for trick, name in tricks.items() if not trick.startswith(".")}
    assert {path.name for path in fetched} == expected | {"latin-_.csv"}
    assert {path.parent for path in fetched} == {tmp_path / "here"}
    assert all(file.url.isprintable() for file in files)


def test_a_server_that_hangs_does_not_hold_the_night(tmp_path: Path) -> None:
    """It takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        begun = time.monotonic()
        with pytest.raises(SourceError, match="does not answer in time"):
            remote_place(
                f"sftp://lead@127.0.0.1:{port}/x.csv",
                variables={},
                times=RemoteTimes(connect=0.5),
            ).__enter__()
        assert time.monotonic() - begun < 8


def test_a_file_that_stops_coming_is_given_up(tmp_path: Path) -> None:
    release = threading.Event()

    class Stalls(Files):
        async def read(self, file_obj: object, offset: int, size: int) -> bytes:
            await asyncio.to_thread(release.wait)
            return b""

    with sftp_server(tmp_path, Stalls) as there:
        (there.root / "leads.csv").write_bytes(LEADS)
        times = RemoteTimes(connect=10, answer=10, silence=0.5, fetch=30)
        with remote_place(f"{there.url}/*.csv", variables=there.variables, times=times) as place:
            (file,) = place.list()
            with pytest.raises(SourceError, match="does not answer in time"):
                place.fetch(file, tmp_path / "here")
            release.set()
    assert list((tmp_path / "here").iterdir()) == []


def test_a_server_that_is_down_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(SourceError, match="cannot be reached"):
        remote_place(f"sftp://lead@127.0.0.1:{port}/x.csv", variables={}).__enter__()
