"""Text files: encodings, delimiters, row numbers, and what is wrong with them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.model import Problem, Severity, SourceInfo
from importer.settings import BATCH_ROWS, SourceOptions
from importer.sources import delimited, encoding, open_source
from tests.support.sheets import cells_of

Row = tuple[int, list[str]]


def read(path: Path, **options: object) -> tuple[SourceInfo, list[Row], list[Problem]]:
    """The whole source: what it is, its rows with their numbers, its rows' problems."""
    rows: list[Row] = []
    problems: list[Problem] = []
    with open_source(path, SourceOptions(**options)) as source:  # type: ignore[arg-type]
        for batch in source.batches():
            assert [*batch.columns] == [*range(len(source.info.headers))]
            assert len(batch) <= BATCH_ROWS
            for column in batch.columns.values():
                assert (column.type, column.null_count) == (pa.large_string(), 0)
                assert len(column) == len(batch)
            rows += zip(batch.rows.tolist(), cells_of(batch), strict=True)
            problems += batch.problems
    return source.info, rows, problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leads.csv"


def test_cells_stay_exactly_what_is_written(file: Path) -> None:
    """Nothing is taken for a number, a date, or a missing value."""
    cells = ["06301234567", "+36 30 123 4567", "NA", "null", "1e5", "007", "  x  ", "#N/A", "-0"]
    file.write_text("a,b,c,d,e,f,g,h,i\n" + ",".join(cells) + "\n", encoding="utf-8")
    assert read(file)[1] == [(2, cells)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_rows_are_numbered_as_a_spreadsheet_program_shows_them(file: Path, line_end: str) -> None:
    """A cell with line breaks is in one row; blank lines and blank rows count, but are no rows."""
    lines = ["Name,Note", "Ann,one", "", 'Bob,"two', 'lines"', " ,\u200b", "Cid,x", "", ""]
    file.write_bytes(line_end.join(lines).encode())
    info, rows, problems = read(file)
    assert (info.headers, info.header_row) == (("Name", "Note"), 1)
    broken = f"two{line_end}lines"
    assert rows == [(2, ["Ann", "one"]), (4, ["Bob", broken]), (6, ["Cid", "x"])]
    assert problems == []


def test_row_numbers_go_on_over_batches_and_blocks(file: Path) -> None:
    count = BATCH_ROWS * 3 + 5
    body = "".join(f'{n},"Kovács\n{n}",{"é" * (n % 90)}\r\n' for n in range(2, count + 2))
    file.write_bytes(f"n,name,pad\r\n{body}".encode())
    assert file.stat().st_size > 2 * encoding.BLOCK
    rows = read(file)[1]
    assert len(rows) == count
    assert all(cells[0] == str(number) and cells[1].endswith(str(number)) for number, cells in rows)


@pytest.mark.parametrize("count", [BATCH_ROWS - 2, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_file_as_long_as_a_batch_loses_no_row(file: Path, count: int, end: str) -> None:
    file.write_text("n\n" + "\n".join(f"x{n}" for n in range(count)) + end, encoding="utf-8")
    assert [number for number, _ in read(file)[1]] == list(range(2, count + 2))


@pytest.mark.parametrize("size", [encoding.BLOCK - 1, encoding.BLOCK, encoding.BLOCK + 1])
@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_a_line_end_that_falls_on_a_block_end_is_one_line_end(
    file: Path, size: int, line_end: str
) -> None:
    padding = "x" * 1000 + line_end
    text = "h" + line_end + padding * (size // len(padding))
    text += "y" * (size - len(text) - 1) + line_end + "z" + line_end
    file.write_bytes(text.encode())
    rows = read(file)[1]
    assert [number for number, _ in rows] == list(range(2, len(rows) + 2))
    assert rows[-1][1] == ["z"]


@pytest.mark.parametrize(
    ("codec", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1250", "cp1250"),
    ],
)
def test_the_encoding_is_found(file: Path, codec: str, found: str) -> None:
    file.write_bytes("Név;Város\r\nŐry Ágnes;Győr\r\nSzűcs Éva;Pécs\r\n".encode(codec))
    info, rows, _ = read(file)
    assert (info.encoding, info.delimiter, info.headers) == (found, ";", ("Név", "Város"))
    assert rows == [(2, ["Őry Ágnes", "Győr"]), (3, ["Szűcs Éva", "Pécs"])]


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ("cp1250", "Szabó Győző, Fűzfő, Tűzoltó, Kőszeg, Nagykőrös, Bőszénfa"),
        ("cp1250", "Dvořák, Jiří, Růžička, Kučera, Ševčík, Žďár, Plzeň, Příbram, Ústí"),
        ("cp1250", "Wałęsa, Łódź, Kraków, Gdańsk, Świątek, Żywiec, Częstochowa"),
        ("cp1250", "Škoda, Žilina, Košice, Ľubomír, Nováková, Piešťany"),
        ("iso8859-2", "Škoda, Žilina, Košice, Ľubomír, Piešťany, Šaľa, Žiar, Levoča"),
        ("iso8859-2", "Wałęsa, Łódź, Świątek, Żywiec, Ślęza, Gąsior, Ćwikła"),
        ("iso8859-2", "Ľubomír Škoda, Žilina, Mária Šťastná, Košice, Žofia Ťapáková, Piešťany"),
        ("iso8859-2", "MUŽ, ŽENA"),
        ("iso8859-2", "Ťahanovce, Masťan, Kosťov"),
        ("iso8859-2", "Byť, Zavolať, Poslať, Robiť, Nechať, Písať, Kúpiť, Šéf, Škola"),
        ("cp1250", "«Győr», »Fűzfő«, Kőszeg®, Tűz«gép»kőmű"),
        ("cp1252", "« Château », «Forêt», «Noël, à côté», Crème®"),
        ("cp1252", "Françoise, Hélène, Château, Forêt, Benoît, Noël, à côté, Crème, Où"),
        ("cp1252", "Muñoz, Peña, Núñez, España, Coruña, García, León"),
        ("cp1252", "João, São Paulo, Conceição, Simões, Brandão, Gonçalves"),
        ("cp1252", "Ångström, Sjöberg, Håkansson, Sørensen, Kjær, Århus"),
    ],
)
def test_code_pages_are_told_apart_by_the_words_they_make(
    file: Path, codec: str, words: str
) -> None:
    names = words.split(", ")
    file.write_bytes(("Name\n" + "\n".join(names) + "\n").encode(codec))
    info, rows, _ = read(file)
    assert [cells[0] for _, cells in rows] == names
    assert info.encoding == codec


def test_german_reads_alike_whatever_the_code_page(file: Path) -> None:
    file.write_bytes("Name\nMüller\nGroß\nJäger\nKöhler\n„Öz“ – 5 €\n".encode("cp1252"))
    assert [cells[0] for _, cells in read(file)[1]][-1] == "„Öz“ – 5 €"


def test_an_accent_far_down_decides_the_encoding_of_the_whole_file(file: Path) -> None:
    file.write_bytes(b"Name\n" + b"Kiss\n" * 400_000 + "Győr\n".encode("cp1250"))
    info, rows, _ = read(file)
    assert info.encoding == "cp1250"
    assert rows[-1] == (400_002, ["Győr"])


def test_the_encoding_option_beats_what_is_found(file: Path) -> None:
    file.write_bytes("Név\nÁgnes\n".encode())
    info, rows, _ = read(file, encoding="latin-1")
    assert (info.encoding, rows) == ("iso8859-1", [(2, ["Ã\x81gnes"])])


def test_a_utf8_file_with_a_few_wrong_bytes_is_refused_with_the_line(file: Path) -> None:
    """Read as a code page it would spoil every accent in it."""
    good = "Kovács Pécs\n".encode()  # no byte of it is lacking in any code page
    file.write_bytes(b"Name\n" + good * 50 + b"Nagy \xf5\n" + good * 50)
    with pytest.raises(SourceError, match=r"UTF-8, but for 1 byte .*line 52 .*0xf5"):
        read(file)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_bytes_that_the_encoding_lacks_are_refused_with_the_line(
    file: Path, line_end: bytes
) -> None:
    file.write_bytes(line_end.join([b"Name", *[b"Kiss"] * 300_000, b"\x81x", b"Nagy"]))
    with pytest.raises(SourceError, match="line 300002 "):
        read(file, encoding="cp1252")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("before", [0, 2**20])
def test_a_byte_that_is_no_utf8_is_named_by_its_place(file: Path, mark: bytes, before: int) -> None:
    start = mark + b"Name\n" + b"Kiss\n" * (before // 5)
    file.write_bytes(start + b"Kov\xe1cs\n")
    with pytest.raises(SourceError, match=rf"\(0xe1, at byte {len(start) + 4:,}\)"):
        read(file, encoding="utf-8")


@pytest.mark.parametrize("mark", ["", "\ufeff", "\ufeff\ufeff"])
@pytest.mark.parametrize("block", [1, 2**20])
def test_byte_order_marks_are_no_text(
    file: Path, mark: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "BLOCK", block)
    file.write_bytes(f"{mark}Név;Város\nÉva;Pécs\n".encode())
    info, rows, _ = read(file)
    assert (info.headers, rows) == (("Név", "Város"), [(2, ["Éva", "Pécs"])])


def test_a_short_list_with_odd_characters_is_read(file: Path) -> None:
    rows = [[f"Ann\x01{number}", "\x02\x7f"] for number in range(3)]
    file.write_text("\n".join(map(",".join, [["Name", "City"], *rows])), encoding="utf-8")
    assert [cells for _, cells in read(file)[1]] == rows


@pytest.mark.parametrize("name", ["no-such", "rot13", "hex", "", "\0", "punycode", "utf-7"])
def test_an_encoding_that_no_file_has_is_refused(file: Path, name: str) -> None:
    file.write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(SourceError, match="is not known"):
        read(file, encoding=name)


@pytest.mark.parametrize(
    ("text", "mark", "rows"),
    [
        ("a;b\n1,5;2\n3,7;4\n", ";", [["1,5", "2"], ["3,7", "4"]]),
        ("a\tb\nx, y\tz\nu, v\tw\n", "\t", [["x, y", "z"], ["u, v", "w"]]),
        ("a|b\n1|2\n", "|", [["1", "2"]]),
        ('a,b\n"x;y;z",1\n"u;v;w",2\n', ",", [["x;y;z", "1"], ["u;v;w", "2"]]),
        ("Address\nBudapest, Fő u. 1\nPécs, Kis u. 2\n", ";", [["Budapest, Fő u. 1"], None]),
        ("Name;Notes\nAnn;a, b, c, d\nBob;e, f, g, h\n", ";", [["Ann", "a, b, c, d"], None]),
        ("sep=|\na|b\n1;2;3|4\n", "|", [["1;2;3", "4"]]),
        ("Phone\n06301234567\n06301234568\n", ",", [["06301234567"], ["06301234568"]]),
    ],
)
def test_the_delimiter_is_found(
    file: Path, text: str, mark: str, rows: list[list[str] | None]
) -> None:
    file.write_text(text, encoding="utf-8")
    info, found, _ = read(file)
    assert info.delimiter == mark
    assert all(want is None or cells == want for (_, cells), want in zip(found, rows, strict=True))


TABLE = "Name;City;Phone\nAnn;Vac;1234567\nBob;Pecs;1234568\n"
PAIRS = "Name;Phone\nAnn;1234567\nBob;1234568\n"


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        (TABLE + "\n" + "Note, this list, as agreed, is confidential\n" * 8, ";"),
        ("A, b, c and d\nE, f, g and h\nI, j, k, and l\nx, y\n\n" + PAIRS, ";"),
        ("Report,made on,Monday\nFor the team,only\n\n" + PAIRS + "Cid;123\n", ";"),
        ("Exported,2024\nRows,2\n\n" + TABLE, ";"),
        ("Title\n" * 7 + PAIRS, ";"),
        ("Title\n" * 30 + TABLE.replace(";", "\t"), "\t"),
        (PAIRS.replace(";", "\t") + "Total, all, of, it\nx, y\n", "\t"),
        (TABLE + "Total;2\n", ";"),
        ("Name;Price\n" + "Ann;12,50\n" * 10 + "Bob;1\n", ";"),
        ("Name,Tags\n" + "Ann,a;b;c;d\n" * 30, ","),
        ("Name;Address\n" + "Ann;Vac,Fo u. 1,2/b,x\n" * 30, ";"),
        ("Name, City, Phone\nAnn, Vac, 1234567\nBob, Pecs, 1234568\n", ","),
        ('"Name", "City"\n"Ann", "Vac, x"\n"Bob", "Pecs"\n', ","),
        ("Name;City;Phone\nAnn,Vac,1234567\nBob;Pecs;1234568\nCid;Vac;1234569\n", ";"),
    ],
)
def test_prose_and_titles_do_not_decide_the_delimiter(file: Path, text: str, mark: str) -> None:
    file.write_text(text, encoding="utf-8")
    assert read(file)[0].delimiter == mark


@pytest.mark.parametrize(
    "text",
    [
        "Note\n" + "text\n" * 40 + "a;b\nc;d\ne;f\n" + "text\n" * 40,
        "Name\nAnn\nSmith,John\nFay,Bob\nCid\n",
        "Address\n" + "Budapest, Fo u. 1\n" * 20,
        "Sentence\n" + "Yes, but, as always, not now\n" * 20,
    ],
)
def test_a_list_of_one_column_is_not_divided(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    assert [list(read(file)[0].headers), *(cells for _, cells in read(file)[1])] == [
        [line] for line in text.splitlines()
    ]


def test_a_sep_line_is_no_row_as_in_spreadsheet_programs_and_the_option_beats_it(
    file: Path,
) -> None:
    file.write_text("sep=;\na;b,c\n1;2,3\n", encoding="utf-8")
    info, rows, _ = read(file)
    assert (info.headers, info.header_row, rows) == (("a", "b,c"), 1, [(2, ["1", "2,3"])])
    info, rows, _ = read(file, delimiter=",")
    assert (info.headers, rows) == (("a;b", "c"), [(2, ["1;2", "3"])])


@pytest.mark.parametrize(("option", "mark"), [("tab", "\t"), ("\\t", "\t"), (";", ";")])
def test_the_delimiter_option_takes_a_character_or_a_name(
    file: Path, option: str, mark: str
) -> None:
    file.write_text(f"a{mark}b\n1{mark}2\n", encoding="utf-8")
    assert read(file, delimiter=option)[1] == [(2, ["1", "2"])]


@pytest.mark.parametrize("option", ["", ";;", '"', "\n"])
def test_a_delimiter_that_cannot_divide_is_refused(file: Path, option: str) -> None:
    file.write_text("a;b\n1;2\n", encoding="utf-8")
    with pytest.raises(SourceError, match="cannot divide"):
        read(file, delimiter=option)


def test_cells_beyond_the_last_header_are_an_error_of_their_row(file: Path) -> None:
    """They are never shifted silently; blank ones, which Excel writes, are nothing."""
    file.write_text("a;b;;\n1;2\n3;4;;;\n5;6;seven;eight\n;;;9\n", encoding="utf-8")
    info, rows, problems = read(file, header_row=1)
    assert info.headers == ("a", "b", "", "")
    file.write_text("a;b\n1;2\n3;4;;;\n5;6;seven;eight\n;;;9\n", encoding="utf-8")
    info, rows, problems = read(file)
    assert info.headers == ("a", "b")
    assert rows == [(2, ["1", "2"]), (3, ["3", "4"]), (4, ["5", "6"]), (5, ["", ""])]
    found = [(p.row, p.code, p.severity, p.value) for p in problems]
    assert found == [
        (4, "ragged_row", Severity.ERROR, "seven | eight"),
        (5, "ragged_row", Severity.ERROR, " | 9"),
    ]


def test_missing_cells_are_blank_with_a_warning(file: Path) -> None:
    file.write_text("a,b,c\n1\n2,3,4\n,\n", encoding="utf-8")
    _, rows, problems = read(file)
    assert rows == [(2, ["1", "", ""]), (3, ["2", "3", "4"])]
    assert [(p.row, p.code, p.severity) for p in problems] == [(2, "short_row", Severity.WARNING)]


def test_a_column_without_header_is_kept_where_it_has_data(file: Path) -> None:
    file.write_text("a,,c,,\n1,2,3,,\n", encoding="utf-8")
    info, rows, _ = read(file)
    assert (info.headers, rows) == (("a", "", "c"), [(2, ["1", "2", "3"])])


def test_a_nul_character_is_an_error_of_its_row(file: Path) -> None:
    file.write_bytes(b"Name,Phone\n\nAnn,06\x0030\nBob,1\n")
    _, rows, problems = read(file)
    assert [number for number, _ in rows] == [3, 4]
    assert [(p.row, p.column, p.code) for p in problems] == [(3, "Phone", "nul_character")]


def test_a_quote_never_closed_is_refused_with_the_row_it_opens_in(file: Path) -> None:
    lines = ["a,b", "1,2", '3,"4', *(f"{n},x" for n in range(20))]
    for end in ("", "\n"):
        file.write_text("\n".join(lines) + end, encoding="utf-8")
        with pytest.raises(SourceError, match=r"quote .* row 3 and is never closed"):
            read(file)


def test_a_quote_does_not_swallow_a_long_file(file: Path) -> None:
    """Not even where the csv module's own limit, which is global, was lifted by somebody."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        lines = ["a,b", *["1,2"] * 9000, '3,"4', *["5,6"] * 100_000]
        file.write_text("\n".join(lines), encoding="utf-8")
        with pytest.raises(SourceError, match="row 9002 is longer") as caught:
            read(file)
        assert "quote" in str(caught.value.hint)
        assert csv.field_size_limit() == 2**31 - 1
    finally:
        csv.field_size_limit(before)


def test_a_line_without_end_is_refused(file: Path) -> None:
    file.write_bytes(b"a,b\n1,2\n" + b"x," * delimited.LONGEST_LINE)
    with pytest.raises(SourceError, match="without a line break"):
        read(file)


def test_a_drive_that_goes_away_while_reading_is_a_source_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before is no reason to go on: the rest of the list is unknown."""
    whole = encoding.utf8_blocks

    def cut(*given: object) -> Iterator[bytes]:
        for number, block in enumerate(whole(*given)):  # type: ignore[arg-type]
            if number == 2:
                raise OSError(5, "Input/output error")
            yield block

    file.write_text("a,b\n" + "1,2\n" * 1_000_000, encoding="utf-8")
    monkeypatch.setattr(delimited, "utf8_blocks", cut)
    with pytest.raises(SourceError, match=r"beyond row \d+ \(Input/output error\)"):
        read(file)


def test_headers_are_trimmed_and_in_nfc(file: Path) -> None:
    file.write_text("\u00a0Ne\u0301v\u200b , Phone \n1,2\n", encoding="utf-8-sig")
    assert read(file)[0].headers == ("Név", "Phone")


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("Leads for October,,\n\nExported:,2024-10-01,\nName,City,Phone\nAnn,Pécs,1\n", 4),
        ("Contacts,,,Address,\nName,Phone,Email,Zip,City\nAnn,1,a@b.c,7,Pécs\n", 2),
        ("Name,Phone,Mobile,Email,City\nAnn,1,,,\nBob,,2,,\nCid,3,,,\n", 1),
        ("\n\n\nPhone\n06301234567\n", 4),
        ("Name\nAnn\nBob\n", 1),
        ("Title\nName;City\nAnn;Pécs\nBob;Győr\nCid;Vác\n", 2),
    ],
)
def test_the_header_is_found_below_titles_and_blank_lines(file: Path, text: str, row: int) -> None:
    file.write_text(text, encoding="utf-8")
    info, rows, _ = read(file)
    assert info.header_row == row
    assert rows[0][0] == row + 1
    assert info.problems == ()


