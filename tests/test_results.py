"""The result files: complete or absent, in source order, cells untouched."""

from __future__ import annotations

import csv
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

import importer.pipeline.results
from importer.errors import JournalError, OutputError
from importer.model import NOTE_COLUMNS, ORIGIN_COLUMN, Batch, Outcome, Status, Summary
from importer.pipeline.results import summary_json, write_results
from tests.support.sheets import batch_of

HEADERS = ("Name", "Phone")
NAMES = {"results.csv", "created.csv", "failures.csv", "failures.xlsx", "uncertain.csv"}

ID = "leads-20260101T000000Z-abc123"
SUMMARY = Summary(
    run_id=ID,
    status="finished",
    rows=4,
    counts={Status.CREATED: 3, Status.INVALID: 1},
    started_at="2026-01-01T00:00:00Z",
    elapsed_s=2.0,
    attempts=3,
    source={"path": "leads.csv"},
    mapping={"path": "leads.yaml"},
    target={"base_url": "https://h/v2", "project": 134},
    settings={"out": Path("runs")},
    versions={"python": "3.12"},
)


def batch(first_row: int, *cells: Sequence[str]) -> Batch:
    return batch_of(cells, first_row)


def lines(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def cells_of(path: Path) -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(path)
    found = list(book["failures"].iter_rows())
    book.close()
    return found


def sheet(path: Path) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in cells_of(path)]


def test_every_row_of_the_source_has_a_line_in_source_order(tmp_path: Path) -> None:
    batches = [
        batch(2, ["Ann", "1"], ["Bea", "2"], ["Cid", "3"]),
        batch(7, ["Dan", "4"], ["Eve", "5"], ["Fay", "6"]),
    ]
    outcomes = [
        Outcome(2, Status.CREATED, ("6", "7"), 1, 200),
        Outcome(4, Status.REJECTED, (), 2, 417, "error.x", '417 error.x "a", b', "mend"),
        Outcome(7, Status.UNCERTAIN, ("9",), 1, None, "lost", "sent"),
        Outcome(8, Status.INVALID, code="required", message="no name\nat all"),
        Outcome(9, Status.SKIPPED, code="duplicate", message="as row 2"),
    ]
    write_results(tmp_path, headers=HEADERS, batches=batches, outcomes=outcomes, summary=SUMMARY)
    assert lines(tmp_path / "results.csv") == [
        ["row", "status", "numberid", "attempts", "http_status", "code", "message"],
        ["2", "created", "6|7", "1", "200", "", ""],
        ["3", "pending", "", "0", "", "", ""],
        ["4", "rejected", "", "2", "417", "error.x", '417 error.x "a", b'],
        ["7", "uncertain", "9", "1", "", "lost", "sent"],
        ["8", "invalid", "", "0", "", "required", "no name\nat all"],
        ["9", "skipped", "", "0", "", "duplicate", "as row 2"],
    ]
    assert lines(tmp_path / "created.csv") == [
        ["Name", "Phone", "_row", "_numberid"],
        ["Ann", "1", "2", "6|7"],
    ]
    failures = [
        ["Name", "Phone", "_row", "_status", "_code", "_message", "_hint", "_origin"],
        ["Cid", "3", "4", "rejected", "error.x", '417 error.x "a", b', "mend", f"{ID}:4"],
        ["Eve", "5", "8", "invalid", "required", "no name\nat all", "", f"{ID}:8"],
    ]
    assert lines(tmp_path / "failures.csv") == failures
    assert sheet(tmp_path / "failures.xlsx") == [[c or None for c in row] for row in failures]
    assert lines(tmp_path / "uncertain.csv") == [
        [*failures[0], "_numberid"],
        ["Dan", "4", "7", "uncertain", "lost", "sent", "", f"{ID}:7", ""],
    ]
    assert {p.name for p in tmp_path.iterdir()} == {*NAMES, "summary.json"}


def test_a_batch_of_which_all_rows_were_created_stands_in_created_whole(tmp_path: Path) -> None:
    batches = [
        batch(2, ["Ann", "1"]),
        batch(3, ["Bea", "2"], ["Cid", "3"]),
        batch(9, ["Dan", "4"]),
    ]
    outcomes = [Outcome(row, Status.CREATED, (str(row * 10),), 1, 200) for row in (3, 4, 9)]
    write_results(tmp_path, headers=HEADERS, batches=batches, outcomes=outcomes, summary=SUMMARY)
    assert lines(tmp_path / "created.csv")[1:] == [
        ["Bea", "2", "3", "30"],
        ["Cid", "3", "4", "40"],
        ["Dan", "4", "9", "90"],
    ]


