"""The run's own copy: complete or absent, the same rows again, damage noticed."""

from __future__ import annotations

import errno
import os
import stat
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from importer.errors import OutputError, SourceError
from importer.model import SourceInfo
from importer.settings import SourceOptions
from importer.sources import file_sha256, open_source
from importer.sources.snapshot import Snapshot, SnapshotWriter
from tests.support.sheets import batch_of, cells_of

HEADERS = ("Név", "", "Név")
INFO = SourceInfo("leads.csv", "csv", HEADERS, 3, encoding="cp1250", delimiter=";")


BATCHES = [
    batch_of([["Őry", "", "x\ny"], ["06301234567", "NA", "null"]], 4),
    batch_of([[" \0 ", "", "1e5"]], 900),
]


def write(path: Path, *, durable: bool = True) -> Path:
    with SnapshotWriter(path, HEADERS, INFO, durable=durable) as writer:
        for part in BATCHES:
            writer.write(part)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "source.parquet"


@pytest.mark.parametrize("durable", [True, False])
def test_what_was_written_is_read_again(file: Path, durable: bool) -> None:
    with Snapshot.open(write(file, durable=durable)) as snapshot:
        assert (snapshot.headers, snapshot.rows, snapshot.info) == (HEADERS, 3, INFO)
        assert snapshot.row_numbers().tolist() == [4, 5, 900]
        assert snapshot.sha256() == file_sha256(file)
        for _ in range(2):  # as often as one likes
            for read, written in zip(snapshot.batches(), BATCHES, strict=True):
                assert read.rows.tolist() == written.rows.tolist()
                assert read.columns == written.columns


@pytest.mark.parametrize("begins", [(2, 5, 40), (2,), (7, 9, 12, 15, 18, 90)])
def test_rows_are_found_in_their_batches_without_reading_the_others(
    file: Path, begins: tuple[int, ...]
) -> None:
    with SnapshotWriter(file, HEADERS, INFO) as writer:
        for begin in begins:
            writer.write(BATCHES[1].where(np.array([False])))  # none of its rows was kept
            writer.write(batch_of([["a", "b", "c"], ["d", "e", "f"]], begin))
    with Snapshot.open(file) as snapshot:
        rows = snapshot.row_numbers().tolist()
        for count in range(len(rows) + 1):
            for wanted in combinations(rows, count) if len(rows) < 8 else ((*rows[::3],), ()):
                places = snapshot.places_of(wanted)
                found = [batch.rows.tolist() for batch in snapshot.batches(only=places)]
                assert found == [
                    [begin, begin + 1] for begin in begins if {begin, begin + 1} & {*wanted}
                ]


def test_which_cells_were_numbers_with_a_fraction_is_kept(file: Path) -> None:
    rows = batch_of([["0.5", "a", "0.25"], ["b", "c", "d"], ["e", "f", "1.5"]], 2)
    which = {2: [True, False, True], 0: [True, False, False]}
    marked = replace(rows, fractions={label: np.array(cells) for label, cells in which.items()})
    with SnapshotWriter(file, HEADERS, INFO) as writer:
        writer.write(rows)
        writer.write(marked)
    with Snapshot.open(file) as snapshot:
        for columns in (None, (), (1,)):
            none, some = snapshot.batches(columns)
            assert none.fractions == {}
            assert {label: cells.tolist() for label, cells in some.fractions.items()} == which


def test_a_copy_that_was_made_before_these_were_kept_is_read(file: Path) -> None:
    older = pq.read_table(write(file)).drop_columns(["fractions"])
    pq.write_table(older, file)
    with Snapshot.open(file) as snapshot:
        (batch,) = snapshot.batches()
        assert (batch.rows.tolist(), batch.fractions) == ([4, 5, 900], {})


def test_only_the_columns_asked_for_are_read_and_keep_their_labels(file: Path) -> None:
    with Snapshot.open(write(file)) as snapshot:
        first = next(snapshot.batches([2, 0]))
        assert [*first.columns] == [2, 0]
        assert first.columns[0].to_pylist() == ["Őry", "06301234567"]
        bare = next(snapshot.batches([]))
        assert (bare.columns, len(bare)) == ({}, 2)


def test_a_source_and_its_snapshot_give_the_same_batches(tmp_path: Path, file: Path) -> None:
    source_path = tmp_path / "leads.csv"
    lines = [f"{n},name {n}" for n in range(20_000)]
    source_path.write_text("\n".join(["n,Name", *lines]), encoding="utf-8")
    with (
        open_source(source_path, SourceOptions()) as source,
        SnapshotWriter(file, source.info.headers, source.info) as writer,
    ):
        for part in source.batches():
            writer.write(part)
    with (
        open_source(source_path, SourceOptions()) as source,
        Snapshot.open(file) as snapshot,
    ):
        for read, original in zip(snapshot.batches(), source.batches(), strict=True):
            assert (read.rows == original.rows).all()
            assert read.columns == original.columns


def test_a_snapshot_without_rows_is_one_too(file: Path) -> None:
    with SnapshotWriter(file, HEADERS):
        pass
    with Snapshot.open(file) as snapshot:
        assert (snapshot.rows, snapshot.info) == (0, None)
        assert not list(snapshot.batches())
        assert snapshot.row_numbers().tolist() == []


def test_the_file_appears_when_it_is_complete(file: Path) -> None:
    with SnapshotWriter(file, HEADERS) as writer:
        writer.write(BATCHES[0])
        assert not file.exists()
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nobody_else_may_read_it(file: Path) -> None:
    with SnapshotWriter(file, HEADERS) as writer:
        writer.write(BATCHES[0])
        (temporary,) = file.parent.iterdir()
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_exception_leaves_nothing_behind_and_what_was_there_untouched(file: Path) -> None:
    file.write_bytes(b"an older one")
    with pytest.raises(KeyboardInterrupt), SnapshotWriter(file, HEADERS) as writer:
        writer.write(BATCHES[0])
        raise KeyboardInterrupt
    assert list(file.parent.iterdir()) == [file]
    assert file.read_bytes() == b"an older one"


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's")
def test_a_full_disk_is_an_output_error_and_leaves_nothing_behind(file: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = [[os.urandom(2000).hex(), "", ""] for _ in range(200)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with (
            pytest.raises(OutputError, match="disk is full"),
            SnapshotWriter(file, HEADERS) as writer,
        ):
            writer.write(batch_of(noise, 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(file.parent.iterdir()) == []


def test_a_disk_that_fills_up_at_the_last_moment_is_an_output_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        write(file)
    assert list(file.parent.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "none" / "source.parquet")


def test_a_missing_snapshot_is_a_source_error(file: Path) -> None:
    with pytest.raises(SourceError, match="is not there"):
        Snapshot.open(file)


def test_a_parquet_file_of_somebody_else_is_refused(file: Path) -> None:
    pq.write_table(pa.table({"row": [1]}), file)
    with pytest.raises(SourceError, match="damaged"):
        Snapshot.open(file)


def test_a_damaged_snapshot_is_refused_wherever_it_is_cut_or_changed(file: Path) -> None:
    """Never another exception; and no cell that was not written."""
    whole = write(file).read_bytes()
    written = [cells_of(part) for part in BATCHES]
    for at in range(0, len(whole), 7):
        for content in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            file.write_bytes(content)
            try:
                with Snapshot.open(file) as snapshot:
                    if snapshot.headers == HEADERS and snapshot.rows == 3:
                        read = [cells_of(part) for part in snapshot.batches()]
                        assert read == written
            except SourceError as error:
                assert error.hint
