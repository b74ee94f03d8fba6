"""Frames in: DataFrames, Arrow streams, iterables of dicts, Parquet and JSON lines."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import importer
from importer.settings import BATCH_ROWS
from tests.support.command import in_this_process
from tests.support.examples import examples
from tests.support.live_sandbox import LiveSandbox, live_sandbox

MAPPING = """\
version: 1
project: 134
region: HU
source: {sheet: Leads, header_row: 3}
form: {name: Name}
contacts: {1: {phone: Phone}}
"""
LEADS = [
    {"Name": "Ann", "Phone": 36201234567, "City": "Vác"},
    {"Name": "Bob", "Phone": 36201234568},
    {"Name": "Cid", "Phone": 36201234569, "City": None},
]


class Colour(StrEnum):
    RED = "red"


class Stream:
    """A table that another library cannot give as a stream."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise LookupError("no such table")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LiveSandbox]:
    with live_sandbox() as live:
        yield live


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")
    Path("leads.yaml").write_text(MAPPING, "utf-8")
    return tmp_path


def target(live: LiveSandbox) -> importer.Target:
    return importer.target_for(importer.load_mapping("leads.yaml"), base_url=live.base_url)


def texts(data: Any, column: str = "x", **rows: Any) -> list[str]:
    """The cells of a column as text, by what would be sent of each row."""
    Path("text.yaml").write_text(
        f"version: 1\nform: {{x: {{column: {column}, trim: false, empty: send}}, n: n}}\n", "utf-8"
    )
    bodies = []
    for preview in importer.preview(data, "text.yaml", **rows):
        assert preview.body is not None, preview
        bodies.append(json.loads(preview.body)["form"]["x"])
    return bodies


def numbered(cells: Iterable[object]) -> pd.DataFrame:
    """A frame with a second column, so that no row is blank."""
    cells = cells if isinstance(cells, pd.Series | pd.Index) else list(cells)
    return pd.DataFrame({"x": cells, "n": "1"})


BUDAPEST = ZoneInfo("Europe/Budapest")


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (pd.Series(["a", " b ", None], dtype=object), ["a", " b ", ""]),
        (pd.Series(["a", pd.NA], dtype="string"), ["a", ""]),
        (pd.Series([1, None, 36201234567], dtype="Int64"), ["1", "", "36201234567"]),
        (pd.Series([36201234567, np.nan, 0.5, -0.0]), ["36201234567", "", "0.5", "0"]),
        (pd.Series([0.1 + 0.2, 1e-7, 123456789.125]), ["0.3", "0.0000001", "123456789.125"]),
        (pd.Series([1.1, 3, 2**20], dtype="float32"), ["1.1", "3", "1048576"]),
        (pd.Series([True, False]), ["TRUE", "FALSE"]),
        (pd.Series([True, None], dtype="boolean"), ["TRUE", ""]),
        (pd.Series(["b", None, "a"], dtype="category"), ["b", "", "a"]),
        (pd.Series([2.5, None, 1], dtype="category"), ["2.5", "", "1"]),
        (
            pd.Series(
                pd.to_datetime(["2026-01-05", None, "2026-01-05 09:30:29.6"], format="mixed")
            ),
            ["2026-01-05", "", "2026-01-05 09:30:30"],
        ),
        (
            pd.Series(
                pd.to_datetime(["2026-01-05", "2026-07-05 09:30"], format="mixed")
            ).dt.tz_localize(BUDAPEST),
            ["2026-01-05 00:00:00+01:00", "2026-07-05 09:30:00+02:00"],
        ),
        (pd.Series(pd.to_timedelta([1, None, 90000], unit="s")), ["0:00:01", "", "25:00:00"]),
        (pd.Series(["1", None], dtype=pd.ArrowDtype(pa.string())), ["1", ""]),
        (
            pd.Series([Decimal("3.00"), Decimal("12.50"), Decimal("1E+11"), Decimal("NaN")]),
            ["3", "12.50", "100000000000", ""],
        ),
        (
            pd.Series([1, 2.0, "x", True, None, np.nan, pd.NaT, pd.NA, 10**20], dtype=object),
            ["1", "2", "x", "TRUE", "", "", "", "", "100000000000000000000"],
        ),
        (
            pd.Series(
                [
                    dt.date(2026, 1, 5),
                    dt.datetime(2026, 1, 5),  # noqa: DTZ001
                    dt.time(9, 30),
                    dt.timedelta(hours=30),
                ],
                dtype=object,
            ),
            ["2026-01-05", "2026-01-05", "09:30:00", "30:00:00"],
        ),
        (
            pd.Series(
                [dt.datetime(2026, 7, 5, 9, tzinfo=BUDAPEST), Colour.RED, b"abc"], dtype=object
            ),
            ["2026-07-05 09:00:00+02:00", "red", "abc"],
        ),
        (
            pd.Series(
                [np.int8(3), np.float32(2.5), np.bool_(True), np.datetime64("2026-01-05T10")],
                dtype=object,
            ),
            ["3", "2.5", "TRUE", "2026-01-05 10:00:00"],
        ),
        (pd.Series([uuid.UUID(int=1)], dtype=object), ["00000000-0000-0000-0000-000000000001"]),
    ],
)
def test_cells_of_every_type_are_the_text_that_a_spreadsheet_shows(
    series: Any, expected: list[str]
) -> None:
    frame = numbered(series)
    assert texts(frame) == expected
    if series.dtype != "float32":  # of which pandas makes doubles there
        assert texts(frame.to_dict("records")) == expected


