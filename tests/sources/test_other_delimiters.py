"""Lists whose cells are divided by what is not looked for: refused with the way out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import openpyxl
import pytest

from importer.settings import SourceOptions
from importer.sources import open_source
from tests.support.command import Cli

MAPPING = "version: 1\nregion: HU\nform: {name: Name, city: City}\ncontacts: {1: {phone: Phone}}\n"
ROWS = [["Name", "City", "Phone"], ["Ann", "Vac", "06301234567"], ["Bob", "Pecs", "06301234568"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leads.yaml").write_text(MAPPING, encoding="utf-8")
    return tmp_path


def written(folder: Path, mark: str, rows: list[list[str]] = ROWS) -> Path:
    path = folder / "leads.csv"
    path.write_text("".join(mark.join(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("mark", ["~", "^", "¦", "\x1f", "\x01", "!", "#", "*", ":", "§", "@", "$"])
def test_the_message_has_an_option_that_can_be_pasted(
    folder: Path, mark: str, cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    written(folder, mark)
    assert cli("check", "leads.csv", "-m", "leads.yaml") == 2
    said = capfd.readouterr().err
    assert "Only one column was found" in said
    option = re.search("--delimiter .*", said)
    assert option is not None
    assert cli("check", "leads.csv", "-m", "leads.yaml", *shlex.split(option[0])) == 0


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("::", 'if "::" divides the cells'),
        ("@@", 'if "@@" divides the cells'),
        ("    ", "text of fixed width"),
        ("  \t ", "--delimiter tab"),
        (" - ", '--delimiter "-"'),
    ],
)
def test_what_is_no_one_character_is_named_with_what_to_do(
    folder: Path, mark: str, said: str, cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    written(folder, mark)
    code = cli("check", "leads.csv", "-m", "leads.yaml")
    error = capfd.readouterr().err
    assert code == 0 or re.search(said, error), error


def test_columns_that_no_mapping_names_stand_in_the_way_of_nothing(
    folder: Path, cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    written(folder, "~", [["ID", "Full name", "Name", "Note", "City", "Phone"], ["1"] * 6])
    assert cli("check", "leads.csv", "-m", "leads.yaml") == 2
    assert '--delimiter "~"' in capfd.readouterr().err


def test_a_delimiter_that_was_named_wrongly_is_mended_by_the_message(
    folder: Path, cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    written(folder, ",")
    assert cli("check", "leads.csv", "-m", "leads.yaml", "--delimiter", ";") == 2
    assert '--delimiter ","' in capfd.readouterr().err


def test_a_sheet_whose_rows_stand_in_one_column_is_to_be_divided_there(
    folder: Path, cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    book = openpyxl.Workbook()
    for row in ROWS:
        book.active.append([";".join(row)])  # type: ignore[union-attr]
    book.save(folder / "leads.xlsx")
    assert cli("check", "leads.xlsx", "-m", "leads.yaml") == 2
    error = capfd.readouterr().err
    assert "Text to Columns" in error
    assert "--delimiter" not in error


@pytest.mark.parametrize(
    "text",
    [
        "Phone\n06301234567\n",
        "E-mail\nann@example.com\n",
        "Tel. (mobile)\n0630/123-4567\n",
        "Price %\n5 %\n",
        "Full name\nAnn Fay\n",
        "Mr/Mrs\nAnn/Bob\n",
        "Note: text\nno: no\nyes\n",
        "When\n2024-05-17 10:30\n",
        "Link\nhttps://example.com\n",
    ],
)
def test_a_list_of_one_column_is_not_suspected(tmp_path: Path, text: str) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(text, encoding="utf-8")
    with open_source(path, SourceOptions()) as source:
        assert source.info.problems == ()


def test_a_draft_says_that_there_may_be_more_columns(
    folder: Path, cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    written(folder, "~")
    assert cli("init", "leads.csv") == 0
    assert '--delimiter "~"' in " ".join(capfd.readouterr().out.replace("#", " ").split())
    assert cli("check", "leads.csv", "-m", "leads.yaml", "--delimiter", "~") == 0


def test_the_mapping_may_name_such_a_delimiter(folder: Path, cli: Cli) -> None:
    written(folder, "\x1f")
    (folder / "leads.yaml").write_text(MAPPING + 'source: {delimiter: "\\x1f"}\n', encoding="utf-8")
    assert cli("check", "leads.csv", "-m", "leads.yaml") == 0
