"""Files are put away whole, once, and never over another, whatever happens on the way."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import OutputError
from importer.operations import moving
from importer.operations.moving import CLAIM, ReplacedError, finish_moves, is_claim, move_away

TEXT = "Name,Phone\nAnna,0619997400\n" * 50
RESULTS = {"results.csv": "row,status\n2,created\n", "summary.json": "{}"}

# Kills itself before its Nth step that touches the disk: Python announces each of them.
CHILD = """
import os, signal, sys
from pathlib import Path
from filelock import FileLock
from importer.operations.moving import move_away
file, folder, run, last = *map(Path, sys.argv[1:4]), int(sys.argv[4])
steps = 0
def step(event, args):
    global steps
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime"):
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
move_away(file, folder, results=run, run_id="leads-1")
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's directory, with more in it than results."""
    folder = tmp_path / "runs" / "leads-1"
    folder.mkdir(parents=True)
    for name, text in {**RESULTS, "journal.sqlite3": "secret"}.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk."""
    shared = Path("/dev/shm")  # noqa: S108 - the one other disk that Linux always has
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other disk")
    folder = Path(tempfile.mkdtemp(dir=shared))
    yield folder / "done"
    shutil.rmtree(folder)


def put(folder: Path, name: str = "leads.csv", text: str = TEXT) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def tree(folder: Path) -> dict[str, str]:
    """All files below a folder but the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".moving-lock"
    }


def away(name: str = "leads.csv", text: str = TEXT) -> dict[str, str]:
    return {name: text, **{f"{name}.results/{file}": said for file, said in RESULTS.items()}}


def test_a_file_moves_with_its_results_beside_it(tmp_path: Path, inbox: Path, run: Path) -> None:
    file = put(inbox)
    written = file.stat().st_mtime_ns
    moved = move_away(file, tmp_path / "done", results=run, run_id="leads-1")
    assert moved == tmp_path / "done" / "leads.csv"
    assert moved.stat().st_mtime_ns == written
    assert tree(tmp_path / "done") == away()
    assert tree(inbox) == {}
    assert tree(run).keys() == {*RESULTS, "journal.sqlite3"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_folders_and_results_are_their_owners_alone(
    tmp_path: Path, inbox: Path, run: Path, elsewhere: Path
) -> None:
    for folder in (tmp_path / "done", elsewhere):
        moved = move_away(put(inbox), folder, results=run, run_id="leads-1")
        beside = folder / "leads.csv.results"
        assert [path.stat().st_mode & 0o777 for path in (folder, beside)] == [0o700] * 2
        assert (beside / "results.csv").stat().st_mode & 0o777 == 0o600
    assert moved.stat().st_mode & 0o777 == 0o600


def test_the_marker_goes_with_its_file(tmp_path: Path, inbox: Path) -> None:
    put(inbox, "leads.csv.done", "")
    move_away(put(inbox), tmp_path / "done", results=None, run_id="leads-1")
    assert tree(tmp_path / "done") == {"leads.csv": TEXT, "leads.csv.done": ""}
    assert tree(inbox) == {}


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path, inbox: Path, run: Path) -> None:
    done = tmp_path / "done"
    names = []
    for text in ("one", "two", "three"):
        moved = move_away(put(inbox, text=text), done, results=run, run_id="leads-1")
        names.append(moved.name)
    assert names == ["leads.csv", "leads-2.csv", "leads-3.csv"]
    assert tree(done) == {**away(text="one"), **away(names[1], "two"), **away(names[2], "three")}


def test_a_file_goes_to_another_disk(inbox: Path, run: Path, elsewhere: Path) -> None:
    put(inbox, "leads.csv.done", "whole")
    file = put(inbox)
    written = file.stat().st_mtime_ns
    moved = move_away(file, elsewhere, results=run, run_id="leads-1")
    assert tree(elsewhere) == {**away(), "leads.csv.done": "whole"}
    assert moved.stat().st_mtime_ns == written
    assert tree(inbox) == {}


