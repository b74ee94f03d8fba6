"""Pieces of text divided as a whole give exactly what dividing them record by record gives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.model import Problem
from importer.settings import SourceOptions
from importer.sources import delimited, encoding, open_source
from importer.sources.delimited import Divided, divided_at_once
from tests.support.sheets import cells_of

Seen = tuple[object, list[tuple[int, list[str]]], list[Problem]] | str


def read(path: Path, **options: object) -> Seen:
    """All that a file gives, or how it is refused."""
    rows: list[tuple[int, list[str]]] = []
    problems: list[Problem] = []
    try:
        with open_source(path, SourceOptions(**options)) as source:  # type: ignore[arg-type]
            for batch in source.batches():
                rows += zip(batch.rows.tolist(), cells_of(batch), strict=True)
                problems += batch.problems
    except SourceError as error:
        return f"{error.message} {error.hint}"
    return source.info, rows, problems


def read_both(path: Path, block: int, **options: object) -> tuple[Seen, Seen, list[bool]]:
    """The same file as it is and record by record, with blocks so long.

    Also for each piece of the former, whether it was divided as a whole.
    """
    whole: list[bool] = []

    def watched(piece: bytes, delimiter: str) -> Divided | None:
        found = divided_at_once(piece, delimiter)
        whole.append(found is not None)
        return found

    def never(_: bytes, __: str) -> None:
        return None

    seen = []
    for way in (watched, never):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encoding, "BLOCK", block)
            patch.setattr(delimited, "BATCH_ROWS", 5)
            patch.setattr(delimited, "divided_at_once", way)
            seen.append(read(path, **options))
    return seen[0], seen[1], whole


SIGNS = [
    "a",
    "é",
    " ",
    "7",
    ",",
    ";",
    '"',
    '""',
    "\n",
    "\r\n",
    "\r",
    "\0",
    "\ufeff",
    "\u00a0",
    "\x1f",
]
CELLS = st.sampled_from(
    [
        "",
        "a",
        "é1",
        '"a"',
        '"a,b"',
        '"a""b"',
        '"a\nb"',
        '"a\r\nb"',
        '""',
        '""""',
        'a"b',
        '"a"b',
        " ",
    ]
)
LINES = st.builds(
    lambda cells, end: ",".join(cells) + end,
    st.lists(CELLS, min_size=2, max_size=2) | st.lists(CELLS, max_size=4),
    st.sampled_from(["\n", "\n", "\r\n", "\r"]),
)


@given(
    text=st.lists(st.sampled_from(SIGNS), max_size=60).map("".join) | st.lists(LINES).map("".join),
    block=st.integers(1, 40),
    codec=st.sampled_from(["utf-8", "utf-16", "cp1250"]),
    named=st.booleans(),
)
@example(text="b,c\n\ufeffb,c\nd,e\n", block=4, codec="utf-8", named=True)
@example(text='b,c\n"b\n",c\n"', block=9, codec="utf-8", named=True)
@example(text='b,5"\nc,",\nd"\ne,f\n', block=21, codec="utf-8", named=True)
@example(text='b,c\nd,e\n1,"', block=4, codec="utf-8", named=True)
def test_any_text_is_read_alike(
    tmp_path_factory: pytest.TempPathFactory, text: str, block: int, codec: str, named: bool
) -> None:
    path = tmp_path_factory.mktemp("alike") / "any.csv"
    path.write_bytes(("Key,Other\n" + text).encode(codec, "replace"))
    options = {"delimiter": ",", "header_row": 1, "encoding": codec} if named else {}
    either, other, _ = read_both(path, block, **options)
    assert either == other


def lines(chance: random.Random, share: float) -> Iterator[str]:
    """Lines of a list, of which some share is odd in one of many ways."""
    yield "Name,City,Note\n"
    for number in range(2000):
        note = chance.choice(
            ["", "x" * chance.randrange(90), '"a, b"', '"two\nlines"', '"5"" pipe"']
        )
        cells = [f"Kovács {number}", chance.choice(["Pécs", "", "Győr"]), note]
        end = "\n"
        if chance.random() < share:
            match chance.randrange(8):
                case 0:
                    cells.append("more")
                case 1:
                    cells.pop()
                case 2:
                    cells = []
                case 3:
                    cells[1] = '5" pipe'
                case 4:
                    cells[1] = '"Pécs" '
                case 5:
                    cells[0] = "Nagy\0"
                case 6:
                    end = "\r"
                case 7:
                    cells = ["", "\u00a0", ""]
        yield ",".join(cells) + end


@pytest.mark.parametrize("share", [0, 0.004, 0.02, 0.5])
@pytest.mark.parametrize("block", [500, 5_000])
def test_a_list_with_faults_is_read_alike(tmp_path: Path, share: float, block: int) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("".join(lines(random.Random(7), share)).encode())
    either, other, whole = read_both(path, block)
    assert either == other
    assert not isinstance(either, str)
    assert any(whole) or share == 0.5
    assert not all(whole) or share == 0


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " ", "\x1f", "é", "x"])
def test_any_delimiter_divides_alike(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "list.csv"
    rows = [["Name", "City"], ["Ann", '"a""b"'], ['"c\n"', "d"], ["", ""], ["1", "2"]] * 20
    path.write_text("\n".join(map(delimiter.join, rows)), encoding="utf-8", newline="")
    either, other, whole = read_both(path, 64, delimiter=delimiter)
    assert either == other
    assert any(whole) == (delimiter not in "\x1fé")


def test_blank_cells_beyond_the_last_header_are_nothing(tmp_path: Path) -> None:
    """A list whose formats reach further than its columns is divided as a whole all the same."""
    path = tmp_path / "list.csv"
    path.write_text("a;b;;\n" + "1;2;;\n" * 80 + "3;4;;5\n" + "6;7;;\n" * 9, encoding="utf-8")
    either, other, whole = read_both(path, 50)
    assert either == other
    assert all(whole)
    assert not isinstance(either, str)
    assert [(problem.row, problem.code) for problem in either[2]] == [(82, "ragged_row")]


@pytest.mark.parametrize("block", [1_000, 1_000_000])
def test_a_cell_over_the_limit_is_refused_alike(tmp_path: Path, block: int) -> None:
    path = tmp_path / "list.csv"
    for size in (131_072, 131_073):
        path.write_bytes(b"a,b\n1,2\n3," + b"x" * size + b"\n5,6\n")
        either, other, _ = read_both(path, block)
        assert either == other
        assert isinstance(either, str) == (size > 131_072)
