"""The ready records: what is received is what was planned, and what a preview shows."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shlex
import sqlite3
import stat
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer import library
from importer.errors import SourceError
from importer.pipeline.planfile import PlanFile
from importer.pipeline.ready import ReadyFile
from importer.settings import RunSettings, Secret, Target
from tests.support.command import Cli
from tests.support.examples import examples
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
form:
  name: {column: Name, required: true}
  city: {column: City, case: title}
  likes: {columns: [Likes, Hobbies], multiple: true, split: [";"], pipe: replace}
contacts:
  each: {phone: "Phone {n}"}
stamp: import_ref
rows: {unique: [contacts.1.phone], do_not_call: {file: robinson.csv, action: drop}}
"""
HEADER = ["Name", "City", "Likes", "Hobbies", "Phone 1", "Phone 2"]
NUMBERS = [f"0630 123 45{i:02}" for i in range(12)]
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
LIKELY = st.one_of(
    TEXT,
    st.sampled_from(["a;b|c", "1.234,5", "0036", "31.12.2026", "2026-02-30", "igen", "x@y.hu"]),
)
PHONE = st.sampled_from([*NUMBERS, "", "n/a", "+43 660 1234567", "36309999999"])
ROWS = st.lists(st.tuples(TEXT, LIKELY, LIKELY, TEXT, PHONE, PHONE), min_size=1, max_size=25)
COLUMN = st.sampled_from(HEADER[:4])
ON_ERROR = st.sampled_from(["reject", "warn", "blank"])
OF_A_TYPE = st.fixed_dictionaries(
    {
        "column": COLUMN,
        "type": st.sampled_from(["integer", "decimal", "boolean", "date", "email", "url"]),
        "on_error": ON_ERROR,
        "repair": st.booleans(),
    }
)
OF_TEXT = st.fixed_dictionaries(
    {"column": COLUMN},
    optional={
        "case": st.sampled_from(["upper", "lower", "title"]),
        "map": st.just({"a;b|c": "mapped"}),
        "default": st.just("by default"),
        "empty": st.just("send"),
        "trim": st.booleans(),
        "max_length": st.integers(1, 12),
        "on_error": ON_ERROR,
    },
)
TOGETHER = st.one_of(
    st.builds(lambda a, b: {"template": f"{{{a}}} – {{{b}}}"}, COLUMN, COLUMN),
    st.fixed_dictionaries({"columns": st.just(["City", "Likes"]), "join": st.just(", ")}),
    st.fixed_dictionaries({"value": TEXT.filter(str.strip)}),
)
SEVERAL = st.fixed_dictionaries(
    {
        "columns": st.just(["Likes", "Hobbies"]),
        "multiple": st.just(True),
        "split": st.just([";"]),
        "pipe": st.sampled_from(["split", "replace", "error"]),
    }
)
RULE = st.one_of(OF_A_TYPE, OF_TEXT, TOGETHER)
PHONE_RULE = st.fixed_dictionaries(
    {"column": st.just("Phone 1")},
    optional={
        "format": st.sampled_from(["e164", "national", "international", "raw"]),
        "on_error": ON_ERROR,
        "repair": st.just(True),
    },
)
CONTACTS = st.one_of(
    st.just({"each": {"phone": "Phone {n}"}}),
    st.fixed_dictionaries({"spread": st.just({"columns": ["Phone 1", "Phone 2"]})}),
    st.builds(lambda rule: {"1": {"phone": rule}, "3": {"phone": "Phone 2"}}, PHONE_RULE),
)
MAPPINGS = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "project": st.just(134),
        "region": st.just("HU"),
        "form": st.fixed_dictionaries(
            {"name": st.one_of(OF_A_TYPE, OF_TEXT, TOGETHER.filter(lambda r: "value" not in r))},
            optional={"note": RULE, "company": RULE, "city": OF_TEXT, "likes": SEVERAL},
        ),
        "contacts": CONTACTS,
        "rows": st.fixed_dictionaries(
            {"without_contact": st.sampled_from(["reject", "skip", "send"])},
            optional={
                "unique": st.sampled_from([["contacts.1.phone"], ["form.name"]]),
                "on_duplicate": st.sampled_from(["skip", "reject", "allow"]),
                "do_not_call": st.sampled_from(
                    [{"file": "robinson.csv", "action": action} for action in ("drop", "skip")]
                ),
                "skip_when": st.just({"column": "City", "in": ["igen"]}),
            },
        ),
    },
    optional={"stamp": st.just("import_ref")},
)


