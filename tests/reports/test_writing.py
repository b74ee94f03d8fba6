"""Reports by suffix: the right kinds, each whole or not at all, and never in place of an input."""

from __future__ import annotations

import csv
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from importer.errors import UsageError
from importer.model import (
    Checkup,
    ColumnFill,
    Findings,
    NewValue,
    Problem,
    Readiness,
    Severity,
    Status,
)
from importer.reports.content import (
    Tone,
    conclusion,
    percent,
    supplier_hint,
    supplier_message,
    visible,
)
from importer.reports.text_report import NEW_VALUES, REASONS, WIDTH, NextSteps, as_text
from importer.reports.writing import SUFFIXES, Reported, check_reports, write_reports
from tests.support.command import Cli


def test_the_command_writes_every_kind(
    cli: Cli, capsys: pytest.CaptureFixture[str], leads: Path, mapping: Path, tmp_path: Path
) -> None:
    reports = [tmp_path / f"r{suffix}" for suffix in SUFFIXES]
    words = [word for report in reports for word in ("--report", report)]
    assert cli("check", leads, "-m", mapping, *words) == 1
    printed = capsys.readouterr().out
    assert all(f"Report: {report}" in printed for report in reports)
    assert all(report.stat().st_size for report in reports)
    if os.name == "posix":
        assert {stat.S_IMODE(report.stat().st_mode) for report in reports} == {0o600}
    assert (tmp_path / "r.txt").read_text("utf-8") in printed


def test_json_has_the_keys_of_old_first_and_the_new_ones_behind(
    checkup: Checkup, tmp_path: Path
) -> None:
    path = tmp_path / "r.json"
    write_reports([path], [Reported(checkup)])
    report = json.loads(path.read_text("utf-8"))
    assert list(report) == [
        *("file", "sheet", "encoding", "delimiter", "header_row", "rows", "ready", "invalid"),
        *("skipped", "problems", "problem_counts", "unused_columns", "readiness", "fill"),
        *("phones", "left_out", "new_values"),
    ]
    assert (report["rows"], report["ready"], report["invalid"], report["skipped"]) == (5, 1, 3, 1)
    assert set(report["problems"][0]) == {
        *("row", "column", "target", "code", "message", "value", "hint", "severity"),
    }
    assert report["fill"][1] == {"header": "City", "filled": 5}
    write_reports([path], [Reported(checkup), Reported(checkup)])
    assert json.loads(path.read_text("utf-8")) == [report, report]


