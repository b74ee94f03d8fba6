"""The journal's rules, held against kills, damage, full disks and second runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import JournalError, OutputError
from importer.journal.file import has_no_tables, mark_path
from importer.journal.journal import ENDED_KEY, Journal
from importer.model import Outcome, Status
from importer.pipeline.recover import last_written

FULL = Outcome(
    5, Status.UNCERTAIN, ("6", "7"), 3, 417, "error.unknown_field", "417 städt", "do this"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def created(row: int) -> Outcome:
    return Outcome(row, Status.CREATED, (str(row + 100),), 1, 200)


def run_and_die(path: Path, *statements: str) -> None:
    """Let another process open the journal, do this, and be killed without a chance to clean up."""
    code = [
        "import os, signal, sys",
        "from pathlib import Path",
        "from importer.journal.journal import Journal",
        "from importer.model import Outcome, Status",
        "path = Path(sys.argv[1])",
        "journal = Journal.open(path) if path.exists() else Journal.create(path, {'run_id': 'x'})",
        *statements,
        "os.kill(os.getpid(), signal.SIGKILL) if hasattr(signal, 'SIGKILL') else os._exit(9)",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(code), str(path)], check=False)
    assert done.returncode != 0


class TestStates:
    def test_outcomes_come_back_as_they_went_in_by_row_number(self, path: Path) -> None:
        skipped = Outcome(3, Status.SKIPPED, code="duplicate", message="as row 2")
        with Journal.create(path, {}) as journal:
            journal.record(intents=[9, 5])
            journal.settle([created(9), skipped, FULL])
            assert list(journal.outcomes()) == [skipped, FULL, created(9)]
            assert list(journal.settled_rows()) == [3, 5, 9]
            assert journal.attempts() == 4

    @pytest.mark.parametrize("text", ["", "\u2028🙂ß", "1", "null", '{"a": [1]}', "'; --"])
    def test_any_text_comes_back_as_it_was(self, path: Path, text: str) -> None:
        outcome = Outcome(2, Status.INVALID, code=text, message=text, hint=text)
        with Journal.create(path, {}) as journal:
            journal.settle([outcome])
            assert list(journal.outcomes()) == [outcome]

    @pytest.mark.parametrize(("text", "kept"), [("a\x00b", "a\ufffdb"), ("a\ud800b", "a?b")])
    def test_what_is_no_text_is_marked_and_cuts_nothing_off(
        self, path: Path, text: str, kept: str
    ) -> None:
        with Journal.create(path, {}) as journal:
            journal.settle([Outcome(2, Status.INVALID, message=text)])
            assert [o.message for o in journal.outcomes()] == [kept]

    def test_row_numbers_may_be_numpys(self, path: Path) -> None:
        rows = np.array([2, 3], dtype=np.int64)
        with Journal.create(path, {}) as journal:
            journal.record(intents=list(rows))
            journal.settle([Outcome(rows[0], Status.CREATED, ("6",), 1, 200)])
            journal.record(withdrawn=[rows[1]])
            assert list(journal.settled_rows()) == [2]

    def test_a_row_without_an_entry_is_pending(self, path: Path) -> None:
        with Journal.create(path, {}) as journal:
            assert list(journal.outcomes()) == []
            assert set(journal.counts().values()) == {0}
            assert Status.PENDING not in journal.counts()

    def test_an_intent_without_an_outcome_reads_as_uncertain(self, path: Path) -> None:
        with Journal.create(path, {}) as journal:
            journal.record(intents=[2])
            [outcome] = journal.outcomes()
            assert (outcome.row, outcome.status) == (2, Status.UNCERTAIN)
            assert outcome.message
            assert outcome.hint
            assert journal.counts()[Status.UNCERTAIN] == 1
            assert list(journal.settled_rows()) == [2]

    def test_a_withdrawn_row_is_pending_and_may_be_intended_again(self, path: Path) -> None:
        with Journal.create(path, {}) as journal:
            journal.record(intents=[2, 3])
            journal.record(withdrawn=[2])
            assert list(journal.settled_rows()) == [3]
            journal.record(intents=[2])

    def test_more_rows_than_a_page_stream_in_order(self, path: Path) -> None:
        rows = range(2, 10_002)
        with Journal.create(path, {}) as journal:
            journal.settle([created(row) for row in reversed(rows)])
            assert [o.row for o in journal.outcomes()] == list(rows)
            assert list(journal.settled_rows()) == list(rows)
            assert journal.counts()[Status.CREATED] == len(rows)

    def test_the_first_intent_of_a_sitting_takes_away_when_the_last_one_ended(
        self, path: Path
    ) -> None:
        with Journal.create(path, {}) as journal:
            journal.record(intents=[2])
            journal.set_meta({ENDED_KEY: "1.0"})
        with Journal.open(path) as journal:
            journal.settle([Outcome(2, Status.CREATED, ("1",), 1, 200)])
            assert journal.meta()[ENDED_KEY] == "1.0"
            journal.record(intents=[3])
            assert ENDED_KEY not in journal.meta()

    def test_meta_is_kept_and_can_be_added_to(self, path: Path) -> None:
        with Journal.create(path, {"run_id": "a", "sha256": "ß"}) as journal:
            journal.set_meta({"run_id": "b", "more": ""})
        with Journal.open(path) as journal:
            assert journal.meta() == {"run_id": "b", "sha256": "ß", "more": ""}


class TestNothingTwice:
    @pytest.mark.parametrize("first", ["intend", "settle"])
    def test_a_row_that_has_an_entry_is_never_intended_again(self, path: Path, first: str) -> None:
        with Journal.create(path, {}) as journal:
            if first == "intend":
                journal.record(intents=[2])
            else:
                journal.settle([created(2)])
            with pytest.raises(JournalError, match="second time"):
                journal.record(intents=[3, 2])
            assert list(journal.settled_rows()) == [2]

    def test_the_same_row_twice_in_one_go_is_refused(self, path: Path) -> None:
        with Journal.create(path, {}) as journal, pytest.raises(JournalError):
            journal.record(intents=[2, 2])

    def test_an_outcome_is_final(self, path: Path) -> None:
        with Journal.create(path, {}) as journal:
            journal.settle([created(2)])
            with pytest.raises(JournalError, match="second outcome"):
                journal.settle([created(3), Outcome(2, Status.REJECTED)])
            assert list(journal.outcomes()) == [created(2)]

    @pytest.mark.parametrize("settled", [False, True])
    def test_only_an_intent_can_be_withdrawn(self, path: Path, settled: bool) -> None:
        with Journal.create(path, {}) as journal:
            journal.record(intents=[3])
            if settled:
                journal.settle([created(2)])
            with pytest.raises(JournalError, match="not under way"):
                journal.record(withdrawn=[3, 2])
            assert 3 in set(journal.settled_rows())

    def test_recording_is_all_or_nothing(self, path: Path) -> None:
        with Journal.create(path, {}) as journal:
            journal.record(intents=[2, 3, 4])
            with pytest.raises(JournalError):
                journal.record(outcomes=[created(2)], withdrawn=[3], intents=[5, 4])
            assert journal.counts()[Status.UNCERTAIN] == 3
            journal.record(outcomes=[created(2)], withdrawn=[3], intents=[5])
            assert list(journal.settled_rows()) == [2, 4, 5]

    def test_threads_may_share_it(self, path: Path) -> None:
        with Journal.create(path, {}) as journal:

            def settle(start: int) -> None:
                for row in range(start, start + 200, 10):
                    journal.settle([created(r) for r in range(row, row + 10)])

            threads = [threading.Thread(target=settle, args=(n * 1000,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert journal.counts()[Status.CREATED] == 800


class TestKilled:
    def test_what_was_intended_is_uncertain_and_what_was_settled_is_known(self, path: Path) -> None:
        run_and_die(
            path,
            "journal.record(intents=[2, 3, 4])",
            "journal.settle([Outcome(2, Status.CREATED, ('6',), 1, 200)])",
            "journal.record(withdrawn=[4])",
        )
        with Journal.open(path) as journal:
            assert [(o.row, o.status) for o in journal.outcomes()] == [
                (2, Status.CREATED),
                (3, Status.UNCERTAIN),
            ]
            assert journal.meta() == {"run_id": "x"}
            with pytest.raises(JournalError):
                journal.record(intents=[3])
            journal.record(intents=[4])

    def test_the_lock_of_a_dead_run_does_not_block(self, path: Path) -> None:
        for row in (2, 3, 4):
            run_and_die(path, f"journal.record(intents=[{row}])")
        with Journal.read(path) as journal:
            assert list(journal.settled_rows()) == [2, 3, 4]

    def test_reading_after_a_kill_changes_nothing_and_does_not_spoil_it(self, path: Path) -> None:
        run_and_die(path, "journal.record(intents=[2])")
        for _ in range(2):
            with Journal.read(path) as journal:
                assert list(journal.settled_rows()) == [2]
        with Journal.open(path) as journal:
            assert list(journal.settled_rows()) == [2]

    def test_a_journal_that_lost_its_wal_is_refused_since_intents_are_gone(
        self, path: Path
    ) -> None:
        run_and_die(path, "journal.record(intents=[2])")
        path.with_name(path.name + "-wal").unlink()
        for way in (Journal.open, Journal.read):
            with pytest.raises(JournalError, match="-wal"):
                way(path)

    def test_killed_before_the_first_intent_it_is_usable(self, path: Path) -> None:
        run_and_die(path)
        with Journal.open(path) as journal:
            journal.record(intents=[2])


def wal_path(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


SENT = "for n in range(2, 600, 20): journal.record(intents=list(range(n, n + 20)))"


def cut_to_half(wal: Path) -> None:
    os.truncate(wal, wal.stat().st_size // 2)


def cut_by_its_last_pages(wal: Path) -> None:
    os.truncate(wal, wal.stat().st_size - 8192)


def flipped(place: int) -> Callable[[Path], None]:
    def flip(wal: Path) -> None:
        content = bytearray(wal.read_bytes())
        content[place if place < 100 else len(content) * place // 1000] ^= 1
        wal.write_bytes(content)

    return flip


def emptied(wal: Path) -> None:
    os.truncate(wal, 0)


def zeroed(wal: Path) -> None:
    wal.write_bytes(bytes(wal.stat().st_size))


def gone(wal: Path) -> None:
    wal.unlink()


class TestCut:
    """SQLite reads a damaged -wal up to the damage, and says nothing."""

    @pytest.mark.parametrize(
        "damage",
        [
            cut_to_half,
            cut_by_its_last_pages,
            emptied,
            zeroed,
            gone,
            *(flipped(place) for place in (0, 4, 17, 25, 30, 60, 100, 300, 500, 900)),
        ],
    )
    def test_a_journal_whose_wal_is_damaged_is_refused(
        self, path: Path, damage: Callable[[Path], None]
    ) -> None:
        run_and_die(path, SENT)
        damage(wal_path(path))
        for way in (Journal.open, Journal.read, Journal.open):
            with pytest.raises(JournalError, match=r"-wal|damaged") as caught:
                way(path)
            assert caught.value.exit_code == 3
            assert "Nothing was sent" in str(caught.value.hint)

    def test_a_wal_of_an_earlier_sitting_is_refused(self, path: Path) -> None:
        run_and_die(path, "journal.record(intents=[2, 3])", "journal.settle([])")
        earlier = wal_path(path).read_bytes()
        run_and_die(path, "journal.record(intents=[4])")
        wal_path(path).write_bytes(earlier)
        with pytest.raises(JournalError):
            Journal.open(path)
        Journal.restore(path, range(2, 5))
        with Journal.open(path) as journal:
            assert list(journal.settled_rows()) == [2, 3, 4]
            journal.close()
        wal_path(path).write_bytes(earlier)
        with pytest.raises(JournalError):
            Journal.read(path)

    def test_outcomes_lost_with_the_end_are_uncertain_at_most(self, path: Path) -> None:
        """They never wait for the disk: a power cut may take them, and nothing is doubled."""
        outcome = "Outcome(2, Status.CREATED, ('6',), 1, 200)"
        run_and_die(
            path,
            "journal.record(intents=[2])",
            "before = path.with_name(path.name + '-wal').read_bytes()",
            f"journal.settle([{outcome}])",
            "path.with_name(path.name + '-wal').write_bytes(before)",
        )
        with Journal.open(path) as journal:
            assert [(o.row, o.status) for o in journal.outcomes()] == [(2, Status.UNCERTAIN)]

    def test_another_program_that_folds_the_wal_in_spoils_nothing(self, path: Path) -> None:
        run_and_die(path, SENT)
        other = sqlite3.connect(path)
        assert other.execute("SELECT count(*) FROM rows").fetchone() == (600,)
        other.close()
        assert not wal_path(path).exists()
        for way in (Journal.read, Journal.open):
            with way(path) as journal:
                assert list(journal.settled_rows()) == list(range(2, 602))

    def test_a_restored_journal_takes_every_row_it_has_no_word_of_as_uncertain(
        self, path: Path
    ) -> None:
        run_and_die(path, "journal.settle([Outcome(2, Status.CREATED, ('6',), 1, 200)])", SENT[:0])
        run_and_die(path, "journal.record(intents=[3, 4])")
        wal_path(path).unlink()
        with Journal.read(path, cut=True) as journal:
            assert list(journal.settled_rows()) == [2]
        assert Journal.restore(path, [2, 3, 4, 5]) == 3
        with Journal.open(path) as journal:
            states = [(o.row, o.status) for o in journal.outcomes()]
            assert states == [(2, Status.CREATED), *((n, Status.UNCERTAIN) for n in (3, 4, 5))]
            journal.amend("looked", released=[5])
            journal.record(intents=[5])

    def test_restoring_a_whole_journal_changes_nothing(self, path: Path) -> None:
        run_and_die(path, "journal.record(intents=[2])")
        assert Journal.restore(path, [2, 3]) == 0
        with Journal.open(path) as journal:
            assert list(journal.settled_rows()) == [2]

    def test_a_killed_restoring_leaves_it_refused(self, path: Path) -> None:
        run_and_die(path, "journal.record(intents=[2, 3])")
        wal_path(path).unlink()
        code = (
            "import os, sys; from pathlib import Path\n"
            "from importer.journal.journal import Journal\n"
            "def rows():\n    yield 2\n    os._exit(9)\n"
            "Journal.restore(Path(sys.argv[1]), rows())"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=False)
        with pytest.raises(JournalError, match="lost its end"):
            Journal.open(path)

    @pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(b"x" * 128)])
    def test_an_open_journal_without_its_mark_is_refused(
        self, path: Path, damage: Callable[[Path], None]
    ) -> None:
        run_and_die(path, "journal.record(intents=[2])")
        damage(path.with_name(f"{path.name}.mark"))
        for way in (Journal.open, Journal.read):
            with pytest.raises(JournalError, match="mark"):
                way(path)

    def test_a_mark_that_was_made_and_not_yet_written_is_none(self, path: Path) -> None:
        """As when a journal of an earlier version is opened, and the process is killed then."""
        with Journal.create(path, {}) as journal:
            journal.record(intents=[2])
        path.with_name(f"{path.name}.mark").write_bytes(b"")
        Journal.read(path).close()
        run_and_die(path, "journal.record(intents=[3])")
        path.with_name(f"{path.name}.mark").write_bytes(b"")
        with pytest.raises(JournalError, match="mark"):
            Journal.open(path)

    def test_a_sign_of_life_is_known_after_a_kill(self, path: Path) -> None:
        """Senders elsewhere may go on for a while from then, with nothing to record before."""
        run_and_die(path, "journal.record(intents=[2])")
        for file in path.parent.iterdir():
            os.utime(file, (1000, 1000))
        assert last_written(path) == 1000
        with Journal.open(path) as journal:
            for file in path.parent.iterdir():
                os.utime(file, (1000, 1000))
            journal.sign_of_life()
            assert last_written(path) > 1000

    def test_a_journal_of_an_earlier_version_gets_its_mark_when_it_is_opened(
        self, path: Path
    ) -> None:
        with Journal.create(path, {}) as journal:
            journal.record(intents=[2])
        path.with_name(f"{path.name}.mark").unlink()
        other = sqlite3.connect(path)
        other.execute("DELETE FROM meta WHERE key = '_commits'")
        other.commit()
        other.close()
        run_and_die(path, "journal.record(intents=[3])")
        wal_path(path).unlink()
        with pytest.raises(JournalError, match="lost its end"):
            Journal.open(path)


class TestBits:
    def test_a_bit_that_flips_in_a_closed_journal_is_found_wherever_it_is(self, path: Path) -> None:
        with Journal.create(path, {"run_id": "x"}) as journal:
            journal.settle([created(row) for row in range(2, 500)])
        whole = path.read_bytes()
        for place in range(0, len(whole), 997):
            content = bytearray(whole)
            content[place] ^= 4
            path.write_bytes(content)
            for way in (Journal.open, Journal.read):
                with pytest.raises(JournalError):
                    way(path)
        path.write_bytes(whole)
        Journal.open(path).close()

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE rows SET status = 77",
            "UPDATE rows SET status = 'a'",
            "UPDATE rows SET attempts = 'x'",
            "UPDATE rows SET numberids = x'00'",
        ],
    )
    def test_values_that_no_journal_has_are_damage_and_no_bug(
        self, path: Path, change: str
    ) -> None:
        run_and_die(path, "journal.settle([Outcome(2, Status.CREATED, ('6',), 1, 200)])")
        other = sqlite3.connect(path)
        other.execute(change)
        other.commit()
        other.close()
        with Journal.read(path) as journal, pytest.raises(JournalError, match="damaged"):
            list(journal.outcomes())
            journal.counts()


class TestOneWriter:
    def test_a_second_run_is_kept_out_while_readers_are_not(self, path: Path) -> None:
        with Journal.create(path, {"run_id": "a"}) as journal:
            journal.record(intents=[2])
            with pytest.raises(JournalError, match="in use"):
                Journal.open(path)
            with Journal.read(path) as reader:
                journal.settle([created(2)])
                assert list(reader.outcomes()) == [created(2)]
                journal.record(intents=[3])
                assert list(reader.settled_rows()) == [2, 3]
        with Journal.open(path) as journal:
            journal.record(withdrawn=[3])

    def test_another_process_is_kept_out_too_even_after_attempts_and_reads_here(
        self, path: Path
    ) -> None:
        """POSIX forgets a process's locks when it closes any handle of the file."""
        code = (
            "import sys; from pathlib import Path; from importer.journal.journal import Journal\n"
            "Journal.open(Path(sys.argv[1]))"
        )
        with Journal.create(path, {}) as journal:
            with pytest.raises(JournalError):
                Journal.open(path)
            Journal.read(path).close()
            journal.record(intents=[2])
            done = subprocess.run(
                [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
            )
            assert "JournalError" in done.stderr
            assert "in use" in done.stderr

    def test_a_reader_cannot_write(self, path: Path) -> None:
        Journal.create(path, {}).close()
        with Journal.read(path) as journal, pytest.raises(JournalError):
            journal.record(intents=[2])

    def test_a_reader_that_is_still_open_does_not_spoil_closing(self, path: Path) -> None:
        journal = Journal.create(path, {})
        journal.record(intents=[2])
        with Journal.read(path) as reader:
            list(reader.outcomes())
            journal.close()
        with Journal.open(path) as again:
            assert list(again.settled_rows()) == [2]


class TestFiles:
    def test_closing_leaves_one_plain_file(self, path: Path) -> None:
        with Journal.create(path, {}) as journal:
            journal.record(intents=[2])
        journal.close()
        names = {p.name for p in path.parent.iterdir()}
        assert names == {"journal.sqlite3", "journal.sqlite3.lock", "journal.sqlite3.mark"}
        copied = path.with_name("copy.sqlite3")
        shutil.copy(path, copied)
        with Journal.read(copied) as journal:
            assert list(journal.settled_rows()) == [2]

    @pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
    def test_all_files_are_their_owners_alone(self, path: Path) -> None:
        old = os.umask(0)
        try:
            with Journal.create(path, {}) as journal:
                journal.record(intents=[2])
                files = list(path.parent.iterdir())
                assert len(files) == 5
                assert {stat.S_IMODE(p.stat().st_mode) for p in files} == {0o600}
        finally:
            os.umask(old)

    def test_a_journal_is_never_created_over_another_file(self, path: Path) -> None:
        path.write_text("precious")
        with pytest.raises(OutputError, match="exists"):
            Journal.create(path, {})
        assert path.read_text() == "precious"

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="nowhere"):
            Journal.create(tmp_path / "nowhere" / "journal.sqlite3", {})

    @pytest.mark.parametrize("way", [Journal.open, Journal.read])
    def test_a_path_with_signs_that_urls_use_is_just_a_path(
        self, tmp_path: Path, way: Callable[[Path], Journal]
    ) -> None:
        path = tmp_path / "50% & ä#1" / "journal.sqlite3"
        path.parent.mkdir()
        Journal.create(path, {"a": "b"}).close()
        with way(path) as journal:
            assert journal.meta() == {"a": "b"}


