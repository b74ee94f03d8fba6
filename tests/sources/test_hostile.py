"""Files made to take all memory or all time: each is refused soon, with the limit it is over."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.test_workbooks import MAIN, cells, write_raw

MOST_MEMORY = 900
"""MiB, of which Python with its libraries takes 130."""

READ = """
import resource, sys
from pathlib import Path
from importer.errors import SourceError
from importer.settings import SourceOptions
from importer.sources import open_source
try:
    with open_source(Path(sys.argv[1]), SourceOptions()) as source:
        rows = sum(len(batch) for batch in source.batches())
    print(f"{rows} rows, {len(source.info.headers)} columns")
except SourceError as error:
    assert error.hint
    print(error.message)
try:
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
except FileNotFoundError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
"""Says what was found and the most memory held, in MiB. Linux counts a child's `ru_maxrss` from
that of its parent, which is the whole test run, so its own mark is read where there is one."""


def text(path: Path, pieces: Iterator[bytes]) -> Path:
    with path.open("wb") as file:
        file.writelines(pieces)
    return path


def endless_line(path: Path) -> Path:
    """The beginning of 2 GB without a line break: no more than this is ever looked at."""
    with path.open("wb") as file:
        file.write(b"Name,Phone\nAnn,1\nBob,")
        for _ in range(300):
            file.write(b"x" * 2**20)
    return path


def open_quote(path: Path) -> Path:
    return text(path, iter([b'Name,Phone\nAnn,1\nBob,"', *[b"line\n" * 2**18] * 150]))


def record_without_end(path: Path) -> Path:
    """No line is long, nor is any cell, but all are in one row."""
    return text(path, iter([b"Name,Phone\nAnn,1\n", *[b'"a\nb",' * 2**18] * 100]))


def million_columns(path: Path) -> Path:
    return text(path, iter([b",".join(b"c%d" % n for n in range(400_000)) + b"\n", b"1,2\n" * 99]))


def wide_rows(path: Path) -> Path:
    return text(path, iter([b"Name,Phone\n", *[b"1,2" + b"," * 1_000_000 + b"\n"] * 100]))


def blank_columns(path: Path) -> Path:
    """As some programs write a list whose formats reach to the last column: no fault at all."""
    line = b"," * 16_380 + b"\n"
    return text(path, iter([b"Name,Phone" + line, *[b"Ann,1" + line] * 5000]))


def word_without_end(path: Path) -> Path:
    """Neither UTF-8 nor words: the code page is still to be found in good time."""
    return text(path, iter([b"Name\nGy\xf5r\n", *[b"a" * 100_000 + b"\n"] * 300, b"\xe9" * 99_999]))


def shared_text(path: Path) -> Path:
    """A file of 150 KB whose cells hold gigabytes."""
    row = '<row r="{0}"><c r="A{0}" t="s"><v>0</v></c><c r="B{0}" t="s"><v>0</v></c></row>'
    body = "".join(row.format(n) for n in range(2, 20_000))
    strings = f'<sst xmlns="{MAIN}"><si><t>{"x" * 32_000}</t></si></sst>'
    return write_raw(path, cells(body), strings=strings)


def shared_text_oddly(path: Path) -> Path:
    """The same, written as no program writes it, to pass by whoever counts."""
    row = "<row r='{0}'><c r='A{0}' t = 's'><f>1</f><v>1</v></c></row>"
    body = "".join(row.format(n) for n in range(2, 40_000))
    strings = f'<sst xmlns="{MAIN}"><si/><si ><t>{"x" * 32_000}</t></si ></sst>'
    return write_raw(path, cells(body), strings=strings)


def long_shared_text(path: Path) -> Path:
    strings = f'<sst xmlns="{MAIN}"><si><t>{"x1" * 2_000_000}</t></si></sst>'
    body = '<row r="2"><c r="A2" t="s"><v>0</v></c></row>'
    return write_raw(path, cells(body), strings=strings)


def long_text(path: Path) -> Path:
    body = f'<row r="2"><c r="B2" t="inlineStr"><is><t>{"x1" * 4_000_000}</t></is></c></row>'
    return write_raw(path, cells(body))


def endless_shared_text(path: Path) -> Path:
    strings = f'<sst xmlns="{MAIN}"><si><t>{"x1" * 20_000_000}</t></si></sst>'
    return write_raw(path, cells('<row r="2"><c r="A2" t="s"><v>0</v></c></row>'), strings=strings)


def circular_chain(path: Path) -> Path:
    """An old workbook whose first short sector follows on its second, and that on the first."""

    def entry(name: str, kind: int, root: int, first: int, size: int) -> bytes:
        text = name.encode("utf-16-le")
        head = text.ljust(64, b"\0") + struct.pack("<HBBiii", len(text) + 2, kind, 1, -1, -1, root)
        return head.ljust(116, b"\0") + struct.pack("<ii", first, size) + b"\0" * 4

    def table(*sectors: int) -> bytes:
        return struct.pack("<128i", *sectors, *[-1] * (128 - len(sectors)))

    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(24, b"\0")
    head += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6).ljust(20, b"\0")
    head += struct.pack("<iiiiiiii", 1, 1, 0, 4096, 2, 1, -2, 0) + table(0)[: 4 * 109]
    entries = entry("Root Entry", 5, 1, 3, 512) + entry("Workbook", 2, -1, 0, 192)
    sectors = table(-3, -2, -2, -2) + entries.ljust(512, b"\0") + table(1, 0) + b"x" * 512
    path.write_bytes(head + sectors)
    return path


def lying_dimension(path: Path) -> Path:
    """What the sheet says of its own size is not believed."""
    body = '<row r="2"><c r="A2"><v>1</v></c></row>'
    return write_raw(path, cells(body, before='<dimension ref="A1:XFD1048576"/>'))


def entities(path: Path) -> Path:
    """Ten to the tenth: entities are not expanded, so a text that names one is damage."""
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "lol"}">' for n in range(10))
    body = '<row r="2"><c r="A2" t="inlineStr"><is><t>&a9;</t></is></c></row>'
    return write_raw(path, f"<!DOCTYPE x [{levels}]>" + cells(body))


def large_sheet(path: Path) -> Path:
    """A hundred megabytes of XML out of some hundred kilobytes."""
    return write_raw(path, cells('<row r="3"/>' * 8_000_000))


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory as Unix does")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (endless_line, "row 3 is longer than 4,194,304 characters without a line break"),
        (open_quote, "row 3 is longer than 131,072 characters"),
        (record_without_end, "row 3 is longer than"),
        (million_columns, "row 1 has 400,000 cells"),
        (wide_rows, "row 2 has 1,000,002 cells"),
        (blank_columns, "5000 rows, 2 columns"),
        (word_without_end, "rows, 1 columns"),
        (shared_text, "more than 512 MiB of text"),
        (shared_text_oddly, "more than 512 MiB of text"),
        (long_shared_text, "sheet 'S': cell A2 is longer than 131,072 characters"),
        (long_text, "sheet 'S': cell B2 is longer than 131,072 characters"),
        (endless_shared_text, "a cell is longer than 131,072 characters"),
        (circular_chain, "leads back to itself"),
        (lying_dimension, "1 rows, 2 columns"),
        (entities, "leads.xlsx"),
        (large_sheet, "do harm"),
    ],
)
def test_a_file_made_to_do_harm_is_refused_soon_and_in_little_memory(
    tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    path = make(tmp_path / "leads.xlsx")
    done = subprocess.run(
        [sys.executable, "-c", READ, path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    message, memory = done.stdout.splitlines()
    assert said in message
    assert int(memory) < MOST_MEMORY
