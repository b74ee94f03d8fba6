"""Files and folders of the owner's alone, made by several processes at once."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from importer.errors import OutputError
from importer.files import make_private_folder


def test_who_comes_second_to_make_a_folder_finds_it_made(tmp_path: Path) -> None:
    workers, rounds = 4, 200
    barrier = Barrier(workers)

    def make(number: int) -> bool:
        barrier.wait()
        return make_private_folder(tmp_path / "new" / str(number))

    with ThreadPoolExecutor(workers) as pool:
        for number in range(rounds):
            made = list(pool.map(make, [number] * workers))
            assert made.count(True) == 1


@pytest.mark.skipif(os.name != "posix", reason="modes as POSIX has them")
def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    assert make_private_folder(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert not make_private_folder(tmp_path / "new")


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("")
    with pytest.raises(OutputError, match="there is a file of that name, not a folder"):
        make_private_folder(tmp_path / "new")
