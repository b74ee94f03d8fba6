"""Cells merged below the header: filled downwards, held back where they go over columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import xlsxwriter

from importer.errors import SourceError
from importer.model import SourceInfo
from importer.settings import BATCH_ROWS, SourceOptions
from importer.sources import open_source
from tests.sources.test_other_workbooks import write_ods
from tests.sources.test_workbooks import MAIN, write_raw
from tests.support import biff
from tests.support.compound import compound_file
from tests.support.xlsb import cell, record, row, write_xlsb


def cells(body: str, after: str) -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData>{after}</worksheet>'


Rows = Sequence[tuple[str, ...]]
Merges = Sequence[tuple[int, int, int, int]]
Write = Callable[[Path, Rows, Merges], Path]
AWAY = "#MERGED!"


def xlsx(path: Path, rows: Rows, merges: Merges) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        page = book.add_worksheet("Leads")
        for merge in merges:
            page.merge_range(*merge, "")
        for number, texts in enumerate(rows):
            for column, text in enumerate(texts):
                if text:
                    page.write_string(number, column, text)
    return path


def xlsx_without_references(path: Path, rows: Rows, merges: Merges) -> Path:
    """Cells without references, which are looked through tag by tag."""

    def one(text: str) -> str:
        return f'<c t="inlineStr"><is><t>{text}</t></is></c>'

    body = "".join(f"<row>{''.join(map(one, texts))}</row>" for texts in rows)
    merged = "".join(
        f'<mergeCell ref="{chr(65 + left)}{top + 1}:{chr(65 + right)}{bottom + 1}"/>'
        for top, left, bottom, right in merges
    )
    return write_raw(path, cells(body, after=f"<mergeCells>{merged}</mergeCells>"))


def xls(path: Path, rows: Rows, merges: Merges) -> Path:
    content = b"".join(
        biff.label(number, column, text)
        for number, texts in enumerate(rows)
        for column, text in enumerate(texts)
        if text
    )
    content += b"".join(biff.merge(top, bottom, left, right) for top, left, bottom, right in merges)
    path.write_bytes(compound_file({"Workbook": biff.stream(content)}))
    return path


def xlsb(path: Path, rows: Rows, merges: Merges) -> Path:
    content = b"".join(
        row(number) + b"".join(cell(column, text) for column, text in enumerate(texts) if text)
        for number, texts in enumerate(rows)
    )
    merged = b"".join(
        record(176, b"".join(n.to_bytes(4, "little") for n in (top, bottom, left, right)))
        for top, left, bottom, right in merges
    )
    return write_xlsb(path, content, after=record(177) + merged + record(178))


def ods(path: Path, rows: Rows, merges: Merges) -> Path:
    spans = {
        (top, left): (bottom - top + 1, right - left + 1) for top, left, bottom, right in merges
    }

    def one(number: int, column: int, text: str) -> str:
        height, width = spans.get((number, column), (1, 1))
        about = f'table:number-rows-spanned="{height}" table:number-columns-spanned="{width}"'
        shown = f"<text:p>{text}</text:p>" if text else ""
        return f'<table:table-cell office:value-type="string" {about}>{shown}</table:table-cell>'

    body = "".join(
        f"<table:table-row>{''.join(one(n, c, text) for c, text in enumerate(texts))}"
        "</table:table-row>"
        for n, texts in enumerate(rows)
    )
    return write_ods(path, f'<table:table table:name="Leads">{body}</table:table>')


KINDS = [xlsx, xlsx_without_references, xls, xlsb, ods]


def read(
    path: Path, taken: tuple[int, int] | None = None
) -> tuple[SourceInfo, dict[int, list[str]]]:
    with open_source(path, SourceOptions(rows=taken)) as source:
        found: dict[int, list[str]] = {}
        for batch in source.batches():
            columns = [batch.columns[n].to_pylist() for n in range(len(source.info.headers))]
            texts = map(list, zip(*columns, strict=True))
            found |= dict(zip(batch.rows.tolist(), texts, strict=True))
        return source.info, found


@pytest.mark.parametrize("write", KINDS, ids=lambda write: write.__name__)
def test_merged_cells_are_filled_down_or_held_back(tmp_path: Path, write: Write) -> None:
    rows = [
        ("City", "First", "Last"),
        ("Vác", "Ann", "A"),
        ("", "Bob", "B"),
        ("", "Cid", "C"),
        ("Pécs", "Dan Dandy", ""),  # one value over two columns
        ("", "Eve", "E"),  # blank, and not merged
        ("Total: 5", "", ""),  # a footer over all columns
        ("Eger", "F", "F"),
        ("", "", ""),  # not a row, though its city is merged
        ("", "G", "G"),
    ]
    merges = [(1, 0, 3, 0), (4, 1, 4, 2), (6, 0, 6, 2), (7, 0, 9, 0)]
    info, found = read(write(tmp_path / "leads", rows, merges))
    assert found == {
        2: ["Vác", "Ann", "A"],
        3: ["Vác", "Bob", "B"],
        4: ["Vác", "Cid", "C"],
        5: ["Pécs", "Dan Dandy", AWAY],
        6: ["", "Eve", "E"],
        7: ["Total: 5", AWAY, AWAY],
        8: ["Eger", "F", "F"],
        10: ["Eger", "G", "G"],
    }
    told = {problem.code: problem.column for problem in info.problems}
    assert told["merged_rows"] == "City"


def test_merges_of_blank_cells_mean_nothing(tmp_path: Path) -> None:
    rows = [("City", "Name"), ("", "Ann"), ("", "Bob"), ("", "Cid"), ("", "")]
    _, found = read(xlsx(tmp_path / "a.xlsx", rows, [(1, 0, 2, 0), (4, 0, 4, 1)]))
    assert found == {2: ["", "Ann"], 3: ["", "Bob"], 4: ["", "Cid"]}


def test_a_block_over_rows_and_columns_is_held_back(tmp_path: Path) -> None:
    rows = [("A", "B", "C"), ("x", "", "1"), ("", "", "2"), ("y", "z", "3")]
    _, found = read(xlsx(tmp_path / "a.xlsx", rows, [(1, 0, 2, 1)]))
    assert found == {2: ["x", AWAY, "1"], 3: [AWAY, AWAY, "2"], 4: ["y", "z", "3"]}


def test_a_text_hidden_under_a_merge_cannot_be_told(tmp_path: Path) -> None:
    """Some programs leave it there; spreadsheets show the first cell's only."""
    rows = [("A", "B"), ("x", "1"), ("x", "2"), ("hidden", "3"), (" ", "4")]
    _, found = read(xlsx_without_references(tmp_path / "a.xlsx", rows, [(1, 0, 4, 0)]))
    assert [cells[0] for cells in found.values()] == ["x", "x", AWAY, "x"]


