"""Do-not-call lists: what is read of them, and what they leave out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from importer.errors import MappingError
from importer.mapping.load import load_mapping
from importer.model import Checkup, Preview
from importer.pipeline import plan as first_half
from importer.pipeline.do_not_call import load_lists
from importer.settings import SourceOptions

HEAD = "version: 1\nproject: 134\nregion: HU\nform: {name: Name}\n"
ONE = "contacts: {1: {phone: Phone}}\n"
TWO = "contacts: {1: {phone: Phone, email: Mail}, 2: {phone: Mobile}}\n"
PEST, BUDA, DEBRECEN = "06301234567", "06301234568", "06301234569"


def mapping_file(folder: Path, entry: str, contacts: str = ONE) -> Path:
    path = folder / "m.yaml"
    path.write_text(f"{HEAD}{contacts}rows: {{do_not_call: {entry}}}\n", "utf-8")
    return path


def sheet(folder: Path, headers: str, *rows: str) -> Path:
    path = folder / "leads.csv"
    path.write_text("\n".join([headers, *rows, ""]), "utf-8")
    return path


def listing(folder: Path, *lines: str, name: str = "robinson.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def checked(leads: Path, mapping: Path) -> Checkup:
    return first_half.check(leads, load_mapping(mapping), SourceOptions())


def previews(leads: Path, mapping: Path) -> list[Preview]:
    return list(first_half.preview(leads, load_mapping(mapping), SourceOptions()))


def refusal(mapping: Path) -> list[str]:
    with pytest.raises(MappingError) as caught:
        load_lists(load_mapping(mapping))
    assert caught.value.exit_code == 2
    return list(caught.value.mistakes)


@pytest.mark.parametrize("written", [PEST, "+36 30 123 4567", "0036-30-123-4567", "36301234567.0"])
@pytest.mark.parametrize(
    "phone",
    [
        "Phone",
        "{column: Phone, format: e164}",
        "{column: Phone, format: national}",
        "{column: Phone, format: international}",
        "{column: Phone, format: raw}",
        "{column: Phone, type: text}",
        "{column: Phone, on_error: warn}",
        "{column: Phone, default: '+36 30 123 4567'}",
    ],
)
def test_numbers_are_compared_whatever_form_is_written_or_sent(
    tmp_path: Path, written: str, phone: str
) -> None:
    listing(tmp_path, "Phone", written)
    contacts = f"contacts: {{1: {{phone: {phone}}}}}\n"
    mapping = mapping_file(tmp_path, "{file: robinson.csv}", contacts)
    leads = sheet(tmp_path, "Name,Phone", f"Ann,{PEST}", f"Bob,{BUDA}")
    ann, bob = previews(leads, mapping)
    assert (ann.status, bob.status) == ("skipped", "ready")
    [problem] = ann.problems
    assert (problem.row, problem.column, problem.code) == (2, "Phone", "do_not_call")
    assert problem.target == "contacts.1.phone"
    assert "contact 1" in problem.message
    assert "robinson.csv" in problem.message


def test_a_default_or_a_constant_that_is_listed_is_not_called_either(tmp_path: Path) -> None:
    listing(tmp_path, "Phone", PEST)
    for phone in (f"{{column: Phone, default: '{PEST}'}}", f"{{value: '{PEST}'}}"):
        contacts = f"contacts: {{1: {{name: Name, phone: {phone}}}}}\n"
        mapping = mapping_file(tmp_path, "{file: robinson.csv}", contacts)
        [ann] = previews(sheet(tmp_path, "Name,Phone", "Ann,"), mapping)
        assert ann.status == "skipped"


def test_a_listed_number_of_any_contact_skips_the_row_and_hides_its_other_faults(
    tmp_path: Path,
) -> None:
    listing(tmp_path, "Phone", BUDA)
    mapping = mapping_file(tmp_path, "{file: robinson.csv}", TWO)
    leads = sheet(tmp_path, "Name,Phone,Mail,Mobile", f"Ann,{PEST},bad,{BUDA}", f"Bob,{PEST},,")
    survey = checked(leads, mapping).survey
    assert (survey.ready, survey.skipped, survey.invalid) == (1, 1, 0)
    assert survey.problem_counts == {"do_not_call": 1}


def test_drop_leaves_out_the_contact_and_the_row_where_no_other_is_left(tmp_path: Path) -> None:
    listing(tmp_path, "Phone", PEST)
    mapping = mapping_file(tmp_path, "{file: robinson.csv, action: drop}", TWO)
    leads = sheet(
        tmp_path,
        "Name,Phone,Mail,Mobile",
        f"Ann,{PEST},not an address,{BUDA}",
        f"Bob,{PEST},,",
        f"Cecil,{PEST},,{PEST}",
        f"Dora,{DEBRECEN},,{BUDA}",
    )
    ann, bob, cecil, dora = previews(leads, mapping)
    assert [p.status for p in (ann, bob, cecil, dora)] == ["ready", "skipped", "skipped", "ready"]
    body = json.loads(ann.body or b"")
    assert body["contacts"] == {"2": {"phone": "36301234568"}}
    assert body["phone_field"] == "phone2"
    assert [p.code for p in ann.problems] == ["do_not_call"]
    assert "left out" in ann.problems[0].message
    assert [p.code for p in bob.problems] == ["do_not_call"]
    assert [p.code for p in dora.problems] == ["phone_repeated"]


@pytest.mark.parametrize("form", ["digits", "national", "raw"])
def test_drop_takes_a_number_out_of_a_spread_cell(tmp_path: Path, form: str) -> None:
    listing(tmp_path, "Phone", BUDA)
    contacts = f"contacts: {{spread: {{column: Phones, format: {form}}}}}\n"
    mapping = mapping_file(tmp_path, "{file: robinson.csv, action: drop}", contacts)
    cells = f"Ann,{PEST};{BUDA};{DEBRECEN}"
    [ann] = previews(sheet(tmp_path, "Name,Phones", cells), mapping)
    phones = [
        c["phone"].replace(" ", "")[-3:] for c in json.loads(ann.body or b"")["contacts"].values()
    ]
    assert phones == ["567", "569"]
    assert [(p.code, p.target) for p in ann.problems] == [("do_not_call", "contacts.2.phone")]


def test_where_it_cannot_be_told_which_number_of_a_cell_is_listed_all_are_left_out(
    tmp_path: Path,
) -> None:
    listing(tmp_path, "Phone", BUDA)
    contacts = "contacts: {spread: {column: Phones, on_error: warn, pipe: split}}\n"
    mapping = mapping_file(tmp_path, "{file: robinson.csv, action: drop}", contacts)
    [ann] = previews(sheet(tmp_path, "Name,Phones", f"Ann,{PEST};12;{BUDA}"), mapping)
    assert ann.status == "skipped"


@pytest.mark.parametrize("action", ["skip", "drop"])
@pytest.mark.parametrize("region", ["", "region: HU\n"])
@pytest.mark.parametrize(
    "phone",
    [
        "1: {phone: {column: Phone, on_error: warn}}",
        "1: {phone: {column: Phone, type: text}}",
        "spread: {column: Phone, on_error: warn, pipe: split}",
    ],
)
def test_a_listed_number_is_not_called_because_it_is_sent_with_a_warning(
    tmp_path: Path, action: str, region: str, phone: str
) -> None:
    """Digits as the service takes them reach that number, whatever the mapping makes of them."""
    listing(tmp_path, "Phone", "+43 1 2345678", "+49 30 123456")
    entry = f"{{file: robinson.csv, region: HU, action: {action}}}"
    mapping = mapping_file(tmp_path, entry, f"contacts: {{{phone}}}\n")
    mapping.write_text(mapping.read_text("utf-8").replace("region: HU\nform", f"{region}form"))
    leads = sheet(tmp_path, "Name,Phone", "Ann,4312345678", "Bob,0049 30/123456", "Cy,4312345679")
    ann, bob, cy = previews(leads, mapping)
    assert [p.status for p in (ann, bob, cy)] == ["skipped", "skipped", "ready"]


def test_a_listed_number_is_told_once_though_a_cell_has_it_in_two_forms(tmp_path: Path) -> None:
    listing(tmp_path, "Phone", PEST)
    contacts = "contacts: {1: {phone: Mobile}, spread: {column: Phones, format: raw}}\n"
    mapping = mapping_file(tmp_path, "{file: robinson.csv, action: drop}", contacts)
    leads = sheet(tmp_path, "Name,Mobile,Phones", f"Ann,{BUDA},{PEST};+36 30 123 4567")
    [ann] = previews(leads, mapping)
    assert ann.status == "ready"
    assert list(json.loads(ann.body or b"")["contacts"]) == ["1"]
    told = [(p.code, p.target, p.message) for p in ann.problems]
    assert len(told) == len(set(told))


def test_a_row_that_is_invalid_stays_so_though_its_bad_phone_looks_like_a_listed_number(
    tmp_path: Path,
) -> None:
    listing(tmp_path, "Phone", "+43 1 2345678")
    mapping = mapping_file(tmp_path, "{file: robinson.csv}")
    [ann] = previews(sheet(tmp_path, "Name,Phone", "Ann,4312345678"), mapping)
    assert ann.status == "invalid"


def test_numbers_that_move_up_in_a_cell_are_told_under_their_new_contacts(tmp_path: Path) -> None:
    listing(tmp_path, "Phone", PEST)
    contacts = "contacts: {spread: {column: Phones, format: national}}\n"
    mapping = mapping_file(tmp_path, "{file: robinson.csv, action: drop}", contacts)
    text = mapping.read_text("utf-8").replace("rows: {", "rows: {unique: contacts.1.phone, ")
    mapping.write_text(text, "utf-8")
    leads = sheet(tmp_path, "Name,Phones", f"Ann,{PEST};{BUDA}", f"Bob,{BUDA}", f"Cy,{DEBRECEN}")
    ann, bob, cy = previews(leads, mapping)
    assert [p.status for p in (ann, bob, cy)] == ["ready", "skipped", "ready"]
    assert "row 2" in bob.problems[0].message


def test_a_row_that_chooses_a_contact_left_out_is_told_why(tmp_path: Path) -> None:
    listing(tmp_path, "Phone", PEST)
    mapping = mapping_file(tmp_path, "{file: robinson.csv, action: drop}", TWO)
    mapping.write_text(mapping.read_text("utf-8") + "phone_field: phone1\n", "utf-8")
    [ann] = previews(sheet(tmp_path, "Name,Phone,Mail,Mobile", f"Ann,{PEST},,{BUDA}"), mapping)
    assert ann.status == "invalid"
    [problem] = [p for p in ann.problems if p.code == "phone_field_without_phone"]
    assert "do-not-call list" in problem.message
    assert "fill in" not in (problem.hint or "")


def test_a_list_that_skips_beats_one_that_drops(tmp_path: Path) -> None:
    listing(tmp_path, "Phone", PEST)
    listing(tmp_path, "Number", PEST, name="own.csv")
    entries = "[{file: robinson.csv, action: drop}, {file: own.csv, column: Number}]"
    leads = sheet(tmp_path, "Name,Phone,Mail,Mobile", f"Ann,{PEST},,{BUDA}")
    [ann] = previews(leads, mapping_file(tmp_path, entries, TWO))
    assert ann.status == "skipped"
    assert "own.csv" in ann.problems[0].message


def test_a_dropped_contact_makes_no_two_rows_the_same(tmp_path: Path) -> None:
    listing(tmp_path, "Phone", PEST)
    leads = sheet(tmp_path, "Name,Phone,Mail,Mobile", f"A,{PEST},,{BUDA}", f"B,{PEST},,{DEBRECEN}")
    for form in ("digits", "national"):
        contacts = TWO.replace("phone: Phone", f"phone: {{column: Phone, format: {form}}}")
        mapping = mapping_file(tmp_path, "{file: robinson.csv, action: drop}", contacts)
        text = mapping.read_text("utf-8").replace("rows: {", "rows: {unique: contacts.1.phone, ")
        mapping.write_text(text, "utf-8")
        assert [p.status for p in previews(leads, mapping)] == ["ready", "ready"]


def test_entries_that_are_no_numbers_are_counted_and_named_once(tmp_path: Path) -> None:
    listing(tmp_path, "Phone,Since", f"{PEST},2020", "12,2021", ",2021", "unknown,2022")
    mapping = mapping_file(tmp_path, "{file: robinson.csv, column: Phone}")
    checkup = checked(sheet(tmp_path, "Name,Phone", f"Ann,{BUDA}"), mapping)
    [problem] = checkup.survey.problems
    assert (problem.row, problem.code) == (None, "do_not_call_unreadable")
    assert "2 of 3 entries" in problem.message
    assert 'row 3 "12", row 5 "unknown"' in problem.message


def test_a_list_without_a_header_loses_no_number(tmp_path: Path) -> None:
    listing(tmp_path, PEST, BUDA, name="robinson.txt")
    mapping = mapping_file(tmp_path, "{file: robinson.txt}")
    leads = sheet(tmp_path, "Name,Phone", f"Ann,{PEST}", f"Bob,{BUDA}", f"Cecil,{DEBRECEN}")
    assert [p.status for p in previews(leads, mapping)] == ["skipped", "skipped", "ready"]


def test_a_list_may_be_a_workbook_with_numbers_as_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["Name", "Phone"], ["Ann", 36301234567], ["Bob", BUDA]):
        book.active.append(row)
    book.save(tmp_path / "robinson.xlsx")
    mapping = mapping_file(tmp_path, "{file: robinson.xlsx, column: Phone}")
    leads = sheet(tmp_path, "Name,Phone", f"Ann,{PEST}", f"Bob,{BUDA}")
    assert [p.status for p in previews(leads, mapping)] == ["skipped", "skipped"]


def test_a_list_has_a_region_of_its_own(tmp_path: Path) -> None:
    listing(tmp_path, "Telefon", "0664 1234567")
    mapping = mapping_file(tmp_path, "{file: robinson.csv, region: AT}")
    leads = sheet(tmp_path, "Name,Phone", "Ann,+43 664 1234567")
    assert [p.status for p in previews(leads, mapping)] == ["skipped"]


def test_a_listed_number_that_can_be_two_keeps_both_from_being_called(tmp_path: Path) -> None:
    listing(tmp_path, "Telefon", "4915123456700", "49309018200")
    mapping = mapping_file(tmp_path, "{file: robinson.csv, region: DE}")
    numbers = "+49 151 23456700", "+49 4915123456700", "+49 30 9018200", "+49 30 9018201"
    leads = sheet(tmp_path, "Name,Phone", *(f"Ann,{number}" for number in numbers))
    found = [p.status for p in previews(leads, mapping)]
    assert found == ["skipped", "skipped", "skipped", "ready"]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["Phone"], "header (row 1)"),
        (["Phone", "12", "x"], "no entry"),
        (["Name,Phone", f"Ann,{PEST}"], "2 columns: name one"),
        ([], "robinson.csv"),
    ],
)
def test_a_list_that_would_match_nothing_is_refused(
    tmp_path: Path, lines: Sequence[str], complaint: str
) -> None:
    listing(tmp_path, *lines)
    [mistake] = refusal(mapping_file(tmp_path, "{file: robinson.csv}"))
    assert complaint in mistake


def test_all_unusable_lists_are_named_at_once_with_their_lines(tmp_path: Path) -> None:
    listing(tmp_path, "Phones", PEST)
    entries = "\n  - {file: robinson.csv, column: Phone}\n  - {file: missing.csv}"
    path = tmp_path / "m.yaml"
    path.write_text(f"{HEAD}{ONE}rows:\n  do_not_call:{entries.replace('  -', '    -')}\n", "utf-8")
    first, second = refusal(path)
    assert f"{path}:8:" in first
    assert 'robinson.csv has no column "Phone": nearest: "Phones" (it has "Phones")' in first
    assert f"{path}:9:" in second
    assert "there is no file" in second


@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        ("rows: {do_not_call: {file: a.csv}}", "no contact has a phone"),
        (f"{ONE}rows: {{do_not_call: {{file: a.csv, region: QQ}}}}", "QQ is not a region"),
        (f"{ONE}rows: {{do_not_call: {{file: a.csv, actoin: drop}}}}", 'did you mean "action"'),
        (f"{ONE}rows: {{do_not_call: {{column: Phone}}}}", '"file" is missing'),
        (f"{ONE}rows: {{within: soon}}", "is no number of days"),
    ],
)
def test_mistakes_in_an_entry_are_found_before_its_file_is_read(
    tmp_path: Path, rest: str, complaint: str
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(f"{HEAD}{rest}\n", "utf-8")
    with pytest.raises(MappingError) as caught:
        load_mapping(path)
    assert any(complaint in mistake for mistake in caught.value.mistakes)


def test_a_list_is_read_again_only_when_its_file_has_changed(tmp_path: Path) -> None:
    path = listing(tmp_path, "Phone", PEST)
    mapping = load_mapping(mapping_file(tmp_path, "{file: robinson.csv}"))
    first = load_lists(mapping).listed[0].numbers
    assert load_lists(mapping).listed[0].numbers is first
    path.write_text(f"Phone\n{PEST}\n{BUDA}\n", "utf-8")
    lists = load_lists(mapping)
    assert lists.listed[0].numbers.tolist() == [36301234567, 36301234568]
    assert lists.about[0]["numbers"] == 2


def test_threads_that_read_more_lists_than_are_remembered_each_get_their_own(
    tmp_path: Path,
) -> None:
    mappings = []
    for number in range(6):
        listing(tmp_path, "Number", f"0630123450{number}", name=f"list{number}.csv")
        folder = tmp_path / f"m{number}"
        folder.mkdir()
        mappings.append(load_mapping(mapping_file(folder, f"{{file: ../list{number}.csv}}")))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(load_lists, mappings * 100))
    finally:
        sys.setswitchinterval(before)
    for number, lists in enumerate(found):
        assert lists.listed[0].has(np.array([36301234500 + number % 6])).all()
