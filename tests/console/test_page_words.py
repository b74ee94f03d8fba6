"""What the library tells, in the words of pages: no options, no commands, no keys of a mapping."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from importer import library
from importer.console.records import with_part_names
from importer.console.telling import KINDS, kind_words, page_words, why_held_back
from importer.model import Status

MAPPING = """\
version: 1
project: 134
form:
  name: {column: Name, max_length: 12}
  born: {column: Born, type: date, input: ["%d.%m.%Y"]}
  since: {column: Since, type: date}
  at: {column: At, type: datetime}
  code: {column: Code, pattern: "[A-Z]{3}"}
  plan: {column: Plan, choices: [Gold, Silver]}
  member: {column: Member, type: boolean}
  rank: {column: Rank, type: decimal}
  kind: {column: Kind, type: valueid}
contacts:
  1: {phone: Phone, name: Name}
  2: {phone: {column: Mobile, region: HU}}
phone_field: {column: Next}
rows: {unique: [form.code], on_duplicate: reject}
"""
ROWS = (
    "Name,Born,Since,At,Code,Plan,Member,Rank,Kind,Phone,Mobile,Next",
    "Ann with a long name,2024-05-17,03/04/2024,2024-05-17T10:00:00+05:00,abc,--none--,maybe,"
    "1.234,x,06301234567,36301234567,phone7",
    "Bea,17.05.2024 +02:00,05/06/2024,17 May 2024 10:00,ABC,Gold,yes,2.345,7,,+36301234567,phone2",
    "Cid,17.05.2024,17 May 2024,,ABC,Goldd,no,3.456,8,+36301234568,3.63E+10,phone2",
    "Dan,17.05.2024,45000,,XYZ,Gold,no,4.567,8,+36301234569,+36301234570,first",
)
OF_THE_TEXT = re.compile(
    r"`|\bmapping\b|(?<![\w-])--[a-z]|vcc-import|\b[a-z_]+: (true|blank|allow|\[)"
)


def test_no_hint_about_a_row_names_what_only_a_mapping_has(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("\n".join(ROWS), "utf-8")
    (tmp_path / "mapping.yaml").write_text(MAPPING, "utf-8")
    checkup = library.check(tmp_path / "leads.csv", tmp_path / "mapping.yaml")
    hints = {one.code: one.hint for one in checkup.survey.problems if one.hint}
    told = {code: page_words(hint) for code, hint in hints.items()}
    odd = {code: words for code, words in told.items() if not words or OF_THE_TEXT.search(words)}
    assert odd == {}
    assert len([code for code in told if told[code] != hints[code]]) >= 8, told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'declare the format in the mapping, as input: ["%d.%m.%Y"]',
            "say under “How they are written” in the columns: %d.%m.%Y",
        ),
        (
            'declare the format in the mapping, as input: ["%d.%m.%Y", "%d.%m.%y"], and by min'
            " and max whether 42 is 1942 or 2042",
            "say under “How they are written” in the columns: %d.%m.%Y and %d.%m.%y, and by "
            "“Smallest or earliest” and “Largest or latest” whether 42 is 1942 or 2042",
        ),
        (
            'say in the mapping between which days all dates lie: min: "1927-01-01"',
            "say in the columns between which days all dates lie: "
            "“Smallest or earliest” 1927-01-01",
        ),
        (
            'declare the order in the mapping: input: ["%d/%m/%Y"] or input: ["%m/%d/%Y"]',
            "say under “How they are written” in the columns: %d/%m/%Y or %m/%d/%Y",
        ),
        (
            'declare the decimal mark in the mapping: input: "," or input: "."',
            "say under “How they are written” in the columns: , or .",
        ),
        (
            '"x" is not a date of the form %d.%m.%y or %d/%m/%Y',
            '"x" is not a date as 31.12.99 or 31/12/1999',
        ),
        (
            "take it out; or set pipe: split or pipe: replace in the mapping",
            "take it out; or choose in the columns what the mark | in a value does",
        ),
        (
            "divide them with split, as in contacts.spread",
            "divide them: choose in the columns at which marks they are taken apart",
        ),
        ("Look at it; then: vcc-import mark x --row 3", "Look at it"),
        ("Find it, then: vcc-import mark x", "Find it."),
        ("Ask for it:\nvcc-import reconcile x\nIt changes nothing.", "It changes nothing."),
        (
            "Only one column was found; if semicolons divide the cells: --delimiter x",
            "Only one column was found",
        ),
        ("only 20 records were looked at: raise --most", "only 20 records were looked at."),
        # What a cell holds is said as it is.
        ('"--none--" is not one of: "a; --b. vcc-import"', None),
        ('did you mean "--none--"?', None),
        ("12:30 is no number; write 12.", None),
        ("", None),
    ],
)
def test_what_can_only_be_typed_is_left_out_with_what_introduces_it(
    text: str, words: str | None
) -> None:
    assert page_words(text) == (text if words is None else words)


def test_every_kind_of_problem_of_rows_has_words_of_its_own() -> None:
    page = (Path(library.__file__).parent.parent / "docs" / "problems.md").read_text("utf-8")
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    of_rows = ("Cells and types", "Phones", "Dates and numbers", "Spreadsheet damage")
    codes = re.findall(r"^\| `(\w+)` ", "".join(sections[one] for one in of_rows), re.MULTILINE)
    assert len(codes) > 60
    assert [code for code in codes if code not in KINDS] == []
    odd = [words for words in KINDS.values() if re.search(r"[_.]|\bpipe|\bfilter", words)]
    assert odd == []
    assert kind_words("error.never_heard_of") == "Never heard of"
    assert kind_words("error.unknown_field") == "Unknown field"


def test_of_a_row_that_is_left_out_the_reason_is_told_alone() -> None:
    codes = ["phone_repeated", "filtered"]
    assert why_held_back(codes, Status.SKIPPED) == "left out by a rule of the columns"
    assert why_held_back(["left_out_by_hand"], Status.SKIPPED) == "left out by you"
    both = why_held_back(["phone_letters", "error_cell"], Status.INVALID)
    assert both == "letters in a phone number and error of a formula, as #N/A"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("contacts.1.phone (Phone): 3 numbers", "contact 1: phone (Phone): 3 numbers"),
        ("contacts.spread (Others): 3 numbers", "the free contacts (Others): 3 numbers"),
        ("form.city and premium.price are blank", "city and price are blank"),
        ('"form.city" in platform.c, /form.xlsx', '"form.city" in platform.c, /form.xlsx'),
    ],
)
def test_parts_of_a_record_are_told_as_people_call_them(text: str, words: str) -> None:
    assert with_part_names(text) == words