def test_csv_has_every_problem_and_no_formula(checkup: Checkup, tmp_path: Path) -> None:
    capped = replace(checkup, survey=replace(checkup.survey, problems=()))
    write_reports([tmp_path / "r.csv"], [Reported(capped), Reported(capped)])
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * sum(checkup.survey.problem_counts.values())
    assert {line["file"] for line in lines} == {checkup.info.path}
    [phone] = [line for line in lines[: len(lines) // 2] if line["column"] == "Phone"]
    assert (phone["row"], phone["value"], phone["severity"]) == ("4", "'=A12", "error")
    assert not any(text.startswith(tuple("=+-@")) for line in lines for text in line.values())


def test_text_begins_with_the_verdict_and_ends_with_what_to_do(checkup: Checkup) -> None:
    named = ("my leads.csv", "-m", "m.yaml")
    steps = NextSteps(("plan", *named), ("check", *named))
    text = as_text(checkup, steps, "project 134 at http://x/v2, as acme")
    lines = text.splitlines()
    assert lines[0] == f"{visible(checkup.info.path)}: 3 of 5 rows need mending" or (
        " ".join(lines[:2]).endswith("mending")
    )
    assert lines.index("  rows               5") < text.count("\n")
    assert "  ready              1   to be created in project 134 at http://x/v2, as acme" in lines
    assert "  skipped            1   the same as a row before" in lines
    assert any(line.startswith("  invalid            3   1 ") for line in lines)
    assert (
        "  The project was not asked whether it has these fields and values. --online asks it."
        in text
    )
    assert "E-mail" in text.split("less than half full")[1]
    assert lines[-2:] == [
        "To plan the import of the row that can be sent, which sends nothing yet:",
        "  vcc-import plan 'my leads.csv' -m m.yaml",
    ]
    assert max(map(len, lines)) <= WIDTH
    assert as_text(checkup).splitlines()[-1].endswith("Extra")


def test_every_row_of_a_text_report_has_its_hint_below_it(checkup: Checkup) -> None:
    alike = [Problem(n, "Phone", None, "x", f"bad {n}", None, "do this") for n in (2, 3, 4)]
    survey = replace(checkup.survey, problem_counts={"x": 3}, examples={"x": tuple(alike)})
    text = as_text(replace(checkup, survey=survey))
    told = "".join(f"    row {n}, Phone: bad {n}\n      → do this\n" for n in (2, 3, 4))
    assert told in text.replace("warning: ", "")


@pytest.mark.parametrize(
    ("code", "hint", "told"),
    [
        ("bad_phone", "11 digits, expected 9 after +36", "11 digits, expected 9 after +36"),
        ("bad_phone", None, None),
        ("contact_without_phone", "fill in the phone, or set on_error: blank on it to leave out",
         "fill in the phone"),
        ("damaged_number", "set repair: true in the mapping to read it as 3630, or mend the cell",
         "if 3630 is meant, write that; else write it out in full, in a column formatted as text"),
        ("phone_without_region", "add region: HU (or another) to the mapping, or write it as +36…",
         "write the number with + and its country code"),
        ("duplicate", "delete one of the two, or set rows.on_duplicate: allow",
         "delete one of the two"),
        ("too_long", "check the value; or change max_length in the mapping", "check the value"),
        ("new", "write it so. Else name the sheet: --sheet NAME.", "write it so"),
        ("new", "write a colon, as in 12:30, or the word format", "write a colon, as in 12:30, or"
         " the word format"),
        ("new", "set trim: false in the mapping", None),
    ],
)  # fmt: skip
def test_the_supplier_is_told_what_to_mend_and_nothing_of_mappings(
    code: str, hint: str | None, told: str | None
) -> None:
    assert supplier_hint(Problem(2, "Phone", None, code, "bad", None, hint)) == told


def test_messages_for_the_supplier_name_columns_not_fields() -> None:
    def told(message: str) -> str:
        return supplier_message(Problem(2, "Név", "form.name", "required", message))

    assert told("form.name is required, and the cell is blank") == (
        "it is required, and the cell is blank"
    )
    assert told('no value for form.name: "x"') == 'no value for "Név": "x"'


def test_long_names_of_columns_are_whole_in_the_text_report(checkup: Checkup) -> None:
    name = "Datum der allerletzten Vertragsunterzeichnung des Kunden"
    fill = ColumnFill(name, 1)
    text = as_text(replace(checkup, survey=replace(checkup.survey, fill=(fill,))))
    lines = [line.strip() for line in text.splitlines()]
    assert "Datum der allerletzten" in lines
    assert any(line.startswith("Vertragsunterzeichnung des Kunden ") for line in lines)


def test_text_of_a_stranger_cannot_steer_a_terminal_or_break_the_lines(checkup: Checkup) -> None:
    nasty = Problem(4, "Ph\x1b[2Jone", None, "x", "bad \u202e\u200b\r\nrow 9: " + "y" * 5000)
    survey = replace(checkup.survey, problem_counts={"x": 1}, examples={"x": (nasty,)})
    text = as_text(replace(checkup, survey=survey))
    assert not set(text) & set("\x1b\u202e\u200b\r")
    assert "⟨U+202E⟩⟨U+200B⟩⏎row 9: y" in text
    assert "(5,015 characters)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= WIDTH


def test_the_verdict_says_what_can_be_imported(checkup: Checkup) -> None:
    ready = replace(checkup.survey, rows=7, ready=7, invalid=0, skipped=0, examples={})

    def told(**changes: object) -> tuple[Tone, str]:
        found = conclusion(replace(checkup, survey=replace(ready, **changes)))  # type: ignore[arg-type]
        return found.tone, found.headline

    assert told() == (Tone.GOOD, "Ready to import: 7 rows")
    assert told(ready=5, skipped=2) == (Tone.GOOD, "Ready to import: 5 of 7 rows")
    assert told(ready=0, skipped=7)[0] is Tone.DOUBTFUL
    assert told(ready=6, invalid=1) == (Tone.BAD, "1 of 7 rows needs mending")
    unknown = Problem(None, None, "form.x", "unknown_field", "the project has no field x")
    assert told(examples={"unknown_field": (unknown,)})[0] is Tone.BAD
    remark = replace(unknown, severity=Severity.WARNING)
    assert told(examples={"unknown_field": (remark,)})[0] is Tone.GOOD
    assert conclusion(replace(checkup, refused=("field x is not there",))).tone is Tone.BAD
    assert "field x is not there" in as_text(replace(checkup, refused=("field x is not there",)))


def test_values_that_may_be_created_are_named_one_by_one_up_to_twenty(checkup: Checkup) -> None:
    new = tuple(
        NewValue(
            "city", f"Nowhere {i}", 4, (2, 3, 5), "Somewhere" if i == 0 else None, allowed=True
        )
        for i in range(NEW_VALUES + 3)
    )
    text = as_text(replace(checkup, new_values=new))
    assert "  23 values would be created in the project, for good, as is allowed:\n" in text
    assert '    city: "Nowhere 0" → "Somewhere"? 4 rows (2, 3, 5 …)\n' in text
    assert text.count('city: "Nowhere') == NEW_VALUES
    assert "    … and 3 more\n" in text
    assert "was not asked" not in text
    fits = as_text(replace(checkup, new_values=()))
    assert "  The project was asked: it has all that these rows need.\n" in fits


def test_rows_that_are_left_out_are_counted_by_why(checkup: Checkup) -> None:
    skipped, invalid = Status.SKIPPED, Status.INVALID
    why = {
        (skipped, "phone_letters|duplicate"): 3,
        (skipped, "filtered"): 2,
        (skipped, "duplicate"): 1,
        (invalid, "bad_phone|bad_email"): 1_200,
        **{(invalid, f"kind_{i}"): 1 for i in range(REASONS + 4)},
    }
    survey = replace(checkup.survey, rows=1_300, invalid=1_212, skipped=6, left_out=why)
    lines = as_text(replace(checkup, survey=survey)).splitlines()
    assert (
        "  skipped            6   4 the same as a row before, 2 filtered out by the mapping"
        in lines
    )
    told = " ".join(" ".join(lines).split())
    assert "invalid 1,212 1,200 bad phone and bad email, 1 kind 0, 1 kind 1," in told
    assert ", 5 for other reasons rows 1,300" in told


def test_dial_readiness_is_shown_where_it_is_known(checkup: Checkup) -> None:
    found = Readiness(callable=1, contacts={0: 1, 2: 3}, phones=7, repeated=2, invalid=4)
    unknown = as_text(replace(checkup, survey=replace(checkup.survey, readiness=Readiness())))
    assert "Dial readiness" not in unknown
    text = as_text(replace(checkup, survey=replace(checkup.survey, ready=4, readiness=found)))
    assert "1 of 4 ready rows (25.0 %)" in text
    assert "1 row with 0, 3 rows with 2" in text


def test_a_share_is_never_rounded_to_none_or_all() -> None:
    assert [percent(n, 100_000) for n in (0, 1, 99_999, 100_000)] == [
        *("0 %", "0.1 %", "99.9 %", "100 %"),
    ]


def test_what_is_wrong_with_the_names_of_reports_is_said_at_once(
    leads: Path, mapping: Path, tmp_path: Path
) -> None:
    reports = [tmp_path / "r.doc", tmp_path / "r.html", tmp_path / "." / "r.html", leads]
    reports += [tmp_path / "gone" / "r.txt", tmp_path / "noend"]
    with pytest.raises(UsageError) as caught:
        check_reports(reports, [leads, mapping])
    lines = caught.value.message.splitlines()
    assert [line.split(": ", 1)[1] for line in lines] == [
        "no report is written as .doc",
        "this file is named twice, or is read by the same command",
        "this file is named twice, or is read by the same command",
        "its folder does not exist",
        "no report is written as a file without suffix",
    ]
    assert ".txt, .json, .csv, .html, .xlsx" in str(caught.value.hint)


def test_an_input_is_never_replaced_by_its_report(cli: Cli, leads: Path, mapping: Path) -> None:
    before = leads.read_bytes()
    assert cli("check", leads, "-m", mapping, "--report", leads) == 2
    assert leads.read_bytes() == before


def test_a_report_takes_the_place_of_an_old_one_only_when_it_is_whole(
    checkup: Checkup, tmp_path: Path
) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    report = tmp_path / "r"
    findings = Findings(broken, broken)  # type: ignore[arg-type]
    for suffix in (".csv", ".html", ".xlsx"):
        place = report.with_suffix(suffix)
        place.write_text("the old one", "utf-8")
        with pytest.raises(ZeroDivisionError):
            write_reports([place], [Reported(replace(checkup, findings=findings))])
        assert place.read_text("utf-8") == "the old one"
        write_reports([place], [Reported(checkup)])
        assert b"the old one" not in place.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_each_of_several_files_has_its_workbook_and_all_share_the_other_reports(
    cli: Cli, leads: Path, mapping: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_bytes(leads.read_bytes())
    words = ("--report", tmp_path / "r.html", "--report", tmp_path / "r.xlsx")
    assert cli("check", leads, other, "-m", mapping, *words) == 1
    assert {path.name for path in tmp_path.glob("r*")} == {
        *("r.html", "r-leads.xlsx", "r-other.xlsx"),
    }
    page = (tmp_path / "r.html").read_text("utf-8")
    assert 'id="file-1"' in page
    assert 'href="#file-2"' in page


def test_a_file_that_could_not_be_read_is_said_to_be_missing_from_the_report(
    cli: Cli, leads: Path, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.csv").touch()
    for quiet in ((), ("-q",)):
        assert cli("check", leads, "empty.csv", "-m", mapping, "--report", "r.html", *quiet) == 2
        assert "Not in the report: empty.csv\n" in capsys.readouterr().err
    assert cli("run", "empty.csv", "-m", mapping, "--sandbox", "--report", "run.html") == 2
    assert "Not in the report: empty.csv\n" in capsys.readouterr().err
    assert not (tmp_path / "run.html").exists()


@pytest.mark.parametrize("command", [("check",), ("run", "--sandbox")])
def test_json_lists_every_problem_where_all_are_asked_for(
    cli: Cli, mapping: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    odd = '"""problems"": []",Pécs,x,\n'
    rows = "".join(f"P{n},Pécs,x{n},\n" for n in range(1100))
    (tmp_path / "l.csv").write_text(f"Name,City,Phone,E-mail\n{rows}{odd}", "utf-8")
    words = (command[0], "l.csv", "-m", mapping, *command[1:], "--report", "r.json", "-q")
    for option, listed in (((), 1000), (("--all-problems",), 1101)):
        assert cli(*words, *option) == 1
        report = json.loads((tmp_path / "r.json").read_bytes())
        assert [len(report["problems"]), sum(report["problem_counts"].values())] == [listed, 1101]
