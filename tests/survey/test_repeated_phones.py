"""The same phone in several rows or contacts, and whether there is anybody to call."""

from __future__ import annotations

from pathlib import Path

from importer.mapping.load import load_mapping
from importer.model import Checkup, Problem, Readiness
from importer.pipeline import plan as first_half
from importer.settings import SourceOptions

A, B, C = "06301234567", "06301234568", "06301234569"
MAPPING = """\
version: 1
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}, 2: {phone: {column: Mobile, format: national}}, spread: More}
"""


SEND = "rows: {without_contact: send}\n"


def check(tmp_path: Path, *rows: str, more: str = "") -> Checkup:
    (tmp_path / "m.yaml").write_text(MAPPING + more, "utf-8")
    leads = tmp_path / "leads.csv"
    leads.write_text("\n".join(["Name,Phone,Mobile,More", *rows, ""]), "utf-8")
    return first_half.check(leads, load_mapping(tmp_path / "m.yaml"), SourceOptions())


def told(problems: tuple[Problem, ...]) -> list[tuple[int | None, str | None, str, str]]:
    return [(p.row, p.target, p.code, p.message) for p in problems]


def test_repeated_phones_are_told_and_the_rows_are_ready(tmp_path: Path) -> None:
    survey = check(
        tmp_path,
        *(f"Ann,{A},+36 30 123 4567,", f"Bob,{B},,{C}", f"Cecil,{C},{A},", "Dora,,,"),
        more=SEND,
    ).survey
    assert (survey.ready, survey.errors) == (4, 0)
    assert told(survey.problems) == [
        (2, "contacts.2.phone", "phone_twice_in_row", "contact 2 has the number of contact 1"),
        (
            4,
            "contacts.1.phone",
            "phone_repeated",
            f"the number 36{C[2:]} already stands in row 3, contact 3",
        ),
        (
            4,
            "contacts.2.phone",
            "phone_repeated",
            f"the number 36{A[2:]} already stands in row 2, contact 1",
        ),
    ]
    assert survey.problems[0].column == "Mobile"
    assert survey.readiness == Readiness(
        callable=3, contacts={0: 1, 2: 3}, phones=6, repeated=3, invalid=0
    )


def test_readiness_is_that_of_ready_rows_but_counts_all_refused_phones(tmp_path: Path) -> None:
    survey = check(
        tmp_path,
        f"Ann,12,{A},",
        f"Bob,{A},,{B};34;56",
        f"Cecil,{A},,",
        "skipped,78,,",
        more="rows: {skip_when: {column: Name, in: skipped}}\n",
    ).survey
    assert (survey.ready, survey.invalid, survey.skipped) == (1, 2, 1)
    assert survey.readiness == Readiness(1, {1: 1}, 1, 0, 3)


def test_a_duplicate_by_its_phone_is_not_told_of_that_phone_again(tmp_path: Path) -> None:
    rules = "rows: {{unique: contacts.1.phone, on_duplicate: {}}}\n"
    rows = (f"Ann,{A},{B},", f"Bob,{A},{B},")
    allowed = check(tmp_path, *rows, more=rules.format("allow")).survey
    assert allowed.problem_counts == {"duplicate": 1, "phone_repeated": 1}
    assert allowed.readiness.repeated == 2
    skipped = check(tmp_path, *rows, more=rules.format("skip")).survey
    assert skipped.problem_counts == {"duplicate": 1}
    assert skipped.readiness.phones == 2
