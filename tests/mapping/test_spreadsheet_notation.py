"""Cells in the notation of spreadsheets: what is sent is what a spreadsheet shows."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest

from tests.support.command import Cli

MAPPING = """version: 1
region: HU
form:
  name: Name
  zip: Zip
  units: {column: Units, type: integer}
  signed: {column: Signed, type: date, input: ["%Y-%m-%d"]}
  tags: {column: Tags, multiple: true, split: [";"]}
contacts: {1: {phone: Phone, email: Mail}}
"""
HEADER = ["Name", "Zip", "Units", "Signed", "Tags", "Phone", "Mail"]
PLAIN = ["Ann", "0123", "12", "2024-05-17", "a;b", "06301234567", "ann@example.com"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(MAPPING, encoding="utf-8")
    return tmp_path


def previewed(cli: Cli, name: str, capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert cli("preview", name, "-m", "m.yaml") == 0
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_a_text_in_a_formula_is_that_text_in_every_type(
    folder: Path, cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    """Header, bare and quoted cells alike; blanks within it are trimmed as elsewhere."""
    rows = [
        ",".join(f'="{cell}"' for cell in HEADER),
        ",".join(PLAIN),
        ",".join(f'="{cell}"' for cell in PLAIN),
        ",".join(f'"=""{cell}"""' for cell in PLAIN),
        ",".join(f' =" {cell} "' for cell in PLAIN),
    ]
    (folder / "a.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    first, *others = previewed(cli, "a.csv", capfd)
    assert first["status"] == "ready"
    assert [row["body"] for row in others] == [first["body"]] * 3


def test_text_cells_of_workbooks_are_read_alike(
    folder: Path, cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(HEADER)
    page.append(PLAIN)
    page.append([f'="{cell}"' for cell in PLAIN])
    for cell in page[3]:
        cell.data_type = "s"
    book.save(folder / "a.xlsx")
    first, second = previewed(cli, "a.xlsx", capfd)
    assert (first["status"], second["body"]) == ("ready", first["body"])


@pytest.mark.parametrize(
    ("cell", "sent"),
    [
        ('="a""b"', 'a"b'),
        ('=""', None),
        ("=2600", "2600"),
        ("=0123", "0123"),
        ("='0123", "0123"),
        ("'0123", "0123"),
        ("'+36 30", "+36 30"),
        ("'=1+1", "=1+1"),
        ("'2024-05-17", "2024-05-17"),
        ("'s-Hertogenbosch", "'s-Hertogenbosch"),
        ("'68", "'68"),
        ("'0123'", "'0123'"),
        ("= 5 m", "= 5 m"),
        ("=)", "=)"),
        ('="a"b"', '="a"b"'),
        ("== VIP ==", "== VIP =="),
    ],
)
def test_notation_is_taken_off_where_it_is_certain(
    folder: Path, cli: Cli, capfd: pytest.CaptureFixture[str], cell: str, sent: str | None
) -> None:
    quoted = cell.replace('"', '""')
    (folder / "a.csv").write_text(
        f'Name,Zip,Units,Signed,Tags,Phone,Mail\nAnn,"{quoted}",,,,06301234567,\n',
        encoding="utf-8",
    )
    (row,) = previewed(cli, "a.csv", capfd)
    assert row["body"]["form"].get("zip") == sent  # type: ignore[index]


@pytest.mark.parametrize(
    "cell", ["=A1&B1", "=SUM(A1:A3)", '=HYPERLINK("http://x","Ann")', "=$B$2", "=vlookup(a,b,1)"]
)
def test_a_formula_as_text_is_held_back(
    folder: Path, cli: Cli, capfd: pytest.CaptureFixture[str], cell: str
) -> None:
    quoted = cell.replace('"', '""')
    (folder / "a.csv").write_text(
        f'Name,Zip,Units,Signed,Tags,Phone,Mail\n"{quoted}",1,,,,06301234567,\n', encoding="utf-8"
    )
    (row,) = previewed(cli, "a.csv", capfd)
    assert row["status"] == "invalid"
    assert [p["code"] for p in row["problems"]] == ["empty_formula"]  # type: ignore[attr-defined]
