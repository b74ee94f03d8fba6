"""Numbers of a workbook stay numbers in the lists that are mended and run again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import openpyxl
import pytest

import importer
from importer.model import NUMBERS_COLUMN
from tests.support.command import Cli

MAPPING = """\
version: 1
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
premium: {price: {column: Price, type: decimal, input: ","}}
"""
ROWS: list[tuple[str, str, str | float]] = [
    ("Ann", "12", 6.579),
    ("Bea", "13", 1234.5),
    ("Cid", "14", "1,5"),
    ("Dan", "15", 7),
    ("Eve", "06301234567", 0.25),
]
SENT = {"Ann": "6.579", "Bea": "1234.5", "Cid": "1.5", "Dan": "7"}


@pytest.fixture
def home(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workbook of which four rows have no phone, and its mapping."""
    monkeypatch.chdir(tmp_path)
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [("Name", "Phone", "Price"), *ROWS]:
        sheet.append(row)
    book.save("list.xlsx")
    Path("m.yaml").write_text(MAPPING, "utf-8")
    return tmp_path


def mend(path: Path, column: str, old: str, new: str) -> None:
    """Write another text into each cell of a column that holds `old`; "" for every one."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        for row in found:
            row[column] = new if old in {"", row[column]} else row[column]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(found[0]))
            writer.writeheader()
            writer.writerows(found)
        return
    book = openpyxl.load_workbook(path)
    sheet = book.active
    assert sheet is not None
    at = [cell.value for cell in sheet[1]].index(column) + 1
    for [cell] in sheet.iter_rows(2, min_col=at, max_col=at):
        if old in {"", cell.value}:
            cell.value = new
    book.save(path)


def prices(path: Path) -> dict[str, str | None]:
    """The price that would be sent of each row, by its name; None for rows that are held back."""
    found: dict[str, str | None] = {}
    for row in importer.preview(path, "m.yaml"):
        body = json.loads(row.body) if row.body is not None else None
        name = body["form"]["name"] if body is not None else f"row {row.row}"
        found[name] = body["premium"]["price"] if body is not None else None
    return found


@pytest.mark.parametrize("name", ["failures.csv", "failures.xlsx"])
def test_a_number_in_a_list_of_failures_is_the_number_it_was(
    cli: Cli, home: Path, name: str
) -> None:
    assert cli("run", "list.xlsx", "-m", "m.yaml", "--sandbox", "--out", "one") == 1
    # Nothing was mended: what failed again says so still.
    assert cli("run", Path("one") / name, "-m", "m.yaml", "--sandbox", "--out", "two") == 1
    for run in (Path("one"), Path("two")):
        mend(run / name, "Phone", "", "06301234568")
        assert prices(run / name) == SENT


def test_a_number_in_a_marked_copy_is_the_number_it_was(cli: Cli, home: Path) -> None:
    assert cli("check", "list.xlsx", "-m", "m.yaml", "--report", "copy.xlsx") == 1
    mend(Path("copy.xlsx"), "Phone", "", "06301234568")
    assert prices(Path("copy.xlsx")) == SENT | {"Eve": "0.25"}


@pytest.mark.parametrize("name", ["failures.csv", "failures.xlsx"])
def test_a_text_in_place_of_a_number_is_a_text(cli: Cli, home: Path, name: str) -> None:
    assert cli("run", "list.xlsx", "-m", "m.yaml", "--sandbox", "--out", "one") == 1
    path = Path("one") / name
    mend(path, "Phone", "", "06301234568")
    mend(path, "Price", "6.579", "6,58")
    assert prices(path) == SENT | {"Ann": "6.58"}
    # Beside a number with a point nobody can say what the point of a text means.
    mend(path, "Price", "6,58", "6.580")
    assert prices(path) == {"row 2": None, "row 3": None, "Cid": "1.5", "Dan": "7"}
    mend(path, "Price", "1234.5", "1234,5")
    assert prices(path) == SENT | {"Ann": "6580"}


def test_lists_without_such_numbers_have_no_note_of_them(cli: Cli, home: Path) -> None:
    Path("list.csv").write_text("Name,Phone,Price\nAnn,12,1.234\n", "utf-8")
    assert cli("run", "list.csv", "-m", "m.yaml", "--sandbox", "--out", "one") == 1
    assert NUMBERS_COLUMN not in Path("one/failures.csv").read_text("utf-8")
    mend(Path("one/failures.csv"), "Phone", "", "06301234568")
    assert prices(Path("one/failures.csv")) == {"Ann": "1234"}


@pytest.mark.parametrize("note", ["6.579", "{", "[]", '{"Nothing": "6.579"}', '{"Price": 6.579}'])
def test_a_note_that_says_nothing_is_left_out(home: Path, note: str) -> None:
    with Path("list.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("Name", "Phone", "Price", NUMBERS_COLUMN), ("Ann", "06301234567", "6.579", note)]
        )
    assert prices(Path("list.csv")) == {"Ann": "6579"}
