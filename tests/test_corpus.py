"""The corpus: files as suppliers send them, each with what must be found in it.

``tests/corpus/TOPIC/NAME.yaml`` says what a case shows; ``tests/support/corpus.py`` says how.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from importer.mapping.spec import Rule
from importer.model import Problem, Severity
from importer.reports.content import supplier_hint
from tests.support.command import Cli
from tests.support.corpus import FOLDER, Case, cases, differences
from tests.support.corpus_hostile import MADE
from tests.support.corpus_messy import ABOUT_THE_FILE, SAMPLE, fault_rows, table
from tests.support.corpus_messy import rows as messy_rows
from tests.support.corpus_texts import TEXTS, unpacked
from tests.support.live_sandbox import live_sandbox

CASES = cases()
TOPICS = {
    "formats": 6,
    "text": 12,
    "sheets": 12,
    "damage": 6,
    "hostile": 6,
    "types": 8,
    "rows": 6,
    "project": 4,
    "readiness": 2,
}
"""Kinds of trouble, and how many cases of each there are at least."""
OPERATORS_TALK = re.compile(
    rf"\bmapping|--[a-z]|\b(?:{'|'.join(Rule.model_fields)}|region|timezone|encoding): ?\S"
    r"|\b(?:rows|contacts|form)\.[a-z0-9]"
)
"""Keys of a mapping as a hint would name them, and options."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_gives_what_its_sidecar_says(
    case: Case, cli: Cli, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    files, mapping = case.lay_out(tmp_path)
    if "made" in case.content:
        files = [MADE[case.content["made"]](tmp_path)]
    content = case.content
    words = [*(path.name for path in files), "-m", mapping.name, *content.get("options", ())]
    with _project(content.get("online")) as online:
        code, error = _check(case, cli, [*words, *online], files, capfdbinary)
    if "refused" in content:
        assert code == 2, f"exit code {code}: {error}"
        assert re.search(content["refused"], error), error
        assert re.search(r"Error: .+\n.+\S", error), f"no hint: {error}"
        assert not Path("report.json").exists()
        return
    assert Path("report.json").exists(), f"exit code {code}: {error}"
    found = json.loads(Path("report.json").read_text("utf-8"))
    reports = found if isinstance(found, list) else [found]
    expected = content.get("each", [content])
    assert len(reports) == len(expected), error
    wrong = [line for e, r in zip(expected, reports, strict=True) for line in differences(e, r)]
    assert not wrong, "\n".join([content["shows"], *wrong])
    invalid = any(report["invalid"] for report in reports)
    lacking = any(p["row"] is None and p["severity"] == "error" for p in _problems(reports))
    assert code == (2 if lacking else int(invalid)), error
    for report in reports:
        _holds_together(report)
    if len(files) == 1 and "stdin" not in content and "online" not in content:
        _preview_agrees(case, cli, words, reports[0], capfdbinary)


def _check(
    case: Case,
    cli: Cli,
    words: list[str],
    files: list[Path],
    capfdbinary: pytest.CaptureFixture[bytes],
) -> tuple[int, str]:
    """Run ``check``; gives the exit code and what was said about it."""
    words = ["check", *words, "--report", "report.json", "--all-problems", "-q"]
    if case.content.get("stdin"):
        words[1] = "-"
        with files[0].open("rb") as source:
            done = subprocess.run(
                [sys.executable, "-m", "importer", *words],
                stdin=source,
                stderr=subprocess.PIPE,
                check=False,
                timeout=30,
            )
        return done.returncode, done.stderr.decode()
    code = cli(*words)
    return code, capfdbinary.readouterr().err.decode()


@contextmanager
def _project(name: str | None) -> Iterator[list[str]]:
    """The options that check against a live project, where the case wants one."""
    if name is None:
        yield []
        return
    with live_sandbox(projects=FOLDER / "project" / name) as sandbox:
        yield ["--online", "--base-url", sandbox.base_url, "--project", "134"]


