"""Edits: what they make of a list, what is refused, what is on the disk, how they are undone."""

from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import importer
from importer.errors import OutputError, UsageError
from importer.model import Batch, Preview
from importer.pipeline.edits import NO_EDITS, EditLog, EditRefused, Overlay, read_edits
from importer.settings import SourceOptions
from importer.sources import open_source
from importer.sources.grid import LONGEST_CELL
from tests.support.examples import examples

HEADERS = ("Name", "City", "Phone", "Signed", "Note")
NAME, CITY, PHONE, SIGNED, NOTE = range(5)
MAPPING = """\
version: 1
project: 134
region: HU
form:
  name: {column: Name, required: true}
  city: {column: City, choices: [Pécs, Győr]}
  signed_on: {column: Signed, type: date}
contacts: {1: {phone: Phone}}
rows: {unique: [contacts.1.phone]}
"""
LIST = (
    ("Ann", "Pécs", "06301234567", "03/04/2026", ""),
    ("Ben", "Pecs", "06301234568", "05/06/2026", "=1+1"),
    ("Cyd", "Pecs", "0630", "13/06/2026", ""),
    ("", "Győr", "06301234567", "", ""),
    ("Total", "", "", "", "4"),
)
"""In rows 2 to 6."""


REPLACE = (
    '{{"op": "replace", "column": "City", "index": {index}, "old": "", "new": {new}, "at": ""}}'
)


def write_list(path: Path, rows: Sequence[Sequence[str]] = LIST) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADERS, *rows])
    return path


def rows_of(path: Path) -> Iterator[Batch]:
    with open_source(path, SourceOptions()) as source:
        yield from source.batches()


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    return write_list(tmp_path / "leads.csv")


@pytest.fixture
def log(leads: Path) -> EditLog:
    return opened(leads)


def opened(leads: Path) -> EditLog:
    batches = list(rows_of(leads))
    return EditLog(leads.with_name("edits.jsonl"), HEADERS, lambda _: iter(batches))


def cells(overlay: Overlay, leads: Path) -> list[list[str]]:
    mended = [overlay.over(batch) for batch in rows_of(leads)]
    return [row for b in mended for row in b.cells([*range(len(b))], range(len(HEADERS)))]


def previewed(leads: Path, *, edited: bool = False) -> list[Preview]:
    edits = leads.with_name("edits.jsonl") if edited else None
    return list(importer.preview(leads, leads.with_name("m.yaml"), edits=edits))


class TestMaking:
    def test_cells_are_mended_and_the_list_stays_as_it_is(self, log: EditLog, leads: Path) -> None:
        before = leads.read_bytes()
        log.set_cell(4, PHONE, "0630", "06301234569")
        log.replace_all(CITY, "Pecs", "Pécs", count=2)
        log.leave_out(6)
        assert [row[CITY] for row in cells(log.overlay, leads)] == ["Pécs"] * 3 + ["Győr", ""]
        assert cells(log.overlay, leads)[2][PHONE] == "06301234569"
        assert log.overlay.left_out.tolist() == [6]
        assert leads.read_bytes() == before

    def test_of_two_pages_the_second_is_refused_that_did_not_see_what_the_first_did(
        self, log: EditLog
    ) -> None:
        log.set_cell(4, PHONE, "0630", "1")
        with pytest.raises(EditRefused, match='row 4, "Phone": the cell holds "1" by now, and not'):
            log.set_cell(4, PHONE, "0630", "2")
        with pytest.raises(EditRefused, match='"City": 2 cells hold "Pecs", and not 14'):
            log.replace_all(CITY, "Pecs", "Pécs", count=14)
        log.replace_all(CITY, "Pecs", "Pécs")
        with pytest.raises(EditRefused, match='"City": no cell holds "Pecs"'):
            log.replace_all(CITY, "Pecs", "Győr")
        log.leave_out(2)
        with pytest.raises(EditRefused, match="row 2 is left out already"):
            log.leave_out(2)
        log.take_back(2)
        with pytest.raises(EditRefused, match="row 2 is not left out"):
            log.take_back(2)

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("x" * (LONGEST_CELL + 1), "is longer than 131,072 characters"),
            ("a\0b", "holds a NUL character"),
            ("\ud800", "half of a character"),
            ("Ann", "is what stands there"),
        ],
    )
    def test_a_text_that_no_cell_can_hold_is_refused(
        self, log: EditLog, text: str, why: str
    ) -> None:
        with pytest.raises(EditRefused, match=why):
            log.set_cell(2, NAME, "Ann", text)
        with pytest.raises(EditRefused, match=why):
            log.replace_all(NAME, "Ann", text)
        with pytest.raises(EditRefused):
            log.replace_all(NAME, "\U0001f600\ud800", "x")

    @pytest.mark.parametrize(
        "text", ['a\n"b",\u2028;', "=cmd|' /C calc'!A0", "<script>", "\x1b[2J"]
    )
    def test_hostile_texts_are_texts(self, log: EditLog, leads: Path, text: str) -> None:
        log.set_cell(2, NAME, "Ann", text)
        assert cells(opened(leads).overlay, leads)[0][NAME] == text

    def test_rows_and_columns_that_are_not_there_are_refused(self, log: EditLog) -> None:
        for row in (0, 1, 7, 10**12):
            with pytest.raises(EditRefused, match=f"no row {row}"):
                log.set_cell(row, NAME, "Ann", "x")
            with pytest.raises(EditRefused, match=f"no row {row}"):
                log.leave_out(row)
        with pytest.raises(EditRefused, match="no column 5"):
            log.set_cell(2, 5, "", "x")