def write(folder: Path, rows: Sequence[tuple[str, ...]]) -> tuple[Path, Path]:
    """Write a list, its mapping and a do-not-call list that has two of the numbers."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADER, *rows])
    (folder / "leads.csv").write_text(text.getvalue(), "utf-8")
    (folder / "m.yaml").write_text(MAPPING, "utf-8")
    (folder / "robinson.csv").write_text(f"Phone\n{NUMBERS[3]}\n{NUMBERS[4]}\n", "utf-8")
    return folder / "leads.csv", folder / "m.yaml"


def target(sandbox: LiveSandbox) -> Target:
    return Target(sandbox.base_url, 134, sandbox.customer, Secret(sandbox.api_key))


@pytest.fixture(scope="module")
def sandbox() -> object:
    """A service that keeps a log of what it received."""
    with live_sandbox(log_requests=True) as running:
        yield running


@settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS, mapping=MAPPINGS, at_once=st.booleans())
def test_what_is_received_is_what_was_ready_and_what_a_preview_shows(
    sandbox: LiveSandbox, rows: list[tuple[str, ...]], mapping: dict[str, Any], at_once: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        leads, path = write(Path(name), rows)
        path.write_text(json.dumps(mapping, ensure_ascii=False), "utf-8")  # which is YAML
        before = sandbox.request_count()
        how = RunSettings(out=Path(name) / "out", allow_new_values=True, sandbox=Path(name))
        try:
            if at_once:
                library.run(leads, path, target=target(sandbox), settings=how)
            else:
                library.plan(leads, path, target=target(sandbox), settings=how)
                assert sandbox.request_count() == before
                library.apply(Path(name) / "out", target=target(sandbox))
        except SourceError:
            return  # no text of these made a list
        received = Counter(r.sha256 for r in sandbox.requests()[before:])
        with ReadyFile(Path(name) / "out" / "ready.parquet") as file:
            ready = list(file.requests())
        run_id = PlanFile.read(Path(name) / "out" / "plan.json").run_id
        assert received == Counter(hashlib.sha256(request.body).hexdigest() for request in ready)
        shown = {p.row: p.body for p in library.preview(leads, path) if p.body is not None}
        assert {row: body.replace(run_id.encode(), b"preview") for row, body in ready} == shown


def test_a_plan_lies_in_the_folder_with_the_numbers_that_are_dialled(
    cli: Cli, tmp_path: Path, sandbox: LiveSandbox
) -> None:
    rows = [("Ann", "", "", "", NUMBERS[0], NUMBERS[3]), ("Bob", "", "", "", NUMBERS[1], "")]
    leads, mapping = write(tmp_path, [*rows, ("", "x", "", "", NUMBERS[2], "")])
    url = ("--base-url", sandbox.base_url)
    assert cli("run", leads, "-m", mapping, "--out", "out", *url) == 1
    with ReadyFile(tmp_path / "out" / "ready.parquet") as file:
        [(of, numbers)] = file.phones()
        assert [json.loads(r.body)["form"]["name"] for r in file.requests()] == ["Ann", "Bob"]
    assert list(zip(of.tolist(), numbers.tolist(), strict=True)) == [
        (2, 36301234500),
        (3, 36301234501),
    ]
    plan = PlanFile.read(tmp_path / "out" / "plan.json")
    assert (plan.rows, plan.counts) == (3, {"ready": 2, "invalid": 1, "skipped": 0})
    assert plan.left_out == [{"status": "invalid", "code": "required", "rows": 1}]
    assert set(plan.parts) == {"cells", "ready", "mapping", "keys"}
    for name in ("plan.json", "ready.parquet"):
        assert stat.S_IMODE((tmp_path / "out" / name).stat().st_mode) == 0o600


def test_the_same_inputs_have_the_same_id_and_any_other_input_another(
    cli: Cli, tmp_path: Path, sandbox: LiveSandbox
) -> None:
    rows = [(f"Név {i}", "", "", "", NUMBERS[i], "") for i in range(8)]
    ids: list[str] = []

    def planned(name: str, *more: str) -> str:
        leads, mapping = tmp_path / name / "leads.csv", tmp_path / name / "m.yaml"
        folder = tmp_path / name / f"out{len(ids)}"
        url = ("--base-url", sandbox.base_url, "--again", "--limit", "1")
        assert cli("run", leads, "-m", mapping, "--out", folder, *url, *more) == 0
        ids.append(PlanFile.read(folder / "plan.json").id)
        return ids[-1]

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, rows)
    first = planned("one")
    assert planned("two") == first
    for name, change in {
        "leads.csv": ("Név 7", "Név 9"),
        "m.yaml": ("region: HU", "region: HU  # at home"),
        "robinson.csv": ("\n", "\n0630 999 9999\n"),
    }.items():
        path = tmp_path / "two" / name
        content = path.read_text("utf-8")
        path.write_text(content.replace(*change), "utf-8")
        assert planned("two") != first
        path.write_text(content, "utf-8")
        assert planned("two") == first


def test_a_run_of_a_version_that_kept_no_ready_records_is_settled_but_not_sent(
    cli: Cli, tmp_path: Path, sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(f"Név {i}", "", "", "", NUMBERS[5 + i], "") for i in range(4)]
    leads, mapping = write(tmp_path, rows)
    url = ("--base-url", sandbox.base_url)
    assert cli("run", leads, "-m", mapping, "--out", "out", "--limit", 2, *url) == 0
    with sqlite3.connect(tmp_path / "out" / "journal.sqlite3") as journal:
        journal.execute("DELETE FROM meta WHERE key = 'plan_sha256'")
    journal.close()
    for name in ("ready.parquet", "plan.json", "journal.sqlite3.mark"):
        (tmp_path / "out" / name).unlink()
    before = sandbox.request_count()
    assert cli("resume", "out") == 2
    told = capsys.readouterr().err
    assert "earlier version" in told
    assert "Finish it with the version that began it" in told
    assert cli("report", "out") == 0
    assert cli("history") == 0
    assert cli("run", leads, "-m", mapping, *url) == 2
    said = capsys.readouterr()
    # Whatever tells how to send the others names what this version can do.
    assert "To go on: vcc-import plan" in said.out
    assert "Go on with: vcc-import plan" in said.err
    assert "resume" not in said.out + said.err
    assert sandbox.request_count() == before
    again = told.partition("Or plan the rows that were not sent: ")[2].splitlines()[0]
    assert cli(*shlex.split(again)[1:], "--out", "rest") == 0
    assert cli("apply", "rest") == 0
    assert sandbox.request_count() == before + 2
