"""What is taken from an inbox, what waits, and why."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.operations.inbox import Arrivals, find_arrivals

SETTLE = 30.0
posix = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")


def put(path: Path, *, age: float = 3600, text: str = "Name\nAnna\n") -> Path:
    """A file that was last written so many seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    at = time.time() - age
    os.utime(path, (at, at))
    return path


def look(
    *patterns: Path | str,
    settle: float = SETTLE,
    never: tuple[Path, ...] = (),
    meanwhile: Callable[[], object] = lambda: None,
) -> Arrivals:
    """Look without waiting; between the looks, something may happen."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        meanwhile()

    return find_arrivals(list(map(str, patterns)), settle, never=never, pause=pause)


def names(inbox: Arrivals) -> list[str]:
    return [path.name for path in inbox.ready]


def reasons(inbox: Arrivals) -> dict[str, str]:
    return {each.path.name: each.why for each in inbox.waiting}


def test_an_empty_inbox_has_nothing(tmp_path: Path) -> None:
    assert look(tmp_path / "*.csv") == Arrivals((), ())


def test_files_come_oldest_first_then_by_name(tmp_path: Path) -> None:
    for name, age in (("c.csv", 60), ("a.csv", 50), ("b.csv", 900)):
        put(tmp_path / name, age=age)
    at = (tmp_path / "c.csv").stat().st_mtime_ns
    put(tmp_path / "d.csv")
    os.utime(tmp_path / "d.csv", ns=(at, at))
    assert names(look(tmp_path / "*.csv")) == ["b.csv", "c.csv", "d.csv", "a.csv"]


def test_a_file_that_was_written_just_now_waits(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", age=SETTLE - 5)
    put(tmp_path / "b.csv", age=SETTLE + 5)
    inbox = look(tmp_path / "*.csv")
    assert names(inbox) == ["b.csv"]
    assert reasons(inbox) == {"a.csv": "is still being written"}


def test_a_file_that_grows_between_two_looks_waits_though_it_looks_old(tmp_path: Path) -> None:
    """As on a server whose clock runs late."""
    file = put(tmp_path / "a.csv")
    inbox = look(tmp_path / "*.csv", meanwhile=lambda: put(file, text="longer than it was before"))
    assert reasons(inbox) == {"a.csv": "is still being written"}
    assert names(look(tmp_path / "*.csv")) == ["a.csv"]


def test_its_marker_makes_a_file_ready_at_once_and_is_no_file_itself(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", age=0)
    put(tmp_path / "a.csv.done", age=0, text="")
    put(tmp_path / "early.csv.done", text="")
    assert look(tmp_path) == Arrivals((tmp_path / "a.csv",), ())


def test_a_marker_from_before_the_file_speaks_of_another(tmp_path: Path) -> None:
    put(tmp_path / "a.csv.done", age=3600, text="")
    put(tmp_path / "a.csv", age=1)
    assert reasons(look(tmp_path)) == {"a.csv": "is still being written"}


@pytest.mark.parametrize(
    "name",
    [
        "~$a.xlsx", ".a.csv.swp", "a.csv.part", "a.csv.crdownload", "a.tmp", ".~lock.a.csv#",
        ".hidden.csv", "a.csv.filepart", "A.CSV.PARTIAL", "a.csv~", "Thumbs.db", "desktop.ini",
    ],
)  # fmt: skip
def test_names_of_temporary_files_are_passed_over(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    assert look(tmp_path, tmp_path / name, tmp_path / ".*") == Arrivals((), ())


def test_a_file_from_the_future_is_watched_and_taken(tmp_path: Path) -> None:
    file = put(tmp_path / "a.csv", age=-86400)
    assert names(look(tmp_path)) == ["a.csv"]
    inbox = look(tmp_path, meanwhile=lambda: put(file, age=-86500))
    assert reasons(inbox) == {"a.csv": "is still being written"}


def test_a_file_from_the_future_is_watched_for_as_long_as_it_must_be_still(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", age=-86400)
    pauses: list[float] = []
    find_arrivals([str(tmp_path)], SETTLE, pause=pauses.append)
    assert pauses == [SETTLE]
    pauses.clear()
    find_arrivals([str(tmp_path)], 86000, pause=pauses.append)
    assert pauses == [60]


def test_a_file_that_goes_between_two_looks_is_tried_again_then_told_of(tmp_path: Path) -> None:
    file = put(tmp_path / "a.csv")
    other = put(tmp_path / "b.csv")
    inbox = look(tmp_path, meanwhile=lambda: file.unlink(missing_ok=True))
    assert inbox.ready == (other,)
    assert reasons(inbox)["a.csv"].startswith("was there, and has gone")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_waits(tmp_path: Path) -> None:
    put(tmp_path / "a.csv").chmod(0)
    assert "another program has it open" in reasons(look(tmp_path))["a.csv"]


def test_a_file_that_is_locked_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows does with a file that Excel has open; elsewhere nothing locks so."""
    put(tmp_path / "a.csv")
    put(tmp_path / "b.csv")
    opened = Path.open
    tries: list[str] = []

    def locked(path: Path, mode: str = "r") -> object:
        if path.name == "a.csv" or (path.name == "b.csv" and not tries):
            tries.append(path.name)
            raise PermissionError(13, "The process cannot access the file")
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", locked)
    inbox = look(tmp_path)
    assert names(inbox) == ["b.csv"]
    assert "another program has it open" in reasons(inbox)["a.csv"]
    assert tries.count("a.csv") == 3