class TestUndoing:
    def test_the_last_or_any_edit_is_undone_and_nothing_is_rewritten(
        self, log: EditLog, leads: Path
    ) -> None:
        path = leads.with_name("edits.jsonl")
        first = log.set_cell(2, NAME, "Ann", "Eve")
        log.set_cell(3, NAME, "Ben", "Bob")
        before = path.read_bytes()
        assert log.undo(first.number) == first
        assert path.read_bytes().startswith(before)
        assert [row[NAME] for row in cells(log.overlay, leads)][:2] == ["Ann", "Bob"]
        log.undo()
        assert log.edits == ()
        with pytest.raises(EditRefused, match="no edit that could be undone"):
            log.undo()
        with pytest.raises(EditRefused, match="edit 1 was not made, or is undone already"):
            log.undo(1)

    def test_what_a_later_edit_rests_on_is_not_undone_before_it(self, log: EditLog) -> None:
        mended = log.set_cell(4, CITY, "Pecs", "Pécs")
        again = log.replace_all(CITY, "Pécs", "PÉCS")
        with pytest.raises(EditRefused, match="edit 2, which was made later, rests on edit 1"):
            log.undo(mended.number)
        log.undo(again.number)
        log.undo(mended.number)
        # Undone, the first one's cell would have been among those of the rule.
        log.set_cell(4, CITY, "Pecs", "Pécs")
        log.replace_all(CITY, "Pecs", "Győr")
        with pytest.raises(EditRefused, match="rests on"):
            log.undo(5)

    @settings(max_examples=examples(20), deadline=None)
    @given(data=st.data())
    def test_edits_do_to_each_cell_what_they_say_and_undone_they_leave_no_trace(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        texts = st.sampled_from(["a", "b", "c", ""])
        grid = data.draw(st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=6))
        path = write_list(
            tmp_path_factory.mktemp("edits") / "leads.csv", [(*row, "1", "2", "3") for row in grid]
        )
        log, (batch,) = opened(path), rows_of(path)
        original = now = {
            (row, column): text
            for row, line in enumerate(grid, 2)
            for column, text in enumerate(line)
        }
        touched: dict[int, dict[tuple[int, int], str]] = {}
        for _ in range(data.draw(st.integers(1, 9))):
            column, new = data.draw(st.integers(0, 1)), data.draw(texts)
            if data.draw(st.booleans()) and touched:
                number = data.draw(st.sampled_from(sorted(touched)))
                try:
                    log.undo(number)
                except EditRefused:
                    continue
                now = now | touched.pop(number)
            else:
                cell = (data.draw(st.integers(2, len(grid) + 1)), column)
                if new == now[cell]:
                    continue
                if data.draw(st.booleans()):
                    edit = log.set_cell(*cell, now[cell], new)
                    mine = [cell]
                else:
                    edit = log.replace_all(column, now[cell], new)
                    mine = [at for at in now if at[1] == column and now[at] == now[cell]]
                touched[edit.number] = {at: now[at] for at in mine}
                now = now | dict.fromkeys(mine, new)
            found = log.overlay.over(batch).cells([*range(len(grid))], [0, 1])
            assert found == [[now[row, 0], now[row, 1]] for row in range(2, len(grid) + 2)]
            assert read_edits(path.with_name("edits.jsonl"), HEADERS).overlay.edits == log.edits
        while log.edits:
            log.undo()
        assert cells(log.overlay, path) == [[*row, "1", "2", "3"] for row in grid]
        assert (log.overlay.digest, bool(log.overlay)) == (NO_EDITS.digest, False)
        assert original == {at: cells(log.overlay, path)[at[0] - 2][at[1]] for at in original}