def test_a_header_that_looks_like_data_is_taken_with_a_warning(file: Path) -> None:
    file.write_text("06301234567\n06301234568\n", encoding="utf-8")
    info, rows, _ = read(file)
    assert (info.headers, rows) == (("06301234567",), [(2, ["06301234568"])])
    assert [p.code for p in info.problems] == ["header_unsure"]


def test_the_header_row_option_beats_what_is_found(file: Path) -> None:
    file.write_text("Name,City\nAnn,Pécs\nFirst,Second\nBob,Vác\n", encoding="utf-8")
    info, rows, _ = read(file, header_row=3)
    assert (info.headers, rows) == (("First", "Second"), [(4, ["Bob", "Vác"])])


@pytest.mark.parametrize("row", [2, 4, 99_999])
def test_a_header_row_that_is_blank_or_not_there_is_refused(file: Path, row: int) -> None:
    file.write_text("a,b\n\n1,2\n", encoding="utf-8")
    with pytest.raises(SourceError, match=f"row {row} "):
        read(file, header_row=row)


def test_a_header_row_far_down_is_reached(file: Path) -> None:
    file.write_text("x\n" * 20_000 + "Name\nAnn\n", encoding="utf-8")
    info, rows, _ = read(file, header_row=20_001)
    assert (info.headers, rows) == (("Name",), [(20_002, ["Ann"])])


