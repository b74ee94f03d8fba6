"""What must hold whatever a file holds: no crash, no hang, no lost row, no changed cell."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import random
import zipfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import importer
from importer.cli.main import run_cli
from importer.errors import SourceError
from importer.mapping.conversion import Finding
from importer.mapping.load import load_mapping
from importer.mapping.spec import Rule
from importer.mapping.values import CONVERTERS, ConversionContext, converter_for
from importer.pipeline import plan as first_half
from importer.settings import Destination, RunSettings, SourceOptions
from importer.sources import open_source
from importer.sources.header import is_blank
from tests.support.corpus import FOLDER
from tests.support.corpus_child import Reader, reader
from tests.support.examples import examples
from tests.support.live_sandbox import LiveSandbox, live_sandbox
from tests.support.sheets import cells_of, mapping_of

SLOW = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
PLAIN = st.characters(exclude_categories=["Cs"])
CELL = st.text(PLAIN, max_size=20)
FRAGMENT = st.text(st.sampled_from("ab1 éőŽ") | PLAIN, max_size=6) | st.sampled_from(
    ['"a b"', '"a;,b"', '"a\nb"', '"a""b"', 'a"b', '""', "a\0b", "\u00a0", "", ""]
)
LINE = st.tuples(st.lists(FRAGMENT, max_size=6), st.sampled_from([";;;;", ",,,,", "\t|", ";;;,"]))
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Lines of fragments, divided mostly by one character, that end mostly in one way."""
    mark, end = draw(st.sampled_from(";,\t|")), draw(ENDS)
    parts = [draw(st.sampled_from(["", "\ufeff", f"sep={mark}{end}", "Title\n\n"]))]
    parts.append(f"Key{mark}One{mark}Two{end}")
    for fragments, marks in draw(st.lists(LINE, min_size=1, max_size=8)):
        between = mark if draw(st.booleans()) else marks[0]
        parts += [between.join(fragments), draw(st.just(end) | ENDS)]
    return "".join(parts) + draw(st.sampled_from(["", "\x1a", 'last;"', "\0"]))


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1250", "cp1252", "iso8859-2")


def rows_of(path: Path, **options: Any) -> tuple[Any, dict[int, list[str]], set[int]]:
    """What a source is, its rows by number, and the rows that it complains about."""
    with open_source(path, SourceOptions(**options)) as source:
        batches = list(source.batches())
    rows = {
        int(number): list(cells)
        for batch in batches
        for number, cells in zip(batch.rows, cells_of(batch), strict=True)
    }
    assert len(rows) == sum(map(len, batches))
    return source.info, rows, {p.row or 0 for batch in batches for p in batch.problems}


def independently(content: bytes, encoding: str, delimiter: str) -> list[list[str]]:
    """The records of a text file as Python's own modules see them.

    A record ends where the strict parser finds that a quote breaks the rules: the lenient one would
    take the next lines for a part of it, and every row after it had another number.
    """
    text = content.decode(encoding).removeprefix("\ufeff")
    records: list[list[str]] = []
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            taken.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        try:
            records.append(next(reader))
        except StopIteration:
            return records
        except csv.Error:
            records.append(next(csv.reader(list(taken), delimiter=delimiter), []))


def is_alike(read: str, as_it_stands: str) -> bool:
    """Whether a cell was read as it stands, but for blanks after a last quote."""
    return read == as_it_stands or read == as_it_stands.rstrip(" \t")