def test_when_nothing_failed_the_files_have_a_header_only(tmp_path: Path) -> None:
    outcomes = [Outcome(2, Status.CREATED, ("6",), 1, 200)]
    write_results(
        tmp_path,
        headers=HEADERS,
        batches=[batch(2, ["Ann", "1"])],
        outcomes=outcomes,
        summary=SUMMARY,
    )
    for name, more in (("failures.csv", []), ("uncertain.csv", ["_numberid"])):
        assert lines(tmp_path / name) == [[*HEADERS, *NOTE_COLUMNS, ORIGIN_COLUMN, *more]]
    assert sheet(tmp_path / "failures.xlsx") == [[*HEADERS, *NOTE_COLUMNS, ORIGIN_COLUMN]]


def test_when_nothing_was_created_its_file_has_a_header_only(tmp_path: Path) -> None:
    write_results(
        tmp_path, headers=HEADERS, batches=[batch(2, ["Ann", "1"])], outcomes=[], summary=SUMMARY
    )
    assert lines(tmp_path / "created.csv") == [[*HEADERS, "_row", "_numberid"]]


def test_the_notes_of_a_failures_file_run_again_are_replaced_and_other_columns_kept(
    tmp_path: Path,
) -> None:
    headers = ("Name", "_own", "_row", "_status", "_code", "_message", "_hint")
    rows = batch(2, ["Ann", "x", "77", "invalid", "c", "m", "h"])
    write_results(
        tmp_path,
        headers=headers,
        batches=[rows],
        outcomes=[Outcome(2, Status.INVALID, code="new")],
        summary=SUMMARY,
    )
    assert lines(tmp_path / "failures.csv") == [
        ["Name", "_own", "_row", "_status", "_code", "_message", "_hint", "_origin"],
        ["Ann", "x", "2", "invalid", "new", "", "", f"{ID}:2"],
    ]
    write_results(
        tmp_path,
        headers=(*headers, "_numberid"),
        batches=[batch(2, ["Ann", "x", "77", "uncertain", "c", "m", "h", "5"])],
        outcomes=[Outcome(2, Status.CREATED, ("6",), 1, 200)],
        summary=SUMMARY,
    )
    assert lines(tmp_path / "created.csv") == [
        ["Name", "_own", "_row", "_numberid"],
        ["Ann", "x", "2", "6"],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_are_defused_in_messages_but_cells_stay_untouched(
    tmp_path: Path, start: str
) -> None:
    text = f"{start}HYPERLINK(1)"
    outcome = Outcome(2, Status.REJECTED, (), 1, 417, text, text, text)
    write_results(
        tmp_path,
        headers=HEADERS,
        batches=[batch(2, [text, "+36 1"])],
        outcomes=[outcome],
        summary=SUMMARY,
    )
    assert lines(tmp_path / "failures.csv")[1] == [
        *(text, "+36 1", "2", "rejected"),
        *[f"'{text}"] * 3,
        f"{ID}:2",
    ]
    assert lines(tmp_path / "results.csv")[1][5:] == [f"'{text}"] * 2
    created = Outcome(2, Status.CREATED, ("6",), 1, 200)
    write_results(
        tmp_path,
        headers=HEADERS,
        batches=[batch(2, [text, "+36 1"])],
        outcomes=[created],
        summary=SUMMARY,
    )
    assert lines(tmp_path / "created.csv")[1] == [text, "+36 1", "2", "6"]


def test_every_cell_of_the_workbook_is_text_and_stays_what_it_was(tmp_path: Path) -> None:
    texts = ["=1+1", "#N/A", "0630", "36301234567", "2026-01-01", "TRUE", "1.50", " a "]
    rows = batch(2, texts)
    outcomes = [Outcome(2, Status.INVALID, message="=2+2")]
    write_results(
        tmp_path,
        headers=[f"h{i}" for i in range(8)],
        batches=[rows],
        outcomes=outcomes,
        summary=SUMMARY,
    )
    cells = cells_of(tmp_path / "failures.xlsx")[1]
    assert [c.value for c in cells][:8] == texts
    assert cells[11].value == "=2+2"
    assert {c.data_type for c in cells if c.value} == {"s"}
    assert {c.number_format for c in cells if c.value} == {"@"}
    # Cells that are blank have their column's format: a phone typed into one stays text.
    book = openpyxl.load_workbook(tmp_path / "failures.xlsx")
    assert {c.number_format for c in book["failures"].column_dimensions.values()} == {"@"}


def test_a_cell_too_long_for_a_workbook_is_cut_there_and_whole_in_the_csv(tmp_path: Path) -> None:
    texts = ["a\x00b\x1fc", "x" * 40_000]
    rows = batch(2, texts)
    write_results(
        tmp_path,
        headers=HEADERS,
        batches=[rows],
        outcomes=[Outcome(2, Status.INVALID)],
        summary=SUMMARY,
    )
    assert lines(tmp_path / "failures.csv")[1][:2] == texts
    [_, row] = (
        CalamineWorkbook.from_path(tmp_path / "failures.xlsx").get_sheet_by_index(0).to_python()
    )
    assert row[:2] == ["a\x00b\x1fc", "x" * 32_767]


def test_the_workbook_is_easy_to_read(tmp_path: Path) -> None:
    rows = batch(2, ["Ann", "1"], ["Bea", "2"])
    outcomes = [Outcome(2, Status.INVALID), Outcome(3, Status.REJECTED)]
    write_results(tmp_path, headers=HEADERS, batches=[rows], outcomes=outcomes, summary=SUMMARY)
    found = openpyxl.load_workbook(tmp_path / "failures.xlsx")["failures"]
    assert (found.freeze_panes, found.auto_filter.ref) == ("A2", "A1:H3")
    [invalid, rejected] = [found.cell(row, 4).fill.fgColor.rgb for row in (2, 3)]
    assert invalid != rejected
    assert found["A2"].fill.fill_type is None


def test_a_cell_with_the_marks_of_a_formatted_text_is_text_as_well(tmp_path: Path) -> None:
    text = "<r><t>1</t></r></is></c><c><f>1+1</f></c><c><is><r></r>"
    write_results(
        tmp_path,
        headers=HEADERS,
        batches=[batch(2, [text, ""])],
        outcomes=[Outcome(2, Status.INVALID)],
        summary=SUMMARY,
    )
    assert sheet(tmp_path / "failures.xlsx")[1][0] == text


def test_rows_beyond_the_end_of_a_sheet_are_counted_in_its_last_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer.pipeline.results, "SHEET_ROWS", 5)
    rows = batch(2, *[[f"n{i}", ""] for i in range(10)])
    outcomes = [Outcome(row, Status.INVALID) for row in range(2, 12)]
    write_results(tmp_path, headers=HEADERS, batches=[rows], outcomes=outcomes, summary=SUMMARY)
    found = sheet(tmp_path / "failures.xlsx")
    assert len(found) == 5
    assert [row[0] for row in found[1:4]] == ["n0", "n1", "n2"]
    assert str(found[4][0]).startswith("7 more rows")
    assert len(lines(tmp_path / "failures.csv")) == 11


