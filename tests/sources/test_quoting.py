"""Quotes that break the rules of CSV: read as meant and told, or held back; never lost."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.model import Problem, Severity, SourceInfo
from importer.settings import SourceOptions
from importer.sources import open_source
from importer.sources.delimited import without_line_quotes
from tests.support.sheets import cells_of

Row = tuple[int, list[str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leads.csv"


def read(path: Path, **options: object) -> tuple[SourceInfo, list[Row], list[Problem]]:
    rows: list[Row] = []
    problems: list[Problem] = []
    with open_source(path, SourceOptions(**options)) as source:  # type: ignore[arg-type]
        for batch in source.batches():
            rows += zip(batch.rows.tolist(), cells_of(batch), strict=True)
            problems += batch.problems
    return source.info, rows, [*source.info.problems, *problems]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_quotes_behind_backslashes_are_parts_of_their_cells(
    file: Path, end: str, mark: str
) -> None:
    lines = [
        mark.join(['"Name"', '"City"', '"Path"']),
        mark.join([r'"ACME \"Best\" Kft"', '"Vác"', r'"C:\temp"']),
        mark.join([rf'"Kis \"és\" Nagy{mark} Bt"', '"Pécs"', r'"C:\\"']),
        mark.join([r'"\"Arany\""', r'"5\""', '""']),
    ]
    file.write_bytes((end.join(lines) + end).encode())
    _, rows, problems = read(file, delimiter=mark)
    assert rows == [
        (2, ['ACME "Best" Kft', "Vác", r"C:\temp"]),
        (3, [f'Kis "és" Nagy{mark} Bt', "Pécs", "C:\\"]),
        (4, ['"Arany"', '5"', ""]),
    ]
    assert problems == []


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_file_with_backslashes_and_doubled_quotes_keeps_both(file: Path, end: str) -> None:
    """A backslash at a cell's end is text where no quote stands behind a backslash otherwise."""
    file.write_text('Name,Path\n"Ann ""A"" Fay","C:\\"\n"Bob","D:\\x\\"' + end, encoding="utf-8")
    _, rows, problems = read(file)
    assert rows == [(2, ['Ann "A" Fay', "C:\\"]), (3, ["Bob", "D:\\x\\"])]
    assert problems == []