@SLOW
@given(text=texts(), encoding=st.sampled_from(ENCODINGS))
@example(text="a;b\r1;2\r\r3;4", encoding="utf-16")
@example(text="a,b\n1,2,3\n\n,,x\n1\n", encoding="utf-8")
@example(text='Key;One;Two\n";\n0"\n;;0\n', encoding="utf-8")
@example(text='Key;One;Two\n";"0;"\n0"\n;;0\n{\n', encoding="utf-8")
@example(text='Key\tOne\tTwo\n,0\n"0"\t\n', encoding="utf-8")
def test_every_record_of_any_text_is_a_row_or_is_told(
    tmp_path: Path, text: str, encoding: str
) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(content := text.encode(encoding, "replace"))
    try:
        info, rows, complained = rows_of(path)
    except SourceError as error:
        assert error.hint
        return
    records = independently(content, info.encoding, info.delimiter)
    if records and records[0] and info.delimiter.join(records[0]).lower().startswith("sep="):
        records = records[1:]  # numbers count from the line after it
    width = len(info.headers)
    for number, record in enumerate(records, 1):
        if number <= info.header_row:
            assert number not in rows
        elif any(not is_blank(cell) for cell in record):
            # Quotes that break the rules are read as they are meant, and told.
            as_it_stands = [*record, *[""] * (width - len(record))][:width]
            assert len(rows[number]) == width
            assert number in complained or all(map(is_alike, rows[number], as_it_stands))
            if any(not is_blank(cell) for cell in record[width:]):
                assert number in complained
        else:
            # Of cells that are not certain it is not either that they are blank.
            assert number not in rows or number in complained
    assert max(rows) <= len(records)


def as_text(value: object) -> str:
    """The text that a cell of a workbook has by the documentation."""
    match value:
        case bool():
            return str(value).upper()
        case int() | float():
            text = format(Decimal(repr(float(value))), "f")
            text = text.rstrip("0").rstrip(".") if "." in text else text
            return "0" if text == "-0" else text
        case dt.datetime():
            midnight = value.time() == dt.time()
            return str(value.date()) if midnight else value.isoformat(" ", "seconds")
        case _:
            return str(value)


VALUE = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    # Spreadsheet programs keep fifteen digits.
    | st.floats(-1e300, 1e300, allow_subnormal=False).map(lambda n: float(f"{n:.15g}"))
    | st.datetimes(dt.datetime(1901, 1, 1), dt.datetime(2999, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0)
    )
)


@settings(SLOW, max_examples=examples(40))
@given(rows=st.lists(st.lists(VALUE, min_size=2, max_size=2), min_size=1, max_size=6))
def test_any_value_of_a_workbook_comes_out_as_its_documented_text(
    tmp_path: Path, rows: list[list[object]]
) -> None:
    path = tmp_path / "any.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        page = book.add_worksheet()
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        table: list[list[object]] = [["Key", "One", "Two"], *([7, *row] for row in rows)]
        for number, row in enumerate(table):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    page.write_string(number, column, value)
                elif isinstance(value, dt.datetime):
                    page.write_datetime(number, column, value, moment)
                else:
                    page.write(number, column, value)
    _, found, _ = rows_of(path, header_row=1)
    assert found == {number: ["7", *map(as_text, row)] for number, row in enumerate(rows, 2)}


MAPPING = """
region: HU
form:
  name: {column: A, max_length: 30}
  many: {columns: [A, B], multiple: true, split: [",", ";"]}
  day: {column: C, type: date}
  sum: {column: B, type: decimal, repair: true, on_error: warn}
contacts:
  1: {phone: {column: C, repair: true, on_error: blank}, name: A}
  2: {phone: B, email: {column: A, on_error: blank}}
rows: {unique: [form.name], skip_when: {column: A, in: x}}
"""
LIKELY = (
    CELL
    | st.sampled_from(["", "x", "#N/A", "06301234567", "3.63E+10", "45429", "a|b", "1,234"])
    | st.from_regex(r"[+0-9 /().-]{3,14}", fullmatch=True)
    | st.from_regex(r"[0-3]?[0-9][./-][0-3]?[0-9][./-](20)?[0-9]{2}", fullmatch=True)
)
SHEET = st.lists(st.lists(LIKELY, min_size=3, max_size=3), min_size=1, max_size=12)