def _problems(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [problem for report in reports for problem in report["problems"]]


def _holds_together(report: dict[str, Any]) -> None:
    """The counts add up, and every problem says what to do or needs nothing done."""
    assert report["rows"] == report["ready"] + report["invalid"] + report["skipped"]
    counts = Counter(problem["code"] for problem in report["problems"])
    assert counts == Counter(report["problem_counts"])
    for problem in report["problems"]:
        assert problem["message"]
        assert problem["hint"] or problem["severity"] == "warning", problem
        # Whoever made the list is told what to mend in it, and nothing of mappings: a new code may
        # need words in importer/reports/content.py.
        told = supplier_hint(Problem(**{**problem, "severity": Severity(problem["severity"])}))
        assert told or not problem["hint"] or problem["row"] is None, problem
        assert told is None or not OPERATORS_TALK.search(told), told


def _preview_agrees(
    case: Case,
    cli: Cli,
    words: list[str],
    report: dict[str, Any],
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """The rows as they would be sent: none is lost, and the bodies are those of the sidecar."""
    assert cli("preview", *words) == 0
    shown = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    counts = Counter(row["status"] for row in shown)
    assert len(shown) == report["rows"]
    for status in ("ready", "invalid", "skipped"):
        assert counts[status] == report[status]
    assert all((row["body"] is not None) == (row["status"] == "ready") for row in shown)
    bodies = {row["row"]: row["body"] for row in shown}
    for number, body in case.content.get("bodies", {}).items():
        assert bodies[number] == body, f"row {number}"


def test_the_corpus_covers_every_kind_of_trouble() -> None:
    counts = Counter(case.topic for case in CASES)
    assert set(counts) == set(TOPICS)
    assert {topic: counts[topic] for topic, least in TOPICS.items() if counts[topic] < least} == {}
    assert len(CASES) >= 60


def test_every_file_of_the_corpus_belongs_to_a_case_and_is_small() -> None:
    named = {case.path.parent / name for case in CASES for name in case.files()}
    named |= {case.path.parent / n for case in CASES for n in case.content.get("beside", ())}
    named |= {case.path.parent / n for case in CASES if (n := case.content.get("online"))}
    named |= {case.path for case in CASES}
    found = {path for path in FOLDER.glob("*/*") if path.is_file() and path.suffix != ".pyc"}
    assert {p for p in found if p.parent.name != "mappings"} == named
    assert [path.name for path in found if path.stat().st_size > 30_000] == []


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_text_files_are_those_that_the_generator_writes(name: str) -> None:
    """So that no editor or version control has changed their line ends or encoding.

    Packed files are compared by what they hold: releases of zlib pack in ways of their own.
    """
    assert unpacked((FOLDER / name).read_bytes()) == unpacked(TEXTS[name])


ROOT = Path(__file__).parents[1]
NOT_IN_THE_SAMPLE = {
    # of text files, archives and other workbooks
    *("ragged_row", "short_row", "nul_character", "header_unsure", "option_ignored"),
    *(
        "other_files",
        "external_links",
        "encoding_unsure",
        "stray_quote",
        "quoted_lines",
        "one_column",
    ),
    *("encoded_twice", "lost_letter", "no_header", "no_phone_mapped", "placeholder"),
    *("other_quotes", "repeated_header", "struck_rows", "escaped_text"),
    # of workbooks that the sample is not
    *("merged_cell", "merged_rows", "no_date", "damaged_workbook"),
    # of mappings that look back at past runs
    "past_not_compared",
    # of columns that show something else than those of the sample
    *("date_order_found", "century_assumed", "dates_maybe_swapped", "contact_without_phone"),
    *(
        "phone_without_region",
        "phone_prefix_doubtful",
        "phone_prefix_found",
        "unknown_zone",
        "common_prefix",
    ),
    # of rows and cells that the sample does not have
    *("no_contact", "unbalanced_quote", "unbalanced_bracket", "nested_list", "inch_sign"),
    *("index_ignored", "inexact_float", "sent_before"),  # of frames, and of plan --except
    *("edit_torn", "left_out_by_hand"),  # of edits
}
"""Codes of docs/problems.md, those of the live project and of sending apart."""


@pytest.fixture
def messy(cli: Cli) -> dict[str, Any]:
    """What ``check`` reports of samples/messy.xlsx."""
    mapping = ROOT / "mappings" / "messy.yaml"
    assert cli("check", SAMPLE, "-m", mapping, "--report", "r.json", "--all-problems", "-q") == 1
    return dict(json.loads(Path("r.json").read_text("utf-8")))


def test_the_messy_sample_has_in_each_row_the_fault_that_its_page_names(
    messy: dict[str, Any],
) -> None:
    by_row: dict[int | None, set[tuple[str, str]]] = {}
    for problem in messy["problems"]:
        if problem["column"] != "Signed up":  # repaired in half the rows
            by_row.setdefault(problem["row"], set()).add((problem["code"], problem["severity"]))
    about_the_file = {code for code, _ in by_row.pop(None)}
    assert about_the_file | {"dates_swapped"} == ABOUT_THE_FILE
    faults = dict(fault_rows())
    assert by_row == {
        row: {(code, fault.severity) for code in fault.codes}
        for row, fault in faults.items()
        if fault.codes
    }
    invalid = [f for f in faults.values() if f.codes and f.severity == "error"]
    assert (messy["rows"], messy["invalid"]) == (len(list(messy_rows())), len(invalid))
    assert messy["skipped"] == 3


def test_the_messy_sample_shows_nearly_every_code(messy: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "problems.md").read_text("utf-8")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)
    codes = {
        code
        for section in sections
        if not section.startswith(("The live project", "What became"))
        for code in re.findall(r"^\| `([a-z_]+)`", section, re.MULTILINE)
    }
    assert codes - set(messy["problem_counts"]) == NOT_IN_THE_SAMPLE


def test_the_samples_page_lists_the_faults_of_the_messy_sample() -> None:
    page = (ROOT / "samples" / "README.md").read_text("utf-8")
    assert "\n".join(table()) in page


def test_the_messy_sample_lacks_values_in_the_sandboxs_project_and_nothing_else(
    cli: Cli,
) -> None:
    with live_sandbox() as sandbox:
        words = ["--online", "--base-url", sandbox.base_url, "--report", "r.json", "-q"]
        assert cli("check", SAMPLE, "-m", ROOT / "mappings" / "messy.yaml", *words) == 2
    problems = json.loads(Path("r.json").read_text("utf-8"))["problems"]
    found = {
        (p["code"], p["value"]) for p in problems if p["row"] is None if p["severity"] == "error"
    }
    assert found == {("new_value", "Budapset"), ("new_value", "debrecen")}