def test_columns_beyond_the_edge_of_a_sheet_give_way_to_the_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer.pipeline.results, "SHEET_COLUMNS", 7)
    rows = batch(2, ["a", "b", "c"])
    outcomes = [Outcome(2, Status.INVALID, code="x")]
    write_results(
        tmp_path, headers=["A", "B", "C"], batches=[rows], outcomes=outcomes, summary=SUMMARY
    )
    assert sheet(tmp_path / "failures.xlsx")[1][:4] == ["a", "2", "invalid", "x"]
    assert lines(tmp_path / "failures.csv")[1][:4] == ["a", "b", "c", "2"]


def test_text_files_are_utf_8_with_line_feeds_and_no_byte_order_mark(tmp_path: Path) -> None:
    rows = batch(2, ["Őze", "1"])
    write_results(
        tmp_path,
        headers=HEADERS,
        batches=[rows],
        outcomes=[Outcome(2, Status.INVALID)],
        summary=SUMMARY,
    )
    content = (tmp_path / "failures.csv").read_bytes()
    assert content == (
        "Name,Phone,_row,_status,_code,_message,_hint,_origin\n"
        f"Őze,1,2,invalid,,,,{ID}:2\n".encode()
    )


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_all_files_are_their_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_results(tmp_path, headers=HEADERS, batches=[], outcomes=[], summary=SUMMARY)
    finally:
        os.umask(old)
    assert {p.name for p in tmp_path.iterdir()} == {*NAMES, "summary.json"}
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}