def test_a_merge_that_begins_in_the_header_is_held_back_below(tmp_path: Path) -> None:
    rows = [("City", "Name"), *(("", f"Ann {n}") for n in range(6))]
    _, found = read(xlsx(tmp_path / "a.xlsx", rows, [(0, 0, 5, 0)]))
    assert [cells[0] for cells in found.values()] == [*[AWAY] * 5, ""]


@pytest.mark.parametrize("write", [xlsx, xlsx_without_references])
def test_a_merge_goes_on_from_batch_to_batch(tmp_path: Path, write: Write) -> None:
    last = 2 * BATCH_ROWS + 7
    rows = [("City", "Name"), ("Vác", "0"), *(("", str(n)) for n in range(1, last)), ("Pécs", "x")]
    path = write(tmp_path / "a.xlsx", rows, [(1, 0, last, 0)])
    _, found = read(path)
    assert len(found) == last + 1
    assert {cells[0] for row, cells in found.items() if row <= last + 1} == {"Vác"}
    assert found[last + 2] == ["Pécs", "x"]


def test_rows_that_were_asked_for_know_of_merges_above_them(tmp_path: Path) -> None:
    rows = [("City", "Name"), ("Vác", "Ann"), ("", "Bob"), ("", "Cid"), ("", "Dan")]
    path = xlsx(tmp_path / "a.xlsx", rows, [(1, 0, 3, 0)])
    assert read(path, (4, 5))[1] == {4: ["Vác", "Cid"], 5: ["", "Dan"]}


def raw(path: Path, refs: list[str], rows: str) -> Path:
    merges = "".join(f'<mergeCell ref="{ref}"/>' for ref in refs)
    return write_raw(path, cells(rows, after=f"<mergeCells>{merges}</mergeCells>"))


def text_row(number: int, *texts: str) -> str:
    return (
        f'<row r="{number}">'
        + "".join(
            f'<c r="{chr(65 + n)}{number}" t="inlineStr"><is><t>{text}</t></is></c>'
            for n, text in enumerate(texts)
            if text
        )
        + "</row>"
    )


def test_many_merges_are_read_in_time_that_grows_with_them(tmp_path: Path) -> None:
    count = 100_000
    refs = [f"A{2 * n}:A{2 * n + 1}" for n in range(1, count + 1)]
    body = text_row(1, "City", "Name") + "".join(
        text_row(2 * n, "x", "a") + text_row(2 * n + 1, "", "b") for n in range(1, count + 1)
    )
    path = raw(tmp_path / "a.xlsx", refs, body)
    began = time.monotonic()
    _, found = read(path)
    assert {cells[0] for cells in found.values()} == {"x"}
    assert len(found) == 2 * count
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("refs", "said"),
    [
        ([f"A{n}:A1048576" for n in range(2, 5000)], "overlap"),
        (["A2:XFD1048576", "A2:A3"], "overlap"),
        (["A2:A1048576", "B2:B1048576"], None),
    ],
)
def test_merges_made_to_do_harm_do_none(tmp_path: Path, refs: list[str], said: str | None) -> None:
    path = raw(tmp_path / "a.xlsx", refs, text_row(1, "A", "B") + text_row(2, "x", "y"))
    if said is None:
        assert read(path)[1] == {2: ["x", "y"]}
        return
    with pytest.raises(SourceError, match=said):
        read(path)


def test_a_long_text_merged_over_many_rows_is_refused(tmp_path: Path) -> None:
    """It would take 1.2 GB."""
    body = text_row(1, "A", "B") + text_row(2, "x" * 120_000, "y")
    body += "".join(text_row(n, "", "y") for n in range(3, 10_000))
    with pytest.raises(SourceError, match="512 MiB of text"):
        read(raw(tmp_path / "a.xlsx", ["A2:A10000"], body))