def other_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE rows (row INTEGER)")
    connection.close()


def later_version(path: Path) -> None:
    Journal.create(path, {}).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()


def scrambled(path: Path) -> None:
    with Journal.create(path, {}) as journal:
        journal.settle([created(row) for row in range(2, 2000)])
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)


@pytest.mark.parametrize("way", [Journal.open, Journal.read])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "does not exist"),
        (lambda path: path.touch(), "not a journal"),
        (lambda path: path.write_text("row,status\n" * 50), "not a database"),
        (other_database, "not a journal"),
        (later_version, "version 2"),
        (scrambled, "damaged"),
    ],
)
def test_what_is_no_sound_journal_is_refused_with_what_to_do(
    path: Path, make: Callable[[Path], None], words: str, way: Callable[[Path], Journal]
) -> None:
    make(path)
    with pytest.raises(JournalError, match=words) as caught:
        way(path)
    assert caught.value.hint
    assert str(path) in caught.value.message


def test_a_journal_is_unmade_until_it_has_its_tables(path: Path) -> None:
    assert has_no_tables(path)
    path.touch()
    assert has_no_tables(path)
    connection = sqlite3.connect(path)
    # As a process is killed between the two statements by which a journal is made.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert path.stat().st_size > 0
    assert has_no_tables(path)
    path.unlink()
    with Journal.create(path, {}):
        assert not has_no_tables(path)
    assert not has_no_tables(path)
    path.write_bytes(path.read_bytes()[:4096])
    mark_path(path).unlink()
    assert has_no_tables(path)
    path.write_text("row,status", "utf-8")
    assert not has_no_tables(path)