@pytest.mark.parametrize("text", ["", CLAIM.decode(), CLAIM.decode()[:5]])
def test_a_file_that_is_as_short_as_a_claim_is_no_claim(
    tmp_path: Path, inbox: Path, text: str
) -> None:
    """Half way, the intent is left: it finds the file in its place, and does not take it away."""
    file = put(inbox, text=text)
    done = tmp_path / "done"
    done.mkdir()
    intent = moving._new_intent(file.absolute(), done, None, "leads-1")
    moving._write_intent(done, intent)
    file.rename(done / "leads.csv")
    assert finish_moves(done) == ()
    assert tree(done) == {"leads.csv": text}


def test_a_file_that_was_replaced_meanwhile_stays(tmp_path: Path, inbox: Path) -> None:
    file = put(inbox)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    put(inbox, text="a newer list")
    with pytest.raises(ReplacedError, match="another file has taken its place"):
        move_away(file, tmp_path / "done", results=None, run_id="leads-1", sha256=sha256)
    assert tree(inbox) == {"leads.csv": "a newer list"}
    assert tree(tmp_path / "done") == {}
    put(inbox)
    move_away(file, tmp_path / "done", results=None, run_id="leads-1", sha256=sha256)
    assert tree(tmp_path / "done") == {"leads.csv": TEXT}


def test_a_file_that_has_gone_is_an_error(tmp_path: Path, inbox: Path) -> None:
    with pytest.raises(ReplacedError, match="has gone"):
        move_away(inbox / "x.csv", tmp_path / "done", results=None, run_id="leads-1")


def test_a_folder_that_cannot_be_written_leaves_the_file(tmp_path: Path, inbox: Path) -> None:
    file = put(inbox)
    (tmp_path / "done").write_text("a file", "utf-8")
    with pytest.raises(OutputError, match="not a folder"):
        move_away(file, tmp_path / "done", results=None, run_id="leads-1")
    assert tree(inbox) == {"leads.csv": TEXT}


