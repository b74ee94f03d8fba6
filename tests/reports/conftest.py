"""A check of a small file with all manner of faults, and the files it is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from importer.mapping.load import load_mapping
from importer.model import Checkup
from importer.pipeline.examine import ExaminationOptions
from importer.pipeline.plan import check
from importer.settings import SourceOptions

Examine = Callable[[Path, Path], Checkup]

MAPPING = """\
version: 1
project: 134
region: HU
form:
  name: {column: Name, required: true}
  city: City
  full: {template: "{Name} {City}", max_length: 60}
contacts: {1: {phone: Phone, email: E-mail}}
rows: {unique: [contacts.1.phone]}
"""
HOSTILE = "<script>document.title='owned'</script>"
LEADS = f"""\
Name,City,Phone,E-mail,Extra
Ann,Budapest,06301234567,ann@example.com,a
Béla,Pécs,+36 20 123 4567,no address,b
{HOSTILE},Győr,=A12,,c
Ann again,Budapest,+36301234567,,"</script><img src=x onerror=alert(1)>"
,Eger,06301112233,,"line
break"
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """A small mapping."""
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING, "utf-8")
    return path


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    """Five rows: two ready, one of them a duplicate's first; rows 3, 4 and 6 are invalid."""
    path = tmp_path / "leads.csv"
    path.write_text(LEADS, "utf-8")
    return path


@pytest.fixture
def examine(tmp_path: Path) -> Examine:
    """Check a file with a mapping, with all findings."""
    count = iter(range(100))

    def examine(path: Path, mapping: Path) -> Checkup:
        name = f"work{next(count)}"
        look = ExaminationOptions(tmp_path / f"{name}.parquet", tmp_path / f"{name}.jsonl")
        return check(path, load_mapping(mapping), SourceOptions(), options=look)

    return examine


@pytest.fixture
def checkup(examine: Examine, leads: Path, mapping: Path) -> Checkup:
    """What the check of the five rows found."""
    return examine(leads, mapping)