FAR = 2**60
"""Seconds after 1970 at which no calendar has a date; as microseconds they overflow."""


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, FAR], pa.timestamp("s")),
        pa.array([0, -FAR], pa.timestamp("s", "Europe/Budapest")),
        pa.array([0, FAR], pa.timestamp("ms", "UTC")),
        pa.array([0, FAR], pa.duration("s")),
        pa.array([0, 2**31 - 1], pa.date32()),
        pa.array([0, 2_932_897], pa.date32()),
        pa.array([0, 253_402_300_800 * 10**6 - 1], pa.timestamp("us")),
        [dt.date(1970, 1, 1), np.datetime64(FAR, "s")],
        [dt.date(1970, 1, 1), np.datetime64(20_000, "Y")],
        [dt.date(1970, 1, 1), pd.Timestamp(np.datetime64("20026-01-05", "s"))],
    ],
    ids=lambda column: str(getattr(column, "type", column[-1])),
)
def test_a_moment_that_no_calendar_has_holds_its_row_back(column: Any) -> None:
    """Arrow would write an error message as its text, or overflow to another moment."""
    if isinstance(column, list):
        frame: Any = [{"x": cell, "n": 1} for cell in column]
    else:
        frame = pa.table({"x": column, "n": ["1", "1"]})
    Path("text.yaml").write_text("version: 1\nform: {x: x, n: n}\n", "utf-8")
    rows = list(importer.preview(frame, "text.yaml"))
    assert [row.status for row in rows] == ["ready", "invalid"]
    assert [problem.code for problem in rows[1].problems] == ["error_cell"]


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_infinity=False),
    st.decimals(allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9),
    st.dates(),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
)


@settings(deadline=None, max_examples=examples(40))
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_every_kind_of_frame_of_the_same_cells_is_the_same_list(
    rows: list[tuple[object, object]],
) -> None:
    """The same rows, cells and hash, however they come."""
    records = [{"x": x, "y": y, "n": 1} for x, y in rows]
    frames: list[Any] = [records, iter(records), pd.DataFrame(records, dtype=object)]
    if all(
        len({type(cell) for cell in column} - {type(None)}) < 2
        for column in zip(*rows, strict=True)
    ):
        table = pa.Table.from_pylist(records)
        frames += [table, table.to_reader(max_chunksize=3)]
    seen = []
    for frame in frames:
        source = open_source(frame)
        with source:
            found = [
                (row, *cells)
                for batch in source.batches()
                for row, *cells in zip(
                    batch.rows.tolist(),
                    *(c.to_pylist() for c in batch.columns.values()),
                    strict=True,
                )
            ]
            seen.append((source.info.headers, source.sha256, found))
    assert all(one == seen[0] for one in seen)
    assert [row for row, *_ in seen[0][2]] == list(range(2, len(rows) + 2))