def test_a_file_that_cannot_be_moved_now_is_moved_the_next_time(
    tmp_path: Path, inbox: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows while a spreadsheet program has it open."""
    file = put(inbox)
    done = tmp_path / "done"
    replaced = Path.replace

    def locked(path: Path, target: Path) -> Path:
        if path == file:
            raise PermissionError(13, "The process cannot access the file")
        return replaced(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", locked)
        with pytest.raises(OutputError, match=r"leads\.csv: cannot be moved"):
            move_away(file, done, results=run, run_id="leads-1")
        assert tree(inbox) == {"leads.csv": TEXT}
        assert not (done / "leads.csv").exists()
        (complaint,) = finish_moves(done)
        assert "cannot be moved" in complaint
        assert "Close the program" in complaint
    again = run.with_name("leads-2")
    run.rename(again)
    assert move_away(file, done, results=again, run_id="leads-2") == done / "leads.csv"
    assert tree(done) == away()
    assert finish_moves(done) == ()


def test_a_new_file_under_the_old_name_is_left_to_the_next_round(
    tmp_path: Path, inbox: Path
) -> None:
    """The crash came after the file had moved; then the supplier put the next one there."""
    file, done = put(inbox), tmp_path / "done"
    done.mkdir()
    intent = moving._new_intent(file.absolute(), done, None, "leads-1")
    moving._write_intent(done, intent)
    file.rename(done / "leads.csv")
    put(inbox, text="the next list")
    assert finish_moves(done) == ()
    assert tree(done) == {"leads.csv": TEXT}
    assert tree(inbox) == {"leads.csv": "the next list"}


def test_a_file_that_was_replaced_before_its_move_is_told_of_and_left(
    tmp_path: Path, inbox: Path
) -> None:
    file, done = put(inbox), tmp_path / "done"
    done.mkdir()
    moving._write_intent(done, moving._new_intent(file.absolute(), done, None, "leads-1"))
    put(inbox, text="the next list")
    (complaint,) = finish_moves(done)
    assert "was replaced" in complaint
    assert tree(inbox) == {"leads.csv": "the next list"}
    assert tree(done) == {}


def test_somebody_who_takes_the_name_meanwhile_keeps_it(tmp_path: Path, inbox: Path) -> None:
    file, done = put(inbox), tmp_path / "done"
    done.mkdir()
    moving._write_intent(done, moving._new_intent(file.absolute(), done, None, "leads-1"))
    put(done, text="of somebody else")
    assert finish_moves(done) == ()
    assert tree(done) == {"leads.csv": "of somebody else", "leads-2.csv": TEXT}


def test_what_is_no_intent_of_ours_is_passed_over(tmp_path: Path) -> None:
    for name, text in ((".moving-1.json", "{}"), (".moving-2.json", "["), ("leads.csv", TEXT)):
        put(tmp_path, name, text)
    assert finish_moves(tmp_path) == ()
    assert (tmp_path / "leads.csv").exists()
    assert finish_moves(tmp_path / "none") == ()


def test_movers_at_once_lose_and_overwrite_nothing(tmp_path: Path, run: Path) -> None:
    """Two inboxes, the same names, one folder; and a third that completes what it finds."""
    done = tmp_path / "done"
    files = []
    for box in ("a", "b"):
        (tmp_path / box).mkdir()
        files.append([put(tmp_path / box, f"{n}.csv", f"{box}{n}") for n in range(15)])

    def move(some: list[Path]) -> None:
        for file in some:
            move_away(file, done, results=run, run_id="leads-1")

    movers = [threading.Thread(target=move, args=(some,)) for some in files]
    for mover in movers:
        mover.start()
    while any(mover.is_alive() for mover in movers):
        assert finish_moves(done) == ()
    for mover in movers:
        mover.join()
    found = [path.read_text("utf-8") for path in done.glob("*.csv")]
    assert sorted(found) == sorted(f"{box}{n}" for box in "ab" for n in range(15))
    assert len(list(done.glob("*.results"))) == 30


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("disk", ["same", "other"])
def test_whatever_step_a_crash_comes_at_there_is_one_whole_copy_afterwards(
    tmp_path: Path, run: Path, disk: str, request: pytest.FixtureRequest
) -> None:
    home = request.getfixturevalue("elsewhere") if disk == "other" else tmp_path / "done"
    killed = 0
    for step in range(1, 200):
        folder = home.with_name(f"done{step}")
        inbox = tmp_path / f"inbox{step}"
        inbox.mkdir()
        put(inbox, "leads.csv.done", "whole")
        file = put(inbox)
        command = [sys.executable, "-c", CHILD, *map(str, (file, folder, run, step))]
        code = subprocess.run(command, check=False, cwd=Path.cwd()).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
        assert TEXT in [*tree(inbox).values(), *tree(folder).values()], step
        assert finish_moves(folder) == (), step
        if file.exists():  # the crash came before there was an intent
            assert tree(inbox) == {"leads.csv": TEXT, "leads.csv.done": "whole"}, step
            assert tree(folder) == {}, step
            move_away(file, folder, results=run, run_id="leads-1")
        assert tree(inbox) == {}, step
        assert tree(folder) == {**away(), "leads.csv.done": "whole"}, step
    assert killed > 15
    assert tree(folder) == {**away(), "leads.csv.done": "whole"}


def test_half_a_claim_is_a_claim_and_nothing_else_is(tmp_path: Path) -> None:
    for text in (CLAIM, CLAIM[:7], b""):
        (tmp_path / "x").write_bytes(text)
        assert is_claim(tmp_path / "x")
    for text in (CLAIM + b"x", b"Name", b"vcd"):
        (tmp_path / "x").write_bytes(text)
        assert not is_claim(tmp_path / "x")
    assert not is_claim(tmp_path)
    assert not is_claim(tmp_path / "none")


def test_names_that_are_no_text_survive_the_intent(tmp_path: Path, inbox: Path) -> None:
    if os.name != "posix" or sys.platform == "darwin":
        pytest.skip("names are text there")
    name = os.fsdecode(b"le\xe4ds.csv")
    file, done = put(inbox, name), tmp_path / "done"
    done.mkdir()
    moving._write_intent(done, moving._new_intent(file.absolute(), done, None, "leads-1"))
    assert finish_moves(done) == ()
    assert (done / name).read_text("utf-8") == TEXT
