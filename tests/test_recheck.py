"""After each edit a list is checked anew: fast, and with what a check of all of it finds."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import importer
from importer.errors import RunInterruptedError
from importer.mapping.load import load_mapping
from importer.model import Checkup
from importer.pipeline.edits import EditLog, EditRefused, Overlay
from importer.pipeline.examine import ExaminationOptions
from importer.pipeline.recheck import Recheck, Rechecked
from importer.settings import SourceOptions
from tests.support.examples import examples

HEADERS = ("Name", "City", "Phone", "Mobile", "Signed", "Zip", "Note")
NAME, CITY, PHONE, MOBILE, SIGNED, ZIP, NOTE = range(7)
MAPPING = """\
version: 1
project: 134
region: HU
form:
  name: {column: Name, required: true}
  city: {column: City, choices: [Pécs, Győr]}
  address: {template: "{Zip} {City}"}
  zip: {column: Zip, repair: true}
  signed_on: {column: Signed, type: date}
contacts: {1: {name: Name, phone: Phone}, 2: {phone: Mobile}}
rows: {unique: [contacts.1.phone], skip_when: [{column: Note, in: [skip]}]}
"""
COLUMNS = (
    st.sampled_from(["Ann", "Ben", "", "=1+1"]),
    st.sampled_from(["Pécs", "Pecs", "győr", ""]),
    st.sampled_from(["06301234567", "06301234568", "+36301234569", "36301234567", "12", ""]),
    st.sampled_from(["06301234567", "06301234560", "x", ""]),
    st.sampled_from(["03/04/2026", "13/04/2026", "04/13/2026", "x", ""]),
    st.sampled_from(["0123", "123", "4567", ""]),
    st.sampled_from(["note", "skip"]),
)


def write_list(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADERS, *rows])
    return path


def opened(leads: Path) -> Recheck:
    mapping = load_mapping(leads.with_name("m.yaml"))
    return Recheck(
        leads, mapping, SourceOptions(), ExaminationOptions(leads.with_name("copy.parquet"))
    )


def log_of(recheck: Recheck, leads: Path) -> EditLog:
    return EditLog(leads.with_name("edits.jsonl"), HEADERS, recheck.batches)


def expected(leads: Path, log: EditLog) -> Checkup:
    edits = leads.with_name("edits.jsonl") if log.edits else None
    return replace(importer.check(leads, leads.with_name("m.yaml"), edits=edits), findings=None)


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    rows = [
        (f"Ann {n}", "Pécs", f"0630{1_000_000 + n}", "", "13/04/2026", "1234", "note")
        for n in range(60)
    ]
    rows[3] = ("Eve", "Pecs", "12", "", "03/04/2026", "1234", "note")
    return write_list(tmp_path / "leads.csv", rows)


def test_after_an_edit_it_says_what_changed_and_in_other_rows_too(leads: Path) -> None:
    with opened(leads) as recheck:
        log = log_of(recheck, leads)
        first = recheck.check(log.overlay)
        assert (first.checkup.survey.invalid, first.changed) == (1, None)
        assert sorted(first.decisions) == [5]
        # Mended, row 5 has the phone of row 10, which is a duplicate by that.
        log.set_cell(5, PHONE, "12", "06301000008")
        log.set_cell(5, CITY, "Pecs", "Pécs")
        second = recheck.check(log.overlay)
        assert second.changed == (5, 10)
        assert [p.code for p in second.decisions[10].problems] == ["duplicate"]
        assert 5 not in second.decisions
        assert recheck.check(log.overlay).changed == ()
        log.leave_out(5)
        third = recheck.check(log.overlay)
        assert third.changed == (5, 10)
        assert third.decisions[5].code == "left_out_by_hand"
        (row,) = recheck.rows([5], log.overlay)
        assert row.cells([0], [NAME, CITY, PHONE]) == [["Eve", "Pécs", "06301000008"]]


def test_a_column_that_is_read_otherwise_after_an_edit_is_mapped_again(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    dates = ["03/04/2026", "05/06/2026", "13/04/2026"]
    rows = [
        (f"A{n}", "Pécs", f"0630{1_000_000 + n}", "", d, "1234", "") for n, d in enumerate(dates)
    ]
    leads = write_list(tmp_path / "leads.csv", rows)
    with opened(leads) as recheck:
        log = log_of(recheck, leads)
        assert recheck.check(log.overlay).checkup.survey.invalid == 0
        log.set_cell(4, SIGNED, "13/04/2026", "04/03/2026")
        found = recheck.check(log.overlay)
        assert (found.checkup.survey.invalid, found.changed) == (3, (2, 3, 4))
        assert found.checkup == expected(leads, log)
        log.set_cell(2, SIGNED, "03/04/2026", "04/13/2026")
        assert recheck.check(log.overlay).checkup == expected(leads, log)


def test_a_check_that_is_overtaken_ends_and_the_next_one_is_right(leads: Path) -> None:
    class Pulled(importer.StopSwitch):
        """A switch that is pulled once it was asked so many times."""

        def __init__(self, asked: int) -> None:
            self._left = asked
            super().__init__()

        @property
        def reason(self) -> str | None:
            self._left -= 1
            return "overtaken" if self._left < 0 else None

        @reason.setter
        def reason(self, value: str | None) -> None:
            assert value is None

    with opened(leads) as recheck:
        log = log_of(recheck, leads)
        recheck.check(log.overlay)
        overtaken = 0
        for asked in range(12):
            log.set_cell(2 + asked, PHONE, _phone(recheck, log.overlay, 2 + asked), f"{asked}")
            try:
                recheck.check(log.overlay, Pulled(asked))
            except RunInterruptedError:
                overtaken += 1
            else:
                break
        assert 3 <= overtaken < 12
        assert recheck.check(log.overlay).checkup == expected(leads, log)


def _phone(recheck: Recheck, edits: Overlay, row: int) -> str:
    (batch,) = recheck.rows([row], edits)
    return batch.cells([0], [PHONE])[0][0]


def test_edits_of_another_list_are_refused_and_do_no_harm(leads: Path) -> None:
    other = write_list(leads.with_name("other.csv"), [("x",) * 7] * 90)
    other.with_name("m.yaml").write_text(MAPPING, "utf-8")
    with opened(leads) as recheck:
        log = log_of(recheck, leads)
        recheck.check(log.overlay)
        with Recheck(
            other,
            load_mapping(leads.with_name("m.yaml")),
            SourceOptions(),
            ExaminationOptions(leads.with_name("o.parquet")),
        ) as theirs:
            strange = EditLog(leads.with_name("strange.jsonl"), HEADERS, theirs.batches)
            strange.set_cell(80, NAME, "x", "y")
            with pytest.raises(EditRefused, match="row 80, which the list does not have"):
                recheck.check(strange.overlay)
            strange.undo()
            strange.set_cell(2, NAME, "x", "y")
            with pytest.raises(EditRefused, match='row 2, "Name": the cell holds "Ann 0"'):
                recheck.check(strange.overlay)
        assert recheck.check(log.overlay).checkup == expected(leads, log)


def test_in_a_list_of_several_batches_each_is_mapped_again_where_it_was_mended(
    tmp_path: Path,
) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    rows = [
        (f"Ann {n}", "Pecs" if n % 50 == 9 else "Pécs", f"0630{1_000_000 + n}", "", "", "1234", "")
        for n in range(900)
    ]
    leads = write_list(tmp_path / "leads.csv", rows)
    with opened(leads) as recheck:
        assert len(list(recheck.batches([]))) > 1
        log = log_of(recheck, leads)
        recheck.check(log.overlay)
        log.set_cell(890, PHONE, "06301000888", "06301000001")
        log.set_cell(4, PHONE, "06301000002", "no phone")
        assert recheck.check(log.overlay).changed == (4, 890)
        log.replace_all(CITY, "Pecs", "Pécs", count=18)
        found = recheck.check(log.overlay)
        assert (len(found.changed or ()), sorted(found.decisions)) == (18, [4, 890])
        assert found.checkup == expected(leads, log)
        shown = recheck.rows([890, 3], log.overlay)
        assert [row for b in shown for row in b.cells([*range(len(b))], [NAME])] == [
            ["Ann 1"],
            ["Ann 888"],
        ]


def test_of_a_list_with_more_problems_than_are_remembered_the_same_is_found(
    leads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.pipeline.recheck.MOST_REMEMBERED", 0)
    with opened(leads) as recheck:
        log = log_of(recheck, leads)
        recheck.check(log.overlay)
        log.set_cell(9, PHONE, "06301000007", "x")
        found = recheck.check(log.overlay)
        assert (found.checkup, found.changed) == (expected(leads, log), None)


@settings(max_examples=examples(25), deadline=None)
@given(data=st.data())
def test_what_is_found_after_each_edit_is_what_a_check_of_the_whole_list_finds(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("recheck")
    (folder / "m.yaml").write_text(MAPPING, "utf-8")
    grid = data.draw(st.lists(st.tuples(*COLUMNS), min_size=1, max_size=12))
    leads = write_list(folder / "leads.csv", [row if any(row) else ("x", *row[1:]) for row in grid])
    with opened(leads) as recheck:
        log = log_of(recheck, leads)
        before: Rechecked | None = None
        for _ in range(data.draw(st.integers(1, 5))):
            for _ in range(data.draw(st.integers(0, 2))):
                _edit(data, recheck, log, len(grid))
            found = recheck.check(log.overlay)
            assert found.checkup == expected(leads, log)
            if before is not None:
                rows = {*before.decisions, *found.decisions}
                changed = [r for r in rows if before.decisions.get(r) != found.decisions.get(r)]
                assert found.changed == tuple(sorted(changed))
            before = found


def _edit(data: st.DataObject, recheck: Recheck, log: EditLog, count: int) -> None:
    """Make an edit that the list allows, or undo one."""
    row, column = data.draw(st.integers(2, count + 1)), data.draw(st.integers(0, NOTE))
    try:
        match data.draw(st.sampled_from(["set", "replace", "leave out", "undo"])):
            case "leave out":
                log.leave_out(row)
            case "undo":
                log.undo(data.draw(st.integers(1, 9)))
            case op:
                new = data.draw(COLUMNS[column])
                (batch,) = recheck.rows([row], log.overlay)
                old = batch.cells([0], [column])[0][0]
                if op == "set":
                    log.set_cell(row, column, old, new)
                else:
                    log.replace_all(column, old, new)
    except EditRefused:
        pass
