"""XML made so that whoever reads it takes all time, or sees other cells than the library does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.sources.test_plain_sheets import book, read, read_both
from tests.sources.test_workbooks import MAIN, cells, write_raw

SOON = 10
"""Seconds; each of these files took minutes, and takes less than one."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leads.xlsx"


def test_a_megabyte_of_white_space_before_the_shared_strings_takes_no_time(file: Path) -> None:
    row = '<row r="2"><c r="A2"><v>1</v></c></row>'
    strings = " " * 2**20 + f'<x:sst xmlns:x="{MAIN}"><si><t>Ann</t></si></x:sst>'
    begun = time.monotonic()
    assert read(write_raw(file, cells(row), strings=strings))[1] == [(2, ["1", ""])]
    assert time.monotonic() - begun < SOON