def test_what_is_in_a_folder_of_ours_is_never_taken_by_a_wildcard(tmp_path: Path) -> None:
    put(tmp_path / "a.csv")
    put(tmp_path / "sub" / "b.csv")
    put(tmp_path / "done" / "c.csv")
    put(tmp_path / "done" / "c.csv.results" / "failures.csv")
    ours = (tmp_path / "done", tmp_path / "runs")
    assert names(look(tmp_path / "**" / "*.csv", never=ours)) == ["a.csv", "b.csv"]


def test_a_folder_of_another_job_is_taken_from_where_a_pattern_names_it(tmp_path: Path) -> None:
    put(tmp_path / "done" / "c.csv")
    ours = (tmp_path / "done",)
    assert names(look(tmp_path / "done" / "*.csv", never=ours)) == ["c.csv"]
    assert names(look(tmp_path / "done", never=ours)) == ["c.csv"]


def test_a_file_that_two_patterns_mean_comes_once(tmp_path: Path) -> None:
    put(tmp_path / "a.csv")
    assert names(look(tmp_path / "*.csv", tmp_path / "a*", tmp_path)) == ["a.csv"]


def test_folders_and_pipes_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "y.csv")
    assert look(tmp_path / "*.csv") == Arrivals((), ())


@posix
def test_a_link_is_never_taken(tmp_path: Path) -> None:
    secret = put(tmp_path / "etc" / "key.csv")
    inbox = tmp_path / "inbox"
    put(inbox / "own.csv")
    (inbox / "out.csv").symlink_to(secret)
    (inbox / "in.csv").symlink_to(inbox / "own.csv")
    (inbox / "broken.csv").symlink_to(inbox / "none")
    (inbox / "folder").symlink_to(secret.parent)
    found = look(inbox / "**" / "*")
    assert names(found) == ["own.csv"]
    assert set(reasons(found)) == {"out.csv", "in.csv", "broken.csv"}
    assert "link" in reasons(found)["out.csv"]


@posix
def test_the_folder_that_a_pattern_names_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path / "share" / "a.csv")
    (tmp_path / "inbox").symlink_to(tmp_path / "share")
    assert names(look(tmp_path / "inbox" / "*.csv")) == ["a.csv"]


def test_a_folder_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="share: there is no such folder") as caught:
        look(tmp_path / "share" / "*.csv", tmp_path)
    assert "mounted" in str(caught.value.hint)


def test_a_plain_name_is_a_file_that_may_not_be_there(tmp_path: Path) -> None:
    assert look(tmp_path / "leads.csv") == Arrivals((), ())
    put(tmp_path / "leads.csv")
    assert names(look(tmp_path / "leads.csv")) == ["leads.csv"]


def test_a_thousand_small_files_are_found_in_no_time(tmp_path: Path) -> None:
    for number in range(1000):
        put(tmp_path / f"{number:04}.csv", age=2000 - number)
    began = time.perf_counter()
    inbox = look(tmp_path / "*.csv")
    assert names(inbox) == [f"{number:04}.csv" for number in range(1000)]
    assert time.perf_counter() - began < 5


def test_real_time_is_waited_for_a_second_look_only(tmp_path: Path) -> None:
    put(tmp_path / "a.csv")
    began = time.perf_counter()
    assert names(find_arrivals([str(tmp_path)], SETTLE)) == ["a.csv"]
    assert time.perf_counter() - began < 5