def test_a_quote_that_is_not_doubled_is_read_as_meant_and_told(file: Path) -> None:
    lines = [
        "Name,City,Phone",
        '"Hotel "Arany" Kft",Vác,06301234567',
        'Bob "the B" Ray,Pécs,06301234568',
        '"Cid" ,"Vác" , "06301234569"',
        '"Kis "és" Nagy, Bt","a ""b"" c",1',
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    _, rows, problems = read(file)
    assert rows == [
        (2, ['Hotel "Arany" Kft', "Vác", "06301234567"]),
        (3, ['Bob "the B" Ray', "Pécs", "06301234568"]),
        (4, ["Cid", "Vác", "06301234569"]),
        (5, ['Kis "és" Nagy, Bt', 'a "b" c', "1"]),
    ]
    assert [(p.row, p.code, p.severity) for p in problems] == [
        (2, "stray_quote", Severity.WARNING),
        (5, "stray_quote", Severity.WARNING),
    ]


@pytest.mark.parametrize(
    "line",
    [
        '"Say "a","b" then",Vác,1',  # where the first cell ends is not certain
        '"Ann "A"",Vác,1',
        '"Ann "A",Vác',
        '"Ann" Fay,Vác,1,2',
        '"Ann "A" Fay,Vác,1',
    ],
)
def test_a_row_whose_cells_are_not_certain_is_held_back(file: Path, line: str) -> None:
    file.write_text(f"Name,City,Phone\nEve,Vác,1\n{line}\nBob,Pécs,2\n", encoding="utf-8")
    _, rows, problems = read(file)
    held = [p.row for p in problems if p.severity is Severity.ERROR]
    assert 3 in held
    assert "stray_quote" in {p.code for p in problems if p.row == 3}
    assert rows[0] == (2, ["Eve", "Vác", "1"])
    assert rows[-1] == (4, ["Bob", "Pécs", "2"])
    assert 2 not in held
    assert 4 not in held


def test_a_broken_quote_far_down_the_file_is_told_by_its_row(file: Path) -> None:
    """Beyond what is looked at first, and where the other rows are divided as a whole."""
    count = 60_000
    lines = [f'"Person {n}","Vác",06301{n:06}' for n in range(count)]
    lines[count - 5] = '"Hotel "Arany" Kft","Vác",06301234567'
    lines[count - 3] = '"Hotel \\"Arany\\" Kft","Vác",06301234567'
    file.write_text("Name,City,Phone\n" + "\n".join(lines) + "\n", encoding="utf-8")
    _, rows, problems = read(file)
    assert len(rows) == count
    assert rows[count - 5][1][0] == 'Hotel "Arany" Kft'
    assert [p.row for p in problems] == [count - 3, count - 1]
    assert {p.code for p in problems} == {"stray_quote"}


def test_quotes_behind_a_blank_are_quotes(file: Path) -> None:
    file.write_text(
        '"Name", "City", "Phone"\n"Ann", "Vác, Fő u. 1", "1"\n"Bob",  "Pécs" , 2\n',
        encoding="utf-8",
    )
    info, rows, problems = read(file)
    assert (info.delimiter, info.headers) == (",", ("Name", "City", "Phone"))
    assert rows == [(2, ["Ann", "Vác, Fő u. 1", "1"]), (3, ["Bob", "Pécs", "2"])]
    assert problems == []


@pytest.mark.parametrize("mark", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_in_quotes_as_a_whole_are_read_without_them(file: Path, mark: str, end: str) -> None:
    rows = [["Name", "City", "Phone"], ["Ann Fay", f"Vác{mark} x", "1"], ["Bob", 'the "B"', "2"]]
    inner = io.StringIO()
    csv.writer(inner, delimiter=mark, lineterminator="\n").writerows(rows)
    whole = ['"' + line.replace('"', '""') + '"' for line in inner.getvalue().splitlines()]
    file.write_bytes((end.join(whole) + end).encode())
    info, found, problems = read(file)
    assert (info.delimiter, info.headers) == (mark, ("Name", "City", "Phone"))
    assert found == [(2, rows[1]), (3, rows[2])]
    assert [(p.code, p.severity) for p in problems] == [("quoted_lines", Severity.WARNING)]


@pytest.mark.parametrize(
    "text",
    [
        '"Name"\n"Kovács, Anna"\n"Nagy, Béla"\n',
        '"Note, if any"\n"Vác, Fő u. 1"\n"Pécs, Kis u. 2"\n',
        '"Name"\n"Ann"\n"Bob"\n',
    ],
)
def test_a_list_of_one_column_in_quotes_stays_one(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    info, rows, problems = read(file)
    assert [info.headers, *(tuple(cells) for _, cells in rows)] == [
        (line.strip('"'),) for line in text.splitlines()
    ]
    assert problems == []


_CELL = st.text('ab",;\\ \n', max_size=5)


@given(st.lists(st.lists(_CELL, min_size=3, max_size=3), min_size=1, max_size=6))
def test_what_the_rules_allow_is_read_by_the_rules(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    """Whatever backslashes and quotes stand in cells that are written as the rules say."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["x", "y", "z"], *rows, ["e", "n", "d"]])
    path = tmp_path_factory.mktemp("rules") / "a.csv"
    path.write_bytes(buffer.getvalue().encode())
    _, found, problems = read(path, delimiter=",", header_row=1)
    assert found.pop()[1] == ["e", "n", "d"]
    assert [cells for _, cells in found] == [row for row in rows if "".join(row).strip()]
    assert [p for p in problems if p.code == "stray_quote"] == []


def test_the_lines_of_a_great_file_are_freed_of_quotes_in_pieces() -> None:
    blocks = (b'"Ann;Vac;1"\n' * 100_000 for _ in range(4))
    sizes = [len(block) for block in without_line_quotes(blocks, "a.csv")]
    assert sum(sizes) == 4 * 100_000 * len(b"Ann;Vac;1\n")
    assert max(sizes) < 10_000_000