class TestOnTheDisk:
    def test_the_file_is_its_owners_alone_and_says_what_was_done(
        self, log: EditLog, leads: Path
    ) -> None:
        path = leads.with_name("edits.jsonl")
        log.set_cell(2, NAME, "Ann", "Eve")
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        line = json.loads(path.read_bytes())
        assert line.pop("at")
        assert line == {
            "op": "set",
            "row": 2,
            "column": "Name",
            "index": 0,
            "old": "Ann",
            "new": "Eve",
        }

    @pytest.mark.parametrize("cut", [1, 5, 60])
    def test_a_line_that_was_cut_off_is_not_there_and_is_told(
        self, log: EditLog, leads: Path, cut: int
    ) -> None:
        path = leads.with_name("edits.jsonl")
        log.set_cell(2, NAME, "Ann", "Eve")
        log.set_cell(3, NAME, "Ben", "Bob")
        path.write_bytes(path.read_bytes()[:-cut])
        checkup = importer.check(leads, leads.with_name("m.yaml"), edits=path)
        assert "edit_torn" in checkup.survey.problem_counts
        again = opened(leads)
        assert [problem.code for problem in again.remarks] == ["edit_torn"]
        assert [edit.new for edit in again.edits] == ["Eve"]
        again.set_cell(3, NAME, "Ben", "Bo")
        assert [edit.new for edit in opened(leads).edits] == ["Eve", "Bo"]
        assert opened(leads).remarks == ()

    @pytest.mark.parametrize(
        "line",
        [
            *('{"op": "set"}', "[]", "null", "", "{", '{"op": "undo", "edit": 9, "at": ""}'),
            '{"op": "leave_out", "row": true, "at": ""}',
            '{"op": "leave_out", "row": -1, "at": ""}',
            REPLACE.format(index=0, new='""'),
            REPLACE.format(index=9, new='""'),
            REPLACE.format(index=-4, new='""'),
            REPLACE.format(index=1, new="5"),
            REPLACE.format(index=1, new=r'"a\u0000"'),
            REPLACE.format(index=1, new=r'"\ud800"'),
        ],
    )
    def test_a_file_that_is_no_log_of_edits_is_refused_with_its_line(
        self, log: EditLog, leads: Path, line: str
    ) -> None:
        path = leads.with_name("edits.jsonl")
        log.set_cell(2, NAME, "Ann", "Eve")
        path.write_bytes(path.read_bytes() + line.encode() + b"\n")
        with pytest.raises(UsageError, match=r"edits\.jsonl: line 2"):
            read_edits(path, HEADERS)
        with pytest.raises(UsageError, match=r"edits\.jsonl: line 2"):
            importer.check(leads, leads.with_name("m.yaml"), edits=path)

    def test_what_is_no_file_or_too_large_is_refused(
        self, leads: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for path in (leads.with_name("missing.jsonl"), leads.parent, Path(os.devnull)):
            with pytest.raises(UsageError, match="cannot be read"):
                read_edits(path, HEADERS)
        monkeypatch.setattr("importer.pipeline.edits.MOST_BYTES", 200)
        log = opened(leads)
        log.set_cell(2, NAME, "Ann", "Eve")
        with pytest.raises(EditRefused, match="no more are kept"):
            log.set_cell(3, NAME, "Ben", "x" * 200)

    def test_an_edit_that_cannot_be_written_is_not_made(self, log: EditLog, leads: Path) -> None:
        leads.with_name("edits.jsonl").mkdir()
        with pytest.raises(OutputError, match="cannot be written"):
            log.set_cell(2, NAME, "Ann", "Eve")
        assert log.edits == ()

    def test_a_file_that_another_program_has_changed_is_not_written_to(
        self, log: EditLog, leads: Path
    ) -> None:
        log.set_cell(2, NAME, "Ann", "Eve")
        opened(leads).set_cell(3, NAME, "Ben", "Bob")
        with pytest.raises(EditRefused, match="was changed by another program"):
            log.set_cell(4, NAME, "Cyd", "Dan")
        assert [edit.new for edit in opened(leads).edits] == ["Eve", "Bob"]


class TestChecking:
    def test_edits_of_another_list_are_refused(self, log: EditLog, leads: Path) -> None:
        log.set_cell(4, PHONE, "0630", "06301234569")
        write_list(leads, [("Ann", "Pécs", "1", "", "")] * 5)
        with pytest.raises(UsageError, match='row 4, "Phone": the cell holds "1", and not what'):
            previewed(leads, edited=True)
        write_list(leads, LIST[:2])
        with pytest.raises(UsageError, match="the edits name row 4, which the list does not have"):
            previewed(leads, edited=True)
        leads.write_text("Name,Phone\nAnn,1\n", "utf-8")
        with pytest.raises(
            UsageError, match='is about "Phone", which the list does not have there'
        ):
            previewed(leads, edited=True)

    def test_a_row_left_out_is_skipped_and_says_why(self, log: EditLog, leads: Path) -> None:
        log.leave_out(6)
        found = previewed(leads, edited=True)[-1]
        assert (found.row, found.status, found.body) == (6, "skipped", None)
        assert [(p.code, p.message) for p in found.problems] == [
            ("left_out_by_hand", "left out in the console")
        ]

    def test_a_column_is_judged_anew_as_a_whole(self, log: EditLog, leads: Path) -> None:
        """Row 4's date, of the 13th, is what says which number is the day in the others."""
        assert previewed(leads)[0].status == "ready"
        log.set_cell(4, SIGNED, "13/06/2026", "10/06/2026")
        assert previewed(leads, edited=True)[0].status == "invalid"
        log.undo()
        log.leave_out(4)
        assert previewed(leads, edited=True)[0].status == "invalid"

    @settings(max_examples=examples(20), deadline=None)
    @given(data=st.data())
    def test_a_check_with_edits_is_that_of_the_list_with_those_cells_changed(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("edits")
        (folder / "m.yaml").write_text(MAPPING, "utf-8")
        columns = (
            st.sampled_from(["Ann", "Ben", "", "=1+1"]),
            st.sampled_from(["Pécs", "Pecs", "győr", ""]),
            st.sampled_from(["06301234567", "06301234568", "+36301234569", "12", ""]),
            st.sampled_from(["03/04/2026", "13/04/2026", "04/13/2026", "x", ""]),
            st.just("note"),  # so that no row is blank
        )
        grid = data.draw(st.lists(st.tuples(*columns).map(list), min_size=1, max_size=8))
        leads = write_list(folder / "leads.csv", grid)
        log = opened(leads)
        for _ in range(data.draw(st.integers(0, 6))):
            place, column = data.draw(st.integers(0, len(grid) - 1)), data.draw(st.integers(0, 3))
            old, new = grid[place][column], data.draw(columns[column])
            if old == new:
                continue
            if data.draw(st.booleans()):
                log.set_cell(place + 2, column, old, new)
                grid[place][column] = new
            else:
                log.replace_all(column, old, new)
                for row in grid:
                    row[column] = new if row[column] == old else row[column]
        left_out = data.draw(st.sets(st.integers(0, len(grid) - 1), max_size=len(grid) - 1))
        for place in left_out:
            log.leave_out(place + 2)
        assert opened(leads).edits == log.edits
        edits = leads.with_name("edits.jsonl") if log.edits else None
        found = list(importer.preview(leads, folder / "m.yaml", edits=edits))
        # A blank row is none, and keeps its number.
        mended = [[] if n in left_out else row for n, row in enumerate(grid)]
        expected = list(
            importer.preview(write_list(folder / "mended" / "leads.csv", mended), folder / "m.yaml")
        )
        assert [one for one in found if one.row - 2 not in left_out] == expected
        assert [one.status for one in found if one.row - 2 in left_out] == ["skipped"] * len(
            left_out
        )