def test_only_the_rows_asked_for_are_taken(file: Path) -> None:
    file.write_text("n\n" + "".join(f"x{n}\n" for n in range(2, 20_001)), encoding="utf-8")
    rows = read(file, rows=(9_000, 17_500))[1]
    assert [number for number, _ in rows] == list(range(9_000, 17_501))
    assert rows[0][1] == ["x9000"]
    assert len(read(file, rows=(1, 3))[1]) == 2
    with pytest.raises(SourceError, match="no data in rows 30000 to 30001"):
        read(file, rows=(30_000, 30_001))


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\n \n", b"\r\n" * 300_000, b"\x1a"])
def test_an_empty_file_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match="empty"):
        read(file)


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b", b"a,b\n\n,,\n" + b"\n" * 20_000])
def test_a_file_with_a_header_only_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match="no data below the header"):
        read(file)


def test_options_of_workbooks_are_ignored_with_a_warning(file: Path) -> None:
    file.write_text("a\nb\n", encoding="utf-8")
    assert [p.code for p in read(file, sheet="Leads")[0].problems] == ["option_ignored"]


_CELLS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\t\r\n",;'),
    max_size=12,
)


@given(rows=st.lists(st.lists(_CELLS, min_size=3, max_size=3), min_size=1, max_size=8))
def test_any_text_that_was_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    """Whatever the cells hold: quotes, delimiters, line breaks, white space."""
    path = tmp_path_factory.mktemp("any") / "any.csv"
    rows = [["id", *row] for row in rows]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["Key", "One", "Two", "Three"], *rows])
    path.write_bytes(text.getvalue().encode())
    _, found, problems = read(path, header_row=1, delimiter=",", encoding="utf-8")
    assert found == [(number, row) for number, row in enumerate(rows, 2)]
    assert problems == []


@given(content=st.binary(max_size=300))
def test_no_content_crashes_the_reader(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "fuzz.csv"
    path.write_bytes(content)
    try:
        read(path)
    except SourceError as error:
        assert error.hint


SHOWING_NOTHING = [
    *" \t\xa0\u2009\u202f\u3000\u2800\u3164",
    *"\x1a\xad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2064\ufeff",
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
]


@pytest.mark.parametrize("blank", SHOWING_NOTHING, ids=ascii)
def test_a_header_is_found_whatever_shows_nothing_around_it(blank: str, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"{blank}Name{blank};City\nAnn;{blank}\n{blank};{blank}\nBea;Wien\n", "utf-8")
    with open_source(file, SourceOptions()) as source:
        rows = [row for batch in source.batches() for row in batch.rows.tolist()]
        assert source.info.headers == ("Name", "City")
    assert rows == [2, 4]
