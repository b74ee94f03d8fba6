"""The first occurrence of each key is kept exactly, in a few bytes a key."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.survey.duplicates import (
    FileKeys,
    FirstOccurrences,
    KeyColumns,
    Seen,
    digests,
    location,
    number_keys,
)

BATCHES = st.lists(st.lists(st.integers(1, 60), max_size=25), max_size=12)


def words_of(kind: str, keys: list[int]) -> KeyColumns:
    """Keys as texts, as numbers, or as pairs of words whose first ones are often alike."""
    if kind == "texts":
        return digests([f"key {key}" for key in keys])
    values = np.array(keys, dtype=np.int64)
    if kind == "numbers":
        return number_keys(values)
    return (values % 3).astype(np.uint64), values.astype(np.uint64)


@pytest.mark.parametrize("kind", ["texts", "numbers", "alike in their first word"])
@given(batches=BATCHES)
def test_first_places_are_those_of_a_dict_whatever_the_batches(
    kind: str, batches: list[list[int]]
) -> None:
    model: dict[int, int] = {}
    places, row = FirstOccurrences(), 2
    for keys in batches:
        rows = location(np.arange(row, row + len(keys), dtype=np.int64))
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
        file_keys = FileKeys(name, FirstOccurrences(), FirstOccurrences())
        rows = np.arange(5, 5 + len(keys), dtype=np.int64)
        file_keys.phones.add(number_keys(np.array(keys)), location(rows, 4))
        file_keys.keys.add(digests([str(key) for key in keys]), location(rows))
        known.take(file_keys)
    phones = known.phones.find(number_keys(np.array([1, 2, 3, 4]))).tolist()
    assert [known.describe(at) for at in phones[:3]] == [
        "row 5, contact 4 of a.csv",
        "row 6, contact 4 of a.csv",
        "row 6, contact 4 of b.csv",
    ]
    assert phones[3] == -1
    assert known.describe(int(known.keys.find(digests(["3"]))[0])) == "row 6 of b.csv"
    assert known.describe(int(location(np.array([9]))[0])) == "row 9"


def test_what_any_of_several_files_had_is_found() -> None:
    model: dict[int, str] = {}
    known = Seen()
    for name, keys in (("a", range(200)), ("b", range(150, 290)), ("c", range(280, 300))):
        file_keys = FileKeys(name, FirstOccurrences(), FirstOccurrences())
        for start in range(0, len(keys), 30):
            part = np.array(keys[start : start + 30])
            file_keys.phones.add(number_keys(part), location(part + 2))
        known.take(file_keys)
        for key in keys:
            model.setdefault(key, f"row {key + 2} of {name}")
    found = known.phones.find(number_keys(np.arange(310)))
    assert [known.describe(int(at)) for at in found[:300]] == [model[key] for key in range(300)]
    assert (found[300:] == -1).all()


def test_a_key_takes_24_bytes_of_memory_and_three_times_that_on_the_way() -> None:
    places, count = FirstOccurrences(), 500_000
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for start in range(0, count, 8192):
            rows = np.arange(start, min(start + 8192, count), dtype=np.int64)
            places.add(digests([f"+36{row}" for row in rows]), location(rows))
        held, peak = (now - before for now in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    assert held <= 25 * count
    assert peak <= 75 * count
    assert len(places) == count
