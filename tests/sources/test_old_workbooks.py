"""Old workbooks as other programs write them, and what is damaged but not where it matters."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import olefile
import pytest

from importer.errors import SourceError
from importer.model import Problem, SourceInfo
from importer.settings import SourceOptions
from importer.sources import open_source
from importer.sources.compound import ENCRYPTED
from tests.support import biff
from tests.support.biff import EOF, label, number, record, shared, strings, text
from tests.support.compound import END, FREE, compound_file

HEAD = label(0, 0, "Name") + label(0, 1, "Signed")
ANN = label(1, 0, "Ánn") + number(1, 1, 45429, 1)
ROWS = {2: ["Ánn", "2024-05-17"]}


def read(path: Path, content: bytes) -> tuple[SourceInfo, dict[int, list[str]], list[Problem]]:
    path.write_bytes(content)
    with open_source(path, SourceOptions()) as source:
        rows: dict[int, list[str]] = {}
        problems: list[Problem] = []
        for batch in source.batches():
            problems += batch.problems
            columns = [batch.columns[n].to_pylist() for n in range(len(source.info.headers))]
            rows |= dict(
                zip(batch.rows.tolist(), map(list, zip(*columns, strict=True)), strict=True)
            )
        return source.info, rows, problems


def book(stream: bytes, **options: int) -> bytes:
    return compound_file({"Workbook": stream}, **options)


@pytest.mark.parametrize(
    "more",
    [
        record(0x18, bytes(12)),  # a defined name that is cut short
        record(0x18, struct.pack("<HBBHHHBBBB", 0, 0, 1, 1, 0, 0, 0, 0, 0, 0) + b"\0N\x41"),
        record(0x1AE, b"\1"),  # an external workbook
        record(0x17, b"\xff\xff"),  # references to it
        record(0x23, b"\0\1\2"),  # a name in it
        record(0x5C, b"\xff" * 112),  # who wrote it
        record(0x293, b"\0"),  # a style without a name
        record(0x92, b"\x38"),  # a palette
        record(0xEB, bytes(100)) + record(0x3C, bytes(50)),  # drawings
    ],
)
def test_what_no_import_needs_may_be_damaged(tmp_path: Path, more: bytes) -> None:
    info, rows, _ = read(tmp_path / "a.xls", book(biff.stream(HEAD + ANN, more=more)))
    assert rows == ROWS
    assert info.problems == ()


@pytest.mark.parametrize(
    "more",
    [
        record(0x200, struct.pack("<IIHHH", 0, 2**31, 0, 2, 0)),  # dimensions that are not true
        record(0x200, b"\0"),
        record(0x5D, b"\x15\0"),  # an object
        record(0x1B6, bytes(3)),  # its text
        record(0x1C, b"\1"),  # a note
        record(0x1B8, bytes(5)),  # a link
        record(0x1B0, b"\1"),  # conditional formats
        record(biff.BOF, struct.pack("<HHHHII", 0x600, 0x20, 0, 1996, 0, 0))
        + number(1, 1, 5)  # of a chart
        + EOF,
    ],
)
def test_what_no_import_needs_of_a_sheet_may_be_damaged(tmp_path: Path, more: bytes) -> None:
    info, rows, _ = read(tmp_path / "a.xls", book(biff.stream(HEAD + ANN + more)))
    assert rows == ROWS
    assert info.problems == ()


@pytest.mark.parametrize("ends", [END, FREE, 0, 1, 99])
def test_a_chain_of_sectors_may_end_otherwise(tmp_path: Path, ends: int) -> None:
    assert read(tmp_path / "a.xls", book(biff.stream(HEAD + ANN), ends=ends))[1] == ROWS


def test_the_last_sector_may_be_cut(tmp_path: Path) -> None:
    """What is missing is filling."""
    assert read(tmp_path / "a.xls", book(biff.stream(HEAD + ANN), cut=300))[1] == ROWS


def test_a_workbook_that_is_cut_within_its_cells_is_refused(tmp_path: Path) -> None:
    """Its rows would be lost without a word."""
    cells = HEAD + b"".join(label(row, 0, f"Ann {row}") for row in range(1, 400))
    whole = book(biff.stream(cells))
    for cut in (600, 1111, 5000):
        with pytest.raises(SourceError, match="damaged or cut short") as refused:
            read(tmp_path / "a.xls", whole[: len(whole) - cut])
        assert "Error" not in refused.value.message


def test_a_sheet_without_an_end_is_read_where_the_workbook_is_whole(tmp_path: Path) -> None:
    filling = record(0x99, bytes(4096))  # else the container fills the stream up
    assert read(tmp_path / "a.xls", book(biff.stream(HEAD + ANN + filling, end=b"")))[1] == ROWS


@pytest.mark.parametrize("claimed", [None, 5, 99, 2**31 - 1])
def test_the_shared_strings_may_be_fewer_than_was_claimed(
    tmp_path: Path, claimed: int | None
) -> None:
    more = strings("Name", "City", "Győr", claimed=claimed)
    cells = shared(0, 0, 0) + shared(0, 1, 1) + label(1, 0, "Ann") + shared(1, 1, 2)
    info, rows, _ = read(tmp_path / "a.xls", book(biff.stream(cells, more=more)))
    assert (info.headers, rows) == (("Name", "City"), {2: ["Ann", "Győr"]})
    assert info.problems == ()


@pytest.mark.parametrize("index", [2, 7, 2**32 - 1])
def test_a_cell_of_a_shared_string_that_is_not_there_is_not_read_as_another(
    tmp_path: Path, index: int
) -> None:
    cells = shared(0, 0, 0) + shared(0, 1, 1) + label(1, 0, "Ann") + shared(1, 1, index)
    more = strings("Name", "City", claimed=9)
    rows = read(tmp_path / "a.xls", book(biff.stream(cells, more=more)))[1]
    assert rows == {2: ["Ann", "#VALUE!"]}


def test_where_one_library_stumbles_the_other_reads_and_nothing_is_hidden(tmp_path: Path) -> None:
    """A style that is not there stops xlrd; what calamine does not tell is told all the same."""
    cells = HEAD + label(0, 2, "Due") + biff.hidden_row(2) + ANN + number(1, 2, 7, 99)
    cells += label(2, 0, "Bob") + biff.error(2, 1, 0x2A) + label(3, 0, "Cid")
    cells += number(3, 1, -5, 1) + number(4, 1, 0.0, 4) + label(4, 0, "Dan") + label(5, 0, "Eve")
    cells += biff.merge(3, 5, 2, 2) + label(3, 2, "now")
    info, rows, _ = read(tmp_path / "a.xls", book(biff.stream(cells)))
    assert rows[2] == ["Ánn", "2024-05-17", "7"]
    assert rows[3] == ["Bob", "#N/A", ""]
    assert [rows[4][1], rows[5][1]] == ["#DATE!", "#DATE!"]
    assert [problem.code for problem in info.problems] == [
        "damaged_workbook",
        "hidden_rows",
        "merged_rows",
    ]
    assert [row[2] for row in rows.values()] == ["7", "", "now", "now", "now"]


@pytest.mark.parametrize(
    ("value", "style", "shown"),
    [
        (45429, 1, "2024-05-17"),
        (45429, 4, "2024-05-17"),
        (1, 1, "1900-01-01"),
        (59, 1, "1900-02-28"),
        (60, 1, "#DATE!"),  # the 29 February that never was
        (61, 1, "1900-03-01"),
        (0, 1, "#DATE!"),
        (0.5, 4, "#DATE!"),
        (-5, 1, "#DATE!"),
        (-1.5, 4, "#DATE!"),
        (2958465, 1, "9999-12-31"),
        (2958466, 1, "#DATE!"),
        (2958465.9999999999, 1, "#DATE!"),
        (1e300, 1, "#DATE!"),
        (0, 2, "00:00:00"),
        (0.75, 2, "18:00:00"),
        (-0.75, 2, "#DATE!"),
        (1.5, 3, "36:00:00"),
        (-0.5, 3, "-12:00:00"),
        (-5, 0, "-5"),
    ],
)
def test_a_number_in_a_date_format_is_a_date_or_an_error(
    tmp_path: Path, value: float, style: int, shown: str
) -> None:
    cells = HEAD + label(1, 0, "Ann") + number(1, 1, value, style)
    assert read(tmp_path / "a.xls", book(biff.stream(cells)))[1] == {2: ["Ann", shown]}


@pytest.mark.parametrize(("value", "shown"), [(0, "1904-01-01"), (-1, "#DATE!")])
def test_days_since_1904_begin_with_0(tmp_path: Path, value: float, shown: str) -> None:
    cells = HEAD + label(1, 0, "Ann") + number(1, 1, value, 1)
    content = book(biff.stream(cells, since_1904=True))
    assert read(tmp_path / "a.xls", content)[1] == {2: ["Ann", shown]}


def test_a_text_of_two_records_is_counted_once(tmp_path: Path) -> None:
    """Where it goes on, the record begins with a flag of its width."""
    first, second = "x" * 4000, "ő" * 3000
    table = struct.pack("<II", 5, 5) + text("Name") + text("City")
    table += struct.pack("<H", 7000) + b"\0" + first.encode()
    more = record(0xFC, table) + record(0x3C, b"\1" + second.encode("utf-16-le"))
    cells = shared(0, 0, 0) + shared(0, 1, 1) + label(1, 0, "Ann") + shared(1, 1, 2)
    rows = read(tmp_path / "a.xls", book(biff.stream(cells, more=more)))[1]
    assert rows == {2: ["Ann", first + second]}


CORPUS = Path(__file__).parents[1] / "corpus" / "formats"


def test_a_password_that_would_take_hours_to_try_is_not_tried(tmp_path: Path) -> None:
    with olefile.OleFileIO(CORPUS / "write_protected.xlsx") as container:
        parts = {name: container.openstream(name).read() for name in ENCRYPTED}
    info = parts["EncryptionInfo"]
    assert b'spinCount="100000"' in info
    parts["EncryptionInfo"] = info.replace(b'spinCount="100000"', b'spinCount="2000000000"')
    with pytest.raises(SourceError, match="protected by a password"):
        read(tmp_path / "a.xlsx", compound_file(parts))


@pytest.mark.parametrize("where", [0, 40, 500, 1500, 3000, 4000])
def test_an_encrypted_workbook_that_is_damaged_is_refused(tmp_path: Path, where: int) -> None:
    """An error that says so, or rows; never another exception."""
    for name in ("write_protected.xlsx", "write_protected_xls.xls"):
        content = bytearray((CORPUS / name).read_bytes())
        content[where : where + 8] = bytes(reversed(content[where : where + 8]))
        try:
            read(tmp_path / "a.xlsx", bytes(content))
        except SourceError as error:
            assert error.hint


def test_nothing_is_left_of_a_decrypted_workbook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for name in ("write_protected.xlsx", "write_protected_xls.xls"):
        read(tmp_path / "a.xlsx", (CORPUS / name).read_bytes())
        assert list(folder.iterdir()) == []


def test_headers_that_speak_of_more_than_the_file_holds_are_refused_soon(tmp_path: Path) -> None:
    whole = bytearray(book(biff.stream(HEAD + ANN)))
    for at in (44, 64, 72):
        content = bytearray(whole)
        struct.pack_into("<I", content, at, 2**31)
        with pytest.raises(SourceError, match="damaged"):
            read(tmp_path / "a.xls", bytes(content))
