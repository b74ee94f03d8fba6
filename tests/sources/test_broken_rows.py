"""Short rows: whole ones with blanks left off stay, pieces of a broken row are held back."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from importer.model import Severity
from importer.settings import BATCH_ROWS, SourceOptions
from importer.sources import open_source

HEADER = ["Name", "City", "Phone", "Note"]


def held(path: Path) -> tuple[set[int], set[int]]:
    """The rows that are held back, and those that are warned of."""
    rows: dict[Severity, set[int]] = {Severity.ERROR: set(), Severity.WARNING: set()}
    with open_source(path, SourceOptions()) as source:
        for batch in source.batches():
            for problem in batch.problems:
                assert (problem.code, problem.hint is not None) == ("short_row", True)
                rows[problem.severity].add(problem.row or 0)
    return rows[Severity.ERROR], rows[Severity.WARNING]


def full(count: int) -> list[str]:
    return [f"Person {n};Vac;0630123{n:04};called {n % 7}" for n in range(count)]


def written(folder: Path, lines: list[str]) -> Path:
    path = folder / "leads.csv"
    path.write_text("\n".join([";".join(HEADER), *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "pieces",
    [
        ["Bob;Fo u.", "1, Vac;06301234567;x"],
        ["Bob;Fo u.", "", "1, Vac;06301234567;x"],
        ["Bob;one", "two", "three;06301234567;x"],
        ["Bob", "Fay", "Ray;Vac", "Pecs;06301234567;x"],
    ],
)
def test_pieces_of_a_row_that_a_line_break_divides_are_held_back(
    tmp_path: Path, pieces: list[str]
) -> None:
    lines = [*full(5), *pieces, *full(5)]
    filled = {7 + at for at, piece in enumerate(pieces) if piece}
    assert held(written(tmp_path, lines)) == (filled, set())


def test_a_broken_row_between_two_batches_is_held_back_whole(tmp_path: Path) -> None:
    for before in (BATCH_ROWS - 2, BATCH_ROWS - 1, BATCH_ROWS):
        lines = [*full(before), "Bob;Fo u.", "1, Vac;06301234567;x", *full(300), "Cid;Vac"]
        broken, warned = held(written(tmp_path, lines))
        assert broken == {before + 2, before + 3}
        assert warned == {before + 304}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (['Bob;"Vac;06301234567;x', 'Cid;Pecs";06301234568;y'], "stray_quote"),
        (
            ['"Bob;Vac;06301234567;x', "Dan;Eger;06301234569;", 'Cid";Pecs;06301234568;y'],
            "stray_quote",
        ),
        (['Bob;"Vac;06301234567;x', 'Cid;Pecs;06301234568;y"'], "short_row"),
    ],
)
def test_rows_that_a_quote_of_another_row_closes_are_held_back(
    tmp_path: Path, lines: list[str], code: str
) -> None:
    path = written(tmp_path, [*full(5), *lines, *full(5)])
    with open_source(path, SourceOptions()) as source:
        found = [problem for batch in source.batches() for problem in batch.problems]
    assert [(p.row, p.code, p.severity) for p in found] == [(7, code, Severity.ERROR)]
    assert f"{len(lines)} rows of the file are in one" in found[0].message


@pytest.mark.parametrize(
    "line",
    [
        'Bob;"Vac; Fo u.; 1\nPecs; Ady u.; 2";06301234567;x',
        'Bob;"Vac;Fo u.;1\nPecs;Ady u.;2";06301234567;x',
        'Bob;Vac;06301234567;"0630123;4567\nx;y;z"',
    ],
)
def test_cells_of_several_lines_with_delimiters_in_them_are_cells(
    tmp_path: Path, line: str
) -> None:
    assert held(written(tmp_path, [*full(5), line, *full(5)])) == (set(), set())


@pytest.mark.parametrize(
    "line",
    [
        "Ann,Vac,06301234567,x",
        "Ann|Vac|06301234567|x",
        "Ann\tVac\t06301234567\tx",
        '"Ann;Vac;06301234567;x"',
    ],
)
def test_a_row_that_is_divided_otherwise_is_held_back(tmp_path: Path, line: str) -> None:
    assert held(written(tmp_path, [line, *full(5), line])) == ({2, 8}, set())


@pytest.mark.parametrize("seed", range(10))
def test_rows_whose_blank_cells_were_left_off_stay(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    names = ["Ann Fay", "Smith,John", "3M", "Kis Éva"]
    notes = ["a,b", "2024-05-17", "10", "VIP"]
    lines = ["Ann Fay;06301234567;Vac;x;y"]
    for n in range(200):
        cells = [dice.choice(names), f"0630123{n:04}", "Vac", *dice.choices(notes, k=2)]
        lines.append(";".join(cells[: dice.randint(2, 5)]))
    path = tmp_path / "leads.csv"
    path.write_text("\n".join(["Name;Phone;City;One;Two", *lines]) + "\n", encoding="utf-8")
    broken, warned = held(path)
    assert broken == set()
    assert warned == {n + 2 for n, line in enumerate(lines) if line.count(";") < 4}


def test_neighbours_that_fit_their_columns_stay(tmp_path: Path) -> None:
    lines = [*full(4), "Bob;Vac;06301234567", "Cid;Pecs;06301234568", "Dan", *full(2), "Total;2"]
    assert held(written(tmp_path, lines)) == (set(), {6, 7, 8, 11})


def test_a_short_row_whose_cell_begins_with_a_line_break_is_read_like_any(tmp_path: Path) -> None:
    lines = [*full(3), '"Ann;\nVac"', '"\n;Bob"', *full(3)]
    with open_source(written(tmp_path, lines), SourceOptions()) as source:
        assert sum(len(batch) for batch in source.batches()) == 8
