"""Every report says how phones were read: a list taken for another country's shows it there."""

from __future__ import annotations

import html
import json
from pathlib import Path

import openpyxl
import pytest

from tests.support.command import Cli

LEADS = "Név;Telefon\nA;06 20 123 4567\nB;+36 20 123 4568\nC;36201234569\nD;\nE;06 1 234 5678\n"
MAPPING = "version: 1\nproject: 1\n{}form: {{name: Név}}\ncontacts: {{1: {{phone: Telefon}}}}\n"
READ = (
    "1 number with a country code; 2 read as +36, Hungary, where no country code stands; "
    "1 read as +36, Hungary, with the plus put back that was lost before 36"
)
UNREAD = (
    "1 number with a country code; 3 without a country code, and no region is set that would say "
    "which it is"
)


@pytest.mark.parametrize(("home", "told"), [("region: HU\n", READ), ("", UNREAD)])
def test_every_report_says_how_phones_were_read(
    home: str, told: str, cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads, mapping = tmp_path / "leads.csv", tmp_path / "m.yaml"
    leads.write_text(LEADS, "utf-8")
    mapping.write_text(MAPPING.format(home), "utf-8")
    reports = [tmp_path / f"r.{suffix}" for suffix in ("txt", "json", "html", "xlsx")]
    cli("check", leads, "-m", mapping, *(f"--report={report}" for report in reports))
    text, as_json, page, book = reports
    for shown in (capsys.readouterr().out, text.read_text("utf-8")):
        assert f"contacts.1.phone (Telefon): {told}" in " ".join(shown.split())
    assert f"Telefon: {told}" in html.unescape(page.read_text("utf-8"))
    cells = [row[0] for row in openpyxl.load_workbook(book)["Summary"].values]
    assert f"Telefon: {told}" in cells
    [found] = json.loads(as_json.read_text("utf-8"))["phones"]
    assert found == {
        "target": "contacts.1.phone",
        "column": "Telefon",
        "region": "HU" if home else None,
        "country": "Hungary" if home else None,
        "country_code": 36 if home else None,
        "with_code": 1,
        "without_code": 2 if home else 3,
        "plus_put_back": 1 if home else 0,
        "unclear": 0,
    }


def test_a_run_says_it_of_phones_without_a_code(
    cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads, mapping = tmp_path / "leads.csv", tmp_path / "m.yaml"
    leads.write_text(LEADS, "utf-8")
    mapping.write_text(MAPPING.format("region: HU\n"), "utf-8")
    cli("run", leads, "-m", mapping, "--sandbox", "--out", tmp_path / "out")
    assert f"contacts.1.phone (Telefon): {READ}" in capsys.readouterr().out