def open_source(frame: Any) -> Any:
    from importer.sources.frames import Frame, open_frame

    return open_frame(Frame(frame, "leads"), importer.SourceOptions())


def test_columns_of_dicts_are_those_of_all_keys_in_the_order_they_are_first_seen() -> None:
    """The last column is first seen far behind the first batch, which has blanks there."""

    def rows() -> Iterator[dict[str, object]]:
        yield {"b": 1}
        for number in range(BATCH_ROWS + 10):
            yield {"a": number}
        yield {}
        yield {"c": "x", "b": 2}

    with open_source(rows()) as source:
        assert source.info.headers == ("b", "a", "c")
        batches = list(source.batches())
    assert sum(map(len, batches)) == BATCH_ROWS + 12
    assert batches[0].columns[0][:2].to_pylist() == ["1", ""]
    assert set(batches[0].columns[2].to_pylist()) == {""}
    last = batches[-1]
    assert last.rows[-1] == BATCH_ROWS + 14, "a blank row is no row, but keeps its number"
    assert [last.columns[n][-1].as_py() for n in range(3)] == ["2", "", "x"]


def test_a_generator_is_streamed() -> None:
    """Of many rows, few are there at once."""
    alive = most = 0

    class Row(dict[str, object]):
        def __init__(self, number: int) -> None:
            nonlocal alive, most
            super().__init__(n=number)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    with open_source(Row(number) for number in range(3 * BATCH_ROWS)) as source:
        assert sum(map(len, source.batches())) == 3 * BATCH_ROWS
    assert most < 10


def test_a_frame_is_run_and_not_sent_twice_however_it_comes(sandbox: LiveSandbox) -> None:
    """The ledger knows it by its cells. What a mapping says of files is no matter for a frame."""
    before = len(sandbox.records(134))
    frame = pd.DataFrame(LEADS)
    checkup = importer.check(frame, "leads.yaml", target=target(sandbox))
    assert checkup.survey.ready == 3
    assert checkup.info.problems == ()

    result = importer.run(frame, "leads.yaml", target=target(sandbox))
    assert result.summary.counts[importer.Status.CREATED] == 3
    assert result.summary.source["path"] == "DataFrame"
    assert result.directory.path.name.startswith("DataFrame-")
    assert len(sandbox.records(134)) == before + 3
    for again in (frame.copy(), LEADS, pa.Table.from_pandas(frame)):
        with pytest.raises(importer.AlreadyImported, match="was sent to project 134"):
            importer.run(again, "leads.yaml", target=target(sandbox))
    frame.loc[0, "Name"] = "Anna"
    again = importer.Frame(frame, name="crm export")
    result = importer.run(again, "leads.yaml", target=target(sandbox))
    assert result.directory.path.name.startswith("crm_export-")