def write_csv(path: Path, rows: list[list[str]]) -> list[list[str]]:
    """A file whose first column fills each row, so that none is blank; gives its rows."""
    rows = [["k", *row] for row in rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["Key", "A", "B", "C"], *rows])
    return rows


@SLOW
@given(rows=SHEET)
def test_counts_add_up_and_every_ready_row_has_a_body(
    tmp_path: Path, rows: list[list[str]]
) -> None:
    path, mapping = tmp_path / "any.csv", mapping_of(MAPPING)
    write_csv(path, rows)
    reading = SourceOptions(encoding="utf-8", delimiter=",", header_row=1)
    survey = first_half.check(path, mapping, reading).survey
    assert survey.rows == len(rows) == survey.ready + survey.invalid + survey.skipped
    assert sum(survey.problem_counts.values()) == survey.errors + survey.warnings
    shown = list(first_half.preview(path, mapping, reading))
    assert [preview.row for preview in shown] == list(range(2, len(rows) + 2))
    counts = Counter(preview.status for preview in shown)
    expected = {"ready": survey.ready, "invalid": survey.invalid, "skipped": survey.skipped}
    assert {status: counts[status] for status in expected} == expected
    for preview in shown:
        assert (preview.body is not None) == (preview.status == "ready")
        if preview.body is not None:
            assert isinstance(json.loads(preview.body)["form"], dict)
        else:
            assert preview.problems


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LiveSandbox]:
    with live_sandbox() as live:
        yield live


@settings(SLOW, max_examples=examples(10))
@given(rows=SHEET)
def test_failures_hold_the_rows_that_failed_and_can_be_imported_again(
    sandbox: LiveSandbox,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
) -> None:
    folder = tmp_path_factory.mktemp("run")
    text = "version: 1\nproject: 134\nform: {name: {column: A, type: integer}, note: B}\n"
    (folder / "m.yaml").write_text(text, "utf-8")
    written = write_csv(folder / "any.csv", rows)
    assert _run(sandbox, folder, "any.csv", "one", "--delimiter", ",") in {0, 1}
    with (folder / "one" / "results.csv").open(encoding="utf-8", newline="") as file:
        results = list(csv.DictReader(file))
    assert [int(line["row"]) for line in results] == list(range(2, len(rows) + 2))
    failed = [i for i, line in enumerate(results) if line["status"] in {"invalid", "rejected"}]
    failures = folder / "one" / "failures.csv"
    if not failed:
        return
    _, found, _ = rows_of(failures)
    assert [cells[:4] for cells in found.values()] == [written[i] for i in failed]
    assert _run(sandbox, folder, failures, "two") == 1
    with (folder / "two" / "results.csv").open(encoding="utf-8", newline="") as file:
        assert [line["code"] for line in csv.DictReader(file)] == [
            results[i]["code"] for i in failed
        ]


_RULES = st.fixed_dictionaries(
    {},
    optional={
        "within": st.just("30d"),
        "without_contact": st.sampled_from(["reject", "skip", "send"]),
        "unique": st.sampled_from(["form.name", "contacts.2.phone"]),
        "on_duplicate": st.sampled_from(["skip", "reject", "allow"]),
        "skip_when": st.just({"column": "a ", "in": ["x"]}),
        "do_not_call": st.fixed_dictionaries(
            {"file": st.just("dnc.csv"), "action": st.sampled_from(["skip", "drop"])}
        ),
    },
)
_EVERYTHING = """\
version: 1
project: 134
region: HU
timezone: Europe/Budapest
form:
  name: {column: A, max_length: 30}
  likes: {columns: [A, B], multiple: true, split: [",", ";"]}
  note: {column: C, type: date, on_error: blank}
contacts:
  2: {phone: {column: B, repair: true, on_error: %s}}
  spread: {column: C, split: [",", ";"], on_error: %s}
disposition:
  dispositionid: {value: "1"}
  userid: {value: "7"}
  next_calldate: {column: B, on_error: blank}
rows: %s
"""


