"""What is still wrong with a mended list of failures is named by the row of the first list, too."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.support.command import Cli

MAPPING = "version: 1\nproject: 1\nregion: HU\nform: {name: Name}\ncontacts: {1: {phone: Phone}}\n"
LEADS = "Name,Phone\nAnn,06301234567\nBob,no phone\nEve,\n"
ORIGINAL = "(row {} of the list it comes from)"


@pytest.mark.parametrize("name", ["failures.csv", "failures.xlsx"])
def test_a_row_of_failures_is_named_by_its_first_row_in_every_report(
    name: str, cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "leads.csv").write_text(LEADS, "utf-8")
    assert cli("run", "leads.csv", "-m", "m.yaml", "--sandbox", "--out", "first") == 1
    assert "of the list it comes from" not in capsys.readouterr().out
    again = Path("first") / name
    reports = [f"--report=r.{suffix}" for suffix in ("json", "csv", "html", "txt")]
    assert cli("check", again, "-m", "m.yaml", *reports) == 1
    found = {p["row"]: p["message"] for p in json.loads(Path("r.json").read_text())["problems"]}
    assert found[2].endswith(ORIGINAL.format(3))
    assert found[3].endswith(ORIGINAL.format(4))
    shown = [capsys.readouterr().out, *(Path(f"r.{s}").read_text("utf-8") for s in ("csv", "html"))]
    assert all(ORIGINAL.format(row) in " ".join(text.split()) for text in shown for row in (3, 4))
    cli("run", again, "-m", "m.yaml", "--sandbox", "--out", "second")
    assert ORIGINAL.format(3) in " ".join(capsys.readouterr().out.split())
    with Path("second/results.csv").open(encoding="utf-8") as file:
        results = list(csv.DictReader(file))
    assert [result["row"] for result in results] == ["2", "3"]
    assert results[0]["message"].endswith(ORIGINAL.format(3))


def test_a_supplier_s_own_column_named_row_says_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "leads.csv").write_text("Name,Phone,_row\nBob,no phone,77\n", "utf-8")
    cli("check", "leads.csv", "-m", "m.yaml", "--report=r.json")
    assert "77" not in json.loads(Path("r.json").read_text())["problems"][0]["message"]