def test_a_frame_is_planned_and_the_plan_applied(sandbox: LiveSandbox) -> None:
    """The plan needs nothing of the frame; its rows are numbered from 2."""
    planned = importer.plan(iter(LEADS), "leads.yaml", target=target(sandbox))
    result = importer.apply(planned.directory.path, target=target(sandbox))
    assert result.summary.counts[importer.Status.CREATED] == 3
    lines = (result.directory.path / "results.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["row", "2", "3", "4"]


def test_a_generator_that_raises_sends_nothing(sandbox: LiveSandbox) -> None:
    before = len(sandbox.records(134))

    def rows() -> Iterator[dict[str, object]]:
        yield LEADS[0]
        raise LookupError("the database went away")

    with pytest.raises(
        importer.SourceError, match=r"generator: it raised LookupError at row 3: the database"
    ) as error:
        importer.run(rows(), "leads.yaml", target=target(sandbox))
    assert isinstance(error.value.__cause__, LookupError)
    assert len(sandbox.records(134)) == before
    assert not list(Path("runs").glob("generator*"))


def test_a_run_can_be_stopped_while_its_rows_are_still_coming(tmp_path: Path) -> None:
    stop = importer.StopSwitch()

    def rows() -> Iterator[dict[str, object]]:
        for number in range(3 * BATCH_ROWS):
            if number == BATCH_ROWS + 5:
                stop.pull("enough")
            assert number <= 2 * BATCH_ROWS
            yield {"Name": "Ann", "Phone": number}

    with pytest.raises(importer.RunInterruptedError):
        importer.check(rows(), "leads.yaml", stop=stop)
    with pytest.raises(importer.RunInterruptedError):
        importer.check(as_lines(tmp_path / "leads.jsonl", LEADS), "leads.yaml", stop=stop)
    assert stop.reason == "enough"


def test_an_arrow_stream_that_raises_sends_nothing() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pylist([{"Name": "Ann", "Phone": "1"}])
        raise LookupError("the database went away")

    schema = pa.schema({"Name": pa.string(), "Phone": pa.string()})
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises(importer.SourceError, match=r"RecordBatchReader: it raised .* the database"):
        importer.check(reader, "leads.yaml")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (pd.DataFrame, "it has no rows and no columns"),
        (lambda: pd.DataFrame({"Name": []}), "it has no rows"),
        (lambda: pd.DataFrame(index=["Ann"]), "its rows have no columns"),
        (list, "it has no rows"),
        (lambda: [{}], "its rows have no columns"),
        (lambda: [{"Name": " "}], "none of its rows holds anything"),
        (lambda: pd.DataFrame({1: ["a"]}), "the name of column 1 is no text, but of type int: 1"),
        (lambda: [{None: "a"}], "the name of column 1 is no text, but of type NoneType"),
        (lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]), "there are two columns 'a'"),
        (lambda: pa.table([[1], [2]], names=["a", "a"]), "there are two columns 'a'"),
        (lambda: [{"a": 1, "a ": 2}], "two columns 'a' .*which differ in blanks"),
        (lambda: pd.DataFrame([[1]], columns=[["a"], ["b"]]), "names of 2 levels"),
        (lambda: [{"n": "", "a": "x"}, {"a": [1]}], "row 3, column 'a': the cell is of type list"),
        (lambda: pd.DataFrame({"a": [{"b": 1}]}), "row 2, column 'a': the cell is of type dict"),
        (lambda: pa.table({"a": [None, {"b": 1}]}), "row 3, column 'a': the cell is of type dict"),
        (lambda: pa.table({"a": [b"a", b"\xff"]}), "row 3, column 'a': .* bytes that are no text"),
        (lambda: [{"a": b"\xff"}], "row 2, column 'a': the cell holds bytes that are no text"),
        (lambda: [{"a": "\ud800"}], "half of a character"),
        (lambda: [{"a": 10**5000}], "a number of thousands of digits"),
        (lambda: [{"a": Decimal("1e99999")}], "a number of hundreds of digits"),
        (lambda: [{"a": "x" * 200_000}], "cell A2 is longer"),
        (lambda: [{str(n): 1 for n in range(2001)}], "there are 2,001 columns"),
        (lambda: ["Ann"], "row 2 is of type str, not a dict"),
        (lambda: pd.DataFrame({"a": pd.period_range("2026", periods=1, freq="M")}), "type Period"),
        (lambda: pd.Series(["a"]), "it is no table of columns|row 2 is of type str"),
        (lambda: pa.chunked_array([["a"]]), "it is no table of columns"),
        (Stream, r"cannot be had as an Arrow stream \(LookupError: no such table"),
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused_with_its_place(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(importer.SourceError, match=said):
        importer.check(make(), "leads.yaml")


@pytest.mark.parametrize("name", [5, b"leads", ["leads"]])
def test_a_frame_is_called_by_text(name: Any) -> None:
    with pytest.raises(importer.UsageError, match="the name of a frame is of type"):
        importer.Frame(LEADS, name=name)


@pytest.mark.parametrize("given", [None, 3, {"Name": ["Ann"]}, b"leads.csv"])
def test_what_is_neither_a_path_nor_rows_is_refused(given: Any) -> None:
    with pytest.raises(importer.UsageError, match="is neither a path nor rows"):
        importer.check(given, "leads.yaml")


def problems(checkup: importer.Checkup) -> list[tuple[int | None, str | None, str]]:
    return [(p.row, p.column, p.code) for p in checkup.survey.problems]


def test_floats_that_may_be_other_numbers_hold_their_row_back_where_they_are_used() -> None:
    frame = pd.DataFrame(
        {
            "Name": [2.0**53, 2.0**53 - 1, math.inf],
            "Phone": ["+36201234567", "+36201234568", "+36201234569"],
            "Unused": 1e300,
        }
    )
    checkup = importer.check(frame, "leads.yaml")
    assert problems(checkup) == [(2, "Name", "inexact_float"), (4, "Name", "error_cell")]
    assert checkup.survey.ready == 1
    single = pd.DataFrame({"Name": ["Ann"], "Phone": np.array([36201234567], "float32")})
    assert (2, "Phone", "inexact_float") in problems(importer.check(single, "leads.yaml"))


def test_a_float_phone_of_more_than_15_digits_is_a_problem() -> None:
    frame = pd.DataFrame({"Name": ["Ann", "Bob"], "Phone": [36201234567.0, 3.620123456789012e15]})
    (problem,) = importer.check(frame, "leads.yaml").survey.problems
    assert (problem.row, problem.column) == (3, "Phone")


def test_numbers_with_a_fraction_keep_their_point() -> None:
    """6.579 is a number there, though the mapping's texts have a decimal comma."""
    Path("price.yaml").write_text(
        'version: 1\nform: {price: {column: Price, type: decimal, input: ","}}\n', "utf-8"
    )
    frame = pd.DataFrame({"Price": [6.579, 12.5]})
    bodies = [p.body for p in importer.preview(frame, "price.yaml")]
    assert [json.loads(body or b"")["form"]["price"] for body in bodies] == ["6.579", "12.5"]


def test_what_is_not_read_of_a_frame_is_told() -> None:
    frame = pd.DataFrame(LEADS).set_index("City")
    reading = importer.SourceOptions(sheet="Leads", rows=(3, 3))
    checkup = importer.check(frame, "leads.yaml", reading=reading)
    assert [p.code for p in checkup.info.problems] == ["index_ignored", "option_ignored"]
    assert (checkup.survey.rows, checkup.survey.ready) == (1, 1)
    with pytest.raises(importer.SourceError, match="no data in rows 9 to 9"):
        importer.check(frame, "leads.yaml", reading=importer.SourceOptions(rows=(9, 9)))


def test_a_column_that_a_frame_lacks_is_told_without_options_of_files() -> None:
    with pytest.raises(importer.MappingError) as error:
        importer.check([{"Name;Phone": "x"}], "leads.yaml")
    assert "Name;Phone" in (error.value.hint or "")
    assert not re.search("--|sheet or|header row", error.value.hint or "")


def test_a_column_that_is_the_index_of_a_frame_is_told() -> None:
    frame = pd.DataFrame(LEADS).set_index("Name")
    with pytest.raises(importer.MappingError, match="does not fit") as error:
        importer.check(frame, "leads.yaml")
    assert "The index of the DataFrame ('Name') was not read" in (error.value.hint or "")
    assert "frame.reset_index()" in (error.value.hint or "")


@pytest.mark.parametrize("module", ["polars", "duckdb"])
def test_tables_of_other_libraries_are_read(module: str) -> None:
    """They give the stream that tables of pyarrow give above."""
    library: Any = pytest.importorskip(module, reason=f"{module} is not installed")
    table = pa.Table.from_pylist(LEADS)
    frame = library.from_arrow(table)
    assert importer.check(frame, "leads.yaml").survey.ready == 3


# ── files whose cells have types ────────────────────────────────────────────────────────────────


def as_parquet(path: Path, records: list[Mapping[str, object]] | pa.Table) -> Path:
    table = records if isinstance(records, pa.Table) else pa.Table.from_pylist(records)
    pq.write_table(table, path)
    return path


def as_lines(path: Path, records: Iterable[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def test_parquet_and_json_lines_are_read_by_the_command(tmp_path: Path) -> None:
    """What they are, their content decides; the mapping's `source` is ignored, and told."""
    for path in (
        as_parquet(tmp_path / "leads.parquet", LEADS),
        as_lines(tmp_path / "leads.jsonl", LEADS),
        as_lines(tmp_path / "leads.csv", LEADS),
    ):
        words = ["check", str(path), "-m", "leads.yaml", "--report", "r.json"]
        done = in_this_process(tmp_path, {}, *words)
        assert done.returncode == 0, done.stderr
        report = json.loads((tmp_path / "r.json").read_text("utf-8"))
        assert (report["rows"], report["ready"], report["header_row"]) == (3, 3, 1)
        assert report["problem_counts"] == {"option_ignored": 2}


def test_cells_of_json_lines_are_what_is_written_there(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(
        '\ufeff{"n": 1, "x": 12.50}\n{"n": 1, "x": 36201234567}\r\n\n{"x": true, "n": 1}\n'
        '{"n": 1, "x": null}\n{"n": 1, "x": 3.0}\n{"n": 1, "x": "\\u00e1"}',
        "utf-8",
    )
    assert texts(path) == ["12.50", "36201234567", "TRUE", "", "3", "á"]
    rows = [preview.row for preview in importer.preview(path, "text.yaml")]
    assert rows == [2, 3, 5, 6, 7, 8], "line n is row n + 1"


def test_cells_of_parquet_are_those_of_the_frame(tmp_path: Path) -> None:
    table = pa.table(
        {
            "x": pa.array(["a", "a", None, "b"]).dictionary_encode(),
            "n": [1, 2, 3, 4],
            "when": pa.array([0, None, 1, 2], pa.timestamp("ns", "UTC")),
        }
    )
    path = as_parquet(tmp_path / "x.parquet", table)
    assert texts(path) == texts(table) == ["a", "a", "", "b"]
    assert texts(path, reading=importer.SourceOptions(rows=(4, 5))) == ["", "b"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"Name": "Bob", "Phone"', r"line 3 is no JSON \(Expecting .* at its character 24\)\."),
        (b'{"Phone": ' + b"9" * 5000, r"line 3 has a number of thousands of digits\."),
        (b"[1]", "line 3 is JSON, but no object"),
        (b'{"Name": "\xff"}', "line 3 is no text in UTF-8"),
        (b'{"Name": 1, "Name": 2}', 'line 3 is no JSON .*the key "Name" stands twice'),
        (b'{"Name": NaN}', "line 3 is no JSON .*NaN"),
        (b'{"Name": ' + b"[" * 100_000, "line 3 is n"),
        (b'{"Name": ["Ann"]}', "row 4, column 'Name': the cell is of type list"),
        (b'{"Name": 1e999999999}', "row 4, column 'Name': .* hundreds of digits"),
    ],
)
def test_a_broken_line_of_json_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    path = tmp_path / "leads.jsonl"
    path.write_bytes(b'{"Name": "Ann", "Phone": 1}\n\n' + line + b"\n")
    with pytest.raises(importer.SourceError, match=said):
        importer.check(path, "leads.yaml")


def test_a_typed_file_without_rows_is_told_without_options_of_files(tmp_path: Path) -> None:
    path = as_parquet(tmp_path / "leads.parquet", pa.table({"Name": pa.array([], pa.string())}))
    with pytest.raises(importer.SourceError, match="none of its rows holds anything") as error:
        importer.check(path, "leads.yaml")
    assert "--" not in str(error.value.hint)


def test_a_parquet_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = as_parquet(tmp_path / "leads.parquet", LEADS)
    content = path.read_bytes()
    for cut in (4, len(content) // 2, len(content) - 4):
        path.write_bytes(content[:cut])
        with pytest.raises(importer.SourceError, match="damaged or cut short"):
            importer.check(path, "leads.yaml")


def test_a_small_parquet_file_that_would_fill_all_memory_is_refused(tmp_path: Path) -> None:
    """A long text that stands in all rows is written once."""
    long = pa.array(["x" * 100_000]).dictionary_encode().dictionary
    indices = pa.array(np.zeros(10_000, np.int32))
    table = pa.table({"Name": pa.DictionaryArray.from_arrays(indices, long)})
    path = as_parquet(tmp_path / "leads.parquet", table)
    assert path.stat().st_size < 100_000
    with pytest.raises(importer.SourceError, match="MiB of text in all"):
        importer.check(path, "leads.yaml")