@pytest.fixture(scope="module")
def logging_sandbox() -> Iterator[LiveSandbox]:
    with live_sandbox(log_requests=True) as live:
        yield live


@settings(SLOW, max_examples=examples(10))
@given(
    rows=SHEET,
    rules=_RULES,
    on_error=st.sampled_from(["reject", "warn", "blank"]),
    spread=st.sampled_from(["reject", "blank"]),
)
def test_what_preview_shows_as_ready_is_what_run_sends(
    logging_sandbox: LiveSandbox,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    rules: dict[str, object],
    on_error: str,
    spread: str,
) -> None:
    folder = tmp_path_factory.mktemp("agree")
    # With many control characters in it, a file is no text.
    rows = [["".join(c for c in cell if c >= " ") for cell in row] for row in rows]
    rules = rules if "unique" in rules else {k: v for k, v in rules.items() if k != "within"}
    (folder / "dnc.csv").write_text("Phone\n06301234567\n", "utf-8")
    (folder / "m.yaml").write_text(_EVERYTHING % (on_error, spread, json.dumps(rules)), "utf-8")
    write_csv(folder / "any.csv", [*rows, ["Ann", "06301234567", "06301234568"]])
    reading = SourceOptions(encoding="utf-8", delimiter=",", header_row=1)
    # What these rows have sent in the past is what `within` looks back at.
    write_csv(folder / "past.csv", [*rows[::2], ["Ann", "06301234567", "06301234568"]])
    options = ("--delimiter", ",", "--encoding", "utf-8", "--header-row", "1", "--again")
    assert _run(logging_sandbox, folder, "past.csv", "past", *options) in {0, 1}
    mapping = load_mapping(folder / "m.yaml")
    where = Destination(base_url=logging_sandbox.base_url)
    how = RunSettings(runs_dir=folder / "runs")
    any_ = folder / "any.csv"
    shown = list(importer.preview(any_, mapping, destination=where, reading=reading, settings=how))
    checked = importer.check(any_, mapping, destination=where, reading=reading, settings=how).survey
    by_row = [problem for problem in checked.problems if problem.row is not None]
    assert sorted(map(repr, by_row)) == sorted(repr(p) for s in shown for p in s.problems)
    before = logging_sandbox.request_count()
    assert _run(logging_sandbox, folder, "any.csv", "out", *options) in {0, 1}
    with (folder / "out" / "results.csv").open(encoding="utf-8", newline="") as file:
        results = list(csv.DictReader(file))
    sent = {int(line["row"]) for line in results if line["status"] in {"created", "rejected"}}
    assert sent == {preview.row for preview in shown if preview.status == "ready"}
    kept = {int(r["row"]): r["status"] for r in results if int(r["row"]) not in sent}
    assert kept == {preview.row: preview.status for preview in shown if preview.status != "ready"}
    posted = [request.sha256 for request in logging_sandbox.requests()[before:]]
    bodies = [preview.body for preview in shown if preview.body is not None]
    assert Counter(posted) == Counter(hashlib.sha256(body).hexdigest() for body in bodies)


def _run(sandbox: LiveSandbox, folder: Path, file: str | Path, out: str, *more: str) -> int:
    """Run the command without a check against the project; header in row 1 as it was written."""
    words = ["run", str(folder / file), "-m", str(folder / "m.yaml"), "--base-url"]
    words += [sandbox.base_url, "--out", str(folder / out), "--no-preflight", "-q", *more]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VCC_CUSTOMER", "sandbox")
        patch.setenv("VCC_API_KEY", "sandbox")
        patch.chdir(folder)
        return run_cli(words)


