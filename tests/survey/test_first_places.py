"""What was seen before is remembered exactly, in order, in a few bytes a key."""

from __future__ import annotations

import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import OutputError
from importer.survey import duplicates
from importer.survey.duplicates import (
    FirstPlaces,
    Seen,
    Sighting,
    Words,
    digests,
    numbers,
    place,
)

BATCHES = st.lists(st.lists(st.integers(1, 60), max_size=25), max_size=12)


def words_of(kind: str, keys: list[int]) -> Words:
    """Keys as texts, as numbers, or as pairs of words whose first ones are often alike."""
    if kind == "texts":
        return digests([f"key {key}" for key in keys])
    values = np.array(keys, dtype=np.int64)
    if kind == "numbers":
        return numbers(values)
    return (values % 3).astype(np.uint64), values.astype(np.uint64)


@pytest.mark.parametrize("kind", ["texts", "numbers", "alike in their first word"])
@pytest.mark.parametrize("longest", [1, 7, 1 << 20])
@given(batches=BATCHES)
def test_first_places_are_those_of_a_dict_whatever_the_batches(
    kind: str, longest: int, batches: list[list[int]]
) -> None:
    model: dict[int, int] = {}
    places, row = FirstPlaces(), 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "IN_MEMORY", longest)
        for keys in batches:
            rows = place(np.arange(row, row + len(keys), dtype=np.int64))
            expected = [model.setdefault(k, int(r)) for k, r in zip(keys, rows, strict=True)]
            assert places.add(words_of(kind, keys), rows).tolist() == expected
            row += len(keys)
        asked = list(range(70))
        found = places.find(words_of(kind, asked)).tolist()
    assert found == [model.get(key, -1) for key in asked]
    assert len(places) == len(model)


def test_files_are_told_apart_and_the_first_of_them_wins() -> None:
    known = Seen()
    for name, keys in (("a.csv", [1, 2]), ("b.csv", [2, 3])):
        sighting = Sighting(name, FirstPlaces(), FirstPlaces())
        rows = np.arange(5, 5 + len(keys), dtype=np.int64)
        sighting.phones.add(numbers(np.array(keys)), place(rows, 4))
        sighting.keys.add(digests([str(key) for key in keys]), place(rows))
        known.take(sighting)
    phones = known.phones.find(numbers(np.array([1, 2, 3, 4]))).tolist()
    assert [known.told(at) for at in phones[:3]] == [
        "row 5, contact 4 of a.csv",
        "row 6, contact 4 of a.csv",
        "row 6, contact 4 of b.csv",
    ]
    assert phones[3] == -1
    assert known.told(int(known.keys.find(digests(["3"]))[0])) == "row 6 of b.csv"
    assert known.told(int(place(np.array([9]))[0])) == "row 9"


def test_what_earlier_files_had_is_found_though_it_went_to_the_disk() -> None:
    model: dict[int, str] = {}
    known = Seen()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "IN_MEMORY", 50)
        for name, keys in (("a", range(200)), ("b", range(150, 290)), ("c", range(280, 300))):
            sighting = Sighting(name, FirstPlaces(), FirstPlaces())
            for start in range(0, len(keys), 30):
                part = np.array(keys[start : start + 30])
                sighting.phones.add(numbers(part), place(part + 2))
            known.take(sighting)
            for key in keys:
                model.setdefault(key, f"row {key + 2} of {name}")
    found = known.phones.find(numbers(np.arange(310)))
    assert [known.told(int(at)) for at in found[:300]] == [model[key] for key in range(300)]
    assert (found[300:] == -1).all()


def test_keys_of_one_fingerprint_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "IN_MEMORY", 64)
    monkeypatch.setattr(duplicates, "hashes", lambda keys: np.zeros(len(keys), dtype=np.uint64))
    places = FirstPlaces()
    for start in range(0, 200, 10):
        keys = np.arange(start, start + 10)
        assert (places.add(numbers(keys), place(keys)) == place(keys)).all()
    keys = np.arange(250)
    assert places.find(numbers(keys)).tolist() == [*place(keys[:200]).tolist(), *[-1] * 50]


def test_a_key_takes_no_more_than_3_bytes_of_memory_in_the_long_run() -> None:
    places, count = FirstPlaces(), 500_000
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for start in range(0, count, 8192):
            rows = np.arange(start, min(start + 8192, count), dtype=np.int64)
            places.add(digests([f"+36{row}" for row in rows]), place(rows))
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    in_memory = duplicates.IN_MEMORY * 28
    assert held - in_memory <= 3 * count
    assert len(places) == count


def test_a_file_of_keys_that_cannot_be_read_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duplicates, "IN_MEMORY", 10)
    places, keys = FirstPlaces(), np.arange(100)
    places.add(numbers(keys), place(keys))
    assert places._file is not None
    places._file._file.truncate(0)
    with pytest.raises(OutputError, match="cannot be read") as caught:
        places.find(numbers(keys))
    assert caught.value.hint


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on file sizes here")
def test_a_full_disk_is_told_with_what_to_do() -> None:
    """In a process of its own, which may write no file longer than a few kilobytes."""
    code = (
        "import resource, signal; import numpy as np; from importer.errors import OutputError\n"
        "from importer.survey import duplicates as seen\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "seen.IN_MEMORY = 1000; keys = np.arange(5000)\n"
        "try: seen.FirstPlaces().add(seen.numbers(keys), keys)\n"
        "except OutputError as error: print(error.message, '|', error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "temporary file: File too large | Make room" in done.stdout