@pytest.mark.parametrize("killed", [False, True])
def test_a_main_file_cut_at_any_page_is_refused_unless_nothing_is_missing(
    path: Path, killed: bool
) -> None:
    """Pages that were cut off but stand in the -wal anyway are not missing."""
    statements = [
        "for n in range(0, 3000, 100): journal.record(intents=list(range(n + 2, n + 102)))"
    ]
    if killed:
        # Most of it in the main file, some of it in the -wal, as in the middle of a long run.
        statements.append("journal._connection.execute('PRAGMA wal_checkpoint')")
        statements.append("journal.record(intents=[9000])")
        run_and_die(path, *statements)
    else:
        with Journal.create(path, {}) as journal:
            journal.record(intents=list(range(2, 3002)))
    pages = path.stat().st_size // 4096
    assert pages > 5
    refused = 0
    whole = {p: p.read_bytes() for p in path.parent.iterdir()}
    for keep in range(pages):
        for file, content in whole.items():
            file.write_bytes(content)
        with path.open("r+b") as file_:
            file_.truncate(keep * 4096)
        try:
            journal = Journal.open(path)
        except JournalError:
            refused += 1
            continue
        with journal:
            assert list(journal.settled_rows()) == [*range(2, 3002), 9000]
    assert refused >= pages - (2 if killed else 0)


