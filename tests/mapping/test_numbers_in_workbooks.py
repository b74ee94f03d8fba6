"""Numbers of a workbook are numbers, whatever decimal mark a mapping declares for its texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

import importer

MAPPING = """\
version: 1
form: {name: Name}
premium: {price: {column: Price, type: TYPE, INPUT}}
"""


def prices(
    folder: Path, cells: Sequence[object], declared: str, type_: str = "decimal"
) -> list[str | list[str]]:
    """What is sent for each cell of the column Price, or the codes of what is wrong with it."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Name", "Price"])
    for cell in cells:
        sheet.append(["Anna", cell])
    book.save(folder / "list.xlsx")
    input_ = f'input: "{declared}"' if declared else ""
    mapping = folder / "m.yaml"
    mapping.write_text(MAPPING.replace("TYPE", type_).replace("INPUT", input_), "utf-8")
    found: list[str | list[str]] = []
    for row in importer.preview(folder / "list.xlsx", mapping):
        codes = [problem.code for problem in row.problems]
        assert (row.status == "invalid") == bool(codes)
        found.append(codes or json.loads(row.body or b"")["premium"]["price"])
    return found


@pytest.mark.parametrize("declared", ["", ",", "."])
def test_a_number_of_three_decimals_is_no_thousands(tmp_path: Path, declared: str) -> None:
    cells = [6.579, 12, 1234.5, -0.25]
    assert prices(tmp_path, cells, declared) == ["6.579", "12", "1234.5", "-0.25"]
    assert prices(tmp_path, [6.579], declared) == ["6.579"]


@pytest.mark.parametrize("declared", ["", ","])
def test_texts_beside_numbers_keep_their_own_mark(tmp_path: Path, declared: str) -> None:
    cells = [6.579, "1,5", "1.234,50"]
    assert prices(tmp_path, cells, declared) == ["6.579", "1.5", "1234.50"]


@pytest.mark.parametrize("declared", ["", ","])
def test_where_texts_have_points_too_the_rows_in_doubt_are_held(
    tmp_path: Path, declared: str
) -> None:
    held = ["ambiguous_number"]
    assert prices(tmp_path, [6.579, "1.234", "1,5", 12], declared) == [held, held, "1.5", "12"]


def test_texts_alone_are_read_as_declared(tmp_path: Path) -> None:
    assert prices(tmp_path, ["1.234", "1.234,5", 12], ",") == ["1234", "1234.5", "12"]


def test_a_fraction_is_no_integer(tmp_path: Path) -> None:
    assert prices(tmp_path, [6.579, 7], ",", "integer") == [["not_integer"], "7"]


@given(
    numbers=st.lists(st.integers(-(10**8), 10**8).map(lambda n: n / 1000), min_size=1, max_size=20),
    declared=st.sampled_from(["", ",", "."]),
)
def test_every_number_is_sent_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float], declared: str
) -> None:
    sent = prices(tmp_path_factory.mktemp("list"), numbers, declared)
    assert [Decimal(str(text)) for text in sent] == [Decimal(repr(number)) for number in numbers]