FINDINGS = st.builds(
    Finding,
    day_first=st.none() | st.booleans(),
    swapped=st.booleans(),
    decimal_mark=st.sampled_from([None, ",", "."]),
    prefixes=st.sampled_from([(), ("+",), ("0",), ("+", "0")]),
    bare=st.sampled_from(["plus", "national", "unclear"]),
    plus_expected=st.booleans(),
    dates_are_damage=st.booleans(),
    width=st.none() | st.integers(4, 8),
)


@settings(max_examples=examples(150))
@given(
    text=LIKELY.filter(bool),
    type_=st.sampled_from(sorted(CONVERTERS)),
    region=st.sampled_from([None, "HU", "US", "DE"]),
    repair=st.booleans(),
    finding=FINDINGS,
)
@example(text="०६३०१२३४५६७", type_="phone", region="HU", repair=True, finding=Finding())
@example(text="٢٠٢٤-٠٥-١٧", type_="date", region=None, repair=True, finding=Finding(swapped=True))
@example(text="1e999999999", type_="decimal", region=None, repair=True, finding=Finding())
@example(
    text="3.63E+99", type_="phone", region="HU", repair=True, finding=Finding(prefixes=("+", "0"))
)
def test_no_text_makes_a_converter_fail_and_a_fault_keeps_the_text(
    text: str, type_: Any, region: str | None, repair: bool, finding: Finding
) -> None:
    rule = Rule(column=["A"], type=type_, repair=repair)
    convert = converter_for(rule, type_, ConversionContext(region, "Europe/Budapest", finding))
    assert convert is not None
    value, fault = convert(text)
    assert isinstance(value, str)
    if fault is not None:
        assert fault.code
        assert fault.message
        assert fault.warning or value == text


@pytest.fixture(scope="module")
def child() -> Iterator[Reader]:
    with reader() as found:
        yield found


WHOLE = {
    name: (FOLDER / "formats" / name).read_bytes()
    for name in ("xlsx.xlsx", "ods.ods", "xls.xls", "xlsb.xlsb")
}
SECONDS = 20.0


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with one to eight changes: bytes flipped, stretches cut out or put elsewhere."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed) or 1)
        length = chance.choice((1, 2, 4, 40))
        match chance.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[at : at + length]
            case 2:
                to = chance.randrange(len(changed) or 1)
                changed[to:to] = changed[at : at + length]
            case _:
                changed[at : at + 4] = chance.choice((b"\xff" * 4, bytes(4), b"<c r=", b"999999"))
    return bytes(changed)


def mutated_inside(content: bytes, chance: random.Random) -> bytes:
    """A workbook with one of its parts changed, and packed again as it should be."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([n for n in parts if n.endswith((".xml", ".rels", ".bin"))])
    parts[name] = mutated(parts[name], chance)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, inside in parts.items():
            archive.writestr(part, inside)
    return packed.getvalue()


@settings(SLOW, max_examples=examples(75))
@given(name=st.sampled_from(sorted(WHOLE)), inside=st.booleans(), seed=st.integers(0, 2**32))
def test_a_damaged_workbook_is_refused_or_read_and_never_breaks_or_hangs(
    child: Reader, tmp_path: Path, name: str, inside: bool, seed: int
) -> None:
    chance = random.Random(seed)
    change = mutated_inside if inside and name != "xls.xls" else mutated
    path = tmp_path / name
    path.write_bytes(change(WHOLE[name], chance))
    assert child.read(path, SECONDS).split()[0] in {"read", "refused"}


def test_the_reader_tells_what_breaks_it(child: Reader, tmp_path: Path) -> None:
    """So that the test above would see it."""
    path = tmp_path / "good.xlsx"
    path.write_bytes(WHOLE["xlsx.xlsx"])
    assert child.read(path, SECONDS) == "read 3"
    path.write_bytes(b"")
    assert child.read(path, SECONDS) == "refused"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 2_000_000)
    assert child.read(path, 0.01) == "hung"
    path.write_bytes(WHOLE["ods.ods"])
    assert child.read(path, SECONDS) == "read 3"