def test_a_full_disk_says_so_and_what_was_recorded_stays(path: Path) -> None:
    with Journal.create(path, {}) as journal:
        journal.record(intents=[2, 3])
        (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
        journal._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="full") as caught:
            journal.settle([Outcome(2, Status.REJECTED, message="x" * 100_000)])
        assert "room" in str(caught.value.hint)
        assert caught.value.exit_code == 3
        assert list(journal.settled_rows()) == [2, 3]
    with Journal.open(path) as journal:
        journal.settle([created(2)])


operations = st.lists(
    st.tuples(
        st.sampled_from(["intend", "settle", "withdraw", "reopen"]),
        st.lists(st.integers(2, 9), min_size=1, max_size=3),
    ),
    max_size=25,
)


@given(operations)
def test_it_agrees_with_the_rules_over_any_history(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, list[int]]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite3"
    states: dict[int, str] = {}
    journal = Journal.create(path, {})
    for what, rows in history:
        repeated = len(set(rows)) < len(rows)
        match what:
            case "intend":
                allowed = not repeated and not states.keys() & set(rows)
            case "settle":
                allowed = not repeated and all(states.get(r, "intent") == "intent" for r in rows)
            case "withdraw":
                allowed = not repeated and all(states.get(r) == "intent" for r in rows)
            case _:
                journal.close()
                journal = Journal.open(path)
                continue
        act = {
            "intend": partial(journal.record, intents=rows),
            "settle": partial(journal.settle, [created(row) for row in rows]),
            "withdraw": partial(journal.record, withdrawn=rows),
        }[what]
        if not allowed:
            with pytest.raises(JournalError):
                act()
            continue
        act()
        for row in rows:
            if what == "withdraw":
                del states[row]
            else:
                states[row] = "intent" if what == "intend" else "created"
        found = {o.row: o.status for o in journal.outcomes()}
        assert found == {
            row: Status.UNCERTAIN if state == "intent" else Status.CREATED
            for row, state in states.items()
        }
    journal.close()


@pytest.mark.parametrize("door", [Journal.read, Journal.open], ids=["read", "open"])
def test_a_journal_that_was_cut_off_between_its_two_modes_can_be_read(
    tmp_path: Path, door: Callable[[Path], Journal]
) -> None:
    path = tmp_path / "journal.sqlite3"
    with Journal.create(path, {"rows": "3"}) as journal:
        journal.record(intents=[2])
    cut = tmp_path / "cut"
    cut.mkdir()
    # Copied while it is closed, as a process that is killed then leaves it.
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        for number in range(400):
            connection.execute("INSERT INTO meta VALUES (?, ?)", (str(number), "x" * 400))
        assert path.with_name(f"{path.name}-journal").stat().st_size > 0
        for file in tmp_path.glob("journal.*"):
            shutil.copy(file, cut / file.name)
        connection.execute("ROLLBACK")
    with door(cut / path.name) as journal:
        assert journal.meta()["rows"] == "3"
        assert list(journal.rows_in(Status.UNCERTAIN)) == [2]