class TestNothingHalfWritten:
    old = b"the results of before"

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in (*NAMES, "summary.json"):
            (tmp_path / name).write_bytes(self.old)
        return tmp_path

    def unchanged(self, folder: Path) -> bool:
        return {p.name: p.read_bytes() for p in folder.iterdir()} == dict.fromkeys(
            (*NAMES, "summary.json"), self.old
        )

    def test_if_the_source_fails_on_the_way(
        self,
        folder: Path,
        tmp_path_factory: pytest.TempPathFactory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # Other tests, in other processes, come and go in the one that all share.
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))

        def batches() -> Iterator[Batch]:
            yield batch(2, ["Ann", "1"])
            raise ZeroDivisionError

        before = set(Path(tempfile.gettempdir()).glob("vcc-import-*"))
        with pytest.raises(ZeroDivisionError):
            write_results(folder, headers=HEADERS, batches=batches(), outcomes=[], summary=SUMMARY)
        assert self.unchanged(folder)
        assert set(Path(tempfile.gettempdir()).glob("vcc-import-*")) <= before

    def test_if_the_journal_has_a_row_that_the_source_lacks(self, folder: Path) -> None:
        outcomes = [Outcome(2, Status.INVALID), Outcome(9, Status.CREATED, ("6",), 1, 200)]
        with pytest.raises(JournalError, match="row 9"):
            write_results(
                folder,
                headers=HEADERS,
                batches=[batch(2, ["Ann", "1"])],
                outcomes=outcomes,
                summary=SUMMARY,
            )
        assert self.unchanged(folder)

    def test_if_the_disk_is_full(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(fd: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="full") as caught:
            write_results(folder, headers=HEADERS, batches=[], outcomes=[], summary=SUMMARY)
        assert caught.value.hint
        assert self.unchanged(folder)

    def test_if_the_folder_is_gone(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError) as caught:
            write_results(
                tmp_path / "gone", headers=HEADERS, batches=[], outcomes=[], summary=SUMMARY
            )
        assert caught.value.hint
        assert not (tmp_path / "gone").exists()


class TestSummary:
    def test_it_has_every_state_and_adds_up(self) -> None:
        found = json.loads(summary_json(SUMMARY))
        assert found == {
            "run_id": "leads-20260101T000000Z-abc123",
            "status": "finished",
            "rows": 4,
            "counts": {
                "created": 3,
                "rejected": 0,
                "invalid": 1,
                "skipped": 0,
                "uncertain": 0,
                "pending": 0,
            },
            "started_at": "2026-01-01T00:00:00Z",
            "elapsed_s": 2.0,
            "rows_per_s": 2.0,
            "attempts": 3,
            "source": {"path": "leads.csv"},
            "mapping": {"path": "leads.yaml"},
            "target": {"base_url": "https://h/v2", "project": 134},
            "settings": {"out": "runs"},
            "versions": {"python": "3.12"},
        }

    def test_it_is_written_with_the_other_files(self, tmp_path: Path) -> None:
        write_results(tmp_path, headers=HEADERS, batches=[], outcomes=[], summary=SUMMARY)
        assert (tmp_path / "summary.json").read_bytes() == summary_json(SUMMARY)


# NUL is left out because the csv module of Python 3.11 and before cannot read it back.
cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), cells)
def test_any_cell_comes_back_from_the_csv_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], header: str
) -> None:
    folder = tmp_path_factory.mktemp("results")
    numbers = range(2, 2 + 2 * len(rows))
    outcomes = [
        Outcome(row, Status.INVALID if row % 2 else Status.CREATED, ("6",)) for row in numbers
    ]
    headers = (f"h{header}", "Phone")
    twice = [row for row in rows for _ in range(2)]
    write_results(
        folder, headers=headers, batches=[batch(2, *twice)], outcomes=outcomes, summary=SUMMARY
    )
    for name in ("failures.csv", "created.csv"):
        found = lines(folder / name)
        assert found[0][:2] == list(headers)
        assert [tuple(line[:2]) for line in found[1:]] == rows
